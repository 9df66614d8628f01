"""What an account and its orders hold: reservations, positions, cash, and how outcomes of matching change them.

Outcomes come from the output ring and wait in the queue ``feed`` until a command's stamp says that they count
("Feedback" of docs/rules.md). Only the risk stage calls these. Money is int64 millionths; sums stay below 2**63
because limits are at most 2**60 and cash is kept within 2**61.
"""

from __future__ import annotations

import numpy as np

from protocols.codes import (
    KIND_REPLACE,
    OUT_ACCEPTED,
    OUT_CANCELLED,
    OUT_EXPIRED,
    OUT_FILLED,
    OUT_REJECTED,
    OUT_REPLACED,
    OUT_TRIGGERED,
    OUTFLAG_NEW,
    OUTFLAG_REPRICED,
    OUTFLAG_RISK,
    OUTFLAG_UNSOLICITED,
    SIDE_BUY,
)
from ringbuffer.atomics import load_acquire, store_release
from ringbuffer.kernel import inlined, kernel
from ringbuffer.native import prefetch
from stages.hashing import home_cell, map_find, map_remove
from stages.state_words import (
    RW_FEED_HEAD,
    RW_FEED_HIGH,
    RW_FEED_TAIL,
    RW_ORDERS_FREE,
    RW_OUT_CURSOR,
    RW_SEEN,
)
from stages.topology import CUR_OUTPUT_RISK, CUR_WRITER

MAX_LIMIT = 1 << 60
MAX_CASH = 1 << 61


@inlined
def money_of(price_ticks, tick_value, qty_lots, most):  # type: ignore[no-untyped-def]
    """Return price × tick value × quantity, or -1 if that is more than ``most``; never overflows."""
    if price_ticks > most // tick_value:
        return np.int64(-1)
    unit = np.int64(price_ticks) * np.int64(tick_value)
    if unit > 0 and qty_lots > most // unit:
        return np.int64(-1)
    return unit * np.int64(qty_lots)


@inlined
def reserve(s, order, res_lots, res_price):  # type: ignore[no-untyped-def]
    """Set an order's reservation and carry the difference into position and account."""
    record = s.orders[order]
    position = s.positions[np.int64(record.position)]
    old_lots = np.int64(record.res_lots)
    if record.side == SIDE_BUY:
        tick_value = np.int64(s.instruments[np.int64(position.instrument)].tick_value)
        account = s.accounts[np.int64(position.account)]
        account.reserved_buy += (res_lots * res_price - old_lots * np.int64(record.res_price)) * tick_value
        position.open_buy_lots += res_lots - old_lots
    else:
        position.open_sell_lots += res_lots - old_lots
    record.res_lots = res_lots
    record.res_price = res_price


@inlined
def release(s, order):  # type: ignore[no-untyped-def]
    """Free all that an order reserved, and its row."""
    record = s.orders[order]
    reserve(s, order, np.int64(0), np.int64(0))
    s.accounts[np.int64(s.positions[np.int64(record.position)].account)].open_orders -= 1
    map_remove(s.order_map, s.order_keys, np.int64(record.order_id))
    height = s.words[RW_ORDERS_FREE]
    s.order_stack[height] = order
    s.words[RW_ORDERS_FREE] = height + 1


@inlined
def settle_fill(s, order, fill):  # type: ignore[no-untyped-def]
    """Turn a fill into position and cash, and shrink the reservation."""
    record = s.orders[order]
    qty = np.int64(fill.qty_lots)
    position = s.positions[np.int64(record.position)]
    account = s.accounts[np.int64(position.account)]
    tick_value = np.int64(s.instruments[np.int64(position.instrument)].tick_value)
    amount = money_of(np.int64(fill.price_ticks), tick_value, qty, np.int64(MAX_LIMIT))
    if amount < 0:
        amount = np.int64(MAX_LIMIT)
    record.leaves_lots -= qty
    record.cum_lots += qty
    if record.side == SIDE_BUY:
        position.position_lots += qty
        account.cash = max(np.int64(account.cash) - amount, np.int64(-MAX_CASH))
    else:
        position.position_lots -= qty
        account.cash = min(np.int64(account.cash) + amount, np.int64(MAX_CASH))
    if fill.leaves_lots == 0:
        release(s, order)
    else:
        reserve(s, order, np.int64(record.res_lots) - qty, np.int64(record.res_price))


