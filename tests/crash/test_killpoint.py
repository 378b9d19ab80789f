"""The harness itself: killpoint.so kills where it says, and counts what it says."""

import os
import struct
import subprocess
import textwrap

import pytest

from gridtest import killpoint

STEPS = """
    import os
    os.mkdir("d")
    f = os.open("d/a", os.O_WRONLY | os.O_CREAT, 0o644)
    os.write(f, b"one")
    os.pwrite(f, b"two", 3)
    os.fsync(f)
    os.link("d/a", "d/b")
    os.rename("d/b", "d/c")
    os.ftruncate(f, 4)
    os.unlink("d/a")
    os.mkdir("e")
    os.rmdir("e")
"""
# What is there after the first n steps: {name: content}.
AFTER = [
    {}, {"d": None}, {"d": None, "d/a": b""}, {"d": None, "d/a": b"one"},
    {"d": None, "d/a": b"onetwo"}, {"d": None, "d/a": b"onetwo"},
    {"d": None, "d/a": b"onetwo", "d/b": b"onetwo"}, {"d": None, "d/a": b"onetwo", "d/c": b"onetwo"},
    {"d": None, "d/a": b"onet", "d/c": b"onet"}, {"d": None, "d/c": b"onet"},
    {"d": None, "d/c": b"onet", "e": None}, {"d": None, "d/c": b"onet"},
]


def python():
    return ["/usr/bin/python3", "-ISEB", "-c"]


def run(tmp_path, script, **settings):
    work = tmp_path / "work"
    work.mkdir()
    env = {"PATH": os.environ["PATH"]}
    settings.setdefault("count_file", tmp_path / "count")
    env.update(killpoint(**settings))
    done = subprocess.run([*python(), textwrap.dedent(script)], cwd=work, env=env,
                          capture_output=True, text=True)
    there = {str(p.relative_to(work)): p.read_bytes() if p.is_file() else None
             for p in work.rglob("*")}
    count = struct.unpack("=Q", (tmp_path / "count").read_bytes())[0]
    return done, there, count


def test_counts_and_traces_without_killing(tmp_path):
    done, there, count = run(tmp_path, STEPS, trace=tmp_path / "trace")
    assert done.returncode == 0, done.stderr
    assert count == len(AFTER) - 1 and there == AFTER[-1]
    names = [line.split()[2] for line in (tmp_path / "trace").read_text().splitlines()]
    assert names == ["mkdir", "open", "write", "pwrite", "fsync", "link", "rename", "ftruncate",
                     "unlink", "mkdir", "rmdir"]


@pytest.mark.parametrize("n", range(1, len(AFTER)))
@pytest.mark.parametrize("when", ["before", "after"])
def test_kills_at_every_point(tmp_path, n, when):
    done, there, count = run(tmp_path, STEPS, at=n, when=when)
    assert done.returncode == -9
    assert count == n
    assert there == AFTER[n if when == "after" else n - 1]


def test_beyond_the_last_point(tmp_path):
    done, there, _ = run(tmp_path, STEPS, at=len(AFTER))
    assert done.returncode == 0 and there == AFTER[-1]


def test_reading_and_pipes_do_not_count(tmp_path):
    _, _, count = run(tmp_path, """
        import os
        r, w = os.pipe()
        os.write(w, b"to a pipe")
        f = os.open("/etc/passwd", os.O_RDONLY)
        os.read(f, 10)
        os.listdir("/")
        """)
    assert count == 0


def test_sockets_count(tmp_path):
    _, _, count = run(tmp_path, """
        import socket
        a, b = socket.socketpair()
        a.send(b"x")
        a.sendall(b"x")
        a.sendmsg([b"x"])
        """)
    assert count == 3


def test_threads_are_counted_exactly_and_all_die(tmp_path):
    script = """
        import os, threading
        def work(i):
            f = os.open(f"f{i}", os.O_WRONLY | os.O_CREAT, 0o644)
            for _ in range(1000):
                os.write(f, b"x")
        threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
        [t.start() for t in threads]
        [t.join() for t in threads]
        """
    _, there, count = run(tmp_path, script)
    assert count == 4004 and sum(map(len, there.values())) == 4000
    subprocess.run(["rm", "-rf", tmp_path / "work"], check=True)
    done, there, count = run(tmp_path, script, at=2000, count_file=tmp_path / "count2")
    assert done.returncode == -9
    assert 1990 <= sum(map(len, there.values())) <= 2100  # others run on for a moment


def test_delay(tmp_path):
    script = """
        import os, time
        f = os.open("f", os.O_WRONLY | os.O_CREAT, 0o644)
        started = time.monotonic()
        os.write(f, b"x" * 100)
        quick = time.monotonic() - started
        os.write(f, b"x" * 65536)
        os.link("f", "g")
        assert quick < 0.1 and time.monotonic() - started >= 0.4
        """
    done, _, _ = run(tmp_path, script, delay_ms=200)
    assert done.returncode == 0, done.stderr
