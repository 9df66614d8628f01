"""How matching writes outcomes: about the command, the order that trades, or one in the book.

Each outcome is one 128-byte slot of protocols.layouts.OUTCOME. It is put together in registers, folded into the
running digest, and stored word by word into the next slot of the output ring; when that is full, into ``pending``,
private memory with room for the largest command, from where :func:`stages.matching.flush_pending` takes it. (Fields
narrower than a word are not stored one by one: whoever then loads the word would wait for each of them.)
The counters by type and reason rise with them. Callers pass int64 throughout: one compiled version of each function.

The digest is an NH hash (Black et al., UMAC, 1999) of the 15 determined words of each outcome.
"""

from __future__ import annotations

import numpy as np

from protocols.codes import (
    KIND_NEW,
    OUT_ACCEPTED,
    OUT_FILLED,
    OUTFLAG_ANSWER,
    OUTFLAG_AUCTION,
    OUTFLAG_MAKER,
    OUTFLAG_TAKER,
    REASON_LIMIT_WARNING,
    REASON_NONE,
)
from protocols.layouts import SLOT_WORDS
from ringbuffer.kernel import inlined, kernel
from ringbuffer.native import prefetch_to_write
from stages.hashing import fold
from stages.orders import leaves_of, price_of
from stages.state import MARKET_FEED
from stages.state_words import (
    MW_DIGEST,
    MW_OUT_INDEX,
    MW_OUT_LIMIT,
    MW_OUT_NEXT,
    MW_PENDING_TAIL,
    MW_REASON_COUNTS,
    MW_TRADE_INDEX,
    MW_TRADES,
    MW_TYPE_COUNTS,
)

LOW_32 = 0xFFFFFFFF
LINE_WORDS = 8
WRITE_AHEAD = 16  # outcomes: the readers have the lines that come next, and are asked for them in time


@inlined
def nh(pair, low, high):  # type: ignore[no-untyped-def]
    """Return what two words add to the hash of an outcome."""
    return (low + np.int64(0x1F83D9ABFB41BD6B + 0x5BE0CD19137E2179 * pair & 0x7FFFFFFFFFFFFFFF)) * (
        high + np.int64(0x3C6EF372FE94F82B + 0x510E527FADE682D1 * pair & 0x7FFFFFFFFFFFFFFF)
    )


@inlined
def outcome_hash(  # type: ignore[no-untyped-def]
    input_seq, time_ns, order_id, price, qty, leaves, cum, whose, cl0, cl1, tails, orig0, orig1, cause, what
):
    """Return the hash of an outcome, of its determined words in their order."""
    acc = nh(0, input_seq, time_ns) + nh(1, order_id, price) + nh(2, qty, leaves) + nh(3, cum, whose)
    acc += nh(4, cl0, cl1) + nh(5, tails, orig0) + nh(6, orig1, cause)
    return acc + (what + np.int64(0x2B3E6C1F9D5A7E43)) * np.int64(0x6A09E667F3BCC909)


@inlined
def two_words(low, high):  # type: ignore[no-untyped-def]
    """Return the word of two 32-bit fields."""
    return (np.int64(low) & LOW_32) | (np.int64(high) << 32)


