"""Signatures, chunk framing, trailers and checksums: what is right passes, one changed byte does not."""

import base64
import calendar
import functools
import hashlib
import json
import re
import socket
import time

import checksum
import pytest
from botocore.exceptions import ClientError
from rawclient import Client, b64, crc32_text, crc32c_bitwise, frame, read_answer

# The examples of "Authenticating Requests (AWS Signature Version 4)" in Amazon's documents.
DOC_KEY, DOC_SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
DOC_DATE, DOC_TIME = "20130524T000000Z", calendar.timegm((2013, 5, 24, 0, 0, 0))
SCOPE = f"Credential={DOC_KEY}/20130524/us-east-1/s3/aws4_request"
EMPTY = hashlib.sha256(b"").hexdigest()


@pytest.fixture
def documented(fake):
    """A server that lives on 24 May 2013."""
    server = fake(f"clock_offset_s={DOC_TIME - time.time()}", buckets=["examplebucket"],
                  arguments=["--user", f"{DOC_KEY}:{DOC_SECRET}", "--suffix", "s3.amazonaws.com"])

    def send(text, body=b""):
        head = text.strip().replace("\n", "\r\n").encode() + b"\r\n\r\n"
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as s:
            s.sendall(head + body)
            return read_answer(s, text.split()[0])
    return send


def documented_get(signature):
    return f"""
GET /test.txt HTTP/1.1
Host: examplebucket.s3.amazonaws.com
Authorization: AWS4-HMAC-SHA256 {SCOPE},SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,Signature={signature}
Range: bytes=0-9
x-amz-content-sha256: {EMPTY}
x-amz-date: {DOC_DATE}"""


def documented_put(signature, length=21):
    return f"""
PUT /test%24file.text HTTP/1.1
Host: examplebucket.s3.amazonaws.com
Date: Fri, 24 May 2013 00:00:00 GMT
Authorization: AWS4-HMAC-SHA256 {SCOPE},SignedHeaders=date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class,Signature={signature}
x-amz-date: {DOC_DATE}
x-amz-storage-class: REDUCED_REDUNDANCY
x-amz-content-sha256: 44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072
Content-Length: {length}"""


def test_documented_examples_of_the_header(documented):
    put = "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"
    assert documented(documented_put(put), b"Welcome to Amazon S3.").status == 200
    assert documented(documented_put(put), b"Welcome to Amazon S4.").code == "XAmzContentSHA256Mismatch"
    get = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    assert documented(documented_get(get)).code == "NoSuchKey"  # signed well; there is none
    assert documented(documented_get("e" + get[1:])).code == "SignatureDoesNotMatch"


def test_documented_example_of_a_presigned_url(documented):
    url = ("/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2F"
           "us-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders="
           "host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404")
    host = "HTTP/1.1\nHost: examplebucket.s3.amazonaws.com"
    assert documented(f"GET {url} {host}").code == "NoSuchKey"
    assert documented(f"GET {url.replace('86400', '86401')} {host}").code == "SignatureDoesNotMatch"


CHUNKS = ["ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
          "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
          "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"]
TRAILED = ["b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
           "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
           "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992"]
SEED = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
TRAILED_SEED = "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e"
TRAILER_SIGNATURE = "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435"


def documented_body(signatures, trailer=b""):
    pieces = [b"a" * 65536, b"a" * 1024, b""]
    wire = b"".join(b"%x;chunk-signature=%b\r\n%b%b" % (len(p), s.encode(), p, b"\r\n" if p else b"")
                    for p, s in zip(pieces, signatures))
    return wire + trailer + b"\r\n"


