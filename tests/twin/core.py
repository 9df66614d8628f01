"""The deterministic core, naively: risk and matching joined by the feedback stamp.

Before risk judges a command it takes in the outcomes of all inputs up to exactly the command's ``seen_seq``,
however many more matching has produced: the twin keeps what risk has not seen yet.
"""

from __future__ import annotations

from protocols.codes import Switch
from tests.twin.controls import Controls, controls_of_twin
from tests.twin.partitions import PartitionsTwin
from tests.twin.records import Command, Outcome
from tests.twin.risk import RiskTwin
from tests.twin.view import AccountRow, BookRow, PositionRow


class CoreTwin:
    """Risk and matching; :meth:`process` takes the commands in sequence."""

    def __init__(
        self,
        max_orders: int,
        max_levels: int,
        max_accounts: int,
        max_instruments: int,
        max_positions: int,
        max_cl_ord_ids: int,
        max_sessions: int,
        max_specials: int = 1 << 16,
        partitions: int = 1,
    ) -> None:
        self.risk = RiskTwin(
            max_orders, max_accounts, max_instruments, max_positions, max_cl_ord_ids, max_sessions,
            partitions,
        )  # fmt: skip
        self.matching = PartitionsTwin(partitions, max_orders, max_levels, max_specials)
        self.last_seq = 0
        self.seen_seq = 0
        self._unseen: list[Outcome] = []

    def process(self, command: Command) -> list[Outcome]:
        """Carry out one command; return its outcomes."""
        assert command.seq == self.last_seq + 1, f"expected seq {self.last_seq + 1}, was {command.seq}"
        seen = command.seen_seq
        assert self.seen_seq <= seen < command.seq, f"seen_seq: expected {self.seen_seq} or more, was {seen}"
        self.last_seq, self.seen_seq = command.seq, seen

        self._feed_back(seen)
        verdict = self.risk.judge(command)
        outcomes = self.matching.process(command, verdict, self.risk.state.instruments)
        self._unseen += outcomes
        return outcomes

    def _feed_back(self, seen: int) -> None:
        """Let risk take in the outcomes of all inputs up to exactly ``seen``."""
        while self._unseen and self._unseen[0].input_seq <= seen:
            self.risk.apply(self._unseen.pop(0))

    def dump_books(self) -> list[BookRow]:
        """Return all orders: instruments ascending, sides 1 to 6, best level first, first in the queue first."""
        orders = [order for part in self.matching.parts for order in part.books.all_in_order()]
        return [
            BookRow(
                order.instrument,
                order.book_side,
                order.level_price,
                order.order_id,
                order.leaves,
                order.cum,
                order.account,
                order.session,
                order.queued,
                order.price if order.is_stop else 0,
            )
            for order in sorted(orders, key=lambda order: (order.instrument, order.book_side))
        ]

    def dump_last_prices(self) -> dict[int, int]:
        """Return the last trade price of each instrument that has one."""
        prices = [item for part in self.matching.parts for item in part.books.last_prices.items()]
        return dict(sorted(prices))

    def dump_markets(self) -> dict[int, tuple[int, int, int, int]]:
        """Return (state, group, static reference, end of the volatility auction) of each known instrument."""
        markets = [item for part in self.matching.parts for item in part.books.markets.items()]
        return {
            instrument: (int(market.state), market.group, market.static_reference, market.volatility_end_ns)
            for instrument, market in sorted(markets, key=lambda item: item[0])
        }

    def dump_schedules(self) -> list[tuple[int, int, int, int, int]]:
        """Return (place, group, state, when it is due, period) of each schedule row, places counted from 0."""
        return [
            (place, row.group, row.state, row.due_ns, row.period_ns)
            for place, row in self.matching.parts[0].schedules.placed()
        ]

    def dump_positions(self) -> list[PositionRow]:
        """Return all position rows by account and instrument."""
        return [
            PositionRow(account, instrument, row.position, row.open_buy, row.open_sell)
            for (account, instrument), row in sorted(self.risk.state.positions.items())
        ]

    def dump_accounts(self) -> list[AccountRow]:
        """Return all accounts by id."""
        return [
            AccountRow(
                identity,
                account.open_orders,
                account.exact_cash,
                account.reserved_buy,
                Switch.KILLED in account.switches,
            )
            for identity, account in sorted(self.risk.state.accounts.items())
        ]

    def dump_controls(self) -> Controls:
        """Return all that risk controls remember."""
        return controls_of_twin(self.risk.state)
