"""Partitions of matching: outcomes are a function of the commands, whoever runs the partitions and however fast.

What the partitions decide and in which order outcomes stand is compared with a naive twin in ``test_against_twin.py``,
whose sequences draw the number of partitions. Here: that scheduling, lane and ring sizes decide nothing, and that more
partitions change nothing of what happens in one instrument.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.codes import (
    LIMIT_UNLIMITED,
    KillLevel,
    Kind,
    Limit,
    OutcomeFlag,
    OutcomeType,
    Reason,
    Side,
    Switch,
)
from protocols.commands import BUY, SELL
from ringbuffer.ring_words import store_word
from stages.core import Core
from stages.state import Capacities
from stages.state_words import MW_OPEN, MW_REASON_COUNTS, MW_TYPE_COUNTS
from stages.topology import CUR_OUTPUT_PUBLISH, CUR_WRITER
from tests.stages.stepper import Stepper
from tests.stages.steps import Sequence
from tests.stages.strategies import SPECIAL, STATES, sequences
from tests.twin.core import CoreTwin
from tests.twin.records import Command, Outcome, from_row, make_command, to_array

pytestmark = pytest.mark.jitoff

ANY_SEQUENCES = st.sampled_from([SPECIAL, STATES]).flatmap(sequences)
ROOMY = {"max_levels": 400, "max_specials": 200, "max_orders": 400}


def partitioned(sequence: Sequence, partitions: int, **more: int) -> dict[str, int]:
    """Return the capacities of a sequence with so many partitions."""
    return {**sequence.capacities, **more, "partitions": partitions}


@given(
    sequence=ANY_SEQUENCES,
    partitions=st.integers(2, 4),
    lane_slots=st.sampled_from([16, 32, 64]),
    schedule=st.lists(st.tuples(st.integers(0, 7), st.integers(1, 9)), max_size=120),
)
def test_scheduling_decides_nothing(
    sequence: Sequence, partitions: int, lane_slots: int, schedule: list[tuple[int, int]]
) -> None:
    """Whichever stage goes first, and how far, outcomes and digest are those of one thread with large rings."""
    commands = to_array(sequence.commands)
    capacities = partitioned(sequence, partitions)
    straight = Core(Capacities(**capacities), input_slots=1 << 10, output_slots=1 << 12)
    expected = straight.process(commands)
    stepper = Stepper(capacities, 16, lane_slots)
    for which, budget in schedule:
        stepper.step(which, commands, budget)
    was = stepper.finish(commands)
    assert was.tobytes() == expected.tobytes()
    assert stepper.core.outcome_digest == straight.outcome_digest


def by_instrument(outcomes: list[Outcome]) -> dict[int, list[tuple[object, ...]]]:
    """Return what each instrument's outcomes say, but for their numbers among those of all instruments."""
    told: dict[int, list[tuple[object, ...]]] = defaultdict(list)
    first_trade: dict[tuple[int, int], int] = {}
    for outcome in outcomes:
        trade = 0
        if outcome.trade_index:
            base = first_trade.setdefault((outcome.input_seq, outcome.instrument), outcome.trade_index)
            trade = outcome.trade_index - base + 1
        outcome.index, outcome.trade_index = 0, trade
        told[outcome.instrument].append((outcome,))
    return told


@given(sequence=ANY_SEQUENCES, partitions=st.integers(2, 4))
def test_an_instrument_does_not_notice(sequence: Sequence, partitions: int) -> None:
    """With room enough, more partitions change the order between instruments, and nothing within one."""
    commands = [
        command for command in sequence.commands if command.kind != Kind.INSTRUMENT or command.tif == 0
    ]
    for seq, command in enumerate(commands, start=1):
        command.seq, command.seen_seq = seq, seq - 1
    one, several = (
        Core(Capacities(**partitioned(sequence, count, **ROOMY)), input_slots=256, output_slots=1 << 12)
        for count in (1, partitions)
    )
    rows = to_array(commands)
    told = [by_instrument([from_row(row) for row in core.process(rows)]) for core in (one, several)]
    assert told[0] == told[1]
    assert one.dump_books() == several.dump_books()
    assert one.dump_markets() == several.dump_markets()


def opened(
    partitions: int, instruments: int = 4, *, lane_slots: int = 1 << 12, output_slots: int = 1 << 12
) -> Core:
    """Return a core with some instruments (ids from 1, spread over the partitions), one account, one session."""
    core = Core(
        Capacities(max_orders=4096, max_levels=512, max_instruments=8, partitions=partitions),
        input_slots=64, output_slots=output_slots, lane_slots=lane_slots,
    )  # fmt: skip
    core.process(core.stamp(to_array(opening(instruments))))
    return core


