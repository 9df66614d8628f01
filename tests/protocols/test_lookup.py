"""The compiled lookup of names against its plain twin."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.directory import AccountEntry, Directory, InstrumentEntry, name_hash
from protocols.lookup import find_name, hash_name
from protocols.text import pack_text
from ringbuffer.kernel import kernel

pytestmark = pytest.mark.jitoff

WORDS = st.integers(-(1 << 63), (1 << 63) - 1)
NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=16)


@kernel
def compiled_hash(words):  # type: ignore[no-untyped-def]
    """Hash the two words from inside compiled code."""
    return hash_name(words[0], words[1])


@given(WORDS, WORDS)
def test_the_compiled_hash_is_the_plain_hash(first: int, second: int) -> None:
    """Both twins hash any two words alike, whatever their signs."""
    assert int(compiled_hash(np.array([first, second], dtype=np.int64))) == name_hash(first, second)


@given(st.sets(NAMES, max_size=40), st.sets(NAMES, max_size=40))
def test_every_listed_name_is_found_and_no_other(listed: set[str], others: set[str]) -> None:
    """A name of the directory gives its id, any other name 0."""
    arrays = Directory(
        [InstrumentEntry(i, name, 1, 1) for i, name in enumerate(sorted(listed), start=3)],
        [AccountEntry(i, name) for i, name in enumerate(sorted(listed, reverse=True), start=1)],
    ).arrays()
    for i, name in enumerate(sorted(listed), start=3):
        first, second, _ = pack_text(name)
        assert find_name(arrays.symbol_table, arrays.symbol_keys, first, second) == i
    for i, name in enumerate(sorted(listed, reverse=True), start=1):
        first, second, _ = pack_text(name)
        assert find_name(arrays.account_table, arrays.account_keys, first, second) == i
    for name in others - listed:
        first, second, _ = pack_text(name)
        assert find_name(arrays.symbol_table, arrays.symbol_keys, first, second) == 0


def test_a_full_table_ends_the_search() -> None:
    """A damaged table without an empty cell gives 0 instead of an endless loop."""
    keys = np.array([[0, 0], [1, 2]], dtype=np.int64)
    assert find_name(np.ones(16, dtype=np.int32), keys, 5, 6) == 0
