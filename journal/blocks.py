"""Blocks: what one write makes durable. A 64-byte header, coded records, padding to 8 bytes. Kernels.

::

     0 u32 magic "RMJB"     4 u16 version          6 u16 header bytes (64)
     8 u32 header CRC       12 u32 payload CRC
    16 i64 segment id
    24 i64 first sequence
    32 u32 record count     36 u32 payload bytes (without padding)
    40 u32 CRC of the block before   44 u32 zero
    48 i64 epoch
    56 i64 durable sequence: what was durable when this block was written
    64 payload, zero padding to a multiple of 8

The payload CRC covers payload and padding, the header CRC bytes 12 to 63 and so the payload CRC: two, because
the stage that encodes knows the payload (:func:`seal_block`) and only the writer knows where the block lands
(:func:`stamp_block`: segment, chain, epoch). The header CRC is the block's link: the next block repeats it.
Segment id, sequence and link inside the CRC tell a misdirected or stale write from a good one. All zero where
a header should be is the end: segments are preallocated with zeros.

The durable sequence makes each block a witness: one that is valid and says that an earlier, broken place was
durable proves corruption; one that does not may have survived a power cut that its predecessor did not.

A *walk* goes over the blocks of a window of a file, checks each completely before it believes any of it, and
decodes records on request. Its state is one int64 array, the *walker*; positions in it are file offsets.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from journal import compact
from journal.compact import decode_records, next_seq, start_coding
from ringbuffer.kernel import inlined, kernel
from ringbuffer.native import crc32c, mul64

__all__ = [
    "BLOCK_HEADER_BYTES",
    "PROBLEMS",
    "find_witness",
    "new_walker",
    "open_block",
    "seal_block",
    "stamp_block",
    "walk_blocks",
]

FORMAT_VERSION: Final = 1
BLOCK_HEADER_BYTES: Final = 64
MAGIC_WORD: Final = int.from_bytes(b"RMJB", "little") | FORMAT_VERSION << 32 | BLOCK_HEADER_BYTES << 48

# Words of a header.
_CRCS = 1
_SEGMENT_ID = 2
_FIRST_SEQ = 3
_SIZES = 4
_LINK = 5
_EPOCH = 6
_DURABLE_SEQ = 7

# Why a walk stopped. Zero and above: nothing is wrong so far.
WALK_FULL: Final = 0  # all wanted rows are filled, or the target is reached
WALK_MORE: Final = 1  # the window ends before the block does: load NEEDED bytes from POSITION on
WALK_END: Final = 2  # zeros, or no room for a header
BAD_MAGIC: Final = -11
BAD_HEADER_CRC: Final = -12
BAD_SEGMENT: Final = -13
BAD_FIRST_SEQ: Final = -14
BAD_LINK: Final = -15
BAD_EPOCH: Final = -16
BAD_SIZE: Final = -17
BAD_PAYLOAD_CRC: Final = -18
BAD_DURABLE_SEQ: Final = -19
BAD_CUT: Final = -20

PROBLEMS: Final = {
    BAD_MAGIC: "no block starts here",
    BAD_HEADER_CRC: "header checksum",
    BAD_SEGMENT: "segment id",
    BAD_FIRST_SEQ: "first sequence",
    BAD_LINK: "checksum of the block before",
    BAD_EPOCH: "epoch",
    BAD_SIZE: "record count or payload size",
    BAD_PAYLOAD_CRC: "payload checksum",
    BAD_DURABLE_SEQ: "durable sequence",
    BAD_CUT: "the file ends inside a block",
    compact.BAD_MASK: "record names words that are not journaled",
    compact.BAD_CODE: "record holds a code that no encoder writes",
    compact.BAD_LENGTH: "payload and record count do not agree",
    compact.BAD_ROOM: "record exceeds its block",
}

# Words of a walker.
POSITION: Final = 0  # next block, or inside a block the next record
REMAINING: Final = 1  # records of the current block yet to be decoded
PAYLOAD_STOP: Final = 2
BLOCK_STOP: Final = 3
EXPECTED_SEQ: Final = 4  # first sequence of the next block
LINK: Final = 5
SEGMENT_ID: Final = 6
EPOCH: Final = 7
SEGMENT_BYTES: Final = 8
DURABLE_SEQ: Final = 9  # of the last block
BLOCK_COUNT: Final = 10
TARGET_SEQ: Final = 11  # stop before the block that holds it
MARK_SEQ: Final = 12  # remember where the first block begins that ends after it
MARK_POSITION: Final = 13
STATUS: Final = 14
NEEDED: Final = 15
WAS: Final = 16  # what was found where something else was expected
_WALKER_WORDS = 17

SEQ_MAX: Final = (1 << 62) - 1
_LOW: Final = 0xFFFFFFFF


def new_walker(
    segment_id: int, first_seq: int, link: int, epoch: int, segment_bytes: int, position: int, mark_seq: int = SEQ_MAX
) -> Any:
    """Return a walker that expects the first block of a segment at ``position``."""
    walker = np.zeros(_WALKER_WORDS, dtype=np.int64)
    walker[POSITION] = position
    walker[EXPECTED_SEQ] = first_seq
    walker[LINK] = link
    walker[SEGMENT_ID] = segment_id
    walker[EPOCH] = epoch
    walker[SEGMENT_BYTES] = segment_bytes
    walker[DURABLE_SEQ] = first_seq - 1
    walker[TARGET_SEQ] = SEQ_MAX
    walker[MARK_SEQ] = mark_seq
    walker[MARK_POSITION] = -1
    return walker


@kernel
def open_block(codec, first_seq):  # type: ignore[no-untyped-def]
    """Begin a block with record ``first_seq``; return the position of its payload in the block's buffer."""
    start_coding(codec, first_seq)
    return BLOCK_HEADER_BYTES


