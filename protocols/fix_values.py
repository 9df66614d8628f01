"""Kernels that read one field of an indexed FIX message: a code, a text, a number, a time.

A field that is absent reads as zero. What a field cannot hold is noted in the state with its tag and place
(:func:`protocols.fix_frame.fail`) and returned as a problem code, 0 for none.
"""

from __future__ import annotations

import numpy as np

from protocols.fix_fields import pack_field, parse_decimal_e8, parse_utc_ns
from protocols.fix_frame import STATE_SEEN, fail
from protocols.fix_problems import PROBLEM_NONE
from protocols.fix_tables import SLOT_SENDING_TIME, SLOT_TRANSACT_TIME, TAG_OF_SLOT
from ringbuffer.kernel import inlined, kernel

__all__ = ["code_of", "decimal", "has", "recorded_time", "text", "time_of", "to_units"]


@inlined
def has(state, slot):  # type: ignore[no-untyped-def]
    """Tell whether the message has a field."""
    return (state[STATE_SEEN] >> slot) & 1 != 0


@inlined
def code_of(data, spans, slot, state, table):  # type: ignore[no-untyped-def]
    """Translate a one-byte value by a table; 0 for an absent, longer or unknown one."""
    if not has(state, slot) or spans[slot, 1] != spans[slot, 0] + 1:
        return np.int64(0)
    return table[data[spans[slot, 0]]]


@inlined
def text(data, spans, slot, state):  # type: ignore[no-untyped-def]
    """Pack the text of a field; zeros if it is absent."""
    if not has(state, slot):
        return np.int64(0), np.int64(0), np.int64(0), PROBLEM_NONE
    start, stop = spans[slot, 0], spans[slot, 1]
    first, second, third, code = pack_field(data, start, stop)
    if code != PROBLEM_NONE:
        fail(state, code, TAG_OF_SLOT[slot], start, stop)
    return first, second, third, code


@inlined
def decimal(data, spans, slot, state):  # type: ignore[no-untyped-def]
    """Return the number of a field in units of 1e-8; 0 if it is absent."""
    if not has(state, slot):
        return np.int64(0), PROBLEM_NONE
    start, stop = spans[slot, 0], spans[slot, 1]
    value, code = parse_decimal_e8(data, start, stop)
    if code != PROBLEM_NONE:
        fail(state, code, TAG_OF_SLOT[slot], start, stop)
    return value, code


@inlined
def time_of(data, spans, slot, state):  # type: ignore[no-untyped-def]
    """Return the time of a field in nanoseconds since the epoch; 0 if it is absent."""
    if not has(state, slot):
        return np.int64(0), PROBLEM_NONE
    start, stop = spans[slot, 0], spans[slot, 1]
    time_ns, code = parse_utc_ns(data, start, stop)
    if code != PROBLEM_NONE:
        fail(state, code, TAG_OF_SLOT[slot], start, stop)
    return time_ns, code


@kernel
def recorded_time(data, spans, state):  # type: ignore[no-untyped-def]
    """Return TransactTime, else SendingTime, else 0; both are checked."""
    sending_ns, code = time_of(data, spans, SLOT_SENDING_TIME, state)
    if code != PROBLEM_NONE:
        return sending_ns, code
    transact_ns, code = time_of(data, spans, SLOT_TRANSACT_TIME, state)
    return transact_ns if has(state, SLOT_TRANSACT_TIME) else sending_ns, code


@inlined
def to_units(value_e8, unit_e8):  # type: ignore[no-untyped-def]
    """Return whole units, truncated towards zero, and whether something was cut off."""
    size = abs(value_e8)
    units = size // unit_e8
    return -units if value_e8 < 0 else units, units * unit_e8 != size
