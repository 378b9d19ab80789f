"""Files of the browser: no size limit, bounded memory, resumable."""

import os
import time

import pytest

from gridtest import MIB, mixed_tree, write, write_random

GIB = 1 << 30
RSS_MAX = 96 * MIB


def bytes_of(folder):
    return sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())


@pytest.mark.parametrize("how", ["drop", "input"])
def test_a_folder_of_the_browser(ui, grid, tmp_path, how):
    folder = tmp_path / "My Set"
    folder.mkdir()
    mixed_tree(folder)
    seen = ui.case("browser", how=how, path=str(folder), counted="59 files, 72 MiB" if how == "input" else "59 files, 1 empty folder, 72 MiB", name="from-browser",
                   source="browser:My%20Set")
    assert seen["proposed"] == "myset"
    assert seen["after"]["bytes"] == bytes_of(folder)  # each byte is read once
    assert grid("datastore", "verify", "from-browser", "--deep").code == 0
    files = {e["path"]: e for e in grid("datastore", "files", "from-browser", "--json").events}
    on_disk = {str(f.relative_to(folder)): f for f in folder.rglob("*") if f.is_file()}
    assert {p for p, e in files.items() if e["type"] == "file"} == set(on_disk)
    assert [p for p, e in files.items() if e["type"] == "dir"] == (["empty-dir/inner"] if how == "drop" else [])
    for path, file in on_disk.items():
        assert (grid.version("from-browser") / "data" / path).read_bytes() == file.read_bytes()
        assert files[path]["modified"][:23] == f"{iso(file.stat().st_mtime_ns // 10**6)}"


def iso(ms):
    import datetime
    t = datetime.datetime.fromtimestamp(ms / 1000, datetime.timezone.utc)
    return t.strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03}"


def test_what_is_given_right_and_wrong(ui, grid, tmp_path):
    (tmp_path / "set").mkdir()
    mixed_tree(tmp_path / "set")
    (tmp_path / "empty").mkdir()
    write(tmp_path, "taken/x.txt", "x")
    grid.create(tmp_path / "set", "--name", "taken")
    ui.case("given", home=str(tmp_path))
    assert grid.published("taken") == [1, 2]


def test_one_file_of_the_browser(ui, grid, tmp_path):
    write_random(tmp_path, "one.tar.gz", 20 * MIB)
    seen = ui.case("browser", how="file", path=str(tmp_path / "one.tar.gz"), counted="1 file, 20 MiB", name="one", source="browser:one.tar.gz")
    assert seen["proposed"] == "one"
    assert (grid.version("one") / "data/one.tar.gz").read_bytes() == (tmp_path / "one.tar.gz").read_bytes()


def many_and_one(folder, size):
    folder.mkdir()
    for i in range(300):
        write(folder, f"small/{i:03}.dat", os.urandom(3000 + i))
    write_random(folder, "large.bin", size)


@pytest.mark.large
def test_three_hundred_files_and_a_very_large_one(ui, grid, tmp_path, full):
    """In memory that does not grow with the data, on both sides."""
    size = GIB * 3 // 2 if full else 200 * MIB
    many_and_one(tmp_path / "set", size)
    seen = ui.case("browser", how="input", path=str(tmp_path / "set"), counted="301 files", name="large", source="browser:set",
                   timeout=900 if full else 300, patience=(880 if full else 280) * 1000)
    assert seen["after"]["bytes"] == bytes_of(tmp_path / "set")
    now, most = ui.rss
    assert most <= RSS_MAX, f"{most / MIB:.0f} MiB"
    assert grid("datastore", "verify", "large", "--deep", timeout=300).code == 0
    print(f"grid ui: {now / MIB:.1f} MiB, at most {most / MIB:.1f} MiB")


@pytest.mark.parametrize("how", ["reload", "close"])
def test_the_page_goes_in_mid_upload_and_the_same_folder_is_chosen_again(start_ui, grid, tmp_path, slow, how):
    folder = tmp_path / "set"
    folder.mkdir()
    for i in range(10):
        write_random(folder, f"{i}.bin", MIB, seed=i)
    write_random(folder, "large.bin", 80 * MIB)
    for file in folder.iterdir():  # what has just been written may be written again, and is read again
        os.utime(file, (time.time() - 60,) * 2)
    ui = start_ui(env=slow(200))
    seen = ui.case("browser", how="input", path=str(folder), counted="11 files", name="again", source="browser:set", **{how: 10})
    assert seen["after"]["bytes"] <= 80 * MIB, "what was stored is not read again"
    assert grid.published("again") == [1]
    for file in folder.iterdir():
        assert (grid.version("again") / "data" / file.name).read_bytes() == file.read_bytes()


def test_files_that_go_or_change_after_they_were_chosen(ui, grid, tmp_path):
    """What can be read is stored, nothing is published, and the files are named."""
    folder = tmp_path / "set"
    folder.mkdir()
    for name in ("changed.bin", "good.bin", "gone.bin"):
        write_random(folder, name, 2 * MIB)
    ui.case("changed", path=str(folder), counted="3 files", name="changed")
    assert grid.published("changed") == []
    assert (grid.version("changed") / "data/good.bin").read_bytes() == (folder / "good.bin").read_bytes()
    assert not (grid.version("changed") / "data/changed.bin").exists()


def test_without_the_page_it_says_where_the_files_are(grid):
    refused = grid("datastore", "create", "browser:set", "--name", "x")
    assert refused.code == 2
    assert "grid ui" in refused.err and "From the browser" in refused.err
