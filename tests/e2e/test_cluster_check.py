"""`grid cluster check`: every check by name, on stores that are well and on stores that are not."""

import json
import os
import re

import pytest

from gridtest import write
from s3servers import fake, rgw, rgw_tls, s3  # noqa: F401
from test_s3 import Bucket, needs_s3, on_fake, store  # noqa: F401

pytestmark = pytest.mark.fast

WHOLE = ["dns", "credentials", "clock", "bucket", "region", "list", "write", "read", "multipart", "checksums",
         "conditional", "listing lag", "throughput", "delete"]
STATE = ["state", "state space", "state locks"]


def check(grid, *arguments, code, **more):
    """{check: line}, and the order of the checks."""
    lines = grid("cluster", "check", *arguments, "--json", code=code, **more).events
    assert all(line["message"] for line in lines)
    return {line["check"]: line for line in lines}, [line["check"] for line in lines]


def results(found):
    return {name: line["result"] for name, line in found.items()}


def nothing_is_left(place):
    assert [k for k in place.keys() if k.startswith(".grid-probe")] == []
    assert place.s3.open_uploads(place.bucket) == []


# ---- stores that are well

@needs_s3
def test_a_store_that_is_well(store, grid):  # noqa: F811
    found, order = check(grid, code=0)
    first = "tls" if store.s3.endpoint.startswith("https") else "connection"
    assert order == ["dns", first, *WHOLE[1:], *STATE]
    told = results(found)
    assert not [name for name, result in told.items() if result == "fails"]
    assert told.pop("connection", "note") == "note"
    notes = {name for name, result in told.items() if result == "note"}
    assert notes == ({"conditional"} if store.s3.kind == "fake" and "minio2019" in str(store.s3.command) else set())
    assert store.s3.access_key in found["credentials"]["message"]
    assert re.search(r"\d.*/s up, .*\d.*/s down", found["throughput"]["message"])
    nothing_is_left(store)


@needs_s3
def test_in_words(on_fake, grid):  # noqa: F811
    on_fake()
    done = grid("cluster", "check", code=0)
    for name in ("dns", "credentials", "throughput", "delete"):
        assert re.search(rf"^ok     {name} ", done.out, re.M), done
    assert "Version" not in done.out, "no policy where nothing is denied"


@needs_s3
def test_what_it_has_found_is_kept(on_fake, grid, tree):  # noqa: F811
    """An old note does not count for it; the next upload need not probe."""
    place = on_fake("mock")
    write(tree, "a", "x")
    found, _ = check(grid, code=0)
    assert results(found)["checksums"] == results(found)["conditional"] == "note"
    place.s3.options(**{name: True for name in ("signatures", "sha256_checked", "chunks_checked", "md5_checked",
                                                "checksums")}, stores_framing=False, if_none_match="honour")
    found, _ = check(grid, code=0)
    assert results(found)["checksums"] == results(found)["conditional"] == "ok"
    before = len(place.s3.log("test"))
    grid.create(tree)
    assert not [e for e in place.s3.log("test")[before:] if ".grid-probe" in (e["key"] or "")]


@needs_s3
def test_a_cluster_by_its_name(on_fake, grid):  # noqa: F811
    place = on_fake()
    for name in [n for n in grid.env if n.startswith(("AWS_", "GRID_STORE"))]:
        del grid.env[name]
    grid("login", "--cluster", "lab", "--store", "s3://test/sets", "--endpoint", place.s3.endpoint, "--username",
         place.s3.access_key, "--key", place.s3.secret, code=0)
    grid("user", "set-cluster-context", "local", code=0)
    assert "folder" in check(grid, code=0)[1]
    assert "bucket" in check(grid, "lab", code=0)[1]
    assert "bucket" in check(grid, "--cluster", "lab", code=0)[1]
    assert "laboratory" in grid("cluster", "check", "laboratory", code=2).err


# ---- stores that are not

def policy_of(found):
    return json.loads(found["policy"]["policy"])


