"""The bound of what any ring could do with records of 64 bytes: whole cache lines from core to core, bare.

A writer copies records into a buffer as long as our small ring, a reader adds up all their words, with the same loops
as ours: the same stores, loads and prefetches. Between them stand two flags and no more: one is stored by the writer
after each block of lines, one by the reader. No claims, no cursors a record, no gates, no one to join or die. What
our ring is short of this is the price of its protocol; what this is short of more is the price of the cores' distance.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from benchmarks.machine import shared_words
from benchmarks.measure import expect_equal
from benchmarks.ring_crew import Crew, Part
from benchmarks.ring_kernels import (
    DONE,
    OUT_END,
    OUT_START,
    OUT_TOTAL,
    OUT_WORDS,
    READ_AHEAD,
    STUCK,
    is_stuck,
    read_record,
)
from benchmarks.ring_ours import Contestant, expect_done
from benchmarks.ring_workloads import SMALL, WORD_BYTES, Workload, new_source, sum_of_source
from ringbuffer.atomics import load_acquire, pause, store_release
from ringbuffer.kernel import kernel
from ringbuffer.native import clock_ns, prefetch
from ringbuffer.sequence import prefetch_slot

__all__ = ["STREAM", "BareStream"]

STREAM: Final = "stream"
LINE_WORDS: Final = 8
BLOCK: Final = 256  # lines for each store of a flag
CELLS: Final = 128
WRITTEN: Final = 0  # lines, by the writer
TAKEN: Final = 64  # lines, by the reader


@kernel
def _await(cells, index, least):  # type: ignore[no-untyped-def]
    """Wait until a flag is at least ``least``; return it, or STUCK."""
    start_ns = clock_ns()
    looks = np.int64(0)
    while True:
        found = load_acquire(cells, index)  # pairs with store_release of the other side
        if found >= least:
            return found
        looks += 1
        if is_stuck(looks, start_ns):
            return np.int64(STUCK)
        pause()


@kernel
def send(cells, slots, source, count, out):  # type: ignore[no-untyped-def]
    """Write ``count`` lines, in blocks."""
    mask = np.uint64(slots.shape[0] - 1)
    line = load_acquire(cells, WRITTEN)  # our own
    last = line + count
    at = 0
    out[OUT_START] = clock_ns()
    while line < last:
        end = min(line + BLOCK, last)
        if _await(cells, np.int64(TAKEN), end - slots.shape[0]) == STUCK:
            return np.int64(STUCK)
        for each in range(line, end):
            prefetch_slot(slots, each)
            slots[np.uint64(each) & mask] = source[at]
            at = at + 1 if at + 1 < source.shape[0] else 0
        line = end
        store_release(cells, WRITTEN, line)  # pairs with load_acquire in _await: the reader's
    return np.int64(DONE)


@kernel
def receive(cells, flat, lane, count, out):  # type: ignore[no-untyped-def]
    """Add up the words of ``count`` lines, all that there are at a time."""
    mask = flat.shape[0] // len(lane) - 1
    line = load_acquire(cells, TAKEN)  # our own
    last = line + count
    total = np.int64(0)
    while line < last:
        end = _await(cells, np.int64(WRITTEN), line + 1)
        if end == STUCK:
            return np.int64(STUCK)
        for each in range(line, end):
            prefetch(flat, ((each + READ_AHEAD) & mask) * len(lane))
            total += read_record(flat, lane, each & mask)
        line = end
        store_release(cells, TAKEN, line)  # pairs with load_acquire in _await: the writer's
    out[OUT_END] = clock_ns()
    out[OUT_TOTAL] = total
    return np.int64(DONE)


class BareStream(Contestant):
    """Lines and flags, as a contestant."""

    peer = STREAM
    strategy = f"busy, {BLOCK} lines a flag"
    slot_bytes = LINE_WORDS * WORD_BYTES

    def __init__(self, workload: Workload, cores: tuple[int, int]) -> None:
        self._workload = workload
        self._source = new_source(LINE_WORDS)
        record = np.dtype([(f"word_{word}", "<i8") for word in range(LINE_WORDS)])
        cells, flat = shared_words(CELLS), shared_words(SMALL * LINE_WORDS)
        slots, source = flat.view(record), self._source.view(record).reshape(-1)
        lane, out = (np.int64(0),) * LINE_WORDS, np.zeros(OUT_WORDS, np.int64)

        def write(messages: int) -> tuple[int, Any]:
            return int(send(cells, slots, source, np.int64(messages), out)), out

        def read(messages: int) -> tuple[int, Any]:
            return int(receive(cells, flat, lane, np.int64(messages), out)), out

        write(0)
        read(0)
        self._crew = Crew([Part({cores[0]}, write), Part({cores[1]}, read)])

    def run(self, messages: int) -> float:
        """Run a slice of so many lines and return its nanoseconds."""
        (wrote, sent), (did_read, got) = self._crew.run(messages)
        expect_done(wrote, did_read)
        wanted = sum_of_source(self._workload, messages, self._source)
        expect_equal("ring: bare stream: sum of all words", wanted, int(got[OUT_TOTAL]))
        return float(int(got[OUT_END]) - int(sent[OUT_START]))

    def close(self) -> None:
        """End the processes."""
        self._crew.close()
