"""Matching, naively: the section "Matching" of ``docs/rules.md`` with dicts of prices and lists of orders.

A side of a book is a dict from price to the list of its orders, oldest first; the best price is the ``max``
or ``min`` of its keys. An order object is in exactly one such list and in ``orders`` while it is open.
"""

from __future__ import annotations

from dataclasses import dataclass

from protocols.codes import CommandFlag, Kind, OrdType, OutcomeFlag, OutcomeType, Reason, Side, Tif
from tests.twin.records import NO_TEXT, Command, Outcome, Text
from tests.twin.risk import Verdict

# Any other kind, and VENUE elsewhere than at sequence 1, is a command that risk rejected, not one of these.
ADMINISTRATIVE = (
    Kind.SESSION_OPEN, Kind.SESSION_CLOSE, Kind.INSTRUMENT, Kind.ACCOUNT, Kind.LIMIT, Kind.KILL,
)  # fmt: skip


@dataclass(eq=False)
class Order:
    """An order: open while it is in a book, a taker before."""

    order_id: int
    instrument: int
    side: int
    price: int
    leaves: int
    cum: int
    cl: Text
    account: int
    session: int


def opposite(side: int) -> Side:
    """Return the other side."""
    return Side.SELL if side == Side.BUY else Side.BUY


def allows(side: int, limit: int | None, price: int) -> bool:
    """Tell whether an order of this side and limit (None for any price) trades at a price."""
    if limit is None:
        return True
    return price <= limit if side == Side.BUY else price >= limit


