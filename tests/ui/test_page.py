"""The page, driven in a browser, over the embedded store."""

import hashlib
import json

from gridtest import MIB, REPO, mixed_tree, write, write_random

RESULTS = REPO / "build/results/ui"


def big_folder(tree):
    mixed_tree(tree)
    for i in range(250):
        write(tree, f"many/more-{i:03}.dat", b"x" * i)
    return 300  # entries of many/


def test_create_from_a_folder_of_this_machine(ui, grid, tmp_path):
    folder = tmp_path / "Some Folder!"
    folder.mkdir()
    mixed_tree(folder)
    seen = ui.case("create_local", parent=str(tmp_path), folder="Some Folder!", counted="59 files, 72")
    assert seen["proposed"] == "somefolder"
    grid.check("somefolder", folder)
    assert seen["root"] == grid("datastore", "list", "--json").events[0]["root"]
    assert grid("datastore", "verify", "somefolder", "--deep").code == 0


def test_look_at_one_and_delete_it(ui, grid, tree):
    many = big_folder(tree)
    grid("datastore", "create", tree, "--name", "looked-at", code=0)
    seen = ui.case("look", name="looked-at", many=many, download="blocks.bin")
    assert "grid datastore verify looked-at:1 --deep" in seen["commands"]
    assert seen["filename"] == "blocks.bin"
    assert seen["sha256"] == hashlib.sha256((tree / "blocks.bin").read_bytes()).hexdigest()
    assert not grid.version("looked-at").joinpath("datastore.json").exists()
    assert grid("datastore", "list", "--json").out == ""


def test_folders_are_in_the_address(ui, grid, tree):
    mixed_tree(tree)
    for name in (b"odd \xff", "# 100 %?&+ü".encode(), b"..."):
        write(tree, name + b"/inner.txt", "inner\n")
    grid.create(tree, "--name", "walked")
    ui.case("folders", name="walked", tree=str(tree), odd=["odd \ufffd", "# 100 %?&+ü", "..."])


def test_the_folder_that_is_shown_is_the_one_that_is_chosen(ui, tree):
    write(tree, "set /right.txt", "x")
    for i in range(3):
        write(tree, f"set/{i}.txt", "x")
    ui.case("spaced", folder=str(tree))


def test_what_is_said_goes_with_its_view(ui, tree):
    mixed_tree(tree)
    ui.case("leave", folder=str(tree))


def test_what_a_button_has_done_stands_near_it(ui, grid, tree, tmp_path):
    mixed_tree(tree)
    grid.create(tree, "--name", "whole")
    grid.create(tree, "--name", "damaged")
    (grid.version("damaged") / "data/a.txt").unlink()
    grid("login", "--cluster", "other", "--store", f"file://{tmp_path}/other", code=0)
    grid("user", "set-cluster-context", "local", code=0)
    ui.case("outcome", name="whole", damaged="damaged", other="other")


def test_a_login_to_where_nothing_answers(ui):
    ui.case("dead", endpoint="http://127.0.0.1:1")


def test_a_cluster_that_cannot_be_asked(start_ui, grid):
    write(grid.home, "config/grid/config.json", json.dumps(
        {"format": 1, "last_login": "lab", "clusters": {"lab": {"store": "s3://bucket/sets", "endpoint": "http://127.0.0.1:1"}}}))
    start_ui().case("nokeys", cluster="lab")


def slow_session(grid, tree, slow, name):
    """Begun in a terminal, and slow enough to be looked at."""
    for i in range(12):
        write_random(tree, f"large-{i}.bin", 20 * MIB, seed=i)
    running = grid.start("datastore", "create", tree, "--name", name, "--json", env=slow(150))
    running.until_event("session")
    return running


def test_a_session_of_a_terminal_is_paused_and_resumed(ui, grid, tree, slow):
    running = slow_session(grid, tree, slow, "begun-outside")
    ui.case("sessions", name="begun-outside", source=str(tree))
    assert running.wait().code == 75
    grid.check("begun-outside", tree)


def test_the_limit_is_shown_and_kept(ui, grid, tree):
    write_random(tree, "large", 48 * MIB)
    running = grid.start("datastore", "create", tree, "--name", "limited", "--bwlimit", "2M", "--json")
    running.until_event("session")
    ui.case("limited", name="limited")
    assert running.wait().code == 75
    grid.check("limited", tree)
    log = next(grid.sessions.glob("limited-*.log")).read_text()
    assert "the limit is 1572864 bytes a second now" in log and "limit_kept" in log


def test_what_was_deleted_since_is_no_link(ui, grid, tree, tmp_path):
    other = tmp_path / "other"
    for folder in (tree, other):
        write(folder, "a", b"x")
        grid.create(folder, "--name", "short-lived")
    grid("datastore", "delete", "--name", "short-lived", "--version", "1", "--yes", code=0)
    ui.case("deleted", name="short-lived")


def test_a_session_is_given_up(ui, grid, tree, slow):
    slow_session(grid, tree, slow, "given-up")
    ui.case("sessions", name="given-up", source=str(tree), giveUp=True)
    assert not list(grid.version("given-up").glob("data/*"))
    assert "given-up" not in grid("datastore", "status").text


def test_sessions_go_on_when_the_page_ends(ui, grid, tree, slow):
    for i in range(12):
        write_random(tree, f"large-{i}.bin", 20 * MIB, seed=i)
    ui.grid.env.update(slow(100))
    other = type(ui)(grid)
    other.case("begin", folder=str(tree), name="goes-on")
    other.running.send(2)
    assert other.running.wait(10).code == 0
    assert not grid.published("goes-on")
    finished = ui.running.until(lambda: grid.published("goes-on"), "it is published", timeout=60)
    assert finished == [1]
    grid.check("goes-on", tree)


def test_every_view_at_three_widths_light_and_dark(ui, grid, tree, tmp_path, slow):
    """The pictures are in build/results/ui."""
    mixed_tree(tree)
    grid.create(tree, "--name", "imagenet-validation")
    grid.create(tree, "--name", "imagenet-validation")
    grid.create(tree, "--name", "a-name-that-is-rather-long.and_goes-on_for_quite-a-while.2026")
    other = tmp_path / "other"
    other.mkdir()
    slow_session(grid, other, slow, "on-its-way")
    slow_session(grid, other, slow, "paused").send(2)
    ui.case("screens", name="imagenet-validation")
    for view in ("datastores", "datastore", "new-machine", "new-browser", "new-url", "sessions", "clusters"):
        for width in (400, 1000, 2000):
            assert (RESULTS / f"{view}-{width}-dark.png").stat().st_size > 5000
