"""PutObject, CopyObject, GetObject, HeadObject, DeleteObject."""

import os
import re
from urllib.parse import unquote_to_bytes

import checksum
from bucket import Object, Slice
from call import document, http_date, iso_date, tag
from payload import Receiver
from s3error import S3Error
from wire import Answer

KEPT = ("content-type", "cache-control", "content-disposition", "content-language", "expires",
        "x-amz-storage-class", "x-amz-server-side-encryption", "x-amz-website-redirect-location")
MAX_META = 2048


def headers_to_keep(call):
    headers = call.request.headers
    kept = {name: headers[name] for name in KEPT if name in headers}
    coding = [c.strip() for c in headers.get("content-encoding", "").split(",")]
    coding = [c for c in coding if c and (c != "aws-chunked" or call.behaviour.stores_framing)]
    if coding:
        kept["content-encoding"] = ",".join(coding)
    meta = {n: v for n, v in headers.items() if n.startswith("x-amz-meta-")}
    if sum(len(n) - 11 + len(v) for n, v in meta.items()) > MAX_META:
        raise S3Error("MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size")
    for name, value in meta.items():
        kept[name if call.behaviour.meta_underscore else name.replace("_", "-")] = value
    return kept


def new_etag(call, md5_hex):
    return md5_hex if call.behaviour.etag == "md5" else os.urandom(16).hex()


def check_if_none_match(call, mode, bucket):
    """If-None-Match: * and If-Match of a write; called before the body and again at the commit."""
    value = call.header("if-none-match")
    if value is not None and mode == "501":
        raise S3Error("NotImplemented", "A header you provided implies functionality that is not implemented",
                      extra={"Header": "If-None-Match"})
    if mode != "honour":
        return
    present = bucket.objects.get(call.key)
    if value is not None and value != "*":
        raise S3Error("NotImplemented", "A header you provided implies functionality that is not implemented",
                      extra={"Header": "If-None-Match"})
    if value == "*" and present is not None:
        raise S3Error("PreconditionFailed", "At least one of the pre-conditions you specified did not hold",
                      extra={"Condition": "If-None-Match"})
    wanted = call.header("if-match")
    if wanted is not None and present is None:
        raise S3Error("NoSuchKey", "The specified key does not exist.", extra={"Key": call.key})
    if wanted is not None and wanted.strip('"') != present.etag:
        raise S3Error("PreconditionFailed", "At least one of the pre-conditions you specified did not hold",
                      extra={"Condition": "If-Match"})


async def receive(call, also=()):
    """The body into a new segment."""
    receiver = Receiver(call.request, call.body, call.identity, call.behaviour, also)
    call.check_quota(receiver.size())
    segment = call.server.media.new(receiver.size())
    try:
        payload = await receiver.receive(segment)
    finally:
        call.entry["bytes"] = receiver.payload.size
        segment.close()
    return segment, payload


def checksum_headers(checksums, kind):
    found = {f"x-amz-checksum-{name}": value for name, value in checksums.items()}
    if found and kind:
        found["x-amz-checksum-type"] = kind
    return found


def default_checksum(call):
    """AWS keeps a CRC64/NVME of what came without a checksum; computing it is left out here."""
    return ()


async def put_object(call):
    bucket, mode = call.find_bucket(), call.behaviour.if_none_match
    check_if_none_match(call, mode, bucket)
    headers = headers_to_keep(call)
    if call.behaviour.conflict_on_race and call.header("if-none-match") and bucket.writing.get(call.key):
        raise S3Error("ConditionalRequestConflict", "The conditional request cannot succeed due to a "
                      "conflicting operation against this resource.")
    bucket.writing[call.key] = bucket.writing.get(call.key, 0) + 1
    try:
        segment, payload = await receive(call)
        await call.before_commit()
    finally:
        bucket.writing[call.key] -= 1
    check_if_none_match(call, mode, bucket)
    made = Object([segment], new_etag(call, payload.md5.hex()), headers, call.now())
    made.checksums = {n: checksum.text(d) for n, d in payload.checksums.items()}
    made.checksum_type = "FULL_OBJECT" if made.checksums else None
    bucket.put(call.key, made)
    return Answer(headers={"ETag": f'"{made.etag}"', **checksum_headers(made.checksums, made.checksum_type)})


def copy_source(call):
    """The object that x-amz-copy-source names, its conditions checked."""
    path, _, version = call.header("x-amz-copy-source").partition("?versionId=")
    path = unquote_to_bytes(path).decode("utf-8", "replace")
    name, _, key = path.lstrip("/").partition("/")
    bucket = call.server.buckets.get(name)
    if bucket is None:
        raise S3Error("NoSuchBucket", "The specified bucket does not exist", extra={"BucketName": name})
    readable = bucket.owner == call.user().account or name in call.behaviour.public_buckets
    if not readable or name in call.behaviour.denied_buckets:
        raise S3Error("AccessDenied", "Access Denied")
    call.check_payer(bucket)
    found = bucket.objects.get(key)
    if found is None:
        raise S3Error("NoSuchKey", "The specified key does not exist.", extra={"Key": key})
    if version not in ("", "null"):  # versioning is never enabled here
        raise S3Error("NoSuchVersion", "The specified version does not exist.",
                      extra={"Key": key, "VersionId": version})
    wanted = call.header("x-amz-copy-source-if-match")
    if wanted is not None and call.behaviour.copy_if_match and wanted.strip('"') != found.etag:
        raise S3Error("PreconditionFailed", "At least one of the pre-conditions you specified did not hold",
                      extra={"Condition": "x-amz-copy-source-If-Match"})
    return name, key, found


