"""Files that cannot be read, and files that do not keep still."""

import base64
import json
import os
import struct
import threading
import time

import pytest

from gridtest import MIB, Grid, write, write_random

pytestmark = pytest.mark.fast


@pytest.fixture
def mortal(grid):
    """Root reads everything; without its capabilities it does not."""
    if os.geteuid() == 0:
        grid.prefix = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
    return grid


def test_unreadable_file(mortal, tree):
    write(tree, "good", "x")
    write(tree, "secret", "y", 0)
    write(tree, "other", "z")
    result = mortal.create_json(tree, code=1)
    named = [e for e in result.events if e["event"] in ("error", "warning") and e.get("path") == "secret"]
    assert named and "ermission" in named[0]["message"]
    assert result.events[-1]["event"] == "stopped" and result.events[-1]["exit_code"] == 1
    assert mortal.published("tree") == []
    data = mortal.version("tree") / "data"
    assert {p.name for p in data.iterdir()} == {"good", "other"}, "what is readable is uploaded"
    inode = (data / "good").stat().st_ino
    (tree / "secret").chmod(0o644)
    mortal.create(tree)
    assert mortal.published("tree") == [1]
    assert (data / "good").stat().st_ino == inode, "and not sent again"
    mortal.check("tree", tree)


def test_unreadable_file_is_named_to_people(mortal, tree):
    write(tree, "good", "x")
    write(tree, "secret file", "y", 0)
    err = mortal.create(tree, code=1).err
    assert "secret file" in err and "--skip-unreadable" in err


def test_unreadable_folder(mortal, tree):
    write(tree, "good", "x")
    write(tree, "closed/inner", "y")
    (tree / "closed").chmod(0)
    try:
        assert "closed" in mortal.create(tree, code=1).err
        assert mortal.published("tree") == []
    finally:
        (tree / "closed").chmod(0o755)
    mortal.create(tree)
    mortal.check("tree", tree)


def test_folder_that_lists_but_does_not_open(mortal, tree):
    write(tree, "listed/inner", "y")
    (tree / "listed").chmod(0o444)
    try:
        assert "listed" in mortal.create(tree, code=1).err
    finally:
        (tree / "listed").chmod(0o755)


def test_skip_unreadable(mortal, tree):
    write(tree, "good", "x")
    write(tree, "secret", "y", 0)
    write(tree, "closed/inner", "y")
    (tree / "closed").chmod(0)
    try:
        result = mortal.create(tree, "--skip-unreadable")
        assert "(2 left out: see datastore.json)" in result.text
        assert mortal.create_json(tree, "--skip-unreadable").event("published")["skipped"] == 2
    finally:
        (tree / "closed").chmod(0o755)
    found = mortal.check("tree")
    assert b"good" in found and b"secret" not in found and b"closed/inner" not in found
    import json
    record = json.loads((mortal.version("tree") / "datastore.json").read_text())
    skipped = {s["path"]: s["reason"] for s in record["skipped"]}
    assert set(skipped) == {"secret", "closed"} and all(skipped.values())


def test_what_was_skipped_is_named_byte_for_byte(mortal, tree):
    """A name that is no UTF-8, as a manifest has it; and it is known again."""
    write(tree, "good", "x")
    write(tree, b"bad \xff name", "y", 0)
    mortal.create(tree, "--skip-unreadable")
    record = json.loads((mortal.version("tree") / "datastore.json").read_text())
    assert [base64.b64decode(s["path_b64"]) for s in record["skipped"]] == [b"bad \xff name"]
    assert "path" not in record["skipped"][0]
    again = mortal.create_json(tree, "--skip-unreadable", "--if-changed")
    assert again.events[-1]["event"] == "unchanged"


