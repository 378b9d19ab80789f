"""
The first contact with a store that cannot be used: what is wrong is said at once, in one sentence, and
with the exit code that fits.  And outages: how long they are waited for, and what is shown meanwhile.
"""

import contextlib
import json
import socket
import threading
import time

import pytest

from gridtest import MIB, write, write_random
from s3check import Bucket
from s3servers import fake, rgw_tls  # noqa: F401
from test_s3 import login, needs_s3, on_fake, refused, small  # noqa: F401

pytestmark = needs_s3
LIST = ("datastore", "list")


def endpoint(url):
    return {"AWS_ENDPOINT_URL_S3": url}


def other_scheme(url):
    return url.replace("https:", "http:") if url.startswith("https:") else url.replace("http:", "https:")


@contextlib.contextmanager
def listener(answer):
    """A port where answer(connection) talks."""
    sock = socket.create_server(("127.0.0.1", 0))
    held = []

    def serve():
        with contextlib.suppress(OSError):
            while True:
                held.append(sock.accept()[0])
                answer(held[-1])
    threading.Thread(target=serve, daemon=True).start()
    yield f"127.0.0.1:{sock.getsockname()[1]}"
    sock.shutdown(socket.SHUT_RDWR)
    for connection in [sock, *held]:
        connection.close()


def answers(server):
    try:
        with socket.create_connection(("127.0.0.1", server.port), timeout=0.5) as connection:
            connection.sendall(b"GET /.fake/state HTTP/1.0\r\n\r\n")
            return bool(connection.recv(1))
    except OSError:
        return False


def begin_outage(server, seconds, mode="refuse"):
    """Until it has begun: the control answers before that."""
    server.outage(seconds, mode)
    while answers(server):
        pass


def nginx(connection):
    """What nginx says to plain HTTP on its TLS port: the page, and no TLS to be had from this one."""
    connection.recv(65536)
    page = b"<html><head><title>400 Bad Request</title></head></html>"
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\nConnection: close\r\n"
                       b"Content-Length: %d\r\n\r\n%s" % (len(page), page))
    connection.close()


def ssh(connection):
    connection.sendall(b"SSH-2.0-OpenSSH_9.2p1\r\n")
    connection.recv(65536)
    connection.close()


def hang_up(connection):
    connection.recv(65536)
    connection.close()


# ---- what can never succeed


@pytest.mark.fast
def test_plain_http_to_a_tls_port(fake, grid, small, tmp_path):  # noqa: F811
    server = fake(tls=True)
    place = Bucket(server, "test", "", tmp_path)
    grid.env.update(place.env)
    wrong = endpoint(other_scheme(server.endpoint))
    assert refused(grid, small, place, 1, "speaks TLS", server.endpoint, env=wrong) < 5
    del grid.env["AWS_CA_BUNDLE"]  # that its certificate would not convince is another matter
    assert refused(grid, small, place, 1, "speaks TLS", server.endpoint, env=wrong) < 5
    result = grid(*LIST, code=1, env=wrong)
    assert server.endpoint in result.err and result.seconds < 5


def test_plain_http_to_the_tls_port_of_rgw(rgw_tls, grid, small, tmp_path):  # noqa: F811
    place = Bucket(rgw_tls, rgw_tls.new_bucket(), "", tmp_path)
    grid.env.update(place.env)
    wrong = endpoint(other_scheme(rgw_tls.endpoint))
    assert refused(grid, small, place, 1, "speaks TLS", rgw_tls.endpoint, env=wrong) < 5


def test_tls_to_a_plain_port(on_fake, grid, small):  # noqa: F811
    """This one is silent, as it waits for the end of a line: the handshake has to time out first."""
    place = on_fake()
    wrong = endpoint(other_scheme(place.s3.endpoint))
    assert refused(grid, small, place, 1, "speaks plain HTTP", place.s3.endpoint, env=wrong) < 20


@pytest.mark.fast
def test_tls_to_a_plain_port_that_answers(on_fake, grid, small):  # noqa: F811
    place = on_fake()
    with listener(nginx) as there:
        assert refused(grid, small, place, 1, "does not speak TLS", there, env=endpoint(f"https://{there}")) < 5


@pytest.mark.fast
@pytest.mark.parametrize("answer", [nginx, ssh])
def test_a_server_of_another_sort(on_fake, grid, small, answer):  # noqa: F811
    place = on_fake()
    with listener(answer) as there:
        wrong = endpoint(f"http://{there}")
        assert refused(grid, small, place, 1, "no S3 service", there, env=wrong) < 10
        assert "no S3 service" in grid(*LIST, code=1, env=wrong).err


