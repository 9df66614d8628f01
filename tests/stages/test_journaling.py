"""The journal stage: every input once, in order; group commit; nothing durable before the disk says so."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from journal.disk import Disk, FaultyDisk
from journal.errors import JournalIOError
from journal.meta import META_NAME
from journal.reader import JournalReader
from journal.tail import JournalTail
from protocols.layouts import COMMAND, DETERMINED_WORDS, SLOT_WORDS, layout_hash
from stages.control import (
    CONTROL_WORDS,
    CW_DURABLE,
    CW_JOURNAL,
    JO_BLOCKS,
    JO_BYTES,
    JO_SYNC_MAX_NS,
    JO_SYNC_NS,
    JO_SYNCS,
)
from stages.journaling import (
    BLOCK_BYTES,
    BLOCKS,
    JW_FILLED,
    JW_OPEN,
    JW_SIZES,
    JW_WRITTEN,
    BlockBuffers,
    CommitThread,
    journal_step,
    open_writer,
)
from stages.topology import CUR_INPUT_JOURNAL, CUR_WRITER, cursor_word
from tests.journal import cases

DEADLINE_S = 120.0
SEGMENT_BYTES = 1 << 20
SLOTS = 4096


class Stage:
    """The step with an input ring of its own; ingest is the test."""

    def __init__(self, last_seq: int = 0, slots: int = SLOTS) -> None:
        self.in_words = np.zeros(cursor_word(4), dtype=np.int64)
        self.in_words[CUR_WRITER] = self.in_words[CUR_INPUT_JOURNAL] = last_seq
        self.slots = np.zeros((slots, SLOT_WORDS), dtype=np.int64)
        self.buffers = BlockBuffers(last_seq)
        self.words = self.buffers.words
        self.sent: list[Any] = []

    def publish(self, records: Any) -> None:
        """Put records into the ring as ingest does; the test sees to it that there is room."""
        for row in records:
            self.slots[row[0] & (len(self.slots) - 1)] = row
        self.sent.append(records)
        self.in_words[CUR_WRITER] = records[-1, 0]

    def step(self) -> int:
        """Run the stage once."""
        buffers = self.buffers
        return int(
            journal_step(
                self.in_words, self.slots, buffers.blocks, buffers.codec, buffers.spans, buffers.words
            )
        )

    @property
    def filled(self) -> int:
        """How many blocks are sealed."""
        return int(self.words[JW_FILLED])

    @property
    def cursor(self) -> int:
        """How far the stage has read the ring."""
        return int(self.in_words[CUR_INPUT_JOURNAL])

    def last_seq_of(self, block: int) -> int:
        """Return the last sequence of a sealed block."""
        return int(self.words[JW_SIZES + 2 * (block % BLOCKS) + 1])

    def write(self, writer: Any) -> None:
        """Be the disk: write all sealed blocks."""
        while self.words[JW_WRITTEN] < self.filled:
            block = int(self.words[JW_WRITTEN]) % BLOCKS
            writer.write_block(self.buffers.blocks[block], int(self.words[JW_SIZES + 2 * block]))
            self.words[JW_WRITTEN] += 1


def read_back(directory: Path) -> Any:
    """Return all records of a journal."""
    with JournalReader(directory, layout_hash(COMMAND)) as reader:
        out = np.zeros((1000, SLOT_WORDS), dtype=np.int64)
        parts = []
        while count := reader.read(out):
            parts.append(out[:count].copy())
    return np.concatenate(parts)


def until(condition: Any, what: str) -> None:
    """Wait for a condition; fail at the deadline."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"expected within {DEADLINE_S} s: {what}"
        time.sleep(0.001)


# The step


@pytest.mark.jitoff
def test_an_idle_disk_gets_a_block_at_once() -> None:
    """While nothing is being written, whatever a step encodes is sealed by the same step."""
    stage = Stage()
    for number in range(1, 4):
        stage.publish(cases.rows(number, 1))
        assert stage.step() == 1
        assert (stage.filled, stage.cursor, stage.last_seq_of(number - 1)) == (number, number, number)
        stage.words[JW_WRITTEN] = number
    assert stage.step() == 0 and stage.filled == 3


@pytest.mark.jitoff
def test_a_busy_disk_gathers_a_group() -> None:
    """While a block is being written all that comes goes into the next one, sealed when the disk is idle again."""
    stage = Stage()
    stage.publish(cases.rows(1, 1))
    stage.step()
    for seq in range(2, 12):
        stage.publish(cases.rows(seq, 1))
        assert stage.step() == 1, "the slots are free again before the disk has them"
        assert (stage.filled, stage.cursor) == (1, seq)
    stage.words[JW_WRITTEN] = 1
    assert stage.step() == 0 and stage.filled == 2, "sealed without anything new"
    assert stage.last_seq_of(1) == 11 and stage.words[JW_OPEN] == 0


