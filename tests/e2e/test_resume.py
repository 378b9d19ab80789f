"""An interrupted run goes on, whatever became of its notes."""

import json
import os
import shutil
import signal
import time

import pytest

from gridtest import MIB, RECORDS, nothing_unfinished, write, write_random

pytestmark = pytest.mark.fast


def lasting_tree(tree):
    for i in range(40):
        write_random(tree, f"small/{i:03}", 70_000, seed=i)
    write_random(tree, "big", 96 * MIB, seed=5)


@pytest.fixture
def interrupted(grid, tree, slow):
    """Half of a run, killed; what was done is older than a second."""
    lasting_tree(tree)
    running = grid.start("datastore", "create", tree, "--jobs", "4", "--json",
                         "--part-size", "16M", env=slow(25))
    data = grid.version("tree") / "data/small"
    running.until(lambda: data.is_dir() and len(list(data.iterdir())) >= 20, "20 files stored")
    time.sleep(1.2)  # "acknowledged more than a second ago" is what is promised
    running.send(signal.SIGKILL)
    running.process.wait()
    stored = {p.name: p.stat().st_ino for p in data.iterdir()
              if p.stat().st_ctime < time.time() - 1.1}
    assert len(stored) >= 20 and grid.published("tree") == []
    return stored


def finishes(grid, tree, stored, **more):
    again = grid.create_json(tree, **more)
    published = again.event("published")
    assert published["version"] == 1
    small = grid.version("tree") / "data/small"
    redone = [n for n, inode in stored.items() if (small / n).stat().st_ino != inode]
    assert not redone, f"sent again: {redone}"
    assert published["bytes_sent"] <= published["bytes"] - 70_000 * len(stored) + RECORDS
    assert grid.published("tree") == [1]
    grid.check("tree", tree)
    nothing_unfinished(grid.version("tree"))
    return again


def test_same_command_goes_on(grid, tree, interrupted):
    again = finishes(grid, tree, interrupted)
    assert again.event("session")["resumed"] is True


def test_it_says_so_to_people(grid, tree, interrupted):
    assert "resum" in grid.create(tree).err.lower()


def test_resume_by_name(grid, tree, interrupted):
    result = grid("datastore", "resume", "tree", "--json", code=0)
    assert result.event("session")["resumed"] is True
    grid.check("tree", tree)


def test_resume_the_only_one(grid, tree, interrupted):
    grid("datastore", "resume", code=0)
    assert grid.published("tree") == [1]


def test_resume_with_nothing_to_resume(grid, tree):
    assert grid("datastore", "resume", code=1).err.strip()


def test_resume_of_one_of_several(grid, tmp_path, slow):
    for name in ("one", "two"):
        write_random(tmp_path, f"{name}/f", 100 * MIB)
        running = grid.start("datastore", "create", tmp_path / name, "--json", env=slow(100))
        running.until_event("session")
        running.until(lambda: (grid.version(name) / "session.json").exists(), "reserved")
        running.send(signal.SIGKILL)
        running.process.wait()
    ambiguous = grid("datastore", "resume")
    assert ambiguous.code in (1, 2) and "one" in ambiguous.err and "two" in ambiguous.err
    grid("datastore", "resume", "two", code=0)
    assert grid.published("two") == [1] and grid.published("one") == []


def test_state_was_deleted(grid, tree, interrupted):
    shutil.rmtree(grid.home / "state/grid")
    again = finishes(grid, tree, interrupted)
    assert again.event("session")["resumed"] is True


def test_clearcache_then_resume(grid, tree, interrupted):
    grid("datastore", "clearcache", code=0)
    assert databases(grid) == []
    finishes(grid, tree, interrupted)


def test_resume_on_another_machine(grid, tree, interrupted):
    """Nothing local is there; the source is named."""
    shutil.rmtree(grid.home / "state")
    (grid.home / "state").mkdir()
    result = grid("datastore", "resume", "tree", tree, "--json", code=0)
    assert result.event("session")["resumed"] is True
    published = result.event("published")
    assert published["bytes_sent"] <= published["bytes"] - 70_000 * len(interrupted) + RECORDS
    grid.check("tree", tree)


def databases(grid):
    return [p for p in grid.sessions.rglob("*") if p.is_file()
            and p.read_bytes()[:16] == b"SQLite format 3\0"]


