"""Huge pages for shared memory: what the host offers, and whether a mapping has got them.

Two kinds. Transparent ones are made by the kernel where it likes, for /dev/shm if the host's
``shmem_enabled`` lets it; one can ask (madvise) and look (``/proc/self/smaps``). Reserved ones (hugetlb) are set
aside by the administrator, ``vm.nr_hugepages``, and taken with SHM_HUGETLB, all or nothing.

Failure modes: whatever the host does not offer, or does not tell, counts as none; nothing here raises, but for
:func:`map_huge` when the segment has no room. No Numba here.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import re
from pathlib import Path
from typing import Final

__all__ = [
    "SHM_HUGETLB",
    "free_huge_bytes",
    "free_memory_bytes",
    "heeds_advice",
    "huge_page_bytes",
    "is_huge",
    "map_huge",
]

SHM_HUGETLB: Final = 0o4000
SHMEM_ENABLED: Final = Path("/sys/kernel/mm/transparent_hugepage/shmem_enabled")
HEEDING: Final = ("always", "within_size", "advise", "force")
MADV_POPULATE_WRITE: Final = 23


def heeds_advice(text: str | None = None) -> bool:
    """Tell whether /dev/shm may have huge pages if asked: what stands in brackets in ``shmem_enabled``."""
    try:
        text = SHMEM_ENABLED.read_text("ascii") if text is None else text
    except OSError:
        return False
    chosen = re.search(r"\[(\w+)\]", text)
    return chosen is not None and chosen[1] in HEEDING


def map_huge(fd: int, size: int) -> mmap.mmap:
    """Map a fresh segment and touch its pages, after asking for huge ones.

    Who reserves the pages of a file first gets ordinary ones. What could not be touched is not there yet.
    """
    os.ftruncate(fd, size)
    buffer = mmap.mmap(fd, size)
    with contextlib.suppress(OSError):
        buffer.madvise(mmap.MADV_HUGEPAGE)
        buffer.madvise(MADV_POPULATE_WRITE)
    return buffer


def is_huge(buffer: mmap.mmap) -> bool:
    """Tell whether a mapping of /dev/shm has huge pages, as the system counts them."""
    address = ctypes.addressof(ctypes.c_char.from_buffer(buffer))
    is_ours = False
    with open("/proc/self/smaps", encoding="ascii", errors="replace") as lines:
        for line in lines:
            if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
                is_ours = int(line.partition("-")[0], 16) == address
            elif is_ours and line.startswith("ShmemPmdMapped:"):
                return int(line.split()[1]) > 0
    return False


def _facts() -> dict[str, int]:
    """Return the figures of /proc/meminfo, as they stand there."""
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
    except OSError:
        return {}
    return {line.partition(":")[0]: int(line.split()[1]) for line in lines}


def free_memory_bytes() -> int:
    """Return how much memory the system can still give."""
    return _facts().get("MemAvailable", 0) * 1024


def huge_page_bytes() -> int:
    """Return the size of a huge page, 0 if there are none."""
    return _facts().get("Hugepagesize", 0) * 1024


def free_huge_bytes() -> int:
    """Return how much of the reserved huge pages nobody has laid a claim to."""
    facts = _facts()
    pages = facts.get("HugePages_Free", 0) - facts.get("HugePages_Rsvd", 0)
    return pages * facts.get("Hugepagesize", 0) * 1024
