"""Compiled loops of the ring benchmark: throughput, ping-pong and the cost of one cache line.

Slots are rows of int64 words; record ``seq`` has ``seq + word`` in each word, so that the sum of everything
is known in closed form and a reader that adds up all words proves that it read all of them.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from ringbuffer.atomics import load_acquire, store_release
from ringbuffer.kernel import inlined, kernel
from ringbuffer.native import clock_ns
from ringbuffer.sequence import available, publish, release, try_claim
from ringbuffer.wait import idle, rest

STUCK_NS: Final = 20_000_000_000  # a peer that is silent for so long is gone
CLOCK_EVERY: Final = 1 << 16
NARROW_WORDS: Final = 8  # known to the compiler, as the fields of a dtype are, so that it unrolls
WIDE_WORDS: Final = 16
DONE: Final = 0
STUCK: Final = -1


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
def produce(words, slots, local, gates_idx, cursor_index, capacity, count, batch):  # type: ignore[no-untyped-def]
    """Publish ``count`` records in claims of ``batch``; return the nanoseconds, or STUCK."""
    width = slots.shape[1]
    mask = capacity - 1
    start_ns = clock_ns()
    sent = np.int64(0)
    looks = np.int64(0)
    while sent < count:
        last_seq = try_claim(words, local, gates_idx, capacity, batch)
        if last_seq < 0:
            rest(4)
            looks += 1
            if looks & (CLOCK_EVERY - 1) == 0 and clock_ns() - start_ns > STUCK_NS:
                return np.int64(STUCK)
            continue
        for seq in range(last_seq - batch + 1, last_seq + 1):
            _write(slots, seq & mask, seq, width)
        publish(words, cursor_index, last_seq)
        sent += batch
    return clock_ns() - start_ns


@kernel
def consume(words, slots, gates_idx, cursor_index, participant, capacity, seq, count, strategy, totals):  # type: ignore[no-untyped-def]
    """Read ``count`` records after ``seq``, all words of them; totals: sum, batches. Return DONE or STUCK."""
    width = slots.shape[1]
    mask = capacity - 1
    last = seq + count
    total = np.int64(0)
    batches = np.int64(0)
    spins = np.int64(0)
    start_ns = clock_ns()
    looks = np.int64(0)
    while seq < last:
        ready = available(words, gates_idx)
        if ready == seq:
            spins = idle(strategy, spins, words, participant, gates_idx, seq + 1)
            looks += 1
            if looks & (CLOCK_EVERY - 1) == 0 and clock_ns() - start_ns > STUCK_NS:
                return np.int64(STUCK)
            continue
        spins = np.int64(0)
        for each in range(seq + 1, ready + 1):
            total += _read(slots, each & mask, width)
        seq = ready
        batches += 1
        release(words, cursor_index, seq)
    totals[0] = total
    totals[1] = batches
    return np.int64(DONE)


@kernel
def ping(words, index_out, index_in, rounds, samples):  # type: ignore[no-untyped-def]
    """Bounce a number ``rounds`` times over two cache lines; samples: ns of each block of rounds. DONE or STUCK."""
    block = rounds // samples.shape[0]
    value = load_acquire(words, index_in)
    for index in range(samples.shape[0]):
        start_ns = clock_ns()
        for _ in range(block):
            value += 1
            store_release(words, index_out, value)
            looks = np.int64(0)
            while load_acquire(words, index_in) != value:
                looks += 1
                if looks & (CLOCK_EVERY - 1) == 0 and clock_ns() - start_ns > STUCK_NS:
                    return np.int64(STUCK)
        samples[index] = (clock_ns() - start_ns) / block
    return np.int64(DONE)


@kernel
def pong(words, index_in, index_out, rounds):  # type: ignore[no-untyped-def]
    """Answer ``rounds`` numbers; return DONE or STUCK."""
    value = load_acquire(words, index_out)
    start_ns = clock_ns()
    for _ in range(rounds):
        value += 1
        looks = np.int64(0)
        while load_acquire(words, index_in) != value:
            looks += 1
            if looks & (CLOCK_EVERY - 1) == 0 and clock_ns() - start_ns > STUCK_NS:
                return np.int64(STUCK)
        store_release(words, index_out, value)
    return np.int64(DONE)
