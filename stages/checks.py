"""Pre-trade checks that need no more than the command and what it names; each tells one thing or one reason."""

from __future__ import annotations

import numpy as np

from protocols.codes import (
    FLAG_BOOK_ONLY,
    FLAG_OFF_LOT,
    FLAG_OFF_TICK,
    FLAG_POST_ONLY,
    FLAG_POST_REPRICE,
    FLAG_STP_MASK,
    FLAG_STP_SHIFT,
    REASON_INVALID_DISPLAY_QTY,
    REASON_INVALID_EXPIRE_TIME,
    REASON_INVALID_MIN_QTY,
    REASON_INVALID_PRICE,
    REASON_INVALID_QTY,
    REASON_INVALID_SELF_TRADE_GROUP,
    REASON_INVALID_SIDE,
    REASON_INVALID_STOP_PRICE,
    REASON_NONE,
    REASON_PRICE_NOT_ON_TICK,
    REASON_PRICE_OUT_OF_BAND,
    REASON_QTY_NOT_ON_LOT,
    REASON_UNSUPPORTED_ORDER_TYPE,
    REASON_UNSUPPORTED_TIF,
    SIDE_BUY,
    SIDE_SELL,
    STP_DECREMENT,
    TIF_CLOSE,
    TIF_DAY,
    TIF_GTC,
    TIF_GTD,
    TIF_OPEN,
    TYPE_DIRECTED,
    TYPE_LIMIT,
    TYPE_MARKET,
    TYPE_STOP,
    TYPE_STOP_LIMIT,
    TYPE_TRAILING_STOP,
)
from ringbuffer.kernel import inlined, kernel
from stages.hashing import blend, text_find, text_place
from stages.state import MAX_LIMIT_TICKS, MAX_REFILLS
from stages.state_words import (
    RW_CL_IDS,
    RW_CL_SUM,
    RW_SESSIONS,
)
from stages.tick_tables import is_on_table

MAX_STOP_TICKS = 1 << 60


@inlined
def session_is_open(s, session):  # type: ignore[no-untyped-def]
    """Tell whether a session id is known and open."""
    return 0 < session <= s.words[RW_SESSIONS] and s.sessions[session].is_open != 0


@inlined
def is_known_instrument(s, instrument):  # type: ignore[no-untyped-def]
    """Tell whether an instrument id is defined."""
    return 0 < instrument < s.instruments.shape[0] and s.instruments[instrument].known != 0


@inlined
def is_known_account(s, account_id):  # type: ignore[no-untyped-def]
    """Tell whether an account id is defined."""
    return 0 < account_id < s.accounts.shape[0] and s.accounts[account_id].known != 0


@inlined
def is_known_firm(s, firm_id):  # type: ignore[no-untyped-def]
    """Tell whether a firm id is defined."""
    return 0 < firm_id < s.firms.shape[0] and s.firms[firm_id].known != 0


@inlined
def check_qty(command):  # type: ignore[no-untyped-def]
    """Judge a quantity."""
    if (np.int64(command.flags) & FLAG_OFF_LOT) != 0:
        return REASON_QTY_NOT_ON_LOT
    if command.qty_lots <= 0:
        return REASON_INVALID_QTY
    return REASON_NONE


@inlined
def check_price(s, command, instrument):  # type: ignore[no-untyped-def]
    """Judge a limit price."""
    price = np.int64(command.price_ticks)
    if (np.int64(command.flags) & FLAG_OFF_TICK) != 0:
        return REASON_PRICE_NOT_ON_TICK
    if price <= 0 or price > MAX_LIMIT_TICKS:
        return REASON_INVALID_PRICE
    if not is_on_table(s.tick_rows, instrument.tick_table, price):
        return REASON_PRICE_NOT_ON_TICK
    if price < instrument.low_ticks or (instrument.high_ticks != 0 and price > instrument.high_ticks):
        return REASON_PRICE_OUT_OF_BAND
    return REASON_NONE


@inlined
def has_cl_ord_id(command):  # type: ignore[no-untyped-def]
    """Tell whether a command names itself."""
    return command.cl0 != 0 or command.cl1 != 0 or command.cl2 != 0


@inlined
def has_orig(command):  # type: ignore[no-untyped-def]
    """Tell whether a command names another order by ClOrdID."""
    return command.orig0 != 0 or command.orig1 != 0 or command.orig2 != 0


@inlined
def place_of_cl_ord_id(s, command, session):  # type: ignore[no-untyped-def]
    """Return where a session's ClOrdID is kept, or would be: see :func:`is_used`."""
    return text_place(s.cl_map, s.cl_entries, command.cl0, command.cl1, command.cl2, session)


@inlined
def is_used(place):  # type: ignore[no-untyped-def]
    """Tell whether a session used the ClOrdID of that place before."""
    return place >= 0


@inlined
def resolve_orig(s, command, session):  # type: ignore[no-untyped-def]
    """Return the order id that (session, orig) names, 0 if it was never used."""
    row = text_find(s.cl_map, s.cl_entries, command.orig0, command.orig1, command.orig2, session)
    return np.int64(0) if row < 0 else np.int64(s.cl_entries[row].order_id)


