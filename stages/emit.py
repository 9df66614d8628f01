"""How matching writes outcomes: into ``pending``, identified by the command or by the order they are about.

Each outcome is one 128-byte slot of protocols.layouts.OUTCOME, all of whose fields are set here. The counters
by type and reason rise with them. Callers pass int64 throughout: one compiled version of each function.
"""

from __future__ import annotations

import numpy as np

from protocols.codes import OUT_FILLED, OUTFLAG_MAKER, OUTFLAG_TAKER, REASON_NONE
from ringbuffer.kernel import inlined, kernel
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
def name_by_command(out, command, session):  # type: ignore[no-untyped-def]
    """Identify an outcome by its command: texts, side, account, instrument."""
    out.account = command.account
    out.instrument = command.instrument
    out.side = command.side
    out.session = session
    out.cl0 = command.cl0
    out.cl1 = command.cl1
    out.cl2 = command.cl2
    out.orig0 = command.orig0
    out.orig1 = command.orig1
    out.orig2 = command.orig2
    out.trade_index = 0


@inlined
def own_by_order(out, record):  # type: ignore[no-untyped-def]
    """Take side, account, instrument and session of an outcome from its order."""
    out.account = record.account
    out.instrument = record.instrument
    out.side = record.side
    out.session = record.session


@kernel
def emit_command(  # type: ignore[no-untyped-def]
    s, command, kind, reason, flags, session, order_id, price_ticks, qty_lots, leaves_lots, cum_lots
):
    """Append an outcome that is identified by the command alone (acceptances, rejections, expiries)."""
    out = begin_outcome(s, command, np.int64(kind), np.int64(reason))
    set_amounts(
        out,
        np.int64(order_id),
        np.int64(price_ticks),
        np.int64(qty_lots),
        np.int64(leaves_lots),
        np.int64(cum_lots),
    )
    name_by_command(out, command, session)
    out.flags = flags
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
    own_by_order(out, record)
    out.cl0 = command.cl0
    out.cl1 = command.cl1
    out.cl2 = command.cl2
    out.orig0 = s.texts[order, 0]
    out.orig1 = s.texts[order, 1]
    out.orig2 = record.cl2
    out.trade_index = 0
    out.flags = 0
    if reason != REASON_NONE:
        s.words[MW_REASON_COUNTS + reason] += 1


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
        np.int64(record.leaves_lots),
        np.int64(record.cum_lots),
    )
    own_by_order(out, record)
    out.cl0 = s.texts[order, 0]
    out.cl1 = s.texts[order, 1]
    out.cl2 = record.cl2
    out.orig0 = 0
    out.orig1 = 0
    out.orig2 = 0
    out.trade_index = trade_index
    out.flags = OUTFLAG_MAKER


@inlined
def emit_taker_fill(  # type: ignore[no-untyped-def]
    s,
    command,
    order_id,
    side,
    account,
    instrument,
    session,
    price_ticks,
    qty_lots,
    leaves_lots,
    cum_lots,
    trade_index,
):
    """Append the taker's side of a trade."""
    out = begin_outcome(s, command, np.int64(OUT_FILLED), np.int64(REASON_NONE))
    set_amounts(
        out,
        np.int64(order_id),
        np.int64(price_ticks),
        np.int64(qty_lots),
        np.int64(leaves_lots),
        np.int64(cum_lots),
    )
    out.account = account
    out.instrument = instrument
    out.side = side
    out.session = session
    out.cl0 = command.cl0
    out.cl1 = command.cl1
    out.cl2 = command.cl2
    out.orig0 = 0
    out.orig1 = 0
    out.orig2 = 0
    out.trade_index = trade_index
    out.flags = OUTFLAG_TAKER
    s.words[MW_TRADES] += 1
