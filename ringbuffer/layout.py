"""The bytes of a ring: a header, one block of words per participant, states of claims, then the slots.

A ring occupies ``ring_bytes(...)`` bytes of any buffer, from an offset that is a multiple of 8 (of 128 if
cursors are to stand alone on their lines, normally of 4096). All numbers are little-endian int64 words::

    byte 0      header              64 words  magic, version, layout hash, shape, epoch, state
         512    participant 0       64 words  the writer, or what several producers share
         1024   participant 1       64 words  the first reader
         ...                                  vacant places for readers that join, then the producers
         4096-byte boundary         capacity  states of claims, only with several producers (ringbuffer.multi)
         4096-byte boundary                   capacity slots of slot_bytes

    participant  word 0       cursor    alone on its 128-byte line: one process writes it, others poll it
                 word 16..31  who and how it is: pid, start time, heartbeat, state, gates, name
                 word 32..47  doorbell: P_SIGNAL and P_WAITING, touched by blocking waits only
                 word 48..63  P_CLAIMED: what the writer may be filling, for observers; with several
                              producers a lower bound of what is claimed (ringbuffer.multi)

Who writes: :func:`initialise` everything, once, before anybody attaches; later each participant its own
block, the publishers ``P_SIGNAL`` of those they wake, the writer ``H_STATE``, and who holds ``H_MEMBER_LOCK``
gates, names and cursors of readers that come and go (ringbuffer.membership). Who reads: everybody.

Sequences count from ``start_seq + 1`` (0 is "none") up to ``MAX_SEQ`` and never wrap. A cursor holds the
last sequence that its owner has published (writer), or that its owner is done with (reader); with several
producers that of participant 0 is MAX_SEQ, and states of claims say how far readers may go. The slot of a
sequence is ``seq & (capacity - 1)``. A reader that waits for other readers sees nothing that one of them has not
released; writers wait only for the leaves, the readers that nobody waits for, because no leaf is ahead of those
that it waits for.

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
VERSION: Final = 3
PAGE_BYTES: Final = 4096
LINE_BYTES: Final = 128  # two 64-byte lines: the adjacent-line prefetcher of x86 works on pairs
WORD_BYTES: Final = 8
MAX_SEQ: Final = 2**63 - 1
MAX_CAPACITY: Final = 2**32
MAX_SHARED_CAPACITY: Final = 2**24  # with several producers: bits of a claim's count (ringbuffer.multi)
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
H_KIND: Final = 11
H_READERS: Final = 12  # places for readers, vacant ones included: participants 1..H_READERS
H_STATES: Final = 13  # index in words of the first state of a claim, 0 with one writer
H_OBSERVABLE: Final = 14  # not 0: the writer announces its claims
H_DEAD_READERS: Final = 15  # what becomes of a reader that died
H_STATE: Final = 16  # on a line of its own: the writer sets it, waiting readers poll it
H_WAIT: Final = 17  # WAIT_BELLS once a participant waits by futex: publishers must then ring bells
H_MEMBER_LOCK: Final = 32  # owner token of whoever changes the graph, 0 for nobody

KIND_SINGLE: Final = 1
KIND_MULTI: Final = 2

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
P_CLAIMED: Final = 48

PARTICIPANT_FREE: Final = 0  # never attached, or vacant if it has no name
PARTICIPANT_ATTACHED: Final = 1
PARTICIPANT_LEFT: Final = 2
PARTICIPANT_FAILED: Final = 3  # left its with block by an exception

# What becomes of a reader that died, for H_DEAD_READERS.
DEAD_RAISE: Final = 0  # who waits for it gets PeerDied
DEAD_WAIT: Final = 1  # who waits for it goes on waiting, for a successor
DEAD_REMOVE: Final = 2  # it is taken out of the graph
DEAD_FAIL: Final = 3  # the stream ends as failed
DEAD_READERS: Final = {"raise": DEAD_RAISE, "wait": DEAD_WAIT, "remove": DEAD_REMOVE, "fail": DEAD_FAIL}

assert HEADER_WORDS * WORD_BYTES % LINE_BYTES == 0 and PARTICIPANT_WORDS * WORD_BYTES % LINE_BYTES == 0
assert P_PID * WORD_BYTES % LINE_BYTES == 0 and P_SIGNAL * WORD_BYTES % LINE_BYTES == 0

Words = Any  # int64 1-D array over header and participants
Slots = Any  # 1-D array over the slots


def cursor_index(participant: int) -> int:
    """Return the index in ``words`` of a participant's cursor."""
    return HEADER_WORDS + PARTICIPANT_WORDS * participant


def states_index(participants: int) -> int:
    """Return the index in ``words`` of the first state of a claim."""
    used_bytes = (HEADER_WORDS + PARTICIPANT_WORDS * participants) * WORD_BYTES
    return _round_up(used_bytes, PAGE_BYTES) // WORD_BYTES


