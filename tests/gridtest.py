"""Running the program `grid` under test: a private home, time limits, parsed output."""

import fcntl
import functools
import json
import os
import pty
import signal
import struct
import subprocess
import termios
import threading
import time
from pathlib import Path

import read_manifest

REPO = Path(__file__).resolve().parent.parent
MIB = 1 << 20


def program():
    return os.environ.get("GRID_BIN", str(REPO / "build/release/grid"))


@functools.cache
def has_sanitizer():
    libraries = subprocess.run(["ldd", program()], capture_output=True, text=True).stdout
    return "libasan" in libraries or "libtsan" in libraries


@functools.cache
def preload(library):
    """LD_PRELOAD wants the sanitizer's library before any other."""
    if not has_sanitizer():
        return library
    libraries = subprocess.run(["ldd", program()], capture_output=True, text=True).stdout
    asan = next(line.split()[2] for line in libraries.splitlines() if "libasan" in line)
    return f"{asan}:{library}"


def killpoint(**settings):
    """Environment for tests/crash/killpoint.c: at=, when=, count_file=, trace=, delay_ms=."""
    library = os.environ.get("GRID_KILLPOINT", str(REPO / "build/release/killpoint.so"))
    assert os.path.exists(library), f"{library} is not built"
    env = {"LD_PRELOAD": preload(library)}
    env.update({"KILLPOINT_" + k.upper(): str(v) for k, v in settings.items()})
    return env


class Slow:
    """Each link and each write of 64 KiB or more takes ms longer."""

    def __call__(self, ms, link_ms=None):
        return killpoint(delay_ms=ms, link_delay_ms=ms if link_ms is None else link_ms)


class Result:
    def __init__(self, args, code, out, err, seconds):
        self.args, self.code, self.seconds = args, code, seconds
        self.raw = out + err
        self.out = out.decode("utf-8", "backslashreplace")
        self.err = err.decode("utf-8", "backslashreplace")

    @property
    def text(self):
        return self.out + self.err

    @property
    def events(self):
        """stdout as JSON lines; every line must be an object."""
        return [json.loads(line) for line in self.out.splitlines() if line.strip()]

    def event(self, kind):
        found = [e for e in self.events if e["event"] == kind]
        assert found, f"no event {kind!r} in {self}"
        return found[-1]

    def has_event(self, kind):
        return any(e.get("event") == kind for e in self.events)

    def __str__(self):
        return (f"{self.args}: exit {self.code} after {self.seconds:.1f} s\n"
                f"--- stdout\n{self.out[-4000:]}\n--- stderr\n{self.err[-4000:]}")

    __repr__ = __str__


class Running:
    """A grid that was started and not waited for."""

    def __init__(self, args, process):
        self.args, self.process, self.started = args, process, time.monotonic()
        self._out, self._err = bytearray(), bytearray()
        self._readers = [self._collect(process.stdout, self._out),
                         self._collect(process.stderr, self._err)]

    @staticmethod
    def _collect(pipe, into):
        def read():
            for block in iter(lambda: pipe.read1(65536), b""):
                into.extend(block)
        thread = threading.Thread(target=read, daemon=True)
        thread.start()
        return thread

    @property
    def pid(self):
        return self.process.pid

    @property
    def out(self):
        return bytes(self._out).decode("utf-8", "backslashreplace")

    @property
    def err(self):
        return bytes(self._err).decode("utf-8", "backslashreplace")

    def events(self):
        """The complete lines so far."""
        whole = self.out.rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines() if line.strip()]

    def until(self, condition, what, timeout=20):
        """Wait until condition() is true; fail when the program ends before that."""
        deadline = time.monotonic() + timeout
        while True:
            ended = self.process.poll() is not None
            value = condition()
            if value:
                return value
            assert not ended, f"ended before: {what}\n{self.wait(1)}"
            assert time.monotonic() < deadline, f"not within {timeout} s: {what}\n{self.out}{self.err}"
            time.sleep(0.01)

    def until_event(self, kind, timeout=20):
        return self.until(lambda: [e for e in self.events() if e.get("event") == kind],
                          f"event {kind}", timeout)[-1]

    def send(self, number):
        self.process.send_signal(number)

    def wait(self, timeout=60):
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"still running after {timeout} s: {self.args}\n{self.out}\n{self.err}")
        for reader in self._readers:
            reader.join(5)
        return Result(self.args, self.process.returncode, bytes(self._out), bytes(self._err),
                      time.monotonic() - self.started)


