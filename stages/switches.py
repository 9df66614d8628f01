"""Switches of the venue, of firms, accounts, sessions and instruments: who may not trade, or only reduce.

KILL engages and releases them; each stays until it is released ("Switches" of docs/risk-controls.md). Risk keeps them
where an order looks anyway: as the lowest bits of ``marks``. What rests is cancelled by matching.
"""

from __future__ import annotations

import numpy as np

from protocols.codes import (
    LEVEL_ACCOUNT,
    LEVEL_FIRM,
    LEVEL_INSTRUMENT,
    LEVEL_SESSION,
    LEVEL_VENUE,
    REASON_ACCOUNT_KILLED,
    REASON_EXECUTION_THROTTLE,
    REASON_FIRM_KILLED,
    REASON_INSTRUMENT_KILLED,
    REASON_INVALID_COMMAND,
    REASON_INVALID_SIDE,
    REASON_NONE,
    REASON_SESSION_KILLED,
    REASON_UNKNOWN_ACCOUNT,
    REASON_UNKNOWN_FIRM,
    REASON_UNKNOWN_INSTRUMENT,
    REASON_UNKNOWN_SESSION,
    REASON_VENUE_KILLED,
    SWITCH_KILLED,
    SWITCH_REDUCING,
    SWITCH_THROTTLED,
)
from ringbuffer.kernel import inlined, kernel
from stages.checks import is_known_account, is_known_firm, is_known_instrument
from stages.sessions import find_session
from stages.state_words import RW_SWITCHES

__all__ = ["SESSION_SHIFT", "STOPPED", "SWITCHES", "concerned_switches", "stopping_reason", "switch"]

ENGAGE = 1
RELEASE = 2
SWITCHES = SWITCH_KILLED | SWITCH_REDUCING | SWITCH_THROTTLED  # of ``marks``
STOPPED = SWITCH_KILLED | SWITCH_THROTTLED
SESSION_SHIFT = 8  # of a session's id in the verdict on a KILL of it


@inlined
def concerned_switches(s, account, firm, session, instrument):  # type: ignore[no-untyped-def]
    """Return all switches of those whom an order concerns, with other bits beside them."""
    whose = np.int64(account.marks) | np.int64(firm.marks) | np.int64(instrument.marks)
    return whose | np.int64(session.switches) | s.words[RW_SWITCHES]


@kernel
def stopping_reason(s, account, firm, session, instrument):  # type: ignore[no-untyped-def]
    """Return whose switch keeps an order out."""
    if s.words[RW_SWITCHES] & SWITCH_KILLED != 0:
        return REASON_VENUE_KILLED
    if np.int64(firm.marks) & SWITCH_KILLED != 0:
        return REASON_FIRM_KILLED
    if np.int64(account.marks) & SWITCH_KILLED != 0:
        return REASON_ACCOUNT_KILLED
    if np.int64(account.marks) & SWITCH_THROTTLED != 0:
        return REASON_EXECUTION_THROTTLE
    if np.int64(session.switches) & SWITCH_KILLED != 0:
        return REASON_SESSION_KILLED
    return REASON_INSTRUMENT_KILLED if np.int64(instrument.marks) & SWITCH_KILLED != 0 else REASON_NONE


@inlined
def switch_problem(command):  # type: ignore[no-untyped-def]
    """Judge a KILL by itself."""
    level = np.int64(command.tif)
    which = np.int64(command.ord_type)
    if command.side != ENGAGE and command.side != RELEASE:
        return REASON_INVALID_SIDE
    if level < LEVEL_VENUE or level > LEVEL_INSTRUMENT:
        return REASON_INVALID_COMMAND
    unlatches = which == SWITCH_THROTTLED and command.side == RELEASE and level == LEVEL_ACCOUNT
    if which != SWITCH_KILLED and which != SWITCH_REDUCING and not unlatches:
        return REASON_INVALID_COMMAND
    return REASON_NONE


@inlined
def switched(command, before):  # type: ignore[no-untyped-def]
    """Return switches, and what bits stand beside them, after a KILL."""
    which = np.int64(command.ord_type)
    return before | which if command.side == ENGAGE else before & ~which


@kernel
def switch(s, command, verdict):  # type: ignore[no-untyped-def]
    """Carry out what a KILL means to risk, and tell the switches before; return the reason if it cannot be."""
    reason = switch_problem(command)
    if reason != REASON_NONE:
        return reason
    level = np.int64(command.tif)
    before = np.int64(0)
    if level == LEVEL_VENUE:
        before = s.words[RW_SWITCHES]
        s.words[RW_SWITCHES] = switched(command, before)
    elif level == LEVEL_FIRM:
        if not is_known_firm(s, np.int64(command.aux0)):
            return REASON_UNKNOWN_FIRM
        firm = s.firms[np.int64(command.aux0)]
        before = np.int64(firm.marks)
        firm.marks = switched(command, before)
    elif level == LEVEL_ACCOUNT:
        if not is_known_account(s, np.int64(command.account)):
            return REASON_UNKNOWN_ACCOUNT
        account = s.accounts[np.int64(command.account)]
        before = np.int64(account.marks)
        account.marks = switched(command, before)
        if command.ord_type == SWITCH_THROTTLED:
            account.execution_count = 0
    elif level == LEVEL_SESSION:
        session_id = np.int64(find_session(s, command.orig0, command.orig1, command.orig2))
        if session_id == 0:
            return REASON_UNKNOWN_SESSION
        session = s.sessions[session_id]
        before = np.int64(session.switches)
        session.switches = switched(command, before)
        verdict.order_id = (session_id << SESSION_SHIFT) + before
        return REASON_NONE
    else:
        if not is_known_instrument(s, np.int64(command.instrument)):
            return REASON_UNKNOWN_INSTRUMENT
        instrument = s.instruments[np.int64(command.instrument)]
        before = np.int64(instrument.marks)
        instrument.marks = switched(command, before)
    verdict.order_id = before & SWITCHES
    return REASON_NONE
