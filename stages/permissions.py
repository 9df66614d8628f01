"""PERMIT: for whom a session acts, and which types, times, instruments and short sales an account may use.

"Permissions" of docs/risk-controls.md. At first all is permitted; a bit of ``marks`` says that something is not, so
that who may do all is asked nothing. Only risk writes these.
"""

from __future__ import annotations

import numpy as np

from protocols.codes import (
    ACCESS_DENIED,
    ACCESS_REDUCING,
    PERMIT_GROUPS,
    PERMIT_INSTRUMENT,
    PERMIT_ORDER_TYPES,
    PERMIT_SESSION,
    PERMIT_SHORT_SALES,
    PERMIT_TIFS,
    REASON_CURRENCY_MISMATCH,
    REASON_INVALID_COMMAND,
    REASON_NO_ROOM,
    REASON_NONE,
    REASON_ORDER_TYPE_NOT_PERMITTED,
    REASON_TIF_NOT_PERMITTED,
    REASON_UNKNOWN_ACCOUNT,
    REASON_UNKNOWN_INSTRUMENT,
    SIDE_BUY,
    TYPE_DIRECTED,
    TYPE_LIMIT,
    TYPE_STOP_LIMIT,
)
from ringbuffer.kernel import inlined, kernel
from stages.checks import has_orig, is_known_account, is_known_instrument
from stages.positions import find_position, has_position_room, position_of
from stages.sessions import find_session, name_session
from stages.state import (
    ACCOUNT_HAS_PERMITS,
    ACCOUNT_PREFUNDED,
    ACCOUNT_SHORT_EXEMPT,
    ALL_GROUPS,
    ALL_TIFS,
    ALL_TYPES,
    INSTRUMENT_NO_SHORT_SALES,
)

__all__ = ["check_permitted_terms", "is_permitted", "permit", "session_acts_for"]

LAST_GROUP = 63  # its bit stands for all groups from there on
ACCOUNT_BITS = 63  # a word of a session's accounts has 64


@inlined
def session_acts_for(s, session, account_id):  # type: ignore[no-untyped-def]
    """Tell whether a session that does not act for all accounts acts for one."""
    return (s.session_accounts[session, account_id >> 6] >> (account_id & ACCOUNT_BITS)) & 1 != 0


@kernel
def check_permitted_terms(account, command):  # type: ignore[no-untyped-def]
    """Judge order type and time in force of an account to which not all are permitted, or which is pre-funded."""
    ord_type = np.int64(command.ord_type)
    if (np.int64(account.types) >> ord_type) & 1 == 0:
        return REASON_ORDER_TYPE_NOT_PERMITTED
    if np.int64(account.marks) & ACCOUNT_PREFUNDED != 0 and command.side == SIDE_BUY:
        if ord_type != TYPE_LIMIT and ord_type != TYPE_STOP_LIMIT and ord_type != TYPE_DIRECTED:
            return REASON_ORDER_TYPE_NOT_PERMITTED
    if (np.int64(account.tifs) >> np.int64(command.tif)) & 1 == 0:
        return REASON_TIF_NOT_PERMITTED
    return REASON_NONE


@inlined
def is_permitted(account, access, group):  # type: ignore[no-untyped-def]
    """Tell whether an account may trade an instrument of a group, to which it has ``access``."""
    if access != 0:
        return access != ACCESS_DENIED
    if np.int64(account.marks) & ACCOUNT_HAS_PERMITS == 0:
        return True
    return (np.int64(account.groups) >> min(np.int64(group), np.int64(LAST_GROUP))) & 1 != 0


@inlined
def permit_session(s, command, verdict):  # type: ignore[no-untyped-def]
    """Say for whom a session acts."""
    account_id = np.int64(command.account)
    value = np.int64(command.qty_lots)
    if not has_orig(command):
        return REASON_INVALID_COMMAND
    if account_id != 0 and not is_known_account(s, account_id):
        return REASON_UNKNOWN_ACCOUNT
    if value != 0 and value != 1:
        return REASON_INVALID_COMMAND
    session = np.int64(find_session(s, command.orig0, command.orig1, command.orig2))
    if session == 0:
        session = np.int64(name_session(s, command.orig0, command.orig1, command.orig2))
        if session == 0:
            return REASON_NO_ROOM
    if account_id == 0:
        verdict.order_id = 1 - np.int64(s.sessions[session].is_restricted)
        s.sessions[session].is_restricted = 1 - value
        return REASON_NONE
    word = account_id >> 6
    bit = account_id & ACCOUNT_BITS
    before = s.session_accounts[session, word]
    verdict.order_id = (before >> bit) & 1
    s.session_accounts[session, word] = (before & ~(np.int64(1) << bit)) | (value << bit)
    return REASON_NONE


