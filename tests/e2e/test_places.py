"""Where the store and the local state lie: inside each other, full, forbidden, not there."""

import os
import subprocess

import pytest

from gridtest import MIB, nothing_unfinished, write, write_random

needs_mount = pytest.mark.skipif(
    os.geteuid() != 0, reason="a full disk needs a small file system to be mounted: run as root")


@pytest.mark.fast
def test_source_inside_the_store(grid, tmp_path):
    grid.env["GRID_STORE"] = f"file://{tmp_path}/store"
    write(tmp_path, "store/x/v1/data/a", "x")
    write(tmp_path, "store/folder/a", "x")
    for source in (tmp_path / "store", tmp_path / "store/x/v1/data", tmp_path / "store/folder"):
        result = grid.create(source, "--name", "n", code=None)
        assert result.code in (1, 2) and "store" in result.err
    assert not (tmp_path / "store/n").exists()


@pytest.mark.fast
def test_store_inside_the_source(grid, tree):
    grid.env["GRID_STORE"] = f"file://{tree}/my/store"
    write(tree, "a", "x")
    result = grid.create(tree)
    assert "my/store" in result.err
    assert set(grid.check("tree")) - {b"my"} == {b"a"}
    grid.create(tree)
    assert set(grid.check("tree", number=2)) - {b"my"} == {b"a"}


@pytest.mark.fast
def test_own_state_inside_the_source(grid):
    """Uploading one's whole home: grid's store, state and cache stay out."""
    write(grid.home, "document", "x")
    grid.create(grid.home, "--name", "home")
    found = grid.check("home")
    assert b"document" in found
    assert not [p for p in found if p.startswith((b"state/grid", b"data/grid/datastores"))]


@pytest.mark.fast
def test_store_reached_by_another_name_inside_the_source(grid, tree, tmp_path):
    """The same folder through a link: known by identity, not by name."""
    (tree / "real").mkdir()
    (tmp_path / "alias").symlink_to(tree / "real")
    grid.env["GRID_STORE"] = f"file://{tmp_path}/alias"
    write(tree, "a", "x")
    grid.create(tree)
    assert set(grid.check("tree")) - {b"real"} == {b"a"}


@pytest.mark.fast
def test_store_is_a_file(grid, tree, tmp_path):
    write(tree, "a", "x")
    write(tmp_path, "file", "x")
    result = grid.create(tree, code=None, env={"GRID_STORE": f"file://{tmp_path}/file"})
    assert result.code == 1 and f"{tmp_path}/file" in result.err
    assert (tmp_path / "file").read_text() == "x"


@pytest.mark.fast
def test_name_is_taken_by_a_file(grid, tree):
    write(tree, "a", "x")
    write(grid.store, "tree", "something else")
    assert grid.create(tree, code=1).err.strip()


@pytest.mark.fast
def test_store_is_not_writable(grid, tree, tmp_path):
    write(tree, "a", "x")
    (tmp_path / "store").mkdir(mode=0o555)
    if os.geteuid() == 0:
        grid.prefix = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
    result = grid.create(tree, code=None, env={"GRID_STORE": f"file://{tmp_path}/store"})
    assert result.code in (1, 77)
    assert f"{tmp_path}/store" in result.err and "ermission" in result.err


@pytest.mark.fast
def test_foreign_folders_in_the_store_are_left_alone(grid, tree):
    write(tree, "a", "x")
    write(grid.store, "lost+found/x", "")
    write(grid.store, "tree/v1/not-ours", "keep me")
    write(grid.store, "tree/notes.txt", "keep me")
    grid.create(tree)
    assert (grid.store / "tree/notes.txt").exists() and (grid.store / "tree/v1/not-ours").exists()
    assert len(grid.published("tree")) == 1
    grid("datastore", code=0)


@pytest.mark.fast
def test_objects_of_nobody_do_not_get_into_a_version(grid, tree):
    """A folder vN without any record is what a crash, or a person, left there."""
    write(tree, "a", "x")
    write(grid.store, "tree/v1/data/stray", "not in the manifest")
    write(grid.store, "tree/v1/data/a", "not what it should be")
    grid.create(tree)
    number, = grid.published("tree")
    grid.check("tree", tree, number=number)


class SmallDisk:
    def __init__(self, path, size):
        self.path = path
        path.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},nr_inodes=4k,mode=755", "none", path],
                       check=True)

    def grow(self, size):
        subprocess.run(["mount", "-o", f"remount,size={size},nr_inodes=200k", self.path], check=True)

    def end(self):
        subprocess.run(["umount", "-l", self.path], check=True)


@pytest.fixture
def small_disk(tmp_path, clean):
    disks = []

    def mount(name, size):
        disks.append(SmallDisk(tmp_path / name, size))
        return disks[-1]

    yield mount
    for disk in disks:
        disk.end()


