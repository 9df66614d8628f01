"""The tail: what another process made durable, and none before; across rolls, crashes, power cuts and new writers."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from journal.disk import ForgetfulDisk
from journal.errors import JournalCorrupt, JournalError, JournalMissing
from journal.log import LogAppender, LogReader
from journal.reader import JournalReader
from journal.segment import list_segments
from journal.tail import JournalTail
from journal.writer import META_INTERVAL_NS, JournalWriter
from tests.journal import cases
from tests.journal.conformance import drain

pytestmark = pytest.mark.jitoff


class QuickDisk(ForgetfulDisk):
    """Forgets as a real disk does, but does not wait for one."""

    def fdatasync(self, fd: int) -> None:
        self.unsynced.pop(self._path(fd), None)

    def fsync(self, fd: int) -> None:
        self.unsynced.pop(self._path(fd), None)

    def fsync_dir(self, directory: Path) -> None:
        pass


class Followed(RuleBasedStateMachine):
    """A writer that rolls, crashes, loses power and starts again, and a tail that follows it."""

    def __init__(self) -> None:
        super().__init__()
        self.now_ns = 1
        self.power_cuts = 0
        self.directory = Path()
        self.disk: Any = None
        self.writer: Any = None
        self.tail: Any = None
        self.written: list[Any] = []  # the history as the newest writer has it
        self.seen: list[Any] = []
        self.told_seq = 0

    @initialize(seed=st.integers(0, 1 << 20))
    def begin(self, seed: int) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="tail-"))
        self.disk = QuickDisk(seed)
        self.open()
        self.tail = JournalTail(self.directory)

    def open(self) -> None:
        self.writer = cases.open_writer(self.directory, disk=self.disk, clock=lambda: self.now_ns)
        self.told_seq = self.writer.durable_seq
        del self.written[self.writer.next_seq - 1 :]

    @rule(count=st.integers(1, 40), spread=st.sampled_from([8, 63]))
    def write(self, count: int, spread: int) -> None:
        """Rows differ with each power cut, so that records which were lost are told from their successors."""
        rows = cases.rows(self.writer.next_seq, count, seed=self.power_cuts + 1, spread=spread)
        self.writer.write_block(*cases.sealed_block(rows))
        self.written += list(cases.journaled(rows))

    @rule()
    def write_much(self) -> None:
        self.write(260, 63)

    @rule()
    def sync(self) -> None:
        self.told_seq = self.writer.sync()

    @rule(passed_ns=st.sampled_from([0, META_INTERVAL_NS]))
    def maintain(self, passed_ns: int) -> None:
        self.now_ns += passed_ns
        self.writer.maintain()

    @rule(clean=st.booleans())
    def restart(self, clean: bool) -> None:
        if clean:
            self.writer.close()
        else:
            self.writer.abort()
        self.open()

    @rule()
    def lose_power(self) -> None:
        """The tail lives on: it followed over a network, say; what it holds must still be true."""
        self.writer.abort()
        self.disk.lose_power()
        self.power_cuts += 1
        told = self.told_seq
        self.open()
        assert self.writer.durable_seq >= told

    @rule(batch=st.integers(1, 300))
    def follow(self, batch: int) -> None:
        out = np.zeros((batch, cases.WORDS), dtype=np.int64)
        count = self.tail.read(out)
        self.seen += list(out[:count].copy())

    @rule()
    def look(self) -> None:
        self.tail.position()

    @precondition(lambda self: self.tail is not None)
    @rule(data=st.data())
    def another_tail(self, data: st.DataObject) -> None:
        """A tail that joins anywhere sees the same."""
        with JournalTail(self.directory) as tail:
            durable = tail.position().durable_seq
            first = data.draw(st.integers(1, durable + 1))
            tail.seek(first)
            rows = drain(tail)
            assert tail.next_seq <= self.told_durable() + 1
        assert np.array_equal(
            rows, np.array(self.written[first - 1 : first - 1 + len(rows)]).reshape(rows.shape)
        )

    def told_durable(self) -> int:
        """What the writer holds to be durable: also by a roll, which no sync has told."""
        return int(self.writer.durable_seq)

    @invariant()
    def nothing_undurable_was_seen(self) -> None:
        if self.tail is not None:
            assert len(self.seen) == self.tail.next_seq - 1 <= self.told_durable()
            start = max(len(self.seen) - 350, 0)
            assert np.array_equal(self.seen[start:], self.written[start : len(self.seen)])

    def teardown(self) -> None:
        if self.tail is None or self.writer.failed:
            return
        self.told_seq = self.writer.sync()
        self.maintain(META_INTERVAL_NS)
        self.seen += list(drain(self.tail))
        assert self.tail.position().epoch == self.writer.epoch
        assert len(self.seen) == self.told_seq
        assert np.array_equal(self.seen, self.written)
        self.tail.close()
        self.writer.close()
        shutil.rmtree(self.directory)


TestFollowed = Followed.TestCase
TestFollowed.settings = settings(
    max_examples=15 if cases.JIT_DISABLED else 60, stateful_step_count=40, deadline=None
)


def test_a_lone_record_waits_for_the_meta_file(tmp_path: Path) -> None:
    """Nothing behind it says that the last block is durable, until the meta file does; or somebody vouches for it."""
    now = [1]
    writer = cases.open_writer(tmp_path, clock=lambda: now[0])
    with JournalTail(tmp_path) as tail, JournalTail(tmp_path, vouched=lambda: writer.durable_seq) as told:
        writer.append(cases.rows(1, 3))
        assert (len(drain(tail)), len(drain(told))) == (0, 3)
        writer.append(cases.rows(4, 3))
        assert (len(drain(tail)), len(drain(told))) == (3, 3), "one block behind"
        writer.maintain()
        assert len(drain(tail)) == 0
        now[0] += META_INTERVAL_NS
        writer.maintain()
        assert len(drain(tail)) == 3
        writer.write_block(*cases.sealed_block(cases.rows(7, 2)))
        now[0] += META_INTERVAL_NS
        writer.maintain()
        assert (len(drain(tail)), len(drain(told))) == (0, 0), "written, not durable"
        writer.close()
        assert (len(drain(tail)), len(drain(told))) == (2, 2)


def test_a_tail_sees_its_writers_change(tmp_path: Path) -> None:
    """The position names the newest writer's epoch, and whether it ended in order; records that of their own."""
    writer = cases.open_writer(tmp_path)
    tail = JournalTail(tmp_path)
    for epoch in range(1, 4):
        writer.append(cases.rows(writer.next_seq, 5))
        where = tail.position()
        assert (where.epoch, where.closed) == (epoch, False)
        if epoch == 2:
            writer.abort()
            assert not tail.position().closed
        else:
            writer.close()
            assert tail.position().closed
            assert len(drain(tail)) == 5 * (1 if epoch == 1 else 2)
            assert tail.record_epoch == epoch
        writer = cases.open_writer(tmp_path)
    writer.close()
    tail.close()


