"""The other process of the tests: bodies that a fork server runs, and kernels that drive rings flat out."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from contextlib import contextmanager
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ringbuffer.atomics import fence, load_acquire, store_release
from ringbuffer.kernel import kernel
from ringbuffer.layout import cursor_index
from ringbuffer.native import clock_ns, yield_cpu
from ringbuffer.ring import Ring
from ringbuffer.sequence import available, publish, release, try_claim
from ringbuffer.shm import Segment
from ringbuffer.wait import idle, ring_bell, ring_bells

if TYPE_CHECKING:
    from collections.abc import Iterator

DEADLINE_S: Final = 120.0
STUCK_NS: Final = int(DEADLINE_S * 1e9)
RECORD: Final = np.dtype([("seq", "<i8"), ("copy", "<i8", (7,))])
CONTEXT: Final[ForkServerContext] = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.ringbuffer.peers"])


@contextmanager
def process(target: Any, *arguments: Any) -> Iterator[BaseProcess]:
    """Run ``target`` in another process, and end it with the block whatever happens."""
    child = CONTEXT.Process(target=target, args=arguments, daemon=True)
    child.start()
    try:
        yield child
    finally:
        if child.is_alive():
            child.kill()
        child.join(DEADLINE_S)


def join(child: BaseProcess) -> None:
    """Wait for a process that must end well."""
    child.join(DEADLINE_S)
    assert child.exitcode == 0, f"expected exit code 0, was {child.exitcode}"


def eventually(claim: Any, what: str) -> None:
    """Wait until ``claim()`` is true; fail with ``what`` after the deadline."""
    deadline = time.monotonic() + DEADLINE_S
    while not claim():
        assert time.monotonic() < deadline, f"expected in {DEADLINE_S} s: {what}"
        os.sched_yield()


def records(first: int, count: int) -> Any:
    """Return ``count`` records from ``first``, each with its number eight times."""
    array = np.zeros(count, RECORD)
    array["seq"] = np.arange(first, first + count)
    array["copy"] = array["seq"][:, None]
    return array


def read_all(name: str, reader: str, strategy: str, results: Any, kind: type[Segment] = Segment) -> None:
    """Read until the stream ends; report how many records came, and whether in order and whole."""
    with Ring.attach(name, RECORD, kind=kind) as ring, ring.consumer(reader, strategy) as consumer:
        expected = consumer.seq + 1
        good = True
        count = 0
        for batch in consumer.batches(timeout=DEADLINE_S):
            numbers = np.arange(expected, expected + len(batch))
            good = good and bool((batch["seq"] == numbers).all())
            good = good and bool((batch["copy"] == numbers[:, None]).all())
            expected += len(batch)
            count += len(batch)
        results.put((count, good))


def read_some_then_hang(name: str, reader: str, polled: int, released: int, ready: Any) -> None:
    """Poll ``polled`` records, release up to ``released``, say so, and never come back."""
    with Ring.attach(name, RECORD) as ring, ring.consumer(reader) as consumer:
        while consumer.position < polled:
            consumer.wait(DEADLINE_S)
            consumer.poll(polled - consumer.position)
        consumer.release(released)
        ready.set()
        signal.pause()


def write_some_then_hang(name: str, published: int, claimed: int, ready: Any) -> None:
    """Publish records, fill more claimed ones without publishing them, say so, and never come back."""
    with Ring.attach(name, RECORD) as ring, ring.producer() as producer:
        producer.publish(records(producer.seq + 1, published))
        claim = producer.claim(claimed)
        for view in claim.views:
            view["seq"] = -1
        ready.set()
        signal.pause()


def wait_in_vain(name: str, reader: str, strategy: str, seconds: float, results: Any) -> None:
    """Wait for a record that does not come; report the share of a processor that the waiting took."""
    with Ring.attach(name, RECORD) as ring, ring.consumer(reader, strategy) as consumer:
        consumer.poll()  # everything is compiled and loaded now
        cpu_s, wall_s = time.process_time(), time.monotonic()
        try:
            consumer.wait(seconds)
        except TimeoutError:
            results.put((time.process_time() - cpu_s) / (time.monotonic() - wall_s))


def run_reader(name: str, strategy: int, count: int, results: Any) -> None:
    """Read ``count`` records in compiled code; report how many were torn or out of order."""
    with Ring.attach(name, RECORD) as ring:
        words, slots = ring.words, as_words(ring)
        results.put(int(read_kernel(words, slots, ring.capacity, strategy, 0, count)))


def run_store_buffer(name: str, mine: int, other: int, rounds: int, results: Any) -> None:
    """Run one side of the store-buffer litmus on the words of a ring's slots; report what it loaded."""
    with Ring.attach(name, RECORD) as ring:
        seen = np.zeros(rounds, np.int64)
        code = store_buffer_kernel(as_words(ring).reshape(-1), mine, other, seen)
        results.put((int(code), seen))


