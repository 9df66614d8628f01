"""The compiled core against its naive twin: the same outcomes, field by field, and the same state after them.

Both implement ``docs/rules.md``, ``docs/matching-rules.md`` and ``docs/trading-states.md`` independently. A difference
names the command, what the twin says and what the kernels say. Beside that, what must hold of any sequence, whoever
decides it: books that are not crossed where trading is continuous, stop orders that wait rightly, quantities that add
up, positions and cash that sum to zero, reservations that end with their orders. Uncrosses: ``test_uncross.py``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.codes import (
    CommandFlag,
    Kind,
    Limit,
    OrdType,
    OutcomeFlag,
    OutcomeType,
    Reason,
    Side,
    Tif,
    TradingState,
)
from tests.stages.steps import Sequence
from tests.stages.strategies import (
    DEEP,
    EXTREME,
    FORTUNES,
    ORDER_KINDS,
    RISK,
    SPECIAL,
    STATES,
    TIGHT,
    sequences,
)
from tests.twin.book import STOP_BUY, STOP_SELL, WAITING_BUY
from tests.twin.compiled import CompiledCore, compiled_exists, core_makers
from tests.twin.controls import Controls
from tests.twin.core import CoreTwin
from tests.twin.records import Command, Outcome, make_command
from tests.twin.scenario import AMPLE, AnyCore
from tests.twin.view import BookRow

MAKERS = core_makers()
EVERY_CORE = pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS.keys())  # for what draws on its own
SILENT_KINDS = (Kind.TICK, Kind.CHECKPOINT)
ANY_SEQUENCES = st.sampled_from([TIGHT, SPECIAL, SPECIAL, STATES, STATES, RISK, RISK]).flatmap(sequences)


def assert_same_outcomes(commands: list[Command], twin: list[Outcome], compiled: list[Outcome]) -> None:
    """Compare two lists of outcomes; name the first command whose outcomes differ."""
    by_seq = {command.seq: command for command in commands}
    for position in range(max(len(twin), len(compiled))):
        expected = twin[position] if position < len(twin) else None
        was = compiled[position] if position < len(compiled) else None
        seq = min(outcome.input_seq for outcome in (expected, was) if outcome)
        assert expected == was, f"{by_seq[seq]}\nexpected {expected}\nwas      {was}"


def assert_same_state(twin: CoreTwin, compiled: CompiledCore) -> None:
    """Compare books, last prices, markets, schedules, positions, accounts, and all that controls remember."""
    assert compiled.dump_books() == twin.dump_books()
    assert compiled.dump_last_prices() == twin.dump_last_prices()
    assert compiled.dump_markets() == twin.dump_markets()
    assert compiled.dump_schedules() == twin.dump_schedules()
    assert compiled.dump_positions() == twin.dump_positions()
    assert compiled.dump_accounts() == twin.dump_accounts()
    for name, was, expected in zip(
        Controls._fields, compiled.dump_controls(), twin.dump_controls(), strict=True
    ):
        assert was == expected, f"{name}: expected {expected}, was {was}"


def compare(sequence: Sequence, cut: int) -> None:
    """Run a sequence through both cores, in two pieces that part at ``cut``, and compare after each."""
    twin, compiled = CoreTwin(**sequence.capacities), CompiledCore(**sequence.capacities)
    for piece in (sequence.commands[:cut], sequence.commands[cut:]):
        expected = [outcome for command in piece for outcome in twin.process(command)]
        assert_same_outcomes(piece, expected, compiled.process_all(piece))
        assert_same_state(twin, compiled)


if compiled_exists():

    @given(sequence=sequences(), cut=st.integers(0, 100))
    def test_core_equals_twin(sequence: Sequence, cut: int) -> None:
        """Any sequence of commands has the same outcomes and leaves the same state in both cores."""
        compare(sequence, cut)

    @given(sequence=sequences(SPECIAL), cut=st.integers(0, 100))
    def test_core_equals_twin_in_special_orders(sequence: Sequence, cut: int) -> None:
        """Stop orders, icebergs, self-trade groups, expiries and mass cancels are decided alike."""
        compare(sequence, cut)

    @given(sequence=sequences(STATES), cut=st.integers(0, 120))
    def test_core_equals_twin_in_trading_states(sequence: Sequence, cut: int) -> None:
        """Calls, auctions, bands, schedules and tick tables are decided alike."""
        compare(sequence, cut)

    @given(sequence=sequences(STATES))
    def test_core_equals_twin_after_every_command_in_trading_states(sequence: Sequence) -> None:
        """With trading states too all state is the same after every single command."""
        twin, compiled = CoreTwin(**sequence.capacities), CompiledCore(**sequence.capacities)
        for command in sequence.commands:
            assert_same_outcomes([command], twin.process(command), compiled.process(command))
            assert_same_state(twin, compiled)

    @given(sequence=sequences(SPECIAL))
    def test_core_equals_twin_after_every_command(sequence: Sequence) -> None:
        """Books, last prices, positions and accounts are the same after every single command."""
        twin, compiled = CoreTwin(**sequence.capacities), CompiledCore(**sequence.capacities)
        for command in sequence.commands:
            assert_same_outcomes([command], twin.process(command), compiled.process(command))
            assert_same_state(twin, compiled)

    @given(sequence=sequences(RISK), cut=st.integers(0, 250))
    def test_core_equals_twin_in_risk_controls(sequence: Sequence, cut: int) -> None:
        """Every control of risk decides alike, remembers alike, and is told alike, in batches."""
        compare(sequence, cut)

    @given(sequence=sequences(RISK))
    def test_core_equals_twin_after_every_command_in_risk_controls(sequence: Sequence) -> None:
        """What risk controls remember is the same after every single command."""
        twin, compiled = CoreTwin(**sequence.capacities), CompiledCore(**sequence.capacities)
        for command in sequence.commands:
            assert_same_outcomes([command], twin.process(command), compiled.process(command))
            assert_same_state(twin, compiled)

    @given(sequence=sequences(FORTUNES), cut=st.integers(0, 250))
    def test_core_equals_twin_with_fortunes(sequence: Sequence, cut: int) -> None:
        """Accounts that get richer, or poorer, than int64 holds are kept to the last millionth alike."""
        compare(sequence, cut)

    @given(sequence=sequences(EXTREME), cut=st.integers(0, 100))
    def test_core_equals_twin_at_the_ends_of_int64(sequence: Sequence, cut: int) -> None:
        """Prices and quantities up to the ends of what fits are decided alike: nothing overflows."""
        compare(sequence, cut)

    @given(sequence=sequences(DEEP))
    def test_core_equals_twin_in_deep_books(sequence: Sequence) -> None:
        """Books of many levels that grow and shrink are decided alike, one command a call."""
        twin, compiled = CoreTwin(**sequence.capacities), CompiledCore(**sequence.capacities)
        for command in sequence.commands:
            assert_same_outcomes([command], twin.process(command), compiled.process(command))
        assert_same_state(twin, compiled)


# What holds of any sequence. To draw one takes longer than to carry it out, so that each is put to all the claims.

Claim = Callable[[Callable[..., AnyCore], Sequence], None]
CLAIMS: list[Claim] = []


def holds_of_any_sequence(claim: Claim) -> Claim:
    """Have :func:`test_claims_hold_of_any_sequence` check a claim, which is what its docstring says."""
    CLAIMS.append(claim)
    return claim


def run(core: AnyCore, commands: list[Command]) -> list[Outcome]:
    """Process commands one by one; return all outcomes."""
    return [outcome for command in commands for outcome in core.process(command)]


def wind_up(core: AnyCore, commands: list[Command], *, at_once: bool) -> list[Outcome]:
    """Open all sessions, cancel every open order one by one or all at once, and let risk see all of it."""
    rest = [
        make_command(Kind.SESSION_OPEN, cl=name) for name in ("GW1", "GW2", "GW3", "GW4", "GW3" + "x" * 17)
    ]
    for account in core.dump_accounts():  # nobody is kept from cancelling
        rest.append(
            make_command(Kind.LIMIT, account=account.account, ord_type=Limit.CANCEL_RATE, qty_lots=AMPLE)
        )
        rest.append(
            make_command(Kind.LIMIT, account=account.account, ord_type=Limit.CANCEL_BURST, qty_lots=AMPLE)
        )
    if at_once:
        rest.append(make_command(Kind.MASS_CANCEL))
    else:
        rest += [
            make_command(Kind.CANCEL, session=row.session, order_id=row.order_id) for row in core.dump_books()
        ]
    rest.append(make_command(Kind.TICK))
    for command in rest:
        command.seq, command.time_ns = commands[-1].seq + 1, commands[-1].time_ns
        command.seen_seq = command.seq - 1
        commands = [*commands, command]
    return run(core, rest)


def assert_not_crossed(rows: list[BookRow], continuous: set[int]) -> None:
    """The best buy is below the best sell, where trading is continuous."""
    best_buy: dict[int, int] = {}
    for row in rows:
        if row.instrument not in continuous:
            continue
        if row.side == Side.BUY:
            best_buy.setdefault(row.instrument, row.price)
        elif row.side == Side.SELL:
            assert best_buy.get(row.instrument, 0) < row.price, f"crossed by {row}"


def assert_in_order(rows: list[BookRow], capacities: dict[str, int]) -> None:
    """Levels stand best first and each once, no order stands twice, rooms are kept."""
    descending = (Side.BUY, STOP_SELL, WAITING_BUY)
    keys = [(row.instrument, row.side, -row.price if row.side in descending else row.price) for row in rows]
    assert keys == sorted(keys)
    assert len({row.order_id for row in rows}) == len(rows) <= capacities["max_orders"]
    stops = sum(row.side in (STOP_BUY, STOP_SELL) for row in rows)
    parts = capacities.get("partitions", 1)  # each of which has the whole room for all but orders
    assert stops <= parts * capacities["max_specials"]
    assert len(set(keys)) <= parts * capacities["max_levels"] + stops  # trailing stops find a level to spare


def assert_stops_wait(rows: list[BookRow], last_prices: dict[int, int], continuous: set[int]) -> None:
    """No stop order waits that the last trade price should have elected, where trading is continuous."""
    for row in rows:
        last = last_prices.get(row.instrument) if row.instrument in continuous else None
        if last is not None and row.side == STOP_BUY:
            assert row.price > last, f"{row} with last price {last}"
        if last is not None and row.side == STOP_SELL:
            assert row.price < last, f"{row} with last price {last}"


def assert_shown(rows: list[BookRow], commands: list[Command]) -> None:
    """An order shows all its lots, an iceberg in the book no more than its display quantity; none shows nothing."""
    for row in rows:
        display = commands[row.order_id - 1].order_id
        if display and row.side in set(Side):
            assert 0 < row.shown <= min(display, row.leaves), f"{row} with display {display}"
        else:
            assert 0 < row.shown == row.leaves, f"{row} is no iceberg in the book"
        assert row.cum >= 0
        assert row.cum == 0 or row.side in set(Side), f"{row} waits, but has traded"


def assert_states(rows: list[BookRow], commands: list[Command], states: dict[int, int]) -> None:
    """Orders are only where the state of their instrument lets them be."""
    for row in rows:
        new, state = commands[row.order_id - 1], states[row.instrument]
        waits = row.side >= WAITING_BUY
        assert not waits or new.tif == Tif.CLOSE
        if state == TradingState.CONTINUOUS and not waits:
            assert new.tif not in (Tif.OPEN, Tif.CLOSE), f"{row} was for an auction only"
            assert new.ord_type != OrdType.MARKET, f"{row} rests, but is a MARKET order"
        if state == TradingState.CLOSING_AUCTION:
            assert not waits, f"{row} should be in the book"
            assert new.tif != Tif.OPEN, f"{row} was for the opening"
        if state == TradingState.CLOSED:
            assert new.tif not in (Tif.OPEN, Tif.CLOSE, Tif.DAY), f"{row} should have ended"
            assert new.ord_type != OrdType.MARKET, f"{row} should have ended"


def assert_not_overdue(rows: list[BookRow], commands: list[Command]) -> None:
    """No order with GTD is open at or after its expiry."""
    for row in rows:
        new = commands[row.order_id - 1]
        market = new.ord_type == OrdType.MARKET
        assert new.tif != Tif.GTD or market or new.aux1 > commands[-1].time_ns, f"{row} should have expired"


@holds_of_any_sequence
def books_after_every_command(maker: Callable[..., AnyCore], sequence: Sequence) -> None:
    """Books are in order and, BOOK_ONLY apart, not crossed; stops, icebergs, expiries, states are as they should be."""
    core = maker(**sequence.capacities)
    last_prices: dict[int, int] = {}
    may_cross = False
    for position, command in enumerate(sequence.commands, start=1):
        told = core.process(command)
        assert [outcome.index for outcome in told] == list(range(len(told)))
        answers = sum(bool(outcome.flags & OutcomeFlag.ANSWER) for outcome in told)
        assert answers == (0 if position == 1 or command.kind in SILENT_KINDS else 1)
        last_prices |= {o.instrument: o.price_ticks for o in told if o.type == OutcomeType.FILLED}
        rows = core.dump_books()
        assert core.dump_last_prices() == last_prices
        may_cross |= bool(command.flags & CommandFlag.BOOK_ONLY)
        states = {instrument: market[0] for instrument, market in core.dump_markets().items()}
        continuous = {instrument for instrument, state in states.items() if state == TradingState.CONTINUOUS}
        if not may_cross:
            assert_not_crossed(rows, continuous)
        assert_in_order(rows, sequence.capacities)
        assert_stops_wait(rows, last_prices, continuous)
        assert_states(rows, sequence.commands[:position], states)
        assert all(end == 0 or end > command.time_ns for *_, end in core.dump_markets().values())
        assert all(due > command.time_ns for *_, due, _ in core.dump_schedules())
        assert_shown(rows, sequence.commands[:position])
        assert_not_overdue(rows, sequence.commands[:position])


def follow(outcome: Outcome, leaves: dict[int, int], cum: dict[int, int]) -> None:
    """Follow one outcome about an order that risk let pass: what it says must follow from what was told before."""
    order_id = outcome.order_id
    match outcome.type:
        case OutcomeType.ACCEPTED:
            assert order_id not in leaves, "an order came twice"
            leaves[order_id], cum[order_id] = outcome.qty_lots, 0
        case OutcomeType.FILLED:
            leaves[order_id] -= outcome.qty_lots
            cum[order_id] += outcome.qty_lots
        case OutcomeType.REPLACED:
            left = outcome.qty_lots - cum[order_id]
            unsolicited = bool(outcome.flags & OutcomeFlag.UNSOLICITED)
            assert unsolicited == (outcome.reason == Reason.SELF_TRADE)
            assert left < leaves[order_id] or not unsolicited
            leaves[order_id] = left
        case OutcomeType.TRIGGERED:
            assert outcome.qty_lots == leaves[order_id]
        case OutcomeType.STATUS:
            assert outcome.qty_lots == leaves[order_id] + cum[order_id]
        case OutcomeType.CANCELLED | OutcomeType.EXPIRED:
            assert outcome.qty_lots == leaves[order_id] > 0, "an order ended twice, or with other lots"
            leaves[order_id] = 0
    assert (outcome.leaves_lots, outcome.cum_lots) == (leaves[order_id], cum[order_id])
    assert leaves[order_id] >= 0


@holds_of_any_sequence
def quantities_add_up(maker: Callable[..., AnyCore], sequence: Sequence) -> None:
    """Told in order, each order's leaves and cum follow from its fills, changes and end; the book agrees."""
    core = maker(**sequence.capacities)
    leaves: dict[int, int] = {}
    cum: dict[int, int] = {}
    for outcome in run(core, sequence.commands):
        if outcome.type != OutcomeType.REJECTED and outcome.order_id != 0:
            follow(outcome, leaves, cum)
    open_orders = {order_id: (left, cum[order_id]) for order_id, left in leaves.items() if left}
    assert {row.order_id: (row.leaves, row.cum) for row in core.dump_books()} == open_orders


