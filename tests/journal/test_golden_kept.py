"""The formats of what is kept, frozen: a manifest of version 1, a compressed segment, a copy in an archive.

``python -m tests.journal.test_golden_kept`` writes the golden files anew, which only a new format version may need. How
well Zstandard compresses is not part of the format, so compressed files are read, but not compared.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from journal.copies import archive
from journal.manifest import MANIFEST_NAME, read_manifest
from journal.reader import JournalReader
from journal.segment import SEGMENT_BYTES_MIN, open_segment, segment_name
from journal.verify import verify_journal
from journal.writer import JournalWriter
from tests.journal.test_golden import JOURNAL_WORDS, LAYOUT_HASH, WORDS, records

pytestmark = pytest.mark.jitoff

GOLDEN = Path(__file__).resolve().parent / "golden_kept"
BATCHES = (4, 6, 9)  # a segment each; the last one is not sealed
CHAIN = "3ba2f3fe0fd5cbd086f32e45e8c537251e33467cf8c3397a221e4247f65eec53"
PLAIN, PACKED = segment_name(5), segment_name(1) + ".zst"


def write_archive(directory: Path) -> Path:
    """Write the golden records in three segments, and archive those that are complete."""
    options: dict[str, Any] = {"segment_bytes": SEGMENT_BYTES_MIN, "key_word": 5, "key_mask": 0xFFFF}
    start = 0
    with JournalWriter(directory / "journal", WORDS, JOURNAL_WORDS, LAYOUT_HASH, "none", **options) as writer:
        for count in BATCHES:
            writer.roll()
            writer.append(records()[start : start + count])
            start += count
    archive(directory / "journal", directory / "archive")
    return directory / "archive"


def test_the_golden_archive_is_read() -> None:
    """The committed files give the records that they were written from, and verify against the chain."""
    with JournalReader(GOLDEN, LAYOUT_HASH) as reader:
        out = np.full((100, WORDS), -1, dtype=np.int64)
        count = reader.read(out)
    expected = records()[: sum(BATCHES[:-1])]
    expected[:, JOURNAL_WORDS:] = 0
    assert np.array_equal(out[:count], expected)
    found = verify_journal(GOLDEN, chain=CHAIN)
    assert (found.findings, found.sealed, found.chain) == ([], 2, CHAIN)


def test_the_golden_archive_is_written(tmp_path: Path) -> None:
    """The same records give the same manifest, bit for bit, and the same content of segments."""
    made = write_archive(tmp_path)
    assert (made / MANIFEST_NAME).read_bytes() == (GOLDEN / MANIFEST_NAME).read_bytes()
    assert (made / PLAIN).read_bytes() == (GOLDEN / PLAIN).read_bytes()
    fd = open_segment(GOLDEN / PACKED)
    assert os.pread(fd, 1 << 20, 0) == (made / segment_name(1)).read_bytes()
    os.close(fd)


if __name__ == "__main__":
    shutil.rmtree(GOLDEN, ignore_errors=True)
    with tempfile.TemporaryDirectory() as place:
        plain = write_archive(Path(place))
        archive(Path(place) / "journal", Path(place) / "packed", packed=True)
        GOLDEN.mkdir()
        shutil.copy(plain / MANIFEST_NAME, GOLDEN)
        shutil.copy(plain / PLAIN, GOLDEN)
        shutil.copy(Path(place) / "packed" / PACKED, GOLDEN)
    manifest = read_manifest(GOLDEN)
    print(f"CHAIN = {manifest.chain if manifest else None}")
