"""Run a command; write its peak resident size in KiB and its CPU time in seconds to a file.

A process of its own: the figure of a child begins with what its parent held when it forked.
"""

import os
import sys
import time


def measured_create(grid, tmp_path, *args, timeout):
    """grid.create, and its peak resident size in KiB."""
    return measured_run(grid, tmp_path, "datastore", "create", *args, timeout=timeout)


def measured_run(grid, tmp_path, *args, timeout):
    """A run that must succeed, and its peak resident size in KiB."""
    report = tmp_path / "usage"
    grid.prefix = [sys.executable, "-ISE", os.path.abspath(__file__), str(report)]
    started = time.monotonic()
    grid(*args, code=0, timeout=timeout)
    grid.prefix = []
    rss, cpu = report.read_text().split()
    print(f"peak {int(rss) / 1024:.1f} MiB, {float(cpu):.1f} CPU s, {time.monotonic() - started:.1f} s")
    return int(rss)


def main(report, *command):
    pid = os.fork()
    if pid == 0:
        os.execv(command[0], command)
    _, status, usage = os.wait4(pid, 0)
    with open(report, "w") as f:
        f.write(f"{usage.ru_maxrss} {usage.ru_utime + usage.ru_stime:.3f}")
    sys.exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main(*sys.argv[1:])
