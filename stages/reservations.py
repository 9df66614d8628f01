"""What open orders reserve, and how position, account and firm follow.

"Reservations, credit" of docs/risk-controls.md. Each order reserves what it may use at worst: its lots of its side, and
their money, a buy with the highest fee. The sums of the account, and of its firm, are kept with each change, never
computed anew. Only risk calls these.
"""

from __future__ import annotations

import numpy as np

from protocols.codes import SIDE_SELL
from ringbuffer.kernel import inlined
from stages.hashing import map_insert, map_remove
from stages.money import unit_of
from stages.state import ACCOUNT_PREFUNDED
from stages.state_words import RW_ORDERS_FREE, RW_ORDERS_USED

__all__ = ["has_order_room", "make_order", "release", "reserve", "shrink"]


@inlined
def has_order_room(s):  # type: ignore[no-untyped-def]
    """Tell whether risk can hold one more order."""
    return s.words[RW_ORDERS_FREE] != 0 or s.words[RW_ORDERS_USED] < s.orders.shape[0]


@inlined
def take_row(s):  # type: ignore[no-untyped-def]
    """Return a free row of the orders: the one that was freed last, else one that was never used."""
    height = s.words[RW_ORDERS_FREE]
    if height > 0:
        s.words[RW_ORDERS_FREE] = height - 1
        return np.int64(s.order_stack[height - 1])
    order = s.words[RW_ORDERS_USED]
    s.words[RW_ORDERS_USED] = order + 1
    return order


@inlined
def carry_into_sums(s, account, position, side, lots, money):  # type: ignore[no-untyped-def]
    """Add to what is reserved of a side."""
    firm_id = np.int64(account.firm)
    # sides come at random: a branch on them would be mispredicted
    bought = np.int64(SIDE_SELL) - side  # 1 of a buy, 0 of a sell
    lots_bought = bought * lots
    money_bought = bought * money
    position.open_buy_lots += lots_bought
    position.open_sell_lots += lots - lots_bought
    account.reserved_buy += money_bought
    account.reserved_sell += money - money_bought
    if firm_id != 0:
        firm = s.firms[firm_id]
        firm.reserved += money
        if np.int64(account.marks) & ACCOUNT_PREFUNDED == 0:
            firm.credit_reserved += money_bought


@inlined
def reserve(s, order, account, position, tick_value, res_lots, res_price, fee_cap):  # type: ignore[no-untyped-def]
    """Set an order's reservation and carry the difference into the sums."""
    record = s.orders[order]
    side = np.int64(record.side)
    old_lots = np.int64(record.res_lots)
    old_unit = unit_of(np.int64(record.res_price), tick_value, np.int64(record.fee_cap), side)
    money = res_lots * unit_of(res_price, tick_value, fee_cap, side) - old_lots * old_unit
    carry_into_sums(s, account, position, side, res_lots - old_lots, money)
    record.res_lots = res_lots
    record.res_price = res_price
    record.fee_cap = fee_cap


@inlined
def shrink(s, order, account, position, tick_value, lots):  # type: ignore[no-untyped-def]
    """Free some of the lots that an order reserved."""
    record = s.orders[order]
    side = np.int64(record.side)
    money = lots * unit_of(np.int64(record.res_price), tick_value, np.int64(record.fee_cap), side)
    carry_into_sums(s, account, position, side, -lots, -money)
    record.res_lots -= lots


@inlined
def make_order(s, command, account, position, row, price, money, fee_cap):  # type: ignore[no-untyped-def]
    """Make the row of a NEW that was accepted, with its reservation: all its lots, at the check price."""
    order_id = np.int64(command.seq)
    qty = np.int64(command.qty_lots)
    side = np.int64(command.side)
    order = take_row(s)
    record = s.orders[order]
    record.order_id = order_id
    record.leaves_lots = qty
    record.cum_lots = 0
    record.price_ticks = price
    record.res_lots = qty
    record.res_price = price
    record.position = row
    record.pending = 0
    record.session = command.session
    record.side = side
    record.ord_type = command.ord_type
    record.fee_cap = fee_cap
    map_insert(s.order_map, order_id, order)
    account.open_orders += 1
    position.open_orders += 1
    carry_into_sums(s, account, position, side, qty, money)


@inlined
def release(s, order, account, position, tick_value):  # type: ignore[no-untyped-def]
    """Free all that an order reserved, and its row."""
    record = s.orders[order]
    shrink(s, order, account, position, tick_value, np.int64(record.res_lots))
    account.open_orders -= 1
    position.open_orders -= 1
    map_remove(s.order_map, s.order_keys, np.int64(record.order_id))
    height = s.words[RW_ORDERS_FREE]
    s.order_stack[height] = order
    s.words[RW_ORDERS_FREE] = height + 1
