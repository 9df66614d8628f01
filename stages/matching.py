"""The matching stage: commands and risk's verdicts in, outcomes out. Implements docs/matching-rules.md.

Outcomes go into the output ring; those of a command that finds it full are collected in ``pending``, private memory
that has room for the largest command, and flushed as readers make room; the next command begins when all of the
one before is in the ring. So a slow reader can stop matching between commands but never wedge it inside
one, on whatever worker its readers run.

Writes: output ring (cursor 0), its cursor on the input ring, ``digests``. Reads: input ring behind risk,
verdicts. The output cursor is stored before the input cursor: who sees an input as matched finds all its
outcomes (the feedback stamp rests on that).

Here stand new orders, administration and the stage's step; trading is in :mod:`stages.trading`, what follows it in
:mod:`stages.entry` and :mod:`stages.stops`, requests in :mod:`stages.requests`, books in :mod:`stages.book`.
"""

from __future__ import annotations

import numpy as np

from protocols.codes import (
    FLAG_BOOK_ONLY,
    FLAG_MARKET_DATA,
    FLAG_POST_ONLY,
    FLAG_POST_REPRICE,
    KIND_ACCOUNT,
    KIND_BOOK_REQUEST,
    KIND_CANCEL,
    KIND_CHECKPOINT,
    KIND_INSTRUMENT,
    KIND_KILL,
    KIND_LIMIT,
    KIND_MASS_CANCEL,
    KIND_NEW,
    KIND_REDUCE,
    KIND_REPLACE,
    KIND_SESSION_CLOSE,
    KIND_SESSION_OPEN,
    KIND_STATUS,
    OUT_ACCEPTED,
    OUT_MASS_CANCELLED,
    OUT_REJECTED,
    OUTFLAG_ANSWER,
    OUTFLAG_NEW,
    OUTFLAG_REPRICED,
    OUTFLAG_RISK,
    REASON_DISCONNECTED,
    REASON_FOK_NOT_FILLABLE,
    REASON_IOC_REMAINDER,
    REASON_MASS_CANCEL,
    REASON_MIN_QTY_NOT_MET,
    REASON_NO_LIQUIDITY,
    REASON_NO_REFERENCE_PRICE,
    REASON_NO_ROOM,
    REASON_NONE,
    REASON_POST_ONLY_WOULD_TRADE,
    REASON_PRICE_PROTECTION,
    REASON_UNKNOWN_ORDER,
    TIF_FOK,
    TIF_GTD,
    TIF_IOC,
    TYPE_DIRECTED,
    TYPE_LIMIT,
    TYPE_MARKET,
    TYPE_STOP_LIMIT,
    TYPE_TRAILING_STOP,
)
from protocols.layouts import SLOT_WORDS
from ringbuffer.atomics import load_acquire, store_release
from ringbuffer.kernel import inlined, kernel
from stages.book import best_level, has_level_room
from stages.book_feed import set_feed, tell_book
from stages.emit import emit_command, emit_taker
from stages.entry import (
    NO_PRICE,
    expire_taker,
    post_price,
    rest_new,
    special_terms,
    taker_of_command,
)
from stages.expiry import EXPIRY, expire_orders
from stages.hashing import id_find
from stages.ladder import ladder_key, side_row
from stages.look_ahead import look_ahead
from stages.requests import cancel_many, match_request
from stages.state import MARK_STOP
from stages.state_words import (
    MW_CHECKPOINT_SEQ,
    MW_COMMANDS,
    MW_CURSOR,
    MW_DIGEST,
    MW_DIVERGED_SEQ,
    MW_OPEN,
    MW_OUT_GATE,
    MW_OUT_INDEX,
    MW_OUT_LIMIT,
    MW_OUT_NEXT,
    MW_PENDING_HEAD,
    MW_PENDING_SEQ,
    MW_PENDING_TAIL,
    MW_SPECIALS,
    MW_TIMED,
    MW_TIMERS,
)
from stages.stops import enter_stop, run_elections
from stages.topology import (
    CUR_INPUT_MATCHING,
    CUR_INPUT_RISK,
    CUR_OUTPUT_PUBLISH,
    CUR_OUTPUT_RISK,
    CUR_WRITER,
)
from stages.trading import market_limit_key, tradable, trade, trade_directed

