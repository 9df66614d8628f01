"""Price bands, by example: where an order stops, what becomes of it and of its market: ``docs/trading-states.md``."""

from __future__ import annotations

from typing import Any

import pytest

from protocols.codes import (
    BandMode,
    CommandFlag,
    Kind,
    OrdType,
    OutcomeFlag,
    OutcomeType,
    Reason,
    Tif,
    TradingState,
)
from tests.twin.records import Outcome, make_command
from tests.twin.scenario import BUY, BY_RISK, SELL, Desk, MakeDesk, lines, reason
from tests.twin.view import table

pytestmark = pytest.mark.jitoff

REJECT, HALT = BandMode.REJECT, BandMode.HALT
CONTINUOUS, VOLATILITY = TradingState.CONTINUOUS, TradingState.VOLATILITY_AUCTION
LARGEST = 2**63 - 1
OUT = "PRICE_OUT_OF_BAND"
CHANGED = "VOLATILITY_AUCTION after CONTINUOUS"


def offer(desk: Desk, *prices: int, side: int = SELL) -> None:
    """Rest one lot of account 2 at each price."""
    for price in prices:
        desk.new(side, 1, price, f"R{price % 10**9}-{side}", account=2)


def price_of_each_trade(told: list[Outcome]) -> list[int]:
    """Return the prices of trades."""
    return [outcome.price_ticks for outcome in told if outcome.flags & OutcomeFlag.TAKER]


# The command


@pytest.mark.parametrize("name", ["order_id", "orig0", "price_ticks", "aux0", "qty_lots"])
@pytest.mark.parametrize(("amount", "expected"), [
    (0, Reason.NONE), (2**60, Reason.NONE), (-1, Reason.INVALID_COMMAND), (2**60 + 1, Reason.INVALID_COMMAND),
    (LARGEST, Reason.INVALID_COMMAND), (-(2**63), Reason.INVALID_COMMAND),
])  # fmt: skip
def test_amounts(desk: Desk, name: str, amount: int, expected: Reason) -> None:
    """Widths, reference and times are 0 or more, up to 2^60."""
    command = make_command(Kind.BANDS, instrument=1, ord_type=REJECT, **{name: amount})
    told = desk.send(command)
    assert reason(told) is expected
    assert not expected or told[0].flags == BY_RISK


@pytest.mark.parametrize(("fields", "expected"), [
    ({"mode": 0}, Reason.NONE), ({"mode": 1}, Reason.NONE), ({"mode": 2}, Reason.NONE),
    ({"mode": 3}, Reason.INVALID_COMMAND), ({"mode": 255}, Reason.INVALID_COMMAND),
    ({"instrument": 0}, Reason.UNKNOWN_INSTRUMENT), ({"instrument": 2, "mode": 3}, Reason.UNKNOWN_INSTRUMENT),
])  # fmt: skip
def test_modes(desk: Desk, fields: dict[str, int], expected: Reason) -> None:
    """The instrument is known, and the mode none, REJECT or HALT."""
    assert reason(desk.bands(**fields)) is expected


def test_a_reference_of_zero_keeps_what_there_is(desk: Desk) -> None:
    """BANDS sets all anew but a reference that it does not name."""
    desk.bands(REJECT, static=2, reference=10)
    desk.bands(HALT, static=3)
    assert desk.core.dump_markets()[1] == (CONTINUOUS, 0, 10, 0)
    desk.bands(HALT, reference=2**60)
    assert desk.core.dump_markets()[1][2] == 2**60


# Where an order stops


