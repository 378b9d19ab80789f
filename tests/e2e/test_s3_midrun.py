"""
What a store does to a session in mid-run: its clock moves, its answers come late, contradict each
other or are lost, another way of sending is found.  By the server's own log nothing that it has is
sent again.
"""

import signal

import pytest

from gridtest import MIB, write_random
from s3check import Bucket
from s3servers import fake  # noqa: F401
from test_s3 import login, needs_login, needs_s3, on_fake, small, until  # noqa: F401
from test_s3_resume import enough, full_speed, start_and_kill, what_was_sent_again

pytestmark = needs_s3


def data_puts(place, status=200):
    return [e for e in place.s3.log("test") if e["method"] == "PUT" and e["status"] == status
            and place.is_data(e["key"])]


def many(tree, n=200, size=70_000):
    for i in range(n):
        write_random(tree, f"s/{i:03}", size, seed=i)
    return tree


# ---- the clock


@pytest.mark.parametrize("step_s", [3600, -3600])
def test_the_clock_moves_in_mid_run(on_fake, grid, tree, step_s):  # noqa: F811
    """All requests under way are refused at once; the first to be answered learns it for the others."""
    place = on_fake()
    many(tree, 200)
    place.s3.options(latency_by_op={"PutObject": 0.1})
    running = grid.start("datastore", "create", tree, "--json", "--jobs", "16")
    running.until(lambda: len(data_puts(place)) > 30, "some files are stored")
    place.s3.options(clock_offset_s=step_s)
    result = running.wait(60)
    assert result.code == 0, result.err
    refused = [e for e in place.s3.log("test") if e["code"] == "RequestTimeTooSkewed"]
    assert len(refused) > 1, "several were under way"
    place.s3.options(clock_offset_s=0, latency_by_op={})
    place.check("tree", tree)


# ---- another way of sending


@needs_login
@pytest.mark.parametrize("first, second", [("always", "never"), ("always", "auto"), ("never", "always")])
@pytest.mark.parametrize("may_list", [True, False])
def test_resumed_with_another_checksum(fake, grid, tree, tmp_path, first, second, may_list):  # noqa: F811
    """
    An upload that was created without a checksum takes parts without one only (AWS: 400, "Checksum Type
    mismatch").  It is gone on with all the same, and no part is sent again.
    """
    server = fake(tls=True)
    place = Bucket(server, "test", "p", tmp_path)
    write_random(tree, "big", 160 * MIB)
    login(grid, server, "--sign-payload", first)
    server.options(bytes_per_s=40 * MIB)
    killed_at = start_and_kill(grid, place, tree, enough(1.2, 2), "--jobs", "2")
    assert killed_at, "it was over too early"
    full_speed(server)
    if not may_list:
        server.faults({"op": "ListParts", "fault": "error", "code": "AccessDenied", "status": 403, "key": "*big"})
    login(grid, server, "--sign-payload", second)
    result = grid("datastore", "create", tree, "--json", "--part-size", "16M", timeout=60)
    assert result.code == 0, result.err
    again, safe = what_was_sent_again(place, killed_at)
    assert safe and not again, sorted(again)
    server.faults()
    place.check("tree", tree)


# ---- one writer among several


@pytest.mark.parametrize("record", ["session.json", "datastore.json"])
@pytest.mark.parametrize("done", [False, True])
def test_a_race_that_the_store_does_not_decide(on_fake, grid, small, record, done):  # noqa: F811
    """409 ConditionalRequestConflict: AWS says to try again.  Where it was our own abandoned put, the next finds
    our own record."""
    place = on_fake()
    place.s3.faults({"op": "PutObject", "key": f"*/v1/{record}", "fault": "error", "times": 1,
                     "code": "ConditionalRequestConflict", "status": 409, "done": done})
    result = grid("datastore", "create", small, "--json", code=0)
    assert place.s3.fault_counts()[0]["hits"] == 1
    assert result.event("published")["version"] == 1
    place.s3.faults()
    assert place.published("tree") == [1]
    place.check("tree", small)


# ---- completions


def parts_put(place):
    return [(e["key"], e["partNumber"]) for e in data_puts(place) if e["partNumber"]]


def all_sent_once(place):
    sent = parts_put(place)
    assert sent and len(sent) == len(set(sent)), "parts were sent again"


def test_completed_between_two_looks(on_fake, grid, tree):  # noqa: F811
    """
    The first completion is carried out late: behind our look at the object, before that at the upload, which
    is then gone.  The object is ours.
    """
    place = on_fake("repeated_complete=404")
    write_random(tree, "big", 40 * MIB)
    place.s3.options(latency_by_op={"HeadObject": 1.5})
    place.s3.faults(
        {"op": "CompleteMultipartUpload", "nth": 1, "fault": "late", "seconds": 0.9},
        {"op": "CompleteMultipartUpload", "nth": 2, "fault": "error", "code": "InternalError", "status": 500})
    grid.create(tree, timeout=60)
    assert [rule["hits"] for rule in place.s3.fault_counts()] == [1, 1]
    log = [e for e in place.s3.log("test") if e["key"] == "tree/v1/data/big"]
    asked = next(i for i, e in enumerate(log) if e["op"] == "ListParts" and e["status"] == 404)
    assert any(e["op"] == "HeadObject" and e["status"] == 404 for e in log[:asked]), "it came between the two"
    all_sent_once(place)
    place.s3.options(latency_by_op={})
    place.s3.faults()
    place.check("tree", tree)


@pytest.mark.parametrize("behaviour", ["", "repeated_complete=404", "rgw"])
def test_completed_but_not_to_be_seen_yet(on_fake, grid, tree, behaviour):  # noqa: F811
    """A store that lags: it is waited for, not sent again."""
    place = on_fake(behaviour)
    write_random(tree, "big", 40 * MIB)
    place.s3.faults({"op": "HeadObject", "key": "*/data/big", "times": 5, "fault": "error", "code": "NoSuchKey",
                     "status": 404})
    grid.create(tree, timeout=60)
    assert place.s3.fault_counts()[0]["hits"] == 5
    assert [e["status"] for e in place.s3.log("test") if e["op"] == "CompleteMultipartUpload"] == [200]
    all_sent_once(place)
    place.s3.faults()
    place.check("tree", tree)


def test_completed_and_never_seen(on_fake, grid, tree):  # noqa: F811
    """After half a minute it is lost, and sent anew."""
    place = on_fake()
    write_random(tree, "big", 40 * MIB)
    place.s3.faults({"op": "HeadObject", "key": "*/data/big", "times": 10, "fault": "error", "code": "NoSuchKey",
                     "status": 404})
    grid.create(tree, timeout=120)
    assert len(parts_put(place)) == 6
    place.s3.faults()
    place.check("tree", tree)
