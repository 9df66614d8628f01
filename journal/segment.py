"""Segments: the files of a journal, their names and 4096-byte headers.

``journal-<first sequence, 20 digits>.rmj`` is the header, then blocks one after another, then zeros up to the
preallocated size. Little-endian::

     0 magic "RMJOURNL"      8 u16 version   10 u16 header bytes (4096)   12 u32 CRC of bytes 16 to 4095
    16 i64 layout hash      24 u32 record words      28 u32 journal words
    32 i64 segment id       40 i64 first sequence    48 i64 segment bytes
    56 i64 epoch            64 u32 link: CRC of the last block of the segment before; then zeros

A segment is made under a temporary name (space reserved, synced) before it is needed, and gets its header and
its name when the first sequence is known: header, fsync, rename, fsync of the directory. So a file under its
final name always has a whole header, and running out of space is met ahead of the roll.
"""

from __future__ import annotations

import os
import re
import struct
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from journal.blocks import FORMAT_VERSION
from journal.disk import Disk, write_all
from journal.errors import JournalCorrupt, JournalLayout, io_errors
from journal.packing import PACKED_SUFFIX, unpack_head, unpack_segment
from ringbuffer.native import crc32c

__all__ = [
    "SEGMENT_BYTES_DEFAULT",
    "SEGMENT_BYTES_MAX",
    "SEGMENT_BYTES_MIN",
    "SEGMENT_HEADER_BYTES",
    "SPARE_NAME",
    "RecordLayout",
    "SegmentHeader",
    "find_segment",
    "list_segments",
    "make_spare",
    "name_spare",
    "open_segment",
    "pack_header",
    "packed_path",
    "parse_header",
    "read_header",
    "segment_name",
]

SEGMENT_HEADER_BYTES: Final = 4096
SEGMENT_BYTES_MIN: Final = 64 << 10
SEGMENT_BYTES_MAX: Final = 1 << 30
SEGMENT_BYTES_DEFAULT: Final = 64 << 20
SPARE_NAME: Final = "spare.rmj.tmp"
MAGIC: Final = b"RMJOURNL"

_FIXED = struct.Struct("<8sHHI")
_FIELDS = struct.Struct("<qIIqqqqI")
_NAME = re.compile(r"journal-(\d{20})\.rmj(\.zst)?")


class RecordLayout(NamedTuple):
    """What the records of a journal are, as far as a journal cares."""

    record_words: int
    journal_words: int
    layout_hash: int


class SegmentHeader(NamedTuple):
    """The first 4096 bytes of a segment."""

    layout: RecordLayout
    segment_id: int
    first_seq: int
    segment_bytes: int
    epoch: int
    link: int


def segment_name(first_seq: int) -> str:
    """Return the file name of the segment that begins with ``first_seq``."""
    return f"journal-{first_seq:020d}.rmj"


def packed_path(path: Path) -> Path:
    """Return the name of a segment file when it is compressed."""
    return path.with_name(path.name + PACKED_SUFFIX)


def list_segments(directory: Path) -> list[tuple[int, Path]]:
    """Return first sequence and path of each segment, in order of sequence; of two files the plain one."""
    with io_errors("listdir", directory):
        names = sorted(os.listdir(directory), reverse=True)
    matches = [match for match in map(_NAME.fullmatch, names) if match]
    return sorted({int(match[1]): directory / match[0] for match in matches}.items())


def find_segment(directory: Path, first_seq: int) -> Path | None:
    """Return the file of the segment that begins with ``first_seq``, None if there is none."""
    path = directory / segment_name(first_seq)
    for found in (path, packed_path(path)):
        if found.exists():
            return found
    return None


def open_segment(path: Path) -> int:
    """Return a descriptor for reading a segment's content; a compressed one is unpacked into memory.

    A plain file that is not there any more may just have been compressed.
    """
    with io_errors("open", path):
        if path.suffix != PACKED_SUFFIX:
            try:
                return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                path = packed_path(path)
                if not path.exists():
                    raise
    return unpack_segment(path)


