"""A snapshot's file: named arrays as they are in memory, without the pages that hold only zeros, behind a header.

::

    0        preamble     magic, version, size of the header, its CRC32C, size of the file
    64       header       JSON: what the snapshot is of, and for each array its place, shape, type and CRC32C
    131072   sections     for each array: runs (first page, pages) as int64, then those pages of 4,096 bytes

All numbers are little-endian. States are preallocated and mostly untouched: a file is about as large as what is used.
It is made under a temporary name, synced, and renamed: under its final name it is whole. Every byte that is read is
under a checksum, so damage is an error and never a wrong state.

Knows arrays, not what they mean: that is :mod:`stages.snapshots`.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from journal.disk import Disk, write_all
from journal.errors import JournalCorrupt, JournalLayout
from ringbuffer.native import crc32c

__all__ = ["Section", "SnapshotHeader", "read_arrays", "read_header", "verify_sections", "write_snapshot"]

MAGIC: Final = b"RMSNAPSH"
VERSION: Final = 1
PREAMBLE: Final = struct.Struct("<8sIIIIq")  # magic, version, header bytes, header CRC, 0, file bytes
HEADER_AT: Final = 64
SECTIONS_AT: Final = 1 << 17
PAGE_BYTES: Final = 4096
CHUNK_PAGES: Final = 4096
TEMPORARY: Final = ".tmp"


class Section(msgspec.Struct, frozen=True):
    """Where an array lies in the file."""

    name: str
    layout: str
    shape: tuple[int, ...]
    array_bytes: int
    offset: int
    runs: int
    data_bytes: int
    crc: int


class SnapshotHeader(msgspec.Struct, frozen=True, kw_only=True):
    """What a snapshot is of; ``sections`` are filled when it is written."""

    seq: int
    time_ns: int
    command_crc: int  # of the journaled words of command ``seq``: it belongs to this journal
    capacities: dict[str, int]
    outcome_digest: int
    state_digest: int
    layout_hash: int
    created_ns: int
    sections: tuple[Section, ...] = ()


def _layout_of(array: Any) -> str:
    """Return a name of an array's type: its fields, their types and places."""
    return hashlib.blake2b(repr(np.asarray(array).dtype.descr).encode(), digest_size=8).hexdigest()


def _bytes_of(array: Any) -> Any:
    return np.asarray(array).reshape(-1).view(np.uint8)


