"""The matching kernel alone: verdicts are there, outcomes go to a reader on the other core.

::

    input ring with all commands ──► matching (core A) ──► output ring ──► reader (core B)
    verdicts of the reference run ─┘

The reader takes every word of every outcome, checks that none is missing, doubled or out of order, and adds
them up; sum, count and digest must be those of the reference run. Time runs until the reader is done. The
second figure is the kernel with nobody to read: the difference is what handing over costs.
"""

from __future__ import annotations

import time
from typing import Any, Final

import numpy as np
from msgspec import Struct

from benchmarks import core_kernels as kernels
from benchmarks.machine import Beside, pinned
from benchmarks.measure import Goal, Measured, NotVerified, Runs, expect_equal, repeat
from benchmarks.workload import NOBODY, OUTPUT_SLOTS, Bench, Reference, make_workload, reference
from protocols.flow import PROFILES
from stages.state_words import MW_DIGEST
from stages.topology import CUR_OUTPUT_PUBLISH

__all__ = ["MatchingRow", "run"]

COMMANDS: Final = {"full": 2_000_000, "quick": 300_000}
RUNS: Final = {"full": 7, "quick": 3}
GOAL_PER_S: Final = 6e6


class MatchingRow(Struct, frozen=True, kw_only=True):
    """One profile: rates in commands a second."""

    profile: str
    commands: int
    outcomes: int
    fills: int
    rejects: int
    handed_over: Runs | None  # None where there is one core only
    nobody_reads: Runs
    mean_batch: float  # outcomes that the reader found at a time


def run(cores: tuple[int, int], mode: str = "full", profiles: tuple[str, ...] = PROFILES) -> Measured:
    """Measure all profiles; the goal is that of the normal one."""
    rows = [measure(cores, profile, COMMANDS[mode], RUNS[mode]) for profile in profiles]
    first = rows[0].handed_over or rows[0].nobody_reads
    goals = [
        Goal(
            what=f"matching kernel alone, {rows[0].profile} flow",
            goal=GOAL_PER_S,
            value=first.median,
            unit="/s",
        )
    ]
    setup = {
        "commands": f"{COMMANDS[mode]:,} of each profile, in memory",
        "output ring": f"{OUTPUT_SLOTS:,} slots of 128 bytes",
        "budget": f"{kernels.BUDGET} commands a step",
        "reader": "touches every word, backs off about 2 µs when it finds nothing",
        "durability": "no journal",
    }
    return {"rows": rows}, goals, setup


def measure(cores: tuple[int, int], profile: str, count: int, runs: int) -> MatchingRow:
    """Measure one profile."""
    bench = Bench(make_workload(profile, count))
    wanted = reference(bench)
    batches: list[float] = []
    handed_over = None
    if cores[0] != cores[1]:
        handed_over = repeat(runs, lambda: _hand_over(bench, wanted, cores, batches), cores)
    return MatchingRow(
        profile=profile,
        commands=count,
        outcomes=len(wanted.outcomes),
        fills=wanted.fills,
        rejects=wanted.rejects,
        handed_over=handed_over,
        nobody_reads=repeat(runs, lambda: _alone(bench, wanted, cores)),
        mean_batch=round(float(np.median(batches)), 1) if batches else 0.0,
    )


def _hand_over(bench: Bench, wanted: Reference, cores: tuple[int, int], batches: list[float]) -> float:
    bench.rewind(judged=True, feedback=False)
    books = bench.new_books()
    expected = len(wanted.outcomes)

    def read() -> Any:
        totals = np.zeros(kernels.TOTALS, np.int64)
        kernels.read_outcomes(bench.out_words, bench.out_slot_words, expected, totals)
        return totals

    read_nothing(bench)
    with pinned(cores[0]), Beside(cores[1], read) as reader:
        began_ns = _drive(bench, books)
        totals = reader.result()
    if totals[kernels.T_OUTCOMES] != expected or totals[kernels.T_DISORDER]:
        raise NotVerified(f"reader: expected {expected} outcomes in order, was {totals.tolist()}")
    expect_equal("sum of all words that the reader took", wanted.words_sum, int(totals[kernels.T_SUM]))
    expect_equal("digest", wanted.digest, int(books.words[MW_DIGEST]))
    batches.append(float(totals[kernels.T_OUTCOMES] / totals[kernels.T_BATCHES]))
    return bench.workload.flow_count / (int(totals[kernels.T_END_NS]) - began_ns) * 1e9


def _alone(bench: Bench, wanted: Reference, cores: tuple[int, int]) -> float:
    bench.rewind(judged=True, feedback=False)
    bench.out_words[CUR_OUTPUT_PUBLISH] = NOBODY
    books = bench.new_books()
    with pinned(cores[0]):
        began_ns = _drive(bench, books)
        ended_ns = time.monotonic_ns()
    expect_equal("digest", wanted.digest, int(books.words[MW_DIGEST]))
    return bench.workload.flow_count / (ended_ns - began_ns) * 1e9


def _drive(bench: Bench, books: Any) -> int:
    began_ns = int(
        kernels.drive_matching(
            bench.in_words, bench.in_slots, bench.verdicts, bench.out_words, bench.out_slot_words, books,
            bench.last_seq,
        )
    )  # fmt: skip
    if began_ns == kernels.STUCK:
        raise TimeoutError("matching: expected the reader to make room, was stuck")
    return began_ns


def read_nothing(bench: Bench) -> None:
    """Load the reader's kernel here, so that its process has it from the fork."""
    kernels.read_outcomes(bench.out_words, bench.out_slot_words, 0, np.zeros(kernels.TOTALS, np.int64))
