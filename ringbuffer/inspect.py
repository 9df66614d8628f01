"""Look at rings from outside: which there are, how full, who is on them, and how each stands.

::

    for ring in find_rings():             every ring in every segment of ours, POSIX and System V
        print(ring.name, ring.fill)
    with open_ring("ticks") as ring:      one of them, by name
        print(status(ring.words), open_claims(ring.words))

A segment may hold several rings, as those of a pipeline do: they stand at page boundaries, and their names are those
of the segment with a number, ``ringmatch-1f2e-core:0``. What is looked at is mapped for reading only; no place is
taken, no word written, no participant slowed but by the cache lines that a look takes for a moment.

Figures are read one after the other while the ring runs on, by plain loads of aligned words: none is torn, each is a
moment old, and a difference of two is never shown below zero. Cursors that wait are read before those they wait for.

Failure modes: a segment that goes away meanwhile is left out by :func:`find_rings`; bytes that are no ring of this
version are no ring. No Numba here, so that a status costs no second.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any, Final, NamedTuple, Self

import numpy as np

from ringbuffer import claim_state
from ringbuffer.errors import LayoutMismatch, SegmentMissing
from ringbuffer.layout import (
    DEAD_READERS,
    H_CAPACITY,
    H_DEAD_READERS,
    H_EPOCH,
    H_KIND,
    H_MAGIC,
    H_OBSERVABLE,
    H_PARTICIPANTS,
    H_SLOT_BYTES,
    H_STATE,
    KIND_SINGLE,
    MAGIC,
    P_CLAIMED,
    P_GATES,
    P_HEARTBEAT,
    P_OWNER,
    P_STATE,
    PAGE_BYTES,
    STATE_CLOSED,
    STATE_FAILED,
    STATE_OPEN,
    WORD_BYTES,
    WRITER,
    cursor_index,
    participant_name,
    producer_participants,
    reader_participants,
    ring_bytes,
    views,
)
from ringbuffer.liveness import is_alive, split_token
from ringbuffer.shm import PREFIX, Segment, SegmentInfo, full_name, list_segments, map_for_reading

__all__ = [
    "FoundRing",
    "OpenClaimStatus",
    "OpenedRing",
    "ParticipantStatus",
    "fill",
    "find_rings",
    "open_claims",
    "open_ring",
    "status",
    "stream_state",
]

STATE_NAMES: Final = ("never attached", "attached", "left", "failed")
STREAM_STATES: Final = {STATE_OPEN: "open", STATE_CLOSED: "closed", STATE_FAILED: "failed"}
POLICY_NAMES: Final = {code: name for name, code in DEAD_READERS.items()}


class ParticipantStatus(NamedTuple):
    """One writer or reader as seen from outside; ``waits_for`` names those whose cursors gate it."""

    name: str
    role: str  # writer, claims (of several producers), producer or reader
    seq: int
    lag: int
    state: str
    pid: int
    alive: bool
    heartbeat_age_s: float
    waits_for: tuple[str, ...]


class OpenClaimStatus(NamedTuple):
    """A claim that is not published: what one of several producers holds."""

    first_seq: int
    size: int
    producer: str


class FoundRing(NamedTuple):
    """One ring and the segment that it lies in; ``stale`` says that the segment's owner is dead."""

    name: str
    producers: int  # places: one writer, or several
    readers: tuple[str, ...]
    capacity: int
    slot_bytes: int
    fill: int
    seq: int
    state: str  # of the stream: open, closed, failed
    epoch: int
    observable: bool
    dead_readers: str
    memory: str  # posix or sysv
    huge_pages: bool
    owner_pid: int
    stale: bool
    created_ns: int
    purpose: str


def _names(words: Any) -> list[str]:
    return [participant_name(words, each) for each in range(int(words[H_PARTICIPANTS]))]


def _gates(words: Any, participant: int) -> list[int]:
    mask = int(words[cursor_index(participant) + P_GATES])
    return [each for each in range(int(words[H_PARTICIPANTS])) if mask >> each & 1]


def role_of(words: Any, participant: int) -> str:
    """Return what a participant is: reader, writer, producer, or the claims of several producers."""
    if participant in reader_participants(words):
        return "reader"
    if int(words[H_KIND]) == KIND_SINGLE:
        return "writer"
    return "claims" if participant == WRITER else "producer"


def status(words: Any) -> list[ParticipantStatus]:
    """Return how each participant stands, the writer first; vacant places are left out."""
    now_ns = time.monotonic_ns()
    names, last_seq = _names(words), claim_state.last_claimed(words)
    found = []
    for participant, name in enumerate(names):
        if not name:
            continue  # vacant
        base = cursor_index(participant)
        seq = last_seq if participant == WRITER else int(words[base])
        pid, start_time = split_token(int(words[base + P_OWNER]))
        beat_ns = int(words[base + P_HEARTBEAT])
        role = role_of(words, participant)
        found.append(
            ParticipantStatus(
                name=name,
                role=role,
                seq=seq,
                lag=max(0, last_seq - seq) if role == "reader" else 0,
                state=STATE_NAMES[int(words[base + P_STATE])],
                pid=pid,
                alive=is_alive(pid, start_time),
                heartbeat_age_s=(now_ns - beat_ns) / 1e9 if beat_ns else float("inf"),
                waits_for=tuple(names[each] for each in _gates(words, participant) if names[each]),
            )
        )
    return found


