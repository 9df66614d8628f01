"""``ringmatch status``: what the pipeline of a data directory does; or how its last run ended, if none runs.

Reads the control segment, the cursors of the core rings, ``/proc`` and ``last-run.json``; writes nothing. Never
imports Numba. A pipeline without its supervisor is not running, whatever its segment says.

Exit codes: 0 it runs (also while it starts or drains), 4 none runs, 6 a process of it has died.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from cli.exit_codes import CommandError, ExitCode
from cli.render import (
    DEFAULT_DATA,
    Data,
    Json,
    latency_text,
    latency_texts,
    print_json,
    size_text,
    span_text,
    table,
)
from protocols.codes import ENDING_REASONS
from ringbuffer.errors import SegmentMissing
from ringbuffer.liveness import is_alive, process_start_time
from stages.control import CW_DESCRIPTION_BYTES
from stages.instance import holder_of
from stages.last_run import LastRun, read_last_run
from stages.memory import attach_control, pipeline_id
from stages.observe import Observer, Snapshot, WorkerStatus

__all__ = [
    "Pipeline",
    "StatusReport",
    "attach",
    "describe",
    "describe_last_run",
    "describe_states",
    "find_problems",
    "look",
    "not_running",
    "process_state",
    "rejects_of",
    "status",
]

# Why an order ended: counted among the reasons, but no rejections.
ENDINGS: Final = frozenset(reason.name.lower() for reason in ENDING_REASONS)
REASON_PREFIX: Final = "reason."
MAX_SYMBOLS: Final = 8  # of one state
STOPPED_STATES: Final = "Tt"  # of /proc/<pid>/stat


class Pipeline(NamedTuple):
    """A pipeline that was found; one without an observer has not described itself yet: it is starting."""

    pid: int
    start_time: int
    observer: Observer | None

    @property
    def alive(self) -> bool:
        """Tell whether its supervisor runs."""
        return is_alive(self.pid, self.start_time)


class StatusReport(msgspec.Struct, frozen=True, kw_only=True):
    """All that ``status --json`` prints; ``state`` is one of stages.control.State, or ``none``."""

    state: str
    running: bool
    pid: int = 0  # of the supervisor
    problems: list[str]
    pipeline: Snapshot | None = None
    last_run: LastRun | None = None


def status(data: Data = DEFAULT_DATA, json: Json = False) -> int:
    """Show the pipeline: state, workers, cursors, lag, counters, latency; or how its last run ended."""
    report, code = look(data)
    if json:
        print_json(report)
        return int(code)
    if report.pipeline is not None:
        print("\n".join(describe(report.pipeline)))
    elif report.running:
        print(f"{data}: the pipeline is starting, supervisor pid {report.pid}")
    elif report.last_run is not None:
        print("\n".join(describe_last_run(report.last_run)))
    for problem in report.problems:
        print(f"ringmatch: {problem}", file=sys.stderr)
    if code is ExitCode.NOT_RUNNING:
        raise not_running(data)
    return int(code)


def look(data_dir: Path) -> tuple[StatusReport, ExitCode]:
    """Return what is known of the pipeline of a data directory, and the exit code that says so."""
    pipeline = attach(data_dir)
    snapshot = pipeline.observer.snapshot() if pipeline and pipeline.observer else None
    if pipeline is None or (snapshot is not None and snapshot.state == "stopped"):
        last_run = read_last_run(data_dir)
        return StatusReport(state="none", running=False, problems=[], last_run=last_run), ExitCode.NOT_RUNNING
    state = snapshot.state if snapshot else "starting" if pipeline.alive else "failed"
    problems = find_problems(pipeline, snapshot)
    if state == "failed":
        last_run = read_last_run(data_dir)
        if last_run is not None and last_run.pid == pipeline.pid and last_run.error:
            problems.append(last_run.error)
    died = state == "failed" or (
        snapshot is not None and any(_is_dead(worker) for worker in snapshot.workers)
    )
    report = StatusReport(
        state=state, running=pipeline.alive, pid=pipeline.pid, problems=problems, pipeline=snapshot
    )
    return report, ExitCode.WORKER_DIED if died else ExitCode.OK


def attach(data_dir: Path) -> Pipeline | None:
    """Attach what runs, or what a supervisor that was killed has left; None if there is nothing."""
    try:
        segment, control = attach_control(data_dir)
        owner = segment.info
        observer = Observer(data_dir) if int(control[CW_DESCRIPTION_BYTES]) else None
    except SegmentMissing:
        pid = holder_of(pipeline_id(data_dir))  # it may be at the journal still
        return Pipeline(pid, process_start_time(pid), None) if pid else None
    return Pipeline(owner.owner_pid, owner.owner_start, observer)


def not_running(data_dir: Path) -> CommandError:
    """Return the error of a command that needs a pipeline."""
    return CommandError(
        f"{data_dir}: no pipeline runs on this data directory (ringmatch start --data {data_dir})",
        ExitCode.NOT_RUNNING,
    )


def find_problems(pipeline: Pipeline, snapshot: Snapshot | None) -> list[str]:
    """Say which processes are dead or do not move, each with its pid."""
    pid, workers = pipeline.pid, snapshot.workers if snapshot else ()
    names = [
        f"worker {index + 1} ({'+'.join(worker.stages)}, pid {worker.pid})"
        for index, worker in enumerate(workers)
    ]
    if not pipeline.alive:
        left = [f"{name} still runs" for name, worker in zip(names, workers, strict=True) if worker.alive]
        gone = f"the supervisor (pid {pid}) is dead: what was acknowledged is in the journal, start again to recover"
        return [gone, *left]
    problems = []
    if process_state(pid) in STOPPED_STATES:
        problems.append(f"the supervisor (pid {pid}) is stopped by a signal: kill -CONT {pid} lets it go on")
    for name, worker in zip(names, workers, strict=True):
        if _is_dead(worker):
            problems.append(f"{name} is dead: the pipeline fails, start again to recover")
        elif worker.stalled:
            problems.append(
                f"{name} has not moved for {span_text(worker.heartbeat_age_ns)}: {_why_stalled(worker)}"
            )
    return problems


def _is_dead(worker: WorkerStatus) -> bool:
    return worker.pid != 0 and not worker.alive


def _why_stalled(worker: WorkerStatus) -> str:
    if process_state(worker.pid) in STOPPED_STATES:
        return f"it is stopped by a signal, kill -CONT {worker.pid} lets it go on"
    return "it is starved of its core, or waits for the disk"


def process_state(pid: int) -> str:
    """Return the state letter of a process, as in /proc/<pid>/stat; X for one that is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
    except OSError:
        return "X"
    return text[text.rindex(")") + 2]


