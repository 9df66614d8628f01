"""The pump: a gateway's compiled loop that sends commands at their scheduled times and takes outcomes.

It keeps at most ``window`` commands unanswered, so that the egress ring always has room for what comes back
and the session is never cut off. Each command carries its *scheduled* send time: when the pipeline stalls,
the commands that could not be sent on time show the stall in their latency (no coordinated omission).
"""

from __future__ import annotations

from typing import Final

import numpy as np

from protocols.codes import (
    KIND_SESSION_OPEN,
    OUT_BOOK,
    OUT_COUNT,
    OUT_FILLED,
    OUTFLAG_ANSWER,
    REASON_COUNT,
    REASON_NONE,
)
from ringbuffer.atomics import load_acquire, pause, store_release
from ringbuffer.kernel import inlined, kernel
from ringbuffer.native import clock_ns, sleep_ns, yield_cpu
from stages.bells import NOBODY, ring_bells
from stages.control import (
    CW_PORT_BLOCKS,
    CW_STATE,
    LATENCY_BUCKETS,
    PORT_WORDS,
    PW_STATE,
)
from stages.publish import latency_bucket
from stages.topology import CUR_PORT_READER, CUR_WRITER

# Words of the pump's state
GW_SENT: Final = 0  # ingress sequence of the last command sent
GW_READ: Final = 1  # egress sequence of the last outcome taken
GW_COMMANDS: Final = 2  # commands sent
GW_ANSWERED: Final = 3  # commands answered (their outcome with flag ANSWER came)
GW_OUTCOMES: Final = 4
GW_GATE: Final = 5  # cached reader cursor of the ingress ring
GW_FILLS: Final = 6
GW_TYPES: Final = 8  # outcomes of orders by type
GW_REASONS: Final = 24  # by reason
GW_LATENCY: Final = 152
PUMP_WORDS: Final = GW_LATENCY + LATENCY_BUCKETS
TYPE_MASK: Final = 15
REASON_MASK: Final = 127
assert OUT_COUNT <= TYPE_MASK + 1 == GW_REASONS - GW_TYPES
assert REASON_COUNT <= REASON_MASK + 1 == GW_LATENCY - GW_REASONS

DONE: Final = 0  # all commands given are sent
OUT_FULL: Final = 1  # the buffer for outcomes is full
SLICE_OVER: Final = 2
CUT_OFF: Final = 3  # the port is no longer ours
NOT_RUNNING: Final = 4  # the pipeline drains, has stopped or failed

READY = 2
PORT_OPEN = 1
BATCH = 64
WORD_SESSION = 7
SESSION_MASK = 0xFFFF
WORD_SENT = 15
IDLE_SPINS = 32
IDLE_SLEEP_NS = 5_000


@inlined
def note_outcome(w, row, now_ns):  # type: ignore[no-untyped-def]
    """Count one outcome (its 16 words)."""
    reason = (row[13] >> 32) & 0xFFFF
    kind = row[14] & 0xFF
    if kind == OUT_BOOK:
        reason = np.int64(REASON_NONE)  # what stands there is an action
    cause = (row[14] >> 24) & 0xFF
    is_answer = (row[14] >> 16) & OUTFLAG_ANSWER != 0
    w[GW_OUTCOMES] += 1
    if (
        cause < KIND_SESSION_OPEN or not is_answer
    ):  # what else an administrative command causes is about orders
        w[GW_TYPES + (kind & TYPE_MASK)] += 1
        w[GW_REASONS + (reason & REASON_MASK)] += 1
        if kind == OUT_FILLED:
            w[GW_FILLS] += 1
    if is_answer:
        w[GW_ANSWERED] += 1
        if row[WORD_SENT] > 0:
            w[GW_LATENCY + latency_bucket(now_ns - row[WORD_SENT])] += 1


