"""
The programs that are compared: where they are, and how each is told to do the same work, tuned as its own
documentation or earlier measurements say it is fastest.  Each run has a home of its own.

A client has a name, where() (None: not here), version(), and for each kind of work a method

    put(job), put_many(job), get(job), check(job)

that prepares the home and returns the command.  One that a client has not is work that it takes no part in.
"""

import os
import shutil
import subprocess
from pathlib import Path

from measure import BUILT, REPO

PART_MIB = 16
BUCKET = "bench"
FOLDER = "data"  # below it the sink keeps nothing


class Job:
    """sink, source (a file or folder), home and scratch (folders), env (of the process)."""

    def __init__(self, sink, source, folder):
        self.sink, self.source = sink, Path(source)
        self.home, self.scratch = Path(folder) / "home", Path(folder) / "scratch"
        for made in (self.home, self.scratch):
            made.mkdir()
        self.home.chmod(0o700)
        self.env = {"HOME": str(self.home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8",
                    "XDG_RUNTIME_DIR": str(self.home), "AWS_ACCESS_KEY_ID": sink.ACCESS_KEY,
                    "AWS_SECRET_ACCESS_KEY": sink.SECRET, "AWS_REGION": sink.REGION,
                    "AWS_DEFAULT_REGION": sink.REGION, "AWS_ENDPOINT_URL_S3": sink.endpoint,
                    "AWS_EC2_METADATA_DISABLED": "true"}
        if sink.is_tls:
            self.env["AWS_CA_BUNDLE"] = str(sink.ca_file)


def first_line(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    return (done.stdout + done.stderr).strip().partition("\n")[0]


def put_first(job, command):
    """Not measured: the file that the measured command reads back."""
    subprocess.run(list(map(str, command)), env=job.env, check=True, capture_output=True)


class Grid:
    name = "grid"

    def where(self):
        return str(BUILT / "grid")

    def version(self):
        commit = subprocess.run(["git", "-C", REPO, "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
        return f"{first_line(self.where(), '--version')} ({commit.stdout.strip() or 'no git'})"

    def enter(self, job):
        job.env["GRID_STORE"] = f"s3://{BUCKET}/grid"

    def create(self, job):
        return [self.where(), "datastore", "create", job.source, "--name", "x", "--quiet"]

    def put(self, job):
        self.enter(job)
        return self.create(job)

    put_many = put

    def check(self, job):
        put_first(job, self.put(job))
        return [self.where(), "datastore", "verify", "x", "--deep"]

    def has(self, command):
        done = subprocess.run([self.where(), "datastore", command, "--help"], capture_output=True)
        return done.returncode == 0

    def get(self, job):
        put_first(job, self.put(job))
        return [self.where(), "datastore", "download", "x", job.scratch]

    def list(self, job):
        self.enter(job)
        return [*self.create(job), "--dry-run"]


class GridUnsigned(Grid):
    """With --sign-payload never, which is an option of login.  (Over TLS nothing is signed anyway.)"""

    name = "grid, --sign-payload never"

    def enter(self, job):
        words = [self.where(), "login", "--cluster", "bench", "--store", f"s3://{BUCKET}/grid", "--endpoint",
                 job.sink.endpoint, "--region", job.sink.REGION, "--username", job.sink.ACCESS_KEY, "--key-stdin",
                 "--sign-payload", "never"]
        subprocess.run(words, env=job.env, input=job.sink.SECRET.encode(), check=True, capture_output=True)


class Crt:
    """aws-c-s3, the C client below the SDKs, driven by a few lines of Python: crt_client.py."""

    name = "CRT client"
    default_port = True  # it knows no other
    python = "/usr/bin/python3"

    def where(self):
        done = subprocess.run([self.python, "-c", "import awscrt.s3"], capture_output=True)
        return self.python if done.returncode == 0 else None

    def version(self):
        return "python3-awscrt " + first_line("dpkg-query", "-W", "-f=${Version}", "python3-awscrt")

    def put(self, job):
        return [self.python, REPO / "bench/crt_client.py", job.sink.host, f"/{BUCKET}/{FOLDER}", job.source,
                *([job.sink.ca_file] if job.sink.is_tls else [])]

    put_many = put


class S5cmd:
    name = "s5cmd"

    def where(self):
        return shutil.which("s5cmd")

    def version(self):
        return "s5cmd " + first_line(self.where(), "version")

    def command(self, job, *words):
        return [self.where(), "--endpoint-url", job.sink.endpoint, "--log", "error", "--numworkers", "256", *words]

    def put(self, job):
        return self.command(job, "cp", "--concurrency", "16", "--part-size", str(PART_MIB), job.source,
                            f"s3://{BUCKET}/{FOLDER}/")

    def put_many(self, job):
        return self.command(job, "cp", f"{job.source}/", f"s3://{BUCKET}/{FOLDER}/")


class Rclone:
    name = "rclone"

    def where(self):
        return shutil.which("rclone")

    def version(self):
        return first_line(self.where(), "version")

    def command(self, job, *words):
        s3 = {"TYPE": "s3", "PROVIDER": "Other", "ENDPOINT": job.sink.endpoint, "ENV_AUTH": "true",
              "REGION": job.sink.REGION, "CHUNK_SIZE": f"{PART_MIB}M", "UPLOAD_CONCURRENCY": "8",
              "DISABLE_CHECKSUM": "true", "NO_CHECK_BUCKET": "true", "NO_HEAD": "true"}
        job.env.pop("AWS_CA_BUNDLE", None)  # which it cannot use beside its own option
        job.env.update({f"RCLONE_CONFIG_BENCH_{name}": value for name, value in s3.items()})
        ca = ["--ca-cert", job.sink.ca_file] if job.sink.is_tls else []
        return [self.where(), "--transfers", "64", "--checkers", "64", *ca, *words]

    def put(self, job):
        return self.command(job, "copy", "--no-check-dest", job.source, f"bench:{BUCKET}/{FOLDER}")

    put_many = put

    def check(self, job):
        put_first(job, self.put(job))
        return self.command(job, "check", "--download", job.source.parent, f"bench:{BUCKET}/{FOLDER}",
                            "--include", f"/{job.source.name}")

    def get(self, job):
        put_first(job, self.put(job))
        return self.command(job, "copy", f"bench:{BUCKET}/{FOLDER}/{job.source.name}", job.scratch)


class Aws:
    name = "aws s3"

    def where(self):
        return shutil.which("aws")

    def version(self):
        return first_line(self.where(), "--version").partition(" Python")[0]

    def copy(self, job, *words):
        (job.home / ".aws").mkdir(exist_ok=True)
        (job.home / ".aws/config").write_text(
            "[default]\ns3 =\n  max_concurrent_requests = 64\n  max_queue_size = 10000\n  addressing_style = path\n"
            f"  payload_signing_enabled = false\n  multipart_chunksize = {PART_MIB}MB\n")
        return [self.where(), "--endpoint-url", job.sink.endpoint, "s3", "cp", "--only-show-errors", *words]

    def put(self, job):
        return self.copy(job, job.source, f"s3://{BUCKET}/{FOLDER}/")

    def put_many(self, job):
        return self.copy(job, "--recursive", job.source, f"s3://{BUCKET}/{FOLDER}/")

    def get(self, job):
        put_first(job, self.put(job))
        return self.copy(job, f"s3://{BUCKET}/{FOLDER}/{job.source.name}", f"{job.scratch}/")


class S3cmd:
    name = "s3cmd"

    def where(self):
        return shutil.which("s3cmd")

    def version(self):
        return first_line(self.where(), "--version")

    def put(self, job, *more):
        ca = [f"--ca-certs={job.sink.ca_file}"] if job.sink.is_tls else ["--no-ssl"]
        return [self.where(), f"--host={job.sink.host}", f"--host-bucket={job.sink.host}",
                f"--access_key={job.sink.ACCESS_KEY}", f"--secret_key={job.sink.SECRET}", "--no-progress", "--quiet",
                f"--multipart-chunk-size-mb={PART_MIB}", *ca, *more, "put", job.source, f"s3://{BUCKET}/{FOLDER}/"]

    def put_many(self, job):
        return self.put(job, "--recursive", "--no-check-md5")


class Find:
    """What reading the names, sizes and times of a tree costs at least."""

    name = "find"

    def where(self):
        return shutil.which("find")

    def version(self):
        return first_line(self.where(), "--version")

    def list(self, job):
        return [self.where(), job.source, "-printf", r"%s %T@ %i\n"]


OURS = (Grid.name, GridUnsigned.name)
ALL = (Grid(), GridUnsigned(), Crt(), S5cmd(), Rclone(), Aws(), S3cmd(), Find())
