"""Firms and accounts: who trades, and for whom ("Sessions and administration" of docs/rules.md).

Both begin without any limit, so nothing of them passes until somebody has decided. What a firm has is the sum of what
its accounts have; an account that changes its firm, without open orders, takes it along. Only risk
writes them.
"""

from __future__ import annotations

import numpy as np

from protocols.codes import (
    FLAG_PREFUNDED,
    REASON_CURRENCY_MISMATCH,
    REASON_INVALID_COMMAND,
    REASON_NONE,
    REASON_UNKNOWN_FIRM,
)
from ringbuffer.kernel import inlined, kernel
from stages.cash import add_cash, carry_cash
from stages.checks import is_known_firm
from stages.limits import derive_account, derive_firm
from stages.money import MAX_CASH
from stages.state import ACCOUNT_PREFUNDED, ALL_GROUPS, ALL_TIFS, ALL_TYPES

__all__ = ["define_account", "define_firm"]


@inlined
def name_problem(s, command, identity):  # type: ignore[no-untyped-def]
    """Judge id and name of an account or a firm: there is room for as many of either."""
    if not (0 < identity < s.accounts.shape[0]) or command.cl0 == 0:
        return REASON_INVALID_COMMAND
    return REASON_NONE


@inlined
def account_problem(s, command):  # type: ignore[no-untyped-def]
    """Judge an ACCOUNT command."""
    account_id = np.int64(command.account)
    firm = np.int64(command.instrument)
    if name_problem(s, command, account_id) != REASON_NONE or firm < 0:
        return REASON_INVALID_COMMAND
    if firm != 0:
        if not is_known_firm(s, firm):
            return REASON_UNKNOWN_FIRM
        if s.firms[firm].currency != command.orig2:
            return REASON_CURRENCY_MISMATCH
    record = s.accounts[account_id]
    if record.known != 0:
        was_prefunded = np.int64(record.marks) & ACCOUNT_PREFUNDED != 0
        is_prefunded = np.int64(command.flags) & FLAG_PREFUNDED != 0
        if record.name0 != command.cl0 or record.name1 != command.cl1 or record.currency != command.orig2:
            return REASON_INVALID_COMMAND
        if was_prefunded != is_prefunded or (record.firm != firm and record.open_orders != 0):
            return REASON_INVALID_COMMAND
    return REASON_NONE


@inlined
def change_firm(s, account, firm):  # type: ignore[no-untyped-def]
    """Let an account without open orders join a firm, 0 for none, with what it has and has traded."""
    cash = np.int64(account.cash)
    carry = np.int64(account.cash_carry)
    traded = np.int64(account.traded)
    has_credit = np.int64(account.marks) & ACCOUNT_PREFUNDED == 0
    if account.firm != 0:
        old = s.firms[np.int64(account.firm)]
        old.traded = max(np.int64(old.traded) - traded, np.int64(0))
        if has_credit:
            add_cash(old, -cash)
            carry_cash(old, -carry)
    account.firm = firm
    if firm != 0:
        new = s.firms[firm]
        new.traded = min(np.int64(new.traded) + traded, np.int64(MAX_CASH))
        if has_credit:
            add_cash(new, cash)
            carry_cash(new, carry)


@kernel
def define_account(s, command):  # type: ignore[no-untyped-def]
    """Define an account, which has no limit set and may use everything, or change its firm; return the reason."""
    reason = account_problem(s, command)
    if reason != REASON_NONE:
        return reason
    account_id = np.int64(command.account)
    record = s.accounts[account_id]
    if record.known == 0:
        record.name0 = command.cl0
        record.name1 = command.cl1
        record.currency = command.orig2
        record.types = ALL_TYPES
        record.tifs = ALL_TIFS
        record.groups = ALL_GROUPS
        record.marks = ACCOUNT_PREFUNDED if np.int64(command.flags) & FLAG_PREFUNDED != 0 else 0
        record.known = 1
        derive_account(s, account_id)
    if record.firm != command.instrument:
        change_firm(s, record, np.int64(command.instrument))
    return REASON_NONE


@kernel
def define_firm(s, command):  # type: ignore[no-untyped-def]
    """Define a firm, which has no limit set; return the reason if it cannot be."""
    firm_id = np.int64(command.aux0)
    reason = name_problem(s, command, firm_id)
    if reason != REASON_NONE:
        return reason
    record = s.firms[firm_id]
    if record.known == 0:
        record.name0 = command.cl0
        record.name1 = command.cl1
        record.currency = command.orig2
        record.known = 1
        derive_firm(s, firm_id)
    elif record.name0 != command.cl0 or record.name1 != command.cl1 or record.currency != command.orig2:
        return REASON_INVALID_COMMAND
    return REASON_NONE
