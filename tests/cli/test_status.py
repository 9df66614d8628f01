"""``ringmatch status``, ``top`` and ``stop``: of nothing, of fabricated segments, and of a pipeline that runs."""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cli.app import main
from cli.exit_codes import ExitCode
from cli.status import StatusReport, attach, process_state
from cli.top import frame, take
from protocols.codes import OutcomeType, Reason, TradingState
from ringbuffer.liveness import own_identity, process_start_time
from stages import control as ctl
from stages.control import (
    AccountRow,
    Description,
    InstrumentRow,
    MarketRow,
    State,
    WorkerPlan,
    write_description,
)
from stages.instance import InstanceLock
from stages.last_run import LAST_RUN, LastRun, write_last_run
from stages.memory import PipelineMemory, Sizes, pipeline_id
from stages.state_words import MW_COMMANDS, MW_OPEN, MW_REASON_COUNTS, MW_TRADES, MW_TYPE_COUNTS
from stages.topology import (
    CUR_INPUT_JOURNAL,
    CUR_INPUT_MATCHING,
    CUR_INPUT_RISK,
    CUR_OUTPUT_PUBLISH,
    CUR_OUTPUT_RISK,
    CUR_WRITER,
)
from tests.cli.terminal import in_terminal, read_terminal
from tests.structure.tree import ROOT

PATIENCE_S = 120.0
START_PATIENCE_S = 600.0  # kernels may have to be compiled first
PLAN = (WorkerPlan(stages=("ingest", "journal"), core=0), WorkerPlan(stages=("risk", "matching", "publish")))
SIZES = Sizes(64, 128, 64, 64, 3)
SEGMENT_OWNER = 24  # offset of pid and start time in a segment's header

Fabricate = Callable[..., PipelineMemory]


def set_worker(memory: PipelineMemory, index: int, pid: int, start: int, age_ns: int = 0) -> None:
    """Say who a worker is, and when it last gave a sign of life."""
    block = memory.control[ctl.CW_WORKER_BLOCKS + index * ctl.WORKER_WORDS :]
    block[ctl.WW_PID], block[ctl.WW_START] = pid, start
    block[ctl.WW_HEARTBEAT] = time.monotonic_ns() - age_ns
    block[ctl.WW_LOOPS], block[ctl.WW_BUSY] = 1000, 250


def set_owner(memory: PipelineMemory, pid: int, start: int) -> None:
    """Say who the supervisor is, in the control segment's words and in its header."""
    memory.control[ctl.CW_SUPERVISOR_PID], memory.control[ctl.CW_SUPERVISOR_START] = pid, start
    segment = memory.segments["control"]
    memoryview(segment.buffer)[SEGMENT_OWNER : SEGMENT_OWNER + 16] = struct.pack("<qq", pid, start)


def set_cursors(memory: PipelineMemory, seq: int, lag: int = 0) -> None:
    """Put ingest at a sequence, each stage behind it by more than the one before, outcomes at twice of it."""
    in_words, out_words = memory.in_words, memory.out_words
    in_words[CUR_WRITER] = seq
    in_words[CUR_INPUT_JOURNAL] = seq - lag
    memory.control[ctl.CW_DURABLE] = seq - 2 * lag
    in_words[CUR_INPUT_RISK] = seq - 3 * lag
    in_words[CUR_INPUT_MATCHING] = seq - 4 * lag
    out_words[CUR_WRITER] = 2 * seq
    out_words[CUR_OUTPUT_RISK] = 2 * seq
    out_words[CUR_OUTPUT_PUBLISH] = 2 * seq - 5 * lag


def set_counters(memory: PipelineMemory) -> None:
    """Fill in some counters and latencies."""
    counters = memory.control[ctl.CW_COUNTERS :]
    counters[MW_COMMANDS], counters[MW_TRADES], counters[MW_OPEN] = 1234, 56, 7
    counters[MW_TYPE_COUNTS + OutcomeType.ACCEPTED] = 1000
    counters[MW_REASON_COUNTS + Reason.CREDIT_LIMIT] = 3
    counters[MW_REASON_COUNTS + Reason.TOO_LATE] = 30
    counters[MW_REASON_COUNTS + Reason.CLIENT_REQUEST] = 99  # an order's end, no rejection
    memory.control[ctl.CW_JOURNAL + ctl.JO_BYTES] = 3 << 20
    memory.control[ctl.CW_LATENCY + 20] = 10  # 20 ns


