"""Every bit of everything: a journal of two segments, its meta file and its manifest. An error or no difference.

Larger damage of single files is in ``test_corruption.py``, ``test_manifest.py`` and ``test_packing.py``; blocks in
another place are in ``test_verify.py``.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from journal.errors import JournalError
from journal.manifest import MANIFEST_NAME
from journal.meta import META_NAME
from journal.recovery import Decision
from journal.sealing import seal
from journal.segment import SEGMENT_HEADER_BYTES, list_segments
from journal.verify import verify_journal
from tests.journal import cases

pytestmark = pytest.mark.bounds

LAST = 6
STEP = 211 if cases.JIT_DISABLED else 1
HEADER_FIELDS = 72


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two segments of two blocks, closed in order, the first one sealed."""
    directory = tmp_path_factory.mktemp("sweep") / "journal"
    with cases.open_writer(directory, "none") as writer:
        for seq in (1, 2, 4, 6):
            if seq == 4:
                writer.roll()
            writer.append(cases.rows(seq, 2 if seq in (2, 4) else 1, spread=5))
    seal(directory)
    return directory


def places(path: Path) -> Iterator[int]:
    """Yield the bits of a file to flip: all that mean something, and some of the zeros in between."""
    size = len(path.read_bytes().rstrip(b"\0"))
    if path.name == META_NAME:
        for slot in (0, 4096):  # test_meta.py flips every bit of a slot
            yield from range(slot * 8, (slot + 64) * 8, STEP)
            yield from range((slot + 64) * 8, (slot + 512) * 8, 7 * STEP)
    elif path.suffix == ".rmj":
        yield from range(0, HEADER_FIELDS * 8, STEP)
        yield from range(HEADER_FIELDS * 8, SEGMENT_HEADER_BYTES * 8, 97 * STEP)
        yield from range(SEGMENT_HEADER_BYTES * 8, size * 8, STEP)
    else:
        yield from range(0, size * 8, STEP)


@pytest.mark.parametrize(
    "name", ["journal-00000000000000000001.rmj", "journal-00000000000000000004.rmj", META_NAME, MANIFEST_NAME]
)
def test_every_bit_of_a_journal_of_two_segments(name: str, whole: Path, tmp_path: Path) -> None:
    """No flipped bit passes: verification names it, and what is still read is a prefix of what was written."""
    directory = tmp_path / "journal"
    shutil.copytree(whole, directory)
    expected = cases.journaled(cases.rows(1, LAST, spread=5))
    assert verify_journal(directory).findings == []
    path = directory / name
    flipped = refused = 0
    for bit in places(path):
        cases.flip_bit(path, bit >> 3, bit & 7)
        flipped += 1
        findings = verify_journal(directory).findings
        assert findings, f"bit {bit} of {name}"
        try:
            rows = cases.read_all(directory)
            assert np.array_equal(rows, expected[: len(rows)]), f"bit {bit} of {name}"
            assert len(rows) == LAST, f"bit {bit} of {name}: silence"
        except JournalError:
            refused += 1
        cases.flip_bit(path, bit >> 3, bit & 7)
    assert verify_journal(directory).findings == []
    assert refused == (flipped if path.suffix == ".rmj" else 0)


def test_every_bit_of_the_last_block_that_nobody_was_told_of(whole: Path, tmp_path: Path) -> None:
    """Without a clean end a damaged last block is a torn tail: the rest is a prefix, and a writer goes on with it."""
    directory = tmp_path / "journal"
    shutil.copytree(whole, directory)
    writer = cases.open_writer(directory, "none")
    start = writer.offset
    writer.write_block(*cases.sealed_block(cases.rows(LAST + 1, 2, spread=5)))
    path, stop = writer.segment_path, writer.offset
    writer.abort()
    expected = cases.journaled(cases.rows(1, LAST + 2, spread=5))
    for bit in range(start * 8, stop * 8, STEP):
        cases.flip_bit(path, bit >> 3, bit & 7)
        rows = cases.read_all(directory)
        assert len(rows) == LAST and np.array_equal(rows, expected[:LAST])
        (finding,) = verify_journal(directory).findings
        assert not finding.fatal and finding.offset == start
        cases.flip_bit(path, bit >> 3, bit & 7)
    cases.flip_bit(path, start + 70, 1)
    with cases.open_writer(directory, "none") as writer:
        assert (writer.recovered, writer.next_seq) == (Decision.TRUNCATE, LAST + 1)
    assert len(list_segments(directory)) == 2
