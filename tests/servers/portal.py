"""
Somebody who answers in the server's place, for tests: a captive portal with its web page or a
redirect to one, or a load balancer that has lost its servers.  Whatever is asked, the answer comes
at once, as such boxes do: it does not wait for the body, and closes.
"""

import re
import socket
import struct
import threading

PAGE = b"<!DOCTYPE html><html><head><title>Welcome</title></head><body>Please log in.</body></html>"
ANSWERS = {
    "page": b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(PAGE)
            + PAGE,
    "redirect": b"HTTP/1.1 302 Found\r\nLocation: http://login.portal.test/\r\nConnection: close\r\n"
                b"Content-Length: 0\r\n\r\n",
    "bad_gateway": b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nConnection: close\r\n"
                   b"Content-Length: %d\r\n\r\n" % len(PAGE) + PAGE,
}


def length_of(head):
    found = re.search(rb"(?i)\r\ncontent-length: *(\d+)\r\n", head)
    return int(found[1]) if found else 0


class Portal:
    """
    Listens where the calling thread is (netns.inside), on all addresses.  offered: bytes of the bodies
    that its requests announced; how much of them came depends on how fast the answer is read.
    """

    def __init__(self, port, kind):
        self.reply, self.requests, self.offered, self.lock = ANSWERS[kind], 0, 0, threading.Lock()
        self.socket = socket.create_server(("", port), backlog=256)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.answer, args=(connection,), daemon=True).start()

    def answer(self, connection):
        with connection:
            connection.settimeout(10)
            try:
                head = b""
                while b"\r\n\r\n" not in head:
                    block = connection.recv(65536)
                    if not block:
                        return
                    head += block
                with self.lock:
                    self.requests += 1
                    self.offered += length_of(head)
                connection.sendall(self.reply)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):  # what was on its way; else a RST eats the answer
                    pass
            except OSError:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
