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
    FLAG_OFF_TICK,
    KIND_BOOK_REQUEST,
    KIND_CANCEL,
    KIND_MASS_CANCEL,
    KIND_NEW,
    KIND_REDUCE,
    KIND_REPLACE,
    KIND_STATUS,
    LIMIT_CREDIT,
    LIMIT_MAX_OPEN_ORDERS,
    LIMIT_MAX_ORDER_NOTIONAL,
    LIMIT_MAX_ORDER_QTY,
    REASON_ACCOUNT_KILLED,
    REASON_CREDIT_LIMIT,
    REASON_CURRENCY_MISMATCH,
    REASON_DUPLICATE_CL_ORD_ID,
    REASON_INVALID_SIDE,
    REASON_INVALID_STOP_PRICE,
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
    REASON_QTY_BELOW_EXECUTED,
    REASON_TOO_LATE,
    REASON_UNKNOWN_ACCOUNT,
    REASON_UNKNOWN_INSTRUMENT,
    REASON_UNKNOWN_ORDER,
    REASON_UNKNOWN_SESSION,
    SIDE_BUY,
    SIDE_SELL,
    TYPE_DIRECTED,
    TYPE_MARKET,
    TYPE_STOP,
    TYPE_STOP_LIMIT,
    TYPE_TRAILING_STOP,
)
from ringbuffer.atomics import load_acquire, store_release
from ringbuffer.kernel import inlined, kernel
from ringbuffer.native import prefetch
from stages.addresses import address
from stages.administration import administer, is_known_account
from stages.checks import (
    MAX_STOP_TICKS,
    check_amounts,
    check_exposure,
    check_price,
    check_qty,
    check_terms,
    has_cl_ord_id,
    has_orig,
    is_duplicate,
    position_key,
    resolve_orig,
    session_is_open,
    use_cl_ord_id,
)
from stages.hashing import map_find, map_insert, text_home
from stages.ledger import MAX_LIMIT, apply_feed, drain_output, money_of, reserve
from stages.state_words import (
    RW_CL_IDS,
    RW_CURSOR,
    RW_ORDERS_FREE,
    RW_ORDERS_USED,
    RW_POSITIONS,
    RW_SEEN,
)
from stages.tick_tables import is_on_table
from stages.topology import CUR_INPUT_MATCHING, CUR_INPUT_RISK, CUR_WRITER

PUBLISH_EVERY = 16
LOOK_AHEAD = 16  # commands; about as many cache misses as a core can have in flight


@inlined
def is_priceless(ord_type):  # type: ignore[no-untyped-def]
    """Tell whether orders of a type have no limit price."""
    return ord_type == TYPE_MARKET or ord_type == TYPE_STOP or ord_type == TYPE_TRAILING_STOP


@inlined
def reference_price(instrument, stop_ticks):  # type: ignore[no-untyped-def]
    """Return the check price of an order without a limit; 0 if there is none."""
    if instrument.high_ticks != 0:
        return np.int64(instrument.high_ticks)
    return max(np.int64(instrument.last_ticks), stop_ticks)


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
    reason = check_amounts(command)
    if reason != REASON_NONE:
        return reason
    price = np.int64(command.price_ticks)
    ord_type = np.int64(command.ord_type)
    if is_priceless(ord_type):
        if ord_type != TYPE_MARKET and np.int64(command.flags) & FLAG_OFF_TICK != 0:
            return REASON_PRICE_NOT_ON_TICK
        stop_ticks = np.int64(command.aux0) if ord_type == TYPE_STOP else np.int64(0)
        price = reference_price(instrument, stop_ticks)
        if ord_type == TYPE_STOP and not is_on_table(s.tick_rows, instrument.tick_table, stop_ticks):
            return REASON_PRICE_NOT_ON_TICK
        if price == 0:
            return REASON_NO_REFERENCE_PRICE
    else:
        reason = check_price(s, command, instrument)
        if reason != REASON_NONE:
            return reason
        if ord_type == TYPE_STOP_LIMIT and not is_on_table(
            s.tick_rows, instrument.tick_table, np.int64(command.aux0)
        ):
            return REASON_PRICE_NOT_ON_TICK
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
    record.ord_type = ord_type
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
def judge_mass_cancel(s, command):  # type: ignore[no-untyped-def]
    """Decide a MASS_CANCEL; return the reason."""
    instrument = np.int64(command.instrument)
    account = np.int64(command.account)
    if command.session != 0 and not session_is_open(s, np.int64(command.session)):
        return REASON_UNKNOWN_SESSION
    if instrument != 0 and (
        not (0 < instrument < s.instruments.shape[0]) or s.instruments[instrument].known == 0
    ):
        return REASON_UNKNOWN_INSTRUMENT
    if account != 0 and not is_known_account(s, account):
        return REASON_UNKNOWN_ACCOUNT
    if command.side > SIDE_SELL:
        return REASON_INVALID_SIDE
    return REASON_NONE


