"""A pipeline of real processes for a benchmark: started by ``ringmatch start``, stopped, and held to account.

Each lives in a directory of its own on disk, with a ``venue.toml`` that says plan, wait strategy and
durability. When it has stopped, its journal is replayed: last sequence, outcome digest and state digest must
be those of the live run, and whoever injected must have every command answered. Only then is there a figure.

Failure modes: a pipeline that does not start or stop in time is killed by the pids that it published, and the
benchmark ends with what it had said.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from benchmarks.machine import file_system
from benchmarks.measure import NotVerified, expect_equal
from gateway.inject import InjectSummary
from ringbuffer.liveness import is_alive
from stages import control as ctl
from stages.config import STAGES, VenueConfig, default_config
from stages.last_run import LastRun, read_last_run
from stages.memory import SEGMENTS, pipeline_id, segment_name
from stages.observe import Observer
from stages.replay import Replayer, ReplayResult

__all__ = ["ALL_IN_ONE", "LivePipeline", "WorkerLayout", "check_run", "scratch", "venue_toml"]

ROOT: Final = Path(__file__).resolve().parent.parent
START_DEADLINE_S: Final = 300.0  # a first start compiles
STOP_DEADLINE_S: Final = 120.0
MEMORY_FILE_SYSTEMS: Final = ("tmpfs", "ramfs", "overlay on tmpfs")

WorkerLayout = Sequence[tuple[tuple[str, ...], int]]
"""Stages and core of each worker."""


def ALL_IN_ONE(core: int) -> WorkerLayout:  # noqa: N802 - reads as the name of a plan
    """Return the plan with all stages in one worker."""
    return [(STAGES, core)]


def venue_toml(config: VenueConfig, data_dir: Path, durability: str, layout: WorkerLayout, wait: str) -> str:
    """Return a ``venue.toml`` with the instruments, accounts, tables and firms of ``config``."""
    workers = ", ".join(
        f"{{ stages = [{', '.join(_quoted(stage) for stage in stages)}], core = {core} }}"
        for stages, core in layout
    )
    lines = [
        "[venue]",
        f"data_dir = {_quoted(str(data_dir))}",
        f"durability = {_quoted(durability)}",
        "[plan]",
        f"workers = [{workers}]",
        f"wait = {_quoted(wait)}",
    ]
    tables = {
        "instrument": config.instruments, "account": config.accounts, "tick_table": config.tick_tables,
        "schedule": config.schedules, "firm": config.firms, "session": config.sessions,
    }  # fmt: skip
    for table, entries in tables.items():
        for entry in entries:
            lines.append(f"[[{table}]]")
            fields = msgspec.to_builtins(entry)
            lines += [f"{name} = {_toml(value)}" for name, value in fields.items() if value is not None]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    """Write a value of the configuration."""
    if isinstance(value, dict):
        parts = [f"{name} = {_toml(part)}" for name, part in value.items() if part is not None]
        return f"{{ {', '.join(parts)} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int) else _quoted(str(value))


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


@contextmanager
def scratch(where: Path | None = None) -> Iterator[Path]:
    """Yield a new directory on a disk and remove it at the end; ``where`` says on which."""
    candidates = [where] if where else [Path(tempfile.gettempdir()), Path.cwd()]
    chosen = next((path for path in candidates if not is_memory(path)), candidates[0])
    with tempfile.TemporaryDirectory(
        prefix="ringmatch-bench-", dir=chosen, ignore_cleanup_errors=True
    ) as name:
        yield Path(name)


def is_memory(path: Path) -> bool:
    """Tell whether a directory lies in memory, where syncing means nothing."""
    return file_system(path).startswith(MEMORY_FILE_SYSTEMS)


def command_line(*arguments: str) -> list[str]:
    """Return the command that runs ``ringmatch`` of this checkout."""
    return [sys.executable, "-m", "cli", *arguments]


def environment() -> dict[str, str]:
    """Return the environment in which this checkout is found."""
    path = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{path}" if path else str(ROOT)}


class LivePipeline:
    """Runs from construction until :meth:`stop`; attach a :class:`gateway.port.Port` to ``data_dir``."""

    def __init__(
        self, directory: Path, durability: str, layout: WorkerLayout, wait: str = "blocking",
        config: VenueConfig | None = None,
    ) -> None:  # fmt: skip
        self.data_dir = directory / "data"
        self.config_file = directory / "venue.toml"
        toml = venue_toml(config or default_config(), self.data_dir, durability, layout, wait)
        self.config_file.write_text(toml, encoding="utf-8")
        self._identity = (0, 0)
        self.started_s = 0.0  # when the command had returned
        self.said = ""
        self._start()

    def _start(self) -> None:
        arguments = command_line("start", "--config", str(self.config_file), "--detach")
        done = subprocess.run(
            arguments, env=environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=START_DEADLINE_S, check=False,
        )  # fmt: skip
        self.started_s = time.monotonic()
        self.said = done.stdout
        if done.returncode:
            lines = (done.stdout + done.stderr).strip().splitlines() or ["nothing"]
            raise RuntimeError(f"start: expected a pipeline, was exit code {done.returncode}: {lines[-1]}")
        self.observer = Observer(self.data_dir)
        control = self.control = self.observer.control
        self._identity = (int(control[ctl.CW_SUPERVISOR_PID]), int(control[ctl.CW_SUPERVISOR_START]))

    def latencies(self) -> Any:
        """Return a copy of publish's histogram: scheduled send to release."""
        return self.control[ctl.CW_LATENCY : ctl.CW_LATENCY + ctl.LATENCY_BUCKETS].copy()

    def stop(self) -> LastRun:
        """Drain, stop, and return what the pipeline says of itself."""
        os.kill(self._identity[0], signal.SIGTERM)
        deadline = time.monotonic() + STOP_DEADLINE_S
        while is_alive(*self._identity):
            if time.monotonic() > deadline:
                self._kill()
                raise TimeoutError(f"expected the pipeline to stop within {STOP_DEADLINE_S:g} s")
            time.sleep(0.002)
        self._identity = (0, 0)
        last = read_last_run(self.data_dir)
        if last is None or last.state != "stopped":
            raise NotVerified(f"pipeline: expected a clean stop, was {last.error if last else 'no word'}")
        return last

    def _kill(self) -> None:
        """End what still runs, by pid, and remove its segments: only after something went wrong."""
        workers = [
            ctl.CW_WORKER_BLOCKS + row * ctl.WORKER_WORDS for row in range(int(self.control[ctl.CW_WORKERS]))
        ]
        processes = [
            (int(self.control[row + ctl.WW_PID]), int(self.control[row + ctl.WW_START])) for row in workers
        ]
        for pid, start in [self._identity, *processes]:
            if is_alive(pid, start):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self._identity = (0, 0)
        for part in SEGMENTS:
            with suppress(OSError):
                os.unlink(f"/dev/shm/{segment_name(pipeline_id(self.data_dir), part)}")

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it if it still runs."""
        if is_alive(*self._identity):
            with suppress(Exception):
                self.stop()


def check_run(pipeline: LivePipeline, last: LastRun, summary: InjectSummary, expected: int) -> ReplayResult:
    """Hold a run to account: all sent and answered, and a replay that ends where the live run did."""
    expect_equal("commands without an answer", 0, summary.unanswered)
    expect_equal("commands answered", summary.sent, summary.answered)
    expect_equal("commands sent, without those of the session", expected, summary.sent - 2)
    expect_equal("ports cut off", 0, last.counters["cut_off"])
    for name in ("filled", "cancelled", "replaced", "expired"):
        expect_equal(f"outcomes {name}", last.counters[name], summary.types[name])
    expect_equal("last durable sequence", last.last_seq, last.durable_seq)
    result = Replayer(pipeline.data_dir).run()
    expect_equal("journaled digests", True, result.verified)
    expect_equal("last sequence", last.last_seq, result.last_seq)
    expect_equal("outcome digest", last.outcome_digest, result.outcome_digest)
    expect_equal("state digest", last.state_digest, result.state_digest)
    return result
