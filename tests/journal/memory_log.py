"""A log in memory, naive on purpose: it shows that the conformance suite asks for nothing but the interface."""

from __future__ import annotations

from typing import Any

import numpy as np

from journal import blocks, compact
from journal.errors import JournalError, JournalMissing
from journal.log import LogPosition
from journal.segment import RecordLayout


class MemoryLog:
    """What survives, as plain attributes: rows that are durable, how many epochs there were."""

    def __init__(self, layout: RecordLayout, first_seq: int = 1) -> None:
        self.layout, self.first_seq = layout, first_seq
        self.rows: list[Any] = []
        self.epoch, self.closed = 0, False

    def open_appender(self) -> MemoryAppender:
        """Shut out whoever wrote before: only the newest epoch may."""
        self.epoch += 1
        self.closed = False
        return MemoryAppender(self)

    def open_reader(self, from_seq: int | None = None) -> MemoryReader:
        """Stand at a sequence."""
        self.position()
        reader = MemoryReader(self)
        reader.seek(self.first_seq if from_seq is None else from_seq)
        return reader

    def position(self) -> LogPosition:
        """Count."""
        if not self.epoch:
            raise JournalMissing("memory: expected a log, was none")
        return LogPosition(self.first_seq, self.first_seq + len(self.rows) - 1, self.epoch, self.closed)


class MemoryAppender:
    """Keeps what is written in a list of its own until sync; a crash loses it."""

    def __init__(self, log: MemoryLog) -> None:
        self.log, self.epoch = log, log.epoch
        self.durable_seq = log.position().durable_seq
        self.next_seq = self.durable_seq + 1
        self.written: list[Any] = []
        self.failed = False

    def _check(self, good: bool = True) -> None:
        if self.failed or self.epoch != self.log.epoch or not good:
            self.failed = True
            raise JournalError("memory: expected a working appender, was closed, failed, or not the newest")

    def write_block(self, buffer: Any, length: int) -> None:
        """Decode the block."""
        sizes = np.zeros(3, dtype=np.int64)
        sealed = blocks.sealed_sizes(buffer, sizes)
        first_seq, count, size = (int(number) for number in sizes)
        self._check(sealed == 0 and size == length and count > 0 and first_seq == self.next_seq)
        rows = np.zeros((count, self.log.layout.record_words), dtype=np.int64)
        codec = compact.new_codec(self.log.layout.journal_words)
        compact.start_coding(codec, first_seq)
        spans, start = compact.byte_spans(buffer), blocks.BLOCK_HEADER_BYTES
        assert compact.decode_records(spans, start, length, count, rows, 0, codec) > 0
        self._write(rows)

    def _write(self, rows: Any) -> None:
        self.written.extend(rows)
        self.next_seq += len(rows)

    def append(self, records: Any) -> int:
        """Write and sync."""
        rows = np.array(records, dtype=np.int64)
        if not np.array_equal(rows[:, 0], np.arange(self.next_seq, self.next_seq + len(rows))):
            raise ValueError(f"expected sequences from {self.next_seq} on in word 0")
        self._check()
        rows[:, self.log.layout.journal_words :] = 0
        self._write(rows)
        return self.sync()

    def sync(self) -> int:
        """Keep what was written."""
        self._check()
        self.log.rows += self.written
        self.written = []
        self.durable_seq = self.next_seq - 1
        return self.durable_seq

    def maintain(self) -> None:
        """Nothing is due, ever."""
        self._check()

    def close(self) -> None:
        """Sync and end."""
        if not self.failed:
            self.sync()
            self.log.closed = True
        self.failed = True

    def abort(self) -> None:
        """Lose what was not synced."""
        self.failed = True


class MemoryReader:
    """A place."""

    def __init__(self, log: MemoryLog) -> None:
        self.log, self.next_seq = log, log.first_seq

    def position(self) -> LogPosition:
        """Ask the log."""
        return self.log.position()

    def seek(self, seq: int) -> None:
        """Go there."""
        where = self.position()
        if not where.first_seq <= seq <= where.durable_seq + 1:
            raise JournalMissing(f"memory: expected {where.first_seq} to {where.durable_seq + 1}, was {seq}")
        self.next_seq = seq

    def read(self, out: Any, limit: int | None = None) -> int:
        """Copy rows."""
        start = self.next_seq - self.log.first_seq
        rows = self.log.rows[start : start + (len(out) if limit is None else min(limit, len(out)))]
        for row, found in enumerate(rows):
            out[row] = found
        self.next_seq += len(rows)
        return len(rows)

    def close(self) -> None:
        """Nothing is open."""
