"""The meta file: two slots, one lock."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journal import meta
from journal.disk import Disk
from journal.errors import JournalLocked
from journal.meta import Meta, MetaFile
from tests.journal import cases

pytestmark = pytest.mark.jitoff

I64 = st.integers(-(1 << 63), (1 << 63) - 1)
SLOT = Meta(9, 2, 1, 1_000, 4, 4321, False)


@given(slot=st.builds(Meta, I64, I64, I64, I64, I64, I64, st.booleans()))
def test_a_slot_comes_back(slot: Meta) -> None:
    """Packing and parsing a slot is the identity."""
    assert meta.parse_slot(meta.pack_slot(slot)) == slot


def test_every_flipped_bit_and_every_cut_of_a_slot_is_found() -> None:
    """No damaged slot is believed."""
    raw = bytearray(meta.pack_slot(SLOT))
    for bit in range(0, len(raw) * 8, 11 if cases.JIT_DISABLED else 1):
        raw[bit >> 3] ^= 1 << (bit & 7)
        assert meta.parse_slot(bytes(raw)) is None
        raw[bit >> 3] ^= 1 << (bit & 7)
    assert meta.parse_slot(bytes(raw[:511])) is None


def test_slots_are_written_in_turn_and_the_newer_one_counts(tmp_path: Path) -> None:
    """Two writes in a row go to different slots; after damage to the newer one the older one counts."""
    file = MetaFile(Disk(), tmp_path)
    assert file.last is None
    file.write(SLOT._replace(durable_seq=10), durable=True)
    file.write(SLOT._replace(durable_seq=20), durable=True)
    file.close()
    newest = meta.read_meta(tmp_path)
    assert newest is not None and (newest.generation, newest.durable_seq) == (2, 20)
    cases.flip_bit(file.path, meta.SLOT_OFFSETS[0] + 40, 3)
    older = meta.read_meta(tmp_path)
    assert older is not None and (older.generation, older.durable_seq) == (1, 10)
    cases.flip_bit(file.path, meta.SLOT_OFFSETS[1] + 40, 3)
    assert meta.read_meta(tmp_path) is None


def test_a_missing_meta_file_is_none(tmp_path: Path) -> None:
    """A directory without a meta file has no meta, and reading does not create it."""
    assert meta.read_meta(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_the_second_writer_is_told_who_is_first(tmp_path: Path) -> None:
    """While a meta file is open it is locked, and the error names the process that its slot names."""
    first = MetaFile(Disk(), tmp_path)
    with pytest.raises(JournalLocked, match="another process") as caught:
        MetaFile(Disk(), tmp_path)
    assert caught.value.pid == 0
    first.write(SLOT._replace(pid=os.getpid()), durable=False)
    with pytest.raises(JournalLocked, match=f"process {os.getpid()}") as caught:
        MetaFile(Disk(), tmp_path)
    assert caught.value.pid == os.getpid()
    first.close()
    MetaFile(Disk(), tmp_path).close()
