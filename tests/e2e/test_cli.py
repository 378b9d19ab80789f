"""The command line: help, usage errors, what scripts rely on."""

import subprocess

import pytest

from gridtest import program, write

pytestmark = pytest.mark.fast

COMMANDS = ["datastore create", "datastore resume", "datastore list", "datastore status",
            "datastore stop", "datastore files", "datastore verify", "datastore download", "datastore delete",
            "datastore diff", "datastore prune", "datastore url", "datastore clearcache", "user",
            "user set-cluster-context", "cluster", "cluster delete", "login", "logout"]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(grid, command):
    result = grid(*command.split(), "--help", code=0)
    assert f"grid {command}" in result.out
    assert "xample" in result.out, "no example"
    assert result.err == ""
    assert max(map(len, result.out.splitlines())) <= 100


def test_top_help_names_every_command(grid):
    for args in (["--help"], ["datastore", "--help"]):
        out = grid(*args, code=0).out
        assert "create" in out and "grid" in out


def test_version(grid):
    assert any(c.isdigit() for c in grid("--version", code=0).out)


def test_nothing_at_all(grid):
    result = grid()
    assert "grid" in result.text and result.code in (0, 2)


@pytest.mark.parametrize("args, nearest", [
    (["datastroe"], "datastore"),
    (["datastore", "crate", "x"], "create"),
    (["datastore", "verfy", "x"], "verify"),
    (["datastore", "create", ".", "--exlude", "x"], "--exclude"),
    (["datastore", "create", ".", "--dryrun"], "--dry-run"),
    (["datastore", "create", ".", "--nmae=x"], "--name"),
    (["clutser"], "cluster"),
])
def test_did_you_mean(grid, args, nearest):
    result = grid(*args, code=2)
    assert "did you mean" in result.err.lower() and nearest in result.err


@pytest.mark.parametrize("args", [
    ["zzzzqqqq"],
    ["datastore", "create"],
    ["datastore", "create", "a", "b"],
    ["datastore", "create", ".", "--source", "."],
    ["datastore", "create", ".", "--jobs", "many"],
    ["datastore", "create", ".", "--jobs", "0"],
    ["datastore", "create", ".", "--jobs", "-1"],
    ["datastore", "create", ".", "--part-size", "lots"],
    ["datastore", "create", ".", "--symlinks", "maybe"],
    ["datastore", "create", ".", "--name"],
    ["datastore", "create", ".", "--json=yes"],
    ["datastore", "create", ".", "--exclude-from", "/no/such/file"],
    ["datastore", "files"],
    ["datastore", "files", "bad name"],
    ["datastore", "files", "x:y"],
    ["datastore", "files", "x:0"],
    ["datastore", "files", "x:-1"],
    ["datastore", "delete", "--version", "1"],
    ["datastore", "delete", "--name", "x"],
    ["datastore", "delete", "--name", "x", "--version", "one"],
    ["datastore", "prune", "--name", "x"],
    ["datastore", "prune", "--name", "x", "--keep", "-2"],
    ["datastore", "verify", "--deep"],
    ["user", "set-cluster-context"],
])
def test_usage_errors(grid, args):
    result = grid(*args, code=2)
    assert result.out == "" and result.err.strip()
    assert len(result.err.splitlines()) <= 8, "a usage error is short"


def test_no_such_source(grid, tmp_path):
    result = grid.create(tmp_path / "nowhere", code=None)
    assert result.code in (1, 2) and "nowhere" in result.err
    assert not grid.store.exists() or not list(grid.store.iterdir())


def test_no_such_source_in_json(grid, tmp_path):
    result = grid.create_json(tmp_path / "nowhere", code=None)
    assert result.code in (1, 2)
    for event in result.events:
        assert event["event"] in ("error", "stopped")


@pytest.mark.parametrize("args", [
    ["files", "nope"], ["verify", "nope"], ["url", "nope"], ["status", "nope"], ["stop", "nope"],
    ["resume", "nope"], ["delete", "--name", "nope", "--version", "1", "--yes"],
    ["prune", "--name", "nope", "--keep", "1", "--yes"]])
def test_no_such_datastore(grid, args):
    result = grid("datastore", *args, code=1)
    assert "nope" in result.err


def test_no_such_version(grid, tree):
    write(tree, "a", "x")
    grid.create(tree)
    for command in ("files", "verify", "url"):
        result = grid("datastore", command, "tree:7", code=1)
        assert "7" in result.err
    grid("datastore", "delete", "--name", "tree", "--version", "7", "--yes", code=1)


def test_options_stand_anywhere(grid, tree):
    write(tree, "a", "x")
    grid("datastore", "create", "--name", "one", tree, code=0)
    grid("datastore", "create", tree, "--name=one", code=0)
    grid("datastore", "create", "--name=one", "--", tree, code=0)
    assert grid.published("one") == [1, 2, 3]


def test_source_that_looks_like_an_option(grid, tmp_path):
    write(tmp_path / "--odd", "a", "x")
    grid("datastore", "create", "--name", "n", "--", "--odd", cwd=tmp_path, code=0)
    grid.check("n", tmp_path / "--odd")


def test_nothing_to_list(grid):
    grid("datastore", code=0)
    assert grid("datastore", "list", "--json", code=0).out == ""


def test_user_and_cluster_before_any_login(grid):
    assert "local" in grid("user", code=0).out
    assert "local" in grid("cluster", code=0).out
    grid("user", "set-cluster-context", "local", code=0)
    result = grid("user", "set-cluster-context", "elsewhere")
    assert result.code in (1, 2) and "elsewhere" in result.err


def test_unknown_cluster(grid, tree):
    write(tree, "a", "x")
    result = grid.create(tree, "--cluster", "elsewhere", code=None)
    assert result.code in (1, 2) and "elsewhere" in result.err
    result = grid("datastore", env={"GRID_CLUSTER": "elsewhere"})
    assert result.code in (1, 2) and "elsewhere" in result.err


def test_store_from_the_environment(grid, tree, tmp_path):
    write(tree, "a", "x")
    grid.env["GRID_STORE"] = f"file://{tmp_path}/shared"
    grid.create(tree)
    grid.check("tree", tree)
    row = grid("datastore", "list", "--json", code=0).events[0]
    assert "env" in row.values()


@pytest.mark.parametrize("url", ["nonsense", "ftp://x/y", "file://relative", ""])
def test_store_that_is_none(grid, tree, url):
    write(tree, "a", "x")
    result = grid.create(tree, code=None, env={"GRID_STORE": url})
    if url:
        assert result.code in (1, 2) and url in result.err


def test_closed_stdout_does_no_harm(grid, tree):
    """`grid datastore files x | head -1` ends quietly."""
    for i in range(3000):
        write(tree, f"file-{i:05}", "")
    grid.create(tree, "--name", "many")
    script = f"{program()} datastore files many | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], env=grid.env, capture_output=True, timeout=20)
    assert done.stdout == b"" or done.stdout.count(b"\n") == 1
    assert done.returncode in (0, 1, 141) and b"anitizer" not in done.stderr
