"""Everything that can go wrong in this package, as one tree.

::

    RingbufferError
    ├── LayoutMismatch         a header is not what the attacher expects (magic, version, dtype, capacity)
    ├── EpochMismatch          the ring was restarted; this process belongs to an earlier life of it
    ├── SharedMemoryError
    │   ├── SharedMemoryFull   the pages cannot be reserved: needed, free
    │   ├── SegmentExists      the name is taken, by a live or by a dead owner
    │   └── SegmentMissing     nothing of that name
    ├── ParticipantError
    │   ├── UnknownParticipant no reader of that name
    │   ├── ParticipantBusy    a live process or another object holds that place
    │   └── PeerDied           somebody this one waits for is gone without a goodbye
    ├── RingTimeout            nothing came, or no room came, in time (also a TimeoutError)
    ├── RingFull               no room, and the producer's policy is not to wait
    ├── NotRetained            a reader wants to start at a sequence that is no longer, or not yet, in the ring
    ├── NotObservable          an observer of a ring whose writer does not announce its claims
    ├── RingClosed             the writer ended the stream and everything of it was read
    ├── WriterFailed           the writer left because of an exception; what it published was read
    └── ClaimError             misuse of a claim: too large, nested, foreign thread, end of the sequences

Messages say "expected X, was Y" and name the segment or ring. A kernel never raises: it returns a code.
"""

from __future__ import annotations

__all__ = [
    "ClaimError",
    "EpochMismatch",
    "LayoutMismatch",
    "NotObservable",
    "NotRetained",
    "ParticipantBusy",
    "ParticipantError",
    "PeerDied",
    "RingClosed",
    "RingFull",
    "RingTimeout",
    "RingbufferError",
    "SegmentExists",
    "SegmentMissing",
    "SharedMemoryError",
    "SharedMemoryFull",
    "UnknownParticipant",
    "WriterFailed",
]


class RingbufferError(Exception):
    """Base of all errors of this package."""


class LayoutMismatch(RingbufferError):
    """A header does not describe what the attacher expects."""


class EpochMismatch(RingbufferError):
    """The ring belongs to another life of the system than the attacher."""


class SharedMemoryError(RingbufferError):
    """A shared memory segment cannot be created or attached."""


class SharedMemoryFull(SharedMemoryError):
    """The system has no room for the segment; nothing was left behind."""

    def __init__(self, name: str, needed_bytes: int, free_bytes: int, place: str = "/dev/shm") -> None:
        super().__init__(f"{name}: expected {needed_bytes} bytes free in {place}, was {free_bytes}")
        self.needed_bytes = needed_bytes
        self.free_bytes = free_bytes


class SegmentExists(SharedMemoryError):
    """The name of a segment to create is taken."""


class SegmentMissing(SharedMemoryError):
    """The segment to attach does not exist."""


class ParticipantError(RingbufferError):
    """Something is wrong with a writer or reader of a ring."""


class UnknownParticipant(ParticipantError):
    """The ring has no participant of that name."""


class ParticipantBusy(ParticipantError):
    """The participant's place is held by a live process."""


class PeerDied(ParticipantError):
    """A process that this one waits for has died while it held its place."""


class RingTimeout(RingbufferError, TimeoutError):
    """The deadline passed before there was something to read, or room to write."""


class RingFull(RingbufferError):
    """The ring has no room, and the producer was told to fail rather than wait."""


class NotRetained(RingbufferError):
    """A sequence is not in the ring: overwritten already, or not published yet."""


class NotObservable(RingbufferError):
    """The ring was created without announcing claims, so that a lapped observer could not tell."""


class RingClosed(RingbufferError):
    """The writer has ended the stream."""


class WriterFailed(RingbufferError):
    """The writer left its ``with`` block by an exception; the stream is not complete."""


class ClaimError(RingbufferError):
    """A claim that can never be served, or a publish without one."""
