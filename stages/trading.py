"""How an order trades: "Trading", "what it may trade" and self-trade prevention of docs/matching-rules.md.

The order that trades is described by the one row of ``taker``, whether it is new, replaced or an elected stop order.
:func:`trade` and what follows it are the only code that makes fills.
"""

from __future__ import annotations

import numpy as np

from protocols.codes import (
    OUT_CANCELLED,
    OUT_REPLACED,
    OUTFLAG_UNSOLICITED,
    REASON_SELF_TRADE,
    STP_BOTH,
    STP_DECREMENT,
    STP_NEWEST,
    STP_OLDEST,
)
from ringbuffer.kernel import inlined, kernel
from stages.book import best_level, dequeue, worse_level
from stages.book_feed import is_any_on, lose_lots, tell_added, tell_executed, tell_leaving
from stages.emit import emit_maker_fill, emit_order, emit_taker, emit_taker_fill
from stages.ladder import LEAST_KEY, ladder_key, side_row
from stages.orders import forget_order, leaves_of, refill, special_row
from stages.state import MARK_SPECIAL, MARK_STP_SHIFT, SAFE_ORDERS
from stages.state_words import MW_OPEN, MW_TRADE_INDEX

MAX_PRICE = 2**63 - 1


@inlined
def self_trade_mode(marks):  # type: ignore[no-untyped-def]
    """Return the self-trade mode in the marks of an order."""
    return (np.int64(marks) >> MARK_STP_SHIFT) & 7


@inlined
def market_limit_key(s, instrument, side):  # type: ignore[no-untyped-def]
    """Return the limit key of a market order: any price, or the protection points from the best price."""
    points = np.int64(s.markets[instrument].protection_ticks)
    level = best_level(s, side_row(instrument, 3 - side))
    if points == 0 or level < 0:
        return LEAST_KEY
    best = np.int64(s.levels[level].price_ticks)
    if side == 1:
        return ladder_key(np.int64(1), min(best, np.int64(MAX_PRICE) - points) + points)
    return ladder_key(np.int64(0), best - points)


@inlined
def settle_maker(s, command, maker, price, qty, trade_index, is_told):  # type: ignore[no-untyped-def]
    """Do to a maker what a trade does; return whether its level is gone. ``is_told``: there may be market data."""
    record = s.orders[maker]
    queue = s.levels[np.int64(record.level)]
    record.shown_lots -= qty
    record.cum_lots += qty
    queue.qty_lots -= qty
    emit_maker_fill(s, command, maker, price, qty, trade_index)
    if is_told:
        tell_executed(s, command, maker, price, qty, trade_index)
    if record.shown_lots != 0:
        return False
    if record.marks & MARK_SPECIAL != 0 and refill(s, maker):
        if is_told:
            tell_added(s, command, maker)
        return False
    is_last = queue.order_count == 1
    dequeue(s, maker)
    forget_order(s, maker)
    return is_last


@kernel
def _end_taker(s, command, qty):  # type: ignore[no-untyped-def]
    emit_taker(
        s,
        command,
        np.int64(OUT_CANCELLED),
        np.int64(REASON_SELF_TRADE),
        np.int64(OUTFLAG_UNSOLICITED),
        qty,
        np.int64(0),
    )
    return 0


@kernel
def _end_maker(s, command, maker, qty):  # type: ignore[no-untyped-def]
    emit_order(
        s,
        command,
        maker,
        np.int64(OUT_CANCELLED),
        np.int64(REASON_SELF_TRADE),
        np.int64(OUTFLAG_UNSOLICITED),
        qty,
        np.int64(0),
    )
    tell_leaving(s, command, maker, False)
    dequeue(s, maker)
    forget_order(s, maker)
    return 0


@kernel
def prevent_self_trade(s, command, maker):  # type: ignore[no-untyped-def]
    """Do what the taker's mode says instead of a trade; ``taker.leaves_lots`` is 0 after it if the taker ended."""
    t = s.taker[0]
    mode = self_trade_mode(t.marks)
    wanted = np.int64(t.leaves_lots)
    open_lots = leaves_of(s, maker)
    if mode == STP_NEWEST or mode == STP_BOTH:
        t.leaves_lots = 0
        _end_taker(s, command, wanted)
        if mode == STP_BOTH:
            _end_maker(s, command, maker, open_lots)
    elif mode == STP_OLDEST:
        _end_maker(s, command, maker, open_lots)
    else:
        less = min(wanted, open_lots)
        t.leaves_lots = wanted - less
        if wanted == less:
            _end_taker(s, command, wanted)
        else:
            emit_taker(
                s,
                command,
                np.int64(OUT_REPLACED),
                np.int64(REASON_SELF_TRADE),
                np.int64(OUTFLAG_UNSOLICITED),
                np.int64(t.cum_lots) + wanted - less,
                wanted - less,
            )
        if open_lots == less:
            _end_maker(s, command, maker, open_lots)
        else:
            emit_order(
                s,
                command,
                maker,
                np.int64(OUT_REPLACED),
                np.int64(REASON_SELF_TRADE),
                np.int64(OUTFLAG_UNSOLICITED),
                np.int64(s.orders[maker].cum_lots) + open_lots - less,
                open_lots - less,
            )
            lose_lots(s, command, maker, less)
    return 0


