"""Bells: how a worker that sleeps (wait strategy ``blocking``) is woken by whoever has work for it.

A worker announces in its ``BELL_WAITING`` that it is about to sleep and notes its ``BELL_SIGNAL``, looks once
more for work, then sleeps in a futex while the signal is what it noted. Whoever publishes stores its cursor, then
looks who waits, raises the signal and wakes. Each side stores one word and then loads the other's, so both need a
full fence in between. The sleep is bounded, should a bell be missed by one who died between store and bell.

Read and written by workers, their journal threads and gateways.
"""

from __future__ import annotations

import numpy as np

from ringbuffer.atomics import fence, fetch_add, load_acquire, store_release
from ringbuffer.kernel import inlined, kernel
from ringbuffer.native import futex_wait, futex_wake
from stages.control import (
    BELL_HEARD,
    BELL_SIGNAL,
    BELL_WAITING,
    BELL_WORDS,
    CW_BELLS,
    CW_DURABLE,
    CW_WORKERS,
)

__all__ = ["NOBODY", "announce_durable", "doze", "ring_bells", "wake_up"]

NOBODY = -1
DOZE_NS = 5_000_000


@inlined
def ring_bells(control, worker):  # type: ignore[no-untyped-def]
    """Wake all workers that sleep, but not ``worker`` itself (``NOBODY`` if the caller is none)."""
    fence()  # what the caller published first, then who waits; pairs with the fence in doze
    for other in range(control[CW_WORKERS]):
        bell = CW_BELLS + other * BELL_WORDS
        if other != worker and load_acquire(control, bell + BELL_WAITING) != 0:  # pairs with doze's store
            fetch_add(control, bell + BELL_SIGNAL, 1)  # pairs with doze's load, and with the futex
            futex_wake(control, bell + BELL_SIGNAL)


@inlined
def doze(control, worker):  # type: ignore[no-untyped-def]
    """Announce that ``worker`` will sleep, so that it looks for work once more; sleep if it has announced it."""
    bell = CW_BELLS + worker * BELL_WORDS
    if load_acquire(control, bell + BELL_WAITING) == 0:
        control[bell + BELL_HEARD] = load_acquire(control, bell + BELL_SIGNAL)
        store_release(control, bell + BELL_WAITING, 1)  # pairs with load_acquire in ring_bells
        fence()  # the announcement first, then the last look; pairs with the fence in ring_bells
    else:
        futex_wait(control, bell + BELL_SIGNAL, control[bell + BELL_HEARD], DOZE_NS)
        control[bell + BELL_HEARD] = load_acquire(control, bell + BELL_SIGNAL)  # a bell from here on is heard


@inlined
def wake_up(control, worker):  # type: ignore[no-untyped-def]
    """Take the announcement back: ``worker`` has found work."""
    bell = CW_BELLS + worker * BELL_WORDS
    if load_acquire(control, bell + BELL_WAITING) != 0:
        store_release(control, bell + BELL_WAITING, 0)  # a bell more or less now costs a system call, no more


@kernel
def announce_durable(control, seq):  # type: ignore[no-untyped-def]
    """Let publish release what is durable up to ``seq``, and wake it."""
    store_release(control, CW_DURABLE, seq)  # pairs with publish's load_acquire: the sync has returned
    ring_bells(control, np.int64(NOBODY))
    return 0
