"""
The program on S3, from outside: what it stores, what it says to bad input, how it logs in.
Against the project's fake with several behaviours and the RADOS Gateway, HTTP and HTTPS.
"""

import functools
import http.server
import json
import os
import re
import signal
import subprocess
import termios
import threading
import time

import pytest

from gridtest import MIB, Terminal, mixed_tree, program, write, write_random
from s3check import Bucket
from s3servers import fake, rgw, rgw_tls, s3, swift  # noqa: F401
from test_names import ODD, PLAIN


@functools.cache
def lacks(*words, **env):
    """True when this build of the program does not know it at all.  (A bucket cannot be called `b`.)"""
    said = subprocess.run([program(), *words], env={"HOME": "/nonexistent", "PATH": os.environ["PATH"], **env},
                          capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=20).stderr
    return "is no store" in said or "unknown command" in said


needs_s3 = pytest.mark.skipif(os.path.exists(program()) and lacks("datastore", "list", GRID_STORE="s3://b/p"),
                              reason="this build of grid has no S3 store")
needs_login = pytest.mark.skipif(os.path.exists(program()) and lacks("login", "--help"),
                                 reason="this build of grid has no login")
pytestmark = needs_s3


@pytest.fixture
def store(s3, grid, tmp_path):  # noqa: F811
    """A bucket of the server, as the cluster `env` of the grid."""
    place = Bucket(s3, s3.new_bucket(), "some/prefix", tmp_path)
    grid.env.update(place.env)
    return place


@pytest.fixture
def on_fake(fake, grid, tmp_path):  # noqa: F811
    """on_fake(behaviour, ...) -> Bucket, which the grid then uses."""
    def start(behaviour="", prefix="", **more):
        server = fake(behaviour, **more)
        place = Bucket(server, "test", prefix, tmp_path)
        grid.env.update(place.env)
        return place
    return start


# ---- what is stored


@pytest.mark.fast
def test_every_object_is_its_file(store, grid, tree):
    mixed_tree(tree)
    published = grid.create_json(tree).event("published")
    assert published["files"] == 59 and published["version"] == 1
    assert published["url"].startswith(f"s3://{store.bucket}/some/prefix/tree/v1")
    store.check("tree", tree)
    assert store.published("tree") == [1]
    grid("datastore", "verify", "tree", "--deep", code=0)
    rows = grid("datastore", "list", "--json", code=0).events
    assert [(r["name"], r["version"], r["status"]) for r in rows] == [("tree", 1, "succeeded")]


@pytest.mark.fast
def test_every_kind_of_name_as_a_key(store, grid, tree):
    for i, name in enumerate(ODD + PLAIN):
        write(tree, name, b"content %d" % i)
        write(tree, b"in/" + name + b"/file", b"inner %d" % i)
    write(tree, "/".join(["d" * 200] * 6) + "/too-long-for-a-key", "deep")
    grid.create(tree)
    found = store.check("tree", tree)
    assert all("key" in found[name] for name in ODD)
    assert not any("key" in found[name] for name in PLAIN)
    grid("datastore", "verify", "tree", "--deep", code=0)
    grid("datastore", "delete", "--name", "tree", "--version", "1", "--yes", code=0)
    left = [k for k in store.keys("tree/") if not k.endswith("/deleted.json")]
    assert left == []


def test_a_second_version(store, grid, tree):
    mixed_tree(tree)
    grid.create(tree)
    write(tree, "README.txt", "changed\n")
    os.unlink(tree / "many/007.dat")
    grid.create(tree)
    assert store.published("tree") == [1, 2]
    store.check("tree", tree, number=2)
    grid("datastore", "delete", "--name", "tree", "--version", "1", "--yes", code=0)
    assert store.published("tree") == [2]
    store.check("tree", tree, number=2)


@pytest.mark.fast
def test_verify_finds_what_is_wrong(store, grid, tree):
    write_random(tree, "folder/changed", 100_000)
    write_random(tree, "cut", 100_000, seed=1)
    write_random(tree, "gone", 100_000, seed=2)
    write_random(tree, "whole", 100_000, seed=3)
    grid.create(tree)
    where = "some/prefix/tree/v1/data/"
    content = bytearray(store.s3.read(store.bucket, where + "folder/changed"))
    content[77_777] ^= 1
    store.s3.boto.put_object(Bucket=store.bucket, Key=where + "folder/changed", Body=bytes(content))
    found = grid("datastore", "verify", "tree", "--deep", code=1)
    assert "folder/changed" in found.text and "whole" not in found.out
    store.s3.boto.put_object(Bucket=store.bucket, Key=where + "cut", Body=b"short")
    store.s3.boto.delete_object(Bucket=store.bucket, Key=where + "gone")
    found = grid("datastore", "verify", "tree", code=1)
    assert "cut" in found.text and "gone" in found.text and "whole" not in found.out


