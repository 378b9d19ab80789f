"""The fake server's semantics, seen by boto3; and how other stores are played."""

import hashlib
import socket
import time

import checksum
import pytest
from botocore.exceptions import ClientError
from rawclient import Client, read_answer

MIB = 1 << 20
PART = 5 * MIB


def error(call, *arguments, **more):
    with pytest.raises(ClientError) as caught:
        call(*arguments, **more)
    return caught.value.response["Error"]["Code"]


@pytest.fixture
def s(fake):
    return fake()


@pytest.fixture
def b(s):
    return s.boto


NAMES = ["a", "a b", "a+b", "a%20b", "ü/日本", "x//y", "a&b=c?d#e", "~!@$^*()_-'\",.;:|\\{}[]`<>", "\U0001f600",
         "trailing/", ".", "../up", "k" * 1024]


def test_names(s, b):
    for i, name in enumerate(NAMES):
        b.put_object(Bucket="test", Key=name, Body=name.encode())
    assert s.objects("test") == {n: len(n.encode()) for n in NAMES}
    for name in NAMES:
        assert s.read("test", name) == name.encode()
        assert b.head_object(Bucket="test", Key=name)["ContentLength"] == len(name.encode())
    assert error(b.put_object, Bucket="test", Key="k" * 1025, Body=b"") == "KeyTooLongError"
    left = [{"Key": n} for n in NAMES]
    assert len(b.delete_objects(Bucket="test", Delete={"Objects": left})["Deleted"]) == len(NAMES)
    assert s.objects("test") == {}


def test_control_characters(s, b):
    """As keys they are fine; in a list only encoded; DeleteObjects cannot name them."""
    b.put_object(Bucket="test", Key="a\x01b\n", Body=b"x")
    assert list(s.objects("test")) == ["a\x01b\n"]
    answer = Client(s).put("/test?list-type=2", b"", method="GET")
    assert b"a&#x1;b&#xa;" in answer.body
    document = b"<Delete><Object><Key>a&#x1;b</Key></Object></Delete>"
    md5 = hashlib.md5(document).digest()
    import base64
    answer = Client(s).put("/test?delete=", document, method="POST",
                           headers={"Content-MD5": base64.b64encode(md5).decode()})
    assert answer.code == "MalformedXML"


def test_put_get(s, b):
    data = bytes(range(256)) * 5000
    put = b.put_object(Bucket="test", Key="k", Body=data, ContentType="text/x", Metadata={"a_b": "c"},
                       ContentEncoding="gzip", StorageClass="STANDARD_IA")
    assert put["ETag"] == f'"{hashlib.md5(data).hexdigest()}"'
    got = b.get_object(Bucket="test", Key="k")
    assert got["Body"].read() == data and got["ContentType"] == "text/x" and got["Metadata"] == {"a_b": "c"}
    assert got["ContentEncoding"] == "gzip" and abs(got["LastModified"].timestamp() - time.time()) < 5
    assert error(b.get_object, Bucket="test", Key="no") == "NoSuchKey"
    assert error(b.get_object, Bucket="none", Key="k") == "NoSuchBucket"
    assert error(b.head_object, Bucket="test", Key="no") == "404"
    b.delete_object(Bucket="test", Key="k")
    b.delete_object(Bucket="test", Key="k")
    assert error(b.get_object, Bucket="test", Key="k") == "NoSuchKey"
    assert error(b.put_object, Bucket="test", Key="k", Body=b"", Metadata={"a": "x" * 2048}) == "MetadataTooLarge"


@pytest.mark.parametrize("text, expected", [
    ("bytes=0-0", (0, 1)), ("bytes=10-19", (10, 20)), ("bytes=990-", (990, 1000)), ("bytes=-5", (995, 1000)),
    ("bytes=990-5000", (990, 1000)), ("bytes=-5000", (0, 1000))])
def test_ranges(s, b, text, expected):
    data = bytes(i % 251 for i in range(1000))
    b.put_object(Bucket="test", Key="k", Body=data)
    got = b.get_object(Bucket="test", Key="k", Range=text)
    first, end = expected
    assert got["Body"].read() == data[first:end]
    assert got["ContentRange"] == f"bytes {first}-{end - 1}/1000"
    assert error(b.get_object, Bucket="test", Key="k", Range="bytes=1000-") == "InvalidRange"


