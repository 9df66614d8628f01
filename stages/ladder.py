"""Ladders: the levels of a book side in price order, as a tree of blocks of sorted keys.

A key is a price seen from its side: larger is better, whatever the side (:func:`ladder_key`). The levels of a
side stand in *leaves*, blocks of up to 32 keys in ascending order with the row of the level beside each; the
best level is the last of the last leaf. Blocks above hold their children in the same way, each with the least
key that may stand below it. All blocks of one height are linked to their neighbours, ``worse`` and ``better``::

    side ── root ──► │ MIN 40 90 │                      height 1
         │             │   │  └───────────┐
         │             ▼   └──────┐       ▼
         └─ top ─┐   │ 7 8 31 │ ◄► │ 40 55 │ ◄► │ 91 97 │   height 0, leaves
                 └────────────────────────────────▲

Searching compares a key with all 32 of a block at once, without a branch: unused cells hold the largest
number. Most activity is near the best price, hence the last leaf is looked at first. The side and the level know
their blocks, so that the best level is one load and dropping a level needs no search from the root.

Invariants (MIN_KEYS = 8): each block but the last of its height has at least MIN_KEYS entries, each has one,
a root above others has two. So the blocks of height *i* number at most 1 + (those below − 1) / MIN_KEYS, and
a side of *n* levels has at most 1 + 2 (n − 1) / (MIN_KEYS − 1) of them: :func:`stages.state.room_for_blocks`
provides that, and room for blocks never runs out before room for levels. The key of a block's first child is
the key of the block in its own parent, the least int64 along the worst edge.

Prior art: B+ trees (Comer, The Ubiquitous B-Tree, 1979); a split at the best end moves nothing, as loaders of
sorted data do, so that a market that runs away leaves full blocks behind.
"""

from __future__ import annotations

import numpy as np

from ringbuffer.kernel import inlined, kernel
from stages.state import BLOCK_KEYS, SIDES_PER_INSTRUMENT
from stages.state_words import MW_BLOCK_FREE, MW_BLOCKS, MW_BLOCKS_USED

__all__ = [
    "LEAST_KEY",
    "STOP_SIDES",
    "WAITING_SIDES",
    "best_place",
    "better_place",
    "find_leaf",
    "insert_key",
    "keys_below",
    "ladder_key",
    "remove_key",
    "side_row",
    "worse_place",
]

STOP_SIDES = 2  # to add to a side code: 3 stop buys, 4 stop sells
WAITING_SIDES = 4  # 5 waiting buys, 6 waiting sells
MIN_KEYS = BLOCK_KEYS // 4
MERGED_KEYS = (
    BLOCK_KEYS * 3 // 4
)  # the most that a merged block holds: some keys come or go before it changes again
LEAST_KEY = np.int64(-(2**63))
NO_KEY = np.int64(2**63 - 1)  # in unused cells; smaller than no key


@inlined
def side_row(instrument, side):  # type: ignore[no-untyped-def]
    """Return the row of ``sides`` of an instrument id and a side code.

    Buys, sells, stop buys, stop sells, waiting buys, waiting sells; two rows are spare.
    """
    return np.int64(instrument) * SIDES_PER_INSTRUMENT + np.int64(side) - 1


@inlined
def ladder_key(row, price_ticks):  # type: ignore[no-untyped-def]
    """Return the sort key of a price on the side of ``row``, larger is better; it is its own inverse.

    Rows 0, 3 and 4 of an instrument are best at the highest price, rows 1, 2 and 5 at the lowest: their keys are
    the complements, defined for each int64 (the negative is not).
    """
    which = np.int64(row) & (SIDES_PER_INSTRUMENT - 1)
    return np.int64(price_ticks) ^ -((which ^ (which >> 1)) & 1)


