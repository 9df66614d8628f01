r"""Kernels that find FIX messages in bytes and check their envelope: 8, 9, 35 first, BodyLength, CheckSum.

::

    20260105-09:30:00.001 IN  8=FIX.4.4|9=126|35=D|49=FIRM1| ... |10=203|\n
    '------- gap -----------' '--- header ---''------ body -----''trailer'
                              start           body_start         body_stop  message_stop

What stands between messages (line ends, log prefixes, whole lines without a message) is passed over, with
one exception: a field 35 there is a message whose beginning is damaged, and must not vanish silently.

The scanner owns ``state`` (int64, STATE_WORDS); the edge reads it after each call. Invariants: nothing
outside ``data[start - 1:stop]`` is read; with ``final`` 0 no decision depends on where ``stop`` happens to
lie: what cannot be decided yet returns NEED_MORE and is asked again with more bytes. At most
MAX_MESSAGE_BYTES are ever asked for.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from protocols.fix_fields import parse_digits
from protocols.fix_problems import (
    MAX_MESSAGE_BYTES,
    PROBLEM_BAD_BEGIN,
    PROBLEM_BAD_BODY_LENGTH,
    PROBLEM_BAD_CHECKSUM,
    PROBLEM_BAD_HEADER,
    PROBLEM_NO_BEGIN,
    PROBLEM_NONE,
    PROBLEM_TOO_LARGE,
    PROBLEM_TRUNCATED,
    PROBLEM_WRONG_BODY_LENGTH,
    PROBLEM_WRONG_CHECKSUM,
    TAG_BEGIN_STRING,
    TAG_BODY_LENGTH,
    TAG_CHECKSUM,
    TAG_MSG_TYPE,
    TAG_NONE,
)
from ringbuffer.kernel import inlined, kernel

__all__ = ["BEGIN_BYTES", "NEED_MORE", "STATE_WORDS", "check_frame", "fail", "seek_message"]

NEED_MORE: Final = np.int64(-1)
BEGIN_BYTES: Final = 5  # 8=FIX
MAX_VERSION_BYTES: Final = 16
MAX_LENGTH_BYTES: Final = 10
TRAILER_BYTES: Final = 7  # 10=123 and its separator

# Words of the scanner's state.
STATE_POSITION: Final = 0  # where to go on
STATE_CODE: Final = 1  # the problem, 0 for none
STATE_TAG: Final = 2  # its field
STATE_VALUE_START: Final = 3  # its value
STATE_VALUE_STOP: Final = 4
STATE_OFFSET: Final = 5  # its place
STATE_MESSAGE_START: Final = 6  # the message it is in
STATE_MESSAGE_STOP: Final = 7  # 0 while unknown
STATE_DETAIL: Final = 8  # what was computed, e.g. the checksum
STATE_RECORD_COUNT: Final = 9  # messages seen, good and bad
STATE_PASSED_OVER: Final = 10  # of those, messages that are no commands
STATE_SESSION_COUNT: Final = 11
STATE_RESYNC: Final = 12  # 1 while looking for a beginning after a damaged message
STATE_BODY_START: Final = 13
STATE_BODY_STOP: Final = 14
STATE_SEPARATOR: Final = 15
STATE_SEEN: Final = 16  # bit per known field of the message
STATE_WORDS: Final = 24

SOH, NEWLINE, RETURN, PIPE, EQUALS, POINT = 1, 10, 13, 124, 61, 46
ZERO, ONE, TWO, THREE, FOUR, FIVE, EIGHT, NINE = 48, 49, 50, 51, 52, 53, 56, 57
LETTER_F, LETTER_I, LETTER_X = 70, 73, 88


@kernel
def fail(state, code, tag, start, stop):  # type: ignore[no-untyped-def]
    """Note a problem with the value at ``start`` to ``stop`` of field ``tag``; return its code."""
    state[STATE_CODE] = code
    state[STATE_TAG] = tag
    state[STATE_VALUE_START] = start
    state[STATE_VALUE_STOP] = stop
    state[STATE_OFFSET] = start
    return code


@inlined
def _is_digit(byte):  # type: ignore[no-untyped-def]
    return ZERO <= byte <= NINE


@inlined
def _begins(data, index):  # type: ignore[no-untyped-def]
    """Tell whether ``8=FIX`` stands at ``index``, and is not the end of a longer tag such as 58."""
    return (
        data[index] == EIGHT
        and data[index + 1] == EQUALS
        and data[index + 2] == LETTER_F
        and data[index + 3] == LETTER_I
        and data[index + 4] == LETTER_X
        and not _is_digit(data[index - 1])
    )


@inlined
def _is_msg_type(data, index):  # type: ignore[no-untyped-def]
    """Tell whether ``35=`` stands at ``index``."""
    return data[index] == THREE and data[index + 1] == FIVE and data[index + 2] == EQUALS


@kernel
def seek_message(data, start, stop, final, state):  # type: ignore[no-untyped-def]
    """Return the index of the next ``8=FIX``, or -1; then STATE_POSITION is where to look again.

    -1 with STATE_CODE set means a message without its beginning.
    """
    index = start
    while index + BEGIN_BYTES <= stop:
        if _begins(data, index):
            return index
        separates = data[index] == SOH or data[index] == PIPE
        if separates and state[STATE_RESYNC] == 0 and _is_msg_type(data, index + 1):
            fail(state, PROBLEM_NO_BEGIN, TAG_BEGIN_STRING, index + 1, index + 1)
            state[STATE_POSITION] = index + 1
            return -1
        index += 1
    state[STATE_POSITION] = stop if final else index
    return -1


@inlined
def _short(state, start, stop, final):  # type: ignore[no-untyped-def]
    """Decide on a message that reaches beyond the bytes at hand."""
    if final:
        fail(state, PROBLEM_TRUNCATED, TAG_NONE, stop, stop)
        state[STATE_OFFSET] = start
        return PROBLEM_TRUNCATED
    return NEED_MORE


@kernel
def check_frame(data, start, stop, final, state):  # type: ignore[no-untyped-def]
    """Check the envelope of the message at ``start``; return 0, NEED_MORE or a problem.

    For 0 the state holds the body, the separator and the message's end; the byte before ``body_stop`` is a
    separator, so a scan for one inside the body needs no other bound.
    """
    state[STATE_MESSAGE_START] = start
    state[STATE_MESSAGE_STOP] = 0
    version_start = start + 2
    index = version_start
    limit = version_start + MAX_VERSION_BYTES
    while index < stop and index < limit and data[index] != SOH and data[index] != PIPE:
        index += 1
    if index < stop or index == limit:
        if index == limit or not _is_version(data, version_start, index):
            return fail(state, PROBLEM_BAD_BEGIN, TAG_BEGIN_STRING, version_start, index)
    else:
        return _short(state, start, stop, final)
    separator = np.int64(data[index])
    length_start = index + 3
    if length_start > stop:
        return _short(state, start, stop, final)
    if data[index + 1] != NINE or data[index + 2] != EQUALS:
        return fail(state, PROBLEM_BAD_HEADER, TAG_BODY_LENGTH, index + 1, index + 1)
    index = length_start
    limit = length_start + MAX_LENGTH_BYTES
    while index < stop and index < limit and data[index] != separator:
        index += 1
    if index == limit:
        return fail(state, PROBLEM_BAD_BODY_LENGTH, TAG_BODY_LENGTH, length_start, index)
    if index >= stop:
        return _short(state, start, stop, final)
    length_bytes = parse_digits(data, length_start, index)
    if length_bytes < 0 or index == length_start:
        return fail(state, PROBLEM_BAD_BODY_LENGTH, TAG_BODY_LENGTH, length_start, index)
    body_start = index + 1
    body_stop = body_start + length_bytes
    if body_stop + TRAILER_BYTES - start > MAX_MESSAGE_BYTES:
        return fail(state, PROBLEM_TOO_LARGE, TAG_BODY_LENGTH, length_start, index)
    if body_stop + TRAILER_BYTES > stop:
        bare_end = final and separator == PIPE and body_stop + TRAILER_BYTES - 1 == stop
        if not bare_end:
            return _short(state, start, stop, final)
    if data[body_stop - 1] != separator or not _is_checksum(data, body_stop):
        return fail(state, PROBLEM_WRONG_BODY_LENGTH, TAG_BODY_LENGTH, length_start, index)
    if length_bytes < 5 or not _is_msg_type(data, body_start):
        return fail(state, PROBLEM_BAD_HEADER, TAG_MSG_TYPE, body_start, body_start)
    state[STATE_BODY_START] = body_start
    state[STATE_BODY_STOP] = body_stop
    state[STATE_SEPARATOR] = separator
    return _check_trailer(data, start, body_stop, stop, separator, state)


@inlined
def _is_version(data, start, stop):  # type: ignore[no-untyped-def]
    """Tell whether the value, which begins with FIX, is FIX.4.2 or FIX.4.4."""
    return (
        stop - start == 7
        and data[start + 3] == POINT
        and data[start + 4] == FOUR
        and data[start + 5] == POINT
        and (data[start + 6] == TWO or data[start + 6] == FOUR)
    )


@inlined
def _is_checksum(data, index):  # type: ignore[no-untyped-def]
    """Tell whether ``10=`` stands at ``index``."""
    return data[index] == ONE and data[index + 1] == ZERO and data[index + 2] == EQUALS


@inlined
def _check_trailer(data, start, body_stop, stop, separator, state):  # type: ignore[no-untyped-def]
    """Check the three digits after ``10=`` and what ends them; in a ``|`` log that may be the line's end."""
    value_start = body_stop + 3
    value_stop = body_stop + 6
    given = parse_digits(data, value_start, value_stop)
    message_stop = np.int64(value_stop)
    if value_stop < stop:
        byte = np.int64(data[value_stop])
        if byte == separator:
            message_stop += 1
        elif separator != PIPE or (byte != NEWLINE and byte != RETURN):
            return fail(state, PROBLEM_BAD_CHECKSUM, TAG_CHECKSUM, value_start, value_stop + 1)
    if given < 0:
        return fail(state, PROBLEM_BAD_CHECKSUM, TAG_CHECKSUM, value_start, value_stop)
    state[STATE_MESSAGE_STOP] = message_stop
    computed = _checksum(data, start, body_stop, separator)
    if computed != given:
        state[STATE_DETAIL] = computed
        return fail(state, PROBLEM_WRONG_CHECKSUM, TAG_CHECKSUM, value_start, value_stop)
    return PROBLEM_NONE


@kernel
def _checksum(data, start, stop, separator):  # type: ignore[no-untyped-def]
    """Sum the bytes modulo 256; a ``|`` log is summed as if each ``|`` were SOH."""
    total = np.int64(0)
    for index in range(start, stop):
        total += np.int64(data[index])
    if separator == PIPE:
        for index in range(start, stop):
            if data[index] == PIPE:
                total -= PIPE - SOH
    return total & 255
