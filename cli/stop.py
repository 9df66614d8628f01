"""``ringmatch stop``: ask the supervisor to drain and stop, and wait until it is gone.

The supervisor takes nothing more from gateways, matches, journals and releases what is sequenced, journals the
final digests, and leaves. The process is told apart by pid and start time, so that nobody else is signalled.

Exit codes: 0 stopped in order, 1 it did not stop in time (it still drains), 4 nothing runs, 6 the run failed.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import Annotated, Final

import msgspec
import typer

from cli.exit_codes import CommandError, ExitCode
from cli.render import DEFAULT_DATA, Data, Json, print_json
from cli.status import STOPPED_STATES, Pipeline, attach, describe_last_run, not_running, process_state
from stages.last_run import LastRun, read_last_run

__all__ = ["StopReport", "stop"]

TIMEOUT_S: Final = 75.0  # longer than the supervisor gives itself to drain
POLL_S: Final = 0.01


class StopReport(msgspec.Struct, frozen=True, kw_only=True):
    """All that ``stop --json`` prints; ``last_run`` is missing if the supervisor left without writing it."""

    stopped: bool
    pid: int
    seconds: float
    last_run: LastRun | None = None


def stop(
    data: Data = DEFAULT_DATA,
    timeout: Annotated[float, typer.Option(min=0, metavar="S", help="Seconds to wait.")] = TIMEOUT_S,
    json: Json = False,
) -> int:
    """Drain and stop the pipeline: what is sequenced is still matched, journaled and released."""
    pipeline = attach(data)
    if pipeline is None:
        raise not_running(data)
    pid = pipeline.pid
    if not pipeline.alive:
        raise CommandError(
            f"{data}: no pipeline runs on this data directory: the supervisor (pid {pid}) is dead, "
            f"start again to recover",
            ExitCode.NOT_RUNNING,
        )
    started_s = time.monotonic()
    _terminate(pid)
    gone = _wait(pipeline, started_s + timeout)
    seconds = round(time.monotonic() - started_s, 3)
    last_run = read_last_run(data) if gone else None
    if last_run is not None and last_run.pid != pid:
        last_run = None  # of an earlier run
    if json:
        print_json(StopReport(stopped=gone, pid=pid, seconds=seconds, last_run=last_run))
    elif last_run is not None:
        print("\n".join(describe_last_run(last_run)))
    if not gone:
        raise CommandError(f"{data}: {_why_not(pipeline, timeout)}", ExitCode.FAILED)
    if last_run is None:
        print(f"ringmatch: {data}: pid {pid} is gone, but left no word of how it ended", file=sys.stderr)
        return int(ExitCode.WORKER_DIED)
    return int(ExitCode.WORKER_DIED if last_run.state == "failed" else ExitCode.OK)


def _terminate(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        pass  # it has just left on its own
    except PermissionError:
        raise CommandError(f"expected permission to signal pid {pid}, was refused", ExitCode.FAILED) from None


def _wait(pipeline: Pipeline, deadline_s: float) -> bool:
    """Wait until the supervisor is gone; tell whether it is."""
    while pipeline.alive:
        if time.monotonic() >= deadline_s:
            return False
        time.sleep(POLL_S)
    return True


def _why_not(pipeline: Pipeline, timeout_s: float) -> str:
    """Say what a supervisor that did not stop in time is doing."""
    late = f"the supervisor (pid {pipeline.pid}) was asked to stop and has not within {timeout_s:g} s"
    if process_state(pipeline.pid) in STOPPED_STATES:
        return f"{late}: it is stopped by a signal, kill -CONT {pipeline.pid} lets it go on"
    if pipeline.observer is None:
        return f"{late}: it is still starting, and will stop then"
    snapshot = pipeline.observer.snapshot()
    behind = ", ".join(f"{stage} {count:,}" for stage, count in snapshot.lag.items() if count)
    return f"{late}: it is {snapshot.state}{f', behind by: {behind}' if behind else ''}"
