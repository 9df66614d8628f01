"""Limits of a configuration as commands: what of them a state does not hold yet, and what an operator adjusted.

Pure functions of the configuration and of :class:`stages.limit_rows.LimitRows`; called by :mod:`stages.venue` at a
start, and by ``ringmatch limits import``. A start leaves adjusted limits as they are, since it may follow a crash: what
was done in an emergency must not be undone by it. An import sets them back.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from protocols.codes import Limit
from protocols.directory import Directory
from protocols.layouts import COMMAND
from protocols.risk_commands import set_limits
from protocols.risk_terms import CONFIGURED_BY, key_of, limit_text
from stages.config_model import VenueConfig
from stages.config_risk import percents_of
from stages.limit_rows import Holder, LimitRow, LimitRows

__all__ = [
    "Difference",
    "WantedLimits",
    "commands_of",
    "differences_of",
    "holder_name",
    "kept_adjustments",
    "wanted_limits",
]


class WantedLimits(NamedTuple):
    """What a holder's limits, and the percents from which on risk warns, are to be."""

    holder: Holder
    values: dict[Limit, int]
    percents: dict[Limit, int]


class Difference(NamedTuple):
    """A limit, or the percent from which on risk warns, that is to become another."""

    holder: Holder
    limit: Limit
    is_warning: bool
    old: int
    new: int

    def text(self) -> str:
        """Return it as ``max_long: 100 → 200``."""
        key = key_of(self.limit)
        if self.is_warning:
            return f"{key} warn: {self.old}% → {self.new}%"
        return f"{key}: {limit_text(self.limit, self.old)} → {limit_text(self.limit, self.new)}"


def wanted_limits(config: VenueConfig, ids: Directory) -> Iterator[WantedLimits]:
    """Yield the limits of all holders of a file, by the ids that a venue gives them; firms, then instruments first."""
    for firm in config.all_firms:
        yield WantedLimits(Holder(firm=firm.id), dict(firm.limits), dict(percents_of(firm, "firm")))
    for entry in config.instruments:
        yield WantedLimits(Holder(instrument=ids.instrument_ids[entry.symbol]), dict(entry.limits), {})
    for account in config.accounts:
        identity = ids.account_ids[account.name]
        yield WantedLimits(Holder(account=identity), dict(account.limits), dict(account.percents))
        for row in account.instruments:
            place = Holder(account=identity, instrument=ids.instrument_ids[row.symbol])
            yield WantedLimits(place, dict(row.limits), {})


def differences_of(wanted: WantedLimits, rows: LimitRows, *, take_back: bool = False) -> list[Difference]:
    """Return what of a holder's limits differs; what an operator has adjusted stays, or is taken back.

    Taking back also sets what was adjusted to the very value that is wanted: then it is the configuration's again.
    """
    held = rows.of(wanted.holder)
    found = _all_differences(wanted, held)
    if not take_back:
        return [each for each in found if not held.is_adjusted(each.limit)]
    changed = {each.limit for each in found}
    for limit, value in wanted.values.items():
        if held.is_adjusted(limit) and limit not in changed:
            found.append(Difference(wanted.holder, limit, False, value, value))
    return found


def kept_adjustments(wanted: WantedLimits, rows: LimitRows) -> list[Difference]:
    """Return what differs and stays as an operator has adjusted it."""
    held = rows.of(wanted.holder)
    return [each for each in _all_differences(wanted, held) if held.is_adjusted(each.limit)]


def _all_differences(wanted: WantedLimits, held: LimitRow) -> list[Difference]:
    values = [
        Difference(wanted.holder, limit, False, held.values[limit], value)
        for limit, value in wanted.values.items()
        if held.values[limit] != value
    ]
    percents = [
        Difference(wanted.holder, limit, True, held.percents[limit], percent)
        for limit, percent in wanted.percents.items()
        if held.percents[limit] != percent
    ]
    return values + percents


def commands_of(differences: list[Difference], by: str = CONFIGURED_BY) -> Any:
    """Return the commands that make differences vanish, marked as the configuration's; one array for all of them."""
    if not differences:
        return np.zeros(0, dtype=COMMAND)
    rows = np.array(
        [(*each.holder, each.limit, each.is_warning, each.new) for each in differences], dtype=np.int64
    )
    accounts, instruments, firms, limits, parts, values = rows.T
    whose = {"account": accounts, "instrument": instruments, "firm": firms}
    return set_limits(limits, values, part=parts, **whose, configured=True, by=by)


def holder_name(holder: Holder, ids: Directory) -> str:
    """Return a holder as the command line names it: ACCOUNT, firm:N, instrument:SYMBOL or ACCOUNT@SYMBOL."""
    if holder.firm:
        return f"firm:{holder.firm}"
    account, symbol = ids.account_name(holder.account), ids.symbol(holder.instrument)
    if holder.kind == "position":
        return f"{account}@{symbol}"
    return account if holder.kind == "account" else f"instrument:{symbol}"
