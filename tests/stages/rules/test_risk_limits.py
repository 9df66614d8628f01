"""LIMIT, and limits of quantity, value, open orders and position, by example (docs/risk-controls.md)."""

from __future__ import annotations

from typing import Any

import pytest

from protocols.codes import CommandFlag, Kind, Limit, LimitPart, Reason, Side
from tests.stages.rules.controls import UNLIMITED, UNSET, define_firm, join, resting, set_limit, told
from tests.twin.records import make_command
from tests.twin.scenario import BUY, EUR, USD, Desk, MakeDesk, reason

pytestmark = pytest.mark.jitoff

OF_FIRMS = (Limit.CREDIT, Limit.GROSS_NOTIONAL, Limit.ORDER_RATE, Limit.ORDER_BURST)
MOST = {which: UNLIMITED for which in Limit} | {
    Limit.ORDER_TO_TRADE: 2**20,
    Limit.DUPLICATE_COUNT: 2**20,
    Limit.EXECUTION_COUNT: 2**20,
    Limit.ORDER_BURST: 2**20,
    Limit.CANCEL_BURST: 2**20,
    Limit.ORDER_RATE: 10**9,
    Limit.CANCEL_RATE: 10**9,
}


@pytest.mark.parametrize("which", Limit)
def test_a_missing_limit_rejects(desk: Desk, which: Limit) -> None:
    """As long as one limit of an account is not set, no NEW and no REPLACE passes; a CANCEL does."""
    desk.buy(1, at=10, cl="A")
    assert set_limit(desk, which, UNSET) == (Reason.NONE, UNSET, UNLIMITED)
    assert reason(desk.buy(1, at=10, cl="B")) is Reason.LIMIT_NOT_SET
    assert reason(desk.replace("A", "B", 2, at=10)) is Reason.LIMIT_NOT_SET
    assert reason(desk.cancel("A")) is Reason.NONE
    assert set_limit(desk, which, UNLIMITED).leaves == UNSET
    assert reason(desk.buy(1, at=10, cl="B")) is Reason.NONE


@pytest.mark.parametrize("which", OF_FIRMS)
def test_a_missing_limit_of_a_firm_rejects(desk: Desk, which: Limit) -> None:
    """A firm's limits must be set too; an account without a firm needs none."""
    define_firm(desk)
    join(desk, 1)
    assert reason(desk.buy(1, at=10, cl="A")) is Reason.NONE
    set_limit(desk, which, UNSET, aux0=1)
    assert reason(desk.buy(1, at=10, cl="B")) is Reason.LIMIT_NOT_SET
    assert reason(desk.buy(1, at=10, cl="B", account=2)) is Reason.NONE


def test_a_new_account_has_no_limit(desk: Desk) -> None:
    """A new account may do nothing before all 18 limits are set."""
    desk.account(3, "CAROL")
    for which in Limit:
        assert reason(desk.buy(1, at=10, cl="A", account=3)) is Reason.LIMIT_NOT_SET
        assert set_limit(desk, which, UNLIMITED, account=3).leaves == UNSET
    assert reason(desk.buy(1, at=10, cl="A", account=3)) is Reason.NONE


@pytest.mark.parametrize("which", Limit)
@pytest.mark.parametrize("above", [0, 1])
def test_values(desk: Desk, which: Limit, above: int) -> None:
    """A limit is -1, 0 to its most, or 2^60; nothing else."""
    for value in (UNSET, 0, MOST[which], UNLIMITED):
        assert set_limit(desk, which, value).reason is Reason.NONE
    too_high = UNLIMITED + 1 if above or MOST[which] == UNLIMITED else MOST[which] + 1
    for value in (-2, too_high, 2**63 - 1, -(2**63)):
        assert set_limit(desk, which, value).reason is Reason.INVALID_COMMAND


@pytest.mark.parametrize(
    ("whose", "allowed"),
    [
        ({"account": 1}, set(Limit)),
        ({"aux0": 1}, set(OF_FIRMS)),
        ({"instrument": 1}, {Limit.MAX_ORDER_QTY, Limit.MAX_ORDER_NOTIONAL}),
        ({"account": 1, "instrument": 1}, set(Limit(n) for n in range(1, 6))),
    ],
)
def test_who_has_which_limit(desk: Desk, whose: dict[str, int], allowed: set[Limit]) -> None:
    """Accounts have all limits, firms four, instruments two, an account in an instrument five."""
    define_firm(desk)
    for which in (0, *Limit, 19, 255):
        expected = Reason.NONE if which in allowed else Reason.INVALID_COMMAND
        assert set_limit(desk, which, 1, **whose).reason is expected
        assert set_limit(desk, which, 1, part=2, **whose).reason is Reason.INVALID_COMMAND


