"""Compiled loops of the ring benchmark: throughput, ping-pong and the cost of one cache line.

Slots are rows of int64 words; the record ``seq`` has ``seq + word`` in each word, so that the sum of
everything is known in closed form and a reader that adds up all words proves that it has read all of them.
A loop whose peer is silent for ``STUCK_NS`` gives up with ``STUCK``.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from ringbuffer.atomics import load_acquire, pause, store_release
from ringbuffer.kernel import inlined, kernel
from ringbuffer.layout import cursor_index
from ringbuffer.native import clock_ns
from ringbuffer.sequence import available, publish, release, try_claim
from ringbuffer.wait import REST_NS, idle, rest

STUCK_NS: Final = 20_000_000_000
CLOCK_EVERY: Final = 1 << 12  # fruitless looks between looks at the clock
STUCK: Final = -1
NARROW_WORDS: Final = 8  # widths that the compiler knows, as it knows the fields of a dtype
WIDE_WORDS: Final = 16
NARROW_SUM: Final = NARROW_WORDS * (NARROW_WORDS - 1) // 2  # of the words of a record, less 8 times its seq
WRITER_CURSOR: Final = cursor_index(0)
READER_CURSOR: Final = cursor_index(1)


@inlined
def _is_stuck(looks, start_ns):  # type: ignore[no-untyped-def]
    return looks & (CLOCK_EVERY - 1) == 0 and clock_ns() - start_ns > STUCK_NS


@inlined
def _write(slots, row, seq, width):  # type: ignore[no-untyped-def]
    if width == NARROW_WORDS:
        for word in range(NARROW_WORDS):
            slots[row, word] = seq + word
    else:
        for word in range(WIDE_WORDS):
            slots[row, word] = seq + word


@inlined
def _read(slots, row, width):  # type: ignore[no-untyped-def]
    total = np.int64(0)
    if width == NARROW_WORDS:
        for word in range(NARROW_WORDS):
            total += slots[row, word]
    else:
        for word in range(WIDE_WORDS):
            total += slots[row, word]
    return total


@kernel
def produce(words, slots, local, capacity, count, batch):  # type: ignore[no-untyped-def]
    """Publish ``count`` records in claims of ``batch``; return the nanoseconds that took, or STUCK."""
    width = slots.shape[1]
    mask = capacity - 1
    start_ns = clock_ns()
    sent = np.int64(0)
    looks = np.int64(0)
    while sent < count:
        last_seq = try_claim(words, local, capacity, batch)
        if last_seq < 0:
            rest(REST_NS)
            looks += 1
            if _is_stuck(looks, start_ns):
                return np.int64(STUCK)
            continue
        for seq in range(last_seq - batch + 1, last_seq + 1):
            _write(slots, seq & mask, seq, width)
        publish(words, WRITER_CURSOR, last_seq)
        sent += batch
    return clock_ns() - start_ns


@kernel
def consume(words, slots, capacity, seq, count, strategy, totals):  # type: ignore[no-untyped-def]
    """Read ``count`` records after ``seq``; totals: sum of all words, batches. Return nanoseconds, or STUCK."""
    width = slots.shape[1]
    mask = capacity - 1
    last_seq = seq + count
    total = np.int64(0)
    batches = np.int64(0)
    spins = np.int64(0)
    looks = np.int64(0)
    start_ns = clock_ns()
    while seq < last_seq:
        ready_seq = available(words, np.int64(1))
        if ready_seq == seq:
            spins = idle(strategy, spins, words, np.int64(1), seq + 1)
            looks += 1
            if _is_stuck(looks, start_ns):
                return np.int64(STUCK)
            continue
        spins = np.int64(0)
        for each in range(seq + 1, ready_seq + 1):
            total += _read(slots, each & mask, width)
        seq = ready_seq
        batches += 1
        release(words, READER_CURSOR, seq)
    totals[0] = total
    totals[1] = batches
    return clock_ns() - start_ns


@kernel
def ping(out_words, out_slots, in_words, in_slots, local, samples):  # type: ignore[no-untyped-def]
    """Send a record, wait for its echo, again and again; samples: nanoseconds of each round trip."""
    mask = out_slots.shape[0] - 1
    seq = load_acquire(in_words, WRITER_CURSOR)  # pairs with the echo's publish
    start_ns = clock_ns()
    for index in range(samples.shape[0]):
        sent_ns = clock_ns()
        out_seq = try_claim(out_words, local, out_slots.shape[0], 1)
        if out_seq < 0:
            return np.int64(STUCK)
        _write(out_slots, out_seq & mask, out_seq, NARROW_WORDS)
        publish(out_words, WRITER_CURSOR, out_seq)
        seq += 1
        looks = np.int64(0)
        while available(in_words, np.int64(1)) < seq:
            looks += 1
            if _is_stuck(looks, start_ns):
                return np.int64(STUCK)
        if _read(in_slots, seq & mask, NARROW_WORDS) != NARROW_WORDS * out_seq + NARROW_SUM:
            return np.int64(STUCK)
        release(in_words, READER_CURSOR, seq)
        samples[index] = clock_ns() - sent_ns
    return clock_ns() - start_ns


@kernel
def echo(in_words, in_slots, out_words, out_slots, local, rounds):  # type: ignore[no-untyped-def]
    """Copy each record that comes into the other ring; return nanoseconds, or STUCK."""
    mask = out_slots.shape[0] - 1
    seq = load_acquire(in_words, READER_CURSOR)  # our own: nobody else writes it
    start_ns = clock_ns()
    for _ in range(rounds):
        seq += 1
        looks = np.int64(0)
        while available(in_words, np.int64(1)) < seq:
            looks += 1
            if _is_stuck(looks, start_ns):
                return np.int64(STUCK)
        out_seq = try_claim(out_words, local, out_slots.shape[0], 1)
        if out_seq < 0:
            return np.int64(STUCK)
        for word in range(NARROW_WORDS):
            out_slots[out_seq & mask, word] = in_slots[seq & mask, word]
        publish(out_words, WRITER_CURSOR, out_seq)
        release(in_words, READER_CURSOR, seq)
    return clock_ns() - start_ns


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
