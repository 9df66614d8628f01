"""The risk stage: pre-trade controls before matching, fills fed back behind it. Implements "Risk" of docs/rules.md.

A verdict is a pure function of the journal. Each command carries ``seen_seq``, the matching cursor that
ingest observed when it sequenced the command; risk applies the outcomes of exactly the inputs up to there,
then decides. Outcomes arrive earlier than they may be applied, so they are drained from the output ring into
the private queue ``feed`` at once: risk can never wedge matching. The queue cannot overflow: it holds
only outcomes that end or fill an order or answer a request in flight, and each fill ends an order, so twice
the orders plus the commands in flight bound it (:func:`stages.state.allocate_risk`).

Writes: verdicts, its cursors on the input and the output ring. All money is int64 millionths; sums stay
below 2**63 because limits are at most 2**60 and cash is kept within 2**61.
"""

from __future__ import annotations

import numpy as np

from protocols.codes import (
    FLAG_BOOK_ONLY,
    FLAG_OFF_LOT,
    FLAG_OFF_TICK,
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
    LIMIT_COUNT,
    LIMIT_CREDIT,
    LIMIT_MAX_LONG,
    LIMIT_MAX_OPEN_ORDERS,
    LIMIT_MAX_ORDER_NOTIONAL,
    LIMIT_MAX_ORDER_QTY,
    LIMIT_MAX_SHORT,
    OUT_ACCEPTED,
    OUT_CANCELLED,
    OUT_EXPIRED,
    OUT_FILLED,
    OUT_REJECTED,
    OUT_REPLACED,
    OUTFLAG_NEW,
    OUTFLAG_RISK,
    REASON_ACCOUNT_KILLED,
    REASON_CREDIT_LIMIT,
    REASON_CURRENCY_MISMATCH,
    REASON_DUPLICATE_CL_ORD_ID,
    REASON_INVALID_COMMAND,
    REASON_INVALID_PRICE,
    REASON_INVALID_QTY,
    REASON_INVALID_SIDE,
    REASON_MAX_OPEN_ORDERS,
    REASON_MAX_ORDER_NOTIONAL,
    REASON_MAX_ORDER_QTY,
    REASON_MISSING_CL_ORD_ID,
    REASON_NO_REFERENCE_PRICE,
    REASON_NO_ROOM,
    REASON_NONE,
    REASON_ORDER_MISMATCH,
    REASON_POSITION_LIMIT,
    REASON_PRICE_NOT_ON_TICK,
    REASON_PRICE_OUT_OF_BAND,
    REASON_QTY_BELOW_EXECUTED,
    REASON_QTY_NOT_ON_LOT,
    REASON_TOO_LATE,
    REASON_UNKNOWN_ACCOUNT,
    REASON_UNKNOWN_INSTRUMENT,
    REASON_UNKNOWN_ORDER,
    REASON_UNKNOWN_SESSION,
    REASON_UNSUPPORTED_ORDER_TYPE,
    REASON_UNSUPPORTED_TIF,
    SIDE_BUY,
    SIDE_SELL,
    TIF_DAY,
    TIF_FOK,
    TIF_GTC,
    TYPE_DIRECTED,
    TYPE_LIMIT,
    TYPE_MARKET,
)
from ringbuffer.atomics import load_acquire, store_release
from ringbuffer.kernel import inlined, kernel
from stages.hashing import map_find, map_insert, map_remove, text_find, text_insert
from stages.state_words import (
    RW_CL_IDS,
    RW_CURSOR,
    RW_FEED_HEAD,
    RW_FEED_HIGH,
    RW_FEED_TAIL,
    RW_ORDERS_FREE,
    RW_ORDERS_USED,
    RW_OUT_CURSOR,
    RW_POSITIONS,
    RW_SEEN,
    RW_SESSIONS,
)
from stages.topology import CUR_INPUT_MATCHING, CUR_INPUT_RISK, CUR_OUTPUT_RISK, CUR_WRITER

