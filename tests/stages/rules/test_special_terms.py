"""POST_ONLY, POST_REPRICE, minimum quantity, protection points and GTD, by example: ``docs/matching-rules.md``."""

from __future__ import annotations

from typing import Any

import pytest

from protocols.codes import (
    CommandFlag,
    Kind,
    OrdType,
    OutcomeFlag,
    OutcomeType,
    Reason,
    Side,
    Tif,
)
from tests.twin.matching import MatchingTwin
from tests.twin.records import make_command
from tests.twin.risk import Verdict
from tests.twin.scenario import (
    ANSWER,
    BUY,
    NOT_TAKEN,
    SELL,
    Desk,
    MakeDesk,
    lines,
    reason,
)
from tests.twin.view import AccountRow, table

pytestmark = pytest.mark.jitoff


POST_ONLY, POST_REPRICE = CommandFlag.POST_ONLY, CommandFlag.POST_REPRICE


@pytest.mark.parametrize(("side", "price", "expected"), [
    (BUY, 11, Reason.NONE), (BUY, 12, Reason.POST_ONLY_WOULD_TRADE), (BUY, 13, Reason.POST_ONLY_WOULD_TRADE),
    (SELL, 10, Reason.NONE), (SELL, 9, Reason.POST_ONLY_WOULD_TRADE), (SELL, 8, Reason.POST_ONLY_WOULD_TRADE),
])  # fmt: skip
def test_post_only(desk: Desk, side: Side, price: int, expected: Reason) -> None:
    """A POST_ONLY order that would trade is rejected with its own price and quantity; else it rests."""
    desk.sell(5, at=12, cl="S", account=2)
    desk.buy(5, at=9, cl="B", account=2)
    told = desk.new(side, 3, price, "A", flags=POST_ONLY)
    assert reason(told) is expected
    if expected:
        assert (told[0].order_id, told[0].flags, told[0].leaves_lots) == (
            desk.seq,
            NOT_TAKEN,
            0,
        )
        assert (told[0].price_ticks, told[0].qty_lots) == (price, 3)
        desk.tick()
        assert desk.money() == AccountRow(1, 0, 0, 0)
    else:
        assert desk.book().count("A:3") == 1


@pytest.mark.parametrize(("side", "price", "posted"), [
    (BUY, 11, 11), (BUY, 12, 11), (BUY, 99, 11), (SELL, 10, 10), (SELL, 9, 10), (SELL, 1, 10),
])  # fmt: skip
def test_post_reprice(desk: Desk, side: Side, price: int, posted: int) -> None:
    """A POST_REPRICE order that would trade is accepted one tick short of the best opposite price, and told so."""
    desk.sell(5, at=12, cl="S", account=2)
    desk.buy(5, at=9, cl="B", account=2)
    told = desk.new(side, 3, price, "A", flags=POST_REPRICE)
    assert lines(told) == [f"accepted A 3@{posted} leaves 3 cum 0"]
    assert bool(told[0].flags & OutcomeFlag.REPRICED) is (posted != price)
    assert [(row.side, row.price) for row in desk.core.dump_books() if row.order_id == desk.seq] == [
        (side, posted)
    ]


def test_post_reprice_finds_no_price(desk: Desk) -> None:
    """Below a sell at 1 there is no price to buy at."""
    desk.sell(5, at=1, cl="S", account=2)
    assert reason(desk.buy(3, at=1, cl="A", flags=POST_REPRICE)) is Reason.POST_ONLY_WOULD_TRADE


def test_post_reprice_at_the_end_of_int64() -> None:
    """Above a buy at 2^63 - 2 there is no price to sell at: a limit cannot be higher."""
    books = MatchingTwin(max_orders=9, max_levels=9)
    order: dict[str, Any] = {"instrument": 1, "session": 1, "tif": Tif.GTC, "qty_lots": 1}
    for seq, side, flags, expected in ((1, BUY, 0, 0), (2, SELL, POST_REPRICE, Reason.POST_ONLY_WOULD_TRADE)):
        command = make_command(
            Kind.NEW, seq=seq, side=side, flags=flags, ord_type=OrdType.LIMIT, price_ticks=2**63 - 2, **order
        )
        assert books.process(command, Verdict())[0].reason == expected


