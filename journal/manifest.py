"""``journal.manifest``: the sealed segments of a journal, each by its SHA-256, chained.

A segment is sealed when the next one has begun: nothing is written to it any more. The manifest has a line for each
sealed segment there ever was, those that were pruned too, so that none can be altered, exchanged, reordered or dropped
unnoticed::

    ringmatch journal manifest 1
    layout 0123456789abcdef 16 15           layout hash, record words, journal words
    kept 3804112                            first sequence that is kept; segments before it were pruned
    1 1 3804111 67108800 <sha256> <chain>   id, first and last sequence, content bytes, SHA-256 of the content, chain
    2 3804112 7601005 67108816 <sha256> <chain>
    end <sha256>                            of all lines before

The content of a segment is its header and its blocks, without the zeros behind them, so it is the same whether the file
is as the writer left it, trimmed, or compressed. The chain of a line is the SHA-256 of the chain before it and of the
line; the first one begins with the layout. One value of the chain, kept elsewhere, therefore vouches for all before it.

Who changes it holds a lock on the directory (:func:`keeping`); the writer of the journal never touches it. It is
replaced as a whole: temporary name, fsync, rename, fsync of the directory. So it is whole or damaged, never torn; a
damaged one is reported, not repaired. To opening and reading it matters only in what it says is kept and sealed.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

from journal.disk import Disk, replace_file
from journal.errors import JournalCorrupt, JournalLayout, JournalLocked, io_errors
from journal.meta import META_NAME
from journal.segment import RecordLayout, list_segments

__all__ = [
    "MANIFEST_NAME",
    "Entry",
    "Manifest",
    "is_archive",
    "keeping",
    "kept_segments",
    "pack_manifest",
    "parse_manifest",
    "read_kept_seq",
    "read_manifest",
    "write_manifest",
]

MANIFEST_NAME: Final = "journal.manifest"
MANIFEST_VERSION: Final = 1

_TITLE: Final = "ringmatch journal manifest"
_LAYOUT = re.compile(r"layout ([0-9a-f]{16}) (\d{1,9}) (\d{1,9})")
_KEPT = re.compile(r"kept (\d{1,19})")
_ENTRY = re.compile(r"(\d{1,19}) (\d{1,19}) (\d{1,19}) (\d{1,19}) ([0-9a-f]{64}) ([0-9a-f]{64})")


class Entry(NamedTuple):
    """One sealed segment."""

    segment_id: int
    first_seq: int
    last_seq: int
    content_bytes: int
    sha256: str  # of the content, hexadecimal
    chain: str  # of this line and all before


class Manifest(NamedTuple):
    """All sealed segments, in order; ``kept_seq`` is 0 where nothing was pruned."""

    layout: RecordLayout
    kept_seq: int = 0
    entries: tuple[Entry, ...] = ()

    @property
    def chain(self) -> str:
        """The chain's last value: it stands for all that is sealed."""
        return self.entries[-1].chain if self.entries else _start_of_chain(self.layout)

    def kept(self) -> tuple[Entry, ...]:
        """The entries whose segments were not pruned."""
        return tuple(entry for entry in self.entries if entry.first_seq >= self.kept_seq)

    def with_segment(
        self, segment_id: int, first_seq: int, last_seq: int, content_bytes: int, digest: str
    ) -> Manifest:
        """Return the manifest with one more segment."""
        values = (segment_id, first_seq, last_seq, content_bytes, digest)
        return self._replace(entries=(*self.entries, Entry(*values, _link(self.chain, values))))


def _layout_line(layout: RecordLayout) -> str:
    return f"layout {layout.layout_hash & (1 << 64) - 1:016x} {layout.record_words} {layout.journal_words}"


def _start_of_chain(layout: RecordLayout) -> str:
    return sha256(f"{_TITLE} {MANIFEST_VERSION}\n{_layout_line(layout)}\n".encode()).hexdigest()


def _link(chain: str, values: tuple[int, int, int, int, str]) -> str:
    return sha256(" ".join([chain, *map(str, values)]).encode()).hexdigest()


def pack_manifest(manifest: Manifest) -> bytes:
    """Return the bytes of the file."""
    lines = [
        f"{_TITLE} {MANIFEST_VERSION}",
        _layout_line(manifest.layout),
        f"kept {manifest.kept_seq}",
        *(" ".join(map(str, entry)) for entry in manifest.entries),
    ]
    text = "".join(f"{line}\n" for line in lines)
    return f"{text}end {sha256(text.encode()).hexdigest()}\n".encode()


