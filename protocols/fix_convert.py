"""Kernels that turn the indexed fields of a FIX message into one command slot.

Reads ``spans`` and STATE_SEEN of :mod:`protocols.fix_index`; writes ``out[count]``, all fields of it, and
only when the whole message is good; enters a new SenderCompID into the session table last, for the same
reason.
"""

from __future__ import annotations

import numpy as np

from protocols.codes import (
    FLAG_OFF_LOT,
    FLAG_OFF_TICK,
    KIND_CANCEL,
    KIND_MASS_CANCEL,
    KIND_NEW,
    KIND_REPLACE,
    KIND_STATUS,
    TIF_DAY,
    TIF_GTD,
    TYPE_LIMIT,
    TYPE_STOP,
    TYPE_STOP_LIMIT,
    TYPE_TRAILING_STOP,
)
from protocols.fix_fields import parse_order_id
from protocols.fix_frame import (
    STATE_MESSAGE_START,
    STATE_SEEN,
    STATE_SESSION_COUNT,
    fail,
)
from protocols.fix_problems import (
    PROBLEM_BAD_MASS_CANCEL,
    PROBLEM_MISSING_TAG,
    PROBLEM_NONE,
    PROBLEM_TOO_MANY_SESSIONS,
)
from protocols.fix_tables import (
    ORD_TYPE_OF_BYTE,
    REQUIRED_CANCEL,
    REQUIRED_MASS_CANCEL,
    REQUIRED_ORDER,
    REQUIRED_STATUS,
    SIDE_OF_BYTE,
    SLOT_ACCOUNT,
    SLOT_CL_ORD_ID,
    SLOT_EXPIRE_TIME,
    SLOT_MASS_CANCEL_TYPE,
    SLOT_ORD_TYPE,
    SLOT_ORDER_ID,
    SLOT_ORDER_QTY,
    SLOT_ORIG_CL_ORD_ID,
    SLOT_PEG_OFFSET,
    SLOT_PRICE,
    SLOT_SENDER,
    SLOT_SIDE,
    SLOT_STATUS_ID,
    SLOT_STOP_PRICE,
    SLOT_SYMBOL,
    SLOT_TIF,
    STATUS_TARGETS,
    TAG_OF_SLOT,
    TARGETS,
    TERMS,
    TIF_OF_BYTE,
)
from protocols.fix_terms import exec_bits_of, read_terms, resolve_type
from protocols.fix_values import code_of, decimal, has, recorded_time, text, to_units
from protocols.lookup import find_name, hash_name
from protocols.source import MAX_SESSIONS
from ringbuffer.kernel import inlined, kernel

__all__ = ["fill_command"]

ALL_ORDERS, ORDERS_OF_A_SECURITY = 55, 49  # bytes of MassCancelRequestType
NOT_THERE = -1  # a name or side that a mass cancel gives and nobody has: 0 would be any
NO_SIDE = 255


@inlined
def _required(kind, ord_type, tif, state):  # type: ignore[no-untyped-def]
    """Return the slots that a message of this kind must have."""
    seen = state[STATE_SEEN]
    if kind == KIND_STATUS:
        return REQUIRED_STATUS if seen & STATUS_TARGETS != 0 else REQUIRED_STATUS | 1 << SLOT_CL_ORD_ID
    if kind == KIND_MASS_CANCEL:
        return REQUIRED_MASS_CANCEL
    required = REQUIRED_CANCEL
    if kind != KIND_CANCEL:
        required = REQUIRED_ORDER
        if ord_type == TYPE_LIMIT or ord_type == TYPE_STOP_LIMIT:
            required |= 1 << SLOT_PRICE
    if kind != KIND_NEW:
        if seen & TARGETS == 0:
            required |= 1 << SLOT_ORIG_CL_ORD_ID
        return required
    if ord_type == TYPE_STOP or ord_type == TYPE_STOP_LIMIT:
        required |= 1 << SLOT_STOP_PRICE
    elif ord_type == TYPE_TRAILING_STOP:
        required |= 1 << SLOT_PEG_OFFSET
    if tif == TIF_GTD:
        required |= 1 << SLOT_EXPIRE_TIME
    return required


@kernel
def _check_required(kind, ord_type, tif, state):  # type: ignore[no-untyped-def]
    """Return 0 if all fields are there that this kind of message needs."""
    missing = _required(kind, ord_type, tif, state) & ~state[STATE_SEEN]
    if missing == 0:
        return PROBLEM_NONE
    slot = 0
    while (missing >> slot) & 1 == 0:
        slot += 1
    start = state[STATE_MESSAGE_START]
    return fail(state, PROBLEM_MISSING_TAG, TAG_OF_SLOT[slot], start, start)


