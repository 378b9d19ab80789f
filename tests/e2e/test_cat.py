"""One file of a version to stdout, and listings by folder and by page."""

import pytest

from gridtest import MIB, mixed_tree, write, write_random

@pytest.fixture
def named(grid, tree):
    mixed_tree(tree)
    grid.create(tree, "--name", "named")
    return tree


@pytest.mark.parametrize("path", ["README.txt", "empty.bin", "one-block.bin", "two-blocks.bin", "blocks.bin", "with space/and ünïcode/日本.txt"])
def test_every_byte_of_it(grid, named, path):
    shown = grid("datastore", "cat", "named:1", path, code=0)
    assert shown.raw == (named / path).read_bytes()


def test_a_damaged_block_ends_it(grid, named):
    stored = grid.version("named") / "data/blocks.bin"
    stored.chmod(0o644)
    whole = stored.read_bytes()
    stored.write_bytes(whole[:20 * MIB] + b"?" + whole[20 * MIB + 1:])
    shown = grid("datastore", "cat", "named", "blocks.bin")
    assert shown.code == 1 and "blocks.bin is damaged" in shown.err
    assert len(shown.raw) < len(whole), "what is wrong is not all shown"
    stored.write_bytes(whole[:-1])
    shown = grid("datastore", "cat", "named", "blocks.bin")
    assert shown.code == 1 and "blocks.bin is damaged" in shown.err


def test_a_damaged_small_file_is_told(grid, named):
    stored = grid.version("named") / "data/README.txt"
    stored.chmod(0o644)
    stored.write_bytes(b"A data set\n")
    shown = grid("datastore", "cat", "named", "README.txt")
    assert shown.code == 1 and "README.txt is damaged" in shown.err


@pytest.mark.parametrize("path, word", [("none", "there is no none"), ("empty-dir/inner", "no file, but a folder"), ("many", "there is no many")])
def test_what_is_no_file(grid, named, path, word):
    shown = grid("datastore", "cat", "named", path)
    assert shown.code != 0 and word in shown.err and shown.out == ""


def test_a_reader_that_goes_away(grid, tree):
    write_random(tree, "large.bin", 40 * MIB)
    grid.create(tree, "--name", "large")
    running = grid.start("datastore", "cat", "large", "large.bin", prefix=["sh", "-c", '"$@" | head -c 10', "sh"])
    assert running.wait().raw[:10] == (tree / "large.bin").read_bytes()[:10]


def test_by_folder(grid, named):
    rows = grid("datastore", "files", "named", "--level", "--json", code=0).events
    assert [r["path"] for r in rows] == ["README.txt", "a.txt", "a/", "blocks.bin", "empty-dir/", "empty.bin", "many/", "one-block.bin", "run.sh",
                                        "two-blocks.bin", "with space/"]
    many = next(r for r in rows if r["path"] == "many/")
    assert many["type"] == "dir" and many["files"] == 50
    assert many["size"] == sum(f.stat().st_size for f in (named / "many").iterdir())


def test_by_page(grid, named):
    whole = [e["path"] for e in grid("datastore", "files", "named", "--json").events]
    paged, after = [], []
    while True:
        page = [e["path"] for e in grid("datastore", "files", "named", "--json", "--limit", 17, *after, code=0).events]
        paged += page
        if len(page) < 17:
            break
        after = ["--after", page[-1]]
    assert paged == whole
