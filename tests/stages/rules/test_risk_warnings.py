"""Warnings before limits, by example (docs/risk-controls.md)."""

from __future__ import annotations

import pytest

from protocols.codes import Limit, LimitPart, OutcomeType, Reason, Side
from tests.stages.rules.controls import UNLIMITED, UNSET, define_firm, fund, join, set_limit, transfer
from tests.twin.records import Outcome
from tests.twin.scenario import BUY, SELL, Desk, reason

pytestmark = pytest.mark.jitoff

FIRM = 32


def warn_at(desk: Desk, which: int, limit: int, percent: int, **whose: int) -> None:
    """Set a limit, and at how many percent of it risk warns."""
    set_limit(desk, which, limit, **whose)
    set_limit(desk, which, percent, part=LimitPart.WARNING, **whose)


def warned(outcomes: list[Outcome]) -> int:
    """Return the limit that an acceptance warns of, 0 for none."""
    first = outcomes[0]
    assert first.type in (OutcomeType.ACCEPTED, OutcomeType.REPLACED)
    assert first.reason == (Reason.LIMIT_WARNING if first.trade_index else Reason.NONE)
    return first.trade_index


@pytest.mark.parametrize(
    ("limit", "percent", "threshold"), [(10, 80, 8), (11, 80, 9), (10, 100, 10), (10, 1, 1), (10, 11, 2)]
)
def test_open_orders_and_positions(desk: Desk, limit: int, percent: int, threshold: int) -> None:
    """From the threshold on, rounded up, each acceptance warns, and not before."""
    warn_at(desk, Limit.MAX_LONG, limit, percent)
    if threshold > 1:
        assert warned(desk.buy(threshold - 1, at=10, cl="A")) == 0
        assert warned(desk.replace("A", "B", threshold, at=10)) == Limit.MAX_LONG
    else:
        assert warned(desk.buy(threshold, at=10, cl="A")) == Limit.MAX_LONG


@pytest.mark.parametrize(
    ("which", "side", "percent"),
    [
        (Limit.MAX_OPEN_ORDERS, BUY, 2),
        (Limit.MAX_OPEN_ORDERS, SELL, 2),
        (Limit.MAX_LONG, BUY, 10),
        (Limit.MAX_SHORT, SELL, 10),
        (Limit.CREDIT, BUY, 100),
        (Limit.GROSS_NOTIONAL, BUY, 100),
        (Limit.GROSS_NOTIONAL, SELL, 100),
    ],
)
def test_every_use(desk: Desk, which: Limit, side: Side, percent: int) -> None:
    """Each limit has its use: of two orders of 5 lots at 10 the second one reaches the threshold."""
    warn_at(desk, which, 100, percent)
    assert warned(desk.new(side, 5, 10, "A")) == 0
    assert warned(desk.new(side, 5, 10, "B")) == which
    desk.cancel("A")
    assert warned(desk.new(side, 1, 10, "C")) == (which if which == Limit.MAX_OPEN_ORDERS else 0)


def test_other_sides_are_not_asked(desk: Desk) -> None:
    """MAX_LONG and CREDIT warn of buys, MAX_SHORT of sells; credit does not of pre-funded accounts."""
    fund(desk, cash=1000, lots=100)
    for account in (1, 3):
        for which in (Limit.MAX_LONG, Limit.CREDIT):
            warn_at(desk, which, 1000, 1, account=account)
    assert warned(desk.sell(90, at=20, cl="A")) == 0
    set_limit(desk, Limit.MAX_LONG, 0, part=LimitPart.WARNING, account=3)
    assert warned(desk.buy(50, at=10, cl="B", account=3)) == 0
    assert warned(desk.buy(10, at=10, cl="C")) == Limit.MAX_LONG


