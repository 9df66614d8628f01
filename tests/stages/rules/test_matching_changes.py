"""What matching does with CANCEL, REDUCE and REPLACE of plain orders, by example: ``docs/matching-rules.md``."""

from __future__ import annotations

from typing import Any

import pytest

from protocols.codes import (
    Kind,
    Reason,
)
from tests.twin.records import make_command
from tests.twin.scenario import (
    ANSWER,
    BUY,
    SELL,
    Desk,
    MakeDesk,
    lines,
    reason,
)
from tests.twin.view import AccountRow, PositionRow, table

pytestmark = pytest.mark.jitoff


def test_cancel(desk: Desk) -> None:
    """A cancel takes what is left and says so; cl is the command's, orig the order's."""
    desk.buy(5, at=10, cl="A")
    desk.sell(2, at=10, cl="S")
    assert lines(desk.cancel("A", cl="X")) == ["cancelled X 3@10 leaves 0 cum 2 was A CLIENT_REQUEST"]
    assert desk.book() == "empty"


def test_cancel_in_the_middle_of_a_level(desk: Desk) -> None:
    """The orders around a cancelled one keep their order."""
    for cl in "ABC":
        desk.buy(1, at=10, cl=cl)
    desk.cancel("B")
    desk.buy(1, at=10, cl="D")
    assert desk.book() == table("""
                    buy | price | sell
            A:1 C:1 D:1 |    10 |
    """)


@pytest.mark.parametrize("kind", [Kind.CANCEL, Kind.REDUCE, Kind.REPLACE])
def test_too_late_by_name_unknown_by_id(desk: Desk, kind: Kind) -> None:
    """An order that is no longer open is too late by OrigClOrdID and unknown by id; leaves and cum are 0."""
    desk.buy(5, at=10, cl="A")
    desk.sell(5, at=10, cl="S", account=2)
    seen = desk.seq - 2
    for named, expected in (
        ({"orig": "A"}, Reason.TOO_LATE),
        ({"order_id": desk.ids["A"]}, Reason.UNKNOWN_ORDER),
    ):
        values: dict[str, Any] = {"qty_lots": 9, "price_ticks": 10, "cl": expected.name[:9], **named}
        told = desk.send(make_command(kind, session=1, **values), seen=seen)
        assert (told[0].reason, told[0].flags, told[0].order_id) == (
            expected,
            ANSWER,
            desk.ids["A"],
        )
        assert (told[0].leaves_lots, told[0].cum_lots, told[0].qty_lots) == (0, 0, 9)


def test_a_change_names_instrument_and_side_rightly(desk: Desk) -> None:
    """A cancel or reduce with another instrument or side than the order's is a mismatch; 0 is any."""
    desk.instrument(2, "OTHER")
    desk.buy(5, at=10, cl="A")
    assert reason(desk.cancel("A", instrument=2)) is Reason.ORDER_MISMATCH
    assert reason(desk.reduce("A", 1, side=SELL)) is Reason.ORDER_MISMATCH
    assert reason(desk.reduce("A", 1, side=BUY, instrument=1, account=9)) is Reason.NONE
    assert reason(desk.cancel("A")) is Reason.NONE


def test_reduce_keeps_priority(desk: Desk) -> None:
    """A reduce takes lots off where the order stands; the order's ClOrdID stays."""
    desk.buy(5, at=10, cl="A")
    desk.buy(5, at=10, cl="B")
    desk.sell(1, at=10, cl="S")
    assert lines(desk.reduce("A", 3, cl="X")) == ["replaced X 2@10 leaves 1 cum 1 was A"]
    assert desk.book() == table("""
                buy | price | sell
            A:1 B:5 |    10 |
    """)
    assert lines(desk.cancel("A", cl="Y")) == ["cancelled Y 1@10 leaves 0 cum 1 was A CLIENT_REQUEST"]


@pytest.mark.parametrize(("qty", "told"), [
    (4, "replaced X 1@10 leaves 1 cum 0 was A"),
    (5, "cancelled X 5@10 leaves 0 cum 0 was A CLIENT_REQUEST"),
    (6, "cancelled X 5@10 leaves 0 cum 0 was A CLIENT_REQUEST"),
    (2**63 - 1, "cancelled X 5@10 leaves 0 cum 0 was A CLIENT_REQUEST"),
])  # fmt: skip
def test_reduce_to_nothing_is_a_cancel(desk: Desk, qty: int, told: str) -> None:
    """A reduce by all that is left, or more, cancels."""
    desk.buy(5, at=10, cl="A")
    assert lines(desk.reduce("A", qty, cl="X")) == [told]
    assert desk.history[-1].kind == Kind.REDUCE


@pytest.mark.parametrize(
    ("qty", "price", "level"),
    [(4, 10, "A:4 B:5"), (5, 10, "B:5 A:5"), (6, 10, "B:5 A:6"), (4, 11, "B:5"), (4, 9, "B:5")],
)
def test_replace_priority(desk: Desk, qty: int, price: int, level: str) -> None:
    """Only fewer lots at the same price keep the place; all else goes to the end of its level."""
    desk.buy(5, at=10, cl="A")
    desk.buy(5, at=10, cl="B")
    assert lines(desk.replace("A", "C", qty, at=price)) == [
        f"replaced C {qty}@{price} leaves {qty} cum 0 was A"
    ]
    rows = [row for row in desk.core.dump_books() if row.price == 10]
    names = {order_id: cl for cl, order_id in desk.ids.items()}
    assert " ".join(f"{names[row.order_id]}:{row.leaves}" for row in rows) == level


