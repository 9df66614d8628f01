"""How fast the ring is between two pinned processes: throughput by batch and slot size, and ping-pong latency.

::

    producer (core A) --> ring, 1 reader --> consumer (core B)            throughput
    ping (core A) --> ring --> echo (core B) --> ring --> ping            round trip

The consumer backs off about 2 us when it finds nothing (strategy ``backoff``), which lets batches grow;
ping and echo spin. Both sides touch every word of every slot, and all sums are verified.

On a shared virtual machine the distance between two cores changes from one moment to the next, and with it
everything here by up to ten times. So the run is cut into short slices, cases take turns, and before and
after each slice the round trip of one cache line is measured. A slice counts for a distance only if both
readings agree on it; compare only like with like.

Run it: ``python -m benchmarks.ring --seconds 10``; :func:`run` is what ``ringmatch bench`` calls.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import platform
import sys
import time
import uuid
from collections.abc import Iterator
from importlib.metadata import version
from multiprocessing.connection import Connection
from statistics import median
from typing import Any, Final, NamedTuple

import numpy as np

from benchmarks import ring_kernels as kernels
from ringbuffer import layout
from ringbuffer.sequence import new_local
from ringbuffer.shm import Segment
from ringbuffer.wait import BACKOFF

DISTANCES: Final = {"near": 75, "middle": 130, "far": 10_000}  # ns of a cache line's round trip, at most
SLICE_S: Final = 0.03
PROBE_SAMPLES: Final = 15
PROBE_BLOCK: Final = 100
PING_SAMPLES: Final = 20_000
PING_CAPACITY: Final = 1024
PEER_DEADLINE_S: Final = 60.0
OUT_CELL: Final = 0
IN_CELL: Final = 64


class Case(NamedTuple):
    """One row of the throughput table."""

    batch: int
    slot_bytes: int
    capacity: int

    @property
    def name(self) -> str:
        """Return how the table calls it."""
        return "one by one" if self.batch == 1 else f"batches of {self.batch}"


CASES: Final = [
    Case(batch, slot_bytes, (1 << 20) // slot_bytes) for slot_bytes in (64, 128) for batch in (1, 16, 64)
]


class RingView(NamedTuple):
    """A ring of int64 rows as kernels take it."""

    words: Any
    slots: Any


class Arena:
    """One segment with the cells of the probe, a ring for each case, and two for ping-pong."""

    def __init__(self, segment: Segment, fresh: bool) -> None:
        self.segment = segment
        self.cells = np.frombuffer(segment.buffer, np.int64, layout.PAGE_BYTES // 8, Segment.CONTENT)
        shapes = [(case.capacity, case.slot_bytes) for case in CASES] + [(PING_CAPACITY, 64)] * 2
        offset = Segment.CONTENT + layout.PAGE_BYTES
        rings = []
        for capacity, slot_bytes in shapes:
            if fresh:
                dtype = np.dtype([("words", "<i8", (slot_bytes // 8,))])
                layout.initialise(segment.buffer, offset, capacity, dtype, {"reader": ()})
            words, slots = layout.views(segment.buffer, offset)
            rings.append(RingView(words, slots.view(np.int64)))
            offset += layout.ring_bytes(capacity, slot_bytes, 2)
        self.cases, self.there, self.back = rings[: len(CASES)], rings[-2], rings[-1]

    @staticmethod
    def size() -> int:
        """Return the bytes of the segment."""
        shapes = [(case.capacity, case.slot_bytes) for case in CASES] + [(PING_CAPACITY, 64)] * 2
        return Segment.CONTENT + layout.PAGE_BYTES + sum(layout.ring_bytes(*shape, 2) for shape in shapes)


def serve(name: str, core: int, pipe: Connection) -> None:
    """Be the peer: run the other half of whatever the pipe asks for, and answer with its result."""
    os.sched_setaffinity(0, {core})
    arena = Arena(Segment.attach(name), fresh=False)
    totals = np.zeros(2, np.int64)
    local = new_local(arena.back.words)
    pipe.send("ready")
    while (request := pipe.recv())[0] != "stop":
        match request:
            case ("probe", rounds):
                pipe.send(int(kernels.answer(arena.cells, OUT_CELL, IN_CELL, rounds)))
            case ("consume", index, seq, count):
                ring = arena.cases[index]
                capacity = CASES[index].capacity
                spent_ns = kernels.consume(ring.words, ring.slots, capacity, seq, count, BACKOFF, totals)
                pipe.send((int(spent_ns), int(totals[0]), int(totals[1])))
            case ("echo", rounds):
                there, back = arena.there, arena.back
                spent_ns = kernels.echo(
                    there.words,
                    there.slots,
                    back.words,
                    back.slots,
                    local,
                    rounds,
                )
                pipe.send(int(spent_ns))


class Bench:
    """The measuring side; its peer is another process on another core."""

    def __init__(self, arena: Arena, pipe: Connection) -> None:
        self.arena = arena
        self.pipe = pipe
        self.locals = [new_local(ring.words) for ring in arena.cases]
        self.ping_local = new_local(arena.there.words)

    def answer(self) -> Any:
        """Return what the peer answers."""
        if not self.pipe.poll(PEER_DEADLINE_S):
            raise TimeoutError(f"expected an answer of the peer in {PEER_DEADLINE_S} s, was none")
        return self.pipe.recv()

    def distance_ns(self) -> int:
        """Return the round trip of one cache line to the peer's core, now."""
        samples = np.zeros(PROBE_SAMPLES, np.int64)
        self.pipe.send(("probe", PROBE_SAMPLES * PROBE_BLOCK))
        spent_ns = int(kernels.probe(self.arena.cells, OUT_CELL, IN_CELL, samples, PROBE_BLOCK))
        _expect_unstuck(spent_ns, self.answer())
        return int(np.median(samples))

    def slice_of(self, index: int, count: int) -> dict[str, Any]:
        """Run one slice of a case and return it, verified."""
        case, ring = CASES[index], self.arena.cases[index]
        count -= count % case.batch
        seq = int(self.locals[index][0])
        before_ns = self.distance_ns()
        self.pipe.send(("consume", index, seq, count))
        spent_ns = int(
            kernels.produce(
                ring.words,
                ring.slots,
                self.locals[index],
                case.capacity,
                count,
                case.batch,
            )
        )
        read_ns, total, batches = self.answer()
        after_ns = self.distance_ns()
        _expect_unstuck(spent_ns, read_ns)
        expected = _sum_of(seq, count, case.slot_bytes // 8)
        if total != expected:
            raise AssertionError(f"{case}: sum of all words: expected {expected}, was {total}")
        return {
            "m_per_s": round(count / max(spent_ns, read_ns) * 1e3, 1),
            "rtt_before_ns": before_ns,
            "rtt_after_ns": after_ns,
            "mean_read_batch": round(count / batches, 1),
            "messages": count,
            "spent_ns": max(spent_ns, read_ns),
        }

    def ping_pong(self) -> tuple[int, Any, int]:
        """Return the distance before, the round trips in nanoseconds, and the distance after."""
        samples = np.zeros(PING_SAMPLES, np.int64)
        there, back = self.arena.there, self.arena.back
        before_ns = self.distance_ns()
        self.pipe.send(("echo", PING_SAMPLES))
        spent_ns = int(
            kernels.ping(
                there.words,
                there.slots,
                back.words,
                back.slots,
                self.ping_local,
                samples,
            )
        )
        _expect_unstuck(spent_ns, self.answer())
        return before_ns, samples, self.distance_ns()


def _expect_unstuck(*spent_ns: int) -> None:
    if kernels.STUCK in spent_ns:
        raise TimeoutError(f"expected both sides to come to an end, was {spent_ns} (-1: gave up)")


def _sum_of(seq: int, count: int, width: int) -> int:
    """Return the sum of all words of the records after ``seq``, as int64 arithmetic has it."""
    seqs = count * seq + count * (count + 1) // 2
    total = seqs * width + count * (width * (width - 1) // 2)
    return (total + 2**63) % 2**64 - 2**63


def distance_of(before_ns: int, after_ns: int) -> str:
    """Return the distance that two readings agree on, else ``changed``."""
    names = [
        next(name for name, most in DISTANCES.items() if reading <= most or name == "far")
        for reading in (before_ns, after_ns)
    ]
    return names[0] if names[0] == names[1] else "changed"


@contextlib.contextmanager
def two_processes(cores: tuple[int, int]) -> Iterator[Bench]:
    """Pin this process, start its pinned peer, and undo both at the end."""
    allowed = os.sched_getaffinity(0)
    context = multiprocessing.get_context("spawn")
    with Segment.create(f"bench-ring-{uuid.uuid4().hex[:8]}", Arena.size(), "ring benchmark") as segment:
        arena = Arena(segment, fresh=True)
        pipe, other = context.Pipe()
        peer = context.Process(target=serve, args=(segment.name, cores[1], other), daemon=True)
        peer.start()
        try:
            os.sched_setaffinity(0, {cores[0]})
            bench = Bench(arena, pipe)
            assert bench.answer() == "ready"
            yield bench
            pipe.send(("stop",))
            peer.join(PEER_DEADLINE_S)
        finally:
            os.sched_setaffinity(0, allowed)
            if peer.is_alive():
                peer.kill()
                peer.join()


def run(seconds: float = 10.0, cores: tuple[int, int] | None = None) -> dict[str, Any]:
    """Measure for about ``seconds`` on two cores (the first two allowed) and return everything measured."""
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2 and cores is None:
        raise RuntimeError(f"ring benchmark: expected two cores, was {len(allowed)}")
    chosen = cores or (allowed[0], allowed[1])
    slices: list[list[dict[str, Any]]] = [[] for _ in CASES]
    pings: list[tuple[int, Any, int]] = []
    with two_processes(chosen) as bench:
        counts = [200_000 for _ in CASES]
        for index in range(len(CASES)):
            bench.slice_of(index, counts[index])  # the first one loads the kernels on both sides
        bench.ping_pong()
        deadline = time.monotonic() + seconds
        while not pings or time.monotonic() < deadline:
            for index in range(len(CASES)):
                piece = bench.slice_of(index, counts[index])
                slices[index].append(piece)
                wanted = int(piece["m_per_s"] * 1e6 * SLICE_S)
                counts[index] = max(100_000, min(wanted, 4 * counts[index], 20_000_000))
            pings.append(bench.ping_pong())
    return {
        "machine": _machine(chosen),
        "reader": f"backs off about {int(kernels.time_rest())} ns when it finds nothing",
        "throughput": [_throughput(case, found) for case, found in zip(CASES, slices, strict=True)],
        "ping_pong": _latency(pings),
        "verified": True,
    }


def _machine(cores: tuple[int, int]) -> dict[str, Any]:
    model = platform.processor()
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="ascii", errors="replace") as lines:
        model = next(
            (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), model
        )
    versions = {name: version(name) for name in ("numba", "numpy")}
    return {"processor": model, "cores": list(cores), "python": platform.python_version(), **versions}


def _throughput(case: Case, slices: list[dict[str, Any]]) -> dict[str, Any]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for piece in slices:
        groups.setdefault(distance_of(piece["rtt_before_ns"], piece["rtt_after_ns"]), []).append(piece)
    return {
        "case": case.name,
        **case._asdict(),
        "by_distance": {
            name: {
                "slices": len(found),
                "median_m_per_s": median(piece["m_per_s"] for piece in found),
                "best_m_per_s": max(piece["m_per_s"] for piece in found),
                "rtt_ns": [
                    min(piece["rtt_before_ns"] for piece in found),
                    max(piece["rtt_after_ns"] for piece in found),
                ],
                "mean_read_batch": median(piece["mean_read_batch"] for piece in found),
            }
            for name, found in sorted(groups.items())
        },
        "slices": slices,
    }


def _latency(pings: list[tuple[int, Any, int]]) -> dict[str, Any]:
    groups: dict[str, list[Any]] = {}
    for before_ns, samples, after_ns in pings:
        groups.setdefault(distance_of(before_ns, after_ns), []).append(samples)
    return {
        "what": "round trip over two rings, one 64-byte record in flight, both sides spin, closed loop",
        "by_distance": {
            name: {
                "samples": len(found) * PING_SAMPLES,
                **{
                    f"p{str(point).rstrip('0').rstrip('.')}_ns": int(
                        np.percentile(np.concatenate(found), point)
                    )
                    for point in (50.0, 99.0, 99.9)
                },
                "max_ns": int(max(samples.max() for samples in found)),
            }
            for name, found in sorted(groups.items())
        },
    }


def table(result: dict[str, Any]) -> str:
    """Return the result as Markdown tables."""
    machine = result["machine"]
    lines = [
        f"{machine['processor']}, cores {machine['cores']}, Python {machine['python']}, "
        f"Numba {machine['numba']}; the reader {result['reader']}.",
        "",
        "| messages | slot | ring | distance (cache line round trip) | median M/s | best M/s | slices |",
        "|---|---|---|---|---|---|---|",
    ]
    for case in result["throughput"]:
        for name, found in case["by_distance"].items():
            low, high = found["rtt_ns"]
            lines.append(
                f"| {case['case']} | {case['slot_bytes']} B | {case['capacity']} | {name} ({low}-{high} ns) "
                f"| {found['median_m_per_s']} | {found['best_m_per_s']} | {found['slices']} |"
            )
    lines += [
        "",
        "| ping-pong, distance | p50 ns | p99 ns | p99.9 ns | max ns | samples |",
        "|---|---|---|---|---|---|",
    ]
    for name, found in result["ping_pong"]["by_distance"].items():
        lines.append(
            f"| {name} | {found['p50_ns']} | {found['p99_ns']} | {found['p99.9_ns']} | {found['max_ns']} "
            f"| {found['samples']} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Print the result as JSON, or as tables."""
    parser = argparse.ArgumentParser(description="Measure the ring between two pinned processes.")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--cores", help="two core numbers, such as 2,3")
    parser.add_argument("--table", action="store_true", help="Markdown instead of JSON")
    options = parser.parse_args()
    cores = None
    if options.cores:
        first, second = (int(core) for core in options.cores.split(","))
        cores = (first, second)
    result = run(options.seconds, cores)
    sys.stdout.write(table(result) if options.table else json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