@pytest.mark.parametrize(("static", "dynamic", "traded"), [
    (0, 0, [10, 11, 12, 13, 14]),
    (2, 0, [10, 11, 12]),  # around 10
    (0, 2, [10, 11, 12, 13]),  # around 11
    (2, 2, [10, 11, 12]),
    (4, 2, [10, 11, 12, 13]),
    (1, 9, [10, 11]),
])  # fmt: skip
@pytest.mark.parametrize("side", [BUY, SELL])
def test_the_nearer_edge(
    make_desk: MakeDesk, side: int, static: int, dynamic: int, traded: list[int]
) -> None:
    """An order trades up to the nearer of both edges, the edges included, on either side."""
    desk = make_desk(max_orders=12, max_levels=12)
    mirror = 0 if side == BUY else 20
    prices = [abs(mirror - price) for price in (10, 11, 12, 13, 14)]
    desk.trade(abs(mirror - 11))
    desk.bands(REJECT, static=static, dynamic=dynamic, reference=10)
    offer(desk, *prices, side=3 - side)
    told = desk.new(side, 5, prices[-1], "A")
    assert price_of_each_trade(told) == [abs(mirror - price) for price in traded]
    if len(traded) < 5:
        assert lines(told)[-1] == f"expired A {5 - len(traded)}@{prices[-1]} leaves 0 cum {len(traded)} {OUT}"
        assert told[-1].flags == 0


def test_bands_without_a_reference_are_not_there(desk: Desk) -> None:
    """Before the first trade there is no dynamic band, before an auction or a BANDS that names one no static one."""
    desk.bands(REJECT, static=1, dynamic=1)
    offer(desk, 10, 20, 30)
    assert price_of_each_trade(desk.buy(3, at=30, cl="A")) == [10, 20, 30]


def test_mode_none_has_no_bands(desk: Desk) -> None:
    """With mode 0 widths and reference mean nothing."""
    desk.bands(BandMode.NONE, static=1, dynamic=1, reference=10)
    offer(desk, 15)
    assert price_of_each_trade(desk.buy(1, at=15, cl="A")) == [15]


def test_the_dynamic_reference_stays_within_a_command(desk: Desk) -> None:
    """The dynamic band stands around the last price before the command, and moves with the next one."""
    desk.trade(10)
    desk.bands(REJECT, dynamic=2)
    offer(desk, 11, 12, 13)
    assert price_of_each_trade(desk.buy(3, at=13, cl="A")) == [11, 12]
    assert price_of_each_trade(desk.buy(1, at=13, cl="B")) == [13]


def test_elected_stops_share_the_reference_of_the_command(desk: Desk) -> None:
    """A stop order that is elected finds the dynamic band where it was when the command came."""
    desk.trade(10)
    desk.bands(REJECT, dynamic=1)
    desk.stop(BUY, 2, 11, "X", limit=13)
    offer(desk, 11, 12)
    told = desk.buy(1, at=11, cl="A")
    assert lines(told)[3:] == ["triggered X 2@13 leaves 2 cum 0", f"expired X 2@13 leaves 0 cum 0 {OUT}"]
    assert told[-1].flags == OutcomeFlag.UNSOLICITED


def test_the_auction_price_is_the_reference_of_its_command(desk: Desk) -> None:
    """In the command that uncrossed, elections find both bands around the auction price."""
    desk.trade(10)
    desk.bands(REJECT, static=1, dynamic=1, reference=10)
    desk.state(TradingState.OPENING_AUCTION)
    desk.stop(BUY, 2, 20, "X", limit=30)
    desk.buy(1, at=20, cl="A")
    offer(desk, 20, 21, 22)
    assert lines(desk.state(CONTINUOUS))[3:] == [
        "CONTINUOUS after OPENING_AUCTION",
        "triggered X 2@30 leaves 2 cum 0",
        "filled X 1@21 leaves 1 cum 1 taker of trade 2",
        "filled R21-2 1@21 leaves 0 cum 1 maker of trade 2",
        f"expired X 1@30 leaves 0 cum 1 {OUT}",
        "accepted 0@0 leaves 0 cum 0",
    ]
    assert desk.core.dump_markets()[1][2] == 20


def test_trades_in_continuous_leave_the_static_reference(desk: Desk) -> None:
    """Only an auction moves the static band."""
    desk.bands(REJECT, static=1, reference=10)
    offer(desk, 11, 12)
    desk.buy(1, at=11, cl="A")
    assert price_of_each_trade(desk.buy(1, at=12, cl="B")) == []
    assert desk.core.dump_markets()[1][2] == 10


