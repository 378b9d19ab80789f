"""Read a published version by the layout that the README describes alone, and compare it with what it was made from."""

import base64
import gzip
import hashlib
import json
import os
import stat

import xxhash


def entries(version_dir):
    """The ten lines that any reader needs: path, line, object's file."""
    record = json.load(open(os.path.join(version_dir, "datastore.json")))
    assert record["format"] == 1, f"format {record['format']} is not known"
    for shard in record["manifest"]:
        for row in gzip.open(os.path.join(version_dir, shard["key"])):
            line = json.loads(row)
            path = base64.b64decode(line["path_b64"]) if "path_b64" in line else line["path"].encode()
            key = line["key"].encode() if "key" in line else b"data/" + path
            yield path, line, os.path.join(os.fsencode(version_dir), key)


def hash_of(file, block_size):
    """Hash and concatenated block digests of a file's bytes."""
    digests = []
    with open(file, "rb") as f:
        while True:
            state, left = xxhash.xxh3_128(), block_size
            while left and (piece := f.read(min(left, 1 << 20))):
                state.update(piece)
                left -= len(piece)
            if left == block_size and digests:
                break
            digests.append(state.digest())
            if left:
                break
    return (digests[0] if len(digests) == 1 else xxhash.xxh3_128(b"".join(digests)).digest(),
            b"".join(digests))


def check(version_dir, tree=None, follow=True, left_out=()):
    """
    Assert that the version is whole and agrees with itself, and with `tree` unless None.
    left_out: paths of the tree that must not be in it.  Returns {path: line}.
    """
    version_dir = os.fspath(version_dir)
    record = json.load(open(os.path.join(version_dir, "datastore.json")))
    check_record(record, version_dir)
    found, root, previous = {}, hashlib.sha256(), None
    for path, line, file in entries(version_dir):
        assert previous is None or previous < path, f"order: {previous} before {path}"
        previous = path
        found[path] = line
        check_line(path, line, file)
        size = line["size"] if line["type"] == "file" else 0
        digest = "-" if line["type"] == "dir" else line.get("hash") or "etag:" + line["etag"]
        root.update(b"%s %d %s %s\0" % (line["type"].encode(), size, digest.encode(), path))
    assert record["root"] == "sha256:" + root.hexdigest()
    check_totals(record, found)
    check_objects(version_dir, found)
    if tree is not None:
        compare(found, version_dir, tree, follow, set(map(os.fsencode, left_out)))
    return found


def check_record(record, version_dir):
    assert record["hash"] == "xxh3-128/blocks" and record["copy"] is True
    assert record["name"] == os.path.basename(os.path.dirname(version_dir))
    assert f"v{record['version']}" == os.path.basename(version_dir)
    assert record["session"] and record["created_at"].endswith("Z") and record["agent"]
    assert record["source"]["kind"] in ("local", "http", "s3") and record["source"]["url"]
    for shard in record["manifest"]:
        with open(os.path.join(version_dir, shard["key"]), "rb") as f:
            packed = f.read()
        assert shard["bytes"] == len(packed) and shard["entries"] <= 1_000_000
        assert shard["sha256"].removeprefix("sha256:") == hashlib.sha256(packed).hexdigest()
        assert shard["entries"] == gzip.decompress(packed).count(b"\n")


def needs_odd_key(path):
    try:
        text = path.decode()
    except UnicodeDecodeError:
        return True
    return (any(b < 0x20 or b == 0x7F for b in path) or "\ufffe" in text or "\uffff" in text
            or any(len(c) > 255 for c in path.split(b"/")))


def check_line(path, line, file):
    assert path and not path.startswith(b"/") and b"\0" not in path
    assert not {b"", b".", b".."} & set(path.split(b"/")), path
    try:
        path.decode()
        assert "path" in line and "path_b64" not in line, path
    except UnicodeDecodeError:
        assert "path_b64" in line and "path" not in line, path
    if line["type"] == "symlink":
        target = (base64.b64decode(line["target_b64"]) if "target_b64" in line
                  else line["target"].encode())
        assert line["hash"] == xxhash.xxh3_128(target).hexdigest(), path
    if line["type"] != "file":
        assert "key" not in line
        return
    assert "key" not in line or line["key"] == "odd/" + hashlib.sha256(path).hexdigest()
    assert "key" in line or not needs_odd_key(path), path
    assert isinstance(line["mtime"], str) and int(line["mtime"]) is not None
    int(line["mode"], 8)
    check_bytes(path, line, file)


