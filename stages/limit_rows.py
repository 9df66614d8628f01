"""Limits as a state holds them: whose they are, the values, from when on risk warns, and which an operator adjusted.

Read by the start of a venue, by ``ringmatch limits`` and by reports; writes nothing. Whose limits are meant is a
:class:`Holder`: an account, a firm, an instrument, or an account in an instrument, which has a row of its own only once
something was said of it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from protocols.codes import LIMIT_UNSET, Limit
from protocols.risk_terms import LIMIT_TERMS, keys_of, warned_keys_of
from stages.state import COLUMN_ADJUSTED, RiskState
from stages.state_words import RW_POSITIONS

__all__ = ["Holder", "LimitRow", "LimitRows", "position_rows"]


class Holder(NamedTuple):
    """Whose limits: ids, 0 for none."""

    account: int = 0
    instrument: int = 0
    firm: int = 0

    @property
    def kind(self) -> str:
        """What it is: account, firm, instrument or position."""
        if self.firm:
            return "firm"
        if self.account and self.instrument:
            return "position"
        return "account" if self.account else "instrument"


class LimitRow(NamedTuple):
    """The limits of one holder: values (-1: not set), percents from which on risk warns, bits of those adjusted."""

    values: dict[Limit, int]
    percents: dict[Limit, int]
    adjusted: int = 0

    def is_adjusted(self, limit: Limit) -> bool:
        """Tell whether an operator, and not the configuration, was the last to set a limit."""
        return bool(self.adjusted >> limit & 1)


def position_rows(risk: RiskState) -> dict[tuple[int, int], int]:
    """Return the rows of positions by (account, instrument), in the order in which they were made."""
    used = risk.positions[: int(risk.words[RW_POSITIONS])]
    accounts, instruments = used["account"].tolist(), used["instrument"].tolist()
    return {key: row for row, key in enumerate(zip(accounts, instruments, strict=True))}


class LimitRows:
    """The limits of all holders of a state, as they are when it is made (of positions) or asked (of the others)."""

    def __init__(self, risk: RiskState) -> None:
        self._risk = risk
        self._positions = position_rows(risk)

    def of(self, holder: Holder) -> LimitRow:
        """Return the limits of a holder; of one that the state does not know, none is set."""
        values, percents, adjusted = self._find(holder)
        kind = holder.kind
        codes = [LIMIT_TERMS[key].limit for key in keys_of(kind)]
        warned = [LIMIT_TERMS[key].limit for key in warned_keys_of(kind)]
        return LimitRow(
            {limit: LIMIT_UNSET if values is None else int(values[limit]) for limit in codes},
            {limit: 0 if percents is None else int(percents[limit]) for limit in warned},
            adjusted,
        )

    def _find(self, holder: Holder) -> tuple[Any, Any, int]:
        """Return values and percents by code, and the bits of those adjusted; None where there is no row."""
        risk = self._risk
        if holder.kind == "firm":
            if not _knows(risk.firms, holder.firm):
                return None, None, 0
            row = risk.firm_limits[holder.firm]
            return row, risk.firm_warning_percents[holder.firm], int(row[COLUMN_ADJUSTED])
        if holder.kind == "account":
            if not _knows(risk.accounts, holder.account):
                return None, None, 0
            row = risk.limits[holder.account]
            return row, risk.warning_percents[holder.account], int(row[COLUMN_ADJUSTED])
        if holder.kind == "instrument":
            if not _knows(risk.instruments, holder.instrument):
                return None, None, 0
            record = risk.instruments[holder.instrument]
            values = {
                Limit.MAX_ORDER_QTY: int(record["max_order_qty"]),
                Limit.MAX_ORDER_NOTIONAL: int(record["max_order_notional"]),
            }
            return values, None, int(record["adjusted"])
        place = self._positions.get((holder.account, holder.instrument))
        if place is None or not risk.positions[place]["has_limits"]:
            return None, None, 0
        row = risk.position_limits[place]
        return row, None, int(row[COLUMN_ADJUSTED])


def _knows(rows: Any, identity: int) -> bool:
    return 0 < identity < len(rows) and bool(np.asarray(rows["known"])[identity])