@inlined
def put_slot(  # type: ignore[no-untyped-def]
    s, command, kind, reason, has_reason, flags, session, owner, order_id, price, qty, leaves, cum, trade_index,
    cl0, cl1, cl2, orig0, orig1, orig2,
):  # fmt: skip
    """Store one outcome; account, instrument and side are those of ``owner``: a command, an order, or the taker.

    ``has_reason`` is a constant of the caller: whether ``reason`` is one, and counts as such.
    """
    words = s.words
    index = words[MW_OUT_INDEX]
    words[MW_OUT_INDEX] = index + 1
    words[MW_TYPE_COUNTS + kind] += 1
    if has_reason and reason != REASON_NONE:
        words[MW_REASON_COUNTS + reason] += 1
    row = words[MW_OUT_NEXT] + 1
    out = s.ring
    if row <= words[MW_OUT_LIMIT]:
        words[MW_OUT_NEXT] = row
        place = row * SLOT_WORDS & (out.shape[0] - 1)
        ahead = (row + WRITE_AHEAD) * SLOT_WORDS & (out.shape[0] - 1)
        prefetch_to_write(out, ahead)
        prefetch_to_write(out, ahead + LINE_WORDS)
    else:
        words[MW_OUT_LIMIT] = -1  # the others of this command follow it
        out = s.pending
        row = words[MW_PENDING_TAIL]
        words[MW_PENDING_TAIL] = row + 1
        place = row * SLOT_WORDS
    input_seq = np.int64(command.seq)
    time_ns = np.int64(command.time_ns)
    whose = two_words(owner.account, owner.instrument)
    tails = two_words(cl2, orig2)
    cause = (index & LOW_32) | (reason << 32) | (np.int64(session) << 48)
    what = np.int64(kind) | (np.int64(owner.side) << 8) | (np.int64(flags) << 16)
    what |= (np.int64(command.kind) << 24) | (np.int64(trade_index) << 32)
    out[place] = input_seq
    out[place + 1] = time_ns
    out[place + 2] = order_id
    out[place + 3] = price
    out[place + 4] = qty
    out[place + 5] = leaves
    out[place + 6] = cum
    out[place + 7] = whose
    out[place + 8] = cl0
    out[place + 9] = cl1
    out[place + 10] = tails
    out[place + 11] = orig0
    out[place + 12] = orig1
    out[place + 13] = cause
    out[place + 14] = what
    out[place + 15] = command.sent_ns
    acc = outcome_hash(
        input_seq,
        time_ns,
        order_id,
        price,
        qty,
        leaves,
        cum,
        whose,
        cl0,
        cl1,
        tails,
        orig0,
        orig1,
        cause,
        what,
    )
    words[MW_DIGEST] = fold(words[MW_DIGEST], acc)


@inlined
def put_outcome(  # type: ignore[no-untyped-def]
    s, command, kind, reason, flags, session, owner, order_id, price, qty, leaves, cum, trade_index,
    cl0, cl1, cl2, orig0, orig1, orig2,
):  # fmt: skip
    """Store one outcome of a command, an order or the taker."""
    put_slot(
        s, command, kind, reason, True, flags, session, owner, order_id, price, qty, leaves, cum, trade_index,
        cl0, cl1, cl2, orig0, orig1, orig2,
    )  # fmt: skip


@inlined
def next_feed_seq(s, instrument):  # type: ignore[no-untyped-def]
    """Return the number of the next thing that an instrument's market data tell, 0 where it has none."""
    market = s.markets[np.int64(instrument)]
    if np.int64(market.marks) & MARKET_FEED == 0:
        return np.int64(0)
    market.feed_seq += 1
    return np.int64(market.feed_seq)


@kernel
def emit_public(  # type: ignore[no-untyped-def]
    s, command, kind, action, flags, session, account, instrument, side, order_id, price, qty, leaves, cum,
    trade_index, cl0, cl1, orig0, orig1,
):  # fmt: skip
    """Append what everybody may know: a change of a book; ``action`` is no reason and does not count as one."""
    whose = s.whose[0]
    whose.account = account
    whose.instrument = instrument
    whose.side = side
    put_slot(
        s, command, kind, action, False, flags, session, whose, order_id, price, qty, leaves, cum, trade_index,
        cl0, cl1, np.int64(0), orig0, orig1, np.int64(0),
    )  # fmt: skip
    return 0


@kernel
def emit_command(  # type: ignore[no-untyped-def]
    s, command, kind, reason, flags, session, order_id, price_ticks, qty_lots, leaves_lots, cum_lots
):
    """Append the answer to a command that is not about an order in the book: rejections, administration."""
    has_orig = command.kind != KIND_NEW  # where the fields hold other things
    put_outcome(
        s, command, kind, reason, flags | OUTFLAG_ANSWER, session, command,
        order_id, price_ticks, qty_lots, leaves_lots, cum_lots, np.int64(0),
        np.int64(command.cl0), np.int64(command.cl1), np.int64(command.cl2),
        np.int64(command.orig0) if has_orig else np.int64(0),
        np.int64(command.orig1) if has_orig else np.int64(0),
        np.int64(command.orig2) if has_orig else np.int64(0),
    )  # fmt: skip


@kernel
def emit_request(  # type: ignore[no-untyped-def]
    s, command, order, kind, reason, price_ticks, qty_lots, leaves_lots, trade_index
):
    """Append the answer to a request on an order: the request's ClOrdID, the order's as the original."""
    record = s.orders[order]
    put_outcome(
        s, command, kind, reason, np.int64(OUTFLAG_ANSWER), np.int64(record.session), record,
        np.int64(record.order_id), price_ticks, qty_lots, leaves_lots, np.int64(record.cum_lots), trade_index,
        np.int64(command.cl0), np.int64(command.cl1), np.int64(command.cl2),
        s.texts[order, 0], s.texts[order, 1], s.texts[order, 2],
    )  # fmt: skip


