"""The reader of a journal: sequential records from any sequence on, facts about the files, verification.

Reads only, takes no lock, and may run beside a live writer: it then stops at the last whole block and goes
on from there at the next call. It never passes over damage: a place where no valid block continues the
journal is the end only if nothing proves otherwise. Proof is a later segment, a later valid block that saw
the place durable, or the durable sequence in the meta file; then :meth:`JournalReader.read` raises
JournalCorrupt.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
import numpy as np

from journal.assess import Assessment, assess
from journal.blockwalk import EPOCH, SEQ_MAX, WALK_END, WALK_FULL
from journal.errors import JournalCorrupt, JournalLayout, JournalMissing
from journal.manifest import is_archive, kept_segments
from journal.meta import META_NAME, read_meta
from journal.packing import PACKED_SUFFIX
from journal.scan import SegmentScan, SegmentWalk, find_witness_behind
from journal.segment import SEGMENT_HEADER_BYTES, find_segment, list_segments, read_header
from journal.verify import Finding, verify_journal

__all__ = ["Finding", "JournalInfo", "JournalReader", "SegmentInfo"]


class SegmentInfo(msgspec.Struct, frozen=True):
    """One segment file. ``state``: ``ok``, or what is wrong behind its valid blocks."""

    file: str
    segment_id: int
    first_seq: int
    last_seq: int
    record_count: int
    block_count: int
    used_bytes: int
    file_bytes: int
    epoch: int
    state: str


class JournalInfo(msgspec.Struct, frozen=True):
    """A journal; facts of the meta file are -1 without one.

    ``state`` is what opening the journal for writing would decide; ``archive`` for one of sealed segments alone.
    """

    directory: str
    state: str
    record_words: int
    journal_words: int
    layout_hash: int
    first_seq: int
    last_seq: int
    record_count: int
    block_count: int
    used_bytes: int
    file_bytes: int
    payload_bytes_per_record: float
    epoch: int
    durable_seq: int
    clean: bool
    writer_pid: int
    torn_files: list[str]
    segments: list[SegmentInfo]


class JournalReader:
    """Reads the journal in ``directory``; with ``layout_hash`` only one whose records have that layout."""

    def __init__(self, directory: str | Path, layout_hash: int | None = None) -> None:
        self.directory = Path(directory)
        if not self.directory.is_dir():
            raise JournalMissing(f"{self.directory}: expected a journal, was no directory")
        segments, kept_seq = kept_segments(self.directory)
        if not segments:
            raise JournalMissing(f"{self.directory}: expected a journal, was no segment file")
        self.first_seq, path = segments[0]
        self.layout = read_header(path, self.first_seq).layout
        if layout_hash is not None and self.layout.layout_hash != layout_hash:
            raise JournalLayout(f"{path}: expected layout hash {layout_hash}, was {self.layout.layout_hash}")
        meta = read_meta(self.directory)
        if meta and max(meta.first_seq, kept_seq) < self.first_seq:
            raise JournalMissing(
                f"{self.directory}: expected a segment from {max(meta.first_seq, kept_seq)} on, was {path.name}"
            )
        self._walk: SegmentWalk | None = None
        self.seek(self.first_seq)

    @property
    def next_seq(self) -> int:
        """The sequence that :meth:`read` returns next."""
        assert self._walk is not None, "the reader is closed"
        return self._walk.next_seq

    @property
    def epoch(self) -> int:
        """The epoch of the writer of the last block that was reached."""
        assert self._walk is not None, "the reader is closed"
        return int(self._walk.walker[EPOCH])

    def seek(self, seq: int) -> None:
        """Go to ``seq``, which must be in the journal or the next one to be written."""
        segments, _ = kept_segments(self.directory)
        holding = [(first, path) for first, path in segments if first <= seq]
        if not holding:
            first = segments[0][0] if segments else "none"
            raise JournalMissing(f"{self.directory}: expected a sequence from {first} on, was {seq}")
        self._enter(*holding[-1])
        assert self._walk is not None
        self._walk.skip_to(seq)
        scratch = np.zeros((min(4096, max(seq - self.next_seq, 1)), self.layout.record_words), dtype=np.int64)
        while self.next_seq < seq:
            if not self.read(scratch, seq - self.next_seq):
                raise JournalMissing(
                    f"{self.directory}: expected a sequence up to {self.next_seq}, was {seq}"
                )

    def read(self, out: Any, limit: int | None = None, *, last_seq: int = SEQ_MAX - 1) -> int:
        """Fill rows of ``out`` (int64, W words each) with the next records; return how many there were.

        0 is the end, for now. Words that are not journaled are 0. No block that reaches beyond ``last_seq`` is read.
        """
        if out.dtype != np.int64 or out.ndim != 2 or out.shape[1] != self.layout.record_words:
            raise ValueError(
                f"expected rows of {self.layout.record_words} int64 words, was {out.dtype} {out.shape}"
            )
        stop = len(out) if limit is None else min(limit, len(out))
        row = 0
        while row < stop:
            assert self._walk is not None, "the reader is closed"
            row = self._walk.walk(out, row, stop, last_seq)
            if self._walk.status == WALK_FULL:
                break
            if self._enter_next():
                continue
            if row == 0 and self._must_go_on():
                continue
            break
        return row

    def _enter(self, first_seq: int, path: Path) -> None:
        header = read_header(path, first_seq)
        if header.layout != self.layout:
            raise JournalLayout(f"{path}: expected records of {self.layout}, was {header.layout}")
        if self._walk is not None:
            self._walk.close()
        self._walk = SegmentWalk(path, header)

    def _enter_next(self) -> bool:
        """Go on with the segment that begins where this one ends, if there is one."""
        walk = self._walk
        assert walk is not None
        if walk.next_seq != walk.expected_seq or walk.expected_seq == walk.header.first_seq:
            return False
        path = find_segment(self.directory, walk.expected_seq)
        if path is None:
            return False
        link, before = walk.link, walk.path
        header = read_header(path, walk.expected_seq)
        if header.link != link or header.segment_id != walk.header.segment_id + 1:
            raise JournalCorrupt(
                path, f"does not continue {before.name}", offset=64, seq=header.first_seq,
                expected=f"segment {walk.header.segment_id + 1} with link {link:#010x}",
                was=f"segment {header.segment_id} with link {header.link:#010x}",
            )  # fmt: skip
        self._enter(header.first_seq, path)
        return True

    def _must_go_on(self) -> bool:
        """Look for proof that this is not the end; True if more has appeared, raise if it is damage."""
        walk = self._walk
        assert walk is not None
        if walk.undecodable:
            raise walk.corruption()
        end = walk.expected_seq
        meta = read_meta(self.directory)
        proof = ""
        if later := [path.name for first, path in list_segments(self.directory) if first > end]:
            proof = f"{later[0]} comes later"
        elif meta and meta.durable_seq >= end:
            proof = f"{META_NAME} says that {meta.durable_seq} was durable"
        elif walk.status != WALK_END or walk.dirty_ahead():
            witness = find_witness_behind(walk.fd, walk.path, walk.header, walk.position, end)
            proof = f"the valid block at offset {witness} saw it durable" if witness >= 0 else ""
        if not proof:
            return False
        if walk.grows() or self._enter_next():
            return True
        error = walk.corruption()
        raise JournalCorrupt(
            error.path, f"{error.problem}, but {proof}", offset=error.offset, seq=error.seq,
            expected=error.expected, was=error.was,
        )  # fmt: skip

    def info(self) -> JournalInfo:
        """Check all blocks and return what the files hold; damage is reported in ``state``, not raised."""
        found = assess(self.directory, archive=is_archive(self.directory))
        meta = found.meta
        segments = [_segment_info(scan) for scan in found.scans]
        record_count = sum(segment.record_count for segment in segments)
        block_count = sum(segment.block_count for segment in segments)
        used_bytes = sum(segment.used_bytes for segment in segments)
        payload_bytes = used_bytes - SEGMENT_HEADER_BYTES * len(segments) - 64 * block_count
        return JournalInfo(
            directory=str(self.directory),
            state=_state(found),
            record_words=self.layout.record_words,
            journal_words=self.layout.journal_words,
            layout_hash=self.layout.layout_hash,
            first_seq=segments[0].first_seq if segments else self.first_seq,
            last_seq=segments[-1].last_seq if segments else self.first_seq - 1,
            record_count=record_count,
            block_count=block_count,
            used_bytes=used_bytes,
            file_bytes=sum(segment.file_bytes for segment in segments),
            payload_bytes_per_record=round(payload_bytes / record_count, 2) if record_count else 0.0,
            epoch=meta.epoch if meta else -1,
            durable_seq=meta.durable_seq if meta else -1,
            clean=meta.clean if meta else False,
            writer_pid=meta.pid if meta else -1,
            torn_files=sorted(path.name for path in self.directory.glob("*.torn")),
            segments=segments,
        )

    def verify(self) -> list[Finding]:
        """Return what :func:`journal.verify.verify_journal` finds wrong, in order."""
        return verify_journal(self.directory, self.layout).findings

    def close(self) -> None:
        """Close the file that is being read."""
        if self._walk is not None:
            self._walk.close()
            self._walk = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _state(found: Assessment) -> str:
    if is_archive(found.directory):
        return str(found.problems[0]) if found.problems else "archive"
    return str(found.error()) if found.decision.refuses else found.decision.value


def _size(scan: SegmentScan) -> int:
    """Return the size of the file, which of a compressed segment is not that of its content."""
    return scan.path.stat().st_size if scan.path.suffix == PACKED_SUFFIX else scan.file_bytes


def _segment_info(scan: SegmentScan) -> SegmentInfo:
    return SegmentInfo(
        file=scan.path.name,
        segment_id=scan.header.segment_id,
        first_seq=scan.header.first_seq,
        last_seq=scan.next_seq - 1,
        record_count=scan.record_count,
        block_count=scan.block_count,
        used_bytes=scan.end_offset,
        file_bytes=_size(scan),
        epoch=scan.epoch,
        state=scan.problem.problem if scan.problem else "ok",
    )
