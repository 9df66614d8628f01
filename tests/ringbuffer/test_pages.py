"""Pages made resident ahead of their first use: they are, and nothing else changes."""

from __future__ import annotations

import mmap
import os
import resource

import numpy as np
import pytest

from ringbuffer.pages import populate

PAGES = 2048
SIZE = PAGES * mmap.PAGESIZE


def faults() -> int:
    """Return the page faults of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def fresh(flags: int = mmap.MAP_PRIVATE) -> np.ndarray:
    """Return bytes that were never touched."""
    return np.frombuffer(mmap.mmap(-1, SIZE, flags=flags | mmap.MAP_ANONYMOUS), np.uint8)


def write_all(array: np.ndarray) -> int:
    """Write into each page and return how many faults that took."""
    before = faults()
    array[:: mmap.PAGESIZE] = 1
    return faults() - before


@pytest.mark.parametrize("flags", [mmap.MAP_PRIVATE, mmap.MAP_SHARED])
def test_populated_pages_do_not_fault(flags: int) -> None:
    """Writing into each page of a fresh mapping costs faults, and none to speak of where populate says it worked."""
    assert write_all(fresh(flags)) >= PAGES // 16  # a fault may bring several pages
    array = fresh(flags)
    populated = populate(array)
    assert (write_all(array) < PAGES // 16) is populated


def test_content_stays() -> None:
    """What was written before is still there; a part that ends behind the array is cut."""
    array = fresh()
    array[:] = np.arange(SIZE, dtype=np.uint64).astype(np.uint8)
    expected = array.copy()
    populate(array, 5 * mmap.PAGESIZE + 17, 10 * SIZE)
    populate(array, SIZE, 1)
    assert np.array_equal(array, expected)


def test_a_child_gets_its_own_copy_at_once() -> None:
    """After a fork the child's first writes do not fault, and the parent does not see them."""
    array = fresh()
    array[:] = 7
    pid = os.fork()
    if pid == 0:
        populated = populate(array)
        os._exit(0 if not populated or write_all(array) < PAGES // 4 else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert int(array.min()) == 7
