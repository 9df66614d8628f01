"""Market data by example: each action once, where it stands among what the owners are told, and snapshots.

A change is shown as: number, action, ClOrdID, side, lots@price -> what it shows then, the level's lots/orders, the best
of its side lots@price, then what applies of: trade number and price, top, hidden, snapshot.
"""

from __future__ import annotations

from protocols.codes import (
    BookAction,
    BookFlag,
    CommandFlag,
    Kind,
    OutcomeFlag,
    OutcomeType,
    Reason,
    SelfTradeMode,
    Side,
    Tif,
    TradingState,
)
from tests.twin.compiled import CompiledCore
from tests.twin.records import Outcome, make_command
from tests.twin.scenario import BUY, CAPACITIES, SELL, USD, Desk, open_desk, stp

WITH_FEED = int(CommandFlag.MARKET_DATA)


def redefine(desk: Desk, flags: int) -> list[Outcome]:
    """Define instrument 1 again, with market data or without."""
    units = {"price_ticks": 1, "qty_lots": 1, "aux0": 1, "orig2": USD}
    return desk.send(make_command(Kind.INSTRUMENT, cl="ACME", instrument=1, flags=flags, **units))


def open_feed() -> Desk:
    """Return a desk at the compiled core with market data on for its instrument."""
    desk = open_desk(CompiledCore(**CAPACITIES))
    redefine(desk, WITH_FEED)
    return desk


def request(desk: Desk, session: int = 1, instrument: int = 1) -> list[Outcome]:
    """Ask for a book."""
    return desk.send(make_command(Kind.BOOK_REQUEST, session=session, instrument=instrument))


def change(desk: Desk, told: Outcome) -> str:
    """Show a BOOK outcome as a line."""
    names = {order_id: name for name, order_id in desk.ids.items()}
    side = Side(told.side).name.lower()
    parts = [
        f"{told.orig0} {BookAction(told.reason).name.lower()} {names[told.order_id]} {side}",
        f"{told.qty_lots}@{told.price_ticks} -> {told.leaves_lots}",
        f"level {told.cum_lots}/{told.account}",
        f"best {told.cl1}@{told.cl0}",
    ]
    if told.trade_index:
        parts.append(f"trade {told.trade_index} at {told.orig1}")
    parts += [flag.name.lower() for flag in BookFlag if told.flags & flag and flag.name]
    return ", ".join(parts)


def show(desk: Desk, outcomes: list[Outcome]) -> list[str]:
    """Show changes as lines, other outcomes by type and ClOrdID."""
    names = {order_id: name for name, order_id in desk.ids.items()}
    return [
        change(desk, told)
        if told.type == OutcomeType.BOOK
        else f"{OutcomeType(told.type).name.lower()} {names.get(told.order_id, '-')}"
        for told in outcomes
    ]


def test_add_stands_behind_the_acceptance() -> None:
    """What rests of a new order is an ADD, after its own outcomes; behind the best it is not TOP."""
    desk = open_feed()
    assert show(desk, desk.buy(5, at=10, cl="A")) == [
        "accepted A",
        "1 add A buy, 5@10 -> 5, level 5/1, best 5@10, top",
    ]
    assert show(desk, desk.buy(2, at=10, cl="B"))[1] == "2 add B buy, 2@10 -> 2, level 7/2, best 7@10, top"
    assert show(desk, desk.buy(3, at=9, cl="C"))[1] == "3 add C buy, 3@9 -> 3, level 3/1, best 7@10"
    assert show(desk, desk.sell(4, at=12, cl="S"))[1] == "4 add S sell, 4@12 -> 4, level 4/1, best 4@12, top"


def test_execute_stands_behind_each_makers_fill() -> None:
    """Each trade has one EXECUTE, at the price of the level; a maker whose shown lots are used up is gone with it."""
    desk = open_feed()
    desk.sell(3, at=10, cl="A")
    desk.sell(3, at=10, cl="B")
    desk.sell(9, at=11, cl="C")
    assert show(desk, desk.buy(8, at=11, cl="T")) == [
        "accepted T",
        "filled T",
        "filled A",
        "4 execute A sell, 3@10 -> 0, level 3/1, best 3@10, trade 1 at 10, top",
        "filled T",
        "filled B",
        "5 execute B sell, 3@10 -> 0, level 0/0, best 9@11, trade 2 at 10, top",
        "filled T",
        "filled C",
        "6 execute C sell, 2@11 -> 7, level 7/1, best 7@11, trade 3 at 11, top",
    ]
    assert show(desk, desk.buy(9, at=11, cl="U"))[-2:] == [
        "7 execute C sell, 7@11 -> 0, level 0/0, best 0@0, trade 1 at 11, top",
        "8 add U buy, 2@11 -> 2, level 2/1, best 2@11, top",
    ]


