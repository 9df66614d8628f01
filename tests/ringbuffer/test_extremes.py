"""The ends of what a ring can be asked for: smallest, largest, last sequence, everybody coming and going."""

from __future__ import annotations

import threading
import uuid
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringbuffer import layout, multi
from ringbuffer.errors import ClaimError, PeerDied, RingFull, RingTimeout, WriterFailed
from ringbuffer.layout import MAX_SEQ, P_OWNER, cursor_index
from ringbuffer.liveness import owner_token
from ringbuffer.ring import Ring
from ringbuffer.ring_words import store_word
from tests.ringbuffer.peers import (
    CONTEXT,
    DEADLINE_S,
    RECORD,
    eventually,
    join,
    process,
    read_all,
    read_some_then_hang,
    records,
)

WORD = np.dtype("<i8")
STARTS = [0, 2**31 - 3, 2**32 - 3, 2**63 - 40]
NOBODY = owner_token(2**22 - 1, 1)  # a process that never was


def make(capacity: int, readers: Any = None, **options: Any) -> Ring:
    """Return a ring of int64 in private memory."""
    readers = {"reader": ()} if readers is None else readers
    producers, vacant = options.get("producers", 1), options.get("vacant_readers", 0)
    kind = layout.KIND_SINGLE if producers == 1 else layout.KIND_MULTI
    participants = layout.count_participants(len(readers) + vacant, producers)
    buffer = bytearray(layout.ring_bytes(capacity, 8, participants, kind))
    layout.initialise(buffer, 0, capacity, WORD, readers, **{"observable": True, **options})
    return Ring.over(buffer, 0, WORD, name="test")


def take_all(consumer: Any) -> list[int]:
    """Poll and release until nothing is left."""
    got: list[int] = []
    while len(batch := consumer.poll()):
        got += batch.tolist()
    consumer.release()
    return got


@pytest.mark.jitoff
@pytest.mark.parametrize("producers", [1, 2])
@pytest.mark.parametrize("start_seq", STARTS)
def test_a_ring_of_one_slot_passes_each_record_on(producers: int, start_seq: int) -> None:
    """With one slot each record is claimed, published, read and released before the next fits."""
    ring = make(1, producers=producers, start_seq=start_seq)
    with ring.producer(full="fail") as producer, ring.consumer("reader") as consumer:
        for seq in range(start_seq + 1, start_seq + 20):
            assert producer.publish(seq) == seq
            with pytest.raises(RingFull):
                producer.publish(-1)
            assert take_all(consumer) == [seq]


@pytest.mark.jitoff
@pytest.mark.parametrize("rounds", [1, 2**29 + 1, 2**30 - 1])
@pytest.mark.parametrize("capacity", [1, 4])
def test_a_producer_that_idled_for_many_rounds_claims_at_the_end(capacity: int, rounds: int) -> None:
    """However many rounds the others went meanwhile, the next claim of one that idled is behind theirs."""
    start_seq = rounds * capacity
    ring = make(capacity, producers=2, start_seq=start_seq)
    with ring.producer() as idle, ring.producer() as busy, ring.consumer("reader") as consumer:
        idle._local[multi.L_NEXT] = 0  # as it was when it went idle, on a ring that began at 0
        idle._local[multi.L_GATE] = -capacity
        idle._local[multi.L_REACH] = 0
        for seq in range(start_seq + 1, start_seq + 4):
            assert busy.publish(seq) == seq
            assert take_all(consumer) == [seq]
        assert idle.publish(7) == start_seq + 4
        assert take_all(consumer) == [7]


@pytest.mark.jitoff
def test_the_end_of_claims_is_exact_though_the_kept_one_lags() -> None:
    """What users see of a ring of several producers counts each claim: cursor, fill, lag, status, observers, joins."""
    ring = make(256, producers=2, vacant_readers=1)
    with ring.producer() as producer, ring.consumer("reader") as consumer:
        for count in range(1, 101):
            producer.publish(count)
            kept = int(ring.words[multi.END])
            assert kept <= count and count - kept <= multi.MOST_LAG + 1
            assert (ring.cursor, ring.fill, consumer.lag) == (count, count, count)
            assert (ring.status()[0].seq, ring.status()[1].lag, producer.free) == (count, count, 256 - count)
            assert ring.observe().seq == count
        assert kept > 0
        with ring.join("late") as late:
            assert late.seq == 100
        assert take_all(consumer) == list(range(1, 101))
        assert (ring.fill, consumer.lag) == (0, 0)


