"""Sealing, compressing, archiving, pruning: what they do, and that stopped anywhere they lose nothing and go on."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from journal.copies import UNFINISHED, archive, compress
from journal.disk import OPERATIONS, SHORT, TORN, Disk, FaultyDisk
from journal.errors import JournalCorrupt, JournalError, JournalIOError, JournalLocked, JournalMissing
from journal.manifest import MANIFEST_NAME, keeping, read_manifest
from journal.meta import read_meta
from journal.reader import JournalReader
from journal.restoring import restore
from journal.retention import prune
from journal.sealing import seal
from journal.segment import list_segments, open_segment, read_header, segment_name
from journal.tail import JournalTail
from journal.verify import content_digest, verify_journal
from tests.journal import cases, kept

pytestmark = pytest.mark.jitoff

LAST = (kept.SEGMENTS + 1) * kept.ROWS_A_SEGMENT
FIRSTS = [1 + kept.ROWS_A_SEGMENT * number for number in range(kept.SEGMENTS + 1)]
PACKED = [f"{segment_name(first)}.zst" for first in FIRSTS]
PLAIN = [segment_name(first) for first in FIRSTS]


# What they do


def test_complete_segments_are_sealed(tmp_path: Path) -> None:
    """All but the last: each with its sequences, and the digest of its content; again, nothing changes."""
    kept.small_journal(tmp_path)
    assert seal(tmp_path, limit=1).entries[0].segment_id == 1
    manifest = seal(tmp_path)
    assert [entry.first_seq for entry in manifest.entries] == FIRSTS[:-1]
    assert [entry.last_seq for entry in manifest.entries] == [first - 1 for first in FIRSTS[1:]]
    for entry in manifest.entries:
        assert content_digest(tmp_path / segment_name(entry.first_seq), entry.content_bytes) == entry.sha256
    before = (tmp_path / MANIFEST_NAME).read_bytes()
    assert seal(tmp_path) == manifest == read_manifest(tmp_path)
    assert (tmp_path / MANIFEST_NAME).read_bytes() == before
    kept.check_journal(tmp_path, LAST)


def test_sealing_goes_on_beside_the_writer(tmp_path: Path) -> None:
    """The chain of what is sealed so far is part of all later ones, whoever writes."""
    chains: list[str] = []
    for _ in range(3):
        with cases.open_writer(tmp_path) as writer:
            writer.append(cases.rows(writer.next_seq, 4))
            writer.roll()
            writer.append(cases.rows(writer.next_seq, 4))
            manifest = seal(tmp_path)
            assert [entry.chain for entry in manifest.entries][: len(chains)] == chains
            chains = [entry.chain for entry in manifest.entries]
    assert len(chains) == 3


def test_a_damaged_segment_is_not_sealed(tmp_path: Path) -> None:
    """Only what leads to the next segment is: what was damaged before it was sealed is refused."""
    kept.small_journal(tmp_path)
    cases.flip_bit(tmp_path / PLAIN[1], 4096 + 70, 1)
    with pytest.raises(JournalCorrupt, match="payload checksum; does not lead to"):
        seal(tmp_path)
    manifest = read_manifest(tmp_path)
    assert manifest is not None and len(manifest.entries) == 1


def test_with_a_gap_nothing_is_sealed_beyond_it(tmp_path: Path) -> None:
    """A segment that is gone is told, whether it was the first, the next, or one in the middle."""
    for name, gone, sealed, why in (
        ("first", 0, 0, "expected a segment from 1 on"),
        ("next", 1, 1, "expected segment 2 from 7 on"),
        ("middle", 1, 0, "does not lead to"),
    ):
        kept.small_journal(tmp_path / name)
        if sealed:
            seal(tmp_path / name, limit=sealed)
        (tmp_path / name / PLAIN[gone]).unlink()
        with pytest.raises(JournalError, match=why):
            seal(tmp_path / name)


def test_a_damaged_manifest_is_not_written_over(tmp_path: Path) -> None:
    """It is the operator's to take away; reading and writing the journal do not need it."""
    kept.small_journal(tmp_path)
    seal(tmp_path)
    cases.flip_bit(tmp_path / MANIFEST_NAME, 100, 1)
    before = (tmp_path / MANIFEST_NAME).read_bytes()
    for use in (seal, compress, lambda directory: prune(directory, LAST)):
        with pytest.raises(JournalCorrupt, match="manifest checksum"):
            use(tmp_path)
    assert (tmp_path / MANIFEST_NAME).read_bytes() == before
    assert len(cases.read_all(tmp_path)) == LAST
    cases.open_writer(tmp_path).close()
    (finding,) = verify_journal(tmp_path).findings
    assert finding.fatal and "manifest checksum" in finding.problem


