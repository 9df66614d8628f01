"""Trading states, naively: what entering a state does, step by step, and what an auction indicates.

The steps are those of *Entering a state* in ``docs/trading-states.md``.
"""

from __future__ import annotations

from protocols.codes import OrdType, OutcomeFlag, OutcomeType, Reason, Tif, TradingState
from tests.twin.auction import Auction
from tests.twin.bands import Bands
from tests.twin.book import Books, Order
from tests.twin.markets import AUCTIONS
from tests.twin.stops import Stops
from tests.twin.told import Told

TRADING_ENDS = (TradingState.CONTINUOUS, TradingState.CLOSED)
BEFORE_THE_OPENING = (TradingState.PRE_OPEN, TradingState.OPENING_AUCTION, TradingState.HALT)


def why_it_ends(order: Order, to: int) -> Reason:
    """Return why an order ends when a state is entered, NONE where it does not."""
    closed = to == TradingState.CLOSED
    if order.ord_type == OrdType.MARKET and to in TRADING_ENDS and (closed or not order.waits):
        return Reason.AUCTION_REMAINDER
    if order.tif == Tif.OPEN and to not in BEFORE_THE_OPENING:
        return Reason.AUCTION_REMAINDER
    if order.tif == Tif.CLOSE and to in TRADING_ENDS and (closed or not order.waits):
        return Reason.AUCTION_REMAINDER
    return Reason.DAY_ENDED if order.tif == Tif.DAY and closed else Reason.NONE


class States:
    """The states of all instruments, while one command is carried out."""

    def __init__(self, books: Books, told: Told, bands: Bands, stops: Stops) -> None:
        self.books = books
        self.told = told
        self.bands = bands
        self.stops = stops
        self.auction = Auction(books, told)

    def enter_group(self, group: int, to: int) -> None:
        """Let all known instruments of a group enter a state."""
        for instrument, market in sorted(self.books.markets.items()):
            if market.group == group:
                self.enter(instrument, to)

    def enter(self, instrument: int, to: int) -> None:
        """Let an instrument enter a state; the one that it has already is none to enter."""
        market = self.books.market(instrument)
        previous = market.state
        if to == previous:
            return
        if to == TradingState.CONTINUOUS or (to == TradingState.CLOSED and previous in AUCTIONS):
            self._uncross(instrument)
        for order in self.books.all_in_order():
            reason = why_it_ends(order, to)
            if order.instrument == instrument and reason != Reason.NONE:
                self.books.remove(order)
                self.told.ended(OutcomeType.EXPIRED, order, reason, flags=OutcomeFlag.UNSOLICITED)
        market.state = to
        market.volatility_end_ns, market.told, market.put_off = 0, None, False
        self.told.about_market(OutcomeType.STATE_CHANGED, instrument, qty=to, leaves=previous)
        if to == TradingState.CLOSING_AUCTION:
            self._let_in_who_waits(instrument)
        if to == TradingState.VOLATILITY_AUCTION and market.duration_ns:
            market.volatility_end_ns = self.told.command.time_ns + market.duration_ns
        if to == TradingState.CONTINUOUS:
            self.stops.settle(instrument)
        if to in AUCTIONS:
            self.indicate(instrument)

    def interrupt(self, instrument: int) -> None:
        """Let an instrument enter the volatility auction because a band was breached."""
        self.enter(instrument, TradingState.VOLATILITY_AUCTION)

    def _uncross(self, instrument: int) -> None:
        crossing = self.auction.crossing(instrument)
        if crossing.volume > 0 or self.books.market(instrument).in_auction:
            self.told.crossing(OutcomeType.UNCROSSED, instrument, crossing)
        if crossing.volume > 0:
            self.auction.trade(instrument, crossing)
            self.books.last_prices[instrument] = crossing.price
            self.bands.uncrossed(instrument, crossing.price)

    def _let_in_who_waits(self, instrument: int) -> None:
        waiting = [
            order for order in self.books.all_in_order() if order.instrument == instrument and order.waits
        ]
        for order in waiting:
            self.books.remove(order)
            order.waits = False
            self.told.about(OutcomeType.TRIGGERED, order, qty=order.leaves, flags=OutcomeFlag.UNSOLICITED)
            self.books.append(order)

    # Indications

    def indicate(self, instrument: int) -> None:
        """Tell what an uncross would give, unless the auction that runs has told just that."""
        market = self.books.market(instrument)
        crossing = self.auction.crossing(instrument)
        if crossing != market.told:
            self.told.crossing(OutcomeType.INDICATION, instrument, crossing)
            market.told, market.told_ns = crossing, self.told.command.time_ns
        market.put_off = False

    def indicate_changes(self) -> None:
        """Tell of each auction whose orders changed, or put it off where the last indication is too near."""
        for instrument, market in sorted(self.books.markets.items()):
            if not market.in_auction or not (market.put_off or instrument in self.books.changed):
                continue
            if market.told is not None and self.told.command.time_ns < market.told_ns + market.interval_ns:
                market.put_off = True
            else:
                self.indicate(instrument)
        self.books.changed.clear()
