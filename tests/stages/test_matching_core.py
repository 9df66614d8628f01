"""Matching alone from Python: against the twin, and what the books can be asked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.codes import (
    KillLevel,
    Kind,
    OrdType,
    OutcomeFlag,
    OutcomeType,
    Reason,
    SelfTradeMode,
    Side,
    Tif,
)
from protocols.commands import (
    BUY,
    SELL,
    cancels,
    limit_orders,
    make_commands,
    market_orders,
    mass_cancel,
    protect_market,
    reduces,
    replaces,
    session_close,
    status_requests,
    stop_orders,
    tick,
    trailing_stops,
)
from protocols.layouts import COMMAND
from stages.book_view import ORDER_VIEW
from stages.matching_core import Best, MatchingCore
from tests.twin.book import STOP_BUY, Books
from tests.twin.checks import Rejection, check_amounts, check_qty, check_terms, require
from tests.twin.matching import MatchingTwin
from tests.twin.records import Command, Outcome, from_row
from tests.twin.risk import Verdict

pytestmark = pytest.mark.jitoff

INSTRUMENTS = 2
ROOM = {"max_orders": 24, "max_levels": 12, "max_specials": 8}
REQUESTS = (Kind.CANCEL, Kind.REDUCE, Kind.REPLACE, Kind.STATUS)


def small(**room: int) -> MatchingCore:
    """Return a core with little room."""
    return MatchingCore(max_instruments=INSTRUMENTS, **{**ROOM, **room})


def numbers(rng: Any, *values: int) -> int:
    """Return one of some numbers."""
    return int(rng.choice(values))


def mostly(rng: Any, good: list[int], bad: list[int]) -> int:
    """Return one of some numbers, now and then a bad one."""
    return int(rng.choice(bad if rng.random() < 0.02 else good))


def some_command(rng: Any, seq: int) -> Any:
    """Return a command as a careless user may send it: most make sense, some do not."""
    side, price = mostly(rng, [1, 2], [0, 3]), mostly(rng, [7, 8, 9, 10, 11, 12], [0, -1])
    qty, instrument = (
        mostly(rng, [1, 2, 5, 9, 20], [0, -3, 1 << 61]),
        mostly(rng, [1, 1, 1, 1, 2], [0, 3, -1]),
    )
    some_id = mostly(rng, list(range(max(1, seq - 16), seq + 1)), [0, -1])
    session = numbers(rng, 1, 1, 1, 2)
    common = {"instrument": instrument, "session": session, "account": numbers(rng, 1, 2)}
    match int(rng.integers(30)):
        case 0 | 1:
            return cancels(some_id, session=session)
        case 2 | 3:
            return reduces(some_id, qty, session=session)
        case 4 | 5 | 6 | 7:
            price = numbers(rng, 0, price, price, price)
            return replaces(some_id, qty, price, mostly(rng, [0, 0, 8, 9], [-1]), session=session)
        case 8:
            return status_requests(some_id, session=session, side=numbers(rng, 0, 0, 1, 2))
        case 9:
            if rng.random() < 0.7:
                return tick(seq * 10 + numbers(rng, 0, 5, 50))
            return mass_cancel(numbers(rng, 0, 1, 2), numbers(rng, 0, 1), max(instrument, 0), min(side, 2))
        case 10:
            return protect_market(mostly(rng, [0, 1, 2], [-1]), instrument)
        case 11 | 12:
            return market_orders(side, qty, minimum=numbers(rng, 0, 0, min(max(qty, 0), 3)), **common)
        case 13 | 14 | 15 | 16:
            limit = numbers(rng, 8, 9, 10, 11) if rng.integers(3) else None
            display = 0 if limit is None else numbers(rng, 0, 1, 3)
            return stop_orders(
                side, qty, mostly(rng, [7, 8, 9, 10, 11], [0]), limit, display=display, **common
            )
        case 17 | 18:
            return trailing_stops(side, qty, mostly(rng, [1, 2], [0]), **common)
        case 19 | 20 | 21:
            return limit_orders(side, qty, price, display=numbers(rng, 1, 1, 2, 5), **common)
        case 22:
            expires_ns = seq * 10 + numbers(rng, 10, 40, 90)
            return limit_orders(
                side, qty, price, post_only=bool(rng.integers(2)), expires_ns=expires_ns, **common
            )
        case 23 | 24 | 25 | 26:
            group = {"group": numbers(rng, 1, 2), "self_trade": mostly(rng, [1, 2, 3, 4], [5])}
            display = numbers(rng, 0, 0, 1)
            tif = int(Tif.GTC) if display else mostly(rng, [1, 1, 3, 4], [9])
            return limit_orders(side, qty, price, display=display, tif=tif, **group, **common)
        case 27:
            minimum = numbers(rng, 0, 1, min(max(qty, 0), 5))
            return limit_orders(side, qty, price, tif=numbers(rng, 1, 3, 4), minimum=minimum, **common)
    return limit_orders(side, qty, price, reprice=bool(rng.integers(2)), time_ns=seq * 10, **common)


def some_commands(seed: int, count: int) -> Any:
    """Return commands of a seed."""
    rng = np.random.default_rng(seed)
    return np.concatenate([some_command(rng, seq) for seq in range(1, count + 1)])


def verdict_of(command: Command, books: Books) -> Verdict | None:
    """Return what docs/python-api.md says of a command by itself."""
    target = command.order_id if command.kind in REQUESTS else 0
    try:
        judge(command, books)
    except Rejection as rejection:
        return Verdict(rejection.reason, target, command.session)
    return None if command.kind == Kind.TICK else Verdict(Reason.NONE, target, command.session)


def judge(command: Command, books: Books) -> None:
    """Check a command as risk would if nothing but the command mattered."""
    if command.kind == Kind.NEW:
        require(0 < command.instrument <= INSTRUMENTS, Reason.UNKNOWN_INSTRUMENT)
        require(command.side in (1, 2), Reason.INVALID_SIDE)
        check_terms(command)
        check_qty(command)
        check_amounts(command)
        priced = command.ord_type in (OrdType.LIMIT, OrdType.STOP_LIMIT)
        require(not priced or command.price_ticks > 0, Reason.INVALID_PRICE)
        require(command.qty_lots <= 1 << 60, Reason.MAX_ORDER_QTY)
    elif command.kind in REQUESTS:
        require(command.order_id != 0, Reason.UNKNOWN_ORDER)
        if command.kind in (Kind.REDUCE, Kind.REPLACE):
            check_qty(command)
        if command.kind == Kind.REPLACE:
            require(0 <= command.aux0 <= 1 << 60, Reason.INVALID_STOP_PRICE)
            order = books.orders.get(command.order_id)
            needs_none = order is None or order.ord_type in (OrdType.STOP, OrdType.TRAILING_STOP)
            require(command.price_ticks >= (0 if needs_none else 1), Reason.INVALID_PRICE)
            require(command.qty_lots <= 1 << 60, Reason.MAX_ORDER_QTY)
    elif command.kind == Kind.MASS_CANCEL:
        require(0 <= command.instrument <= INSTRUMENTS, Reason.UNKNOWN_INSTRUMENT)
    elif command.kind == Kind.INSTRUMENT:
        require(0 < command.instrument <= INSTRUMENTS, Reason.UNKNOWN_INSTRUMENT)
        require(command.orig0 >= 0, Reason.INVALID_COMMAND)


def twin_outcomes(twin: MatchingTwin, commands: Any) -> list[Outcome]:
    """Carry out commands on the twin; number and stamp them as the core does."""
    told, time_ns = [], 0
    for seq, row in enumerate(commands, start=1):
        command = Command(**{name: int(row[name]) for name in COMMAND.names or ()})
        time_ns = max(time_ns, command.time_ns)
        command.seq, command.time_ns = seq, time_ns
        told += twin.process(command, verdict_of(command, twin.books))
    return told


@given(st.integers(0, 2**32), st.integers(1, 80), st.integers(1, 40))
def test_matching_alone_is_the_twin(seed: int, count: int, batch: int) -> None:
    """Whatever is sent, in whatever batches, outcomes and books are the twin's, and nothing is damaged."""
    commands = some_commands(seed, count)
    core, twin = small(), MatchingTwin(**ROOM)
    told = [from_row(row) for at in range(0, count, batch) for row in core.process(commands[at : at + batch])]
    assert told == twin_outcomes(twin, commands)
    rows = [
        (order.order_id, order.leaves, order.queued, order.cum, order.instrument, order.side, order.is_stop)
        for order in twin.books.all_in_order()
    ]
    names = ["order_id", "leaves_lots", "shown_lots", "cum_lots", "instrument", "side", "is_stop"]
    seen = [
        tuple(int(row[name]) for name in names)
        for instrument in range(1, INSTRUMENTS + 1)
        for part in (core.orders(instrument), core.stops(instrument))
        for row in part
    ]
    assert seen == rows
    assert core.open_orders == len(rows)
    for instrument in range(1, INSTRUMENTS + 1):
        assert core.last_price(instrument) == twin.books.last_prices.get(instrument)
        for side in (BUY, SELL):
            levels = twin.books.levels(instrument, side)
            shown = [(price, sum(each.queued for each in queue), len(queue)) for price, queue in levels]
            assert core.levels(side, instrument).tolist() == shown
            best = core.best_bid(instrument) if side == BUY else core.best_ask(instrument)
            assert best == (Best(*shown[0][:2]) if shown else None)
            assert all(core.depth(side, price, instrument) == lots for price, lots, _ in shown)
    for order in twin.books.all_in_order():
        found = core.order(order.order_id)
        assert found is not None
        assert (found.price_ticks, found.leaves_lots) == (order.level_price, order.leaves)
        assert found.is_stop is (order.book_side >= STOP_BUY)


