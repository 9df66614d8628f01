"""The compiled FIX scanner: bytes of NewOrderSingle, Cancel and Cancel/Replace messages to command slots.

:mod:`protocols.fix_frame` finds a message and checks its envelope, :mod:`protocols.fix_index` notes where
the fields stand that a command needs, :mod:`protocols.fix_convert` converts them and writes one slot. A
message is a command, or passed over (session messages and replies that stand in the log), or a problem; there
is nothing in between.

Who writes what: the caller owns ``data`` and ``out``; the scanner owns ``state``, ``spans`` and the session
table, which the edge reads after each call. Limits: MAX_MESSAGE_BYTES a message, MAX_SESSIONS sessions.
Failure modes: the first problem ends the call, with the commands before it in ``out`` and the state standing
where scanning can go on.
"""

from __future__ import annotations

import numpy as np

from protocols.fix_convert import fill_command
from protocols.fix_frame import (
    BEGIN_BYTES,
    NEED_MORE,
    STATE_CODE,
    STATE_MESSAGE_START,
    STATE_MESSAGE_STOP,
    STATE_PASSED_OVER,
    STATE_POSITION,
    STATE_RECORD_COUNT,
    STATE_RESYNC,
    check_frame,
    seek_message,
)
from protocols.fix_index import command_kind, index_fields
from protocols.fix_problems import PROBLEM_NONE
from protocols.fix_tables import TYPE_PASSED_OVER, TYPE_UNSUPPORTED
from ringbuffer.kernel import kernel

__all__ = ["scan"]


@kernel
def scan(  # type: ignore[no-untyped-def]
    data, start, stop, final, out, directory, session_table, session_keys, spans, state
):
    """Decode messages of ``data[start:stop]`` into ``out``; return how many commands were written.

    ``start`` is at least 1 and ``data[start - 1]`` the byte before it; ``final`` is 1 if nothing follows
    ``stop``. STATE_CODE says why it ended: 0 when ``out`` is full or the bytes are used up, else the problem.
    """
    position = np.int64(start)
    count = np.int64(0)
    state[STATE_CODE] = PROBLEM_NONE
    while count < out.shape[0]:
        begin = seek_message(data, position, stop, final, state)
        if begin < 0:
            position = state[STATE_POSITION]
            if state[STATE_CODE] != PROBLEM_NONE:
                state[STATE_MESSAGE_START] = position
                state[STATE_MESSAGE_STOP] = 0
                state[STATE_RECORD_COUNT] += 1
                state[STATE_RESYNC] = 1
            break
        position = begin
        code = check_frame(data, begin, stop, final, state)
        if code == NEED_MORE:
            break
        state[STATE_RECORD_COUNT] += 1
        state[STATE_RESYNC] = 1 if state[STATE_MESSAGE_STOP] == 0 else 0
        position = begin + BEGIN_BYTES if state[STATE_MESSAGE_STOP] == 0 else state[STATE_MESSAGE_STOP]
        if code != PROBLEM_NONE:
            break
        kind = command_kind(data, state)
        if kind == TYPE_PASSED_OVER:
            state[STATE_PASSED_OVER] += 1
            continue
        if kind == TYPE_UNSUPPORTED or index_fields(data, spans, state) != PROBLEM_NONE:
            break
        if fill_command(kind, data, spans, out, count, directory, session_table, session_keys, state):
            break
        count += 1
    state[STATE_POSITION] = position
    return count