# What people read


def describe(snapshot: Snapshot) -> list[str]:
    """Describe a pipeline that is there."""
    counters = snapshot.counters
    latency = latency_texts(snapshot.latency_ns)
    lines = [
        f"{snapshot.venue}: {snapshot.state}, started {span_text(snapshot.uptime_ns)} ago, epoch {snapshot.epoch}, "
        f"durability {snapshot.durability}, wait {snapshot.wait}, supervisor pid {snapshot.supervisor_pid}"
    ]
    if snapshot.recovered_seq:
        lines.append(f"recovered: {snapshot.recovered_seq:,} commands from the journal")
    rows = [("worker", "stages", "core", "pid", "heartbeat", "busy")]
    for index, worker in enumerate(snapshot.workers):
        core = str(worker.core) if worker.core >= 0 else "any"
        rows.append((str(index + 1), "+".join(worker.stages), core, str(worker.pid), *_pulse(worker)))
    lines += ["", *table(rows, right="r rrrr")]
    rows_of_stages = [("cursor", "sequence", "lag")]
    for name, seq in snapshot.cursors.items():
        rows_of_stages.append((name, f"{seq:,}", f"{snapshot.lag[name]:,}" if name in snapshot.lag else ""))
    lines += ["", *table(rows_of_stages, right=" rr"), ""]
    lines.append(
        f"rings: {', '.join(f'{name} {100 * share:.1f}% full' for name, share in snapshot.fill.items())}"
    )
    lines.append(f"ports: {snapshot.ports_open} open, {snapshot.ports_cut} cut off")
    if snapshot.states:
        lines.append(f"states: {describe_states(snapshot.states)}")
    lines += describe_counters(counters)
    lines.append(f"latency: {', '.join(latency) if latency else 'nothing measured yet'}")
    size = size_text(counters["journal.bytes"])
    slowest = latency_text(counters["journal.sync_max_ns"])
    lines.append(
        f"journal: {size} in {counters['journal.blocks']:,} blocks, {counters['journal.syncs']:,} syncs "
        f"(slowest {slowest}), new segments {counters['journal.segments']:,}"
    )
    return lines


