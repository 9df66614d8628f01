"""Tick tables, by example: which prices an instrument has, and which rows a table: ``docs/trading-states.md``."""

from __future__ import annotations

from typing import Any

import pytest

from protocols.codes import CommandFlag, Kind, OrdType, Reason, TradingState
from tests.twin.records import make_command
from tests.twin.scenario import BUY, BY_RISK, SELL, Desk, MakeDesk, lines, reason

pytestmark = pytest.mark.jitoff

HIGHEST = 2**63 - 2
ROWS = [(10, 5), (20, 10), (100, 25)]  # 1, 2, …, 9, 10, 15, 20, 30, …, 100, 125, …


@pytest.fixture
def stepped(make_desk: Any) -> Desk:
    """Return a desk whose instrument 1 has a tick table."""
    desk: Desk = make_desk(max_orders=16, max_levels=16, max_cl_ord_ids=64)
    desk.instrument(1, orig1=1)
    for start, step in ROWS:
        assert reason(desk.tick_row(start, step)) is Reason.NONE
    return desk


# Rows


@pytest.mark.parametrize(("rows", "expected"), [
    ([(1, 1)], Reason.NONE), ([(2**62, 1)], Reason.NONE), ([(2**62 + 1, 1)], Reason.INVALID_COMMAND),
    ([(0, 1)], Reason.INVALID_COMMAND), ([(-5, 5)], Reason.INVALID_COMMAND), ([(2**40, 2**40)], Reason.NONE),
    ([(2**41 + 2, 2**40 + 1)], Reason.INVALID_COMMAND), ([(5, 0)], Reason.INVALID_COMMAND),
    ([(5, -5)], Reason.INVALID_COMMAND), ([(5, 2)], Reason.INVALID_COMMAND), ([(4, 4), (6, 6)], Reason.INVALID_COMMAND),
    ([(4, 4), (12, 6)], Reason.NONE), ([(4, 4), (8, 8), (4, 2)], Reason.INVALID_COMMAND),
    ([(4, 4), (4, 2)], Reason.INVALID_COMMAND), ([(4, 4), (8, 1)], Reason.NONE),
    ([(2**63 - 1, 1)], Reason.INVALID_COMMAND), ([(1, 2**63 - 1)], Reason.INVALID_COMMAND),
])  # fmt: skip
def test_rows(desk: Desk, rows: list[tuple[int, int]], expected: Reason) -> None:
    """Rows ascend, and begin at a multiple of their own step and of the step before."""
    for start, step in rows[:-1]:
        assert reason(desk.tick_row(start, step)) is Reason.NONE
    told = desk.tick_row(*rows[-1])
    assert reason(told) is expected
    assert not expected or told[0].flags == BY_RISK


@pytest.mark.parametrize(("fields", "expected"), [
    ({"account": 0}, Reason.INVALID_COMMAND), ({"account": 1}, Reason.NONE), ({"account": 63}, Reason.NONE),
    ({"account": 64}, Reason.INVALID_COMMAND), ({"account": -1}, Reason.INVALID_COMMAND),
    ({"side": 0}, Reason.INVALID_SIDE), ({"side": 3, "account": 0}, Reason.INVALID_SIDE), ({"side": 2}, Reason.NONE),
    ({"side": 2, "qty_lots": -1, "price_ticks": -1}, Reason.NONE), ({"side": 2, "account": 64}, Reason.INVALID_COMMAND),
])  # fmt: skip
def test_tables(desk: Desk, fields: dict[str, int], expected: Reason) -> None:
    """There are 63 tables; side 1 adds a row, side 2 empties, whatever else it says."""
    values = {"side": 1, "account": 1, "price_ticks": 10, "qty_lots": 5, **fields}
    assert reason(desk.send(make_command(Kind.TICK_TABLE, **values))) is expected


def test_room_for_rows(desk: Desk) -> None:
    """A table has 16 rows; a 17th that is wrong is wrong first; an emptied table has room again."""
    for number in range(1, 17):
        assert reason(desk.tick_row(number, 1)) is Reason.NONE
    told = desk.tick_row(17, 1)
    assert (reason(told), told[0].flags) == (Reason.NO_ROOM, BY_RISK)
    assert reason(desk.tick_row(16, 1)) is Reason.INVALID_COMMAND
    assert reason(desk.tick_row(17, 1, table=2)) is Reason.NONE
    desk.empty_tick_table()
    assert reason(desk.tick_row(3, 3)) is Reason.NONE


