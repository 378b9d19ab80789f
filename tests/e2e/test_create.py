"""A folder becomes a published datastore."""

import json
import os
import socket
import stat
import subprocess
from pathlib import Path

import pytest

from gridtest import MIB, mixed_tree, nothing_unfinished, on_disk, write, write_random

pytestmark = pytest.mark.fast


def test_mixed_tree_arrives_byte_for_byte(grid, tree):
    mixed_tree(tree)
    result = grid.create(tree, "--name", "mixed")
    assert "mixed" in result.text
    grid.check("mixed", tree)
    nothing_unfinished(grid.version("mixed"))
    (tree / "empty-dir/inner").rmdir()
    (tree / "empty-dir").rmdir()
    diff = subprocess.run(["diff", "-r", tree, grid.version("mixed") / "data"],
                          capture_output=True, text=True)
    assert diff.returncode == 0, diff.stdout


def test_first_run_needs_no_settings(grid, tree):
    write(tree, "a", "x")
    grid.create(tree)
    assert grid.published("tree") == [1]
    listing = grid("datastore", code=0).out
    for word in ("tree", "local", "succeeded"):
        assert word in listing


def test_record(grid, tree):
    write(tree, "a", "x" * 1000)
    write(tree, "b/c", "y" * 24)
    (tree / "d").mkdir()
    grid.create(tree)
    record = json.loads((grid.version("tree") / "datastore.json").read_text())
    assert (record["files"], record["directories"], record["bytes"]) == (2, 1, 1024)
    assert record["source"]["kind"] == "local" and str(tree) in record["source"]["url"]
    assert "skipped" not in record or record["skipped"] == []


def test_versions_count_up_and_stand_alone(grid, tree):
    write(tree, "a", "one")
    write(tree, "gone", "only in the first")
    grid.create(tree)
    write(tree, "a", "two, longer")
    os.unlink(tree / "gone")
    grid.create(tree)
    write(tree, "b", "three")
    grid.create(tree)
    assert grid.published("tree") == [1, 2, 3]
    grid.check("tree", tree, number=3)
    first, second = grid.check("tree", number=1), grid.check("tree", number=2)
    assert set(first) == {b"a", b"gone"} and set(second) == {b"a"}
    assert (grid.version("tree", 1) / "data/a").read_bytes() == b"one"


def test_same_tree_twice(grid, tree):
    mixed_tree(tree)
    first = grid.create_json(tree).event("published")
    second = grid.create_json(tree).event("published")
    assert (first["version"], second["version"]) == (1, 2)
    assert first["root"] == second["root"] and first["bytes"] == second["bytes"]
    grid.check("tree", tree, number=1)
    grid.check("tree", tree, number=2)


def test_versions_do_not_share_what_can_change(grid, tree):
    """Independent of each other: damage to one is not damage to the other."""
    write(tree, "a", "content")
    grid.create(tree)
    grid.create(tree)
    one, two = (grid.version("tree", n) / "data/a" for n in (1, 2))
    one.chmod(0o644)
    one.write_bytes(b"damaged")
    assert two.read_bytes() == b"content"


def test_empty_tree(grid, tree):
    result = grid.create_json(tree)
    assert result.event("published")["files"] == 0
    assert grid.check("tree", tree) == {}
    grid("datastore", "verify", "tree", "--deep", code=0)


def test_tree_of_only_empty_folders(grid, tree):
    for name in ("a", "b/c/d", "b-c"):
        (tree / name).mkdir(parents=True)
    grid.create(tree)
    assert set(grid.check("tree", tree)) == {b"a", b"b/c/d", b"b-c"}


@pytest.mark.parametrize("size", [0, 1, 16 * MIB - 1, 16 * MIB, 16 * MIB + 1, 48 * MIB])
def test_single_file(grid, tmp_path, size):
    write_random(tmp_path, "model.bin", size)
    grid.create(tmp_path / "model.bin")
    found = grid.check("model")
    assert set(found) == {b"model.bin"} and found[b"model.bin"]["size"] == size
    subprocess.run(["cmp", tmp_path / "model.bin", grid.version("model") / "data/model.bin"], check=True)


def test_order_is_that_of_the_path_bytes(grid, tree):
    names = ["a", "a.b", "a-b", "a/x", "a0", "A", "é", "z", "a /x", "aa/b", "a!"]
    for name in names:
        if not (tree / name).exists():
            write(tree, name + "/f" if name == "a" else name, name)
    grid.create(tree)
    found = list(grid.check("tree", tree))
    assert found == sorted(found)


def test_sparse_file(grid, tree):
    with open(tree / "sparse", "wb") as f:
        f.write(b"start")
        f.truncate(200 * MIB)
        f.seek(100 * MIB)
        f.write(b"middle")
    grid.create(tree)
    grid.check("tree", tree)


