"""What to do with the journal that a crash, a power cut or a failing disk has left behind.

:func:`assess` looks, :func:`decide` decides, by the table below and by nothing else, :func:`cut_torn_tail` does
the one repair there is. The first row that fits counts:

======= ======== ==== ======= ======= ====== ======= ==== ==== =====================================
other   segments meta durable missing broken witness lost torn decision
layout
======= ======== ==== ======= ======= ====== ======= ==== ==== =====================================
yes     -        -    -       -       -      -       -    -    refuse: other layout or version
-       no       -    no      -       -      -       -    -    empty: begin a new journal
-       no       -    yes     -       -      -       -    -    refuse: segments are missing
-       yes      no   -       -       -      -       -    -    refuse: nobody knows what was durable
-       yes      yes  -       yes     -      -       -    -    refuse: segments are missing
-       yes      yes  -       no      yes    -       -    -    refuse: corruption before the last segment
-       yes      yes  -       no      no     yes     -    -    refuse: corruption before a later block
-       yes      yes  -       no      no     no      yes  -    refuse: durable records are lost
-       yes      yes  -       no      no     no      no   yes  truncate the torn tail
-       yes      yes  -       no      no     no      no   no   clean
======= ======== ==== ======= ======= ====== ======= ==== ==== =====================================

Refusing means that nothing is changed. What is truncated is copied to a ``.torn`` file first.
"""

from __future__ import annotations

import os
from enum import Enum
from pathlib import Path
from typing import Final, NamedTuple

from journal.disk import Disk, write_all
from journal.errors import JournalCorrupt, JournalError, JournalLayout, JournalMissing, io_errors
from journal.meta import META_NAME, Meta, read_meta
from journal.scan import SegmentScan, scan_segment
from journal.segment import RecordLayout, SegmentHeader, list_segments, read_header

__all__ = ["TABLE", "Assessment", "Decision", "Found", "Row", "assess", "cut_torn_tail", "decide"]


class Decision(Enum):
    """What becomes of a journal that is opened for writing."""

    EMPTY = "empty"
    CLEAN = "clean"
    TRUNCATE = "truncate the torn tail"
    REFUSE_LAYOUT = "refuse: other layout or version"
    REFUSE_MISSING = "refuse: segments are missing"
    REFUSE_CORRUPT = "refuse: corruption"
    REFUSE_LOST = "refuse: durable records are lost"

    @property
    def refuses(self) -> bool:
        """Tell whether the journal must not be written to."""
        return self.value.startswith("refuse")


class Found(NamedTuple):
    """What there is: the columns of the table."""

    other_layout: bool = False  # a segment has another format version, layout hash or record size
    segments: bool = True  # there is at least one segment
    meta: bool = True  # the meta file has a valid slot
    durable: bool = True  # the meta file says that something was durable
    missing: bool = False  # segment ids do not follow each other, or do not reach what the meta file says
    broken: bool = False  # the chain of valid blocks ends before the last segment, or a header is damaged
    witness: bool = False  # a later valid block says that what is broken was durable
    lost: bool = False  # the chain ends before the durable sequence of the meta file
    torn: bool = False  # bytes that are no valid block follow the chain


class Row(NamedTuple):
    """One row of the table; None fits both."""

    decision: Decision
    cause: str
    other_layout: bool | None = None
    segments: bool | None = None
    meta: bool | None = None
    durable: bool | None = None
    missing: bool | None = None
    broken: bool | None = None
    witness: bool | None = None
    lost: bool | None = None
    torn: bool | None = None

    def fits(self, found: Found) -> bool:
        """Tell whether the row is about this."""
        return all(wanted is None or wanted == was for wanted, was in zip(self[2:], found, strict=True))


