"""Signals, status and stop: a run that is watched and ended from outside."""

import json
import os
import pty
import signal
import socket
import subprocess
import time

import pytest

from gridtest import MIB, nothing_unfinished, write, write_random

LEAVES_WITHIN_S = 5.5  # CLI.md says 5; the rest is for a busy machine


def lasting_tree(tree, n=60):
    """With `slow` about n * ms / jobs long."""
    for i in range(n):
        write_random(tree, f"file-{i:03}", 100_000, seed=i)
    write_random(tree, "big", 40 * MIB)


def until_some_are_stored(grid, running, name="tree", n=5):
    data = grid.version(name) / "data"
    running.until(lambda: data.is_dir() and len(list(data.iterdir())) >= n, f"{n} files stored")


@pytest.fixture
def lasting(grid, tree, slow):
    """A run that takes some seconds, with some of it done."""
    lasting_tree(tree)
    running = grid.start("datastore", "create", tree, "--jobs", "4", "--json", env=slow(150))
    until_some_are_stored(grid, running)
    return running


@pytest.mark.fast
@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 75)])
def test_first_signal_leaves_resumably(grid, tree, lasting, number, code):
    lasting.send(number)
    sent = time.monotonic()
    result = lasting.wait(20)
    assert time.monotonic() - sent < LEAVES_WITHIN_S
    assert result.code == code
    last = result.events[-1]
    assert last["event"] == "stopped" and last["resumable"] is True and last["exit_code"] == code
    assert grid.published("tree") == []
    again = grid.create_json(tree)
    assert again.event("session")["resumed"] is True
    published = again.event("published")
    assert published["version"] == 1 and published["bytes_sent"] < published["bytes"]
    grid.check("tree", tree)
    nothing_unfinished(grid.version("tree"))


@pytest.mark.fast
def test_it_says_how_to_resume(grid, tree, slow):
    lasting_tree(tree)
    running = grid.start("datastore", "create", tree, "--name", "the-name", env=slow(150))
    until_some_are_stored(grid, running, "the-name")
    running.send(signal.SIGINT)
    result = running.wait(20)
    assert result.code == 130
    assert "resum" in result.err and "the-name" in result.err


def test_signal_while_a_disk_hangs(grid, tree, slow):
    """Every write takes 20 s: it still leaves within 5."""
    lasting_tree(tree, 3)
    running = grid.start("datastore", "create", tree, "--json", env=slow(20_000, link_ms=0))
    running.until_event("session")
    time.sleep(0.5)  # into the writes; nothing outside shows that
    running.send(signal.SIGTERM)
    sent = time.monotonic()
    result = running.wait(30)
    assert time.monotonic() - sent < LEAVES_WITHIN_S
    assert result.code == 75


def test_signal_while_the_reservation_hangs(grid, tree, slow):
    """Not even the session's record gets through."""
    write(tree, "a", "x")
    running = grid.start("datastore", "create", tree, "--json", env=slow(0, link_ms=20_000))
    running.until(lambda: grid.version("tree").exists(), "version directory")
    running.send(signal.SIGTERM)
    sent = time.monotonic()
    result = running.wait(30)
    assert time.monotonic() - sent < LEAVES_WITHIN_S
    assert result.code == 75
    grid.create(tree)
    grid.check("tree", tree, number=grid.published("tree")[0])


def test_second_signal_leaves_at_once(grid, tree, slow):
    lasting_tree(tree, 3)
    running = grid.start("datastore", "create", tree, "--json", env=slow(20_000, link_ms=0))
    running.until_event("session")
    time.sleep(0.5)
    running.send(signal.SIGINT)
    time.sleep(0.3)
    if running.process.poll() is None:
        running.send(signal.SIGINT)
    sent = time.monotonic()
    result = running.wait(30)
    assert time.monotonic() - sent < 1.0
    assert result.code == 130
    grid.create(tree)
    grid.check("tree", tree)


@pytest.mark.fast
def test_signal_while_scanning(grid, tree):
    """As early as it can come: never worse than 'resumable', and the next run is right."""
    for i in range(3000):
        write(tree, f"d{i % 50}/f{i}", "x")
    running = grid.start("datastore", "create", tree, "--json")
    running.until_event("session")
    running.send(signal.SIGTERM)
    assert running.wait(20).code in (0, 75)
    grid.create(tree)
    grid.check("tree", tree)


@pytest.mark.fast
def test_hangup_goes_on(grid, tree, lasting):
    lasting.send(signal.SIGHUP)
    result = lasting.wait(60)
    assert result.code == 0
    grid.check("tree", tree)


def test_terminal_goes_away(grid, tree, slow):
    """As `screen` or ssh does it: the pty is closed, the session gets SIGHUP, the upload goes on."""
    lasting_tree(tree)
    leader, follower = pty.openpty()
    running = subprocess.Popen(
        [os.environ.get("GRID_BIN", "build/release/grid"), "datastore", "create", tree],
        stdin=follower, stdout=follower, stderr=follower, start_new_session=True,
        env={**grid.env, "TERM": "xterm", **slow(150)})
    os.close(follower)
    deadline = time.monotonic() + 20
    data = grid.version("tree") / "data"
    while not (data.is_dir() and len(list(data.iterdir())) >= 5):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.read(leader, 65536)
    os.close(leader)
    running.send_signal(signal.SIGHUP)
    assert running.wait(60) == 0
    grid.check("tree", tree)