@kernel
def pump(  # type: ignore[no-untyped-def]
    control,
    port,
    ingress,
    ingress_slots,
    egress,
    egress_slots,
    commands,
    start,
    stop,
    due_ns,
    sessions,
    window,
    out,
    position,
    slice_ns,
    w,
):
    """Send ``commands[start:stop]`` (int64 rows) and append outcomes to ``out``; return (next row, position, why).

    ``due_ns`` holds scheduled send times (CLOCK_MONOTONIC), or is empty: send at once. ``sessions`` maps a
    command's session to the venue's id; empty: as it is. ``ingress`` and ``egress`` are the words of the
    port's rings, ``*_slots`` their slots as rows. With start = stop it only takes outcomes.
    """
    in_mask = np.int64(ingress_slots.shape[0] - 1)
    out_mask = np.int64(egress_slots.shape[0] - 1)
    state_word = CW_PORT_BLOCKS + port * PORT_WORDS + PW_STATE
    end_ns = clock_ns() + slice_ns
    idle = np.int64(0)
    row = np.int64(start)
    while True:
        progress = np.int64(0)
        now_ns = clock_ns()
        # pairs with publish's store_release of the egress cursor
        published = load_acquire(egress, CUR_WRITER)
        taken = w[GW_READ]
        last = min(published, taken + np.int64(out.shape[0]) - position)
        while taken < last:
            taken += 1
            source = egress_slots[taken & out_mask]
            for word in range(16):
                out[position, word] = source[word]
            note_outcome(w, source, now_ns)
            position += 1
            progress += 1
        if progress != 0:
            w[GW_READ] = taken
            # pairs with publish's load_acquire when it looks for room
            store_release(egress, CUR_PORT_READER, taken)
        if load_acquire(control, state_word) != PORT_OPEN and taken == load_acquire(egress, CUR_WRITER):
            return row, position, CUT_OFF
        if row < stop and load_acquire(control, CW_STATE) == READY:
            sent = w[GW_SENT]
            if sent - w[GW_GATE] + BATCH > in_mask:
                # pairs with ingest's store_release of its cursor on the port
                w[GW_GATE] = load_acquire(ingress, CUR_PORT_READER)
            count = min(np.int64(stop) - row, in_mask + 1 - (sent - w[GW_GATE]))
            count = min(min(count, window - (w[GW_COMMANDS] - w[GW_ANSWERED])), np.int64(BATCH))
            first = row
            while row - first < count:
                scheduled_ns = now_ns
                if due_ns.shape[0] != 0:
                    scheduled_ns = due_ns[row]
                    if scheduled_ns > now_ns:
                        break
                sent += 1
                target = ingress_slots[sent & in_mask]
                for word in range(15):
                    target[word] = commands[row, word]
                if sessions.shape[0] != 0:
                    local = commands[row, WORD_SESSION] & SESSION_MASK
                    target[WORD_SESSION] = (commands[row, WORD_SESSION] & ~SESSION_MASK) | sessions[local]
                target[WORD_SENT] = scheduled_ns
                row += 1
            if row != first:
                w[GW_SENT] = sent
                w[GW_COMMANDS] += row - first
                progress += row - first
                # pairs with ingest's load_acquire of the ingress cursor
                store_release(ingress, CUR_WRITER, sent)
                ring_bells(control, np.int64(NOBODY))
        if row >= stop and stop > start:
            return row, position, DONE
        if position >= out.shape[0]:
            return row, position, OUT_FULL
        if now_ns >= end_ns:
            return row, position, SLICE_OVER
        if load_acquire(control, CW_STATE) != READY and progress == 0:
            return row, position, NOT_RUNNING
        if progress != 0:
            idle = np.int64(0)
        else:
            idle += 1
            if idle < IDLE_SPINS:
                pause()
            elif row < stop and due_ns.shape[0] != 0 and due_ns[row] - now_ns < 2 * IDLE_SLEEP_NS:
                yield_cpu()
            else:
                sleep_ns(np.int64(IDLE_SLEEP_NS))
