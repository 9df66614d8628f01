"""The verdicts on CANCEL, REDUCE, STATUS, MASS_CANCEL and BOOK_REQUEST ("Risk" of docs/rules.md).

No switch, permission or limit but the rate of cancels keeps any of them out.
"""

from __future__ import annotations

import numpy as np

from protocols.codes import (
    KIND_REDUCE,
    KIND_STATUS,
    REASON_INVALID_SIDE,
    REASON_MISSING_CL_ORD_ID,
    REASON_NONE,
    REASON_UNKNOWN_ACCOUNT,
    REASON_UNKNOWN_INSTRUMENT,
    REASON_UNKNOWN_ORDER,
    REASON_UNKNOWN_SESSION,
    SIDE_SELL,
)
from ringbuffer.kernel import inlined, kernel
from stages.checks import (
    check_qty,
    has_orig,
    is_known_account,
    is_known_instrument,
    resolve_orig,
    session_is_open,
)
from stages.hashing import map_find
from stages.rates import take_cancel_token

__all__ = ["judge_book_request", "judge_cancel", "judge_mass_cancel", "resolve_target"]


@inlined
def resolve_target(s, command, session, verdict):  # type: ignore[no-untyped-def]
    """Put the order that a request names into its verdict; return the reason if it names none."""
    target = np.int64(command.order_id)
    if target == 0:
        if not has_orig(command):
            return REASON_MISSING_CL_ORD_ID
        target = resolve_orig(s, command, session)
        if target == 0:
            return REASON_UNKNOWN_ORDER
    verdict.order_id = target
    return REASON_NONE


@inlined
def count_cancel(s, command, target, session):  # type: ignore[no-untyped-def]
    """Take the token of a CANCEL or REDUCE of an open order of its session, and count it as a message."""
    order = map_find(s.order_map, s.order_keys, target)
    if order < 0 or s.orders[order].session != session:
        return np.int64(REASON_NONE)
    account_id = np.int64(s.positions[np.int64(s.orders[order].position)].account)
    reason = np.int64(take_cancel_token(s, account_id, np.int64(command.time_ns)))
    if reason == REASON_NONE:
        s.accounts[account_id].messages += 1
    return reason


@kernel
def judge_cancel(s, command, verdict):  # type: ignore[no-untyped-def]
    """Decide a CANCEL, REDUCE or STATUS; return the reason."""
    session = np.int64(command.session)
    kind = np.int64(command.kind)
    if not session_is_open(s, session):
        return np.int64(REASON_UNKNOWN_SESSION)
    reason = np.int64(resolve_target(s, command, session, verdict))
    if reason == REASON_NONE and kind == KIND_REDUCE:
        reason = np.int64(check_qty(command))
    if reason == REASON_NONE and kind != KIND_STATUS:
        reason = count_cancel(s, command, np.int64(verdict.order_id), session)
    return reason


@kernel
def judge_mass_cancel(s, command):  # type: ignore[no-untyped-def]
    """Decide a MASS_CANCEL; return the reason."""
    session = np.int64(command.session)
    instrument = np.int64(command.instrument)
    account_id = np.int64(command.account)
    if session != 0 and not session_is_open(s, session):
        return np.int64(REASON_UNKNOWN_SESSION)
    if instrument != 0 and not is_known_instrument(s, instrument):
        return np.int64(REASON_UNKNOWN_INSTRUMENT)
    if account_id != 0 and not is_known_account(s, account_id):
        return np.int64(REASON_UNKNOWN_ACCOUNT)
    if command.side > SIDE_SELL:
        return np.int64(REASON_INVALID_SIDE)
    if session != 0 and account_id != 0:
        return np.int64(take_cancel_token(s, account_id, np.int64(command.time_ns)))
    return np.int64(REASON_NONE)


@kernel
def judge_book_request(s, command):  # type: ignore[no-untyped-def]
    """Decide a BOOK_REQUEST; return the reason."""
    if not session_is_open(s, np.int64(command.session)):
        return REASON_UNKNOWN_SESSION
    return REASON_NONE if is_known_instrument(s, np.int64(command.instrument)) else REASON_UNKNOWN_INSTRUMENT