@pytest.fixture
def fabricate(tmp_path: Path) -> Iterator[Fabricate]:
    """Return a maker of what a running pipeline has in shared memory; its processes are this one."""
    made: list[PipelineMemory] = []

    def make(state: State = State.READY, *, described: bool = True) -> PipelineMemory:
        memory = PipelineMemory(pipeline_id(tmp_path), SIZES, epoch=4, input_seq=0)
        made.append(memory)
        memory.control[ctl.CW_STATE] = state
        memory.control[ctl.CW_WORKERS] = len(PLAN)
        memory.control[ctl.CW_STARTED_NS] = time.time_ns() - 90_000_000_000
        set_owner(memory, *own_identity())
        for index in range(len(PLAN)):
            set_worker(memory, index, *own_identity())
        set_cursors(memory, 1000, 8)
        set_counters(memory)
        if described:
            about = Description(
                venue="testing", data_dir=str(tmp_path), durability="fsync", wait="backoff", plan=PLAN,
                ports=SIZES.ports, input_slots=SIZES.input_slots, output_slots=SIZES.output_slots,
                ingress_slots=SIZES.ingress_slots, egress_slots=SIZES.egress_slots,
                instruments=(InstrumentRow(1, "AAPL", 1, 1, "USD"),), accounts=(AccountRow(1, "A"),),
                max_instruments=4, max_accounts=4, recovered_seq=17,
            )  # fmt: skip
            segment = memory.segments["control"]
            write_description(segment.buffer, segment.CONTENT, memory.control, about)
        return memory

    yield make
    for memory in made:
        memory.unlink()


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """Return a process that does nothing, and ends at SIGTERM."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    yield process
    process.kill()
    process.wait(PATIENCE_S)


def status_of(directory: Path, capsys: pytest.CaptureFixture[str]) -> tuple[StatusReport, int]:
    """Return what ``status --json`` prints, decoded by its type, and the exit code."""
    code = main(["status", "--data", str(directory), "--json"])
    out, err = capsys.readouterr()
    assert err == ""
    return msgspec.json.decode(out, type=StatusReport), code


def last_run_of(pid: int, state: str = "stopped", error: str = "") -> LastRun:
    """Return how a run ended."""
    now_ns = time.time_ns()
    return LastRun(
        state=state, pid=pid, started_ns=now_ns - 7_200_000_000_000, stopped_ns=now_ns - 5_000_000_000, last_seq=4321,
        durable_seq=4300, outcome_digest="00ff00ff00ff00ff", state_digest="" if error else "1234567890abcdef",
        error=error, counters={"commands": 4321, "trades": 5, "reason.too_late": 6}, latency_ns={"count": 0},
    )  # fmt: skip


# Where nothing runs


@pytest.mark.parametrize("command", ["status", "top", "stop"])
def test_nothing_runs(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On a directory where nothing has ever run, each command says so in one line, and how to start."""
    assert main([command, "--data", str(tmp_path)]) == ExitCode.NOT_RUNNING
    said = f"{tmp_path}: no pipeline runs on this data directory (ringmatch start --data {tmp_path})"
    assert capsys.readouterr() == ("", f"ringmatch: {said}\n")


def test_the_last_run_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """When nothing runs, status tells how the last run ended, on stdout, for people and for scripts."""
    write_last_run(tmp_path, last_run_of(77))
    assert main(["status", "--data", str(tmp_path)]) == ExitCode.NOT_RUNNING
    out, err = capsys.readouterr()
    assert out.startswith("last run: stopped 5.")
    assert " ago after 1 h 59 min, supervisor pid 77\n" in out
    assert "last sequence 4,321, durable 4,300\n" in out
    assert "state digest: 1234567890abcdef\noutcome digest: 00ff00ff00ff00ff\n" in out
    assert "rejects: too_late 6" in out
    assert "no pipeline runs" in err
    report, code = status_of(tmp_path, capsys)
    assert (code, report.running, report.state) == (ExitCode.NOT_RUNNING, False, "none")
    assert report.last_run is not None and report.last_run.last_seq == 4321