@kernel
def seal_block(data, position, first_seq, codec):  # type: ignore[no-untyped-def]
    """Finish a block whose payload ends at ``position`` of ``data``; return its size, 0 if it has no records.

    ``data`` is the uint8 buffer, a multiple of 8 long. Fills in all but what :func:`stamp_block` knows.
    """
    count = next_seq(codec) - first_seq
    if count <= 0 or position <= BLOCK_HEADER_BYTES or position + 8 > data.shape[0]:
        return 0
    stop = (position + 7) & ~7
    for index in range(position, stop):
        data[index] = 0
    words = data.view(np.int64)
    words[0] = MAGIC_WORD
    words[_CRCS] = mul64(crc32c(data, BLOCK_HEADER_BYTES, stop, 0), 1 << 32)
    words[_SEGMENT_ID] = 0
    words[_FIRST_SEQ] = first_seq
    words[_SIZES] = count | (position - BLOCK_HEADER_BYTES) << 32
    words[_LINK] = 0
    words[_EPOCH] = 0
    words[_DURABLE_SEQ] = 0
    return stop


@kernel
def stamp_block(data, segment_id, link, epoch, durable_seq):  # type: ignore[no-untyped-def]
    """Say where a sealed block lands; return its link (the header CRC)."""
    words = data.view(np.int64)
    words[_SEGMENT_ID] = segment_id
    words[_LINK] = link
    words[_EPOCH] = epoch
    words[_DURABLE_SEQ] = durable_seq
    crc = crc32c(data, 12, BLOCK_HEADER_BYTES, 0)
    words[_CRCS] = (words[_CRCS] & ~_LOW) | crc
    return crc


@kernel
def sealed_sizes(data, result):  # type: ignore[no-untyped-def]
    """Put first sequence, record count and size of a sealed block into ``result``; 0 if it is one, else -1."""
    words = data.view(np.int64)
    result[0] = words[_FIRST_SEQ]
    result[1] = words[_SIZES] & _LOW
    result[2] = BLOCK_HEADER_BYTES + ((((words[_SIZES] >> 32) & _LOW) + 7) & ~7)
    return 0 if words[0] == MAGIC_WORD else -1


@inlined
def _differs(walker, was, expected, problem):  # type: ignore[no-untyped-def]
    """Return ``problem`` and remember ``was`` if it is not what was expected."""
    if was == expected:
        return 0
    walker[WAS] = was
    return problem


@kernel
def check_header(data, at, walker):  # type: ignore[no-untyped-def]
    """Return the size of the block at index ``at``, WALK_END for zeros, a negative problem otherwise."""
    words = data.view(np.int64)
    base = at >> 3
    if words[base] == 0:
        return WALK_END
    if words[base] != MAGIC_WORD:
        return BAD_MAGIC
    if crc32c(data, at + 12, at + BLOCK_HEADER_BYTES, 0) != words[base + _CRCS] & _LOW:
        return BAD_HEADER_CRC
    problem = _differs(walker, words[base + _SEGMENT_ID], walker[SEGMENT_ID], BAD_SEGMENT)
    if problem == 0:
        problem = _differs(walker, words[base + _FIRST_SEQ], walker[EXPECTED_SEQ], BAD_FIRST_SEQ)
    if problem == 0:
        problem = _differs(walker, words[base + _LINK], walker[LINK], BAD_LINK)
    if problem == 0 and words[base + _EPOCH] < walker[EPOCH]:
        problem = _differs(walker, words[base + _EPOCH], walker[EPOCH], BAD_EPOCH)
    if problem == 0 and not walker[EXPECTED_SEQ] > words[base + _DURABLE_SEQ] >= walker[DURABLE_SEQ]:
        problem = _differs(walker, words[base + _DURABLE_SEQ], -1, BAD_DURABLE_SEQ)
    if problem != 0:
        return problem
    count = words[base + _SIZES] & _LOW
    payload_bytes = (words[base + _SIZES] >> 32) & _LOW
    size = BLOCK_HEADER_BYTES + ((payload_bytes + 7) & ~7)
    if count == 0 or payload_bytes < count or size > walker[SEGMENT_BYTES] - walker[POSITION]:
        return BAD_SIZE
    return size


