"""
The next version: what has not changed is neither read nor sent, but copied inside the store.
On a local store, on the project's fake and on the RADOS Gateway.
"""

import os
import random
import shutil
import signal
import time
from pathlib import Path

import pytest

from gridtest import MIB, Grid, killpoint, mixed_tree, nothing_unfinished, write, write_random
from opened import Opened
from rss import measured_run
from s3check import Bucket
from s3servers import fake, get_rgw, started  # noqa: F401

GIB = 1 << 30


def settle(tree):
    """A file is believed to be unchanged only when it was read 2 s after its last change."""
    newest = max(max(s.st_mtime, s.st_ctime) for where, _, files in os.walk(tree)
                 for s in (os.lstat(os.path.join(where, f)) for f in files))
    time.sleep(max(0, newest + 2.1 - time.time()))


def sizes(tree):
    return {str(p.relative_to(tree)): p.stat().st_size for p in Path(tree).rglob("*") if p.is_file()}


class Local:
    """As a Bucket, of a file:// store."""

    def __init__(self, grid):
        self.grid = grid

    def check(self, name, tree=None, number=1):
        nothing_unfinished(self.grid.version(name, number))
        return self.grid.check(name, tree, number)


@pytest.fixture
def place(request, grid, tmp_path):
    """Where the datastores are; the grid uses it."""
    kind = getattr(request, "param", "local")
    if kind == "local":
        return Local(grid)
    if kind == "rgw":
        server = started("The RADOS Gateway", get_rgw)
        bucket = server.new_bucket()
    else:
        server, bucket = request.getfixturevalue("fake")(kind.removeprefix("fake").removeprefix("-")), "test"
    found = Bucket(server, bucket, "some/prefix", tmp_path)
    grid.env.update(found.env)
    return found


everywhere = pytest.mark.parametrize("place", ["local", "fake", "rgw"], indirect=True)


def edit(tree, name, at, data):
    with open(Path(tree) / name, "r+b") as f:
        f.seek(at)
        f.write(data)


def append(tree, name, data):
    with open(Path(tree) / name, "ab") as f:
        f.write(data)


def next_version(grid, tree, *more, **others):
    """The event of its publication, and which files were opened for it."""
    with Opened(tree) as opened:
        published = grid.create_json(tree, *more, **others).event("published")
    return published, opened


# ---- what is sent

@everywhere
def test_only_what_changed_is_sent(place, grid, tree):
    mixed_tree(tree)
    settle(tree)
    grid.create(tree)
    write(tree, "a.txt", "of another length\n")
    write(tree, "README.txt", "A DATA SET\n", 0o644)  # of the same
    write(tree, "new.txt", "new\n")
    (tree / "run.sh").unlink()
    edit(tree, "blocks.bin", 20 * MIB, b"in the second of three blocks")
    append(tree, "two-blocks.bin", b"x" * 100)
    settle(tree)
    published, opened = next_version(grid, tree)
    changed = {"a.txt", "README.txt", "new.txt", "blocks.bin", "two-blocks.bin"}
    assert set(opened) == changed, "and nothing else was read"
    whole = sizes(tree)
    sent = whole["a.txt"] + whole["README.txt"] + whole["new.txt"] + 16 * MIB + 101
    assert published["bytes_sent"] == sent
    assert published["bytes_copied"] == sum(whole.values()) - sent
    place.check("tree", tree, 2)


@everywhere
def test_nothing_changed(place, grid, tree):
    """No payload, and no file is opened; a version all the same."""
    mixed_tree(tree)
    settle(tree)
    first = grid.create_json(tree).event("published")
    published, opened = next_version(grid, tree)
    assert published["version"] == 2 and published["root"] == first["root"]
    assert published["bytes_sent"] == 0 and published["bytes_copied"] == published["bytes"]
    assert not opened
    found = grid("datastore", "delete", "--name", "tree", "--version", "1", "--yes", code=0)
    assert "deleted" in found.text
    place.check("tree", tree, 2)
    grid("datastore", "verify", "tree:2", "--deep", code=0)


@everywhere
def test_from_another_machine(place, grid, tree, tmp_path):
    """Without the stat cache everything is read, once, and nothing is sent."""
    mixed_tree(tree)
    settle(tree)
    grid.create(tree)
    grid.env["XDG_STATE_HOME"] = str(tmp_path / "elsewhere")
    published, opened = next_version(grid, tree)
    assert published["bytes_sent"] == 0 and published["bytes_copied"] == published["bytes"]
    assert opened == dict.fromkeys(sizes(tree), 1)
    place.check("tree", tree, 2)
    published, opened = next_version(grid, tree)
    assert published["bytes_sent"] == 0 and not opened, "it has one of its own now"