@holds_of_any_sequence
def trades_have_two_sides(maker: Callable[..., AnyCore], sequence: Sequence) -> None:
    """Every trade is told twice in a row, taker then maker, in an auction buy then sell: one price and quantity."""
    outcomes = run(maker(**sequence.capacities), sequence.commands)
    fills = [outcome for outcome in outcomes if outcome.type == OutcomeType.FILLED]
    trades: dict[int, int] = defaultdict(int)
    for taker, maker_fill in zip(fills[::2], fills[1::2], strict=True):
        trades[taker.input_seq] += 1
        in_auction = (taker.flags, maker_fill.flags) == (OutcomeFlag.AUCTION, OutcomeFlag.AUCTION)
        if in_auction:
            assert taker.side == Side.BUY
        else:
            assert (taker.flags, maker_fill.flags) == (OutcomeFlag.TAKER, OutcomeFlag.MAKER)
        assert {taker.side, maker_fill.side} == {Side.BUY, Side.SELL}
        assert taker.index + 1 == maker_fill.index
        assert taker.trade_index == maker_fill.trade_index == trades[taker.input_seq]
        same = ("input_seq", "time_ns", "kind", "instrument", "price_ticks", "qty_lots")
        assert [getattr(taker, name) for name in same] == [getattr(maker_fill, name) for name in same]
        orders = [sequence.commands[fill.order_id - 1] for fill in (taker, maker_fill)]
        if orders[0].ord_type != OrdType.DIRECTED and not in_auction:
            assert orders[0].orig2 == 0 or orders[0].orig2 != orders[1].orig2, "a self-trade"


