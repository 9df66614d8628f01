"""What a stage does when it finds nothing: four strategies, from lowest latency to lowest load.

======== ==== =============================================================== =======================
code     name on nothing found                                                 for
======== ==== =============================================================== =======================
SPIN     0    pause                                                            a core of its own
YIELD    1    100 pauses, then sched_yield                                     cores are shared
BACKOFF  2    10 rests of about 2 us, 10 yields, then sleeps of 1 to 50 us     throughput, some load
BLOCKING 3    100 pauses, then a futex wait of at most 2 ms                    mostly idle
======== ==== =============================================================== =======================

A kernel keeps a count of its fruitless looks and passes it through :func:`idle`; 0 after each success. A
rest is 2 us of pauses without a look at the cursor: the writer keeps its line for that long, so the next
batch is larger, and throughput is too (twice for single messages), at the price of about 1 us of latency.

The doorbell: one who is about to block announces it in ``P_WAITING`` of its own participant, then looks
once more, then waits on ``P_SIGNAL``; a publisher stores its cursor, then looks at ``P_WAITING``. Each side
stores one word and then loads the other's, so both need a full fence in between (store-to-load: the one
reordering that x86 does too), or each could miss the other. Should a wakeup still be missed (the publisher
is no bell ringer, or it died between its store and its bell), the bounded wait ends it: a futex has no
owner, so nobody is wedged.

Publishers ring only where ``words[H_WAIT]`` says so (:func:`rings_bells`), which the first participant that
waits by BLOCKING sets for good; others never pay for the fence.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from ringbuffer.atomics import fence, fetch_add, load_acquire, pause, store_release
from ringbuffer.kernel import inlined, kernel
from ringbuffer.layout import (
    H_PARTICIPANTS,
    H_STATE,
    H_WAIT,
    HEADER_WORDS,
    P_GATES,
    P_SIGNAL,
    P_WAITING,
    PARTICIPANT_WORDS,
    STATE_OPEN,
    WAIT_BELLS,
    WRITER,
    cursor_index,
)
from ringbuffer.native import clock_ns, futex_wait, futex_wake, sleep_ns, yield_cpu
from ringbuffer.sequence import available

__all__ = [
    "BACKOFF",
    "BLOCKING",
    "SPIN",
    "STRATEGIES",
    "YIELD",
    "announce_bells",
    "idle",
    "is_over",
    "rest",
    "ring_bell",
    "ring_bells",
    "rings_bells",
    "wait_until",
]

SPIN: Final = 0
YIELD: Final = 1
BACKOFF: Final = 2
BLOCKING: Final = 3
STRATEGIES: Final = {"spin": SPIN, "yield": YIELD, "backoff": BACKOFF, "blocking": BLOCKING}

SPIN_COUNT: Final = 100  # pauses before anything that costs a system call
REST_COUNT: Final = 10
REST_NS: Final = 2_000
PAUSES_PER_CLOCK: Final = 8  # one pause takes 15 to 50 ns, depending on the processor
YIELD_COUNT: Final = 10
SLEEP_MIN_NS: Final = 1_000
SLEEP_MAX_NS: Final = 50_000
BLOCK_MAX_NS: Final = 2_000_000
CLOCK_EVERY: Final = 64  # a power of two: pauses of SPIN between looks at the clock
WRITER_CURSOR: Final = cursor_index(WRITER)


@inlined
def announce_bells(words):  # type: ignore[no-untyped-def]
    """Make the publishers of this ring ring bells from now on; call before the first BLOCKING wait."""
    if load_acquire(words, H_WAIT) != WAIT_BELLS:  # spares the line a store; any order would do
        store_release(words, H_WAIT, WAIT_BELLS)  # pairs with load_acquire in rings_bells
        fence()  # seen by others before we look at a cursor for the last time


@inlined
def rings_bells(words):  # type: ignore[no-untyped-def]
    """Tell whether a publisher of this ring must ring bells."""
    return load_acquire(words, H_WAIT) == WAIT_BELLS  # pairs with store_release in announce_bells


@inlined
def _wake(words, base):  # type: ignore[no-untyped-def]
    fetch_add(words, base + P_SIGNAL, 1)  # pairs with load_acquire(P_SIGNAL) in _block, and with the futex
    futex_wake(words, base + P_SIGNAL)


@inlined
def ring_bell(words, participant):  # type: ignore[no-untyped-def]
    """Wake ``participant`` if it blocks; call after publish or release, in blocking mode only."""
    base = HEADER_WORDS + PARTICIPANT_WORDS * participant
    fence()  # our cursor first, then its announcement; pairs with the fence in _block
    if load_acquire(words, base + P_WAITING) != 0:  # pairs with store_release(P_WAITING, 1) in _block
        _wake(words, base)


@inlined
def ring_bells(words, participant):  # type: ignore[no-untyped-def]
    """Wake all that wait for ``participant`` by blocking; call after it published, if they may block."""
    fence()  # our cursor first, then their announcements; pairs with the fence in _block
    for other in range(words[H_PARTICIPANTS]):
        base = HEADER_WORDS + PARTICIPANT_WORDS * other
        depends = (words[base + P_GATES] >> participant) & 1 != 0
        if depends and load_acquire(words, base + P_WAITING) != 0:  # pairs as in ring_bell
            _wake(words, base)


@inlined
def is_over(words, target_seq):  # type: ignore[no-untyped-def]
    """Tell whether the writer has ended the stream before ``target_seq``, so that nobody need wait for it."""
    # the state first: pairs with store_release in participant.end, before which all was published
    return load_acquire(words, H_STATE) != STATE_OPEN and load_acquire(words, WRITER_CURSOR) < target_seq


@inlined
def rest(duration_ns):  # type: ignore[no-untyped-def]
    """Pause for about ``duration_ns`` without looking at any cursor."""
    until_ns = clock_ns() + duration_ns
    while clock_ns() < until_ns:
        for _ in range(PAUSES_PER_CLOCK):
            pause()


@inlined
def _block(words, participant, gates_idx, target_seq):  # type: ignore[no-untyped-def]
    """Wait for the bell of ``participant`` unless its gates reach ``target_seq``; at most BLOCK_MAX_NS."""
    base = HEADER_WORDS + PARTICIPANT_WORDS * participant
    signal = load_acquire(words, base + P_SIGNAL)  # before the last look: a bell after it is not slept over
    store_release(words, base + P_WAITING, 1)  # pairs with load_acquire in ring_bell
    fence()  # our announcement first, then their cursors; pairs with the fence in ring_bell
    if available(words, gates_idx) < target_seq and not is_over(words, target_seq):
        futex_wait(words, base + P_SIGNAL, signal, BLOCK_MAX_NS)
    store_release(words, base + P_WAITING, 0)  # a bell more or less now costs a system call, no more


@inlined
def idle(strategy, spins, words, participant, gates_idx, target_seq):  # type: ignore[no-untyped-def]
    """Spend one fruitless look as the strategy says and return ``spins + 1``.

    ``participant`` is the caller's own place, ``target_seq`` the lowest gate that would let it go on (for a
    reader its cursor + 1, for a writer that claims n: claimed + n - capacity); only BLOCKING looks at these.
    """
    if strategy == BACKOFF:
        if spins < REST_COUNT:
            rest(REST_NS)
        elif spins < REST_COUNT + YIELD_COUNT:
            yield_cpu()
        else:
            sleep_ns(min(SLEEP_MIN_NS << min(spins - REST_COUNT - YIELD_COUNT, 6), SLEEP_MAX_NS))
    elif strategy == SPIN or spins < SPIN_COUNT:
        pause()
    elif strategy == YIELD:
        yield_cpu()
    else:
        _block(words, participant, gates_idx, target_seq)
    return spins + 1


@kernel
def wait_until(words, participant, gates_idx, target_seq, strategy, timeout_ns):  # type: ignore[no-untyped-def]
    """Wait until the gates reach ``target_seq``, can never reach it, or the time is up; return the gates."""
    seq = available(words, gates_idx)
    if seq >= target_seq or timeout_ns <= 0:
        return seq
    deadline_ns = clock_ns() + timeout_ns
    spins = np.int64(0)
    while True:
        spins = idle(strategy, spins, words, participant, gates_idx, target_seq)
        seq = available(words, gates_idx)
        if seq >= target_seq or is_over(words, target_seq):
            return seq
        if (spins & (CLOCK_EVERY - 1) == 0 or strategy != SPIN) and clock_ns() >= deadline_ns:
            return seq
