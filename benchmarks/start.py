"""``ringmatch start --detach`` to ``ready``, with a warm cache and an empty data directory, and where it goes.

The figure is the wall time of the whole command, from the moment before the process is made to its return.
The breakdown comes from other runs, by :mod:`benchmarks.start_probe`: it does what ``start`` does, in the
foreground, notes the time at certain points, and stops.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from msgspec import Struct

from benchmarks.live import LivePipeline, command_line, environment, scratch, venue_toml
from benchmarks.machine import file_system
from benchmarks.measure import Goal, Measured, NotVerified, Runs
from benchmarks.pipeline import one_worker, ring_sizes
from stages.config import default_config
from stages.last_run import read_last_run

__all__ = ["StartRow", "run"]

RUNS: Final = {"full": 7, "quick": 3}
GOAL_S: Final = 2.5
DEADLINE_S: Final = 300.0
PARTS: Final = {
    "interpreter": "Python itself, until the first line of a program",
    "imports": "Typer, NumPy, Numba and the modules of the pipeline",
    "kernels": "compiled kernels from the cache",
    "journal and memory": "lock, journal, state arrays, shared memory",
    "fork": "workers forked, pinned and ready",
    "configuration": "instruments and accounts sequenced, journaled and released",
}


class StartRow(Struct, frozen=True, kw_only=True):
    """Seconds."""

    workers: int
    ready: Runs
    parts: dict[str, Runs]
    help: Runs  # `ringmatch --help`, which loads no kernel


def run(cores: tuple[int, int], mode: str = "full", where: Path | None = None) -> Measured:
    """Measure starts until ready."""
    setting = one_worker(cores, "fsync")
    with scratch(where) as directory:
        disk = file_system(directory)
        _start(directory, cores)  # not measured: compiles, if nothing is in the cache
        row = StartRow(
            workers=len(setting.layout),
            ready=Runs(values=tuple(_start(directory, cores) for _ in range(RUNS[mode]))),
            parts=_parts([_probe(directory, cores) for _ in range(RUNS[mode])]),
            help=Runs(values=tuple(_help() for _ in range(RUNS[mode]))),
        )
    goal = Goal(
        what="start to ready, warm cache", goal=GOAL_S, value=row.ready.median, unit=" s", at_most=True
    )
    setup = {
        **ring_sizes(),
        "plan": setting.name,
        "durability": setting.durability,
        "disk": disk,
        "journal": "empty",
    }
    return {"rows": [row], "parts": PARTS}, [goal], setup


def _start(directory: Path, cores: tuple[int, int]) -> float:
    setting = one_worker(cores, "fsync")
    with scratch(directory) as place:
        started = time.monotonic()
        with LivePipeline(place, setting.durability, setting.layout) as pipeline:
            seconds = pipeline.started_s - started
            if "ready" not in pipeline.said.splitlines():
                raise NotVerified(f"start: expected it to say ready, was {pipeline.said!r}")
            pipeline.stop()
    return seconds


def _help() -> float:
    started = time.monotonic()
    subprocess.run(
        command_line("--help"), env=environment(), stdin=subprocess.DEVNULL, capture_output=True,
        timeout=DEADLINE_S, check=True,
    )  # fmt: skip
    return time.monotonic() - started


def _probe(directory: Path, cores: tuple[int, int]) -> dict[str, float]:
    """Run one start in the foreground with notes of the time; return them."""
    setting = one_worker(cores, "fsync")
    with scratch(directory) as place:
        toml = venue_toml(
            default_config(), place / "data", setting.durability, setting.layout, default_config().plan.wait
        )
        (place / "venue.toml").write_text(toml, encoding="utf-8")
        notes = place / "notes.json"
        arguments = [sys.executable, "-m", "benchmarks.start_probe", str(place / "venue.toml"), str(notes)]
        began = time.monotonic()
        done = subprocess.run(
            arguments, env=environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=DEADLINE_S, check=False,
        )  # fmt: skip
        last = read_last_run(place / "data")
        if done.returncode or last is None or last.state != "stopped":
            raise NotVerified(f"start: expected a start and a clean stop, was {done.stderr[-2000:]}")
        return {"began": began, **json.loads(notes.read_text(encoding="utf-8"))}


def _parts(notes: list[dict[str, float]]) -> dict[str, Runs]:
    """Return how long each part took, in all runs."""
    points = ["began", "interpreter", "imports", "kernels", "before fork", "forked", "ready"]
    found = {
        name: Runs(values=tuple(note[stop] - note[start] for note in notes))
        for name, start, stop in zip(PARTS, points[:-1], points[1:], strict=True)
    }
    assert all(part.low >= 0 for part in found.values()), found
    return found