@holds_of_any_sequence
def all_or_nothing(maker: Callable[..., AnyCore], sequence: Sequence) -> None:
    """A FOK order trades all its lots or none, one with a minimum at least that or none, a poster none."""
    core = maker(**sequence.capacities)
    for command in sequence.commands:
        told = core.process(command)
        if command.kind != Kind.NEW or command.ord_type not in (OrdType.LIMIT, OrdType.MARKET):
            continue
        own = [outcome for outcome in told if outcome.order_id == command.seq]
        filled = sum(outcome.qty_lots for outcome in own if outcome.flags & OutcomeFlag.TAKER)
        if command.tif == Tif.FOK:
            assert filled in (0, command.qty_lots)
        assert filled == 0 or filled >= command.orig0
        if command.flags & (CommandFlag.POST_ONLY | CommandFlag.POST_REPRICE | CommandFlag.BOOK_ONLY):
            assert filled == 0


def assert_conserved(core: AnyCore, outcomes: list[Outcome]) -> None:
    """Of each currency there is the cash, of each instrument there are the lots that transfers brought, in all."""
    controls = core.dump_controls()
    cash: dict[int, int] = defaultdict(int)
    lots: dict[int, int] = defaultdict(int)
    for outcome in outcomes:
        if (outcome.kind, outcome.type) == (Kind.TRANSFER, OutcomeType.ACCEPTED):
            amount = outcome.qty_lots if outcome.side == 1 else -outcome.qty_lots
            if outcome.instrument:
                lots[outcome.instrument] -= amount
            else:
                cash[controls.accounts[outcome.account].currency] -= amount
    for account in controls.accounts.values():
        cash[account.currency] += account.cash
    for row in core.dump_positions():
        lots[row.instrument] += row.position
    assert set(cash.values()) | set(lots.values()) <= {0}


