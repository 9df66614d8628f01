"""Tick tables: from which price on prices are multiples of how many ticks. Risk and matching have one copy each.

A table is up to 16 rows (from, step) in ascending order; a step of 0 stands behind the last. Below the first row the
step is 1. Each from is a multiple of its step and of the step before (:func:`table_problem`), so that the next valid
price in either direction never falls between two rows.
"""

from __future__ import annotations

import numpy as np

from protocols.codes import REASON_INVALID_COMMAND, REASON_INVALID_SIDE, REASON_NO_ROOM, REASON_NONE
from ringbuffer.kernel import inlined, kernel
from stages.state import TICK_ROWS, TICK_TABLES

__all__ = ["add_tick_row", "is_on_table", "step_at", "table_problem"]

FROM = 0
STEP = 1
MAX_STEP_TICKS = 1 << 40
MAX_FROM_TICKS = 1 << 62
ADD = 1
CLEAR = 2


@kernel
def step_at(tick_rows, table, price_ticks):  # type: ignore[no-untyped-def]
    """Return the step of a table at a price."""
    step = np.int64(1)
    for row in range(TICK_ROWS):
        if tick_rows[table, row, STEP] == 0 or tick_rows[table, row, FROM] > price_ticks:
            break
        step = tick_rows[table, row, STEP]
    return step


@inlined
def is_on_table(tick_rows, table, price_ticks):  # type: ignore[no-untyped-def]
    """Tell whether a price is a multiple of its step; each is where there is no table (0)."""
    return table == 0 or price_ticks % step_at(tick_rows, np.int64(table), np.int64(price_ticks)) == 0


@inlined
def rows_in_use(tick_rows, table):  # type: ignore[no-untyped-def]
    """Return how many rows a table has."""
    count = np.int64(0)
    while count < TICK_ROWS and tick_rows[table, count, STEP] != 0:
        count += 1
    return count


@kernel
def table_problem(tick_rows, command):  # type: ignore[no-untyped-def]
    """Return why a TICK_TABLE command cannot be carried out, NONE if it can."""
    table = np.int64(command.account)
    start = np.int64(command.price_ticks)
    step = np.int64(command.qty_lots)
    if command.side != ADD and command.side != CLEAR:
        return REASON_INVALID_SIDE
    if not (0 < table < TICK_TABLES):
        return REASON_INVALID_COMMAND
    if command.side == CLEAR:
        return REASON_NONE
    if not (0 < step <= MAX_STEP_TICKS) or not (0 < start <= MAX_FROM_TICKS) or start % step != 0:
        return REASON_INVALID_COMMAND
    count = rows_in_use(tick_rows, table)
    if count != 0 and (
        start <= tick_rows[table, count - 1, FROM] or start % tick_rows[table, count - 1, STEP] != 0
    ):
        return REASON_INVALID_COMMAND
    return REASON_NO_ROOM if count == TICK_ROWS else REASON_NONE


@kernel
def add_tick_row(tick_rows, command):  # type: ignore[no-untyped-def]
    """Carry out a TICK_TABLE command that has no problem."""
    table = np.int64(command.account)
    if command.side == CLEAR:
        for row in range(TICK_ROWS):
            tick_rows[table, row, FROM] = 0
            tick_rows[table, row, STEP] = 0
    else:
        row = rows_in_use(tick_rows, table)
        tick_rows[table, row, FROM] = command.price_ticks
        tick_rows[table, row, STEP] = command.qty_lots
    return 0
