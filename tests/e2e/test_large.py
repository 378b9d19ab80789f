"""Large data: byte for byte, in bounded memory.  Release build only."""

import base64
import os
import shutil
import subprocess

import pytest
import xxhash

import read_manifest
from gridtest import MIB, write, write_random
from rss import measured_create

pytestmark = pytest.mark.large
GIB = 1 << 30
RSS_LIMIT_KIB = 64 << 10


def room_for(path, size):
    if shutil.disk_usage(path).free < size + 2 * GIB:
        pytest.skip(f"needs {size >> 30} GiB of free disk below {path}")


@pytest.fixture
def measured(grid, tmp_path):
    def run(*args, timeout=600):
        return measured_create(grid, tmp_path, *args, timeout=timeout)
    return run


def test_4_gib_and_20000_files(grid, tree, tmp_path, measured):
    room_for(tmp_path, 10 * GIB)
    write_random(tree, "large.bin", 4 * GIB)
    for i in range(20_000):
        write_random(tree, f"small/{i % 100:02}/{i:05}.bin", 16 << 10, seed=i)
    assert measured(tree) <= RSS_LIMIT_KIB
    diff = subprocess.run(["diff", "-r", tree, grid.version("tree") / "data"], capture_output=True, text=True)
    assert diff.returncode == 0, diff.stdout[:2000]
    grid.check("tree")
    grid("datastore", "verify", "tree", "--deep", code=0, timeout=300)
    victim = grid.version("tree") / "data/large.bin"
    victim.chmod(0o644)
    with open(victim, "r+b") as f:
        f.seek(3 * GIB + 12345)
        byte = f.read(1)[0]
        f.seek(3 * GIB + 12345)
        f.write(bytes([byte ^ 0x10]))
    found = grid("datastore", "verify", "tree", "--deep", code=1, timeout=300)
    assert "large.bin" in found.text


def real_tree(grid, source, measured):
    rss = measured(source, "--symlinks", "keep", "--name", "real", "--skip-unreadable", timeout=1800)
    assert rss <= RSS_LIMIT_KIB
    grid.check("real", source, follow=False)
    grid("datastore", "verify", "real", code=0, timeout=600)


def test_real_tree(grid, measured):
    real_tree(grid, "/usr/include", measured)


def test_real_tree_with_links_followed(grid, tmp_path):
    grid.create("/usr/share/doc", "--name", "doc", timeout=300)
    grid.check("doc", "/usr/share/doc")


@pytest.mark.full
def test_usr(grid, tmp_path, measured):
    room_for(tmp_path, 12 * GIB)
    real_tree(grid, "/usr", measured)


def test_memory_for_a_sparse_file(grid, tree, tmp_path, measured):
    size = 16 * GIB
    room_for(tmp_path, size)
    with open(tree / "sparse.img", "wb") as f:
        f.truncate(size)
        f.seek(size // 2)
        f.write(b"not all of it")
    assert measured(tree) <= RSS_LIMIT_KIB
    # Block by block, without reading all the zeros in Python.
    (_, line, file), = read_manifest.entries(grid.version("tree"))
    assert line["size"] == os.path.getsize(file) == size
    block = line["block_size"]
    assert block == 16 * MIB
    zero = xxhash.xxh3_128(bytes(block)).digest()
    with open(file, "rb") as f:
        f.seek(size // 2)
        middle = f.read(block)
    assert middle.startswith(b"not all of it") and middle.count(0) == block - 13
    half = size // 2 // block
    expected = zero * half + xxhash.xxh3_128(middle).digest() + zero * (half - 1)
    assert base64.b64decode(line["blocks"]) == expected
    assert line["hash"] == xxhash.xxh3_128(expected).hexdigest()


def test_memory_for_200000_small_files(grid, tree, tmp_path, measured):
    for i in range(200):
        folder = tree / f"d{i:03}"
        folder.mkdir()
        at = os.open(folder, os.O_RDONLY)
        for j in range(1000):
            f = os.open(f"file-{j:04}", os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=at)
            os.write(f, b"%d/%d" % (i, j))
            os.close(f)
        os.close(at)
    assert measured(tree) <= RSS_LIMIT_KIB
    found = grid.check("tree")
    assert len(found) == 200_000
    assert (grid.version("tree") / "data/d123/file-0456").read_bytes() == b"123/456"


@pytest.mark.full
def test_memory_for_one_folder_of_500000(grid, tree, measured):
    at = os.open(tree, os.O_RDONLY)
    for i in range(500_000):
        os.close(os.open(f"{i * 7919 % 1_000_003:07}-{'x' * 40}", os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=at))
    os.close(at)
    assert measured(tree, timeout=1800) <= RSS_LIMIT_KIB
    assert len(grid.check("tree")) == 500_000


@pytest.mark.full
def test_many_large_files(grid, tree, measured):
    for i in range(60):
        write_random(tree, f"f{i}", 64 * MIB, seed=i)
    write(tree, "a", "x")
    assert measured(tree, timeout=600) <= RSS_LIMIT_KIB
    grid.check("tree", tree)
