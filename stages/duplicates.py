"""The search for duplicative orders: the same order again and again, as a loop that runs away sends it.

Each account remembers 8 orders, one in each place of a table by a sum of what they are ("Duplicative orders" of
docs/risk-controls.md): a heuristic in a few cache lines. Asked for accounts with ACCOUNT_DUPLICATES only.
"""

from __future__ import annotations

import numpy as np

from protocols.codes import (
    LIMIT_DUPLICATE_COUNT,
    LIMIT_DUPLICATE_WINDOW,
    TYPE_MARKET,
    TYPE_STOP,
    TYPE_TRAILING_STOP,
)
from ringbuffer.kernel import inlined
from stages.state import RECENT_ORDERS

__all__ = ["is_duplicative", "is_same_again", "remember"]


@inlined
def named_price(command):  # type: ignore[no-untyped-def]
    """Return the price by which an order is the same as another."""
    ord_type = np.int64(command.ord_type)
    if ord_type == TYPE_MARKET:
        return np.int64(0)
    is_stop = ord_type == TYPE_STOP or ord_type == TYPE_TRAILING_STOP
    return np.int64(command.aux0) if is_stop else np.int64(command.price_ticks)


@inlined
def place_of(command, price):  # type: ignore[no-untyped-def]
    """Return the place of an order; the sum wraps."""
    what = np.int64(command.instrument) + np.int64(command.side)
    return (what + (price & (RECENT_ORDERS - 1)) + (np.int64(command.qty_lots) & (RECENT_ORDERS - 1))) & (
        RECENT_ORDERS - 1
    )


@inlined
def what_of(command):  # type: ignore[no-untyped-def]
    """Return instrument and side in one number."""
    return 2 * np.int64(command.instrument) + np.int64(command.side) - 1


@inlined
def is_same_again(s, account_id, command):  # type: ignore[no-untyped-def]
    """Tell whether an account sent this order before, and the window of that has not ended."""
    price = named_price(command)
    entry = s.recent[account_id, place_of(command, price)]
    return (
        entry.count > 0
        and entry.price_ticks == price
        and entry.qty_lots == command.qty_lots
        and entry.what == what_of(command)
        and np.int64(command.time_ns) - np.int64(entry.start_ns)
        < s.limits[account_id, LIMIT_DUPLICATE_WINDOW]
    )


@inlined
def is_duplicative(s, account_id, command, again):  # type: ignore[no-untyped-def]
    """Tell whether an order, which may be the same again, is so too often."""
    most = s.limits[account_id, LIMIT_DUPLICATE_COUNT]
    if not again:
        return most == 0
    return s.recent[account_id, place_of(command, named_price(command))].count >= most


@inlined
def remember(s, account_id, command, again):  # type: ignore[no-untyped-def]
    """Remember an order that was accepted."""
    price = named_price(command)
    entry = s.recent[account_id, place_of(command, price)]
    if again:
        entry.count += 1
    else:
        entry.price_ticks = price
        entry.qty_lots = command.qty_lots
        entry.start_ns = command.time_ns
        entry.what = what_of(command)
        entry.count = 1
