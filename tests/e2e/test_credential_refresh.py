"""
Temporary keys that end in mid-upload are fetched anew before that: no request is refused.  What the store is
told is a little less than the truth, so that a slow machine does not count.
"""

import json

import pytest

from s3servers import fake  # noqa: F401
from test_credential_chain import keys  # noqa: F401
from test_s3 import needs_s3, on_fake  # noqa: F401
from test_s3_keys import states, waits
from test_s3_resume import full_speed, lasting_tree, slowly

pytestmark = [needs_s3, pytest.mark.fast]
LIFE_S, GRACE_S = 4, 8


@pytest.fixture
def place(keys, tree):  # noqa: F811
    lasting_tree(tree, big=48 << 20)
    slowly(keys.server)
    keys.server.options(bytes_per_s=10 << 20)  # eight seconds, so that keys end in between
    return keys.place


def create(grid, tree):
    return grid.start("datastore", "create", tree, "--json", "--part-size", "16M", "--jobs", "4")


def refusals(server):
    """But of what is asked with a wrong digest on purpose."""
    return [(e["op"], e["status"], e["code"]) for e in server.log()
            if e["status"] in (400, 401, 403) and ".grid-probe" not in (e["key"] or "")]


def test_fetched_anew_in_time(keys, place, grid, tree):  # noqa: F811
    container = keys.container(LIFE_S, GRACE_S)
    result = create(grid, tree).wait(60)
    assert result.code == 0, result
    assert len(container.log) >= 2 and {status for _, _, status in container.log} == {200}
    assert refusals(keys.server) == []
    assert "waiting_credentials" not in json.dumps(result.events)
    full_speed(keys.server)
    place.check("tree", tree)


def test_roles_are_assumed_anew_in_time(keys, place, grid, tree):  # noqa: F811
    keys.role()
    keys.server.options(role_life_s=LIFE_S, role_grace_s=GRACE_S)
    result = create(grid, tree).wait(60)
    assert result.code == 0, result
    assumed = [e for e in keys.server.log() if (e["op"] or "").startswith("AssumeRole")]
    assert len(assumed) >= 2 and {e["status"] for e in assumed} == {200}
    assert refusals(keys.server) == []
    full_speed(keys.server)
    place.check("tree", tree)


def test_long_lived_keys_are_not_fetched_anew(keys, place, grid, tree):  # noqa: F811
    container = keys.container()
    full_speed(keys.server)
    assert create(grid, tree).wait(60).code == 0
    assert len(container.log) == 1


def test_a_service_in_trouble_while_the_old_keys_live(keys, place, grid, tree):  # noqa: F811
    container = keys.container(LIFE_S, 60)
    running = create(grid, tree)
    running.until(lambda: len(container.log) >= 1, "the first keys")
    container.trouble = [500] * 3  # all of one search
    result = running.wait(60)
    assert result.code == 0, result
    assert 500 in [status for _, _, status in container.log]
    assert refusals(keys.server) == [] and "waiting_credentials" not in states(running)
    full_speed(keys.server)
    place.check("tree", tree)


def test_a_service_in_trouble_until_the_old_keys_end(keys, place, grid, tree):  # noqa: F811
    container = keys.container(LIFE_S)
    running = create(grid, tree)
    running.until(lambda: len(container.log) >= 1, "the first keys")
    container.trouble = [500] * 1000
    waits(running)
    full_speed(keys.server)
    container.mint = keys.mint("container")  # good for an hour
    container.trouble = []
    result = running.wait(60)
    assert result.code == 0, result
    place.check("tree", tree)
