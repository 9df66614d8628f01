"""Which processes of a pipeline live, and how those of one that hangs are ended before somebody takes its place.

Processes are those that the control segment names, each by pid and start time: who has such a pid by now is not meant.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from ringbuffer.errors import RingbufferError
from ringbuffer.liveness import is_alive
from ringbuffer.shm import Segment
from stages import control as ctl
from stages.memory import control_words, pipeline_id, segment_name

__all__ = ["fence", "processes_of"]

FENCE_TIMEOUT_S = 5.0
POLL_S = 0.001


def processes_of(data_dir: str | Path) -> list[tuple[int, int]]:
    """Return (pid, start time) of the supervisor and the workers of a pipeline that live."""
    try:
        control = control_words(Segment.attach(segment_name(pipeline_id(data_dir), "control")))
    except RingbufferError:
        return []
    found = [(int(control[ctl.CW_SUPERVISOR_PID]), int(control[ctl.CW_SUPERVISOR_START]))]
    for index in range(int(control[ctl.CW_WORKERS])):
        block = ctl.CW_WORKER_BLOCKS + index * ctl.WORKER_WORDS
        found.append((int(control[block + ctl.WW_PID]), int(control[block + ctl.WW_START])))
    return [(pid, start) for pid, start in found if pid and is_alive(pid, start)]


def fence(data_dir: str | Path) -> list[int]:
    """Kill the processes of a pipeline that hangs, and wait until they are gone; return their pids.

    Only processes whose start time is the one in the control segment. TimeoutError if one does not go.
    """
    processes = processes_of(data_dir)
    for pid, _ in processes:
        with suppress(ProcessLookupError):  # it has just left on its own
            os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + FENCE_TIMEOUT_S
    while any(is_alive(*process) for process in processes):
        if time.monotonic() > deadline:
            raise TimeoutError(
                f"{data_dir}: expected processes {processes} to end within {FENCE_TIMEOUT_S:g} s"
            )
        time.sleep(POLL_S)
    return [pid for pid, _ in processes]
