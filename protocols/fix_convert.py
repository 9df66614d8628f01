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
    KIND_NEW,
    TIF_DAY,
    TYPE_LIMIT,
    TYPE_MARKET,
)
from protocols.fix_fields import pack_field, parse_decimal_e8, parse_order_id, parse_utc_ns
from protocols.fix_frame import (
    STATE_MESSAGE_START,
    STATE_SEEN,
    STATE_SESSION_COUNT,
    fail,
)
from protocols.fix_problems import (
    PROBLEM_MISSING_TAG,
    PROBLEM_NONE,
    PROBLEM_TOO_MANY_SESSIONS,
)
from protocols.fix_tables import (
    ORD_TYPE_OF_BYTE,
    REQUIRED_CANCEL,
    REQUIRED_ORDER,
    SIDE_OF_BYTE,
    SLOT_ACCOUNT,
    SLOT_CL_ORD_ID,
    SLOT_ORD_TYPE,
    SLOT_ORDER_ID,
    SLOT_ORDER_QTY,
    SLOT_ORIG_CL_ORD_ID,
    SLOT_PRICE,
    SLOT_SENDER,
    SLOT_SENDING_TIME,
    SLOT_SIDE,
    SLOT_SYMBOL,
    SLOT_TIF,
    SLOT_TRANSACT_TIME,
    TAG_OF_SLOT,
    TARGETS,
    TIF_OF_BYTE,
)
from protocols.lookup import find_name, hash_name
from protocols.source import MAX_SESSIONS
from ringbuffer.kernel import inlined, kernel

__all__ = ["fill_command"]


@inlined
def _has(state, slot):  # type: ignore[no-untyped-def]
    return (state[STATE_SEEN] >> slot) & 1 != 0


@kernel
def _check_required(kind, ord_type, state):  # type: ignore[no-untyped-def]
    """Return 0 if all fields are there that this kind of message needs."""
    required = REQUIRED_CANCEL if kind == KIND_CANCEL else REQUIRED_ORDER
    if kind != KIND_CANCEL and ord_type == TYPE_LIMIT:
        required |= 1 << SLOT_PRICE
    if kind != KIND_NEW and state[STATE_SEEN] & TARGETS == 0:
        required |= 1 << SLOT_ORIG_CL_ORD_ID
    missing = required & ~state[STATE_SEEN]
    if missing == 0:
        return PROBLEM_NONE
    slot = 0
    while (missing >> slot) & 1 == 0:
        slot += 1
    start = state[STATE_MESSAGE_START]
    return fail(state, PROBLEM_MISSING_TAG, TAG_OF_SLOT[slot], start, start)


@inlined
def _code_of(data, spans, slot, state, table):  # type: ignore[no-untyped-def]
    """Translate a one-byte value by a table; 0 for an absent, longer or unknown one."""
    if not _has(state, slot) or spans[slot, 1] != spans[slot, 0] + 1:
        return np.int64(0)
    return table[data[spans[slot, 0]]]


@inlined
def _text(data, spans, slot, state):  # type: ignore[no-untyped-def]
    """Pack the text of a field; zeros if it is absent."""
    if not _has(state, slot):
        return np.int64(0), np.int64(0), np.int64(0), PROBLEM_NONE
    start, stop = spans[slot, 0], spans[slot, 1]
    first, second, third, code = pack_field(data, start, stop)
    if code != PROBLEM_NONE:
        fail(state, code, TAG_OF_SLOT[slot], start, stop)
    return first, second, third, code


@inlined
def _decimal(data, spans, slot, state):  # type: ignore[no-untyped-def]
    """Return the number of a field in units of 1e-8; 0 if it is absent."""
    if not _has(state, slot):
        return np.int64(0), PROBLEM_NONE
    start, stop = spans[slot, 0], spans[slot, 1]
    value, code = parse_decimal_e8(data, start, stop)
    if code != PROBLEM_NONE:
        fail(state, code, TAG_OF_SLOT[slot], start, stop)
    return value, code


@kernel
def _time(data, spans, state):  # type: ignore[no-untyped-def]
    """Return TransactTime, else SendingTime, else 0; both are checked."""
    time_ns = np.int64(0)
    for slot in (SLOT_SENDING_TIME, SLOT_TRANSACT_TIME):
        if _has(state, slot):
            start, stop = spans[slot, 0], spans[slot, 1]
            time_ns, code = parse_utc_ns(data, start, stop)
            if code != PROBLEM_NONE:
                fail(state, code, TAG_OF_SLOT[slot], start, stop)
                return time_ns, code
    return time_ns, PROBLEM_NONE