def test_the_first_of_several(desk: Desk) -> None:
    """Of several the first in the order of the table is told, the account's before the firm's."""
    define_firm(desk)
    join(desk, 1)
    order = [Limit.MAX_OPEN_ORDERS, Limit.MAX_LONG, Limit.CREDIT, Limit.GROSS_NOTIONAL]
    for which in order:
        warn_at(desk, which, 1000, 1)
    for which in (Limit.CREDIT, Limit.GROSS_NOTIONAL):
        warn_at(desk, which, 1000, 1, aux0=1)
    set_limit(desk, Limit.MAX_OPEN_ORDERS, 100)
    for n, which in enumerate(order):
        assert warned(desk.buy(10, at=10, cl=f"A{n}")) == which
        desk.cancel(f"A{n}")
        set_limit(desk, which, 0, part=LimitPart.WARNING)
    for n, which in enumerate((Limit.CREDIT, Limit.GROSS_NOTIONAL)):
        assert warned(desk.buy(10, at=10, cl=f"B{n}")) == FIRM + which
        desk.cancel(f"B{n}")
        set_limit(desk, which, 0, part=LimitPart.WARNING, aux0=1)
    assert warned(desk.buy(10, at=10, cl="C")) == 0


def test_a_loss_warns(desk: Desk) -> None:
    """A loss that has reached its threshold warns with each acceptance, of both sides."""
    warn_at(desk, Limit.MAX_LOSS, 100, 50)
    desk.sell(10, at=100, cl="S", account=2)
    desk.buy(10, at=100, cl="A")
    desk.trade(96)
    for _ in range(16):
        desk.tick()
    assert warned(desk.sell(1, at=200, cl="B")) == 0
    desk.trade(95)
    for _ in range(16):
        desk.tick()
    assert warned(desk.sell(1, at=200, cl="C")) == Limit.MAX_LOSS


@pytest.mark.parametrize("limit", [UNLIMITED, UNSET])
def test_none_without_a_limit(desk: Desk, limit: int) -> None:
    """There is no threshold while a limit is unlimited; it is there again with the next value."""
    warn_at(desk, Limit.MAX_LONG, limit, 1)
    if limit == UNSET:
        set_limit(desk, Limit.MAX_LONG, UNLIMITED)
    assert warned(desk.buy(5, at=10, cl="A")) == 0
    set_limit(desk, Limit.MAX_LONG, 500)
    assert warned(desk.buy(1, at=10, cl="B")) == Limit.MAX_LONG


def test_what_matching_rejects_does_not_warn(desk: Desk) -> None:
    """A REJECTED by matching has its own reason; a fill behind a warned acceptance has none."""
    warn_at(desk, Limit.MAX_OPEN_ORDERS, 100, 1)
    desk.sell(1, at=10, cl="S", account=2)
    outcomes = desk.buy(1, at=10, cl="A")
    assert warned(outcomes) == Limit.MAX_OPEN_ORDERS
    assert [(o.reason, o.trade_index) for o in outcomes[1:]] == [(0, 1), (0, 1)]
    assert reason(desk.directed(BUY, 1, 10, "B", order_id=999)) is Reason.UNKNOWN_ORDER
    assert warned(desk.buy(1, at=5, cl="C")) == Limit.MAX_OPEN_ORDERS
    told = desk.reduce("C", 1)
    assert (told[0].reason, told[0].trade_index) == (Reason.CLIENT_REQUEST, 0)


def test_thresholds_of_zero_and_extremes(desk: Desk) -> None:
    """A limit of 0 has a threshold of 0; the largest limit has one that is exact."""
    warn_at(desk, Limit.MAX_SHORT, 2**60 - 1, 99)
    threshold = -(-(2**60 - 1) * 99 // 100)
    transfer(desk, 1, instrument=1)
    assert warned(desk.sell(threshold, at=1, cl="A")) == 0
    desk.cancel("A")
    assert warned(desk.sell(threshold + 1, at=1, cl="B")) == Limit.MAX_SHORT
    warn_at(desk, Limit.MAX_LONG, 0, 1)
    set_limit(desk, Limit.MAX_LOSS, 0)
    set_limit(desk, Limit.MAX_LOSS, 50, part=LimitPart.WARNING)
    desk.cancel("B")
    assert warned(desk.sell(1, at=1, cl="C")) == Limit.MAX_LOSS
