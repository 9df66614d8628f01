"""What risk fetches into the cache before it is needed: what the next commands will look up.

Decides nothing. A lookup in a large index misses every cache, and the misses of one command depend on each other:
ClOrdID, order, position, account. So each pass over the next commands asks for one more step of all of them, and their
misses overlap. Passes guess with the first cell of an index, and row 0 stands in for "none". What caches hold anyway is
not asked for.

The order that a request probably names is kept in its verdict, which nobody reads before risk has judged it anew.
"""

from __future__ import annotations

import numpy as np

from protocols.codes import KIND_CANCEL, KIND_NEW, KIND_REDUCE, KIND_REPLACE
from ringbuffer.kernel import inlined, kernel
from ringbuffer.native import prefetch, prefetch_line
from stages.checks import has_orig
from stages.hashing import home_cell, text_home
from stages.marks import SWEEP_MASK, swept_row
from stages.positions import position_key
from stages.state import LIMIT_COLUMNS, MANY_POSITIONS
from stages.state_words import RW_ORDERS_USED, RW_POSITIONS

__all__ = ["LOOK_AHEAD", "MANY_IDS", "look_ahead"]

LOOK_AHEAD = 16  # commands; about as many cache misses as a core can have in flight
MANY_IDS = 1 << 13  # used ClOrdIDs: with fewer, a second-level cache has them anyway
MANY_ORDERS = 1 << 13  # the same of open orders


@inlined
def look_ahead(s, in_slots, verdicts, first, count):  # type: ignore[no-untyped-def]
    """Fetch what the ``count`` commands from sequence ``first`` will look up, and the commands behind them."""
    mask = np.int64(in_slots.shape[0] - 1)
    cl_mask = np.int64(s.cl_map.shape[0] - 1)
    for seq in range(first, first + count):
        command = in_slots[seq & mask]
        kind = np.int64(command.kind)
        session = np.int64(command.session)
        if kind == KIND_NEW or kind == KIND_REPLACE:
            prefetch(s.cl_map, text_home(command.cl0, command.cl1, command.cl2, session, cl_mask))
        if has_orig(command):
            prefetch(s.cl_map, text_home(command.orig0, command.orig1, command.orig2, session, cl_mask))
        prefetch_line(in_slots, (seq + count) & mask, 0)
        prefetch_line(in_slots, (seq + count) & mask, 1)
    for seq in range(first, first + count):
        command = in_slots[seq & mask]
        if has_orig(command):
            prefetch(s.cl_entries, probable_entry(s, command, cl_mask))
    if s.words[RW_ORDERS_USED] >= MANY_ORDERS:
        look_for_orders(s, in_slots, verdicts, first, count)
    if s.words[RW_POSITIONS] >= MANY_POSITIONS:
        look_for_accounts(s, in_slots, first, count)


@inlined
def probable_entry(s, command, cl_mask):  # type: ignore[no-untyped-def]
    """Return the entry that an OrigClOrdID probably names."""
    session = np.int64(command.session)
    cell = text_home(command.orig0, command.orig1, command.orig2, session, cl_mask)
    return max(np.int64(s.cl_map[cell]) - 1, np.int64(0))


@inlined
def names_an_order(kind):  # type: ignore[no-untyped-def]
    """Tell whether risk looks up the order that a kind names."""
    return kind == KIND_CANCEL or kind == KIND_REDUCE or kind == KIND_REPLACE


@inlined
def probable_order(s, verdict, order_mask):  # type: ignore[no-untyped-def]
    """Return the row of the order whose id was put into a verdict."""
    return max(np.int64(s.order_map[home_cell(np.int64(verdict.order_id), order_mask)]) - 1, np.int64(0))


@kernel
def look_for_orders(s, in_slots, verdicts, first, count):  # type: ignore[no-untyped-def]
    """Fetch cells of the index of orders, then orders, then their positions."""
    mask = np.int64(in_slots.shape[0] - 1)
    cl_mask = np.int64(s.cl_map.shape[0] - 1)
    order_mask = np.int64(s.order_map.shape[0] - 1)
    for seq in range(first, first + count):
        command = in_slots[seq & mask]
        if names_an_order(np.int64(command.kind)):
            target = np.int64(command.order_id)
            if target == 0:
                target = np.int64(s.cl_entries[probable_entry(s, command, cl_mask)].order_id)
            verdicts[seq & mask].order_id = target
            prefetch(s.order_map, home_cell(target, order_mask))
    for seq in range(first, first + count):
        if names_an_order(np.int64(in_slots[seq & mask].kind)):
            prefetch(s.orders, probable_order(s, verdicts[seq & mask], order_mask))
    for seq in range(first, first + count):
        if names_an_order(np.int64(in_slots[seq & mask].kind)):
            order = probable_order(s, verdicts[seq & mask], order_mask)
            prefetch(s.positions, np.int64(s.orders[order].position))
    return 0


@kernel
def look_for_accounts(s, in_slots, first, count):  # type: ignore[no-untyped-def]
    """Fetch accounts, their limits, and their positions in the instruments of new orders; accounts of the sweep."""
    mask = np.int64(in_slots.shape[0] - 1)
    position_mask = np.int64(s.position_map.shape[0] - 1)
    most = np.int64(s.accounts.shape[0] - 1)
    for seq in range(first, first + count):
        command = in_slots[seq & mask]
        if command.kind == KIND_NEW:
            account = max(min(np.int64(command.account), most), np.int64(0))
            prefetch_line(s.accounts, account, 0)
            prefetch_line(s.accounts, account, 1)
            prefetch(s.flat_limits, account * LIMIT_COLUMNS)
            prefetch(s.position_map, home_cell(position_key(account, command.instrument), position_mask))
    for seq in range(first, first + count):
        command = in_slots[seq & mask]
        if command.kind == KIND_NEW:
            account = max(min(np.int64(command.account), most), np.int64(0))
            cell = home_cell(position_key(account, command.instrument), position_mask)
            prefetch(s.positions, max(np.int64(s.position_map[cell]) - 1, np.int64(0)))
        if seq & SWEEP_MASK == 0:
            swept = s.positions[swept_row(s, np.int64(seq))]
            prefetch_line(s.accounts, np.int64(swept.account), 1)
    return 0
