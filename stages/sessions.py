"""Sessions: names, and the ids that they keep for ever ("Sessions and administration" of docs/rules.md)."""

from __future__ import annotations

import numpy as np

from protocols.codes import (
    FLAG_CANCEL_ON_CLOSE,
    REASON_INVALID_COMMAND,
    REASON_NO_ROOM,
    REASON_NONE,
    REASON_UNKNOWN_SESSION,
)
from ringbuffer.kernel import inlined, kernel
from stages.checks import has_cl_ord_id, session_is_open
from stages.state_words import RW_SESSIONS

__all__ = ["close_session", "find_session", "name_session", "open_session"]


@kernel
def find_session(s, name0, name1, name2):  # type: ignore[no-untyped-def]
    """Return the id of a session name, 0 if there is none."""
    for session in range(1, s.words[RW_SESSIONS] + 1):
        record = s.sessions[session]
        if record.name0 == name0 and record.name1 == name1 and record.name2 == name2:
            return np.int64(session)
    return np.int64(0)


@kernel
def name_session(s, name0, name1, name2):  # type: ignore[no-untyped-def]
    """Give a new session name its id; return it, 0 if there is no room."""
    session = s.words[RW_SESSIONS] + 1
    if session >= s.sessions.shape[0]:
        return np.int64(0)
    fresh = s.sessions[session]
    fresh.name0 = name0
    fresh.name1 = name1
    fresh.name2 = name2
    s.words[RW_SESSIONS] = session
    return session


@inlined
def open_session(s, command, verdict):  # type: ignore[no-untyped-def]
    """Open the session of a name, whose id is the same as ever; return the reason if it cannot be."""
    if not has_cl_ord_id(command):
        return REASON_INVALID_COMMAND
    session = np.int64(find_session(s, command.cl0, command.cl1, command.cl2))
    if session == 0:
        session = np.int64(name_session(s, command.cl0, command.cl1, command.cl2))
        if session == 0:
            return REASON_NO_ROOM
    s.sessions[session].is_open = 1
    s.sessions[session].cancels_on_close = 1 if command.flags & FLAG_CANCEL_ON_CLOSE != 0 else 0
    verdict.session = session
    return REASON_NONE


@inlined
def close_session(s, command, verdict):  # type: ignore[no-untyped-def]
    """Close a session, and tell matching whether its orders end with it; return the reason if it cannot be."""
    session = np.int64(command.session)
    if not session_is_open(s, session):
        return REASON_UNKNOWN_SESSION
    s.sessions[session].is_open = 0
    verdict.order_id = s.sessions[session].cancels_on_close
    return REASON_NONE
