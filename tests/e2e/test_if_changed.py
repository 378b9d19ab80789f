"""create --if-changed: a timer's run makes no version of what is published already."""

import json
import os
import signal
import socket

import pytest

from gridtest import Terminal, on_disk, write, write_random
from s3servers import fake  # noqa: F401
from test_changes import mortal  # noqa: F401
from test_s3 import needs_s3, on_fake  # noqa: F401

pytestmark = pytest.mark.fast


def some_tree(tree):
    write(tree, "a.txt", "a")
    write(tree, "sub/b.txt", "b", 0o640)
    write(tree, b"odd \xff\n", "c")
    (tree / "empty").mkdir()
    (tree / "link").symlink_to("a.txt")
    (tree / "dangling").symlink_to("nowhere")


def again(grid, tree, *args, code=0):
    """The events of one more run."""
    return grid.create_json(tree, "--if-changed", *args, code=code).events


def is_unchanged(events, number=1):
    if events[-1]["event"] != "unchanged":
        return False
    assert [e["event"] for e in events] == ["unchanged"]
    assert (events[-1]["name"], events[-1]["version"]) == ("tree", number)
    return True


def everything(*folders):
    """Names and contents of all files."""
    found = {}
    for folder in folders:
        for name in on_disk(folder):
            with open(os.path.join(os.fsencode(folder), name), "rb") as f:
                found[name] = f.read()
    return found


def test_first_run_makes_version_1(grid, tree):
    some_tree(tree)
    assert again(grid, tree)[-1]["event"] == "published"
    assert grid.published("tree") == [1]


def test_nothing_changed(grid, tree):
    """Not a byte is written to the store, and the checkpoint of the last version stays."""
    some_tree(tree)
    grid.create(tree)
    before = everything(grid.store)
    sessions = {p.name for p in grid.sessions.iterdir()}
    for _ in range(2):
        assert is_unchanged(again(grid, tree))
    assert everything(grid.store) == before
    assert {p.name for p in grid.sessions.iterdir()} == sessions
    assert not (grid.store / "tree/v2").exists()
    result = grid.create(tree, "--if-changed")
    assert result.out == "tree:1 is unchanged: no new version was made\n" and result.err == ""
    assert "succeeded" in grid("datastore", "status", "tree").out


def test_said_on_a_terminal(grid, tree):
    some_tree(tree)
    grid.create(tree)
    terminal = Terminal(grid, "datastore", "create", tree, "--if-changed")
    assert terminal.wait() == 0
    assert terminal.text.strip() == "tree:1 is unchanged: no new version was made"


def put_back(path, old):
    os.utime(path, ns=(old.st_atime_ns, old.st_mtime_ns))


def grow(tree):
    old = (tree / "a.txt").stat()
    (tree / "a.txt").write_text("aa")
    put_back(tree / "a.txt", old)


def touch(tree):
    os.utime(tree / "a.txt", ns=(1, 1))


def turn_into_a_folder(tree):
    (tree / "a.txt").unlink()
    (tree / "a.txt").mkdir()


def retarget(tree):
    (tree / "dangling").unlink()
    (tree / "dangling").symlink_to("elsewhere")


@pytest.mark.parametrize("change", [
    grow, touch, turn_into_a_folder, retarget,
    lambda tree: (tree / "sub/b.txt").chmod(0o600),
    lambda tree: (tree / "sub/b.txt").unlink(),
    lambda tree: (tree / "sub/b.txt").rename(tree / "sub/c.txt"),
    lambda tree: (tree / "empty").rmdir(),
    lambda tree: write(tree, "0", ""),
    lambda tree: write(tree, "zzz/zzz", ""),
], ids=["size", "mtime", "type", "target", "mode", "removed", "renamed", "folder gone", "first", "last"])
def test_a_change(grid, tree, change):
    some_tree(tree)
    grid.create(tree)
    change(tree)
    published = again(grid, tree)[-1]
    assert (published["event"], published["version"]) == ("published", 2)
    assert is_unchanged(again(grid, tree), 2)


@pytest.mark.parametrize("args, is_same", [
    (["--exclude", "*.none"], True), (["--exclude", "sub/"], False), (["--symlinks", "keep"], False),
    (["--symlinks", "skip"], False)])
def test_with_other_options(grid, tree, args, is_same):
    """What counts is what they make of the source."""
    some_tree(tree)
    grid.create(tree)
    assert is_unchanged(again(grid, tree, *args)) == is_same
    assert is_unchanged(again(grid, tree, *args), 1 if is_same else 2)


def test_a_list_of_files(grid, tree, tmp_path):
    some_tree(tree)
    (tmp_path / "list").write_text("a.txt\nsub/\n")
    grid.create(tree, "--files-from", tmp_path / "list")
    assert is_unchanged(again(grid, tree, "--files-from", tmp_path / "list"))
    (tree / "a.txt").unlink()
    assert again(grid, tree, "--files-from", tmp_path / "list", code=1)[-1]["event"] == "stopped"


