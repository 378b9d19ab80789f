"""--detach: uploads in the background, and looking at them and ending them from elsewhere."""

import json
import os
import pty
import shutil
import signal
import socket
import subprocess
import time

import pytest

from gridtest import MIB, Grid, program, write, write_random

pytestmark = pytest.mark.fast


def lasting_tree(tree, n=30):
    """With `slow` some seconds long."""
    for i in range(n):
        write_random(tree, f"file-{i:03}", 100_000, seed=i)
    write_random(tree, "big", 24 * MIB)


def status_file(grid, name="tree"):
    return json.loads(next(grid.sessions.glob(f"{name}-*.json")).read_text())


def detach(grid, tree, *more, **env):
    return grid.create(tree, "--detach", "--jobs", "4", *more, **env)


def until_it_ends(grid, name="tree"):
    """`status --watch` is what a person would wait with."""
    return grid("datastore", "status", name, "--watch", code=0, timeout=60)


def is_running(pid):
    try:
        os.kill(pid, 0)
        return True
    except ProcessLookupError:
        return False


def until_gone(pid):
    """What has ended may wait for somebody to fetch its exit code."""
    deadline = time.monotonic() + 20
    while is_running(pid) and open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < deadline, f"{pid} is still running"
        time.sleep(0.01)


def log_of(grid, name="tree"):
    return next(grid.sessions.glob(f"{name}-*.log"))


def log_events(grid, name="tree"):
    return [json.loads(line) for line in log_of(grid, name).read_text().splitlines() if line.startswith("{")]


@pytest.fixture(autouse=True)
def no_process_is_left(grid):
    yield
    for file in grid.sessions.glob("*.json"):
        status = json.loads(file.read_text())
        if status["exit_code"] < 0 and is_running(status["pid"]):
            os.kill(status["pid"], signal.SIGKILL)


def test_it_returns_at_once_and_goes_on(grid, tree, slow):
    lasting_tree(tree)
    started = detach(grid, tree, env=slow(80))
    assert grid.published("tree") == [], "it did not wait for the end"
    first = started.out.splitlines()[0]
    pid = status_file(grid)["pid"]
    assert first == f"tree:1 goes on in the background (pid {pid})"
    assert str(log_of(grid)) in started.out
    assert os.getsid(pid) == pid, "a session of its own"
    shown = grid("datastore", "status", code=0).out
    assert "tree version 1 on local: " in shown and str(log_of(grid)) in shown
    until_it_ends(grid)
    grid.check("tree", tree)
    until_gone(pid)
    kinds = [e["event"] for e in log_events(grid)]
    assert kinds.index("session") < kinds.index("detached") and kinds[-1] == "published"
    assert "succeeded" in grid("datastore", "status", "tree", code=0).out


def test_its_standard_streams_are_given_up(grid, tree, slow):
    """`ssh host grid ... --detach` and `$(grid ... --detach)` end only when nobody holds the pipes."""
    lasting_tree(tree)
    done = subprocess.run([program(), "datastore", "create", tree, "--detach", "--quiet"], stdin=subprocess.DEVNULL,
                          capture_output=True, env={**grid.env, **slow(80)}, timeout=30)
    assert (done.returncode, done.stdout) == (0, b"tree:1\n"), done
    assert grid.published("tree") == []
    pid = status_file(grid)["pid"]
    open_files = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in (0, 1, 2)]
    assert open_files == ["/dev/null", str(log_of(grid)), str(log_of(grid))]
    until_it_ends(grid)
    grid.check("tree", tree)


def test_json(grid, tree, slow):
    lasting_tree(tree)
    started = detach(grid, tree, "--json", env=slow(80))
    last = started.events[-1]
    assert last["event"] == "detached" and last["name"] == "tree" and last["version"] == 1
    assert last["pid"] == status_file(grid)["pid"] and last["log"] == str(log_of(grid))
    assert last["session_id"] == started.event("session")["session_id"]
    row = grid("datastore", "status", "--json", code=0).events
    assert [(r["name"], r["state"], r["session_id"]) for r in row] in (
        [("tree", "uploading", last["session_id"])], [("tree", "scanning", last["session_id"])])
    until_it_ends(grid)
    grid.check("tree", tree)


