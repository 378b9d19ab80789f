"""datastore diff: what differs between two versions."""

import gzip
import hashlib
import json
import os

import pytest

from gridtest import MIB, write, write_random
from s3servers import fake  # noqa: F401
from test_s3 import needs_s3, on_fake  # noqa: F401

pytestmark = pytest.mark.fast


def diff(grid, *versions, code=1):
    """{path: row}, in the order of the paths."""
    rows = grid("datastore", "diff", *versions, "--json", code=code).events
    found = {r.get("path_b64", r["path"]): r for r in rows}
    assert len(found) == len(rows)
    return found


def lines(grid, *versions, code=1):
    return grid("datastore", "diff", *versions, code=code).out.splitlines()


def two_versions(grid, tree):
    write(tree, "a/same", "same")
    write(tree, "a.txt", "one")
    write(tree, "grows", "x")
    write(tree, "mode", "m", 0o644)
    write(tree, "gone", "g")
    write(tree, "kind", "k")
    write(tree, "touched", "t")
    (tree / "empty").mkdir()
    (tree / "link").symlink_to("here")
    grid.create(tree, "--symlinks", "keep")
    write(tree, "a.txt", "two")
    write(tree, "grows", "xyz")
    (tree / "mode").chmod(0o600)
    (tree / "gone").unlink()
    (tree / "kind").unlink()
    (tree / "kind").mkdir()
    os.utime(tree / "touched", ns=(1, 1))
    write(tree, "empty/no more", "")
    (tree / "link").unlink()
    (tree / "link").symlink_to("there")
    grid.create(tree, "--symlinks", "keep")


def test_every_difference(grid, tree):
    two_versions(grid, tree)
    assert lines(grid, "tree:1", "tree:2") == [
        "changed  a.txt (content)",
        "removed  empty/",
        "added    empty/no more",
        "removed  gone",
        "changed  grows (size 1 -> 3)",
        "changed  kind/ (type file -> dir)",
        "changed  link (target here -> there)",
        "changed  mode (mode 0644 -> 0600)",
        "tree:1 -> tree:2: 1 added, 2 removed, 5 changed"]
    found = diff(grid, "tree:1", "tree:2")
    assert {p: (r["status"], r.get("what")) for p, r in found.items()} == {
        "a.txt": ("changed", "hash"), "empty": ("removed", None), "empty/no more": ("added", None),
        "gone": ("removed", None), "grows": ("changed", "size,hash"), "kind": ("changed", "type"),
        "link": ("changed", "target"), "mode": ("changed", "mode")}
    assert (found["grows"]["old_size"], found["grows"]["size"]) == (1, 3)
    assert found["a.txt"]["old_hash"] != found["a.txt"]["hash"] and len(found["a.txt"]["hash"]) == 32
    assert (found["mode"]["old_mode"], found["mode"]["mode"]) == ("0644", "0600")
    assert (found["kind"]["old_type"], found["kind"]["type"]) == ("file", "dir")
    assert (found["link"]["old_target"], found["link"]["target"]) == ("here", "there")
    assert "old_size" not in found["mode"]


def test_the_other_way_round(grid, tree):
    two_versions(grid, tree)
    back = diff(grid, "tree:2", "tree:1")
    there = diff(grid, "tree:1", "tree:2")
    other = {"added": "removed", "removed": "added", "changed": "changed"}
    assert {p: other[r["status"]] for p, r in back.items()} == {p: r["status"] for p, r in there.items()}
    assert back["grows"]["old_size"] == 3


def test_no_difference(grid, tree):
    two_versions(grid, tree)
    grid.create(tree, "--symlinks", "keep")
    assert lines(grid, "tree:2", "tree:3", code=0) == ["tree:2 -> tree:3: no difference"]
    assert diff(grid, "tree:1", "tree:1", code=0) == {}


def test_one_argument_is_compared_with_its_predecessor(grid, tree):
    for i in range(4):
        write(tree, f"f{i}", "x")
        grid.create(tree)
    assert set(diff(grid, "tree")) == {"f3"}
    assert set(diff(grid, "tree:2")) == {"f1"}
    grid("datastore", "delete", "--name", "tree", "--version", "3", "--yes", code=0)
    assert set(diff(grid, "tree")) == {"f2", "f3"}
    assert set(diff(grid, "tree:1", "tree")) == {"f1", "f2", "f3"}
    assert "before 1" in grid("datastore", "diff", "tree:1", code=2).err


def test_of_two_datastores(grid, tree, tmp_path):
    write(tree, "a", "x")
    write(tmp_path / "other", "b", "x")
    grid.create(tree)
    grid.create(tmp_path / "other")
    assert {p: r["status"] for p, r in diff(grid, "tree", "other").items()} == {"a": "removed", "b": "added"}