def test_compressed_segments_are_read_as_before(tmp_path: Path) -> None:
    """Readers, tails and writers see the same journal; the content unpacks to what was sealed."""
    kept.small_journal(tmp_path)
    manifest = seal(tmp_path)
    done = compress(tmp_path, keep=1)
    assert (done.segments, done.found, done.chain) == (kept.SEGMENTS - 1, 0, manifest.chain)
    assert 0 < done.file_bytes < done.content_bytes
    assert [path.name for _, path in list_segments(tmp_path)] == [*PACKED[:-2], *PLAIN[-2:]]
    kept.check_journal(tmp_path, LAST)
    for first, path in list_segments(tmp_path):
        assert read_header(path, first).first_seq == first
    with JournalTail(tmp_path, from_seq=9) as tail:
        assert tail.next_seq == 9
    info = JournalReader(tmp_path).info()
    assert info.state == "clean" and info.segments[0].file_bytes < info.segments[0].used_bytes
    done = compress(tmp_path, keep=0)
    assert (done.segments, done.found) == (1, kept.SEGMENTS - 1)
    with cases.open_writer(tmp_path) as writer:
        assert writer.append(cases.rows(LAST + 1, 2)) == LAST + 2
    kept.check_journal(tmp_path, LAST + 2)


def test_a_segment_may_be_compressed_under_a_reader(tmp_path: Path) -> None:
    """A reader that stands in it, or is told its plain name, reads on."""
    kept.small_journal(tmp_path)
    with JournalReader(tmp_path) as reader:
        rows = cases.rows(1, 2)
        assert reader.read(rows) == 2
        plain = tmp_path / PLAIN[1]
        compress(tmp_path, keep=0)
        assert not plain.exists()
        os.close(open_segment(plain))
        assert read_header(plain, FIRSTS[1]).segment_id == 2
        assert reader.read(cases.rows(1, 100)) == LAST - 2


@pytest.mark.parametrize("packed", [False, True])
def test_an_archive_is_a_journal_of_sealed_segments(packed: bool, tmp_path: Path) -> None:
    """It is read and verified like a journal, is told from one, and grows by what was sealed since."""
    journal, target = tmp_path / "journal", tmp_path / "far" / "archive"
    kept.small_journal(journal)
    done = archive(journal, target, packed=packed)
    assert (done.segments, done.found) == (kept.SEGMENTS, 0)
    assert kept.names(target) == sorted([*(PACKED if packed else PLAIN)[:-1], MANIFEST_NAME])
    kept.check_journal(target, LAST - kept.ROWS_A_SEGMENT)
    assert JournalReader(target).info().state == "archive"
    with cases.open_writer(journal) as writer:
        writer.roll()
        writer.append(cases.rows(writer.next_seq, 3))
    done = archive(journal, target)
    assert (done.segments, done.found) == (1, kept.SEGMENTS)
    kept.check_journal(target, LAST)
    with pytest.raises(JournalError, match="no valid slot"):
        cases.open_writer(target)


def test_an_archive_keeps_what_the_journal_prunes(tmp_path: Path) -> None:
    """Journal and archive go their own ways; nothing goes that the archive does not have, if it is named."""
    journal, target = tmp_path / "journal", tmp_path / "archive"
    kept.small_journal(journal)
    with pytest.raises(JournalError, match="expected a copy of segment 1, was none; nothing was removed"):
        prune(journal, LAST, archive=target)
    archive(journal, target)
    os.truncate(target / PLAIN[1], 4200)
    with pytest.raises(JournalCorrupt, match="not the segment that was sealed"):
        prune(journal, LAST, archive=target)
    assert len(list_segments(journal)) == kept.SEGMENTS + 1
    (target / PLAIN[1]).unlink()
    with pytest.raises(JournalError, match="expected a copy of segment 2"):
        prune(journal, LAST, archive=target)
    shutil.copy(journal / PLAIN[1], target)
    done = prune(journal, LAST, archive=target)
    assert done.kept_seq == FIRSTS[-1] and len(done.files) == kept.SEGMENTS
    kept.check_journal(journal, LAST, FIRSTS[-1])
    with cases.open_writer(journal) as writer:
        writer.roll()
    archive(journal, target)
    kept.check_journal(target, LAST)


