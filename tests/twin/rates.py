"""Rates, naively: token buckets, duplicative orders, repeated executions, the order-to-trade ratio.

The pages are *Rates* and *Duplicative orders* in ``docs/risk-controls.md``.
"""

from __future__ import annotations

from protocols.codes import LIMIT_UNLIMITED, LIMIT_UNSET, Limit, OrdType, OutcomeFlag, Reason, Side, Switch
from tests.twin.arithmetic import round_up
from tests.twin.checks import PRICED_TYPES, require
from tests.twin.records import Command, Outcome
from tests.twin.risk_state import RECENT_PLACES, Account, Limits, Recent, RiskState

SECOND_NS = 10**9
MOST_FILLS = 2**41


def with_token_taken(tat: int, limits: Limits, rate: Limit, burst: Limit, time_ns: int) -> int | None:
    """Return a bucket's theoretical arrival time with one token less, None if it has no token."""
    per_second, most = (
        LIMIT_UNLIMITED if limits[limit] == LIMIT_UNSET else limits[limit] for limit in (rate, burst)
    )
    if per_second == 0 or most == 0:
        return None
    if LIMIT_UNLIMITED in (per_second, most):
        return tat
    interval = round_up(SECOND_NS, per_second)
    arrival = max(tat, time_ns)
    return arrival + interval if arrival - time_ns <= (most - 1) * interval else None


def take_order_token(state: RiskState, account: Account, time_ns: int) -> None:
    """Take a token of the account and one of its firm, if both have one (9 of NEW)."""
    taken = with_token_taken(account.order_tat, account.limits, Limit.ORDER_RATE, Limit.ORDER_BURST, time_ns)
    require(taken is not None, Reason.ORDER_RATE)
    assert taken is not None
    if account.firm:
        firm = state.firms[account.firm]
        of_firm = with_token_taken(firm.order_tat, firm.limits, Limit.ORDER_RATE, Limit.ORDER_BURST, time_ns)
        require(of_firm is not None, Reason.FIRM_ORDER_RATE)
        assert of_firm is not None
        firm.order_tat = of_firm
    account.order_tat = taken


def take_cancel_token(account: Account, time_ns: int) -> None:
    """Take a token of the cancel bucket of an account."""
    taken = with_token_taken(
        account.cancel_tat, account.limits, Limit.CANCEL_RATE, Limit.CANCEL_BURST, time_ns
    )
    require(taken is not None, Reason.CANCEL_RATE)
    assert taken is not None
    account.cancel_tat = taken


def check_ratio(account: Account) -> None:
    """Check messages against fills of the day (22 of NEW)."""
    allowed = account.limits[Limit.ORDER_TO_TRADE]
    if allowed != LIMIT_UNLIMITED:
        free = account.limits[Limit.FREE_MESSAGES]
        require(account.messages + 1 <= free + allowed * account.fills, Reason.ORDER_TO_TRADE)


# Duplicative orders


def _terms(command: Command) -> tuple[int, int, int, int]:
    """Return what makes two orders the same."""
    price = 0
    if command.ord_type in PRICED_TYPES:
        price = command.price_ticks
    elif command.ord_type != OrdType.MARKET:
        price = command.aux0
    return command.instrument, command.side, price, command.qty_lots


def _place(terms: tuple[int, int, int, int]) -> int:
    return sum(terms) % RECENT_PLACES


def _again_the_same(account: Account, command: Command) -> Recent | None:
    """Return what is remembered of an order that is the same within the window."""
    terms = _terms(command)
    entry = account.recent.get(_place(terms))
    if entry is None or entry.terms != terms:
        return None
    within = command.time_ns - entry.start_ns < account.limits[Limit.DUPLICATE_WINDOW]
    return entry if within else None


def _searches(account: Account) -> bool:
    return account.limits[Limit.DUPLICATE_COUNT] != LIMIT_UNLIMITED


def check_duplicative(account: Account, command: Command) -> None:
    """Check that an order is not the same once more (23 of NEW)."""
    if not _searches(account):
        return
    most = account.limits[Limit.DUPLICATE_COUNT]
    entry = _again_the_same(account, command)
    require(most > 0, Reason.DUPLICATIVE_ORDER)
    require(entry is None or entry.count < most, Reason.DUPLICATIVE_ORDER)


def remember_order(account: Account, command: Command) -> None:
    """Remember an order that was accepted."""
    if not _searches(account):
        return
    entry = _again_the_same(account, command)
    if entry is not None:
        entry.count += 1
    else:
        terms = _terms(command)
        account.recent[_place(terms)] = Recent(terms, command.time_ns)


# Executions


def count_execution(account: Account, outcome: Outcome) -> None:
    """Count a fill of the day, and of the window of the throttle, which it may engage."""
    account.fills = min(account.fills + 1, MOST_FILLS)
    most, window = account.limits[Limit.EXECUTION_COUNT], account.limits[Limit.EXECUTION_WINDOW]
    if not 0 <= most < LIMIT_UNLIMITED or window == LIMIT_UNSET:
        return
    if not outcome.flags & (OutcomeFlag.TAKER | OutcomeFlag.MAKER):
        return
    if account.execution_count == 0 or outcome.time_ns - account.execution_start_ns >= window:
        account.execution_start_ns, account.execution_count = outcome.time_ns, 1
    else:
        account.execution_count += 1
    if account.execution_count > most:
        account.switches |= Switch.THROTTLED


def side_bit(side: int) -> int:
    """Return how the rows that tests compare tell the side of an order that is remembered."""
    return 1 if side == Side.SELL else 0
