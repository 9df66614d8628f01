"""Slices in turn: ours, a peer, ours, the next peer; a peer that breaks down takes nobody with it."""

from __future__ import annotations

from typing import Any

from benchmarks.ring_ours import Contestant
from benchmarks.ring_peers import PeerMissing
from benchmarks.ring_turns import GROWTH, PingSide, Side, take_turns
from benchmarks.ring_workloads import PINGPONG, THROUGHPUT

BATCHES = next(workload for workload in THROUGHPUT if workload.key == "batch64")


class Fake(Contestant):
    """A contestant with a pace that breaks down after so many slices."""

    strategy = "busy"
    slot_bytes = 64

    def __init__(self, peer: str, log: list[str], ns_each: float = 10.0, lives: int = 1 << 30) -> None:
        self.peer, self._log, self._ns_each, self._lives = peer, log, ns_each, lives
        self.counts: list[int] = []

    def run(self, messages: int) -> Any:
        """Note the slice."""
        if len(self.counts) >= self._lives:
            raise PeerMissing(f"{self.peer} broke down")
        self._log.append(self.peer)
        self.counts.append(messages)
        return messages * self._ns_each

    def close(self) -> None:
        """Do nothing."""


def test_ours_and_the_others_take_turns() -> None:
    """Between two slices of ours is one of another, and each has had one when the time is up."""
    log: list[str] = []
    ours, others = [Fake("ours", log)], [Fake(name, log) for name in ("a", "b", "c")]
    sides = [[Side(each, BATCHES, 0.001) for each in group] for group in (ours, others)]
    lost = take_turns(sides[0], sides[1], seconds=0.0, warm_s=0.0, distance_ns=lambda: 60)
    assert not lost
    assert log[-6:] == ["ours", "a", "ours", "b", "ours", "c"]
    assert [len(side.values) for side in (*sides[0], *sides[1])] == [3, 1, 1, 1]


def test_the_distance_is_read_between_any_two_slices() -> None:
    """The reading after one slice is that before the next."""
    readings = iter(range(1000))
    log: list[str] = []
    sides = [[Side(Fake(name, log), BATCHES, 0.001)] for name in ("ours", "a")]
    take_turns(sides[0], sides[1], seconds=0.0, warm_s=0.0, distance_ns=lambda: next(readings))
    assert sides[0][0].trips == [(0, 1)]
    assert sides[1][0].trips == [(1, 2)]


def test_a_peer_that_breaks_down_is_left_out() -> None:
    """Whether while it warms up or later: it is named with the reason, and the others go on."""
    log: list[str] = []
    ours = [Side(Fake("ours", log), BATCHES, 0.001)]
    others = [Side(Fake("a", log, lives=0), BATCHES, 0.001), Side(Fake("b", log, lives=10), BATCHES, 0.001),
              Side(Fake("c", log), BATCHES, 0.001)]  # fmt: skip
    lost = take_turns(ours, others, seconds=0.05, warm_s=0.0, distance_ns=lambda: 60)
    assert {name: str(error) for name, error in lost.items()} == {
        "a": "a broke down",
        "b": "b broke down",
    }
    assert len(ours[0].values) > 5
    assert len(others[2].values) > 5
    assert len(others[1].values) == len(others[1].trips)


def test_slices_grow_to_their_length() -> None:
    """A slice is as long as it should be after a few, each at most eight times the one before, in whole batches."""
    fake = Fake("ours", [], ns_each=5.0)
    side = Side(fake, BATCHES, 0.05)
    side.warm(0.2)
    assert all(
        later <= GROWTH * earlier for earlier, later in zip(fake.counts, fake.counts[1:], strict=False)
    )
    assert all(count % 64 == 0 for count in fake.counts)
    assert abs(fake.counts[-1] - 10_000_000) < 64


def test_ping_pong_has_slices_of_one_size() -> None:
    """Round trips are counted, not timed: each slice has as many."""
    fake = Fake("ours", [])
    side = PingSide(fake, PINGPONG, 500)
    side.warm(1.0)
    assert set(fake.counts) == {500}
