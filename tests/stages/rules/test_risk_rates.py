"""Rates of orders and cancels, repeated executions, order-to-trade ratio, by example (docs/risk-controls.md)."""

from __future__ import annotations

import pytest

from protocols.codes import Limit, Reason, Switch, Tif, TradingState
from tests.stages.rules.controls import (
    RELEASE,
    UNLIMITED,
    UNSET,
    begin_day,
    define_firm,
    join,
    set_limit,
    switch_account,
)
from tests.twin.scenario import BUY, SELL, Desk, MakeDesk, reason

pytestmark = pytest.mark.jitoff

STEP_NS = 7  # between two commands of a desk
SECOND_NS = 10**9


def rate(desk: Desk, a_second: int, burst: int, which: int = Limit.ORDER_RATE, **whose: int) -> None:
    """Set a bucket of account 1, or of whom is named."""
    set_limit(desk, which, a_second, **whose)
    set_limit(desk, which + 1, burst, **whose)


@pytest.mark.parametrize("burst", [1, 2, 3])
def test_a_burst(desk: Desk, burst: int) -> None:
    """As many orders as the burst pass at once, over all sessions; NEW and REPLACE count, nonsense too."""
    desk.open_session("GW2")
    rate(desk, 1, burst)
    assert reason(desk.buy(1, at=10, cl="A0")) is Reason.NONE
    for n in range(1, burst):
        assert reason(desk.buy(-n, at=10, cl="X", session=1 + n % 2)) is Reason.INVALID_QTY
    assert reason(desk.buy(1, at=10, cl="B")) is Reason.ORDER_RATE
    assert reason(desk.replace("A0", "C", 2, at=10)) is Reason.ORDER_RATE
    assert reason(desk.cancel("A0")) is Reason.NONE
    assert reason(desk.buy(1, at=10, cl="D", account=2)) is Reason.NONE


@pytest.mark.parametrize(
    ("wait_ns", "expected"), [(-1, Reason.ORDER_RATE), (0, Reason.NONE), (1, Reason.NONE)]
)
@pytest.mark.parametrize(("a_second", "interval_ns"), [(1, SECOND_NS), (3, 333_333_334), (10**9, 1)])
def test_one_each_interval(
    desk: Desk, a_second: int, interval_ns: int, wait_ns: int, expected: Reason
) -> None:
    """The next token comes after the interval, rounded up to nanoseconds."""
    rate(desk, a_second, 1)
    assert reason(desk.buy(1, at=10, cl="A")) is Reason.NONE
    if interval_ns < STEP_NS:
        expected = Reason.NONE
    else:
        desk.wait(interval_ns - STEP_NS + wait_ns)
    assert reason(desk.buy(1, at=10, cl="B")) is expected


def test_tokens_that_are_not_used_do_not_pile_up(desk: Desk) -> None:
    """After any silence there is one burst."""
    rate(desk, 1, 2)
    desk.wait(100 * SECOND_NS)
    told = [reason(desk.buy(1, at=10, cl=f"A{n}")) for n in range(4)]
    assert told == [Reason.NONE, Reason.NONE, Reason.ORDER_RATE, Reason.ORDER_RATE]


@pytest.mark.parametrize(
    ("a_second", "burst", "expected"),
    [
        (0, UNLIMITED, Reason.ORDER_RATE),
        (UNLIMITED, 0, Reason.ORDER_RATE),
        (0, 0, Reason.ORDER_RATE),
        (UNLIMITED, 1, Reason.NONE),
        (1, UNLIMITED, Reason.NONE),
        (10**9, 2**20, Reason.NONE),
    ],
)
def test_none_and_any_number(desk: Desk, a_second: int, burst: int, expected: Reason) -> None:
    """A rate or a burst of 0 lets nothing pass; without a 0, one that is unlimited lets all pass."""
    rate(desk, a_second, burst)
    for n in range(3):
        assert reason(desk.buy(1, at=10, cl=f"A{n}")) is expected


def test_the_bucket_of_a_firm(desk: Desk) -> None:
    """A firm's bucket is for all its accounts; where one bucket is empty none of the other's tokens is taken."""
    define_firm(desk)
    join(desk, 1)
    join(desk, 1, 2, "BOB")
    rate(desk, 1, 2, aux0=1)
    rate(desk, 1, 1)
    assert reason(desk.buy(1, at=10, cl="A")) is Reason.NONE
    assert reason(desk.buy(1, at=10, cl="B")) is Reason.ORDER_RATE
    assert reason(desk.buy(1, at=10, cl="C", account=2)) is Reason.NONE
    assert reason(desk.buy(1, at=10, cl="D", account=2)) is Reason.FIRM_ORDER_RATE
    rate(desk, 1, 2)
    assert reason(desk.buy(1, at=10, cl="E")) is Reason.FIRM_ORDER_RATE
    set_limit(desk, Limit.ORDER_RATE, UNLIMITED, aux0=1)
    assert reason(desk.buy(1, at=10, cl="F")) is Reason.NONE
    assert reason(desk.buy(1, at=10, cl="G")) is Reason.ORDER_RATE


