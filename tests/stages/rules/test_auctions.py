"""Uncrosses and indications, by example: the price, the trades, what is told: ``docs/trading-states.md``."""

from __future__ import annotations

import pytest

from protocols.codes import BandMode, CommandFlag, OutcomeFlag, OutcomeType, Side, Tif, TradingState
from tests.twin.records import Outcome
from tests.twin.scenario import BUY, SELL, Desk, MakeDesk, lines, stp
from tests.twin.view import PositionRow, table

pytestmark = pytest.mark.jitoff

CONTINUOUS, PRE_OPEN = TradingState.CONTINUOUS, TradingState.PRE_OPEN
OPENING, VOLATILITY = TradingState.OPENING_AUCTION, TradingState.VOLATILITY_AUCTION
CLOSING, HALT, CLOSED = TradingState.CLOSING_AUCTION, TradingState.HALT, TradingState.CLOSED
ROOMY = {"max_orders": 16, "max_levels": 16, "max_cl_ord_ids": 64}


def rest(desk: Desk, buys: str, sells: str) -> None:
    """Rest orders in a call: "3@10 1@M" are three lots at 10 and one at the market."""
    for side, orders in ((BUY, buys), (SELL, sells)):
        for text in orders.split():
            qty, at = text.split("@")
            cl = f"{'B' if side == BUY else 'S'}{at}-{desk.seq}"
            if at == "M":
                desk.market(side, int(qty), cl, tif=Tif.GTC, account=side)
            else:
                desk.new(side, int(qty), int(at), cl, account=side)


def uncross(desk: Desk, to: int = CONTINUOUS) -> tuple[int, int, int, int]:
    """Let instrument 1 enter a state; return what UNCROSSED told: price, volume, surplus, its side."""
    told = [outcome for outcome in desk.state(to) if outcome.type == OutcomeType.UNCROSSED]
    assert len(told) == 1
    return (told[0].price_ticks, told[0].qty_lots, told[0].leaves_lots, told[0].side)


def indications(told: list[Outcome]) -> list[str]:
    """Show the indications among outcomes."""
    return lines([outcome for outcome in told if outcome.type == OutcomeType.INDICATION])


# The price


@pytest.mark.parametrize(("reference", "buys", "sells", "expected"), [
    # volume
    (0, "2@12 3@11 5@10", "4@9 3@10 2@11", (10, 7, 3, BUY)),
    (0, "1@12", "1@8", (8, 1, 0, 0)),
    (0, "5@10", "5@10", (10, 5, 0, 0)),
    (0, "5@10", "5@11", (0, 0, 0, 0)),
    (0, "5@10", "", (0, 0, 0, 0)),
    (0, "", "5@10", (0, 0, 0, 0)),
    (0, "", "", (0, 0, 0, 0)),
    # the smallest surplus among equal volumes: 4 trade at 9, 10 and 11, most buys are at 9
    (0, "4@11 3@9", "4@9", (11, 4, 0, 0)),
    (0, "4@11 2@10", "4@9 5@12", (11, 4, 0, 0)),
    # pressure: more to buy takes the highest, more to sell the lowest
    (0, "5@11", "3@9", (11, 3, 2, BUY)),
    (0, "3@11", "5@9", (9, 3, 2, SELL)),
    (9, "5@11", "3@9", (11, 3, 2, BUY)),
    (11, "3@11", "5@9", (9, 3, 2, SELL)),
    # the reference price where nothing is left over, or where pressures differ
    (0, "4@11", "4@9", (9, 4, 0, 0)),
    (8, "4@11", "4@9", (9, 4, 0, 0)),
    (9, "4@11", "4@9", (9, 4, 0, 0)),
    (10, "4@11", "4@9", (10, 4, 0, 0)),
    (11, "4@11", "4@9", (11, 4, 0, 0)),
    (12, "4@11", "4@9", (11, 4, 0, 0)),
    (0, "2@11 2@9", "2@9 2@11", (9, 2, 2, BUY)),
    (10, "2@11 2@9", "2@9 2@11", (10, 2, 0, 0)),
    (20, "2@11 2@9", "2@9 2@11", (11, 2, 2, SELL)),
    # MARKET orders count at every price
    (0, "3@M", "3@10", (10, 3, 0, 0)),
    (0, "3@10", "3@M", (10, 3, 0, 0)),
    (0, "2@M 3@10", "4@9", (10, 4, 1, BUY)),
    (0, "2@10 3@9", "4@M", (9, 4, 1, BUY)),
    (0, "1@M", "1@M 2@10", (10, 1, 2, SELL)),
    # MARKET orders only: the reference price
    (10, "3@M", "2@M", (10, 2, 1, BUY)),
    (10, "2@M", "3@M", (10, 2, 1, SELL)),
    (10, "3@M", "", (0, 0, 0, 0)),
    (10, "", "3@M", (0, 0, 0, 0)),
    (0, "3@M", "2@M", (0, 0, 0, 0)),
])  # fmt: skip
def test_the_price(
    make_desk: MakeDesk, reference: int, buys: str, sells: str, expected: tuple[int, int, int, int]
) -> None:
    """Most volume, then the least surplus, then the side with pressure, then the reference price decide."""
    desk = make_desk(**ROOMY)
    desk.instrument(1, high=50)
    if reference:
        desk.trade(reference)
    desk.state(OPENING)
    rest(desk, buys, sells)
    assert uncross(desk) == expected


