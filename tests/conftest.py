"""What the end-to-end and the crash tests share.

GRID_BIN names the program (default: build/release/grid).  With a program that was built with
the address sanitizer, tests marked `large` (memory figures, gigabytes) are left out.
"""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

sys.path.insert(0, str(Path(__file__).parent / "e2e"))

from gridtest import Grid, Slow, has_sanitizer  # noqa: E402


def pytest_addoption(parser):
    parser.addoption("--full", action="store_true", help="every kill point, the largest data")
    parser.addoption("--seed", type=int, help="tests/faults: this story alone")


def pytest_configure(config):
    for number in (signal.SIGINT, signal.SIGQUIT):  # a shell's background job ignores them, and its children would, too
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
    config.addinivalue_line("markers", "large: measures memory, or fills the disk; release build only")
    config.addinivalue_line("markers", "fast: a run of well under a second; run under asan too")
    config.addinivalue_line("markers", "full: only with --full")


def pytest_collection_modifyitems(config, items):
    for item in items:
        if item.get_closest_marker("full") and not config.getoption("--full"):
            item.add_marker(pytest.mark.skip(reason="takes long: only with --full"))
        if item.get_closest_marker("large") and has_sanitizer():
            item.add_marker(pytest.mark.skip(reason="measures the release build"))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    if call.when == "call":
        item.passed = outcome.get_result().passed


@pytest.fixture(autouse=True)
def clean(request, tmp_path):
    """What a test that passed has written goes at once: together it would be tens of GiB."""
    yield
    if getattr(request.node, "passed", False):
        subprocess.run(["chmod", "-R", "u+rwX", tmp_path], stderr=subprocess.DEVNULL)
        subprocess.run(["rm", "-rf", tmp_path], check=True)


@pytest.fixture
def full(request):
    return request.config.getoption("--full")


@pytest.fixture
def grid(tmp_path, clean):
    """The program, with a home of its own."""
    g = Grid(tmp_path / "home")
    yield g
    g.end_all()


@pytest.fixture
def slow():
    """Environments that make a run last long enough to do something to it."""
    return Slow()


@pytest.fixture
def tree(tmp_path):
    """An empty folder to be the source."""
    folder = tmp_path / "tree"
    folder.mkdir()
    return folder


@pytest.fixture
def rng():
    """Seeded; the seed is shown with a failure and taken from GRID_TEST_SEED."""
    seed = int(os.environ.get("GRID_TEST_SEED", random.SystemRandom().randrange(2**32)))
    print(f"GRID_TEST_SEED={seed}")
    return random.Random(seed)
