"""Bundles: kernels see through one pointer the arrays that plain Python sees."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringbuffer.bundle import bundle, make_bundle
from ringbuffer.kernel import inlined, kernel

pytestmark = pytest.mark.jitoff

ROW = np.dtype([("key", "<i8"), ("count", "<i4"), ("spare", "<i4")])


@bundle
class Shelf(NamedTuple):
    """Arrays of all the shapes that states have."""

    words: Any
    rows: Any
    keys: Any  # a field of rows: strided
    grid: Any
    table: Any


def make_shelf(rows: int = 4, columns: int = 3) -> Shelf:
    """Return a shelf of zeros."""
    records = np.zeros(rows, ROW)
    return make_bundle(
        Shelf,
        words=np.zeros(8, np.int64),
        rows=records,
        keys=records["key"],
        grid=np.zeros((rows, columns), np.int64),
    )


@inlined
def total_of(shelf):  # type: ignore[no-untyped-def]
    """Add up the grid and the keys."""
    total = np.int64(0)
    for row in range(shelf.grid.shape[0]):
        total += shelf.keys[row]
        for column in range(shelf.grid.shape[1]):
            total += shelf.grid[row, column]
    return total


@kernel
def write_all(shelf, start):  # type: ignore[no-untyped-def]
    """Write a number into each place of each array; return the sum of grid and keys."""
    for row in range(shelf.grid.shape[0]):
        for column in range(shelf.grid.shape[1]):
            shelf.grid[row, column] = start + row * shelf.grid.shape[1] + column
        shelf.rows["key"][row] = start + 100 * row
        shelf.rows[row]["count"] = row
    shelf.words[0] = total_of(shelf)
    return shelf.words[0]


@given(rows=st.integers(1, 9), columns=st.integers(1, 5), start=st.integers(-1000, 1000))
def test_kernels_write_what_python_reads(rows: int, columns: int, start: int) -> None:
    """Plain, structured, strided and two-dimensional arrays of a bundle are written in place."""
    shelf = make_shelf(rows, columns)
    total = write_all(shelf, np.int64(start))
    assert np.array_equal(shelf.grid, start + np.arange(rows * columns).reshape(rows, columns))
    assert shelf.keys.tolist() == [start + 100 * row for row in range(rows)]
    assert shelf.rows["count"].tolist() == list(range(rows))
    assert total == shelf.words[0] == shelf.grid.sum() + shelf.keys.sum()


def test_bundles_of_one_class_and_other_shapes_share_a_kernel() -> None:
    """The lengths of the arrays are no part of the type, and each bundle's kernel call finds its own arrays."""
    first, second = make_shelf(2, 2), make_shelf(5, 1)
    write_all(first, np.int64(1))
    write_all(second, np.int64(50))
    assert first.grid.tolist() == [[1, 2], [3, 4]]
    assert second.grid.ravel().tolist() == [50, 51, 52, 53, 54]


def test_arrays_of_a_bundle_stay() -> None:
    """Exchanging an array, which would leave the table behind, is refused with what to do."""
    with pytest.raises(TypeError, match="Shelf: expected its arrays to stay, make another with make_bundle"):
        make_shelf()._replace(words=np.zeros(1, np.int64))


def test_a_bundle_ends_with_its_table() -> None:
    """A class without a place for the table is refused."""

    class Bare(NamedTuple):
        words: Any

    with pytest.raises(TypeError, match="Bare: expected 'table' as the last field, was 'words'"):
        bundle(Bare)
