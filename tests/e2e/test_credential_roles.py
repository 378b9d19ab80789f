"""`grid credential`: roles that open private buckets, on the fake and on the gateway's own STS."""

import json
import os
import time

import pytest

from gridtest import Terminal, write
from s3check import Bucket
from s3servers import fake, rgw_sts  # noqa: F401
from test_s3 import needs_s3, on_fake  # noqa: F401

pytestmark = [needs_s3, pytest.mark.fast]
ARN = "arn:aws:iam::000000000002:role/team/reader"


@pytest.fixture
def server(on_fake):  # noqa: F811
    return on_fake().s3


def config(grid):
    return json.loads((grid.home / "config/grid/config.json").read_text())


def create(grid, *more, code=0, **options):
    return grid("credential", "create", "--type", "s3", *more, code=code, **options)


def rows(grid):
    return grid("credential", "list", "--json", code=0).events


def test_policies_then_the_role(server, grid):
    """As two people do it: the owner of the bucket makes the role with what is printed first."""
    printed = create(grid, "--json").events[0]
    trust = json.loads(printed["trust_policy"])["Statement"][0]
    assert trust["Principal"] == {"AWS": "arn:aws:iam::000000000001:root"} and trust["Action"] == "sts:AssumeRole"
    assert trust["Condition"] == {"StringEquals": {"sts:ExternalId": printed["external_id"]}}
    allowed = [s for s in json.loads(printed["permission_policy"])["Statement"]]
    assert {a for s in allowed for a in s["Action"]} == {"s3:GetObject", "s3:ListBucket", "s3:GetObjectVersion",
                                                         "s3:GetBucketLocation"}
    assert len(printed["external_id"]) == 32 and rows(grid) == []
    assert printed["external_id"] in create(grid).out, "the next call prints the same"
    server.options(external_id=printed["external_id"])
    result = create(grid, "--role-arn", ARN)
    assert "credential reader is registered" in result.out
    assert rows(grid) == [{"id": "reader", "type": "s3", "role_arn": ARN, "external_id": printed["external_id"]}]
    kept = (grid.home / "config/grid/config.json").read_text()
    assert server.secret not in kept and server.access_key not in kept
    assert create(grid, "--json").events[0]["external_id"] != printed["external_id"], "another for the next role"


def test_a_role_that_is_not_given(server, grid):
    first = create(grid, "--json").events[0]["external_id"]
    server.options(external_id="what-the-owner-has-written")
    result = create(grid, "--role-arn", ARN, code=77)
    assert "AccessDenied" in result.err and ARN in result.err and "prints the policies" in result.err
    assert rows(grid) == [] and config(grid)["external_id"] == first, "kept for the next attempt"
    create(grid, "--role-arn", ARN, "--external-id", "what-the-owner-has-written")
    assert rows(grid)[0]["external_id"] == "what-the-owner-has-written" and config(grid)["external_id"] == first


def test_names(server, grid):
    create(grid, "--role-arn", ARN)
    create(grid, "--role-arn", "arn:aws:iam::000000000003:role/reader")
    create(grid, "--role-arn", "arn:aws:iam::000000000003:role/w=r@iter")
    create(grid, "--role-arn", "arn:aws:iam::000000000003:role/other", "--name", "mine")
    assert [r["id"] for r in rows(grid)] == ["reader", "reader-2", "role", "mine"]
    create(grid, "--role-arn", ARN)
    assert len(rows(grid)) == 4, "again: the same credential"
    table = grid("credentials", code=0).out.splitlines()
    assert table[0].split() == ["ID", "Type", "Role", "ARN", "External", "ID"] and len(table) == 5
    assert "did you mean reader" in grid("credential", "delete", "raeder", code=2).err
    grid("credentials", "delete", "reader", code=0)
    assert [r["id"] for r in rows(grid)] == ["reader-2", "role", "mine"]
    assert "grid credential list" in grid("credential", "delete", "nothing-like-it", code=2).err


@pytest.mark.parametrize("words, message", [
    (["create"], "--type is missing"), (["create", "--type", "gcs"], "there is s3"),
    (["create", "--type", "s3", "--role-arn", "arn:aws:iam::1:user/me"], "is no role"),
    (["create", "--type", "s3", "--role-arn", "arn:aws:iam::1:role/"], "is no role"),
    (["delete"], "ID is missing"), (["craete"], "did you mean create"),
])
def test_usage(grid, words, message):
    assert message in grid("credential", *words, code=2).err


def test_without_keys(server, grid):
    grid.env.pop("AWS_ACCESS_KEY_ID")
    assert "half of a key pair" in create(grid, code=77).err
    grid.env.pop("AWS_SECRET_ACCESS_KEY")
    assert "no credentials" in create(grid, code=77).err
    assert "no credentials" in create(grid, "--role-arn", ARN, code=77).err


def test_the_keys_of_the_aws_tools_where_the_store_has_none(server, grid):
    """Datastores kept in a folder: whoever reads a private bucket has keys all the same."""
    grid.env["GRID_STORE"] = f"file://{grid.home}/store"
    assert create(grid, "--json").events[0]["account"] == "000000000001"
    create(grid, "--role-arn", ARN)


def test_asked_for_on_a_terminal(server, grid):
    terminal = Terminal(grid, "credential", "create", "--type", "s3")
    deadline = time.monotonic() + 20
    while "Role ARN" not in terminal.text:
        assert time.monotonic() < deadline, terminal.text
        time.sleep(0.01)
    os.write(terminal.leader, ARN.encode() + b"\n")
    assert terminal.wait() == 0 and "credential reader is registered" in terminal.text
    assert rows(grid)[0]["role_arn"] == ARN


def test_a_damaged_list(grid):
    write(grid.home, "config/grid/config.json", '{"format": 1, "credentials": [{"id": "x"}]}')
    result = grid("credential", code=1)
    assert "config.json is damaged" in result.err and "no list of roles" in result.err


def test_on_the_gateway(rgw_sts, grid, tree, tmp_path):  # noqa: F811
    """A real AssumeRole: registered, and as a profile's role to write with."""
    write(tree, "a.txt", "a\n")
    place = Bucket(rgw_sts, rgw_sts.new_bucket(), "p", tmp_path)
    arn = rgw_sts.values["S3_STS_ROLE_ARN"]
    grid.env.update(place.env)
    assert "ACCOUNT:root" in create(grid).out, "it does not say whose keys these are"
    assert "NoSuchEntity" in create(grid, "--role-arn", "arn:aws:iam:::role/another", code=77).err
    create(grid, "--role-arn", arn)
    other = {"AWS_ACCESS_KEY_ID": rgw_sts.other[0], "AWS_SECRET_ACCESS_KEY": rgw_sts.other[1]}
    assert "AccessDenied" in create(grid, "--role-arn", arn, code=77, env=other).err
    write(grid.home, ".aws/config", f"[default]\nrole_arn = {arn}\nsource_profile = base\n[profile base]\n"
          f"aws_access_key_id = {rgw_sts.access_key}\naws_secret_access_key = {rgw_sts.secret}\n")
    del grid.env["AWS_ACCESS_KEY_ID"], grid.env["AWS_SECRET_ACCESS_KEY"]
    grid.env["AWS_ENDPOINT_URL_STS"] = rgw_sts.endpoint
    grid.create(tree)
    place.check("tree", tree)
    user = json.loads(grid("user", "--json", code=0).out)
    assert user["provider"] == "role" and user["access_key"] != rgw_sts.access_key and "expires_at" in user
