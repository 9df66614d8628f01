"""The two changes that opening a journal makes to what is there; both only after recovery has decided.

Neither touches a valid block's bytes: one replaces by zeros what follows the last valid block, the other writes
again, unchanged, what may not have reached the disk.
"""

from __future__ import annotations

import os
from pathlib import Path

from journal.disk import Disk, write_all
from journal.errors import io_errors
from journal.scan import SegmentScan

__all__ = ["cut_torn_tail", "rewrite_undurable", "torn_path"]


def torn_path(scan: SegmentScan) -> Path:
    """Return where the cut off tail of a segment is kept."""
    return scan.path.with_name(f"{scan.path.name}.{scan.end_offset}.torn")


def cut_torn_tail(disk: Disk, scan: SegmentScan) -> Path:
    """Copy what follows the last valid block to a ``.torn`` file, then zero it; return the copy's path."""
    copy = torn_path(scan)
    with io_errors("open", copy):
        target = disk.open(copy, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        with io_errors("pwrite", copy), open(scan.path, "rb") as source:
            source.seek(scan.end_offset)
            write_all(disk, target, source.read(scan.tail_bytes), 0)
        with io_errors("fsync", copy):
            disk.fsync(target)
    finally:
        os.close(target)
    with io_errors("fsync", copy.parent):
        disk.fsync_dir(copy.parent)
    with io_errors("open", scan.path):
        fd = disk.open(scan.path, os.O_RDWR)
    try:
        with io_errors("ftruncate", scan.path):
            disk.ftruncate(fd, scan.end_offset)
        with io_errors("fallocate", scan.path):
            disk.fallocate(fd, scan.header.segment_bytes)
        with io_errors("fsync", scan.path):
            disk.fsync(fd)
    finally:
        os.close(fd)
    return copy


def rewrite_undurable(disk: Disk, fd: int, scan: SegmentScan) -> int:
    """Write again the blocks that the meta file does not know durable; return how many bytes.

    After a failed sync the page cache may hold, and call clean, what the disk does not. Whoever reads it back
    and goes on builds on sand, so these pages are made dirty again; the caller syncs.
    """
    if scan.mark_offset < 0:
        return 0
    with io_errors("read", scan.path):
        data = os.pread(fd, scan.end_offset - scan.mark_offset, scan.mark_offset)
    with io_errors("pwrite", scan.path):
        write_all(disk, fd, data, scan.mark_offset)
    return len(data)
