"""Compiled loops of the ring benchmark: producers, readers, ping-pong, wakeups, and the cost of one cache line.

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

from ringbuffer.atomics import fetch_add, load_acquire, pause, store_release
from ringbuffer.kernel import inlined, kernel
from ringbuffer.layout import HEADER_WORDS, PARTICIPANT_WORDS, cursor_index
from ringbuffer.multi import R_SEQ, claim_shared, publish_shared, readable
from ringbuffer.native import clock_ns, prefetch, yield_cpu
from ringbuffer.sequence import L_NEXT, available, prefetch_slot, publish, release, try_claim
from ringbuffer.wait import REST_NS, idle, rest, ring_bells, rings_bells

STUCK_NS: Final = 20_000_000_000
CLOCK_EVERY: Final = 1 << 12  # fruitless looks between looks at the clock
DONE: Final = 0
STUCK: Final = -1
READ_AHEAD: Final = 4  # slots that a reader asks for before it reads them
WRITER_CURSOR: Final = cursor_index(0)
READER_CURSOR: Final = cursor_index(1)

# What a loop puts into ``out``.
OUT_WORDS: Final = 4
OUT_START: Final = 0  # nanoseconds of the monotonic clock, the same for all processes
OUT_END: Final = 1
OUT_TOTAL: Final = 2  # the sum of all words that were read
OUT_BATCHES: Final = 3


@inlined
def _is_stuck(looks, start_ns):  # type: ignore[no-untyped-def]
    return looks & (CLOCK_EVERY - 1) == 0 and clock_ns() - start_ns > STUCK_NS


@inlined
def _after(at, source):  # type: ignore[no-untyped-def]
    """Return the index of the next record to send."""
    return at + 1 if at + 1 < source.shape[0] else 0


@inlined
def _write(flat, lane, row, seq):  # type: ignore[no-untyped-def]
    base = row * len(lane)
    for word in range(len(lane)):
        flat[base + word] = seq + word


@inlined
def _read(flat, lane, row):  # type: ignore[no-untyped-def]
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
        if _is_stuck(spins, start_ns):
            return np.int64(STUCK)


@kernel
def _claim_shared_later(words, local, capacity, participant, strategy):  # type: ignore[no-untyped-def]
    """Claim a sequence as one of several producers when there is room; return it, or STUCK."""
    start_ns = clock_ns()
    spins = np.int64(0)
    while True:
        target_seq = (
            load_acquire(words, WRITER_CURSOR) + 1 - capacity
        )  # pairs with claim_shared of the others
        spins = idle(strategy, spins, words, participant, target_seq)
        seq = claim_shared(words, local, capacity, 1)
        if seq >= 0:
            return seq
        if _is_stuck(spins, start_ns):
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
        if _is_stuck(spins, start_ns):
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
        if _is_stuck(spins, start_ns):
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
        if _is_stuck(looks, start_ns):
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
            total += _read(flat, lane, each & mask)
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
            total += _read(flat, lane, each & mask)
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
def ping(out_words, out_flat, in_words, in_flat, lane, local, samples):  # type: ignore[no-untyped-def]
    """Send a record, wait for its echo, again and again; samples: nanoseconds of each round trip."""
    capacity = out_flat.shape[0] // len(lane)
    mask = capacity - 1
    seq = load_acquire(in_words, READER_CURSOR)  # our own
    start_ns = clock_ns()
    for index in range(samples.shape[0]):
        sent_ns = clock_ns()
        out_seq = try_claim(out_words, local, capacity, 1)
        if out_seq < 0:
            return np.int64(STUCK)
        _write(out_flat, lane, out_seq & mask, out_seq)
        publish(out_words, WRITER_CURSOR, out_seq)
        seq += 1
        looks = np.int64(0)
        while available(in_words, np.int64(1)) < seq:
            looks += 1
            if _is_stuck(looks, start_ns):
                return np.int64(STUCK)
        if _read(in_flat, lane, seq & mask) != len(lane) * out_seq + len(lane) * (len(lane) - 1) // 2:
            return np.int64(STUCK)
        release(in_words, READER_CURSOR, seq)
        samples[index] = clock_ns() - sent_ns
    return np.int64(DONE)


@kernel
def echo(in_words, in_flat, out_words, out_flat, lane, local, rounds):  # type: ignore[no-untyped-def]
    """Copy each record that comes into the other ring."""
    capacity = out_flat.shape[0] // len(lane)
    mask = capacity - 1
    seq = load_acquire(in_words, READER_CURSOR)  # our own: nobody else writes it
    start_ns = clock_ns()
    for _ in range(rounds):
        seq += 1
        looks = np.int64(0)
        while available(in_words, np.int64(1)) < seq:
            looks += 1
            if _is_stuck(looks, start_ns):
                return np.int64(STUCK)
        out_seq = try_claim(out_words, local, capacity, 1)
        if out_seq < 0:
            return np.int64(STUCK)
        to, from_ = (out_seq & mask) * len(lane), (seq & mask) * len(lane)
        for word in range(len(lane)):
            out_flat[to + word] = in_flat[from_ + word]
        publish(out_words, WRITER_CURSOR, out_seq)
        release(in_words, READER_CURSOR, seq)
    return np.int64(DONE)


@kernel
def tick(words, flat, local, gap_ns, count):  # type: ignore[no-untyped-def]
    """Publish the clock ``count`` times, ``gap_ns`` to twice that apart, and wake who blocks."""
    mask = flat.shape[0] - 1
    noise = np.int64(1)
    start_ns = clock_ns()
    for _ in range(count):
        noise = (noise * 16807) % 2147483647  # Park and Miller's generator
        rest(gap_ns + noise % gap_ns)
        seq = try_claim(words, local, flat.shape[0], 1)
        if seq < 0 or clock_ns() - start_ns > STUCK_NS:
            return np.int64(STUCK)
        flat[seq & mask] = clock_ns()
        publish(words, WRITER_CURSOR, seq)
        if rings_bells(words):
            ring_bells(words, np.int64(0))
    return np.int64(DONE)


@kernel
def wake(words, flat, strategy, samples):  # type: ignore[no-untyped-def]
    """Wait for each record by ``strategy``; samples: nanoseconds from before its publication until it was seen."""
    mask = flat.shape[0] - 1
    seq = load_acquire(words, READER_CURSOR)  # our own
    start_ns = clock_ns()
    for index in range(samples.shape[0]):
        seq += 1
        spins = np.int64(0)
        looks = np.int64(0)
        while available(words, np.int64(1)) < seq:
            spins = idle(strategy, spins, words, np.int64(1), seq)
            looks += 1
            if _is_stuck(looks, start_ns):
                return np.int64(STUCK)
        samples[index] = clock_ns() - flat[seq & mask]
        release(words, READER_CURSOR, seq)
    return np.int64(DONE)


@kernel
def probe(cells, out_index, in_index, samples, block):  # type: ignore[no-untyped-def]
    """Bounce a number over two cache lines; samples: nanoseconds a round trip, over ``block`` of them each."""
    start_ns = clock_ns()
    value = load_acquire(cells, in_index)  # pairs with store_release in answer
    for index in range(samples.shape[0]):
        block_ns = clock_ns()
        for _ in range(block):
            value += 1
            store_release(cells, out_index, value)  # pairs with load_acquire in answer
            looks = np.int64(0)
            while load_acquire(cells, in_index) != value:
                looks += 1
                if _is_stuck(looks, start_ns):
                    return np.int64(STUCK)
        samples[index] = (clock_ns() - block_ns) // block
    return clock_ns() - start_ns


@kernel
def answer(cells, in_index, out_index, rounds):  # type: ignore[no-untyped-def]
    """Send back each number that comes; return nanoseconds, or STUCK."""
    start_ns = clock_ns()
    value = load_acquire(cells, out_index)  # our own
    for _ in range(rounds):
        value += 1
        looks = np.int64(0)
        while load_acquire(cells, in_index) != value:
            looks += 1
            if _is_stuck(looks, start_ns):
                return np.int64(STUCK)
        store_release(cells, out_index, value)  # pairs with load_acquire in probe
    return clock_ns() - start_ns


@kernel
def watch_pauses(pauses, least_ns, duration_ns):  # type: ignore[no-untyped-def]
    """Read the clock for ``duration_ns``; put gaps of ``least_ns`` and more into ``pauses``, return how many."""
    count = np.int64(0)
    last_ns = clock_ns()
    end_ns = last_ns + duration_ns
    while last_ns < end_ns:
        now_ns = clock_ns()
        if now_ns - last_ns >= least_ns and count < pauses.shape[0]:
            pauses[count] = now_ns - last_ns
            count += 1
        last_ns = now_ns
    return count


@kernel
def time_rest():  # type: ignore[no-untyped-def]
    """Return the nanoseconds of one rest of a backed-off reader."""
    pause()
    start_ns = clock_ns()
    for _ in range(100):
        rest(REST_NS)
    return (clock_ns() - start_ns) // 100
