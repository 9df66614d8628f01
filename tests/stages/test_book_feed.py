"""Market data of any sequence of commands: the book that it tells is the book, and it disturbs nothing else."""

from __future__ import annotations

from copy import copy
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from protocols.codes import (
    BookAction,
    BookFlag,
    CommandFlag,
    Kind,
    OutcomeFlag,
    OutcomeType,
    Side,
)
from protocols.market_data import Event, FeedBook, MarketData, events_of
from stages.core import Core
from stages.state import Capacities
from tests.stages.steps import Sequence
from tests.stages.strategies import DEEP, SPECIAL, STATES, TIGHT, sequences
from tests.twin.records import Command, make_command, to_array

SLOTS = 16
ANY_SEQUENCES = st.sampled_from([TIGHT, SPECIAL, DEEP, STATES, STATES]).flatmap(sequences)


def make_core(sequence: Sequence) -> Core:
    """Return a core whose rings wrap often."""
    return Core(Capacities(**sequence.capacities), input_slots=SLOTS, output_slots=SLOTS)


def with_feed(commands: list[Command], *, is_on: bool = True) -> list[Command]:
    """Return commands that define all instruments with market data, or without."""
    changed = []
    for command in commands:
        if command.kind == Kind.INSTRUMENT:
            command = copy(command)
            bit = int(CommandFlag.MARKET_DATA)
            command.flags = command.flags | bit if is_on else command.flags & ~bit
        changed.append(command)
    return changed


def shown(core: Core) -> dict[tuple[int, int], list[tuple[int, int, int]]]:
    """Return the sides that show as {(instrument, side): [(order id, price, shown lots), …]}."""
    return {
        key: [(order[0], price, order[5]) for price, orders in levels for order in orders]
        for key, levels in core.dump_books().items()
        if key[1] in set(Side)
    }


def told(data: MarketData) -> dict[tuple[int, int], list[tuple[int, int, int]]]:
    """Return the same of the books that market data tells of."""
    return {
        (instrument, int(side)): [tuple(order) for order in book.orders(side)]  # type: ignore[misc]
        for instrument, book in data.books.items()
        for side in Side
        if book.orders(side)
    }


def best_of(book: FeedBook, side: int) -> tuple[int, int, int]:
    """Return price, lots and number of orders of the best level, zeros for an empty side."""
    return tuple(book.best(side) or (0, 0, 0))  # type: ignore[return-value]


def assert_event(book: FeedBook, event: Event, before: tuple[int, int, int]) -> None:
    """Check what an event tells beside the order: its level, the best of its side, whether that changed."""
    levels = {level.price_ticks: level for level in book.levels(event.side)}
    level = levels.get(event.price_ticks, (event.price_ticks, 0, 0))
    assert (event.level_lots, event.level_orders) == level[1:]
    after = best_of(book, event.side)
    assert (event.best_ticks, event.best_lots) == after[:2]
    assert bool(event.flags & BookFlag.TOP) == (before != after), (
        f"{event}: the best was {before}, is {after}"
    )


def follow(data: MarketData, outcomes: Any) -> list[Event]:
    """Let books follow outcomes one by one and check each event; return them."""
    events = []
    for event in events_of(outcomes):
        book = data.book(event.instrument)
        before = best_of(book, event.side) if event.type == OutcomeType.BOOK else (0, 0, 0)
        assert event.seq == book.seq + 1, "no number is left out or told twice"
        assert list(book.take(event)) == [event]
        if event.type == OutcomeType.BOOK:
            assert_event(book, event, before)
        events.append(event)
    return events


@given(sequence=ANY_SEQUENCES)
def test_the_book_that_is_told_is_the_book_after_every_command(sequence: Sequence) -> None:
    """Prices, queues and shown lots agree; each event tells its level and the best price as they are after it."""
    core, data = make_core(sequence), MarketData()
    for command in with_feed(sequence.commands):
        follow(data, core.process(to_array([command])))
        assert told(data) == shown(core)


@given(sequence=ANY_SEQUENCES)
def test_all_else_is_told_as_without_market_data(sequence: Sequence) -> None:
    """But for BOOK and the indexes that it takes, outcomes are the same bytes in the same order, on or off."""
    silent = make_core(sequence).process(to_array(with_feed(sequence.commands, is_on=False)))
    loud = make_core(sequence).process(to_array(with_feed(sequence.commands)))
    assert not (silent["type"] == OutcomeType.BOOK).any()
    others = loud[loud["type"] != OutcomeType.BOOK].copy()
    assert len(others) == len(silent)
    others["index"] = silent["index"]
    others["orig0"][others["type"] > OutcomeType.MASS_CANCELLED] = 0  # the numbers of what is told of states
    assert np.array_equal(others, silent)


@given(sequence=ANY_SEQUENCES)
def test_changes_belong_to_everybody(sequence: Sequence) -> None:
    """A BOOK outcome has no session and no ClOrdID, answers nothing, counts among no reasons, and is in the digest."""
    core = make_core(sequence)
    outcomes = core.process(to_array(with_feed(sequence.commands)))
    changes = outcomes[outcomes["type"] == OutcomeType.BOOK]
    assert not changes["session"].any() and not changes["cl2"].any() and not changes["orig2"].any()
    assert not (changes["flags"] & int(OutcomeFlag.ANSWER)).any()
    assert set(changes["reason"].tolist()) <= set(BookAction)
    silent = make_core(sequence)
    silent.process(to_array(with_feed(sequence.commands, is_on=False)))
    counts = [core.state.merged.words[40:104].tolist() for core in (core, silent)]
    assert counts[0] == counts[1]
    assert (core.outcome_digest != silent.outcome_digest) == (len(changes) > 0)


@given(sequence=ANY_SEQUENCES, data=st.data())
def test_who_joins_late_has_the_same_book(sequence: Sequence, data: st.DataObject) -> None:
    """A snapshot anywhere in the flow, and what was held back until it came, make the book of who heard it all."""
    commands = with_feed(sequence.commands)
    heard = data.draw(st.integers(0, len(commands)), label="heard from")
    asked = data.draw(st.integers(heard, len(commands)), label="asked at")
    core, late = make_core(sequence), MarketData(from_start=False)
    for position, command in enumerate(with_feed(commands)):
        outcomes = core.process(to_array([renumbered(command, position + 1 + 2 * (position >= asked))]))
        if position + 1 == asked:
            outcomes = np.concatenate([outcomes, *snapshots(core, position + 2, command.time_ns)])
        if position >= heard:
            list(late.take(outcomes))
    if 0 < asked < len(commands) and asked > heard:
        joined = {key for key, book in late.books.items() if book.is_joined}
        assert {key: book for key, book in told(late).items() if key[0] in joined} == {
            key: book for key, book in shown(core).items() if key[0] in joined
        }


def renumbered(command: Command, seq: int) -> Command:
    """Return a command at another place of the sequence."""
    moved = copy(command)
    moved.seq = seq
    return moved


def snapshots(core: Core, seq: int, time_ns: int) -> list[Any]:
    """Ask for the books of instruments 1 and 2; return the outcomes."""
    parts = []
    for offset, instrument in enumerate((1, 2)):
        request = make_command(Kind.BOOK_REQUEST, instrument=instrument, session=1)
        request.seq, request.time_ns = seq + offset, time_ns
        parts.append(core.process(to_array([request])))
    return parts
