"""
Keys that run out in mid-upload: the session waits, says so, and goes on with the next ones that it finds.
"""

import shutil
import time

import pytest

from gridtest import MIB, write, write_random
from s3servers import fake  # noqa: F401
from test_s3 import login, needs_s3, on_fake, small  # noqa: F401
from test_s3_resume import full_speed, lasting_tree, slowly

pytestmark = [needs_s3, pytest.mark.fast]


def profile(grid, access_key, secret, token=None):
    """In the file that the AWS tools use; in place of what was there."""
    lines = ["[default]", f"aws_access_key_id = {access_key}", f"aws_secret_access_key = {secret}"]
    lines += [f"aws_session_token = {token}"] if token else []
    write(grid.home, ".aws/credentials", "\n".join(lines) + "\n")


@pytest.fixture
def place(on_fake, grid, tree):  # noqa: F811
    """The keys come from the profile, and are temporary."""
    place = on_fake()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        grid.env.pop(name)
    place.s3.user("ASIATEMP00000000001", token="token-one")
    profile(grid, "ASIATEMP00000000001", place.s3.secret, "token-one")
    lasting_tree(tree, big=64 * MIB)
    slowly(place.s3)
    return place


def states(running):
    return [e["state"] for e in running.events() if e.get("event") == "progress"]


def waits(running):
    running.until(lambda: "waiting_credentials" in states(running), "it says what it waits for")


def in_the_middle(grid, place, tree, *more):
    running = grid.start("datastore", "create", tree, "--json", "--part-size", "16M", "--jobs", "4", *more)
    running.until(lambda: len(place.stored()) >= 10, "10 objects stored")
    return running


def refusals(place, code):
    return sum(entry["code"] == code for entry in place.s3.log(place.bucket))


def expire(place):
    place.s3.user("ASIATEMP00000000001", token="token-one", expires_in_s=-1)
    return time.time()


def test_new_keys_in_the_profile(place, grid, tree):
    running = in_the_middle(grid, place, tree)
    expired_at = expire(place)
    waits(running)
    place.s3.user("ASIATEMP00000000002", token="token-two")
    profile(grid, "ASIATEMP00000000002", place.s3.secret, "token-two")
    full_speed(place.s3)
    result = running.wait(60)
    assert result.code == 0, result
    acknowledged = set(place.stored(end=expired_at))
    assert not acknowledged & set(place.stored(start=expired_at)), "sent again"
    place.check("tree", tree)
    assert place.s3.secret not in result.text and "token-" not in result.text


def test_new_keys_that_are_half_written(place, grid, tree):
    """The new id stands in the profile already, the new secret does not: the wait goes on."""
    running = in_the_middle(grid, place, tree)
    expire(place)
    waits(running)
    place.s3.user("AKIANEW000000000003")
    profile(grid, "AKIANEW000000000003", "not the secret yet")
    running.until(lambda: refusals(place, "SignatureDoesNotMatch") >= 2, "they were tried")
    profile(grid, "AKIANEW000000000003", place.s3.secret)
    full_speed(place.s3)
    result = running.wait(60)
    assert result.code == 0, result
    place.check("tree", tree)


def test_keys_that_are_taken_out_of_use(on_fake, grid, tree):  # noqa: F811
    """`grid login` in another terminal goes on with it."""
    place = on_fake()
    for name in list(grid.env):
        if name.startswith(("AWS_", "GRID_STORE")):
            del grid.env[name]
    store = place.env["GRID_STORE"]
    first, second = place.s3.user("AKIAFIRST0000000001"), place.s3.user("AKIASECOND000000002")
    grid("login", "--cluster", "lab", "--store", store, "--endpoint", place.s3.endpoint, "--region", "us-east-1",
         "--username", first[0], "--key", first[1], code=0)
    lasting_tree(tree, big=64 * MIB)
    slowly(place.s3)
    running = in_the_middle(grid, place, tree, "--cluster", "lab")
    place.s3.control("DELETE", f"users/{first[0]}")
    waits(running)
    running.until(lambda: "grid login" in grid("datastore", "status", "tree").text, "`status` says what to do")
    grid("login", "--cluster", "lab", "--store", store, "--endpoint", place.s3.endpoint, "--region", "us-east-1",
         "--username", second[0], "--key", second[1], code=0)
    full_speed(place.s3)
    result = running.wait(60)
    assert result.code == 0, result
    place.check("tree", tree)


def test_keys_that_run_out_before_an_object_is_looked_at(place, grid, tree):
    """HEAD is refused without a reason: it is asked for, and found to be one that new keys remedy."""
    shutil.rmtree(tree)
    tree.mkdir()
    write_random(tree, "big", 40 * MIB)
    place.s3.options(bytes_per_s=0, latency_by_op={"CompleteMultipartUpload": 4})
    running = grid.start("datastore", "create", tree, "--json", "--part-size", "16M")
    running.until(lambda: "tree/v1/data/big" in place.s3.objects(place.bucket), "completed, but not answered")
    place.s3.control("DELETE", "users/ASIATEMP00000000001")
    waits(running)
    refused = [e["op"] for e in place.s3.log(place.bucket) if e["status"] == 403]
    assert refused[refused.index("HeadObject") + 1] == "ListObjectsV2", refused
    place.s3.user("ASIATEMP00000000002", token="token-two")
    profile(grid, "ASIATEMP00000000002", place.s3.secret, "token-two")
    result = running.wait(60)
    assert result.code == 0, result
    place.check("tree", tree)


def test_nobody_brings_new_ones(place, grid, tree):
    running = in_the_middle(grid, place, tree, "--give-up-after", "2s")
    expire(place)
    result = running.wait(30)
    assert result.code == 75, result
    stopped = result.event("stopped")
    assert stopped["resumable"] is True and "no new keys" in stopped["reason"]
    assert any("grid login" in (e.get("hint") or "") for e in result.events if e["event"] == "error"), result
    place.s3.user("ASIATEMP00000000002", token="token-two")
    profile(grid, "ASIATEMP00000000002", place.s3.secret, "token-two")
    full_speed(place.s3)
    grid.create(tree, "--part-size", "16M")
    place.check("tree", tree)


def test_old_keys_at_the_start_are_told_at_once(place, grid, tree):
    expire(place)
    result = grid("datastore", "create", tree, timeout=10)
    assert result.code == 75 and "ExpiredToken" in result.err and "grid login" in result.err, result
