"""
Seeded fault stories (story.py): whatever goes wrong on whichever request, and however often the
program is killed, in the end there is one version, whole and right, nothing besides, and nothing
was sent twice that need not be.  Most of a story is waiting, so many are told at once.

    /usr/bin/python3 -m pytest tests/faults --seed N        one story again
"""

import os
import shutil
import time
import zlib
from concurrent.futures import ThreadPoolExecutor

from figures import note
from story import Story, Told, size_of

AT_ONCE = 12
A_CHUNK, CHUNKS, CHUNKS_FULL = 40, 4, 50


def pytest_generate_tests(metafunc):
    if "seeds" not in metafunc.fixturenames:
        return
    one = metafunc.config.getoption("--seed")
    if one is not None:
        return metafunc.parametrize("seeds", [[one]], ids=[str(one)])
    # Another sample each run, the same in all of its processes.
    base = zlib.crc32(os.environ.get("PYTEST_XDIST_TESTRUNUID", str(time.time())).encode()) % 10_000 * 100_000
    chunks = CHUNKS_FULL if metafunc.config.getoption("--full") else CHUNKS
    metafunc.parametrize("seeds", [range(base + i * A_CHUNK, base + (i + 1) * A_CHUNK) for i in range(chunks)],
                         ids=[f"chunk{i}" for i in range(chunks)])


def tell(seed, servers, trees, folder):
    """What went wrong, or None."""
    story, began, why = Story(seed), time.monotonic(), None
    server = servers[story.kind]
    told = Told(story, server, trees, folder)
    try:
        told.told()
        told.check()
    except Exception as error:
        why = f"{story}\n{type(error).__name__}: {error}"
    finally:
        told.grid.end_all()
    note("faults", story="faults", seed=seed, server=story.kind or "default", bytes=size_of(told.tree),
         sent_twice=told.sent_twice, lost=told.was_lost, faults=told.faults, kills=len(told.killed_at),
         codes=told.codes, recovery_s=told.recovery_s, seconds=round(time.monotonic() - began, 2),
         failed=why and why[:4000])
    if why is None:
        server.forget_bucket(told.bucket)
        shutil.rmtree(folder)
    return why


def test_stories(seeds, servers, trees, tmp_path):
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(lambda seed: tell(seed, servers, trees, tmp_path / str(seed)), seeds))
    failed = [why for why in found if why]
    assert not failed, f"{len(failed)} of {len(found)} stories failed:\n\n" + "\n\n".join(failed)
