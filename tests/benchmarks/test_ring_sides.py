"""The sides that run here: processes over our rings, Python's own means; each slice is verified."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import ring
from benchmarks.machine import two_cores
from benchmarks.measure import NotVerified
from benchmarks.report import goal_text
from benchmarks.ring_crew import Crew, Part
from benchmarks.ring_ours import OURS, OurPingPong, OurRing, percentiles
from benchmarks.ring_peers import RECIPES
from benchmarks.ring_probe import FLAG, BareFlag
from benchmarks.ring_python import LockedRing, QueuePeer
from benchmarks.ring_stream import BareStream
from benchmarks.ring_waits import measure_waits
from benchmarks.ring_workloads import PINGPONG, THROUGHPUT, Workload
from ringbuffer.wait import STRATEGIES

CORES = two_cores()
UNICAST = THROUGHPUT[0]
SLOTS = 256
MESSAGES = 20_000


@pytest.mark.parametrize("workload", THROUGHPUT, ids=lambda workload: workload.key)
def test_every_workload_of_ours_is_verified(workload: Workload) -> None:
    """Slices of every topology end with all words read by every reader, over many laps of a small ring."""
    with OurRing(workload, 64, "yield", SLOTS, CORES) as side:
        for _ in range(3):
            assert side.run(workload.whole(MESSAGES)) > 0


@pytest.mark.parametrize("slot_bytes", UNICAST.slot_bytes)
def test_every_size_is_written_and_read(slot_bytes: int) -> None:
    """Records of each size in the table are copied whole."""
    with OurRing(UNICAST, slot_bytes, "backoff", SLOTS, CORES) as side:
        assert side.run(MESSAGES) > 0


@pytest.mark.parametrize("key", ["unicast", "producers"])
def test_a_side_that_blocks_is_woken(key: str) -> None:
    """With blocking waits publishers and readers ring each other's bells."""
    workload = next(each for each in THROUGHPUT if each.key == key)
    with OurRing(workload, 64, "blocking", SLOTS, CORES) as side:
        assert side.run(workload.whole(1_000)) > 0


def test_a_word_that_differs_gives_no_figure() -> None:
    """A reader whose sum is not that of what was sent is no result."""
    with OurRing(UNICAST, 64, "yield", SLOTS, CORES) as side:
        side.run(MESSAGES)
        side._slots.source[5, 3] ^= 1  # the processes have their own
        with pytest.raises(NotVerified, match=r"1P1C one by one, yield.*reader 0: sum of all words"):
            side.run(MESSAGES)


def test_no_segment_stays() -> None:
    """The segments of a side are gone when it is closed."""
    before = set(Path("/dev/shm").glob("*bench-ring*"))
    with OurRing(UNICAST, 8, "yield", SLOTS, CORES) as side:
        assert len(set(Path("/dev/shm").glob("*bench-ring*")) - before) == 1
        side.run(100)
    assert not set(Path("/dev/shm").glob("*bench-ring*")) - before


def test_round_trips_are_timed() -> None:
    """Ping-pong over two rings, and the bare flag, give percentiles in order."""
    for side in (OurPingPong(PINGPONG, 64, CORES), BareFlag(CORES)):
        with side:
            p50, p99, p999, longest = side.run(50)
            assert 0 < p50 <= p99 <= p999 <= longest


def test_what_python_has_is_measured() -> None:
    """multiprocessing.Queue and shared memory with a lock hand over every word too."""
    for side in (QueuePeer(UNICAST, CORES), LockedRing(UNICAST, CORES)):
        with side:
            assert side.run(300) > 0
            assert side.run(300) > 0


def test_the_bound_is_measured_and_verified() -> None:
    """The bare stream hands over every word, in slices that are no whole blocks, over many laps."""
    with BareStream(UNICAST, CORES) as side:
        for messages in (1, 300, MESSAGES, 3 * MESSAGES + 7):
            assert side.run(messages) > 0


def test_percentiles_are_of_the_samples() -> None:
    """p50, p99, p99.9 and the maximum."""
    assert percentiles(np.arange(1001)) == pytest.approx((500.0, 990.0, 999.0, 1000.0))


def test_every_wait_strategy_is_measured() -> None:
    """Each strategy of the library has a row with its latency and what it takes while idle."""
    rows = measure_waits(CORES, records=5, idle_s=0.02)
    assert [row.strategy for row in rows] == list(STRATEGIES)
    for row in rows:
        assert 0 < row.p50_ns <= row.p99_ns <= row.max_ns
        assert row.idle_percent >= 0


def test_parts_of_a_crew_begin_together() -> None:
    """Each part runs in a process of its own on its cores, gets the request, and answers."""

    def work(request: int) -> tuple[int, int, set[int]]:
        return request, os.getpid(), os.sched_getaffinity(0)

    with Crew([Part({CORES[0]}, work), Part({CORES[1]}, work)]) as crew:
        first, second = crew.run(7)
        again = crew.run(8)
    assert (first[0], again[0][0]) == (7, 8)
    assert len({first[1], second[1], os.getpid()}) == 3
    assert (first[2], second[2]) == ({CORES[0]}, {CORES[1]})
    assert again[0][1] == first[1]


def test_a_part_that_fails_or_dies_says_so() -> None:
    """An exception in a part, and the end of its process, are errors of whoever runs the crew."""

    def work(request: str) -> Any:
        if request == "die":
            os._exit(1)
        raise ValueError(request)

    with Crew([Part({CORES[0]}, work)]) as crew, pytest.raises(RuntimeError, match="ValueError: on purpose"):
        crew.run("on purpose")
    with Crew([Part({CORES[0]}, work)]) as crew, pytest.raises(RuntimeError, match="but it died"):
        crew.run("die")


def test_one_core_is_not_enough() -> None:
    """Without two cores there is no distance to compare at."""
    with pytest.raises(RuntimeError, match="expected two cores"):
        ring.run((0, 0), "quick")


@pytest.mark.slow
def test_the_whole_section_runs_without_foreign_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    """Peers whose tools are missing are left out by name; all rows of ours, and Python's own peers, are there."""
    for name, recipe in RECIPES.items():
        monkeypatch.setitem(RECIPES, name, recipe._replace(tools=("no-such-tool",)))
    plan = ring.Plan(
        turns_s=0.0,
        first_turns_s=0.0,
        slice_s=0.002,
        shared_slice_s=0.002,
        warm_s=0.0,
        pings=50,
        wakeups=3,
        idle_s=0.01,
    )
    if CORES[0] == CORES[1]:
        return  # what one core does is tested above
    allowed = os.sched_getaffinity(0)
    results, listed, setup = ring.run(CORES, "quick", plan)
    assert os.sched_getaffinity(0) == allowed
    missing = {name: peer.missing for name, peer in results["peers"].items() if peer.missing}
    assert missing == dict.fromkeys(RECIPES, "no-such-tool: not found")
    for workload in THROUGHPUT:
        rows = [row for row in results["rates"] if row.workload == workload.key and row.peer == OURS]
        assert len(rows) == len(workload.ours) * len(workload.slot_bytes)
    assert {row.peer for row in results["latencies"]} == {OURS, FLAG}
    assert [row.strategy for row in results["waits"]] == list(STRATEGIES)
    assert all("Disruptor" not in goal_text(goal) for goal in listed)
    assert "verified" in setup
