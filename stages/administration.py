"""Administrative commands: who decides and carries out which ("Sessions and administration" of docs/rules.md).

Carried out by the risk stage, which owns what they define; matching only answers them. Those about trading states
("Commands" of docs/trading-states.md) are judged here and carried out by matching; instruments are defined here,
sessions in :mod:`stages.sessions`, firms and accounts in :mod:`stages.members`, each control in a module of its own.
"""

from __future__ import annotations

import numpy as np

from protocols.codes import (
    BANDS_HALT,
    KIND_ACCOUNT,
    KIND_BANDS,
    KIND_CHECKPOINT,
    KIND_COLLAR,
    KIND_DAY_BEGIN,
    KIND_FEES,
    KIND_FIRM,
    KIND_INSTRUMENT,
    KIND_KILL,
    KIND_LIMIT,
    KIND_PERMIT,
    KIND_SCHEDULE,
    KIND_SESSION_CLOSE,
    KIND_SESSION_OPEN,
    KIND_STATE,
    KIND_TICK,
    KIND_TICK_TABLE,
    KIND_TRANSFER,
    KIND_VENUE,
    LIMIT_UNSET,
    REASON_INVALID_COMMAND,
    REASON_INVALID_EXPIRE_TIME,
    REASON_INVALID_SIDE,
    REASON_NONE,
    REASON_UNKNOWN_INSTRUMENT,
    STATE_COUNT,
)
from ringbuffer.kernel import inlined, kernel
from stages.addresses import home_partition
from stages.checks import is_known_instrument
from stages.collars import set_collar
from stages.fees import set_fees
from stages.funds import transfer
from stages.limits import set_limit
from stages.marks import begin_day
from stages.members import define_account, define_firm
from stages.money import MAX_AMOUNT
from stages.permissions import permit
from stages.sessions import close_session, open_session
from stages.state import TICK_TABLES
from stages.state_words import RW_PARTITIONS
from stages.switches import switch
from stages.tick_tables import ADD, CLEAR, add_tick_row, table_problem

MAX_TICK_VALUE = 1 << 40
MAX_PROTECTION_TICKS = 1 << 60
MIN_PERIOD_NS = 1_000_000_000


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
        record.max_order_qty = LIMIT_UNSET
        record.max_order_notional = LIMIT_UNSET
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


@kernel
def administer_controls(s, command, verdict):  # type: ignore[no-untyped-def]
    """Decide and carry out a command that sets a control; return the reason."""
    kind = np.int64(command.kind)
    if kind == KIND_LIMIT:
        return np.int64(set_limit(s, command, verdict))
    if kind == KIND_KILL:
        return np.int64(switch(s, command, verdict))
    if kind == KIND_PERMIT:
        return np.int64(permit(s, command, verdict))
    if kind == KIND_COLLAR:
        return np.int64(set_collar(s, command))
    if kind == KIND_FEES:
        return np.int64(set_fees(s, command))
    if kind == KIND_TRANSFER:
        return np.int64(transfer(s, command, verdict))
    if kind == KIND_DAY_BEGIN:
        verdict.order_id = begin_day(s, np.int64(command.time_ns))
        return np.int64(REASON_NONE)
    return np.int64(REASON_INVALID_COMMAND)


@kernel
def administer(s, command, verdict):  # type: ignore[no-untyped-def]
    """Decide and carry out an administrative command; return the reason."""
    kind = np.int64(command.kind)
    if kind == KIND_SESSION_OPEN:
        return np.int64(open_session(s, command, verdict))
    if kind == KIND_SESSION_CLOSE:
        return np.int64(close_session(s, command, verdict))
    if kind == KIND_INSTRUMENT:
        return np.int64(define_instrument(s, command))
    if kind == KIND_ACCOUNT:
        return np.int64(define_account(s, command))
    if kind == KIND_FIRM:
        return np.int64(define_firm(s, command))
    if KIND_STATE <= kind <= KIND_TICK_TABLE:
        return np.int64(administer_market(s, command))
    if kind == KIND_CHECKPOINT or kind == KIND_TICK or (kind == KIND_VENUE and command.seq == 1):
        return np.int64(REASON_NONE)
    return np.int64(administer_controls(s, command, verdict))