@inlined
def _identify(data, spans, slot, state, table, keys):  # type: ignore[no-untyped-def]
    """Return the id of a symbol or account, 0 for an absent or unknown one, and a code."""
    if has(state, slot) and spans[slot, 1] - spans[slot, 0] > 16:
        return 0, PROBLEM_NONE
    first, second, _, code = text(data, spans, slot, state)
    return find_name(table, keys, first, second), code


@kernel
def fill_command(  # type: ignore[no-untyped-def]
    kind, data, spans, out, count, directory, session_table, session_keys, state
):
    """Convert the indexed fields and write the slot ``out[count]``; return 0 or the problem."""
    ord_type = code_of(data, spans, SLOT_ORD_TYPE, state, ORD_TYPE_OF_BYTE)
    tif = code_of(data, spans, SLOT_TIF, state, TIF_OF_BYTE) if has(state, SLOT_TIF) else np.int64(TIF_DAY)
    is_order = kind == KIND_NEW or kind == KIND_REPLACE
    has_terms = is_order and state[STATE_SEEN] & TERMS != 0
    exec_bits = exec_bits_of(data, spans, state) if has_terms else np.int64(0)
    if exec_bits != 0 or ord_type == TYPE_TRAILING_STOP:
        ord_type = resolve_type(ord_type, exec_bits, data, spans, state)
    code = _check_required(kind, ord_type, tif, state)
    if code != PROBLEM_NONE:
        return code
    time_ns, code = recorded_time(data, spans, state)
    if code != PROBLEM_NONE:
        return code
    cl0, cl1, cl2, code = text(data, spans, SLOT_STATUS_ID if kind == KIND_STATUS else SLOT_CL_ORD_ID, state)
    if code != PROBLEM_NONE:
        return code
    orig0, orig1, orig2, order_id, code = _target(kind, data, spans, state)
    if code != PROBLEM_NONE:
        return code
    qty_e8, code = decimal(data, spans, SLOT_ORDER_QTY, state)
    if code != PROBLEM_NONE:
        return code
    price_e8, code = decimal(data, spans, SLOT_PRICE, state)
    if code != PROBLEM_NONE:
        return code
    account, code = _identify(
        data, spans, SLOT_ACCOUNT, state, directory.account_table, directory.account_keys
    )
    if code != PROBLEM_NONE:
        return code
    instrument, code = _identify(
        data, spans, SLOT_SYMBOL, state, directory.symbol_table, directory.symbol_keys
    )
    if code != PROBLEM_NONE:
        return code
    side = code_of(data, spans, SLOT_SIDE, state, SIDE_OF_BYTE)
    flags = np.int64(0)
    aux0 = np.int64(0)
    aux1 = np.int64(0)
    if has_terms:
        # the units of instrument 0 are there, so that all is checked
        flags, display, minimum, group, aux0, aux1, code = read_terms(
            kind, ord_type, tif, exec_bits, data, spans, state, directory.tick_e8[instrument],
            directory.lot_e8[instrument],
        )  # fmt: skip
        if code != PROBLEM_NONE:
            return code
        if kind == KIND_NEW:
            order_id, orig0, orig2 = display, minimum, group
        if instrument == 0:
            flags &= ~np.int64(FLAG_OFF_TICK | FLAG_OFF_LOT)
            aux0 = np.int64(0)
            if kind == KIND_NEW:
                order_id, orig0 = np.int64(0), np.int64(0)
    elif kind == KIND_MASS_CANCEL:
        account, instrument, side, code = _whose_orders(account, instrument, side, data, spans, state)
        if code != PROBLEM_NONE:
            return code
    session, code = _session(data, spans, session_table, session_keys, state)
    if code != PROBLEM_NONE:
        return code

    price_ticks = np.int64(0)
    qty_lots = np.int64(0)
    if instrument > 0 and kind != KIND_MASS_CANCEL and kind != KIND_STATUS:
        qty_lots, cut = to_units(qty_e8, directory.lot_e8[instrument])
        if cut:
            flags |= FLAG_OFF_LOT
        if is_order and (ord_type == TYPE_LIMIT or ord_type == TYPE_STOP_LIMIT or ord_type == 0):
            price_ticks, cut = to_units(price_e8, directory.tick_e8[instrument])
            if cut:
                flags |= FLAG_OFF_TICK
    row = out[count]
    row["seq"] = 0
    row["time_ns"] = time_ns
    row["seen_seq"] = 0
    row["price_ticks"] = price_ticks
    row["qty_lots"] = qty_lots
    row["order_id"] = order_id
    row["account"] = account
    row["instrument"] = instrument
    row["session"] = session
    row["kind"] = kind
    row["side"] = side
    row["ord_type"] = ord_type
    row["tif"] = tif
    row["flags"] = flags
    row["cl0"] = cl0
    row["cl1"] = cl1
    row["cl2"] = cl2
    row["orig2"] = orig2
    row["orig0"] = orig0
    row["orig1"] = orig1
    row["aux0"] = aux0
    row["aux1"] = aux1
    row["sent_ns"] = 0
    return PROBLEM_NONE