def test_one_file(grid, tree):
    write(tree, "tree.bin", "x")
    grid.create(tree / "tree.bin")
    assert is_unchanged(again(grid, tree / "tree.bin"))
    write(tree, "tree.bin", "xx")
    assert again(grid, tree / "tree.bin")[-1]["version"] == 2


def test_an_empty_folder(grid, tree):
    grid.create(tree)
    assert is_unchanged(again(grid, tree))


def test_what_is_left_out_is_no_change(grid, tree):
    some_tree(tree)
    grid.create(tree)
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(tree / "socket"))
        assert is_unchanged(again(grid, tree))


@pytest.mark.parametrize("closed", ["sub", "new"])
def test_what_cannot_be_read_is_named(mortal, tree, closed):  # noqa: F811
    some_tree(tree)
    mortal.create(tree)
    (tree / closed).mkdir(0, exist_ok=True)
    (tree / closed).chmod(0)
    try:
        result = mortal.create(tree, "--if-changed", code=1)
        assert closed in result.err and mortal.published("tree") == [1]
    finally:
        (tree / closed).chmod(0o755)


def test_what_was_left_out_is_left_out_again(mortal, tree):  # noqa: F811
    """Until it can be read, or something else cannot, or --skip-unreadable is not given."""
    some_tree(tree)
    for name in ("0", "m", "zzz"):
        write(tree, name, "x", 0)
    (tree / "closed").mkdir(0)
    try:
        mortal.create(tree, "--skip-unreadable")
        assert is_unchanged(again(mortal, tree, "--skip-unreadable"))
        (tree / "m").chmod(0o644)
        assert again(mortal, tree, "--skip-unreadable")[-1]["version"] == 2
        assert is_unchanged(again(mortal, tree, "--skip-unreadable"), 2)
        write(tree, "another", "x", 0)
        assert again(mortal, tree, "--skip-unreadable")[-1]["version"] == 3
        (tree / "another").unlink()
        assert is_unchanged(again(mortal, tree, "--skip-unreadable"), 3)
        assert again(mortal, tree, code=1)[-1]["event"] == "stopped"
    finally:
        (tree / "closed").chmod(0o755)


def test_the_newest_version_counts(grid, tree, tmp_path):
    """Not the one that this source was published as."""
    some_tree(tree)
    grid.create(tree)
    write(tmp_path / "other", "a", "x")
    grid.create(tmp_path / "other", "--name", "tree")
    assert again(grid, tree)[-1]["version"] == 3
    assert is_unchanged(again(grid, tree), 3)
    grid("datastore", "delete", "--name", "tree", "--version", "3", "--yes", code=0)
    assert again(grid, tree)[-1]["version"] == 4


def test_without_the_checkpoint(grid, tree):
    some_tree(tree)
    grid.create(tree)
    grid("datastore", "clearcache", code=0)
    assert is_unchanged(again(grid, tree))
    assert is_unchanged(again(grid, tree))
    grow(tree)
    assert again(grid, tree)[-1]["version"] == 2


@pytest.mark.parametrize("forget", [False, True])
def test_an_interrupted_session_goes_first(grid, tree, slow, forget):
    some_tree(tree)
    grid.create(tree)
    for i in range(20):
        write_random(tree, f"f{i:02}", 70_000, seed=i)
    running = grid.start("datastore", "create", tree, "--jobs", "1", env=slow(60))
    data = grid.version("tree", 2) / "data"
    running.until(lambda: all((data / name).exists() for name in ("a.txt", "f00")), "the first files")
    running.send(signal.SIGTERM)
    running.wait()
    for i in range(20):
        (tree / f"f{i:02}").unlink()
    if forget:
        grid("datastore", "clearcache", code=0)
    events = again(grid, tree)
    session = next(e for e in events if e["event"] == "session")
    assert session["resumed"] and session["version"] == 2, "it is what version 1 holds, but begun"
    assert events[-1]["event"] == "published" and events[-1]["version"] == 2
    assert is_unchanged(again(grid, tree), 2)


def test_a_damaged_version_is_made_anew(grid, tree):
    some_tree(tree)
    grid.create(tree)
    (grid.version("tree") / "manifest/00000.jsonl.gz").unlink()
    events = again(grid, tree)
    assert [e["kind"] for e in events if e["event"] == "warning"][0] == "damaged_version"
    assert events[-1]["version"] == 2
    record = grid.version("tree", 2) / "datastore.json"
    record.chmod(0o644)
    record.write_text(json.dumps({"format": 99}))
    assert again(grid, tree)[-1]["version"] == 3


@needs_s3
def test_requests(on_fake, grid, tree):  # noqa: F811
    """At most ten, whatever the number of files and versions; none of them writes."""
    place = on_fake()
    for i in range(300):
        write(tree, f"{i % 10}/{i}", str(i))
    for _ in range(4):
        grid.create(tree)
    done = len(place.s3.log(place.bucket))
    assert is_unchanged(again(grid, tree), 4)
    asked = [e["op"] for e in place.s3.log(place.bucket)[done:]]
    assert len(asked) <= 10 and set(asked) <= {"ListObjectsV2", "GetObject", "HeadObject"}, asked
    (tree / "0/0").write_text("changed")
    assert again(grid, tree)[-1]["version"] == 5
