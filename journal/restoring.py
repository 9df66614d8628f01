"""A journal from an archive: for the day on which the disk of the journal is gone.

Segments are copied, verified against the manifest; an empty segment follows the last one, so that the chain goes on, in
the archive too; the meta file comes last, and makes it a journal. Interrupted before, it is none yet, and the next call
goes on. What was written after the last archived segment is not in the archive, and so not in the journal.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from journal.copies import Copied, copy_segment, find_copy, make_directory, remove_unfinished
from journal.disk import Disk
from journal.errors import JournalError, JournalMissing, io_errors
from journal.manifest import MANIFEST_NAME, Entry, Manifest, keeping, read_manifest, write_manifest
from journal.meta import Meta, MetaFile, read_meta
from journal.scan import scan_segment
from journal.segment import SegmentHeader, find_segment, make_spare, name_spare, read_header, segment_name

__all__ = ["restore"]


def restore(
    archive: Path,
    target: Path,
    *,
    disk: Disk | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Copied:
    """Make a journal in ``target``, which must hold none, of all segments of an archive."""
    disk = disk or Disk()
    manifest = read_manifest(archive) if archive.is_dir() else None
    if manifest is None or not manifest.kept():
        raise JournalMissing(f"{archive}: expected an archive, was no {MANIFEST_NAME} with segments")
    make_directory(disk, target)
    with keeping(target):
        if read_meta(target) is not None:
            raise JournalError(f"{target}: expected no journal, was one")
        remove_unfinished(disk, target)
        kept = manifest.kept()
        files = copied = 0
        for done, entry in enumerate(kept, start=1):
            source = find_segment(archive, entry.first_seq)
            if source is None:
                raise JournalMissing(f"{archive}: expected segment {entry.segment_id}, was none")
            if find_copy(target, entry) is None:
                files += copy_segment(disk, source, target / segment_name(entry.first_seq), entry, False)
                copied += 1
            if on_progress is not None:
                on_progress(done, len(kept))
        _make_writable(disk, target, manifest, kept[-1])
        return Copied(
            segments=copied,
            content_bytes=files,
            file_bytes=files,
            found=len(kept) - copied,
            chain=manifest.chain,
        )


def _make_writable(disk: Disk, target: Path, manifest: Manifest, last: Entry) -> None:
    """Begin the segment after the last one, then write manifest and meta file."""
    path = target / segment_name(last.first_seq)
    header = read_header(path, last.first_seq)
    scan = scan_segment(path, header)
    next_seq = last.last_seq + 1
    if find_segment(target, next_seq) is None:
        following = SegmentHeader(
            header.layout, last.segment_id + 1, next_seq, header.segment_bytes, scan.epoch, scan.link
        )
        fd = make_spare(disk, target, header.segment_bytes, durable=True)
        try:
            name_spare(disk, target, fd, following, durable=True)
        finally:
            os.close(fd)
    write_manifest(disk, target, manifest)
    file = MetaFile(disk, target)
    try:
        first_seq = manifest.kept()[0].first_seq
        for _ in range(2):
            file.write(
                Meta(0, scan.epoch, first_seq, last.last_seq, last.segment_id + 1, os.getpid(), True),
                durable=True,
            )
    finally:
        file.close()
    with io_errors("fsync", target):
        disk.fsync_dir(target)
