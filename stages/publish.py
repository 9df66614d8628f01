"""The publish stage: the only way out. Releases outcomes that are durable and routes them to their sessions.

What is public (market data, :mod:`stages.book_feed`) goes to every port that subscribes to its instrument, and to no
other; it is skipped at the price of one comparison where nobody does.

An outcome leaves when its input is durable and wholly matched: ``input_seq <= min(durable_seq, matching
cursor)``. It goes into the egress ring of the port that opened its session. A gateway that does not read is cut
off when its ring is full: the port's state becomes CUT, the gateway sees it, and the pipeline does not wait. So is
one whose session another port has opened, or closed: it would hear of its orders no more, and wait for ever. (The
supervisor closes the sessions of a gateway that died; a successor may have opened them just before.)

Writes: egress rings, its cursor on the output ring, port states, the latency histogram. Latency is taken
from the scheduled send time that the sender put into the command to the release of its answer, the one outcome with
flag ANSWER: what expired before it comes first and belongs to others.
"""

from __future__ import annotations

import numpy as np

from protocols.codes import (
    KIND_SESSION_CLOSE,
    KIND_SESSION_OPEN,
    OUT_ACCEPTED,
    OUT_STATE_CHANGED,
    OUTFLAG_ANSWER,
)
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
    CW_FEED_EPOCH,
    CW_LATENCY,
    CW_PORT_BLOCKS,
    FEED_ALL,
    LATENCY_BUCKETS,
    MOST_FEED_IDS,
    PORT_WORDS,
    PW_DROPPED,
    PW_FEED,
    PW_FEED_IDS,
    PW_SENT,
    PW_STATE,
)
from stages.topology import CUR_INPUT_MATCHING, CUR_OUTPUT_PUBLISH, CUR_PORT_READER, CUR_WRITER

# Words of the stage's private state; per port the position and the cached reader cursor follow
UW_CURSOR = 0
UW_FEED_EPOCH = 1
UW_SUBSCRIBERS = 2  # a bit for each port that subscribed when the epoch was this
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
    """Cut off the port that a session had when another one opens it, or closes it."""
    old = routes[session] - np.int64(1)
    state_word = CW_PORT_BLOCKS + old * PORT_WORDS + PW_STATE
    if old > 0 and old != port and load_acquire(control, state_word) == PORT_OPEN:
        # what is in the ring stays readable
        store_release(egress, old * port_words + CUR_WRITER, w[UW_PORTS + 2 * old])
        store_release(control, state_word, PORT_CUT)
        control[CW_COUNTERS + CO_CUT_OFF] += 1


@kernel
def note_subscribers(control, port_count, w):  # type: ignore[no-untyped-def]
    """Find out which ports subscribe to market data."""
    # pairs with the gateway's compare-exchange after it stored its subscription
    w[UW_FEED_EPOCH] = load_acquire(control, CW_FEED_EPOCH)
    subscribers = np.int64(0)
    for port in range(port_count):
        if control[CW_PORT_BLOCKS + port * PORT_WORDS + PW_FEED] != 0:
            subscribers |= np.int64(1) << port
    w[UW_SUBSCRIBERS] = subscribers
    return 0


@kernel
def wants(control, port, instrument):  # type: ignore[no-untyped-def]
    """Tell whether a port subscribes to an instrument."""
    block = CW_PORT_BLOCKS + port * PORT_WORDS
    count = control[block + PW_FEED]
    if count == FEED_ALL:
        return True
    for place in range(min(count, np.int64(MOST_FEED_IDS))):
        if control[block + PW_FEED_IDS + place] == instrument:
            return True
    return False


@kernel
def send_to_port(control, egress, port, port_words, slots_word, port_slots, out_slot_words, slot, w):  # type: ignore[no-untyped-def]
    """Put an outcome into the ring of an open port, or cut it off if that is full; return its bit if it was put."""
    base = port * port_words
    block = CW_PORT_BLOCKS + port * PORT_WORDS
    # the gateway starts a port with both cursors where the last one left them
    position = w[UW_PORTS + 2 * port]
    if position - w[UW_PORTS + 2 * port + 1] >= port_slots:
        # pairs with the gateway's store_release of its reader cursor
        w[UW_PORTS + 2 * port + 1] = load_acquire(egress, base + CUR_PORT_READER)
    if position - w[UW_PORTS + 2 * port + 1] >= port_slots:
        # what is in the ring stays readable; then the gateway finds itself cut off
        store_release(egress, base + CUR_WRITER, position)
        store_release(control, block + PW_STATE, PORT_CUT)
        control[CW_COUNTERS + CO_CUT_OFF] += 1
        control[block + PW_DROPPED] += 1
        return np.int64(0)
    position += 1
    target = base + slots_word + (position & (port_slots - 1)) * 16
    for word in range(16):
        egress[target + word] = out_slot_words[slot, word]
    w[UW_PORTS + 2 * port] = position
    control[block + PW_SENT] += 1
    return np.int64(1) << port


@kernel
def send_to_subscribers(  # type: ignore[no-untyped-def]
    control, egress, port_count, port_words, slots_word, port_slots, out_slot_words, slot, instrument, w
):
    """Put a public outcome into the rings of all ports that subscribe to its instrument; return their bits."""
    touched = np.int64(0)
    for port in range(port_count):
        # pairs with the gateway's store_release when it takes the port: its subscription is none or its own
        is_open = load_acquire(control, CW_PORT_BLOCKS + port * PORT_WORDS + PW_STATE) == PORT_OPEN
        if is_open and (w[UW_SUBSCRIBERS] >> port) & 1 != 0 and wants(control, np.int64(port), instrument):
            touched |= send_to_port(
                control, egress, np.int64(port), port_words, slots_word, port_slots, out_slot_words, slot, w
            )
    return touched


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
    # pairs with the gateway's compare-exchange; read after the output cursor, so that a request that follows a
    # subscription finds it here
    if cursor < stop and load_acquire(control, CW_FEED_EPOCH) != w[UW_FEED_EPOCH]:
        note_subscribers(control, port_count, w)
    now_ns = clock_ns()
    touched = np.int64(0)
    while cursor < stop:
        slot = (cursor + 1) & mask
        out = out_slots[slot]
        if out.input_seq > limit_seq:
            break
        if cursor != first and (cursor - first) & (RELEASE_EVERY - 1) == 0:
            now_ns = clock_ns()
        if out.type >= OUT_STATE_CHANGED and out.session == 0:
            if w[UW_SUBSCRIBERS] != 0:
                touched |= send_to_subscribers(
                    control, egress, port_count, port_words, slots_word, port_slots, out_slot_words, slot,
                    np.int64(out.instrument), w,
                )  # fmt: skip
            cursor += 1
            continue
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
            touched |= send_to_port(
                control, egress, port, port_words, slots_word, port_slots, out_slot_words, slot, w
            )
        if out.kind == KIND_SESSION_CLOSE and out.type == OUT_ACCEPTED:
            cut_displaced(control, egress, port_words, routes, w, np.int64(out.session), np.int64(out.orig0))
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
