"""The kernels of the protocol against a naive model, step by step in one process."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringbuffer import layout
from ringbuffer.layout import MAX_SEQ, cursor_index
from ringbuffer.sequence import (
    L_GATE,
    L_NEXT,
    available,
    free_slots,
    new_local,
    publish,
    release,
    try_claim,
)

pytestmark = pytest.mark.jitoff

STARTS = [0, 1, 2**31 - 3, 2**32 - 3, 2**62, 2**63 - 200]
GRAPHS: list[dict[str, tuple[str, ...]]] = [
    {"only": ()},
    {"a": (), "b": ()},
    {"first": (), "second": ("first",)},
    {"left": (), "right": (), "join": ("left", "right")},
    {"journal": (), "risk": (), "match": ("risk",), "publish": ("match", "journal")},
]


def ring(capacity: int, graph: dict[str, tuple[str, ...]], start_seq: int = 0) -> tuple[Any, Any]:
    """Return the words and slots of a fresh ring of int64."""
    buffer = bytearray(layout.ring_bytes(capacity, 8, 1 + len(graph)))
    words, slots = layout.initialise(buffer, 0, capacity, np.dtype("<i8"), graph, start_seq)
    return words, layout.typed_slots(slots, np.dtype("<i8"))


@given(
    capacity=st.sampled_from([1, 2, 4, 16]),
    graph=st.sampled_from(GRAPHS),
    start_seq=st.sampled_from(STARTS),
    steps=st.lists(st.tuples(st.integers(0, 5), st.integers(1, 17)), max_size=120),
)
def test_any_interleaving_is_a_fifo_for_every_reader(
    capacity: int, graph: dict[str, tuple[str, ...]], start_seq: int, steps: list[tuple[int, int]]
) -> None:
    """Whatever the order of steps, each reader sees each record once, in order, after those it waits for.

    A step is (who, how many): the writer claims, fills and publishes; a reader reads and releases. The naive
    model is one position per participant in one unbounded list.
    """
    words, slots = ring(capacity, graph, start_seq)
    names = ["writer", *graph]
    waits: list[list[int]] = [[]]
    waits += [[names.index(each) for each in wanted] or [0] for wanted in graph.values()]
    position = [start_seq] * len(names)
    local = new_local(words)
    for who, count in steps:
        if who == 0 or who >= len(names):
            slowest = min(position[1:])
            fits = position[0] + count - slowest <= capacity and position[0] + count <= MAX_SEQ
            last_seq = int(try_claim(words, local, capacity, count))
            assert last_seq == (position[0] + count if fits else -1)
            for seq in range(position[0] + 1, last_seq + 1):
                slots[seq & (capacity - 1)] = seq
            if fits:
                publish(words, cursor_index(0), last_seq)
                position[0] = last_seq
        else:
            ready = int(available(words, who))
            assert ready == min(position[gate] for gate in waits[who])
            upto = min(ready, position[who] + count)
            for seq in range(position[who] + 1, upto + 1):
                assert int(slots[seq & (capacity - 1)]) == seq
            release(words, cursor_index(who), upto)
            position[who] = upto
        assert int(free_slots(words, local, capacity)) <= capacity - (position[0] - min(position))
        assert [int(words[cursor_index(p)]) for p in range(len(names))] == position


@pytest.mark.parametrize("start_seq", STARTS)
def test_a_full_ring_refuses_and_claims_nothing(start_seq: int) -> None:
    """try_claim gives -1 on a full ring, leaves the claims as they were, and serves again after a release."""
    words, _ = ring(4, {"reader": ()}, start_seq)
    local = new_local(words)
    assert int(try_claim(words, local, 4, 5)) == -1
    assert int(try_claim(words, local, 4, 4)) == start_seq + 4
    publish(words, cursor_index(0), start_seq + 4)
    assert int(try_claim(words, local, 4, 1)) == -1
    assert int(local[L_NEXT]) == start_seq + 4
    release(words, cursor_index(1), start_seq + 1)
    assert int(try_claim(words, local, 4, 2)) == -1
    assert int(try_claim(words, local, 4, 1)) == start_seq + 5


def test_the_gates_are_reloaded_only_when_they_must_be() -> None:
    """While the cached gate leaves room, a claim does not look at the readers; then it looks once."""
    words, _ = ring(8, {"reader": ()})
    local = new_local(words)
    for expected in range(1, 9):
        release(words, cursor_index(1), expected - 1)  # the reader follows closely, unseen
        assert int(try_claim(words, local, 8, 1)) == expected
        publish(words, cursor_index(0), expected)
        assert int(local[L_GATE]) == 0
    assert int(try_claim(words, local, 8, 1)) == 9
    assert int(local[L_GATE]) == 7


@given(capacity=st.sampled_from([2, 4, 64]), used=st.integers(0, 64), cached=st.integers(0, 64))
def test_free_slots_is_exact_or_at_least_half(capacity: int, used: int, cached: int) -> None:
    """free_slots never promises too much, and below half a ring it is the truth."""
    used, cached = min(used, capacity), min(cached, capacity)
    words, _ = ring(capacity, {"reader": ()})
    publish(words, cursor_index(0), capacity)
    release(words, cursor_index(1), capacity - used)
    local = new_local(words, min(cached, capacity - used))
    free = int(free_slots(words, local, capacity))
    truth = capacity - used
    assert free == truth or capacity // 2 <= free <= truth


def test_the_sequences_end_without_wrapping() -> None:
    """From 2**63 - 200 exactly 199 sequences can be claimed, and after that none, however empty the ring."""
    start_seq = 2**63 - 200
    words, _ = ring(64, {"reader": ()}, start_seq)
    local = new_local(words)
    claimed = 0
    while (last_seq := int(try_claim(words, local, 64, 1))) > 0:
        publish(words, cursor_index(0), last_seq)
        release(words, cursor_index(1), last_seq)
        claimed += 1
    assert claimed == 199
    assert int(words[cursor_index(0)]) == MAX_SEQ
    assert int(free_slots(words, local, 64)) == 0
