"""The compiled core against its naive twin: the same outcomes, field by field, and the same state after them.

Both implement ``docs/rules.md`` independently. A difference names the command, what the twin says and what
the kernels say. Beside that, what must hold of any sequence, whoever decides it: books that are not crossed,
quantities that add up, positions and cash that sum to zero, reservations that end with their orders.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.codes import CommandFlag, Kind, OutcomeFlag, OutcomeType, Side
from tests.stages.strategies import DEEP, EXTREME, ORDER_KINDS, Sequence, sequences
from tests.twin.compiled import CompiledCore, compiled_exists, core_makers
from tests.twin.core import CoreTwin
from tests.twin.records import Command, Outcome, make_command
from tests.twin.scenario import AnyCore

MAKERS = core_makers()
EVERY_CORE = pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS.keys())
MAX_FILLED_MONEY = 2**60


def assert_same_outcomes(commands: list[Command], twin: list[Outcome], compiled: list[Outcome]) -> None:
    """Compare two lists of outcomes; name the first command whose outcomes differ."""
    by_seq = {command.seq: command for command in commands}
    for position in range(max(len(twin), len(compiled))):
        expected = twin[position] if position < len(twin) else None
        was = compiled[position] if position < len(compiled) else None
        seq = min(outcome.input_seq for outcome in (expected, was) if outcome)
        assert expected == was, f"{by_seq[seq]}\nexpected {expected}\nwas      {was}"


def assert_same_state(twin: CoreTwin, compiled: CompiledCore) -> None:
    """Compare books, positions and accounts."""
    assert compiled.dump_books() == twin.dump_books()
    assert compiled.dump_positions() == twin.dump_positions()
    assert compiled.dump_accounts() == twin.dump_accounts()


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


# What holds of any sequence


def run(core: AnyCore, commands: list[Command]) -> list[Outcome]:
    """Process commands one by one; return all outcomes."""
    return [outcome for command in commands for outcome in core.process(command)]


def wind_up(core: AnyCore, commands: list[Command]) -> list[Outcome]:
    """Open all sessions, cancel every resting order, and let risk see all of it."""
    rest = [make_command(Kind.SESSION_OPEN, cl=name) for name in ("GW1", "GW2", "GW3", "GW3" + "x" * 17)]
    rest += [
        make_command(Kind.CANCEL, session=row.session, order_id=row.order_id) for row in core.dump_books()
    ]
    rest.append(make_command(Kind.TICK))
    for command in rest:
        command.seq = commands[-1].seq + 1
        command.seen_seq = command.seq - 1
        commands = [*commands, command]
    return run(core, rest)


@EVERY_CORE
@given(sequence=sequences())
def test_books_are_not_crossed(maker: Callable[..., AnyCore], sequence: Sequence) -> None:
    """Without BOOK_ONLY the best buy is below the best sell, after every command."""
    core = maker(**sequence.capacities)
    for command in sequence.commands:
        command.flags &= ~CommandFlag.BOOK_ONLY
        core.process(command)
        best_buy: dict[int, int] = {}
        for row in core.dump_books():
            if row.side == Side.BUY:
                best_buy.setdefault(row.instrument, row.price)
            else:
                assert best_buy.get(row.instrument, 0) < row.price


@EVERY_CORE
@given(sequence=sequences())
def test_books_are_in_order(maker: Callable[..., AnyCore], sequence: Sequence) -> None:
    """Levels stand best first and each once, every order has leaves, and no order stands twice."""
    core = maker(**sequence.capacities)
    run(core, sequence.commands)
    rows = core.dump_books()
    keys = [(row.instrument, row.side, -row.price if row.side == Side.BUY else row.price) for row in rows]
    assert keys == sorted(keys)
    assert all(row.leaves > 0 and row.cum >= 0 for row in rows)
    assert len({row.order_id for row in rows}) == len(rows) <= sequence.capacities["max_orders"]
    assert len(set(keys)) <= sequence.capacities["max_levels"]


@EVERY_CORE
@given(sequence=sequences())
def test_quantities_add_up(maker: Callable[..., AnyCore], sequence: Sequence) -> None:
    """Told in order, each order's leaves and cum follow from its fills, changes and end; the book agrees."""
    core = maker(**sequence.capacities)
    leaves: dict[int, int] = {}
    cum: dict[int, int] = {}
    for outcome in run(core, sequence.commands):
        order_id, kind = outcome.order_id, outcome.type
        if kind == OutcomeType.REJECTED or outcome.kind not in ORDER_KINDS:
            continue
        if kind == OutcomeType.ACCEPTED:
            leaves[order_id], cum[order_id] = outcome.qty_lots, 0
        elif kind == OutcomeType.FILLED:
            leaves[order_id] -= outcome.qty_lots
            cum[order_id] += outcome.qty_lots
        elif kind == OutcomeType.REPLACED:
            leaves[order_id] = outcome.qty_lots - cum[order_id]
        else:
            assert outcome.qty_lots == leaves[order_id]
            leaves[order_id] = 0
        assert (outcome.leaves_lots, outcome.cum_lots) == (leaves[order_id], cum[order_id])
    open_orders = {order_id: (left, cum[order_id]) for order_id, left in leaves.items() if left}
    assert {row.order_id: (row.leaves, row.cum) for row in core.dump_books()} == open_orders


