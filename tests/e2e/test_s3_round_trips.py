"""
How many requests wait for one another: on a long path each of those is a round trip of its own, and
with many small files they are what is left.  Counted in the access log of a server that takes its time.
"""

import pytest

from gridtest import write
from s3check import Bucket
from s3servers import fake  # noqa: F401

LATENCY_S = 0.3  # many times what it takes to send all that is asked at the same time


def depths(log):
    """[(depth, entry)]: 1 for what waits for no answer, one more than that of the deepest that had ended before."""
    found = []
    for entry in sorted(log, key=lambda e: e["start"]):
        found.append((1 + max((d for d, e in found if e["time"] <= entry["start"]), default=0), entry))
    return found


def around_the_data(log):
    """(depth before the first file is sent, depth from the last one's answer to the end)"""
    found = depths(log)
    data = [d for d, e in found if "/data/" in (e["key"] or "")]
    assert data, "no file was sent"
    return min(data) - 1, max(d for d, _ in found) - max(data)


@pytest.fixture
def place(fake, grid, tmp_path, request):  # noqa: F811
    server = fake(tls=request.param)
    found = Bucket(server, "test", "some/prefix", tmp_path)
    grid.env.update(found.env)
    return found


@pytest.fixture
def tree(tmp_path):
    for i in range(5):
        write(tmp_path / "tree", str(i), "x" * (i + 1))
    return tmp_path / "tree"


@pytest.mark.parametrize("place", [False, True], ids=["http", "https"], indirect=True)
def test_few_requests_wait_for_one_another(place, grid, tree):
    place.s3.options(latency_s=LATENCY_S)
    grid.create(tree)
    first = place.s3.log("test")
    # The greeting; upload, right and wrong put; parts, put again; sizes, and the number is reserved; was it used?
    # At the end: still ours, nobody's publication, no uploads; manifest, still ours; record, and what lies beside it;
    # session.json goes last.
    assert around_the_data(first) == (5, 4)

    write(tree, "more", "y")
    grid.create(tree)
    # The greeting; which numbers are there; the next one is reserved; was it used?  And what need not be sent: which
    # versions there are below it, what the newest is, its record, its list.
    assert around_the_data(place.s3.log("test")[len(first):]) == (8, 4)

    place.s3.options(latency_s=0)
    place.check("tree", tree, number=2)
    assert not [key for key in place.s3.objects("test") if ".grid-probe" in key]
    assert not place.s3.open_uploads("test")
