"""Trading, naively: what a taker may trade, trades, and what becomes of the rest (4 to 6 of the rules of NEW).

All of it is about one taker at a time: a new order, a replaced one that came back, or an elected stop order.
"""

from __future__ import annotations

from collections.abc import Callable

from protocols.codes import BandMode, OrdType, OutcomeFlag, OutcomeType, Reason, SelfTradeMode, Side, Tif
from tests.twin.bands import Bands
from tests.twin.book import LARGEST, SMALLEST, Books, Order, allows, opposite
from tests.twin.told import Told

RESTING_TIFS = (Tif.GTC, Tif.DAY, Tif.GTD)


def may_rest(order: Order) -> bool:
    """Tell whether an order may rest, on a side that trades or as a stop order."""
    return order.is_stop or (order.ord_type == OrdType.LIMIT and order.tif in RESTING_TIFS)


def are_own(taker: Order, maker: Order) -> bool:
    """Tell whether self-trade prevention keeps two orders apart."""
    return taker.group != 0 and taker.group == maker.group


class Trading:
    """One taker against the books, told as it goes; ``interrupt`` is called when a band is breached."""

    def __init__(self, books: Books, told: Told, bands: Bands) -> None:
        self.books = books
        self.told = told
        self.bands = bands
        self.interrupt: Callable[[int], None]

    def limit_of(self, taker: Order) -> int | None:
        """Return the worst price at which a taker trades, None for any."""
        if taker.ord_type != OrdType.MARKET:
            return taker.price
        points = self.books.protections.get(taker.instrument, 0)
        best = self.books.best(taker.instrument, opposite(taker.side))
        if points == 0 or best is None:
            return None
        return min(best + points, LARGEST) if taker.side == Side.BUY else max(best - points, SMALLEST)

    def may_trade(self, taker: Order, limit: int | None) -> int:
        """Return the lots that a taker would trade, walking the opposite side as :meth:`trade` would."""
        left, total = taker.leaves, 0
        limit = self.bands.within(taker, limit)
        for price, queue in self.books.levels(taker.instrument, opposite(taker.side)):
            if not allows(taker.side, limit, price):
                break
            for maker in queue:
                if not are_own(taker, maker):
                    traded = min(left, maker.queued)
                    left, total = left - traded, total + traded
                elif left > 0 and taker.mode in (SelfTradeMode.NEWEST, SelfTradeMode.BOTH):
                    return total
                elif taker.mode == SelfTradeMode.DECREMENT:
                    left -= min(left, maker.leaves)
            for maker in queue:
                if not are_own(taker, maker):
                    traded = min(left, maker.leaves - maker.queued)
                    left, total = left - traded, total + traded
        return total

    def trade(self, taker: Order, limit: int | None) -> None:
        """Trade with the first order of the best opposite level while something is left, and limit and bands allow."""
        limit = self.bands.within(taker, limit)
        while taker.leaves > 0:
            levels = self.books.levels(taker.instrument, opposite(taker.side))
            if not levels or not allows(taker.side, limit, levels[0][0]):
                return
            price, queue = levels[0]
            if are_own(taker, queue[0]):
                self._prevent(taker, queue[0])
            else:
                self.fill(taker, queue[0], price)

    def fill(self, taker: Order, maker: Order, price: int) -> None:
        """Trade what the taker wants and the maker shows."""
        qty = min(taker.leaves, maker.queued)
        self.told.trades += 1
        maker.shown -= qty if maker.display else 0
        for order, flag in ((taker, OutcomeFlag.TAKER), (maker, OutcomeFlag.MAKER)):
            order.leaves -= qty
            order.cum += qty
            trade = self.told.trades
            self.told.about(OutcomeType.FILLED, order, price=price, qty=qty, flags=flag, trade_index=trade)
        self.books.last_prices[taker.instrument] = price
        if maker.leaves == 0:
            self.books.remove(maker)
        elif maker.queued == 0:
            self.books.refill(maker)

    def _prevent(self, taker: Order, maker: Order) -> None:
        """Keep two own orders from trading as the taker's mode says: the taker is told of first."""
        match taker.mode:
            case SelfTradeMode.NEWEST:
                self._cancel(taker)
            case SelfTradeMode.OLDEST:
                self.books.remove(maker)
                self._cancel(maker)
            case SelfTradeMode.BOTH:
                self._cancel(taker)
                self.books.remove(maker)
                self._cancel(maker)
            case SelfTradeMode.DECREMENT:
                qty = min(taker.leaves, maker.leaves)
                if qty == maker.leaves:
                    self.books.remove(maker)
                for order in (taker, maker):
                    self._decrement(order, qty)

    def _decrement(self, order: Order, qty: int) -> None:
        if order.leaves == qty:
            return self._cancel(order)
        order.lose(qty)
        flags = OutcomeFlag.UNSOLICITED
        return self.told.about(
            OutcomeType.REPLACED,
            order,
            qty=order.leaves + order.cum,
            reason=Reason.SELF_TRADE,
            flags=flags,
        )

    def _cancel(self, order: Order) -> None:
        flags = OutcomeFlag.UNSOLICITED
        self.told.ended(OutcomeType.CANCELLED, order, Reason.SELF_TRADE, flags=flags)

    def finish(self, taker: Order, limit: int | None, flags: int = 0, *, elected: bool = False) -> None:
        """Decide what becomes of a taker that has traded, and of its instrument if it breached a band."""
        breached = self.bands.are_breached(taker, limit)
        mode = self.books.market(taker.instrument).mode
        if breached and (mode == BandMode.REJECT or not may_rest(taker)):
            self.told.ended(OutcomeType.EXPIRED, taker, Reason.PRICE_OUT_OF_BAND, flags=flags)
        elif elected and taker.leaves > 0 and may_rest(taker) and self.books.levels_are_full():
            self.told.ended(OutcomeType.EXPIRED, taker, Reason.NO_ROOM, flags=flags)
        else:
            self.rest_or_expire(taker, flags=flags)
        if breached and mode == BandMode.HALT:
            self.interrupt(taker.instrument)

    def rest_or_expire(self, taker: Order, flags: int = 0) -> None:
        """Let what is left of a taker rest, or expire where it may not."""
        if taker.leaves == 0:
            return
        if may_rest(taker):
            taker.show()
            self.books.append(taker)
        elif taker.ord_type != OrdType.MARKET:
            self.told.ended(OutcomeType.EXPIRED, taker, Reason.IOC_REMAINDER, flags=flags)
        elif self.books.best(taker.instrument, opposite(taker.side)) is None:
            self.told.ended(OutcomeType.EXPIRED, taker, Reason.NO_LIQUIDITY, flags=flags)
        else:
            self.told.ended(OutcomeType.EXPIRED, taker, Reason.PRICE_PROTECTION, flags=flags)
