"""
What a store can and cannot do, from outside: reserving a number without conditional writes, how
many requests at once, what is remembered of it.
"""

import json
import signal
import threading
import time

import pytest

from gridtest import MIB, write, write_random
from s3check import Bucket
from s3servers import fake, rgw, rgw_tls, s3  # noqa: F401
from test_s3 import login, needs_login, needs_s3, on_fake, small, store, until  # noqa: F401

pytestmark = needs_s3
PLAIN = "if_none_match=ignore,if_none_match_complete=ignore"


def times(place, op, end):
    """When requests for keys that end so were answered."""
    return [e["time"] for e in place.s3.log("test") if e["op"] == op and (e["key"] or "").endswith(end)]


def claims(place, number=1):
    return [k for k in place.keys(f"tree/v{number}/session/")]


# ---- reserving a number where no write is conditional


@pytest.mark.parametrize("behaviour", [f"{PLAIN},list_lag_s=3", "swift,list_lag_s=3"])
def test_a_listing_that_lags_is_waited_for(on_fake, grid, small, behaviour):  # noqa: F811
    """Else two who begin together would not see each other."""
    place = on_fake(behaviour)
    grid.create(small)
    claimed = min(e["start"] for e in place.s3.log("test") if e["op"] == "PutObject" and "/session/" in e["key"])
    reserved = min(times(place, "PutObject", "/v1/session.json"))
    assert 3 <= reserved - claimed < 6
    until(lambda: "tree/v1/datastore.json" in place.keys(), "the listing shows it")
    assert place.published("tree") == [1]


@pytest.mark.parametrize("behaviour, host", [(PLAIN, None), ("swift", None), (PLAIN, "elsewhere")])
def test_killed_while_it_reserves(on_fake, grid, small, behaviour, host):  # noqa: F811
    """Its claim is its own, also where this home is mounted on another host: the number is not lost, and nobody
    is waited for."""
    place = on_fake(behaviour)
    place.s3.faults({"op": "PutObject", "key": "*/v1/session.json", "fault": "silent", "seconds": 60})
    running = grid.start("datastore", "create", small)
    running.until(lambda: len(claims(place)) == 1 and place.s3.fault_counts()[0]["hits"], "it reserves")
    running.send(signal.SIGKILL)
    running.wait(20)
    place.s3.faults()
    if host:
        key, = claims(place)
        record = {**json.loads(place.s3.read("test", key)), "host": host}
        place.s3.boto.put_object(Bucket="test", Key=key, Body=json.dumps(record).encode())
    start = time.monotonic()
    grid.create(small)
    assert time.monotonic() - start < 5
    assert place.published("tree") == [1]
    place.check("tree", small)


def foreign_claim(place, **more):
    record = {"format": 1, "session": "ab" * 16, "run": "cd" * 16, "host": "elsewhere", "boot_id": "x", "pid": 1,
              "user": "somebody", "source": "file:///else", "options": "", "part_size": 0, **more}
    key = f"tree/v1/session/{record['session']}.json"
    place.s3.boto.put_object(Bucket="test", Key=key, Body=json.dumps(record).encode())
    return key


@pytest.mark.parametrize("content", ["record", "rubbish"])
def test_a_claim_of_the_dead(on_fake, grid, small, content):  # noqa: F811
    """By the store's clock alone: older than five minutes, whatever this machine's clock says."""
    place = on_fake(PLAIN)
    key = foreign_claim(place)
    if content == "rubbish":
        place.s3.boto.put_object(Bucket="test", Key=key, Body=b"\0not a record")
    place.s3.options(clock_offset_s=310)
    start = time.monotonic()
    grid.create(small)
    assert time.monotonic() - start < 5
    assert place.published("tree") == [1]
    place.check("tree", small)  # and the claim is gone


def test_a_claim_of_the_living(on_fake, grid, small):  # noqa: F811
    """It is given way to, and the number tried again."""
    place = on_fake(PLAIN)
    key = foreign_claim(place)
    place.s3.options(clock_offset_s=290)
    running = grid.start("datastore", "create", small)
    running.until(lambda: len([e for e in place.s3.log("test") if e["op"] == "PutObject"
                               and "/v1/session/" in e["key"]]) >= 3, "it has tried twice", 30)
    assert claims(place) and not times(place, "PutObject", "session.json")
    place.s3.boto.delete_object(Bucket="test", Key=key)
    assert running.wait(60).code == 0
    assert place.published("tree") == [1]


# ---- open uploads that only their exact key finds


def hunted(place):
    return [e["target"].split("prefix=")[1].split("&")[0] for e in place.s3.log("test")
            if e["op"] == "ListMultipartUploads"]


