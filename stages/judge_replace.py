"""The verdict on a REPLACE: the checks of "REPLACE" of docs/rules.md in their order, then the larger reservation."""

from __future__ import annotations

import numpy as np

from protocols.codes import (
    FLAG_OFF_TICK,
    REASON_DUPLICATE_CL_ORD_ID,
    REASON_INSTRUMENT_NOT_PERMITTED,
    REASON_INVALID_STOP_PRICE,
    REASON_MAX_ORDER_NOTIONAL,
    REASON_MISSING_CL_ORD_ID,
    REASON_NO_ROOM,
    REASON_NONE,
    REASON_ORDER_MISMATCH,
    REASON_ORDER_TO_TRADE,
    REASON_PRICE_NOT_ON_TICK,
    REASON_QTY_BELOW_EXECUTED,
    REASON_TOO_LATE,
    REASON_UNKNOWN_ORDER,
    REASON_UNKNOWN_SESSION,
    SIDE_BUY,
    TYPE_STOP,
    TYPE_STOP_LIMIT,
)
from ringbuffer.kernel import inlined, kernel
from stages.admission import check_member, check_size, is_priceless, reference_price, warn
from stages.checks import (
    MAX_STOP_TICKS,
    check_price,
    check_qty,
    has_cl_ord_id,
    is_used,
    place_of_cl_ord_id,
    session_is_open,
    use_cl_ord_id,
)
from stages.collars import COLLARS, check_collars
from stages.exposure import check_lots, check_money
from stages.fees import highest_rate
from stages.hashing import map_find
from stages.judge_requests import resolve_target
from stages.money import MAX_AMOUNT, product_of, unit_of
from stages.permissions import is_permitted
from stages.rates import exceeds_order_to_trade
from stages.reservations import reserve
from stages.state import ACCOUNT_ORDER_TO_TRADE
from stages.state_words import RW_CL_IDS
from stages.switches import concerned_switches
from stages.tick_tables import is_on_table

__all__ = ["judge_replace"]


@inlined
def names_problem(s, command, session, place, verdict):  # type: ignore[no-untyped-def]
    """Judge session, ClOrdID, and which order is named (1 to 3)."""
    if not session_is_open(s, session):
        return REASON_UNKNOWN_SESSION
    if not has_cl_ord_id(command):
        return REASON_MISSING_CL_ORD_ID
    if is_used(place):
        return REASON_DUPLICATE_CL_ORD_ID
    return resolve_target(s, command, session, verdict)


@inlined
def is_other_order(command, record, position):  # type: ignore[no-untyped-def]
    """Tell whether a command says something of its order that is not so (5)."""
    return (
        (command.instrument != 0 and command.instrument != position.instrument)
        or (command.side != 0 and command.side != record.side)
        or (command.account != 0 and command.account != position.account)
    )


@inlined
def new_check_price(s, command, record, instrument, has_price):  # type: ignore[no-untyped-def]
    """Return the price that an order is checked at from now on, or minus the reason (7)."""
    price = np.int64(command.price_ticks)
    if has_price:
        reason = check_price(s, command, instrument)
        if reason != REASON_NONE:
            return np.int64(-reason)
    else:
        if np.int64(command.flags) & FLAG_OFF_TICK != 0:
            return np.int64(-REASON_PRICE_NOT_ON_TICK)
        stop_ticks = np.int64(command.aux0) if record.ord_type == TYPE_STOP else np.int64(0)
        price = max(np.int64(record.price_ticks), reference_price(instrument, stop_ticks))
    if command.aux0 < 0 or command.aux0 > MAX_STOP_TICKS:
        return np.int64(-REASON_INVALID_STOP_PRICE)
    has_stop_price = record.ord_type == TYPE_STOP or record.ord_type == TYPE_STOP_LIMIT
    if has_stop_price and not is_on_table(s.tick_rows, instrument.tick_table, np.int64(command.aux0)):
        return np.int64(-REASON_PRICE_NOT_ON_TICK)
    return price


