"""Claim, publish, wait-for and release on the cursors of a ring: the whole lock-free protocol, as kernels.

One writer, a graph of readers, no compare-exchange: each cursor is stored by its one owner and loaded by
those that wait for it. With ``>>`` for "publishes to"::

    writer cursor >> readers that wait for the writer >> readers that wait for those >> (leaves) >> writer

Every arrow is the same pair: the owner's :func:`publish`/:func:`release` (store-release of a sequence) and
the waiter's :func:`available` (load-acquire). What the owner did to the slots up to that sequence, writes
and reads alike, happened before what the waiter does after it has seen it. Hence a reader never sees a
half-written slot, and the writer never overwrites a slot that a reader still reads.

``gates_idx`` is an int64 array with the words of the cursors waited for
(:func:`ringbuffer.layout.gate_indexes`), never empty. ``local`` is an int64[8] that only the claiming
process sees: what it claimed last, and the lowest gate as it last saw it. That cached gate may be old,
never ahead: the gates only rise, so acting on it is safe, and the readers' lines are loaded once per lap of
the ring rather than once per message.

Invariants: gate <= L_NEXT <= gate + capacity; a cursor never falls. Sequences end at 2**63 - 1: the last
claims are refused like those on a full ring, nothing wraps.

Prior art: LMAX Disruptor, SingleProducerSequencer (cached gating sequence) and ProcessingSequenceBarrier.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from ringbuffer.atomics import load_acquire, store_release
from ringbuffer.kernel import inlined
from ringbuffer.layout import MAX_SEQ

__all__ = [
    "LOCAL_WORDS",
    "L_GATE",
    "L_NEXT",
    "available",
    "free_slots",
    "new_local",
    "publish",
    "release",
    "try_claim",
]

LOCAL_WORDS: Final = 8
L_NEXT: Final = 0  # the last sequence claimed
L_GATE: Final = 1  # the lowest cursor of those that gate the claims, as last loaded


def new_local(seq: int, gate_seq: int) -> Any:
    """Return the private words of a writer that has claimed up to ``seq`` and saw its gates at ``gate_seq``.

    A writer that takes over passes its own cursor as ``seq``, and as ``gate_seq`` anything that is surely not
    ahead of a gate: ``available`` of its gates, or ``max(0, seq - capacity)`` (the next claim then looks).
    """
    local = np.zeros(LOCAL_WORDS, dtype=np.int64)
    local[L_NEXT] = seq
    local[L_GATE] = gate_seq
    return local


@inlined
def available(words, gates_idx):  # type: ignore[no-untyped-def]
    """Return the lowest of the cursors at ``gates_idx``: all up to it may be touched."""
    lowest = np.int64(MAX_SEQ)
    for gate in gates_idx:
        # pairs with store_release in publish (the gate is the writer) or in release (it is a reader)
        lowest = min(lowest, load_acquire(words, gate))
    return lowest


@inlined
def free_slots(words, local, gates_idx, capacity):  # type: ignore[no-untyped-def]
    """Return how many sequences may be claimed: the exact count, or, from the cache, at least half a ring.

    The gates are reloaded only when the cached answer is below half the ring, so a caller that needs room for
    n <= capacity // 2 before it starts can trust a smaller answer to be fresh, and will not wait for ever.
    """
    free = capacity - (local[L_NEXT] - local[L_GATE])
    if free < (capacity >> 1):
        local[L_GATE] = available(words, gates_idx)  # pairs with the gating readers' store_release in release
        free = capacity - (local[L_NEXT] - local[L_GATE])
    return min(free, np.int64(MAX_SEQ) - local[L_NEXT])


@inlined
def try_claim(words, local, gates_idx, capacity, n):  # type: ignore[no-untyped-def]
    """Claim the next ``n`` sequences; return the last of them, or -1, claiming nothing, if there is no room.

    The caller fills the slots of ``result - n + 1 .. result`` and then calls :func:`publish`. ``n`` beyond
    the capacity is never served.
    """
    last = local[L_NEXT]
    if n > capacity - (last - local[L_GATE]):
        local[L_GATE] = available(words, gates_idx)  # pairs with the gating readers' store_release in release
        if n > capacity - (last - local[L_GATE]):
            return np.int64(-1)
    if n > np.int64(MAX_SEQ) - last:
        return np.int64(-1)
    local[L_NEXT] = last + n
    return last + n


@inlined
def publish(words, cursor_index, seq):  # type: ignore[no-untyped-def]
    """Let the readers have all slots up to ``seq``; the slots' contents are visible to whoever sees it."""
    store_release(words, cursor_index, seq)  # pairs with load_acquire in available: the readers'


@inlined
def release(words, cursor_index, seq):  # type: ignore[no-untyped-def]
    """Be done with all slots up to ``seq``: the next stage may read them, or the writer reuse them."""
    store_release(words, cursor_index, seq)  # pairs with load_acquire in available: readers', writer's
