"""A name server of one name, for tests: mode is "answer", "silent" or "unknown" (NXDOMAIN)."""

import socket
import struct
import threading

TTL_S = 1


class NameServer:
    """Listens where the calling thread is (netns.inside)."""

    def __init__(self, ip, name, address):
        self.name, self.address, self.mode = name.encode(), socket.inet_aton(address), "answer"
        self.is_closed = False
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((ip, 53))
        self.socket.settimeout(0.2)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while not self.is_closed:
            try:
                question, peer = self.socket.recvfrom(4096)
            except TimeoutError:
                continue  # nothing else wakes a thread that waits for packets
            if self.mode != "silent" and len(question) > 16:
                self.socket.sendto(self.answer(question), peer)
        self.socket.close()

    def answer(self, question):
        """RFC 1035, 4.1: the head, the question as it came, at most one record."""
        at, labels = 12, []
        while question[at]:
            labels.append(question[at + 1:at + 1 + question[at]])
            at += 1 + question[at]
        asked = question[12:at + 5]
        is_known = b".".join(labels).lower() == self.name and self.mode == "answer"
        is_address = is_known and struct.unpack("!H", question[at + 1:at + 3])[0] == 1
        head = question[:2] + struct.pack("!HHHHH", 0x8180 if is_known else 0x8183, 1, int(is_address), 0, 0)
        record = struct.pack("!HHHIH", 0xC00C, 1, 1, TTL_S, 4) + self.address if is_address else b""
        return head + asked + record

    def close(self):
        self.is_closed = True
