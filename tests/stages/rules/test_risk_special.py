"""What risk checks of special orders, and of MASS_CANCEL and STATUS, by example: ``docs/rules.md``."""

from __future__ import annotations

from typing import Any

import pytest

from protocols.codes import (
    FLAG_STP_SHIFT,
    CommandFlag,
    Kind,
    Limit,
    OrdType,
    OutcomeFlag,
    OutcomeType,
    Reason,
    SelfTradeMode,
    Tif,
)
from tests.twin.records import make_command
from tests.twin.scenario import (
    BUY,
    BY_RISK,
    Desk,
    MakeDesk,
    reason,
    stp,
)
from tests.twin.view import AccountRow, PositionRow

pytestmark = pytest.mark.jitoff


LARGEST = 2**63 - 1
SMALLEST = -(2**63)
STOPS = [OrdType.STOP, OrdType.STOP_LIMIT, OrdType.TRAILING_STOP]
RESTING = (Tif.GTC, Tif.DAY, Tif.GTD)
POSTING = [CommandFlag.BOOK_ONLY, CommandFlag.POST_ONLY, CommandFlag.POST_REPRICE]


@pytest.mark.parametrize("ord_type", STOPS)
@pytest.mark.parametrize("tif", list(Tif))
def test_stop_orders_wait(desk: Desk, ord_type: OrdType, tif: Tif) -> None:
    """A stop order waits for its election: it is good till cancelled, for the day or till a time, nothing else."""
    desk.trade(10)
    told = desk.buy(1, at=12, ord_type=ord_type, tif=tif, aux0=11, aux1=10**9)
    assert reason(told) is (Reason.NONE if tif in RESTING else Reason.UNSUPPORTED_TIF)


@pytest.mark.parametrize("flag", POSTING)
@pytest.mark.parametrize("ord_type", list(OrdType))
@pytest.mark.parametrize("tif", list(Tif))
def test_posting_flags(desk: Desk, flag: CommandFlag, ord_type: OrdType, tif: Tif) -> None:
    """BOOK_ONLY, POST_ONLY and POST_REPRICE are for limit orders that rest."""
    told = desk.buy(1, at=10, ord_type=ord_type, tif=tif, flags=flag, aux0=5, aux1=10**9)
    if ord_type in STOPS and tif not in RESTING:
        expected = Reason.UNSUPPORTED_TIF
    elif ord_type == OrdType.DIRECTED and tif in (Tif.OPEN, Tif.CLOSE):
        expected = Reason.UNSUPPORTED_TIF
    elif ord_type == OrdType.LIMIT and tif in (Tif.GTC, Tif.DAY, Tif.GTD):
        expected = Reason.NONE
    else:
        expected = Reason.UNSUPPORTED_ORDER_TYPE
    assert reason(told) is expected


def test_only_one_posting_flag(desk: Desk) -> None:
    """Two of BOOK_ONLY, POST_ONLY and POST_REPRICE contradict each other."""
    for one in POSTING:
        for other in POSTING:
            expected = Reason.NONE if one == other else Reason.UNSUPPORTED_ORDER_TYPE
            assert reason(desk.buy(1, at=10, cl=f"A{one}-{other}", flags=one | other)) is expected
            desk.cancel(f"A{one}-{other}")


@pytest.mark.parametrize(
    ("group", "mode", "expected"),
    [
        (0, 0, Reason.NONE),
        (1, 1, Reason.NONE),
        (2**31 - 1, 4, Reason.NONE),
        (1, 0, Reason.INVALID_SELF_TRADE_GROUP),
        (0, 1, Reason.INVALID_SELF_TRADE_GROUP),
        (1, 5, Reason.INVALID_SELF_TRADE_GROUP),
        (1, 7, Reason.INVALID_SELF_TRADE_GROUP),
        (-1, 1, Reason.INVALID_SELF_TRADE_GROUP),
        (-(2**31), 0, Reason.INVALID_SELF_TRADE_GROUP),
    ],
)
def test_self_trade_groups(desk: Desk, group: int, mode: int, expected: Reason) -> None:
    """A group is positive and has one of four modes; no group has none."""
    assert reason(desk.buy(1, at=10, **stp(group, mode))) is expected