@kernel
def judge_book_request(s, command):  # type: ignore[no-untyped-def]
    """Decide a BOOK_REQUEST; return the reason."""
    instrument = np.int64(command.instrument)
    if not session_is_open(s, np.int64(command.session)):
        return REASON_UNKNOWN_SESSION
    if not (0 < instrument < s.instruments.shape[0]) or s.instruments[instrument].known == 0:
        return REASON_UNKNOWN_INSTRUMENT
    return REASON_NONE


@kernel
def judge_cancel(s, command, verdict):  # type: ignore[no-untyped-def]
    """Decide a CANCEL, REDUCE or STATUS; return the reason."""
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
    price = np.int64(command.price_ticks)
    if is_priceless(record.ord_type):
        if np.int64(command.flags) & FLAG_OFF_TICK != 0:
            return REASON_PRICE_NOT_ON_TICK
        stop_ticks = np.int64(command.aux0) if record.ord_type == TYPE_STOP else np.int64(0)
        price = max(np.int64(record.price_ticks), reference_price(instrument, stop_ticks))
    else:
        reason = check_price(s, command, instrument)
        if reason != REASON_NONE:
            return reason
    if command.aux0 < 0 or command.aux0 > MAX_STOP_TICKS:
        return REASON_INVALID_STOP_PRICE
    has_stop_price = record.ord_type == TYPE_STOP or record.ord_type == TYPE_STOP_LIMIT
    if has_stop_price and not is_on_table(s.tick_rows, instrument.tick_table, np.int64(command.aux0)):
        return REASON_PRICE_NOT_ON_TICK
    qty = np.int64(command.qty_lots)
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
    if is_priceless(record.ord_type):
        record.price_ticks = price
    record.pending += 1
    reserve(s, order, new_lots, new_price)
    return REASON_NONE


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
    elif kind == KIND_CANCEL or kind == KIND_REDUCE or kind == KIND_STATUS:
        reason = judge_cancel(s, command, verdict)
    elif kind == KIND_REPLACE:
        reason = judge_replace(s, command, verdict)
    elif kind == KIND_MASS_CANCEL:
        reason = judge_mass_cancel(s, command)
    elif kind == KIND_BOOK_REQUEST:
        reason = judge_book_request(s, command)
    else:
        reason = administer(s, command, verdict)
    verdict.reason = reason
    address(s, command, verdict)


@inlined
def look_ahead(s, in_slots, first, count):  # type: ignore[no-untyped-def]
    """Fetch what the ``count`` commands from sequence ``first`` will look up: cells of the index, then entries.

    Decides nothing. A lookup in a large index misses every cache; here the misses of many commands overlap.
    """
    mask = np.int64(in_slots.shape[0] - 1)
    cl_mask = np.int64(s.cl_map.shape[0] - 1)
    for seq in range(first, first + count):
        command = in_slots[seq & mask]
        kind = np.int64(command.kind)
        session = np.int64(command.session)
        if kind == KIND_NEW or kind == KIND_REPLACE:
            prefetch(s.cl_map, text_home(command.cl0, command.cl1, command.cl2, session, cl_mask))
        if has_orig(command):
            prefetch(s.cl_map, text_home(command.orig0, command.orig1, command.orig2, session, cl_mask))
    for seq in range(first, first + count):
        command = in_slots[seq & mask]
        if has_orig(command):
            session = np.int64(command.session)
            cell = text_home(command.orig0, command.orig1, command.orig2, session, cl_mask)
            prefetch(s.cl_entries, max(np.int64(s.cl_map[cell]) - 1, np.int64(0)))


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
        if (seq - first) & (LOOK_AHEAD - 1) == 0:
            look_ahead(s, in_slots, seq + 1, min(stop - seq, np.int64(LOOK_AHEAD)))
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
