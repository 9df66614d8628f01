"""The reader: from any sequence on, beside a live writer, and what it says of the files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from journal.errors import JournalCorrupt, JournalMissing
from journal.reader import Finding, JournalReader
from journal.scan import WINDOW_BYTES
from journal.writer import JournalWriter
from tests.journal import cases

pytestmark = pytest.mark.jitoff

TOTAL = 400 if cases.JIT_DISABLED else 1500


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal of several segments and many blocks."""
    directory = tmp_path_factory.mktemp("journal")
    with cases.open_writer(directory, "none") as writer:
        for start in range(1, TOTAL + 1, 25):
            writer.append(cases.rows(start, min(25, TOTAL + 1 - start), spread=63))
    return directory


@given(start=st.integers(1, TOTAL + 1), sizes=st.lists(st.integers(1, 300), min_size=1, max_size=4))
def test_reading_begins_at_any_sequence_and_in_any_pieces(
    journal: Path, start: int, sizes: list[int]
) -> None:
    """After seek(seq) the next record is seq, whatever is read at a time."""
    seq = start
    with JournalReader(journal) as reader:
        reader.seek(seq)
        for size in sizes:
            assert reader.next_seq == seq
            out = np.zeros((size, cases.WORDS), dtype=np.int64)
            count = reader.read(out)
            assert count == min(size, TOTAL + 1 - seq)
            assert np.array_equal(out[:count], cases.journaled(cases.rows(seq, count, spread=63)))
            seq += count


def test_a_limit_reads_less_than_there_is_room_for(journal: Path) -> None:
    """read(out, limit) fills at most limit rows, and 0 rows if asked for none."""
    with JournalReader(journal) as reader:
        out = np.zeros((100, cases.WORDS), dtype=np.int64)
        assert reader.read(out, 7) == 7 and reader.next_seq == 8
        assert reader.read(out, 0) == 0 and reader.next_seq == 8
        assert not out[7:].any()


@pytest.mark.parametrize("seq", [0, -5, TOTAL + 2, 1 << 40])
def test_a_sequence_that_is_not_there_is_missing(journal: Path, seq: int) -> None:
    """Seeking before the first or beyond the next record names what there is."""
    with JournalReader(journal) as reader, pytest.raises(JournalMissing, match="expected a sequence"):
        reader.seek(seq)


@pytest.mark.parametrize("out", [np.zeros((4, 15), np.int64), np.zeros(16, np.int64), np.zeros((4, 16))])
def test_rows_of_another_shape_are_refused(journal: Path, out: Any) -> None:
    """Output rows must be int64 words, as many as a record has."""
    with JournalReader(journal) as reader, pytest.raises(ValueError, match="expected rows of 16 int64 words"):
        reader.read(out)


def test_what_is_no_journal_is_missing(tmp_path: Path) -> None:
    """A directory that is not there, or holds no segment, is JournalMissing."""
    for directory in (tmp_path / "nothing", tmp_path):
        with pytest.raises(JournalMissing, match="expected a journal, was no"):
            JournalReader(directory)


def test_a_reader_follows_a_live_writer(tmp_path: Path) -> None:
    """Records are seen once they are written, across rolls; the end is 0 and not final."""
    out = np.zeros((500, cases.WORDS), dtype=np.int64)
    with cases.open_writer(tmp_path) as writer, JournalReader(tmp_path) as reader:
        assert reader.read(out) == 0
        seq = 1
        for count in (1, 30, 200, 300, 5, 290):
            writer.append(cases.rows(seq, count, spread=63))
            assert reader.read(out) == count
            assert np.array_equal(out[:count], cases.journaled(cases.rows(seq, count, spread=63)))
            assert reader.read(out) == 0
            seq += count
        assert writer.segments_made >= 2


def test_a_half_visible_block_is_the_end_for_now(tmp_path: Path) -> None:
    """Whatever part of the next block is visible, the reader stops before it, and reads it when it is whole."""
    writer = cases.open_writer(tmp_path)
    writer.append(cases.rows(1, 3))
    offset = writer.offset
    writer.append(cases.rows(4, 3))
    whole = writer.segment_path.read_bytes()
    end = writer.offset
    out = np.zeros((10, cases.WORDS), dtype=np.int64)
    for visible in range(offset, end, 16):
        writer.segment_path.write_bytes(whole[:visible] + bytes(len(whole) - visible))
        with JournalReader(tmp_path) as reader:
            assert reader.read(out) == 3
            assert reader.read(out) == 0
            writer.segment_path.write_bytes(whole)
            assert reader.read(out) == 3
            assert np.array_equal(out[:3], cases.journaled(cases.rows(4, 3)))
    writer.abort()