def test_a_directed_order_has_no_special_amounts(desk: Desk) -> None:
    """What would be wrong amounts of another order are the target's name of a DIRECTED, or nothing."""
    desk.sell(5, at=10, cl="S" * 20)  # its last four bytes are where others have their group
    order_id = desk.ids["S" * 20]
    flags = 7 << FLAG_STP_SHIFT
    told = desk.directed(BUY, 1, 10, "A", orig="S" * 20, flags=flags, tif=Tif.GTD, aux0=-1, aux1=-1)
    assert reason(told) is Reason.NONE
    told = desk.directed(BUY, 1, 10, "B", order_id=order_id, orig0=-1, orig2=-1, aux0=SMALLEST)
    assert reason(told) is Reason.NONE


@pytest.mark.parametrize(
    ("display", "qty", "expected"),
    [
        (1, 1, Reason.NONE),
        (1, 64, Reason.NONE),
        (1, 65, Reason.INVALID_DISPLAY_QTY),
        (2, 128, Reason.NONE),
        (2, 129, Reason.INVALID_DISPLAY_QTY),
        (6, 5, Reason.INVALID_DISPLAY_QTY),
        (-1, 5, Reason.INVALID_DISPLAY_QTY),
        (LARGEST, 5, Reason.INVALID_DISPLAY_QTY),
        (SMALLEST, 5, Reason.INVALID_DISPLAY_QTY),
        (2**54, 2**60, Reason.NONE),
        (2**54 - 1, 2**60, Reason.INVALID_DISPLAY_QTY),
        (2**60, 2**60, Reason.NONE),
        (2**58, LARGEST, Reason.MAX_ORDER_QTY),
        (LARGEST, LARGEST, Reason.MAX_ORDER_QTY),
    ],
)
def test_display_quantities(desk: Desk, display: int, qty: int, expected: Reason) -> None:
    """An iceberg shows at least a 64th of its lots, and at most all."""
    assert reason(desk.iceberg(BUY, qty, 1, "A", display=display)) is expected


@pytest.mark.parametrize("ord_type", [t for t in OrdType if t != OrdType.DIRECTED])
@pytest.mark.parametrize("tif", list(Tif))
def test_icebergs_are_limit_orders_that_rest(make_desk: MakeDesk, ord_type: OrdType, tif: Tif) -> None:
    """LIMIT and STOP_LIMIT may have a display quantity, when they rest."""
    desk = make_desk()
    desk.instrument(1, high=50)
    desk.trade(10)
    told = desk.buy(2, at=10, ord_type=ord_type, tif=tif, order_id=1, aux0=20, aux1=10**9)
    if ord_type in STOPS and tif not in RESTING:
        expected = Reason.UNSUPPORTED_TIF
    elif ord_type in (OrdType.LIMIT, OrdType.STOP_LIMIT) and tif in RESTING:
        expected = Reason.NONE
    else:
        expected = Reason.INVALID_DISPLAY_QTY
    assert reason(told) is expected


