"""Price-time priority books: levels in price order, orders of a level in FIFO chains.

A level is a row that orders, sides and ladders name; :mod:`stages.ladder` keeps the levels of a side in order.
Only the matching stage calls these functions. They assume that the caller checked for room.
"""

from __future__ import annotations

import numpy as np

from protocols.codes import STATE_CLOSING_AUCTION, STATE_OPENING_AUCTION
from ringbuffer.kernel import inlined, kernel
from stages.ladder import find_leaf, insert_key, keys_below, ladder_key, remove_key, worse_place
from stages.state import BLOCK_KEYS, MARK_STOP, MARK_WAITING, MARKET_TOUCHED, SPARE_LEVELS
from stages.state_words import (
    MW_AUCTIONS,
    MW_LEVEL_FREE,
    MW_LEVELS,
    MW_LEVELS_USED,
    MW_TOUCHED_HEAD,
    MW_TOUCHED_TAIL,
)


@inlined
def best_level(s, row):  # type: ignore[no-untyped-def]
    """Return the best level of a side, -1 if it is empty."""
    return np.int64(s.sides[row].best)


@inlined
def level_at(s, place):  # type: ignore[no-untyped-def]
    """Return the level at a place of a walk (:func:`stages.ladder.best_place`)."""
    return np.int64(s.block_rows[place // BLOCK_KEYS, place & (BLOCK_KEYS - 1)])


@inlined
def worse_level(s, level):  # type: ignore[no-untyped-def]
    """Return the next worse level of the same side, -1 behind the worst; a walk by places is faster."""
    block = np.int64(s.levels[level].block)
    key = ladder_key(s.blocks[block].side_row, s.levels[level].price_ticks)
    place = worse_place(s, block * BLOCK_KEYS + keys_below(s, block, key))
    return level_at(s, place) if place >= 0 else np.int64(-1)


@inlined
def find_level(s, row, price_ticks):  # type: ignore[no-untyped-def]
    """Return the level of a price on a side, -1 if there is none."""
    key = ladder_key(row, price_ticks)
    leaf = find_leaf(s, row, key)
    if leaf >= 0:
        place = keys_below(s, leaf, key)
        if place < s.blocks[leaf].count and s.block_keys[leaf, place] == key:
            return np.int64(s.block_rows[leaf, place])
    return np.int64(-1)


@kernel
def make_level(s, row, leaf, place, key, price_ticks):  # type: ignore[no-untyped-def]
    """Take a free level, put it into its ladder where the search ended, and return its row."""
    free = s.words[MW_LEVEL_FREE]
    if free != 0:
        level = free - 1
        s.words[MW_LEVEL_FREE] = s.levels[level].head
    else:
        level = s.words[MW_LEVELS_USED]
        s.words[MW_LEVELS_USED] = level + 1
    s.words[MW_LEVELS] += 1
    record = s.levels[level]
    record.price_ticks = price_ticks
    record.qty_lots = 0
    record.head = -1
    record.tail = -1
    record.order_count = 0
    insert_key(s, row, leaf, place, key, level)
    return level


@inlined
def add_level(s, row, price_ticks):  # type: ignore[no-untyped-def]
    """Return the level of a price, made and empty if there was none; the caller checked that one is free."""
    key = ladder_key(row, price_ticks)
    leaf = find_leaf(s, row, key)
    place = np.int64(0)
    if leaf >= 0:
        place = keys_below(s, leaf, key)
        if place < s.blocks[leaf].count and s.block_keys[leaf, place] == key:
            return np.int64(s.block_rows[leaf, place])
    return np.int64(make_level(s, row, leaf, place, key, np.int64(price_ticks)))


@kernel
def drop_level(s, level):  # type: ignore[no-untyped-def]
    """Remove an empty level from its ladder and free it."""
    record = s.levels[level]
    row = np.int64(s.blocks[np.int64(record.block)].side_row)
    remove_key(s, row, level, ladder_key(row, record.price_ticks))
    record.head = s.words[MW_LEVEL_FREE]
    s.words[MW_LEVEL_FREE] = level + 1
    s.words[MW_LEVELS] -= 1
    return 0


@kernel
def chain_touched(s, instrument):  # type: ignore[no-untyped-def]
    """Put an instrument that is in an auction into the chain of those that changed, which ascends."""
    market = s.markets[instrument]
    if (
        not (STATE_OPENING_AUCTION <= market.state <= STATE_CLOSING_AUCTION)
        or np.int64(market.marks) & MARKET_TOUCHED != 0
    ):
        return 0
    market.marks = np.int64(market.marks) | MARKET_TOUCHED
    market.touched_next = 0
    tail = s.words[MW_TOUCHED_TAIL]
    if tail < instrument:
        if tail == 0:
            s.words[MW_TOUCHED_HEAD] = instrument
        else:
            s.markets[tail].touched_next = instrument
        s.words[MW_TOUCHED_TAIL] = instrument
        return 0
    after = s.words[MW_TOUCHED_HEAD]
    before = np.int64(0)
    while after < instrument:
        before = after
        after = np.int64(s.markets[after].touched_next)
    market.touched_next = after
    if before == 0:
        s.words[MW_TOUCHED_HEAD] = instrument
    else:
        s.markets[before].touched_next = instrument
    return 0


@inlined
def touch(s, order):  # type: ignore[no-untyped-def]
    """Remember that an order came, went or changed, if its instrument may be in an auction."""
    if s.words[MW_AUCTIONS] != 0 and s.orders[order].marks & (MARK_STOP | MARK_WAITING) == 0:
        chain_touched(s, np.int64(s.orders[order].instrument))


@inlined
def enqueue(s, order, row):  # type: ignore[no-untyped-def]
    """Put an order row at the end of the level of its price, making the level if there is none."""
    record = s.orders[order]
    level = add_level(s, row, np.int64(record.price_ticks))
    queue = s.levels[level]
    tail = np.int64(queue.tail)
    record.level = level
    record.prev = tail
    record.next = -1
    if tail < 0:
        queue.head = order
    else:
        s.orders[tail].next = order
    queue.tail = order
    queue.qty_lots += record.shown_lots
    queue.order_count += 1
    touch(s, order)


@inlined
def dequeue(s, order):  # type: ignore[no-untyped-def]
    """Take an order row out of its level, and the level out of its ladder when it was the last."""
    record = s.orders[order]
    level = np.int64(record.level)
    queue = s.levels[level]
    after = np.int64(record.next)
    before = np.int64(record.prev)
    if before < 0:
        queue.head = after
    else:
        s.orders[before].next = after
    if after < 0:
        queue.tail = before
    else:
        s.orders[after].prev = before
    queue.qty_lots -= record.shown_lots
    queue.order_count -= 1
    touch(s, order)
    if after < 0 and before < 0:
        drop_level(s, level)


@inlined
def has_level_room(s):  # type: ignore[no-untyped-def]
    """Tell whether a command may make a level; trailing stops may go beyond, by one a special order at most."""
    return s.words[MW_LEVELS] < s.levels.shape[0] - s.specials.shape[0] - SPARE_LEVELS
