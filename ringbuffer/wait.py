"""What a participant does when it finds nothing: strategies from lowest latency to lowest load.

======== ==== =============================================================== =======================
name     code on nothing found                                                 for
======== ==== =============================================================== =======================
busy     0    look again at once                                               a core of its own
spin     1    pause                                                            a core, and a neighbour on it
yield    2    100 pauses, then sched_yield                                     cores are shared
backoff  3    10 rests of about 2 us, 10 yields, then sleeps of 1 to 50 us     throughput, some load
phased   4    100 pauses, 100 yields, then sleeps of 50 us                     bursts
sleep    5    100 sleeps of 50 us, then of 5 ms                                low load, no bells
blocking 6    100 pauses, then a futex wait of at most 5 ms                    mostly idle
======== ==== =============================================================== =======================

A wait that ends after a time, and says so, is any of these with a ``timeout``.

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

from ringbuffer.atomics import fence, fetch_add, load_acquire, pause, store_release
from ringbuffer.kernel import inlined, kernel
from ringbuffer.layout import (
    H_CAPACITY,
    H_PARTICIPANTS,
    H_READERS,
    H_STATE,
    H_STATES,
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
from ringbuffer.multi import end_of_claims, is_published
from ringbuffer.native import clock_ns, futex_wait, futex_wake, sleep_ns, yield_cpu
from ringbuffer.sequence import available

__all__ = [
    "BACKOFF",
    "BLOCKING",
    "BUSY",
    "LONG_IDLE",
    "PHASED",
    "SLEEP",
    "SPIN",
    "STRATEGIES",
    "YIELD",
    "announce_bells",
    "idle",
    "is_over",
    "reachable",
    "rest",
    "ring_bell",
    "ring_bells",
    "rings_bells",
    "wait_until",
]

BUSY: Final = 0
SPIN: Final = 1
YIELD: Final = 2
BACKOFF: Final = 3
PHASED: Final = 4
SLEEP: Final = 5
BLOCKING: Final = 6
STRATEGIES: Final = {
    "busy": BUSY,
    "spin": SPIN,
    "yield": YIELD,
    "backoff": BACKOFF,
    "phased": PHASED,
    "sleep": SLEEP,
    "blocking": BLOCKING,
}

SPIN_COUNT: Final = 100  # pauses before anything that costs a system call
REST_COUNT: Final = 10
REST_NS: Final = 2_000
PAUSES_PER_CLOCK: Final = 8  # one pause takes 15 to 50 ns, depending on the processor
YIELD_COUNT: Final = 10
PHASED_YIELDS: Final = 100
SLEEP_COUNT: Final = 100
LONG_SLEEP_NS: Final = 5_000_000  # after about 10 ms of nothing; under a hundredth of a core
LONG_IDLE: Final = 1 << 10  # fruitless looks after which all strategies are at their last stage
SLEEP_MIN_NS: Final = 1_000
SLEEP_MAX_NS: Final = 50_000
BLOCK_MAX_NS: Final = 5_000_000
CLOCK_EVERY: Final = 64  # a power of two: fruitless looks without a system call between looks at the clock
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
    if load_acquire(words, H_STATE) == STATE_OPEN:
        return False
    if words[H_STATES] != 0:
        return end_of_claims(words, words[H_CAPACITY]) < target_seq
    return load_acquire(words, WRITER_CURSOR) < target_seq  # pairs with store_release in publish


@inlined
def rest(duration_ns):  # type: ignore[no-untyped-def]
    """Pause for about ``duration_ns`` without looking at any cursor."""
    until_ns = clock_ns() + duration_ns
    while clock_ns() < until_ns:
        for _ in range(PAUSES_PER_CLOCK):
            pause()


@inlined
def reachable(words, participant, target_seq):  # type: ignore[no-untyped-def]
    """Return the gates of ``participant``, or less than ``target_seq`` while that is claimed, not published.

    Several producers bound their readers by no cursor. A reader of theirs asks for the first sequence of the
    next claim; what it gets through other readers was published before.
    """
    seq = available(words, participant)
    if seq >= target_seq and words[H_STATES] != 0 and participant <= words[H_READERS]:
        gates = words[HEADER_WORDS + PARTICIPANT_WORDS * participant + P_GATES]
        if gates == 1 << WRITER and not is_published(words, target_seq, words[H_CAPACITY]):
            return target_seq - 1
    return seq


@inlined
def _block(words, participant, target_seq):  # type: ignore[no-untyped-def]
    """Wait for the bell of ``participant`` unless ``target_seq`` is reachable; at most BLOCK_MAX_NS."""
    base = HEADER_WORDS + PARTICIPANT_WORDS * participant
    signal = load_acquire(words, base + P_SIGNAL)  # before the last look: a bell after it is not slept over
    store_release(words, base + P_WAITING, 1)  # pairs with load_acquire in ring_bell
    fence()  # our announcement first, then their cursors; pairs with the fence in ring_bell
    if reachable(words, participant, target_seq) < target_seq and not is_over(words, target_seq):
        futex_wait(words, base + P_SIGNAL, signal, BLOCK_MAX_NS)
    store_release(words, base + P_WAITING, 0)  # a bell more or less now costs a system call, no more


@inlined
def idle(strategy, spins, words, participant, target_seq):  # type: ignore[no-untyped-def]
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
    elif strategy == SLEEP:
        sleep_ns(SLEEP_MAX_NS if spins < SLEEP_COUNT else LONG_SLEEP_NS)
    elif strategy == SPIN or (strategy != BUSY and spins < SPIN_COUNT):
        pause()
    elif strategy == YIELD or (strategy == PHASED and spins < SPIN_COUNT + PHASED_YIELDS):
        yield_cpu()
    elif strategy == PHASED:
        sleep_ns(SLEEP_MAX_NS)
    elif strategy == BLOCKING:
        _block(words, participant, target_seq)
    return spins + 1


@kernel
def wait_until(words, participant, target_seq, strategy, timeout_ns, spins):  # type: ignore[no-untyped-def]
    """Wait until ``target_seq`` is reachable, can never be, or the time is up; return how far it is.

    ``spins`` is 0, or ``LONG_IDLE`` for one who goes on with a wait that has lasted, and need not begin with haste.
    """
    seq = reachable(words, participant, target_seq)
    if seq >= target_seq or timeout_ns <= 0:
        return seq
    deadline_ns = clock_ns() + timeout_ns
    while True:
        spins = idle(strategy, spins, words, participant, target_seq)
        seq = reachable(words, participant, target_seq)
        if seq >= target_seq or is_over(words, target_seq):
            return seq
        if (spins & (CLOCK_EVERY - 1) == 0 or strategy > SPIN) and clock_ns() >= deadline_ns:
            return seq
