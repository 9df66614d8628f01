"""For whom sessions act; types, times, instruments and short sales that accounts may use, by example."""

from __future__ import annotations

from typing import Any

import pytest

from protocols.codes import Access, KillLevel, OrdType, Permit, Reason, Switch, Tif
from tests.stages.rules.controls import UNSET, define_firm, permit, switch, transfer
from tests.twin.scenario import BUY, EUR, SELL, Desk, MakeDesk, reason

pytestmark = pytest.mark.jitoff

ALL_TYPES = sum(1 << ord_type for ord_type in OrdType)
ALL_TIFS = sum(1 << tif for tif in Tif)


def test_a_session_acts_for_its_accounts_only(desk: Desk) -> None:
    """Restricted, a session acts for the accounts that are granted, NEW and REPLACE; its cancels always pass."""
    desk.buy(1, at=10, cl="A")
    assert permit(desk, Permit.SESSION, 0, "GW1") == (Reason.NONE, 0, 1)
    assert reason(desk.buy(1, at=10, cl="B")) is Reason.SESSION_NOT_PERMITTED
    assert reason(desk.replace("A", "B", 2, at=10)) is Reason.SESSION_NOT_PERMITTED
    assert permit(desk, Permit.SESSION, 1, "GW1", account=1) == (Reason.NONE, 1, 0)
    assert reason(desk.replace("A", "B", 2, at=10)) is Reason.NONE
    assert reason(desk.buy(1, at=10, cl="C", account=2)) is Reason.SESSION_NOT_PERMITTED
    assert permit(desk, Permit.SESSION, 0, "GW1", account=1) == (Reason.NONE, 0, 1)
    assert reason(desk.buy(1, at=10, cl="D")) is Reason.SESSION_NOT_PERMITTED
    assert reason(desk.cancel("B")) is Reason.NONE
    assert permit(desk, Permit.SESSION, 1, "GW1") == (Reason.NONE, 1, 0)
    assert reason(desk.buy(1, at=10, cl="D")) is Reason.NONE


def test_a_name_that_is_new(desk: Desk) -> None:
    """A PERMIT gives a new name its id without opening it; what is granted before it is restricted counts then."""
    assert permit(desk, Permit.SESSION, 1, "GW2", account=2).reason is Reason.NONE
    assert permit(desk, Permit.SESSION, 0, "GW2").leaves == 1
    assert reason(desk.buy(1, at=10, cl="A", session=2)) is Reason.UNKNOWN_SESSION
    assert desk.open_session("GW2")[0].session == 2
    assert reason(desk.buy(1, at=10, cl="A", session=2)) is Reason.SESSION_NOT_PERMITTED
    assert reason(desk.buy(1, at=10, cl="A", session=2, account=2)) is Reason.NONE


def test_room_for_sessions(make_desk: MakeDesk) -> None:
    """A new name needs room; an account or a value that is wrong is told before."""
    desk = make_desk(max_sessions=1)
    assert permit(desk, Permit.SESSION, 2, "GW2").reason is Reason.INVALID_COMMAND
    assert permit(desk, Permit.SESSION, 1, "GW2", account=9).reason is Reason.UNKNOWN_ACCOUNT
    assert permit(desk, Permit.SESSION, 1, "GW2").reason is Reason.NO_ROOM
    assert permit(desk, Permit.SESSION, 1, "").reason is Reason.INVALID_COMMAND


@pytest.mark.parametrize("ord_type", OrdType)
def test_order_types(desk: Desk, ord_type: OrdType) -> None:
    """A type whose bit is not set is not permitted."""
    desk.trade(10)
    order: dict[str, Any] = {"ord_type": ord_type, "aux0": 12 if 3 <= ord_type <= 5 else 0}
    if ord_type == OrdType.DIRECTED:
        order["order_id"] = 1
    assert permit(desk, Permit.ORDER_TYPES, ALL_TYPES & ~(1 << ord_type), account=1).leaves == ALL_TYPES
    assert reason(desk.buy(1, at=10, cl="A", **order)) is Reason.ORDER_TYPE_NOT_PERMITTED
    assert permit(desk, Permit.ORDER_TYPES, 1 << ord_type, account=1).leaves == ALL_TYPES & ~(1 << ord_type)
    assert reason(desk.buy(1, at=10, cl="A", **order)) is not Reason.ORDER_TYPE_NOT_PERMITTED


