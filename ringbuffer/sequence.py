"""Claim, publish, wait-for and release on the cursors of a ring with one writer: the protocol, as kernels.

One writer, a graph of readers, no compare-exchange: each cursor is stored by its one owner and loaded by
those that wait for it. With ``>>`` for "publishes to"::

    writer cursor >> readers that wait for the writer >> readers that wait for those >> (leaves) >> writer

Every arrow is the same pair: the owner's :func:`publish`/:func:`release` (store-release of a sequence) and
the waiter's :func:`available` (load-acquire). What the owner did to the slots up to that sequence, writes
and reads alike, happened before what the waiter does after it has seen it. Hence a reader never sees a
half-written slot, and the writer never overwrites a slot that a reader still reads.

Whom a participant waits for is a bit mask in its own block (``P_GATES``), which changes when readers join or
leave (:mod:`ringbuffer.membership`). ``local`` is an int64 array that only the claiming process sees: what
it claimed last, and the lowest gate as it last saw it. That cached gate may be old, never ahead: the gates
only rise, and one who joins starts at or above the lowest (see membership). So acting on it is safe, and
the readers' lines are loaded once per lap of the ring rather than once per message.

Invariants: gate <= L_NEXT <= gate + capacity; a cursor never falls. Sequences end at 2**63 - 1: the last
claims are refused like those on a full ring, nothing wraps.

An observable ring's writer stores what it claims in ``P_CLAIMED`` before it fills the slots, for readers
that nobody waits for (:mod:`ringbuffer.observer`); others do not pay for that.

Prior art: LMAX Disruptor, SingleProducerSequencer (cached gating sequence) and ProcessingSequenceBarrier.
Several producers: :mod:`ringbuffer.multi`.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from ringbuffer.atomics import fence_release, load_acquire, store_release
from ringbuffer.kernel import inlined
from ringbuffer.layout import (
    H_CAPACITY,
    H_OBSERVABLE,
    HEADER_WORDS,
    MAX_SEQ,
    P_CLAIMED,
    P_GATES,
    PARTICIPANT_WORDS,
    WRITER,
    cursor_index,
)
from ringbuffer.native import ctz64, prefetch_to_write

__all__ = [
    "LOCAL_WORDS",
    "L_GATE",
    "L_NEXT",
    "available",
    "free_slots",
    "gate_of_claims",
    "new_local",
    "prefetch_slot",
    "publish",
    "release",
    "try_claim",
]

LOCAL_WORDS: Final = 8
L_NEXT: Final = 0  # the last sequence claimed
L_GATE: Final = 1  # the lowest cursor of those that gate the claims, as last loaded
L_OBSERVABLE: Final = 2  # not 0: claims are announced
WRITE_AHEAD: Final = 64
CACHE_LINE_BYTES: Final = 64
WRITER_CURSOR: Final = cursor_index(WRITER)


def new_local(words: Any, gate_seq: int | None = None) -> Any:
    """Return the private words of a writer that takes over a ring where its predecessor left it.

    ``gate_seq`` is what it believes of its gates; surely not ahead of them, as ``None`` is: the first claim looks.
    """
    local = np.zeros(LOCAL_WORDS, dtype=np.int64)
    local[L_NEXT] = words[WRITER_CURSOR]
    local[L_GATE] = int(words[WRITER_CURSOR]) - int(words[H_CAPACITY]) if gate_seq is None else gate_seq
    local[L_OBSERVABLE] = words[H_OBSERVABLE]
    return local


@inlined
def available(words, participant):  # type: ignore[no-untyped-def]
    """Return the lowest cursor of those that ``participant`` waits for: a reader may touch all up to it.

    ``MAX_SEQ`` if it waits for nobody (a writer without readers).
    """
    base = HEADER_WORDS + PARTICIPANT_WORDS * participant
    while True:
        # pairs with store_release in membership: whoever is missing here joins at or above what we return
        mask = load_acquire(words, base + P_GATES)
        lowest = np.int64(MAX_SEQ)
        left = mask
        while left != 0:
            # pairs with store_release in publish (the gate is the writer) or in release (it is a reader)
            seq = load_acquire(words, HEADER_WORDS + PARTICIPANT_WORDS * ctz64(left))
            lowest = min(lowest, seq)
            left &= left - 1
        if load_acquire(words, base + P_GATES) == mask:  # else somebody joined or left meanwhile
            return lowest


@inlined
def gate_of_claims(words):  # type: ignore[no-untyped-def]
    """Return the sequence that claims may be ahead of by the capacity: the slowest leaf, at most the cursor.

    Without readers it is the cursor itself, so that one who joins is noticed within a lap.
    """
    cursor = load_acquire(words, WRITER_CURSOR)  # first: a leaf that was behind it may have passed it since
    return min(available(words, np.int64(WRITER)), cursor)


@inlined
def free_slots(words, local, capacity):  # type: ignore[no-untyped-def]
    """Return how many sequences may be claimed: the exact count, or, from the cache, at least half a ring.

    The gates are reloaded only when the cached answer is below half the ring, so a caller that needs room for
    n <= capacity // 2 before it starts can trust a smaller answer to be fresh, and will not wait for ever.
    """
    free = capacity - (local[L_NEXT] - local[L_GATE])
    if free < max(1, capacity >> 1):
        local[L_GATE] = gate_of_claims(words)  # pairs with the gating readers' store_release in release
        free = capacity - (local[L_NEXT] - local[L_GATE])
    return min(free, np.int64(MAX_SEQ) - local[L_NEXT])


@inlined
def try_claim(words, local, capacity, n):  # type: ignore[no-untyped-def]
    """Claim the next ``n`` sequences; return the last of them, or -1, claiming nothing, if there is no room.

    The caller fills the slots of ``result - n + 1 .. result`` and then calls :func:`publish`. ``n`` beyond
    the capacity is never served.
    """
    last = local[L_NEXT]
    if n > capacity - (last - local[L_GATE]):
        local[L_GATE] = gate_of_claims(words)  # pairs with the gating readers' store_release in release
        if n > capacity - (last - local[L_GATE]):
            return np.int64(-1)
    if n > np.int64(MAX_SEQ) - last:
        return np.int64(-1)
    local[L_NEXT] = last + n
    if local[L_OBSERVABLE] != 0:
        store_release(words, WRITER_CURSOR + P_CLAIMED, last + n)  # pairs with load_acquire in observer.copy
        fence_release()  # the claim first, then what the caller writes into the slots
    return last + n


@inlined
def prefetch_slot(slots, seq):  # type: ignore[no-untyped-def]
    """Ask for the slot of ``seq + WRITE_AHEAD`` to be written: a writer that fills ``seq`` now need not wait then.

    The slots of one lap ago are in the caches of the readers' cores, and come over one by one, each when it is
    written to, unless they are asked for early. Worth a third more records a second on cores that are far apart. It
    may take from a reader what it is still to read, so the ring should be large against WRITE_AHEAD; and from another
    producer what that one is filling, so it is for one writer.
    """
    if slots.itemsize >= CACHE_LINE_BYTES:  # smaller ones share lines, which come fast enough
        prefetch_to_write(slots, (seq + WRITE_AHEAD) & (slots.shape[0] - 1))


@inlined
def publish(words, cursor_index, seq):  # type: ignore[no-untyped-def]
    """Let the readers have all slots up to ``seq``; the slots' contents are visible to whoever sees it."""
    store_release(words, cursor_index, seq)  # pairs with load_acquire in available: the readers'


@inlined
def release(words, cursor_index, seq):  # type: ignore[no-untyped-def]
    """Be done with all slots up to ``seq``: the next stage may read them, or the writer reuse them."""
    store_release(words, cursor_index, seq)  # pairs with load_acquire in available: readers', writer's
