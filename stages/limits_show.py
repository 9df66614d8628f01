"""Which limits ``ringmatch limits show`` shows: those of all holders of a state, or of one."""

from __future__ import annotations

from typing import Any

import numpy as np

from protocols.codes import LIMIT_UNSET
from protocols.directory import Directory
from stages.limit_rows import Holder, LimitRows
from stages.limits_view import LimitUse, limit_uses
from stages.state import RiskState
from stages.state_words import RW_POSITIONS

__all__ = ["limits_shown"]


def limits_shown(
    risk: RiskState,
    ids: Directory,
    now_ns: int,
    account: str | None = None,
    firm: int | None = None,
    instrument: str | None = None,
) -> list[LimitUse]:
    """Return the limits of what is named, or of all there is: firms, instruments, accounts, accounts in instruments.

    A ValueError says what is not known. Of instruments, and of accounts in them, only what is set is shown, unless
    they are named.
    """
    rows = LimitRows(risk)
    positions = _positions(risk)
    named = _named(risk, ids, account, firm, instrument)
    holders = named or _all(risk, ids, positions)
    if account and not instrument:
        whose = holders[0].account
        holders += [each for each in _of_positions(positions) if each.account == whose]
    shown = []
    for holder in holders:
        uses = limit_uses(holder, rows, risk, positions.get(holder.account, []), ids, now_ns)
        narrows = holder.instrument and not named
        shown += [use for use in uses if not narrows or use.value != LIMIT_UNSET]
    return shown


def _named(
    risk: RiskState, ids: Directory, account: str | None, firm: int | None, instrument: str | None
) -> list[Holder]:
    if firm is not None:
        if firm >= len(risk.firms) or not risk.firms[firm]["known"]:
            known = ", ".join(str(row) for row in np.nonzero(risk.firms["known"])[0]) or "none"
            raise ValueError(f"--firm: expected one of {known}, was {firm}")
        return [Holder(firm=firm)]
    if account and account not in ids.account_ids:
        raise ValueError(f"ACCOUNT: expected one of {_listed(ids.account_ids)}, was {account!r}")
    if instrument and instrument not in ids.instrument_ids:
        raise ValueError(f"--instrument: expected one of {_listed(ids.instrument_ids)}, was {instrument!r}")
    if not account and not instrument:
        return []
    whose = ids.account_ids[account] if account else 0
    return [Holder(account=whose, instrument=ids.instrument_ids[instrument] if instrument else 0)]


def _listed(names: Any) -> str:
    most = 12
    more = f", and {len(names) - most} more" if len(names) > most else ""
    return (", ".join(list(names)[:most]) or "none") + more


def _positions(risk: RiskState) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    for row in risk.positions[: int(risk.words[RW_POSITIONS])]:
        found.setdefault(int(row["account"]), []).append(row)
    return found


def _of_positions(positions: dict[int, list[Any]]) -> list[Holder]:
    return [
        Holder(account=account, instrument=int(row["instrument"]))
        for account in sorted(positions)
        for row in positions[account]
        if row["has_limits"]
    ]


def _all(risk: RiskState, ids: Directory, positions: dict[int, list[Any]]) -> list[Holder]:
    return [
        *(Holder(firm=int(row)) for row in np.nonzero(risk.firms["known"])[0]),
        *(Holder(instrument=identity) for identity in sorted(ids.instruments)),
        *(Holder(account=identity) for identity in sorted(ids.accounts)),
        *_of_positions(positions),
    ]