def test_blocks_larger_than_the_window_are_read(tmp_path: Path) -> None:
    """The window grows with the largest block."""
    count = 40_000 if not cases.JIT_DISABLED else 40
    many = np.zeros((count, 2), dtype=np.int64)
    many[:, 1] = np.random.default_rng(7).integers(0, 1 << 62, count)
    many[:, 0] = np.arange(1, count + 1)
    with JournalWriter(tmp_path, 2, 2, 1, "none", 4 << 20) as writer:
        data, length = cases.sealed_block(many, 1 << 20, journal_words=2)
        assert length > WINDOW_BYTES or cases.JIT_DISABLED
        writer.write_block(data, length)
        writer.append(np.array([[count + 1, 7]], dtype=np.int64))
    got = cases.read_all(tmp_path, batch=4096)
    assert np.array_equal(got[:-1], many) and got[-1].tolist() == [count + 1, 7]


def test_info_says_what_the_files_hold(journal: Path) -> None:
    """Ranges, sizes and states of all segments, without gaps, as data for a command line."""
    with JournalReader(journal) as reader:
        info = reader.info()
    assert (info.state, info.first_seq, info.last_seq, info.record_count) == ("clean", 1, TOTAL, TOTAL)
    assert (info.record_words, info.journal_words, info.layout_hash) == (16, 15, cases.LAYOUT_HASH)
    assert (info.durable_seq, info.clean, info.writer_pid, info.epoch) == (TOTAL, True, os.getpid(), 1)
    assert info.block_count == -(-TOTAL // 25)
    assert 90 < info.payload_bytes_per_record < 140
    assert info.file_bytes == len(info.segments) * cases.SEGMENT_BYTES
    first = 1
    for number, segment in enumerate(info.segments, start=1):
        assert (segment.segment_id, segment.first_seq, segment.state) == (number, first, "ok")
        first = segment.last_seq + 1
    assert first == TOTAL + 1
    assert msgspec.json.decode(msgspec.json.encode(info))["segments"][0]["file"] == info.segments[0].file


def test_a_sound_journal_has_no_findings(journal: Path) -> None:
    """Everything is checked and decoded, and nothing is found."""
    with JournalReader(journal) as reader:
        assert reader.verify() == []


def test_damage_is_reported_and_not_raised(tmp_path: Path) -> None:
    """The info and the findings of a damaged journal say where, and whether it is fatal."""
    with cases.open_writer(tmp_path) as writer:
        for seq in (1, 11, 21):
            writer.append(cases.rows(seq, 10))
    path = cases.only_segment(tmp_path)
    cases.flip_bit(path, 4096 + 100, 1)
    with JournalReader(tmp_path) as reader:
        info = reader.info()
        assert "payload checksum" in info.state and info.segments[0].state == "payload checksum"
        assert (info.last_seq, info.record_count) == (0, 0)
        findings = reader.verify()
        assert findings and all(isinstance(finding, Finding) for finding in findings)
        assert (findings[0].file, findings[0].offset, findings[0].seq) == (str(path), 4096, 1)
        assert findings[0].fatal and "payload checksum" in findings[0].problem
        with pytest.raises(JournalCorrupt):
            reader.read(np.zeros((1, 16), dtype=np.int64))


def test_a_torn_tail_is_a_finding_that_is_not_fatal(tmp_path: Path) -> None:
    """Bytes behind the last block are reported; reading ends before them."""
    with cases.open_writer(tmp_path) as writer:
        writer.append(cases.rows(1, 5))
        end = writer.offset
    with open(cases.only_segment(tmp_path), "r+b") as file:
        file.seek(end + 8)
        file.write(b"garbage")
    with JournalReader(tmp_path) as reader:
        (finding,) = reader.verify()
        assert (finding.offset, finding.seq, finding.fatal) == (end, 6, False)
        assert reader.info().state == "truncate the torn tail"
    assert len(cases.read_all(tmp_path)) == 5


def test_a_missing_segment_is_a_finding(tmp_path: Path) -> None:
    """A gap between segments is found by verify, and raised by read when it gets there."""
    with cases.open_writer(tmp_path) as writer:
        writer.append(cases.rows(1, 1500, spread=63))
    middle = sorted(tmp_path.glob("*.rmj"))[1]
    middle.unlink()
    with JournalReader(tmp_path) as reader:
        assert any("expected segment 2" in finding.problem and finding.fatal for finding in reader.verify())
    with pytest.raises(JournalCorrupt, match="comes later"):
        cases.read_all(tmp_path)
    sorted(tmp_path.glob("*.rmj"))[0].unlink()
    with pytest.raises(JournalMissing, match="expected a segment from 1 on"):
        JournalReader(tmp_path)


def test_a_block_that_does_not_decode_is_corrupt(tmp_path: Path) -> None:
    """Good checksums over bytes that are no coding are damage, for reading and for verify."""
    writer = cases.open_writer(tmp_path)
    data, length = cases.sealed_block(cases.rows(1, 3))
    words = data.view(np.int64)
    words[4] = (words[4] & ~0xFFFFFFFF) | 2  # two records in the bytes of three
    writer.write_block(data, length)
    writer.close()
    with pytest.raises(JournalCorrupt, match="payload and record count do not agree"):
        cases.read_all(tmp_path)
    with JournalReader(tmp_path) as reader:
        assert [finding.fatal for finding in reader.verify()] == [True]
