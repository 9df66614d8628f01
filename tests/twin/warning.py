"""Warnings, naively: which limit is nearly used up after an order was reserved.

The page is *Warnings* in ``docs/risk-controls.md``.
"""

from __future__ import annotations

from protocols.codes import Limit, Side
from tests.twin.limits import threshold
from tests.twin.marks import loss
from tests.twin.risk_state import RiskState

OF_FIRM = 32  # beside the limit's code


def warn(state: RiskState, account: int, instrument: int, side: int) -> int:
    """Return the code of the first use that is at or above its threshold, 0 for none, and count it."""
    holder = state.accounts[account]
    for limit, use in _uses(state, account, instrument, side):
        least = threshold(holder.limits, holder.percents, limit)
        if least is not None and use >= least:
            holder.warnings += 1
            return limit
    if holder.firm:
        firm = state.firms[holder.firm]
        for limit, use in _uses_of_firm(state, account, side):
            least = threshold(firm.limits, firm.percents, limit)
            if least is not None and use >= least:
                firm.warnings += 1
                return OF_FIRM + limit
    return 0


def _uses(state: RiskState, account: int, instrument: int, side: int) -> list[tuple[Limit, int]]:
    """Return what an account uses of its limits, in the order in which they are looked at."""
    holder, row = state.accounts[account], state.position(account, instrument)
    uses = [(Limit.MAX_OPEN_ORDERS, holder.open_orders)]
    if side == Side.BUY:
        uses.append((Limit.MAX_LONG, row.position + row.open_buy))
    else:
        uses.append((Limit.MAX_SHORT, -row.position + row.open_sell))
    if side == Side.BUY and not holder.prefunded:
        uses.append((Limit.CREDIT, holder.reserved_buy - holder.cash))
    uses.append((Limit.GROSS_NOTIONAL, holder.traded + holder.reserved_buy + holder.reserved_sell))
    uses.append((Limit.MAX_LOSS, loss(state, account)))
    return uses


def _uses_of_firm(state: RiskState, account: int, side: int) -> list[tuple[Limit, int]]:
    """Return what the accounts of a firm use of its limits."""
    holder = state.accounts[account]
    uses = []
    if side == Side.BUY and not holder.prefunded:
        used = state.firm_credit_reserved(holder.firm) - state.firm_cash(holder.firm)
        uses.append((Limit.CREDIT, used))
    traded = state.firms[holder.firm].traded + state.firm_reserved(holder.firm)
    uses.append((Limit.GROSS_NOTIONAL, traded))
    return uses
