"""
A program and its store, with a bad network between them: what a story needs to be told, and what
the server's log says about it afterwards.
"""

import datetime
import os
import time

import netns
from gateway import Gateway
from link import NAME, Link
from nameserver import NameServer
from portal import Portal
from s3check import Bucket

SETTLED_S = 2.0  # an answer that is so old is in the client's hands
POLL_S = 0.05


def seconds_of(event):
    return datetime.datetime.fromisoformat(event["time"].replace("Z", "+00:00")).timestamp()


class Place:
    """One gateway behind one link.  The thread that uses it is in the server's namespace."""

    def __init__(self, grid, folder, values, bucket, scratch):
        self.grid, self.folder, self.values = grid, folder, values
        self.bucket_name, self.scratch = bucket, scratch
        self.link = self.gateway = self.bucket = self.names = self.portal = self.running = None

    def open(self, number, relay=None, rate=None, gateway_conf="", by_name=False):
        """number: 1 to 250, no other story of the run has it.  rate: Mbit/s.  relay: delay_ms, loss."""
        tag = f"g{os.path.basename(self.values['NETNS'])[9:]}"
        self.link = Link(self.values["NETNS"], number, tag, self.scratch)
        if relay:
            self.link.open_relayed(**relay)
        else:
            self.link.open()
        if rate:
            self.link.rate(rate)
        self.gateway = Gateway(self.folder, self.values, f"story{number}", 8000 + number)
        self.gateway.start(gateway_conf)
        self.bucket = Bucket(self.gateway, self.bucket_name, f"{number}-{os.urandom(4).hex()}", self.scratch)
        if by_name:
            with netns.inside(self.link.router):
                self.names = NameServer(self.link.gateway_ip, NAME, self.link.server_ip)

    def close(self):
        for thing in (self.names, self.portal, self.gateway, self.link):
            if thing:
                thing.close()

    @property
    def endpoint(self):
        host = NAME if self.names else self.link.server_ip
        return f"http://{host}:{self.gateway.port}"

    def create(self, tree, *words):
        self.grid.env.update({**self.bucket.env, "AWS_ENDPOINT_URL_S3": self.endpoint})
        self.running = self.grid.start("datastore", "create", tree, "--name", "set", "--json", *words,
                                       prefix=self.link.prefix)
        return self.running

    # ---- what goes wrong ----

    def open_portal(self, kind):
        with netns.inside(self.link.router):
            self.portal = Portal(self.gateway.port, kind)
        self.link.refuse()  # the server's address is the router's own now

    def close_portal(self):
        self.link.restore()
        self.link.reset()

    # ---- what is to be seen ----

    def data_log(self):
        return [e for e in self.gateway.log(self.bucket_name)
                if e["method"] == "PUT" and self.bucket.is_data(e["key"])]

    def acknowledged(self, until=float("inf")):
        """{(key, part): when first} of the data."""
        found = {}
        for e in self.data_log():
            if e["status"] == 200 and e["time"] <= until:
                found.setdefault((e["key"], e["partNumber"]), e["time"])
        return found

    def until_some_are_acknowledged(self, count, settled_s=0, timeout=60):
        """Until so many bodies were acknowledged, that long ago, in the midst of the upload."""
        return self.running.until(lambda: len(self.acknowledged(time.time() - settled_s)) >= count,
                                  f"{count} bodies acknowledged", timeout)

    def sent(self, at=float("inf")):
        """Bytes handed to the network by then: as the first event of progress after it says."""
        progress = [e for e in self.running.events() if e["event"] == "progress"]
        later = [e for e in progress if seconds_of(e) >= at]
        return (later[0] if later else progress[-1])["bytes_sent"]

    def states(self, start, end):
        return {e["state"] for e in self.running.events()
                if e["event"] == "progress" and start <= seconds_of(e) <= end}

    def sent_again(self, cut):
        """What came once more although it had been acknowledged SETTLED_S before the cut."""
        settled = self.acknowledged(cut - SETTLED_S)
        return sorted({(e["key"], e["partNumber"]) for e in self.data_log()
                       if e["start"] > settled.get((e["key"], e["partNumber"]), float("inf"))})

    def first_after(self, at):
        """When the first body was acknowledged that was so after that time; None."""
        return min((e["time"] for e in self.data_log() if e["status"] == 200 and e["time"] > at), default=None)

    def begun_and_acknowledged(self, start, end):
        return [e for e in self.data_log() if start < e["start"] and e["time"] < end and e["status"] == 200]

    def acknowledged_bytes(self, until):
        return sum(e["bytes"] for e in self.data_log() if e["status"] == 200 and e["time"] <= until)