def test_execute_of_a_directed_trade_tells_both_prices() -> None:
    """A directed order trades at its own price: the level keeps that of the order, behind the best it is not TOP."""
    desk = open_feed()
    desk.sell(3, at=10, cl="A")
    desk.sell(3, at=12, cl="B")
    told = desk.directed(BUY, 1, 11, "T", order_id=desk.ids["B"])
    assert show(desk, told)[-1] == "3 execute B sell, 1@12 -> 2, level 2/1, best 3@10, trade 1 at 11"


def test_a_refill_is_an_add() -> None:
    """An iceberg shows a part; when that is executed it is gone, then it comes back at the end of its level."""
    desk = open_feed()
    assert show(desk, desk.iceberg(SELL, 5, 10, "I", display=2))[1] == (
        "1 add I sell, 2@10 -> 2, level 2/1, best 2@10, top"
    )
    assert show(desk, desk.buy(2, at=10, cl="T"))[3:] == [
        "2 execute I sell, 2@10 -> 0, level 0/0, best 0@0, trade 1 at 10, top",
        "3 add I sell, 2@10 -> 2, level 2/1, best 2@10, top",
    ]
    desk.sell(4, at=10, cl="A")
    desk.sell(4, at=11, cl="B")
    assert show(desk, desk.buy(2, at=10, cl="U"))[3:] == [
        "6 execute I sell, 2@10 -> 0, level 4/1, best 4@10, trade 1 at 10, top",
        "7 add I sell, 1@10 -> 1, level 5/2, best 5@10, top",
    ]


def test_reduce_tells_shown_lots_only() -> None:
    """Lots that an order loses are told as far as they showed; hidden ones go first and say nothing."""
    desk = open_feed()
    desk.buy(5, at=10, cl="A")
    assert show(desk, desk.reduce("A", 2))[1:] == ["2 reduce A buy, 2@10 -> 3, level 3/1, best 3@10, top"]
    told = desk.replace("A", "A2", 1, 10)
    assert show(desk, told)[1:] == ["3 reduce A buy, 2@10 -> 1, level 1/1, best 1@10, top"]
    desk.iceberg(BUY, 6, 9, "I", display=2)
    assert show(desk, desk.reduce("I", 4)) == ["replaced I"]
    assert show(desk, desk.reduce("I", 1))[1:] == ["5 reduce I buy, 1@9 -> 1, level 1/1, best 1@10"]


def test_delete_stands_behind_the_cancellation() -> None:
    """An order that is cancelled, mass cancelled or expires is a DELETE, with what it showed."""
    desk = open_feed()
    desk.buy(5, at=10, cl="A")
    desk.buy(4, at=9, cl="B")
    assert show(desk, desk.cancel("A")) == [
        "cancelled A",
        "3 delete A buy, 5@10 -> 0, level 0/0, best 4@9, top",
    ]
    expiry = desk.time_of(desk.seq + 2)
    desk.until(SELL, 1, 12, "G", expiry=expiry)
    assert show(desk, desk.tick()) == ["expired G", "5 delete G sell, 1@12 -> 0, level 0/0, best 0@0, top"]
    assert show(desk, desk.mass_cancel()) == [
        "cancelled B",
        "6 delete B buy, 4@9 -> 0, level 0/0, best 0@0, top",
        "mass_cancelled -",
    ]


def test_replace_leaves_and_comes_back() -> None:
    """A replaced order that loses its place is a REPLACE, then what it trades, then an ADD for what is left."""
    desk = open_feed()
    desk.buy(5, at=9, cl="A")
    desk.sell(2, at=10, cl="S")
    assert show(desk, desk.replace("A", "A2", 5, 10)) == [
        "replaced A",
        "3 replace A buy, 5@9 -> 0, level 0/0, best 0@0, top",
        "filled A",
        "filled S",
        "4 execute S sell, 2@10 -> 0, level 0/0, best 0@0, trade 1 at 10, top",
        "5 add A buy, 3@10 -> 3, level 3/1, best 3@10, top",
    ]