def test_posting_looks_at_the_best_price_of_a_crossed_book(desk: Desk) -> None:
    """In a book that BOOK_ONLY crossed only the best opposite price counts."""
    desk.sell(5, at=10, cl="S", account=2)
    desk.buy(5, at=12, cl="B", account=2, flags=CommandFlag.BOOK_ONLY)
    assert reason(desk.buy(1, at=10, cl="A", flags=POST_ONLY)) is Reason.POST_ONLY_WOULD_TRADE
    assert lines(desk.sell(1, at=9, cl="C", flags=POST_REPRICE)) == ["accepted C 1@13 leaves 1 cum 0"]


def test_posted_orders_trade_as_makers(desk: Desk) -> None:
    """Once it rests a POST_ONLY order is like any other."""
    desk.buy(5, at=10, cl="A", flags=POST_ONLY)
    assert lines(desk.sell(2, at=10, cl="S"))[2] == "filled A 2@10 leaves 3 cum 2 maker of trade 1"


def test_replace_of_posted_orders(desk: Desk) -> None:
    """A replaced POST_ONLY order must not trade either, a POST_REPRICE order is repriced again, without a flag."""
    desk.sell(5, at=12, cl="S", account=2)
    desk.buy(5, at=10, cl="A", flags=POST_ONLY)
    desk.buy(5, at=10, cl="B", flags=POST_REPRICE)
    told = desk.replace("A", "A2", 5, at=12)
    assert (reason(told), told[0].flags, told[0].leaves_lots) == (
        Reason.POST_ONLY_WOULD_TRADE,
        ANSWER,
        5,
    )
    assert lines(desk.replace("A", "A3", 5, at=11)) == ["replaced A3 5@11 leaves 5 cum 0 was A"]
    told = desk.replace("B", "B2", 4, at=15)
    assert lines(told) == ["replaced B2 4@11 leaves 4 cum 0 was B"]
    assert told[0].flags == ANSWER
    assert desk.book() == table("""
                buy | price | sell
                    |    12 | S:5
            A:5 B:4 |    11 |
    """)
    desk.tick()
    assert desk.money().reserved_buy == 9 * 11


def test_a_repriced_replace_loses_its_place(desk: Desk) -> None:
    """The price asked for decides on the place, also where the order ends at the price that it had."""
    desk.sell(5, at=11, cl="S", account=2)
    desk.buy(5, at=10, cl="A", flags=POST_REPRICE)
    desk.buy(5, at=10, cl="B")
    assert lines(desk.replace("A", "A2", 4, at=11)) == ["replaced A2 4@10 leaves 4 cum 0 was A"]
    assert "B:5 A:4 |    10" in desk.book()


# Minimum quantity


@pytest.mark.parametrize(("minimum", "met"), [(4, True), (5, True), (6, False)])
@pytest.mark.parametrize("tif", [Tif.GTC, Tif.IOC])
def test_minimum_quantity(desk: Desk, minimum: int, met: bool, tif: Tif) -> None:
    """An order that may trade its minimum at once trades; one that may not expires as a whole."""
    desk.sell(2, at=10, cl="S1")
    desk.sell(3, at=11, cl="S2")
    desk.sell(9, at=12, cl="S3")
    told = desk.buy(8, at=11, cl="A", tif=tif, orig0=minimum)
    assert lines(told)[0] == "accepted A 8@11 leaves 8 cum 0"
    if met:
        assert lines(told)[3] == "filled A 3@11 leaves 3 cum 5 taker of trade 2"
        assert ("A:3 |    11" in desk.book()) is (tif == Tif.GTC)
    else:
        assert lines(told)[1:] == ["expired A 8@11 leaves 0 cum 0 MIN_QTY_NOT_MET"]
        assert told[1].flags == 0


