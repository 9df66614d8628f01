"""Results of the ring benchmark: equal distances are compared, best against best; the rest is shown."""

from __future__ import annotations

import msgspec
import pytest

from benchmarks import report, ring_report
from benchmarks.measure import Goal, Runs
from benchmarks.ring_results import (
    DISRUPTOR,
    FLAG,
    OURS,
    QUEUE,
    Comparison,
    Figure,
    Latency,
    Peer,
    Rate,
    comparisons,
    goals,
    judged,
)
from benchmarks.ring_waits import WaitRow

NEAR, FAR = (50, 52), (300, 310)


class Side:
    """What a row needs to know of a contestant."""

    def __init__(self, peer: str, strategy: str, slot_bytes: int = 64) -> None:
        self.peer, self.strategy, self.slot_bytes = peer, strategy, slot_bytes


def rate(
    peer: str, strategy: str, near: list[float], far: list[float], size: int = 64, key: str = "unicast"
) -> Rate:
    """Return a row with these slices."""
    runs = Runs(values=(*near, *far), round_trips_ns=(*[NEAR] * len(near), *[FAR] * len(far)))
    return Rate.of(key, Side(peer, strategy, size), runs)


RATES = [
    rate(OURS, "busy", [4e8], [1e8, 2e8]),
    rate(OURS, "backoff", [3e8], [3e8, 5e8, 4e8]),
    rate(OURS, "backoff", [], [9e8, 9e8, 9e8], size=8),
    rate(DISRUPTOR, "busy", [1e8], [2e8, 2e8], size=8),
    rate(DISRUPTOR, "sleeping", [2e8], [1e8], size=8),
    rate(QUEUE, "blocking", [1e5], [1e5, 1e5]),
]


def found_at(distance: str, peer: str = DISRUPTOR, size: int = 64) -> Comparison:
    """Return the comparison at a distance."""
    [found] = [
        each
        for each in comparisons(RATES)
        if (each.distance, each.peer, each.slot_bytes) == (distance, peer, size)
    ]
    return found


def test_best_is_compared_with_best_at_one_distance() -> None:
    """Each side comes with the strategy whose median is highest at that distance, not elsewhere."""
    near, far = found_at("near"), found_at("far")
    assert (near.our_strategy, near.peer_strategy, near.ratio) == ("busy", "sleeping", 2.0)
    assert (far.our_strategy, far.peer_strategy, far.ratio) == ("backoff", "busy", 2.0)
    assert found_at("far", size=8).ratio == 4.5
    assert found_at("far", QUEUE).ratio == 4000


def test_slices_during_which_the_distance_changed_are_not_compared() -> None:
    """A slice whose readings disagree is kept in the row of its side, and compared with nothing."""
    changed = Runs(values=(5e9,), round_trips_ns=((50, 300),))
    rows = [Rate.of("unicast", Side(OURS, "busy"), changed), rate(DISRUPTOR, "busy", [1e8], [1e8], size=8)]
    assert list(rows[0].by_distance) == ["changed"]
    assert comparisons(rows) == []


def test_a_goal_is_judged_where_there_is_most_to_judge_by() -> None:
    """Of the distances the one counts at which the side with fewer slices has most."""
    assert [each.distance for each in judged(comparisons(RATES)) if each.slot_bytes == 64] == ["far", "far"]


def test_goals_say_distance_size_and_ratio() -> None:
    """A goal is a ratio at one distance; sizes for which none is set have no goal."""
    listed = goals(comparisons(RATES), [])
    assert [(goal.goal, goal.value, goal.met) for goal in listed] == [(1.2, 2.0, True), (500.0, 4000.0, True)]
    assert listed[0].what == "ring, 1P1C one by one, 64 bytes, times the Disruptor's best (far)"


def test_without_a_peer_there_is_no_goal_about_it() -> None:
    """Nothing is claimed about a peer that was not measured."""
    assert goals(comparisons([row for row in RATES if row.peer == OURS]), []) == []


