"""Trading states, by example: what each lets in, and what entering it ends: ``docs/trading-states.md``."""

from __future__ import annotations

from typing import Any

import pytest

from protocols.codes import CommandFlag, Kind, OrdType, OutcomeFlag, OutcomeType, Reason, Tif, TradingState
from tests.stages.rules.controls import define_firm
from tests.twin.records import make_command
from tests.twin.scenario import ANSWER, BUY, BY_RISK, NOT_TAKEN, SELL, Desk, MakeDesk, lines, reason, stp
from tests.twin.view import table

pytestmark = pytest.mark.jitoff

CONTINUOUS, PRE_OPEN = TradingState.CONTINUOUS, TradingState.PRE_OPEN
OPENING, VOLATILITY = TradingState.OPENING_AUCTION, TradingState.VOLATILITY_AUCTION
CLOSING, HALT, CLOSED = TradingState.CLOSING_AUCTION, TradingState.HALT, TradingState.CLOSED
CALLS = [PRE_OPEN, OPENING, VOLATILITY, CLOSING]
SHUT = [(HALT, Reason.TRADING_HALTED), (CLOSED, Reason.MARKET_CLOSED)]
LARGEST = 2**63 - 1


def enter(desk: Desk, *states: int) -> list[str]:
    """Let instrument 1 enter states; show what the last one did before its answer."""
    for state in states:
        told = desk.state(state)
    return lines(told)[:-1]


# The command


@pytest.mark.parametrize("to", list(TradingState))
def test_state_command(desk: Desk, to: TradingState) -> None:
    """STATE is told as STATE_CHANGED and then accepted; the state that it is already is only accepted."""
    told = desk.state(to)
    assert (told[-1].type, told[-1].flags, told[-1].instrument) == (OutcomeType.ACCEPTED, ANSWER, 1)
    changes = [outcome for outcome in told if outcome.type == OutcomeType.STATE_CHANGED]
    assert [(c.qty_lots, c.leaves_lots) for c in changes] == ([(to, CONTINUOUS)] if to != CONTINUOUS else [])
    for change in changes:
        assert (change.instrument, change.kind, change.input_seq) == (1, Kind.STATE, desk.seq)
        names = (
            "order_id",
            "price_ticks",
            "cum_lots",
            "account",
            "session",
            "side",
            "flags",
            "reason",
            "trade_index",
        )
        assert [getattr(change, name) for name in names] == [0] * len(names)
        assert (change.cl, change.orig) == ((0, 0, 0), (0, 0, 0))
    assert lines(desk.state(to)) == ["accepted 0@0 leaves 0 cum 0"]
    assert desk.core.dump_markets() == {1: (to, 0, 0, 0)}


@pytest.mark.parametrize(("fields", "expected"), [
    ({"to": 0}, Reason.INVALID_COMMAND),
    ({"to": 8}, Reason.INVALID_COMMAND),
    ({"to": 255}, Reason.INVALID_COMMAND),
    ({"to": HALT, "instrument": 2}, Reason.UNKNOWN_INSTRUMENT),
    ({"to": HALT, "instrument": -1}, Reason.UNKNOWN_INSTRUMENT),
    ({"to": 0, "instrument": 2}, Reason.UNKNOWN_INSTRUMENT),
    ({"to": 8, "instrument": 0}, Reason.INVALID_COMMAND),
])  # fmt: skip
def test_wrong_states(desk: Desk, fields: dict[str, int], expected: Reason) -> None:
    """An unknown instrument, then a state that is none, are refused by risk, and change nothing."""
    told = desk.state(**fields)
    assert reason(told) is expected
    assert told[0].flags == BY_RISK
    assert desk.market_state() is CONTINUOUS


def test_a_group_changes_together(desk: Desk) -> None:
    """Without an instrument all known ones of the group change, in ascending order; a group without any is fine."""
    desk.instrument(3, "THREE", account=5)
    desk.instrument(2, "TWO", account=5)
    told = desk.state(HALT, instrument=0, account=5)
    assert [(outcome.instrument, outcome.type) for outcome in told] == [
        (2, OutcomeType.STATE_CHANGED), (3, OutcomeType.STATE_CHANGED), (0, OutcomeType.ACCEPTED),
    ]  # fmt: skip
    assert {i: market[:2] for i, market in desk.core.dump_markets().items()} == {
        1: (1, 0),
        2: (6, 5),
        3: (6, 5),
    }
    for group in (4, -1, 2**31 - 1):
        assert lines(desk.state(CLOSED, instrument=0, account=group)) == ["accepted 0@0 leaves 0 cum 0"]


