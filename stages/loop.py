"""The worker's compiled loop: polls the stages of its plan, waits when there is nothing, and tells that it lives.

One kernel for every plan: which stages a worker polls is a bit mask. The loop returns to Python when the stop
word says NOW, when ``slice_ns`` is over, or when a stage reports that its input is corrupt (a negative code).
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

from ringbuffer.atomics import load_acquire, pause, store_release
from ringbuffer.kernel import inlined, kernel
from ringbuffer.native import clock_ns, sleep_ns, yield_cpu
from stages.bells import doze, ring_bells, wake_up
from stages.control import (
    CO_RISK,
    CW_COUNTERS,
    CW_DIGEST_SEQ,
    CW_STOP,
    CW_WORKER_BLOCKS,
    MAX_PARTITIONS,
    WORKER_WORDS,
    WW_BUSY,
    WW_DIGEST_SEQ,
    WW_HEARTBEAT,
    WW_LOOPS,
)
from stages.ingest import ingest_step
from stages.journaling import is_committing, journal_step
from stages.matching import matching_step
from stages.merge import count_open, merge_step, run_partition
from stages.publish import publish_step
from stages.risk import risk_step
from stages.state_words import MW_COUNTED, RISK_WORDS

STAGE_INGEST: Final = 1
STAGE_JOURNAL: Final = 2
STAGE_RISK: Final = 4
STAGE_MATCHING: Final = 8
STAGE_PUBLISH: Final = 16
STAGE_MERGE: Final = 32  # behind several partitions, which have a bit each in the place of STAGE_MATCHING
STAGE_PARTITIONS: Final = 64
STAGE_BITS: Final = {
    "ingest": STAGE_INGEST,
    "journal": STAGE_JOURNAL,
    "risk": STAGE_RISK,
    "matching": STAGE_MATCHING,
    "publish": STAGE_PUBLISH,
    "merge": STAGE_MERGE,
    **{f"matching-{number}": STAGE_PARTITIONS << number - 1 for number in range(1, MAX_PARTITIONS + 1)},
}

WAIT_SPIN: Final = 0
WAIT_YIELD: Final = 1
WAIT_BACKOFF: Final = 2
WAIT_BLOCKING: Final = 3
WAIT_CODES: Final = {
    "spin": WAIT_SPIN,
    "yield": WAIT_YIELD,
    "backoff": WAIT_BACKOFF,
    "blocking": WAIT_BLOCKING,
}

STEP_BUDGET = 256
COMMIT_YIELD = 4  # passes; a yield with nobody to yield to takes about as long as a pass
SPIN_PASSES = 64  # empty passes with a pause each before a worker yields
YIELD_PASSES = 128
SLEEP_MIN_NS = 2_000
SLEEP_MAX_NS = 50_000
LONG_PASSES = 2_000  # empty passes, about a tenth of a second, after which a worker sleeps longer
LONG_SLEEP_NS = 500_000
HOUSEKEEPING_NS = 1_000_000

STOPPED = 0
SLICE_OVER = 1
FEEDBACK_OVERFLOW = -100


class Ports(NamedTuple):
    """The ring area of all ports as the kernels take it."""

    words: Any
    ports: int
    port_words: int
    slots_word: int
    port_slots: int


class Context(NamedTuple):
    """Everything that the stages work on."""

    control: Any
    in_words: Any
    in_slots: Any
    in_slot_words: Any
    out_words: Any
    out_slots: Any
    out_slot_words: Any
    verdicts: Any
    ingress: Ports
    egress: Ports
    ingest_words: Any
    publish_words: Any
    routes: Any
    blocks: Any
    codec: Any
    spans: Any
    journal_words: Any
    risk: Any
    partitions: Any


@inlined
def rest_worker(control, worker, strategy, empty):  # type: ignore[no-untyped-def]
    """Wait a little after ``empty`` passes without work."""
    if strategy == WAIT_SPIN or empty < SPIN_PASSES:
        pause()
    elif strategy == WAIT_YIELD or empty < YIELD_PASSES:
        yield_cpu()
    elif strategy == WAIT_BACKOFF:
        growing_ns = np.int64(SLEEP_MIN_NS) * (1 + (empty - YIELD_PASSES) // 16)
        longest_ns = np.int64(SLEEP_MAX_NS) if empty < LONG_PASSES else np.int64(LONG_SLEEP_NS)
        sleep_ns(min(growing_ns, longest_ns))
    else:
        doze(control, worker)


@kernel
def worker_loop(c, worker, mask, strategy, slice_ns):  # type: ignore[no-untyped-def]
    """Poll the stages in ``mask`` until told to stop or ``slice_ns`` is over; return why it ended."""
    control = c.control
    block = CW_WORKER_BLOCKS + worker * WORKER_WORDS
    now_ns = clock_ns()
    end_ns = now_ns + slice_ns
    housekeeping_ns = now_ns
    partitions = np.int64(c.partitions.total) if mask >= STAGE_PARTITIONS else np.int64(0)
    empty = np.int64(0)
    passes = np.int64(0)
    busy = np.int64(0)
    while True:
        progress = np.int64(0)
        if mask & STAGE_INGEST != 0:
            p = c.ingress
            progress += ingest_step(
                c.in_words,
                c.in_slot_words,
                p.words,
                p.ports,
                p.port_words,
                p.slots_word,
                p.port_slots,
                c.partitions,
                control,
                c.ingest_words,
                STEP_BUDGET,
            )
        if mask & STAGE_JOURNAL != 0:
            encoded = journal_step(c.in_words, c.in_slot_words, c.blocks, c.codec, c.spans, c.journal_words)
            if encoded < 0:
                return encoded
            progress += encoded
            if passes & (COMMIT_YIELD - 1) == 0 and is_committing(c.journal_words):
                yield_cpu()  # the thread that writes shares this core, and the disk may have woken it
        if mask & STAGE_RISK != 0:
            judged = risk_step(
                c.in_words, c.in_slots, c.verdicts, c.out_words, c.out_slots, c.risk, STEP_BUDGET
            )
            if judged < 0:
                return np.int64(FEEDBACK_OVERFLOW)
            progress += judged
        if mask & STAGE_MATCHING != 0:
            progress += matching_step(
                c.in_words,
                c.in_slots,
                c.verdicts,
                c.out_words,
                c.in_words,
                c.partitions.books[0],
                STEP_BUDGET,
            )
        for partition in range(partitions):
            if mask & (STAGE_PARTITIONS << partition) != 0:
                progress += run_partition(
                    c.in_words, c.in_slots, c.verdicts, c.partitions, partition, STEP_BUDGET
                )
        if mask & STAGE_MERGE != 0:
            progress += merge_step(
                c.in_words, c.in_slots, c.verdicts, c.out_words, c.out_slot_words, c.partitions, STEP_BUDGET
            )
        if mask & STAGE_PUBLISH != 0:
            p = c.egress
            progress += publish_step(
                c.in_words,
                c.out_words,
                c.out_slots,
                c.out_slot_words,
                p.words,
                p.ports,
                p.port_words,
                p.slots_word,
                p.port_slots,
                c.routes,
                control,
                c.publish_words,
                STEP_BUDGET,
            )
        passes += 1
        if progress != 0:
            busy += 1
            empty = np.int64(0)
            if strategy == WAIT_BLOCKING:
                wake_up(control, worker)
                ring_bells(control, worker)
        else:
            rest_worker(control, worker, strategy, empty)
            empty += 1
        if passes & 31 == 0 or empty > SPIN_PASSES:
            now_ns = clock_ns()
            if now_ns - housekeeping_ns >= HOUSEKEEPING_NS:
                housekeeping_ns = now_ns
                store_release(control, block + WW_HEARTBEAT, now_ns)
                control[block + WW_LOOPS] += passes
                control[block + WW_BUSY] += busy
                passes = np.int64(0)
                busy = np.int64(0)
                if mask & (STAGE_MATCHING | STAGE_MERGE) != 0:
                    if mask & STAGE_MERGE != 0:
                        count_open(c.partitions)
                    for word in range(MW_COUNTED):
                        control[CW_COUNTERS + word] = c.partitions.merged.words[word]
                if mask & STAGE_RISK != 0:
                    for word in range(RISK_WORDS):
                        control[CW_COUNTERS + CO_RISK + word] = c.risk.words[word]
                # pairs with the supervisor's store of the stop word
                if load_acquire(control, CW_STOP) == 2:
                    return np.int64(STOPPED)
                # pairs with the supervisor's store when it asks for digests
                if now_ns >= end_ns or load_acquire(control, CW_DIGEST_SEQ) != control[block + WW_DIGEST_SEQ]:
                    return np.int64(SLICE_OVER)
