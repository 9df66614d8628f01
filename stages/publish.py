"""The publish stage: the only way out. Releases outcomes that are durable and routes them to their sessions.

An outcome leaves when its input is durable and wholly matched: ``input_seq <= min(durable_seq, matching
cursor)``. It goes into the egress ring of the port that opened its session. A gateway that does not read is cut
off when its ring is full: the port's state becomes CUT, the gateway sees it, and the pipeline does not wait. So is
one whose session another gateway has opened: it would hear of its orders no more, and wait for ever.

Writes: egress rings, its cursor on the output ring, port states, the latency histogram. Latency is taken
from the scheduled send time that the sender put into the command to the release of its answer, the one outcome with
flag ANSWER: what expired before it comes first and belongs to others.
"""

from __future__ import annotations

import numpy as np

from protocols.codes import KIND_SESSION_CLOSE, KIND_SESSION_OPEN, OUT_ACCEPTED, OUTFLAG_ANSWER
from ringbuffer.atomics import load_acquire, store_release
from ringbuffer.kernel import inlined, kernel
from ringbuffer.native import clock_ns
from stages.control import (
    CO_ACKED,
    CO_CUT_OFF,
    CO_RELEASED,
    CO_UNROUTED,
    CW_COUNTERS,
    CW_DURABLE,
    CW_LATENCY,
    CW_PORT_BLOCKS,
    LATENCY_BUCKETS,
    PORT_WORDS,
    PW_DROPPED,
    PW_SENT,
    PW_STATE,
)
from stages.topology import CUR_INPUT_MATCHING, CUR_OUTPUT_PUBLISH, CUR_PORT_READER, CUR_WRITER

# Words of the stage's private state; per port the position and the cached reader cursor follow
UW_CURSOR = 0
UW_PORTS = 16
PUBLISH_WORDS = 128

PORT_OPEN = 1
PORT_CUT = 2
RELEASE_EVERY = 32  # outcomes between two looks at the clock and stores of the cursors


@inlined
def latency_bucket(latency_ns):  # type: ignore[no-untyped-def]
    """Return the histogram bucket of a latency; the inverse of control.bucket_floor_ns."""
    value = max(np.int64(latency_ns), np.int64(0))
    octave = np.int64(0)
    while value >= 64:
        value >>= 1
        octave += 1
    if value >= 32:
        return min(((octave + 1) << 5) + (value - 32), np.int64(LATENCY_BUCKETS - 1))
    return value


@inlined
def route_outcome(out, routes, port_count):  # type: ignore[no-untyped-def]
    """Return the port of an outcome, -1 for none; opening a session sets its route."""
    session = np.int64(out.session)
    kind = np.int64(out.kind)
    if kind == KIND_SESSION_OPEN and out.flags & OUTFLAG_ANSWER != 0:
        port = np.int64(out.orig0)
        if port < 0 or port >= port_count:
            return np.int64(-1)
        if out.type == OUT_ACCEPTED:
            routes[session] = port + 1
        return port
    if session == 0:
        return np.int64(0)
    if session >= routes.shape[0]:
        return np.int64(-1)
    return np.int64(routes[session]) - 1


@inlined
def cut_displaced(control, egress, port_words, routes, w, session, port):  # type: ignore[no-untyped-def]
    """Cut off the port that a session had when another one opens it."""
    old = routes[session] - np.int64(1)
    state_word = CW_PORT_BLOCKS + old * PORT_WORDS + PW_STATE
    if old > 0 and old != port and load_acquire(control, state_word) == PORT_OPEN:
        # what is in the ring stays readable
        store_release(egress, old * port_words + CUR_WRITER, w[UW_PORTS + 2 * old])
        store_release(control, state_word, PORT_CUT)
        control[CW_COUNTERS + CO_CUT_OFF] += 1


