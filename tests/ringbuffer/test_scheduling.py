"""Short slices: granted or refused, the thread goes on as before."""

from __future__ import annotations

import os
import threading

from ringbuffer.scheduling import ask_for_short_slices


def test_policy_and_nice_stay() -> None:
    """Asking changes neither policy nor niceness of the thread, nor anything of its process's other threads."""
    found = []

    def ask() -> None:
        granted = ask_for_short_slices()
        found.append((granted, os.sched_getscheduler(0), os.nice(0)))

    before = (os.sched_getscheduler(0), os.nice(0))
    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert found[0][0] in (True, False)
    assert found[0][1:] == before
    assert (os.sched_getscheduler(0), os.nice(0)) == before


def test_a_policy_of_its_own_is_left_alone() -> None:
    """A process that was given a real-time or batch policy keeps it."""
    pid = os.fork()
    if pid == 0:
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        os._exit(0 if not ask_for_short_slices() and os.sched_getscheduler(0) == os.SCHED_BATCH else 1)
    assert os.waitpid(pid, 0)[1] == 0