@everywhere
def test_renamed(place, grid, tree):
    write_random(tree, "old/one.bin", 2 * MIB, seed=1)
    write_random(tree, "old/two.bin", 2 * MIB, seed=2)
    write_random(tree, "old/large.bin", 33 * MIB, seed=3)
    write(tree, "old/small", b"x" * 1000)
    settle(tree)
    grid.create(tree)
    (tree / "new").mkdir()
    os.rename(tree / "old/large.bin", tree / "new/large.bin")
    os.rename(tree / "old/one.bin", tree / "old/three.bin")  # as log files go round
    os.rename(tree / "old/two.bin", tree / "old/one.bin")
    os.rename(tree / "old/small", tree / "new/small")
    settle(tree)
    published, _ = next_version(grid, tree)
    assert published["bytes_sent"] == 1000, "small files are not looked for"
    assert published["bytes_copied"] == 37 * MIB
    place.check("tree", tree, 2)


def test_no_delta(place, grid, tree):
    mixed_tree(tree)
    settle(tree)
    grid.create(tree)
    published, opened = next_version(grid, tree, "--no-delta")
    assert published["bytes_sent"] == published["bytes"] and published["bytes_copied"] == 0
    assert set(opened) == set(sizes(tree))
    place.check("tree", tree, 2)


def test_an_old_time_hides_nothing(place, grid, tree):
    """The same size and the same modification time, but other bytes."""
    write(tree, "data", "before")
    os.utime(tree / "data", (10**9, 10**9))
    settle(tree)
    grid.create(tree)
    write(tree, "data", "AFTER!")
    os.utime(tree / "data", (10**9, 10**9))
    grid.create(tree)
    place.check("tree", tree, 2)


def test_just_written_is_read_again(place, grid, tree):
    """Within a tick of the clock a file may change unseen: it is compared by its digest."""
    write(tree, "data", "before")
    grid.create(tree)
    published, opened = next_version(grid, tree)
    assert opened["data"] == 1 and published["bytes_sent"] == 0
    place.check("tree", tree, 2)


def test_versions_are_independent_files(place, grid, tree):
    """A copy is no hard link: what happens to one version does not happen to the other."""
    write_random(tree, "data", 3 * MIB)
    settle(tree)
    grid.create(tree)
    grid.create(tree)
    one, two = (grid.version("tree", n) / "data/data" for n in (1, 2))
    assert one.stat().st_ino != two.stat().st_ino and two.stat().st_nlink == 1
    one.chmod(0o644)
    edit(one.parent, "data", 0, b"damage")
    place.check("tree", tree, 2)
    grid("datastore", "verify", "tree:2", "--deep", code=0)
    grid("datastore", "verify", "tree:1", "--deep", code=1)


def test_other_filters(place, grid, tree):
    """The next version may hold less, or more."""
    write(tree, "a.txt", "a")
    write(tree, "b.tmp", "b")
    settle(tree)
    grid.create(tree, "--exclude", "*.tmp")
    published, opened = next_version(grid, tree)
    assert published["bytes_sent"] == 1 and set(opened) == {"b.tmp"}
    place.check("tree", tree, 2)
    published, opened = next_version(grid, tree, "--exclude", "*.txt")
    assert published["bytes_sent"] == 0 and not opened


# ---- what is said

def test_words(place, grid, tree):
    write_random(tree, "large.bin", 33 * MIB)
    write(tree, "a.txt", "a")
    settle(tree)
    grid.create(tree)
    write(tree, "a.txt", "changed")
    assert "33 MiB copied inside the store" in grid.create(tree).text
    dry = grid.create(tree, "--dry-run").out
    assert "to send, at most: nothing" in dry and "to copy inside the store: 2 files, 33.0 MiB" in dry
    write(tree, "a.txt", "again")
    dry = grid.create_json(tree, "--dry-run").event("dry_run")
    assert (dry["files_sent"], dry["bytes_sent"]) == (1, 5)
    assert (dry["files_copied"], dry["bytes_copied"]) == (1, 33 * MIB)
    dry = grid.create(tree, "--dry-run", "--no-delta").out
    assert "to send: 2 files, 33.0 MiB" in dry and "to copy inside the store: nothing" in dry
    assert grid.published("tree") == [1, 2]


