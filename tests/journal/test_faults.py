"""Failing disks and power cuts: what was acknowledged is there afterwards, in order, or nothing starts."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from journal.disk import OPERATIONS, SHORT, TORN, Disk, FaultyDisk, ForgetfulDisk
from journal.errors import JournalError, JournalFull, JournalIOError
from journal.meta import META_NAME
from journal.recovery import Decision
from journal.writer import DURABILITIES, Durability, JournalWriter
from tests.journal import cases

pytestmark = pytest.mark.bounds

BATCHES = (3, 250, 260, 1, 270, 2)  # enough to roll twice


class Told:
    """What the writer's user was told: the last sequence that a sync returned, and where writing stopped."""

    durable_seq = 0
    writer: JournalWriter | None = None


def live(
    directory: Path, disk: Disk, told: Told, durability: Durability = "fsync", meta_each: int = 2
) -> None:
    """Live through the life of a writer: open, write batches with everything that is due, close."""
    told.writer = cases.open_writer(directory, durability, disk)
    for number, count in enumerate(BATCHES):
        told.durable_seq = told.writer.append(cases.rows(told.writer.next_seq, count, spread=63))
        if number % meta_each == 1:
            told.writer.write_meta()
    told.writer.close()


def check_prefix(directory: Path, told: Told) -> JournalWriter:
    """Open what is left, check that it is a prefix with all that was acknowledged, and write on."""
    writer = cases.open_writer(directory)
    last = writer.next_seq - 1
    assert last >= told.durable_seq, f"acknowledged {told.durable_seq}, found {last}"
    assert np.array_equal(cases.read_all(directory), cases.journaled(cases.rows(1, last, spread=63)))
    writer.append(cases.rows(last + 1, 4, spread=63))
    writer.close()
    assert np.array_equal(cases.read_all(directory), cases.journaled(cases.rows(1, last + 4, spread=63)))
    return writer


def each_fault(tmp_path: Path, make: Callable[[int], FaultyDisk], prepare: Callable[[Path], None]) -> int:
    """Let the first, second, … call fail until none is left; return how many there were."""
    nth = 1
    while True:
        directory = tmp_path / str(nth)
        prepare(directory)
        disk, told = make(nth), Told()
        try:
            live(directory, disk, told)
        except JournalIOError as error:
            assert disk.fired, error
            if told.writer is not None:
                assert told.writer.failed
                calls = dict(disk.calls)
                for use in (told.writer.sync, told.writer.maintain, told.writer.write_meta):
                    with pytest.raises(JournalError, match="expected a working writer"):
                        use()
                told.writer.close()
                assert disk.calls == calls, "nothing is retried, nothing more is written"
        if not disk.fired:
            return nth - 1
        check_prefix(directory, told)
        nth += 1


FAULTS = [(operation, errno.EIO) for operation in OPERATIONS]
FAULTS += [("pwrite", errno.ENOSPC), ("fallocate", errno.ENOSPC), ("pwrite", SHORT), ("pwrite", TORN)]


@pytest.mark.parametrize(("operation", "fault"), FAULTS)
def test_every_failing_call_of_a_new_journal(operation: str, fault: int, tmp_path: Path) -> None:
    """Whichever call fails from the first opening to the close, no acknowledged record is lost."""
    fired = each_fault(tmp_path, lambda nth: FaultyDisk(operation, nth, fault), lambda directory: None)
    assert fired >= {"unlink": 0, "ftruncate": 0}.get(operation, 2)


@pytest.mark.parametrize(("operation", "fault"), [*FAULTS[: len(OPERATIONS)], ("fallocate", errno.ENOSPC)])
def test_every_call_from_which_on_all_fail(operation: str, fault: int, tmp_path: Path) -> None:
    """A disk that goes on failing from some call on costs nothing that was acknowledged either."""
    each_fault(
        tmp_path, lambda nth: FaultyDisk(operation, nth, fault, persistent=True), lambda directory: None
    )


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_failing_call_of_a_recovery(operation: str, tmp_path: Path) -> None:
    """Whichever call fails while a torn tail and a left spare are cleaned up, the next opening completes it."""

    def prepare(directory: Path) -> None:
        writer = cases.open_writer(directory)
        writer.append(cases.rows(1, 20, spread=63))
        with open(writer.segment_path, "r+b") as file:
            file.seek(20_000)
            file.write(b"torn")
        writer.abort()
        (directory / "spare.rmj.tmp").touch()

    nth = 1
    while True:
        directory = tmp_path / str(nth)
        prepare(directory)
        disk, told = FaultyDisk(operation, nth), Told()
        told.durable_seq = 20
        try:
            writer = cases.open_writer(directory, disk=disk)
            assert writer.recovered is Decision.TRUNCATE and writer.torn_copy is not None
            writer.close()
        except JournalIOError:
            assert disk.fired
        if not disk.fired:
            break
        check_prefix(directory, told)
        assert list(directory.glob("*.torn")) or operation in ("open", "fsync_dir", "fsync", "unlink")
        nth += 1
    assert nth > 1 or operation == "rename"