class MatchingTwin:
    """The books; :meth:`process` carries out a command that risk has judged."""

    def __init__(self, max_orders: int, max_levels: int) -> None:
        self.max_orders = max_orders
        self.max_levels = max_levels
        self.orders: dict[int, Order] = {}
        self.books: dict[tuple[int, int], dict[int, list[Order]]] = {}
        self._command = Command()
        self._outcomes: list[Outcome] = []
        self._trades = 0

    def process(self, command: Command, verdict: Verdict) -> list[Outcome]:
        """Carry out one command; return its outcomes."""
        self._command, self._outcomes, self._trades = command, [], 0
        if command.kind in ADMINISTRATIVE:
            self._administrative(verdict)
        elif verdict.reason != Reason.NONE:
            self._rejected_by_risk(verdict)
        elif command.kind == Kind.NEW:
            self._new(verdict.target)
        else:
            self._change(verdict.target)
        return self._outcomes

    # NEW

    def _new(self, target: int) -> None:
        command = self._command
        rests = command.ord_type == OrdType.LIMIT and command.tif in (Tif.GTC, Tif.DAY)
        if rests and (len(self.orders) >= self.max_orders or self._level_count() >= self.max_levels):
            return self._reject(Reason.NO_ROOM, command.seq, flags=OutcomeFlag.NEW)
        order = Order(
            order_id=command.seq,
            instrument=command.instrument,
            side=command.side,
            price=command.price_ticks if command.ord_type != OrdType.MARKET else 0,
            leaves=command.qty_lots,
            cum=0,
            cl=command.cl,
            account=command.account,
            session=command.session,
        )
        if command.ord_type == OrdType.DIRECTED:
            return self._directed(order, target)
        self._emit(OutcomeType.ACCEPTED, order, qty=order.leaves, orig=command.orig)
        limit = order.price if command.ord_type == OrdType.LIMIT else None
        if command.tif == Tif.FOK and self._tradable(order, limit) < order.leaves:
            return self._expire(order, Reason.FOK_NOT_FILLABLE)
        if not command.flags & CommandFlag.BOOK_ONLY:
            self._trade(order, limit)
        if order.leaves > 0:
            if rests:
                self._rest(order)
            else:
                market = command.ord_type == OrdType.MARKET
                self._expire(order, Reason.NO_LIQUIDITY if market else Reason.IOC_REMAINDER)
        return None

    def _directed(self, order: Order, target_id: int) -> None:
        """Trade with the one order that the command names, at the command's price."""
        target = self.orders.get(target_id)
        if target is None or target.instrument != order.instrument or target.side == order.side:
            return self._reject(Reason.UNKNOWN_ORDER, order.order_id, flags=OutcomeFlag.NEW)
        self._emit(OutcomeType.ACCEPTED, order, qty=order.leaves, orig=self._command.orig)
        self._fill(order, target, order.price)
        if order.leaves > 0:
            self._expire(order, Reason.IOC_REMAINDER)
        return None

    def _tradable(self, taker: Order, limit: int | None) -> int:
        """Return the lots that an order could trade with at its limit."""
        resting = self.books.get((taker.instrument, opposite(taker.side)), {})
        return sum(
            order.leaves
            for price, orders in resting.items()
            if allows(taker.side, limit, price)
            for order in orders
        )

    def _trade(self, taker: Order, limit: int | None) -> None:
        """Trade with the best opposite level, oldest order first, while the limit allows."""
        while taker.leaves > 0:
            resting = self.books.get((taker.instrument, opposite(taker.side)), {})
            prices = [price for price in resting if allows(taker.side, limit, price)]
            if not prices:
                return
            best = min(prices) if taker.side == Side.BUY else max(prices)
            self._fill(taker, resting[best][0], best)

    def _fill(self, taker: Order, maker: Order, price: int) -> None:
        qty = min(taker.leaves, maker.leaves)
        self._trades += 1
        for order, flag in ((taker, OutcomeFlag.TAKER), (maker, OutcomeFlag.MAKER)):
            order.leaves -= qty
            order.cum += qty
            self._emit(OutcomeType.FILLED, order, price=price, qty=qty, flags=flag, trade_index=self._trades)
        if maker.leaves == 0:
            self._remove(maker)

    # CANCEL, REDUCE, REPLACE

    def _change(self, target: int) -> None:
        command = self._command
        order = self.orders.get(target)
        if order is None or order.session != command.session:
            named_by_orig = command.order_id == 0
            return self._reject(Reason.TOO_LATE if named_by_orig else Reason.UNKNOWN_ORDER, target)
        same = command.instrument in (0, order.instrument) and command.side in (0, order.side)
        if not same:
            return self._reject(Reason.ORDER_MISMATCH, target, order)
        match command.kind:
            case Kind.CANCEL:
                self._cancel(order)
            case Kind.REDUCE if command.qty_lots >= order.leaves:
                self._cancel(order)
            case Kind.REDUCE:
                order.leaves -= command.qty_lots
                self._replaced(order, orig=order.cl)
            case _:
                self._replace(order)
        return None

    def _cancel(self, order: Order) -> None:
        removed, order.leaves = order.leaves, 0
        self._remove(order)
        self._emit(
            OutcomeType.CANCELLED,
            order,
            qty=removed,
            cl=self._command.cl,
            orig=order.cl,
            reason=Reason.CLIENT_REQUEST,
        )

    def _replace(self, order: Order) -> None:
        command = self._command
        leaves = command.qty_lots - order.cum
        if leaves <= 0:
            return self._reject(Reason.QTY_BELOW_EXECUTED, order.order_id, order)
        keeps_priority = command.price_ticks == order.price and leaves < order.leaves
        if not keeps_priority and self._level_count() >= self.max_levels:
            return self._reject(Reason.NO_ROOM, order.order_id, order)
        if not keeps_priority:
            self._remove(order)
        orig, order.cl = order.cl, command.cl
        order.price, order.leaves = command.price_ticks, leaves
        self._replaced(order, orig)
        if not keeps_priority:
            self._trade(order, order.price)
            if order.leaves > 0:
                self._rest(order)
        return None

    def _replaced(self, order: Order, orig: Text) -> None:
        qty = order.cum + order.leaves
        self._emit(OutcomeType.REPLACED, order, qty=qty, cl=self._command.cl, orig=orig)

    # The books

    def _level_count(self) -> int:
        return sum(len(levels) for levels in self.books.values())

    def _rest(self, order: Order) -> None:
        levels = self.books.setdefault((order.instrument, order.side), {})
        levels.setdefault(order.price, []).append(order)
        self.orders[order.order_id] = order

    def _remove(self, order: Order) -> None:
        levels = self.books[order.instrument, order.side]
        levels[order.price].remove(order)
        if not levels[order.price]:
            del levels[order.price]
        del self.orders[order.order_id]

    # Outcomes

    def _emit(
        self,
        kind_of_outcome: OutcomeType,
        order: Order,
        *,
        qty: int,
        price: int | None = None,
        leaves: int | None = None,
        cl: Text | None = None,
        orig: Text = NO_TEXT,
        reason: Reason = Reason.NONE,
        flags: int = 0,
        trade_index: int = 0,
    ) -> None:
        """Report what happened to an order: its own fields, but for those that are given."""
        self._append(
            type=kind_of_outcome,
            order_id=order.order_id,
            price_ticks=order.price if price is None else price,
            qty_lots=qty,
            leaves_lots=order.leaves if leaves is None else leaves,
            cum_lots=order.cum,
            account=order.account,
            instrument=order.instrument,
            side=order.side,
            session=order.session,
            cl=order.cl if cl is None else cl,
            orig=orig,
            reason=reason,
            flags=flags,
            trade_index=trade_index,
        )

    def _expire(self, order: Order, reason: Reason) -> None:
        orig = self._command.orig
        self._emit(OutcomeType.EXPIRED, order, qty=order.leaves, leaves=0, orig=orig, reason=reason)

    def _reject(self, reason: Reason, order_id: int, order: Order | None = None, flags: int = 0) -> None:
        """Reject the command with its own fields; leaves and cum are those of the order that it targets."""
        command = self._command
        self._append(
            type=OutcomeType.REJECTED,
            order_id=order_id,
            price_ticks=command.price_ticks,
            qty_lots=command.qty_lots,
            leaves_lots=order.leaves if order else 0,
            cum_lots=order.cum if order else 0,
            account=command.account,
            instrument=command.instrument,
            side=command.side,
            session=command.session,
            cl=command.cl,
            orig=command.orig,
            reason=reason,
            flags=flags,
        )

    def _rejected_by_risk(self, verdict: Verdict) -> None:
        new = self._command.kind == Kind.NEW
        flags = OutcomeFlag.RISK | OutcomeFlag.NEW if new else OutcomeFlag.RISK
        self._reject(verdict.reason, 0 if new else verdict.target, flags=flags)

    def _administrative(self, verdict: Verdict) -> None:
        accepted = verdict.reason == Reason.NONE
        self._append(
            type=OutcomeType.ACCEPTED if accepted else OutcomeType.REJECTED,
            account=self._command.account,
            instrument=self._command.instrument,
            session=verdict.session,
            side=self._command.side,
            cl=self._command.cl,
            orig=self._command.orig,
            reason=verdict.reason,
            flags=0 if accepted else OutcomeFlag.RISK,
        )

    def _append(self, *, cl: Text, orig: Text = NO_TEXT, **values: int) -> None:
        self._outcomes.append(
            Outcome(
                input_seq=self._command.seq,
                time_ns=self._command.time_ns,
                kind=self._command.kind,
                index=len(self._outcomes),
                cl0=cl[0],
                cl1=cl[1],
                cl2=cl[2],
                orig0=orig[0],
                orig1=orig[1],
                orig2=orig[2],
                **{name: int(value) for name, value in values.items()},
            )
        )