@inlined
def trade_up_to_limit(s, command, is_told):  # type: ignore[no-untyped-def]
    """Let the taker trade; ``is_told`` is a constant of the caller: without market data nothing looks for them."""
    t = s.taker[0]
    side = np.int64(t.side)
    instrument = np.int64(t.instrument)
    limit_key = np.int64(t.limit_key)
    group = np.int64(t.group)
    leaves = np.int64(t.leaves_lots)
    cum = np.int64(t.cum_lots)
    trade_index = s.words[MW_TRADE_INDEX]
    row = side_row(instrument, 3 - side)
    while leaves > 0:
        level = best_level(s, row)
        if level < 0:
            break
        price = np.int64(s.levels[level].price_ticks)
        if ladder_key(2 - side, price) < limit_key:
            break
        is_gone = False
        while leaves > 0 and not is_gone:
            maker = np.int64(s.levels[level].head)
            record = s.orders[maker]
            if group != 0 and record.group == group:
                is_gone = s.levels[level].order_count == 1
                t.leaves_lots = leaves
                t.cum_lots = cum
                open_before = s.words[MW_OPEN]
                prevent_self_trade(s, command, maker)
                leaves = np.int64(t.leaves_lots)
                is_gone = is_gone and s.words[MW_OPEN] != open_before
                continue
            qty = min(leaves, np.int64(record.shown_lots))
            leaves -= qty
            cum += qty
            trade_index += 1
            emit_taker_fill(s, command, t, price, qty, leaves, cum, trade_index)
            is_gone = settle_maker(s, command, maker, price, qty, trade_index, is_told)
            s.markets[instrument].last_ticks = price
    t.leaves_lots = leaves
    t.cum_lots = cum
    s.words[MW_TRADE_INDEX] = trade_index
    return 0


@kernel
def _trade_and_tell(s, command):  # type: ignore[no-untyped-def]
    return trade_up_to_limit(s, command, True)


@kernel
def trade(s, command):  # type: ignore[no-untyped-def]
    """Let the taker trade with the opposite side up to its limit; its leaves and cum are those after it."""
    if is_any_on(s):
        return _trade_and_tell(s, command)
    return trade_up_to_limit(s, command, False)


@kernel
def trade_directed(s, command, target):  # type: ignore[no-untyped-def]
    """Let the taker trade with one named resting order only, at the taker's price."""
    t = s.taker[0]
    price = np.int64(t.price_ticks)
    qty = min(np.int64(t.leaves_lots), np.int64(s.orders[target].shown_lots))
    t.leaves_lots -= qty
    t.cum_lots += qty
    trade_index = s.words[MW_TRADE_INDEX] + 1
    s.words[MW_TRADE_INDEX] = trade_index
    emit_taker_fill(
        s,
        command,
        t,
        price,
        qty,
        np.int64(t.leaves_lots),
        np.int64(t.cum_lots),
        trade_index,
    )
    settle_maker(s, command, target, price, qty, trade_index, True)
    s.markets[np.int64(t.instrument)].last_ticks = price
    return 0


@kernel
def _walk_level(s, level, group, mode, left):  # type: ignore[no-untyped-def]
    """Walk one level's orders; return (lots that would trade, lots that are still wanted, whether the walk ends)."""
    traded = np.int64(0)
    hidden = np.int64(0)
    order = np.int64(s.levels[level].head)
    while order >= 0 and left > 0:
        record = s.orders[order]
        if group != 0 and record.group == group:
            if mode == STP_NEWEST or mode == STP_BOTH:
                return traded, np.int64(0), True
            if mode == STP_DECREMENT:
                left -= min(left, leaves_of(s, order))
        else:
            shown = min(left, np.int64(record.shown_lots))
            traded += shown
            left -= shown
            if record.marks & MARK_SPECIAL != 0:
                more = np.int64(s.specials[special_row(s, order)].hidden_lots)
                hidden += min(more, np.int64(MAX_PRICE) - hidden)
        order = np.int64(record.next)
    more = min(left, hidden)
    return traded + more, left - more, False


@kernel
def tradable(s, wanted):  # type: ignore[no-untyped-def]
    """Return how many of ``wanted`` lots the taker may trade up to its limit."""
    t = s.taker[0]
    side = np.int64(t.side)
    group = np.int64(t.group)
    mode = self_trade_mode(t.marks)
    limit_key = np.int64(t.limit_key)
    is_plain = group == 0 and s.markets[np.int64(t.instrument)].icebergs == 0
    level = best_level(s, side_row(np.int64(t.instrument), 3 - side))
    left = np.int64(wanted)
    traded = np.int64(0)
    while level >= 0 and left > 0:
        queue = s.levels[level]
        if ladder_key(2 - side, np.int64(queue.price_ticks)) < limit_key:
            break
        if is_plain and queue.order_count <= SAFE_ORDERS:
            some = min(left, np.int64(queue.qty_lots))
            traded += some
            left -= some
        else:
            some, left, is_over = _walk_level(s, level, group, mode, left)
            traded += some
            if is_over:
                break
        level = worse_level(s, level)
    return traded
