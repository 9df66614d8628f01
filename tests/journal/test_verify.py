"""Verification: in one process or several the same, against a chain that was kept elsewhere, and of any alteration."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from journal import blocks
from journal.copies import compress
from journal.manifest import MANIFEST_NAME
from journal.retention import prune
from journal.sealing import seal
from journal.segment import SegmentHeader, list_segments, pack_header, read_header
from journal.verify import verify_journal
from journal.writer import JournalWriter
from tests.journal import cases, kept

pytestmark = pytest.mark.jitoff


def test_what_was_looked_at_is_counted(tmp_path: Path) -> None:
    """Segments, blocks, records, and how many of the segments were compared with the manifest."""
    last = kept.small_journal(tmp_path, 3)
    found = verify_journal(tmp_path)
    assert (found.segments, found.blocks, found.records, found.sealed, found.chain) == (4, 8, last, 0, "")
    manifest = seal(tmp_path, limit=2)
    told: list[tuple[int, int]] = []
    found = verify_journal(tmp_path, on_progress=lambda done, total: told.append((done, total)))
    assert (found.segments, found.sealed, found.chain, found.findings) == (4, 2, manifest.chain, [])
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


@pytest.mark.chaos
def test_processes_find_what_one_process_finds(tmp_path: Path) -> None:
    """However many share the work, findings are the same, in the same order."""
    kept.small_journal(tmp_path, 3)
    seal(tmp_path)
    compress(tmp_path, keep=2)
    for number in (1, 2):
        path = list_segments(tmp_path)[number][1]
        cases.flip_bit(path, 4096 + 80, 3)
    alone, shared = (verify_journal(tmp_path, jobs=jobs) for jobs in (1, 2))
    assert alone == shared
    assert len({finding.file for finding in alone.findings}) == 2


def altered(directory: Path) -> None:
    """Write the last sealed segment anew, with other records and good checksums: only the manifest can tell."""
    (first, path), (next_first, next_path) = list_segments(directory)[-2:]
    header, following = read_header(path, first), read_header(next_path, next_first)
    forged = directory.with_name("forged")
    options = {"first_seq": first, "clock": lambda: 0}
    with JournalWriter(forged, *header.layout, "none", header.segment_bytes, **options) as writer:
        for _ in range(2):
            writer.append(cases.rows(writer.next_seq, kept.ROWS_A_SEGMENT // 2, seed=9))
    content = bytearray(list_segments(forged)[0][1].read_bytes())
    link = chain_anew(content, header)
    path.write_bytes(content)
    raw = bytearray(next_path.read_bytes())
    changed = following._replace(link=link)
    raw[:4096] = pack_header(changed)
    chain_anew(raw, changed)
    next_path.write_bytes(raw)


def chain_anew(raw: bytearray, header: SegmentHeader) -> int:
    """Give a segment another header, and all its blocks new places in the chain; return the last link."""
    raw[:4096] = pack_header(header)
    sizes, link, offset = np.zeros(3, dtype=np.int64), header.link, 4096
    while raw[offset : offset + 4] == b"RMJB":
        data = np.frombuffer(bytearray(raw[offset : offset + (1 << 14)]), dtype=np.uint8)
        assert blocks.sealed_sizes(data, sizes) == 0
        link = int(blocks.stamp_block(data, header.segment_id, link, header.epoch, int(sizes[0]) - 1))
        raw[offset : offset + int(sizes[2])] = bytes(data[: int(sizes[2])])
        offset += int(sizes[2])
    return link


def test_records_that_were_exchanged_with_good_checksums_are_found(tmp_path: Path) -> None:
    """Every block, chain and header checks out: the digest of what was sealed does not."""
    journal = tmp_path / "journal"
    kept.small_journal(journal, 2)
    manifest = (seal(journal), (journal / MANIFEST_NAME).read_bytes())[1]
    (journal / MANIFEST_NAME).unlink()
    altered(journal)
    assert verify_journal(journal).findings == [], "without a manifest nothing shows"
    (journal / MANIFEST_NAME).write_bytes(manifest)
    findings = verify_journal(journal).findings
    assert findings and all(finding.fatal for finding in findings)
    assert any("not the segment that was sealed: SHA-256" in finding.problem for finding in findings)


def test_a_manifest_that_was_forged_too_is_found_by_a_chain_kept_elsewhere(tmp_path: Path) -> None:
    """Who can write everything can forge everything, but not the value that somebody else has."""
    journal = tmp_path / "journal"
    kept.small_journal(journal, 2)
    chain = seal(journal, limit=1).chain
    assert verify_journal(journal, chain=chain).findings == []
    seal(journal)
    assert verify_journal(journal, chain=chain).findings == [], "what came later does not matter"
    (journal / MANIFEST_NAME).unlink()
    (finding,) = verify_journal(journal, chain=chain).findings
    assert finding.fatal and f"expected the chain {chain}" in finding.problem
    altered(journal)
    later = seal(journal).chain
    assert verify_journal(journal).findings == []
    assert [finding.fatal for finding in verify_journal(journal, chain="0" * 64).findings] == [True]
    assert later != chain


def test_a_block_in_another_place_is_found(tmp_path: Path) -> None:
    """Blocks that were exchanged within a segment, or between segments and offsets, are no part of the journal."""
    kept.small_journal(tmp_path, 2)
    paths = [path for _, path in list_segments(tmp_path)]
    raws = [path.read_bytes() for path in paths]
    ends = [raw.rindex(b"RMJB") for raw in raws]  # the second of two blocks
    size = [len(raw.rstrip(b"\0")) + 7 & ~7 for raw in raws]
    for source in range(3):
        for target in range(3):
            for second in (False, True):
                block = raws[source][ends[source] : size[source]]
                place = ends[target] if second else 4096
                if (source, second) == (target, True):
                    continue
                paths[target].write_bytes(raws[target][:place] + block + raws[target][place + len(block) :])
                assert any(finding.fatal for finding in verify_journal(tmp_path).findings)
                rows = []
                try:
                    rows = list(cases.read_all(tmp_path))
                except Exception as error:
                    assert "journal-" in str(error)
                assert not len(rows)
                paths[target].write_bytes(raws[target])
    assert verify_journal(tmp_path).findings == []


def test_an_archive_misses_what_it_had(tmp_path: Path) -> None:
    """A sealed segment that is gone is named, in a journal and in an archive, unless it was pruned."""
    kept.small_journal(tmp_path, 3)
    seal(tmp_path)
    (tmp_path / "journal.meta").unlink()
    list_segments(tmp_path)[-1][1].unlink()
    assert verify_journal(tmp_path).findings == []
    list_segments(tmp_path)[-1][1].unlink()
    (finding,) = verify_journal(tmp_path).findings
    assert finding.fatal and "expected segment 3 from 13 on, was none" in finding.problem


def test_what_was_pruned_is_not_missed(tmp_path: Path) -> None:
    """Pruned segments count neither as gone nor, if a crash left them behind, as there."""
    last = kept.small_journal(tmp_path, 3)
    first = list_segments(tmp_path)[0][1]
    raw = first.read_bytes()
    prune(tmp_path, 12)
    first.write_bytes(raw)
    found = verify_journal(tmp_path)
    assert (found.segments, found.sealed, found.findings) == (2, 1, [])
    kept.check_journal(tmp_path, last, 13)
    assert prune(tmp_path, 12).files == [first.name]
