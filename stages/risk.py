"""The risk stage: pre-trade controls before matching, fills fed back behind it. Implements "Risk" of docs/rules.md.

A verdict is a pure function of the journal. Each command carries ``seen_seq``, the matching cursor that
ingest observed when it sequenced the command; risk applies the outcomes of exactly the inputs up to there,
then decides. Outcomes arrive earlier than they may be applied, so they are drained from the output ring into
the private queue ``feed`` at once: risk can never wedge matching. The queue cannot overflow: it holds
only outcomes that end or fill an order or answer a request in flight, and each fill ends an order, so twice
the orders plus the commands in flight bound it (:func:`stages.state.allocate_risk`).

Here stand the stage's step and who judges which kind; a NEW is judged in :mod:`stages.judge_new`, a REPLACE in
:mod:`stages.judge_replace`, other requests in :mod:`stages.judge_requests`, administration in
:mod:`stages.administration`; feedback is applied in :mod:`stages.ledger`. Each control is a module of its own.

Writes: verdicts, its cursors on the input and the output ring. All money is int64 millionths; sums stay
below 2**63 because limits are at most 2**60 ("Arithmetic" of docs/risk-controls.md).
"""

from __future__ import annotations

import numpy as np

from protocols.codes import (
    FLAG_NO_SPACE,
    KIND_BOOK_REQUEST,
    KIND_CANCEL,
    KIND_MASS_CANCEL,
    KIND_NEW,
    KIND_REDUCE,
    KIND_REPLACE,
    KIND_STATUS,
    REASON_JOURNAL_FULL,
    REASON_NONE,
)
from ringbuffer.atomics import load_acquire, store_release
from ringbuffer.kernel import inlined, kernel
from stages.addresses import address
from stages.administration import administer
from stages.judge_new import judge_new
from stages.judge_replace import judge_replace
from stages.judge_requests import judge_book_request, judge_cancel, judge_mass_cancel
from stages.ledger import apply_feed, drain_output
from stages.marks import sweep
from stages.risk_look_ahead import LOOK_AHEAD, MANY_IDS, look_ahead
from stages.state_words import RW_CL_IDS, RW_CURSOR, RW_SEEN
from stages.topology import CUR_INPUT_MATCHING, CUR_INPUT_RISK, CUR_WRITER

PUBLISH_EVERY = 16


@inlined
def judge(s, command, verdict):  # type: ignore[no-untyped-def]
    """Write the verdict on one command."""
    kind = np.int64(command.kind)
    verdict.order_id = 0
    verdict.session = command.session
    verdict.warning = 0
    if np.int64(command.flags) & FLAG_NO_SPACE != 0 and (kind == KIND_NEW or kind == KIND_REPLACE):
        reason = REASON_JOURNAL_FULL
    elif kind == KIND_NEW:
        reason = judge_new(s, command, verdict)
        if reason != REASON_NONE:
            verdict.order_id = 0
    elif kind == KIND_CANCEL or kind == KIND_REDUCE or kind == KIND_STATUS:
        reason = judge_cancel(s, command, verdict)
    elif kind == KIND_REPLACE:
        reason = judge_replace(s, command, verdict)
    elif kind == KIND_MASS_CANCEL:
        reason = judge_mass_cancel(s, command)
    elif kind == KIND_BOOK_REQUEST:
        reason = judge_book_request(s, command)
    else:
        reason = administer(s, command, verdict)
        if reason != REASON_NONE:
            verdict.order_id = 0
    verdict.reason = reason
    address(s, command, verdict)


@kernel
def risk_step(in_words, in_slots, verdicts, out_words, out_slots, s, budget):  # type: ignore[no-untyped-def]
    """Judge up to ``budget`` commands; return how much progress was made, -1 if the feedback overflowed."""
    mask = np.int64(in_slots.shape[0] - 1)
    # pairs with ingest's store_release of the input cursor; the stamps in those commands were taken before it
    available = load_acquire(in_words, CUR_WRITER)
    # then matching's input cursor, then the outcomes up to it: what a stamp names is in the queue
    matched = load_acquire(in_words, CUR_INPUT_MATCHING)
    progress = drain_output(s, out_words, out_slots)
    if progress < 0:
        return progress
    seq = s.words[RW_CURSOR]
    first = seq
    stop = min(available, seq + budget)
    while seq < stop:
        if (seq - first) & (LOOK_AHEAD - 1) == 0 and s.words[RW_CL_IDS] >= MANY_IDS:
            look_ahead(s, in_slots, verdicts, seq + 1, min(stop - seq, np.int64(LOOK_AHEAD)))
        slot = (seq + 1) & mask
        command = in_slots[slot]
        seen_seq = np.int64(command.seen_seq)
        if seen_seq > matched:
            break  # only in replay, where the same worker has yet to match that far
        if seen_seq > s.words[RW_SEEN]:
            apply_feed(s, seen_seq)
        sweep(s, seq + 1)
        judge(s, command, verdicts[slot])
        seq += 1
        if (seq - first) & (PUBLISH_EVERY - 1) == 0:
            store_release(in_words, CUR_INPUT_RISK, seq)
    if seq != first:
        s.words[RW_CURSOR] = seq
        progress += seq - first
        # pairs with matching's load_acquire: the verdicts are complete up to here
        store_release(in_words, CUR_INPUT_RISK, seq)
    return progress
