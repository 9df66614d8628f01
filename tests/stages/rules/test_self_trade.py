"""Self-trade prevention in its four modes, and what a taker may trade, by example: ``docs/matching-rules.md``."""

from __future__ import annotations

import pytest

from protocols.codes import (
    FLAG_STP_SHIFT,
    OutcomeFlag,
    OutcomeType,
    SelfTradeMode,
    Tif,
)
from tests.twin.scenario import (
    ANSWER,
    BUY,
    SELL,
    Desk,
    lines,
    stp,
)
from tests.twin.view import AccountRow, table

pytestmark = pytest.mark.jitoff


NEWEST, OLDEST, BOTH, DECREMENT = (SelfTradeMode(mode) for mode in (1, 2, 3, 4))


def test_own_orders_without_a_group_trade(desk: Desk) -> None:
    """Orders of one account trade with each other unless they have a group; two groups trade too."""
    desk.sell(2, at=10, cl="S")
    desk.sell(2, at=10, cl="U", **stp(2))
    assert [outcome.type for outcome in desk.buy(4, at=10, cl="B", **stp(1))][1:] == [OutcomeType.FILLED] * 4


def test_groups_are_not_accounts(desk: Desk) -> None:
    """Orders of one group do not trade, whatever their accounts and sessions."""
    desk.open_session("GW2")
    desk.sell(2, at=10, cl="S", account=2, session=2, **stp(7))
    assert lines(desk.buy(2, at=10, cl="B", **stp(7)))[1:] == ["cancelled B 2@10 leaves 0 cum 0 SELF_TRADE"]


def test_newest_cancels_the_taker(desk: Desk) -> None:
    """NEWEST: the taker trades what stands before its own order, the rest is cancelled, unsolicited."""
    desk.sell(1, at=10, cl="O", account=2)
    desk.sell(2, at=10, cl="S", **stp(1))
    told = desk.buy(5, at=11, cl="B", **stp(1, NEWEST))
    assert lines(told)[2:] == [
        "filled O 1@10 leaves 0 cum 1 maker of trade 1",
        "cancelled B 4@11 leaves 0 cum 1 SELF_TRADE",
    ]
    assert told[-1].flags == OutcomeFlag.UNSOLICITED
    assert desk.book() == table("""
            buy | price | sell
                |    10 | S:2
    """)
    desk.tick()
    assert desk.money() == AccountRow(1, 1, -10, 0)


def test_oldest_cancels_the_maker(desk: Desk) -> None:
    """OLDEST: own resting orders are cancelled as the taker meets them, and it goes on."""
    desk.sell(2, at=10, cl="S", **stp(1))
    desk.sell(1, at=10, cl="O", account=2)
    desk.sell(2, at=11, cl="U", **stp(1))
    desk.sell(2, at=12, cl="V", **stp(1))
    told = desk.buy(5, at=11, cl="B", **stp(1, OLDEST))
    assert lines(told)[1:] == [
        "cancelled S 2@10 leaves 0 cum 0 SELF_TRADE",
        "filled B 1@10 leaves 4 cum 1 taker of trade 1",
        "filled O 1@10 leaves 0 cum 1 maker of trade 1",
        "cancelled U 2@11 leaves 0 cum 0 SELF_TRADE",
    ]
    assert told[1].flags == OutcomeFlag.UNSOLICITED
    assert desk.book() == table("""
            buy | price | sell
                |    12 | V:2
            B:4 |    11 |
    """)


def test_both_cancels_taker_and_maker(desk: Desk) -> None:
    """BOTH: the taker is cancelled, then the maker; other own orders stay."""
    desk.sell(2, at=10, cl="S", **stp(1))
    desk.sell(2, at=10, cl="U", **stp(1))
    told = desk.buy(5, at=11, cl="B", **stp(1, BOTH))
    assert lines(told)[1:] == [
        "cancelled B 5@11 leaves 0 cum 0 SELF_TRADE",
        "cancelled S 2@10 leaves 0 cum 0 SELF_TRADE",
    ]
    assert desk.book() == table("""
            buy | price | sell
                |    10 | U:2
    """)


@pytest.mark.parametrize(("qty", "told", "level"), [
    (2, ["cancelled B 2@10 leaves 0 cum 0 SELF_TRADE", "replaced S 3@10 leaves 3 cum 0 SELF_TRADE"], "S:3 O:1"),
    (5, ["cancelled B 5@10 leaves 0 cum 0 SELF_TRADE", "cancelled S 5@10 leaves 0 cum 0 SELF_TRADE"], "O:1"),
])  # fmt: skip
def test_decrement_ends_the_taker(desk: Desk, qty: int, told: list[str], level: str) -> None:
    """DECREMENT: both lose the smaller quantity; who has none left is cancelled, a smaller maker keeps its place."""
    desk.sell(5, at=10, cl="S", **stp(1))
    desk.sell(1, at=10, cl="O", account=2)
    outcomes = desk.buy(qty, at=10, cl="B", **stp(1, DECREMENT))
    assert lines(outcomes)[1:] == told
    assert {outcome.flags for outcome in outcomes[1:]} == {OutcomeFlag.UNSOLICITED}
    assert desk.book().splitlines()[1] == f"    |    10 | {level}"


