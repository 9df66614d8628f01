"""What all accounts of a core hold together: exact cash by currency, lots by instrument. It writes nothing."""

from __future__ import annotations

import numpy as np

from protocols.text import unpack_text
from stages.core import Core
from stages.limit_uses import exact_cash
from stages.state_words import RW_POSITIONS

__all__ = ["cash_of", "currency_of", "positions_of"]


def currency_of(core: Core, account: int) -> str:
    """Return the currency of an account."""
    return unpack_text(int(core.state.risk.accounts[account]["currency"]), 0)


def cash_of(core: Core) -> dict[str, int]:
    """Return the sum of exact cash over all accounts, by currency."""
    held: dict[str, int] = {}
    for account in np.nonzero(core.state.risk.accounts["known"])[0]:
        currency = currency_of(core, int(account))
        held[currency] = held.get(currency, 0) + exact_cash(core.state.risk.accounts[account])
    return held


def positions_of(core: Core) -> dict[int, int]:
    """Return the sum of positions over all accounts, by instrument."""
    risk = core.state.risk
    held: dict[int, int] = {}
    for row in risk.positions[: int(risk.words[RW_POSITIONS])]:
        instrument = int(row["instrument"])
        held[instrument] = held.get(instrument, 0) + int(row["position_lots"])
    return held
