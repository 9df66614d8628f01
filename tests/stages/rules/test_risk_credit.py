"""Credit of accounts and firms, and gross notional of the day, by example (docs/risk-controls.md)."""

from __future__ import annotations

import pytest

from protocols.codes import CommandFlag, Limit, Reason, Side
from tests.stages.rules.controls import (
    UNLIMITED,
    WITHDRAW,
    begin_day,
    define_firm,
    fund,
    join,
    set_limit,
    transfer,
)
from tests.twin.scenario import BUY, SELL, Desk, reason

pytestmark = pytest.mark.jitoff


def firm_of_two(desk: Desk) -> None:
    """Let accounts 1 and 2 belong to firm 1."""
    define_firm(desk)
    join(desk, 1)
    join(desk, 1, 2, "BOB")


@pytest.mark.parametrize(("qty", "expected"), [(6, Reason.NONE), (7, Reason.NONE), (8, Reason.CREDIT_LIMIT)])
def test_credit(desk: Desk, qty: int, expected: Reason) -> None:
    """Reserved money less cash may reach the credit; a deposit can be spent too."""
    set_limit(desk, Limit.CREDIT, 100)
    transfer(desk, 20)
    desk.buy(5, at=10, cl="A")
    assert reason(desk.buy(qty, at=10, cl="B")) is expected


@pytest.mark.parametrize(
    ("at", "expected"), [(19, Reason.NONE), (20, Reason.NONE), (21, Reason.CREDIT_LIMIT)]
)
def test_a_replace_needs_credit_for_what_it_grows_by(desk: Desk, at: int, expected: Reason) -> None:
    """What is reserved already counts once."""
    set_limit(desk, Limit.CREDIT, 100)
    desk.buy(5, at=10, cl="A")
    assert reason(desk.replace("A", "B", 5, at=at)) is expected


@pytest.mark.parametrize(
    ("qty", "expected"), [(4, Reason.NONE), (5, Reason.NONE), (6, Reason.FIRM_CREDIT_LIMIT)]
)
def test_credit_of_a_firm(desk: Desk, qty: int, expected: Reason) -> None:
    """The sums over the accounts of a firm may reach its credit; what one of them has can be spent by another."""
    firm_of_two(desk)
    set_limit(desk, Limit.CREDIT, 100, aux0=1)
    desk.buy(6, at=10, cl="A")
    desk.buy(1, at=10, cl="B", account=2)
    transfer(desk, 20, account=2)
    assert reason(desk.buy(qty, at=10, cl="C", account=2)) is expected


def test_the_account_is_told_first(desk: Desk) -> None:
    """Where account and firm have too little, the account's reason is told; gross notional before credit."""
    firm_of_two(desk)
    for which, expected in (
        (Limit.CREDIT, Reason.CREDIT_LIMIT),
        (Limit.GROSS_NOTIONAL, Reason.GROSS_NOTIONAL),
    ):
        set_limit(desk, which, 9, aux0=1)
        set_limit(desk, which, 9)
        assert reason(desk.buy(1, at=10, cl="A")) is expected
    set_limit(desk, Limit.GROSS_NOTIONAL, UNLIMITED)
    assert reason(desk.buy(1, at=10, cl="A")) is Reason.FIRM_GROSS_NOTIONAL
    set_limit(desk, Limit.GROSS_NOTIONAL, UNLIMITED, aux0=1)
    assert reason(desk.buy(1, at=10, cl="A")) is Reason.CREDIT_LIMIT
    set_limit(desk, Limit.CREDIT, UNLIMITED)
    assert reason(desk.buy(1, at=10, cl="A")) is Reason.FIRM_CREDIT_LIMIT


def test_prefunded_accounts_use_no_credit_of_their_firm(desk: Desk) -> None:
    """A pre-funded account of a firm counts for its gross notional, not for its credit, and its cash neither."""
    define_firm(desk)
    set_limit(desk, Limit.CREDIT, 10, aux0=1)
    join(desk, 1, 3, "CAROL", flags=CommandFlag.PREFUNDED)
    desk.limits(UNLIMITED, 3)
    transfer(desk, 1000, account=3)
    join(desk, 1)
    assert reason(desk.buy(5, at=10, cl="A", account=3)) is Reason.NONE
    assert reason(desk.buy(2, at=10, cl="B")) is Reason.FIRM_CREDIT_LIMIT
    assert reason(desk.buy(1, at=10, cl="B")) is Reason.NONE
    set_limit(desk, Limit.GROSS_NOTIONAL, 69, aux0=1)
    assert reason(desk.buy(1, at=10, cl="C", account=3)) is Reason.FIRM_GROSS_NOTIONAL
    set_limit(desk, Limit.GROSS_NOTIONAL, 70, aux0=1)
    assert reason(desk.buy(1, at=10, cl="C", account=3)) is Reason.NONE


def test_an_account_takes_its_cash_along(desk: Desk) -> None:
    """An account that joins a firm, or leaves it, takes its exact cash and what it traded along."""
    define_firm(desk, 1, "ONE")
    define_firm(desk, 2, "TWO")
    set_limit(desk, Limit.CREDIT, 0, aux0=1)
    set_limit(desk, Limit.CREDIT, 0, aux0=2)
    transfer(desk, 50)
    join(desk, 1)
    assert reason(desk.buy(6, at=10, cl="A")) is Reason.FIRM_CREDIT_LIMIT
    assert reason(desk.buy(5, at=10, cl="A")) is Reason.NONE
    desk.cancel("A")
    join(desk, 2)
    assert reason(desk.buy(5, at=10, cl="B")) is Reason.NONE
    desk.cancel("B")
    join(desk, 1, 2, "BOB")
    assert reason(desk.buy(1, at=1, cl="C", account=2)) is Reason.FIRM_CREDIT_LIMIT


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize(
    ("qty", "expected"), [(4, Reason.NONE), (5, Reason.NONE), (6, Reason.GROSS_NOTIONAL)]
)
def test_gross_notional(desk: Desk, side: Side, qty: int, expected: Reason) -> None:
    """What was traded today, and what is reserved of both sides, may reach the limit."""
    set_limit(desk, Limit.GROSS_NOTIONAL, 100)
    desk.sell(2, at=10, cl="A")
    desk.buy(2, at=10, cl="B", account=2)
    desk.buy(2, at=5, cl="C")
    desk.sell(1, at=20, cl="D")
    assert reason(desk.new(side, qty, 10, "E")) is expected


