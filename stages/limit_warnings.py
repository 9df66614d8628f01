"""Warnings: which limit of an account or its firm is nearly used up ("Warnings" of docs/risk-controls.md).

Looked for after an acceptance, where a holder has a threshold (ACCOUNT_WARNS). Matching tells it with the acceptance.
"""

from __future__ import annotations

import numpy as np

from protocols.codes import (
    LIMIT_CREDIT,
    LIMIT_GROSS_NOTIONAL,
    LIMIT_MAX_LONG,
    LIMIT_MAX_LOSS,
    LIMIT_MAX_OPEN_ORDERS,
    LIMIT_MAX_SHORT,
    SIDE_BUY,
)
from ringbuffer.kernel import inlined, kernel
from stages.cash import cash_of
from stages.marks import loss_of
from stages.state import ACCOUNT_PREFUNDED, ACCOUNT_WARNS, NO_WARNING

__all__ = ["FIRM_LIMIT", "find_warning"]

FIRM_LIMIT = 32  # added to the code of a limit of a firm


@kernel
def _account_warning(s, account_id, account, position, side):  # type: ignore[no-untyped-def]
    """Return the first limit of an account that is nearly used up, 0 for none."""
    thresholds = s.warnings
    held = np.int64(position.position_lots)
    reserved_buy = np.int64(account.reserved_buy)
    if np.int64(account.open_orders) >= thresholds[account_id, LIMIT_MAX_OPEN_ORDERS]:
        return np.int64(LIMIT_MAX_OPEN_ORDERS)
    if side == SIDE_BUY:
        if held + np.int64(position.open_buy_lots) >= thresholds[account_id, LIMIT_MAX_LONG]:
            return np.int64(LIMIT_MAX_LONG)
        has_credit = np.int64(account.marks) & ACCOUNT_PREFUNDED == 0
        if has_credit and (reserved_buy - cash_of(account) >= thresholds[account_id, LIMIT_CREDIT]):
            return np.int64(LIMIT_CREDIT)
    elif np.int64(position.open_sell_lots) - held >= thresholds[account_id, LIMIT_MAX_SHORT]:
        return np.int64(LIMIT_MAX_SHORT)
    gross = np.int64(account.traded) + reserved_buy + np.int64(account.reserved_sell)
    if gross >= thresholds[account_id, LIMIT_GROSS_NOTIONAL]:
        return np.int64(LIMIT_GROSS_NOTIONAL)
    most_loss = thresholds[account_id, LIMIT_MAX_LOSS]
    if most_loss != NO_WARNING and loss_of(account) >= most_loss:
        return np.int64(LIMIT_MAX_LOSS)
    return np.int64(0)


@inlined
def may_warn(s, account_id, account, position):  # type: ignore[no-untyped-def]
    """Tell whether a use of an account has reached its threshold, whichever the side: one branch for all."""
    thresholds = s.warnings
    held = np.int64(position.position_lots)
    reserved_buy = np.int64(account.reserved_buy)
    gross = np.int64(account.traded) + reserved_buy + np.int64(account.reserved_sell)
    near = np.int64(account.open_orders) >= thresholds[account_id, LIMIT_MAX_OPEN_ORDERS]
    near |= held + np.int64(position.open_buy_lots) >= thresholds[account_id, LIMIT_MAX_LONG]
    near |= np.int64(position.open_sell_lots) - held >= thresholds[account_id, LIMIT_MAX_SHORT]
    near |= reserved_buy - cash_of(account) >= thresholds[account_id, LIMIT_CREDIT]
    near |= gross >= thresholds[account_id, LIMIT_GROSS_NOTIONAL]
    near |= loss_of(account) >= thresholds[account_id, LIMIT_MAX_LOSS]
    return near


@inlined
def firm_warning(s, firm_id, has_credit, side):  # type: ignore[no-untyped-def]
    """Return the first limit of a firm that is nearly used up, 0 for none."""
    firm = s.firms[firm_id]
    used = np.int64(firm.credit_reserved) - cash_of(firm)
    if (used >= s.firm_warnings[firm_id, LIMIT_CREDIT]) & has_credit & (side == SIDE_BUY):
        return np.int64(FIRM_LIMIT + LIMIT_CREDIT)
    gross = np.int64(firm.traded) + np.int64(firm.reserved)
    if gross >= s.firm_warnings[firm_id, LIMIT_GROSS_NOTIONAL]:
        return np.int64(FIRM_LIMIT + LIMIT_GROSS_NOTIONAL)
    return np.int64(0)


@kernel
def find_warning(s, account_id, row, side):  # type: ignore[no-untyped-def]
    """Return the limit to warn of after an acceptance, 0 for none, and count it."""
    account = s.accounts[account_id]
    firm_id = np.int64(account.firm)
    if np.int64(account.marks) & ACCOUNT_WARNS != 0 and may_warn(s, account_id, account, s.positions[row]):
        found = np.int64(_account_warning(s, account_id, account, s.positions[row], side))
        if found != 0:
            account.warnings += 1
            return found
    if np.int64(s.firms[firm_id].marks) & ACCOUNT_WARNS != 0:
        has_credit = np.int64(account.marks) & ACCOUNT_PREFUNDED == 0
        found = firm_warning(s, firm_id, has_credit, side)
        if found != 0:
            s.firms[firm_id].warnings += 1
            return found
    return np.int64(0)