def test_minimum_quantity_of_a_market_order(desk: Desk) -> None:
    """A market order counts what lies within its protection."""
    desk.instrument(1, high=50, protection=2)
    desk.sell(2, at=10, cl="S1")
    desk.sell(3, at=13, cl="S2")
    assert lines(desk.market(BUY, 4, "A", orig0=3))[1] == "expired A 4@0 leaves 0 cum 0 MIN_QTY_NOT_MET"
    assert lines(desk.market(BUY, 4, "B", orig0=2))[1] == "filled B 2@10 leaves 2 cum 2 taker of trade 1"


def test_fok_comes_before_the_minimum(desk: Desk) -> None:
    """A FOK order that meets neither is told FOK_NOT_FILLABLE."""
    desk.sell(2, at=10, cl="S1")
    assert lines(desk.buy(4, at=10, cl="A", tif=Tif.FOK, orig0=3))[1].endswith("FOK_NOT_FILLABLE")


def test_the_minimum_counts_once(desk: Desk) -> None:
    """What rests, or comes back by a replace, has no minimum any more."""
    desk.sell(2, at=10, cl="S1")
    desk.buy(4, at=10, cl="A", orig0=2)
    desk.sell(1, at=11, cl="S2")
    assert lines(desk.sell(1, at=10, cl="S3"))[1] == "filled S3 1@10 leaves 0 cum 1 taker of trade 1"
    assert lines(desk.replace("A", "B", 9, at=11))[1] == "filled B 1@11 leaves 5 cum 4 taker of trade 1"


# Protection points


@pytest.mark.parametrize(("points", "filled"), [(0, 9), (1, 2), (2, 5), (3, 5), (2**60, 9)])
def test_protection_points_of_a_buy(desk: Desk, points: int, filled: int) -> None:
    """A market buy trades up to the best sell plus the points; the rest expires with PRICE_PROTECTION."""
    desk.instrument(1, high=50, protection=points)
    for cl, qty, price in (("S1", 2, 10), ("S2", 3, 12), ("S3", 4, 20)):
        desk.sell(qty, at=price, cl=cl)
    last = lines(desk.market(BUY, 10, "A"))[-1]
    why = "NO_LIQUIDITY" if filled == 9 else "PRICE_PROTECTION"
    assert last == f"expired A {10 - filled}@0 leaves 0 cum {filled} {why}"


@pytest.mark.parametrize(("points", "filled"), [(1, 2), (2, 5), (8, 5), (9, 9), (2**60, 9)])
def test_protection_points_of_a_sell(desk: Desk, points: int, filled: int) -> None:
    """A market sell trades down to the best buy less the points, which may lie below 0."""
    desk.instrument(1, high=50, protection=points)
    for cl, qty, price in (("B1", 2, 10), ("B2", 3, 8), ("B3", 4, 1)):
        desk.buy(qty, at=price, cl=cl)
    last = lines(desk.market(SELL, 10, "A"))[-1]
    why = "NO_LIQUIDITY" if filled == 9 else "PRICE_PROTECTION"
    assert last == f"expired A {10 - filled}@0 leaves 0 cum {filled} {why}"


def test_protection_reaches_the_end_of_int64() -> None:
    """Best price and points are added as far as int64 goes (matching alone takes any price)."""
    books = MatchingTwin(max_orders=9, max_levels=9)
    books.process(make_command(Kind.INSTRUMENT, seq=1, instrument=1, orig0=2**60), Verdict())
    order: dict[str, Any] = {"instrument": 1, "session": 1, "tif": Tif.GTC, "qty_lots": 1}
    for seq, price in ((2, 2**63 - 2), (3, 2**63 - 1)):
        books.process(
            make_command(Kind.NEW, seq=seq, side=SELL, ord_type=OrdType.LIMIT, price_ticks=price, **order),
            Verdict(),
        )
    command = make_command(Kind.NEW, seq=4, side=BUY, ord_type=OrdType.MARKET, **{**order, "qty_lots": 2})
    assert [outcome.type for outcome in books.process(command, Verdict())][1:] == [OutcomeType.FILLED] * 4


