"""
A bad network does not stop an upload: each story is one `grid datastore create` onto a RADOS
Gateway at the other end of a link of its own, through one kind of trouble.  After each: exit code 0,
every object byte for byte, no upload left open, nothing sent again that was acknowledged before the
trouble began, and little sent twice.

Nothing here relies on how fast the machine is: what is waited for has an event of its own, and what
is counted are requests and bytes.
"""

import signal
import time

import pytest
from far import SETTLED_S
from figures import note
from gridtest import MIB, write, write_random

PATIENCE_S = 180  # for the upload to end once the network is there again
NOTICED_S = 90  # TCP gives up a silent peer after a minute
RATE_MBIT = 60  # of the link, so that the upload is under way for a while
PART = 16 * MIB
LONG_S = (40, 60, 90, 600)


def make_tree(tree, small, large):
    """small files of 1 MiB, which come first, and large ones of two parts and a bit."""
    for i in range(small):
        write_random(tree, f"a/{i:03}.bin", MIB, seed=i)
    for i in range(large):
        write_random(tree, f"z/{i}.bin", 33 * MIB + 4321, seed=1000 + i)
    write(tree, "README.txt", "a data set\n")
    write(tree, "empty.bin")
    return sum(f.stat().st_size for f in tree.rglob("*") if f.is_file())


class Outage:
    """begin() and end() are given the place.  number: of the place (Place.open); longer outages have
    numbers above it."""

    def __init__(self, number, seconds, begin, end, **place):
        self.number, self.seconds, self.begin, self.end, self.place = number, seconds, begin, end, place


def restore(p):
    p.link.restore()


def lose_the_name(p):
    """And all connections, for as long as the client may remember the address."""
    p.names.mode = "silent"
    p.link.cut()
    p.link.reset()  # the server knows none of them any more
    time.sleep(62)
    p.link.restore()


def find_the_name(p):
    p.names.mode = "answer"


OUTAGES = {
    "name_lost": Outage(6, 8, lose_the_name, find_the_name, by_name=True),
    "down": Outage(1, 8, lambda p: p.link.down(), restore),
    "cut": Outage(2, 12, lambda p: p.link.cut(), restore),
    "refused": Outage(3, 8, lambda p: p.link.refuse(), restore),
    "unreachable": Outage(4, 8, lambda p: p.link.unreachable(), restore),
    "reset": Outage(5, 0, lambda p: p.link.reset(), restore),
    "server_killed": Outage(7, 5, lambda p: p.gateway.kill(), lambda p: p.gateway.start()),
    "server_stopped": Outage(8, 10, lambda p: p.gateway.send(signal.SIGSTOP),
                             lambda p: p.gateway.send(signal.SIGCONT)),
    "portal_page": Outage(9, 8, lambda p: p.open_portal("page"), lambda p: p.close_portal()),
    "portal_redirect": Outage(10, 8, lambda p: p.open_portal("redirect"), lambda p: p.close_portal()),
    "bad_gateway": Outage(11, 8, lambda p: p.open_portal("bad_gateway"), lambda p: p.close_portal()),
}


def finish(place, tree, size, before_look=lambda: None):
    """Until the program ends; then what it says, and what lies in the store.  -> its last event."""
    result = place.running.wait(PATIENCE_S)
    assert result.code == 0, result
    before_look()
    place.bucket.check("set", tree)
    published = result.event("published")
    assert published["bytes"] == size
    return published


def figures(name, size, published, **more):
    sent = published["bytes_sent"]
    note("net", story=name, bytes=size, bytes_sent=sent, sent_twice=sent - size, requests=published["requests"],
         retries=published["retries"], seconds=published["seconds"], **more)


# ---- an outage ----

def tell(name, place, tree, seconds, number):
    outage, size = OUTAGES[name], make_tree(tree, 40, 1)
    place.open(number, rate=RATE_MBIT, **outage.place)
    place.create(tree)
    place.until_some_are_acknowledged(10, SETTLED_S)
    cut = time.time()
    outage.begin(place)
    struck = time.time()
    time.sleep(seconds)  # the outage itself
    back = time.time()
    outage.end(place)
    published = finish(place, tree, size)

    # With a portal each body that it was offered may be lost; else what has left until the end.
    lost = place.sent(struck if place.portal else back) - place.acknowledged_bytes(cut)
    in_vain = place.portal.offered if place.portal else 0
    recovered = place.first_after(back)
    figures(name, size, published, outage_s=round(back - cut, 1), in_flight=lost,
            answered_by_another=place.portal.requests if place.portal else 0,
            recovery_s=recovered and round(recovered - back, 2), states=sorted(place.states(struck, back)))
    # What had reached the server before may still have waited there.
    assert place.begun_and_acknowledged(struck + (back - struck) / 2, back) == [], "there was no outage"
    assert seconds > 0 or published["bytes_sent"] > size, "no connection broke"  # libcurl itself may have gone on
    assert recovered, "the upload was over before the trouble was"
    assert place.sent_again(cut) == []
    assert published["bytes_sent"] <= size + lost + in_vain + size // 100


