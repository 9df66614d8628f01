"""Icebergs: what they show, hide and lose, by example: ``docs/matching-rules.md``."""

from __future__ import annotations

import pytest

from protocols.codes import (
    CommandFlag,
    Reason,
    Tif,
)
from tests.twin.scenario import (
    ANSWER,
    BUY,
    SELL,
    Desk,
    lines,
    reason,
)
from tests.twin.view import table

pytestmark = pytest.mark.jitoff


def test_an_iceberg_shows_its_display(desk: Desk) -> None:
    """What stands in the queue is the display quantity; all outcomes tell all leaves."""
    assert lines(desk.iceberg(BUY, 10, 10, "A", display=3)) == ["accepted A 10@10 leaves 10 cum 0"]
    desk.iceberg(BUY, 3, 10, "B", display=3)
    assert desk.book() == table("""
                  buy | price | sell
            A:3+7 B:3 |    10 |
    """)


def test_a_refill_goes_to_the_end(desk: Desk) -> None:
    """When its shown lots are used up an iceberg shows more at the end of its level, silently."""
    desk.iceberg(SELL, 8, 10, "A", display=3)
    desk.sell(2, at=10, cl="B")
    assert lines(desk.buy(3, at=10, cl="T"))[1:] == [
        "filled T 3@10 leaves 0 cum 3 taker of trade 1",
        "filled A 3@10 leaves 5 cum 3 maker of trade 1",
    ]
    assert desk.book() == table("""
            buy | price | sell
                |    10 | B:2 A:3+2
    """)


def test_a_partly_filled_display_keeps_its_place(desk: Desk) -> None:
    """As long as something is shown an iceberg stays where it is and shows no more."""
    desk.iceberg(SELL, 8, 10, "A", display=3)
    desk.sell(2, at=10, cl="B")
    desk.buy(2, at=10, cl="T")
    assert desk.book() == table("""
            buy | price | sell
                |    10 | A:1+5 B:2
    """)


def test_a_taker_takes_turns_with_icebergs(desk: Desk) -> None:
    """A taker gets the shown lots of all orders of a level, then the refills, until the level is used up."""
    desk.iceberg(SELL, 5, 10, "A", display=2)
    desk.sell(2, at=10, cl="B")
    desk.iceberg(SELL, 4, 10, "C", display=3)
    told = lines(desk.buy(12, at=10, cl="T"))
    assert [line for line in told if "maker" in line] == [
        "filled A 2@10 leaves 3 cum 2 maker of trade 1",
        "filled B 2@10 leaves 0 cum 2 maker of trade 2",
        "filled C 3@10 leaves 1 cum 3 maker of trade 3",
        "filled A 2@10 leaves 1 cum 4 maker of trade 4",
        "filled C 1@10 leaves 0 cum 4 maker of trade 5",
        "filled A 1@10 leaves 0 cum 5 maker of trade 6",
    ]
    assert desk.book() == table("""
            buy | price | sell
            T:1 |    10 |
    """)


def test_the_rest_of_an_iceberg_is_not_larger_than_its_leaves(desk: Desk) -> None:
    """The last display is what is left."""
    desk.iceberg(SELL, 4, 10, "A", display=3)
    desk.buy(3, at=10, cl="T")
    assert desk.book() == table("""
            buy | price | sell
                |    10 | A:1
    """)


def test_an_iceberg_takes_with_all_its_lots(desk: Desk) -> None:
    """As a taker an iceberg hides nothing; what is left then shows its display."""
    desk.sell(4, at=10, cl="S")
    assert lines(desk.iceberg(BUY, 9, 10, "A", display=2))[1].startswith("filled A 4@10 leaves 5")
    assert desk.book() == table("""
              buy | price | sell
            A:2+3 |    10 |
    """)


def test_fok_counts_hidden_lots(desk: Desk) -> None:
    """What icebergs hide may be traded with, so FOK and minimum quantity count it."""
    desk.iceberg(SELL, 6, 10, "A", display=1)
    assert lines(desk.buy(7, at=10, cl="F", tif=Tif.FOK))[1].endswith("FOK_NOT_FILLABLE")
    assert lines(desk.buy(6, at=10, cl="G", tif=Tif.FOK))[-2:] == [
        "filled G 1@10 leaves 0 cum 6 taker of trade 6",
        "filled A 1@10 leaves 0 cum 6 maker of trade 6",
    ]


