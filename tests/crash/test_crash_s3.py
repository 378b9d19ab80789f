"""
SIGKILL at every state-changing call and every send of an upload to S3, with the local state kept
or lost; the same command again must make it good, and send nothing needlessly.

killpoint.so counts the calls of one undisturbed run; threads and the network shift them a little
from run to run, so each of the numbers is a moment rather than a certain call.  Buckets of one fake
server keep the stories apart, and many are told at once.
"""

import collections
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from aftermath import Aftermath, killed_at
from figures import note
from gridtest import MIB, Grid, killpoint, write, write_random
from s3servers import FakeServer

COMMAND = ["datastore", "create", "--name", "ds", "--json", "--part-size", "16M"]
LIMIT_S = 60
AT_ONCE = 6
SAMPLE = 60


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    made = FakeServer(tmp_path_factory.mktemp("server"), buckets=())
    yield made
    try:
        made.check_alive()
    finally:
        made.stop()


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Every kind of entry; one file in two parts."""
    tree = tmp_path_factory.mktemp("source") / "tree"
    write(tree, "a.txt", "plain\n")
    write(tree, "empty")
    write(tree, b"odd \xff\nname", "odd\n")
    write(tree, "dir/deep/er/three", b"3" * 300_000)
    write(tree, "script.sh", "#!/bin/sh\n", 0o755)
    (tree / "empty-dir").mkdir()
    (tree / "dangling").symlink_to("nowhere")
    write_random(tree, "large", 17 * MIB + 4321)
    return tree


def size_of(tree):
    return sum(f.stat().st_size for f in tree.rglob("*") if f.is_file())


class Home:
    """A grid and a bucket of its own."""

    def __init__(self, server, name, folder):
        self.server, self.bucket, self.folder = server, server.bucket(name), folder
        self.grid = Grid(folder / "home")
        self.grid.env.update(server.env(self.bucket))

    def after(self):
        return Aftermath(self.server, self.bucket, "ds")

    def forget(self):
        self.server.forget_bucket(self.bucket)
        shutil.rmtree(self.folder)


@pytest.fixture(scope="module")
def points(server, source, tmp_path_factory):
    """How many calls one undisturbed run makes."""
    home = Home(server, "undisturbed", tmp_path_factory.mktemp("undisturbed"))
    trace = home.folder / "trace"
    home.grid(*COMMAND, source, env=killpoint(trace=trace), code=0)
    names = collections.Counter(line.split()[2] for line in trace.read_text().splitlines())
    print(names)
    assert names["send"] > 50 and names["pwrite"] > 5, "the library does not see the calls of the program"
    home.after().check_content(source, home.folder / "export")
    return names.total()


def one_kill(home, source, n, when, state):
    """Kill, run again, look.  -> bytes sent twice, how long the second run took; None: not killed."""
    trace = home.folder / "trace"
    killed = home.grid.start(*COMMAND, source, env=killpoint(at=n, when=when, trace=trace)).wait(LIMIT_S)
    if killed.code == 0:
        return None
    assert killed.code == -signal.SIGKILL, killed
    was_done = home.after().is_done()
    if state == "lost":
        shutil.rmtree(home.grid.home / "state", ignore_errors=True)
    again = home.grid(*COMMAND, source, code=0, timeout=LIMIT_S)
    after = home.after()
    assert after.published() in ([[1], [1, 2]] if was_done else [[1]]), f"versions {after.published()}"
    after.check_content(source, home.folder / "export", was_killed=True)
    after.check_never_half()
    needless = after.sent_needlessly([killed_at(trace)])
    assert not needless, f"acknowledged, and sent again: {needless}"
    return after.bytes_sent() - size_of(source) * len(after.published()), again.seconds


def tell(server, source, n, when, state, folder):
    """What went wrong; None: nothing; "" where it was over before."""
    home, why, found = Home(server, f"{state}-{when}-{n}", folder), None, None
    try:
        found = one_kill(home, source, n, when, state)
    except Exception as error:
        why = f"killed {when} call {n}, state {state}: {error}"
    finally:
        home.grid.end_all()
    if found or why:
        sent_twice, recovery_s = found or (None, None)
        note("crash", story="kill on S3", point=n, when=when, state=state, bytes=size_of(source),
             sent_twice=sent_twice, recovery_s=recovery_s and round(recovery_s, 2), failed=why and why[:2000])
    if not why:
        home.forget()
    return why if found or why else ""


@pytest.mark.parametrize("state", ["kept", "lost"])
def test_every_point_on_s3(server, source, points, tmp_path, rng, full, state):
    """All failures are told, not only the first."""
    todo = [(n, when) for n in range(1, points + 10) for when in ("before", "after")]
    if not full:
        todo = rng.sample(todo, SAMPLE)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(lambda it: tell(server, source, *it, state, tmp_path / f"{it[1]}-{it[0]}"), todo))
    failures, killed = [why for why in found if why], len([why for why in found if why != ""])
    print(f"killed {killed} times of {len(todo)}, {points} points, {len(failures)} failures")
    assert not failures, "\n\n".join(failures[:10])
    assert killed >= len(todo) * 0.8, "too few of them were killed"
