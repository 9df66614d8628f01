"""Matching, naively: each command of ``docs/matching-rules.md`` and ``docs/trading-states.md``, one method a kind.

:meth:`MatchingTwin.process` does what is due, carries out a command that risk has judged, settles the stop orders of
its instrument, and indicates what auctions would give. The state is :class:`tests.twin.book.Books`, the schedules,
and who is cancelled with its session.
"""

from __future__ import annotations

from typing import Any

from protocols.codes import (
    FLAG_STP_MASK,
    FLAG_STP_SHIFT,
    CommandFlag,
    Kind,
    OrdType,
    OutcomeFlag,
    OutcomeType,
    Reason,
    Tif,
    TradingState,
)
from tests.twin.bands import Bands
from tests.twin.book import STOP_TYPES, Books, Order
from tests.twin.records import Command, Outcome
from tests.twin.refusals import Refusals
from tests.twin.risk import Verdict
from tests.twin.states import States
from tests.twin.stops import Stops, trailing_price
from tests.twin.timers import Schedules, Timers
from tests.twin.told import Told
from tests.twin.trading import Trading
from tests.twin.venue import Venue

# Any other kind, and VENUE elsewhere than at sequence 1, is a command that risk rejected, not one of these.
ADMINISTRATIVE = (
    Kind.SESSION_OPEN, Kind.SESSION_CLOSE, Kind.INSTRUMENT, Kind.ACCOUNT, Kind.LIMIT, Kind.KILL,
    Kind.STATE, Kind.SCHEDULE, Kind.BANDS, Kind.TICK_TABLE, Kind.FIRM, Kind.PERMIT, Kind.COLLAR, Kind.FEES,
    Kind.TRANSFER, Kind.DAY_BEGIN,
)  # fmt: skip
ANSWER = OutcomeFlag.ANSWER
PRICED_TYPES = (OrdType.LIMIT, OrdType.STOP_LIMIT, OrdType.DIRECTED)
MAX_DISPLAYS = 64


def order_of(command: Command) -> Order:
    """Return the order that a NEW asks for."""
    order = Order(
        order_id=command.seq,
        instrument=command.instrument,
        side=command.side,
        ord_type=command.ord_type,
        tif=command.tif,
        price=command.price_ticks if command.ord_type in PRICED_TYPES else 0,
        leaves=command.qty_lots,
        cl=command.cl,
        account=command.account,
        session=command.session,
        flags=command.flags,
    )
    if command.ord_type == OrdType.DIRECTED:
        return order  # in its fields stands the order that it names
    order.display, order.minimum, order.group = command.order_id, command.orig0, command.orig2
    order.mode = command.flags >> FLAG_STP_SHIFT & FLAG_STP_MASK
    if command.tif == Tif.GTD:
        order.expiry = command.aux1
    if command.ord_type == OrdType.TRAILING_STOP:
        order.distance = command.aux0
    elif command.ord_type in STOP_TYPES:
        order.stop_price = command.aux0
    return order


def marked(warning: int) -> dict[str, Any]:
    """Return what the answer to an order tells of a limit that is nearly used up (0: of none)."""
    return {"reason": Reason.LIMIT_WARNING, "trade_index": warning} if warning else {}


