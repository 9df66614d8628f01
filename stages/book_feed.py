"""What matching tells everybody about its books: each change of a side that shows, in order (docs/market-data.md).

One BOOK outcome for each change: what happened to which order, what its level and the best of its side show after it.
Hooks stand where orders come, trade, lose lots and leave; where an instrument has no market data they cost one look at
a word that is always in the cache. A hook for an order that leaves is called *before* it is taken out of its queue,
and tells the state after it; one for an order that comes is called when it stands. Who calls need not know in
which side an order stands: those that do not show (stop orders, orders that wait) tell nothing.

Written and read by the matching stage alone. Invariants: the sequence numbers of an instrument (``feed_seq`` of its
market row) have no gap while its feed is on; no BOOK outcome answers a command or counts among the reasons.
"""

from __future__ import annotations

import numpy as np

from protocols.codes import (
    BOOK_ADD,
    BOOK_DELETE,
    BOOK_EXECUTE,
    BOOK_REDUCE,
    BOOK_REPLACE,
    BOOKFLAG_HIDDEN,
    BOOKFLAG_SNAPSHOT,
    BOOKFLAG_TOP,
    OUT_ACCEPTED,
    OUT_BOOK,
    OUTFLAG_ANSWER,
)
from ringbuffer.kernel import inlined, kernel
from stages.book import best_level, worse_level
from stages.emit import emit_public, next_feed_seq
from stages.ladder import side_row
from stages.orders import remove_order, take_lots
from stages.state import MARKET_FEED, SIDES_PER_INSTRUMENT
from stages.state_words import MW_FEEDS, MW_TRADE_INDEX

SHOWN_SIDES = 2  # the first sides of an instrument: buys and sells

__all__ = [
    "is_any_on",
    "leave_book",
    "lose_lots",
    "set_feed",
    "tell_added",
    "tell_book",
    "tell_executed",
    "tell_leaving",
    "tell_uncrossed",
]


@inlined
def is_any_on(s):  # type: ignore[no-untyped-def]
    """Tell whether any instrument has market data: all that a hook costs where none has."""
    return s.words[MW_FEEDS] != 0


@kernel
def set_feed(s, instrument, is_on):  # type: ignore[no-untyped-def]
    """Turn the feed of an instrument on or off.

    What happened while it was off is missing from it: a number is left out, so that whoever followed it sees a gap.
    """
    market = s.markets[instrument]
    marks = np.int64(market.marks)
    if is_on != 0 and marks & MARKET_FEED == 0:
        market.marks = marks | MARKET_FEED
        s.words[MW_FEEDS] += 1
        row = side_row(instrument, np.int64(1))
        if market.feed_seq != 0 or best_level(s, row) >= 0 or best_level(s, row + 1) >= 0:
            market.feed_seq += 1
    elif is_on == 0 and marks & MARKET_FEED != 0:
        market.marks = marks & ~MARKET_FEED
        s.words[MW_FEEDS] -= 1
    return 0


@kernel
def tell_change(s, command, order, action, flags, qty, leaves, trade_price, trade_index, is_leaving):  # type: ignore[no-untyped-def]
    """Append a change of a level: as it stands, or as it will when ``order`` has left it."""
    record = s.orders[order]
    instrument = np.int64(record.instrument)
    if np.int64(s.markets[instrument].marks) & MARKET_FEED == 0:
        return 0
    level = np.int64(record.level)
    queue = s.levels[level]
    row = np.int64(s.blocks[np.int64(queue.block)].side_row)
    if row & (SIDES_PER_INSTRUMENT - 1) >= SHOWN_SIDES:
        return 0
    lots = np.int64(queue.qty_lots)
    count = np.int64(queue.order_count)
    best = best_level(s, row)
    if best == level and flags & BOOKFLAG_HIDDEN == 0:
        flags |= BOOKFLAG_TOP
    if is_leaving != 0:
        lots -= np.int64(record.shown_lots)
        count -= 1
        if count == 0 and best == level:
            best = worse_level(s, level)
    best_price = np.int64(0)
    best_lots = np.int64(0)
    if best == level:
        best_price = np.int64(queue.price_ticks)
        best_lots = lots
    elif best >= 0:
        best_price = np.int64(s.levels[best].price_ticks)
        best_lots = np.int64(s.levels[best].qty_lots)
    emit_public(
        s, command, np.int64(OUT_BOOK), action, flags, np.int64(0), count, instrument, np.int64(record.side),
        np.int64(record.order_id), np.int64(queue.price_ticks), qty, leaves, lots, trade_index,
        best_price, best_lots, next_feed_seq(s, instrument), trade_price,
    )  # fmt: skip
    return 0


@kernel
def _tell_added(s, command, order):  # type: ignore[no-untyped-def]
    shown = np.int64(s.orders[order].shown_lots)
    zero = np.int64(0)
    return tell_change(s, command, order, np.int64(BOOK_ADD), zero, shown, shown, zero, zero, zero)


@inlined
def tell_added(s, command, order):  # type: ignore[no-untyped-def]
    """Tell that an order came to the end of the level where it stands now."""
    if is_any_on(s):
        _tell_added(s, command, order)


@kernel
def _tell_executed(s, command, order, price, qty, trade_index):  # type: ignore[no-untyped-def]
    leaves = np.int64(s.orders[order].shown_lots)
    return tell_change(
        s, command, order, np.int64(BOOK_EXECUTE), np.int64(0), qty, leaves, price, trade_index,
        np.int64(leaves == 0),
    )  # fmt: skip


