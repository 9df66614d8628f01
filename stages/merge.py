"""The merge behind several partitions of matching: outcomes of their lanes, brought into one order.

The order of the output ring is that of the inputs; within one input, what time brought to the partitions that the
command does not concern comes first, by partition, then the outcomes of the one that it belongs to. Of a command that
belongs to all of them the outcomes come by partition, and one answer behind those of the last, with the sum of what
they counted. So it is a function of the journal, whoever runs the partitions. Here, too, outcomes get their index,
trades their number within the command, and the running digest goes on.

An outcome is moved when it is there, also of a command that its partition has not ended: a command with more outcomes
than a lane holds wedges nothing. The cursor on the input ring, which is matching's for everybody else, moves when all
partitions are done with an input.

Writes: output ring (cursor 0), matching's cursor on the input ring, the readers' cursors of the lanes, ``Merged``.
Reads: lanes, verdicts.
"""

from __future__ import annotations

import numpy as np

from protocols.codes import KIND_CHECKPOINT, OUT_BOOK, OUT_FILLED, OUTFLAG_ANSWER, REASON_NONE
from protocols.layouts import SLOT_WORDS
from ringbuffer.atomics import load_acquire, store_release
from ringbuffer.kernel import inlined, kernel
from stages.emit import LOW_32, outcome_hash
from stages.hashing import fold
from stages.matching import check_checkpoint, matching_step
from stages.state import EVERY_PARTITION
from stages.state_words import (
    GW_COUNT,
    GW_HEAD,
    GW_LAST_TRADE,
    GW_MATCHED,
    GW_PLACE,
    GW_TAIL,
    GW_TRADES,
    MW_COMMANDS,
    MW_CURSOR,
    MW_DIGEST,
    MW_OPEN,
    MW_OUT_GATE,
    MW_OUT_INDEX,
    MW_OUT_NEXT,
    MW_REASON_COUNTS,
    MW_TRADES,
    MW_TYPE_COUNTS,
)
from stages.topology import (
    CUR_INPUT_MATCHING,
    CUR_INPUT_RISK,
    CUR_OUTPUT_PUBLISH,
    CUR_OUTPUT_RISK,
    CUR_WRITER,
)

__all__ = ["merge_step", "run_partitions"]

PUBLISH_EVERY = 16  # commands between two stores of the cursors
BYTE = 0xFF
WORD_CAUSE = 13  # index, reason, session
WORD_WHAT = 14  # type, side, flags, kind, trade_index
WORD_QTY = 4


@inlined
def turn_of(place, owner, count):  # type: ignore[no-untyped-def]
    """Return whose turn it is at a place of a command's order: its owner is last, all others rise."""
    if owner == EVERY_PARTITION or place < owner:
        return place
    return owner if place == count - 1 else place + 1


@inlined
def put_merged(m, lane_slots, partition, place, out_slots, row, counted):  # type: ignore[no-untyped-def]
    """Copy one outcome from a lane into the output ring, numbered anew, with ``counted`` added to its quantity."""
    words = m.words
    out = row & (out_slots.shape[0] - 1)
    for word in range(SLOT_WORDS):
        out_slots[out, word] = lane_slots[partition, place + word]
    index = words[MW_OUT_INDEX]
    words[MW_OUT_INDEX] = index + 1
    cause = (out_slots[out, WORD_CAUSE] & ~np.int64(LOW_32)) | (index & LOW_32)
    what = out_slots[out, WORD_WHAT]
    kind = what & BYTE
    trade = what >> 32
    if trade != 0 and (kind == OUT_FILLED or kind == OUT_BOOK):  # of others it is no trade's number
        words[GW_LAST_TRADE] = max(words[GW_LAST_TRADE], trade)
        what += words[GW_TRADES] << 32
    out_slots[out, WORD_CAUSE] = cause
    out_slots[out, WORD_WHAT] = what
    out_slots[out, WORD_QTY] += counted
    reason = (cause >> 32) & 0xFFFF
    words[MW_TYPE_COUNTS + kind] += 1
    if reason != REASON_NONE and kind != OUT_BOOK:
        words[MW_REASON_COUNTS + reason] += 1
    slot = out_slots[out]
    acc = outcome_hash(
        slot[0], slot[1], slot[2], slot[3], slot[4], slot[5], slot[6], slot[7], slot[8], slot[9], slot[10],
        slot[11], slot[12], slot[13], slot[14],
    )  # fmt: skip
    words[MW_DIGEST] = fold(words[MW_DIGEST], acc)


@inlined
def find_room(m, out_words, capacity):  # type: ignore[no-untyped-def]
    """Tell whether the output ring has room for one more outcome."""
    next_seq = m.words[MW_OUT_NEXT]
    if m.words[MW_OUT_GATE] + capacity <= next_seq:
        # pairs with store_release of the readers' cursors by risk and publish
        risk = load_acquire(out_words, CUR_OUTPUT_RISK)
        publish = load_acquire(out_words, CUR_OUTPUT_PUBLISH)
        m.words[MW_OUT_GATE] = min(risk, publish)
    return m.words[MW_OUT_GATE] + capacity > next_seq


