"""The common frame of all benchmarks: repeated runs, goals, and a section that says under which conditions.

A section is what one benchmark leaves: results that are plain data, goals that were met or missed, and the
machine, its load and the core distance before and after. Sections are stored as JSON; docs are generated from
that JSON alone (:mod:`benchmarks.report`).

Nothing is a result before it is verified: a run that lost, doubled or changed something raises
:class:`NotVerified`, and there is no figure.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from statistics import median
from typing import Any, Final

import msgspec
from msgspec import Struct

from benchmarks.machine import Load, Machine, RoundTrip, load_now, machine, quiet, round_trip, two_cores
from benchmarks.ring_distance import distance_of

__all__ = ["Goal", "NotVerified", "Runs", "Section", "expect_equal", "framed", "repeat"]

NO_TRIP: Final = RoundTrip(median_ns=0, min_ns=0, max_ns=0)


class NotVerified(Exception):
    """A run did not do what it was measured for."""


def expect_equal(what: str, expected: object, was: object) -> None:
    """Raise NotVerified unless a run gave what it must."""
    if expected != was:
        raise NotVerified(f"{what}: expected {expected}, was {was}")


class Runs(Struct, frozen=True, kw_only=True):
    """Repeated runs of one thing: each value, and the core distance before and after each."""

    values: tuple[float, ...]
    round_trips_ns: tuple[tuple[int, int], ...] = ()

    @property
    def median(self) -> float:
        """Return the median value."""
        return median(self.values)

    @property
    def low(self) -> float:
        """Return the least value."""
        return min(self.values)

    @property
    def high(self) -> float:
        """Return the largest value."""
        return max(self.values)

    def by_distance(self) -> dict[str, Runs]:
        """Return the runs of each core distance, and those during which it changed."""
        groups: dict[str, list[int]] = {}
        for index, (before_ns, after_ns) in enumerate(self.round_trips_ns):
            groups.setdefault(distance_of(before_ns, after_ns), []).append(index)
        return {
            name: Runs(
                values=tuple(self.values[index] for index in found),
                round_trips_ns=tuple(self.round_trips_ns[index] for index in found),
            )
            for name, found in sorted(groups.items())
        }


def repeat(count: int, run: Callable[[], float], cores: tuple[int, int] | None = None) -> Runs:
    """Run ``count`` times; with ``cores`` measure their distance before and after each run."""
    values, trips = [], []
    for _ in range(count):
        before = round_trip(cores) if cores else None
        with quiet():
            values.append(run())
        after = round_trip(cores) if cores else None
        if before and after:
            trips.append((before.median_ns, after.median_ns))
    return Runs(values=tuple(values), round_trips_ns=tuple(trips))


class Goal(Struct, frozen=True, kw_only=True):
    """What the project wants of a figure, and what it was."""

    what: str
    goal: float
    value: float
    unit: str
    at_most: bool = False

    @property
    def met(self) -> bool:
        """Tell whether the figure is as good as the goal."""
        return self.value <= self.goal if self.at_most else self.value >= self.goal

    @property
    def missed_percent(self) -> float:
        """Return by how much of the goal the figure is short of it, or beyond it; 0 if it was met."""
        return 0.0 if self.met or not self.goal else abs(self.goal - self.value) / self.goal * 100


class Section(Struct, kw_only=True):
    """What one benchmark left."""

    bench: str
    mode: str
    began: str
    seconds: float
    machine: Machine
    cores: tuple[int, int]
    load_before: Load
    load_after: Load
    round_trip_before: RoundTrip
    round_trip_after: RoundTrip
    setup: dict[str, str]
    results: dict[str, Any]
    goals: tuple[Goal, ...]

    def convert(self, name: str, kind: Any) -> Any:
        """Return one of the results as what it was before it was stored."""
        return msgspec.convert(self.results[name], kind)


Measured = tuple[dict[str, Any], Sequence[Goal], dict[str, str]]


@contextmanager
def _timed(note: dict[str, Any]) -> Iterator[None]:
    note["began"] = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    started = time.monotonic()
    yield
    note["seconds"] = round(time.monotonic() - started, 1)


def framed(bench: str, mode: str, run: Callable[[tuple[int, int]], Measured]) -> Section:
    """Run a benchmark on two cores and return its section; ``run`` returns results, goals and its setup."""
    cores = two_cores()
    load_before, trip_before = load_now(), round_trip(cores)
    note: dict[str, Any] = {}
    with _timed(note):
        results, goals, setup = run(cores)
    trip_after = round_trip(cores)
    return Section(
        bench=bench,
        mode=mode,
        machine=machine(),
        cores=cores,
        load_before=load_before,
        load_after=load_now(),
        round_trip_before=trip_before or NO_TRIP,
        round_trip_after=trip_after or NO_TRIP,
        setup=setup,
        results=msgspec.to_builtins(results),
        goals=tuple(goals),
        **note,
    )
