"""Faults put into the journal on purpose: the suite must catch each of them.

A fault is a change of the text of its modules, in a copy that the named tests run on. Were they blind to it, they would
prove nothing about the code without it. That they pass without a fault is what the suite itself shows; a copy without a
change runs a few of them, so that it is not the copy that fails.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.journal.mutants import Change, make_copy, run_tests

pytestmark = [pytest.mark.slow, pytest.mark.chaos]

POWER_CUT = "test_faults.py::test_a_power_cut_loses_nothing_that_was_acknowledged"
OUT_OF_ORDER = "test_faults.py::test_unsynced_blocks_that_survive_out_of_order_are_a_torn_tail"
FLIPPED = "test_blocks.py::test_every_flipped_bit_of_a_block_is_found"
SAYS_SO = (
    "            if going:\n"
    "                write_manifest(disk, directory, manifest._replace(kept_seq=kept_seq))\n"
)
REMOVES = "            remove_files(disk, directory, paths)\n"
KEPT_CUT = "test_keeping.py::test_a_power_cut_amid_it_leaves_no_half_copy[0-archive]"
ONLY_SYNCED = "test_log.py::TestFileLog::test_blocks_are_durable_with_sync_only"

CAUGHT: list[tuple[str, list[Change], list[str]]] = [
    (
        "sync skipped",
        [Change("writer", "                self._disk.fdatasync(self._fd)\n", "                pass\n")],
        [POWER_CUT],
    ),
    (
        "acknowledged before the sync",
        [Change("writer", '            if self.durability == "fsync":\n                self._flush()\n',
                '            if self.durability == "fsync" and self.blocks_written % 2:\n'
                "                self._flush()\n")],
        [POWER_CUT],
    ),
    (
        "durable where it was only written",
        [Change("writer", "            self.next_seq += count\n",
                "            self.next_seq += count\n            self.durable_seq = self.next_seq - 1\n")],
        [ONLY_SYNCED],
    ),
    (
        "a failed sync is repeated",
        [Change("writer", "            self._failure = failure\n            raise\n", "            raise\n")],
        ["test_faults.py::test_a_failed_sync_is_never_repeated"],
    ),
    (
        "not written again after a failed sync",
        [Change("writer", "self._unsynced = rewrite_undurable(self._disk, self._fd, scan) > 0",
                "self._unsynced = False")],
        ["test_faults.py::test_what_the_meta_file_does_not_know_is_written_again"],
    ),
    (
        "checksum of payloads ends a byte early",
        [Change("blocks", "crc32c(data, BLOCK_HEADER_BYTES, stop, 0)", "crc32c(data, BLOCK_HEADER_BYTES, stop - 1, 0)"),
         Change("blocks", "crc32c(data, at + BLOCK_HEADER_BYTES, at + size, 0)",
                "crc32c(data, at + BLOCK_HEADER_BYTES, at + size - 1, 0)"),
         Change("blockwalk", "crc32c(data, at + BLOCK_HEADER_BYTES, at + size, 0)",
                "crc32c(data, at + BLOCK_HEADER_BYTES, at + size - 1, 0)")],
        [FLIPPED],
    ),
    (
        "checksum of payloads begins a byte late",
        [Change("blocks", "crc32c(data, BLOCK_HEADER_BYTES, stop, 0)", "crc32c(data, BLOCK_HEADER_BYTES + 1, stop, 0)"),
         Change("blocks", "crc32c(data, at + BLOCK_HEADER_BYTES, at + size, 0)",
                "crc32c(data, at + BLOCK_HEADER_BYTES + 1, at + size, 0)"),
         Change("blockwalk", "crc32c(data, at + BLOCK_HEADER_BYTES, at + size, 0)",
                "crc32c(data, at + BLOCK_HEADER_BYTES + 1, at + size, 0)")],
        [FLIPPED],
    ),
    (
        "durable sequence outside the checksum",
        [Change("blocks", "crc32c(data, 12, BLOCK_HEADER_BYTES, 0)", "crc32c(data, 12, 56, 0)"),
         Change("blocks", "crc32c(data, at + 12, at + BLOCK_HEADER_BYTES, 0)", "crc32c(data, at + 12, at + 56, 0)"),
         Change("blockwalk", "crc32c(data, at + 12, at + BLOCK_HEADER_BYTES, 0)", "crc32c(data, at + 12, at + 56, 0)")],
        [FLIPPED],
    ),
    (
        "links are not compared",
        [Change("blockwalk", "elif words[base + H_LINK] != walker[LINK]:", "elif words[base + H_LINK] == -1:")],
        ["test_blocks.py", "test_verify.py"],
    ),
    (
        "segment ids are not compared",
        [Change("blockwalk", "if words[base + H_SEGMENT_ID] != walker[SEGMENT_ID]:",
                "if words[base + H_SEGMENT_ID] == -1:")],
        ["test_blocks.py", "test_verify.py"],
    ),
    (
        "a later witness is not heard",
        [Change("assess", "witness=witness is not None,", "witness=False,")],
        ["test_corruption.py::test_a_block_that_vanished_is_missed"],
    ),
    (
        "any later block is a witness",
        [Change("blocks", " or words[base + H_DURABLE_SEQ] < lost_seq", "")],
        [OUT_OF_ORDER, "test_faults.py::test_a_later_block_of_the_same_sync_proves_nothing"],
    ),
    (
        "the meta file is not believed",
        [Change("assess", "lost=lost is not None,", "lost=False,")],
        ["test_corruption.py::test_a_damaged_last_record_is_not_a_torn_tail"],
    ),
    (
        "one slot of the meta file",
        [Change("meta", "SLOT_OFFSETS[generation % 2]", "SLOT_OFFSETS[0]")],
        ["test_corruption.py::test_flipped_bits_of_the_meta_file"],
    ),
    (
        "a segment has its name before it is synced",
        [Change("segment", '    if durable:\n        with io_errors("fsync", spare):\n            disk.fsync(fd)\n'
                '    with io_errors("rename", path):', '    with io_errors("rename", path):')],
        ["test_writer.py::test_a_segment_is_synced_before_it_has_its_name"],
    ),
    (
        "the torn tail is not kept aside",
        [Change("repair", "            write_all(disk, target, source.read(scan.tail_bytes), 0)\n",
                "            source.read(scan.tail_bytes)\n")],
        ["test_corruption.py::test_a_torn_tail_is_kept_aside_and_cut_off"],
    ),
    (
        "a tail reads what is whole, not what is durable",
        [Change("tail", "return int(scout.walker[DURABLE_SEQ])", "return scout.expected_seq - 1")],
        [ONLY_SYNCED],
    ),
    (
        "a tail believes bytes that it read before they were durable",
        [Change("scan", "                self._forget(last_seq)\n            else:",
                "                self._vouched_seq = last_seq\n            else:")],
        ["test_tail.py::test_a_block_that_was_lost_is_not_remembered"],
    ),
    (
        "a tail does not notice a new writer",
        [Change("tail", "        if meta.epoch != self._epoch:", "        if not self._epoch:")],
        ["test_tail.py::test_a_writer_that_begins_before_what_was_read_is_told"],
    ),
    (
        "a full disk whose sync failed is tried again",
        [Change("spare", '            if error.operation not in ("open", "fallocate"):', "            if False:")],
        ["test_spare.py::test_anything_but_no_space_is_final"],
    ),
    (
        "files are pruned before the manifest says so",
        [Change("retention", f"{SAYS_SO}{REMOVES}", f"{REMOVES}{SAYS_SO}")],
        ["test_keeping.py::test_killed_before_any_operation_it_goes_on[prune]"],
    ),
    (
        "pruned into what is needed",
        [Change("retention", "entry.last_seq > covered_seq", "entry.first_seq > covered_seq")],
        ["test_keeping.py::test_pruning_stops_at_what_is_needed"],
    ),
    (
        "a copy is not read back",
        [Change("copies", "    _compare(temporary, entry)\n", "")],
        ["test_keeping.py::test_a_copy_that_the_disk_garbled_is_refused"],
    ),
    (
        "a copy has its name before it is synced",
        [Change("copies", '        with io_errors("fsync", temporary):\n            disk.fsync(fd)\n', "")],
        [KEPT_CUT],
    ),
    (
        "the chain of the manifest is not compared",
        [Change("manifest", "        if entry.chain != _link(chain, entry[:5]):", "        if not entry.chain:")],
        ["test_manifest.py"],
    ),
    (
        "sealed segments are not compared",
        [Change("verify", "    if expected == was:\n", "    if expected[:3] == was[:3]:\n")],
        ["test_verify.py"],
    ),
]  # fmt: skip


def test_a_copy_without_a_fault_passes(tmp_path: Path) -> None:
    """A copy that nothing was changed in fails none of the tests: a failure is the fault's."""
    make_copy(tmp_path, [])
    code, said = run_tests(tmp_path, [FLIPPED, ONLY_SYNCED, "test_manifest.py"])
    assert code == 0, said[-3000:]


@pytest.mark.parametrize(("changes", "tests"), [row[1:] for row in CAUGHT], ids=[row[0] for row in CAUGHT])
def test_the_suite_catches_the_fault(changes: list[Change], tests: list[str], tmp_path: Path) -> None:
    """With this fault in the text of the journal a test fails."""
    make_copy(tmp_path, changes)
    code, said = run_tests(tmp_path, tests)
    assert code == 1, said[-3000:]
