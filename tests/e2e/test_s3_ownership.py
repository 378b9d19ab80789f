"""
Two runs, one version: who has lost it writes nothing more, however late it notices; what was published is
whole.  These wait out the minute for which a look at the session's record is good.
"""

import os
import signal
import socket
import threading

import pytest

from gridtest import Grid, write_random
from s3servers import fake  # noqa: F401
from test_s3 import needs_s3, on_fake  # noqa: F401

pytestmark = needs_s3
FILES, SIZE = 300, 20_000


def make(tree, seed):
    for i in range(FILES):
        write_random(tree, f"s/{i:03}", SIZE, seed=seed * 1000 + i)


@pytest.fixture
def other(tmp_path):
    return Grid(tmp_path / "another-home")


@pytest.fixture
def place(on_fake, grid, other):  # noqa: F811
    place = on_fake()
    other.env.update(place.env)
    return place


def in_the_middle(grid, place, tree, n=40, **more):
    make(tree, 1)
    place.s3.options(latency_by_op={"PutObject": 0.05})
    running = grid.start("datastore", "create", tree, "--json", "--jobs", "8", **more)
    running.until(lambda: len(place.stored()) >= n, f"{n} objects stored")
    return running


def stopped_at_its_publication(grid, place, tree):
    """datastore.json was refused for a while; the run sleeps, and would be served now."""
    place.s3.faults({"op": "PutObject", "key": "*datastore.json", "fault": "error", "code": "InternalError",
                     "status": 500})
    make(tree, 1)
    running = grid.start("datastore", "create", tree, "--json")
    running.until(lambda: any(e["status"] == 500 for e in place.s3.log("test")), "refused")
    running.send(signal.SIGSTOP)
    place.s3.faults()
    return running


def test_a_run_that_stood_still(place, grid, other, tree):
    """Another has published meanwhile: it is left alone, whatever the first has had under way."""
    first = in_the_middle(grid, place, tree)
    first.send(signal.SIGSTOP)
    make(tree, 2)
    second = other("datastore", "create", tree, "--json", "--take-over", code=0, timeout=150)
    assert any(e.get("kind") == "taken_over" for e in second.events)
    before = place.s3.state()["buckets"]["test"]["objects"]
    make(tree, 3)
    first.send(signal.SIGCONT)
    assert first.wait(60).code == 75
    assert place.s3.state()["buckets"]["test"]["objects"] == before
    other("datastore", "verify", "tree", "--deep", code=0)


def test_a_publication_that_is_tried_again(place, grid, other, tree):
    """The first one's datastore.json was refused for a while, and then another came."""
    first = stopped_at_its_publication(grid, place, tree)
    make(tree, 2)
    second = other.start("datastore", "create", tree, "--json", "--take-over")
    second.until_event("session")
    first.send(signal.SIGCONT)
    codes = {first.wait(150).code, second.wait(150).code}
    assert 0 in codes and codes <= {0, 75}
    assert place.published("tree") == [1]
    other("datastore", "verify", "tree", "--deep", code=0)


class Relay:
    """Between a run and the server.  From the moment when it sees `trigger` it holds everything back."""

    def __init__(self, port, trigger):
        self.port, self.trigger = port, trigger
        self.open, self.is_cut = threading.Event(), False
        self.open.set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        try:
            while True:
                client = self.listener.accept()[0]
                server = socket.create_connection(("127.0.0.1", self.port))
                for source, sink in ((client, server), (server, client)):
                    threading.Thread(target=self.copy, args=(source, sink), daemon=True).start()
        except OSError:
            pass

    def copy(self, source, sink):
        try:
            while data := source.recv(1 << 16):
                if self.trigger(data) and not self.is_cut:
                    self.is_cut = True
                    self.open.clear()
                self.open.wait()
                sink.sendall(data)
        except OSError:
            pass
        for s in (source, sink):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def test_a_beat_that_arrives_late(place, grid, other, tree):
    """It takes the number back, after another run has replaced objects: what is published is whole."""
    relay = Relay(place.s3.port, lambda data: data.startswith(b"PUT") and b"session.json" in data[:300]
                  and len(place.stored()) > 3)
    place.s3.options(latency_by_op={"PutObject": 2.0})
    make(tree, 1)
    first = grid.start("datastore", "create", tree, "--json", "--jobs", "4",
                       env={"AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{relay.listener.getsockname()[1]}"})
    first.until(lambda: relay.is_cut, "its beat is on the way", 90)
    stored = [key.split("/data/")[1] for key, _ in place.stored()]
    n = len(stored)
    for i, path in enumerate(stored):
        write_random(tree, path, SIZE, seed=9000 + i)
    os.unlink(tree / stored[0])
    place.s3.options(latency_by_op={"PutObject": 0.3})
    second = other.start("datastore", "create", tree, "--json", "--take-over", "--jobs", "4")
    second.until(lambda: sum(map(len, place.stored().values())) >= n + 30, "it has replaced some", 120)
    relay.open.set()
    place.s3.options(latency_by_op={})
    codes = {first.wait(200).code, second.wait(200).code}
    assert 0 in codes and codes <= {0, 75}
    assert place.published("tree") == [1]
    other("datastore", "verify", "tree", "--deep", code=0)
    place.check("tree", tree)


def killed_in_the_middle(grid, place, tree):
    running = in_the_middle(grid, place, tree)
    running.send(signal.SIGKILL)
    running.wait(20)
    place.s3.options(latency_by_op={})
    return set(place.keys("tree/v1/data/"))


def test_resume_with_another_folder(place, grid, other, tree, tmp_path):
    """A mistyped SOURCE: what is stored is not thrown away for it."""
    stored = killed_in_the_middle(grid, place, tree)
    write_random(tmp_path, "wrong/quite-another", 1000)
    result = other("datastore", "resume", "tree", tmp_path / "wrong", "--take-over", code=2)
    assert "nothing of what is stored" in result.err and str(tree) in result.err, result
    assert set(place.keys("tree/v1/data/")) == stored
    moved = tmp_path / "moved"
    tree.rename(moved)
    assert other("datastore", "resume", "tree", moved, "--json", code=0).event("session")["resumed"] is True
    place.check("tree", moved)


def test_the_same_path_with_other_data(place, grid, other, tree):
    """As on another machine: a version of its own, with a word about it."""
    stored = killed_in_the_middle(grid, place, tree)
    tree.rename(tree.parent / "aside")
    write_random(tree, "quite-another", 1000)
    result = other("datastore", "create", tree, "--json", code=0)
    assert result.event("published")["version"] == 2
    assert any(e.get("kind") == "another_source" for e in result.events)
    assert stored <= set(place.keys("tree/v1/data/"))
    place.check("tree", tree, 2)


def test_a_publication_that_stood_still(place, grid, other, tree):
    """It wakes up behind the minute, its record of publication unsent: it ends, and says why."""
    first = stopped_at_its_publication(grid, place, tree)
    other("datastore", "create", tree, "--json", "--take-over", code=0, timeout=150)
    first.send(signal.SIGCONT)
    result = first.wait(40)
    assert result.code == 75 and "no longer ours" in result.event("stopped")["reason"], result
    other("datastore", "verify", "tree", "--deep", code=0)
