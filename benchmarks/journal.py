"""The journal alone: bytes a command, encoding and decoding, and what it costs to make them durable.

Encoding and decoding run in memory, on one core; every decoded word is compared. Appending writes a flow with
:class:`journal.writer.JournalWriter`, a block at a time as the commit thread of a pipeline does under load,
and is read back. The writer alone stands against the disk in :mod:`benchmarks.journal_bandwidth`. The disk's own
figure, one write and one fdatasync of one block, says what a lone command pays with durability fsync.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
from msgspec import Struct

from benchmarks.journal_bandwidth import measure_bandwidth
from benchmarks.live import scratch
from benchmarks.machine import file_system, pinned
from benchmarks.measure import Goal, Measured, NotVerified, Runs, expect_equal, repeat
from benchmarks.workload import make_workload
from journal import blocks, compact
from journal.reader import JournalReader
from journal.writer import DURABILITIES
from protocols.flow import PROFILES
from protocols.layouts import DETERMINED_WORDS, SLOT_WORDS
from stages.config import default_config
from stages.journaling import BLOCK_BYTES, KEY_MASK, KEY_WORD, open_writer

__all__ = ["AppendRow", "CodingRow", "SyncRow", "run"]

COMMANDS: Final = {"full": 1_000_000, "quick": 200_000}
RUNS: Final = {"full": 5, "quick": 3}
APPEND_ROWS: Final = 8192
SYNC_BYTES: Final = (4096, 65536, 262144)
SYNCS: Final = {"full": 200, "quick": 50}
SLACK_BYTES: Final = 1 << 10
BANDWIDTH: Final = {  # size of blocks, how many in a turn; the large ones fill several segments
    "full": ((4096, 500), (65536, 1000), (262144, 800), (1 << 20, 300)),
    "quick": ((65536, 100), (262144, 100)),
}
GOAL_SHARE: Final = 0.9
GOAL_BYTES: Final = 262144  # a full block of the pipeline


class CodingRow(Struct, frozen=True, kw_only=True):
    """One profile: payload bytes a command, and commands a second."""

    profile: str
    commands: int
    bytes_a_command: float
    encode: Runs
    decode: Runs


class AppendRow(Struct, frozen=True, kw_only=True):
    """One durability: commands a second, in batches with a sync each."""

    durability: str
    commands: int
    batch: int
    append: Runs


class SyncRow(Struct, frozen=True, kw_only=True):
    """Write and fdatasync of one block, in nanoseconds."""

    block_bytes: int
    syncs: int
    p50_ns: int
    p90_ns: int
    p99_ns: int
    max_ns: int


def run(cores: tuple[int, int], mode: str = "full", where: Path | None = None) -> Measured:
    """Measure coding, appending and the disk."""
    count, runs = COMMANDS[mode], RUNS[mode]
    with pinned(cores[0]), scratch(where) as directory:
        coding = [code(profile, count, runs) for profile in PROFILES]
        rows = make_workload("normal", count).commands.view(np.int64).reshape(-1, SLOT_WORDS)
        results: dict[str, Any] = {
            "coding": coding,
            "append": [append(directory, rows, durability, runs) for durability in DURABILITIES],
            "bandwidth": [measure_bandwidth(directory, rows, *each) for each in BANDWIDTH[mode]],
            "sync": [sync(directory, size, SYNCS[mode]) for size in SYNC_BYTES],
        }
        share = next(row.share_of_reserved for row in results["bandwidth"] if row.block_bytes == GOAL_BYTES)
        goal = Goal(what="journal's writer, of raw bandwidth", goal=GOAL_SHARE, value=share, unit="x")
        setup = {
            "disk": file_system(directory),
            "commands": f"{count:,} of each profile",
            "blocks": f"{BLOCK_BYTES:,} bytes, segments {default_config().journal.segment_bytes:,} bytes, preallocated",
        }
    return results, [goal], setup


def code(profile: str, count: int, runs: int) -> CodingRow:
    """Measure the compact coding of one profile."""
    rows = make_workload(profile, count).commands.view(np.int64).reshape(-1, SLOT_WORDS)
    coded = Coded(rows)
    out = np.zeros((len(rows), SLOT_WORDS), np.int64)

    def encode() -> float:
        started = time.monotonic()
        coded.encode()
        return len(rows) / (time.monotonic() - started)

    def decode() -> float:
        out.fill(-1)
        started = time.monotonic()
        coded.decode(out)
        seconds = time.monotonic() - started
        same = np.array_equal(out[:, :DETERMINED_WORDS], rows[:, :DETERMINED_WORDS])
        expect_equal("decoded words equal those encoded", True, same)
        return len(rows) / seconds

    return CodingRow(
        profile=profile,
        commands=len(rows),
        bytes_a_command=round(sum(size for _, _, size in coded.blocks) / len(rows), 2),
        encode=repeat(runs, encode),
        decode=repeat(runs, decode),
    )


class Coded:
    """Rows, and the blocks that they become; encoded once at the beginning, so that all memory is there."""

    def __init__(self, rows: Any) -> None:
        self.rows = rows
        self.codec = compact.new_codec(DETERMINED_WORDS, KEY_WORD, KEY_MASK)
        self.buffers: list[Any] = []
        self.blocks: list[tuple[int, int, int]] = []  # first row, rows, size
        self.encode()

    def encode(self) -> None:
        """Encode all rows, a block at a time, checksums included."""
        row, number, found = 0, 0, []
        while row < len(self.rows):
            if number == len(self.buffers):
                self.buffers.append(np.zeros(BLOCK_BYTES + SLACK_BYTES, np.uint8))
            block = self.buffers[number][:BLOCK_BYTES]
            position = blocks.open_block(self.codec, row + 1)
            spans, left = compact.byte_spans(block), len(self.rows) - row
            position = compact.encode_records(self.rows, row, left, spans, position, self.codec)
            if position < 0:
                raise NotVerified(f"encode: expected a position, was code {position} after row {row}")
            size = int(blocks.seal_block(block, position, row + 1, self.codec))
            encoded = int(compact.next_seq(self.codec)) - 1 - row
            found.append((row, encoded, size))
            row += encoded
            number += 1
        self.blocks = found

    def decode(self, out: Any) -> None:
        """Decode all blocks into ``out``."""
        for (row, count, size), buffer in zip(self.blocks, self.buffers, strict=False):
            compact.start_coding(self.codec, row + 1)
            spans, start = compact.byte_spans(buffer), blocks.BLOCK_HEADER_BYTES
            position = int(compact.decode_records(spans, start, size, count, out, row, self.codec))
            if position < 0:
                raise NotVerified(
                    f"decode: expected a position, was code {position} in the block of row {row}"
                )


def append(directory: Path, rows: Any, durability: str, runs: int) -> AppendRow:
    """Measure appending in batches, each made durable before the next."""
    return AppendRow(
        durability=durability,
        commands=len(rows),
        batch=APPEND_ROWS,
        append=repeat(runs, lambda: _append(directory, rows, durability)),
    )


def _append(directory: Path, rows: Any, durability: str) -> float:
    with scratch(directory) as place:
        writer = open_writer(place / "journal", durability, default_config().journal.segment_bytes)
        started = time.monotonic()
        for row in range(0, len(rows), APPEND_ROWS):
            writer.append(rows[row : row + APPEND_ROWS])
        seconds = time.monotonic() - started
        writer.close()
        reader, read = JournalReader(place / "journal"), np.zeros((len(rows) + 1, SLOT_WORDS), np.int64)
        expect_equal("rows read back", len(rows), reader.read(read))
        same = np.array_equal(read[:-1, :DETERMINED_WORDS], rows[:, :DETERMINED_WORDS])
        expect_equal("words read back equal those appended", True, same)
    return len(rows) / seconds


def sync(directory: Path, block_bytes: int, syncs: int) -> SyncRow:
    """Measure write and fdatasync of blocks in a file whose space is allocated, as in a segment."""
    with scratch(directory) as place:
        fd = os.open(place / "file", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            os.posix_fallocate(fd, 0, block_bytes * syncs)
            for at in range(0, block_bytes * syncs, block_bytes):
                os.pwrite(fd, bytes(block_bytes), at)
            os.fsync(fd)
            block, taken = os.urandom(block_bytes), []
            for number in range(syncs):
                started_ns = time.monotonic_ns()
                os.pwrite(fd, block, number * block_bytes)
                os.fdatasync(fd)
                taken.append(time.monotonic_ns() - started_ns)
        finally:
            os.close(fd)
    p50, p90, p99 = (int(np.percentile(taken, rank)) for rank in (50, 90, 99))
    return SyncRow(
        block_bytes=block_bytes, syncs=syncs, p50_ns=p50, p90_ns=p90, p99_ns=p99, max_ns=max(taken)
    )