def test_dry_run_tells_what_cannot_be_read(mortal, tree):
    write(tree, "good", "x")
    write(tree, "secret", "y", 0)
    write(tree, "closed/inner", "y")
    (tree / "closed").chmod(0)
    try:
        result = mortal.create(tree, "--dry-run", code=1)
        assert "secret: Permission denied" in result.err and "closed: " in result.err
        assert "to send: 1 file, " in result.out and "cannot be read: 2 files or folders" in result.out
        assert "not be published" in result.out and "--skip-unreadable" in result.out
        row = mortal.create_json(tree, "--dry-run", code=1).event("dry_run")
        assert (row["files"], row["unreadable"], row["publishable"]) == (1, 2, False)
        result = mortal.create(tree, "--dry-run", "--skip-unreadable", code=0)
        assert "not be published" not in result.out and "left out" in result.out
    finally:
        (tree / "closed").chmod(0o755)
    single = tree / "secret"
    single.chmod(0o644)
    assert "to send: 1 file, " in mortal.create(single, "--dry-run", code=0).out


def test_source_folder_is_unreadable(mortal, tree):
    write(tree, "a", "x")
    tree.chmod(0)
    try:
        result = mortal.create(tree, "--name", "n", code=1)
        assert "ermission" in result.err and str(tree) in result.err
    finally:
        tree.chmod(0o755)
    assert mortal.published("n") == []


class Writer:
    """Changes a file again and again until stopped, by itself after some seconds."""

    def __init__(self, change, seconds=2.0, pause=0.03):
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._run, args=(change, seconds, pause))
        self.thread.start()

    def _run(self, change, seconds, pause):
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self.stopped.wait(pause):
            change()

    def end(self):
        self.stopped.set()
        self.thread.join()


def may_refuse_never_torn(grid, result):
    """Either published, or exit 1 (unpublished), or resumable."""
    assert result.code in (0, 1, 75), result
    assert (grid.published("tree") == [1]) == (result.code == 0)


def finish(grid, tree, result):
    """Where that run refused, the same command publishes it now that nothing changes any more."""
    may_refuse_never_torn(grid, result)
    if result.code != 0:
        grid.create(tree)


def start_with_forty_files(grid, tree, slow):
    """f00 is stored, the last ones are not yet read."""
    for i in range(40):
        write_random(tree, f"f{i:02}", 70_000, seed=i)
    running = grid.start("datastore", "create", tree, "--jobs", "1", env=slow(60))
    running.until(lambda: grid.version("tree").joinpath("data/f00").exists(), "a first file")
    return running


def test_growing_file(grid, tree, slow):
    """A log that is appended to: what is published is what it once was."""
    path = write(tree, "log", b"")
    lines = [0]

    def append():
        with open(path, "ab") as f:
            for _ in range(2000):
                f.write(b"%015d\n" % lines[0])
                lines[0] += 1

    append()
    writer = Writer(append)
    running = grid.start("datastore", "create", tree, env=slow(20))
    result = running.wait(60)
    writer.end()
    may_refuse_never_torn(grid, result)
    if result.code == 0:
        size = grid.check("tree")[b"log"]["size"]
        content = (grid.version("tree") / "data/log").read_bytes()
        assert content == (tree / "log").read_bytes()[:size]


