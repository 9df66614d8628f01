"""What is due by time: a binary heap of (when, what), soonest first. Who acts on it is :mod:`stages.due`.

What is due is an order's end (its id), or something of the venue, whose keys are larger than ids and so come after them
at the same time: a row of the schedule, the end of a volatility auction, an indication that was put off, each with its
row or instrument and the low half of the sequence of the command that set it. Entries are never
taken back: one is *alive* while its order is open, or its row or instrument still names it. Dead ones stay until they
come to the top, or until the heap is full and swept; its room is twice what can be alive.

Algorithm: binary heap (Williams, 1964).
"""

from __future__ import annotations

import numpy as np

from ringbuffer.kernel import inlined, kernel
from stages.hashing import id_find
from stages.state_words import MW_TIMERS

__all__ = [
    "KEY",
    "WHAT_INDICATION",
    "WHAT_SCHEDULE",
    "WHAT_VOLATILITY",
    "WHEN",
    "add_timer",
    "is_alive",
    "key_index",
    "key_what",
    "pop_timer",
    "venue_key",
]

WHEN = 0
KEY = 1
WHAT_ORDER = 0
WHAT_SCHEDULE = 1
WHAT_VOLATILITY = 2
WHAT_INDICATION = 3
WHAT_SHIFT = 56
INDEX_SHIFT = 32
LOW_32 = 0xFFFFFFFF


@inlined
def venue_key(what, index, seq):  # type: ignore[no-untyped-def]
    """Return the key of something of the venue: ``index`` is its row or instrument."""
    return (np.int64(what) << WHAT_SHIFT) | (np.int64(index) << INDEX_SHIFT) | (np.int64(seq) & LOW_32)


@inlined
def key_what(key):  # type: ignore[no-untyped-def]
    """Return what a key stands for; an order's id is below 2**56."""
    return np.int64(key) >> WHAT_SHIFT


@inlined
def key_index(key):  # type: ignore[no-untyped-def]
    """Return the row or instrument of a key of the venue."""
    return (np.int64(key) >> INDEX_SHIFT) & (LOW_32 >> (64 - WHAT_SHIFT))


@inlined
def is_before(timers, first, second):  # type: ignore[no-untyped-def]
    """Tell whether one entry of the heap is due before another."""
    if timers[first, WHEN] != timers[second, WHEN]:
        return timers[first, WHEN] < timers[second, WHEN]
    return timers[first, KEY] < timers[second, KEY]


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
def is_alive(s, when_ns, key):  # type: ignore[no-untyped-def]
    """Tell whether what an entry names still waits for it."""
    what = key_what(key)
    if what == WHAT_ORDER:
        return id_find(s.order_map, s.order_keys, key) >= 0
    index = key_index(key)
    if what == WHAT_SCHEDULE:
        return s.schedules[index].key == key and s.schedules[index].due_ns == when_ns
    if what == WHAT_VOLATILITY:
        return s.markets[index].volatility_key == key and s.markets[index].volatility_end_ns == when_ns
    return s.markets[index].indication_key == key and s.markets[index].indication_due_ns == when_ns


@kernel
def _sweep_timers(s):  # type: ignore[no-untyped-def]
    kept = np.int64(0)
    for entry in range(s.words[MW_TIMERS]):
        if is_alive(s, s.timers[entry, WHEN], s.timers[entry, KEY]):
            s.timers[kept, WHEN] = s.timers[entry, WHEN]
            s.timers[kept, KEY] = s.timers[entry, KEY]
            kept += 1
    s.words[MW_TIMERS] = kept
    for back in range(kept >> 1):
        sift_down(s.timers, (kept >> 1) - 1 - back, kept)
    return 0


@kernel
def add_timer(s, when_ns, key):  # type: ignore[no-untyped-def]
    """Add an entry."""
    if s.words[MW_TIMERS] == s.timers.shape[0]:
        _sweep_timers(s)
    entry = s.words[MW_TIMERS]
    s.timers[entry, WHEN] = when_ns
    s.timers[entry, KEY] = key
    s.words[MW_TIMERS] = entry + 1
    sift_up(s.timers, entry)
    return 0


@kernel
def pop_timer(s):  # type: ignore[no-untyped-def]
    """Take the first entry out of the heap, which holds one; return its key, or 0 if it is dead."""
    when_ns = s.timers[0, WHEN]
    key = s.timers[0, KEY]
    last = s.words[MW_TIMERS] - 1
    s.words[MW_TIMERS] = last
    swap(s.timers, np.int64(0), last)
    sift_down(s.timers, np.int64(0), last)
    return np.int64(key) if is_alive(s, when_ns, key) else np.int64(0)