@pytest.mark.parametrize(("table", "expected"), [
    (0, Reason.NONE), (63, Reason.NONE), (64, Reason.INVALID_COMMAND), (-1, Reason.INVALID_COMMAND),
    (2**40, Reason.INVALID_COMMAND),
])  # fmt: skip
def test_tables_of_instruments(desk: Desk, table: int, expected: Reason) -> None:
    """An instrument has table 1 to 63 or none, new or known."""
    assert reason(desk.instrument(1, orig1=table)) is expected
    assert reason(desk.instrument(2, "TWO", orig1=table)) is expected


# Prices

ON, OFF = Reason.NONE, Reason.PRICE_NOT_ON_TICK
PRICES = [
    (1, ON), (9, ON), (10, ON), (11, OFF), (14, OFF), (15, ON), (20, ON), (25, OFF), (30, ON), (95, OFF), (90, ON),
    (100, ON), (110, OFF), (124, OFF), (125, ON), (10**9, ON), (10**9 + 1, OFF),
]  # fmt: skip


@pytest.mark.parametrize(("price", "expected"), PRICES)
def test_prices_on_the_table(stepped: Desk, price: int, expected: Reason) -> None:
    """A limit is a multiple of the step where it is, in a new and in a replaced order."""
    assert reason(stepped.buy(1, at=price, cl="A")) is expected
    stepped.sell(1, at=2 * 10**9, cl="B")
    assert reason(stepped.replace("B", "B2", 1, at=price)) is expected
    assert reason(stepped.stop(BUY, 1, 10, "S", limit=price)) is expected
    assert reason(stepped.directed(SELL, 1, price, "D", order_id=99)) is (expected or Reason.UNKNOWN_ORDER)


@pytest.mark.parametrize(("price", "expected"), PRICES[1:])
def test_stop_prices_on_the_table(stepped: Desk, price: int, expected: Reason) -> None:
    """A stop price is a multiple of its step too, a distance need not be; 0 in a REPLACE keeps what there is."""
    stepped.trade(1)
    assert reason(stepped.stop(BUY, 1, price, "A")) is expected
    assert reason(stepped.stop(BUY, 1, price, "B", limit=200)) is expected
    assert reason(stepped.stop(BUY, 1, 0, "C", trail=price)) is Reason.NONE
    stepped.stop(BUY, 1, 50, "D")
    stepped.stop(BUY, 1, 50, "E", limit=200)
    assert reason(stepped.replace("D", "D2", 1, at=0, aux0=price)) is expected
    assert reason(stepped.replace("E", "E2", 1, at=200, aux0=price)) is expected
    assert reason(stepped.replace("C", "C2", 1, at=0, aux0=price)) is Reason.NONE
    assert reason(stepped.replace("D" if expected else "D2", "D3", 1, at=0)) is Reason.NONE


def test_a_limit_order_has_no_stop_price(stepped: Desk) -> None:
    """The auxiliary field of a replaced LIMIT order is no price."""
    stepped.buy(1, at=10, cl="A")
    assert reason(stepped.replace("A", "A2", 1, at=15, aux0=11)) is Reason.NONE


@pytest.mark.parametrize(("fields", "expected"), [
    ({"price_ticks": 11, "flags": CommandFlag.OFF_TICK}, OFF),
    ({"price_ticks": 0}, Reason.INVALID_PRICE),
    ({"price_ticks": -11}, Reason.INVALID_PRICE),
    ({"price_ticks": 2**63 - 1}, Reason.INVALID_PRICE),
    ({"price_ticks": HIGHEST}, OFF),
    ({"price_ticks": 0, "flags": CommandFlag.OFF_TICK}, OFF),
    ({"price_ticks": 11, "instrument": 2}, OFF),
    ({"price_ticks": 15, "instrument": 2}, Reason.PRICE_OUT_OF_BAND),
    ({"price_ticks": 15, "instrument": 2, "ord_type": OrdType.STOP_LIMIT, "aux0": 11}, Reason.PRICE_OUT_OF_BAND),
    ({"price_ticks": 60, "instrument": 2, "ord_type": OrdType.STOP_LIMIT, "aux0": 11}, OFF),
    ({"price_ticks": 60, "ord_type": OrdType.STOP_LIMIT, "aux0": 11, "qty_lots": 0}, Reason.INVALID_QTY),
    ({"ord_type": OrdType.STOP_LIMIT, "price_ticks": 11, "aux0": 0}, Reason.INVALID_STOP_PRICE),
    ({"ord_type": OrdType.STOP, "aux0": 11, "instrument": 4}, OFF),
    ({"ord_type": OrdType.MARKET, "price_ticks": 11, "instrument": 2}, Reason.NONE),
])  # fmt: skip
def test_order_of_price_checks(stepped: Desk, fields: dict[str, int], expected: Reason) -> None:
    """The flag, the range, the table, the band, then the stop price: the first that fails gives the reason."""
    stepped.instrument(2, "BANDED", low=50, high=80, orig1=1)
    stepped.instrument(4, "EURO", orig1=1, currency=0)
    order = {
        "session": 1,
        "account": 1,
        "instrument": 1,
        "side": BUY,
        "qty_lots": 1,
        "ord_type": OrdType.LIMIT,
    }
    order |= {"tif": 1, **fields}
    told = stepped.send(make_command(Kind.NEW, cl="A", **order))
    assert reason(told[:1]) is expected


