"""
S3 servers for tests: the project's fake with several behaviours, and the RADOS Gateway over HTTP
and HTTPS, behind one face.  boto3 looks into the buckets: a client that is not ours.

Import the fixtures that a module uses:

    from s3servers import fake, rgw, s3  # noqa: F401

  fake    starts fake servers: fake(behaviour="rgw", tls=True) -> FakeServer
  rgw     the gateway (plain HTTP), shared by all tests and pytest-xdist workers of a run
  s3      parametrised: each test runs against every server of S3_KINDS

A server that cannot run here skips its tests, with the reason.  GRID_NO_RGW=1 leaves it out.
"""

import atexit
import datetime
import fcntl
import functools
import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from urllib.parse import parse_qsl, unquote

import pytest

HERE = Path(__file__).resolve().parent
S3_KINDS = ("fake", "fake-tls", "fake-rgw", "fake-minio2019", "rgw", "rgw-tls")


class S3Server:
    """endpoint, access_key, secret, region, ca_file (or None) of a running server."""

    def __init__(self, kind, endpoint, access_key, secret, region="us-east-1", ca_file=None):
        self.kind, self.endpoint, self.region, self.ca_file = kind, endpoint, region, ca_file
        self.access_key, self.secret = access_key, secret

    def client(self, access_key=None, secret=None, service="s3", **more):
        import boto3
        from botocore.config import Config
        config = Config(signature_version="s3v4", s3={"addressing_style": "path"} if service == "s3" else None,
                        retries={"max_attempts": more.pop("attempts", 1), "mode": "standard"},
                        read_timeout=30, connect_timeout=5)
        if service != "s3":
            config = Config(retries={"max_attempts": 1})
        return boto3.session.Session().client(
            service, endpoint_url=self.endpoint, region_name=more.pop("region", self.region),
            aws_access_key_id=access_key or self.access_key, aws_secret_access_key=secret or self.secret,
            verify=str(self.ca_file) if self.ca_file else None, config=config, **more)

    @functools.cached_property
    def boto(self):
        return self.client()

    def new_bucket(self, name=None, **client):
        name = name or f"b{os.urandom(6).hex()}"
        self.client(**client).create_bucket(Bucket=name)
        return name

    def env(self, bucket, prefix=""):
        """What makes this server's bucket the cluster `env` of a grid."""
        env = {"GRID_STORE": f"s3://{bucket}/{prefix}".rstrip("/"), "AWS_ACCESS_KEY_ID": self.access_key,
               "AWS_SECRET_ACCESS_KEY": self.secret, "AWS_ENDPOINT_URL_S3": self.endpoint,
               "AWS_REGION": self.region, "AWS_EC2_METADATA_DISABLED": "true"}
        if self.ca_file:
            env["AWS_CA_BUNDLE"] = str(self.ca_file)
        return env

    def objects(self, bucket, prefix=""):
        """{key: size}"""
        pages = self.boto.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return {o["Key"]: o["Size"] for page in pages for o in page.get("Contents", [])}

    def uploads(self, bucket, prefix=""):
        """[(key, id)] of the open multipart uploads."""
        pages = self.boto.get_paginator("list_multipart_uploads").paginate(Bucket=bucket)
        return [(u["Key"], u["UploadId"]) for page in pages for u in page.get("Uploads", [])
                if u["Key"].startswith(prefix)]

    def open_uploads(self, bucket, prefix=""):
        """The same, whatever its listing is worth."""
        return self.uploads(bucket, prefix)

    def read(self, bucket, key):
        return self.boto.get_object(Bucket=bucket, Key=key)["Body"].read()

    def log(self, bucket=None):
        """
        Requests in the order of their end: dictionaries with time (of the end), method, bucket, key,
        uploadId, partNumber, bytes (of the body that came), status.
        """
        raise NotImplementedError

    def stored_bytes(self, bucket, start=0.0, end=float("inf"), prefix=""):
        """{(key, partNumber): [(time, bytes)]} of data that was acknowledged."""
        found = {}
        for e in self.log(bucket):
            if (e["method"] == "PUT" and e["status"] == 200 and start <= e["time"] <= end
                    and (e["key"] or "").startswith(prefix)):
                found.setdefault((e["key"], e["partNumber"]), []).append((e["time"], e["bytes"]))
        return found


