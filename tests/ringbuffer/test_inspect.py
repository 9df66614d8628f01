"""Rings as seen from outside: which there are, their figures, and that looking changes nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ringbuffer import inspect, layout
from ringbuffer.errors import SegmentMissing
from ringbuffer.inspect import find_rings, open_claims, open_ring
from ringbuffer.multi import open_claims as open_claims_of_states
from ringbuffer.participant import gate
from ringbuffer.ring import Ring
from ringbuffer.shm import PREFIX, Segment, SysvSegment, clean_stale, list_segments, map_for_reading

pytestmark = pytest.mark.jitoff

KINDS = [Segment, SysvSegment]
TICK = np.dtype([("price", "<i8"), ("qty", "<i8")])
PIPELINE = {"risk": (), "match": ("risk",)}


@pytest.fixture
def name() -> Iterator[str]:
    """A name that nobody else uses; nothing of it is left afterwards."""
    name = f"{PREFIX}test-{uuid.uuid4().hex[:12]}"
    yield name
    clean_stale(name)


def bytes_of(name: str) -> bytes:
    """Return all bytes of a segment."""
    (segment,) = list_segments(name)
    return bytes(map_for_reading(segment))


@pytest.mark.parametrize("kind", KINDS)
def test_a_ring_is_found_with_its_figures(name: str, kind: type[Segment]) -> None:
    """A ring in either memory is listed with its shape, fill, participants, owner and whether that lives."""
    with (
        Ring.create(name, 8, TICK, PIPELINE, kind=kind, epoch=7, dead_readers="remove") as ring,
        ring.producer() as producer,
        ring.consumer("risk") as risk,
    ):
        producer.publish(np.zeros(3, TICK))
        risk.poll(2)
        risk.release()
        (found,) = find_rings(name)
        assert found._replace(created_ns=0) == inspect.FoundRing(
            name=name, producers=1, readers=("risk", "match"), capacity=8, slot_bytes=16, fill=3, seq=3, state="open",
            epoch=7, observable=True, dead_readers="remove",
            memory="posix" if kind is Segment else "sysv", huge_pages=False, owner_pid=os.getpid(), stale=False,
            created_ns=0, purpose="ring of 8 x 16 bytes, readers risk, match",
        )  # fmt: skip
        with open_ring(name.removeprefix(PREFIX)) as opened:
            assert opened.name == name
            assert inspect.status(opened.words)[1].lag == 1
            assert opened.exists
    assert find_rings(name) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_ring_says_whether_it_has_huge_pages(name: str, kind: type[Segment]) -> None:
    """A ring that asks for huge pages works either way, and its segment and the list agree on what it has."""
    with (
        Ring.create(name, 8, TICK, PIPELINE, kind=kind, huge_pages=True) as ring,
        ring.producer() as producer,
    ):
        producer.publish((1, 2))
        assert ring.segment is not None
        (found,) = find_rings(name)
        assert (found.huge_pages, found.seq) == (ring.segment.info.huge_pages, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_several_rings_of_a_segment_have_numbers(name: str, kind: type[Segment]) -> None:
    """Rings side by side, with other bytes between them, are found at their page boundaries, in order."""
    size = layout.ring_bytes(8, 16, 2)
    with kind.create(name, Segment.CONTENT + 2 * size + 5 * 4096) as segment:
        for offset in (Segment.CONTENT + 4096, Segment.CONTENT + 3 * 4096 + size):
            layout.initialise(segment.buffer, offset, 8, TICK, {"reader": ()})
        assert [ring.name for ring in find_rings(name)] == [f"{name}:0", f"{name}:1"]
        assert open_ring(f"{name}:1").name == f"{name}:1"
        for wrong in (name, f"{name}:2", f"{name}:x"):
            with pytest.raises(SegmentMissing, match=f"{wrong}: expected one of {name}:0, {name}:1"):
                open_ring(wrong)


def test_the_only_ring_of_a_segment_has_its_name(name: str) -> None:
    """A stand-alone ring answers to its name with and without the prefix, and with number 0."""
    with Ring.create(name, 8, TICK, PIPELINE):
        for given in (name, name.removeprefix(PREFIX), f"{name}:0"):
            assert open_ring(given).name == name


def test_a_ring_that_is_not_there_is_an_error(name: str) -> None:
    """No segment, a segment without a ring, a damaged ring: none is a ring of that name."""
    with pytest.raises(SegmentMissing, match=f"{name}: expected a ring of that name, was none"):
        open_ring(name)
    with pytest.raises(ValueError, match="segment name: expected"):
        open_ring("no/name")
    with Segment.create(name, 3 * 4096), pytest.raises(SegmentMissing, match="was none"):
        open_ring(name)
    with Ring.create(name, 8, TICK, PIPELINE) as ring:
        ring.words[layout.H_VERSION] += 1
        assert find_rings(name) == []


def test_bytes_of_slots_are_not_taken_for_a_ring(name: str) -> None:
    """A ring is skipped as a whole: what its slots hold at a page boundary is no ring, even if it looks like one."""
    inner = bytearray(layout.ring_bytes(8, 16, 2))
    layout.initialise(inner, 0, 8, TICK, {"reader": ()})
    with Ring.create(name, 4, np.dtype(("V", 16_384)), PIPELINE) as ring:
        ring.slots[1] = bytes(inner)[:16_384]
        assert [found.name for found in find_rings(name)] == [name]


@pytest.mark.parametrize("kind", KINDS)
def test_looking_changes_nothing(name: str, kind: type[Segment]) -> None:
    """Listing, opening and all figures leave every byte of the ring as it was, and the view refuses writes."""
    with Ring.create(name, 8, TICK, PIPELINE, producers=2, kind=kind) as ring, ring.producer() as producer:
        producer.publish((1, 2))
        claim = producer.claim(2)
        before = bytes_of(name)
        find_rings(name)
        with open_ring(name) as opened:
            inspect.status(opened.words)
            open_claims(opened.words)
            opened.summary()
            with pytest.raises(ValueError, match="read-only"):
                opened.words[0] = 0
        assert bytes_of(name) == before
        claim.publish()


def test_open_claims_name_their_producer(name: str) -> None:
    """What is claimed and not published is shown with its sequences and who holds it; what is published is not."""
    with Ring.create(name, 8, TICK, PIPELINE, producers=3) as ring:
        first, second = ring.producer(), ring.producer()
        with first, second:
            claims = [first.claim(2), second.claim(1)]
            assert open_claims(ring.words) == [(1, 2, "producer-1"), (3, 1, "producer-2")]
            claims[0].publish()
            assert ring.open_claims() == [(3, 1, "producer-2")]
            expected = open_claims_of_states(ring.words, int(gate(ring.words)))
            assert [(each.seq, each.count) for each in expected] == [(3, 1)]
            claims[1].publish()
            assert open_claims(ring.words) == []
    with Ring.create(name, 8, TICK, PIPELINE) as ring, ring.producer() as writer:
        writer.publish((1, 1))
        with writer.claim(3):
            assert open_claims(ring.words) == [(2, 3, "writer")]
        assert open_claims(ring.words) == []


def test_fill_is_what_the_slowest_leaf_has_not_released() -> None:
    """Fill counts from the slowest leaf; a vacant place, whose cursor stands still, does not count."""
    buffer = bytearray(layout.ring_bytes(8, 16, layout.count_participants(3, 1)))
    layout.initialise(buffer, 0, 8, TICK, PIPELINE, vacant_readers=1)
    ring = Ring.over(buffer, 0, TICK)
    with ring.producer() as producer, ring.consumer("risk") as risk, ring.consumer("match") as match:
        producer.publish(np.zeros(5, TICK))
        assert ring.fill == 5
        risk.poll()
        risk.release()
        assert ring.fill == 5
        match.poll(2)
        match.release()
        assert ring.fill == 3
        ring.join("late")
        assert [each.name for each in ring.status()] == ["writer", "risk", "match", "late"]
        ring.remove("match")
        assert ring.fill == 0


def test_a_ring_whose_owner_was_killed_is_stale(name: str) -> None:
    """The ring of a dead process is listed as stale, with its last figures; its participants are not alive."""
    program = (
        "import os, signal, sys; from ringbuffer.ring import Ring\n"
        "ring = Ring.create(sys.argv[1], 8, '<i8', {'reader': ()}); ring.producer().publish(5)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", program, name],
        env={**os.environ, "PYTHONPATH": root},
        check=False,
        timeout=120,
    )
    assert done.returncode == -9
    with open_ring(name) as ring:
        summary: Any = ring.summary()
        assert (summary.stale, summary.seq, summary.fill) == (True, 1, 1)
        writer = inspect.status(ring.words)[0]
        assert (writer.state, writer.alive, writer.pid) == ("attached", False, summary.owner_pid)
        clean_stale(name)
        assert not ring.exists
        assert inspect.fill(ring.words) == 1  # still mapped
