"""What risk checks of a NEW, by example, in the order of ``docs/rules.md``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from protocols.codes import (
    FLAG_STP_SHIFT,
    CommandFlag,
    KillLevel,
    Limit,
    OrdType,
    OutcomeFlag,
    Permit,
    Reason,
    SelfTradeMode,
    Side,
    Switch,
    Tif,
)
from tests.stages.rules.controls import (
    RELEASE,
    UNLIMITED,
    UNSET,
    collar,
    define_firm,
    permit,
    set_limit,
    switch,
    switch_account,
)
from tests.twin.scenario import (
    BUY,
    BY_RISK,
    EUR,
    NOT_TAKEN,
    USD,
    Desk,
    MakeDesk,
    reason,
)
from tests.twin.view import AccountRow, PositionRow

pytestmark = pytest.mark.jitoff

ORDER_BUCKET = (Limit.ORDER_RATE, Limit.ORDER_BURST)


def test_new_checks_in_order(desk: Desk) -> None:
    """An order that is wrong in every way is told the first reason, then, as it is mended, each in its order."""
    desk.instrument(2, "BAND", low=10, high=20, currency=EUR)
    desk.account(3, "CAROL", currency=USD)
    define_firm(desk, value=0, currency=EUR)
    desk.account(4, "DAVE", currency=EUR, firm=1)
    for account in (3, 4):
        for which in Limit:
            desk.limit(which, 0, account)
        switch(desk, KillLevel.ACCOUNT, Switch.REDUCING, account=account)
        permit(desk, Permit.GROUPS, 0, account=account)
    desk.limit(Limit.CREDIT, UNSET, account=3)
    permit(desk, Permit.ORDER_TYPES, 0, account=3)
    permit(desk, Permit.TIFS, 0, account=3)
    desk.buy(1, at=10, cl="USED")
    permit(desk, Permit.SESSION, 0, "GW1")
    switch_account(desk, account=3)
    switch(desk, KillLevel.INSTRUMENT, instrument=2)
    collar(desk, static=1, dynamic=1, reference=5, age_ns=1, instrument=2)
    order: dict[str, Any] = {
        "session": 2,
        "cl": "",
        "instrument": 3,
        "account": 5,
        "side": 3,
        "ord_type": 6,
        "tif": 8,
        "at": 0,
        "qty": 0,
        "flags": CommandFlag.BOOK_ONLY | CommandFlag.POST_ONLY | CommandFlag.OFF_LOT | CommandFlag.OFF_TICK,
        "order_id": -1,
        "orig0": -1,
        "orig2": -1,
        "aux0": -1,
    }
    both = CommandFlag.OFF_LOT | CommandFlag.OFF_TICK
    newest = SelfTradeMode.NEWEST << FLAG_STP_SHIFT
    steps: list[tuple[Reason, dict[str, Any] | Callable[[], object]]] = [
        (Reason.UNKNOWN_SESSION, {"session": 1}),
        (Reason.MISSING_CL_ORD_ID, {"cl": "USED"}),
        (Reason.DUPLICATE_CL_ORD_ID, {"cl": "N"}),
        (Reason.UNKNOWN_INSTRUMENT, {"instrument": 2}),
        (Reason.UNKNOWN_ACCOUNT, {"account": 3}),
        (Reason.SESSION_NOT_PERMITTED, lambda: permit(desk, Permit.SESSION, 1, "GW1")),
        (Reason.ACCOUNT_KILLED, lambda: switch_account(desk, side=RELEASE, account=3)),
        (Reason.INSTRUMENT_KILLED, lambda: switch(desk, KillLevel.INSTRUMENT, side=RELEASE, instrument=2)),
        (Reason.LIMIT_NOT_SET, lambda: desk.limit(Limit.CREDIT, 0, account=3)),
        (Reason.ORDER_RATE, lambda: [desk.limit(which, UNLIMITED, account=3) for which in ORDER_BUCKET]),
        (Reason.INVALID_SIDE, {"side": BUY}),
        (Reason.UNSUPPORTED_ORDER_TYPE, {"ord_type": OrdType.STOP_LIMIT}),
        (Reason.UNSUPPORTED_TIF, {"tif": Tif.FOK}),
        (Reason.UNSUPPORTED_TIF, {"tif": Tif.GTD}),
        (Reason.UNSUPPORTED_ORDER_TYPE, {"flags": CommandFlag.BOOK_ONLY | both}),
        (Reason.UNSUPPORTED_ORDER_TYPE, {"flags": 5 << FLAG_STP_SHIFT | both}),
        (Reason.INVALID_SELF_TRADE_GROUP, {"flags": newest | both}),
        (Reason.INVALID_SELF_TRADE_GROUP, {"orig2": 1}),
        (
            Reason.ORDER_TYPE_NOT_PERMITTED,
            lambda: permit(desk, Permit.ORDER_TYPES, 1 << OrdType.STOP_LIMIT, account=3),
        ),
        (Reason.TIF_NOT_PERMITTED, lambda: permit(desk, Permit.TIFS, 1 << Tif.GTC | 1 << Tif.GTD, account=3)),
        (Reason.QTY_NOT_ON_LOT, {"flags": newest | CommandFlag.OFF_TICK}),
        (Reason.INVALID_QTY, {"qty": 5}),
        (Reason.INVALID_DISPLAY_QTY, {"order_id": 5}),
        (Reason.INVALID_MIN_QTY, {"orig0": 0}),
        (Reason.INVALID_EXPIRE_TIME, {"tif": Tif.GTC}),
        (Reason.INVALID_STOP_PRICE, {"aux0": 1}),
        (Reason.PRICE_NOT_ON_TICK, {"flags": newest}),
        (Reason.INVALID_PRICE, {"at": 9}),
        (Reason.PRICE_OUT_OF_BAND, {"at": 10}),
        (Reason.STATIC_COLLAR, lambda: collar(desk, static=5, dynamic=1, age_ns=1, instrument=2)),
        (Reason.STALE_REFERENCE_PRICE, lambda: collar(desk, static=5, dynamic=1, instrument=2)),
        (Reason.DYNAMIC_COLLAR, lambda: collar(desk, static=5, instrument=2)),
        (Reason.CURRENCY_MISMATCH, {"account": 4}),
        (Reason.ORDER_RATE, lambda: [desk.limit(which, UNLIMITED, account=4) for which in ORDER_BUCKET]),
        (
            Reason.FIRM_ORDER_RATE,
            lambda: [set_limit(desk, which, UNLIMITED, aux0=1) for which in ORDER_BUCKET],
        ),
        (Reason.INSTRUMENT_NOT_PERMITTED, lambda: permit(desk, Permit.GROUPS, -1, account=4)),
        (Reason.MAX_ORDER_QTY, lambda: desk.limit(Limit.MAX_ORDER_QTY, 5, 4)),
        (Reason.MAX_ORDER_NOTIONAL, lambda: desk.limit(Limit.MAX_ORDER_NOTIONAL, 50, 4)),
        (Reason.MAX_OPEN_ORDERS, lambda: desk.limit(Limit.MAX_OPEN_ORDERS, 1, 4)),
        (Reason.ORDER_TO_TRADE, lambda: desk.limit(Limit.FREE_MESSAGES, 1, 4)),
        (Reason.DUPLICATIVE_ORDER, lambda: desk.limit(Limit.DUPLICATE_COUNT, 1, 4)),
        (Reason.REDUCE_ONLY, lambda: switch(desk, KillLevel.ACCOUNT, Switch.REDUCING, RELEASE, account=4)),
        (Reason.POSITION_LIMIT, lambda: desk.limit(Limit.MAX_LONG, 5, 4)),
        (Reason.GROSS_NOTIONAL, lambda: desk.limit(Limit.GROSS_NOTIONAL, 50, 4)),
        (Reason.FIRM_GROSS_NOTIONAL, lambda: set_limit(desk, Limit.GROSS_NOTIONAL, 50, aux0=1)),
        (Reason.CREDIT_LIMIT, lambda: desk.limit(Limit.CREDIT, 50, 4)),
        (Reason.FIRM_CREDIT_LIMIT, lambda: set_limit(desk, Limit.CREDIT, 50, aux0=1)),
    ]
    for expected, mend in steps:
        told = desk.new(**order)
        assert (reason(told), told[0].flags) == (
            expected,
            BY_RISK | OutcomeFlag.NEW,
        )
        if callable(mend):
            mend()
        else:
            order.update(mend)
    directed = {**order, "ord_type": OrdType.DIRECTED, "order_id": 0, "cl": "D"}
    assert reason(desk.new(**directed)) is Reason.UNKNOWN_ORDER
    assert reason(desk.new(**order)) is Reason.NONE


@pytest.mark.parametrize("ord_type", [0, 6, 7, 15, 17, 255])
def test_unsupported_order_types(desk: Desk, ord_type: int) -> None:
    """Other numbers than those of the order types are none."""
    assert reason(desk.buy(1, at=10, ord_type=ord_type)) is Reason.UNSUPPORTED_ORDER_TYPE


@pytest.mark.parametrize("tif", [0, 8, 255])
def test_unsupported_tifs(desk: Desk, tif: int) -> None:
    """Other numbers than those of the times in force are none."""
    assert reason(desk.buy(1, at=10, tif=tif)) is Reason.UNSUPPORTED_TIF


@pytest.mark.parametrize(
    ("ord_type", "tif", "expected"),
    [
        (OrdType.LIMIT, Tif.GTC, Reason.NONE),
        (OrdType.LIMIT, Tif.DAY, Reason.NONE),
        (OrdType.LIMIT, Tif.IOC, Reason.UNSUPPORTED_ORDER_TYPE),
        (OrdType.LIMIT, Tif.FOK, Reason.UNSUPPORTED_ORDER_TYPE),
        (OrdType.MARKET, Tif.GTC, Reason.UNSUPPORTED_ORDER_TYPE),
        (OrdType.DIRECTED, Tif.GTC, Reason.UNSUPPORTED_ORDER_TYPE),
    ],
)
def test_book_only_combinations(desk: Desk, ord_type: OrdType, tif: Tif, expected: Reason) -> None:
    """BOOK_ONLY is for resting limit orders."""
    outcomes = desk.buy(1, at=10, ord_type=ord_type, tif=tif, flags=CommandFlag.BOOK_ONLY, order_id=1)
    assert reason(outcomes) is expected


@pytest.mark.parametrize("qty", [0, -1, -(2**63)])
def test_quantity_is_positive(desk: Desk, qty: int) -> None:
    """A quantity of 0 or less is invalid."""
    assert reason(desk.buy(qty, at=10)) is Reason.INVALID_QTY


@pytest.mark.parametrize("price", [0, -1, -(2**63), 2**63 - 1])
def test_price_is_positive(desk: Desk, price: int) -> None:
    """A price of 0 or less is invalid, and so is 2^63 - 1, where MARKET orders stand."""
    assert reason(desk.buy(1, at=price)) is Reason.INVALID_PRICE
    assert reason(desk.directed(BUY, 1, price, "D", order_id=1)) is Reason.INVALID_PRICE


@pytest.mark.parametrize(
    ("price", "expected"),
    [(9, Reason.PRICE_OUT_OF_BAND), (10, Reason.NONE), (11, Reason.NONE), (20, Reason.NONE),
     (21, Reason.PRICE_OUT_OF_BAND)],
)  # fmt: skip
def test_band(desk: Desk, price: int, expected: Reason) -> None:
    """The band includes its ends."""
    desk.instrument(2, "BAND", low=10, high=20)
    assert reason(desk.buy(1, at=price, instrument=2)) is expected


def test_band_without_high(desk: Desk) -> None:
    """With high 0 there is no upper end, and low still holds."""
    desk.instrument(2, "BAND", low=10)
    assert reason(desk.buy(1, at=9, cl="A", instrument=2)) is Reason.PRICE_OUT_OF_BAND
    assert reason(desk.buy(1, at=2**59, cl="A", instrument=2)) is Reason.NONE


def test_market_needs_a_reference(desk: Desk) -> None:
    """A market order is checked at high, else at the last trade price that risk has seen; with none it fails."""
    assert reason(desk.market(BUY, 1, "A")) is Reason.NO_REFERENCE_PRICE
    desk.sell(5, at=7, cl="S", account=2)
    desk.buy(1, at=7, cl="B")
    assert reason(desk.market(BUY, 1, "C", seen=desk.seq - 1)) is Reason.NO_REFERENCE_PRICE
    assert reason(desk.market(BUY, 1, "D")) is Reason.NONE


def test_market_ignores_tick_and_band(desk: Desk) -> None:
    """A market order's own price is not looked at."""
    desk.instrument(2, "BAND", low=10, high=20)
    outcomes = desk.market(BUY, 1, "A", at=-3, instrument=2, flags=CommandFlag.OFF_TICK)
    assert reason(outcomes) is Reason.NONE


