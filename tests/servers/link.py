"""
A client's line to a server, and what can be wrong with it.

    client's namespace ---- router's namespace ---- server's namespace (given; shared by many lines)
      198.18.N.2              .1         .1           198.19.N.2

The router is what breaks: a route that swallows packets is a cable that was cut, one that says
"unreachable" a gateway without a way on, and where the server's address is the router's own it is
the router that answers: with a RST, or as a captive portal.  No firewall is needed.  Rate is the
kernel's own (tbf); delay and loss are a relay's (relay.py), which takes the router's place then.
"""

import socket
import subprocess
import sys
import time
from pathlib import Path

import netns

HERE = Path(__file__).resolve().parent
NAME = "s3.test"  # what the router's name server calls the server


class Link:
    def __init__(self, far, number, tag, folder):
        self.far, self.number = far, number
        self.near, self.router = f"{tag}-n{number}", f"{tag}-r{number}"
        self.client_ip, self.gateway_ip = f"198.18.{number}.2", f"198.18.{number}.1"
        self.server_ip, self.far_gateway_ip = f"198.19.{number}.2", f"198.19.{number}.1"
        self.device = f"far{number}"
        self.resolv = Path(folder) / "resolv.conf"
        self.relay = None

    def open(self):
        netns.create(self.near)
        netns.create(self.router)
        netns.ip("link", "add", "net0", "netns", self.near, "type", "veth", "peer", "near0", "netns", self.router)
        netns.ip("link", "add", "far0", "netns", self.router, "type", "veth", "peer", self.device, "netns", self.far)
        for where, device, address in ((self.near, "net0", self.client_ip), (self.router, "near0", self.gateway_ip),
                                       (self.router, "far0", self.far_gateway_ip),
                                       (self.far, self.device, self.server_ip)):
            netns.ip("addr", "add", f"{address}/24", "dev", device, inside=where)
            netns.ip("link", "set", device, "up", inside=where)
        netns.run(self.router, "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")
        netns.ip("route", "add", "default", "via", self.gateway_ip, inside=self.near)
        netns.ip("route", "add", f"{self.client_ip}/32", "via", self.far_gateway_ip, inside=self.far)
        self.resolv.write_text(f"nameserver {self.gateway_ip}\noptions timeout:1 attempts:2\n")

    def open_relayed(self, delay_ms=0, loss=0):
        """In place of open(): delay each way."""
        netns.create(self.near)
        self.relay = subprocess.Popen([sys.executable, str(HERE / "relay.py"), self.near, self.far, self.device,
                                       str(delay_ms), str(loss)], stdout=subprocess.PIPE, text=True)
        assert self.relay.stdout.readline() == "ready\n", "the relay did not start"
        for where, own, other in ((self.near, self.client_ip, self.server_ip),
                                  (self.far, self.server_ip, self.client_ip)):
            netns.ip("addr", "add", own, "peer", other, "dev", self.device, inside=where)
            netns.ip("link", "set", self.device, "up", "txqueuelen", 10000, inside=where)
        self.resolv.write_text("")

    def close(self):
        if self.relay:
            self.relay.terminate()
            self.relay.wait(10)
        netns.delete(self.near)
        netns.delete(self.router)
        netns.ip("link", "del", self.device, inside=self.far, may_fail=True)

    @property
    def prefix(self):
        """Words before a command that is to run at the client, with the router as its name server."""
        return ["nsenter", f"--net=/run/netns/{self.near}", "unshare", "--mount", "sh", "-c",
                'mount --bind "$0" /etc/resolv.conf && exec "$@"', str(self.resolv)]

    def rate(self, mbit):
        """Either way."""
        for device in ("near0", "far0"):
            netns.run(self.router, "tc", "qdisc", "replace", "dev", device, "root", "tbf", "rate", f"{mbit}mbit",
                      "burst", "32k", "latency", "100ms")

    def sent_again(self):
        """(segments that the client's TCP had to send again, all that it sent)"""
        lines = netns.run(self.near, "cat", "/proc/net/snmp").splitlines()
        names, values = [line.split()[1:] for line in lines if line.startswith("Tcp:")]
        counts = dict(zip(names, map(int, values)))
        return counts["RetransSegs"], counts["OutSegs"]

    def connect_s(self, port):
        """How long a connection takes to be made."""
        with netns.inside(self.near):
            start = time.monotonic()
            socket.create_connection((self.server_ip, port), 30).close()
            return time.monotonic() - start

    # What can be wrong, each until restore().

    def cut(self):
        """Packets vanish, nobody is told."""
        netns.ip("route", "add", "blackhole", self.server_ip, inside=self.router)
        netns.ip("route", "add", "blackhole", self.client_ip, inside=self.router)

    def down(self):
        """The client's own interface."""
        netns.ip("link", "set", "net0", "down", inside=self.near)

    def unreachable(self):
        netns.ip("route", "add", "unreachable", self.server_ip, inside=self.router)

    def refuse(self):
        """RST for what is open, and for whoever connects; or what listens at the router answers."""
        netns.ip("route", "add", "local", self.server_ip, "dev", "lo", "table", "local", inside=self.router)

    def restore(self):
        for kind, address in (("blackhole", self.server_ip), ("blackhole", self.client_ip),
                              ("unreachable", self.server_ip)):
            netns.ip("route", "del", kind, address, inside=self.router, may_fail=True)
        netns.ip("route", "del", "local", self.server_ip, "dev", "lo", "table", "local", inside=self.router,
                 may_fail=True)
        netns.ip("link", "set", "net0", "up", inside=self.near)
        netns.ip("route", "replace", "default", "via", self.gateway_ip, inside=self.near)

    def reset(self):
        """Once: RST on every connection that is open, from the server."""
        netns.run(self.far, "ss", "-K", "-H", "dst", self.client_ip, may_fail=True)
