"""Kernels that read the terms of special orders from an indexed FIX message, and which type of order it is.

Stop price, distance of a trailing stop, display and minimum quantity, expiry, self-trade group, post-only: a message
without any of these fields (TERMS of :mod:`protocols.fix_tables`) never comes here. docs/fix.md says which field means
what. What cannot be said of an order is left to risk, which rejects it with a reason: an unknown type is 0, an unknown
self-trade mode 7, a display quantity that is given but not above 0 is -1.
"""

from __future__ import annotations

import numpy as np

from protocols.codes import (
    FLAG_OFF_LOT,
    FLAG_OFF_TICK,
    FLAG_POST_ONLY,
    FLAG_POST_REPRICE,
    FLAG_STP_SHIFT,
    KIND_NEW,
    STP_NEWEST,
    TIF_GTD,
    TYPE_STOP,
    TYPE_STOP_LIMIT,
    TYPE_TRAILING_STOP,
)
from protocols.fix_fields import parse_digits
from protocols.fix_frame import fail
from protocols.fix_problems import PROBLEM_BAD_GROUP, PROBLEM_NONE
from protocols.fix_tables import (
    EXEC_ALL_OR_NONE,
    EXEC_BIT_OF_BYTE,
    EXEC_POST_ONLY,
    EXEC_TRAILING,
    SLOT_DISPLAY_INDICATOR,
    SLOT_DISPLAY_QTY,
    SLOT_EXEC_INST,
    SLOT_EXPIRE_TIME,
    SLOT_GROUP,
    SLOT_GROUP_CME,
    SLOT_GROUP_MODE,
    SLOT_GROUP_MODE_CME,
    SLOT_MAX_FLOOR,
    SLOT_MIN_QTY,
    SLOT_PEG_OFFSET,
    SLOT_PEG_TYPE,
    SLOT_STOP_PRICE,
    STP_OF_BYTE,
    STP_UNKNOWN,
    TAG_OF_SLOT,
)
from protocols.fix_values import code_of, decimal, has, time_of, to_units
from ringbuffer.kernel import inlined, kernel

__all__ = ["exec_bits_of", "read_terms", "resolve_type"]

MAX_GROUP = (1 << 31) - 1
MAX_GROUP_DIGITS = 10
BYTE_ZERO, BYTE_P, BYTE_R = 48, 80, 82


@kernel
def exec_bits_of(data, spans, state):  # type: ignore[no-untyped-def]
    """Return the values of ExecInst that count, as bits."""
    bits = np.int64(0)
    if has(state, SLOT_EXEC_INST):
        for index in range(spans[SLOT_EXEC_INST, 0], spans[SLOT_EXEC_INST, 1]):
            bits |= EXEC_BIT_OF_BYTE[data[index]]
    return bits


@inlined
def _byte_of(data, spans, slot, state):  # type: ignore[no-untyped-def]
    """Return a one-byte value, -1 for a longer one, 0 if it is absent."""
    if not has(state, slot):
        return np.int64(0)
    return np.int64(data[spans[slot, 0]]) if spans[slot, 1] == spans[slot, 0] + 1 else np.int64(-1)


@kernel
def resolve_type(ord_type, exec_bits, data, spans, state):  # type: ignore[no-untyped-def]
    """Return what an OrdType means together with ExecInst; 0 for a combination that is none of ours."""
    if exec_bits & EXEC_ALL_OR_NONE != 0:
        return np.int64(0)
    if exec_bits & EXEC_POST_ONLY != 0:
        indicator = _byte_of(data, spans, SLOT_DISPLAY_INDICATOR, state)
        if indicator != 0 and indicator != BYTE_P and indicator != BYTE_R:
            return np.int64(0)
    peg_type = _byte_of(data, spans, SLOT_PEG_TYPE, state)
    if exec_bits & EXEC_TRAILING != 0:
        is_trailing = ord_type == TYPE_TRAILING_STOP or ord_type == TYPE_STOP
        return np.int64(TYPE_TRAILING_STOP if is_trailing and (peg_type == 0 or peg_type == BYTE_ZERO) else 0)
    return np.int64(0 if ord_type == TYPE_TRAILING_STOP else ord_type)


