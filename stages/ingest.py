"""The ingest stage: the only sequencer. Merges the ports' ingress rings into the input ring.

Stamps each command with its sequence, a time that never goes back, and the feedback stamp ``seen_seq``, the
matching cursor as it was when the command was sequenced. The merge order and the stamps are what the journal
keeps: everything behind is a function of them. Now and then it sequences a CHECKPOINT with the outcome digest
that matching had at that cursor, so the journal carries its own proof. Orders with GTD expire by the time of the
commands that follow: where none comes for a while and one of them is due, a TICK is sequenced, so that journaled
time goes on. A venue without such orders has no TICKs.

Where the journal's disk is full, ingest marks NEW and REPLACE, which risk then rejects: what is left is for cancels.

Writes: input ring (cursor 0), the ports' reader cursors. Kinds that no gateway may send become INVALID,
which risk rejects. Port 0 is the supervisor's; only there a MASS_CANCEL may be of all sessions.
"""

from __future__ import annotations

import numpy as np

from protocols.codes import (
    FLAG_NO_SPACE,
    KIND_BOOK_REQUEST,
    KIND_CHECKPOINT,
    KIND_DAY_BEGIN,
    KIND_INVALID,
    KIND_KILL,
    KIND_MASS_CANCEL,
    KIND_NEW,
    KIND_REPLACE,
    KIND_SESSION_CLOSE,
    KIND_SESSION_OPEN,
    KIND_STATE,
    KIND_TICK,
    KIND_VENUE,
)
from ringbuffer.atomics import load_acquire, store_release
from ringbuffer.kernel import inlined, kernel
from ringbuffer.native import clock_ns
from stages.control import CO_CHECKPOINTS, CO_INVALID, CO_TICKS, CW_COUNTERS, CW_SPACE, CW_STOP, NO_SPACE
from stages.state_words import MW_TIMERS
from stages.timers import WHEN
from stages.topology import CUR_INPUT_JOURNAL, CUR_INPUT_MATCHING, CUR_PORT_READER, CUR_WRITER

# Words of the stage's private state; the positions of the ports follow at IW_PORTS
IW_SEQ = 0
IW_GATE = 1
IW_TIME = 2
IW_TIME_BASE = 3
IW_CHECKPOINT = 4
IW_CHECKPOINT_EVERY = 5
IW_FIRST_PORT = 6
IW_TICK_NS = 7  # without a command for so long, an expiry that is due gets a TICK; 0 for never
IW_PORTS = 16
INGEST_WORDS = 64

QUOTA = 64  # commands taken from one port before the next is looked at
KIND_SHIFT = 16
KIND_MASK = 0xFF << KIND_SHIFT
CHECKPOINT_WORD = KIND_CHECKPOINT << KIND_SHIFT
TICK_WORD = KIND_TICK << KIND_SHIFT
SESSION_MASK = 0xFFFF
NO_SPACE_BIT = np.int64(FLAG_NO_SPACE << 48)
WORD_KIND = 7
WORD_PORT = 11  # orig0 of a SESSION_OPEN
WORD_SENT = 15


@inlined
def is_allowed(kind, session, port):  # type: ignore[no-untyped-def]
    """Tell whether a port may send a kind; to cancel the orders of all sessions (0) is the venue's."""
    if KIND_NEW <= kind <= KIND_BOOK_REQUEST:
        return kind != KIND_MASS_CANCEL or session != 0 or port == 0
    if KIND_SESSION_OPEN <= kind <= KIND_KILL or (
        KIND_STATE <= kind <= KIND_DAY_BEGIN and kind != KIND_INVALID
    ):
        return True
    return port == 0 and (kind == KIND_VENUE or kind == KIND_CHECKPOINT or kind == KIND_TICK)


@inlined
def stamp(in_slot_words, mask, seq, time_ns, seen_seq):  # type: ignore[no-untyped-def]
    """Write what ingest decides into the slot of ``seq``."""
    slot = seq & mask
    in_slot_words[slot, 0] = seq
    in_slot_words[slot, 1] = time_ns
    in_slot_words[slot, 2] = seen_seq
    return slot


@inlined
def own_command(in_slot_words, mask, seq, time_ns, seen_seq, kind_word):  # type: ignore[no-untyped-def]
    """Write a command that ingest itself sequences: all zero but stamps and kind; return its slot."""
    slot = stamp(in_slot_words, mask, seq, time_ns, seen_seq)
    for word in range(3, 16):
        in_slot_words[slot, word] = 0
    in_slot_words[slot, WORD_KIND] = kind_word
    return slot


@inlined
def is_any_due(partitions, time_ns):  # type: ignore[no-untyped-def]
    """Tell whether a partition of matching has something that is due."""
    due = False
    for partition in range(partitions.total):
        books = partitions.books[partition]
        due |= books.words[MW_TIMERS] != 0 and books.timers[0, WHEN] <= time_ns
    return due


@inlined
def is_tick_due(w, partitions, seen_seq, time_ns):  # type: ignore[no-untyped-def]
    """Tell whether nothing came for a while, all is matched (so the heap of expiries is at rest), and one is due."""
    if w[IW_TICK_NS] == 0 or time_ns - w[IW_TIME] < w[IW_TICK_NS] or seen_seq != w[IW_SEQ]:
        return False
    return is_any_due(partitions, time_ns)


