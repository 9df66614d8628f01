"""Static and dynamic price collars, by example (docs/risk-controls.md)."""

from __future__ import annotations

from typing import Any

import pytest

from protocols.codes import CollarUnit, Limit, OrdType, Reason
from tests.stages.rules.controls import collar
from tests.twin.scenario import BUY, SELL, Desk, reason

pytestmark = pytest.mark.jitoff


@pytest.mark.parametrize("which", ["static", "dynamic"])
@pytest.mark.parametrize("unit", CollarUnit)
def test_edges(desk: Desk, which: str, unit: CollarUnit) -> None:
    """A buy may reach the upper edge, a sell the lower one; the direction that can do no harm is not checked."""
    width = 10 if unit == CollarUnit.TICKS else 10_000
    reference = 100 if unit == CollarUnit.TICKS else 1000
    wide = 10
    assert collar(desk, reference=reference, unit=unit, **{which: width}).reason is Reason.NONE
    expected = Reason.STATIC_COLLAR if which == "static" else Reason.DYNAMIC_COLLAR
    assert reason(desk.buy(1, at=reference + wide + 1, cl="A")) is expected
    assert reason(desk.sell(1, at=reference - wide - 1, cl="A")) is expected
    assert reason(desk.sell(1, at=2 * reference, cl="A")) is Reason.NONE
    assert reason(desk.buy(1, at=1, cl="B")) is Reason.NONE
    assert reason(desk.replace("A", "C", 1, at=reference - wide - 1)) is expected
    assert reason(desk.replace("A", "C", 1, at=reference - wide)) is Reason.NONE
    desk.cancel("A")
    assert reason(desk.replace("B", "D", 1, at=reference + wide + 1)) is expected
    assert reason(desk.replace("B", "D", 1, at=reference + wide)) is Reason.NONE


@pytest.mark.parametrize(("reference", "edge"), [(99, 108), (100, 110), (101, 111), (109, 119), (110, 121)])
def test_widths_in_millionths_round_down(desk: Desk, reference: int, edge: int) -> None:
    """Ten percent of the reference, rounded down."""
    collar(desk, static=100_000, reference=reference, unit=CollarUnit.MILLIONTHS)
    assert reason(desk.buy(1, at=edge + 1, cl="A")) is Reason.STATIC_COLLAR
    assert reason(desk.buy(1, at=edge, cl="A")) is Reason.NONE


def test_static_comes_first(desk: Desk) -> None:
    """Where both are breached the static one is told; without a reference neither lets anything pass."""
    collar(desk, static=5, dynamic=5)
    assert reason(desk.buy(1, at=10, cl="A")) is Reason.NO_REFERENCE_PRICE
    assert reason(desk.sell(1, at=10, cl="A")) is Reason.NO_REFERENCE_PRICE
    collar(desk, static=5, dynamic=4, reference=10)
    assert reason(desk.buy(1, at=16, cl="A")) is Reason.STATIC_COLLAR
    assert reason(desk.buy(1, at=15, cl="A")) is Reason.DYNAMIC_COLLAR
    assert reason(desk.buy(1, at=14, cl="A")) is Reason.NONE


def test_the_dynamic_reference_follows_fills(desk: Desk) -> None:
    """It is the last trade price that risk has seen; the static one stays."""
    collar(desk, static=50, dynamic=5, reference=100)
    desk.sell(1, at=105, cl="S", account=2)
    desk.buy(1, at=105, cl="A")
    assert reason(desk.buy(1, at=110, cl="B", seen=desk.seq - 1)) is Reason.DYNAMIC_COLLAR
    assert reason(desk.buy(1, at=110, cl="B")) is Reason.NONE
    assert reason(desk.buy(1, at=111, cl="C")) is Reason.DYNAMIC_COLLAR


def test_a_fill_is_a_reference_while_the_collar_is_off(desk: Desk) -> None:
    """A collar that is switched on takes what came last, a fill as well as a COLLAR."""
    desk.trade(20)
    desk.tick()
    collar(desk, dynamic=2)
    assert reason(desk.buy(1, at=23, cl="A")) is Reason.DYNAMIC_COLLAR
    collar(desk, dynamic=2, reference=30)
    assert reason(desk.buy(1, at=32, cl="A")) is Reason.NONE