def documented_head(length, seed, trailer=False):
    signed = ("content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;"
              "x-amz-decoded-content-length;x-amz-storage-class")
    if trailer:
        signed = signed.replace("content-length;", "", 1) + ";x-amz-trailer"
    return f"""
PUT /examplebucket/chunkObject.txt HTTP/1.1
Host: s3.amazonaws.com
x-amz-date: {DOC_DATE}
x-amz-storage-class: REDUCED_REDUNDANCY
Authorization: AWS4-HMAC-SHA256 {SCOPE},SignedHeaders={signed},Signature={seed}
x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD{'-TRAILER' if trailer else ''}
Content-Encoding: aws-chunked
x-amz-decoded-content-length: 66560
{'x-amz-trailer: x-amz-checksum-crc32c' if trailer else 'x-ignored: 1'}
Content-Length: {length}"""


def test_documented_example_of_signed_chunks(documented):
    wire = documented_body(CHUNKS)
    assert len(wire) == 66824
    assert documented(documented_head(len(wire), SEED), wire).status == 200
    for at in (100, 70, 65536 + 50, 65536 + 200, len(wire) - 10):  # data, a signature, the last one's
        spoilt = wire[:at] + bytes([wire[at] ^ 1]) + wire[at + 1:]
        answer = documented(documented_head(len(wire), SEED), spoilt)
        assert answer.status in (400, 403), (at, answer)


def test_documented_example_of_a_signed_trailer(documented):
    line = f"x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:{TRAILER_SIGNATURE}\r\n"
    wire = documented_body(TRAILED, line.encode())
    assert len(wire) == 66946
    answer = documented(documented_head(len(wire), TRAILED_SEED, True), wire)
    assert answer.status == 200, answer
    assert answer.headers["x-amz-checksum-crc32c"] == "sOO8/Q=="
    spoilt = wire.replace(b"sOO8", b"sOO9")
    assert documented(documented_head(len(wire), TRAILED_SEED, True), spoilt).code == "SignatureDoesNotMatch"


def test_frames_of_these_tests_are_the_documented_ones():
    parts = [b"a" * 65536, b"a" * 1024]
    assert frame(DOC_SECRET, DOC_DATE, "us-east-1", SEED, parts) == documented_body(CHUNKS)
    trailer = ("x-amz-checksum-crc32c", "sOO8/Q==")
    assert TRAILER_SIGNATURE.encode() in frame(DOC_SECRET, DOC_DATE, "us-east-1", TRAILED_SEED, parts, trailer)


# ---- checksums


@pytest.mark.parametrize("name, expected", [
    ("crc32", 0xCBF43926), ("crc32c", 0xE3069283), ("crc64nvme", 0xAE8B14860A799888)])
def test_published_check_values(name, expected):
    assert checksum.crc(name, b"123456789") == expected
    assert checksum.portable(name, 0, b"123456789") == expected


def test_crc_by_pieces_and_combined():
    data = bytes(range(256)) * 41
    assert checksum.crc("crc32c", data) == crc32c_bitwise(data) == checksum.portable("crc32c", 0, data)
    for name in checksum.WIDTHS:
        for cut in (0, 1, 9, 4096, len(data) - 1):
            first, second = checksum.crc(name, data[:cut]), checksum.crc(name, data[cut:])
            assert checksum.crc(name, data[cut:], first) == checksum.crc(name, data)
            assert checksum.combine(name, first, second, len(data) - cut) == checksum.crc(name, data)


DATA = bytes(range(256)) * 100


def sums_of(data):
    return {"crc32": crc32_text(data), "crc32c": b64(crc32c_bitwise(data)),
            "sha1": base64.b64encode(hashlib.sha1(data).digest()).decode(),
            "sha256": base64.b64encode(hashlib.sha256(data).digest()).decode(),
            "crc64nvme": b64(checksum.portable("crc64nvme", 0, data), 8)}


