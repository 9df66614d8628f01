"""The writer: what it writes comes back, when it writes what, and when it refuses."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from journal import blocks, compact
from journal.disk import Disk
from journal.errors import JournalCorrupt, JournalError, JournalLayout, JournalLocked, JournalMissing
from journal.meta import read_meta
from journal.reader import JournalReader
from journal.recovery import Decision
from journal.segment import SPARE_NAME, list_segments, read_header
from journal.writer import DURABILITIES, META_INTERVAL_NS, Durability, JournalWriter
from tests.journal import cases

pytestmark = pytest.mark.jitoff

ROLLING = 1500  # rows with 63 random bits in each word that fill more than two of the smallest segments


class CountingDisk(Disk):
    """Notes each operation and the file it was about."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def _note(self, operation: str, fd: int) -> None:
        self.calls.append(f"{operation} {Path(os.readlink(f'/proc/self/fd/{fd}')).name}")

    def pwrite(self, fd: int, data: Any, offset: int) -> int:
        self._note("pwrite", fd)
        return super().pwrite(fd, data, offset)

    def fdatasync(self, fd: int) -> None:
        self._note("fdatasync", fd)
        super().fdatasync(fd)

    def fsync(self, fd: int) -> None:
        self._note("fsync", fd)
        super().fsync(fd)

    def rename(self, source: Path, target: Path) -> None:
        self.calls.append(f"rename {source.name} {target.name}")
        super().rename(source, target)

    def fsync_dir(self, directory: Path) -> None:
        self.calls.append("fsync_dir")
        super().fsync_dir(directory)


@given(
    batches=st.lists(st.integers(1, 30), min_size=1, max_size=8),
    reopen=st.lists(st.booleans(), min_size=8, max_size=8),
    words=st.integers(2, 20),
    data=st.data(),
)
def test_what_is_appended_comes_back(
    tmp_path_factory: pytest.TempPathFactory,
    batches: list[int],
    reopen: list[bool],
    words: int,
    data: st.DataObject,
) -> None:
    """Any batches, with the journal closed or crashed in between, are read back in order."""
    directory = tmp_path_factory.mktemp("journal")
    journal_words = data.draw(st.integers(2, words))
    layout: Any = (words, journal_words, 5, "none", cases.SEGMENT_BYTES)
    writer = JournalWriter(directory, *layout)
    seq = 1
    for count, again in zip(batches, reopen, strict=False):
        assert writer.append(cases.rows(seq, count, words=words)) == seq + count - 1
        seq += count
        if again:
            epoch = writer.epoch
            data.draw(st.sampled_from([writer.close, writer.abort]))()
            writer = JournalWriter(directory, *layout)
            assert (writer.next_seq, writer.epoch, writer.recovered) == (seq, epoch + 1, Decision.CLEAN)
    writer.close()
    expected = cases.journaled(cases.rows(1, seq - 1, words=words), journal_words)
    assert np.array_equal(cases.read_all(directory), expected)


def test_structured_records_are_appended(tmp_path: Path) -> None:
    """Records of a structured dtype whose first field is the sequence need no conversion."""
    tick = np.dtype([("seq", "<i8"), ("price", "<i8"), ("qty", "<i4"), ("side", "<i4")])
    records = np.array([(1, 100, 5, 1), (2, -7, 6, 2)], dtype=tick)
    with JournalWriter(tmp_path, 3, 3, 1) as writer:
        writer.append(records)
    assert np.array_equal(cases.read_all(tmp_path).view(tick)[:, 0], records)


@pytest.mark.parametrize("durability", DURABILITIES)
def test_a_full_segment_is_followed_by_the_next(tmp_path: Path, durability: Durability) -> None:
    """Blocks never straddle segments; each segment continues the chain, and all records come back."""
    rows = cases.rows(1, ROLLING, spread=63)
    with cases.open_writer(tmp_path, durability) as writer:
        for start in range(0, ROLLING, 100):
            writer.append(rows[start : start + 100])
        assert writer.segments_made == len(list_segments(tmp_path)) >= 3
    headers = [read_header(path, first) for first, path in list_segments(tmp_path)]
    assert [header.segment_id for header in headers] == list(range(1, len(headers) + 1))
    assert all(path.stat().st_size == cases.SEGMENT_BYTES for _, path in list_segments(tmp_path))
    assert np.array_equal(cases.read_all(tmp_path), cases.journaled(rows))
    with cases.open_writer(tmp_path) as writer:
        assert (writer.next_seq, writer.segment_id) == (ROLLING + 1, len(headers))


