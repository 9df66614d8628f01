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
from benchmarks.ring_stream import STREAM, BareStream
from benchmarks.ring_turns import PingSide, Side, take_turns
from benchmarks.ring_waits import measure_waits
from benchmarks.ring_workloads import PINGPONG, THROUGHPUT, Workload

__all__ = ["Plan", "run"]

PYTHON_PEERS: Final = {
    ring_python.QUEUE: ("multiprocessing.Queue", ring_python.QueuePeer),
    ring_python.LOCK: ("multiprocessing.shared_memory with a lock", ring_python.LockedRing),
    STREAM: ("bound: bare lines of 64 bytes, one flag for many", BareStream),
}
Maker = tuple[str, Callable[[], Contestant]]  # whose it is, and how to make it


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
                [Side(side, workload, slice_s) for side in self._open(stack, makers)]
                for makers in (ours, others)
            )
            self._turns(our_sides, other_sides, seconds)
        return [
            Rate.of(
                workload.key,
                side.contestant,
                Runs(values=tuple(side.values), round_trips_ns=tuple(side.trips)),
            )
            for side in our_sides + other_sides
            if side.values
        ]

    def pingpong(self, seconds: float) -> list[Latency]:
        """Measure round trips; return a row for each side and strategy."""
        others: list[Maker] = [(FLAG, partial(BareFlag, self.cores)), *self._peers_of(PINGPONG)]
        ours = [(OURS, partial(OurPingPong, PINGPONG, PINGPONG.slot_bytes[0], self.cores))]
        with ExitStack() as stack:
            our_sides, other_sides = (
                [PingSide(side, PINGPONG, self.plan.pings) for side in self._open(stack, makers)]
                for makers in (ours, others)
            )
            self._turns(our_sides, other_sides, seconds)
        return [
            Latency.of(side.contestant, side.values, side.trips)
            for side in our_sides + other_sides
            if side.values
        ]

    def _turns(self, ours: Sequence[Side], others: Sequence[Side], seconds: float) -> None:
        lost = take_turns(ours, others, seconds, self.plan.warm_s, self._probe.distance_ns)
        for name, error in lost.items():
            self._leave_out(name, error)

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
