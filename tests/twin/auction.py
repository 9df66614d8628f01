"""The uncross, naively: the price that trades most, and its trades, as *Uncross* in ``docs/trading-states.md`` says.

Buys and sells are summed anew for each price that comes into question.
"""

from __future__ import annotations

from protocols.codes import OrdType, OutcomeFlag, OutcomeType, Side
from tests.twin.book import Books, Order, allows
from tests.twin.markets import Crossing
from tests.twin.told import Told

MOST_LOTS = 2**62  # sums of lots count up to this


def limit_of(order: Order) -> int | None:
    """Return the limit of an order in an uncross: None for a MARKET order."""
    return None if order.ord_type == OrdType.MARKET else order.price


class Auction:
    """The two sides of one instrument, while one command is carried out."""

    def __init__(self, books: Books, told: Told) -> None:
        self.books = books
        self.told = told

    def _orders(self, instrument: int, side: int) -> list[Order]:
        """Return the orders of a side, first in an uncross first."""
        return [order for _, queue in self.books.levels(instrument, side) for order in queue]

    def crossing(self, instrument: int) -> Crossing:
        """Return what an uncross would give now: all 0 where there is no price."""
        sums: dict[int, dict[int | None, int]] = {Side.BUY: {}, Side.SELL: {}}
        for side, lots in sums.items():
            for order in self._orders(instrument, side):
                limit = limit_of(order)
                lots[limit] = lots.get(limit, 0) + order.leaves

        def at(price: int) -> Crossing:
            buys, sells = (
                min(sum(n for limit, n in lots.items() if allows(side, limit, price)), MOST_LOTS)
                for side, lots in sums.items()
            )
            side = Side.BUY if buys > sells else Side.SELL if sells > buys else 0
            return Crossing(price, min(buys, sells), abs(buys - sells), side)

        reference = self.books.last_prices.get(instrument)
        limits = {limit for lots in sums.values() for limit in lots if limit is not None}
        if limits:
            found = at(self._price([at(price) for price in sorted(limits)], reference))
        elif reference is not None:
            found = at(reference)  # MARKET orders only
        else:
            return Crossing()
        return found if found.volume > 0 else Crossing()

    @staticmethod
    def _price(candidates: list[Crossing], reference: int | None) -> int:
        """Choose among the crossings at all limits, lowest price first."""
        volume = max(each.volume for each in candidates)
        candidates = [each for each in candidates if each.volume == volume]
        surplus = min(each.surplus for each in candidates)
        candidates = [each for each in candidates if each.surplus == surplus]
        lowest, highest = candidates[0].price, candidates[-1].price
        if all(each.side == Side.BUY for each in candidates):
            return highest
        if all(each.side == Side.SELL for each in candidates):
            return lowest
        return lowest if reference is None else min(max(reference, lowest), highest)

    def trade(self, instrument: int, crossing: Crossing) -> None:
        """Trade the volume of a crossing at its price: the first buy with the first sell."""
        left = crossing.volume
        while left > 0:
            buy, sell = (self._orders(instrument, side)[0] for side in Side)
            qty = min(buy.leaves, sell.leaves, left)
            left -= qty
            self.told.trades += 1
            for order in (buy, sell):
                self.books.lose(order, qty)
                order.cum += qty
                self.told.about(
                    OutcomeType.FILLED,
                    order,
                    price=crossing.price,
                    qty=qty,
                    flags=OutcomeFlag.AUCTION,
                    trade_index=self.told.trades,
                )
                if order.leaves == 0:
                    self.books.remove(order)
