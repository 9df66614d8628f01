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
"""

from __future__ import annotations

from typing import Final

import numpy as np

from journal.compact import next_seq, start_coding
from ringbuffer.kernel import kernel
from ringbuffer.native import crc32c, mul64

__all__ = [
    "BLOCK_HEADER_BYTES",
    "find_witness",
    "open_block",
    "seal_block",
    "sealed_sizes",
    "stamp_block",
]

FORMAT_VERSION: Final = 1
BLOCK_HEADER_BYTES: Final = 64
MAGIC_WORD: Final = int.from_bytes(b"RMJB", "little") | FORMAT_VERSION << 32 | BLOCK_HEADER_BYTES << 48

# Words of a header.
H_CRCS = 1
H_SEGMENT_ID = 2
H_FIRST_SEQ = 3
H_SIZES = 4
H_LINK = 5
H_EPOCH = 6
H_DURABLE_SEQ = 7

LOW: Final = 0xFFFFFFFF


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
    words[H_CRCS] = mul64(crc32c(data, BLOCK_HEADER_BYTES, stop, 0), 1 << 32)
    words[H_SEGMENT_ID] = 0
    words[H_FIRST_SEQ] = first_seq
    words[H_SIZES] = count | (position - BLOCK_HEADER_BYTES) << 32
    words[H_LINK] = 0
    words[H_EPOCH] = 0
    words[H_DURABLE_SEQ] = 0
    return stop


@kernel
def stamp_block(data, segment_id, link, epoch, durable_seq):  # type: ignore[no-untyped-def]
    """Say where a sealed block lands; return its link (the header CRC)."""
    words = data.view(np.int64)
    words[H_SEGMENT_ID] = segment_id
    words[H_LINK] = link
    words[H_EPOCH] = epoch
    words[H_DURABLE_SEQ] = durable_seq
    crc = crc32c(data, 12, BLOCK_HEADER_BYTES, 0)
    words[H_CRCS] = (words[H_CRCS] & ~LOW) | crc
    return crc


@kernel
def sealed_sizes(data, result):  # type: ignore[no-untyped-def]
    """Put first sequence, record count and size of a sealed block into ``result``; -1 if it is none."""
    words = data.view(np.int64)
    result[0] = words[H_FIRST_SEQ]
    result[1] = words[H_SIZES] & LOW
    result[2] = BLOCK_HEADER_BYTES + ((((words[H_SIZES] >> 32) & LOW) + 7) & ~7)
    return 0 if words[0] == MAGIC_WORD else -1


@kernel
def find_witness(data, start, stop, segment_id, lost_seq):  # type: ignore[no-untyped-def]
    """Return the index of a valid later block that says that ``lost_seq`` was durable, or -1.

    Looks at each multiple of 8 in ``data[start:stop]``, ``data[0]`` being at such an offset of its file.
    """
    words = data.view(np.int64)
    for base in range((start + 7) >> 3, (stop - BLOCK_HEADER_BYTES) // 8 + 1):
        if words[base] != MAGIC_WORD or words[base + H_SEGMENT_ID] != segment_id:
            continue
        if words[base + H_FIRST_SEQ] <= lost_seq or words[base + H_DURABLE_SEQ] < lost_seq:
            continue
        at = base << 3
        size = BLOCK_HEADER_BYTES + ((((words[base + H_SIZES] >> 32) & LOW) + 7) & ~7)
        if (
            crc32c(data, at + 12, at + BLOCK_HEADER_BYTES, 0) != words[base + H_CRCS] & LOW
            or at + size > stop
        ):
            continue
        if crc32c(data, at + BLOCK_HEADER_BYTES, at + size, 0) == (words[base + H_CRCS] >> 32) & LOW:
            return at
    return -1
