"""Exact cash of accounts and firms, in two words: ``cash`` + 2^61 x ``cash_carry``, without bound. Only risk writes it.

So the sum over all accounts changes by TRANSFER alone, and no order has to be rejected to keep it exact. What checks
see is kept within +-2^61 ("Arithmetic" of docs/risk-controls.md). A firm's cash is that of its accounts with credit.

Invariant: ``cash`` is within +-2^61, and the bit ACCOUNT_CARRIES says whether there is a carry.
"""

from __future__ import annotations

import numpy as np

from ringbuffer.kernel import inlined, kernel
from stages.money import MAX_CASH, kept
from stages.state import ACCOUNT_CARRIES, ACCOUNT_PREFUNDED

__all__ = ["add_cash", "carry_cash", "cash_of", "change_cash"]


@kernel
def _carried_cash(cash, carry):  # type: ignore[no-untyped-def]
    """Return what checks see of cash with a carry."""
    if carry >= 2:
        return np.int64(MAX_CASH)
    if carry <= -2:
        return np.int64(-MAX_CASH)
    # one more or less than 2^61, so that no sum overflows
    return np.int64(kept(cash + carry * np.int64(MAX_CASH), MAX_CASH))


@inlined
def cash_of(holder):  # type: ignore[no-untyped-def]
    """Return what checks see of the cash of an account or a firm."""
    if np.int64(holder.marks) & ACCOUNT_CARRIES == 0:
        return np.int64(holder.cash)
    return np.int64(_carried_cash(np.int64(holder.cash), np.int64(holder.cash_carry)))


@inlined
def add_cash(holder, amount):  # type: ignore[no-untyped-def]
    """Add an amount within +-2^61 to the cash of an account or a firm."""
    total = np.int64(holder.cash) + amount
    if total > MAX_CASH:
        carry_cash(holder, np.int64(1))
        total -= np.int64(MAX_CASH)
    elif total < -MAX_CASH:
        carry_cash(holder, np.int64(-1))
        total += np.int64(MAX_CASH)
    holder.cash = total


@inlined
def carry_cash(holder, carry):  # type: ignore[no-untyped-def]
    """Add to the carry of an account or a firm."""
    holder.cash_carry += carry
    if holder.cash_carry == 0:
        holder.marks &= ~np.int64(ACCOUNT_CARRIES)
    else:
        holder.marks |= np.int64(ACCOUNT_CARRIES)


@inlined
def change_cash(s, account, amount):  # type: ignore[no-untyped-def]
    """Add an amount within +-2^61 to the cash of an account, and of its firm if the account has credit."""
    add_cash(account, amount)
    firm = np.int64(account.firm)
    if firm != 0 and np.int64(account.marks) & ACCOUNT_PREFUNDED == 0:
        add_cash(s.firms[firm], amount)
