"""From a URL: an archive on nginx.  (An s3:// prefix: test_s3.py.)"""

import io
import tarfile

import pytest

archiveserver = pytest.importorskip("archiveserver", reason="until create takes http:// archives")
nginx, nginx_server = archiveserver.nginx, archiveserver.nginx_server


def test_from_an_archive_behind_a_url(ui, grid, nginx):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for i in range(30):
            member = tarfile.TarInfo(f"folder/{i:02}.txt")
            member.size = i
            tar.addfile(member, io.BytesIO(b"x" * i))
    nginx.add("trainingSet.tar.gz", packed.getvalue())
    seen = ui.case("address", address=f"{nginx.url}/trainingSet.tar.gz", name="trainingset", files=30)
    assert seen["proposed"] == "trainingset"
    assert grid("datastore", "verify", "trainingset", "--deep").code == 0


def test_what_is_found_so_far(ui, grid, nginx):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for i in range(60):
            member = tarfile.TarInfo(f"{i:02}.dat")
            member.size = 100_000
            tar.addfile(member, io.BytesIO(b"x" * member.size))
    nginx.add("slow.tar", packed.getvalue())
    running = grid.start("datastore", "create", f"{nginx.url}/slow.tar", "--bwlimit", "200K", "--json")
    running.until_event("session")
    ui.case("found", name="slow")
    assert running.wait().code == 75


def test_what_cannot_be_is_said(ui, nginx):
    ui.case("refused", address=f"{nginx.url}/none.tar.gz")
