"""What each wait strategy costs: how late a reader sees a record, and how busy its core is while nothing comes.

A producer on one core publishes its clock at irregular moments, half a gap to a gap apart, long enough for every
strategy to get to its last stage but one; a reader on the other core waits by the strategy and takes the difference.
Then the reader waits for a record that never comes, as a reader in plain Python does (``consumer.wait``), and the
processor time of its process is what an idle reader uses.
"""

from __future__ import annotations

import time
import uuid
from contextlib import suppress
from typing import Any, Final

import numpy as np
from msgspec import Struct

from benchmarks import ring_trips as kernels
from benchmarks.measure import expect_equal
from benchmarks.ring_crew import Crew, Part
from benchmarks.ring_ours import expect_done, percentiles
from ringbuffer.errors import RingTimeout
from ringbuffer.layout import cursor_index
from ringbuffer.participant import start_bells
from ringbuffer.ring import Ring
from ringbuffer.sequence import new_local
from ringbuffer.wait import BLOCKING, STRATEGIES

__all__ = ["WaitRow", "measure_waits"]

READER: Final = 1
CAPACITY: Final = 1024
GAP_NS: Final = 1_000_000
RECORD: Final = np.dtype([("sent_ns", "<i8")])


class WaitRow(Struct, frozen=True, kw_only=True):
    """One strategy: nanoseconds from publication to sight, and the share of a core that waiting takes."""

    strategy: str
    p50_ns: float
    p99_ns: float
    max_ns: float
    records: int
    idle_percent: float
    idle_s: float


def measure_waits(cores: tuple[int, int], records: int, idle_s: float) -> list[WaitRow]:
    """Measure all strategies of the library, the reader on the second core."""
    return [_measure(name, cores, records, idle_s) for name in STRATEGIES]


def _measure(name: str, cores: tuple[int, int], records: int, idle_s: float) -> WaitRow:
    code = np.int64(STRATEGIES[name])
    segment = f"bench-wait-{uuid.uuid4().hex[:8]}"
    with Ring.create(segment, CAPACITY, RECORD, {"reader": ()}, observable=False) as ring:
        words, flat = ring.words, ring.slots.view(np.int64)
        local = new_local(words)
        if code == BLOCKING:
            start_bells(words)

        def produce(request: tuple[int, float]) -> Any:
            return int(kernels.tick(words, flat, local, np.int64(GAP_NS // 2), np.int64(request[0]))), None

        def read(request: tuple[int, float]) -> Any:
            samples = np.zeros(request[0], np.int64)
            done = int(kernels.wake(words, flat, code, samples))
            return done, samples if request[0] else _idle(ring, name, request[1])

        produce((0, 0.0))
        read((0, 0.0))
        with Crew([Part({cores[0]}, produce), Part({cores[1]}, read)]) as crew:
            crew.run((10, 0.0))
            (sent, _), (seen, samples) = crew.run((records, 0.0))
            expect_done(sent, seen)
            expect_equal(f"wait {name}: cursor", 10 + records, int(words[cursor_index(READER)]))
            _, (_, idle_percent) = crew.run((0, idle_s))
        p50_ns, p99_ns, _, max_ns = percentiles(samples)
    return WaitRow(
        strategy=name, p50_ns=p50_ns, p99_ns=p99_ns, max_ns=max_ns, records=records,
        idle_percent=round(idle_percent, 2), idle_s=idle_s,
    )  # fmt: skip


def _idle(ring: Ring, strategy: str, idle_s: float) -> float:
    """Return the percentage of a core that waiting for nothing takes."""
    with ring.consumer("reader", strategy=strategy) as records:
        started, used = time.monotonic(), time.process_time()
        with suppress(RingTimeout):
            records.wait(idle_s)
        passed = time.monotonic() - started
        return (time.process_time() - used) / passed * 100 if idle_s else 0.0