def opening(instruments: int) -> list[Command]:
    """Return the commands that define such a venue."""
    commands = [make_command(Kind.VENUE)]
    for identity in range(1, instruments + 1):
        commands.append(
            make_command(
                Kind.INSTRUMENT, cl=f"I{identity}", instrument=identity, price_ticks=1, qty_lots=1, aux0=1
            )
        )
    commands.append(make_command(Kind.ACCOUNT, cl="A", account=1))
    commands += [
        make_command(Kind.LIMIT, account=1, ord_type=which, qty_lots=LIMIT_UNLIMITED) for which in Limit
    ]
    return [*commands, make_command(Kind.SESSION_OPEN, cl="S")]


def send(core: Core, *commands: Any) -> Any:
    """Process commands that follow the last one; return their outcomes."""
    return core.process(core.stamp(to_array(commands)))


def order(instrument: int, side: int, price: int, qty: int, cl: str) -> Any:
    """Return a limit order."""
    return make_command(
        Kind.NEW, cl=cl, instrument=instrument, account=1, session=1, side=side, ord_type=2, tif=1,
        price_ticks=price, qty_lots=qty,
    )  # fmt: skip


def test_a_mass_cancel_is_answered_once_with_all_that_it_cancelled() -> None:
    """Orders of all partitions end, by partition, and one answer behind them counts them."""
    core = opened(3)
    send(core, *(order(1 + number % 4, BUY, 10, 1, f"C{number}") for number in range(8)))
    told = send(core, make_command(Kind.MASS_CANCEL, session=1))
    assert told["type"].tolist() == [OutcomeType.CANCELLED] * 8 + [OutcomeType.MASS_CANCELLED]
    assert told["instrument"].tolist() == [1, 1, 4, 4, 2, 2, 3, 3, 0]
    assert told["index"].tolist() == list(range(9)) and told["qty_lots"][-1] == 8


def test_a_kill_is_answered_once_with_all_that_it_cancelled() -> None:
    """All partitions cancel, one answer counts; a kill of one instrument concerns its partition alone."""
    core = opened(4)
    for identity in range(1, 5):
        send(
            core,
            order(identity, Side.BUY, 10, 1, f"A{identity}"),
            order(identity, Side.BUY, 11, 1, f"B{identity}"),
        )
    kill = {"ord_type": Switch.KILLED, "side": 1}
    told = send(core, make_command(Kind.KILL, tif=KillLevel.INSTRUMENT, instrument=3, **kill))
    assert told["type"].tolist() == [OutcomeType.CANCELLED] * 2 + [OutcomeType.ACCEPTED]
    assert told["qty_lots"][-1] == 2
    told = send(core, make_command(Kind.KILL, tif=KillLevel.ACCOUNT, account=1, **kill))
    assert told["type"].tolist() == [OutcomeType.CANCELLED] * 6 + [OutcomeType.ACCEPTED]
    assert (told["qty_lots"][-1], told["leaves_lots"][-1]) == (6, 0)
    assert set(told["reason"][:-1]) == {Reason.KILL_SWITCH}
    told = send(core, make_command(Kind.KILL, tif=KillLevel.ACCOUNT, account=1, **kill))
    assert (len(told), told["qty_lots"][0], told["leaves_lots"][0]) == (1, 0, Switch.KILLED)


def test_trades_of_several_partitions_are_numbered_through() -> None:
    """A state that uncrosses instruments of several partitions numbers their trades as those of one command."""
    core = opened(2)
    send(core, *(make_command(Kind.STATE, instrument=number, ord_type=2) for number in (1, 2, 3)))
    for number in (1, 2, 3):
        send(core, order(number, BUY, 10, 2, f"B{number}"), order(number, SELL, 10, 2, f"S{number}"))
    told = send(core, make_command(Kind.STATE, account=0, ord_type=1))
    fills = told[told["type"] == OutcomeType.FILLED]
    assert fills["instrument"].tolist() == [1, 1, 3, 3, 2, 2]
    assert fills["trade_index"].tolist() == [1, 1, 2, 2, 3, 3]