@pytest.mark.parametrize("size", [200_000, 5 * MIB, 40 * MIB])
def test_file_rewritten_in_place(grid, tree, slow, size):
    """Every record says which generation it is of: two in one object would be a torn file."""
    path = tree / "table"
    generation = [0]

    def rewrite():
        generation[0] += 1
        record = struct.pack("<Q", generation[0])
        with open(path, "r+b" if path.exists() else "wb") as f:
            for at in range(0, size, MIB):
                f.write(record * (min(MIB, size - at) // 8))

    rewrite()
    writer = Writer(rewrite, pause=0.1)
    result = grid.start("datastore", "create", tree, env=slow(10)).wait(90)
    writer.end()
    finish(grid, tree, result)
    grid.check("tree")
    content = (grid.version("tree") / "data/table").read_bytes()
    assert content == content[:8] * (len(content) // 8), "a torn file was published"


@pytest.mark.parametrize("stays_open", [True, False])
def test_file_overwritten_within_a_tick_of_the_clock(grid, tree, stays_open):
    """Writes that follow each other too closely to show in the file's times: still it is one of them, whole."""
    path = write(tree, "table", bytes(250_000))
    generation = [0]
    kept = os.open(path, os.O_WRONLY)

    def rewrite():
        generation[0] = (generation[0] + 1) % 256
        fd = kept if stays_open else os.open(path, os.O_WRONLY)
        for _ in range(3):
            os.pwrite(fd, bytes([generation[0]]) * 250_000, 0)
        if not stays_open:
            os.close(fd)

    if not stays_open:
        os.close(kept)
    writer = Writer(rewrite, seconds=60, pause=0 if stays_open else 0.1)
    try:
        codes = [grid.create(tree, code=None).code for _ in range(1 if stays_open else 15)]
    finally:
        writer.end()
    assert codes == [1] if stays_open else 0 in codes, codes
    for number in grid.published("tree"):
        content = (grid.version("tree", number) / "data/table").read_bytes()
        assert len(content) == 250_000 and len(set(content)) == 1, f"version {number} is torn"


def test_file_shrinks(grid, tree, slow):
    write_random(tree, "big", 40 * MIB)
    for i in range(20):
        write_random(tree, f"a{i}", 70_000, seed=i)
    running = grid.start("datastore", "create", tree, "--jobs", "1", env=slow(30))
    running.until(lambda: grid.version("tree").joinpath("data/a0").exists(), "a first file")
    os.truncate(tree / "big", 17 * MIB)
    result = running.wait(60)
    finish(grid, tree, result)
    grid.check("tree", tree)


def test_file_vanishes(grid, tree, slow):
    running = start_with_forty_files(grid, tree, slow)
    os.unlink(tree / "f39")
    result = running.wait(60)
    assert "f39" in result.err, "it says which"
    finish(grid, tree, result)
    assert b"f39" not in grid.check("tree", tree)


def test_file_becomes_a_folder(grid, tree, slow):
    running = start_with_forty_files(grid, tree, slow)
    os.unlink(tree / "f39")
    write(tree, "f39/inner", "x")
    os.unlink(tree / "f38")
    os.mkfifo(tree / "f38")
    result = running.wait(60)
    may_refuse_never_torn(grid, result)
    if result.code != 0:
        grid.create(tree)
        grid.check("tree", tree)


def test_file_is_replaced_by_rename(grid, tree, slow):
    """As editors save: never half of the one and half of the other."""
    write(tree, "doc", b"A" * (5 * MIB))

    def replace():
        letter = bytes([65 + int(time.monotonic() * 10) % 26])
        (tree / "doc.new").write_bytes(letter * (5 * MIB))
        os.rename(tree / "doc.new", tree / "doc")

    writer = Writer(replace)
    result = grid.start("datastore", "create", tree, "--exclude", "*.new", env=slow(20)).wait(60)
    writer.end()
    may_refuse_never_torn(grid, result)
    if result.code == 0:
        assert len(set((grid.version("tree") / "data/doc").read_bytes())) == 1


def test_files_come_and_go(grid, tree, slow):
    """A folder in use: whatever comes of it agrees with itself."""
    count = [0]
    for i in range(100):
        write(tree, f"d{i % 7}/f{i}", f"{i}")

    def churn():
        count[0] += 1
        write(tree, f"d{count[0] % 7}/new{count[0]}", "new")
        victim = tree / f"d{count[0] % 7}/f{count[0]}"
        if victim.exists():
            victim.unlink()

    writer = Writer(churn, pause=0.005)
    result = grid.start("datastore", "create", tree, env=slow(5)).wait(60)
    writer.end()
    may_refuse_never_torn(grid, result)
    if result.code != 0:
        grid.create(tree)
        grid.check("tree", tree)
    else:
        grid.check("tree")


def test_home_of_a_user_who_may_not_write(tmp_path, tree):
    """A read-only home: a clear message that names the place."""
    write(tree, "a", "x")
    grid = Grid(tmp_path / "ro")
    if os.geteuid() == 0:
        grid.prefix = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
    for name in ("config", "data", "state", "cache"):
        (grid.home / name).chmod(0o555)
    result = grid.create(tree, code=None)
    for name in ("config", "data", "state", "cache"):
        (grid.home / name).chmod(0o755)
    assert result.code in (1, 77)
    assert str(grid.home) in result.err and ("ermission" in result.err or "writ" in result.err)