def test_list_that_cannot_be_read(place, grid, tree):
    write(tree, "a.txt", "a")
    settle(tree)
    grid.create(tree)
    shard = grid.version("tree") / "manifest/00000.jsonl.gz"
    shard.chmod(0o644)
    shard.write_bytes(b"damaged")
    result = grid.create_json(tree)
    assert [e["kind"] for e in result.events if e["event"] == "warning"] == ["no_delta"]
    assert result.event("published")["bytes_sent"] == 1
    place.check("tree", tree, 2)


# ---- trouble

@pytest.mark.parametrize("place", ["fake"], indirect=True)
@pytest.mark.parametrize("code,status", [("NoSuchKey", 404), ("PreconditionFailed", 412), ("AccessDenied", 403)])
def test_what_cannot_be_copied_is_sent(place, grid, tree, code, status):
    mixed_tree(tree)
    settle(tree)
    grid.create(tree)
    edit(tree, "blocks.bin", 20 * MIB, b"in the second of three blocks")
    place.s3.faults({"op": ["CopyObject", "UploadPartCopy"], "fault": "error", "code": code, "status": status})
    published = grid.create_json(tree).event("published")
    place.s3.faults()
    assert published["bytes_copied"] == 0 and published["bytes_sent"] == published["bytes"]
    place.check("tree", tree, 2)


@pytest.mark.parametrize("place", ["fake"], indirect=True)
def test_copies_are_tried_again(place, grid, tree):
    mixed_tree(tree)
    settle(tree)
    grid.create(tree)
    append(tree, "blocks.bin", b"x")
    place.s3.faults({"op": ["CopyObject", "UploadPartCopy"], "every": 3, "fault": "error", "code": "SlowDown",
                     "status": 503},
                    {"op": ["CopyObject", "UploadPartCopy"], "every": 4, "fault": "error_in_200",
                     "code": "InternalError"},
                    {"op": ["CopyObject", "UploadPartCopy"], "every": 7, "fault": "lost_answer"})
    published = grid.create_json(tree).event("published")
    place.s3.faults()
    whole = sizes(tree)["blocks.bin"]
    assert published["bytes_sent"] == whole - 32 * MIB and published["retries"] > 5
    assert published["bytes_copied"] == published["bytes"] - published["bytes_sent"], "what was tried again counts once"
    place.check("tree", tree, 2)


def test_deleted_while_the_next_is_made(place, grid, tree, slow):
    for i in range(200):
        write(tree, f"{i:03}", f"file {i}")
    settle(tree)
    grid.create(tree)
    running = grid.start("datastore", "create", tree, "--json", "--jobs", "1", env=slow(20))
    data = grid.version("tree", 2) / "data"
    running.until(lambda: data.is_dir() and len(list(data.iterdir())) > 20, "some are copied")
    grid("datastore", "delete", "--name", "tree", "--version", "1", "--yes", code=0)
    published = running.wait().event("published")
    assert published["bytes_sent"] > 0 and published["bytes_copied"] > 0
    place.check("tree", tree, 2)


def test_killed(place, grid, tree):
    """At any time; what was copied is not copied once more, and nothing unchanged is read."""
    mixed_tree(tree)
    settle(tree)
    grid.create(tree)
    append(tree, "blocks.bin", b"x" * MIB)
    edit(tree, "two-blocks.bin", 0, b"changed")
    settle(tree)
    n_kills, at = 0, 20
    with Opened(tree) as opened:
        while True:
            result = grid.start("datastore", "create", tree, "--json", env=killpoint(at=at)).wait()
            if result.code == 0:
                break
            assert result.code == -signal.SIGKILL
            n_kills += 1
            at = 20 + 17 * n_kills
    assert n_kills >= 5
    assert set(opened) == {"blocks.bin", "two-blocks.bin"}
    place.check("tree", tree, 2)
    grid("datastore", "verify", "tree:1", "--deep", code=0)


