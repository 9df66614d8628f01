"""The verdict on a NEW: the checks of "NEW" of docs/rules.md in their order, then its reservation."""

from __future__ import annotations

import numpy as np

from protocols.codes import (
    FLAG_OFF_TICK,
    LIMIT_MAX_OPEN_ORDERS,
    REASON_CURRENCY_MISMATCH,
    REASON_DUPLICATE_CL_ORD_ID,
    REASON_DUPLICATIVE_ORDER,
    REASON_INSTRUMENT_NOT_PERMITTED,
    REASON_MAX_OPEN_ORDERS,
    REASON_MAX_ORDER_NOTIONAL,
    REASON_MISSING_CL_ORD_ID,
    REASON_NO_REFERENCE_PRICE,
    REASON_NO_ROOM,
    REASON_NONE,
    REASON_ORDER_TO_TRADE,
    REASON_PRICE_NOT_ON_TICK,
    REASON_UNKNOWN_ACCOUNT,
    REASON_UNKNOWN_INSTRUMENT,
    REASON_UNKNOWN_ORDER,
    REASON_UNKNOWN_SESSION,
    SIDE_BUY,
    TYPE_DIRECTED,
    TYPE_MARKET,
    TYPE_STOP,
    TYPE_STOP_LIMIT,
)
from ringbuffer.kernel import inlined, kernel
from stages.admission import check_member, check_size, is_priceless, reference_price, warn
from stages.checks import (
    check_amounts,
    check_price,
    check_qty,
    check_terms,
    has_cl_ord_id,
    is_known_account,
    is_known_instrument,
    is_used,
    place_of_cl_ord_id,
    resolve_orig,
    session_is_open,
    use_cl_ord_id,
)
from stages.collars import COLLARS, check_collars
from stages.duplicates import is_duplicative, is_same_again, remember
from stages.exposure import check_lots, check_money, narrowed
from stages.fees import highest_rate
from stages.money import MAX_AMOUNT, product_of, unit_of
from stages.permissions import check_permitted_terms, is_permitted
from stages.positions import find_position, has_position_room, position_of
from stages.rates import exceeds_order_to_trade
from stages.reservations import has_order_room, make_order
from stages.state import ACCOUNT_DUPLICATES, ACCOUNT_HAS_PERMITS, ACCOUNT_ORDER_TO_TRADE, ACCOUNT_PREFUNDED
from stages.state_words import RW_CL_IDS
from stages.switches import concerned_switches
from stages.tick_tables import is_on_table

__all__ = ["judge_new"]

ASKED_FOR_TERMS = ACCOUNT_HAS_PERMITS | ACCOUNT_PREFUNDED


@inlined
def identity_problem(s, command, place):  # type: ignore[no-untyped-def]
    """Judge whether all that a NEW names is known, and its ClOrdID is new (1 to 5)."""
    if not session_is_open(s, np.int64(command.session)):
        return REASON_UNKNOWN_SESSION
    if not has_cl_ord_id(command):
        return REASON_MISSING_CL_ORD_ID
    if is_used(place):
        return REASON_DUPLICATE_CL_ORD_ID
    if not is_known_instrument(s, np.int64(command.instrument)):
        return REASON_UNKNOWN_INSTRUMENT
    return REASON_NONE if is_known_account(s, np.int64(command.account)) else REASON_UNKNOWN_ACCOUNT


@inlined
def terms_problem(command, account):  # type: ignore[no-untyped-def]
    """Judge side, terms, what is permitted of them, quantity and special amounts (10 to 14)."""
    reason = np.int64(check_terms(command))
    if reason == REASON_NONE and np.int64(account.marks) & ASKED_FOR_TERMS != 0:
        reason = np.int64(check_permitted_terms(account, command))
    if reason == REASON_NONE:
        reason = np.int64(check_qty(command))
    if reason == REASON_NONE:
        reason = np.int64(check_amounts(command))
    return reason


@kernel
def priceless_check_price(s, command, instrument):  # type: ignore[no-untyped-def]
    """Return the check price of an order without a limit, or minus the reason (15)."""
    ord_type = np.int64(command.ord_type)
    if ord_type != TYPE_MARKET and np.int64(command.flags) & FLAG_OFF_TICK != 0:
        return np.int64(-REASON_PRICE_NOT_ON_TICK)
    stop_ticks = np.int64(command.aux0) if ord_type == TYPE_STOP else np.int64(0)
    if ord_type == TYPE_STOP and not is_on_table(s.tick_rows, instrument.tick_table, stop_ticks):
        return np.int64(-REASON_PRICE_NOT_ON_TICK)
    price = reference_price(instrument, stop_ticks)
    return price if price != 0 else np.int64(-REASON_NO_REFERENCE_PRICE)


@inlined
def check_price_of(s, command, instrument, has_price):  # type: ignore[no-untyped-def]
    """Return the check price of a NEW, or minus the reason (15)."""
    if not has_price:
        return np.int64(priceless_check_price(s, command, instrument))
    reason = check_price(s, command, instrument)
    if reason != REASON_NONE:
        return np.int64(-reason)
    if command.ord_type == TYPE_STOP_LIMIT and not is_on_table(
        s.tick_rows, instrument.tick_table, np.int64(command.aux0)
    ):
        return np.int64(-REASON_PRICE_NOT_ON_TICK)
    return np.int64(command.price_ticks)


