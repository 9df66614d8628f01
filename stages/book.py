"""Price-time priority books: levels in price order, orders of a level in FIFO chains.

A level is a row that orders, sides and ladders name; :mod:`stages.ladder` keeps the levels of a side in order.
Only the matching stage calls these functions. They assume that the caller checked for room.
"""

from __future__ import annotations

import numpy as np

from ringbuffer.kernel import inlined, kernel
from stages.hashing import id_insert, id_remove
from stages.ladder import find_leaf, insert_key, keys_below, ladder_key, remove_key, worse_place
from stages.state import BLOCK_KEYS
from stages.state_words import (
    MW_LEVEL_FREE,
    MW_LEVELS,
    MW_LEVELS_USED,
    MW_OPEN,
    MW_ORDER_FREE,
    MW_ORDERS_USED,
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
    queue.qty_lots += record.leaves_lots
    queue.order_count += 1


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
    queue.qty_lots -= record.leaves_lots
    queue.order_count -= 1
    if after < 0 and before < 0:
        drop_level(s, level)


@inlined
def take_order_row(s):  # type: ignore[no-untyped-def]
    """Return a free order row; the caller checked that there is one."""
    free = s.words[MW_ORDER_FREE]
    if free != 0:
        s.words[MW_ORDER_FREE] = s.orders[free - 1].next
        row = free - 1
    else:
        row = s.words[MW_ORDERS_USED]
        s.words[MW_ORDERS_USED] = row + 1
    s.words[MW_OPEN] += 1
    return row


@inlined
def register_order(s, order):  # type: ignore[no-untyped-def]
    """Make an order row findable by its id."""
    id_insert(s.order_map, np.int64(s.orders[order].order_id), order)


@inlined
def forget_order(s, order):  # type: ignore[no-untyped-def]
    """Free an order row that is in no level any more."""
    record = s.orders[order]
    id_remove(s.order_map, np.int64(record.order_id), order)
    record.next = s.words[MW_ORDER_FREE]
    s.words[MW_ORDER_FREE] = order + 1
    s.words[MW_OPEN] -= 1
