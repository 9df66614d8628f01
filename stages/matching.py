"""The matching stage: commands and risk's verdicts in, outcomes out. Implements "Matching" of docs/rules.md.

The outcomes of a command are first collected in ``pending``, private memory that has room for the largest
sweep, and then flushed into the output ring as far as it has room; the next command begins when all of the
one before is in the ring. So a slow reader can stop matching between commands but never wedge it inside
one, on whatever worker its readers run. The flush also folds each outcome into the running digest.

Writes: output ring (cursor 0), its cursor on the input ring, ``digests``. Reads: input ring behind risk,
verdicts. The output cursor is stored before the input cursor: who sees an input as matched finds all its
outcomes (the feedback stamp rests on that).
"""

from __future__ import annotations

import numpy as np

from protocols.codes import (
    FLAG_BOOK_ONLY,
    KIND_ACCOUNT,
    KIND_CANCEL,
    KIND_CHECKPOINT,
    KIND_INSTRUMENT,
    KIND_KILL,
    KIND_LIMIT,
    KIND_NEW,
    KIND_REDUCE,
    KIND_REPLACE,
    KIND_SESSION_CLOSE,
    KIND_SESSION_OPEN,
    KIND_TICK,
    KIND_VENUE,
    OUT_ACCEPTED,
    OUT_CANCELLED,
    OUT_EXPIRED,
    OUT_REJECTED,
    OUT_REPLACED,
    OUTFLAG_NEW,
    OUTFLAG_RISK,
    REASON_CLIENT_REQUEST,
    REASON_FOK_NOT_FILLABLE,
    REASON_IOC_REMAINDER,
    REASON_NO_LIQUIDITY,
    REASON_NO_ROOM,
    REASON_NONE,
    REASON_ORDER_MISMATCH,
    REASON_QTY_BELOW_EXECUTED,
    REASON_TOO_LATE,
    REASON_UNKNOWN_ORDER,
    TIF_DAY,
    TIF_FOK,
    TIF_GTC,
    TYPE_DIRECTED,
    TYPE_LIMIT,
    TYPE_MARKET,
)
from ringbuffer.atomics import load_acquire, store_release
from ringbuffer.kernel import inlined, kernel
from stages.book import (
    best_level,
    dequeue,
    enqueue,
    forget_order,
    level_at,
    register_order,
    take_order_row,
)
from stages.emit import emit_command, emit_maker_fill, emit_request, emit_taker_fill
from stages.hashing import fold, id_find
from stages.ladder import LEAST_KEY, best_place, ladder_key, side_row, worse_place
from stages.look_ahead import look_ahead
from stages.state_words import (
    MW_CHECKPOINT_SEQ,
    MW_COMMANDS,
    MW_CURSOR,
    MW_DIGEST,
    MW_DIVERGED_SEQ,
    MW_LEVELS,
    MW_OPEN,
    MW_OUT_GATE,
    MW_OUT_NEXT,
    MW_PENDING_HEAD,
    MW_PENDING_SEQ,
    MW_PENDING_TAIL,
)
from stages.topology import (
    CUR_INPUT_MATCHING,
    CUR_INPUT_RISK,
    CUR_OUTPUT_PUBLISH,
    CUR_OUTPUT_RISK,
    CUR_WRITER,
)

PUBLISH_EVERY = 16  # commands between two stores of the cursors: fewer cache-line transfers, little delay
LOOK_AHEAD = 16  # commands; about as many cache misses as a core can have in flight
NO_ORDER = -1
SAFE_ORDERS = 7  # of at most 2**60 lots each: the sum of a level of more orders may have wrapped


@kernel
def sweep(  # type: ignore[no-untyped-def]
    s, command, order_id, side, account, instrument, session, limit_key, leaves, cum
):
    """Trade with the opposite side up to ``limit_key`` (a ladder key of the opposite side); return the leaves."""
    row = side_row(instrument, 3 - side)
    trade_index = 0
    while leaves > 0:
        level = best_level(s, row)
        if level < 0:
            break
        queue = s.levels[level]
        price = np.int64(queue.price_ticks)
        if ladder_key(row, price) < limit_key:
            break
        while leaves > 0:
            maker = np.int64(queue.head)
            record = s.orders[maker]
            open_lots = np.int64(record.leaves_lots)
            qty = min(leaves, open_lots)
            leaves -= qty
            cum += qty
            trade_index += 1
            emit_taker_fill(
                s,
                command,
                np.int64(order_id),
                np.int64(side),
                np.int64(account),
                np.int64(instrument),
                np.int64(session),
                price,
                qty,
                leaves,
                cum,
                np.int64(trade_index),
            )
            record.leaves_lots = open_lots - qty
            record.cum_lots += qty
            queue.qty_lots -= qty
            emit_maker_fill(s, command, maker, price, qty, np.int64(trade_index))
            if qty == open_lots:
                last = queue.order_count == 1
                dequeue(s, maker)
                forget_order(s, maker)
                if last:
                    break
    return leaves