@pytest.mark.parametrize(
    ("minimum", "fields", "expected"),
    [
        (1, {}, Reason.NONE),
        (5, {"tif": Tif.IOC}, Reason.NONE),
        (5, {"tif": Tif.FOK}, Reason.NONE),
        (5, {"ord_type": OrdType.MARKET}, Reason.NONE),
        (5, {"order_id": 1}, Reason.NONE),
        (6, {}, Reason.INVALID_MIN_QTY),
        (-1, {}, Reason.INVALID_MIN_QTY),
        (LARGEST, {}, Reason.INVALID_MIN_QTY),
        (SMALLEST, {}, Reason.INVALID_MIN_QTY),
        (1, {"ord_type": OrdType.STOP, "aux0": 5}, Reason.INVALID_MIN_QTY),
        (1, {"ord_type": OrdType.STOP_LIMIT, "aux0": 5}, Reason.INVALID_MIN_QTY),
        (1, {"ord_type": OrdType.TRAILING_STOP, "aux0": 5}, Reason.INVALID_MIN_QTY),
        *((1, {"flags": flag}, Reason.INVALID_MIN_QTY) for flag in POSTING),
    ],
)
def test_minimum_quantities(desk: Desk, minimum: int, fields: dict[str, Any], expected: Reason) -> None:
    """A minimum is positive, at most the quantity, and for orders that trade at once."""
    desk.instrument(1, high=50)
    told = desk.buy(5, at=10, orig0=minimum, **fields)
    if expected is Reason.NONE:  # risk takes it; with an empty book it cannot trade
        assert told[-1].reason in (Reason.MIN_QTY_NOT_MET, Reason.FOK_NOT_FILLABLE)
    else:
        assert (reason(told), told[0].flags) == (
            expected,
            BY_RISK | OutcomeFlag.NEW,
        )


@pytest.mark.parametrize(
    ("late", "expected"),
    [(-1, Reason.INVALID_EXPIRE_TIME), (0, Reason.INVALID_EXPIRE_TIME), (1, Reason.NONE)],
)
@pytest.mark.parametrize("ord_type", [t for t in OrdType if t != OrdType.DIRECTED])
def test_expiry_lies_ahead(desk: Desk, ord_type: OrdType, late: int, expected: Reason) -> None:
    """A GTD order of any type expires after the time of its command."""
    desk.instrument(1, high=50)
    desk.trade(10)
    expiry = desk.time_of(desk.seq + 1) + late
    told = desk.until(BUY, 1, 9, "A", expiry=expiry, ord_type=ord_type, aux0=20)
    assert reason(told[:1]) is expected


@pytest.mark.parametrize("expiry", [0, -1, SMALLEST])
def test_expiry_of_other_orders_is_not_looked_at(desk: Desk, expiry: int) -> None:
    """Without GTD there is no expiry to check."""
    assert reason(desk.buy(1, at=9, aux1=expiry, aux0=SMALLEST)) is Reason.NONE


@pytest.mark.parametrize(
    ("stop", "expected"),
    [
        (0, Reason.INVALID_STOP_PRICE),
        (-1, Reason.INVALID_STOP_PRICE),
        (1, Reason.NONE),
        (2**60, Reason.NONE),
        (2**60 + 1, Reason.INVALID_STOP_PRICE),
        (LARGEST, Reason.INVALID_STOP_PRICE),
        (SMALLEST, Reason.INVALID_STOP_PRICE),
    ],
)
@pytest.mark.parametrize("ord_type", STOPS)
def test_stop_prices_and_distances(desk: Desk, ord_type: OrdType, stop: int, expected: Reason) -> None:
    """A stop price or trailing distance lies within 1..2^60."""
    desk.trade(10)
    told = desk.sell(1, at=9, ord_type=ord_type, aux0=stop)
    assert reason(told[:1]) is expected


def test_what_a_stop_order_reserves(desk: Desk) -> None:
    """STOP is checked at high, else at its stop price; STOP_LIMIT at its limit; TRAILING_STOP like MARKET."""
    assert reason(desk.stop(BUY, 1, 0, "T", trail=2)) is Reason.NO_REFERENCE_PRICE
    desk.trade(10)
    for cl, fields, money in (
        ("S", {"stop": 12}, 3 * 12),
        ("L", {"stop": 12, "limit": 14}, 3 * 14),
        ("T", {"stop": 0, "trail": 2}, 3 * 10),
    ):
        desk.limit(Limit.MAX_ORDER_NOTIONAL, money - 1)
        assert reason(desk.stop(BUY, 3, cl=cl, **fields)) is Reason.MAX_ORDER_NOTIONAL
        desk.limit(Limit.MAX_ORDER_NOTIONAL, money)
        assert reason(desk.stop(BUY, 3, cl=cl, **fields)) is Reason.NONE
        assert desk.money().reserved_buy == money
        desk.cancel(cl)
        desk.tick()
    desk.limits()
    desk.instrument(1, high=50)
    desk.stop(BUY, 3, 12, "S2")
    desk.stop(BUY, 3, 0, "T2", trail=2)
    assert desk.money() == AccountRow(1, open_orders=2, cash=0, reserved_buy=2 * 3 * 50)


