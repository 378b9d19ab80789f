"""The access log: a dictionary a request, kept for GET /.fake/log and written as JSON lines."""

import json


class AccessLog:
    def __init__(self, path=None):
        self.entries = []
        self.file = open(path, "a", buffering=1) if path else None

    def add(self, entry):
        self.entries.append(entry)
        if self.file:
            self.file.write(json.dumps(entry) + "\n")

    def since(self, number, bucket=None):
        """Of the entries in memory; bucket None: all."""
        return "".join(json.dumps(entry) + "\n" for entry in self.entries[number:]
                       if bucket is None or entry["bucket"] == bucket).encode()

    def forget(self, bucket):
        """Out of memory; the file keeps them."""
        self.entries = [entry for entry in self.entries if entry["bucket"] != bucket]
