"""
The benchmark's sink, and how bench/run drives the clients: so that neither rots between two measurements.  No time is
looked at here.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from gridtest import program, write

REPO = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPO / "bench"))

import clients  # noqa: E402
import measure  # noqa: E402
import report  # noqa: E402

FILES, LARGE = 300, 20 << 20
BYTES = sum(range(FILES)) * 10 + LARGE


@pytest.fixture
def small_tree(tree):
    """300 files of which one is sent in parts."""
    for i in range(FILES - 1):
        write(tree, f"{i % 7}/{i:03}.bin", bytes([i % 251]) * (i * 10))
    write(tree, "large.bin", bytes(range(256)) * (LARGE // 256) + bytes(299 * 10))
    return tree


@pytest.fixture(params=["http", "https"])
def sink(request, tree):
    started = measure.Sink(is_tls=request.param == "https", serve=tree)
    yield started
    if started.process.returncode is None:
        started.stop()


def job_for(sink, source, tmp_path):
    folder = tmp_path / "job"
    folder.mkdir()
    return clients.Job(sink, source, folder)


def run(command, job):
    return subprocess.run(list(map(str, command)), env=job.env, capture_output=True, text=True, timeout=120)


def test_grid_finds_a_store_that_verifies_and_every_byte_again(sink, small_tree, tmp_path, monkeypatch):
    monkeypatch.setattr(clients.Grid, "where", lambda self: program())
    job = job_for(sink, small_tree, tmp_path)
    done = run([*clients.Grid().put_many(job), "--json"], job)
    assert done.returncode == 0, done
    assert "store_does_not_verify" not in done.stdout + done.stderr
    done = run([program(), "datastore", "verify", "x", "--deep"], job)
    assert done.returncode == 0, done
    counts = sink.stop()
    # Data, manifest, records of the session, and what the probe sends.
    assert FILES - 1 <= counts["requests"]["PUT"] <= FILES + 30, counts
    assert BYTES <= counts["bytes_in"] <= BYTES * 1.1 + (1 << 20), counts
    assert BYTES <= counts["bytes_out"] <= BYTES * 1.1, counts
    assert 1 <= counts["most_at_once"] <= counts["connections"], counts


def test_damage_is_found(sink, small_tree, tmp_path, monkeypatch):
    """That the bytes that were read back were really compared."""
    monkeypatch.setattr(clients.Grid, "where", lambda self: program())
    job = job_for(sink, small_tree, tmp_path)
    assert run(clients.Grid().put_many(job), job).returncode == 0
    write(small_tree, "0/007.bin", b"y" * 70)
    done = run([program(), "datastore", "verify", "x", "--deep"], job)
    assert done.returncode == 1 and "0/007.bin" in done.stdout + done.stderr, done


def others():
    """Those that need no port of their own."""
    return [c for c in clients.ALL if c.name not in clients.OURS and hasattr(c, "put_many")
            and not hasattr(c, "default_port")]


@pytest.mark.parametrize("client", others(), ids=lambda c: c.name)
def test_another_client_sends_everything(client, sink, small_tree, tmp_path):
    if client.where() is None:
        pytest.skip(f"{client.name} is not installed (packages/install bench.txt)")
    job = job_for(sink, small_tree, tmp_path)
    done = run(client.put_many(job), job)
    assert done.returncode == 0, done
    counts = sink.stop()
    assert counts["requests"]["PUT"] >= FILES, counts
    assert BYTES <= counts["bytes_in"] <= BYTES * 1.1, counts


def figures(**cpu_s):
    run = {"wall_s": 1.0, "rss_mb": 10, "connections": 1, "requests": {"PUT": 1}, "most_at_once": 1, "sink_cpu_s": 0,
           "others": 0}
    entries = {name: {"runs": [{**run, "cpu_s": c} for c in cpu], "amount": 2, "why": None}
               for name, cpu in cpu_s.items()}
    return {"machine": "m", "when": "today", "versions": {}, "missing": ["s5cmd"], "micro": [],
            "cases": {"big-https": {"title": "A large file", "unit": "GiB", "clients": entries}}}


def test_report_compares_with_the_best_and_keeps_the_remarks(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "RESULTS", tmp_path / "RESULTS.md")
    report.write(figures(grid=[1.0, 2.0, 1.6], slow=[9.0], rclone=[3.0]))
    text = report.RESULTS.read_text()
    assert "| A large file | CPU s/GiB | 0.80 | 1.50 (rclone) | 1.88 | 0.90 | yes |" in text
    assert "| A large file | wall s | 1.00 | 1.00 (slow) | 1.00 | 1.0 × | yes |" in text
    assert "0.80 (0.50–1.00)" in text and "s5cmd" in text
    report.RESULTS.write_text(text.replace(report.BEGIN, f"{report.BEGIN}\n\nSeen: nothing."))
    report.write(figures(grid=[4.0], rclone=[3.0]))
    text = report.RESULTS.read_text()
    assert "| 2.00 | 1.50 (rclone) | 0.75 | 0.90 | **no** |" in text
    assert text.count("Seen: nothing.") == 1
    report.write(figures(grid=[4.0], rclone=[3.0]))
    assert report.RESULTS.read_text() == text
