"""LIMIT: one number of one holder, and what follows from it ("Limits" of docs/risk-controls.md).

A holder is an account, a firm, an instrument, or an account in an instrument. Beside the limits that orders are
compared with stand words that are derived from them: which are on (bits of ``marks``), intervals of rates, thresholds
of warnings. They are computed here, when a limit changes, and nowhere else. Only risk calls these.
"""

from __future__ import annotations

import numpy as np

from protocols.codes import (
    FLAG_CONFIGURED,
    LIMIT_CANCEL_BURST,
    LIMIT_CANCEL_RATE,
    LIMIT_COUNT,
    LIMIT_CREDIT,
    LIMIT_DUPLICATE_COUNT,
    LIMIT_EXECUTION_COUNT,
    LIMIT_EXECUTION_WINDOW,
    LIMIT_GROSS_NOTIONAL,
    LIMIT_MAX_LOSS,
    LIMIT_MAX_OPEN_ORDERS,
    LIMIT_MAX_ORDER_NOTIONAL,
    LIMIT_MAX_ORDER_QTY,
    LIMIT_MAX_SHORT,
    LIMIT_ORDER_BURST,
    LIMIT_ORDER_RATE,
    LIMIT_ORDER_TO_TRADE,
    LIMIT_PART_VALUE,
    LIMIT_PART_WARNING,
    LIMIT_UNLIMITED,
    LIMIT_UNSET,
    REASON_CURRENCY_MISMATCH,
    REASON_INVALID_COMMAND,
    REASON_NO_ROOM,
    REASON_NONE,
    REASON_UNKNOWN_ACCOUNT,
    REASON_UNKNOWN_FIRM,
    REASON_UNKNOWN_INSTRUMENT,
)
from ringbuffer.kernel import inlined, kernel
from stages.checks import is_known_account, is_known_firm, is_known_instrument
from stages.positions import find_position, has_position_room, position_of
from stages.state import (
    ACCOUNT_CANCEL_RATE,
    ACCOUNT_DUPLICATES,
    ACCOUNT_EXECUTIONS,
    ACCOUNT_INCOMPLETE,
    ACCOUNT_MAX_LOSS,
    ACCOUNT_ORDER_RATE,
    ACCOUNT_ORDER_TO_TRADE,
    ACCOUNT_WARNS,
    COLUMN_ADJUSTED,
    COLUMN_CANCEL_INTERVAL,
    COLUMN_CANCEL_TOLERANCE,
    COLUMN_ORDER_INTERVAL,
    COLUMN_ORDER_TOLERANCE,
    INSTRUMENT_HAS_LIMITS,
    NO_WARNING,
)

__all__ = ["derive_account", "derive_firm", "set_limit"]

SECOND_NS = 1_000_000_000
MAX_COUNT = 1 << 20
NO_TOKEN_NS = -1  # a tolerance that no time is within
FIRM_LIMITS = (
    (1 << LIMIT_CREDIT) | (1 << LIMIT_GROSS_NOTIONAL) | (1 << LIMIT_ORDER_RATE) | (1 << LIMIT_ORDER_BURST)
)
COUNTS = (1 << LIMIT_ORDER_TO_TRADE) | (1 << LIMIT_DUPLICATE_COUNT) | (1 << LIMIT_EXECUTION_COUNT)
BURSTS = (1 << LIMIT_ORDER_BURST) | (1 << LIMIT_CANCEL_BURST)
RATES = (1 << LIMIT_ORDER_RATE) | (1 << LIMIT_CANCEL_RATE)
DERIVED = (
    ACCOUNT_INCOMPLETE
    | ACCOUNT_ORDER_RATE
    | ACCOUNT_CANCEL_RATE
    | ACCOUNT_ORDER_TO_TRADE
    | ACCOUNT_DUPLICATES
    | ACCOUNT_EXECUTIONS
    | ACCOUNT_MAX_LOSS
    | ACCOUNT_WARNS
)  # bits of ``marks`` that follow from limits


