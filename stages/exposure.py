"""What an order would add to what an account and its firm may lose: checks 24 to 29 of a NEW, 12 and 13 of a REPLACE.

Each is judged with *more* lots or money, all that is reserved already counted ("Reducing only", "Short sales",
"Reservations, credit", "Gross notional", "Pre-funded accounts" of docs/risk-controls.md). No sum has more than
four terms of at most 2^61.
"""

from __future__ import annotations

import numpy as np

from protocols.codes import (
    ACCESS_REDUCING,
    LIMIT_CREDIT,
    LIMIT_GROSS_NOTIONAL,
    LIMIT_MAX_LONG,
    LIMIT_MAX_LOSS,
    LIMIT_UNLIMITED,
    REASON_CREDIT_LIMIT,
    REASON_FIRM_CREDIT_LIMIT,
    REASON_FIRM_GROSS_NOTIONAL,
    REASON_GROSS_NOTIONAL,
    REASON_INSUFFICIENT_FUNDS,
    REASON_INSUFFICIENT_POSITION,
    REASON_MAX_LOSS,
    REASON_NONE,
    REASON_POSITION_LIMIT,
    REASON_REDUCE_ONLY,
    REASON_SHORT_SALE,
    SIDE_BUY,
    SWITCH_REDUCING,
)
from ringbuffer.kernel import inlined, kernel
from stages.cash import cash_of
from stages.marks import loss_of
from stages.state import (
    ACCOUNT_MAX_LOSS,
    ACCOUNT_PREFUNDED,
    ACCOUNT_SHORT_EXEMPT,
    INSTRUMENT_HAS_LIMITS,
    INSTRUMENT_NO_SHORT_SALES,
)

__all__ = ["check_lots", "check_money", "most_in_instrument", "narrowed"]


@inlined
def tighter(limit, other):  # type: ignore[no-untyped-def]
    """Return the tighter of a limit and another that may not be set."""
    return limit if other < 0 else min(limit, other)


@inlined
def most_in_instrument(s, row, instrument, limit, of_instrument, which):  # type: ignore[no-untyped-def]
    """Return an account's limit, narrowed by those of an instrument and of the account in it."""
    if np.int64(instrument.marks) & INSTRUMENT_HAS_LIMITS != 0:
        limit = tighter(limit, of_instrument)
    return narrowed(s, row, limit, which)


@inlined
def narrowed(s, row, limit, which):  # type: ignore[no-untyped-def]
    """Return an account's limit, narrowed by that of the account in an instrument."""
    if row >= 0 and s.positions[row].has_limits != 0:
        limit = tighter(limit, s.position_limits[row, which])
    return limit


@inlined
def reduces(position_lots, open_lots, side, more_lots):  # type: ignore[no-untyped-def]
    """Tell whether the position can only become smaller, in whatever order what is open trades."""
    held = -position_lots if side == SIDE_BUY else position_lots
    return open_lots + more_lots <= max(held, np.int64(0))


@kernel
def _reducing_reason(position_lots, open_lots, side, more_lots, must_reduce):  # type: ignore[no-untyped-def]
    """Return why an order that does not reduce is kept out."""
    if reduces(position_lots, open_lots, side, more_lots):
        return REASON_NONE
    return REASON_REDUCE_ONLY if must_reduce else REASON_MAX_LOSS


@inlined
def exceeds_loss(s, account_id, account):  # type: ignore[no-untyped-def]
    """Tell whether an account has lost more than it may."""
    has_limit = np.int64(account.marks) & ACCOUNT_MAX_LOSS != 0
    return has_limit and loss_of(account) > s.limits[account_id, LIMIT_MAX_LOSS]


