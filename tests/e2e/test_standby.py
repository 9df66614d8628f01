"""A standby has what was told, finds what is wrong, and serves when the pipeline is gone."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from cli.exit_codes import ExitCode
from stages.observe import look
from stages.snapshots import list_snapshots
from tests.e2e.harness import Lab, Pipeline, assert_contains, lines_of, segments_of, until


def follow(lab: Lab, *options: object) -> Pipeline:
    """Begin a standby of the pipeline that runs, and wait until it has caught up."""
    standby = lab.standby(*options)
    until(lambda: "following" in standby.stdout, "the standby to follow")
    until(lambda: (lab.data / "standby.json").exists(), "the standby to say who it is")
    return standby


def serving(lab: Lab, standby: Pipeline) -> Pipeline:
    """Wait until a standby serves."""
    standby.ready()
    assert look(lab.data).supervisor_pid == standby.pid
    return standby


def flow(lab: Lab, name: str, seed: int, orders: int = 3000) -> Path:
    """Inject some orders to their end; return what was told."""
    out = lab.directory / f"{name}.jsonl"
    process = lab.inject("synthetic", "--orders", orders, "--seed", seed, "--out", out)
    assert process.wait() == 0, process.text
    return out


def test_a_standby_takes_over_when_the_pipeline_is_killed(lab: Lab) -> None:
    """Nothing that was told is lost, nothing is told twice otherwise, and the promoted pipeline goes on and stops."""
    primary = lab.pipeline()
    before = flow(lab, "before", 3)
    standby = follow(lab)
    during = lab.directory / "during.jsonl"
    injector = lab.inject("synthetic", "--orders", 2_000_000, "--seed", 4, "--out", during)
    until(lambda: primary.snapshot().counters["released"] > 20_000, "outcomes to be released")
    os.kill(primary.snapshot().supervisor_pid, signal.SIGKILL)
    injector.wait()
    pipeline = serving(lab, standby)
    assert "the pipeline is gone, taking over" in pipeline.stdout
    after = flow(lab, "after", 5)
    assert pipeline.snapshot().epoch == 2
    last = pipeline.stop()
    assert segments_of(lab.data) == [] and not (lab.data / "standby.json").exists()
    report = lab.replay("--out", lab.directory / "replayed.jsonl")
    assert report["verified"] is True and report["state_digest"] == last.state_digest
    assert_contains(lines_of(lab.directory / "replayed.jsonl"), lines_of(before, during, after))


def test_a_worker_that_dies_hands_over_too(lab: Lab) -> None:
    """A pipeline that fails, and says so, is gone as well."""
    primary = lab.pipeline()
    standby = follow(lab)
    os.kill(primary.workers[0][0], signal.SIGKILL)
    assert primary.wait() == ExitCode.WORKER_DIED
    pipeline = serving(lab, standby)
    flow(lab, "after", 5)
    pipeline.stop()
    assert lab.replay()["verified"] is True


def test_promote_ends_a_pipeline_that_hangs(lab: Lab) -> None:
    """Processes that are stopped hold their locks; promote kills them, and they publish nothing more."""
    primary = lab.pipeline()
    flow(lab, "before", 3)
    standby = follow(lab)
    hung = [primary.snapshot().supervisor_pid, *(pid for pid, _ in primary.workers)]
    for pid in hung:
        os.kill(pid, signal.SIGSTOP)
    promoted = lab.run("promote", lab.data)
    assert promoted.wait() == 0, promoted.text
    assert f"promoted: pid {standby.pid} serves" in promoted.stdout
    assert primary.wait() == -signal.SIGKILL and not primary.workers_alive()
    flow(lab, "after", 5)
    serving(lab, standby).stop()
    assert lab.replay()["verified"] is True


def test_a_pipeline_that_was_stopped_is_waited_for(lab: Lab) -> None:
    """After a stop in order nobody takes over; when the pipeline runs again the standby follows on."""
    lab.pipeline().stop()
    standby = follow(lab)
    until(lambda: "the pipeline is stopped, waiting" in standby.stdout, "the standby to wait")
    primary = lab.pipeline()
    until(lambda: "runs again, following" in standby.stdout, "the standby to follow")
    flow(lab, "flow", 3)
    os.kill(primary.snapshot().supervisor_pid, signal.SIGKILL)
    serving(lab, standby).stop()
    assert lab.replay()["verified"] is True


def test_a_standby_takes_snapshots_and_leaves_on_ctrl_c(lab: Lab) -> None:
    """Every so many commands it writes its state down, beside the running pipeline; Ctrl-C ends it and nothing else."""
    primary = lab.pipeline()
    standby = follow(lab, "--snapshot-every", 1000)
    flow(lab, "first", 3)
    until(lambda: len(list_snapshots(lab.data)) >= 1, "a snapshot")
    flow(lab, "second", 4)
    until(lambda: len(list_snapshots(lab.data)) == 2, "another snapshot")
    os.kill(standby.pid, signal.SIGINT)
    assert standby.wait() == 0
    assert not (lab.data / "standby.json").exists()
    refused = lab.run("promote", lab.data)
    assert refused.wait() == ExitCode.NOT_RUNNING
    primary.stop()
    assert "a snapshot at" in lab.pipeline().stdout
