"""Memory order: litmus tests between two processes, and each site in the source says what it pairs with.

A litmus test can find a missing barrier, it cannot prove that none is missing; on x86 only the store-buffer
one can fail at all, unless the compiler reorders. The message-passing litmus at full speed is in
``test_processes.py``: each word of each slot is compared there.
"""

from __future__ import annotations

import re
import uuid
from pathlib import Path

import numpy as np
import pytest

import ringbuffer
from ringbuffer.kernel import JIT_DISABLED
from ringbuffer.ring import Ring
from ringbuffer.wait import SPIN, wait_until
from tests.ringbuffer.peers import (
    CONTEXT,
    DEADLINE_S,
    RECORD,
    as_words,
    join,
    process,
    run_store_buffer,
    store_buffer_kernel,
    write_some_then_hang,
)

PACKAGE = Path(ringbuffer.__file__).parent
SITE = re.compile(r"\b(load_acquire|store_release|compare_exchange|fetch_add|fence|take_word|store_word)\(")
ROUNDS = 100_000


def test_no_store_passes_a_later_load_across_a_fence() -> None:
    """Of two processes that store, fence and load the other's cell, at least one sees the other's store.

    This is what the doorbell of a blocking reader stands on: without the fence both can miss each other.
    """
    results = CONTEXT.Queue()
    with Ring.create(f"test-{uuid.uuid4().hex[:12]}", 64, RECORD, {"reader": ()}) as ring:
        cells = as_words(ring).reshape(-1)
        mine, other = 0, 64  # 512 bytes apart
        with process(run_store_buffer, ring.name, other, mine, ROUNDS, results) as child:
            seen = np.zeros(ROUNDS, np.int64)
            assert int(store_buffer_kernel(cells, mine, other, seen)) == 0
            code, seen_there = results.get(timeout=DEADLINE_S)
            join(child)
    assert code == 0
    turns = np.arange(1, ROUNDS + 1)
    both_missed = int(((seen < turns) & (seen_there < turns)).sum())
    assert both_missed == 0, f"expected no round in which both missed the other, was {both_missed}"


def test_a_compiled_spin_loop_sees_another_process_store() -> None:
    """The loads of a compiled wait loop are not hoisted out of it: it ends when another process publishes."""
    ready = CONTEXT.Event()
    with (
        Ring.create(f"test-{uuid.uuid4().hex[:12]}", 64, RECORD, {"reader": ()}) as ring,
        process(write_some_then_hang, ring.name, 3, 1, ready),
    ):
        timeout_ns = int(DEADLINE_S * 1e9)
        assert int(wait_until(ring.words, 1, 3, SPIN, timeout_ns, 0)) == 3


@pytest.mark.jitoff
def test_every_ordered_access_names_its_pair() -> None:
    """Each atomic access in the package has a comment, on its line or the one above, that says why."""
    silent = []
    for path in sorted(PACKAGE.glob("*.py")):
        if path.name == "atomics.py":
            continue
        lines = path.read_text().splitlines()
        for number, line in enumerate(lines):
            code = line.split("#")[0]
            above = lines[number - 1].lstrip().startswith("#")
            if SITE.search(code) and not above and "#" not in line:
                silent.append(f"{path.name}:{number + 1}: {line.strip()}")
    assert silent == [], "expected a comment that names the pair of each access"


@pytest.mark.jitoff
def test_only_the_atomics_and_natives_emit_instructions() -> None:
    """No other module of the package imports llvmlite."""
    users = [path.name for path in PACKAGE.glob("*.py") if "from llvmlite" in path.read_text()]
    assert sorted(users) == ["atomics.py", "bundle.py", "native.py"]


def test_the_litmus_needs_compiled_code() -> None:
    """The tests above ran compiled: as plain Python they would prove nothing."""
    assert not JIT_DISABLED