@pytest.mark.parametrize(
    ("by", "level"),
    [(1, "A:3+6 B:1"), (7, "A:3 B:1"), (8, "A:2 B:1"), (9, "A:1 B:1"), (10, "B:1")],
)
def test_reduce_takes_hidden_lots_first(desk: Desk, by: int, level: str) -> None:
    """A reduced iceberg keeps its place and shows as much as before while it can."""
    desk.iceberg(BUY, 10, 10, "A", display=3)
    desk.buy(1, at=10, cl="B")
    desk.reduce("A", by)
    assert desk.book().splitlines()[1].strip() == f"{level} |    10 |"


@pytest.mark.parametrize(
    ("qty", "level"),
    [(9, "A:1+6 B:1"), (3, "A:1 B:1"), (10, "B:1 A:3+5"), (11, "B:1 A:3+6")],
)
def test_replace_of_an_iceberg(desk: Desk, qty: int, level: str) -> None:
    """A smaller replace takes hidden lots and keeps the place; another shows the display anew at the end."""
    desk.iceberg(BUY, 10, 10, "A", display=3)
    desk.buy(1, at=10, cl="B")
    desk.sell(2, at=10, cl="S")
    desk.replace("A", "C", qty, at=10)
    assert desk.book().splitlines()[1].strip() == f"{level} |    10 |"


@pytest.mark.parametrize(("qty", "expected"), [(65, Reason.NONE), (66, Reason.INVALID_DISPLAY_QTY)])
def test_replace_keeps_the_bound_of_displays(desk: Desk, qty: int, expected: Reason) -> None:
    """No replace makes an iceberg larger than 64 displays; its executed lots do not count."""
    desk.iceberg(BUY, 10, 10, "A", display=1)
    desk.sell(1, at=10, cl="S")
    told = desk.replace("A", "B", qty, at=11)
    assert reason(told) is expected
    if expected:
        assert (told[0].leaves_lots, told[0].cum_lots, told[0].flags) == (9, 1, ANSWER)


def test_replace_may_leave_less_than_the_display(desk: Desk) -> None:
    """An iceberg that became smaller than its display hides nothing, and hides again when it grows."""
    desk.iceberg(BUY, 5, 10, "A", display=3)
    desk.replace("A", "B", 2, at=11)
    assert "A:2 |" in desk.book()
    desk.replace("B", "C", 5, at=11)
    assert "A:3+2 |" in desk.book()


def test_a_directed_order_trades_with_what_is_shown(desk: Desk) -> None:
    """A DIRECTED trades with the shown lots of its target at most; the refill goes to the end."""
    desk.iceberg(SELL, 5, 10, "A", display=2)
    desk.sell(1, at=10, cl="B")
    assert lines(desk.directed(BUY, 3, 9, "D", orig="A"))[1:] == [
        "filled D 2@9 leaves 1 cum 2 taker of trade 1",
        "filled A 2@9 leaves 3 cum 2 maker of trade 1",
        "expired D 1@9 leaves 0 cum 2 IOC_REMAINDER",
    ]
    assert desk.book() == table("""
            buy | price | sell
                |    10 | B:1 A:2+1
    """)


def test_an_iceberg_may_rest_without_trading(desk: Desk) -> None:
    """BOOK_ONLY rests an iceberg with its display."""
    desk.sell(5, at=9, cl="S")
    desk.iceberg(BUY, 5, 10, "A", display=2, flags=CommandFlag.BOOK_ONLY)
    assert "A:2+3 |    10" in desk.book()


def test_an_elected_iceberg(desk: Desk) -> None:
    """A waiting STOP_LIMIT hides nothing; elected it trades with all its lots and shows its display."""
    desk.stop(BUY, 6, 10, "A", limit=10, order_id=2)
    assert [(row.leaves, row.shown) for row in desk.core.dump_books()] == [(6, 6)]
    desk.sell(2, at=10, cl="S", account=2)
    assert lines(desk.buy(1, at=10, cl="T", account=2))[-3:] == [
        "triggered A 6@10 leaves 6 cum 0",
        "filled A 1@10 leaves 5 cum 1 taker of trade 2",
        "filled S 1@10 leaves 0 cum 2 maker of trade 2",
    ]
    assert "A:2+3 |    10" in desk.book()


def test_cancel_of_an_iceberg(desk: Desk) -> None:
    """All that is left of an iceberg is cancelled, hidden lots too."""
    desk.iceberg(BUY, 10, 10, "A", display=3)
    assert lines(desk.cancel("A")) == ["cancelled X 10@10 leaves 0 cum 0 was A CLIENT_REQUEST"]
    assert desk.book() == "empty"