def test_a_group_may_change(desk: Desk) -> None:
    """A second definition changes the group, but not the state."""
    desk.instrument(2, "TWO", account=1, ord_type=HALT)
    assert desk.core.dump_markets()[2] == (HALT, 1, 0, 0)
    desk.instrument(2, "TWO", account=2**31 - 1, ord_type=255)
    assert desk.core.dump_markets()[2] == (HALT, 2**31 - 1, 0, 0)
    assert reason(desk.instrument(2, "TWO", account=-1)) is Reason.INVALID_COMMAND


@pytest.mark.parametrize("begins", [0, *TradingState, 8, 255])
def test_where_an_instrument_begins(desk: Desk, begins: int) -> None:
    """A new instrument begins in the state that it names, without entering it, in CONTINUOUS if it names none."""
    told = desk.instrument(2, "TWO", ord_type=begins)
    assert len(told) == 1
    if begins > CLOSED:
        assert reason(told) is Reason.INVALID_COMMAND
        assert 2 not in desk.core.dump_markets()
    else:
        assert desk.market_state(2) == (begins or CONTINUOUS)


# NEW and REPLACE


@pytest.mark.parametrize(("state", "why"), SHUT)
def test_shut_states_take_no_orders(desk: Desk, state: int, why: Reason) -> None:
    """In HALT and in CLOSED new and replaced orders are rejected, whatever else is wrong with them."""
    desk.instrument(1, high=50)
    desk.buy(2, at=10, cl="A")
    desk.at_close(BUY, 1, 9, "W")
    enter(desk, state)
    orders: list[dict[str, Any]] = [{}, {"tif": Tif.FOK}, {"tif": Tif.OPEN}, {"tif": Tif.CLOSE}]
    orders.append({"ord_type": OrdType.TRAILING_STOP, "aux0": 1})
    for number, fields in enumerate(orders):
        told = desk.buy(1, at=10, cl=f"N{number}", **fields)
        assert (reason(told), told[0].flags) == (why, NOT_TAKEN)
    assert reason(desk.directed(SELL, 1, 10, "D", order_id=2)) is why
    told = desk.replace("A", "A2", 5, at=11)
    assert (reason(told), told[0].leaves_lots, told[0].flags) == (why, 2, ANSWER)
    assert reason(desk.replace("A", "A3", 1, at=11, instrument=1, side=BUY)) is why
    if state == HALT:
        assert reason(desk.replace("W", "W2", 5, at=11)) is why
    assert reason(desk.replace("X", "X2", 5, at=11)) is Reason.UNKNOWN_ORDER


@pytest.mark.parametrize("state", list(TradingState))
def test_requests_work_in_every_state(desk: Desk, state: int) -> None:
    """STATUS, REDUCE, CANCEL and MASS_CANCEL are carried out in every state."""
    for cl in ("A", "B", "C"):
        desk.buy(3, at=10, cl=cl)
    enter(desk, state)
    assert lines(desk.status("A", "S"))[0] == "status S 3@10 leaves 3 cum 0 was A"
    assert lines(desk.reduce("A", 1, "R"))[0] == "replaced R 2@10 leaves 2 cum 0 was A"
    assert lines(desk.cancel("B", "X"))[0] == "cancelled X 3@10 leaves 0 cum 0 was B CLIENT_REQUEST"
    assert desk.mass_cancel()[2].qty_lots == 2
    assert desk.book() == "empty"


@pytest.mark.parametrize("state", CALLS)
@pytest.mark.parametrize("fields", [
    {"tif": Tif.IOC}, {"tif": Tif.FOK}, {"flags": CommandFlag.POST_ONLY}, {"flags": CommandFlag.POST_REPRICE},
    {"orig0": 1}, {"ord_type": OrdType.DIRECTED, "order_id": 1}, {"ord_type": OrdType.MARKET, "tif": Tif.IOC},
])  # fmt: skip
def test_what_calls_do_not_take(desk: Desk, state: int, fields: dict[str, int]) -> None:
    """Orders that want to trade now, or not to trade now, or at least so much now, have no place in a call."""
    desk.instrument(1, high=50)
    enter(desk, state)
    told = desk.buy(2, at=10, cl="A", **fields)
    assert (reason(told), told[0].flags, told[0].leaves_lots) == (Reason.WRONG_TRADING_STATE, NOT_TAKEN, 0)
    desk.tick()
    assert desk.money().open_orders == 0


