"""All benchmarks by name, run one after another, and their results in one JSON file a machine.

``ringmatch bench`` calls :func:`run_all`. A run replaces the sections that it measured and keeps the others, so
the file may hold sections of different days; each says when it was measured, and beside what.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec

from benchmarks import journal, matching, matching_scale, pipeline, recovery, replay, ring, risk, start
from benchmarks.machine import machine
from benchmarks.measure import Measured, Section, framed

__all__ = ["BENCHES", "Results", "load_results", "results_file", "run_all", "save_results"]

RESULTS: Final = Path(__file__).resolve().parent / "results"
MODES: Final = ("full", "quick")


def _run(runner: Runner, mode: str, where: Path | None, cores: tuple[int, int]) -> Measured:
    return runner(cores, mode, where)


Runner = Callable[[tuple[int, int], str, Path | None], Measured]

BENCHES: Final[dict[str, Runner]] = {
    "ring": lambda cores, mode, where: ring.run(cores, mode),
    "matching": lambda cores, mode, where: matching.run(cores, mode),
    "scale": lambda cores, mode, where: matching_scale.run(cores, mode),
    "risk": lambda cores, mode, where: risk.run(cores, mode),
    "pipeline": pipeline.run,
    "replay": replay.run,
    "recovery": recovery.run,
    "start": start.run,
    "journal": journal.run,
}


class Results(msgspec.Struct, kw_only=True):
    """The sections of one machine, in the order of :data:`BENCHES`."""

    format: int = 1
    sections: dict[str, Section] = {}


def run_all(
    names: Sequence[str],
    mode: str,
    where: Path | None = None,
    say: Callable[[str], None] = lambda line: None,
    keep: Callable[[Section], None] = lambda section: None,
) -> dict[str, Section]:
    """Run benchmarks by name; ``say`` is told what begins and ends, ``keep`` gets each section at once."""
    unknown = [name for name in names if name not in BENCHES]
    if unknown or mode not in MODES:
        raise ValueError(f"expected {', '.join(BENCHES)} in mode {' or '.join(MODES)}, was {unknown or mode}")
    sections = {}
    for name in names:
        say(f"{name}: running ({mode}, {datetime.now(UTC):%H:%M:%S} UTC)")
        started = time.monotonic()
        sections[name] = framed(name, mode, partial(_run, BENCHES[name], mode, where))
        keep(sections[name])
        say(f"{name}: done in {time.monotonic() - started:.0f} s")
    return sections


def results_file(directory: Path = RESULTS) -> Path:
    """Return where the results of this machine are kept."""
    return directory / f"{machine().slug}.json"


def load_results(path: Path) -> Results:
    """Return the stored results; none if there is no file."""
    return msgspec.json.decode(path.read_bytes(), type=Results) if path.exists() else Results()


def save_results(path: Path, sections: dict[str, Section]) -> Results:
    """Put sections into a file in place of older ones, and return all that it holds."""
    results = load_results(path)
    together: dict[str, Any] = {**results.sections, **sections}
    results.sections = {name: together[name] for name in BENCHES if name in together}
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")
    temporary.replace(path)
    return results
