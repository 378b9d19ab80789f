"""
What the stories of a bad network share: namespaces, a link, a gateway behind it.

Where namespaces are not permitted the stories are skipped, with the reason.  All of a run share the
storage; the link and the gateway are each story's own.
"""

import functools
import os
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS / "servers"), str(TESTS / "net")]

import figures  # noqa: E402
import netns  # noqa: E402
from far import Place  # noqa: E402
from s3servers import CannotRun, Shared, started  # noqa: E402

BUCKET = "far"


@pytest.fixture(autouse=True)
def told_when_it_fails(request):
    """The report must not leave out what was not survived."""
    yield
    if getattr(request.node, "passed", None) is False:
        figures.note("net", story=request.node.name, failed=f"{request.node.name} failed")


@functools.cache
def shared_storage():
    if os.environ.get("GRID_NO_RGW"):
        raise CannotRun("GRID_NO_RGW is set")
    return Shared("rgw-far.sh", "far", RGW_SIZE_GIB="24")


@functools.cache
def get_storage():
    """Its values, with the bucket made: the one change of what gateways remember of each other."""
    try:
        netns.must_be_possible()
    except netns.CannotRun as reason:
        raise CannotRun(str(reason))
    storage = shared_storage()
    values = storage.start()
    with netns.inside(values["NETNS"]):
        storage.locked(lambda users: make_bucket(storage, values) or users)
    return storage.folder, values


def make_bucket(storage, values):
    from s3servers import RgwServer
    server = RgwServer(storage.folder, values)
    if BUCKET not in [b["Name"] for b in server.boto.list_buckets()["Buckets"]]:
        server.new_bucket(BUCKET)


@pytest.fixture
def place(request, grid, tmp_path):
    """place(number): the far end, in which the test itself is then; see far.py."""
    folder, values = started("A bad network", get_storage)
    here = Place(grid, folder, values, BUCKET, tmp_path)
    with netns.inside(values["NETNS"]):
        try:
            yield here
        finally:
            grid.end_all()
            here.close()