LOOK_AHEAD = 16  # commands; about as many cache misses as a core can have in flight
FEW_OUTCOMES = 16  # with less room than that, matching looks for more before a command
PUBLISH_EVERY = 16  # commands between two stores of the cursors: fewer cache-line transfers, little delay


@inlined
def reject_new(s, command, reason):  # type: ignore[no-untyped-def]
    """Answer a NEW that matching does not take."""
    emit_command(
        s,
        command,
        np.int64(OUT_REJECTED),
        np.int64(reason),
        np.int64(OUTFLAG_NEW),
        np.int64(command.session),
        np.int64(command.seq),
        np.int64(command.price_ticks),
        np.int64(command.qty_lots),
        np.int64(0),
        np.int64(0),
    )


@inlined
def accept_taker(s, command, flags):  # type: ignore[no-untyped-def]
    """Answer a NEW that matching takes."""
    qty = np.int64(command.qty_lots)
    emit_taker(s, command, np.int64(OUT_ACCEPTED), np.int64(REASON_NONE), flags | OUTFLAG_ANSWER, qty, qty)


@kernel
def _special_problem(s, command, display):  # type: ignore[no-untyped-def]
    """Return why matching cannot take a stop order, iceberg or order with GTD; NONE if it can."""
    is_stop = TYPE_LIMIT < command.ord_type <= TYPE_TRAILING_STOP
    if (is_stop or display != 0) and s.words[MW_SPECIALS] >= s.specials.shape[0]:
        return REASON_NO_ROOM
    if (
        command.tif == TIF_GTD
        and command.ord_type != TYPE_MARKET
        and s.words[MW_TIMED] >= s.specials.shape[0]
    ):
        return REASON_NO_ROOM
    if command.ord_type == TYPE_TRAILING_STOP and s.markets[np.int64(command.instrument)].last_ticks == 0:
        return REASON_NO_REFERENCE_PRICE
    return REASON_NONE


@kernel
def match_directed(s, command, target_id):  # type: ignore[no-untyped-def]
    """Process an accepted NEW that names the order with which it trades."""
    target = id_find(s.order_map, s.order_keys, target_id)
    if target < 0:
        reject_new(s, command, np.int64(REASON_UNKNOWN_ORDER))
        return 0
    named = s.orders[target]
    if named.instrument != command.instrument or named.side == command.side or named.marks & MARK_STOP != 0:
        reject_new(s, command, np.int64(REASON_UNKNOWN_ORDER))
        return 0
    t = taker_of_command(s, command)
    accept_taker(s, command, np.int64(0))
    trade_directed(s, command, target)
    if t.leaves_lots != 0:
        expire_taker(s, command, np.int64(REASON_IOC_REMAINDER), np.int64(0))
    return 0


@kernel
def match_special(s, command):  # type: ignore[no-untyped-def]
    """Process an accepted NEW that is not plain; return whether it goes on to trade as a plain one does."""
    t = s.taker[0]
    ord_type = np.int64(command.ord_type)
    flags = np.int64(command.flags)
    instrument = np.int64(command.instrument)
    side = np.int64(command.side)
    special_terms(t, command)
    reason = np.int64(_special_problem(s, command, np.int64(t.display_lots)))
    out_flags = np.int64(0)
    if reason == REASON_NONE and flags & (FLAG_POST_ONLY | FLAG_POST_REPRICE) != 0:
        price = np.int64(post_price(s, instrument, side, np.int64(t.price_ticks)))
        if price != t.price_ticks:
            if flags & FLAG_POST_ONLY != 0 or price == NO_PRICE:
                reason = np.int64(REASON_POST_ONLY_WOULD_TRADE)
            else:
                t.price_ticks = price
                out_flags = np.int64(OUTFLAG_REPRICED)
    if reason != REASON_NONE:
        reject_new(s, command, reason)
        return False
    if TYPE_LIMIT < ord_type <= TYPE_TRAILING_STOP:
        if ord_type != TYPE_STOP_LIMIT:
            t.price_ticks = 0
        accept_taker(s, command, out_flags)
        enter_stop(s, command)
        return False
    if ord_type == TYPE_MARKET:
        t.price_ticks = 0
        t.limit_key = market_limit_key(s, instrument, side)
    else:
        t.limit_key = ladder_key(2 - side, np.int64(t.price_ticks))
    accept_taker(s, command, out_flags)
    wanted = np.int64(command.qty_lots) if command.tif == TIF_FOK else np.int64(command.orig0)
    if wanted != 0:
        lots = np.int64(tradable(s, np.int64(command.qty_lots)))
        if command.tif == TIF_FOK and lots < command.qty_lots:
            expire_taker(s, command, np.int64(REASON_FOK_NOT_FILLABLE), np.int64(0))
            return False
        if lots < command.orig0:
            expire_taker(s, command, np.int64(REASON_MIN_QTY_NOT_MET), np.int64(0))
            return False
    return True


