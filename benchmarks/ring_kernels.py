"""Compiled loops of the ring benchmark: producers and readers, one by one and in batches.

Producers copy records from a short list, ``source``, over and over: assigning a record is what the compiler turns
into the fewest stores, and how many stores fit into the store buffer is what limits one who publishes one by one
(eight stores of a word each are a third slower). The list is not as long as any ring divides, so that what an earlier
lap left in a slot is not what belongs there. Readers see the slots as one run of int64 words and add up all of them;
how many make a record is the length of the tuple ``lane``, which the compiler knows. ``out`` receives what a loop has
to say, at the ``OUT_`` indexes.

Failure modes: a loop that finds nothing for ``STUCK_NS`` gives up with ``STUCK``.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from ringbuffer.atomics import fetch_add, load_acquire, pause
from ringbuffer.kernel import inlined, kernel
from ringbuffer.layout import HEADER_WORDS, PARTICIPANT_WORDS, cursor_index
from ringbuffer.multi import R_SEQ, claim_shared, publish_shared, readable
from ringbuffer.native import clock_ns, prefetch, yield_cpu
from ringbuffer.sequence import L_NEXT, available, prefetch_slot, publish, release, try_claim
from ringbuffer.wait import idle, ring_bells, rings_bells

STUCK_NS: Final = 20_000_000_000
CLOCK_EVERY: Final = 1 << 12  # fruitless looks between looks at the clock
DONE: Final = 0
STUCK: Final = -1
READ_AHEAD: Final = 4  # slots that a reader asks for before it reads them
WRITER_CURSOR: Final = cursor_index(0)

# What a loop puts into ``out``.
OUT_WORDS: Final = 4
OUT_START: Final = 0  # nanoseconds of the monotonic clock, the same for all processes
OUT_END: Final = 1
OUT_TOTAL: Final = 2  # the sum of all words that were read
OUT_BATCHES: Final = 3


@inlined
def is_stuck(looks, start_ns):  # type: ignore[no-untyped-def]
    """Tell whether it is time to give up; a look at the clock now and then."""
    return looks & (CLOCK_EVERY - 1) == 0 and clock_ns() - start_ns > STUCK_NS


@inlined
def _after(at, source):  # type: ignore[no-untyped-def]
    """Return the index of the next record to send."""
    return at + 1 if at + 1 < source.shape[0] else 0


@inlined
def read_record(flat, lane, row):  # type: ignore[no-untyped-def]
    """Return the sum of the words of a record."""
    base = row * len(lane)
    total = np.int64(0)
    for word in range(len(lane)):
        total += flat[base + word]
    return total


@kernel
def _claim_later(words, local, capacity, n, strategy):  # type: ignore[no-untyped-def]
    """Claim ``n`` sequences when there is room for them; return the last, or STUCK. Kept out of the hot loops."""
    start_ns = clock_ns()
    spins = np.int64(0)
    while True:
        spins = idle(strategy, spins, words, np.int64(0), local[L_NEXT] + n - capacity)
        seq = try_claim(words, local, capacity, n)
        if seq >= 0:
            return seq
        if is_stuck(spins, start_ns):
            return np.int64(STUCK)


@kernel
def _claim_shared_later(words, local, capacity, participant, strategy):  # type: ignore[no-untyped-def]
    """Claim a sequence as one of several producers when there is room; return it, or STUCK."""
    start_ns = clock_ns()
    spins = np.int64(0)
    while True:
        spins = idle(strategy, spins, words, participant, local[L_NEXT] + 1 - capacity)
        seq = claim_shared(words, local, capacity, 1)
        if seq >= 0:
            return seq
        if is_stuck(spins, start_ns):
            return np.int64(STUCK)


@kernel
def _await(words, participant, seq, strategy):  # type: ignore[no-untyped-def]
    """Return how far a reader may read when that is beyond ``seq``, or STUCK."""
    start_ns = clock_ns()
    spins = np.int64(0)
    while True:
        spins = idle(strategy, spins, words, participant, seq + 1)
        ready_seq = available(words, participant)
        if ready_seq > seq:
            return ready_seq
        if is_stuck(spins, start_ns):
            return np.int64(STUCK)


@kernel
def _await_shared(words, local, capacity, participant, seq, strategy):  # type: ignore[no-untyped-def]
    """Return how far a reader of several producers may read when that is beyond ``seq``, or STUCK."""
    start_ns = clock_ns()
    spins = np.int64(0)
    while True:
        spins = idle(strategy, spins, words, participant, seq + 1)
        ready_seq = readable(words, local, capacity, available(words, participant))
        if ready_seq > seq:
            return ready_seq
        if is_stuck(spins, start_ns):
            return np.int64(STUCK)


@kernel
def _ring(words, participant):  # type: ignore[no-untyped-def]
    ring_bells(words, participant)


@kernel
def meet(cells, index, target):  # type: ignore[no-untyped-def]
    """Wait until ``target`` arrivals were counted, this one included; return DONE, or STUCK."""
    fetch_add(cells, index, 1)
    start_ns = clock_ns()
    looks = np.int64(0)
    while load_acquire(cells, index) < target:  # pairs with the fetch_add of the others
        looks += 1
        if looks & 63 == 0:
            yield_cpu()
        if is_stuck(looks, start_ns):
            return np.int64(STUCK)
        pause()
    return np.int64(DONE)


@kernel
def produce(words, slots, source, local, count, strategy, out):  # type: ignore[no-untyped-def]
    """Publish ``count`` records one by one; wait by ``strategy`` where there is no room."""
    capacity = slots.shape[0]
    mask = np.uint64(capacity - 1)
    at = 0
    out[OUT_START] = clock_ns()
    for _ in range(count):
        seq = try_claim(words, local, capacity, 1)
        if seq < 0:
            seq = _claim_later(words, local, capacity, np.int64(1), strategy)
            if seq < 0:
                return np.int64(STUCK)
        prefetch_slot(slots, seq)
        slots[np.uint64(seq) & mask] = source[at]
        at = _after(at, source)
        publish(words, WRITER_CURSOR, seq)
        if rings_bells(words):
            _ring(words, np.int64(0))
    out[OUT_END] = clock_ns()
    return np.int64(DONE)


@kernel
def produce_batches(words, slots, source, local, count, batch, strategy, out):  # type: ignore[no-untyped-def]
    """Publish ``count`` records, a multiple of ``batch``, in claims of that many."""
    capacity = slots.shape[0]
    mask = np.uint64(capacity - 1)
    at = 0
    out[OUT_START] = clock_ns()
    for _ in range(count // batch):
        last_seq = try_claim(words, local, capacity, batch)
        if last_seq < 0:
            last_seq = _claim_later(words, local, capacity, batch, strategy)
            if last_seq < 0:
                return np.int64(STUCK)
        for seq in range(last_seq - batch + 1, last_seq + 1):
            prefetch_slot(slots, seq)
            slots[np.uint64(seq) & mask] = source[at]
            at = _after(at, source)
        publish(words, WRITER_CURSOR, last_seq)
        if rings_bells(words):
            _ring(words, np.int64(0))
    out[OUT_END] = clock_ns()
    return np.int64(DONE)


@kernel
def produce_shared(words, slots, source, local, participant, count, strategy, out):  # type: ignore[no-untyped-def]
    """Publish ``count`` records one by one as one of several producers."""
    capacity = slots.shape[0]
    mask = np.uint64(capacity - 1)
    at = 0
    out[OUT_START] = clock_ns()
    for _ in range(count):
        seq = claim_shared(words, local, capacity, 1)
        if seq < 0:
            seq = _claim_shared_later(words, local, capacity, participant, strategy)
            if seq < 0:
                return np.int64(STUCK)
        slots[np.uint64(seq) & mask] = source[at]
        at = _after(at, source)
        publish_shared(words, local, capacity)
        if rings_bells(words):
            _ring(words, np.int64(0))
    out[OUT_END] = clock_ns()
    return np.int64(DONE)


@kernel
def consume(words, flat, lane, participant, count, strategy, out):  # type: ignore[no-untyped-def]
    """Read ``count`` records as a reader of a ring with one writer, all that there is at a time."""
    mask = flat.shape[0] // len(lane) - 1
    cursor = HEADER_WORDS + PARTICIPANT_WORDS * participant
    seq = load_acquire(words, cursor)  # our own: nobody else writes it
    last_seq = seq + count
    total = np.int64(0)
    batches = np.int64(0)
    out[OUT_START] = clock_ns()
    while seq < last_seq:
        ready_seq = available(words, participant)
        if ready_seq == seq:
            ready_seq = _await(words, participant, seq, strategy)
            if ready_seq < 0:
                return np.int64(STUCK)
        for each in range(seq + 1, ready_seq + 1):
            if len(lane) >= 8:
                prefetch(flat, ((each + READ_AHEAD) & mask) * len(lane))
            total += read_record(flat, lane, each & mask)
        seq = ready_seq
        batches += 1
        release(words, cursor, seq)
        if rings_bells(words):
            _ring(words, participant)
    out[OUT_END] = clock_ns()
    out[OUT_TOTAL] = total
    out[OUT_BATCHES] = batches
    return np.int64(DONE)


@kernel
def consume_shared(words, flat, lane, local, participant, count, strategy, out):  # type: ignore[no-untyped-def]
    """Read ``count`` records of several producers."""
    capacity = flat.shape[0] // len(lane)
    mask = capacity - 1
    cursor = HEADER_WORDS + PARTICIPANT_WORDS * participant
    seq = load_acquire(words, cursor)  # our own: nobody else writes it
    last_seq = seq + count
    total = np.int64(0)
    batches = np.int64(0)
    out[OUT_START] = clock_ns()
    while seq < last_seq:
        local[R_SEQ] = seq
        ready_seq = readable(words, local, capacity, available(words, participant))
        if ready_seq == seq:
            ready_seq = _await_shared(words, local, capacity, participant, seq, strategy)
            if ready_seq < 0:
                return np.int64(STUCK)
        for each in range(seq + 1, ready_seq + 1):
            total += read_record(flat, lane, each & mask)
        seq = ready_seq
        batches += 1
        release(words, cursor, seq)
        if rings_bells(words):
            _ring(words, participant)
    out[OUT_END] = clock_ns()
    out[OUT_TOTAL] = total
    out[OUT_BATCHES] = batches
    return np.int64(DONE)