@given(st.integers(0, 2**32))
def test_batches_make_no_difference(seed: int) -> None:
    """One by one, at once, or without looking at outcomes: the digest is the same."""
    commands = some_commands(seed, 60)
    one, other, blind = small(), small(), small()
    told = np.concatenate([one.process(command) for command in commands])
    assert other.process(commands).tolist() == told.tolist()
    assert one.digest == other.digest == blind.run(commands)
    assert one.last_seq == blind.last_seq == 60
    assert one.next_seq == 61


def test_a_sweep_larger_than_the_ring_comes_out_whole() -> None:
    """Outcomes of one command that do not fit into the output ring at once are all returned, in order."""
    core = MatchingCore(output_slots=16)
    count = 500
    core.run(limit_orders(SELL, 1, np.full(count, 10)))
    told = core.process(limit_orders(BUY, count, 10))
    assert len(told) == 1 + 2 * count
    assert told["index"].tolist() == list(range(len(told)))
    assert (core.best_bid(), core.best_ask(), core.open_orders) == (None, None, 0)


def test_ids_are_sequences() -> None:
    """The id of an order is known before it is sent: it is the sequence that its command gets."""
    core = small()
    ids = core.next_seq + np.arange(3)
    told = core.process(limit_orders(BUY, 1, [10, 9, 8]))
    assert told["order_id"].tolist() == ids.tolist()
    told = core.process(cancels(ids[::-1]))
    assert told["type"].tolist() == [OutcomeType.CANCELLED] * 3
    assert told["order_id"].tolist() == ids[::-1].tolist()


