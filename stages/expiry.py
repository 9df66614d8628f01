"""When orders with GTD end: a binary heap of (expiry, order id), smallest first.

Entries of orders that ended otherwise stay until they come to the top, or until the heap is full and swept; ids are
never used again, so that an entry whose id is not in the book is old. At most half of the entries are alive when the
heap is full, because it has twice the room of the orders with GTD.

Algorithm: binary heap (Williams, 1964).
"""

from __future__ import annotations

import numpy as np

from protocols.codes import OUT_EXPIRED, OUTFLAG_UNSOLICITED, REASON_GTD_EXPIRED
from ringbuffer.kernel import inlined, kernel
from stages.book_feed import leave_book
from stages.emit import emit_order
from stages.hashing import id_find
from stages.orders import leaves_of
from stages.state_words import MW_TIMERS

EXPIRY = 0
ORDER_ID = 1


@inlined
def is_before(timers, first, second):  # type: ignore[no-untyped-def]
    """Tell whether one entry of the heap is due before another."""
    if timers[first, EXPIRY] != timers[second, EXPIRY]:
        return timers[first, EXPIRY] < timers[second, EXPIRY]
    return timers[first, ORDER_ID] < timers[second, ORDER_ID]


@inlined
def swap(timers, first, second):  # type: ignore[no-untyped-def]
    """Exchange two entries."""
    for word in range(2):
        held = timers[first, word]
        timers[first, word] = timers[second, word]
        timers[second, word] = held


@inlined
def sift_up(timers, entry):  # type: ignore[no-untyped-def]
    """Move an entry up to where its parent is due no later."""
    child = np.int64(entry)
    while child > 0:
        parent = (child - 1) >> 1
        if not is_before(timers, child, parent):
            break
        swap(timers, child, parent)
        child = parent


@inlined
def sift_down(timers, entry, count):  # type: ignore[no-untyped-def]
    """Move an entry down to where its children are due no sooner."""
    parent = np.int64(entry)
    while True:
        child = 2 * parent + 1
        if child >= count:
            break
        if child + 1 < count and is_before(timers, child + 1, child):
            child += 1
        if not is_before(timers, child, parent):
            break
        swap(timers, child, parent)
        parent = child


@kernel
def _sweep_timers(s):  # type: ignore[no-untyped-def]
    kept = np.int64(0)
    for entry in range(s.words[MW_TIMERS]):
        if id_find(s.order_map, s.order_keys, s.timers[entry, ORDER_ID]) >= 0:
            s.timers[kept, EXPIRY] = s.timers[entry, EXPIRY]
            s.timers[kept, ORDER_ID] = s.timers[entry, ORDER_ID]
            kept += 1
    s.words[MW_TIMERS] = kept
    for back in range(kept >> 1):
        sift_down(s.timers, (kept >> 1) - 1 - back, kept)
    return 0


@kernel
def set_timer(s, expiry_ns, order_id):  # type: ignore[no-untyped-def]
    """Let an order that is in the book end at ``expiry_ns``."""
    if s.words[MW_TIMERS] == s.timers.shape[0]:
        _sweep_timers(s)
    entry = s.words[MW_TIMERS]
    s.timers[entry, EXPIRY] = expiry_ns
    s.timers[entry, ORDER_ID] = order_id
    s.words[MW_TIMERS] = entry + 1
    sift_up(s.timers, entry)
    return 0


@kernel
def expire_orders(s, command):  # type: ignore[no-untyped-def]
    """End all orders that are due when ``command`` comes."""
    while s.words[MW_TIMERS] > 0 and s.timers[0, EXPIRY] <= command.time_ns:
        order = id_find(s.order_map, s.order_keys, s.timers[0, ORDER_ID])
        last = s.words[MW_TIMERS] - 1
        s.words[MW_TIMERS] = last
        swap(s.timers, np.int64(0), last)
        sift_down(s.timers, np.int64(0), last)
        if order >= 0:
            emit_order(
                s,
                command,
                order,
                np.int64(OUT_EXPIRED),
                np.int64(REASON_GTD_EXPIRED),
                np.int64(OUTFLAG_UNSOLICITED),
                leaves_of(s, order),
                np.int64(0),
            )
            leave_book(s, command, order)
    return 0
