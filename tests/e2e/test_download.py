"""download: the files back, whole or not at all, once, and nowhere but in the folder."""

import base64
import gzip
import hashlib
import json
import os
import re
import shutil
import signal
import stat
import subprocess

import pytest
import xxhash

from gridtest import MIB, killpoint, mixed_tree, write, write_random
from rss import measured_run
from s3servers import fake  # noqa: F401
from test_names import ODD, PLAIN
from test_places import needs_mount, small_disk  # noqa: F401
from test_s3 import on_fake  # noqa: F401

BLOCK = 16 * MIB


@pytest.fixture(params=["dir", "fake"])
def place(request, on_fake):  # noqa: F811
    return on_fake() if request.param == "fake" else None


@pytest.fixture
def out(tmp_path):
    """What is downloaded lies in a folder of its own, beside what must stay as it is."""
    write(tmp_path, "around/secret", "not yours\n")
    return tmp_path / "around/out"


@pytest.fixture
def download(grid, out):
    def run(name="tree", *more, code=0, **keywords):
        return grid("datastore", "download", name, out, *more, code=code, **keywords)
    return run


def listing(top):
    """{path: what it is, its mode, time and content}; nothing of folders that are not empty."""
    found, top = {}, os.fsencode(top)
    for where, folders, files in os.walk(top):
        for name in files + [f for f in folders if os.path.islink(os.path.join(where, f))]:
            path = os.path.join(where, name)
            st = os.lstat(path)
            if stat.S_ISLNK(st.st_mode):
                what = ("link", os.readlink(path))
            else:
                with open(path, "rb") as f:
                    what = ("file", stat.S_IMODE(st.st_mode), st.st_mtime_ns, hashlib.file_digest(f, "sha1").hexdigest())
            found[os.path.relpath(path, top)] = what
        if not folders and not files:
            found[os.path.relpath(where, top)] = ("folder",)
    return found


def outside_is_untouched(out):
    around = out.parent
    assert sorted(p.name for p in around.iterdir()) in (["out", "secret"], ["secret"])
    assert (around / "secret").read_text() == "not yours\n"


def parts(out):
    return list(out.glob(".grid-download-*"))


def edit_manifest(version, edit):
    """Lines of the only shard pass through edit(); the record agrees with what comes of it."""
    shard = version / "manifest/00000.jsonl.gz"
    lines = edit([json.loads(row) for row in gzip.open(shard)])
    packed = gzip.compress(b"".join(json.dumps(x).encode() + b"\n" for x in lines))
    shard.write_bytes(packed)
    record = json.loads((version / "datastore.json").read_text())
    record["manifest"][0].update(bytes=len(packed), entries=len(lines), sha256=hashlib.sha256(packed).hexdigest())
    (version / "datastore.json").write_text(json.dumps(record))


