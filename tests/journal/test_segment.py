"""Segment headers and names."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journal import segment
from journal.disk import OPERATIONS, Disk, FaultyDisk
from journal.errors import JournalCorrupt, JournalError, JournalFull, JournalIOError, JournalLayout
from journal.segment import RecordLayout, SegmentHeader
from tests.journal import cases

pytestmark = pytest.mark.jitoff

I64 = st.integers(-(1 << 63), (1 << 63) - 1)
U32 = st.integers(0, (1 << 32) - 1)
HEADER = SegmentHeader(RecordLayout(16, 15, 1 << 62), 7, 1_000_001, 64 << 20, 3, 0xDEADBEEF)
PATH = Path("journal-00000000000001000001.rmj")


@given(layout=st.builds(RecordLayout, U32, U32, I64), id_=I64, first=I64, size=I64, epoch=I64, link=U32)
def test_a_header_comes_back(
    layout: RecordLayout, id_: int, first: int, size: int, epoch: int, link: int
) -> None:
    """Packing and parsing a header is the identity."""
    header = SegmentHeader(layout, id_, first, size, epoch, link)
    raw = segment.pack_header(header)
    assert len(raw) == segment.SEGMENT_HEADER_BYTES
    assert segment.parse_header(raw, PATH, first) == header


def test_every_flipped_bit_of_a_header_is_found() -> None:
    """No header with one flipped bit is believed."""
    raw = bytearray(segment.pack_header(HEADER))
    fields = range(72 * 8)
    padding = range(72 * 8, len(raw) * 8, 977 if cases.JIT_DISABLED else 1)
    for bit in (*fields, *padding):
        raw[bit >> 3] ^= 1 << (bit & 7)
        with pytest.raises((JournalCorrupt, JournalLayout)):
            segment.parse_header(bytes(raw), PATH, HEADER.first_seq)
        raw[bit >> 3] ^= 1 << (bit & 7)
    assert segment.parse_header(bytes(raw), PATH, HEADER.first_seq) == HEADER


@pytest.mark.parametrize(
    ("offset", "kind", "message"),
    [
        (0, JournalCorrupt, "no segment header"),
        (8, JournalLayout, "expected format version 1"),
        (12, JournalCorrupt, "segment header checksum"),
    ],
)
def test_a_bad_header_is_named(offset: int, kind: type[JournalError], message: str) -> None:
    """The error of a bad header names the file, the offset, what was expected and what was found."""
    raw = bytearray(segment.pack_header(HEADER))
    raw[offset] ^= 2
    with pytest.raises(kind, match=message) as caught:
        segment.parse_header(bytes(raw), PATH, HEADER.first_seq)
    assert PATH.name in str(caught.value) and f"offset {offset}" in str(caught.value)
    assert "expected" in str(caught.value) and "was" in str(caught.value)


def test_a_short_header_and_a_renamed_segment_are_corrupt() -> None:
    """A header that is cut off, or that belongs to another file name, is refused."""
    raw = segment.pack_header(HEADER)
    with pytest.raises(JournalCorrupt, match="cut off"):
        segment.parse_header(raw[:4095], PATH, HEADER.first_seq)
    with pytest.raises(JournalCorrupt, match="not that of the name: expected 5, was 1000001"):
        segment.parse_header(raw, PATH, 5)


def test_segments_are_listed_in_order_and_nothing_else_is(tmp_path: Path) -> None:
    """Only files named as segments are segments; they are sorted by first sequence."""
    for first in (300, 1, 20):
        (tmp_path / segment.segment_name(first)).touch()
    for name in ("journal.meta", "journal-1.rmj", segment.SPARE_NAME, segment.segment_name(1) + ".4096.torn"):
        (tmp_path / name).touch()
    assert [first for first, _ in segment.list_segments(tmp_path)] == [1, 20, 300]


def test_a_spare_is_reserved_and_gets_its_name_last(tmp_path: Path) -> None:
    """A spare has its full size at once, is no segment until it is named, and is one then."""
    fd = segment.make_spare(Disk(), tmp_path, 64 << 10, durable=True)
    try:
        assert os.fstat(fd).st_size == 64 << 10
        assert segment.list_segments(tmp_path) == []
        path = segment.name_spare(Disk(), tmp_path, fd, HEADER, durable=True)
    finally:
        os.close(fd)
    assert segment.list_segments(tmp_path) == [(HEADER.first_seq, path)]
    assert segment.read_header(path, HEADER.first_seq) == HEADER


@pytest.mark.parametrize("operation", ["open", "fallocate", "fsync", "pwrite", "rename", "fsync_dir"])
def test_every_failing_operation_is_named(operation: str, tmp_path: Path) -> None:
    """Each operation that fails while a segment is made becomes an error with its number; a full disk is Full."""
    for number, kind in ((errno.EIO, JournalIOError), (errno.ENOSPC, JournalFull)):
        assert operation in OPERATIONS
        disk = FaultyDisk(operation, 1, number)
        fd = -1
        with pytest.raises(kind) as caught:
            try:
                fd = segment.make_spare(disk, tmp_path, 64 << 10, durable=True)
                segment.name_spare(disk, tmp_path, fd, HEADER, durable=True)
            finally:
                if fd >= 0:
                    os.close(fd)
        assert isinstance(caught.value, JournalIOError) and caught.value.errno == number
        assert caught.value.operation in (operation, "fsync")
        assert disk.fired
