"""The operations of a multipart upload, from its creation to its completion or abort."""

import hashlib
import xml.etree.ElementTree as xml

import checksum
from bucket import Object, Part, Upload
from call import document, http_date, iso_date, tag
from objects import (check_if_none_match, checksum_headers, copy_result, copy_source, headers_to_keep, new_etag,
                     receive, slice_of)
from s3error import S3Error
from wire import Answer

XML = {"Content-Type": "application/xml"}
MAX_PARTS = 10_000


async def create(call):
    bucket = call.find_bucket()
    upload = Upload(call.key, headers_to_keep(call), call.now(), call.user().account)
    answer_headers = dict(XML)
    if call.behaviour.checksums:
        set_checksum(call, upload)
        if upload.algorithm:
            answer_headers["x-amz-checksum-algorithm"] = upload.algorithm.upper()
            answer_headers["x-amz-checksum-type"] = upload.checksum_type
    answer_headers.update(sweep_headers(call, upload))
    await call.before_commit()
    bucket.uploads[upload.id] = upload
    call.entry["uploadId"] = upload.id
    inner = tag("Bucket", bucket.name) + tag("Key", call.key) + tag("UploadId", upload.id)
    return Answer(body=document("InitiateMultipartUploadResult", inner), headers=answer_headers)


def sweep_headers(call, upload):
    """A lifecycle rule removes it: said by CreateMultipartUpload and ListParts."""
    if not call.behaviour.abort_days:
        return {}
    return {"x-amz-abort-date": http_date(upload.initiated + 86400 * call.behaviour.abort_days),
            "x-amz-abort-rule-id": "sweep"}


def set_checksum(call, upload):
    name, kind = call.header("x-amz-checksum-algorithm"), call.header("x-amz-checksum-type")
    if name is None:
        if kind is not None:
            raise S3Error("InvalidRequest", "The x-amz-checksum-type header can only be used with the "
                          "x-amz-checksum-algorithm header.")
        return
    if name.lower() not in checksum.ALGORITHMS:
        raise S3Error("InvalidRequest", "Checksum algorithm provided is unsupported. Please try again with "
                      "any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]")
    upload.algorithm = name.lower()
    default = "FULL_OBJECT" if upload.algorithm == "crc64nvme" else "COMPOSITE"
    upload.checksum_type = kind or default
    wrong = (upload.checksum_type == "FULL_OBJECT" and upload.algorithm in ("sha1", "sha256")) or (
        upload.checksum_type == "COMPOSITE" and upload.algorithm == "crc64nvme")
    if wrong or upload.checksum_type not in ("FULL_OBJECT", "COMPOSITE"):
        raise S3Error("InvalidRequest", f"The {upload.checksum_type} checksum type cannot be used with the "
                      f"{upload.algorithm} checksum algorithm.")


def part_number(call):
    number = call.number("partNumber", 0)
    if not 1 <= number <= MAX_PARTS:
        raise S3Error("InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive",
                      extra={"ArgumentName": "partNumber", "ArgumentValue": number})
    return number


async def upload_part(call):
    bucket = call.find_bucket()
    number = part_number(call)
    upload = bucket.upload(call.query["uploadId"], call.key)
    also = (upload.algorithm,) if upload.algorithm else ()
    segment, payload = await receive(call, also)
    if upload.algorithm and upload.checksum_type == "COMPOSITE" and upload.algorithm not in payload.claimed:
        given = next(iter(payload.claimed), "null")
        raise S3Error("InvalidRequest", "Checksum Type mismatch occurred, expected checksum Type: "
                      f"{upload.algorithm}, actual checksum Type: {given}")
    for given in payload.claimed - {upload.algorithm}:  # "null": it was created without one
        raise S3Error("InvalidRequest", "Checksum Type mismatch occurred, expected checksum Type: "
                      f"{upload.algorithm or 'null'}, actual checksum Type: {given}")
    await call.before_commit()
    bucket.upload(upload.id, call.key)  # aborted or completed meanwhile?
    part = Part([segment], payload.md5, new_etag(call, payload.md5.hex()), call.now())
    part.checksums = payload.checksums
    upload.parts[number] = part
    echoed = {n: checksum.text(d) for n, d in part.checksums.items()}
    return Answer(headers={"ETag": f'"{part.etag}"', **checksum_headers(echoed, None)})