@needs_s3
@pytest.mark.parametrize("env, code, failing, words", [
    ({"AWS_SECRET_ACCESS_KEY": "wrong"}, 77, "credentials", "SignatureDoesNotMatch"),
    ({"AWS_ACCESS_KEY_ID": "AKIAUNKNOWN"}, 77, "credentials", "InvalidAccessKeyId"),
    ({"AWS_ACCESS_KEY_ID": ""}, 77, "credentials", "half of a key pair"),
    ({"GRID_STORE": "s3://not-there"}, 1, "bucket", "NoSuchBucket"),
    ({"AWS_ENDPOINT_URL_S3": "http://nowhere.invalid"}, 1, "dns", "nowhere.invalid"),
    ({"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1"}, 1, "connection", "127.0.0.1:1 cannot be reached"),
    ({"AWS_CA_BUNDLE": "/dev/null"}, 0, None, None)])
def test_what_fails_is_named(on_fake, grid, env, code, failing, words):  # noqa: F811
    on_fake()
    found, order = check(grid, code=code, env=env)
    assert [name for name in order if found[name]["result"] == "fails"] == ([failing] if failing else [])
    if failing:
        assert words in found[failing]["message"]
        assert order[-3:] == STATE and order[-4] == failing, "nothing more is asked"


@needs_s3
def test_tls_that_is_not_trusted(on_fake, grid):  # noqa: F811
    place = on_fake(tls=True)
    assert check(grid, code=0)[0]["tls"]["result"] == "ok"
    del grid.env["AWS_CA_BUNDLE"]
    found, order = check(grid, code=1)
    assert found["tls"]["result"] == "fails" and "--ca-file" in found["tls"]["message"] and "credentials" not in found
    found, _ = check(grid, code=1, env={"AWS_ENDPOINT_URL_S3": place.s3.endpoint.replace("https", "http")})
    assert "https" in found["connection"]["message"]


@needs_s3
@pytest.mark.parametrize("offset_s, result, code", [(30, "ok", 0), (-300, "note", 0), (7200, "fails", 1)])
def test_a_clock_that_is_off(on_fake, grid, offset_s, result, code):  # noqa: F811
    on_fake(f"clock_offset_s={offset_s}")
    found, _ = check(grid, code=code)
    assert found["clock"]["result"] == result
    assert results(found)["write"] == "ok", "grid makes up for it"
    if result != "ok":
        assert ("behind" if offset_s > 0 else "ahead of") in found["clock"]["message"]
        assert "timedatectl" in found["clock"]["hint"]


@needs_s3
def test_a_bucket_elsewhere(on_fake, grid):  # noqa: F811
    place = on_fake()
    place.s3.bucket("elsewhere", region="eu-central-1")
    found, _ = check(grid, code=0, env={"GRID_STORE": "s3://elsewhere"})
    assert found["region"]["result"] == "note"
    assert "eu-central-1" in found["region"]["message"] and "us-east-1" in found["region"]["message"]


ACTIONS = {"s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"}


@needs_s3
def test_who_may_only_read(store, grid):  # noqa: F811
    """A user of that name on the gateway; buckets that are read only on the fake."""
    env = {}
    if store.s3.kind == "rgw":
        key, secret = store.s3.reader
        env = {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}
        store.s3.boto.put_bucket_policy(Bucket=store.bucket, Policy=json.dumps({
            "Version": "2012-10-17", "Statement": [{
                "Effect": "Allow", "Principal": {"AWS": ["arn:aws:iam:::user/reader"]}, "Action": ["s3:*"],
                "Resource": [f"arn:aws:s3:::{store.bucket}", f"arn:aws:s3:::{store.bucket}/*"]}]}))
    else:
        store.s3.options(read_only_buckets=[store.bucket])
    found, order = check(grid, code=77, env=env)
    assert found["write"]["result"] == "fails" and found["write"]["hint"]
    assert results(found)["list"] == results(found)["credentials"] == "ok" and "multipart" not in order
    of_bucket, of_objects = policy_of(found)["Statement"]
    assert of_bucket["Resource"] == f"arn:aws:s3:::{store.bucket}"
    assert of_bucket["Condition"] == {"StringLike": {"s3:prefix": "some/prefix/*"}}
    assert of_objects["Resource"] == f"arn:aws:s3:::{store.bucket}/some/prefix/*"
    assert set(of_objects["Action"]) == ACTIONS
    assert "s3:PutObject" in grid("cluster", "check", code=77, env=env).out


