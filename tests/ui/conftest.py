"""The page of `grid ui` in Debian's Chromium: node and playwright-core drive it, one case a script."""

import json
import os
import shutil
import signal
import subprocess

import pytest

from gridtest import REPO

MODULES = REPO / "build/ui"
RESULTS = REPO / "build/results/ui"
CHROMIUM = os.environ.get("GRID_CHROMIUM", shutil.which("chromium") or "")


def what_is_missing():
    if not CHROMIUM:
        return "there is no chromium"
    if not shutil.which("node"):
        return "there is no node"
    if not (MODULES / "node_modules/playwright-core").is_dir():
        return "playwright-core is not installed: ./runtests ui does it"
    return None


@pytest.fixture(autouse=True)
def needs_browser(request):
    missing = what_is_missing()
    if missing and not request.node.get_closest_marker("without_browser"):
        pytest.skip(missing)


def pytest_configure(config):
    config.addinivalue_line("markers", "without_browser: asks the server directly")


class Ui:
    """A `grid ui` that runs."""

    def __init__(self, grid, *args, env=None):
        self.grid = grid
        self.running = grid.start("ui", "--no-open", *args, env=env or {})
        self.url = self.running.until(lambda: self.running.out.partition("\n")[0] if "\n" in self.running.out else None,
                                      "the link is printed")
        self.base, _, self.token = self.url.partition("/?token=")

    def case(self, name, /, timeout=180, **args):
        """Run a case; what it has seen."""
        RESULTS.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            ["node", str(REPO / "tests/ui/cases" / f"{name}.mjs"), json.dumps({"url": self.url, "results": str(RESULTS), **args})],
            env={**os.environ, "GRID_UI_MODULES": str(MODULES), "GRID_CHROMIUM": CHROMIUM, "TZ": "UTC"},
            capture_output=True, text=True, timeout=timeout)
        assert done.returncode == 0, f"{name}\n{done.stdout}\n{done.stderr}\n{self.running.err}"
        return json.loads(done.stdout.splitlines()[-1])

    def end(self):
        """By Ctrl-C, with everything put away."""
        if self.running.process.poll() is None:
            self.running.send(signal.SIGINT)
        result = self.running.wait(20)
        assert result.code == 0 and "Sanitizer" not in result.err, str(result)

    @property
    def rss(self):
        """Bytes that it holds now, and the most that it has held."""
        status = dict(line.split(":", 1) for line in open(f"/proc/{self.running.pid}/status"))
        return int(status["VmRSS"].split()[0]) << 10, int(status["VmHWM"].split()[0]) << 10


@pytest.fixture
def start_ui(grid):
    begun = []

    def start(*args, env=None):
        begun.append(Ui(grid, *args, env=env))
        return begun[-1]
    yield start
    for one in begun:
        one.end()


@pytest.fixture
def ui(start_ui):
    return start_ui()
