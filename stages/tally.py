"""What a journal says beside the state that it leads to: counts of orders and lots, transfers, who engaged a switch.

Fed by a replay (:class:`stages.replay.Replayer`) with commands and their outcomes; read by :mod:`stages.risk_report`,
which holds it against the state and the books. It takes nothing from them but what they held where the replay began,
behind a snapshot perhaps: lots are counted from what outcomes say, order by order, so that a book that lost one does
not agree.

Invariants: the lots of an order after an outcome are those that the outcome tells; an order that has none left is
forgotten. Sums are Python integers, which do not wrap.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

from protocols.codes import (
    OUT_ACCEPTED,
    OUT_CANCELLED,
    OUT_EXPIRED,
    OUT_FILLED,
    OUT_REJECTED,
    OUT_REPLACED,
    OUTFLAG_RISK,
    KillLevel,
    Kind,
    Side,
)
from protocols.text import unpack_text
from stages.core import Core
from stages.holdings import cash_of, positions_of
from stages.replay import Replayer

__all__ = ["Engagement", "Tally"]

OF_ORDERS: Final = (OUT_ACCEPTED, OUT_FILLED, OUT_CANCELLED, OUT_REPLACED, OUT_EXPIRED)
HALF_BITS: Final = 32
LOW_HALF: Final = (1 << HALF_BITS) - 1


class Engagement(NamedTuple):
    """A switch that a command engaged and none has released: whose, which, by whom, when."""

    level: KillLevel
    identity: int  # of a firm, an account or an instrument
    session: str
    switch: int
    by: str
    time_ns: int
    seq: int


class Tally:
    """Counts that a replay adds up."""

    def __init__(self) -> None:
        self.new_orders = self.rejected_by_risk = self.rejected_by_matching = self.accepted = 0
        self.accepted_lots = self.added_lots = self.filled_lots = self.ended_lots = self.reduced_lots = 0
        self.transfers: dict[tuple[int, int], int] = {}  # by (account, instrument): deposits less withdrawals
        self._engaged: dict[tuple[int, int, str, int], Engagement] = {}
        self._kills: dict[int, Engagement] = {}  # commands whose answers are not seen yet
        self.since_seq = 0
        self.opening_lots = 0
        self.opening_cash: dict[str, int] = {}
        self.opening_positions: dict[int, int] = {}
        self._replayer: Replayer | None = None
        self._ids = np.zeros(0, np.int64)  # open orders, ascending, and their leaves
        self._leaves = np.zeros(0, np.int64)

    @property
    def engagements(self) -> list[Engagement]:
        """Which switches commands have engaged, the oldest first."""
        return list(self._engaged.values())

    @property
    def open_lots(self) -> int:
        """How many lots rest, by what outcomes have told."""
        return exact_sum(self._leaves)

    def follow(self, replayer: Replayer) -> None:
        """Count what a replay does; to be called when it stands where it begins, before it runs."""
        self._replayer = replayer
        if replayer.core is not None:
            self._open(replayer.core)

    def see(self, outcomes: Any) -> None:
        """Look at all outcomes of the commands that the replay was fed last."""
        assert self._replayer is not None and self._replayer.core is not None
        self.see_commands(self._replayer.fed)
        self.see_outcomes(outcomes)

    def _open(self, core: Core) -> None:
        """Take what a core holds as what there was before the first command that is counted."""
        self.since_seq = core.last_seq
        self.opening_cash, self.opening_positions = cash_of(core), positions_of(core)
        books = core.dump_books().values()
        orders = sorted((order[0], order[1]) for levels in books for _, level in levels for order in level)
        self._ids = np.array([order_id for order_id, _ in orders], np.int64)
        self._leaves = np.array([leaves for _, leaves in orders], np.int64)
        self.opening_lots = self.open_lots

    def see_commands(self, commands: Any) -> None:
        """Look at commands before they are carried out."""
        self.new_orders += int(np.count_nonzero(commands["kind"] == Kind.NEW))
        for row in commands[commands["kind"] == Kind.KILL]:
            self._kills[int(row["seq"])] = _engagement_of(row)

    def see_outcomes(self, outcomes: Any) -> None:
        """Look at all outcomes of some commands."""
        is_new = outcomes["kind"] == Kind.NEW
        rejected = outcomes[is_new & (outcomes["type"] == OUT_REJECTED)]
        by_risk = int(np.count_nonzero(rejected["flags"] & OUTFLAG_RISK))
        self.rejected_by_risk += by_risk
        self.rejected_by_matching += len(rejected) - by_risk
        self.accepted += int(np.count_nonzero(is_new & (outcomes["type"] == OUT_ACCEPTED)))
        self._see_orders(outcomes[np.isin(outcomes["type"], OF_ORDERS) & (outcomes["order_id"] != 0)])
        for row in outcomes[(outcomes["kind"] == Kind.TRANSFER) & (outcomes["type"] == OUT_ACCEPTED)]:
            whose = int(row["account"]), int(row["instrument"])
            amount = int(row["qty_lots"]) * (1 if row["side"] == Side.BUY else -1)
            self.transfers[whose] = self.transfers.get(whose, 0) + amount
        answers = outcomes[(outcomes["kind"] == Kind.KILL) & np.isin(outcomes["type"], (1, 2))]
        for row in answers:
            self._see_kill(int(row["input_seq"]), row["type"] == OUT_ACCEPTED, int(row["side"]))

    def _see_kill(self, seq: int, accepted: bool, side: int) -> None:
        kill = self._kills.pop(seq, None)
        if kill is None or not accepted:
            return
        whose = int(kill.level), kill.identity, kill.session, kill.switch
        if side == 1:
            self._engaged.setdefault(whose, kill)  # it stays who engaged it first
        else:
            self._engaged.pop(whose, None)

    def _see_orders(self, told: Any) -> None:
        if not len(told):
            return
        order = np.argsort(told["order_id"], kind="stable")
        ids, leaves = told["order_id"][order], told["leaves_lots"][order]
        kinds, lots = told["type"][order], told["qty_lots"][order]
        is_first = np.append(True, ids[1:] != ids[:-1])
        before = np.append(np.int64(0), leaves[:-1])
        before[is_first] = self._known_leaves(ids[is_first])
        self.accepted_lots += exact_sum(lots[kinds == OUT_ACCEPTED])
        self.filled_lots += exact_sum(lots[kinds == OUT_FILLED])
        self.ended_lots += exact_sum(lots[(kinds == OUT_CANCELLED) | (kinds == OUT_EXPIRED)])
        change = (leaves - before)[kinds == OUT_REPLACED]
        self.added_lots += exact_sum(change[change > 0])
        self.reduced_lots -= exact_sum(change[change < 0])
        is_last = np.append(is_first[1:], True)
        self._remember(ids[is_last], leaves[is_last])

    def _known_leaves(self, ids: Any) -> Any:
        """Return the leaves of orders, 0 of those that are not open."""
        if not len(self._ids):
            return np.zeros(len(ids), np.int64)
        place = np.minimum(np.searchsorted(self._ids, ids), len(self._ids) - 1)
        return np.where(self._ids[place] == ids, self._leaves[place], 0)

    def _remember(self, ids: Any, leaves: Any) -> None:
        stays = ~np.isin(self._ids, ids, assume_unique=True)
        is_open = leaves != 0
        all_ids = np.concatenate([self._ids[stays], ids[is_open]])
        all_leaves = np.concatenate([self._leaves[stays], leaves[is_open]])
        order = np.argsort(all_ids, kind="stable")
        self._ids, self._leaves = all_ids[order], all_leaves[order]


def exact_sum(values: Any) -> int:
    """Return a sum of int64 that does not wrap."""
    values = np.asarray(values, np.int64)
    return (int((values >> HALF_BITS).sum()) << HALF_BITS) + int((values & LOW_HALF).sum())


def _engagement_of(command: Any) -> Engagement:
    level = int(command["tif"])
    identity = {
        KillLevel.FIRM: "aux0", KillLevel.ACCOUNT: "account", KillLevel.INSTRUMENT: "instrument",
    }.get(level, "")  # type: ignore[call-overload]  # fmt: skip
    known = level if level in list(KillLevel) else KillLevel.VENUE
    return Engagement(
        level=KillLevel(known),
        identity=int(command[identity]) if identity else 0,
        session=_text(command, "orig") if level == KillLevel.SESSION else "",
        switch=int(command["ord_type"]),
        by=_text(command, "cl"),
        time_ns=int(command["time_ns"]),
        seq=int(command["seq"]),
    )


def _text(command: Any, name: str) -> str:
    return unpack_text(*(int(command[f"{name}{word}"]) for word in range(3)))
