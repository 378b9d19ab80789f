"""What a person reads: the words of an end, of a refusal, of a long wait."""

import os
import pty
import signal
import socket

import pytest

from gridtest import MIB, Terminal, write, write_random
from test_signals import lasting, lasting_tree, until_some_are_stored  # noqa: F401

pytestmark = pytest.mark.fast


def test_watching_what_is_not_there_shows_the_error(grid):
    t = Terminal(grid, "datastore", "status", "nosuch", "--watch")
    assert t.wait(20) == 1
    assert "nosuch" in t.text.rpartition("\x1b[J")[2], f"erased: {t.text!r}"


@pytest.mark.parametrize("number, words", [(signal.SIGINT, "interrupted (SIGINT)"),
                                           (signal.SIGTERM, "terminated (SIGTERM)"),
                                           (None, "asked to stop")])
def test_status_says_what_the_run_said(grid, lasting, number, words):  # noqa: F811
    if number is None:
        grid("datastore", "stop", "tree", code=0)
    else:
        lasting.send(number)
    assert lasting.wait(20).event("stopped")["reason"] == words
    assert f"stopped: {words}\n" in grid("datastore", "status", "tree", code=0).out
