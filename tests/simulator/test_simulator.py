"""The simulator: drawn runs hold their promises, the same seed is the same run, and what is wrong is noticed."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest

from stages.simulator import Failure, Simulation, Survived, Trace, draw_settings, run_seeds
from stages.simulator.disk import SimulatedDisk
from stages.simulator.steps import Steps
from tests.simulator import mutants
from tests.simulator.twins import TwinWitness

STEPS = 3000
SEEDS = Path(__file__).parent / "seeds.txt"
RUNS = 16
MOST_RUNS = 60  # in which a mutant must be noticed
ROOT = Path(__file__).resolve().parents[2]


def kept_seeds() -> list[tuple[int, int]]:
    """Return (seed, steps) of each line of the file."""
    lines = [line.split() for line in SEEDS.read_text("ascii").splitlines() if not line.startswith("#")]
    return [(int(line[0]), int(line[1])) for line in lines]


def commit_seed() -> int:
    """Return a seed that changes with each commit, 1 where there is no repository."""
    try:
        found = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, check=True, text=True
        )
    except (OSError, subprocess.CalledProcessError):
        return 1
    return int(found.stdout.strip()[:12], 16)


def survive(seed: int, steps: int) -> Survived:
    """Run one seed; the failure is shown as the command line shows it.

    The naive twin decides everything once more, if the run is without market data, of which it knows nothing.
    """
    witness = None if draw_settings(seed).market_data else TwinWitness()
    found = next(run_seeds(seed, steps, lambda runs: runs == 0, on_replayed=witness))
    assert isinstance(found, Survived), f"\n{found}"
    return found


@pytest.mark.parametrize("seed", range(1, RUNS + 1))
def test_drawn_runs_hold_their_promises(seed: int) -> None:
    """Whatever is drawn to go wrong: nothing told is lost or told otherwise, and without faults all is answered."""
    survive(seed, STEPS)


def test_the_run_of_this_commit_holds_its_promises() -> None:
    """Each commit brings a seed that nobody has tried before."""
    survive(commit_seed(), STEPS)


@pytest.mark.parametrize(("seed", "steps"), kept_seeds())
def test_kept_seeds_hold_their_promises(seed: int, steps: int) -> None:
    """What was found once stays mended."""
    survive(seed, steps)


def test_the_same_seed_is_the_same_run() -> None:
    """Two runs of a seed have the same events, line by line; another seed has others."""
    digests = [Simulation(seed, STEPS).run().trace for seed in (5, 5, 6)]
    assert digests[0] == digests[1] != digests[2]


def test_runs_meet_what_they_are_for() -> None:
    """A few runs meet crashes, power cuts, failing disks, snapshots, retries and ports that are cut off."""
    total: dict[str, int] = {}
    for seed in range(100, 115):
        for name, value in msgspec.structs.asdict(Simulation(seed, STEPS).run()).items():
            total[name] = total.get(name, 0) + (value if isinstance(value, int) else 0)
    met = ("crashes", "power_cuts", "disk_faults", "snapshots", "retries", "cut_off", "answered")
    assert not [name for name in met if total[name] == 0], total


# Canaries: mutants that must be noticed, in runs in which their mistake can show

OFTEN = {"crash_rate": 8, "durability": "fsync", "power_share": 1000, "disk_fault_rate": 0}
BUSY = {"read_rate": 1000, "window": 8, "crash_rate": 1}
CANARIES: dict[type, dict[str, Any]] = {
    mutants.SyncSkipped: OFTEN,
    mutants.NamesNotSynced: OFTEN,
    mutants.AckBeforeSync: OFTEN,
    mutants.CancelIgnored: BUSY,
    mutants.CheckpointOffByOne: {**BUSY, "checkpoint_every": 7},
    mutants.FeedbackAsItComes: {**BUSY, "max_orders": 8, "input_slots": 64},
    mutants.StampTooOld: BUSY,
    mutants.Wedged: BUSY,
}


def notice(mutant: type, changes: dict[str, Any], runs: int = MOST_RUNS) -> Exception | None:
    """Return what a mutant breaks, in the first run that shows it."""
    seams: dict[str, Any] = {"make_disk" if issubclass(mutant, SimulatedDisk) else "make_steps": mutant}
    for seed in range(1, runs + 1):
        settings = msgspec.structs.replace(draw_settings(seed), **changes)
        try:
            Simulation(seed, 1200, settings=settings, **seams).run()
        except Exception as error:
            return error
    return None


@pytest.mark.parametrize("mutant", CANARIES)
def test_canaries_are_noticed(mutant: type) -> None:
    """Each well-known mistake breaks a promise within the budget."""
    assert notice(mutant, CANARIES[mutant]) is not None


@pytest.mark.parametrize("changes", [OFTEN, BUSY])
def test_without_a_mistake_nothing_is_noticed(changes: dict[str, Any]) -> None:
    """In the same runs a sound pipeline breaks no promise."""
    assert notice(Steps, changes, 8) is None


def test_a_failure_says_how_to_see_it_again(tmp_path: Path) -> None:
    """It names seed, step, settings, what broke and one command; the trace ends where it broke, one line an event."""
    path = tmp_path / "trace.txt"
    found = list(
        run_seeds(2, 1500, lambda runs: runs < MOST_RUNS, path, make_steps=mutants.CheckpointOffByOne)
    )
    failure = found[-1]
    assert isinstance(failure, Failure) and all(isinstance(run, Survived) for run in found[:-1])
    assert (
        failure.command == f"ringmatch simulate --seed {failure.seed} --steps 1500 --runs 1 --trace trace.txt"
    )
    assert failure.error.startswith("PromiseBroken: expected the journaled digests")
    assert path.read_text("ascii").splitlines()[-len(failure.events) :] == list(failure.events)
    again = Simulation(failure.seed, 1500, trace=Trace(), make_steps=mutants.CheckpointOffByOne)
    with pytest.raises(AssertionError):
        again.run()
    assert tuple(again.trace.last) == failure.events