@pytest.mark.parametrize("damage", ["garbage", "truncated", "empty", "foreign", "holes", "journal"])
def test_checkpoint_is_damaged(grid, tree, interrupted, damage):
    assert databases(grid)
    for db in databases(grid):
        size = db.stat().st_size
        with open(db, "r+b") as f:
            if damage == "garbage":
                f.write(os.urandom(size))
            elif damage == "truncated":
                f.truncate(size // 2)
            elif damage == "empty":
                f.truncate(0)
            elif damage == "foreign":
                f.truncate(0)
                f.write(b"this is a text file, not a data base\n" * 100)
            elif damage == "holes":
                for at in range(4096, size, 8192):
                    f.seek(at)
                    f.write(bytes(min(4096, size - at)))
            else:
                (db.parent / (db.name + "-journal")).write_bytes(os.urandom(5000))
    grid.create(tree)
    assert grid.published("tree") == [1]
    grid.check("tree", tree)
    nothing_unfinished(grid.version("tree"))


def test_checkpoint_of_another_version_of_grid(grid, tree, interrupted):
    import sqlite3
    for path in databases(grid):
        db = sqlite3.connect(path)
        db.execute("pragma user_version = 9999")
        db.commit()
        db.close()
    grid.create(tree)
    grid.check("tree", tree)


def test_source_changed_meanwhile(grid, tree, interrupted):
    write(tree, "small/000", "now quite different")
    os.unlink(tree / "small/001")
    write(tree, "small/new", "new")
    with open(tree / "big", "r+b") as f:
        f.seek(50 * MIB)
        f.write(b"changed in the middle")
    os.unlink(tree / "small/002")
    (tree / "small/002").mkdir()
    write(tree, "small/002/now-a-folder", "x")
    grid.create(tree)
    assert grid.published("tree") == [1]
    grid.check("tree", tree)
    nothing_unfinished(grid.version("tree"))


def test_changed_within_the_clock_tick(grid, tree, interrupted):
    """Same size, same mtime: ctime and inode tell."""
    before = (tree / "small/000").stat()
    content = bytearray((tree / "small/000").read_bytes())
    content[1000] ^= 1
    (tree / "small/000").write_bytes(content)
    os.utime(tree / "small/000", ns=(before.st_atime_ns, before.st_mtime_ns))
    grid.create(tree)
    grid.check("tree", tree)


def test_object_was_taken_from_the_store_meanwhile(grid, tree, interrupted):
    """Without notes the store is believed; with notes what is there is compared at take-over."""
    victim = next(iter(interrupted))
    (grid.version("tree") / "data/small" / victim).unlink()
    shutil.rmtree(grid.home / "state/grid")
    grid.create(tree)
    grid.check("tree", tree)


def test_object_was_cut_meanwhile(grid, tree, interrupted):
    victim = grid.version("tree") / "data/small" / next(iter(interrupted))
    victim.chmod(0o644)
    with open(victim, "r+b") as f:
        f.truncate(100)
    shutil.rmtree(grid.home / "state/grid")
    grid.create(tree)
    grid.check("tree", tree)


def test_other_options_ask_for_fresh(grid, tree, interrupted):
    result = grid.create(tree, "--exclude", "*9", code=None)
    assert result.code in (1, 2) and "--fresh" in result.err
    assert (grid.version("tree") / "session.json").exists()
    finishes(grid, tree, interrupted)


def test_fresh_gives_up_the_old_session(grid, tree, interrupted):
    published = grid.create_json(tree, "--fresh").event("published")
    assert published["bytes_sent"] >= published["bytes"]
    number = published["version"]
    grid.check("tree", tree, number=number)
    rows = grid("datastore", "list", "--show-incomplete", "--json", code=0).events
    assert [r["status"] for r in rows] == ["succeeded"]


def test_other_part_size_goes_on_too(grid, tree, interrupted):
    grid.create(tree, "--part-size", "32M")
    grid.check("tree", tree)


def test_session_record_is_damaged(grid, tree, interrupted):
    (grid.version("tree") / "session.json").write_text('{"session": ')
    result = grid.create(tree, code=None)
    assert result.code in (0, 1, 75)
    if result.code == 0:
        for number in grid.published("tree"):
            grid.check("tree", tree, number=number)
    else:
        assert "session" in result.err


def test_session_record_of_somebody_is_damaged(grid, tree, interrupted, tmp_path):
    """It is his while it is young; then it can be deleted, and it never blocks the name."""
    record = grid.version("tree") / "session.json"
    record.write_text('{"session": ')
    grid.env["XDG_STATE_HOME"] = str(tmp_path / "elsewhere")
    assert [r["status"] for r in grid("datastore", "list", "--show-incomplete", "--json", code=0).events] == ["uploading"]
    refused = grid("datastore", "delete", "--name", "tree", "--incomplete", "--yes", code=None)
    assert refused.code == 1 and (record.parent / "data").exists(), refused
    old = time.time() - 3600
    os.utime(record, (old, old))
    assert [r["status"] for r in grid("datastore", "list", "--show-incomplete", "--json", code=0).events] == ["failed"]
    assert grid.create_json(tree).event("published")["version"] == 2
    grid("datastore", "delete", "--name", "tree", "--incomplete", "--yes", code=0)
    assert not (record.parent / "data").exists()
    grid.check("tree", tree, number=2)


def test_deleted_meanwhile(grid, tree, interrupted):
    """`delete --incomplete` while the session sleeps: it does not rise again under that number."""
    grid("datastore", "delete", "--name", "tree", "--incomplete", "--yes", code=0)
    first = grid.version("tree")
    assert (first / "deleted.json").exists() and not (first / "data").exists()
    published = grid.create_json(tree).event("published")
    assert published["version"] == 2
    assert not (first / "datastore.json").exists()
    grid.check("tree", tree, number=2)


def test_second_version_reads_no_unchanged_file(grid, tree):
    """The stat cache of the last version: mtimes must be old enough to be believed."""
    write(tree, "a", "x" * 1000)
    write(tree, "b", "y" * 1000)
    for name in ("a", "b"):
        os.utime(tree / name, (1, 1))
    time.sleep(2.1)  # ctime, too, must be 2 s older than the reading
    grid.create(tree)
    grid.create(tree)
    grid.check("tree", tree, number=2)
    record = json.loads((grid.version("tree", 2) / "datastore.json").read_text())
    assert record["files"] == 2