@pytest.mark.parametrize("state", list(TradingState))
@pytest.mark.parametrize("at", [0, 10])
def test_where_orders_at_the_open_are_taken(desk: Desk, state: int, at: int) -> None:
    """OPEN is for PRE_OPEN and the opening auction, as a limit or a market order."""
    desk.instrument(1, high=50)
    enter(desk, state)
    shut = dict(SHUT).get(TradingState(state), Reason.WRONG_TRADING_STATE)
    assert reason(desk.at_open(BUY, 1, at, "A")[:1]) is (
        Reason.NONE if state in (PRE_OPEN, OPENING) else shut
    )


@pytest.mark.parametrize("state", [CONTINUOUS, *CALLS])
@pytest.mark.parametrize("at", [0, 10])
def test_where_orders_at_the_close_wait(desk: Desk, state: int, at: int) -> None:
    """CLOSE is taken wherever anything is, and waits apart until the closing auction."""
    desk.instrument(1, high=50)
    enter(desk, state)
    told = desk.at_close(SELL, 3, at, "A")
    assert lines(told)[0] == f"accepted A 3@{at} leaves 3 cum 0"
    assert [(row.side, row.price) for row in desk.core.dump_books()] == [
        (SELL if state == CLOSING else 6, at)
    ]


@pytest.mark.parametrize("state", CALLS)
def test_orders_rest_in_calls(desk: Desk, state: int) -> None:
    """In a call orders rest without trading, crossed or not, an iceberg with what it shows, BOOK_ONLY too."""
    enter(desk, state)
    desk.buy(3, at=10, cl="A")
    desk.sell(2, at=9, cl="B", account=2)
    desk.iceberg(SELL, 5, 9, "I", display=2)
    desk.buy(1, at=9, cl="D", flags=CommandFlag.BOOK_ONLY)
    desk.sell(1, at=10, cl="E", **stp(1))
    assert desk.book() == table("""
        buy | price | sell
        A:3 |    10 | E:1
        D:1 |     9 | B:2 I:2+3
    """)
    assert desk.core.dump_last_prices() == {}


def test_market_orders_stand_before_all_limits(desk: Desk) -> None:
    """MARKET orders that rest or wait have levels of their own, first come first served, and tell price 0."""
    desk.instrument(1, high=50)
    enter(desk, PRE_OPEN)
    for cl, tif in (("A", Tif.GTC), ("B", Tif.DAY), ("C", Tif.OPEN), ("W", Tif.CLOSE)):
        told = desk.market(BUY, 1, cl, tif=tif, at=77)
        assert lines(told) == [f"accepted {cl} 1@0 leaves 1 cum 0"]
    desk.sell(1, at=50, cl="L")
    desk.market(SELL, 2, "S", tif=Tif.GTD, aux1=LARGEST)
    rows = [(row.side, row.price, row.limit) for row in desk.core.dump_books()]
    assert rows == [(1, LARGEST, 0)] * 3 + [(2, 0, 0), (2, 50, 0), (5, LARGEST, 0)]


def test_a_market_order_does_not_expire_by_time(make_desk: MakeDesk) -> None:
    """GTD means nothing for a MARKET order: it neither ends by time nor needs room among those that do."""
    desk = make_desk(max_specials=1)
    desk.instrument(1, high=50)
    enter(desk, PRE_OPEN)
    for cl in ("A", "B"):
        desk.market(BUY, 1, cl, tif=Tif.GTD, aux1=desk.time_of(desk.seq + 2))
    assert reason(desk.until(BUY, 1, 10, "C", expiry=desk.time_of(desk.seq + 2))) is Reason.NONE
    assert lines(desk.tick()) == ["expired C 1@10 leaves 0 cum 0 GTD_EXPIRED"]
    assert desk.core.dump_books()[0].price == LARGEST