def test_self_trades_that_are_prevented() -> None:
    """A maker that is cancelled is a DELETE; one that loses lots to a decrement is a REDUCE."""
    desk = open_feed()
    desk.sell(5, at=10, cl="A", **stp(1))
    told = desk.buy(2, at=10, cl="T", **stp(1, SelfTradeMode.DECREMENT))
    assert show(desk, told) == [
        "accepted T",
        "cancelled T",
        "replaced A",
        "2 reduce A sell, 2@10 -> 3, level 3/1, best 3@10, top",
    ]
    told = desk.buy(1, at=10, cl="U", **stp(1, SelfTradeMode.OLDEST))
    assert show(desk, told) == [
        "accepted U",
        "cancelled A",
        "3 delete A sell, 3@10 -> 0, level 0/0, best 0@0, top",
        "4 add U buy, 1@10 -> 1, level 1/1, best 1@10, top",
    ]


def test_stops_show_when_they_are_elected() -> None:
    """A stop order that waits is not told; elected, its trades and what rests of it are."""
    desk = open_feed()
    assert show(desk, desk.stop(BUY, 5, 11, "P", limit=12)) == ["accepted P"]
    assert show(desk, desk.cancel("P")) == ["cancelled P"]
    desk.stop(BUY, 5, 11, "Q", limit=12)
    desk.sell(1, at=11, cl="S")
    assert show(desk, desk.buy(1, at=11, cl="T"))[3:] == [
        "2 execute S sell, 1@11 -> 0, level 0/0, best 0@0, trade 1 at 11, top",
        "triggered Q",
        "3 add Q buy, 5@12 -> 5, level 5/1, best 5@12, top",
    ]


def shown_states(outcomes: list[Outcome]) -> list[tuple[str, int, int, int]]:
    """Return type, number, price and quantity of what the instrument tells of itself."""
    return [
        (OutcomeType(told.type).name.lower(), told.orig0, told.price_ticks, told.qty_lots)
        for told in outcomes
        if OutcomeType.STATE_CHANGED <= told.type <= OutcomeType.INDICATION
    ]


def test_an_auction_is_told_in_one_sequence() -> None:
    """States, indications, the uncross and both sides of its trades have numbers; hidden lots are told apart."""
    desk = open_feed()
    assert shown_states(desk.state(TradingState.OPENING_AUCTION)) == [
        ("state_changed", 1, 0, TradingState.OPENING_AUCTION),
        ("indication", 2, 0, 0),
    ]
    told = desk.iceberg(BUY, 10, 10, "I", display=3)
    assert show(desk, told) == ["accepted I", "3 add I buy, 3@10 -> 3, level 3/1, best 3@10, top"]
    told = desk.sell(9, at=9, cl="S")
    assert show(desk, told)[:2] == ["accepted S", "4 add S sell, 9@9 -> 9, level 9/1, best 9@9, top"]
    assert shown_states(told) == [("indication", 5, 10, 9)]
    told = desk.state(TradingState.CONTINUOUS)
    assert show(desk, told) == [
        "uncrossed -",
        "filled I",
        "7 execute I buy, 7@10 -> 3, level 3/1, best 3@10, trade 1 at 10, hidden",
        "8 execute I buy, 2@10 -> 1, level 1/1, best 1@10, trade 1 at 10, top",
        "filled S",
        "9 execute S sell, 9@9 -> 0, level 0/0, best 0@0, trade 1 at 10, top",
        "state_changed -",
        "accepted -",
    ]
    assert shown_states(told) == [("uncrossed", 6, 10, 9), ("state_changed", 10, 0, TradingState.CONTINUOUS)]


def test_market_orders_show_in_an_auction() -> None:
    """They are the best level of their side, at a price that no limit has; what is left of them is a DELETE."""
    desk = open_feed()
    desk.trade(at=9)
    desk.state(TradingState.OPENING_AUCTION)
    desk.sell(1, at=9, cl="S")
    most = 2**63 - 1
    told = desk.market(BUY, 3, "M", tif=Tif.GTC)
    assert show(desk, told)[1] == f"6 add M buy, 3@{most} -> 3, level 3/1, best 3@{most}, top"
    told = desk.state(TradingState.CONTINUOUS)
    assert [line for line in show(desk, told) if " M " in line] == [
        f"9 execute M buy, 1@{most} -> 2, level 2/1, best 2@{most}, trade 1 at 9, top",
        f"11 delete M buy, 2@{most} -> 0, level 0/0, best 0@0, top",
    ]