def test_the_terminal_is_closed(grid, tree, slow):
    """As at the end of an SSH session: the shell that started it is a session leader of a pty that is closed."""
    lasting_tree(tree)
    script = f"'{program()}' datastore create '{tree}' --detach --jobs 4; echo code=$?; sleep 100"
    child, leader = pty.fork()
    if child == 0:
        os.execve("/bin/sh", ["sh", "-c", script], {**grid.env, "TERM": "xterm", **slow(80)})
    shown = b""
    while b"code=" not in shown:
        shown += os.read(leader, 65536)
    assert b"code=0" in shown and b"goes on in the background" in shown
    assert grid.published("tree") == []
    os.close(leader)  # the kernel sends SIGHUP to the session of the pty
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGHUP
    until_it_ends(grid)
    grid.check("tree", tree)


def test_the_terminal_is_closed_before_it_is_begun(grid, tree, slow):
    write(tree, "a", "x")
    child, leader = pty.fork()
    if child == 0:
        os.execve(program(), [program(), "datastore", "create", str(tree), "--detach"],
                  {**grid.env, "TERM": "xterm", **slow(0, link_ms=1000)})
    deadline = time.monotonic() + 20
    while not grid.version("tree").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.close(leader)
    os.waitpid(child, 0)
    while grid.published("tree") != [1]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    grid.check("tree", tree)


def test_stop_and_resume(grid, tree, slow):
    lasting_tree(tree)
    detach(grid, tree, env=slow(80))
    pid = status_file(grid)["pid"]
    grid("datastore", "stop", "tree", code=0)
    until_gone(pid)
    assert grid.published("tree") == []
    shown = grid("datastore", "status", code=0).out
    assert "interrupted" in shown and "grid datastore resume tree" in shown
    grid("datastore", "resume", "tree", "--detach", code=0)
    until_it_ends(grid)
    grid.check("tree", tree)
    assert any(e["event"] == "session" and e["resumed"] for e in log_events(grid))


def test_stop_after_the_last_logout(grid, tree, slow):
    """logind removes the runtime folder, and the socket with it."""
    lasting_tree(tree)
    detach(grid, tree, env=slow(80))
    pid = status_file(grid)["pid"]
    shutil.rmtree(grid.home / "run")
    (grid.home / "run").mkdir(mode=0o700)
    grid("datastore", "stop", "tree", code=0)
    until_gone(pid)
    assert status_file(grid)["exit_code"] == 75


@pytest.mark.parametrize("arguments, env, code, words", [
    (["nothing-there"], {}, 1, "nothing-there"),
    (["tree", "--dry-run"], {}, 2, "--dry-run"),
    (["tree"], {"GRID_STORE": "s3://bucket", "AWS_EC2_METADATA_DISABLED": "true"}, 77, "credentials"),
    (["tree"], {"GRID_STORE": "ftp://nowhere"}, 2, "ftp://nowhere")])
def test_what_fails_at_the_start_is_told(grid, tree, arguments, env, code, words):
    write(tree, "a", "x")
    arguments = [str(tree) if a == "tree" else a for a in arguments]
    done = grid("datastore", "create", *arguments, "--detach", code=code, env=env)
    assert done.out == "" and words in done.err
    told = grid("datastore", "create", *arguments, "--detach", "--json", code=code, env=env)
    assert told.event("error")["message"] and told.events[-1]["event"] == "stopped"


def test_one_that_runs_already(grid, tree, slow):
    lasting_tree(tree)
    detach(grid, tree, env=slow(80))
    pid = status_file(grid)["pid"]
    second = detach(grid, tree, code=75)
    assert str(pid) in second.err
    assert status_file(grid)["pid"] == pid
    until_it_ends(grid)
    assert grid.published("tree") == [1]


def test_nothing_has_changed(grid, tree):
    write(tree, "a", "x")
    grid.create(tree)
    done = grid.create(tree, "--if-changed", "--detach", "--json")
    assert done.events[-1]["event"] == "unchanged"
    assert grid.published("tree") == [1]


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 75)])
def test_a_signal_before_it_is_begun(grid, tree, slow, number, code):
    """Whoever waits in the foreground hands it on."""
    write(tree, "a", "x")
    running = grid.start("datastore", "create", tree, "--detach", env=slow(0, link_ms=20_000))
    running.until(lambda: grid.version("tree").exists(), "version directory")
    running.send(number)
    assert running.wait(30).code == code
    grid.create(tree)
    grid.check("tree", tree, number=grid.published("tree")[0])


