"""How much of its limits a holder uses: the number that is held against each, in the limit's unit.

Pure functions of a state, for ``ringmatch limits show`` and the risk report. What is checked of one order alone (its
quantity, its value) has no use, nor have windows. The use of a rate is that of its burst: how many tokens are taken.
"""

from __future__ import annotations

from typing import Any, Final

from protocols.codes import LIMIT_UNLIMITED, LIMIT_UNSET, Limit
from stages.limit_rows import Holder, LimitRow
from stages.state import RiskState

__all__ = [
    "MAX_CASH",
    "Positions",
    "exact_cash",
    "loss_of",
    "percent_of",
    "seen_cash",
    "threshold_of",
    "uses_of",
]

MAX_CASH: Final = 1 << 61  # what checks see of cash, see docs/risk-controls.md ("Cash")
NS_PER_S: Final = 1_000_000_000

Positions = list[Any]  # the position rows of an account


def exact_cash(row: Any) -> int:
    """Return all the cash of an account or a firm."""
    return int(row["cash"]) + int(row["cash_carry"]) * MAX_CASH


def seen_cash(row: Any) -> int:
    """Return its cash as checks see it: kept within 2^61."""
    return _kept(exact_cash(row))


def _kept(amount: int) -> int:
    return max(-MAX_CASH, min(MAX_CASH, amount))


def loss_of(account: Any) -> int:
    """Return the loss of the day; negative is a gain."""
    return int(account["day_equity"]) - _kept(seen_cash(account) + int(account["value"]))


def uses_of(
    holder: Holder, limits: LimitRow, risk: RiskState, positions: Positions, now_ns: int
) -> dict[Limit, int]:
    """Return the uses of the limits of a holder; ``positions`` are the rows of the account that it is, or is of."""
    if holder.kind == "account":
        return _uses_of_account(risk.accounts[holder.account], limits, positions, now_ns)
    if holder.kind == "firm":
        return _uses_of_firm(risk.firms[holder.firm], limits, now_ns)
    if holder.kind == "position":
        rows = [row for row in positions if int(row["instrument"]) == holder.instrument]
        return _uses_of_positions(rows) | {
            Limit.MAX_OPEN_ORDERS: sum(int(row["open_orders"]) for row in rows)
        }
    return {}


def _uses_of_positions(positions: Positions) -> dict[Limit, int]:
    """Return the largest worst-case positions, long and short: their limits hold in each instrument."""
    longs = [int(row["position_lots"]) + int(row["open_buy_lots"]) for row in positions]
    shorts = [int(row["open_sell_lots"]) - int(row["position_lots"]) for row in positions]
    return {Limit.MAX_LONG: max([0, *longs]), Limit.MAX_SHORT: max([0, *shorts])}


def _uses_of_account(account: Any, limits: LimitRow, positions: Positions, now_ns: int) -> dict[Limit, int]:
    reserved_buy, reserved_sell = int(account["reserved_buy"]), int(account["reserved_sell"])
    uses = _uses_of_positions(positions) | {
        Limit.MAX_OPEN_ORDERS: int(account["open_orders"]),
        Limit.CREDIT: reserved_buy - seen_cash(account),
        Limit.GROSS_NOTIONAL: int(account["traded"]) + reserved_buy + reserved_sell,
        Limit.MAX_LOSS: loss_of(account),
        Limit.FREE_MESSAGES: int(account["messages"]),
        Limit.EXECUTION_COUNT: _executions(account, limits.values[Limit.EXECUTION_WINDOW], now_ns),
    }
    tokens = {
        Limit.ORDER_BURST: _tokens(int(account["order_tat"]), limits.values[Limit.ORDER_RATE], now_ns),
        Limit.CANCEL_BURST: _tokens(int(account["cancel_tat"]), limits.values[Limit.CANCEL_RATE], now_ns),
    }
    return uses | tokens


def _uses_of_firm(firm: Any, limits: LimitRow, now_ns: int) -> dict[Limit, int]:
    return {
        Limit.CREDIT: int(firm["credit_reserved"]) - seen_cash(firm),
        Limit.GROSS_NOTIONAL: int(firm["traded"]) + int(firm["reserved"]),
        Limit.ORDER_BURST: _tokens(int(firm["order_tat"]), limits.values[Limit.ORDER_RATE], now_ns),
    }


def _executions(account: Any, window_ns: int, now_ns: int) -> int:
    """Return how many fills there were in the window that is open now."""
    start_ns = int(account["execution_start_ns"])
    return int(account["execution_count"]) if 0 <= now_ns - start_ns < window_ns else 0


def _tokens(arrival_ns: int, rate: int, now_ns: int) -> int:
    """Return how many tokens of a bucket are taken and not back yet."""
    if rate <= 0 or rate == LIMIT_UNLIMITED:
        return 0
    interval_ns = -(-NS_PER_S // rate)
    return -(-max(arrival_ns - now_ns, 0) // interval_ns)


def percent_of(use: int | None, limit: int) -> int | None:
    """Return how many percent of a limit are in use, rounded down; None where nothing is counted or it has no end."""
    if use is None or limit in (LIMIT_UNSET, LIMIT_UNLIMITED):
        return None
    if limit == 0:
        return 0 if use <= 0 else 100
    return max(0, use * 100 // limit)


def threshold_of(limit: int, percent: int) -> int | None:
    """Return the use from which on risk warns, None for never."""
    if not percent or limit in (LIMIT_UNSET, LIMIT_UNLIMITED):
        return None
    return -(-limit * percent // 100)