def test_which_checks_come_before_the_tokens(desk: Desk) -> None:
    """A duplicate ClOrdID or an unknown instrument takes no token; an invalid side does."""
    desk.buy(1, at=10, cl="A")
    rate(desk, 1, 1)
    assert reason(desk.buy(1, at=10, cl="A")) is Reason.DUPLICATE_CL_ORD_ID
    assert reason(desk.buy(1, at=10, cl="B", instrument=3)) is Reason.UNKNOWN_INSTRUMENT
    assert reason(desk.new(3, 1, 10, "B")) is Reason.INVALID_SIDE
    assert reason(desk.buy(1, at=10, cl="B")) is Reason.ORDER_RATE


def test_cancels_have_a_bucket_of_their_own(desk: Desk) -> None:
    """CANCEL and REDUCE of open orders take tokens, and MASS_CANCEL that names the account; nothing else does."""
    rate(desk, 1, 3, Limit.CANCEL_RATE)
    desk.buy(9, at=10, cl="A")
    desk.buy(9, at=10, cl="B")
    assert reason(desk.cancel("NONE")) is Reason.UNKNOWN_ORDER
    assert reason(desk.cancel(order_id=999)) is Reason.UNKNOWN_ORDER
    assert reason(desk.status("A")) is Reason.NONE
    assert reason(desk.reduce("A", 0)) is Reason.INVALID_QTY
    assert reason(desk.reduce("A", 1)) is Reason.NONE
    assert reason(desk.mass_cancel(account=1, instrument=1, side=SELL)) is Reason.NONE
    assert reason(desk.cancel("A")) is Reason.NONE
    told = desk.cancel("B")
    assert (reason(told), told[0].order_id) == (Reason.CANCEL_RATE, desk.ids["B"])
    assert reason(desk.reduce("B", 1)) is Reason.CANCEL_RATE
    assert reason(desk.mass_cancel(account=1)) is Reason.CANCEL_RATE
    assert reason(desk.cancel("A")) is Reason.TOO_LATE
    assert reason(desk.buy(1, at=10, cl="C")) is Reason.NONE
    assert reason(desk.mass_cancel(account=1, session=0)) is Reason.NONE
    assert reason(desk.mass_cancel()) is Reason.NONE
    assert desk.core.dump_books() == []


@pytest.mark.parametrize("which", [Limit.CANCEL_RATE, Limit.CANCEL_BURST])
def test_cancels_do_not_depend_on_what_was_forgotten(desk: Desk, which: Limit) -> None:
    """Not set counts as unlimited for cancels; 0 does not."""
    desk.buy(9, at=10, cl="A")
    rate(desk, 1, 1, Limit.CANCEL_RATE)
    set_limit(desk, which, UNSET)
    for _ in range(3):
        assert reason(desk.reduce("A", 1)) is Reason.NONE
    set_limit(desk, which, 0)
    assert reason(desk.cancel("A")) is Reason.CANCEL_RATE


@pytest.mark.parametrize(
    ("count", "expected"), [(1, Reason.EXECUTION_THROTTLE), (2, Reason.NONE), (3, Reason.NONE)]
)
def test_repeated_executions(desk: Desk, count: int, expected: Reason) -> None:
    """More fills than the count within the window engage THROTTLED, once they are fed back; KILL alone releases it."""
    set_limit(desk, Limit.EXECUTION_WINDOW, 1000)
    set_limit(desk, Limit.EXECUTION_COUNT, count)
    desk.sell(9, at=10, cl="S", account=2)
    desk.buy(1, at=10, cl="A")
    desk.buy(1, at=10, cl="B")
    assert reason(desk.buy(1, at=9, cl="C", seen=desk.seq - 1)) is Reason.NONE
    assert reason(desk.buy(1, at=9, cl="D")) is expected
    assert reason(desk.cancel("C")) is Reason.NONE
    if expected is Reason.NONE:
        return
    assert reason(desk.replace("C", "E", 2, at=9, seen=desk.seq - 1)) is Reason.EXECUTION_THROTTLE
    begin_day(desk)
    assert reason(desk.buy(1, at=9, cl="F")) is Reason.EXECUTION_THROTTLE
    assert switch_account(desk, Switch.THROTTLED, RELEASE).leaves == Switch.THROTTLED
    assert reason(desk.buy(1, at=10, cl="G")) is Reason.NONE
    assert reason(desk.buy(1, at=9, cl="H")) is Reason.NONE  # the count began anew


@pytest.mark.parametrize(("wait_ns", "expected"), [(92, Reason.EXECUTION_THROTTLE), (93, Reason.NONE)])
def test_the_window_of_executions(desk: Desk, wait_ns: int, expected: Reason) -> None:
    """A window begins with its first fill; a fill as late as the window is long begins another."""
    set_limit(desk, Limit.EXECUTION_WINDOW, 100)
    set_limit(desk, Limit.EXECUTION_COUNT, 1)
    desk.sell(9, at=10, cl="S", account=2)
    desk.buy(1, at=10, cl="A")
    desk.wait(wait_ns)
    desk.buy(1, at=10, cl="B")
    assert reason(desk.buy(1, at=9, cl="C")) is expected


