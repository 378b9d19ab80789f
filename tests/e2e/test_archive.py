"""
Archives behind a URL, from a real nginx: unpacked on the way, over links that break, and never believed.
"""

import calendar
import gzip
import io
import json
import os
import random
import shutil
import signal
import socket
import stat
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from archiveserver import link, nginx, nginx_server  # noqa: F401
from gridtest import MIB, RECORDS, nothing_unfinished, write, write_random
from rss import measured_create
from s3servers import fake  # noqa: F401

WINDOW = 64 << 10  # what is asked for at first; see transfer/remote_file.c
LOOK = MIB  # a server without ranges has begun to send all of it
GIB = 1 << 30


# ---- archives ----

def ordinary_tree(tree):
    write(tree, "README.txt", "a data set\n", 0o644)
    write(tree, "run.sh", "#!/bin/sh\n", 0o755)
    write(tree, "empty.bin")
    write(tree, "a/b/c/deep.txt", "deep\n")
    write(tree, "a.txt", "sorts before a/\n")
    write(tree, "with space/and ünïcode/日本.txt", "names\n")
    write_random(tree, "two-blocks.bin", 16 * MIB + 1)
    for i in range(50):
        write(tree, f"many/{i:03}.dat", f"file {i}\n" * i)
    (tree / "empty-dir/inner").mkdir(parents=True)


def add_links(tree):
    (tree / "many").mkdir(exist_ok=True)
    os.symlink("a.txt", tree / "link")
    os.symlink("../../a/b", tree / "many/outside")