class Terminal:
    """grid on a terminal of some size: a pty."""

    def __init__(self, grid, *args, columns=80, rows=24, env=None):
        self.leader, follower = pty.openpty()
        self.resize(columns, rows)
        self.shown = bytearray()
        self.process = subprocess.Popen(
            [program(), *(a if isinstance(a, bytes) else str(a) for a in args)], stdin=follower, stdout=follower, stderr=follower,
            start_new_session=True, env={**grid.env, "TERM": "xterm-256color", **(env or {})})
        os.close(follower)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        try:
            while block := os.read(self.leader, 65536):
                self.shown.extend(block)
        except OSError:
            pass

    def resize(self, columns, rows=24):
        fcntl.ioctl(self.leader, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    @property
    def text(self):
        return bytes(self.shown).decode("utf-8", "replace")

    def wait(self, timeout=60):
        code = self.process.wait(timeout)
        self.reader.join(5)
        os.close(self.leader)
        return code


class Grid:
    """`grid(...)` runs the program to its end, `grid.start(...)` leaves it running."""

    def __init__(self, home, prefix=()):
        assert os.access(program(), os.X_OK), (
            f"{program()} is not there: cmake --preset release && cmake --build --preset release")
        self.home, self.prefix = Path(home), list(prefix)
        self.running = []
        for name in ("config", "data", "state", "cache", "run"):
            (self.home / name).mkdir(parents=True)
        (self.home / "run").chmod(0o700)
        self.env = {
            "HOME": str(self.home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TZ": "UTC",
            "XDG_CONFIG_HOME": str(self.home / "config"), "XDG_DATA_HOME": str(self.home / "data"),
            "XDG_STATE_HOME": str(self.home / "state"), "XDG_CACHE_HOME": str(self.home / "cache"),
            "XDG_RUNTIME_DIR": str(self.home / "run"), "AWS_EC2_METADATA_DISABLED": "true",
            "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:exitcode=99",
            "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1:exitcode=99",
        }

    @property
    def store(self):
        if "GRID_STORE" in self.env:
            return Path(self.env["GRID_STORE"].removeprefix("file://"))
        return self.home / "data/grid/datastores"

    @property
    def sessions(self):
        return self.home / "state/grid/sessions"

    def version(self, name, number=1):
        return self.store / name / f"v{number}"

    def published(self, name):
        """The numbers of the published versions."""
        folder = self.store / name
        found = folder.glob("v*/datastore.json") if folder.is_dir() else []
        return sorted(int(f.parent.name[1:]) for f in found)

    def start(self, *args, env=None, cwd=None, prefix=None, stdin=subprocess.DEVNULL, **more):
        words = [a if isinstance(a, (str, bytes)) else str(a) for a in args]
        command = [*(self.prefix if prefix is None else prefix), program(), *words]
        process = subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, env={**self.env, **(env or {})},
                                   cwd=cwd or self.home, **more)
        running = Running(["grid", *words], process)
        self.running.append(running)
        return running

    def __call__(self, *args, timeout=60, code=None, **more):
        """code: the exit code that the caller relies on."""
        result = self.start(*args, **more).wait(timeout)
        assert result.code != 99 and "Sanitizer" not in result.err, f"sanitizer: {result}"
        assert result.code >= 0, f"ended by {signal.Signals(-result.code).name}: {result}"
        if code is not None:
            assert result.code == code, f"expected exit {code}: {result}"
        return result

    def create(self, *args, code=0, **more):
        return self("datastore", "create", *args, code=code, **more)

    def create_json(self, *args, code=0, **more):
        return self("datastore", "create", *args, "--json", code=code, **more)

    def check(self, name, tree=None, number=1, **more):
        """The version by FORMATS.md, without the program; and against the tree."""
        return read_manifest.check(self.version(name, number), tree, **more)

    def end_all(self):
        for running in self.running:
            if running.process.poll() is None:
                running.process.kill()
                running.process.wait()


def write(folder, name, content=b"", mode=None):
    """A file by bytes or text, with the folders above it."""
    path = os.path.join(os.fsencode(folder), os.fsencode(name))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(content.encode() if isinstance(content, str) else content)
    if mode is not None:
        os.chmod(path, mode)
    return path


def write_random(folder, name, size, seed=0):
    """Incompressible enough, no two MiB alike, made at disk speed."""
    block = bytearray(random_block())
    path = os.path.join(os.fsencode(folder), os.fsencode(name))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        for at in range(0, size, MIB):
            block[:16] = at.to_bytes(8, "big") + seed.to_bytes(8, "big")
            f.write(block[:min(MIB, size - at)])
    return path


@functools.cache
def random_block():
    import random
    return random.Random(1).randbytes(MIB)


def mixed_tree(folder):
    """A little of everything that is ordinary."""
    write(folder, "README.txt", "a data set\n", 0o644)
    write(folder, "run.sh", "#!/bin/sh\n", 0o755)
    write(folder, "empty.bin")
    write(folder, "a/b/c/deep.txt", "deep\n")
    write(folder, "a.txt", "sorts before a/\n")
    write(folder, "with space/and ünïcode/日本.txt", "names\n")
    write_random(folder, "one-block.bin", 16 * MIB)
    write_random(folder, "two-blocks.bin", 16 * MIB + 1)
    write_random(folder, "blocks.bin", 40 * MIB + 12345, seed=7)
    for i in range(50):
        write(folder, f"many/{i:03}.dat", f"file {i}\n" * i)
    (Path(folder) / "empty-dir/inner").mkdir(parents=True)


# bytes_sent counts the manifest and the records of the session too.
RECORDS = 256 << 10


def on_disk(folder):
    """Relative names of all regular files below a folder, as bytes."""
    top = os.fsencode(folder)
    found = set()
    for where, _, files in os.walk(top):
        found.update(os.path.relpath(os.path.join(where, f), top) for f in files)
    return found


def nothing_unfinished(version_dir):
    """No traces of the session are left in a published version."""
    version_dir = Path(version_dir)
    left = [str(p) for p in version_dir.iterdir()
            if p.name not in ("datastore.json", "manifest", "data", "odd")
            and not (p.is_dir() and not any(p.iterdir()))]
    assert not left, f"left over: {left}"
