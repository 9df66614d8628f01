"""Compiled loops of the ring benchmark that take times: ping-pong, wakeups, the bare flag, pauses of the host.

The ping-pong record ``seq`` has ``seq + word`` in each of its words; how many there are is the length of ``lane``.
The flag is two cache lines that two processes store in turn: the least that any exchange between their cores takes.

Failure modes: a loop that finds nothing for a long time gives up with ``STUCK``, as in
:mod:`benchmarks.ring_kernels`.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from benchmarks.ring_kernels import DONE, STUCK, STUCK_NS, WRITER_CURSOR, is_stuck, read_record
from ringbuffer.atomics import load_acquire, store_release
from ringbuffer.kernel import inlined, kernel
from ringbuffer.layout import cursor_index
from ringbuffer.native import clock_ns
from ringbuffer.sequence import available, publish, release, try_claim
from ringbuffer.wait import idle, rest, ring_bells, rings_bells

READER_CURSOR: Final = cursor_index(1)


@inlined
def _write(flat, lane, row, seq):  # type: ignore[no-untyped-def]
    base = row * len(lane)
    for word in range(len(lane)):
        flat[base + word] = seq + word


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
            if is_stuck(looks, start_ns):
                return np.int64(STUCK)
        if read_record(in_flat, lane, seq & mask) != len(lane) * out_seq + len(lane) * (len(lane) - 1) // 2:
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
            if is_stuck(looks, start_ns):
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
            if is_stuck(looks, start_ns):
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
                if is_stuck(looks, start_ns):
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
            if is_stuck(looks, start_ns):
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