@kernel
def fillable(s, side, instrument, limit_key, wanted):  # type: ignore[no-untyped-def]
    """Tell whether the opposite side offers ``wanted`` lots up to ``limit_key``."""
    row = side_row(instrument, 3 - side)
    offered = np.int64(0)
    place = best_place(s, row)
    while place >= 0:
        level = s.levels[level_at(s, place)]
        if ladder_key(row, level.price_ticks) < limit_key:
            break
        place = worse_place(s, place)
        if level.order_count <= SAFE_ORDERS:
            offered += np.int64(level.qty_lots)
        else:
            order = np.int64(level.head)
            while order >= 0 and offered < wanted:
                offered += np.int64(s.orders[order].leaves_lots)
                order = np.int64(s.orders[order].next)
        if offered >= wanted:
            return True
    return False


@kernel
def trade_directed(s, command, target, side, instrument, price, qty):  # type: ignore[no-untyped-def]
    """Trade with one named resting order only; return what is left of ``qty``."""
    record = s.orders[target]
    open_lots = np.int64(record.leaves_lots)
    traded = min(qty, open_lots)
    leaves = qty - traded
    emit_taker_fill(
        s,
        command,
        np.int64(command.seq),
        np.int64(side),
        np.int64(command.account),
        np.int64(instrument),
        np.int64(command.session),
        price,
        traded,
        leaves,
        traded,
        np.int64(1),
    )
    record.leaves_lots = open_lots - traded
    record.cum_lots += traded
    s.levels[np.int64(record.level)].qty_lots -= traded
    emit_maker_fill(s, command, target, price, traded, np.int64(1))
    if traded == open_lots:
        dequeue(s, target)
        forget_order(s, target)
    return leaves


@inlined
def worst_key(side, ord_type, price):  # type: ignore[no-untyped-def]
    """Return the ladder key of the opposite side that an order's limit still allows."""
    if ord_type == TYPE_MARKET:
        return LEAST_KEY
    return ladder_key(2 - side, price)


@kernel
def rest(s, command, leaves, cum):  # type: ignore[no-untyped-def]
    """Put what is left of a new order into the book."""
    order = take_order_row(s)
    record = s.orders[order]
    record.order_id = command.seq
    record.price_ticks = command.price_ticks
    record.leaves_lots = leaves
    record.cum_lots = cum
    record.account = command.account
    record.instrument = command.instrument
    record.session = command.session
    record.side = command.side
    record.tif = command.tif
    record.cl2 = command.cl2
    s.texts[order, 0] = command.cl0
    s.texts[order, 1] = command.cl1
    register_order(s, order)
    enqueue(s, order, side_row(command.instrument, command.side))
    return 0


