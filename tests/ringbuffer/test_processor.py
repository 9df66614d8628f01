"""The loop around a consumer: batches, hooks, early release, rewinding, and what errors do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringbuffer import layout
from ringbuffer.consumer import Consumer
from ringbuffer.errors import RingTimeout, WriterFailed
from ringbuffer.processor import Attempts, Halt, Rewind, in_batches, process
from ringbuffer.ring import Ring

pytestmark = pytest.mark.jitoff

TICK = np.dtype([("price", "<i8"), ("qty", "<i8")])


def make(capacity: int = 8, producers: int = 1) -> Ring:
    """Return a ring with one reader in private memory."""
    kind = layout.KIND_SINGLE if producers == 1 else layout.KIND_MULTI
    participants = layout.count_participants(1, producers)
    buffer = bytearray(layout.ring_bytes(capacity, TICK.itemsize, participants, kind))
    layout.initialise(buffer, 0, capacity, TICK, {"reader": ()}, producers=producers)
    return Ring.over(buffer, 0, TICK, name="test")


def ticks(first: int, count: int) -> Any:
    """Return records with the prices first, first + 1, ..."""
    array = np.zeros(count, TICK)
    array["price"] = np.arange(first, first + count)
    return array


def filled(count: int, capacity: int = 8, offset: int = 0, producers: int = 1) -> Ring:
    """Return a ring whose stream of ``count`` records has ended; the price of each is its sequence.

    They come in as large claims as publishing an array makes, after ``offset`` others that were read.
    """
    ring = make(capacity, producers)
    with ring.producer() as producer:
        producer.publish(ticks(1, offset))
        with ring.consumer("reader") as reader:
            while len(reader.poll()):
                pass
        producer.publish(ticks(offset + 1, count))
    return ring


class Recorder:
    """A handler with all hooks, that notes each call; ``on_event`` may be told to raise at a sequence."""

    def __init__(self, raising: dict[int, list[Exception]] | None = None) -> None:
        self.calls: list[Any] = []
        self.raising = raising or {}
        self.consumer: Consumer | None = None

    def on_start(self, consumer: Consumer) -> None:
        self.consumer = consumer
        self.calls.append("start")

    def on_batch_start(self, size: int, depth: int) -> None:
        self.calls.append(("batch", size, depth))

    def on_event(self, tick: Any, seq: int, end_of_batch: bool) -> None:
        assert int(tick["price"]) == seq
        self.calls.append((seq, end_of_batch))
        if self.raising.get(seq):
            raise self.raising[seq].pop(0)

    def on_timeout(self, seq: int) -> None:
        self.calls.append(("timeout", seq))
        raise Halt

    def on_shutdown(self) -> None:
        self.calls.append("shutdown")

    @property
    def seen(self) -> list[int]:
        """The sequences of all events."""
        return [call[0] for call in self.calls if isinstance(call[0], int)]


def run(ring: Ring, handler: Any, **options: Any) -> int:
    """Process all of a ring."""
    with ring.consumer("reader") as consumer:
        return process(consumer, handler, **options)


def test_a_function_gets_every_record_with_its_sequence() -> None:
    """A callable is called for each record until the stream ends; the last of a batch is marked, all are released."""
    ring = filled(5)
    got: list[tuple[int, int, bool]] = []
    assert run(ring, lambda tick, seq, end: got.append((int(tick["price"]), seq, end))) == 5
    assert got == [(seq, seq, seq == 5) for seq in range(1, 6)]
    assert ring.fill == 0


def test_hooks_are_called_in_order() -> None:
    """Start, size and depth of each batch, its events, and the shutdown; batches are as large as they may be."""
    handler = Recorder()
    run(filled(5), handler, max_batch=3)
    assert handler.calls == [
        "start", ("batch", 3, 5), (1, False), (2, False), (3, True), ("batch", 2, 2), (4, False), (5, True), "shutdown",
    ]  # fmt: skip


def test_a_batch_crosses_the_end_of_the_ring() -> None:
    """Records before and behind the end of the ring are one batch, for a batch-wise handler two arrays of it."""
    handler = Recorder()
    run(filled(6, offset=5), handler)
    assert handler.calls[1] == ("batch", 6, 6)
    assert [call for call in handler.calls[2:-1] if call[1]] == [(11, True)]
    pieces: list[tuple[list[int], int]] = []
    handler = in_batches(lambda ticks, first_seq: pieces.append((ticks["price"].tolist(), first_seq)))
    assert run(filled(6, offset=5), handler) == 6
    assert pieces == [([6, 7], 6), ([8, 9, 10, 11], 8)]


def test_a_slow_batch_can_be_released_early() -> None:
    """A handler that releases amid its batch makes room at once, and what follows goes on as ever."""
    ring = make(4)
    with ring.producer() as producer, ring.consumer("reader") as consumer:
        producer.publish(np.zeros(4, TICK))
        rooms: list[int] = []

        def handle(_: Any, seq: int, end_of_batch: bool) -> None:
            consumer.release(seq)
            rooms.append(ring.capacity - ring.fill)
            if end_of_batch:
                raise Halt

        assert process(consumer, handle) == 4
        assert rooms == [1, 2, 3, 4]


def test_a_batch_is_handled_again_when_rewound() -> None:
    """After Rewind the same batch comes again from its start, and it counts once."""
    handler = Recorder({2: [Rewind(), Rewind()]})
    assert run(filled(3), handler, rewind=2) == 3
    assert handler.seen == [1, 2, 1, 2, 1, 2, 3]


def test_what_was_released_early_is_not_rewound() -> None:
    """Rewinding goes back to what the handler has not released."""
    ring = filled(3)

    class Half(Recorder):
        def on_event(self, tick: Any, seq: int, end_of_batch: bool) -> None:
            assert self.consumer
            super().on_event(tick, seq, end_of_batch)
            self.consumer.release(seq)

    handler = Half({3: [Rewind()]})
    assert run(ring, handler, rewind=Attempts(1, pause_s=0.001)) == 3
    assert handler.seen == [1, 2, 3, 3]


def test_rewinding_gives_up_by_the_policy() -> None:
    """After its attempts a Rewind is an error: it is raised, or its record is skipped and the rest goes on."""
    ring = filled(4)
    with pytest.raises(Rewind):
        run(ring, Recorder({2: [Rewind() for _ in range(9)]}), rewind=Attempts(3))
    assert (ring.fill, ring.status()[1].state) == (4, "failed")
    skipped: list[int] = []
    handler = Recorder({2: [Rewind() for _ in range(4)], 4: [Rewind()]})
    run(ring, handler, rewind=Attempts(3), on_error=lambda seq, _record, _error: skipped.append(seq))
    assert skipped == [2]
    assert handler.seen == [1, 2] * 4 + [3, 4, 3, 4]
    assert ring.fill == 0


def test_an_error_leaves_the_reader_as_failed() -> None:
    """What was handled before the error is released, the error goes on, and a successor begins with its record."""
    ring = filled(4)
    handler = Recorder({3: [RuntimeError("bad tick")]})
    with pytest.raises(RuntimeError, match="bad tick"):
        run(ring, handler)
    assert handler.calls[-1] == "shutdown"
    reader = ring.status()[1]
    assert (reader.seq, reader.state) == (2, "failed")
    successor = Recorder()
    assert run(ring, successor) == 2
    assert successor.seen == [3, 4]


def test_an_error_that_is_caught_loses_nothing() -> None:
    """Within the with block the same consumer goes on with the record that failed."""
    ring = filled(4)
    handler = Recorder({2: [RuntimeError()], 3: [RuntimeError()]})
    with ring.consumer("reader") as consumer:
        for expected in (1, 2):
            with pytest.raises(RuntimeError):
                process(consumer, handler)
            assert (consumer.seq, consumer.position) == (expected, expected)
        assert process(consumer, handler) == 2
    assert handler.seen == [1, 2, 2, 3, 3, 4]


def test_an_error_can_be_skipped() -> None:
    """With a callback for errors a record that fails is reported with its sequence, and the next one comes."""
    reported: list[tuple[int, int, str]] = []

    def report(seq: int, record: Any, error: Exception) -> None:
        reported.append((seq, int(record["price"]), str(error)))

    handler = Recorder({2: [RuntimeError("a")], 3: [RuntimeError("b")]})
    assert run(filled(3), handler, on_error=report) == 3
    assert reported == [(2, 2, "a"), (3, 3, "b")]


def test_batches_fail_and_rewind_as_a_whole() -> None:
    """A batch-wise handler is rewound, skipped or released array by array."""
    calls: list[int] = []

    def handle(_: Any, first_seq: int) -> None:
        calls.append(first_seq)
        if len(calls) in (2, 3):
            raise Rewind

    reported: list[tuple[int, int]] = []
    ring = filled(6)
    handled = run(
        ring, in_batches(handle), max_batch=2, rewind=1,
        on_error=lambda seq, records, _: reported.append((seq, len(records))),
    )  # fmt: skip
    assert (handled, calls, reported, ring.fill) == (6, [1, 3, 3, 5], [(3, 2)], 0)


def test_a_handler_can_end_the_loop() -> None:
    """Halt ends it well: its record is handled, those behind it are for whoever comes next."""
    ring = filled(5)
    handler = Recorder({2: [Halt()]})
    assert run(ring, handler) == 2
    assert handler.calls[-1] == "shutdown"
    assert ring.status()[1].state == "left"
    rest = Recorder()
    assert run(ring, rest) == 3
    assert rest.seen == [3, 4, 5]


def test_silence_is_a_call_or_an_error() -> None:
    """Without a record in time, on_timeout is called with the last sequence; who has none gets RingTimeout."""
    ring = make()
    with ring.producer() as producer:
        producer.publish((1, 0))
        handler = Recorder()
        assert run(ring, handler, timeout=0.01) == 1
        assert handler.calls[-2:] == [("timeout", 1), "shutdown"]
        with pytest.raises(RingTimeout):
            run(ring, lambda *_: None, timeout=0.01)


def test_a_timeout_of_the_handler_is_its_own() -> None:
    """RingTimeout that the handler raises, of another ring say, is an error, not silence."""
    handler = Recorder({1: [RingTimeout("elsewhere")]})
    with pytest.raises(RingTimeout, match="elsewhere"):
        run(filled(1), handler, timeout=5.0)
    assert ("timeout", 1) not in handler.calls


def test_a_failed_writer_is_told() -> None:
    """All that was published is handled, then WriterFailed passes."""
    ring = make()
    with pytest.raises(RuntimeError), ring.producer() as producer:
        producer.publish((1, 0))
        raise RuntimeError
    handler = Recorder()
    with pytest.raises(WriterFailed):
        run(ring, handler)
    assert (handler.seen, handler.calls[-1]) == ([1], "shutdown")


def test_padding_is_never_seen() -> None:
    """Claims that producers gave up are skipped: neither handled nor counted."""
    ring = make(producers=2)
    with ring.producer() as first, ring.producer() as second:
        first.publish((1, 0))
        second.claim(2).abandon()
        first.publish((4, 0))
    handler = Recorder()
    assert run(ring, handler, rewind=1) == 2
    assert handler.seen == [1, 4]


def test_a_claim_can_be_rewound_from_its_middle() -> None:
    """What is left of a claim of several producers is read again after a rewind, and by a successor."""
    ring = make(producers=2)
    with ring.producer() as producer:
        producer.publish(ticks(1, 3))
        with ring.consumer("reader") as consumer:
            assert consumer.poll(2)["price"].tolist() == [1, 2]
            consumer.release(1)
            consumer.rewind()
            assert consumer.wait(5.0) == 2
            assert consumer.poll(1)["price"].tolist() == [2]
        with ring.consumer("reader") as successor:
            assert (successor.seq, successor.wait(5.0)) == (2, 1)
            assert successor.poll()["price"].tolist() == [3]
            successor.release()
            with pytest.raises(RingTimeout):
                successor.wait(0.01)


def test_several_producers_can_be_polled_without_waiting() -> None:
    """A poll that nothing was waited for before finds what is published, on any lap."""
    ring = make(4, producers=2)
    with ring.producer() as producer, ring.consumer("reader") as consumer:
        for number in range(1, 12):
            assert len(consumer.poll()) == 0
            producer.publish((number, 0))
            assert consumer.poll()["price"].tolist() == [number]
            consumer.release()


@pytest.mark.parametrize(
    ("handler", "options", "said"),
    [
        (print, {"max_batch": 0}, "max_batch: expected at least 1, was 0"),
        (print, {"on_error": "ignore"}, "on_error: expected 'raise' or a function"),
        (object(), {}, "handler: expected a callable, on_event or on_batch"),
    ],
)
def test_misuse_is_refused(handler: Any, options: dict[str, Any], said: str) -> None:
    """What cannot work is said before anything is read."""
    ring = filled(1)
    with pytest.raises((TypeError, ValueError), match=said):
        run(ring, handler, **options)
    assert ring.fill == 1


@given(
    count=st.integers(0, 8),
    offset=st.integers(0, 7),
    max_batch=st.none() | st.integers(1, 9),
    failing=st.dictionaries(st.integers(1, 15), st.lists(st.sampled_from([Rewind, ValueError]), max_size=4)),
    attempts=st.integers(0, 2),
    producers=st.sampled_from([1, 3]),
)
def test_every_record_is_handled_or_reported(
    count: int,
    offset: int,
    max_batch: int | None,
    failing: dict[int, list[type[Exception]]],
    attempts: int,
    producers: int,
) -> None:
    """Whatever fails and is rewound: each record is handled or reported at last, in order, and all are released."""
    ring = filled(count, offset=offset, producers=producers)
    reported: list[int] = []
    handler = Recorder({seq: [kind() for kind in kinds] for seq, kinds in failing.items()})
    handled = run(
        ring, handler, max_batch=max_batch, rewind=attempts, on_error=lambda seq, *_: reported.append(seq)
    )
    wanted = range(offset + 1, offset + count + 1)
    assert sorted(set(handler.seen)) == list(wanted)
    assert set(reported) <= set(wanted)
    assert (handled, ring.fill) == (count, 0)