def test_uploads_of_others_stay(store, grid, tree):
    """Orphans below the version go when it is published; what lies elsewhere is not ours."""
    write(tree, "a", "x")
    boto, bucket = store.s3.boto, store.bucket
    keys = ["some/prefix/tree/v1/data/zombie", "some/prefix/tree/v10/data/a", "elsewhere"]
    for key in keys:
        boto.create_multipart_upload(Bucket=bucket, Key=key)
    grid.create(tree)
    found = [k for k, _ in store.s3.open_uploads(bucket)]
    # A store that lists by exact key only cannot show an upload that nobody has told us of.
    blind = store.s3.kind == "fake" and "minio2019" in store.s3.command
    assert set(keys[1:]) <= set(found) and (blind or keys[0] not in found)


def test_part_size(on_fake, grid, tree):
    place = on_fake()
    write_random(tree, "big", 100 * MIB)
    grid.create(tree, "--part-size", "32M")
    place.check("tree", tree)
    parts = sorted((p, t[0][1]) for (_, p), t in place.stored().items() if p)
    assert parts == [(1, 32 * MIB), (2, 32 * MIB), (3, 32 * MIB), (4, 4 * MIB)]


@pytest.mark.fast
def test_small_files_cost_one_request(on_fake, grid, tree):
    place = on_fake()
    for i in range(300):
        write(tree, f"f{i:03}", f"{i}")
    grid.create(tree)
    requests = [e for e in place.s3.log("test") if place.is_data(e["key"])]
    assert len(requests) <= 310 and {e["op"] for e in requests} == {"PutObject"}
    connections = {e["conn"] for e in place.s3.log("test")}
    assert len(connections) <= len(requests) / 2  # they are used again


# ---- integrity: which digest goes with the bytes


def payloads(place):
    return {re.sub(r"[0-9a-f]{64}", "sha256", e["payload"]) for e in place.s3.log("test")
            if place.is_data(e["key"]) and e["method"] == "PUT" and e["bytes"] > 0}


SIGNED, SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"


@pytest.mark.parametrize("behaviour, tls, allowed", [
    ("", True, {"STREAMING-UNSIGNED-PAYLOAD-TRAILER", "UNSIGNED-PAYLOAD"}),
    ("", False, {SIGNED, SIGNED_TRAILER, "sha256"}),
    ("trailers=false", True, {"UNSIGNED-PAYLOAD"}),
    ("rgw", False, {SIGNED, "sha256"}),
    ("rgw", True, {SIGNED, "sha256"}),
    ("swift", False, {"sha256"}),
    ("nochunked", True, {"sha256", "UNSIGNED-PAYLOAD"}),
    ("minio2019", False, {SIGNED, "sha256"}),
    ("r2", True, {"STREAMING-UNSIGNED-PAYLOAD-TRAILER", "UNSIGNED-PAYLOAD"}),
])
def test_the_best_digest_that_the_store_checks(on_fake, grid, tree, behaviour, tls, allowed):
    place = on_fake(behaviour, tls=tls)
    mixed_tree(tree)
    result = grid.create_json(tree)
    place.check("tree", tree)
    assert payloads(place) <= allowed, behaviour
    kinds = [e.get("kind") for e in result.events if e["event"] == "warning"]
    assert "store_does_not_verify" not in kinds
    assert not [k for k in place.keys() if k.startswith(".grid-probe")]


def rungs(place):
    """How data went: {(payload, digests)} of what was streamed, and of what lay in memory."""
    found = {True: set(), False: set()}
    for e in place.s3.log("test"):
        if place.is_data(e["key"]) and e["method"] == "PUT" and e["bytes"] > 0:
            payload = re.sub(r"[0-9a-f]{64}", "sha256", e["payload"])
            found[e["bytes"] > 256 * 1024].add((payload, *e["digests"]))
    return found[True], found[False]


CRC, UNSIGNED = "x-amz-checksum-crc32c", "UNSIGNED-PAYLOAD"
TRAILER = ("STREAMING-UNSIGNED-PAYLOAD-TRAILER", "x-amz-trailer")
SHA256, NO_CRC = "sha256_checked=false", "checksums=false,trailers=false"