def test_market_reserves_at_the_check_price(desk: Desk) -> None:
    """High is the check price where there is one, else the last trade price, in notional and reservation."""
    desk.instrument(1, high=20)
    desk.sell(1, at=7, cl="S", account=2)
    desk.buy(1, at=7, cl="B")
    desk.limit(Limit.MAX_ORDER_NOTIONAL, 59)
    assert reason(desk.market(BUY, 3, "C")) is Reason.MAX_ORDER_NOTIONAL
    desk.instrument(1, high=0)
    assert reason(desk.market(BUY, 9, "D")) is Reason.MAX_ORDER_NOTIONAL
    assert reason(desk.market(BUY, 8, "D")) is Reason.NONE
    assert desk.money().reserved_buy == 56


def test_currency_mismatch(desk: Desk) -> None:
    """An account trades instruments of its own currency only."""
    desk.instrument(2, "EURO", currency=EUR)
    assert reason(desk.buy(1, at=10, instrument=2)) is Reason.CURRENCY_MISMATCH


@pytest.mark.parametrize(
    ("qty", "expected"), [(9, Reason.NONE), (10, Reason.NONE), (11, Reason.MAX_ORDER_QTY)]
)
def test_max_order_qty(desk: Desk, qty: int, expected: Reason) -> None:
    """The largest quantity is the limit."""
    desk.limit(Limit.MAX_ORDER_QTY, 10)
    assert reason(desk.sell(qty, at=5)) is expected