def pack(tree, how, *more):
    """By the system's tar; quickly, not tightly."""
    how = {"z": ["-Igzip -1"], "J": ["-Ixz -0"], "j": ["-j"], "": []}[how]
    done = subprocess.run(["tar", "--sort=name", *more, *how, "-c", "-C", tree, "."], capture_output=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def unpack(archive, into):
    """What the system's tar makes of it."""
    into.mkdir()
    file = into.with_suffix(".archive")
    file.write_bytes(archive)
    subprocess.run(["tar", "-xf", file, "-C", into], check=True)
    return into


TYPES = {"folder": tarfile.DIRTYPE, "device": tarfile.CHRTYPE, "pipe": tarfile.FIFOTYPE,
         "link": tarfile.SYMTYPE, "hard": tarfile.LNKTYPE}


def tar_of(entries, mode="w:gz", **more):
    """entries: (name, bytes) or (name, type, target)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode, **more) as t:
        for name, what, *target in entries:
            info = tarfile.TarInfo(name)
            info.mtime = 1_700_000_000
            if isinstance(what, bytes):
                info.size = len(what)
                t.addfile(info, io.BytesIO(what))
            else:
                info.type = TYPES[what]
                info.mode = 0o755
                info.linkname = target[0] if target else ""
                t.addfile(info)
    return out.getvalue()


class Unseekable(io.RawIOBase):
    """A zip that is written here has its sizes behind the data."""

    def __init__(self):
        self.bytes = bytearray()

    def writable(self):
        return True

    def write(self, more):
        self.bytes += more
        return len(more)


def zip_of(tree, out=None):
    out = out if out is not None else io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        for path in sorted(Path(tree).rglob("*")):
            name = str(path.relative_to(tree))
            if path.is_symlink():
                info = zipfile.ZipInfo(name, (2024, 1, 2, 3, 4, 6))
                info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
                z.writestr(info, os.readlink(path))
            else:
                z.write(path, name)
    return bytes(out.bytes) if isinstance(out, Unseekable) else out.getvalue()


def unzip(archive, into):
    """With times and modes, which zipfile does not restore."""
    into.mkdir()
    with zipfile.ZipFile(io.BytesIO(archive)) as z:
        for info in z.infolist():
            path = into / info.filename
            mode = info.external_attr >> 16
            if stat.S_ISLNK(mode):
                path.parent.mkdir(parents=True, exist_ok=True)
                os.symlink(z.read(info).decode(), path)
                continue
            z.extract(info, into)
            if not info.is_dir():
                os.chmod(path, stat.S_IMODE(mode))
                at = calendar.timegm(info.date_time + (0, 0, 0))
                os.utime(path, (at, at))
    return into


def files_tree(tree, files=40, size=300_000, big=24 * MIB):
    for i in range(files):
        write_random(tree, f"files/{i:03}", size + i, seed=i)
    write_random(tree, "files/big", big, seed=99)
    return sum(f.stat().st_size for f in tree.rglob("*") if f.is_file())


def kinds(result):
    """{path: kind} of the warnings."""
    return {e.get("path"): e["kind"] for e in result.events if e["event"] == "warning"}


# ---- it equals what tar makes of it ----

@pytest.mark.parametrize("where", ["", "norange/", "bare/"])
@pytest.mark.parametrize("how, suffix", [("z", "tar.gz"), ("", "tar"), ("J", "tar.xz"), ("j", "tar.bz2")])
def test_tar(grid, nginx, tree, tmp_path, how, suffix, where):
    ordinary_tree(tree)
    add_links(tree)
    archive = pack(tree, how)
    nginx.add(f"trainingSet.{suffix}", archive)
    result = grid.create_json(f"{nginx.url}/{where}trainingSet.{suffix}", "--name=t")
    grid.check("t", unpack(archive, tmp_path / "there"), follow=False)
    nothing_unfinished(grid.version("t"))
    record = json.loads((grid.version("t") / "datastore.json").read_text())
    assert record["source"] == {"kind": "http", "url": f"{nginx.url}/{where}trainingSet.{suffix}"}
    assert len(archive) <= nginx.fetched() < len(archive) + LOOK, "each byte once, but for a first look"
    assert result.event("published")["files"] == record["files"]


@pytest.mark.parametrize("where", ["", "norange/"])
def test_zip(grid, nginx, tree, tmp_path, where):
    ordinary_tree(tree)
    if not where:
        add_links(tree)  # only the directory, which is at the end, says that they are links
    archive = zip_of(tree)
    nginx.add("a.zip", archive)
    grid.create(f"{nginx.url}/{where}a.zip")
    there = unzip(archive, tmp_path / "there")
    if where:  # and modes
        for path in there.rglob("*"):
            path.chmod(0o664 if path.is_file() else 0o755)
    grid.check("a", there, follow=False)


@pytest.mark.fast
def test_zip_written_as_a_stream(grid, nginx, tree, tmp_path):
    """No sizes before the data; without ranges they are not known until it has been read."""
    write_random(tree, "large", 40 * MIB + 17)
    write_random(tree, "parts", 32 * MIB)
    write(tree, "empty")
    for i in range(30):
        write_random(tree, f"small/{i}", 1000 * i)
    archive = zip_of(tree, Unseekable())
    nginx.add("a.zip", archive)
    for where in ("", "norange/"):
        grid.create(f"{nginx.url}/{where}a.zip", "--name=a")
    there = unzip(archive, tmp_path / "there")
    grid.check("a", there, 1)
    for path in there.rglob("*"):
        path.chmod(0o664 if path.is_file() else 0o755)
    grid.check("a", there, 2)


def test_a_package_of_npm(grid, nginx, tree, tmp_path):
    archive = tar_of([("package/package.json", b"{}"), ("package/lib/index.js", b"x\n" * 1000)], format=tarfile.USTAR_FORMAT)
    nginx.add("left-pad-1.3.0.tgz", archive)
    grid.create(f"{nginx.url}/left-pad-1.3.0.tgz?integrity=a/b.zip#x")
    grid.check("left-pad-1.3.0", unpack(archive, tmp_path / "there"))


def test_default_name(grid, nginx):
    nginx.add("sub folder/trainingSet.tar.gz", tar_of([("a", b"a")]))
    grid.create(f"{nginx.url}/sub%20folder/trainingSet.tar.gz")
    assert grid.published("trainingset") == [1]
    assert "--name" in grid.create(f"{nginx.url}/", code=2).err


def test_a_local_archive_is_stored_as_it_is(grid, tmp_path):
    write(tmp_path, "data.tar.gz", tar_of([("a", b"a")]))
    grid.create(tmp_path / "data.tar.gz")
    assert list(grid.check("data")) == [b"data.tar.gz"]


@pytest.mark.fast
def test_names_and_times(grid, nginx, tmp_path):
    entries = [("./nö/日本", b"1"), (b"raw\xff".decode(errors="surrogateescape"), b"2"), ("long/" + "x" * 250, b"3"),
               ("./", "folder"), ("empty/", "folder"), ("full/", "folder"), ("full/f", b"")]
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        archive = tar_of(entries, format=form)
        nginx.add("n.tar.gz", archive)
        grid.create(f"{nginx.url}/n.tar.gz", "--name", f"n{form}")
        grid.check(f"n{form}", unpack(archive, tmp_path / f"there{form}"))


def test_sparse(grid, nginx, tree, tmp_path):
    path = write(tree, "sparse", b"begin")
    os.truncate(path, 20 * MIB)
    with open(path, "r+b") as f:
        f.seek(5 * MIB)
        f.write(b"middle")
    archive = pack(tree, "z", "--sparse")
    assert len(archive) < MIB
    nginx.add("s.tar.gz", archive)
    grid.create(f"{nginx.url}/s.tar.gz")
    grid.check("s", unpack(archive, tmp_path / "there"))


def test_filters(grid, nginx, tmp_path):
    nginx.add("f.tar", tar_of([("a/x.tmp", b"1"), ("a/y", b"2"), (".git/z", b"3"), ("keep.tmp", b"4")], "w"))
    grid.create(f"{nginx.url}/f.tar", "--exclude=*.tmp", "--exclude=.git/", "--include=keep.tmp")
    assert set(grid.check("f")) == {b"a/y", b"keep.tmp"}
    assert "--include" in grid.create(f"{nginx.url}/f.tar", "--files-from=/dev/null", code=2).err


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_passing_over_entries(grid, nginx, tree, kind, rng):
    """Each jump ends one request and begins another: bytes of the one must not come as those of the other."""
    content = {f"{i:03}": rng.randbytes(200_000 if kind == "tar" else rng.randrange(1000, 400_000)) for i in range(120)}
    for name, what in content.items():
        write(tree, name, what)
    archive = zip_of(tree) if kind == "zip" else pack(tree, "")
    nginx.add("s.archive", archive)
    for number in range(1, 6):
        taken = rng.sample("0123456789", 3)
        grid.create(f"{nginx.url}/s.archive", "--name=s", "--exclude=*", *(f"--include=*{d}" for d in taken))
        found = grid.check("s", number=number)
        assert set(found) == {n.encode() for n in content if n[2] in taken}
        for name in found:
            assert (grid.version("s", number) / "data" / name.decode()).read_bytes() == content[name.decode()]


# ---- entries that are not believed ----

@pytest.mark.fast
def test_unsafe_entries(grid, nginx, tmp_path):
    nginx.add("u.tar.gz", tar_of([
        ("good", b"good"), ("/absolute", b"1"), ("a/../../up", b"2"), ("../up", b"3"), ("..", "folder"),
        ("device", "device"), ("pipe", "pipe"),
        ("out", "link", "../../etc"), ("out/passwd", b"evil"), ("absolute_link", "link", "/etc/passwd"),
        ("inside", "link", "d/../good"), ("hard_out", "hard", "../good"),
        ("hard_nothing", "hard", "nothing"), ("file", b"f"), ("file/below", b"g"), ("d/x", b"h"), ("d", b"i")]))
    before = {p.name for p in tmp_path.iterdir()}
    result = grid.create_json(f"{nginx.url}/u.tar.gz", code=1)
    unreadable = {"/absolute": "unsafe", "a/../../up": "unsafe", "../up": "unsafe", "../": "unsafe", "hard_out": "unsafe",
                  "out/passwd": "in_the_way", "file/below": "in_the_way", "d": "in_the_way", "hard_nothing": "unreadable"}
    assert kinds(result) == unreadable | {"device": "special", "pipe": "special", "out": "link_outside",
                                          "absolute_link": "link_outside"}
    assert grid.published("u") == [] and "9 files" in result.event("error")["message"]
    grid.create(f"{nginx.url}/u.tar.gz", "--skip-unreadable")
    found = grid.check("u")
    assert set(found) == {b"good", b"out", b"absolute_link", b"inside", b"file", b"d/x"}
    record = json.loads((grid.version("u") / "datastore.json").read_text())
    assert {s["path"] for s in record["skipped"]} == set(unreadable)
    assert {p.name for p in tmp_path.iterdir()} == before and not Path("/absolute").exists()


@pytest.mark.fast
def test_the_last_of_a_name_counts(grid, nginx):
    entries = [("dup", b"first"), ("other", b"o"), ("dup", b"secnd"), ("x", b"x"), ("x", "link", "other"),
               ("y", "link", "other"), ("y", b"now a file")]
    nginx.add("d.tar", tar_of(entries, "w"))
    for number in (1, 2):
        result = grid.create_json(f"{nginx.url}/d.tar")
        assert kinds(result) == {"dup": "duplicate", "x": "duplicate", "y": "duplicate"}
        assert {p: x["type"] for p, x in grid.check("d", number=number).items()} == {
            b"dup": "file", b"other": "file", b"x": "symlink", b"y": "file"}
        assert (grid.version("d", number) / "data/dup").read_bytes() == b"secnd"


@pytest.mark.fast
def test_hard_links_are_copied_inside_the_store(grid, nginx, tree, tmp_path):
    write_random(tree, "a/large", 33 * MIB)
    (tree / "b").mkdir()
    os.link(tree / "a/large", tree / "b/same")
    write(tree, "c", "small")
    os.link(tree / "c", tree / "d")
    archive = pack(tree, "")
    nginx.add("h.tar", archive)
    result = grid.create_json(f"{nginx.url}/h.tar")
    assert result.event("published")["bytes_sent"] < 33 * MIB + RECORDS
    grid.check("h", unpack(archive, tmp_path / "there"))


@pytest.mark.parametrize("limit, code", [("3M", 0), ("2M", 1)])
def test_max_extracted(grid, nginx, limit, code):
    nginx.add("bomb.tar.gz", tar_of([(f"{i}", bytes(MIB)) for i in range(3)]))
    result = grid.create(f"{nginx.url}/bomb.tar.gz", f"--max-extracted={limit}", code=code)
    assert grid.published("bomb") == ([1] if code == 0 else [])
    assert code == 0 or "--max-extracted" in result.err


def test_max_extracted_of_unknown_sizes(grid, nginx):
    out = Unseekable()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("zeros", bytes(64 * MIB))
    nginx.add("bomb.zip", bytes(out.bytes))
    assert "--max-extracted" in grid.create(f"{nginx.url}/norange/bomb.zip", "--max-extracted=20M", code=1).err
    assert grid.published("bomb") == []


# ---- archives that are not whole ----

def damage(archive, at):
    return archive[:at] + bytes([archive[at] ^ 0x10]) + archive[at + 1:]


def broken_archives():
    entries = [(f"f{i}", random.Random(i).randbytes(40_000)) for i in range(20)]
    gz, plain = tar_of(entries), tar_of(entries, "w")
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        for name, content in entries:
            z.writestr(name, content)
    z = out.getvalue()
    end = plain.rindex(entries[-1][1]) + 40_000
    return {
        "half.tar.gz": (gz[:len(gz) // 2], "cut off"), "last-byte.tar.gz": (gz[:-1], "cut off"),
        "bit.tar.gz": (damage(gz, len(gz) // 2), "damaged"), "checksum.tar.gz": (damage(gz, len(gz) - 8), "damaged"),
        "half.tar": (plain[:len(plain) // 2], "cut off"), "between.tar": (plain[:end + -end % 512], "its end is missing"),
        "half.zip": (z[:len(z) // 2], "cut off"), "bit.zip": (damage(z, len(z) // 2), "CRC"),
        "page.zip": (b"\n<!DOCTYPE html><html>", "web page"), "text.tar.gz": (b"hello\n" * 100, "no archive"),
        "nothing.zip": (b"", "empty"), "lone.gz": (gzip.compress(b"one file" * 100), "no tar archive"),
    }


@pytest.mark.fast
@pytest.mark.parametrize("where", ["", "norange/"])
@pytest.mark.parametrize("name", list(broken_archives()))
def test_what_is_not_whole_is_not_published(grid, nginx, name, where):
    content, words = broken_archives()[name]
    nginx.add(name, content)
    result = grid.create_json(f"{nginx.url}/{where}{name}", "--name=b", code=1)
    text = " ".join(e["message"] for e in result.events if e["event"] == "error")
    if not (where and name.endswith(".zip")):  # as a stream it breaks off in the midst of a file
        assert words in text and (name in text or words == "CRC"), result
    assert text and grid.published("b") == []


@pytest.mark.fast
def test_made_up_damage(grid, nginx, tmp_path, rng):
    """Bytes that are changed anywhere: it is refused, or is what the archive says now; never more than that."""
    tree = tmp_path / "small"
    for name in ("a/b", "c", "d/e/f", "g" * 90):
        write(tree, name, rng.randbytes(rng.randrange(3000)))
    add_links(tree)
    sources = {"x.tar": pack(tree, ""), "x.tar.gz": pack(tree, "z"), "x.zip": zip_of(tree)}
    before = {p.name for p in tmp_path.iterdir()}
    for i in range(24):
        name, content = rng.choice(list(sources.items()))
        damaged = bytearray(content)
        for _ in range(rng.randrange(1, 6)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        nginx.add(name, bytes(damaged[:rng.choice([len(damaged), rng.randrange(1, len(damaged))])]))
        result = grid.create(f"{nginx.url}/{rng.choice(['', 'norange/'])}{name}", f"--name=d{i}", "--skip-unreadable", code=None)
        assert result.code in (0, 1), result
        if result.code == 0:
            grid.check(f"d{i}")
        assert result.code == 0 or "error: " in result.err
        assert {p.name for p in tmp_path.iterdir()} == before


# ---- servers ----

@pytest.mark.parametrize("path, code, words", [
    ("nosuch.zip", 1, "404"), ("private/a.tar", 1, "401"), ("away/a.tar", 1, "ftp"), ("circle/a.tar", 1, "without an end")])
def test_refusals(grid, nginx, path, code, words):
    nginx.add("a.tar", tar_of([("a", b"a")], "w"))
    result = grid.create(f"{nginx.url}/{path}", code=code)
    assert (words in result.err or words == "ftp") and f"{nginx.url}/{path}" in result.err
    assert len(nginx.log()) <= 11, "nothing that cannot help is asked twice"
    assert not grid.store.exists() or not list(grid.store.iterdir()), "no version is begun"


def test_redirects(grid, nginx):
    nginx.add("a.tar", tar_of([("a", b"a" * 200_000)], "w"))
    grid.create(f"{nginx.url}/moved/a.tar")
    assert set(grid.check("a")) == {b"a"}


def test_a_server_in_trouble_is_waited_for(grid, nginx):
    result = grid.create_json(f"{nginx.url}/broken/a.tar", "--give-up-after=2s", code=75)
    assert len(nginx.log("broken")) > 2 and "503" in result.event("error")["message"]
    assert any("503" in e.get("waiting_for", "") for e in result.events if e["event"] == "progress")


def test_certificates(grid, nginx):
    nginx.add("a.tar", tar_of([("a", b"a")], "w"))
    url = f"{nginx.tls_url}/a.tar"
    result = grid.create(url, code=1)
    assert "SSL_CERT_FILE" in result.err and "certificate" in result.err
    grid.create(url, env={"SSL_CERT_FILE": nginx.ca_file})
    grid.create(url, env={"CURL_CA_BUNDLE": nginx.ca_file})
    assert grid.published("a") == [1, 2]


def test_a_ca_file_that_is_none(grid, nginx, tmp_path):
    junk = write(tmp_path, "junk.pem", b"no certificate").decode()
    result = grid.create(f"{nginx.tls_url}/a.tar", code=1, env={"CURL_CA_BUNDLE": junk})
    assert junk in result.err and "SSL_CERT_FILE or CURL_CA_BUNDLE" in result.err, result
    assert "--ca-file" not in result.err


def test_a_server_that_is_not_there(grid):
    """It is about the URL, not about the store; and there was nothing yet that could be lost."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/a.zip"
        result = grid.create(url, "--give-up-after=1s", code=75)
        assert url in result.err and "check the URL" in result.err, result
        assert "cluster (" not in result.err and "Nothing is lost" not in result.err, result
        assert "Nothing was stored yet. To try again:\n  grid datastore resume a\n" in result.err, result
        assert "\n  0 files found so far" in grid("datastore", "status", "a", code=0).out
        result = grid.create(url, "--dry-run", code=75)
        assert "check the URL" in result.err, result


def test_a_password_stays_secret(grid, nginx, slow):
    nginx.add("a.tar", tar_of([(f"{i}", b"a" * 100_000) for i in range(50)], "w"))
    url = nginx.url.replace("//", "//reader:se%3Acr%40t@") + "/private/a.tar"
    running = grid.start("datastore", "create", url, "--json", "--verbose", env=slow(5))
    running.until_event("session")
    assert b"cr%40t" not in Path(f"/proc/{running.pid}/cmdline").read_bytes()
    result = running.wait()
    assert result.code == 0 and grid.published("a") == [1]
    for where in (grid.home,):
        found = subprocess.run(["grep", "-rlaE", "se%3Acr%40t|se:cr@t|cmVhZGVyO", where], capture_output=True, text=True)
        assert found.stdout == ""
    assert "cr%40t" not in result.text and "se:cr@t" not in result.text


def test_a_proxy(grid, nginx, link):
    nginx.add("a.tar", tar_of([("a", b"a")], "w"))
    proxy = link(nginx)  # nginx takes an absolute URI, which is all that a proxy of http is asked for
    grid.create("http://files.example/a.tar", env={"http_proxy": proxy.url})
    assert proxy.carried > 0 and set(grid.check("a")) == {b"a"}


def test_dry_run(grid, nginx):
    size = nginx.add("a.tar", tar_of([("a", b"a")], "w"))
    assert f"{size} bytes" in grid.create(f"{nginx.url}/a.tar", "--dry-run").out
    [event] = grid.create_json(f"{nginx.url}/norange/a.tar", "--dry-run").events
    assert (event["archive_bytes"], event["can_seek"], event["version"]) == (size, False, 1)
    assert "404" in grid.create(f"{nginx.url}/b.tar", "--dry-run", code=1).err
    assert not grid.store.exists() or not list(grid.store.iterdir())


def test_if_changed(grid, nginx):
    nginx.add("a.tar", tar_of([("a", b"a" * 200_000)], "w"))
    url = f"{nginx.url}/a.tar"
    grid.create(url)
    fetched = nginx.fetched()
    result = grid.create_json(url, "--if-changed")
    assert result.event("unchanged")["version"] == 1 and nginx.fetched() - fetched <= WINDOW
    nginx.add("a.tar", tar_of([("a", b"b" * 200_000)], "w"))
    os.utime(nginx.folder / "www/a.tar", (1, 1))
    assert grid.create_json(url, "--if-changed").event("published")["version"] == 2
    assert grid.create_json(url, "--if-changed", "--exclude=b").event("published")["version"] == 3
    grid("datastore", "clearcache", code=0)
    assert "not_compared" in kinds(grid.create_json(url, "--if-changed")).values()


# ---- links that break ----

@pytest.mark.parametrize("kind", ["tar.gz", "tar", "zip"])
def test_broken_connections_with_ranges(grid, nginx, link, tree, tmp_path, kind):
    """It goes on behind the last byte: nothing comes twice but what was on its way."""
    payload = files_tree(tree)
    archive = zip_of(tree) if kind == "zip" else pack(tree, "z" if kind == "tar.gz" else "")
    nginx.add(f"a.{kind}", archive)
    bad = link(nginx, cuts=[2 * MIB, 7 * MIB, 12 * MIB])
    result = grid.create_json(f"{bad.url}/a.{kind}", "--name=a")
    assert bad.n_cut == 3
    there = unzip(archive, tmp_path / "there") if kind == "zip" else unpack(archive, tmp_path / "there")
    grid.check("a", there)
    published = result.event("published")
    assert published["bytes"] == payload and payload <= published["bytes_sent"] < payload + RECORDS
    assert bad.carried < len(archive) + 4 * MIB


def test_broken_connections_without_ranges(grid, nginx, link, tree, tmp_path):
    """It begins again, and what was had is passed over: nothing is sent twice."""
    payload = files_tree(tree, big=4 * MIB)
    archive = pack(tree, "z")
    nginx.add("a.tar.gz", archive)
    bad = link(nginx, cuts=[2 * MIB, 5 * MIB, 9 * MIB])
    result = grid.create_json(f"{bad.url}/norange/a.tar.gz")
    assert bad.n_cut == 3 and {r.status for r in nginx.log()} == {200}
    grid.check("a", unpack(archive, tmp_path / "there"))
    assert payload <= result.event("published")["bytes_sent"] < payload + RECORDS


def test_nothing_tells_whether_it_is_the_same(grid, nginx, link, tree):
    """Neither size nor ETag nor date: what comes anew is not put behind what was had."""
    files_tree(tree, big=MIB)
    archive = pack(tree, "z")
    nginx.add("a.tar.gz", archive)
    bad = link(nginx, cuts=[6 * MIB])
    grid.create(f"{bad.url}/bare/a.tar.gz")  # the size is there
    nginx.add("b.tar.gz", archive)
    assert grid.published("a") == [1]


def test_an_archive_that_changes_meanwhile(grid, nginx, link, tree, tmp_path):
    files_tree(tree, big=MIB)
    nginx.add("a.tar.gz", pack(tree, "z"))
    bad = link(nginx, hold_at=4 * MIB, cuts=[4 * MIB])
    running = grid.start("datastore", "create", f"{bad.url}/a.tar.gz", "--json")
    assert bad.is_held.wait(20)
    stamp = (tree / "files/001").stat()
    write_random(tree, "files/001", stamp.st_size, seed=1234)  # as long, and as old, as before
    os.utime(tree / "files/001", ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    (tree / "files/002").unlink()
    archive = pack(tree, "z")
    nginx.add("a.tar.gz", archive)
    bad.release()
    result = running.wait()
    assert result.code == 1 and "has changed" in result.event("error")["message"] and grid.published("a") == []
    grid.create(f"{bad.url}/a.tar.gz")
    grid.check("a", unpack(archive, tmp_path / "there"))


def test_a_portal_in_between_is_waited_out(grid, nginx, link, tree):
    files_tree(tree, big=MIB)
    nginx.add("a.tar.gz", pack(tree, "z"))
    bad = link(nginx, hold_at=4 * MIB, cuts=[4 * MIB])
    running = grid.start("datastore", "create", f"{bad.url}/a.tar.gz", "--json")
    assert bad.is_held.wait(20)
    bad.page = b"<html>Log in</html>"
    bad.release()
    running.until(lambda: [e for e in running.events() if "web page" in e.get("waiting_for", "")], "waiting")
    bad.page = None
    assert running.wait().code == 0 and grid.published("a") == [1]


# ---- interrupted, and gone on with ----

def interrupt(grid, bad, url, *options, number, least, env=None):
    """Ended where the link is held and all that came before is stored."""
    running = grid.start("datastore", "create", url, "--json", *options, env=env)
    assert bad.is_held.wait(30)
    running.until(lambda: [e for e in running.events() if e["event"] == "progress" and e["files_done"] >= least], "stored")
    running.send(number)
    if number == signal.SIGKILL:
        running.process.wait(10)
        return None
    result = running.wait()
    assert result.code == 130
    bad.release()
    return result


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
def test_resume_sends_nothing_twice(grid, nginx, link, tree, tmp_path, kind):
    payload = files_tree(tree)
    archive = zip_of(tree) if kind == "zip" else pack(tree, "z" if kind == "tar.gz" else "")
    size = nginx.add(f"a.{kind}", archive)
    bad = link(nginx, hold_at=size * 3 // 4)
    first = interrupt(grid, bad, f"{bad.url}/a.{kind}", "--name=a", number=signal.SIGINT, least=15)
    sent = [e for e in first.events if e["event"] == "progress"][-1]
    before = bad.carried
    second = grid.create_json(f"{bad.url}/a.{kind}", "--name=a")
    assert second.event("session")["resumed"]
    there = unzip(archive, tmp_path / "there") if kind == "zip" else unpack(archive, tmp_path / "there")
    grid.check("a", there)
    assert payload <= sent["bytes_sent"] + second.event("published")["bytes_sent"] < payload + 2 * RECORDS
    fetched_again = bad.carried - before
    if kind == "tar.gz":
        assert size <= fetched_again < size + MIB
    else:  # what is stored is not fetched, but for what it costs to find the next
        assert sent["files_done"] >= 15
        assert fetched_again < size + 2 * WINDOW - sent["files_done"] * (300_000 - 2 * WINDOW)


def test_a_stored_file_that_changed_at_its_end(grid, nginx, link, tree, tmp_path):
    """Of its parts the first agree, and are let go of, before the last does not: it is read once more."""
    write_random(tree, "big", 40 * MIB)
    write_random(tree, "rest", 20 * MIB)
    nginx.add("a.tar", pack(tree, ""))
    bad = link(nginx, hold_at=50 * MIB)
    interrupt(grid, bad, f"{bad.url}/a.tar", number=signal.SIGINT, least=1)
    stamp = (tree / "big").stat()
    with open(tree / "big", "r+b") as f:
        f.seek(40 * MIB - 5)
        f.write(b"other")
    os.utime(tree / "big", ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    archive = pack(tree, "")
    nginx.add("a.tar", archive)
    os.utime(nginx.folder / "www/a.tar", (1, 1))  # nginx tells it by size and second
    result = grid.create_json(f"{bad.url}/a.tar")
    grid.check("a", unpack(archive, tmp_path / "there"))
    assert result.event("published")["bytes_sent"] < 60 * MIB + RECORDS


@pytest.mark.parametrize("where", ["", "norange/"])
def test_killed(grid, nginx, link, tree, tmp_path, where):
    files_tree(tree, big=20 * MIB)
    archive = pack(tree, "z")
    size = nginx.add("a.tar.gz", archive)
    bad = link(nginx)
    url = f"{bad.url}/{where}a.tar.gz"
    for share in (4, 2):
        bad.hold(size // share)
        interrupt(grid, bad, url, "--name=a", number=signal.SIGKILL, least=3)
    bad.release()
    assert grid.create_json(url, "--name=a").event("session")["resumed"]
    grid.check("a", unpack(archive, tmp_path / "there"))


@pytest.mark.parametrize("where", ["", "norange/"])
def test_parts_are_not_sent_again(grid, nginx, link, fake, tree, tmp_path, where):
    """In the midst of a file of many parts, in an S3 store; and the notes are lost as well."""
    server = fake()
    env = server.env("test")
    write_random(tree, "big", 100 * MIB)
    archive = pack(tree, "z")
    size = nginx.add("a.tar.gz", archive)
    bad = link(nginx, hold_at=size * 2 // 3)
    url = f"{bad.url}/{where}a.tar.gz"
    running = grid.start("datastore", "create", url, "--json", env=env)
    assert bad.is_held.wait(30)
    running.until(lambda: [e for e in running.events() if e["event"] == "progress" and e["bytes_done"] >= 48 * MIB], "parts")
    running.send(signal.SIGINT)
    assert running.wait().code == 130
    bad.release()
    if where:
        shutil.rmtree(grid.sessions)
    published = grid.create_json(url, env=env).event("published")
    assert published["bytes_sent"] < 100 * MIB - 48 * MIB + RECORDS
    server.export("test", tmp_path / "out")
    with open(tree / "big", "rb") as a, open(tmp_path / "out/a/v1/data/big", "rb") as b:
        assert all(x == b.read(MIB) for x in iter(lambda: a.read(MIB), b""))


# ---- large ----

def write_many(path, files, size):
    """A tar.gz of so many files, a block of random bytes among zeros each, made as a stream."""
    with tarfile.open(path, "w:gz", compresslevel=1) as t:
        for i in range(files):
            info = tarfile.TarInfo(f"folder{i % 100:02}/{i:06}")
            info.size, info.mtime = size, 1_700_000_000
            content = os.urandom(size // 2) + bytes(size - size // 2)
            t.addfile(info, io.BytesIO(content))


@pytest.mark.large
def test_memory_is_bounded_and_the_disk_untouched(grid, nginx, link, tmp_path, full):
    files, size = (50_000, 2 * GIB // 50_000) if full else (5_000, 200 * MIB // 5_000)
    path = nginx.folder / "www/a.tar.gz"
    path.parent.mkdir(exist_ok=True)
    write_many(path, files, size)
    at = path.stat().st_size // 5
    bad = link(nginx, cuts=[at, at, at])
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    grid.env["TMPDIR"] = str(scratch)
    peak = measured_create(grid, tmp_path, f"{bad.url}/a.tar.gz", timeout=1200)
    assert bad.n_cut == 3 and peak <= 128 * 1024
    assert not list(scratch.iterdir())
    kept = sum(f.stat().st_size for f in (grid.home / "state").rglob("*") if f.is_file())
    assert kept < 1000 * files + MIB, "the plan is all that is kept here"
    found = grid.check("a")
    assert len(found) == files
    with tarfile.open(path) as t:
        for info in t:
            assert (grid.version("a") / "data" / info.name).read_bytes() == t.extractfile(info).read()


@pytest.mark.large
def test_zip64(grid, nginx, tmp_path, full):
    """70,000 entries, of which a filter takes some; with --full all, and one of more than 4 GiB."""
    path = nginx.folder / "www/a.zip"
    path.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(path, "w") as z:
        for i in range(70_000):
            z.writestr(f"{i % 97:02}/{i}", str(i))
        if full:
            with z.open("huge", "w", force_zip64=True) as f:
                for _ in range(4100):
                    f.write(bytes(MIB))
    grid.create(f"{nginx.url}/a.zip", *([] if full else ["--exclude=*", "--include=*99"]), timeout=1200)
    found = grid.check("a")
    assert len(found) == (70_001 if full else 700)
    for i in range(99, 70_000, 100):
        assert (grid.version("a") / f"data/{i % 97:02}/{i}").read_text() == str(i)
    if full:
        assert found[b"huge"]["size"] == 4100 * MIB
