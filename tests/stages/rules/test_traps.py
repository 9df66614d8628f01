"""Bugs that other matching engines had, one test each: none of them may be in this one."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from protocols.codes import (
    CommandFlag,
    OrdType,
    OutcomeFlag,
    OutcomeType,
    Reason,
    SelfTradeMode,
    Side,
    Tif,
)
from tests.twin.scenario import (
    BUY,
    SELL,
    Desk,
    MakeDesk,
    lines,
    reason,
    stp,
)
from tests.twin.view import AccountRow, PositionRow, table

pytestmark = pytest.mark.jitoff


def test_a_sibling_survives_a_cancel_at_its_price(desk: Desk) -> None:
    """Cancelling the first, a middle or the last order of a level leaves all its siblings tradable."""
    for cl in "ABCDE":
        desk.buy(1, at=10, cl=cl)
    for cl in "ACE":
        desk.cancel(cl)
    assert desk.book() == table("""
                buy | price | sell
            B:1 D:1 |    10 |
    """)
    assert [line.split()[1] for line in lines(desk.sell(2, at=10, cl="S")) if "maker" in line] == ["B", "D"]


def test_a_partial_fill_stays_in_front(desk: Desk) -> None:
    """A maker that trades in part is the next to trade again."""
    desk.buy(5, at=10, cl="A")
    desk.buy(5, at=10, cl="B")
    for turn in range(4):
        assert lines(desk.sell(1, at=10, cl=f"S{turn}"))[2].startswith("filled A 1@10")


@pytest.mark.parametrize(("side", "limit"), [(BUY, 15), (SELL, 5)])
def test_trades_happen_at_the_resting_price(desk: Desk, side: Side, limit: int) -> None:
    """A taker with a better limit gets the maker's price, and both are told the same one."""
    desk.new(Side(3 - side), 5, 10, "M")
    told = desk.new(side, 5, limit, "T")
    assert [outcome.price_ticks for outcome in told if outcome.trade_index] == [10, 10]


@pytest.mark.parametrize("ord_type", [OrdType.LIMIT, OrdType.STOP_LIMIT])
@pytest.mark.parametrize("tif", [Tif.GTC, Tif.IOC])
def test_a_sweep_stops_at_its_own_limit(desk: Desk, ord_type: OrdType, tif: Tif) -> None:
    """However much is left, nothing trades beyond the limit, by an elected stop neither."""
    desk.trade(10)
    for price in (10, 11, 12, 13):
        desk.sell(1, at=price, cl=f"S{price}")
    tif = tif if ord_type == OrdType.LIMIT else Tif.GTC
    told = desk.buy(9, at=11, cl="T", tif=tif, ord_type=ord_type, aux0=10)
    assert max(outcome.price_ticks for outcome in told if outcome.trade_index) == 11
    assert [row.price for row in desk.core.dump_books() if row.side == SELL] == [12, 13]


def test_an_ioc_remainder_does_not_rest(desk: Desk) -> None:
    """What an IOC order cannot trade is gone: not in the book, not open, not reserved."""
    desk.sell(2, at=10, cl="S", account=2)
    desk.buy(5, at=10, cl="T", tif=Tif.IOC)
    assert desk.book() == "empty"
    assert lines(desk.sell(3, at=10, cl="U", account=2)) == ["accepted U 3@10 leaves 3 cum 0"]
    assert reason(desk.cancel("T")) is Reason.TOO_LATE
    assert desk.money() == AccountRow(1, 0, -20, 0)


def test_a_self_trade_remainder_does_not_rest(desk: Desk) -> None:
    """What self-trade prevention cancelled of a taker does not come back as a resting order."""
    desk.sell(2, at=10, cl="S", **stp(1))
    desk.buy(5, at=10, cl="T", **stp(1, SelfTradeMode.NEWEST))
    assert desk.book() == table("""
            buy | price | sell
                |    10 | S:2
    """)


def test_no_phantom_best_price_after_a_cancel(desk: Desk) -> None:
    """When the last order of the best level leaves, by whatever way, the next level is the best."""
    ways: list[Callable[[str], object]] = [
        lambda cl: desk.cancel(cl),
        lambda cl: desk.reduce(cl, 9),
        lambda cl: desk.replace(cl, cl + "R", 1, at=5),
        lambda cl: desk.mass_cancel(side=BUY, account=1),
    ]
    for turn, leave in enumerate(ways):
        best = f"BEST{turn}"
        desk.buy(1, at=10, cl=f"NEXT{turn}", account=2)
        desk.buy(1, at=12, cl=best)
        leave(best)
        assert lines(desk.sell(1, at=9, cl=f"S{turn}"))[1] == (
            f"filled S{turn} 1@10 leaves 0 cum 1 taker of trade 1"
        )
        assert reason(desk.sell(1, at=11, cl=f"P{turn}", flags=CommandFlag.POST_ONLY)) is Reason.NONE
        desk.mass_cancel(session=0)


def test_no_stale_id_after_a_modify(desk: Desk) -> None:
    """After a replace that moves, trades in part and rests, id and all names find the one order at its new price."""
    desk.sell(1, at=12, cl="S")
    desk.buy(5, at=10, cl="A")
    desk.buy(5, at=10, cl="OTHER")
    desk.replace("A", "B", 5, at=12)
    for named in ({"orig": "A"}, {"orig": "B"}, {"order_id": desk.ids["A"]}):
        assert lines(desk.status(**named)) == ["status X 5@12 leaves 4 cum 1 was B"]
    desk.cancel("A")
    assert desk.book() == table("""
                buy | price | sell
            OTHER:5 |    10 |
    """)
    assert reason(desk.cancel("B")) is Reason.TOO_LATE


