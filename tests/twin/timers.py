"""What is due by time, naively: everything is looked at again after each thing that was due.

Expiries, schedule rows, ends of volatility auctions and indications that were put off, in this order at the same time,
as *What is due by time* in ``docs/trading-states.md`` says. Schedule rows keep their places; a free one is None.
"""

from __future__ import annotations

from dataclasses import dataclass

from protocols.codes import OutcomeFlag, OutcomeType, Reason, TradingState
from tests.twin.book import Books
from tests.twin.records import Command
from tests.twin.states import States
from tests.twin.told import Told

MAX_SCHEDULE_ROWS = 256
EXPIRY, SCHEDULE, VOLATILITY, INDICATION = range(4)  # what comes first at the same time


@dataclass
class ScheduleRow:
    """A group enters a state at a time, once or periodically (period 0: once)."""

    group: int
    state: int
    due_ns: int
    period_ns: int


class Schedules:
    """The schedule rows of the venue."""

    def __init__(self) -> None:
        self.rows: list[ScheduleRow | None] = [None] * MAX_SCHEDULE_ROWS

    def placed(self) -> list[tuple[int, ScheduleRow]]:
        """Return the rows that there are, with their places."""
        return [(place, row) for place, row in enumerate(self.rows) if row is not None]

    def add(self, command: Command) -> Reason:
        """Add the row of a SCHEDULE command at the first free place; return why not."""
        if None not in self.rows:
            return Reason.NO_ROOM
        row = ScheduleRow(command.account, command.ord_type, command.aux1, command.aux0)
        self.rows[self.rows.index(None)] = row
        return Reason.NONE

    def clear(self, group: int) -> None:
        """Remove all rows of a group."""
        self.rows = [None if row is not None and row.group == group else row for row in self.rows]


class Timers:
    """What is due at or before the time of one command."""

    def __init__(self, books: Books, schedules: Schedules, told: Told, states: States) -> None:
        self.books = books
        self.schedules = schedules
        self.told = told
        self.states = states
        self.time_ns = told.command.time_ns

    def _due(self) -> list[tuple[int, int, int]]:
        """Return all that is due as (time, what, which one)."""
        due = [
            (order.expiry, EXPIRY, order.order_id) for order in self.books.orders.values() if order.expires
        ]
        due += [(row.due_ns, SCHEDULE, place) for place, row in self.schedules.placed()]
        for instrument, market in self.books.markets.items():
            if market.volatility_end_ns:
                due.append((market.volatility_end_ns, VOLATILITY, instrument))
            if market.put_off:
                due.append((market.told_ns + market.interval_ns, INDICATION, instrument))
        return [each for each in due if each[0] <= self.time_ns]

    def run(self) -> None:
        """Carry out one thing after the other, the earliest first."""
        while due := self._due():
            _, what, which = min(due)
            if what == EXPIRY:
                self._expire(which)
            elif what == SCHEDULE:
                self._enter_scheduled(which)
            elif what == VOLATILITY:
                self.states.enter(which, TradingState.CONTINUOUS)
            else:
                self.states.indicate(which)

    def _expire(self, order_id: int) -> None:
        order = self.books.orders[order_id]
        self.books.remove(order)
        self.told.ended(OutcomeType.EXPIRED, order, Reason.GTD_EXPIRED, flags=OutcomeFlag.UNSOLICITED)

    def _enter_scheduled(self, place: int) -> None:
        row = self.schedules.rows[place]
        assert row is not None
        if row.period_ns:
            row.due_ns += ((self.time_ns - row.due_ns) // row.period_ns + 1) * row.period_ns
        else:
            self.schedules.rows[place] = None
        self.states.enter_group(row.group, row.state)
