"""The writer of a journal: one process, one thread, blocks in order of sequence.

Opening recovers (see :mod:`journal.recovery`), raises the epoch and stands at the end of the journal. Then::

    write_block  →  sync  →  the caller tells the world  →  maintain
        │             │                                        │
     one write    one fdatasync;                    meta file, at most each 200 ms;
     (or a roll)  durable_seq rises                 the next segment, once this one is half full

so that what is slow and not needed for an acknowledgement comes after it.

durability: ``fsync`` waits for the disk at each sync; ``os`` leaves that to the operating system, so records
survive the death of the process but not of the machine (files are still synced when a segment begins and at
close); ``none`` never waits.

Failure modes: any error is final. It is raised once as what it is, the writer refuses all further use, nothing
is retried, and what was not acknowledged may or may not be found by the next recovery. A crash at any moment
leaves a prefix of what was written, at least up to the last sequence that :meth:`sync` returned.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self

import numpy as np

from journal import blocks, compact
from journal.disk import Disk, write_all
from journal.errors import JournalError, io_errors
from journal.meta import Meta, MetaFile
from journal.recovery import Assessment, Decision, assess, cut_torn_tail, rewrite_undurable
from journal.segment import (
    SEGMENT_BYTES_DEFAULT,
    SEGMENT_BYTES_MAX,
    SEGMENT_BYTES_MIN,
    SEGMENT_HEADER_BYTES,
    SPARE_NAME,
    RecordLayout,
    SegmentHeader,
    list_segments,
    make_spare,
    name_spare,
)

__all__ = ["DURABILITIES", "META_INTERVAL_NS", "Durability", "JournalWriter"]

Durability = Literal["fsync", "os", "none"]
DURABILITIES: Final = ("fsync", "os", "none")
META_INTERVAL_NS: Final = 200_000_000
APPEND_BUFFER_BYTES: Final = 256 << 10


class JournalWriter:
    """Appends blocks of records to the journal in ``directory``; creates it if there is none.

    ``record_words`` int64 words make a record, of which the first ``journal_words`` are stored; ``layout_hash``
    is any number that changes with their meaning. ``key_word`` and ``key_mask`` say which bits of a record tell
    which other records it resembles; they matter to :meth:`append` only, and only for the size.
    """

    def __init__(
        self,
        directory: str | Path,
        record_words: int,
        journal_words: int,
        layout_hash: int,
        durability: Durability = "fsync",
        segment_bytes: int = SEGMENT_BYTES_DEFAULT,
        disk: Disk | None = None,
        *,
        first_seq: int = 1,
        key_word: int = 0,
        key_mask: int = 0,
        scan_all: bool = True,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        if durability not in DURABILITIES:
            raise ValueError(f"durability: expected one of {DURABILITIES}, was {durability!r}")
        if not SEGMENT_BYTES_MIN <= segment_bytes <= SEGMENT_BYTES_MAX or segment_bytes % 4096:
            raise ValueError(
                f"segment_bytes: expected a multiple of 4096 from {SEGMENT_BYTES_MIN} to {SEGMENT_BYTES_MAX}, "
                f"was {segment_bytes}"
            )
        if not 2 <= journal_words <= min(record_words, compact.WORDS_MAX):
            raise ValueError(
                f"journal_words: expected 2 to {min(record_words, compact.WORDS_MAX)}, was {journal_words}"
            )
        self.directory = Path(directory)
        self.layout = RecordLayout(record_words, journal_words, layout_hash)
        self.durability, self.segment_bytes = durability, segment_bytes
        self.bytes_written = self.blocks_written = self.syncs = self.meta_writes = self.segments_made = 0
        self.torn_copy: Path | None = None  # where recovery kept what it cut off
        self._disk = disk or Disk()
        self._clock = clock
        self._failure: BaseException | None = None
        self._meta: MetaFile | None = None
        self._fd = self._spare = -1
        self._codec = compact.new_codec(journal_words, key_word, key_mask)
        self._buffer = np.zeros(0, dtype=np.uint8)
        self._sizes = np.zeros(3, dtype=np.int64)
        try:
            with self._latching():
                self._open(first_seq, scan_all)
        except BaseException:
            self.abort()
            raise

    # Opening

    def _open(self, first_seq: int, scan_all: bool) -> None:
        with io_errors("mkdir", self.directory):
            self.directory.mkdir(parents=True, exist_ok=True)
        self._meta = MetaFile(self._disk, self.directory)
        spare = self.directory / SPARE_NAME
        if spare.exists():
            with io_errors("unlink", spare):
                self._disk.unlink(spare)
        self._sync_before_reading()
        found = assess(self.directory, self.layout, scan_all=scan_all)
        self.recovered = found.decision
        if found.decision.refuses:
            raise found.error()
        last = self._meta.last
        self.epoch = max([last.epoch if last else 0, *(scan.epoch for scan in found.scans)]) + 1
        if found.decision is Decision.EMPTY:
            self._begin(last.first_seq if last else first_seq)
        else:
            self._continue(found)
        self._link_meta_time()

    def _sync_before_reading(self) -> None:
        """Make durable what is about to be believed."""
        if self.durability == "none":
            return
        for _, path in list_segments(self.directory)[-1:]:
            with io_errors("open", path):
                fd = self._disk.open(path, os.O_RDWR)
            try:
                with io_errors("fsync", path):
                    self._disk.fsync(fd)
            finally:
                os.close(fd)
        with io_errors("fsync", self.directory):
            self._disk.fsync_dir(self.directory)

    def _begin(self, first_seq: int) -> None:
        self.first_seq = self.next_seq = first_seq
        self.durable_seq = self.written_seq = first_seq - 1
        self.segment_id, self._link = 0, 0
        self._write_meta_twice(clean=False)
        self._begin_segment()
        self.write_meta()

    def _continue(self, found: Assessment) -> None:
        assert self._meta is not None and self._meta.last is not None
        scan = found.scans[-1]
        if found.decision is Decision.TRUNCATE:
            self.torn_copy = cut_torn_tail(self._disk, scan)
        self.first_seq = self._meta.last.first_seq
        self.next_seq = scan.next_seq
        self.segment_id, self._link = scan.header.segment_id, scan.link
        self.segment_path, self._segment_size = scan.path, scan.header.segment_bytes
        self._offset = scan.end_offset
        with io_errors("open", scan.path):
            self._fd = self._disk.open(scan.path, os.O_RDWR)
        if scan.file_bytes < scan.header.segment_bytes:
            with io_errors("fallocate", scan.path):
                self._disk.fallocate(self._fd, scan.header.segment_bytes)
        rewrite_undurable(self._disk, self._fd, scan)
        self._flush()
        self._write_meta_twice(clean=False)
