"""A pipeline's life on real input: start, inject, stop, replay, restart; what was told live is what a replay tells."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from cli.exit_codes import ExitCode
from stages.last_run import read_last_run
from stages.observe import look
from tests.e2e.harness import (
    PLANS,
    ROOT,
    SAMPLES,
    Lab,
    assert_contains,
    decoded,
    lines_of,
    segments_of,
    until,
    venue_toml,
)

FLOWS = {
    "fix": ("fix", SAMPLES / "orders.fix"),
    "binary": ("binary", SAMPLES / "orders.rmb"),
    "itch": ("itch", SAMPLES / "sample.itch"),
    "synthetic": ("synthetic", "--orders", 20_000, "--seed", 3),
}


@pytest.mark.parametrize("plan", PLANS)
def test_a_day_of_all_flows_replays_byte_for_byte(plan: str, lab: Lab) -> None:
    """Digests of a replay equal those of the live run, and each line that an injector wrote is in its output."""
    pipeline = lab.pipeline(workers=PLANS[plan], max_instruments=2048, max_cl_ord_ids=1 << 20)
    outs, sent = [], 0
    for name, arguments in FLOWS.items():
        outs.append(lab.directory / f"{name}.jsonl")
        process = lab.inject(*arguments, "--out", outs[-1])
        assert process.wait() == 0, process.text
        summary = process.json
        assert summary["sent"] == summary["answered"] and summary["unanswered"] == 0
        assert summary["skipped"] == 0 and not summary["error"]
        assert len(outs[-1].read_bytes().splitlines()) == sum(summary["types"].values())
        sent += summary["sent"]
    last = pipeline.stop()
    assert segments_of(lab.data) == []
    assert last.counters["cut_off"] == 0 and last.counters["commands"] >= sent
    assert last.durable_seq == last.last_seq

    replayed = lab.directory / "replayed.jsonl"
    report = lab.replay("--out", replayed)
    assert report["verified"] is True
    assert report["last_seq"] == last.last_seq
    assert report["state_digest"] == last.state_digest
    assert report["outcome_digest"] == last.outcome_digest
    assert report["state_checks"] == 1 and report["checkpoints"] > last.last_seq // 2000
    live, all_lines = lines_of(*outs), lines_of(replayed)
    assert_contains(all_lines, live)
    unseen = [json.loads(line) for key, line in all_lines.items() if key not in live]
    assert {(line["type"], line["liquidity"]) for line in unseen} <= {("filled", "maker")}, (
        "of closed sessions"
    )


def test_a_restart_goes_on_where_the_journal_ends(lab: Lab) -> None:
    """Sequences continue, orders accepted before are duplicates and open no second order, the book is the same."""
    outs = [lab.directory / "first.jsonl", lab.directory / "second.jsonl"]
    first = lab.pipeline()
    assert lab.inject(*FLOWS["fix"], "--out", outs[0]).wait() == 0
    last = first.stop()
    books = books_of(lab.data)

    second = lab.start().ready()
    assert f"recovered {last.last_seq:,} commands" in second.stdout
    snapshot = second.snapshot()
    assert snapshot.recovered_seq == last.last_seq
    assert snapshot.cursors["input"] == last.last_seq, "an unchanged configuration needs no command"
    assert snapshot.epoch == 2
    again = lab.inject(*FLOWS["fix"], "--out", outs[1])
    assert again.wait() == 0
    second.stop()

    replayed = lab.replayed_lines()
    assert_contains(replayed, lines_of(*outs))
    before, after = (decoded(lines_of(out)) for out in outs)
    assert min(line["seq"] for line in after) > last.last_seq
    used = {
        (line["session"], line["cl_ord_id"]) for line in before if line["type"] in ("accepted", "replaced")
    }
    answers = [line for line in after if line["kind"] == "new" and line["index"] == 0]
    retried = [line for line in answers if (line["session"], line["cl_ord_id"]) in used]
    assert len(retried) > 1000
    assert {(line["type"], line["reason"]) for line in retried} == {("rejected", "duplicate_cl_ord_id")}
    assert not [line for line in answers if line["type"] == "accepted"], "what was rejected is so again"
    assert (
        Counter(line["order_id"] for line in before if line["type"] == "accepted").most_common(1)[0][1] == 1
    )
    # cancels of the log name orders that are long gone, or still open: those may still be cancelled
    still_open = {order for side in books_of(lab.data).values() for order in side}
    assert still_open <= {order for side in books.values() for order in side}


def books_of(data: Path) -> dict[tuple[int, int], list[int]]:
    """Return the open orders of each book side, from the journal."""
    from stages.replay import Replayer

    replayer = Replayer(data)
    replayer.run()
    assert replayer.core is not None
    books = replayer.core.dump_books()
    return {side: [order[0] for _, orders in levels for order in orders] for side, levels in books.items()}


@pytest.mark.slow
def test_a_session_by_hand(tmp_path: Path) -> None:
    """As in a shell: `start --detach`, `status`, `inject`, `stop`, `status`, `replay`, each a program of its own."""
    data = tmp_path / "data"
    (tmp_path / "venue.toml").write_text(venue_toml())

    def shell(*arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "cli", *map(str, arguments)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            line, capture_output=True, text=True, timeout=120, cwd=tmp_path, env=environment, check=False
        )
        assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    started = shell("start", "--config", "venue.toml", "--data", data, "--detach")
    pid = json.loads(shell("status", "--data", data, "--json").stdout)["pipeline"]["supervisor_pid"]
    try:
        assert "\nready\n" in started.stdout and f"pid {pid}" in started.stdout
        summary = json.loads(shell("inject", "fix", SAMPLES / "orders.fix", "--data", data, "--json").stdout)
        assert summary["answered"] == summary["sent"] > 2000
        stopped = json.loads(shell("stop", "--data", data, "--json").stdout)
    finally:
        if os.path.exists(f"/proc/{pid}"):
            os.kill(pid, signal.SIGKILL)
    assert stopped["stopped"] is True and stopped["last_run"]["state"] == "stopped"
    gone = json.loads(shell("status", "--data", data, "--json", code=ExitCode.NOT_RUNNING).stdout)
    assert gone["last_run"]["last_seq"] == stopped["last_run"]["last_seq"]
    assert segments_of(data) == []
    report = json.loads(shell("replay", data, "--verify", "--json").stdout)
    assert report["outcome_digest"] == stopped["last_run"]["outcome_digest"]
    assert "stopped at sequence" in (data / "pipeline.log").read_text()


def test_a_detached_pipeline_leaves_word(lab: Lab) -> None:
    """`--detach` returns when it is ready, or with the reason why not; how it ended is in its log and in `status`."""
    start = ("start", "--config", lab.config(), "--data", lab.data, "--detach")
    first = lab.run(*start)
    assert first.wait() == 0, first.text
    snapshot = look(lab.data)
    try:
        assert (
            f"\nready\ndetached, pid {snapshot.supervisor_pid}, log {lab.data / 'pipeline.log'}"
            in first.stdout
        )
        second = lab.run(*start)
        assert second.wait() == ExitCode.ALREADY_RUNNING
        assert f"process {snapshot.supervisor_pid} runs one" in second.stderr
        os.kill(snapshot.workers[0].pid, signal.SIGKILL)
        until(lambda: segments_of(lab.data) == [], "the pipeline to end")
        status = lab.run("status", "--data", lab.data)
        assert status.wait() == ExitCode.NOT_RUNNING
        last = read_last_run(lab.data)
        assert last is not None and "was killed by SIGKILL" in last.error and last.error in status.stdout
        until(lambda: f"ringmatch: {last.error}" in (lab.data / "pipeline.log").read_text(), "the log")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(snapshot.supervisor_pid, signal.SIGKILL)
    (lab.data / "journal").rename(lab.data / "elsewhere")
    (lab.data / "journal").write_text("not a directory")
    third = lab.run(*start)
    assert third.wait() == ExitCode.DISK and "journal" in third.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_stop_in_order(number: int, lab: Lab) -> None:
    """Ctrl-C and SIGTERM drain a pipeline in mid-flow: what was answered is kept, and a final digest is journaled."""
    pipeline = lab.pipeline(workers=PLANS["two"])
    out = lab.directory / "out.jsonl"
    injector = lab.inject("synthetic", "--orders", 1_000_000, "--rate", 20_000, "--out", out)
    until(lambda: pipeline.snapshot().counters["acked"] > 2000, "a flow of orders")
    last = pipeline.stop(number)
    assert injector.wait() == ExitCode.NOT_RUNNING
    summary = injector.json
    assert 1000 < summary["answered"] <= summary["sent"] < 1_000_000
    assert "the pipeline is" in summary["error"]
    assert f"{summary['unanswered']:,} sent unanswered, the rest not sent" in injector.stderr
    assert last.error == "" and last.state_digest and last.last_seq == last.durable_seq
    assert "stopped at sequence" in pipeline.stdout
    assert segments_of(lab.data) == []
    report = lab.replay()
    assert report["state_checks"] == 1 and report["outcome_digest"] == last.outcome_digest
    assert_contains(lab.replayed_lines(), lines_of(out))


def test_a_second_start_is_refused(lab: Lab) -> None:
    """One pipeline a data directory: the second start names the owner's pid, and the first goes on."""
    pipeline = lab.pipeline()
    link = lab.directory / "other-name"
    link.symlink_to(lab.data)
    for data in (lab.data, link):
        second = lab.start(data=data)
        assert second.wait() == ExitCode.ALREADY_RUNNING
        assert f"process {pipeline.pid} runs one" in second.stderr
    assert pipeline.snapshot().state == "ready"
    assert lab.inject("synthetic", "--orders", 100).wait() == 0
    pipeline.stop()


def test_two_pipelines_do_not_meet(lab: Lab) -> None:
    """Two data directories are two pipelines: each has its own segments, sequences and orders."""
    first = lab.pipeline()
    second = lab.start(data=lab.directory / "other").ready()
    assert lab.inject("synthetic", "--orders", 500).wait() == 0
    assert first.snapshot().counters["accepted"] > second.snapshot().counters["accepted"]
    second.stop()
    assert first.snapshot().state == "ready"
    assert segments_of(lab.data) and not segments_of(second.data)
    first.stop()