@pytest.mark.parametrize(
    ("limit", "expected"),
    [(149, Reason.MAX_ORDER_NOTIONAL), (150, Reason.NONE), (151, Reason.NONE)],
)
def test_max_order_notional(desk: Desk, limit: int, expected: Reason) -> None:
    """Price × tick value × quantity may reach the limit."""
    desk.instrument(2, "THREE", tick_value=3)
    desk.limit(Limit.MAX_ORDER_NOTIONAL, limit)
    assert reason(desk.sell(10, at=5, instrument=2)) is expected


@pytest.mark.parametrize(
    ("tick_value", "price", "qty"),
    [
        (2**40, 2**24, 1), (2**40, 2**12, 2**12), (2**40, 2**40, 2**48), (1, 2**63 - 2, 2**60), (1, 2**33, 2**31),
        (3, 2**62, 2), (2**40, 1, 2**20 + 1),
    ],
)  # fmt: skip
def test_notional_does_not_overflow(desk: Desk, tick_value: int, price: int, qty: int) -> None:
    """A product beyond 64 bits is beyond every limit."""
    desk.instrument(2, "HUGE", tick_value=tick_value)
    for side in Side:
        assert reason(desk.new(side, qty, price, "A", instrument=2)) is Reason.MAX_ORDER_NOTIONAL


