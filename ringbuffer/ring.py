"""Rings for plain Python: create, attach, and look at one from outside.

::

    with Ring.create("ticks", 4096, TICK, readers={"risk": (), "book": ("risk",)}) as ring:
        with ring.producer() as out:                      # in one process
            out.publish((101, 5))
    with Ring.attach("ticks", TICK) as ring, ring.consumer("book") as ticks:   # in another
        for batch in ticks: ...

A :class:`Ring` is a view; it holds no place in the ring until ``producer()`` or ``consumer()`` takes one.
The creator's ``with`` block unlinks the segment's name when it ends; those attached keep the memory.
Compiled stages use the same bytes through :mod:`ringbuffer.sequence` with ``ring.words`` and
``ring.slots``.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Self

import numpy as np

from ringbuffer import layout
from ringbuffer.consumer import Consumer
from ringbuffer.errors import SegmentExists
from ringbuffer.layout import (
    H_CAPACITY,
    H_EPOCH,
    H_PARTICIPANTS,
    P_HEARTBEAT,
    P_OWNER,
    P_STATE,
    WRITER,
    check_header,
    cursor_index,
    initialise,
    participant_name,
    participant_of,
    typed_slots,
    views,
)
from ringbuffer.liveness import is_alive, own_identity, split_token
from ringbuffer.producer import Producer
from ringbuffer.shm import Segment, SysvSegment

__all__ = ["ParticipantStatus", "Ring"]

STATE_NAMES = ("never attached", "attached", "left", "failed")


class ParticipantStatus(NamedTuple):
    """One writer or reader as seen from outside."""

    name: str
    seq: int
    lag: int
    state: str
    pid: int
    alive: bool
    heartbeat_age_s: float


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
        epoch: int = 1,
        start_seq: int = 0,
        kind: type[Segment] = Segment,
        replace_stale: bool = False,
    ) -> Self:
        """Create a ring in a new segment; ``readers`` maps each name to the names that it waits for.

        With ``replace_stale`` a segment of that name whose creator is dead is unlinked first.
        """
        dtype = np.dtype(dtype)
        size = Segment.CONTENT + layout.ring_bytes(capacity, dtype.itemsize, 1 + len(readers))
        purpose = f"ring of {capacity} x {dtype.itemsize} bytes, readers {', '.join(readers)}"
        try:
            segment = kind.create(name, size, purpose)
        except SegmentExists:
            stale = kind.attach(name) if replace_stale else None
            if stale is None or stale.info.alive:
                raise
            stale.unlink()
            segment = kind.create(name, size, purpose)
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
            )
        except BaseException:
            segment.unlink()
            raise
        return cls._in(segment, dtype, None)

    @classmethod
    def attach(
        cls, name: str, dtype: Any, *, epoch: int | None = None, kind: type[Segment] = Segment
    ) -> Self:
        """Attach an existing ring; expect slots of exactly this dtype, and this epoch if one is given."""
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
        check_header(words, where=name, dtype=dtype, epoch=epoch)
        return cls(name, words, typed_slots(slots, dtype))

    @classmethod
    def _in(cls, segment: Segment, dtype: Any, epoch: int | None) -> Self:
        ring = cls.over(segment.buffer, segment.CONTENT, dtype, epoch=epoch, name=segment.name)
        ring.segment = segment
        return ring

    def producer(self, strategy: str = "yield", keep_open: bool = False) -> Producer:
        """Take the writer's place; ``strategy`` is how it waits for room."""
        return Producer(self, strategy, keep_open)

    def consumer(self, name: str, strategy: str = "yield", writable: bool = False) -> Consumer:
        """Take the place of reader ``name``; with ``writable`` it may also write into the slots it reads."""
        return Consumer(self, participant_of(self.words, name), strategy, writable)

    @property
    def cursor(self) -> int:
        """The last published sequence."""
        return int(self.words[cursor_index(WRITER)])

    def status(self) -> list[ParticipantStatus]:
        """Return how each participant stands, the writer first; takes no place and disturbs nobody."""
        now_ns = time.monotonic_ns()
        head_seq = self.cursor
        found = []
        for participant in range(int(self.words[H_PARTICIPANTS])):
            base = cursor_index(participant)
            seq = int(self.words[base])
            pid, start_time = split_token(int(self.words[base + P_OWNER]))
            beat_ns = int(self.words[base + P_HEARTBEAT])
            found.append(
                ParticipantStatus(
                    name=participant_name(self.words, participant),
                    seq=seq,
                    lag=max(0, head_seq - seq),
                    state=STATE_NAMES[int(self.words[base + P_STATE])],
                    pid=pid,
                    alive=is_alive(pid, start_time),
                    heartbeat_age_s=(now_ns - beat_ns) / 1e9 if beat_ns else float("inf"),
                )
            )
        return found

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
