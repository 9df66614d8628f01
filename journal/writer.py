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

A full disk is met when the next segment is reserved. Then :attr:`JournalWriter.space_state` says so, long before a
write has no room, and space is asked for again each second (:mod:`journal.spare`). An owner reads it after each
``maintain``: at SPACE_RESERVE it takes nothing more in but what frees resources, until the state is SPACE_OK again. If
it goes on, the first write that does not fit fails as any other.

Failure modes: any other error is final. It is raised once as what it is, the writer refuses all further use,
nothing is retried, and what was not acknowledged may or may not be found by the next recovery. A crash at any
moment leaves a prefix of what was written, at least up to the last sequence that :meth:`sync` returned.
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
from journal.assess import Assessment, assess
from journal.disk import Disk, write_all
from journal.errors import JournalError, io_errors
from journal.meta import Meta, MetaFile
from journal.recovery import Decision
from journal.repair import cut_torn_tail, rewrite_undurable
from journal.segment import (
    SEGMENT_BYTES_DEFAULT,
    SEGMENT_BYTES_MAX,
    SEGMENT_BYTES_MIN,
    SEGMENT_HEADER_BYTES,
    RecordLayout,
    SegmentHeader,
    list_segments,
)
from journal.spare import SPACE_LOW, SPACE_OK, SPACE_RESERVE, SpareSegment

__all__ = ["DURABILITIES", "META_INTERVAL_NS", "Durability", "JournalWriter"]

Durability = Literal["fsync", "os", "none"]
DURABILITIES: Final = ("fsync", "os", "none")
META_INTERVAL_NS: Final = 200_000_000
APPEND_BUFFER_BYTES: Final = 256 << 10