@inlined
def target_problem(s, command, verdict):  # type: ignore[no-untyped-def]
    """Put the order at which a DIRECTED one is directed into its verdict (30)."""
    target = np.int64(command.order_id)
    if target == 0:
        target = resolve_orig(s, command, np.int64(command.session))
    verdict.order_id = target
    return REASON_UNKNOWN_ORDER if target == 0 else REASON_NONE


@inlined
def has_room(s, row):  # type: ignore[no-untyped-def]
    """Tell whether there is room for an order, its position and its ClOrdID (31)."""
    return has_order_room(s) and has_position_room(s, row) and s.words[RW_CL_IDS] < s.cl_entries.shape[0]


@kernel
def judge_new(s, command, verdict):  # type: ignore[no-untyped-def]
    """Decide a NEW and, if it passes, reserve what it may use; return the reason."""
    session_id = np.int64(command.session)
    place = place_of_cl_ord_id(s, command, session_id)
    reason = np.int64(identity_problem(s, command, place))
    if reason != REASON_NONE:
        return reason
    instrument_id = np.int64(command.instrument)
    account_id = np.int64(command.account)
    time_ns = np.int64(command.time_ns)
    instrument = s.instruments[instrument_id]
    account = s.accounts[account_id]
    firm = s.firms[np.int64(account.firm)]  # row 0 has no switches and no controls
    switches = concerned_switches(s, account, firm, s.sessions[session_id], instrument)
    reason = check_member(s, session_id, account_id, account, firm, instrument, switches, time_ns)
    if reason != REASON_NONE:
        return reason
    reason = terms_problem(command, account)
    if reason != REASON_NONE:
        return reason
    has_price = not is_priceless(np.int64(command.ord_type))
    price = check_price_of(s, command, instrument, has_price)
    if price < 0:
        return -price
    side = np.int64(command.side)
    if np.int64(instrument.marks) & COLLARS != 0:
        reason = check_collars(instrument, time_ns, side, price, has_price)
        if reason != REASON_NONE:
            return reason
    if account.currency != instrument.currency:
        return np.int64(REASON_CURRENCY_MISMATCH)
    row = find_position(s, account_id, instrument_id)
    held = np.int64(0)
    open_lots = np.int64(0)
    open_here = np.int64(0)
    access = np.int64(0)
    if row >= 0:
        position = s.positions[row]
        held = np.int64(position.position_lots)
        open_here = np.int64(position.open_orders)
        access = np.int64(position.access)
        open_buy = np.int64(position.open_buy_lots)
        open_sell = np.int64(position.open_sell_lots)
        open_lots = open_buy if side == SIDE_BUY else open_sell
    if not is_permitted(account, access, instrument.group):
        return np.int64(REASON_INSTRUMENT_NOT_PERMITTED)
    qty = np.int64(command.qty_lots)
    tick_value = np.int64(instrument.tick_value)
    money = check_size(s, account_id, instrument, row, price, tick_value, qty)
    if money < 0:
        return -money
    fee_cap = highest_rate(instrument)
    if fee_cap != 0:
        money = product_of(unit_of(price, tick_value, fee_cap, side), qty, np.int64(MAX_AMOUNT))
        if money < 0:
            return np.int64(REASON_MAX_ORDER_NOTIONAL)
    most_open = s.limits[account_id, LIMIT_MAX_OPEN_ORDERS]
    if account.open_orders >= most_open or open_here >= narrowed(s, row, most_open, LIMIT_MAX_OPEN_ORDERS):
        return np.int64(REASON_MAX_OPEN_ORDERS)
    marks = np.int64(account.marks)
    if marks & ACCOUNT_ORDER_TO_TRADE != 0 and exceeds_order_to_trade(s, account_id, account):
        return np.int64(REASON_ORDER_TO_TRADE)
    again = False
    if marks & ACCOUNT_DUPLICATES != 0:
        again = is_same_again(s, account_id, command)
        if is_duplicative(s, account_id, command, again):
            return np.int64(REASON_DUPLICATIVE_ORDER)
    reason = check_lots(s, account_id, account, instrument, row, held, open_lots, side, qty, switches, access)
    if reason == REASON_NONE:
        reason = check_money(s, account_id, account, side, money)
    if reason != REASON_NONE:
        return reason
    if command.ord_type == TYPE_DIRECTED:
        reason = np.int64(target_problem(s, command, verdict))
        if reason != REASON_NONE:
            return reason
    if not has_room(s, row):
        return np.int64(REASON_NO_ROOM)
    use_cl_ord_id(s, command, session_id, np.int64(command.seq), place)
    row = position_of(s, row, account_id, instrument_id)
    make_order(s, command, account, s.positions[row], row, price, money, fee_cap)
    account.messages += 1
    if marks & ACCOUNT_DUPLICATES != 0:
        remember(s, account_id, command, again)
    verdict.warning = warn(s, account_id, account, firm, row, side)
    return np.int64(REASON_NONE)