def parse_manifest(raw: bytes, path: Path) -> Manifest:
    """Check and decode a manifest: its checksum, every link of the chain, the order of its lines."""
    title, _, rest = raw.partition(b"\n")
    if title.startswith(_TITLE.encode() + b" ") and title != f"{_TITLE} {MANIFEST_VERSION}".encode():
        version = title[len(_TITLE) + 1 :].decode("ascii", "replace")
        if version.isdigit() and _ends_whole(raw):
            raise JournalLayout(f"{path}: expected manifest version {MANIFEST_VERSION}, was {version}")
    body, _, last = raw.removesuffix(b"\n").rpartition(b"\n")
    if not _ends_whole(raw) or not rest:
        wanted = "end " + sha256(body + b"\n").hexdigest()
        raise JournalCorrupt(path, "manifest checksum", expected=wanted, was=last[:80])
    lines = body.decode("ascii", "replace").split("\n")
    layout, kept = (
        (_LAYOUT.fullmatch(lines[1]), _KEPT.fullmatch(lines[2])) if len(lines) > 2 else (None, None)
    )
    if lines[0] != f"{_TITLE} {MANIFEST_VERSION}" or layout is None or kept is None:
        raise JournalCorrupt(path, "no manifest", expected=f"{_TITLE} {MANIFEST_VERSION}", was=lines[0][:80])
    number = int(layout[1], 16)
    manifest = Manifest(
        RecordLayout(int(layout[2]), int(layout[3]), number - (1 << 64) if number >> 63 else number),
        int(kept[1]),
    )
    entries: list[Entry] = []
    chain = manifest.chain
    for line in lines[3:]:
        found = _ENTRY.fullmatch(line)
        if found is None:
            raise JournalCorrupt(path, "no line of a manifest", expected="six columns", was=line[:80])
        entry = Entry(int(found[1]), int(found[2]), int(found[3]), int(found[4]), found[5], found[6])
        before = entries[-1] if entries else None
        if entry.chain != _link(chain, entry[:5]):
            raise JournalCorrupt(
                path,
                "chain of segments",
                seq=entry.first_seq,
                expected=_link(chain, entry[:5]),
                was=entry.chain,
            )
        if before and (entry.segment_id, entry.first_seq) != (before.segment_id + 1, before.last_seq + 1):
            raise JournalCorrupt(
                path, "order of segments", seq=entry.first_seq,
                expected=f"segment {before.segment_id + 1} from {before.last_seq + 1} on", was=entry.segment_id,
            )  # fmt: skip
        entries.append(entry)
        chain = entry.chain
    return manifest._replace(entries=tuple(entries))


def _ends_whole(raw: bytes) -> bool:
    """Tell whether the last line is the checksum of those before."""
    body, _, last = raw.removesuffix(b"\n").rpartition(b"\n")
    return raw.endswith(b"\n") and last == b"end " + sha256(body + b"\n").hexdigest().encode()


def read_manifest(directory: Path) -> Manifest | None:
    """Return the manifest of a journal, None if there is none."""
    path = directory / MANIFEST_NAME
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError:
        with io_errors("read", path):
            raise
    return parse_manifest(raw, path)


def write_manifest(disk: Disk, directory: Path, manifest: Manifest) -> None:
    """Replace the manifest of a journal, durably."""
    replace_file(disk, directory / MANIFEST_NAME, pack_manifest(manifest))


def is_archive(directory: Path) -> bool:
    """Tell whether a directory holds sealed segments only: it has a manifest, and nothing for a writer."""
    return (directory / MANIFEST_NAME).exists() and not (directory / META_NAME).exists()


def read_kept_seq(directory: Path) -> int:
    """Return the first sequence that is kept, 0 if the manifest says nothing; one that has not changed is not read."""
    try:
        facts = os.stat(directory / MANIFEST_NAME)
    except FileNotFoundError:
        return 0
    return _kept_seq(directory, facts.st_ino, facts.st_mtime_ns, facts.st_size)


@lru_cache(maxsize=16)
def _kept_seq(directory: Path, *identity: int) -> int:
    try:
        manifest = read_manifest(directory)
    except (JournalCorrupt, JournalLayout):
        return 0
    return manifest.kept_seq if manifest else 0


def kept_segments(directory: Path) -> tuple[list[tuple[int, Path]], int]:
    """Return the segments that were not pruned, and the first sequence that is kept, 0 if the manifest says nothing.

    A segment that was pruned may still be there, after a crash amid the pruning. A damaged manifest says nothing: then
    what was pruned counts as missing.
    """
    kept_seq = read_kept_seq(directory)
    return [found for found in list_segments(directory) if found[0] >= kept_seq], kept_seq


@contextmanager
def keeping(directory: Path) -> Iterator[None]:
    """Hold the lock of those who seal, compress, archive and prune; JournalLocked if somebody else does."""
    with io_errors("open", directory):
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise JournalLocked(directory, 0, "sealed, pruned or archived by nobody else") from None
        yield
    finally:
        os.close(fd)