def test_fills_of_auctions_and_counts_that_are_off(desk: Desk) -> None:
    """Fills of an auction do not count; a count of 0 stops with the first fill; unlimited counts nothing."""
    set_limit(desk, Limit.EXECUTION_COUNT, 0)
    desk.state(TradingState.OPENING_AUCTION)
    desk.sell(1, at=10, cl="S", account=2)
    desk.buy(1, at=10, cl="A")
    desk.state(TradingState.CONTINUOUS)
    assert reason(desk.buy(1, at=10, cl="B")) is Reason.NONE
    desk.sell(1, at=10, cl="T", account=2)
    assert reason(desk.buy(1, at=10, cl="C")) is Reason.EXECUTION_THROTTLE
    switch_account(desk, Switch.THROTTLED, RELEASE)
    set_limit(desk, Limit.EXECUTION_COUNT, UNLIMITED)
    desk.sell(1, at=10, cl="U", account=2)
    desk.buy(1, at=10, cl="D")
    assert reason(desk.buy(1, at=10, cl="E")) is Reason.NONE


def test_a_throttle_is_told_behind_the_accounts_kill(desk: Desk) -> None:
    """KILLED of the account comes before THROTTLED, and that before the session's."""
    set_limit(desk, Limit.EXECUTION_COUNT, 0)
    desk.trade(10)
    desk.sell(1, at=10, cl="S", account=2)
    desk.buy(1, at=10, cl="A")
    switch_account(desk)
    assert reason(desk.buy(1, at=10, cl="B")) is Reason.ACCOUNT_KILLED
    assert switch_account(desk, side=RELEASE).leaves == Switch.KILLED | Switch.THROTTLED
    assert reason(desk.buy(1, at=10, cl="B")) is Reason.EXECUTION_THROTTLE


@pytest.mark.parametrize(
    ("free", "expected"), [(4, Reason.ORDER_TO_TRADE), (5, Reason.NONE), (6, Reason.NONE)]
)
def test_messages_of_the_day(desk: Desk, free: int, expected: Reason) -> None:
    """NEW and REPLACE that passed, CANCEL and REDUCE of open orders count; one more may reach what is free."""
    desk.buy(9, at=10, cl="A")
    desk.reduce("A", 1)
    desk.replace("A", "B", 9, at=10)
    desk.status("A")
    desk.buy(0, at=10, cl="X")
    desk.cancel("A")
    desk.cancel("A")
    set_limit(desk, Limit.FREE_MESSAGES, free)
    set_limit(desk, Limit.ORDER_TO_TRADE, 0)
    assert reason(desk.buy(1, at=10, cl="C")) is expected


def test_fills_earn_messages(desk: Desk) -> None:
    """Each fill of the day allows so many messages more; cancels are never rejected; a day begins anew."""
    set_limit(desk, Limit.FREE_MESSAGES, 1)
    set_limit(desk, Limit.ORDER_TO_TRADE, 2)
    desk.sell(2, at=10, cl="S", account=2)
    assert reason(desk.buy(1, at=10, cl="A")) is Reason.NONE
    assert reason(desk.buy(1, at=9, cl="B", seen=desk.seq - 1)) is Reason.ORDER_TO_TRADE
    assert reason(desk.buy(1, at=9, cl="B")) is Reason.NONE
    assert reason(desk.replace("B", "C", 2, at=9)) is Reason.NONE
    assert reason(desk.replace("C", "D", 3, at=9)) is Reason.ORDER_TO_TRADE
    assert reason(desk.cancel("C")) is Reason.NONE
    begin_day(desk)
    assert reason(desk.buy(1, at=9, cl="E")) is Reason.NONE
    assert reason(desk.buy(1, at=9, cl="F")) is Reason.ORDER_TO_TRADE


def test_an_unlimited_ratio_is_off(make_desk: MakeDesk) -> None:
    """With ORDER_TO_TRADE unlimited no message is too many; counted they are."""
    desk = make_desk(max_orders=16)
    set_limit(desk, Limit.FREE_MESSAGES, 0)
    assert reason(desk.new(BUY, 1, 10, "A", tif=Tif.IOC)) is Reason.NONE
    set_limit(desk, Limit.ORDER_TO_TRADE, 2**20)
    assert reason(desk.new(BUY, 1, 10, "B", tif=Tif.IOC)) is Reason.ORDER_TO_TRADE
    set_limit(desk, Limit.FREE_MESSAGES, 1)
    assert reason(desk.new(BUY, 1, 10, "B", tif=Tif.IOC)) is Reason.ORDER_TO_TRADE
    set_limit(desk, Limit.FREE_MESSAGES, 2)
    assert reason(desk.new(BUY, 1, 10, "B", tif=Tif.IOC)) is Reason.NONE


def test_the_venue_needs_no_token(desk: Desk) -> None:
    """A KILL cancels whatever the cancel bucket says."""
    rate(desk, 0, 0, Limit.CANCEL_RATE)
    desk.buy(1, at=10, cl="A")
    assert reason(desk.cancel("A")) is Reason.CANCEL_RATE
    assert switch_account(desk).qty == 1
