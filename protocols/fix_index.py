"""Kernels that take the body of a FIX message apart: its kind, and where the values of its fields stand.

The envelope is checked before (:mod:`protocols.fix_frame`): the byte before ``body_stop`` is a separator,
which ends every loop here. Writes ``spans`` (start and stop of the value, row = slot) and STATE_SEEN; a span
counts only where its bit is set.
"""

from __future__ import annotations

import numpy as np

from protocols.fix_fields import parse_digits
from protocols.fix_frame import (
    EQUALS,
    STATE_BODY_START,
    STATE_BODY_STOP,
    STATE_SEEN,
    STATE_SEPARATOR,
    ZERO,
    fail,
)
from protocols.fix_problems import (
    PROBLEM_BAD_DATA,
    PROBLEM_BAD_TAG,
    PROBLEM_DUPLICATE_TAG,
    PROBLEM_EMPTY_VALUE,
    PROBLEM_NONE,
    PROBLEM_UNSUPPORTED_TYPE,
    TAG_MSG_TYPE,
    TAG_NONE,
)
from protocols.fix_tables import (
    DATA_TAG_OF_LENGTH_TAG,
    KIND_OF_TYPE,
    MAX_DATA_DIGITS,
    MAX_TAG,
    SLOT_LENGTH,
    SLOT_NONE,
    SLOT_OF_TAG,
    TABLE_TAGS,
    TYPE_UNSUPPORTED,
)
from ringbuffer.kernel import inlined, kernel

__all__ = ["command_kind", "index_fields"]


@inlined
def command_kind(data, state):  # type: ignore[no-untyped-def]
    """Return the command kind of the message's MsgType, or TYPE_PASSED_OVER, or note a problem."""
    start = state[STATE_BODY_START] + 3
    separator = state[STATE_SEPARATOR]
    stop = start
    while data[stop] != separator:
        stop += 1
    if stop == start:
        fail(state, PROBLEM_EMPTY_VALUE, TAG_MSG_TYPE, start, stop)
        return TYPE_UNSUPPORTED
    kind = KIND_OF_TYPE[data[start]] if stop == start + 1 else TYPE_UNSUPPORTED
    if kind == TYPE_UNSUPPORTED:
        fail(state, PROBLEM_UNSUPPORTED_TYPE, TAG_MSG_TYPE, start, stop)
    return kind


@kernel
def index_fields(data, spans, state):  # type: ignore[no-untyped-def]
    """Note where the values of known fields stand; check that the whole body is ``tag=value`` fields."""
    stop = state[STATE_BODY_STOP]
    separator = state[STATE_SEPARATOR]
    seen = np.int64(0)
    data_tag = np.int64(0)  # the data field that must come next, 0 if none must
    data_bytes = np.int64(0)
    index = state[STATE_BODY_START] + 3
    while data[index] != separator:
        index += 1
    index += 1
    while index < stop:
        tag_start = index
        tag = np.int64(0)
        digit = np.int64(data[index]) - ZERO
        while 0 <= digit <= 9 and tag <= MAX_TAG:
            tag = tag * 10 + digit
            index += 1
            digit = np.int64(data[index]) - ZERO
        if data[index] != EQUALS or tag > MAX_TAG or tag == 0 or data[tag_start] == ZERO:
            return fail(state, PROBLEM_BAD_TAG, TAG_NONE, tag_start, _value_stop(data, tag_start, separator))
        index += 1
        value_start = index
        if data_tag != 0:
            if tag != data_tag or index + data_bytes >= stop or data[index + data_bytes] != separator:
                return fail(state, PROBLEM_BAD_DATA, tag, index, _value_stop(data, index, separator))
            index += data_bytes
            data_tag = np.int64(0)
        else:
            while data[index] != separator:
                index += 1
        if index == value_start:
            return fail(state, PROBLEM_EMPTY_VALUE, tag, index, index)
        if tag < TABLE_TAGS:
            slot = np.int64(SLOT_OF_TAG[tag])
            if slot >= 0 and (seen >> slot) & 1 == 0:
                seen |= np.int64(1) << slot
                spans[slot, 0] = value_start
                spans[slot, 1] = index
            elif slot == SLOT_LENGTH:
                data_tag = DATA_TAG_OF_LENGTH_TAG[tag]
                data_bytes = parse_digits(data, value_start, min(index, value_start + MAX_DATA_DIGITS))
                if data_bytes < 0 or index > value_start + MAX_DATA_DIGITS:
                    return fail(state, PROBLEM_BAD_DATA, tag, value_start, index)
            elif slot != SLOT_NONE:
                return fail(state, PROBLEM_DUPLICATE_TAG, tag, value_start, index)
        index += 1
    state[STATE_SEEN] = seen
    return PROBLEM_NONE


@kernel
def _value_stop(data, start, separator):  # type: ignore[no-untyped-def]
    """Return where the field that contains ``start`` ends."""
    stop = start
    while data[stop] != separator:
        stop += 1
    return stop
