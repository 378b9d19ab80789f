#!/usr/bin/python3
"""
A fake S3 server for tests: real state, strict verification, scripted faults.  Python's standard
library only.  It prints nothing; --port-file appears when it listens.  SIGTERM ends it.

    tests/fake/s3.py --port 0 --port-file F --bucket test
"""

import argparse
import asyncio
import gc
import json
import os
import pickle
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import tls  # noqa: E402
from behaviour import PROFILES, Behaviour  # noqa: E402
from bucket import FileSegment, Media  # noqa: E402
from fault import Faults  # noqa: E402
from server import Server  # noqa: E402
from sts import User  # noqa: E402

DEFAULT_USER = "testaccesskey0000001:testsecretkey00000000000000000000000001:000000000001"


def options():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--host", default="127.0.0.1")
    p.add_argument("--port", type=int, default=0, help="0: any that is free")
    p.add_argument("--port-file", help="the port is written there as soon as it listens")
    p.add_argument("--tls", metavar="FOLDER", help="HTTPS; FOLDER holds (or gets) ca.crt, server.crt, server.key")
    p.add_argument("--suffix", action="append", default=[], help="host names below it are buckets (localhost)")
    p.add_argument("--region", default="us-east-1")
    p.add_argument("--user", action="append", default=[], metavar="KEY:SECRET[:ACCOUNT[:readonly]]")
    p.add_argument("--bucket", action="append", default=[], metavar="NAME[@REGION]",
                   help="exists from the start, owned by the first user")
    p.add_argument("--behaviour", default="", help="profile and name=value words, by commas; profiles: "
                   + ", ".join(PROFILES))
    p.add_argument("--data", metavar="FOLDER", help="bytes lie there, and the state after SIGTERM; else memory")
    p.add_argument("--discard", action="store_true", help="keep no bytes of large bodies (they read as zeros)")
    p.add_argument("--log", metavar="FILE", help="append a JSON line a request")
    p.add_argument("--faults", metavar="FILE", help="a JSON list of rules, see fault.py")
    p.add_argument("--seed", type=int, default=1)
    return p.parse_args()


def user_of(text):
    words = text.split(":")
    return User(words[0], words[1], words[2] if len(words) > 2 else "000000000001",
                read_only=words[3:4] == ["readonly"])


class Listener:
    """The listening socket, which an outage closes for a while."""

    def __init__(self, server, opts):
        self.server, self.opts, self.port, self.sockets = server, opts, opts.port, None
        self.mute = False
        self.context = tls.context(opts.tls) if opts.tls else None
        server.control.outage = self.outage

    async def open(self):
        self.sockets = await asyncio.start_server(self.accept, self.opts.host, self.port, ssl=self.context,
                                                  limit=512 * 1024, backlog=2048, reuse_address=True)
        self.port = self.sockets.sockets[0].getsockname()[1]

    async def accept(self, reader, writer):
        if self.mute:
            while self.mute:
                await asyncio.sleep(0.05)
            writer.transport.abort()
            return
        await self.server.serve(reader, writer)

    async def outage(self, mode, seconds):
        if mode == "blackhole":
            self.mute = True
            for connection in list(self.server.connections.values()):
                connection.writer.transport.pause_reading()
            await asyncio.sleep(seconds)
            self.mute = False
        else:
            self.sockets.close()
        for connection in list(self.server.connections.values()):
            connection.reset()
        if mode != "blackhole":
            await asyncio.sleep(seconds)
            await self.open()


def restore(server, folder):
    path = os.path.join(folder, "state")
    if os.path.exists(path):
        with open(path, "rb") as f:
            server.buckets = pickle.load(f)


def save(server, folder):
    FileSegment.forget = True
    with open(os.path.join(folder, "state"), "wb") as f:
        pickle.dump(server.buckets, f)


def write_port(path, port):
    with open(path + ".new", "w") as f:
        f.write(f"{port}\n")
    os.replace(path + ".new", path)


async def run(opts):
    suffixes = opts.suffix or ["localhost"]
    if opts.tls:
        tls.make(opts.tls, ["localhost", *suffixes])
    rules = json.load(open(opts.faults)) if opts.faults else []
    server = Server(Behaviour(opts.behaviour), Faults(rules, opts.seed), Media(opts.data, opts.discard),
                    opts.region, suffixes, opts.log)
    server.is_tls = bool(opts.tls)
    users = [user_of(text) for text in opts.user or [DEFAULT_USER]]
    for user in users:
        server.users.add(user)
    if opts.data:
        restore(server, opts.data)
    for text in opts.bucket:
        name, _, region = text.partition("@")
        server.add_bucket(name, users[0].account, region or None)
    listener = Listener(server, opts)
    await listener.open()
    if opts.port_file:
        write_port(opts.port_file, listener.port)
    over = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    await over.wait()
    if opts.data:
        save(server, opts.data)
    os._exit(0)


if __name__ == "__main__":
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    asyncio.run(run(options()))
