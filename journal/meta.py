"""``journal.meta``: what is durable, said twice, apart from the journal itself.

A bit flip in the last record of a journal looks exactly like a write that a crash cut off. The meta file
tells the two apart: it holds the last durable sequence, and recovery refuses to throw durable records away.
Two 512-byte slots at offsets 0 and 4096 are written in turn, so that a torn write leaves the other one::

     0 u32 magic "RMJM"   4 u16 version   6 u16 slot bytes (512)   8 u32 CRC of bytes 12 to 511
    12 u32 flags: 1 closed cleanly        16 i64 generation (the higher one counts)
    24 i64 epoch         32 i64 first sequence    40 i64 durable sequence    48 i64 segment id of the tail
    56 i64 pid of the writer; then zeros

The epoch rises by one each time a writer opens the journal, and is here before a block carries it. The file
is also what a writer locks (flock: the kernel releases it when the process dies, however it dies).
"""

from __future__ import annotations

import fcntl
import os
import struct
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from journal.blocks import FORMAT_VERSION
from journal.disk import Disk, write_all
from journal.errors import JournalLocked, io_errors
from ringbuffer.native import crc32c

__all__ = ["META_NAME", "Meta", "MetaFile", "count_slots", "pack_slot", "parse_slot", "read_meta"]

META_NAME: Final = "journal.meta"
SLOT_BYTES: Final = 512
SLOT_OFFSETS: Final = (0, 4096)
META_BYTES: Final = 8192
MAGIC: Final = int.from_bytes(b"RMJM", "little")
FLAG_CLEAN: Final = 1

_SLOT = struct.Struct("<IHHIIqqqqqq")


class Meta(NamedTuple):
    """One slot."""

    generation: int
    epoch: int
    first_seq: int
    durable_seq: int
    segment_id: int
    pid: int
    clean: bool


def _crc(raw: bytes | bytearray) -> int:
    return int(crc32c(np.frombuffer(bytearray(raw), dtype=np.uint8), 12, SLOT_BYTES, 0))


def pack_slot(meta: Meta) -> bytes:
    """Return the bytes of a slot."""
    raw = bytearray(SLOT_BYTES)
    values = (FLAG_CLEAN if meta.clean else 0, *meta[:6])
    _SLOT.pack_into(raw, 0, MAGIC, FORMAT_VERSION, SLOT_BYTES, 0, *values)
    _SLOT.pack_into(raw, 0, MAGIC, FORMAT_VERSION, SLOT_BYTES, _crc(raw), *values)
    return bytes(raw)


def parse_slot(raw: bytes) -> Meta | None:
    """Decode a slot; None if it is not valid."""
    if len(raw) < SLOT_BYTES:
        return None
    values = _SLOT.unpack_from(raw)
    magic, version, size, crc, flags = values[:5]
    generation, epoch, first_seq, durable_seq, segment_id, pid = values[5:]
    if (magic, version, size) != (MAGIC, FORMAT_VERSION, SLOT_BYTES) or crc != _crc(raw):
        return None
    return Meta(generation, epoch, first_seq, durable_seq, segment_id, pid, bool(flags & FLAG_CLEAN))


def _newest(raw: bytes) -> Meta | None:
    slots = [parse_slot(raw[offset : offset + SLOT_BYTES]) for offset in SLOT_OFFSETS]
    return max((slot for slot in slots if slot), default=None)


def count_slots(directory: Path) -> int:
    """Return how many slots of a journal's meta file are valid; -1 without a file."""
    path = directory / META_NAME
    if not path.exists():
        return -1
    with io_errors("read", path):
        raw = path.read_bytes()
    return sum(parse_slot(raw[offset : offset + SLOT_BYTES]) is not None for offset in SLOT_OFFSETS)


def read_meta(directory: Path) -> Meta | None:
    """Return the newer valid slot of a journal's meta file; None if there is none."""
    path = directory / META_NAME
    if not path.exists():
        return None
    with io_errors("read", path):
        return _newest(path.read_bytes())


class MetaFile:
    """The meta file of a writer: locked as long as it is open."""

    def __init__(self, disk: Disk, directory: Path) -> None:
        self.disk, self.path = disk, directory / META_NAME
        with io_errors("open", self.path):
            self.fd = disk.open(self.path, os.O_RDWR | os.O_CREAT)
        try:
            self._lock()
            with io_errors("read", self.path):
                self.last = _newest(os.pread(self.fd, META_BYTES, 0))
        except BaseException:
            self.close()
            raise

    def _lock(self) -> None:
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = _newest(os.pread(self.fd, META_BYTES, 0))
            raise JournalLocked(self.path, owner.pid if owner else 0) from None

    def write(self, meta: Meta, durable: bool) -> None:
        """Write the next slot; the generation is counted here."""
        generation = self.last.generation + 1 if self.last else 1
        meta = meta._replace(generation=generation)
        with io_errors("pwrite", self.path):
            write_all(self.disk, self.fd, pack_slot(meta), SLOT_OFFSETS[generation % 2])
        if durable:
            with io_errors("fdatasync", self.path):
                self.disk.fdatasync(self.fd)
        self.last = meta

    def close(self) -> None:
        """Close the file and release the lock."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