def test_special_files_are_left_out_with_a_warning(grid, tree):
    write(tree, "ordinary", "x")
    os.mkfifo(tree / "pipe")
    s = socket.socket(socket.AF_UNIX)
    here = os.getcwd()
    os.chdir(tree)
    s.bind("socket")
    os.chdir(here)
    result = grid.create_json(tree)
    warned = {e.get("path") for e in result.events if e["event"] == "warning"}
    assert {"pipe", "socket"} <= warned
    assert set(grid.check("tree")) == {b"ordinary"}


def test_hard_links_are_files_each(grid, tree):
    write(tree, "a", "same")
    os.link(tree / "a", tree / "b")
    grid.create(tree)
    assert set(grid.check("tree", tree)) == {b"a", b"b"}


def test_mode_and_time_are_kept_in_the_manifest(grid, tree):
    path = write(tree, "tool", "x", 0o750)
    os.utime(path, ns=(1, 981173106123456789))
    before = os.utime(write(tree, "ancient", "x"), ns=(0, -5_000_000_000))
    assert before is None
    grid.create(tree)
    found = grid.check("tree", tree)
    assert found[b"tool"]["mtime"] == "981173106123456789"
    assert int(found[b"tool"]["mode"], 8) == 0o750
    assert found[b"ancient"]["mtime"] == "-5000000000"


def test_read_only_folder_as_source(grid, tree):
    write(tree, "a/b", "x")
    (tree / "a").chmod(0o555)
    tree.chmod(0o555)
    try:
        grid.create(tree)
        grid.check("tree", tree)
    finally:
        tree.chmod(0o755)
        (tree / "a").chmod(0o755)


def test_source_is_not_touched(grid, tree):
    mixed_tree(tree)
    before = {p: p.stat().st_mtime_ns for p in tree.rglob("*")}
    grid.create(tree)
    assert {p: p.stat().st_mtime_ns for p in tree.rglob("*")} == before


def test_archive_is_stored_as_it_is(grid, tmp_path):
    write(tmp_path, "set.zip", b"PK\5\6" + bytes(18))
    grid.create(tmp_path / "set.zip")
    assert set(grid.check("set")) == {b"set.zip"}


@pytest.mark.parametrize("size", ["16M", "20M", "64M"])
def test_part_size_does_not_change_the_result(grid, tree, size):
    write_random(tree, "big", 70 * MIB + 1)
    grid.create(tree, "--part-size", size, "--name", "x")
    grid.create(tree, "--name", "x", "--no-delta")
    one, two = (json.loads((grid.version("x", n) / "datastore.json").read_text()) for n in (1, 2))
    assert one["root"] == two["root"]
    grid.check("x", tree)


@pytest.mark.parametrize("jobs", ["1", "64"])
def test_jobs(grid, tree, jobs):
    mixed_tree(tree)
    grid.create(tree, "--jobs", jobs)
    grid.check("tree", tree)


def test_small_memory(grid, tree):
    mixed_tree(tree)
    grid.create(tree, "--max-memory", "16M")
    grid.check("tree", tree)


def test_source_option(grid, tree):
    write(tree, "a", "x")
    grid.create("--source", tree, "--name=other")
    grid.check("other", tree)


# ---- which files ----

def some_files(tree):
    for name in ("a.txt", "b.log", "logs/c.log", "logs/keep.log", "src/d.c", "src/deep/e.c", "src/f.o"):
        write(tree, name, name)


@pytest.mark.parametrize("options, expected", [
    (["--exclude", "*.log"], "a.txt src/d.c src/deep/e.c src/f.o"),
    (["--exclude=*.log", "--include=keep.log"], "a.txt logs/keep.log src/d.c src/deep/e.c src/f.o"),
    (["--exclude", "*", "--include", "*.c"], "src/d.c src/deep/e.c"),
    (["--exclude", "src/*.c"], "a.txt b.log logs/c.log logs/keep.log src/deep/e.c src/f.o"),
    (["--exclude", "src/**/*.c"], "a.txt b.log logs/c.log logs/keep.log src/f.o"),
    (["--exclude", "/src"], "a.txt b.log logs/c.log logs/keep.log"),
    (["--exclude", "deep/"], "a.txt b.log logs/c.log logs/keep.log src/d.c src/f.o"),
])
def test_filters(grid, tree, options, expected):
    some_files(tree)
    grid.create(tree, *options)
    assert set(grid.check("tree")) == set(expected.encode().split())


def test_exclude_from(grid, tree, tmp_path):
    some_files(tree)
    write(tmp_path, "rules", "# not these\n*.log\n\nsrc/\n!keep.log\n")
    grid.create(tree, "--exclude-from", tmp_path / "rules")
    assert set(grid.check("tree")) == {b"a.txt", b"logs/keep.log"}


def test_files_from(grid, tree, tmp_path):
    some_files(tree)
    write(tmp_path, "list", "src/d.c\na.txt\nlogs/c.log\n")
    grid.create(tree, "--files-from", tmp_path / "list")
    assert set(grid.check("tree")) == {b"a.txt", b"logs/c.log", b"src/d.c"}


def test_files_from_that_names_a_missing_file(grid, tree, tmp_path):
    some_files(tree)
    write(tmp_path, "list", "a.txt\nno-such\n")
    result = grid.create(tree, "--files-from", tmp_path / "list", code=1)
    assert "no-such" in result.text
    assert grid.published("tree") == []