@pytest.mark.parametrize(("capacities", "fields"), [
    ({"max_orders": 2}, {}), ({"max_levels": 2}, {}), ({"max_orders": 2}, {"ord_type": OrdType.MARKET}),
    ({"max_levels": 2}, {"ord_type": OrdType.MARKET}), ({"max_levels": 2}, {"tif": Tif.CLOSE}),
    ({"max_levels": 2}, {"tif": Tif.CLOSE, "ord_type": OrdType.MARKET}), ({"max_orders": 2}, {"tif": Tif.OPEN}),
    ({"max_levels": 2}, {"ord_type": OrdType.TRAILING_STOP, "aux0": 1}),
])  # fmt: skip
def test_room_in_calls(make_desk: MakeDesk, capacities: dict[str, int], fields: dict[str, int]) -> None:
    """In a call each order needs room, MARKET orders too, before a trailing stop needs a price."""
    desk = make_desk(max_accounts=2, **{"max_specials": 2, **capacities})
    desk.instrument(1, high=50)
    enter(desk, PRE_OPEN)
    desk.buy(1, at=10, cl="A")
    desk.buy(1, at=9, cl="B")
    desk.tick()
    told = desk.sell(1, at=9, cl="C", **fields)
    # risk has as many orders as matching: with max_orders it is the first to say no
    assert reason(told) is Reason.NO_ROOM
    assert told[0].flags == (BY_RISK | OutcomeFlag.NEW if "max_orders" in capacities else NOT_TAKEN)
    desk.cancel("B", "X")
    expected = Reason.NO_REFERENCE_PRICE if fields.get("ord_type") == OrdType.TRAILING_STOP else Reason.NONE
    assert reason(desk.sell(1, at=9, cl="D", **fields)) is expected


def test_room_at_the_close_in_continuous(make_desk: MakeDesk) -> None:
    """An order at the close needs room in CONTINUOUS as well, MARKET orders too."""
    desk = make_desk(max_levels=1)
    desk.instrument(1, high=50)
    assert reason(desk.at_close(BUY, 1, 10, "A")) is Reason.NONE
    for at in (0, 10):
        told = desk.at_close(SELL, 1, at, f"B{at}")
        assert (reason(told), told[0].flags) == (Reason.NO_ROOM, NOT_TAKEN)


def test_replace_in_a_call(desk: Desk) -> None:
    """A replaced order rests at its new price without trading; fewer lots at the same price keep the place."""
    enter(desk, PRE_OPEN)
    desk.sell(2, at=10, cl="S", account=2)
    for cl in ("A", "B"):
        desk.buy(3, at=9, cl=cl)
    assert lines(desk.replace("A", "A2", 2, at=9)) == ["replaced A2 2@9 leaves 2 cum 0 was A"]
    assert lines(desk.replace("B", "B2", 2, at=11)) == ["replaced B2 2@11 leaves 2 cum 0 was B"]
    desk.buy(1, at=9, cl="C")
    desk.replace("A2", "A3", 2, at=9)  # as many lots: to the end
    assert desk.book() == table("""
            buy | price | sell
            B:2 |    11 |
                |    10 | S:2
        C:1 A:2 |     9 |
    """)


def test_replace_of_a_market_order(desk: Desk) -> None:
    """Only the quantity of a MARKET order changes: fewer lots keep the place, as many or more go to the end."""
    desk.instrument(1, high=50)
    enter(desk, PRE_OPEN)
    for cl in ("A", "B"):
        desk.market(BUY, 3, cl, tif=Tif.GTC)
    assert lines(desk.replace("A", "A2", 2, at=40)) == ["replaced A2 2@0 leaves 2 cum 0 was A"]
    assert [row.order_id for row in desk.core.dump_books()] == [desk.ids["A"], desk.ids["B"]]
    assert lines(desk.replace("A2", "A3", 4, at=-5)) == ["replaced A3 4@0 leaves 4 cum 0 was A2"]
    assert [row.order_id for row in desk.core.dump_books()] == [desk.ids["B"], desk.ids["A"]]
    assert reason(desk.replace("A3", "A4", 4, at=0, flags=CommandFlag.OFF_TICK)) is Reason.PRICE_NOT_ON_TICK