@pytest.mark.jitoff
@pytest.mark.parametrize("producers", [1, 2])
@pytest.mark.parametrize("capacity", [1, 2, 8])
def test_the_last_sequence_is_used_and_nothing_wraps(producers: int, capacity: int) -> None:
    """Sequence 2**63 - 1 is published and read; the claim after it is refused for good, on an empty ring."""
    ring = make(capacity, producers=producers, start_seq=MAX_SEQ - 5)
    observer = ring.observe()
    with ring.producer() as producer, ring.consumer("reader") as consumer:
        for seq in range(MAX_SEQ - 4, MAX_SEQ + 1):
            assert producer.publish(seq - MAX_SEQ) == seq
            assert take_all(consumer) == [seq - MAX_SEQ]
            assert observer.poll().first_seq == seq
        with pytest.raises(ClaimError, match=f"expected sequences up to {MAX_SEQ}"):
            producer.publish(1)
        assert consumer.seq == ring.cursor == MAX_SEQ
        assert len(observer.poll().records) == 0
    with ring.consumer("reader") as consumer:
        assert len(consumer.poll()) == 0


@pytest.mark.parametrize("producers", [1, 2])
def test_a_ring_of_a_million_slots_is_filled_to_the_brim(producers: int) -> None:
    """2**20 records fit into 2**20 slots, in claims of thousands, and not one more; all come out in order."""
    capacity = 2**20
    with Ring.create(
        f"test-{uuid.uuid4().hex[:12]}", capacity, WORD, {"reader": ()}, producers=producers, start_seq=2**31 - 3
    ) as ring, ring.producer(full="fail") as producer, ring.consumer("reader") as consumer:  # fmt: skip
        for first in range(0, capacity, 4096):
            with producer.claim(4096) as claim:
                claim.fill(np.arange(first, first + 4096))
        with pytest.raises(RingFull):
            producer.publish(0)
        assert take_all(consumer) == list(range(capacity))
        with producer.claim(capacity) as claim:
            claim.fill(np.arange(capacity))
        assert take_all(consumer) == list(range(capacity))


@pytest.mark.jitoff
@given(
    producers=st.sampled_from([1, 2]),
    capacity=st.sampled_from([1, 2, 4, 8]),
    start_seq=st.sampled_from([0, 2**31 - 3, 2**63 - 2000]),
    batch=st.integers(1, 9),
    steps=st.lists(st.tuples(st.booleans(), st.integers(1, 8)), max_size=60),
)
def test_a_lapped_observer_is_told_exactly_what_it_missed(
    producers: int, capacity: int, start_seq: int, batch: int, steps: list[tuple[bool, int]]
) -> None:
    """Records seen plus records missed are all there were, each seen at its own sequence, wherever it was lapped.

    With several producers an observer that was lapped amid a claim goes on at the start of the next one.
    """
    ring = make(capacity, producers=producers, start_seq=start_seq)
    observer = ring.observe(batch=batch)
    counted = 0
    with ring.producer() as producer, ring.consumer("reader") as consumer:
        for is_claim, n in steps:
            if is_claim:
                n = min(n, capacity)
                with producer.claim(n) as claim:
                    claim.fill(np.arange(claim.first_seq, claim.first_seq + n))
                take_all(consumer)
                continue
            before = ring.cursor - observer.seq
            observed = observer.poll()
            numbers = range(observed.first_seq, observed.first_seq + len(observed.records))
            assert observed.records.tolist() == list(numbers)
            counted += len(observed.records) + observed.missed
            if producers == 1:
                assert observed.missed == max(0, before - capacity)
            assert observed.missed >= max(0, before - capacity)
        while (observed := observer.poll()).missed or len(observed.records):
            counted += len(observed.records) + observed.missed
        assert counted == ring.cursor - start_seq


@pytest.mark.jitoff
def test_an_observer_amid_open_claims_stops_before_them() -> None:
    """It hands out what is published up to the first open claim, and all behind it once that is published."""
    ring = make(8, producers=2)
    observer = ring.observe()
    with ring.producer() as one, ring.producer() as two:
        one.publish(1)
        open_claim = two.claim(2)
        one.publish(4)
        assert observer.poll().records.tolist() == [1]
        assert len(observer.poll().records) == 0
        open_claim.fill(np.array([2, 3]))
        open_claim.publish()
        assert observer.poll().records.tolist() == [2, 3, 4]
        given_up = one.claim(2)
        two.publish(7)
        given_up.abandon()
        observed = [observer.poll() for _ in range(2)]
        assert [list(each.records) for each in observed if len(each.records)] == [[7]]
        assert observer.missed == 0