def test_orders_that_wait_show_when_they_are_released() -> None:
    """An order at the close is told when it enters the book, behind its TRIGGERED."""
    desk = open_feed()
    assert show(desk, desk.at_close(BUY, 5, 10, "C")) == ["accepted C"]
    told = desk.state(TradingState.CLOSING_AUCTION)
    assert show(desk, told)[:3] == [
        "state_changed -",
        "triggered C",
        "2 add C buy, 5@10 -> 5, level 5/1, best 5@10, top",
    ]
    told = request(desk)
    assert told[0].leaves_lots == TradingState.CLOSING_AUCTION and told[0].qty_lots == 1


def test_states_have_no_numbers_without_market_data() -> None:
    """They are told all the same, as number 0."""
    desk = open_desk(CompiledCore(**CAPACITIES))
    assert [line[:2] for line in shown_states(desk.state(TradingState.HALT))] == [("state_changed", 0)]


def test_a_snapshot_goes_to_who_asked() -> None:
    """ACCEPTED tells how many orders follow, the last number and price; then come buys, then sells, in order."""
    desk = open_feed()
    for cl, qty, price in (("A", 5, 10), ("B", 4, 9), ("C", 3, 10)):
        desk.buy(qty, at=price, cl=cl)
    desk.iceberg(SELL, 5, 12, "S", display=2)
    desk.buy(1, at=12, cl="T")
    told = request(desk)
    answer = told[0]
    assert (answer.type, answer.qty_lots, answer.orig0, answer.price_ticks) == (
        OutcomeType.ACCEPTED,
        4,
        5,
        12,
    )
    assert answer.flags == OutcomeFlag.ANSWER and answer.cum_lots == 1
    assert show(desk, told[1:]) == [
        "5 add A buy, 5@10 -> 5, level 8/2, best 8@10, snapshot",
        "5 add C buy, 3@10 -> 3, level 8/2, best 8@10, snapshot",
        "5 add B buy, 4@9 -> 4, level 4/1, best 8@10, snapshot",
        "5 add S sell, 1@12 -> 1, level 1/1, best 1@12, snapshot",
    ]
    assert [outcome.session for outcome in told] == [1] * 5
    assert show(desk, desk.cancel("B"))[1].startswith("6 delete B"), "a snapshot takes no number"


def test_a_book_is_told_on_request_without_market_data() -> None:
    """The number of the last change is 0 then, and the answer says that no changes will come."""
    desk = open_desk(CompiledCore(**CAPACITIES))
    assert show(desk, desk.buy(5, at=10, cl="A")) == ["accepted A"]
    told = request(desk)
    assert (told[0].qty_lots, told[0].orig0, told[0].cum_lots) == (1, 0, 0)
    assert show(desk, told[1:]) == ["0 add A buy, 5@10 -> 5, level 5/1, best 5@10, snapshot"]


def test_requests_that_risk_refuses() -> None:
    """A session that is not open, an instrument that nobody has defined."""
    desk = open_feed()
    for fields, reason in (
        ({"session": 2}, Reason.UNKNOWN_SESSION),
        ({"instrument": 2}, Reason.UNKNOWN_INSTRUMENT),
        ({"instrument": 0}, Reason.UNKNOWN_INSTRUMENT),
        ({"instrument": -1}, Reason.UNKNOWN_INSTRUMENT),
    ):
        (told,) = request(desk, **fields)
        assert (told.type, told.reason) == (OutcomeType.REJECTED, reason)
        assert told.flags == OutcomeFlag.ANSWER | OutcomeFlag.RISK


def test_turned_off_and_on_again() -> None:
    """What happens meanwhile is missing: a number is left out, so that whoever followed the feed sees a gap."""
    desk = open_feed()
    desk.buy(5, at=10, cl="A")
    redefine(desk, 0)
    assert show(desk, desk.buy(1, at=10, cl="B")) == ["accepted B"]
    redefine(desk, WITH_FEED)
    redefine(desk, WITH_FEED)
    assert show(desk, desk.buy(1, at=10, cl="C"))[1].startswith("3 add C")


def test_turned_on_over_orders_that_rest() -> None:
    """Who begins with an empty book must see that it is not: number 1 is left out."""
    desk = open_desk(CompiledCore(**CAPACITIES))
    desk.buy(5, at=10, cl="A")
    redefine(desk, WITH_FEED)
    assert show(desk, desk.buy(1, at=10, cl="B"))[1].startswith("2 add B")
