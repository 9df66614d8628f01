"""The ring benchmark runs, verifies what it moved, and says what it measured under which conditions."""

from __future__ import annotations

import json
import os

import pytest

from benchmarks import ring as benchmark


def test_a_short_run_is_complete() -> None:
    """A run of a moment has every case with distances before and after each slice, and latency percentiles."""
    allowed = os.sched_getaffinity(0)
    result = benchmark.run(0.1)
    assert os.sched_getaffinity(0) == allowed
    assert result["verified"]
    assert [(row["case"], row["slot_bytes"]) for row in result["throughput"]] == [
        (name, slot_bytes)
        for slot_bytes in (64, 128)
        for name in ("one by one", "batches of 16", "batches of 64")
    ]
    for row in result["throughput"]:
        assert row["slices"]
        assert sum(found["slices"] for found in row["by_distance"].values()) == len(row["slices"])
        for piece in row["slices"]:
            assert piece["m_per_s"] > 0
            assert min(piece["rtt_before_ns"], piece["rtt_after_ns"]) > 0
    for found in result["ping_pong"]["by_distance"].values():
        assert 0 < found["p50_ns"] <= found["p99_ns"] <= found["p99.9_ns"] <= found["max_ns"]
    assert json.loads(json.dumps(result)) == result
    tables = benchmark.table(result)
    assert tables.count("| one by one |") >= 2
    assert "p99.9 ns" in tables


@pytest.mark.jitoff
@pytest.mark.parametrize(
    ("before_ns", "after_ns", "expected"),
    [(52, 60, "near"), (52, 110, "changed"), (110, 129, "middle"), (380, 410, "far"), (75, 75, "near")],
)
def test_only_slices_of_one_distance_are_compared(before_ns: int, after_ns: int, expected: str) -> None:
    """A slice counts for a distance only if both readings fall into it."""
    assert benchmark.distance_of(before_ns, after_ns) == expected


@pytest.mark.jitoff
@pytest.mark.parametrize(("seq", "count", "width"), [(0, 1, 8), (0, 1000, 8), (7, 5, 16), (2**40, 2**21, 16)])
def test_the_expected_sum_is_right(seq: int, count: int, width: int) -> None:
    """The closed form that verifies a run equals the sum of all words, as int64 has it."""
    if count <= 1000:
        naive = sum(number + word for number in range(seq + 1, seq + count + 1) for word in range(width))
    else:
        naive = width * sum(range(seq + 1, seq + count + 1)) + count * sum(range(width))
    assert benchmark._sum_of(seq, count, width) == (naive + 2**63) % 2**64 - 2**63
