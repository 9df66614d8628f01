"""Litmus tests between two processes: each outcome of a few accesses, counted over hundreds of thousands of rounds.

As in jcstress each test has a table of outcomes: those that may be seen, those that must not. Both processes run
the same rounds over the same pages without waiting for each other, except at the start of each pass, so that
they race all along. A litmus test can find a missing barrier; it cannot prove that none is missing. On x86
only the store buffer shows (the outcome that is allowed without a fence), the others bind the compiler.
"""

from __future__ import annotations

import uuid
from collections import Counter
from typing import Any, Final, NamedTuple

import numpy as np
import pytest

from ringbuffer.atomics import compare_exchange, fence, load_acquire, pause, store_release
from ringbuffer.kernel import kernel
from ringbuffer.layout import cursor_index
from ringbuffer.multi import claim_shared, new_sharer, publish_shared
from ringbuffer.native import clock_ns, yield_cpu
from ringbuffer.ring import Ring
from ringbuffer.sequence import available, new_local, publish, release, try_claim
from tests.ringbuffer.peers import CONTEXT, DEADLINE_S, RECORD, STUCK_NS, as_words, join, process

ROUNDS: Final = 2048  # of one pass
STEP: Final = 16  # words from round to round: two cells, 64 bytes apart
MEET: Final = ROUNDS * STEP  # where the two sides meet before a pass
SPINS: Final = 64
WRITER_CURSOR: Final = cursor_index(0)
READER_CURSOR: Final = cursor_index(1)

MESSAGE: Final = 0
BUFFER_FENCED: Final = 1
BUFFER: Final = 2
LOAD_BUFFER: Final = 3
COHERENCE: Final = 4
EXCHANGE: Final = 5
PUBLISHED: Final = 6


@kernel
def meet(cells, side, turn):  # type: ignore[no-untyped-def]
    """Wait until the other side has come to this pass; 0, or -1 after the deadline."""
    store_release(cells, MEET + STEP * side, turn)  # pairs with the load_acquire below, of the other side
    start_ns = clock_ns()
    spins = np.int64(0)
    while load_acquire(cells, MEET + STEP * (1 - side)) < turn:
        spins += 1
        if spins < SPINS:
            pause()
        else:
            yield_cpu()
            if clock_ns() - start_ns > STUCK_NS:
                return np.int64(-1)
    return np.int64(0)


@kernel
def play(cells, words, kind, side, passes, seen):  # type: ignore[no-untyped-def]
    """Play one side; ``seen`` gets what it saw in each round: a bit for each load, or for a success."""
    for turn in range(1, passes + 1):
        if meet(cells, side, turn) < 0:
            return np.int64(-1)
        for index in range(ROUNDS):
            x, y = STEP * index, STEP * index + STEP // 2
            at = (turn - 1) * ROUNDS + index
            if kind == MESSAGE:
                if side == 0:
                    cells[x] = turn
                    store_release(cells, y, turn)  # pairs with the load_acquire of the other side
                else:
                    flag = load_acquire(cells, y) == turn
                    seen[at] = 2 * flag + (cells[x] == turn)
            elif kind == BUFFER_FENCED or kind == BUFFER:
                mine, other = (x, y) if side == 0 else (y, x)
                store_release(cells, mine, turn)
                if kind == BUFFER_FENCED:
                    fence()
                seen[at] = load_acquire(cells, other) == turn
            elif kind == LOAD_BUFFER:
                mine, other = (x, y) if side == 0 else (y, x)
                seen[at] = load_acquire(cells, other) == turn
                store_release(cells, mine, turn)
            elif kind == COHERENCE:
                if side == 0:
                    store_release(cells, x, turn)
                else:
                    first = load_acquire(cells, x) == turn
                    seen[at] = 2 * first + (load_acquire(cells, x) == turn)
            elif kind == EXCHANGE:
                seen[at] = compare_exchange(cells, x, turn - 1, turn)
            elif kind == PUBLISHED:
                seq = at + 1
                if side == 0:
                    cells[x] = seq
                    publish(words, WRITER_CURSOR, seq)
                else:
                    flag = available(words, np.int64(1)) >= seq
                    seen[at] = 2 * flag + (cells[x] == seq)
    return np.int64(0)


class Litmus(NamedTuple):
    """A test: what it is, and which outcomes there may be. An outcome is (what side 0 saw, what side 1 saw)."""

    kind: int
    allowed: frozenset[tuple[int, int]]
    forbidden: frozenset[tuple[int, int]]


def _pairs(*pairs: tuple[int, int]) -> frozenset[tuple[int, int]]:
    return frozenset(pairs)


LITMUS: Final = {
    # x = 1; y =release 1                || r1 =acquire y; r2 = x       saw 2 * r1 + r2
    "message passing": Litmus(MESSAGE, _pairs((0, 0), (0, 1), (0, 3)), _pairs((0, 2))),
    # slot = n; publish n                || available >= n; slot        the same, by the protocol's functions
    "record before cursor": Litmus(PUBLISHED, _pairs((0, 0), (0, 1), (0, 3)), _pairs((0, 2))),
    # x = 1; fence; r1 = y               || y = 1; fence; r2 = x
    "store buffer, fenced": Litmus(BUFFER_FENCED, _pairs((0, 1), (1, 0), (1, 1)), _pairs((0, 0))),
    # x = 1; r1 = y                      || y = 1; r2 = x               the processor may keep both stores back
    "store buffer": Litmus(BUFFER, _pairs((0, 0), (0, 1), (1, 0), (1, 1)), _pairs()),
    # r1 = y; x = 1                      || r2 = x; y = 1
    "load buffer": Litmus(LOAD_BUFFER, _pairs((0, 0), (0, 1), (1, 0)), _pairs((1, 1))),
    # x = 1                              || r1 = x; r2 = x              saw 2 * r1 + r2
    "coherence": Litmus(COHERENCE, _pairs((0, 0), (0, 1), (0, 3)), _pairs((0, 2))),
    # exchange x 0 -> 1                  || exchange x 0 -> 1
    "exchange": Litmus(EXCHANGE, _pairs((0, 1), (1, 0)), _pairs((0, 0), (1, 1))),
}


