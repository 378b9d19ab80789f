"""Run a command; write its peak resident size in KiB and its exit code to a file.

A process of its own: the figure of a child begins with what its parent held when it forked.
"""

import os
import sys

report, *command = sys.argv[1:]
pid = os.fork()
if pid == 0:
    os.execv(command[0], command)
_, status, usage = os.wait4(pid, 0)
with open(report, "w") as f:
    f.write(f"{usage.ru_maxrss} {usage.ru_utime + usage.ru_stime:.3f}")
sys.exit(os.waitstatus_to_exitcode(status))
