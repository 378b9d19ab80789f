"""
A list in many shards, written here by FORMATS.md: a page or a file from deep inside it comes from one shard, and of
the others no more is read than the beginnings of a few.  Counted in the access log of the server.
"""

import gzip
import hashlib
import json

import pytest
import xxhash

from s3check import Bucket
from s3servers import fake  # noqa: F401

SHARDS, ENTRIES = 40, 50
BISECTION = 6         # questions that tell one of 40
LOOK_BYTES = 64 << 10
TOP = "many/v1/"
CONTENT = "z0777"      # the one file whose bytes are there: they are its name


def paths():
    """Folders of 100 files, each in two shards and a half; a flat tail."""
    flat = [f"z{i:04}" for i in range(SHARDS * ENTRIES // 2)]
    return sorted([f"d{i // 100:02}/{i % 100:03}" for i in range(SHARDS * ENTRIES // 2)] + flat)


def line(path):
    return {"path": path, "type": "file", "size": len(path), "hash": xxhash.xxh3_128(path.encode()).hexdigest(),
            "mtime": "1700000000000000000", "mode": "0644"}


def shard_of(lines):
    """Each shard is larger than what is looked at of one."""
    padding = [dict(row, filler=hashlib.shake_256(row["path"].encode()).hexdigest(4000)) for row in lines]
    return gzip.compress("".join(json.dumps(row) + "\n" for row in padding).encode())


@pytest.fixture
def place(fake, grid, tmp_path):  # noqa: F811
    found = Bucket(fake(), "test", "", tmp_path)
    grid.env.update(found.env)
    put = found.s3.boto.put_object
    lines = [line(path) for path in paths()]
    shards, root = [], hashlib.sha256()
    for row in lines:
        root.update(f"file {row['size']} {row['hash']} {row['path']}\0".encode())
    put(Bucket="test", Key=f"{TOP}data/{CONTENT}", Body=CONTENT.encode())
    for i in range(SHARDS):
        packed = shard_of(lines[i * ENTRIES:(i + 1) * ENTRIES])
        assert len(packed) > LOOK_BYTES
        key = f"manifest/{i:05}.jsonl.gz"
        put(Bucket="test", Key=TOP + key, Body=packed)
        shards.append({"key": key, "entries": ENTRIES, "bytes": len(packed),
                       "sha256": hashlib.sha256(packed).hexdigest()})
    record = {"format": 1, "name": "many", "version": 1, "session": "0" * 32, "created_at": "2026-01-01T00:00:00Z",
              "source": {"kind": "local", "url": "/data"}, "copy": True, "files": len(lines), "directories": 0,
              "symlinks": 0, "bytes": sum(row["size"] for row in lines), "hash": "xxh3-128/blocks",
              "root": "sha256:" + root.hexdigest(), "manifest": shards, "agent": "a test"}
    put(Bucket="test", Key=TOP + "datastore.json", Body=json.dumps(record).encode())
    return found


def read_of_manifest(place, since):
    """(requests, bytes) that were read of it."""
    found = [e for e in place.s3.log("test")[since:] if e["method"] == "GET" and "/manifest/" in (e["key"] or "")]
    return len(found), sum(e["sent"] for e in found)


def page(place, grid, *args):
    since = len(place.s3.log("test"))
    rows = grid("datastore", "files", "many", "--json", *args, code=0).events
    return rows, *read_of_manifest(place, since)


def test_a_page_from_deep_inside(place, grid):
    shard_bytes = max(s["bytes"] for s in place.record("many")["manifest"])
    for after in ("z0010", "z0500", "z0989"):
        rows, requests, received = page(place, grid, "--level", "--after", after, "--limit", "5")
        assert [r["path"] for r in rows] == [f"z{int(after[1:]) + 1 + i:04}" for i in range(5)]
        assert requests <= BISECTION + 2 and received <= BISECTION * LOOK_BYTES + 2 * shard_bytes, (requests, received)


def test_at_the_borders_of_shards(place, grid):
    every = paths()
    for shard in (0, 1, 7, 20, 38, 39):
        first = shard * ENTRIES
        rows, requests, _ = page(place, grid, "--after", every[first], "--limit", "2")
        assert [r["path"] for r in rows] == every[first + 1:first + 3]
        assert requests <= BISECTION + 1, f"shard {shard}: {requests}"
        rows, requests, _ = page(place, grid, "--after", every[first + ENTRIES - 1], "--limit", "2")
        assert [r["path"] for r in rows] == every[first + ENTRIES:first + ENTRIES + 2]
        assert requests <= BISECTION + 2, f"behind shard {shard}: {requests}"


def test_a_folder_and_nothing_behind_it(place, grid):
    for folder in (0, 4, 9):
        rows, requests, _ = page(place, grid, f"d{folder:02}/", "--level")
        assert len(rows) == 100
        assert requests <= BISECTION + 4, requests
    rows, requests, _ = page(place, grid, "--level", "--after", "d08/", "--limit", "2")
    assert [(r["path"], r.get("files")) for r in rows] == [("d09/", 100), ("z0000", None)]
    assert requests <= BISECTION + 4, requests
    assert page(place, grid, "e/")[0] == []


def test_every_page_is_there_once(place, grid):
    seen, after = [], []
    while True:
        rows, _, _ = page(place, grid, "--limit", "333", *after)
        seen += [r["path"] for r in rows]
        if len(rows) < 333:
            break
        after = ["--after", seen[-1]]
    assert seen == paths()


def test_one_file(place, grid):
    since = len(place.s3.log("test"))
    assert grid("datastore", "cat", "many", CONTENT, code=0).out == CONTENT
    requests, _ = read_of_manifest(place, since)
    assert requests <= BISECTION + 2, requests
    assert "there is no z07775" in grid("datastore", "cat", "many", "z07775", code=1).text
    assert "there is no zz" in grid("datastore", "cat", "many", "zz", code=1).text


def test_damage_elsewhere(place, grid):
    """What lies before it is shown; that something is not there is not said of a list that lacks some."""
    every, key = paths(), f"{TOP}manifest/00020.jsonl.gz"
    place.s3.boto.delete_object(Bucket="test", Key=key)
    assert [r["path"] for r in page(place, grid, "--limit", "2")[0]] == every[:2]
    assert [r["path"] for r in page(place, grid, "--after", every[100], "--limit", "2")[0]] == every[101:103]
    lost = every[20 * ENTRIES + 3]
    assert "manifest/00020.jsonl.gz" in grid("datastore", "cat", "many", lost, code=1).text
    place.s3.boto.put_object(Bucket="test", Key=key, Body=shard_of([line(p) for p in every[20 * ENTRIES:21 * ENTRIES]
                                                                    if p != lost]))
    assert "SHA-256" in grid("datastore", "cat", "many", lost, code=1).text