@kernel
def match_new(s, command, target_id):  # type: ignore[no-untyped-def]
    """Process an accepted NEW."""
    ord_type = np.int64(command.ord_type)
    side = np.int64(command.side)
    tif = np.int64(command.tif)
    instrument = np.int64(command.instrument)
    qty = np.int64(command.qty_lots)
    price = np.int64(command.price_ticks)
    session = np.int64(command.session)
    order_id = np.int64(command.seq)
    may_rest = ord_type == TYPE_LIMIT and (tif == TIF_GTC or tif == TIF_DAY)
    target = np.int64(NO_ORDER)
    reason = REASON_NONE
    if may_rest and (s.words[MW_OPEN] >= s.orders.shape[0] or s.words[MW_LEVELS] >= s.levels.shape[0]):
        reason = REASON_NO_ROOM
    elif ord_type == TYPE_DIRECTED:
        target = id_find(s.order_map, s.order_keys, target_id)
        if target < 0:
            reason = REASON_UNKNOWN_ORDER
        else:
            named = s.orders[target]
            if np.int64(named.instrument) != instrument or np.int64(named.side) == side:
                reason = REASON_UNKNOWN_ORDER
    if reason != REASON_NONE:
        emit_command(
            s,
            command,
            np.int64(OUT_REJECTED),
            np.int64(reason),
            np.int64(OUTFLAG_NEW),
            session,
            order_id,
            price,
            qty,
            np.int64(0),
            np.int64(0),
        )
        return 0
    shown_price = np.int64(0) if ord_type == TYPE_MARKET else price
    emit_command(
        s,
        command,
        np.int64(OUT_ACCEPTED),
        np.int64(REASON_NONE),
        np.int64(0),
        session,
        order_id,
        shown_price,
        qty,
        np.int64(qty),
        np.int64(0),
    )
    limit_key = worst_key(side, np.int64(ord_type), price)
    leaves = qty
    if ord_type == TYPE_DIRECTED:
        leaves = trade_directed(s, command, target, side, instrument, price, qty)
    elif tif == TIF_FOK and not fillable(s, side, instrument, limit_key, qty):
        emit_command(
            s,
            command,
            np.int64(OUT_EXPIRED),
            np.int64(REASON_FOK_NOT_FILLABLE),
            np.int64(0),
            session,
            order_id,
            shown_price,
            qty,
            np.int64(0),
            np.int64(0),
        )
        return 0
    elif (np.int64(command.flags) & FLAG_BOOK_ONLY) == 0:
        leaves = sweep(
            s,
            command,
            order_id,
            side,
            np.int64(command.account),
            instrument,
            session,
            limit_key,
            qty,
            np.int64(0),
        )
    if leaves == 0:
        return 0
    if may_rest:
        rest(s, command, leaves, qty - leaves)
        return 0
    reason = REASON_NO_LIQUIDITY if ord_type == TYPE_MARKET else REASON_IOC_REMAINDER
    emit_command(
        s,
        command,
        np.int64(OUT_EXPIRED),
        np.int64(reason),
        np.int64(0),
        session,
        order_id,
        shown_price,
        leaves,
        np.int64(0),
        np.int64(qty - leaves),
    )
    return 0


@kernel
def match_request(s, command, target_id):  # type: ignore[no-untyped-def]
    """Process an accepted CANCEL, REDUCE or REPLACE."""
    kind = np.int64(command.kind)
    session = np.int64(command.session)
    qty = np.int64(command.qty_lots)
    price = np.int64(command.price_ticks)
    order = id_find(s.order_map, s.order_keys, target_id)
    if order < 0 or np.int64(s.orders[order].session) != session:
        reason = REASON_TOO_LATE if command.order_id == 0 else REASON_UNKNOWN_ORDER
        emit_command(
            s,
            command,
            np.int64(OUT_REJECTED),
            np.int64(reason),
            np.int64(0),
            session,
            target_id,
            price,
            qty,
            np.int64(0),
            np.int64(0),
        )
        return 0
    record = s.orders[order]
    leaves = np.int64(record.leaves_lots)
    cum = np.int64(record.cum_lots)
    side = np.int64(record.side)
    instrument = np.int64(record.instrument)
    resting_price = np.int64(record.price_ticks)
    same_price = price == resting_price
    reason = REASON_NONE
    if (command.instrument != 0 and command.instrument != instrument) or (
        command.side != 0 and command.side != side
    ):
        reason = REASON_ORDER_MISMATCH
    elif kind == KIND_REPLACE:
        if qty <= cum:
            reason = REASON_QTY_BELOW_EXECUTED
        elif not (same_price and qty - cum < leaves) and s.words[MW_LEVELS] >= s.levels.shape[0]:
            reason = REASON_NO_ROOM
    if reason != REASON_NONE:
        emit_command(
            s,
            command,
            np.int64(OUT_REJECTED),
            np.int64(reason),
            np.int64(0),
            session,
            target_id,
            price,
            qty,
            np.int64(leaves),
            np.int64(cum),
        )
        return 0
    if kind == KIND_CANCEL or (kind == KIND_REDUCE and qty >= leaves):
        emit_request(
            s,
            command,
            order,
            np.int64(OUT_CANCELLED),
            np.int64(REASON_CLIENT_REQUEST),
            resting_price,
            leaves,
            np.int64(0),
        )
        dequeue(s, order)
        forget_order(s, order)
        return 0
    if kind == KIND_REDUCE:
        record.leaves_lots = leaves - qty
        s.levels[np.int64(record.level)].qty_lots -= qty
        emit_request(
            s,
            command,
            order,
            np.int64(OUT_REPLACED),
            np.int64(REASON_NONE),
            resting_price,
            cum + leaves - qty,
            np.int64(leaves - qty),
        )
        return 0
    new_leaves = qty - cum
    emit_request(
        s, command, order, np.int64(OUT_REPLACED), np.int64(REASON_NONE), price, qty, np.int64(new_leaves)
    )
    if same_price and new_leaves < leaves:
        record.leaves_lots = new_leaves
        s.levels[np.int64(record.level)].qty_lots -= leaves - new_leaves
    else:
        dequeue(s, order)
        record.price_ticks = price
        new_leaves = sweep(
            s,
            command,
            target_id,
            side,
            np.int64(record.account),
            instrument,
            session,
            worst_key(side, np.int64(TYPE_LIMIT), price),
            new_leaves,
            cum,
        )
        record.leaves_lots = new_leaves
        record.cum_lots = qty - new_leaves
        if new_leaves == 0:
            forget_order(s, order)
            return 0
        enqueue(s, order, side_row(instrument, side))
    record.cl2 = command.cl2
    s.texts[order, 0] = command.cl0
    s.texts[order, 1] = command.cl1
    return 0


