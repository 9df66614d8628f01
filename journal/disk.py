"""The seam to the operating system: nine operations, one method deep, real and fakes side by side.

All that a writer changes on disk goes through a :class:`Disk`; reading does not. Methods raise OSError; the
caller turns it into a JournalIOError and never repeats the operation. ``pwrite`` alone may do less than it
was asked for (a short write is legal), and :func:`write_all` finishes it.

The fakes work on real files. :class:`FaultyDisk` makes the nth call of one operation fail;
:class:`ForgetfulDisk` remembers what was never synced and loses an arbitrary part of it, as a power cut does.
"""

from __future__ import annotations

import errno
import os
import random
from pathlib import Path
from typing import Any

from journal.errors import io_errors

__all__ = [
    "OPERATIONS",
    "TEMPORARY_SUFFIX",
    "Disk",
    "FaultyDisk",
    "ForgetfulDisk",
    "replace_file",
    "write_all",
]

OPERATIONS = (
    "open",
    "pwrite",
    "fdatasync",
    "fsync",
    "fallocate",
    "rename",
    "fsync_dir",
    "ftruncate",
    "unlink",
)
TEMPORARY_SUFFIX = ".tmp"
SHORT = -1
TORN = -2
SECTOR_BYTES = 512


class Disk:
    """The file system."""

    def open(self, path: Path, flags: int) -> int:
        """Open a file, never inherited by other programs; new ones are readable by the group."""
        return os.open(path, flags | os.O_CLOEXEC, 0o640)

    def pwrite(self, fd: int, data: Any, offset: int) -> int:
        """Write at ``offset``; return how many bytes it took."""
        return os.pwrite(fd, data, offset)

    def fdatasync(self, fd: int) -> None:
        """Make the data of a file durable, and what is needed to find it."""
        os.fdatasync(fd)

    def fsync(self, fd: int) -> None:
        """Make data and metadata of a file durable."""
        os.fsync(fd)

    def fallocate(self, fd: int, size: int) -> None:
        """Reserve space for ``size`` bytes; what was not there reads as zeros."""
        os.posix_fallocate(fd, 0, size)

    def rename(self, source: Path, target: Path) -> None:
        """Give a file its final name."""
        os.rename(source, target)

    def fsync_dir(self, directory: Path) -> None:
        """Make the names in a directory durable."""
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def ftruncate(self, fd: int, size: int) -> None:
        """Cut a file to ``size`` bytes."""
        os.ftruncate(fd, size)

    def unlink(self, path: Path) -> None:
        """Remove a file."""
        os.unlink(path)


def write_all(disk: Disk, fd: int, data: Any, offset: int) -> None:
    """Write all of ``data``; a short write is continued, one without progress is an I/O error."""
    rest = memoryview(data)
    while len(rest):
        size = disk.pwrite(fd, rest, offset)
        if size <= 0:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        rest, offset = rest[size:], offset + size


def replace_file(disk: Disk, path: Path, data: bytes) -> None:
    """Give a file a new content, durably: after a crash at any moment it has the old one or the new one."""
    temporary = path.with_name(path.name + TEMPORARY_SUFFIX)
    with io_errors("open", temporary):
        fd = disk.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        with io_errors("pwrite", temporary):
            write_all(disk, fd, data, 0)
        with io_errors("fsync", temporary):
            disk.fsync(fd)
    finally:
        os.close(fd)
    with io_errors("rename", path):
        disk.rename(temporary, path)
    with io_errors("fsync", path.parent):
        disk.fsync_dir(path.parent)


