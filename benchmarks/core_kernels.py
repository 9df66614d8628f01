"""Compiled loops of the benchmarks of risk and matching: drivers, the reader on the other core, reference runs.

The input ring of a benchmark is so large that all commands lie in it from the beginning, with their verdicts
where matching runs alone. The output ring has the size that it has in the pipeline.

A reader or driver whose peer is silent for ``STUCK_NS`` gives up with ``STUCK``.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from ringbuffer.atomics import load_acquire, store_release
from ringbuffer.kernel import inlined, kernel
from ringbuffer.native import clock_ns
from ringbuffer.wait import REST_NS, rest
from stages.matching import matching_step
from stages.risk import risk_step
from stages.topology import CUR_INPUT_MATCHING, CUR_OUTPUT_PUBLISH, CUR_WRITER

__all__ = [
    "BUDGET",
    "OUT_OF_ORDER",
    "STUCK",
    "await_reader",
    "drive_core",
    "drive_matching",
    "drive_risk",
    "read_outcomes",
]

BUDGET: Final = 256  # commands a step, as the worker's loop has it
STUCK: Final = -1
OUT_OF_ORDER: Final = -2
OVERFLOWED: Final = -3
STUCK_NS: Final = 30_000_000_000
CLOCK_EVERY: Final = 1 << 10
WORD_INDEX: Final = 13  # of an outcome: index, reason, session
LOW_32: Final = 0xFFFFFFFF

# Totals of whoever reads outcomes.
T_OUTCOMES: Final = 0
T_SUM: Final = 1
T_BATCHES: Final = 2
T_END_NS: Final = 3
T_LAST_SEQ: Final = 4
T_LAST_INDEX: Final = 5
T_DISORDER: Final = 6
TOTALS: Final = 8


@inlined
def _read(slots, row, totals):  # type: ignore[no-untyped-def]
    """Take one outcome: its determined words into the sum, its place into the check of the order."""
    total = np.int64(0)
    for word in range(15):
        total += slots[row, word]
    totals[T_SUM] += total
    seq = slots[row, 0]
    index = slots[row, WORD_INDEX] & LOW_32
    expected = totals[T_LAST_INDEX] + 1 if seq == totals[T_LAST_SEQ] else np.int64(0)
    if index != expected or seq < totals[T_LAST_SEQ]:
        totals[T_DISORDER] += 1
    totals[T_LAST_SEQ] = seq
    totals[T_LAST_INDEX] = index
    totals[T_OUTCOMES] += 1


@kernel
def read_outcomes(out_words, slots, wanted, totals):  # type: ignore[no-untyped-def]
    """Be the reader of an output ring until ``wanted`` outcomes are read; return how many, or STUCK."""
    mask = np.int64(slots.shape[0] - 1)
    start_ns = clock_ns()
    cursor = np.int64(0)
    looks = np.int64(0)
    while cursor < wanted:
        # pairs with matching's store_release of the output cursor
        published = load_acquire(out_words, CUR_WRITER)
        if published == cursor:
            rest(REST_NS)
            looks += 1
            if looks & (CLOCK_EVERY - 1) == 0 and clock_ns() - start_ns > STUCK_NS:
                return np.int64(STUCK)
            continue
        for seq in range(cursor + 1, published + 1):
            _read(slots, seq & mask, totals)
        cursor = published
        totals[T_BATCHES] += 1
        # pairs with matching's load_acquire when it looks for room
        store_release(out_words, CUR_OUTPUT_PUBLISH, cursor)
    totals[T_END_NS] = clock_ns()
    return cursor


@kernel
def drive_matching(in_words, in_slots, verdicts, out_words, out_slot_words, books, last_seq):  # type: ignore[no-untyped-def]
    """Match all commands up to ``last_seq``, whose verdicts are there; return when it began, or STUCK."""
    start_ns = clock_ns()
    looks = np.int64(0)
    while load_acquire(in_words, CUR_INPUT_MATCHING) < last_seq:
        if matching_step(in_words, in_slots, verdicts, out_words, in_words, books, BUDGET) == 0:
            looks += 1
            if looks & (CLOCK_EVERY - 1) == 0 and clock_ns() - start_ns > STUCK_NS:
                return np.int64(STUCK)
    return start_ns


@kernel
def await_reader(out_words):  # type: ignore[no-untyped-def]
    """Wait until the reader has read all that is in the output ring; return its cursor, or STUCK."""
    start_ns = clock_ns()
    wanted = load_acquire(out_words, CUR_WRITER)
    # pairs with the reader's store_release of its cursor
    while load_acquire(out_words, CUR_OUTPUT_PUBLISH) < wanted:
        rest(REST_NS)
        if clock_ns() - start_ns > STUCK_NS:
            return np.int64(STUCK)
    return wanted


@kernel
def drive_core(  # type: ignore[no-untyped-def]
    in_words,
    in_slots,
    verdicts,
    out_words,
    out_slots,
    out_slot_words,
    risk,
    books,
    last_seq,
    kept,
    spent_ns,
    totals,
):
    """Run risk and matching in turn up to ``last_seq``; return outcomes, or OVERFLOWED.

    Outcomes go to ``kept`` (if it has rows) and into ``totals``; the nanoseconds of each stage to ``spent_ns``.
    """
    mask = np.int64(out_slot_words.shape[0] - 1)
    cursor = np.int64(0)
    while load_acquire(in_words, CUR_INPUT_MATCHING) < last_seq:
        start_ns = clock_ns()
        if risk_step(in_words, in_slots, verdicts, out_words, out_slots, risk, BUDGET) < 0:
            return np.int64(OVERFLOWED)
        between_ns = clock_ns()
        matching_step(in_words, in_slots, verdicts, out_words, in_words, books, BUDGET)
        spent_ns[0] += between_ns - start_ns
        spent_ns[1] += clock_ns() - between_ns
        published = load_acquire(out_words, CUR_WRITER)
        for seq in range(cursor + 1, published + 1):
            _read(out_slot_words, seq & mask, totals)
            if seq <= kept.shape[0]:
                for word in range(16):
                    kept[seq - 1, word] = out_slot_words[seq & mask, word]
        cursor = published
        store_release(out_words, CUR_OUTPUT_PUBLISH, cursor)
    return cursor


@kernel
def drive_risk(  # type: ignore[no-untyped-def]
    in_words, in_slots, verdicts, out_words, out_slots, out_slot_words, risk, kept, ends, first_seq, last_seq
):
    """Judge all commands with recorded outcomes; return the nanoseconds inside risk alone after ``first_seq``.

    ``ends[seq]`` counts the outcomes of the inputs up to ``seq``. Putting them into the output ring, which
    matching would have done, is not counted.
    """
    mask = np.int64(out_slot_words.shape[0] - 1)
    spent_ns = np.int64(0)
    published = ends[0]  # 0
    seq = ends[0]
    while seq < last_seq:
        stop = first_seq if seq < first_seq else min(seq + BUDGET, last_seq)
        stop = min(stop, seq + BUDGET)
        while published < ends[stop]:
            published += 1
            for word in range(16):
                out_slot_words[published & mask, word] = kept[published - 1, word]
        store_release(out_words, CUR_WRITER, published)
        store_release(in_words, CUR_INPUT_MATCHING, stop)
        store_release(in_words, CUR_WRITER, stop)
        start_ns = clock_ns()
        if risk_step(in_words, in_slots, verdicts, out_words, out_slots, risk, BUDGET) < 0:
            return np.int64(OVERFLOWED)
        if seq >= first_seq:
            spent_ns += clock_ns() - start_ns
        seq = stop
    return spent_ns
