"""An interrupted upload of a folder whose name is not UTF-8, or is not to be shown as it is."""

import base64
import os
import signal
import subprocess

import pytest

from gridtest import program, write_random

pytestmark = pytest.mark.fast

NAMES = [b"not \xff utf-8", b"it's a line\nend, a \\ and \x1b[31m", b"quote ' \\ \\n", "ünïcöde\u202e".encode(), b"\xc3\x28\\xff"]


def interrupt(grid, slow, tmp_path, name, datastore="odd"):
    folder = os.path.join(os.fsencode(tmp_path), name)
    for i in range(20):
        write_random(folder, f"f{i:02}", 70_000, seed=i)
    number = len(list((grid.store / datastore).glob("v*"))) + 1
    running = grid.start("datastore", "create", folder, "--name", datastore, "--jobs", "1", env=slow(60))
    running.until(lambda: (grid.version(datastore, number) / "data/f00").exists(), "a first file")
    running.send(signal.SIGTERM)
    assert running.wait().code == 75
    return folder


def is_harmless(text):
    return "\x1b" not in text and "\u202e" not in text and "\ufffd" not in text


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_resume(grid, slow, tmp_path, name):
    folder = interrupt(grid, slow, tmp_path, name)
    row = grid("datastore", "status", "odd", "--json", code=0).events[0]
    assert row["state"] == "interrupted"
    exact = base64.b64decode(row["source_b64"]) if "source_b64" in row else row["source"].encode()
    assert exact == folder
    shown = grid("datastore", "status", "odd", code=0).out
    assert is_harmless(shown) and shown.count("\n") == len(shown.splitlines()) == 5
    result = grid("datastore", "resume", "odd", "--json", code=0)
    session = next(e for e in result.events if e["event"] == "session")
    assert session["resumed"] and session["version"] == 1
    grid.check("odd", folder)


def test_the_commands_that_are_offered_work(grid, slow, tmp_path):
    """Two under one name: each can be resumed by the line that is shown for it, in a shell."""
    folders = [interrupt(grid, slow, tmp_path, name) for name in NAMES]
    result = grid("datastore", "resume", "odd", code=2)
    assert is_harmless(result.err)
    offered = [line.strip() for line in result.err.splitlines() if line.strip().startswith("grid datastore resume")]
    assert len(offered) == len(folders)
    for line in offered:
        words = program() + line.removeprefix("grid")
        done = subprocess.run(["bash", "-c", words], env=grid.env, cwd=grid.home, capture_output=True)
        assert done.returncode == 0, (line, done)
    numbers = range(1, len(folders) + 1)
    assert grid.published("odd") == list(numbers)
    for number, folder in zip(numbers, folders):
        grid.check("odd", folder, number=number)