def test_a_stop_limit_is_checked_as_a_limit(desk: Desk) -> None:
    """The limit of a STOP_LIMIT is on tick, positive, within the band; of the others only the tick counts."""
    desk.instrument(1, low=5, high=20)
    desk.trade(10)
    off_tick = CommandFlag.OFF_TICK
    assert reason(desk.stop(BUY, 1, 12, "A", limit=12, flags=off_tick)) is Reason.PRICE_NOT_ON_TICK
    told = desk.new(BUY, 1, 0, "A", ord_type=OrdType.STOP_LIMIT, aux0=12)
    assert reason(told) is Reason.INVALID_PRICE
    assert reason(desk.stop(BUY, 1, 12, "A", limit=21)) is Reason.PRICE_OUT_OF_BAND
    assert reason(desk.stop(BUY, 1, 99, "A", flags=off_tick)) is Reason.PRICE_NOT_ON_TICK
    assert reason(desk.stop(BUY, 1, 0, "B", trail=99, flags=off_tick)) is Reason.PRICE_NOT_ON_TICK


@pytest.mark.parametrize(
    ("aux0", "expected"),
    [
        (0, Reason.NONE),
        (2**60, Reason.NONE),
        (-1, Reason.INVALID_STOP_PRICE),
        (2**60 + 1, Reason.INVALID_STOP_PRICE),
        (LARGEST, Reason.INVALID_STOP_PRICE),
        (SMALLEST, Reason.INVALID_STOP_PRICE),
    ],
)
def test_new_stop_price_of_a_replace(desk: Desk, aux0: int, expected: Reason) -> None:
    """A REPLACE of any order has a stop price within 0..2^60."""
    desk.buy(5, at=10, cl="A")
    assert reason(desk.replace("A", "B", 4, at=10, aux0=aux0)) is expected


def test_the_stop_price_of_a_replace_is_checked_after_its_price(desk: Desk) -> None:
    """INVALID_PRICE comes before INVALID_STOP_PRICE, and that before QTY_BELOW_EXECUTED."""
    desk.buy(5, at=10, cl="A")
    desk.sell(2, at=10, cl="S")
    assert reason(desk.replace("A", "B", 1, at=0, aux0=-1)) is Reason.INVALID_PRICE
    assert reason(desk.replace("A", "B", 1, at=10, aux0=-1)) is Reason.INVALID_STOP_PRICE
    assert reason(desk.replace("A", "B", 1, at=10)) is Reason.QTY_BELOW_EXECUTED


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"session": 2}, Reason.UNKNOWN_SESSION),
        ({"session": 65535}, Reason.UNKNOWN_SESSION),
        ({"session": 0}, Reason.NONE),
        ({"instrument": 2}, Reason.UNKNOWN_INSTRUMENT),
        ({"instrument": -1}, Reason.UNKNOWN_INSTRUMENT),
        ({"account": 3}, Reason.UNKNOWN_ACCOUNT),
        ({"account": -(2**31)}, Reason.UNKNOWN_ACCOUNT),
        ({"instrument": 2, "account": 3, "side": 3}, Reason.UNKNOWN_INSTRUMENT),
        ({"account": 3, "side": 3}, Reason.UNKNOWN_ACCOUNT),
        ({"side": 3}, Reason.INVALID_SIDE),
        ({"side": 255}, Reason.INVALID_SIDE),
        ({"side": 2, "account": 2, "instrument": 1}, Reason.NONE),
    ],
)
def test_mass_cancel_checks(desk: Desk, fields: dict[str, Any], expected: Reason) -> None:
    """A MASS_CANCEL names an open session or all, and a known instrument, account and side or any."""
    assert reason(desk.mass_cancel(**fields)) is expected


