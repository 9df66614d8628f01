"""What positions are worth, naively: marks, the sweep, the loss of the day, and the day itself.

The pages are *Maximum loss* and *The day* in ``docs/risk-controls.md``. The value of an account is summed anew.
"""

from __future__ import annotations

from protocols.codes import LIMIT_UNLIMITED, Limit, Reason
from tests.twin.arithmetic import MOST_CASH, kept_within
from tests.twin.checks import require
from tests.twin.risk_state import RiskState

SWEEP_EVERY = 4  # commands


def mark(state: RiskState, account: int, instrument: int) -> int:
    """Mark a position at the last trade price; return by how much its mark changed."""
    row, terms = state.positions[account, instrument], state.instruments[instrument]
    most = 2**62 // (state.max_instruments + 1)
    before = row.mark
    row.mark = kept_within(row.position * terms.last_price * terms.tick_value, most)
    return row.mark - before


def sweep(state: RiskState, seq: int) -> None:
    """Mark the position whose turn it is before a command is judged."""
    if seq % SWEEP_EVERY == 0 and state.positions:
        keys = list(state.positions)
        mark(state, *keys[seq // SWEEP_EVERY % len(keys)])


def value(state: RiskState, account: int) -> int:
    """Return the sum of the marks of an account's positions."""
    return sum(row.mark for (holder, _), row in state.positions.items() if holder == account)


def equity(state: RiskState, account: int) -> int:
    """Return what an account is worth."""
    return kept_within(state.accounts[account].cash + value(state, account), MOST_CASH)


def loss(state: RiskState, account: int) -> int:
    """Return what an account has lost today; a gain is negative."""
    return state.accounts[account].day_equity - equity(state, account)


def check_loss(state: RiskState, account: int) -> None:
    """Check the loss of the day of an order that does not reduce (25 of NEW)."""
    limit = state.accounts[account].limits[Limit.MAX_LOSS]
    if limit != LIMIT_UNLIMITED:
        require(loss(state, account) <= limit, Reason.MAX_LOSS)


def shift_day_equity(state: RiskState, account: int, by: int) -> None:
    """Let a transfer be neither gain nor loss."""
    holder = state.accounts[account]
    holder.day_equity = kept_within(holder.day_equity + by, MOST_CASH)


def begin_day(state: RiskState, time_ns: int) -> int:
    """Carry out a DAY_BEGIN; return the number of the day."""
    for account in state.accounts.values():
        account.traded = account.messages = account.fills = 0
    for key in state.positions:
        mark(state, *key)
    for identity, account in state.accounts.items():
        account.day_equity = equity(state, identity)
    for firm in state.firms.values():
        firm.traded = 0
    state.day += 1
    state.day_ns = time_ns
    return state.day