@inlined
def apply_outcome(s, fed):  # type: ignore[no-untyped-def]
    """Apply one outcome of matching."""
    kind = np.int64(fed.type)
    if kind == OUT_FILLED:
        s.instruments[np.int64(fed.instrument)].last_ticks = fed.price_ticks
    order = map_find(s.order_map, s.order_keys, np.int64(fed.order_id))
    if order >= 0:
        if kind == OUT_FILLED:
            settle_fill(s, order, fed)
        elif kind == OUT_CANCELLED or kind == OUT_EXPIRED or (fed.flags & OUTFLAG_NEW) != 0:
            release(s, order)
        else:
            record = s.orders[order]
            if kind == OUT_REPLACED:
                record.leaves_lots = fed.leaves_lots
            if fed.price_ticks != 0 and kind != OUT_REJECTED:
                record.price_ticks = fed.price_ticks
            if fed.kind == KIND_REPLACE and fed.flags & OUTFLAG_UNSOLICITED == 0:
                record.pending -= 1
            if record.pending == 0:
                reserve(s, order, np.int64(record.leaves_lots), np.int64(record.price_ticks))


@kernel
def apply_feed(s, seen_seq):  # type: ignore[no-untyped-def]
    """Apply the queued outcomes of inputs up to ``seen_seq``."""
    mask = np.int64(s.feed.shape[0] - 1)
    head = s.words[RW_FEED_HEAD]
    tail = s.words[RW_FEED_TAIL]
    while head < tail and s.feed[head & mask].input_seq <= seen_seq:
        apply_outcome(s, s.feed[head & mask])
        head += 1
    if head == tail:
        head = np.int64(0)
        s.words[RW_FEED_TAIL] = 0
    s.words[RW_FEED_HEAD] = head
    s.words[RW_SEEN] = seen_seq
    return 0


@kernel
def drain_output(s, out_words, out_slots):  # type: ignore[no-untyped-def]
    """Move what matching published into the private queue; return how many outcomes, -1 if it overflows."""
    # pairs with matching's store_release of the output cursor
    published = load_acquire(out_words, CUR_WRITER)
    cursor = s.words[RW_OUT_CURSOR]
    if published == cursor:
        return np.int64(0)
    count = published - cursor
    mask = np.int64(out_slots.shape[0] - 1)
    feed_mask = np.int64(s.feed.shape[0] - 1)
    order_mask = np.int64(s.order_map.shape[0] - 1)
    tail = s.words[RW_FEED_TAIL]
    while cursor < published:
        cursor += 1
        out = out_slots[cursor & mask]
        kind = np.int64(out.type)
        relevant = kind < OUT_TRIGGERED and (out.flags & OUTFLAG_RISK) == 0
        if kind == OUT_ACCEPTED and (out.flags & OUTFLAG_REPRICED) == 0:
            relevant = False
        if kind == OUT_REJECTED and (out.flags & OUTFLAG_NEW) == 0 and out.kind != KIND_REPLACE:
            relevant = False
        if relevant:
            prefetch(
                s.order_map, home_cell(np.int64(out.order_id), order_mask)
            )  # looked up when it is applied
            fed = s.feed[tail & feed_mask]
            fed.input_seq = out.input_seq
            fed.order_id = out.order_id
            fed.price_ticks = out.price_ticks
            fed.qty_lots = out.qty_lots
            fed.leaves_lots = out.leaves_lots
            fed.instrument = out.instrument
            fed.type = out.type
            fed.kind = out.kind
            fed.flags = out.flags
            tail += 1
    s.words[RW_FEED_TAIL] = tail
    s.words[RW_OUT_CURSOR] = cursor
    held = tail - s.words[RW_FEED_HEAD]
    if held > s.words[RW_FEED_HIGH]:
        s.words[RW_FEED_HIGH] = held
    if held > feed_mask:
        return np.int64(-1)
    # pairs with matching's load_acquire when it looks for room
    store_release(out_words, CUR_OUTPUT_RISK, cursor)
    return count
