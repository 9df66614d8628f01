"""The compact coding: nothing is lost, little is stored, nothing breaks it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from journal import compact
from tests.journal import cases

pytestmark = pytest.mark.jitoff

WORD = st.one_of(
    st.integers(-3, 300),
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.builds(lambda value, shift: value << 8 * shift, st.integers(-128, 127), st.integers(0, 7)),
)
NEW_BYTES_MAX = 48
CANCEL_BYTES_MAX = 36


@st.composite
def records(draw: st.DrawFn) -> tuple[Any, int]:
    """Draw rows that begin with any sequence, most of their words repeated, and how many words to journal."""
    width = draw(st.integers(2, 20))
    first_seq = draw(st.integers(1, 1 << 40))
    values = draw(st.lists(WORD, min_size=1, max_size=6))
    count = draw(st.integers(1, 12))
    picks = st.lists(st.integers(0, len(values) - 1), min_size=width, max_size=width)
    made = np.array([[values[pick] for pick in draw(picks)] for _ in range(count)], dtype=np.int64)
    made[:, 0] = np.arange(first_seq, first_seq + count)
    return made, draw(st.integers(2, width))


def encode(rows: Any, codec: Any, room: int = 1 << 14) -> tuple[Any, int]:
    """Encode all rows into a fresh buffer; return its spans and the bytes used."""
    spans = compact.byte_spans(np.zeros(room, dtype=np.uint8))
    compact.start_coding(codec, int(rows[0, 0]))
    used = int(compact.encode_records(rows, 0, len(rows), spans, 0, codec))
    assert used > 0 and compact.next_seq(codec) == rows[-1, 0] + 1
    return spans, used


def decode(spans: Any, used: int, like: Any, journal_words: int) -> Any:
    """Decode as many rows as ``like`` has."""
    codec = compact.new_codec(journal_words)
    compact.start_coding(codec, int(like[0, 0]))
    out = np.full_like(like, -7)
    assert compact.decode_records(spans, 0, used, len(like), out, 0, codec) == used
    return out


@given(drawn=records(), key_word=st.integers(0, 1), key_mask=st.sampled_from([0, 1, 0xFF, -1]))
def test_decoding_gives_back_what_was_encoded(drawn: tuple[Any, int], key_word: int, key_mask: int) -> None:
    """Whatever the words and the key: the journaled words come back, the others as 0."""
    rows, journal_words = drawn
    spans, used = encode(rows, compact.new_codec(journal_words, key_word, key_mask))
    assert np.array_equal(decode(spans, used, rows, journal_words), cases.journaled(rows, journal_words))


@pytest.mark.parametrize("flip", [1, 0x80])
def test_every_pattern_of_changed_bytes_comes_back(flip: int) -> None:
    """Each of the 255 sets of bytes of a word can change, by their lowest or highest bit."""
    rows = np.zeros((256, 2), dtype=np.int64)
    rows[:, 0] = np.arange(1, 257)
    for mask in range(256):
        changed = sum(flip << 8 * byte for byte in range(8) if mask >> byte & 1)
        rows[mask, 1] = changed - (1 << 64) if changed >> 63 else changed
    spans, used = encode(rows, compact.new_codec(2))
    assert np.array_equal(decode(spans, used, rows, 2), rows)


@given(seed=st.integers(0, 1 << 30), first_seq=st.integers(1, 40), count=st.integers(1, 16))
def test_a_ring_is_encoded_as_its_records(seed: int, first_seq: int, count: int) -> None:
    """Slots at seq & mask, wherever they wrap, give the same bytes as the rows in order."""
    rows = cases.rows(first_seq, count, seed)
    ring = np.zeros((16, 24), dtype=np.int64)
    ring[rows[:, 0] & 15, :16] = rows
    codec = compact.new_codec(15, 7, 0xFF)
    expected, used = encode(rows, codec)
    spans = compact.byte_spans(np.zeros(1 << 14, dtype=np.uint8))
    compact.start_coding(codec, first_seq)
    assert compact.encode_ring(ring[:, :16], 15, first_seq + count - 1, spans, 0, codec) == used
    assert spans[: used - 8].tolist() == expected[: used - 8].tolist()


def test_a_full_buffer_stops_the_encoder_between_records() -> None:
    """The encoder stops before a record that might not fit, stays in bounds, and goes on in the next buffer."""
    rows = cases.rows(1, 40, words=5, spread=63)
    codec = compact.new_codec(5)
    got = []
    start = 0
    while start < len(rows):
        data = np.full(160, 0xAA, dtype=np.uint8)
        compact.start_coding(codec, start + 1)
        used = int(compact.encode_records(rows, start, len(rows) - start, compact.byte_spans(data), 0, codec))
        count = int(compact.next_seq(codec)) - 1 - start
        assert count > 0 and used <= 160 - 8
        assert (data[used + 8 :] == 0xAA).all()
        got.append(decode(compact.byte_spans(np.append(data, data)), used, rows[start : start + count], 5))
        start += count
    assert len(got) > 5 and np.array_equal(np.concatenate(got), rows)


def test_a_block_decodes_without_the_ones_before() -> None:
    """After start_coding nothing of earlier records is needed, even if the same codec went over them."""
    rows = cases.rows(1, 20)
    codec = compact.new_codec(15, 7, 0xFF)
    encode(rows[:10], codec)
    spans, used = encode(rows[10:], codec)
    assert np.array_equal(decode(spans, used, rows[10:], 15), cases.journaled(rows[10:]))


@pytest.mark.parametrize("wrong", [0, 2, 5, 6])
def test_a_wrong_sequence_is_refused(wrong: int) -> None:
    """A row or slot that does not hold the sequence that comes next is never journaled."""
    rows = cases.rows(1, 8)
    rows[wrong, 0] = 99
    codec = compact.new_codec(15)
    spans = compact.byte_spans(np.zeros(1 << 14, dtype=np.uint8))
    compact.start_coding(codec, 1)
    assert compact.encode_records(rows, 0, 8, spans, 0, codec) == compact.BAD_SEQUENCE
    compact.start_coding(codec, 0)
    rows[:, 0] = np.arange(8)
    rows[wrong, 0] = 8
    assert compact.encode_ring(rows, 7, 7, spans, 0, codec) == compact.BAD_SEQUENCE


@pytest.mark.parametrize(
    ("start", "count", "position"), [(-1, 1, 0), (0, 9, 0), (8, 1, 0), (0, -1, 0), (0, 1, -1)]
)
def test_rows_that_do_not_exist_are_refused(start: int, count: int, position: int) -> None:
    """Ranges outside the rows, and positions before the buffer, are BAD_ROOM."""
    codec = compact.new_codec(15)
    spans = compact.byte_spans(np.zeros(1 << 12, dtype=np.uint8))
    compact.start_coding(codec, 1)
    rows = cases.rows(1, 8)
    assert compact.encode_records(rows, start, count, spans, position, codec) == compact.BAD_ROOM
    assert compact.encode_ring(rows, 15, 1, spans, 0, codec) == compact.BAD_ROOM
    assert compact.encode_ring(rows, 7, 1, spans, -1, codec) == compact.BAD_ROOM


@pytest.mark.parametrize(
    ("position", "stop", "row", "count"),
    [(-1, 8, 0, 1), (0, 4000, 0, 1), (0, 8, -1, 1), (0, 8, 3, 2), (0, 8, 0, -1)],
)
def test_decoding_outside_the_arrays_is_refused(position: int, stop: int, row: int, count: int) -> None:
    """Input without room behind it and rows that do not exist are BAD_ROOM, and nothing is written."""
    out = np.full((4, 16), -7, dtype=np.int64)
    spans = compact.byte_spans(np.zeros(4000, dtype=np.uint8))
    assert (
        compact.decode_records(spans, position, stop, count, out, row, compact.new_codec(15))
        == compact.BAD_ROOM
    )
    assert (out == -7).all()
    narrow = np.zeros((4, 14), dtype=np.int64)
    assert compact.decode_records(spans, 0, 8, 1, narrow, 0, compact.new_codec(15)) == compact.BAD_ROOM


def check_hostile(data: bytes, journal_words: int, count: int) -> int:
    """Decode bytes that nobody encoded; return the result after looking at everything around the output."""
    room = int(compact.record_bytes_max(journal_words))
    raw = np.frombuffer(data + b"\xff" * (room + 8), dtype=np.uint8).copy()
    out = np.full((count + 2, 16), -7, dtype=np.int64)
    codec = compact.new_codec(journal_words)
    compact.start_coding(codec, 1)
    result = int(compact.decode_records(compact.byte_spans(raw), 0, len(data), count, out, 1, codec))
    assert result <= len(data)
    assert (out[0] == -7).all() and (out[-1] == -7).all()
    return result


@given(data=st.binary(max_size=300), journal_words=st.integers(2, 16), count=st.integers(0, 40))
def test_hostile_bytes_do_no_harm(data: bytes, journal_words: int, count: int) -> None:
    """Any bytes give a position within them or a negative code, and touch only the rows asked for."""
    check_hostile(data, journal_words, count)


@given(
    seed=st.integers(0, 1000),
    changes=st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), max_size=4),
)
def test_damaged_encodings_do_no_harm(seed: int, changes: list[tuple[int, int]]) -> None:
    """Bytes that were an encoding before somebody changed some of them do no harm either."""
    rows = cases.rows(1, 20, seed, spread=12)
    spans, used = encode(rows, compact.new_codec(15, 7, 0xFF))
    data = bytearray(spans[:used].astype(np.uint8).tobytes())
    for place, byte in changes:
        data[place % used] = byte
    check_hostile(bytes(data), 15, 20)


def test_each_kind_of_nonsense_has_its_code() -> None:
    """Unknown mask bits, impossible codes, and too few bytes are told apart."""
    assert check_hostile(b"\0\0\x80", 15, 1) == compact.BAD_MASK
    assert check_hostile(b"\0\1\0\x3f" + b"\1" * 9, 15, 1) == compact.BAD_CODE
    assert check_hostile(b"\0\1\0\x40\1", 15, 1) == compact.BAD_CODE
    assert check_hostile(b"\0\1\0\7\1", 15, 1) == compact.BAD_LENGTH
    assert check_hostile(b"\0\0\0", 15, 2) == compact.BAD_LENGTH
    assert check_hostile(b"", 15, 0) == 0


@pytest.mark.parametrize("width", [2, 9, 10, 17, 49])
def test_any_number_of_words_up_to_the_maximum(width: int) -> None:
    """Records of 2 to 49 journaled words come back, whatever the size of their mask."""
    rows = cases.rows(1, 6, words=width, spread=63)
    spans, used = encode(rows, compact.new_codec(width, 0, 0))
    assert used <= 6 * compact.record_bytes_max(width)
    assert np.array_equal(decode(spans, used, rows, width), rows)


@pytest.mark.parametrize(("words", "key"), [(1, 0), (50, 0), (15, 15), (15, -1)])
def test_impossible_codecs_are_refused(words: int, key: int) -> None:
    """Fewer than 2 or more than 49 words, and a key outside of them, are a programmer's error."""
    with pytest.raises(ValueError, match="expected 2 to 49 words"):
        compact.new_codec(words, key)


@pytest.mark.parametrize("sessions", [1, 4, 40])
def test_orders_are_small(sessions: int) -> None:
    """Commands with ClOrdIDs of 12 characters take at most 48 bytes if new and 36 if cancels, on average."""
    rows = cases.commands(400 if cases.JIT_DISABLED else 20_000, seed=3, sessions=sessions)
    codec = compact.new_codec(15, cases.KEY_WORD, cases.KEY_MASK)
    spans = compact.byte_spans(np.zeros(1 << 22, dtype=np.uint8))
    compact.start_coding(codec, 1)
    ends = [0]
    for index in range(len(rows)):
        ends.append(int(compact.encode_records(rows, index, 1, spans, ends[-1], codec)))
    sizes, kinds = np.diff(ends), cases.kinds_of(rows)
    assert sizes[kinds == cases.NEW].mean() <= NEW_BYTES_MAX
    assert sizes[kinds == cases.CANCEL].mean() <= CANCEL_BYTES_MAX
