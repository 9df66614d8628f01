"""The next segment, made ahead of time, and what happens while a full disk has no room for it.

Space is reserved (``posix_fallocate``) when the segment before is half full. If the disk says that it is full, nothing
is lost and nothing was acknowledged: the attempt is undone, the owner can read it off :attr:`SpareSegment.refused`, and
it is made again later. That is no repetition of a failed write or sync: of those every failure is final, also here.

States for the owner, a number that fits into a shared word::

    SPACE_OK       the next segment is there, or is not needed yet
    SPACE_LOW      there is no room for it; more than the reserve is left in this segment
    SPACE_RESERVE  there is no room for it, and what is left is the reserve: for cancels, not for more
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from journal.disk import Disk
from journal.errors import JournalFull, io_errors
from journal.segment import SPARE_NAME, SegmentHeader, make_spare, name_spare

__all__ = ["SPACE_LOW", "SPACE_OK", "SPACE_RESERVE", "SPARE_RETRY_NS", "SpareSegment"]

SPACE_OK: Final = 0
SPACE_LOW: Final = 1
SPACE_RESERVE: Final = 2
SPARE_RETRY_NS: Final = 1_000_000_000


class SpareSegment:
    """At most one segment without a name, in the directory of a journal; ``durable`` syncs what it makes."""

    def __init__(self, disk: Disk, directory: Path, segment_bytes: int, durable: bool) -> None:
        self._disk, self._directory, self._segment_bytes, self._durable = (
            disk,
            directory,
            segment_bytes,
            durable,
        )
        self._fd = -1
        self._tried_ns = 0
        self.refused: JournalFull | None = None  # why there is none, while the disk is full
        self.refusals = 0

    @property
    def is_ready(self) -> bool:
        """Tell whether the next segment is there."""
        return self._fd >= 0

    def prepare(self, now_ns: int) -> None:
        """Make the next segment, unless it is there; on a full disk at most each second."""
        if self.is_ready or (self.refused is not None and now_ns - self._tried_ns < SPARE_RETRY_NS):
            return
        self._tried_ns = now_ns
        try:
            self._make()
        except JournalFull as error:
            if error.operation not in ("open", "fallocate"):  # a sync or a write that failed is final
                raise
            self.remove()  # what it got of the space it did not get
            self.refused = error
            self.refusals += 1

    def _make(self) -> None:
        self._fd = make_spare(self._disk, self._directory, self._segment_bytes, self._durable)
        self.refused = None

    def take(self, header: SegmentHeader) -> tuple[int, Path]:
        """Give the next segment its header and its name; JournalFull, which is final, if there is none."""
        if not self.is_ready:
            self._make()
        path = name_spare(self._disk, self._directory, self._fd, header, self._durable)
        fd, self._fd = self._fd, -1
        return fd, path

    def remove(self) -> None:
        """Remove the file of a spare, also one that a crash has left."""
        spare = self._directory / SPARE_NAME
        if spare.exists():
            with io_errors("unlink", spare):
                self._disk.unlink(spare)

    def close(self) -> None:
        """Close the file, and leave it."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
