"""Long commands other than an upload: how far they are, and what to do about what they find."""

import re

import pytest

from gridtest import MIB, Terminal, write, write_random
from s3servers import fake  # noqa: F401
from test_s3 import needs_s3, on_fake  # noqa: F401

pytestmark = [needs_s3, pytest.mark.fast]


@pytest.fixture
def place(on_fake, grid, tree):  # noqa: F811
    """A published version of 200 files; requests about it then take their time."""
    place = on_fake()
    for i in range(200):
        write_random(tree, f"file-{i:03}", 1000, seed=i)
    grid.create(tree)
    place.s3.options(latency_by_op={"GetObject": 0.2, "HeadObject": 0.2, "DeleteObjects": 2.5})
    return place


def drawn(t, title):
    """The states of the line that is rewritten."""
    return [line for line in re.findall(r"\r([^\r\n]*)\x1b\[K", t.text) if line.startswith(title)]


@pytest.mark.parametrize("columns", [80, 40])
def test_verify_on_a_terminal(place, grid, columns):
    t = Terminal(grid, "datastore", "verify", "tree", "--deep", columns=columns)
    assert t.wait() == 0
    lines = drawn(t, "verifying tree:1: ")
    assert len(set(lines)) > 3 and all(len(line) < columns for line in lines), lines
    percent = [int(re.search(r": (\d+) %", line)[1]) for line in lines]
    assert percent == sorted(percent) and percent[0] < percent[-1] <= 100, percent
    last = t.text.rpartition("\x1b[K")[2]
    assert last.startswith("tree version 1: 200 files, ") and last.count("\n") == 1, t.text
    assert t.text.rpartition("\x1b[K")[0].endswith("\r"), "the line is taken away"


@pytest.mark.parametrize("words", [["delete", "--name", "tree", "--version", "1"],
                                   ["prune", "--name", "tree", "--keep", "1"]])
def test_deleting_on_a_terminal(place, grid, tree, words):
    grid.create(tree)
    t = Terminal(grid, "datastore", *words, "--yes")
    assert t.wait() == 0
    assert drawn(t, "deleting tree:1: ")[0] == "deleting tree:1: 0 objects", t.text
    assert t.text.endswith("deleted tree version 1\r\n")


@pytest.mark.parametrize("words", [["verify", "tree", "--deep"], ["delete", "--name", "tree", "--version", "1", "--yes"]])
def test_quiet(place, grid, words):
    t = Terminal(grid, "datastore", *words, "--quiet")
    assert t.wait() == 0
    assert "\x1b" not in t.text and len(t.text.splitlines()) == 1, t.text


def test_not_on_a_terminal(on_fake, grid, tree):  # noqa: F811
    """A line every ten seconds, and none of a short command."""
    place = on_fake()
    for i in range(4):
        write_random(tree, f"file-{i}", 6 * MIB, seed=i)
    grid.create(tree)
    assert grid("datastore", "verify", "tree", "--deep", code=0).err == ""
    place.s3.options(bytes_per_s=2 * MIB)
    result = grid("datastore", "verify", "tree", "--deep", code=0)
    lines = result.err.splitlines()
    assert len(lines) == 1 and re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ verifying tree:1: \d\d %, [1-9].* of 24 MiB, [1-9].*/s, ETA .*, [123] of 4 files",
        lines[0]), result


def test_damage_says_what_can_be_done(grid, tree):
    for name in ("a", "b"):
        write(tree, name, "x")
    grid.create(tree)
    (grid.version("tree") / "data/a").unlink()
    result = grid("datastore", "verify", "tree", code=1)
    assert "1 of 2 files is damaged" in result.out
    assert "grid datastore create SOURCE --name tree" in result.err and "tree/v1/" in result.err


def test_help_says_what_is_compared(grid):
    words = " ".join(grid("datastore", "verify", "--help", code=0).out.split())
    assert "Present, and of the right size" in words and "checksum" not in words
