"""A start always does the right thing: newest snapshot that holds, then the tail, whatever a crash left."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from cli.exit_codes import ExitCode
from stages.snapshots import list_snapshots
from tests.e2e.harness import Lab, Pipeline, assert_contains, lines_of, until

EVERY = 4000  # commands between two snapshots


def snapshots_of(lab: Lab) -> list[int]:
    """Return the sequences of all snapshots."""
    return [seq for seq, _ in list_snapshots(lab.data)]


def flow(lab: Lab, pipeline: Pipeline, name: str, orders: int, seed: int) -> Path:
    """Inject some orders to their end; return what was told."""
    out = lab.directory / f"{name}.jsonl"
    process = lab.inject("synthetic", "--orders", orders, "--seed", seed, "--out", out)
    assert process.wait() == 0, process.text
    return out


def test_snapshots_are_taken_while_it_runs_and_a_start_begins_behind_them(lab: Lab) -> None:
    """Two snapshots are kept; a start replays the tail alone, and ends with the state of a replay of everything."""
    pipeline = lab.pipeline(snapshot_every=EVERY)
    first = flow(lab, pipeline, "first", 10_000, 3)
    until(lambda: pipeline.snapshot().counters["snapshot.taken"] >= 1, "a snapshot")
    second = flow(lab, pipeline, "second", 10_000, 4)
    until(lambda: pipeline.snapshot().counters["snapshot.taken"] >= 2, "another snapshot")
    until(lambda: len(snapshots_of(lab)) == 2, "two snapshots")
    assert pipeline.snapshot().counters["snapshot.failed"] == 0
    pipeline.stop()
    taken = snapshots_of(lab)

    again = lab.pipeline(snapshot_every=0)
    assert f"a snapshot at {taken[0]:,}" in again.stdout
    flow(lab, again, "third", 500, 5)
    last = again.stop()
    report = lab.replay("--out", lab.directory / "replayed.jsonl")
    assert report["verified"] is True and report["state_digest"] == last.state_digest
    assert_contains(lines_of(lab.directory / "replayed.jsonl"), lines_of(first, second))
    verified = lab.run("snapshot", "verify", lab.data, "--json")
    assert verified.wait() == 0 and [row["ok"] for row in json.loads(verified.stdout)] == [True, True]


def test_a_crash_loses_nothing_behind_a_snapshot(lab: Lab) -> None:
    """Killed under load between snapshots, the next start has all that was told, from a snapshot and the tail."""
    pipeline = lab.pipeline(snapshot_every=EVERY)
    out = lab.directory / "told.jsonl"
    injector = lab.inject("synthetic", "--orders", 2_000_000, "--seed", 5, "--out", out)
    until(lambda: pipeline.snapshot().counters["snapshot.taken"] >= 2, "snapshots under load")
    os.kill(pipeline.snapshot().supervisor_pid, signal.SIGKILL)
    injector.wait()
    until(lambda: not pipeline.workers_alive(), "the workers to leave")
    again = lab.pipeline(snapshot_every=0)
    assert "a snapshot at" in again.stdout
    last = again.stop()
    report = lab.replay("--out", lab.directory / "replayed.jsonl")
    assert report["verified"] is True and report["state_digest"] == last.state_digest
    assert_contains(lines_of(lab.directory / "replayed.jsonl"), lines_of(out))


@pytest.mark.parametrize("damage", ["flipped", "cut", "renamed", "foreign"])
def test_a_snapshot_that_does_not_hold_is_passed_over(damage: str, lab: Lab) -> None:
    """Damaged, or not what its name says: the start says why and takes the one before."""
    pipeline = lab.pipeline(snapshot_every=0)
    flow(lab, pipeline, "flow", 3_000, 3)
    last = pipeline.stop()
    for seq in (last.last_seq // 2, last.last_seq - 10):
        assert lab.run("snapshot", "take", lab.data, "--to", seq).wait() == 0
    newest = list_snapshots(lab.data)[0][1]
    good = bytearray(newest.read_bytes())
    if damage == "flipped":
        good[-100] ^= 4
        newest.write_bytes(good)
    elif damage == "cut":
        newest.write_bytes(good[:-8])
    elif damage == "renamed":
        newest.rename(newest.with_name(f"snapshot-{last.last_seq + 1000:020d}.rms"))
    else:
        other = list_snapshots(lab.data)[1][1]
        newest.unlink()
        newest.write_bytes(other.read_bytes())  # a state, but not that of this sequence
    verified = lab.run("snapshot", "verify", lab.data, "--json")
    verified.wait()
    again = lab.pipeline(snapshot_every=0)
    assert f"a snapshot at {last.last_seq // 2:,}" in again.stdout
    assert "a snapshot was passed over" in again.stdout
    assert again.stop().state == "stopped"
    assert lab.replay()["verified"] is True


def test_a_pruned_journal_needs_its_snapshot(lab: Lab) -> None:
    """Segments that a snapshot covers may go; without the snapshot the start is refused, and says what is missing."""
    pipeline = lab.pipeline(snapshot_every=0, segment_bytes=1 << 19)
    flow(lab, pipeline, "flow", 60_000, 3)
    pipeline.stop()
    assert lab.run("snapshot", "take", lab.data).wait() == 0
    seq = snapshots_of(lab)[0]
    pruned = lab.run("journal", "prune", lab.data, "--covered-by", seq)
    assert pruned.wait() == 0, pruned.text
    again = lab.pipeline(snapshot_every=0, segment_bytes=1 << 19)
    assert f"a snapshot at {seq:,}" in again.stdout
    flow(lab, again, "more", 500, 4)
    again.stop()
    list_snapshots(lab.data)[0][1].unlink()
    refused = lab.start()
    assert refused.wait() == ExitCode.JOURNAL
    assert "no snapshot covers what came before" in refused.text
