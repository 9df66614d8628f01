"""How orders come into ``taker`` and what becomes of what they leave: rest, or expire.

"What is left" of docs/matching-rules.md. A new order gets a row when it rests; a replaced or elected one keeps its own.
"""

from __future__ import annotations

import numpy as np

from protocols.codes import (
    FLAG_POST_ONLY,
    FLAG_POST_REPRICE,
    FLAG_STP_MASK,
    FLAG_STP_SHIFT,
    OUT_EXPIRED,
    SIDE_BUY,
    TIF_GTD,
    TYPE_MARKET,
)
from ringbuffer.kernel import inlined, kernel
from stages.book import best_level, enqueue
from stages.book_feed import tell_added
from stages.emit import emit_taker
from stages.ladder import WAITING_SIDES, ladder_key, side_row
from stages.orders import give_special, name_order, register_order, special_row, take_order_row
from stages.state import (
    MARK_POST_ONLY,
    MARK_POST_REPRICE,
    MARK_SPECIAL,
    MARK_STP_SHIFT,
    MARK_TIMED,
    MARK_WAITING,
    MAX_LIMIT_TICKS,
)
from stages.state_words import MW_TIMED
from stages.tick_tables import step_at
from stages.timers import add_timer

NO_PRICE = 0


@inlined
def taker_of_command(s, command):  # type: ignore[no-untyped-def]
    """Make a NEW the taker, but for its limit key; return it."""
    t = s.taker[0]
    t.order_id = command.seq
    t.price_ticks = command.price_ticks
    t.leaves_lots = command.qty_lots
    t.cum_lots = 0
    t.cl0 = command.cl0
    t.cl1 = command.cl1
    t.cl2 = command.cl2
    t.account = command.account
    t.instrument = command.instrument
    t.session = command.session
    t.side = command.side
    t.tif = command.tif
    t.display_lots = 0
    t.group = 0
    t.marks = 0
    return t


@inlined
def special_terms(t, command):  # type: ignore[no-untyped-def]
    """Take the rarer terms of a NEW, other than DIRECTED, into the taker."""
    flags = np.int64(command.flags)
    marks = ((flags >> FLAG_STP_SHIFT) & FLAG_STP_MASK) << MARK_STP_SHIFT
    if flags & FLAG_POST_ONLY != 0:
        marks |= MARK_POST_ONLY
    if flags & FLAG_POST_REPRICE != 0:
        marks |= MARK_POST_REPRICE
    t.marks = marks
    t.group = command.orig2
    t.display_lots = command.order_id


@inlined
def taker_of_order(s, order, leaves):  # type: ignore[no-untyped-def]
    """Make an order that has a row, and stands in no queue, the taker, but for its price and limit key."""
    record = s.orders[order]
    t = s.taker[0]
    t.order_id = record.order_id
    t.leaves_lots = leaves
    t.cum_lots = record.cum_lots
    t.cl0 = s.texts[order, 0]
    t.cl1 = s.texts[order, 1]
    t.cl2 = s.texts[order, 2]
    t.account = record.account
    t.instrument = record.instrument
    t.session = record.session
    t.side = record.side
    t.tif = record.tif
    t.group = record.group
    t.marks = record.marks
    return t


@inlined
def expire_taker(s, command, reason, flags):  # type: ignore[no-untyped-def]
    """End the taker with what it has left."""
    emit_taker(
        s,
        command,
        np.int64(OUT_EXPIRED),
        np.int64(reason),
        np.int64(flags),
        np.int64(s.taker[0].leaves_lots),
        np.int64(0),
    )


@inlined
def make_row(s, command):  # type: ignore[no-untyped-def]
    """Give the taker, a new order, its row, which stands in no queue yet; return it."""
    t = s.taker[0]
    order = take_order_row(s)
    record = s.orders[order]
    record.order_id = t.order_id
    record.price_ticks = t.price_ticks
    record.shown_lots = t.leaves_lots
    record.cum_lots = t.cum_lots
    record.account = t.account
    record.instrument = t.instrument
    record.session = t.session
    record.side = t.side
    record.tif = t.tif
    record.group = t.group
    record.marks = t.marks
    name_order(s, order, t)
    register_order(s, order)
    if t.tif == TIF_GTD and command.ord_type != TYPE_MARKET:
        record.marks |= MARK_TIMED
        s.words[MW_TIMED] += 1
        add_timer(s, np.int64(command.aux1), np.int64(t.order_id))
    return order


@inlined
def enter_level(s, order, leaves):  # type: ignore[no-untyped-def]
    """Put an order with a row at the end of the level of its price; an iceberg shows a part."""
    record = s.orders[order]
    shown = np.int64(leaves)
    if record.marks & MARK_SPECIAL != 0:
        special = s.specials[special_row(s, order)]
        shown = min(shown, np.int64(special.display_lots))
        special.hidden_lots = leaves - shown
    record.shown_lots = shown
    enqueue(s, order, side_row(record.instrument, record.side))


@inlined
def stand(s, command, order, leaves):  # type: ignore[no-untyped-def]
    """Put an order with a row at the end of the level of its price, and tell it."""
    enter_level(s, order, leaves)
    tell_added(s, command, order)


@kernel
def rest_new(s, command):  # type: ignore[no-untyped-def]
    """Put what is left of a new order into the book; return its row, for the caller to tell it."""
    t = s.taker[0]
    order = make_row(s, command)
    if t.display_lots != 0:
        give_special(s, order, np.int64(t.display_lots))
    enter_level(s, order, np.int64(t.leaves_lots))
    return np.int64(order)


@kernel
def stand_where_due(s, command, order, leaves):  # type: ignore[no-untyped-def]
    """Put an order with a row at the end of its level, in the book or where it waits for the closing auction."""
    record = s.orders[order]
    if record.marks & MARK_WAITING == 0:
        stand(s, command, order, leaves)
    else:
        record.shown_lots = leaves  # no iceberg waits
        enqueue(s, order, side_row(record.instrument, np.int64(record.side) + WAITING_SIDES))
    return 0


@kernel
def post_price(s, instrument, side, price):  # type: ignore[no-untyped-def]
    """Return the price at which an order would not trade: its own or the nearest valid; NO_PRICE if there is none."""
    level = best_level(s, side_row(instrument, 3 - side))
    if level < 0:
        return np.int64(price)
    best = np.int64(s.levels[level].price_ticks)
    if ladder_key(2 - side, best) < ladder_key(2 - side, price):
        return np.int64(price)
    table = np.int64(s.markets[instrument].tick_table)
    if side == SIDE_BUY:
        short = best - 1  # 0 where the best is 1: no price
        return short - short % step_at(s.tick_rows, table, short) if table != 0 else short
    if best >= MAX_LIMIT_TICKS:
        return np.int64(NO_PRICE)
    short = best + 1
    if table != 0:
        step = step_at(s.tick_rows, table, short)
        over = short % step
        if over != 0:
            short = (
                short + step - over
                if short <= np.int64(MAX_LIMIT_TICKS) - step + over
                else np.int64(NO_PRICE)
            )
    return short
