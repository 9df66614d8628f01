"""The bytes of a ring and the checks of its header."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringbuffer import layout
from ringbuffer.errors import EpochMismatch, LayoutMismatch, UnknownParticipant

pytestmark = pytest.mark.jitoff

TICK = np.dtype([("price", "<i8"), ("qty", "<i4"), ("side", "<i4")])
DIAMOND = {"left": (), "right": (), "join": ("left", "right")}


def fresh(capacity: int = 8, dtype: Any = TICK, readers: Any = None, **options: Any) -> tuple[Any, Any, Any]:
    """Return a buffer with a ring at its start, its words and its slots."""
    readers = {"reader": ()} if readers is None else readers
    buffer = bytearray(layout.ring_bytes(capacity, np.dtype(dtype).itemsize, 1 + len(readers)))
    words, slots = layout.initialise(buffer, 0, capacity, dtype, readers, **options)
    return buffer, words, slots


@given(
    capacity_bits=st.integers(1, 12),
    slot_words=st.integers(1, 32),
    readers=st.integers(1, layout.MAX_PARTICIPANTS - 1),
    offset_words=st.integers(0, 64),
)
def test_a_ring_stays_within_its_bytes(
    capacity_bits: int, slot_words: int, readers: int, offset_words: int
) -> None:
    """A ring writes nothing before its offset nor after ring_bytes, and all its slots are within."""
    capacity, offset = 1 << capacity_bits, offset_words * 8
    dtype = np.dtype([("word", "<i8", (slot_words,))])
    size = layout.ring_bytes(capacity, dtype.itemsize, 1 + readers)
    buffer = bytearray(b"\xee" * (offset + size + 64))
    words, slots = layout.initialise(buffer, offset, capacity, dtype, {f"r{i}": () for i in range(readers)})
    slots[:] = 0x11
    assert buffer[:offset] == b"\xee" * offset
    assert buffer[offset + size :] == b"\xee" * 64
    assert slots.shape == (capacity, slot_words * 8)
    assert int(words[layout.H_MAGIC]) == layout.MAGIC  # filling the slots did not touch the words


def test_cursors_stand_alone_on_their_lines() -> None:
    """Each cursor is 128-byte aligned, 512 bytes from the next, and nothing else is on its line."""
    assert [layout.cursor_index(p) * 8 for p in range(3)] == [512, 1024, 1536]
    others = [value for name, value in vars(layout).items() if name.startswith("P_") and name != "P_CURSOR"]
    assert min(others) * 8 >= layout.LINE_BYTES
    assert max(others) < layout.PARTICIPANT_WORDS
    assert len(set(others)) == len(others)
    assert layout.slots_offset(8, 2) == 4096
    assert layout.slots_offset(8, layout.MAX_PARTICIPANTS) % layout.PAGE_BYTES == 0
    assert layout.slots_offset(1024, 2, layout.KIND_MULTI) == 4096 + 1024 * 8


def test_header_words_do_not_overlap() -> None:
    """No two header constants share a word."""
    header = [value for name, value in vars(layout).items() if name.startswith("H_")]
    assert len(set(header)) == len(header)
    assert max(header) < layout.HEADER_WORDS


@pytest.mark.parametrize(
    ("word", "value", "message"),
    [
        (layout.H_MAGIC, 0, f"magic: expected {layout.MAGIC:#x}, was 0x0"),
        (layout.H_MAGIC, -1, f"magic: expected {layout.MAGIC:#x}, was 0x{'f' * 16}"),
        (layout.H_VERSION, 1, "version: expected 3, was 1"),
        (layout.H_CAPACITY, 0, "capacity: expected 1..4294967296, was 0"),
        (layout.H_CAPACITY, 12, "capacity: expected a power of two, was 12"),
        (layout.H_CAPACITY, 2**40, "capacity: expected 1..4294967296, was 1099511627776"),
        (layout.H_CAPACITY, 2**20, r"expected \d+ bytes, was \d+"),
        (layout.H_SLOT_BYTES, -8, "slot_bytes: expected 1..1048576, was -8"),
        (layout.H_PARTICIPANTS, 64, "participants: expected 1..63, was 64"),
    ],
)
def test_a_damaged_header_is_refused(word: int, value: int, message: str) -> None:
    """Each header field out of its range is refused with its name, what was expected and what was there."""
    buffer, words, _ = fresh()
    words[word] = value
    with pytest.raises(LayoutMismatch, match=message):
        layout.views(buffer, 0)


def test_a_header_must_match_what_the_attacher_expects() -> None:
    """Another dtype, hash, capacity, number of participants or epoch is refused by name."""
    _, words, _ = fresh(epoch=7)
    layout.check_header(words, dtype=TICK, capacity=8, participants=2, epoch=7)
    renamed = np.dtype([("price", "<i8"), ("size", "<i4"), ("side", "<i4")])
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"dtype": np.dtype("<i8")}, "slot_bytes: expected 8, was 16"),
        ({"dtype": renamed}, f"layout_hash: expected {layout.layout_hash(renamed)}, was"),
        ({"layout_hash": 1}, "layout_hash: expected 1, was"),
        ({"capacity": 16}, "capacity: expected 16, was 8"),
        ({"participants": 3}, "participants: expected 3, was 2"),
    ]
    for arguments, message in wrong:
        with pytest.raises(LayoutMismatch, match=f"here: {message}"):
            layout.check_header(words, where="here", **arguments)
    with pytest.raises(EpochMismatch, match="epoch: expected 6, was 7"):
        layout.check_header(words, epoch=6)


def test_a_buffer_without_a_ring_is_refused() -> None:
    """Zeros, and a buffer shorter than a header, are no ring."""
    with pytest.raises(LayoutMismatch, match="magic"):
        layout.views(bytearray(8192), 0)
    with pytest.raises(LayoutMismatch, match="expected 512 bytes, was 100"):
        layout.views(bytearray(100), 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"capacity": 0}, "capacity: expected a power of two"),
        ({"capacity": 2**25, "producers": 2}, "capacity: expected a power of two in 1..16777216"),
        ({"dead_readers": "mourn"}, "dead_readers: expected one of .*, was 'mourn'"),
        ({"capacity": 12}, "capacity: expected a power of two"),
        ({"dtype": "<i4"}, "dtype: expected a multiple of 8 bytes, was 4"),
        ({"dtype": "O"}, "dtype: expected plain data"),
        ({"start_seq": -1}, "start_seq: expected 0"),
        ({"start_seq": 2**63 - 1}, "start_seq: expected 0"),
        ({"readers": {}}, "readers: expected at least one, or a vacant place, was none"),
        ({"readers": {f"r{i}": () for i in range(63)}}, "readers and producers: expected at most 62, was 63"),
        ({"readers": {"": ()}}, "expected a new name of 1..16 bytes, was ''"),
        ({"readers": {"x" * 17: ()}}, "expected a new name of 1..16 bytes"),
        ({"readers": {"writer": ()}}, "expected a new name"),
        ({"readers": {"a": ("b",), "b": ()}}, "reader 'a': expected to wait for .*, was 'b'"),
        ({"readers": {"a": (1,)}}, "reader 'a': expected to wait for .*, was 1"),
    ],
)
def test_an_impossible_ring_is_refused(arguments: dict[str, Any], message: str) -> None:
    """Each limit of initialise is checked, one past it, with a message that names it."""
    with pytest.raises(ValueError, match=message):
        fresh(**arguments)


def test_initialise_refuses_a_short_or_crooked_place() -> None:
    """A buffer that is one byte short, or an offset off the words, is refused before anything is written."""
    size = layout.ring_bytes(8, TICK.itemsize, 2)
    short = bytearray(size - 1)
    with pytest.raises(ValueError, match=f"buffer: expected {size} bytes from offset 0, was {size - 1}"):
        layout.initialise(short, 0, 8, TICK, {"reader": ()})
    with pytest.raises(ValueError, match="offset: expected a multiple of 8, was 4"):
        layout.initialise(bytearray(2 * size), 4, 8, TICK, {"reader": ()})
    assert not any(short)


def test_the_writer_waits_for_the_leaves_only() -> None:
    """In a diamond both sides wait for the writer, the join for both, and the writer for the join."""
    _, words, _ = fresh(readers=DIAMOND)
    gates = {
        layout.participant_name(words, participant): int(
            words[layout.cursor_index(participant) + layout.P_GATES]
        )
        for participant in range(4)
    }
    assert gates == {
        "writer": 1 << 3,
        "left": 1 << 0,
        "right": 1 << 0,
        "join": 1 << 1 | 1 << 2,
    }
    assert layout.participant_of(words, "join") == 3
    with pytest.raises(UnknownParticipant, match="was 'risk'"):
        layout.participant_of(words, "risk")


@given(st.lists(st.sets(st.integers(0, 8), max_size=4), min_size=1, max_size=8))
def test_every_reader_gates_the_writer_directly_or_not(wishes: list[set[int]]) -> None:
    """In any graph the writer's gates, followed back, reach every reader."""
    readers = {f"r{i + 1}": tuple(gate for gate in wish if gate <= i) for i, wish in enumerate(wishes)}
    masks = [mask for _, mask in layout.reader_gates(readers)]
    reached, todo = set(), [0]
    while todo:
        for gate in range(len(masks)):
            if masks[todo[0]] >> gate & 1 and gate not in reached:
                reached.add(gate)
                todo.append(gate)
        todo.pop(0)
    assert reached >= set(range(1, len(masks)))


