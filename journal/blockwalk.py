"""Walking over the blocks of a window of a file: check each completely, decode on request. Kernels.

The state of a walk is one int64 array, the *walker*; its positions are file offsets, so the window may move.
A block is believed only after its header, its place in the chain and its payload have been checked; until then
the walker does not move, so a walk that stopped at a block that was being written can simply be repeated.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from journal import compact
from journal.blocks import (
    BLOCK_HEADER_BYTES,
    H_CRCS,
    H_DURABLE_SEQ,
    H_EPOCH,
    H_FIRST_SEQ,
    H_LINK,
    H_SEGMENT_ID,
    H_SIZES,
    LOW,
    MAGIC_WORD,
)
from journal.compact import decode_records, start_coding
from ringbuffer.kernel import inlined, kernel
from ringbuffer.native import crc32c

__all__ = ["PROBLEMS", "SEQ_MAX", "check_header", "new_walker", "walk_blocks"]

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


def new_walker(
    segment_id: int,
    first_seq: int,
    link: int,
    epoch: int,
    segment_bytes: int,
    position: int,
    mark_seq: int = SEQ_MAX,
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
def check_header(data, at, walker):  # type: ignore[no-untyped-def]
    """Return the size of the block at index ``at``, WALK_END for zeros, a negative problem otherwise."""
    words = data.view(np.int64)
    base = at >> 3
    if words[base] == 0:
        return WALK_END
    if words[base] != MAGIC_WORD:
        return BAD_MAGIC
    if crc32c(data, at + 12, at + BLOCK_HEADER_BYTES, 0) != words[base + H_CRCS] & LOW:
        return BAD_HEADER_CRC
    durable_seq = words[base + H_DURABLE_SEQ]
    problem, was = 0, 0
    if words[base + H_SEGMENT_ID] != walker[SEGMENT_ID]:
        problem, was = BAD_SEGMENT, words[base + H_SEGMENT_ID]
    elif words[base + H_FIRST_SEQ] != walker[EXPECTED_SEQ]:
        problem, was = BAD_FIRST_SEQ, words[base + H_FIRST_SEQ]
    elif words[base + H_LINK] != walker[LINK]:
        problem, was = BAD_LINK, words[base + H_LINK]
    elif words[base + H_EPOCH] < walker[EPOCH]:
        problem, was = BAD_EPOCH, words[base + H_EPOCH]
    elif durable_seq < walker[DURABLE_SEQ] or durable_seq >= walker[EXPECTED_SEQ]:
        problem, was = BAD_DURABLE_SEQ, durable_seq
    if problem != 0:
        walker[WAS] = was
        return problem
    count = words[base + H_SIZES] & LOW
    payload_bytes = (words[base + H_SIZES] >> 32) & LOW
    size = BLOCK_HEADER_BYTES + ((payload_bytes + 7) & ~7)
    if count == 0 or payload_bytes < count or size > walker[SEGMENT_BYTES] - walker[POSITION]:
        return BAD_SIZE
    return size


@inlined
def _accept_block(data, at, size, walker):  # type: ignore[no-untyped-def]
    """Believe a checked block: what follows must continue it."""
    words = data.view(np.int64)
    base = at >> 3
    count = words[base + H_SIZES] & LOW
    position = walker[POSITION]
    walker[PAYLOAD_STOP] = position + BLOCK_HEADER_BYTES + ((words[base + H_SIZES] >> 32) & LOW)
    walker[BLOCK_STOP] = position + size
    walker[EXPECTED_SEQ] += count
    walker[LINK] = words[base + H_CRCS] & LOW
    walker[EPOCH] = words[base + H_EPOCH]
    walker[DURABLE_SEQ] = words[base + H_DURABLE_SEQ]
    walker[BLOCK_COUNT] += 1
    if walker[MARK_POSITION] < 0 and walker[EXPECTED_SEQ] - 1 > walker[MARK_SEQ]:
        walker[MARK_POSITION] = position
    return count


@kernel
def walk_blocks(data, spans, base, filled, walker, out, out_row, out_stop, codec):  # type: ignore[no-untyped-def]
    """Walk on from POSITION, decode into ``out`` from row ``out_row`` to ``out_stop``; return the next row.

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
            if count == walker[REMAINING] and position >= 0 and position + base != walker[PAYLOAD_STOP]:
                position = compact.BAD_LENGTH
            if position < 0:
                walker[STATUS] = position
                return out_row
            out_row += count
            walker[REMAINING] -= count
            walker[POSITION] = position + base
            if walker[REMAINING] == 0:
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
        if walker[EXPECTED_SEQ] + (words[(at >> 3) + H_SIZES] & LOW) > walker[TARGET_SEQ]:
            walker[STATUS] = WALK_FULL
            return out_row
        if at + size > filled:
            walker[STATUS] = WALK_MORE
            walker[NEEDED] = size
            return out_row
        if crc32c(data, at + BLOCK_HEADER_BYTES, at + size, 0) != (words[(at >> 3) + H_CRCS] >> 32) & LOW:
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