def test_what_cannot_be_compared(grid, tree):
    write(tree, "a", "x")
    grid.create(tree)
    grid.create(tree)
    for args in (["nope", "tree"], ["tree", "nope"], ["tree:9", "tree"], ["tree", "bad name"], [], ["a", "b", "c"]):
        result = grid("datastore", "diff", *args, code=2)
        assert result.err.startswith("error: ") and result.out == ""
    (grid.version("tree") / "manifest/00000.jsonl.gz").unlink()
    assert "manifest" in grid("datastore", "diff", "tree:1", "tree:2", code=2).err


def test_large_files_and_odd_names(grid, tree):
    write_random(tree, "large", 40 * MIB)
    write(tree, b"bad \xff\x1b[31m", "x")
    grid.create(tree)
    with open(tree / "large", "r+b") as f:
        f.seek(39 * MIB)
        f.write(b"changed")
    write(tree, b"bad \xff\x1b[31m", "y")
    grid.create(tree)
    found = diff(grid, "tree")
    assert found["large"]["what"] == "hash" and len(found) == 2
    assert "\x1b" not in grid("datastore", "diff", "tree", code=1).out


def test_random_trees(grid, tree, rng):
    """Against a comparison of the trees themselves."""
    names = [f"{a}{b}{c}" for a in "xyz" for b in ("", "-", ".", "/") for c in "pq"]

    def fill():
        for name in rng.sample(names, len(names)):
            path = tree / name
            if path.is_file():
                path.unlink()
            if rng.random() < 0.6:
                write(tree, name, rng.choice(["1", "2", "three"]), rng.choice([0o644, 0o600]))
        return {n: ((tree / n).read_bytes(), (tree / n).stat().st_mode) for n in names if (tree / n).is_file()}

    old = fill()
    grid.create(tree)
    for number in range(2, 6):
        new = fill()
        write(tree, "one more", str(number))
        grid.create(tree)
        expected = {n: "added" if n not in old else "removed" if n not in new else "changed"
                    for n in names if old.get(n) != new.get(n)}
        found = {p: r["status"] for p, r in diff(grid, "tree").items() if r["type"] == "file"}
        assert {p: s for p, s in found.items() if p != "one more"} == expected
        assert list(diff(grid, "tree")) == sorted(diff(grid, "tree"), key=os.fsencode)
        old = new


def long_manifest(rng, n):
    """n lines of noise in two shards, which stay large when compressed."""
    found = []
    for part in "ab":
        lines = sorted((f"{part}{rng.randbytes(100).hex()}", rng.randbytes(16).hex()) for _ in range(n // 2))
        found.append([{"path": p, "type": "file", "size": 1, "hash": h, "mtime": "1", "mode": "0644"}
                      for p, h in lines])
    return found


def put_manifest(place, name, number, shards):
    """In place of what was published."""
    prefix = f"{name}/v{number}/"
    record = json.loads(place.s3.read(place.bucket, prefix + "datastore.json"))
    record["manifest"] = []
    for i, lines in enumerate(shards):
        body = gzip.compress("".join(json.dumps(line) + "\n" for line in lines).encode(), 1)
        key = f"manifest/{i:05}.jsonl.gz"
        place.s3.boto.put_object(Bucket=place.bucket, Key=prefix + key, Body=body)
        record["manifest"].append({"key": key, "entries": len(lines), "bytes": len(body),
                                   "sha256": hashlib.sha256(body).hexdigest()})
    place.s3.boto.put_object(Bucket=place.bucket, Key=prefix + "datastore.json", Body=json.dumps(record).encode())
    return len(body)


@needs_s3
def test_manifests_of_many_pieces(on_fake, grid, tree, rng):  # noqa: F811
    """They are fetched piece by piece; what is damaged is noticed."""
    place = on_fake()
    for _ in range(2):
        grid.create(tree)
    shards = long_manifest(rng, 80_000)
    put_manifest(place, "tree", 1, shards)
    assert diff(grid, "tree:1", "tree:1", code=0) == {}
    first, last = shards[0][7], shards[1][-1]
    first["size"] = 2
    size = put_manifest(place, "tree", 2, [shards[0], shards[1][:-1]])
    assert 4 * MIB < size < 8 * MIB
    assert {p: r["status"] for p, r in diff(grid, "tree").items()} == {first["path"]: "changed", last["path"]: "removed"}
    gets = [e for e in place.s3.log(place.bucket) if e["op"] == "GetObject" and "v2/manifest" in e["key"]]
    assert len(gets) == 4, gets

    key = "tree/v2/manifest/00001.jsonl.gz"
    body = bytearray(place.s3.read(place.bucket, key))
    body[5] ^= 1  # a time in its header: only the SHA-256 tells
    place.s3.boto.put_object(Bucket=place.bucket, Key=key, Body=bytes(body))
    assert "00001" in grid("datastore", "diff", "tree", code=2).err
    place.s3.boto.put_object(Bucket=place.bucket, Key=key, Body=bytes(body[:4 * MIB]))
    assert "00001" in grid("datastore", "files", "tree", code=1).err