def test_a_filled_order_cannot_be_cancelled(desk: Desk) -> None:
    """A cancel of a filled order is rejected, before and after risk has seen the fill, and changes no book."""
    desk.buy(5, at=10, cl="A")
    seen = desk.seq
    desk.sell(5, at=10, cl="S", account=2)
    for when in (seen, desk.seq):
        assert reason(desk.cancel("A", seen=when)) is Reason.TOO_LATE
        assert reason(desk.cancel(order_id=desk.ids["A"])) is Reason.UNKNOWN_ORDER
    assert desk.money() == AccountRow(1, 0, -50, 0)


@pytest.mark.parametrize("end", ["cancel", "fill"])
def test_an_id_is_not_reused(desk: Desk, end: str) -> None:
    """After cancel and after fill the ClOrdID stays used and its id stays the old order's; a new one gets another."""
    desk.buy(5, at=10, cl="A")
    first = desk.ids["A"]
    desk.cancel("A") if end == "cancel" else desk.sell(5, at=10, cl="S", account=2)
    assert reason(desk.buy(5, at=10, cl="A")) is Reason.DUPLICATE_CL_ORD_ID
    told = desk.buy(5, at=10, cl="B")
    assert told[0].order_id == desk.seq != first
    assert reason(desk.cancel("A")) is Reason.TOO_LATE
    assert reason(desk.replace("A", "B2", 6, at=10)) is Reason.TOO_LATE
    assert desk.book() == table("""
            buy | price | sell
            B:5 |    10 |
    """)


def test_a_stop_cascade_ends_and_elects_each_once(make_desk: MakeDesk) -> None:
    """A long cascade elects every due stop exactly once, in order of its stop price, none is left behind."""
    desk = make_desk(max_orders=64, max_levels=64, max_specials=32, max_cl_ord_ids=200)
    for price in range(1, 21):
        desk.buy(1, at=price, cl=f"B{price}", account=2)
    for price in range(2, 21):
        desk.stop(SELL, 1, price, f"T{price}")
    told = desk.sell(1, at=20, cl="GO")
    triggered = [line.split()[1] for line in lines(told) if line.startswith("triggered")]
    assert triggered == [f"T{price}" for price in range(20, 1, -1)]
    assert [outcome.trade_index for outcome in told if outcome.flags & OutcomeFlag.TAKER] == list(
        range(1, 21)
    )
    assert [outcome.index for outcome in told] == list(range(len(told)))
    assert desk.core.dump_books() == []


def test_an_elected_stop_does_not_stay(desk: Desk) -> None:
    """An elected stop that traded in part is nowhere any more: it is not elected again."""
    desk.sell(1, at=10, cl="S1", account=2)
    desk.sell(1, at=11, cl="S2", account=2)
    desk.stop(BUY, 3, 10, "A")
    desk.buy(1, at=10, cl="T", account=2)
    assert desk.core.dump_books() == []
    assert reason(desk.cancel("A")) is Reason.TOO_LATE
    desk.trade(15)
    assert sum(outcome.type == OutcomeType.TRIGGERED for outcome in desk.history) == 1


def test_a_trailing_stop_works_again_and_again(desk: Desk) -> None:
    """A trailing stop follows each new best price, not only the first."""
    desk.trade(10)
    desk.stop(SELL, 1, 0, "A", trail=2)
    for last in (11, 12, 14, 17):
        desk.trade(last)
        assert [row.price for row in desk.core.dump_books()] == [last - 2]
    desk.trade(15)
    assert desk.history[-1].reason == Reason.NO_LIQUIDITY
    assert desk.core.dump_books() == []


def test_a_replace_counts_from_what_is_open(desk: Desk) -> None:
    """After a fill and a reduce a replace sets the total; leaves, book and reservation follow what is open."""
    desk.buy(10, at=10, cl="A")
    desk.sell(4, at=10, cl="S", account=2)
    desk.reduce("A", 2)
    assert lines(desk.replace("A", "B", 9, at=10)) == ["replaced B 9@10 leaves 5 cum 4 was A"]
    assert desk.book() == table("""
            buy | price | sell
            A:5 |    10 |
    """)
    desk.tick()
    assert desk.money() == AccountRow(1, 1, -40, 50)
    assert desk.position() == PositionRow(1, 1, 4, 5, 0)


def test_an_iceberg_does_not_inflate_the_book(desk: Desk) -> None:
    """Through refills, reduce and replace an iceberg never has more lots than were ordered less those that traded."""
    desk.iceberg(SELL, 7, 10, "A", display=3)
    for traded in range(7):
        rows = desk.core.dump_books()
        assert [(row.leaves, row.cum) for row in rows] == [(7 - traded, traded)]
        assert 0 < rows[0].shown <= min(3, rows[0].leaves)
        desk.buy(1, at=10, cl=f"T{traded}")
    assert desk.core.dump_books() == []


def test_the_order_of_a_mass_cancel_is_that_of_the_book(make_desk: MakeDesk) -> None:
    """However the orders came in, were replaced or moved, a mass cancel goes through the book as it stands."""
    desk = make_desk(max_orders=16, max_levels=12)
    desk.instrument(2, "OTHER")
    for cl, price, instrument in (
        ("A", 8, 2),
        ("B", 9, 1),
        ("C", 10, 1),
        ("D", 9, 1),
        ("E", 7, 1),
        ("F", 8, 2),
    ):
        desk.buy(3, at=price, cl=cl, instrument=instrument)
    desk.cancel("C")
    desk.buy(3, at=10, cl="G")
    desk.replace("B", "B2", 5, at=9)  # behind D
    desk.replace("E", "E2", 3, at=10)  # behind G
    told = lines(desk.mass_cancel())
    assert [line.split()[1] for line in told[:-1]] == ["G", "E2", "D", "B2", "A", "F"]