def test_time_never_goes_back() -> None:
    """A command without a time, or with an earlier one, comes at the time of the one before."""
    core = small()
    told = core.process(
        np.concatenate([limit_orders(BUY, 1, 9, expires_ns=100), tick(90), tick(0), limit_orders(BUY, 1, 8)])
    )
    assert told["time_ns"].tolist() == [0, 90]
    assert core.process(tick(100))["reason"].tolist() == [Reason.GTD_EXPIRED]
    assert core.time_ns == 100


def test_a_session_takes_its_orders_with_it() -> None:
    """Closing a session cancels its orders as DISCONNECTED."""
    core = small()
    core.run(limit_orders(BUY, 1, [9, 8], session=[1, 2]))
    told = core.process(session_close(1))
    assert told["reason"].tolist() == [Reason.DISCONNECTED, 0]
    assert core.orders()["session"].tolist() == [2]


def test_rejections_have_reasons() -> None:
    """What makes no order is rejected with risk's reason, flagged as risk's."""
    core = small()
    rows = [
        (limit_orders(BUY, 1, 0), Reason.INVALID_PRICE),
        (limit_orders(BUY, 0, 1), Reason.INVALID_QTY),
        (limit_orders(3, 1, 1), Reason.INVALID_SIDE),
        (limit_orders(BUY, 1, 1, instrument=3), Reason.UNKNOWN_INSTRUMENT),
        (limit_orders(BUY, (1 << 60) + 1, 1), Reason.MAX_ORDER_QTY),
        (make_commands(Kind.NEW, instrument=1, side=1, qty_lots=1, ord_type=9), Reason.UNSUPPORTED_ORDER_TYPE),
        (make_commands(Kind.NEW, instrument=1, side=1, qty_lots=1, ord_type=16, tif=1, price_ticks=5),
         Reason.UNKNOWN_ORDER),
        (cancels(0), Reason.UNKNOWN_ORDER),
        (make_commands(Kind.LIMIT, account=1, ord_type=1), Reason.INVALID_COMMAND),
        (make_commands(Kind.CHECKPOINT), Reason.INVALID_COMMAND),
        (make_commands(99), Reason.INVALID_COMMAND),
    ]  # fmt: skip
    for command, reason in rows:
        [told] = core.process(command)
        assert (told["type"], told["reason"]) == (OutcomeType.REJECTED, reason)
        assert told["flags"] & OutcomeFlag.RISK


