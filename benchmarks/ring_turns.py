"""Slices in turn: ours, one of the others, ours, the next of the others, the distance of the cores before and after.

How many messages fill a slice is found out while a side warms up, and followed while it runs. A side that breaks
down takes its peer out, with all its wait strategies; the others go on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from benchmarks.ring_ours import Contestant
from benchmarks.ring_peers import PeerMissing
from benchmarks.ring_workloads import Workload

__all__ = ["PingSide", "Side", "take_turns"]

FIRST_COUNT: Final = 2_000
MOST_COUNT: Final = 100_000_000
GROWTH: Final = 8
LEAST_WARM_SLICES: Final = 4
MOST_WARM_SLICES: Final = 14


class Side:
    """A contestant in its rotation: how many messages fill a slice, and what its slices gave."""

    def __init__(self, contestant: Contestant, workload: Workload, slice_s: float) -> None:
        self.contestant = contestant
        self._workload = workload
        self._slice_s = slice_s
        self.count = workload.whole(FIRST_COUNT)
        self.values: list[Any] = []
        self.trips: list[tuple[int, int]] = []

    def slice(self) -> tuple[float, float]:
        """Run one slice; return its messages a second and its seconds, and choose the size of the next."""
        messages = self.count
        spent_ns = max(1.0, self.contestant.run(messages))
        wanted = int(messages / spent_ns * 1e9 * self._slice_s)
        least, most = max(1, messages // GROWTH), min(MOST_COUNT, messages * GROWTH)
        self.count = self._workload.whole(max(least, min(wanted, most)))
        return messages / spent_ns * 1e9, spent_ns / 1e9

    def warm(self, warm_s: float) -> None:
        """Run until kernels are loaded, code is compiled, and slices are as long as they should be."""
        spent_s = 0.0
        for turn in range(MOST_WARM_SLICES):
            spent_s += self.slice()[1]
            if spent_s >= warm_s and turn + 1 >= LEAST_WARM_SLICES:
                return


class PingSide(Side):
    """Ping-pong in its rotation: slices of a fixed number of round trips, which give percentiles."""

    def __init__(self, contestant: Contestant, workload: Workload, pings: int) -> None:
        super().__init__(contestant, workload, 0.0)
        self.count = pings

    def slice(self) -> Any:
        """Run one slice and return its percentiles."""
        return self.contestant.run(self.count), 0.0

    def warm(self, warm_s: float) -> None:
        """Run until code is compiled."""
        for _ in range(LEAST_WARM_SLICES):
            self.slice()


def take_turns(
    ours: Sequence[Side],
    others: Sequence[Side],
    seconds: float,
    warm_s: float,
    distance_ns: Callable[[], int],
) -> dict[str, PeerMissing]:
    """Let all sides take turns for so long, each at least once; return the peers that broke down, and why."""
    lost: dict[str, PeerMissing] = {}

    def attempt(side: Side, step: Callable[[Side], Any]) -> bool:
        if side.contestant.peer not in lost:
            try:
                step(side)
                return True
            except PeerMissing as error:
                lost[side.contestant.peer] = error
        return False

    sides = [*ours, *others]
    for side in sides:
        attempt(side, lambda each: each.warm(warm_s))
    before_ns = distance_ns()
    deadline = time.monotonic() + seconds
    for side in _in_turn(ours, others):
        if time.monotonic() > deadline and all(each.values or each.contestant.peer in lost for each in sides):
            break
        if attempt(side, lambda each: each.values.append(each.slice()[0])):
            after_ns = distance_ns()
            side.trips.append((before_ns, after_ns))
            before_ns = after_ns
    return lost


def _in_turn(ours: Sequence[Side], others: Sequence[Side]) -> Iterator[Side]:
    """Yield ours and the others in turn, for ever."""
    turn = 0
    while ours or others:
        for sides in (ours, others):
            if sides:
                yield sides[turn % len(sides)]
        turn += 1
