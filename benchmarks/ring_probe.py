"""The distance of two cores, read between slices, and the bare flag that bounces between them as a contestant.

Both are two cache lines that two processes on two cores store in turn: the least that any exchange between them
takes. The distance is a mean over blocks of round trips; the flag is timed like ping-pong, each round trip by
itself, with the same two looks at the clock, so that the two can be compared.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from benchmarks import ring_trips as kernels
from benchmarks.machine import shared_words
from benchmarks.measure import NotVerified
from benchmarks.ring_crew import Crew, Part
from benchmarks.ring_distance import IN_CELL, OUT_CELL
from benchmarks.ring_kernels import STUCK
from benchmarks.ring_ours import Contestant, percentiles

__all__ = ["FLAG", "BareFlag", "Probe"]

FLAG: Final = "flag"
CELLS: Final = 128
SAMPLES: Final = 15
BLOCK: Final = 100


class _Bouncer:
    """Two resident processes and the cells that they store in turn."""

    def __init__(self, cores: tuple[int, int]) -> None:
        cells = shared_words(CELLS)
        out, in_ = np.int64(OUT_CELL), np.int64(IN_CELL)

        def probe(request: tuple[int, int]) -> tuple[int, Any]:
            count, block = request
            samples = np.zeros(count, np.int64)
            return int(kernels.probe(cells, out, in_, samples, np.int64(block))), samples

        def answer(request: tuple[int, int]) -> tuple[int, Any]:
            count, block = request
            return int(kernels.answer(cells, out, in_, np.int64(count * block))), None

        probe((0, 1))
        answer((0, 1))
        self._crew = Crew([Part({cores[0]}, probe), Part({cores[1]}, answer)])

    def samples(self, count: int, block: int) -> Any:
        """Return nanoseconds of round trips, each the mean of ``block`` of them."""
        (probed, samples), (answered, _) = self._crew.run((count, block))
        if STUCK in (probed, answered):
            raise NotVerified("ring: expected the flag to come back, was lost")
        return samples

    def close(self) -> None:
        """End the processes."""
        self._crew.close()


class Probe(_Bouncer):
    """Reads the distance of two cores."""

    def distance_ns(self) -> int:
        """Return the round trip of one cache line, now."""
        return int(np.median(self.samples(SAMPLES, BLOCK)))


class BareFlag(Contestant):
    """The flag as a contestant of ping-pong."""

    peer = FLAG
    strategy = "busy"
    slot_bytes = 8

    def __init__(self, cores: tuple[int, int]) -> None:
        self._bouncer = _Bouncer(cores)

    def run(self, messages: int) -> tuple[float, ...]:
        """Run a slice of round trips."""
        return percentiles(self._bouncer.samples(messages, 1))

    def close(self) -> None:
        """End the processes."""
        self._bouncer.close()
