"""Who is alive."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringbuffer.liveness import is_alive, own_identity, owner_token, process_start_time, split_token

pytestmark = pytest.mark.jitoff


def test_this_process_is_alive() -> None:
    """We are alive under our pid and start time, and under no other start time."""
    pid, start_time = own_identity()
    assert pid == os.getpid()
    assert start_time > 0
    assert is_alive(pid, start_time)
    assert not is_alive(pid, start_time + 1)


def test_nobody_is_not_alive() -> None:
    """Pid 0, negative pids and one beyond the largest are nobody."""
    for pid in (0, -1, 2**22 + 1):
        assert process_start_time(pid) == 0 or pid <= 0
        assert not is_alive(pid, 0)


def test_a_zombie_is_dead() -> None:
    """A killed child counts as dead even before its parent has reaped it."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        start_time = process_start_time(child.pid)
        assert is_alive(child.pid, start_time)
        child.kill()
        deadline = time.monotonic() + 30
        while is_alive(child.pid, start_time):
            assert time.monotonic() < deadline, "expected a zombie to be dead"
        assert os.path.exists(f"/proc/{child.pid}")


def test_a_name_with_parentheses_does_not_confuse_the_start_time() -> None:
    """A process may call itself anything, spaces and parentheses included."""
    program = "import ctypes; ctypes.CDLL(None).prctl(15, b') R 1 (', 0, 0, 0); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        before = process_start_time(child.pid)
        child.stdout.readline()
        assert process_start_time(child.pid) == before > 0
        child.kill()


@given(st.integers(1, 2**22 - 1), st.integers(0, 2**40))
def test_owner_tokens_round_trip(pid: int, start_time: int) -> None:
    """A token holds pid and start time, is positive, and never 0."""
    token = owner_token(pid, start_time)
    assert split_token(token) == (pid, start_time)
    assert 0 < token < 2**63
