"""
Buckets, objects and multipart uploads: state without any protocol.

Bytes are Segments, in memory or each a file in a folder; an object is a list of segments, so
completing an upload and copying move no bytes.  A segment's file goes with its last user.
"""

import bisect
import itertools
import os
import uuid

from s3error import S3Error


class MemorySegment:
    def __init__(self):
        self.pieces, self.size = [], 0

    def write(self, data):
        self.pieces.append(data)
        self.size += len(data)

    def close(self):
        if len(self.pieces) > 1 and self.size < 65536:
            self.pieces = [b"".join(self.pieces)]

    def read(self, start, length):
        for piece in self.pieces:
            if start < len(piece) and length > 0:
                part = piece[start:start + length] if start or length < len(piece) else piece
                yield part
                length -= len(part)
            start = max(0, start - len(piece))


class FileSegment:
    PIECE = 1 << 20
    forget = False  # set at the end, so that the files outlive the process

    def __init__(self, folder, number):
        self.path, self.size = os.path.join(folder, f"{number:012d}"), 0
        self.file = open(self.path, "wb", buffering=0)

    def write(self, data):
        self.file.write(data)
        self.size += len(data)

    def close(self):
        if self.file:
            self.file.close()
            self.file = None

    def read(self, start, length):
        with open(self.path, "rb") as f:
            f.seek(start)
            while length > 0 and (data := f.read(min(self.PIECE, length))):
                length -= len(data)
                yield data

    def __getstate__(self):
        return {"path": self.path, "size": self.size, "file": None}

    def __del__(self):
        self.close()
        if not FileSegment.forget:
            try:
                os.unlink(self.path)
            except OSError:
                pass


class DiscardSegment:
    """Counts only; reads back as zeros."""

    def __init__(self):
        self.size = 0

    def write(self, data):
        self.size += len(data)

    def close(self):
        pass

    def read(self, start, length):
        while length > 0:
            yield bytes(min(length, 1 << 20))
            length -= 1 << 20


class Slice:
    """A range of another's segments (UploadPartCopy)."""

    def __init__(self, segments, start, size):
        self.segments, self.start, self.size = list(segments), start, size

    def read(self, start, length):
        yield from read_segments(self.segments, self.start + start, length)


def read_segments(segments, start, length):
    for segment in segments:
        if length <= 0:
            return
        if start < segment.size:
            n = min(length, segment.size - start)
            yield from segment.read(start, n)
            length -= n
        start = max(0, start - segment.size)


class Media:
    """Where segments lie: folder None is memory, discard keeps nothing."""

    def __init__(self, folder=None, discard=False):
        self.folder, self.discard = folder, discard
        self.numbers = itertools.count()
        if folder:
            os.makedirs(folder, exist_ok=True)
            used = [int(name) for name in os.listdir(folder) if name.isdigit()]
            self.numbers = itertools.count(max(used, default=-1) + 1)

    def new(self, size):
        if self.discard and size > 65536:
            return DiscardSegment()
        return FileSegment(self.folder, next(self.numbers)) if self.folder else MemorySegment()


class Object:
    def __init__(self, segments, etag, headers, modified):
        self.segments, self.etag, self.headers, self.modified = segments, etag, headers, modified
        self.size = sum(s.size for s in segments)
        self.checksums, self.checksum_type = {}, None  # {algorithm: text}
        self.part_sizes = None

    def read(self, start, length):
        return read_segments(self.segments, start, length)


class Part:
    def __init__(self, segments, md5, etag, modified):
        self.segments, self.md5, self.etag, self.modified = segments, md5, etag, modified
        self.size = sum(s.size for s in segments)
        self.checksums = {}  # {algorithm: digest}


class Upload:
    def __init__(self, key, headers, initiated, owner):
        self.id = uuid.uuid4().hex
        self.key, self.headers, self.initiated, self.owner = key, headers, initiated, owner
        self.algorithm, self.checksum_type = None, None
        self.parts = {}


class Bucket:
    def __init__(self, name, owner, region, created):
        self.name, self.owner, self.region, self.created = name, owner, region, created
        self.objects, self.keys = {}, []  # keys is sorted
        self.uploads = {}  # {id: Upload}
        self.completed = {}  # {upload id: (key, etag)}
        self.writing = {}  # {key: PUTs under way}

    def put(self, key, object_):
        if key not in self.objects:
            if self.keys and key < self.keys[-1]:
                bisect.insort(self.keys, key)
            else:
                self.keys.append(key)
        self.objects[key] = object_

    def delete(self, key):
        if self.objects.pop(key, None) is not None:
            del self.keys[bisect.bisect_left(self.keys, key)]

    def used(self):
        return (sum(o.size for o in self.objects.values())
                + sum(p.size for u in self.uploads.values() for p in u.parts.values()))

    def upload(self, upload_id, key, code="NoSuchUpload"):
        upload = self.uploads.get(upload_id)
        if upload is None or upload.key != key:
            raise S3Error(code, "The specified upload does not exist. The upload ID may be invalid, or the "
                          "upload may have been aborted or completed.",
                          status=404, extra={"UploadId": upload_id})
        return upload

    def keys_from(self, prefix, after):
        """Keys with the prefix that come after `after`, in order."""
        start = max(bisect.bisect_left(self.keys, prefix), bisect.bisect_right(self.keys, after) if after else 0)
        for i in range(start, len(self.keys)):
            if not self.keys[i].startswith(prefix):
                return
            yield self.keys[i]

    def group_end(self, group):
        """The last key that begins with `group`, for skipping it."""
        return group + "\U0010ffff"

    def in_order(self):
        """Open uploads by key, then by the time of their start."""
        return sorted(self.uploads.values(), key=lambda u: (u.key, u.initiated, u.id))
