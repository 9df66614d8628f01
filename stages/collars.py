"""Price collars of an instrument: how far from a reference an order may be ("Collars" of docs/risk-controls.md).

The edges are computed when a reference or a width changes, and chosen so that one comparison decides: of a collar that
is off nothing is beyond them, of one without a reference everything is. Why is asked afterwards. Only risk writes them.
"""

from __future__ import annotations

import numpy as np

from protocols.codes import (
    COLLAR_MILLIONTHS,
    COLLAR_TICKS,
    REASON_DYNAMIC_COLLAR,
    REASON_INVALID_COMMAND,
    REASON_NO_REFERENCE_PRICE,
    REASON_NONE,
    REASON_STALE_REFERENCE_PRICE,
    REASON_STATIC_COLLAR,
    REASON_UNKNOWN_INSTRUMENT,
    SIDE_BUY,
)
from ringbuffer.kernel import inlined, kernel
from stages.checks import is_known_instrument
from stages.money import MAX_AMOUNT, MILLION, share_down
from stages.state import INSTRUMENT_DYNAMIC_COLLAR, INSTRUMENT_STATIC_COLLAR, MAX_LIMIT_TICKS

__all__ = ["COLLARS", "check_collars", "note_trade", "set_collar"]

COLLARS = INSTRUMENT_STATIC_COLLAR | INSTRUMENT_DYNAMIC_COLLAR
ABOVE_ALL = 2**63 - 1


@inlined
def low_edge(reference, width, unit):  # type: ignore[no-untyped-def]
    """Return the lowest price at which a collar lets sell."""
    if width == 0:
        return np.int64(0)
    if reference == 0:
        return np.int64(ABOVE_ALL)
    return max(reference - (width if unit == COLLAR_TICKS else share_down(reference, width)), np.int64(0))


@inlined
def high_edge(reference, width, unit):  # type: ignore[no-untyped-def]
    """Return the highest price at which a collar lets buy."""
    if width == 0:
        return np.int64(ABOVE_ALL)
    if reference == 0:
        return np.int64(0)
    wide = width if unit == COLLAR_TICKS else share_down(reference, width)
    return reference + min(wide, np.int64(MAX_LIMIT_TICKS) - reference)


@kernel
def place_dynamic_edges(instrument):  # type: ignore[no-untyped-def]
    """Compute the edges of the dynamic collar anew."""
    reference = np.int64(instrument.dynamic_reference)
    width = np.int64(instrument.dynamic_width)
    unit = np.int64(instrument.collar_unit)
    instrument.dynamic_low = low_edge(reference, width, unit)
    instrument.dynamic_high = high_edge(reference, width, unit)
    return 0


@inlined
def note_trade(instrument, price_ticks, time_ns):  # type: ignore[no-untyped-def]
    """Take the price of a fill as the dynamic reference."""
    instrument.reference_ns = time_ns
    if price_ticks != instrument.dynamic_reference:
        instrument.dynamic_reference = price_ticks
        if np.int64(instrument.marks) & INSTRUMENT_DYNAMIC_COLLAR != 0:
            place_dynamic_edges(instrument)


@inlined
def is_stale(instrument, time_ns):  # type: ignore[no-untyped-def]
    """Tell whether the dynamic reference is too old."""
    stale_ns = np.int64(instrument.stale_ns)
    return stale_ns != 0 and time_ns - np.int64(instrument.reference_ns) > stale_ns


@kernel
def collar_problem(instrument, time_ns, side, price, has_price):  # type: ignore[no-untyped-def]
    """Return why the collars keep an order out; NONE if they do not."""
    is_buy = side == SIDE_BUY
    if np.int64(instrument.marks) & INSTRUMENT_STATIC_COLLAR != 0:
        if instrument.static_reference == 0:
            return REASON_NO_REFERENCE_PRICE
        if has_price and (price > instrument.static_high if is_buy else price < instrument.static_low):
            return REASON_STATIC_COLLAR
    if np.int64(instrument.marks) & INSTRUMENT_DYNAMIC_COLLAR != 0:
        if instrument.dynamic_reference == 0:
            return REASON_NO_REFERENCE_PRICE
        if is_stale(instrument, time_ns):
            return REASON_STALE_REFERENCE_PRICE
        if has_price and (price > instrument.dynamic_high if is_buy else price < instrument.dynamic_low):
            return REASON_DYNAMIC_COLLAR
    return REASON_NONE


@inlined
def check_collars(instrument, time_ns, side, price, has_price):  # type: ignore[no-untyped-def]
    """Judge a price where a collar is on; of an order that has none, whether there is a reference."""
    # sides come at random: a branch on them would be mispredicted
    is_high = (price > instrument.static_high) | (price > instrument.dynamic_high)
    is_low = (price < instrument.static_low) | (price < instrument.dynamic_low)
    is_buy = side == SIDE_BUY
    is_beyond = (is_high & is_buy) | (is_low & (not is_buy))
    if is_beyond or not has_price or is_stale(instrument, time_ns):
        return np.int64(collar_problem(instrument, time_ns, side, price, has_price))
    return np.int64(REASON_NONE)


@kernel
def set_collar(s, command):  # type: ignore[no-untyped-def]
    """Carry out a COLLAR command; return the reason if it cannot be."""
    unit = np.int64(command.ord_type)
    static_width = np.int64(command.order_id)
    dynamic_width = np.int64(command.orig0)
    reference = np.int64(command.price_ticks)
    stale_ns = np.int64(command.aux0)
    if not is_known_instrument(s, np.int64(command.instrument)):
        return REASON_UNKNOWN_INSTRUMENT
    if unit != COLLAR_TICKS and unit != COLLAR_MILLIONTHS:
        return REASON_INVALID_COMMAND
    widest = np.int64(MILLION) if unit == COLLAR_MILLIONTHS else np.int64(MAX_AMOUNT)
    if static_width < 0 or static_width > widest or dynamic_width < 0 or dynamic_width > widest:
        return REASON_INVALID_COMMAND
    if reference < 0 or reference > MAX_AMOUNT or stale_ns < 0 or stale_ns > MAX_AMOUNT:
        return REASON_INVALID_COMMAND
    instrument = s.instruments[np.int64(command.instrument)]
    instrument.collar_unit = unit
    instrument.static_width = static_width
    instrument.dynamic_width = dynamic_width
    instrument.stale_ns = stale_ns
    if reference != 0:
        instrument.static_reference = reference
        instrument.dynamic_reference = reference
        instrument.reference_ns = command.time_ns
    marks = np.int64(instrument.marks) & ~np.int64(COLLARS)
    if static_width != 0:
        marks |= INSTRUMENT_STATIC_COLLAR
    if dynamic_width != 0:
        marks |= INSTRUMENT_DYNAMIC_COLLAR
    instrument.marks = marks
    instrument.static_low = low_edge(np.int64(instrument.static_reference), static_width, unit)
    instrument.static_high = high_edge(np.int64(instrument.static_reference), static_width, unit)
    place_dynamic_edges(instrument)
    return REASON_NONE
