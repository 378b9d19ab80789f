"""
What may come in the way of an upload that lasts: a file that never holds still, a machine that slept, an
upload that the store has swept, a server that says when to come back.
"""

import email.utils
import signal
import threading
import time

from gridtest import MIB, write, write_random
from s3servers import fake  # noqa: F401
from test_s3 import needs_s3, on_fake, small  # noqa: F401
from test_s3_resume import full_speed, lasting_tree, slowly

pytestmark = needs_s3


def puts(place, name):
    """Once the server has noticed the end of them all."""
    deadline = time.monotonic() + 30
    while place.s3.state_of(place.bucket)["in_flight"]:
        assert time.monotonic() < deadline, "requests are still under way"
        time.sleep(0.02)
    return [e for e in place.s3.log(place.bucket) if e["op"] in ("PutObject", "UploadPart") and e["key"].endswith(name)]


def test_a_file_that_never_holds_still(on_fake, grid, tree):  # noqa: F811
    """
    It is sent, and three times more, whether or not the walk has come by; then it is named.  The others are
    stored, and nothing is published.
    """
    place = on_fake()
    place.s3.options(bytes_per_s=8 * MIB)
    path = write_random(tree, "restless", 15 * MIB)
    write(tree, "calm", "x")
    stopped = threading.Event()

    def change():
        while not stopped.wait(0.2):  # each time it has been begun to be sent
            with open(path, "r+b") as f:
                f.write(time.monotonic_ns().to_bytes(8, "big"))

    thread = threading.Thread(target=change)
    thread.start()
    try:
        result = grid("datastore", "create", tree, "--json")
    finally:
        stopped.set()
        thread.join()
    assert result.code == 1 and "restless" in result.err and "chang" in result.err, result
    assert 1 < len(puts(place, "/restless")) <= 1 + 3
    assert len(puts(place, "/calm")) == 1
    assert place.published("tree") == []
    full_speed(place.s3)
    grid.create(tree)
    place.check("tree", tree)


def test_the_machine_slept(on_fake, grid, tree):  # noqa: F811
    """All connections are dropped, and what had been acknowledged is not sent again."""
    place = on_fake()
    lasting_tree(tree, big=128 * MIB)
    slowly(place.s3)
    running = grid.start("datastore", "create", tree, "--json", "--part-size", "16M", "--jobs", "4")
    running.until(lambda: len(place.stored()) >= 10, "10 objects stored")
    running.send(signal.SIGSTOP)
    slept_at = time.time()
    time.sleep(12)  # more than a busy machine stands still
    woke_at = time.time()
    running.send(signal.SIGCONT)
    result = running.wait(60)
    assert result.code == 0, result
    log = [e for e in place.s3.log(place.bucket) if e["op"] in ("PutObject", "UploadPart") and place.is_data(e["key"])]
    before = {e["conn"] for e in log if e["start"] < slept_at}
    assert before and log[-1]["start"] > woke_at and log[-1]["conn"] not in before
    assert not set(place.stored(end=slept_at - 1)) & set(place.stored(start=woke_at))
    place.check("tree", tree)


def test_an_upload_that_is_swept_in_mid_run(on_fake, grid, tree):  # noqa: F811
    """Only that file starts anew."""
    place = on_fake()
    lasting_tree(tree)
    slowly(place.s3)
    running = grid.start("datastore", "create", tree, "--json", "--part-size", "16M", "--jobs", "4")
    running.until(lambda: any(part for _, part in place.stored()), "a part is stored")
    key, upload = next((key, upload) for key, upload in place.s3.uploads(place.bucket) if place.is_data(key))
    place.s3.boto.abort_multipart_upload(Bucket=place.bucket, Key=key, UploadId=upload)
    full_speed(place.s3)
    result = running.wait(60)
    assert result.code == 0, result
    again = {k for (k, _), times in place.stored().items() if len(times) > 1}
    assert again <= {key}
    assert upload not in {e["uploadId"] for e in place.s3.log(place.bucket)
                          if e["op"] == "CompleteMultipartUpload" and e["status"] == 200}
    place.check("tree", tree)


def test_the_server_says_when_to_come_back(on_fake, grid, small):  # noqa: F811
    """In seconds, or as a date."""
    for name, when in (("seconds", 3), ("date", None)):
        place = on_fake()
        place.s3.faults({"op": "PutObject", "key": "*/data/*", "nth": 1, "fault": "error", "code": "SlowDown",
                         "status": 503, "retry_after": when or email.utils.formatdate(time.time() + 5, usegmt=True)})
        grid.create(small, "--name", name, "--jobs", "1")
        refused = next(e for e in place.s3.log(place.bucket) if e["status"] == 503)
        again = next(e for e in place.s3.log(place.bucket) if e["status"] == 200 and e["key"] == refused["key"])
        assert again["start"] - refused["time"] >= (3 if when else 1), "it did not wait"
        place.s3.faults()
        place.check(name, small)
