"""The benchmarks of risk and matching measure what they say, and refuse a run that gave something else."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import core_kernels as kernels
from benchmarks import matching, risk, risk_controls
from benchmarks.machine import two_cores
from benchmarks.matching_flows import FLOWS
from benchmarks.measure import NotVerified
from benchmarks.workload import Bench, make_workload, reference
from protocols.codes import KIND_CANCEL, KIND_NEW, KIND_REPLACE, TIF_IOC
from protocols.flow import PROFILES
from stages.core import Core

CORES = two_cores()
COUNT = 3_000


def test_the_flow_is_the_mix_that_the_goal_names() -> None:
    """Half of the flow are new orders, 15% of them IOC, 41% cancels, 9% replaces."""
    workload = make_workload("normal", 200_000)
    flow = workload.commands[workload.setup :]
    kinds = flow["kind"]
    shares = [np.mean(kinds == kind) for kind in (KIND_NEW, KIND_CANCEL, KIND_REPLACE)]
    assert shares == pytest.approx([0.50, 0.41, 0.09], abs=0.01)
    assert np.mean(flow["tif"][kinds == KIND_NEW] == TIF_IOC) == pytest.approx(0.15, abs=0.01)


def test_commands_are_stamped_as_ingest_does() -> None:
    """Sequences are gapless, and no command has seen one of its own group."""
    workload = make_workload("normal", 1_000)
    commands = workload.commands
    assert np.array_equal(commands["seq"], np.arange(1, len(commands) + 1))
    flow = commands[workload.setup :]
    behind = flow["seq"] - flow["seen_seq"]
    assert behind.min() == 1
    assert behind.max() <= 64


@pytest.mark.parametrize("profile", PROFILES)
def test_the_reference_is_what_the_core_gives(profile: str) -> None:
    """The reference run of the benchmarks and the core of replay agree in every outcome."""
    workload = make_workload(profile, COUNT)
    wanted = reference(Bench(workload))
    core = Core(workload.capacities)
    outcomes = core.process(workload.commands)
    assert np.array_equal(outcomes.view(np.int64).reshape(-1, 16), wanted.outcomes)
    assert core.outcome_digest == wanted.digest
    assert wanted.ends[-1] == len(outcomes)
    total = sum(wanted.outcomes[:, :15].astype(object).sum(axis=1)) % 2**64
    assert total == wanted.words_sum % 2**64


def test_matching_is_measured() -> None:
    """A row of the matching benchmark has a rate for each run, with a reader and without."""
    row = matching.measure(CORES, FLOWS[0], "quick", count=COUNT)
    assert row.nobody_reads.low > 0
    assert row.outcomes > COUNT
    if CORES[0] != CORES[1]:
        assert row.handed_over is not None
        assert len(row.handed_over.values) == len(row.handed_over.round_trips_ns) == 2
        assert row.mean_batch >= 1


def test_orders_that_fill_the_books_are_not_timed() -> None:
    """What comes before the clock starts is no command of the row, and has no outcomes in it."""
    row = matching.measure(CORES, FLOWS[5], "quick", count=COUNT)
    assert (row.commands, row.resting) == (COUNT, 1_000)
    assert COUNT <= row.outcomes < 2 * COUNT
    assert row.nobody_reads.low > 0


def test_risk_is_measured() -> None:
    """A row of the risk benchmark has rates for risk alone and for both, and the share of risk."""
    row = risk.measure(CORES, "swing", COUNT, 2)
    assert row.risk_alone.low > 0
    assert row.both.low > 0
    assert 0 < row.risk_percent < 100


def test_each_control_is_measured() -> None:
    """Every control is measured by itself, none and all; none of them rejects more, and all together have a goal."""
    rows = risk_controls.measure_controls(CORES[0], COUNT, risk._prepare, 1)
    assert [row.control for row in rows][1:-1] == list(risk_controls.CONTROLS)
    assert {row.rejects for row in rows} == {rows[0].rejects}
    assert all(row.ns.low > 0 for row in rows)
    [goal] = risk_controls.goals_of(rows)
    assert (goal.goal, goal.at_most) == (60, True)


def test_a_reader_that_misses_something_gives_no_figure() -> None:
    """A run whose outcomes, digest or verdicts are not those of the reference is refused."""
    bench = Bench(make_workload("normal", COUNT))
    wanted = reference(bench)
    with pytest.raises(NotVerified, match="digest"):
        matching._alone(bench, wanted._replace(digest=wanted.digest ^ 1), CORES)
    with pytest.raises(NotVerified, match="digest"):
        risk._both(bench, wanted._replace(digest=wanted.digest ^ 1))
    other = np.asarray(wanted.verdicts).copy()
    other["reason"][5] ^= 1
    with pytest.raises(NotVerified, match="verdicts"):
        risk._risk(bench, wanted._replace(verdicts=other))
    if CORES[0] != CORES[1]:
        with pytest.raises(NotVerified, match="sum of all words"):
            matching._hand_over(bench, wanted._replace(words_sum=wanted.words_sum + 1), CORES, [])


def test_the_reader_notices_disorder() -> None:
    """Outcomes that are missing or swapped count as disorder."""
    bench = Bench(make_workload("normal", COUNT))
    wanted = reference(bench)
    for disturb in (
        lambda rows: np.delete(rows, 7, axis=0),
        lambda rows: rows[[*range(5), 6, 5, *range(7, 40)]],
    ):
        rows = disturb(wanted.outcomes[:40])
        slots = np.zeros((64, 16), np.int64)
        slots[1 : len(rows) + 1] = rows
        bench.rewind(judged=True, feedback=False)
        totals = np.zeros(kernels.TOTALS, np.int64)
        bench.out_words[64] = len(rows)
        kernels.read_outcomes(bench.out_words, slots, len(rows), totals)
        missing = int(totals[kernels.T_OUTCOMES]) < 40
        assert totals[kernels.T_DISORDER] or missing
