"""Atomic operations on single words for plain Python: compiled, so that they order as in kernels."""

from __future__ import annotations

from typing import Any

from ringbuffer.atomics import compare_exchange, store_release
from ringbuffer.kernel import kernel

__all__ = ["store_word", "take_word"]


# pairs with the access that the caller names
def store_word(words: Any, index: int, value: int) -> None:
    """Store-release ``value`` in ``words[index]``."""
    _store(words, int(index), int(value))  # an enum would be a type of its own, and compiled for


# pairs with the access that the caller names
def take_word(words: Any, index: int, expected: int, desired: int) -> bool:
    """Set ``words[index]`` to ``desired`` if it is ``expected``; tell whether it was."""
    return bool(_take(words, int(index), int(expected), int(desired)))


@kernel
def _store(words, index, value):  # type: ignore[no-untyped-def]
    store_release(words, index, value)  # the caller names the load_acquire that this pairs with
    return 0


@kernel
def _take(words, index, expected, desired):  # type: ignore[no-untyped-def]
    return compare_exchange(words, index, expected, desired)  # pairs with itself elsewhere, at least
