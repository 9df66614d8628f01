"""Feedback: how outcomes of matching change what accounts and their orders hold ("Feedback" of docs/rules.md).

Outcomes come from the output ring and wait in the queue ``feed`` until a command's stamp says that they count. Only
the risk stage calls these. Money is int64 millionths; one fill's is at most 2^60; cash is exact (:mod:`stages.cash`).
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
from ringbuffer.native import prefetch, prefetch_line
from stages.cash import change_cash
from stages.collars import note_trade
from stages.fees import fee_of
from stages.hashing import home_cell, map_find
from stages.marks import mark_position
from stages.money import MAX_AMOUNT, MAX_CASH, money_of
from stages.rates import count_execution
from stages.reservations import release, reserve, shrink
from stages.state import ACCOUNT_EXECUTIONS, INSTRUMENT_HAS_FEES, MANY_POSITIONS
from stages.state_words import (
    RW_FEED_HEAD,
    RW_FEED_HIGH,
    RW_FEED_TAIL,
    RW_OUT_CURSOR,
    RW_POSITIONS,
    RW_SEEN,
)
from stages.topology import CUR_OUTPUT_RISK, CUR_WRITER

__all__ = ["apply_feed", "drain_output"]

MAX_TRADED = MAX_CASH  # money of the fills of a day that is counted
MAX_FILLS = 1 << 41


@inlined
def count_fill(s, account, money):  # type: ignore[no-untyped-def]
    """Count a fill of the day."""
    account.traded = min(np.int64(account.traded) + money, np.int64(MAX_TRADED))
    account.fills = min(np.int64(account.fills) + 1, np.int64(MAX_FILLS))
    firm_id = np.int64(account.firm)
    if firm_id != 0:
        firm = s.firms[firm_id]
        firm.traded = min(np.int64(firm.traded) + money, np.int64(MAX_TRADED))


@inlined
def settle_fill(s, order, fill):  # type: ignore[no-untyped-def]
    """Turn a fill into position, cash and fees, and shrink the reservation."""
    record = s.orders[order]
    qty = np.int64(fill.qty_lots)
    row = np.int64(record.position)
    position = s.positions[row]
    account_id = np.int64(position.account)
    account = s.accounts[account_id]
    instrument = s.instruments[np.int64(position.instrument)]
    tick_value = np.int64(instrument.tick_value)
    money = money_of(np.int64(fill.price_ticks), tick_value, qty, np.int64(MAX_AMOUNT))
    if money < 0:
        money = np.int64(MAX_AMOUNT)
    record.leaves_lots -= qty
    record.cum_lots += qty
    change = money
    if record.side == SIDE_BUY:
        position.position_lots += qty
        change = -money
    else:
        position.position_lots -= qty
    if np.int64(instrument.marks) & INSTRUMENT_HAS_FEES == 0:
        change_cash(s, account, change)
    else:
        fee = fee_of(instrument, money, np.int64(fill.flags), np.int64(record.fee_cap))
        change_cash(s, account, change - fee)
        change_cash(s, s.accounts[np.int64(instrument.fee_account)], fee)
    count_fill(s, account, money)
    mark_position(s, row)
    if np.int64(account.marks) & ACCOUNT_EXECUTIONS != 0:
        count_execution(s, account_id, np.int64(fill.time_ns), np.int64(fill.flags))
    if fill.leaves_lots == 0:
        release(s, order, account, position, tick_value)
    else:
        shrink(s, order, account, position, tick_value, qty)


@inlined
def settle_change(s, order, account, position, tick_value, fed):  # type: ignore[no-untyped-def]
    """Take in that an order was replaced, reduced or repriced, or that a replace was refused."""
    record = s.orders[order]
    kind = np.int64(fed.type)
    if kind == OUT_REPLACED:
        record.leaves_lots = fed.leaves_lots
    if fed.price_ticks != 0 and kind != OUT_REJECTED:
        record.price_ticks = fed.price_ticks
    if fed.kind == KIND_REPLACE and fed.flags & OUTFLAG_UNSOLICITED == 0:
        record.pending -= 1
    if record.pending == 0:
        price = min(np.int64(record.res_price), np.int64(record.price_ticks))
        lots = np.int64(record.leaves_lots)
        reserve(s, order, account, position, tick_value, lots, price, np.int64(record.fee_cap))


@inlined
def apply_outcome(s, fed):  # type: ignore[no-untyped-def]
    """Apply one outcome of matching."""
    kind = np.int64(fed.type)
    if kind == OUT_FILLED:
        instrument = s.instruments[np.int64(fed.instrument)]
        instrument.last_ticks = fed.price_ticks
        note_trade(instrument, np.int64(fed.price_ticks), np.int64(fed.time_ns))
    order = map_find(s.order_map, s.order_keys, np.int64(fed.order_id))
    if order >= 0:
        if kind == OUT_FILLED:
            settle_fill(s, order, fed)
            return
        position = s.positions[np.int64(s.orders[order].position)]
        account = s.accounts[np.int64(position.account)]
        tick_value = np.int64(s.instruments[np.int64(position.instrument)].tick_value)
        if kind == OUT_CANCELLED or kind == OUT_EXPIRED or (fed.flags & OUTFLAG_NEW) != 0:
            release(s, order, account, position, tick_value)
        else:
            settle_change(s, order, account, position, tick_value, fed)


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
    has_many = s.words[RW_POSITIONS] >= MANY_POSITIONS
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
            if has_many:
                prefetch_line(s.accounts, np.int64(out.account), 0)
                prefetch_line(s.accounts, np.int64(out.account), 1)
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
            fed.time_ns = out.time_ns
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