@needs_login
@pytest.mark.parametrize("behaviour, tls, sign, streamed, whole", [
    ("", True, "auto", TRAILER, (UNSIGNED, CRC)),
    ("trailers=false", True, "auto", (UNSIGNED, CRC), (UNSIGNED, CRC)),
    (NO_CRC, True, "auto", (SIGNED,), ("sha256",)),
    ("aws_chunked=false,checksums=false", True, "auto", ("sha256",), ("sha256",)),
    (f"aws_chunked=false,checksums=false,{SHA256}", True, "auto", (UNSIGNED, "content-md5"), (UNSIGNED, "content-md5")),
    ("moto", True, "auto", (UNSIGNED,), (UNSIGNED,)),
    ("", False, "auto", (SIGNED,), ("sha256",)),
    ("aws_chunked=false", False, "auto", ("sha256",), ("sha256",)),
    (f"aws_chunked=false,{SHA256}", False, "auto", ("sha256", "content-md5"), ("sha256", "content-md5")),
    ("moto", False, "auto", ("sha256",), ("sha256",)),
    ("", True, "always", (SIGNED,), ("sha256",)),
    ("", True, "never", TRAILER, (UNSIGNED, CRC)),
    ("", False, "never", TRAILER, (UNSIGNED, CRC)),
    ("trailers=false", False, "never", (UNSIGNED, CRC), (UNSIGNED, CRC)),
    (NO_CRC, False, "never", (UNSIGNED, "content-md5"), (UNSIGNED, "content-md5")),
    ("rgw", False, "never", (UNSIGNED, "content-md5"), (UNSIGNED, "content-md5")),
    ("rgw", True, "auto", (SIGNED,), ("sha256",)),
    ("moto", False, "never", (UNSIGNED,), (UNSIGNED,)),
])
def test_each_rung_of_the_ladder(fake, grid, tree, tmp_path, behaviour, tls, sign, streamed, whole):  # noqa: F811
    """Over TLS and without, with the payload signed or not: the best that the store verifies."""
    server = fake(behaviour, tls=tls)
    warned = "does not verify" in login(grid, server, "--sign-payload", sign).err
    write_random(tree, "big", 20 * MIB)
    write_random(tree, "small", 1000)
    result = grid.create_json(tree)
    place = Bucket(server, "test", "p", tmp_path)
    place.check("tree", tree)
    assert rungs(place) == ({streamed}, {whole})
    kinds = [e.get("kind") for e in result.events if e["event"] == "warning"]
    assert warned == (behaviour == "moto") and kinds == ["store_does_not_verify"] * warned


@pytest.mark.fast
@pytest.mark.parametrize("behaviour", ["mock", "moto"])
def test_a_store_that_verifies_nothing(on_fake, grid, tree, behaviour):
    """Never aws-chunked, which such a store may keep as content; a warning, no refusal."""
    place = on_fake(behaviour)
    mixed_tree(tree)
    result = grid.create_json(tree)
    assert "store_does_not_verify" in [e.get("kind") for e in result.events if e["event"] == "warning"]
    assert not any(p.startswith("STREAMING") for p in payloads(place))
    place.check("tree", tree)


@pytest.mark.parametrize("behaviour", ["minio", "storj", "r2", "copy_etag_quoted=false,complete_etag=false"])
def test_other_stores(on_fake, grid, tree, behaviour):
    place = on_fake(behaviour)
    if behaviour == "storj":  # known by its name: reached through a proxy
        grid.env.update(AWS_ENDPOINT_URL_S3="http://gateway.storjshare.io", http_proxy=place.s3.endpoint, no_proxy="")
    write_random(tree, "big", 150 * MIB + 1)
    mixed_tree(tree)
    grid.create(tree)
    place.check("tree", tree)
    grid("datastore", "verify", "tree", "--deep", code=0)
    if behaviour == "storj":
        sizes = sorted(t[0][1] for (key, p), t in place.stored().items() if p and key.endswith("/big"))
        assert sizes == [22 * MIB + 1, 64 * MIB, 64 * MIB]


@pytest.mark.full
def test_swift(swift, grid, tree, tmp_path):  # noqa: F811
    place = Bucket(swift, swift.new_bucket(), "p", tmp_path)
    grid.env.update(place.env)
    mixed_tree(tree)
    grid.create(tree)
    place.check("tree", tree)


def test_a_chunk_that_changed_on_the_way_is_sent_again(on_fake, grid, tree):
    place = on_fake()
    write_random(tree, "big", 40 * MIB)
    place.s3.faults({"op": "UploadPart", "fault": "error", "code": "SignatureDoesNotMatch", "nth": 2})
    grid.create(tree)
    place.check("tree", tree)