@pytest.mark.fast
def test_a_reader_that_does_not_read(grid, tree):
    """stdout is a full pipe: progress is lost, the upload is not."""
    lasting_tree(tree)
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    try:
        while True:
            os.write(write_end, b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(write_end, True)
    running = subprocess.Popen(
        [os.environ.get("GRID_BIN", "build/release/grid"), "datastore", "create", tree, "--json"],
        stdin=subprocess.DEVNULL, stdout=write_end, stderr=subprocess.DEVNULL, env=grid.env)
    os.close(write_end)
    deadline = time.monotonic() + 30
    while grid.published("tree") != [1]:
        assert time.monotonic() < deadline, "the upload waits for its reader"
        time.sleep(0.05)
    os.close(read_end)
    assert running.wait(20) in (0, 1)
    grid.check("tree", tree)


@pytest.mark.fast
def test_progress_line_on_sigusr1(grid, tree, slow):
    lasting_tree(tree)
    running = grid.start("datastore", "create", tree, env=slow(150))
    until_some_are_stored(grid, running)
    before = len(running.err)
    running.send(signal.SIGUSR1)
    running.until(lambda: len(running.err) > before, "a line on stderr", 3)
    assert running.wait(60).code == 0


@pytest.mark.fast
def test_status_of_a_running_session(grid, tree, lasting):
    lasting.until_event("progress")
    time.sleep(1.1)  # the status file is replaced once a second
    status = grid("datastore", "status", "tree", "--json", code=0).events[-1]
    assert status["name"] == "tree" and "uploading" in json.dumps(status)
    assert "tree" in grid("datastore", "status", "tree", code=0).out
    lasting.send(signal.SIGTERM)
    lasting.wait(20)
    after = grid("datastore", "status", "tree", code=0).out
    assert "interrupted" in after


@pytest.mark.fast
def test_list_shows_what_is_under_way(grid, tree, lasting):
    assert grid("datastore", "list", "--json", code=0).events == []
    running = grid("datastore", "list", "--show-incomplete", "--json", code=0).events
    assert [r["status"] for r in running] == ["uploading"]
    lasting.send(signal.SIGKILL)
    lasting.process.wait()
    after = grid("datastore", "list", "--show-incomplete", "--json", code=0).events
    assert [r["status"] for r in after] == ["interrupted"]


@pytest.mark.fast
def test_stop_from_another_terminal(grid, tree, lasting):
    sent = time.monotonic()
    grid("datastore", "stop", "tree", code=0)
    result = lasting.wait(20)
    assert result.code == 75 and time.monotonic() - sent < LEAVES_WITHIN_S
    assert grid.create_json(tree).event("session")["resumed"] is True
    grid.check("tree", tree)


@pytest.mark.fast
def test_stop_without_a_runtime_dir(grid, tree, slow):
    lasting_tree(tree)
    del grid.env["XDG_RUNTIME_DIR"]
    running = grid.start("datastore", "create", tree, env=slow(150))
    until_some_are_stored(grid, running)
    folder = f"/tmp/grid-{os.getuid()}"
    assert os.stat(folder).st_mode & 0o777 == 0o700
    grid("datastore", "stop", "tree", code=0)
    assert running.wait(20).code == 75


@pytest.mark.fast
def test_second_grid_on_the_same_session(grid, tree, lasting):
    second = grid.create(tree, code=None)
    assert second.code in (1, 75)
    assert str(lasting.pid) in second.err and socket.gethostname() in second.err
    assert lasting.wait(60).code == 0
    assert grid.published("tree") == [1]
    grid.check("tree", tree)


def test_two_sources_one_name_at_once(grid, tmp_path, slow):
    for folder in ("a", "b"):
        for i in range(30):
            write_random(tmp_path / folder, f"f{i}", 100_000, seed=ord(folder) * 1000 + i)
    runs = [grid.start("datastore", "create", tmp_path / folder, "--name", "both", "--json",
                       env=slow(100)) for folder in ("a", "b")]
    versions = [run.wait(60).event("published")["version"] for run in runs]
    assert sorted(versions) == [1, 2]
    for folder, version in zip("ab", versions):
        grid.check("both", tmp_path / folder, number=version)


@pytest.mark.fast
def test_take_over(grid, tree, lasting):
    """The other run notices at its next beat or before it publishes; one version comes of it."""
    second = grid.create_json(tree, "--take-over", code=None)
    first = lasting.wait(90)
    assert 0 in (first.code, second.code)
    assert {first.code, second.code} <= {0, 1, 75}
    assert grid.published("tree") == [1]
    grid.check("tree", tree)