@kernel
def match_new(s, command, target_id):  # type: ignore[no-untyped-def]
    """Process an accepted NEW."""
    ord_type = np.int64(command.ord_type)
    tif = np.int64(command.tif)
    instrument = np.int64(command.instrument)
    side = np.int64(command.side)
    if ord_type == TYPE_DIRECTED:
        match_directed(s, command, target_id)
    else:
        may_rest = ord_type != TYPE_MARKET and tif != TIF_IOC and tif != TIF_FOK
        if may_rest and (s.words[MW_OPEN] >= s.orders.shape[0] or not has_level_room(s)):
            reject_new(s, command, np.int64(REASON_NO_ROOM))
            return 0
        t = taker_of_command(s, command)
        flags = np.int64(command.flags)
        is_plain = ord_type == TYPE_LIMIT and tif <= TIF_IOC
        is_plain = is_plain and (command.order_id | command.orig0 | np.int64(command.orig2)) == 0
        is_plain = is_plain and flags & (FLAG_POST_ONLY | FLAG_POST_REPRICE) == 0
        goes_on = True
        if is_plain:
            t.limit_key = ladder_key(2 - side, np.int64(command.price_ticks))
            accept_taker(s, command, np.int64(0))
        else:
            goes_on = match_special(s, command)
        if goes_on:
            if flags & FLAG_BOOK_ONLY == 0:
                trade(s, command)
            if t.leaves_lots != 0:
                if may_rest:
                    rest_new(s, command)
                elif ord_type != TYPE_MARKET:
                    expire_taker(s, command, np.int64(REASON_IOC_REMAINDER), np.int64(0))
                elif best_level(s, side_row(instrument, 3 - side)) < 0:
                    expire_taker(s, command, np.int64(REASON_NO_LIQUIDITY), np.int64(0))
                else:
                    expire_taker(s, command, np.int64(REASON_PRICE_PROTECTION), np.int64(0))
    if s.markets[instrument].stops != 0:
        run_elections(s, command, instrument)
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
def answer(s, command, kind, verdict, qty):  # type: ignore[no-untyped-def]
    """Answer a command that is not about one order."""
    emit_command(
        s,
        command,
        np.int64(kind),
        np.int64(REASON_NONE),
        np.int64(0),
        np.int64(verdict.session),
        np.int64(0),
        np.int64(0),
        np.int64(qty),
        np.int64(0),
        np.int64(0),
    )


@kernel
def match_rejected(s, command, verdict):  # type: ignore[no-untyped-def]
    """Answer a command that risk rejected."""
    kind = np.int64(command.kind)
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
        np.int64(verdict.reason),
        np.int64(flags),
        np.int64(verdict.session),
        np.int64(verdict.order_id),
        price,
        qty,
        np.int64(0),
        np.int64(0),
    )
    return 0


