"""
SIGKILL at every state-changing call in turn; the same command again must make it good.

killpoint.so counts the calls of one undisturbed run.  Then, for each n (before or after the
call, by chance; both with --full), a fresh home, a run that dies at its n-th call, and a run
that must: exit 0, leave exactly one version whose bytes are right, leave nothing unfinished,
and send nothing again that the store had acknowledged more than a second before the kill.

What was acknowledged is read off the store and the trace, not off the program's own words:
 * a file: its object's ctime, which the final link() set;
 * a part: the end of the last write or sync that belongs to it.
"""

import collections
import os
import shutil
import signal
import struct
import subprocess
import time

import pytest

from figures import note
from gridtest import MIB, RECORDS, Grid, killpoint, nothing_unfinished, write, write_random

PART = 16 * MIB
PROMISE_S = 1.0
LIMIT_S = 60


@pytest.fixture(scope="module")
def small_tree(tmp_path_factory):
    """A dozen entries, one of every kind."""
    tree = tmp_path_factory.mktemp("small") / "tree"
    write(tree, "a.txt", "plain\n")
    write(tree, "empty")
    write(tree, b"odd \xff\nname", "odd\n")
    write(tree, "dir/one", b"1" * 1000)
    write(tree, "dir/two", b"2" * 70_000)
    write(tree, "dir/deep/er/three", b"3" * 300_000)
    write(tree, "script.sh", "#!/bin/sh\n", 0o755)
    write(tree, "same", b"1" * 1000)
    (tree / "empty-dir").mkdir()
    (tree / "dangling").symlink_to("nowhere")
    (tree / "link").symlink_to("a.txt")
    write_random(tree, "large", 40 * MIB + 4321)
    return tree


COMMAND = ["datastore", "create", "--name", "ds", "--json", "--part-size", "16M"]


def total_bytes(tree):
    return sum(os.stat(os.path.join(w, f)).st_size for w, _, fs in os.walk(os.fsencode(tree))
               for f in fs if os.path.exists(os.path.join(w, f)))


def run_killed(grid, tree, *more, after_s=None, **settings):
    """True when it was killed, and not done before."""
    running = grid.start(*COMMAND, tree, *more, env=killpoint(**settings))
    if after_s is not None:
        try:
            running.process.wait(after_s)
        except subprocess.TimeoutExpired:
            running.process.kill()
    result = running.wait(LIMIT_S)
    assert result.code in (0, -signal.SIGKILL), result
    return result.code != 0