@inlined
def permit_terms(s, command, verdict):  # type: ignore[no-untyped-def]
    """Say which types, times in force or groups an account may use."""
    what = np.int64(command.ord_type)
    value = np.int64(command.qty_lots)
    if not is_known_account(s, np.int64(command.account)):
        return REASON_UNKNOWN_ACCOUNT
    account = s.accounts[np.int64(command.account)]
    if what == PERMIT_ORDER_TYPES:
        if value & ~np.int64(ALL_TYPES) != 0:
            return REASON_INVALID_COMMAND
        verdict.order_id = account.types
        account.types = value
    elif what == PERMIT_TIFS:
        if value & ~np.int64(ALL_TIFS) != 0:
            return REASON_INVALID_COMMAND
        verdict.order_id = account.tifs
        account.tifs = value
    else:
        verdict.order_id = account.groups
        account.groups = value
    marks = np.int64(account.marks) & ~np.int64(ACCOUNT_HAS_PERMITS)
    if account.types != ALL_TYPES or account.tifs != ALL_TIFS or account.groups != ALL_GROUPS:
        marks |= ACCOUNT_HAS_PERMITS
    account.marks = marks
    return REASON_NONE


@inlined
def permit_instrument(s, command, verdict):  # type: ignore[no-untyped-def]
    """Say what an account may do in an instrument."""
    account_id = np.int64(command.account)
    instrument = np.int64(command.instrument)
    value = np.int64(command.qty_lots)
    if not is_known_account(s, account_id):
        return REASON_UNKNOWN_ACCOUNT
    if not is_known_instrument(s, instrument):
        return REASON_UNKNOWN_INSTRUMENT
    if s.accounts[account_id].currency != s.instruments[instrument].currency:
        return REASON_CURRENCY_MISMATCH
    if value < 0 or value > ACCESS_REDUCING:
        return REASON_INVALID_COMMAND
    row = find_position(s, account_id, instrument)
    if not has_position_room(s, row):
        return REASON_NO_ROOM
    position = s.positions[position_of(s, row, account_id, instrument)]
    verdict.order_id = position.access
    position.access = value
    return REASON_NONE


@inlined
def permit_short_sales(s, command, verdict):  # type: ignore[no-untyped-def]
    """Say whether an instrument may be sold short, or whether an account is exempt."""
    account_id = np.int64(command.account)
    instrument_id = np.int64(command.instrument)
    value = np.int64(command.qty_lots)
    if (account_id == 0) == (instrument_id == 0):
        return REASON_INVALID_COMMAND
    if account_id != 0 and not is_known_account(s, account_id):
        return REASON_UNKNOWN_ACCOUNT
    if instrument_id != 0 and not is_known_instrument(s, instrument_id):
        return REASON_UNKNOWN_INSTRUMENT
    if value != 0 and value != 1:
        return REASON_INVALID_COMMAND
    if account_id != 0:
        account = s.accounts[account_id]
        marks = np.int64(account.marks)
        verdict.order_id = 1 if marks & ACCOUNT_SHORT_EXEMPT != 0 else 0
        marks &= ~np.int64(ACCOUNT_SHORT_EXEMPT)
        account.marks = marks | ACCOUNT_SHORT_EXEMPT if value == 1 else marks
    else:
        instrument = s.instruments[instrument_id]
        marks = np.int64(instrument.marks)
        verdict.order_id = 0 if marks & INSTRUMENT_NO_SHORT_SALES != 0 else 1
        marks &= ~np.int64(INSTRUMENT_NO_SHORT_SALES)
        instrument.marks = marks if value == 1 else marks | INSTRUMENT_NO_SHORT_SALES
    return REASON_NONE


@kernel
def permit(s, command, verdict):  # type: ignore[no-untyped-def]
    """Carry out a PERMIT, and tell the value before; return the reason if it cannot be."""
    what = np.int64(command.ord_type)
    if what == PERMIT_SESSION:
        return permit_session(s, command, verdict)
    if what == PERMIT_ORDER_TYPES or what == PERMIT_TIFS or what == PERMIT_GROUPS:
        return permit_terms(s, command, verdict)
    if what == PERMIT_INSTRUMENT:
        return permit_instrument(s, command, verdict)
    if what == PERMIT_SHORT_SALES:
        return permit_short_sales(s, command, verdict)
    return REASON_INVALID_COMMAND