@kernel
def move_turn(seq, partition, owner, is_last, p, out_words, out_slot_words):  # type: ignore[no-untyped-def]
    """Move what a partition has told of input ``seq``; tell whether that is all it will tell."""
    m = p.merged
    words = m.words
    capacity = np.int64(out_slot_words.shape[0])
    lane_mask = np.int64(p.lane_slots.shape[1] - 1)
    if words[GW_MATCHED + partition] < seq:
        lane = p.lane_words[partition]
        # pairs with matching's store_release of its cursor, which follows that of the lane's: outcomes are there
        words[GW_MATCHED + partition] = load_acquire(lane, CUR_INPUT_MATCHING)
        words[GW_TAIL + partition] = load_acquire(lane, CUR_WRITER)  # pairs with matching's store_release
    head = words[GW_HEAD + partition]
    tail = words[GW_TAIL + partition]
    while head < tail:
        place = (head + 1) * SLOT_WORDS & lane_mask
        if p.lane_slots[partition, place] != seq:
            break
        what = p.lane_slots[partition, place + WORD_WHAT]
        counted = np.int64(0)
        if owner == EVERY_PARTITION and (what >> 16) & OUTFLAG_ANSWER != 0:
            if not is_last:
                words[GW_COUNT] += p.lane_slots[partition, place + WORD_QTY]
                head += 1
                continue
            counted = words[GW_COUNT]
        if not find_room(m, out_words, capacity):
            words[GW_HEAD + partition] = head
            return False
        words[MW_OUT_NEXT] += 1
        put_merged(m, p.lane_slots, partition, place, out_slot_words, words[MW_OUT_NEXT], counted)
        head += 1
    words[GW_HEAD + partition] = head
    return words[GW_MATCHED + partition] >= seq


@inlined
def show_progress(p, in_words, out_words):  # type: ignore[no-untyped-def]
    """Store all cursors: lanes have room again, outcomes are there, then the input is matched."""
    words = p.merged.words
    for partition in range(p.total):
        lane = p.lane_words[partition]
        # nobody but the merge reads a lane; pairs with matching's load_acquire when it looks for room
        store_release(lane, CUR_OUTPUT_RISK, words[GW_HEAD + partition])
        store_release(lane, CUR_OUTPUT_PUBLISH, words[GW_HEAD + partition])
    # pairs with the load_acquire of risk and publish; outcomes first, the input cursor after them
    store_release(out_words, CUR_WRITER, words[MW_OUT_NEXT])
    store_release(in_words, CUR_INPUT_MATCHING, words[MW_CURSOR])


@kernel
def merge_step(in_words, in_slots, verdicts, out_words, out_slot_words, p, budget):  # type: ignore[no-untyped-def]
    """Merge the outcomes of up to ``budget`` inputs; return how much progress was made."""
    m = p.merged
    words = m.words
    mask = np.int64(in_slots.shape[0] - 1)
    digest_mask = np.int64(m.digests.shape[0] - 1)
    # pairs with risk's store_release of its cursor: its verdicts are complete up to there
    judged = load_acquire(in_words, CUR_INPUT_RISK)
    first = words[MW_CURSOR]
    before = words[MW_OUT_NEXT]
    seq = first
    stop = min(judged, seq + budget)
    while seq < stop:
        slot = (seq + 1) & mask
        owner = np.int64(verdicts[slot].partition)
        place = words[GW_PLACE]
        while place < p.total:
            is_last = place == p.total - 1
            partition = np.int64(turn_of(place, owner, p.total))
            if not move_turn(seq + 1, partition, owner, is_last, p, out_words, out_slot_words):
                break
            words[GW_TRADES] += words[GW_LAST_TRADE]
            words[GW_LAST_TRADE] = 0
            place += 1
        words[GW_PLACE] = place
        if place < p.total:
            break
        words[MW_TRADES] += words[GW_TRADES]
        words[GW_PLACE] = 0
        words[GW_TRADES] = 0
        words[GW_COUNT] = 0
        words[MW_OUT_INDEX] = 0
        seq += 1
        words[MW_CURSOR] = seq
        m.digests[seq & digest_mask] = words[MW_DIGEST]
        if in_slots[slot].kind == KIND_CHECKPOINT:
            check_checkpoint(m, in_slots[slot])
        if (seq - first) & (PUBLISH_EVERY - 1) == 0:
            show_progress(p, in_words, out_words)
    progress = seq - first + words[MW_OUT_NEXT] - before
    if progress != 0:
        words[MW_COMMANDS] += seq - first
        show_progress(p, in_words, out_words)
    return progress


@inlined
def run_partition(in_words, in_slots, verdicts, p, partition, budget):  # type: ignore[no-untyped-def]
    """Let one of several partitions match up to ``budget`` commands into its lane; return the progress."""
    lane = p.lane_words[partition]
    return matching_step(in_words, in_slots, verdicts, lane, lane, p.books[partition], budget)


@kernel
def run_partitions(in_words, in_slots, verdicts, out_words, out_slot_words, p, budget):  # type: ignore[no-untyped-def]
    """Run all partitions in one thread, and the merge behind them; return how much progress was made."""
    if p.total == 1:
        return matching_step(in_words, in_slots, verdicts, out_words, in_words, p.books[0], budget)
    progress = np.int64(0)
    for partition in range(p.total):
        progress += run_partition(in_words, in_slots, verdicts, p, partition, budget)
    return progress + merge_step(in_words, in_slots, verdicts, out_words, out_slot_words, p, budget)


@inlined
def count_open(p):  # type: ignore[no-untyped-def]
    """Add up the open orders of all partitions."""
    total = np.int64(0)
    for partition in range(p.total):
        total += p.books[partition].words[MW_OPEN]
    p.merged.words[MW_OPEN] = total
