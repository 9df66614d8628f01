"""Our side of the ring benchmark: each participant is a process of its own and runs a compiled loop.

A :class:`Contestant` runs one slice at a time and says how long it took; it raises NotVerified if a word of a record
was lost, doubled or changed. The time runs from the first look of the first producer to the last record of the
last reader, on the clock that all processes share.
"""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from typing import Any, Final, Self

import numpy as np

from benchmarks import ring_kernels as kernels
from benchmarks import ring_trips
from benchmarks.measure import NotVerified, expect_equal
from benchmarks.ring_crew import Crew, Part
from benchmarks.ring_kernels import DONE, OUT_END, OUT_START, OUT_TOTAL, OUT_WORDS
from benchmarks.ring_workloads import WORD_BYTES, Workload, new_source, sum_of_source
from ringbuffer.layout import cursor_index
from ringbuffer.multi import new_reader, new_sharer
from ringbuffer.ring import Ring
from ringbuffer.sequence import new_local
from ringbuffer.wait import STRATEGIES

__all__ = ["OURS", "Contestant", "OurPingPong", "OurRing", "expect_done", "percentiles"]

OURS: Final = "ringmatch"
PING_CAPACITY: Final = 1024
POINTS: Final = (50.0, 99.0, 99.9, 100.0)


class Contestant(ABC):
    """One side with one wait strategy, ready to run slices."""

    peer: str
    strategy: str
    slot_bytes: int

    @abstractmethod
    def run(self, messages: int) -> Any:
        """Run a slice: return its nanoseconds, or for ping-pong its :func:`percentiles`; verified."""

    @abstractmethod
    def close(self) -> None:
        """End its processes and give its memory back."""

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self.close()


def percentiles(samples: Any) -> tuple[float, ...]:
    """Return p50, p99, p99.9 and the maximum."""
    return tuple(float(found) for found in np.percentile(samples, POINTS))


def expect_done(*codes: int) -> None:
    """Raise NotVerified if a loop gave up."""
    if any(code != DONE for code in codes):
        raise NotVerified(
            f"ring: expected all parts to come to an end, was {codes} ({kernels.STUCK}: gave up)"
        )


class _Slots:
    """A ring in a segment of its own, as the kernels take it."""

    def __init__(self, workload: Workload, capacity: int, slot_bytes: int) -> None:
        words = slot_bytes // WORD_BYTES
        dtype = np.dtype([(f"word_{word}", "<i8") for word in range(words)])
        self.ring = Ring.create(
            f"bench-ring-{uuid.uuid4().hex[:8]}", capacity, dtype, workload.readers,
            producers=workload.producers, observable=False,
        )  # fmt: skip
        self.words = self.ring.words
        self.flat = self.ring.slots.view(np.int64).reshape(-1)
        self.lane = (np.int64(0),) * words
        self.source = new_source(words)

    def close(self) -> None:
        """Take the segment away."""
        self.words = self.flat = None
        self.ring.unlink()
        self.ring.close()