@pytest.mark.parametrize("tif", [Tif.GTC, Tif.DAY, Tif.IOC, Tif.FOK, Tif.GTD, Tif.CLOSE])
def test_times_in_force(desk: Desk, tif: Tif) -> None:
    """A time in force whose bit is not set is not permitted."""
    order = {"tif": tif, "aux1": 2**60 if tif == Tif.GTD else 0}
    assert permit(desk, Permit.TIFS, ALL_TIFS & ~(1 << tif), account=1).leaves == ALL_TIFS
    assert reason(desk.buy(1, at=10, cl="A", **order)) is Reason.TIF_NOT_PERMITTED
    assert permit(desk, Permit.TIFS, 1 << tif, account=1).reason is Reason.NONE
    assert reason(desk.buy(1, at=10, cl="A", **order)) is Reason.NONE


@pytest.mark.parametrize(("group", "bit"), [(0, 0), (1, 1), (62, 62), (63, 63), (64, 63), (2**31 - 1, 63)])
def test_groups(desk: Desk, group: int, bit: int) -> None:
    """A group's instruments are permitted by its bit, those of all groups from 63 on by bit 63."""
    desk.instrument(2, "OTHER", account=group)
    mask = 1 << bit if bit < 63 else -(2**63)
    assert permit(desk, Permit.GROUPS, ~mask, account=1).leaves == -1
    assert reason(desk.buy(1, at=10, cl="A", instrument=2)) is Reason.INSTRUMENT_NOT_PERMITTED
    assert permit(desk, Permit.GROUPS, mask, account=1).leaves == ~mask
    assert reason(desk.buy(1, at=10, cl="A", instrument=2)) is Reason.NONE
    assert permit(desk, Permit.GROUPS, 0, account=1).leaves == mask
    assert reason(desk.replace("A", "B", 2, at=10)) is Reason.INSTRUMENT_NOT_PERMITTED
    assert reason(desk.cancel("A")) is Reason.NONE


def test_access_to_an_instrument(desk: Desk) -> None:
    """Access of an account to an instrument comes before its groups: PERMITTED, DENIED, or BY_GROUP as before."""
    permit(desk, Permit.GROUPS, 0, account=1)
    assert reason(desk.buy(1, at=10, cl="A")) is Reason.INSTRUMENT_NOT_PERMITTED
    assert (
        permit(desk, Permit.INSTRUMENT, Access.PERMITTED, account=1, instrument=1).leaves == Access.BY_GROUP
    )
    assert reason(desk.buy(1, at=10, cl="A")) is Reason.NONE
    permit(desk, Permit.GROUPS, -1, account=1)
    assert permit(desk, Permit.INSTRUMENT, Access.DENIED, account=1, instrument=1).leaves == Access.PERMITTED
    assert reason(desk.buy(1, at=10, cl="B")) is Reason.INSTRUMENT_NOT_PERMITTED
    assert reason(desk.replace("A", "B", 2, at=10)) is Reason.INSTRUMENT_NOT_PERMITTED
    assert permit(desk, Permit.INSTRUMENT, Access.BY_GROUP, account=1, instrument=1).leaves == Access.DENIED
    assert reason(desk.buy(1, at=10, cl="B")) is Reason.NONE


