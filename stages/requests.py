"""What clients ask of orders in the book: cancel, reduce, replace, status, mass cancel (docs/matching-rules.md)."""

from __future__ import annotations

import numpy as np

from protocols.codes import (
    KIND_CANCEL,
    KIND_REDUCE,
    KIND_REPLACE,
    KIND_STATUS,
    OUT_CANCELLED,
    OUT_REJECTED,
    OUT_REPLACED,
    OUT_STATUS,
    OUTFLAG_UNSOLICITED,
    REASON_CLIENT_REQUEST,
    REASON_INVALID_DISPLAY_QTY,
    REASON_LIMIT_WARNING,
    REASON_MARKET_CLOSED,
    REASON_NO_ROOM,
    REASON_NONE,
    REASON_ORDER_MISMATCH,
    REASON_POST_ONLY_WOULD_TRADE,
    REASON_PRICE_OUT_OF_BAND,
    REASON_QTY_BELOW_EXECUTED,
    REASON_TOO_LATE,
    REASON_TRADING_HALTED,
    REASON_UNKNOWN_ORDER,
    STATE_CLOSED,
    STATE_CONTINUOUS,
    STATE_HALT,
    TYPE_STOP_LIMIT,
    TYPE_TRAILING_STOP,
)
from ringbuffer.kernel import inlined, kernel
from stages.bands import breached, halt_by_band, halts, limit_to_bands
from stages.book import best_level, dequeue, has_level_room, worse_level
from stages.book_feed import leave_book, lose_lots, tell_leaving
from stages.emit import emit_command, emit_order, emit_request
from stages.entry import NO_PRICE, expire_taker, post_price, stand, stand_where_due, taker_of_order
from stages.hashing import id_find
from stages.ladder import ladder_key
from stages.orders import (
    forget_order,
    leaves_of,
    name_order,
    price_of,
    special_row,
)
from stages.state import (
    MARK_MARKET,
    MARK_POST_ONLY,
    MARK_POST_REPRICE,
    MARK_SPECIAL,
    MARK_STOP,
    MARK_WAITING,
    MAX_REFILLS,
    SIDES_IN_USE,
    SIDES_PER_INSTRUMENT,
)
from stages.state_words import MW_WARNING
from stages.stops import run_elections, stand_as_stop, trailing_price
from stages.trading import trade


@inlined
def reject_request(s, command, target_id, reason, leaves, cum):  # type: ignore[no-untyped-def]
    """Answer a request that changes nothing."""
    emit_command(
        s,
        command,
        np.int64(OUT_REJECTED),
        np.int64(reason),
        np.int64(0),
        np.int64(command.session),
        np.int64(target_id),
        np.int64(command.price_ticks),
        np.int64(command.qty_lots),
        np.int64(leaves),
        np.int64(cum),
    )


@kernel
def cancel_order(s, command, order, leaves):  # type: ignore[no-untyped-def]
    """Take an order out of the book at its owner's request."""
    emit_request(
        s,
        command,
        order,
        np.int64(OUT_CANCELLED),
        np.int64(REASON_CLIENT_REQUEST),
        price_of(s, order),
        np.int64(leaves),
        np.int64(0),
        np.int64(0),
    )
    leave_book(s, command, order)
    return 0


@inlined
def replaced(s, command, order, price, leaves):  # type: ignore[no-untyped-def]
    """Answer a REPLACE or REDUCE that is carried out; of a REPLACE, with the warning of risk's verdict."""
    warning = s.words[MW_WARNING]
    emit_request(
        s,
        command,
        order,
        np.int64(OUT_REPLACED),
        np.int64(REASON_NONE if warning == 0 else REASON_LIMIT_WARNING),
        np.int64(price),
        np.int64(s.orders[order].cum_lots) + leaves,
        np.int64(leaves),
        warning,
    )