def run_side(name: str, kind: int, passes: int, results: Any) -> None:
    """Play side 1 and report what it saw."""
    with Ring.attach(name, RECORD) as ring:
        seen = np.zeros(passes * ROUNDS, np.int64)
        code = play(as_words(ring).reshape(-1), ring.words, kind, 1, passes, seen)
        results.put((int(code), seen.astype(np.int8)))


def outcomes(kind: int, passes: int) -> Counter[tuple[int, int]]:
    """Play a test with another process and return how often each outcome was seen."""
    results = CONTEXT.Queue()
    capacity = 2 * ROUNDS * STEP // (RECORD.itemsize // 8)
    with (
        Ring.create(f"test-{uuid.uuid4().hex[:12]}", capacity, RECORD, {"reader": ()}) as ring,
        process(run_side, ring.name, kind, passes, results) as child,
    ):
        seen = np.zeros(passes * ROUNDS, np.int64)
        assert int(play(as_words(ring).reshape(-1), ring.words, kind, 0, passes, seen)) == 0
        code, seen_there = results.get(timeout=DEADLINE_S)
        join(child)
    assert code == 0
    pairs, counts = np.unique(seen * 4 + seen_there, return_counts=True)
    return Counter(
        {(int(pair) >> 2, int(pair) & 3): int(count) for pair, count in zip(pairs, counts, strict=True)}
    )


@pytest.mark.parametrize("name", LITMUS)
def test_forbidden_outcomes_are_never_seen(name: str) -> None:
    """In half a million rounds of each test only the outcomes of its table occur."""
    _check(name, 256)


@pytest.mark.slow
@pytest.mark.parametrize("name", LITMUS)
def test_forbidden_outcomes_are_never_seen_in_many_rounds(name: str) -> None:
    """The same in ten million rounds."""
    _check(name, 5000)


def _check(name: str, passes: int) -> None:
    litmus = LITMUS[name]
    seen = outcomes(litmus.kind, passes)
    assert sum(seen.values()) == passes * ROUNDS
    wrong = {outcome: count for outcome, count in seen.items() if outcome in litmus.forbidden}
    assert wrong == {}, f"{name}: expected none of {sorted(litmus.forbidden)}, was {wrong} of {seen}"
    assert set(seen) <= litmus.allowed, f"{name}: expected only {sorted(litmus.allowed)}, was {seen}"


# -- the observer's sequence lock -----------------------------------------------------------------------------


@kernel
def write_flat_out(words, slots, capacity, local, is_shared, count, most):  # type: ignore[no-untyped-def]
    """Publish ``count`` records in claims of 1 to ``most``, and release them at once for the only reader."""
    sent = np.int64(0)
    n = np.int64(1)
    while sent < count:
        n = min(n % most + 1, count - sent)
        last = claim_shared(words, local, capacity, n) if is_shared else try_claim(words, local, capacity, n)
        if last < 0:
            return sent
        for seq in range(last - n + 1, last + 1):
            for word in range(slots.shape[1]):
                slots[seq & (capacity - 1), word] = seq
        if is_shared:
            publish_shared(words, local, capacity)
        else:
            publish(words, WRITER_CURSOR, last)
        release(words, READER_CURSOR, last)
        sent += n
        if sent & 1023 < n:
            yield_cpu()
    return sent


def run_writer(name: str, count: int, results: Any) -> None:
    """Write at full speed and end the stream."""
    with Ring.attach(name, RECORD) as ring, ring.producer() as producer:
        shared = producer._participant != 0
        local = new_sharer(ring.words, producer._participant) if shared else new_local(ring.words)
        results.put(
            int(write_flat_out(ring.words, as_words(ring), ring.capacity, local, int(shared), count, 5))
        )


@pytest.mark.parametrize("producers", [1, 2])
def test_an_observer_of_a_writer_at_full_speed_sees_whole_records(producers: int) -> None:
    """Of half a million records that fly by, each one seen is whole, in order, and the others are counted."""
    count = 500_000
    results = CONTEXT.Queue()
    with Ring.create(
        f"test-{uuid.uuid4().hex[:12]}", 64, RECORD, {"reader": ()}, producers=producers, observable=True
    ) as ring:
        observer = ring.observe(batch=32)
        seen = missed = torn = 0
        with process(run_writer, ring.name, count, results) as child:
            for observed in observer.batches(timeout=DEADLINE_S):
                numbers = np.arange(observed.first_seq, observed.first_seq + len(observed.records))
                torn += int((observed.records["seq"] != numbers).sum())
                torn += int((observed.records["copy"] != numbers[:, None]).sum())
                seen += len(observed.records)
                missed += observed.missed
            assert results.get(timeout=DEADLINE_S) == count
            join(child)
    assert torn == 0
    assert seen + missed == count
    assert seen > 0