def test_a_block_that_was_lost_is_not_remembered(tmp_path: Path) -> None:
    """What was in the window, but not durable, and was replaced after a power cut, is read as it is then."""
    writer = cases.open_writer(tmp_path)
    tail = JournalTail(tmp_path)
    writer.append(cases.rows(1, 3))
    writer.write_meta()
    end = writer.offset
    writer.write_block(*cases.sealed_block(cases.rows(4, 5)))
    out = np.zeros((2, cases.WORDS), dtype=np.int64)
    assert tail.read(out) == 2, "a block is half read, and the next one is in the window"
    writer.abort()
    with open(writer.segment_path, "r+b") as file:
        file.seek(end)
        file.write(bytes(cases.SEGMENT_BYTES - end))
    with cases.open_writer(tmp_path) as writer:
        writer.append(cases.rows(4, 5, seed=2))
    rows = np.concatenate([cases.rows(3, 1), cases.rows(4, 5, seed=2)])
    assert np.array_equal(drain(tail), cases.journaled(rows))
    tail.close()


def test_a_writer_that_begins_before_what_was_read_is_told(tmp_path: Path) -> None:
    """After an operator accepted a loss the tail does not go on as if nothing were: it holds what is gone."""
    writer = cases.open_writer(tmp_path)
    for seq in (1, 2, 3):
        writer.append(cases.rows(seq, 1))
    writer.close()
    tail = JournalTail(tmp_path)
    assert len(drain(tail)) == 3
    cases.flip_bit(writer.segment_path, 4096 + 70, 0)
    with cases.open_writer(tmp_path, accept_loss=True) as writer:
        assert writer.next_seq == 1
        with pytest.raises(
            JournalCorrupt, match="begins before what was read: expected records up to 3, was up to 0"
        ):
            tail.read(np.zeros((1, cases.WORDS), dtype=np.int64))
    tail.close()