_D = Decision
TABLE: Final = (
    Row(_D.REFUSE_LAYOUT, "another program or version wrote it", True),
    Row(_D.EMPTY, "nothing was ever written, or not even the first segment was finished", None, False, None, False),
    Row(_D.REFUSE_MISSING, "the meta file knows of durable records, but no segment is there", None, False, None, True),
    Row(_D.REFUSE_CORRUPT, "no valid slot in the meta file: nobody knows what was durable", None, True, False),
    Row(_D.REFUSE_MISSING, "a segment is gone", None, True, True, None, True),
    Row(_D.REFUSE_CORRUPT, "a segment before the last one, or a header, is damaged", None, True, True, None, False, True),
    Row(_D.REFUSE_CORRUPT, "a later block is valid and saw the broken one durable", None, True, True, None, False, False, True),
    Row(_D.REFUSE_LOST, "the last durable block is damaged or gone", None, True, True, None, False, False, False, True),
    Row(_D.TRUNCATE, "a write that nobody was told of was cut off", None, True, True, None, False, False, False, False, True),
    Row(_D.CLEAN, "the chain ends in zeros", None, True, True, None, False, False, False, False, False),
)


def decide(found: Found) -> Row:
    """Return the first row of the table that fits."""
    return next(row for row in TABLE if row.fits(found))


class Assessment(NamedTuple):
    """What was found in a directory, and what follows."""

    directory: Path
    meta: Meta | None
    scans: list[SegmentScan]
    problems: list[JournalError]  # in order of sequence
    found: Found
    row: Row

    @property
    def decision(self) -> Decision:
        """What is to be done."""
        return self.row.decision

    def error(self) -> JournalError:
        """Return the error to refuse with."""
        if self.problems:
            return self.problems[0]
        kind = JournalMissing if self.decision is Decision.REFUSE_MISSING else JournalError
        return kind(f"{self.directory}: {self.decision.value}: {self.row.cause}")


def assess(directory: Path, layout: RecordLayout | None = None, *, scan_all: bool = True, decode: bool = False) -> Assessment:
    """Look at all segments and the meta file of a journal, changing nothing.

    Without ``scan_all`` only the last segment's blocks are checked, for callers that have just read the rest.
    """
    meta = read_meta(directory)
    problems: list[JournalError] = []
    headers: list[tuple[Path, SegmentHeader]] = []
    for first_seq, path in list_segments(directory):
        try:
            header = read_header(path, first_seq)
            if layout is not None and header.layout != layout:
                raise JournalLayout(f"{path}: expected records of {layout}, was {header.layout}")
            headers.append((path, header))
        except (JournalCorrupt, JournalLayout) as problem:
            problems.append(problem)
    other_layout = any(isinstance(problem, JournalLayout) for problem in problems)
    bad_header = bool(problems)
    missing, gaps = _missing(directory, headers, meta) if not bad_header else (False, [])
    problems += gaps
    mark = meta.durable_seq if meta else None
    keep = range(len(headers)) if scan_all else range(max(len(headers) - 1, 0), len(headers))
    scans = [scan_segment(*headers[index], mark, decode) for index in keep]
    broken = _breaks(scans)
    last = scans[-1] if scans else None
    lost = _lost(last, meta) if last and meta else None
    problems += broken
    if last and last.problem and last.witness_offset >= 0:
        why = f"{last.problem.problem}; the valid block at offset {last.witness_offset} saw this durable"
        problems.append(JournalCorrupt(last.path, why, offset=last.end_offset, seq=last.next_seq))
    problems += [lost] if lost else []
    if (headers or bad_header) and meta is None:
        problems.insert(0, JournalCorrupt(directory / META_NAME, "no valid slot", expected="a valid slot", was="none"))
    found = Found(
        other_layout=other_layout,
        segments=bool(headers) or bad_header,
        meta=meta is not None,
        durable=meta is not None and meta.durable_seq >= meta.first_seq,
        missing=missing,
        broken=bad_header or bool(broken),
        witness=last is not None and last.witness_offset >= 0,
        lost=lost is not None,
        torn=last is not None and last.problem is not None,
    )
    return Assessment(directory, meta, scans, problems, found, decide(found))