@pytest.mark.parametrize("flag", [CommandFlag.POST_ONLY, CommandFlag.POST_REPRICE])
def test_replace_of_posted_orders_in_a_call(desk: Desk, flag: CommandFlag) -> None:
    """In a call POST_ONLY and POST_REPRICE are not looked at: the replaced order crosses."""
    desk.sell(1, at=10, cl="S", account=2)
    desk.buy(1, at=9, cl="A", flags=flag)
    enter(desk, PRE_OPEN)
    assert lines(desk.replace("A", "A2", 1, at=12)) == ["replaced A2 1@12 leaves 1 cum 0 was A"]


def test_replace_of_an_order_that_waits(make_desk: MakeDesk) -> None:
    """In CONTINUOUS an order that waits changes where it waits, never trades, and needs a level to move."""
    desk = make_desk(max_levels=3)
    desk.instrument(1, high=50)
    desk.at_close(BUY, 2, 10, "A")
    desk.at_close(BUY, 2, 10, "B")
    desk.sell(5, at=9, cl="S", account=2)
    assert lines(desk.replace("A", "A2", 3, at=10)) == ["replaced A2 3@10 leaves 3 cum 0 was A"]
    assert lines(desk.replace("B", "B2", 1, at=11)) == ["replaced B2 1@11 leaves 1 cum 0 was B"]
    assert desk.waiting() == table("""
        buy | price | sell
        B:1 |    11 |
        A:3 |    10 |
    """)
    assert reason(desk.replace("A2", "A3", 3, at=12)) is Reason.NO_ROOM
    assert reason(desk.replace("A2", "A4", 2, at=10)) is Reason.NONE


def test_directed_does_not_find_who_waits(desk: Desk) -> None:
    """An order that waits is no target of a directed order."""
    desk.at_close(BUY, 2, 10, "A")
    assert reason(desk.directed(SELL, 1, 10, "D", orig="A")) is Reason.UNKNOWN_ORDER


# Stop orders


@pytest.mark.parametrize("state", CALLS)
def test_no_elections_in_calls(desk: Desk, state: int) -> None:
    """In a call stop orders enter and change without being elected; CONTINUOUS elects them on entering."""
    desk.trade(10)
    enter(desk, state)
    desk.stop(BUY, 1, 9, "A", limit=8)
    desk.stop(SELL, 1, 3, "B", limit=12)
    desk.replace("B", "B2", 1, at=12, aux0=15)
    assert [(row.side, row.price, row.limit) for row in desk.core.dump_books()] == [(3, 9, 8), (4, 15, 12)]
    told = enter(desk, CONTINUOUS)
    assert told[-3:] == [
        f"CONTINUOUS after {state.name}",
        "triggered A 1@8 leaves 1 cum 0",
        "triggered B2 1@12 leaves 1 cum 0",
    ]
    assert desk.stops() == "empty"


def test_trailing_stops_follow_in_continuous_only(desk: Desk) -> None:
    """A price that an auction leaves behind when it closes moves trailing stops only once trading is continuous."""
    desk.trade(10)
    desk.stop(SELL, 1, 0, "T", trail=2)
    enter(desk, OPENING)
    desk.buy(1, at=20, cl="A", account=2)
    desk.sell(1, at=20, cl="B", account=2)
    enter(desk, CLOSED)
    assert desk.core.dump_last_prices() == {1: 20}
    assert [row.price for row in desk.core.dump_books()] == [8]
    enter(desk, PRE_OPEN)
    desk.stop(SELL, 1, 0, "U", trail=1)
    enter(desk, CONTINUOUS)
    assert [row.price for row in desk.core.dump_books()] == [19, 18]


def test_a_trailing_stop_that_came_in_a_call_is_looked_at(desk: Desk) -> None:
    """A trailing stop of a call follows even to the price that others saw before the call."""
    desk.trade(10)
    enter(desk, OPENING)
    desk.buy(1, at=20, cl="A", account=2)
    desk.sell(1, at=20, cl="B", account=2)
    enter(desk, CLOSED, OPENING)
    desk.stop(BUY, 1, 0, "T", trail=3)
    desk.buy(1, at=10, cl="C", account=2)
    desk.sell(1, at=10, cl="D", account=2)
    assert [row.price for row in desk.core.dump_books() if row.side == 3] == [23]
    enter(desk, CONTINUOUS)
    assert desk.core.dump_last_prices() == {1: 10}
    assert [row.price for row in desk.core.dump_books()] == [13]


# What ends


