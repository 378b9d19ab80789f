"""
Network namespaces for tests: made and removed by iproute2, entered by a thread.

A name belongs to one test run.  A socket stays in the namespace in which it was made, and a process
or thread begins in that of the thread that starts it; so a test may listen in one namespace and ask
in another.
"""

import contextlib
import ctypes
import os
import subprocess

CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)


class CannotRun(Exception):
    """Why there are no namespaces here; the tests that need them are skipped."""


def ip(*words, inside=None, may_fail=False):
    command = ["ip", *(["-n", inside] if inside else []), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert may_fail or done.returncode == 0, f"{' '.join(command)}: {done.stderr.strip()}"
    return done.stdout


def run(name, *words, may_fail=False):
    """A command inside."""
    done = subprocess.run(["ip", "netns", "exec", name, *map(str, words)], capture_output=True, text=True)
    assert may_fail or done.returncode == 0, f"{' '.join(map(str, words))}: {done.stderr.strip()}"
    return done.stdout


def create(name):
    ip("netns", "add", name)
    ip("link", "set", "lo", "up", inside=name)


def delete(name):
    """Its devices go with it, and their peers."""
    ip("netns", "del", name, may_fail=True)


def must_be_possible():
    name = f"grid-try-{os.getpid()}"
    try:
        done = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
    except FileNotFoundError:
        raise CannotRun("there is no iproute2")
    if done.returncode != 0:
        raise CannotRun(f"no network namespace can be made: {done.stderr.strip()}")
    made = subprocess.run(["ip", "-n", name, "link", "add", "try0", "type", "veth", "peer", "try1"],
                          capture_output=True, text=True)
    delete(name)
    if made.returncode != 0:
        raise CannotRun(f"no pair of network devices can be made: {made.stderr.strip()}")
    if not os.path.exists("/dev/net/tun"):
        raise CannotRun("there is no /dev/net/tun")


def enter(path):
    """The calling thread goes there."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if LIBC.setns(fd, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"setns {path}")
    finally:
        os.close(fd)


@contextlib.contextmanager
def inside(name):
    """The calling thread is there for a while, with the threads and processes that it starts."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    enter(f"/run/netns/{name}")
    try:
        yield
    finally:
        LIBC.setns(home, CLONE_NEWNET)
        os.close(home)