@pytest.mark.fast
def test_bad_weather(on_fake, grid, tree, rng):
    place = on_fake()
    mixed_tree(tree)
    # From the second request on: who has never been heard speaking S3 is not believed to.
    place.s3.faults({"fault": "chaos", "from": 2, "chance": 0.05, "seed": rng.randrange(1 << 30)})
    grid.create(tree, timeout=180)
    place.s3.faults()
    place.check("tree", tree)


# ---- bad input


def refused(grid, tree, place, code, *words, timeout=60, env=None, **more):
    """create fails with the code, and says these words; nothing is published."""
    start = time.monotonic()
    result = grid.create(tree, code=None, timeout=timeout, env=env, **more)
    codes = (code,) if isinstance(code, int) else code
    assert result.code in codes, result
    for word in words:
        assert word.lower() in result.err.lower(), result
    for secret in (grid.env.get("AWS_SECRET_ACCESS_KEY"), (env or {}).get("AWS_SECRET_ACCESS_KEY")):
        assert not secret or secret not in result.text
    if place:
        assert place.published("tree") == []
    return time.monotonic() - start


@pytest.fixture
def small(tree):
    write(tree, "a", "x")
    write_random(tree, "b", 20 * MIB)
    return tree


@pytest.mark.fast
def test_wrong_key(store, grid, small):
    env = {"AWS_ACCESS_KEY_ID": "nobodyknowsthiskey12"}
    assert refused(grid, small, store, 77, "key", env=env) < 20


@pytest.mark.fast
def test_wrong_secret(store, grid, small):
    assert refused(grid, small, store, 77, "secret", env={"AWS_SECRET_ACCESS_KEY": "w" * 40}) < 20


def test_no_credentials(store, grid, small):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        del grid.env[name]
    refused(grid, small, store, (1, 77), "credentials")


def test_wrong_region_is_mended(fake, grid, small, tmp_path):  # noqa: F811
    """The store says which is right: that one is used."""
    for behaviour in ("", "redirect=307", "redirect=malformed"):
        server = fake(behaviour, region="eu-central-1", buckets=["test@eu-west-3"])
        place = Bucket(server, "test", "", tmp_path)
        for region in ("us-east-1", "eu-central-1", "eu-west-3"):
            grid.env.update(place.env, AWS_REGION=region)
            grid.create(small, "--name", region)
            place.check(region, small)


@pytest.mark.fast
def test_no_such_bucket(store, grid, small):
    env = {"GRID_STORE": "s3://nobody-has-made-this-one/p"}
    assert refused(grid, small, store, 1, "nobody-has-made-this-one", env=env) < 20


@pytest.mark.fast
def test_no_permission(store, grid, small):
    if store.s3.kind == "rgw":
        keys = store.s3.other
    else:
        keys = store.s3.user("stranger", account="9", secret="s" * 40)
    env = {"AWS_ACCESS_KEY_ID": keys[0], "AWS_SECRET_ACCESS_KEY": keys[1]}
    assert refused(grid, small, store, 77, store.bucket, env=env) < 20


@pytest.mark.fast
def test_read_only_bucket(store, grid, small):
    env = {}
    if store.s3.kind == "rgw":
        reader = store.s3.reader
        policy = {"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"AWS": ["arn:aws:iam:::user/reader"]}, "Action": ["s3:*"],
            "Resource": [f"arn:aws:s3:::{store.bucket}", f"arn:aws:s3:::{store.bucket}/*"]}]}
        store.s3.boto.put_bucket_policy(Bucket=store.bucket, Policy=json.dumps(policy))
        env = {"AWS_ACCESS_KEY_ID": reader[0], "AWS_SECRET_ACCESS_KEY": reader[1]}
    else:
        store.s3.options(read_only_buckets=[store.bucket])
    assert refused(grid, small, store, 77, store.bucket, env=env) < 20
    grid("datastore", "list", code=0, env=env)  # reading it is allowed