@inlined
def most_of(which):  # type: ignore[no-untyped-def]
    """Return the highest value of a limit that is not unlimited."""
    bit = np.int64(1) << which
    if bit & (COUNTS | BURSTS) != 0:
        return np.int64(MAX_COUNT)
    return np.int64(SECOND_NS) if bit & RATES != 0 else np.int64(LIMIT_UNLIMITED)


@inlined
def last_warning(is_firm):  # type: ignore[no-untyped-def]
    """Return the last limit that has a warning; the first is CREDIT of a firm, MAX_OPEN_ORDERS of an account."""
    return np.int64(LIMIT_GROSS_NOTIONAL) if is_firm else np.int64(LIMIT_MAX_LOSS)


@inlined
def is_of(which, has_account, has_instrument, has_firm):  # type: ignore[no-untyped-def]
    """Tell whether a kind of holder has a limit."""
    if which < 1 or which >= LIMIT_COUNT:
        return False
    if has_firm:
        return (FIRM_LIMITS >> which) & 1 != 0
    if has_account and has_instrument:
        return which <= LIMIT_MAX_SHORT
    return has_account or which <= LIMIT_MAX_ORDER_NOTIONAL


@kernel
def value_problem(command):  # type: ignore[no-untyped-def]
    """Judge which limit a LIMIT is about, which part of it, and the value."""
    which = np.int64(command.ord_type)
    value = np.int64(command.qty_lots)
    has_account = command.account != 0
    has_instrument = command.instrument != 0
    has_firm = command.aux0 != 0
    if not is_of(which, has_account, has_instrument, has_firm):
        return REASON_INVALID_COMMAND
    if command.tif == LIMIT_PART_VALUE:
        is_valid = LIMIT_UNSET <= value <= most_of(which) or value == LIMIT_UNLIMITED
        return REASON_NONE if is_valid else REASON_INVALID_COMMAND
    first = np.int64(LIMIT_CREDIT) if has_firm else np.int64(LIMIT_MAX_OPEN_ORDERS)
    warns = first <= which <= last_warning(has_firm) and not has_instrument
    if command.tif != LIMIT_PART_WARNING or not warns or value < 0 or value > 100:
        return REASON_INVALID_COMMAND
    return REASON_NONE


@inlined
def holder_problem(s, command):  # type: ignore[no-untyped-def]
    """Return why whose limit a LIMIT names is not known."""
    account_id = np.int64(command.account)
    instrument = np.int64(command.instrument)
    firm = np.int64(command.aux0)
    if (account_id | instrument | firm) == 0 or (firm != 0 and (account_id | instrument) != 0):
        return REASON_INVALID_COMMAND
    if account_id != 0 and not is_known_account(s, account_id):
        return REASON_UNKNOWN_ACCOUNT
    if instrument != 0 and not is_known_instrument(s, instrument):
        return REASON_UNKNOWN_INSTRUMENT
    if firm != 0 and not is_known_firm(s, firm):
        return REASON_UNKNOWN_FIRM
    has_both = account_id != 0 and instrument != 0
    if has_both and s.accounts[account_id].currency != s.instruments[instrument].currency:
        return REASON_CURRENCY_MISMATCH
    return REASON_NONE


@inlined
def adjusted(command, before):  # type: ignore[no-untyped-def]
    """Return which limits of a holder an operator was the last to set."""
    bit = np.int64(1) << np.int64(command.ord_type)
    return before & ~bit if np.int64(command.flags) & FLAG_CONFIGURED != 0 else before | bit


@inlined
def threshold_of(limit, percent):  # type: ignore[no-untyped-def]
    """Return the use of a limit from which on risk warns, NO_WARNING for none."""
    if percent == 0 or limit == LIMIT_UNSET or limit == LIMIT_UNLIMITED:
        return np.int64(NO_WARNING)
    return limit // 100 * percent + (limit % 100 * percent + 99) // 100