@pytest.mark.parametrize(
    ("qty", "expected"), [(4, Reason.NONE), (5, Reason.NONE), (6, Reason.FIRM_GROSS_NOTIONAL)]
)
def test_gross_notional_of_a_firm(desk: Desk, qty: int, expected: Reason) -> None:
    """Of a firm the sums over all its accounts count: both sides of a trade between them."""
    firm_of_two(desk)
    desk.sell(2, at=10, cl="A")
    desk.buy(2, at=10, cl="B", account=2)
    set_limit(desk, Limit.GROSS_NOTIONAL, 100, aux0=1)
    desk.sell(1, at=10, cl="C")
    assert reason(desk.sell(qty, at=10, cl="D", account=2)) is expected


def test_what_is_cancelled_is_given_back(desk: Desk) -> None:
    """Gross notional counts what has traded and what may still trade; a new day begins with what is reserved."""
    set_limit(desk, Limit.GROSS_NOTIONAL, 100)
    desk.buy(10, at=10, cl="A")
    assert reason(desk.buy(1, at=1, cl="B")) is Reason.GROSS_NOTIONAL
    desk.cancel("A")
    desk.buy(10, at=10, cl="C")
    desk.sell(4, at=10, cl="D", account=2)
    assert reason(desk.buy(1, at=1, cl="E")) is Reason.GROSS_NOTIONAL
    assert begin_day(desk) == (Reason.NONE, 0, 1)
    assert reason(desk.buy(4, at=10, cl="E")) is Reason.NONE
    assert reason(desk.buy(1, at=1, cl="F")) is Reason.GROSS_NOTIONAL
    assert begin_day(desk).leaves == 2


def test_unlimited_is_for_any_volume(desk: Desk) -> None:
    """Unlimited, gross notional bounds what is reserved at once by 2^60, and not what was traded."""
    for n in range(3):
        assert reason(desk.sell(2**60, at=1, cl=f"S{n}", account=2)) is Reason.NONE
        assert reason(desk.buy(2**60, at=1, cl=f"B{n}")) is Reason.NONE
        assert reason(desk.sell(2**60, at=1, cl=f"T{n}")) is Reason.NONE
        assert reason(desk.buy(2**60, at=1, cl=f"C{n}", account=2)) is Reason.NONE
    assert reason(desk.sell(2**60, at=1, cl="X")) is Reason.NONE
    assert reason(desk.buy(1, at=1, cl="Y")) is Reason.GROSS_NOTIONAL
    assert desk.money().cash == 0


def test_a_replace_counts_what_it_grows_by(desk: Desk) -> None:
    """The grown reservation of a sell counts as well; a smaller one does not."""
    set_limit(desk, Limit.GROSS_NOTIONAL, 100)
    desk.sell(5, at=10, cl="A")
    assert reason(desk.replace("A", "B", 5, at=21)) is Reason.GROSS_NOTIONAL
    assert reason(desk.replace("A", "B", 5, at=20)) is Reason.NONE
    assert reason(desk.replace("B", "C", 2, at=10)) is Reason.NONE


def test_a_fill_at_a_better_price(desk: Desk) -> None:
    """A fill counts at its own price, and what was reserved for it is free again."""
    set_limit(desk, Limit.GROSS_NOTIONAL, 100)
    desk.sell(5, at=10, cl="S", account=2)
    desk.buy(5, at=20, cl="A")
    desk.tick()
    assert desk.money().reserved_buy == 0
    assert reason(desk.buy(5, at=10, cl="B")) is Reason.NONE
    assert reason(desk.buy(1, at=1, cl="C")) is Reason.GROSS_NOTIONAL


def test_cash_is_exact_beyond_int64(desk: Desk) -> None:
    """Cash that leaves the range of checks is kept to the millionth, and seems as much as checks can see."""
    for account in (3, 4):
        desk.account(account, f"ACC{account}")
        desk.limits(UNLIMITED, account)
    for account in (1, 2, 4):
        assert reason(desk.new(SELL, 1, 2**60, f"S{account}", account=3)) is Reason.NONE
        assert reason(desk.new(BUY, 1, 2**60, f"B{account}", account=account)) is Reason.NONE
        assert reason(desk.new(BUY, 1, 1, f"C{account}", account=account)) is Reason.CREDIT_LIMIT
    assert desk.money(3).cash == 3 * 2**60
    assert transfer(desk, 1, account=3).reason is Reason.INVALID_QTY
    for left in (2**61, 2**60, 0):
        assert transfer(desk, 2**60, WITHDRAW, account=3).leaves == left
    assert [desk.money(account).cash for account in (1, 2, 4)] == [-(2**60)] * 3


def test_a_prefunded_desk(desk: Desk) -> None:
    """Credit must be set for a pre-funded account, and is not looked at."""
    fund(desk, cash=100)
    set_limit(desk, Limit.CREDIT, 0, account=3)
    assert reason(desk.buy(10, at=10, cl="A", account=3)) is Reason.NONE
