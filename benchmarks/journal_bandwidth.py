"""The journal's writer against the disk: bytes a second of sealed blocks, each synced, beside writes of the same size.

In turns, so that what happens on the host meanwhile happens to all three::

    reserved     pwrite and fdatasync of one block after another into reserved space, as a segment is
    written      the same into space that holds data already: the most that the disk does
    writer       write_block, sync and maintain of JournalWriter: the chain of blocks, rolls, the meta file

Blocks are sealed beforehand: encoding overlaps with the sync in a pipeline, and has a table of its own. What the writer
wrote is read back, and its records are counted.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np
from msgspec import Struct

from benchmarks.live import scratch
from benchmarks.measure import NotVerified, Runs, expect_equal, quiet
from journal import blocks, compact
from journal.reader import JournalReader
from protocols.layouts import DETERMINED_WORDS, SLOT_WORDS
from stages.config import default_config
from stages.journaling import KEY_MASK, KEY_WORD, open_writer

__all__ = ["BandwidthRow", "measure_bandwidth", "sealed_blocks"]

TURNS: Final = 5
DISTINCT: Final = 32  # blocks to choose from
FILL_BYTES: Final = 1 << 20


class BandwidthRow(Struct, frozen=True, kw_only=True):
    """One size of blocks: bytes a second, in turns; the shares are medians over the turns."""

    block_bytes: int
    blocks_a_turn: int
    reserved: Runs
    written: Runs
    writer: Runs
    share_of_reserved: float
    share_of_written: float


def measure_bandwidth(
    directory: Path, rows: Any, block_bytes: int, count: int, turns: int = TURNS
) -> BandwidthRow:
    """Measure ``count`` blocks of nearly ``block_bytes`` in each turn; ``rows`` are commands to fill them with."""
    ready = sealed_blocks(rows, block_bytes)
    size = sum(length for _, length, _ in ready) // len(ready)
    reserved, written, writer = [], [], []
    for _ in range(turns):
        with quiet():
            reserved.append(_raw(directory, size, count, fill=False))
            written.append(_raw(directory, size, count, fill=True))
            writer.append(_writer(directory, ready, count))
    return BandwidthRow(
        block_bytes=block_bytes,
        blocks_a_turn=count,
        reserved=Runs(values=tuple(reserved)),
        written=Runs(values=tuple(written)),
        writer=Runs(values=tuple(writer)),
        share_of_reserved=round(median(ours / raw for ours, raw in zip(writer, reserved, strict=True)), 3),
        share_of_written=round(median(ours / raw for ours, raw in zip(writer, written, strict=True)), 3),
    )


def sealed_blocks(rows: Any, block_bytes: int) -> list[tuple[Any, int, int]]:
    """Return full blocks of the rows: buffer, size, records; the first sequence is to be set anew."""
    codec = compact.new_codec(DETERMINED_WORDS, KEY_WORD, KEY_MASK)
    made: list[tuple[Any, int, int]] = []
    row = 0
    while len(made) < DISTINCT:
        buffer = np.zeros(block_bytes, np.uint8)
        position = blocks.open_block(codec, row + 1)
        left = len(rows) - row
        position = compact.encode_records(rows, row, left, compact.byte_spans(buffer), position, codec)
        if position < 0:
            raise NotVerified(f"encode: expected a position, was code {position} after row {row}")
        records = int(compact.next_seq(codec)) - 1 - row
        if records == left and made:
            break  # the last one is not full
        made.append((buffer, int(blocks.seal_block(buffer, position, row + 1, codec)), records))
        row += records
    return made


def _raw(directory: Path, size: int, count: int, *, fill: bool) -> float:
    """Write and sync blocks in a new file; return bytes a second."""
    block = os.urandom(size)
    with scratch(directory) as place:
        fd = os.open(place / "file", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            os.posix_fallocate(fd, 0, size * count)
            for at in range(0, size * count if fill else 0, FILL_BYTES):
                os.pwrite(fd, bytes(min(FILL_BYTES, size * count - at)), at)
            os.fsync(fd)
            started = time.monotonic()
            for number in range(count):
                os.pwrite(fd, block, number * size)
                os.fdatasync(fd)
            return size * count / (time.monotonic() - started)
        finally:
            os.close(fd)


def _writer(directory: Path, ready: list[tuple[Any, int, int]], count: int) -> float:
    """Write and sync blocks with the journal's writer; return bytes a second."""
    with scratch(directory) as place:
        writer = open_writer(place / "journal", "fsync", default_config().journal.segment_bytes)
        started = time.monotonic()
        for number in range(count):
            buffer, length, _ = ready[number % len(ready)]
            buffer.view(np.int64)[blocks.H_FIRST_SEQ] = writer.next_seq
            writer.write_block(buffer, length)
            writer.sync()
            writer.maintain()
        seconds = time.monotonic() - started
        size, last_seq = writer.bytes_written, writer.durable_seq
        writer.close()
        _count_records(place / "journal", last_seq)
    return size / seconds


def _count_records(directory: Path, last_seq: int) -> None:
    rows, found = np.zeros((1 << 14, SLOT_WORDS), np.int64), 0
    with JournalReader(directory) as reader:
        while count := reader.read(rows):
            found += count
    expect_equal("records read back", last_seq, found)
