"""TRANSFER: cash and lots that come to the venue or leave it ("Transfers" of docs/risk-controls.md).

Nothing else changes the sums over all accounts. A withdrawal takes what is not reserved, whoever's it is; neither way
is a gain or a loss of the day.
"""

from __future__ import annotations

import numpy as np

from protocols.codes import (
    REASON_CURRENCY_MISMATCH,
    REASON_DUPLICATE_CL_ORD_ID,
    REASON_INSUFFICIENT_FUNDS,
    REASON_INSUFFICIENT_POSITION,
    REASON_INVALID_QTY,
    REASON_INVALID_SIDE,
    REASON_MISSING_CL_ORD_ID,
    REASON_NO_ROOM,
    REASON_NONE,
    REASON_POSITION_LIMIT,
    REASON_UNKNOWN_ACCOUNT,
    REASON_UNKNOWN_INSTRUMENT,
)
from ringbuffer.kernel import inlined, kernel
from stages.cash import cash_of, change_cash
from stages.checks import (
    has_cl_ord_id,
    is_known_account,
    is_known_instrument,
    is_used,
    place_of_cl_ord_id,
    use_cl_ord_id,
)
from stages.marks import mark_position
from stages.money import MAX_AMOUNT, MAX_CASH, kept
from stages.positions import find_position, has_position_room, position_of
from stages.state_words import RW_CL_IDS

__all__ = ["transfer"]

DEPOSIT = 1
WITHDRAW = 2
NO_SESSION = 0  # whose ClOrdIDs are the references of transfers


@inlined
def transfer_problem(s, command, place):  # type: ignore[no-untyped-def]
    """Return what is wrong with a TRANSFER whatever the account has."""
    account_id = np.int64(command.account)
    instrument = np.int64(command.instrument)
    if not has_cl_ord_id(command):
        return REASON_MISSING_CL_ORD_ID
    if is_used(place):
        return REASON_DUPLICATE_CL_ORD_ID
    if not is_known_account(s, account_id):
        return REASON_UNKNOWN_ACCOUNT
    if instrument != 0:
        if not is_known_instrument(s, instrument):
            return REASON_UNKNOWN_INSTRUMENT
        if s.instruments[instrument].currency != s.accounts[account_id].currency:
            return REASON_CURRENCY_MISMATCH
    if command.side != DEPOSIT and command.side != WITHDRAW:
        return REASON_INVALID_SIDE
    if command.qty_lots < 1 or command.qty_lots > MAX_AMOUNT:
        return REASON_INVALID_QTY
    return REASON_NONE


@inlined
def cash_problem(account, side, amount):  # type: ignore[no-untyped-def]
    """Return why an account cannot get or give so much cash."""
    cash = cash_of(account)
    if side == DEPOSIT:
        return REASON_INVALID_QTY if cash + amount > MAX_CASH else REASON_NONE
    return REASON_INSUFFICIENT_FUNDS if np.int64(account.reserved_buy) + amount > cash else REASON_NONE


@inlined
def lots_problem(s, row, side, amount):  # type: ignore[no-untyped-def]
    """Return why an account cannot get or give so many lots."""
    held = np.int64(0)
    open_buy = np.int64(0)
    open_sell = np.int64(0)
    if row >= 0:
        held = np.int64(s.positions[row].position_lots)
        open_buy = np.int64(s.positions[row].open_buy_lots)
        open_sell = np.int64(s.positions[row].open_sell_lots)
    if side == DEPOSIT:
        return REASON_POSITION_LIMIT if held + open_buy + amount > MAX_AMOUNT else REASON_NONE
    return REASON_INSUFFICIENT_POSITION if open_sell + amount > held else REASON_NONE


@kernel
def transfer(s, command, verdict):  # type: ignore[no-untyped-def]
    """Carry out a TRANSFER and tell what is there afterwards; return the reason if it cannot be."""
    place = place_of_cl_ord_id(s, command, np.int64(NO_SESSION))
    reason = transfer_problem(s, command, place)
    if reason != REASON_NONE:
        return reason
    account_id = np.int64(command.account)
    instrument = np.int64(command.instrument)
    side = np.int64(command.side)
    amount = np.int64(command.qty_lots)
    account = s.accounts[account_id]
    row = np.int64(-1)
    if instrument == 0:
        reason = cash_problem(account, side, amount)
    else:
        row = find_position(s, account_id, instrument)
        reason = lots_problem(s, row, side, amount)
    if reason != REASON_NONE:
        return reason
    if (instrument != 0 and not has_position_room(s, row)) or s.words[RW_CL_IDS] >= s.cl_entries.shape[0]:
        return REASON_NO_ROOM
    use_cl_ord_id(s, command, np.int64(NO_SESSION), np.int64(command.seq), place)
    change = amount if side == DEPOSIT else -amount
    if instrument == 0:
        change_cash(s, account, change)
        verdict.order_id = cash_of(account)
    else:
        row = position_of(s, row, account_id, instrument)
        s.positions[row].position_lots += change
        verdict.order_id = s.positions[row].position_lots
        change = mark_position(s, row)
    account.day_equity = kept(np.int64(account.day_equity) + change, MAX_CASH)
    return REASON_NONE