def _crc(raw: bytes | bytearray) -> int:
    return int(crc32c(np.frombuffer(bytearray(raw), dtype=np.uint8), 16, SEGMENT_HEADER_BYTES, 0))


def pack_header(header: SegmentHeader) -> bytes:
    """Return the bytes of a header."""
    layout = header.layout
    raw = bytearray(SEGMENT_HEADER_BYTES)
    _FIELDS.pack_into(
        raw, 16, layout.layout_hash, layout.record_words, layout.journal_words,
        header.segment_id, header.first_seq, header.segment_bytes, header.epoch, header.link,
    )  # fmt: skip
    _FIXED.pack_into(raw, 0, MAGIC, FORMAT_VERSION, SEGMENT_HEADER_BYTES, _crc(raw))
    return bytes(raw)


def parse_header(raw: bytes, path: Path, first_seq: int) -> SegmentHeader:
    """Check and decode a header; ``first_seq`` is what the file's name says."""
    if len(raw) < SEGMENT_HEADER_BYTES:
        raise JournalCorrupt(
            path, "segment header cut off", offset=0, expected=f"{SEGMENT_HEADER_BYTES} bytes", was=len(raw)
        )
    magic, version, header_bytes, crc = _FIXED.unpack_from(raw)
    if magic != MAGIC:
        raise JournalCorrupt(path, "no segment header", offset=0, expected=MAGIC, was=magic)
    if (version, header_bytes) != (FORMAT_VERSION, SEGMENT_HEADER_BYTES):
        raise JournalLayout(
            f"{path}, offset 8: expected format version {FORMAT_VERSION} and a header of "
            f"{SEGMENT_HEADER_BYTES} bytes, was {version} and {header_bytes}"
        )
    if crc != _crc(raw):
        raise JournalCorrupt(
            path, "segment header checksum", offset=12, expected=f"{_crc(raw):#010x}", was=f"{crc:#010x}"
        )
    layout_hash, record_words, journal_words, segment_id, first, size, epoch, link = _FIELDS.unpack_from(
        raw, 16
    )
    if first != first_seq:
        raise JournalCorrupt(
            path,
            "first sequence of the header is not that of the name",
            offset=40,
            expected=first_seq,
            was=first,
        )
    return SegmentHeader(
        RecordLayout(record_words, journal_words, layout_hash), segment_id, first, size, epoch, link
    )


def read_header(path: Path, first_seq: int) -> SegmentHeader:
    """Read, check and decode the header of a segment file, plain or compressed."""
    with io_errors("read", path):
        if path.suffix != PACKED_SUFFIX:
            try:
                with open(path, "rb") as file:
                    return parse_header(file.read(SEGMENT_HEADER_BYTES), path, first_seq)
            except FileNotFoundError:
                if not packed_path(path).exists():
                    raise
                path = packed_path(path)
    return parse_header(unpack_head(path, SEGMENT_HEADER_BYTES), path, first_seq)


def make_spare(disk: Disk, directory: Path, segment_bytes: int, durable: bool) -> int:
    """Make the next segment ahead of time, under a temporary name; return its descriptor."""
    path = directory / SPARE_NAME
    with io_errors("open", path):
        fd = disk.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    try:
        with io_errors("fallocate", path):
            disk.fallocate(fd, segment_bytes)
        if durable:
            with io_errors("fsync", path):
                disk.fsync(fd)
    except BaseException:
        os.close(fd)
        raise
    return fd


def name_spare(disk: Disk, directory: Path, fd: int, header: SegmentHeader, durable: bool) -> Path:
    """Give the spare its header and its name; ``durable`` says whether to wait for the disk."""
    spare, path = directory / SPARE_NAME, directory / segment_name(header.first_seq)
    with io_errors("pwrite", spare):
        write_all(disk, fd, pack_header(header), 0)
    if durable:
        with io_errors("fsync", spare):
            disk.fsync(fd)
    with io_errors("rename", path):
        disk.rename(spare, path)
    if durable:
        with io_errors("fsync", directory):
            disk.fsync_dir(directory)
    return path