@pytest.mark.parametrize(
    ("whose", "expected"),
    [
        ({"account": 0}, Reason.INVALID_COMMAND),
        ({"account": 1, "aux0": 1}, Reason.INVALID_COMMAND),
        ({"instrument": 1, "aux0": 1}, Reason.INVALID_COMMAND),
        ({"account": 3}, Reason.UNKNOWN_ACCOUNT),
        ({"account": 3, "instrument": 3}, Reason.UNKNOWN_ACCOUNT),
        ({"account": 1, "instrument": 3}, Reason.UNKNOWN_INSTRUMENT),
        ({"instrument": -1}, Reason.UNKNOWN_INSTRUMENT),
        ({"aux0": 2}, Reason.UNKNOWN_FIRM),
        ({"aux0": 2**62}, Reason.UNKNOWN_FIRM),
        ({"account": 1, "instrument": 2}, Reason.CURRENCY_MISMATCH),
    ],
)
def test_whose_limit(desk: Desk, whose: dict[str, int], expected: Reason) -> None:
    """Whose limit it is must be known, and fit."""
    define_firm(desk)
    desk.instrument(2, "EURO", currency=EUR)
    assert set_limit(desk, Limit.MAX_ORDER_QTY, 1, **whose).reason is expected


def test_room_for_a_position_row(make_desk: MakeDesk) -> None:
    """A limit of an account in an instrument makes a position row, which stays, if there is room."""
    desk = make_desk(max_positions=1)
    assert set_limit(desk, Limit.MAX_LONG, 1, account=1, instrument=1) == (Reason.NONE, 1, UNSET)
    assert set_limit(desk, Limit.MAX_LONG, 2, account=1, instrument=1) == (Reason.NONE, 2, 1)
    assert set_limit(desk, Limit.MAX_LONG, 1, account=2, instrument=1).reason is Reason.NO_ROOM
    assert set_limit(desk, Limit.MAX_LOSS, 1, account=2, instrument=1).reason is Reason.INVALID_COMMAND
    assert [row[:2] for row in desk.core.dump_positions()] == [(1, 1)]


@pytest.mark.parametrize("whose", [{"account": 1}, {"instrument": 1}, {"account": 1, "instrument": 1}])
@pytest.mark.parametrize("side", Side)
def test_order_quantity(desk: Desk, side: Side, whose: dict[str, int]) -> None:
    """The quantity may reach the limit of account, instrument, and account in the instrument."""
    set_limit(desk, Limit.MAX_ORDER_QTY, 10, **whose)
    for qty, expected in ((11, Reason.MAX_ORDER_QTY), (10, Reason.NONE), (9, Reason.NONE)):
        assert reason(desk.new(side, qty, 10, f"A{qty}")) is expected
    assert reason(desk.replace("A9", "B", 11, at=10)) is Reason.MAX_ORDER_QTY
    assert reason(desk.replace("A9", "B", 10, at=10)) is Reason.NONE


@pytest.mark.parametrize("whose", [{"account": 1}, {"instrument": 1}, {"account": 1, "instrument": 1}])
@pytest.mark.parametrize("side", Side)
def test_order_value(desk: Desk, side: Side, whose: dict[str, int]) -> None:
    """Price x tick value x quantity may reach the limit of the same three."""
    set_limit(desk, Limit.MAX_ORDER_NOTIONAL, 100, **whose)
    assert reason(desk.new(side, 101, 1, "A")) is Reason.MAX_ORDER_NOTIONAL
    assert reason(desk.new(side, 10, 10, "A")) is Reason.NONE
    assert reason(desk.replace("A", "B", 9, at=12)) is Reason.MAX_ORDER_NOTIONAL
    assert reason(desk.replace("A", "B", 9, at=11)) is Reason.NONE