def test_replace_counts_executed_lots(desk: Desk) -> None:
    """The quantity of a replace is the total: new leaves are what is not yet executed."""
    desk.buy(5, at=10, cl="A")
    desk.sell(2, at=10, cl="S")
    assert lines(desk.replace("A", "B", 4, at=10)) == ["replaced B 4@10 leaves 2 cum 2 was A"]
    assert lines(desk.replace("B", "C", 9, at=9)) == ["replaced C 9@9 leaves 7 cum 2 was B"]


@pytest.mark.parametrize(("qty", "expected"), [
    (1, Reason.QTY_BELOW_EXECUTED), (2, Reason.QTY_BELOW_EXECUTED), (3, Reason.NONE),
])  # fmt: skip
def test_replace_below_executed(desk: Desk, qty: int, expected: Reason) -> None:
    """A replace to what is executed already, or less, is rejected with the order's leaves and cum."""
    desk.buy(5, at=10, cl="A")
    desk.sell(2, at=10, cl="S")
    told = desk.replace("A", "B", qty, at=10, seen=desk.seq - 1)
    assert reason(told) is expected
    if expected:
        assert (told[0].leaves_lots, told[0].cum_lots, told[0].qty_lots) == (3, 2, qty)


def test_replace_trades_as_a_taker(desk: Desk) -> None:
    """A replaced order that crosses trades with its new ClOrdID, then rests; its id stays."""
    desk.sell(3, at=12, cl="S1")
    desk.sell(3, at=13, cl="S2")
    desk.buy(5, at=10, cl="A")
    assert lines(desk.replace("A", "B", 4, at=12)) == [
        "replaced B 4@12 leaves 4 cum 0 was A",
        "filled B 3@12 leaves 1 cum 3 taker of trade 1",
        "filled S1 3@12 leaves 0 cum 3 maker of trade 1",
    ]
    assert {outcome.order_id for outcome in desk.history[-3:-1]} == {desk.ids["A"]}
    assert desk.book() == table("""
            buy | price | sell
                |    13 | S2:3
            A:1 |    12 |
    """)
    assert lines(desk.sell(1, at=12, cl="T"))[-1] == "filled B 1@12 leaves 0 cum 4 maker of trade 1"


def test_a_replace_that_trades_all_does_not_rest(desk: Desk) -> None:
    """A replaced order that is filled at once is gone."""
    desk.sell(3, at=12, cl="S1")
    desk.buy(5, at=10, cl="A")
    assert lines(desk.replace("A", "B", 3, at=13))[1] == "filled B 3@12 leaves 0 cum 3 taker of trade 1"
    assert desk.book() == "empty"
    assert reason(desk.cancel("B")) is Reason.TOO_LATE


def test_replace_needs_room_for_a_level(make_desk: MakeDesk) -> None:
    """With max_levels levels a replace that loses priority is rejected; one that keeps it goes through."""
    desk = make_desk(max_levels=2)
    desk.buy(5, at=10, cl="A")
    desk.sell(5, at=20, cl="B")
    told = desk.replace("A", "C", 5, at=11)
    assert (reason(told), told[0].flags, told[0].leaves_lots) == (Reason.NO_ROOM, ANSWER, 5)
    assert reason(desk.replace("A", "D", 6, at=10)) is Reason.NO_ROOM
    assert reason(desk.replace("A", "F", 5, at=10)) is Reason.NO_ROOM
    assert lines(desk.replace("A", "E", 4, at=10)) == ["replaced E 4@10 leaves 4 cum 0 was A"]


def test_an_order_answers_to_all_its_names(desk: Desk) -> None:
    """Every ClOrdID that an order ever had names it."""
    desk.buy(5, at=10, cl="A")
    desk.replace("A", "B", 6, at=10)
    assert lines(desk.reduce("A", 1, cl="X")) == ["replaced X 5@10 leaves 5 cum 0 was B"]
    assert lines(desk.cancel("B", cl="Y")) == ["cancelled Y 5@10 leaves 0 cum 0 was B CLIENT_REQUEST"]


def test_changes_carry_the_orders_account(desk: Desk) -> None:
    """Side, account, instrument and session of a cancel's outcome are the order's, whatever the command says."""
    desk.buy(5, at=10, cl="A", account=2)
    told = desk.cancel("A", account=1)[0]
    assert (told.side, told.account, told.instrument, told.session) == (BUY, 2, 1, 1)


def test_own_orders_trade_with_each_other(desk: Desk) -> None:
    """There is no self-trade prevention: both sides of one account are booked and cancel out."""
    desk.buy(5, at=10, cl="A")
    desk.sell(5, at=10, cl="B")
    desk.tick()
    assert desk.position() == PositionRow(1, 1, 0, 0, 0)
    assert desk.money() == AccountRow(1, 0, 0, 0)