@pytest.mark.parametrize("kind", [Kind.TICK, Kind.CHECKPOINT])
def test_what_time_brings_with_a_command_of_nobody_comes_from_the_first_partition_last(kind: Kind) -> None:
    """A TICK or CHECKPOINT is the first partition's: others tell first, in the core as in the twin."""
    schedule = make_command(Kind.SCHEDULE, side=1, ord_type=6, aux1=1_000)
    commands = [*opening(4), schedule, make_command(kind, time_ns=1_000)]
    for seq, command in enumerate(commands, start=1):
        command.seq, command.seen_seq = seq, seq - 1
    capacities = Capacities(64, 64, 64, 64, 8, 8, 8, 16, partitions=3)
    core, twin = Core(capacities, input_slots=64, output_slots=64), CoreTwin(**capacities._asdict())
    told = [from_row(row) for row in core.process(to_array(commands))]
    assert told == [outcome for command in commands for outcome in twin.process(command)]
    changes = [(outcome.instrument, outcome.index) for outcome in told if outcome.input_seq == len(commands)]
    assert changes == [(2, 0), (3, 1), (1, 2), (4, 3)]


def test_requests_find_their_orders_by_id_alone() -> None:
    """A CANCEL, REDUCE, REPLACE or STATUS that names no instrument reaches the partition that has the order."""
    core = opened(3)
    first = core.last_seq
    send(core, *(order(number, BUY, 10, 5, f"C{number}") for number in (1, 2, 3, 4)))
    told = send(
        core,
        make_command(Kind.STATUS, session=1, order_id=first + 1),
        make_command(Kind.REDUCE, session=1, order_id=first + 2, qty_lots=2),
        make_command(Kind.REPLACE, cl="R", session=1, order_id=first + 3, price_ticks=11, qty_lots=4),
        make_command(Kind.CANCEL, session=1, order_id=first + 4),
        make_command(Kind.CANCEL, session=1, order_id=first + 4),
    )
    names = [OutcomeType(int(value)).name for value in told["type"]]
    assert names == ["STATUS", "REPLACED", "REPLACED", "CANCELLED", "REJECTED"]
    assert told["instrument"].tolist()[:4] == [1, 2, 3, 4]


def test_a_command_with_more_outcomes_than_a_lane_holds_wedges_nothing() -> None:
    """A sweep of many fills passes through lanes and an output ring of sixteen slots, and everything is counted."""
    core = opened(2, lane_slots=16, output_slots=16)
    for number in range(300):
        send(core, order(1, SELL, 10 + number % 7, 1, f"S{number}"))
    told = send(core, order(1, BUY, 20, 300, "SWEEP"))
    assert np.count_nonzero(told["type"] == OutcomeType.FILLED) == 600
    words = core.state.merged.words
    assert words[MW_TYPE_COUNTS + OutcomeType.FILLED] == 600
    assert words[MW_TYPE_COUNTS + OutcomeType.ACCEPTED] == 300 + 1 + 4 + 1 + len(Limit) + 1
    assert not words[MW_REASON_COUNTS : MW_REASON_COUNTS + 64].any()
    assert sum(books.words[MW_OPEN] for books in core.state.books) == 0


def test_a_reader_that_stands_still_stops_the_merge_and_nothing_else() -> None:
    """With the output ring full nothing is lost: partitions go on until their lanes are full, then all waits."""
    commands = to_array([make_command(Kind.VENUE), make_command(Kind.SESSION_OPEN, cl="S")])
    stepper = Stepper({"max_instruments": 2, "partitions": 2}, 16, 16)
    core = stepper.core
    commands = np.concatenate([core.stamp(commands)] + [core.stamp(commands[1:]) for _ in range(40)])
    commands["seq"] = np.arange(1, len(commands) + 1)
    commands["seen_seq"] = 0
    moved = 1
    while moved:
        moved = sum(stepper.step(which, commands, 256) for which in (0, 1, 2, 4, 5))
    assert core._out_words[CUR_WRITER] == 16 and stepper.fed < len(commands)
    store_word(core._out_words, CUR_OUTPUT_PUBLISH, 0)
    assert len(stepper.finish(commands)) == len(commands) - 1


def test_only_the_owner_of_a_refused_command_answers() -> None:
    """What risk rejects, and what names an order that has ended, is answered exactly once."""
    core = opened(4)
    told = send(
        core,
        make_command(Kind.NEW, cl="X", instrument=99, account=1, session=1),
        make_command(Kind.CANCEL, session=1, order_id=12345),
        make_command(Kind.MASS_CANCEL, session=9),
    )
    assert told["type"].tolist() == [OutcomeType.REJECTED] * 3
    assert all(told["flags"] & OutcomeFlag.ANSWER)