@kernel
def judge_replace(s, command, verdict):  # type: ignore[no-untyped-def]
    """Decide a REPLACE and, if it passes, reserve the larger of old and new; return the reason."""
    session_id = np.int64(command.session)
    place = place_of_cl_ord_id(s, command, session_id)
    reason = np.int64(names_problem(s, command, session_id, place, verdict))
    if reason != REASON_NONE:
        return reason
    target = np.int64(verdict.order_id)
    order = map_find(s.order_map, s.order_keys, target)
    if order < 0 or s.orders[order].session != session_id:
        return np.int64(REASON_TOO_LATE if command.order_id == 0 else REASON_UNKNOWN_ORDER)
    record = s.orders[order]
    row = np.int64(record.position)
    position = s.positions[row]
    if is_other_order(command, record, position):
        return np.int64(REASON_ORDER_MISMATCH)
    instrument = s.instruments[np.int64(position.instrument)]
    account_id = np.int64(position.account)
    account = s.accounts[account_id]
    firm = s.firms[np.int64(account.firm)]  # row 0 has no switches and no controls
    time_ns = np.int64(command.time_ns)
    switches = concerned_switches(s, account, firm, s.sessions[session_id], instrument)
    reason = check_member(s, session_id, account_id, account, firm, instrument, switches, time_ns)
    if reason == REASON_NONE:
        reason = np.int64(check_qty(command))
    if reason != REASON_NONE:
        return reason
    has_price = not is_priceless(record.ord_type)
    price = new_check_price(s, command, record, instrument, has_price)
    if price < 0:
        return -price
    side = np.int64(record.side)
    if np.int64(instrument.marks) & COLLARS != 0:
        reason = check_collars(instrument, time_ns, side, price, has_price)
        if reason != REASON_NONE:
            return reason
    access = np.int64(position.access)
    if not is_permitted(account, access, instrument.group):
        return np.int64(REASON_INSTRUMENT_NOT_PERMITTED)
    qty = np.int64(command.qty_lots)
    if qty <= record.cum_lots:
        return np.int64(REASON_QTY_BELOW_EXECUTED)
    tick_value = np.int64(instrument.tick_value)
    money = check_size(s, account_id, instrument, row, price, tick_value, qty)
    if money < 0:
        return -money
    old_lots = np.int64(record.res_lots)
    old_price = np.int64(record.res_price)
    old_cap = np.int64(record.fee_cap)
    new_lots = max(old_lots, qty - np.int64(record.cum_lots))
    new_price = max(old_price, price)
    new_cap = max(old_cap, highest_rate(instrument))
    is_buy = side == SIDE_BUY
    new_unit = unit_of(new_price, tick_value, new_cap, side)
    money = product_of(new_unit, new_lots, np.int64(MAX_AMOUNT))
    if money < 0:
        return np.int64(REASON_MAX_ORDER_NOTIONAL)
    if np.int64(account.marks) & ACCOUNT_ORDER_TO_TRADE != 0 and exceeds_order_to_trade(
        s, account_id, account
    ):
        return np.int64(REASON_ORDER_TO_TRADE)
    if new_lots > old_lots:
        open_lots = np.int64(position.open_buy_lots) if is_buy else np.int64(position.open_sell_lots)
        reason = check_lots(
            s, account_id, account, instrument, row, np.int64(position.position_lots), open_lots, side,
            new_lots - old_lots, switches, access,
        )  # fmt: skip
        if reason != REASON_NONE:
            return reason
    more_money = money - old_lots * unit_of(old_price, tick_value, old_cap, side)
    if more_money > 0:
        reason = check_money(s, account_id, account, side, more_money)
        if reason != REASON_NONE:
            return reason
    if s.words[RW_CL_IDS] >= s.cl_entries.shape[0]:
        return np.int64(REASON_NO_ROOM)
    use_cl_ord_id(s, command, session_id, target, place)
    if not has_price:
        record.price_ticks = price
    record.pending += 1
    reserve(s, order, account, position, tick_value, new_lots, new_price, new_cap)
    account.messages += 1
    verdict.warning = warn(s, account_id, account, firm, row, side)
    return np.int64(REASON_NONE)
