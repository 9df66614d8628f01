"""Price bands, naively: how far an order may trade, and whether it would have gone further.

The dynamic reference is fixed while one command is carried out: the last trade prices are noted when it begins, and
only an uncross changes what is noted (*Price bands* in ``docs/trading-states.md``).
"""

from __future__ import annotations

from protocols.codes import BandMode, Side
from tests.twin.book import LARGEST, SMALLEST, Books, Order, allows, opposite


def nearer(side: int, prices: list[int | None]) -> int | None:
    """Return the price that an order reaches first, None for no end."""
    ends = [price for price in prices if price is not None]
    if not ends:
        return None
    return min(ends) if side == Side.BUY else max(ends)


class Bands:
    """The bands of all instruments, for one command."""

    def __init__(self, books: Books) -> None:
        self.books = books
        self.last_prices = dict(books.last_prices)

    def uncrossed(self, instrument: int, price: int) -> None:
        """Take an auction price as the reference of both bands."""
        self.last_prices[instrument] = price
        self.books.market(instrument).static_reference = price

    def edge(self, taker: Order) -> int | None:
        """Return the last price within both bands, None where there is no band."""
        market = self.books.market(taker.instrument)
        if market.mode == BandMode.NONE:
            return None
        bands = [
            (market.static_reference or None, market.static_width),
            (self.last_prices.get(taker.instrument), market.dynamic_width),
        ]
        sign = 1 if taker.side == Side.BUY else -1
        edges = [
            max(SMALLEST, min(reference + sign * width, LARGEST))
            for reference, width in bands
            if reference is not None and width != 0
        ]
        return nearer(taker.side, list(edges))

    def within(self, taker: Order, limit: int | None) -> int | None:
        """Return the nearer of a limit and the bands' edges."""
        return nearer(taker.side, [limit, self.edge(taker)])

    def are_breached(self, taker: Order, limit: int | None) -> bool:
        """Tell whether an order with lots left would trade with the best opposite price if there were no bands."""
        best = self.books.best(taker.instrument, opposite(taker.side))
        if taker.leaves == 0 or best is None:
            return False
        return allows(taker.side, limit, best) and not allows(taker.side, self.edge(taker), best)