def _missing(directory: Path, headers: list[tuple[Path, SegmentHeader]], meta: Meta | None) -> tuple[bool, list[JournalError]]:
    """Find segments that ought to be there, by their ids and by what the meta file knows."""
    gaps = []
    ids = [header.segment_id for _, header in headers]
    if headers and meta and headers[0][1].first_seq > meta.first_seq:
        gaps.append(f"expected a segment that begins with sequence {meta.first_seq}, was {headers[0][0].name}")
    for index in range(1, len(ids)):
        if ids[index] != ids[index - 1] + 1:
            gaps.append(f"expected segment {ids[index - 1] + 1} before {headers[index][0].name}, was {ids[index]}")
    if ids and meta and meta.segment_id > ids[-1]:
        gaps.append(f"expected segment {meta.segment_id} after {headers[-1][0].name}, was none")
    return bool(gaps), [JournalMissing(f"{directory}: {gap}") for gap in gaps]


def _breaks(scans: list[SegmentScan]) -> list[JournalError]:
    """Find segments whose blocks do not lead to the next segment."""
    found: list[JournalError] = []
    for scan, after in zip(scans, scans[1:], strict=False):
        place: dict[str, int] = {"offset": scan.end_offset, "seq": scan.next_seq}
        if scan.next_seq != after.header.first_seq:
            why = scan.problem.problem if scan.problem else "the blocks end"
            problem = f"{why}; the next segment begins later"
            found.append(
                JournalCorrupt(scan.path, problem, **place, expected=after.header.first_seq, was=scan.next_seq)
            )
        elif scan.link != after.header.link:
            problem = f"the last block is not the one that {after.path.name} continues"
            found.append(JournalCorrupt(scan.path, problem, **place, expected=after.header.link, was=scan.link))
        elif scan.epoch > after.header.epoch:
            problem = f"epoch is higher than that of {after.path.name}"
            found.append(JournalCorrupt(scan.path, problem, **place, expected=after.header.epoch, was=scan.epoch))
    return found


def _lost(last: SegmentScan, meta: Meta) -> JournalCorrupt | None:
    """Compare the end of the chain with the durable sequence of the meta file."""
    if last.next_seq > meta.durable_seq:
        return None
    why = f" ({last.problem.problem})" if last.problem else ""
    return JournalCorrupt(
        last.path,
        f"durable records are lost{why}",
        offset=last.end_offset,
        seq=last.next_seq,
        expected=f"records up to {meta.durable_seq}",
        was=f"up to {last.next_seq - 1}",
    )


def torn_path(scan: SegmentScan) -> Path:
    """Return where the cut off tail of a segment is kept."""
    return scan.path.with_name(f"{scan.path.name}.{scan.end_offset}.torn")


def cut_torn_tail(disk: Disk, scan: SegmentScan) -> Path:
    """Copy what follows the last valid block to a ``.torn`` file, then replace it by zeros; return the copy's path."""
    copy = torn_path(scan)
    with io_errors("open", copy):
        target = disk.open(copy, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        with io_errors("pwrite", copy), open(scan.path, "rb") as source:
            source.seek(scan.end_offset)
            write_all(disk, target, source.read(scan.tail_bytes), 0)
        with io_errors("fsync", copy):
            disk.fsync(target)
    finally:
        os.close(target)
    with io_errors("fsync", copy.parent):
        disk.fsync_dir(copy.parent)
    with io_errors("open", scan.path):
        fd = disk.open(scan.path, os.O_RDWR)
    try:
        with io_errors("ftruncate", scan.path):
            disk.ftruncate(fd, scan.end_offset)
        with io_errors("fallocate", scan.path):
            disk.fallocate(fd, scan.header.segment_bytes)
        with io_errors("fsync", scan.path):
            disk.fsync(fd)
    finally:
        os.close(fd)
    return copy


def rewrite_undurable(disk: Disk, fd: int, scan: SegmentScan) -> int:
    """Write again the blocks that the meta file does not know durable; return how many bytes.

    After a failed sync the page cache may hold, and call clean, what the disk does not. Whoever reads it back
    and goes on builds on sand, so these pages are made dirty again; the caller syncs.
    """
    if scan.mark_offset < 0:
        return 0
    with io_errors("read", scan.path):
        data = os.pread(fd, scan.end_offset - scan.mark_offset, scan.mark_offset)
    with io_errors("pwrite", scan.path):
        write_all(disk, fd, data, scan.mark_offset)
    return len(data)