@kernel
def replace_stop(s, command, order, leaves, new_leaves):  # type: ignore[no-untyped-def]
    """Carry out a REPLACE of a stop order; return the reason if it cannot be."""
    record = s.orders[order]
    special = s.specials[special_row(s, order)]
    stop_price = np.int64(record.price_ticks)
    distance = np.int64(special.trail_ticks)
    if command.aux0 != 0:
        if special.ord_type == TYPE_TRAILING_STOP:
            distance = np.int64(command.aux0)
            stop_price = trailing_price(record.side, np.int64(special.reference_ticks), distance)
        else:
            stop_price = np.int64(command.aux0)
    keeps_place = stop_price == record.price_ticks and new_leaves < leaves
    if not keeps_place and not has_level_room(s):
        return REASON_NO_ROOM
    if special.ord_type == TYPE_STOP_LIMIT:
        special.limit_ticks = command.price_ticks
    special.trail_ticks = distance
    replaced(s, command, order, np.int64(special.limit_ticks), new_leaves)
    name_order(s, order, command)
    if keeps_place:
        lose_lots(s, command, order, leaves - new_leaves)
    else:
        dequeue(s, order)
        record.price_ticks = stop_price
        record.shown_lots = new_leaves
        stand_as_stop(s, order)
    return REASON_NONE


@kernel
def replace_resting(s, command, order, leaves, new_leaves):  # type: ignore[no-untyped-def]
    """Carry out a REPLACE of an order that may trade; return the reason if it cannot be."""
    record = s.orders[order]
    price = np.int64(command.price_ticks)
    side = np.int64(record.side)
    instrument = np.int64(record.instrument)
    if price == record.price_ticks and new_leaves < leaves:
        replaced(s, command, order, price, new_leaves)
        lose_lots(s, command, order, leaves - new_leaves)
        name_order(s, order, command)
        return REASON_NONE
    if not has_level_room(s):
        return REASON_NO_ROOM
    marks = np.int64(record.marks)
    if marks & (MARK_POST_ONLY | MARK_POST_REPRICE) != 0:
        free_price = np.int64(post_price(s, instrument, side, price))
        if free_price != price and (marks & MARK_POST_ONLY != 0 or free_price == NO_PRICE):
            return REASON_POST_ONLY_WOULD_TRADE
        price = free_price
    replaced(s, command, order, price, new_leaves)
    tell_leaving(s, command, order, True)
    dequeue(s, order)
    name_order(s, order, command)
    record.price_ticks = price
    t = taker_of_order(s, order, new_leaves)
    t.price_ticks = price
    t.limit_key = ladder_key(2 - side, price)
    if s.markets[instrument].band_mode != 0:
        limit_to_bands(s, command)
    trade(s, command)
    record.cum_lots = t.cum_lots
    if t.leaves_lots == 0:
        forget_order(s, order)
    elif not breached(s):
        stand(s, command, order, np.int64(t.leaves_lots))
    elif halts(s, instrument):
        stand(s, command, order, np.int64(t.leaves_lots))
        halt_by_band(s, command, instrument)
    else:
        expire_taker(s, command, np.int64(REASON_PRICE_OUT_OF_BAND), np.int64(OUTFLAG_UNSOLICITED))
        forget_order(s, order)
    return REASON_NONE


@kernel
def replace_quietly(s, command, order, leaves, new_leaves):  # type: ignore[no-untyped-def]
    """Carry out a REPLACE of an order that may not trade now; return the reason if it cannot be."""
    record = s.orders[order]
    is_market = record.marks & MARK_MARKET != 0
    price = np.int64(record.price_ticks) if is_market else np.int64(command.price_ticks)
    told_price = np.int64(0) if is_market else price
    if price == record.price_ticks and new_leaves < leaves:
        replaced(s, command, order, told_price, new_leaves)
        lose_lots(s, command, order, leaves - new_leaves)
        name_order(s, order, command)
        return REASON_NONE
    if not has_level_room(s):
        return REASON_NO_ROOM
    replaced(s, command, order, told_price, new_leaves)
    tell_leaving(s, command, order, True)
    dequeue(s, order)
    name_order(s, order, command)
    record.price_ticks = price
    stand_where_due(s, command, order, new_leaves)
    return REASON_NONE


@inlined
def display_allows(s, order, leaves):  # type: ignore[no-untyped-def]
    """Tell whether an order may have so many leaves: an iceberg refills a bounded number of times."""
    if s.orders[order].marks & MARK_SPECIAL == 0:
        return True
    display = np.int64(s.specials[special_row(s, order)].display_lots)
    return display == 0 or (leaves - 1) // MAX_REFILLS < display


