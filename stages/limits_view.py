"""Limits of a holder with their uses, as rows that people and scripts read.

Made for the risk report and for ``ringmatch limits show``; reads a state, writes nothing.
"""

from __future__ import annotations

from typing import Any

import msgspec

from protocols.codes import Limit
from protocols.directory import Directory
from protocols.risk_terms import key_of, limit_text, money_text, term_of
from stages.limit_rows import Holder, LimitRows
from stages.limit_uses import percent_of, threshold_of, uses_of
from stages.state import RiskState
from stages.venue_limits import holder_name

__all__ = ["LimitUse", "limit_uses"]


class LimitUse(msgspec.Struct, frozen=True, kw_only=True):
    """One limit of a holder: value (-1: not set, 2^60: unlimited), use, percent of use, from when on risk warns.

    ``above`` says that the use is at or above the threshold; ``adjusted`` that an operator was the last to set it.
    """

    holder: str
    key: str
    value: int
    text: str
    use: int | None
    use_text: str
    percent: int | None
    warn_percent: int
    threshold: int | None
    above: bool
    adjusted: bool


def limit_uses(
    holder: Holder, rows: LimitRows, risk: RiskState, positions: list[Any], ids: Directory, now_ns: int
) -> list[LimitUse]:
    """Return all limits of a holder, in the order of their codes."""
    held = rows.of(holder)
    uses = uses_of(holder, held, risk, positions, now_ns)
    name = holder_name(holder, ids)
    return [
        _row(name, limit, value, uses.get(limit), held.percents.get(limit, 0), held.is_adjusted(limit))
        for limit, value in held.values.items()
    ]


def _row(name: str, limit: Limit, value: int, use: int | None, percent: int, adjusted: bool) -> LimitUse:
    threshold = threshold_of(value, percent)
    return LimitUse(
        holder=name,
        key=key_of(limit),
        value=value,
        text=limit_text(limit, value),
        use=use,
        use_text="" if use is None else money_text(use) if term_of(limit).unit == "money" else str(use),
        percent=percent_of(use, value),
        warn_percent=percent,
        threshold=threshold,
        above=use is not None and threshold is not None and use >= threshold,
        adjusted=adjusted,
    )