@pytest.mark.parametrize("name", checksum.ALGORITHMS)
def test_checksum_in_the_head(fake, name):
    client = Client(fake())
    right, header = sums_of(DATA)[name], "x-amz-checksum-" + name
    answer = client.put("/test/k", DATA, headers={header: right})
    assert answer.status == 200 and answer.headers[header] == right
    answer = client.put("/test/wrong", DATA, headers={header: sums_of(DATA[1:])[name]})
    assert (answer.status, answer.code) == (400, "BadDigest")
    assert client.put("/test/wrong", DATA, headers={header: "AAA="}).code == "InvalidDigest"
    assert client.put("/test/wrong", DATA, headers={header: "?"}).code == "InvalidDigest"
    head = client.put("/test/k", b"", method="HEAD", headers={"x-amz-checksum-mode": "ENABLED"})
    assert head.headers[header] == right and head.headers["x-amz-checksum-type"] == "FULL_OBJECT"
    assert client.server.objects("test") == {"k": len(DATA)}


@pytest.mark.parametrize("name", checksum.ALGORITHMS)
def test_unsigned_trailer(fake, name):
    client, header = Client(fake()), "x-amz-checksum-" + name
    chunks = [DATA[:10000], DATA[10000:20000], DATA[20000:]]
    answer = client.put_unsigned_trailer("/test/k", chunks, header, sums_of(DATA)[name])
    assert answer.status == 200 and answer.headers[header] == sums_of(DATA)[name], answer
    assert client.server.read("test", "k") == DATA
    assert "ContentEncoding" not in client.server.boto.head_object(Bucket="test", Key="k")
    wrong = client.put_unsigned_trailer("/test/w", chunks, header, sums_of(DATA[1:])[name])
    assert wrong.code == "BadDigest"
    assert list(client.server.objects("test")) == ["k"]


def test_unsigned_trailer_must_be_as_announced(fake):
    client, value = Client(fake()), sums_of(DATA)["crc32c"]
    name = "x-amz-checksum-crc32c"

    def put(**more):
        return client.put_unsigned_trailer("/test/k", [DATA], name, value, **more).code
    assert put(ending=b"\r\n") == "MalformedTrailerError"
    assert put(ending=f"x-amz-checksum-crc32:{crc32_text(DATA)}\r\n\r\n".encode()) == "MalformedTrailerError"
    assert put(ending=f"{name}:{value}\r\n".encode()) == "IncompleteBody"
    assert put(headers={"X-Amz-Trailer": "x-amz-meta-a"}) == "InvalidRequest"
    assert put(headers={"Content-Encoding": "gzip"}) == "InvalidRequest"
    assert put(headers={"X-Amz-Decoded-Content-Length": str(len(DATA) + 1)}) == "IncompleteBody"
    assert put(headers={"X-Amz-Decoded-Content-Length": str(len(DATA) - 1)}) == "IncompleteBody"
    assert client.server.objects("test") == {}


@pytest.mark.parametrize("trailer", [None, "crc32c", "sha256"])
def test_signed_chunks(fake, trailer):
    client = Client(fake())
    parts = [DATA[:8192], DATA[8192:20000], DATA[20000:]]
    line = ("x-amz-checksum-" + trailer, sums_of(DATA)[trailer]) if trailer else None
    assert client.put_chunks("/test/k", parts, line).status == 200
    assert client.server.read("test", "k") == DATA
    for at in (95, 9000, 20250, -9):
        def spoil(wire, at=at):
            at %= len(wire)
            return wire[:at] + bytes([wire[at] ^ 1]) + wire[at + 1:]
        answer = client.put_chunks("/test/w", parts, line, spoil)
        assert answer.status in (400, 403), (at, answer)
    if trailer:
        answer = client.put_chunks("/test/w", parts, (line[0], sums_of(DATA[1:])[trailer]))
        assert answer.code == "BadDigest"
    assert list(client.server.objects("test")) == ["k"]


def test_small_chunks_only_at_the_end(fake):
    client = Client(fake())
    assert client.put_chunks("/test/k", [DATA[:8191], DATA[8191:]]).code == "InvalidChunkSizeError"
    assert client.put_chunks("/test/k", [DATA[:8192], DATA[8192:8193]]).status == 200
    assert client.put_chunks("/test/empty", []).status == 200
    assert client.server.objects("test") == {"empty": 0, "k": 8193}