MAX_LIMIT = 1 << 60
MAX_CASH = 1 << 61
MAX_TICK_VALUE = 1 << 40
PUBLISH_EVERY = 16


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
                record.price_ticks = fed.price_ticks
            if fed.kind == KIND_REPLACE:
                record.pending -= 1
            if (kind == OUT_REPLACED or fed.kind == KIND_REPLACE) and record.pending == 0:
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
    tail = s.words[RW_FEED_TAIL]
    while cursor < published:
        cursor += 1
        out = out_slots[cursor & mask]
        kind = np.int64(out.type)
        relevant = kind != OUT_ACCEPTED and (out.flags & OUTFLAG_RISK) == 0
        if kind == OUT_REJECTED and (out.flags & OUTFLAG_NEW) == 0 and out.kind != KIND_REPLACE:
            relevant = False
        if relevant:
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


@inlined
def session_is_open(s, session):  # type: ignore[no-untyped-def]
    """Tell whether a session id is known and open."""
    return 0 < session <= s.words[RW_SESSIONS] and s.sessions[session].is_open != 0


@inlined
def check_qty(command):  # type: ignore[no-untyped-def]
    """Judge a quantity."""
    if (np.int64(command.flags) & FLAG_OFF_LOT) != 0:
        return REASON_QTY_NOT_ON_LOT
    if command.qty_lots <= 0:
        return REASON_INVALID_QTY
    return REASON_NONE


@inlined
def check_price(command, instrument):  # type: ignore[no-untyped-def]
    """Judge a limit price."""
    price = np.int64(command.price_ticks)
    if (np.int64(command.flags) & FLAG_OFF_TICK) != 0:
        return REASON_PRICE_NOT_ON_TICK
    if price <= 0:
        return REASON_INVALID_PRICE
    if price < instrument.low_ticks or (instrument.high_ticks != 0 and price > instrument.high_ticks):
        return REASON_PRICE_OUT_OF_BAND
    return REASON_NONE


@inlined
def check_exposure(s, account_id, position_lots, open_lots, side, more_lots):  # type: ignore[no-untyped-def]
    """Judge the worst-case position if ``more_lots`` are added to the open orders of a side."""
    if side == SIDE_BUY:
        return position_lots + open_lots + more_lots <= s.limits[account_id, LIMIT_MAX_LONG]
    return open_lots - position_lots + more_lots <= s.limits[account_id, LIMIT_MAX_SHORT]


@inlined
def has_cl_ord_id(command):  # type: ignore[no-untyped-def]
    """Tell whether a command names itself."""
    return command.cl0 != 0 or command.cl1 != 0 or command.cl2 != 0


@inlined
def has_orig(command):  # type: ignore[no-untyped-def]
    """Tell whether a command names another order by ClOrdID."""
    return command.orig0 != 0 or command.orig1 != 0 or command.orig2 != 0


@inlined
def is_duplicate(s, command, session):  # type: ignore[no-untyped-def]
    """Tell whether a session used this ClOrdID before."""
    return text_find(s.cl_map, s.cl_entries, command.cl0, command.cl1, command.cl2, session) >= 0


@inlined
def resolve_orig(s, command, session):  # type: ignore[no-untyped-def]
    """Return the order id that (session, orig) names, 0 if it was never used."""
    row = text_find(s.cl_map, s.cl_entries, command.orig0, command.orig1, command.orig2, session)
    return np.int64(0) if row < 0 else np.int64(s.cl_entries[row].order_id)


@inlined
def use_cl_ord_id(s, command, session, order_id):  # type: ignore[no-untyped-def]
    """Mark a ClOrdID as used and let it name an order."""
    row = s.words[RW_CL_IDS]
    entry = s.cl_entries[row]
    entry.cl0 = command.cl0
    entry.cl1 = command.cl1
    entry.cl2 = command.cl2
    entry.session = session
    entry.order_id = order_id
    text_insert(s.cl_map, command.cl0, command.cl1, command.cl2, session, row)
    s.words[RW_CL_IDS] = row + 1


@inlined
def position_key(account, instrument):  # type: ignore[no-untyped-def]
    """Return the map key of a position; never 0."""
    return (np.int64(account) << 20) ^ np.int64(instrument)


