"""Matching, naively: each command of ``docs/matching-rules.md``, one method a kind.

:meth:`MatchingTwin.process` expires what is due, carries out a command that risk has judged, and settles the stop
orders of its instrument. The state is :class:`tests.twin.book.Books` and who is cancelled with its session.
"""

from __future__ import annotations

from protocols.codes import (
    FLAG_STP_MASK,
    FLAG_STP_SHIFT,
    CommandFlag,
    Kind,
    OrdType,
    OutcomeFlag,
    OutcomeType,
    Reason,
    Side,
    Tif,
)
from tests.twin.book import LARGEST, STOP_TYPES, Books, Order, allows, opposite
from tests.twin.records import Command, Outcome
from tests.twin.risk import Verdict
from tests.twin.stops import Stops, trailing_price
from tests.twin.told import Told
from tests.twin.trading import Trading, may_rest

# Any other kind, and VENUE elsewhere than at sequence 1, is a command that risk rejected, not one of these.
ADMINISTRATIVE = (
    Kind.SESSION_OPEN, Kind.SESSION_CLOSE, Kind.INSTRUMENT, Kind.ACCOUNT, Kind.LIMIT, Kind.KILL,
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


class MatchingTwin:
    """The books; :meth:`process` carries out a command that risk has judged (None: one without an outcome)."""

    def __init__(self, max_orders: int, max_levels: int, max_specials: int = 1 << 16) -> None:
        self.books = Books(max_orders, max_levels, max_specials)
        self.cancel_on_close: set[int] = set()
        self._begin(Command())

    def _begin(self, command: Command) -> None:
        self._command = command
        self._told = Told(command)
        self._trading = Trading(self.books, self._told)
        self._stops = Stops(self.books, self._told, self._trading)

    def process(self, command: Command, verdict: Verdict | None) -> list[Outcome]:
        """Carry out one command; return its outcomes."""
        self._begin(command)
        self._expire_what_is_due()
        if verdict is None:
            return self._told.outcomes
        if command.kind in ADMINISTRATIVE:
            self._administer(verdict)
        elif verdict.reason != Reason.NONE:
            self._rejected_by_risk(verdict)
        elif command.kind == Kind.NEW:
            self._new(order_of(command), verdict.target)
        elif command.kind == Kind.MASS_CANCEL:
            self._mass_cancel()
        else:
            self._change(verdict.target)
        return self._told.outcomes

    def _expire_what_is_due(self) -> None:
        due = [
            order
            for order in self.books.orders.values()
            if order.tif == Tif.GTD and order.expiry <= self._command.time_ns
        ]
        for order in sorted(due, key=lambda order: (order.expiry, order.order_id)):
            self.books.remove(order)
            flags = OutcomeFlag.UNSOLICITED
            self._told.ended(OutcomeType.EXPIRED, order, Reason.GTD_EXPIRED, flags=flags)

    def _rejected_by_risk(self, verdict: Verdict) -> None:
        new = self._command.kind == Kind.NEW
        flags = OutcomeFlag.RISK | OutcomeFlag.NEW if new else OutcomeFlag.RISK
        self._told.rejected(verdict.reason, 0 if new else verdict.target, flags=flags)

    # NEW

    def _new(self, order: Order, target_id: int) -> None:
        target = self.books.orders.get(target_id)
        asked, reason = order.price, self._refusal(order, target)
        if reason != Reason.NONE:
            return self._told.rejected(reason, order.order_id, flags=OutcomeFlag.NEW)
        flags = ANSWER | OutcomeFlag.REPRICED if order.price != asked else ANSWER
        self._told.about(OutcomeType.ACCEPTED, order, qty=order.leaves, flags=flags)
        if order.is_stop:
            self._stops.enter(order)
        elif target is not None:
            self._trading.fill(order, target, order.price)
            self._trading.rest_or_expire(order)
        elif order.flags & CommandFlag.BOOK_ONLY:
            self._trading.rest_or_expire(order)
        else:
            self._match(order)
        return self._stops.settle(order.instrument)

    def _refusal(self, order: Order, target: Order | None) -> Reason:
        """Return why matching does not take a new order; give a POST_REPRICE order its price."""
        if may_rest(order) and self.books.has_no_room(order):
            return Reason.NO_ROOM
        if order.ord_type == OrdType.DIRECTED:
            if target is None or target.is_stop or target.instrument != order.instrument:
                return Reason.UNKNOWN_ORDER
            return Reason.NONE if target.side != order.side else Reason.UNKNOWN_ORDER
        if order.ord_type == OrdType.TRAILING_STOP and order.instrument not in self.books.last_prices:
            return Reason.NO_REFERENCE_PRICE
        price = self._posted_price(order, order.price)
        if price is None:
            return Reason.POST_ONLY_WOULD_TRADE
        order.price = price
        return Reason.NONE

    def _posted_price(self, order: Order, price: int) -> int | None:
        """Return the price at which an order may be posted, None where there is none; others keep theirs."""
        best = self.books.best(order.instrument, opposite(order.side))
        posts = order.flags & (CommandFlag.POST_ONLY | CommandFlag.POST_REPRICE)
        if order.ord_type != OrdType.LIMIT or not posts or best is None:
            return price
        if not allows(order.side, price, best):
            return price
        short = best - 1 if order.side == Side.BUY else best + 1
        return short if order.flags & CommandFlag.POST_REPRICE and 1 <= short <= LARGEST else None

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
            self._trading.rest_or_expire(order)

    # CANCEL, REDUCE, REPLACE, STATUS

    def _change(self, target: int) -> None:
        command = self._command
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
            self._replace(order)
        elif command.kind == Kind.CANCEL or command.qty_lots >= order.leaves:
            self.books.remove(order)
            self._told.ended(
                OutcomeType.CANCELLED, order, Reason.CLIENT_REQUEST, cl=cl, orig=orig, flags=ANSWER
            )
        else:
            order.lose(command.qty_lots)
            self._told.about(
                OutcomeType.REPLACED, order, qty=order.cum + order.leaves, cl=cl, orig=orig, flags=ANSWER
            )
        return None

    def _replace(self, order: Order) -> None:
        leaves = self._command.qty_lots - order.cum
        reason = Reason.NONE
        if leaves <= 0:
            reason = Reason.QTY_BELOW_EXECUTED
        elif order.display and leaves > MAX_DISPLAYS * order.display:
            reason = Reason.INVALID_DISPLAY_QTY
        elif order.is_stop:
            reason = self._replace_stop(order, leaves)
        else:
            reason = self._replace_resting(order, leaves)
        if reason != Reason.NONE:
            return self._told.rejected(reason, order.order_id, order)
        return self._stops.settle(order.instrument)

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
        if self._command.price_ticks == order.price and leaves < order.leaves:
            self._replaced(order, leaves)
            return Reason.NONE
        if self.books.levels_are_full():
            return Reason.NO_ROOM
        price = self._posted_price(order, self._command.price_ticks)
        if price is None:
            return Reason.POST_ONLY_WOULD_TRADE
        self.books.remove(order)
        order.price = price
        self._replaced(order, leaves)
        self._trading.trade(order, order.price)
        self._trading.rest_or_expire(order)
        return Reason.NONE

    def _replaced(self, order: Order, leaves: int) -> None:
        orig, order.cl = order.cl, self._command.cl
        order.lose(order.leaves - leaves)
        self._told.about(OutcomeType.REPLACED, order, qty=order.cum + order.leaves, orig=orig, flags=ANSWER)

    # MASS_CANCEL, SESSION_CLOSE

    def _mass_cancel(self) -> None:
        command = self._command
        cancelled = [
            order
            for order in self.books.all_in_order()
            if command.session in (0, order.session)
            and command.account in (0, order.account)
            and command.instrument in (0, order.instrument)
            and command.side in (0, order.side)
        ]
        self._cancel_all(cancelled, Reason.MASS_CANCEL)
        self._told.mass_cancelled(len(cancelled))

    def _cancel_all(self, orders: list[Order], reason: Reason) -> None:
        for order in orders:
            self.books.remove(order)
            self._told.ended(OutcomeType.CANCELLED, order, reason, flags=OutcomeFlag.UNSOLICITED)

    def _administer(self, verdict: Verdict) -> None:
        command = self._command
        if verdict.reason == Reason.NONE:
            match command.kind:
                case Kind.INSTRUMENT:
                    self.books.protections[command.instrument] = command.orig0
                case Kind.SESSION_OPEN:
                    self.cancel_on_close.discard(verdict.session)
                    if command.flags & CommandFlag.CANCEL_ON_CLOSE:
                        self.cancel_on_close.add(verdict.session)
                case Kind.SESSION_CLOSE if command.session in self.cancel_on_close:
                    own = [order for order in self.books.all_in_order() if order.session == command.session]
                    self._cancel_all(own, Reason.DISCONNECTED)
        self._told.administered(verdict.reason, verdict.session)
