"""Reducing only, at all levels and for restricted instruments, by example (docs/risk-controls.md)."""

from __future__ import annotations

from typing import Any

import pytest

from protocols.codes import Access, KillLevel, Permit, Reason, Side, Switch
from tests.stages.rules.controls import RELEASE, define_firm, join, permit, switch, switch_account, transfer
from tests.twin.scenario import BUY, SELL, Desk, reason

pytestmark = pytest.mark.jitoff

LEVELS: list[tuple[KillLevel, dict[str, Any]]] = [
    (KillLevel.VENUE, {}),
    (KillLevel.FIRM, {"aux0": 1}),
    (KillLevel.ACCOUNT, {"account": 1}),
    (KillLevel.SESSION, {"name": "GW1"}),
    (KillLevel.INSTRUMENT, {"instrument": 1}),
]


def short(desk: Desk, lots: int) -> None:
    """Let account 1 be short of instrument 1."""
    desk.sell(lots, at=10, cl="H1")
    desk.buy(lots, at=10, cl="H2", account=2)


@pytest.mark.parametrize(("level", "whose"), LEVELS)
def test_every_level_has_it(desk: Desk, level: KillLevel, whose: dict[str, Any]) -> None:
    """With REDUCING of any of those whom it concerns, an order that opens is kept out, one that closes is not."""
    define_firm(desk)
    join(desk, 1)
    transfer(desk, 5, instrument=1)
    switch(desk, level, Switch.REDUCING, **whose)
    assert reason(desk.buy(1, at=10, cl="A")) is Reason.REDUCE_ONLY
    assert reason(desk.sell(1, at=10, cl="A")) is Reason.NONE
    switch(desk, level, Switch.REDUCING, RELEASE, **whose)
    assert reason(desk.buy(1, at=9, cl="B")) is Reason.NONE


@pytest.mark.parametrize(("qty", "expected"), [(3, Reason.NONE), (4, Reason.NONE), (5, Reason.REDUCE_ONLY)])
@pytest.mark.parametrize("side", Side)
def test_all_open_lots_of_the_side_count(desk: Desk, side: Side, qty: int, expected: Reason) -> None:
    """A position of 10 with 6 lots that close it open lets 4 more close it, not 5."""
    if side == SELL:
        transfer(desk, 10, instrument=1)
    else:
        short(desk, 10)
    desk.new(side, 6, 10, "A")
    switch_account(desk, Switch.REDUCING)
    assert reason(desk.new(side, qty, 10, "B")) is expected


def test_a_flat_account_can_do_nothing(desk: Desk) -> None:
    """Without a position neither side reduces."""
    switch_account(desk, Switch.REDUCING)
    assert reason(desk.buy(1, at=10, cl="A")) is Reason.REDUCE_ONLY
    assert reason(desk.sell(1, at=10, cl="A")) is Reason.REDUCE_ONLY


def test_a_replace_counts_what_it_grows_by(desk: Desk) -> None:
    """A REPLACE with fewer lots reduces whatever there is; one with more must close a position."""
    desk.buy(5, at=10, cl="A")
    switch_account(desk, Switch.REDUCING)
    assert reason(desk.replace("A", "B", 4, at=11)) is Reason.NONE
    assert reason(desk.replace("B", "C", 5, at=11)) is Reason.REDUCE_ONLY


@pytest.mark.parametrize(
    ("access", "expected"), [(Access.PERMITTED, Reason.NONE), (Access.REDUCING, Reason.REDUCE_ONLY)]
)
def test_a_restricted_list_of_one_account(desk: Desk, access: Access, expected: Reason) -> None:
    """Access REDUCING restricts one account in one instrument, and no other account."""
    permit(desk, Permit.INSTRUMENT, access, account=1, instrument=1)
    assert reason(desk.buy(1, at=10, cl="A")) is expected
    assert reason(desk.buy(1, at=10, cl="B", account=2)) is Reason.NONE


@pytest.mark.parametrize("position", [2**60, 2**60 - 1])
def test_reducing_of_the_largest_position(desk: Desk, position: int) -> None:
    """Positions of int64 extremes are closed to the last lot and not beyond."""
    transfer(desk, position, instrument=1)
    switch_account(desk, Switch.REDUCING)
    expected = Reason.NONE if position == 2**60 else Reason.REDUCE_ONLY
    assert reason(desk.new(SELL, 2**60, 1, "A")) is expected
    assert reason(desk.new(BUY, 1, 1, "B")) is Reason.REDUCE_ONLY