class FakeServer(S3Server):
    ACCESS_KEY, SECRET = "testaccesskey0000001", "testsecretkey00000000000000000000000001"

    def __init__(self, folder, behaviour="", tls=False, region="us-east-1", arguments=(), buckets=("test",)):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = 0
        self.command = ["/usr/bin/python3", str(HERE / "fake/s3.py"), "--region", region, "--behaviour", behaviour,
                        "--port-file", str(self.folder / "port"), "--log", str(self.folder / "access.log"),
                        *arguments]
        for bucket in buckets:
            self.command += ["--bucket", bucket]
        if tls:
            self.command += ["--tls", str(self.folder / "tls")]
        super().__init__("fake", "", self.ACCESS_KEY, self.SECRET, region,
                         self.folder / "tls/ca.crt" if tls else None)
        self.tls, self.process = tls, None
        self.start()

    def start(self):
        port_file = self.folder / "port"
        port_file.unlink(missing_ok=True)
        self.process = subprocess.Popen([*self.command, "--port", str(self.port)],
                                        stderr=open(self.folder / "stderr", "ab"))
        deadline = time.monotonic() + 20
        while not port_file.exists():
            assert self.process.poll() is None, (self.folder / "stderr").read_text()
            assert time.monotonic() < deadline, "the fake server did not start"
            time.sleep(0.01)
        self.port = int(port_file.read_text())
        host = "localhost" if self.tls else "127.0.0.1"
        self.endpoint = f"http{'s' if self.tls else ''}://{host}:{self.port}"

    def stop(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(20)

    def control(self, method, name, value=None):
        data = None if value is None else json.dumps(value).encode()
        request = urllib.request.Request(f"{self.endpoint}/.fake/{name}", data=data, method=method)
        context = ssl.create_default_context(cafile=str(self.ca_file)) if self.ca_file else None
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}),
                                             urllib.request.HTTPSHandler(context=context))
        with opener.open(request, timeout=20) as answer:
            return answer.read()

    def faults(self, *rules, bucket=None):
        """In place of the rules before, for all or for one bucket; none: no faults."""
        self.control("POST", f"faults/{bucket}" if bucket else "faults", list(rules))

    def fault_counts(self, bucket=None):
        return json.loads(self.control("GET", f"faults/{bucket}" if bucket else "faults"))

    def options(self, **values):
        self.control("POST", "options", values)

    def user(self, access_key, **more):
        self.control("POST", "users", {"access_key": access_key, "secret": self.secret, **more})
        return access_key, more.get("secret", self.secret)

    def bucket(self, name, **more):
        self.control("POST", "buckets", {"name": name, **more})
        return name

    def forget_bucket(self, name):
        """With its objects, its faults, and its entries of recent_log()."""
        self.control("DELETE", f"buckets/{name}")

    def export(self, bucket, folder):
        """Its objects as files."""
        self.control("POST", "export", {"bucket": bucket, "folder": str(folder)})

    def recent_log(self, bucket):
        """As log(), asked of the server: with what it has just answered, and cheap where its file has become long."""
        return [json.loads(line) for line in self.control("GET", f"log?bucket={bucket}").splitlines()]

    def state(self):
        return json.loads(self.control("GET", "state"))

    def state_of(self, bucket):
        """Its objects and uploads, and how many requests for it are in_flight."""
        state = json.loads(self.control("GET", f"state?bucket={bucket}"))
        return {**state["buckets"][bucket], "in_flight": state["in_flight"]}

    def open_uploads(self, bucket, prefix=""):
        found = [(u["key"], u["id"]) for u in self.state()["buckets"][bucket]["uploads"]]
        return sorted(u for u in found if u[0].startswith(prefix))

    def outage(self, seconds, mode="refuse"):
        self.control("POST", "outage", {"seconds": seconds, "mode": mode})

    def reset_connections(self):
        self.control("POST", "reset", {})

    def log(self, bucket=None):
        lines = (self.folder / "access.log").read_text().rpartition("\n")[0].splitlines()  # the last is being written
        entries = [json.loads(line) for line in lines]
        return [e for e in entries if bucket is None or e["bucket"] == bucket]

    def check_alive(self):
        """It has not died, and no request made it raise what it did not expect."""
        assert self.process.poll() is None, "the fake server died"
        trouble = (self.folder / "stderr").read_text()
        assert "Traceback" not in trouble, trouble


BEAST = re.compile(r'beast: \S+ \S+ - (?P<user>\S+) \[(?P<at>[^\]]+)\] "(?P<method>[A-Z]+) (?P<target>.*?) '
                   r'HTTP/1\.\d" (?P<status>\d+) (?P<bytes>\d+) .*latency=(?P<latency>[\d.]+)s')


class RgwServer(S3Server):
    def __init__(self, folder, values, tls=False):
        endpoint = values["S3_TLS_ENDPOINT"] if tls else values["S3_ENDPOINT"]
        super().__init__("rgw", endpoint, values["AWS_ACCESS_KEY_ID"], values["AWS_SECRET_ACCESS_KEY"],
                         values["AWS_REGION"], values["S3_TLS_CA"] if tls else None)
        self.folder, self.values = Path(folder), values
        self.log_file = self.folder / "log/client.rgw.log"
        self.quota_user = values["S3_QUOTA_KEY"], values["S3_QUOTA_SECRET"]
        self.reader = values["S3_READER_KEY"], values["S3_READER_SECRET"]
        self.other = values["S3_ACCESS_KEY2"], values["S3_SECRET_KEY2"]

    def log(self, bucket=None):
        with open(self.log_file, errors="replace") as f:
            found = [entry for entry in map(beast_entry, f) if entry]
        return sorted((e for e in found if bucket is None or e["bucket"] == bucket), key=lambda e: e["time"])


