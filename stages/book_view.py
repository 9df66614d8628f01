"""What stands in the books, for Python: best prices, levels, single orders. Reads; writes no more than scratch.

A level shows what all can see: the lots in its queue, without those that icebergs hide. Sides are 1 buys, 2 sells;
stop orders, which wait elsewhere for their election, are in :meth:`BookView.stops`. Arrays are copies, best price
first, in a level first in the queue first.

Consistent between two calls of the core that owns the books, not while it runs in another thread.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from protocols.codes import SIDE_BUY, SIDE_SELL, TradingState
from ringbuffer.kernel import kernel
from stages.auction import find_uncross
from stages.book import find_level, level_at
from stages.hashing import id_find
from stages.ladder import STOP_SIDES, WAITING_SIDES, best_place, side_row, worse_place
from stages.orders import leaves_of, special_row
from stages.state import MARK_SPECIAL, MARK_STOP, MatchingState
from stages.state_words import MW_OPEN

__all__ = ["LEVEL_VIEW", "ORDER_VIEW", "Best", "Book", "BookView", "Indicative", "OpenOrder"]

LEVEL_VIEW = np.dtype([("price_ticks", "<i8"), ("qty_lots", "<i8"), ("order_count", "<i8")])
ORDER_VIEW = np.dtype(
    [
        ("order_id", "<i8"),
        ("price_ticks", "<i8"),  # of a stop order: its stop price
        ("limit_ticks", "<i8"),  # of a stop limit order: its limit
        ("leaves_lots", "<i8"),
        ("shown_lots", "<i8"),
        ("cum_lots", "<i8"),
        ("instrument", "<i8"),
        ("side", "<i8"),
        ("account", "<i8"),
        ("session", "<i8"),
        ("is_stop", "<i8"),
    ]
)
ORDER_WORDS = ORDER_VIEW.itemsize // 8


class Best(NamedTuple):
    """The best level of a side: its price and the lots that it shows."""

    price_ticks: int
    qty_lots: int


class Indicative(NamedTuple):
    """What an auction would give: its price, the lots that trade, those left over and on which side (0: none)."""

    price_ticks: int
    qty_lots: int
    surplus_lots: int
    side: int


class OpenOrder(NamedTuple):
    """An open order: in a book at its price, or waiting at its stop price."""

    order_id: int
    price_ticks: int
    limit_ticks: int
    leaves_lots: int
    shown_lots: int
    cum_lots: int
    instrument: int
    side: int
    account: int
    session: int
    is_stop: bool


class Book(NamedTuple):
    """The levels of one book as arrays of :data:`LEVEL_VIEW`, best first."""

    bids: Any
    asks: Any


@kernel
def list_levels(s, row, out):  # type: ignore[no-untyped-def]
    """Copy levels of a side into rows of three, best first, as far as there is room; return how many there are."""
    count = np.int64(0)
    place = best_place(s, row)
    while place >= 0:
        if count < out.shape[0]:
            level = s.levels[level_at(s, place)]
            out[count, 0] = level.price_ticks
            out[count, 1] = level.qty_lots
            out[count, 2] = level.order_count
        count += 1
        place = worse_place(s, place)
    return count


@kernel
def describe_order(s, order, out, at):  # type: ignore[no-untyped-def]
    """Fill row ``at`` with what is known of an order."""
    record = s.orders[order]
    out[at, 0] = record.order_id
    out[at, 1] = record.price_ticks
    out[at, 2] = 0
    if record.marks & MARK_STOP != 0 and record.marks & MARK_SPECIAL != 0:
        out[at, 2] = s.specials[special_row(s, order)].limit_ticks
    out[at, 3] = leaves_of(s, order)
    out[at, 4] = record.shown_lots
    out[at, 5] = record.cum_lots
    out[at, 6] = record.instrument
    out[at, 7] = record.side
    out[at, 8] = record.account
    out[at, 9] = record.session
    out[at, 10] = 1 if record.marks & MARK_STOP != 0 else 0
    return 0


@kernel
def list_orders(s, row, out, at):  # type: ignore[no-untyped-def]
    """Describe all orders of a side from row ``at`` on; return the row behind them."""
    place = best_place(s, row)
    while place >= 0:
        order = np.int64(s.levels[level_at(s, place)].head)
        while order >= 0:
            describe_order(s, order, out, at)
            at += 1
            order = np.int64(s.orders[order].next)
        place = worse_place(s, place)
    return at


@kernel
def find_order(s, order_id, out):  # type: ignore[no-untyped-def]
    """Describe the open order of an id; return 1, or 0 if there is none."""
    order = id_find(s.order_map, s.order_keys, order_id)
    if order < 0:
        return 0
    describe_order(s, order, out, np.int64(0))
    return 1


@kernel
def shown_at(s, row, price_ticks):  # type: ignore[no-untyped-def]
    """Return the lots that a side shows at a price."""
    level = find_level(s, row, price_ticks)
    return np.int64(s.levels[level].qty_lots) if level >= 0 else np.int64(0)


class BookView:
    """Questions about the books of a state."""

    def __init__(self, books: MatchingState, max_instruments: int) -> None:
        self._books = books
        self.max_instruments = max_instruments

    def best_bid(self, instrument: int = 1) -> Best | None:
        """Return the best price of the buys and what it shows, None if there are none."""
        return self._best(instrument, SIDE_BUY)

    def best_ask(self, instrument: int = 1) -> Best | None:
        """Return the best price of the sells and what it shows, None if there are none."""
        return self._best(instrument, SIDE_SELL)

    def _best(self, instrument: int, side: int) -> Best | None:
        level = int(self._books.sides["best"][self._row(instrument, side)])
        if level < 0:
            return None
        found = self._books.levels[level]
        return Best(int(found["price_ticks"]), int(found["qty_lots"]))

    def depth(self, side: int, price_ticks: int, instrument: int = 1) -> int:
        """Return the lots that a side shows at a price."""
        return int(shown_at(self._books, np.int64(self._row(instrument, side)), np.int64(price_ticks)))

    def levels(self, side: int, instrument: int = 1, most: int | None = None) -> Any:
        """Return the levels of a side, best first, as an array of :data:`LEVEL_VIEW`; ``most`` bounds them."""
        row = self._row(instrument, side)
        count = int(self._books.sides["count"][row])
        out = np.zeros((count if most is None else min(count, most), 3), dtype=np.int64)
        list_levels(self._books, np.int64(row), out)
        return out.reshape(-1).view(LEVEL_VIEW)

    def book(self, instrument: int = 1, most: int | None = None) -> Book:
        """Return the levels of both sides."""
        return Book(self.levels(SIDE_BUY, instrument, most), self.levels(SIDE_SELL, instrument, most))

    def orders(self, instrument: int = 1) -> Any:
        """Return the orders of a book as an array of :data:`ORDER_VIEW`: buys, then sells."""
        return self._orders(instrument, 0)

    def stops(self, instrument: int = 1) -> Any:
        """Return the stop orders that wait, by their stop prices: those that buy, then those that sell."""
        return self._orders(instrument, STOP_SIDES)

    def waiting(self, instrument: int = 1) -> Any:
        """Return the orders that wait for the closing auction: those that buy, then those that sell."""
        return self._orders(instrument, WAITING_SIDES)

    def trading_state(self, instrument: int = 1) -> TradingState:
        """Return the trading state of an instrument."""
        return TradingState(int(self._books.markets["state"][self._instrument(instrument)]))

    def indicative(self, instrument: int = 1) -> Indicative | None:
        """Return what an uncross of the book would give now, None if nothing would trade; in any state."""
        find_uncross(self._books, np.int64(self._instrument(instrument)))
        found = self._books.uncross[0]
        price_ticks, surplus = int(found["price_ticks"]), int(found["surplus_lots"])
        if not price_ticks:
            return None
        side = SIDE_BUY if surplus > 0 else SIDE_SELL if surplus else 0
        return Indicative(price_ticks, int(found["volume_lots"]), abs(surplus), side)

    def _orders(self, instrument: int, offset: int) -> Any:
        out = np.zeros((self.open_orders, ORDER_WORDS), dtype=np.int64)
        at = 0
        for side in (SIDE_BUY, SIDE_SELL):
            at = int(
                list_orders(self._books, np.int64(self._row(instrument, side) + offset), out, np.int64(at))
            )
        return out[:at].reshape(-1).view(ORDER_VIEW)

    def order(self, order_id: int) -> OpenOrder | None:
        """Return an open order by its id, None if there is none."""
        out = np.zeros((1, ORDER_WORDS), dtype=np.int64)
        if not find_order(self._books, np.int64(order_id), out):
            return None
        fields = dict(zip(OpenOrder._fields, out[0].tolist(), strict=True))
        return OpenOrder(**{**fields, "is_stop": bool(fields["is_stop"])})

    @property
    def open_orders(self) -> int:
        """How many orders are open, stop orders included, over all instruments."""
        return int(self._books.words[MW_OPEN])

    def last_price(self, instrument: int = 1) -> int | None:
        """Return the price of the last trade in ticks, None before the first."""
        return int(self._books.markets["last_ticks"][self._instrument(instrument)]) or None

    def _instrument(self, instrument: int) -> int:
        if not 0 < instrument <= self.max_instruments:
            raise ValueError(f"instrument: expected 1 to {self.max_instruments}, was {instrument}")
        return instrument

    def _row(self, instrument: int, side: int) -> int:
        if side not in (SIDE_BUY, SIDE_SELL):
            raise ValueError(f"side: expected 1 (buy) or 2 (sell), was {side}")
        return int(side_row(self._instrument(instrument), side))
