"""What a command costs as books grow: resting orders, instruments, and the fills of a sweep.

::

    generator ──► input ring and verdicts ──► matching ──► output ring, nobody reads

A book is filled up to its size, then commands come that keep it there (new, cancel, replace and IOC orders, any
instrument, any resting order, any price: the least local flow there is). The generator writes some thousands at
a time, outside the clock. How many orders rest in the end, and how many outcomes of each kind there were, must
be what the generator says. A sweep is one IOC order through a thousand others: all on one level, or each on its
own; each fill is two outcomes.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from msgspec import Struct

from benchmarks import scale_kernels as kernels
from benchmarks.machine import pinned
from benchmarks.measure import Goal, Measured, Runs, expect_equal, repeat
from benchmarks.workload import NOBODY, OUTPUT_SLOTS, touch
from protocols.codes import OUT_ACCEPTED, OUT_CANCELLED, OUT_FILLED, OUT_REJECTED, OUT_REPLACED
from protocols.layouts import COMMAND, OUTCOME
from stages.state import VERDICT, Capacities, allocate_matching, shared_array, with_ring
from stages.state_words import MW_LEVELS, MW_OPEN, MW_TYPE_COUNTS
from stages.topology import CUR_OUTPUT_PUBLISH, CUR_OUTPUT_RISK, cursor_word

__all__ = ["ScaleRow", "SweepRow", "run"]

BATCH: Final = 1 << 14
COMMANDS: Final = {"full": 1_000_000, "quick": 200_000}
RUNS: Final = {"full": 5, "quick": 3}
SHAPES: Final = {
    "full": (
        (1_000, 1), (100_000, 1), (1_000_000, 1), (10_000_000, 1), (100_000, 1_000), (1_000_000, 1_000),
        (100_000, 10_000), (1_000_000, 10_000), (10_000_000, 10_000),
    ),
    "quick": ((1_000, 1), (100_000, 1), (100_000, 1_000)),
}  # fmt: skip
ORDERS_A_LEVEL: Final = 4
MIN_WIDTH: Final = 10
SWEPT: Final = 1_000
GOAL_GROWTH: Final = 2.0
GOAL_FILL_NS: Final = 60.0


class ScaleRow(Struct, frozen=True, kw_only=True):
    """Nanoseconds a command on books of one size."""

    orders: int
    instruments: int
    levels: int
    command_ns: Runs


class SweepRow(Struct, frozen=True, kw_only=True):
    """Nanoseconds a fill of a sweep."""

    orders: int
    levels: int
    fill_ns: Runs


class Scale:
    """Books of a size, with rings for a batch of commands."""

    def __init__(self, orders: int, instruments: int, width: int = 0, *, filled: bool = True) -> None:
        self.orders = orders
        self.instruments = instruments
        self.width = width or max(MIN_WIDTH, orders // (2 * instruments * ORDERS_A_LEVEL))
        levels = min(orders + BATCH, 2 * instruments * self.width) + 1
        books = allocate_matching(
            Capacities(orders + BATCH, levels, 16, 16, 4, max_instruments=instruments, max_specials=16)
        )
        self.out_slot_words = np.asarray(shared_array(OUTPUT_SLOTS, OUTCOME)).view(np.int64).reshape(-1, 16)
        self.books = with_ring(books, self.out_slot_words)
        touch(self.books)
        self.in_words = shared_array(cursor_word(4), np.int64)
        self.out_words = shared_array(cursor_word(3), np.int64)
        self.out_words[[CUR_OUTPUT_PUBLISH, CUR_OUTPUT_RISK]] = NOBODY
        self.slots = shared_array(2 * BATCH, COMMAND)
        self.verdicts = shared_array(2 * BATCH, VERDICT)
        self.window = np.zeros((orders + BATCH, 3), np.int64)
        self.state = np.zeros(kernels.GENERATOR_WORDS, np.int64)
        self.state[kernels.G_CHANCE] = 0x2545F4914F6CDD1D
        self.seq = 0
        self.rested = 0
        if filled:
            self.run(orders, filling=True)

    def run(self, count: int, *, filling: bool = False) -> int:
        """Process ``count`` commands; return the nanoseconds that matching took."""
        spent_ns = 0
        for start in range(0, count, BATCH):
            batch = min(BATCH, count - start)
            self.rested += kernels.fill_ring(
                self.slots, self.verdicts, self.state, self.window, self.seq + 1, batch, self.instruments,
                self.width, filling,
            )  # fmt: skip
            self.seq += batch
            spent_ns += self.match()
        return spent_ns

    def match(self) -> int:
        """Match what lies in the ring."""
        return int(
            kernels.match_ring(
                self.in_words,
                self.slots,
                self.verdicts,
                self.out_words,
                self.out_slot_words,
                self.books,
                self.seq,
            )
        )

    def outcomes(self, kind: int) -> int:
        """Return how many outcomes of a type there were."""
        return int(self.books.words[MW_TYPE_COUNTS + kind])

    def verify(self) -> None:
        """Raise NotVerified unless each command had the outcome that it must have."""
        later = np.arange(self.orders + 1, self.seq + 1) % 10
        cancels, replaces, takers = (int(np.isin(later, turns).sum()) for turns in ((1, 3, 5, 7), (8,), (9,)))
        expect_equal("resting orders", int(self.state[kernels.G_OPEN]), int(self.books.words[MW_OPEN]))
        expect_equal("accepted", self.rested + takers, self.outcomes(OUT_ACCEPTED))
        expect_equal("cancelled", cancels, self.outcomes(OUT_CANCELLED))
        expect_equal("replaced", replaces, self.outcomes(OUT_REPLACED))
        expect_equal("fills", 2 * takers, self.outcomes(OUT_FILLED))
        expect_equal("rejected", 0, self.outcomes(OUT_REJECTED))


def run(cores: tuple[int, int], mode: str = "full") -> Measured:
    """Measure all sizes and both sweeps."""
    rows = [measure(cores, *shape, COMMANDS[mode], RUNS[mode]) for shape in SHAPES[mode]]
    sweeps = [measure_sweep(cores, SWEPT, levels, RUNS[mode]) for levels in (1, SWEPT)]
    goals = [
        Goal(
            what=f"a command, {row.orders:,} orders in {row.instruments:,} instruments against 1,000 in 1",
            goal=GOAL_GROWTH,
            value=row.command_ns.median / rows[0].command_ns.median,
            unit="x",
            at_most=True,
        )
        for row in rows[1:]
    ]
    goals += [
        Goal(
            what=f"a fill, {row.orders:,} orders on {row.levels:,} levels",
            goal=GOAL_FILL_NS,
            value=row.fill_ns.median,
            unit=" ns",
            at_most=True,
        )
        for row in sweeps
    ]
    setup = {
        "commands": f"{COMMANDS[mode]:,} a run on books of constant size: 40% new, 40% cancel, 10% replace, 10% IOC",
        "prices": f"uniform over as many as make {ORDERS_A_LEVEL} orders a level, at least {MIN_WIDTH} a side",
        "budget": f"{kernels.BUDGET} commands a step",
        "durability": "no journal",
    }
    return {"rows": rows, "sweeps": sweeps}, goals, setup


def measure(cores: tuple[int, int], orders: int, instruments: int, count: int, runs: int) -> ScaleRow:
    """Measure books of one size."""
    with pinned(cores[0]):
        scale = Scale(orders, instruments)
        scale.run(BATCH)
    levels = int(scale.books.words[MW_LEVELS])

    def once() -> float:
        with pinned(cores[0]):
            spent_ns = scale.run(count)
        scale.verify()
        return spent_ns / count

    return ScaleRow(
        orders=orders, instruments=instruments, levels=levels, command_ns=repeat(runs, once, cores)
    )


def measure_sweep(cores: tuple[int, int], orders: int, levels: int, runs: int, times: int = 200) -> SweepRow:
    """Measure sweeps through ``orders`` orders on ``levels`` levels."""
    scale = Scale(orders, 1, levels, filled=False)
    books = scale.books

    def once() -> float:
        spent_ns = 0
        with pinned(cores[0]):
            for _ in range(times):
                kernels.lay_sweep(scale.slots, scale.verdicts, scale.seq + 1, orders, levels)
                scale.seq += orders
                scale.match()
                expect_equal("levels before a sweep", levels, int(books.words[MW_LEVELS]))
                scale.seq += 1
                filled = scale.outcomes(OUT_FILLED)
                spent_ns += scale.match()
                expect_equal("fills", 2 * orders, scale.outcomes(OUT_FILLED) - filled)
                expect_equal("resting orders after a sweep", 0, int(books.words[MW_OPEN]))
        return spent_ns / (times * orders)

    return SweepRow(orders=orders, levels=levels, fill_ns=repeat(runs, once, cores))