def test_protection_of_a_fok_market_order(desk: Desk) -> None:
    """A FOK market order may only trade within its protection."""
    desk.instrument(1, high=50, protection=1)
    desk.sell(2, at=10, cl="S1")
    desk.sell(3, at=12, cl="S2")
    assert lines(desk.market(BUY, 3, "A", tif=Tif.FOK))[1].endswith("FOK_NOT_FILLABLE")


def test_protection_of_an_elected_stop(desk: Desk) -> None:
    """An elected stop is protected from the best price at its election on; its end is unsolicited."""
    desk.instrument(1, protection=1)
    desk.stop(BUY, 5, 10, "A")
    for cl, price in (("S1", 10), ("S2", 13), ("S3", 14), ("S4", 15)):
        desk.sell(1, at=price, cl=cl, account=2)
    told = desk.buy(1, at=10, cl="T", account=2)
    assert lines(told)[-1] == "expired A 3@0 leaves 0 cum 2 PRICE_PROTECTION"
    assert told[-1].flags == OutcomeFlag.UNSOLICITED


def test_protection_may_change(desk: Desk) -> None:
    """A new definition of the instrument changes its protection; one that is rejected does not."""
    desk.sell(1, at=10, cl="S1")
    desk.sell(1, at=12, cl="S2")
    desk.instrument(1, high=50, protection=1)
    assert reason(desk.instrument(1, "OTHER", high=50)) is Reason.INVALID_COMMAND
    assert lines(desk.market(BUY, 2, "A"))[-1].endswith("PRICE_PROTECTION")
    desk.instrument(1, high=50)
    assert lines(desk.market(BUY, 2, "B"))[-1].endswith("NO_LIQUIDITY")


# GTD


@pytest.mark.parametrize(("late", "expired"), [(1, False), (0, True), (-1, True)])
def test_an_order_expires_at_its_time(desk: Desk, late: int, expired: bool) -> None:
    """A GTD order leaves the book before the first command at or after its expiry."""
    desk.until(BUY, 5, 10, "A", expiry=desk.time_of(desk.seq + 3) + late)
    assert desk.tick() == []
    told = desk.tick()
    assert lines(told) == (["expired A 5@10 leaves 0 cum 0 GTD_EXPIRED"] if expired else [])
    assert (desk.book() == "empty") is expired


def test_what_an_expiry_tells(desk: Desk) -> None:
    """An expiry is unsolicited, tells what was left, and comes before what the command does."""
    desk.until(BUY, 5, 10, "A", expiry=desk.time_of(desk.seq + 3))
    desk.sell(2, at=10, cl="S", account=2)
    told = desk.sell(3, at=10, cl="T", account=2)
    assert lines(told) == [
        "expired A 3@10 leaves 0 cum 2 GTD_EXPIRED",
        "accepted T 3@10 leaves 3 cum 0",
    ]
    assert (told[0].flags, told[0].index, told[1].index) == (OutcomeFlag.UNSOLICITED, 0, 1)
    assert (told[0].kind, told[0].input_seq, told[0].session) == (Kind.NEW, desk.seq, 1)


def test_expiries_come_by_time_then_id(desk: Desk) -> None:
    """Orders that expire before one command do so by expiry, then by id, whatever side, price or instrument."""
    desk.instrument(2, "OTHER")
    base = desk.time_of(desk.seq + 20)
    desk.until(BUY, 1, 10, "A", expiry=base + 2)
    desk.until(SELL, 1, 12, "B", expiry=base + 1)
    desk.until(BUY, 1, 11, "C", expiry=base + 2, instrument=2)
    desk.until(BUY, 1, 0, "D", expiry=base + 1, ord_type=OrdType.STOP, aux0=50)
    desk.until(BUY, 1, 9, "E", expiry=base + 10**6)
    desk.wait(10**3)
    assert lines(desk.tick()) == [
        "expired B 1@12 leaves 0 cum 0 GTD_EXPIRED",
        "expired D 1@0 leaves 0 cum 0 GTD_EXPIRED",
        "expired A 1@10 leaves 0 cum 0 GTD_EXPIRED",
        "expired C 1@11 leaves 0 cum 0 GTD_EXPIRED",
    ]
    assert desk.book() == table("""
            buy | price | sell
            E:1 |     9 |
    """)


