"""Going over the blocks of one segment file: through a window, checking each block, decoding on request.

Files are read, not mapped: a read that fails is an error with a name, a page fault that fails kills the
process. All that is believed was checked in the window, so a file that changes meanwhile does no harm. A
segment that is being written can be walked: the walk stops at the last whole block and goes on from there at
the next call, with what has become visible since.
"""

from __future__ import annotations

import os
import weakref
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from journal import blocks, blockwalk, compact
from journal.blockwalk import BAD_CUT, PROBLEMS, STATUS, WALK_END, WALK_FULL, WALK_MORE
from journal.errors import JournalCorrupt, io_errors
from journal.segment import SEGMENT_HEADER_BYTES, SegmentHeader, open_segment

__all__ = ["NO_ROWS", "SegmentScan", "SegmentWalk", "find_witness_behind", "scan_segment"]

WINDOW_BYTES: Final = 256 << 10
CHUNK_BYTES: Final = 1 << 20
NO_ROWS: Final = np.zeros((0, 0), dtype=np.int64)
CHECK_ONLY: Final = -1


class SegmentWalk:
    """A walk over one segment file; reads it only."""

    def __init__(self, path: Path, header: SegmentHeader, *, mark_seq: int | None = None) -> None:
        self.path, self.header = path, header
        self.fd = open_segment(path)
        self._closer = weakref.finalize(self, os.close, self.fd)  # also if nobody closes it
        self._closer.atexit = False
        mark = {} if mark_seq is None else {"mark_seq": mark_seq}
        self.walker = blockwalk.new_walker(
            header.segment_id, header.first_seq, header.link, header.epoch, header.segment_bytes,
            SEGMENT_HEADER_BYTES, **mark,
        )  # fmt: skip
        self.codec = compact.new_codec(header.layout.journal_words)
        self._slack = (int(compact.record_bytes_max(header.layout.journal_words)) + 15) & ~7
        self._resize(WINDOW_BYTES)
        self._base = SEGMENT_HEADER_BYTES
        self._filled = 0
        self._vouched_seq = (
            blockwalk.SEQ_MAX - 1
        )  # the last sequence that was asked for when the window was read

    def _resize(self, size: int) -> None:
        self._data = np.zeros(((size + 7) & ~7) + self._slack, dtype=np.uint8)
        self._spans = compact.byte_spans(self._data)

    @property
    def status(self) -> int:
        """Why the walk stopped: one of ``WALK_*`` or a negative problem."""
        return int(self.walker[STATUS])

    @property
    def position(self) -> int:
        """The offset of the next block (of the next record inside a block)."""
        return int(self.walker[blockwalk.POSITION])

    @property
    def expected_seq(self) -> int:
        """The first sequence after the last good block."""
        return int(self.walker[blockwalk.EXPECTED_SEQ])

    @property
    def next_seq(self) -> int:
        """The sequence that comes next when decoding."""
        return self.expected_seq - int(self.walker[blockwalk.REMAINING])

    @property
    def undecodable(self) -> bool:
        """Tell whether the walk stopped for good inside a block: valid, but no coding of records."""
        return self.status < 0 and self.next_seq != self.expected_seq

    @property
    def link(self) -> int:
        """The CRC of the last good block's header."""
        return int(self.walker[blockwalk.LINK])

    def _load(self, needed: int) -> bool:
        """Read the window anew from POSITION on; tell whether it holds ``needed`` bytes."""
        if needed > len(self._data) - self._slack:
            self._resize(needed)
        self._base = self.position
        window = self._data.data[: len(self._data) - self._slack]
        with io_errors("read", self.path):
            self._filled = os.preadv(self.fd, [window], self._base)
        if self._filled >= needed:
            return True
        cut = bool(self._data[: self._filled].any())
        self.walker[STATUS] = BAD_CUT if cut else WALK_END
        return False

    def walk(self, out: Any, row: int, stop: int, last_seq: int = blockwalk.SEQ_MAX - 1) -> int:
        """Decode into ``out`` from ``row`` to ``stop``, only check if ``stop`` is -1; return the next row.

        Goes no further than the block that ends with ``last_seq``: what lies behind it may be replaced, so it is not
        believed, and bytes of it that are in the window already are read anew once more is asked for.
        """
        if self.undecodable:
            return row
        if self.status != WALK_FULL:
            self._forget(last_seq)  # what lies there may have changed
        while True:
            self.walker[blockwalk.TARGET_SEQ] = min(last_seq, self._vouched_seq) + 1
            row = int(
                blockwalk.walk_blocks(
                    self._data, self._spans, self._base, self._filled, self.walker, out, row, stop, self.codec
                )
            )
            if self.status == WALK_MORE:
                if not self._load(int(self.walker[blockwalk.NEEDED])):
                    return row
                self._vouched_seq = last_seq
            elif self.status == WALK_FULL and (row < stop or stop < 0) and self._vouched_seq < last_seq:
                self._forget(last_seq)
            else:
                return row

    def _forget(self, last_seq: int) -> None:
        """Read the window anew before anything more is believed; only between two blocks."""
        self._filled, self._base, self._vouched_seq = 0, self.position, last_seq

    def skip_to(self, seq: int) -> None:
        """Go to the block that holds ``seq``, or to the end if it is not there yet."""
        self.walk(NO_ROWS, 0, CHECK_ONLY, seq - 1)

    def grows(self) -> bool:
        """Look again where the walk stopped; tell whether a block has become valid there."""
        self.walk(NO_ROWS, 0, 0)
        return self.status == WALK_FULL

    def dirty_ahead(self) -> bool:
        """Tell whether the window holds anything behind the place where the walk stopped."""
        return bool(self._data[self.position - self._base : self._filled].any())

    def corruption(self) -> JournalCorrupt:
        """Describe what the walk stopped at."""
        word = _EXPECTED.get(self.status)
        return JournalCorrupt(
            self.path,
            PROBLEMS.get(self.status, "zeros where a block is expected"),
            offset=self.position,
            seq=self.expected_seq,
            expected=None if word is None else int(self.walker[word]),
            was=int(self.walker[blockwalk.WAS]),
        )

    def close(self) -> None:
        """Close the file."""
        if self.fd >= 0:
            self._closer()
            self.fd = -1