@kernel
def ingest_at(  # type: ignore[no-untyped-def]
    in_words,
    in_slot_words,
    ingress,
    port_count,
    port_words,
    slots_word,
    port_slots,
    partitions,
    control,
    w,
    now_ns,
    budget,
):
    """Sequence up to ``budget`` commands at ``now_ns`` of the monotonic clock; return how many.

    ``ingress`` are the int64 words of all ingress rings, ``port_words`` apart, slots from ``slots_word`` on.
    ``partitions`` are matching's: the digest of their outcomes goes into checkpoints, the next expiry calls for a TICK.
    """
    capacity = np.int64(in_slot_words.shape[0])
    mask = capacity - 1
    seq = w[IW_SEQ]
    first = seq
    # pairs with matching's store_release of its input cursor, which follows that of its outcomes
    seen_seq = load_acquire(in_words, CUR_INPUT_MATCHING)
    room = w[IW_GATE] + capacity - seq
    if room < budget:
        w[IW_GATE] = min(seen_seq, load_acquire(in_words, CUR_INPUT_JOURNAL))
        room = w[IW_GATE] + capacity - seq
    stop = seq + min(room, budget)
    time_ns = max(now_ns + w[IW_TIME_BASE], w[IW_TIME])
    # pairs with the supervisor's store of the stop word: draining takes no more from gateways, and what the supervisor
    # takes the last digest of must rest
    is_draining = load_acquire(control, CW_STOP) != 0
    if seen_seq - w[IW_CHECKPOINT] >= w[IW_CHECKPOINT_EVERY] and seq < stop and not is_draining:
        seq += 1
        slot = own_command(in_slot_words, mask, seq, time_ns, seen_seq, CHECKPOINT_WORD)
        in_slot_words[slot, 13] = seen_seq
        digests = partitions.merged.digests
        in_slot_words[slot, 14] = digests[seen_seq & (digests.shape[0] - 1)]
        w[IW_CHECKPOINT] = seen_seq
        control[CW_COUNTERS + CO_CHECKPOINTS] += 1
    ports = np.int64(1) if is_draining else np.int64(port_count)
    # pairs with the store of the thread that commits: the disk is full, and what is left is for cancels
    has_space = load_acquire(control, CW_SPACE) != NO_SPACE
    port_mask = port_slots - 1
    start_port = w[IW_FIRST_PORT]
    for turn in range(ports):
        port = (start_port + turn) % ports
        base = port * port_words
        taken = w[IW_PORTS + port]
        # pairs with the gateway's store_release of its ingress cursor
        offered = load_acquire(ingress, base + CUR_WRITER)
        count = min(min(offered - taken, np.int64(QUOTA)), stop - seq)
        if count <= 0:
            continue
        # after the port's cursor: whatever its client was told before it sent these, the stamp covers
        # pairs with matching's store_release of its input cursor
        seen_seq = load_acquire(in_words, CUR_INPUT_MATCHING)
        for _ in range(count):
            taken += 1
            seq += 1
            source = base + slots_word + (taken & port_mask) * 16
            slot = stamp(in_slot_words, mask, seq, time_ns, seen_seq)
            for word in range(3, 16):
                in_slot_words[slot, word] = ingress[source + word]
            in_slot_words[slot, WORD_KIND] &= ~NO_SPACE_BIT  # it is ingest's to set
            kind = (in_slot_words[slot, WORD_KIND] & KIND_MASK) >> KIND_SHIFT
            if not is_allowed(kind, in_slot_words[slot, WORD_KIND] & SESSION_MASK, port):
                in_slot_words[slot, WORD_KIND] = (in_slot_words[slot, WORD_KIND] & ~KIND_MASK) | (
                    KIND_INVALID << KIND_SHIFT
                )
                control[CW_COUNTERS + CO_INVALID] += 1
            elif kind == KIND_SESSION_OPEN or kind == KIND_SESSION_CLOSE:
                in_slot_words[slot, WORD_PORT] = port
            elif not has_space and (kind == KIND_NEW or kind == KIND_REPLACE):
                in_slot_words[slot, WORD_KIND] |= NO_SPACE_BIT
        w[IW_PORTS + port] = taken
        store_release(ingress, base + CUR_PORT_READER, taken)
    if seq == first and seq < stop and not is_draining and is_tick_due(w, partitions, seen_seq, time_ns):
        seq += 1
        own_command(in_slot_words, mask, seq, time_ns, seen_seq, np.int64(TICK_WORD))
        control[CW_COUNTERS + CO_TICKS] += 1
    if seq != first:
        w[IW_FIRST_PORT] = (start_port + 1) % ports
        w[IW_SEQ] = seq
        w[IW_TIME] = time_ns
        # pairs with load_acquire by journal and risk
        store_release(in_words, CUR_WRITER, seq)
    return seq - first


@inlined
def ingest_step(  # type: ignore[no-untyped-def]
    in_words,
    in_slot_words,
    ingress,
    port_count,
    port_words,
    slots_word,
    port_slots,
    partitions,
    control,
    w,
    budget,
):
    """Sequence up to ``budget`` commands now; return how many. The one place where a pipeline asks for the time."""
    return ingest_at(
        in_words,
        in_slot_words,
        ingress,
        port_count,
        port_words,
        slots_word,
        port_slots,
        partitions,
        control,
        w,
        clock_ns(),
        budget,
    )
