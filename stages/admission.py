"""What NEW and REPLACE are asked alike: who may order at all, at which price, of which size ("Risk" of docs/rules.md).

Numbers are those of the checks of a NEW. The common way of each is one test of the ``marks`` of those concerned.
"""

from __future__ import annotations

import numpy as np

from protocols.codes import (
    LIMIT_MAX_ORDER_NOTIONAL,
    LIMIT_MAX_ORDER_QTY,
    REASON_LIMIT_NOT_SET,
    REASON_MAX_ORDER_NOTIONAL,
    REASON_MAX_ORDER_QTY,
    REASON_NONE,
    REASON_SESSION_NOT_PERMITTED,
    TYPE_MARKET,
    TYPE_STOP,
    TYPE_TRAILING_STOP,
)
from ringbuffer.kernel import inlined
from stages.exposure import most_in_instrument
from stages.limit_warnings import find_warning
from stages.money import money_of
from stages.permissions import session_acts_for
from stages.rates import take_order_tokens
from stages.state import ACCOUNT_INCOMPLETE, ACCOUNT_ORDER_RATE, ACCOUNT_WARNS
from stages.switches import STOPPED, stopping_reason

__all__ = ["check_member", "check_size", "is_priceless", "reference_price", "warn"]


@inlined
def is_priceless(ord_type):  # type: ignore[no-untyped-def]
    """Tell whether orders of a type have no limit price."""
    return ord_type == TYPE_MARKET or ord_type == TYPE_STOP or ord_type == TYPE_TRAILING_STOP


@inlined
def reference_price(instrument, stop_ticks):  # type: ignore[no-untyped-def]
    """Return the check price of an order without a limit; 0 if there is none."""
    if instrument.high_ticks != 0:
        return np.int64(instrument.high_ticks)
    return max(np.int64(instrument.last_ticks), stop_ticks)


@inlined
def check_member(s, session_id, account_id, account, firm, instrument, switches, time_ns):  # type: ignore[no-untyped-def]
    """Judge who orders: 6 to 9, sessions, switches, limits that are not set, rates."""
    session = s.sessions[session_id]
    if session.is_restricted != 0 and not session_acts_for(s, session_id, account_id):
        return np.int64(REASON_SESSION_NOT_PERMITTED)
    if switches & STOPPED != 0:
        return np.int64(stopping_reason(s, account, firm, session, instrument))
    holders = np.int64(account.marks) | np.int64(firm.marks)
    if holders & ACCOUNT_INCOMPLETE != 0:
        return np.int64(REASON_LIMIT_NOT_SET)
    if holders & ACCOUNT_ORDER_RATE != 0:
        return np.int64(take_order_tokens(s, account_id, account, firm, time_ns))
    return np.int64(REASON_NONE)


@inlined
def check_size(s, account_id, instrument, row, price, tick_value, qty):  # type: ignore[no-untyped-def]
    """Judge quantity (19) and value (20); return the value, or minus the reason."""
    most_lots = most_in_instrument(
        s, row, instrument, s.limits[account_id, LIMIT_MAX_ORDER_QTY], np.int64(instrument.max_order_qty),
        LIMIT_MAX_ORDER_QTY,
    )  # fmt: skip
    if qty > most_lots:
        return np.int64(-REASON_MAX_ORDER_QTY)
    most_money = most_in_instrument(
        s, row, instrument, s.limits[account_id, LIMIT_MAX_ORDER_NOTIONAL],
        np.int64(instrument.max_order_notional), LIMIT_MAX_ORDER_NOTIONAL,
    )  # fmt: skip
    money = money_of(price, tick_value, qty, most_money)
    return money if money >= 0 else np.int64(-REASON_MAX_ORDER_NOTIONAL)


@inlined
def warn(s, account_id, account, firm, row, side):  # type: ignore[no-untyped-def]
    """Return the limit to warn of after an acceptance, 0 for none."""
    if (np.int64(account.marks) | np.int64(firm.marks)) & ACCOUNT_WARNS == 0:
        return np.int64(0)
    return np.int64(find_warning(s, account_id, row, side))
