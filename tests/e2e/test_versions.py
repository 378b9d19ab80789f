"""Many versions and clusters in one list; what dead sessions have left in a bucket, found and removed."""

import json
import re
import shutil
import signal

import pytest

from gridtest import MIB, write, write_random
from s3servers import fake  # noqa: F401
from test_s3 import needs_s3, on_fake, small  # noqa: F401

pytestmark = pytest.mark.fast


def multiply(place, name, numbers):
    """Copies of version 1's record, as if there were so many versions."""
    record = place.record(name)
    for number in numbers:
        place.s3.boto.put_object(Bucket=place.bucket, Key=f"{place.prefix}{name}/v{number}/datastore.json",
                                 Body=json.dumps({**record, "version": number}).encode())


@needs_s3
def test_hundreds_of_versions(on_fake, grid, tree):  # noqa: F811
    """Told in order, read side by side: so many round trips would be felt."""
    place = on_fake("latency_s=0.02")
    write(tree, "a", "x")
    grid.create(tree)
    multiply(place, "tree", range(2, 201))
    place.s3.boto.put_object(Bucket="test", Key="tree/v150/datastore.json", Body=b"{")
    before = len(place.s3.log("test"))
    done = grid("datastore", "list", "--json", code=1)
    assert [r["version"] for r in done.events] == list(range(1, 201))
    assert [r["version"] for r in done.events if r["status"] != "succeeded"] == [150]
    assert "tree/v150/datastore.json" in done.err
    assert len(place.s3.log("test")) - before <= 2 * 200 + 10
    assert 8 <= place.s3.state()["most_in_flight"] <= 40


@needs_s3
def test_hundreds_of_names(on_fake, grid, tree):  # noqa: F811
    place = on_fake()
    write(tree, "a", "x")
    grid.create(tree)
    record = place.record("tree")
    for i in range(100):
        name = f"set-{i:03}"
        for number in (1, 10, 9):
            place.s3.boto.put_object(Bucket="test", Key=f"{name}/v{number}/datastore.json",
                                     Body=json.dumps({**record, "name": name, "version": number}).encode())
    rows = grid("datastore", "list", "--json", code=0).events
    assert [(r["name"], r["version"]) for r in rows] == [
        *[(f"set-{i:03}", n) for i in range(100) for n in (1, 9, 10)], ("tree", 1)]


@needs_s3
def test_prune_of_many(on_fake, grid, tree):  # noqa: F811
    place = on_fake()
    write(tree, "a", "x")
    grid.create(tree)
    multiply(place, "tree", range(2, 61))
    grid("datastore", "prune", "--name", "tree", "--keep", "2", "--yes", code=0)
    assert place.published("tree") == [59, 60]


@needs_s3
def test_a_store_that_goes_away_while_it_is_listed(on_fake, grid, tree):  # noqa: F811
    place = on_fake()
    write(tree, "a", "x")
    grid.create(tree)
    multiply(place, "tree", range(2, 41))
    place.s3.faults({"op": "GetObject", "key": "*/v30/*", "fault": "error", "code": "AccessDenied", "status": 403})
    done = grid("datastore", "list", "--json", code=1)
    assert len(done.events) == 39 and "v30" in done.err, "one bad record does not hide the rest"


def test_all_clusters(grid, tree, tmp_path):
    """--global: those that are known, and the environment's; one that is away does not hide the others."""
    write(tree, "a", "x")
    grid.create(tree)
    grid("login", "--cluster", "other", "--store", f"file://{tmp_path}/other", code=0)
    grid("datastore", "create", tree, "--name", "second", "--cluster", "other", code=0)
    env = {"GRID_STORE": f"file://{tmp_path}/third"}
    grid.create(tree, "--name", "third", env=env)
    rows = grid("datastore", "list", "--global", "--json", code=0, env=env).events
    assert sorted((r["name"], r["cluster id"]) for r in rows) == [
        ("second", "other"), ("third", "env"), ("tree", "local")]
    shutil.rmtree(tmp_path / "other")
    write(tmp_path, "other", "a file")
    done = grid("datastore", "list", "--global", "--json", code=None, env=env)
    assert done.code != 0 and sorted(r["name"] for r in done.events if "name" in r) == ["third", "tree"]


# ---- what dead sessions leave

def kill_in_the_middle(grid, place, tree, *more):
    running = grid.start("datastore", "create", tree, "--json", "--part-size", "16M", "--jobs", "2", *more)
    uploads = lambda: place.s3.state()["buckets"]["test"]["uploads"]  # noqa: E731
    running.until(lambda: any(u["parts"] and u["key"].startswith("tree/") for u in uploads()), "a part is stored")
    running.send(signal.SIGKILL)
    running.process.wait()


@needs_s3
def test_unfinished_uploads_are_told_and_removed(on_fake, grid, tree):  # noqa: F811
    place = on_fake("abort_days=7")
    write_random(tree, "big", 96 * MIB)
    place.s3.options(bytes_per_s=24 << 20)
    kill_in_the_middle(grid, place, tree)
    place.s3.options(bytes_per_s=0)
    rows = grid("datastore", "list", "--show-incomplete", "--json", code=0).events
    assert [(r["version"], r["status"]) for r in rows] == [(1, "interrupted")]
    told = grid("datastore", "delete", "--name", "tree", "--incomplete", code=2)
    assert re.search(r"version 1 has 1 open upload, begun on \d{4}-.* UTC, which the store itself removes on \d{4}-",
                     told.err), told
    assert place.s3.open_uploads("test") != [], "nothing is removed without a word"
    done = grid("datastore", "delete", "--name", "tree", "--incomplete", "--yes", code=0)
    assert "deleted tree version 1" in done.out
    assert place.s3.open_uploads("test") == []
    assert sorted(place.keys()) == ["tree/v1/deleted.json"]
    assert "no unfinished" in grid("datastore", "delete", "--name", "tree", "--incomplete", code=0).out


@needs_s3
def test_what_killed_probes_have_left(on_fake, grid, tree):  # noqa: F811
    """Found by the next run that probes, a day later at the most."""
    place = on_fake()
    old = ".grid-probe/0123456789abcdef"
    place.s3.boto.put_object(Bucket="test", Key=old, Body=b"x")
    place.s3.boto.create_multipart_upload(Bucket="test", Key=old)
    write(tree, "a", "x")
    grid.create(tree)
    assert old in place.keys(), "it is younger than an hour"
    grid("datastore", "clearcache", code=0)
    place.s3.options(clock_offset_s=3700)
    grid.create(tree)
    place.s3.options(clock_offset_s=0)
    assert old not in place.keys() and place.s3.open_uploads("test") == []

