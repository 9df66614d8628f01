"""What the ring benchmark found, as data: rates and round trips by core distance, comparisons, goals.

Only figures of one distance are compared, each side with the wait strategy that was best at it. A goal is judged at
the distance at which both sides have most slices; slices during which the distance changed are kept, not compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any, Final, Self

from msgspec import Struct

from benchmarks.measure import Goal, Runs
from benchmarks.ring_distance import DISTANCES, distance_of
from benchmarks.ring_workloads import THROUGHPUT, Workload

__all__ = ["Comparison", "Latency", "Peer", "Rate", "comparisons", "goals", "judged"]

OURS: Final = "ringmatch"
DISRUPTOR: Final = "disruptor"
QUEUE: Final = "mp_queue"
FLAG: Final = "flag"
STREAM: Final = "stream"
STREAM_BYTES: Final = 64
QUEUE_GOAL: Final = 500.0
P50_GOAL: Final = 2.0
P99_GOAL: Final = 3.0


class Peer(Struct, frozen=True, kw_only=True):
    """Who takes part, or why not."""

    title: str
    missing: str = ""


class Figure(Struct, frozen=True, kw_only=True):
    """The slices of one side at one distance, in messages a second."""

    slices: int
    median: float
    low: float
    high: float
    round_trips_ns: tuple[int, int]  # the least and the largest reading


class Rate(Struct, frozen=True, kw_only=True):
    """One side with one wait strategy in one workload."""

    workload: str
    peer: str
    strategy: str
    slot_bytes: int
    by_distance: dict[str, Figure]

    @classmethod
    def of(cls, workload: str, side: Any, runs: Runs) -> Self:
        """Return the row of a contestant."""
        return cls(
            workload=workload, peer=side.peer, strategy=side.strategy, slot_bytes=side.slot_bytes,
            by_distance={name: _figure(found) for name, found in runs.by_distance().items()},
        )  # fmt: skip


def _figure(runs: Runs) -> Figure:
    readings = [reading for pair in runs.round_trips_ns for reading in pair]
    return Figure(
        slices=len(runs.values), median=round(runs.median), low=round(runs.low), high=round(runs.high),
        round_trips_ns=(min(readings), max(readings)),
    )  # fmt: skip


class Trips(Struct, frozen=True, kw_only=True):
    """Round trips at one distance, in nanoseconds: medians of the slices' percentiles, and the longest of all."""

    slices: int
    p50_ns: float
    p99_ns: float
    p999_ns: float
    max_ns: float
    round_trips_ns: tuple[int, int]


class Latency(Struct, frozen=True, kw_only=True):
    """One side with one wait strategy in ping-pong."""

    peer: str
    strategy: str
    slot_bytes: int
    by_distance: dict[str, Trips]

    @classmethod
    def of(cls, side: Any, slices: Sequence[Sequence[float]], trips: Sequence[tuple[int, int]]) -> Self:
        """Return the row of a contestant, of the percentiles of its slices."""
        groups: dict[str, list[int]] = {}
        for index, (before_ns, after_ns) in enumerate(trips):
            groups.setdefault(distance_of(before_ns, after_ns), []).append(index)
        return cls(
            peer=side.peer, strategy=side.strategy, slot_bytes=side.slot_bytes,
            by_distance={
                name: _trips([slices[index] for index in found], [trips[index] for index in found])
                for name, found in sorted(groups.items())
            },
        )  # fmt: skip


def _trips(slices: Sequence[Sequence[float]], readings: Sequence[tuple[int, int]]) -> Trips:
    p50, p99, p999, longest = zip(*slices, strict=True)
    flat = [reading for pair in readings for reading in pair]
    return Trips(
        slices=len(slices), p50_ns=median(p50), p99_ns=median(p99), p999_ns=median(p999), max_ns=max(longest),
        round_trips_ns=(min(flat), max(flat)),
    )  # fmt: skip


