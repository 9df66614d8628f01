"""The bytes of a ring: a header, one block of words per participant, then the slots.

A ring occupies ``ring_bytes(capacity, slot_bytes, participants)`` bytes of any buffer, from an offset that is
a multiple of 8 (of 128 if cursors are to stand alone on their lines, normally of 4096). All numbers are
little-endian int64 words::

    byte 0      header              64 words  magic, version, layout hash, shape, epoch, state
         512    participant 0       64 words  the writer
         1024   participant 1       64 words  the first reader
         ...
         slots_offset(participants)           capacity slots of slot_bytes, from a 4096-byte boundary

    participant  word 0       cursor    alone on its 128-byte line: one process writes it, others poll it
                 word 16..31  who and how it is: pid, start time, heartbeat, state, gates, name
                 word 32..47  doorbell: P_SIGNAL and P_WAITING, touched by blocking waits only

Who writes: :func:`initialise` everything, once, before anybody attaches; later each participant its own
block, the publishers ``P_SIGNAL`` of those they wake, the writer ``H_STATE``. Who reads: everybody.

Sequences count from ``start_seq + 1`` (0 is "none") up to ``MAX_SEQ`` and never wrap. A cursor holds the
last sequence that its owner has published (writer) or is done with (reader). The slot of a sequence is
``seq & (capacity - 1)``. A reader that waits for other readers sees nothing that one of them has not
released; the writer waits only for the leaves, the readers that nobody waits for, because no leaf is ahead
of those that it waits for.

Failure modes: a buffer that holds no ring, or another one, is refused by :func:`check_header` before any
cursor is touched. This module does not import Numba.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np

from ringbuffer.errors import EpochMismatch, LayoutMismatch, UnknownParticipant

MAGIC: Final = int.from_bytes(b"rmring01", "little")
VERSION: Final = 1
PAGE_BYTES: Final = 4096
LINE_BYTES: Final = 128  # two 64-byte lines: the adjacent-line prefetcher of x86 works on pairs
WORD_BYTES: Final = 8
MAX_SEQ: Final = 2**63 - 1
MAX_CAPACITY: Final = 2**32
MAX_PARTICIPANTS: Final = 63  # bits of a positive int64: P_GATES
NAME_BYTES: Final = 16

# Words of the header.
HEADER_WORDS: Final = 64
H_MAGIC: Final = 0
H_VERSION: Final = 1
H_LAYOUT_HASH: Final = 2
H_CAPACITY: Final = 3
H_SLOT_BYTES: Final = 4
H_PARTICIPANTS: Final = 5
H_EPOCH: Final = 6
H_OWNER_PID: Final = 7
H_OWNER_START: Final = 8
H_START_SEQ: Final = 9
H_CREATED_NS: Final = 10
H_STATE: Final = 16  # on a line of its own: the writer sets it, waiting readers poll it
H_WAIT: Final = 17  # WAIT_BELLS once a participant waits by futex: publishers must then ring bells

STATE_OPEN: Final = 1
STATE_CLOSED: Final = 2
STATE_FAILED: Final = 3
WAIT_BELLS: Final = 1

# Words of a participant, counted from its cursor.
PARTICIPANT_WORDS: Final = 64
WRITER: Final = 0
P_CURSOR: Final = 0
P_PID: Final = 16
P_START_TIME: Final = 17
P_HEARTBEAT: Final = 18
P_STATE: Final = 19
P_GATES: Final = 20
P_NAME: Final = 21  # and 22
P_OWNER: Final = 23  # owner token, compare-exchanged: pid and start time in one word
P_SIGNAL: Final = 32
P_WAITING: Final = 33

PARTICIPANT_FREE: Final = 0
PARTICIPANT_ATTACHED: Final = 1
PARTICIPANT_LEFT: Final = 2
PARTICIPANT_FAILED: Final = 3  # left its with block by an exception

assert HEADER_WORDS * WORD_BYTES % LINE_BYTES == 0 and PARTICIPANT_WORDS * WORD_BYTES % LINE_BYTES == 0
assert P_PID * WORD_BYTES % LINE_BYTES == 0 and P_SIGNAL * WORD_BYTES % LINE_BYTES == 0

Words = Any  # int64 1-D array over header and participants
Slots = Any  # 1-D array over the slots


def cursor_index(participant: int) -> int:
    """Return the index in ``words`` of a participant's cursor."""
    return HEADER_WORDS + PARTICIPANT_WORDS * participant


def slots_offset(participants: int) -> int:
    """Return the first byte of the slots, counted from the ring's first byte."""
    used_bytes = (HEADER_WORDS + PARTICIPANT_WORDS * participants) * WORD_BYTES
    return _round_up(used_bytes, PAGE_BYTES)


def ring_bytes(capacity: int, slot_bytes: int, participants: int) -> int:
    """Return how many bytes a ring occupies, in whole pages, so that rings can stand side by side."""
    return _round_up(slots_offset(participants) + capacity * slot_bytes, PAGE_BYTES)