def _used_pages(data: Any) -> Any:
    """Return which pages of an array of bytes hold anything but zeros."""
    whole = len(data) // PAGE_BYTES
    used = np.zeros(-(-len(data) // PAGE_BYTES), dtype=bool)
    for start in range(0, whole, CHUNK_PAGES):
        stop = min(start + CHUNK_PAGES, whole)
        pages = data[start * PAGE_BYTES : stop * PAGE_BYTES].view(np.uint64).reshape(-1, PAGE_BYTES // 8)
        used[start:stop] = np.bitwise_or.reduce(pages, axis=1) != 0
    if whole < len(used):
        used[whole] = data[whole * PAGE_BYTES :].any()
    return used


def _runs_of(used: Any) -> Any:
    """Return rows (first page, pages) of the pages that are used."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], used, [False]]).astype(np.int8)))
    runs = edges.reshape(-1, 2).astype(np.int64)
    runs[:, 1] -= runs[:, 0]
    return runs


def _parts(data: Any, runs: Any) -> Iterator[Any]:
    for first, pages in runs:
        yield data[first * PAGE_BYTES : min((first + pages) * PAGE_BYTES, len(data))]


def write_snapshot(
    path: Path, header: SnapshotHeader, arrays: Mapping[str, Any], disk: Disk
) -> SnapshotHeader:
    """Write a snapshot and make it durable; return its header. OSError leaves no file under the final name."""
    temporary = path.with_name(path.name + TEMPORARY)
    fd = disk.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    try:
        sections: list[Section] = []
        at = SECTIONS_AT
        for name, array in arrays.items():
            section = _write_section(disk, fd, at, name, array)
            sections.append(section)
            at = section.offset + 16 * section.runs + section.data_bytes
        header = msgspec.structs.replace(header, sections=tuple(sections))
        text = msgspec.json.encode(header)
        assert HEADER_AT + len(text) <= SECTIONS_AT, "the header outgrew its place"
        crc = int(crc32c(np.frombuffer(bytearray(text), np.uint8), 0, len(text), 0))
        write_all(
            disk, fd, PREAMBLE.pack(MAGIC, VERSION, len(text), crc, 0, at).ljust(HEADER_AT, b"\0") + text, 0
        )
        disk.fsync(fd)
    finally:
        os.close(fd)
    disk.rename(temporary, path)
    disk.fsync_dir(path.parent)
    return header


def _write_section(disk: Disk, fd: int, at: int, name: str, array: Any) -> Section:
    data = _bytes_of(array)
    runs = _runs_of(_used_pages(data))
    crc = 0
    offset = at
    head = np.ascontiguousarray(runs).reshape(-1).view(np.uint8)
    for part in (head, *_parts(data, runs)):
        if len(part):
            crc = int(crc32c(part, 0, len(part), crc))
            write_all(disk, fd, part, at)
            at += len(part)
    array = np.asarray(array)
    data_bytes = at - offset - len(head)
    return Section(name, _layout_of(array), array.shape, len(data), offset, len(runs), data_bytes, crc)


def read_header(path: Path) -> SnapshotHeader:
    """Return the header of a snapshot; JournalCorrupt if it is not whole, JournalLayout if of another version."""
    with path.open("rb") as file:
        preamble = file.read(HEADER_AT)
        size = os.fstat(file.fileno()).st_size
        if len(preamble) < HEADER_AT:
            raise JournalCorrupt(
                path, "is too short", offset=0, expected=f"{HEADER_AT} bytes", was=len(preamble)
            )
        magic, version, length, crc, spare, file_bytes = PREAMBLE.unpack_from(preamble)
        if magic != MAGIC:
            raise JournalCorrupt(path, "is no snapshot", offset=0, expected=MAGIC, was=magic)
        if version != VERSION:
            raise JournalLayout(f"{path}: expected snapshot version {VERSION}, was {version}")
        if spare or any(preamble[PREAMBLE.size :]):
            raise JournalCorrupt(path, "has a damaged preamble", offset=PREAMBLE.size)
        text = bytearray(file.read(min(length, SECTIONS_AT)))
    was = int(crc32c(np.frombuffer(text, np.uint8), 0, len(text), 0)) if text else 0
    if was != crc or len(text) != length:
        raise JournalCorrupt(
            path, "has a damaged header", offset=HEADER_AT, expected=f"{crc:#x}", was=f"{was:#x}"
        )
    if size != file_bytes:
        raise JournalCorrupt(path, "is not whole", expected=f"{file_bytes} bytes", was=size)
    return msgspec.json.decode(bytes(text), type=SnapshotHeader)


def _check_fits(path: Path, section: Section, array: Any) -> None:
    here = (_layout_of(array), tuple(array.shape))
    if here != (section.layout, section.shape):
        raise JournalLayout(f"{path}: {section.name}: expected {here}, was {(section.layout, section.shape)}")


def read_arrays(path: Path, header: SnapshotHeader, arrays: Mapping[str, Any]) -> None:
    """Fill zeroed arrays from a snapshot; JournalCorrupt or JournalLayout leave them half filled, to be thrown away."""
    names = [section.name for section in header.sections]
    if names != list(arrays):
        raise JournalLayout(f"{path}: expected arrays {', '.join(arrays)}, was {', '.join(names)}")
    with path.open("rb", buffering=0) as file:
        for section in header.sections:
            _check_fits(path, section, arrays[section.name])
            _read_section(path, file, section, _bytes_of(arrays[section.name]))


def verify_sections(path: Path, header: SnapshotHeader) -> None:
    """Check all bytes of a snapshot against their checksums, without a place to put them; JournalCorrupt if not."""
    with path.open("rb", buffering=0) as file:
        for section in header.sections:
            _read_section(path, file, section, None)


def _read_section(path: Path, file: Any, section: Section, data: Any) -> None:
    """Read a section into ``data``, or into nothing."""
    file.seek(section.offset)
    head = np.zeros(16 * section.runs, dtype=np.uint8)
    _fill(path, file, section, head)
    crc = int(crc32c(head, 0, len(head), 0)) if len(head) else 0
    runs = head.view(np.int64).reshape(-1, 2)
    last_page = -(-section.array_bytes // PAGE_BYTES)
    total = 0
    for first, pages in runs:
        if not 0 <= first < first + pages <= last_page:
            raise JournalCorrupt(path, f"has a run outside of {section.name}", offset=section.offset)
        size = int(min((first + pages) * PAGE_BYTES, section.array_bytes) - first * PAGE_BYTES)
        target = data[first * PAGE_BYTES :][:size] if data is not None else np.empty(size, dtype=np.uint8)
        _fill(path, file, section, target)
        crc = int(crc32c(target, 0, size, crc))
        total += size
    if crc != section.crc or total != section.data_bytes:
        raise JournalCorrupt(
            path, f"{section.name} is damaged", offset=section.offset, expected=f"{section.crc:#010x}",
            was=f"{crc:#010x}",
        )  # fmt: skip


def _fill(path: Path, file: Any, section: Section, target: Any) -> None:
    view = memoryview(target)
    while len(view):
        count = file.readinto(view)
        if not count:
            raise JournalCorrupt(path, f"ends within {section.name}", offset=section.offset)
        view = view[count:]
