"""
Interrupted uploads to S3 go on, here and elsewhere, and send nothing twice that was acknowledged
more than a second before: by the server's own log.  Two sessions of one name.  Large data.
"""

import os
import shutil
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from gridtest import MIB, Grid, has_sanitizer, write, write_random
from rss import measured_create
from s3check import Bucket
from s3servers import fake, rgw, rgw_tls  # noqa: F401
from test_s3 import needs_s3, on_fake, small  # noqa: F401

pytestmark = needs_s3
GIB = 1 << 30
QUEUED_S = 0.5
PROMISED_S = 1.0  # older than that is never sent again (FORMATS.md)


def lasting_tree(tree, files=60, big=96 * MIB):
    for i in range(files):
        write_random(tree, f"small/{i:03}", 70_000, seed=i)
    write_random(tree, "big", big, seed=5)
    write_random(tree, "big2", big // 2 + 12345, seed=6)


def slowly(server):
    """The fake at some 25 MB/s, so that there is a middle to be killed in."""
    server.options(bytes_per_s=25 * MIB, latency_by_op={"PutObject": 0.05})


def full_speed(server):
    server.options(bytes_per_s=0, latency_by_op={})


def start_and_kill(grid, place, tree, until, *more):
    """SIGKILL as soon as until(acknowledged) is true; its time, or None when it ended before."""
    running = grid.start("datastore", "create", tree, "--json", "--part-size", "16M", *more)
    deadline = time.monotonic() + 120
    while running.process.poll() is None and not until(place.stored()):
        assert time.monotonic() < deadline, running.err
        time.sleep(0.02)
    running.send(signal.SIGKILL)
    at = time.time()
    return at if running.wait(20).code == -signal.SIGKILL else None


def what_was_sent_again(place, killed_at):
    """Keys and parts acknowledged more than a second before a kill, and put again after it."""
    safe = set(place.stored(end=killed_at - PROMISED_S))
    return safe & set(place.stored(start=killed_at)), safe


def finish(grid, place, tree, killed_at, name="tree"):
    grid.create(tree, "--part-size", "16M", timeout=180)
    again, safe = what_was_sent_again(place, killed_at)
    assert not again, f"sent again: {sorted(again)[:10]}"
    assert place.published(name) == [1]
    place.check(name, tree)
    return safe


def enough(safe_s=1.2, n=20):
    """until: n acknowledged, and then some time more, so that there is something to lose."""
    since = []

    def until(stored):
        if len(stored) >= n and not since:
            since.append(time.monotonic())
        return since and time.monotonic() - since[0] > safe_s
    return until


@pytest.mark.fast
@pytest.mark.parametrize("behaviour", ["", "rgw", "minio2019", "swift"])
@pytest.mark.parametrize("state", ["kept", "deleted"])
def test_kill_and_run_again(on_fake, grid, tree, behaviour, state):  # noqa: F811
    place = on_fake(behaviour)
    lasting_tree(tree)
    slowly(place.s3)
    killed_at = start_and_kill(grid, place, tree, enough(), "--jobs", "8")
    assert killed_at, "it was over too early"
    if state == "deleted":
        shutil.rmtree(grid.home / "state")
    full_speed(place.s3)
    safe = finish(grid, place, tree, killed_at)
    assert len(safe) >= 20


def test_killed_and_nobody_has_waited_for_it(on_fake, grid, tree):  # noqa: F811
    """Its pid is still there, as in a container whose first process reaps nobody: it is dead all the same."""
    place = on_fake()
    lasting_tree(tree)
    slowly(place.s3)
    running = grid.start("datastore", "create", tree)
    running.until(lambda: place.stored(), "a first object stored")
    os.kill(running.process.pid, signal.SIGKILL)
    os.waitid(os.P_PID, running.process.pid, os.WEXITED | os.WNOWAIT)
    full_speed(place.s3)
    result = grid.create_json(tree)
    assert result.event("session")["resumed"]
    assert not [e for e in result.events if e.get("kind") == "taken_over"]
    place.check("tree", tree)


def test_resume_on_another_machine(on_fake, grid, tree, tmp_path):  # noqa: F811
    """Nothing is there but the source and the store: `datastore resume NAME SOURCE`."""
    place = on_fake()
    lasting_tree(tree)
    slowly(place.s3)
    killed_at = start_and_kill(grid, place, tree, enough(), "--jobs", "8")
    full_speed(place.s3)
    other = Grid(tmp_path / "another-home")
    other.env.update(place.env)
    result = other("datastore", "resume", "tree", tree, "--json", "--take-over", code=0, timeout=120)
    assert result.event("session")["resumed"] is True
    assert not what_was_sent_again(place, killed_at)[0]
    place.check("tree", tree)


@pytest.mark.fast
def test_file_changed_while_it_was_down(on_fake, grid, tree):  # noqa: F811
    place = on_fake()
    lasting_tree(tree)
    slowly(place.s3)
    start_and_kill(grid, place, tree, enough(0.2, 30), "--jobs", "8")
    full_speed(place.s3)
    shutil.rmtree(grid.home / "state")
    with open(tree / "big", "r+b") as f:
        f.seek(20 * MIB)
        f.write(b"other bytes, the same size")
    write(tree, "small/000", "quite another file")
    os.unlink(tree / "small/001")
    grid.create(tree, timeout=120)
    place.check("tree", tree)


@pytest.mark.parametrize("sign, code", [(signal.SIGINT, 130), (signal.SIGTERM, 75)])
def test_signals(on_fake, grid, tree, sign, code):  # noqa: F811
    place = on_fake()
    lasting_tree(tree)
    slowly(place.s3)
    running = grid.start("datastore", "create", tree, "--json")
    running.until(lambda: len(place.stored()) >= 10, "10 objects stored")
    running.send(sign)
    at = time.time()
    assert running.wait(20).code == code and time.time() - at < 5.5
    full_speed(place.s3)
    before = set(place.stored(end=at - PROMISED_S))
    grid.create(tree)
    assert not before & set(place.stored(start=at))
    place.check("tree", tree)


@pytest.mark.fast
def test_an_answer_that_was_lost(on_fake, grid, small):  # noqa: F811
    """Carried out, but the answer never came: on every operation once."""
    for op in ("PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"):
        for behaviour in ("", "minio", "rgw"):
            place = on_fake(behaviour)
            place.s3.faults({"op": op, "fault": "lost_answer", "nth": [1, 2, 3]})
            grid.create(small, "--name", op.lower(), timeout=120)
            place.s3.faults()
            place.check(op.lower(), small)


def test_complete_that_takes_its_time(on_fake, grid, small):  # noqa: F811
    place = on_fake()
    place.s3.faults({"op": "CompleteMultipartUpload", "fault": "whitespace", "seconds": 5, "nth": 1})
    grid.create(small)
    place.check("tree", small)
    place.s3.faults({"op": "CompleteMultipartUpload", "fault": "whitespace", "seconds": 1, "code": "InternalError",
                     "nth": 1})
    grid.create(small, "--name", "second", "--no-delta")
    place.check("second", small)


def test_the_server_swept_the_upload(on_fake, grid, tree):  # noqa: F811
    """Only that file starts anew."""
    place = on_fake()
    lasting_tree(tree)
    slowly(place.s3)
    killed_at = start_and_kill(grid, place, tree, enough(), "--jobs", "8")
    full_speed(place.s3)
    swept = {key for key, upload in place.s3.uploads("test")
             if place.s3.boto.abort_multipart_upload(Bucket="test", Key=key, UploadId=upload)}
    grid.create(tree)
    again, _ = what_was_sent_again(place, killed_at)
    assert {key for key, _ in again} <= swept
    place.check("tree", tree)


# ---- kills at random moments


def sent_again(place, kills):
    """
    What was put again although it had been acknowledged more than a second before its run was killed.
    A request that a kill met on its way, and that the server carried out all the same, perhaps after
    it had lain in a queue there for a while, is nobody's.
    """
    puts = [e for e in place.s3.log(place.bucket)
            if e["method"] == "PUT" and e["status"] == 200 and place.is_data(e["key"])]
    again, safe = {}, {}
    for e in sorted(puts, key=lambda e: e["time"]):
        what = e["key"], e["partNumber"]
        if any(e["start"] - QUEUED_S < kill <= e["time"] for kill in kills):
            continue
        if what in safe:
            again[what] = safe[what], e["time"]
        if all(kill < e["time"] or kill > e["time"] + PROMISED_S for kill in kills):
            safe[what] = e["time"]
    return again


def kill_story(place, grid, tree, rng, n, span_s):
    """n kills at random moments, every other with the local state deleted; then to the end."""
    lasting_tree(tree)
    kills = []
    for i in range(n):
        moment = time.monotonic() + rng.uniform(0.05, span_s)
        killed_at = start_and_kill(grid, place, tree, lambda _, m=moment: time.monotonic() > m)
        if killed_at is None:
            break
        kills.append(killed_at)
        if i % 2:
            shutil.rmtree(grid.home / "state")
    grid.create(tree, timeout=180)
    again = sent_again(place, kills)
    assert not again, f"sent again: {again}; kills: {kills}"
    place.check("tree", tree)
    return len(kills)


def stories(place_of, grid, tree, tmp_path, rng, kills, span_s):
    """Kill stories until so many kills have met a running program."""
    met, number = 0, 0
    while met < kills:
        number += 1
        home = Grid(tmp_path / f"home{number}")
        place = place_of()
        home.env.update(place.env)
        shutil.rmtree(tree)
        tree.mkdir()
        met += max(1, kill_story(place, home, tree, rng, 5, span_s))
    print(f"{met} kills in {number} stories")


@pytest.mark.parametrize("behaviour", ["", "minio2019"])
def test_killed_at_random_moments(fake, grid, tree, tmp_path, rng, full, behaviour):  # noqa: F811
    def place_of():
        server = fake(behaviour)
        slowly(server)
        return Bucket(server, "test", "", tmp_path)
    stories(place_of, grid, tree, tmp_path, rng, 50 if full else 5, 3.0)


def test_killed_at_random_moments_on_rgw(rgw, grid, tree, tmp_path, rng, full):  # noqa: F811
    stories(lambda: Bucket(rgw, rgw.new_bucket(), "", tmp_path), grid, tree, tmp_path, rng, 50 if full else 5, 2.0)


# ---- two at once


def both(place, tmp_path, number):
    """Two sessions of one name, started together: two versions, both right."""
    runs = []
    for side in "ab":
        folder = tmp_path / f"{number}{side}"
        for i in range(5):
            write_random(folder, f"f{i}", 50_000, seed=number * 100 + ord(side) * 10_000 + i)
        home = Grid(tmp_path / f"home-{number}{side}")
        home.env.update(place.env)
        runs.append((folder, home.start("datastore", "create", folder, "--name", f"both{number}", "--json")))
    versions = {}
    for folder, run in runs:
        result = run.wait(120)
        assert result.code == 0, result
        versions[result.event("published")["version"]] = folder
    return versions


def together(place, tmp_path, n=10):
    with ThreadPoolExecutor(5) as pool:
        found = list(pool.map(lambda i: both(place, tmp_path, i), range(n)))
    for i, versions in enumerate(found):
        assert sorted(versions) == [1, 2], f"both{i}: {versions}"
        for number, folder in versions.items():
            place.check(f"both{i}", folder, number)


@pytest.mark.parametrize("behaviour", ["", "minio2019", "swift"])
def test_two_sessions_of_one_name(on_fake, tmp_path, behaviour):  # noqa: F811
    together(on_fake(behaviour), tmp_path)


def test_two_sessions_of_one_name_on_rgw(rgw, tmp_path):  # noqa: F811
    together(Bucket(rgw, rgw.new_bucket(), "", tmp_path), tmp_path)


def test_a_session_that_runs_elsewhere_is_left_alone(on_fake, grid, tree, tmp_path):  # noqa: F811
    """The other upload of the same folder is a version of its own; who and where is said."""
    place = on_fake()
    lasting_tree(tree)
    slowly(place.s3)
    running = grid.start("datastore", "create", tree, "--json", "--jobs", "4")
    running.until(lambda: len(place.stored()) >= 5, "5 objects stored")
    other = Grid(tmp_path / "another-home")
    other.env.update(place.env)
    second = other.start("datastore", "create", tree, "--json")
    second.until(lambda: "uploading_elsewhere" in second.out, "it says who else uploads")
    full_speed(place.s3)
    first, second = running.wait(60), second.wait(60)
    assert first.code == 0 and second.code == 0, second
    warning = next(e for e in second.events if e.get("kind") == "uploading_elsewhere")["message"]
    assert f"pid {running.pid}" in warning and socket.gethostname() in warning
    assert first.event("published")["version"] == 1 and second.event("published")["version"] == 2
    for version in (1, 2):
        place.check("tree", tree, version)


# ---- large data, in bounded memory


def large(server, grid, tree, tmp_path, size, files):
    if shutil.disk_usage(tmp_path).free < 3 * size + 4 * GIB:
        pytest.skip(f"needs {3 * size >> 30} GiB of free disk below {tmp_path}")
    place = Bucket(server, server.new_bucket(), "p", tmp_path)
    grid.env.update(place.env)
    write_random(tree, "large.bin", size)
    for i in range(files):
        write_random(tree, f"small/{i % 100:02}/{i:05}.bin", 16 << 10, seed=i)
    rss = measured_create(grid, tmp_path, tree, timeout=900)
    if not has_sanitizer():
        assert rss <= 64 << 10, f"{rss} KiB"
    sent = sum(t[0][1] for t in place.stored().values())
    assert sent == size + files * (16 << 10)
    place.check("tree", tree)
    grid("datastore", "verify", "tree", "--deep", code=0, timeout=600)
    key = "p/tree/v1/data/small/00/00000.bin"
    content = bytearray(server.read(place.bucket, key))
    content[5000] ^= 0x10
    server.boto.put_object(Bucket=place.bucket, Key=key, Body=bytes(content))
    assert "00000.bin" in grid("datastore", "verify", "tree", "--deep", code=1, timeout=600).text
    for key in server.objects(place.bucket):  # its disk is shared
        server.boto.delete_object(Bucket=place.bucket, Key=key)


@pytest.mark.large
def test_large_on_rgw(rgw, grid, tree, tmp_path, full):  # noqa: F811
    large(rgw, grid, tree, tmp_path, 4 * GIB if full else GIB, 20_000 if full else 4_000)


@pytest.mark.large
def test_large_on_rgw_over_tls(rgw_tls, grid, tree, tmp_path, full):  # noqa: F811
    large(rgw_tls, grid, tree, tmp_path, 4 * GIB if full else GIB, 20_000 if full else 4_000)


@pytest.mark.large
@pytest.mark.full
def test_ten_thousand_parts(on_fake, grid, tree, tmp_path):  # noqa: F811
    """A sparse file of 156 GiB in 10,000 parts; the server throws the bytes away."""
    on_fake(arguments=["--discard"], tls=True)
    with open(tree / "sparse", "wb") as f:
        f.truncate(10_000 * 16 * MIB)
    rss = measured_create(grid, tmp_path, tree, timeout=3600)
    assert rss <= 64 << 10, f"{rss} KiB"