@pytest.mark.parametrize(
    ("what", "value", "whose", "expected"),
    [
        (0, 0, {"account": 1}, Reason.INVALID_COMMAND),
        (7, 0, {"account": 1}, Reason.INVALID_COMMAND),
        (Permit.ORDER_TYPES, 1, {"account": 1}, Reason.INVALID_COMMAND),
        (Permit.ORDER_TYPES, 1 << 6, {"account": 1}, Reason.INVALID_COMMAND),
        (Permit.ORDER_TYPES, -1, {"account": 1}, Reason.INVALID_COMMAND),
        (Permit.ORDER_TYPES, -1, {"account": 3}, Reason.UNKNOWN_ACCOUNT),
        (Permit.TIFS, 1, {"account": 1}, Reason.INVALID_COMMAND),
        (Permit.TIFS, 256, {"account": 1}, Reason.INVALID_COMMAND),
        (Permit.TIFS, 0, {"account": 1}, Reason.NONE),
        (Permit.GROUPS, 0, {}, Reason.UNKNOWN_ACCOUNT),
        (Permit.INSTRUMENT, 4, {"account": 1, "instrument": 1}, Reason.INVALID_COMMAND),
        (Permit.INSTRUMENT, -1, {"account": 1, "instrument": 1}, Reason.INVALID_COMMAND),
        (Permit.INSTRUMENT, 4, {"account": 1, "instrument": 3}, Reason.UNKNOWN_INSTRUMENT),
        (Permit.INSTRUMENT, 4, {"account": 3, "instrument": 3}, Reason.UNKNOWN_ACCOUNT),
        (Permit.INSTRUMENT, 4, {"account": 1, "instrument": 2}, Reason.CURRENCY_MISMATCH),
        (Permit.SHORT_SALES, 1, {}, Reason.INVALID_COMMAND),
        (Permit.SHORT_SALES, 1, {"account": 1, "instrument": 1}, Reason.INVALID_COMMAND),
        (Permit.SHORT_SALES, 2, {"account": 1}, Reason.INVALID_COMMAND),
        (Permit.SHORT_SALES, 2, {"account": 3}, Reason.UNKNOWN_ACCOUNT),
        (Permit.SHORT_SALES, 2, {"instrument": 3}, Reason.UNKNOWN_INSTRUMENT),
    ],
)
def test_what_a_permit_must_name(
    desk: Desk, what: Any, value: int, whose: dict[str, int], expected: Reason
) -> None:
    """Whose permission it is is judged first, then the value."""
    desk.instrument(2, "EURO", currency=EUR)
    assert permit(desk, what, value, **whose).reason is expected


def test_room_for_a_position_row(make_desk: MakeDesk) -> None:
    """Access to an instrument needs a position row, whatever its value."""
    desk = make_desk(max_positions=1)
    assert permit(desk, Permit.INSTRUMENT, 0, account=1, instrument=1).reason is Reason.NONE
    assert permit(desk, Permit.INSTRUMENT, 0, account=2, instrument=1).reason is Reason.NO_ROOM


@pytest.mark.parametrize(("qty", "expected"), [(1, Reason.NONE), (2, Reason.NONE), (3, Reason.SHORT_SALE)])
def test_short_sales(desk: Desk, qty: int, expected: Reason) -> None:
    """In a restricted instrument open sells may reach the position; an account that is exempt may go on."""
    transfer(desk, 5, instrument=1)
    assert permit(desk, Permit.SHORT_SALES, 0, instrument=1) == (Reason.NONE, 0, 1)
    assert reason(desk.sell(3, at=10, cl="A")) is Reason.NONE
    assert reason(desk.sell(qty, at=10, cl="B")) is expected
    assert reason(desk.sell(1, at=10, cl="C", account=2)) is Reason.SHORT_SALE
    assert permit(desk, Permit.SHORT_SALES, 1, account=1) == (Reason.NONE, 1, 0)
    assert reason(desk.sell(9, at=10, cl="D")) is Reason.NONE
    assert permit(desk, Permit.SHORT_SALES, 0, account=1) == (Reason.NONE, 0, 1)
    assert reason(desk.replace("D", "E", 10, at=10)) is Reason.SHORT_SALE
    assert reason(desk.replace("D", "E", 8, at=10)) is Reason.NONE
    assert permit(desk, Permit.SHORT_SALES, 1, instrument=1) == (Reason.NONE, 1, 0)
    assert reason(desk.sell(1, at=10, cl="F")) is Reason.NONE


def test_buys_are_no_short_sales(desk: Desk) -> None:
    """A buy is never a short sale, whatever the position."""
    permit(desk, Permit.SHORT_SALES, 0, instrument=1)
    assert reason(desk.new(BUY, 1, 10, "A")) is Reason.NONE
    assert reason(desk.new(SELL, 1, 10, "B")) is Reason.SHORT_SALE


def test_a_session_that_is_not_permitted_is_told_first(desk: Desk) -> None:
    """The session's permission comes before switches, and those before limits."""
    define_firm(desk)
    permit(desk, Permit.SESSION, 0, "GW1")
    switch(desk, KillLevel.VENUE, Switch.KILLED)
    desk.limit(1, UNSET)
    assert reason(desk.buy(1, at=10, cl="A")) is Reason.SESSION_NOT_PERMITTED
    permit(desk, Permit.SESSION, 1, "GW1")
    assert reason(desk.buy(1, at=10, cl="A")) is Reason.VENUE_KILLED
