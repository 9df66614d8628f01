"""What matching fetches into the cache before it is needed: the rows that the next commands will touch.

Decides nothing. A cache miss costs as much as a whole command, and the misses of one command depend on each
other (index, order, level, leaf); so each pass over the next commands asks for one more step of all of them,
and their misses overlap. Passes do not branch on what they find: row 0 stands in for "none". Books that the
cache holds anyway get the first two steps only.
"""

from __future__ import annotations

import numpy as np

from protocols.codes import KIND_CANCEL, KIND_NEW, KIND_REDUCE
from ringbuffer.kernel import inlined, kernel
from ringbuffer.native import prefetch, prefetch_line
from stages.hashing import id_home, id_probe
from stages.ladder import find_leaf, keys_below, ladder_key, side_row
from stages.state import BLOCK_KEYS
from stages.state_words import MW_LEVELS, MW_OPEN

__all__ = ["look_ahead"]

LARGE_ORDERS = 1 << 14  # open orders whose rows exceed half of a second-level cache
MANY_LEVELS = 1 << 15  # with fewer, searching a leaf twice costs more than the miss of its level
KEYS_A_LINE = 8
ROWS_A_LINE = 16
VERDICTS_A_LINE = 4


@inlined
def look_ahead(s, in_slots, verdicts, first, count):  # type: ignore[no-untyped-def]
    """Fetch what the ``count`` commands from sequence ``first`` will look up, and the commands behind them."""
    mask = np.int64(in_slots.shape[0] - 1)
    map_mask = np.int64(s.order_map.shape[0] - 1)
    for seq in range(first, first + count):
        prefetch(s.order_map, id_home(np.int64(verdicts[seq & mask].order_id), map_mask))
        prefetch_line(in_slots, (seq + count) & mask, 0)
        prefetch_line(in_slots, (seq + count) & mask, 1)
    for seq in range(first + count, first + 2 * count, VERDICTS_A_LINE):
        prefetch(verdicts, seq & mask)
    if s.words[MW_OPEN] >= LARGE_ORDERS:
        look_deep(s, in_slots, verdicts, first, count)
        return
    for seq in range(first, first + count):
        prefetch(s.order_map, id_home(seq, map_mask))  # where a new order goes
        found = s.order_map[id_home(np.int64(verdicts[seq & mask].order_id), map_mask)]
        prefetch(s.orders, max((found & 0xFFFFFFFF) - 1, np.int64(0)))


@inlined
def named_side(s, command):  # type: ignore[no-untyped-def]
    """Return the row of the side that a command names; some row if it names none: risk may have refused it."""
    row = side_row(command.instrument, command.side)
    return max(min(row, np.int64(s.sides.shape[0] - 1)), np.int64(0))


@inlined
def fetch_leaf(s, leaf):  # type: ignore[no-untyped-def]
    """Fetch a block of a ladder."""
    prefetch(s.blocks, leaf)
    for line in range(BLOCK_KEYS // KEYS_A_LINE):
        prefetch(s.flat_keys, leaf * BLOCK_KEYS + line * KEYS_A_LINE)
    for line in range(BLOCK_KEYS // ROWS_A_LINE):
        prefetch(s.flat_rows, leaf * BLOCK_KEYS + line * ROWS_A_LINE)


@inlined
def level_of_new(s, command):  # type: ignore[no-untyped-def]
    """Return the level where a new order belongs; some level if there is none."""
    side = named_side(s, command)
    key = ladder_key(side, command.price_ticks)
    leaf = max(find_leaf(s, side, key), np.int64(0))
    found = np.int64(s.block_rows[leaf, min(keys_below(s, leaf, key), np.int64(BLOCK_KEYS - 1))])
    return min(found, np.int64(s.levels.shape[0] - 1))  # of an empty side it is no level


@kernel
def look_deep(s, in_slots, verdicts, first, count):  # type: ignore[no-untyped-def]
    """Fetch orders and sides, then levels and neighbours, then leaves; of very many levels, those of new orders too."""
    mask = np.int64(in_slots.shape[0] - 1)
    map_mask = np.int64(s.order_map.shape[0] - 1)
    for seq in range(first, first + count):
        row = max(id_probe(s.order_map, np.int64(verdicts[seq & mask].order_id)), np.int64(0))
        prefetch(s.orders, row)
        prefetch(s.texts, row)
        prefetch(s.order_map, id_home(seq, map_mask))
        command = in_slots[seq & mask]
        if command.kind == KIND_NEW:
            prefetch(s.sides, named_side(s, command))
    for seq in range(first, first + count):
        row = max(id_probe(s.order_map, np.int64(verdicts[seq & mask].order_id)), np.int64(0))
        record = s.orders[row]
        prefetch(s.levels, np.int64(record.level))
        prefetch(s.orders, max(np.int64(record.next), np.int64(0)))
        prefetch(s.orders, max(np.int64(record.prev), np.int64(0)))
        command = in_slots[seq & mask]
        if command.kind == KIND_NEW:
            side = named_side(s, command)
            prefetch(s.flat_keys, max(np.int64(s.sides[side].top), np.int64(0)) * BLOCK_KEYS)
    for seq in range(first, first + count):
        command = in_slots[seq & mask]
        kind = np.int64(command.kind)
        if kind == KIND_CANCEL or kind == KIND_REDUCE:
            row = max(id_probe(s.order_map, np.int64(verdicts[seq & mask].order_id)), np.int64(0))
            level = s.levels[np.int64(s.orders[row].level)]
            if level.order_count == 1:
                fetch_leaf(s, np.int64(level.block))
        elif command.side != 0:
            side = named_side(s, command)
            leaf = find_leaf(s, side, ladder_key(side, command.price_ticks))
            fetch_leaf(s, max(leaf, np.int64(0)))
    if s.words[MW_LEVELS] >= MANY_LEVELS:
        for seq in range(first, first + count):
            command = in_slots[seq & mask]
            if command.kind == KIND_NEW:
                prefetch(s.levels, level_of_new(s, command))
        for seq in range(first, first + count):
            command = in_slots[seq & mask]
            if command.kind == KIND_NEW:
                prefetch(s.orders, max(np.int64(s.levels[level_of_new(s, command)].tail), np.int64(0)))
    return 0
