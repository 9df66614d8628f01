"""Two and more real processes on one ring: every message, in order, whole; and what a kill does."""

from __future__ import annotations

import os
import signal
import uuid
from typing import Any

import pytest

from ringbuffer.errors import ParticipantBusy, PeerDied, SegmentExists
from ringbuffer.ring import Ring
from ringbuffer.sequence import new_local
from ringbuffer.shm import Segment, SysvSegment, clean_stale, list_segments
from ringbuffer.wait import STRATEGIES
from tests.ringbuffer.peers import (
    CONTEXT,
    DEADLINE_S,
    RECORD,
    as_words,
    eventually,
    join,
    process,
    read_all,
    read_some_then_hang,
    records,
    run_reader,
    write_kernel,
    write_some_then_hang,
)

MILLION = 1_000_000


@pytest.fixture
def name() -> str:
    """A name that nobody else uses."""
    return f"test-{uuid.uuid4().hex[:12]}"


@pytest.mark.parametrize("kind", [Segment, SysvSegment])
def test_a_million_messages_arrive_in_order_and_whole(name: str, kind: type[Segment]) -> None:
    """A million 64-byte records cross a ring of 1024 slots in another process's memory, each verified."""
    results = CONTEXT.Queue()
    with (
        Ring.create(name, 1024, RECORD, {"reader": ()}, kind=kind) as ring,
        process(read_all, ring.name, "reader", "yield", results, kind) as child,
    ):
        with ring.producer() as producer:
            for first in range(1, MILLION, 10_000):
                producer.publish(records(first, 10_000), DEADLINE_S)
        assert results.get(timeout=DEADLINE_S) == (MILLION, True)
        join(child)


@pytest.mark.parametrize(("capacity", "batch"), [(2, 1), (64, 1), (64, 48), (65_536, 1), (65_536, 1000)])
def test_kernels_move_a_million_messages(name: str, capacity: int, batch: int) -> None:
    """Compiled loops move records singly and in batches over small and large rings, each word verified."""
    count = MILLION if capacity > 2 else 20_000
    results = CONTEXT.Queue()
    code = STRATEGIES["yield"]
    with (
        Ring.create(name, capacity, RECORD, {"reader": ()}) as ring,
        process(run_reader, ring.name, code, count, results) as child,
    ):
        local = new_local(ring.words)
        sent = write_kernel(ring.words, as_words(ring), capacity, code, local, count, batch)
        assert int(sent) == count
        assert results.get(timeout=DEADLINE_S) == 0
        join(child)


def test_a_diamond_of_processes_delivers_to_all(name: str) -> None:
    """Writer, two readers beside each other and one after both, in four processes, all see every record."""
    graph = {"left": (), "right": (), "join": ("left", "right")}
    results = CONTEXT.Queue()
    with (
        Ring.create(name, 256, RECORD, graph) as ring,
        process(read_all, ring.name, "left", "yield", results) as left,
        process(read_all, ring.name, "right", "blocking", results) as right,
        process(read_all, ring.name, "join", "backoff", results) as joiner,
    ):
        with ring.producer() as producer:
            for first in range(1, 100_000, 1000):
                producer.publish(records(first, 1000), DEADLINE_S)
        assert [results.get(timeout=DEADLINE_S) for _ in range(3)] == [(100_000, True)] * 3
        for child in (left, right, joiner):
            join(child)


def test_a_killed_reader_is_noticed_and_replaced(name: str) -> None:
    """The writer learns of a reader's death; the successor gets all that the dead one had not released."""
    ready, results = CONTEXT.Event(), CONTEXT.Queue()
    with Ring.create(name, 8, RECORD, {"reader": ()}) as ring, ring.producer() as producer:
        with process(read_some_then_hang, ring.name, "reader", 5, 3, ready) as child:
            producer.publish(records(1, 5))
            assert ready.wait(DEADLINE_S)
            with pytest.raises(ParticipantBusy, match=f"was pid {child.pid}"):
                ring.consumer("reader")
            assert child.pid is not None
            os.kill(child.pid, signal.SIGKILL)
            with pytest.raises(PeerDied, match="expected 5, was 3: 'reader' died there"):
                producer.publish(records(6, 20), timeout=DEADLINE_S)
        assert producer.seq == 9  # pieces of four: the first fitted, the second waits for 5
        with process(read_all, ring.name, "reader", "yield", results) as child:
            eventually(lambda: ring.status()[1].alive, "the successor has attached")
            producer.publish(records(10, 91), DEADLINE_S)
            producer.end()
            assert results.get(timeout=DEADLINE_S) == (100 - 3, True)
            join(child)


