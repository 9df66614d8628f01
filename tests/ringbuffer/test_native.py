"""Clocks, sleeps, futexes, checksums and bit scans, against plain Python."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringbuffer.kernel import kernel
from ringbuffer.native import (
    clock_ns,
    crc32c,
    ctz64,
    futex_wait,
    futex_wake,
    mul64,
    prefetch,
    sleep_ns,
    yield_cpu,
)

pytestmark = pytest.mark.jitoff

INT64 = st.integers(-(2**63), 2**63 - 1)
LONG_NS = 30_000_000_000


@kernel
def now():  # type: ignore[no-untyped-def]
    """Read the clock."""
    return clock_ns()


@kernel
def rest_for(duration_ns):  # type: ignore[no-untyped-def]
    """Sleep, then yield."""
    sleep_ns(duration_ns)
    yield_cpu()


@kernel
def trailing_zeros(value):  # type: ignore[no-untyped-def]
    """Count trailing zeros."""
    return ctz64(value)


@kernel
def product(left, right):  # type: ignore[no-untyped-def]
    """Multiply."""
    return mul64(left, right)


@kernel
def wait_on(cells, index, expected, timeout_ns):  # type: ignore[no-untyped-def]
    """Wait on a futex."""
    futex_wait(cells, index, expected, timeout_ns)


@kernel
def wake(cells, index):  # type: ignore[no-untyped-def]
    """Wake a futex."""
    futex_wake(cells, index)


def naive_crc32c(data: bytes, seed: int = 0) -> int:
    """Compute RFC 3720's checksum bit by bit."""
    value = seed ^ 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF


def checksum(data: bytes, start: int, stop: int, seed: int = 0) -> int:
    """Compute a part's checksum with the function under test."""
    return int(crc32c(np.frombuffer(data, np.uint8), start, stop, seed))


def test_the_clock_is_python_s_monotonic() -> None:
    """Stamps of kernels and of plain Python can be compared."""
    before = time.monotonic_ns()
    stamp = int(now())
    assert before <= stamp <= time.monotonic_ns()


def test_a_sleep_lasts() -> None:
    """A sleep takes at least as long as it was told to, whole seconds' carry included."""
    for duration_ns in (1, 1_000_000, 1_000_000_001):
        before = time.monotonic_ns()
        rest_for(duration_ns)
        assert time.monotonic_ns() - before >= duration_ns


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", 0),
        (b"123456789", 0xE3069283),
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
    ],
)
def test_checksums_are_those_of_the_standard(data: bytes, expected: int) -> None:
    """The examples of RFC 3720, B.4, come out."""
    assert checksum(data, 0, len(data)) == expected == naive_crc32c(data)


@given(st.binary(max_size=200), st.data())
def test_checksums_of_parts_chain(data: bytes, drawn: st.DataObject) -> None:
    """Any part, from any offset, has the naive checksum, and continuing over a cut equals no cut."""
    start = drawn.draw(st.integers(0, len(data)))
    stop = drawn.draw(st.integers(start, len(data)))
    cut = drawn.draw(st.integers(start, stop))
    whole = checksum(data, start, stop)
    assert whole == naive_crc32c(data[start:stop])
    assert whole == checksum(data, cut, stop, checksum(data, start, cut))


@given(INT64)
def test_trailing_zeros(value: int) -> None:
    """The count of trailing zeros is that of the two's complement bits, 64 for zero."""
    bits = format(value & 2**64 - 1, "064b")
    assert int(trailing_zeros(value)) == len(bits) - len(bits.rstrip("0"))
    assert int(trailing_zeros(0)) == 64


@given(INT64, INT64)
def test_products_wrap(left: int, right: int) -> None:
    """A product is taken modulo 2**64 and signed."""
    expected = (left * right + 2**63) % 2**64 - 2**63
    assert int(product(left, right)) == expected


def test_a_futex_ends_by_time_or_by_change() -> None:
    """A wait ends when its time is up, and at once if the word is not what was expected."""
    cells = np.array([0, 7, 7 + 2**32], np.int64)
    before = time.monotonic_ns()
    wait_on(cells, 1, 8, LONG_NS)
    wait_on(cells, 2, 8, LONG_NS)
    assert time.monotonic_ns() - before < LONG_NS
    before = time.monotonic_ns()
    while time.monotonic_ns() - before < 5_000_000:  # the twin without JIT polls in shorter pieces
        wait_on(cells, 2, 7, 5_000_000)


def test_a_futex_wakes() -> None:
    """A wait ends when another thread changes the word and wakes."""
    cells = np.zeros(1, np.int64)

    def change() -> None:
        cells[0] = 1
        wake(cells, 0)

    before = time.monotonic_ns()
    thread = threading.Thread(target=change)
    thread.start()
    while cells[0] == 0:
        wait_on(cells, 0, 0, LONG_NS)
    thread.join()
    assert time.monotonic_ns() - before < LONG_NS


@kernel
def touch_ahead(table, index):  # type: ignore[no-untyped-def]
    """Ask for a cell, then read it."""
    prefetch(table, index)
    return table[index]


def test_prefetch_changes_nothing() -> None:
    """A hint: plain cells and records keep what they hold, whatever the index."""
    table = np.arange(8, dtype=np.int32)
    assert [touch_ahead(table, index) for index in range(8)] == list(range(8))
    assert list(table) == list(range(8))
