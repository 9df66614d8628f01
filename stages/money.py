"""Money without overflow: products of a price, shares in millionths, what an order reserves for each lot.

All is int64 millionths of a currency unit ("Arithmetic" of docs/risk-controls.md). A product is only computed where the
bits of its factors say that it cannot wrap, or after a division has said so; the division is the rare way.
"""

from __future__ import annotations

import numpy as np

from protocols.codes import SIDE_SELL
from ringbuffer.kernel import inlined, kernel
from ringbuffer.native import clz64

__all__ = ["MAX_AMOUNT", "MAX_CASH", "kept", "money_of", "product_of", "share_down", "share_up", "unit_of"]

MAX_AMOUNT = 1 << 60  # of a limit, a price range, a reservation, a fill
MAX_CASH = 1 << 61  # what checks see of cash and equity
MILLION = 1_000_000
FACTORS_BITS = 192  # of three words
SAFE_BITS = FACTORS_BITS - 62  # three factors with so many leading zeros have a product below 2^62


@kernel
def _divided_money(price_ticks, tick_value, qty_lots, most):  # type: ignore[no-untyped-def]
    """Return price x tick value x quantity, or -1 if that is more than ``most``; of factors of any size."""
    if price_ticks > most // tick_value:
        return np.int64(-1)
    unit = price_ticks * tick_value
    if unit > 0 and qty_lots > most // unit:
        return np.int64(-1)
    return unit * qty_lots


@inlined
def money_of(price_ticks, tick_value, qty_lots, most):  # type: ignore[no-untyped-def]
    """Return price x tick value x quantity, none of them negative, or -1 if that is more than ``most``."""
    if clz64(price_ticks) + clz64(tick_value) + clz64(qty_lots) >= SAFE_BITS:
        money = price_ticks * tick_value * qty_lots
        return money if money <= most else np.int64(-1)
    return np.int64(_divided_money(price_ticks, tick_value, qty_lots, np.int64(most)))


@inlined
def product_of(unit, lots, most):  # type: ignore[no-untyped-def]
    """Return unit x lots, none of them negative, or -1 if that is more than ``most``."""
    return money_of(unit, np.int64(1), lots, most)


@inlined
def share_up(money, rate):  # type: ignore[no-untyped-def]
    """Return ``rate`` millionths of ``money`` (not negative), rounded up: towards the venue, rebates too."""
    rest = money % MILLION * rate
    return money // MILLION * rate + (rest + (MILLION - 1)) // MILLION


@inlined
def share_down(money, rate):  # type: ignore[no-untyped-def]
    """Return ``rate`` millionths of ``money`` (not negative), rounded down."""
    return money // MILLION * rate + money % MILLION * rate // MILLION


@inlined
def unit_of(price_ticks, tick_value, fee_cap, side):  # type: ignore[no-untyped-def]
    """Return what one lot costs at a price, of a buy with the highest fee; it must be known to be at most 2^61."""
    unit = price_ticks * tick_value
    if fee_cap == 0:
        return unit
    return unit + share_up(
        unit, fee_cap * (np.int64(SIDE_SELL) - side)
    )  # sides come at random: no branch on them


@inlined
def kept(amount, most):  # type: ignore[no-untyped-def]
    """Return an amount kept within +-most."""
    return max(min(amount, np.int64(most)), np.int64(-most))