@pytest.mark.fast
@pytest.mark.parametrize("url", ["http://user:hunter2@host", "http://host:0", "http://host:65536", "http://host:x"])
def test_endpoint_that_is_no_url(on_fake, grid, small, url):  # noqa: F811
    """Usage; a password in it is not repeated."""
    place = on_fake()
    refused(grid, small, place, 2, "endpoint", env=endpoint(url))
    assert "hunter2" not in grid(*LIST, code=2, env=endpoint(url)).text


@pytest.mark.fast
def test_other_commands_tell_the_same(fake, grid, tmp_path):  # noqa: F811
    """No such bucket, wrong CA, refused keys: list, files, verify, url and delete end at once."""
    server = fake(tls=True)
    grid.env.update(Bucket(server, "test", "", tmp_path).env)
    commands = [LIST, ("datastore", "files", "x"), ("datastore", "verify", "x"), ("datastore", "url", "x"),
                ("datastore", "delete", "--name", "x", "--version", "1", "--yes")]
    for words in commands:
        for code, word, env in ((1, "nobody-made-this", {"GRID_STORE": "s3://nobody-made-this"}),
                                (1, "certificate", {"AWS_CA_BUNDLE": ""}),
                                (77, "secret", {"AWS_SECRET_ACCESS_KEY": "w" * 40})):
            result = grid(*words, code=code, env=env)
            assert word in result.err and result.seconds < 5, result


@pytest.mark.fast
def test_login_tells_it_too(fake, grid):  # noqa: F811
    server = fake()
    result = login(grid, server, bucket="nobody-made-this", code=1)
    assert "nobody-made-this" in result.err and server.endpoint in result.err
    with listener(nginx) as there:
        server.endpoint = f"https://{there}"
        assert "does not speak TLS" in login(grid, server, code=1).err
    assert not (grid.home / "config/grid/config.json").exists()


# ---- nobody answers


@pytest.mark.parametrize("words", [LIST, ("datastore", "files", "x")])
def test_commands_do_not_wait_for_ever(on_fake, grid, words):  # noqa: F811
    on_fake()
    result = grid(*words, code=75, env=endpoint("http://127.0.0.1:1"))
    assert 10 < result.seconds < 25
    assert result.err.startswith("waiting for the network: 127.0.0.1:1") and "within 15 s" in result.err


@pytest.mark.fast
@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "https://127.0.0.1:1", "http://no-such-host.invalid"])
def test_give_up_after(on_fake, grid, small, url):  # noqa: F811
    place = on_fake()
    result = grid.create(small, "--give-up-after", "1500ms", code=75, env=endpoint(url))
    assert 1.4 < result.seconds < 5 and url in result.err and "same command again" in result.err
    assert place.published("tree") == []
    grid.create(small, "--give-up-after", "1500ms")
    place.check("tree", small)


@pytest.mark.fast
@pytest.mark.parametrize("value", ["0", "soon", "-1s"])
def test_give_up_after_that_is_none(grid, small, value):
    assert "--give-up-after" in grid.create(small, "--give-up-after", value, code=2).err


@pytest.mark.fast
def test_silent_from_the_beginning(on_fake, grid, small):  # noqa: F811
    """Connections are taken, and nothing is ever said."""
    place = on_fake()
    begin_outage(place.s3, 60, "blackhole")
    result = grid.create(small, "--give-up-after", "3s", code=75)
    assert f"no answer yet from {place.s3.endpoint}" in result.err and result.seconds < 6
    assert f"no answer from {place.s3.endpoint} within 3 s" in result.err


@pytest.mark.fast
def test_hangs_up_without_a_word(on_fake, grid):  # noqa: F811
    on_fake()
    with listener(hang_up) as there:
        result = grid("datastore", "create", grid.home / "config", "--give-up-after", "2s", code=75,
                      env=endpoint(f"http://{there}"))
    assert there in result.err and result.seconds < 10


# ---- outages


def in_the_middle(grid, place, tree, *more):
    """An upload that has stored something and has something left."""
    for i in range(40):
        write_random(tree, f"f{i:02}", 2 * MIB, seed=i)
    place.s3.options(latency_by_op={"PutObject": 0.2})
    running = grid.start("datastore", "create", tree, "--json", "--jobs", "4", *more)
    running.until(lambda: len(place.stored()) >= 8, "8 objects stored")
    return running


