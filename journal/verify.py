"""Verification: every block, its records, the chain, the gaps, the meta file, and the manifest of sealed segments.

Segments are checked in several processes, one at a time in each. Beside a live writer a block that is just being
written shows as a finding that is not fatal. A directory with a manifest and no meta file is an archive: sealed
segments only.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from journal.assess import Assessment, ScanTask, assess, scan_one
from journal.errors import JournalCorrupt, JournalError, JournalLayout, JournalMissing, io_errors
from journal.manifest import MANIFEST_NAME, Entry, Manifest, is_archive, read_manifest
from journal.meta import META_NAME, count_slots
from journal.scan import SegmentScan
from journal.segment import RecordLayout, open_segment

__all__ = ["Finding", "Verification", "content_chunks", "content_digest", "verify_journal"]

CHUNK_BYTES: Final = 1 << 20
BYTES_A_PROCESS: Final = 1 << 30  # two seconds of work: a process takes one and a half to start
JOBS_MAX: Final = 64


class Finding(msgspec.Struct, frozen=True):
    """Something that is not as it was written.

    ``fatal``: a writer would refuse the journal for it, or the manifest or a sealed segment is not what it was.
    """

    file: str
    offset: int
    seq: int
    problem: str
    fatal: bool


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """What was looked at, and what is wrong with it, in order of sequence."""

    segments: int
    blocks: int
    records: int
    sealed: int  # segments that were compared with the manifest
    chain: str  # of the manifest; "" without one
    findings: list[Finding]


class _Checked(NamedTuple):
    scan: SegmentScan
    sha256: str  # "" where the manifest does not know the segment


def content_chunks(path: Path, content_bytes: int) -> Iterator[bytes]:
    """Read the first ``content_bytes`` of a segment's content, plain or compressed; fewer if there are not as many."""
    fd = open_segment(path)
    try:
        offset = 0
        with io_errors("read", path):
            while chunk := os.pread(fd, min(CHUNK_BYTES, content_bytes - offset), offset):
                offset += len(chunk)
                yield chunk
    finally:
        os.close(fd)


def content_digest(path: Path, content_bytes: int) -> str:
    """Return the SHA-256 of a segment's content, hexadecimal."""
    digest = sha256()
    for chunk in content_chunks(path, content_bytes):
        digest.update(chunk)
    return digest.hexdigest()


def _check(work: tuple[ScanTask, int]) -> _Checked:
    """Check one segment: its blocks, and the digest of as many bytes as the manifest knows."""
    task, content_bytes = work
    scan = scan_one(task)
    is_known = content_bytes > 0 and not scan.undecodable
    return _Checked(scan, content_digest(task.path, content_bytes) if is_known else "")