@inlined
def is_administrative(kind):  # type: ignore[no-untyped-def]
    """Tell whether a kind is answered by one outcome and touches no book."""
    return (
        kind == KIND_SESSION_OPEN
        or kind == KIND_SESSION_CLOSE
        or kind == KIND_INSTRUMENT
        or kind == KIND_ACCOUNT
        or kind == KIND_LIMIT
        or kind == KIND_KILL
    )


@inlined
def match_command(s, command, verdict):  # type: ignore[no-untyped-def]
    """Process one command, appending its outcomes to ``pending``."""
    kind = np.int64(command.kind)
    reason = np.int64(verdict.reason)
    if reason != REASON_NONE:
        flags = OUTFLAG_RISK | OUTFLAG_NEW if kind == KIND_NEW else OUTFLAG_RISK
        price = np.int64(command.price_ticks)
        qty = np.int64(command.qty_lots)
        if is_administrative(kind):
            price = np.int64(0)
            qty = np.int64(0)
        emit_command(
            s,
            command,
            np.int64(OUT_REJECTED),
            np.int64(reason),
            np.int64(flags),
            np.int64(verdict.session),
            np.int64(verdict.order_id),
            price,
            qty,
            np.int64(0),
            np.int64(0),
        )
    elif kind == KIND_NEW:
        match_new(s, command, np.int64(verdict.order_id))
    elif kind == KIND_CANCEL or kind == KIND_REPLACE or kind == KIND_REDUCE:
        match_request(s, command, np.int64(verdict.order_id))
    elif is_administrative(kind):
        emit_command(
            s,
            command,
            np.int64(OUT_ACCEPTED),
            np.int64(REASON_NONE),
            np.int64(0),
            np.int64(verdict.session),
            np.int64(0),
            np.int64(0),
            np.int64(0),
            np.int64(0),
            np.int64(0),
        )


@inlined
def check_checkpoint(s, command):  # type: ignore[no-untyped-def]
    """Compare a journaled digest with ours; remember the first that differs and the last that did not."""
    at_seq = np.int64(command.aux0)
    if at_seq > 0 and s.words[MW_DIVERGED_SEQ] == 0:
        if s.digests[at_seq & (s.digests.shape[0] - 1)] == command.aux1:
            s.words[MW_CHECKPOINT_SEQ] = at_seq
        else:
            s.words[MW_DIVERGED_SEQ] = at_seq