@pytest.mark.parametrize(("tick_value", "price", "qty"), [(2**40, 1, 2**20), (1, 2**60, 1), (1, 1, 2**60)])
def test_notional_of_two_to_the_sixty(desk: Desk, tick_value: int, price: int, qty: int) -> None:
    """The largest limit can be used up exactly."""
    desk.instrument(2, "HUGE", tick_value=tick_value)
    assert reason(desk.buy(qty, at=price, instrument=2)) is Reason.NONE


def test_max_open_orders(desk: Desk) -> None:
    """An order counts until risk has seen its end."""
    desk.limit(Limit.MAX_OPEN_ORDERS, 2)
    assert reason(desk.buy(1, at=10, cl="A")) is Reason.NONE
    assert reason(desk.buy(1, at=10, cl="B")) is Reason.NONE
    assert reason(desk.buy(1, at=10, cl="C")) is Reason.MAX_OPEN_ORDERS
    desk.cancel("A")
    assert reason(desk.buy(1, at=10, cl="C", seen=desk.seq - 1)) is Reason.MAX_OPEN_ORDERS
    assert reason(desk.buy(1, at=10, cl="C")) is Reason.NONE


@pytest.mark.parametrize(
    ("qty", "expected"), [(2, Reason.NONE), (3, Reason.NONE), (4, Reason.POSITION_LIMIT)]
)
def test_max_long(desk: Desk, qty: int, expected: Reason) -> None:
    """Position, open buys and the new order together may reach MAX_LONG; open sells do not help."""
    desk.limit(Limit.MAX_LONG, 10)
    desk.sell(5, at=10, cl="S", account=2)
    desk.buy(5, at=10, cl="A")
    desk.buy(2, at=9, cl="B")
    desk.sell(3, at=20, cl="C")
    assert desk.position() == PositionRow(1, 1, position=5, open_buy=2, open_sell=3)
    assert reason(desk.buy(qty, at=9, cl="D")) is expected