@inlined
def check_terms(command):  # type: ignore[no-untyped-def]
    """Judge side, order type, time in force and their combination."""
    ord_type = np.int64(command.ord_type)
    tif = np.int64(command.tif)
    if command.side != SIDE_BUY and command.side != SIDE_SELL:
        return REASON_INVALID_SIDE
    if ord_type != TYPE_MARKET and ord_type != TYPE_LIMIT and ord_type != TYPE_DIRECTED:
        return REASON_UNSUPPORTED_ORDER_TYPE
    if tif < TIF_GTC or tif > TIF_FOK:
        return REASON_UNSUPPORTED_TIF
    if (np.int64(command.flags) & FLAG_BOOK_ONLY) != 0 and (
        ord_type != TYPE_LIMIT or (tif != TIF_GTC and tif != TIF_DAY)
    ):
        return REASON_UNSUPPORTED_ORDER_TYPE
    return REASON_NONE


@kernel
def judge_new(s, command, verdict):  # type: ignore[no-untyped-def]
    """Decide a NEW and, if it passes, reserve what it may use; return the reason."""
    session = np.int64(command.session)
    instrument_id = np.int64(command.instrument)
    account_id = np.int64(command.account)
    if not session_is_open(s, session):
        return REASON_UNKNOWN_SESSION
    if not has_cl_ord_id(command):
        return REASON_MISSING_CL_ORD_ID
    if is_duplicate(s, command, session):
        return REASON_DUPLICATE_CL_ORD_ID
    if not (0 < instrument_id < s.instruments.shape[0]) or s.instruments[instrument_id].known == 0:
        return REASON_UNKNOWN_INSTRUMENT
    if not (0 < account_id < s.accounts.shape[0]) or s.accounts[account_id].known == 0:
        return REASON_UNKNOWN_ACCOUNT
    instrument = s.instruments[instrument_id]
    account = s.accounts[account_id]
    if account.killed != 0:
        return REASON_ACCOUNT_KILLED
    reason = check_terms(command)
    if reason != REASON_NONE:
        return reason
    reason = check_qty(command)
    if reason != REASON_NONE:
        return reason
    price = np.int64(command.price_ticks)
    if command.ord_type == TYPE_MARKET:
        price = np.int64(instrument.high_ticks)
        if price == 0:
            price = np.int64(instrument.last_ticks)
        if price == 0:
            return REASON_NO_REFERENCE_PRICE
    else:
        reason = check_price(command, instrument)
        if reason != REASON_NONE:
            return reason
    if account.currency != instrument.currency:
        return REASON_CURRENCY_MISMATCH
    side = np.int64(command.side)
    qty = np.int64(command.qty_lots)
    if qty > s.limits[account_id, LIMIT_MAX_ORDER_QTY]:
        return REASON_MAX_ORDER_QTY
    notional = money_of(
        price, np.int64(instrument.tick_value), qty, s.limits[account_id, LIMIT_MAX_ORDER_NOTIONAL]
    )
    if notional < 0:
        return REASON_MAX_ORDER_NOTIONAL
    if account.open_orders >= s.limits[account_id, LIMIT_MAX_OPEN_ORDERS]:
        return REASON_MAX_OPEN_ORDERS
    key = position_key(account_id, instrument_id)
    row = map_find(s.position_map, s.position_keys, key)
    held = np.int64(0)
    open_lots = np.int64(0)
    if row >= 0:
        position = s.positions[row]
        held = np.int64(position.position_lots)
        open_lots = (
            np.int64(position.open_buy_lots) if side == SIDE_BUY else np.int64(position.open_sell_lots)
        )
    if not check_exposure(s, account_id, held, open_lots, side, qty):
        return REASON_POSITION_LIMIT
    if (
        side == SIDE_BUY
        and account.reserved_buy + notional - account.cash > s.limits[account_id, LIMIT_CREDIT]
    ):
        return REASON_CREDIT_LIMIT
    if command.ord_type == TYPE_DIRECTED:
        target = np.int64(command.order_id)
        if target == 0:
            target = resolve_orig(s, command, session)
        if target == 0:
            return REASON_UNKNOWN_ORDER
        verdict.order_id = target
    if s.words[RW_ORDERS_FREE] == 0 and s.words[RW_ORDERS_USED] >= s.orders.shape[0]:
        return REASON_NO_ROOM
    if row < 0 and s.words[RW_POSITIONS] >= s.positions.shape[0]:
        return REASON_NO_ROOM
    if s.words[RW_CL_IDS] >= s.cl_entries.shape[0]:
        return REASON_NO_ROOM
    order_id = np.int64(command.seq)
    use_cl_ord_id(s, command, session, order_id)
    if row < 0:
        row = s.words[RW_POSITIONS]
        s.words[RW_POSITIONS] = row + 1
        fresh = s.positions[row]
        fresh.key = key
        fresh.account = account_id
        fresh.instrument = instrument_id
        map_insert(s.position_map, key, row)
    height = s.words[RW_ORDERS_FREE]
    if height > 0:
        order = np.int64(s.order_stack[height - 1])
        s.words[RW_ORDERS_FREE] = height - 1
    else:
        order = s.words[RW_ORDERS_USED]
        s.words[RW_ORDERS_USED] = order + 1
    record = s.orders[order]
    record.order_id = order_id
    record.leaves_lots = qty
    record.cum_lots = 0
    record.price_ticks = price
    record.res_lots = 0
    record.res_price = 0
    record.position = row
    record.pending = 0
    record.session = session
    record.side = side
    map_insert(s.order_map, order_id, order)
    account.open_orders += 1
    reserve(s, order, qty, price)
    return REASON_NONE