@inlined
def _accept_block(data, at, size, walker):  # type: ignore[no-untyped-def]
    """Believe a checked block: what follows must continue it."""
    words = data.view(np.int64)
    base = at >> 3
    count = words[base + _SIZES] & _LOW
    position = walker[POSITION]
    walker[PAYLOAD_STOP] = position + BLOCK_HEADER_BYTES + ((words[base + _SIZES] >> 32) & _LOW)
    walker[BLOCK_STOP] = position + size
    walker[EXPECTED_SEQ] += count
    walker[LINK] = words[base + _CRCS] & _LOW
    walker[EPOCH] = words[base + _EPOCH]
    walker[DURABLE_SEQ] = words[base + _DURABLE_SEQ]
    walker[BLOCK_COUNT] += 1
    if walker[MARK_POSITION] < 0 and walker[EXPECTED_SEQ] - 1 > walker[MARK_SEQ]:
        walker[MARK_POSITION] = position
    return count


@kernel
def walk_blocks(data, spans, base, filled, walker, out, out_row, out_stop, codec):  # type: ignore[no-untyped-def]
    """Walk on from POSITION; decode into rows ``out_row`` to ``out_stop`` of ``out``; return the next free row.

    ``data[:filled]`` (uint8) are the bytes of the file from offset ``base`` (a multiple of 8) on, ``spans``
    their :func:`journal.compact.byte_spans`. With ``out_stop`` negative blocks are checked only, not decoded.
    STATUS says why it stopped; after a problem POSITION is where the last good block ended.
    """
    while True:
        if walker[REMAINING] > 0:
            if out_row >= out_stop:
                walker[STATUS] = WALK_FULL
                return out_row
            count = min(walker[REMAINING], out_stop - out_row)
            position = decode_records(
                spans, walker[POSITION] - base, walker[PAYLOAD_STOP] - base, count, out, out_row, codec
            )
            if position < 0:
                walker[STATUS] = position
                return out_row
            out_row += count
            walker[REMAINING] -= count
            walker[POSITION] = position + base
            if walker[REMAINING] == 0:
                if walker[POSITION] != walker[PAYLOAD_STOP]:
                    walker[STATUS] = compact.BAD_LENGTH
                    return out_row
                walker[POSITION] = walker[BLOCK_STOP]
            continue
        at = walker[POSITION] - base
        if walker[SEGMENT_BYTES] - walker[POSITION] < BLOCK_HEADER_BYTES:
            walker[STATUS] = WALK_END
            return out_row
        if at + BLOCK_HEADER_BYTES > filled:
            walker[STATUS] = WALK_MORE
            walker[NEEDED] = BLOCK_HEADER_BYTES
            return out_row
        size = check_header(data, at, walker)
        if size < BLOCK_HEADER_BYTES:
            walker[STATUS] = size
            return out_row
        words = data.view(np.int64)
        if walker[EXPECTED_SEQ] + (words[(at >> 3) + _SIZES] & _LOW) > walker[TARGET_SEQ]:
            walker[STATUS] = WALK_FULL
            return out_row
        if at + size > filled:
            walker[STATUS] = WALK_MORE
            walker[NEEDED] = size
            return out_row
        if crc32c(data, at + BLOCK_HEADER_BYTES, at + size, 0) != (words[(at >> 3) + _CRCS] >> 32) & _LOW:
            walker[STATUS] = BAD_PAYLOAD_CRC
            return out_row
        first_seq = walker[EXPECTED_SEQ]
        count = _accept_block(data, at, size, walker)
        if out_stop < 0:
            walker[POSITION] += size
        else:
            start_coding(codec, first_seq)
            walker[POSITION] += BLOCK_HEADER_BYTES
            walker[REMAINING] = count


@kernel
def find_witness(data, start, stop, segment_id, lost_seq):  # type: ignore[no-untyped-def]
    """Return the index of a valid later block that says that ``lost_seq`` was durable, or -1.

    Looks at each multiple of 8 in ``data[start:stop]``, ``data[0]`` being at such an offset of its file.
    """
    words = data.view(np.int64)
    for base in range((start + 7) >> 3, (stop - BLOCK_HEADER_BYTES) // 8 + 1):
        if words[base] != MAGIC_WORD or words[base + _SEGMENT_ID] != segment_id:
            continue
        if words[base + _FIRST_SEQ] <= lost_seq or words[base + _DURABLE_SEQ] < lost_seq:
            continue
        at = base << 3
        size = BLOCK_HEADER_BYTES + ((((words[base + _SIZES] >> 32) & _LOW) + 7) & ~7)
        if crc32c(data, at + 12, at + BLOCK_HEADER_BYTES, 0) != words[base + _CRCS] & _LOW or at + size > stop:
            continue
        if crc32c(data, at + BLOCK_HEADER_BYTES, at + size, 0) == (words[base + _CRCS] >> 32) & _LOW:
            return at
    return -1
