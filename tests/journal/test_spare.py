"""A full disk: told long before it hurts, with a reserve left, and over when there is space again."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from journal.disk import Disk
from journal.errors import JournalError, JournalFull, JournalIOError
from journal.segment import SPARE_NAME, list_segments
from journal.spare import SPACE_LOW, SPACE_OK, SPACE_RESERVE, SPARE_RETRY_NS
from tests.journal import cases

pytestmark = pytest.mark.jitoff

RESERVE = cases.SEGMENT_BYTES // 4


class FullDisk(Disk):
    """Has room for no new file while it is full, and reserves a part before it says so, as some file systems do."""

    def __init__(self, operation: str = "fallocate", number: int = errno.ENOSPC) -> None:
        self.full, self.operation, self.number, self.asked = False, operation, number, 0

    def _refuse(self, operation: str) -> None:
        if self.full and operation == self.operation:
            self.asked += 1
            raise OSError(self.number, os.strerror(self.number))

    def open(self, path: Path, flags: int) -> int:
        if path.name == SPARE_NAME:
            self._refuse("open")
        return super().open(path, flags)

    def fallocate(self, fd: int, size: int) -> None:
        if self.full and self.operation == "fallocate":
            super().fallocate(fd, size // 2)
        self._refuse("fallocate")
        super().fallocate(fd, size)

    def fsync(self, fd: int) -> None:
        self._refuse("fsync")
        super().fsync(fd)

    def unlink(self, path: Path) -> None:
        self._refuse("unlink")
        super().unlink(path)


@pytest.mark.parametrize(("operation", "number"), [
    ("fallocate", errno.ENOSPC), ("fallocate", errno.EDQUOT), ("open", errno.ENOSPC),
])  # fmt: skip
def test_it_is_told_at_half_and_over_when_there_is_space(operation: str, number: int, tmp_path: Path) -> None:
    """OK, LOW, RESERVE as the segment fills; asked again each second; OK when the disk has room; nothing is lost."""
    now = [1]
    disk = FullDisk(operation, number)
    states = []
    with cases.open_writer(tmp_path, disk=disk, clock=lambda: now[0]) as writer:
        disk.full = True
        while writer.space_state != SPACE_RESERVE:
            writer.append(cases.rows(writer.next_seq, 20, spread=63))
            now[0] += 1
            left = cases.SEGMENT_BYTES - writer.offset
            assert writer.space_left_bytes == left
            wanted = (
                SPACE_OK
                if writer.offset <= cases.SEGMENT_BYTES // 2
                else SPACE_LOW
                if left > RESERVE
                else SPACE_RESERVE
            )
            assert writer.space_state == wanted
            states.append(wanted)
            assert not (tmp_path / SPARE_NAME).exists(), "what it got of the space is given back"
        assert states == sorted(states) and set(states) == {SPACE_OK, SPACE_LOW, SPACE_RESERVE}
        assert disk.asked == writer.space_refusals == 1
        now[0] += SPARE_RETRY_NS - len(states)
        writer.maintain()
        now[0] += len(states)
        writer.append(cases.rows(writer.next_seq, 1))
        assert (disk.asked, writer.space_state) == (2, SPACE_RESERVE), "the reserve is there to be used"
        disk.full = False
        writer.maintain()
        assert writer.space_state == SPACE_RESERVE
        now[0] += SPARE_RETRY_NS
        writer.maintain()
        assert writer.space_state == SPACE_OK
        writer.append(cases.rows(writer.next_seq, 400, spread=63))
        assert writer.segments_made == 2 and writer.space_state == SPACE_OK
        last = writer.next_seq - 1
    assert len(cases.read_all(tmp_path)) == last


def test_who_does_not_listen_is_stopped_in_order(tmp_path: Path) -> None:
    """A write that fits into no segment fails, for good; all that was acknowledged is there at the next opening."""
    disk = FullDisk()
    writer = cases.open_writer(tmp_path, disk=disk)
    disk.full = True
    told = 0
    with pytest.raises(JournalFull, match="fallocate: expected success, was No space left on device"):
        while True:
            told = writer.append(cases.rows(writer.next_seq, 20, spread=63))
    assert writer.failed and writer.space_left_bytes < cases.SEGMENT_BYTES // 10
    disk.full = False
    with pytest.raises(JournalError, match="expected a working writer"):
        writer.maintain()
    writer.close()
    with cases.open_writer(tmp_path) as writer:
        assert writer.durable_seq >= told
        writer.append(cases.rows(writer.next_seq, 100, spread=63))
        last = writer.next_seq - 1
    assert np.array_equal(cases.read_all(tmp_path), cases.journaled(cases.rows(1, last, spread=63)))


def test_space_that_returns_at_the_last_moment_is_taken(tmp_path: Path) -> None:
    """The roll asks once more, whenever it was asked last."""
    disk = FullDisk()
    with cases.open_writer(tmp_path, disk=disk, clock=lambda: 1) as writer:
        disk.full = True
        writer.append(cases.rows(1, 290, spread=63))
        assert writer.space_state != SPACE_OK
        disk.full = False
        writer.append(cases.rows(291, 290, spread=63))
        assert writer.space_state == SPACE_OK and len(list_segments(tmp_path)) == 2


@pytest.mark.parametrize(("operation", "number"), [
    ("fallocate", errno.EIO), ("open", errno.EACCES), ("fsync", errno.ENOSPC), ("unlink", errno.EIO),
])  # fmt: skip
def test_anything_but_no_space_is_final(operation: str, number: int, tmp_path: Path) -> None:
    """An I/O error, and a sync that failed for whatever reason, are never tried again."""
    disk = FullDisk(operation, number)
    writer = cases.open_writer(tmp_path, disk=disk)
    disk.full = True
    if operation == "unlink":
        writer.append(cases.rows(1, 290, spread=63))
        with pytest.raises(JournalIOError, match="unlink"):
            writer.close()
    else:
        with pytest.raises(JournalIOError, match=f"{operation}: expected success"):
            writer.append(cases.rows(1, 290, spread=63))
    assert writer.failed
    asked = disk.asked
    for use in (writer.maintain, writer.sync):
        with pytest.raises(JournalError, match="expected a working writer"):
            use()
    assert disk.asked == asked
    writer.abort()
    assert len(cases.read_all(tmp_path)) == 290


def test_a_journal_that_is_more_than_half_full_opens_on_a_full_disk(tmp_path: Path) -> None:
    """Recovery needs no space for the next segment; the state says from the first maintain on that there is none."""
    with cases.open_writer(tmp_path) as writer:
        writer.append(cases.rows(1, 290, spread=63))
    disk = FullDisk()
    disk.full = True
    with cases.open_writer(tmp_path, disk=disk) as writer:
        assert writer.space_state == SPACE_OK
        writer.maintain()
        assert writer.space_state == SPACE_LOW
        assert writer.append(cases.rows(291, 2)) == 292
    assert len(cases.read_all(tmp_path)) == 292


@pytest.mark.parametrize("reserve", [-1, cases.SEGMENT_BYTES // 2 + 1])
def test_a_reserve_that_cannot_be_is_refused(reserve: int, tmp_path: Path) -> None:
    """It is at most what is left when the next segment is asked for."""
    with pytest.raises(ValueError, match="reserve_bytes: expected 0 to"):
        cases.open_writer(tmp_path, reserve_bytes=reserve)
    for good in (0, cases.SEGMENT_BYTES // 2):
        cases.open_writer(tmp_path / str(good), reserve_bytes=good).close()