class MatchingTwin:
    """The books; :meth:`process` carries out a command that risk has judged (None: one without an outcome)."""

    def __init__(self, max_orders: int, max_levels: int, max_specials: int = 1 << 16) -> None:
        self.books = Books(max_orders, max_levels, max_specials)
        self.schedules = Schedules()
        self.cancel_on_close: set[int] = set()
        self._begin(Command())

    def _begin(self, command: Command) -> None:
        self._command = command
        self._told = Told(command)
        self._warning = 0
        bands = Bands(self.books)
        self._trading = Trading(self.books, self._told, bands)
        self._refusals = Refusals(self.books)
        self._stops = Stops(self.books, self._told, self._trading)
        self._states = States(self.books, self._told, bands, self._stops)
        self._trading.interrupt = self._states.interrupt
        self._venue = Venue(self.books, self._told, self._states, self.schedules, self.cancel_on_close)

    def process(self, command: Command, verdict: Verdict | None) -> list[Outcome]:
        """Carry out one command; return its outcomes."""
        self._begin(command)
        Timers(self.books, self.schedules, self._told, self._states).run()
        self._states.indicate_changes()
        if verdict is not None:
            self._carry_out(command, verdict)
        self._states.indicate_changes()
        return self._told.outcomes

    def _carry_out(self, command: Command, verdict: Verdict) -> None:
        if command.kind in ADMINISTRATIVE:
            self._venue.administer(verdict)
        elif verdict.reason != Reason.NONE:
            self._rejected_by_risk(verdict)
        elif command.kind == Kind.NEW:
            self._new(order_of(command), verdict)
        elif command.kind == Kind.MASS_CANCEL:
            self._venue.mass_cancel()
        else:
            self._change(verdict)

    def _rejected_by_risk(self, verdict: Verdict) -> None:
        new = self._command.kind == Kind.NEW
        flags = OutcomeFlag.RISK | OutcomeFlag.NEW if new else OutcomeFlag.RISK
        self._told.rejected(verdict.reason, 0 if new else verdict.target, flags=flags)

    # NEW

    def _new(self, order: Order, verdict: Verdict) -> None:
        target = self.books.orders.get(verdict.target)
        asked, reason = order.price, self._refusals.of_new(order, target)
        if reason != Reason.NONE:
            return self._told.rejected(reason, order.order_id, flags=OutcomeFlag.NEW)
        flags = ANSWER | OutcomeFlag.REPRICED if order.price != asked else ANSWER
        self._told.about(
            OutcomeType.ACCEPTED, order, qty=order.leaves, flags=flags, **marked(verdict.warning)
        )
        market = self.books.market(order.instrument)
        order.waits = order.tif == Tif.CLOSE and market.state != TradingState.CLOSING_AUCTION
        if order.is_stop:
            self._stops.enter(order)
        elif market.calls or order.waits:
            self._call(order)
        elif target is not None:
            self._trading.fill(order, target, order.price)
            self._trading.rest_or_expire(order)
        elif order.flags & CommandFlag.BOOK_ONLY:
            self._trading.rest_or_expire(order)
        else:
            self._match(order)
        return self._stops.settle(order.instrument)

    def _call(self, order: Order) -> None:
        """Let an order rest, or wait, that does not trade now."""
        order.show()
        self.books.append(order)

    def _match(self, order: Order) -> None:
        """Trade a new order if it may trade enough; then let it rest or expire."""
        limit = self._trading.limit_of(order)
        tradable = self._trading.may_trade(order, limit)
        if order.tif == Tif.FOK and tradable < order.leaves:
            self._told.ended(OutcomeType.EXPIRED, order, Reason.FOK_NOT_FILLABLE)
        elif tradable < order.minimum:
            self._told.ended(OutcomeType.EXPIRED, order, Reason.MIN_QTY_NOT_MET)
        else:
            self._trading.trade(order, limit)
            self._trading.finish(order, limit)

    # CANCEL, REDUCE, REPLACE, STATUS

    def _change(self, verdict: Verdict) -> None:
        command, target = self._command, verdict.target
        order = self.books.orders.get(target)
        if order is None or order.session != command.session:
            named_by_orig = command.order_id == 0
            return self._told.rejected(Reason.TOO_LATE if named_by_orig else Reason.UNKNOWN_ORDER, target)
        same = command.instrument in (0, order.instrument) and command.side in (0, order.side)
        if not same:
            return self._told.rejected(Reason.ORDER_MISMATCH, target, order)
        cl, orig = command.cl, order.cl
        if command.kind == Kind.STATUS:
            self._told.about(
                OutcomeType.STATUS, order, qty=order.cum + order.leaves, cl=cl, orig=orig, flags=ANSWER
            )
        elif command.kind == Kind.REPLACE:
            self._warning = verdict.warning
            self._replace(order)
        elif command.kind == Kind.CANCEL or command.qty_lots >= order.leaves:
            self.books.remove(order)
            self._told.ended(
                OutcomeType.CANCELLED, order, Reason.CLIENT_REQUEST, cl=cl, orig=orig, flags=ANSWER
            )
        else:
            self.books.lose(order, command.qty_lots)
            self._told.about(
                OutcomeType.REPLACED, order, qty=order.cum + order.leaves, cl=cl, orig=orig, flags=ANSWER
            )
        return None

    def _replace(self, order: Order) -> None:
        reason = self._refusals.shut(order.instrument) or self._change_terms(order)
        if reason != Reason.NONE:
            return self._told.rejected(reason, order.order_id, order)
        return self._stops.settle(order.instrument)

    def _change_terms(self, order: Order) -> Reason:
        """Replace an order in a state that allows it; return why not."""
        leaves = self._command.qty_lots - order.cum
        if leaves <= 0:
            return Reason.QTY_BELOW_EXECUTED
        if order.display and leaves > MAX_DISPLAYS * order.display:
            return Reason.INVALID_DISPLAY_QTY
        if order.is_stop:
            return self._replace_stop(order, leaves)
        return self._replace_resting(order, leaves)

    def _replace_stop(self, order: Order, leaves: int) -> Reason:
        """Change a stop order; return why not."""
        command = self._command
        stop_price, distance = command.aux0 or order.stop_price, order.distance
        if order.ord_type == OrdType.TRAILING_STOP:
            distance = command.aux0 or order.distance
            stop_price = trailing_price(order, order.reference, distance)
        keeps_place = stop_price == order.stop_price and leaves < order.leaves
        if not keeps_place and self.books.levels_are_full():
            return Reason.NO_ROOM
        if not keeps_place:
            self.books.remove(order)
        order.stop_price, order.distance = stop_price, distance
        if order.ord_type == OrdType.STOP_LIMIT:
            order.price = command.price_ticks
        self._replaced(order, leaves)
        if not keeps_place:
            self.books.append(order)
        return Reason.NONE

    def _replace_resting(self, order: Order, leaves: int) -> Reason:
        """Change an order on a side that trades; return why not."""
        asked = order.price if order.ord_type == OrdType.MARKET else self._command.price_ticks
        only_rests = order.waits or self.books.market(order.instrument).calls
        if asked == order.price and leaves < order.leaves:
            self._replaced(order, leaves)
            return Reason.NONE
        if self.books.levels_are_full():
            return Reason.NO_ROOM
        price = asked if only_rests else self._refusals.posted_price(order, asked)
        if price is None:
            return Reason.POST_ONLY_WOULD_TRADE
        self.books.remove(order)
        order.price = price
        self._replaced(order, leaves)
        if only_rests:
            self._call(order)
        else:
            self._trading.trade(order, order.price)
            self._trading.finish(order, order.price, flags=OutcomeFlag.UNSOLICITED)
        return Reason.NONE

    def _replaced(self, order: Order, leaves: int) -> None:
        orig, order.cl = order.cl, self._command.cl
        self.books.lose(order, order.leaves - leaves)
        qty, warning = order.cum + order.leaves, marked(self._warning)
        self._told.about(OutcomeType.REPLACED, order, qty=qty, orig=orig, flags=ANSWER, **warning)
