"""On a terminal: the live display."""

import os
import re
import signal
import time

import pytest

from gridtest import MIB, Terminal, write_random

pytestmark = pytest.mark.fast

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][0-9A-Za-z]|\x1b[=>78]")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def lasting_tree(tree):
    for i in range(20):
        write_random(tree, f"file-{i:03}-{'long' * 20}", 100_000, seed=i)
    write_random(tree, "big", 40 * MIB)


def redrawn(text):
    """The lines of the live display, without escapes: they tell a rate, or a share."""
    lines = re.split(r"[\r\n]+", ESCAPE.sub("", text[:text.rfind("Published")]))
    return [line for line in lines if "/s" in line or "%" in line]


@pytest.mark.parametrize("columns", [200, 80, 40, 20])
def test_display_fits_the_window(grid, tree, slow, columns):
    lasting_tree(tree)
    t = Terminal(grid, "datastore", "create", tree, columns=columns, env=slow(50))
    assert t.wait() == 0
    assert "tree" in t.text and ("%" in t.text or "MiB" in t.text)
    too_wide = [line for line in redrawn(t.text) if len(line) > columns]
    assert not too_wide, f"more than {columns} columns: {too_wide}"
    assert t.text.endswith("\n"), "the prompt stands on a line of its own"
    assert t.text.count("\x1b[?25l") == t.text.count("\x1b[?25h"), "the cursor is shown again"
    grid.check("tree", tree)


def test_window_is_resized(grid, tree, slow):
    lasting_tree(tree)
    t = Terminal(grid, "datastore", "create", tree, env=slow(50))
    for columns in (30, 1, 0, 500, 80):
        time.sleep(0.3)
        t.resize(columns)
        t.process.send_signal(signal.SIGWINCH)
    assert t.wait() == 0


def test_no_color(grid, tree, slow):
    lasting_tree(tree)
    t = Terminal(grid, "datastore", "create", tree, env={**slow(20), "NO_COLOR": "1"})
    assert t.wait() == 0
    assert not COLOUR.search(t.text.replace("\x1b[m", "").replace("\x1b[0m", ""))


def test_dumb_terminal(grid, tree, slow):
    lasting_tree(tree)
    t = Terminal(grid, "datastore", "create", tree, env={**slow(20), "TERM": "dumb"})
    assert t.wait() == 0
    assert "\x1b" not in t.text


def test_quiet(grid, tree, slow):
    lasting_tree(tree)
    t = Terminal(grid, "datastore", "create", tree, "--quiet", env=slow(20))
    assert t.wait() == 0
    assert len(t.text.splitlines()) <= 6 and "\x1b" not in COLOUR.sub("", t.text)


def test_interrupted_from_the_keyboard(grid, tree, slow):
    lasting_tree(tree)
    t = Terminal(grid, "datastore", "create", tree, env=slow(200))
    deadline = time.monotonic() + 20
    while not (grid.version("tree") / "data").is_dir():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.write(t.leader, b"\x03")
    # The pty is no controlling terminal of the session unless the program asked: send it too.
    t.process.send_signal(signal.SIGINT)
    assert t.wait(20) == 130
    assert "resum" in t.text and t.text.endswith("\n")
    assert t.text.count("\x1b[?25l") == t.text.count("\x1b[?25h")


def test_status_watch_ends_with_the_session(grid, tree, slow):
    lasting_tree(tree)
    running = grid.start("datastore", "create", tree, "--json", env=slow(100))
    running.until_event("progress")
    time.sleep(1.1)
    watch = grid.start("datastore", "status", "tree", "--watch")
    assert running.wait(60).code == 0
    assert watch.wait(20).code == 0


def test_session_log(grid, tree):
    """The log of the session: private, readable, without escape sequences."""
    write_random(tree, "file \x1b[31m", 100)
    grid.create(tree)
    logs = [p for p in grid.sessions.rglob("*") if "log" in p.name and p.is_file()]
    assert logs
    for log in logs:
        assert log.stat().st_mode & 0o077 == 0
        assert b"\x1b" not in log.read_bytes()