def test_ranges_of_a_multipart_object(s, b, fake):
    for server in (s, fake(arguments=["--data", str(s.folder / "data")])):
        data = upload_parts(server.boto, "m", [PART, PART, 100])[1]
        for first, last in ((PART - 3, PART + 3), (0, 2 * PART + 99), (2 * PART, 2 * PART + 5), (7, 9)):
            got = server.boto.get_object(Bucket="test", Key="m", Range=f"bytes={first}-{last}")["Body"].read()
            assert got == data[first:last + 1]
        assert server.boto.head_object(Bucket="test", Key="m", PartNumber=3)["PartsCount"] == 3


def upload_parts(b, key, sizes, bucket="test", order=None, **more):
    """(answer of Complete, the object's bytes)"""
    upload = b.create_multipart_upload(Bucket=bucket, Key=key, **more)["UploadId"]
    blocks = {i + 1: bytes([65 + i % 26]) * size for i, size in enumerate(sizes)}
    etags = {}
    for number in order or blocks:
        etags[number] = b.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=number,
                                      Body=blocks[number])["ETag"]
    parts = [{"PartNumber": n, "ETag": etags[n]} for n in sorted(etags)]
    done = b.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts})
    return done, b"".join(blocks.values())


def test_multipart(s, b):
    done, data = upload_parts(b, "m", [PART, PART, 10], order=[3, 1, 2], Metadata={"t": "1"})
    md5 = hashlib.md5(b"".join(hashlib.md5(data[i:i + PART]).digest() for i in (0, PART, 2 * PART))).hexdigest()
    assert done["ETag"] == f'"{md5}-3"'
    head = b.head_object(Bucket="test", Key="m")
    assert head["ETag"] == done["ETag"] and head["Metadata"] == {"t": "1"}
    assert s.read("test", "m") == data
    assert s.uploads("test") == []


