"""Many simulated runs, seed after seed, until something fails: what the command line and the tests do.

A failure says all that is needed to see it again: one command, the settings, and the last events.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from stages.simulator.run import Simulation, Survived
from stages.simulator.settings import Settings, draw_settings
from stages.simulator.trace import Trace

__all__ = ["Failure", "failure_of", "run_seeds"]


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """A run that did not hold its promises."""

    seed: int
    steps: int
    at_step: int
    error: str
    where: str  # file and line that raised it
    command: str  # that shows it again
    settings: Settings
    events: tuple[str, ...]  # the last ones

    def __str__(self) -> str:
        """Return it as lines for people."""
        settings = msgspec.json.encode(self.settings).decode()
        lines = [*self.events, "", f"seed {self.seed}, step {self.at_step}: {self.error} ({self.where})"]
        return "\n".join([*lines, f"settings: {settings}", f"reproduce: {self.command}"])


def failure_of(simulation: Simulation, error: Exception) -> Failure:
    """Return the failure that an exception of a run is."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return Failure(
        seed=simulation.seed,
        steps=simulation.steps,
        at_step=simulation.trace.step,
        error=f"{type(error).__name__}: {error}",
        where=f"{Path(frame.filename).name}:{frame.lineno}",
        command=f"ringmatch simulate --seed {simulation.seed} --steps {simulation.steps} --runs 1 --trace trace.txt",
        settings=simulation.settings,
        events=tuple(simulation.trace.last),
    )


def run_seeds(
    first_seed: int,
    steps: int,
    goes_on: Callable[[int], bool],
    trace_path: Path | None = None,
    **seams: Any,
) -> Iterator[Survived | Failure]:
    """Run ``first_seed`` and those behind it as long as ``goes_on(runs so far)``, or until one fails.

    ``trace_path`` gets the trace of the run that failed, or of the last. ``seams`` are those of :class:`Simulation`.
    """
    runs = 0
    while goes_on(runs):
        seed = first_seed + runs
        runs += 1
        file = trace_path.open("w", encoding="ascii") if trace_path is not None else None
        simulation = Simulation(seed, steps, settings=draw_settings(seed), trace=Trace(file), **seams)
        try:
            yield simulation.run()
        except Exception as error:  # whatever it is, it was not to be
            yield failure_of(simulation, error)
            return
        finally:
            if file is not None:
                file.close()
