"""
Requests byte by byte: heads signed by botocore (not by us), bodies framed as AWS's documents say,
sent over a plain socket.
"""

import base64
import hashlib
import hmac
import re
import socket
import zlib

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

EMPTY = hashlib.sha256(b"").hexdigest()


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def code(self):
        found = re.search(rb"<Code>(\w+)</Code>", self.body)
        return found[1].decode() if found else None

    def __repr__(self):
        return f"{self.status} {self.headers} {self.body[:600]!r}"


class Client:
    def __init__(self, server, access_key=None, secret=None, region=None, token=None):
        self.server, self.region = server, region or server.region
        self.keys = Credentials(access_key or server.access_key, secret or server.secret, token)
        self.at = (server.endpoint.split("//")[1].split(":")[0], server.port)

    def head(self, method, path, headers, sha256):
        """The signed head as bytes, and what the signatures of chunks start from."""
        request = AWSRequest(method, self.server.endpoint + path, headers={**headers,
                                                                          "X-Amz-Content-SHA256": sha256})
        signer = S3SigV4Auth(self.keys, "s3", self.region)
        signer.payload = lambda _: sha256
        signer._should_sha256_sign_payload = lambda _: True
        signer.add_auth(request)
        self.request = request
        request.headers["Host"] = f"{self.at[0]}:{self.at[1]}"
        lines = [f"{method} {path} HTTP/1.1", *(f"{k}: {v}" for k, v in request.headers.items())]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def send(self, head, body=b"", method="PUT"):
        with socket.create_connection(self.at, timeout=10) as s:
            s.sendall(head + body)
            return read_answer(s, method)

    def put(self, path, body, sha256=None, headers=None, method="PUT", wire=None):
        """wire: what is sent as the body, where it is not `body` itself."""
        wire = body if wire is None else wire
        sha256 = sha256 or hashlib.sha256(body).hexdigest()
        head = self.head(method, path, {"Content-Length": str(len(wire)), **(headers or {})}, sha256)
        return self.send(head, wire, method)

    def put_chunks(self, path, chunks, trailer=None, spoil=lambda wire: wire, headers=None):
        """STREAMING-AWS4-HMAC-SHA256-PAYLOAD, or ...-TRAILER with trailer (name, value)."""
        size = sum(map(len, chunks))
        kind = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" + ("-TRAILER" if trailer else "")
        length = len(frame("", "20000101T000000Z", self.region, "", chunks, trailer))
        head_fields = {"Content-Encoding": "aws-chunked", "X-Amz-Decoded-Content-Length": str(size),
                       **({"X-Amz-Trailer": trailer[0]} if trailer else {}),
                       "Content-Length": str(length), **(headers or {})}
        head = self.head("PUT", path, head_fields, kind)
        wire = self.frame(chunks, trailer)
        assert len(wire) == length
        return self.send(head, spoil(wire))

    def frame(self, chunks, trailer=None):
        headers = self.request.headers
        seed = re.search(r"Signature=(\w+)", headers["Authorization"])[1]
        return frame(self.keys.secret_key, headers["X-Amz-Date"], self.region, seed, chunks, trailer)

    def put_unsigned_trailer(self, path, chunks, name, value, headers=None, ending=None):
        wire = b"".join(b"%x\r\n%b\r\n" % (len(c), c) for c in chunks) + b"0\r\n"
        wire += f"{name}:{value}\r\n\r\n".encode() if ending is None else ending
        fields = {"Content-Encoding": "aws-chunked", "X-Amz-Trailer": name,
                  "X-Amz-Decoded-Content-Length": str(sum(map(len, chunks))), **(headers or {})}
        return self.put(path, b"", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", fields, wire=wire)


def frame(secret, date, region, seed, chunks, trailer=None):
    """The body of a chunk-signed PUT, by the formulas of AWS's documents."""
    scope = f"{date[:8]}/{region}/s3/aws4_request"
    key = ("AWS4" + secret).encode()
    for word in (date[:8], region, "s3", "aws4_request"):
        key = hmac.new(key, word.encode(), hashlib.sha256).digest()
    previous, wire = seed, b""

    def sign(*lines):
        return hmac.new(key, "\n".join(lines).encode(), hashlib.sha256).hexdigest()

    for chunk in [*chunks, b""]:
        previous = sign("AWS4-HMAC-SHA256-PAYLOAD", date, scope, previous, EMPTY, hashlib.sha256(chunk).hexdigest())
        wire += f"{len(chunk):x};chunk-signature={previous}\r\n".encode() + chunk + (b"\r\n" if chunk else b"")
    if trailer:
        line = f"{trailer[0]}:{trailer[1]}"
        signature = sign("AWS4-HMAC-SHA256-TRAILER", date, scope, previous,
                         hashlib.sha256(f"{line}\n".encode()).hexdigest())
        wire += f"{line}\r\nx-amz-trailer-signature:{signature}\r\n".encode()
    return wire + b"\r\n"


def read_answer(s, method="GET"):
    data = b""
    while b"\r\n\r\n" not in data:
        more = s.recv(65536)
        if not more:
            raise ConnectionError("closed before an answer")
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:])}
    length = 0 if method == "HEAD" else int(headers.get("content-length", 0))
    while len(body) < length:
        more = s.recv(65536)
        if not more:
            raise ConnectionError("closed within the answer")
        body += more
    return Answer(int(lines[0].split()[1]), headers, body)


def crc32c_bitwise(data):
    """A second, naive implementation, to check the first by."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def b64(number, size=4):
    return base64.b64encode(number.to_bytes(size, "big")).decode()


def crc32_text(data):
    return b64(zlib.crc32(data))