@pytest.mark.jitoff
@pytest.mark.parametrize("start_seq", STARTS)
@given(data=st.data())
def test_partial_releases_amid_claims_of_several(start_seq: int, data: st.DataObject) -> None:
    """Wherever in a claim a reader stops, releases and is followed, the records come once each and in order."""
    ring = make(8, producers=2, start_seq=start_seq)
    sent: list[int] = []
    got: list[int] = []
    with ring.producer(full="fail", keep_open=True) as one, ring.producer(full="fail", keep_open=True) as two:
        for turn in range(data.draw(st.integers(1, 6))):
            for producer in (one, two):
                n = data.draw(st.integers(1, 3))
                claim = producer.try_claim(n)
                if claim is None:
                    continue
                if data.draw(st.booleans()):
                    claim.fill(np.arange(len(sent), len(sent) + n) + 100 * turn)
                    sent += (np.arange(len(sent), len(sent) + n) + 100 * turn).tolist()
                    claim.publish()
                else:
                    claim.abandon()
            with ring.consumer("reader") as consumer:
                consumer.poll()  # past the padding, if there is some
                consumer.rewind()
                batch = consumer.poll(data.draw(st.integers(1, 3))).tolist()
                keep = data.draw(st.integers(0, len(batch)))
                got += batch[:keep]
                consumer.release(consumer.position - len(batch) + keep)
                consumer.rewind()
        with ring.consumer("reader") as consumer:
            got += take_all(consumer)
            assert consumer.seq == ring.cursor
    assert got == sent


@pytest.mark.jitoff
@pytest.mark.parametrize("producers", [1, 2])
def test_a_consumer_that_raises_leaves_its_batch_to_the_next(producers: int) -> None:
    """What was polled and not released when the block raised comes again, to who takes the place."""
    ring = make(4, producers=producers)
    with ring.producer(keep_open=True) as producer:
        for seq in range(1, 5):
            producer.publish(seq)
        with pytest.raises(ZeroDivisionError), ring.consumer("reader") as consumer:
            assert consumer.poll(1).tolist() == [1]
            consumer.release()
            assert consumer.poll().tolist() + consumer.poll().tolist() == [
                2,
                3,
                4,
            ]  # around the end of the ring
            _ = 1 // 0
        with pytest.raises(PeerDied, match="'reader' failed"):
            producer.claim(2, timeout=DEADLINE_S)
        with ring.consumer("reader") as consumer:
            assert take_all(consumer) == [2, 3, 4]


@pytest.mark.jitoff
@pytest.mark.parametrize("producers", [1, 2])
@pytest.mark.parametrize("policy", ["raise", "wait", "remove", "fail"])
def test_what_becomes_of_a_dead_reader_is_the_rings_policy(policy: str, producers: int) -> None:
    """A full ring whose reader died raises, waits for a successor, goes on without it, or fails, as it was made."""
    ring = make(2, {"dead": (), "live": ()}, producers=producers, dead_readers=policy)
    ring.words[cursor_index(1) + P_OWNER] = NOBODY
    with ring.consumer("live") as live:
        producer = ring.producer(keep_open=True)
        for seq in (1, 2):
            producer.publish(seq)
        assert take_all(live) == [1, 2]
        if policy == "remove":
            assert producer.publish(3, timeout=DEADLINE_S) == 3
            assert [each.name for each in ring.status()][:3].count("dead") == 0
        elif policy == "wait":
            with pytest.raises(RingTimeout):
                producer.publish(3, timeout=0.05)
            with ring.consumer("dead") as successor:
                assert take_all(successor) == [1, 2]
            assert producer.publish(3, timeout=DEADLINE_S) == 3
        else:
            with pytest.raises(PeerDied, match="'dead' died"):
                producer.publish(3, timeout=DEADLINE_S)
        if policy == "fail":
            with pytest.raises(WriterFailed):
                live.wait(DEADLINE_S)
        producer.detach()


@pytest.mark.jitoff
@pytest.mark.parametrize("producers", [1, 2])
def test_a_full_ring_is_met_as_the_producer_chose(producers: int) -> None:
    """``wait`` waits until the reader releases, ``fail`` raises at once, seconds are waited and no longer."""
    ring = make(2, producers=producers)
    with ring.consumer("reader"):
        for full, error in (("fail", RingFull), (0.01, RingTimeout)):
            with ring.producer(full=full, keep_open=True) as producer:
                while producer.try_claim(1) is not None:
                    producer._claim.publish()  # type: ignore[union-attr]
                with pytest.raises(error):
                    producer.publish(0)
        with ring.producer(keep_open=True) as producer:
            reader = threading.Timer(0.01, lambda: release_all(ring))
            reader.start()
            assert producer.publish(10) > 0  # waits for the thread
            reader.join(DEADLINE_S)