def test_quota(store, grid, tree):
    """Full in the middle: said so; with room again the same command sends only what is missing."""
    for i in range(5):
        write_random(tree, f"f{i}", 10 * MIB, seed=i)
    env = {}
    if store.s3.kind == "rgw":
        keys = dict(zip(("access_key", "secret"), store.s3.quota_user))
        store.bucket = store.s3.new_bucket(**keys)
        store.s3.boto = store.s3.client(**keys)
        env = {**store.env, "AWS_ACCESS_KEY_ID": keys["access_key"], "AWS_SECRET_ACCESS_KEY": keys["secret"]}
    else:
        store.s3.options(quota_bytes=24 * MIB)
    refused(grid, tree, store, 1, "quota", env=env)
    if store.s3.kind == "rgw":
        boto = store.s3.boto
        for key in store.s3.objects(store.bucket):
            boto.delete_object(Bucket=store.bucket, Key=key)
        for key, upload in store.s3.uploads(store.bucket):
            boto.abort_multipart_upload(Bucket=store.bucket, Key=key, UploadId=upload)
        return
    before = {k for k in store.stored()}
    now = time.time()
    store.s3.options(quota_bytes=0)
    grid.create(tree)
    store.check("tree", tree)
    assert not before & set(store.stored(start=now)), "what was stored has been sent again"


def test_mistyped_endpoint(on_fake, grid, small):
    """A host that never answered is waited for a minute, and it is said at once for what."""
    place = on_fake()
    env = {"AWS_ENDPOINT_URL_S3": "http://no-such-host.invalid"}
    running = grid.start("datastore", "create", small, env=env)
    running.until(lambda: "waiting for the network: no-such-host.invalid" in running.err, "it says so", 5)
    result = running.wait(100)
    assert result.code == 1 and 55 < result.seconds < 75, result
    assert "within 1 min" in result.err and "endpoint" in result.err
    assert "resume" not in result.err, "there is nothing to resume"
    assert place.published("tree") == []


@pytest.mark.parametrize("endpoint", ["ftp://host", "no scheme", "http://", "http://host:99999", "http://user:pw@host"])
def test_endpoint_that_is_no_url(on_fake, grid, small, endpoint):
    refused(grid, small, on_fake(), (1, 2), "endpoint", env={"AWS_ENDPOINT_URL_S3": endpoint})


