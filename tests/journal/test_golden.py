"""The format, frozen: a journal of format version 1 is read for ever, and written bit for bit.

``python -m tests.journal.test_golden`` writes the golden files anew, which only a new format version may need.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from journal.meta import META_NAME, read_meta
from journal.reader import JournalReader
from journal.segment import SEGMENT_BYTES_MIN
from journal.writer import JournalWriter

pytestmark = pytest.mark.jitoff

GOLDEN = Path(__file__).resolve().parent / "golden"
SEGMENT = "journal-00000000000000000001.rmj"
WORDS, JOURNAL_WORDS, LAYOUT_HASH = 8, 7, 0x0123_4567_89AB_CDEF
BATCHES = (1, 5, 30)


def records() -> Any:
    """Return records with all that the coding tells apart: repeats, texts, deltas, signs, and a word not kept."""
    made = np.zeros((sum(BATCHES), WORDS), dtype=np.int64)
    for index in range(len(made)):
        text = int.from_bytes(f"ORD{index * 7:05d}".encode(), "little")
        price, session = 10_000 + index * index % 17, index % 3
        made[index] = [
            index + 1, 1_000_000_007 * (index + 1), price, -index, text, session | index % 2 << 16,
            (-1) ** index << 40 + index % 20, 99,
        ]  # fmt: skip
    return made


def write_journal(directory: Path) -> None:
    """Write the golden records in three blocks, by two writers."""
    start = 0
    for count in BATCHES:
        options: dict[str, Any] = {"segment_bytes": SEGMENT_BYTES_MIN, "key_word": 5, "key_mask": 0xFFFF}
        options["clock"] = lambda: 0
        with JournalWriter(directory, WORDS, JOURNAL_WORDS, LAYOUT_HASH, "none", **options) as writer:
            writer.append(records()[start : start + count])
        start += count


def test_the_golden_journal_is_read() -> None:
    """The committed journal gives the records that it was written from."""
    with JournalReader(GOLDEN, LAYOUT_HASH) as reader:
        out = np.full((100, WORDS), -1, dtype=np.int64)
        count = reader.read(out)
        info = reader.info()
        assert reader.verify() == []
    expected = records()
    expected[:, JOURNAL_WORDS:] = 0
    assert np.array_equal(out[:count], expected)
    assert (info.state, info.durable_seq, info.epoch, info.block_count) == ("clean", count, 3, len(BATCHES))


def test_the_golden_journal_is_written(tmp_path: Path) -> None:
    """The same records give the same bytes; the meta file differs in the writer's pid only."""
    write_journal(tmp_path)
    written, golden = (tmp_path / SEGMENT).read_bytes(), (GOLDEN / SEGMENT).read_bytes()
    assert written[: len(golden)] == golden
    assert not any(written[len(golden) :]) and len(written) == SEGMENT_BYTES_MIN
    mine, theirs = read_meta(tmp_path), read_meta(GOLDEN)
    assert mine is not None and theirs is not None
    assert mine._replace(pid=0) == theirs._replace(pid=0)


def test_the_golden_journal_is_continued(tmp_path: Path) -> None:
    """A copy of it, though cut to what is used, is opened for writing, and goes on at the next epoch."""
    for name in (SEGMENT, META_NAME):
        (tmp_path / name).write_bytes((GOLDEN / name).read_bytes())
    with JournalWriter(tmp_path, WORDS, JOURNAL_WORDS, LAYOUT_HASH, "none", SEGMENT_BYTES_MIN) as writer:
        assert (writer.next_seq, writer.epoch) == (sum(BATCHES) + 1, 4)


if __name__ == "__main__":
    for name in (SEGMENT, META_NAME):
        (GOLDEN / name).unlink(missing_ok=True)
    write_journal(GOLDEN)
    with JournalReader(GOLDEN) as reader:
        size = reader.info().used_bytes
    with open(GOLDEN / SEGMENT, "r+b") as file:
        file.truncate(size)
    print(f"{SEGMENT}: {size} bytes")