@kernel
def publish_step(  # type: ignore[no-untyped-def]
    in_words,
    out_words,
    out_slots,
    out_slot_words,
    egress,
    port_count,
    port_words,
    slots_word,
    port_slots,
    routes,
    control,
    w,
    budget,
):
    """Release up to ``budget`` outcomes; return how many."""
    mask = np.int64(out_slots.shape[0] - 1)
    # pairs with the journal's store_release after its sync, and with matching's of its input cursor
    limit_seq = min(load_acquire(control, CW_DURABLE), load_acquire(in_words, CUR_INPUT_MATCHING))
    # pairs with matching's store_release of the output cursor
    published = load_acquire(out_words, CUR_WRITER)
    cursor = w[UW_CURSOR]
    first = cursor
    stop = min(published, cursor + budget)
    if published - cursor > mask and out_slots[(cursor + 1) & mask].input_seq == limit_seq + 1:
        # one input fills the ring: matching cannot end it before some of its outcomes have left
        limit_seq = min(load_acquire(control, CW_DURABLE), limit_seq + 1)
    now_ns = clock_ns()
    touched = np.int64(0)
    while cursor < stop:
        slot = (cursor + 1) & mask
        out = out_slots[slot]
        if out.input_seq > limit_seq:
            break
        if cursor != first and (cursor - first) & (RELEASE_EVERY - 1) == 0:
            now_ns = clock_ns()
        if out.flags & OUTFLAG_ANSWER != 0:
            control[CW_COUNTERS + CO_ACKED] += 1
            if out.sent_ns > 0:
                control[CW_LATENCY + latency_bucket(now_ns - np.int64(out.sent_ns))] += 1
        if out.kind == KIND_SESSION_OPEN and out.type == OUT_ACCEPTED:
            cut_displaced(control, egress, port_words, routes, w, np.int64(out.session), np.int64(out.orig0))
        port = route_outcome(out, routes, port_count)
        state_word = CW_PORT_BLOCKS + port * PORT_WORDS + PW_STATE
        if port < 0:
            control[CW_COUNTERS + CO_UNROUTED] += 1
        elif load_acquire(control, state_word) != PORT_OPEN:
            control[CW_PORT_BLOCKS + port * PORT_WORDS + PW_DROPPED] += 1
        else:
            base = port * port_words
            # the gateway starts a port with both cursors where the last one left them
            position = w[UW_PORTS + 2 * port]
            if position - w[UW_PORTS + 2 * port + 1] >= port_slots:
                # pairs with the gateway's store_release of its reader cursor
                w[UW_PORTS + 2 * port + 1] = load_acquire(egress, base + CUR_PORT_READER)
            if position - w[UW_PORTS + 2 * port + 1] >= port_slots:
                # what is in the ring stays readable; then the gateway finds itself cut off
                store_release(egress, base + CUR_WRITER, position)
                store_release(control, state_word, PORT_CUT)
                control[CW_COUNTERS + CO_CUT_OFF] += 1
                control[CW_PORT_BLOCKS + port * PORT_WORDS + PW_DROPPED] += 1
            else:
                position += 1
                target = base + slots_word + (position & (port_slots - 1)) * 16
                for word in range(16):
                    egress[target + word] = out_slot_words[slot, word]
                w[UW_PORTS + 2 * port] = position
                touched |= np.int64(1) << port
                control[CW_PORT_BLOCKS + port * PORT_WORDS + PW_SENT] += 1
        if out.kind == KIND_SESSION_CLOSE and out.type == OUT_ACCEPTED:
            routes[np.int64(out.session)] = 0
        cursor += 1
    if cursor != first:
        for port in range(port_count):
            if (touched >> port) & 1 != 0:
                # pairs with the gateway's load_acquire of the egress cursor
                store_release(egress, port * port_words + CUR_WRITER, w[UW_PORTS + 2 * port])
        control[CW_COUNTERS + CO_RELEASED] += cursor - first
        w[UW_CURSOR] = cursor
        # pairs with matching's load_acquire when it looks for room
        store_release(out_words, CUR_OUTPUT_PUBLISH, cursor)
    return cursor - first
