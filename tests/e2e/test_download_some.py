"""download --include/--exclude; many small files, and what they cost the disk."""

import os

import pytest

from gridtest import MIB, killpoint, write, write_random
from s3servers import fake  # noqa: F401
from test_s3 import on_fake  # noqa: F401

pytestmark = pytest.mark.fast


@pytest.fixture
def stored(grid, tree):
    write(tree, "README.md", "words")
    write(tree, "images/cat.jpg", "cat")
    write(tree, "images/dog.png", "dog")
    write(tree, "images/raw/cat.jpg", "raw cat")
    write(tree, "logs/a.log", "a")
    write(tree, "logs/keep.log", "k")
    os.makedirs(tree / "logs/empty")
    os.makedirs(tree / "void")
    os.symlink("cat.jpg", tree / "images/link.jpg")
    grid.create(tree, "--symlinks", "keep")
    return tree


def found(out):
    names = set()
    for where, folders, files in os.walk(out):
        names.update(os.path.relpath(os.path.join(where, f), out) for f in files)
        names.update(os.path.relpath(os.path.join(where, f), out) + "/" for f in folders
                     if not os.listdir(os.path.join(where, f)))
    return names


ALL = {"README.md", "images/cat.jpg", "images/dog.png", "images/raw/cat.jpg", "images/link.jpg", "logs/a.log",
       "logs/keep.log", "logs/empty/", "void/"}


@pytest.mark.parametrize("rules, expected", [
    (["--exclude", "*.log"], ALL - {"logs/a.log", "logs/keep.log"}),
    (["--exclude", "*.log", "--include", "keep.log"], ALL - {"logs/a.log"}),
    (["--include", "keep.log", "--exclude", "*.log"], ALL - {"logs/a.log", "logs/keep.log"}),
    (["--exclude", "*", "--include", "images/**"], {n for n in ALL if n.startswith("images/")}),
    (["--exclude", "images/*.jpg"], ALL - {"images/cat.jpg", "images/link.jpg"}),
    (["--exclude", "logs/"], {n for n in ALL if not n.startswith("logs/")}),
    (["--exclude", "void/", "--exclude", "empty/"], ALL - {"void/", "logs/empty/"}),
    (["--include", "*.log"], ALL)])
def test_rules(grid, stored, tmp_path, rules, expected):
    """The same as those of create: what is fetched is what would have been stored."""
    done = grid("datastore", "download", "tree", tmp_path / "out", *rules, "--json", code=0)
    assert found(tmp_path / "out") == expected
    told = done.event("downloaded")
    assert told["files"] == len([n for n in expected if n[-1] != "/" and n != "images/link.jpg"])
    grid.create(stored, "--symlinks", "keep", "--name", "same", *rules)
    rows = grid("datastore", "files", "same", "--json", code=0).events
    assert {r["path"] + ("/" if r["type"] == "dir" else "") for r in rows} == expected


def test_rules_of_a_file(grid, stored, tmp_path):
    write(tmp_path, "rules", "# none of these\n*\n!*.md\n")
    grid("datastore", "download", "tree", tmp_path / "out", "--exclude-from", tmp_path / "rules", code=0)
    assert found(tmp_path / "out") == {"README.md"}


def test_the_rest_comes_later(grid, stored, tmp_path):
    out = tmp_path / "out"
    grid("datastore", "download", "tree", out, "--exclude", "*", "--include", "*.jpg", code=0)
    assert not list(out.glob(".grid-download-*"))
    done = grid("datastore", "download", "tree", out, "--json", code=0)
    assert found(out) == ALL and done.event("downloaded")["files_present"] == 2


def test_a_part_of_what_is_not_wanted_now_stays(grid, tree, tmp_path):
    """An interrupted download of all; then only some; then the rest goes on where it was."""
    out = tmp_path / "out"
    write(tree, "small", "x")
    write_random(tree, "big", 48 * MIB)
    grid.create(tree)
    running = grid.start("datastore", "download", "tree", out, "--jobs", "1", env=killpoint(delay_ms=100))
    running.until(lambda: sum(p.stat().st_size for p in out.glob(".grid-download-*/*")) >= 17 * MIB, "a block is there")
    running.process.kill()
    running.process.wait()
    grid("datastore", "download", "tree", out, "--include", "small", "--exclude", "big", code=0)
    assert found(out) - {"small"} and all(n == "small" or n.startswith(".grid-download-") for n in found(out))
    done = grid("datastore", "download", "tree", out, "--json", code=0)
    assert found(out) == {"small", "big"} and done.event("downloaded")["bytes_fetched"] <= 32 * MIB


def test_nothing_matches(grid, stored, tmp_path):
    done = grid("datastore", "download", "tree", tmp_path / "out", "--exclude", "*", "--include", "*.jpeg", code=1)
    assert "nothing in tree version 1" in done.err and "grid datastore files tree:1" in done.err
    assert not (tmp_path / "out").exists()
    done = grid("datastore", "download", "tree", tmp_path / "out", "--exclude", "[", code=2)
    assert "--exclude" in done.err


def test_progress_counts_what_is_wanted(on_fake, grid, tree, tmp_path):  # noqa: F811
    place = on_fake()
    write_random(tree, "wanted", 24 * MIB)
    write_random(tree, "other", 24 * MIB, seed=1)
    grid.create(tree)
    place.s3.options(bytes_per_s=12 << 20)
    done = grid("datastore", "download", "tree", tmp_path / "out", "--exclude", "other", "--json", code=0)
    told = [e for e in done.events if e["event"] == "progress"]
    assert told and {(e["files_total"], e["bytes_total"]) for e in told} == {(1, 24 * MIB)}
    assert not [e for e in place.s3.log("test") if e["method"] == "GET" and (e["key"] or "").endswith("data/other")]


# ---- the disk

def calls(trace):
    """(name, inode) of each call, in order."""
    for line in trace.read_text().splitlines():
        _, _, name, inode, _, result = line.split()
        if int(result) >= 0:
            yield name, int(inode)


@pytest.mark.parametrize("n", [1, 600])
def test_many_small_files_share_their_syncs(grid, tree, tmp_path, n):
    """And yet none appears under its name before its bytes are on the disk."""
    for i in range(n):
        write(tree, f"folder-{i % 7}/file-{i}", f"content {i}\n" * 50)
    grid.create(tree)
    grid("datastore", "download", "tree", tmp_path / "out", env=killpoint(trace=tmp_path / "trace"), code=0)
    files = {p.stat().st_ino: p for p in (tmp_path / "out").rglob("file-*")}
    assert len(files) == n
    written, settled, n_placed, n_syncs = set(), set(), 0, 0
    for name, inode in calls(tmp_path / "trace"):
        if name == "syncfs":
            settled |= written
            n_syncs += 1
        elif name == "fsync" and inode in files:
            settled.add(inode)
            n_syncs += 1
        elif name == "rename":
            n_placed += 1
            assert n_placed <= len(settled)
        elif inode in files:  # written to, or cut
            written.add(inode)
            settled.discard(inode)
    assert n_placed == n and written == settled == set(files)
    assert n_syncs <= (2 if n == 1 else n // 3), "a sync each is what it is not to be"
