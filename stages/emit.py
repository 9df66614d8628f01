"""How matching writes outcomes: into ``pending``, about the command, the order that trades, or one in the book.

Each outcome is one 128-byte slot of protocols.layouts.OUTCOME, all of whose fields are set here. The counters
by type and reason rise with them. Callers pass int64 throughout: one compiled version of each function.
"""

from __future__ import annotations

import numpy as np

from protocols.codes import (
    KIND_NEW,
    OUT_FILLED,
    OUTFLAG_ANSWER,
    OUTFLAG_MAKER,
    OUTFLAG_TAKER,
    REASON_NONE,
)
from ringbuffer.kernel import inlined, kernel
from stages.orders import leaves_of, price_of
from stages.state_words import MW_PENDING_TAIL, MW_REASON_COUNTS, MW_TRADES, MW_TYPE_COUNTS


@inlined
def begin_outcome(s, command, kind, reason):  # type: ignore[no-untyped-def]
    """Take the next pending outcome and fill what all outcomes of a command share."""
    tail = s.words[MW_PENDING_TAIL]
    out = s.pending[tail]
    out.input_seq = command.seq
    out.time_ns = command.time_ns
    out.index = tail
    out.kind = command.kind
    out.type = kind
    out.reason = reason
    out.sent_ns = command.sent_ns
    s.words[MW_PENDING_TAIL] = tail + 1
    s.words[MW_TYPE_COUNTS + kind] += 1
    return out


@inlined
def set_amounts(out, order_id, price_ticks, qty_lots, leaves_lots, cum_lots):  # type: ignore[no-untyped-def]
    """Fill the numbers of an outcome."""
    out.order_id = order_id
    out.price_ticks = price_ticks
    out.qty_lots = qty_lots
    out.leaves_lots = leaves_lots
    out.cum_lots = cum_lots


@inlined
def name_by_command(out, command):  # type: ignore[no-untyped-def]
    """Take the ClOrdID of an outcome from its command."""
    out.cl0 = command.cl0
    out.cl1 = command.cl1
    out.cl2 = command.cl2


@inlined
def name_by_order(out, s, order):  # type: ignore[no-untyped-def]
    """Take the ClOrdID of an outcome from its order."""
    out.cl0 = s.texts[order, 0]
    out.cl1 = s.texts[order, 1]
    out.cl2 = np.int32(s.texts[order, 2])


@inlined
def without_orig(out):  # type: ignore[no-untyped-def]
    """Leave the OrigClOrdID of an outcome empty."""
    out.orig0 = 0
    out.orig1 = 0
    out.orig2 = 0


@inlined
def own_by(out, owner):  # type: ignore[no-untyped-def]
    """Take side, account, instrument and session of an outcome from a command, an order, or the taker."""
    out.account = owner.account
    out.instrument = owner.instrument
    out.side = owner.side
    out.session = owner.session


@kernel
def emit_command(  # type: ignore[no-untyped-def]
    s, command, kind, reason, flags, session, order_id, price_ticks, qty_lots, leaves_lots, cum_lots
):
    """Append the answer to a command that is not about an order in the book: rejections, administration."""
    out = begin_outcome(s, command, np.int64(kind), np.int64(reason))
    set_amounts(
        out,
        np.int64(order_id),
        np.int64(price_ticks),
        np.int64(qty_lots),
        np.int64(leaves_lots),
        np.int64(cum_lots),
    )
    own_by(out, command)
    out.session = session
    name_by_command(out, command)
    if command.kind == KIND_NEW:
        without_orig(out)
    else:
        out.orig0 = command.orig0
        out.orig1 = command.orig1
        out.orig2 = command.orig2
    out.trade_index = 0
    out.flags = flags | OUTFLAG_ANSWER
    if reason != REASON_NONE:
        s.words[MW_REASON_COUNTS + reason] += 1


