"""Administrative commands: sessions, instruments, accounts, limits, kill switches ("Sessions and administration").

Carried out by the risk stage, which owns what they define; matching only answers them. Those about trading states
("Commands" of docs/trading-states.md) are judged here and carried out by matching.
"""

from __future__ import annotations

import numpy as np

from protocols.codes import (
    BANDS_HALT,
    FLAG_CANCEL_ON_CLOSE,
    KIND_ACCOUNT,
    KIND_BANDS,
    KIND_CHECKPOINT,
    KIND_INSTRUMENT,
    KIND_KILL,
    KIND_LIMIT,
    KIND_SCHEDULE,
    KIND_SESSION_CLOSE,
    KIND_SESSION_OPEN,
    KIND_STATE,
    KIND_TICK,
    KIND_TICK_TABLE,
    KIND_VENUE,
    LIMIT_COUNT,
    REASON_INVALID_COMMAND,
    REASON_INVALID_EXPIRE_TIME,
    REASON_INVALID_SIDE,
    REASON_NO_ROOM,
    REASON_NONE,
    REASON_UNKNOWN_ACCOUNT,
    REASON_UNKNOWN_INSTRUMENT,
    REASON_UNKNOWN_SESSION,
    STATE_COUNT,
)
from ringbuffer.kernel import inlined, kernel
from stages.addresses import home_partition
from stages.checks import has_cl_ord_id, session_is_open
from stages.state import TICK_TABLES
from stages.state_words import RW_PARTITIONS, RW_SESSIONS
from stages.tick_tables import ADD, CLEAR, add_tick_row, table_problem

MAX_LIMIT = 1 << 60
MAX_TICK_VALUE = 1 << 40
MAX_PROTECTION_TICKS = 1 << 60
MAX_AMOUNT = 1 << 60
MIN_PERIOD_NS = 1_000_000_000


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
    """Define an instrument, or change its band, protection, group and tick table; return the reason."""
    identity = np.int64(command.instrument)
    tick_value = np.int64(command.aux0)
    low = np.int64(command.order_id)
    high = np.int64(command.aux1)
    if not (0 < identity < s.instruments.shape[0]):
        return REASON_INVALID_COMMAND
    if command.orig0 < 0 or command.orig0 > MAX_PROTECTION_TICKS:
        return REASON_INVALID_COMMAND
    if command.account < 0 or not (0 <= command.orig1 < TICK_TABLES):
        return REASON_INVALID_COMMAND
    if command.cl0 == 0 or command.price_ticks <= 0 or command.qty_lots <= 0:
        return REASON_INVALID_COMMAND
    if tick_value <= 0 or tick_value > MAX_TICK_VALUE or low < 0 or high < 0 or (high != 0 and low > high):
        return REASON_INVALID_COMMAND
    record = s.instruments[identity]
    if record.known == 0 and command.ord_type >= STATE_COUNT:
        return REASON_INVALID_COMMAND
    if command.tif > s.words[RW_PARTITIONS]:
        return REASON_INVALID_COMMAND
    if record.known == 0:
        record.partition = home_partition(s, command)
        record.symbol0 = command.cl0
        record.symbol1 = command.cl1
        record.tick_e8 = command.price_ticks
        record.lot_e8 = command.qty_lots
        record.tick_value = tick_value
        record.currency = command.orig2
        record.initial_state = command.ord_type
        record.known = 1
    elif (
        record.symbol0 != command.cl0
        or record.symbol1 != command.cl1
        or record.tick_e8 != command.price_ticks
        or record.lot_e8 != command.qty_lots
        or record.tick_value != tick_value
        or record.currency != command.orig2
        or (command.tif != 0 and command.tif != record.partition + 1)
    ):
        return REASON_INVALID_COMMAND
    record.low_ticks = low
    record.high_ticks = high
    record.protection_ticks = command.orig0
    record.group = command.account
    record.tick_table = command.orig1
    record.flags = command.flags
    return REASON_NONE


@inlined
def define_account(s, command):  # type: ignore[no-untyped-def]
    """Define an account, or change its firm; return the reason."""
    identity = np.int64(command.account)
    if not (0 < identity < s.accounts.shape[0]) or command.cl0 == 0 or command.instrument < 0:
        return REASON_INVALID_COMMAND
    record = s.accounts[identity]
    if record.known == 0:
        record.name0 = command.cl0
        record.name1 = command.cl1
        record.currency = command.orig2
        record.known = 1
    elif record.name0 != command.cl0 or record.name1 != command.cl1 or record.currency != command.orig2:
        return REASON_INVALID_COMMAND
    record.firm = command.instrument
    return REASON_NONE


@inlined
def is_known_instrument(s, instrument):  # type: ignore[no-untyped-def]
    """Tell whether an instrument id is defined."""
    return 0 < instrument < s.instruments.shape[0] and s.instruments[instrument].known != 0


@inlined
def is_amount(value):  # type: ignore[no-untyped-def]
    """Tell whether a width or a time is within what is allowed."""
    return 0 <= value <= MAX_AMOUNT


@inlined
def check_schedule(command):  # type: ignore[no-untyped-def]
    """Judge a SCHEDULE command by itself."""
    if command.side != ADD and command.side != CLEAR:
        return REASON_INVALID_SIDE
    if command.account < 0:
        return REASON_INVALID_COMMAND
    if command.side == ADD:
        period_ns = np.int64(command.aux0)
        if not (0 < command.ord_type < STATE_COUNT):
            return REASON_INVALID_COMMAND
        if period_ns != 0 and not (MIN_PERIOD_NS <= period_ns <= MAX_AMOUNT):
            return REASON_INVALID_COMMAND
        if command.aux1 <= command.time_ns:
            return REASON_INVALID_EXPIRE_TIME
    return REASON_NONE


@inlined
def check_bands(command):  # type: ignore[no-untyped-def]
    """Judge the amounts of a BANDS command."""
    if command.ord_type > BANDS_HALT or not is_amount(command.order_id) or not is_amount(command.orig0):
        return REASON_INVALID_COMMAND
    if not is_amount(command.price_ticks) or not is_amount(command.aux0) or not is_amount(command.qty_lots):
        return REASON_INVALID_COMMAND
    return REASON_NONE


@kernel
def administer_market(s, command):  # type: ignore[no-untyped-def]
    """Judge STATE, SCHEDULE, BANDS and TICK_TABLE, which matching carries out; return the reason."""
    kind = np.int64(command.kind)
    instrument = np.int64(command.instrument)
    if kind == KIND_STATE:
        if instrument != 0 and not is_known_instrument(s, instrument):
            return REASON_UNKNOWN_INSTRUMENT
        return REASON_NONE if 0 < command.ord_type < STATE_COUNT else REASON_INVALID_COMMAND
    if kind == KIND_SCHEDULE:
        return check_schedule(command)
    if kind == KIND_BANDS:
        return check_bands(command) if is_known_instrument(s, instrument) else REASON_UNKNOWN_INSTRUMENT
    reason = np.int64(table_problem(s.tick_rows, command))
    if reason == REASON_NONE:
        add_tick_row(s.tick_rows, command)
    return reason


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
    if KIND_STATE <= kind <= KIND_TICK_TABLE:
        return administer_market(s, command)
    if kind == KIND_CHECKPOINT or kind == KIND_TICK or (kind == KIND_VENUE and command.seq == 1):
        return REASON_NONE
    return REASON_INVALID_COMMAND
