"""Flipped bits and cuts of a small journal: an error, or nothing durable is missing.

Every bit of the header's fields and of all blocks, a sample of the zeros (``test_segment.py`` and
``test_meta.py`` flip every bit of a segment header and of a meta slot), and every byte to cut at.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from journal.assess import assess
from journal.errors import JournalCorrupt, JournalError
from journal.meta import META_NAME
from journal.reader import JournalReader
from journal.recovery import Decision
from journal.segment import RecordLayout, list_segments
from tests.journal import cases

pytestmark = pytest.mark.bounds

LAYOUT = RecordLayout(cases.WORDS, cases.JOURNAL_WORDS, cases.LAYOUT_HASH)
STEP = 401 if cases.JIT_DISABLED else 1
UNUSED_STEP = 40_009 if cases.JIT_DISABLED else 641  # bits of the zeros behind the records


def three_records(directory: Path, clean: bool) -> tuple[Path, int]:
    """Write three records in three blocks; if not clean, the meta file knows of two. Return segment and end."""
    writer = cases.open_writer(directory)
    for seq in (1, 2, 3):
        if seq == 3:
            writer.write_meta()
        writer.append(cases.rows(seq, 1))
    end = writer.offset
    writer.close() if clean else writer.abort()
    return writer.segment_path, end


def check(directory: Path, durable_seq: int) -> Decision:
    """Assess and read a damaged journal: an error, or a prefix up to at least ``durable_seq``."""
    found = assess(directory, LAYOUT)
    expected = cases.journaled(cases.rows(1, 3))
    if not found.decision.refuses:
        assert found.scans[-1].next_seq > durable_seq
    try:
        got = cases.read_all(directory)
    except JournalError as error:
        assert found.decision.refuses, f"the reader alone complains: {error}"
    else:
        assert np.array_equal(got, expected[: len(got)])
        if found.meta is not None:
            assert len(got) >= durable_seq or found.decision is Decision.REFUSE_MISSING
    return found.decision


@pytest.mark.parametrize(("clean", "durable_seq"), [(True, 3), (False, 2)])
def test_every_flipped_bit_of_the_segment(clean: bool, durable_seq: int, tmp_path: Path) -> None:
    """A flipped bit in header or blocks is refused unless it hits what nobody was told of; zeros do not matter."""
    path, end = three_records(tmp_path, clean)
    decisions = {decision: 0 for decision in Decision}
    header = [*range(72 * 8), *range(72 * 8, 4096 * 8, 37 * STEP)]
    unused = range(end * 8, cases.SEGMENT_BYTES * 8, UNUSED_STEP)
    for bit in (*header[::STEP], *range(4096 * 8, end * 8, STEP), *unused):
        cases.flip_bit(path, bit >> 3, bit & 7)
        decision = check(tmp_path, durable_seq)
        cases.flip_bit(path, bit >> 3, bit & 7)
        decisions[decision] += 1
        if bit < end * 8 and clean:
            assert decision.refuses, f"bit {bit}"
    assert check(tmp_path, durable_seq) is Decision.CLEAN
    assert decisions[Decision.CLEAN] == decisions[Decision.EMPTY] == 0
    assert decisions[Decision.REFUSE_CORRUPT] and decisions[Decision.TRUNCATE]
    if not cases.JIT_DISABLED:
        assert decisions[Decision.REFUSE_LAYOUT]
        assert bool(decisions[Decision.REFUSE_LOST]) == clean


@pytest.mark.parametrize("clean", [True, False])
def test_flipped_bits_of_the_meta_file(clean: bool, tmp_path: Path) -> None:
    """One damaged slot never matters: the other one opens the journal, with all its records.

    That each single bit of a slot matters is a claim of ``test_meta.py``.
    """
    three_records(tmp_path, clean)
    for offset in (0, 4096):
        for bit in range(offset * 8, (offset + 512) * 8, 13 * STEP):
            cases.flip_bit(tmp_path / META_NAME, bit >> 3, bit & 7)
            assert assess(tmp_path, LAYOUT).decision is Decision.CLEAN
            cases.flip_bit(tmp_path / META_NAME, bit >> 3, bit & 7)
    assert len(cases.read_all(tmp_path)) == 3


@pytest.mark.parametrize(("clean", "durable_seq"), [(True, 3), (False, 2)])
def test_every_cut_of_the_segment(clean: bool, durable_seq: int, tmp_path: Path) -> None:
    """A file cut anywhere is refused if durable records are gone, and shorter by what was not durable if not."""
    path, end = three_records(tmp_path / "whole", clean)
    content = path.read_bytes()
    places = [*range(0, 4096, 509), *range(4096, end + 80, 8 if cases.JIT_DISABLED else 1), len(content) - 1]
    for place in places:
        path.write_bytes(content[:place])
        decision = check(tmp_path / "whole", durable_seq)
        if place >= end:
            assert decision is Decision.CLEAN
        elif clean or place < 4096:
            assert decision.refuses
    path.write_bytes(content[:end])
    with cases.open_writer(tmp_path / "whole") as writer:
        assert writer.append(cases.rows(4, 2)) == 5
    assert path.stat().st_size == cases.SEGMENT_BYTES
    assert len(cases.read_all(tmp_path / "whole")) == 5


@pytest.mark.parametrize("cut", [1, 63, 64, 100, -1])
def test_a_torn_tail_is_kept_aside_and_cut_off(cut: int, tmp_path: Path) -> None:
    """Opening keeps a copy of the torn bytes, puts zeros in their place, and writes on."""
    path, end = three_records(tmp_path, clean=False)
    start = JournalReader(tmp_path).info().segments[0].used_bytes
    assert start == end
    data, length = cases.sealed_block(cases.rows(4, 5))
    torn = bytes(data[: length + cut if cut < 0 else cut]).rstrip(b"\0")
    with open(path, "r+b") as file:
        file.seek(end)
        file.write(torn)
    with cases.open_writer(tmp_path) as writer:
        assert writer.recovered is Decision.TRUNCATE and writer.next_seq == 4
        assert writer.torn_copy is not None and writer.torn_copy.read_bytes() == torn
        assert not any(path.read_bytes()[end:]) and path.stat().st_size == cases.SEGMENT_BYTES
        writer.append(cases.rows(4, 2))
    with JournalReader(tmp_path) as reader:
        assert reader.info().torn_files == [writer.torn_copy.name]
        assert reader.verify() == []
    assert np.array_equal(cases.read_all(tmp_path), cases.journaled(cases.rows(1, 5)))


def test_corruption_in_the_middle_is_refused_and_explained(tmp_path: Path) -> None:
    """A damaged block before a valid one: file, offset and sequence are named, and nothing is changed."""
    path, _ = three_records(tmp_path, clean=True)
    cases.flip_bit(path, 4096 + 70, 2)
    before = path.read_bytes()
    with pytest.raises(JournalCorrupt, match="payload checksum, but the valid block at offset") as caught:
        cases.open_writer(tmp_path)
    assert (caught.value.path, caught.value.offset, caught.value.seq) == (str(path), 4096, 1)
    with pytest.raises(JournalCorrupt, match=rf"{path.name}, offset 4096, sequence 1: payload checksum"):
        cases.read_all(tmp_path)
    assert path.read_bytes() == before and not list(tmp_path.glob("*.torn"))


def test_a_block_that_vanished_is_missed(tmp_path: Path) -> None:
    """Zeros in place of a block are not the end if a later block saw it durable, whatever the meta file knows."""
    writer = cases.open_writer(tmp_path)
    ends = [writer.offset]
    for seq in (1, 2, 3):
        writer.append(cases.rows(seq, 1))
        ends.append(writer.offset)
    writer.abort()
    with open(writer.segment_path, "r+b") as file:
        file.seek(ends[1])
        file.write(bytes(ends[2] - ends[1]))
    with pytest.raises(
        JournalCorrupt, match="zeros where a block is expected, but the valid block at offset"
    ):
        cases.open_writer(tmp_path)
    with pytest.raises(
        JournalCorrupt, match="zeros where a block is expected, but the valid block at offset"
    ):
        cases.read_all(tmp_path)


def test_a_damaged_last_record_is_not_a_torn_tail(tmp_path: Path) -> None:
    """The last block looks torn, but the meta file knows that it was durable."""
    path, end = three_records(tmp_path, clean=True)
    cases.flip_bit(path, end - 20, 0)
    with pytest.raises(
        JournalCorrupt, match=r"durable records are lost .*expected records up to 3, was up to 2"
    ):
        cases.open_writer(tmp_path)
    with pytest.raises(JournalCorrupt, match=r"payload checksum, but journal\.meta says that 3 was durable"):
        cases.read_all(tmp_path)


@pytest.mark.parametrize("place", ["last", "middle"])
def test_an_operator_may_accept_the_loss(place: str, tmp_path: Path) -> None:
    """With accept_loss the damaged rest of the last segment is cut off and kept, and the journal goes on."""
    path, end = three_records(tmp_path, clean=True)
    cases.flip_bit(path, end - 20 if place == "last" else 4096 + 70, 0)
    with cases.open_writer(tmp_path, accept_loss=True) as writer:
        assert writer.recovered is Decision.TRUNCATE and writer.torn_copy is not None
        kept = writer.next_seq - 1
        assert kept == (2 if place == "last" else 0)
        writer.append(cases.rows(kept + 1, 6))
    assert np.array_equal(cases.read_all(tmp_path), cases.journaled(cases.rows(1, kept + 6)))


def test_damage_in_an_earlier_segment_is_refused(tmp_path: Path) -> None:
    """Neither records nor a header of an earlier segment may be damaged; its unused end may."""
    with cases.open_writer(tmp_path) as writer:
        writer.append(cases.rows(1, 1500, spread=63))
    _, path = list_segments(tmp_path)[1]
    with JournalReader(tmp_path) as reader:
        end = reader.info().segments[1].used_bytes
    for offset in (20, 4096, 4100, 9_000, end - 1):
        cases.flip_bit(path, offset, 5)
        with pytest.raises(JournalError, match=path.name):
            cases.open_writer(tmp_path)
        with pytest.raises(JournalError, match=path.name):
            cases.read_all(tmp_path)
        cases.flip_bit(path, offset, 5)
    assert end < cases.SEGMENT_BYTES - 1
    cases.flip_bit(path, cases.SEGMENT_BYTES - 1, 5)
    assert len(cases.read_all(tmp_path)) == 1500
    with JournalReader(tmp_path) as reader:
        (finding,) = reader.verify()
        assert not finding.fatal and finding.offset == end
    cases.open_writer(tmp_path).close()


def test_segments_of_another_journal_are_refused(tmp_path: Path) -> None:
    """A segment with the right name, layout and id from another journal does not continue the chain."""
    for name, seed in (("a", 1), ("b", 2)):
        with cases.open_writer(tmp_path / name) as writer:
            for start in range(1, 1500, 100):
                writer.append(cases.rows(start, 100, seed, spread=63))
    pairs = zip(list_segments(tmp_path / "a"), list_segments(tmp_path / "b"), strict=True)
    (first, mine), (other, theirs) = list(pairs)[1]
    assert first == other
    shutil.copy(theirs, mine)
    with pytest.raises(JournalCorrupt, match="is not the one that"):
        cases.open_writer(tmp_path / "a")
    with pytest.raises(JournalCorrupt, match="does not continue"):
        cases.read_all(tmp_path / "a")


@given(data=st.binary(min_size=1, max_size=400), offset=st.integers(0, 9_000))
def test_scribbling_is_found(tmp_path_factory: pytest.TempPathFactory, data: bytes, offset: int) -> None:
    """Any bytes written anywhere into a segment give an error or leave all durable records as they are."""
    directory = tmp_path_factory.mktemp("journal")
    path, _ = three_records(directory, clean=True)
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(data)
    check(directory, 3)


def test_files_of_zeros_and_of_noise_are_no_journals(tmp_path: Path) -> None:
    """Segment files that hold something else are refused with their name."""
    path, _ = three_records(tmp_path, clean=True)
    for content in (b"", b"\0" * cases.SEGMENT_BYTES, b"noise" * 10_000):
        path.write_bytes(content)
        for use in (cases.open_writer, JournalReader):
            with pytest.raises(JournalCorrupt, match=path.name):
                use(tmp_path)