def orphan(place, key):
    place.s3.boto.create_multipart_upload(Bucket="test", Key=key)
    return key


def test_orphans_by_exact_key(on_fake, grid, tree):  # noqa: F811
    """Before publication: of the files that have parts; whoever has made them."""
    place = on_fake("minio")
    write_random(tree, "big", 40 * MIB)
    write_random(tree, "folder/odd\x01", 20 * MIB, seed=1)
    write_random(tree, "one-part", 10 * MIB, seed=2)
    for i in range(30):
        write(tree, f"small{i}", f"{i}")
    place.s3.faults({"op": "CreateMultipartUpload", "fault": "lost_answer", "key": "*/data/big", "times": 1},
                    {"op": "CreateMultipartUpload", "fault": "lost_answer", "key": "*/odd/*", "times": 1})
    grid.create(tree)
    assert [r["hits"] for r in place.s3.fault_counts()] == [1, 1], "there were orphans"
    place.check("tree", tree)
    assert len(hunted(place)) == 2, "one request for each file of several parts"
    for n in range(3):
        orphan(place, "tree/v1/data/big")
    grid("datastore", "delete", "--name", "tree", "--version", "1", "--yes", code=0)
    assert place.s3.open_uploads("test") == []


@pytest.mark.parametrize("fresh", [True, False])
def test_orphans_of_a_session_that_is_given_up(on_fake, grid, tree, fresh):  # noqa: F811
    place = on_fake("minio")
    write_random(tree, "big", 40 * MIB)
    place.s3.faults({"op": "UploadPart", "key": "tree/*", "fault": "silent", "seconds": 60})
    running = grid.start("datastore", "create", tree)
    running.until(lambda: place.s3.fault_counts()[0]["hits"], "a part is under way")
    begun = time.monotonic()
    running.until(lambda: time.monotonic() - begun > 1.2, "the plan is on the disk: it may lag by a second")
    running.send(signal.SIGKILL)
    running.wait(20)
    place.s3.faults()
    assert place.s3.open_uploads("test")
    if fresh:
        grid.create(tree, "--fresh")
    else:
        grid("datastore", "delete", "--name", "tree", "--incomplete", "--yes", code=0)
    assert place.s3.open_uploads("test") == [] and place.published("tree") == [2] * fresh


# ---- how many requests at once


@pytest.mark.parametrize("options, most", [(["--jobs", "32"], 32), (["--jobs", "1"], 1), (["--jobs", "5"], 5)])
def test_requests_at_once(on_fake, grid, tree, options, most):  # noqa: F811
    place = on_fake("latency_s=0.1")
    for i in range(150 if most > 1 else 15):
        write(tree, f"f{i:03}", f"{i}")
    write_random(tree, "big", 40 * MIB)
    grid.create(tree, *options)
    assert place.s3.state()["most_in_flight"] == most


def test_requests_at_once_adapt(on_fake, grid, tree):  # noqa: F811
    """From 8 upwards, while more of them bring more."""
    place = on_fake("latency_s=0.3")
    for i in range(600):
        write(tree, f"f{i:03}", f"{i}")
    grid.create(tree)
    assert 64 <= place.s3.state()["most_in_flight"] <= 1024
    place.check("tree", tree)


# ---- what is remembered of it


def probes(place):
    return len([e for e in place.s3.log("test") if (e["key"] or "").startswith(".grid-probe")])


def notes(grid):
    return list(grid.sessions.glob("store-*.traits"))


def test_a_second_run_probes_no_more(on_fake, grid, small):  # noqa: F811
    place = on_fake()
    grid.create(small)
    first = probes(place)
    assert first > 5 and len(notes(grid)) == 1
    write(small, "more", "y")
    grid.create(small)
    assert probes(place) == first
    grid("datastore", "clearcache", code=0)
    assert notes(grid) == []
    write(small, "more", "z")
    grid.create(small)
    assert probes(place) == 2 * first
    for number in (1, 2, 3):
        place.check("tree", small if number == 3 else None, number=number)


@needs_login
def test_login_has_probed_already(fake, grid, small):  # noqa: F811
    server = fake(tls=True)
    login(grid, server)
    before = len([e for e in server.log("test") if e["key"] and ".grid-probe" in e["key"]])
    assert before > 5
    grid.create(small)
    assert len([e for e in server.log("test") if e["key"] and ".grid-probe" in e["key"]]) == before


@pytest.mark.parametrize("content", [b"", b"{", b"{}", b"null", b"\0" * 5000, b"1 checks=none if-none-match=no"])
def test_a_damaged_note_is_harmless(on_fake, grid, small, content):  # noqa: F811
    place = on_fake()
    grid.create(small)
    first = probes(place)
    note, = notes(grid)
    whole = note.read_bytes()
    note.write_bytes(content)
    grid.create(small)
    assert probes(place) == 2 * first and len(note.read_bytes()) == len(whole)
    place.check("tree", small, number=2)


