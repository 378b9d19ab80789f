"""list, files, verify, url, delete, prune, clearcache."""

import json
import os
import signal
import subprocess

import pytest

from gridtest import MIB, mixed_tree, write, write_random

pytestmark = pytest.mark.fast


def field(row, name):
    """`Created At` is `created_at` or `created at`, in lower case."""
    return row[name if name in row else name.replace("_", " ")]


def test_list(grid, tree, tmp_path):
    write(tree, "a", "x" * 3000)
    grid.create(tree)
    grid.create(tree)
    write(tmp_path, "zz/a", "")
    grid.create(tmp_path / "zz")
    rows = grid("datastore", "list", "--json", code=0).events
    assert [(r["name"], r["version"]) for r in rows] in (
        [("tree", 1), ("tree", 2), ("zz", 1)], [("tree", 2), ("tree", 1), ("zz", 1)])
    for row in rows:
        assert field(row, "cluster_id") == "local" and row["status"] == "succeeded"
        assert field(row, "created_at")
    assert {r["size"] for r in rows} == {3000, 0}
    table = grid("datastore", code=0).out.splitlines()
    for column in ("Name", "Cluster ID", "Version", "Size", "Created At", "Status"):
        assert column in table[0]
    assert len(table) >= 4
    assert grid("datastore", "list", code=0).out.splitlines() == table


def test_files(grid, tree):
    mixed_tree(tree)
    grid.create(tree)
    rows = grid("datastore", "files", "tree", "--json", code=0).events
    assert sum(1 for r in rows if r.get("type", "file") == "file") == sum(
        1 for p in tree.rglob("*") if p.is_file())
    by_path = {r["path"]: r for r in rows}
    assert by_path["a.txt"]["size"] == len("sorts before a/\n")
    assert "many/007.dat" in grid("datastore", "files", "tree:1", code=0).out


@pytest.mark.parametrize("prefix, expected", [
    ("many/00", 10), ("many/", 50), ("many", 50), ("a/b", 1), ("nothing", 0), ("README.txt", 1)])
def test_files_below_a_prefix(grid, tree, prefix, expected):
    mixed_tree(tree)
    grid.create(tree)
    rows = grid("datastore", "files", "tree", prefix, "--json", code=0).events
    assert len(rows) == expected


def test_verify_of_what_is_whole(grid, tree):
    mixed_tree(tree)
    grid.create(tree)
    for args in (["tree"], ["tree:1"], ["tree", "--deep"]):
        grid("datastore", "verify", *args, code=0)


def damage_byte(path, at):
    path.chmod(0o644)
    with open(path, "r+b") as f:
        f.seek(at)
        old = f.read(1)
        f.seek(at)
        f.write(bytes([old[0] ^ 1]))


@pytest.mark.parametrize("name, at", [
    ("a.txt", 3), ("blocks.bin", 0), ("blocks.bin", 33 * MIB), ("blocks.bin", 40 * MIB + 12344)])
def test_verify_deep_finds_a_changed_byte(grid, tree, name, at):
    mixed_tree(tree)
    grid.create(tree)
    damage_byte(grid.version("tree") / "data" / name, at)
    result = grid("datastore", "verify", "tree", "--deep", code=1)
    assert name in result.text
    assert "many/001.dat" not in result.err, "names only what is damaged"


@pytest.mark.parametrize("deep", [[], ["--deep"]])
def test_verify_finds_what_is_missing_or_cut(grid, tree, deep):
    mixed_tree(tree)
    grid.create(tree)
    data = grid.version("tree") / "data"
    (data / "many/030.dat").unlink()
    os.chmod(data / "one-block.bin", 0o644)
    os.truncate(data / "one-block.bin", 5)
    result = grid("datastore", "verify", "tree", *deep, code=1)
    assert "many/030.dat" in result.text and "one-block.bin" in result.text
    rows = grid("datastore", "verify", "tree", *deep, "--json", code=1).events
    bad = [r for r in rows if r.get("path") in ("many/030.dat", "one-block.bin")]
    assert len(bad) == 2