def test_an_archive_of_another_history_is_refused(tmp_path: Path) -> None:
    """Segments of another journal are never mixed in, nor written over, nor is the journal its own archive."""
    for name, seed in (("a", 1), ("b", 2)):
        kept.small_journal(tmp_path / name, seed=seed)
    archive(tmp_path / "a", tmp_path / "archive")
    with pytest.raises(JournalError, match="expected the history of this journal, was another one"):
        archive(tmp_path / "b", tmp_path / "archive")
    with pytest.raises(JournalError, match="expected another directory"):
        archive(tmp_path / "a", tmp_path / "a" / ".." / "a")
    (tmp_path / "stray").mkdir()
    shutil.copy(tmp_path / "b" / PLAIN[0], tmp_path / "stray")
    before = (tmp_path / "stray" / PLAIN[0]).read_bytes()
    with pytest.raises(JournalCorrupt, match="not the segment that was sealed"):
        archive(tmp_path / "a", tmp_path / "stray")
    assert (tmp_path / "stray" / PLAIN[0]).read_bytes() == before


def test_an_archive_that_fell_behind_is_told(tmp_path: Path) -> None:
    """What was pruned before it was archived leaves a gap that is not passed over."""
    journal, target = tmp_path / "journal", tmp_path / "archive"
    kept.small_journal(journal, 1)
    archive(journal, target)
    with cases.open_writer(journal) as writer:
        for _ in range(3):
            writer.roll()
            writer.append(cases.rows(writer.next_seq, 3))
    prune(journal, FIRSTS[3] - 1)
    with pytest.raises(JournalMissing, match="has pruned it"):
        archive(journal, target)
    archive(journal, tmp_path / "late")
    assert verify_journal(tmp_path / "late").findings == []


@pytest.mark.parametrize(("covered", "options", "gone"), [
    (0, {}, 0), (FIRSTS[1] - 2, {}, 0), (FIRSTS[1] - 1, {}, 1), (FIRSTS[3] - 1, {}, 3), (1 << 60, {}, 3),
    (1 << 60, {"keep_segments": 2}, 1), (1 << 60, {"keep_segments": 9}, 0), (FIRSTS[1], {"keep_segments": 1}, 1),
    (1 << 60, {"keep_bytes": 2 * cases.SEGMENT_BYTES}, 1), (1 << 60, {"keep_bytes": 1 << 40}, 0),
])  # fmt: skip
def test_pruning_stops_at_what_is_needed(
    covered: int, options: dict[str, int], gone: int, tmp_path: Path
) -> None:
    """Never beyond what is covered, never the newest ones that are to stay, never the one that is written."""
    kept.small_journal(tmp_path)
    dry = prune(tmp_path, covered, dry_run=True, **options)
    assert dry.files == PLAIN[:gone] and [path.name for _, path in list_segments(tmp_path)] == PLAIN
    done = prune(tmp_path, covered, **options)
    assert (done.files, done.kept_seq) == (PLAIN[:gone], FIRSTS[gone] if gone else 0)
    assert done.file_bytes == gone * cases.SEGMENT_BYTES
    assert [path.name for _, path in list_segments(tmp_path)] == PLAIN[gone:]
    kept.check_journal(tmp_path, LAST, FIRSTS[gone])
    with cases.open_writer(tmp_path) as writer:
        assert (writer.first_seq, writer.next_seq) == (FIRSTS[gone], LAST + 1)
        writer.append(cases.rows(LAST + 1, 1))
    kept.check_journal(tmp_path, LAST + 1, FIRSTS[gone])


def test_a_tail_that_was_left_behind_is_told(tmp_path: Path) -> None:
    """A reader whose next segment was pruned is not led past the gap."""
    kept.small_journal(tmp_path)
    with JournalTail(tmp_path) as tail:
        rows = cases.rows(1, 2)
        assert tail.read(rows) == 2
        prune(tmp_path, FIRSTS[3] - 1)
        assert tail.position().first_seq == FIRSTS[3]
        with pytest.raises(JournalError):
            tail.read(cases.rows(1, 100))
            tail.read(cases.rows(1, 100))
    with pytest.raises(JournalMissing, match=f"expected a sequence from {FIRSTS[3]} on, was 5"):
        JournalTail(tmp_path, from_seq=5)


