"""Who is logged in, with what, and what a refusal tells to do."""

import json
import os

import pytest

from gridtest import write
from s3servers import fake  # noqa: F401
from test_s3 import login, needs_login, needs_s3, on_fake, small  # noqa: F401
from test_s3_contact import endpoint, listener, nginx

pytestmark = [needs_s3, needs_login, pytest.mark.fast]


def column(text, name, header="Keys"):
    lines = text.splitlines()
    at = lines[0].index(header)
    return next(line[at:].strip() for line in lines if f" {name} " in line)


def test_user_shows_whose_keys(fake, grid):  # noqa: F811
    server = fake()
    login(grid, server)
    shown = grid("user", code=0).out
    assert server.access_key in shown and server.endpoint in shown and "s3://test/p" in shown
    assert "credentials.json" in shown, "where the keys come from"
    row = json.loads(grid("user", "--json", code=0).out)
    assert row["access_key"] == server.access_key and row["logged_in"] is True
    assert row["cluster"] == "mine" and row["endpoint"] == server.endpoint
    clusters = grid("cluster", code=0).out
    assert column(clusters, "mine") == server.access_key and column(clusters, "local") == "-"
    for words in (["user"], ["user", "--json"], ["cluster"], ["cluster", "--json"]):
        assert server.secret not in grid(*words, code=0).text


def test_after_a_logout_the_way_back_is_told(fake, grid, small):  # noqa: F811
    login(grid, fake())
    grid("user", "set-cluster-context", "mine", code=0)
    grid("logout", code=0)
    assert column(grid("cluster", code=0).out, "mine").startswith("none")
    rows = {r["name"]: r for r in grid("cluster", "--json", code=0).events}
    assert rows["mine"]["logged_in"] is False and rows["mine"]["current"] is True
    assert rows["mine"]["access_key"] is None and rows["local"]["logged_in"] is True
    for words in (["user"], ["datastore"], ["datastore", "create", small]):
        assert "log in: grid login --cluster mine\n" in grid(*words).text


def test_logout_of_what_takes_no_keys(grid):
    result = grid("logout", code=0)
    assert "nothing to log out of" in result.out and "local" in result.out


def test_keys_of_the_environment_that_are_missing(grid):
    result = grid("datastore", code=77, env={"GRID_STORE": "s3://some-bucket/p"})
    assert "AWS_ACCESS_KEY_ID" in result.err and "grid login --store s3://some-bucket/p" in result.err


def test_an_endpoint_without_scheme(on_fake, grid, small):  # noqa: F811
    """It is taken for https."""
    on_fake()
    with listener(nginx) as there:
        result = grid("datastore", env=endpoint(there), code=1)
        assert result.err.splitlines()[0].endswith(f"use http://{there}"), result


def test_a_ca_file_that_is_none(fake, grid, tmp_path):  # noqa: F811
    server = fake(tls=True)
    junk = write(tmp_path, "junk.pem", "no certificate\n").decode()
    server.ca_file = junk
    result = login(grid, server, code=1)
    assert junk in result.err and "no PEM file" in result.err, result


def test_a_quota_that_is_used_up(on_fake, grid, small):  # noqa: F811
    place = on_fake()
    place.s3.faults({"op": "PutObject", "fault": "error", "code": "QuotaExceeded", "from": 3})
    result = grid.create(small, code=1)
    assert "QuotaExceeded" in result.err and "run the same command" in result.err
    assert result.err.partition("stopped:")[0].count("free some space") == 1, result


def test_login_when_nobody_knows_the_account(grid):
    """Without --store it is AWS's STS that is asked: who means another service is told so."""
    result = grid("login", "--username", "A", "--key", "B", env=endpoint("http://127.0.0.1:1"))
    assert result.code in (1, 75)
    assert "another S3 service" in result.err and "--endpoint" in result.err and "--store" in result.err, result


# ---- folders


def refuses_a_folder(grid, folder, *words, code):
    before = grid("cluster", code=0).out
    result = grid("login", "--cluster", "lab", "--store", f"file://{folder}", code=code)
    assert str(folder) in result.err and "grid login --store file:///" in result.err, result
    assert all(word in result.err for word in words), result
    assert grid("cluster", code=0).out == before, "nothing is saved"


def test_a_folder_that_cannot_be_made(grid, tmp_path):
    """Also where root may do all, and permission bits say nothing."""
    refuses_a_folder(grid, "/proc/nope/deeper", "cannot make the folder", code=1)
    refuses_a_folder(grid, "/proc", "cannot write to the folder", code=1)
    refuses_a_folder(grid, write(tmp_path, "file", "x").decode(), "is a file", code=1)


def test_the_folder_of_a_trial_goes_again(grid, tmp_path):
    for odd in ("a//deep", "b/../c/deep", "./d/./deep"):
        grid("login", "--cluster", "lab", "--store", f"file://{tmp_path}/there/{odd}", code=0)
        assert not (tmp_path / "there").exists(), odd


def test_a_folder_that_may_not_be_written(grid, tmp_path, small):  # noqa: F811
    """Who may only read finds what others have put there; an empty one is of no use."""
    shared, empty = tmp_path / "shared", tmp_path / "empty"
    grid.create(small, env={"GRID_STORE": f"file://{shared}"})
    empty.mkdir(mode=0o555)
    shared.chmod(0o555)
    if os.geteuid() == 0:
        grid.prefix = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
    refuses_a_folder(grid, empty, "Permission denied", code=77)
    refuses_a_folder(grid, empty / "below", "Permission denied", code=77)
    result = grid("login", "--cluster", "lab", "--store", f"file://{shared}", code=0)
    assert "may only read" in result.err
    assert grid("datastore", "--json", code=0).events[0]["name"] == small.name


def test_a_folder_that_is_not_there_yet(grid, tmp_path):
    """Whether it can be made is found out by making it; that leaves nothing."""
    grid("login", "--cluster", "lab", "--store", f"file://{tmp_path}/a/b/sets", code=0)
    assert not (tmp_path / "a").exists()
    assert "lab" in grid("user", code=0).out
