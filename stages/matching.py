"""The matching stage: commands and risk's verdicts in, outcomes out. Implements docs/matching-rules.md.

Outcomes go into the output ring; those of a command that finds it full are collected in ``pending``, private memory
that has room for the largest command, and flushed as readers make room; the next command begins when all of the
one before is in the ring. So a slow reader can stop matching between commands but never wedge it inside
one, on whatever worker its readers run.

Writes: output ring (cursor 0), its cursor on the input ring, ``digests``. Reads: input ring behind risk,
verdicts. The output cursor is stored before the input cursor: who sees an input as matched finds all its
outcomes (the feedback stamp rests on that). Where there are several partitions (:mod:`stages.partitions`), each has a
lane in the place of the output ring, and its own cursor beside it.

Here stand administration and the stage's step; new orders are in :mod:`stages.new_orders`, trading in
:mod:`stages.trading`, what follows it in :mod:`stages.entry` and :mod:`stages.stops`, requests in
:mod:`stages.requests`, books in :mod:`stages.book`, trading states in :mod:`stages.states`, what time brings in
:mod:`stages.due`.
"""

from __future__ import annotations

import numpy as np

from protocols.codes import (
    FLAG_MARKET_DATA,
    KIND_ACCOUNT,
    KIND_BANDS,
    KIND_BOOK_REQUEST,
    KIND_CANCEL,
    KIND_CHECKPOINT,
    KIND_DAY_BEGIN,
    KIND_INSTRUMENT,
    KIND_INVALID,
    KIND_KILL,
    KIND_LIMIT,
    KIND_MASS_CANCEL,
    KIND_NEW,
    KIND_PERMIT,
    KIND_REDUCE,
    KIND_REPLACE,
    KIND_SCHEDULE,
    KIND_SESSION_CLOSE,
    KIND_SESSION_OPEN,
    KIND_STATE,
    KIND_STATUS,
    KIND_TICK_TABLE,
    KIND_TRANSFER,
    LEVEL_ACCOUNT,
    LEVEL_FIRM,
    LEVEL_INSTRUMENT,
    LEVEL_SESSION,
    OUT_ACCEPTED,
    OUT_MASS_CANCELLED,
    OUT_REJECTED,
    OUTFLAG_NEW,
    OUTFLAG_RISK,
    REASON_DISCONNECTED,
    REASON_KILL_SWITCH,
    REASON_MASS_CANCEL,
    REASON_NO_ROOM,
    REASON_NONE,
    STATE_CONTINUOUS,
    SWITCH_KILLED,
)
from protocols.layouts import SLOT_WORDS
from ringbuffer.atomics import load_acquire, store_release
from ringbuffer.kernel import inlined, kernel
from stages.auction import UNTOLD, is_auction, tell_indications
from stages.book import chain_touched
from stages.book_feed import set_feed, tell_book
from stages.due import add_schedule, carry_out_due, clear_schedules
from stages.emit import emit_command
from stages.look_ahead import look_ahead
from stages.new_orders import match_new
from stages.requests import cancel_many, match_request
from stages.state import EVERY_PARTITION
from stages.state_words import (
    MW_AUCTIONS,
    MW_CHECKPOINT_SEQ,
    MW_COMMANDS,
    MW_CURSOR,
    MW_DIGEST,
    MW_DIVERGED_SEQ,
    MW_OUT_GATE,
    MW_OUT_INDEX,
    MW_OUT_LIMIT,
    MW_OUT_NEXT,
    MW_PARTITION,
    MW_PARTITIONS,
    MW_PENDING_HEAD,
    MW_PENDING_SEQ,
    MW_PENDING_TAIL,
    MW_TIMERS,
    MW_TOUCHED_HEAD,
    MW_TRADE_INDEX,
    MW_WARNING,
)
from stages.states import enter_group, enter_state
from stages.tick_tables import CLEAR, add_tick_row
from stages.timers import WHEN
from stages.topology import (
    CUR_INPUT_MATCHING,
    CUR_INPUT_RISK,
    CUR_OUTPUT_PUBLISH,
    CUR_OUTPUT_RISK,
    CUR_WRITER,
)

