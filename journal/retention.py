"""Retention: segments that nobody needs any more are removed, oldest first, and the manifest says so before.

What may go is for the owner to say: ``covered_seq`` is the last sequence that something else, a snapshot say, stands
for, so that recovery never reads a record up to it. A segment goes only if it ends at or before it, was sealed, and,
where an archive is named, has a true copy there. The segment that is being written never goes.

First the manifest gets the sequence from which on segments are kept, durably; then files are unlinked. After a crash in
between those that are left over are ignored by everybody, and go with the next pruning.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from journal.copies import find_copy, remove_files
from journal.disk import Disk
from journal.errors import JournalError
from journal.manifest import Entry, keeping, read_manifest, write_manifest
from journal.sealing import seal_locked
from journal.segment import find_segment, list_segments, packed_path, segment_name

__all__ = ["Pruned", "prune"]


class Pruned(msgspec.Struct, frozen=True, kw_only=True):
    """What was removed, or would be: files, their bytes, and the first sequence that is kept."""

    files: list[str]
    file_bytes: int
    kept_seq: int
    dry_run: bool


def prune(
    directory: Path,
    covered_seq: int,
    *,
    keep_segments: int = 0,
    keep_bytes: int = 0,
    archive: Path | None = None,
    dry_run: bool = False,
    disk: Disk | None = None,
) -> Pruned:
    """Remove sealed segments that end at or before ``covered_seq``; may run beside the writer and readers.

    The newest ``keep_segments`` sealed ones stay in any case, and as many as fit into ``keep_bytes``. With ``archive``
    only what has its copy there goes.
    """
    disk = disk or Disk()
    with keeping(directory):
        manifest = seal_locked(disk, directory)
        kept = manifest.kept()
        going = _going(directory, kept, covered_seq, len(kept) - keep_segments, keep_bytes)
        if archive is not None:
            _check_archive(archive, going)
        kept_seq = going[-1].last_seq + 1 if going else manifest.kept_seq
        paths = [path for first, path in _all_files(directory) if first < kept_seq]
        size = sum(path.stat().st_size for path in paths)
        if not dry_run:
            if going:
                write_manifest(disk, directory, manifest._replace(kept_seq=kept_seq))
            remove_files(disk, directory, paths)
        return Pruned(
            files=[path.name for path in paths], file_bytes=size, kept_seq=kept_seq, dry_run=dry_run
        )


def _going(
    directory: Path, kept: tuple[Entry, ...], covered_seq: int, most: int, keep_bytes: int
) -> list[Entry]:
    """Choose the oldest segments, as far as all conditions hold."""
    sizes = [path.stat().st_size if (path := find_segment(directory, each.first_seq)) else 0 for each in kept]
    going: list[Entry] = []
    for place, entry in enumerate(kept):
        if place >= most or entry.last_seq > covered_seq or sum(sizes[place:]) <= keep_bytes:
            break
        going.append(entry)
    return going


def _check_archive(archive: Path, going: list[Entry]) -> None:
    """Refuse to remove what the archive does not have."""
    theirs = read_manifest(archive) if archive.is_dir() else None
    for entry in going:
        if theirs is None or entry not in theirs.kept() or find_copy(archive, entry) is None:
            raise JournalError(
                f"{archive}: expected a copy of segment {entry.segment_id}, was none; nothing was removed"
            )


def _all_files(directory: Path) -> list[tuple[int, Path]]:
    """Return all files of all segments, plain and compressed, oldest first."""
    found = []
    for first_seq, _ in list_segments(directory):
        plain = directory / segment_name(first_seq)
        found += [(first_seq, path) for path in (plain, packed_path(plain)) if path.exists()]
    return found