def test_limits_of_instruments_only_narrow(desk: Desk) -> None:
    """A limit of an instrument, or of an account in it, does not widen the account's; not set, it says nothing."""
    set_limit(desk, Limit.MAX_ORDER_QTY, 5)
    set_limit(desk, Limit.MAX_ORDER_QTY, 9, instrument=1)
    set_limit(desk, Limit.MAX_ORDER_QTY, 9, account=1, instrument=1)
    assert reason(desk.buy(6, at=10, cl="A")) is Reason.MAX_ORDER_QTY
    set_limit(desk, Limit.MAX_ORDER_QTY, UNLIMITED)
    assert reason(desk.buy(10, at=10, cl="A")) is Reason.MAX_ORDER_QTY
    set_limit(desk, Limit.MAX_ORDER_QTY, UNSET, instrument=1)
    assert reason(desk.buy(10, at=10, cl="A")) is Reason.MAX_ORDER_QTY
    set_limit(desk, Limit.MAX_ORDER_QTY, UNSET, account=1, instrument=1)
    assert reason(desk.buy(10, at=10, cl="A")) is Reason.NONE


@pytest.mark.parametrize("whose", [{"account": 1}, {"account": 1, "instrument": 1}])
@pytest.mark.parametrize(
    ("limit", "expected"), [(1, Reason.MAX_OPEN_ORDERS), (2, Reason.NONE), (3, Reason.NONE)]
)
def test_open_orders(desk: Desk, whose: dict[str, int], limit: int, expected: Reason) -> None:
    """Open orders may reach the limit, of the account and of the account in the instrument."""
    set_limit(desk, Limit.MAX_OPEN_ORDERS, limit, **whose)
    assert reason(desk.buy(1, at=10, cl="A")) is Reason.NONE
    assert reason(desk.buy(1, at=10, cl="B")) is expected


def test_open_orders_of_other_instruments(desk: Desk) -> None:
    """Open orders in another instrument count for the account, not for the account in this one."""
    desk.instrument(2, "OTHER")
    set_limit(desk, Limit.MAX_OPEN_ORDERS, 1, account=1, instrument=1)
    assert reason(desk.buy(1, at=10, cl="A", instrument=2)) is Reason.NONE
    assert reason(desk.buy(1, at=10, cl="B")) is Reason.NONE
    assert reason(desk.buy(1, at=10, cl="C")) is Reason.MAX_OPEN_ORDERS
    desk.cancel("B")
    assert reason(desk.buy(1, at=10, cl="C")) is Reason.NONE


@pytest.mark.parametrize("whose", [{"account": 1}, {"account": 1, "instrument": 1}])
@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize(
    ("qty", "expected"), [(4, Reason.NONE), (5, Reason.NONE), (6, Reason.POSITION_LIMIT)]
)
def test_worst_case_position(
    desk: Desk, whose: dict[str, int], side: Side, qty: int, expected: Reason
) -> None:
    """Position and open lots of the side may reach the limit, of the account and of the account in the instrument."""
    set_limit(desk, Limit.MAX_LONG if side == BUY else Limit.MAX_SHORT, 8, **whose)
    assert reason(desk.new(side, 3, 10, "A")) is Reason.NONE
    assert reason(desk.new(side, qty, 10, "B")) is expected


@pytest.mark.parametrize("side", Side)
def test_positions_of_int64_extremes(desk: Desk, side: Side) -> None:
    """Unlimited, worst-case positions still end at 2^60."""
    assert reason(desk.new(side, 2**59, 1, "A")) is Reason.NONE
    desk.new(3 - side, 2**59, 1, "B", account=2)
    assert reason(desk.new(side, 2**59 + 1, 1, "C")) is Reason.POSITION_LIMIT
    assert reason(desk.new(side, 2**59, 1, "C")) is Reason.NONE


