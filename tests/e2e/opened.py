"""Which files of a tree were opened, by whomever: what was not opened was not read."""

import collections
import ctypes
import os
import struct
import threading

IN_OPEN, IN_ISDIR, IN_Q_OVERFLOW = 0x20, 0x40000000, 0x4000
LIBC = ctypes.CDLL(None, use_errno=True)


class Opened(collections.Counter):
    """`with Opened(tree) as opened:` counts by path relative to the tree."""

    def __init__(self, tree):
        super().__init__()
        self.tree, self.folders = os.fsencode(tree), {}

    def __enter__(self):
        self.queue = LIBC.inotify_init1(os.O_CLOEXEC)
        for where, _, _ in os.walk(self.tree):
            watch = LIBC.inotify_add_watch(self.queue, where, IN_OPEN)
            assert watch >= 0, os.strerror(ctypes.get_errno())
            self.folders[watch] = os.path.relpath(where, self.tree)
        self.reader = threading.Thread(target=self._read)
        self.reader.start()
        return self

    def __exit__(self, *_):
        """The last event is our own: whatever was opened before it has been counted."""
        with open(os.path.join(self.tree, os.fsencode(".last")), "wb"):
            pass
        self.reader.join()
        os.unlink(os.path.join(self.tree, b".last"))
        os.close(self.queue)

    def _read(self):
        while True:
            events = os.read(self.queue, 1 << 20)
            while events:
                watch, mask, _, size = struct.unpack_from("iIII", events)
                name, events = events[16:16 + size].rstrip(b"\0"), events[16 + size:]
                assert not mask & IN_Q_OVERFLOW, "more was opened than could be counted"
                if name == b".last":
                    return
                if not mask & IN_ISDIR:
                    path = os.path.normpath(os.path.join(self.folders[watch], name))
                    self[os.fsdecode(path)] += 1