@kernel
def match_request(s, command, target_id):  # type: ignore[no-untyped-def]
    """Process an accepted CANCEL, REDUCE, REPLACE or STATUS."""
    kind = np.int64(command.kind)
    qty = np.int64(command.qty_lots)
    order = id_find(s.order_map, s.order_keys, target_id)
    if order < 0 or s.orders[order].session != command.session:
        reason = np.int64(REASON_TOO_LATE if command.order_id == 0 else REASON_UNKNOWN_ORDER)
        reject_request(s, command, target_id, reason, np.int64(0), np.int64(0))
        return 0
    record = s.orders[order]
    leaves = leaves_of(s, order)
    cum = np.int64(record.cum_lots)
    instrument = np.int64(record.instrument)
    if (command.instrument != 0 and command.instrument != instrument) or (
        command.side != 0 and command.side != record.side
    ):
        reject_request(s, command, target_id, np.int64(REASON_ORDER_MISMATCH), leaves, cum)
        return 0
    if kind == KIND_CANCEL or (kind == KIND_REDUCE and qty >= leaves):
        cancel_order(s, command, order, leaves)
    elif kind == KIND_REDUCE:
        replaced(s, command, order, price_of(s, order), leaves - qty)
        lose_lots(s, command, order, qty)
    elif kind == KIND_STATUS:
        emit_request(
            s,
            command,
            order,
            np.int64(OUT_STATUS),
            np.int64(REASON_NONE),
            price_of(s, order),
            leaves + cum,
            leaves,
            np.int64(0),
        )
    elif kind == KIND_REPLACE:
        reason = np.int64(REASON_NONE)
        state = np.int64(s.markets[instrument].state)
        if state == STATE_HALT:
            reason = np.int64(REASON_TRADING_HALTED)
        elif state == STATE_CLOSED:
            reason = np.int64(REASON_MARKET_CLOSED)
        elif qty <= cum:
            reason = np.int64(REASON_QTY_BELOW_EXECUTED)
        elif not display_allows(s, order, qty - cum):
            reason = np.int64(REASON_INVALID_DISPLAY_QTY)
        elif record.marks & MARK_STOP != 0:
            reason = np.int64(replace_stop(s, command, order, leaves, qty - cum))
        elif state > STATE_CONTINUOUS or record.marks & MARK_WAITING != 0:
            reason = np.int64(replace_quietly(s, command, order, leaves, qty - cum))
        else:
            reason = np.int64(replace_resting(s, command, order, leaves, qty - cum))
        if reason != REASON_NONE:
            reject_request(s, command, target_id, reason, leaves, cum)
        elif s.markets[instrument].stops != 0:
            run_elections(s, command, instrument)
    return 0


@inlined
def firm_of(s, account):  # type: ignore[no-untyped-def]
    """Return the firm of an account, 0 for none."""
    return np.int64(s.firms[account]) if 0 < account < s.firms.shape[0] else np.int64(0)


@kernel
def cancel_side(s, command, row, session, account, firm, reason):  # type: ignore[no-untyped-def]
    """Cancel the orders of one side that have this session, account and firm, 0 for any; return how many."""
    count = np.int64(0)
    level = best_level(s, row)
    while level >= 0:
        worse = worse_level(s, level)
        order = np.int64(s.levels[level].head)
        while order >= 0:
            record = s.orders[order]
            after = np.int64(record.next)
            if (
                (session == 0 or record.session == session)
                and (account == 0 or record.account == account)
                and (firm == 0 or firm_of(s, np.int64(record.account)) == firm)
            ):
                emit_order(
                    s,
                    command,
                    order,
                    np.int64(OUT_CANCELLED),
                    np.int64(reason),
                    np.int64(OUTFLAG_UNSOLICITED),
                    leaves_of(s, order),
                    np.int64(0),
                )
                leave_book(s, command, order)
                count += 1
            order = after
        level = worse
    return count


@kernel
def cancel_many(s, command, session, account, instrument, side, firm, reason):  # type: ignore[no-untyped-def]
    """Cancel all orders that match, 0 for any; return how many."""
    count = np.int64(0)
    first = np.int64(0)
    stop = np.int64(s.markets.shape[0])
    if instrument != 0:
        first = np.int64(instrument)
        stop = first + 1
    for market in range(first, stop):
        for offset in range(SIDES_IN_USE):
            if side == 0 or (offset & 1) == side - 1:
                row = np.int64(market) * SIDES_PER_INSTRUMENT + offset
                count += cancel_side(s, command, row, session, account, firm, reason)
    return count
