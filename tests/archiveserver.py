"""
nginx with archives for tests (servers/nginx.sh), and links to it that break.

    from archiveserver import nginx, nginx_files, link  # noqa: F401

  nginx   the server, shared by the tests of a worker; its files are a test's own: nginx.add(name, bytes or path)
  link    link(nginx, cuts=[...]): another address of the same server, over TCP connections that break
"""

import os
import shutil
import socket
import subprocess
import threading
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
SCRIPT = HERE / "servers/nginx.sh"


class Request:
    def __init__(self, line):
        self.status, self.bytes, self.range, self.uri = line.split(" ", 3)
        self.status, self.bytes = int(self.status), int(self.bytes)

    def __repr__(self):
        return f"{self.status} {self.bytes} {self.range} {self.uri}"


class Nginx:
    def __init__(self, folder):
        self.folder = Path(folder)
        done = subprocess.run([SCRIPT, "start", self.folder], capture_output=True, text=True)
        if done.returncode == 77:
            pytest.skip(done.stderr.strip())
        assert done.returncode == 0, done.stderr
        env = dict(line.split("=", 1) for line in done.stdout.splitlines())
        self.url, self.tls_url, self.ca_file = env["NGINX_URL"], env["NGINX_TLS_URL"], env["NGINX_CA"]
        self.port = int(self.url.rpartition(":")[2])

    def stop(self):
        subprocess.run([SCRIPT, "stop", self.folder], check=True)

    def add(self, name, content):
        """Put it there in one go, as a publisher would."""
        path = self.folder / "www" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        if isinstance(content, bytes):
            part.write_bytes(content)
        else:
            shutil.copyfile(content, part)
        os.replace(part, path)
        return path.stat().st_size

    def log(self, name=""):
        """What was asked for so far; the line is written when the request has ended."""
        path = self.folder / "access.log"
        requests = [Request(line) for line in path.read_text().splitlines()] if path.exists() else []
        return [r for r in requests if name in r.uri]

    def fetched(self, name=""):
        return sum(r.bytes for r in self.log(name))


def pass_on(source, sink):
    """Bytes, until one of the two ends."""
    try:
        while block := source.recv(65536):
            sink.sendall(block)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


class Link:
    """
    A relay on loopback.  cuts: after so many bytes of answers, all connections together and counted from the last
    cut, the connection that carries them ends; then no more.  page: while it is set, each connection gets this
    HTML page.  hold_at: nothing goes on behind so many bytes in all, until release().
    """

    def __init__(self, port, cuts=(), hold_at=None):
        self.port, self.cuts, self.hold_at = port, list(cuts), hold_at
        self.carried = self.since_cut = self.n_cut = 0
        self.page = None
        self.is_held, self.released = threading.Event(), threading.Event()
        self.lock = threading.Lock()
        self.server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.server.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        page = self.page
        if page is not None:
            client.recv(65536)
            client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n"
                           b"Connection: close\r\n\r\n%s" % (len(page), page))
            client.close()
            return
        far = socket.create_connection(("127.0.0.1", self.port))
        far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        threading.Thread(target=pass_on, args=(client, far), daemon=True).start()
        try:
            self._answer(client, far)
        except OSError:
            pass
        for end in (client, far):
            try:
                end.shutdown(socket.SHUT_RDWR)  # the other thread waits for bytes, and would keep it open
            except OSError:
                pass
            end.close()

    def _answer(self, client, far):
        while block := far.recv(16384):
            with self.lock:
                self.carried += len(block)
                self.since_cut += len(block)
                is_cut = bool(self.cuts) and self.since_cut >= self.cuts[0]
                is_held = self.hold_at is not None and self.carried >= self.hold_at
                if is_cut:
                    self.cuts.pop(0)
                    self.since_cut, self.n_cut = 0, self.n_cut + 1
            if is_held:
                self.is_held.set()
                self.released.wait()
            client.sendall(block)
            if is_cut:
                return

    def release(self):
        self.hold_at = None
        self.released.set()

    def hold(self, more):
        """Again, behind so many bytes from now on."""
        self.release()
        self.is_held, self.released = threading.Event(), threading.Event()
        self.hold_at = self.carried + more

    def close(self):
        self.release()
        self.server.close()


@pytest.fixture(scope="session")
def nginx_server(tmp_path_factory):
    server = Nginx(tmp_path_factory.mktemp("nginx"))
    yield server
    server.stop()


@pytest.fixture
def nginx(nginx_server):
    yield nginx_server
    shutil.rmtree(nginx_server.folder / "www")
    (nginx_server.folder / "www").mkdir()
    os.truncate(nginx_server.folder / "access.log", 0)


@pytest.fixture
def link():
    made = []

    def start(nginx, **more):  # noqa: F811
        made.append(Link(nginx.port, **more))
        return made[-1]

    yield start
    for one in made:
        one.close()
