"""Scripted and seeded faults, limits and outages: what a client sees, and what was carried out."""

import http.client
import json
import socket
import threading
import time
import urllib.error

import pytest
from fault import CHAOS, KNOWN
from rawclient import Client, read_answer

MIB = 1 << 20
BODY = b"x" * MIB
BROKEN = (ConnectionError, TimeoutError, ValueError, IndexError)


@pytest.fixture
def s(fake):
    return fake()


def put(s, key="k", body=BODY):
    """The status of a PUT, or "broken"."""
    try:
        return Client(s).put(f"/test/{key}", body, "UNSIGNED-PAYLOAD").status
    except BROKEN:
        return "broken"


def is_there(s, key="k"):
    return key in s.state()["buckets"]["test"]["objects"]


@pytest.mark.parametrize("fault, more, seen, done", [
    ("reset_before", {}, "broken", False),
    ("reset_during", {}, "broken", False),
    ("reset_during", {"bytes": 100}, "broken", False),
    ("reset_after", {}, "broken", False),
    ("lost_answer", {}, "broken", True),
    ("error", {"code": "InternalError"}, 500, False),
    ("error", {"code": "SlowDown", "status": 429}, 429, False),
    ("error_early", {"code": "SlowDown"}, 503, False),
    ("error_after", {"code": "InternalError"}, 500, True),
    ("html", {}, 200, False),
    ("html", {"status": 502, "done": True}, 502, True),
    ("redirect", {}, 302, False),
    ("garbage", {}, "broken", False),
    ("garbage", {"done": True}, "broken", True),
    ("error", {"code": "RequestTimeout", "status": 400}, 400, False),
    ("error", {"code": "OperationAborted", "status": 409}, 409, False),
    ("slow", {"bytes_per_s": 5 * MIB, "seconds": 0.1}, 200, True),
    ("truncated", {}, "broken", True),
    ("truncated", {"fraction": 0.99}, "broken", True),
    ("silent", {"seconds": 0.2}, "broken", False),
    ("stall_before", {"seconds": 0.2}, 200, True),
    ("stall_during", {"seconds": 0.2}, 200, True),
    ("delay", {"seconds": 0.2}, 200, True),
    ("wrong_etag", {}, 200, True),
    ("duplicate", {}, 200, True),
])
def test_fault(s, fault, more, seen, done):
    s.faults({"op": "PutObject", "fault": fault, "nth": 2, **more})
    assert put(s, "first") == 200
    start = time.monotonic()
    assert put(s) == seen
    assert time.monotonic() - start >= more.get("seconds", 0)
    assert is_there(s) == done
    assert put(s, "third") == 200
    assert s.fault_counts()[0]["hits"] == 1
    entry = next(e for e in s.recent_log("test") if e["key"] == "k")
    assert entry["fault"] and entry["done"] == done and entry["status"] == (seen if seen != "broken" else
                                                                            entry["status"])


def test_every_fault_is_known_to_chaos_or_tested_here():
    assert {kind for _, kind, _ in CHAOS} <= KNOWN


def test_a_reset_within_the_body_takes_so_much_of_it(s):
    s.faults({"fault": "reset_during", "bytes": 300_000})
    assert put(s) == "broken"
    entry = s.recent_log("test")[-1]
    assert entry["wire_bytes"] == 300_000 and entry["status"] == 0


