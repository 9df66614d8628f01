"""What changes the venue or many orders at once, naively: MASS_CANCEL, KILL and the other administrative kinds.

Risk has checked them; only a schedule without room is refused here. Firms, tick tables and bands are kept in the books.
"""

from __future__ import annotations

from collections.abc import Callable

from protocols.codes import (
    CommandFlag,
    KillLevel,
    Kind,
    OutcomeFlag,
    OutcomeType,
    Reason,
    Switch,
    TradingState,
)
from tests.twin.book import Books, Order
from tests.twin.markets import Market, TickTable
from tests.twin.risk import Verdict
from tests.twin.states import States
from tests.twin.timers import Schedules
from tests.twin.told import Told


class Venue:
    """The venue while one command is carried out."""

    def __init__(
        self, books: Books, told: Told, states: States, schedules: Schedules, cancel_on_close: set[int]
    ) -> None:
        self.books = books
        self.told = told
        self.states = states
        self.schedules = schedules
        self.cancel_on_close = cancel_on_close
        self.command = told.command
        self.killed = 0  # orders, by this command

    def mass_cancel(self) -> None:
        """Cancel the orders that the command names."""
        command = self.command
        cancelled = [
            order
            for order in self.books.all_in_order()
            if command.session in (0, order.session)
            and command.account in (0, order.account)
            and command.instrument in (0, order.instrument)
            and command.side in (0, order.side)
            and command.aux0 in (0, self.books.firms.get(order.account, 0))
        ]
        self._cancel_all(cancelled, Reason.MASS_CANCEL)
        self.told.mass_cancelled(len(cancelled))

    def _cancel_all(self, orders: list[Order], reason: Reason) -> None:
        for order in orders:
            self.books.remove(order)
            self.told.ended(OutcomeType.CANCELLED, order, reason, flags=OutcomeFlag.UNSOLICITED)

    def administer(self, verdict: Verdict) -> None:
        """Carry out and answer an administrative command."""
        reason = self._change_the_venue(verdict) if verdict.reason == Reason.NONE else Reason.NONE
        if reason != Reason.NONE:
            return self.told.refused(reason)
        qty = leaves = 0
        match self.command.kind:
            case Kind.LIMIT | Kind.PERMIT | Kind.TRANSFER:
                qty, leaves = self.command.qty_lots, verdict.before
            case Kind.KILL:
                qty, leaves = self.killed, verdict.before
            case Kind.DAY_BEGIN:
                leaves = verdict.before
        return self.told.administered(verdict.reason, verdict.session, qty=qty, leaves=leaves)

    def _kill(self, verdict: Verdict) -> None:
        """Cancel all orders of whom a KILL names."""
        command = self.command
        named: dict[int, Callable[[Order], bool]] = {
            KillLevel.VENUE: lambda order: True,
            KillLevel.FIRM: lambda order: self.books.firms.get(order.account, 0) == command.aux0,
            KillLevel.ACCOUNT: lambda order: order.account == command.account,
            KillLevel.SESSION: lambda order: order.session == verdict.killed_session,
            KillLevel.INSTRUMENT: lambda order: order.instrument == command.instrument,
        }
        orders = [order for order in self.books.all_in_order() if named[command.tif](order)]
        self._cancel_all(orders, Reason.KILL_SWITCH)
        self.killed = len(orders)

    def _change_the_venue(self, verdict: Verdict) -> Reason:
        """Carry out an administrative command; return why not."""
        command = self.command
        match command.kind:
            case Kind.INSTRUMENT:
                begins = Market(state=command.ord_type or TradingState.CONTINUOUS)
                market = self.books.markets.setdefault(command.instrument, begins)
                market.group, market.tick_table = command.account, command.orig1
                self.books.protections[command.instrument] = command.orig0
            case Kind.ACCOUNT:
                self.books.firms[command.account] = command.instrument
            case Kind.SESSION_OPEN:
                self.cancel_on_close.discard(verdict.session)
                if command.flags & CommandFlag.CANCEL_ON_CLOSE:
                    self.cancel_on_close.add(verdict.session)
            case Kind.SESSION_CLOSE if command.session in self.cancel_on_close:
                own = [order for order in self.books.all_in_order() if order.session == command.session]
                self._cancel_all(own, Reason.DISCONNECTED)
            case Kind.KILL if (command.side, command.ord_type) == (1, Switch.KILLED):
                self._kill(verdict)
            case Kind.STATE if command.instrument:
                self.states.enter(command.instrument, command.ord_type)
            case Kind.STATE:
                self.states.enter_group(command.account, command.ord_type)
            case Kind.SCHEDULE if command.side == 1:
                return self.schedules.add(command)
            case Kind.SCHEDULE:
                self.schedules.clear(command.account)
            case Kind.BANDS:
                self._set_bands(self.books.market(command.instrument))
            case Kind.TICK_TABLE if command.side == 1:
                table = self.books.tick_tables.setdefault(command.account, TickTable())
                table.rows.append((command.price_ticks, command.qty_lots))
            case Kind.TICK_TABLE:
                self.books.tick_tables.pop(command.account, None)
        return Reason.NONE

    def _set_bands(self, market: Market) -> None:
        command = self.command
        market.mode = command.ord_type
        market.static_width, market.dynamic_width = command.order_id, command.orig0
        market.static_reference = command.price_ticks or market.static_reference
        market.duration_ns, market.interval_ns = command.aux0, command.qty_lots