def blocks_fetched(log, key, since=0):
    """Where the GETs for an object begin, in blocks, with the bytes that each was sent."""
    found = []
    for e in log[since:]:
        if e["op"] == "GetObject" and (e["key"] or "").endswith(key):
            start = re.match(r"bytes=(\d+)-", e["range"])
            found.append((int(start[1]) // BLOCK if start else 0, e["sent"]))
    return found


# ---- what comes back


@pytest.mark.fast
def test_everything_comes_back(place, grid, tree, out, download):
    mixed_tree(tree)
    for i, name in enumerate(ODD + PLAIN):
        write(tree, b"names/" + name, b"content %d" % i)
        write(tree, b"in/" + name + b"/file", b"inner %d" % i)
    (tree / "link").symlink_to("a.txt")
    (tree / "out-link").symlink_to("/etc/passwd")
    (tree / "a/dangling").symlink_to(b"no\xffwhere")
    for mode in (0o400, 0o000, 0o777, 0o640):
        write(tree, f"mode-{mode:o}", "x", mode)
    for ns in (-1, -5_000_000_000, 1, 1_234_567_890_123_456_789, 4_102_444_800_000_000_001):
        os.utime(write(tree, f"time{ns}", "x"), ns=(0, ns))
    grid.create(tree, "--symlinks", "keep")
    said = download()
    assert listing(out) == listing(tree)
    assert f"{sum(1 for x in listing(tree).values() if x[0] == 'file')} files" in said.out
    outside_is_untouched(out)


@pytest.mark.fast
def test_set_id_bits_are_not_set(grid, tree, out, download):
    write(tree, "tool", "x", 0o6755)
    grid.create(tree)
    download()
    assert stat.S_IMODE((out / "tool").stat().st_mode) == 0o755


@pytest.mark.fast
def test_versions_and_folders_that_are_not_there_yet(grid, tree, tmp_path):
    write(tree, "a", "one")
    grid.create(tree)
    write(tree, "a", "another")
    grid.create(tree)
    for spec, content in (("tree:1", "one"), ("tree", "another")):
        to = tmp_path / "deep/er" / spec
        grid("datastore", "download", spec, to, code=0)
        assert (to / "a").read_text() == content


@pytest.mark.fast
def test_again_reads_and_fetches_nothing(on_fake, grid, tree, out, download):  # noqa: F811
    place = on_fake()
    mixed_tree(tree)
    grid.create(tree)
    download()
    before, seen = listing(out), len(place.s3.recent_log("test"))
    os.chmod(out / "a.txt", 0)
    event = download("tree", "--json").event("downloaded")
    assert event["files_present"] == event["files"] == 59 and event["bytes_fetched"] == 0
    os.chmod(out / "a.txt", 0o644)
    assert listing(out) == before
    data = [e for e in place.s3.recent_log("test")[seen:] if "/data/" in (e["key"] or "")]
    assert data == []


@pytest.mark.fast
def test_events(grid, tree, out, download):
    write_random(tree, "a", 3 * BLOCK + 5)
    (tree / "d").mkdir()
    grid.create(tree)
    event = download("tree", "--json").events[-1]
    assert event["event"] == "downloaded"
    assert {k: event[k] for k in ("name", "version", "cluster", "dir", "files", "bytes", "bytes_fetched", "directories")} == {
        "name": "tree", "version": 1, "cluster": "local", "dir": str(out), "files": 1, "bytes": 3 * BLOCK + 5,
        "bytes_fetched": 3 * BLOCK + 5, "directories": 1}


@pytest.mark.fast
def test_a_sparse_file_stays_sparse(grid, tree, out, download):
    write(tree, "sparse", b"\0" * BLOCK + b"x")
    os.truncate(tree / "sparse", 10 * BLOCK)
    grid.create(tree)
    download()
    assert (out / "sparse").read_bytes() == (tree / "sparse").read_bytes()
    assert (out / "sparse").stat().st_blocks * 512 < 2 * BLOCK


# ---- going on


def test_killed_and_run_again(on_fake, grid, tree, out, download):  # noqa: F811
    """At most what was in flight is fetched again."""
    place = on_fake()
    write_random(tree, "large", 20 * BLOCK + 77)
    grid.create(tree)
    place.s3.faults({"op": "GetObject", "key": "*large", "from": 12, "fault": "silent", "seconds": 0})
    running = grid.start("datastore", "download", "tree", out)

    def written():
        got = [n for n, sent in blocks_fetched(place.s3.recent_log("test"), "large") if sent >= BLOCK]
        return len(got) == 11 and sum(p.stat().st_blocks * 512 for p in parts(out)[0].iterdir()) >= 11 * BLOCK
    running.until(written, "eleven blocks")
    running.send(signal.SIGKILL)
    running.wait()
    assert not (out / "large").exists()
    place.s3.faults()
    log = place.s3.recent_log("test")
    first = {n for n, sent in blocks_fetched(log, "large") if sent >= BLOCK}
    event = download("tree", "--json").event("downloaded")
    again = [n for n, sent in blocks_fetched(place.s3.recent_log("test"), "large", len(log)) if sent]
    assert sorted(again) == sorted(set(range(21)) - first), "only what was not there"
    assert event["bytes_fetched"] == 9 * BLOCK + 77
    assert listing(out) == listing(tree)


@pytest.mark.fast
@pytest.mark.parametrize("content", ["random", "zeros"])
def test_a_part_that_was_damaged_meanwhile(on_fake, grid, tree, out, download, content):  # noqa: F811
    """A block of it that is not right is fetched, the others are not."""
    place = on_fake()
    if content == "random":
        write_random(tree, "large", 4 * BLOCK)
    else:
        write(tree, "large")
        os.truncate(tree / "large", 4 * BLOCK)
    grid.create(tree)
    place.s3.faults({"op": "GetObject", "key": "*large", "nth": 4, "fault": "error", "code": "AccessDenied", "status": 403})
    download("tree", "--jobs", "1", code=77)
    place.s3.faults()
    part, = parts(out)[0].iterdir()
    assert part.stat().st_size == 3 * BLOCK
    with open(part, "r+b") as f:
        f.seek(BLOCK + 17)
        f.write(b"damage")
    seen = len(place.s3.recent_log("test"))
    download()
    assert sorted(n for n, _ in blocks_fetched(place.s3.recent_log("test"), "large", seen)) == [1, 3]
    assert listing(out) == listing(tree) and not parts(out)


@pytest.mark.fast
@pytest.mark.parametrize("sign, code", [(signal.SIGINT, 130), (signal.SIGTERM, 75)])
def test_signals(on_fake, grid, tree, out, download, sign, code):  # noqa: F811
    place = on_fake()
    write_random(tree, "large", 4 * BLOCK)
    write(tree, "small", "x")
    grid.create(tree)
    place.s3.faults({"op": "GetObject", "key": "*large", "from": 2, "fault": "silent", "seconds": 0})
    running = grid.start("datastore", "download", "tree", out, "--json")
    running.until(lambda: (out / "small").exists(), "the small one")
    running.send(sign)
    result = running.wait(5)
    assert result.code == code and "same command" in result.err
    assert result.events[-1]["event"] == "stopped" and result.events[-1]["resumable"] is True
    place.s3.faults()
    download()
    assert listing(out) == listing(tree)


@pytest.mark.fast
def test_the_network_stays_away(on_fake, grid, tree, out, download):  # noqa: F811
    place = on_fake()
    write_random(tree, "large", 4 * BLOCK)
    grid.create(tree)
    place.s3.faults({"op": "GetObject", "key": "*large", "from": 3, "fault": "reset_before"})
    result = download("tree", "--give-up-after", "1s", code=75)
    assert "same command" in result.err
    place.s3.faults()
    assert download("tree", "--json").event("downloaded")["bytes_fetched"] <= 4 * BLOCK
    assert listing(out) == listing(tree)


@pytest.mark.fast
@pytest.mark.parametrize("seed", range(3))
def test_trouble_on_the_way(on_fake, grid, tree, out, download, seed):  # noqa: F811
    place = on_fake()
    mixed_tree(tree)
    grid.create(tree)
    place.s3.faults({"op": "GetObject", "key": "*/data/*", "fault": "chaos", "chance": 0.3, "seed": seed})
    download(timeout=120)
    assert listing(out) == listing(tree)


@pytest.mark.fast
def test_one_request_at_a_time(on_fake, grid, tree, out, download):  # noqa: F811
    """Also where the store bears no more: the list is not held open meanwhile."""
    place = on_fake()
    write_random(tree, "large", 2 * BLOCK)
    for i in range(20):
        write(tree, f"f{i}", f"{i}")
    grid.create(tree)
    download("tree", "--jobs", "1")
    assert listing(out) == listing(tree)
    shutil.rmtree(out)
    place.s3.faults({"op": "GetObject", "key": "*/data/*", "every": 3, "fault": "error", "code": "SlowDown", "status": 503})
    download(timeout=120)
    assert listing(out) == listing(tree)


@pytest.mark.fast
def test_two_at_once(on_fake, grid, tree, out, download):  # noqa: F811
    place = on_fake()
    write_random(tree, "large", 2 * BLOCK)
    grid.create(tree)
    place.s3.faults({"op": "GetObject", "key": "*large", "fault": "silent", "seconds": 0})
    running = grid.start("datastore", "download", "tree", out)
    running.until(lambda: parts(out) and list(parts(out)[0].iterdir()), "a part")
    assert "another process" in download(code=75).err
    running.send(signal.SIGKILL)
    running.wait()
    place.s3.faults()
    download()
    assert listing(out) == listing(tree)


@pytest.mark.fast
def test_killed_at_any_call(grid, tree, out, download, tmp_path, rng, full):
    """What is there under its name is right at every instant, and the next run finishes the job."""
    write_random(tree, "large", 2 * BLOCK + 5)
    write_random(tree, "one", 1 * MIB)
    write(tree, "empty", "", 0o400)
    write(tree, "d/small", "small", 0o444)
    (tree / "d/folder").mkdir()
    (tree / "link").symlink_to("one")
    grid.create(tree, "--symlinks", "keep")
    expected, count = listing(tree), tmp_path / "count"
    download(env=killpoint(count_file=count))
    calls = int.from_bytes(count.read_bytes(), "little")
    assert calls > 100
    for number in range(1, calls) if full else sorted(rng.sample(range(1, calls), 12)):
        shutil.rmtree(out)
        running = grid.start("datastore", "download", "tree", out, env=killpoint(at=number, when="after"))
        if running.wait().code == 0:
            continue  # there were fewer calls this time
        for path, what in listing(out).items() if out.exists() else ():
            assert path.startswith(b".grid-download-") or what[0] == "folder" or what == expected[path], (number, path)
        download()
        assert listing(out) == expected, number


# ---- what is not right in the store


def flip(file, at):
    with open(file, "r+b") as f:
        f.seek(at)
        byte = f.read(1)[0]
        f.seek(at)
        f.write(bytes([byte ^ 1]))


@pytest.mark.fast
@pytest.mark.parametrize("harm, word", [("flip", "damaged"), ("cut", "damaged"), ("grow", "damaged"), ("remove", "missing")])
@pytest.mark.parametrize("name", ["blocks.bin", "a.txt"])
def test_a_damaged_object_is_named_and_not_put_in_place(grid, tree, out, download, harm, word, name):
    mixed_tree(tree)
    grid.create(tree)
    file = grid.version("tree") / "data" / name
    whole = file.read_bytes()
    os.chmod(file, 0o644)
    if harm == "flip":
        flip(file, len(whole) - 3)
    elif harm == "remove":
        file.unlink()
    else:
        file.write_bytes(whole[:-1] if harm == "cut" else whole + b"x")
    result = download("tree", "--json", code=1)
    assert f"{word}: {name}" in result.err
    errors = [e for e in result.events if e["event"] == "error"]
    assert [e["path"] for e in errors] == [name]
    assert result.events[-1]["event"] == "stopped" and result.events[-1]["exit_code"] == 1
    expected = listing(tree)
    del expected[name.encode()]
    found = listing(out)
    assert {k: v for k, v in found.items() if not k.startswith(b".grid-download-")} == expected
    file.write_bytes(whole)
    download()
    assert listing(out) == listing(tree)


@pytest.mark.fast
def test_a_damaged_transfer_is_made_again(on_fake, grid, tree, out, download):  # noqa: F811
    place = on_fake()
    write_random(tree, "large", 3 * BLOCK)
    grid.create(tree)
    place.s3.faults({"op": "GetObject", "key": "*large", "nth": 2, "fault": "flip", "at": 5_000_000})
    event = download("tree", "--json").event("downloaded")
    assert event["bytes_fetched"] == 4 * BLOCK, "one block twice"
    assert listing(out) == listing(tree)


@pytest.mark.fast
def test_an_object_that_is_always_damaged_is_fetched_twice(on_fake, grid, tree, out, download):  # noqa: F811
    place = on_fake()
    write(tree, "small", "some bytes")
    grid.create(tree)
    place.s3.faults({"op": "GetObject", "key": "*small", "fault": "flip", "at": 5})
    assert "damaged: small" in download(code=1).err
    assert len(blocks_fetched(place.s3.recent_log("test"), "small")) == 2
    assert not (out / "small").exists()


@pytest.mark.fast
def test_entries_without_a_hash(on_fake, grid, tree, out, download):  # noqa: F811
    """Of an object that was copied inside the store its ETag is known; what is elsewhere is named."""
    place = on_fake()
    for name in ("copied", "else", "elsewhere"):
        write(tree, name, "bytes of " + name)
    grid.create(tree)
    version = place.mirror("tree")

    def edit(lines):
        for line in lines:
            del line["hash"]
            line["etag"] = hashlib.md5(b"bytes of " + line["path"].encode()).hexdigest()
        lines[1]["etag"] = "0" * 32
        lines[2]["ref"] = "s3://other/key"
        return lines
    edit_manifest(version, edit)
    for name in ("manifest/00000.jsonl.gz", "datastore.json"):
        place.s3.boto.put_object(Bucket="test", Key=f"tree/v1/{name}", Body=(version / name).read_bytes())
    result = download(code=1)
    assert (out / "copied").read_text() == "bytes of copied"
    assert "damaged: else: " in result.err and "missing: elsewhere: " in result.err and "s3://other/key" in result.err
    assert not (out / "else").exists() and not (out / "elsewhere").exists()


# ---- what is not right in the folder


@pytest.mark.fast
@pytest.mark.parametrize("obstacle", ["other size", "other bytes", "folder", "link", "dangling", "pipe"])
def test_nothing_is_overwritten(grid, tree, out, download, obstacle):
    write(tree, "a", "12345")
    write(tree, "b/c", "x")
    grid.create(tree)
    out.mkdir()
    a = out / "a"
    if obstacle.startswith("other"):
        a.write_text("123456" if obstacle == "other size" else "54321")
    elif obstacle == "folder":
        write(a, "inside", "mine")
    elif obstacle == "pipe":
        os.mkfifo(a)
    else:
        a.symlink_to("../secret" if obstacle == "link" else "../nowhere")
    before = listing(out) if obstacle != "pipe" else None
    result = download(code=1)
    assert "in the way: a: " in result.err and "1 entry" in result.err
    assert (out / "b/c").read_text() == "x"
    if before is not None:
        assert {k: v for k, v in listing(out).items() if k != b"b/c"} == before
    outside_is_untouched(out)
    shutil.rmtree(a) if obstacle == "folder" else a.unlink()
    download()
    assert listing(out) == listing(tree)


@pytest.mark.fast
def test_the_same_bytes_are_taken_as_they_are(on_fake, grid, tree, out, download):  # noqa: F811
    place = on_fake()
    write_random(tree, "large", 2 * BLOCK + 1)
    write(tree, "small", "x", 0o600)
    write(tree, "empty")
    grid.create(tree)
    shutil.copytree(tree, out, copy_function=shutil.copyfile)
    seen = len(place.s3.recent_log("test"))
    download()
    assert listing(out) == listing(tree), "mode and time, too"
    assert not [e for e in place.s3.recent_log("test")[seen:] if "/data/" in (e["key"] or "")]


@pytest.mark.fast
@pytest.mark.parametrize("kind", ["folder", "link"])
def test_something_in_the_way_of_a_folder_or_link(grid, tree, out, download, kind):
    if kind == "folder":
        (tree / "x").mkdir()
    else:
        (tree / "x").symlink_to("there")
    write(tree, "y", "y")
    grid.create(tree, "--symlinks", "keep")
    write(out, "x", "mine")
    assert "in the way: x: " in download(code=1).err
    assert (out / "x").read_text() == "mine" and (out / "y").exists()
    (out / "x").unlink()
    download()
    download()
    assert listing(out) == listing(tree)


@needs_mount
@pytest.mark.fast
def test_the_disk_is_full(grid, tree, small_disk):  # noqa: F811
    disk = small_disk("disk", "40m")
    write_random(tree, "large", 4 * BLOCK)
    grid.create(tree)
    to = disk.path / "out"
    result = grid("datastore", "download", "tree", to, "--jobs", "1", code=1)
    assert "o space left" in result.err and str(to) in result.err and "same command" in result.err
    disk.grow("200m")
    event = grid("datastore", "download", "tree", to, "--json", code=0).event("downloaded")
    assert event["bytes_fetched"] == 2 * BLOCK, "what was there counts"
    assert listing(to) == listing(tree)


@pytest.mark.fast
def test_the_folder_is_not_writable(grid, tree, out, download):
    write(tree, "a", "x")
    grid.create(tree)
    out.mkdir(mode=0o555)
    if os.geteuid() == 0:
        grid.prefix = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
    result = download(code=77)
    assert str(out) in result.err and "ermission" in result.err


@pytest.mark.fast
def test_the_folder_is_a_file(grid, tree, out, download):
    write(tree, "a", "x")
    grid.create(tree)
    out.write_text("mine")
    assert str(out) in download(code=1).err
    assert out.read_text() == "mine"


# ---- nowhere else


def link_line(path, target):
    return {"path": path, "type": "symlink", "target": target, "hash": xxhash.xxh3_128(target.encode()).hexdigest()}


@pytest.mark.fast
@pytest.mark.parametrize("path", ["../evil", "/evil", "a/../../evil", "./evil", "a//evil", "a/..", "..", "", "evil/"])
def test_paths_that_lead_out(grid, tree, out, download, path):
    write(tree, "b", "pwned")
    grid.create(tree)
    edit_manifest(grid.version("tree"), lambda lines: [{**lines[0], "path": path}])
    result = download(code=1)
    assert "manifest" in result.err and "unsafe path" in result.err
    assert not os.path.exists("/evil")
    outside_is_untouched(out)
    assert not listing(out) or listing(out) == {b".": ("folder",)}


@pytest.mark.fast
def test_a_path_that_leads_out_in_base64(grid, tree, out, download):
    write(tree, "b", "pwned")
    grid.create(tree)

    def edit(lines):
        del lines[0]["path"]
        return [{**lines[0], "path_b64": base64.b64encode(b"../evil").decode()}]
    edit_manifest(grid.version("tree"), edit)
    assert "unsafe path" in download(code=1).err
    outside_is_untouched(out)


@pytest.mark.fast
def test_a_link_of_the_manifest_is_not_a_way_out(grid, tree, out, download):
    write(tree, "d/secret", "pwned")
    grid.create(tree)
    for order in ([0, 1], [1, 0]):
        def edit(lines):
            both = [link_line("d", ".."), next(x for x in lines if x["type"] == "file")]
            return [both[i] for i in order]
        edit_manifest(grid.version("tree"), edit)
        assert "manifest" in download(code=1).err
        outside_is_untouched(out)


@pytest.mark.fast
@pytest.mark.parametrize("deep", [False, True])
def test_links_that_were_planted_in_the_folder(grid, tree, out, download, tmp_path, deep):
    write(tree, "a/b/secret", "pwned")
    write(tree, "a/b/other", "pwned")
    (tree / "a/b/empty").mkdir()
    (tree / "a/b/link").symlink_to("x")
    write(tree, "z", "z")
    grid.create(tree, "--symlinks", "keep")
    where = out / "a" if deep else out
    where.mkdir(parents=True)
    os.symlink(out.parent, where / ("b" if deep else "a"))
    result = download(code=1)
    assert result.err.count("in the way: a/b/") == 4, result
    assert (out / "z").exists()
    outside_is_untouched(out)


@pytest.mark.fast
@pytest.mark.parametrize("plant", ["folder of parts", "link as part", "other name of a file"])
def test_parts_that_were_planted(on_fake, grid, tree, out, download, tmp_path, plant):  # noqa: F811
    place = on_fake()
    write_random(tree, "large", 2 * BLOCK)
    grid.create(tree)
    rule = {"op": "GetObject", "key": "*large", "fault": "error", "code": "AccessDenied", "status": 403}
    place.s3.faults(rule)
    download(code=77)
    place.s3.faults()
    folder, = parts(out)
    part, = folder.iterdir()
    part.unlink()
    secret = out.parent / "secret"
    if plant == "folder of parts":
        folder.rmdir()
        (tmp_path / "elsewhere").mkdir()
        folder.symlink_to(tmp_path / "elsewhere")
        download(code=1)
        assert not list((tmp_path / "elsewhere").iterdir())
        return
    if plant == "link as part":
        part.symlink_to(secret)
    else:
        os.link(secret, part)
    download()
    assert listing(out) == listing(tree)
    outside_is_untouched(out)


@pytest.mark.fast
def test_the_name_of_the_folder_of_parts_is_no_entry(grid, tree, out, download, tmp_path):
    write(tree, "a", "x")
    grid.create(tree)
    root = json.loads((grid.version("tree") / "datastore.json").read_text())["root"]
    name = ".grid-download-" + xxhash.xxh3_128(root.encode()).hexdigest()[:16]
    edit_manifest(grid.version("tree"), lambda lines: [{**lines[0], "path": name}])
    assert f"damaged: {name}" in download(code=1).err
    outside_is_untouched(out)


# ---- memory


@pytest.mark.large
def test_memory(grid, tree, out, tmp_path):
    with open(tree / "sparse", "wb") as f:
        f.truncate(2 << 30)
        f.write(b"begin")
        f.seek((2 << 30) - 3)
        f.write(b"end")
    for i in range(20_000):
        write_random(tree, f"small/{i % 100:02}/{i:05}.bin", 16 << 10, seed=i)
    grid.create(tree, timeout=300)
    assert measured_run(grid, tmp_path, "datastore", "download", "tree", out, timeout=300) <= 64 << 10
    diff = subprocess.run(["diff", "-r", tree, out], capture_output=True, text=True)
    assert diff.returncode == 0, diff.stdout[:2000]
    assert measured_run(grid, tmp_path, "datastore", "download", "tree", out, timeout=300) <= 64 << 10