def fill_a_call(desk: Desk, *, opening: bool) -> None:
    """Rest one order of each time in force and type that a call takes, none of which trade with another."""
    desk.instrument(1, high=50)
    desk.buy(1, at=10, cl="GTC")
    desk.buy(1, at=10, cl="DAY", tif=Tif.DAY)
    desk.market(BUY, 1, "MARKET", tif=Tif.GTC)
    desk.market(BUY, 1, "MDAY", tif=Tif.DAY)
    if opening:
        desk.at_open(BUY, 1, 10, "OPEN")
    desk.at_close(BUY, 1, 9, "CLOSE")
    desk.at_close(BUY, 1, 0, "MCLOSE")
    desk.stop(BUY, 1, 40, "SDAY", tif=Tif.DAY)


ROOMY = {"max_orders": 12, "max_levels": 12, "max_cl_ord_ids": 40}
REMAIN, DAY_ENDED = "AUCTION_REMAINDER", "DAY_ENDED"


@pytest.mark.parametrize(("state", "ended"), [
    (CONTINUOUS, [("MARKET", REMAIN), ("MDAY", REMAIN), ("OPEN", REMAIN)]),
    (PRE_OPEN, []),
    (VOLATILITY, [("OPEN", REMAIN)]),
    (CLOSING, [("OPEN", REMAIN)]),
    (HALT, []),
    (CLOSED, [("MARKET", REMAIN), ("MDAY", REMAIN), ("DAY", DAY_ENDED), ("OPEN", REMAIN), ("SDAY", DAY_ENDED),
              ("MCLOSE", REMAIN), ("CLOSE", REMAIN)]),
])  # fmt: skip
def test_what_ends_after_the_opening_auction(
    make_desk: MakeDesk, state: int, ended: list[tuple[str, str]]
) -> None:
    """What a state has no place for expires before STATE_CHANGED, in the order of a mass cancel, unsolicited."""
    desk = make_desk(**ROOMY)
    enter(desk, OPENING)
    fill_a_call(desk, opening=True)
    told = desk.state(state)
    expired = [outcome for outcome in told if outcome.type == OutcomeType.EXPIRED]
    expected = []
    for cl, why in ended:
        price = {"MARKET": 0, "MDAY": 0, "MCLOSE": 0, "SDAY": 0, "CLOSE": 9}.get(cl, 10)
        expected.append(f"expired {cl} 1@{price} leaves 0 cum 0 {why}")
    assert lines(expired) == expected
    assert {outcome.flags for outcome in expired} <= {OutcomeFlag.UNSOLICITED}
    shown = lines(told)
    change = shown.index(f"{TradingState(state).name} after OPENING_AUCTION")
    assert not expired or shown.index(expected[-1]) == change - 1
    desk.tick()
    assert desk.money().open_orders == 8 - len(ended)


@pytest.mark.parametrize(("state", "ended"), [
    (CONTINUOUS, ["MARKET", "MDAY", "MCLOSE", "CLOSE"]), (HALT, []), (PRE_OPEN, []), (VOLATILITY, []), (OPENING, []),
    (CLOSED, ["MARKET", "MDAY", "MCLOSE", "DAY", "CLOSE", "SDAY"]),
])  # fmt: skip
def test_what_ends_after_the_closing_auction(make_desk: MakeDesk, state: int, ended: list[str]) -> None:
    """Orders at the close that took part in the closing auction end with it, but not in a pause of it."""
    desk = make_desk(**ROOMY)
    enter(desk, CLOSING)
    fill_a_call(desk, opening=False)
    names = {order_id: name for name, order_id in desk.ids.items()}
    told = desk.state(state)
    assert [names[outcome.order_id] for outcome in told if outcome.type == OutcomeType.EXPIRED] == ended


def test_other_instruments_are_left_alone(desk: Desk) -> None:
    """What one instrument's close ends is its own."""
    desk.instrument(2, "TWO")
    desk.buy(1, at=10, cl="A", tif=Tif.DAY)
    desk.buy(1, at=10, cl="B", tif=Tif.DAY, instrument=2)
    assert enter(desk, CLOSED) == ["expired A 1@10 leaves 0 cum 0 DAY_ENDED", "CLOSED after CONTINUOUS"]
    assert desk.book(2) != "empty"


