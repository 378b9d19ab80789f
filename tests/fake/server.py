"""
The server: connections, admission, faults, and the way of a request.

    head -> place, operation -> limits (SlowDown) -> fault "before" -> signature -> operation
         -> [before_commit: fault "instead"] -> answer, with fault "after" -> log

The state belongs to the loop's thread and changes only between two awaits of an operation, after
its before_commit(): so a conditional PUT is atomic.
"""

import asyncio
import collections
import gc
import hashlib
import random
import time
from urllib.parse import unquote

import listing
import multipart
import objects
from accesslog import AccessLog
from bucket import Bucket
from call import Call, http_date
from control import Control
from fault import INSTEAD
from s3error import S3Error
from sigv4 import Identity, Verifier
from sts import Users, sts
from wire import PIECE, Answer, BadRequest, Body, Connection, Gone

OPERATIONS = {
    "PutObject": objects.put_object, "CopyObject": objects.copy_object, "GetObject": objects.get_object,
    "HeadObject": objects.get_object, "DeleteObject": objects.delete_object,
    "CreateMultipartUpload": multipart.create, "UploadPart": multipart.upload_part,
    "UploadPartCopy": multipart.upload_part_copy, "CompleteMultipartUpload": multipart.complete,
    "AbortMultipartUpload": multipart.abort, "ListParts": multipart.list_parts,
    "ListMultipartUploads": listing.list_uploads, "ListObjectsV2": listing.list_objects,
    "ListObjects": listing.list_objects, "DeleteObjects": listing.delete_objects,
    "CreateBucket": listing.create_bucket, "HeadBucket": listing.head_bucket,
    "DeleteBucket": listing.delete_bucket, "GetBucketLocation": listing.bucket_location,
    "GetBucketVersioning": listing.bucket_versioning, "ListBuckets": listing.list_buckets, "STS": sts,
}
DIGESTS = ("content-md5", "x-amz-trailer")  # headers that go into the log: who said what of the bytes
DRAIN = 1 << 20  # an early error: so much of the body is still taken, and the connection kept


class Leave(Exception):
    """A fault that takes the place of the answer; nothing is carried out."""


class Limiter:
    """Bytes, or requests, a second: everyone waits for his place in the queue."""

    def __init__(self):
        self.free_at = 0.0

    async def take(self, n, rate):
        if not rate:  # the limit was lifted while the bytes came
            return
        now = time.monotonic()
        self.free_at = max(self.free_at, now - 0.05) + n / rate
        if self.free_at > now:
            await asyncio.sleep(self.free_at - now)