def test_lowering_cancels_nothing(desk: Desk) -> None:
    """A limit takes effect with the next command and cancels nothing."""
    desk.buy(5, at=10, cl="A")
    set_limit(desk, Limit.MAX_LONG, 0)
    assert len(resting(desk)) == 1
    assert reason(desk.replace("A", "B", 5, at=9)) is Reason.NONE
    assert reason(desk.replace("B", "C", 6, at=9)) is Reason.POSITION_LIMIT


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"which": Limit.CREDIT, "value": 0}, Reason.NONE),
        ({"which": Limit.CREDIT, "value": 100}, Reason.NONE),
        ({"which": Limit.CREDIT, "value": 101}, Reason.INVALID_COMMAND),
        ({"which": Limit.CREDIT, "value": -1}, Reason.INVALID_COMMAND),
        ({"which": Limit.MAX_ORDER_QTY, "value": 1}, Reason.INVALID_COMMAND),
        ({"which": Limit.ORDER_TO_TRADE, "value": 1}, Reason.INVALID_COMMAND),
        ({"which": Limit.MAX_LOSS, "value": 1}, Reason.NONE),
        ({"which": Limit.MAX_LOSS, "value": 1, "aux0": 1}, Reason.INVALID_COMMAND),
        ({"which": Limit.GROSS_NOTIONAL, "value": 1, "aux0": 1}, Reason.NONE),
        ({"which": Limit.MAX_LONG, "value": 1, "account": 1, "instrument": 1}, Reason.INVALID_COMMAND),
        ({"which": Limit.MAX_ORDER_QTY, "value": 1, "instrument": 1}, Reason.INVALID_COMMAND),
    ],
)
def test_percents_of_warnings(desk: Desk, fields: dict[str, Any], expected: Reason) -> None:
    """The part WARNING is for some limits of accounts and firms, 0 to 100."""
    define_firm(desk)
    assert set_limit(desk, part=LimitPart.WARNING, **fields).reason is expected


def test_answers_tell_old_and_new(desk: Desk) -> None:
    """The answer has the value given and the one before, of each part and holder; flag CONFIGURED changes neither."""
    define_firm(desk)
    assert set_limit(desk, Limit.CREDIT, 7) == (Reason.NONE, 7, UNLIMITED)
    assert set_limit(desk, Limit.CREDIT, 80, part=LimitPart.WARNING) == (Reason.NONE, 80, 0)
    assert set_limit(desk, Limit.CREDIT, 90, part=LimitPart.WARNING) == (Reason.NONE, 90, 80)
    assert set_limit(desk, Limit.CREDIT, UNSET) == (Reason.NONE, UNSET, 7)
    assert set_limit(desk, Limit.CREDIT, 5, aux0=1) == (Reason.NONE, 5, UNLIMITED)
    assert set_limit(desk, Limit.MAX_ORDER_QTY, 5, instrument=1) == (Reason.NONE, 5, UNSET)
    command = make_command(
        Kind.LIMIT, account=1, ord_type=Limit.CREDIT, qty_lots=8, flags=CommandFlag.CONFIGURED
    )
    assert told(desk.send(command)) == (Reason.NONE, 8, UNSET)


def test_firms_and_accounts(desk: Desk) -> None:
    """A firm and its accounts have one currency; an account changes its firm without open orders only."""
    assert define_firm(desk, 0).reason is Reason.INVALID_COMMAND
    assert define_firm(desk, 5).reason is Reason.INVALID_COMMAND
    assert define_firm(desk, 1, "").reason is Reason.INVALID_COMMAND
    assert define_firm(desk, 1, "ALPHA").reason is Reason.NONE
    assert define_firm(desk, 1, "ALPHA").reason is Reason.NONE
    assert define_firm(desk, 1, "BETA").reason is Reason.INVALID_COMMAND
    assert define_firm(desk, 1, "ALPHA", currency=EUR).reason is Reason.INVALID_COMMAND
    assert define_firm(desk, 2, "EURO", currency=EUR).reason is Reason.NONE
    assert join(desk, 3).reason is Reason.UNKNOWN_FIRM
    assert join(desk, -1).reason is Reason.INVALID_COMMAND
    assert join(desk, 2).reason is Reason.CURRENCY_MISMATCH
    assert join(desk, 1).reason is Reason.NONE
    assert join(desk, 1, flags=CommandFlag.PREFUNDED).reason is Reason.INVALID_COMMAND
    assert join(desk, 1, orig2=USD, name="BOB").reason is Reason.INVALID_COMMAND
    desk.buy(1, at=10, cl="A")
    assert join(desk, 0).reason is Reason.INVALID_COMMAND
    assert join(desk, 1).reason is Reason.NONE
    desk.cancel("A")
    assert join(desk, 0).reason is Reason.NONE
