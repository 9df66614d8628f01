"""Feedback by the journaled stamp: what a pipeline decides, however its stages interleave, a replay decides again.

Stages are stepped in drawn orders and as far as drawn; commands are stamped when they come, with what matching has done
by then. The recorded commands, run again one by one, give the same verdicts, outcomes, and digests. A risk that takes
in fills as they come, and looks at no stamp, fails just this: that it does is tested too.
"""

from __future__ import annotations

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from protocols.codes import Kind, Limit, OrdType, Reason, Side, Tif
from tests.stages.interleaving import (
    EagerPipeline,
    KernelPipeline,
    Pipeline,
    Record,
    Schedule,
    TwinPipeline,
    as_rows,
    assert_repeated,
    replay,
    run_live,
)
from tests.stages.stepper import INGEST, MATCHING, MERGE, PUBLISH, RISK
from tests.stages.steps import Sequence
from tests.stages.strategies import FORTUNES, SPECIAL, sequences
from tests.stages.strategies import RISK as RISK_SHAPE
from tests.twin.records import Command, make_command
from tests.twin.scenario import AMPLE, CAPACITIES, USD, venue_command

pytestmark = pytest.mark.jitoff

ANY_SEQUENCES = st.sampled_from([RISK_SHAPE, RISK_SHAPE, SPECIAL, FORTUNES]).flatmap(sequences)
SCHEDULES = st.lists(st.tuples(st.integers(0, 7), st.integers(1, 9)), max_size=200)


def check(maker: type[Pipeline], sequence: Sequence, schedule: Schedule) -> None:
    """Run a sequence as a schedule says, and its record again."""
    live = run_live(maker, sequence.capacities, sequence.commands, schedule)
    assert_repeated(live, replay(maker, sequence.capacities, live.commands))


@given(sequence=ANY_SEQUENCES, schedule=SCHEDULES)
def test_interleavings_are_repeated_byte_for_byte(sequence: Sequence, schedule: Schedule) -> None:
    """However ingest, risk, matching and publish interleave, a replay has their verdicts, outcomes and digests."""
    check(KernelPipeline, sequence, schedule)


@given(sequence=ANY_SEQUENCES, schedule=SCHEDULES)
def test_interleavings_of_the_twin_are_repeated(sequence: Sequence, schedule: Schedule) -> None:
    """The same holds of the naive twin: it is the stamp that makes it so, not the kernels."""
    check(TwinPipeline, sequence, schedule)


def test_the_property_fails_where_fills_are_applied_as_they_come() -> None:
    """A risk that looks at no stamp is caught by the same property."""

    @settings(
        max_examples=300, database=None, derandomize=True, phases=[Phase.generate], report_multiple_bugs=False
    )
    @given(sequence=ANY_SEQUENCES, schedule=SCHEDULES)
    def eager(sequence: Sequence, schedule: Schedule) -> None:
        check(EagerPipeline, sequence, schedule)

    with pytest.raises(AssertionError, match="differ"):
        eager()


def two_buys() -> list[Command]:
    """Return commands of which the last but one trades, and the last buys as much as the limit then has room for."""
    commands = [
        venue_command(CAPACITIES),
        make_command(Kind.INSTRUMENT, cl="ACME", instrument=1, price_ticks=1, qty_lots=1, aux0=1, orig2=USD),
        make_command(Kind.SESSION_OPEN, cl="GW1"),
    ]
    for account in (1, 2):
        commands.append(make_command(Kind.ACCOUNT, cl=f"A{account}", account=account, orig2=USD))
        commands += [
            make_command(Kind.LIMIT, account=account, ord_type=limit, qty_lots=AMPLE) for limit in Limit
        ]
    commands.append(make_command(Kind.LIMIT, account=1, ord_type=Limit.MAX_OPEN_ORDERS, qty_lots=1))
    order = {"session": 1, "instrument": 1, "ord_type": OrdType.LIMIT, "price_ticks": 10, "qty_lots": 1}
    for account, side, cl in ((1, Side.BUY, "A"), (2, Side.SELL, "B"), (1, Side.BUY, "C")):
        commands.append(make_command(Kind.NEW, account=account, side=side, cl=cl, tif=Tif.GTC, **order))
    for seq, command in enumerate(commands, start=1):
        command.seq, command.time_ns = seq, seq
    return commands


AT_ONCE = (INGEST, RISK, INGEST, RISK, MATCHING, MERGE)
LATE = (INGEST, RISK, INGEST, MATCHING, MERGE, RISK)


def judged(maker: type[Pipeline], order_of_steps: tuple[int, ...]) -> Record:
    """Stamp the last order before the trade before it is matched; judge it at once, or after that."""
    commands = two_buys()
    pipeline = maker(CAPACITIES, commands)
    for _ in commands[:-2]:
        for which in (INGEST, RISK, MATCHING, MERGE, PUBLISH):
            pipeline.step(which, 1)
    for which in order_of_steps:
        pipeline.step(which, 1)
    record = pipeline.finish()
    assert [int(row["seen_seq"]) for row in as_rows(record.commands)][-3:-1] == [len(commands) - 2] * 2
    return record


@pytest.mark.parametrize("maker", [TwinPipeline, KernelPipeline])
def test_a_fill_counts_when_the_stamp_says_so(maker: type[Pipeline]) -> None:
    """An order that was stamped before a fill was matched does not profit from it, however late it is judged."""
    at_once, late = judged(maker, AT_ONCE), judged(maker, LATE)
    assert_repeated(at_once, late)
    assert_repeated(late, replay(maker, CAPACITIES, late.commands))
    if maker is TwinPipeline:
        assert late.verdicts[-2].reason == Reason.MAX_OPEN_ORDERS


def test_the_example_fails_where_fills_are_applied_as_they_come() -> None:
    """Without the stamp the same order passes if it is judged late, and is rejected if it is judged at once."""
    at_once, late = judged(EagerPipeline, AT_ONCE), judged(EagerPipeline, LATE)
    assert [record.verdicts[-2].reason for record in (at_once, late)] == [Reason.MAX_OPEN_ORDERS, Reason.NONE]
    with pytest.raises(AssertionError, match="verdicts differ"):
        assert_repeated(at_once, replay(EagerPipeline, CAPACITIES, at_once.commands))