@kernel
def _group_and_mode(data, spans, state):  # type: ignore[no-untyped-def]
    """Return self-trade group and mode; NEWEST for a group without a mode."""
    slot = SLOT_GROUP if has(state, SLOT_GROUP) else SLOT_GROUP_CME
    mode_slot = SLOT_GROUP_MODE if has(state, SLOT_GROUP_MODE) else SLOT_GROUP_MODE_CME
    group = np.int64(0)
    mode = np.int64(0)
    if has(state, slot):
        start, stop = spans[slot, 0], spans[slot, 1]
        group = parse_digits(data, start, min(stop, start + MAX_GROUP_DIGITS))
        if stop - start > MAX_GROUP_DIGITS or group < 1 or group > MAX_GROUP:
            return group, mode, fail(state, PROBLEM_BAD_GROUP, TAG_OF_SLOT[slot], start, stop)
        mode = np.int64(STP_NEWEST)
    if has(state, mode_slot):
        is_code = spans[mode_slot, 1] == spans[mode_slot, 0] + 1
        mode = code_of(data, spans, mode_slot, state, STP_OF_BYTE) if is_code else np.int64(STP_UNKNOWN)
    return group, mode, PROBLEM_NONE


@kernel
def read_terms(kind, ord_type, tif, exec_bits, data, spans, state, tick_e8, lot_e8):  # type: ignore[no-untyped-def]
    """Return flags, display and minimum quantity, group, ``aux0``, ``aux1`` of a NEW or REPLACE, and a problem code.

    Everything is checked, also what the kind or type of the order does not use; that is not passed on.
    """
    zero = np.int64(0)
    flags = zero
    stop_e8, code = decimal(data, spans, SLOT_STOP_PRICE, state)
    if code != PROBLEM_NONE:
        return zero, zero, zero, zero, zero, zero, code
    offset_e8, code = decimal(data, spans, SLOT_PEG_OFFSET, state)
    if code != PROBLEM_NONE:
        return zero, zero, zero, zero, zero, zero, code
    minimum_e8, code = decimal(data, spans, SLOT_MIN_QTY, state)
    if code != PROBLEM_NONE:
        return zero, zero, zero, zero, zero, zero, code
    floor_e8, code = decimal(data, spans, SLOT_MAX_FLOOR, state)
    if code != PROBLEM_NONE:
        return zero, zero, zero, zero, zero, zero, code
    display_e8, code = decimal(data, spans, SLOT_DISPLAY_QTY, state)
    if code != PROBLEM_NONE:
        return zero, zero, zero, zero, zero, zero, code
    expiry_ns, code = time_of(data, spans, SLOT_EXPIRE_TIME, state)
    if code != PROBLEM_NONE:
        return zero, zero, zero, zero, zero, zero, code
    group, mode, code = _group_and_mode(data, spans, state)
    if code != PROBLEM_NONE:
        return zero, zero, zero, zero, zero, zero, code

    trigger_ticks = zero
    if ord_type == TYPE_STOP or ord_type == TYPE_STOP_LIMIT:
        trigger_ticks, cut = to_units(stop_e8, tick_e8)
        if cut:
            flags |= FLAG_OFF_TICK
    elif ord_type == TYPE_TRAILING_STOP:
        trigger_ticks, cut = to_units(
            abs(offset_e8), tick_e8
        )  # sells trail below the price, whatever the sign
        if cut:
            flags |= FLAG_OFF_TICK
    if kind != KIND_NEW:
        return flags, zero, zero, zero, trigger_ticks, zero, PROBLEM_NONE
    if not has(state, SLOT_DISPLAY_QTY):
        display_e8 = floor_e8
    display_lots, cut = to_units(display_e8, lot_e8)
    if cut:
        flags |= FLAG_OFF_LOT
    if display_lots == 0 and (has(state, SLOT_DISPLAY_QTY) or has(state, SLOT_MAX_FLOOR)):
        display_lots = np.int64(-1)  # none shown is not the same as all shown
    minimum_lots, cut = to_units(minimum_e8, lot_e8)
    if cut:
        flags |= FLAG_OFF_LOT
    if exec_bits & EXEC_POST_ONLY != 0:
        reprices = _byte_of(data, spans, SLOT_DISPLAY_INDICATOR, state) == BYTE_P
        flags |= FLAG_POST_REPRICE if reprices else FLAG_POST_ONLY
    flags |= mode << FLAG_STP_SHIFT
    if tif != TIF_GTD:
        expiry_ns = zero
    return flags, display_lots, minimum_lots, group, trigger_ticks, expiry_ns, PROBLEM_NONE
