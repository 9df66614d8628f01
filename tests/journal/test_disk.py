"""The seam to the operating system, and its fakes."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from journal.disk import OPERATIONS, SECTOR_BYTES, SHORT, TORN, Disk, FaultyDisk, ForgetfulDisk, write_all

pytestmark = pytest.mark.jitoff


class Dribble(Disk):
    """Takes a few bytes at a time, and at last none."""

    def __init__(self, room: int) -> None:
        self.room = room

    def pwrite(self, fd: int, data: Any, offset: int) -> int:
        size = min(3, len(data), self.room)
        self.room -= size
        return super().pwrite(fd, data[:size], offset)


def test_a_short_write_is_continued_and_one_without_progress_fails(tmp_path: Path) -> None:
    """write_all writes everything however little a call takes, and fails when a call takes nothing."""
    fd = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    try:
        write_all(Dribble(10), fd, b"0123456789", 2)
        assert os.pread(fd, 20, 0) == b"\0\x000123456789"
        with pytest.raises(OSError) as caught:
            write_all(Dribble(4), fd, b"0123456789", 0)
        assert caught.value.errno == errno.EIO
    finally:
        os.close(fd)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_faulty_disk_fails_exactly_once(operation: str, tmp_path: Path) -> None:
    """Only the nth call of the named operation fails; those before and after succeed."""
    disk = FaultyDisk(operation, 2, errno.EDQUOT)

    def everything() -> None:
        path, other = tmp_path / "file", tmp_path / "other"
        fd = disk.open(path, os.O_RDWR | os.O_CREAT)
        try:
            disk.fallocate(fd, 4096)
            disk.pwrite(fd, b"data", 0)
            disk.fdatasync(fd)
            disk.fsync(fd)
            disk.ftruncate(fd, 2)
        finally:
            os.close(fd)
        disk.rename(path, other)
        disk.fsync_dir(tmp_path)
        disk.unlink(other)

    everything()
    assert not disk.fired
    with pytest.raises(OSError) as caught:
        everything()
    assert caught.value.errno == errno.EDQUOT and disk.fired
    everything()


def test_short_and_torn_writes_leave_half(tmp_path: Path) -> None:
    """SHORT says that it wrote half; TORN wrote half and fails."""
    for fault in (SHORT, TORN):
        fd = os.open(tmp_path / str(fault), os.O_RDWR | os.O_CREAT)
        try:
            disk = FaultyDisk("pwrite", 1, fault)
            if fault == SHORT:
                assert disk.pwrite(fd, b"abcdef", 0) == 3
            else:
                with pytest.raises(OSError):
                    disk.pwrite(fd, b"abcdef", 0)
            assert os.pread(fd, 10, 0) == b"abc"
        finally:
            os.close(fd)


def test_a_forgetful_disk_loses_only_what_was_not_synced(tmp_path: Path) -> None:
    """After a power cut each sector is as synced or as written since, and some are as synced."""
    path = tmp_path / "file"
    disk = ForgetfulDisk(seed=5)
    fd = disk.open(path, os.O_RDWR | os.O_CREAT)
    try:
        disk.fallocate(fd, 64 * SECTOR_BYTES)
        disk.pwrite(fd, b"a" * 64 * SECTOR_BYTES, 0)
        disk.fdatasync(fd)
        disk.pwrite(fd, b"b" * 40 * SECTOR_BYTES, 8 * SECTOR_BYTES)
    finally:
        os.close(fd)
    disk.lose_power()
    data = path.read_bytes()
    sectors = [data[start : start + SECTOR_BYTES] for start in range(0, len(data), SECTOR_BYTES)]
    assert set(sectors) == {b"a" * SECTOR_BYTES, b"b" * SECTOR_BYTES}
    assert set(sectors[:8] + sectors[48:]) == {b"a" * SECTOR_BYTES}