def test_a_failed_run_is_shown_with_its_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run that failed is remembered with the worker that caused it."""
    write_last_run(tmp_path, last_run_of(77, "failed", "worker 2 (risk, pid 78) was killed by SIGKILL"))
    assert main(["status", "--data", str(tmp_path)]) == ExitCode.NOT_RUNNING
    out = capsys.readouterr().out
    assert "last run: failed" in out
    assert "error: worker 2 (risk, pid 78) was killed by SIGKILL\n" in out
    assert "state digest: none, it did not stop in order\n" in out


def test_a_damaged_last_run_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A last-run.json that cannot be read is no reason for a status to fail."""
    (tmp_path / LAST_RUN).write_bytes(b'{"state": ')
    report, code = status_of(tmp_path, capsys)
    assert (code, report.last_run) == (ExitCode.NOT_RUNNING, None)


# While it starts


def test_a_pipeline_that_recovers_is_starting(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Before there are segments, the instance lock tells who is at the journal."""
    lock = InstanceLock(pipeline_id(tmp_path), str(tmp_path))
    try:
        assert main(["status", "--data", str(tmp_path)]) == ExitCode.OK
        assert (
            capsys.readouterr().out == f"{tmp_path}: the pipeline is starting, supervisor pid {os.getpid()}\n"
        )
        report, _ = status_of(tmp_path, capsys)
        assert (report.state, report.running, report.pid) == ("starting", True, os.getpid())
        assert main(["top", "--data", str(tmp_path)]) == ExitCode.OK
    finally:
        lock.release()
    assert attach(tmp_path) is None


def test_a_pipeline_without_description_is_starting(
    tmp_path: Path, fabricate: Fabricate, capsys: pytest.CaptureFixture[str]
) -> None:
    """Between the first segment and READY there is nothing to describe yet; a supervisor that died there is dead."""
    memory = fabricate(State.STARTING, described=False)
    report, code = status_of(tmp_path, capsys)
    assert (report.state, report.running, report.pipeline, code) == ("starting", True, None, ExitCode.OK)
    set_owner(memory, os.getpid(), 1)
    report, code = status_of(tmp_path, capsys)
    assert (report.state, report.running, code) == ("failed", False, ExitCode.WORKER_DIED)
    assert f"the supervisor (pid {os.getpid()}) is dead" in report.problems[0]


# Running


def test_status_tells_of_trading_states(
    tmp_path: Path, fabricate: Fabricate, capsys: pytest.CaptureFixture[str]
) -> None:
    """Instruments that are not in continuous trading are told of, by state; where all are, nothing is."""
    memory = fabricate()
    report, _ = status_of(tmp_path, capsys)
    assert report.pipeline is not None and report.pipeline.states == {}
    assert main(["status", "--data", str(tmp_path)]) == ExitCode.OK
    assert "states:" not in capsys.readouterr().out
    segment = memory.segments["control"]
    about = ctl.read_description(segment.buffer, segment.CONTENT, memory.control)
    symbols = [f"S{number}" for number in range(1, 13)]
    changed = msgspec.structs.replace(
        about,
        instruments=tuple(InstrumentRow(n, symbol, 1, 1, "USD") for n, symbol in enumerate(symbols, 1)),
        markets=(
            *(market(number, TradingState.HALT) for number in range(1, 11)),
            market(11, TradingState.PRE_OPEN),
            market(12, TradingState.CONTINUOUS),
        ),
    )
    write_description(segment.buffer, segment.CONTENT, memory.control, changed)
    report, _ = status_of(tmp_path, capsys)
    assert report.pipeline is not None
    assert list(report.pipeline.states.items()) == [
        *((f"S{n}", "halt") for n in range(1, 11)),
        ("S11", "pre-open"),
    ]
    assert main(["status", "--data", str(tmp_path)]) == ExitCode.OK
    said = "states: halt S1, S2, S3, S4, S5, S6, S7, S8 and 2 more; pre-open S11\n"
    assert said in capsys.readouterr().out
    assert main(["top", "--once", "--data", str(tmp_path)]) == ExitCode.OK
    assert "states   halt S1, S2" in capsys.readouterr().out


def market(identity: int, state: TradingState) -> MarketRow:
    """Return an instrument in a state, with a group and without bands."""
    return MarketRow(identity, int(state), 1, 0, 0, 0, 0, 0, 0, 0)


def test_status_shows_what_there_is(
    tmp_path: Path, fabricate: Fabricate, capsys: pytest.CaptureFixture[str]
) -> None:
    """State, plan, pids, cursors, lag, fill levels, ports, counters, rejects, latency and journal are shown."""
    memory = fabricate()
    memory.control[ctl.CW_PORT_BLOCKS + ctl.PORT_WORDS] = ctl.PortState.OPEN
    memory.control[ctl.CW_PORT_BLOCKS + 2 * ctl.PORT_WORDS] = ctl.PortState.CUT
    assert main(["status", "--data", str(tmp_path)]) == ExitCode.OK
    out, err = capsys.readouterr()
    assert err == ""
    pid = os.getpid()
    for said in (
        "testing: ready, started 1 min 30 s ago, epoch 4, durability fsync, wait backoff",
        f"supervisor pid {pid}\n",
        "recovered: 17 commands from the journal\n",
        f"     1  ingest+journal            0  {pid}",
        f"     2  risk+matching+publish   any  {pid}",
        "input        1,000\n",
        "journal        992    8\n",
        "durable        984   16\n",
        "risk           976   24\n",
        "matching       968   32\n",
        "publish      1,960   40\n",
        "rings: input 50.0% full, output 31.2% full\n",
        "ports: 1 open, 1 cut off\n",
        "commands: 1,234, trades 56, open orders 7",
        "rejects: too_late 30, credit_limit 3\n",
        "latency: p50 20 ns, p90 20 ns, p99 20 ns, p99.9 20 ns, max 21 ns\n",
        "journal: 3.0 MiB in ",
    ):
        assert said in out, said


def test_status_as_json(tmp_path: Path, fabricate: Fabricate, capsys: pytest.CaptureFixture[str]) -> None:
    """Scripts get the same, by name."""
    fabricate()
    report, code = status_of(tmp_path, capsys)
    assert (code, report.state, report.running, report.problems) == (ExitCode.OK, "ready", True, [])
    snapshot = report.pipeline
    assert snapshot is not None
    assert snapshot.plan == PLAN
    assert snapshot.lag == {"journal": 8, "durable": 16, "risk": 24, "matching": 32, "publish": 40}
    assert [(worker.pid, worker.alive, worker.busy_percent) for worker in snapshot.workers] == [
        (os.getpid(), True, 25.0), (os.getpid(), True, 25.0),
    ]  # fmt: skip
    assert snapshot.counters["reason.credit_limit"] == 3


def test_a_dead_worker_is_named(
    tmp_path: Path, fabricate: Fabricate, capsys: pytest.CaptureFixture[str]
) -> None:
    """A worker whose process is gone is named with its pid, and the exit code tells."""
    set_worker(fabricate(), 1, os.getpid(), 1)
    report, code = status_of(tmp_path, capsys)
    assert code == ExitCode.WORKER_DIED
    assert report.problems[0].startswith(f"worker 2 (risk+matching+publish, pid {os.getpid()}) is dead")
    assert main(["status", "--data", str(tmp_path)]) == ExitCode.WORKER_DIED
    out, err = capsys.readouterr()
    assert " dead " in out
    assert err == f"ringmatch: {report.problems[0]}\n"


def test_a_stalled_worker_is_named(
    tmp_path: Path, fabricate: Fabricate, sleeper: subprocess.Popen[bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    """A worker without a heartbeat is named; if a signal stopped it, that is said. The pipeline still runs."""
    memory = fabricate()
    set_worker(memory, 0, sleeper.pid, process_start_time(sleeper.pid), 12_000_000_000)
    report, code = status_of(tmp_path, capsys)
    assert code == ExitCode.OK
    name = f"worker 1 (ingest+journal, pid {sleeper.pid}) has not moved for 12 s: "
    assert report.problems == [name + "it is starved of its core, or waits for the disk"]
    sleeper.send_signal(signal.SIGSTOP)
    deadline = time.monotonic() + PATIENCE_S
    while process_state(sleeper.pid) != "T" and time.monotonic() < deadline:
        pass
    report, code = status_of(tmp_path, capsys)
    assert report.problems == [name + f"it is stopped by a signal, kill -CONT {sleeper.pid} lets it go on"]
    assert main(["status", "--data", str(tmp_path)]) == ExitCode.OK
    assert "STALLED" in capsys.readouterr().out


def test_a_dead_supervisor_is_named(
    tmp_path: Path, fabricate: Fabricate, capsys: pytest.CaptureFixture[str]
) -> None:
    """Segments of a supervisor that was killed are no running pipeline; what of it still runs is said."""
    memory = fabricate()
    set_owner(memory, os.getpid(), 1)
    set_worker(memory, 0, os.getpid(), 1)
    report, code = status_of(tmp_path, capsys)
    assert (code, report.state, report.running) == (ExitCode.WORKER_DIED, "failed", False)
    assert len(report.problems) == 2
    assert f"the supervisor (pid {os.getpid()}) is dead" in report.problems[0]
    assert report.problems[1] == f"worker 2 (risk+matching+publish, pid {os.getpid()}) still runs"
    assert main(["top", "--data", str(tmp_path)]) == ExitCode.WORKER_DIED
    assert "the supervisor" in capsys.readouterr().err


def test_a_pipeline_that_has_just_stopped_is_none(
    tmp_path: Path, fabricate: Fabricate, capsys: pytest.CaptureFixture[str]
) -> None:
    """Between STOPPED and the end of its supervisor a pipeline counts as stopped."""
    fabricate(State.STOPPED)
    write_last_run(tmp_path, last_run_of(os.getpid()))
    report, code = status_of(tmp_path, capsys)
    assert (code, report.state, report.pipeline) == (ExitCode.NOT_RUNNING, "none", None)
    assert report.last_run is not None


# top


def rendered(renderable: Any, width: int = 130) -> str:
    """Return what Rich would draw, without colours."""
    from rich.console import Console

    console = Console(width=width, highlight=False, color_system=None)
    with console.capture() as capture:
        console.print(renderable)
    return capture.get()


def test_top_shows_rates_between_two_looks(tmp_path: Path, fabricate: Fabricate) -> None:
    """Rates are differences of two snapshots over the time between them; bars show lag in parts of a ring."""
    memory = fabricate()
    pipeline = attach(tmp_path)
    assert pipeline is not None
    before = take(pipeline)
    set_cursors(memory, 51_000, 10)
    memory.control[ctl.CW_COUNTERS + MW_TRADES] += 1000
    memory.control[ctl.CW_COUNTERS + ctl.CO_RELEASED] += 30_000_000
    now = take(pipeline)._replace(taken_s=before.taken_s + 2.0)
    text = rendered(frame(pipeline, before, now))
    assert "testing  ready  up 1 min 30 s" in text
    assert "25.0 k/s commands, 500/s trades, 15.00 M/s outcomes" in text
    lines = {line.split()[0]: line for line in text.splitlines() if line.strip()}
    assert lines["ingest"].split() == ["ingest", "51,000", "25.0", "k/s"]
    assert lines["matching"].split()[1:5] == ["50,960", "25.0", "k/s", "40"]
    assert lines["matching"].count("█") == 15  # 40 of 64 slots, of 24 cells
    assert "latency  p50 20 ns  p90 20 ns" in text
    assert "rejects  too_late 30, credit_limit 3" in text


def test_top_prints_one_frame(
    tmp_path: Path, fabricate: Fabricate, capsys: pytest.CaptureFixture[str]
) -> None:
    """--once, and a stdout that is no terminal, give one frame and an end."""
    set_worker(fabricate(), 0, os.getpid(), 1)
    for options in (["--once"], []):
        assert main(["top", "--data", str(tmp_path), "--interval", "0.05", *options]) == ExitCode.OK
        out = capsys.readouterr().out
        assert out.startswith("testing  ready")
        assert out.count("rejects  ") == 1
        assert f"worker 1 (ingest+journal, pid {os.getpid()}) is dead" in out


@pytest.mark.parametrize("how", ["q", "Ctrl-C", "stopped", "killed"])
def test_top_ends_when_asked_and_when_the_pipeline_does(
    how: str, tmp_path: Path, fabricate: Fabricate
) -> None:
    """In a terminal top draws until q or Ctrl-C; when the pipeline ends, it says how."""
    memory = fabricate()
    process, terminal = in_terminal("top", "--data", str(tmp_path), "--interval", "0.05")
    said, expected = b"", ExitCode.OK
    try:
        read_terminal(terminal, b"rejects")
        if how == "q":
            os.write(terminal, b"q")
        elif how == "Ctrl-C":
            process.send_signal(signal.SIGINT)
        elif how == "stopped":
            write_last_run(tmp_path, last_run_of(os.getpid()))
            memory.control[ctl.CW_STATE] = State.STOPPED
            said = b"the pipeline has stopped"
        else:
            set_owner(memory, os.getpid(), 1)
            said, expected = b"is gone without a word", ExitCode.WORKER_DIED
        assert said in read_terminal(terminal)
        assert process.wait(PATIENCE_S) == expected
    finally:
        process.kill()
        process.wait(PATIENCE_S)
        os.close(terminal)


# stop


def test_stop_ends_the_supervisor_and_tells_how_it_ended(
    tmp_path: Path, fabricate: Fabricate, sleeper: subprocess.Popen[bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    """SIGTERM goes to the supervisor; when it is gone, the summary of its run is printed."""
    set_owner(fabricate(), sleeper.pid, process_start_time(sleeper.pid))
    write_last_run(tmp_path, last_run_of(sleeper.pid))
    assert main(["stop", "--data", str(tmp_path)]) == ExitCode.OK
    out, err = capsys.readouterr()
    assert out.startswith("last run: stopped") and "state digest: 1234567890abcdef\n" in out
    assert err == ""
    assert sleeper.wait(PATIENCE_S) == -signal.SIGTERM


@pytest.mark.parametrize("of_another", [False, True])
def test_stop_says_when_the_supervisor_left_no_word(
    of_another: bool, tmp_path: Path, fabricate: Fabricate, sleeper: subprocess.Popen[bytes],
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """A supervisor that leaves without a summary, or with that of an earlier run there, did not stop in order."""
    set_owner(fabricate(), sleeper.pid, process_start_time(sleeper.pid))
    if of_another:
        write_last_run(tmp_path, last_run_of(sleeper.pid + 1))
    assert main(["stop", "--data", str(tmp_path), "--json"]) == ExitCode.WORKER_DIED
    out, err = capsys.readouterr()
    report = json.loads(out)
    assert (report["stopped"], report["pid"], report["last_run"]) == (True, sleeper.pid, None)
    assert f"pid {sleeper.pid} is gone" in err


def test_stop_reports_a_run_that_failed(
    tmp_path: Path, fabricate: Fabricate, sleeper: subprocess.Popen[bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    """A pipeline that fails while it stops has the exit code of a dead worker."""
    set_owner(fabricate(), sleeper.pid, process_start_time(sleeper.pid))
    write_last_run(tmp_path, last_run_of(sleeper.pid, "failed", "worker 1 ended with code 20"))
    assert main(["stop", "--data", str(tmp_path)]) == ExitCode.WORKER_DIED
    assert "error: worker 1 ended with code 20\n" in capsys.readouterr().out


def test_stop_says_when_it_takes_too_long(
    tmp_path: Path, fabricate: Fabricate, capsys: pytest.CaptureFixture[str]
) -> None:
    """A supervisor that does not stop in time is left alone, and what it lags behind by is said."""
    code = "import signal, time; signal.signal(15, signal.SIG_IGN); print(flush=True); time.sleep(600)"
    memory = fabricate(State.DRAINING)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as stubborn:
        try:
            assert stubborn.stdout is not None
            stubborn.stdout.readline()
            set_owner(memory, stubborn.pid, process_start_time(stubborn.pid))
            assert main(["stop", "--data", str(tmp_path), "--timeout", "0.05"]) == ExitCode.FAILED
            assert stubborn.poll() is None
        finally:
            stubborn.kill()
    err = capsys.readouterr().err
    assert (
        f"the supervisor (pid {stubborn.pid}) was asked to stop and has not within 0.05 s: it is draining"
        in err
    )
    assert "behind by: journal 8, durable 16" in err


def test_stop_signals_nobody_else(
    tmp_path: Path, fabricate: Fabricate, sleeper: subprocess.Popen[bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    """A process that has the pid of a dead supervisor by now is not touched."""
    set_owner(fabricate(), sleeper.pid, process_start_time(sleeper.pid) - 1)
    assert main(["stop", "--data", str(tmp_path)]) == ExitCode.NOT_RUNNING
    assert f"the supervisor (pid {sleeper.pid}) is dead" in capsys.readouterr().err
    assert sleeper.poll() is None


# A pipeline that runs


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return the data directory of a pipeline that runs in the background."""
    directory = tmp_path_factory.mktemp("running")
    done = ringmatch("start", "--data", str(directory), "--detach", patience_s=START_PATIENCE_S)
    assert done.returncode == 0, done.stdout + done.stderr
    yield directory
    ringmatch("stop", "--data", str(directory))


def ringmatch(*arguments: str, patience_s: float = PATIENCE_S) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    command = [sys.executable, "-m", "cli", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=patience_s, check=False)


def test_a_pipeline_from_start_to_stop(running: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Status, top and stop tell the same of one pipeline: pids that live, sequences that are durable, its end."""
    report, code = status_of(running, capsys)
    assert (code, report.state, report.problems) == (ExitCode.OK, "ready", [])
    snapshot = report.pipeline
    assert snapshot is not None
    assert {stage for worker in snapshot.workers for stage in worker.stages} == {
        "ingest", "journal", "risk", "matching", "publish",
    }  # fmt: skip
    assert all(worker.alive for worker in snapshot.workers)
    assert snapshot.supervisor_pid == report.pid != os.getpid()
    assert 0 < snapshot.cursors["durable"] <= snapshot.cursors["input"]
    assert snapshot.counters["journal.bytes"] > 0
    assert main(["top", "--data", str(running), "--once", "--interval", "0.05"]) == ExitCode.OK
    assert f"pid {report.pid}" in capsys.readouterr().out
    done = ringmatch("stop", "--data", str(running), "--json")
    assert done.returncode == ExitCode.OK, done.stderr
    stopped = json.loads(done.stdout)
    assert (stopped["stopped"], stopped["pid"], stopped["last_run"]["state"]) == (True, report.pid, "stopped")
    after, code = status_of(running, capsys)
    assert (code, after.state) == (ExitCode.NOT_RUNNING, "none")
    assert after.last_run is not None
    assert after.last_run.last_seq == after.last_run.durable_seq == stopped["last_run"]["last_seq"]
    # what the live run says of itself is what a replay of its journal finds
    assert main(["replay", str(running), "--verify", "--json"]) == ExitCode.OK
    replayed = json.loads(capsys.readouterr().out)
    assert replayed["outcome_digest"] == after.last_run.outcome_digest
    assert replayed["state_digest"] == after.last_run.state_digest
    assert (replayed["last_seq"], replayed["verified"]) == (after.last_run.last_seq, True)
