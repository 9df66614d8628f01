"""Price-time priority books: levels sorted in ladders, orders in FIFO chains.

A ladder is a sorted array of keys per instrument and side with the best price *last*, so that the book's
busy end moves without shifting the rest: the key of a bid is its price, of an ask its negated price. Ladders
live in chunks of 8, 16, 32, … entries of one arena; a side moves to a larger chunk when its own is full and
to a smaller one when no more than a quarter is used (hence the arena never runs out, see
:func:`stages.state.ladder_classes`). Any int64 price is as good as any other.

Only the matching stage calls these functions. They assume that the caller checked for room.
"""

from __future__ import annotations

import numpy as np

from ringbuffer.kernel import inlined, kernel
from stages.hashing import map_insert, map_remove
from stages.state_words import (
    MW_LEVEL_FREE,
    MW_LEVELS,
    MW_LEVELS_USED,
    MW_OPEN,
    MW_ORDER_FREE,
    MW_ORDERS_USED,
)


@inlined
def side_row(instrument, side):  # type: ignore[no-untyped-def]
    """Return the row of ``sides`` for an instrument id and a side code."""
    return np.int64(instrument) * 2 + np.int64(side) - 1


@inlined
def ladder_key(side, price_ticks):  # type: ignore[no-untyped-def]
    """Return the sort key of a price: larger is better."""
    return np.int64(price_ticks) if side == 1 else -np.int64(price_ticks)


@inlined
def ladder_position(ladder_keys, start, count, key):  # type: ignore[no-untyped-def]
    """Return how many keys of a ladder are smaller than ``key``: where it stands or belongs."""
    position = np.int64(count)
    probes = 0
    while position > 0 and ladder_keys[start + position - 1] >= key:
        position -= 1
        probes += 1
        if probes == 12:
            low = np.int64(0)
            high = position
            while low < high:
                middle = (low + high) >> 1
                if ladder_keys[start + middle] < key:
                    low = middle + 1
                else:
                    high = middle
            return low
    return position


@kernel
def move_ladder(s, row, new_class):  # type: ignore[no-untyped-def]
    """Move a side's ladder to a chunk of another class (-1: it has none yet)."""
    side = s.sides[row]
    words = s.ladder_words
    capacity = words[new_class, 3]
    if words[new_class, 2] != 0:
        new_start = words[new_class, 2] - 1
        words[new_class, 2] = s.ladder_keys[new_start]
    else:
        new_start = words[new_class, 0] + words[new_class, 1] * capacity
        words[new_class, 1] += 1
    old_class = np.int64(side.size_class)
    if old_class >= 0:
        old_start = np.int64(side.start)
        for offset in range(np.int64(side.count)):
            s.ladder_keys[new_start + offset] = s.ladder_keys[old_start + offset]
            s.ladder_levels[new_start + offset] = s.ladder_levels[old_start + offset]
        s.ladder_keys[old_start] = words[old_class, 2]
        words[old_class, 2] = old_start + 1
    side.start = new_start
    side.size_class = new_class
    return 0


@kernel
def add_level(s, row, key, price_ticks):  # type: ignore[no-untyped-def]
    """Insert an empty level and return its row; the price must not have one, and a level must be free."""
    side = s.sides[row]
    count = np.int64(side.count)
    if side.size_class < 0 or count == s.ladder_words[np.int64(side.size_class), 3]:
        move_ladder(s, row, np.int64(side.size_class) + 1)
    start = np.int64(side.start)
    position = ladder_position(s.ladder_keys, start, count, key)
    free = s.words[MW_LEVEL_FREE]
    if free != 0:
        level = free - 1
        s.words[MW_LEVEL_FREE] = s.levels[level].head
    else:
        level = s.words[MW_LEVELS_USED]
        s.words[MW_LEVELS_USED] = level + 1
    offset = count
    while offset > position:
        s.ladder_keys[start + offset] = s.ladder_keys[start + offset - 1]
        s.ladder_levels[start + offset] = s.ladder_levels[start + offset - 1]
        offset -= 1
    s.ladder_keys[start + position] = key
    s.ladder_levels[start + position] = level
    side.count = count + 1
    record = s.levels[level]
    record.price_ticks = price_ticks
    record.qty_lots = 0
    record.head = -1
    record.tail = -1
    record.side_row = row
    record.order_count = 0
    s.words[MW_LEVELS] += 1
    return level


@kernel
def drop_level(s, row, level):  # type: ignore[no-untyped-def]
    """Remove an empty level from its ladder."""
    side = s.sides[row]
    start = np.int64(side.start)
    count = np.int64(side.count)
    price = np.int64(s.levels[level].price_ticks)
    key = price if (row & 1) == 0 else -price
    position = ladder_position(s.ladder_keys, start, count, key)
    offset = position
    while offset < count - 1:
        s.ladder_keys[start + offset] = s.ladder_keys[start + offset + 1]
        s.ladder_levels[start + offset] = s.ladder_levels[start + offset + 1]
        offset += 1
    side.count = count - 1
    s.levels[level].head = s.words[MW_LEVEL_FREE]
    s.words[MW_LEVEL_FREE] = level + 1
    s.words[MW_LEVELS] -= 1
    size_class = np.int64(side.size_class)
    if size_class > 0 and (count - 1) * 4 <= s.ladder_words[size_class, 3]:
        move_ladder(s, row, size_class - 1)
    return 0


@inlined
def best_level(s, row):  # type: ignore[no-untyped-def]
    """Return the best level of a side, -1 if it is empty."""
    side = s.sides[row]
    count = np.int64(side.count)
    if count == 0:
        return np.int64(-1)
    return np.int64(s.ladder_levels[np.int64(side.start) + count - 1])


@inlined
def enqueue(s, order, row):  # type: ignore[no-untyped-def]
    """Put an order row at the end of the level of its price, making the level if there is none."""
    record = s.orders[order]
    price = np.int64(record.price_ticks)
    key = ladder_key(record.side, price)
    side = s.sides[row]
    start = np.int64(side.start)
    count = np.int64(side.count)
    position = ladder_position(s.ladder_keys, start, count, key)
    if position < count and s.ladder_keys[start + position] == key:
        level = np.int64(s.ladder_levels[start + position])
    else:
        level = np.int64(add_level(s, row, key, price))
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
        drop_level(s, np.int64(queue.side_row), level)


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
    map_insert(s.order_map, np.int64(s.orders[order].order_id), order)


@inlined
def forget_order(s, order):  # type: ignore[no-untyped-def]
    """Free an order row that is in no level any more."""
    record = s.orders[order]
    map_remove(s.order_map, s.order_keys, np.int64(record.order_id))
    record.next = s.words[MW_ORDER_FREE]
    s.words[MW_ORDER_FREE] = order + 1
    s.words[MW_OPEN] -= 1