@holds_of_any_sequence
def nothing_stays_reserved(maker: Callable[..., AnyCore], sequence: Sequence) -> None:
    """When all orders are cancelled and seen, nothing is open or reserved, and what there is was transferred."""
    for at_once in (False, True):
        core = maker(**sequence.capacities)
        before = run(core, sequence.commands)
        told = wind_up(core, sequence.commands, at_once=at_once)
        answers = [
            o for o in told if o.kind == Kind.CANCEL and o.flags & OutcomeFlag.ANSWER
        ]  # no indications
        assert all(answer.type == OutcomeType.CANCELLED for answer in answers), (
            "a resting order was not cancelled"
        )
        assert core.dump_books() == []
        assert all((row.open_orders, row.reserved_buy) == (0, 0) for row in core.dump_accounts())
        assert all(row.reserved_sell == 0 for row in core.dump_controls().accounts.values())
        assert all(row.open_orders == 0 for row in core.dump_controls().positions.values())
        assert all((row.open_buy, row.open_sell) == (0, 0) for row in core.dump_positions())
        assert_conserved(core, before)


@holds_of_any_sequence
def reservations_follow_the_books(maker: Callable[..., AnyCore], sequence: Sequence) -> None:
    """Once risk has seen everything, it counts the orders that are open and reserves the lots that they have left."""
    core = maker(**sequence.capacities)
    run(core, sequence.commands)
    last = sequence.commands[-1]
    core.process(make_command(Kind.TICK, seq=last.seq + 1, time_ns=last.time_ns, seen_seq=last.seq))
    rows = core.dump_books()
    for account in core.dump_accounts():
        assert account.open_orders == sum(row.account == account.account for row in rows)
    for position in core.dump_positions():
        own = [row for row in rows if (row.account, row.instrument) == position[:2]]
        buys = sum(row.leaves for row in own if row.side in (Side.BUY, STOP_BUY, WAITING_BUY))
        assert (position.open_buy, position.open_sell) == (buys, sum(row.leaves for row in own) - buys)


@given(sequence=ANY_SEQUENCES)
def test_claims_hold_of_any_sequence(sequence: Sequence) -> None:
    """Whichever core decides it, any sequence keeps each claim above: books, quantities, trades, reservations."""
    for name, maker in MAKERS.items():
        for claim in CLAIMS:
            try:
                claim(maker, sequence)
            except AssertionError as error:
                raise AssertionError(f"{claim.__name__}, {name}: {error}") from error


@given(shape=st.sampled_from([TIGHT, SPECIAL]), data=st.data())
def test_position_limits_hold_in_the_worst_case(shape: str, data: st.DataObject) -> None:
    """While limits do not change, no feedback lag lets a position pass its limits, open orders included."""
    sequence = data.draw(sequences(shape, kinds=ORDER_KINDS))
    limits = {
        (command.account, command.ord_type): command.qty_lots
        for command in sequence.commands
        if command.kind == Kind.LIMIT
    }
    for core in (maker(**sequence.capacities) for maker in MAKERS.values()):
        for command in sequence.commands:
            core.process(command)
            for row in core.dump_positions():
                assert row.position + row.open_buy <= limits[row.account, 4]
                assert -row.position + row.open_sell <= limits[row.account, 5]
