"""What one command leads to, naively: its outcomes in the order in which they are told.

:class:`Told` fills what all outcomes of a command have in common (sequence, time, kind, index) and takes the rest
from the order that an outcome is about, or from the command where it is about the command itself. What is about the
command itself answers it.
"""

from __future__ import annotations

from protocols.codes import Kind, OutcomeFlag, OutcomeType, Reason
from tests.twin.book import Order
from tests.twin.markets import Crossing
from tests.twin.records import NO_TEXT, Command, Outcome, Text

ANSWER = OutcomeFlag.ANSWER


class Told:
    """The outcomes of one command; its trades are numbered through."""

    def __init__(self, command: Command) -> None:
        self.command = command
        self.outcomes: list[Outcome] = []
        self.trades = 0

    def about(
        self,
        kind_of_outcome: OutcomeType,
        order: Order,
        *,
        qty: int,
        price: int | None = None,
        cl: Text | None = None,
        orig: Text = NO_TEXT,
        reason: Reason = Reason.NONE,
        flags: int = 0,
        trade_index: int = 0,
    ) -> None:
        """Tell what happened to an order: its own fields as they are now, but for those that are given."""
        self._append(
            type=kind_of_outcome,
            order_id=order.order_id,
            price_ticks=order.price if price is None else price,
            qty_lots=qty,
            leaves_lots=order.leaves,
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

    def ended(
        self,
        kind_of_outcome: OutcomeType,
        order: Order,
        reason: Reason,
        *,
        flags: int = 0,
        cl: Text | None = None,
        orig: Text = NO_TEXT,
    ) -> None:
        """End an order with all that is left of it."""
        removed, order.leaves = order.leaves, 0
        self.about(kind_of_outcome, order, qty=removed, reason=reason, flags=flags, cl=cl, orig=orig)

    def rejected(self, reason: Reason, order_id: int, order: Order | None = None, flags: int = 0) -> None:
        """Reject the command with its own fields; leaves and cum are those of the order that it targets."""
        command = self.command
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
            orig=NO_TEXT if command.kind == Kind.NEW else command.orig,
            reason=reason,
            flags=flags | ANSWER,
        )

    def administered(self, reason: Reason, session: int, *, qty: int = 0, leaves: int = 0) -> None:
        """Accept or reject an administrative command; ``qty`` and ``leaves`` are what its acceptance tells."""
        if reason == Reason.NONE:
            kind_of_outcome, flags = OutcomeType.ACCEPTED, ANSWER
        else:
            kind_of_outcome, flags, qty, leaves = OutcomeType.REJECTED, ANSWER | OutcomeFlag.RISK, 0, 0
        self._about_the_command(
            type=kind_of_outcome,
            session=session,
            reason=reason,
            flags=flags,
            qty_lots=qty,
            leaves_lots=leaves,
        )

    def mass_cancelled(self, count: int) -> None:
        """Tell how many orders a MASS_CANCEL took."""
        self._about_the_command(
            type=OutcomeType.MASS_CANCELLED,
            session=self.command.session,
            qty_lots=count,
            flags=ANSWER,
        )

    def refused(self, reason: Reason) -> None:
        """Reject an administrative command that risk let pass."""
        self._about_the_command(
            type=OutcomeType.REJECTED,
            session=self.command.session,
            reason=reason,
            flags=ANSWER,
        )

    def about_market(
        self,
        kind_of_outcome: OutcomeType,
        instrument: int,
        *,
        qty: int,
        leaves: int,
        price: int = 0,
        side: int = 0,
    ) -> None:
        """Tell what happened to an instrument."""
        self._append(
            type=kind_of_outcome,
            instrument=instrument,
            price_ticks=price,
            qty_lots=qty,
            leaves_lots=leaves,
            side=side,
            cl=NO_TEXT,
            orig=NO_TEXT,
        )

    def crossing(self, kind_of_outcome: OutcomeType, instrument: int, found: Crossing) -> None:
        """Tell what an uncross gives, or would give."""
        self.about_market(
            kind_of_outcome,
            instrument,
            price=found.price,
            qty=found.volume,
            leaves=found.surplus,
            side=found.side,
        )

    def _about_the_command(self, **values: int) -> None:
        command = self.command
        self._append(
            account=command.account,
            instrument=command.instrument,
            side=command.side,
            cl=command.cl,
            orig=command.orig,
            **values,
        )

    def _append(self, *, cl: Text, orig: Text, **values: int) -> None:
        self.outcomes.append(
            Outcome(
                input_seq=self.command.seq,
                time_ns=self.command.time_ns,
                kind=self.command.kind,
                index=len(self.outcomes),
                cl0=cl[0],
                cl1=cl[1],
                cl2=cl[2],
                orig0=orig[0],
                orig1=orig[1],
                orig2=orig[2],
                **{name: int(value) for name, value in values.items()},
            )
        )