def test_a_full_disk_is_told_apart(tmp_path: Path) -> None:
    """ENOSPC is JournalFull, at the reservation of a segment as at a write; other numbers are not."""
    for operation, number, kind in (
        ("fallocate", errno.ENOSPC, JournalFull),
        ("pwrite", errno.EDQUOT, JournalFull),
        ("pwrite", errno.EIO, JournalIOError),
    ):
        with pytest.raises(JournalIOError) as caught:
            cases.open_writer(tmp_path / f"{operation}{number}", disk=FaultyDisk(operation, 1, number))
        assert type(caught.value) is kind
        assert (caught.value.errno, caught.value.operation) == (number, operation)
        assert str(tmp_path) in str(caught.value) and f"errno {number}" in str(caught.value)


def test_a_failed_sync_is_never_repeated(tmp_path: Path) -> None:
    """After fdatasync has failed once the writer never syncs again, though the disk would say yes."""
    disk = FaultyDisk("fdatasync", 4)
    writer = cases.open_writer(tmp_path, disk=disk)
    assert disk.calls["fdatasync"] == 3
    with pytest.raises(JournalIOError, match="fdatasync: expected success, was Input/output error"):
        writer.append(cases.rows(1, 2))
    assert writer.durable_seq == 0
    for _ in range(3):
        with pytest.raises(JournalError, match="expected a working writer"):
            writer.sync()
    writer.close()
    assert disk.calls["fdatasync"] == 4


def test_what_the_meta_file_does_not_know_is_written_again(tmp_path: Path) -> None:
    """Blocks behind the meta file's sequence may be in the page cache only: recovery writes and syncs them."""
    writer = cases.open_writer(tmp_path)
    writer.append(cases.rows(1, 5))
    writer.write_meta()
    writer.append(cases.rows(6, 5))
    writer.abort()
    disk = FaultyDisk("pwrite", 1 << 30)
    writer = cases.open_writer(tmp_path, disk=disk)
    assert disk.calls["pwrite"] == 3, "the blocks, then both slots of the meta file"
    writer.abort()
    disk = FaultyDisk("pwrite", 1 << 30)
    cases.open_writer(tmp_path, disk=disk).abort()
    assert disk.calls["pwrite"] == 2
    assert len(cases.read_all(tmp_path)) == 10


@pytest.mark.parametrize("durability", DURABILITIES[:1])
@pytest.mark.parametrize("stop_after", range(1, 40, 3))
def test_a_power_cut_loses_nothing_that_was_acknowledged(
    durability: Durability, stop_after: int, tmp_path: Path
) -> None:
    """Whatever part of the unsynced sectors reaches the disk: all that sync returned is there, in order."""
    for seed in range(3 if cases.JIT_DISABLED else 8):
        directory = tmp_path / str(seed)
        disk = CutDisk(seed, stop_after)
        told = Told()
        try:
            live(directory, disk, told, durability)
        except PowerCut:
            pass
        if told.writer is not None:
            told.writer.abort()
        disk.lose_power()
        assert META_NAME in [path.name for path in directory.iterdir()]
        check_prefix(directory, told)


class PowerCut(BaseException):
    """The moment at which the machine stops."""


class CutDisk(ForgetfulDisk):
    """A forgetful disk whose machine stops right after the nth write."""

    def __init__(self, seed: int, writes: int) -> None:
        super().__init__(seed)
        self.writes = writes

    def pwrite(self, fd: int, data: object, offset: int) -> int:
        size = super().pwrite(fd, data, offset)
        self.writes -= 1
        if self.writes == 0:
            raise PowerCut
        return size


def test_a_later_block_of_the_same_sync_proves_nothing(tmp_path: Path) -> None:
    """Of three blocks before one sync the middle one is lost: a torn tail, not corruption."""
    writer = cases.open_writer(tmp_path)
    writer.append(cases.rows(1, 4))
    ends = []
    for seq in (5, 6, 7):
        writer.write_block(*cases.sealed_block(cases.rows(seq, 1)))
        ends.append(writer.offset)
    writer.abort()
    with open(writer.segment_path, "r+b") as file:
        file.seek(ends[0])
        file.write(bytes(ends[1] - ends[0]))
    with cases.open_writer(tmp_path) as writer:
        assert (writer.recovered, writer.next_seq) == (Decision.TRUNCATE, 6)
    assert len(cases.read_all(tmp_path)) == 5


@pytest.mark.parametrize("seed", range(12))
def test_unsynced_blocks_that_survive_out_of_order_are_a_torn_tail(seed: int, tmp_path: Path) -> None:
    """Several blocks written before one sync may survive in any combination; recovery keeps their prefix."""
    disk = ForgetfulDisk(seed)
    writer = cases.open_writer(tmp_path, disk=disk)
    writer.append(cases.rows(1, 4))
    ends = [4]
    for _ in range(5):
        data, length = cases.sealed_block(cases.rows(writer.next_seq, 3))
        writer.write_block(data, length)
        ends.append(writer.next_seq - 1)
    writer.abort()
    disk.lose_power()
    with cases.open_writer(tmp_path) as writer:
        last = writer.next_seq - 1
    assert last in ends
    assert np.array_equal(cases.read_all(tmp_path), cases.journaled(cases.rows(1, last)))
