"""A lock-free ring buffer in shared memory: one writer or several, a graph of readers, any number of processes.

The names below load on first use, so that importing the package costs nothing and loads no Numba. See
``docs/ringbuffer.md``; kernels import from the modules directly.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ringbuffer.consumer import Consumer
    from ringbuffer.errors import (
        ClaimError,
        EpochMismatch,
        LayoutMismatch,
        NotObservable,
        NotRetained,
        ParticipantBusy,
        ParticipantError,
        PeerDied,
        RingbufferError,
        RingClosed,
        RingFull,
        RingTimeout,
        SegmentExists,
        SegmentMissing,
        SharedMemoryError,
        SharedMemoryFull,
        UnknownParticipant,
        WriterFailed,
    )
    from ringbuffer.inspect import (
        FoundRing,
        OpenClaimStatus,
        OpenedRing,
        ParticipantStatus,
        find_rings,
        open_ring,
    )
    from ringbuffer.observer import Observed, Observer
    from ringbuffer.processor import Attempts, Halt, Rewind, in_batches, process
    from ringbuffer.producer import Claim, Producer, SharedProducer
    from ringbuffer.ring import Ring
    from ringbuffer.shm import Segment, SegmentInfo, SysvSegment, clean_stale, list_segments
    from ringbuffer.slots import slot_dtype, to_record, to_structs
    from ringbuffer.topology import Topology, diamond, handle, pipeline

__all__ = [
    "Attempts",
    "Claim",
    "ClaimError",
    "Consumer",
    "EpochMismatch",
    "FoundRing",
    "Halt",
    "LayoutMismatch",
    "NotObservable",
    "NotRetained",
    "Observed",
    "Observer",
    "OpenClaimStatus",
    "OpenedRing",
    "ParticipantBusy",
    "ParticipantError",
    "ParticipantStatus",
    "PeerDied",
    "Producer",
    "Rewind",
    "Ring",
    "RingClosed",
    "RingFull",
    "RingTimeout",
    "RingbufferError",
    "Segment",
    "SegmentExists",
    "SegmentInfo",
    "SegmentMissing",
    "SharedMemoryError",
    "SharedMemoryFull",
    "SharedProducer",
    "SysvSegment",
    "Topology",
    "UnknownParticipant",
    "WriterFailed",
    "clean_stale",
    "diamond",
    "find_rings",
    "handle",
    "in_batches",
    "list_segments",
    "open_ring",
    "pipeline",
    "process",
    "slot_dtype",
    "to_record",
    "to_structs",
]

_MODULES = {
    "consumer": ("Consumer",),
    "observer": ("Observed", "Observer"),
    "producer": ("Claim", "Producer", "SharedProducer"),
    "inspect": ("FoundRing", "OpenClaimStatus", "OpenedRing", "ParticipantStatus", "find_rings", "open_ring"),
    "processor": ("Attempts", "Halt", "Rewind", "in_batches", "process"),
    "ring": ("Ring",),
    "slots": ("slot_dtype", "to_record", "to_structs"),
    "shm": ("Segment", "SegmentInfo", "SysvSegment", "clean_stale", "list_segments"),
    "topology": ("Topology", "diamond", "handle", "pipeline"),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES.get(name, 'errors')}"), name)
    globals()[name] = value
    return value
