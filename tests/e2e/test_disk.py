"""A disk that fails under a running pipeline: nothing more is released, the exit code says so, a start recovers."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from cli.exit_codes import ExitCode
from journal.disk import Disk, FaultyDisk
from journal.spare import SPACE_OK, SPACE_RESERVE
from stages.config import load_config, overridden
from stages.host import available_cores
from stages.plan import make_plan
from tests.e2e.harness import PLANS, Lab, Pipeline, assert_contains, lines_of, segments_of, until

pytestmark = pytest.mark.chaos


class TriggeredDisk(Disk):
    """Lets one operation fail, always, from the moment at which a file exists."""

    def __init__(self, trigger: Path, operation: str, number: int) -> None:
        self._trigger, self._operation, self._number = trigger, operation, number

    def _maybe_fail(self, operation: str) -> None:
        if operation == self._operation and self._trigger.exists():
            raise OSError(self._number, os.strerror(self._number))

    def pwrite(self, fd: int, data: Any, offset: int) -> int:
        self._maybe_fail("pwrite")
        return super().pwrite(fd, data, offset)

    def fdatasync(self, fd: int) -> None:
        self._maybe_fail("fdatasync")
        super().fdatasync(fd)

    def fallocate(self, fd: int, size: int) -> None:
        self._maybe_fail("fallocate")
        super().fallocate(fd, size)


def start_on(disk: Disk, lab: Lab, **changes: Any) -> Pipeline:
    """Begin a pipeline whose journal lies on ``disk``."""
    path = lab.config(**changes)

    def body() -> int:
        from cli.exit_codes import explain
        from cli.start import serve

        venue = overridden(load_config(path), data_dir=str(lab.data))
        try:
            return serve(venue, make_plan(venue, available_cores()), disk=disk)
        except BaseException as error:
            code, line = explain(error)
            print(line)
            return int(code)

    pipeline = Pipeline(lab.directory, "start-on-disk", body, lab.data)
    lab.processes.append(pipeline)
    return pipeline


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize(
    ("operation", "number", "said"),
    [
        ("fdatasync", errno.EIO, "fdatasync: expected success, was Input/output error (errno 5)"),
        ("pwrite", errno.ENOSPC, "pwrite: expected success, was No space left on device (errno 28)"),
    ],
)
def test_a_disk_error_ends_the_pipeline(operation: str, number: int, said: str, plan: str, lab: Lab) -> None:
    """After a failed write or sync nothing is released that was not durable; the error names file and operation."""
    trigger = lab.directory / "trigger"
    pipeline = start_on(TriggeredDisk(trigger, operation, number), lab, workers=PLANS[plan]).ready()
    out = lab.directory / "out.jsonl"
    injector = lab.inject("synthetic", "--orders", 1_000_000, "--rate", 20_000, "--out", out)
    until(lambda: pipeline.snapshot().counters["acked"] > 2000, "a flow of orders")
    trigger.touch()
    assert pipeline.wait() == ExitCode.DISK
    last = pipeline.last_run()
    assert last.state == "failed" and last.error.endswith(said)
    journal_worker = next(
        index for index, line in enumerate(pipeline.stdout.splitlines()) if "journal" in line
    )
    assert journal_worker and last.error.startswith("worker 1 (ingest+journal")
    assert str(lab.data / "journal") in last.error
    assert f"error: {last.error}; nothing was released after it" in pipeline.stdout
    assert injector.wait() == ExitCode.NOT_RUNNING
    assert segments_of(lab.data) == [] and pipeline.workers_alive() == []

    live = lines_of(out)
    assert max(seq for seq, _ in live) <= last.durable_seq, "nothing left that was not durable"
    trigger.unlink()
    lab.start().ready().stop()
    assert_contains(lab.replayed_lines(), live)


def test_no_room_for_the_next_segment(lab: Lab) -> None:
    """A disk that is full is met when the next segment is reserved, outside the way of an acknowledgement."""
    trigger = lab.directory / "trigger"
    pipeline = start_on(
        TriggeredDisk(trigger, "fallocate", errno.ENOSPC),
        lab,
        segment_bytes=1 << 19,
        checkpoint_every=1 << 20,
    ).ready()
    trigger.touch()
    out = lab.directory / "out.jsonl"
    injector = lab.inject("synthetic", "--orders", 100_000, "--out", out)
    assert pipeline.wait() == ExitCode.DISK
    assert "fallocate: expected success, was No space left on device" in pipeline.last_run().error
    assert injector.wait() == ExitCode.NOT_RUNNING
    trigger.unlink()
    lab.start().ready().stop()
    assert_contains(lab.replayed_lines(), lines_of(out))


def test_a_full_disk_rejects_orders_and_lets_cancels_pass(lab: Lab) -> None:
    """While there is no room for another segment new orders get a reason, cancels pass, and space brings all back."""
    trigger = lab.directory / "trigger"
    disk = TriggeredDisk(trigger, "fallocate", errno.ENOSPC)
    pipeline = start_on(disk, lab, segment_bytes=1 << 20, checkpoint_every=1 << 20).ready()
    trigger.touch()
    seed = 0
    while pipeline.snapshot().counters["journal.space"] != SPACE_RESERVE:
        seed += 1
        assert lab.inject("synthetic", "--orders", 1000, "--seed", seed).wait() == 0
    full = lab.inject("synthetic", "--orders", 400, "--seed", seed + 1, "--rate", 4000)
    assert full.wait() == 0
    assert full.json["rejects"]["journal_full"] > 100
    cancelled = lab.run("mass-cancel", "--all", "--data", lab.data, "--json")
    assert cancelled.wait() == 0 and cancelled.json["cancelled"] > 0
    trigger.unlink()
    until(lambda: pipeline.snapshot().counters["journal.space"] == SPACE_OK, "space to be found")
    again = lab.inject("synthetic", "--orders", 400, "--seed", seed + 2)
    assert again.wait() == 0 and again.json["types"]["accepted"] > 100
    assert "journal_full" not in again.json["rejects"]
    last = pipeline.stop()
    report = lab.replay()
    assert report["verified"] is True and report["state_digest"] == last.state_digest


def _opening_faults() -> list[tuple[str, int]]:
    return [("open", 1), ("fallocate", 1), ("rename", 1), ("fdatasync", 1), ("pwrite", 2), ("fsync_dir", 1)]


@pytest.mark.parametrize(("operation", "nth"), _opening_faults())
def test_a_disk_that_fails_at_the_start(operation: str, nth: int, lab: Lab) -> None:
    """Whatever fails while a new journal is made: exit code DISK, nothing in /dev/shm, and the next start works."""
    pipeline = start_on(FaultyDisk(operation, nth), lab)
    assert pipeline.wait() == ExitCode.DISK, pipeline.text
    assert "Input/output error" in pipeline.stdout and "ready" not in pipeline.stdout
    assert segments_of(lab.data) == []
    lab.start().ready().stop()
    lab.replay()


def test_a_disk_that_fails_at_the_first_commit(lab: Lab) -> None:
    """The configuration is journaled by a worker: its failing sync ends the start with the same exit code."""
    counting = FaultyDisk("fdatasync", 1 << 30)
    nth = _syncs_of_opening(counting, lab) + 1
    pipeline = start_on(FaultyDisk("fdatasync", nth), lab)
    assert pipeline.wait() == ExitCode.DISK, pipeline.text
    assert (
        "worker 1" in pipeline.stdout
        and "fdatasync" in pipeline.stdout
        and "\nready\n" not in pipeline.stdout
    )
    assert segments_of(lab.data) == [] and pipeline.workers_alive() == []
    lab.start().ready().stop()


def _syncs_of_opening(disk: FaultyDisk, lab: Lab) -> int:
    from stages.journaling import open_writer

    open_writer(lab.directory / "counted", "fsync", 1 << 20, disk).abort()
    return disk.calls["fdatasync"]
