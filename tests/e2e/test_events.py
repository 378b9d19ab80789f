"""--json: what scripts rely on."""

import re

import pytest

from gridtest import MIB, RECORDS, mixed_tree, write, write_random

pytestmark = pytest.mark.fast

NUMBER, TEXT, FLAG = (int, float), str, bool
FIELDS = {
    "session": {"name": TEXT, "version": int, "cluster": TEXT, "source": TEXT, "resumed": FLAG,
                "session_id": TEXT},
    "scan": {"files": int, "bytes": int, "done": FLAG},
    "progress": {"files_done": int, "files_total": int, "bytes_done": int, "bytes_total": int,
                 "bytes_in_flight": int, "bytes_sent": int, "rate": NUMBER, "eta_s": (int, float, type(None)), "retries": int,
                 "connections": int, "state": TEXT},
    "warning": {"kind": TEXT, "message": TEXT},
    "error": {"kind": TEXT, "message": TEXT},
    "published": {"name": TEXT, "version": int, "cluster": TEXT, "url": TEXT, "files": int,
                  "bytes": int, "bytes_sent": int, "bytes_copied": int, "parts": int,
                  "requests": int, "retries": int, "root": TEXT, "seconds": NUMBER},
    "unchanged": {"name": TEXT, "version": int},
    "stopped": {"resumable": FLAG, "exit_code": int, "reason": TEXT},
}
STATES = {"scanning", "uploading", "waiting_network", "waiting_credentials", "publishing"}
LAST = {"published", "unchanged", "stopped"}


def check_stream(events):
    assert events and events[-1]["event"] in LAST
    assert not any(e["event"] in LAST for e in events[:-1]), "the last one is last"
    times = [e["time"] for e in events]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", t) for t in times)
    assert times == sorted(times)
    for event in events:
        for field, kind in FIELDS[event["event"]].items():
            assert isinstance(event.get(field), kind), f"{field} of {event}"
            assert kind is FLAG or not isinstance(event[field], bool), f"{field} of {event}"
        for field in ("path", "hint"):
            assert isinstance(event.get(field, ""), str)
    progress = [e for e in events if e["event"] == "progress"]
    for event in progress:
        assert event["state"] in STATES
        assert 0 <= event["files_done"] <= event["files_total"]
        assert 0 <= event["bytes_done"] <= event["bytes_total"]
    for field in ("files_done", "bytes_done", "bytes_sent"):
        values = [e[field] for e in progress]
        assert values == sorted(values), f"{field} goes back: {values}"


def test_of_a_run(grid, tree):
    mixed_tree(tree)
    events = grid.create_json(tree).events
    check_stream(events)
    session = next(e for e in events if e["event"] == "session")
    assert (session["name"], session["version"], session["cluster"]) == ("tree", 1, "local")
    assert session["resumed"] is False and str(tree) in session["source"]
    published = events[-1]
    files = [p for p in tree.rglob("*") if p.is_file()]
    assert published["files"] == len(files)
    assert published["bytes"] == sum(f.stat().st_size for f in files)
    assert 0 <= published["bytes_sent"] - published["bytes"] < RECORDS
    assert published["bytes_copied"] == 0 and published["retries"] == 0
    assert published["root"].startswith("sha256:") and published["url"].startswith("file:///")
    scan = [e for e in events if e["event"] == "scan"][-1]
    assert scan["done"] and scan["files"] == published["files"] and scan["bytes"] == published["bytes"]


def test_of_a_lasting_run(grid, tree, slow):
    for i in range(40):
        write_random(tree, f"f{i}", 100_000, seed=i)
    events = grid.create_json(tree, "--jobs", "2", env=slow(80)).events
    check_stream(events)
    progress = [e for e in events if e["event"] == "progress"]
    assert 2 <= len(progress) <= 1 + events[-1]["seconds"] + 1, "at most once a second"


def test_of_an_interrupted_run(grid, tree, slow):
    write_random(tree, "big", 64 * MIB)
    running = grid.start("datastore", "create", tree, "--json", env=slow(100))
    running.until_event("progress")
    running.process.terminate()
    result = running.wait(20)
    check_stream(result.events)
    assert result.events[-1]["exit_code"] == result.code == 75


def test_of_a_failure(grid, tree):
    write(tree, "a", "x")
    (tree / "file").write_text("x")
    env = {"GRID_STORE": f"file://{tree}/file"}
    result = grid.create_json(tree / "a", code=None, env=env)
    assert result.code in (1, 77)
    error = result.event("error")
    assert str(tree / "file") in error["message"]
    assert result.events[-1]["event"] == "stopped" and result.events[-1]["exit_code"] == result.code


def test_events_are_flushed_as_they_come(grid, tree, slow):
    write_random(tree, "big", 64 * MIB)
    running = grid.start("datastore", "create", tree, "--json", env=slow(100))
    running.until_event("session", 5)
    assert running.process.poll() is None