@inlined
def resolve_target(s, command, session, verdict):  # type: ignore[no-untyped-def]
    """Put the order that a request names into its verdict; return the reason if it names none."""
    target = np.int64(command.order_id)
    if target == 0:
        if not has_orig(command):
            return REASON_MISSING_CL_ORD_ID
        target = resolve_orig(s, command, session)
        if target == 0:
            return REASON_UNKNOWN_ORDER
    verdict.order_id = target
    return REASON_NONE


@kernel
def judge_cancel(s, command, verdict):  # type: ignore[no-untyped-def]
    """Decide a CANCEL or REDUCE; return the reason."""
    session = np.int64(command.session)
    if not session_is_open(s, session):
        return REASON_UNKNOWN_SESSION
    reason = resolve_target(s, command, session, verdict)
    if reason == REASON_NONE and command.kind == KIND_REDUCE:
        reason = check_qty(command)
    return reason


@kernel
def judge_replace(s, command, verdict):  # type: ignore[no-untyped-def]
    """Decide a REPLACE and, if it passes, reserve the larger of old and new; return the reason."""
    session = np.int64(command.session)
    if not session_is_open(s, session):
        return REASON_UNKNOWN_SESSION
    if not has_cl_ord_id(command):
        return REASON_MISSING_CL_ORD_ID
    if is_duplicate(s, command, session):
        return REASON_DUPLICATE_CL_ORD_ID
    reason = resolve_target(s, command, session, verdict)
    if reason != REASON_NONE:
        return reason
    target = np.int64(verdict.order_id)
    order = map_find(s.order_map, s.order_keys, target)
    if order < 0 or s.orders[order].session != session:
        return REASON_TOO_LATE if command.order_id == 0 else REASON_UNKNOWN_ORDER
    record = s.orders[order]
    position = s.positions[np.int64(record.position)]
    instrument = s.instruments[np.int64(position.instrument)]
    account_id = np.int64(position.account)
    account = s.accounts[account_id]
    side = np.int64(record.side)
    if (
        (command.instrument != 0 and command.instrument != position.instrument)
        or (command.side != 0 and command.side != side)
        or (command.account != 0 and command.account != account_id)
    ):
        return REASON_ORDER_MISMATCH
    if account.killed != 0:
        return REASON_ACCOUNT_KILLED
    reason = check_qty(command)
    if reason != REASON_NONE:
        return reason
    reason = check_price(command, instrument)
    if reason != REASON_NONE:
        return reason
    qty = np.int64(command.qty_lots)
    price = np.int64(command.price_ticks)
    tick_value = np.int64(instrument.tick_value)
    if qty <= record.cum_lots:
        return REASON_QTY_BELOW_EXECUTED
    if qty > s.limits[account_id, LIMIT_MAX_ORDER_QTY]:
        return REASON_MAX_ORDER_QTY
    if money_of(price, tick_value, qty, s.limits[account_id, LIMIT_MAX_ORDER_NOTIONAL]) < 0:
        return REASON_MAX_ORDER_NOTIONAL
    old_lots = np.int64(record.res_lots)
    new_lots = max(old_lots, qty - np.int64(record.cum_lots))
    new_price = max(np.int64(record.res_price), price)
    open_lots = np.int64(position.open_buy_lots) if side == SIDE_BUY else np.int64(position.open_sell_lots)
    if new_lots > old_lots and not check_exposure(
        s, account_id, np.int64(position.position_lots), open_lots, side, new_lots - old_lots
    ):
        return REASON_POSITION_LIMIT
    if side == SIDE_BUY:
        new_money = money_of(new_price, tick_value, new_lots, np.int64(MAX_LIMIT))
        if new_money < 0:
            return REASON_CREDIT_LIMIT
        more = new_money - old_lots * np.int64(record.res_price) * tick_value
        if more > 0 and account.reserved_buy + more - account.cash > s.limits[account_id, LIMIT_CREDIT]:
            return REASON_CREDIT_LIMIT
    if s.words[RW_CL_IDS] >= s.cl_entries.shape[0]:
        return REASON_NO_ROOM
    use_cl_ord_id(s, command, session, target)
    record.pending += 1
    reserve(s, order, new_lots, new_price)
    return REASON_NONE