def test_killed_once(place, grid, tree, tmp_path, full):
    """At its n-th state-changing call (every one with --full), and then it is run to its end."""
    write(tree, "a.txt", "plain\n")
    write(tree, "empty")
    write(tree, b"odd \xff\nname", "odd\n")
    write_random(tree, "large", 40 * MIB + 4321)
    write_random(tree, "old", 2 * MIB, seed=9)
    settle(tree)
    grid.create(tree)
    edit(tree, "large", 20 * MIB, b"changed")
    os.rename(tree / "old", tree / "renamed")
    write(tree, "new", "new\n")
    settle(tree)
    shutil.copytree(grid.home, tmp_path / "before", symlinks=True)
    for at in range(1, 1000, 1 if full else 29):
        result = grid.start("datastore", "create", tree, env=killpoint(at=at, when=("before", "after")[at % 2])).wait()
        if result.code == 0:
            break
        assert result.code == -signal.SIGKILL
        published, opened = next_version(grid, tree)
        assert set(opened) <= {"large", "new", "renamed"}
        assert published["bytes_sent"] <= 16 * MIB + 4
        place.check("tree", tree, published["version"])
        place.check("tree", None, 1)
        shutil.rmtree(grid.home)
        shutil.copytree(tmp_path / "before", grid.home, symlinks=True)
    assert at > 100


@pytest.mark.parametrize("place", ["fake"], indirect=True)
def test_killed_on_s3(place, grid, tree):
    mixed_tree(tree)
    settle(tree)
    grid.create(tree)
    append(tree, "blocks.bin", b"x" * MIB)
    edit(tree, "two-blocks.bin", 0, b"changed")
    settle(tree)
    dice = random.Random(7)
    place.s3.faults({"op": "*", "key": "*v2/data*", "fault": "delay", "seconds": 0.05})
    for _ in range(5):
        running = grid.start("datastore", "create", tree, "--json")
        running.until_event("session")
        try:
            running.process.wait(dice.random())
        except Exception:
            running.process.kill()
        running.wait()
    place.s3.faults()
    grid.create(tree)
    place.check("tree", tree, 2)


# ---- many and large

def many_and_large(tree, n_files, large, appended):
    """30 of the files changed, and something appended to the large one: what a second version must send."""
    for i in range(n_files):
        write(tree, f"{i % 50:02}/{i:06}.dat", i.to_bytes(4, "big") * (250 + i % 50))
    write_random(tree, "large.bin", large)
    settle(tree)

    def change():
        for i in range(0, n_files, n_files // 30 + 1):
            name = f"{i % 50:02}/{i:06}.dat"
            write(tree, name, b"changed " * 100)
            yield name
        with open(tree / "large.bin", "ab") as f:
            for at in range(0, appended, MIB):
                f.write(at.to_bytes(8, "big") * (MIB // 8))
        yield "large.bin"
    return change


def shows(place, grid, tree, n_files, large, appended, timeout=300):
    change = many_and_large(tree, n_files, large, appended)
    grid.create(tree, timeout=timeout)
    changed = set(change())
    settle(tree)
    published, opened = next_version(grid, tree, timeout=timeout)
    assert set(opened) == changed and max(opened.values()) == 1
    expected = sum((tree / name).stat().st_size for name in changed) - large
    assert published["bytes_sent"] == expected
    assert published["bytes_copied"] == published["bytes"] - expected
    for number in (1, 2):
        grid("datastore", "verify", f"tree:{number}", "--deep", code=0, timeout=timeout)
    grid("datastore", "delete", "--name", "tree", "--version", "1", "--yes", code=0, timeout=timeout)
    grid("datastore", "verify", "tree:2", "--deep", code=0, timeout=timeout)
    return published


@pytest.mark.parametrize("place", ["local", "rgw"], indirect=True)
def test_many_files_and_a_large_one(place, grid, tree):
    n_files = 5000 if isinstance(place, Local) else 1000
    shows(place, grid, tree, n_files, 256 * MIB, 16 * MIB)
    place.check("tree", tree, 2)


@pytest.mark.full
@pytest.mark.large
@pytest.mark.parametrize("place", ["local", "rgw"], indirect=True)
def test_100000_files_and_16_gib(place, grid, tree, tmp_path):
    if shutil.disk_usage(tmp_path).free < 40 * GIB:
        pytest.skip("needs 40 GiB of free disk")
    shows(place, grid, tree, 100_000, 16 * GIB, GIB, timeout=3600)


@pytest.mark.full
@pytest.mark.large
def test_memory(place, grid, tree, tmp_path):
    """It does not grow with what the previous version holds."""
    for i in range(100_000):
        write(tree, f"{i % 100:02}/{i:06}", str(i))
    settle(tree)
    grid.create(tree, timeout=300)
    peak = measured_run(grid, tmp_path, "datastore", "create", tree, timeout=300)
    assert peak <= 64 << 10
