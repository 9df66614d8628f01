"""What outcomes of matching do to risk, by example: the section of ``docs/rules.md``."""

from __future__ import annotations

import pytest

from protocols.codes import (
    Kind,
    Limit,
    OrdType,
    Reason,
    Tif,
)
from tests.twin.records import make_command
from tests.twin.scenario import (
    AMPLE,
    BUY,
    SELL,
    Desk,
    MakeDesk,
    reason,
)
from tests.twin.view import AccountRow, PositionRow

pytestmark = pytest.mark.jitoff


def test_a_fill_moves_position_cash_and_reservation(desk: Desk) -> None:
    """Both sides of a fill are booked, at the price of the trade, when risk sees it, not before."""
    desk.instrument(2, "THREE", tick_value=3)
    desk.sell(5, at=10, cl="S", account=2, instrument=2)
    desk.buy(8, at=12, cl="A", instrument=2)
    assert desk.position(1, 2) == PositionRow(1, 2, 0, 8, 0)
    assert desk.money() == AccountRow(1, 1, 0, 8 * 12 * 3)
    desk.tick()
    assert desk.position(1, 2) == PositionRow(1, 2, 5, 3, 0)
    assert desk.money() == AccountRow(1, 1, -5 * 10 * 3, 3 * 12 * 3)
    assert desk.position(2, 2) == PositionRow(2, 2, -5, 0, 0)
    assert desk.money(2) == AccountRow(2, 0, 5 * 10 * 3, 0)


def test_feedback_up_to_exactly_the_stamp(desk: Desk) -> None:
    """Risk sees the inputs up to seen_seq, and no input after it."""
    desk.buy(1, at=10, cl="A")
    desk.buy(1, at=10, cl="B")
    desk.cancel("A")
    first = desk.seq
    desk.cancel("B", seen=first - 1)
    assert desk.money().open_orders == 2
    desk.send(make_command(Kind.TICK), seen=first)
    assert desk.money().open_orders == 1
    desk.send(make_command(Kind.TICK), seen=first + 1)
    assert desk.money().open_orders == 0


@pytest.mark.parametrize("how", ["cancel", "reduce", "ioc", "fok", "market", "matching"])
def test_an_end_releases_all(make_desk: MakeDesk, how: str) -> None:
    """An order that is cancelled, expires or is rejected by matching frees all that it reserved."""
    desk = make_desk(max_levels=1)
    desk.instrument(1, high=50)
    if how in ("cancel", "reduce"):
        desk.buy(5, at=10, cl="A")
        desk.cancel("A") if how == "cancel" else desk.reduce("A", 5)
    elif how == "matching":
        desk.buy(1, at=10, cl="B", account=2)
        assert reason(desk.buy(5, at=10, cl="A")) is Reason.NO_ROOM
    else:
        tif = {"ioc": Tif.IOC, "fok": Tif.FOK, "market": Tif.GTC}[how]
        ord_type = OrdType.MARKET if how == "market" else OrdType.LIMIT
        desk.buy(5, at=10, cl="A", tif=tif, ord_type=ord_type)
    desk.tick()
    assert desk.position() == PositionRow(1, 1, 0, 0, 0)
    assert desk.money() == AccountRow(1, 0, 0, 0)


def test_a_directed_order_releases_what_it_did_not_trade(desk: Desk) -> None:
    """The rest of a directed order is free again, and so is one whose target is gone."""
    desk.sell(2, at=10, cl="S", account=2)
    desk.directed(BUY, 5, 10, "A", orig="S")
    desk.directed(BUY, 5, 10, "B", orig="S")
    desk.tick()
    assert desk.position() == PositionRow(1, 1, 2, 0, 0)
    assert desk.money() == AccountRow(1, 0, -20, 0)


def test_a_reduction_gives_back(desk: Desk) -> None:
    """A reduce frees the lots that it took off, unless a replace is in flight."""
    desk.buy(9, at=10, cl="A")
    desk.reduce("A", 4)
    desk.tick()
    assert desk.money().reserved_buy == 50
    desk.reduce("A", 1)
    before = desk.seq
    desk.replace("A", "B", 3, at=10, seen=before - 1)
    desk.send(make_command(Kind.TICK), seen=before)
    assert desk.money().reserved_buy == 50
    desk.tick()
    assert desk.money().reserved_buy == 30


def test_a_replace_that_matching_rejects_gives_back(desk: Desk) -> None:
    """The extra reservation of a replace ends when risk sees its rejection."""
    desk.buy(5, at=10, cl="A")
    desk.sell(3, at=10, cl="S", account=2)
    before = desk.seq - 1
    assert reason(desk.replace("A", "B", 2, at=20, seen=before)) is Reason.QTY_BELOW_EXECUTED
    desk.send(make_command(Kind.TICK), seen=before)
    assert desk.money().reserved_buy == 100
    desk.tick()
    assert desk.money().reserved_buy == 20


def test_a_replace_that_risk_rejects_is_not_in_flight(desk: Desk) -> None:
    """The rejection of a replace by risk ends nothing: later changes are settled as if it had not been."""
    desk.buy(9, at=10, cl="A")
    assert reason(desk.replace("A", "B", 0, at=10)) is Reason.INVALID_QTY
    desk.reduce("A", 4)
    desk.tick()
    assert desk.money().reserved_buy == 50


def test_two_replaces_in_flight(desk: Desk) -> None:
    """While one of two replaces is in flight, nothing is given back; then exactly leaves and price are held."""
    desk.buy(5, at=10, cl="A")
    desk.tick()
    seen = desk.seq
    desk.replace("A", "B", 9, at=12, seen=seen)
    first = desk.seq
    desk.replace("B", "C", 2, at=7, seen=seen)
    desk.send(make_command(Kind.TICK), seen=first)
    assert desk.money().reserved_buy == 9 * 12
    desk.tick()
    assert desk.money().reserved_buy == 2 * 7
    assert desk.position().open_buy == 2


def test_a_replaced_order_that_trades_at_once(desk: Desk) -> None:
    """A replace that trades is booked as replaced, then filled."""
    desk.sell(3, at=12, cl="S", account=2)
    desk.buy(5, at=10, cl="A")
    desk.replace("A", "B", 7, at=12)
    desk.tick()
    assert desk.position() == PositionRow(1, 1, 3, 4, 0)
    assert desk.money() == AccountRow(1, 1, -36, 48)


def test_the_end_of_an_order_with_a_replace_in_flight(desk: Desk) -> None:
    """An order that is filled while a replace is in flight is released, and the late rejection does nothing."""
    desk.buy(5, at=10, cl="A")
    desk.sell(5, at=10, cl="S", account=2)
    assert reason(desk.replace("A", "B", 9, at=10, seen=desk.seq - 2)) is Reason.TOO_LATE
    desk.tick()
    assert desk.position() == PositionRow(1, 1, 5, 0, 0)
    assert desk.money() == AccountRow(1, 0, -50, 0)


def test_cash_stays_within_bounds(desk: Desk) -> None:
    """Cash is kept within 2^61 either way."""
    for turn in range(3):
        desk.sell(2**20, at=2**40, cl=f"S{turn}", account=2)
        desk.limit(Limit.CREDIT, AMPLE)
        desk.directed(SELL, 2**20, 2**40, f"U{turn}", order_id=1)
        told = desk.buy(2**20, at=2**40, cl=f"B{turn}", tif=Tif.IOC)
        if reason(told) is Reason.CREDIT_LIMIT:
            break
    desk.tick()
    assert desk.money(2).cash == 2**60 * turn
    assert turn == 1