def describe_states(states: dict[str, str]) -> str:
    """Describe the trading states that are not CONTINUOUS: a few symbols each, and how many more."""
    parts = []
    for state in dict.fromkeys(states.values()):
        symbols = [symbol for symbol, each in states.items() if each == state]
        more = f" and {len(symbols) - MAX_SYMBOLS} more" if len(symbols) > MAX_SYMBOLS else ""
        parts.append(f"{state} {', '.join(symbols[:MAX_SYMBOLS])}{more}")
    return "; ".join(parts)


def _pulse(worker: WorkerStatus) -> tuple[str, str]:
    if not worker.alive:
        return ("dead" if worker.pid else "not started"), "-"
    age = span_text(worker.heartbeat_age_ns) if worker.stalled else latency_text(worker.heartbeat_age_ns)
    return f"{age} ago{' STALLED' if worker.stalled else ''}", f"{worker.busy_percent:.1f}%"


def describe_counters(counters: dict[str, int]) -> list[str]:
    """Describe what has happened to commands; all counts are of the whole journal, the last one aside."""
    names = ("accepted", "rejected", "filled", "cancelled", "replaced", "expired", "triggered")
    rejects = ", ".join(f"{name} {count:,}" for name, count in rejects_of(counters).items())
    return [
        f"commands: {counters.get('commands', 0):,}, trades {counters.get('trades', 0):,}, "
        f"open orders {counters.get('open_orders', 0):,}, released outcomes {counters.get('released', 0):,}",
        f"outcomes: {', '.join(f'{name} {counters.get(name, 0):,}' for name in names)}",
        f"rejects: {rejects or 'none'}",
    ]


def rejects_of(counters: dict[str, int]) -> dict[str, int]:
    """Return the rejections by reason, most frequent first."""
    reasons = {
        name.removeprefix(REASON_PREFIX): n for name, n in counters.items() if name.startswith(REASON_PREFIX)
    }
    rejects = [(name, count) for name, count in reasons.items() if name not in {*ENDINGS, "none"}]
    return dict(sorted(rejects, key=lambda row: (-row[1], row[0])))


def describe_last_run(last_run: LastRun) -> list[str]:
    """Describe how a run ended."""
    ago = span_text(time.time_ns() - last_run.stopped_ns)
    lasted = span_text(last_run.stopped_ns - last_run.started_ns)
    lines = [f"last run: {last_run.state} {ago} ago after {lasted}, supervisor pid {last_run.pid}"]
    if last_run.error:
        lines.append(f"error: {last_run.error}")
    lines.append(f"journal: last sequence {last_run.last_seq:,}, durable {last_run.durable_seq:,}")
    lines.append(f"state digest: {last_run.state_digest or 'none, it did not stop in order'}")
    lines.append(f"outcome digest: {last_run.outcome_digest}")
    lines += describe_counters(last_run.counters)
    if latency := latency_texts(last_run.latency_ns):
        lines.append(f"latency: {', '.join(latency)}")
    return lines
