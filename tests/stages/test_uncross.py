"""What must hold of every uncross and indication, whoever decides it: a brute force search finds no better price.

The book is recorded before each command, and read by what is told on its way: the search goes over all prices of
the book, the reference and what lies beside them, and knows nothing of candidates, ties and pressure but the rules.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import NamedTuple

import pytest
from hypothesis import given

from protocols.codes import OrdType, OutcomeType, Side
from tests.stages.steps import Sequence
from tests.stages.strategies import STATES, sequences
from tests.twin.compiled import core_makers
from tests.twin.records import Command, Outcome
from tests.twin.scenario import AnyCore
from tests.twin.view import BookRow

MAKERS = core_makers()
EVERY_CORE = pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS.keys())


class Sums(NamedTuple):
    """What would trade at a price, and what would be left over (more to buy is positive)."""

    volume: int
    surplus: int


def sums_at(rows: list[BookRow], price: int) -> Sums:
    """Sum the lots of all orders that would trade at a price; levels of MARKET orders are beyond all of them."""
    buys = sum(row.leaves for row in rows if row.side == Side.BUY and row.price >= price)
    sells = sum(row.leaves for row in rows if row.side == Side.SELL and row.price <= price)
    return Sums(min(buys, sells), buys - sells)


def assert_best(rows: list[BookRow], reference: int | None, told: Outcome) -> None:
    """No price trades more, none that trades as much leaves less over, and a tie is broken rightly."""
    limits = {row.price for row in rows if row.side in set(Side) and 0 < row.price < 2**63 - 1}
    at = {price: sums_at(rows, price) for price in limits | ({reference} if reference else set())}
    most = max((sums.volume for sums in at.values()), default=0)
    assert told.qty_lots == most
    if most == 0:
        assert (told.price_ticks, told.leaves_lots, told.side) == (0, 0, 0)
        return
    chosen = at[told.price_ticks]
    assert told.leaves_lots == abs(chosen.surplus)
    assert told.side == (Side.BUY if chosen.surplus > 0 else Side.SELL if chosen.surplus < 0 else 0)
    best = [price for price in limits if at[price].volume == most]
    if not best:
        assert told.price_ticks == reference
        return
    least = min(abs(at[price].surplus) for price in best)
    assert abs(chosen.surplus) <= least
    tied = [price for price in best if abs(at[price].surplus) == least]
    assert min(tied) <= told.price_ticks <= max(tied)
    if min(at[price].surplus for price in tied) > 0:
        assert told.price_ticks == max(tied)
    elif max(at[price].surplus for price in tied) < 0:
        assert told.price_ticks == min(tied)
    else:
        nearest = min(tied) if reference is None else sorted([min(tied), reference, max(tied)])[1]
        assert told.price_ticks == nearest


@EVERY_CORE
@given(sequence=sequences(STATES))
def test_no_price_is_better(maker: Callable[..., AnyCore], sequence: Sequence) -> None:
    """What an uncross trades, and what an indication says that nothing follows, is what a brute force search finds."""
    core = maker(**sequence.capacities)
    for command in sequence.commands:
        rows, references = core.dump_books(), core.dump_last_prices()
        seen: set[int] = set()
        told = core.process(command)
        for outcome in told:
            if outcome.type == OutcomeType.UNCROSSED and outcome.instrument not in seen:
                book = [row for row in rows if row.instrument == outcome.instrument]
                assert_best(book, references.get(outcome.instrument), outcome)
            seen.add(outcome.instrument)
        rows, references = core.dump_books(), core.dump_last_prices()
        last = {outcome.instrument: outcome for outcome in told}
        for instrument, indication in last.items():
            if indication.type == OutcomeType.INDICATION:
                book = [row for row in rows if row.instrument == instrument]
                assert_best(book, references.get(instrument), indication)


@EVERY_CORE
@given(sequence=sequences(STATES))
def test_an_uncross_trades_what_it_tells(maker: Callable[..., AnyCore], sequence: Sequence) -> None:
    """Between UNCROSSED and the change of state the volume trades at the price, no order beyond its limit."""
    core = maker(**sequence.capacities)
    orders: dict[int, Command] = {}
    for command in sequence.commands:
        orders[command.seq] = command
        uncrossed: dict[int, Outcome] = {}
        volumes: dict[int, int] = defaultdict(int)
        limits = {row.order_id: row.price for row in core.dump_books()}
        for outcome in core.process(command):
            if outcome.type == OutcomeType.UNCROSSED:
                uncrossed[outcome.instrument], volumes[outcome.instrument] = outcome, 0
            elif (
                outcome.type == OutcomeType.FILLED and outcome.trade_index and outcome.instrument in uncrossed
            ):
                assert outcome.price_ticks == uncrossed[outcome.instrument].price_ticks
                volumes[outcome.instrument] += outcome.qty_lots
                if orders[outcome.order_id].ord_type != OrdType.MARKET:
                    limit = limits[outcome.order_id]
                    good = (
                        outcome.price_ticks <= limit
                        if outcome.side == Side.BUY
                        else outcome.price_ticks >= limit
                    )
                    assert good, f"{outcome} beyond {limit}"
            elif outcome.type == OutcomeType.STATE_CHANGED and outcome.instrument in uncrossed:
                assert volumes[outcome.instrument] == 2 * uncrossed.pop(outcome.instrument).qty_lots


@EVERY_CORE
@given(sequence=sequences(STATES))
def test_indications_do_not_repeat(maker: Callable[..., AnyCore], sequence: Sequence) -> None:
    """Within one auction no indication tells what the last one told, and states change one after the other."""
    core = maker(**sequence.capacities)
    states: dict[int, int] = {}
    last: dict[int, tuple[int, ...] | None] = defaultdict(lambda: None)
    for command in sequence.commands:
        for outcome in core.process(command):
            instrument = outcome.instrument
            if outcome.type == OutcomeType.STATE_CHANGED:
                assert outcome.leaves_lots == states.get(instrument, outcome.leaves_lots) != outcome.qty_lots
                states[instrument], last[instrument] = outcome.qty_lots, None
            elif outcome.type == OutcomeType.INDICATION:
                told = (outcome.price_ticks, outcome.qty_lots, outcome.leaves_lots, outcome.side)
                assert told != last[instrument]
                last[instrument] = told
        markets = core.dump_markets()
        assert all(markets[instrument][0] == state for instrument, state in states.items())