def test_mass_cancel_of_a_closed_session(desk: Desk) -> None:
    """A closed session cancels nothing, not even its own orders."""
    desk.buy(1, at=10, cl="A")
    desk.close_session(1)
    told = desk.mass_cancel()
    assert (reason(told), told[0].order_id, told[0].flags) == (
        Reason.UNKNOWN_SESSION,
        0,
        BY_RISK,
    )


def test_status_names_its_target(desk: Desk) -> None:
    """STATUS resolves its target as CANCEL does; its ClOrdID is neither checked nor used up."""
    desk.buy(5, at=10, cl="A")
    assert reason(desk.status("A", session=2)) is Reason.UNKNOWN_SESSION
    assert reason(desk.status()) is Reason.MISSING_CL_ORD_ID
    assert reason(desk.status("Z")) is Reason.UNKNOWN_ORDER
    assert reason(desk.status("A", cl="A", qty_lots=-1, flags=CommandFlag.OFF_LOT)) is Reason.NONE
    assert reason(desk.status(order_id=desk.ids["A"], cl="X")) is Reason.NONE
    assert reason(desk.buy(1, at=10, cl="X")) is Reason.NONE


def test_a_repriced_buy_reserves_less(desk: Desk) -> None:
    """When risk sees that a POST_REPRICE order was accepted at a lower price, it gives the difference back."""
    desk.sell(5, at=10, cl="S", account=2)
    desk.buy(3, at=15, cl="A", flags=CommandFlag.POST_REPRICE)
    assert desk.money().reserved_buy == 45
    desk.tick()
    assert desk.money().reserved_buy == 27


def test_a_repriced_buy_with_a_replace_in_flight(desk: Desk) -> None:
    """While a replace is in flight the worst case stays reserved, also if the acceptance told a lower price."""
    desk.sell(5, at=10, cl="S", account=2)
    before = desk.seq
    desk.buy(3, at=15, cl="A", flags=CommandFlag.POST_REPRICE)
    accepted = desk.seq
    desk.replace("A", "B", 2, at=12, seen=before)
    desk.send(make_command(Kind.TICK), seen=accepted)
    assert desk.money().reserved_buy == 45
    desk.tick()
    assert desk.money().reserved_buy == 2 * 9


@pytest.mark.parametrize("kind", [Kind.TICK, Kind.CHECKPOINT, Kind.KILL, Kind.SESSION_CLOSE, Kind.INVALID])
def test_an_expiry_is_released_whatever_the_command(desk: Desk, kind: Kind) -> None:
    """An order that expires before a command of any kind frees what it reserved, also a kind that does not exist."""
    desk.until(BUY, 5, 10, "A", expiry=desk.time_of(desk.seq + 2))
    assert desk.money() == AccountRow(1, 1, 0, 50)
    told = desk.send(make_command(kind, session=1, account=2, side=2))
    assert (told[0].type, told[0].kind) == (OutcomeType.EXPIRED, kind)
    desk.tick()
    assert desk.money() == AccountRow(1, 0, 0, 0)


def test_a_self_trade_decrement_gives_back(desk: Desk) -> None:
    """Lots that self-trade prevention takes off are reserved no more, and end no replace in flight."""
    desk.buy(5, at=10, cl="A", **stp(1))
    desk.tick()
    seen = desk.seq
    desk.replace("A", "B", 6, at=9, seen=seen)
    desk.replace("B", "C", 8, at=9, seen=seen)
    first = desk.seq - 1
    desk.sell(2, at=9, cl="S", **stp(1, SelfTradeMode.DECREMENT), seen=first)
    assert desk.money().reserved_buy == 8 * 10  # C is in flight
    desk.tick()
    assert desk.money().reserved_buy == 6 * 9
    assert desk.position() == PositionRow(1, 1, 0, 6, 0)
