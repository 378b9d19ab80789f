"""The figures of tests that put an upload into trouble: one line of JSON a story, for reliability.py."""

import fcntl
import json

import gridtest

RESULTS = gridtest.REPO / "build/results"
GROUPS = ("net", "faults", "crash")


def file_of(group):
    return RESULTS / f"reliability-{group}.jsonl"


def note(group, **figures):
    """One line; several processes may write at once."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    with open(file_of(group), "a") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        f.write(json.dumps(figures) + "\n")


def noted(group):
    file = file_of(group)
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
