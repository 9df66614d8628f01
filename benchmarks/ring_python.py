"""What a Python user has today, as contestants: multiprocessing.Queue, and shared memory with a lock.

Two processes on two cores hand over records of 64 bytes, one by one; the reader adds up all their words. The lock
guards head, tail and slots of a ring in ``multiprocessing.shared_memory``; who finds it full or empty gives its
core away for a moment.
"""

from __future__ import annotations

import multiprocessing
import os
import struct
import time
from collections.abc import Callable
from multiprocessing.shared_memory import SharedMemory
from typing import Any, Final

from benchmarks.measure import expect_equal
from benchmarks.ring_crew import Crew, Part
from benchmarks.ring_ours import Contestant
from benchmarks.ring_workloads import Workload, sum_of_sent

__all__ = ["LOCK", "QUEUE", "LockedRing", "QueuePeer"]

QUEUE: Final = "mp_queue"
LOCK: Final = "shm_lock"
RECORD: Final = struct.Struct("<8q")
ENDS: Final = struct.Struct("<2q")  # how many were put, how many were taken
SLOTS: Final = 1 << 12


def _record(number: int) -> bytes:
    return RECORD.pack(*range(number, number + 8))


class _Pair(Contestant):
    """A producer and a reader in Python, started together; each answers when it began and ended."""

    slot_bytes = RECORD.size

    def __init__(self, workload: Workload, cores: tuple[int, int], put: Callable[[bytes], None],
                 get: Callable[[], bytes]) -> None:  # fmt: skip
        self._workload = workload

        def produce(messages: int) -> tuple[int, int, int]:
            started_ns = time.monotonic_ns()
            for number in range(messages):
                put(_record(number))
            return started_ns, time.monotonic_ns(), 0

        def consume(messages: int) -> tuple[int, int, int]:
            started_ns = time.monotonic_ns()
            total = 0
            for _ in range(messages):
                total += sum(RECORD.unpack(get()))
            return started_ns, time.monotonic_ns(), total

        self._crew = Crew([Part({cores[0]}, produce), Part({cores[1]}, consume)])

    def run(self, messages: int) -> float:
        """Run a slice and return its nanoseconds."""
        (started_ns, _, _), (_, ended_ns, total) = self._crew.run(messages)
        expect_equal(f"ring: {self.peer}: sum of all words",
                     sum_of_sent(self._workload, messages, self.slot_bytes), total)  # fmt: skip
        return float(ended_ns - started_ns)

    def close(self) -> None:
        """End the processes."""
        self._crew.close()


class QueuePeer(_Pair):
    """multiprocessing.Queue."""

    peer = QUEUE
    strategy = "blocking"

    def __init__(self, workload: Workload, cores: tuple[int, int]) -> None:
        self._queue: Any = multiprocessing.get_context("fork").Queue()
        super().__init__(workload, cores, self._queue.put, self._queue.get)

    def close(self) -> None:
        """End the processes and the queue."""
        super().close()
        self._queue.close()
        self._queue.join_thread()


class LockedRing(_Pair):
    """multiprocessing.shared_memory with a multiprocessing.Lock."""

    peer = LOCK
    strategy = "yielding"

    def __init__(self, workload: Workload, cores: tuple[int, int]) -> None:
        self._memory = SharedMemory(create=True, size=ENDS.size + SLOTS * RECORD.size)
        buffer: Any = self._memory.buf
        ENDS.pack_into(buffer, 0, 0, 0)
        lock = multiprocessing.get_context("fork").Lock()

        def put(record: bytes) -> None:
            while True:
                with lock:
                    sent, taken = ENDS.unpack_from(buffer)
                    if sent - taken < SLOTS:
                        start = ENDS.size + sent % SLOTS * RECORD.size
                        buffer[start : start + RECORD.size] = record
                        ENDS.pack_into(buffer, 0, sent + 1, taken)
                        return
                os.sched_yield()

        def get() -> bytes:
            while True:
                with lock:
                    sent, taken = ENDS.unpack_from(buffer)
                    if sent > taken:
                        start = ENDS.size + taken % SLOTS * RECORD.size
                        record = bytes(buffer[start : start + RECORD.size])
                        ENDS.pack_into(buffer, 0, sent, taken + 1)
                        return record
                os.sched_yield()

        super().__init__(workload, cores, put, get)

    def close(self) -> None:
        """End the processes and take the memory away."""
        super().close()
        self._memory.close()
        self._memory.unlink()
