"""``ringmatch simulate``: try to prove the pipeline wrong, seed after seed.

Each run is a whole pipeline in one thread, with small rings, simulated clients, clock and disk, and everything that can
go wrong, drawn from its seed: crashes, power cuts, failing calls, a full disk (:mod:`stages.simulator`). It touches
nothing but a temporary directory, and no pipeline that runs.

Exit codes: 1 a run did not hold its promises; the last lines then say what, and with which command it is seen again.
"""

from __future__ import annotations

import secrets
import sys
import time
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer

from cli.exit_codes import ExitCode
from cli.render import Json, ProgressBar, print_json

__all__ = ["simulate"]

DEFAULT_STEPS: Final = 5_000
DEFAULT_MINUTES: Final = 1.0
EXAMPLE: Final = """
\b
    ringmatch simulate --minutes 10
    ringmatch simulate --seed 17 --steps 5000 --runs 1 --trace trace.txt
"""


def simulate(
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="Of the first run; the others follow. One nobody has tried, unless given."),
    ] = None,
    steps: Annotated[
        int, typer.Option(min=1, help="Of the scheduler in each run, before everything is healed.")
    ] = DEFAULT_STEPS,
    runs: Annotated[int | None, typer.Option(min=1, help="How many runs, whatever time they take.")] = None,
    minutes: Annotated[float, typer.Option(min=0, help="How long, without --runs.")] = DEFAULT_MINUTES,
    trace: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the events of the run that failed, or of the last."),
    ] = None,
    json: Json = False,
) -> int:
    """Run simulated pipelines in which everything goes wrong, until one breaks a promise, or time is over."""
    from cli.history import load_kernels
    from stages.simulator import Failure, run_seeds

    first_seed = secrets.randbits(48) if seed is None else seed
    load_kernels()
    started_s = time.monotonic()
    span_s = minutes * 60

    def goes_on(done: int) -> bool:
        return done < runs if runs is not None else done == 0 or time.monotonic() - started_s < span_s

    total: dict[str, int] = {"runs": 0}
    failure: Failure | None = None
    with ProgressBar("simulating", runs or int(span_s)) as bar:
        for run in run_seeds(first_seed, steps, goes_on, trace):
            total["runs"] += 1
            bar.update(total["runs"] if runs else int(time.monotonic() - started_s))
            if isinstance(run, Failure):
                failure = run
            else:
                _add(total, msgspec.structs.asdict(run))
    seconds = time.monotonic() - started_s
    if json:
        print_json(
            {"seed": first_seed, "steps": steps, **total, "seconds": round(seconds, 3), "failure": failure}
        )
    else:
        for name, value in total.items():
            print(f"{name.replace('_', ' '):<16}{value:>12,}")
        print(f"{'seconds':<16}{seconds:>12,.1f}")
        print(f"seeds {first_seed} to {first_seed + total['runs'] - 1}, {steps:,} steps each")
    if failure is not None:
        print(failure, file=sys.stderr)
        return int(ExitCode.FAILED)
    return int(ExitCode.OK)


def _add(total: dict[str, int], run: dict[str, Any]) -> None:
    """Add what a run went through to what all did."""
    for name, value in run.items():
        if name not in ("seed", "steps", "trace"):
            total[name] = total.get(name, 0) + int(value)