def create_in_two_runs(grid, tree, disk, size):
    """The first says which disk is full; with more room the second finishes the job."""
    result = grid.create(tree, code=None)
    assert result.code in (1, 75)
    assert "space" in result.err.lower() and str(disk.path) in result.err
    assert grid.published("tree") == []
    disk.grow(size)
    grid.create(tree)
    assert grid.published("tree") == [1]
    grid.check("tree", tree)
    nothing_unfinished(grid.version("tree"))


@needs_mount
@pytest.mark.fast
@pytest.mark.parametrize("what", ["one big file", "many files"])
def test_store_is_full(grid, tree, small_disk, what):
    disk = small_disk("disk", "24m")
    grid.env["GRID_STORE"] = f"file://{disk.path}/store"
    if what == "one big file":
        write_random(tree, "big", 40 * MIB)
    else:
        for i in range(400):
            write_random(tree, f"f{i:03}", 100_000, seed=i)
    create_in_two_runs(grid, tree, disk, "200m")


@needs_mount
@pytest.mark.fast
def test_store_has_no_inodes_left(grid, tree, small_disk):
    disk = small_disk("disk", "100m")
    grid.env["GRID_STORE"] = f"file://{disk.path}/store"
    for i in range(5000):
        write(tree, f"d{i % 10}/f{i}", "")
    create_in_two_runs(grid, tree, disk, "100m")


@needs_mount
@pytest.mark.fast
def test_state_folder_on_a_read_only_disk(grid, tree, small_disk):
    """Several folders are to be made there; the reason told is that of the first."""
    disk = small_disk("read-only", "1m")
    subprocess.run(["mount", "-o", "remount,ro", str(disk.path)], check=True)
    grid.env["XDG_STATE_HOME"] = f"{disk.path}/not/there"
    write(tree, "a", "x")
    result = grid.create(tree, code=1)
    assert "Read-only file system" in result.err and "XDG_STATE_HOME" in result.err, result


@needs_mount
@pytest.mark.fast
def test_disk_of_the_checkpoint_is_full(grid, tree, small_disk):
    disk = small_disk("state-disk", "600k")
    grid.env["XDG_STATE_HOME"] = str(disk.path)
    for i in range(6000):
        write(tree, f"a folder with a long name {i % 10}/a file with a long name too {i}", "x")
    result = grid.create(tree, code=None)
    assert result.code in (0, 1, 75)
    if result.code != 0:
        assert "space" in result.err.lower() and str(disk.path) in result.err
        disk.grow("100m")
        grid.create(tree)
    assert grid.published("tree") == [1]
    grid.check("tree", tree)
    nothing_unfinished(grid.version("tree"))


@needs_mount
@pytest.mark.fast
def test_store_on_another_file_system_than_everything(grid, tree, small_disk):
    disk = small_disk("disk", "100m")
    grid.env["GRID_STORE"] = f"file://{disk.path}"
    write_random(tree, "big", 20 * MIB)
    write(tree, "a/b", "x")
    grid.create(tree)
    grid.check("tree", tree)


@needs_mount
@pytest.mark.fast
def test_read_only_file_system(grid, tree, small_disk):
    disk = small_disk("disk", "10m")
    subprocess.run(["mount", "-o", "remount,ro", disk.path], check=True)
    write(tree, "a", "x")
    result = grid.create(tree, code=None, env={"GRID_STORE": f"file://{disk.path}/store"})
    assert result.code in (1, 77)
    assert "ead-only" in result.err and str(disk.path) in result.err


@pytest.mark.fast
def test_state_folder_is_a_file(grid, tree):
    write(tree, "a", "x")
    write(grid.home, "state/grid", "in the way")
    result = grid.create(tree, code=None)
    assert result.code == 1 and str(grid.home / "state/grid") in result.err


@pytest.mark.fast
def test_no_home_at_all(grid, tree):
    write(tree, "a", "x")
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        del grid.env[name]
    result = grid("datastore", "list")
    assert result.code in (0, 1, 2), "no crash"


@pytest.mark.fast
def test_xdg_defaults_are_below_home(grid, tree):
    write(tree, "a", "x")
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        del grid.env[name]
    grid.create(tree)
    assert (grid.home / ".local/share/grid/datastores/tree/v1/datastore.json").exists()
    assert (grid.home / ".local/state/grid/sessions").is_dir()


@pytest.mark.fast
def test_local_files_are_private(grid, tree):
    write(tree, "a", "x")
    old = os.umask(0)
    try:
        grid.create(tree)
    finally:
        os.umask(old)
    for path in (grid.home / "state/grid").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0 or path.parent.stat().st_mode & 0o077 == 0, path
