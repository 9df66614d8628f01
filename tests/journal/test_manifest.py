"""The manifest: each line vouches for all before it, any change shows, and only what is kept matters to reading."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journal.disk import Disk
from journal.errors import JournalCorrupt, JournalLayout, JournalLocked
from journal.manifest import (
    MANIFEST_NAME,
    Manifest,
    keeping,
    pack_manifest,
    parse_manifest,
    read_manifest,
    write_manifest,
)
from journal.segment import RecordLayout
from tests.journal import cases

pytestmark = pytest.mark.jitoff

PATH = Path("journal.manifest")
LAYOUT = RecordLayout(16, 15, -5)


def manifest(count: int, layout: RecordLayout = LAYOUT) -> Manifest:
    """Return a manifest of some segments of a hundred records."""
    made = Manifest(layout, 101 if count > 2 else 0)
    for number in range(1, count + 1):
        made = made.with_segment(number, 100 * number - 99, 100 * number, 5000 + number, f"{number:064x}")
    return made


@given(count=st.integers(0, 9), words=st.integers(2, 49), number=st.integers(-(1 << 63), (1 << 63) - 1))
def test_what_is_packed_is_parsed(count: int, words: int, number: int) -> None:
    """Any manifest comes back as it was, layouts of either sign too."""
    made = manifest(count, RecordLayout(words, 2, number))
    assert parse_manifest(pack_manifest(made), PATH) == made


def test_every_flipped_bit_is_found() -> None:
    """No bit of the file can be another one: all of it is under a checksum."""
    raw = pack_manifest(manifest(3))
    for bit in range(0, len(raw) * 8, 7 if cases.JIT_DISABLED else 1):
        changed = bytearray(raw)
        changed[bit >> 3] ^= 1 << (bit & 7)
        with pytest.raises(JournalCorrupt):
            parse_manifest(bytes(changed), PATH)


def test_every_cut_is_found() -> None:
    """A manifest that ends early is damaged, wherever it ends; so is one with something behind it."""
    raw = pack_manifest(manifest(3))
    for size in range(len(raw)):
        with pytest.raises(JournalCorrupt):
            parse_manifest(raw[:size], PATH)
    for more in (b"\n", b"x", raw):
        with pytest.raises(JournalCorrupt):
            parse_manifest(raw + more, PATH)


@given(data=st.binary(max_size=300))
def test_any_bytes_are_refused_or_parsed(data: bytes) -> None:
    """Noise is no manifest, and no crash."""
    with pytest.raises(JournalCorrupt):
        parse_manifest(data, PATH)


def forged(lines: list[str]) -> bytes:
    """Return lines under a checksum that is right."""
    text = "".join(f"{line}\n" for line in lines)
    return f"{text}end {sha256(text.encode()).hexdigest()}\n".encode()


def test_lines_that_were_changed_and_checksummed_anew_are_found() -> None:
    """Whoever drops, reorders or alters a line has to forge the chain from there on, up to the value kept elsewhere."""
    lines = pack_manifest(manifest(4)).decode().splitlines()[:-1]
    for wrong in (
        [*lines[:4], *lines[5:]],
        [*lines[:4], lines[5], lines[4], *lines[6:]],
        [line.replace(" 101 200 ", " 101 199 ") for line in lines],
        [line.replace("5002", "5003") for line in lines],
        [lines[0], lines[1].replace("16 15", "16 14"), *lines[2:]],
        [*lines, lines[-1]],
    ):
        assert wrong != lines
        with pytest.raises(JournalCorrupt, match=r"chain of segments|order of segments"):
            parse_manifest(forged(wrong), PATH)
    assert parse_manifest(forged(lines), PATH) == manifest(4)
    with pytest.raises(JournalCorrupt, match="no line of a manifest"):
        parse_manifest(forged([*lines, "nonsense"]), PATH)
    with pytest.raises(JournalCorrupt, match="no manifest"):
        parse_manifest(forged(["something else", *lines[1:]]), PATH)


def test_segments_out_of_order_are_refused_whatever_the_chain_says() -> None:
    """A gap of ids or of sequences is no manifest."""
    for segment_id, first_seq in ((3, 101), (2, 102), (2, 100)):
        made = manifest(1).with_segment(segment_id, first_seq, 500, 1, "0" * 64)
        with pytest.raises(JournalCorrupt, match="order of segments"):
            parse_manifest(pack_manifest(made), PATH)


def test_a_manifest_of_another_version_is_refused() -> None:
    """It is left alone, and told from a damaged one."""
    lines = pack_manifest(manifest(1)).decode().splitlines()[:-1]
    with pytest.raises(JournalLayout, match="expected manifest version 1, was 2"):
        parse_manifest(forged([lines[0].replace(" 1", " 2"), *lines[1:]]), PATH)


def test_it_is_replaced_as_a_whole(tmp_path: Path) -> None:
    """Where there is none there is None; a new one takes the place of the old, and leaves nothing beside."""
    assert read_manifest(tmp_path) is None
    for count in (1, 3):
        write_manifest(Disk(), tmp_path, manifest(count))
        assert read_manifest(tmp_path) == manifest(count)
    assert [path.name for path in tmp_path.iterdir()] == [MANIFEST_NAME]


def test_two_do_not_keep_one_journal(tmp_path: Path) -> None:
    """Whoever seals, prunes or archives is alone; the lock ends with him."""
    with (
        keeping(tmp_path),
        pytest.raises(JournalLocked, match="sealed, pruned or archived by nobody else"),
        keeping(tmp_path),
    ):
        pass
    with keeping(tmp_path):
        pass
