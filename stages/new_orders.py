"""New orders: what becomes of a NEW that risk let pass ("NEW" of docs/matching-rules.md and of docs/trading-states.md).

Plain limit orders in continuous trading take the short way through :func:`match_new`; what else an order may be, or its
instrument may be in, is asked for in functions of their own.
"""

from __future__ import annotations

import numpy as np

from protocols.codes import (
    FLAG_BOOK_ONLY,
    FLAG_POST_ONLY,
    FLAG_POST_REPRICE,
    OUT_ACCEPTED,
    OUT_REJECTED,
    OUTFLAG_ANSWER,
    OUTFLAG_NEW,
    OUTFLAG_REPRICED,
    REASON_FOK_NOT_FILLABLE,
    REASON_IOC_REMAINDER,
    REASON_MARKET_CLOSED,
    REASON_MIN_QTY_NOT_MET,
    REASON_NO_LIQUIDITY,
    REASON_NO_REFERENCE_PRICE,
    REASON_NO_ROOM,
    REASON_NONE,
    REASON_POST_ONLY_WOULD_TRADE,
    REASON_PRICE_OUT_OF_BAND,
    REASON_PRICE_PROTECTION,
    REASON_TRADING_HALTED,
    REASON_UNKNOWN_ORDER,
    REASON_WRONG_TRADING_STATE,
    SIDE_BUY,
    STATE_CLOSED,
    STATE_CLOSING_AUCTION,
    STATE_CONTINUOUS,
    STATE_HALT,
    STATE_OPENING_AUCTION,
    TIF_CLOSE,
    TIF_FOK,
    TIF_GTD,
    TIF_IOC,
    TIF_OPEN,
    TYPE_DIRECTED,
    TYPE_LIMIT,
    TYPE_MARKET,
    TYPE_STOP_LIMIT,
    TYPE_TRAILING_STOP,
)
from ringbuffer.kernel import inlined, kernel
from stages.auction import MARKET_BUY_TICKS, MARKET_SELL_TICKS
from stages.bands import breached, halt_by_band, halts, limit_to_bands, note_reference
from stages.book import best_level, has_level_room
from stages.book_feed import tell_added
from stages.emit import emit_command, emit_taker, emit_warning
from stages.entry import (
    NO_PRICE,
    expire_taker,
    make_row,
    post_price,
    rest_new,
    special_terms,
    stand_where_due,
    taker_of_command,
)
from stages.hashing import id_find
from stages.ladder import ladder_key, side_row
from stages.orders import give_special
from stages.state import MARK_FLEETING, MARK_MARKET, MARK_STOP, MARK_WAITING
from stages.state_words import MW_OPEN, MW_SPECIALS, MW_TIMED, MW_WARNING
from stages.stops import enter_stop, run_elections
from stages.trading import market_limit_key, tradable, trade, trade_directed

__all__ = ["match_new"]


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
    warning = s.words[MW_WARNING]
    if warning != 0:
        emit_warning(s, command, flags | OUTFLAG_ANSWER, warning)
    else:
        emit_taker(
            s, command, np.int64(OUT_ACCEPTED), np.int64(REASON_NONE), flags | OUTFLAG_ANSWER, qty, qty
        )


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


@inlined
def trades(record):  # type: ignore[no-untyped-def]
    """Tell whether an order stands in a side that trades."""
    return record.marks & (MARK_STOP | MARK_WAITING) == 0


@kernel
def match_directed(s, command, target_id):  # type: ignore[no-untyped-def]
    """Process an accepted NEW that names the order with which it trades."""
    target = id_find(s.order_map, s.order_keys, target_id)
    if target < 0:
        reject_new(s, command, np.int64(REASON_UNKNOWN_ORDER))
        return 0
    named = s.orders[target]
    if named.instrument != command.instrument or named.side == command.side or not trades(named):
        reject_new(s, command, np.int64(REASON_UNKNOWN_ORDER))
        return 0
    t = taker_of_command(s, command)
    accept_taker(s, command, np.int64(0))
    note_reference(s, command, np.int64(command.instrument))
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
    if s.markets[instrument].band_mode != 0:
        limit_to_bands(s, command)
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
def _state_problem(s, command, state):  # type: ignore[no-untyped-def]
    """Return why the trading state keeps an order out, NONE if it does not."""
    tif = np.int64(command.tif)
    if state == STATE_HALT:
        return REASON_TRADING_HALTED
    if state == STATE_CLOSED:
        return REASON_MARKET_CLOSED
    if state <= STATE_CONTINUOUS:
        return REASON_WRONG_TRADING_STATE if tif == TIF_OPEN else REASON_NONE
    is_immediate = command.ord_type == TYPE_DIRECTED or tif == TIF_IOC or tif == TIF_FOK or command.orig0 != 0
    posts = np.int64(command.flags) & (FLAG_POST_ONLY | FLAG_POST_REPRICE) != 0
    is_late = tif == TIF_OPEN and state > STATE_OPENING_AUCTION
    return REASON_WRONG_TRADING_STATE if is_immediate or posts or is_late else REASON_NONE


