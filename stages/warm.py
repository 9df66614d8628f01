"""Compile all kernels once, with progress, or load them from the cache: before workers are forked.

A first start compiles some hundred functions, which takes half a minute; later ones load a few files. Each step
runs a kernel on a small private state, so that nothing is compiled in a worker. See also :mod:`cli.warm`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from protocols.layouts import COMMAND, OUTCOME

__all__ = ["LOOP_STEPS", "OTHER_STEPS", "load_kernels"]


def _core() -> Any:
    from stages.core import Core
    from stages.state import Capacities

    tiny = Capacities(64, 64, 64, 64, 8, 8, 8, 16)
    return Core(tiny, input_slots=64, output_slots=64)


def _warm_risk() -> None:
    from stages.core import Core
    from stages.risk import risk_step

    core: Core = _core()
    risk_step(
        core._in_words, core._in_slots, core._verdicts, core._out_words, core._out_slots, core.state.risk, 1
    )


def _warm_matching() -> None:
    from stages.matching import matching_step

    core = _core()
    matching_step(
        core._in_words,
        core._in_slots,
        core._verdicts,
        core._out_words,
        core._in_words,
        core._partitions.books[0],
        1,
    )


def _warm_core() -> None:
    core = _core()
    core.process(np.zeros(0, dtype=COMMAND))
    core.digest(np.zeros(0, dtype=COMMAND))


def _warm_digest() -> None:
    from stages.digest import state_digest

    core = _core()
    state_digest(core.state.risk, core.state.books)


def _warm_journal() -> None:
    from ringbuffer.ring_words import store_word
    from stages.journaling import BlockBuffers, journal_step, wait_for_block

    core = _core()
    buffers = BlockBuffers(0)
    journal_step(
        core._in_words, core._in_slot_words, buffers.blocks, buffers.codec, buffers.spans, buffers.words
    )
    wait_for_block(buffers.words, 1, 0)
    store_word(np.zeros(8, dtype=np.int64), 0, 0)


def _warm_loop() -> None:
    from stages.control import CONTROL_WORDS
    from stages.journaling import BlockBuffers
    from stages.loop import Context, Ports, worker_loop
    from stages.state import shared_array

    core = _core()
    buffers = BlockBuffers(0)
    port = Ports(np.zeros(4096, dtype=np.int64), 1, 2048, 256, 16)
    context = Context(
        control=np.zeros(CONTROL_WORDS, dtype=np.int64),
        in_words=core._in_words,
        in_slots=core._in_slots,
        in_slot_words=core._in_slot_words,
        out_words=core._out_words,
        out_slots=core._out_slots,
        out_slot_words=core._out_slot_words,
        verdicts=core._verdicts,
        ingress=port,
        egress=port,
        ingest_words=np.zeros(64, dtype=np.int64),
        publish_words=np.zeros(128, dtype=np.int64),
        routes=shared_array(8, np.int32),
        blocks=buffers.blocks,
        codec=buffers.codec,
        spans=buffers.spans,
        journal_words=buffers.words,
        risk=core.state.risk,
        partitions=core._partitions,
    )
    worker_loop(context, 0, 0, 0, 0)


def _warm_reader() -> None:
    from journal.warm import warm_kernels as warm_journal

    warm_journal()


# The worker's loop holds the stages; each is compiled on the way, so that progress shows.
LOOP_STEPS: dict[str, Callable[[], None]] = {
    "risk": _warm_risk,
    "matching": _warm_matching,
    "journal": _warm_journal,
    "worker loop": _warm_loop,
    "core": _warm_core,
}
OTHER_STEPS: dict[str, Callable[[], None]] = {
    "journal reader": _warm_reader,
    "digest": _warm_digest,
}


def load_kernels() -> None:
    """Make the kernels of supervisor and workers callable in this process."""
    assert OUTCOME.itemsize == COMMAND.itemsize
    for warm in (_warm_core, _warm_digest, _warm_journal, _warm_reader, _warm_loop):
        warm()