def as_words(ring: Ring) -> Any:
    """Return the slots of a ring of RECORD as an int64 array (capacity, 8)."""
    return ring.slots.view(np.int64).reshape(ring.capacity, RECORD.itemsize // 8)


READER_CURSOR: Final = cursor_index(1)
WRITER_CURSOR: Final = cursor_index(0)


@kernel
def write_kernel(words, slots, capacity, strategy, local, count, batch):  # type: ignore[no-untyped-def]
    """Publish ``count`` records in claims of ``batch``; return how many went out before the deadline."""
    start_ns = clock_ns()
    sent = np.int64(0)
    spins = np.int64(0)
    while sent < count:
        n = min(batch, count - sent)
        last_seq = try_claim(words, local, capacity, n)
        if last_seq < 0:
            if clock_ns() - start_ns > STUCK_NS:
                return sent
            spins = idle(strategy, spins, words, np.int64(0), local[0] + n - capacity)
            continue
        spins = np.int64(0)
        for seq in range(last_seq - n + 1, last_seq + 1):
            for word in range(slots.shape[1]):
                slots[seq & (capacity - 1), word] = seq
        publish(words, WRITER_CURSOR, last_seq)
        ring_bells(words, 0)
        sent += n
    return sent


@kernel
def read_kernel(words, slots, capacity, strategy, seq, count):  # type: ignore[no-untyped-def]
    """Read ``count`` records after ``seq``; return how many words were wrong or never came."""
    start_ns = clock_ns()
    wrong = np.int64(0)
    spins = np.int64(0)
    last_seq = seq + count
    while seq < last_seq:
        ready_seq = available(words, np.int64(1))
        if ready_seq == seq:
            if clock_ns() - start_ns > STUCK_NS:
                return wrong + (last_seq - seq)
            spins = idle(strategy, spins, words, np.int64(1), seq + 1)
            continue
        spins = np.int64(0)
        for each in range(seq + 1, ready_seq + 1):
            for word in range(slots.shape[1]):
                if slots[each & (capacity - 1), word] != each:
                    wrong += 1
        seq = ready_seq
        release(words, READER_CURSOR, seq)
        ring_bell(words, 0)
    return wrong


@kernel
def store_buffer_kernel(cells, mine, other, seen):  # type: ignore[no-untyped-def]
    """Store the round in our cell, fence, load the other's, round by round; 0, or -1 after the deadline.

    Cells: ``mine`` and ``other`` are the litmus variables, ``mine + 1`` and ``other + 1`` the rendezvous.
    """
    start_ns = clock_ns()
    for index in range(seen.shape[0]):
        turn = index + 1
        store_release(cells, mine + 1, turn)  # pairs with the other side's load_acquire of its rendezvous
        while load_acquire(cells, other + 1) < turn:
            yield_cpu()
            if clock_ns() - start_ns > STUCK_NS:
                return np.int64(-1)
        store_release(cells, mine, turn)
        fence()
        seen[index] = load_acquire(cells, other)
    return np.int64(0)