def test_decrement_lets_the_taker_go_on(desk: Desk) -> None:
    """DECREMENT: a larger taker is told its new quantity, executed lots included, and trades on."""
    desk.sell(1, at=10, cl="O", account=2)
    desk.sell(2, at=10, cl="S", **stp(1))
    desk.sell(9, at=10, cl="P", account=2)
    assert lines(desk.buy(6, at=10, cl="B", **stp(1, DECREMENT)))[1:] == [
        "filled B 1@10 leaves 5 cum 1 taker of trade 1",
        "filled O 1@10 leaves 0 cum 1 maker of trade 1",
        "replaced B 4@10 leaves 3 cum 1 SELF_TRADE",
        "cancelled S 2@10 leaves 0 cum 0 SELF_TRADE",
        "filled B 3@10 leaves 0 cum 4 taker of trade 2",
        "filled P 3@10 leaves 6 cum 3 maker of trade 2",
    ]


def test_decrement_takes_hidden_lots_first(desk: Desk) -> None:
    """An own iceberg meets the taker with all its lots, loses hidden ones first and keeps its place."""
    desk.iceberg(SELL, 8, 10, "S", display=3, **stp(1))
    desk.sell(1, at=10, cl="O", account=2)
    desk.buy(4, at=10, cl="B", **stp(1, DECREMENT))
    assert "S:3+1 O:1" in desk.book()
    desk.buy(2, at=10, cl="C", **stp(1, DECREMENT))
    assert "S:2 O:1" in desk.book()


def test_decrement_of_a_market_order(desk: Desk) -> None:
    """What a market order is told of a decrement has price 0, and its reservation stays at its check price."""
    desk.instrument(1, high=50)
    desk.sell(2, at=10, cl="S", **stp(1))
    assert lines(desk.market(BUY, 5, "B", **stp(1, DECREMENT)))[1:] == [
        "replaced B 3@0 leaves 3 cum 0 SELF_TRADE",
        "cancelled S 2@10 leaves 0 cum 0 SELF_TRADE",
        "expired B 3@0 leaves 0 cum 0 NO_LIQUIDITY",
    ]
    desk.tick()
    assert desk.money() == AccountRow(1, 0, 0, 0)


def test_the_mode_of_the_taker_decides(desk: Desk) -> None:
    """The resting order's mode does not matter."""
    desk.sell(2, at=10, cl="S", **stp(1, OLDEST))
    assert lines(desk.buy(2, at=10, cl="B", **stp(1, NEWEST)))[1].startswith("cancelled B")
    assert lines(desk.buy(2, at=10, cl="C", **stp(1, OLDEST)))[1].startswith("cancelled S")


@pytest.mark.parametrize(("mode", "qty", "fills"), [
    (NEWEST, 2, True), (NEWEST, 3, False), (BOTH, 2, True), (BOTH, 3, False),
    (OLDEST, 6, True), (OLDEST, 7, False), (DECREMENT, 2, True), (DECREMENT, 3, False),
])  # fmt: skip
def test_fok_counts_only_what_it_may_trade_with(
    desk: Desk, mode: SelfTradeMode, qty: int, fills: bool
) -> None:
    """Own orders do not fill a FOK: NEWEST and BOTH end there, OLDEST passes them, DECREMENT loses their lots."""
    desk.sell(2, at=10, cl="O", account=2)
    desk.sell(3, at=10, cl="S", **stp(1))
    desk.sell(4, at=11, cl="P", account=2)
    told = desk.buy(qty, at=11, cl="B", tif=Tif.FOK, **stp(1, mode))
    if fills:
        assert sum(outcome.qty_lots for outcome in told if outcome.flags & OutcomeFlag.TAKER) == qty
    else:
        assert lines(told)[1:] == [f"expired B {qty}@11 leaves 0 cum 0 FOK_NOT_FILLABLE"]
        assert desk.book().count(":") == 3


@pytest.mark.parametrize(("minimum", "met"), [(4, True), (5, False)])
def test_minimum_with_decrement(desk: Desk, minimum: int, met: bool) -> None:
    """A decrement takes from what is left, so a minimum may be out of reach though the book has enough."""
    desk.sell(2, at=10, cl="O", account=2)
    desk.sell(3, at=10, cl="S", **stp(1))
    desk.sell(9, at=11, cl="P", account=2)
    told = desk.buy(7, at=11, cl="B", tif=Tif.IOC, orig0=minimum, **stp(1, DECREMENT))
    filled = sum(outcome.qty_lots for outcome in told if outcome.flags & OutcomeFlag.TAKER)
    assert filled == (4 if met else 0)


def test_the_walk_counts_shown_before_hidden_lots(desk: Desk) -> None:
    """An own order behind an iceberg ends the walk before the hidden lots, as it ends the trading."""
    desk.iceberg(SELL, 6, 10, "I", display=2, account=2)
    desk.sell(1, at=10, cl="S", **stp(1))
    assert lines(desk.buy(3, at=10, cl="B", tif=Tif.FOK, **stp(1, NEWEST)))[1].endswith("FOK_NOT_FILLABLE")
    assert lines(desk.buy(3, at=10, cl="C", **stp(1, NEWEST)))[1:] == [
        "filled C 2@10 leaves 1 cum 2 taker of trade 1",
        "filled I 2@10 leaves 4 cum 2 maker of trade 1",
        "cancelled C 1@10 leaves 0 cum 2 SELF_TRADE",
    ]