def beast_entry(line):
    found = BEAST.search(line)
    if not found:
        return None
    at = datetime.datetime.strptime(found["at"], "%d/%b/%Y:%H:%M:%S.%f %z").timestamp()
    path, _, query = found["target"].partition("?")
    bucket, _, key = unquote(path).lstrip("/").partition("/")
    names = dict(parse_qsl(query, keep_blank_values=True))
    part = names.get("partNumber")
    return {"time": at + float(found["latency"]), "start": at, "method": found["method"], "bucket": bucket,
            "key": key or None, "uploadId": names.get("uploadId"), "partNumber": int(part) if part else None,
            "bytes": int(found["bytes"]), "status": int(found["status"]), "target": found["target"]}


class CannotRun(Exception):
    """Why a server is not to be had here; its tests are skipped."""


def run_script(script, verb, folder, **env):
    done = subprocess.run([HERE / "servers" / script, verb, folder], env={**os.environ, **env}, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
    if done.returncode == 77:
        raise CannotRun(done.stderr.strip().splitlines()[-1])
    assert done.returncode == 0, f"{script} {verb}: {done.stderr}"
    return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line and line[0] != "#")


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


class Shared:
    """
    One server for all processes of a test run: the first starts it, the last that ends stops it.
    The processes that use it are noted in FOLDER.users, under a lock.
    """

    def __init__(self, script, name, **env):
        self.script, self.env = script, env
        tag = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))[:12]
        self.folder = Path(tempfile.gettempdir()) / f"grid-{name}-{os.getuid()}-{tag}"
        self.users = Path(f"{self.folder}.users")
        self.values = None

    def locked(self, change):
        with open(f"{self.folder}.lock", "a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            users = [int(p) for p in self.users.read_text().split()] if self.users.exists() else []
            return change([p for p in users if p != os.getpid() and is_running(p)])

    def start(self):
        def join(users):
            self.values = run_script(self.script, "start", self.folder, **self.env)
            self.users.write_text("\n".join(map(str, [*users, os.getpid()])))
        if self.values is None:
            self.locked(join)
            atexit.register(self.leave)
        return self.values

    def leave(self):
        def go(users):
            if users:
                self.users.write_text("\n".join(map(str, users)))
                return
            run_script(self.script, "stop", self.folder)
            shutil.rmtree(self.folder, ignore_errors=True)
            self.users.unlink(missing_ok=True)
            os.unlink(f"{self.folder}.lock")
        self.locked(go)


@functools.cache
def shared_rgw():
    if os.environ.get("GRID_NO_RGW"):
        raise CannotRun("GRID_NO_RGW is set")
    return Shared("rgw.sh", "rgw", RGW_TLS_PORT="0", RGW_SIZE_GIB="60")


@functools.cache
def shared_rgw_sts():
    """One of its own: with STS it answers bad signatures otherwise."""
    if os.environ.get("GRID_NO_RGW"):
        raise CannotRun("GRID_NO_RGW is set")
    return Shared("rgw.sh", "rgw-sts", RGW_STS="1")


def started(what, get, *arguments):
    """The server, or a skip that says so loudly."""
    try:
        return get(*arguments)
    except CannotRun as reason:
        print(f"\n*** {what} cannot run here, its tests are SKIPPED: {reason}", file=sys.__stderr__, flush=True)
        pytest.skip(f"{what} cannot run here: {reason}")


def get_rgw(tls=False):
    shared = shared_rgw()
    return RgwServer(shared.folder, shared.start(), tls)


def get_rgw_sts():
    shared = shared_rgw_sts()
    return RgwServer(shared.folder, shared.start())


def get_swift():
    values = shared_swift().start()
    return S3Server("swift", values["S3_ENDPOINT"], values["AWS_ACCESS_KEY_ID"],
                    values["AWS_SECRET_ACCESS_KEY"], values["AWS_REGION"])


@functools.cache
def shared_swift():
    return Shared("swift.sh", "swift")


@pytest.fixture
def fake(tmp_path):
    """Starts fake servers: fake(behaviour="", tls=False, region=..., arguments=[...], buckets=[...])."""
    made = []

    def start(behaviour="", **more):
        made.append(FakeServer(tmp_path / f"fake{len(made)}", behaviour, **more))
        return made[-1]

    yield start
    for server in made:
        try:
            server.check_alive()
        finally:
            server.stop()


@pytest.fixture
def rgw():
    return started("The RADOS Gateway", get_rgw)


@pytest.fixture
def rgw_tls():
    return started("The RADOS Gateway", get_rgw, True)


@pytest.fixture
def rgw_sts():
    """The gateway with AssumeRole; values["S3_STS_ROLE_ARN"] is a role that its user may assume."""
    return started("The RADOS Gateway", get_rgw_sts)


@pytest.fixture
def swift():
    return started("Swift", get_swift)


@pytest.fixture(params=S3_KINDS)
def s3(request, fake):  # noqa: F811
    kind = request.param
    if kind.startswith("rgw"):
        return started("The RADOS Gateway", get_rgw, kind == "rgw-tls")
    word = kind.removeprefix("fake").removeprefix("-")
    return fake(behaviour="" if word == "tls" else word, tls=word == "tls")
