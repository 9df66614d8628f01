"""Graphs of readers as values: what the builders make, what they refuse, and that a ring delivers along them."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringbuffer import layout
from ringbuffer.layout import reader_gates
from ringbuffer.ring import Ring
from ringbuffer.topology import Topology, diamond, handle, pipeline

pytestmark = pytest.mark.jitoff

WORD = np.dtype("<i8")


@pytest.mark.parametrize(
    ("topology", "readers"),
    [
        (handle("a"), {"a": ()}),
        (handle("a", "b", "c"), {"a": (), "b": (), "c": ()}),
        (handle("a", "b").then("c"), {"a": (), "b": (), "c": ("a", "b")}),
        (handle("a").then("b", "c").then("d"), {"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c")}),
        (handle("a").then("b").handle("c"), {"a": (), "b": ("a",), "c": ()}),
        (handle("a").handle("b").then("c"), {"a": (), "b": (), "c": ("b",)}),
        (handle("a", "b", "c").after("a", "b").then("d"), {"a": (), "b": (), "c": (), "d": ("a", "b")}),
        (handle("a").then("b").after("a").then("c"), {"a": (), "b": ("a",), "c": ("a",)}),
        (pipeline("a", "b", "c"), {"a": (), "b": ("a",), "c": ("b",)}),
        (diamond("l", "r", "j"), {"l": (), "r": (), "j": ("l", "r")}),
        (Topology().handle("a"), {"a": ()}),
    ],
)
def test_builders_make_the_graph(topology: Topology, readers: dict[str, tuple[str, ...]]) -> None:
    """Unicast, multicast, pipelines, diamonds and joins map each reader to those that it waits for."""
    assert topology == readers
    assert dict(topology) == readers
    assert topology == Topology(readers)
    assert repr(topology) == f"Topology({readers!r})"


def test_a_topology_is_a_value() -> None:
    """Each call returns a new one, and leaves the one it began with as it was."""
    first = handle("a")
    longer, wider = first.then("b"), first.handle("c")
    assert (first, longer, wider) == ({"a": ()}, {"a": (), "b": ("a",)}, {"a": (), "c": ()})
    with pytest.raises(TypeError, match="unhashable"):
        hash(first)


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda: handle("a", "a"), r"reader: expected new names, was \['a'\]"),
        (lambda: handle("a").then("a"), r"reader: expected new names, was \['a'\]"),
        (lambda: handle(), "reader: expected new names, was none"),
        (lambda: pipeline(), "reader: expected new names, was none"),
        (lambda: Topology().then("a"), "then: expected readers before it, was none"),
        (lambda: handle("a").after("b"), r"after: expected some of \['a'\], was \['b'\]"),
        (lambda: handle("a").after(), r"after: expected some of \['a'\], was none"),
    ],
)
def test_what_makes_no_graph_is_refused(build: Any, said: str) -> None:
    """Names twice, nobody to wait for, and those who are not there are errors that say so."""
    with pytest.raises(ValueError, match=said):
        build()


def test_only_leaves_gate_the_writer() -> None:
    """The writer waits for those that nobody waits for."""
    gates = dict(reader_gates(handle("a", "b", "c").after("a", "b").then("d")))
    assert gates == {"writer": 1 << 3 | 1 << 4, "a": 1, "b": 1, "c": 1, "d": 1 << 1 | 1 << 2}


@st.composite
def topologies(draw: st.DrawFn) -> Topology:
    """Return a graph of up to eight readers, built by random calls."""
    topology = handle("r0")
    for number in range(1, draw(st.integers(1, 8))):
        how = draw(st.sampled_from(["handle", "then", "after"]))
        if how == "handle":
            topology = topology.handle(f"r{number}")
        else:
            if how == "after":
                behind = draw(st.sets(st.sampled_from(sorted(topology)), min_size=1))
                topology = topology.after(*sorted(behind))
            topology = topology.then(f"r{number}")
    return topology


@given(topology=topologies(), seed=st.integers(0, 2**32), producers=st.sampled_from([1, 2]))
def test_every_reader_sees_all_and_none_overtakes(topology: Topology, seed: int, producers: int) -> None:
    """Along any graph each reader gets each record once, in order, after those it waits for; none is overwritten."""
    order = random.Random(seed)
    kind = layout.KIND_SINGLE if producers == 1 else layout.KIND_MULTI
    participants = layout.count_participants(len(topology), producers)
    buffer = bytearray(layout.ring_bytes(4, 8, participants, kind))
    layout.initialise(buffer, 0, 4, WORD, topology, producers=producers)
    ring = Ring.over(buffer, 0, WORD)
    producer = ring.producer()
    readers = {name: ring.consumer(name) for name in topology}
    seen: dict[str, list[int]] = {name: [] for name in topology}
    sent = 0
    while any(len(got) < 12 for got in seen.values()):
        name = order.choice(["", *topology])
        if name:
            batch = readers[name].poll(order.randint(1, 4)).tolist()
            ahead = [len(seen[other]) for other in topology[name]] or [sent]
            assert len(seen[name]) + len(batch) <= min(ahead)
            seen[name] += batch
            readers[name].release()
        elif sent < 12 and (claim := producer.try_claim()) is not None:
            sent += 1
            claim.views[0][0] = sent
            claim.publish()
            assert sent - min(len(got) for got in seen.values()) <= 4
    assert all(got == list(range(1, 13)) for got in seen.values())
