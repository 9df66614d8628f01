"""The plain Python interface of a ring, writer and readers in one process."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringbuffer import layout
from ringbuffer.consumer import Consumer
from ringbuffer.errors import (
    ClaimError,
    EpochMismatch,
    LayoutMismatch,
    ParticipantBusy,
    ParticipantError,
    PeerDied,
    RingClosed,
    RingTimeout,
    UnknownParticipant,
    WriterFailed,
)
from ringbuffer.ring import Ring

pytestmark = pytest.mark.jitoff

TICK = np.dtype([("price", "<i8"), ("qty", "<i8")])
DIAMOND = {"left": (), "right": (), "join": ("left", "right")}


def make(capacity: int = 8, readers: Any = None, start_seq: int = 0, epoch: int = 1) -> Ring:
    """Return a ring in private memory."""
    readers = {"reader": ()} if readers is None else readers
    buffer = bytearray(layout.ring_bytes(capacity, TICK.itemsize, 1 + len(readers)))
    layout.initialise(buffer, 0, capacity, TICK, readers, start_seq, epoch)
    return Ring.over(buffer, 0, TICK, name="test")


def ticks(first: int, count: int) -> Any:
    """Return records first, first + 1, ..."""
    array = np.zeros(count, TICK)
    array["price"] = np.arange(first, first + count)
    array["qty"] = 1
    return array


def poll_all(consumer: Consumer) -> list[int]:
    """Poll until nothing is left, over the end of the ring too, and return the prices."""
    got: list[int] = []
    while len(batch := consumer.poll()):
        got += prices(batch)
    return got


def prices(*batches: Any) -> list[int]:
    """Return the prices of some batches."""
    return [int(price) for batch in batches for price in batch["price"]]


def test_a_record_may_be_a_tuple_a_scalar_or_an_array() -> None:
    """Publishing takes a tuple, a structured scalar or an array, and returns the last sequence."""
    ring = make()
    with ring.producer() as producer, ring.consumer("reader") as consumer:
        assert producer.publish((1, 1)) == 1
        assert producer.publish(ticks(2, 1)[0]) == 2
        assert producer.publish(ticks(3, 2)) == 4
        assert producer.publish(ticks(0, 0)) == 4
        assert prices(consumer.poll()) == [1, 2, 3, 4]
        assert len(consumer.poll()) == 0


def test_an_array_larger_than_the_ring_goes_out_in_pieces() -> None:
    """A large array waits for room piece by piece; after a timeout ``seq`` says how far it came."""
    ring = make(capacity=4)
    with ring.producer() as producer, ring.consumer("reader") as consumer:
        with pytest.raises(RingTimeout, match=r"test: writer: expected 2 within 0\.0 s, was 0"):
            producer.publish(ticks(1, 10), timeout=0.0)
        assert producer.seq == 4
        assert poll_all(consumer) == [1, 2, 3, 4]


def test_a_claim_across_the_end_has_two_views() -> None:
    """A claim that wraps gives two arrays on the ring, and readers get the same records in two batches."""
    ring = make(capacity=8)
    with ring.producer() as producer, ring.consumer("reader") as consumer:
        producer.publish(ticks(1, 6))
        consumer.poll()
        consumer.release()
        with producer.claim(5) as claim:
            assert [len(view) for view in claim.views] == [1, 4]
            assert (claim.first_seq, claim.last_seq, len(claim)) == (7, 11, 5)
            assert all(np.shares_memory(view, ring.slots) for view in claim.views)
            claim.fill(ticks(7, 5))
        first, second = consumer.poll(), consumer.poll()
        assert (prices(first), prices(second)) == ([7], [8, 9, 10, 11])


def test_batches_are_the_ring_itself_and_read_only() -> None:
    """Readers get arrays on the ring, not copies, that refuse writes unless asked for."""
    ring = make(readers={"risk": (), "match": ("risk",)})
    with (
        ring.producer() as producer,
        ring.consumer("risk", writable=True) as risk,
        ring.consumer("match") as match,
    ):
        producer.publish(ticks(1, 3))
        batch = risk.poll()
        assert np.shares_memory(batch, ring.slots)
        batch["qty"] = 7
        risk.release()
        seen = match.poll()
        assert seen["qty"].tolist() == [7, 7, 7]
        with pytest.raises(ValueError, match="read-only"):
            seen["qty"] = 0


def test_a_slow_reader_gates_the_writer() -> None:
    """The writer stops one ring ahead of the slowest reader and goes on when that one releases."""
    ring = make(capacity=4, readers={"quick": (), "slow": ()})
    with (
        ring.producer() as producer,
        ring.consumer("quick") as quick,
        ring.consumer("slow") as slow,
    ):
        producer.publish(ticks(1, 4))
        poll_all(quick)
        quick.release()
        poll_all(slow)  # polled, not released
        assert producer.try_claim(1) is None
        assert producer.free == 0
        with pytest.raises(RingTimeout):
            producer.publish((5, 1), timeout=0.01)
        slow.release(2)
        assert producer.free == 2
        assert producer.publish(ticks(5, 2), timeout=0.0) == 6
        assert producer.try_claim(1) is None


def test_a_diamond_joins_after_both_sides() -> None:
    """The join of a diamond sees only what both sides have released, and only the join frees the slots."""
    ring = make(capacity=4, readers=DIAMOND)
    with (
        ring.producer() as producer,
        ring.consumer("left") as left,
        ring.consumer("right") as right,
        ring.consumer("join") as join,
    ):
        producer.publish(ticks(1, 4))
        poll_all(left)
        left.release()
        assert len(join.poll()) == 0
        right.poll(3)
        right.release()
        assert prices(join.poll()) == [1, 2, 3]
        assert producer.free == 0
        join.release(1)
        assert producer.free == 1
        poll_all(right)
        right.release()
        assert poll_all(join) == [4]


@pytest.mark.parametrize("start_seq", [0, 2**31 - 3, 2**32 - 3, 2**63 - 200])
@pytest.mark.parametrize("capacity", [2, 8, 64])
def test_any_start_sequence_works(start_seq: int, capacity: int) -> None:
    """Rings that start beside 2**31, 2**32 and 2**63 carry 199 records in order."""
    ring = make(capacity, start_seq=start_seq)
    got: list[int] = []
    with ring.producer() as producer, ring.consumer("reader") as consumer:
        for number in range(1, 200):
            assert producer.publish((number, 1), timeout=0.0) == start_seq + number
            if number % capacity == 0 or number == 199:
                got += poll_all(consumer)
                consumer.release()
    assert got == list(range(1, 200))


def test_the_sequences_end_with_an_error() -> None:
    """Past 2**63 - 1 a claim is refused instead of waiting for ever."""
    ring = make(start_seq=2**63 - 3)
    with ring.producer() as producer:
        assert producer.publish(ticks(1, 2)) == 2**63 - 1
        with pytest.raises(ClaimError, match="expected sequences up to 9223372036854775807"):
            producer.publish((3, 1))


def test_a_large_ring_holds_all_it_says() -> None:
    """A ring of a million slots takes a million records without a reader, and not one more."""
    ring = make(capacity=1 << 20)
    with ring.producer() as producer, ring.consumer("reader") as consumer:
        producer.publish(ticks(1, 1 << 20), timeout=0.0)
        assert producer.try_claim() is None
        assert poll_all(consumer) == list(range(1, (1 << 20) + 1))


@given(
    capacity=st.sampled_from([2, 4, 32]),
    steps=st.lists(st.tuples(st.booleans(), st.integers(1, 40)), max_size=60),
)
def test_any_mix_of_claims_and_polls_is_a_fifo(capacity: int, steps: list[tuple[bool, int]]) -> None:
    """Whatever the mix of claims, abandoned claims and polls, the reader gets what was published in order."""
    ring = make(capacity)
    got: list[int] = []
    published = 0
    with ring.producer() as producer, ring.consumer("reader") as consumer:
        for write, count in steps:
            if write and count <= capacity:
                claim = producer.try_claim(count)
                if claim is None:
                    assert published + count - len(got) > capacity
                    continue
                claim.fill(ticks(published + 1, count))
                if count % 5 == 0:
                    claim.abandon()
                else:
                    published = claim.publish()
            elif not write:
                got += prices(consumer.poll(count))
                consumer.release()
    assert got == list(range(1, len(got) + 1))
    assert len(got) <= published


def test_an_exception_gives_a_claim_back() -> None:
    """A claim left by an exception is not published, and its slots are claimed again."""
    ring = make()
    with ring.producer() as producer, ring.consumer("reader") as consumer:
        with pytest.raises(KeyError), producer.claim(3):
            raise KeyError
        with pytest.raises(ValueError, match=r"no field of name|invalid literal|could not"):
            producer.publish("nonsense")
        assert producer.publish((9, 9)) == 1
        assert prices(consumer.poll()) == [9]


def test_claims_are_checked() -> None:
    """A claim of nothing or of more than the ring, a second open claim, or one used twice is refused."""
    ring = make(capacity=4)
    with ring.producer() as producer:
        for n in (0, -1, 5):
            with pytest.raises(ClaimError, match=f"n: expected 1..4, was {n}"):
                producer.claim(n)
        claim = producer.claim(2)
        with pytest.raises(ClaimError, match="expected no open claim, was 1"):
            producer.claim(1)
        with pytest.raises(ClaimError, match="records: expected 2, was 3"):
            claim.fill(ticks(1, 3))
        claim.publish()
        with pytest.raises(ClaimError, match=r"claim 1\.\.2: expected an open claim"):
            claim.publish()


def test_iteration_releases_batch_by_batch_and_ends_with_the_stream() -> None:
    """A loop over a reader gets every record once, frees slots as it goes, and ends when the writer does."""
    ring = make(capacity=8)
    producer = ring.producer()
    producer.publish(ticks(1, 6))
    with ring.consumer("reader") as consumer:
        got: list[int] = []
        for batch in consumer.batches(limit=4):
            got += prices(batch)
            assert consumer.seq == got[0] - 1 if len(got) <= 4 else consumer.seq >= 4
            if len(got) == 6:
                producer.publish(ticks(7, 3))  # needs the slots of the first batch
                producer.end()
        assert got == list(range(1, 10))
        assert consumer.seq == 9
        with pytest.raises(RingClosed, match="end of the stream"):
            consumer.wait()
    producer.detach()


def test_a_late_reader_still_gets_a_stream_that_ended() -> None:
    """What was published before the end is there for a reader that comes after it."""
    ring = make()
    with ring.producer() as producer:
        producer.publish(ticks(1, 3))
    with ring.consumer("reader") as consumer:
        assert prices(*consumer) == [1, 2, 3]


def test_a_failed_writer_is_no_end_of_stream() -> None:
    """Readers of a writer that left by an exception get all that it published, then WriterFailed."""
    ring = make()
    with pytest.raises(KeyError), ring.producer() as producer:
        producer.publish(ticks(1, 2))
        raise KeyError
    with ring.consumer("reader") as consumer:
        batches = iter(consumer)
        assert prices(next(batches)) == [1, 2]
        with pytest.raises(WriterFailed, match="expected sequence 3"):
            next(batches)


def test_a_next_writer_continues_the_stream() -> None:
    """With keep_open the stream does not end, and the next writer goes on with the next sequence."""
    ring = make()
    with ring.producer(keep_open=True) as producer:
        producer.publish((1, 1))
    with ring.consumer("reader") as consumer:
        with pytest.raises(RingTimeout):
            consumer.poll()
            consumer.wait(0.0)
        with ring.producer() as producer:
            assert producer.publish((2, 1)) == 2
        assert prices(*consumer) == [2]


def test_what_was_not_released_is_delivered_again() -> None:
    """A reader that leaves by an exception has released nothing of its last batch; its successor gets it."""
    ring = make()
    with ring.producer() as producer:
        producer.publish(ticks(1, 4))
        with pytest.raises(KeyError), ring.consumer("reader") as consumer:
            consumer.poll(2)
            consumer.release()
            consumer.poll()
            raise KeyError
        with ring.consumer("reader") as consumer:
            assert prices(consumer.poll()) == [3, 4]


def test_a_reader_that_failed_is_reported_to_who_waits_for_it() -> None:
    """The writer learns that the reader it waits for left by an exception, and goes on with its successor."""
    ring = make(capacity=2)
    with ring.producer() as producer:
        producer.publish(ticks(1, 2))
        with pytest.raises(KeyError), ring.consumer("reader"):
            raise KeyError
        with pytest.raises(PeerDied, match="test: writer: expected 1, was 0: 'reader' failed there"):
            producer.publish((3, 1), timeout=10.0)
        with ring.consumer("reader") as consumer:
            consumer.poll()
            consumer.release()
            assert producer.publish((3, 1), timeout=10.0) == 3


def test_a_reader_does_not_care_for_a_failed_sibling() -> None:
    """A reader that waits for the writer is not disturbed by another reader that failed beside it."""
    ring = make(readers={"sound": (), "failed": (), "after": ("failed",)})
    with ring.producer() as producer, ring.consumer("sound") as sound, ring.consumer("after") as after:
        with pytest.raises(KeyError), ring.consumer("failed"):
            raise KeyError
        with pytest.raises(RingTimeout):
            sound.wait(0.05)
        producer.publish((1, 1))
        assert sound.wait(0.0) == 1
        with pytest.raises(PeerDied, match="test: after: expected 1, was 0: 'failed' failed there"):
            after.wait(10.0)


def test_a_place_is_taken_once() -> None:
    """A second writer or reader of the same name is refused while the first is there, and let in after."""
    ring = make()
    with ring.producer(keep_open=True), ring.consumer("reader"):
        with pytest.raises(ParticipantBusy, match=r"participant 'writer': expected no live holder, was pid"):
            ring.producer()
        with pytest.raises(ParticipantBusy, match="participant 'reader'"):
            ring.consumer("reader")
    with ring.producer(), ring.consumer("reader"):
        pass
    with pytest.raises(UnknownParticipant, match=r"expected one of \['writer', 'reader'\], was 'nobody'"):
        ring.consumer("nobody")


def test_a_stale_epoch_cannot_publish() -> None:
    """After the ring was initialised again, those of the epoch before cannot publish, release or attach."""
    ring = make(epoch=3)
    buffer = ring.words.base
    producer, consumer = ring.producer(), ring.consumer("reader")
    producer.publish((1, 1))
    consumer.poll()
    claim = producer.claim()
    layout.initialise(buffer, 0, 8, TICK, {"reader": ()}, epoch=4)
    for action in (claim.publish, consumer.release, lambda: consumer.wait(1.0)):
        with pytest.raises(EpochMismatch, match="epoch: expected 3, was 4"):
            action()
    with pytest.raises(EpochMismatch, match="epoch: expected 3, was 4"):
        Ring.over(buffer, 0, TICK, epoch=3)
    assert ring.cursor == 0


def test_a_displaced_holder_cannot_publish() -> None:
    """One whose place somebody else has taken, because it seemed dead, is refused at its next publish."""
    ring = make()
    producer = ring.producer()
    ring.words[layout.cursor_index(0) + layout.P_OWNER] = 12345
    with pytest.raises(ParticipantBusy, match=r"expected holder pid .*, was pid 12345"):
        producer.publish((1, 1))
    assert ring.cursor == 0


def test_another_thread_is_refused() -> None:
    """A writer that is used from another thread than the one that attached says so instead of corrupting."""
    ring = make()
    caught: list[BaseException] = []

    def publish() -> None:
        try:
            producer.publish((1, 1))
        except ClaimError as error:
            caught.append(error)

    with ring.producer() as producer:
        thread = threading.Thread(target=publish)
        thread.start()
        thread.join()
    assert "expected (pid, thread)" in str(caught[0])


def test_a_detached_participant_is_refused() -> None:
    """After its block a writer or reader can do nothing more."""
    ring = make()
    with ring.producer() as producer, ring.consumer("reader") as consumer:
        pass
    for action in (lambda: producer.publish((1, 1)), consumer.poll, consumer.release):
        with pytest.raises(ParticipantError, match="expected an attached participant, was detached"):
            action()


def test_release_is_checked() -> None:
    """Releasing backwards or beyond what was polled is refused."""
    ring = make()
    with ring.producer() as producer, ring.consumer("reader") as consumer:
        producer.publish(ticks(1, 5))
        consumer.poll(3)
        consumer.release(2)
        for seq in (1, 4):
            with pytest.raises(ValueError, match=rf"seq: expected 2\.\.3, was {seq}"):
                consumer.release(seq)


def test_attaching_checks_the_dtype() -> None:
    """A ring is not given to one who takes its records for something else."""
    ring = make()
    with pytest.raises(LayoutMismatch, match="test: layout_hash"):
        Ring.over(ring.words.base, 0, np.dtype([("price", "<i8"), ("size", "<i8")]), name="test")


def test_an_unknown_strategy_is_refused() -> None:
    """Wait strategies are known by their names."""
    with pytest.raises(ValueError, match=r"expected one of \['busy', 'spin', 'yield', .*, was 'nap'"):
        make().producer("nap")


def test_the_status_shows_who_is_where() -> None:
    """A look from outside shows each participant's cursor, lag and state, and takes no place."""
    ring = make()
    with ring.producer() as producer, ring.consumer("reader") as consumer:
        producer.publish(ticks(1, 5))
        consumer.poll(2)
        consumer.release()
        writer, reader = ring.status()
        assert (writer.name, writer.seq, writer.lag, writer.state) == ("writer", 5, 0, "attached")
        assert (reader.name, reader.seq, reader.lag, reader.alive) == ("reader", 2, 3, True)
        assert 0 <= reader.heartbeat_age_s < 60
        assert consumer.lag == 3
    assert [status.state for status in ring.status()] == ["left", "left"]
    assert [status.pid for status in ring.status()] == [0, 0]
