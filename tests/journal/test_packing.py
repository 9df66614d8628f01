"""Compressed segments: what is packed is unpacked, damage is found, and a missing library is explained."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from journal import packing
from journal.copies import compress
from journal.errors import JournalCorrupt, JournalError
from journal.packing import pack, unpack_head, unpack_segment
from journal.reader import JournalReader
from journal.verify import verify_journal
from journal.writer import JournalWriter
from tests.journal import cases, kept

pytestmark = pytest.mark.jitoff


def unpacked(path: Path) -> bytes:
    """Return the content of a compressed file."""
    fd = unpack_segment(path)
    try:
        return os.pread(fd, 1 << 24, 0)
    finally:
        os.close(fd)


@given(
    chunks=st.lists(st.binary(max_size=200), max_size=6),
    repeat=st.integers(1, 2000),
    size=st.integers(0, 300),
)
def test_what_is_packed_is_unpacked(
    tmp_path_factory: pytest.TempPathFactory, chunks: list[bytes], repeat: int, size: int
) -> None:
    """Any content comes back, whole or the beginning of it."""
    path = tmp_path_factory.mktemp("packed") / "file.zst"
    content = b"".join(chunks) * repeat
    path.write_bytes(b"".join(pack(chunk * 1 for chunk in [content[:100], content[100:]])))
    assert unpacked(path) == content
    assert unpack_head(path, size) == content[:size]


def test_every_cut_and_what_follows_is_found(tmp_path: Path) -> None:
    """A frame that ends early, and one with something behind it, are damaged."""
    whole = b"".join(pack([bytes(range(200)) * 3]))
    path = tmp_path / "file.zst"
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(JournalCorrupt, match=r"cut off|does not unpack"):
            unpack_segment(path)
    for more in (b"x", whole):
        path.write_bytes(whole + more)
        with pytest.raises(JournalCorrupt, match="something follows"):
            unpack_segment(path)


def test_a_frame_that_holds_more_than_a_segment_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What unpacks without end does not fill the memory."""
    path = tmp_path / "file.zst"
    path.write_bytes(b"".join(pack([bytes(5001)])))
    monkeypatch.setattr(packing, "CONTENT_BYTES_MAX", 5000)
    with pytest.raises(JournalCorrupt, match="expected at most 5000 bytes"):
        unpack_segment(path)


def test_every_flipped_bit_of_a_compressed_segment(tmp_path: Path) -> None:
    """A flipped bit is an error, or changes nothing of the content; verification is never silent about the rest."""
    last = kept.small_journal(tmp_path, 2)
    compress(tmp_path, keep=0)
    path = next(tmp_path.glob("*.zst"))
    content = unpacked(path)
    refused = 0
    bits = path.stat().st_size * 8
    for bit in range(0, bits, 97 if cases.JIT_DISABLED else 3):
        cases.flip_bit(path, bit >> 3, bit & 7)
        try:
            assert unpacked(path) == content
        except JournalCorrupt:
            refused += 1
            with pytest.raises(JournalError):
                cases.read_all(tmp_path)
        cases.flip_bit(path, bit >> 3, bit & 7)
    assert refused > 0.9 * bits / (97 if cases.JIT_DISABLED else 3)
    kept.check_journal(tmp_path, last)


@pytest.mark.parametrize("segment_bytes", [64 << 10, 512 << 10])
def test_a_damaged_compressed_segment_is_a_finding(segment_bytes: int, tmp_path: Path) -> None:
    """Whether its header can be read or not: verification goes on behind it, and a writer is refused."""
    noise = np.random.default_rng(3)
    if cases.JIT_DISABLED and segment_bytes > 64 << 10:
        return
    with JournalWriter(tmp_path, 8, 8, cases.LAYOUT_HASH, "none", segment_bytes) as writer:
        while writer.segment_id < 5:
            rows = noise.integers(0, 1 << 62, (400, 8))
            rows[:, 0] = np.arange(writer.next_seq, writer.next_seq + len(rows))
            writer.append(rows)
    compress(tmp_path, keep=0)
    middle = sorted(tmp_path.glob("*.zst"))[1]
    middle.write_bytes(middle.read_bytes()[:-9])
    found = verify_journal(tmp_path)
    assert found.segments == (4 if segment_bytes == 64 << 10 else 5)
    assert any(finding.fatal and finding.file == str(middle) for finding in found.findings)
    with pytest.raises(JournalCorrupt, match=middle.name):
        JournalWriter(tmp_path, 8, 8, cases.LAYOUT_HASH, "none", segment_bytes)
    rows = np.zeros((5000, 8), dtype=np.int64)
    with JournalReader(tmp_path) as reader, pytest.raises(JournalCorrupt, match=middle.name):
        while reader.read(rows):
            pass


def test_without_the_library_the_error_says_what_to_install() -> None:
    """Nothing else of the journal needs it."""
    with pytest.raises(JournalError, match=r"pip install 'ringmatch\[zstd\]'"):
        packing._zstd(("nothing.of.the.kind",))
