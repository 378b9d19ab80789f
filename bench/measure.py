"""One process measured from its start to its end, and the sink that it talks to."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
BUILT = REPO / "build/release"

sys.path.insert(0, str(REPO / "tests/fake"))
import tls  # noqa: E402


TICK = os.sysconf("SC_CLK_TCK")
QUIET_SHARE = 0.1  # of one core's time: what the other processes of the machine may use beside a measured one


class Failed(Exception):
    pass


def busy_s():
    """CPU time of all processes of the machine since it started."""
    user, nice, system = map(int, Path("/proc/stat").read_text().split()[1:4])
    return (user + nice + system) / TICK


def cpu_of(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def wait_for_quiet(most_s):
    """Until the machine does next to nothing for a second."""
    deadline = time.monotonic() + most_s
    while time.monotonic() < deadline:
        before = busy_s()
        time.sleep(1)
        if busy_s() - before < QUIET_SHARE:
            return


def run(argv, env, timeout_s, cwd, sink):
    """
    {wall_s, cpu_s, rss_mb, others}: CPU is user and system time of the process and of all children that it has waited
    for; the memory is that of the largest single process among them; others: how many cores the rest of the machine,
    but for the sink, kept busy meanwhile.

    The memory is asked of time(1), as what a child of this program's has at most includes what this had when it
    forked.
    """
    with tempfile.TemporaryDirectory() as folder, open(Path(folder) / "said", "w+b") as said:
        peak = Path(folder) / "peak"
        rest = busy_s() - cpu_of(sink.process.pid)
        begin = time.monotonic()
        process = subprocess.Popen(["/usr/bin/time", "-q", "-f", "%M", "-o", peak, *map(str, argv)], env=env, cwd=cwd,
                                   stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True)
        late = threading.Timer(timeout_s, lambda: os.killpg(process.pid, signal.SIGKILL))
        late.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        finally:
            late.cancel()
        wall_s, cpu_s = time.monotonic() - begin, usage.ru_utime + usage.ru_stime
        rest = busy_s() - cpu_of(sink.process.pid) - rest - cpu_s
        code = process.returncode = os.waitstatus_to_exitcode(status)
        if code != 0:
            said.seek(0)
            words = said.read()[-1500:].decode("utf-8", "replace").strip()
            raise Failed(f"not done after {timeout_s} s" if code == -signal.SIGKILL else f"exit code {code}: {words}")
        return {"wall_s": wall_s, "cpu_s": cpu_s, "rss_mb": int(peak.read_text()) * 1024 / 1e6,
                "others": max(0.0, rest) / wall_s}


class Sink:
    """A new sink, with nothing in it; stop() gives its counts."""

    ACCESS_KEY, SECRET, REGION = "sinkkey", "sinksecret", "us-east-1"

    def __init__(self, is_tls=False, latency_ms=0, serve=None, threads=1, default_port=False):
        self.folder = Path(tempfile.mkdtemp(prefix="grid-sink-"))
        self.ca_file = None
        command = [BUILT / "sink", "--port-file", self.folder / "port", "--log-counts", "--secret", self.SECRET,
                   "--latency", str(latency_ms), "--threads", str(threads)]
        if default_port:
            command += ["--port", "443" if is_tls else "80"]
        if is_tls:
            tls.make(self.folder / "tls", ["localhost"])
            self.ca_file = self.folder / "tls" / tls.CA
            command += ["--tls", self.folder / "tls" / tls.CERTIFICATE, self.folder / "tls" / tls.KEY]
        if serve is not None:
            command += ["--serve", serve]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE)
        deadline = time.monotonic() + 20
        while not (self.folder / "port").exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise Failed("the sink did not start")
            time.sleep(0.005)
        self.host = f"127.0.0.1:{int((self.folder / 'port').read_text())}"
        self.endpoint = f"http{'s' if is_tls else ''}://{self.host}"

    @property
    def is_tls(self):
        return self.ca_file is not None

    def stop(self):
        self.process.terminate()
        said = self.process.stdout.read()
        self.process.stdout.close()
        _, _, usage = os.wait4(self.process.pid, 0)
        self.process.returncode = 0
        shutil.rmtree(self.folder)
        return {**json.loads(said), "sink_cpu_s": usage.ru_utime + usage.ru_stime}
