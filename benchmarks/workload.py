"""What the benchmarks of the core run on: a generated flow as stamped commands, and what must come of it.

A workload begins with the commands that define a venue, the default one unless another is given, and open a
session, as a supervisor and a gateway would send them, and goes on with a profile of :mod:`protocols.flow`.
Feedback stamps are those that ingest gives a single port: commands come in groups of its quota, and each group
has seen all groups before it. A flow may begin with orders that fill the books; they are no part of what is
measured where ``lead`` is regarded.

A :class:`Bench` holds the rings and states that the kernels work on. The reference run, risk and matching in
turn in one process, leaves verdicts and outcomes; the measured runs are held against it. Nothing here is
measured.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

from benchmarks import core_kernels as kernels
from benchmarks.measure import expect_equal
from protocols.codes import FLAG_MARKET_DATA, KIND_SESSION_OPEN, OUT_FILLED, OUT_REJECTED
from protocols.directory import Directory
from protocols.flow import FlowConfig, SyntheticSource, flow_config
from protocols.layouts import COMMAND, OUTCOME
from stages.config import VenueConfig, default_config
from stages.definitions import capacities_of
from stages.ingest import QUOTA
from stages.state import (
    VERDICT,
    Capacities,
    MatchingState,
    RiskState,
    allocate_matching,
    allocate_risk,
    records,
    shared_array,
    with_ring,
)
from stages.state_words import MW_DIGEST, MW_TYPE_COUNTS
from stages.topology import CUR_INPUT_RISK, CUR_OUTPUT_RISK, CUR_WRITER, cursor_word
from stages.venue import config_commands, new_command, set_name, venue_command

__all__ = ["Bench", "Reference", "Workload", "make_workload", "reference", "touch"]

SESSION: Final = "BENCH"
OUTPUT_SLOTS: Final = 1 << 16  # as in the default venue
TIME_STEP_NS: Final = 1_000
IN_FLIGHT: Final = 1 << 14  # what risk may be ahead of matching: here no more than a step
NOBODY: Final = 1 << 60  # the cursor of a reader that a benchmark does without
PAGE_WORDS: Final = 512
TOUCHED: Final = {
    "orders", "order_map", "order_stack", "texts", "levels", "blocks", "block_keys", "block_rows", "digests", "cl_map",
}  # fmt: skip


class Workload(NamedTuple):
    """Stamped commands from sequence 1 on; the first ``setup`` define the venue, ``prefill`` more fill the books."""

    profile: str
    seed: int
    commands: Any
    setup: int
    capacities: Capacities
    prefill: int = 0

    @property
    def flow_count(self) -> int:
        """Return how many commands there are behind those that define the venue."""
        return len(self.commands) - self.setup

    @property
    def lead(self) -> int:
        """Return how many commands come before those that are measured with full books."""
        return self.setup + self.prefill


class Reference(NamedTuple):
    """What the commands of a workload must give."""

    verdicts: Any
    outcomes: Any  # int64 rows
    ends: Any  # by sequence: how many outcomes there are up to it
    digest: int
    words_sum: int  # of the determined words of all outcomes, modulo 2^64
    fills: int
    rejects: int


def make_workload(
    profile: str,
    count: int,
    seed: int = 1,
    config: VenueConfig | None = None,
    *,
    market_data: bool = False,
    controls: Any = None,
    **changes: Any,
) -> Workload:
    """Generate ``count`` commands of a profile behind those that define a venue (None: the default one).

    Without ``market_data`` no instrument has it, as in the engines that ours is compared with. ``changes`` are those of
    :func:`protocols.flow.flow_config`. ``controls`` are commands behind those that define the venue.
    """
    config = config or default_config()
    venue = venue_command(config.capacity)
    capacities = capacities_of(venue)
    session = set_name(new_command(KIND_SESSION_OPEN), SESSION)
    definitions = config_commands(config, allocate_risk(capacities, QUOTA))
    made = flow_config(profile, config.directory(), count, seed, **changes)
    flow = _generate(config.directory(), made)
    if not market_data:
        definitions["flags"] &= ~np.uint16(FLAG_MARKET_DATA)
    if controls is not None:
        definitions = np.concatenate([definitions, controls])
    commands = np.concatenate([np.atleast_1d(venue), definitions, np.atleast_1d(session), flow])
    setup = len(commands) - count
    seqs = np.arange(1, len(commands) + 1, dtype=np.int64)
    commands["seq"] = seqs
    commands["time_ns"] = seqs * TIME_STEP_NS
    # the venue is defined before the flow begins, then each group has seen the groups before it
    commands["seen_seq"] = np.where(seqs <= setup, seqs - 1, setup + (seqs - setup - 1) // QUOTA * QUOTA)
    return Workload(profile, seed, commands, setup, capacities, made.prefill)


def generate_flow(profile: str, count: int, seed: int) -> Any:
    """Return ``count`` commands of a profile over the default venue, as an injector reads them."""
    directory = default_config().directory()
    return _generate(directory, flow_config(profile, directory, count, seed))


def _generate(directory: Directory, config: FlowConfig) -> Any:
    flow = np.zeros(config.orders, dtype=COMMAND)
    source = SyntheticSource(directory, config.orders, config.seed, session=SESSION, config=config)
    expect_equal("commands of the flow", config.orders, source.read(flow))
    return flow


def touch(state: RiskState | MatchingState) -> None:
    """Have the pages of what is used at random, so that page faults are not measured."""
    for name, array in zip(state._fields, state, strict=True):
        if name in TOUCHED and array.flags.c_contiguous:
            words = np.asarray(array).reshape(-1).view(np.int32)
            words[:: 2 * PAGE_WORDS] |= 0


class Bench:
    """Rings with all commands of a workload in the input ring, and fresh states for each run."""

    def __init__(self, workload: Workload) -> None:
        count = len(workload.commands)
        slots = 1 << count.bit_length()  # sequence 0 has a slot too
        self.workload = workload
        self.last_seq = count
        self.in_words = shared_array(cursor_word(4), np.int64)
        self.out_words = shared_array(cursor_word(3), np.int64)
        self.in_slots = shared_array(slots, COMMAND)
        np.asarray(self.in_slots)[1 : count + 1] = workload.commands
        self.out_slots = shared_array(OUTPUT_SLOTS, OUTCOME)
        self.out_slot_words = np.asarray(self.out_slots).view(np.int64).reshape(-1, 16)
        self.verdicts = shared_array(slots, VERDICT)

    def new_risk(self) -> RiskState:
        """Return an empty risk state."""
        risk = allocate_risk(self.workload.capacities, IN_FLIGHT)
        touch(risk)
        return risk

    def new_books(self) -> MatchingState:
        """Return empty books."""
        books = with_ring(allocate_matching(self.workload.capacities), self.out_slot_words)
        touch(books)
        return books

    def rewind(self, *, judged: bool, feedback: bool) -> None:
        """Put all cursors to the beginning; ``judged``: risk is done, ``feedback``: risk reads outcomes."""
        self.in_words[:] = 0
        self.out_words[:] = 0
        self.in_words[CUR_WRITER] = self.last_seq
        if judged:
            self.in_words[CUR_INPUT_RISK] = self.last_seq
        if not feedback:
            self.out_words[CUR_OUTPUT_RISK] = NOBODY


def reference(bench: Bench) -> Reference:
    """Run risk and matching in turn; the verdicts stay in the ring of verdicts, too."""
    workload = bench.workload
    bench.rewind(judged=False, feedback=True)
    risk, books = bench.new_risk(), bench.new_books()
    kept = np.zeros((3 * len(workload.commands) + 1024, 16), np.int64)
    totals = np.zeros(kernels.TOTALS, np.int64)
    count = int(
        kernels.drive_core(
            bench.in_words, bench.in_slots, bench.verdicts, bench.out_words, bench.out_slots,
            bench.out_slot_words, risk, books, bench.last_seq, kept, np.zeros(2, np.int64), totals,
        )
    )  # fmt: skip
    if not 0 < count <= len(kept):
        raise AssertionError(f"reference run: expected up to {len(kept)} outcomes, was {count}")
    expect_equal("outcomes of the reference run out of order", 0, int(totals[kernels.T_DISORDER]))
    outcomes = kept[:count].copy()
    ends = np.searchsorted(outcomes[:, 0], np.arange(len(workload.commands) + 2), side="right")
    return Reference(
        verdicts=records(np.asarray(bench.verdicts).copy()),
        outcomes=outcomes,
        ends=ends.astype(np.int64),
        digest=int(books.words[MW_DIGEST]),
        words_sum=int(totals[kernels.T_SUM]),
        fills=int(books.words[MW_TYPE_COUNTS + OUT_FILLED]),
        rejects=int(books.words[MW_TYPE_COUNTS + OUT_REJECTED]),
    )