def copy_result(call, root, etag, checksums=()):
    mark = '"' if call.behaviour.copy_etag_quoted else ""
    inner = tag("LastModified", iso_date(call.now())) + tag("ETag", f"{mark}{etag}{mark}")
    inner += "".join(tag("Checksum" + n.upper(), v) for n, v in dict(checksums).items())
    return Answer(body=document(root, inner), headers={"Content-Type": "application/xml"})


async def copy_object(call):
    bucket = call.find_bucket()
    check_if_none_match(call, call.behaviour.if_none_match, bucket)
    source_bucket, source_key, source = copy_source(call)
    directive = call.header("x-amz-metadata-directive", "COPY")
    if directive not in ("COPY", "REPLACE"):
        raise S3Error("InvalidArgument", "Unknown metadata directive.",
                      extra={"ArgumentName": "x-amz-metadata-directive", "ArgumentValue": directive})
    replace = directive == "REPLACE"
    if (source_bucket, source_key) == (bucket.name, call.key) and not replace:
        raise S3Error("InvalidRequest", "This copy request is illegal because it is trying to copy an object "
                      "to itself without changing the object's metadata")
    if source.size > 5 << 30:
        raise S3Error("InvalidRequest", "The specified copy source is larger than the maximum allowable size "
                      "for a copy source: 5368709120")
    call.check_quota(source.size)
    headers = headers_to_keep(call) if replace else dict(source.headers)
    await call.before_commit()
    etag = source.etag if "-" not in source.etag else new_etag(call, os.urandom(16).hex())
    made = Object(source.segments, etag, headers, call.now())
    if source.checksum_type == "FULL_OBJECT":
        made.checksums, made.checksum_type = dict(source.checksums), source.checksum_type
    bucket.put(call.key, made)
    return copy_result(call, "CopyObjectResult", etag, made.checksums)


def parse_range(value, size):
    """(start, length), or None for all of it."""
    found = re.fullmatch(r"bytes=(\d*)-(\d*)", value or "")
    if not found or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if first == "":
        start, end = max(0, size - int(last)), size
        if int(last) == 0:
            start = size
    else:
        start, end = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < start:
            return None
    if start >= size:
        raise S3Error("InvalidRange", "The requested range is not satisfiable",
                      extra={"RangeRequested": value, "ActualObjectSize": size},
                      headers={"Content-Range": f"bytes */{size}"})
    return start, end - start


def object_headers(call, found):
    headers = {"Last-Modified": http_date(found.modified), "ETag": f'"{found.etag}"', "Accept-Ranges": "bytes",
               "Content-Type": "binary/octet-stream"}
    for name, value in found.headers.items():
        headers["Content-Type" if name == "content-type" else name] = value
    if found.part_sizes:
        headers["x-amz-mp-parts-count"] = len(found.part_sizes) if "partNumber" in call.query else None
    return {n: v for n, v in headers.items() if v is not None}


async def get_object(call):
    bucket = call.find_bucket()
    found = bucket.objects.get(call.key)
    if found is None:
        user = call.user()
        if user is None or {"ListBucket", "ListObjectsV2"} & user.deny:
            raise S3Error("AccessDenied", "Access Denied")
        raise S3Error("NoSuchKey", "The specified key does not exist.", extra={"Key": call.key})
    if call.header("if-match") is not None and call.header("if-match").strip('"') not in (found.etag, "*"):
        raise S3Error("PreconditionFailed", "At least one of the pre-conditions you specified did not hold",
                      extra={"Condition": "If-Match"})
    headers = object_headers(call, found)
    if call.header("if-none-match", "").strip('"') in (found.etag, "*"):
        return Answer(304, headers=headers)
    part = parse_range(call.header("range"), found.size)
    if "partNumber" in call.query and found.part_sizes:
        number = call.number("partNumber", 1)
        part = sum(found.part_sizes[:number - 1]), found.part_sizes[number - 1]
    status, (start, length) = (206, part) if part else (200, (0, found.size))
    if part:
        headers["Content-Range"] = f"bytes {start}-{start + length - 1}/{found.size}"
    elif call.header("x-amz-checksum-mode", "").upper() == "ENABLED" and call.behaviour.checksums:
        headers.update(checksum_headers(found.checksums, found.checksum_type))
    pieces = found.read(start, length) if call.request.method == "GET" else None
    return Answer(status, headers=headers, pieces=pieces, length=length)


async def delete_object(call):
    bucket = call.find_bucket()
    await call.before_commit()
    bucket.delete(call.key)
    return Answer(204)


def slice_of(found, value):
    """The segments of x-amz-copy-source-range."""
    if value is None:
        return list(found.segments)
    match = re.fullmatch(r"bytes=(\d+)-(\d+)", value)
    if not match or int(match[2]) < int(match[1]):
        raise S3Error("InvalidArgument", "The x-amz-copy-source-range value must be of the form "
                      "bytes=first-last where first and last are the zero-based offsets")
    first, last = map(int, match.groups())
    if last >= found.size:
        raise S3Error("InvalidArgument", f"Range specified is not valid for source object of size: {found.size}")
    if found.size <= 5 << 20:
        raise S3Error("InvalidRequest", "The specified copy source is not supported as a byte-range copy source")
    return [Slice(found.segments, first, last - first + 1)]
