"""Maximum loss of the day: marks, the sweep, transfers and days, by example (docs/risk-controls.md)."""

from __future__ import annotations

import pytest

from protocols.codes import Limit, Reason, Side
from tests.stages.rules.controls import WITHDRAW, begin_day, fees, set_limit, transfer
from tests.twin.scenario import BUY, SELL, Desk, reason

pytestmark = pytest.mark.jitoff


def position_at(desk: Desk, side: Side, lots: int, price: int) -> None:
    """Let account 1 get a position from account 2 at a price."""
    desk.new(3 - side, lots, price, f"P{desk.seq}", account=2)
    desk.new(side, lots, price, f"Q{desk.seq}")


def swept(desk: Desk) -> None:
    """Let so much pass that the sweep has been at all rows."""
    for _ in range(4 * 6):
        desk.tick()


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize(("limit", "expected"), [(19, Reason.MAX_LOSS), (20, Reason.NONE), (21, Reason.NONE)])
def test_a_loss_that_is_not_realised(desk: Desk, side: Side, limit: int, expected: Reason) -> None:
    """What was bought is worth its last trade price, once the sweep has seen it; then only reducing passes."""
    set_limit(desk, Limit.MAX_LOSS, limit)
    position_at(desk, side, 10, 100)
    assert reason(desk.new(side, 1, 50, "A", ord_type=2, tif=3)) is Reason.NONE
    desk.trade(98 if side == BUY else 102)
    swept(desk)
    assert reason(desk.new(side, 1, 50, "B", tif=3)) is expected
    assert reason(desk.new(3 - side, 10, 99, "C")) is Reason.NONE
    assert reason(desk.new(3 - side, 1, 99, "D", tif=3)) is expected


@pytest.mark.parametrize(("limit", "expected"), [(29, Reason.MAX_LOSS), (30, Reason.NONE)])
def test_a_loss_that_is_realised(desk: Desk, limit: int, expected: Reason) -> None:
    """Cash that is gone is a loss as well, and so are fees."""
    set_limit(desk, Limit.MAX_LOSS, limit)
    position_at(desk, BUY, 10, 100)
    position_at(desk, SELL, 10, 98)
    desk.account(3, "VENUE")
    fees(desk, 0, 10_000, account=3)
    desk.buy(10, at=100, cl="F1", account=2)
    desk.sell(10, at=100, cl="F2")
    assert reason(desk.sell(1, at=100, cl="A")) is expected


def test_a_fill_is_marked_at_once(desk: Desk) -> None:
    """A position is marked when its own fill is fed back: no sweep is needed for what the account trades itself."""
    set_limit(desk, Limit.MAX_LOSS, 9)
    position_at(desk, BUY, 10, 100)
    desk.buy(1, at=99, cl="B", account=2)
    desk.sell(1, at=99, cl="S")
    assert reason(desk.buy(1, at=50, cl="A")) is Reason.MAX_LOSS
    desk.sell(1, at=101, cl="T", account=2)
    desk.buy(1, at=101, cl="C", account=2)
    swept(desk)
    assert reason(desk.buy(1, at=50, cl="A")) is Reason.NONE


def test_the_sweep_takes_a_row_every_fourth_command(desk: Desk) -> None:
    """Before command n, a multiple of 4, the row (n / 4) mod rows is marked."""
    set_limit(desk, Limit.MAX_LOSS, 0)
    position_at(desk, BUY, 10, 100)  # rows: account 2 is 0, account 1 is 1
    desk.sell(1, at=90, cl="S", account=2)
    desk.buy(1, at=90, cl="B", account=2)
    while True:
        seq = desk.seq + 1
        got = reason(desk.buy(1, at=10, cl=f"X{seq}", tif=3))
        if seq % 4 == 0 and seq // 4 % 2 == 1:
            assert got is Reason.MAX_LOSS
            return
        assert got is Reason.NONE


def test_transfers_are_no_gains(desk: Desk) -> None:
    """Neither cash nor lots that come or go are a gain or a loss."""
    set_limit(desk, Limit.MAX_LOSS, 0)
    desk.trade(100)
    assert transfer(desk, 50).leaves == 50
    assert transfer(desk, 20, WITHDRAW).leaves == 30
    assert transfer(desk, 7, instrument=1).leaves == 7
    assert transfer(desk, 3, WITHDRAW, instrument=1).leaves == 4
    assert reason(desk.buy(1, at=10, cl="A")) is Reason.NONE
    desk.trade(99)
    swept(desk)
    assert reason(desk.buy(1, at=10, cl="B")) is Reason.MAX_LOSS


def test_a_new_day_begins_at_equity(desk: Desk) -> None:
    """DAY_BEGIN marks all positions and takes what is there as the beginning."""
    set_limit(desk, Limit.MAX_LOSS, 10)
    position_at(desk, BUY, 10, 100)
    desk.trade(90)
    swept(desk)
    assert reason(desk.buy(1, at=10, cl="A")) is Reason.MAX_LOSS
    begin_day(desk)
    assert reason(desk.buy(1, at=10, cl="A")) is Reason.NONE
    desk.cancel("A")
    desk.trade(88)
    begin_day(desk)
    assert reason(desk.buy(1, at=10, cl="B")) is Reason.NONE
    set_limit(desk, Limit.MAX_LOSS, 2**60)
    desk.trade(1)
    swept(desk)
    assert reason(desk.buy(1, at=10, cl="C")) is Reason.NONE


def test_nothing_is_latched(desk: Desk) -> None:
    """It trades again with another limit; a replace that grows must reduce, one that does not passes."""
    desk.buy(5, at=10, cl="A")
    position_at(desk, BUY, 10, 100)
    desk.trade(50)
    set_limit(desk, Limit.MAX_LOSS, 1)
    swept(desk)
    assert reason(desk.replace("A", "B", 6, at=10)) is Reason.MAX_LOSS
    assert reason(desk.replace("A", "B", 5, at=11)) is Reason.NONE
    set_limit(desk, Limit.MAX_LOSS, 1000)
    assert reason(desk.replace("B", "C", 6, at=11)) is Reason.NONE


@pytest.mark.parametrize(
    ("side", "above", "expected"),
    [
        (BUY, -1, Reason.MAX_LOSS),
        (BUY, 0, Reason.POSITION_LIMIT),
        (SELL, -1, Reason.POSITION_LIMIT),
    ],
)
def test_marks_of_int64_extremes(desk: Desk, side: Side, above: int, expected: Reason) -> None:
    """A position is worth no more than the part of 2^62 that each instrument, and one more, has."""
    instruments = 4
    set_limit(desk, Limit.MAX_LOSS, 2**60 - 2**62 // (instruments + 1) + above)
    assert reason(desk.new(3 - side, 2**60, 1, "P", account=2)) is Reason.NONE
    assert reason(desk.new(side, 2**60, 1, "Q")) is Reason.NONE
    swept(desk)
    assert reason(desk.new(side, 1, 1, "A", tif=3)) is expected