def slots_offset(capacity: int, participants: int, kind: int = KIND_SINGLE) -> int:
    """Return the first byte of the slots, counted from the ring's first byte."""
    states = capacity if kind == KIND_MULTI else 0
    return _round_up((states_index(participants) + states) * WORD_BYTES, PAGE_BYTES)


def ring_bytes(capacity: int, slot_bytes: int, participants: int, kind: int = KIND_SINGLE) -> int:
    """Return how many bytes a ring occupies, in whole pages, so that rings can stand side by side."""
    return _round_up(slots_offset(capacity, participants, kind) + capacity * slot_bytes, PAGE_BYTES)


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


def count_participants(readers: int, producers: int) -> int:
    """Return the number of participants of a ring with that many places; one writer has no place of its own."""
    return 1 + readers + (producers if producers > 1 else 0)


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
    *,
    producers: int = 1,
    vacant_readers: int = 0,
    observable: bool = False,
    dead_readers: str = "raise",
) -> tuple[Words, Slots]:
    """Write a fresh ring at ``offset`` and return its :func:`views`; the magic word is written last.

    ``readers`` maps each reader's name to the names (or participant indexes, 0 is the writer) that it waits
    for; none means the writer. Readers get participants 1, 2, ... in that order, and may wait only for
    earlier ones, so the graph has no cycle. ``vacant_readers`` places are for readers that join later. With
    two or more ``producers`` the ring is one for several of them. The slots are not cleared.
    """
    dtype = np.dtype(dtype)
    kind = KIND_SINGLE if producers == 1 else KIND_MULTI
    places = len(readers) + vacant_readers
    participants = count_participants(places, producers)
    gates = reader_gates(readers)
    if not readers and kind == KIND_MULTI:
        gates = [
            ("writer", 1 << 1)
        ]  # several producers never go without a gate: the first vacant place is it
    _check_shape(capacity, dtype, kind, places, participants)
    if not 0 <= start_seq < MAX_SEQ:
        raise ValueError(f"start_seq: expected 0..{MAX_SEQ - 1}, was {start_seq}")
    if dead_readers not in DEAD_READERS:
        raise ValueError(f"dead_readers: expected one of {list(DEAD_READERS)}, was {dead_readers!r}")
    if offset % WORD_BYTES:
        raise ValueError(f"offset: expected a multiple of {WORD_BYTES}, was {offset}")
    size_bytes = ring_bytes(capacity, dtype.itemsize, participants, kind)
    room_bytes = memoryview(buffer).nbytes - offset
    if room_bytes < size_bytes:
        raise ValueError(f"buffer: expected {size_bytes} bytes from offset {offset}, was {room_bytes}")

    words = np.frombuffer(buffer, np.int64, slots_offset(capacity, participants, kind) // WORD_BYTES, offset)
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
    words[H_KIND] = kind
    words[H_READERS] = places
    words[H_STATES] = states_index(participants) if kind == KIND_MULTI else 0
    words[H_OBSERVABLE] = observable
    words[H_DEAD_READERS] = DEAD_READERS[dead_readers]
    words[H_STATE] = STATE_OPEN
    for participant, (name, mask) in enumerate(gates):
        words[cursor_index(participant) + P_GATES] = mask
        name_participant(words, participant, name)
    for producer in range(1 + places, participants):
        words[cursor_index(producer) + P_GATES] = words[cursor_index(WRITER) + P_GATES]
        name_participant(words, producer, f"producer-{producer - places}")
    for participant in range(participants):
        words[cursor_index(participant) + P_CURSOR] = start_seq
        words[cursor_index(participant) + P_CLAIMED] = start_seq
    if kind == KIND_MULTI:
        words[cursor_index(WRITER) + P_CURSOR] = (
            MAX_SEQ  # bounds nobody: how far readers may go, the states say
        )
    words[H_MAGIC] = MAGIC
    return views(buffer, offset)


_hash_of = layout_hash  # the function, where a parameter has its name


def _check_shape(capacity: int, dtype: np.dtype[Any], kind: int, places: int, participants: int) -> None:
    most = MAX_CAPACITY if kind == KIND_SINGLE else MAX_SHARED_CAPACITY
    if not 1 <= capacity <= most or capacity & (capacity - 1):
        raise ValueError(f"capacity: expected a power of two in 1..{most}, was {capacity}")
    if dtype.itemsize % WORD_BYTES or dtype.itemsize == 0:
        raise ValueError(f"dtype: expected a multiple of {WORD_BYTES} bytes, was {dtype.itemsize}")
    if dtype.hasobject:
        raise ValueError(f"dtype: expected plain data, was {dtype}")
    if places < 1:
        raise ValueError("readers: expected at least one, or a vacant place, was none")
    if not 2 <= participants <= MAX_PARTICIPANTS:
        raise ValueError(
            f"readers and producers: expected at most {MAX_PARTICIPANTS - 1}, was {participants - 1}"
        )


def reader_gates(readers: Mapping[str, Iterable[str | int]]) -> list[tuple[str, int]]:
    """Return (name, bit mask of the participants it waits for) of the writer and of each reader."""
    indexes: dict[str, int] = {"writer": WRITER}
    masks = [0]
    for participant, (name, waits_for) in enumerate(readers.items(), start=1):
        check_name(name, indexes)
        mask = 0
        for wanted in (waits_for,) if isinstance(waits_for, str) else waits_for:
            gate = indexes.get(wanted) if isinstance(wanted, str) else wanted
            if gate is None or not 0 <= gate < participant:
                raise ValueError(f"reader {name!r}: expected to wait for {list(indexes)}, was {wanted!r}")
            mask |= 1 << gate
        indexes[name] = participant
        masks.append(mask or 1 << WRITER)
    masks[WRITER] = leaves(dict(enumerate(masks[1:], start=1)))
    return list(zip(indexes, masks, strict=True))


def leaves(masks: Mapping[int, int]) -> int:
    """Return the bit mask of the readers that no other waits for, of the readers' masks by participant."""
    waited_for = 0
    for mask in masks.values():
        waited_for |= mask
    return sum(1 << reader for reader in masks if not waited_for >> reader & 1)


def check_name(name: str, taken: Iterable[str]) -> None:
    """Raise ValueError unless a participant can have this name."""
    if not 1 <= len(name.encode()) <= NAME_BYTES or "\0" in name or name in taken:
        raise ValueError(f"reader: expected a new name of 1..{NAME_BYTES} bytes, was {name!r}")


def name_participant(words: Words, participant: int, name: str) -> None:
    """Write the name of a participant; the empty name is that of a vacant place."""
    base = cursor_index(participant) + P_NAME
    words[base : base + NAME_BYTES // WORD_BYTES] = np.frombuffer(
        name.encode().ljust(NAME_BYTES, b"\0"), np.int64
    )


def views(buffer: Any, offset: int) -> tuple[Words, Slots]:
    """Check the header and return ``words`` and the slots as bytes, shape (capacity, slot_bytes)."""
    room_bytes = memoryview(buffer).nbytes - offset
    header_bytes = HEADER_WORDS * WORD_BYTES
    if room_bytes < header_bytes:
        raise LayoutMismatch(f"ring at {offset}: expected {header_bytes} bytes, was {room_bytes}")
    header = np.frombuffer(buffer, np.int64, HEADER_WORDS, offset)
    check_header(header, where=f"ring at {offset}")
    capacity, slot_bytes, participants, kind, _ = (int(header[index]) for index in _SHAPE_FIELDS.values())
    size_bytes = ring_bytes(capacity, slot_bytes, participants, kind)
    if room_bytes < size_bytes:
        raise LayoutMismatch(f"ring at {offset}: expected {size_bytes} bytes, was {room_bytes}")
    slots_at = slots_offset(capacity, participants, kind)
    words = np.frombuffer(buffer, np.int64, slots_at // WORD_BYTES, offset)
    start = offset + slots_at
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


_SHAPE_FIELDS: Final = {
    "capacity": H_CAPACITY,
    "slot_bytes": H_SLOT_BYTES,
    "participants": H_PARTICIPANTS,
    "kind": H_KIND,
    "readers": H_READERS,
}
_SHAPE_LIMITS: Final = {
    "capacity": MAX_CAPACITY,
    "slot_bytes": 2**20,
    "participants": MAX_PARTICIPANTS,
    "kind": KIND_MULTI,
    "readers": MAX_PARTICIPANTS - 1,
}


def _expect(where: str, field: str, expected: int | None, actual: int) -> None:
    if expected is not None and expected != actual:
        raise LayoutMismatch(f"{where}: {field}: expected {expected}, was {actual}")


def participant_name(words: Words, participant: int) -> str:
    """Return the name of a participant, ``writer`` for 0, empty for a vacant place."""
    base = cursor_index(participant) + P_NAME
    return bytes(words[base : base + 2].tobytes()).rstrip(b"\0").decode()


def participant_of(words: Words, name: str) -> int:
    """Return the participant of that name, or raise UnknownParticipant with those there are."""
    names = [participant_name(words, participant) for participant in range(int(words[H_PARTICIPANTS]))]
    if not name or name not in names:
        raise UnknownParticipant(f"participant: expected one of {list(filter(None, names))}, was {name!r}")
    return names.index(name)


def reader_participants(words: Words) -> range:
    """Return the participants that are places for readers, vacant ones included."""
    return range(1, 1 + int(words[H_READERS]))


def producer_participants(words: Words) -> range:
    """Return the participants that are places for producers: the writer's, or those of several."""
    if int(words[H_KIND]) == KIND_SINGLE:
        return range(WRITER, WRITER + 1)
    return range(1 + int(words[H_READERS]), int(words[H_PARTICIPANTS]))
