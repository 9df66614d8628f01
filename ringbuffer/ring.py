"""Rings for plain Python: create, attach, and look at one from outside.

::

    with Ring.create("ticks", 4096, TICK, handle("risk").then("book")) as ring:
        with ring.producer() as out:                      # in one process
            out.publish((101, 5))
    with Ring.attach("ticks", TICK) as ring, ring.consumer("book") as ticks:   # in another
        for batch in ticks: ...

A :class:`Ring` is a view; it holds no place in the ring until ``producer()``, ``consumer()`` or ``join()`` takes
one; ``observe()`` never does.
The creator's ``with`` block unlinks the segment's name when it ends; those attached keep the memory.
Compiled stages use the same bytes through :mod:`ringbuffer.sequence` with ``ring.words`` and
``ring.slots``.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Mapping
from typing import Any, Self

from ringbuffer import inspect, layout
from ringbuffer.claim_state import last_claimed
from ringbuffer.consumer import Consumer
from ringbuffer.errors import ParticipantBusy, SegmentExists, UnknownParticipant
from ringbuffer.inspect import OpenClaimStatus, ParticipantStatus
from ringbuffer.layout import (
    H_CAPACITY,
    H_EPOCH,
    H_KIND,
    KIND_SINGLE,
    P_OWNER,
    check_header,
    cursor_index,
    initialise,
    participant_of,
    producer_participants,
    reader_participants,
    typed_slots,
    views,
)
from ringbuffer.liveness import own_identity
from ringbuffer.membership import join, remove
from ringbuffer.observer import Observer
from ringbuffer.producer import Producer, SharedProducer
from ringbuffer.shm import Segment, SysvSegment
from ringbuffer.slots import as_dtype

__all__ = ["OpenClaimStatus", "ParticipantStatus", "Ring"]


class Ring:
    """One ring over some buffer; ``words`` and ``slots`` are the arrays that kernels take."""

    def __init__(self, name: str, words: Any, slots: Any) -> None:
        self.name = name
        self.words = words
        self.slots = slots
        self.segment: Segment | None = None
        self.dtype = slots.dtype
        self.capacity = int(words[H_CAPACITY])
        self.epoch = int(words[H_EPOCH])

    @classmethod
    def create(
        cls,
        name: str,
        capacity: int,
        dtype: Any,
        readers: Mapping[str, Iterable[str | int]],
        *,
        producers: int = 1,
        vacant_readers: int = 0,
        observable: bool = True,
        dead_readers: str = "raise",
        epoch: int = 1,
        start_seq: int = 0,
        kind: type[Segment] = Segment,
        huge_pages: bool = False,
        replace_stale: bool = False,
    ) -> Self:
        """Create a ring in a new segment; ``readers`` maps each name to the names that it waits for.

        ``dtype`` describes the slots: a NumPy dtype, or a type of msgspec.Struct (see :mod:`ringbuffer.slots`).
        ``readers`` may be a :class:`ringbuffer.topology.Topology`; ``vacant_readers`` places are for readers that
        join later. ``dead_readers`` says what becomes of one that died: ``raise``, ``wait``, ``remove`` or ``fail``
        (see :mod:`ringbuffer.participant`). ``observable`` lets observers look on, for one more store a claim.
        With ``huge_pages`` the segment has some if the host gives any: ``segment.info`` says whether. With
        ``replace_stale`` a segment of that name whose creator is dead is unlinked first.
        """
        dtype = as_dtype(dtype)
        ring_kind = layout.KIND_SINGLE if producers == 1 else layout.KIND_MULTI
        participants = layout.count_participants(len(readers) + vacant_readers, producers)
        size = Segment.CONTENT + layout.ring_bytes(capacity, dtype.itemsize, participants, ring_kind)
        purpose = f"ring of {capacity} x {dtype.itemsize} bytes, readers {', '.join(readers)}"
        try:
            segment = kind.create(name, size, purpose, huge_pages=huge_pages)
        except SegmentExists:
            stale = kind.attach(name) if replace_stale else None
            if stale is None or stale.info.alive:
                raise
            stale.unlink()
            segment = kind.create(name, size, purpose, huge_pages=huge_pages)
        try:
            initialise(
                segment.buffer,
                segment.CONTENT,
                capacity,
                dtype,
                readers,
                start_seq,
                epoch,
                owner=own_identity(),
                created_ns=time.time_ns(),
                producers=producers,
                vacant_readers=vacant_readers,
                observable=observable,
                dead_readers=dead_readers,
            )
        except BaseException:
            segment.unlink()
            raise
        return cls._in(segment, dtype, None)

    @classmethod
    def attach(
        cls, name: str, dtype: Any, *, epoch: int | None = None, kind: type[Segment] = Segment
    ) -> Self:
        """Attach an existing ring; expect slots of exactly this dtype or type of structs, and this epoch if given."""
        return cls._in(kind.attach(name), dtype, epoch)

    @classmethod
    def over(
        cls,
        buffer: Any,
        offset: int,
        dtype: Any,
        *,
        epoch: int | None = None,
        name: str = "ring",
    ) -> Self:
        """Return the ring that :func:`ringbuffer.layout.initialise` has put at ``offset`` of a buffer."""
        words, slots = views(buffer, offset)
        dtype = as_dtype(dtype)
        check_header(words, where=name, dtype=dtype, epoch=epoch)
        return cls(name, words, typed_slots(slots, dtype))

    @classmethod
    def _in(cls, segment: Segment, dtype: Any, epoch: int | None) -> Self:
        ring = cls.over(segment.buffer, segment.CONTENT, dtype, epoch=epoch, name=segment.name)
        ring.segment = segment
        return ring

    def producer(
        self, strategy: str = "yield", keep_open: bool = False, full: str | float = "wait"
    ) -> Producer:
        """Take the writer's place, or a free one of several producers.

        ``strategy`` is how it waits for room; ``full`` whether: ``wait``, ``fail`` or seconds.
        """
        if int(self.words[H_KIND]) == KIND_SINGLE:
            return Producer(self, strategy, keep_open, full)
        places = producer_participants(self.words)
        for place in places:
            with contextlib.suppress(ParticipantBusy):
                return SharedProducer(self, place, strategy, keep_open, full)
        raise ParticipantBusy(f"{self.name}: expected a free place of {len(places)} producers, all are held")

    def consumer(self, name: str, strategy: str = "yield", writable: bool = False) -> Consumer:
        """Take the place of reader ``name``; with ``writable`` it may also write into the slots it reads."""
        participant = participant_of(self.words, name)
        if participant not in reader_participants(self.words):
            raise UnknownParticipant(f"{self.name}: expected a reader, was {name!r}")
        return Consumer(self, participant, strategy, writable)

    def join(
        self,
        name: str,
        after: str | Iterable[str] = (),
        at_seq: int | None = None,
        strategy: str = "yield",
        writable: bool = False,
    ) -> Consumer:
        """Become a new reader behind ``after`` (none: the writer), in a vacant place, until the ``with`` block ends.

        It starts at what comes next, or behind ``at_seq`` if that is still in the ring (else NotRetained).
        """
        participant = join(self.words, name, after, at_seq)
        token = int(self.words[cursor_index(participant) + P_OWNER])
        return Consumer(self, participant, strategy, writable, token=token, leaves=True)

    def remove(self, name: str) -> None:
        """Take a reader out of the graph, for instance one that died; those behind it wait for whom it waited for."""
        participant = participant_of(self.words, name)
        remove(self.words, participant, int(self.words[cursor_index(participant) + P_OWNER]))

    def observe(self, seq: int | None = None, batch: int = 1024) -> Observer:
        """Look on without a place, from what comes next or behind ``seq``; nobody waits for an observer."""
        return Observer(self, seq, batch)

    @property
    def cursor(self) -> int:
        """The last sequence that was published, or with several producers claimed."""
        return last_claimed(self.words)

    def status(self) -> list[ParticipantStatus]:
        """Return how each participant stands, the writer first; takes no place and disturbs nobody."""
        return inspect.status(self.words)

    @property
    def fill(self) -> int:
        """How many slots hold what the slowest reader has not released."""
        return inspect.fill(self.words)

    def open_claims(self) -> list[OpenClaimStatus]:
        """Return what is claimed and not published: by one writer that announces, or by each of several."""
        return inspect.open_claims(self.words)

    def contiguous(self, first_seq: int, last_seq: int) -> int:
        """Return how many slots from ``first_seq`` to ``last_seq`` lie side by side."""
        to_end = self.capacity - (first_seq & (self.capacity - 1))
        return max(0, min(last_seq - first_seq + 1, to_end))

    def view(self, first_seq: int, count: int, writable: bool = True) -> Any:
        """Return ``count`` slots from ``first_seq``, which lie side by side."""
        start = first_seq & (self.capacity - 1)
        array = self.slots[start : start + count]
        if not writable:
            array.flags.writeable = False
        return array

    def slices(self, first_seq: int, last_seq: int) -> tuple[Any, ...]:
        """Return the slots of ``first_seq .. last_seq`` as one array, or two where they wrap."""
        count = last_seq - first_seq + 1
        head = self.contiguous(first_seq, last_seq)
        views_ = (self.view(first_seq, head),)
        return views_ if head == count else (*views_, self.view(first_seq + head, count - head))

    def unlink(self) -> None:
        """Take the segment's name away; whoever is attached keeps it."""
        if self.segment is not None:
            self.segment.unlink()

    def close(self) -> None:
        """Drop this object's arrays; the memory is unmapped when the last array on it is gone."""
        self.words = self.slots = None
        if self.segment is not None:
            self.segment.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.segment is not None and self.segment.created:
            self.segment.unlink()
        self.close()


assert issubclass(SysvSegment, Segment)  # what ``kind`` takes
