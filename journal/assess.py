"""Looking at what is there: all segments and the meta file of a journal, and what follows from them.

Reads only. Beside a live writer the last block may be seen half written, which then counts as a torn tail.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

from journal.errors import JournalCorrupt, JournalError, JournalLayout, JournalMissing
from journal.manifest import MANIFEST_NAME, Manifest, read_manifest
from journal.meta import META_NAME, Meta, read_meta
from journal.recovery import Decision, Found, Row, decide
from journal.scan import SegmentScan, scan_segment
from journal.segment import SEGMENT_HEADER_BYTES, RecordLayout, SegmentHeader, list_segments, read_header

__all__ = ["Assessment", "ScanTask", "Scanner", "assess", "scan_one"]

_Headers = list[tuple[Path, SegmentHeader]]


class ScanTask(NamedTuple):
    """One segment whose blocks are to be checked."""

    path: Path
    header: SegmentHeader
    mark_seq: int | None
    decode: bool


Scanner = Callable[[list[ScanTask]], list[SegmentScan]]


class Assessment(NamedTuple):
    """What was found in a directory, and what follows."""

    directory: Path
    meta: Meta | None
    manifest: Manifest | None
    first_seq: int  # the oldest sequence that ought to be there
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
        kind = _ERRORS.get(self.decision, JournalError)
        for problem in self.problems:
            if isinstance(problem, kind):
                return problem
        return kind(f"{self.directory}: {self.decision.value}: {self.row.cause}")


_ERRORS: Final[dict[Decision, type[JournalError]]] = {
    Decision.REFUSE_LAYOUT: JournalLayout,
    Decision.REFUSE_MISSING: JournalMissing,
    Decision.REFUSE_CORRUPT: JournalCorrupt,
    Decision.REFUSE_LOST: JournalCorrupt,
}


def assess(
    directory: Path,
    layout: RecordLayout | None = None,
    *,
    scan_all: bool = True,
    decode: bool = False,
    accept_loss: bool = False,
    archive: bool = False,
    scanner: Scanner | None = None,
) -> Assessment:
    """Look at all segments and the meta file of a journal, changing nothing.

    Without ``scan_all`` only the last segment's blocks are checked, for callers that have just read the rest.
    With ``accept_loss`` what is lost or damaged behind the valid blocks of the last segment counts as torn.
    An ``archive`` holds sealed segments only, and has no meta file. ``scanner`` checks segments, in processes say.
    """
    meta = read_meta(directory)
    manifest, unread = _read_manifest(directory)
    first_seq = max(meta.first_seq if meta else 0, manifest.kept_seq if manifest else 0)
    headers, damaged = _read_headers(directory, layout, manifest.kept_seq if manifest else 0)
    gaps = _gaps(directory, headers, meta, first_seq, unread) if not damaged else []
    if headers and manifest and manifest.entries and not archive and not damaged:
        gaps += _unsealed(directory, headers[-1], manifest)
    looked_at = headers if scan_all else headers[-1:]
    mark_seq = meta.durable_seq if meta else None
    tasks = [ScanTask(path, header, mark_seq, decode) for path, header in looked_at]
    scans = scanner(tasks) if scanner else [scan_one(task) for task in tasks]
    breaks = _breaks(scans)
    last = scans[-1] if scans else None
    witness = _contradicted(last) if last and not accept_loss else None
    lost = _lost(last, meta) if last and meta and not accept_loss else None
    no_meta = JournalCorrupt(directory / META_NAME, "no valid slot", expected="one or two", was="none")
    found = Found(
        other_layout=any(isinstance(problem, JournalLayout) for problem in damaged),
        segments=bool(headers or damaged),
        meta=meta is not None,
        durable=meta is not None and meta.durable_seq >= meta.first_seq,
        missing=bool(gaps),
        broken=bool(damaged or breaks),
        witness=witness is not None,
        lost=lost is not None,
        torn=last is not None and last.problem is not None,
    )
    problems: list[JournalError] = [no_meta] if found.segments and meta is None and not archive else []
    problems += [*damaged, *gaps, *breaks, *(problem for problem in (witness, lost) if problem)]
    return Assessment(directory, meta, manifest, first_seq, scans, problems, found, decide(found))


def scan_one(task: ScanTask) -> SegmentScan:
    """Check the blocks of one segment; one that cannot be read at all holds none."""
    try:
        return scan_segment(*task)
    except JournalCorrupt as problem:  # a compressed one that does not unpack
        header = task.header
        return SegmentScan(
            path=task.path, header=header, end_offset=SEGMENT_HEADER_BYTES, next_seq=header.first_seq,
            link=header.link, epoch=header.epoch, block_count=0, file_bytes=0, mark_offset=-1, tail_bytes=0,
            witness_offset=-1, problem=problem, undecodable=True,
        )  # fmt: skip


def _read_manifest(directory: Path) -> tuple[Manifest | None, str]:
    """Return the manifest, and what is wrong with it; then it says nothing of what is kept."""
    try:
        return read_manifest(directory), ""
    except (JournalCorrupt, JournalLayout) as problem:
        return None, f" ({problem})"


def _read_headers(
    directory: Path, layout: RecordLayout | None, kept_seq: int
) -> tuple[_Headers, list[JournalError]]:
    """Read the headers of segments that were not pruned; return the good ones, and what is wrong with the others."""
    headers: _Headers = []
    damaged: list[JournalError] = []
    for first_seq, path in list_segments(directory):
        if first_seq < kept_seq:
            continue
        try:
            header = read_header(path, first_seq)
            if layout is not None and header.layout != layout:
                raise JournalLayout(f"{path}: expected records of {layout}, was {header.layout}")
            headers.append((path, header))
        except (JournalCorrupt, JournalLayout) as problem:
            damaged.append(problem)
    return headers, damaged


def _gaps(
    directory: Path, headers: _Headers, meta: Meta | None, kept_seq: int, unread: str
) -> list[JournalError]:
    """Find segments that ought to be there, by their ids and by what the meta file knows."""
    gaps = []
    if headers and headers[0][1].first_seq > kept_seq > 0:
        gaps.append(
            f"expected a segment that begins with sequence {kept_seq}, was {headers[0][0].name}{unread}"
        )
    for (_, header), (path, after) in pairwise(headers):
        if after.segment_id != header.segment_id + 1:
            gaps.append(
                f"expected segment {header.segment_id + 1} before {path.name}, was {after.segment_id}"
            )
    if headers and meta and meta.segment_id > headers[-1][1].segment_id:
        gaps.append(f"expected segment {meta.segment_id} after {headers[-1][0].name}, was none")
    return [JournalMissing(f"{directory}: {gap}") for gap in gaps]


def _unsealed(directory: Path, last: tuple[Path, SegmentHeader], manifest: Manifest) -> list[JournalError]:
    """Find that the last segment is one that had been sealed: then one that came after it is gone."""
    sealed_id = manifest.entries[-1].segment_id
    if last[1].segment_id > sealed_id:
        return []
    gone = f"expected segment {sealed_id + 1}, for {MANIFEST_NAME} knows segment {sealed_id} as sealed"
    return [JournalMissing(f"{directory}: {gone}, was {last[0].name} at the end")]


def _breaks(scans: list[SegmentScan]) -> list[JournalError]:
    """Find segments whose blocks do not lead to the next segment."""
    found: list[JournalError] = []
    for scan, after in pairwise(scans):
        place: dict[str, int] = {"offset": scan.end_offset, "seq": scan.next_seq}
        if scan.next_seq != after.header.first_seq:
            why = scan.problem.problem if scan.problem else "the blocks end"
            problem = f"{why}; the next segment begins later"
            found.append(
                JournalCorrupt(
                    scan.path, problem, **place, expected=after.header.first_seq, was=scan.next_seq
                )
            )
        elif scan.link != after.header.link:
            problem = f"the last block is not the one that {after.path.name} continues"
            found.append(
                JournalCorrupt(scan.path, problem, **place, expected=after.header.link, was=scan.link)
            )
        elif scan.epoch > after.header.epoch:
            problem = f"epoch is higher than that of {after.path.name}"
            found.append(
                JournalCorrupt(scan.path, problem, **place, expected=after.header.epoch, was=scan.epoch)
            )
    return found


def _contradicted(last: SegmentScan) -> JournalCorrupt | None:
    """Tell whether a later valid block proves that the end of the chain is none."""
    if last.problem is None or last.witness_offset < 0:
        return None
    why = f"{last.problem.problem}, but the valid block at offset {last.witness_offset} saw this durable"
    return JournalCorrupt(last.path, why, offset=last.end_offset, seq=last.next_seq)


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
