"""Market data as JSON lines: order by order (L3), by levels (L2), or the best prices alone (L1).

One line for each event that changes what a depth shows; a snapshot is one line with the whole book. Each line begins
with ``seq`` (the instrument's number), ``input_seq``, ``time_ns``, ``instrument``, ``type``. Prices are decimal
strings, of MARKET orders in an auction "market", null where there is none; quantities are integers where the
instrument's lot is a whole number of units, else decimal strings, as in :mod:`protocols.outcome_lines`.

Invariant: a line is a function of the event, of the book after it and of the instrument's name and units, so that equal
journals give equal lines. Reads only.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, Final

import msgspec

from protocols.codes import (
    BOOKFLAG_HIDDEN,
    BOOKFLAG_TOP,
    E8,
    OUT_BOOK,
    OUT_STATE_CHANGED,
    OUT_UNCROSSED,
    SIDE_BUY,
    SIDE_SELL,
    BookAction,
    Side,
    TradingState,
)
from protocols.directory import Directory, decimal_text
from protocols.market_data import Event, FeedBook

__all__ = ["Depth", "FeedLines", "level_price_text"]

MARKET_BUY_TICKS: Final = 2**63 - 1
_ACTIONS: Final = {int(code): code.name.lower() for code in BookAction}
_SIDES: Final = {int(code): code.name.lower() for code in Side}
_STATES: Final = {int(code): code.name.lower() for code in TradingState}


class Depth(IntEnum):
    """What lines show: the best prices, the levels, or each order."""

    BEST = 1
    LEVELS = 2
    ORDERS = 3


class FeedLines:
    """Turns events into lines, with the names and units of a directory."""

    def __init__(self, directory: Directory, depth: Depth = Depth.ORDERS) -> None:
        self._directory = directory
        self._depth = depth
        self._encoder = msgspec.json.Encoder()

    def update(self, directory: Directory) -> None:
        """Go on with a directory that has grown."""
        self._directory = directory

    def encode(self, event: Event, book: FeedBook | None = None) -> bytes:
        """Return the line of an event, empty if the depth shows nothing of it; ``book`` for all but Depth.ORDERS."""
        head = {
            "seq": event.seq,
            "input_seq": event.input_seq,
            "time_ns": event.time_ns,
            "instrument": self._directory.symbol(event.instrument) or None,
        }
        body = self._body(event, book)
        return self._encoder.encode(head | body) + b"\n" if body else b""

    def _body(self, event: Event, book: FeedBook | None) -> dict[str, Any]:
        if event.is_snapshot:
            assert book is not None, "a snapshot is told with its book"
            return self._best(book) if self._depth == Depth.BEST else self._snapshot(book)
        if event.type != OUT_BOOK:
            return self._state(event)
        if self._depth == Depth.ORDERS:
            return self._order(event)
        if event.flags & BOOKFLAG_HIDDEN:
            return {}
        if self._depth == Depth.LEVELS:
            return self._level(event)
        assert book is not None, "the best of both sides is that of a book"
        return self._best(book) if event.flags & BOOKFLAG_TOP else {}

    def _order(self, event: Event) -> dict[str, Any]:
        body = {
            "type": _ACTIONS[event.action],
            "order_id": event.order_id,
            "side": _SIDES[event.side],
            "price": self._level_price(event, event.side, event.price_ticks),
            "qty": self._qty(event, event.qty_lots),
            "leaves_qty": self._qty(event, event.leaves_lots),
            "level_qty": self._qty(event, event.level_lots),
            "level_orders": event.level_orders,
            "best_price": self._level_price(event, event.side, event.best_ticks) if event.best_lots else None,
            "best_qty": self._qty(event, event.best_lots),
            "top": event.flags & BOOKFLAG_TOP != 0,
        }
        if event.trade_index:
            body["hidden"] = event.flags & BOOKFLAG_HIDDEN != 0
            body["trade_price"] = self._price(event, event.trade_ticks)
            body["trade_id"] = f"{event.input_seq}-{event.trade_index}"
        return body

    def _level(self, event: Event) -> dict[str, Any]:
        return {
            "type": "level",
            "side": _SIDES[event.side],
            "price": self._level_price(event, event.side, event.price_ticks),
            "qty": self._qty(event, event.level_lots),
            "orders": event.level_orders,
        }

    def _best(self, book: FeedBook) -> dict[str, Any]:
        body: dict[str, Any] = {"type": "best"}
        for name, side in (("bid", SIDE_BUY), ("ask", SIDE_SELL)):
            best = book.best(side)
            body[name] = self._level_price(book, side, best.price_ticks) if best else None
            body[f"{name}_qty"] = self._qty(book, best.qty_lots) if best else 0
            body[f"{name}_orders"] = best.order_count if best else 0
        return body

    def _snapshot(self, book: FeedBook) -> dict[str, Any]:
        body: dict[str, Any] = {"type": "snapshot", "state": _STATES.get(book.state)}
        for name, side in (("bids", SIDE_BUY), ("asks", SIDE_SELL)):
            rows: list[Any] = []
            if self._depth == Depth.LEVELS:
                for level in book.levels(side):
                    price = self._level_price(book, side, level.price_ticks)
                    rows.append((price, self._qty(book, level.qty_lots), level.order_count))
            else:
                for order in book.orders(side):
                    price = self._level_price(book, side, order.price_ticks)
                    rows.append((order.order_id, price, self._qty(book, order.qty_lots)))
            body[name] = rows
        return body

    def _state(self, event: Event) -> dict[str, Any]:
        if event.type == OUT_STATE_CHANGED:
            state, before = _STATES.get(event.qty_lots), _STATES.get(event.leaves_lots)
            return {"type": "state_changed", "state": state, "before": before}
        return {
            "type": "uncrossed" if event.type == OUT_UNCROSSED else "indication",
            "price": self._price(event, event.price_ticks) if event.price_ticks else None,
            "volume": self._qty(event, event.qty_lots),
            "surplus": self._qty(event, event.leaves_lots),
            "surplus_side": _SIDES.get(event.side),
        }

    def _level_price(self, of: Event | FeedBook, side: int, ticks: int) -> str:
        return level_price_text(self._directory, of.instrument, side, ticks)

    def _price(self, of: Event | FeedBook, ticks: int) -> str:
        return self._directory.price_text(of.instrument, ticks)

    def _qty(self, of: Event | FeedBook, lots: int) -> int | str:
        entry = self._directory.instruments.get(of.instrument)
        lot_e8 = entry.lot_e8 if entry else E8
        return decimal_text(lots, lot_e8) if lot_e8 % E8 else lots * (lot_e8 // E8)


def level_price_text(directory: Directory, instrument: int, side: int, ticks: int) -> str:
    """Return the price of a level as text; where MARKET orders stand in an auction that is "market"."""
    is_market = ticks == (MARKET_BUY_TICKS if side == SIDE_BUY else 0)
    return "market" if is_market else directory.price_text(instrument, ticks)