def _released(words: Any) -> int:
    """Return up to where all readers are done: the slowest of those that gate the claims, at most the cursor."""
    last_seq = claim_state.last_claimed(words)
    return min([last_seq, *(int(words[cursor_index(each)]) for each in _gates(words, WRITER))])


def fill(words: Any) -> int:
    """Return how many slots hold what the slowest reader has not released."""
    released = _released(words)
    return min(claim_state.last_claimed(words) - released, int(words[H_CAPACITY]))


def open_claims(words: Any) -> list[OpenClaimStatus]:
    """Return what is claimed and not published: by one writer that announces, or by each of several."""
    if int(words[H_KIND]) == KIND_SINGLE:
        base = cursor_index(WRITER)
        claimed = int(words[base + P_CLAIMED])  # before the cursor: what was published meanwhile is not open
        seq = int(words[base])
        ahead = claimed - seq
        return [OpenClaimStatus(seq + 1, ahead, "writer")] if ahead > 0 else []
    return [
        OpenClaimStatus(claim.seq, claim.count, participant_name(words, claim.owner))
        for claim in claim_state.open_claims(words, _released(words))
    ]


def stream_state(words: Any) -> str:
    """Return whether the stream is open, closed or failed."""
    return STREAM_STATES.get(int(words[H_STATE]), "unknown")


# Where they are


class OpenedRing:
    """A ring of a segment, mapped for reading only; as a context manager it unmaps on leaving."""

    def __init__(self, name: str, segment: SegmentInfo, words: Any) -> None:
        self.name = name
        self.segment = segment
        self.words = words

    @property
    def exists(self) -> bool:
        """Whether a segment of that name is still there, and is this one."""
        found = [each for each in list_segments(self.segment.name) if each.name == self.segment.name]
        return any(each.created_ns == self.segment.created_ns for each in found)

    def summary(self) -> FoundRing:
        """Return what a list of rings shows of this one, as it is now."""
        words, segment = self.words, self.segment
        return FoundRing(
            name=self.name,
            producers=len(producer_participants(words)),
            readers=tuple(
                filter(None, (participant_name(words, each) for each in reader_participants(words)))
            ),
            capacity=int(words[H_CAPACITY]),
            slot_bytes=int(words[H_SLOT_BYTES]),
            fill=fill(words),
            seq=claim_state.last_claimed(words),
            state=stream_state(words),
            epoch=int(words[H_EPOCH]),
            observable=bool(words[H_OBSERVABLE]) or int(words[H_KIND]) != KIND_SINGLE,
            dead_readers=POLICY_NAMES.get(int(words[H_DEAD_READERS]), "unknown"),
            memory=segment.kind,
            huge_pages=segment.huge_pages,
            owner_pid=segment.owner_pid,
            stale=not is_alive(segment.owner_pid, segment.owner_start),
            created_ns=segment.created_ns,
            purpose=segment.purpose,
        )

    def close(self) -> None:
        """Give up the words; the mapping goes with the last array on it."""
        self.words = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def rings_in(buffer: Any) -> Iterator[Any]:
    """Yield the words of each ring that lies in a segment: at a page boundary, whole, of this version."""
    size_bytes = memoryview(buffer).nbytes
    offset = Segment.CONTENT
    while offset + PAGE_BYTES <= size_bytes:
        step_bytes = PAGE_BYTES
        if int(np.frombuffer(buffer, np.int64, 1, offset + H_MAGIC * WORD_BYTES)[0]) == MAGIC:
            with contextlib.suppress(LayoutMismatch):  # not of this version, or not whole yet
                words, slots = views(buffer, offset)
                step_bytes = ring_bytes(
                    len(slots), slots.shape[1], int(words[H_PARTICIPANTS]), int(words[H_KIND])
                )
                yield words
        offset += step_bytes


def opened_rings(segment: SegmentInfo) -> list[OpenedRing]:
    """Return the rings of a segment, none if it is gone or holds none."""
    try:
        buffer = map_for_reading(segment)
    except (SegmentMissing, OSError):
        return []
    found = list(rings_in(buffer))
    if len(found) == 1:
        return [OpenedRing(segment.name, segment, found[0])]
    return [OpenedRing(f"{segment.name}:{index}", segment, words) for index, words in enumerate(found)]


def find_rings(prefix: str = PREFIX) -> list[FoundRing]:
    """Return every ring in every segment whose name starts with ``prefix``, by name."""
    return [ring.summary() for segment in list_segments(prefix) for ring in opened_rings(segment)]


def open_ring(name: str) -> OpenedRing:
    """Open a ring for looking at it; the prefix may be left out, and so may ``:0`` if the segment has no other."""
    base = name.partition(":")[0]
    segment_name = full_name(base)
    wanted = f"{segment_name}{name[len(base) :]}"
    rings = [
        ring
        for segment in list_segments(segment_name)
        if segment.name == segment_name
        for ring in opened_rings(segment)
    ]
    for ring in rings:
        if wanted in (ring.name, f"{ring.name}:0"):
            return ring
    names = [ring.name for ring in rings]
    if names:
        raise SegmentMissing(f"{wanted}: expected one of {', '.join(_shorten(names))}")
    raise SegmentMissing(f"{wanted}: expected a ring of that name, was none")


def _shorten(names: list[str]) -> list[str]:
    return names if len(names) <= 3 else [names[0], "...", names[-1]]
