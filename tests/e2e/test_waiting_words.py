"""What a terminal shows while nothing moves."""

import re
import signal
import time

import pytest

from gridtest import Terminal
from s3servers import fake  # noqa: F401
from test_s3 import needs_s3, on_fake  # noqa: F401
from test_s3_resume import lasting_tree, slowly

pytestmark = [needs_s3, pytest.mark.fast]
MOVING = re.compile(r"ETA|[1-9][0-9.]* [KMG]?i?B/s")


@pytest.fixture
def terminal(on_fake, grid, tree):  # noqa: F811
    place = on_fake()
    lasting_tree(tree)
    slowly(place.s3)
    t = Terminal(grid, "datastore", "create", tree, columns=80)
    t.place = place
    until(lambda: MOVING.search(last_frame(t)), t)
    yield t
    t.process.kill()
    t.wait()


def last_frame(t):
    """The last whole one, without escapes."""
    frames = re.split(r"\x1b\[\d*A", t.text)
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", frames[-2]) if len(frames) > 2 else ""


def until(condition, t, timeout=30):
    deadline = time.monotonic() + timeout
    while not condition():
        assert t.process.poll() is None and time.monotonic() < deadline, last_frame(t)
        time.sleep(0.05)


def test_the_reason_stands_in_place_of_rate_and_eta(terminal, grid):
    terminal.place.s3.outage(60)
    until(lambda: "waiting for the network: " in last_frame(terminal), terminal)
    frame = last_frame(terminal)
    assert "cannot be reached" in frame and not MOVING.search(frame), frame
    until(lambda: "waiting: " in grid("datastore", "status", "tree", code=0).out, terminal)
    status = grid("datastore", "status", "tree", code=0).out
    assert not re.search(r"B/s|ready in", status), status
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.process.wait(20) == 130


def test_silence_is_no_rate(terminal):
    """Before it can be said that it is one, and after that."""
    operations = ("PutObject", "UploadPart", "CreateMultipartUpload", "CompleteMultipartUpload")
    terminal.place.s3.options(latency_by_op={name: 60 for name in operations})
    until(lambda: not MOVING.search(last_frame(terminal)), terminal)
    assert "waiting" not in last_frame(terminal) and "uploading" in last_frame(terminal)
    until(lambda: "nothing has moved to or from" in last_frame(terminal), terminal)
    assert not MOVING.search(last_frame(terminal))


def test_a_store_that_answers_but_refuses(on_fake, grid, tree):  # noqa: F811
    """It is not the network that is waited for; the state of the events stays the one that scripts know."""
    place = on_fake()
    lasting_tree(tree)
    grid.create(tree, "--name", "there")
    refusal = {"fault": "error", "code": "ServiceUnavailable", "status": 503}
    place.s3.faults({"op": "PutObject", "key": "shown/*", **refusal}, {"op": "GetObject", "key": "there/*", **refusal},
                    {"op": ["PutObject", "CreateMultipartUpload"], "key": "tree/*/data/*", **refusal})
    listing = grid.start("datastore", "list")
    running = grid.start("datastore", "create", tree, "--json")
    shown = Terminal(grid, "datastore", "create", tree, "--name", "shown", columns=100)
    try:
        until(lambda: "the store refuses for now: " in shown.text, shown, 60)
        listing.until(lambda: "the store refuses for now: " in listing.err, "it says so", 60)
        assert "503 ServiceUnavailable" in listing.err and "network" not in listing.err
        waiting = running.until(lambda: [e for e in running.events() if e.get("waiting_for")], "it says so", 60)[-1]
        assert waiting["state"] == "waiting_network" and "503 ServiceUnavailable" in waiting["waiting_for"]
        assert "waiting for the network" not in shown.text
        until(lambda: "the store refuses for now: " in grid("datastore", "status", "tree", code=0).out, shown)
        place.s3.faults()
        assert listing.wait(60).code == 0 and "there" in listing.out
        assert running.wait(60).code == 0
        assert shown.process.wait(60) == 0
    finally:
        shown.process.kill()
        shown.wait()