@pytest.mark.parametrize("price", [1, 2**60])
def test_prices_at_the_ends(desk: Desk, price: int) -> None:
    """The lowest price and the highest that any limit of an account allows are auction prices like others."""
    desk.state(OPENING)
    desk.sell(1, at=price, cl="S", account=2)
    assert indications(desk.buy(1, at=price, cl="B")) == [f"indication 1@{price} surplus 0"]
    assert uncross(desk) == (price, 1, 0, 0)
    desk.tick()
    assert desk.money(1).cash == -price


def test_sums_end_at_two_to_the_sixty_two(make_desk: MakeDesk) -> None:
    """Lots beyond 2^62 on a side do not count, and do not trade in this uncross."""
    desk = make_desk(max_accounts=12, max_positions=12, max_orders=16, max_cl_ord_ids=64)
    most = 2**60
    for account in range(3, 11):
        desk.account(account, f"ACCOUNT{account}")
        desk.limits(most, account)
    desk.state(OPENING)
    for account in range(1, 11):
        told = desk.new(BUY if account <= 5 else SELL, most, 1, f"O{account}", account=account)
    assert indications(told) == []
    assert indications(desk.cancel("O10")) == []
    assert indications(desk.cancel("O9")) == [f"indication {3 * most}@1 surplus {most} to buy"]
    desk.sell(most, at=1, cl="P9", account=9)
    desk.sell(most, at=1, cl="P10", account=10)
    assert uncross(desk) == (1, 4 * most, 0, 0)
    assert desk.book() == table(f"""
                           buy | price | sell
        O5:{most} |     1 | P10:{most}
    """.replace("                           buy", f"        {'buy':>{len(f'O5:{most}')}}"))  # fmt: skip


# The trades


def test_trades_of_an_uncross(desk: Desk) -> None:
    """The first buy trades with the first sell at one price, MARKET before limits; a fill tells no role."""
    desk.instrument(1, high=50)
    desk.state(OPENING)
    desk.buy(3, at=10, cl="A")
    desk.buy(2, at=12, cl="B")
    desk.market(BUY, 1, "M", tif=Tif.GTC)
    desk.sell(2, at=10, cl="S", account=2)
    desk.sell(3, at=9, cl="T", account=2)
    told = desk.state(CONTINUOUS)
    assert lines(told) == [
        "uncrossed 5@10 surplus 1 to buy",
        "filled M 1@10 leaves 0 cum 1 in auction trade 1",
        "filled T 1@10 leaves 2 cum 1 in auction trade 1",
        "filled B 2@10 leaves 0 cum 2 in auction trade 2",
        "filled T 2@10 leaves 0 cum 3 in auction trade 2",
        "filled A 2@10 leaves 1 cum 2 in auction trade 3",
        "filled S 2@10 leaves 0 cum 2 in auction trade 3",
        "CONTINUOUS after OPENING_AUCTION",
        "accepted 0@0 leaves 0 cum 0",
    ]
    fills = [outcome for outcome in told if outcome.type == OutcomeType.FILLED]
    assert {outcome.flags for outcome in fills} == {OutcomeFlag.AUCTION}
    assert [outcome.side for outcome in fills] == [BUY, SELL] * 3
    names = ("order_id", "cum_lots", "account", "session", "flags", "reason", "trade_index")
    assert [getattr(told[0], name) for name in names] == [0] * len(names)
    assert (told[0].cl, told[0].orig, told[0].instrument) == ((0, 0, 0), (0, 0, 0), 1)
    assert desk.core.dump_last_prices() == {1: 10}
    assert desk.core.dump_markets()[1][2] == 10  # the reference of the static band
    desk.tick()
    assert desk.position(1) == PositionRow(1, 1, 5, 1, 0)
    assert desk.position(2) == PositionRow(2, 1, -5, 0, 0)
    assert [(account.open_orders, account.reserved_buy, account.cash) for account in desk.core.dump_accounts()] == [
        (1, 10, -50), (0, 0, 50),
    ]  # fmt: skip