@pytest.mark.parametrize("tls, then, now", [
    (True, {}, {"trailers": False, "checksums": False}),
    (True, {"trailers": False}, {"aws_chunked": False, "checksums": False}),
    (False, {}, {"aws_chunked": False}),
])
def test_a_note_that_holds_no_more(on_fake, grid, small, tls, then, now):  # noqa: F811
    """The store is another now, under the same name: it is probed again, not given up."""
    place = on_fake(tls=tls)
    place.s3.options(**then)
    grid.create(small)
    place.s3.options(**now)
    write_random(small, "big", 40 * MIB)
    grid.create(small)
    place.check("tree", small, number=2)


# ---- names of buckets, prefixes and keys


@pytest.mark.parametrize("bucket", ["My.Old-Bucket", "UPPER_under", "a.b.c"])
def test_old_bucket_names(fake, grid, small, tmp_path, bucket):  # noqa: F811
    server = fake(buckets=[])
    server.bucket(bucket)
    place = Bucket(server, bucket, "", tmp_path)
    grid.env.update(place.env)
    grid.create(small)
    place.check("tree", small)


def test_a_prefix_of_odd_letters(s3, grid, small, tmp_path):  # noqa: F811
    place = Bucket(s3, s3.new_bucket(), "my sets/ü+%41 'q'/日本", tmp_path)
    grid.env.update(place.env)
    grid.create(small)
    place.check("tree", small)
    assert [r["name"] for r in grid("datastore", "list", "--json", code=0).events] == ["tree"]
    grid("datastore", "delete", "--name", "tree", "--version", "1", "--yes", code=0)
    assert [k for k in place.keys() if not k.endswith("/deleted.json")] == []


CODED = [b"%2F", b"%2e%2e", b"%00", b"a%20b", b"a+b c", b"%", b"%%41", b"+", b"&amp;", b"<x>", b"]]>", b"~-._", b"=?&#;"]


def test_names_that_look_encoded(store, grid, tree):  # noqa: F811
    """Neither encoded twice nor decoded once too often, in keys, lists and documents."""
    for i, name in enumerate(CODED):
        write(tree, name, b"%d" % i)
        write(tree, b"in " + name + b"/f", b"in %d" % i)
    write_random(tree, b"big+%41 \xc3\xbc", 20 * MIB)
    grid.create(tree)
    found = store.check("tree", tree)
    assert not [name for name, line in found.items() if "key" in line]
    keys = store.keys("tree/v1/data/")
    assert {f"tree/v1/data/{name.decode()}" for name in CODED} <= set(keys)
    grid("datastore", "verify", "tree", "--deep", code=0)
    grid("datastore", "delete", "--name", "tree", "--version", "1", "--yes", code=0)
    assert [k for k in store.keys("tree/") if not k.endswith("/deleted.json")] == []


