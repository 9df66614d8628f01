"""The whole pipeline, from ingress ring to released outcome, with real processes and the journal on disk.

::

    this process: port, commands ──► ingress ring ──► workers, journal ──► egress ring ──► port, counted

Throughput is flat out: :class:`gateway.inject.Injector` generates, sends, and takes every outcome, on a core
of its own where there are two. Latency is at a fixed rate, with commands generated before, from the time at
which a command was scheduled to be sent to the release of its first outcome: what a stall delays shows, even
if it was never sent on time (no coordinated omission). Each run has a new pipeline, and is held to account
by :func:`benchmarks.live.check_run`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Final

import numpy as np
from msgspec import Struct

from benchmarks.live import ALL_IN_ONE, LivePipeline, WorkerLayout, check_run, scratch
from benchmarks.machine import file_system, own_pauses, pinned, quiet, round_trip
from benchmarks.measure import Goal, Measured, Runs
from benchmarks.workload import SESSION, generate_flow
from gateway.inject import Injector, InjectSummary
from gateway.port import Port
from gateway.pump import GW_LATENCY
from protocols.flow import SyntheticSource
from stages.control import LATENCY_BUCKETS, percentiles_ns

__all__ = ["LatencyRow", "ThroughputRow", "run"]

GOAL_PER_S: Final = 500_000
SLICE_NS: Final = 250_000_000  # between two returns of the compiled pump to Python
LEAD_NS: Final = 5_000_000
KEPT_UP: Final = 1.02  # of the planned time


class Scale(Struct, frozen=True, kw_only=True):
    """How much is measured."""

    orders: dict[str, int]
    compared: int  # orders of the runs that compare plans and waits
    runs: int
    seconds: float  # of a run at a fixed rate


SCALES: Final = {
    "full": Scale(
        orders={"fsync": 10_000_000, "os": 5_000_000, "none": 5_000_000},
        compared=2_000_000,
        runs=3,
        seconds=5.0,
    ),
    "quick": Scale(
        orders={"fsync": 1_000_000, "os": 500_000, "none": 500_000}, compared=300_000, runs=1, seconds=1.0
    ),
}
RATES: Final = (10_000, 100_000)


class ThroughputRow(Struct, frozen=True, kw_only=True):
    """Flat out: commands a second, and what the journal did."""

    name: str
    durability: str
    wait: str
    orders: int
    per_second: Runs
    fills: int
    journal_bytes: float  # a command
    syncs: int
    commands_a_sync: float
    longest_sync_ns: int


class LatencyRow(Struct, frozen=True, kw_only=True):
    """At a fixed rate: percentiles over all runs, in nanoseconds."""

    name: str
    durability: str
    wait: str
    rate: int
    orders: int
    release_ns: dict[str, int]  # scheduled send to release by publish
    answer_ns: dict[str, int]  # scheduled send until the gateway has it
    p99_runs: Runs
    kept_up: bool


class Setting(Struct, frozen=True, kw_only=True):
    """One way to run the pipeline."""

    name: str
    durability: str
    layout: tuple[tuple[tuple[str, ...], int], ...]
    injector: int  # core, or -1 for any
    wait: str = "blocking"


def run(cores: tuple[int, int], mode: str = "full", where: Path | None = None) -> Measured:
    """Measure everything; ``where`` is the directory below which the journals are written."""
    scale = SCALES[mode]
    one = [one_worker(cores, durability) for durability in scale.orders]
    pauses = own_pauses(cores, scale.seconds)
    with scratch(where) as directory:
        warm_up(directory, cores)
        throughput = [
            flat_out(directory, cores, setting, scale.orders[setting.durability], scale) for setting in one
        ]
        latency = []
        for setting, row in zip(one, throughput, strict=True):
            half = max(RATES[-1], int(row.per_second.median / 2) // 10_000 * 10_000)
            latency += [
                at_rate(directory, cores, setting, rate, scale) for rate in dict.fromkeys((*RATES, half))
            ]
        settings = [one_worker(cores, "fsync"), two_workers(cores)]
        plans, plan_latency = compare(directory, cores, settings, scale, 100_000)
        settings = [one_worker(cores, "none", wait) for wait in ("spin", "yield", "backoff", "blocking")]
        waits, wait_latency = compare(directory, cores, settings, scale, 10_000)
        disk = file_system(directory)
    goals = [
        Goal(
            what=f"pipeline, {row.orders:,} commands, durability {row.durability}",
            goal=GOAL_PER_S, value=row.per_second.median, unit="/s",
        )
        for row in throughput if row.durability == "fsync"
    ]  # fmt: skip
    results = {
        "throughput": throughput,
        "latency": latency,
        "plans": plans,
        "plan_latency": plan_latency,
        "waits": waits,
        "wait_latency": wait_latency,
    }
    return (
        results,
        goals,
        {
            **ring_sizes(),
            "disk": disk,
            "flow": "normal profile of protocols.flow, one session",
            "pauses of a loop that only reads the clock, before": pauses,
        },
    )


def warm_up(directory: Path, cores: tuple[int, int]) -> None:
    """Run a pipeline once, not measured: compiles and loads the kernels of both sides."""
    scale = Scale(orders={}, compared=0, runs=1, seconds=0.01)
    flat_out(directory, cores, one_worker(cores, "none"), 1_000, scale)
    at_rate(directory, cores, one_worker(cores, "none"), 10_000, scale)


def ring_sizes() -> dict[str, str]:
    """Return the ring sizes of the default venue."""
    from stages.config import default_config

    rings = default_config().rings
    return {
        "rings": f"input {rings.input_slots:,}, output {rings.output_slots:,}, ingress {rings.ingress_slots:,}, "
        f"egress {rings.egress_slots:,} slots of 128 bytes"
    }


def one_worker(cores: tuple[int, int], durability: str, wait: str = "blocking") -> Setting:
    """All stages on one core, the injector on the other."""
    return Setting(
        name="one worker",
        durability=durability,
        layout=tuple(ALL_IN_ONE(cores[0])),
        injector=cores[1],
        wait=wait,
    )


def two_workers(cores: tuple[int, int], durability: str = "fsync") -> Setting:
    """A worker on each core, the injector wherever there is room; one worker where there is one core."""
    if cores[0] == cores[1]:
        return one_worker(cores, durability)
    layout: WorkerLayout = [(("ingest", "journal"), cores[0]), (("risk", "matching", "publish"), cores[1])]
    return Setting(name="two workers", durability=durability, layout=tuple(layout), injector=-1)


def compare(
    directory: Path, cores: tuple[int, int], settings: list[Setting], scale: Scale, rate: int
) -> tuple[list[ThroughputRow], list[LatencyRow]]:
    """Measure throughput and latency of several settings."""
    throughput = [flat_out(directory, cores, setting, scale.compared, scale) for setting in settings]
    return throughput, [at_rate(directory, cores, setting, rate, scale) for setting in settings]


def _place(setting: Setting) -> AbstractContextManager[None]:
    return pinned(setting.injector) if setting.injector >= 0 else nullcontext()


def _trips(cores: tuple[int, int], found: list[int]) -> None:
    trip = round_trip(cores)
    if trip is not None:
        found.append(trip.median_ns)


def _run(
    directory: Path, setting: Setting, expected: int, inject: Callable[[LivePipeline, Port], InjectSummary]
) -> tuple[InjectSummary, dict[str, int]]:
    """Run a pipeline once and verify it; return the injector's summary and the pipeline's counters."""
    with (
        scratch(directory) as place,
        LivePipeline(place, setting.durability, setting.layout, setting.wait) as pipeline,
    ):
        with _place(setting), quiet(), Port(pipeline.data_dir) as port:
            summary = inject(pipeline, port)
        last = pipeline.stop()
        check_run(pipeline, last, summary, expected)
        return summary, last.counters


def flat_out(
    directory: Path, cores: tuple[int, int], setting: Setting, orders: int, scale: Scale
) -> ThroughputRow:
    """Measure throughput, flat out."""
    values, trips = [], []
    counters: dict[str, int] = {}
    fills = 0
    for number in range(scale.runs):
        readings: list[int] = []
        seed = number + 1

        def inject(pipeline: LivePipeline, port: Port, seed: int = seed) -> InjectSummary:
            source = SyntheticSource(port.directory, orders, seed, session=SESSION)
            return Injector(port, source).run()

        _trips(cores, readings)
        summary, counters = _run(directory, setting, orders, inject)
        _trips(cores, readings)
        values.append(orders / summary.seconds)
        fills = summary.fills
        if readings:
            trips.append((readings[0], readings[1]))
    commands = max(1, counters["commands"])
    return ThroughputRow(
        name=setting.name,
        durability=setting.durability,
        wait=setting.wait,
        orders=orders,
        per_second=Runs(values=tuple(values), round_trips_ns=tuple(trips)),
        fills=fills,
        journal_bytes=round(counters["journal.bytes"] / commands, 2),
        syncs=counters["journal.syncs"],
        commands_a_sync=round(commands / max(1, counters["journal.syncs"]), 1),
        longest_sync_ns=counters["journal.sync_max_ns"],
    )


def at_rate(directory: Path, cores: tuple[int, int], setting: Setting, rate: int, scale: Scale) -> LatencyRow:
    """Measure latencies at a fixed rate."""
    orders = int(rate * scale.seconds)
    release, answer = np.zeros(LATENCY_BUCKETS, np.int64), np.zeros(LATENCY_BUCKETS, np.int64)
    p99, trips, seconds = [], [], []
    for number in range(scale.runs):
        flow = generate_flow("normal", orders, seed=number + 1)
        readings: list[int] = []
        _trips(cores, readings)
        taken: list[Any] = []

        def inject(
            pipeline: LivePipeline, port: Port, flow: Any = flow, taken: list[Any] = taken
        ) -> InjectSummary:
            flow["session"] = port.open_session(SESSION)
            # the session's own commands come before the first reading and after the second
            taken.append((pipeline.latencies(), port.words[GW_LATENCY:].copy()))
            seconds.append(paced(port, flow, rate))
            taken.append((pipeline.latencies(), port.words[GW_LATENCY:].copy()))
            port.close_sessions()
            return _Summed(port).summary()

        _run(directory, setting, orders, inject)
        _trips(cores, readings)
        counts = taken[1][0] - taken[0][0]
        release += counts
        answer += taken[1][1] - taken[0][1]
        p99.append(float(percentiles_ns(counts)["p99"]))
        if readings:
            trips.append((readings[0], readings[1]))
    return LatencyRow(
        name=setting.name,
        durability=setting.durability,
        wait=setting.wait,
        rate=rate,
        orders=orders,
        release_ns=percentiles_ns(release),
        answer_ns=percentiles_ns(answer),
        p99_runs=Runs(values=tuple(p99), round_trips_ns=tuple(trips)),
        kept_up=max(seconds) <= KEPT_UP * orders / rate + 0.1,
    )


def paced(port: Port, commands: Any, rate: int) -> float:
    """Send commands that lie in memory on schedule until all are answered; return the seconds of sending.

    Unlike :class:`gateway.inject.Injector` it never stops to read or generate the next chunk: what delays a
    command is the pipeline, or the machine.
    """
    started_ns = time.monotonic_ns() + LEAD_NS
    due_ns = started_ns + np.arange(len(commands), dtype=np.int64) * 1_000_000_000 // rate
    row = 0
    while row < len(commands):
        row, _ = port.send(commands, row, due_ns, slice_ns=SLICE_NS)
    spent_s = (time.monotonic_ns() - started_ns) / 1e9
    while port.unanswered:
        port.receive(2_000_000)
    return spent_s


class _Summed(Injector):
    """Only for its summary of a port that was driven directly."""

    def __init__(self, port: Port) -> None:
        super().__init__(port, SyntheticSource(port.directory, 0, 1, session=SESSION))