class WebServer(http.server.BaseHTTPRequestHandler):
    status = 200

    def answer(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        page = b"<html><body>Welcome to our wiki</body></html>"
        self.send_response(self.status)
        if self.status == 302:
            self.send_header("Location", "/login.html")
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(page)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = answer

    def log_message(self, *_):
        pass


@pytest.mark.parametrize("status", [200, 302, 403, 404])
def test_a_web_server_that_is_no_s3(grid, small, status):
    handler = type("Handler", (WebServer,), {"status": status})
    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    endpoint = f"http://127.0.0.1:{web.server_port}"
    grid.env.update({"GRID_STORE": "s3://bucket/p", "AWS_ENDPOINT_URL_S3": endpoint, "AWS_REGION": "us-east-1",
                     "AWS_ACCESS_KEY_ID": "k" * 20, "AWS_SECRET_ACCESS_KEY": "s" * 40})
    try:
        result = grid.create(small, code=None, timeout=100)
    finally:
        web.shutdown()
    assert result.code in ((1, 77) if status == 403 else (1, 75)), result
    assert endpoint.split("//")[1] in result.err and "S3" in result.err
    assert "published" not in result.out


@pytest.mark.fast
def test_wrong_ca(fake, grid, small, tmp_path):  # noqa: F811
    server, stranger = fake(tls=True), fake(tls=True)
    place = Bucket(server, "test", "", tmp_path)
    grid.env.update(place.env)
    del grid.env["AWS_CA_BUNDLE"]
    assert refused(grid, small, place, 1, "certificate") < 30
    assert refused(grid, small, place, 1, "certificate", env={"AWS_CA_BUNDLE": str(stranger.ca_file)}) < 30
    refused(grid, small, place, (1, 2), "/no/such/file", env={"AWS_CA_BUNDLE": "/no/such/file"})
    assert [e for e in server.log() if e["method"] == "PUT"] == []
    grid.create(small, env={"AWS_CA_BUNDLE": str(server.ca_file)})
    place.check("tree", small)


@pytest.mark.parametrize("tls", [False, True])
def test_bucket_with_dots(fake, grid, small, tmp_path, tls):  # noqa: F811
    server = fake(tls=tls, buckets=["my.data.sets"])
    place = Bucket(server, "my.data.sets", "", tmp_path)
    grid.env.update(place.env)
    grid.create(small)
    place.check("tree", small)


@pytest.mark.parametrize("url", ["s3://Capital/p", "s3://under_score", "s3://ab", "s3://a..b", "s3://", "s3:///p",
                                 "s3://192.168.1.1/p", "s3://b?x=1", "s3://" + "b" * 64])
def test_bucket_names_that_cannot_be(on_fake, grid, small, url):
    """Old buckets in capitals exist: such a name may be asked for, and is then not found."""
    place = on_fake()
    word = url[5:].split("/")[0]
    refused(grid, small, place, (1, 2), word, env={"GRID_STORE": url})


def test_clock_that_is_wrong(on_fake, grid, small):
    """The store's Date is believed."""
    place = on_fake("clock_offset_s=7200")
    grid.create(small)
    codes = [e["code"] for e in place.s3.log("test")]
    assert codes.count("RequestTimeTooSkewed") <= 2 and codes[-1] is None, "it is learnt once"
    place.s3.options(clock_offset_s=0)  # for boto, which does not learn it everywhere
    place.check("tree", small)


# ---- logging in


def login(grid, server, *more, bucket="test", key=None, secret=None, region=True, code=0, **kw):
    words = ["--cluster", "mine", "--username", key or server.access_key, "--key-stdin", "--endpoint", server.endpoint,
             *more]
    if region:
        words += ["--region", server.region]
    if bucket:
        words += ["--store", f"s3://{bucket}/p"]
    if server.ca_file:
        words += ["--ca-file", str(server.ca_file)]
    read_end, write_end = os.pipe()
    os.write(write_end, (secret or server.secret).encode() + b"\n")
    os.close(write_end)
    try:
        return grid("login", *words, stdin=read_end, code=code, **kw)
    finally:
        os.close(read_end)


def config_text(grid):
    return "".join(p.read_text() for p in (grid.home / "config").rglob("*") if p.is_file())


@pytest.mark.fast
@needs_login
def test_login_create_logout(fake, grid, small, tmp_path):  # noqa: F811
    server = fake(tls=True)
    result = login(grid, server)
    assert server.secret not in result.text
    config, keys = (grid.home / "config/grid" / n for n in ("config.json", "credentials.json"))
    assert server.secret not in config.read_text() and server.secret in keys.read_text()
    assert keys.stat().st_mode & 0o777 == 0o600
    assert "mine" in grid("user", code=0).out and "mine" in grid("cluster", code=0).out
    grid.create(small)
    Bucket(server, "test", "p", tmp_path).check("tree", small)
    grid("logout", code=0)
    assert server.secret not in config_text(grid)
    assert grid.create(small, "--cluster", "mine", code=None).code in (1, 2, 77)
    state = "".join(p.read_text(errors="replace") for p in (grid.home / "state").rglob("*") if p.is_file())
    assert server.secret not in state


@needs_login
@pytest.mark.parametrize("wrong", [{"key": "nobodyknowsthiskey12"}, {"secret": "w" * 40}])
def test_refused_credentials_save_nothing(fake, grid, wrong):  # noqa: F811
    result = login(grid, fake(), code=77, **wrong)
    assert "w" * 40 not in result.text
    assert "mine" not in config_text(grid)


@needs_login
def test_login_without_a_terminal(grid):
    for words in ([], ["--username", "k"], ["--username", "k", "--key-stdin"]):
        assert grid("login", *words, code=2).err.strip()


def terminal_echoes(t):
    return bool(termios.tcgetattr(t.leader)[3] & termios.ECHO)


def until(condition, what):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


@needs_login
def test_login_where_nobody_answers(grid):
    result = grid("login", "--store", "s3://test/p", "--endpoint", "http://127.0.0.1:9", "--region", "x",
                  "--username", "k", "--key", "s3cret", code=75)
    assert "127.0.0.1:9" in result.err and not config_text(grid)


def answered(t, *questions):
    """The program asks these questions, the secret without echo, and is answered; then it ends well."""
    for question, answer in questions:
        until(lambda q=question: q in t.text and terminal_echoes(t) == (q != "Secret"), f"it asks: {question}\n{t.text}")
        os.write(t.leader, answer.encode() + b"\n")
    assert t.wait() == 0, t.text


@needs_login
@pytest.mark.parametrize("status, code", [(405, "MethodNotAllowed"), (403, "AccessDenied"), (501, "NotImplemented")])
def test_login_on_a_terminal(fake, grid, small, tmp_path, status, code):  # noqa: F811
    """What is missing is asked for: the store, too, where the endpoint names no account."""
    server = fake()
    server.faults({"op": "STS", "fault": "error", "status": status, "code": code})
    t = Terminal(grid, "login", "--endpoint", server.endpoint, "--region", server.region)
    answered(t, ("Access key", server.access_key), ("Secret", server.secret), ("Store", "s3://test/p"))
    assert "logged in to test" in t.text and server.secret not in t.text
    grid.create(small)
    Bucket(server, "test", "p", tmp_path).check("tree", small)


@needs_login
def test_login_on_a_terminal_to_an_account(fake, grid):  # noqa: F811
    server = fake()
    t = Terminal(grid, "login", "--endpoint", server.endpoint, "--region", server.region)
    answered(t, ("Access key", server.access_key), ("Secret", server.secret))
    assert "Store" not in t.text and "logged in to grid-000000000001-us-east-1" in t.text


@needs_login
def test_interrupted_at_the_secret(fake, grid):  # noqa: F811
    server = fake()
    t = Terminal(grid, "login", "--store", "s3://test/p", "--endpoint", server.endpoint, "--username", "k")
    until(lambda: "Secret" in t.text and not terminal_echoes(t), "it asks for the secret")
    t.process.send_signal(signal.SIGINT)
    t.process.wait(10)
    assert terminal_echoes(t) and t.wait() == -signal.SIGINT
    assert not (grid.home / "config/grid/config.json").exists()


@needs_login
def test_login_to_a_folder(grid, small, tmp_path):
    grid("login", "--cluster", "disk", "--store", f"file://{tmp_path}/sets", code=0)
    grid.create(small)
    assert (tmp_path / "sets/tree/v1/datastore.json").exists()
    assert grid("login", "--store", f"file://{tmp_path}/sets", "--username", "k", "--key", "s3cret", code=2).err


@needs_login
def test_login_with_a_profile(fake, grid, small, tmp_path):  # noqa: F811
    """The keys stay where they are; a profile that is not there saves nothing."""
    server = fake()
    (grid.home / ".aws").mkdir()
    (grid.home / ".aws/credentials").write_text(
        f"[work]\naws_access_key_id={server.access_key}\naws_secret_access_key={server.secret}\n")
    words = ["login", "--store", "s3://test/p", "--endpoint", server.endpoint, "--region", server.region]
    grid(*words, "--profile", "play", code=77)
    grid(*words, code=2)
    assert not config_text(grid)
    grid(*words, "--profile", "work", code=0)
    assert server.secret not in config_text(grid)
    grid.create(small)
    Bucket(server, "test", "p", tmp_path).check("tree", small)


@needs_login
def test_the_secret_leaves_the_command_line(fake, grid):  # noqa: F811
    server = fake("latency_s=1")
    running = grid.start("login", "--cluster", "mine", "--username", server.access_key, "--key", server.secret,
                         "--endpoint", server.endpoint, "--region", server.region, "--store", "s3://test/p")

    def hidden():
        with open(f"/proc/{running.pid}/cmdline", "rb") as f:
            return server.secret.encode() not in f.read()
    running.until(hidden, "the secret is gone from the process list", 5)
    assert running.wait(20).code == 0


@needs_login
def test_credentials_that_others_can_read_are_refused(fake, grid, small):  # noqa: F811
    login(grid, fake())
    keys = grid.home / "config/grid/credentials.json"
    keys.chmod(0o644)
    result = grid.create(small, code=None)
    assert result.code in (1, 77) and "credentials.json" in result.err and "600" in result.err


@needs_login
def test_the_account_s_own_bucket(fake, grid, small, tmp_path):  # noqa: F811
    """Without --store: s3://grid-ACCOUNT-REGION, made on first use."""
    server = fake(buckets=[])
    login(grid, server, bucket=None)
    assert server.state()["buckets"] == {}
    grid.create(small)
    Bucket(server, "grid-000000000001-us-east-1", "", tmp_path).check("tree", small)


@needs_login
def test_a_bucket_of_that_name_that_is_not_ours(fake, grid, small):  # noqa: F811
    server = fake("public_buckets=[]", buckets=[])
    server.bucket("grid-000000000001-us-east-1", owner="999999999999")
    result = login(grid, server, bucket=None, code=None)
    if result.code == 0:
        result = grid.create(small, code=None)
    assert result.code in (1, 77) and "grid-000000000001-us-east-1" in result.err


@needs_login
def test_a_shared_bucket_of_that_name_is_not_ours(fake, grid, small):  # noqa: F811
    """Even where its owner lets us read and write in it: the account is the condition of every request."""
    server = fake(buckets=[])
    login(grid, server, bucket=None)
    server.bucket("grid-000000000001-us-east-1", owner="999999999999")
    server.options(public_buckets=["grid-000000000001-us-east-1"])
    assert grid.create(small, code=None).code in (1, 77)
    result = grid("datastore", "list", code=77)
    assert "grid-000000000001-us-east-1" in result.err and "--store" in result.err
    assert server.state()["buckets"]["grid-000000000001-us-east-1"] == {"objects": {}, "uploads": []}


@needs_login
@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1"])
def test_the_account_s_bucket_is_fixed_at_login(fake, grid, small, tmp_path, region):  # noqa: F811
    server = fake(buckets=[], region=region)
    login(grid, server, bucket=None, region=False, env={"AWS_REGION": region})
    cluster = json.loads((grid.home / "config/grid/config.json").read_text())["clusters"]["mine"]
    assert cluster["region"] == region, "on AWS the bucket would be made where the environment says"
    assert grid("datastore", "list", "--json", code=0).events == []
    assert server.state()["buckets"] == {}, "it is made when something is to be stored"
    name = f"grid-000000000001-{region}"
    grid.create(small, env={"AWS_REGION": "ap-south-1"})
    grid.create(small)
    place = Bucket(server, name, "", tmp_path)
    assert place.published("tree") == [1, 2] and list(server.state()["buckets"]) == [name]
    login(grid, server, bucket=None)  # again, with the same keys
    assert [r["version"] for r in grid("datastore", "list", "--json", code=0).events] == [1, 2]
    other = server.user("stranger000000000001", account="2", secret="s" * 40)
    login(grid, server, bucket=None, key=other[0], secret=other[1], code=77)


@needs_login
def test_login_without_a_store(fake, grid):  # noqa: F811
    server = fake(buckets=[])
    login(grid, server, bucket=None, secret="w" * 40, code=77)
    login(grid, server, bucket=None, key="nobodyknowsthiskey12", code=77)
    server.faults({"op": "STS", "fault": "error", "status": 503, "code": "ServiceUnavailable"})
    login(grid, server, bucket=None, code=75)
    for fault in ({"fault": "error", "status": 405, "code": "MethodNotAllowed"}, {"fault": "html", "status": 200},
                  {"fault": "redirect"}, {"fault": "html", "status": 404}):
        server.faults({"op": "STS", **fault})
        assert "--store" in login(grid, server, bucket=None, code=2).err
    assert not config_text(grid)
    server.faults()
    server.options(clock_offset_s=7200)
    login(grid, server, bucket=None)


@needs_login
def test_a_gateway_that_knows_no_accounts(rgw, grid):  # noqa: F811
    assert "--store" in login(grid, rgw, bucket=None, code=2).err


@needs_login
def test_virtual_host_addressing(fake, grid, small, tmp_path):  # noqa: F811
    server = fake()
    server.endpoint = f"http://localhost:{server.port}"
    login(grid, server, "--addressing", "virtual")
    grid.create(small)
    Bucket(server, "test", "p", tmp_path).check("tree", small)
    assert {e["target"].split("/")[1] for e in server.log("test") if e["op"] == "PutObject"
            and e["target"].startswith("/p/")} == {"p"}


@needs_login
def test_two_clusters(fake, grid, small, tmp_path):  # noqa: F811
    one, two = fake(), fake()
    login(grid, one)
    grid("login", "--cluster", "two", "--username", two.access_key, "--key", two.secret, "--endpoint", two.endpoint,
         "--region", two.region, "--store", "s3://test/p", code=0)
    grid.create(small)
    Bucket(two, "test", "p", tmp_path).check("tree", small)
    grid("user", "set-cluster-context", "mine", code=0)
    grid.create(small)
    Bucket(one, "test", "p", tmp_path).check("tree", small)
    grid("cluster", "delete", "two", code=0)
    assert not re.search(r"\btwo\b", grid("cluster", code=0).out)
    assert config_text(grid).count(one.secret) == 1


def test_keys_of_the_shared_file(on_fake, grid, small):
    place = on_fake()
    folder = grid.home / ".aws"
    folder.mkdir()
    key, secret = (grid.env.pop(n) for n in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"))
    (folder / "credentials").write_text("[default]\naws_access_key_id = wrong\naws_secret_access_key = wrong\n\n"
                                        f"[work]\naws_access_key_id={key}\naws_secret_access_key = {secret}\n")
    refused(grid, small, place, 77)
    grid.create(small, env={"AWS_PROFILE": "work"})
    place.check("tree", small)


def test_environment_beats_the_context(on_fake, grid, small):
    place = on_fake()
    grid.create(small)
    assert place.published("tree") == [1]
    assert not (grid.home / "data/grid/datastores/tree").exists()