@needs_s3
@pytest.mark.parametrize("denied, failing", [
    (["ListObjectsV2"], "list"), (["GetObject"], "read"), (["DeleteObjects"], "delete")])
def test_a_single_permission(on_fake, grid, denied, failing):  # noqa: F811
    place = on_fake()
    place.s3.user("AKIADENIED", deny=denied)
    found, _ = check(grid, code=77, env={"AWS_ACCESS_KEY_ID": "AKIADENIED"})
    told = results(found)
    assert [name for name, result in told.items() if result == "fails"][0] == failing
    assert told["write"] == "ok" and policy_of(found)


@needs_s3
def test_listings_that_lag(on_fake, grid):  # noqa: F811
    on_fake("list_lag_s=1")
    found, _ = check(grid, code=0)
    assert found["listing lag"]["result"] == "note" and "after about" in found["listing lag"]["message"]


@needs_s3
def test_a_store_that_refuses_for_now(on_fake, grid):  # noqa: F811
    place = on_fake()
    place.s3.faults({"op": "UploadPart", "fault": "error", "code": "NotImplemented", "status": 501})
    found, _ = check(grid, code=1)
    assert found["multipart"]["result"] == "fails" and "501" in found["multipart"]["message"]
    place.s3.faults()
    nothing_is_left(place)


@needs_s3
def test_leftovers_of_probes_that_were_killed(on_fake, grid):  # noqa: F811
    place = on_fake()
    old = f"{place.prefix}.grid-probe/0123456789abcdef"
    place.s3.boto.put_object(Bucket="test", Key=old, Body=b"x")
    place.s3.boto.create_multipart_upload(Bucket="test", Key=old)
    found, order = check(grid, code=0)
    assert "leftovers" not in order, "they may be another's, at work"
    place.s3.options(clock_offset_s=3700)
    found, _ = check(grid, code=1)  # the clock
    assert found["leftovers"]["message"].startswith("2 ")
    place.s3.options(clock_offset_s=0)
    nothing_is_left(place)


# ---- folders

def test_a_folder(grid):
    found, order = check(grid, code=0)
    assert order == ["folder", "write", "space", "locks", "fsync", "exclusive", "rename", "throughput", *STATE]
    assert set(results(found).values()) <= {"ok", "note"}
    assert "made when it is needed" in found["folder"]["message"] and not grid.store.exists()
    grid.store.mkdir(parents=True)
    assert "is there" in check(grid, code=0)[0]["folder"]["message"]
    assert list(grid.store.iterdir()) == [], "what it made is gone"


def test_a_folder_that_may_not_be_written(grid, tmp_path):
    if os.geteuid() == 0:
        grid.prefix = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
    (tmp_path / "closed").mkdir(mode=0o555)
    found, order = check(grid, code=77, env={"GRID_STORE": f"file://{tmp_path}/closed"})
    assert found["write"]["result"] == "fails" and str(tmp_path / "closed") in found["write"]["message"]
    assert "space" not in order


def test_a_folder_that_cannot_be_made(grid):
    """Its name tells nothing, nor do permissions: /proc takes no folders from anybody."""
    found, order = check(grid, code=1, env={"GRID_STORE": "file:///proc/nope"})
    assert found["folder"]["result"] == "fails" and "/proc/nope" in found["folder"]["message"]
    assert order == ["folder", *STATE]


def test_a_folder_that_is_a_file(grid, tmp_path):
    write(tmp_path, "file", "x")
    found, _ = check(grid, code=1, env={"GRID_STORE": f"file://{tmp_path}/file"})
    assert found["folder"]["result"] == "fails"