@pytest.mark.parametrize(
    ("fields", "cancelled"),
    [
        ({"tif": KillLevel.VENUE}, 4),
        ({"tif": KillLevel.ACCOUNT, "account": 2}, 1),
        ({"tif": KillLevel.SESSION, "aux0": 3}, 2),
        ({"tif": KillLevel.INSTRUMENT, "instrument": 2}, 1),
        ({"tif": KillLevel.FIRM, "aux0": 1}, 0),
        ({"tif": KillLevel.ACCOUNT}, 0),
        ({"tif": KillLevel.SESSION}, 0),
        ({"tif": KillLevel.SESSION, "aux0": 2**56 + 3}, 0),
        ({"tif": KillLevel.SESSION, "aux0": -1}, 0),
        ({"tif": KillLevel.INSTRUMENT}, 0),
        ({"tif": KillLevel.INSTRUMENT, "instrument": 99}, 0),
        ({"tif": KillLevel.INSTRUMENT, "instrument": -1}, 0),
        ({"tif": KillLevel.VENUE, "side": 2}, 0),
        ({"tif": KillLevel.VENUE, "ord_type": 2}, 0),
    ],
)
def test_kills_cancel(fields: dict[str, int], cancelled: int) -> None:
    """A KILL is always accepted and cancels whom it names, sessions by id; who names nobody cancels nothing."""
    core = small()
    resting = [(1, 1, 1), (2, 1, 3), (1, 2, 3), (1, 1, 1)]
    for n, (account, instrument, session) in enumerate(resting):
        values = {"account": account, "instrument": instrument, "session": session, "price_ticks": 10 + n}
        core.run(make_commands(Kind.NEW, side=1, qty_lots=1, ord_type=2, tif=1, **values))
    told = core.process(make_commands(Kind.KILL, **{"side": 1, "ord_type": 1, **fields}))
    assert told["type"].tolist() == [OutcomeType.CANCELLED] * cancelled + [OutcomeType.ACCEPTED]
    assert told["qty_lots"][-1] == cancelled
    assert set(told["reason"][:-1]) <= {Reason.KILL_SWITCH}