def test_chunks_in_another_order(fake):
    client = Client(fake())
    one, two = b"a" * 8192, b"b" * 8192

    def swap(wire):
        size = wire.index(b"\r\n") + 2 + 8192 + 2
        return wire[size:2 * size] + wire[:size] + wire[2 * size:]
    assert client.put_chunks("/test/k", [one, two], spoil=swap).code == "SignatureDoesNotMatch"


def test_content_md5(fake):
    client = Client(fake())
    right = base64.b64encode(hashlib.md5(DATA).digest()).decode()
    assert client.put("/test/k", DATA, headers={"Content-MD5": right}).status == 200
    assert client.put("/test/k", DATA[1:], headers={"Content-MD5": right}).code == "BadDigest"
    assert client.put("/test/k", DATA, headers={"Content-MD5": "abc"}).code == "InvalidDigest"


def test_payload_hash(fake):
    client = Client(fake())
    assert client.put("/test/k", DATA, sha256=hashlib.sha256(b"x").hexdigest()).code == "XAmzContentSHA256Mismatch"
    assert client.put("/test/k", DATA, sha256="UNSIGNED-PAYLOAD").status == 200
    assert client.put("/test/k", DATA, sha256="nonsense").code == "InvalidArgument"
    client.server.options(unsigned_needs_tls=True)
    assert client.put("/test/k", DATA, sha256="UNSIGNED-PAYLOAD").code == "InvalidRequest"


# ---- who, when, where


def code_of(call):
    with pytest.raises(ClientError) as caught:
        call()
    return caught.value.response["Error"]["Code"], caught.value.response["ResponseMetadata"]["HTTPStatusCode"]


def test_wrong_keys(fake):
    s = fake()
    assert code_of(s.client(access_key="nobody").list_buckets) == ("InvalidAccessKeyId", 403)
    assert code_of(s.client(secret="wrong").list_buckets) == ("SignatureDoesNotMatch", 403)


def test_wrong_region_names_the_right_one(fake):
    s = fake(region="eu-central-1")
    answer = Client(s, region="us-east-1").put("/test/k", DATA)
    assert (answer.status, answer.code) == (400, "AuthorizationHeaderMalformed")
    assert b"<Region>eu-central-1</Region>" in answer.body
    head = Client(s, region="us-east-1").put("/test", b"", method="HEAD")
    assert head.status == 400 and head.headers["x-amz-bucket-region"] == "eu-central-1" and not head.body


def test_bucket_of_another_region(fake):
    s = fake(buckets=["here", "there@ap-south-1"])
    answer = Client(s).put("/there/k", DATA)
    assert (answer.status, answer.code) == (301, "PermanentRedirect")
    assert answer.headers["x-amz-bucket-region"] == "ap-south-1"
    assert Client(s, region="ap-south-1").put("/there/k", DATA).status == 200
    s.options(redirect="307")
    answer = Client(s).put("/there/k", DATA)
    assert answer.status == 307 and answer.headers["location"].endswith("/there/k")


@pytest.mark.parametrize("offset, passes", [(0, True), (890, True), (-890, True), (910, False), (-910, False)])
def test_clock_skew(fake, offset, passes):
    s = fake(f"clock_offset_s={offset}")
    answer = Client(s).put("/test/k", DATA)
    assert answer.status == (200 if passes else 403)
    assert passes or (answer.code == "RequestTimeTooSkewed" and b"<ServerTime>" in answer.body)
    date = calendar.timegm(time.strptime(answer.headers["date"], "%a, %d %b %Y %H:%M:%S GMT"))
    assert abs(date - time.time() - offset) < 5


def test_every_amz_header_must_be_signed(fake):
    client = Client(fake())
    head = client.head("PUT", "/test/k", {"Content-Length": "0"}, EMPTY)
    assert client.send(head).status == 200
    assert client.send(head[:-2] + b"x-amz-meta-a: 1\r\n\r\n").code == "AccessDenied"
    assert client.send(head[:-2] + b"content-md5: 1B2M2Y8AsgTpgAmY7PhCfg==\r\n\r\n").code == "AccessDenied"
    assert client.send(head[:-2] + b"x-other: 1\r\n\r\n").status == 200
    assert client.send(re.sub(rb"X-Amz-Content-SHA256: \w+\r\n", b"", head)).status == 400
    assert client.send(head.replace(b"/test/k", b"/test/l")).code == "SignatureDoesNotMatch"