def test_the_layout_hash_sees_names_types_and_places() -> None:
    """Renaming, retyping, reordering, padding or reshaping a field changes the hash; a copy does not."""
    base = [("price", "<i8"), ("qty", "<i4"), ("side", "<i4")]
    variants: list[Any] = [
        [("price", "<i8"), ("size", "<i4"), ("side", "<i4")],
        [("price", "<u8"), ("qty", "<i4"), ("side", "<i4")],
        [("qty", "<i4"), ("price", "<i8"), ("side", "<i4")],
        [("price", "<i8"), ("qty", "<i4", (2,))],
        [("price", "<i8"), ("qty", "<i2", (4,))],
        {"names": ["price", "qty", "side"], "formats": ["<i8", "<i4", "<i4"], "itemsize": 24},
        "<i8",
    ]
    hashes = [layout.layout_hash(np.dtype(each)) for each in [base, *variants]]
    assert len(set(hashes)) == len(hashes)
    assert layout.layout_hash(np.dtype(list(base))) == hashes[0]
    assert all(0 <= each < 2**63 for each in hashes)


def test_typed_slots_must_have_the_size_of_a_slot() -> None:
    """Slots are given as the dtype they were made for, and refused as one of another size."""
    _, _, slots = fresh()
    assert layout.typed_slots(slots, TICK).shape == (8,)
    with pytest.raises(LayoutMismatch, match="slots: expected 8 bytes, was 16"):
        layout.typed_slots(slots, np.dtype("<i8"))
