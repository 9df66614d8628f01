"""The compact coding of records: what differs from a reference record, and nothing else. Kernels.

A record is W int64 words; word 0 is its sequence, which is implied by its place, and words from
``journal_words`` on are not stored (they come back as 0). A stored record is::

    row  mask (1 to 6 bytes)  {code  significant bytes}  for each word whose bit is set in mask
    ───  ───────────────────   ────
     │    bit j - 1: word j     trailing zero bytes << 3 | (significant bytes - 1)
     │    differs from the row
     reference row, 0 to 255

The difference is XOR with the same word of a *reference row*, trimmed of leading and trailing zero bytes.
There are 256 rows, each holding the last record that named it. The encoder chooses the row by a hash of some
bits of one word (``key_word``, ``key_mask``: for orders, session and kind), because an order resembles the
last one of its session more than the last one; the decoder reads the row, so the choice is no part of the
format. A row that the block has not named yet stands for the record just before, and the first record of a
block is coded against zeros: blocks decode independently. With one row for all (``key_mask`` 0) the same
orders take about twice the bytes; an arithmetic difference as a second choice saved 2%, and was dropped.

One int64 array of 257 rows, the *codec*, holds the reference rows (word 0 of each is the generation of the
block that wrote it) and, in its last row, the state of the coding. One writer, no sharing.

Bounds: the encoder writes up to ``record_bytes_max`` bytes per record and stops before a record that might
not fit. The decoder may read that much past ``stop`` within the array, which must be that much longer;
whatever the bytes are, it reads and writes inside its arrays and returns a negative code for what no
encoder writes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ringbuffer.kernel import inlined, kernel
from ringbuffer.native import ctz64, mul64

__all__ = [
    "BAD_CODE",
    "BAD_LENGTH",
    "BAD_MASK",
    "BAD_ROOM",
    "BAD_SEQUENCE",
    "NEXT_SEQ",
    "ROWS",
    "WORDS_MAX",
    "byte_spans",
    "decode_records",
    "encode_records",
    "encode_ring",
    "new_codec",
    "next_seq",
    "record_bytes_max",
    "start_coding",
]

ROWS = 256
WORDS_MAX = 49  # 48 mask bits: row and mask fit one signed 8-byte load
SLACK_BYTES = 8

# The last row of a codec.
GENERATION = 0
LAST_ROW = 1
NEXT_SEQ = 2
JOURNAL_WORDS = 3
KEY_WORD = 4
KEY_MASK = 5
_STATE_WORDS = 8

# Negative results.
BAD_MASK = -1
BAD_CODE = -2
BAD_LENGTH = -3
BAD_ROOM = -4
BAD_SEQUENCE = -5

_HASH_FACTOR = 0x9E3779B97F4A7C15 - (1 << 64)
_NIBBLES = 0x0F0F0F0F0F0F0F0F
_FLAGS = 0x1010101010101010
_GATHER = 0x0010204081020408  # moves bit 8 i + 4 to bit 56 + i


def _codes() -> Any:
    """Map the set of nonzero bytes of a word (a bit each) to its code."""
    codes = np.zeros(256, dtype=np.int64)
    for mask in range(1, 256):
        first, stop = (mask & -mask).bit_length() - 1, mask.bit_length()
        codes[mask] = first << 3 | (stop - first - 1)
    return codes


_CODES = _codes()
_KEEP = np.array([(1 << 8 * size) - 1 for size in range(1, 8)] + [-1], dtype=np.int64)


def byte_spans(data: Any) -> Any:
    """View uint8 bytes as overlapping int64: element k is the 8 bytes from byte k on."""
    return np.ndarray((len(data) - 7,), dtype="<i8", buffer=data, strides=(1,))


def new_codec(journal_words: int, key_word: int = 0, key_mask: int = 0) -> Any:
    """Return the state of one encoder or decoder of records of which ``journal_words`` words are stored."""
    if not 2 <= journal_words <= WORDS_MAX or not 0 <= key_word < journal_words:
        raise ValueError(
            f"expected 2 to {WORDS_MAX} words with the key among them, was {journal_words}, {key_word}"
        )
    codec = np.zeros((ROWS + 1, max(journal_words, _STATE_WORDS)), dtype=np.int64)
    codec[ROWS, JOURNAL_WORDS] = journal_words
    codec[ROWS, KEY_WORD] = key_word
    codec[ROWS, KEY_MASK] = key_mask
    codec[ROWS, LAST_ROW] = -1
    return codec


@inlined
def next_seq(codec):  # type: ignore[no-untyped-def]
    """Return the sequence of the next record to encode or decode."""
    return codec[ROWS, NEXT_SEQ]


@inlined
def record_bytes_max(journal_words):  # type: ignore[no-untyped-def]
    """Return the most bytes that one record takes, and how much room a record needs."""
    return 1 + ((journal_words + 6) >> 3) + 9 * (journal_words - 1) + SLACK_BYTES


@kernel
def start_coding(codec, first_seq):  # type: ignore[no-untyped-def]
    """Forget all references, as at the start of each block; ``first_seq`` comes next."""
    codec[ROWS, GENERATION] += 1
    codec[ROWS, LAST_ROW] = -1
    codec[ROWS, NEXT_SEQ] = first_seq
    return 0


@inlined
def _code(difference):  # type: ignore[no-untyped-def]
    """Return trailing zero bytes << 3 | significant bytes - 1 of a word that is not 0."""
    flags = (((difference | (difference >> 4)) & _NIBBLES) + _NIBBLES) & _FLAGS
    return _CODES[(mul64(flags, _GATHER) >> 56) & 0xFF]


@inlined
def _enter_row(codec, row, last, generation, journal_words):  # type: ignore[no-untyped-def]
    """Make ``row`` valid in this block: a copy of the record before, or zeros for the first."""
    if codec[row, 0] != generation:
        codec[row, 0] = generation
        for word in range(1, journal_words):
            codec[row, word] = codec[last, word] if last >= 0 else 0


@kernel
def _encode(words, shift, mask, last_seq, spans, out_pos, codec):  # type: ignore[no-untyped-def]
    """Encode the records next_seq to ``last_seq``, found at index ``(seq + shift) & mask``."""
    journal_words = codec[ROWS, JOURNAL_WORDS]
    generation = codec[ROWS, GENERATION]
    last = codec[ROWS, LAST_ROW]
    key_word = codec[ROWS, KEY_WORD]
    key_mask = codec[ROWS, KEY_MASK]
    head_bytes = 1 + ((journal_words + 6) >> 3)
    position_stop = spans.shape[0] - record_bytes_max(journal_words)
    seq = codec[ROWS, NEXT_SEQ]
    while seq <= last_seq and out_pos <= position_stop:
        index = (seq + shift) & mask
        if words[index, 0] != seq:
            return BAD_SEQUENCE
        row = (mul64(words[index, key_word] & key_mask, _HASH_FACTOR) >> 56) & 0xFF
        _enter_row(codec, row, last, generation, journal_words)
        last = row
        changed = 0
        for word in range(1, journal_words):
            if words[index, word] != codec[row, word]:
                changed |= 1 << (word - 1)
        spans[out_pos] = row | changed << 8
        out_pos += head_bytes
        while changed != 0:
            word = ctz64(changed) + 1
            changed &= changed - 1
            value = words[index, word]
            difference = value ^ codec[row, word]
            codec[row, word] = value
            code = _code(difference)
            spans[out_pos] = code
            spans[out_pos + 1] = difference >> (code & 0x38)
            out_pos += 2 + (code & 7)
        seq += 1
    codec[ROWS, LAST_ROW] = last
    codec[ROWS, NEXT_SEQ] = seq
    return out_pos


@kernel
def encode_records(words, start, count, spans, out_pos, codec):  # type: ignore[no-untyped-def]
    """Encode ``count`` rows of ``words`` (int64, 2-D) from row ``start`` on; return the new ``out_pos``.

    Stops early when ``out`` is full: :func:`next_seq` tells how far it came. BAD_SEQUENCE if word 0 of a row
    is not the next sequence, BAD_ROOM if there are fewer rows.
    """
    if start < 0 or count < 0 or start + count > words.shape[0] or out_pos < 0:
        return BAD_ROOM
    first = codec[ROWS, NEXT_SEQ]
    return _encode(words, start - first, -1, first + count - 1, spans, out_pos, codec)


@kernel
def encode_ring(slots, mask, last_seq, spans, out_pos, codec):  # type: ignore[no-untyped-def]
    """Encode the slots next_seq to ``last_seq`` of a ring, at row ``seq & mask``; return the new ``out_pos``.

    Stops early when ``out`` is full: :func:`next_seq` tells how far it came. BAD_SEQUENCE if a slot does not
    hold its sequence, BAD_ROOM if the ring has fewer slots.
    """
    if mask < 0 or mask >= slots.shape[0] or out_pos < 0:
        return BAD_ROOM
    return _encode(slots, 0, mask, last_seq, spans, out_pos, codec)


@kernel
def decode_records(spans, position, stop, count, out, out_row, codec):  # type: ignore[no-untyped-def]
    """Decode ``count`` records of ``data[position:stop]`` into rows of ``out``; return the new position.

    ``data`` must reach ``record_bytes_max`` bytes past ``stop``, and ``out`` must have the rows and at least
    ``journal_words`` words: BAD_ROOM otherwise. Other negative results: the bytes are no coding.
    """
    journal_words = codec[ROWS, JOURNAL_WORDS]
    generation = codec[ROWS, GENERATION]
    last = codec[ROWS, LAST_ROW]
    mask_bits = ((journal_words + 6) >> 3) << 3
    head_bytes = 1 + (mask_bits >> 3)
    seq = codec[ROWS, NEXT_SEQ]
    if position < 0 or count < 0 or stop + record_bytes_max(journal_words) > spans.shape[0]:
        return BAD_ROOM
    if out_row < 0 or out_row + count > out.shape[0] or out.shape[1] < journal_words:
        return BAD_ROOM
    for index in range(out_row, out_row + count):
        if position >= stop:
            return BAD_LENGTH
        head = spans[position]
        row = head & 0xFF
        changed = (head >> 8) & ((1 << mask_bits) - 1)
        if changed >> (journal_words - 1) != 0:
            return BAD_MASK
        position += head_bytes
        _enter_row(codec, row, last, generation, journal_words)
        last = row
        while changed != 0:
            word = ctz64(changed) + 1
            changed &= changed - 1
            code = spans[position] & 0xFF
            if (code >> 3) + (code & 7) > 7:
                return BAD_CODE
            difference = spans[position + 1] & _KEEP[code & 7]
            codec[row, word] ^= difference << (code & 0x38)
            position += 2 + (code & 7)
        if position > stop:
            return BAD_LENGTH
        out[index, 0] = seq
        for word in range(1, journal_words):
            out[index, word] = codec[row, word]
        for word in range(journal_words, out.shape[1]):
            out[index, word] = 0
        seq += 1
    codec[ROWS, LAST_ROW] = last
    codec[ROWS, NEXT_SEQ] = seq
    return position