def test_presigned(fake):
    s = fake()
    s.boto.put_object(Bucket="test", Key="a b", Body=b"x")
    url = s.boto.generate_presigned_url("get_object", {"Bucket": "test", "Key": "a b"}, 60)
    path = url.removeprefix(s.endpoint)

    def get(target):
        with socket.create_connection(("127.0.0.1", s.port), timeout=10) as c:
            c.sendall(f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{s.port}\r\n\r\n".encode())
            return read_answer(c)
    assert get(path).body == b"x"
    assert get(path.replace("Expires=60", "Expires=61")).code == "SignatureDoesNotMatch"
    assert get("/test/a%20b").code == "AccessDenied"
    s.options(clock_offset_s=70)
    assert get(path).code == "AccessDenied"


def test_a_session_token(fake):
    s = fake()
    sts = s.client(service="sts")
    assert sts.get_caller_identity()["Account"] == "000000000001"
    keys = sts.assume_role(RoleArn="arn:aws:iam::1:role/r", RoleSessionName="name")["Credentials"]

    def put(token):
        client = Client(s, keys["AccessKeyId"], keys["SecretAccessKey"], token=token)
        return client.put("/test/k", DATA)
    assert put(keys["SessionToken"]).status == 200
    assert put("other").code == "InvalidToken"
    assert put(None).code == "InvalidAccessKeyId"
    s.options(expire_after=1)
    assert put(keys["SessionToken"]).code == "ExpiredToken"
    s.options(expire_after=0, clock_offset_s=3601)
    assert put(keys["SessionToken"]).code in ("ExpiredToken", "RequestTimeTooSkewed")


def test_assume_role_limits(fake):
    s = fake("external_id=secret")
    sts = s.client(service="sts")
    role = {"RoleArn": "arn:aws:iam::1:role/r", "RoleSessionName": "name"}
    assert code_of(lambda: sts.assume_role(**role))[0] == "AccessDenied"
    assert code_of(lambda: sts.assume_role(**role, ExternalId="secret", DurationSeconds=43201))[0] == "ValidationError"
    keys = sts.assume_role(**role, ExternalId="secret", DurationSeconds=900)["Credentials"]
    assert 0 < keys["Expiration"].timestamp() - time.time() <= 900


def test_assume_role_with_web_identity(fake):
    s = fake("web_identity=token-of-the-test,role_life_s=1.5")
    sts = s.client(service="sts")
    role = {"RoleArn": "arn:aws:iam::000000000001:role/r", "RoleSessionName": "name"}
    ask = functools.partial(sts.assume_role_with_web_identity, **role)
    assert code_of(lambda: ask(WebIdentityToken="another"))[0] == "InvalidIdentityToken"
    assert code_of(lambda: ask(WebIdentityToken="expired-token"))[0] == "ExpiredTokenException"
    keys = ask(WebIdentityToken="token-of-the-test")["Credentials"]
    assert json.loads(s.control("GET", "users"))[keys["AccessKeyId"]].endswith("assumed-role/r/name")
    client = Client(s, keys["AccessKeyId"], keys["SecretAccessKey"], token=keys["SessionToken"])
    assert client.put("/test/k", DATA).status == 200
    assert code_of(lambda: sts.assume_role(RoleArn="arn:aws:iam::1:user/somebody", RoleSessionName="name"))[0] == "ValidationError"


def test_a_mock_believes_everything(fake):
    s = fake("mock")
    client = Client(s, secret="wrong")
    assert client.put_chunks("/test/k", [DATA]).status == 200
    assert s.client(secret="x").head_object(Bucket="test", Key="k")["ContentLength"] > len(DATA)
