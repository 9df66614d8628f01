"""Memory that is there before it is needed: pages made resident and writable ahead of their first use.

The first write to a page costs a fault, with huge pages the clearing of 2 MiB, on a virtual machine also a
request to the host: together up to milliseconds, at a moment that nobody chose. ``MADV_POPULATE_WRITE``
(Linux 5.14) does the same ahead of time; it changes no content, so it may run while others use the memory.
After a fork it also makes the private copy of a page that the child would otherwise make at its first write.

Failure modes: an older kernel, or too little memory, populates nothing and says so; the pages then come one by one.
No Numba here.
"""

from __future__ import annotations

import ctypes
import mmap
from typing import Any, Final

__all__ = ["populate"]

MADV_POPULATE_WRITE: Final = 23
_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)


def populate(array: Any, start_byte: int = 0, size_bytes: int | None = None) -> bool:
    """Make the pages of an array resident, or those of a part; tell whether the system did so.

    ``array`` is a C-contiguous NumPy array over a mapping of its own; what goes beyond its end is left out.
    """
    stop_byte = array.nbytes if size_bytes is None else min(start_byte + size_bytes, array.nbytes)
    first = (array.ctypes.data + start_byte) & -mmap.PAGESIZE
    length = array.ctypes.data + stop_byte - first
    if stop_byte <= start_byte:
        return True
    return int(_LIBC.madvise(first, length, MADV_POPULATE_WRITE)) == 0