LOOK_AHEAD = 16  # commands; about as many cache misses as a core can have in flight
FEW_OUTCOMES = 16  # with less room than that, matching looks for more before a command
ENGAGE = 1
SESSION_SHIFT = 8  # of a session's id in the verdict on a KILL of it; below it the switches before
SWITCHES_BEFORE = (1 << SESSION_SHIFT) - 1
PUBLISH_EVERY = 16  # commands between two stores of the cursors: fewer cache-line transfers, little delay


@inlined
def is_administrative(kind):  # type: ignore[no-untyped-def]
    """Tell whether a kind administers the venue: its rejection echoes no amounts."""
    return (
        kind == KIND_SESSION_OPEN
        or kind == KIND_SESSION_CLOSE
        or kind == KIND_INSTRUMENT
        or kind == KIND_ACCOUNT
        or kind == KIND_LIMIT
        or kind == KIND_KILL
        or (KIND_STATE <= kind <= KIND_DAY_BEGIN and kind != KIND_INVALID)
    )


@inlined
def answer(s, command, kind, verdict, qty, leaves):  # type: ignore[no-untyped-def]
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
        np.int64(leaves),
        np.int64(0),
    )


@inlined
def refuse(s, command, verdict, reason):  # type: ignore[no-untyped-def]
    """Reject an administrative command that risk let pass."""
    emit_command(
        s,
        command,
        np.int64(OUT_REJECTED),
        np.int64(reason),
        np.int64(0),
        np.int64(verdict.session),
        np.int64(0),
        np.int64(0),
        np.int64(0),
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


@inlined
def carry_out_mass_cancel(s, command):  # type: ignore[no-untyped-def]
    """Cancel what a MASS_CANCEL names; return how many orders that were."""
    return cancel_many(
        s,
        command,
        np.int64(command.session),
        np.int64(command.account),
        np.int64(command.instrument),
        np.int64(command.side),
        np.int64(command.aux0),
        np.int64(REASON_MASS_CANCEL),
    )


@kernel
def carry_out_kill(s, command, verdict):  # type: ignore[no-untyped-def]
    """Cancel what rests of whom a KILL that engages KILLED names; return how many orders that were."""
    if command.side != ENGAGE or command.ord_type != SWITCH_KILLED:
        return np.int64(0)
    level = np.int64(command.tif)
    whom = np.int64(1)
    session = np.int64(0)
    account = np.int64(0)
    instrument = np.int64(0)
    firm = np.int64(0)
    if level == LEVEL_FIRM:
        whom = firm = np.int64(command.aux0)
    elif level == LEVEL_ACCOUNT:
        whom = account = np.int64(command.account)
    elif level == LEVEL_SESSION:
        whom = session = np.int64(verdict.order_id) >> SESSION_SHIFT
    elif level == LEVEL_INSTRUMENT:
        whom = instrument = np.int64(command.instrument)
        if not (0 < instrument < s.markets.shape[0]):
            return np.int64(0)
    if whom == 0:  # without risk in front nobody may be named
        return np.int64(0)
    return np.int64(
        cancel_many(s, command, session, account, instrument, np.int64(0), firm, np.int64(REASON_KILL_SWITCH))
    )


@inlined
def define_market(s, command):  # type: ignore[no-untyped-def]
    """Take in what matching has to know of an instrument."""
    market = s.markets[np.int64(command.instrument)]
    market.protection_ticks = command.orig0
    market.group = command.account
    market.tick_table = command.orig1
    set_feed(s, np.int64(command.instrument), np.int64(command.flags) & FLAG_MARKET_DATA)
    if market.state == 0:
        market.state = STATE_CONTINUOUS if command.ord_type == 0 else command.ord_type
        market.told_ticks = UNTOLD
        s.words[MW_AUCTIONS] += np.int64(is_auction(market.state))


@inlined
def set_bands(s, command):  # type: ignore[no-untyped-def]
    """Take in the bands of an instrument and how its auctions run."""
    market = s.markets[np.int64(command.instrument)]
    market.band_mode = command.ord_type
    market.static_ticks = command.order_id
    market.dynamic_ticks = command.orig0
    market.volatility_ns = command.aux0
    market.indication_ns = command.qty_lots
    if market.indication_due_ns != 0:  # was put off by the interval of before
        market.indication_due_ns = 0
        chain_touched(s, np.int64(command.instrument))
    if command.price_ticks != 0:
        market.static_reference = command.price_ticks


@kernel
def change_states(s, command):  # type: ignore[no-untyped-def]
    """Carry out a STATE command."""
    if command.instrument != 0:
        enter_state(s, command, np.int64(command.instrument), np.int64(command.ord_type))
    else:
        enter_group(s, command, np.int64(command.account), np.int64(command.ord_type))
    return 0


@kernel
def match_administration(s, command, verdict):  # type: ignore[no-untyped-def]
    """Carry out what an administrative command, or a MASS_CANCEL, means to the books, and answer it."""
    kind = np.int64(command.kind)
    if kind == KIND_MASS_CANCEL:
        count = carry_out_mass_cancel(s, command)
        answer(s, command, np.int64(OUT_MASS_CANCELLED), verdict, np.int64(count), np.int64(0))
        return 0
    if kind == KIND_KILL:
        count = carry_out_kill(s, command, verdict)
        before = np.int64(verdict.order_id) & SWITCHES_BEFORE
        answer(s, command, np.int64(OUT_ACCEPTED), verdict, np.int64(count), before)
        return 0
    if kind == KIND_LIMIT or kind == KIND_PERMIT or kind == KIND_TRANSFER or kind == KIND_DAY_BEGIN:
        qty = np.int64(0) if kind == KIND_DAY_BEGIN else np.int64(command.qty_lots)
        answer(s, command, np.int64(OUT_ACCEPTED), verdict, qty, np.int64(verdict.order_id))
        return 0
    if kind == KIND_SESSION_CLOSE and verdict.order_id != 0:
        session = np.int64(command.session)
        nothing = np.int64(0)
        cancel_many(s, command, session, nothing, nothing, nothing, nothing, np.int64(REASON_DISCONNECTED))
    elif kind == KIND_INSTRUMENT:
        define_market(s, command)
    elif kind == KIND_ACCOUNT:
        s.firms[np.int64(command.account)] = command.instrument
    elif kind == KIND_STATE:
        change_states(s, command)
    elif kind == KIND_BANDS:
        set_bands(s, command)
    elif kind == KIND_TICK_TABLE:
        add_tick_row(s.tick_rows, command)
    elif kind == KIND_SCHEDULE:
        if command.side == CLEAR:
            clear_schedules(s, np.int64(command.account))
        elif not add_schedule(s, command):
            refuse(s, command, verdict, np.int64(REASON_NO_ROOM))
            return 0
    answer(s, command, np.int64(OUT_ACCEPTED), verdict, np.int64(0), np.int64(0))
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
def is_addressed(s, verdict):  # type: ignore[no-untyped-def]
    """Tell whether a command concerns this partition."""
    partition = np.int64(verdict.partition)
    return partition == s.words[MW_PARTITION] or partition == EVERY_PARTITION


@inlined
def match_command(s, command, verdict):  # type: ignore[no-untyped-def]
    """Process one command, with its outcomes."""
    kind = np.int64(command.kind)
    s.words[MW_TRADE_INDEX] = 0
    if s.words[MW_TIMERS] != 0 and s.timers[0, WHEN] <= command.time_ns:
        carry_out_due(s, command)
    if not is_addressed(s, verdict):
        return
    s.words[MW_WARNING] = verdict.warning
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
    elif kind == KIND_CHECKPOINT and s.words[MW_PARTITIONS] == 1:
        check_checkpoint(s, command)
    if s.words[MW_TOUCHED_HEAD] != 0:
        tell_indications(s, command)


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
def matching_step(in_words, in_slots, verdicts, out_words, done_words, s, budget):  # type: ignore[no-untyped-def]
    """Match up to ``budget`` commands that risk has judged; return how much progress was made.

    Outcomes go into the ring of ``s``, whose cursors are ``out_words``; how far it has matched is told in
    ``done_words``: the input ring's, or the lane's of a partition.
    """
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
            store_release(done_words, CUR_INPUT_MATCHING, seq)
    # pairs with the load_acquire of risk and publish; outcomes first, the input cursor after them
    store_release(out_words, CUR_WRITER, s.words[MW_OUT_NEXT])
    if seq != s.words[MW_CURSOR]:
        progress += seq - s.words[MW_CURSOR]
        s.words[MW_COMMANDS] += seq - s.words[MW_CURSOR]
        s.words[MW_CURSOR] = seq
        store_release(done_words, CUR_INPUT_MATCHING, seq)
    return progress