def verify_journal(
    directory: Path,
    layout: RecordLayout | None = None,
    *,
    chain: str = "",
    jobs: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> Verification:
    """Check and decode everything in a journal or an archive; return what was found.

    ``chain`` is a value of the manifest's chain that was kept elsewhere and must still be part of it. ``jobs`` is how
    many processes share the work, 0 for as many as there are cores and work for; ``on_progress`` is told how many
    segments are done, and of how many.
    """
    manifest, problem = _read_manifest(directory)
    entries = {entry.first_seq: entry for entry in manifest.entries} if manifest else {}
    digests: dict[int, str] = {}

    def scanner(tasks: list[ScanTask]) -> list[SegmentScan]:
        work = []
        for task in tasks:
            entry = entries.get(task.header.first_seq)
            work.append((task, entry.content_bytes if entry else 0))
        scans = []
        for done, checked in enumerate(_checks(work, jobs), start=1):
            digests[checked.scan.header.first_seq] = checked.sha256
            scans.append(checked.scan)
            if on_progress is not None:
                on_progress(done, len(work))
        return scans

    found = assess(directory, layout, decode=True, archive=is_archive(directory), scanner=scanner)
    findings = _findings(found)
    if count_slots(directory) == 1:
        damaged = JournalCorrupt(
            directory / META_NAME, "a damaged slot", expected="two that are valid", was="one"
        )
        findings.append(_finding(damaged, directory / META_NAME, fatal=False))
    if problem is not None:
        findings.append(_finding(problem, directory / MANIFEST_NAME, fatal=True))
    if manifest is not None:
        findings += _compare(directory, manifest, found, digests)
    if chain and chain not in ({entry.chain for entry in manifest.entries} if manifest else ()):
        findings.append(
            Finding(
                str(directory / MANIFEST_NAME), -1, -1, f"expected the chain {chain}, was none like it", True
            )
        )
    return Verification(
        segments=len(found.scans),
        blocks=sum(scan.block_count for scan in found.scans),
        records=sum(scan.record_count for scan in found.scans),
        sealed=sum(1 for digest in digests.values() if digest),
        chain=manifest.chain if manifest else "",
        findings=sorted(findings, key=lambda finding: (finding.seq, finding.file, finding.offset)),
    )


def _read_manifest(directory: Path) -> tuple[Manifest | None, JournalError | None]:
    try:
        return read_manifest(directory), None
    except (JournalCorrupt, JournalLayout) as problem:
        return None, problem


def _checks(work: list[tuple[ScanTask, int]], jobs: int) -> Iterator[_Checked]:
    """Check segments in order, in as many processes as are asked for, or as are worth it."""
    if jobs <= 0:
        size = sum(task.header.segment_bytes for task, _ in work)
        jobs = min(len(os.sched_getaffinity(0)), size // BYTES_A_PROCESS)
    jobs = min(jobs, len(work), JOBS_MAX)
    if jobs <= 1:
        yield from map(_check, work)
        return
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:  # one that dies is noticed
        yield from pool.map(_check, work)


def _findings(found: Assessment) -> list[Finding]:
    findings = [_finding(error, found.directory, fatal=True) for error in found.problems]
    known = {(finding.file, finding.offset) for finding in findings}
    for scan in found.scans:
        if scan.problem and (str(scan.path), scan.problem.offset) not in known:
            findings.append(_finding(scan.problem, scan.path, fatal=scan.undecodable))
    return findings


def _compare(
    directory: Path, manifest: Manifest, found: Assessment, digests: dict[int, str]
) -> list[Finding]:
    """Hold the segments that are there against those that were sealed."""
    scans = {scan.header.first_seq: scan for scan in found.scans}
    findings = []
    for entry in manifest.kept():
        scan = scans.get(entry.first_seq)
        if scan is None:
            gone = f"{directory}: expected segment {entry.segment_id} from {entry.first_seq} on, was none"
            findings.append(_finding(JournalMissing(gone), directory / MANIFEST_NAME, fatal=True))
        elif problem := _difference(entry, scan, digests[entry.first_seq]):
            findings.append(_finding(problem, scan.path, fatal=True))
    return findings


def _difference(entry: Entry, scan: SegmentScan, digest: str) -> JournalCorrupt | None:
    expected = (entry.segment_id, entry.last_seq, entry.content_bytes, entry.sha256)
    was = (scan.header.segment_id, scan.next_seq - 1, scan.end_offset, digest)
    if expected == was:
        return None
    names = ("segment id", "last sequence", "content bytes", "SHA-256")
    place = next(place for place in range(4) if expected[place] != was[place])
    return JournalCorrupt(
        scan.path, f"not the segment that was sealed: {names[place]}", offset=0, seq=entry.first_seq,
        expected=expected[place], was=was[place],
    )  # fmt: skip


def _finding(error: JournalError, path: Path, *, fatal: bool) -> Finding:
    if isinstance(error, JournalCorrupt):
        return Finding(error.path, error.offset, error.seq, str(error), fatal)
    return Finding(str(path), -1, -1, str(error), fatal)
