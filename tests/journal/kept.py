"""Journals with sealed segments, and disks that stop, for the tests of all that keeps them."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from journal.disk import OPERATIONS, Disk, ForgetfulDisk
from journal.verify import verify_journal
from tests.journal import cases

SEGMENTS = 3  # complete ones, before the one that is written
ROWS_A_SEGMENT = 6


class Stop(BaseException):
    """The moment at which the process ends."""


class QuickDisk(Disk):
    """Does not wait for the disk: what a process leaves behind is the same."""

    def fsync(self, fd: int) -> None:
        pass

    def fsync_dir(self, directory: Path) -> None:
        pass


class StopDisk(QuickDisk):
    """Ends before the nth operation of any kind, by an exception or, really, by SIGKILL."""

    def __init__(self, nth: int, kill: bool = False) -> None:
        self.left, self.kill = nth, kill

    def __getattribute__(self, name: str) -> Any:
        if name in OPERATIONS:
            self.left -= 1
            if self.left == 0:
                if self.kill:
                    os.kill(os.getpid(), signal.SIGKILL)
                raise Stop
        return super().__getattribute__(name)


class ForgetfulStopDisk(ForgetfulDisk):
    """Ends before the nth write or sync, and forgets what was not synced."""

    def __init__(self, seed: int, nth: int) -> None:
        super().__init__(seed)
        self.left = nth

    def _count(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise Stop

    def pwrite(self, fd: int, data: Any, offset: int) -> int:
        self._count()
        return super().pwrite(fd, data, offset)

    def fsync(self, fd: int) -> None:
        self._count()
        super().fsync(fd)

    def rename(self, source: Path, target: Path) -> None:
        self._count()
        super().rename(source, target)


def small_journal(directory: Path, segments: int = SEGMENTS, seed: int = 1) -> int:
    """Write a journal of small segments, closed in order; return its last sequence."""
    with cases.open_writer(directory, "none") as writer:
        for number in range(segments + 1):
            if number:
                writer.roll()
            for _ in range(2):
                writer.append(cases.rows(writer.next_seq, ROWS_A_SEGMENT // 2, seed))
        return writer.next_seq - 1


def check_journal(directory: Path, last_seq: int, first_seq: int = 1) -> None:
    """Read and verify a journal: all records from ``first_seq`` on, and nothing is wrong with it."""
    rows = cases.read_all(directory, first_seq)
    assert np.array_equal(rows, cases.journaled(cases.rows(first_seq, last_seq + 1 - first_seq)))
    assert verify_journal(directory).findings == []


def names(directory: Path) -> list[str]:
    """Return what is in a directory, in order."""
    return sorted(os.listdir(directory))


def counting() -> Iterator[int]:
    """Count from 1, with an end that no test reaches."""
    yield from range(1, 1000)
    raise AssertionError("expected the operation to end, was still failing")