def test_the_background_is_killed_before_it_is_begun(grid, tree, slow):
    write(tree, "a", "x")
    running = grid.start("datastore", "create", tree, "--detach", env=slow(0, link_ms=20_000))
    running.until(lambda: grid.version("tree").exists(), "version directory")
    children = open(f"/proc/{running.pid}/task/{running.pid}/children").read().split()
    assert len(children) == 1
    os.kill(int(children[0]), signal.SIGKILL)
    done = running.wait(30)
    assert done.code == 75 and "SIGKILL" in done.err or "Killed" in done.err
    grid.create(tree)


def test_a_failure_in_the_background(grid, tree, slow):
    """A file that cannot be read: said in the log and by `status`."""
    if os.geteuid() == 0:  # root reads everything
        grid.prefix = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
    lasting_tree(tree, 5)
    write(tree, "unreadable", "x", mode=0)
    grid.create(tree, "--detach", env=slow(20))
    until_it_ends(grid)
    assert grid.published("tree") == []
    row = grid("datastore", "status", "tree", "--json", code=0).events[-1]
    assert row["state"] == "failed" and "could not be read" in row["reason"]
    assert any(e["event"] == "error" and e.get("path") == "unreadable" for e in log_events(grid))


def test_slurm_is_named(grid, tree):
    write(tree, "a", "x")
    told = grid.create_json(tree, "--detach", env={"SLURM_JOB_ID": "4711", "SLURM_STEP_ID": "3"})
    warning = [e for e in told.events if e["event"] == "warning" and e["kind"] == "may_be_ended"]
    assert len(warning) == 1 and "4711" in warning[0]["message"] and "step 3" in warning[0]["message"]
    until_it_ends(grid)
    quiet = grid.create_json(tree)  # in the foreground nothing is left behind
    assert not any(e.get("kind") == "may_be_ended" for e in quiet.events)


def test_all_sessions_of_the_machine(grid, tmp_path, slow):
    for name in ("one", "two"):
        lasting_tree(tmp_path / name, 20)
        detach(grid, tmp_path / name, env=slow(80))
    rows = grid("datastore", "status", "--json", code=0).events
    assert sorted(r["name"] for r in rows) == ["one", "two"]
    assert grid("datastore", "status", "--cluster", "local", "--json", code=0).events != []
    grid("datastore", "status", "--watch", code=0)
    for name in ("one", "two"):
        grid.check(name, tmp_path / name)
    assert "no upload is running" in grid("datastore", "status", code=0).err


# ---- from another machine

@pytest.fixture
def elsewhere(grid, tmp_path):
    """A grid with the same store and nothing else in common."""
    other = Grid(tmp_path / "other-home")
    other.env["GRID_STORE"] = f"file://{grid.store}"
    yield other
    other.end_all()


def test_what_the_store_knows(grid, tree, slow, elsewhere):
    lasting_tree(tree)
    detach(grid, tree, env=slow(80))
    pid = status_file(grid)["pid"]
    shown = elsewhere("datastore", "status", "tree", code=0).out
    assert f"(pid {pid}), last heard of " in shown and socket.gethostname() in shown and str(tree) in shown
    row = elsewhere("datastore", "status", "tree", "--json", code=0).events[-1]
    assert row["state"] == "uploading" and row["pid"] == pid and 0 <= row["age_s"] < 60
    assert row["host"] == socket.gethostname() and row["session_id"] == status_file(grid)["session"]
    grid("datastore", "stop", "tree", code=0)
    shown = elsewhere("datastore", "status", "tree", code=0).out
    assert "interrupted" in shown and "grid datastore resume tree SOURCE" in shown
    grid.create(tree)
    row = elsewhere("datastore", "status", "tree", "--watch", "--json", code=0).events[-1]
    assert row["state"] == "succeeded" and row["files_total"] == 31
    assert "no datastore named" in elsewhere("datastore", "status", "none", code=1).err


def test_a_home_that_machines_share(grid, tree, slow):
    """The session's status file is of another host: it is told where to look."""
    lasting_tree(tree, 3)
    grid.create(tree)
    file = next(grid.sessions.glob("tree-*.json"))
    status = json.loads(file.read_text())
    status.update(host="node7", exit_code=-1, state="uploading", updated_ms=int(time.time() * 1000))
    file.write_text(json.dumps(status))
    row = grid("datastore", "status", "--json", code=0).events
    assert [(r["state"], r["host"]) for r in row] == [("uploading", "node7")]
    assert "node7" in grid("datastore", "stop", "tree", code=1).err
    status.update(updated_ms=int(time.time() * 1000) - 10 * 60 * 1000)
    file.write_text(json.dumps(status))
    assert [r["state"] for r in grid("datastore", "status", "--json", code=0).events] == ["interrupted"]
