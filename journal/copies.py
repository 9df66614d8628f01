"""Copies of sealed segments: into an archive, or compressed in their place. Verified, and crash-safe at every step.

A copy is made under a temporary name, synced, read back from the disk and compared with the digest that the manifest
holds; only then it gets its name, and the directory is synced. A file under its final name is therefore a whole, true
copy. Repeating an operation that was cut off goes on with the first segment that has none.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec

from journal.disk import Disk, write_all
from journal.errors import JournalCorrupt, JournalError, JournalMissing, io_errors
from journal.manifest import MANIFEST_NAME, Entry, Manifest, keeping, read_manifest, write_manifest
from journal.packing import pack
from journal.sealing import seal_locked
from journal.segment import find_segment, packed_path, segment_name
from journal.verify import CHUNK_BYTES, content_chunks, content_digest

__all__ = [
    "Copied",
    "archive",
    "compress",
    "copy_segment",
    "find_copy",
    "make_directory",
    "remove_files",
    "remove_unfinished",
]

Progress = Callable[[int, int], None]  # segments done, and of how many

UNFINISHED: Final = "unfinished-"  # begins the name of a copy that is being made


class Copied(msgspec.Struct, frozen=True, kw_only=True):
    """What was done: segments and bytes copied now, and segments that had their copy before."""

    segments: int
    content_bytes: int
    file_bytes: int
    found: int
    chain: str


def archive(
    directory: Path,
    target: Path,
    *,
    packed: bool = False,
    disk: Disk | None = None,
    on_progress: Progress | None = None,
) -> Copied:
    """Copy all sealed segments that ``target`` does not have yet, compressed if ``packed``; keep its manifest.

    An archive is a directory of sealed segments with a manifest, to be read and verified like a journal. It keeps what
    the journal prunes later. One that holds another history is refused.
    """
    disk = disk or Disk()
    if target.exists() and target.samefile(directory):
        raise JournalError(f"{target}: expected another directory than that of the journal, was the same")
    make_directory(disk, target)
    with keeping(directory), keeping(target):
        remove_unfinished(disk, target)
        manifest = seal_locked(disk, directory)
        theirs = read_manifest(target) or Manifest(manifest.layout, manifest.kept_seq)
        _check_same_history(target, theirs, manifest)
        wanted = [entry for entry in manifest.kept() if entry not in theirs.entries]
        if theirs.entries:
            _check_gap(directory, target, manifest, theirs)
        files = content = 0
        for done, entry in enumerate(wanted, start=1):
            source = _source(directory, entry)
            copy = target / segment_name(entry.first_seq)
            if find_copy(target, entry) is None:
                files += copy_segment(disk, source, packed_path(copy) if packed else copy, entry, packed)
                content += entry.content_bytes
            # lines of segments that were pruned before there was an archive go in with the first that was not
            written = manifest.entries[: manifest.entries.index(entry) + 1]
            theirs = theirs._replace(entries=written)
            write_manifest(disk, target, theirs)
            if on_progress is not None:
                on_progress(done, len(wanted))
        found = len(manifest.kept()) - len(wanted)
        return Copied(
            segments=len(wanted), content_bytes=content, file_bytes=files, found=found, chain=theirs.chain
        )


def compress(
    directory: Path, *, keep: int = 1, disk: Disk | None = None, on_progress: Progress | None = None
) -> Copied:
    """Replace sealed segments, all but the newest ``keep``, by compressed files of the same content."""
    disk = disk or Disk()
    with keeping(directory):
        remove_unfinished(disk, directory)
        manifest = seal_locked(disk, directory)
        kept = manifest.kept()
        wanted = [entry for entry in kept[: len(kept) - keep] if _plain(directory, entry).exists()]
        files = content = 0
        for done, entry in enumerate(wanted, start=1):
            plain = _plain(directory, entry)
            if not _is_copy(packed_path(plain), entry):
                files += copy_segment(disk, plain, packed_path(plain), entry, True)
                content += entry.content_bytes
            remove_files(disk, directory, [plain])
            if on_progress is not None:
                on_progress(done, len(wanted))
        found = len(kept[: len(kept) - keep]) - len(wanted)
        return Copied(
            segments=len(wanted), content_bytes=content, file_bytes=files, found=found, chain=manifest.chain
        )


def find_copy(directory: Path, entry: Entry) -> Path | None:
    """Return the file in which a directory has a segment, None if it has none; refuse another one in its place."""
    path = find_segment(directory, entry.first_seq)
    if path is not None and not _is_copy(path, entry):
        raise JournalCorrupt(
            path, "not the segment that was sealed", seq=entry.first_seq, expected=entry.sha256,
            was=content_digest(path, entry.content_bytes),
        )  # fmt: skip
    return path


def remove_files(disk: Disk, directory: Path, paths: list[Path]) -> None:
    """Unlink files, in this order, and make that durable."""
    for path in paths:
        with io_errors("unlink", path):
            disk.unlink(path)
    if paths:
        with io_errors("fsync", directory):
            disk.fsync_dir(directory)


def _plain(directory: Path, entry: Entry) -> Path:
    return directory / segment_name(entry.first_seq)


def _source(directory: Path, entry: Entry) -> Path:
    path = find_segment(directory, entry.first_seq)
    if path is None:
        raise JournalMissing(f"{directory}: expected segment {entry.segment_id}, was none")
    return path


def _is_copy(path: Path, entry: Entry) -> bool:
    """Tell whether a file is there and holds what was sealed."""
    if not path.exists():
        return False
    try:
        digest, size = sha256(), 0
        for chunk in content_chunks(path, entry.content_bytes):
            digest.update(chunk)
            size += len(chunk)
    except JournalCorrupt:
        return False
    return (digest.hexdigest(), size) == (entry.sha256, entry.content_bytes)


def _check_same_history(target: Path, theirs: Manifest, ours: Manifest) -> None:
    """Refuse an archive of another journal, or of one that has been restored to an earlier end."""
    common = min(len(theirs.entries), len(ours.entries))
    if theirs.layout != ours.layout or theirs.entries[:common] != ours.entries[:common]:
        raise JournalError(f"{target / MANIFEST_NAME}: expected the history of this journal, was another one")
    if len(theirs.entries) > common:
        raise JournalError(
            f"{target / MANIFEST_NAME}: expected no segment that this journal lacks, was one more"
        )


def _check_gap(directory: Path, target: Path, ours: Manifest, theirs: Manifest) -> None:
    """Refuse to go on behind segments that were pruned before they were archived."""
    after = ours.entries[len(theirs.entries) :]
    if after and after[0].first_seq < ours.kept_seq:
        gone = after[0].segment_id
        raise JournalMissing(f"{target}: expected segment {gone} next, but {directory} has pruned it")


def make_directory(disk: Disk, target: Path) -> None:
    """Make a directory for copies, durably, unless it is there."""
    if target.is_dir():
        return
    with io_errors("mkdir", target):
        target.mkdir(parents=True, exist_ok=True)
    with io_errors("fsync", target.absolute().parent):
        disk.fsync_dir(target.absolute().parent)


def copy_segment(disk: Disk, source: Path, target: Path, entry: Entry, packed: bool) -> int:
    """Copy the content of a segment, verified; return the size of the copy."""
    temporary = target.with_name(UNFINISHED + target.name)
    with io_errors("open", temporary):
        fd = disk.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        chunks = _checked(source, entry)
        size = 0
        for chunk in pack(chunks) if packed else chunks:
            with io_errors("pwrite", temporary):
                write_all(disk, fd, chunk, size)
            size += len(chunk)
        with io_errors("fsync", temporary):
            disk.fsync(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)  # so that it is read from the disk
    finally:
        os.close(fd)
    _compare(temporary, entry)
    with io_errors("rename", target):
        disk.rename(temporary, target)
    with io_errors("fsync", target.parent):
        disk.fsync_dir(target.parent)
    return size


def _checked(source: Path, entry: Entry) -> Iterator[bytes]:
    """Read a segment's content; raise at its end if it is not what was sealed."""
    digest = sha256()
    for chunk in content_chunks(source, entry.content_bytes):
        digest.update(chunk)
        yield chunk
    if digest.hexdigest() != entry.sha256:
        raise JournalCorrupt(
            source, "not the segment that was sealed", seq=entry.first_seq, expected=entry.sha256,
            was=digest.hexdigest(),
        )  # fmt: skip


def _compare(copy: Path, entry: Entry) -> None:
    """Read a copy back."""
    digest, size = sha256(), 0
    for chunk in content_chunks(copy, entry.content_bytes + CHUNK_BYTES):
        digest.update(chunk)
        size += len(chunk)
    if (digest.hexdigest(), size) != (entry.sha256, entry.content_bytes):
        raise JournalCorrupt(
            copy, "a copy that reads back as another segment", seq=entry.first_seq, expected=entry.sha256,
            was=digest.hexdigest(),
        )  # fmt: skip


def remove_unfinished(disk: Disk, directory: Path) -> None:
    """Remove what a copy that was cut off has left."""
    remove_files(disk, directory, sorted(directory.glob(f"{UNFINISHED}journal-*")))
