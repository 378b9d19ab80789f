"""
A datastore in a bucket, looked at with boto3: its version is copied to a folder and checked by
FORMATS.md there (read_manifest), byte for byte against the tree that it was made from.
"""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import read_manifest


class Bucket:
    """Where a grid under test keeps its datastores."""

    def __init__(self, s3, bucket, prefix="", scratch=None):
        self.s3, self.bucket, self.scratch = s3, bucket, scratch
        self.prefix = prefix.strip("/") + "/" if prefix.strip("/") else ""

    @property
    def env(self):
        return self.s3.env(self.bucket, self.prefix)

    def keys(self, below=""):
        """{key relative to the prefix: size}"""
        found = self.s3.objects(self.bucket, self.prefix + below)
        return {key[len(self.prefix):]: size for key, size in found.items()}

    def published(self, name):
        return sorted(int(key.split("/")[1][1:]) for key in self.keys(name + "/")
                      if key.count("/") == 2 and key.endswith("/datastore.json"))

    def record(self, name, number=1):
        return json.loads(self.s3.read(self.bucket, f"{self.prefix}{name}/v{number}/datastore.json"))

    def mirror(self, name, number=1):
        """The version's objects as files."""
        top = Path(self.scratch) / "mirror"
        shutil.rmtree(top, ignore_errors=True)
        keys = list(self.keys(f"{name}/v{number}/"))
        # One client for all: boto3's are safe to share between threads.
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda key: self.fetch(key, top / key), keys))
        return top / name / f"v{number}"

    def fetch(self, key, file):
        file.parent.mkdir(parents=True, exist_ok=True)
        body = self.s3.boto.get_object(Bucket=self.bucket, Key=self.prefix + key)["Body"]
        with open(file, "wb") as f:
            shutil.copyfileobj(body, f, 1 << 20)

    def check(self, name, tree=None, number=1, **more):
        """Whole, in agreement with itself and with the tree; and no trace of the session is left."""
        folder = self.mirror(name, number)
        found = read_manifest.check(folder, tree, **more)
        left = [p.name for p in folder.iterdir() if p.name not in ("datastore.json", "manifest", "data", "odd")]
        assert not left, f"left over: {left}"
        self.no_orphans(name)
        shutil.rmtree(folder.parent.parent)
        return found

    def no_orphans(self, name=""):
        open_uploads = self.s3.open_uploads(self.bucket, self.prefix + name)
        assert not open_uploads, f"orphan uploads: {open_uploads}"

    def is_data(self, key):
        words = key[len(self.prefix):].split("/") if key and key.startswith(self.prefix) else []
        return len(words) > 3 and words[2] in ("data", "odd")

    def stored(self, start=0.0, end=float("inf")):
        """{(key, part): [(time, bytes)]} of data that the server acknowledged in that time."""
        return {(key, part): times for (key, part), times in
                self.s3.stored_bytes(self.bucket, start, end).items() if self.is_data(key)}

    def bytes_sent(self, start=0.0):
        """Payload of all requests with data, answered or not."""
        return sum(e["bytes"] for e in self.s3.log(self.bucket)
                   if e["method"] == "PUT" and self.is_data(e["key"]) and e["time"] >= start)