@pytest.mark.parametrize(
    ("qty", "expected"), [(2, Reason.NONE), (3, Reason.NONE), (4, Reason.POSITION_LIMIT)]
)
def test_max_short(desk: Desk, qty: int, expected: Reason) -> None:
    """Minus the position, open sells and the new order together may reach MAX_SHORT."""
    desk.limit(Limit.MAX_SHORT, 10)
    desk.buy(5, at=10, cl="S", account=2)
    desk.sell(5, at=10, cl="A")
    desk.sell(2, at=11, cl="B")
    desk.buy(3, at=1, cl="C")
    assert desk.position() == PositionRow(1, 1, position=-5, open_buy=3, open_sell=2)
    assert reason(desk.sell(qty, at=11, cl="D")) is expected


def test_a_long_position_may_be_sold_and_turned(desk: Desk) -> None:
    """A position of 5 with MAX_SHORT 3 lets 8 lots be sold."""
    desk.sell(5, at=10, cl="S", account=2)
    desk.buy(5, at=10, cl="A")
    desk.limit(Limit.MAX_SHORT, 3)
    assert reason(desk.sell(9, at=11, cl="B")) is Reason.POSITION_LIMIT
    assert reason(desk.sell(8, at=11, cl="B")) is Reason.NONE


def test_positions_are_per_instrument(desk: Desk) -> None:
    """Lots in one instrument do not count in another."""
    desk.instrument(2, "OTHER")
    desk.limit(Limit.MAX_LONG, 5)
    assert reason(desk.buy(5, at=10, cl="A")) is Reason.NONE
    assert reason(desk.buy(5, at=10, cl="B", instrument=2)) is Reason.NONE
    assert reason(desk.buy(1, at=10, cl="C", instrument=2)) is Reason.POSITION_LIMIT


@pytest.mark.parametrize(("qty", "expected"), [(2, Reason.NONE), (3, Reason.NONE), (4, Reason.CREDIT_LIMIT)])
def test_credit(desk: Desk, qty: int, expected: Reason) -> None:
    """Reserved money and the new notional, less the cash, may reach CREDIT; buying has spent cash."""
    desk.limit(Limit.CREDIT, 100)
    desk.sell(5, at=10, cl="S", account=2)
    desk.buy(5, at=10, cl="A")
    desk.buy(2, at=10, cl="B")
    desk.sell(9, at=99, cl="C")
    desk.tick()
    assert desk.money() == AccountRow(1, open_orders=2, cash=-50, reserved_buy=20)
    assert reason(desk.buy(qty, at=10, cl="D")) is expected


def test_credit_grows_with_sales(desk: Desk) -> None:
    """Cash from sales can be spent, once risk has seen it; selling needs no credit."""
    desk.limit(Limit.CREDIT, 0)
    assert reason(desk.sell(5, at=10, cl="A")) is Reason.NONE
    desk.buy(5, at=10, cl="B", account=2)
    assert reason(desk.buy(1, at=10, cl="C", seen=desk.seq - 1)) is Reason.CREDIT_LIMIT
    assert reason(desk.buy(6, at=10, cl="D")) is Reason.CREDIT_LIMIT
    assert reason(desk.buy(5, at=10, cl="D")) is Reason.NONE


def test_directed_names_its_target(desk: Desk) -> None:
    """A target is an order id, taken as it is, or a ClOrdID that its session has used."""
    desk.open_session("GW2")
    desk.sell(5, at=10, cl="S", account=2)
    assert reason(desk.directed(BUY, 1, 10, "A")) is Reason.UNKNOWN_ORDER
    assert reason(desk.directed(BUY, 1, 10, "A", orig="NONE")) is Reason.UNKNOWN_ORDER
    assert reason(desk.directed(BUY, 1, 10, "A", orig="S", session=2)) is Reason.UNKNOWN_ORDER
    assert reason(desk.directed(BUY, 1, 10, "A", orig="S")) is Reason.NONE
    assert reason(desk.directed(BUY, 1, 10, "B", orig="NONE", order_id=desk.ids["S"])) is Reason.NONE
    told = desk.directed(BUY, 1, 10, "C", order_id=999)
    assert (reason(told), told[0].flags) == (Reason.UNKNOWN_ORDER, NOT_TAKEN)


