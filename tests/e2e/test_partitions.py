"""Matching in partitions on several workers: the same digests, whatever the plan, through crashes and restarts."""

from __future__ import annotations

import os
import signal

import pytest

from cli.exit_codes import ExitCode
from tests.e2e.harness import SAMPLES, Lab, assert_contains, lines_of, segments_of, until

TOGETHER = '[{ stages = ["ingest", "journal", "risk", "matching", "publish"] }]'
SPREAD = """[
    { stages = ["ingest", "journal", "risk"] }, { stages = ["matching-2"] }, { stages = ["matching-1", "matching-4"] },
    { stages = ["matching", "publish"] },
]"""
PLANS = {"together": TOGETHER, "spread": SPREAD}
ROOM = {"partitions": 4, "max_instruments": 2048, "max_cl_ord_ids": 1 << 20}
FLOWS = (
    ("itch", SAMPLES / "sample.itch"),
    ("fix", SAMPLES / "orders.fix"),
    ("synthetic", "--orders", 20_000, "--seed", 3),
)


@pytest.mark.parametrize("plan", PLANS)
def test_a_day_in_partitions_replays_byte_for_byte(plan: str, lab: Lab) -> None:
    """A replay in one thread gives the digests of the run on several workers, and every line that was told."""
    pipeline = lab.pipeline(workers=PLANS[plan], **ROOM)
    outs, sent = [], 0
    for name, *arguments in FLOWS:
        outs.append(lab.directory / f"{name}.jsonl")
        process = lab.inject(name, *arguments, "--out", outs[-1])
        assert process.wait() == 0, process.text
        summary = process.json
        assert summary["sent"] == summary["answered"] and summary["unanswered"] == 0
        sent += summary["sent"]
    last = pipeline.stop()
    assert segments_of(lab.data) == []
    assert last.counters["commands"] == last.last_seq and last.counters["trades"] > 0
    report = lab.replay("--out", lab.directory / "replayed.jsonl")
    assert report["verified"] is True and report["state_checks"] == 1
    assert (report["state_digest"], report["outcome_digest"]) == (last.state_digest, last.outcome_digest)
    assert_contains(lines_of(lab.directory / "replayed.jsonl"), lines_of(*outs))


def test_a_killed_partition_fails_the_pipeline_and_another_plan_recovers_it(lab: Lab) -> None:
    """A worker that holds one partition is killed; the next start, on another plan, has all that was told."""
    pipeline = lab.pipeline(workers=SPREAD, **ROOM)
    told = lab.directory / "told.jsonl"
    process = lab.inject("synthetic", "--orders", 2_000_000, "--seed", 5, "--out", told)
    until(lambda: pipeline.snapshot().counters["released"] > 20_000, "outcomes to be released")
    (victim,) = (worker for worker in pipeline.snapshot().workers if worker.stages == ("matching-2",))
    os.kill(victim.pid, signal.SIGKILL)
    assert pipeline.wait() == ExitCode.WORKER_DIED
    assert "matching-2" in pipeline.text
    process.wait()
    pipeline = lab.pipeline(workers=TOGETHER, **ROOM)
    last = pipeline.stop()
    report = lab.replay("--out", lab.directory / "replayed.jsonl")
    assert report["verified"] is True and report["state_digest"] == last.state_digest
    assert_contains(lines_of(lab.directory / "replayed.jsonl"), lines_of(told))


def test_partitions_are_those_of_the_journal(lab: Lab) -> None:
    """A configuration that asks for others later is told so, and one that names a partition there is not is refused."""
    lab.pipeline(workers=SPREAD, **ROOM).stop()
    pipeline = lab.pipeline(**{**ROOM, "partitions": 2})
    assert "capacities are those of the journal" in pipeline.stdout
    pipeline.stop()
    workers = SPREAD.replace("matching-4", "matching-7")
    refused = lab.start(config=lab.config(workers=workers, **{**ROOM, "partitions": 8}))
    assert refused.wait() == ExitCode.CONFIG
    assert "expected partitions as in the journal, which has 4, was 'matching-7'" in refused.text