def test_expiries_in_shut_states(desk: Desk) -> None:
    """Orders with GTD expire in every state."""
    desk.until(BUY, 1, 10, "A", expiry=desk.time_of(desk.seq + 3))
    enter(desk, CLOSED)
    assert lines(desk.tick()) == ["expired A 1@10 leaves 0 cum 0 GTD_EXPIRED"]


# The closing auction


def test_who_waits_enters_the_closing_auction(desk: Desk) -> None:
    """Entering the closing auction lets in waiting buys, then sells, best first, each at the end of its level."""
    desk.instrument(1, high=50)
    desk.buy(1, at=10, cl="R")
    desk.at_close(SELL, 2, 12, "S1")
    desk.at_close(BUY, 3, 10, "B1")
    desk.at_close(BUY, 4, 0, "B2")
    desk.at_close(SELL, 5, 11, "S2")
    told = desk.state(CLOSING)
    assert lines(told) == [
        "CLOSING_AUCTION after CONTINUOUS",
        "triggered B2 4@0 leaves 4 cum 0",
        "triggered B1 3@10 leaves 3 cum 0",
        "triggered S2 5@11 leaves 5 cum 0",
        "triggered S1 2@12 leaves 2 cum 0",
        "indication 4@11 surplus 1 to sell",
        "accepted 0@0 leaves 0 cum 0",
    ]
    assert {outcome.flags for outcome in told[1:5]} == {OutcomeFlag.UNSOLICITED}
    assert desk.waiting() == "empty"
    assert "R:1 B1:3" in desk.book()


def test_who_waits_fits_where_levels_are_full(make_desk: MakeDesk) -> None:
    """Orders that wait find their levels in the closing auction even if all levels are in use."""
    desk = make_desk(max_levels=2)
    for cl in ("A", "B"):
        desk.at_close(BUY, 1, 10, cl)
    desk.at_close(BUY, 1, 11, "C")
    enter(desk, CLOSING)
    assert desk.book() == table("""
            buy | price | sell
            C:1 |    11 |
        A:1 B:1 |    10 |
    """)


def test_mass_cancel_and_session_close_take_who_waits(desk: Desk) -> None:
    """Waiting buys, then waiting sells, come after the stop orders; the filter of sides counts for them."""
    desk.instrument(1, high=50)
    desk.open_session("GW1", cancel_on_close=True)
    for cl, side in (("S1", SELL), ("B1", BUY)):
        desk.at_close(side, 1, 10, cl)
    desk.stop(SELL, 1, 5, "ST")
    desk.buy(1, at=9, cl="A")
    assert lines(desk.mass_cancel(side=SELL))[:-1] == [
        "cancelled ST 1@0 leaves 0 cum 0 MASS_CANCEL",
        "cancelled S1 1@10 leaves 0 cum 0 MASS_CANCEL",
    ]
    assert lines(desk.close_session(1))[:-1] == [
        "cancelled A 1@9 leaves 0 cum 0 DISCONNECTED",
        "cancelled B1 1@10 leaves 0 cum 0 DISCONNECTED",
    ]


# Firms


@pytest.mark.parametrize(
    ("firm", "cancelled"), [(0, "A B"), (1, "A"), (2, "B"), (3, ""), (-1, ""), (2**32 + 1, "")]
)
def test_mass_cancel_by_firm(desk: Desk, firm: int, cancelled: str) -> None:
    """A firm's mass cancel takes the orders of the accounts that belong to it now."""
    for number in (1, 2, 3):
        define_firm(desk, number)
    desk.account(1, "ALICE", firm=3)
    desk.account(2, "BOB", firm=2)
    desk.account(1, "ALICE", firm=1)
    desk.buy(1, at=10, cl="A")
    desk.buy(1, at=10, cl="B", account=2)
    told = desk.mass_cancel(aux0=firm)
    names = {order_id: name for name, order_id in desk.ids.items()}
    assert " ".join(names[outcome.order_id] for outcome in told[:-1]) == cancelled


def test_firms_are_checked(desk: Desk) -> None:
    """A firm is 0 or known; an account that is refused keeps its own."""
    define_firm(desk, 4)
    assert reason(desk.account(1, "ALICE", firm=-1)) is Reason.INVALID_COMMAND
    assert reason(desk.account(1, "OTHER", firm=4)) is Reason.INVALID_COMMAND
    assert reason(desk.account(1, "ALICE", firm=2**31 - 1)) is Reason.UNKNOWN_FIRM
    assert reason(desk.account(1, "ALICE", firm=4)) is Reason.NONE
    desk.buy(1, at=10, cl="A")
    assert len(desk.mass_cancel(aux0=4)) == 2