@kernel
def _target(kind, data, spans, state):  # type: ignore[no-untyped-def]
    """Return the OrigClOrdID (three integers), the OrderID where there is none, and a code."""
    zero = np.int64(0)
    if kind == KIND_NEW or kind == KIND_MASS_CANCEL:
        return zero, zero, zero, zero, PROBLEM_NONE
    slot = SLOT_CL_ORD_ID if kind == KIND_STATUS else SLOT_ORIG_CL_ORD_ID
    if has(state, slot):
        first, second, third, code = text(data, spans, slot, state)
        return first, second, third, zero, code
    start, stop = spans[SLOT_ORDER_ID, 0], spans[SLOT_ORDER_ID, 1]
    order_id, code = parse_order_id(data, start, stop)
    if code != PROBLEM_NONE:
        fail(state, code, TAG_OF_SLOT[SLOT_ORDER_ID], start, stop)
    return zero, zero, zero, order_id, code


@kernel
def _whose_orders(account, instrument, side, data, spans, state):  # type: ignore[no-untyped-def]
    """Return account, instrument and side of a mass cancel, where 0 is any, and a code.

    What is given but unknown must not be any: it becomes what no order has, and risk rejects it.
    """
    slot = SLOT_MASS_CANCEL_TYPE
    start, stop = spans[slot, 0], spans[slot, 1]
    byte = np.int64(data[start]) if stop == start + 1 else np.int64(0)
    if byte == ALL_ORDERS:
        instrument = np.int64(0)
    elif byte != ORDERS_OF_A_SECURITY:
        return account, instrument, side, fail(state, PROBLEM_BAD_MASS_CANCEL, TAG_OF_SLOT[slot], start, stop)
    elif not has(state, SLOT_SYMBOL):
        start = state[STATE_MESSAGE_START]
        return (
            account,
            instrument,
            side,
            fail(state, PROBLEM_MISSING_TAG, TAG_OF_SLOT[SLOT_SYMBOL], start, start),
        )
    elif instrument == 0:
        instrument = np.int64(NOT_THERE)
    if account == 0 and has(state, SLOT_ACCOUNT):
        account = np.int64(NOT_THERE)
    if side == 0 and has(state, SLOT_SIDE):
        side = np.int64(NO_SIDE)
    return account, instrument, side, PROBLEM_NONE


@kernel
def _session(data, spans, session_table, session_keys, state):  # type: ignore[no-untyped-def]
    """Return the number of the message's SenderCompID, a new one if it was not seen before, and a code."""
    first, second, third, code = text(data, spans, SLOT_SENDER, state)
    if code != PROBLEM_NONE:
        return np.int64(0), code
    mask = session_table.shape[0] - 1
    cell = hash_name(first, second ^ third) & mask
    while session_table[cell] != 0:  # ends: the table has four cells a session
        number = np.int64(session_table[cell])
        row = session_keys[number]
        if row[0] == first and row[1] == second and row[2] == third:
            return number, PROBLEM_NONE
        cell = (cell + 1) & mask
    if state[STATE_SESSION_COUNT] >= MAX_SESSIONS:
        start, stop = spans[SLOT_SENDER, 0], spans[SLOT_SENDER, 1]
        return np.int64(0), fail(state, PROBLEM_TOO_MANY_SESSIONS, TAG_OF_SLOT[SLOT_SENDER], start, stop)
    state[STATE_SESSION_COUNT] += 1
    number = state[STATE_SESSION_COUNT]
    session_table[cell] = number
    session_keys[number, 0] = first
    session_keys[number, 1] = second
    session_keys[number, 2] = third
    return number, PROBLEM_NONE
