"""What matching does with a plain NEW, by example: ``docs/matching-rules.md``."""

from __future__ import annotations

from typing import Any

import pytest

from protocols.codes import (
    CommandFlag,
    Kind,
    OrdType,
    Reason,
    Tif,
)
from tests.twin.matching import MatchingTwin
from tests.twin.records import make_command
from tests.twin.risk import Verdict
from tests.twin.scenario import (
    BUY,
    NOT_TAKEN,
    SELL,
    Desk,
    MakeDesk,
    lines,
    reason,
)
from tests.twin.view import table

pytestmark = pytest.mark.jitoff


def test_orders_rest_by_price_then_time(desk: Desk) -> None:
    """The best price stands first, at one price the oldest order."""
    for cl, side, qty, price in (
        ("A", BUY, 5, 10), ("B", BUY, 1, 11), ("C", BUY, 2, 10), ("D", SELL, 4, 13), ("E", SELL, 3, 12),
        ("F", SELL, 9, 13),
    ):  # fmt: skip
        desk.new(side, qty, price, cl)
    assert desk.book() == table("""
                buy | price | sell
                    |    13 | D:4 F:9
                    |    12 | E:3
                B:1 |    11 |
            A:5 C:2 |    10 |
    """)


def test_a_taker_walks_the_book(desk: Desk) -> None:
    """A taker trades best price first, oldest first, at the resting prices; its rest joins the book."""
    for cl, qty, price in (("A", 5, 10), ("B", 1, 11), ("C", 2, 10), ("D", 7, 9)):
        desk.buy(qty, at=price, cl=cl)
    assert lines(desk.sell(9, at=10, cl="T")) == [
        "accepted T 9@10 leaves 9 cum 0",
        "filled T 1@11 leaves 8 cum 1 taker of trade 1",
        "filled B 1@11 leaves 0 cum 1 maker of trade 1",
        "filled T 5@10 leaves 3 cum 6 taker of trade 2",
        "filled A 5@10 leaves 0 cum 5 maker of trade 2",
        "filled T 2@10 leaves 1 cum 8 taker of trade 3",
        "filled C 2@10 leaves 0 cum 2 maker of trade 3",
    ]
    assert desk.book() == table("""
            buy | price | sell
                |    10 | T:1
            D:7 |     9 |
    """)


def test_a_maker_filled_in_part_keeps_its_place(desk: Desk) -> None:
    """A resting order that trades in part stays first of its level."""
    desk.sell(5, at=10, cl="A")
    desk.sell(5, at=10, cl="B")
    assert lines(desk.buy(2, at=11, cl="T"))[1:] == [
        "filled T 2@10 leaves 0 cum 2 taker of trade 1",
        "filled A 2@10 leaves 3 cum 2 maker of trade 1",
    ]
    assert desk.book() == table("""
            buy | price | sell
                |    10 | A:3 B:5
    """)


def test_books_are_per_instrument(desk: Desk) -> None:
    """Orders of two instruments do not meet."""
    desk.instrument(2, "OTHER")
    desk.buy(5, at=10, cl="A")
    assert lines(desk.sell(5, at=10, cl="B", instrument=2)) == ["accepted B 5@10 leaves 5 cum 0"]
    assert desk.book(2) == table("""
            buy | price | sell
                |    10 | B:5
    """)


def test_day_is_gtc(desk: Desk) -> None:
    """A DAY order rests as a GTC order does."""
    desk.buy(5, at=10, cl="A", tif=Tif.DAY)
    assert desk.book() == table("""
            buy | price | sell
            A:5 |    10 |
    """)


def test_ioc_expires_what_is_left(desk: Desk) -> None:
    """An IOC order trades what it can; the rest expires."""
    desk.sell(2, at=10, cl="S")
    assert lines(desk.buy(5, at=11, cl="A", tif=Tif.IOC)) == [
        "accepted A 5@11 leaves 5 cum 0",
        "filled A 2@10 leaves 3 cum 2 taker of trade 1",
        "filled S 2@10 leaves 0 cum 2 maker of trade 1",
        "expired A 3@11 leaves 0 cum 2 IOC_REMAINDER",
    ]
    assert desk.book() == "empty"