class Server:
    def __init__(self, behaviour, faults, media, region, suffixes, log_path=None):
        self.behaviour, self.faults, self.media, self.region = behaviour, faults, media, region
        self.suffixes = suffixes
        self.log, self.control = AccessLog(log_path), Control(self)
        self.users = Users(self.now, behaviour)
        self.buckets, self.connections, self.counter = {}, {}, 0
        self.in_flight, self.most_in_flight, self.requests = 0, 0, 0
        self.in_flight_of = collections.Counter()  # by bucket
        self.limit_in, self.limit_out, self.tokens = Limiter(), Limiter(), (0.0, 0.0)
        self.is_tls = False

    def now(self):
        return time.time() + self.behaviour.clock_offset_s

    def add_bucket(self, name, owner, region=None):
        self.buckets.setdefault(name, Bucket(name, owner, region or self.region, self.now()))

    def forget_bucket(self, name):
        """With its objects, its fault rules and what the log has of it."""
        self.buckets.pop(name, None)
        self.faults.of_bucket.pop(name, None)
        self.log.forget(name)
        gc.collect()  # requests that ended in an exception are in cycles with what they had taken

    def place(self, request):
        """(bucket, key) by host or by path; key is text."""
        host = request.header("host", "").rsplit(":", 1)[0].lower()
        path = request.path.lstrip(b"/") if request.path.startswith(b"//") and not request.path[2:3] \
            else request.path[1:]
        for suffix in self.suffixes:
            if host.endswith("." + suffix):
                return host[:-len(suffix) - 1], self.key_text(path)
        name, _, key = path.partition(b"/")
        if not name:
            return None, ""
        return name.decode("latin-1"), self.key_text(key)

    def key_text(self, raw):
        try:
            key = raw.decode()
        except UnicodeDecodeError:
            raise S3Error("InvalidURI", "Couldn't parse the specified URI.") from None
        if len(raw) > 1024:
            raise S3Error("KeyTooLongError", "Your key is too long", extra={"Size": len(raw),
                                                                            "MaxSizeAllowed": 1024})
        while self.behaviour.folds_slashes and "//" in key:
            key = key.replace("//", "/")
        return key

    # ---- connections

    async def serve(self, reader, writer):
        self.counter += 1
        connection = Connection(self.counter, reader, writer)
        connection.timeout_s = self.behaviour.keep_alive_s
        if self.behaviour.bytes_per_s:
            connection.read_limit = lambda n: self.limit_in.take(n, self.behaviour.bytes_per_s)
        self.connections[connection.number] = connection
        try:
            await self.converse(connection)
        except (Gone, ConnectionError):
            connection.reset()
        except BadRequest:
            writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await connection.close()
        finally:
            self.connections.pop(connection.number, None)
            writer.close()

    async def converse(self, connection):
        while True:
            try:
                async with asyncio.timeout(self.behaviour.keep_alive_s):
                    request = await connection.request()
            except TimeoutError:
                return await connection.close()
            if request is None:
                return await connection.close()
            if request.path.startswith(b"/.fake/"):
                keep = await self.control.serve(connection, request)
            else:
                keep = await self.answer(connection, request)
            if not keep:
                return await connection.close(linger_s=2.0)

    # ---- one request

    async def answer(self, connection, request):
        """Serve it; False when the connection is not to be used again."""
        start = time.time()
        entry = {"time": start, "start": start, "method": request.method, "op": None, "bucket": None, "key": None,
                 "uploadId": None, "partNumber": None, "bytes": 0, "wire_bytes": 0, "sent": 0, "status": 0,
                 "code": None, "conn": connection.number, "fault": None, "done": False, "committed": None,
                 "target": request.target, "range": request.header("range"), "payload": request.header("x-amz-content-sha256"),
                 "digests": sorted(n for n in request.headers if n in DIGESTS or n.startswith("x-amz-checksum-"))}
        connection.timeout_s = self.behaviour.body_timeout_s
        body, call = None, None
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            call, answer, error = None, None, None
            try:
                body = Body(connection, self.body_length(request),
                            request.header("expect", "").lower() == "100-continue")
                call = Call(self, request, body, entry)
                answer = await self.carry_out(call)
            except S3Error as e:
                error = e
            except TimeoutError:
                error = S3Error("RequestTimeout", "Your socket connection to the server was not read from or "
                                "written to within the timeout period. Idle connections will be closed.")
            return await self.finish(connection, request, body, call, answer, error, entry)
        except Leave:
            return False
        finally:
            self.in_flight -= 1
            if entry["bucket"]:
                self.in_flight_of[entry["bucket"]] -= 1
            entry["time"] = time.time()
            if body is not None:
                entry["wire_bytes"] = body.taken
            self.log.add(entry)

    @staticmethod
    def body_length(request):
        if "transfer-encoding" in request.headers:
            raise S3Error("NotImplemented", "A header you provided implies functionality that is not implemented",
                          extra={"Header": "Transfer-Encoding"})
        length = request.header("content-length")
        if length is None:
            if request.method == "PUT" and "x-amz-copy-source" not in request.headers:
                raise S3Error("MissingContentLength", "You must provide the Content-Length HTTP header.")
            return 0
        if not length.isdigit():
            raise BadRequest("content-length")
        return int(length)

    async def carry_out(self, call):
        entry, query = call.entry, call.query
        part = query.get("partNumber", "")
        entry.update(op=call.op, bucket=call.bucket_name, key=call.key or None, uploadId=query.get("uploadId"),
                     partNumber=int(part) if part.isdigit() else None)
        if call.bucket_name:
            self.in_flight_of[call.bucket_name] += 1
        call.fault = self.faults.pick(call.op, call.bucket_name, call.key, entry["partNumber"],
                                      self.in_flight_of[call.bucket_name])
        if call.fault:
            entry["fault"] = call.fault.name()
        self.limit_requests()
        await self.fault_before(call)
        call.form = b""
        if call.op == "STS":
            call.form = await call.body.exactly(min(call.body.length, 65536)) if call.body.length else b""
            call.request.payload_digest = hashlib.sha256(call.form).hexdigest()
        call.identity = self.identify(call)
        if call.op is None:
            raise S3Error("NotImplemented" if call.request.method in ("GET", "PUT", "POST", "DELETE", "HEAD")
                          else "MethodNotAllowed", "This operation is not implemented")
        return await OPERATIONS[call.op](call)

    def identify(self, call):
        b = self.behaviour
        if not b.signatures:
            identity = Identity(next(iter(self.users.known.values())), self.region)
            identity.payload_hash = call.header("x-amz-content-sha256", "UNSIGNED-PAYLOAD")
            return identity
        verifier = Verifier(self.users.find, lambda request, region: self.check_region(call, region), self.now)
        identity = verifier.verify(call.request)
        if identity and b.unsigned_needs_tls and "UNSIGNED" in identity.payload_hash and not self.is_tls \
                and call.body.length:
            raise S3Error("InvalidRequest", "Unsigned payloads are taken over TLS only")
        return identity

    def check_region(self, call, signed):
        if self.behaviour.wrong_region == "ignore" or call.op == "STS":
            return
        bucket = self.buckets.get(call.bucket_name)
        home = bucket.region if bucket else self.region
        if signed == home or (bucket is None and call.op == "CreateBucket"):
            return
        hint = {"x-amz-bucket-region": home} if bucket else {}
        mode = self.behaviour.redirect
        if bucket and home != self.region and signed == self.region and mode != "malformed":
            host = call.header("host")
            if mode == "307":
                raise S3Error("TemporaryRedirect", "Please re-send this request to the specified temporary "
                              "endpoint.", extra={"Bucket": bucket.name, "Endpoint": host},
                              headers={**hint, "Location": f"{'https' if self.is_tls else 'http'}://{host}"
                                       f"{call.request.target}"})
            raise S3Error("PermanentRedirect", "The bucket you are attempting to access must be addressed using "
                          "the specified endpoint. Please send all future requests to this endpoint.",
                          extra={"Bucket": bucket.name, "Endpoint": host}, headers=hint)
        raise S3Error("AuthorizationHeaderMalformed", "The authorization header is malformed; the region "
                      f"'{signed}' is wrong; expecting '{home}'", extra={"Region": home}, headers=hint)

    def limit_requests(self):
        b = self.behaviour
        too_many = 0 < b.slow_down_above < self.in_flight
        if b.requests_per_s:
            level, at = self.tokens
            now = time.monotonic()
            level = min(max(1.0, b.requests_per_s / 4), level + (now - at) * b.requests_per_s)
            too_many = too_many or level < 1
            self.tokens = (level if level < 1 else level - 1, now)
        if too_many:
            headers = {"Retry-After": b.retry_after_s} if b.retry_after_s else {}
            raise S3Error("SlowDown", "Please reduce your request rate.", status=b.slow_down_status,
                          headers=headers)

    # ---- faults

    async def fault_before(self, call):
        fault, body = call.fault, call.body
        if fault is None:
            return
        if fault.kind == "reset_before":
            raise Gone
        if fault.kind == "error_early":
            raise self.error_of(fault)
        if fault.kind == "stall_before":
            await self.stall(call, fault.get("seconds", 0))
        if fault.kind in ("reset_during", "stall_during"):
            body.trap_at = fault.get("bytes", int(body.length * fault.get("fraction", 0.5)))

            async def trap():
                if fault.kind == "reset_during":
                    raise Gone
                await self.stall(call, fault.get("seconds", 0))
            body.trap = trap
        if fault.kind == "slow":
            limit, rate = Limiter(), fault.get("bytes_per_s", 1 << 20)
            body.read_limit = lambda n: limit.take(n, rate)

    @staticmethod
    def error_of(fault):
        headers = {"Retry-After": fault.get("retry_after")} if fault.get("retry_after") is not None else {}
        return S3Error(fault.get("code", "InternalError"), fault.get("message", "A fault of the test"),
                       status=fault.get("status"), headers=headers)

    @staticmethod
    async def stall(call, seconds):
        """Do nothing for so long; 0: until the client goes."""
        end = time.monotonic() + seconds if seconds else float("inf")
        while (left := end - time.monotonic()) > 0:
            await asyncio.sleep(min(0.05, left))
            if call.request.connection.is_gone():
                raise Gone

    async def hold_or_leave(self, call):
        """Right before a change of state."""
        fault, connection = call.fault, call.request.connection
        if fault is None:
            return
        if fault.kind in INSTEAD and not fault.done:
            await self.instead(call)
        elif fault.kind == "error_in_200":
            raise S3Error(fault.get("code", "InternalError"), "We encountered an internal error. Please try "
                          "again.", status=200)
        elif fault.kind == "late":
            connection.reset()
            await asyncio.sleep(fault.get("seconds", 1.0))
        elif fault.kind == "whitespace":
            await self.whitespace(call)

    async def whitespace(self, call):
        connection, seconds = call.request.connection, call.fault.get("seconds", 1.0)
        head = Answer(200, headers={**self.common_headers(), "Content-Type": "application/xml"})
        head.wait_s = seconds
        call.started = True
        await connection.write(head.head("POST", True) + chunk(b'<?xml version="1.0" encoding="UTF-8"?>\n'))
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            await asyncio.sleep(min(0.1, left))
            await connection.write(chunk(b" "))
        if call.fault.get("code"):
            raise self.error_of(call.fault)

    async def instead(self, call):
        """The fault's own answer.  Always raises."""
        call.spent = True
        fault, connection, entry = call.fault, call.request.connection, call.entry
        if fault.kind == "reset_after":
            raise Gone
        if fault.kind == "silent":
            await self.stall(call, fault.get("seconds", 0))
            raise Gone
        if fault.kind == "error":
            raise self.error_of(fault)
        if fault.kind == "garbage":
            await connection.write(random.Random(1).randbytes(200) + b"\r\n\r\n")
            raise Leave
        page = fault.get("body", "<!DOCTYPE html><html><head><title>Welcome</title></head><body>Please log in"
                         "</body></html>").encode()
        status = fault.get("status", 302 if fault.kind == "redirect" else 200)
        answer = Answer(status, page, {"Content-Type": "text/html; charset=utf-8"})
        if fault.kind == "redirect":
            answer.headers["Location"] = fault.get("location", "http://login.invalid/")
        entry["status"] = status
        await connection.write(answer.head(call.request.method, False) + page)
        raise Leave

    # ---- answers

    def common_headers(self):
        self.requests += 1
        return {"Date": http_date(self.now()), "Server": self.behaviour.server,
                "x-amz-request-id": f"{self.requests:016X}", "x-amz-id-2": "fake"}

    async def finish(self, connection, request, body, call, answer, error, entry):
        keep = request.keep_alive
        fault = call.fault if call else None
        if fault and fault.kind in INSTEAD and not call.spent:
            error = None
            try:
                await self.instead(call)
            except S3Error as e:
                error = e
        if error is not None:
            answer = self.error_answer(request, error, entry)
            keep = await self.settle_body(body, error) and keep
        b = self.behaviour
        if b.latency_s or b.latency_by_op:
            await asyncio.sleep(b.latency_by_op.get(entry["op"], b.latency_s))
        entry["status"] = answer.status
        if call is not None and call.started:
            return await self.finish_whitespace(connection, answer, keep)
        answer.headers = {**self.common_headers(), **answer.headers}
        if fault is not None and error is None:
            return await self.finish_faulty(connection, request, answer, fault, keep, call)
        await self.send(connection, request, answer, keep, entry)
        return keep

    def error_answer(self, request, error, entry):
        entry["code"] = error.code
        document = error.document(unquote(request.raw_path), f"{self.requests + 1:016X}", self.behaviour.messages)
        if entry["op"] in ("STS", "AssumeRole", "AssumeRoleWithWebIdentity", "GetCallerIdentity"):
            document = error.sts_document()
        if request.method == "HEAD" or error.status == 304:
            document = b""
        return Answer(error.status, document, {"Content-Type": "application/xml", **error.headers})

    @staticmethod
    async def settle_body(body, error):
        """After an early error: True when the connection can still be used."""
        if body is None:
            return False
        if error.code == "RequestTimeout" or body.expects_continue:
            return False
        if body.left > DRAIN:
            return False
        body.trap = None
        try:
            return await body.drain(DRAIN)
        except TimeoutError:
            return False

    async def send(self, connection, request, answer, keep, entry):
        head = answer.head(request.method, keep)
        if self.behaviour.bytes_per_s:
            await self.limit_out.take(answer.length, self.behaviour.bytes_per_s)
        if answer.pieces is None:
            await connection.write(head if request.method == "HEAD" else head + answer.body)
            entry["sent"] = 0 if request.method == "HEAD" else len(answer.body)
            return
        await connection.write(head)
        for piece in answer.pieces:
            for at in range(0, len(piece), PIECE):
                await connection.write(piece[at:at + PIECE] if len(piece) > PIECE else piece)
            entry["sent"] += len(piece)

    async def finish_whitespace(self, connection, answer, keep):
        text = answer.body.partition(b"?>\n")[2]
        await connection.write(chunk(text) + b"0\r\n\r\n")
        return keep

    async def finish_faulty(self, connection, request, answer, fault, keep, call):
        kind, entry = fault.kind, call.entry
        if kind == "delay":
            await self.stall(call, fault.get("seconds", 1.0))
        elif kind == "late":
            entry["status"] = 0
            raise Gone
        elif kind == "wrong_etag":
            answer.headers["ETag"] = '"00000000000000000000000000000bad"'
        elif kind == "wrong_checksum":
            for name in [n for n in answer.headers if n.startswith("x-amz-checksum-")]:
                if name != "x-amz-checksum-type":
                    answer.headers[name] = "AAAAAA=="
        elif kind == "wrong_size":
            answer.length += 1 if request.method == "HEAD" else 0
        elif kind in ("truncated", "flip"):
            whole = b"".join(answer.pieces) if answer.pieces is not None else answer.body
            if kind == "truncated":
                text = answer.head(request.method, keep) + whole
                await connection.write(text[:int(len(text) * fault.get("fraction", 0.5))])
                return False
            at = fault.get("at", len(whole) // 2)
            answer.pieces, answer.body = None, whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1:]
        elif kind == "duplicate" and answer.pieces is None:
            # At once: a client that had sent its next request before could not tell them apart.
            text = answer.head(request.method, keep) + (b"" if request.method == "HEAD" else answer.body)
            await connection.write(text + text)
            return keep
        await self.send(connection, request, answer, keep, entry)
        return keep


def chunk(data):
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"
