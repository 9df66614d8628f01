"""Position rows: one for each account in each instrument that it ever had something to do with. Only risk writes them.

A row, once made, stays. Rows are numbered in the order in which they were made: the sweep of :mod:`stages.marks`
goes through them.
"""

from __future__ import annotations

import numpy as np

from ringbuffer.kernel import inlined
from stages.hashing import map_find, map_insert
from stages.state_words import RW_POSITIONS

__all__ = ["find_position", "has_position_room", "position_key", "position_of"]


@inlined
def position_key(account, instrument):  # type: ignore[no-untyped-def]
    """Return the map key of a position; never 0."""
    return (np.int64(account) << 20) ^ np.int64(instrument)


@inlined
def find_position(s, account_id, instrument_id):  # type: ignore[no-untyped-def]
    """Return the row of an account in an instrument, -1 if there is none."""
    return map_find(s.position_map, s.position_keys, position_key(account_id, instrument_id))


@inlined
def has_position_room(s, row):  # type: ignore[no-untyped-def]
    """Tell whether there is a row, or can be one."""
    return row >= 0 or s.words[RW_POSITIONS] < s.positions.shape[0]


@inlined
def position_of(s, row, account_id, instrument_id):  # type: ignore[no-untyped-def]
    """Return the row of an account in an instrument that was looked for: ``row``, or a new one if that is -1."""
    if row < 0:
        row = s.words[RW_POSITIONS]
        s.words[RW_POSITIONS] = row + 1
        fresh = s.positions[row]
        key = position_key(account_id, instrument_id)
        fresh.key = key
        fresh.account = account_id
        fresh.instrument = instrument_id
        map_insert(s.position_map, key, row)
    return row