@inlined
def derive_bucket(limits, holder, rate, burst, interval_column, tolerance_column):  # type: ignore[no-untyped-def]
    """Compute interval and tolerance of a bucket; tell whether it bounds anything."""
    a_second = limits[holder, rate]
    at_once = limits[holder, burst]
    limits[holder, interval_column] = 0
    limits[holder, tolerance_column] = NO_TOKEN_NS
    if a_second == 0 or at_once == 0:
        return True
    if (
        a_second == LIMIT_UNSET
        or a_second == LIMIT_UNLIMITED
        or at_once == LIMIT_UNSET
        or at_once == LIMIT_UNLIMITED
    ):
        limits[holder, tolerance_column] = 0
        return False
    interval_ns = (SECOND_NS + a_second - 1) // a_second
    limits[holder, interval_column] = interval_ns
    limits[holder, tolerance_column] = (at_once - 1) * interval_ns
    return True


@inlined
def derive_warnings(limits, warnings, percents, holder, first, last):  # type: ignore[no-untyped-def]
    """Compute the thresholds of a holder; tell whether there is one."""
    warns = False
    for which in range(first, last + 1):
        threshold = threshold_of(limits[holder, which], np.int64(percents[holder, which]))
        warnings[holder, which] = threshold
        warns |= threshold != NO_WARNING
    return warns


@kernel
def derive_account(s, account_id):  # type: ignore[no-untyped-def]
    """Compute all that follows from the limits of an account."""
    limits = s.limits
    account = s.accounts[account_id]
    marks = np.int64(account.marks) & ~np.int64(DERIVED)
    for which in range(1, LIMIT_COUNT):
        if limits[account_id, which] == LIMIT_UNSET:
            marks |= ACCOUNT_INCOMPLETE
    if derive_bucket(
        limits, account_id, LIMIT_ORDER_RATE, LIMIT_ORDER_BURST, COLUMN_ORDER_INTERVAL, COLUMN_ORDER_TOLERANCE
    ):
        marks |= ACCOUNT_ORDER_RATE
    if derive_bucket(
        limits,
        account_id,
        LIMIT_CANCEL_RATE,
        LIMIT_CANCEL_BURST,
        COLUMN_CANCEL_INTERVAL,
        COLUMN_CANCEL_TOLERANCE,
    ):
        marks |= ACCOUNT_CANCEL_RATE
    if limits[account_id, LIMIT_ORDER_TO_TRADE] != LIMIT_UNLIMITED:
        marks |= ACCOUNT_ORDER_TO_TRADE
    if 0 <= limits[account_id, LIMIT_DUPLICATE_COUNT] < LIMIT_UNLIMITED:
        marks |= ACCOUNT_DUPLICATES
    if (
        0 <= limits[account_id, LIMIT_EXECUTION_COUNT] < LIMIT_UNLIMITED
        and limits[account_id, LIMIT_EXECUTION_WINDOW] != LIMIT_UNSET
    ):
        marks |= ACCOUNT_EXECUTIONS
    if limits[account_id, LIMIT_MAX_LOSS] != LIMIT_UNLIMITED:
        marks |= ACCOUNT_MAX_LOSS
    if derive_warnings(
        limits, s.warnings, s.warning_percents, account_id, LIMIT_MAX_OPEN_ORDERS, LIMIT_MAX_LOSS
    ):
        marks |= ACCOUNT_WARNS
    account.marks = marks
    return 0


