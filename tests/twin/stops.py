"""Stop orders, naively: how they enter their side, trail the last trade price, and are elected (7 of the rules).

Elections run after a command until nothing applies, one order at a time: what an elected order trades may move
trailing stops and elect others, also orders that stood before it in their queues.
"""

from __future__ import annotations

from protocols.codes import OrdType, OutcomeFlag, OutcomeType, Side, TradingState
from tests.twin.book import LARGEST, STOP_BUY, STOP_SELL, Books, Order
from tests.twin.told import Told
from tests.twin.trading import Trading


def trailing_price(order: Order, reference: int, distance: int) -> int:
    """Return the stop price of a trailing stop."""
    return min(reference + distance, LARGEST) if order.side == Side.BUY else reference - distance


class Stops:
    """The stop orders of one instrument while one command is carried out."""

    def __init__(self, books: Books, told: Told, trading: Trading) -> None:
        self.books = books
        self.told = told
        self.trading = trading

    def enter(self, order: Order) -> None:
        """Put a new stop order on its side."""
        if order.ord_type == OrdType.TRAILING_STOP:
            order.reference = self.books.last_prices[order.instrument]
            order.stop_price = trailing_price(order, order.reference, order.distance)
        self.books.append(order)

    def settle(self, instrument: int) -> None:
        """In CONTINUOUS, move trailing stops and elect one order after the other while the last price says so."""
        last = self.books.last_prices.get(instrument)
        while last is not None and self.books.market(instrument).state == TradingState.CONTINUOUS:
            self._trail(instrument, last)
            elected = self._next_elected(instrument, last)
            if elected is None:
                return
            self._elect(elected)
            last = self.books.last_prices[instrument]

    def _trail(self, instrument: int, last: int) -> None:
        """Let each trailing stop that the price betters follow it: buys before sells, by order id."""
        trailing = [
            order
            for order in self.books.orders.values()
            if order.instrument == instrument and order.ord_type == OrdType.TRAILING_STOP
        ]
        for order in sorted(trailing, key=lambda order: (order.side, order.order_id)):
            betters = last < order.reference if order.side == Side.BUY else last > order.reference
            if betters:
                self.books.remove(order)
                order.reference = last
                order.stop_price = trailing_price(order, last, order.distance)
                self.books.append(order)

    def _next_elected(self, instrument: int, last: int) -> Order | None:
        """Return the first stop buy at or below the last trade price, else the first stop sell at or above it."""
        for price, queue in self.books.levels(instrument, STOP_BUY)[:1]:
            if price <= last:
                return queue[0]
        for price, queue in self.books.levels(instrument, STOP_SELL)[:1]:
            if price >= last:
                return queue[0]
        return None

    def _elect(self, order: Order) -> None:
        """Let a stop order trade."""
        self.books.remove(order)
        flags = OutcomeFlag.UNSOLICITED
        self.told.about(OutcomeType.TRIGGERED, order, qty=order.leaves, flags=flags)
        order.ord_type = OrdType.LIMIT if order.ord_type == OrdType.STOP_LIMIT else OrdType.MARKET
        limit = self.trading.limit_of(order)
        self.trading.trade(order, limit)
        self.trading.finish(order, limit, flags=flags, elected=True)
