"""What positions are worth, and the loss of the day: "Maximum loss" and "The day" of docs/risk-controls.md.

The mark of a position is what it was worth when it was marked last; the value of an account is the sum of the marks of
its positions. A position is marked when it changes and by the sweep, one row every fourth command, so that no trade
has to visit all holders of an instrument. Only risk calls these.
"""

from __future__ import annotations

import numpy as np

from ringbuffer.kernel import inlined, kernel
from ringbuffer.native import clz64
from stages.cash import cash_of
from stages.money import MAX_CASH, SAFE_BITS, kept, money_of
from stages.state_words import RW_DAY, RW_DAY_NS, RW_POSITIONS

__all__ = ["begin_day", "equity_of", "loss_of", "mark_position", "sweep", "swept_row"]

SWEEP_MASK = 3  # a position is marked before every fourth command
SWEEP_SHIFT = 2
MARKS_SUM = 1 << 62  # no account has positions worth more: their marks are kept within a part of it


@kernel
def _kept_mark(lots, last_ticks, tick_value, instruments):  # type: ignore[no-untyped-def]
    """Return what so many lots are worth at most, of amounts of any size."""
    most = np.int64(MARKS_SUM) // instruments
    money = np.int64(money_of(last_ticks, tick_value, lots, most))
    return most if money < 0 else money


@inlined
def worth_of(s, position):  # type: ignore[no-untyped-def]
    """Return what a position is worth at the last trade price of its instrument."""
    lots = np.int64(position.position_lots)
    if lots == 0:
        return np.int64(0)
    instrument = s.instruments[np.int64(position.instrument)]
    last_ticks = np.int64(instrument.last_ticks)
    tick_value = np.int64(instrument.tick_value)
    many = abs(lots)
    instruments = np.int64(s.instruments.shape[0])
    zeros = clz64(last_ticks) + clz64(tick_value) + clz64(many) + clz64(instruments)
    if zeros >= SAFE_BITS + 64:  # the product of all four is below 2^62
        money = last_ticks * tick_value * many
    else:
        money = np.int64(_kept_mark(many, last_ticks, tick_value, instruments))
    return money if lots > 0 else -money


@inlined
def mark_position(s, row):  # type: ignore[no-untyped-def]
    """Mark a position; return by how much its mark changed."""
    position = s.positions[row]
    worth = worth_of(s, position)
    change = worth - np.int64(position.mark)
    if change != 0:
        position.mark = worth
        s.accounts[np.int64(position.account)].value += change
    return change


@inlined
def swept_row(s, seq):  # type: ignore[no-untyped-def]
    """Return the position row whose turn it is before command ``seq``, a multiple of 4."""
    return (seq >> SWEEP_SHIFT) % s.words[RW_POSITIONS]


@inlined
def sweep(s, seq):  # type: ignore[no-untyped-def]
    """Mark the position whose turn it is before command ``seq``."""
    if seq & SWEEP_MASK == 0 and s.words[RW_POSITIONS] != 0:
        mark_position(s, swept_row(s, seq))


@inlined
def equity_of(account):  # type: ignore[no-untyped-def]
    """Return what an account is worth, kept within +-2^61."""
    return kept(cash_of(account) + np.int64(account.value), MAX_CASH)


@inlined
def loss_of(account):  # type: ignore[no-untyped-def]
    """Return what an account has lost since the day began; negative if it has gained."""
    return np.int64(account.day_equity) - equity_of(account)


@kernel
def begin_day(s, time_ns):  # type: ignore[no-untyped-def]
    """Begin what is counted by the day anew; return the number of the day."""
    for row in range(s.accounts.shape[0]):
        account = s.accounts[row]
        if account.known != 0:
            account.traded = 0
            account.messages = 0
            account.fills = 0
    for row in range(s.words[RW_POSITIONS]):
        mark_position(s, np.int64(row))
    for row in range(s.accounts.shape[0]):
        account = s.accounts[row]
        if account.known != 0:
            account.day_equity = equity_of(account)
    for row in range(s.firms.shape[0]):
        if s.firms[row].known != 0:
            s.firms[row].traded = 0
    s.words[RW_DAY] += 1
    s.words[RW_DAY_NS] = time_ns
    return s.words[RW_DAY]