def test_directed_orders_name_their_target_by_id() -> None:
    """A DIRECTED order trades with the one order that it names."""
    core = small()
    core.run(limit_orders(SELL, 5, [10, 11]))
    directed = make_commands(
        Kind.NEW, instrument=1, session=1, side=Side.BUY, qty_lots=2, price_ticks=11, order_id=2,
        ord_type=OrdType.DIRECTED, tif=Tif.IOC,
    )  # fmt: skip
    told = core.process(directed)
    assert told["type"].tolist() == [OutcomeType.ACCEPTED, OutcomeType.FILLED, OutcomeType.FILLED]
    assert core.depth(SELL, 11) == 3


def test_queries_bound_and_name_what_they_want() -> None:
    """Levels can be bounded; instruments and sides that do not exist are named."""
    core = small()
    core.run(limit_orders(BUY, 1, [5, 6, 7, 7]))
    assert core.levels(BUY, most=2).tolist() == [(7, 2, 2), (6, 1, 1)]
    assert core.book(most=1).bids.tolist() == [(7, 2, 2)]
    assert core.book(2).asks.tolist() == []
    assert (core.depth(BUY, 8), core.order(99), core.last_price()) == (0, None, None)
    with pytest.raises(ValueError, match="instrument: expected 1 to 2, was 3"):
        core.best_bid(3)
    with pytest.raises(ValueError, match=r"side: expected 1 \(buy\) or 2 \(sell\), was 0"):
        core.levels(0)
    with pytest.raises(ValueError, match="max_orders: expected 1 to 2147483647, was 0"):
        MatchingCore(max_orders=0)
    with pytest.raises(ValueError, match="output_slots: expected a power of two from 16, was 24"):
        MatchingCore(output_slots=24)
    with pytest.raises(TypeError, match=r"expected commands of protocols\.layouts\.COMMAND, was int64"):
        core.process(np.zeros(3, np.int64))


def test_an_iceberg_and_a_stop_show_what_they_are() -> None:
    """An open order tells hidden lots apart, a stop order its stop price and limit."""
    core = small()
    core.run(np.concatenate([limit_orders(SELL, 9, 10, display=4), stop_orders(BUY, 5, 12, 13)]))
    iceberg, stop = core.order(1), core.order(2)
    assert iceberg is not None
    assert stop is not None
    assert (iceberg.leaves_lots, iceberg.shown_lots, iceberg.is_stop) == (9, 4, False)
    assert (stop.price_ticks, stop.limit_ticks, stop.is_stop) == (12, 13, True)
    assert core.depth(SELL, 10) == 4
    assert core.stops().tolist() == [(2, 12, 13, 5, 5, 0, 1, 1, 1, 1, 1)]
    assert core.orders().dtype == ORDER_VIEW


def test_a_replace_without_a_price_is_for_stop_orders() -> None:
    """Quantity or stop price of a stop order can be replaced alone; an order with a limit needs a price."""
    core = small()
    flow = [
        limit_orders(SELL, 5, 10),
        stop_orders(BUY, 5, 12),
        stop_orders(BUY, 5, 12, 13),
        replaces([1, 2, 3, 2], 4, 0, [0, 11, 11, 0]),
    ]
    told = core.process(np.concatenate(flow))
    assert told["reason"].tolist() == [0, 0, 0, Reason.INVALID_PRICE, 0, Reason.INVALID_PRICE, 0]
    assert core.stops()["price_ticks"].tolist() == [11, 12]


def test_groups_do_not_trade_with_themselves() -> None:
    """Self-trade prevention works by the terms of the orders."""
    core = small()
    core.run(limit_orders(SELL, 5, 10, group=7))
    told = core.process(limit_orders(BUY, 5, 10, group=7, self_trade=SelfTradeMode.BOTH))
    assert told["reason"].tolist() == [0, Reason.SELF_TRADE, Reason.SELF_TRADE]
    assert core.open_orders == 0