@pytest.mark.parametrize(("side", "reference", "price"), [(BUY, 2**60, 2**60), (SELL, 1, 1)])
def test_edges_reach_as_far_as_int64_goes(desk: Desk, side: int, reference: int, price: int) -> None:
    """Edges of the widest bands around the ends of prices are beyond all prices, not at the other end."""
    desk.bands(REJECT, static=2**60, dynamic=2**60, reference=reference)
    offer(desk, price, side=3 - side)
    assert price_of_each_trade(desk.new(side, 1, price, "A")) == [price]


# Who breaches


@pytest.mark.parametrize(("fields", "last"), [
    ({}, f"expired A 2@13 leaves 0 cum 1 {OUT}"),
    ({"tif": Tif.DAY}, f"expired A 2@13 leaves 0 cum 1 {OUT}"),
    ({"tif": Tif.IOC}, f"expired A 2@13 leaves 0 cum 1 {OUT}"),
    ({"tif": Tif.FOK}, "expired A 3@13 leaves 0 cum 0 FOK_NOT_FILLABLE"),
    ({"orig0": 2}, "expired A 3@13 leaves 0 cum 0 MIN_QTY_NOT_MET"),
    ({"orig0": 1}, f"expired A 2@13 leaves 0 cum 1 {OUT}"),
    ({"order_id": 1}, f"expired A 2@13 leaves 0 cum 1 {OUT}"),
    ({"ord_type": OrdType.MARKET}, f"expired A 2@0 leaves 0 cum 1 {OUT}"),
    ({"flags": CommandFlag.BOOK_ONLY}, "accepted A 3@13 leaves 3 cum 0"),
    ({"flags": CommandFlag.POST_REPRICE}, "accepted A 3@10 leaves 3 cum 0"),
])  # fmt: skip
def test_who_breaches_in_mode_reject(desk: Desk, fields: dict[str, Any], last: str) -> None:
    """What is left of any order that would trade beyond an edge expires; FOK and minimum count what is within."""
    desk.trade(10)
    desk.bands(REJECT, dynamic=1)
    offer(desk, 11, 12)
    assert lines(desk.buy(3, at=13, cl="A", **fields))[-1] == last
    assert desk.market_state() is CONTINUOUS


def test_a_limit_within_the_band_rests(desk: Desk) -> None:
    """An order whose limit is not beyond the edge, or that meets nobody beyond it, breaches nothing."""
    desk.trade(10)
    desk.bands(HALT, dynamic=2)
    offer(desk, 11, 13)
    assert lines(desk.buy(2, at=12, cl="A"))[-1] == "filled R11-2 1@11 leaves 0 cum 1 maker of trade 1"
    desk.cancel("R13-2", session=1)
    desk.buy(1, at=99, cl="B")
    assert desk.book() == table("""
        buy | price | sell
        B:1 |    99 |
        A:1 |    12 |
    """)
    assert desk.market_state() is CONTINUOUS


def test_directed_trades_beyond_the_band(desk: Desk) -> None:
    """A directed order knows no bands."""
    desk.trade(10)
    desk.bands(HALT, dynamic=1)
    offer(desk, 20)
    assert price_of_each_trade(desk.directed(BUY, 1, 20, "A", orig="R20-2")) == [20]
    assert desk.market_state() is CONTINUOUS


@pytest.mark.parametrize(("protection", "why"), [(1, "PRICE_PROTECTION"), (2, OUT), (0, OUT)])
def test_protection_before_the_band(desk: Desk, protection: int, why: str) -> None:
    """A MARKET order that its protection stops has breached nothing."""
    desk.instrument(1, protection=protection)
    desk.trade(10)
    desk.bands(REJECT, dynamic=1)
    offer(desk, 11, 13)
    assert lines(desk.market(BUY, 2, "A"))[-1] == f"expired A 1@0 leaves 0 cum 1 {why}"


def test_own_orders_beyond_the_edge(desk: Desk) -> None:
    """An own order beyond the edge breaches like another's."""
    desk.trade(10)
    desk.bands(REJECT, dynamic=1)
    desk.sell(1, at=12, cl="O", orig2=5, flags=2 << 6)
    told = desk.buy(1, at=12, cl="A", orig2=5, flags=2 << 6)
    assert lines(told)[1:] == [f"expired A 1@12 leaves 0 cum 0 {OUT}"]