@EVERY_CORE
@given(sequence=sequences())
def test_trades_have_two_sides(maker: Callable[..., AnyCore], sequence: Sequence) -> None:
    """Every trade is told twice in a row, taker then maker, of two sides, with one price and quantity."""
    outcomes = run(maker(**sequence.capacities), sequence.commands)
    fills = [outcome for outcome in outcomes if outcome.type == OutcomeType.FILLED]
    trades: dict[int, int] = defaultdict(int)
    for taker, maker_fill in zip(fills[::2], fills[1::2], strict=True):
        trades[taker.input_seq] += 1
        assert (taker.flags, maker_fill.flags) == (OutcomeFlag.TAKER, OutcomeFlag.MAKER)
        assert {taker.side, maker_fill.side} == {Side.BUY, Side.SELL}
        assert taker.index + 1 == maker_fill.index
        assert taker.trade_index == maker_fill.trade_index == trades[taker.input_seq]
        same = ("input_seq", "time_ns", "kind", "instrument", "price_ticks", "qty_lots")
        assert [getattr(taker, name) for name in same] == [getattr(maker_fill, name) for name in same]


@EVERY_CORE
@given(sequence=sequences())
def test_nothing_stays_reserved(maker: Callable[..., AnyCore], sequence: Sequence) -> None:
    """When all orders are cancelled and seen, nothing is open or reserved, and positions and cash sum to zero."""
    core = maker(**sequence.capacities)
    run(core, sequence.commands)
    told = wind_up(core, sequence.commands)
    assert all(outcome.type == OutcomeType.CANCELLED for outcome in told if outcome.kind == Kind.CANCEL), (
        "a resting order was not cancelled"
    )
    assert core.dump_books() == []
    assert all((row.open_orders, row.reserved_buy) == (0, 0) for row in core.dump_accounts())
    positions: dict[int, int] = defaultdict(int)
    for row in core.dump_positions():
        assert (row.open_buy, row.open_sell) == (0, 0)
        positions[row.instrument] += row.position
    assert set(positions.values()) <= {0}
    assert sum(row.cash for row in core.dump_accounts()) == 0


@EVERY_CORE
@given(sequence=sequences(kinds=ORDER_KINDS))
def test_position_limits_hold_in_the_worst_case(maker: Callable[..., AnyCore], sequence: Sequence) -> None:
    """While limits do not change, no feedback lag lets a position pass its limits, open orders included."""
    core = maker(**sequence.capacities)
    limits = {
        (command.account, command.ord_type): command.qty_lots
        for command in sequence.commands
        if command.kind == Kind.LIMIT
    }
    for command in sequence.commands:
        core.process(command)
        for row in core.dump_positions():
            assert row.position + row.open_buy <= limits[row.account, 4]
            assert -row.position + row.open_sell <= limits[row.account, 5]