def test_one_append_may_take_several_blocks_and_segments(tmp_path: Path) -> None:
    """A batch larger than a block, or than a segment, is split."""
    rows = cases.rows(1, ROLLING, spread=63)
    with cases.open_writer(tmp_path) as writer:
        assert writer.append(rows) == ROLLING
        assert writer.blocks_written >= 3
    assert np.array_equal(cases.read_all(tmp_path), cases.journaled(rows))


def test_a_block_fills_a_segment_to_its_last_byte(tmp_path: Path) -> None:
    """The largest block is accepted, rolls over whatever is there, and one byte more is refused."""
    with JournalWriter(tmp_path, 2, 2, 1, segment_bytes=cases.SEGMENT_BYTES) as writer:
        writer.append(cases.rows(1, 1, words=2))
        room = writer.max_block_bytes
        payload = room - blocks.BLOCK_HEADER_BYTES
        rows = cases.rows(2, payload // 11 + 1, words=2, spread=63)
        rows[:, 1] |= 1 << 62
        rows[1::2, 1] = 1  # each record differs from the one before in its lowest and its highest byte
        rows[::2, 1] &= ~1
        data = np.zeros(2 * room, dtype=np.uint8)
        codec = compact.new_codec(2)
        position = blocks.open_block(codec, 2)
        spans = compact.byte_spans(data)
        start = 0
        while position < room - 11:
            position = int(compact.encode_records(rows, start, 1, spans, position, codec))
            start += 1
        assert position <= room
        length = int(blocks.seal_block(data, position, 2, codec))
        assert room - 8 <= length <= room
        writer.write_block(data, length)
        assert writer.segment_id == 2
        writer.sync()
        too_large = writer.max_block_bytes + 8
        blocks.open_block(codec, writer.next_seq)
        position = 64
        rows[:, 0] = np.arange(writer.next_seq, writer.next_seq + len(rows))
        start = 0
        while position <= too_large - 8:
            position = int(compact.encode_records(rows, start, 1, spans, position, codec))
            start += 1
        length = int(blocks.seal_block(data, position, writer.next_seq, codec))
        with pytest.raises(JournalError, match=f"expected at most {room} bytes"):
            writer.write_block(data, length)
    assert len(cases.read_all(tmp_path)) > 5_000


def test_the_epoch_rises_by_one_at_each_opening(tmp_path: Path) -> None:
    """Each writer has its own epoch, one above the last, even if the one before crashed or wrote nothing."""
    for epoch in range(1, 6):
        writer = cases.open_writer(tmp_path)
        assert writer.epoch == epoch
        if epoch % 2:
            writer.append(cases.rows(writer.next_seq, 2))
        if epoch % 3:
            writer.close()
        else:
            writer.abort()
    newest = read_meta(tmp_path)
    assert newest is not None and newest.epoch == 5


def test_the_meta_file_says_what_is_durable(tmp_path: Path) -> None:
    """The meta file is written at opening, at most each 200 ms, at a roll and at close."""
    now = [1_000_000_000]
    writer = cases.open_writer(tmp_path, clock=lambda: now[0])

    def durable() -> int:
        newest = read_meta(tmp_path)
        assert newest is not None
        return newest.durable_seq

    writer.append(cases.rows(1, 5))
    assert durable() == 0
    now[0] += META_INTERVAL_NS - 1
    writer.append(cases.rows(6, 5))
    assert durable() == 0
    now[0] += 1
    writer.maintain()
    assert durable() == 10
    written = writer.meta_writes
    now[0] += META_INTERVAL_NS
    writer.maintain()
    assert writer.meta_writes == written, "nothing new to say"
    writer.append(cases.rows(11, 300, spread=63))
    assert (writer.segment_id, durable()) == (1, 310)
    newest = read_meta(tmp_path)
    assert newest is not None and newest.segment_id == 1
    writer.append(cases.rows(311, 300, spread=63))
    newest = read_meta(tmp_path)
    assert newest is not None
    assert (newest.segment_id, newest.durable_seq) == (2, 310), "written at the roll"
    writer.append(cases.rows(611, 1))
    writer.close()
    newest = read_meta(tmp_path)
    assert newest is not None
    assert (newest.durable_seq, newest.clean, newest.pid, newest.segment_id) == (611, True, os.getpid(), 2)


def test_the_next_segment_is_ready_before_it_is_needed(tmp_path: Path) -> None:
    """When a segment is half full maintain reserves the next one; at close the unused one is gone."""
    writer = cases.open_writer(tmp_path)
    spare = tmp_path / SPARE_NAME
    writer.append(cases.rows(1, 100, spread=63))
    assert not spare.exists()
    writer.append(cases.rows(101, 250, spread=63))
    assert spare.stat().st_size == cases.SEGMENT_BYTES
    writer.close()
    assert not spare.exists()
    writer = cases.open_writer(tmp_path)
    writer.maintain()
    assert spare.exists()
    writer.abort()
    cases.open_writer(tmp_path).abort()
    assert not spare.exists(), "a spare that a crash has left is removed at the next opening"


def test_durability_decides_what_waits_for_the_disk(tmp_path: Path) -> None:
    """Mode fsync syncs each batch, os syncs segments and the end, none never syncs."""
    calls: dict[str, list[str]] = {}
    for durability in DURABILITIES:
        disk = CountingDisk()
        directory = tmp_path / durability
        writer = cases.open_writer(directory, durability, disk)
        name = writer.segment_path.name
        for seq in (1, 2, 3):
            writer.append(cases.rows(seq, 1))
        calls[durability] = [call for call in disk.calls if call == f"fdatasync {name}"]
        assert writer.durable_seq == 3
        del disk.calls[:]
        writer.append(cases.rows(4, 900, spread=63))  # two blocks, each of which needs a segment
        synced = [call for call in disk.calls if call.startswith("fdatasync journal-")]
        assert len(synced) == {"fsync": 2, "os": 2, "none": 0}[durability], "a roll syncs what it leaves"
        writer.close()
        synced = [call for call in disk.calls if call.startswith("fdatasync journal-")]
        assert len(synced) == {"fsync": 2, "os": 3, "none": 0}[durability], "close syncs what is not"
        assert durability != "none" or not [call for call in disk.calls if "sync" in call]
    assert [len(calls[durability]) for durability in DURABILITIES] == [3, 0, 0]


def test_a_segment_is_synced_before_it_has_its_name(tmp_path: Path) -> None:
    """Header, fsync, rename, fsync of the directory: in this order, and the meta file before and after."""
    disk = CountingDisk()
    cases.open_writer(tmp_path, disk=disk).abort()
    name = "journal-00000000000000000001.rmj"
    wanted = [
        "pwrite journal.meta", "fdatasync journal.meta", f"fsync {SPARE_NAME}", f"pwrite {SPARE_NAME}",
        f"fsync {SPARE_NAME}", f"rename {SPARE_NAME} {name}", "fsync_dir", "pwrite journal.meta",
    ]  # fmt: skip
    calls = iter(disk.calls)
    assert all(call in calls for call in wanted), disk.calls


def test_two_writers_do_not_write_one_journal(tmp_path: Path) -> None:
    """A second writer is refused and told the pid of the first; after close or death it may write."""
    writer = cases.open_writer(tmp_path)
    with pytest.raises(JournalLocked, match=f"locked by process {os.getpid()}"):
        cases.open_writer(tmp_path)
    writer.append(cases.rows(1, 1))
    writer.close()
    cases.open_writer(tmp_path).close()


@pytest.mark.chaos
def test_a_killed_writer_leaves_a_prefix_and_no_lock(tmp_path: Path) -> None:
    """After kill -9 everything that sync returned is there, in order, and the next writer goes on."""
    program = (
        "import sys; from tests.journal import cases; from pathlib import Path\n"
        "writer = cases.open_writer(Path(sys.argv[1]), 'os'); seq = 1\n"
        "while True:\n"
        "    print(writer.append(cases.rows(seq, 7)), flush=True); seq += 7\n"
    )
    root = Path(__file__).resolve().parent.parent.parent
    child = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], cwd=root, stdout=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": str(root)},
    )  # fmt: skip
    assert child.stdout is not None
    told = [int(child.stdout.readline()) for _ in range(20)][-1]
    child.kill()
    told = max(
        [told, *(int(line) for line in child.stdout.read().splitlines(keepends=True) if line.endswith("\n"))]
    )
    child.wait()
    child.stdout.close()
    with cases.open_writer(tmp_path) as writer:
        assert writer.recovered in (Decision.CLEAN, Decision.TRUNCATE)
        last = writer.next_seq - 1
        assert last >= told and last % 7 == 0
        writer.append(cases.rows(last + 1, 3))
    assert np.array_equal(cases.read_all(tmp_path), cases.journaled(cases.rows(1, last + 3)))