def test_a_replaced_order_breaches(desk: Desk) -> None:
    """What is left of a replaced order expires too, unsolicited."""
    desk.trade(10)
    desk.bands(REJECT, dynamic=1)
    offer(desk, 11, 12)
    desk.buy(3, at=9, cl="A")
    told = desk.replace("A", "A2", 3, at=12)
    assert lines(told)[-1] == f"expired A2 2@12 leaves 0 cum 1 {OUT}"
    assert told[-1].flags == OutcomeFlag.UNSOLICITED
    desk.tick()
    assert desk.money().open_orders == 0


# Mode HALT


@pytest.mark.parametrize(("fields", "then", "left"), [
    ({}, [], 2), ({"tif": Tif.DAY}, [], 2), ({"order_id": 2}, [], 2),
    ({"tif": Tif.IOC}, [f"expired A 2@13 leaves 0 cum 1 {OUT}"], 0),
    ({"ord_type": OrdType.MARKET}, [f"expired A 2@0 leaves 0 cum 1 {OUT}"], 0),
])  # fmt: skip
def test_mode_halt(desk: Desk, fields: dict[str, Any], then: list[str], left: int) -> None:
    """What may rest rests, the rest expires, and the market goes into a volatility auction."""
    desk.trade(10)
    desk.bands(HALT, dynamic=1, lasts_ns=100)
    offer(desk, 11, 12)
    told = desk.buy(3, at=13, cl="A", **fields)
    indication = "indication 1@13 surplus 1 to buy" if left else "indication 0@0 surplus 0"
    assert lines(told)[3:] == [*then, CHANGED, indication]
    assert desk.core.dump_markets()[1] == (VOLATILITY, 0, 0, desk.time_of(desk.seq) + 100)
    assert sum(row.leaves for row in desk.core.dump_books() if row.side == BUY) == left


@pytest.mark.parametrize(
    ("fields", "why"), [({"tif": Tif.FOK}, "FOK_NOT_FILLABLE"), ({"orig0": 3}, "MIN_QTY_NOT_MET")]
)
def test_all_or_nothing_halts_nothing(desk: Desk, fields: dict[str, int], why: str) -> None:
    """FOK that is not filled and a minimum that is not met do not breach."""
    desk.trade(10)
    desk.bands(HALT, dynamic=1)
    offer(desk, 11, 12)
    assert lines(desk.buy(3, at=13, cl="A", **fields))[1:] == [f"expired A 3@13 leaves 0 cum 0 {why}"]
    assert desk.market_state() is CONTINUOUS


def test_a_replaced_order_halts(desk: Desk) -> None:
    """What is left of a replaced order rests in the auction."""
    desk.trade(10)
    desk.bands(HALT, dynamic=1)
    offer(desk, 12)
    desk.buy(1, at=9, cl="A")
    assert lines(desk.replace("A", "A2", 2, at=12)) == [
        "replaced A2 2@12 leaves 2 cum 0 was A", CHANGED, "indication 1@12 surplus 1 to buy",
    ]  # fmt: skip


@pytest.mark.parametrize("limit", [0, 13])
def test_an_elected_stop_halts(desk: Desk, limit: int) -> None:
    """An elected stop limit rests, an elected stop expires; either ends the elections."""
    desk.trade(10)
    desk.bands(HALT, dynamic=1)
    desk.stop(BUY, 2, 11, "X", limit=limit)
    desk.stop(BUY, 1, 11, "Y", limit=13)
    offer(desk, 11, 12)
    told = desk.buy(1, at=11, cl="A")
    ended = [] if limit else [f"expired X 2@0 leaves 0 cum 0 {OUT}"]
    assert lines(told)[3:-1] == [f"triggered X 2@{limit} leaves 2 cum 0", *ended, CHANGED]
    assert told[-1].type == OutcomeType.INDICATION
    assert "Y:1" in desk.stops()


