"""The atomic operations: what they do, and which instructions they become."""

from __future__ import annotations

import re
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringbuffer.atomics import compare_exchange, fence, fetch_add, load_acquire, pause, store_release
from ringbuffer.kernel import kernel

NUMBA: Any = sys.modules["numba"]  # imported by ringbuffer.kernel, which must be the first to do so
INT64 = st.integers(-(2**63), 2**63 - 1)
SELF_JUMP = re.compile(r"^(\.LBB\w+):\n(?:\s*\.\w.*\n)*\s*(?:jmp|b)\s+\1$", re.MULTILINE)  # x86-64, AArch64


@kernel
def load(cells, index):  # type: ignore[no-untyped-def]
    """Load one element."""
    return load_acquire(cells, index)


@kernel
def store(cells, index, value):  # type: ignore[no-untyped-def]
    """Store one element."""
    store_release(cells, index, value)


@kernel
def exchange(cells, index, expected, desired):  # type: ignore[no-untyped-def]
    """Compare and exchange one element."""
    return compare_exchange(cells, index, expected, desired)


@kernel
def add(cells, index, delta):  # type: ignore[no-untyped-def]
    """Add to one element."""
    return fetch_add(cells, index, delta)


@kernel
def full_fence():  # type: ignore[no-untyped-def]
    """Fence and pause."""
    fence()
    pause()


@kernel
def spin_on_acquire(cells, value):  # type: ignore[no-untyped-def]
    """Wait for a value as one must."""
    while load_acquire(cells, 0) != value:
        pass


@kernel
def spin_on_plain(cells, value):  # type: ignore[no-untyped-def]
    """Wait for a value as one must not."""
    while cells[0] != value:
        pass


def compiled_afresh(function: Any, *arguments: Any) -> Any:
    """Compile without the cache, whose entries cannot be inspected, and run once."""
    fresh = NUMBA.njit(error_model="numpy")(function.py_func)
    fresh(*arguments)
    return fresh


@pytest.mark.jitoff
@given(st.lists(INT64, min_size=1, max_size=8), st.data())
def test_operations_do_what_they_say(values: list[int], data: st.DataObject) -> None:
    """Load, store, compare-exchange and add touch their element only, with any int64."""
    cells = np.array(values, np.int64)
    index = data.draw(st.integers(0, len(values) - 1))
    new, delta = data.draw(INT64), data.draw(st.integers(-(2**31), 2**31))
    assert int(load(cells, index)) == values[index]
    wrong = values[index] ^ 1
    assert not exchange(cells, index, wrong, new)
    assert cells.tolist() == values
    assert exchange(cells, index, values[index], new)
    assert int(load(cells, index)) == new
    store(cells, index, delta)
    assert int(add(cells, index, 5)) == delta
    assert cells.tolist() == [*values[:index], delta + 5, *values[index + 1 :]]
    full_fence()


@pytest.mark.parametrize(
    ("function", "arguments", "instruction"),
    [
        (load, (0,), r"load atomic i64, .* acquire, align 8"),
        (store, (0, 1), r"store atomic i64 .* release, align 8"),
        (exchange, (0, 0, 1), r"cmpxchg ptr .* seq_cst seq_cst"),
        (add, (0, 1), r"atomicrmw add ptr .* seq_cst"),
    ],
)
def test_operations_carry_their_ordering(function: Any, arguments: tuple[int, ...], instruction: str) -> None:
    """The optimised code of each operation has the ordered instruction that its documentation promises."""
    (text,) = compiled_afresh(function, np.zeros(1, np.int64), *arguments).inspect_llvm().values()
    assert re.search(instruction, text), f"expected {instruction} in the code of {function.__name__}"


def test_the_fence_is_full() -> None:
    """A fence survives optimisation as a sequentially consistent one."""
    (text,) = compiled_afresh(full_fence).inspect_llvm().values()
    assert "fence seq_cst" in text


def test_a_plain_load_would_hang_a_spin_loop() -> None:
    """LLVM turns a spin on a plain load into a jump to itself, and leaves the acquire load in its loop."""
    cells = np.zeros(1, np.int64)
    (plain,) = compiled_afresh(spin_on_plain, cells, 0).inspect_asm().values()
    (ordered,) = compiled_afresh(spin_on_acquire, cells, 0).inspect_asm().values()
    assert SELF_JUMP.search(plain), "expected the reason for ringbuffer.atomics to be still true"
    assert not SELF_JUMP.search(ordered)


def test_other_arrays_are_refused() -> None:
    """Only elements of one-dimensional int64 arrays can be a cursor; others do not compile."""
    fresh = NUMBA.njit(load.py_func)
    for cells in (np.zeros(1, np.int32), np.zeros(1, np.uint64), np.zeros((1, 1), np.int64)):
        with pytest.raises(NUMBA.core.errors.TypingError):
            fresh(cells, 0)