def test_verify_finds_a_damaged_manifest(grid, tree):
    write(tree, "a", "x")
    grid.create(tree)
    shard = grid.version("tree") / "manifest/00000.jsonl.gz"
    damage_byte(shard, shard.stat().st_size // 2)
    assert "manifest" in grid("datastore", "verify", "tree", code=1).text
    shard.unlink()
    grid("datastore", "verify", "tree", code=1)


def test_record_of_a_format_from_the_future(grid, tree):
    write(tree, "a", "x")
    grid.create(tree)
    path = grid.version("tree") / "datastore.json"
    record = json.loads(path.read_text())
    record["format"] = 2
    path.chmod(0o644)
    path.write_text(json.dumps(record))
    result = grid("datastore", "files", "tree", code=1)
    assert "format" in result.err and "2" in result.err


def test_verify_with_odd_names(grid, tree):
    write(tree, b"bad \xff\n\x1b name", "x")
    grid.create(tree)
    grid("datastore", "verify", "tree", "--deep", code=0)
    next((grid.version("tree") / "odd").iterdir()).unlink()
    result = grid("datastore", "verify", "tree", code=1)
    assert "\x1b" not in result.text


def test_url(grid, tree):
    write(tree, "sub dir/a.txt", "content")
    write(tree, b"odd\nname", "odd content")
    grid.create(tree)
    whole = grid("datastore", "url", "tree", code=0).out.strip()
    assert whole.startswith("file:///") and whole.rstrip("/").endswith("tree/v1/data")
    one = grid("datastore", "url", "tree:1", "sub dir/a.txt", code=0).out.strip()
    from urllib.parse import unquote, urlparse
    path = urlparse(one).path
    assert (os.path.exists(path) and open(path).read() == "content") or open(unquote(path)).read() == "content"
    odd = grid("datastore", "url", "tree", b"odd\nname", code=0).out.strip()
    assert open(urlparse(odd).path).read() == "odd content"
    assert "nope" in grid("datastore", "url", "tree", "nope", code=1).err


def test_delete_asks(grid, tree):
    write(tree, "a", "x")
    grid.create(tree)
    result = grid("datastore", "delete", "--name", "tree", "--version", "1")
    assert result.code in (1, 2) and "--yes" in result.err
    assert grid.published("tree") == [1]


def test_delete_asks_on_a_terminal(grid, tree):
    write(tree, "a", "x")
    grid.create(tree)
    import pty
    for answer, left in ((b"n\n", [1]), (b"\n", [1]), (b"yes\n", [])):
        leader, follower = pty.openpty()
        running = grid.start("datastore", "delete", "--name", "tree", "--version", "1", stdin=follower)
        os.close(follower)
        os.write(leader, answer)
        running.wait(20)
        os.close(leader)
        if left:
            assert grid.published("tree") == left


def test_delete(grid, tree):
    write(tree, "a", "x")
    write(tree, b"odd\n", "x")
    (tree / "e").mkdir()
    for _ in range(2):
        grid.create(tree)
    grid("datastore", "delete", "--name", "tree", "--version", "1", "--yes", code=0)
    assert [p.name for p in grid.version("tree", 1).iterdir()] == ["deleted.json"]
    json.loads((grid.version("tree", 1) / "deleted.json").read_text())
    rows = grid("datastore", "list", "--json", code=0).events
    assert [r["version"] for r in rows] == [2]
    for command in (["files", "tree:1"], ["verify", "tree:1"], ["url", "tree:1"]):
        grid("datastore", *command, code=1)
    grid.check("tree", tree, number=2)


def test_number_of_a_deleted_version_is_never_used_again(grid, tree):
    write(tree, "a", "x")
    grid.create(tree)
    grid.create(tree)
    for number in ("2", "1"):
        grid("datastore", "delete", "--name", "tree", "--version", number, "--yes", code=0)
    assert grid("datastore", "files", "tree").code == 1
    assert grid.create_json(tree).event("published")["version"] == 3
    grid.check("tree", tree, number=3)


def test_delete_twice(grid, tree):
    write(tree, "a", "x")
    grid.create(tree)
    args = ("datastore", "delete", "--name", "tree", "--version", "1", "--yes")
    grid(*args, code=0)
    assert grid(*args).code in (0, 1)


def test_delete_that_was_interrupted_is_finished(grid, tree):
    write(tree, "a", "x")
    write(tree, "b", "x")
    grid.create(tree)
    version = grid.version("tree")
    (version / "deleted.json").write_text("{}")
    assert grid("datastore", "list", "--json", code=0).events == [], "deleted.json outranks"
    grid("datastore", "delete", "--name", "tree", "--version", "1", "--yes", code=0)
    assert [p.name for p in version.iterdir()] == ["deleted.json"]


def test_prune(grid, tree):
    write(tree, "a", "x")
    for _ in range(4):
        grid.create(tree)
    result = grid("datastore", "prune", "--name", "tree", "--keep", "2")
    assert result.code in (1, 2) and grid.published("tree") == [1, 2, 3, 4]
    grid("datastore", "prune", "--name", "tree", "--keep", "2", "--yes", code=0)
    assert grid.published("tree") == [3, 4]
    grid.check("tree", tree, number=3)
    grid("datastore", "prune", "--name", "tree", "--keep", "5", "--yes", code=0)
    assert grid.published("tree") == [3, 4]
    assert grid.create_json(tree).event("published")["version"] == 5


def test_prune_that_was_interrupted_is_finished(grid, tree):
    write(tree, "a", "x")
    for _ in range(4):
        grid.create(tree)
    (grid.version("tree", 1) / "deleted.json").write_text("{}")
    result = grid("datastore", "prune", "--name", "tree", "--keep", "2", "--yes", code=0)
    assert result.out.splitlines() == [f"deleted tree version {n}" for n in (1, 2)]
    for number in (1, 2):
        assert [p.name for p in grid.version("tree", number).iterdir()] == ["deleted.json"]
    (grid.version("tree", 3) / "deleted.json").write_text("{}")
    assert "version 3" in grid("datastore", "prune", "--name", "tree", "--keep", "2", code=0).out, "no question"
    assert [p.name for p in grid.version("tree", 3).iterdir()] == ["deleted.json"]
    assert "nothing to delete" in grid("datastore", "prune", "--name", "tree", "--keep", "1", code=0).out
    grid.check("tree", tree, number=4)
    grid("datastore", "prune", "--name", "nope", "--keep", "1", "--yes", code=1)
    grid("datastore", "prune", "--name", "tree", "--keep", "0", "--yes", code=2)


def test_prune_leaves_an_unfinished_session_alone(grid, tree, slow):
    write(tree, "a", "x")
    for _ in range(2):
        grid.create(tree)
    write_random(tree, "big", 64 * MIB)
    running = grid.start("datastore", "create", tree, "--json", env=slow(60))
    running.until_event("progress")
    running.send(signal.SIGKILL)
    running.process.wait()
    grid("datastore", "prune", "--name", "tree", "--keep", "1", "--yes", code=0)
    assert grid.published("tree") == [2]
    session = grid.create_json(tree).event("session")
    assert session["resumed"] and session["version"] == 3
    grid.check("tree", tree, number=3)


def test_delete_incomplete(grid, tree, slow):
    write_random(tree, "big", 64 * MIB)
    write(tree, "a", "x")
    running = grid.start("datastore", "create", tree, "--json", env=slow(60))
    running.until_event("progress")
    running.send(signal.SIGKILL)
    running.process.wait()
    grid("datastore", "delete", "--name", "tree", "--incomplete", "--yes", code=0)
    assert [p.name for p in grid.version("tree").iterdir()] == ["deleted.json"]
    rows = grid("datastore", "list", "--show-incomplete", "--json", code=0).events
    assert rows == []
    assert grid.create_json(tree).event("published")["version"] == 2


def test_clearcache(grid, tree):
    write(tree, "a", "x")
    grid.create(tree)
    grid("datastore", "clearcache", code=0)
    left = [p for p in grid.sessions.rglob("*") if p.is_file() and p.read_bytes()[:6] == b"SQLite"]
    assert left == []
    grid.create(tree)
    assert grid.published("tree") == [1, 2]


def test_clearcache_with_nothing_to_clear(grid):
    grid("datastore", "clearcache", code=0)


def test_clearcache_leaves_a_running_session_alone(grid, tree, slow):
    write_random(tree, "big", 64 * MIB)
    running = grid.start("datastore", "create", tree, "--json", env=slow(60))
    running.until_event("progress")
    grid("datastore", "clearcache")
    assert running.wait(60).code == 0
    grid.check("tree", tree)


def test_reading_a_large_manifest_through_a_pipe(grid, tree):
    for i in range(2000):
        write(tree, f"d{i % 20}/{i}", "")
    grid.create(tree)
    out = grid("datastore", "files", "tree", code=0).out
    assert sum("/" in line for line in out.splitlines()) >= 2000
    assert subprocess.run(["zcat", grid.version("tree") / "manifest/00000.jsonl.gz"],
                          capture_output=True).stdout.count(b"\n") == 2000
