"""How fast the ring is beside its peers: every side in short slices, one after the other, on the same two cores.

::

    distance, ours, distance, a peer, distance, ours, distance, the next peer, ...        verified, each slice

On a shared virtual machine the distance between two cores changes from one moment to the next, and with it
everything here by up to ten times. So slices are short, ours and the peers' take turns, and between them the round
trip of one cache line is measured. A slice counts for a distance only if the readings before and after it agree;
only figures of one distance are compared. Each side is taken with its best wait strategy at that distance, by the
median of its slices.

Workloads and goals are data (:mod:`benchmarks.ring_workloads`), so are the programs of the peers
(:mod:`benchmarks.ring_peers`); a peer that cannot run here is left out by name. :func:`run` is what ``ringmatch
bench ring`` calls.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, Final

from msgspec import Struct

from benchmarks import ring_peers, ring_python
from benchmarks.machine import quiet
from benchmarks.measure import Measured, Runs
from benchmarks.ring_ours import OURS, Contestant, OurPingPong, OurRing
from benchmarks.ring_peers import RECIPES, ExternalPeer, PeerMissing
from benchmarks.ring_probe import FLAG, BareFlag, Probe
from benchmarks.ring_results import Latency, Peer, Rate, comparisons, goals
from benchmarks.ring_waits import measure_waits
from benchmarks.ring_workloads import PINGPONG, THROUGHPUT, Workload

__all__ = ["Plan", "run"]

PYTHON_PEERS: Final = {
    ring_python.QUEUE: ("multiprocessing.Queue", ring_python.QueuePeer),
    ring_python.LOCK: ("multiprocessing.shared_memory with a lock", ring_python.LockedRing),
}
Maker = tuple[str, Callable[[], Contestant]]  # whose it is, and how to make it
FIRST_COUNT: Final = 2_000
MOST_COUNT: Final = 100_000_000
GROWTH: Final = 8
LEAST_WARM_SLICES: Final = 4
MOST_WARM_SLICES: Final = 14


class Plan(Struct, frozen=True, kw_only=True):
    """How much of everything a mode does."""

    turns_s: float  # of each workload
    first_turns_s: float  # of the first, which has most sides
    slice_s: float  # with a core for each
    shared_slice_s: float  # with more participants than cores
    warm_s: float
    pings: int
    wakeups: int
    idle_s: float


PLANS: Final = {
    "full": Plan(
        turns_s=16.0, first_turns_s=30.0, slice_s=0.05, shared_slice_s=0.12, warm_s=0.3, pings=20_000,
        wakeups=800, idle_s=1.0,
    ),
    "quick": Plan(
        turns_s=1.0, first_turns_s=1.0, slice_s=0.02, shared_slice_s=0.04, warm_s=0.05, pings=5_000,
        wakeups=100, idle_s=0.2,
    ),
}  # fmt: skip


class _Side:
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


class _PingSide(_Side):
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


class Bench:
    """One run: the cores, the plan, the probe, and which peers there are."""

    def __init__(self, cores: tuple[int, int], plan: Plan, probe: Probe) -> None:
        self.cores, self.plan, self._probe = cores, plan, probe
        self._built: dict[str, Any] = {}
        self.peers = {OURS: Peer(title="ringmatch: processes, Python compiled by Numba")}
        self.peers |= {name: Peer(title=title) for name, (title, _) in PYTHON_PEERS.items()}
        for name, recipe in RECIPES.items():
            self.peers[name] = Peer(title=recipe.title)
            try:
                self._built[name] = ring_peers.build(name)
            except PeerMissing as error:
                self._leave_out(name, error)
        self.peers[FLAG] = Peer(title="a bare flag that bounces between the cores")

    def _leave_out(self, name: str, error: PeerMissing) -> None:
        self.peers[name] = Peer(title=self.peers[name].title, missing=str(error))

    def _is_there(self, name: str) -> bool:
        return not self.peers[name].missing

    def throughput(self, workload: Workload, seconds: float) -> list[Rate]:
        """Measure a workload; return a row for each side and strategy."""
        slice_s = self.plan.shared_slice_s if workload.shares_cores else self.plan.slice_s
        ours = [
            (OURS, partial(OurRing, workload, size, wait, slots, self.cores))
            for wait, slots in workload.ours
            for size in workload.slot_bytes
        ]
        others = self._peers_of(workload)
        with ExitStack() as stack:
            our_sides, other_sides = (
                [_Side(side, workload, slice_s) for side in self._open(stack, makers)]
                for makers in (ours, others)
            )
            sides = self._turns(our_sides, other_sides, seconds)
        return [
            Rate.of(
                workload.key,
                side.contestant,
                Runs(values=tuple(side.values), round_trips_ns=tuple(side.trips)),
            )
            for side in sides
            if side.values
        ]

    def pingpong(self, seconds: float) -> list[Latency]:
        """Measure round trips; return a row for each side and strategy."""
        others: list[Maker] = [(FLAG, partial(BareFlag, self.cores)), *self._peers_of(PINGPONG)]
        ours = [(OURS, partial(OurPingPong, PINGPONG, PINGPONG.slot_bytes[0], self.cores))]
        with ExitStack() as stack:
            our_sides, other_sides = (
                [_PingSide(side, PINGPONG, self.plan.pings) for side in self._open(stack, makers)]
                for makers in (ours, others)
            )
            sides = self._turns(our_sides, other_sides, seconds)
        return [Latency.of(side.contestant, side.values, side.trips) for side in sides if side.values]

    def _peers_of(self, workload: Workload) -> list[Maker]:
        return [
            (name, partial(self._peer, name, workload, strategy))
            for name, strategies in workload.peers.items()
            for strategy in strategies
        ]

    def _open(self, stack: ExitStack, makers: Sequence[Maker]) -> Iterator[Contestant]:
        """Yield the contestants that can be made; note why others cannot."""
        for name, make in makers:
            if self._is_there(name):
                try:
                    yield stack.enter_context(make())
                except PeerMissing as error:
                    self._leave_out(name, error)

    def _peer(self, name: str, workload: Workload, strategy: str) -> Contestant:
        if name in PYTHON_PEERS:
            return PYTHON_PEERS[name][1](workload, self.cores)
        return ExternalPeer(name, workload, strategy, self.cores, self._built[name])

    def _turns(self, ours: list[Any], others: list[Any], seconds: float) -> list[Any]:
        """Let all sides take turns for so long, each at least once; return those that came to the end."""
        sides = [side for side in ours + others if self._try(side, lambda each: each.warm(self.plan.warm_s))]
        before_ns = self._probe.distance_ns()
        deadline = time.monotonic() + seconds
        for side in _endless(ours, others):
            there = [each for each in sides if self._is_there(each.contestant.peer)]
            if time.monotonic() > deadline and all(each.values for each in there):
                return there
            if not self._is_there(side.contestant.peer):
                continue
            if self._try(side, lambda each: each.values.append(each.slice()[0])):
                after_ns = self._probe.distance_ns()
                side.trips.append((before_ns, after_ns))
                before_ns = after_ns
        return []

    def _try(self, side: Any, do: Any) -> bool:
        try:
            do(side)
        except PeerMissing as error:
            self._leave_out(side.contestant.peer, error)
            return False
        return True


def _endless(ours: list[Any], others: list[Any]) -> Iterator[Any]:
    """Yield ours and the others in turn, for ever; the longer list has each of its own once a round."""
    rounds = max(len(ours), len(others))
    turn = 0
    while True:
        for _ in range(rounds):
            for sides in (ours, others):
                if sides:
                    yield sides[turn % len(sides)]
            turn += 1


@contextmanager
def _on_cores(cores: tuple[int, int]) -> Iterator[None]:
    """Keep this process, and all that it starts, on two cores."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def run(cores: tuple[int, int], mode: str, plan: Plan | None = None) -> Measured:
    """Measure the ring and its peers on two cores; return results, goals and setup."""
    if cores[0] == cores[1]:
        raise RuntimeError("ring: expected two cores, was one")
    plan = plan or PLANS[mode]
    with _on_cores(cores), quiet(), ExitStack() as stack:
        probe = Probe(cores)
        stack.callback(probe.close)
        bench = Bench(cores, plan, probe)
        rates: list[Rate] = []
        for index, workload in enumerate(THROUGHPUT):
            rates += bench.throughput(workload, plan.turns_s if index else plan.first_turns_s)
        latencies = bench.pingpong(plan.turns_s)
        waits = measure_waits(cores, plan.wakeups, plan.idle_s)
    results = {"peers": bench.peers, "rates": rates, "latencies": latencies, "waits": waits}
    own_ms, shared_ms = plan.slice_s * 1e3, plan.shared_slice_s * 1e3
    setup = {
        "slices": f"{own_ms:.0f} ms, {shared_ms:.0f} ms where cores are shared, ours and the peers' in turn; the "
        "distance is measured between any two",
        "verified": "the sum of all words that each reader got, and its cursor, after every slice",
        "participants": "processes on our side and of Python's own, threads of one process on the others'",
        "cores": "pinned to one each where there are two participants; more of them share both",
        "durability": "no journal",
    }
    return results, goals(comparisons(rates), latencies), setup
