"""
A bad network does not stop an upload: each story is one `grid datastore create` onto a RADOS
Gateway at the other end of a link of its own, through one kind of trouble.  After each: exit code 0,
every object byte for byte, no upload left open, nothing sent again that was acknowledged a second
before the trouble began, and little sent twice.
"""

import signal
import time

import pytest
from figures import note
from gridtest import MIB, write, write_random

PATIENCE_S = 120  # for the upload to end once the network is there again
RATE_MBIT = 60  # of the link, so that the upload is under way for a while
SOCKET_BYTES = 256 << 10  # of a body that is refused as soon as it comes, what is under way by then
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
    """
    begin() and end() are given the place.  settle_s: after so long nothing more that is sent finds
    room in a buffer.  number: of the place (Place.open); longer outages have numbers above it.
    """

    def __init__(self, number, seconds, begin, end, settle_s=1, **place):
        self.number, self.seconds, self.begin, self.end = number, seconds, begin, end
        self.settle_s, self.place = settle_s, place


def restore(p):
    p.link.restore()


def lose_the_name(p):
    """And all connections, for as long as the client may remember the address."""
    p.names.mode = "silent"
    p.link.reset()
    p.link.cut()
    time.sleep(62)
    p.link.restore()


def find_the_name(p):
    p.names.mode = "answer"


OUTAGES = {
    "down": Outage(1, 8, lambda p: p.link.down(), restore),
    "cut": Outage(2, 12, lambda p: p.link.cut(), restore),
    "refused": Outage(3, 8, lambda p: p.link.refuse(), restore),
    "unreachable": Outage(4, 8, lambda p: p.link.unreachable(), restore),
    "reset": Outage(5, 0, lambda p: p.link.reset(), restore, settle_s=0),
    "name_lost": Outage(6, 8, lose_the_name, find_the_name, by_name=True),
    "server_killed": Outage(7, 5, lambda p: p.gateway.kill(), lambda p: p.gateway.start()),
    "server_stopped": Outage(8, 10, lambda p: p.gateway.send(signal.SIGSTOP),
                             lambda p: p.gateway.send(signal.SIGCONT), settle_s=10),
    "portal_page": Outage(9, 8, lambda p: p.open_portal("page"), lambda p: p.close_portal(), settle_s=0),
    "portal_redirect": Outage(10, 8, lambda p: p.open_portal("redirect"), lambda p: p.close_portal(), settle_s=0),
    "bad_gateway": Outage(11, 8, lambda p: p.open_portal("bad_gateway"), lambda p: p.close_portal(), settle_s=0),
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


# ---- a link that is bad all the time ----

LINKS = {
    "loss": {"number": 21, "relay": {"loss": 2, "delay_ms": 5}},
    "latency": {"number": 22, "relay": {"delay_ms": 50}},
    "slow": {"number": 23, "rate": 1},
}


def upload(name, place, tree, size):
    place.open(**LINKS[name])
    place.create(tree)
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


def test_a_slow_line(place, tree):
    """1 Mbit/s."""
    for i in range(30):
        write_random(tree, f"{i:02}.bin", 40000, seed=i)
    published, _ = upload("slow", place, tree, 30 * 40000)
    assert published["seconds"] > 30 * 40000 * 8 / 1e6 * 0.9, "the link was faster"


def test_a_server_that_is_overloaded(place, tree):
    """More than two requests at once, and it answers 503 SlowDown."""
    size = make_tree(tree, 24, 1)
    place.open(24, gateway_conf="rgw_max_concurrent_requests = 2\n")
    place.create(tree)
    published = finish(place, tree, size, place.gateway.start_anew)
    refused = [e for e in place.gateway.log(place.bucket_name) if e["status"] == 503]
    figures("throttled", size, published, refused=len(refused))
    assert refused, "the server was not overloaded"
    assert published["bytes_sent"] <= size + len(refused) * SOCKET_BYTES + size // 100


# ---- an outage ----

def tell(name, place, tree, seconds, number):
    outage, size = OUTAGES[name], make_tree(tree, 40, 1)
    place.open(number, rate=RATE_MBIT, **outage.place)
    place.create(tree)
    place.until_some_is_settled(10)
    cut = time.time()
    outage.begin(place)
    time.sleep(seconds)  # the outage itself
    back = time.time()
    outage.end(place)
    published = finish(place, tree, size)

    lost = place.sent(cut + outage.settle_s) - place.acknowledged_bytes(cut)
    recovered = place.first_after(back)
    in_vain = place.portal.taken + place.portal.requests * SOCKET_BYTES if place.portal else 0
    figures(name, size, published, outage_s=round(back - cut, 1), in_flight=lost,
            answered_by_another=place.portal.requests if place.portal else 0,
            recovery_s=recovered and round(recovered - back, 2), states=sorted(place.states(cut + 1, back)))
    assert place.acknowledged_bytes(back) == place.acknowledged_bytes(min(cut + 2, back)), "there was no outage"
    assert seconds > 0 or published["retries"] > 0, "no connection broke"
    assert recovered, "the upload was over before the trouble was"
    assert place.sent_again(cut) == []
    assert published["bytes_sent"] <= size + lost + in_vain + size // 100


@pytest.mark.parametrize("name", OUTAGES)
def test_an_outage(name, place, tree):
    tell(name, place, tree, OUTAGES[name].seconds, OUTAGES[name].number)


@pytest.mark.full
@pytest.mark.parametrize("seconds", LONG_S)
@pytest.mark.parametrize("name", [name for name in OUTAGES if OUTAGES[name].seconds > 0])
def test_a_long_outage(name, seconds, place, tree):
    tell(name, place, tree, seconds, OUTAGES[name].number + 60 + 20 * LONG_S.index(seconds))


@pytest.mark.parametrize("name", ("refused", "server_killed", "portal_page", "cut"))
def test_it_says_what_it_waits_for(name, place, tree):
    outage, size = OUTAGES[name], make_tree(tree, 24, 0)
    place.open(outage.number + 40, rate=RATE_MBIT, **outage.place)
    running = place.create(tree)
    place.until_some_is_settled(5)
    cut = time.time()
    outage.begin(place)
    running.until(lambda: "waiting_network" in place.states(cut, time.time()), "the state waiting_network", 20)
    outage.end(place)
    finish(place, tree, size)
    said = [e.get("state", e["event"]) for e in running.events() if e["event"] in ("progress", "published")]
    assert said[-1] == "published", said


@pytest.mark.parametrize("name", ("portal_page", "portal_redirect"))
def test_one_request_looks_for_all(name, place, tree):
    """Whether the portal is still there: not every request asks for itself, and sends its body to it."""
    outage, size = OUTAGES[name], make_tree(tree, 24, 0)
    place.open(outage.number + 30, rate=RATE_MBIT)
    place.create(tree)
    place.until_some_is_settled(5)
    outage.begin(place)
    time.sleep(3)  # those that were under way have met it by now
    before = place.portal.requests
    time.sleep(6)
    asked = place.portal.requests - before
    outage.end(place)
    finish(place, tree, size)
    assert asked <= 6
