"""The risk report: positions, money, use of limits, switches, and two reconciliations, as plain structs.

Made of a core that a replay has brought to a sequence, and of the :class:`stages.tally.Tally` of that replay; written
by nobody, printed by ``ringmatch risk report``. Live and from a journal it is the same function of the same commands:
docs/adr/0021-risk-reports.md.

Risk has seen all outcomes up to that sequence, as it will have when the next command comes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from journal.reader import JournalReader
from protocols.codes import ENDING_REASONS, LIMIT_UNLIMITED, KillLevel, Limit, Reason
from protocols.directory import Directory
from protocols.layouts import COMMAND, layout_hash
from protocols.risk_terms import SWITCH_WORDS, money_text
from protocols.text import unpack_text
from stages.core import Core
from stages.definitions import directory_of
from stages.ledger import apply_feed
from stages.limit_rows import Holder, LimitRows
from stages.limit_uses import exact_cash, loss_of, seen_cash
from stages.limits_view import LimitUse, limit_uses
from stages.permissions_view import session_name
from stages.reconcile import reconcile
from stages.replay import Replayer, journal_directory
from stages.risk_report_model import (
    AccountReport,
    Engaged,
    FirmReport,
    InstrumentReport,
    PositionReport,
    RiskReport,
    VenueReport,
)
from stages.state import ACCOUNT_PREFUNDED, RiskState
from stages.state_words import (
    MW_OPEN,
    MW_REASON_COUNTS,
    RW_DAY,
    RW_DAY_NS,
    RW_POSITIONS,
    RW_SESSIONS,
    RW_SWITCHES,
)
from stages.tally import Engagement, Tally

__all__ = [
    "make_report",
    "read_risk",
]

THROTTLED: Final = "throttled"
BY_RISK: Final = "risk"  # who engages the throttle


def read_risk(
    data_dir: str | Path,
    to_seq: int = 0,
    tally: Tally | None = None,
    on_progress: Callable[[int], None] | None = None,
    *,
    snapshots: bool = True,
) -> Replayer:
    """Replay a journal up to a sequence (0: to its end); then let risk see all outcomes, as the next command would.

    With ``snapshots`` it begins behind the newest one that holds; so it does where the first commands were pruned.
    """
    replayer = Replayer(data_dir, to_seq=to_seq, snapshots=snapshots or is_pruned(data_dir))
    replayer.begin(keeps_outcomes=tally is not None)
    if tally is not None:
        tally.follow(replayer)
    replayer.run(None if tally is None else tally.see, on_progress)
    if replayer.core is not None:
        apply_feed(replayer.core.state.risk, np.int64(replayer.core.last_seq))
    return replayer


def is_pruned(data_dir: str | Path) -> bool:
    """Tell whether a journal begins behind its first command."""
    with JournalReader(journal_directory(data_dir), layout_hash(COMMAND)) as reader:
        return reader.first_seq > 1


def make_report(core: Core, tally: Tally, time_ns: int) -> RiskReport:
    """Return the report of a core at its last sequence, whose stamp ``time_ns`` is."""
    return _Maker(core, tally, time_ns).report()


class _Maker:
    """Looks a state over."""

    def __init__(self, core: Core, tally: Tally, time_ns: int) -> None:
        self.core, self.tally, self.time_ns = core, tally, time_ns
        self.risk: RiskState = core.state.risk
        self.ids: Directory = directory_of(self.risk)
        self.limits = LimitRows(self.risk)
        self.positions: dict[int, list[Any]] = {}
        for row in self.risk.positions[: int(self.risk.words[RW_POSITIONS])]:
            self.positions.setdefault(int(row["account"]), []).append(row)

    def report(self) -> RiskReport:
        return RiskReport(
            seq=self.core.last_seq,
            since_seq=self.tally.since_seq,
            time_ns=self.time_ns,
            accounts=[self._account(identity) for identity in sorted(self.ids.accounts)],
            firms=[self._firm(int(identity)) for identity in np.nonzero(self.risk.firms["known"])[0]],
            instruments=[self._instrument(identity) for identity in sorted(self.ids.instruments)],
            venue=self._venue(),
            reconciliation=reconcile(self.core, self.tally),
        )

    def _uses(self, holder: Holder) -> list[LimitUse]:
        positions = self.positions.get(holder.account, [])
        return limit_uses(holder, self.limits, self.risk, positions, self.ids, self.time_ns)

    def _account(self, identity: int) -> AccountReport:
        row = self.risk.accounts[identity]
        prefunded = bool(int(row["marks"]) & ACCOUNT_PREFUNDED)
        credit = 0 if prefunded else self.limits.of(Holder(account=identity)).values[Limit.CREDIT]
        free = (
            None if credit == LIMIT_UNLIMITED else seen_cash(row) - int(row["reserved_buy"]) + max(credit, 0)
        )
        positions = self.positions.get(identity, [])
        of_positions = [
            use
            for each in positions
            if each["has_limits"]
            for use in self._uses(Holder(account=identity, instrument=int(each["instrument"])))
        ]
        loss = loss_of(row)
        return AccountReport(
            id=identity,
            name=self.ids.account_name(identity),
            firm=int(row["firm"]),
            currency=unpack_text(int(row["currency"]), 0),
            mode="prefunded" if prefunded else "credit",
            switches=switch_names(int(row["marks"])),
            positions=[self._position(each) for each in positions],
            open_orders=int(row["open_orders"]),
            cash=seen_cash(row),
            cash_text=money_text(exact_cash(row)),
            **_money(row, "reserved_buy", "reserved_sell", "traded"),
            free=free,
            free_text="unlimited" if free is None else money_text(free),
            messages=int(row["messages"]),
            fills=int(row["fills"]),
            loss=loss,
            loss_text=money_text(loss),
            limits=[*self._uses(Holder(account=identity)), *of_positions],
            warnings=int(row["warnings"]),
        )

    def _position(self, row: Any) -> PositionReport:
        return PositionReport(
            instrument=self.ids.symbol(int(row["instrument"])),
            position=int(row["position_lots"]),
            open_buy=int(row["open_buy_lots"]),
            open_sell=int(row["open_sell_lots"]),
            open_orders=int(row["open_orders"]),
            **_money(row, "mark"),
        )

    def _firm(self, identity: int) -> FirmReport:
        row = self.risk.firms[identity]
        members = np.nonzero((self.risk.accounts["firm"] == identity) & (self.risk.accounts["known"] != 0))[0]
        return FirmReport(
            id=identity,
            name=unpack_text(int(row["name0"]), int(row["name1"])),
            currency=unpack_text(int(row["currency"]), 0),
            switches=switch_names(int(row["marks"])),
            accounts=[self.ids.account_name(int(member)) for member in members],
            cash=seen_cash(row),
            cash_text=money_text(exact_cash(row)),
            **_money(row, "credit_reserved", "reserved", "traded"),
            limits=self._uses(Holder(firm=identity)),
            warnings=int(row["warnings"]),
        )

    def _instrument(self, identity: int) -> InstrumentReport:
        row, entry = self.risk.instruments[identity], self.ids.instruments[identity]
        return InstrumentReport(
            id=identity,
            symbol=entry.symbol,
            currency=entry.currency,
            switches=switch_names(int(row["marks"])),
            last_ticks=int(row["last_ticks"]),
            last_text=self.ids.price_text(identity, int(row["last_ticks"])),
            limits=self._uses(Holder(instrument=identity)),
        )

    def _venue(self) -> VenueReport:
        words, counts = self.risk.words, self.core.state.merged.words[MW_REASON_COUNTS:]
        rejects = {
            reason.name.lower(): int(counts[reason])
            for reason in Reason
            if reason and reason not in ENDING_REASONS and counts[reason]
        }
        return VenueReport(
            day=int(words[RW_DAY]),
            day_began_ns=int(words[RW_DAY_NS]),
            open_orders=int(self.core.state.merged.words[MW_OPEN]),
            engaged=self._engaged(),
            rejects=dict(sorted(rejects.items(), key=lambda row: (-row[1], row[0]))),
        )

    def _engaged(self) -> list[Engaged]:
        """Return the switches of the state, each with the command that engaged it."""
        risk = self.risk
        whose = {
            (int(each.level), each.identity, each.session, each.switch): each
            for each in self.tally.engagements
        }
        found = [(KillLevel.VENUE, 0, "", "", int(risk.words[RW_SWITCHES]))]
        for row in np.nonzero(risk.firms["known"])[0]:
            found.append((KillLevel.FIRM, int(row), "", str(row), int(risk.firms[row]["marks"])))
        for identity, name in sorted((each.id, each.name) for each in self.ids.accounts.values()):
            found.append((KillLevel.ACCOUNT, identity, "", name, int(risk.accounts[identity]["marks"])))
        for session in range(1, int(risk.words[RW_SESSIONS]) + 1):
            name = session_name(risk, session)
            found.append((KillLevel.SESSION, 0, name, name, int(risk.sessions[session]["switches"])))
        for identity, entry in sorted(self.ids.instruments.items()):
            marks = int(risk.instruments[identity]["marks"])
            found.append((KillLevel.INSTRUMENT, identity, "", entry.symbol, marks))
        return [
            _engaged(level, name, word, whose.get((int(level), identity, session, int(switch))))
            for level, identity, session, name, switches in found
            for word, switch in SWITCH_WORDS.items()
            if switches & switch
        ]


def switch_names(marks: int) -> list[str]:
    """Return the names of the switches among some marks."""
    return [word for word, switch in SWITCH_WORDS.items() if marks & switch]


def _engaged(level: KillLevel, name: str, word: str, by: Engagement | None) -> Engaged:
    return Engaged(
        level=level.name.lower(),
        name=name,
        switch=word,
        by=by.by if by else BY_RISK if word == THROTTLED else "",
        time_ns=by.time_ns if by else 0,
        seq=by.seq if by else 0,
    )


def _money(row: Any, *names: str) -> dict[str, Any]:
    """Return amounts of a row, each with its decimals beside it."""
    fields: dict[str, Any] = {name: int(row[name]) for name in names}
    return fields | {f"{name}_text": money_text(int(row[name])) for name in names}
