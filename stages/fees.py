"""Fees: an instrument's rates for takers, makers and auctions, and what each fill pays.

"Fees" of docs/risk-controls.md. An order reserves with the highest rate of the moment when it was accepted, its
``fee_cap``: no fill of it pays more. What leaves an account enters that of the venue which gets the fees, so no money
is lost.
"""

from __future__ import annotations

import numpy as np

from protocols.codes import (
    OUTFLAG_MAKER,
    OUTFLAG_TAKER,
    REASON_CURRENCY_MISMATCH,
    REASON_INVALID_COMMAND,
    REASON_NONE,
    REASON_UNKNOWN_ACCOUNT,
    REASON_UNKNOWN_INSTRUMENT,
)
from ringbuffer.kernel import inlined, kernel
from stages.checks import is_known_account, is_known_instrument
from stages.money import MILLION, share_up
from stages.state import ACCOUNT_PREFUNDED, INSTRUMENT_HAS_FEES

__all__ = ["fee_of", "highest_rate", "set_fees"]


@inlined
def highest_rate(instrument):  # type: ignore[no-untyped-def]
    """Return the highest fee rate of an instrument, 0 at least."""
    if np.int64(instrument.marks) & INSTRUMENT_HAS_FEES == 0:
        return np.int64(0)
    trading = max(np.int64(instrument.maker_rate), np.int64(instrument.taker_rate))
    return max(max(trading, np.int64(instrument.auction_rate)), np.int64(0))


@inlined
def fee_of(instrument, money, flags, fee_cap):  # type: ignore[no-untyped-def]
    """Return what a fill pays; negative: a rebate."""
    if flags & OUTFLAG_TAKER != 0:
        rate = np.int64(instrument.taker_rate)
    elif flags & OUTFLAG_MAKER != 0:
        rate = np.int64(instrument.maker_rate)
    else:
        rate = np.int64(instrument.auction_rate)
    return share_up(money, min(rate, fee_cap))


@inlined
def is_rate(value):  # type: ignore[no-untyped-def]
    """Tell whether a fee is at most all of the money of a fill."""
    return -MILLION <= value <= MILLION


@kernel
def set_fees(s, command):  # type: ignore[no-untyped-def]
    """Carry out a FEES command; return the reason if it cannot be."""
    maker = np.int64(command.price_ticks)
    taker = np.int64(command.qty_lots)
    auction = np.int64(command.order_id)
    receiver = np.int64(command.account)
    if not is_known_instrument(s, np.int64(command.instrument)):
        return REASON_UNKNOWN_INSTRUMENT
    if not is_rate(maker) or not is_rate(taker) or not is_rate(auction):
        return REASON_INVALID_COMMAND
    instrument = s.instruments[np.int64(command.instrument)]
    has_fees = (maker | taker | auction) != 0
    if has_fees:
        if not is_known_account(s, receiver):
            return REASON_UNKNOWN_ACCOUNT
        account = s.accounts[receiver]
        if np.int64(account.marks) & ACCOUNT_PREFUNDED != 0:
            return REASON_INVALID_COMMAND
        if account.currency != instrument.currency:
            return REASON_CURRENCY_MISMATCH
    instrument.maker_rate = maker
    instrument.taker_rate = taker
    instrument.auction_rate = auction
    instrument.fee_account = receiver if has_fees else np.int64(0)
    marks = np.int64(instrument.marks) & ~np.int64(INSTRUMENT_HAS_FEES)
    instrument.marks = marks | INSTRUMENT_HAS_FEES if has_fees else marks
    return REASON_NONE
