"""What a person reads: the words of an end, of a refusal, of a long wait."""

import shlex
import signal
import socket

import pytest

from gridtest import Grid, Terminal, write
from test_signals import lasting, lasting_tree, until_some_are_stored  # noqa: F401

pytestmark = pytest.mark.fast


def test_watching_what_is_not_there_shows_the_error(grid):
    t = Terminal(grid, "datastore", "status", "nosuch", "--watch")
    assert t.wait(20) == 1
    assert "nosuch" in t.text.rpartition("\x1b[J")[2], f"erased: {t.text!r}"


@pytest.mark.parametrize("number, words", [(signal.SIGINT, "interrupted (Ctrl-C, SIGINT)"),
                                           (signal.SIGTERM, "terminated (SIGTERM)"),
                                           (None, "asked to stop")])
def test_status_says_what_the_run_said(grid, lasting, number, words):  # noqa: F811
    if number is None:
        grid("datastore", "stop", "tree", code=0)
    else:
        lasting.send(number)
    assert lasting.wait(20).event("stopped")["reason"] == words
    assert f"stopped: {words}\n" in grid("datastore", "status", "tree", code=0).out


def test_resume_of_what_is_running_says_who_is_at_it(grid, lasting):  # noqa: F811
    for words in (["tree"], []):
        result = grid("datastore", "resume", *words, code=75)
        assert f"pid {lasting.pid} on {socket.gethostname()}" in result.err, result
    assert lasting.wait(60).code == 0


def interrupted(grid, tree, slow, *more, number=1):
    running = grid.start("datastore", "create", tree, "--name", "tree", "--jobs", "4", *more, env=slow(150))
    data = grid.version("tree", number) / "data"
    running.until(lambda: data.is_dir() and len(list(data.iterdir())) >= 5, "5 files stored")
    running.send(signal.SIGTERM)
    assert running.wait(20).code == 75


def test_resume_names_the_uploads_with_their_sources(grid, tmp_path, slow):
    sources = [tmp_path / "one", tmp_path / "the other's"]
    for number, source in enumerate(sources, 1):
        lasting_tree(source, n=30)
        interrupted(grid, source, slow, number=number)
    result = grid("datastore", "resume", "tree", code=2)
    commands = [shlex.split(line) for line in result.err.splitlines() if "datastore resume" in line]
    assert sorted(c[4] for c in commands) == [str(s) for s in sources], result
    for command in commands:  # what is told can be typed
        grid(*command[1:], code=0)
    for number, source in enumerate(sources, 1):
        grid.check("tree", source, number=number)


def test_resume_names_the_cluster_it_looked_at(grid, tmp_path):
    source = tmp_path / "s"
    write(source, "a", "x")
    result = grid("datastore", "resume", "s", source, code=1)
    assert "on cluster local" in result.err, result


@pytest.mark.parametrize("words", [["create", ".", "--cluster", "nope"], ["verify", "nosuch"], ["files", "nosuch"],
                                   ["create", ".", "--dry-run", "--name", "a", "--cluster", "nope"],
                                   ["resume", "nosuch"], ["list", "--cluster", "nope"], ["status", "nosuch"]])
def test_errors_in_json(grid, words):
    result = grid("datastore", *words, "--json")
    assert result.code in (1, 2)
    error = next(e for e in result.events if e["event"] == "error")
    assert error["message"] in result.err and error["time"].endswith("Z")
    if words[0] in ("create", "resume"):
        stopped = result.events[-1]
        assert stopped["event"] == "stopped" and stopped["exit_code"] == result.code, result
        assert stopped["resumable"] is False


def test_other_filters_name_the_way_on(grid, tree, slow):
    lasting_tree(tree, n=30)
    interrupted(grid, tree, slow)
    result = grid.create(tree, "--exclude", "*.tmp", code=2)
    assert "`grid datastore resume tree`" in result.err and "--fresh" in result.err
    grid("datastore", "resume", "tree", code=0)
    grid.check("tree", tree)


@pytest.mark.parametrize("changed", [True, False])
def test_published_meanwhile_from_elsewhere(grid, tmp_path, tree, slow, changed):
    """By another home, with the same store: the session that is left here is over."""
    grid.env["GRID_STORE"] = f"file://{tmp_path}/store"
    lasting_tree(tree, n=30)
    interrupted(grid, tree, slow)
    other = Grid(tmp_path / "other")
    other.env["GRID_STORE"] = grid.env["GRID_STORE"]
    other("datastore", "resume", "tree", tree, code=0)
    if changed:
        write(tree, "new", "x")
    result = grid.create_json(tree)
    version = 2 if changed else 1
    assert [e["version"] for e in result.events if e["event"] == "session"] == [version], result
    assert result.event("published")["version"] == version
    words = [e["message"] for e in result.events if e["event"] == "warning" and e["kind"] == "published_meanwhile"]
    assert [("version 1 " in w) for w in words] == [True] * changed, result
    grid.check("tree", tree, number=version)


def test_delete_of_what_is_not_there(grid, tree):
    write(tree, "a", "x")
    grid.create(tree)
    for words in (["delete", "--version", "1"], ["prune", "--keep", "1"]):
        result = grid("datastore", *words, "--name", "trea", "--yes", code=1)
        assert "no datastore named trea on local; did you mean tree?" in result.err, result
    result = grid("datastore", "delete", "--name", "tree", "--version", "7", "--yes", code=1)
    assert "no version 7 of tree" in result.err and "newest is 1" in result.err, result


def test_second_delete_says_that_it_is_deleted_already(grid, tree):
    write(tree, "a", "x")
    grid.create(tree)
    words = ("datastore", "delete", "--name", "tree", "--version", "1", "--yes")
    assert grid(*words, code=0).out == "deleted tree version 1\n"
    assert grid(*words, code=0).out == "tree version 1 is deleted already\n"


def test_cluster_that_is_deleted_with_unfinished_uploads(grid, tmp_path, tree, slow):
    login = ("login", "--cluster", "lab", "--store", f"file://{tmp_path}/store")
    grid(*login, code=0)
    grid.env["GRID_STORE"] = f"file://{tmp_path}/store"  # where the helpers look
    env = {"GRID_STORE": ""}
    lasting_tree(tree, n=30)
    running = grid.start("datastore", "create", tree, "--jobs", "4", env={**slow(150), **env})
    until_some_are_stored(grid, running)
    running.send(signal.SIGTERM)
    assert running.wait(20).code == 75
    result = grid("cluster", "delete", "lab", code=0, env=env)
    again = f"grid login --cluster lab --store file://{tmp_path}/store"
    assert "1 upload to lab is not finished: tree" in result.err and again in result.err, result
    result = grid("datastore", "resume", "tree", code=2, env=env)
    assert "cluster lab" in result.err and again in result.err, result
    grid(*shlex.split(again)[1:], code=0, env=env)
    grid("datastore", "resume", "tree", code=0, env=env)
    grid.check("tree", tree)
