"""
What tests tell a running server, and ask it, under /.fake/ (no bucket's name begins with a dot).

  GET    /.fake/log?from=N       the access log from entry N on, JSON lines; &bucket=NAME: of that alone
  POST   /.fake/faults           a list of rules (fault.py) in place of the old ones; GET: with counts
  POST   /.fake/faults/BUCKET    the same for the rules of one bucket
  POST   /.fake/options          behaviour by name (behaviour.py); GET: all of it
  POST   /.fake/users            {access_key, secret, account, token, expires_in_s, deny, read_only}
  DELETE /.fake/users/KEY        GET /.fake/users: {access_key: arn}
  POST   /.fake/buckets          {name, region, owner}
  DELETE /.fake/buckets/NAME     with its objects, its fault rules and its entries of the log
  POST   /.fake/export           {bucket, folder}: its objects as files
  GET    /.fake/state            buckets with objects and uploads; requests in flight; ?bucket=NAME
  POST   /.fake/reset            RST on all other connections
  POST   /.fake/outage           {seconds, mode: refuse | blackhole}: connections are reset (blackhole:
                                 left alone and silent), new ones refused (accepted, never answered)
"""

import asyncio
import json
import os
from urllib.parse import unquote

from sts import User
from wire import Answer, Body


class Control:
    def __init__(self, server):
        self.server = server
        self.outage = None  # async function of mode, seconds: set by what owns the listening socket

    async def serve(self, connection, request):
        body = Body(connection, int(request.header("content-length", "0")), False)
        data = await body.exactly(body.length) if body.length else b""
        name = request.path.decode()[len("/.fake/"):]
        try:
            answer = await self.answer(request, name, json.loads(data) if data else None, connection)
        except (KeyError, ValueError, TypeError) as error:
            answer = Answer(400, f"{type(error).__name__}: {error}\n".encode())
        if not connection.is_gone():
            await connection.write(answer.head(request.method, request.keep_alive) + answer.body)
        return request.keep_alive

    async def answer(self, request, name, value, connection):
        server, is_read, query = self.server, request.method == "GET", dict(request.query)
        if name == "log":
            return Answer(body=server.log.since(int(query.get("from", 0)), query.get("bucket")))
        if name == "faults" or name.startswith("faults/"):
            bucket = unquote(name[7:]) or None
            if not is_read:
                server.faults.replace(value or [], bucket)
            return as_json(server.faults.report(bucket))
        if name == "options":
            if not is_read:
                server.behaviour.set(value)
            return as_json(vars(server.behaviour))
        if name == "users" and is_read:
            return as_json({u.access_key: u.arn for u in server.users.known.values()})
        if name == "state":
            return as_json(self.state(query.get("bucket")))
        if is_read:
            return Answer(404)
        return await self.change(request, name, value, connection)

    async def change(self, request, name, value, connection):
        server = self.server
        if name == "users":
            expires = value.pop("expires_in_s", None)
            value["expires"] = None if expires is None else server.now() + expires
            value.setdefault("account", next(iter(server.users.known.values())).account)
            server.users.add(User(**value))
        elif name.startswith("users/") and request.method == "DELETE":
            server.users.known.pop(unquote(name[6:]), None)
        elif name == "buckets":
            owner = value.get("owner") or next(iter(server.users.known.values())).account
            server.add_bucket(value["name"], owner, value.get("region"))
        elif name.startswith("buckets/") and request.method == "DELETE":
            server.forget_bucket(unquote(name[8:]))
        elif name == "export":
            export(server.buckets[value["bucket"]], value["folder"])
        elif name == "reset":
            for other in [c for c in server.connections.values() if c is not connection]:
                other.reset()
        elif name == "outage":
            asyncio.get_running_loop().call_later(
                0.01, lambda: asyncio.ensure_future(self.outage(value.get("mode", "refuse"), value["seconds"])))
        else:
            return Answer(404)
        return Answer(204)

    def state(self, only=None):
        buckets = {}
        for bucket in self.server.buckets.values():
            if only is not None and bucket.name != only:
                continue
            buckets[bucket.name] = {
                "objects": {key: {"size": o.size, "etag": o.etag} for key, o in bucket.objects.items()},
                "uploads": [{"id": u.id, "key": u.key, "parts": {n: p.size for n, p in u.parts.items()}}
                            for u in bucket.uploads.values()]}
        return {"buckets": buckets, "in_flight": self.server.in_flight_of[only] if only else self.server.in_flight,
                "most_in_flight": self.server.most_in_flight, "connections": len(self.server.connections)}


def export(bucket, folder):
    for key, found in bucket.objects.items():
        path = os.path.join(folder, key)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.writelines(found.read(0, found.size))


def as_json(value):
    return Answer(body=json.dumps(value).encode(), headers={"Content-Type": "application/json"})