@inlined
def flush_pending(s, out_words, out_slot_words):  # type: ignore[no-untyped-def]
    """Copy pending outcomes into the output ring as far as it has room; tell whether all are in.

    Folds each into the digest with an NH hash (Black et al., UMAC, 1999) of its 15 determined words.
    """
    head = s.words[MW_PENDING_HEAD]
    tail = s.words[MW_PENDING_TAIL]
    next_seq = s.words[MW_OUT_NEXT]
    capacity = np.int64(out_slot_words.shape[0])
    if s.words[MW_OUT_GATE] + capacity < next_seq + (tail - head):
        # pairs with store_release of the readers' cursors by risk and publish
        risk = load_acquire(out_words, CUR_OUTPUT_RISK)
        publish = load_acquire(out_words, CUR_OUTPUT_PUBLISH)
        s.words[MW_OUT_GATE] = min(risk, publish)
    room = s.words[MW_OUT_GATE] + capacity - next_seq
    count = min(room, tail - head)
    digest = s.words[MW_DIGEST]
    for _ in range(count):
        next_seq += 1
        slot = next_seq & (capacity - 1)
        acc = np.int64(0)
        for pair in range(7):
            low = s.pending_words[head, 2 * pair]
            high = s.pending_words[head, 2 * pair + 1]
            out_slot_words[slot, 2 * pair] = low
            out_slot_words[slot, 2 * pair + 1] = high
            acc += (low + np.int64(0x1F83D9ABFB41BD6B + 0x5BE0CD19137E2179 * pair & 0x7FFFFFFFFFFFFFFF)) * (
                high + np.int64(0x3C6EF372FE94F82B + 0x510E527FADE682D1 * pair & 0x7FFFFFFFFFFFFFFF)
            )
        low = s.pending_words[head, 14]
        out_slot_words[slot, 14] = low
        out_slot_words[slot, 15] = s.pending_words[head, 15]
        acc += (low + np.int64(0x2B3E6C1F9D5A7E43)) * np.int64(0x6A09E667F3BCC909)
        digest = fold(digest, acc)
        head += 1
    s.words[MW_DIGEST] = digest
    s.words[MW_OUT_NEXT] = next_seq
    if head == tail:
        s.words[MW_PENDING_HEAD] = 0
        s.words[MW_PENDING_TAIL] = 0
        return True
    s.words[MW_PENDING_HEAD] = head
    return False


@kernel
def matching_step(in_words, in_slots, verdicts, out_words, out_slot_words, s, budget):  # type: ignore[no-untyped-def]
    """Match up to ``budget`` commands that risk has judged; return how much progress was made."""
    mask = np.int64(in_slots.shape[0] - 1)
    digest_mask = np.int64(s.digests.shape[0] - 1)
    # pairs with risk's store_release of its cursor: its verdicts are complete up to there
    available = load_acquire(in_words, CUR_INPUT_RISK)
    seq = s.words[MW_CURSOR]
    first = seq
    progress = np.int64(0)
    stop = min(available, seq + budget)
    if s.words[MW_PENDING_SEQ] != 0:
        before = s.words[MW_OUT_NEXT]
        whole = flush_pending(s, out_words, out_slot_words)
        progress += s.words[MW_OUT_NEXT] - before
        if not whole:
            store_release(out_words, CUR_WRITER, s.words[MW_OUT_NEXT])
            return progress
        seq += 1
        s.words[MW_PENDING_SEQ] = 0
        s.digests[seq & digest_mask] = s.words[MW_DIGEST]
    ahead = seq
    while seq < stop:
        if seq >= ahead:
            ahead = min(stop, seq + LOOK_AHEAD)
            look_ahead(s, in_slots, verdicts, seq + 1, ahead - seq)
        slot = (seq + 1) & mask
        command = in_slots[slot]
        kind = np.int64(command.kind)
        if kind == KIND_CHECKPOINT:
            check_checkpoint(s, command)
        elif kind != KIND_TICK and kind != KIND_VENUE:
            match_command(s, command, verdicts[slot])
        elif kind == KIND_VENUE and np.int64(verdicts[slot].reason) != REASON_NONE:
            match_command(s, command, verdicts[slot])
        if not flush_pending(s, out_words, out_slot_words):
            s.words[MW_PENDING_SEQ] = seq + 1
            break
        seq += 1
        s.digests[seq & digest_mask] = s.words[MW_DIGEST]
        if (seq - first) & (PUBLISH_EVERY - 1) == 0:
            store_release(out_words, CUR_WRITER, s.words[MW_OUT_NEXT])
            store_release(in_words, CUR_INPUT_MATCHING, seq)
    # pairs with the load_acquire of risk and publish; outcomes first, the input cursor after them
    store_release(out_words, CUR_WRITER, s.words[MW_OUT_NEXT])
    if seq != s.words[MW_CURSOR]:
        progress += seq - s.words[MW_CURSOR]
        s.words[MW_COMMANDS] += seq - s.words[MW_CURSOR]
        s.words[MW_CURSOR] = seq
        store_release(in_words, CUR_INPUT_MATCHING, seq)
    return progress