def test_room_for_orders(make_desk: MakeDesk) -> None:
    """Risk holds max_orders orders, until it has seen the end of one."""
    desk = make_desk(max_orders=2)
    assert reason(desk.buy(1, at=10, cl="A")) is Reason.NONE
    assert reason(desk.buy(1, at=10, cl="B", tif=Tif.IOC)) is Reason.NONE
    assert reason(desk.buy(1, at=10, cl="C", seen=desk.seq - 1)) is Reason.NO_ROOM
    assert reason(desk.buy(1, at=10, cl="C")) is Reason.NONE
    assert reason(desk.buy(1, at=10, cl="D", tif=Tif.IOC)) is Reason.NO_ROOM


def test_room_for_positions(make_desk: MakeDesk) -> None:
    """Positions hold max_positions rows; a row stays when its order has ended."""
    desk = make_desk(max_positions=2)
    desk.instrument(2, "OTHER")
    assert reason(desk.buy(1, at=10, cl="A", tif=Tif.IOC)) is Reason.NONE
    assert reason(desk.buy(1, at=10, cl="B", account=2)) is Reason.NONE
    assert reason(desk.buy(1, at=10, cl="C", instrument=2)) is Reason.NO_ROOM
    assert reason(desk.buy(1, at=10, cl="C")) is Reason.NONE
    assert [row[:2] for row in desk.core.dump_positions()] == [(1, 1), (2, 1)]


def test_room_for_cl_ord_ids(make_desk: MakeDesk) -> None:
    """max_cl_ord_ids are used up by orders and replaces, and never come back."""
    desk = make_desk(max_cl_ord_ids=3)
    assert reason(desk.buy(1, at=10, cl="A")) is Reason.NONE
    assert reason(desk.replace("A", "B", 2, at=10)) is Reason.NONE
    assert reason(desk.cancel("B", cl="C")) is Reason.NONE
    assert reason(desk.buy(1, at=10, cl="D")) is Reason.NONE
    assert reason(desk.buy(1, at=10, cl="E")) is Reason.NO_ROOM
    assert reason(desk.replace("D", "E", 2, at=10)) is Reason.NO_ROOM
    assert reason(desk.cancel("D", cl="E")) is Reason.NONE


def test_a_rejected_order_leaves_no_trace(desk: Desk) -> None:
    """A rejected order uses up no ClOrdID, no position row, no reservation."""
    desk.limit(Limit.CREDIT, 9)
    assert reason(desk.buy(1, at=10, cl="A")) is Reason.CREDIT_LIMIT
    assert desk.core.dump_positions() == []
    assert desk.money() == AccountRow(1, 0, 0, 0)
    assert reason(desk.buy(1, at=9, cl="A")) is Reason.NONE


def test_cl_ord_ids_are_per_session(desk: Desk) -> None:
    """A ClOrdID is used up in its session only, for ever, and all its 20 bytes count."""
    desk.open_session("GW2")
    desk.buy(1, at=10, cl="A")
    desk.cancel("A")
    assert reason(desk.buy(1, at=10, cl="A")) is Reason.DUPLICATE_CL_ORD_ID
    assert reason(desk.buy(1, at=10, cl="A", session=2)) is Reason.NONE
    for cl in ("L" * 20, "L" * 19, "L" * 19 + "M", "L" * 8 + "M" + "L" * 11):
        assert reason(desk.buy(1, at=10, cl=cl)) is Reason.NONE
    assert reason(desk.buy(1, at=10, cl="L" * 20)) is Reason.DUPLICATE_CL_ORD_ID


def test_what_an_order_reserves(desk: Desk) -> None:
    """A buy reserves lots and money, a sell lots only; both count as open orders."""
    desk.instrument(2, "THREE", tick_value=3)
    desk.buy(5, at=10, cl="A", instrument=2)
    desk.sell(4, at=11, cl="B", instrument=2)
    assert desk.position(1, 2) == PositionRow(1, 2, position=0, open_buy=5, open_sell=4)
    assert desk.money() == AccountRow(1, open_orders=2, cash=0, reserved_buy=150)