class Comparison(Struct, frozen=True, kw_only=True):
    """Ours against a peer at one distance, each with the strategy that was best at it."""

    workload: str
    distance: str
    slot_bytes: int
    ours: Figure
    our_strategy: str
    peer: str
    peers: Figure
    peer_strategy: str
    goal: float | None  # none is set for records of that size

    @property
    def ratio(self) -> float:
        """Return how many times as fast ours is."""
        return self.ours.median / self.peers.median if self.peers.median else 0.0

    @property
    def slices(self) -> int:
        """Return how many slices the side has that has fewer."""
        return min(self.ours.slices, self.peers.slices)


def comparisons(rates: Sequence[Rate], workloads: Sequence[Workload] = THROUGHPUT) -> list[Comparison]:
    """Return ours of every record size against the Disruptor, multiprocessing.Queue and the bound, by distance."""
    found = []
    for workload in workloads:
        wanted: list[tuple[str, int, float | None]] = []
        wanted += [(DISRUPTOR, size, workload.goal) for size in workload.slot_bytes]
        wanted += [(QUEUE, size, QUEUE_GOAL) for size in workload.goal_slot_bytes if QUEUE in workload.peers]
        wanted += [(STREAM, STREAM_BYTES, None)] if STREAM in workload.peers else []
        for peer, size, goal in wanted:
            for distance in DISTANCES:
                ours = _best(rates, workload.key, OURS, distance, size)
                theirs = _best(rates, workload.key, peer, distance)
                if ours and theirs:
                    comparison = Comparison(
                        workload=workload.key, distance=distance, slot_bytes=size, ours=ours[1],
                        our_strategy=ours[0], peer=peer, peers=theirs[1], peer_strategy=theirs[0],
                        goal=goal if size in workload.goal_slot_bytes else None,
                    )  # fmt: skip
                    found.append(comparison)
    return found


def _best(
    rates: Sequence[Rate], workload: str, peer: str, distance: str, slot_bytes: int | None = None
) -> tuple[str, Figure] | None:
    """Return the strategy with the highest median at a distance, and its figure."""
    found = [
        (rate.strategy, rate.by_distance[distance])
        for rate in rates
        if (rate.workload, rate.peer) == (workload, peer)
        and distance in rate.by_distance
        and slot_bytes in (None, rate.slot_bytes)
    ]
    return max(found, key=lambda pair: pair[1].median) if found else None


def judged(found: Sequence[Comparison]) -> list[Comparison]:
    """Return of each comparison of a workload with a peer the one at the distance with most slices."""
    best: dict[tuple[str, str, int], Comparison] = {}
    for each in found:
        key = (each.workload, each.peer, each.slot_bytes)
        if key not in best or each.slices > best[key].slices:
            best[key] = each
    return list(best.values())


def goals(found: Sequence[Comparison], latencies: Sequence[Latency]) -> list[Goal]:
    """Return what was wanted of the ring and what it was; nothing about a peer that is not there."""
    titles = {workload.key: workload.title for workload in THROUGHPUT}
    names = {DISRUPTOR: "the Disruptor's best", QUEUE: "multiprocessing.Queue"}
    listed = []
    for each in judged(found):
        if each.goal is not None:
            what = f"{titles[each.workload]}, {each.slot_bytes} bytes, times {names[each.peer]} ({each.distance})"
            listed.append(Goal(what=f"ring, {what}", goal=each.goal, value=round(each.ratio, 3), unit="x"))
    return listed + _latency_goals(latencies)


def _latency_goals(latencies: Sequence[Latency]) -> list[Goal]:
    sides = {row.peer: row.by_distance for row in latencies if row.peer in (OURS, FLAG)}
    ours, flag = sides.get(OURS, {}), sides.get(FLAG, {})
    common = [name for name in DISTANCES if name in ours and name in flag]
    if not common:
        return []
    distance = max(common, key=lambda name: min(ours[name].slices, flag[name].slices))
    mine, bare = ours[distance], flag[distance]
    what = f"ring, ping-pong, 64 bytes each way, times a bare flag's ({distance})"
    ratios = (("p50", P50_GOAL, mine.p50_ns / bare.p50_ns), ("p99", P99_GOAL, mine.p99_ns / bare.p99_ns))
    return [
        Goal(what=f"{what}: {point}", goal=goal, value=round(ratio, 3), unit="x", at_most=True)
        for point, goal, ratio in ratios
    ]
