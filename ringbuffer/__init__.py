"""A lock-free ring buffer in shared memory: one writer, a graph of readers, any number of processes.

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
        ParticipantBusy,
        ParticipantError,
        PeerDied,
        RingbufferError,
        RingClosed,
        RingTimeout,
        SegmentExists,
        SegmentMissing,
        SharedMemoryError,
        SharedMemoryFull,
        UnknownParticipant,
        WriterFailed,
    )
    from ringbuffer.producer import Claim, Producer
    from ringbuffer.ring import ParticipantStatus, Ring
    from ringbuffer.shm import Segment, SegmentInfo, SysvSegment, clean_stale, list_segments

__all__ = [
    "Claim",
    "ClaimError",
    "Consumer",
    "EpochMismatch",
    "LayoutMismatch",
    "ParticipantBusy",
    "ParticipantError",
    "ParticipantStatus",
    "PeerDied",
    "Producer",
    "Ring",
    "RingClosed",
    "RingTimeout",
    "RingbufferError",
    "Segment",
    "SegmentExists",
    "SegmentInfo",
    "SegmentMissing",
    "SharedMemoryError",
    "SharedMemoryFull",
    "SysvSegment",
    "UnknownParticipant",
    "WriterFailed",
    "clean_stale",
    "list_segments",
]

_MODULES = {
    "consumer": ("Consumer",),
    "producer": ("Claim", "Producer"),
    "ring": ("ParticipantStatus", "Ring"),
    "shm": ("Segment", "SegmentInfo", "SysvSegment", "clean_stale", "list_segments"),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES.get(name, 'errors')}"), name)
    globals()[name] = value
    return value