@pytest.mark.parametrize(("qty", "filled"), [(4, True), (5, True), (6, False)])
def test_fok_is_all_or_nothing(desk: Desk, qty: int, filled: bool) -> None:
    """A FOK order counts the lots within its limit, over levels, and trades all or none."""
    desk.sell(2, at=10, cl="S1")
    desk.sell(3, at=11, cl="S2")
    desk.sell(9, at=12, cl="S3")
    told = lines(desk.buy(qty, at=11, cl="A", tif=Tif.FOK))
    assert told[0] == f"accepted A {qty}@11 leaves {qty} cum 0"
    if filled:
        assert told[-2].startswith(f"filled A {qty - 2}@11 leaves 0 cum {qty}")
    else:
        assert told[1:] == [f"expired A {qty}@11 leaves 0 cum 0 FOK_NOT_FILLABLE"]
        assert desk.book().count(":") == 3


def test_the_price_of_a_market_order_is_not_told(desk: Desk) -> None:
    """What a market order is told of has price 0 where it is no trade, whatever price the command carries."""
    desk.instrument(1, high=20)
    told = lines(desk.market(BUY, 6, "A", at=15))
    assert told == ["accepted A 6@0 leaves 6 cum 0", "expired A 6@0 leaves 0 cum 0 NO_LIQUIDITY"]


def test_market_takes_any_price(desk: Desk) -> None:
    """A market order trades at all prices, beyond the band too, and what is left expires."""
    desk.sell(2, at=10, cl="S1")
    desk.sell(3, at=99, cl="S2")
    desk.instrument(1, high=20)
    assert lines(desk.market(BUY, 6, "A")) == [
        "accepted A 6@0 leaves 6 cum 0",
        "filled A 2@10 leaves 4 cum 2 taker of trade 1",
        "filled S1 2@10 leaves 0 cum 2 maker of trade 1",
        "filled A 3@99 leaves 1 cum 5 taker of trade 2",
        "filled S2 3@99 leaves 0 cum 3 maker of trade 2",
        "expired A 1@0 leaves 0 cum 5 NO_LIQUIDITY",
    ]


@pytest.mark.parametrize("tif", [Tif.GTC, Tif.DAY, Tif.IOC])
def test_market_never_rests(desk: Desk, tif: Tif) -> None:
    """A market order does not rest whatever its time in force."""
    desk.instrument(1, high=20)
    assert lines(desk.market(SELL, 6, "A", tif=tif)) == [
        "accepted A 6@0 leaves 6 cum 0",
        "expired A 6@0 leaves 0 cum 0 NO_LIQUIDITY",
    ]
    assert desk.book() == "empty"


def test_market_fok(desk: Desk) -> None:
    """A FOK market order counts the whole side."""
    desk.instrument(1, high=20)
    desk.sell(2, at=10, cl="S1")
    desk.sell(3, at=15, cl="S2")
    assert lines(desk.market(BUY, 6, "A", tif=Tif.FOK))[1:] == [
        "expired A 6@0 leaves 0 cum 0 FOK_NOT_FILLABLE"
    ]
    assert lines(desk.market(BUY, 5, "B", tif=Tif.FOK))[-2] == "filled B 3@15 leaves 0 cum 5 taker of trade 2"


def test_book_only_rests_at_once(desk: Desk) -> None:
    """A BOOK_ONLY order does not trade, even if the book is then crossed; the next taker sees it."""
    desk.sell(5, at=10, cl="S")
    told = desk.buy(3, at=12, cl="A", flags=CommandFlag.BOOK_ONLY)
    assert lines(told) == ["accepted A 3@12 leaves 3 cum 0"]
    assert desk.book() == table("""
            buy | price | sell
            A:3 |    12 |
                |    10 | S:5
    """)
    assert lines(desk.sell(4, at=11, cl="T"))[1] == "filled T 3@12 leaves 1 cum 3 taker of trade 1"


