"""Workloads of the ring benchmark: what each participant sends and what the sums of it must be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.ring_peers import RECIPES
from benchmarks.ring_python import LOCK, QUEUE
from benchmarks.ring_stream import STREAM
from benchmarks.ring_workloads import (
    PINGPONG,
    SOURCE_RECORDS,
    THROUGHPUT,
    Workload,
    new_source,
    sum_of_sent,
    sum_of_source,
)
from ringbuffer.wait import STRATEGIES

ALL = (*THROUGHPUT, PINGPONG)


@given(st.sampled_from(THROUGHPUT), st.integers(0, 500))
@settings(deadline=None)
def test_the_sum_of_what_peers_send_is_that_of_each_record(workload: Workload, share: int) -> None:
    """The closed form is the sum over every producer, record and word, once for each reader."""
    for words in (1, 8):
        total = sum(number + word for number in range(share) for word in range(words))
        wanted = total * workload.producers * len(workload.readers)
        assert sum_of_sent(workload, share * workload.producers, words * 8) == wanted


@given(st.sampled_from(THROUGHPUT), st.integers(0, 300))
@settings(deadline=None)
def test_the_sum_of_our_records_is_that_of_each_word(workload: Workload, share: int) -> None:
    """What each reader must get is the sum over every producer's records, as int64 arithmetic has it."""
    source: Any = new_source(8)
    rows = source[np.arange(share) % len(source)]
    with np.errstate(over="ignore"):
        wanted = np.int64(0) if not share else rows.sum(dtype=np.int64) * np.int64(workload.producers)
    assert sum_of_source(workload, share * workload.producers, source) == int(wanted)


def test_what_an_earlier_lap_left_is_another_record() -> None:
    """No ring is as long as the list of records goes into it, so a slot that was not written is noticed."""
    for workload in ALL:
        for _, slots in workload.ours:
            assert slots % SOURCE_RECORDS
    assert len({tuple(row) for row in new_source(1)}) == SOURCE_RECORDS


@given(st.sampled_from(ALL), st.integers(0, 10_000))
@settings(deadline=None)
def test_a_slice_has_whole_batches_and_shares(workload: Workload, messages: int) -> None:
    """The messages of a slice can be shared out among producers in whole batches; there is at least one each."""
    unit = workload.producers * workload.batch
    found = workload.whole(messages)
    assert found % unit == 0
    assert unit <= found <= max(messages, unit)


@pytest.mark.parametrize("workload", ALL, ids=lambda workload: workload.key)
def test_a_workload_names_what_there_is(workload: Workload) -> None:
    """Wait strategies of ours are those of the library, peers have a recipe or are Python's own, goals have rows."""
    assert {wait for wait, _ in workload.ours} <= set(STRATEGIES)
    assert set(workload.peers) <= {*RECIPES, QUEUE, LOCK, STREAM}
    assert set(workload.goal_slot_bytes) <= set(workload.slot_bytes)
    assert "disruptor" in workload.peers
    assert workload.participants == workload.producers + len(workload.readers)


def test_the_goals_are_those_of_the_project() -> None:
    """One by one 1.2 times, batches twice, shared cores at least as fast, several producers 1.5 times."""
    wanted = {
        "unicast": 1.2,
        "batch16": 2,
        "batch64": 2,
        "multicast": 1,
        "pipeline": 1,
        "diamond": 1,
        "producers": 1.5,
    }
    assert {workload.key: workload.goal for workload in THROUGHPUT} == wanted