def _round_up(size_bytes: int, unit_bytes: int) -> int:
    return -(-size_bytes // unit_bytes) * unit_bytes


def layout_hash(dtype: np.dtype[Any]) -> int:
    """Return a stable 63-bit hash of a dtype: names, types and offsets of its fields, and its size."""
    digest = hashlib.blake2b(_layout_text(np.dtype(dtype)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def _layout_text(dtype: np.dtype[Any]) -> str:
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return f"{_layout_text(base)}x{shape}"
    if dtype.fields is None:
        return dtype.str
    fields = dtype.fields
    rows = [f"{name}:{_layout_text(fields[name][0])}@{fields[name][1]}" for name in dtype.names or ()]
    return ";".join([*rows, str(dtype.itemsize)])


def initialise(
    buffer: Any,
    offset: int,
    capacity: int,
    dtype: np.dtype[Any],
    readers: Mapping[str, Iterable[str | int]],
    start_seq: int = 0,
    epoch: int = 1,
    layout_hash: int | None = None,
    owner: tuple[int, int] = (0, 0),
    created_ns: int = 0,
) -> tuple[Words, Slots]:
    """Write a fresh ring at ``offset`` and return its :func:`views`; the magic word is written last.

    ``readers`` maps each reader's name to the names (or participant indexes, 0 is the writer) that it waits
    for; none means the writer. Readers get participants 1, 2, ... in that order, and may wait only for
    earlier ones, so the graph has no cycle. The slots are not cleared.
    """
    dtype = np.dtype(dtype)
    gates = reader_gates(readers)
    participants = 1 + len(readers)
    if not 2 <= capacity <= MAX_CAPACITY or capacity & (capacity - 1):
        raise ValueError(f"capacity: expected a power of two in 2..{MAX_CAPACITY}, was {capacity}")
    if not 0 <= start_seq < MAX_SEQ:
        raise ValueError(f"start_seq: expected 0..{MAX_SEQ - 1}, was {start_seq}")
    if dtype.itemsize % WORD_BYTES or dtype.itemsize == 0:
        raise ValueError(f"dtype: expected a multiple of {WORD_BYTES} bytes, was {dtype.itemsize}")
    if dtype.hasobject:
        raise ValueError(f"dtype: expected plain data, was {dtype}")
    if offset % WORD_BYTES:
        raise ValueError(f"offset: expected a multiple of {WORD_BYTES}, was {offset}")
    size_bytes = ring_bytes(capacity, dtype.itemsize, participants)
    room_bytes = memoryview(buffer).nbytes - offset
    if room_bytes < size_bytes:
        raise ValueError(f"buffer: expected {size_bytes} bytes from offset {offset}, was {room_bytes}")

    words = np.frombuffer(buffer, np.int64, HEADER_WORDS + PARTICIPANT_WORDS * participants, offset)
    words[:] = 0
    words[H_VERSION] = VERSION
    words[H_LAYOUT_HASH] = _hash_of(dtype) if layout_hash is None else layout_hash
    words[H_CAPACITY] = capacity
    words[H_SLOT_BYTES] = dtype.itemsize
    words[H_PARTICIPANTS] = participants
    words[H_EPOCH] = epoch
    words[H_OWNER_PID], words[H_OWNER_START] = owner
    words[H_START_SEQ] = start_seq
    words[H_CREATED_NS] = created_ns
    words[H_STATE] = STATE_OPEN
    for participant, (name, mask) in enumerate(gates):
        base = cursor_index(participant)
        words[base + P_CURSOR] = start_seq
        words[base + P_GATES] = mask
        packed = name.encode().ljust(NAME_BYTES, b"\0")
        words[base + P_NAME : base + P_NAME + NAME_BYTES // WORD_BYTES] = np.frombuffer(packed, np.int64)
    words[H_MAGIC] = MAGIC
    return views(buffer, offset)


_hash_of = layout_hash  # the function, where a parameter has its name


def reader_gates(readers: Mapping[str, Iterable[str | int]]) -> list[tuple[str, int]]:
    """Return (name, bit mask of the participants it waits for) of the writer and of each reader."""
    if not 1 <= len(readers) < MAX_PARTICIPANTS:
        raise ValueError(f"readers: expected 1..{MAX_PARTICIPANTS - 1}, was {len(readers)}")
    indexes: dict[str, int] = {"writer": WRITER}
    masks = [0]
    for participant, (name, waits_for) in enumerate(readers.items(), start=1):
        if not 1 <= len(name.encode()) <= NAME_BYTES or "\0" in name or name in indexes:
            raise ValueError(f"reader: expected a new name of 1..{NAME_BYTES} bytes, was {name!r}")
        mask = 0
        for wanted in (waits_for,) if isinstance(waits_for, str) else waits_for:
            gate = indexes.get(wanted) if isinstance(wanted, str) else wanted
            if gate is None or not 0 <= gate < participant:
                raise ValueError(f"reader {name!r}: expected to wait for {list(indexes)}, was {wanted!r}")
            mask |= 1 << gate
        indexes[name] = participant
        masks.append(mask or 1 << WRITER)
    waited_for = 0
    for mask in masks:
        waited_for |= mask
    masks[WRITER] = sum(1 << reader for reader in range(1, len(masks)) if not waited_for >> reader & 1)
    return list(zip(indexes, masks, strict=True))


def views(buffer: Any, offset: int) -> tuple[Words, Slots]:
    """Check the header and return ``words`` and the slots as bytes, shape (capacity, slot_bytes)."""
    room_bytes = memoryview(buffer).nbytes - offset
    header_bytes = HEADER_WORDS * WORD_BYTES
    if room_bytes < header_bytes:
        raise LayoutMismatch(f"ring at {offset}: expected {header_bytes} bytes, was {room_bytes}")
    header = np.frombuffer(buffer, np.int64, HEADER_WORDS, offset)
    check_header(header, where=f"ring at {offset}")
    capacity, slot_bytes, participants = (int(header[index]) for index in _SHAPE_FIELDS.values())
    size_bytes = ring_bytes(capacity, slot_bytes, participants)
    if room_bytes < size_bytes:
        raise LayoutMismatch(f"ring at {offset}: expected {size_bytes} bytes, was {room_bytes}")
    words = np.frombuffer(buffer, np.int64, HEADER_WORDS + PARTICIPANT_WORDS * participants, offset)
    start = offset + slots_offset(participants)
    slots = np.frombuffer(buffer, np.uint8, capacity * slot_bytes, start).reshape(capacity, slot_bytes)
    return words, slots


def typed_slots(slots: Slots, dtype: np.dtype[Any]) -> Slots:
    """Return the byte slots of :func:`views` as a 1-D array of ``dtype``."""
    dtype = np.dtype(dtype)
    if dtype.itemsize != slots.shape[1]:
        raise LayoutMismatch(f"slots: expected {dtype.itemsize} bytes, was {slots.shape[1]}")
    return slots.reshape(-1).view(dtype)


def check_header(
    words: Words,
    *,
    where: str = "ring",
    dtype: np.dtype[Any] | None = None,
    layout_hash: int | None = None,
    capacity: int | None = None,
    participants: int | None = None,
    epoch: int | None = None,
) -> None:
    """Raise LayoutMismatch or EpochMismatch unless the header is sound and has what the arguments ask for."""
    if int(words[H_MAGIC]) != MAGIC:
        raise LayoutMismatch(f"{where}: magic: expected {MAGIC:#x}, was {int(words[H_MAGIC]) & 2**64 - 1:#x}")
    _expect(where, "version", VERSION, int(words[H_VERSION]))
    shape = {name: int(words[at]) for name, at in _SHAPE_FIELDS.items()}
    for name, limit in _SHAPE_LIMITS.items():
        if not 1 <= shape[name] <= limit:
            raise LayoutMismatch(f"{where}: {name}: expected 1..{limit}, was {shape[name]}")
    if shape["capacity"] & (shape["capacity"] - 1):
        raise LayoutMismatch(f"{where}: capacity: expected a power of two, was {shape['capacity']}")
    if dtype is not None:
        _expect(where, "slot_bytes", np.dtype(dtype).itemsize, shape["slot_bytes"])
        layout_hash = _hash_of(dtype) if layout_hash is None else layout_hash
    _expect(where, "layout_hash", layout_hash, int(words[H_LAYOUT_HASH]))
    _expect(where, "capacity", capacity, shape["capacity"])
    _expect(where, "participants", participants, shape["participants"])
    if epoch is not None and epoch != int(words[H_EPOCH]):
        raise EpochMismatch(f"{where}: epoch: expected {epoch}, was {int(words[H_EPOCH])}")


_SHAPE_FIELDS: Final = {"capacity": H_CAPACITY, "slot_bytes": H_SLOT_BYTES, "participants": H_PARTICIPANTS}
_SHAPE_LIMITS: Final = {"capacity": MAX_CAPACITY, "slot_bytes": 2**20, "participants": MAX_PARTICIPANTS}


def _expect(where: str, field: str, expected: int | None, actual: int) -> None:
    if expected is not None and expected != actual:
        raise LayoutMismatch(f"{where}: {field}: expected {expected}, was {actual}")


def participant_name(words: Words, participant: int) -> str:
    """Return the name of a participant, ``writer`` for 0."""
    base = cursor_index(participant) + P_NAME
    return bytes(words[base : base + 2].tobytes()).rstrip(b"\0").decode()


def participant_of(words: Words, name: str) -> int:
    """Return the participant of that name, or raise UnknownParticipant with those there are."""
    names = [participant_name(words, participant) for participant in range(int(words[H_PARTICIPANTS]))]
    if name not in names:
        raise UnknownParticipant(f"participant: expected one of {names}, was {name!r}")
    return names.index(name)


def gate_indexes(words: Words, participant: int) -> Any:
    """Return the cursor words that a participant waits for, as the int64 array that kernels take."""
    mask = int(words[cursor_index(participant) + P_GATES])
    gates = [cursor_index(gate) for gate in range(int(words[H_PARTICIPANTS])) if mask >> gate & 1]
    return np.array(gates, dtype=np.int64)