def test_encoding_goes_on_while_a_block_is_written(tmp_path: Path) -> None:
    """The call sequence of a pipeline: one thread encodes a ring into buffers, another writes and syncs them."""
    total, capacity, room = 2_000 if not cases.JIT_DISABLED else 200, 256, 4096
    expected = cases.rows(1, total)
    ring = np.zeros((capacity, cases.WORDS), dtype=np.int64)
    writer = cases.open_writer(tmp_path)
    buffers = [np.zeros(room, dtype=np.uint8) for _ in range(3)]
    spans = [compact.byte_spans(buffer) for buffer in buffers]
    free: queue.Queue[int] = queue.Queue()
    full: queue.Queue[tuple[int, int]] = queue.Queue()
    durable: queue.Queue[int] = queue.Queue()
    for index in range(3):
        free.put(index)

    def write() -> None:
        while (item := full.get())[0] >= 0:
            writer.write_block(buffers[item[0]], item[1])
            durable.put(writer.sync())
            writer.maintain()
            free.put(item[0])

    thread = threading.Thread(target=write)
    thread.start()
    codec = compact.new_codec(cases.JOURNAL_WORDS, cases.KEY_WORD, cases.KEY_MASK)
    seq, published = writer.next_seq, 0
    while seq <= total:
        if published < total and published - seq + 1 < capacity // 2:
            stop = min(published + 64, total)
            for row in expected[published:stop]:
                ring[row[0] & (capacity - 1)] = row
            published = stop
        index = free.get(timeout=60)
        position = blocks.open_block(codec, seq)
        position = int(compact.encode_ring(ring, capacity - 1, published, spans[index], position, codec))
        assert position > 0
        length = int(blocks.seal_block(buffers[index], position, seq, codec))
        seq = int(compact.next_seq(codec))
        full.put((index, length))
    full.put((-1, 0))
    thread.join(60)
    seqs = [durable.get_nowait() for _ in range(durable.qsize())]
    assert seqs == sorted(set(seqs)) and seqs[-1] == total
    writer.close()
    assert np.array_equal(cases.read_all(tmp_path), cases.journaled(expected))