_EXPECTED: Final = {
    blockwalk.BAD_SEGMENT: blockwalk.SEGMENT_ID,
    blockwalk.BAD_FIRST_SEQ: blockwalk.EXPECTED_SEQ,
    blockwalk.BAD_LINK: blockwalk.LINK,
    blockwalk.BAD_EPOCH: blockwalk.EPOCH,
    blockwalk.BAD_DURABLE_SEQ: blockwalk.DURABLE_SEQ,
}


class SegmentScan(NamedTuple):
    """What a segment holds: its valid blocks, and what lies behind them."""

    path: Path
    header: SegmentHeader
    end_offset: int
    next_seq: int
    link: int
    epoch: int
    block_count: int
    file_bytes: int
    mark_offset: int  # where the blocks after ``mark_seq`` begin, -1 if there are none
    tail_bytes: int  # from the end to the last byte that is not zero
    witness_offset: int  # a later valid block which says that what is broken was durable, -1 if there is none
    problem: JournalCorrupt | None
    undecodable: bool  # a block is valid but does not decode

    @property
    def record_count(self) -> int:
        """How many records the valid blocks hold."""
        return self.next_seq - self.header.first_seq


def scan_segment(
    path: Path, header: SegmentHeader, mark_seq: int | None = None, decode: bool = False
) -> SegmentScan:
    """Check all blocks of a segment; with ``decode`` their records too."""
    walk = SegmentWalk(path, header, mark_seq=mark_seq)
    try:
        if decode:
            rows = np.zeros((4096, header.layout.record_words), dtype=np.int64)
            while walk.walk(rows, 0, len(rows)) and walk.status == WALK_FULL:
                pass
        else:
            walk.walk(NO_ROWS, 0, CHECK_ONLY)
        position = walk.position
        tail_bytes, witness = _look_behind(walk.fd, walk.path, header, position, walk.expected_seq)
        bad = walk.status != WALK_END or tail_bytes > 0
        return SegmentScan(
            path=path,
            header=header,
            end_offset=position,
            next_seq=walk.expected_seq,
            link=walk.link,
            epoch=int(walk.walker[blockwalk.EPOCH]),
            block_count=int(walk.walker[blockwalk.BLOCK_COUNT]),
            file_bytes=os.fstat(walk.fd).st_size,
            mark_offset=int(walk.walker[blockwalk.MARK_POSITION]),
            tail_bytes=tail_bytes,
            witness_offset=witness,
            problem=walk.corruption() if bad else None,
            undecodable=walk.undecodable,
        )
    finally:
        walk.close()


def _look_behind(fd: int, path: Path, header: SegmentHeader, end: int, lost_seq: int) -> tuple[int, int]:
    """Return how far bytes that are not zero reach behind ``end``, and where a witness lies."""
    used, offset = 0, end
    with io_errors("read", path):
        while chunk := os.pread(fd, CHUNK_BYTES, offset):
            if kept := len(chunk.rstrip(b"\0")):
                used = offset + kept - end
            offset += len(chunk)
    return (used, find_witness_behind(fd, path, header, end, lost_seq)) if used else (0, -1)


def find_witness_behind(fd: int, path: Path, header: SegmentHeader, end: int, lost_seq: int) -> int:
    """Return the offset of a valid block behind ``end`` that saw ``lost_seq`` durable, or -1."""
    start = (end + 7) & ~7
    with io_errors("read", path):
        data = np.zeros((max(os.fstat(fd).st_size - start, 0) + 7) & ~7, dtype=np.uint8)
        filled = os.preadv(fd, [data.data], start) if len(data) else 0
    found = int(blocks.find_witness(data, 0, filled, header.segment_id, lost_seq))
    return found + start if found >= 0 else -1