def test_a_partial_fill_keeps_its_place(desk: Desk) -> None:
    """An order that trades in part stays in front of its level."""
    desk.state(OPENING)
    for cl in ("A", "B"):
        desk.buy(3, at=10, cl=cl)
    desk.sell(2, at=10, cl="S", account=2)
    desk.state(CONTINUOUS)
    assert desk.book() == table("""
            buy | price | sell
        A:1 B:3 |    10 |
    """)


@pytest.mark.parametrize(
    ("sold", "left"), [(2, "I:2+2 B:1"), (3, "I:2+1 B:1"), (4, "I:2 B:1"), (5, "I:1 B:1"), (6, "B:1")]
)
def test_icebergs_in_an_uncross(desk: Desk, sold: int, left: str) -> None:
    """All lots of an iceberg take part at its place; it loses hidden ones first."""
    desk.state(OPENING)
    desk.iceberg(BUY, 6, 10, "I", display=2)
    desk.buy(1, at=10, cl="B")
    told = desk.sell(sold, at=10, cl="S", account=2)
    assert indications(told) == [f"indication {sold}@10 surplus {7 - sold} to buy"]
    desk.state(CONTINUOUS)
    assert left in desk.book()


@pytest.mark.parametrize("mode", [1, 2, 3, 4])
def test_self_trade_groups_do_not_act(desk: Desk, mode: int) -> None:
    """In an uncross orders of one self-trade group trade."""
    desk.state(OPENING)
    desk.buy(1, at=10, cl="A", **stp(5, mode))
    desk.sell(1, at=10, cl="B", **stp(5, mode))
    assert uncross(desk) == (10, 1, 0, 0)
    assert desk.book() == "empty"


def test_stops_and_who_waits_take_no_part(desk: Desk) -> None:
    """Stop orders and orders at the close that wait are no part of an uncross."""
    desk.instrument(1, high=50)
    desk.state(OPENING)
    desk.at_close(BUY, 5, 0, "W")
    desk.stop(BUY, 5, 9, "X", limit=20)
    assert indications(desk.sell(1, at=10, cl="S")) == []
    assert uncross(desk) == (0, 0, 0, 0)


def test_an_uncross_elects(desk: Desk) -> None:
    """The auction price elects stop orders on entering CONTINUOUS, and their trades are numbered on."""
    desk.state(OPENING)
    desk.stop(BUY, 1, 10, "X", limit=11)
    desk.buy(1, at=10, cl="A")
    desk.sell(1, at=10, cl="B", account=2)
    desk.sell(1, at=11, cl="C", account=2)
    assert lines(desk.state(CONTINUOUS))[1:-1] == [
        "filled A 1@10 leaves 0 cum 1 in auction trade 1",
        "filled B 1@10 leaves 0 cum 1 in auction trade 1",
        "CONTINUOUS after OPENING_AUCTION",
        "triggered X 1@11 leaves 1 cum 0",
        "filled X 1@11 leaves 0 cum 1 taker of trade 2",
        "filled C 1@11 leaves 0 cum 1 maker of trade 2",
    ]