@inlined
def use_cl_ord_id(s, command, session, order_id, place):  # type: ignore[no-untyped-def]
    """Mark a ClOrdID, which has a place and was not used, as used and let it name an order."""
    row = s.words[RW_CL_IDS]
    entry = s.cl_entries[row]
    entry.cl0 = command.cl0
    entry.cl1 = command.cl1
    entry.cl2 = command.cl2
    entry.session = session
    entry.order_id = order_id
    s.cl_map[-1 - place] = row + 1
    s.words[RW_CL_IDS] = row + 1
    whose = (np.int64(session) << 32) ^ np.int64(command.cl2)
    s.words[RW_CL_SUM] += blend(blend(np.int64(command.cl0), np.int64(command.cl1)), whose) ^ np.int64(
        order_id
    )


@inlined
def may_wait(command):  # type: ignore[no-untyped-def]
    """Tell whether the time in force of a command lets an order rest."""
    return command.tif == TIF_GTC or command.tif == TIF_DAY or command.tif == TIF_GTD


@inlined
def is_stop(ord_type):  # type: ignore[no-untyped-def]
    """Tell whether a type is STOP, STOP_LIMIT or TRAILING_STOP."""
    return TYPE_STOP <= ord_type <= TYPE_TRAILING_STOP


@kernel
def check_special_terms(command):  # type: ignore[no-untyped-def]
    """Judge the flags and the self-trade group of a NEW that has any."""
    flags = np.int64(command.flags)
    resting = flags & (FLAG_BOOK_ONLY | FLAG_POST_ONLY | FLAG_POST_REPRICE)
    if resting != 0 and (
        resting & (resting - 1) != 0 or command.ord_type != TYPE_LIMIT or not may_wait(command)
    ):
        return REASON_UNSUPPORTED_ORDER_TYPE
    if command.ord_type != TYPE_DIRECTED:
        mode = (flags >> FLAG_STP_SHIFT) & FLAG_STP_MASK
        if mode > STP_DECREMENT or command.orig2 < 0 or (mode == 0) != (command.orig2 == 0):
            return REASON_INVALID_SELF_TRADE_GROUP
    return REASON_NONE


@inlined
def check_terms(command):  # type: ignore[no-untyped-def]
    """Judge side, order type, time in force and their combination."""
    ord_type = np.int64(command.ord_type)
    tif = np.int64(command.tif)
    if command.side != SIDE_BUY and command.side != SIDE_SELL:
        return REASON_INVALID_SIDE
    if (ord_type < TYPE_MARKET or ord_type > TYPE_TRAILING_STOP) and ord_type != TYPE_DIRECTED:
        return REASON_UNSUPPORTED_ORDER_TYPE
    if tif < TIF_GTC or tif > TIF_CLOSE or (is_stop(ord_type) and not may_wait(command)):
        return REASON_UNSUPPORTED_TIF
    if tif >= TIF_OPEN and ord_type != TYPE_LIMIT and ord_type != TYPE_MARKET:
        return REASON_UNSUPPORTED_TIF
    if (np.int64(command.flags) | np.int64(command.orig2)) != 0:
        return check_special_terms(command)
    return REASON_NONE


@kernel
def check_special_amounts(command):  # type: ignore[no-untyped-def]
    """Judge display and minimum quantity, expiry and stop price of a NEW that has any."""
    ord_type = np.int64(command.ord_type)
    qty = np.int64(command.qty_lots)
    display = np.int64(command.order_id)
    least = np.int64(command.orig0)
    if display != 0:
        can_hide = (ord_type == TYPE_LIMIT or ord_type == TYPE_STOP_LIMIT) and may_wait(command)
        if not can_hide or display < 0 or display > qty or (qty - 1) // MAX_REFILLS >= display:
            return REASON_INVALID_DISPLAY_QTY
    if least != 0:
        passive = np.int64(command.flags) & (FLAG_BOOK_ONLY | FLAG_POST_ONLY | FLAG_POST_REPRICE)
        can_trade = (ord_type == TYPE_LIMIT or ord_type == TYPE_MARKET) and passive == 0
        if not can_trade or command.tif >= TIF_OPEN or least < 0 or least > qty:
            return REASON_INVALID_MIN_QTY
    if command.tif == TIF_GTD and command.aux1 <= command.time_ns:
        return REASON_INVALID_EXPIRE_TIME
    if is_stop(ord_type) and (command.aux0 <= 0 or command.aux0 > MAX_STOP_TICKS):
        return REASON_INVALID_STOP_PRICE
    return REASON_NONE


@inlined
def check_amounts(command):  # type: ignore[no-untyped-def]
    """Judge what special orders have beside price and quantity."""
    ord_type = np.int64(command.ord_type)
    is_special = (command.order_id | command.orig0) != 0 or command.tif == TIF_GTD or is_stop(ord_type)
    if is_special and ord_type != TYPE_DIRECTED:
        return check_special_amounts(command)
    return REASON_NONE
