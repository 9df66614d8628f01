"""A simulated disk: real files in a temporary directory, and what may become of them when the power fails.

Until a file is synced each byte written to it may be lost, kept, or neither (garbled), sector by sector; until a
directory is synced the last names given or taken in it may be undone, the latest first. After a sync that failed the
page cache calls clean what the disk does not have: no later sync helps, only writing it again does. Sectors are not
torn across what was synced before: bytes that a write did not touch stay.

Also here: calls that fail when they were told to, a disk without room, and a crash in the midst of anything that the
journal or a snapshot does.
"""

from __future__ import annotations

import errno
import os
import random
import shutil
from pathlib import Path
from typing import Any, Final

from journal.disk import OPERATIONS, SECTOR_BYTES, Disk

__all__ = ["SimulatedCrash", "SimulatedDisk"]

FATES: Final = ("lost", "kept", "garbled")


class SimulatedCrash(BaseException):
    """Everything that runs ends here, as if killed; not an error that anybody may handle."""


class SimulatedDisk(Disk):
    """A disk below ``root``; ``backup`` is a directory outside of it for what may have to come back."""

    def __init__(self, chance: random.Random, backup: Path) -> None:
        self.chance, self.backup = chance, backup
        self.is_full = False
        self.fault: tuple[str, int, int] | None = None  # operation, its errno, calls of it before it fails
        self.crash_after = -1  # calls until everything ends; -1: never
        self.fired = ""  # the operation that failed, or in which everything ended
        self._unsynced: dict[str, list[tuple[int, bytes, int]]] = {}  # path: offset, before, bytes written
        self._doomed: dict[str, dict[int, bytes]] = {}  # path: sector's offset, what the disk has there
        self._names: dict[str, list[tuple[str, str, str]]] = {}  # directory: source, target, backup of target
        self._backups = 0

    # What goes wrong

    def arm(self) -> None:
        """Let one of the next calls fail."""
        operation = self.chance.choice(OPERATIONS)
        fault = self.chance.choice((errno.EIO, errno.ENOSPC))
        self.fault = (operation, fault, self.chance.randint(0, 3))

    def heal(self) -> None:
        """Let nothing fail any more."""
        self.fault, self.is_full, self.crash_after = None, False, -1

    def _begin(self, operation: str) -> None:
        """Count a call; crash or fail if this is the one."""
        if self.crash_after >= 0:
            self.crash_after -= 1
            if self.crash_after < 0:
                self.fired = operation
                raise SimulatedCrash(operation)
        if self.fault is not None and self.fault[0] == operation:
            _, number, calls = self.fault
            self.fault = (operation, number, calls - 1) if calls else None
            if not calls:
                self.fired = operation
                raise OSError(number, os.strerror(number))

    def _need_room(self, fd: int, size: int) -> None:
        if self.is_full and size > os.fstat(fd).st_size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    @staticmethod
    def _path(fd: int) -> str:
        return os.readlink(f"/proc/self/fd/{fd}")

    # The operations

    def open(self, path: Path, flags: int) -> int:
        """Open; a new name is not durable until its directory is synced."""
        self._begin("open")
        is_new = bool(flags & os.O_CREAT) and not path.exists()
        if path.exists() and flags & os.O_TRUNC:
            self._note(str(path.resolve()), 0, path.read_bytes(), path.stat().st_size)
        fd = super().open(path, flags)
        if is_new:
            self._names.setdefault(str(path.resolve().parent), []).append(("", str(path.resolve()), ""))
        return fd

    def pwrite(self, fd: int, data: Any, offset: int) -> int:
        """Write, perhaps less than asked for."""
        self._begin("pwrite")
        self._need_room(fd, offset + len(data))
        path = self._path(fd)
        if len(data) > 1 and self.chance.random() < 0.05:
            data = memoryview(data)[: self.chance.randint(1, len(data) - 1)]
        with open(path, "rb") as file:
            before = os.pread(file.fileno(), len(data), offset)
        self._note(path, offset, before.ljust(len(data), b"\0"), len(data))
        return super().pwrite(fd, data, offset)

    def _note(self, path: str, offset: int, before: bytes, size: int) -> None:
        """Remember what the disk has where a write went, also where an earlier sync failed."""
        doomed = self._doomed.get(path, {})
        images = self._unsynced.setdefault(path, [])
        for start in range(offset - offset % SECTOR_BYTES, offset + size, SECTOR_BYTES):
            if start in doomed:  # the page is dirty again, all of it
                images.append((start, doomed.pop(start), SECTOR_BYTES))
        images.append((offset, before, size))

    def fdatasync(self, fd: int) -> None:
        """Sync the data of a file."""
        self._sync(fd, "fdatasync")

    def fsync(self, fd: int) -> None:
        """Sync a file."""
        self._sync(fd, "fsync")

    def _sync(self, fd: int, operation: str) -> None:
        path = self._path(fd)
        try:
            self._begin(operation)
        except OSError:
            doomed = self._doomed.setdefault(path, {})
            for start, before in self._oldest(path).items():
                doomed.setdefault(start, before)
            self._unsynced.pop(path, None)
            raise
        self._unsynced.pop(path, None)

    def _oldest(self, path: str) -> dict[int, bytes]:
        """Return what the disk has of each sector that is not synced."""
        with open(path, "rb") as file:
            content = bytearray(file.read())
        images = self._unsynced.get(path, [])
        touched = {
            start
            for offset, _, size in images
            for start in range(offset - offset % SECTOR_BYTES, offset + size, SECTOR_BYTES)
        }
        for offset, before, _ in reversed(images):
            content[offset : offset + len(before)] = before
        return {start: bytes(content[start : start + SECTOR_BYTES]) for start in sorted(touched)}

    def fallocate(self, fd: int, size: int) -> None:
        """Reserve room."""
        self._begin("fallocate")
        self._need_room(fd, size)
        if size > os.fstat(fd).st_size:
            os.ftruncate(fd, size)  # reads as the real thing, without taking the room

    def rename(self, source: Path, target: Path) -> None:
        """Rename; what is unsynced follows the file, the new name is not durable yet."""
        self._begin("rename")
        old, new = str(source.resolve()), str(target.resolve())
        backup = self._back_up(new)
        super().rename(source, target)
        tables: list[dict[str, Any]] = [self._unsynced, self._doomed]
        for table in tables:
            table.pop(new, None)
            if old in table:
                table[new] = table.pop(old)
        self._names.setdefault(os.path.dirname(new), []).append((old, new, backup))

    def fsync_dir(self, directory: Path) -> None:
        """Make names durable."""
        self._begin("fsync_dir")
        self._names.pop(str(directory.resolve()), None)

    def ftruncate(self, fd: int, size: int) -> None:
        """Cut a file, or make it longer."""
        self._begin("ftruncate")
        path = self._path(fd)
        with open(path, "rb") as file:
            file.seek(size)
            before = file.read()
        if before:
            self._note(path, size, before, len(before))
        super().ftruncate(fd, size)

    def unlink(self, path: Path) -> None:
        """Remove a file; until its directory is synced it may come back."""
        self._begin("unlink")
        name = str(path.resolve())
        backup = self._back_up(name)
        super().unlink(path)
        self._unsynced.pop(name, None)
        self._doomed.pop(name, None)
        self._names.setdefault(os.path.dirname(name), []).append((name, "", backup))

    def _back_up(self, path: str) -> str:
        if not os.path.exists(path):
            return ""
        self._backups += 1
        copy = self.backup / str(self._backups)
        shutil.copyfile(path, copy)
        return str(copy)

    # The power fails

    def lose_power(self) -> str:
        """Let happen to everything that is not durable what may; return how much that was."""
        sectors = sum(self._lose_writes(path) for path in sorted({*self._unsynced, *self._doomed}))
        names = sum(self._lose_names(directory) for directory in sorted(self._names))
        self._unsynced.clear()
        self._doomed.clear()
        self._names.clear()
        return f"{sectors} sectors, {names} names"

    def _lose_writes(self, path: str) -> int:
        if not os.path.exists(path):
            return 0
        images = self._unsynced.get(path, [])
        images = [
            (start, old, SECTOR_BYTES) for start, old in sorted(self._doomed.get(path, {}).items())
        ] + images
        fates: dict[int, str] = {}
        favourite = self.chance.choice((*FATES, ""))
        with open(path, "r+b") as file:
            for offset, before, count in reversed(images):
                for start in range(offset - offset % SECTOR_BYTES, offset + count, SECTOR_BYTES):
                    if start not in fates:
                        fates[start] = favourite or self.chance.choice(FATES)
                    low, high = max(start, offset), min(start + SECTOR_BYTES, offset + count)
                    self._meet_fate(file, fates[start], low, before[low - offset : high - offset])
        return len(fates)

    def _meet_fate(self, file: Any, fate: str, offset: int, before: bytes) -> None:
        if fate == "kept" or not before:
            return
        if fate == "garbled":
            file.seek(offset)
            now = file.read(len(before)).ljust(len(before), b"\0")
            before = bytes(self.chance.choice(pair) for pair in zip(before, now, strict=True))
        file.seek(offset)
        file.write(before)

    def _lose_names(self, directory: str) -> int:
        log = self._names[directory]
        count = self.chance.randint(0, len(log))
        for source, target, backup in reversed(log[len(log) - count :]):
            if source and target:
                os.rename(target, source)
            elif target and os.path.exists(target):
                os.unlink(target)
            if backup:
                shutil.copyfile(backup, target or source)
        return count