@pytest.mark.parametrize(("fields", "expected"), [
    ({"ord_type": OrdType.STOP, "aux0": 5}, Reason.UNSUPPORTED_TIF),
    ({"ord_type": OrdType.STOP_LIMIT, "aux0": 5}, Reason.UNSUPPORTED_TIF),
    ({"ord_type": OrdType.TRAILING_STOP, "aux0": 5}, Reason.UNSUPPORTED_TIF),
    ({"ord_type": OrdType.DIRECTED, "order_id": 1}, Reason.UNSUPPORTED_TIF),
    ({"flags": CommandFlag.BOOK_ONLY}, Reason.UNSUPPORTED_ORDER_TYPE),
    ({"flags": CommandFlag.POST_ONLY}, Reason.UNSUPPORTED_ORDER_TYPE),
    ({"flags": CommandFlag.POST_REPRICE}, Reason.UNSUPPORTED_ORDER_TYPE),
    ({"order_id": 1}, Reason.INVALID_DISPLAY_QTY),
    ({"orig0": 1}, Reason.INVALID_MIN_QTY),
    ({"ord_type": OrdType.MARKET, "orig0": 1}, Reason.INVALID_MIN_QTY),
    ({"ord_type": OrdType.MARKET, "order_id": 1}, Reason.INVALID_DISPLAY_QTY),
    ({**stp(1)}, Reason.NONE),
    ({"ord_type": OrdType.MARKET, "price_ticks": 0}, Reason.NONE),
])  # fmt: skip
@pytest.mark.parametrize("tif", [Tif.OPEN, Tif.CLOSE])
def test_what_auction_orders_may_be(desk: Desk, tif: Tif, fields: dict[str, Any], expected: Reason) -> None:
    """OPEN and CLOSE are for limit and market orders, without a display, a minimum or a posting flag."""
    desk.instrument(1, high=50)
    enter(desk, OPENING)
    order = {
        "session": 1,
        "account": 1,
        "instrument": 1,
        "side": BUY,
        "qty_lots": 2,
        "price_ticks": 10,
        "cl": "A",
    }
    order |= {"ord_type": OrdType.LIMIT, "tif": tif, **fields}
    told = desk.send(make_command(Kind.NEW, **order))
    assert reason(told[:1]) is expected


# What risk reserves


def test_what_a_market_order_reserves(desk: Desk) -> None:
    """A MARKET order that rests reserves at its check price, which a REPLACE may raise; the auction price is paid."""
    desk.instrument(1, high=50)
    enter(desk, OPENING)
    desk.market(BUY, 3, "A", tif=Tif.GTC)
    assert desk.money().reserved_buy == 150
    desk.instrument(1, high=60)
    desk.replace("A", "A2", 4, at=0)
    desk.tick()
    assert desk.money().reserved_buy == 240
    desk.instrument(1, high=20)
    desk.replace("A2", "A3", 2, at=0)
    desk.tick()
    assert desk.money().reserved_buy == 120
    desk.sell(1, at=10, cl="S", account=2)
    enter(desk, CONTINUOUS)
    desk.tick()
    assert (desk.money().open_orders, desk.money().reserved_buy, desk.money().cash) == (0, 0, -10)


def test_who_waits_is_reserved(desk: Desk) -> None:
    """An order at the close counts as open and reserves while it waits."""
    desk.at_close(BUY, 3, 10, "A")
    desk.tick()
    assert (desk.money().open_orders, desk.money().reserved_buy, desk.position().open_buy) == (1, 30, 3)
    enter(desk, CLOSED)
    desk.tick()
    assert (desk.money().open_orders, desk.money().reserved_buy, desk.position().open_buy) == (0, 0, 0)


def test_a_market_order_needs_a_check_price(desk: Desk) -> None:
    """Without a highest price and a last trade price there is nothing to check and reserve a MARKET order at."""
    enter(desk, OPENING)
    for tif in (Tif.GTC, Tif.OPEN, Tif.CLOSE):
        assert reason(desk.market(SELL, 1, f"M{tif}", tif=tif)) is Reason.NO_REFERENCE_PRICE
