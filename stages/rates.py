"""Rates: how often an account may order and cancel, trade, and order without trading.

"Rates" of docs/risk-controls.md. A bucket is one word, the theoretical arrival time of the generic cell rate algorithm
(ITU-T I.371); interval and tolerance are computed when a limit changes. Only risk writes these words.
"""

from __future__ import annotations

import numpy as np

from protocols.codes import (
    LIMIT_EXECUTION_COUNT,
    LIMIT_EXECUTION_WINDOW,
    LIMIT_FREE_MESSAGES,
    LIMIT_ORDER_TO_TRADE,
    OUTFLAG_MAKER,
    OUTFLAG_TAKER,
    REASON_CANCEL_RATE,
    REASON_FIRM_ORDER_RATE,
    REASON_NONE,
    REASON_ORDER_RATE,
    SWITCH_THROTTLED,
)
from ringbuffer.kernel import inlined, kernel
from stages.state import (
    ACCOUNT_CANCEL_RATE,
    ACCOUNT_ORDER_RATE,
    COLUMN_CANCEL_INTERVAL,
    COLUMN_CANCEL_TOLERANCE,
    COLUMN_ORDER_INTERVAL,
    COLUMN_ORDER_TOLERANCE,
)

__all__ = ["count_execution", "exceeds_order_to_trade", "take_cancel_token", "take_order_tokens"]


@inlined
def has_token(tat_ns, time_ns, tolerance_ns):  # type: ignore[no-untyped-def]
    """Tell whether a bucket has a token; with a tolerance of -1 it never has."""
    return max(tat_ns, time_ns) - time_ns <= tolerance_ns


@inlined
def take_order_tokens(s, account_id, account, firm, time_ns):  # type: ignore[no-untyped-def]
    """Take a token from the order bucket of an account and of its firm; return the reason if one has none."""
    limits_account = np.int64(account.marks) & ACCOUNT_ORDER_RATE != 0
    account_tat = np.int64(account.order_tat)
    if limits_account and not has_token(account_tat, time_ns, s.limits[account_id, COLUMN_ORDER_TOLERANCE]):
        return REASON_ORDER_RATE
    if np.int64(firm.marks) & ACCOUNT_ORDER_RATE != 0:
        firm_id = np.int64(account.firm)
        firm_tat = np.int64(firm.order_tat)
        if not has_token(firm_tat, time_ns, s.firm_limits[firm_id, COLUMN_ORDER_TOLERANCE]):
            return REASON_FIRM_ORDER_RATE
        firm.order_tat = max(firm_tat, time_ns) + s.firm_limits[firm_id, COLUMN_ORDER_INTERVAL]
    if limits_account:
        account.order_tat = max(account_tat, time_ns) + s.limits[account_id, COLUMN_ORDER_INTERVAL]
    return REASON_NONE


@inlined
def take_cancel_token(s, account_id, time_ns):  # type: ignore[no-untyped-def]
    """Take a token from the cancel bucket of an account; return the reason if it has none."""
    account = s.accounts[account_id]
    if np.int64(account.marks) & ACCOUNT_CANCEL_RATE != 0:
        tat_ns = np.int64(account.cancel_tat)
        if not has_token(tat_ns, time_ns, s.limits[account_id, COLUMN_CANCEL_TOLERANCE]):
            return REASON_CANCEL_RATE
        account.cancel_tat = max(tat_ns, time_ns) + s.limits[account_id, COLUMN_CANCEL_INTERVAL]
    return REASON_NONE


@inlined
def exceeds_order_to_trade(s, account_id, account):  # type: ignore[no-untyped-def]
    """Tell whether one more message would be too many for the fills of the day."""
    allowed = s.limits[account_id, LIMIT_ORDER_TO_TRADE] * np.int64(account.fills)
    return np.int64(account.messages) + 1 > s.limits[account_id, LIMIT_FREE_MESSAGES] + allowed


@kernel
def count_execution(s, account_id, time_ns, flags):  # type: ignore[no-untyped-def]
    """Count a fill of an account that has the repeated-execution throttle, and engage it if there were too many."""
    if flags & (OUTFLAG_TAKER | OUTFLAG_MAKER) == 0:
        return 0
    account = s.accounts[account_id]
    count = np.int64(account.execution_count)
    if (
        count == 0
        or time_ns - np.int64(account.execution_start_ns) >= s.limits[account_id, LIMIT_EXECUTION_WINDOW]
    ):
        account.execution_start_ns = time_ns
        count = np.int64(0)
    account.execution_count = count + 1
    if count + 1 > s.limits[account_id, LIMIT_EXECUTION_COUNT]:
        account.marks |= np.int64(SWITCH_THROTTLED)
    return 0
