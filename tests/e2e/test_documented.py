"""
The commands of the documented workflow (small and large folders, public and private buckets, references, archives
behind a URL, a cluster's jump node, a cron job), as people type them.  Only the addresses are local: the S3 endpoint
is put in by the environment, and the archive's host is reached through a proxy that ends TLS for it.
"""

import socket
import sys
import threading
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "fake"))

import tls  # noqa: E402
from archiveserver import nginx, nginx_server, pass_on  # noqa: E402, F401
from gridtest import write  # noqa: E402
from s3check import Bucket  # noqa: E402
from s3servers import fake  # noqa: E402, F401
from test_archive import ordinary_tree, pack, unpack  # noqa: E402

ARCHIVE_HOST = "datastore-public-bucket-access-test-bucket.s3.amazonaws.com"


@pytest.fixture
def place(fake, grid, tmp_path):  # noqa: F811
    """A store on a server that has the documents' buckets, too."""
    server = fake(buckets=["test", "ryft-public-sample-data", "ruff-public-sample-data", "private-bucket-name"])
    made = Bucket(server, "test", "", tmp_path)
    grid.env.update(made.env)
    return made


def fill(place, bucket, prefix):
    for i in range(20):
        place.s3.boto.put_object(Bucket=bucket, Key=f"{prefix}esRedditJson{i}", Body=b"{}\n" * i)


@pytest.fixture
def folder(tmp_path):
    write(tmp_path / "imagenet_folder", "n01440764/0.jpeg", "a picture")
    write(tmp_path / "data/path", "table.csv", "1,2\n")
    return tmp_path


def typed(grid, command, folder, code=0):
    """As in a shell, in that folder."""
    words = command.split()
    assert words[0] == "grid"
    return grid(*words[1:], "--json", cwd=folder, code=code)


@pytest.mark.parametrize("command, name", [
    ("grid datastore create --name imagenet ./imagenet_folder/", "imagenet"),
    ("grid datastore create imagenet_folder --name imagenet", "imagenet"),
    ("grid datastore create ./imagenet_folder/ --name imagenet", "imagenet"),
    ("grid datastore create ./imagenet_folder", "imagenet_folder"),
    ("grid datastore create data/path --name dataset", "dataset"),
])
def test_a_folder(place, grid, folder, command, name):
    published = typed(grid, command, folder).event("published")
    assert (published["name"], published["version"], published["files"]) == (name, 1, 1)
    assert typed(grid, command, folder).event("published")["version"] == 2


@pytest.mark.parametrize("command, name", [
    ("grid datastore create s3://ryft-public-sample-data/esRedditJson/", "esredditjson"),
    ("grid datastore create s3://ryft-public-sample-data/esRedditJson/ --name lightning-train-data",
     "lightning-train-data"),
])
def test_a_public_bucket(place, grid, folder, command, name):
    fill(place, "ryft-public-sample-data", "esRedditJson/")
    published = typed(grid, command, folder).event("published")
    assert (published["name"], published["files"], published["bytes_sent"]) == (name, 20, 0)
    grid("datastore", "verify", name, "--deep", code=0)


@pytest.mark.parametrize("command, name", [
    ("grid datastore create S3://ruff-public-sample-data/esRedditJson --no-copy", "esredditjson"),
    ("grid datastore create S3://private-bucket-name --no-copy", "private-bucket-name"),
])
def test_a_bucket_that_is_only_referred_to(place, grid, folder, command, name):
    bucket = command.split("/")[2].split()[0]
    fill(place, bucket, "esRedditJson/")
    published = typed(grid, command, folder).event("published")
    assert (published["name"], published["files"]) == (name, 20)
    assert published["bytes_sent"] == published["bytes_copied"] == 0
    assert place.record(name)["copy"] is False
    grid("datastore", "verify", name, code=0)


class EndOfTls:
    """An HTTPS proxy: for CONNECT to that host it answers as the host itself, from a server that has no TLS."""

    def __init__(self, folder, host, port):
        tls.make(folder, [host])
        self.ca_file, self.context = str(folder / tls.CA), tls.context(folder)
        self.host, self.port, self.asked_for = host, port, []
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
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(4096)
        method, host, _ = head.split(b"\r\n")[0].decode().split()
        self.asked_for.append((method, host))
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        try:
            with self.context.wrap_socket(client, server_side=True) as inner, \
                    socket.create_connection(("127.0.0.1", self.port)) as far:
                threading.Thread(target=pass_on, args=(inner, far), daemon=True).start()
                pass_on(far, inner)
        except OSError:
            pass


@pytest.mark.parametrize("more, name", [("", "trainingset"), (" --name lightning-train-data", "lightning-train-data")])
def test_an_archive_behind_a_url(place, grid, nginx, folder, tmp_path, more, name):  # noqa: F811
    ordinary_tree(folder / "set")
    archive = pack(folder / "set", "z")
    nginx.add("subfolder/trainingSet.tar.gz", archive)
    proxy = EndOfTls(tmp_path / "tls", ARCHIVE_HOST, nginx.port)
    grid.env.update(HTTPS_PROXY=proxy.url, CURL_CA_BUNDLE=proxy.ca_file)
    published = typed(grid, f"grid datastore create https://{ARCHIVE_HOST}/subfolder/trainingSet.tar.gz{more}",
                      folder).event("published")
    assert published["name"] == name
    assert set(proxy.asked_for) == {("CONNECT", f"{ARCHIVE_HOST}:443")}
    place.check(name, unpack(archive, folder / "unpacked"))


def test_login_on_a_cluster(place, grid, folder):
    """`grid login --username YOUR_USERNAME --key YOUR_KEY`, then as everywhere: the bucket is the account's own."""
    grid.env["AWS_ENDPOINT_URL"] = place.s3.endpoint
    for variable in ("GRID_STORE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        grid.env.pop(variable, None)
    grid("login", "--username", place.s3.access_key, "--key", place.s3.secret, code=0)
    assert typed(grid, "grid datastore create ./imagenet_folder/ --name imagenet", folder).event("published")
    assert "imagenet" in grid("datastore", code=0).out


def test_a_role_for_a_private_bucket(place, grid):
    """Without a terminal it says what is to be done."""
    result = grid("credential", "create", "--type", "s3", code=0)
    assert "sts:AssumeRole" in result.text and "sts:ExternalId" in result.text and "s3:GetObject" in result.text
