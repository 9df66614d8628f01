"""Sealing: the digest of each segment that is complete goes into the manifest.

Not in the process that writes the journal: to check and digest 64 MiB takes a tenth of a second, for which a commit
would wait. Whoever owns the journal calls :func:`seal` now and then from where nothing waits, the command line does,
and so does all that compresses, archives or prunes.

A segment is sealed only after all of its blocks were checked and lead to the next segment. A crash at any moment leaves
the manifest as it was or with the new line; the next call goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from journal.disk import Disk
from journal.errors import JournalCorrupt, JournalLayout, JournalMissing
from journal.manifest import MANIFEST_NAME, Manifest, keeping, kept_segments, read_manifest, write_manifest
from journal.meta import read_meta
from journal.scan import scan_segment
from journal.segment import SegmentHeader, read_header
from journal.verify import content_digest

__all__ = ["seal", "seal_locked"]

Progress = Callable[[int, int], None]


def seal(
    directory: Path,
    *,
    disk: Disk | None = None,
    limit: int | None = None,
    on_progress: Progress | None = None,
) -> Manifest:
    """Seal all complete segments, at most ``limit`` of them; return the manifest. May run beside the writer."""
    with keeping(directory):
        return seal_locked(disk or Disk(), directory, limit, on_progress)


def seal_locked(
    disk: Disk, directory: Path, limit: int | None = None, on_progress: Progress | None = None
) -> Manifest:
    """Seal, for callers that hold the lock."""
    segments, _ = kept_segments(directory)
    if not segments:
        raise JournalMissing(f"{directory}: expected a journal, was no segment file")
    manifest = read_manifest(directory)
    known = manifest.entries[-1].last_seq if manifest and manifest.entries else -1
    if manifest is None:
        first_seq, path = segments[0]
        meta = read_meta(directory)
        if meta is not None and first_seq > meta.first_seq:
            raise JournalMissing(f"{directory}: expected a segment from {meta.first_seq} on, was {path.name}")
        manifest = Manifest(read_header(path, first_seq).layout)
    todo = [pair for pair in pairwise(segments) if pair[0][0] > known]
    for done, (here, after) in enumerate(todo[:limit], start=1):
        manifest = _seal_one(directory, manifest, here, after)
        write_manifest(disk, directory, manifest)
        if on_progress is not None:
            on_progress(done, len(todo[:limit]))
    return manifest


def _seal_one(
    directory: Path, manifest: Manifest, here: tuple[int, Path], after: tuple[int, Path]
) -> Manifest:
    """Check one segment to its end, and add it."""
    (first_seq, path), (next_first, next_path) = here, after
    header, following = read_header(path, first_seq), read_header(next_path, next_first)
    if header.layout != manifest.layout:
        raise JournalLayout(f"{path}: expected records of {manifest.layout}, was {header.layout}")
    _check_order(directory, manifest, header, path)
    scan = scan_segment(path, header)
    if (scan.next_seq, scan.link) != (next_first, following.link):
        why = scan.problem.problem if scan.problem else "the blocks end"
        raise JournalCorrupt(
            path, f"{why}; does not lead to {next_path.name}", offset=scan.end_offset, seq=scan.next_seq,
            expected=f"sequence {next_first}, link {following.link:#010x}",
            was=f"{scan.next_seq}, link {scan.link:#010x}",
        )  # fmt: skip
    digest = content_digest(path, scan.end_offset)
    return manifest.with_segment(header.segment_id, first_seq, scan.next_seq - 1, scan.end_offset, digest)


def _check_order(directory: Path, manifest: Manifest, header: SegmentHeader, path: Path) -> None:
    """Refuse a segment that does not follow the last one that was sealed."""
    if not manifest.entries:
        return
    last = manifest.entries[-1]
    if (header.segment_id, header.first_seq) != (last.segment_id + 1, last.last_seq + 1):
        raise JournalMissing(
            f"{directory}: expected segment {last.segment_id + 1} from {last.last_seq + 1} on, "
            f"the one after those in {MANIFEST_NAME}, was {path.name}, segment {header.segment_id}"
        )