@inlined
def keys_below(s, block, key):  # type: ignore[no-untyped-def]
    """Return how many keys of a block are smaller than ``key``: where it stands or belongs."""
    found = np.int64(0)
    for place in range(BLOCK_KEYS):
        found += np.int64(s.block_keys[block, place] < key)
    return found


@inlined
def child_place(s, block, key):  # type: ignore[no-untyped-def]
    """Return the place of the child of a block that holds ``key`` or should."""
    found = np.int64(0)
    for place in range(BLOCK_KEYS):
        found += np.int64(s.block_keys[block, place] <= key)
    return min(found, np.int64(s.blocks[block].count)) - 1


@inlined
def find_leaf(s, row, key):  # type: ignore[no-untyped-def]
    """Return the leaf where ``key`` stands or belongs, -1 if the side is empty."""
    side = s.sides[row]
    leaf = np.int64(side.top)
    if leaf >= 0 and s.block_keys[leaf, 0] > key:
        leaf = np.int64(side.root)
        while s.blocks[leaf].height > 0:
            leaf = np.int64(s.block_rows[leaf, child_place(s, leaf, key)])
    return leaf


@inlined
def best_place(s, row):  # type: ignore[no-untyped-def]
    """Return the place of a side's best level, block * BLOCK_KEYS + offset; -1 if the side is empty.

    A walk goes on with :func:`worse_place`; the level is ``s.block_rows[place // BLOCK_KEYS, place %
    BLOCK_KEYS]``, see :func:`stages.book.level_at`. Places hold until a level is added or dropped.
    """
    top = np.int64(s.sides[row].top)
    return top * BLOCK_KEYS + np.int64(s.blocks[top].count) - 1 if top >= 0 else np.int64(-1)


