"""Administrative commands: sessions, instruments, accounts, limits, kill switches ("Sessions and administration").

Carried out by the risk stage, which owns what they define; matching only answers them.
"""

from __future__ import annotations

import numpy as np

from protocols.codes import (
    FLAG_CANCEL_ON_CLOSE,
    FLAG_MARKET_DATA,
    KIND_ACCOUNT,
    KIND_CHECKPOINT,
    KIND_INSTRUMENT,
    KIND_KILL,
    KIND_LIMIT,
    KIND_SESSION_CLOSE,
    KIND_SESSION_OPEN,
    KIND_TICK,
    KIND_VENUE,
    LIMIT_COUNT,
    REASON_INVALID_COMMAND,
    REASON_INVALID_SIDE,
    REASON_NO_ROOM,
    REASON_NONE,
    REASON_UNKNOWN_ACCOUNT,
    REASON_UNKNOWN_SESSION,
)
from ringbuffer.kernel import inlined, kernel
from stages.checks import has_cl_ord_id, session_is_open
from stages.state_words import (
    RW_SESSIONS,
)

MAX_LIMIT = 1 << 60
MAX_TICK_VALUE = 1 << 40
MAX_PROTECTION_TICKS = 1 << 60


@inlined
def open_session(s, command, verdict):  # type: ignore[no-untyped-def]
    """Give a session name its id, the same as ever; return the reason."""
    if not has_cl_ord_id(command):
        return REASON_INVALID_COMMAND
    known = s.words[RW_SESSIONS]
    session = np.int64(1)
    while session <= known:
        record = s.sessions[session]
        if record.name0 == command.cl0 and record.name1 == command.cl1 and record.name2 == command.cl2:
            break
        session += 1
    if session > known:
        if session >= s.sessions.shape[0]:
            return REASON_NO_ROOM
        fresh = s.sessions[session]
        fresh.name0 = command.cl0
        fresh.name1 = command.cl1
        fresh.name2 = command.cl2
        s.words[RW_SESSIONS] = session
    s.sessions[session].is_open = 1
    s.sessions[session].cancels_on_close = 1 if command.flags & FLAG_CANCEL_ON_CLOSE != 0 else 0
    verdict.session = session
    return REASON_NONE


@inlined
def define_instrument(s, command):  # type: ignore[no-untyped-def]
    """Define an instrument, or change its band and protection; return the reason."""
    identity = np.int64(command.instrument)
    tick_value = np.int64(command.aux0)
    low = np.int64(command.order_id)
    high = np.int64(command.aux1)
    if not (0 < identity < s.instruments.shape[0]):
        return REASON_INVALID_COMMAND
    if command.orig0 < 0 or command.orig0 > MAX_PROTECTION_TICKS:
        return REASON_INVALID_COMMAND
    if command.cl0 == 0 or command.price_ticks <= 0 or command.qty_lots <= 0:
        return REASON_INVALID_COMMAND
    if tick_value <= 0 or tick_value > MAX_TICK_VALUE or low < 0 or high < 0 or (high != 0 and low > high):
        return REASON_INVALID_COMMAND
    record = s.instruments[identity]
    if record.known == 0:
        record.symbol0 = command.cl0
        record.symbol1 = command.cl1
        record.tick_e8 = command.price_ticks
        record.lot_e8 = command.qty_lots
        record.tick_value = tick_value
        record.currency = command.orig2
        record.known = 1
    elif (
        record.symbol0 != command.cl0
        or record.symbol1 != command.cl1
        or record.tick_e8 != command.price_ticks
        or record.lot_e8 != command.qty_lots
        or record.tick_value != tick_value
        or record.currency != command.orig2
    ):
        return REASON_INVALID_COMMAND
    record.low_ticks = low
    record.high_ticks = high
    record.protection_ticks = command.orig0
    record.has_feed = 1 if np.int64(command.flags) & FLAG_MARKET_DATA != 0 else 0
    return REASON_NONE


@inlined
def define_account(s, command):  # type: ignore[no-untyped-def]
    """Define an account; return the reason."""
    identity = np.int64(command.account)
    if not (0 < identity < s.accounts.shape[0]) or command.cl0 == 0:
        return REASON_INVALID_COMMAND
    record = s.accounts[identity]
    if record.known == 0:
        record.name0 = command.cl0
        record.name1 = command.cl1
        record.currency = command.orig2
        record.known = 1
    elif record.name0 != command.cl0 or record.name1 != command.cl1 or record.currency != command.orig2:
        return REASON_INVALID_COMMAND
    return REASON_NONE


@inlined
def is_known_account(s, account_id):  # type: ignore[no-untyped-def]
    """Tell whether an account id is defined."""
    return 0 < account_id < s.accounts.shape[0] and s.accounts[account_id].known != 0


@kernel
def administer(s, command, verdict):  # type: ignore[no-untyped-def]
    """Decide and carry out an administrative command; return the reason."""
    kind = np.int64(command.kind)
    account_id = np.int64(command.account)
    if kind == KIND_SESSION_OPEN:
        return open_session(s, command, verdict)
    if kind == KIND_SESSION_CLOSE:
        session = np.int64(command.session)
        if not session_is_open(s, session):
            return REASON_UNKNOWN_SESSION
        s.sessions[session].is_open = 0
        verdict.order_id = s.sessions[session].cancels_on_close  # tells matching to cancel its orders
        return REASON_NONE
    if kind == KIND_INSTRUMENT:
        return define_instrument(s, command)
    if kind == KIND_ACCOUNT:
        return define_account(s, command)
    if kind == KIND_LIMIT:
        which = np.int64(command.ord_type)
        if not is_known_account(s, account_id):
            return REASON_UNKNOWN_ACCOUNT
        if not (0 < which < LIMIT_COUNT) or command.qty_lots < 0 or command.qty_lots > MAX_LIMIT:
            return REASON_INVALID_COMMAND
        s.limits[account_id, which] = command.qty_lots
        return REASON_NONE
    if kind == KIND_KILL:
        if not is_known_account(s, account_id):
            return REASON_UNKNOWN_ACCOUNT
        if command.side != 1 and command.side != 2:
            return REASON_INVALID_SIDE
        s.accounts[account_id].killed = 1 if command.side == 1 else 0
        return REASON_NONE
    if kind == KIND_CHECKPOINT or kind == KIND_TICK or (kind == KIND_VENUE and command.seq == 1):
        return REASON_NONE
    return REASON_INVALID_COMMAND