def path_of_bytes(size, letter):
    """Components of at most 200 bytes, `size` together; of a letter of several bytes, padded in front."""
    parts, left = [], size
    while left > 0:
        n = min(200, left)
        if left - n == 1:
            n -= 1
        parts.append("x" * (n % len(letter.encode())) + letter * (n // len(letter.encode())))
        left -= n + 1
    path = "/".join(parts)
    assert len(path.encode()) == size, len(path.encode())
    return path


@pytest.mark.parametrize("letter", ["d", "é", "🙂"])
def test_a_key_of_1024_bytes(store, grid, tree, letter):  # noqa: F811
    """The longest that there is, with parts, too; one byte more has a key of its own."""
    front = len((store.prefix + "tree/v1/data/").encode())
    longest, longer = path_of_bytes(1024 - front, letter), path_of_bytes(1025 - front, letter)
    write_random(tree, longest.encode(), 20 * MIB)
    write(tree, longer.encode(), "one byte too long")
    grid.create(tree)
    found = store.check("tree", tree)
    assert "key" not in found[longest.encode()] and found[longer.encode()]["key"].startswith("odd/")
    assert store.keys()[f"tree/v1/data/{longest}"] == 20 * MIB
    grid("datastore", "verify", "tree", "--deep", code=0)


# ---- what a store is told of what it takes


def test_storage_class_and_encryption(on_fake, grid, tree):  # noqa: F811
    """Small files, files in parts, copies of the next version, and records."""
    place = on_fake()
    write_random(tree, "large", 20 * MIB)
    write(tree, "small", "x")
    told = ("--storage-class", "STANDARD_IA", "--sse", "aws:kms:alias/of:the:lab")
    for _ in range(2):
        grid.create(tree, *told)
    place.check("tree", tree, number=2)
    keys = [k for k in place.keys() if k.startswith("tree/")]
    assert len(keys) == 8, keys
    for key in keys:
        found = place.s3.boto.head_object(Bucket=place.bucket, Key=f"{place.prefix}{key}")
        assert (found["StorageClass"], found["ServerSideEncryption"]) == ("STANDARD_IA", "aws:kms"), key


def test_storage_class_is_for_s3(grid, tree):
    write(tree, "a", "x")
    assert "is a folder" in grid.create(tree, "--storage-class", "GLACIER", code=2).err
    assert "aws:kms:KEYID" in grid.create(tree, "--sse", "DES", code=2).err


# ---- one request at a time


def test_a_store_that_takes_one_request_at_a_time(on_fake, grid, small):  # noqa: F811
    place = on_fake()
    place.s3.faults({"fault": "error", "code": "SlowDown", "status": 503, "above": 1}, {"fault": "delay", "seconds": 0.02})
    grid.create(small)
    place.s3.faults()
    place.check("tree", small)


# ---- --bwlimit



def test_bwlimit_does_not_share_the_line_among_too_many(on_fake, grid, tree):  # noqa: F811
    """Of parts that are all under way at once none would be done for long, and a kill would cost them all."""
    place = on_fake()
    write_random(tree, "large", 64 * MIB)
    running = grid.start("datastore", "create", tree, "--json", "--bwlimit", "3M")
    running.until(lambda: len(parts_of(place)) >= 2, "two parts acknowledged", 60)
    running.send(signal.SIGTERM)
    assert running.wait(10).code == 75
    done = parts_of(place)
    assert most_at_once(done) == 2
    assert len([e for e in done if e["status"] == 200]) >= 2


def parts_of(place):
    return [e for e in place.s3.log(place.bucket) if e["op"] == "UploadPart" and place.is_data(e["key"])]


def most_at_once(done):
    return max(sum(e["start"] <= other["start"] < e["time"] for e in done) for other in done)


def test_resume_keeps_the_limit(on_fake, grid, tree):  # noqa: F811
    """Of what was given to create; of another that resume names; and none, where that is said."""
    def limit():
        return grid("datastore", "status", "tree", "--json", code=0).events[0]["limit"]

    def run_and_stop(*words):
        running = grid.start("datastore", *words, "--json")
        running.until_event("session")
        running.send(signal.SIGTERM)
        return [e["message"] for e in running.wait(10).events if e["event"] == "warning" and e["kind"] == "limit_kept"]

    place = on_fake()
    write_random(tree, "large", 64 * MIB)
    assert run_and_stop("create", tree, "--bwlimit", "1M") == [] and limit() == MIB
    said, = run_and_stop("resume")
    assert "1 MiB" in said and "--bwlimit none" in said and limit() == MIB
    assert run_and_stop("resume", "tree", "--bwlimit", "2M") == [] and limit() == 2 * MIB
    running = grid.start("datastore", "resume", "tree", tree, "--json")
    running.until(lambda: len(parts_of(place)) >= 2, "two parts acknowledged", 60)
    running.send(signal.SIGKILL)
    running.process.wait()
    assert limit() == 2 * MIB and most_at_once(parts_of(place)) == 2
    grid("datastore", "resume", "tree", "--bwlimit", "none", code=0)
    assert limit() == 0
    place.check("tree", tree)


@pytest.mark.fast
@pytest.mark.parametrize("tls", [False, True])
def test_bwlimit_is_never_exceeded(on_fake, grid, tree, tls):  # noqa: F811
    """All connections together; none is closed for it, and nothing is sent again."""
    place = on_fake(tls=tls)
    for i in range(20):
        write_random(tree, f"small/{i:02}", 50_000, seed=i)
    write_random(tree, "big", 3 << 20, seed=99)
    rate, size = 2 << 20, (3 << 20) + 20 * 50_000
    published = grid("datastore", "create", tree, "--json", "--bwlimit", "2M", "--jobs", "4", code=0).event("published")
    assert published["bytes_sent"] == size and published["retries"] == 0
    data = [e for e in place.s3.log(place.bucket) if e["method"] == "PUT" and "/data/" in (e["key"] or "")]
    assert len({e["conn"] for e in data}) <= 4
    begun = min(e["time"] for e in data if e["bytes"] == 50_000)
    sent_after = size - 50_000  # the first may have come in the grants of an idle bucket
    assert max(e["time"] for e in data) - begun >= 0.8 * (sent_after - (256 << 10)) / rate
    place.check("tree", tree)