class FaultyDisk(Disk):
    """Make the ``nth`` call (from 1) of ``operation`` fail with an errno, or all from there on; others succeed.

    For ``pwrite``, SHORT writes half and says so, TORN writes half and then fails with EIO.
    """

    def __init__(self, operation: str, nth: int, fault: int = errno.EIO, persistent: bool = False) -> None:
        assert operation in OPERATIONS, operation
        self.operation, self.nth, self.fault, self.persistent = operation, nth, fault, persistent
        self.calls = dict.fromkeys(OPERATIONS, 0)
        self.fired = False

    def _count(self, operation: str) -> bool:
        """Count a call; raise if it is to fail, and tell whether it is to be short."""
        self.calls[operation] += 1
        if operation != self.operation or self.calls[operation] < self.nth:
            return False
        if self.calls[operation] > self.nth and not self.persistent:
            return False
        self.fired = True
        if self.fault in (SHORT, TORN):
            return True
        raise OSError(self.fault, os.strerror(self.fault))

    def open(self, path: Path, flags: int) -> int:
        """Open, or fail."""
        self._count("open")
        return super().open(path, flags)

    def pwrite(self, fd: int, data: Any, offset: int) -> int:
        """Write all, or half of it, or fail."""
        if not self._count("pwrite"):
            return super().pwrite(fd, data, offset)
        size = super().pwrite(fd, memoryview(data)[: len(data) // 2], offset)
        if self.fault == TORN:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return size

    def fdatasync(self, fd: int) -> None:
        """Sync, or fail."""
        self._count("fdatasync")
        super().fdatasync(fd)

    def fsync(self, fd: int) -> None:
        """Sync, or fail."""
        self._count("fsync")
        super().fsync(fd)

    def fallocate(self, fd: int, size: int) -> None:
        """Reserve, or fail."""
        self._count("fallocate")
        super().fallocate(fd, size)

    def rename(self, source: Path, target: Path) -> None:
        """Rename, or fail."""
        self._count("rename")
        super().rename(source, target)

    def fsync_dir(self, directory: Path) -> None:
        """Sync, or fail."""
        self._count("fsync_dir")
        super().fsync_dir(directory)

    def ftruncate(self, fd: int, size: int) -> None:
        """Cut, or fail."""
        self._count("ftruncate")
        super().ftruncate(fd, size)

    def unlink(self, path: Path) -> None:
        """Remove, or fail."""
        self._count("unlink")
        super().unlink(path)


class ForgetfulDisk(Disk):
    """Lose an arbitrary part of what was written since the last sync of its file."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.unsynced: dict[str, list[tuple[int, bytes]]] = {}  # path -> sectors as they were, oldest first

    def _path(self, fd: int) -> str:
        return os.readlink(f"/proc/self/fd/{fd}")

    def pwrite(self, fd: int, data: Any, offset: int) -> int:
        """Write, and remember what was there before, sector by sector."""
        path = self._path(fd)
        images = self.unsynced.setdefault(path, [])
        stop = offset + len(data)
        with open(path, "rb") as file:  # the descriptor may be for writing only
            for start in range(offset - offset % SECTOR_BYTES, stop, SECTOR_BYTES):
                before = os.pread(file.fileno(), SECTOR_BYTES, start)
                images.append((start, before.ljust(SECTOR_BYTES, b"\0")))
        return super().pwrite(fd, data, offset)

    def fdatasync(self, fd: int) -> None:
        """Sync: nothing of this file can be lost any more."""
        super().fdatasync(fd)
        self.unsynced.pop(self._path(fd), None)

    def fsync(self, fd: int) -> None:
        """Sync: nothing of this file can be lost any more."""
        super().fsync(fd)
        self.unsynced.pop(self._path(fd), None)

    def rename(self, source: Path, target: Path) -> None:
        """Rename; what is unsynced follows the file."""
        super().rename(source, target)
        if str(source) in self.unsynced:
            self.unsynced[str(target)] = self.unsynced.pop(str(source))

    def lose_power(self) -> None:
        """Put a random choice of the unsynced sectors back as they were."""
        for path, images in self.unsynced.items():
            if not os.path.exists(path):
                continue
            size = os.path.getsize(path)
            lost = {start for start, _ in images if self.random.random() < 0.5}
            with open(path, "r+b") as file:
                for start, before in reversed(images):
                    if start in lost:
                        file.seek(start)
                        file.write(before[: max(size - start, 0)])
        self.unsynced.clear()