def test_what_is_missing_besides_is_still_missed(tmp_path: Path) -> None:
    """A manifest excuses what it says was pruned, and accuses whoever takes more away."""
    kept.small_journal(tmp_path)
    prune(tmp_path, FIRSTS[1] - 1)
    whole = tmp_path.with_name("whole")
    shutil.copytree(tmp_path, whole)
    for gone in (1, 2, 3):
        shutil.rmtree(tmp_path)
        shutil.copytree(whole, tmp_path)
        (tmp_path / PLAIN[gone]).unlink()
        with pytest.raises(JournalMissing):
            cases.open_writer(tmp_path)
        assert any(finding.fatal for finding in verify_journal(tmp_path).findings)
    shutil.rmtree(tmp_path)
    shutil.copytree(whole, tmp_path)
    (tmp_path / MANIFEST_NAME).unlink()
    with pytest.raises(JournalMissing, match="expected a segment that begins with sequence 1"):
        cases.open_writer(tmp_path)
    shutil.rmtree(whole)


def test_the_end_cannot_be_dropped_with_an_old_meta_file(tmp_path: Path) -> None:
    """Segments that are gone from the end, with a meta file of before: the manifest knows the last one as sealed."""
    kept.small_journal(tmp_path, 1)
    meta = (tmp_path / "journal.meta").read_bytes()
    with cases.open_writer(tmp_path) as writer:
        for _ in range(2):
            writer.roll()
            writer.append(cases.rows(writer.next_seq, 3))
    seal(tmp_path)
    for _, path in list_segments(tmp_path)[2:]:
        path.unlink()
    (tmp_path / "journal.meta").write_bytes(meta)
    with pytest.raises(JournalMissing, match="knows segment 3 as sealed"):
        cases.open_writer(tmp_path)


def test_it_is_one_at_a_time(tmp_path: Path) -> None:
    """While somebody keeps the journal others are refused, and the writer is not."""
    kept.small_journal(tmp_path / "journal")
    (tmp_path / "target").mkdir()
    for locked in ("journal", "target"):
        with keeping(tmp_path / locked):
            with pytest.raises(JournalLocked):
                archive(tmp_path / "journal", tmp_path / "target")
            cases.open_writer(tmp_path / "journal").close()


def test_a_journal_is_restored_from_its_archive(tmp_path: Path) -> None:
    """All that was archived is there, the next writer goes on, and the archive takes what follows."""
    journal, target = tmp_path / "journal", tmp_path / "archive"
    kept.small_journal(journal)
    prune(journal, FIRSTS[1] - 1)
    chain = archive(journal, target, packed=True).chain
    again = tmp_path / "new" / "journal"
    done = restore(target, again)
    assert (done.segments, done.found, done.chain) == (kept.SEGMENTS - 1, 0, chain)
    last = LAST - kept.ROWS_A_SEGMENT
    kept.check_journal(again, last, FIRSTS[1])
    assert JournalReader(again).info().state == "clean"
    with cases.open_writer(again) as writer:
        assert (writer.first_seq, writer.next_seq, writer.epoch) == (FIRSTS[1], last + 1, 2)
        writer.append(cases.rows(last + 1, 3))
        writer.roll()
    kept.check_journal(again, last + 3, FIRSTS[1])
    assert archive(again, target).segments == 1
    assert verify_journal(target, chain=chain).findings == []
    with pytest.raises(JournalError, match="expected no segment that this journal lacks, was one more"):
        archive(journal, target)


def test_what_cannot_be_restored_is_refused(tmp_path: Path) -> None:
    """No archive, an archive with a segment that is gone or altered, and a place where there is a journal."""
    journal, target = tmp_path / "journal", tmp_path / "archive"
    kept.small_journal(journal)
    archive(journal, target)
    for nothing in (tmp_path / "nothing", tmp_path):
        with pytest.raises(JournalMissing, match="expected an archive"):
            restore(nothing, tmp_path / "new")
    before = state(journal)
    with pytest.raises(JournalError, match="expected no journal, was one"):
        restore(target, journal)
    assert state(journal) == before
    cases.flip_bit(target / PLAIN[1], 4096 + 80, 1)
    with pytest.raises(JournalCorrupt, match="not the segment that was sealed"):
        restore(target, tmp_path / "new")
    (target / PLAIN[1]).unlink()
    with pytest.raises(JournalMissing, match="expected segment 2, was none"):
        restore(target, tmp_path / "new")
    with pytest.raises(JournalError):
        cases.open_writer(tmp_path / "new")


