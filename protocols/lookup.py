"""Find a packed name in a directory's hash table without leaving the kernel.

The compiled twin of :func:`protocols.directory.name_hash`. Gateways and file scanners read the tables that
:meth:`protocols.directory.Directory.arrays` wrote once; nobody writes them after that. A table is a power of
two long and at most half full, so that a probe ends at an empty cell; the loop is bounded all the same.

The hash is arithmetic modulo 2**64. The kernel stays in int64 (a uint64 beside an int64 would become a
float): the multipliers are the signed numbers with the same bits, and the arithmetic right shift is masked.
"""

from __future__ import annotations

from typing import Final

from ringbuffer.kernel import inlined, kernel
from ringbuffer.native import mul64

__all__ = ["find_name", "hash_name"]

FIRST_MULTIPLIER: Final = 0x9E3779B97F4A7C15 - (1 << 64)
SECOND_MULTIPLIER: Final = 0xC2B2AE3D27D4EB4F - (1 << 64)
HASH_MASK: Final = 0xFFFFFFFF


@inlined
def hash_name(first, second):  # type: ignore[no-untyped-def]
    """Return the 32-bit hash of a packed 16-byte name; ``name_hash`` in :mod:`protocols.directory` agrees."""
    mixed = mul64(first, FIRST_MULTIPLIER) ^ mul64(second, SECOND_MULTIPLIER)
    return (mixed >> 32) & HASH_MASK


@kernel
def find_name(table, keys, first, second):  # type: ignore[no-untyped-def]
    """Return the id of the name packed in ``first`` and ``second``, 0 if the table does not hold it."""
    mask = table.shape[0] - 1
    cell = hash_name(first, second) & mask
    for _ in range(table.shape[0]):
        identity = table[cell]
        if identity == 0:
            return 0
        if keys[identity, 0] == first and keys[identity, 1] == second:
            return identity
        cell = (cell + 1) & mask
    return 0