# The longest goes first, and with it those that are skipped: pytest-xdist keeps what is next for the same worker.


def test_the_name_is_lost(place, tree):
    tell("name_lost", place, tree, OUTAGES["name_lost"].seconds, OUTAGES["name_lost"].number)


@pytest.mark.full
@pytest.mark.parametrize("seconds", LONG_S)
@pytest.mark.parametrize("name", [name for name in OUTAGES if OUTAGES[name].seconds > 0])
def test_a_long_outage(name, seconds, place, tree):
    tell(name, place, tree, seconds, OUTAGES[name].number + 60 + 20 * LONG_S.index(seconds))


@pytest.mark.parametrize("name", [name for name in OUTAGES if name != "name_lost"])
def test_an_outage(name, place, tree):
    tell(name, place, tree, OUTAGES[name].seconds, OUTAGES[name].number)


def only_full(*names):
    return [pytest.param(name, marks=pytest.mark.full) for name in names]


@pytest.mark.parametrize("name", ("cut", "refused", *only_full("server_killed", "portal_page")))
def test_it_says_what_it_waits_for(name, place, tree):
    outage, size = OUTAGES[name], make_tree(tree, 40, 0)
    place.open(outage.number + 40, rate=RATE_MBIT, **outage.place)
    running = place.create(tree)
    place.until_some_are_acknowledged(5)
    outage.begin(place)
    struck = time.time()
    running.until(lambda: "waiting_network" in place.states(struck, time.time()), "the state waiting_network",
                  NOTICED_S)
    outage.end(place)
    finish(place, tree, size)
    said = [e.get("state", e["event"]) for e in running.events() if e["event"] in ("progress", "published")]
    assert said[-1] == "published", said


@pytest.mark.parametrize("name", ("portal_page", *only_full("portal_redirect")))
def test_one_request_looks_for_all(name, place, tree):
    """
    Whether the portal is still there: not every request asks for itself, and sends its body to it.  Of
    those under way at the beginning each meets it, some twice; then one asks after 1, 3 and 7 s.
    """
    at_once, outage, size = 8, OUTAGES[name], make_tree(tree, 40, 0)
    place.open(outage.number + 30, rate=RATE_MBIT)
    place.create(tree, "--jobs", at_once)
    place.until_some_are_acknowledged(5)
    outage.begin(place)
    time.sleep(12)
    outage.end(place)
    finish(place, tree, size)
    assert 0 < place.portal.requests <= 2 * at_once + 4


# ---- a link that is bad all the time ----

LINKS = {
    "loss": {"number": 21, "relay": {"loss": 2, "delay_ms": 5}},
    "latency": {"number": 22, "relay": {"delay_ms": 50}},
    "slow": {"rate": 1},
}


def upload(name, place, tree, size, *words, **more):
    place.open(**LINKS[name], **more)
    place.create(tree, *words)
    published = finish(place, tree, size)
    again, segments = place.link.sent_again()
    figures(name, size, published, segments=segments, segments_again=again)
    assert published["bytes_sent"] <= size + size // 100
    return published, again / segments


def test_packets_are_lost(place, tree):
    """2 % of them, either way."""
    _, again = upload("loss", place, tree, make_tree(tree, 24, 1))
    assert again > 0.01, "the link lost nothing"


def test_the_server_is_far_away(place, tree):
    """100 ms there and back."""
    upload("latency", place, tree, make_tree(tree, 24, 1))
    assert place.link.connect_s(place.gateway.port) > 0.1


@pytest.mark.parametrize("number, files, words", (
    (23, [40000] * 30, []),
    pytest.param(25, [MIB] * 4 + [11 * MIB], ["--part-size", "5M"], marks=pytest.mark.full)))
def test_a_slow_line(number, files, words, place, tree):
    """1 Mbit/s, and a server that gives up who is silent for 20 s: nobody is, and nothing is sent twice."""
    for i, size in enumerate(files):
        write_random(tree, f"{i:02}.bin", size, seed=i)
    published, _ = upload("slow", place, tree, sum(files), *words, number=number)
    assert published["seconds"] > sum(files) * 8 / 1e6 * 0.9, "the link was faster"


def test_a_server_that_is_overloaded(place, tree):
    """More than two requests at once, and it answers 503 SlowDown."""
    size = make_tree(tree, 24, 1)
    place.open(24, gateway_conf="rgw_max_concurrent_requests = 2\n")
    place.create(tree)
    published = finish(place, tree, size, place.gateway.start_anew)
    refused = [e for e in place.gateway.log(place.bucket_name) if e["status"] == 503]
    figures("throttled", size, published, refused=len(refused))
    assert refused, "the server was not overloaded"
    in_vain = sum(PART if e["partNumber"] else MIB for e in refused if e["method"] == "PUT")
    assert published["bytes_sent"] <= size + in_vain + size // 100