@inlined
def put_about_order(s, command, order, kind, reason, flags, price, qty, leaves, trade_index):  # type: ignore[no-untyped-def]
    """Store an outcome that an order in the book, and no request, is told of."""
    record = s.orders[order]
    put_outcome(
        s, command, kind, reason, flags, np.int64(record.session), record,
        np.int64(record.order_id), price, qty, leaves, np.int64(record.cum_lots), trade_index,
        s.texts[order, 0], s.texts[order, 1], s.texts[order, 2],
        np.int64(0), np.int64(0), np.int64(0),
    )  # fmt: skip


@kernel
def emit_order(s, command, order, kind, reason, flags, qty_lots, leaves_lots):  # type: ignore[no-untyped-def]
    """Append what happened to an order in the book without its owner's asking."""
    put_about_order(
        s, command, order, kind, reason, flags, price_of(s, order), qty_lots, leaves_lots, np.int64(0)
    )


@kernel
def emit_auction_fill(s, command, order, price_ticks, qty_lots):  # type: ignore[no-untyped-def]
    """Append one side of a trade of an uncross; the order's leaves and cum are already those after it."""
    put_about_order(
        s, command, order, np.int64(OUT_FILLED), np.int64(REASON_NONE), np.int64(OUTFLAG_AUCTION), price_ticks,
        qty_lots, leaves_of(s, order), s.words[MW_TRADE_INDEX],
    )  # fmt: skip


@kernel
def emit_instrument(s, command, instrument, kind, side, price_ticks, qty_lots, leaves_lots):  # type: ignore[no-untyped-def]
    """Append what an instrument tells of itself, for everybody."""
    zero = np.int64(0)
    emit_public(
        s, command, kind, zero, zero, zero, zero, instrument, side, zero, price_ticks, qty_lots, leaves_lots, zero,
        zero, zero, zero, next_feed_seq(s, instrument), zero,
    )  # fmt: skip


@inlined
def put_about_taker(s, command, t, kind, reason, flags, price, qty, leaves, cum, trade_index):  # type: ignore[no-untyped-def]
    """Store an outcome about the order that trades."""
    put_outcome(
        s, command, kind, reason, flags, np.int64(t.session), t,
        np.int64(t.order_id), price, qty, leaves, cum, trade_index,
        np.int64(t.cl0), np.int64(t.cl1), np.int64(t.cl2),
        np.int64(0), np.int64(0), np.int64(0),
    )  # fmt: skip


@kernel
def emit_taker(s, command, kind, reason, flags, qty_lots, leaves_lots):  # type: ignore[no-untyped-def]
    """Append what happened to the order that trades, other than a trade."""
    t = s.taker[0]
    put_about_taker(
        s, command, t, kind, reason, flags, np.int64(t.price_ticks), qty_lots, leaves_lots,
        np.int64(t.cum_lots), np.int64(0),
    )  # fmt: skip


@kernel
def emit_warning(s, command, flags, warning):  # type: ignore[no-untyped-def]
    """Append the acceptance of a new order, the one that trades, after which a limit is nearly used up."""
    t = s.taker[0]
    qty = np.int64(command.qty_lots)
    put_about_taker(
        s, command, t, np.int64(OUT_ACCEPTED), np.int64(REASON_LIMIT_WARNING), flags, np.int64(t.price_ticks), qty,
        qty, np.int64(t.cum_lots), warning,
    )  # fmt: skip


@inlined
def emit_taker_fill(s, command, t, price_ticks, qty_lots, leaves_lots, cum_lots, trade_index):  # type: ignore[no-untyped-def]
    """Append the taker's side of a trade."""
    put_about_taker(
        s, command, t, np.int64(OUT_FILLED), np.int64(REASON_NONE), np.int64(OUTFLAG_TAKER), price_ticks,
        qty_lots, leaves_lots, cum_lots, trade_index,
    )  # fmt: skip
    s.words[MW_TRADES] += 1


@inlined
def emit_maker_fill(s, command, order, price_ticks, qty_lots, trade_index):  # type: ignore[no-untyped-def]
    """Append the maker's side of a trade; its leaves and cum are already those after it."""
    put_about_order(
        s, command, order, np.int64(OUT_FILLED), np.int64(REASON_NONE), np.int64(OUTFLAG_MAKER), price_ticks,
        qty_lots, leaves_of(s, order), trade_index,
    )  # fmt: skip
