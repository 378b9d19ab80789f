"""
relay.py NEAR FAR DEVICE DELAY_MS LOSS_PERCENT: a slow and lossy line between two namespaces.

A tun device in each; what is sent into one comes out of the other after so long, in order, but for
what is lost (each packet by itself, either way; the draw is seeded).  It prints a line when both
devices are there, and ends with SIGTERM.  For kernels without the qdisc netem.
"""

import collections
import fcntl
import os
import random
import select
import struct
import sys
import time

import netns

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
QUEUE = 4096  # packets on their way; more are dropped, as a line does


def open_tun(namespace, device):
    netns.enter(f"/run/netns/{namespace}")
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", device.encode(), IFF_TUN | IFF_NO_PI))
    return fd


class Way:
    """Packets of one direction."""

    def __init__(self, source, sink, delay_s, loss, rng):
        self.source, self.sink, self.delay_s, self.loss, self.rng = source, sink, delay_s, loss, rng
        self.queue = collections.deque()

    def take(self):
        try:
            while True:
                packet = os.read(self.source, 65536)
                if self.rng.random() >= self.loss and len(self.queue) < QUEUE:
                    self.queue.append((time.monotonic() + self.delay_s, packet))
        except BlockingIOError:
            pass

    def give(self):
        """Seconds until the next is due, or None."""
        while self.queue:
            left = self.queue[0][0] - time.monotonic()
            if left > 0:
                return left
            try:
                os.write(self.sink, self.queue.popleft()[1])
            except OSError:
                pass  # the device is down
        return None


def main():
    near_name, far_name, device = sys.argv[1:4]
    delay_s, loss = float(sys.argv[4]) / 1000, float(sys.argv[5]) / 100
    near, far = open_tun(near_name, device), open_tun(far_name, device)
    rng = random.Random(1)
    ways = {near: Way(near, far, delay_s, loss, rng), far: Way(far, near, delay_s, loss, rng)}
    print("ready", flush=True)
    while True:
        waits = [w for w in (way.give() for way in ways.values()) if w is not None]
        for fd in select.select(list(ways), [], [], min(waits, default=None))[0]:
            ways[fd].take()


main()
