"""One server of each kind for all stories of a process."""

import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS / "fake"), str(TESTS / "faults")]

from s3servers import FakeServer  # noqa: E402
from story import KINDS, make_trees  # noqa: E402


@pytest.fixture(scope="session")
def servers(tmp_path_factory):
    """{kind: server}"""
    folder = tmp_path_factory.mktemp("servers")
    made = {kind: FakeServer(folder / (kind or "default"), "" if kind == "tls" else kind, kind == "tls", buckets=())
            for kind in KINDS}
    yield made
    for server in made.values():
        try:
            server.check_alive()
        finally:
            server.stop()


@pytest.fixture(scope="session")
def trees(tmp_path_factory):
    return make_trees(tmp_path_factory.mktemp("trees"))