def test_a_rejected_command_lets_orders_expire(desk: Desk) -> None:
    """Expiry does not depend on what becomes of the command."""
    desk.until(BUY, 5, 10, "A", expiry=desk.time_of(desk.seq + 2))
    told = desk.cancel("NONE")
    assert lines(told)[0] == "expired A 5@10 leaves 0 cum 0 GTD_EXPIRED"
    assert (told[1].index, told[1].reason) == (1, Reason.UNKNOWN_ORDER)


def test_a_request_comes_too_late_for_an_expired_order(desk: Desk) -> None:
    """The expiry is before the command: a cancel at that time finds no order."""
    desk.until(BUY, 5, 10, "A", expiry=desk.time_of(desk.seq + 2))
    told = desk.cancel("A")
    assert [(outcome.type, outcome.reason) for outcome in told] == [
        (OutcomeType.EXPIRED, Reason.GTD_EXPIRED),
        (OutcomeType.REJECTED, Reason.TOO_LATE),
    ]


def test_the_expiry_stays_with_the_order(desk: Desk) -> None:
    """A replaced order and an elected STOP_LIMIT keep their expiry."""
    expiry = desk.time_of(desk.seq + 50)
    desk.until(BUY, 5, 10, "A", expiry=expiry)
    desk.replace("A", "B", 6, at=9)
    desk.until(BUY, 5, 8, "C", expiry=expiry, ord_type=OrdType.STOP_LIMIT, aux0=12)
    desk.trade(12)
    assert desk.stops() == "empty"
    desk.wait(10**3)
    assert lines(desk.tick()) == [
        "expired B 6@9 leaves 0 cum 0 GTD_EXPIRED",
        "expired C 5@8 leaves 0 cum 0 GTD_EXPIRED",
    ]


def test_a_gtd_order_may_trade_at_once(desk: Desk) -> None:
    """A MARKET order with GTD does not rest, and what trades at once never expires."""
    desk.instrument(1, high=50)
    desk.sell(3, at=10, cl="S", account=2)
    expiry = desk.time_of(desk.seq + 2)
    desk.until(BUY, 2, 10, "A", expiry=expiry)
    assert desk.tick() == []
    told = desk.until(BUY, 2, 0, "B", expiry=expiry + 10**3, ord_type=OrdType.MARKET)
    assert lines(told)[-1] == "expired B 1@0 leaves 0 cum 1 NO_LIQUIDITY"
    desk.wait(10**4)
    assert desk.tick() == []


def test_room_for_gtd_orders(make_desk: MakeDesk) -> None:
    """max_specials orders with GTD are open at a time, beside as many stops and icebergs."""
    desk = make_desk(max_specials=2)
    expiry = desk.time_of(desk.seq + 50)
    desk.until(BUY, 1, 10, "A", expiry=expiry)
    desk.until(BUY, 2, 10, "B", expiry=expiry, order_id=1)
    told = desk.until(BUY, 1, 10, "C", expiry=expiry)
    assert (reason(told), told[0].flags) == (Reason.NO_ROOM, NOT_TAKEN)
    assert reason(desk.stop(BUY, 1, 20, "D")) is Reason.NONE
    assert reason(desk.buy(1, at=10, cl="E")) is Reason.NONE
    desk.instrument(1, high=50)
    told = desk.until(BUY, 1, 10, "F", expiry=expiry, ord_type=OrdType.MARKET)
    assert lines(told)[-1].endswith("NO_LIQUIDITY")  # it may not rest: no room is needed
    desk.wait(10**3)
    assert reason(desk.until(BUY, 1, 10, "G", expiry=expiry + 10**4)[2:]) is Reason.NONE