@inlined
def tell_executed(s, command, order, price, qty, trade_index):  # type: ignore[no-untyped-def]
    """Tell that an order traded; it still stands in its queue, its lots are those after the trade."""
    if is_any_on(s):
        _tell_executed(s, command, order, np.int64(price), np.int64(qty), np.int64(trade_index))


@kernel
def _tell_uncrossed(s, command, order, price, qty, shown):  # type: ignore[no-untyped-def]
    record = s.orders[order]
    less = shown - np.int64(record.shown_lots)
    if less != qty:
        # as the level is before the shown lots of the same trade go
        queue = s.levels[np.int64(record.level)]
        record.shown_lots += less
        queue.qty_lots += less
        tell_change(
            s, command, order, np.int64(BOOK_EXECUTE), np.int64(BOOKFLAG_HIDDEN), qty - less, shown, price,
            s.words[MW_TRADE_INDEX], np.int64(0),
        )  # fmt: skip
        record.shown_lots -= less
        queue.qty_lots -= less
    if less != 0:
        _tell_executed(s, command, order, price, less, s.words[MW_TRADE_INDEX])
    return 0


@inlined
def tell_uncrossed(s, command, order, price, qty, shown):  # type: ignore[no-untyped-def]
    """Tell that an order, which showed ``shown`` lots, traded in an auction: what was hidden first."""
    if is_any_on(s):
        _tell_uncrossed(s, command, order, np.int64(price), np.int64(qty), np.int64(shown))


@kernel
def _tell_leaving(s, command, order, action):  # type: ignore[no-untyped-def]
    shown = np.int64(s.orders[order].shown_lots)
    zero = np.int64(0)
    return tell_change(s, command, order, action, zero, shown, zero, zero, zero, np.int64(1))


@inlined
def tell_leaving(s, command, order, is_replaced):  # type: ignore[no-untyped-def]
    """Tell that an order is about to leave the book, other than by trading all it showed."""
    if is_any_on(s):
        _tell_leaving(s, command, order, np.int64(BOOK_REPLACE if is_replaced else BOOK_DELETE))


@inlined
def leave_book(s, command, order):  # type: ignore[no-untyped-def]
    """Take an order out of the book, wherever it stands, free its rows, and tell it."""
    tell_leaving(s, command, order, False)
    remove_order(s, order)


@kernel
def _tell_reduced(s, command, order, shown):  # type: ignore[no-untyped-def]
    leaves = np.int64(s.orders[order].shown_lots)
    zero = np.int64(0)
    if leaves == shown:
        return 0
    return tell_change(
        s, command, order, np.int64(BOOK_REDUCE), zero, shown - leaves, leaves, zero, zero, zero
    )


@inlined
def lose_lots(s, command, order, qty_lots):  # type: ignore[no-untyped-def]
    """Take lots off an order that keeps its place, hidden ones first, and tell it if it shows less."""
    shown = np.int64(s.orders[order].shown_lots)
    take_lots(s, order, qty_lots)
    if is_any_on(s):
        _tell_reduced(s, command, order, shown)


@kernel
def _count_orders(s, row):  # type: ignore[no-untyped-def]
    count = np.int64(0)
    level = best_level(s, row)
    while level >= 0:
        count += np.int64(s.levels[level].order_count)
        level = worse_level(s, level)
    return count


@kernel
def _tell_side(s, command, row, seq):  # type: ignore[no-untyped-def]
    best = best_level(s, row)
    level = best
    while level >= 0:
        queue = s.levels[level]
        order = np.int64(queue.head)
        while order >= 0:
            record = s.orders[order]
            shown = np.int64(record.shown_lots)
            emit_public(
                s, command, np.int64(OUT_BOOK), np.int64(BOOK_ADD), np.int64(BOOKFLAG_SNAPSHOT),
                np.int64(command.session), np.int64(queue.order_count), np.int64(record.instrument),
                np.int64(record.side), np.int64(record.order_id), np.int64(queue.price_ticks), shown, shown,
                np.int64(queue.qty_lots), np.int64(0), np.int64(s.levels[best].price_ticks),
                np.int64(s.levels[best].qty_lots), seq, np.int64(0),
            )  # fmt: skip
            order = np.int64(record.next)
        level = worse_level(s, level)
    return 0


@kernel
def tell_book(s, command):  # type: ignore[no-untyped-def]
    """Answer a BOOK_REQUEST: how many orders show, the number of the last change, how the market stands; then them."""
    instrument = np.int64(command.instrument)
    market = s.markets[instrument]
    seq = np.int64(market.feed_seq)
    buys = side_row(instrument, np.int64(1))
    zero = np.int64(0)
    emit_public(
        s, command, np.int64(OUT_ACCEPTED), zero, np.int64(OUTFLAG_ANSWER), np.int64(command.session), zero, instrument,
        zero, zero, np.int64(market.last_ticks), np.int64(_count_orders(s, buys) + _count_orders(s, buys + 1)),
        np.int64(market.state), np.int64(np.int64(market.marks) & MARKET_FEED != 0), zero,
        np.int64(command.cl0), np.int64(command.cl1), seq, zero,
    )  # fmt: skip
    for row in range(buys, buys + SHOWN_SIDES):
        _tell_side(s, command, np.int64(row), seq)
    return 0
