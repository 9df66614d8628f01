"""Atomic operations on single words for plain Python: compiled, so that they order as in kernels."""

from __future__ import annotations

from ringbuffer.atomics import compare_exchange, store_release
from ringbuffer.kernel import kernel

__all__ = ["store_word", "take_word"]


@kernel
def store_word(words, index, value):  # type: ignore[no-untyped-def]
    """Store-release ``value`` in ``words[index]``; return 0."""
    store_release(words, index, value)  # the caller names the load_acquire that this pairs with
    return 0


@kernel
def take_word(words, index, expected, desired):  # type: ignore[no-untyped-def]
    """Set ``words[index]`` to ``desired`` if it is ``expected``; tell whether it was."""
    return compare_exchange(words, index, expected, desired)  # pairs with itself elsewhere, at least