class JournalWriter:
    """Appends blocks of records to the journal in ``directory``; creates it if there is none.

    ``record_words`` int64 words make a record, of which the first ``journal_words`` are stored;
    ``layout_hash`` is any number that changes with their meaning. ``key_word`` and ``key_mask`` say which
    bits of a record tell which others it resembles; they matter to :meth:`append`, and for the size only.
    ``scan_all=False`` trusts all segments but the last, for callers that have just read them. ``accept_loss``
    is the operator's word that records which were durable, and are damaged or gone, may be given up. ``reserve_bytes``
    is how much of a segment is to be left when SPACE_RESERVE begins, a quarter unless given, at most half.
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
        accept_loss: bool = False,
        reserve_bytes: int | None = None,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        if durability not in DURABILITIES:
            raise ValueError(f"durability: expected one of {DURABILITIES}, was {durability!r}")
        if not SEGMENT_BYTES_MIN <= segment_bytes <= SEGMENT_BYTES_MAX or segment_bytes % 4096:
            raise ValueError(
                f"segment_bytes: expected a multiple of 4096 from {SEGMENT_BYTES_MIN} "
                f"to {SEGMENT_BYTES_MAX}, was {segment_bytes}"
            )
        if not 2 <= journal_words <= min(record_words, compact.WORDS_MAX):
            raise ValueError(
                f"journal_words: expected 2 to {min(record_words, compact.WORDS_MAX)}, was {journal_words}"
            )
        reserve_bytes = segment_bytes // 4 if reserve_bytes is None else reserve_bytes
        if not 0 <= reserve_bytes <= segment_bytes // 2:
            raise ValueError(f"reserve_bytes: expected 0 to {segment_bytes // 2}, was {reserve_bytes}")
        self.directory, self.reserve_bytes = Path(directory), reserve_bytes
        self.layout = RecordLayout(record_words, journal_words, layout_hash)
        self.durability, self.segment_bytes = durability, segment_bytes
        self.max_block_bytes = segment_bytes - SEGMENT_HEADER_BYTES
        self.bytes_written = self.blocks_written = self.syncs = self.meta_writes = self.segments_made = 0
        self.torn_copy: Path | None = None  # where recovery kept what it cut off
        self._disk = disk or Disk()
        self._clock = clock
        self._failure: BaseException | None = None
        self._meta: MetaFile | None = None
        self._fd = -1
        self._spare = SpareSegment(self._disk, self.directory, segment_bytes, durability != "none")
        self._unsynced = False
        self._sizes = np.zeros(3, dtype=np.int64)
        self._codec = compact.new_codec(journal_words, key_word, key_mask)
        self._buffer = np.zeros(0, dtype=np.uint8)
        try:
            with self._latching():
                self._open(first_seq, scan_all, accept_loss)
        except BaseException:
            self.abort()
            raise

    # Opening

    def _open(self, first_seq: int, scan_all: bool, accept_loss: bool) -> None:
        self._make_directory()
        self._meta = MetaFile(self._disk, self.directory)
        self._spare.remove()
        self._sync_before_reading()
        found = assess(self.directory, self.layout, scan_all=scan_all, accept_loss=accept_loss)
        self.recovered = found.decision
        if found.decision.refuses:
            raise found.error()
        last = self._meta.last
        self.epoch = max([last.epoch if last else 0, *(scan.epoch for scan in found.scans)]) + 1
        if found.decision is Decision.EMPTY:
            self._begin(last.first_seq if last else first_seq)
        else:
            self._continue(found)

    def _make_directory(self) -> None:
        if self.directory.is_dir():
            return
        with io_errors("mkdir", self.directory):
            self.directory.mkdir(parents=True, exist_ok=True)
        if self.durability != "none":
            with io_errors("fsync", self.directory.absolute().parent):
                self._disk.fsync_dir(self.directory.absolute().parent)

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
        self.durable_seq = first_seq - 1
        self.segment_id = self._link = 0
        self._write_meta_twice(clean=False)
        self._begin_segment()
        self.write_meta()

    def _continue(self, found: Assessment) -> None:
        assert found.meta is not None
        scan = found.scans[-1]
        if found.decision is Decision.TRUNCATE:
            self.torn_copy = cut_torn_tail(self._disk, scan)
        self.first_seq, self.next_seq = found.first_seq, scan.next_seq
        self.segment_id, self._link = scan.header.segment_id, scan.link
        self.segment_path, self._segment_size = scan.path, scan.header.segment_bytes
        self.offset = scan.end_offset
        with io_errors("open", scan.path):
            self._fd = self._disk.open(scan.path, os.O_RDWR)
        if scan.file_bytes < scan.header.segment_bytes:
            with io_errors("fallocate", scan.path):
                self._disk.fallocate(self._fd, scan.header.segment_bytes)
        self._unsynced = rewrite_undurable(self._disk, self._fd, scan) > 0
        self._flush()
        self._write_meta_twice(clean=False)

    # Writing

    def write_block(self, buffer: Any, length: int) -> None:
        """Write the sealed block in ``buffer[:length]`` (uint8), which must continue the journal."""
        with self._latching():
            sealed = blocks.sealed_sizes(buffer, self._sizes)
            first_seq, count, size = (int(number) for number in self._sizes)
            if sealed != 0 or size != length or count == 0:
                raise JournalError(
                    f"{self.directory}: expected a sealed block of {length} bytes, was one of {size}"
                )
            if first_seq != self.next_seq:
                raise JournalError(
                    f"{self.directory}: expected a block from sequence {self.next_seq}, was {first_seq}"
                )
            if length > self.max_block_bytes:
                raise JournalError(
                    f"{self.directory}: expected at most {self.max_block_bytes} bytes, was {length}"
                )
            if self.offset + length > self._segment_size:
                self._roll()
            link = blocks.stamp_block(buffer, self.segment_id, self._link, self.epoch, self.durable_seq)
            self._unsynced = True
            with io_errors("pwrite", self.segment_path):
                write_all(self._disk, self._fd, memoryview(buffer)[:length], self.offset)
            self._link = int(link)
            self.offset += length
            self.next_seq += count
            self.bytes_written += length
            self.blocks_written += 1

    def sync(self) -> int:
        """Make all written blocks as durable as the mode promises; return the durable sequence."""
        with self._latching():
            if self.durability == "fsync":
                self._flush()
            self.durable_seq = self.next_seq - 1
            return self.durable_seq

    def maintain(self) -> None:
        """Do what is due: the meta file each 200 ms, the next segment when half of this one is full."""
        with self._latching():
            assert self._meta is not None and self._meta.last is not None
            stale = self._meta.last.durable_seq != self.durable_seq
            if stale and self._clock() - self._meta_ns >= META_INTERVAL_NS:
                self.write_meta()
            if self.offset > self._segment_size // 2:
                self._spare.prepare(self._clock())

    @property
    def space_state(self) -> int:
        """Whether there is room for more: one of SPACE_OK, SPACE_LOW and SPACE_RESERVE."""
        if self._spare.refused is None:
            return SPACE_OK
        return SPACE_LOW if self.space_left_bytes > self.reserve_bytes else SPACE_RESERVE

    @property
    def space_left_bytes(self) -> int:
        """How many bytes are left in this segment."""
        return self._segment_size - self.offset

    @property
    def space_refusals(self) -> int:
        """How often the disk had no room for the next segment."""
        return self._spare.refusals

    def write_meta(self, clean: bool = False) -> None:
        """Write the durable sequence into the meta file."""
        with self._latching():
            assert self._meta is not None
            meta = Meta(0, self.epoch, self.first_seq, self.durable_seq, self.segment_id, os.getpid(), clean)
            self._meta.write(meta, self.durability == "fsync")
            self._meta_ns = self._clock()
            self.meta_writes += 1

    def append(self, records: Any) -> int:
        """Encode, write and sync records, int64 rows or structured; return the durable sequence."""
        words = self._as_words(records)
        if not np.array_equal(words[:, 0], np.arange(self.next_seq, self.next_seq + len(words))):
            raise ValueError(f"expected sequences from {self.next_seq} on in word 0, was {words[:3, 0]}...")
        if not len(self._buffer):
            self._buffer = np.zeros(min(APPEND_BUFFER_BYTES, self.max_block_bytes), dtype=np.uint8)
            self._spans = compact.byte_spans(self._buffer)
        start = 0
        while start < len(words):
            first_seq = self.next_seq
            position = blocks.open_block(self._codec, first_seq)
            position = compact.encode_records(
                words, start, len(words) - start, self._spans, position, self._codec
            )
            self.write_block(
                self._buffer, int(blocks.seal_block(self._buffer, position, first_seq, self._codec))
            )
            start += self.next_seq - first_seq
        durable_seq = self.sync()
        self.maintain()
        return durable_seq

    def _as_words(self, records: Any) -> Any:
        array = np.ascontiguousarray(records)
        if array.dtype.names is not None:
            array = array.view(np.int64).reshape(len(array), -1)
        if array.dtype != np.int64 or array.ndim != 2 or array.shape[1] != self.layout.record_words:
            raise ValueError(
                f"expected rows of {self.layout.record_words} int64 words, was {array.dtype} {array.shape}"
            )
        return array if array.flags.writeable else array.copy()

    # Segments and the meta file

    def _flush(self) -> None:
        """Wait for the disk, whatever the mode but none."""
        if self._unsynced and self.durability != "none":
            with io_errors("fdatasync", self.segment_path):
                self._disk.fdatasync(self._fd)
            self.syncs += 1
        self._unsynced = False
        self.durable_seq = self.next_seq - 1

    def roll(self) -> None:
        """Sync, and go on in a new segment, so that the one before can be sealed; nothing if this one is empty."""
        with self._latching():
            if self.offset > SEGMENT_HEADER_BYTES:
                self._roll()

    def _roll(self) -> None:
        """Finish this segment and go on in the next one."""
        self._flush()
        self._close_segment()
        self._begin_segment()
        self.write_meta()

    def _begin_segment(self) -> None:
        header = SegmentHeader(
            self.layout, self.segment_id + 1, self.next_seq, self.segment_bytes, self.epoch, self._link
        )
        self._fd, self.segment_path = self._spare.take(header)
        self.segment_id = header.segment_id
        self._segment_size = self.segment_bytes
        self.offset = SEGMENT_HEADER_BYTES
        self.segments_made += 1

    def _close_segment(self) -> None:
        fd, self._fd = self._fd, -1
        with io_errors("close", self.segment_path):
            os.close(fd)

    def _write_meta_twice(self, clean: bool) -> None:
        """Write both slots, so that a damaged one does not bring back an older epoch."""
        self.write_meta(clean)
        self.write_meta(clean)

    # The end

    @contextmanager
    def _latching(self) -> Iterator[None]:
        """Refuse if something has failed before; remember what fails now."""
        if self._failure is not None:
            raise JournalError(
                f"{self.directory}: expected a working writer, was closed or failed: {self._failure}"
            ) from self._failure
        try:
            yield
        except BaseException as failure:
            self._failure = failure
            raise

    @property
    def failed(self) -> bool:
        """Tell whether the writer refuses further use."""
        return self._failure is not None

    def close(self, clean: bool = True) -> None:
        """Sync, write into the meta file where the journal ends, release it; after a failure only that."""
        if self._failure is None:
            try:
                with self._latching():
                    self._flush()
                    self._write_meta_twice(clean)
                    self._spare.remove()
            finally:
                self.abort()
        self.abort()

    def abort(self) -> None:
        """Release files and lock without writing anything, as a crash would."""
        if self._failure is None:
            self._failure = JournalError("closed")
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        self._spare.close()
        if self._meta is not None:
            self._meta.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            self.abort()
