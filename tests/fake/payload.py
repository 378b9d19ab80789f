"""
Receiving the bytes of a PUT: decoding aws-chunked framing and verifying everything that the
client said of them, before they count.

What x-amz-content-sha256 says decides the way:
  <64 hex digits>                             plain body, its SHA-256 is compared
  UNSIGNED-PAYLOAD                            plain body
  STREAMING-AWS4-HMAC-SHA256-PAYLOAD          chunks, each signed
  STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER  the same, and a signed trailer
  STREAMING-UNSIGNED-PAYLOAD-TRAILER          chunks, and a trailer
Besides: Content-MD5, and x-amz-checksum-* in the head or the trailer.  Which of these a store
knows is its behaviour's business.
"""

import base64
import hashlib
import re

import checksum
from s3error import S3Error

MAX_PUT = 5 << 30
MIN_CHUNK = 8192  # all but the last, where chunks are signed
CHUNK_HEAD = re.compile(rb"([0-9a-fA-F]{1,16})(?:;chunk-signature=([0-9a-f]{64}))?")
SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_TRAILER = SIGNED + "-TRAILER"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
HEX64 = re.compile(r"[0-9a-f]{64}")


class Payload:
    """What was received.  checksums: {algorithm: digest}, those that the client gave."""

    def __init__(self):
        self.size, self.md5, self.checksums = 0, b"", {}


def claims_in(headers):
    """{algorithm: text} of x-amz-checksum-* headers."""
    found = {}
    for name in checksum.ALGORITHMS:
        value = headers.get("x-amz-checksum-" + name)
        if value is not None:
            found[name] = value
    return found


def check_claims(claims):
    if len(claims) > 1:
        raise S3Error("InvalidRequest", "Expecting a single x-amz-checksum- header. Multiple checksum "
                      "Types are not allowed.")
    for name, value in claims.items():
        if checksum.parse(name, value) is None:
            raise S3Error("InvalidDigest", f"Value for x-amz-checksum-{name} header is invalid.")