def test_directed_trades_with_its_target_alone(desk: Desk) -> None:
    """A directed order passes better prices and older orders, and trades at its own price."""
    desk.sell(5, at=9, cl="BEST")
    desk.sell(5, at=10, cl="OLD")
    desk.sell(5, at=10, cl="TARGET", account=2)
    assert lines(desk.directed(BUY, 2, 7, "A", orig="TARGET")) == [
        "accepted A 2@7 leaves 2 cum 0",
        "filled A 2@7 leaves 0 cum 2 taker of trade 1",
        "filled TARGET 2@7 leaves 3 cum 2 maker of trade 1",
    ]
    assert desk.book() == table("""
            buy | price | sell
                |    10 | OLD:5 TARGET:3
                |     9 | BEST:5
    """)


@pytest.mark.parametrize("tif", [tif for tif in Tif if tif not in (Tif.OPEN, Tif.CLOSE)])
def test_directed_expires_what_is_left(desk: Desk, tif: Tif) -> None:
    """A directed order never rests and ignores FOK."""
    desk.buy(2, at=10, cl="B")
    assert lines(desk.directed(SELL, 3, 10, "A", orig="B", tif=tif)) == [
        "accepted A 3@10 leaves 3 cum 0",
        "filled A 2@10 leaves 1 cum 2 taker of trade 1",
        "filled B 2@10 leaves 0 cum 2 maker of trade 1",
        "expired A 1@10 leaves 0 cum 2 IOC_REMAINDER",
    ]


def test_directed_needs_an_open_target_of_the_other_side(desk: Desk) -> None:
    """A target that is gone, of another instrument or of the same side is unknown; the session is free."""
    desk.instrument(2, "OTHER")
    desk.open_session("GW2")
    desk.sell(2, at=10, cl="S")
    desk.sell(2, at=10, cl="GONE")
    desk.cancel("GONE")
    for order_id, side, instrument in (
        (desk.ids["GONE"], BUY, 1),
        (desk.ids["S"], BUY, 2),
        (desk.ids["S"], SELL, 1),
    ):
        told = desk.directed(side, 2, 10, f"D{desk.seq}", order_id=order_id, instrument=instrument)
        assert (reason(told), told[0].order_id, told[0].flags) == (
            Reason.UNKNOWN_ORDER,
            desk.seq,
            NOT_TAKEN,
        )
        assert (told[0].qty_lots, told[0].price_ticks, told[0].leaves_lots) == (2, 10, 0)
    assert reason(desk.directed(BUY, 2, 10, "D", order_id=desk.ids["S"], session=2)) is Reason.NONE


def test_room_for_levels(make_desk: MakeDesk) -> None:
    """With max_levels levels no order may rest, even on a known level or if it would trade; others go through."""
    desk = make_desk(max_levels=2)
    desk.instrument(2, "OTHER")
    desk.buy(1, at=10, cl="A")
    desk.sell(1, at=20, cl="B", instrument=2)
    told = desk.buy(1, at=10, cl="C")
    assert (reason(told), told[0].order_id, told[0].flags) == (
        Reason.NO_ROOM,
        desk.seq,
        NOT_TAKEN,
    )
    assert reason(desk.sell(1, at=10, cl="D", tif=Tif.DAY)) is Reason.NO_ROOM
    assert reason(desk.sell(1, at=10, cl="E", tif=Tif.IOC)) is Reason.NONE
    assert reason(desk.buy(1, at=10, cl="F")) is Reason.NONE


def test_room_of_the_books() -> None:
    """Matching alone holds max_orders open orders (behind risk it never gets that far: risk counts the same)."""
    books = MatchingTwin(max_orders=2, max_levels=9)
    order: dict[str, Any] = {"instrument": 1, "side": BUY, "ord_type": OrdType.LIMIT, "session": 1}
    order.update(qty_lots=1, price_ticks=10)
    for seq, tif, expected in (
        (1, Tif.GTC, Reason.NONE),
        (2, Tif.GTC, Reason.NONE),
        (3, Tif.DAY, Reason.NO_ROOM),
        (4, Tif.IOC, Reason.IOC_REMAINDER),
    ):
        told = books.process(make_command(Kind.NEW, cl="A", seq=seq, tif=tif, **order), Verdict())
        assert told[-1].reason == expected