@pytest.mark.parametrize("wrong", ["sequence", "length", "no block"])
def test_a_block_that_does_not_continue_the_journal_is_refused(tmp_path: Path, wrong: str) -> None:
    """A wrong sequence or length is an error, the writer is unusable then, and nothing was written."""
    writer = cases.open_writer(tmp_path)
    writer.append(cases.rows(1, 3))
    data, length = cases.sealed_block(cases.rows(5 if wrong == "sequence" else 4, 2))
    if wrong == "no block":
        data[:8] = 0
    with pytest.raises(JournalError, match=r"expected a (sealed )?block"):
        writer.write_block(data, length + 8 if wrong == "length" else length)
    assert writer.failed
    data, length = cases.sealed_block(cases.rows(4, 2))
    for use in (lambda: writer.write_block(data, length), writer.sync, writer.maintain, writer.write_meta):
        with pytest.raises(JournalError, match="expected a working writer"):
            use()
    writer.close()
    assert len(cases.read_all(tmp_path)) == 3


def test_a_batch_with_a_gap_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    """Sequences must follow the journal, in rows of the right width; the writer stays usable."""
    with cases.open_writer(tmp_path) as writer:
        gap = cases.rows(1, 3)
        gap[2, 0] = 9
        for records in (gap, cases.rows(2, 2), cases.rows(1, 2, words=15), cases.rows(1, 2).astype(np.int32)):
            with pytest.raises(ValueError, match="expected"):
                writer.append(records)
        assert writer.append(cases.rows(1, 0)) == 0
        assert writer.append(cases.rows(1, 2)) == 2


@pytest.mark.parametrize(
    "changed",
    [{"durability": "sometimes"}, {"segment_bytes": 4096}, {"segment_bytes": (64 << 10) + 1},
     {"segment_bytes": 2 << 30}, {"journal_words": 17}, {"journal_words": 1}],
)  # fmt: skip
def test_impossible_options_are_refused(tmp_path: Path, changed: dict[str, Any]) -> None:
    """Unknown modes, segments out of bounds and impossible records are refused before a file is made."""
    options: dict[str, Any] = {"record_words": 16, "journal_words": 15, "layout_hash": 1} | changed
    with pytest.raises(ValueError, match="expected"):
        JournalWriter(tmp_path / "new", **options)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("changed", [(16, 15, 8), (16, 14, 7), (17, 15, 7)])