@inlined
def open_session(s, command, verdict):  # type: ignore[no-untyped-def]
    """Give a session name its id, the same as ever; return the reason."""
    if not has_cl_ord_id(command):
        return REASON_INVALID_COMMAND
    known = s.words[RW_SESSIONS]
    session = np.int64(1)
    while session <= known:
        record = s.sessions[session]
        if record.name0 == command.cl0 and record.name1 == command.cl1 and record.name2 == command.cl2:
            break
        session += 1
    if session > known:
        if session >= s.sessions.shape[0]:
            return REASON_NO_ROOM
        fresh = s.sessions[session]
        fresh.name0 = command.cl0
        fresh.name1 = command.cl1
        fresh.name2 = command.cl2
        s.words[RW_SESSIONS] = session
    s.sessions[session].is_open = 1
    verdict.session = session
    return REASON_NONE


@inlined
def define_instrument(s, command):  # type: ignore[no-untyped-def]
    """Define an instrument or move its band; return the reason."""
    identity = np.int64(command.instrument)
    tick_value = np.int64(command.aux0)
    low = np.int64(command.order_id)
    high = np.int64(command.aux1)
    if not (0 < identity < s.instruments.shape[0]):
        return REASON_INVALID_COMMAND
    if command.cl0 == 0 or command.price_ticks <= 0 or command.qty_lots <= 0:
        return REASON_INVALID_COMMAND
    if tick_value <= 0 or tick_value > MAX_TICK_VALUE or low < 0 or high < 0 or (high != 0 and low > high):
        return REASON_INVALID_COMMAND
    record = s.instruments[identity]
    if record.known == 0:
        record.symbol0 = command.cl0
        record.symbol1 = command.cl1
        record.tick_e8 = command.price_ticks
        record.lot_e8 = command.qty_lots
        record.tick_value = tick_value
        record.currency = command.orig2
        record.known = 1
    elif (
        record.symbol0 != command.cl0
        or record.symbol1 != command.cl1
        or record.tick_e8 != command.price_ticks
        or record.lot_e8 != command.qty_lots
        or record.tick_value != tick_value
        or record.currency != command.orig2
    ):
        return REASON_INVALID_COMMAND
    record.low_ticks = low
    record.high_ticks = high
    return REASON_NONE


@inlined
def define_account(s, command):  # type: ignore[no-untyped-def]
    """Define an account; return the reason."""
    identity = np.int64(command.account)
    if not (0 < identity < s.accounts.shape[0]) or command.cl0 == 0:
        return REASON_INVALID_COMMAND
    record = s.accounts[identity]
    if record.known == 0:
        record.name0 = command.cl0
        record.name1 = command.cl1
        record.currency = command.orig2
        record.known = 1
    elif record.name0 != command.cl0 or record.name1 != command.cl1 or record.currency != command.orig2:
        return REASON_INVALID_COMMAND
    return REASON_NONE