@inlined
def _identify(data, spans, slot, state, table, keys):  # type: ignore[no-untyped-def]
    """Return the id of a symbol or account, 0 for an absent or unknown one, and a code."""
    if _has(state, slot) and spans[slot, 1] - spans[slot, 0] > 16:
        return 0, PROBLEM_NONE
    first, second, _, code = _text(data, spans, slot, state)
    return find_name(table, keys, first, second), code


@inlined
def _to_units(value_e8, unit_e8):  # type: ignore[no-untyped-def]
    """Return whole units, truncated towards zero, and whether something was cut off."""
    size = abs(value_e8)
    units = size // unit_e8
    return -units if value_e8 < 0 else units, units * unit_e8 != size


@kernel
def fill_command(  # type: ignore[no-untyped-def]
    kind, data, spans, out, count, directory, session_table, session_keys, state
):
    """Convert the indexed fields and write the slot ``out[count]``; return 0 or the problem."""
    ord_type = _code_of(data, spans, SLOT_ORD_TYPE, state, ORD_TYPE_OF_BYTE)
    code = _check_required(kind, ord_type, state)
    if code != PROBLEM_NONE:
        return code
    time_ns, code = _time(data, spans, state)
    if code != PROBLEM_NONE:
        return code
    cl0, cl1, cl2, code = _text(data, spans, SLOT_CL_ORD_ID, state)
    if code != PROBLEM_NONE:
        return code
    orig0, orig1, orig2, order_id, code = _target(kind, data, spans, state)
    if code != PROBLEM_NONE:
        return code
    qty_e8, code = _decimal(data, spans, SLOT_ORDER_QTY, state)
    if code != PROBLEM_NONE:
        return code
    price_e8, code = _decimal(data, spans, SLOT_PRICE, state)
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
    session, code = _session(data, spans, session_table, session_keys, state)
    if code != PROBLEM_NONE:
        return code

    flags = 0
    price_ticks = np.int64(0)
    qty_lots = np.int64(0)
    if instrument > 0:
        qty_lots, cut = _to_units(qty_e8, directory.lot_e8[instrument])
        if cut:
            flags |= FLAG_OFF_LOT
        if kind != KIND_CANCEL and ord_type != TYPE_MARKET:
            price_ticks, cut = _to_units(price_e8, directory.tick_e8[instrument])
            if cut:
                flags |= FLAG_OFF_TICK
    has_tif = _has(state, SLOT_TIF)
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
    row["side"] = _code_of(data, spans, SLOT_SIDE, state, SIDE_OF_BYTE)
    row["ord_type"] = ord_type
    row["tif"] = _code_of(data, spans, SLOT_TIF, state, TIF_OF_BYTE) if has_tif else TIF_DAY
    row["flags"] = flags
    row["cl0"] = cl0
    row["cl1"] = cl1
    row["cl2"] = cl2
    row["orig2"] = orig2
    row["orig0"] = orig0
    row["orig1"] = orig1
    row["aux0"] = 0
    row["aux1"] = 0
    row["sent_ns"] = 0
    return PROBLEM_NONE


@kernel
def _target(kind, data, spans, state):  # type: ignore[no-untyped-def]
    """Return the OrigClOrdID (three integers), the OrderID where there is none, and a code."""
    zero = np.int64(0)
    if kind == KIND_NEW:
        return zero, zero, zero, zero, PROBLEM_NONE
    if _has(state, SLOT_ORIG_CL_ORD_ID):
        first, second, third, code = _text(data, spans, SLOT_ORIG_CL_ORD_ID, state)
        return first, second, third, zero, code
    start, stop = spans[SLOT_ORDER_ID, 0], spans[SLOT_ORDER_ID, 1]
    order_id, code = parse_order_id(data, start, stop)
    if code != PROBLEM_NONE:
        fail(state, code, TAG_OF_SLOT[SLOT_ORDER_ID], start, stop)
    return zero, zero, zero, order_id, code


@kernel
def _session(data, spans, session_table, session_keys, state):  # type: ignore[no-untyped-def]
    """Return the number of the message's SenderCompID, a new one if it was not seen before, and a code."""
    first, second, third, code = _text(data, spans, SLOT_SENDER, state)
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
