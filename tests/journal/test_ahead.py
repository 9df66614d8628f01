"""Reading ahead: the records of the reader, in order, up to the end that was asked for; no thread is left behind."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from journal.ahead import BUFFERS, ReadAhead
from journal.errors import JournalCorrupt
from journal.reader import JournalReader
from journal.segment import SEGMENT_HEADER_BYTES
from tests.journal.cases import flip_bit, journaled, open_writer, read_all, rows

pytestmark = pytest.mark.jitoff

COUNT = 1_500


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a journal of a few segments."""
    directory = tmp_path_factory.mktemp("ahead")
    with open_writer(directory, "none") as writer:
        for first in range(1, COUNT + 1, 100):
            writer.append(rows(first, 100))
    assert len(list(directory.glob("*.rmj"))) > 1
    return directory


def taken(directory: Path, size: int, last_seq: int = 0) -> Any:
    """Return all records that come, copied as they come."""
    with JournalReader(directory) as reader, ReadAhead(reader, size, last_seq) as ahead:
        parts = [part.copy() for part in ahead]
        assert all(0 < len(part) <= size for part in parts)
        if last_seq:
            assert reader.next_seq == last_seq + 1
    assert not [thread for thread in threading.enumerate() if thread.name == "journal read-ahead"]
    return np.concatenate(parts)


@pytest.mark.parametrize("size", [1, 7, 100, 4096])
def test_records_come_as_they_are_read(size: int, journal: Path) -> None:
    """Whatever the size of a chunk, the records are those that a plain reader gives."""
    assert (taken(journal, size) == read_all(journal)).all()
    assert (taken(journal, size) == journaled(rows(1, COUNT))).all()


@pytest.mark.parametrize("last_seq", [1, 99, 100, 101, COUNT])
def test_nothing_is_read_beyond_the_last_sequence(last_seq: int, journal: Path) -> None:
    """The last sequence that is wanted comes, and the reader stands behind it."""
    assert taken(journal, 64, last_seq)[:, 0].tolist() == list(range(1, last_seq + 1))


def test_a_chunk_holds_until_the_next_one(journal: Path) -> None:
    """What was handed over is not written to while its owner works on it, however far the thread is ahead."""
    with JournalReader(journal) as reader, ReadAhead(reader, 50) as ahead:
        for part in ahead:
            before = part.copy()
            while ahead._full.qsize() < BUFFERS - 1 and ahead._thread.is_alive():
                pass  # it fills all buffers that it may
            assert (part == before).all()


def test_leaving_early_ends_the_thread(journal: Path) -> None:
    """An owner that has enough, or fails, leaves no thread behind, and the reader can go on elsewhere."""
    with JournalReader(journal) as reader:
        with pytest.raises(ZeroDivisionError), ReadAhead(reader, 10) as ahead:
            for _ in ahead:
                raise ZeroDivisionError
        assert not ahead._thread.is_alive()
        reader.seek(5)
        with ReadAhead(reader, 10) as ahead:
            assert next(iter(ahead))[0, 0] == 5


def test_damage_is_raised_where_it_is(tmp_path: Path) -> None:
    """Records before the damage come, then the error of the reader, in the owner's thread."""
    with open_writer(tmp_path, "none") as writer:
        for first in range(1, 301, 100):
            writer.append(rows(first, 100))
    (segment,) = tmp_path.glob("*.rmj")
    size = segment.stat().st_size
    flip_bit(segment, SEGMENT_HEADER_BYTES + min(size, 20_000), 3)
    seen = 0
    with JournalReader(tmp_path) as reader, ReadAhead(reader, 64) as ahead, pytest.raises(JournalCorrupt):
        for part in ahead:
            seen += len(part)
    assert seen < 300 and seen % 100 == 0