@inlined
def has_room(s):  # type: ignore[no-untyped-def]
    """Tell whether one more order may rest."""
    return s.words[MW_OPEN] < s.orders.shape[0] and has_level_room(s)


@kernel
def match_without_trading(s, command):  # type: ignore[no-untyped-def]
    """Process an accepted NEW while its instrument does not trade, or one that waits for an auction."""
    instrument = np.int64(command.instrument)
    side = np.int64(command.side)
    tif = np.int64(command.tif)
    market = s.markets[instrument]
    state = np.int64(market.state)
    reason = np.int64(_state_problem(s, command, state))
    if reason == REASON_NONE and not has_room(s):
        reason = np.int64(REASON_NO_ROOM)
    t = taker_of_command(s, command)
    special_terms(t, command)
    if reason == REASON_NONE:
        reason = np.int64(_special_problem(s, command, np.int64(t.display_lots)))
    if reason != REASON_NONE:
        reject_new(s, command, reason)
        return 0
    is_market = command.ord_type == TYPE_MARKET
    is_stop = TYPE_LIMIT < command.ord_type <= TYPE_TRAILING_STOP
    if is_market or (is_stop and command.ord_type != TYPE_STOP_LIMIT):
        t.price_ticks = 0
    accept_taker(s, command, np.int64(0))
    if is_stop:
        enter_stop(s, command)
        return 0
    marks = np.int64(0)
    if is_market:
        t.price_ticks = MARKET_BUY_TICKS if side == SIDE_BUY else MARKET_SELL_TICKS
        marks |= MARK_MARKET | MARK_FLEETING
    if tif >= TIF_OPEN:
        marks |= MARK_FLEETING
        if tif == TIF_CLOSE and state != STATE_CLOSING_AUCTION:
            marks |= MARK_WAITING
    if marks != 0:
        market.fleeting += 1
        t.marks |= marks
    order = make_row(s, command)
    if t.display_lots != 0:
        give_special(s, order, np.int64(t.display_lots))
    stand_where_due(s, command, order, np.int64(t.leaves_lots))
    return 0


@kernel
def _end_at_band(s, command, may_rest):  # type: ignore[no-untyped-def]
    """Do with what is left of a NEW what the bands say that it breached."""
    instrument = np.int64(s.taker[0].instrument)
    if halts(s, instrument) and may_rest:
        tell_added(s, command, rest_new(s, command))
    else:
        expire_taker(s, command, np.int64(REASON_PRICE_OUT_OF_BAND), np.int64(0))
    if halts(s, instrument):
        halt_by_band(s, command, instrument)
    return 0


@kernel
def match_new(s, command, target_id):  # type: ignore[no-untyped-def]
    """Process an accepted NEW."""
    ord_type = np.int64(command.ord_type)
    tif = np.int64(command.tif)
    instrument = np.int64(command.instrument)
    side = np.int64(command.side)
    market = s.markets[instrument]
    if market.state > STATE_CONTINUOUS or tif >= TIF_OPEN:
        match_without_trading(s, command)
        return 0
    if ord_type == TYPE_DIRECTED:
        match_directed(s, command, target_id)
    else:
        may_rest = ord_type != TYPE_MARKET and tif != TIF_IOC and tif != TIF_FOK
        if may_rest and not has_room(s):
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
            if market.band_mode != 0:
                limit_to_bands(s, command)
            accept_taker(s, command, np.int64(0))
        else:
            goes_on = match_special(s, command)
        if goes_on:
            if flags & FLAG_BOOK_ONLY == 0:
                trade(s, command)
            if t.leaves_lots != 0:
                if market.band_mode != 0 and flags & FLAG_BOOK_ONLY == 0 and breached(s):
                    _end_at_band(s, command, may_rest)
                elif may_rest:
                    tell_added(s, command, rest_new(s, command))
                elif ord_type != TYPE_MARKET:
                    expire_taker(s, command, np.int64(REASON_IOC_REMAINDER), np.int64(0))
                elif best_level(s, side_row(instrument, 3 - side)) < 0:
                    expire_taker(s, command, np.int64(REASON_NO_LIQUIDITY), np.int64(0))
                else:
                    expire_taker(s, command, np.int64(REASON_PRICE_PROTECTION), np.int64(0))
    if market.stops != 0:
        run_elections(s, command, instrument)
    return 0