async def upload_part_copy(call):
    bucket = call.find_bucket()
    number = part_number(call)
    upload = bucket.upload(call.query["uploadId"], call.key)
    segments = slice_of(copy_source(call)[2], call.header("x-amz-copy-source-range"))
    size = sum(s.size for s in segments)
    if size > 5 << 30:
        raise S3Error("InvalidRequest", "The specified copy source is larger than the maximum allowable size")
    call.check_quota(size)
    md5, sums = hashlib.md5(), {upload.algorithm: checksum.new(upload.algorithm)} if upload.algorithm else {}
    for segment in segments:
        for data in segment.read(0, segment.size):
            md5.update(data)
            for each in sums.values():
                each.update(data)
    await call.before_commit()
    bucket.upload(upload.id, call.key)
    part = Part(segments, md5.digest(), new_etag(call, md5.hexdigest()), call.now())
    part.checksums = {n: each.digest() for n, each in sums.items()}
    upload.parts[number] = part
    return copy_result(call, "CopyPartResult", part.etag, {n: checksum.text(d) for n, d in part.checksums.items()})


async def read_document(call, most=4 << 20):
    """The body as XML, without namespaces."""
    if call.body.length > most:
        raise S3Error("MalformedXML", "The XML you provided was too large")
    from payload import Receiver
    sink = bytearray()
    receiver = Receiver(call.request, call.body, call.identity, call.behaviour)

    class Collect:
        write = staticmethod(sink.extend)

    if call.op == "CompleteMultipartUpload":  # there the checksum header is the object's
        receiver.claims, receiver.sums = {}, {}
    payload = await receiver.receive(Collect)
    try:
        root = xml.fromstring(bytes(sink))
    except xml.ParseError:
        raise S3Error("MalformedXML", "The XML you provided was not well-formed or did not validate against "
                      "our published schema") from None
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root, payload


def malformed():
    return S3Error("MalformedXML", "The XML you provided was not well-formed or did not validate against our "
                   "published schema")


async def complete(call):
    bucket, b = call.find_bucket(), call.behaviour
    root, _ = await read_document(call)
    if root.tag != "CompleteMultipartUpload":
        raise malformed()
    wanted = [parse_wanted(call, element) for element in root if element.tag == "Part"]
    upload_id = call.query["uploadId"]
    if upload_id not in bucket.uploads:
        return repeated(call, bucket, upload_id, wanted)
    upload = bucket.upload(upload_id, call.key)
    check_if_none_match(call, b.if_none_match_complete, bucket)
    if not wanted:
        raise malformed()
    parts = choose_parts(call, upload, wanted)
    made = assemble(call, upload, parts)
    await call.before_commit()
    if bucket.uploads.get(upload_id) is not upload:
        return repeated(call, bucket, upload_id, wanted)
    check_if_none_match(call, b.if_none_match_complete, bucket)
    del bucket.uploads[upload_id]
    bucket.completed[upload_id] = (call.key, made.etag)
    bucket.put(call.key, made)
    return completed(call, made.etag if b.complete_etag else "", made)


def completed(call, etag, made=None):
    place = f"http://{call.header('host')}/{call.bucket_name}/{call.key}"
    inner = tag("Location", place) + tag("Bucket", call.bucket_name) + tag("Key", call.key)
    inner += tag("ETag", f'"{etag}"' if etag else "")
    if made is not None:
        inner += "".join(tag("Checksum" + n.upper(), v) for n, v in made.checksums.items())
        inner += tag("ChecksumType", made.checksum_type) if made.checksums else ""
    return Answer(body=document("CompleteMultipartUploadResult", inner), headers=XML)


def repeated(call, bucket, upload_id, wanted):
    """The upload is not open (any more)."""
    mode = call.behaviour.repeated_complete
    present = bucket.objects.get(call.key)
    if mode == "rgw":
        digest = hashlib.md5(b"".join(bytes.fromhex(w["etag"]) for w in wanted)).hexdigest()
        if present is not None and present.etag == f"{digest}-{len(wanted)}":
            return completed(call, present.etag)
        raise S3Error("InternalError", status=500)
    key, etag = bucket.completed.get(upload_id, (None, None))
    if mode == "200" and key == call.key:
        return completed(call, etag)
    return bucket.upload(upload_id, call.key)


def parse_wanted(call, element):
    fields = {child.tag: (child.text or "").strip() for child in element}
    sums = {n: fields["Checksum" + n.upper()] for n in checksum.ALGORITHMS if fields.get("Checksum" + n.upper())}
    if sums and not call.behaviour.checksums_in_complete:
        raise malformed()
    if not fields.get("PartNumber", "").isdigit() or "ETag" not in fields:
        raise malformed()
    return {"number": int(fields["PartNumber"]), "etag": fields["ETag"].strip('"'), "sums": sums}


