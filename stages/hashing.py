"""Hash maps of the deterministic core: open addressing over int32 tables, keys kept in the rows they name.

A table cell holds row + 1, 0 where empty; its length is a power of two, at least twice the number of rows,
so a probe always ends. Removal shifts the followers back, so there are no tombstones and the layout depends
on the sequence of insertions and removals alone. Sixteen consecutive ids share one cache line of the table,
because orders that are near in time are used near in time.

The table of order ids has int64 cells with the low half of the id beside the row, so that probing and shifting
back touch no rows: among millions of orders each would be a cache miss. Eight ids share a line there.

Algorithm: linear probing with backward-shift deletion (Knuth, TAOCP 3, 6.4, Algorithm R).
"""

from __future__ import annotations

import numpy as np

from ringbuffer.kernel import inlined
from ringbuffer.native import clz64

PHI = np.int64(-7046029254386353131)  # 2**64 / golden ratio, odd
MIX1 = np.int64(-4417276706812531889)  # odd constants of xxHash64
MIX2 = np.int64(1609587929392839161)
LOW_32 = np.int64(0xFFFFFFFF)


@inlined
def home_cell(key, mask):  # type: ignore[no-untyped-def]
    """Return the first cell to probe for an int64 key."""
    mixed = (np.int64(key) >> 4) * PHI
    return (((mixed >> 28) & (mask >> 4)) << 4) | (np.int64(key) & 15)


@inlined
def map_find(table, keys, key):  # type: ignore[no-untyped-def]
    """Return the row whose key is ``key``, -1 if there is none."""
    mask = table.shape[0] - 1
    cell = home_cell(key, mask)
    while True:
        row = np.int64(table[cell])
        if row == 0:
            return np.int64(-1)
        if keys[row - 1] == key:
            return row - 1
        cell = (cell + 1) & mask


@inlined
def map_insert(table, key, row):  # type: ignore[no-untyped-def]
    """Add a key that is not in the map; ``keys[row]`` must be set by the caller."""
    mask = table.shape[0] - 1
    cell = home_cell(key, mask)
    while table[cell] != 0:
        cell = (cell + 1) & mask
    table[cell] = row + 1


@inlined
def map_remove(table, keys, key):  # type: ignore[no-untyped-def]
    """Remove a key that is in the map; ``keys`` must still hold it."""
    mask = table.shape[0] - 1
    hole = home_cell(key, mask)
    while keys[np.int64(table[hole]) - 1] != key:
        hole = (hole + 1) & mask
    cell = hole
    while True:
        cell = (cell + 1) & mask
        row = np.int64(table[cell])
        if row == 0:
            break
        home = home_cell(keys[row - 1], mask)
        if ((cell - home) & mask) >= ((cell - hole) & mask):
            table[hole] = row
            hole = cell
    table[hole] = 0


@inlined
def id_home(key, mask):  # type: ignore[no-untyped-def]
    """Return the first cell to probe for an id, of which the low 32 bits count."""
    mixed = ((np.int64(key) & LOW_32) >> 3) * PHI
    return (((mixed >> 28) & (mask >> 3)) << 3) | (np.int64(key) & 7)


@inlined
def id_probe(table, key):  # type: ignore[no-untyped-def]
    """Return the first row whose id has the low 32 bits of ``key``, -1 if there is none; touches the table only."""
    mask = table.shape[0] - 1
    cell = id_home(key, mask)
    while True:
        found = table[cell]
        if found == 0:
            return np.int64(-1)
        if ((found ^ (np.int64(key) << 32)) >> 32) == 0:
            return (found & LOW_32) - 1
        cell = (cell + 1) & mask


@inlined
def id_find(table, keys, key):  # type: ignore[no-untyped-def]
    """Return the row whose id is ``key``, -1 if there is none."""
    mask = table.shape[0] - 1
    cell = id_home(key, mask)
    while True:
        found = table[cell]
        if found == 0:
            return np.int64(-1)
        row = (found & LOW_32) - 1
        if ((found ^ (np.int64(key) << 32)) >> 32) == 0 and keys[row] == key:
            return row
        cell = (cell + 1) & mask