def test_a_table_may_change(stepped: Desk) -> None:
    """Open orders keep their prices; new ones follow the table as it is, an empty one allows all."""
    assert reason(stepped.buy(1, at=11, cl="A")) is OFF
    stepped.empty_tick_table()
    assert reason(stepped.buy(1, at=11, cl="B")) is ON
    stepped.tick_row(4, 4)
    assert reason(stepped.replace("B", "B2", 2, at=11)) is OFF
    stepped.instrument(1, orig1=2)
    assert reason(stepped.replace("B", "B3", 2, at=11)) is ON
    stepped.instrument(1)
    assert reason(stepped.replace("B3", "B4", 2, at=13)) is ON


# One tick short


@pytest.mark.parametrize(("side", "best", "posted"), [
    (BUY, 2, 1), (BUY, 10, 9), (BUY, 15, 10), (BUY, 20, 15), (BUY, 30, 20), (BUY, 100, 90), (BUY, 125, 100),
    (SELL, 9, 10), (SELL, 10, 15), (SELL, 15, 20), (SELL, 20, 30), (SELL, 90, 100), (SELL, 100, 125),
])  # fmt: skip
def test_one_tick_short(stepped: Desk, side: int, best: int, posted: int) -> None:
    """POST_REPRICE gets the next price of the table, also across rows, in a new and in a replaced order."""
    stepped.new(3 - side, 1, best, "R", account=2)
    told = stepped.new(side, 1, best, "A", flags=CommandFlag.POST_REPRICE)
    assert lines(told) == [f"accepted A 1@{posted} leaves 1 cum 0"]
    assert lines(stepped.replace("A", "A2", 2, at=best)) == [f"replaced A2 2@{posted} leaves 2 cum 0 was A"]


@pytest.mark.parametrize(
    ("best", "buys", "sells"), [(11, 10, 15), (22, 20, 30), (99, 90, 100), (101, 100, 125)]
)
def test_one_tick_short_of_a_price_off_the_table(stepped: Desk, best: int, buys: int, sells: int) -> None:
    """Where the best price is not of the table the next one that is counts."""
    stepped.instrument(1)
    for side, cl in ((SELL, "S"), (BUY, "B")):
        stepped.new(side, 1, best, cl, account=2)
        stepped.instrument(1, orig1=1)
        at = 125 if side == SELL else 1
        posted = stepped.new(3 - side, 1, at, f"P{cl}", flags=CommandFlag.POST_REPRICE)
        assert posted[0].price_ticks == (buys if side == SELL else sells)
        stepped.mass_cancel()
        stepped.instrument(1)


def test_no_price_short_of_the_first(make_desk: MakeDesk) -> None:
    """Where the table has no price below the best one the order is rejected."""
    desk = make_desk()
    desk.instrument(1, orig1=1)
    desk.sell(1, at=1, cl="S", account=2)
    assert reason(desk.buy(1, at=1, cl="A", flags=CommandFlag.POST_REPRICE)) is Reason.POST_ONLY_WOULD_TRADE


def test_auction_prices_need_no_table(stepped: Desk) -> None:
    """An auction price is a limit of an order or the last trade price, whatever the table says by then."""
    stepped.trade(15)
    stepped.empty_tick_table()
    stepped.tick_row(10, 10)
    stepped.state(TradingState.OPENING_AUCTION)
    stepped.buy(1, at=20, cl="A")
    stepped.sell(1, at=10, cl="B")
    assert stepped.state(TradingState.CONTINUOUS)[0].price_ticks == 15
