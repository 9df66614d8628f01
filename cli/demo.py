"""``ringmatch demo``: the whole once: start, inject three sources, stop, show, replay, compare digests."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.exit_codes import CommandError, ExitCode, exit_code

SAMPLES = Path(__file__).resolve().parent.parent / "samples"
STOP_TIMEOUT_S = 60.0


def demo(
    orders: Annotated[int, typer.Option(min=1, help="Commands of the generated flow.")] = 1_000_000,
    durability: Annotated[str, typer.Option(help="fsync, os or none.")] = "fsync",
    data: Annotated[
        Path | None, typer.Option(help="Keep the data here (a new directory); default: a temporary one.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> int:
    """Run the pipeline once from start to a verified replay: a FIX log, a binary file, a generated flow."""
    for name in ("orders.fix", "orders.rmb"):
        if not (SAMPLES / name).exists():
            raise CommandError(f"{SAMPLES / name}: expected the sample of a source checkout", ExitCode.USAGE)
    if data is not None and data.exists() and any(data.iterdir()):
        raise CommandError(f"{data}: expected a new or empty directory for the demo", ExitCode.USAGE)
    directory = data or Path(tempfile.mkdtemp(prefix="ringmatch-demo-"))
    try:
        return _run(directory, orders, durability, as_json)
    finally:
        if data is None:
            shutil.rmtree(directory, ignore_errors=True)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _run(directory: Path, orders: int, durability: str, as_json: bool) -> int:
    from cli.warm import compile_with_bar

    compile_with_bar(_say)
    _say(f"1. start ({directory})")
    command = [
        sys.executable,
        "-m",
        "cli",
        "start",
        "--data",
        str(directory),
        "--durability",
        durability,
        "--detach",
    ]
    started = subprocess.run(command, capture_output=True, text=True, check=False, cwd=SAMPLES.parent)
    if started.returncode:
        raise CommandError(
            started.stderr.strip() or "the pipeline did not start", exit_code(started.returncode)
        )
    for line in started.stdout.splitlines():
        _say(f"   {line}")
    supervisor = 0
    try:
        supervisor, about, summaries = _inject_all(directory, orders)
    finally:
        if supervisor == 0:
            _stop(directory)
    _say("3. stop")
    _stop(directory)
    from cli.demo_summary import summarise

    return summarise(directory, about, summaries, as_json, _say)


def _inject_all(directory: Path, orders: int) -> tuple[int, Any, list[Any]]:
    """Inject the three sources one after the other; return the supervisor's pid, the plan and the summaries."""
    from cli.inject import run_injection
    from protocols.binary import BinarySource
    from protocols.fix import FixSource
    from protocols.flow import SyntheticSource
    from stages.observe import look

    sources = {
        "FIX 4.4 log": lambda d: FixSource(str(SAMPLES / "orders.fix"), d),
        "binary order file": lambda d: BinarySource(str(SAMPLES / "orders.rmb"), d),
        f"generated flow of {orders:,}": lambda d: SyntheticSource(d, orders, 1),
    }
    summaries = []
    for name, make in sources.items():
        _say(f"2. inject: {name}")
        summary, code = run_injection(partial(_open, make), directory)
        if code:
            raise CommandError(summary.error, exit_code(code))
        summaries.append(summary)
        _say(f"   {summary.sent:,} commands, {summary.fills:,} fills, {summary.per_second:,.0f}/s")
    about = look(directory)
    return about.supervisor_pid, about, summaries


def _open(make: Callable[[Any], Any], port: Any) -> Any:
    """Make a source for a port."""
    return make(port.directory)


def _stop(directory: Path) -> None:
    import os
    import signal

    from ringbuffer.errors import SharedMemoryError
    from ringbuffer.liveness import is_alive
    from stages.observe import look

    try:
        about = look(directory)
    except SharedMemoryError:
        return
    from ringbuffer.liveness import process_start_time

    start = process_start_time(about.supervisor_pid)
    if not about.supervisor_alive:
        return
    os.kill(about.supervisor_pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while is_alive(about.supervisor_pid, start):
        if time.monotonic() > deadline:
            raise CommandError(f"process {about.supervisor_pid} did not stop", ExitCode.FAILED)
        time.sleep(0.01)
