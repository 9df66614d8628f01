"""Stop orders: how they wait, trail, and are elected ("Elections" of docs/matching-rules.md).

They stand in sides of their own, by stop price. Invariant between commands: no stop order stands whose
price the last trade has reached, and trailing stops know the last trade price.
"""

from __future__ import annotations

import numpy as np

from protocols.codes import (
    OUT_TRIGGERED,
    OUTFLAG_UNSOLICITED,
    REASON_NO_LIQUIDITY,
    REASON_NO_ROOM,
    REASON_NONE,
    REASON_PRICE_OUT_OF_BAND,
    REASON_PRICE_PROTECTION,
    SIDE_BUY,
    STATE_CONTINUOUS,
    TYPE_STOP_LIMIT,
    TYPE_TRAILING_STOP,
)
from ringbuffer.kernel import inlined, kernel
from stages.bands import breached, halt_by_band, halts, limit_to_bands
from stages.book import best_level, dequeue, enqueue, has_level_room
from stages.emit import emit_order
from stages.entry import expire_taker, make_row, stand, taker_of_order
from stages.ladder import STOP_SIDES, ladder_key, side_row
from stages.orders import (
    chain_trailing,
    drop_special,
    forget_order,
    give_special,
    leave_stop_side,
    special_row,
)
from stages.state import MARK_STOP
from stages.trading import market_limit_key, trade

MAX_PRICE = 2**63 - 1
NO_ORDER = -1


@inlined
def trailing_price(side, reference, distance):  # type: ignore[no-untyped-def]
    """Return the stop price of a trailing stop."""
    if side == SIDE_BUY:
        return min(np.int64(reference), np.int64(MAX_PRICE) - distance) + distance
    return np.int64(reference) - distance


@inlined
def stand_as_stop(s, order):  # type: ignore[no-untyped-def]
    """Put a stop order at the end of the level of its stop price."""
    record = s.orders[order]
    enqueue(s, order, side_row(record.instrument, np.int64(record.side) + STOP_SIDES))


@kernel
def enter_stop(s, command):  # type: ignore[no-untyped-def]
    """Put the taker, a new stop order, into its stop side."""
    ord_type = np.int64(command.ord_type)
    t = s.taker[0]
    order = make_row(s, command)
    record = s.orders[order]
    market = s.markets[np.int64(record.instrument)]
    special = s.specials[give_special(s, order, np.int64(t.display_lots))]
    special.ord_type = ord_type
    record.marks |= MARK_STOP
    market.stops += 1
    if ord_type == TYPE_TRAILING_STOP:
        special.trail_ticks = command.aux0
        special.reference_ticks = market.last_ticks
        record.price_ticks = trailing_price(record.side, np.int64(market.last_ticks), np.int64(command.aux0))
        chain_trailing(s, order)
    else:
        record.price_ticks = command.aux0
    if ord_type == TYPE_STOP_LIMIT:
        special.limit_ticks = command.price_ticks
    stand_as_stop(s, order)
    return 0


@kernel
def _trail_side(s, row, is_buy, last):  # type: ignore[no-untyped-def]
    """Let the trailing stops from a row of specials on follow the last trade price."""
    while row >= 0:
        special = s.specials[row]
        reference = np.int64(special.reference_ticks)
        if (last < reference) if is_buy != 0 else (last > reference):
            order = np.int64(special.order)
            special.reference_ticks = last
            dequeue(s, order)
            record = s.orders[order]
            record.price_ticks = trailing_price(record.side, last, np.int64(special.trail_ticks))
            stand_as_stop(s, order)
        row = np.int64(special.next)
    return 0


@inlined
def elected_order(s, instrument):  # type: ignore[no-untyped-def]
    """Return the stop order that the last trade price elects next, NO_ORDER for none."""
    last = np.int64(s.markets[instrument].last_ticks)
    if last == 0:
        return np.int64(NO_ORDER)
    level = best_level(s, side_row(instrument, np.int64(1) + STOP_SIDES))
    if level >= 0 and s.levels[level].price_ticks <= last:
        return np.int64(s.levels[level].head)
    level = best_level(s, side_row(instrument, np.int64(2) + STOP_SIDES))
    if level >= 0 and s.levels[level].price_ticks >= last:
        return np.int64(s.levels[level].head)
    return np.int64(NO_ORDER)


@kernel
def _elect(s, command, order):  # type: ignore[no-untyped-def]
    """Let one stop order become what it is meant to be, and trade."""
    record = s.orders[order]
    instrument = np.int64(record.instrument)
    side = np.int64(record.side)
    special = s.specials[special_row(s, order)]
    is_limit = special.ord_type == TYPE_STOP_LIMIT
    leaves = np.int64(record.shown_lots)
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
    leave_stop_side(s, order)
    if special.display_lots == 0:
        drop_special(s, order)
    t = taker_of_order(s, order, leaves)
    t.price_ticks = record.price_ticks
    if is_limit:
        t.limit_key = ladder_key(2 - side, np.int64(record.price_ticks))
    else:
        t.limit_key = market_limit_key(s, instrument, side)
    if s.markets[instrument].band_mode != 0:
        limit_to_bands(s, command)
    trade(s, command)
    record.cum_lots = t.cum_lots
    reason = np.int64(REASON_NONE)
    if t.leaves_lots != 0:
        is_breach = breached(s)
        if is_breach and not (halts(s, instrument) and is_limit):
            reason = np.int64(REASON_PRICE_OUT_OF_BAND)
        elif not is_limit:
            is_empty = best_level(s, side_row(instrument, 3 - side)) < 0
            reason = np.int64(REASON_NO_LIQUIDITY if is_empty else REASON_PRICE_PROTECTION)
        elif not has_level_room(s):
            reason = np.int64(REASON_NO_ROOM)
        else:
            stand(s, command, order, np.int64(t.leaves_lots))
        if reason != REASON_NONE:
            expire_taker(s, command, reason, np.int64(OUTFLAG_UNSOLICITED))
            forget_order(s, order)
        if is_breach and halts(s, instrument):
            halt_by_band(s, command, instrument)
    else:
        forget_order(s, order)
    return 0


@kernel
def run_elections(s, command, instrument):  # type: ignore[no-untyped-def]
    """Move trailing stops and elect stop orders until the last trade price has no more to say, or trading halts."""
    market = s.markets[instrument]
    while market.state <= STATE_CONTINUOUS:
        last = np.int64(market.last_ticks)
        if last != market.trailed_ticks:
            market.trailed_ticks = last
            _trail_side(s, np.int64(market.trail_head_buy) - 1, np.int64(1), last)
            _trail_side(s, np.int64(market.trail_head_sell) - 1, np.int64(0), last)
        order = elected_order(s, instrument)
        if order < 0:
            return 0
        _elect(s, command, order)
    return 0
