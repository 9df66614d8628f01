"""Wait strategies: all of them move messages between processes, and blocking costs next to nothing."""

from __future__ import annotations

import statistics
import time
import uuid
from typing import Any

import numpy as np
import pytest

from ringbuffer import layout
from ringbuffer.layout import H_STATE, H_WAIT, P_SIGNAL, P_WAITING, WAIT_BELLS, cursor_index
from ringbuffer.ring import Ring
from ringbuffer.sequence import new_local, publish
from ringbuffer.wait import BLOCKING, STRATEGIES, idle, ring_bell, ring_bells, wait_until
from tests.ringbuffer.peers import (
    CONTEXT,
    DEADLINE_S,
    RECORD,
    as_words,
    join,
    process,
    read_all,
    records,
    run_reader,
    wait_in_vain,
    write_kernel,
)

MOST_CPU_SHARE = 0.15  # of one processor, while blocked; spinning would take all of it


def name() -> str:
    """Return a name that nobody else uses."""
    return f"test-{uuid.uuid4().hex[:12]}"


def private_ring(readers: Any) -> Any:
    """Return the words of a ring of four slots in private memory."""
    buffer = bytearray(layout.ring_bytes(4, 8, 1 + len(readers)))
    return layout.initialise(buffer, 0, 4, np.dtype("<i8"), readers)[0]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_moves_messages(strategy: str) -> None:
    """A reader of each strategy gets every record of a writer that pauses between its bursts."""
    results = CONTEXT.Queue()
    with (
        Ring.create(name(), 64, RECORD, {"reader": ()}) as ring,
        process(read_all, ring.name, "reader", strategy, results) as child,
    ):
        with ring.producer(strategy) as producer:
            for first in range(1, 2001, 100):
                producer.publish(records(first, 100), DEADLINE_S)
                deadline = time.monotonic() + 0.005  # long enough for the reader to fall asleep
                while time.monotonic() < deadline:
                    pass
        assert results.get(timeout=DEADLINE_S) == (2000, True)
        join(child)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_moves_messages_in_kernels(strategy: str) -> None:
    """In compiled loops, too, with a ring of two slots so that both sides wait at every turn."""
    code, count = STRATEGIES[strategy], 200 if strategy == "spin" else 2_000
    results = CONTEXT.Queue()
    with (
        Ring.create(name(), 2, RECORD, {"reader": ()}) as ring,
        process(run_reader, ring.name, code, count, results) as child,
    ):
        sent = write_kernel(ring.words, as_words(ring), 2, code, new_local(ring.words), count, 1)
        assert int(sent) == count
        assert results.get(timeout=DEADLINE_S) == 0
        join(child)


@pytest.mark.parametrize("strategy", ["blocking", "backoff"])
def test_an_idle_reader_leaves_the_processor_alone(strategy: str) -> None:
    """A blocked or backed-off reader to whom nothing comes uses a small share of a processor."""
    results = CONTEXT.Queue()
    with (
        Ring.create(name(), 64, RECORD, {"reader": ()}) as ring,
        ring.producer(),
        process(wait_in_vain, ring.name, "reader", strategy, 1.0, results) as child,
    ):
        share = results.get(timeout=DEADLINE_S)
        join(child)
    limit = MOST_CPU_SHARE if strategy == "blocking" else 4 * MOST_CPU_SHARE
    assert share < limit, f"expected less than {limit} of a processor, was {share:.3f}"


@pytest.mark.jitoff
def test_a_bell_rings_only_for_those_who_wait() -> None:
    """A publisher changes the doorbell of a reader that has announced itself, and of no other."""
    words = private_ring({"awake": (), "asleep": (), "later": ("awake", "asleep")})
    signals = [cursor_index(participant) + P_SIGNAL for participant in range(4)]
    words[cursor_index(2) + P_WAITING] = words[cursor_index(3) + P_WAITING] = 1
    ring_bells(words, 0)
    assert [int(words[signal]) for signal in signals] == [0, 0, 1, 0]  # 'later' does not wait for the writer
    ring_bells(words, 1)
    assert [int(words[signal]) for signal in signals] == [0, 0, 1, 1]
    ring_bell(words, 2)
    ring_bell(words, 1)
    assert [int(words[signal]) for signal in signals] == [0, 0, 2, 1]


@pytest.mark.jitoff
def test_a_blocking_look_does_not_sleep_over_what_is_there() -> None:
    """One who blocks looks again after announcing itself, and does not sleep if it can go on."""
    words = private_ring({"reader": ()})
    publish(words, cursor_index(0), 1)
    spent = []
    for _ in range(1000):
        began = time.monotonic()
        assert int(idle(BLOCKING, 1_000_000, words, 1, 1)) == 1_000_001
        spent.append(time.monotonic() - began)
    assert statistics.median(spent) < 0.001  # asleep it would be 2 ms
    assert int(words[cursor_index(1) + P_WAITING]) == 0


@pytest.mark.jitoff
@pytest.mark.parametrize("strategy", STRATEGIES.values())
def test_a_wait_ends_at_its_deadline(strategy: int) -> None:
    """A wait returns the gates as they are when the time is up, with every strategy."""
    words = private_ring({"reader": ()})
    publish(words, cursor_index(0), 3)
    began = time.monotonic_ns()
    assert int(wait_until(words, 1, 4, strategy, 20_000_000, 0)) == 3
    assert time.monotonic_ns() - began >= 20_000_000


@pytest.mark.jitoff
@pytest.mark.parametrize("strategy", STRATEGIES.values())
def test_a_wait_ends_with_the_stream(strategy: int) -> None:
    """Nobody waits for what a writer that has ended will never publish, but for what it did, yes."""
    words = private_ring({"first": (), "second": ("first",)})
    publish(words, cursor_index(0), 3)
    words[H_STATE] = layout.STATE_CLOSED
    began = time.monotonic_ns()
    assert int(wait_until(words, 2, 4, strategy, 60_000_000_000, 0)) == 0
    assert time.monotonic_ns() - began < 30_000_000_000
    assert int(wait_until(words, 2, 3, strategy, 10_000_000, 0)) == 0
    assert time.monotonic_ns() - began >= 10_000_000


@pytest.mark.jitoff
def test_only_blocking_makes_publishers_ring() -> None:
    """Publishers pay for bells from the moment that the first blocking participant attaches."""
    buffer = bytearray(layout.ring_bytes(4, 64, 2))
    layout.initialise(buffer, 0, 4, RECORD, {"reader": ()})
    ring = Ring.over(buffer, 0, RECORD)
    with ring.consumer("reader", "backoff"):
        assert int(ring.words[H_WAIT]) == 0
    with ring.consumer("reader", "blocking"):
        assert int(ring.words[H_WAIT]) == WAIT_BELLS
