"""The page with a real S3 server."""

import pytest

from gridtest import MIB, write, write_random
from s3servers import rgw  # noqa: F401


@pytest.fixture
def bucket(rgw):  # noqa: F811
    return rgw.new_bucket()


def test_a_cluster_is_logged_in_to_and_an_upload_slowed_down(ui, grid, rgw, bucket, tree):  # noqa: F811
    for i in range(4):
        write_random(tree, f"{i}.bin", 10 * MIB, seed=i)
    write(tree, "small.txt", "small\n")
    ui.case("cluster", store=f"s3://{bucket}/sets", endpoint=rgw.endpoint, username=rgw.access_key, key=rgw.secret, folder=str(tree))
    log = next(grid.sessions.glob("slowed-*.log")).read_text()
    assert f"the limit is {2 * MIB} bytes a second now" in log and "the limit is 0 bytes a second now" in log
    assert rgw.secret not in log
    assert grid("datastore", "verify", "slowed", "--deep", "--cluster", "lab").code == 0
    assert len([k for k in rgw.objects(bucket, "sets/slowed/v1/data/")]) == 5


def test_a_folder_of_the_browser_goes_to_a_real_server(ui, grid, rgw, bucket, tmp_path):  # noqa: F811
    folder = tmp_path / "set"
    folder.mkdir()
    for i in range(60):
        write(folder, f"small/{i:02}.dat", b"%d" % i * 500)
    write_random(folder, "large.bin", 40 * MIB)
    grid("login", "--cluster", "lab", "--store", f"s3://{bucket}/sets", "--endpoint", rgw.endpoint, "--username", rgw.access_key,
         "--key", rgw.secret, code=0)
    seen = ui.case("browser", how="drop", path=str(folder), counted="61 files", name="set", source="browser:set", cluster="lab")
    assert seen["after"]["bytes"] >= 40 * MIB
    assert grid("datastore", "verify", "set", "--deep", "--cluster", "lab").code == 0
    assert rgw.read(bucket, "sets/set/v1/data/large.bin") == (folder / "large.bin").read_bytes()


def test_from_an_s3_prefix(ui, grid, rgw, bucket):  # noqa: F811
    for i in range(20):
        rgw.boto.put_object(Bucket=bucket, Key=f"esRedditJson/{i:02}.json", Body=b"{}" * i)
    grid("login", "--cluster", "lab", "--store", f"s3://{bucket}/sets", "--endpoint", rgw.endpoint, "--username", rgw.access_key,
         "--key", rgw.secret, code=0)
    seen = ui.case("address", address=f"s3://{bucket}/esRedditJson/", name="esredditjson", files=20)
    assert seen["proposed"] == "esredditjson"
    assert grid("datastore", "verify", "esredditjson", "--deep").code == 0