@pytest.mark.bounds
def test_full_blocks_are_sealed_until_none_is_left(tmp_path: Path) -> None:
    """A disk that stands still stops the stage after eight blocks, and nothing is lost when it goes on."""
    stage = Stage(slots=1 << 15)
    records = cases.rows(1, 30_000, spread=63)
    stage.publish(records)
    while stage.step():
        assert stage.filled <= BLOCKS
    assert stage.filled == BLOCKS and stage.words[JW_OPEN] == 0
    stopped_at = stage.cursor
    assert stopped_at == stage.last_seq_of(BLOCKS - 1) < 30_000
    assert stage.step() == 0 and stage.cursor == stopped_at
    assert all(BLOCK_BYTES // 2 < stage.words[JW_SIZES + 2 * block] <= BLOCK_BYTES for block in range(BLOCKS))
    writer = open_writer(tmp_path, "none", SEGMENT_BYTES)
    while stage.cursor < 30_000 or stage.words[JW_WRITTEN] < stage.filled or stage.words[JW_OPEN]:
        stage.write(writer)
        stage.step()
    writer.close()
    assert stage.filled > BLOCKS, "the buffers wrapped"
    assert np.array_equal(read_back(tmp_path), cases.journaled(records, DETERMINED_WORDS))


@pytest.mark.bounds
@given(
    st.lists(st.tuples(st.integers(0, 600), st.booleans()), min_size=1, max_size=40), st.integers(0, 2**40)
)
def test_whatever_the_rhythm_all_is_journaled(rhythm: list[tuple[int, bool]], last_seq: int) -> None:
    """However commands come and the disk keeps up: what is read back is what was published, once and in order."""
    import tempfile

    stage = Stage(last_seq)
    next_seq = last_seq + 1
    with tempfile.TemporaryDirectory() as directory:
        from journal.writer import JournalWriter

        writer = JournalWriter(
            directory, SLOT_WORDS, DETERMINED_WORDS, layout_hash(COMMAND), "none", SEGMENT_BYTES,
            first_seq=next_seq,
        )  # fmt: skip
        for count, disk_works in [(1, False), *rhythm]:
            count = min(count, SLOTS - (next_seq - 1 - stage.cursor))
            if count:
                stage.publish(cases.rows(next_seq, count))
                next_seq += count
            stage.step()
            if disk_works:
                stage.write(writer)
        while stage.cursor < next_seq - 1 or stage.words[JW_WRITTEN] < stage.filled or stage.words[JW_OPEN]:
            stage.write(writer)
            stage.step()
        writer.close()
        records = np.concatenate(stage.sent)
        assert np.array_equal(read_back(Path(directory)), cases.journaled(records, DETERMINED_WORDS))


@pytest.mark.jitoff
def test_a_corrupt_ring_is_reported() -> None:
    """A slot that does not hold the sequence that belongs there ends the stage with a negative code."""
    stage = Stage()
    records = cases.rows(1, 3)
    stage.publish(records)
    stage.slots[2, 0] = 7
    assert stage.step() < 0


# The thread


class SlowDisk(Disk):
    """Syncs segments only when told to; the meta file, which is written now and then, at once."""

    def __init__(self) -> None:
        self.may_sync = threading.Event()
        self.waiting = threading.Event()
        self.held = False

    def fdatasync(self, fd: int) -> None:
        if self.held and not os.readlink(f"/proc/self/fd/{fd}").endswith(META_NAME):
            self.waiting.set()
            assert self.may_sync.wait(DEADLINE_S)
            self.may_sync.clear()
            self.waiting.clear()
        super().fdatasync(fd)


@contextmanager
def committing(
    stage: Stage, directory: Path, disk: Disk | None = None, durability: str = "fsync"
) -> Iterator[tuple[CommitThread, Any]]:
    """Run a commit thread over a stage's blocks; yield it and the control words."""
    control = np.zeros(CONTROL_WORDS, dtype=np.int64)
    writer = open_writer(directory, durability, SEGMENT_BYTES, disk)
    thread = CommitThread(stage.buffers, writer, control)
    thread.start()
    try:
        yield thread, control
    finally:
        if isinstance(disk, SlowDisk):
            disk.held = False
            disk.may_sync.set()
        thread.stop()
        writer.abort()


@pytest.mark.jitoff
def test_nothing_is_durable_before_the_sync_returns(tmp_path: Path) -> None:
    """``durable_seq`` rises when fdatasync has returned, not when the block was written."""
    stage, disk = Stage(), SlowDisk()
    with committing(stage, tmp_path, disk) as (_, control):
        disk.held = True
        for seq in (1, 2):
            stage.publish(cases.rows(seq, 1))
            stage.step()
            until(disk.waiting.is_set, "a sync")
            assert control[CW_DURABLE] == seq - 1 and stage.words[JW_WRITTEN] == seq - 1
            disk.may_sync.set()
            until(lambda seq=seq: stage.words[JW_WRITTEN] == seq, "the block to be done")
            assert control[CW_DURABLE] == seq
        disk.held = False
    assert np.array_equal(read_back(tmp_path), cases.journaled(cases.rows(1, 2), DETERMINED_WORDS))


@pytest.mark.jitoff
def test_an_idle_thread_tells_tails_what_is_durable(tmp_path: Path) -> None:
    """A lone command, with none behind it, is seen by a tail soon: the thread looks after the meta file when idle."""
    stage = Stage()
    with committing(stage, tmp_path) as (_, control), JournalTail(tmp_path) as tail:
        for seq in (1, 2):
            stage.publish(cases.rows(seq, 1))
            stage.step()
            until(lambda seq=seq: control[CW_DURABLE] == seq, "the command to be durable")
            until(lambda seq=seq: tail.position().durable_seq == seq, "the tail to know it")
    rows = np.zeros((9, SLOT_WORDS), dtype=np.int64)
    with JournalTail(tmp_path) as tail:
        assert tail.read(rows) == 2


@pytest.mark.jitoff
def test_one_sync_covers_what_came_during_the_last(tmp_path: Path) -> None:
    """Commands that come while a sync is in flight share the next one."""
    stage, disk = Stage(), SlowDisk()
    with committing(stage, tmp_path, disk) as (_, control):
        disk.held = True
        stage.publish(cases.rows(1, 1))
        stage.step()
        until(disk.waiting.is_set, "the first sync")
        for seq in range(2, 101):
            stage.publish(cases.rows(seq, 1))
            stage.step()
        assert stage.filled == 1
        syncs = int(control[CW_JOURNAL + JO_SYNCS])
        disk.held = False
        disk.may_sync.set()
        until(lambda: stage.step() == 0 and control[CW_DURABLE] == 100, "all to be durable")
        assert stage.filled == 2
        assert control[CW_JOURNAL + JO_SYNCS] - syncs == 2
        counters = control[CW_JOURNAL : CW_JOURNAL + 16]
        assert counters[JO_BLOCKS] == 2 and counters[JO_BYTES] > 0
        assert counters[JO_SYNC_NS] >= counters[JO_SYNC_MAX_NS] > 0


@pytest.mark.jitoff
@pytest.mark.parametrize("durability", ["os", "none"])
def test_weaker_durability_waits_for_no_disk(durability: str, tmp_path: Path) -> None:
    """With ``os`` and ``none`` a command counts as durable though the disk never answers."""
    stage, disk = Stage(), SlowDisk()
    with committing(stage, tmp_path, disk, durability) as (_, control):
        disk.held = True
        stage.publish(cases.rows(1, 5))
        stage.step()
        until(lambda: control[CW_DURABLE] == 5, "all to count as durable")
        assert not disk.waiting.is_set()


@pytest.mark.jitoff
@pytest.mark.parametrize("operation", ["fdatasync", "pwrite"])
def test_an_error_is_final(operation: str, tmp_path: Path) -> None:
    """After a failed write or sync nothing more becomes durable and the disk is left alone, though it works again."""
    opening = FaultyDisk(operation, 1 << 30)
    open_writer(tmp_path / "counted", "fsync", SEGMENT_BYTES, opening).abort()
    disk = FaultyDisk(operation, opening.calls[operation] + 2, errno.EIO)
    stage = Stage()
    with committing(stage, tmp_path / "journal", disk) as (thread, control):
        for seq in range(1, 6):
            stage.publish(cases.rows(seq, 1))
            stage.step()
            until(lambda seq=seq: thread.failure or control[CW_DURABLE] == seq, "a commit")
            if thread.failure:
                break
        assert isinstance(thread.failure, JournalIOError) and thread.failure.operation == operation
        durable, calls = int(control[CW_DURABLE]), dict(disk.calls)
        assert durable == seq - 1
        for later in range(seq + 1, seq + 4):
            stage.publish(cases.rows(later, 1))
            stage.step()
        thread.join(DEADLINE_S)
        assert not thread.is_alive()
        assert control[CW_DURABLE] == durable and stage.words[JW_WRITTEN] == durable and disk.calls == calls


@pytest.mark.jitoff
def test_stopping_commits_what_is_sealed(tmp_path: Path) -> None:
    """A thread that is told to stop writes all sealed blocks first."""
    stage = Stage()
    with committing(stage, tmp_path) as (thread, control):
        stage.publish(cases.rows(1, 50))
        stage.step()
        sealed = stage.last_seq_of(stage.filled - 1)
        thread.stop()
        assert control[CW_DURABLE] == sealed and not thread.is_alive() and thread.failure is None


@pytest.mark.bounds
def test_step_and_thread_side_by_side(tmp_path: Path) -> None:
    """A flow over many blocks and segments through step and thread is journaled whole, and in step with the disk."""
    stage = Stage()
    records = cases.rows(1, 20_000, spread=40)
    with committing(stage, tmp_path) as (thread, control):
        sent = 0
        deadline = time.monotonic() + DEADLINE_S
        while control[CW_DURABLE] < len(records):
            assert time.monotonic() < deadline and thread.failure is None
            room = SLOTS - (sent - stage.cursor)
            if room and sent < len(records):
                stage.publish(records[sent : sent + room])
                sent += len(stage.sent[-1])
            stage.step()
            assert control[CW_DURABLE] <= stage.cursor
        assert control[CW_JOURNAL + JO_BLOCKS] >= 3
    assert np.array_equal(read_back(tmp_path), cases.journaled(records, DETERMINED_WORDS))
