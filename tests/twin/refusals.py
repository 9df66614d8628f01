"""Why matching does not take an order that risk let pass, naively: by trading state, room, target and posting flags.

The checks of ``docs/trading-states.md`` come before those of ``docs/matching-rules.md`` (1 of NEW).
"""

from __future__ import annotations

from protocols.codes import CommandFlag, OrdType, Reason, Side, Tif, TradingState
from tests.twin.book import Books, Order, allows, opposite
from tests.twin.markets import Market, TickTable
from tests.twin.trading import may_rest

POSTING = CommandFlag.POST_ONLY | CommandFlag.POST_REPRICE
SHUT = {TradingState.HALT: Reason.TRADING_HALTED, TradingState.CLOSED: Reason.MARKET_CLOSED}
OPENING = (TradingState.PRE_OPEN, TradingState.OPENING_AUCTION)


class Refusals:
    """What the books have against an order."""

    def __init__(self, books: Books) -> None:
        self.books = books

    def shut(self, instrument: int) -> Reason:
        """Return why an instrument takes neither new nor replaced orders, NONE where it does."""
        return SHUT.get(TradingState(self.books.market(instrument).state), Reason.NONE)

    def of_new(self, order: Order, target: Order | None) -> Reason:
        """Return why matching does not take a new order; give a POST_REPRICE order its price."""
        market = self.books.market(order.instrument)
        shut = self.shut(order.instrument)
        if shut != Reason.NONE:
            return shut
        if market.calls:
            return self._in_a_call(order, market)
        if order.tif == Tif.OPEN:
            return Reason.WRONG_TRADING_STATE
        if order.tif == Tif.CLOSE:
            return Reason.NO_ROOM if self.books.has_no_room(order) else Reason.NONE
        return self._in_continuous(order, target)

    def _in_a_call(self, order: Order, market: Market) -> Reason:
        """Return why a new order cannot rest while nothing trades."""
        at_once = order.ord_type == OrdType.DIRECTED or order.tif in (Tif.IOC, Tif.FOK)
        if at_once or order.flags & POSTING or order.minimum:
            return Reason.WRONG_TRADING_STATE
        if order.tif == Tif.OPEN and market.state not in OPENING:
            return Reason.WRONG_TRADING_STATE
        if self.books.has_no_room(order):
            return Reason.NO_ROOM
        if order.ord_type == OrdType.TRAILING_STOP and order.instrument not in self.books.last_prices:
            return Reason.NO_REFERENCE_PRICE
        return Reason.NONE

    def _in_continuous(self, order: Order, target: Order | None) -> Reason:
        if may_rest(order) and self.books.has_no_room(order):
            return Reason.NO_ROOM
        if order.ord_type == OrdType.DIRECTED:
            if target is None or target.is_stop or target.waits or target.instrument != order.instrument:
                return Reason.UNKNOWN_ORDER
            return Reason.NONE if target.side != order.side else Reason.UNKNOWN_ORDER
        if order.ord_type == OrdType.TRAILING_STOP and order.instrument not in self.books.last_prices:
            return Reason.NO_REFERENCE_PRICE
        price = self.posted_price(order, order.price)
        if price is None:
            return Reason.POST_ONLY_WOULD_TRADE
        order.price = price
        return Reason.NONE

    def posted_price(self, order: Order, price: int) -> int | None:
        """Return the price at which an order may be posted, None where there is none; others keep theirs."""
        best = self.books.best(order.instrument, opposite(order.side))
        if order.ord_type != OrdType.LIMIT or not order.flags & POSTING or best is None:
            return price
        if not allows(order.side, price, best):
            return price
        if order.flags & CommandFlag.POST_ONLY:
            return None
        number = self.books.market(order.instrument).tick_table
        table = self.books.tick_tables.get(number, TickTable())
        return table.below(best) if order.side == Side.BUY else table.above(best)