@kernel
def emit_request(s, command, order, kind, reason, price_ticks, qty_lots, leaves_lots):  # type: ignore[no-untyped-def]
    """Append the answer to a request on an order: the request's ClOrdID, the order's as the original."""
    record = s.orders[order]
    out = begin_outcome(s, command, np.int64(kind), np.int64(reason))
    set_amounts(
        out,
        np.int64(record.order_id),
        np.int64(price_ticks),
        np.int64(qty_lots),
        np.int64(leaves_lots),
        np.int64(record.cum_lots),
    )
    own_by(out, record)
    name_by_command(out, command)
    out.orig0 = s.texts[order, 0]
    out.orig1 = s.texts[order, 1]
    out.orig2 = np.int32(s.texts[order, 2])
    out.trade_index = 0
    out.flags = OUTFLAG_ANSWER
    if reason != REASON_NONE:
        s.words[MW_REASON_COUNTS + reason] += 1


@kernel
def emit_order(s, command, order, kind, reason, flags, qty_lots, leaves_lots):  # type: ignore[no-untyped-def]
    """Append what happened to an order in the book without its owner's asking."""
    record = s.orders[order]
    out = begin_outcome(s, command, np.int64(kind), np.int64(reason))
    set_amounts(
        out,
        np.int64(record.order_id),
        price_of(s, order),
        np.int64(qty_lots),
        np.int64(leaves_lots),
        np.int64(record.cum_lots),
    )
    own_by(out, record)
    name_by_order(out, s, order)
    without_orig(out)
    out.trade_index = 0
    out.flags = flags
    if reason != REASON_NONE:
        s.words[MW_REASON_COUNTS + reason] += 1


@inlined
def set_taker(out, t):  # type: ignore[no-untyped-def]
    """Identify an outcome by the order that trades."""
    own_by(out, t)
    out.cl0 = t.cl0
    out.cl1 = t.cl1
    out.cl2 = np.int32(t.cl2)
    without_orig(out)


@kernel
def emit_taker(s, command, kind, reason, flags, qty_lots, leaves_lots):  # type: ignore[no-untyped-def]
    """Append what happened to the order that trades, other than a trade."""
    t = s.taker[0]
    out = begin_outcome(s, command, np.int64(kind), np.int64(reason))
    set_amounts(
        out,
        np.int64(t.order_id),
        np.int64(t.price_ticks),
        np.int64(qty_lots),
        np.int64(leaves_lots),
        np.int64(t.cum_lots),
    )
    set_taker(out, t)
    out.trade_index = 0
    out.flags = flags
    if reason != REASON_NONE:
        s.words[MW_REASON_COUNTS + reason] += 1


@inlined
def emit_taker_fill(s, command, t, price_ticks, qty_lots, leaves_lots, cum_lots, trade_index):  # type: ignore[no-untyped-def]
    """Append the taker's side of a trade."""
    out = begin_outcome(s, command, np.int64(OUT_FILLED), np.int64(REASON_NONE))
    set_amounts(
        out,
        np.int64(t.order_id),
        np.int64(price_ticks),
        np.int64(qty_lots),
        np.int64(leaves_lots),
        np.int64(cum_lots),
    )
    set_taker(out, t)
    out.trade_index = trade_index
    out.flags = OUTFLAG_TAKER
    s.words[MW_TRADES] += 1


@inlined
def emit_maker_fill(s, command, order, price_ticks, qty_lots, trade_index):  # type: ignore[no-untyped-def]
    """Append the maker's side of a trade; its leaves and cum are already those after it."""
    record = s.orders[order]
    out = begin_outcome(s, command, np.int64(OUT_FILLED), np.int64(REASON_NONE))
    set_amounts(
        out,
        np.int64(record.order_id),
        np.int64(price_ticks),
        np.int64(qty_lots),
        leaves_of(s, order),
        np.int64(record.cum_lots),
    )
    own_by(out, record)
    name_by_order(out, s, order)
    without_orig(out)
    out.trade_index = trade_index
    out.flags = OUTFLAG_MAKER