def test_round_trips_are_judged_by_the_bare_flag() -> None:
    """p50 and p99 are medians of the slices' percentiles, divided by the flag's at the same distance."""
    trips = (FAR, FAR, NEAR)
    ours = Latency.of(
        Side(OURS, "busy"), [(400, 900, 1e4, 1e6), (420, 1100, 1e4, 2e6), (100, 150, 200, 300)], trips
    )
    flag = Latency.of(
        Side(FLAG, "busy"), [(200, 500, 1e4, 1e6), (210, 500, 1e4, 1e6), (90, 100, 150, 160)], trips
    )
    assert ours.by_distance["far"].max_ns == 2e6
    listed = goals([], [ours, flag])
    assert [(goal.goal, goal.value, goal.at_most) for goal in listed] == [(2.0, 2.0, True), (3.0, 2.0, True)]
    assert goals([], [ours]) == []


@pytest.mark.parametrize(
    ("goal", "text"),
    [
        (Goal(what="a", goal=1.2, value=1.5, unit="x"), "a: 1.50 x, goal 1.20 x: yes"),
        (Goal(what="a", goal=2.0, value=1.5, unit="x"), "a: 1.50 x, goal 2.00 x: **no**, missed by 25%"),
        (Goal(what="a", goal=2.0, value=1.9, unit="x", at_most=True), "a: 1.90 x, goal at most 2.00 x: yes"),
        (Goal(what="a", goal=500, value=1234.5, unit="x"), "a: 1,234 x, goal 500 x: yes"),
    ],
)
def test_ratios_are_shown_with_their_decimals(goal: Goal, text: str) -> None:
    """1.2 times is not rounded to 1."""
    assert report.goal_text(goal) == text


def test_the_tables_are_made_of_stored_results() -> None:
    """After a round trip through JSON all sides, strategies, distances and reasons for absence are there."""
    peers = {
        OURS: Peer(title="ringmatch"),
        DISRUPTOR: Peer(title="LMAX Disruptor"),
        QUEUE: Peer(title="the queue"),
        FLAG: Peer(title="a bare flag"),
        "aeron": Peer(title="Aeron IPC", missing="mvn: not found"),
    }
    latency = Latency.of(Side(OURS, "busy"), [(400, 900, 1e4, 1e6)], (FAR,))
    wait = WaitRow(
        strategy="sleep", p50_ns=60e3, p99_ns=110e3, max_ns=2e6, records=9, idle_percent=1.25, idle_s=1
    )
    results = {"peers": peers, "rates": RATES, "latencies": [latency], "waits": [wait]}
    text = "\n".join(ring_report.lines(msgspec.json.decode(msgspec.json.encode(results))))
    for wanted in (
        "Left out: Aeron IPC (mvn: not found).",
        "| 1P1C one by one | 64 B | **far** | 400, backoff | 200, busy | LMAX Disruptor | 2.00 | 1.2 | yes | 3, 2 |",
        "| 1P1C one by one | 64 B | near | 400, busy | 200, sleeping | LMAX Disruptor | 2.00 | 1.2 | - | 1, 1 |",
        "| 1P1C one by one | 8 B | **far** | 900, backoff | 200, busy | LMAX Disruptor | 4.50 | - | - | 3, 2 |",
        "| ringmatch | busy | 64 B | far (300-310 ns) | 400 | 900 | 10,000 | 1,000,000 | 1 |",
        "| `sleep` | 60.0 | 110.0 | 2,000.0 | 1.2% | 9 |",
        "| 1P1C one by one | the queue | blocking | 64 B | far (300-310 ns) | 0.100 (0.100 to 0.100) | 2 |",
    ):
        assert wanted in text, wanted


def test_a_figure_has_its_readings() -> None:
    """The least and the largest reading of the distance stand beside the median."""
    figure = rate(OURS, "busy", [], [1e8, 3e8]).by_distance["far"]
    assert figure == Figure(slices=2, median=2e8, low=1e8, high=3e8, round_trips_ns=FAR)