def test_trades_of_a_group_are_numbered_through(desk: Desk) -> None:
    """Two instruments that uncross with one command number their trades through, one instrument after the other."""
    desk.instrument(2, "TWO")
    desk.state(OPENING, instrument=0)
    for instrument in (2, 1):
        desk.buy(1, at=10, cl=f"B{instrument}", instrument=instrument)
        desk.sell(1, at=10, cl=f"S{instrument}", instrument=instrument)
    told = desk.state(CONTINUOUS, instrument=0)
    numbers = [(outcome.instrument, outcome.trade_index) for outcome in told if outcome.trade_index]
    assert numbers == [(1, 1), (1, 1), (2, 2), (2, 2)]


# When an uncross takes place


@pytest.mark.parametrize("start", [PRE_OPEN, OPENING, VOLATILITY, CLOSING, HALT, CLOSED])
@pytest.mark.parametrize("to", list(TradingState))
def test_when_an_uncross_takes_place(desk: Desk, start: int, to: int) -> None:
    """Entering CONTINUOUS uncrosses always, entering CLOSED after an auction; else a crossed book stays crossed."""
    desk.state(PRE_OPEN)
    desk.buy(1, at=10, cl="A")
    desk.sell(1, at=10, cl="B")
    desk.state(start)
    shown = lines(desk.state(to))
    auctions = (OPENING, VOLATILITY, CLOSING)
    if start != to and (to == CONTINUOUS or (to == CLOSED and start in auctions)):
        assert shown[0] == "uncrossed 1@10 surplus 0"
        assert desk.book() == "empty"
    else:
        assert not any(line.startswith("uncrossed") for line in shown)
        assert "A:1" in desk.book()


@pytest.mark.parametrize("start", [PRE_OPEN, OPENING, VOLATILITY, CLOSING, HALT, CLOSED])
def test_an_auction_without_trades_is_told(desk: Desk, start: int) -> None:
    """An auction in which nothing trades is told with zeros; other states in which nothing trades are not."""
    desk.state(start)
    told = lines(desk.state(CONTINUOUS))
    expected = ["uncrossed 0@0 surplus 0"] if start in (OPENING, VOLATILITY, CLOSING) else []
    assert told[:-2] == expected


def test_a_book_that_book_only_crossed_is_uncrossed(desk: Desk) -> None:
    """A pause in trading uncrosses what BOOK_ONLY crossed."""
    desk.buy(1, at=11, cl="A")
    desk.sell(1, at=10, cl="B", flags=CommandFlag.BOOK_ONLY, account=2)
    desk.state(HALT)
    assert lines(desk.state(CONTINUOUS))[0] == "uncrossed 1@10 surplus 0"


# Orders at the open and at the close


def test_life_of_an_order_at_the_open(desk: Desk) -> None:
    """An order at the open trades in the opening auction, and what is left of it ends with the auction."""
    desk.instrument(1, high=50)
    desk.state(PRE_OPEN)
    desk.at_open(BUY, 3, 0, "A")
    desk.at_open(BUY, 2, 10, "B")
    desk.state(OPENING)
    desk.sell(4, at=10, cl="S", account=2)
    assert lines(desk.state(CONTINUOUS)) == [
        "uncrossed 4@10 surplus 1 to buy",
        "filled A 3@10 leaves 0 cum 3 in auction trade 1",
        "filled S 3@10 leaves 1 cum 3 in auction trade 1",
        "filled B 1@10 leaves 1 cum 1 in auction trade 2",
        "filled S 1@10 leaves 0 cum 4 in auction trade 2",
        "expired B 1@10 leaves 0 cum 1 AUCTION_REMAINDER",
        "CONTINUOUS after OPENING_AUCTION",
        "accepted 0@0 leaves 0 cum 0",
    ]
    desk.tick()
    assert desk.money().open_orders == 0


def test_life_of_an_order_at_the_close(desk: Desk) -> None:
    """An order at the close waits through the day, trades in the closing auction, and ends with the market."""
    desk.instrument(1, high=50)
    desk.at_close(BUY, 3, 0, "A")
    desk.state(OPENING)
    desk.state(CONTINUOUS)
    desk.state(HALT)
    desk.state(VOLATILITY)
    assert desk.waiting() != "empty"
    desk.state(CLOSING)
    desk.sell(2, at=10, cl="S", account=2)
    assert lines(desk.state(CLOSED)) == [
        "uncrossed 2@10 surplus 1 to buy",
        "filled A 2@10 leaves 1 cum 2 in auction trade 1",
        "filled S 2@10 leaves 0 cum 2 in auction trade 1",
        "expired A 1@0 leaves 0 cum 2 AUCTION_REMAINDER",
        "CLOSED after CLOSING_AUCTION",
        "accepted 0@0 leaves 0 cum 0",
    ]


