"""What the benchmarks of the core run on: a generated flow as stamped commands, with the outcome that is right.

A workload begins with the commands that define the default venue and open a session, as a supervisor and a
gateway would send them, and goes on with a profile of :mod:`protocols.flow`. Feedback stamps are those that
ingest gives a single port: commands come in groups of its quota, and each group has seen all groups before it.

The expected results come from the compiled core of one process (:class:`stages.core.Core`); the benchmarks
hold what they measured against them. Nothing here is measured.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

from protocols.codes import KIND_SESSION_OPEN, OUT_FILLED, OUT_REJECTED
from protocols.flow import SyntheticSource, flow_config
from protocols.layouts import COMMAND, OUTCOME
from stages.config import Capacity, default_config
from stages.core import Core, CoreState
from stages.ingest import QUOTA
from stages.state import Capacities
from stages.state_words import MW_TYPE_COUNTS
from stages.venue import capacities_of, config_commands, new_command, set_name, venue_command

__all__ = ["Expected", "Workload", "expect", "make_workload"]

SESSION: Final = "BENCH"
INPUT_SLOTS: Final = 1 << 14  # as in the default venue
TIME_STEP_NS: Final = 1_000
CHUNK: Final = 1 << 16


class Workload(NamedTuple):
    """Stamped commands from sequence 1 on; the first ``setup`` define the venue."""

    profile: str
    seed: int
    commands: Any
    setup: int
    capacities: Capacities

    @property
    def count(self) -> int:
        """Return how many commands are measured."""
        return len(self.commands) - self.setup


class Expected(NamedTuple):
    """What the commands of a workload must give."""

    digest: int
    outcomes: int
    words_sum: int  # of the 15 determined words of all outcomes, modulo 2^64
    fills: int
    rejects: int
    ends: Any  # int64, by sequence: how many outcomes there are up to it
    feed: Any  # all outcomes, or none if they were not asked for


def make_workload(profile: str, count: int, seed: int = 1, capacity: Capacity | None = None) -> Workload:
    """Generate ``count`` commands of a profile behind the commands that define the default venue."""
    config = default_config()
    capacities = capacities_of(venue_command(capacity or config.capacity))
    setup = [np.atleast_1d(venue_command(capacity or config.capacity))]
    setup.append(config_commands(config, CoreState(capacities, INPUT_SLOTS).risk))
    setup.append(np.atleast_1d(set_name(new_command(KIND_SESSION_OPEN), SESSION)))
    flow = np.zeros(count, dtype=COMMAND)
    directory = config.directory()
    source = SyntheticSource(
        directory, count, seed, session=SESSION, config=flow_config(profile, directory, count, seed)
    )
    filled = source.read(flow)
    assert filled == count, f"flow: expected {count} commands, was {filled}"
    commands = np.concatenate([*setup, flow])
    first = len(commands) - count
    seqs = np.arange(1, len(commands) + 1, dtype=np.int64)
    commands["seq"] = seqs
    commands["time_ns"] = seqs * TIME_STEP_NS
    # the venue is defined before the flow begins, then each group has seen the groups before it
    commands["seen_seq"] = np.where(seqs <= first, seqs - 1, first + (seqs - first - 1) // QUOTA * QUOTA)
    return Workload(profile, seed, commands, first, capacities)


def expect(workload: Workload, keep: bool = False) -> Expected:
    """Run a workload through the core of one process; ``keep`` keeps its outcomes."""
    core = Core(workload.capacities, input_slots=INPUT_SLOTS)
    ends = np.zeros(len(workload.commands) + 1, dtype=np.int64)
    kept: list[Any] = []
    total = np.int64(0)
    with np.errstate(over="ignore"):
        for start in range(0, len(workload.commands), CHUNK):
            outcomes = core.process(workload.commands[start : start + CHUNK])
            total += outcomes.view(np.int64).reshape(-1, 16)[:, :15].sum(dtype=np.int64)
            np.add.at(ends, outcomes["input_seq"], 1)
            if keep:
                kept.append(outcomes)
    words = core.state.books.words
    return Expected(
        digest=core.outcome_digest,
        outcomes=int(ends.sum()),
        words_sum=int(total),
        fills=int(words[MW_TYPE_COUNTS + OUT_FILLED]),
        rejects=int(words[MW_TYPE_COUNTS + OUT_REJECTED]),
        ends=np.cumsum(ends),
        feed=np.concatenate(kept) if keep else np.zeros(0, dtype=OUTCOME),
    )