def test_a_duplicate_answer_is_there_twice(s):
    s.faults({"op": "PutObject", "fault": "duplicate"})
    client = Client(s)
    with socket.create_connection(client.at, timeout=10) as c:
        client.head("PUT", "/test/k", {"Content-Length": "1", "Connection": "close"}, "UNSIGNED-PAYLOAD")
        lines = [f"{name}: {value}" for name, value in client.request.headers.items()]
        c.sendall("\r\n".join(["PUT /test/k HTTP/1.1", *lines, "", ""]).encode() + b"x")
        c.shutdown(socket.SHUT_WR)
        got = b"".join(iter(lambda: c.recv(65536), b""))
    assert got.count(b"HTTP/1.1 200 OK") == 2 and got[:len(got) // 2] == got[len(got) // 2:]


def test_html_is_no_s3_answer(s):
    s.faults({"op": "PutObject", "fault": "html"}, {"op": "GetObject", "fault": "redirect"})
    page = Client(s).put("/test/k", b"x")
    assert page.headers["content-type"].startswith("text/html") and b"<html>" in page.body
    assert "etag" not in page.headers
    assert Client(s).put("/test/k", b"", method="GET").headers["location"] == "http://login.invalid/"


def test_retry_after(s):
    s.faults({"fault": "error", "code": "SlowDown", "retry_after": 7, "times": 1})
    answer = Client(s).put("/test/k", BODY)
    assert (answer.status, answer.code, answer.headers["retry-after"]) == (503, "SlowDown", "7")


def test_late(s):
    """The client gave up; the server carries it out after all."""
    s.faults({"fault": "late", "seconds": 0.4, "nth": 1})
    assert put(s, body=b"late") == "broken"
    assert not is_there(s)
    assert put(s, body=b"newer") == 200
    deadline = time.monotonic() + 5
    while s.read("test", "k") != b"late":
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_answers_that_lie(s):
    s.boto.put_object(Bucket="test", Key="k", Body=b"0123456789")
    s.faults({"op": "PutObject", "fault": "wrong_etag"}, {"op": "GetObject", "fault": "flip", "at": 3},
             {"op": "HeadObject", "fault": "wrong_size"})
    assert "bad" in Client(s).put("/test/l", b"x").headers["etag"]
    assert Client(s).put("/test/k", b"", method="GET").body == b"0122456789"
    assert Client(s).put("/test/k", b"", method="HEAD").headers["content-length"] == "11"
    s.faults({"fault": "wrong_checksum"})
    answer = Client(s).put("/test/l", b"123456789", headers={"x-amz-checksum-crc32c": "4waSgw=="})
    assert answer.headers["x-amz-checksum-crc32c"] == "AAAAAA=="


def upload(s, key="m"):
    """(target of Complete, its document)"""
    it = {"Bucket": "test", "Key": key}
    it["UploadId"] = s.boto.create_multipart_upload(**it)["UploadId"]
    etag = s.boto.upload_part(**it, PartNumber=1, Body=b"part")["ETag"]
    document = (f"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part>"
                "</CompleteMultipartUpload>")
    return f"/test/{key}?uploadId={it['UploadId']}", document.encode()


def complete(s, target, document):
    """With http.client, which knows Transfer-Encoding: chunked."""
    client = Client(s)
    import hashlib
    client.head("POST", target, {"Content-Length": str(len(document))}, hashlib.sha256(document).hexdigest())
    connection = http.client.HTTPConnection("127.0.0.1", s.port, timeout=10)
    connection.request("POST", target, document, {k: v for k, v in client.request.headers.items()})
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_complete_with_white_space(s):
    s.faults({"op": "CompleteMultipartUpload", "fault": "whitespace", "seconds": 0.5})
    start = time.monotonic()
    status, body = complete(s, *upload(s))
    assert status == 200 and time.monotonic() - start >= 0.5
    assert body.startswith(b"<?xml") and b"?>\n   " in body and b"<CompleteMultipartUploadResult" in body
    assert is_there(s, "m")


def test_copy_with_an_error_in_200(s):
    s.boto.put_object(Bucket="test", Key="from", Body=b"x")
    s.faults({"op": "CopyObject", "times": 1, "fault": "error_in_200", "code": "SlowDown"})
    copy = {"x-amz-copy-source": "/test/from"}
    answer = Client(s).put("/test/to", b"", headers=copy)
    assert answer.status == 200 and b"<Code>SlowDown</Code>" in answer.body
    assert not is_there(s, "to")
    answer = Client(s).put("/test/to", b"", headers=copy)
    assert answer.status == 200 and b"<CopyObjectResult" in answer.body and s.read("test", "to") == b"x"


@pytest.mark.parametrize("rule", [{"fault": "whitespace", "seconds": 0.3, "code": "InternalError"},
                                  {"fault": "error_in_200", "code": "InternalError"}])
def test_complete_with_an_error_in_200(s, rule):
    s.faults({"op": "CompleteMultipartUpload", "nth": 1, **rule})
    target, document = upload(s)
    status, body = complete(s, target, document)
    assert status == 200 and b"<Code>InternalError</Code>" in body
    assert not is_there(s, "m")
    assert complete(s, target, document)[0] == 200 and is_there(s, "m")


def test_which_requests_a_rule_meets(s):
    def run(rule, n=6, key="k"):
        s.faults({"fault": "error", **rule})
        return [i + 1 for i in range(n) if put(s, key, b"") != 200]
    assert run({"nth": [2, 5]}) == [2, 5]
    assert run({"from": 4}) == [4, 5, 6]
    assert run({"every": 3}) == [3, 6]
    assert run({"times": 2}) == [1, 2]
    assert run({"from": 3, "times": 1}) == [3]
    assert run({"op": "UploadPart"}) == [] == run({"key": "other*"}) == run({"part": 3})
    assert run({"key": "a/*"}, key="a/b/c") == [1, 2, 3, 4, 5, 6]
    with pytest.raises(urllib.error.HTTPError):
        s.faults({"fault": "no such"})
    with pytest.raises(urllib.error.HTTPError):
        s.faults({"fault": "error", "nht": 1})


def test_the_same_seed_draws_the_same(s):
    def run(seed):
        s.faults({"fault": "error", "chance": 0.5, "seed": seed})
        return [put(s, "k", b"") for _ in range(30)]
    first = run(7)
    assert run(7) == first and 200 in first and 500 in first
    assert any(run(seed) != first for seed in (8, 9))


def test_rules_of_a_bucket(s):
    """They meet that bucket's requests alone, count by themselves, and go with it."""
    s.bucket("other")
    s.faults({"fault": "error", "nth": 2}, bucket="other")

    def put_to(bucket):
        return Client(s).put(f"/{bucket}/k", b"x").status
    assert [put_to("test") for _ in range(3)] == [200] * 3
    assert [put_to("other") for _ in range(3)] == [200, 500, 200]
    assert s.fault_counts("other")[0]["hits"] == 1 and s.fault_counts() == []
    assert [e["fault"] for e in s.recent_log("other")] == [None, "error", None]
    assert list(s.state_of("other")["objects"]) == ["k"]
    s.forget_bucket("other")
    assert put_to("other") == 404 and put_to("test") == 200
    assert len(s.recent_log("other")) == 1
    s.bucket("other")
    assert [put_to("other") for _ in range(3)] == [200] * 3


@pytest.mark.parametrize("op, method", [("PutObject", "PUT"), ("GetObject", "GET"), ("HeadObject", "HEAD"),
                                        ("DeleteObject", "DELETE")])
def test_seeded_chaos_meets_every_operation(s, op, method):
    """Each request once more with another fault; and the same again for the same seed."""
    def drawn(bucket):
        s.bucket(bucket)
        s.faults({"op": op, "fault": "chaos", "seed": 5}, bucket=bucket)
        for _ in range(40):
            try:
                Client(s).put(f"/{bucket}/k", b"x" if method == "PUT" else b"", method=method)
            except BROKEN:
                pass
        return [e["fault"] for e in s.recent_log(bucket)]
    first = drawn("first")
    assert None not in first and len(set(first)) >= 8, first
    assert drawn("second") == first


def test_when_an_object_was_there(s):
    """The log says when a request took effect, however late its answer is."""
    s.faults({"op": "PutObject", "fault": "delay", "seconds": 0.3, "nth": 1})
    assert put(s) == 200
    s.faults({"op": "PutObject", "fault": "error"})
    assert put(s) == 500
    first, second = s.recent_log("test")
    assert first["start"] <= first["committed"] < first["time"] - 0.25
    assert second["committed"] is None


def test_export(s, tmp_path):
    s.boto.put_object(Bucket="test", Key="a/b/c", Body=b"0123456789")
    s.boto.put_object(Bucket="test", Key="empty", Body=b"")
    s.export("test", tmp_path / "out")
    found = {str(p.relative_to(tmp_path / "out")): p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()}
    assert found == {"a/b/c": b"0123456789", "empty": b""}


def test_chaos_ends_with_everything_stored(s):
    """A naive client that tries again until it is told 200 with an ETag."""
    s.faults({"fault": "chaos", "chance": 0.5, "seed": 3})
    kinds = set()
    for i in range(40):
        for _ in range(50):
            try:
                answer = Client(s).put(f"/test/{i}", b"%d" % i, "UNSIGNED-PAYLOAD")
            except BROKEN:
                continue
            if answer.status == 200 and "etag" in answer.headers:
                break
        else:
            pytest.fail("50 faults one after another")
    s.faults()
    assert all(s.read("test", str(i)) == b"%d" % i for i in range(40))
    kinds = {e["fault"] for e in s.recent_log("test")} - {None}
    assert len(kinds) >= 10, kinds


def test_rules_from_a_file(fake, tmp_path):
    (tmp_path / "rules").write_text(json.dumps([{"fault": "error", "nth": 1}]))
    s = fake(arguments=["--faults", str(tmp_path / "rules")])
    assert [put(s), put(s)] == [500, 200]


# ---- limits


def at_once(s, n, size=1000):
    found = []
    threads = [threading.Thread(target=lambda i=i: found.append(put(s, f"k{i}", b"x" * size))) for i in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return found


def test_slow_down_above(s):
    s.options(slow_down_above=3, latency_s=0.3)
    found = at_once(s, 10)
    assert 3 <= found.count(200) < 10 and set(found) == {200, 503}
    s.options(slow_down_above=0)
    assert at_once(s, 5) == [200] * 5
    assert s.state()["most_in_flight"] >= 4


def test_requests_without_a_bucket_meet_rules_too(s):
    s.faults({"op": "ListBuckets", "fault": "error", "nth": 1})
    assert [Client(s).put("/", b"", method="GET").status for _ in range(2)] == [500, 200]


def test_slow_down_above_for_one_bucket(s):
    """As a rule: more than three requests for it under way."""
    s.bucket("other")
    s.options(latency_s=0.3)
    s.faults({"fault": "error", "code": "SlowDown", "status": 503, "above": 3}, bucket="test")
    found = at_once(s, 10)
    assert 3 <= found.count(200) < 10 and set(found) == {200, 503}
    s.faults({"fault": "error", "code": "SlowDown", "status": 503, "above": 3}, bucket="other")
    s.faults(bucket="test")
    assert at_once(s, 6) == [200] * 6


def test_requests_a_second(s):
    s.options(requests_per_s=40)
    start, found = time.monotonic(), []
    while time.monotonic() < start + 1.0:
        found.append(put(s, "k", b""))
    assert set(found) == {200, 503}
    assert 30 <= found.count(200) <= 60


def test_bytes_a_second(s):
    s.options(bytes_per_s=4 * MIB)
    start = time.monotonic()
    assert put(s, body=b"x" * 2 * MIB) == 200
    assert 0.3 <= time.monotonic() - start < 3


def test_latency(s):
    s.options(latency_by_op={"PutObject": 0.3})
    start = time.monotonic()
    assert put(s) == 200 and time.monotonic() - start >= 0.3


def test_a_silent_client_gets_request_timeout(s):
    s.options(body_timeout_s=0.3)
    client = Client(s)
    head = client.head("PUT", "/test/k", {"Content-Length": "100"}, "UNSIGNED-PAYLOAD")
    with socket.create_connection(client.at, timeout=10) as c:
        c.sendall(head + b"part of it")
        answer = read_answer(c)
        assert (answer.status, answer.code) == (400, "RequestTimeout")
        assert c.recv(1) == b""
    assert not is_there(s)


# ---- outages


def test_refused_for_a_while(s):
    client = Client(s)
    with socket.create_connection(client.at, timeout=10) as old:
        s.outage(0.6)
        with pytest.raises(ConnectionError):
            if not old.recv(1):
                raise ConnectionError
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(client.at, timeout=10)
    deadline = time.monotonic() + 5
    while put(s) != 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_black_hole(s):
    s.outage(0.8, "blackhole")
    time.sleep(0.1)
    with socket.create_connection(("127.0.0.1", s.port), timeout=0.3) as c:
        c.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        with pytest.raises(TimeoutError):
            c.recv(1)
    time.sleep(0.7)
    assert put(s) == 200


def test_all_connections_reset(s):
    with socket.create_connection(("127.0.0.1", s.port), timeout=10) as c:
        c.sendall(b"PUT /test/k HTTP/1.1\r\n")
        time.sleep(0.1)
        s.reset_connections()
        with pytest.raises(ConnectionResetError):
            c.recv(1)


def test_a_clock_that_is_wrong(s):
    s.options(clock_offset_s=3600)
    answer = Client(s).put("/test/k", b"x")
    assert answer.code == "RequestTimeTooSkewed"
    s.options(clock_offset_s=0)
    assert put(s) == 200