@pytest.mark.parametrize(
    ("wait_ns", "expected"), [(92, Reason.NONE), (93, Reason.NONE), (94, Reason.STALE_REFERENCE_PRICE)]
)
def test_a_reference_grows_old(desk: Desk, wait_ns: int, expected: Reason) -> None:
    """A reference that is older than the age rejects all, MARKET and stop orders too; a new one brings them back."""
    desk.instrument(1, high=50)
    collar(desk, dynamic=5, reference=10, age_ns=100)
    desk.wait(wait_ns)
    assert reason(desk.buy(1, at=10, cl="A")) is expected
    desk.wait(100)
    assert reason(desk.sell(1, at=10, cl="B")) is Reason.STALE_REFERENCE_PRICE
    assert reason(desk.market(BUY, 1, "C")) is Reason.STALE_REFERENCE_PRICE
    assert reason(desk.stop(SELL, 1, 9, "D")) is Reason.STALE_REFERENCE_PRICE
    collar(desk, dynamic=5, reference=10, age_ns=100)
    assert reason(desk.sell(1, at=10, cl="B")) is Reason.NONE


def test_orders_without_a_price(desk: Desk) -> None:
    """MARKET and stop orders need a reference, and are not held against the edges."""
    desk.instrument(1, high=50)
    collar(desk, static=1)
    assert reason(desk.market(BUY, 1, "A")) is Reason.NO_REFERENCE_PRICE
    assert reason(desk.stop(BUY, 1, 40, "A")) is Reason.NO_REFERENCE_PRICE
    collar(desk, static=1, reference=10)
    assert reason(desk.market(BUY, 1, "A")) is Reason.NONE
    assert reason(desk.stop(BUY, 1, 40, "B")) is Reason.NONE
    assert reason(desk.stop(BUY, 1, 40, "C", limit=12)) is Reason.STATIC_COLLAR
    assert reason(desk.directed(BUY, 1, 12, "C", order_id=1)) is Reason.STATIC_COLLAR


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"instrument": 2}, Reason.UNKNOWN_INSTRUMENT),
        ({"unit": 0}, Reason.INVALID_COMMAND),
        ({"unit": 3}, Reason.INVALID_COMMAND),
        ({"static": -1}, Reason.INVALID_COMMAND),
        ({"dynamic": 2**60 + 1}, Reason.INVALID_COMMAND),
        ({"static": 10**6 + 1, "unit": 2}, Reason.INVALID_COMMAND),
        ({"dynamic": 10**6 + 1, "unit": 2}, Reason.INVALID_COMMAND),
        ({"reference": -1}, Reason.INVALID_COMMAND),
        ({"reference": 2**60 + 1}, Reason.INVALID_COMMAND),
        ({"age_ns": -1}, Reason.INVALID_COMMAND),
        ({"age_ns": 2**60 + 1}, Reason.INVALID_COMMAND),
        ({"static": 2**60, "dynamic": 2**60, "reference": 2**60, "age_ns": 2**60}, Reason.NONE),
        ({"static": 10**6, "dynamic": 10**6, "reference": 2**60, "unit": 2}, Reason.NONE),
    ],
)
def test_what_a_collar_may_say(desk: Desk, fields: dict[str, Any], expected: Reason) -> None:
    """Unit, widths, reference and age have their bounds."""
    assert collar(desk, **fields).reason is expected


@pytest.mark.parametrize("price", [2**63 - 2, 2**62])
def test_edges_of_int64_extremes(desk: Desk, price: int) -> None:
    """Edges end at 0 and at 2^63 - 2 and do not wrap: only the value of such an order is too high."""
    desk.directed(BUY, 1, 1, "X", order_id=1)
    collar(desk, static=2**60, dynamic=2**60, reference=2**60)
    assert reason(desk.sell(1, at=price, cl="A")) is Reason.MAX_ORDER_NOTIONAL
    assert reason(desk.sell(1, at=1, cl="A")) is Reason.NONE
    expected = Reason.STATIC_COLLAR
    assert reason(desk.buy(1, at=price, cl="B")) is expected
    assert reason(desk.buy(1, at=2**61, cl="B")) is Reason.MAX_ORDER_NOTIONAL
    assert reason(desk.buy(1, at=2**61 + 1, cl="B")) is expected


def test_a_collar_goes_off(desk: Desk) -> None:
    """A width of 0 is off, and a reference of 0 keeps what there was."""
    collar(desk, static=1, reference=10)
    collar(desk)
    desk.limit(Limit.MAX_ORDER_NOTIONAL, 2**60)
    assert reason(desk.buy(1, at=99, cl="A")) is Reason.NONE
    collar(desk, static=2)
    assert reason(desk.buy(1, at=13, cl="B")) is Reason.STATIC_COLLAR
    assert reason(desk.buy(1, at=12, cl="B", ord_type=OrdType.LIMIT)) is Reason.NONE