def test_damage_of_what_is_durable_is_raised(tmp_path: Path) -> None:
    """A tail that waits in front of a damaged block raises as soon as it learns that the block was durable."""
    writer = cases.open_writer(tmp_path)
    tail = JournalTail(tmp_path)
    for seq in (1, 2, 3):
        writer.append(cases.rows(seq, 1))
    cases.flip_bit(writer.segment_path, 4096 + 64, 3)
    assert len(drain(tail)) == 0, "as far as a tail can see, it is just being written"
    writer.write_meta()
    with pytest.raises(JournalCorrupt, match="payload checksum"):
        drain(tail)
    writer.abort()
    tail.close()


@pytest.mark.parametrize("seq", [0, 11, 1 << 40])
def test_a_tail_begins_at_what_is_durable(tmp_path: Path, seq: int) -> None:
    """There is no place to stand before the first, or beyond the one after the last durable record."""
    with cases.open_writer(tmp_path) as writer:
        writer.append(cases.rows(1, 9))
    with pytest.raises(JournalMissing, match="expected a"):
        JournalTail(tmp_path, from_seq=seq)
    with JournalTail(tmp_path, from_seq=10) as tail:
        assert tail.next_seq == 10 and len(drain(tail)) == 0


def test_a_journal_without_its_meta_file_has_no_tail(tmp_path: Path) -> None:
    """Without it nobody knows what is durable."""
    with cases.open_writer(tmp_path) as writer:
        writer.append(cases.rows(1, 3))
    (tmp_path / "journal.meta").unlink()
    with pytest.raises(JournalCorrupt, match="no valid slot"):
        JournalTail(tmp_path)


def test_a_tail_leaves_nothing_open(tmp_path: Path) -> None:
    """However it ends, its files are closed."""
    with cases.open_writer(tmp_path) as writer:
        writer.append(cases.rows(1, 600, spread=63))
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with JournalTail(tmp_path) as tail:
            assert len(drain(tail)) == 600
        with pytest.raises(JournalError):
            JournalTail(tmp_path, from_seq=1 << 50)
    assert len(os.listdir("/proc/self/fd")) == before


WRITER = """
import sys
import tempfile
from pathlib import Path
from tests.journal import cases
writer = cases.open_writer(Path(sys.argv[1]), "os")
print(writer.next_seq, flush=True)
while True:
    writer.append(cases.rows(writer.next_seq, 97, spread=63))
    if writer.next_seq % 5 == 0:
        writer.write_meta()
"""


@pytest.mark.chaos
def test_a_tail_follows_writers_that_are_killed(tmp_path: Path) -> None:
    """Beside real processes that write, roll and are killed, a tail reads every record, once, as it was written."""
    rounds, wanted = (2, 100) if cases.JIT_DISABLED else (4, 3_000)
    root = Path(__file__).resolve().parents[2]
    tail: JournalTail | None = None
    count = 0
    for epoch in range(1, rounds + 1):
        child = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)], cwd=root, stdout=subprocess.PIPE, text=True,
            env=os.environ | {"PYTHONPATH": str(root)},
        )  # fmt: skip
        assert child.stdout is not None
        begin = int(child.stdout.readline())
        assert begin > count
        tail = tail or JournalTail(tmp_path)
        while count < wanted * epoch:
            rows = drain(tail)
            assert np.array_equal(rows, cases.journaled(cases.rows(count + 1, len(rows), spread=63)))
            count += len(rows)
        assert tail.position().epoch == epoch
        child.kill()
        child.wait()
        child.stdout.close()
    assert tail is not None and (cases.JIT_DISABLED or len(list_segments(tmp_path)) > 2)
    with cases.open_writer(tmp_path) as writer:
        last = writer.durable_seq
    count += len(drain(tail))
    assert count == last == JournalReader(tmp_path).info().last_seq
    tail.close()


def test_a_writer_is_a_writer(tmp_path: Path) -> None:
    """What a log needs of an appender is what the writer has."""
    with cases.open_writer(tmp_path) as writer, JournalTail(tmp_path) as tail:
        appender: LogAppender = writer
        reader: LogReader = tail
        assert isinstance(appender, JournalWriter) and reader.next_seq == 1