# Stopped anywhere

Action = Callable[[Path, Path, Disk], object]
ACTIONS: dict[str, Action] = {
    "seal": lambda journal, target, disk: seal(journal, disk=disk),
    "compress": lambda journal, target, disk: compress(journal, disk=disk),
    "archive": lambda journal, target, disk: archive(journal, target, disk=disk),
    "archive packed": lambda journal, target, disk: archive(journal, target, packed=True, disk=disk),
    "prune": lambda journal, target, disk: prune(journal, FIRSTS[2] - 1, disk=disk),
}


def state(directory: Path) -> dict[str, bytes]:
    """Return what is in a directory; of the meta file, which names a process, only that it is there."""
    if not directory.exists():
        return {}
    return {
        name: b"" if name == "journal.meta" else (directory / name).read_bytes()
        for name in kept.names(directory)
    }


def check_kept(journal: Path, target: Path, action: str, sealed: Path) -> None:
    """After a stop: the journal holds all that it has to, and the archive nothing that is not whole."""
    manifest = read_manifest(journal)
    first = manifest.kept_seq if manifest and manifest.kept_seq else 1
    assert first == 1 or action == "prune"
    kept.check_journal(journal, LAST, first)
    cases.open_writer(journal).abort()
    wanted = read_manifest(sealed)
    assert wanted is not None
    for entry in wanted.entries:
        for name in (segment_name(entry.first_seq), segment_name(entry.first_seq) + ".zst"):
            if (target / name).exists():
                assert content_digest(target / name, entry.content_bytes) == entry.sha256


def stopped_anywhere(
    tmp_path: Path, action: str, make: Callable[[int], Disk], stops: type[BaseException]
) -> int:
    """Let the action stop at its first, second, … operation until it does not; return how often it did."""
    kept.small_journal(tmp_path / "whole")
    shutil.copytree(tmp_path / "whole", tmp_path / "wanted")
    ACTIONS[action](tmp_path / "wanted", tmp_path / "wanted-target", kept.QuickDisk())
    for nth in kept.counting():
        place = tmp_path / str(nth)
        shutil.copytree(tmp_path / "whole", place / "journal")
        disk = make(nth)
        try:
            ACTIONS[action](place / "journal", place / "target", disk)
        except stops:
            if hasattr(disk, "lose_power"):
                disk.lose_power()
            check_kept(place / "journal", place / "target", action, tmp_path / "wanted")
            ACTIONS[action](place / "journal", place / "target", kept.QuickDisk())
            ended = False
        else:
            ended = True
        assert state(place / "journal").keys() == state(tmp_path / "wanted").keys()
        assert state(place / "target") == state(tmp_path / "wanted-target")
        kept.check_journal(place / "journal", LAST, FIRSTS[2] if action == "prune" else 1)
        shutil.rmtree(place)
        if ended:
            return nth - 1
    raise AssertionError


@pytest.mark.parametrize("action", ACTIONS)
def test_killed_before_any_operation_it_goes_on(action: str, tmp_path: Path) -> None:
    """Whatever it was about to do: the journal is whole, no copy is half, the next run ends the same."""
    assert stopped_anywhere(tmp_path, action, kept.StopDisk, kept.Stop) > 5


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("seed", range(1 if cases.JIT_DISABLED else 2))
def test_a_power_cut_amid_it_leaves_no_half_copy(action: str, seed: int, tmp_path: Path) -> None:
    """What was not synced may be lost: nothing under a final name is."""
    assert stopped_anywhere(tmp_path, action, lambda nth: kept.ForgetfulStopDisk(seed, nth), kept.Stop) >= 3


FAULTS = [
    (operation, errno.EIO) for operation in ("open", "pwrite", "fsync", "rename", "fsync_dir", "unlink")
]
FAULTS += [("pwrite", errno.ENOSPC), ("pwrite", TORN), ("open", errno.ENOSPC)]