def check_bytes(path, line, file):
    if "hash" not in line:  # copied inside the store
        assert line["etag"] and "blocks" not in line and "ref" not in line, path
        assert os.path.getsize(file) == line["size"], path
        return
    block_size = line.get("block_size", max(16 << 20, line["size"]))
    assert ("blocks" in line) == (line["size"] > block_size), path
    assert os.path.getsize(file) == line["size"], path
    digest, blocks = hash_of(file, block_size)
    assert line["hash"] == digest.hex(), f"{path}: the object is not what the manifest says"
    if "blocks" in line:
        assert block_size >= 16 << 20 and block_size & (block_size - 1) == 0
        assert base64.b64decode(line["blocks"]) == blocks, path


def check_totals(record, found):
    of_type = {t: [x for x in found.values() if x["type"] == t] for t in ("file", "dir", "symlink")}
    assert record["files"] == len(of_type["file"])
    assert record["symlinks"] == len(of_type["symlink"])
    assert record["directories"] == len(of_type["dir"])
    assert record["bytes"] == sum(x["size"] for x in of_type["file"])
    assert sum(s["entries"] for s in record["manifest"]) == len(found)


def check_objects(version_dir, found):
    """No object that the manifest does not name."""
    named = {os.fsencode(x["key"]) if "key" in x else b"data/" + path
             for path, x in found.items() if x["type"] == "file"}
    top, present = os.fsencode(version_dir), set()
    for place in (b"data", b"odd"):
        for where, _, files in os.walk(os.path.join(top, place)):
            present.update(os.path.relpath(os.path.join(where, f), top) for f in files)
    assert present <= named, f"objects not in the manifest: {present - named}"


def walk(tree, follow):
    """{path: kind} of a tree by plain Python, with paths of any length."""
    found = {}

    def visit(folder_fd, prefix, above):
        names = os.listdir(folder_fd)
        for name in map(os.fsencode, names):
            path = prefix + name
            st = os.stat(name, dir_fd=folder_fd, follow_symlinks=False)
            is_link = stat.S_ISLNK(st.st_mode)
            if is_link and follow:
                try:
                    st = os.stat(name, dir_fd=folder_fd)
                    is_link = (st.st_dev, st.st_ino) in above
                except OSError:
                    pass
            if is_link:
                found[path] = ("symlink", os.readlink(name, dir_fd=folder_fd))
            elif stat.S_ISDIR(st.st_mode):
                inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=folder_fd)
                try:
                    if not visit(inner, path + b"/", above | {(st.st_dev, st.st_ino)}):
                        found[path] = ("dir", None)
                finally:
                    os.close(inner)
            elif stat.S_ISREG(st.st_mode):
                found[path] = ("file", st)
        return len(names)

    top = os.open(tree, os.O_RDONLY | os.O_DIRECTORY)
    try:
        st = os.fstat(top)
        visit(top, b"", frozenset({(st.st_dev, st.st_ino)}))
    finally:
        os.close(top)
    return found


def open_below(tree, path):
    """Open a file by a path that may be longer than the system takes."""
    fd = os.open(tree, os.O_RDONLY | os.O_DIRECTORY)
    *folders, name = path.split(b"/")
    for folder in folders:
        inner = os.open(folder, os.O_RDONLY | os.O_DIRECTORY, dir_fd=fd)
        os.close(fd)
        fd = inner
    try:
        return open(os.open(name, os.O_RDONLY, dir_fd=fd), "rb")
    finally:
        os.close(fd)


def same_bytes(a, b):
    while True:
        x, y = a.read(1 << 20), b.read(1 << 20)
        if x != y:
            return False
        if not x:
            return True


def compare(found, version_dir, tree, follow, left_out):
    expected = {p: k for p, k in walk(tree, follow).items()
                if not any(p == x or p.startswith(x + b"/") for x in left_out)}
    assert set(found) == set(expected), (
        f"missing: {sorted(set(expected) - set(found))[:10]}, "
        f"too many: {sorted(set(found) - set(expected))[:10]}")
    for path, (kind, what) in expected.items():
        line = found[path]
        assert line["type"] == kind, path
        if kind == "file":
            assert int(line["mtime"]) == what.st_mtime_ns, path
            assert int(line["mode"], 8) == stat.S_IMODE(what.st_mode), path
            key = line.get("key") or b"data/" + path
            file = os.path.join(os.fsencode(version_dir), os.fsencode(key))
            with open_below(tree, path) as a, open(file, "rb") as b:
                assert same_bytes(a, b), f"{path} differs"
        elif kind == "symlink":
            target = (base64.b64decode(line["target_b64"]) if "target_b64" in line
                      else line["target"].encode())
            assert target == os.fsencode(what), path
