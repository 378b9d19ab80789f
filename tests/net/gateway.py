"""
A RADOS gateway for one test alone, to be killed, stopped and throttled: one more radosgw over the
storage that all tests of the run share (rgw-far.sh).  It has a log of its own.
"""

import os
import re
import signal
import subprocess
import time
import urllib.request

from link import NAME
from s3servers import RgwServer

SILENCE_MS = 20_000  # within a request: then the connection is closed, as AWS does with RequestTimeout


class Gateway(RgwServer):
    """To be made, and asked, from within its namespace."""

    def __init__(self, folder, values, name, port):
        super().__init__(folder, {**values, "S3_ENDPOINT": f"http://127.0.0.1:{port}"})
        self.client_name, self.port, self.process = f"client.{name}", port, None
        self.conf = self.folder / f"{name}.conf"
        self.log_file = self.folder / f"log/{self.client_name}.log"

    def write_conf(self, more):
        text = (self.folder / "ceph.conf").read_text()
        text = text.replace("[client.rgw]", f"[{self.client_name}]")
        frontend = f"beast endpoint=0.0.0.0:{self.port} tcp_nodelay=1 request_timeout_ms={SILENCE_MS}"
        text = re.sub(r"rgw_frontends = .*", f"rgw_frontends = {frontend}", text)
        self.conf.write_text(f"{text}rgw_dns_name = {NAME}\n{more}")

    def start(self, more=""):
        """more: lines for its configuration."""
        self.write_conf(more)
        self.process = subprocess.Popen(["radosgw", "-f", "-c", self.conf, "-n", self.client_name],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=open(self.folder / f"log/{self.client_name}.out", "ab"))
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        deadline = time.monotonic() + 60
        while True:
            assert self.process.poll() is None, f"radosgw ended, see {self.log_file}"
            assert time.monotonic() < deadline, f"radosgw does not answer, see {self.log_file}"
            try:
                opener.open(self.endpoint, timeout=5).read()
                return
            except OSError:
                time.sleep(0.05)

    def send(self, number):
        self.process.send_signal(number)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def start_anew(self):
        self.close()
        self.start()

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()