@kernel
def match_administration(s, command, verdict):  # type: ignore[no-untyped-def]
    """Carry out what an administrative command, or a MASS_CANCEL, means to the books, and answer it."""
    kind = np.int64(command.kind)
    if kind == KIND_MASS_CANCEL:
        count = cancel_many(
            s,
            command,
            np.int64(command.session),
            np.int64(command.account),
            np.int64(command.instrument),
            np.int64(command.side),
            np.int64(REASON_MASS_CANCEL),
        )
        answer(s, command, np.int64(OUT_MASS_CANCELLED), verdict, np.int64(count))
        return 0
    if kind == KIND_SESSION_CLOSE and verdict.order_id != 0:
        cancel_many(
            s,
            command,
            np.int64(command.session),
            np.int64(0),
            np.int64(0),
            np.int64(0),
            np.int64(REASON_DISCONNECTED),
        )
    elif kind == KIND_INSTRUMENT:
        s.markets[np.int64(command.instrument)].protection_ticks = command.orig0
        set_feed(s, np.int64(command.instrument), np.int64(command.flags) & FLAG_MARKET_DATA)
    answer(s, command, np.int64(OUT_ACCEPTED), verdict, np.int64(0))
    return 0


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
def match_command(s, command, verdict):  # type: ignore[no-untyped-def]
    """Process one command, with its outcomes."""
    kind = np.int64(command.kind)
    if s.words[MW_TIMERS] != 0 and s.timers[0, EXPIRY] <= command.time_ns:
        expire_orders(s, command)
    if verdict.reason != REASON_NONE:
        match_rejected(s, command, verdict)
    elif kind == KIND_NEW:
        match_new(s, command, np.int64(verdict.order_id))
    elif kind == KIND_CANCEL or kind == KIND_REPLACE or kind == KIND_REDUCE or kind == KIND_STATUS:
        match_request(s, command, np.int64(verdict.order_id))
    elif is_administrative(kind) or kind == KIND_MASS_CANCEL:
        match_administration(s, command, verdict)
    elif kind == KIND_BOOK_REQUEST:
        tell_book(s, command)
    elif kind == KIND_CHECKPOINT:
        check_checkpoint(s, command)


@inlined
def look_for_room(s, out_words, count):  # type: ignore[no-untyped-def]
    """Find how far the output ring has room, for at least ``count`` outcomes if its readers made it."""
    capacity = np.int64(s.ring.shape[0] // SLOT_WORDS)
    next_seq = s.words[MW_OUT_NEXT]
    if s.words[MW_OUT_GATE] + capacity < next_seq + count:
        # pairs with store_release of the readers' cursors by risk and publish
        risk = load_acquire(out_words, CUR_OUTPUT_RISK)
        publish = load_acquire(out_words, CUR_OUTPUT_PUBLISH)
        s.words[MW_OUT_GATE] = min(risk, publish)
    s.words[MW_OUT_LIMIT] = s.words[MW_OUT_GATE] + capacity


@kernel
def flush_pending(s, out_words):  # type: ignore[no-untyped-def]
    """Copy pending outcomes into the output ring as far as it has room; tell whether all are in."""
    head = s.words[MW_PENDING_HEAD]
    tail = s.words[MW_PENDING_TAIL]
    look_for_room(s, out_words, tail - head)
    next_seq = s.words[MW_OUT_NEXT]
    stop = min(tail, head + s.words[MW_OUT_LIMIT] - next_seq)
    while head < stop:
        next_seq += 1
        place = next_seq * SLOT_WORDS & (s.ring.shape[0] - 1)
        for word in range(SLOT_WORDS):
            s.ring[place + word] = s.pending[head * SLOT_WORDS + word]
        head += 1
    s.words[MW_OUT_NEXT] = next_seq
    s.words[MW_PENDING_HEAD] = head
    if head < tail:
        return False
    s.words[MW_PENDING_HEAD] = 0
    s.words[MW_PENDING_TAIL] = 0
    return True


@kernel
def matching_step(in_words, in_slots, verdicts, out_words, s, budget):  # type: ignore[no-untyped-def]
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
        whole = flush_pending(s, out_words)
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
        s.words[MW_OUT_INDEX] = 0
        look_for_room(s, out_words, np.int64(FEW_OUTCOMES))
        match_command(s, in_slots[slot], verdicts[slot])
        if s.words[MW_PENDING_TAIL] != 0 and not flush_pending(s, out_words):
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