class OurRing(Contestant):
    """A topology of ours under one wait strategy."""

    peer = OURS

    def __init__(
        self, workload: Workload, slot_bytes: int, wait: str, slots: int, cores: tuple[int, int]
    ) -> None:
        self.workload, self.slot_bytes = workload, slot_bytes
        self.strategy = f"{wait}, {slots >> 10} Ki slots"
        self._code = np.int64(STRATEGIES[wait])
        self._slots = _Slots(workload, slots, slot_bytes)
        self._seq = 0
        self._out = np.zeros(OUT_WORDS, np.int64)
        works = [self._producer(each) for each in range(workload.producers)]
        works += [self._reader(each) for each in range(len(workload.readers))]
        for work in works:
            work(0)  # loads the kernels before anybody forks
        places = [set(cores)] * len(works) if workload.shares_cores else [{cores[0]}, {cores[1]}]
        self._crew = Crew([Part(place, work) for place, work in zip(places, works, strict=True)])

    def _producer(self, index: int) -> Any:
        slots, workload, code, out = self._slots, self.workload, self._code, self._out
        first, batch = np.int64(1 + len(workload.readers)), np.int64(workload.batch)
        local = (
            new_local(slots.words) if workload.producers == 1 else new_sharer(slots.words, int(first) + index)
        )
        source = slots.source.view(slots.ring.dtype).reshape(-1)

        def produce(messages: int) -> tuple[int, Any]:
            count = np.int64(messages // workload.producers)
            ring = (slots.words, slots.ring.slots, source, local)
            if workload.producers > 1:
                done = kernels.produce_shared(*ring, first + index, count, code, out)
            elif workload.batch > 1:
                done = kernels.produce_batches(*ring, count, batch, code, out)
            else:
                done = kernels.produce(*ring, count, code, out)
            return int(done), out

        return produce

    def _reader(self, index: int) -> Any:
        slots, workload, code, out = self._slots, self.workload, self._code, self._out
        participant = np.int64(1 + index)
        local = new_reader(slots.words, 0)

        def consume(messages: int) -> tuple[int, Any]:
            ring = (slots.words, slots.flat, slots.lane)
            count = np.int64(messages)
            if workload.producers > 1:
                done = kernels.consume_shared(*ring, local, participant, count, code, out)
            else:
                done = kernels.consume(*ring, participant, count, code, out)
            return int(done), out

        return consume

    def run(self, messages: int) -> float:
        """Run a slice of a multiple of the batch and return its nanoseconds."""
        answers = self._crew.run(messages)
        expect_done(*(code for code, _ in answers))
        outs = [out for _, out in answers]
        readers = outs[self.workload.producers :]
        wanted = sum_of_source(self.workload, messages, self._slots.source)
        self._seq += messages
        for index, out in enumerate(readers):
            what = f"ring: {self.workload.title}, {self.strategy}, reader {index}"
            expect_equal(f"{what}: sum of all words", wanted, int(out[OUT_TOTAL]))
            expect_equal(f"{what}: cursor", self._seq, int(self._slots.words[cursor_index(1 + index)]))
        started = min(int(out[OUT_START]) for out in outs[: self.workload.producers])
        return float(max(int(out[OUT_END]) for out in readers) - started)

    def close(self) -> None:
        """End the processes and take the segment away."""
        self._crew.close()
        self._slots.close()


class OurPingPong(Contestant):
    """One record under way over two rings, both sides on a core of their own, looking all the time."""

    peer = OURS
    strategy = "busy"

    def __init__(self, workload: Workload, slot_bytes: int, cores: tuple[int, int]) -> None:
        self.slot_bytes = slot_bytes
        self._there = _Slots(workload, PING_CAPACITY, slot_bytes)
        self._back = _Slots(workload, PING_CAPACITY, slot_bytes)
        out_local, back_local = new_local(self._there.words), new_local(self._back.words)
        there, back = self._there, self._back

        def ping(rounds: int) -> tuple[int, Any]:
            samples = np.zeros(rounds, np.int64)
            ends = (there.words, there.flat, back.words, back.flat)
            done = ring_trips.ping(*ends, there.lane, out_local, samples)
            return int(done), percentiles(samples) if rounds else ()

        def echo(rounds: int) -> tuple[int, Any]:
            ends = (there.words, there.flat, back.words, back.flat)
            return int(ring_trips.echo(*ends, there.lane, back_local, np.int64(rounds))), ()

        ping(0)
        echo(0)
        self._crew = Crew([Part({cores[0]}, ping), Part({cores[1]}, echo)])

    def run(self, messages: int) -> tuple[float, ...]:
        """Run a slice of round trips; each echo is checked when it comes."""
        (ping_code, found), (echo_code, _) = self._crew.run(messages)
        expect_done(ping_code, echo_code)
        return found  # type: ignore[no-any-return]

    def close(self) -> None:
        """End the processes and take the segments away."""
        self._crew.close()
        self._there.close()
        self._back.close()