def test_filter_that_is_malformed(grid, tree):
    write(tree, "a", "x")
    assert "[" in grid.create(tree, "--exclude", "[a", code=2).err


# ---- links ----

def linked_tree(tree, tmp_path):
    write(tree, "real/file", "content")
    write(tmp_path, "outside/far", "far away")
    (tree / "to-file").symlink_to("real/file")
    (tree / "to-dir").symlink_to("real")
    (tree / "out").symlink_to(tmp_path / "outside")
    (tree / "dangling").symlink_to("nowhere")
    (tree / "real/up").symlink_to("..")
    (tree / "self").symlink_to("self")


def test_links_are_followed(grid, tree, tmp_path):
    linked_tree(tree, tmp_path)
    result = grid.create_json(tree)
    found = grid.check("tree", tree)
    assert found[b"to-file"]["type"] == found[b"to-dir/file"]["type"] == "file"
    assert found[b"out/far"]["type"] == "file"
    for link in (b"dangling", b"real/up", b"self"):
        assert found[link]["type"] == "symlink"
    warnings = [e for e in result.events if e["event"] == "warning"]
    assert {"dangling", "real/up", "self"} <= {w.get("path") for w in warnings}
    assert any("outside" in w["message"] or "leave" in w["message"] for w in warnings)


def test_links_are_kept(grid, tree, tmp_path):
    linked_tree(tree, tmp_path)
    grid.create(tree, "--symlinks", "keep")
    found = grid.check("tree", tree, follow=False)
    assert {p for p in found if found[p]["type"] == "file"} == {b"real/file"}
    assert found[b"out"]["target"] == str(tmp_path / "outside")


def test_links_are_skipped(grid, tree, tmp_path):
    linked_tree(tree, tmp_path)
    grid.create(tree, "--symlinks=skip")
    assert set(grid.check("tree")) == {b"real/file"}


def test_two_folders_that_link_to_each_other(grid, tree):
    """The walk ends: a link into a cycle is cut where it comes back to its own ancestor."""
    write(tree, "a/x", "1")
    write(tree, "b/y", "2")
    (tree / "a/to-b").symlink_to("../b")
    (tree / "b/to-a").symlink_to("../a")
    grid.create(tree)
    found = grid.check("tree", tree)
    assert found[b"a/to-b/y"]["type"] == "file"
    assert found[b"a/to-b/to-a"]["type"] == "symlink"


def test_source_is_itself_a_link(grid, tree, tmp_path):
    write(tree, "a", "x")
    (tmp_path / "alias").symlink_to(tree)
    grid.create(tmp_path / "alias", "--name", "n")
    grid.check("n", tree)


# ---- what would be done ----

def test_dry_run_changes_nothing(grid, tree):
    mixed_tree(tree)
    before = on_disk(grid.home)
    result = grid.create(tree, "--dry-run")
    assert on_disk(grid.home) == before
    assert not grid.store.exists() or not any(grid.store.iterdir())
    assert "59" in result.text or "files" in result.text


def test_dry_run_then_real(grid, tree):
    write(tree, "a", "x")
    grid.create(tree, "--dry-run")
    grid.create(tree)
    assert grid.published("tree") == [1]
    before = on_disk(grid.home)
    grid.create(tree, "--dry-run")
    assert {f for f in on_disk(grid.home) ^ before if b"/store" in f or b"datastores/" in f} == set()
    assert grid.published("tree") == [1]


def test_store_is_readable_with_plain_tools(grid, tree):
    """FORMATS promises zcat and jq: the manifest is lines of JSON in path order."""
    write(tree, "a", "x")
    grid.create(tree)
    shard = grid.version("tree") / "manifest/00000.jsonl.gz"
    lines = subprocess.run(["zcat", shard], capture_output=True, check=True).stdout.splitlines()
    assert [json.loads(line)["path"] for line in lines] == ["a"]
    assert stat.S_ISREG(os.lstat(grid.version("tree") / "data/a").st_mode)


def test_quiet_and_verbose(grid, tree):
    write(tree, "a-file-with-a-name", "x")
    loud = grid.create(tree, "--verbose")
    assert "a-file-with-a-name" in loud.err
    quiet = grid.create(tree, "--quiet")
    assert len(quiet.err) == 0


def test_result_goes_to_stdout_the_rest_to_stderr(grid, tree):
    write(tree, "a", "x")
    result = grid.create(tree)
    assert "tree" in result.out and len(result.out.splitlines()) <= 6
    assert "\x1b" not in result.out + result.err and "\r" not in result.err


def test_relative_sources(grid, tree):
    write(tree, "a", "x")
    grid.create(".", cwd=tree)
    grid.create("./tree/", cwd=tree.parent)
    grid.create("../tree", cwd=tree)
    assert grid.published("tree") == [1, 2, 3]
    assert Path(grid.version("tree", 3) / "data/a").read_bytes() == b"x"