def test_a_journal_of_other_records_is_refused(tmp_path: Path, changed: tuple[int, int, int]) -> None:
    """Another layout hash or size refuses writer and reader, and names both layouts."""
    with JournalWriter(tmp_path, 16, 15, 7) as writer:
        writer.append(cases.rows(1, 3))
    with pytest.raises(JournalLayout, match="expected records of"):
        JournalWriter(tmp_path, *changed)
    with pytest.raises(JournalLayout, match="expected layout hash 9, was 7"):
        JournalReader(tmp_path, layout_hash=9)
    JournalWriter(tmp_path, 16, 15, 7).close()


def test_a_journal_of_another_version_is_refused(tmp_path: Path) -> None:
    """A segment of a later format version is left alone."""
    with cases.open_writer(tmp_path):
        pass
    path = cases.only_segment(tmp_path)
    cases.flip_bit(path, 8, 1)
    before = path.read_bytes()
    with pytest.raises(JournalLayout, match=r"expected format version 1 .*, was 3"):
        cases.open_writer(tmp_path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("gone", [0, 1, -1])
def test_a_missing_segment_is_refused(tmp_path: Path, gone: int) -> None:
    """Without its first, middle or last segment a journal is not opened."""
    with cases.open_writer(tmp_path) as writer:
        writer.append(cases.rows(1, ROLLING, spread=63))
    list_segments(tmp_path)[gone][1].unlink()
    with pytest.raises(JournalMissing, match=r"expected (a )?segment"):
        cases.open_writer(tmp_path)
    for _, path in list_segments(tmp_path):
        path.unlink()
    with pytest.raises(JournalMissing, match="no segment is there"):
        cases.open_writer(tmp_path)


def test_a_journal_without_its_meta_file_is_refused(tmp_path: Path) -> None:
    """Nobody knows what was durable then; the reader still reads it."""
    with cases.open_writer(tmp_path) as writer:
        writer.append(cases.rows(1, 3))
    (tmp_path / "journal.meta").unlink()
    with pytest.raises(JournalCorrupt, match="no valid slot"):
        cases.open_writer(tmp_path)
    assert len(cases.read_all(tmp_path)) == 3


def test_a_journal_may_begin_anywhere(tmp_path: Path) -> None:
    """The first sequence is chosen once, when the journal is made."""
    with cases.open_writer(tmp_path, first_seq=1_000) as writer:
        writer.append(cases.rows(1_000, 4))
    with cases.open_writer(tmp_path, first_seq=5) as writer:
        assert (writer.first_seq, writer.next_seq) == (1_000, 1_004)
    assert np.array_equal(cases.read_all(tmp_path, 1_000), cases.journaled(cases.rows(1_000, 4)))


def test_segments_that_were_just_read_need_not_be_read_again(tmp_path: Path) -> None:
    """With scan_all=False damage in an earlier segment is left to the reader; in the last one it is found."""
    with cases.open_writer(tmp_path) as writer:
        writer.append(cases.rows(1, ROLLING, spread=63))
    first, last = list_segments(tmp_path)[0][1], list_segments(tmp_path)[-1][1]
    cases.flip_bit(first, 5_000, 1)
    with pytest.raises(JournalCorrupt):
        cases.open_writer(tmp_path)
    with cases.open_writer(tmp_path, scan_all=False) as writer:
        assert writer.next_seq == ROLLING + 1
    with pytest.raises(JournalCorrupt):
        cases.read_all(tmp_path)
    cases.flip_bit(last, 4_200, 1)
    with pytest.raises(JournalCorrupt):
        cases.open_writer(tmp_path, scan_all=False)


def test_closing_twice_and_after_abort_does_nothing(tmp_path: Path) -> None:
    """They may be called in any order, any number of times; an exception in a with block aborts."""
    with pytest.raises(KeyError), cases.open_writer(tmp_path) as writer:
        writer.append(cases.rows(1, 1))
        raise KeyError
    newest = read_meta(tmp_path)
    assert newest is not None and not newest.clean
    writer.close()
    writer.abort()
    writer.close()
    with pytest.raises(JournalError, match="closed"):
        writer.append(cases.rows(2, 1))