class Receiver:
    """also: algorithms to compute whether or not the client gave a value."""

    def __init__(self, request, body, identity, behaviour, also=()):
        self.request, self.body, self.identity, self.behaviour = request, body, identity, behaviour
        self.hash_kind = identity.payload_hash if identity else "UNSIGNED-PAYLOAD"
        self.payload = Payload()
        self.trailer_name = None
        self.claims = claims_in(request.headers) if behaviour.checksums else {}
        check_claims(self.claims)
        self.md5_claim = self.parse_md5()
        self.chunked = self.is_chunked()
        self.check_kind()
        self.sums = {name: checksum.new(name) for name in {*self.claims, *also}}
        if self.trailer_name and self.trailer_name not in self.sums:
            self.sums[self.trailer_name] = checksum.new(self.trailer_name)
        self.md5 = hashlib.md5()
        wants_sha = HEX64.fullmatch(self.hash_kind) and behaviour.sha256_checked
        self.sha256 = hashlib.sha256() if wants_sha else None

    def is_chunked(self):
        return self.hash_kind.startswith("STREAMING-") and not self.behaviour.stores_framing

    def parse_md5(self):
        value = self.request.header("content-md5")
        if value is None or not self.behaviour.md5_checked:
            return None
        try:
            digest = base64.b64decode(value, validate=True)
        except ValueError:
            digest = b""
        if len(digest) != 16:
            raise S3Error("InvalidDigest", "The Content-MD5 you specified was invalid.")
        return digest

    def check_kind(self):
        kind, b, headers = self.hash_kind, self.behaviour, self.request.headers
        coded = "aws-chunked" in headers.get("content-encoding", "")
        if b.stores_framing:
            return
        if (kind.startswith("STREAMING-") or coded) and not b.aws_chunked:
            raise S3Error(*b.aws_chunked_error)
        if kind in (SIGNED_TRAILER, UNSIGNED_TRAILER):
            self.check_trailer_kind(headers)
        elif kind.startswith("STREAMING-") and kind != SIGNED:
            raise S3Error("InvalidArgument", f"x-amz-content-sha256 {kind} is not known")
        elif not kind.startswith("STREAMING-") and kind != "UNSIGNED-PAYLOAD" and not HEX64.fullmatch(kind):
            raise S3Error("InvalidArgument", "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, "
                          "STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, "
                          "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, or a valid sha256 value.")
        if self.chunked and not coded:
            raise S3Error("InvalidRequest", "Content-Encoding must be aws-chunked for a streaming payload")
        if self.chunked and not headers.get("x-amz-decoded-content-length", "").isdigit():
            raise S3Error("MissingContentLength", "You must provide the x-amz-decoded-content-length header")

    def check_trailer_kind(self, headers):
        if not self.behaviour.trailers:
            raise S3Error(*self.behaviour.trailers_error)
        name = headers.get("x-amz-trailer", "")
        prefix = "x-amz-checksum-"
        if not name.startswith(prefix) or name.removeprefix(prefix) not in checksum.ALGORITHMS:
            raise S3Error("InvalidRequest", "The value specified in the x-amz-trailer header is not supported")
        if self.claims:
            raise S3Error("InvalidRequest", "Expecting a single x-amz-checksum- header.")
        if self.behaviour.checksums:
            self.trailer_name = name.removeprefix(prefix)

    def size(self):
        """What will be received, by the head."""
        if self.chunked:
            return int(self.request.headers["x-amz-decoded-content-length"])
        return self.body.length

    async def receive(self, sink):
        if self.size() > MAX_PUT:
            raise S3Error("EntityTooLarge", "Your proposed upload exceeds the maximum allowed object size.")
        if self.chunked:
            await self.receive_chunks(sink)
        else:
            while data := await self.body.read():
                self.take(data, sink)
        self.compare()
        return self.payload

    def take(self, data, sink):
        self.md5.update(data)
        for each in self.sums.values():
            each.update(data)
        if self.sha256 is not None:
            self.sha256.update(data)
        self.payload.size += len(data)
        sink.write(data)

    async def receive_chunks(self, sink):
        signed = self.hash_kind in (SIGNED, SIGNED_TRAILER)
        small, expected = False, self.size()
        try:
            while True:
                head = CHUNK_HEAD.fullmatch(await self.body.line())
                if not head or bool(head[2]) != signed:
                    raise S3Error("InvalidRequest", "The chunk's head is malformed")
                size = int(head[1], 16)
                if small and size and signed:
                    raise S3Error("InvalidChunkSizeError", "Only the last chunk is allowed to have a size "
                                  "less than 8192 bytes")
                small = size < MIN_CHUNK
                if self.payload.size + size > expected:
                    raise S3Error("IncompleteBody", "The body is longer than x-amz-decoded-content-length")
                await self.receive_chunk(size, head[2], sink)
                if size == 0:
                    break
            await self.receive_trailer()
        except EOFError:
            raise S3Error("IncompleteBody", "The request body terminated unexpectedly") from None
        except ValueError:
            raise S3Error("InvalidRequest", "The body is not framed as aws-chunked") from None
        if self.payload.size != expected or self.body.left:
            raise S3Error("IncompleteBody", "You did not provide the number of bytes specified by the "
                          "x-amz-decoded-content-length header")

    async def receive_chunk(self, size, signature, sink):
        digest = hashlib.sha256() if signature and self.behaviour.chunks_checked else None
        left = size
        while left:
            data = await self.body.read(left)
            if not data:
                raise EOFError
            left -= len(data)
            if digest:
                digest.update(data)
            self.take(data, sink)
        if digest:
            self.identity.check_chunk(digest.hexdigest(), signature.decode())
        if size and await self.body.exactly(2) != b"\r\n":
            raise S3Error("InvalidRequest", "A chunk must end in CR LF")

    async def receive_trailer(self):
        """After the last chunk's line: the trailer's lines if there are any, and an empty one."""
        found = {}
        while line := await self.body.line(4096):
            name, colon, value = line.decode("latin-1").rstrip("\n").partition(":")
            if not colon or name.lower() in found:
                raise S3Error("MalformedTrailerError", "The trailer is malformed")
            found[name.lower()] = value.strip()
        if self.hash_kind == SIGNED:
            if found:
                raise S3Error("MalformedTrailerError", "There is a trailer that was not announced")
            return
        signature = found.pop("x-amz-trailer-signature", None)
        announced = self.request.headers["x-amz-trailer"]
        if set(found) != {announced}:
            raise S3Error("MalformedTrailerError", "The trailer is not what x-amz-trailer announced")
        if self.hash_kind == SIGNED_TRAILER:
            if signature is None:
                raise S3Error("MalformedTrailerError", "The trailer has no signature")
            if self.behaviour.chunks_checked:
                self.identity.check_trailer(f"{announced}:{found[announced]}\n", signature)
        if self.trailer_name:
            self.claims = {self.trailer_name: found[announced]}
            check_claims(self.claims)

    def compare(self):
        self.payload.md5 = self.md5.digest()
        if self.md5_claim is not None and self.md5_claim != self.payload.md5:
            raise S3Error("BadDigest", "The Content-MD5 you specified did not match what we received.")
        if self.sha256 is not None and self.sha256.hexdigest() != self.hash_kind:
            raise S3Error("XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not "
                          "match what was computed.",
                          extra={"ClientComputedContentSHA256": self.hash_kind,
                                 "S3ComputedContentSHA256": self.sha256.hexdigest()})
        for name, value in self.claims.items():
            if checksum.parse(name, value) != self.sums[name].digest():
                raise S3Error("BadDigest", f"The {name.upper()} you specified did not match the calculated "
                              "checksum.")
        self.payload.checksums = {name: each.digest() for name, each in self.sums.items()}
        self.payload.claimed = set(self.claims)