def release_all(ring: Ring) -> None:
    """Release for the reader, whose place another thread has: what one does that was never late."""
    store_word(ring.words, cursor_index(1), ring.cursor)  # pairs with load_acquire in available


@pytest.mark.parametrize("producers", [1, 2])
def test_a_storm_of_attaching_and_detaching(producers: int) -> None:
    """Five hundred successive holders of each place lose no record and give none twice."""
    ring = make(8, producers=producers, start_seq=2**31 - 3)
    got: list[int] = []
    for turn in range(500):
        with ring.producer(keep_open=True) as producer:
            producer.publish(np.arange(3 * turn, 3 * turn + 3))
        with ring.consumer("reader") as consumer:
            got += take_all(consumer) if turn % 2 else consumer.poll(1).tolist()
    with ring.consumer("reader") as consumer:
        got += take_all(consumer)
    assert got == list(range(1500))


def read_in_and_out(name: str, turns: int, results: Any) -> None:
    """Join, read a batch, leave, many times; report whether all that was read was whole and in order."""
    good, seen = True, 0
    with Ring.attach(name, RECORD) as ring:
        for turn in range(turns):
            with ring.join(f"guest-{turn % 7}") as consumer:
                expected = consumer.seq + 1
                consumer.wait(DEADLINE_S)
                batch = consumer.poll()
                numbers = np.arange(expected, expected + len(batch))
                good = good and bool((batch["copy"] == numbers[:, None]).all())
                seen += len(batch)
    results.put((good, seen))


@pytest.mark.parametrize("producers", [1, 2])
def test_a_storm_of_joins_and_leaves_while_a_writer_runs(producers: int) -> None:
    """Processes that join and leave hundreds of times see no torn record, and the steady reader misses none."""
    results, storms = CONTEXT.Queue(), CONTEXT.Queue()
    turns, count = 150, 0
    with (
        Ring.create(
            f"test-{uuid.uuid4().hex[:12]}", 16, RECORD, {"steady": ()}, producers=producers, vacant_readers=3
        ) as ring,
        process(read_all, ring.name, "steady", "yield", results) as steady,
    ):
        with (
            process(read_in_and_out, ring.name, turns, storms) as first,
            process(wait_and_read, ring.name, turns, storms) as second,
            ring.producer() as producer,
        ):
            while first.is_alive() or second.is_alive():
                producer.publish(records(count + 1, 8), DEADLINE_S)
                count += 8
            join(first)
            join(second)
        assert results.get(timeout=DEADLINE_S) == (count, True)
        join(steady)
        for _ in range(2):
            good, seen = storms.get(timeout=DEADLINE_S)
            assert good and seen >= turns


def wait_and_read(name: str, turns: int, results: Any) -> None:
    """The same with other names."""
    good, seen = True, 0
    with Ring.attach(name, RECORD) as ring:
        for turn in range(turns):
            with ring.join(f"other-{turn % 5}", after="steady") as consumer:
                expected = consumer.seq + 1
                consumer.wait(DEADLINE_S)
                batch = consumer.poll()
                numbers = np.arange(expected, expected + len(batch))
                good = good and bool((batch["copy"] == numbers[:, None]).all())
                seen += len(batch)
    results.put((good, seen))


def test_a_dead_newcomer_is_removed_while_others_go_on() -> None:
    """With the policy ``remove`` a reader that joined and was killed holds up the writer only until it looks."""
    ready = CONTEXT.Event()
    name = f"test-{uuid.uuid4().hex[:12]}"
    with (
        Ring.create(name, 8, RECORD, {"late": ()}, vacant_readers=1, dead_readers="remove") as ring,
        ring.producer() as producer,
        process(read_some_then_hang, ring.name, "late", 4, 2, ready) as child,
    ):
        producer.publish(records(1, 4), DEADLINE_S)
        eventually(ready.is_set, "the reader polls")
        child.kill()
        child.join(DEADLINE_S)
        producer.publish(records(5, 20), DEADLINE_S)
        assert ring.cursor == 24
        with ring.join("next") as consumer:
            producer.publish(records(25, 1), DEADLINE_S)
            assert consumer.poll()["seq"].tolist() == [25]
