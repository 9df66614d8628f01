"""STOP, STOP_LIMIT and TRAILING_STOP, their elections and cascades, by example: ``docs/matching-rules.md``."""

from __future__ import annotations

from typing import Any

import pytest

from protocols.codes import (
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


def test_a_stop_waits_at_its_stop_price(desk: Desk) -> None:
    """Stop orders stand on sides of their own, best first: the lowest buy, the highest sell; none is in the book."""
    for cl, side, stop, limit in (
        ("A", BUY, 12, 0), ("B", BUY, 11, 15), ("C", BUY, 12, 0), ("D", SELL, 8, 0), ("E", SELL, 9, 7),
    ):  # fmt: skip
        price = limit or 0
        told = lines(desk.stop(side, 3, stop, cl, limit=limit))
        assert told == [f"accepted {cl} 3@{price} leaves 3 cum 0"]
    assert desk.book() == "empty"
    assert desk.stops() == table("""
                buy | price | sell
            A:3 C:3 |    12 |
             B:3@15 |    11 |
                    |     9 | E:3@7
                    |     8 | D:3
    """)
    rows = [(row.side, row.price, row.limit, row.shown) for row in desk.core.dump_books()]
    assert rows == [(3, 11, 15, 3), (3, 12, 0, 3), (3, 12, 0, 3), (4, 9, 7, 3), (4, 8, 0, 3)]


@pytest.mark.parametrize(("side", "last", "elected"), [
    (BUY, 9, False), (BUY, 10, True), (BUY, 11, True), (SELL, 9, True), (SELL, 10, True), (SELL, 11, False),
])  # fmt: skip
def test_a_trade_elects(desk: Desk, side: Side, last: int, elected: bool) -> None:
    """A trade at the stop price or beyond it elects: at or above for a buy, at or below for a sell."""
    desk.stop(side, 3, 10, "A")
    desk.trade(last)
    assert any(outcome.type == OutcomeType.TRIGGERED for outcome in desk.history) is elected
    assert (desk.stops() == "empty") is elected


@pytest.mark.parametrize(("side", "last", "elected"), [
    (BUY, 9, False), (BUY, 10, True), (SELL, 10, True), (SELL, 11, False),
])  # fmt: skip
def test_a_stop_that_is_due_is_elected_at_once(desk: Desk, side: Side, last: int, elected: bool) -> None:
    """A stop order that the last trade price has passed already is elected by its own command."""
    desk.trade(last)
    told = lines(desk.stop(side, 3, 10, "A"))
    assert told[0] == "accepted A 3@0 leaves 3 cum 0"
    assert told[1:] == (
        ["triggered A 3@0 leaves 3 cum 0", "expired A 3@0 leaves 0 cum 0 NO_LIQUIDITY"] if elected else []
    )


def test_no_stop_is_elected_before_the_first_trade(desk: Desk) -> None:
    """Quotes elect nothing."""
    desk.buy(1, at=20, cl="Q")
    desk.stop(BUY, 1, 5, "A")
    desk.stop(SELL, 1, 5, "B")
    assert desk.core.dump_last_prices() == {}
    assert desk.stops().count(":") == 2


def test_what_an_election_tells(desk: Desk) -> None:
    """TRIGGERED and the end of a stop order are unsolicited; it trades as taker, numbered on within the command."""
    desk.sell(1, at=10, cl="S1", account=2)
    desk.sell(2, at=11, cl="S2", account=2)
    desk.stop(BUY, 5, 10, "A")
    told = desk.buy(1, at=10, cl="T")
    assert lines(told) == [
        "accepted T 1@10 leaves 1 cum 0",
        "filled T 1@10 leaves 0 cum 1 taker of trade 1",
        "filled S1 1@10 leaves 0 cum 1 maker of trade 1",
        "triggered A 5@0 leaves 5 cum 0",
        "filled A 2@11 leaves 3 cum 2 taker of trade 2",
        "filled S2 2@11 leaves 0 cum 2 maker of trade 2",
        "expired A 3@0 leaves 0 cum 2 NO_LIQUIDITY",
    ]
    assert [outcome.index for outcome in told] == list(range(7))
    flags = OutcomeFlag.UNSOLICITED
    assert (told[3].flags, told[4].flags, told[6].flags) == (flags, OutcomeFlag.TAKER, flags)
    assert desk.core.dump_last_prices() == {1: 11}


def test_an_elected_stop_limit_rests(desk: Desk) -> None:
    """A STOP_LIMIT trades up to its limit; the rest stands in the book and no longer waits."""
    desk.sell(2, at=11, cl="S1", account=2)
    desk.sell(2, at=13, cl="S2", account=2)
    desk.stop(BUY, 5, 10, "A", limit=12)
    desk.directed(BUY, 1, 10, "T", orig="S1", account=2)
    assert lines(desk.history)[-4:] == [
        "filled S1 1@10 leaves 1 cum 1 maker of trade 1",
        "triggered A 5@12 leaves 5 cum 0",
        "filled A 1@11 leaves 4 cum 1 taker of trade 2",
        "filled S1 1@11 leaves 0 cum 2 maker of trade 2",
    ]
    assert desk.stops() == "empty"
    assert desk.book() == table("""
            buy | price | sell
                |    13 | S2:2
            A:4 |    12 |
    """)
    assert lines(desk.replace("A", "B", 6, at=13))[0] == "replaced B 6@13 leaves 5 cum 1 was A"


def test_elections_cascade(make_desk: MakeDesk) -> None:
    """An elected stop's trades elect the next; the trade numbers go on through the whole cascade."""
    desk = make_desk(max_levels=12)
    for price in (10, 9, 8, 7):
        desk.buy(1, at=price, cl=f"B{price}", account=2)
    desk.stop(SELL, 1, 10, "A")
    desk.stop(SELL, 1, 9, "B")
    desk.stop(SELL, 1, 7, "C")
    assert lines(desk.sell(1, at=10, cl="T")) == [
        "accepted T 1@10 leaves 1 cum 0",
        "filled T 1@10 leaves 0 cum 1 taker of trade 1",
        "filled B10 1@10 leaves 0 cum 1 maker of trade 1",
        "triggered A 1@0 leaves 1 cum 0",
        "filled A 1@9 leaves 0 cum 1 taker of trade 2",
        "filled B9 1@9 leaves 0 cum 1 maker of trade 2",
        "triggered B 1@0 leaves 1 cum 0",
        "filled B 1@8 leaves 0 cum 1 taker of trade 3",
        "filled B8 1@8 leaves 0 cum 1 maker of trade 3",
    ]
    assert desk.stops() == table("""
            buy | price | sell
                |     7 | C:1
    """)


def test_buys_are_elected_before_sells(desk: Desk) -> None:
    """Of all that are due the best stop buy goes first, first in its queue first, then the best stop sell."""
    for cl, side, stop in (("A", SELL, 10), ("B", SELL, 11), ("C", BUY, 10), ("D", BUY, 9), ("E", BUY, 9)):
        desk.stop(side, 1, stop, cl)
    desk.trade(10)
    order = [line.split()[1] for line in lines(desk.history) if line.startswith("triggered")]
    assert order == ["D", "E", "C", "B", "A"]


def test_each_election_is_chosen_anew(desk: Desk) -> None:
    """A stop buy that became due by an election goes before the stop sells that were due already."""
    desk.buy(1, at=12, cl="B12", account=2)
    desk.sell(3, at=20, cl="S20", account=2)
    desk.stop(SELL, 1, 13, "A")
    desk.stop(SELL, 1, 13, "B")
    desk.stop(BUY, 1, 12, "C")
    assert lines(desk.directed(BUY, 1, 10, "D", orig="S20", account=2))[3:] == [
        "triggered A 1@0 leaves 1 cum 0",
        "filled A 1@12 leaves 0 cum 1 taker of trade 2",
        "filled B12 1@12 leaves 0 cum 1 maker of trade 2",
        "triggered C 1@0 leaves 1 cum 0",
        "filled C 1@20 leaves 0 cum 1 taker of trade 3",
        "filled S20 1@20 leaves 1 cum 2 maker of trade 3",
    ]
    assert desk.stops() == table("""
            buy | price | sell
                |    13 | B:1
    """)


def test_a_trailing_stop_follows(desk: Desk) -> None:
    """A trailing stop moves with a better last trade price and stays when it is worse, until it is elected."""
    desk.trade(10)
    assert lines(desk.stop(SELL, 2, 0, "S", trail=2)) == ["accepted S 2@0 leaves 2 cum 0"]
    desk.stop(BUY, 2, 0, "B", trail=3)
    for last, buy, sell in ((11, 13, 9), (12, 13, 10), (11, 13, 10), (13, 0, 11), (12, 0, 11), (11, 0, 0)):
        desk.trade(last)
        prices = {row.side: row.price for row in desk.core.dump_books() if row.side > 2}
        assert prices == {side: price for side, price in ((3, buy), (4, sell)) if price}


def test_trailing_stops_move_in_a_fixed_order(desk: Desk) -> None:
    """Trailing stops that come to one level stand there by order id, buys before sells, behind who is there."""
    desk.trade(10)
    desk.stop(SELL, 1, 0, "A", trail=3)
    desk.stop(SELL, 1, 0, "B", trail=2)
    desk.trade(11)
    desk.stop(SELL, 1, 0, "C", trail=3)
    desk.stop(SELL, 1, 9, "D")
    assert desk.stops() == table("""
            buy | price | sell
                |     9 | B:1 D:1
                |     8 | A:1 C:1
    """)
    desk.trade(12)
    assert desk.stops() == table("""
            buy | price | sell
                |    10 | B:1
                |     9 | D:1 A:1 C:1
    """)


def test_trailing_stops_see_the_last_price_of_each_election(desk: Desk) -> None:
    """Only the price after all trades of an order counts for trailing, not those it passed through."""
    desk.trade(10)
    desk.stop(SELL, 1, 0, "T", trail=2)
    for price in (12, 11):
        desk.buy(1, at=price, cl=f"B{price}", account=2)
    desk.sell(2, at=11, cl="X", account=2)  # trades at 12, then at 11
    assert [row.price for row in desk.core.dump_books() if row.side == 4] == [9]


def test_a_trailing_stop_needs_a_last_trade(desk: Desk) -> None:
    """Risk takes a trailing stop against the band, matching has nothing that it could trail."""
    desk.instrument(1, high=50)
    told = desk.stop(SELL, 1, 0, "A", trail=2)
    assert (reason(told), told[0].order_id, told[0].flags) == (
        Reason.NO_REFERENCE_PRICE,
        desk.seq,
        NOT_TAKEN,
    )
    desk.tick()
    assert desk.money() == AccountRow(1, 0, 0, 0)


def test_a_trailing_sell_may_stand_below_one(desk: Desk) -> None:
    """The stop price of a trailing sell may be 0 or less; no trade elects it there."""
    desk.trade(2)
    desk.stop(SELL, 1, 0, "A", trail=5)
    assert [(row.side, row.price) for row in desk.core.dump_books()] == [(4, -3)]
    desk.trade(1)
    desk.trade(8)
    assert [(row.side, row.price) for row in desk.core.dump_books()] == [(4, 3)]


def test_a_trailing_buy_stands_at_most_at_the_end_of_int64() -> None:
    """Matching alone takes any price: reference and distance are added up to 2^63 - 1."""
    books = MatchingTwin(max_orders=9, max_levels=9)
    order: dict[str, Any] = {"instrument": 1, "session": 1, "tif": Tif.GTC, "qty_lots": 1}
    largest = 2**63 - 1
    for seq, side in ((1, SELL), (2, BUY)):
        limit = make_command(
            Kind.NEW, seq=seq, side=side, ord_type=OrdType.LIMIT, price_ticks=largest, **order
        )
        books.process(limit, Verdict())
    stop = make_command(Kind.NEW, seq=3, side=BUY, ord_type=OrdType.TRAILING_STOP, aux0=2**60, **order)
    told = books.process(stop, Verdict())
    assert told[1].type == OutcomeType.TRIGGERED


@pytest.mark.parametrize(
    ("qty", "stop", "level"),
    [(4, 0, "A:4 B:5"), (4, 12, "A:4 B:5"), (5, 0, "B:5 A:5"), (6, 12, "B:5 A:6"), (4, 13, "B:5")],
)
def test_replace_of_a_stop(desk: Desk, qty: int, stop: int, level: str) -> None:
    """Fewer lots at the same stop price keep the place; its price is looked at by risk only."""
    desk.stop(BUY, 5, 12, "A")
    desk.stop(BUY, 5, 12, "B")
    told = lines(desk.replace("A", "C", qty, at=7, aux0=stop))
    assert told == [f"replaced C {qty}@0 leaves {qty} cum 0 was A"]
    assert f"{level} |    12" in desk.stops()


def test_replace_of_a_stop_limit(desk: Desk) -> None:
    """The limit of a STOP_LIMIT follows the price; its place does not depend on it."""
    desk.stop(BUY, 5, 12, "A", limit=13)
    desk.stop(BUY, 5, 12, "B", limit=13)
    assert lines(desk.replace("A", "C", 4, at=15)) == ["replaced C 4@15 leaves 4 cum 0 was A"]
    assert desk.stops() == table("""
                      buy | price | sell
            A:4@15 B:5@13 |    12 |
    """)


def test_replace_of_a_trailing_stop(desk: Desk) -> None:
    """A new distance counts from the reference that the stop has, not from the last trade price."""
    desk.trade(10)
    desk.stop(SELL, 5, 0, "A", trail=4)
    desk.trade(12)
    desk.trade(11)
    desk.replace("A", "B", 5, at=1, aux0=2)
    assert [(row.side, row.price) for row in desk.core.dump_books()] == [(4, 10)]
    desk.replace("B", "C", 5, at=1)
    assert [(row.side, row.price) for row in desk.core.dump_books()] == [(4, 10)]


def test_a_replaced_stop_may_be_elected(desk: Desk) -> None:
    """Elections follow a replace, in the instrument of its order, though the command names none."""
    desk.trade(10)
    desk.stop(BUY, 5, 12, "A", limit=12)
    assert lines(desk.replace("A", "B", 5, at=12, aux0=10)) == [
        "replaced B 5@12 leaves 5 cum 0 was A",
        "triggered B 5@12 leaves 5 cum 0",
    ]
    assert desk.book() == table("""
            buy | price | sell
            A:5 |    12 |
    """)


def test_a_replaced_stop_numbers_its_trades_from_one(desk: Desk) -> None:
    """Trades are numbered within the command: those of an earlier command do not count."""
    desk.sell(5, at=12, cl="B", account=2)
    desk.stop(BUY, 5, 12, "A", limit=12)
    desk.trade(10)
    told = desk.replace("A", "C", 5, at=12, aux0=10)
    assert [outcome.trade_index for outcome in told if outcome.type == OutcomeType.FILLED] == [1, 1]


def test_requests_of_a_stop_order(desk: Desk) -> None:
    """A waiting stop order is asked for, reduced in place and cancelled like any other."""
    desk.stop(BUY, 5, 12, "A")
    desk.stop(BUY, 5, 12, "B", limit=14)
    assert lines(desk.status("B")) == ["status X 5@14 leaves 5 cum 0 was B"]
    assert lines(desk.reduce("A", 2)) == ["replaced X 3@0 leaves 3 cum 0 was A"]
    assert desk.stops() == table("""
                   buy | price | sell
            A:3 B:5@14 |    12 |
    """)
    assert lines(desk.cancel("A")) == ["cancelled X 3@0 leaves 0 cum 0 was A CLIENT_REQUEST"]
    assert lines(desk.reduce("B", 5)) == ["cancelled X 5@14 leaves 0 cum 0 was B CLIENT_REQUEST"]
    desk.tick()
    assert desk.money() == AccountRow(1, 0, 0, 0)


def test_a_stop_order_is_no_target_of_a_directed_order(desk: Desk) -> None:
    """A stop order cannot be traded with, by nobody."""
    desk.stop(SELL, 5, 5, "A", limit=5)
    assert reason(desk.directed(BUY, 1, 5, "D", orig="A")) is Reason.UNKNOWN_ORDER
    assert reason(desk.directed(BUY, 1, 5, "E", order_id=desk.ids["A"])) is Reason.UNKNOWN_ORDER
    assert lines(desk.buy(1, at=9, cl="B", tif=Tif.IOC))[1].endswith("IOC_REMAINDER")


def test_elections_are_per_instrument(desk: Desk) -> None:
    """A trade elects in its own instrument only."""
    desk.instrument(2, "OTHER")
    desk.stop(BUY, 5, 10, "A")
    desk.sell(1, at=10, cl="S", instrument=2)
    desk.buy(1, at=10, cl="B", instrument=2)
    assert desk.stops().count("A:5") == 1
    assert desk.core.dump_last_prices() == {2: 10}


def test_directed_trades_elect(desk: Desk) -> None:
    """The price of a DIRECTED trade is a last trade price like any other."""
    desk.sell(2, at=10, cl="S")
    desk.stop(BUY, 1, 50, "A")
    assert lines(desk.directed(BUY, 1, 50, "D", orig="S", account=2))[-3:] == [
        "triggered A 1@0 leaves 1 cum 0",
        "filled A 1@10 leaves 0 cum 1 taker of trade 2",
        "filled S 1@10 leaves 0 cum 2 maker of trade 2",
    ]


def test_a_stop_limit_without_a_level(make_desk: MakeDesk) -> None:
    """A STOP_LIMIT that would rest when there are max_levels levels expires, unsolicited, and frees all."""
    desk = make_desk(max_levels=3)
    desk.stop(BUY, 5, 10, "A", limit=10)
    desk.stop(BUY, 5, 10, "B", limit=10)
    desk.sell(1, at=20, cl="S", account=2)
    desk.sell(1, at=10, cl="T", account=2)
    assert reason(desk.sell(1, at=10, cl="U", account=2)) is Reason.NO_ROOM
    told = desk.buy(1, at=10, cl="V", account=2, tif=Tif.IOC)
    # A leaves a level of stops behind: stops at 10, the sell at 20, one is free; B takes none with it
    assert lines(told)[-3:] == [
        "filled T 1@10 leaves 0 cum 1 maker of trade 1",
        "triggered A 5@10 leaves 5 cum 0",
        "triggered B 5@10 leaves 5 cum 0",
    ]
    desk.stop(BUY, 1, 30, "C", limit=9)
    told = desk.directed(BUY, 1, 30, "D", orig="S", account=2)
    assert lines(told)[-1] == "triggered C 1@9 leaves 1 cum 0"


def test_a_stop_limit_without_room_expires(make_desk: MakeDesk) -> None:
    """When levels are used up and its own stays, an elected STOP_LIMIT ends with NO_ROOM."""
    desk = make_desk(max_levels=2)
    desk.stop(BUY, 5, 10, "A", limit=9)
    desk.stop(BUY, 5, 10, "B", limit=9)
    desk.sell(2, at=20, cl="S", account=2)
    told = desk.directed(BUY, 1, 15, "D", orig="S", account=2)
    assert lines(told)[-3:] == [
        "triggered A 5@9 leaves 5 cum 0",
        "expired A 5@9 leaves 0 cum 0 NO_ROOM",
        "triggered B 5@9 leaves 5 cum 0",
    ]
    assert told[-2].flags == OutcomeFlag.UNSOLICITED
    desk.tick()
    assert desk.money() == AccountRow(1, 1, 0, 45)


def test_trailing_stops_always_find_a_level(make_desk: MakeDesk) -> None:
    """Two trailing stops of one level part beyond max_levels; nobody else gets a level then."""
    desk = make_desk(max_levels=3)
    desk.trade(10)
    desk.stop(SELL, 1, 0, "A", trail=3)
    desk.stop(SELL, 1, 0, "B", trail=4)
    desk.buy(1, at=11, cl="X", account=2)
    desk.sell(1, at=11, cl="Y", account=2, tif=Tif.IOC)
    assert [row.price for row in desk.core.dump_books()] == [8, 7]
    desk.replace("B", "B2", 1, at=1, aux0=3)
    assert [row.price for row in desk.core.dump_books()] == [8, 8]
    desk.trade(10)
    desk.stop(SELL, 1, 0, "C", trail=2)  # reference 10, at 8 too
    desk.buy(1, at=12, cl="Q1", account=2)
    desk.buy(1, at=5, cl="Q2", account=2)
    assert len({(row.side, row.price) for row in desk.core.dump_books()}) == 3
    told = desk.sell(1, at=12, cl="Z", account=2, tif=Tif.IOC)
    assert told[-1].type == OutcomeType.FILLED
    assert [(row.side, row.price) for row in desk.core.dump_books()] == [(1, 5), (4, 10), (4, 9), (4, 9)]
    assert reason(desk.buy(1, at=5, cl="N", account=2)) is Reason.NO_ROOM


@pytest.mark.parametrize("fields", [{"ord_type": OrdType.STOP, "aux0": 20}, {"order_id": 1}], ids=str)
def test_room_for_special_orders(make_desk: MakeDesk, fields: dict[str, int]) -> None:
    """max_specials stop orders and icebergs are open at a time, together; other orders are not counted."""
    desk = make_desk(max_specials=2)
    desk.stop(BUY, 1, 20, "A", limit=20)
    desk.iceberg(BUY, 2, 5, "B", display=2)
    told = desk.buy(1, at=5, cl="C", **fields)
    assert (reason(told), told[0].order_id, told[0].flags) == (
        Reason.NO_ROOM,
        desk.seq,
        NOT_TAKEN,
    )
    assert reason(desk.buy(1, at=5, cl="D")) is Reason.NONE
    desk.trade(20)  # A rests: a plain order now
    assert reason(desk.buy(1, at=5, cl="E", **{**fields, "aux0": 50})) is Reason.NONE


def test_an_iceberg_that_waits_counts_once(make_desk: MakeDesk) -> None:
    """A STOP_LIMIT with a display quantity takes one special, before and after its election."""
    desk = make_desk(max_specials=2)
    desk.stop(BUY, 4, 10, "A", limit=10, order_id=2)
    desk.stop(BUY, 4, 30, "B")
    assert reason(desk.stop(BUY, 4, 30, "C")) is Reason.NO_ROOM
    desk.trade(10)
    assert desk.book() == table("""
              buy | price | sell
            A:2+2 |    10 |
    """)
    assert reason(desk.stop(BUY, 4, 30, "D")) is Reason.NO_ROOM
    desk.cancel("A")
    assert reason(desk.stop(BUY, 4, 30, "E")) is Reason.NONE


def test_the_last_trade_price_is_that_of_the_trade(desk: Desk) -> None:
    """Not the taker's limit but the price of its last trade elects."""
    desk.sell(1, at=10, cl="S1", account=2)
    desk.stop(BUY, 1, 12, "A")
    desk.buy(1, at=15, cl="T", account=2)
    assert desk.core.dump_last_prices() == {1: 10}
    assert desk.stops().count("A:1") == 1


def test_trailing_stops_of_two_levels_meet_by_order_id(desk: Desk) -> None:
    """Whichever level they come from, the older order stands first where they meet."""
    desk.trade(11)
    desk.stop(SELL, 1, 0, "A", trail=2)
    desk.trade(10)
    desk.stop(SELL, 1, 0, "B", trail=2)
    assert desk.stops() == table("""
            buy | price | sell
                |     9 | A:1
                |     8 | B:1
    """)
    desk.trade(12)
    assert desk.stops() == table("""
            buy | price | sell
                |    10 | A:1 B:1
    """)


def test_a_replaced_stop_stays_reserved_at_its_check_price(desk: Desk) -> None:
    """The price 0 that a STOP is replaced at is none: its lots stay reserved at the price that it was checked at."""
    desk.stop(BUY, 3, 12, "A")
    desk.replace("A", "B", 5, at=7)
    desk.tick()
    assert desk.money() == AccountRow(1, 1, 0, 5 * 12)