def test_an_elected_stop_limit_without_a_level(make_desk: MakeDesk) -> None:
    """An elected stop limit that finds no level is EXPIRED NO_ROOM, and the volatility auction begins all the same."""
    desk = make_desk(max_levels=4)
    desk.trade(10)
    desk.bands(HALT, static=1, reference=9)
    for cl in ("X", "Y"):
        desk.stop(BUY, 1, 11, cl, limit=13)
    offer(desk, 12, 15)
    desk.sell(2, at=11, cl="W", account=2)
    told = desk.directed(BUY, 1, 11, "D", orig="W")
    assert lines(told)[3:] == [
        "triggered X 1@13 leaves 1 cum 0",
        "expired X 1@13 leaves 0 cum 0 NO_ROOM",
        CHANGED,
        "indication 0@0 surplus 0",
    ]
    assert told[4].flags == OutcomeFlag.UNSOLICITED


@pytest.mark.parametrize(("waited", "ended"), [(98, False), (99, True), (10**9, True)])
def test_a_volatility_auction_ends_by_time(desk: Desk, waited: int, ended: bool) -> None:
    """It ends its duration after the command that began it: then trading is continuous again."""
    desk.trade(10)
    desk.bands(HALT, dynamic=1, lasts_ns=99 + 7)
    offer(desk, 12)
    desk.buy(1, at=12, cl="A")
    desk.wait(waited)
    told = desk.tick()
    expected = [
        "uncrossed 1@12 surplus 0",
        "filled A 1@12 leaves 0 cum 1 in auction trade 1",
        "filled R12-2 1@12 leaves 0 cum 1 in auction trade 1",
        "CONTINUOUS after VOLATILITY_AUCTION",
    ]
    assert lines(told) == (expected if ended else [])
    assert desk.core.dump_markets()[1][3] == (0 if ended else desk.time_of(desk.seq) + 1)


def test_without_a_duration_a_command_ends_it(desk: Desk) -> None:
    """A duration of 0 is none."""
    desk.trade(10)
    desk.bands(HALT, dynamic=1)
    offer(desk, 12)
    desk.buy(1, at=12, cl="A")
    desk.wait(2**61)
    assert lines(desk.tick()) == []
    assert desk.core.dump_markets()[1][3] == 0
    assert lines(desk.state(CONTINUOUS))[0] == "uncrossed 1@12 surplus 0"


def test_an_auction_that_ended_early_does_not_end_again(desk: Desk) -> None:
    """The end of a volatility auction that a command ended ends no later one; a command's auction has one too."""
    desk.bands(HALT, lasts_ns=100)
    desk.state(VOLATILITY)
    desk.state(CONTINUOUS)
    desk.wait(60)
    desk.state(VOLATILITY)
    end = desk.core.dump_markets()[1][3]
    assert end == desk.time_of(desk.seq) + 100
    desk.bands(BandMode.NONE, lasts_ns=1)  # the one that runs keeps its end
    desk.wait(40)
    assert lines(desk.tick()) == []
    assert desk.core.dump_markets()[1][3] == end
    desk.wait(60)
    assert lines(desk.tick()) == ["uncrossed 0@0 surplus 0", "CONTINUOUS after VOLATILITY_AUCTION"]


def test_an_uncross_whose_elections_breach(desk: Desk) -> None:
    """Elections on entering CONTINUOUS may breach: the next volatility auction begins at once."""
    desk.trade(10)
    desk.bands(HALT, dynamic=1, lasts_ns=50)
    desk.state(TradingState.OPENING_AUCTION)
    desk.stop(BUY, 1, 20, "X", limit=30)
    desk.buy(1, at=20, cl="A")
    offer(desk, 20, 22)
    assert lines(desk.state(CONTINUOUS))[3:] == [
        "CONTINUOUS after OPENING_AUCTION",
        "triggered X 1@30 leaves 1 cum 0",
        CHANGED,
        "indication 1@22 surplus 0",
        "accepted 0@0 leaves 0 cum 0",
    ]
    assert desk.core.dump_markets()[1][3] == desk.time_of(desk.seq) + 50
