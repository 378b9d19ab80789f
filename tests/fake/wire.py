"""
HTTP/1.1 as the server speaks it: a request's head, its body as a stream, an answer.

A Body counts what it hands out against Content-Length, sends "100 Continue" when it is first
read, gives up on a client that sends nothing for `timeout_s`, and can call `trap` once, when
`trap_at` bytes have passed: this is where faults in the middle of a body happen.
"""

import asyncio
import socket
import struct
from urllib.parse import unquote_to_bytes

PIECE = 256 * 1024
MAX_HEAD = 64 * 1024


class Gone(Exception):
    """The client has closed, or the server means to: nothing more is to be written."""


class BadRequest(Exception):
    """What came is not HTTP."""


class Request:
    def __init__(self, head, connection):
        self.connection = connection
        lines = head.decode("latin-1").split("\r\n")
        try:
            self.method, self.target, version = lines[0].split(" ")
        except ValueError:
            raise BadRequest("request line") from None
        if version not in ("HTTP/1.1", "HTTP/1.0"):
            raise BadRequest("version")
        self.headers = {}
        for line in lines[1:]:
            if not line:
                continue
            name, colon, value = line.partition(":")
            if not colon or name != name.strip():
                raise BadRequest("header line")
            name, value = name.lower(), value.strip()
            self.headers[name] = f"{self.headers[name]},{value}" if name in self.headers else value
        target = self.target
        if target.startswith(("http://", "https://")):  # as to a proxy
            target = "/" + target.split("/", 3)[3] if target.count("/") > 2 else "/"
        self.raw_path, _, self.raw_query = target.partition("?")
        self.path = unquote_to_bytes(self.raw_path)
        self.query = parse_query(self.raw_query)
        self.keep_alive = self.headers.get("connection", "").lower() != "close" and version == "HTTP/1.1"

    def header(self, name, default=None):
        return self.headers.get(name, default)


def parse_query(raw):
    """[(name, value)], decoded; `a` and `a=` are the same, as they are for signatures."""
    pairs = []
    for word in raw.split("&") if raw else []:
        name, _, value = word.partition("=")
        pairs.append((unquote_to_bytes(name).decode("latin-1"), unquote_to_bytes(value).decode("latin-1")))
    return pairs


class Body:
    def __init__(self, connection, length, expects_continue):
        self.connection, self.length, self.left = connection, length, length
        self.expects_continue = expects_continue
        self.trap_at, self.trap = None, None
        self.read_limit = None  # as Connection.read_limit, for this body

    @property
    def taken(self):
        return self.length - self.left

    async def read(self, most=PIECE):
        """Some bytes; b"" at the end of the body."""
        if self.expects_continue:  # also of an empty body: botocore's next request relies on it
            self.expects_continue = False
            self.connection.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if self.left == 0:
            return b""
        if self.trap is not None and self.taken >= self.trap_at:
            trap, self.trap = self.trap, None
            await trap()
        most = min(most, self.left)
        if self.trap is not None and self.trap_at > self.taken:
            most = min(most, self.trap_at - self.taken)
        data = await self.connection.read(most)
        self.left -= len(data)
        if self.read_limit is not None:
            await self.read_limit(len(data))
        return data

    async def exactly(self, n):
        pieces = []
        while n > 0:
            data = await self.read(n)
            if not data:
                raise EOFError
            pieces.append(data)
            n -= len(data)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def line(self, most=1024):
        """A line that ends in CR LF, without it."""
        line = bytearray()
        while not line.endswith(b"\r\n"):
            if len(line) >= most:
                raise ValueError("long line")
            line += await self.until_newline(most - len(line))
        return bytes(line[:-2])

    async def until_newline(self, most):
        buffered = self.connection.reader._buffer  # to see how far the line goes, without taking more
        at = buffered.find(b"\n", 0, most)
        data = await self.read(at + 1 if at >= 0 else 1)
        if not data:
            raise EOFError
        return data

    async def drain(self, most):
        """Throw away what is left, at most so much of it.  True when none is left."""
        while self.left and most > 0:
            most -= len(await self.read())
        return self.left == 0


class Connection:
    def __init__(self, number, reader, writer):
        self.number, self.reader, self.writer = number, reader, writer
        self.timeout_s = 60.0
        self.read_limit = None  # async function of a number of bytes: bandwidth
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        writer.transport.set_write_buffer_limits(high=2 * PIECE)

    async def request(self):
        """The next request; None when the client closes between two."""
        try:
            head = await self.reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as error:
            if error.partial.strip():
                raise Gone from None
            return None
        except asyncio.LimitOverrunError:
            raise BadRequest("head is too long") from None
        except (ConnectionError, OSError):
            return None
        if len(head) > MAX_HEAD:
            raise BadRequest("head is too long")
        return Request(head[:-4], self)

    async def read(self, most):
        try:
            if self.reader._buffer:
                data = await self.reader.read(most)
            else:
                async with asyncio.timeout(self.timeout_s):
                    data = await self.reader.read(most)
        except (ConnectionError, OSError) as error:
            if isinstance(error, TimeoutError):
                raise
            raise Gone from None
        if not data:
            raise Gone
        if self.read_limit is not None:
            await self.read_limit(len(data))
        return data

    async def write(self, data):
        try:
            self.writer.write(data)
            await self.writer.drain()
        except (ConnectionError, OSError):
            raise Gone from None
        if self.writer.transport.is_closing():
            raise Gone

    def is_gone(self):
        return self.writer.transport.is_closing() or self.reader.at_eof()

    def reset(self):
        """An RST, whatever is still to be sent; nothing where the connection is gone already."""
        sock = self.writer.get_extra_info("socket")
        if sock is None:
            return
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except OSError:
            pass
        self.writer.transport.abort()

    async def close(self, linger_s=0.0):
        """End the answers; take for a moment what the client still sends, so that it reads them."""
        try:
            if linger_s and self.writer.can_write_eof():
                self.writer.write_eof()
                async with asyncio.timeout(linger_s):
                    while await self.reader.read(PIECE):
                        pass
        except (ConnectionError, OSError, TimeoutError):
            pass
        self.writer.close()


REASONS = {200: "OK", 204: "No Content", 206: "Partial Content", 301: "Moved Permanently",
           302: "Found", 304: "Not Modified", 307: "Temporary Redirect", 400: "Bad Request",
           403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 408: "Request Timeout", 409: "Conflict",
           411: "Length Required", 412: "Precondition Failed", 416: "Range Not Satisfiable",
           429: "Too Many Requests", 500: "Internal Server Error", 501: "Not Implemented",
           502: "Bad Gateway", 503: "Slow Down", 504: "Gateway Timeout"}


class Answer:
    """body: bytes, or `pieces`, an iterator over so many `length` bytes."""

    def __init__(self, status=200, body=b"", headers=None, pieces=None, length=None):
        self.status, self.body, self.headers = status, body, dict(headers or {})
        self.pieces, self.length = pieces, len(body) if length is None else length
        self.wait_s = 0.0  # white space for so long before the body (Complete)

    def head(self, method, keep_alive):
        lines = [f"HTTP/1.1 {self.status} {REASONS.get(self.status, 'Status')}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        if self.wait_s:
            lines.append("Transfer-Encoding: chunked")
        elif self.status not in (204, 304):
            lines.append(f"Content-Length: {self.length}")
        if not keep_alive:
            lines.append("Connection: close")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")
