"""Who is alive: a process is named by its pid and its start time, because pids are reused.

The start time is field 22 of ``/proc/<pid>/stat``, in clock ticks (1/100 s) since boot. Both fit one int64,
the *owner token*, so that a place in a ring can be taken with one compare-exchange. A zombie counts as dead:
it runs no more code. Failure modes: another pid namespace (a container per process) sees other numbers, so
processes that share a ring must share a pid namespace too; a reboot empties /dev/shm along with the clock.
"""

from __future__ import annotations

import os
from typing import Final

__all__ = ["PID_BITS", "is_alive", "own_identity", "owner_token", "process_start_time", "split_token"]

PID_BITS: Final = 22  # Linux: PID_MAX_LIMIT is 2**22
_DEAD_STATES: Final = frozenset("ZXx")


def process_start_time(pid: int) -> int:
    """Return the start time of a running process in clock ticks since boot, 0 if there is none."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            text = stat.read().decode("ascii", "replace")
    except (FileNotFoundError, ProcessLookupError):
        return 0
    # field 2 is the program's name in parentheses and may hold anything, so count from its last parenthesis
    fields = text[text.rindex(")") + 2 :].split()
    return 0 if fields[0] in _DEAD_STATES else int(fields[19])


def is_alive(pid: int, start_time: int) -> bool:
    """Tell whether the process of that pid and start time still runs; pid 0 is nobody."""
    if pid <= 0:
        return False
    running = process_start_time(pid)
    return running != 0 and running == start_time


def own_identity() -> tuple[int, int]:
    """Return the pid and start time of this process."""
    pid = os.getpid()
    return pid, process_start_time(pid)


def owner_token(pid: int, start_time: int) -> int:
    """Pack pid and start time into one positive int64; 0 means nobody."""
    return start_time << PID_BITS | pid


def split_token(token: int) -> tuple[int, int]:
    """Return the (pid, start time) of an owner token."""
    return token & (1 << PID_BITS) - 1, token >> PID_BITS
