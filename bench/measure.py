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


class Failed(Exception):
    pass


def run(argv, env, timeout_s, cwd):
    """
    {wall_s, cpu_s, rss_mb}: CPU is user and system time of the process and of all children that it has waited for;
    the memory is that of the largest single process among them.

    The memory is asked of time(1), as what a child of this program's has at most includes what this had when it
    forked.
    """
    with tempfile.TemporaryDirectory() as folder:
        peak, said = Path(folder) / "peak", open(Path(folder) / "said", "w+b")
        begin = time.monotonic()
        process = subprocess.Popen(["/usr/bin/time", "-q", "-f", "%M", "-o", peak, *map(str, argv)], env=env, cwd=cwd,
                                   stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True)
        late = threading.Timer(timeout_s, lambda: os.killpg(process.pid, signal.SIGKILL))
        late.start()
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.monotonic() - begin
        late.cancel()
        code = process.returncode = os.waitstatus_to_exitcode(status)
        if code != 0:
            said.seek(0)
            words = said.read()[-1500:].decode("utf-8", "replace").strip()
            raise Failed(f"not done after {timeout_s} s" if code == -signal.SIGKILL else f"exit code {code}: {words}")
        return {"wall_s": wall_s, "cpu_s": usage.ru_utime + usage.ru_stime,
                "rss_mb": int(peak.read_text()) * 1024 / 1e6}


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