def waits(running):
    return [e for e in running.events() if e["event"] == "progress" and e["state"] == "waiting_network"]


@pytest.mark.parametrize("mode", ["refuse", "blackhole"])
def test_an_outage_is_waited_for(on_fake, grid, tree, mode):  # noqa: F811
    """No retry is spent on it, and the status says what is waited for."""
    place = on_fake()
    running = in_the_middle(grid, place, tree)
    place.s3.outage(4, mode)
    if mode == "refuse":
        shown = running.until(lambda: waits(running), "it says that it waits")[-1]["waiting_for"]
        assert place.s3.endpoint.split("//")[1] in shown and "next try in" in shown

        def status():
            rows = grid("datastore", "status", "tree", "--json", code=0).events
            return rows[0]["state"] == "waiting_network" and rows[0]
        told = running.until(status, "the status says so")
        assert place.s3.endpoint.split("//")[1] in told["reason"]
        assert "waiting: " in grid("datastore", "status", "tree", code=0).out
    result = running.wait(60)
    assert result.code == 0, result
    states = [e["state"] for e in result.events if e["event"] == "progress"]
    if mode == "refuse":
        assert "uploading" in states[states.index("waiting_network"):], "and it went on"
    place.s3.options(latency_by_op={})
    place.check("tree", tree)


def test_an_outage_that_lasts_too_long(on_fake, grid, tree):  # noqa: F811
    """Exit 75; the same command goes on, and sends nothing again that was stored."""
    place = on_fake()
    running = in_the_middle(grid, place, tree, "--give-up-after", "2s")
    place.s3.outage(7)
    began = time.time()
    result = running.wait(30)
    assert result.code == 75 and time.time() - began < 6, result
    stopped = result.event("stopped")
    assert stopped["resumable"] is True and "within 2 s" in stopped["reason"]
    assert place.s3.endpoint in result.err and "grid datastore resume tree" in result.err
    status = json.loads(grid("datastore", "status", "tree", "--json", code=0).out)
    assert status["state"] == "interrupted" and "within 2 s" in status["reason"]

    # Still away, and nothing is known but that there is something to go on with.
    again = grid.create(tree, "--give-up-after", "1s", code=75)
    assert "grid datastore resume tree" in again.err

    before = set(k for k, stored in place.stored(end=began).items() if stored)
    grid("datastore", "resume", "tree", "--give-up-after", "20s", code=0)
    assert before and not before & set(place.stored(start=began + 2)), "what was stored has been sent again"
    place.check("tree", tree)


@pytest.mark.fast
def test_the_network_comes_late(on_fake, grid, tree):  # noqa: F811
    """A laptop that wakes up: the first contact is made as soon as somebody is there."""
    place = on_fake()
    write(tree, "a", "x")
    begin_outage(place.s3, 2)
    running = grid.start("datastore", "create", tree, "--json")
    running.until(lambda: waits(running), "it says that it waits")
    assert running.wait(30).code == 0
    place.check("tree", tree)


def test_refusals_that_last_too_long(on_fake, grid, tree):  # noqa: F811
    """As an outage: the server is there, and answers nothing but 503."""
    place = on_fake()
    running = in_the_middle(grid, place, tree, "--give-up-after", "3s")
    place.s3.faults({"op": "PutObject", "key": "*/data/*", "fault": "error", "code": "SlowDown", "status": 503})
    result = running.wait(60)
    assert result.code == 75, result
    stopped = result.event("stopped")
    assert stopped["resumable"] is True and stopped["reason"].endswith(", for 3 s"), stopped
    assert "SlowDown" in stopped["reason"]
    before = len(place.stored())
    place.s3.faults()
    place.s3.options(latency_by_op={})
    grid("datastore", "resume", "tree", code=0)
    assert before >= 8
    place.check("tree", tree)


def test_refusals_are_told(on_fake, grid, tree):  # noqa: F811
    """After half a minute in which nothing was taken; it goes on by itself."""
    place = on_fake()
    running = in_the_middle(grid, place, tree)
    place.s3.faults({"op": "PutObject", "key": "*/data/*", "fault": "error", "code": "InternalError", "status": 500})
    told = running.until(lambda: waits(running), "it says what it waits for", timeout=90)[-1]
    assert "InternalError" in told["waiting_for"] and ", for " in told["waiting_for"], told
    place.s3.faults()
    place.s3.options(latency_by_op={})
    result = running.wait(60)
    assert result.code == 0, result
    assert [e for e in result.events if e["event"] == "progress"][-1]["state"] != "waiting_network"
    place.check("tree", tree)