def test_a_paused_closing_auction_goes_on(desk: Desk) -> None:
    """Who entered the closing auction stays in the book when it is halted, and does not wait again."""
    desk.at_close(BUY, 3, 10, "A")
    desk.state(CLOSING)
    desk.state(HALT)
    desk.state(CLOSING)
    assert "A:3" in desk.book()
    desk.state(PRE_OPEN)
    assert "A:3" in desk.book()
    assert lines(desk.state(CONTINUOUS))[0] == "expired A 3@10 leaves 0 cum 0 AUCTION_REMAINDER"


# Indications


def test_indications(desk: Desk) -> None:
    """Each change that an uncross would feel is indicated after all else; what would tell the same is not."""
    told = desk.state(OPENING)
    assert lines(told)[1:] == ["indication 0@0 surplus 0", "accepted 0@0 leaves 0 cum 0"]
    assert lines(desk.buy(3, at=10, cl="A")) == ["accepted A 3@10 leaves 3 cum 0"]
    told = desk.sell(2, at=9, cl="B", account=2)
    assert lines(told) == ["accepted B 2@9 leaves 2 cum 0", "indication 2@10 surplus 1 to buy"]
    names = ("order_id", "cum_lots", "account", "session", "flags", "reason", "trade_index")
    assert [getattr(told[1], name) for name in names] == [0] * len(names)
    assert (told[1].side, told[1].instrument, told[1].index) == (BUY, 1, 1)
    assert indications(desk.buy(1, at=8, cl="C")) == []
    assert indications(desk.reduce("A", 1)) == ["indication 2@9 surplus 0"]
    assert indications(desk.replace("C", "C2", 1, at=9)) == ["indication 2@10 surplus 0"]
    assert indications(desk.status("A")) == []
    assert indications(desk.sell(1, at=7, cl="B")) == []  # rejected
    assert indications(desk.cancel("B")) == ["indication 0@0 surplus 0"]


def test_indications_of_what_expires(desk: Desk) -> None:
    """What expires is indicated before the command's own outcomes, what the command does after them."""
    desk.state(OPENING)
    desk.sell(5, at=10, cl="S", account=2)
    desk.until(BUY, 2, 10, "G", expiry=desk.time_of(desk.seq + 3))
    desk.buy(1, at=10, cl="A")
    assert lines(desk.buy(1, at=10, cl="B")) == [
        "expired G 2@10 leaves 0 cum 0 GTD_EXPIRED",
        "indication 1@10 surplus 4 to sell",
        "accepted B 1@10 leaves 1 cum 0",
        "indication 2@10 surplus 3 to sell",
    ]


def test_indications_of_many_instruments(desk: Desk) -> None:
    """One command that changes several auctions indicates them in ascending order, after its answer."""
    desk.instrument(2, "TWO")
    desk.open_session("GW1", cancel_on_close=True)
    desk.state(OPENING, instrument=0)
    for instrument in (2, 1):
        desk.buy(1, at=10, cl=f"B{instrument}", instrument=instrument)
        desk.sell(1, at=10, cl=f"S{instrument}", instrument=instrument)
    told = desk.close_session(1)
    assert [(outcome.type, outcome.instrument) for outcome in told[4:]] == [
        (OutcomeType.ACCEPTED, 0), (OutcomeType.INDICATION, 1), (OutcomeType.INDICATION, 2),
    ]  # fmt: skip


@pytest.mark.parametrize("state", [CONTINUOUS, PRE_OPEN, HALT, CLOSED])
def test_no_indications_without_an_auction(desk: Desk, state: int) -> None:
    """Only auctions are indicated."""
    desk.buy(3, at=10, cl="A")
    assert indications(desk.state(state)) == []
    assert indications(desk.cancel("A")) == []


