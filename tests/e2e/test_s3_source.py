"""
An s3:// prefix as the source: copied inside the store where that reaches it, else streamed; or only
referred to, with --no-copy.  On the RADOS Gateway, and on the fake where something must go wrong.
"""

import gzip
import hashlib
import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from gridtest import MIB, random_block
from s3check import Bucket
from s3servers import fake, rgw  # noqa: F401
from test_s3 import login, needs_s3

pytestmark = needs_s3


def content(size, seed=0):
    block = bytearray(random_block())
    made = bytearray()
    for at in range(0, size, MIB):
        block[:16] = at.to_bytes(8, "big") + seed.to_bytes(8, "big")
        made += block[:min(MIB, size - at)]
    return bytes(made)


class Source:
    """Objects below a prefix of a bucket of its own: objects is {path: bytes}."""

    def __init__(self, server, prefix="sets/tree/", bucket=None, boto=None):
        self.server, self.prefix = server, prefix
        self.boto = boto or server.boto
        self.bucket = bucket or server.new_bucket()
        self.objects = {}

    @property
    def url(self):
        return f"s3://{self.bucket}/{self.prefix}"

    def put(self, path, data):
        self.boto.put_object(Bucket=self.bucket, Key=self.prefix + path, Body=data)
        self.objects[path] = data

    def put_all(self, objects):
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda item: self.put(*item), objects.items()))

    def put_large(self, path, size, step=20 * MIB):
        """Made by the server of one part that is copied again and again."""
        key, copy = self.prefix + path, f"{self.bucket}/step"
        self.boto.put_object(Bucket=self.bucket, Key="step", Body=content(step))
        upload = self.boto.create_multipart_upload(Bucket=self.bucket, Key=key)["UploadId"]
        it = {"Bucket": self.bucket, "Key": key, "UploadId": upload}
        parts = [{"PartNumber": n, "ETag": self.boto.upload_part_copy(
            **it, PartNumber=n, CopySource=copy)["CopyPartResult"]["ETag"].strip('"')}
            for n in range(1, size // step + 1)]
        self.boto.complete_multipart_upload(**it, MultipartUpload={"Parts": parts})
        self.boto.delete_object(Bucket=self.bucket, Key="step")

    def delete(self, path):
        self.boto.delete_object(Bucket=self.bucket, Key=self.prefix + path)
        del self.objects[path]

    def env(self):
        env = self.server.env(self.bucket)
        del env["GRID_STORE"]
        return env


def some_objects(n):
    return {f"dir{i % 7}/file {i:04}.txt": b"%d" % i * (i % 50) for i in range(n)}


@pytest.fixture
def place(rgw, grid, tmp_path):  # noqa: F811
    """A store on the RADOS Gateway."""
    made = Bucket(rgw, rgw.new_bucket(), "some/prefix", tmp_path)
    grid.env.update(made.env)
    return made


@pytest.fixture
def on_fake(fake, grid, tmp_path):  # noqa: F811
    """(source, store) on one fake server."""
    def start(behaviour="", **more):
        server = fake(behaviour, buckets=["test", "from"], **more)
        made = Bucket(server, "test", "", tmp_path)
        grid.env.update(made.env)
        return Source(server, bucket="from"), made
    return start


def manifest(place, name, number=1):
    rows = gzip.decompress(place.s3.read(place.bucket, f"{place.prefix}{name}/v{number}/manifest/00000.jsonl.gz"))
    return {line["path"]: line for line in map(json.loads, rows.splitlines())}


def check_copied(place, source, name, number=1):
    """Whole, known by its ETags, and byte for byte what the source is."""
    found = place.check(name, number=number)
    files = {p.decode(): x for p, x in found.items() if x["type"] == "file"}
    assert files.keys() == source.objects.keys()
    for path, line in files.items():
        assert "hash" not in line and line["size"] == len(source.objects[path])
    stored = place.mirror(name, number) / "data"
    for path, data in source.objects.items():
        assert (stored / path).read_bytes() == data, path
    return files


def check_streamed(folder_check, source, folder):
    found = folder_check()
    files = {p.decode(): x for p, x in found.items() if x["type"] == "file"}
    assert files.keys() == source.objects.keys()
    for path, data in source.objects.items():
        assert "hash" in files[path] and (folder / "data" / path).read_bytes() == data, path


def copies(place):
    return [e["key"] for e in place.s3.log(place.bucket) if e["op"] in ("CopyObject", "UploadPartCopy")
            and e["status"] == 200]


def kinds(result):
    return [e["kind"] for e in result.events if e["event"] == "warning"]


# ---- copied inside the store


@pytest.mark.parametrize("n", [600, pytest.param(10_000, marks=pytest.mark.full)])
def test_copied_inside_the_store(place, grid, n):
    """No payload through us, one request a file, and the ETag of what lies there."""
    source = Source(place.s3)
    source.put_all({**some_objects(n), "a+b?c=d&e%20é/~'(1)": b"odd", "one.bin": content(9 * MIB)})
    result = grid.create_json(source.url)
    published = result.event("published")
    total = sum(map(len, source.objects.values()))
    assert (published["name"], published["version"], published["files"]) == ("tree", 1, n + 2)
    assert published["bytes"] == published["bytes_copied"] == total and published["bytes_sent"] == 0
    assert published["requests"] < 1.1 * n + 60
    assert max(e["bytes"] for e in place.s3.log(place.bucket) if place.is_data(e["key"])) < 1000  # of the answers
    files = check_copied(place, source, "tree")
    assert files["one.bin"]["etag"] == hashlib.md5(source.objects["one.bin"]).hexdigest()
    record = place.record("tree")
    assert record["source"] == {"kind": "s3", "url": source.url} and record["copy"] is True
    grid("datastore", "verify", "tree", code=0)
    grid("datastore", "verify", "tree", "--deep", code=0)


@pytest.mark.parametrize("size", [300 * MIB, pytest.param(6 << 30, marks=pytest.mark.full)])
def test_large_objects_are_copied_in_parts(place, grid, size):
    source = Source(place.s3)
    source.put_large("large.bin", size, 20 * MIB if size < 1 << 30 else 64 * MIB)
    published = grid.create_json(source.url, timeout=600).event("published")
    assert published["bytes_copied"] == published["bytes"] == size
    assert published["bytes_sent"] == 0 and published["parts"] == -(-size // (128 * MIB))
    line = manifest(place, "tree")["large.bin"]
    head = place.s3.boto.head_object(Bucket=place.bucket, Key="some/prefix/tree/v1/data/large.bin")
    assert head["ETag"].strip('"') == line["etag"] and head["ContentLength"] == size
    place.no_orphans()
    for at in (0, 150 * MIB, size - 1000):
        span = f"bytes={at}-{at + 999}"
        assert (place.s3.boto.get_object(Bucket=place.bucket, Key="some/prefix/tree/v1/data/large.bin",
                                         Range=span)["Body"].read()
                == place.s3.boto.get_object(Bucket=source.bucket, Key=source.prefix + "large.bin",
                                            Range=span)["Body"].read())


def test_keys_that_cannot_be_paths(place, grid):
    """Named, left out; markers of folders are folders where nothing lies below them."""
    source = Source(place.s3)
    source.put_all({"good": b"1", "in/file": b"2"})
    for key in ("/lead", "in//double", "./dot", "../up", "in/", "empty/", "full/", "solid/"):
        place.s3.boto.put_object(Bucket=source.bucket, Key=source.prefix + key, Body=b"x" if key == "solid/" else b"")
    source.put("full/file", b"3")
    result = grid.create_json(source.url)
    bad = {e["path"] for e in result.events if e["event"] == "warning" and e["kind"] == "bad_key"}
    assert bad == {"/lead", "in//double", "./dot", "../up", "solid/"}
    assert {p for p, x in manifest(place, "tree").items() if x["type"] == "dir"} == {"empty"}
    check_copied(place, source, "tree")


def test_what_is_chosen_and_what_it_would_cost(place, grid):
    source = Source(place.s3)
    source.put_all({"keep/a.txt": b"1", "keep/b.tmp": b"22", "drop/c.txt": b"333"})
    chosen = ("--exclude", "*.tmp", "--exclude", "drop/")
    asked = grid.create_json("S3" + source.url[2:], "--dry-run", *chosen).event("dry_run")
    assert (asked["name"], asked["files"], asked["bytes"], asked["bytes_copied"]) == ("tree", 1, 1, 1)
    assert place.published("tree") == []
    grid.create(source.url, *chosen)
    assert set(manifest(place, "tree")) == {"keep/a.txt"}
    assert grid.create_json(source.url, "--if-changed", *chosen).has_event("unchanged")
    source.put("keep/d.txt", b"4")
    grid.create(source.url, "--if-changed", *chosen)
    assert set(manifest(place, "tree", 2)) == {"keep/a.txt", "keep/d.txt"}


def test_one_object(place, grid):
    """As it is, under its own name; an archive too."""
    source = Source(place.s3)
    source.put("trainingSet.tar.gz", b"as it is")
    published = grid.create_json(source.url + "trainingSet.tar.gz").event("published")
    assert (published["name"], published["files"]) == ("trainingset.tar.gz", 1)
    check_copied(place, source, "trainingset.tar.gz")


def test_what_is_not_there(place, grid):
    source = Source(place.s3)
    source.put("a", b"1")
    assert "there is nothing at" in grid.create(source.url + "nope/", code=1).err
    assert "--include and --exclude" in grid.create(source.url, "--files-from", "list", code=2).err
    assert "NoSuchBucket" in grid.create("s3://no-such-bucket-here/x/", code=1).err
    grid.create(source.url)
    inside = grid.create(f"s3://{place.bucket}/some/prefix/tree/v1/data/", code=2)
    assert "inside the store" in inside.err
    around = grid.create_json(f"s3://{place.bucket}/", "--name", "all")
    assert "store_inside" in kinds(around) and around.event("published")["files"] == 0


# ---- interrupted, changed, refused


def test_killed_and_resumed(on_fake, grid):
    source, place = on_fake()
    place.s3.options(latency_by_op={"CopyObject": 0.05})
    source.put_all(some_objects(400))
    running = grid.start("datastore", "create", source.url, "--jobs", "8")
    running.until(lambda: len(place.keys("tree/v1/data/")) > 150, "some are copied", 60)
    running.send(signal.SIGKILL)
    running.wait()
    place.s3.options(latency_by_op={})
    resumed = grid.create_json(source.url)
    assert resumed.event("session")["resumed"] and place.published("tree") == [1]
    check_copied(place, source, "tree")
    assert len(copies(place)) < 400 + 8 + 100  # the notes of the last half second are lost


def test_parts_are_not_copied_twice(on_fake, grid):
    source, place = on_fake()
    source.put("large", content(300 * MIB))
    place.s3.faults({"op": "UploadPartCopy", "part": 2, "fault": "stall_before", "seconds": 60})
    running = grid.start("datastore", "create", source.url, "--json")
    running.until(lambda: len(copies(place)) == 2, "two of three parts are copied", 60)
    running.until(lambda: running.events()[-1].get("bytes_done", 0) > 0, "and noted", 30)
    running.send(signal.SIGINT)
    assert running.wait().code == 130
    place.s3.faults()
    grid.create(source.url)
    check_copied(place, source, "tree")
    assert len(copies(place)) == 3


@pytest.mark.parametrize("how", ["copied", "streamed"])
def test_an_object_that_changes_meanwhile(on_fake, grid, tmp_path, how):
    """What is published is what it is in the end."""
    source, place = on_fake()
    source.put_all({"a": b"1", "b": content(1 * MIB), "c": b"3"})
    if how == "streamed":
        grid.env["GRID_STORE"] = f"file://{tmp_path}/store"
    op = "CopyObject" if how == "copied" else "GetObject"
    key = "*/data/b" if how == "copied" else "*/b"
    place.s3.faults({"op": op, "key": key, "times": 1, "fault": "stall_before", "seconds": 1.5})
    running = grid.start("datastore", "create", source.url)
    running.until(lambda: place.s3.fault_counts()[0]["hits"] == 1, "it is on its way")
    source.put("b", content(1 * MIB, seed=9))
    assert running.wait().code == 0
    if how == "copied":
        files = check_copied(place, source, "tree")
        assert files["b"]["etag"] == hashlib.md5(source.objects["b"]).hexdigest()
    else:
        check_streamed(lambda: grid.check("tree"), source, grid.version("tree"))


def test_copies_that_are_refused_are_sent(on_fake, grid):
    """The store's keys may not copy it, or it does not copy at all: the bytes go through us."""
    source, place = on_fake()
    source.put_all({**some_objects(50), "big": content(40 * MIB)})
    place.s3.faults({"op": "CopyObject", "fault": "error", "code": "AccessDenied", "status": 403})
    published = grid.create_json(source.url).event("published")
    assert published["bytes_copied"] == 0 and published["bytes_sent"] == published["bytes"]
    found = place.check("tree")
    assert all("hash" in x for x in found.values())
    refused = [e for e in place.s3.log("test") if e["op"] == "CopyObject"]
    assert len(refused) < 30  # after the first answer no other is tried


# ---- streamed from elsewhere


def test_streamed_to_a_folder(rgw, grid, tmp_path):  # noqa: F811
    source = Source(rgw)
    source.put_all({**some_objects(300), "big": content(70 * MIB + 12345), "none": b""})
    grid.env.update({**source.env(), "GRID_STORE": f"file://{tmp_path}/store"})
    published = grid.create_json(source.url).event("published")
    assert published["bytes_sent"] == published["bytes"] and published["bytes_copied"] == 0
    check_streamed(lambda: grid.check("tree"), source, grid.version("tree"))
    gets = [e for e in rgw.log(source.bucket) if e["method"] == "GET" and e["key"] and e["key"].endswith("/big")]
    assert len(gets) <= 5  # one for each part, not for each chunk
    grid("datastore", "verify", "tree", "--deep", code=0)


def test_streamed_to_another_endpoint(rgw, fake, grid, tmp_path):  # noqa: F811
    """The cluster's own keys open nothing there: those of the environment do.  Killed, it goes on."""
    source, server = Source(rgw), fake()
    place = Bucket(server, "test", "p", tmp_path)
    source.put_all({**some_objects(100), "big": content(60 * MIB)})
    login(grid, server)
    grid.env.update({**source.env(), "GRID_CLUSTER": "mine"})
    server.faults({"op": "UploadPart", "part": 3, "fault": "stall_before", "seconds": 60})
    running = grid.start("datastore", "create", source.url)
    running.until(lambda: server.fault_counts()[0]["hits"] and len(place.stored()) > 100, "most of it is there", 60)
    running.send(signal.SIGKILL)
    running.wait()
    server.faults()
    grid.create(source.url)
    found = place.check("tree")
    stored = place.mirror("tree") / "data"
    assert {p.decode() for p in found} == source.objects.keys()
    assert all((stored / p).read_bytes() == data for p, data in source.objects.items())


def test_a_source_that_is_away_for_a_while(fake, grid, tmp_path):  # noqa: F811
    """It is waited for, and said; then all goes on."""
    server = fake(buckets=["from"])
    source = Source(server, bucket="from")
    source.put_all({**some_objects(50), "big": content(40 * MIB)})
    grid.env.update({**source.env(), "GRID_STORE": f"file://{tmp_path}/store"})
    server.faults({"op": "GetObject", "key": "*/big", "times": 2, "fault": "stall_before", "seconds": 2})
    running = grid.start("datastore", "create", source.url, "--json")
    running.until(lambda: server.fault_counts()[0]["hits"], "it is read")
    server.outage(4)
    running.until(lambda: any(e.get("state") == "waiting_network" for e in running.events()), "it says so", 20)
    assert running.wait().code == 0
    check_streamed(lambda: grid.check("tree"), source, grid.version("tree"))


def public(rgw):  # noqa: F811
    """A bucket of somebody else that everybody may read."""
    other = rgw.client(*rgw.other)
    source = Source(rgw, bucket=rgw.new_bucket(access_key=rgw.other[0], secret=rgw.other[1]), boto=other)
    policy = {"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": "*", "Action": ["s3:ListBucket", "s3:GetObject"],
        "Resource": [f"arn:aws:s3:::{source.bucket}", f"arn:aws:s3:::{source.bucket}/*"]}]}
    other.put_bucket_policy(Bucket=source.bucket, Policy=json.dumps(policy))
    return source


def test_a_public_bucket_without_any_keys(rgw, grid, tmp_path):  # noqa: F811
    source = public(rgw)
    source.put_all(some_objects(20))
    grid.env.update({"AWS_ENDPOINT_URL_S3": rgw.endpoint, "AWS_EC2_METADATA_DISABLED": "true",
                     "GRID_STORE": f"file://{tmp_path}/store"})
    grid.create(source.url)
    check_streamed(lambda: grid.check("tree"), source, grid.version("tree"))


def test_a_public_bucket_is_copied_too(place, grid):
    source = public(place.s3)
    source.put_all(some_objects(20))
    published = grid.create_json(source.url).event("published")
    assert published["bytes_sent"] == 0 and published["bytes_copied"] > 0
    check_copied(place, source, "tree")


def test_a_bucket_that_nobody_may_read(place, grid):
    rgw = place.s3  # noqa: F811
    source = Source(rgw, bucket=rgw.new_bucket(access_key=rgw.other[0], secret=rgw.other[1]),
                    boto=rgw.client(*rgw.other))
    source.put("a", b"1")
    refused = grid.create(source.url, code=77)
    assert f"cannot read the source {source.url}" in refused.err and "AccessDenied" in refused.err


def test_a_bucket_whose_reader_pays(on_fake, grid, tmp_path):
    """Nothing is read at the user's cost unless that was said."""
    source, place = on_fake("requester_pays_buckets=[\"paid\"],public_buckets=[\"paid\"]")
    place.s3.bucket("paid", owner="000000000009")
    owner = place.s3.client(*place.s3.user("testaccesskeyowner01", account="000000000009"))
    source = Source(place.s3, bucket="paid", boto=owner)
    source.put_all(some_objects(20))
    grid.create(source.url, code=77)
    assert grid.create_json(source.url, "--request-payer").event("published")["bytes_copied"] > 0
    check_copied(place, source, "tree")
    grid.create(source.url, "--request-payer", "--no-copy")
    grid("datastore", "download", "tree", tmp_path / "got", code=77)
    grid("datastore", "download", "tree", tmp_path / "got", "--request-payer", code=0)
    assert (tmp_path / "got/dir1/file 0001.txt").read_bytes() == source.objects["dir1/file 0001.txt"]


def test_a_registered_role_opens_it(fake, grid, tmp_path):  # noqa: F811
    """Where neither our own keys nor none at all do."""
    server = fake("role_inherits=false", buckets=["from"])
    source = Source(server, bucket="from")
    source.put_all(some_objects(20))
    key, secret = server.user("testaccesskeydenied1", deny=["ListObjectsV2", "GetObject", "HeadObject"])
    grid.env.update({**source.env(), "AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret,
                     "GRID_STORE": f"file://{tmp_path}/store"})
    grid.create(source.url, code=77)
    grid("credential", "create", "--type", "s3", "--role-arn", "arn:aws:iam::123456789012:role/reader", code=0)
    grid.create(source.url)
    check_streamed(lambda: grid.check("tree"), source, grid.version("tree"))


# ---- referred to


def test_references(place, grid, tmp_path):
    source = Source(place.s3)
    source.put_all({"a/1": b"one", "a/2": b"two", "b": content(20 * MIB)})
    result = grid.create_json(source.url, "--no-copy")
    published = result.event("published")
    assert (published["files"], published["bytes_sent"], published["bytes_copied"]) == (3, 0, 0)
    assert not [k for k in place.keys() if place.is_data(place.prefix + k)]
    assert place.record("tree")["copy"] is False
    lines = manifest(place, "tree")
    for path, data in source.objects.items():
        assert lines[path]["ref"] == source.url + path and "hash" not in lines[path]
        assert lines[path]["etag"] == hashlib.md5(data).hexdigest() and lines[path]["size"] == len(data)
    grid("datastore", "verify", "tree", code=0)
    grid("datastore", "verify", "tree", "--deep", code=0)
    grid("datastore", "download", "tree", tmp_path / "got", code=0)
    assert all((tmp_path / "got" / p).read_bytes() == data for p, data in source.objects.items())
    assert grid("datastore", "url", "tree", "a/1", code=0).out.strip() == source.url + "a/1"
    assert grid("datastore", "url", "tree", code=0).out.strip() == source.url
    files = {e["path"]: e for e in grid("datastore", "files", "tree", "--json", code=0).events}
    assert files["a/2"]["ref"] == source.url + "a/2"

    source.put("a/1", b"ONE")
    source.delete("a/2")
    source.put("new", b"!")
    found = grid("datastore", "verify", "tree", "--json", code=1).events
    assert {e["path"]: e["status"] for e in found} == {"a/1": "changed", "a/2": "missing", "b": "ok"}
    grid.create(source.url, "--no-copy")
    assert set(manifest(place, "tree", 2)) == {"a/1", "b", "new"}
    grid("datastore", "verify", "tree", code=0)
    assert grid.create_json(source.url, "--no-copy", "--if-changed").has_event("unchanged")
    grid.create(source.url, "--if-changed")  # it does not hold them yet
    check_copied(place, source, "tree", 3)


def test_references_keep_their_version(place, grid, tmp_path):
    """What is overwritten later is still what was referred to, where the bucket keeps versions."""
    source = Source(place.s3)
    place.s3.boto.put_bucket_versioning(Bucket=source.bucket, VersioningConfiguration={"Status": "Enabled"})
    source.put("a", b"first")
    grid.create(source.url, "--no-copy")
    assert manifest(place, "tree")["a"]["version_id"]
    source.put("a", b"second")
    grid("datastore", "verify", "tree", code=0)
    grid("datastore", "download", "tree", tmp_path / "got", code=0)
    assert (tmp_path / "got/a").read_bytes() == b"first"


def test_only_s3_can_be_referred_to(grid, tree):
    assert "--no-copy is for sources s3://" in grid.create(tree, "--no-copy", code=2).err


def test_references_from_a_folder(rgw, grid, tmp_path):  # noqa: F811
    """The store is a folder."""
    source = Source(rgw)
    source.put_all(some_objects(50))
    grid.env.update({**source.env(), "GRID_STORE": f"file://{tmp_path}/store"})
    grid.create(source.url, "--no-copy")
    assert sorted(os.listdir(grid.version("tree"))) == ["datastore.json", "manifest"]
    grid("datastore", "verify", "tree", code=0)
    source.put("dir0/file 0000.txt", b"another")
    assert "changed" in grid("datastore", "verify", "tree", code=1).out
