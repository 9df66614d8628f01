"""Partitions of matching, naively: a twin of matching for each, outcomes in one order (docs/partitions.md).

The owner of a command carries it out; for all others only time goes on. What the others tell comes first, by partition.
A command that names no instrument belongs to all of them: then their outcomes come by partition, and only the last
answers, for all.
"""

from __future__ import annotations

from dataclasses import replace

from protocols.codes import KillLevel, Kind, OutcomeFlag, OutcomeType, Reason
from tests.twin.matching import MatchingTwin
from tests.twin.records import Command, Outcome
from tests.twin.risk import Verdict
from tests.twin.risk_state import Instrument

ON_ORDERS = (Kind.CANCEL, Kind.REDUCE, Kind.REPLACE, Kind.STATUS)
OF_ALL = (Kind.SESSION_CLOSE, Kind.ACCOUNT, Kind.SCHEDULE, Kind.TICK_TABLE)
OF_AN_INSTRUMENT = (Kind.NEW, Kind.INSTRUMENT, Kind.BANDS, Kind.BOOK_REQUEST, Kind.MASS_CANCEL, Kind.STATE)
ALL = -1


class PartitionsTwin:
    """All partitions; :meth:`process` carries out a command that risk has judged (None: one without an outcome)."""

    def __init__(self, partitions: int, max_orders: int, max_levels: int, max_specials: int) -> None:
        self.parts = [MatchingTwin(max_orders, max_levels, max_specials) for _ in range(partitions)]
        for part in self.parts:
            part.cancel_on_close = self.parts[0].cancel_on_close

    def process(
        self, command: Command, verdict: Verdict | None, instruments: dict[int, Instrument]
    ) -> list[Outcome]:
        """Carry out one command; ``instruments`` are those that risk knows, with their partitions."""
        if verdict is None:
            told = [
                part.process(command, None) for part in [*self.parts[1:], self.parts[0]]
            ]  # it is the first's
        elif (owner := self._owner(command, verdict, instruments)) == ALL:
            told = [part.process(command, verdict) for part in self.parts]
            self._answer_once(told)
        else:
            told = [part.process(command, None) for part in self.parts if part is not self.parts[owner]]
            told.append(self.parts[owner].process(command, verdict))
        return self._renumbered(told)

    def open_ids(self) -> list[int]:
        """Return the ids of all open orders, those of one partition after those of the one before."""
        return [order_id for part in self.parts for order_id in part.books.orders]

    def _owner(self, command: Command, verdict: Verdict, instruments: dict[int, Instrument]) -> int:
        if verdict.reason != Reason.NONE:
            return 0
        if command.kind in ON_ORDERS:
            holders = [place for place, part in enumerate(self.parts) if verdict.target in part.books.orders]
            return holders[0] if holders else 0
        if command.kind in OF_ALL or (command.kind in OF_AN_INSTRUMENT and command.instrument == 0):
            return ALL
        if command.kind == Kind.KILL and command.tif != KillLevel.INSTRUMENT:
            return ALL
        of_an_instrument = command.kind in OF_AN_INSTRUMENT or command.kind == Kind.KILL
        return instruments[command.instrument].partition if of_an_instrument else 0

    @staticmethod
    def _answer_once(told: list[list[Outcome]]) -> None:
        """Keep the last of the answers, with what all of them counted."""
        answers = [outcome for part in told for outcome in part if outcome.flags & OutcomeFlag.ANSWER]
        for answer, part in zip(answers[:-1], told[:-1], strict=True):
            part.remove(answer)
        for answer in answers[:-1]:
            answers[-1].qty_lots += answer.qty_lots

    @staticmethod
    def _renumbered(told: list[list[Outcome]]) -> list[Outcome]:
        """Number outcomes and trades through."""
        result: list[Outcome] = []
        trades = 0
        for part in told:
            for outcome in part:
                is_trade = outcome.type == OutcomeType.FILLED
                number = outcome.trade_index + trades if is_trade else outcome.trade_index
                result.append(replace(outcome, index=len(result), trade_index=number))
            filled = [outcome.trade_index for outcome in result if outcome.type == OutcomeType.FILLED]
            trades = max(filled, default=0)
        return result