def test_an_own_iceberg_counts_nothing(desk: Desk) -> None:
    """Neither shown nor hidden lots of an own iceberg can be traded with."""
    desk.iceberg(SELL, 6, 10, "I", display=2, **stp(1))
    desk.sell(1, at=10, cl="O", account=2)
    assert lines(desk.buy(2, at=10, cl="B", tif=Tif.FOK, **stp(1, OLDEST)))[1].endswith("FOK_NOT_FILLABLE")
    assert lines(desk.buy(1, at=10, cl="C", tif=Tif.FOK, **stp(1, OLDEST)))[1:] == [
        "cancelled I 6@10 leaves 0 cum 0 SELF_TRADE",
        "filled C 1@10 leaves 0 cum 1 taker of trade 1",
        "filled O 1@10 leaves 0 cum 1 maker of trade 1",
    ]


def test_a_directed_order_trades_with_its_own(desk: Desk) -> None:
    """DIRECTED has no group: the feed says that this trade happened."""
    desk.sell(2, at=10, cl="S", **stp(1))
    assert lines(desk.directed(BUY, 2, 10, "D", orig="S", flags=1 << FLAG_STP_SHIFT))[1].startswith(
        "filled D 2"
    )


def test_an_elected_stop_keeps_its_group(desk: Desk) -> None:
    """An elected stop order prevents self-trades by its own group and mode."""
    desk.stop(BUY, 3, 10, "A", **stp(1, DECREMENT))
    desk.sell(1, at=10, cl="S", account=2)
    desk.sell(2, at=11, cl="U", **stp(1))
    desk.sell(2, at=12, cl="V", account=2)
    assert lines(desk.buy(1, at=10, cl="T", account=2))[3:] == [
        "triggered A 3@0 leaves 3 cum 0",
        "replaced A 1@0 leaves 1 cum 0 SELF_TRADE",
        "cancelled U 2@11 leaves 0 cum 0 SELF_TRADE",
        "filled A 1@12 leaves 0 cum 1 taker of trade 2",
        "filled V 1@12 leaves 1 cum 1 maker of trade 2",
    ]


def test_a_replaced_order_keeps_its_group(desk: Desk) -> None:
    """A replace that would trade with an own order is told, then prevented; risk releases what was reserved."""
    desk.sell(2, at=12, cl="S", **stp(1))
    desk.buy(3, at=10, cl="A", **stp(1, NEWEST))
    told = desk.replace("A", "B", 3, at=12)
    assert lines(told) == [
        "replaced B 3@12 leaves 3 cum 0 was A",
        "cancelled B 3@12 leaves 0 cum 0 SELF_TRADE",
    ]
    assert [outcome.flags for outcome in told] == [ANSWER, OutcomeFlag.UNSOLICITED]
    desk.tick()
    assert desk.money() == AccountRow(1, 1, 0, 0)


def test_self_trade_prevention_is_no_trade(desk: Desk) -> None:
    """Prevention sets no last trade price, so nothing is elected."""
    desk.stop(BUY, 1, 10, "A")
    desk.sell(2, at=10, cl="S", **stp(1))
    desk.buy(2, at=10, cl="B", **stp(1, BOTH))
    assert desk.core.dump_last_prices() == {}
    assert desk.stops().count("A:1") == 1


@pytest.mark.parametrize(("minimum", "met"), [(1, True), (2, False)])
def test_the_walk_takes_all_of_an_own_iceberg_off(desk: Desk, minimum: int, met: bool) -> None:
    """An own iceberg takes its hidden lots too off what DECREMENT leaves."""
    desk.iceberg(SELL, 5, 10, "S", display=2, **stp(1))
    desk.sell(9, at=11, cl="P", account=2)
    told = desk.buy(6, at=11, cl="B", tif=Tif.IOC, orig0=minimum, **stp(1, DECREMENT))
    filled = sum(outcome.qty_lots for outcome in told if outcome.flags & OutcomeFlag.TAKER)
    assert filled == (1 if met else 0)


def test_a_decrement_of_a_replaced_order_ends_no_replace(desk: Desk) -> None:
    """The unsolicited REPLACED of a replaced order is not counted as the answer to its replace by risk."""
    desk.sell(2, at=12, cl="S", **stp(1))
    desk.buy(5, at=10, cl="A", **stp(1, DECREMENT))
    assert lines(desk.replace("A", "B", 5, at=12)) == [
        "replaced B 5@12 leaves 5 cum 0 was A",
        "replaced B 3@12 leaves 3 cum 0 SELF_TRADE",
        "cancelled S 2@12 leaves 0 cum 0 SELF_TRADE",
    ]
    desk.tick()
    assert desk.money() == AccountRow(1, 1, 0, 36)