def test_a_part_is_replaced(s, b):
    upload = b.create_multipart_upload(Bucket="test", Key="m")["UploadId"]
    part = {"Bucket": "test", "Key": "m", "UploadId": upload, "PartNumber": 1}
    old, new = (b.upload_part(**part, Body=body)["ETag"] for body in (b"old", b"newer"))
    finish = {"Bucket": "test", "Key": "m", "UploadId": upload}
    assert error(b.complete_multipart_upload, **finish,
                 MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": old}]}) == "InvalidPart"
    assert b.list_parts(**finish)["Parts"][0]["Size"] == 5
    b.complete_multipart_upload(**finish, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": new}]})
    assert s.read("test", "m") == b"newer"


def test_what_complete_refuses(s, b):
    upload = b.create_multipart_upload(Bucket="test", Key="m")["UploadId"]
    it = {"Bucket": "test", "Key": "m", "UploadId": upload}
    e = {n: b.upload_part(**it, PartNumber=n, Body=b"small %d" % n)["ETag"] for n in (1, 2)}

    def complete(*parts, **more):
        return error(b.complete_multipart_upload, **{**it, **more}, MultipartUpload={
            "Parts": [{"PartNumber": n, "ETag": etag} for n, etag in parts]})
    assert complete((1, e[1]), (2, e[2])) == "EntityTooSmall"
    assert complete((2, e[2]), (1, e[1])) == "InvalidPartOrder"
    assert complete((1, e[1]), (1, e[1])) == "InvalidPartOrder"
    assert complete((1, e[1]), (3, e[2])) == "InvalidPart"
    assert complete((1, e[2])) == "InvalidPart"
    assert complete() == "MalformedXML"
    assert complete((1, e[1]), UploadId="0" * 32) == "NoSuchUpload"
    assert complete((1, e[1]), Key="other") == "NoSuchUpload"
    assert error(b.upload_part, **it, PartNumber=10001, Body=b"") == "InvalidArgument"
    assert error(b.upload_part, **it, PartNumber=0, Body=b"") == "InvalidArgument"
    assert error(b.upload_part, **{**it, "UploadId": "x"}, PartNumber=1, Body=b"") == "NoSuchUpload"
    assert s.objects("test") == {}
    b.abort_multipart_upload(**it)
    assert error(b.list_parts, **it) == "NoSuchUpload" == error(b.abort_multipart_upload, **it)


def test_complete_twice(s, b, fake):
    def twice(server):
        boto = server.boto
        upload = boto.create_multipart_upload(Bucket="test", Key="m")["UploadId"]
        it = {"Bucket": "test", "Key": "m", "UploadId": upload}
        parts = {"Parts": [{"PartNumber": 1, "ETag": boto.upload_part(**it, PartNumber=1, Body=b"x")["ETag"]}]}
        first = boto.complete_multipart_upload(**it, MultipartUpload=parts)
        return first, lambda **other: boto.complete_multipart_upload(**{**it, **other}, MultipartUpload=parts)
    first, again = twice(s)
    assert again()["ETag"] == first["ETag"]
    assert error(twice(fake("minio"))[1]) == "NoSuchUpload"
    first, again = twice(fake("rgw"))
    assert first["ETag"] == "" and again(UploadId="bogus")["ETag"] != ""
    assert error(again, Key="other") == "InternalError"


def test_lists_of_parts(s, b):
    upload = b.create_multipart_upload(Bucket="test", Key="m")["UploadId"]
    it = {"Bucket": "test", "Key": "m", "UploadId": upload}
    numbers = [1, 2, 5, 9, 10000]
    for n in numbers:
        b.upload_part(**it, PartNumber=n, Body=b"x" * n)
    page = b.list_parts(**it, MaxParts=2)
    assert page["IsTruncated"] and page["NextPartNumberMarker"] == 2
    pages = b.get_paginator("list_parts").paginate(**it, PaginationConfig={"PageSize": 2})
    assert [(p["PartNumber"], p["Size"]) for page in pages for p in page["Parts"]] == [(n, n) for n in numbers]
    s.options(parts_truncated=False)
    page = b.list_parts(**it, MaxParts=2)
    assert "IsTruncated" not in page and len(page["Parts"]) == 5


def test_lists_of_uploads(s, b):
    made = [(key, b.create_multipart_upload(Bucket="test", Key=key)["UploadId"])
            for key in ["b/2", "a", "b/1", "b/1", "c d", "b/1"]]
    assert sorted(s.uploads("test")) == sorted(made)
    keys = [k for k, _ in s.uploads("test")]
    assert keys == sorted(keys)
    pages = b.get_paginator("list_multipart_uploads").paginate(Bucket="test", PaginationConfig={"PageSize": 2})
    assert sorted((u["Key"], u["UploadId"]) for page in pages for u in page["Uploads"]) == sorted(made)
    page = b.list_multipart_uploads(Bucket="test", Prefix="b/")
    assert [u["Key"] for u in page["Uploads"]] == ["b/1", "b/1", "b/1", "b/2"]
    page = b.list_multipart_uploads(Bucket="test", KeyMarker="b/1")
    assert [u["Key"] for u in page["Uploads"]] == ["b/2", "c d"]
    page = b.list_multipart_uploads(Bucket="test", Delimiter="/")
    assert [p["Prefix"] for p in page["CommonPrefixes"]] == ["b/"]
    s.options(uploads_by_exact_key=True)
    assert "Uploads" not in b.list_multipart_uploads(Bucket="test", Prefix="b/")
    assert len(b.list_multipart_uploads(Bucket="test", Prefix="b/1")["Uploads"]) == 3


def test_full_object_checksum(s):
    """boto3 of this age knows none: by raw requests."""
    client, crc = Client(s), checksum.crc
    create = client.put("/test/m?uploads=", b"", method="POST", headers={
        "x-amz-checksum-algorithm": "CRC32C", "x-amz-checksum-type": "FULL_OBJECT"})
    assert create.headers["x-amz-checksum-type"] == "FULL_OBJECT"
    upload = create.body.split(b"<UploadId>")[1].split(b"<")[0].decode()
    blocks = [b"a" * PART, b"b" * PART, b"c" * 7]
    inner = ""
    for n, block in enumerate(blocks, 1):
        text = checksum.text(crc("crc32c", block).to_bytes(4, "big"))
        answer = client.put(f"/test/m?partNumber={n}&uploadId={upload}", block, "UNSIGNED-PAYLOAD",
                            headers={"x-amz-checksum-crc32c": text})
        assert answer.headers["x-amz-checksum-crc32c"] == text
        inner += (f"<Part><PartNumber>{n}</PartNumber><ETag>{answer.headers['etag']}</ETag>"
                  f"<ChecksumCRC32C>{text}</ChecksumCRC32C></Part>")
    document = f"<CompleteMultipartUpload>{inner}</CompleteMultipartUpload>".encode()
    total = checksum.text(crc("crc32c", b"".join(blocks)).to_bytes(4, "big"))
    target = f"/test/m?uploadId={upload}"

    def complete(document, **headers):
        return client.put(target, document, method="POST",
                          headers={k.replace("_", "-"): v for k, v in headers.items()})
    full = {"x_amz_checksum_type": "FULL_OBJECT"}
    assert complete(document, x_amz_checksum_crc32c="AAAAAA==", **full).code == "BadDigest"
    assert complete(document, x_amz_checksum_type="COMPOSITE").code == "InvalidRequest"
    assert complete(document, x_amz_mp_object_size="1").code == "InvalidRequest"
    wrong_part = document.replace(b"<ChecksumCRC32C>", b"<ChecksumCRC32C>AAAAAA==</ChecksumCRC32C><X>", 1)
    assert complete(wrong_part.replace(b"</ChecksumCRC32C></Part>", b"</X></Part>", 1)).code == "InvalidPart"
    done = complete(document, x_amz_checksum_crc32c=total, **full)
    assert done.status == 200 and f"<ChecksumCRC32C>{total}</".encode() in done.body
    head = client.put("/test/m", b"", method="HEAD", headers={"x-amz-checksum-mode": "ENABLED"})
    assert head.headers["x-amz-checksum-crc32c"] == total


def test_composite_checksum(s, b):
    upload = b.create_multipart_upload(Bucket="test", Key="m", ChecksumAlgorithm="SHA256")["UploadId"]
    it = {"Bucket": "test", "Key": "m", "UploadId": upload}
    assert error(b.upload_part, **it, PartNumber=1, Body=b"x") == "InvalidRequest"
    part = b.upload_part(**it, PartNumber=1, Body=b"x", ChecksumAlgorithm="SHA256")
    wanted = {"PartNumber": 1, "ETag": part["ETag"]}
    assert error(b.complete_multipart_upload, **it, MultipartUpload={"Parts": [wanted]}) == "InvalidRequest"
    wanted["ChecksumSHA256"] = part["ChecksumSHA256"]
    done = b.complete_multipart_upload(**it, MultipartUpload={"Parts": [wanted]})
    assert done["ChecksumSHA256"].endswith("-1")


@pytest.mark.parametrize("algorithm, given", [(None, "crc32c"), ("CRC32", "crc32c")])
def test_checksum_of_a_part_whose_upload_has_another(s, algorithm, given):
    """As AWS has it; a part without any is taken."""
    client = Client(s)
    made = client.put("/test/m?uploads=", b"", method="POST", headers={
        "x-amz-checksum-algorithm": algorithm, "x-amz-checksum-type": "FULL_OBJECT"} if algorithm else {})
    upload = made.body.split(b"<UploadId>")[1].split(b"<")[0].decode()
    text = checksum.text(checksum.crc(given, b"part").to_bytes(4, "big"))
    target = f"/test/m?partNumber=1&uploadId={upload}"
    refused = client.put(target, b"part", headers={"x-amz-checksum-" + given: text})
    assert (refused.status, refused.code) == (400, "InvalidRequest")
    assert f"expected checksum Type: {(algorithm or 'null').lower()}, actual".encode() in refused.body
    refused = client.put_unsigned_trailer(target, [b"part"], "x-amz-checksum-" + given, text)
    assert (refused.status, refused.code) == (400, "InvalidRequest")
    assert client.put(target, b"part").status == 200


def test_checksum_kinds_that_do_not_fit(s):
    client = Client(s)
    for algorithm, kind in (("SHA256", "FULL_OBJECT"), ("CRC64NVME", "COMPOSITE"), ("MD5", "COMPOSITE")):
        answer = client.put("/test/m?uploads=", b"", method="POST", headers={
            "x-amz-checksum-algorithm": algorithm, "x-amz-checksum-type": kind})
        assert answer.code == "InvalidRequest"


def test_copies(s, b, fake):
    b.put_object(Bucket="test", Key="a ü", Body=b"x" * 100, Metadata={"m": "1"})
    etag = b.head_object(Bucket="test", Key="a ü")["ETag"]
    b.copy_object(Bucket="test", Key="c", CopySource={"Bucket": "test", "Key": "a ü"}, CopySourceIfMatch=etag)
    assert s.read("test", "c") == b"x" * 100 and b.head_object(Bucket="test", Key="c")["Metadata"] == {"m": "1"}
    b.copy_object(Bucket="test", Key="d", CopySource="test/c", MetadataDirective="REPLACE", Metadata={"n": "2"})
    assert b.head_object(Bucket="test", Key="d")["Metadata"] == {"n": "2"}
    assert error(b.copy_object, Bucket="test", Key="e", CopySource="test/c",
                 CopySourceIfMatch='"0"') == "PreconditionFailed"
    assert error(b.copy_object, Bucket="test", Key="e", CopySource="test/none") == "NoSuchKey"
    assert error(b.copy_object, Bucket="test", Key="c", CopySource="test/c") == "InvalidRequest"
    assert error(b.copy_object, Bucket="test", Key="e", CopySource="nowhere/c") == "NoSuchBucket"
    assert error(b.copy_object, Bucket="test", Key="e", CopySource="test/c",
                 MetadataDirective="MOVE") == "InvalidArgument"
    assert error(b.copy_object, Bucket="test", Key="e",
                 CopySource={"Bucket": "test", "Key": "c", "VersionId": "1"}) == "NoSuchVersion"
    b.put_object(Bucket="test", Key="a?versionId=+", Body=b"odd")
    b.copy_object(Bucket="test", Key="e", CopySource={"Bucket": "test", "Key": "a?versionId=+", "VersionId": "null"})
    assert s.read("test", "e") == b"odd"
    data = upload_parts(b, "big", [PART, PART])[1]
    upload = b.create_multipart_upload(Bucket="test", Key="p")["UploadId"]
    it = {"Bucket": "test", "Key": "p", "UploadId": upload}
    part = b.upload_part_copy(**it, PartNumber=1, CopySource="test/big",
                              CopySourceRange=f"bytes={MIB}-{MIB + PART - 1}")["CopyPartResult"]
    for wrong in (f"bytes=0-{2 * PART}", "bytes=5-4"):
        assert error(b.upload_part_copy, **it, PartNumber=2, CopySource="test/big",
                     CopySourceRange=wrong) == "InvalidArgument"
    assert error(b.upload_part_copy, **it, PartNumber=2, CopySource="test/c",
                 CopySourceRange="bytes=0-9") == "InvalidRequest"
    b.complete_multipart_upload(**it, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
    assert s.read("test", "p") == data[MIB:MIB + PART]


def test_requester_pays(fake):
    s = fake("requester_pays_buckets=[\"paid\"],public_buckets=[\"paid\"]")
    s.bucket("paid", owner="000000000009")
    owner = s.client(*s.user("testaccesskeyowner01", account="000000000009"))
    owner.put_object(Bucket="paid", Key="k", Body=b"x")
    b = s.boto
    assert error(b.get_object, Bucket="paid", Key="k") == "AccessDenied"
    assert error(b.copy_object, Bucket="test", Key="k", CopySource="paid/k") == "AccessDenied"
    assert b.get_object(Bucket="paid", Key="k", RequestPayer="requester")["Body"].read() == b"x"
    b.copy_object(Bucket="test", Key="k", CopySource="paid/k", RequestPayer="requester")
    assert b.list_objects_v2(Bucket="paid", RequestPayer="requester")["KeyCount"] == 1


def conditional_put(server, key, body=b"x", **headers):
    return Client(server).put(f"/test/{key}", body, headers={"If-None-Match": "*", **headers})


def test_conditional_put(fake):
    s = fake()
    assert conditional_put(s, "k").status == 200
    again = conditional_put(s, "k", b"other")
    assert (again.status, again.code) == (412, "PreconditionFailed")
    assert s.read("test", "k") == b"x"
    assert conditional_put(fake("swift"), "k").status == 501
    old = fake("minio2019")
    assert [conditional_put(old, "k", body).status for body in (b"1", b"2")] == [200, 200]
    assert old.read("test", "k") == b"2"


def test_conditional_put_has_one_winner(s):
    """All heads have been looked at, and half of each body, before the first body is whole."""
    client, sockets = Client(s), []
    for i in range(12):
        head = client.head("PUT", "/test/k", {"Content-Length": "100", "If-None-Match": "*"}, "UNSIGNED-PAYLOAD")
        c = socket.create_connection(client.at, timeout=10)
        c.sendall(head + b"%d" % (i % 10) * 50)
        sockets.append(c)
    deadline = time.monotonic() + 10
    while s.state()["in_flight"] < 12:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    for i, c in enumerate(sockets):
        c.sendall(b"%d" % (i % 10) * 50)
    answers = [read_answer(c) for c in sockets]
    winners = [i for i, answer in enumerate(answers) if answer.status == 200]
    assert len(winners) == 1 and {a.status for a in answers} == {200, 412}
    assert s.read("test", "k") == b"%d" % (winners[0] % 10) * 100


def test_conditional_complete(s, b):
    b.put_object(Bucket="test", Key="m", Body=b"first")
    upload = b.create_multipart_upload(Bucket="test", Key="m")["UploadId"]
    etag = b.upload_part(Bucket="test", Key="m", UploadId=upload, PartNumber=1, Body=b"x")["ETag"]
    document = (f"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part>"
                "</CompleteMultipartUpload>").encode()

    def complete():
        return Client(s).put(f"/test/m?uploadId={upload}", document, method="POST", headers={"If-None-Match": "*"})
    assert complete().status == 412
    s.options(if_none_match_complete="ignore")
    assert complete().status == 200


def test_lists_of_objects(s, b):
    keys = sorted(["a", "b/1", "b/2", "b/c/3", "c", "d+e f", "z/"] + [f"n/{i:04}" for i in range(2300)])
    for key in keys:
        b.put_object(Bucket="test", Key=key, Body=b"")
    assert list(s.objects("test")) == keys
    assert len(b.list_objects_v2(Bucket="test")["Contents"]) == 1000
    pages = list(b.get_paginator("list_objects_v2").paginate(Bucket="test", Delimiter="/",
                                                             PaginationConfig={"PageSize": 2}))
    assert [o["Key"] for p in pages for o in p.get("Contents", [])] == ["a", "c", "d+e f"]
    assert [o["Prefix"] for p in pages for o in p.get("CommonPrefixes", [])] == ["b/", "n/", "z/"]
    assert all(p["KeyCount"] <= 2 for p in pages)
    page = b.list_objects_v2(Bucket="test", Prefix="b/", Delimiter="/")
    assert [o["Key"] for o in page["Contents"]] == ["b/1", "b/2"]
    assert [o["Prefix"] for o in page["CommonPrefixes"]] == ["b/c/"]
    assert b.list_objects_v2(Bucket="test", StartAfter="n/2298")["Contents"][0]["Key"] == "n/2299"
    v1 = list(b.get_paginator("list_objects").paginate(Bucket="test"))
    assert [o["Key"] for p in v1 for o in p["Contents"]] == keys
    assert error(b.list_objects_v2, Bucket="test", ContinuationToken="?") == "InvalidArgument"


def test_space_as_plus_in_lists(fake):
    s = fake("minio2019")
    s.boto.put_object(Bucket="test", Key="a b+c", Body=b"")
    assert b"<Key>a+b%2Bc</Key>" in Client(s).put("/test?encoding-type=url&list-type=2", b"", method="GET").body


def test_a_list_that_lags(s, b):
    s.options(list_lag_s=0.5)
    b.put_object(Bucket="test", Key="k", Body=b"")
    assert s.objects("test") == {} and s.read("test", "k") == b""
    time.sleep(0.6)
    assert s.objects("test") == {"k": 0}


def test_batch_delete(s, b):
    for i in range(5):
        b.put_object(Bucket="test", Key=f"k{i}", Body=b"")
    done = b.delete_objects(Bucket="test", Delete={"Quiet": True, "Objects": [{"Key": "k0"}, {"Key": "none"}]})
    assert "Deleted" not in done and len(s.objects("test")) == 4
    assert Client(s).put("/test?delete=", b"<Delete><Object><Key>k1</Key></Object></Delete>",
                         method="POST").code == "InvalidRequest"
    too_many = [{"Key": str(i)} for i in range(1001)]
    assert error(b.delete_objects, Bucket="test", Delete={"Objects": too_many}) == "MalformedXML"


def test_buckets(fake):
    s = fake(region="eu-west-1", buckets=[])
    b = s.boto
    assert error(b.create_bucket, Bucket="new") == "IllegalLocationConstraintException"
    place = {"LocationConstraint": "eu-west-1"}
    b.create_bucket(Bucket="new", CreateBucketConfiguration=place)
    assert b.get_bucket_location(Bucket="new")["LocationConstraint"] == "eu-west-1"
    assert b.head_bucket(Bucket="new")["ResponseMetadata"]["HTTPHeaders"]["x-amz-bucket-region"] == "eu-west-1"
    assert error(b.create_bucket, Bucket="new", CreateBucketConfiguration=place) == "BucketAlreadyOwnedByYou"
    s.user("another", account="2")
    assert error(s.client("another").create_bucket, Bucket="new",
                 CreateBucketConfiguration=place) == "BucketAlreadyExists"
    assert error(s.client("another").head_bucket, Bucket="new") == "403"
    assert error(b.head_bucket, Bucket="none") == "404"
    assert error(b.head_bucket, Bucket="new", ExpectedBucketOwner="999999999999") == "403"
    for bad in ("Capitals", "a..b", "192.168.1.1", "under_score"):
        assert Client(s).put(f"/{bad}", b"").code == "InvalidBucketName"
    b.put_object(Bucket="new", Key="k", Body=b"")
    assert error(b.delete_bucket, Bucket="new") == "BucketNotEmpty"


def test_permissions(fake):
    s = fake(arguments=["--user", f"{'k' * 20}:secret", "--user", "reader:secret:000000000001:readonly"])
    owner, reader = s.client("k" * 20, "secret"), s.client("reader", "secret")
    owner.put_object(Bucket="test", Key="k", Body=b"x")
    assert reader.get_object(Bucket="test", Key="k")["Body"].read() == b"x"
    for call in (reader.put_object, reader.delete_object, reader.create_multipart_upload):
        assert error(call, Bucket="test", Key="k") == "AccessDenied"
    s.options(read_only_buckets=["test"])
    assert error(owner.put_object, Bucket="test", Key="k", Body=b"") == "AccessDenied"
    s.options(read_only_buckets=[], quota_bytes=10)
    assert error(owner.put_object, Bucket="test", Key="l", Body=b"x" * 10) == "QuotaExceeded"
    owner.put_object(Bucket="test", Key="l", Body=b"x" * 9)
    s.user("some", secret="secret", deny=["ListMultipartUploads"])
    assert error(s.client("some", "secret").list_multipart_uploads, Bucket="test") == "AccessDenied"


def test_virtual_host_style(fake):
    s = fake(buckets=["b.with.dots"])
    client = Client(s)
    from botocore.awsrequest import AWSRequest
    from botocore.auth import S3SigV4Auth
    host = f"b.with.dots.localhost:{s.port}"
    request = AWSRequest("PUT", f"http://{host}/a%20b", data=b"hi", headers={"Content-Length": "2"})
    S3SigV4Auth(client.keys, "s3", s.region).add_auth(request)
    lines = [f"PUT /a%20b HTTP/1.1\r\nHost: {host}", *(f"{k}: {v}" for k, v in request.headers.items())]
    assert client.send(("\r\n".join(lines) + "\r\n\r\n").encode(), b"hi").status == 200
    assert s.read("b.with.dots", "a b") == b"hi"


def test_tls(fake):
    s = fake(tls=True)
    s.boto.put_object(Bucket="test", Key="k", Body=b"x" * 3_000_000)
    assert s.read("test", "k") == b"x" * 3_000_000
    from botocore.exceptions import SSLError
    stranger = s.client(attempts=1)
    stranger._endpoint.http_session._verify = True
    with pytest.raises(SSLError):
        stranger.list_buckets()


def test_stores_without(fake):
    """What other stores do not know."""
    data = b"x" * 10000
    for profile, code in (("rgw", "XAmzContentSHA256Mismatch"), ("minio2019", "XAmzContentSHA256Mismatch"),
                          ("swift", "NotImplemented"), ("nochunked", "NotImplemented")):
        client = Client(fake(profile))
        wrong = client.put("/test/k", data, headers={"x-amz-checksum-crc32c": "AAAAAA=="})
        assert wrong.status == 200 and "x-amz-checksum-crc32c" not in wrong.headers
        trailer = client.put_unsigned_trailer("/test/k", [data], "x-amz-checksum-crc32c", "AAAAAA==")
        assert trailer.code == code, profile
        signed = client.put_chunks("/test/k", [data])
        assert signed.status == (501 if profile in ("swift", "nochunked") else 200)
    with_sums = (b"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>x</ETag><ChecksumCRC32C>AAAAAA=="
                 b"</ChecksumCRC32C></Part></CompleteMultipartUpload>")
    swift = Client(fake("swift"))
    upload = swift.server.boto.create_multipart_upload(Bucket="test", Key="m")["UploadId"]
    assert swift.put(f"/test/m?uploadId={upload}", with_sums, method="POST").code == "MalformedXML"


def test_part_sizes_of_other_stores(fake):
    assert error(lambda: upload_parts(fake("r2").boto, "m", [PART, PART + 1, 5])) == "InvalidPart"
    assert error(lambda: upload_parts(fake("storj").boto, "m", [PART, 5])) == "EntityTooSmall"
    upload_parts(fake("r2").boto, "m", [PART, PART, 5])


def test_rgw_oddities(fake):
    s = fake("rgw")
    s.boto.put_object(Bucket="test", Key="k", Body=b"x", Metadata={"a_b": "1"})
    assert s.boto.head_object(Bucket="test", Key="k")["Metadata"] == {"a-b": "1"}
    assert error(s.boto.list_parts, Bucket="test", Key="m", UploadId="x") == "NoSuchKey"
    copied = s.boto.copy_object(Bucket="test", Key="c", CopySource="test/k")["CopyObjectResult"]["ETag"]
    assert '"' not in copied
    assert b"<Message></Message>" in Client(s).put("/none/k", b"").body


def test_keep_alive_and_order(s):
    """Several requests through one connection, also after errors and with bodies left unread."""
    client = Client(s)
    with socket.create_connection(client.at, timeout=10) as c:
        for i in range(20):
            path = "/none/k" if i % 3 == 0 else "/test/k"
            c.sendall(client.head("PUT", path, {"Content-Length": "5000"}, "UNSIGNED-PAYLOAD") + b"x" * 5000)
            assert read_answer(c).status == (404 if i % 3 == 0 else 200)
    assert len({e["conn"] for e in s.recent_log("test")}) == 1


def test_expect_continue(s):
    client = Client(s)
    head = client.head("PUT", "/test/k", {"Content-Length": "3", "Expect": "100-continue"}, "UNSIGNED-PAYLOAD")
    with socket.create_connection(client.at, timeout=10) as c:
        c.sendall(head)
        assert read_answer(c).status == 100
        c.sendall(b"abc")
        assert read_answer(c).status == 200
    for i in range(3):  # botocore asks so, also for empty bodies, and uses the connection again
        start = time.monotonic()
        s.boto.put_object(Bucket="test", Key="empty", Body=b"")
        assert time.monotonic() - start < 5
    bad = Client(s, secret="wrong")
    head = bad.head("PUT", "/test/k", {"Content-Length": "3", "Expect": "100-continue"}, "UNSIGNED-PAYLOAD")
    assert bad.send(head).status == 403


def test_what_is_not_http(s):
    for junk in (b"nonsense\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET /test HTTP/1.1\r\nno colon\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", s.port), timeout=10) as c:
            c.sendall(junk)
            assert read_answer(c).status == 400
    chunked = b"PUT /test/k HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection(("127.0.0.1", s.port), timeout=10) as c:
        c.sendall(chunked)
        assert read_answer(c).status == 501
    assert Client(s).put("/test/%ff", b"").code == "InvalidURI"


def test_the_log(s, b):
    upload_parts(b, "m", [PART, 3])
    b.put_object(Bucket="test", Key="k", Body=b"12345")
    error(b.get_object, Bucket="test", Key="none")
    log = s.recent_log("test")
    parts = [e for e in log if e["op"] == "UploadPart"]
    assert [(e["partNumber"], e["bytes"], e["status"], e["done"]) for e in parts] == [
        (1, PART, 200, True), (2, 3, 200, True)]
    assert len({e["uploadId"] for e in parts}) == 1 and parts[0]["key"] == "m"
    put = next(e for e in log if e["op"] == "PutObject")
    assert put["bytes"] == 5 and put["start"] <= put["time"] <= time.time()
    assert (log[-1]["status"], log[-1]["code"]) == (404, "NoSuchKey")
    assert s.stored_bytes("test", prefix="m")[("m", 1)][0][1] == PART


def test_state_outlives_the_process(s, fake):
    keep = fake(arguments=["--data", str(s.folder / "data")])
    data = upload_parts(keep.boto, "m", [PART, 77])[1]
    upload = keep.boto.create_multipart_upload(Bucket="test", Key="o")["UploadId"]
    keep.boto.upload_part(Bucket="test", Key="o", UploadId=upload, PartNumber=1, Body=b"part")
    keep.stop()
    keep.start()
    assert keep.read("test", "m") == data
    assert keep.boto.list_parts(Bucket="test", Key="o", UploadId=upload)["Parts"][0]["Size"] == 4
    keep.boto.put_object(Bucket="test", Key="m", Body=b"new")
    assert keep.read("test", "m") == b"new"


def test_files_go_with_their_objects(s, fake):
    folder = s.folder / "data"
    server = fake(arguments=["--data", str(folder)])
    upload_parts(server.boto, "m", [PART, 77])
    server.boto.copy_object(Bucket="test", Key="c", CopySource="test/m")
    server.boto.delete_object(Bucket="test", Key="m")
    assert len(list(folder.iterdir())) == 2 and len(server.read("test", "c")) == PART + 77
    server.boto.delete_object(Bucket="test", Key="c")
    assert list(folder.iterdir()) == []