@inlined
def worse_place(s, place):  # type: ignore[no-untyped-def]
    """Return the place of the next worse level, -1 behind the worst."""
    if place & (BLOCK_KEYS - 1) != 0:
        return place - 1
    worse = np.int64(s.blocks[place // BLOCK_KEYS].worse)
    return worse * BLOCK_KEYS + np.int64(s.blocks[worse].count) - 1 if worse >= 0 else np.int64(-1)


@inlined
def better_place(s, place):  # type: ignore[no-untyped-def]
    """Return the place of the next better level, -1 behind the best."""
    block = place // BLOCK_KEYS
    if (place & (BLOCK_KEYS - 1)) + 1 < s.blocks[block].count:
        return place + 1
    return np.int64(s.blocks[block].better) * BLOCK_KEYS if s.blocks[block].better >= 0 else np.int64(-1)


@inlined
def take_block(s, row, height):  # type: ignore[no-untyped-def]
    """Return an empty block; there is one whenever a level is free."""
    free = s.words[MW_BLOCK_FREE]
    if free != 0:
        block = free - 1
        s.words[MW_BLOCK_FREE] = s.blocks[block].parent
    else:
        block = s.words[MW_BLOCKS_USED]
        s.words[MW_BLOCKS_USED] = block + 1
    s.words[MW_BLOCKS] += 1
    for place in range(BLOCK_KEYS):
        s.block_keys[block, place] = NO_KEY
    record = s.blocks[block]
    record.count = 0
    record.height = height
    record.parent = -1
    record.worse = -1
    record.better = -1
    record.side_row = row
    return block


@inlined
def free_block(s, block):  # type: ignore[no-untyped-def]
    """Take a block out of the links of its height and free it."""
    record = s.blocks[block]
    worse = np.int64(record.worse)
    better = np.int64(record.better)
    if worse >= 0:
        s.blocks[worse].better = better
    if better >= 0:
        s.blocks[better].worse = worse
    elif record.height == 0:
        s.sides[np.int64(record.side_row)].top = worse
    record.parent = s.words[MW_BLOCK_FREE]
    s.words[MW_BLOCK_FREE] = block + 1
    s.words[MW_BLOCKS] -= 1


@inlined
def insert_entry(s, block, place, key, entry):  # type: ignore[no-untyped-def]
    """Put a level or child at a place of a block that has room."""
    count = np.int64(s.blocks[block].count)
    offset = count
    while offset > place:
        s.block_keys[block, offset] = s.block_keys[block, offset - 1]
        s.block_rows[block, offset] = s.block_rows[block, offset - 1]
        offset -= 1
    s.block_keys[block, place] = key
    s.block_rows[block, place] = entry
    s.blocks[block].count = count + 1


@inlined
def remove_entry(s, block, place):  # type: ignore[no-untyped-def]
    """Take a level or child out of a block; the second child takes over the key of the first."""
    record = s.blocks[block]
    last = np.int64(record.count) - 1
    for offset in range(place, last):
        s.block_rows[block, offset] = s.block_rows[block, offset + 1]
    first = max(place, np.int64(record.height > 0))
    for offset in range(first, last):
        s.block_keys[block, offset] = s.block_keys[block, offset + 1]
    s.block_keys[block, last] = NO_KEY
    record.count = last


@inlined
def adopt(s, block, place, key, entry):  # type: ignore[no-untyped-def]
    """Put a level or child into a cell of a block, and tell it."""
    s.block_keys[block, place] = key
    s.block_rows[block, place] = entry
    if s.blocks[block].height == 0:
        s.levels[np.int64(entry)].block = block
    else:
        s.blocks[np.int64(entry)].parent = block


@kernel
def move_up(s, left, right, count):  # type: ignore[no-untyped-def]
    """Move the last ``count`` entries of a block to the beginning of its better neighbour."""
    left_count = np.int64(s.blocks[left].count) - count
    right_count = np.int64(s.blocks[right].count)
    for back in range(right_count):
        place = right_count - 1 - back
        s.block_keys[right, place + count] = s.block_keys[right, place]
        s.block_rows[right, place + count] = s.block_rows[right, place]
    for offset in range(count):
        place = left_count + offset
        adopt(s, right, offset, s.block_keys[left, place], s.block_rows[left, place])
        s.block_keys[left, place] = NO_KEY
    s.blocks[left].count = left_count
    s.blocks[right].count = right_count + count
    return 0


@kernel
def move_down(s, left, right, count):  # type: ignore[no-untyped-def]
    """Move the first ``count`` entries of a block to the end of its worse neighbour."""
    left_count = np.int64(s.blocks[left].count)
    right_count = np.int64(s.blocks[right].count) - count
    for offset in range(count):
        adopt(s, left, left_count + offset, s.block_keys[right, offset], s.block_rows[right, offset])
    for offset in range(right_count):
        s.block_keys[right, offset] = s.block_keys[right, offset + count]
        s.block_rows[right, offset] = s.block_rows[right, offset + count]
    for offset in range(right_count, right_count + count):
        s.block_keys[right, offset] = NO_KEY
    s.blocks[left].count = left_count + count
    s.blocks[right].count = right_count
    return 0


@kernel
def split_block(s, row, block, key):  # type: ignore[no-untyped-def]
    """Split a full block, for whose sake a parent has room, and return the half where ``key`` belongs."""
    record = s.blocks[block]
    height = np.int64(record.height)
    better = np.int64(record.better)
    right = take_block(s, row, height)
    s.blocks[right].worse = block
    s.blocks[right].better = better
    record.better = right
    if better >= 0:
        s.blocks[better].worse = right
    elif height == 0:
        s.sides[row].top = right
    separator = np.int64(key)
    if better >= 0 or key < s.block_keys[block, BLOCK_KEYS - 1]:
        move_up(s, block, right, np.int64(BLOCK_KEYS // 2))
        separator = s.block_keys[right, 0]
    elif height > 0:
        move_up(s, block, right, np.int64(1))
        separator = s.block_keys[right, 0]
    parent = np.int64(record.parent)
    if parent < 0:
        parent = take_block(s, row, height + 1)
        insert_entry(s, parent, 0, LEAST_KEY, block)
        record.parent = parent
        s.sides[row].root = parent
    insert_entry(s, parent, child_place(s, parent, separator) + 1, separator, right)
    s.blocks[right].parent = parent
    return right if key >= separator else np.int64(block)


@kernel
def make_room(s, row, leaf, key):  # type: ignore[no-untyped-def]
    """Split a full leaf, and the full blocks above it first; return the leaf where ``key`` belongs."""
    while s.blocks[leaf].count == BLOCK_KEYS:
        block = np.int64(leaf)
        parent = np.int64(s.blocks[block].parent)
        while parent >= 0 and s.blocks[parent].count == BLOCK_KEYS:
            block = parent
            parent = np.int64(s.blocks[block].parent)
        half = split_block(s, row, block, key)
        if block == leaf:
            return half
    return leaf


@kernel
def mend(s, row, block):  # type: ignore[no-untyped-def]
    """Restore the invariants of a block that lost an entry, and of those above it."""
    while True:
        record = s.blocks[block]
        count = np.int64(record.count)
        parent = np.int64(record.parent)
        if parent < 0:
            if count == 0:
                s.sides[row].root = -1
            elif count > 1 or record.height == 0:
                return 0
            else:
                child = np.int64(s.block_rows[block, 0])
                s.blocks[child].parent = -1
                s.sides[row].root = child
            free_block(s, block)
            if count == 0:
                return 0
            block = child
            continue
        if count >= MIN_KEYS or (record.better < 0 and count > 0):
            return 0
        places = np.int64(s.blocks[parent].count)
        if record.better < 0:
            free_block(s, block)
            remove_entry(s, parent, places - 1)
            block = parent
            continue
        place = child_place(s, parent, s.block_keys[block, 0])
        left = np.int64(block)
        if place + 1 == places:
            left = np.int64(s.block_rows[parent, place - 1])
            place -= 1
        right = np.int64(s.block_rows[parent, place + 1])
        left_count = np.int64(s.blocks[left].count)
        right_count = np.int64(s.blocks[right].count)
        total = left_count + right_count
        if total > MERGED_KEYS:
            if left_count > right_count:
                move_up(s, left, right, left_count - (total >> 1))
            else:
                move_down(s, left, right, (total >> 1) - left_count)
            s.block_keys[parent, place + 1] = s.block_keys[right, 0]
            return 0
        move_down(s, left, right, right_count)
        free_block(s, right)
        remove_entry(s, parent, place + 1)
        block = parent


@inlined
def insert_key(s, row, leaf, place, key, level):  # type: ignore[no-untyped-def]
    """Insert a key with its level at the place that :func:`find_leaf` and :func:`keys_below` gave."""
    side = s.sides[row]
    if leaf < 0:
        leaf = take_block(s, row, np.int64(0))
        place = np.int64(0)
        side.root = leaf
        side.top = leaf
    elif s.blocks[leaf].count == BLOCK_KEYS:
        leaf = np.int64(make_room(s, row, leaf, key))
        place = keys_below(s, leaf, key)
    if s.blocks[leaf].better < 0 and place == s.blocks[leaf].count:
        side.best = level
    insert_entry(s, leaf, place, key, level)
    s.levels[level].block = leaf
    side.count += 1


@inlined
def remove_key(s, row, level, key):  # type: ignore[no-untyped-def]
    """Remove the key of a level."""
    side = s.sides[row]
    leaf = np.int64(s.levels[level].block)
    remove_entry(s, leaf, keys_below(s, leaf, key))
    side.count -= 1
    if s.blocks[leaf].count < MIN_KEYS:
        mend(s, row, leaf)
    if side.best == level:
        top = np.int64(side.top)
        side.best = s.block_rows[top, np.int64(s.blocks[top].count) - 1] if top >= 0 else np.int64(-1)