@kernel
def _sale_problem(account, instrument, position_lots, open_lots, more_lots):  # type: ignore[no-untyped-def]
    """Return why an account cannot sell so many lots more: short sales, lots that it has not."""
    restricted = np.int64(instrument.marks) & INSTRUMENT_NO_SHORT_SALES != 0
    if restricted and np.int64(account.marks) & ACCOUNT_SHORT_EXEMPT == 0:
        if open_lots + more_lots > max(position_lots, np.int64(0)):
            return REASON_SHORT_SALE
    if np.int64(account.marks) & ACCOUNT_PREFUNDED != 0 and open_lots + more_lots > position_lots:
        return REASON_INSUFFICIENT_POSITION
    return REASON_NONE


@inlined
def check_lots(  # type: ignore[no-untyped-def]
    s, account_id, account, instrument, row, position_lots, open_lots, side, more_lots, switches, access
):
    """Judge ``more_lots`` of a side: reducing only, maximum loss, short sales, worst-case position."""
    must_reduce = switches & SWITCH_REDUCING != 0 or access == ACCESS_REDUCING
    if must_reduce or exceeds_loss(s, account_id, account):
        reason = np.int64(_reducing_reason(position_lots, open_lots, side, more_lots, must_reduce))
        if reason != REASON_NONE:
            return reason
    asks = np.int64(instrument.marks) & INSTRUMENT_NO_SHORT_SALES
    asks |= np.int64(account.marks) & ACCOUNT_PREFUNDED
    if asks != 0 and side != SIDE_BUY:
        reason = np.int64(_sale_problem(account, instrument, position_lots, open_lots, more_lots))
        if reason != REASON_NONE:
            return reason
    # sides come at random: a branch on them would be mispredicted
    which = side + (LIMIT_MAX_LONG - SIDE_BUY)
    most = narrowed(s, row, s.limits[account_id, which], which)
    towards = 2 * SIDE_BUY + 1 - 2 * side  # 1 of a buy, -1 of a sell
    worst = towards * position_lots + open_lots + more_lots
    return np.int64(REASON_NONE) if worst <= most else np.int64(REASON_POSITION_LIMIT)


@inlined
def exceeds_gross(limit, traded, reserved):  # type: ignore[no-untyped-def]
    """Tell whether gross notional is above its limit; unlimited, what was traded does not count."""
    return reserved > limit or (limit != LIMIT_UNLIMITED and traded + reserved > limit)


@inlined
def check_money(s, account_id, account, side, more_money):  # type: ignore[no-untyped-def]
    """Judge ``more_money`` that an order reserves: gross notional, of a buy funds or credit too."""
    firm_id = np.int64(account.firm)
    reserved_buy = np.int64(account.reserved_buy)
    reserved = reserved_buy + np.int64(account.reserved_sell) + more_money
    if exceeds_gross(s.limits[account_id, LIMIT_GROSS_NOTIONAL], np.int64(account.traded), reserved):
        return np.int64(REASON_GROSS_NOTIONAL)
    if firm_id != 0:
        firm = s.firms[firm_id]
        reserved = np.int64(firm.reserved) + more_money
        if exceeds_gross(s.firm_limits[firm_id, LIMIT_GROSS_NOTIONAL], np.int64(firm.traded), reserved):
            return np.int64(REASON_FIRM_GROSS_NOTIONAL)
    is_buy = side == SIDE_BUY
    used = reserved_buy + more_money - cash_of(account)
    if np.int64(account.marks) & ACCOUNT_PREFUNDED != 0:
        return np.int64(REASON_INSUFFICIENT_FUNDS) if is_buy and used > 0 else np.int64(REASON_NONE)
    if (used > s.limits[account_id, LIMIT_CREDIT]) & is_buy:
        return np.int64(REASON_CREDIT_LIMIT)
    if firm_id != 0:
        firm = s.firms[firm_id]
        used = np.int64(firm.credit_reserved) + more_money - cash_of(firm)
        if (used > s.firm_limits[firm_id, LIMIT_CREDIT]) & is_buy:
            return np.int64(REASON_FIRM_CREDIT_LIMIT)
    return np.int64(REASON_NONE)