def test_each_auction_begins_with_an_indication(desk: Desk) -> None:
    """Entering another auction indicates again, though it tells the same and whatever the interval is."""
    desk.bands(BandMode.NONE, interval_ns=10**6)
    desk.state(OPENING)
    for state in (CLOSING, VOLATILITY, OPENING):
        assert indications(desk.state(state)) == ["indication 0@0 surplus 0"]


def test_an_auction_that_was_not_entered(desk: Desk) -> None:
    """Where an instrument begins in an auction the first change is indicated at once, even if nothing trades."""
    desk.instrument(2, "TWO", ord_type=OPENING)
    desk.bands(BandMode.NONE, interval_ns=10**6, instrument=2)
    assert indications(desk.tick()) == []
    assert indications(desk.buy(1, at=10, cl="A", instrument=2)) == ["indication 0@0 surplus 0"]


@pytest.mark.parametrize(("waited", "expected"), [(13, []), (14, ["indication 2@10 surplus 1 to sell"])])
def test_indications_with_an_interval(desk: Desk, waited: int, expected: list[str]) -> None:
    """With an interval what changed too soon is told by the first command that is late enough, before its own."""
    desk.bands(BandMode.NONE, interval_ns=14 + 7 + 7)
    desk.state(OPENING)  # indicates
    told = desk.buy(2, at=10, cl="A")
    told += desk.sell(3, at=10, cl="B", account=2)
    assert indications(told) == []
    desk.wait(waited - 7 - 7 + 7)
    assert lines(desk.status("A"))[: len(expected)] == expected
    assert indications(desk.tick()) == ([] if expected else ["indication 2@10 surplus 1 to sell"])


def test_what_was_put_off_and_taken_back(desk: Desk) -> None:
    """A change that was undone before it could be told is not told."""
    desk.bands(BandMode.NONE, interval_ns=50)
    desk.state(OPENING)
    desk.buy(2, at=10, cl="A")
    desk.sell(3, at=10, cl="B", account=2)
    desk.cancel("B")
    desk.wait(100)
    assert lines(desk.tick()) == []
    assert indications(desk.sell(3, at=10, cl="C", account=2)) == ["indication 2@10 surplus 1 to sell"]


def test_what_was_put_off_is_forgotten_with_the_auction(desk: Desk) -> None:
    """When the auction ends there is nothing more to indicate."""
    desk.bands(BandMode.NONE, interval_ns=50)
    desk.state(OPENING)
    desk.buy(2, at=10, cl="A")
    desk.sell(3, at=10, cl="B", account=2)
    desk.state(HALT)
    desk.wait(100)
    assert lines(desk.tick()) == []


def test_a_shorter_interval_counts_at_once(desk: Desk) -> None:
    """BANDS with a shorter interval lets what was put off follow its own answer."""
    desk.bands(BandMode.NONE, interval_ns=1000)
    desk.state(OPENING)
    desk.buy(2, at=10, cl="A")
    desk.sell(2, at=10, cl="B", account=2)
    told = desk.bands(BandMode.NONE, interval_ns=1)
    assert [outcome.type for outcome in told] == [OutcomeType.ACCEPTED, OutcomeType.INDICATION]


def test_an_iceberg_is_indicated_with_all_its_lots(desk: Desk) -> None:
    """Hidden lots count, also when only they change."""
    desk.state(OPENING)
    desk.iceberg(SELL, 6, 10, "I", display=1, account=2)
    assert indications(desk.buy(6, at=10, cl="A")) == ["indication 6@10 surplus 0"]
    assert indications(desk.reduce("I", 2)) == ["indication 4@10 surplus 2 to buy"]


@pytest.mark.parametrize("side", list(Side))
def test_a_market_order_is_told_without_a_price(desk: Desk, side: Side) -> None:
    """A fill of a MARKET order has the auction price, its end the price 0."""
    desk.instrument(1, high=50)
    desk.state(OPENING)
    desk.market(side, 3, "M", tif=Tif.GTC)
    desk.new(3 - side, 2, 10, "L", account=2)
    shown = lines(desk.state(CONTINUOUS))
    assert "filled M 2@10 leaves 1 cum 2 in auction trade 1" in shown
    assert "expired M 1@0 leaves 0 cum 2 AUCTION_REMAINDER" in shown
