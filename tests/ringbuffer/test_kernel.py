"""What ``@kernel`` makes of a function that ``numba.njit`` does not (ADR 0016)."""

from __future__ import annotations

import numba
import numpy as np

from ringbuffer.kernel import kernel


def element(array, index):  # type: ignore[no-untyped-def]
    """Return one element."""
    return array[index]


def test_an_index_of_a_kernel_is_an_address() -> None:
    """-1 is the element in front of the array, not its last one; a plain Numba function keeps Numba's meaning."""
    behind = np.arange(8)[1:]
    assert kernel(element)(behind, np.int64(-1)) == 0
    assert numba.njit(element)(behind, np.int64(-1)) == 7
    assert kernel(element)(behind, np.int64(2)) == numba.njit(element)(behind, np.int64(2)) == 3


def test_rows_are_addressed_alike() -> None:
    """The same holds of records and of arrays of two dimensions."""
    rows = np.arange(8).reshape(4, 2)[1:]
    assert kernel(lambda array, row: array[row, 1])(rows, np.int64(-1)) == 1
    records = np.arange(8).view(np.dtype([("first", "<i8"), ("second", "<i8")]))[1:]
    assert kernel(lambda array, row: array[row].second)(records, np.int64(-1)) == 1