@kernel
def derive_firm(s, firm_id):  # type: ignore[no-untyped-def]
    """Compute all that follows from the limits of a firm."""
    limits = s.firm_limits
    firm = s.firms[firm_id]
    marks = np.int64(firm.marks) & ~np.int64(DERIVED)
    for which in range(1, LIMIT_COUNT):
        if (FIRM_LIMITS >> which) & 1 != 0 and limits[firm_id, which] == LIMIT_UNSET:
            marks |= ACCOUNT_INCOMPLETE
    if derive_bucket(
        limits, firm_id, LIMIT_ORDER_RATE, LIMIT_ORDER_BURST, COLUMN_ORDER_INTERVAL, COLUMN_ORDER_TOLERANCE
    ):
        marks |= ACCOUNT_ORDER_RATE
    if derive_warnings(
        limits, s.firm_warnings, s.firm_warning_percents, firm_id, LIMIT_CREDIT, LIMIT_GROSS_NOTIONAL
    ):
        marks |= ACCOUNT_WARNS
    firm.marks = marks
    return 0


@inlined
def set_of_instrument(s, command, verdict):  # type: ignore[no-untyped-def]
    """Set a limit of an instrument."""
    instrument = s.instruments[np.int64(command.instrument)]
    if command.ord_type == LIMIT_MAX_ORDER_QTY:
        verdict.order_id = instrument.max_order_qty
        instrument.max_order_qty = command.qty_lots
    else:
        verdict.order_id = instrument.max_order_notional
        instrument.max_order_notional = command.qty_lots
    instrument.adjusted = adjusted(command, np.int64(instrument.adjusted))
    marks = np.int64(instrument.marks) & ~np.int64(INSTRUMENT_HAS_LIMITS)
    if instrument.max_order_qty != LIMIT_UNSET or instrument.max_order_notional != LIMIT_UNSET:
        marks |= INSTRUMENT_HAS_LIMITS
    instrument.marks = marks


@inlined
def set_of_position(s, command, row, verdict):  # type: ignore[no-untyped-def]
    """Set a limit of an account in an instrument."""
    limits = s.position_limits
    if s.positions[row].has_limits == 0:
        s.positions[row].has_limits = 1
        limits[row, COLUMN_ADJUSTED] = 0
        for column in range(1, LIMIT_MAX_SHORT + 1):
            limits[row, column] = LIMIT_UNSET
    which = np.int64(command.ord_type)
    verdict.order_id = limits[row, which]
    limits[row, which] = command.qty_lots
    limits[row, COLUMN_ADJUSTED] = adjusted(command, limits[row, COLUMN_ADJUSTED])


@inlined
def set_of_holder(limits, percents, holder, command, verdict):  # type: ignore[no-untyped-def]
    """Set a limit, or its warning, of an account or a firm."""
    which = np.int64(command.ord_type)
    if command.tif == LIMIT_PART_WARNING:
        verdict.order_id = percents[holder, which]
        percents[holder, which] = command.qty_lots
    else:
        verdict.order_id = limits[holder, which]
        limits[holder, which] = command.qty_lots
    limits[holder, COLUMN_ADJUSTED] = adjusted(command, limits[holder, COLUMN_ADJUSTED])


@kernel
def set_limit(s, command, verdict):  # type: ignore[no-untyped-def]
    """Carry out a LIMIT, and tell the value before; return the reason if it cannot be."""
    account_id = np.int64(command.account)
    instrument = np.int64(command.instrument)
    firm = np.int64(command.aux0)
    reason = holder_problem(s, command)
    if reason == REASON_NONE:
        reason = np.int64(value_problem(command))
    if reason != REASON_NONE:
        return reason
    if firm != 0:
        set_of_holder(s.firm_limits, s.firm_warning_percents, firm, command, verdict)
        derive_firm(s, firm)
    elif instrument == 0:
        set_of_holder(s.limits, s.warning_percents, account_id, command, verdict)
        derive_account(s, account_id)
    elif account_id == 0:
        set_of_instrument(s, command, verdict)
    else:
        row = find_position(s, account_id, instrument)
        if not has_position_room(s, row):
            return REASON_NO_ROOM
        set_of_position(s, command, position_of(s, row, account_id, instrument), verdict)
    return REASON_NONE
