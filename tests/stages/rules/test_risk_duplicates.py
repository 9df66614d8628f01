"""The search for duplicative orders, by example (docs/risk-controls.md)."""

from __future__ import annotations

import pytest

from protocols.codes import Limit, OrdType, Reason, Tif
from tests.stages.rules.controls import UNLIMITED, set_limit
from tests.twin.scenario import BUY, Desk, MakeDesk, reason

pytestmark = pytest.mark.jitoff

STEP_NS = 7  # between two commands of a desk


def search(desk: Desk, count: int, window_ns: int = 1000) -> None:
    """Let account 1 send the same order ``count`` times in a window."""
    set_limit(desk, Limit.DUPLICATE_WINDOW, window_ns)
    set_limit(desk, Limit.DUPLICATE_COUNT, count)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_same_again_and_again(desk: Desk, count: int) -> None:
    """As many orders as the limit pass within the window, one more does not, whatever its side's book does."""
    search(desk, count)
    for n in range(count):
        assert reason(desk.buy(5, at=10, cl=f"A{n}", tif=Tif.IOC)) is Reason.NONE
    assert reason(desk.buy(5, at=10, cl="X", tif=Tif.IOC)) is Reason.DUPLICATIVE_ORDER
    assert reason(desk.buy(5, at=10, cl="X", account=2)) is Reason.NONE


def test_none_with_a_count_of_none(desk: Desk) -> None:
    """A count of 0 lets no order pass, a count that is unlimited all, and remembers none of them."""
    search(desk, 0)
    assert reason(desk.buy(5, at=10, cl="A")) is Reason.DUPLICATIVE_ORDER
    search(desk, UNLIMITED)
    assert reason(desk.buy(5, at=10, cl="A")) is Reason.NONE
    search(desk, 1)
    assert reason(desk.buy(5, at=10, cl="B")) is Reason.NONE
    assert reason(desk.buy(5, at=10, cl="C")) is Reason.DUPLICATIVE_ORDER


@pytest.mark.parametrize("change", ["side", "price", "qty", "instrument"])
def test_another_order_is_another(desk: Desk, change: str) -> None:
    """Instrument, side, price and quantity all count."""
    desk.instrument(2, "OTHER")
    search(desk, 1)
    desk.buy(5, at=10, cl="A")
    order = {"qty": 5, "at": 10, "instrument": 1}
    if change == "side":
        assert reason(desk.sell(5, at=20, cl="B")) is Reason.NONE
        return
    order |= {"price": {"at": 11}, "qty": {"qty": 6}, "instrument": {"instrument": 2}}[change]
    assert reason(desk.buy(cl="B", **order)) is Reason.NONE


@pytest.mark.parametrize(
    ("wait_ns", "expected"),
    [(92, Reason.DUPLICATIVE_ORDER), (93, Reason.NONE), (94, Reason.NONE)],
)
def test_the_window_ends(desk: Desk, wait_ns: int, expected: Reason) -> None:
    """A window begins with the first of its orders and ends as many nanoseconds later; a rejection prolongs nothing."""
    search(desk, 1, 100)
    desk.buy(5, at=10, cl="A")
    desk.wait(wait_ns)
    assert reason(desk.buy(5, at=10, cl="B")) is expected


def test_a_rejected_order_prolongs_nothing(desk: Desk) -> None:
    """What was rejected meanwhile does not count."""
    search(desk, 1, 4 * STEP_NS)
    desk.buy(5, at=10, cl="A")
    for _ in range(3):
        assert reason(desk.buy(5, at=10, cl="B")) is Reason.DUPLICATIVE_ORDER
    assert reason(desk.buy(5, at=10, cl="B")) is Reason.NONE


def test_another_order_in_its_place(make_desk: MakeDesk) -> None:
    """An order whose sum has the same lowest three bits takes the place over; others do not."""
    desk = make_desk(max_levels=8)
    search(desk, 1)
    desk.buy(5, at=10, cl="A")
    desk.buy(5, at=11, cl="B")
    assert reason(desk.buy(5, at=10, cl="C")) is Reason.DUPLICATIVE_ORDER
    desk.buy(5, at=18, cl="D")
    assert reason(desk.buy(5, at=10, cl="E")) is Reason.NONE
    assert reason(desk.buy(5, at=18, cl="F")) is Reason.NONE


def test_prices_of_other_types(desk: Desk) -> None:
    """MARKET has price 0, a stop order its stop price or distance, whatever its price field says."""
    desk.trade(10)
    desk.instrument(1, high=50)
    search(desk, 1)
    assert reason(desk.market(BUY, 1, "A", at=3)) is Reason.NONE
    assert reason(desk.market(BUY, 1, "B", at=4)) is Reason.DUPLICATIVE_ORDER
    for n, ord_type in enumerate((OrdType.STOP, OrdType.TRAILING_STOP)):
        stop = {"ord_type": ord_type, "aux0": 20 + n}
        assert reason(desk.buy(1, at=3, cl=f"S{n}", **stop)) is Reason.NONE
        assert reason(desk.buy(1, at=4, cl=f"T{n}", **stop)) is Reason.DUPLICATIVE_ORDER
    limit = {"ord_type": OrdType.STOP_LIMIT, "aux0": 30}
    assert reason(desk.buy(1, at=31, cl="L1", **limit)) is Reason.NONE
    assert reason(desk.buy(1, at=32, cl="L2", **limit)) is Reason.NONE


def test_sums_that_wrap(desk: Desk) -> None:
    """Prices and quantities of int64 extremes have their place too."""
    search(desk, 1)
    huge = {"ord_type": OrdType.STOP, "aux0": 2**60}
    assert reason(desk.sell(1, at=2**60, cl="A")) is Reason.NONE
    desk.cancel("A")
    assert reason(desk.sell(1, at=2**60, cl="B")) is Reason.DUPLICATIVE_ORDER
    assert reason(desk.sell(1, at=0, cl="E", **huge)) is Reason.DUPLICATIVE_ORDER
    assert reason(desk.sell(2**60, at=1, cl="C")) is Reason.NONE
    desk.cancel("C")
    assert reason(desk.sell(2**60, at=1, cl="D")) is Reason.DUPLICATIVE_ORDER


def test_replaces_are_not_looked_at(desk: Desk) -> None:
    """A REPLACE is no new order."""
    search(desk, 1)
    desk.buy(5, at=10, cl="A")
    assert reason(desk.replace("A", "B", 5, at=10)) is Reason.NONE
    assert reason(desk.replace("B", "C", 5, at=10)) is Reason.NONE