def test_a_killed_writer_is_noticed_and_replaced(name: str) -> None:
    """Readers get what a killed writer had published, not what it had only claimed, then its successor's."""
    ready = CONTEXT.Event()
    with Ring.create(name, 64, RECORD, {"reader": ()}) as ring, ring.consumer("reader") as consumer:
        with process(write_some_then_hang, ring.name, 10, 5, ready) as child:
            assert ready.wait(DEADLINE_S)
            assert child.pid is not None
            os.kill(child.pid, signal.SIGKILL)
            batches = consumer.batches()
            assert next(batches)["seq"].tolist() == list(range(1, 11))
            with pytest.raises(PeerDied, match="expected 11, was 10: 'writer' died there"):
                next(batches)
        with ring.producer() as producer:
            assert producer.publish(records(11, 3)) == 13
        assert [batch["seq"].tolist() for batch in consumer] == [[11, 12, 13]]


def test_a_death_upstream_is_noticed_downstream(name: str) -> None:
    """One who waits for a live reader learns that the reader which that one waits for is dead."""
    ready = CONTEXT.Event()
    graph = {"first": (), "second": ("first",)}
    with (
        Ring.create(name, 8, RECORD, graph) as ring,
        ring.producer() as producer,
        ring.consumer("second") as second,
        process(read_some_then_hang, ring.name, "first", 4, 2, ready) as child,
    ):
        producer.publish(records(1, 4))
        assert ready.wait(DEADLINE_S)
        assert child.pid is not None
        os.kill(child.pid, signal.SIGKILL)
        eventually(lambda: not ring.status()[1].alive, "the reader is seen as dead")
        second.poll()
        with pytest.raises(PeerDied, match="'first' died"):
            second.wait(DEADLINE_S)
        second.release()
        with pytest.raises(PeerDied, match="'first' died"):
            producer.publish(records(5, 8), timeout=DEADLINE_S)


def create_then_hang(name: str, ready: Any) -> None:
    """Create a ring and never come back."""
    with Ring.create(name, 8, RECORD, {"reader": ()}, epoch=5) as ring, ring.producer() as producer:
        producer.publish(records(1, 8))
        ready.set()
        signal.pause()


def test_a_killed_creator_leaves_a_segment_that_is_found_and_cleaned(name: str) -> None:
    """A ring whose creator was killed is refused as taken, replaced if asked for, or cleaned as stale."""
    ready = CONTEXT.Event()
    with process(create_then_hang, name, ready) as child:
        assert ready.wait(DEADLINE_S)
        with pytest.raises(SegmentExists, match=f"taken by pid {child.pid}, alive"):
            Ring.create(name, 8, RECORD, {"reader": ()}, replace_stale=True)
        assert child.pid is not None
        os.kill(child.pid, signal.SIGKILL)
        eventually(lambda: not list_segments(f"ringmatch-{name}")[0].alive, "the creator is seen as dead")
    with pytest.raises(SegmentExists, match="dead: clean_stale"):
        Ring.create(name, 8, RECORD, {"reader": ()})
    with Ring.attach(name, RECORD, epoch=5) as ring, ring.consumer("reader") as consumer:
        assert consumer.lag == 8  # a post-mortem can still read it
    with Ring.create(name, 8, RECORD, {"reader": ()}, replace_stale=True) as ring:
        assert ring.cursor == 0
    assert clean_stale(f"ringmatch-{name}") == []
    assert list_segments(f"ringmatch-{name}") == []
