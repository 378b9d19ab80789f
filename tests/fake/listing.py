"""ListObjectsV2 (and the old ListObjects), ListMultipartUploads, DeleteObjects, and the buckets' own verbs."""

import base64
import re
from urllib.parse import quote

from bucket import Bucket
from call import document, iso_date, tag
from multipart import malformed, read_document
from s3error import S3Error
from wire import Answer

XML = {"Content-Type": "application/xml"}
BUCKET_NAME = re.compile(r"(?!xn--|.*\.\.|\d+\.\d+\.\d+\.\d+$)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


class Shower:
    """How names are written: as they are, or as encoding-type=url says."""

    def __init__(self, call):
        kind = call.query.get("encoding-type")
        if kind is not None and kind != "url":
            raise S3Error("InvalidArgument", "Invalid Encoding Method specified in Request")
        self.encodes = kind == "url" and call.behaviour.list_encodes
        self.plus = call.behaviour.list_space_plus

    def __call__(self, name):
        if not self.encodes:
            return name
        coded = quote(name, safe="/-_.~*" if self.plus else "/-_.~")
        return coded.replace("%20", "+") if self.plus else coded

    def mark(self):
        return tag("EncodingType", "url") if self.encodes else ""


def page(keys, prefix, delimiter, most):
    """(keys, groups, last, truncated): one page of an ordered stream of (key, item)."""
    shown, groups, last = [], [], None
    for key, item in keys:
        group = None
        if delimiter:
            at = key.find(delimiter, len(prefix))
            group = key[:at + len(delimiter)] if at >= 0 else None
        if group is not None and groups and groups[-1] == group:
            last = group
            continue
        if len(shown) + len(groups) >= most:
            return shown, groups, last, True
        if group is None:
            shown.append((key, item))
            last = key
        else:
            groups.append(group)
            last = group
    return shown, groups, last, False


def visible(call, bucket, prefix, after, delimiter, resumed):
    """Keys after a marker; a page that ended with a group (it ends in the delimiter) is resumed after all of it."""
    lag = call.behaviour.list_lag_s
    newest = call.now() - lag if lag else None
    skip = after if resumed and delimiter and after.endswith(delimiter) else None
    for key in bucket.keys_from(prefix, after):
        found = bucket.objects[key]
        if (newest is None or found.modified <= newest) and not (skip and key.startswith(skip)):
            yield key, found


async def list_objects(call):
    bucket, query, show = call.find_bucket(), call.query, Shower(call)
    v2 = call.op == "ListObjectsV2"
    utf8 = lambda name: query.get(name, "").encode("latin-1").decode("utf-8", "replace")  # noqa: E731
    prefix, delimiter = utf8("prefix"), utf8("delimiter")
    most = call.number("max-keys", call.behaviour.max_keys, call.behaviour.max_keys)
    after = utf8("start-after") if v2 else utf8("marker")
    token = query.get("continuation-token")
    if v2 and token is not None:
        try:
            after = base64.b64decode(token, altchars=b"-_", validate=True).decode()
        except ValueError:
            raise S3Error("InvalidArgument", "The continuation token provided is incorrect") from None
    keys = visible(call, bucket, prefix, after, delimiter, resumed=token is not None or not v2)
    shown, groups, last, more = page(keys, prefix, delimiter, most)
    if most == 0:
        more = False
    inner = tag("Name", bucket.name) + tag("Prefix", show(prefix)) + tag("MaxKeys", most) + show.mark()
    inner += tag("Delimiter", show(delimiter)) if delimiter else ""
    inner += tag("IsTruncated", "true" if more else "false")
    if v2:
        inner += tag("KeyCount", len(shown) + len(groups))
        inner += tag("ContinuationToken", token) if token is not None else ""
        inner += tag("StartAfter", show(utf8("start-after"))) if query.get("start-after") else ""
        inner += tag("NextContinuationToken", base64.urlsafe_b64encode(last.encode()).decode()) if more else ""
    else:
        inner += tag("Marker", show(after)) + (tag("NextMarker", show(last)) if more and delimiter else "")
    inner += "".join(contents(key, found, show) for key, found in shown)
    inner += "".join(f"<CommonPrefixes>{tag('Prefix', show(g))}</CommonPrefixes>" for g in groups)
    return Answer(body=document("ListBucketResult", inner), headers=XML)


def contents(key, found, show):
    inner = tag("Key", show(key)) + tag("LastModified", iso_date(found.modified))
    inner += tag("ETag", f'"{found.etag}"')
    if found.checksums:
        inner += tag("ChecksumAlgorithm", next(iter(found.checksums)).upper())
        inner += tag("ChecksumType", found.checksum_type)
    return (f"<Contents>{inner}{tag('Size', found.size)}"
            f"{tag('StorageClass', found.headers.get('x-amz-storage-class', 'STANDARD'))}</Contents>")


async def list_uploads(call):
    bucket, query, show = call.find_bucket(), call.query, Shower(call)
    utf8 = lambda name: query.get(name, "").encode("latin-1").decode("utf-8", "replace")  # noqa: E731
    prefix, delimiter, key_marker = utf8("prefix"), utf8("delimiter"), utf8("key-marker")
    id_marker = query.get("upload-id-marker", "")
    most = call.number("max-uploads", 1000, 1000)
    exact = call.behaviour.uploads_by_exact_key
    ordered = [u for u in bucket.in_order()
               if (u.key == prefix if exact else u.key.startswith(prefix))]
    if key_marker:
        ids = [u.id for u in ordered if u.key == key_marker]
        done = set(ids[:ids.index(id_marker) + 1]) if id_marker in ids else set() if id_marker else set(ids)
        group = key_marker if delimiter and key_marker.endswith(delimiter) else None
        ordered = [u for u in ordered if u.key >= key_marker and u.id not in done
                   and not (group and u.key.startswith(group))]
    shown, groups, last, more = page(((u.key, u) for u in ordered), prefix, delimiter, most)
    inner = tag("Bucket", bucket.name) + tag("KeyMarker", show(key_marker)) + tag("UploadIdMarker", id_marker)
    if more:
        inner += tag("NextKeyMarker", show(last))
        inner += tag("NextUploadIdMarker", shown[-1][1].id if shown and shown[-1][0] == last else "")
    inner += tag("MaxUploads", most) + tag("IsTruncated", "true" if more else "false") + show.mark()
    inner += tag("Prefix", show(prefix)) + (tag("Delimiter", show(delimiter)) if delimiter else "")
    for key, upload in shown:
        fields = tag("Key", show(key)) + tag("UploadId", upload.id) + tag("StorageClass", "STANDARD")
        fields += tag("Initiated", iso_date(upload.initiated))
        if upload.algorithm:
            fields += tag("ChecksumAlgorithm", upload.algorithm.upper())
            fields += tag("ChecksumType", upload.checksum_type)
        inner += f"<Upload>{fields}</Upload>"
    inner += "".join(f"<CommonPrefixes>{tag('Prefix', show(g))}</CommonPrefixes>" for g in groups)
    return Answer(body=document("ListMultipartUploadsResult", inner), headers=XML)


async def delete_objects(call):
    bucket = call.find_bucket()
    root, payload = await read_document(call)
    if call.header("content-md5") is None and not payload.claimed:
        raise S3Error("InvalidRequest", "Missing required header for this request: Content-MD5 OR "
                      "x-amz-checksum-*")
    keys = [o.findtext("Key") for o in root if o.tag == "Object"]
    if root.tag != "Delete" or not 1 <= len(keys) <= 1000 or None in keys:
        raise malformed()
    quiet = (root.findtext("Quiet") or "").strip().lower() == "true"
    await call.before_commit()
    for key in keys:
        bucket.delete(key)
    call.entry["keys"] = keys
    inner = "" if quiet else "".join(f"<Deleted>{tag('Key', key)}</Deleted>" for key in keys)
    return Answer(body=document("DeleteResult", inner), headers=XML)


async def create_bucket(call):
    name, user = call.bucket_name, call.user()
    if user is None or user.read_only or "CreateBucket" in user.deny:
        raise S3Error("AccessDenied", "Access Denied")
    if not BUCKET_NAME.fullmatch(name):
        raise S3Error("InvalidBucketName", "The specified bucket is not valid.", extra={"BucketName": name})
    region = call.identity.region
    place = ""
    if call.body.length:
        root, _ = await read_document(call)
        place = root.findtext("LocationConstraint") or ""
    if place and place != region or (not place and region != "us-east-1"):
        raise S3Error("IllegalLocationConstraintException", f"The {place or 'unspecified'} location constraint "
                      "is incompatible for the region specific endpoint this request was sent to.")
    present = call.server.buckets.get(name)
    if present is not None and present.owner != user.account:
        raise S3Error("BucketAlreadyExists", "The requested bucket name is not available.")
    if present is not None and region != "us-east-1":
        raise S3Error("BucketAlreadyOwnedByYou", "Your previous request to create the named bucket succeeded "
                      "and you already own it.")
    await call.before_commit()
    if present is None:
        call.server.buckets[name] = Bucket(name, user.account, region, call.now())
    return Answer(headers={"Location": "/" + name})


async def head_bucket(call):
    bucket = call.find_bucket()
    return Answer(headers={"x-amz-bucket-region": bucket.region, "Content-Type": "application/xml"})


async def delete_bucket(call):
    bucket = call.find_bucket()
    if bucket.objects or bucket.uploads:
        raise S3Error("BucketNotEmpty", "The bucket you tried to delete is not empty")
    await call.before_commit()
    del call.server.buckets[bucket.name]
    return Answer(204)


async def bucket_location(call):
    region = call.find_bucket().region
    return Answer(body=document("LocationConstraint", "" if region == "us-east-1" else region), headers=XML)


async def bucket_versioning(call):
    call.find_bucket()
    return Answer(body=document("VersioningConfiguration", ""), headers=XML)


async def list_buckets(call):
    user = call.user()
    if user is None:
        raise S3Error("AccessDenied", "Access Denied")
    inner = f"<Owner>{tag('ID', user.account)}</Owner><Buckets>"
    for bucket in sorted(call.server.buckets.values(), key=lambda b: b.name):
        if bucket.owner == user.account:
            inner += f"<Bucket>{tag('Name', bucket.name)}{tag('CreationDate', iso_date(bucket.created))}</Bucket>"
    return Answer(body=document("ListAllMyBucketsResult", inner + "</Buckets>"), headers=XML)
