"""The risk kernel alone, and risk and matching in turn on one core, as a replay runs them.

Alone, risk judges the commands while the outcomes of the reference run are put into the output ring for it,
as matching would have; only the time inside risk counts. Its verdicts must be those of the reference run.
Both on one core is :meth:`stages.core.Core.digest`; its digest must be the reference's.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import numpy as np
from msgspec import Struct

from benchmarks import core_kernels as kernels
from benchmarks.machine import pinned
from benchmarks.measure import Measured, NotVerified, Runs, expect_equal, repeat
from benchmarks.risk_controls import goals_of, measure_controls
from benchmarks.workload import OUTPUT_SLOTS, Bench, Reference, Workload, make_workload, reference, touch
from protocols.flow import PROFILES
from stages.core import Core, CoreState
from stages.ingest import QUOTA

__all__ = ["CoreRow", "run"]

COMMANDS: Final = {"full": 2_000_000, "quick": 300_000}
RUNS: Final = {"full": 7, "quick": 3}
CONTROL_COMMANDS: Final = 12_000  # so few that a second-level cache holds the ClOrdIDs
CONTROL_RUNS: Final = {"full": 60, "quick": 12}
INPUT_SLOTS: Final = 1 << 14


class CoreRow(Struct, frozen=True, kw_only=True):
    """One profile: rates in commands a second."""

    profile: str
    commands: int
    outcomes: int
    fills: int
    rejects: int
    risk_alone: Runs
    both: Runs
    risk_percent: float  # of the time of both


def run(cores: tuple[int, int], mode: str = "full", profiles: tuple[str, ...] = PROFILES) -> Measured:
    """Measure all profiles."""
    rows = [measure(cores, profile, COMMANDS[mode], RUNS[mode]) for profile in profiles]
    setup = {
        "commands": f"{COMMANDS[mode]:,} of each profile, in memory",
        "rings": f"input {INPUT_SLOTS:,}, output {OUTPUT_SLOTS:,} slots of 128 bytes",
        "feedback": f"stamps in groups of {QUOTA}, as ingest gives them to one port",
        "durability": "no journal",
    }
    controls = measure_controls(cores[0], CONTROL_COMMANDS, _prepare, CONTROL_RUNS[mode])
    return {"rows": rows, "controls": controls}, goals_of(controls), setup


def measure(cores: tuple[int, int], profile: str, count: int, runs: int) -> CoreRow:
    """Measure one profile."""
    bench = Bench(make_workload(profile, count))
    wanted = reference(bench)
    with pinned(cores[0]):
        return CoreRow(
            profile=profile,
            commands=count,
            outcomes=len(wanted.outcomes),
            fills=wanted.fills,
            rejects=wanted.rejects,
            risk_alone=repeat(runs, lambda: _risk(bench, wanted)),
            both=repeat(runs, lambda: _both(bench, wanted)),
            risk_percent=round(100 * _share(bench, wanted), 1),
        )


def _prepare(workload: Workload) -> tuple[Callable[[], float], int]:
    """Return how a workload is measured, in commands a second, and how many of its commands are rejected."""
    bench = Bench(workload)
    wanted = reference(bench)
    return lambda: _risk(bench, wanted), wanted.rejects


def _risk(bench: Bench, wanted: Reference) -> float:
    bench.rewind(judged=False, feedback=True)
    risk = bench.new_risk()
    verdicts = np.asarray(bench.verdicts)
    verdicts.fill(0)
    spent_ns = int(
        kernels.drive_risk(
            bench.in_words, bench.in_slots, bench.verdicts, bench.out_words, bench.out_slots,
            bench.out_slot_words, risk, wanted.outcomes, wanted.ends, bench.workload.setup, bench.last_seq,
        )
    )  # fmt: skip
    if spent_ns < 0:
        raise AssertionError("risk: expected its feedback queue to suffice, was too small")
    if not np.array_equal(verdicts, np.asarray(wanted.verdicts)):
        raise NotVerified("risk: expected the verdicts of the reference run, was others")
    return bench.workload.flow_count / spent_ns * 1e9


def _both(bench: Bench, wanted: Reference) -> float:
    workload = bench.workload
    state = CoreState(workload.capacities, INPUT_SLOTS)
    touch(state.risk)
    for books in state.books:
        touch(books)
    core = Core(input_slots=INPUT_SLOTS, output_slots=OUTPUT_SLOTS, state=state)
    core.digest(workload.commands[: workload.setup])
    flow = workload.commands[workload.setup :]
    started_ns = time.monotonic_ns()
    digest = core.digest(flow)
    spent_ns = time.monotonic_ns() - started_ns
    expect_equal("digest", wanted.digest, digest)
    return workload.flow_count / spent_ns * 1e9


def _share(bench: Bench, wanted: Reference) -> float:
    """Return risk's share of the time of both."""
    bench.rewind(judged=False, feedback=True)
    spent_ns = np.zeros(2, np.int64)
    totals = np.zeros(kernels.TOTALS, np.int64)
    kernels.drive_core(
        bench.in_words, bench.in_slots, bench.verdicts, bench.out_words, bench.out_slots, bench.out_slot_words,
        bench.new_risk(), bench.new_books(), bench.last_seq, np.zeros((0, 16), np.int64), spent_ns, totals,
    )  # fmt: skip
    expect_equal("sum of all words", wanted.words_sum, int(totals[kernels.T_SUM]))
    return float(spent_ns[0] / spent_ns.sum())
