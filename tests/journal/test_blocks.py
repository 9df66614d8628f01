"""Blocks: sealing, stamping, walking, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from journal import blocks, blockwalk, compact
from tests.journal import cases

pytestmark = pytest.mark.jitoff

ROOM = 1 << 12
SEGMENT_ID, EPOCH, FIRST_LINK = 3, 2, 77


def chain(*counts: int, seed: int = 1) -> tuple[Any, list[int], Any]:
    """Return a buffer of stamped blocks with ``counts`` records each, where each begins, and the rows."""
    rows = cases.rows(1, sum(counts), seed, spread=20)
    data = np.zeros(ROOM, dtype=np.uint8)
    starts, position, link, row = [], 0, FIRST_LINK, 0
    for count in counts:
        block, size = cases.sealed_block(rows[row : row + count], ROOM)
        link = int(blocks.stamp_block(block, SEGMENT_ID, link, EPOCH, row))
        data[position : position + size] = block[:size]
        starts.append(position)
        position, row = position + size, row + count
    return data, [*starts, position], rows


def walk(
    data: Any, filled: int = ROOM - 512, check_only: bool = False, **changed: int
) -> tuple[int, Any, Any]:
    """Walk over a buffer; return the status, the decoded rows and the walker."""
    facts = {"segment_id": SEGMENT_ID, "first_seq": 1, "link": FIRST_LINK, "epoch": EPOCH}
    walker = blockwalk.new_walker(**(facts | {"segment_bytes": ROOM - 512, "position": 0} | changed))
    out = np.zeros((64, cases.WORDS), dtype=np.int64)
    stop = -1 if check_only else len(out)
    codec = compact.new_codec(cases.JOURNAL_WORDS)
    row = blockwalk.walk_blocks(data, compact.byte_spans(data), 0, filled, walker, out, 0, stop, codec)
    return int(walker[blockwalk.STATUS]), out[:row], walker


@given(counts=st.lists(st.integers(1, 6), min_size=1, max_size=6), seed=st.integers(0, 1000))
def test_a_chain_of_blocks_is_walked_to_its_end(counts: list[int], seed: int) -> None:
    """All records of all blocks come back in order, and the walk ends where the zeros begin."""
    data, starts, rows = chain(*counts, seed=seed)
    status, got, walker = walk(data)
    assert status == blockwalk.WALK_END
    assert np.array_equal(got, cases.journaled(rows))
    assert walker[blockwalk.POSITION] == starts[-1]
    assert walker[blockwalk.BLOCK_COUNT] == len(counts)
    status, none, checker = walk(data, check_only=True)
    assert status == blockwalk.WALK_END and len(none) == 0
    for word in (blockwalk.POSITION, blockwalk.EXPECTED_SEQ, blockwalk.LINK, blockwalk.BLOCK_COUNT):
        assert checker[word] == walker[word]


def test_every_flipped_bit_of_a_block_is_found() -> None:
    """One flipped bit anywhere in the second of three blocks ends the walk before it."""
    data, starts, rows = chain(2, 3, 2)
    for bit in range(starts[1] * 8, starts[2] * 8):
        data[bit >> 3] ^= 1 << (bit & 7)
        status, got, walker = walk(data)
        data[bit >> 3] ^= 1 << (bit & 7)
        assert status < 0, f"bit {bit}"
        assert walker[blockwalk.POSITION] == starts[1]
        assert np.array_equal(got, cases.journaled(rows[:2]))


def test_every_cut_is_found() -> None:
    """A window that ends inside a block asks for more, and never shows a part of the block."""
    data, starts, _ = chain(2, 3)
    for filled in range(starts[1], starts[2]):
        status, got, walker = walk(data, filled)
        assert status == blockwalk.WALK_MORE
        assert walker[blockwalk.POSITION] == starts[1] and len(got) == 2
        assert filled < starts[1] + walker[blockwalk.NEEDED] <= starts[2]


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"segment_id": 4}, blockwalk.BAD_SEGMENT),
        ({"first_seq": 2}, blockwalk.BAD_FIRST_SEQ),
        ({"link": 78}, blockwalk.BAD_LINK),
        ({"epoch": 3}, blockwalk.BAD_EPOCH),
        ({"segment_bytes": 120}, blockwalk.BAD_SIZE),
    ],
)
def test_a_valid_block_in_the_wrong_place_is_refused(changed: dict[str, Any], problem: int) -> None:
    """A block of another segment, sequence, chain or epoch, or one that would leave the segment, is named so."""
    data, _, _ = chain(2)
    status, got, walker = walk(data, **changed)
    assert (status, len(got)) == (problem, 0)
    assert problem in blockwalk.PROBLEMS
    if problem != blockwalk.BAD_SIZE:
        assert walker[blockwalk.WAS] in (SEGMENT_ID, 1, FIRST_LINK, EPOCH)


@pytest.mark.parametrize("durable_seq", [-1, 2, 5])
def test_an_impossible_durable_sequence_is_refused(durable_seq: int) -> None:
    """A block cannot have seen itself durable, nor less than the block before saw."""
    rows = cases.rows(1, 4)
    data = np.zeros(ROOM, dtype=np.uint8)
    block, size = cases.sealed_block(rows, ROOM)
    blocks.stamp_block(block, SEGMENT_ID, FIRST_LINK, EPOCH, durable_seq)
    data[:size] = block[:size]
    assert walk(data)[0] == blockwalk.BAD_DURABLE_SEQ


def test_a_block_whose_payload_is_no_coding_is_refused() -> None:
    """A block with good checksums whose records end early or late is corruption, not a crash."""
    for count in (1, 3):
        block, size = cases.sealed_block(cases.rows(1, 2), ROOM)
        words = block.view(np.int64)
        words[4] = (words[4] & ~0xFFFFFFFF) | count
        blocks.stamp_block(block, SEGMENT_ID, FIRST_LINK, EPOCH, 0)
        assert size < ROOM and walk(block)[0] in (compact.BAD_LENGTH, compact.BAD_CODE, compact.BAD_MASK)


def test_decoding_stops_and_goes_on_at_any_record() -> None:
    """Rows may be asked for in pieces of any size, across blocks."""
    data, _, rows = chain(3, 1, 5)
    for piece in range(1, 10):
        walker = blockwalk.new_walker(SEGMENT_ID, 1, FIRST_LINK, EPOCH, ROOM - 512, 0)
        codec = compact.new_codec(cases.JOURNAL_WORDS)
        out = np.zeros((9, cases.WORDS), dtype=np.int64)
        row = 0
        while row < 9:
            stop = min(row + piece, 9)
            row = int(
                blockwalk.walk_blocks(
                    data, compact.byte_spans(data), 0, ROOM - 512, walker, out, row, stop, codec
                )
            )
            assert row == stop
            assert walker[blockwalk.STATUS] == (blockwalk.WALK_FULL if row < 9 else blockwalk.WALK_END)
        assert np.array_equal(out, cases.journaled(rows))


def test_a_walk_stops_before_its_target_and_remembers_its_mark() -> None:
    """TARGET_SEQ stops before the block that holds it; MARK_SEQ remembers the first block that ends after it."""
    data, starts, _ = chain(3, 3, 3)
    walker = blockwalk.new_walker(SEGMENT_ID, 1, FIRST_LINK, EPOCH, ROOM - 512, 0, mark_seq=3)
    walker[blockwalk.TARGET_SEQ] = 7
    out = np.zeros((0, cases.WORDS), dtype=np.int64)
    codec = compact.new_codec(cases.JOURNAL_WORDS)
    blockwalk.walk_blocks(data, compact.byte_spans(data), 0, ROOM - 512, walker, out, 0, -1, codec)
    assert walker[blockwalk.STATUS] == blockwalk.WALK_FULL
    assert walker[blockwalk.POSITION] == starts[2]
    assert walker[blockwalk.MARK_POSITION] == starts[1]


def test_a_block_without_records_is_not_sealed() -> None:
    """Sealing nothing, or beyond the buffer, gives 0."""
    codec = compact.new_codec(cases.JOURNAL_WORDS)
    data = np.zeros(256, dtype=np.uint8)
    assert blocks.seal_block(data, blocks.open_block(codec, 5), 5, codec) == 0
    rows = cases.rows(5, 1, spread=3)
    compact.encode_records(rows, 0, 1, compact.byte_spans(np.zeros(512, dtype=np.uint8)), 64, codec)
    assert blocks.seal_block(data, 250, 5, codec) == 0
    assert not data.any()


def test_the_size_of_a_sealed_block_can_be_read_back() -> None:
    """First sequence, count and size of a block are in its header; a buffer of zeros is no block."""
    data, size = cases.sealed_block(cases.rows(9, 5))
    result = np.zeros(3, dtype=np.int64)
    assert blocks.sealed_sizes(data, result) == 0
    assert result.tolist() == [9, 5, size] and size % 8 == 0
    assert blocks.sealed_sizes(np.zeros(64, dtype=np.uint8), result) == -1


def test_a_witness_is_a_valid_later_block_that_saw_the_place_durable() -> None:
    """Only a whole block of this segment, of later records, written after the place was durable, is a witness."""
    data, starts, _ = chain(2, 3, 2)  # the third block saw sequence 5 durable, the second sequence 2
    assert blocks.find_witness(data, 0, ROOM, SEGMENT_ID, 1) == starts[1]
    assert blocks.find_witness(data, 0, ROOM, SEGMENT_ID, 3) == starts[2]
    assert blocks.find_witness(data, 0, ROOM, SEGMENT_ID, 6) == -1
    assert blocks.find_witness(data, 0, ROOM, SEGMENT_ID + 1, 3) == -1
    assert blocks.find_witness(data, 0, starts[3] - 8, SEGMENT_ID, 3) == -1
    assert blocks.find_witness(data, starts[2] + 1, ROOM, SEGMENT_ID, 3) == -1
    for place in (starts[2] + 60, starts[3] - 1):
        data[place] ^= 4
        assert blocks.find_witness(data, 0, ROOM, SEGMENT_ID, 3) == -1
        data[place] ^= 4


def test_a_block_written_before_the_place_was_durable_is_no_witness() -> None:
    """Two blocks written before one sync: the later one proves nothing of the earlier."""
    data, size = cases.sealed_block(cases.rows(6, 2), ROOM)
    for durable_seq, found in ((0, -1), (2, -1), (3, 0), (5, 0)):
        blocks.stamp_block(data, SEGMENT_ID, FIRST_LINK, EPOCH, durable_seq)
        assert blocks.find_witness(data, 0, size, SEGMENT_ID, 3) == found


@given(data=st.binary(min_size=600, max_size=600))
def test_hostile_bytes_are_no_blocks(data: bytes) -> None:
    """Any bytes behind a good magic word end the walk with a problem and no rows."""
    raw = np.zeros(ROOM, dtype=np.uint8)
    raw[: len(data)] = np.frombuffer(data, dtype=np.uint8)
    raw.view(np.int64)[0] = blocks.MAGIC_WORD
    status, got, _ = walk(raw)
    assert status < 0 and len(got) == 0
    assert blocks.find_witness(raw, 0, ROOM, int(raw.view(np.int64)[2]), 1) == -1


@given(payload=st.binary(min_size=1, max_size=600), count=st.integers(1, 100))
def test_hostile_payloads_with_good_checksums_do_no_harm(payload: bytes, count: int) -> None:
    """A forged block decodes to some rows or to a problem, within its bounds."""
    codec = compact.new_codec(cases.JOURNAL_WORDS)
    data = np.zeros(ROOM, dtype=np.uint8)
    data[64 : 64 + len(payload)] = np.frombuffer(payload, dtype=np.uint8)
    compact.start_coding(codec, 1)
    codec[compact.ROWS, compact.NEXT_SEQ] = 1 + count
    blocks.seal_block(data, 64 + len(payload), 1, codec)
    blocks.stamp_block(data, SEGMENT_ID, FIRST_LINK, EPOCH, 0)
    status, got, _ = walk(data)
    assert len(got) <= min(count, 64)
    assert status in blockwalk.PROBLEMS or status in (blockwalk.WALK_END, blockwalk.WALK_FULL)
