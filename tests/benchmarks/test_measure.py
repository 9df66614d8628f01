"""The frame of a benchmark: what a figure is, when a goal is met, where and beside what it was measured."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import numpy as np
import pytest

from benchmarks import machine
from benchmarks.measure import Goal, Measured, NotVerified, Runs, expect_equal, framed, repeat

pytestmark = pytest.mark.jitoff


def test_runs_are_summed_up_by_median_least_and_largest() -> None:
    """A figure is the median of its runs, with the least and the largest beside it."""
    runs = Runs(values=(3.0, 1.0, 2.0))
    assert (runs.median, runs.low, runs.high) == (2.0, 1.0, 3.0)


def test_runs_are_grouped_by_core_distance() -> None:
    """Runs of different core distances are told apart, and those during which it changed stand alone."""
    runs = Runs(values=(1.0, 2.0, 3.0, 4.0), round_trips_ns=((50, 55), (110, 100), (400, 380), (50, 400)))
    grouped = runs.by_distance()
    assert {name: found.values for name, found in grouped.items()} == {
        "near": (1.0,), "middle": (2.0,), "far": (3.0,), "changed": (4.0,),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("goal", "value", "at_most", "met", "missed"),
    [
        (100.0, 100.0, False, True, 0.0),
        (100.0, 75.0, False, False, 25.0),
        (2.0, 1.5, True, True, 0.0),
        (2.0, 3.0, True, False, 50.0),
    ],
)
def test_a_goal_says_by_how_much_it_was_missed(
    goal: float, value: float, at_most: bool, met: bool, missed: float
) -> None:
    """Goals to reach and goals not to exceed are judged, and the share that is missing is said."""
    judged = Goal(what="x", goal=goal, value=value, unit="/s", at_most=at_most)
    assert (judged.met, judged.missed_percent) == (met, missed)


def test_what_differs_is_not_verified() -> None:
    """A run that did not give what it must is refused with both values."""
    expect_equal("sum", 3, 3)
    with pytest.raises(NotVerified, match="sum: expected 3, was 4"):
        expect_equal("sum", 3, 4)


def test_repeat_keeps_every_run() -> None:
    """Each run is a value, and the garbage collector is as it was afterwards."""
    values = iter([5.0, 7.0, 6.0])
    assert repeat(3, lambda: next(values)).values == (5.0, 7.0, 6.0)


def test_the_machine_is_known() -> None:
    """Model, cores, kernel and versions are there, and the name of its file of results is one word."""
    found = machine.machine()
    assert found.cores == tuple(sorted(os.sched_getaffinity(0)))
    assert found.kernel and found.python and found.numba and found.numpy
    assert found.slug.replace("-", "").isalnum()


def test_load_counts_what_runs_beside() -> None:
    """Load averages and busy cores are within what the host has."""
    load = machine.load_now(0.05)
    assert len(load.average) == 3
    assert 0 <= load.busy_cores <= (os.cpu_count() or 1) + 1


def test_the_file_system_of_shared_memory_is_no_disk() -> None:
    """What lies in memory is told from what lies on a disk."""
    assert machine.file_system(Path("/dev/shm")).startswith("tmpfs")
    assert machine.file_system(Path("/proc/self")).startswith("proc")


def test_a_helper_runs_pinned_and_answers() -> None:
    """A helper runs in a process of its own, on the core asked for, and hands back what its function returned."""
    core = machine.two_cores()[1]
    words = machine.shared_words(4)

    def work() -> tuple[int, set[int]]:
        words[2] = 7
        return os.getpid(), os.sched_getaffinity(0)

    with machine.Beside(core, work) as helper:
        pid, affinity = helper.result()
    assert pid == helper_pid(pid) != os.getpid()
    assert affinity == {core}
    assert words[2] == 7


def helper_pid(pid: int) -> int:
    """Return the pid of a process that is gone: it was waited for."""
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    return pid


def test_a_helper_that_fails_says_so(capfd: pytest.CaptureFixture[str]) -> None:
    """An exception in a helper is shown, and is an error of whoever waits for it."""

    def fail() -> None:
        raise ValueError("on purpose")

    with machine.Beside(machine.two_cores()[0], fail) as helper, pytest.raises(RuntimeError, match="failed"):
        helper.result()
    assert "on purpose" in capfd.readouterr().err


def test_a_helper_that_hangs_is_ended() -> None:
    """A helper that does not answer in time is ended by its pid."""
    with machine.Beside(machine.two_cores()[0], lambda: time.sleep(60), deadline_s=0.1) as helper:
        pid = helper.pid
        with pytest.raises(TimeoutError):
            helper.result()
    helper_pid(pid)


def test_a_section_says_under_which_conditions() -> None:
    """Machine, load and core distance before and after, time and mode stand beside every result."""

    def run(cores: tuple[int, int]) -> Measured:
        return {"runs": Runs(values=(1.0,))}, [Goal(what="x", goal=1, value=2, unit="/s")], {"disk": "none"}

    section = framed("matching", "quick", run)
    assert section.convert("runs", Runs) == Runs(values=(1.0,))
    assert (section.bench, section.mode, section.setup) == ("matching", "quick", {"disk": "none"})
    assert section.machine == machine.machine()
    if section.cores[0] != section.cores[1]:
        assert 0 < section.round_trip_before.min_ns <= section.round_trip_before.median_ns


def test_pauses_of_the_machine_are_told() -> None:
    """A loop that does nothing else says how often it was stopped, on each core."""
    core = min(os.sched_getaffinity(0))
    text = machine.own_pauses((core, core), 0.01)
    assert re.fullmatch(rf"core {core}: \d+ of 1 ms and more in 0.01 s, the longest [\d.]+ ms", text)


def test_pinning_is_undone() -> None:
    """A thread that was pinned may run where it could before."""
    before = os.sched_getaffinity(0)
    with machine.pinned(machine.two_cores()[1]):
        assert os.sched_getaffinity(0) == {machine.two_cores()[1]}
    assert os.sched_getaffinity(0) == before
    assert np.all(machine.shared_words(3) == 0)