@inlined
def id_insert(table, key, row):  # type: ignore[no-untyped-def]
    """Add an id that is not in the map."""
    mask = table.shape[0] - 1
    cell = id_home(key, mask)
    while table[cell] != 0:
        cell = (cell + 1) & mask
    table[cell] = (np.int64(key) << 32) | (row + 1)


@inlined
def id_remove(table, key, row):  # type: ignore[no-untyped-def]
    """Remove an id that is in the map with this row; touches the table only."""
    mask = table.shape[0] - 1
    hole = id_home(key, mask)
    wanted = (np.int64(key) << 32) | (row + 1)
    while table[hole] != wanted:
        hole = (hole + 1) & mask
    cell = hole
    while True:
        cell = (cell + 1) & mask
        found = table[cell]
        if found == 0:
            break
        home = id_home(found >> 32, mask)
        if ((cell - home) & mask) >= ((cell - hole) & mask):
            table[hole] = found
            hole = cell
    table[hole] = 0


@inlined
def text_home(first, second, third, session, mask):  # type: ignore[no-untyped-def]
    """Return the first cell to probe for a (session, ClOrdID) pair.

    Clients count: texts that differ only in the low bits of their last character share a cache line of the table.
    """
    head = np.int64(first)
    middle = np.int64(second)
    tail = np.int64(third)
    last = tail if tail != 0 else (middle if middle != 0 else head)
    shift = (63 - clz64(last)) & 0x38
    nibble = (last >> shift) & 15
    if tail != 0:
        tail ^= nibble << shift
    elif middle != 0:
        middle ^= nibble << shift
    else:
        head ^= nibble << shift
    mixed = (head * PHI) ^ (middle * MIX1) ^ ((tail ^ (np.int64(session) << 32)) * MIX2)
    mixed = (mixed ^ (mixed >> 32)) * MIX1
    return (((mixed >> 20) & (mask >> 4)) << 4) | nibble


@inlined
def text_find(table, entries, first, second, third, session):  # type: ignore[no-untyped-def]
    """Return the row of ``entries`` that holds this (session, ClOrdID), -1 if there is none."""
    mask = table.shape[0] - 1
    cell = text_home(first, second, third, session, mask)
    while True:
        row = np.int64(table[cell])
        if row == 0:
            return np.int64(-1)
        entry = entries[row - 1]
        if entry.cl0 == first and entry.cl1 == second and entry.cl2 == third and entry.session == session:
            return row - 1
        cell = (cell + 1) & mask


@inlined
def text_place(table, entries, first, second, third, session):  # type: ignore[no-untyped-def]
    """Return the row of ``entries`` that holds this (session, ClOrdID), or -1 - the cell where it belongs.

    Who adds it fills the row and writes row + 1 into that cell, before anything else is added.
    """
    mask = table.shape[0] - 1
    cell = text_home(first, second, third, session, mask)
    while True:
        row = np.int64(table[cell])
        if row == 0:
            return -1 - cell
        entry = entries[row - 1]
        if entry.cl0 == first and entry.cl1 == second and entry.cl2 == third and entry.session == session:
            return row - 1
        cell = (cell + 1) & mask


@inlined
def fold(digest, acc):  # type: ignore[no-untyped-def]
    """Fold one more 64-bit value into a running digest."""
    rotated = (np.int64(digest) << 23) | ((np.int64(digest) >> 41) & 0x7FFFFF)
    return (rotated ^ acc) * PHI


@inlined
def blend(first, second):  # type: ignore[no-untyped-def]
    """Hash two int64 values into one."""
    mixed = (first ^ ((second << 32) | ((second >> 32) & 0xFFFFFFFF))) * PHI
    return (mixed ^ (mixed >> 29)) * MIX1