class Acknowledged:
    """What the store had for more than PROMISE_S at the moment of the kill."""

    def __init__(self, grid, trace, number=1):
        now = time.time()  # the kill is just past: never later than this
        version = grid.version("ds", number)
        self.before = (now - PROMISE_S) * 1e9
        self.inodes, self.bytes, tmp_inodes = {}, 0, set()
        for place in ("data", "odd"):
            for where, _, files in os.walk(os.fsencode(version / place)):
                for f in files:
                    path = os.path.join(where, f)
                    st = os.stat(path)
                    if st.st_ctime_ns < self.before:
                        self.inodes[path] = st.st_ino
                        self.bytes += st.st_size
        if (version / "tmp").is_dir():
            tmp_inodes = {p.stat().st_ino for p in (version / "tmp").iterdir()}
        self.part_bytes = self._parts(trace, tmp_inodes)

    def _parts(self, trace, inodes):
        """Bytes of whole parts in unfinished files, written and synced long enough ago."""
        written, last = collections.Counter(), {}
        for line in trace.read_text().splitlines() if trace and trace.exists() else []:
            time_ns, _, name, inode, offset, result = line.split()
            inode, offset = int(inode), int(offset)
            if inode not in inodes or int(result) < 0:
                continue
            if name in ("pwrite", "pwritev", "copy_file_range"):
                part = (inode, offset // PART)
                written[part] += int(result)
                last[part] = int(time_ns)
            elif name in ("fsync", "fdatasync"):
                for part in last:  # a part may be acknowledged only after the next sync
                    if part[0] == inode and int(time_ns) - last[part] < 500_000_000:
                        last[part] = int(time_ns)
        return sum(n for part, n in written.items() if n == PART and last[part] < self.before)

    def check(self, published):
        for path, inode in self.inodes.items():
            assert os.stat(path).st_ino == inode, f"{path} was sent again"
        most = published["bytes"] - self.bytes - self.part_bytes + RECORDS
        assert published["bytes_sent"] <= most, (
            f"sent {published['bytes_sent']} of {published['bytes']}, but {self.bytes} bytes of "
            f"files and {self.part_bytes} of parts were acknowledged over a second before")


def check_recovered(grid, tree, was_open=True, acknowledged=None):
    """Run again; was_open: the killed run had not finished its publication."""
    result = grid(*COMMAND, tree, code=0, timeout=LIMIT_S)
    published = result.event("published")
    versions = grid.published("ds")
    assert versions == [1] or (not was_open and versions == [1, 2]), versions
    for number in versions:
        grid.check("ds", tree, number=number)
        nothing_unfinished(grid.version("ds", number))
        assert not (grid.version("ds", number) / "tmp").exists() or not os.listdir(
            grid.version("ds", number) / "tmp")
        assert not (grid.version("ds", number) / "session.json").exists()
    extra = {p.name for p in (grid.store / "ds").iterdir()} - {f"v{n}" for n in versions}
    assert not extra, f"left in the store: {extra}"
    rows = grid("datastore", "list", "--show-incomplete", "--json", code=0).events
    assert {r["status"] for r in rows} == {"succeeded"} and len(rows) == len(versions)
    if acknowledged is not None and versions == [1] and was_open:
        acknowledged.check(published)
    return published


def is_open(grid):
    """The version's session record still stands, or there is no publication yet."""
    version = grid.version("ds")
    return not (version / "datastore.json").exists() or (version / "session.json").exists()


@pytest.fixture(scope="module")
def points(small_tree, tmp_path_factory):
    """The names of the calls of one undisturbed run, in order."""
    folder = tmp_path_factory.mktemp("points")
    grid = Grid(folder / "home")
    trace, count = folder / "trace", folder / "count"
    grid(*COMMAND, small_tree, env=killpoint(trace=trace, count_file=count), code=0)
    calls = [line.split() for line in trace.read_text().splitlines()]
    calls.sort(key=lambda c: int(c[1]))
    assert struct.unpack("=Q", count.read_bytes())[0] == len(calls)
    assert len(calls) > 50, "the library does not see the calls of the program"
    names = [c[2] for c in calls]
    assert "mkdir" in names and {"write", "pwrite", "pwritev"} & set(names)
    assert "link" in names or "rename" in names
    print(collections.Counter(names))
    return names


def one_kill(tmp_path, tree, n, when):
    home = tmp_path / f"{when}-{n}"
    grid = Grid(home)
    try:
        if not run_killed(grid, tree, at=n, when=when):
            return False
        check_recovered(grid, tree, was_open=is_open(grid))
    except BaseException as error:
        raise AssertionError(f"killed {when} call {n} (KILLPOINT_AT={n}): {error}") from error
    shutil.rmtree(home)
    return True


def test_every_point(small_tree, points, tmp_path, rng, full):
    """All failures are told, not only the first."""
    killed, failures, deadline = 0, [], time.monotonic() + (3600 if full else 200)
    todo = [(n, when) for n in range(1, len(points) + 10)
            for when in (("before", "after") if full else (rng.choice(("before", "after")),))]
    rng.shuffle(todo)
    for n, when in todo:
        if time.monotonic() > deadline:
            break
        try:
            was_killed, why = one_kill(tmp_path, small_tree, n, when), None
        except AssertionError as error:
            was_killed, why = True, str(error)[:1500]
            failures.append(why)
        killed += was_killed and why is None
        if was_killed:
            note("crash", story="kill on file://", point=n, when=when, state="kept", failed=why)
    print(f"killed {killed} times of {len(points)} points, {len(failures)} failures")
    assert not failures, "\n\n".join(failures[:10])
    assert killed >= len(points) * 0.5, "too few kills in the time there is"


def test_killed_while_it_resumes(small_tree, points, tmp_path, rng, full):
    """Again and again, at random points, until a run gets through."""
    for round in range(60 if full else 8):
        home = tmp_path / f"round-{round}"
        grid = Grid(home)
        history, still_open = [], True
        for _ in range(4):
            history.append((rng.randrange(1, len(points)), rng.choice(("before", "after"))))
            if not run_killed(grid, small_tree, at=history[-1][0], when=history[-1][1]):
                break
            if grid.published("ds"):
                still_open = still_open and is_open(grid)
                break
        try:
            if len(grid.published("ds")) == 1 and not is_open(grid):
                still_open = False
            check_recovered(grid, small_tree, was_open=still_open)
        except AssertionError as error:
            raise AssertionError(f"killed at {history}: {error}") from error
        shutil.rmtree(home)


@pytest.fixture(scope="module")
def larger_tree(tmp_path_factory):
    tree = tmp_path_factory.mktemp("larger") / "tree"
    for i in range(300):
        write_random(tree, f"d{i % 10}/f{i:03}", 20_000 + i * 300, seed=i)
    for i in range(3):
        write_random(tree, f"large-{i}", 100 * MIB, seed=i + 1000)
    return tree


@pytest.mark.parametrize("seed", range(4))
def test_nothing_old_is_sent_again(larger_tree, tmp_path, rng, seed, full):
    """A run of several seconds, killed at a random time: the one-second law."""
    for round in range(10 if full else 1):
        grid = Grid(tmp_path / f"home-{round}")
        trace = tmp_path / f"trace-{round}"
        killed = run_killed(grid, larger_tree, "--jobs", "4", after_s=rng.uniform(1.5, 6.5),
                            trace=trace, delay_ms=20)
        if not killed:
            continue
        acknowledged = Acknowledged(grid, trace)
        print(f"{len(acknowledged.inodes)} files, {acknowledged.part_bytes / PART} parts")
        check_recovered(grid, larger_tree, is_open(grid), acknowledged)
        shutil.rmtree(grid.home)


def test_nothing_old_is_sent_again_by_a_second_resume(larger_tree, tmp_path, rng):
    grid = Grid(tmp_path / "home")
    trace = tmp_path / "trace"
    for _ in range(2):
        if not run_killed(grid, larger_tree, "--jobs", "4", after_s=rng.uniform(1.8, 3.0),
                          trace=trace, delay_ms=20):
            return
    acknowledged = Acknowledged(grid, trace)
    check_recovered(grid, larger_tree, is_open(grid), acknowledged)


def test_notes_lost_as_well(small_tree, points, tmp_path, rng, full):
    """Killed, and the whole local state is gone: the store is enough."""
    for round in range(40 if full else 6):
        home = tmp_path / f"round-{round}"
        grid = Grid(home)
        n = rng.randrange(1, len(points))
        if run_killed(grid, small_tree, at=n):
            was_open = is_open(grid)
            shutil.rmtree(grid.home / "state")
            (grid.home / "state").mkdir()
            try:
                check_recovered(grid, small_tree, was_open)
            except AssertionError as error:
                raise AssertionError(f"killed before call {n}, state removed: {error}") from error
        shutil.rmtree(home)


def test_delete_is_finished_after_a_kill(tree, tmp_path):
    """`delete` killed at each of its points: the same command finishes it, the number stays dead."""
    for name in (b"a", b"b/c", b"odd \xff", b"b/d/e"):
        write(tree, name, name)
    grid = Grid(tmp_path / "home")
    count = tmp_path / "count"
    delete = ["datastore", "delete", "--name", "ds", "--yes", "--version"]
    for number in range(1, 400):
        grid(*COMMAND, tree, code=0)
        assert grid.published("ds") == [number]
        count.unlink(missing_ok=True)
        running = grid.start(*delete, str(number), env=killpoint(at=number, count_file=count))
        result = running.wait(LIMIT_S)
        assert result.code in (0, -9), result
        if result.code == 0:
            assert number > 3, "delete makes more than three calls"
            break
        if not (grid.version("ds", number) / "deleted.json").exists():
            grid.check("ds", tree, number=number)
        grid(*delete, str(number), code=0)
        left = [p.name for p in grid.version("ds", number).iterdir()]
        assert left == ["deleted.json"], f"killed at call {number} of delete: {left}"
    else:
        raise AssertionError("delete never came to its end")