@pytest.mark.parametrize("kind", ["killed", "power cut"])
def test_a_restoration_that_is_stopped_makes_no_journal_before_its_end(kind: str, tmp_path: Path) -> None:
    """Until the last step nothing can be opened for writing; the next run completes it."""
    kept.small_journal(tmp_path / "journal")
    archive(tmp_path / "journal", tmp_path / "archive")
    last = LAST - kept.ROWS_A_SEGMENT
    for nth in kept.counting():
        target = tmp_path / str(nth)
        disk = kept.StopDisk(nth) if kind == "killed" else kept.ForgetfulStopDisk(nth, nth)
        try:
            restore(tmp_path / "archive", target, disk=disk)
        except kept.Stop:
            if isinstance(disk, kept.ForgetfulStopDisk):
                disk.lose_power()
            if read_meta(target) is None:
                restore(tmp_path / "archive", target, disk=kept.QuickDisk())
            ended = False
        else:
            ended = True
        assert not [finding for finding in verify_journal(target).findings if finding.fatal]
        with cases.open_writer(target, "none") as writer:
            assert writer.append(cases.rows(last + 1, 1)) == last + 1
        kept.check_journal(target, last + 1)
        if ended:
            assert nth > 8
            return


@pytest.mark.parametrize(("operation", "fault"), FAULTS)
@pytest.mark.parametrize("action", ACTIONS)
def test_whichever_call_fails_it_goes_on(action: str, operation: str, fault: int, tmp_path: Path) -> None:
    """An error of the disk ends it, with nothing lost; with a working disk the next run ends as if there were none."""
    assert operation in OPERATIONS
    fired = stopped_anywhere(tmp_path, action, lambda nth: FaultyDisk(operation, nth, fault), JournalIOError)
    assert fired or operation == "unlink"


def test_short_writes_are_continued(tmp_path: Path) -> None:
    """A write that takes half is no error."""
    kept.small_journal(tmp_path / "journal")
    for nth in kept.counting():
        disk = FaultyDisk("pwrite", nth, SHORT)
        archive(tmp_path / "journal", tmp_path / str(nth), disk=disk)
        assert verify_journal(tmp_path / str(nth)).findings == []
        if not disk.fired:
            break
    assert nth > 2 * kept.SEGMENTS


class GarblingDisk(Disk):
    """Writes something else than it was given, and says nothing."""

    def pwrite(self, fd: int, data: Any, offset: int) -> int:
        garbled = bytearray(data)
        garbled[len(garbled) // 2] ^= 4
        return super().pwrite(fd, garbled, offset)


@pytest.mark.parametrize("action", ["archive", "archive packed", "compress"])
def test_a_copy_that_the_disk_garbled_is_refused(action: str, tmp_path: Path) -> None:
    """What was written is read back before it gets a name, and before what it is to replace goes."""
    kept.small_journal(tmp_path / "journal")
    seal(tmp_path / "journal")
    with pytest.raises(JournalCorrupt, match=r"reads back|unpack"):
        ACTIONS[action](tmp_path / "journal", tmp_path / "target", GarblingDisk())
    kept.check_journal(tmp_path / "journal", LAST)
    assert [path.name for _, path in list_segments(tmp_path / "journal")] == PLAIN
    assert not list((tmp_path / "target").glob("journal-*")) if action != "compress" else True


KILLED = """
import sys
from pathlib import Path
from tests.journal import kept, test_keeping
place, action, nth = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
test_keeping.ACTIONS[action](place / "journal", place / "target", kept.StopDisk(nth, kill=True))
"""


@pytest.mark.chaos
@pytest.mark.parametrize(("action", "nth"), [("archive packed", 9), ("compress", 23), ("prune", 22)])
def test_really_killed_it_goes_on(action: str, nth: int, tmp_path: Path) -> None:
    """SIGKILL in the middle: locks are gone, what is unfinished is removed, and the next run completes it."""
    kept.small_journal(tmp_path / "journal")
    shutil.copytree(tmp_path / "journal", tmp_path / "sealed")
    seal(tmp_path / "sealed")
    root = Path(__file__).resolve().parents[2]
    child = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), action, str(nth)], cwd=root, check=False, timeout=120,
        env=os.environ | {"PYTHONPATH": str(root)},
    )  # fmt: skip
    assert child.returncode == -9
    check_kept(tmp_path / "journal", tmp_path / "target", action, tmp_path / "sealed")
    ACTIONS[action](tmp_path / "journal", tmp_path / "target", Disk())
    everything = kept.names(tmp_path / "journal") + (
        kept.names(tmp_path / "target") if (tmp_path / "target").exists() else []
    )
    assert not [name for name in everything if name.startswith(UNFINISHED)]
    kept.check_journal(tmp_path / "journal", LAST, FIRSTS[2] if action == "prune" else 1)