@inlined
def is_known_account(s, account_id):  # type: ignore[no-untyped-def]
    """Tell whether an account id is defined."""
    return 0 < account_id < s.accounts.shape[0] and s.accounts[account_id].known != 0


@kernel
def administer(s, command, verdict):  # type: ignore[no-untyped-def]
    """Decide and carry out an administrative command; return the reason."""
    kind = np.int64(command.kind)
    account_id = np.int64(command.account)
    if kind == KIND_SESSION_OPEN:
        return open_session(s, command, verdict)
    if kind == KIND_SESSION_CLOSE:
        session = np.int64(command.session)
        if not session_is_open(s, session):
            return REASON_UNKNOWN_SESSION
        s.sessions[session].is_open = 0
        return REASON_NONE
    if kind == KIND_INSTRUMENT:
        return define_instrument(s, command)
    if kind == KIND_ACCOUNT:
        return define_account(s, command)
    if kind == KIND_LIMIT:
        which = np.int64(command.ord_type)
        if not is_known_account(s, account_id):
            return REASON_UNKNOWN_ACCOUNT
        if not (0 < which < LIMIT_COUNT) or command.qty_lots < 0 or command.qty_lots > MAX_LIMIT:
            return REASON_INVALID_COMMAND
        s.limits[account_id, which] = command.qty_lots
        return REASON_NONE
    if kind == KIND_KILL:
        if not is_known_account(s, account_id):
            return REASON_UNKNOWN_ACCOUNT
        if command.side != 1 and command.side != 2:
            return REASON_INVALID_SIDE
        s.accounts[account_id].killed = 1 if command.side == 1 else 0
        return REASON_NONE
    if kind == KIND_CHECKPOINT or kind == KIND_TICK or (kind == KIND_VENUE and command.seq == 1):
        return REASON_NONE
    return REASON_INVALID_COMMAND


@inlined
def judge(s, command, verdict):  # type: ignore[no-untyped-def]
    """Write the verdict on one command."""
    kind = np.int64(command.kind)
    verdict.order_id = 0
    verdict.session = command.session
    if kind == KIND_NEW:
        reason = judge_new(s, command, verdict)
        if reason != REASON_NONE:
            verdict.order_id = 0
    elif kind == KIND_CANCEL or kind == KIND_REDUCE:
        reason = judge_cancel(s, command, verdict)
    elif kind == KIND_REPLACE:
        reason = judge_replace(s, command, verdict)
    else:
        reason = administer(s, command, verdict)
    verdict.reason = reason


@kernel
def risk_step(in_words, in_slots, verdicts, out_words, out_slots, s, budget):  # type: ignore[no-untyped-def]
    """Judge up to ``budget`` commands; return how much progress was made, -1 if the feedback overflowed."""
    mask = np.int64(in_slots.shape[0] - 1)
    # pairs with ingest's store_release of the input cursor; the stamps in those commands were taken before it
    available = load_acquire(in_words, CUR_WRITER)
    # then matching's input cursor, then the outcomes up to it: what a stamp names is in the queue
    matched = load_acquire(in_words, CUR_INPUT_MATCHING)
    progress = drain_output(s, out_words, out_slots)
    if progress < 0:
        return progress
    seq = s.words[RW_CURSOR]
    first = seq
    stop = min(available, seq + budget)
    while seq < stop:
        slot = (seq + 1) & mask
        command = in_slots[slot]
        seen_seq = np.int64(command.seen_seq)
        if seen_seq > matched:
            break  # only in replay, where the same worker has yet to match that far
        if seen_seq > s.words[RW_SEEN]:
            apply_feed(s, seen_seq)
        judge(s, command, verdicts[slot])
        seq += 1
        if (seq - first) & (PUBLISH_EVERY - 1) == 0:
            store_release(in_words, CUR_INPUT_RISK, seq)
    if seq != first:
        s.words[RW_CURSOR] = seq
        progress += seq - first
        # pairs with matching's load_acquire: the verdicts are complete up to here
        store_release(in_words, CUR_INPUT_RISK, seq)
    return progress