def choose_parts(call, upload, wanted):
    b = call.behaviour
    numbers = [w["number"] for w in wanted]
    if any(a >= b_ for a, b_ in zip(numbers, numbers[1:])):
        raise S3Error("InvalidPartOrder", "The list of parts was not in ascending order. Parts must be ordered "
                      "by part number.")
    parts = []
    for w in wanted:
        part = upload.parts.get(w["number"])
        same = part is not None and part.etag == w["etag"] and (
            not b.checksums or all(n in part.checksums and checksum.parse(n, v) == part.checksums[n]
                                   for n, v in w["sums"].items()))
        if not same:
            raise S3Error("InvalidPart", "One or more of the specified parts could not be found.  The part may "
                          "not have been uploaded, or the specified entity tag may not match the part's entity "
                          "tag.", extra={"UploadId": upload.id, "PartNumber": w["number"], "ETag": w["etag"]})
        if upload.checksum_type == "COMPOSITE" and upload.algorithm not in w["sums"]:
            raise S3Error("InvalidRequest", f"The upload was created using a {upload.algorithm} checksum. The "
                          "complete request must include the checksum for each part. It was missing for part "
                          f"{w['number']} in the request.")
        parts.append(part)
    check_sizes(b, numbers, parts)
    return parts


def check_sizes(b, numbers, parts):
    for number, part in zip(numbers[:-1], parts[:-1]):
        if part.size < b.min_part_size:
            raise S3Error("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size",
                          extra={"ProposedSize": part.size, "MinSizeAllowed": b.min_part_size,
                                 "PartNumber": number, "ETag": part.etag})
    if b.equal_parts and (len({p.size for p in parts[:-1]}) > 1
                          or (len(parts) > 1 and parts[-1].size > parts[0].size)):
        raise S3Error("InvalidPart", "All non-trailing parts must have the same length.")


def assemble(call, upload, parts):
    size = sum(p.size for p in parts)
    claimed = call.header("x-amz-mp-object-size")
    if claimed is not None and claimed != str(size):
        raise S3Error("InvalidRequest", "The provided 'x-amz-mp-object-size' header does not match what was "
                      "computed.")
    md5 = hashlib.md5(b"".join(p.md5 for p in parts)).hexdigest()
    made = Object([s for p in parts for s in p.segments], f"{new_etag(call, md5)}-{len(parts)}", upload.headers,
                  call.now())
    made.part_sizes = [p.size for p in parts]
    if upload.algorithm:
        name, kind = upload.algorithm, upload.checksum_type
        given_kind = call.header("x-amz-checksum-type")
        if given_kind is not None and given_kind != kind:
            raise S3Error("InvalidRequest", f"The upload was created with checksum type {kind}, and Complete "
                          f"says {given_kind}")
        total = checksum.of_object(name, kind, [(p.checksums[name], p.size) for p in parts])
        given = call.header("x-amz-checksum-" + name)
        if given is not None and given != total:
            raise S3Error("BadDigest", f"The {name} you specified did not match the calculated checksum.")
        made.checksums, made.checksum_type = {name: total}, kind
    return made


async def abort(call):
    bucket = call.find_bucket()
    upload = bucket.upload(call.query["uploadId"], call.key)
    await call.before_commit()
    bucket.uploads.pop(upload.id, None)
    return Answer(204)


async def list_parts(call):
    bucket, b = call.find_bucket(), call.behaviour
    upload = bucket.upload(call.query["uploadId"], call.key, b.parts_missing_code)
    most = call.number("max-parts", 1000, 1000)
    after = call.number("part-number-marker", 0)
    numbers = sorted(n for n in upload.parts if n > after)
    shown = numbers[:most] if b.parts_truncated else numbers
    inner = tag("Bucket", bucket.name) + tag("Key", call.key) + tag("UploadId", upload.id)
    inner += tag("StorageClass", "STANDARD") + tag("PartNumberMarker", after) + tag("MaxParts", most)
    if b.parts_truncated:
        inner += tag("NextPartNumberMarker", shown[-1] if shown else 0)
        inner += tag("IsTruncated", "true" if len(shown) < len(numbers) else "false")
    if upload.algorithm:
        inner += tag("ChecksumAlgorithm", upload.algorithm.upper()) + tag("ChecksumType", upload.checksum_type)
    for number in shown:
        part = upload.parts[number]
        fields = tag("PartNumber", number) + tag("LastModified", iso_date(part.modified))
        fields += tag("ETag", f'"{part.etag}"') + tag("Size", part.size)
        fields += "".join(tag("Checksum" + n.upper(), checksum.text(d)) for n, d in part.checksums.items()
                          if n == upload.algorithm)
        inner += f"<Part>{fields}</Part>"
    return Answer(body=document("ListPartsResult", inner), headers={**XML, **sweep_headers(call, upload)})
