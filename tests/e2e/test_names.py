"""Names: of datastores, and of files that no one would think of."""

import hashlib
import os
import subprocess

import pytest

from gridtest import Terminal, write
from read_manifest import open_below

pytestmark = pytest.mark.fast


@pytest.mark.parametrize("folder, name", [
    ("imagenet_folder", "imagenet_folder"),
    ("esRedditJson", "esredditjson"),
    ("My Data Set", "mydataset"),
    ("v1.2-final", "v1.2-final"),
    ("_hidden", "hidden"),
    (".cache", "cache"),
    ("naïve café", "navecaf"),
    ("a+b=c", "abc"),
    ("x" * 200, "x" * 128),
])
def test_name_from_a_folder(grid, tmp_path, folder, name):
    write(tmp_path / folder, "a", "x")
    grid.create(tmp_path / folder)
    assert grid.published(name) == [1]


@pytest.mark.parametrize("file, name", [
    ("photo.PNG", "photo"), ("trainingSet.zip", "trainingset"), ("noSuffix", "nosuffix")])
def test_name_from_a_file(grid, tmp_path, file, name):
    write(tmp_path, file, "x")
    grid.create(tmp_path / file)
    assert grid.published(name) == [1]


def test_name_that_leaves_nothing(grid, tmp_path):
    write(tmp_path / "日本", "a", "x")
    assert "--name" in grid.create(tmp_path / "日本", code=2).err


@pytest.mark.parametrize("name", ["", "-x", ".x", "a b", "a/b", "../up", "é", "a:1", "x" * 129, "a\nb"])
def test_given_name_that_cannot_be(grid, tree, name):
    write(tree, "a", "x")
    result = grid.create(tree, f"--name={name}", code=2)
    assert "name" in result.err
    assert not grid.store.exists() or not list(grid.store.iterdir())


def test_names_compare_case_folded_in_a_directory(grid, tree):
    write(tree, "a", "x")
    grid.create(tree, "--name", "Data")
    result = grid.create(tree, "--name", "data", code=None)
    assert result.code in (0, 1, 2) and (result.code == 0 or "Data" in result.err)
    assert [p.name for p in grid.store.iterdir() if p.name.lower() == "data"] == ["Data"]
    grid.check("Data", tree)


ODD = [
    b"line\nbreak", b"tab\there", b"esc\x1b[31mred\x1b[0m", b"bell\x07", b"del\x7f", b"cr\rlf",
    b"not utf8 \xff\xfe", b"latin1 caf\xe9", b"overlong \xc0\xaf", b"surrogate \xed\xa0\x80",
    "noncharacter \ufffe".encode(), "noncharacter \uffff".encode(),
]
PLAIN = [
    b"100% %s %n %d", b"quote'single", b'quote"double', b"back\\slash", b"`tick` $HOME $(x)",
    b" leading and trailing ", b"-dash", b"--name", b"star*?[a]", b"semi;colon&pipe|", b"#hash",
    b"tilde~", b"...", b"..a", b"a..", "Ünï/日本/🙂".encode(), b"q?x=1&y=2", b"colon:at@plus+",
    "combining e\u0301".encode(), "nbsp\u00a0 rtl \u202egnp.exe".encode(), "\ufeffbom".encode(),
    b"n" * 255, ("é" * 127).encode(),
]


def test_every_kind_of_file_name(grid, tree):
    for i, name in enumerate(ODD + PLAIN):
        write(tree, name, b"content %d" % i)
        write(tree, b"in/" + name + b"/file", b"inner %d" % i)
    grid.create(tree)
    found = grid.check("tree", tree)
    for name in ODD:
        assert found[name]["key"] == "odd/" + hashlib.sha256(name).hexdigest()
        assert b"in/" + name + b"/file" in found
    for name in PLAIN:
        assert "key" not in found[name], name
    grid("datastore", "verify", "tree", "--deep", code=0)


def test_odd_names_do_not_reach_the_terminal_raw(grid, tree):
    for name in ODD:
        write(tree, name, "x")
    (tree / "dang\x1b[2Jling").symlink_to("nowhere")
    made = grid.create(tree, "--verbose").raw
    for args in (["files", "tree"], ["verify", "tree"], ["url", "tree", ODD[0]]):
        script = Terminal(grid, "datastore", *args)
        assert script.wait() == 0
        made += bytes(script.shown)
    assert b"\x1b" not in made and b"\x07" not in made and b"\x7f" not in made
    made.decode("utf-8")  # nothing that is not UTF-8 came through


def test_odd_names_in_json(grid, tree):
    for name in ODD + PLAIN:
        write(tree, name, "x")
    os.mkfifo(os.path.join(os.fsencode(tree), b"pipe \xff \x1b"))
    result = grid.create_json(tree)
    assert result.events[-1]["event"] == "published"
    result.raw.decode("utf-8")
    listed = grid("datastore", "files", "tree", "--json", code=0)
    assert len(listed.events) == len(ODD) + len(PLAIN)


def test_key_over_1024_bytes(grid, tree):
    parts = [b"d" * 200] * 6
    long = b"/".join(parts) + b"/file"
    assert len(long) > 1024
    write(tree, long, "deep content")
    short = b"/".join([b"e" * 100] * 9) + b"/file"
    write(tree, short, "less deep")
    grid.create(tree)
    found = grid.check("tree", tree)
    assert found[long]["key"] == "odd/" + hashlib.sha256(long).hexdigest()
    assert "key" not in found[short]


def test_path_beyond_path_max(grid, tree):
    components = [b"%03d" % i + b"p" * 240 for i in range(30)]
    fd = os.open(tree, os.O_RDONLY)
    for name in components:
        os.mkdir(name, dir_fd=fd)
        inner = os.open(name, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = inner
    f = os.open(b"bottom", os.O_WRONLY | os.O_CREAT, dir_fd=fd)
    os.write(f, b"the very bottom")
    os.close(f)
    os.mkdir(b"empty", dir_fd=fd)
    os.close(fd)
    path = b"/".join(components) + b"/bottom"
    assert len(path) > 4096
    grid.create(tree)
    found = grid.check("tree", tree)
    assert path in found and b"/".join(components) + b"/empty" in found
    with open_below(tree, path) as f:
        assert f.read() == b"the very bottom"
    subprocess.run(["rm", "-rf", tree], check=True)


def test_deep_and_narrow(grid, tree):
    path = "/".join("d" for _ in range(400))
    write(tree, path + "/f", "x")
    grid.create(tree)
    assert (path + "/f").encode() in grid.check("tree", tree)


def test_source_path_is_itself_odd(grid, tmp_path):
    folder = os.path.join(os.fsencode(tmp_path), b"odd \xff\n\x1b[31m dir")
    write(folder, "a", "x")
    result = grid.create_json(folder, "--name", "n")
    assert result.events[-1]["event"] == "published"
    grid.check("n", folder)
    result = grid.create(folder, "--name", "n")
    assert "\x1b" not in result.text
