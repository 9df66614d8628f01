"""How an instrument enters a trading state: "Entering a state" of docs/trading-states.md."""

from __future__ import annotations

import numpy as np

from protocols.codes import (
    OUT_EXPIRED,
    OUT_TRIGGERED,
    OUT_UNCROSSED,
    OUTFLAG_UNSOLICITED,
    REASON_AUCTION_REMAINDER,
    REASON_DAY_ENDED,
    REASON_NONE,
    STATE_CLOSED,
    STATE_CLOSING_AUCTION,
    STATE_CONTINUOUS,
    STATE_VOLATILITY_AUCTION,
    TIF_CLOSE,
    TIF_DAY,
    TIF_OPEN,
)
from ringbuffer.kernel import inlined, kernel
from stages.auction import find_uncross, indicate, is_auction, surplus_side, trade_uncross
from stages.bands import set_state, start_volatility_auction
from stages.book import best_level, dequeue, enqueue, worse_level
from stages.book_feed import leave_book, tell_added
from stages.emit import emit_instrument, emit_order
from stages.ladder import WAITING_SIDES, side_row
from stages.orders import leaves_of
from stages.state import MARK_MARKET, MARK_WAITING, SIDES_IN_USE, SIDES_PER_INSTRUMENT
from stages.stops import run_elections

__all__ = ["enter_group", "enter_state"]


@kernel
def _uncross(s, command, instrument):  # type: ignore[no-untyped-def]
    """Tell the result of an auction and trade it; a book that is not crossed outside an auction says nothing."""
    find_uncross(s, instrument)
    found = s.uncross[0]
    volume = np.int64(found.volume_lots)
    if volume == 0 and not is_auction(s.markets[instrument].state):
        return 0
    surplus = np.int64(found.surplus_lots)
    emit_instrument(
        s,
        command,
        instrument,
        np.int64(OUT_UNCROSSED),
        surplus_side(surplus),
        np.int64(found.price_ticks),
        volume,
        abs(surplus),
    )
    if volume != 0:
        trade_uncross(s, command, instrument)
    return 0


@inlined
def _end_reason(record, state):  # type: ignore[no-untyped-def]
    """Return why an order ends when its instrument enters a state, NONE if it does not."""
    tif = np.int64(record.tif)
    is_market = np.int64(record.marks) & MARK_MARKET != 0
    waits = np.int64(record.marks) & MARK_WAITING != 0
    if state == STATE_CLOSED:
        if is_market or tif == TIF_OPEN or tif == TIF_CLOSE:
            return REASON_AUCTION_REMAINDER
        return REASON_DAY_ENDED if tif == TIF_DAY else REASON_NONE
    if state == STATE_CONTINUOUS:
        if tif == TIF_OPEN or (not waits and (is_market or tif == TIF_CLOSE)):
            return REASON_AUCTION_REMAINDER
    elif (state == STATE_VOLATILITY_AUCTION or state == STATE_CLOSING_AUCTION) and tif == TIF_OPEN:
        return REASON_AUCTION_REMAINDER
    return REASON_NONE


@kernel
def _end_orders(s, command, instrument, state):  # type: ignore[no-untyped-def]
    """Expire the orders that do not go on in a state."""
    for offset in range(SIDES_IN_USE):
        level = best_level(s, np.int64(instrument) * SIDES_PER_INSTRUMENT + offset)
        while level >= 0:
            worse = worse_level(s, level)
            order = np.int64(s.levels[level].head)
            while order >= 0:
                after = np.int64(s.orders[order].next)
                reason = np.int64(_end_reason(s.orders[order], state))
                if reason != REASON_NONE:
                    emit_order(
                        s,
                        command,
                        order,
                        np.int64(OUT_EXPIRED),
                        reason,
                        np.int64(OUTFLAG_UNSOLICITED),
                        leaves_of(s, order),
                        np.int64(0),
                    )
                    leave_book(s, command, order)
                order = after
            level = worse
    return 0


@kernel
def _release_waiting(s, command, instrument):  # type: ignore[no-untyped-def]
    """Let the orders that waited for the closing auction into the book."""
    for side in range(1, 3):
        row = side_row(instrument, side + WAITING_SIDES)
        while best_level(s, row) >= 0:
            order = np.int64(s.levels[best_level(s, row)].head)
            leaves = leaves_of(s, order)
            emit_order(
                s,
                command,
                order,
                np.int64(OUT_TRIGGERED),
                np.int64(REASON_NONE),
                np.int64(OUTFLAG_UNSOLICITED),
                leaves,
                leaves,
            )
            dequeue(s, order)
            s.orders[order].marks &= ~MARK_WAITING
            enqueue(s, order, side_row(instrument, side))
            tell_added(s, command, order)
    return 0


@kernel
def enter_state(s, command, instrument, state):  # type: ignore[no-untyped-def]
    """Let an instrument enter a state, with all that follows; nothing if it has it already."""
    market = s.markets[instrument]
    before = np.int64(market.state)
    if before == state:
        return 0
    if state == STATE_CONTINUOUS or (state == STATE_CLOSED and is_auction(before)):
        _uncross(s, command, instrument)
    if state == STATE_CLOSED or market.fleeting != 0:
        _end_orders(s, command, instrument, state)
    set_state(s, command, instrument, state)
    if state == STATE_CLOSING_AUCTION:
        _release_waiting(s, command, instrument)
    elif state == STATE_VOLATILITY_AUCTION:
        start_volatility_auction(s, command, instrument)
    elif state == STATE_CONTINUOUS and market.stops != 0:
        market.trailed_ticks = 0  # trailing stops may have come that saw another price
        run_elections(s, command, instrument)
    if is_auction(state):
        indicate(s, command, instrument, np.int64(1))
    return 0


@kernel
def enter_group(s, command, group, state):  # type: ignore[no-untyped-def]
    """Let all instruments of a group enter a state, in the order of their ids."""
    for instrument in range(1, s.markets.shape[0]):
        if s.markets[instrument].state != 0 and s.markets[instrument].group == group:
            enter_state(s, command, np.int64(instrument), np.int64(state))
    return 0
