"""Limits, naively: which holder has which, the LIMIT command, and what a number of an order must keep.

The page is *Limits* in ``docs/risk-controls.md``. Each table here is a column of the one there.
"""

from __future__ import annotations

from protocols.codes import LIMIT_UNLIMITED, LIMIT_UNSET, CommandFlag, Limit, LimitPart, Reason, Side
from tests.twin.arithmetic import MOST_MONEY, round_up
from tests.twin.checks import Rejection, require
from tests.twin.records import Command
from tests.twin.risk_state import Account, Firm, Instrument, Limits, Position, RiskState

MOST = {limit: 2**60 for limit in Limit} | {
    Limit.ORDER_TO_TRADE: 2**20,
    Limit.DUPLICATE_COUNT: 2**20,
    Limit.EXECUTION_COUNT: 2**20,
    Limit.ORDER_RATE: 10**9,
    Limit.ORDER_BURST: 2**20,
    Limit.CANCEL_RATE: 10**9,
    Limit.CANCEL_BURST: 2**20,
}
OF_ACCOUNTS = tuple(Limit)
OF_FIRMS = (Limit.CREDIT, Limit.GROSS_NOTIONAL, Limit.ORDER_RATE, Limit.ORDER_BURST)
OF_INSTRUMENTS = (Limit.MAX_ORDER_QTY, Limit.MAX_ORDER_NOTIONAL)
OF_ACCOUNTS_IN_INSTRUMENTS = (
    Limit.MAX_ORDER_QTY,
    Limit.MAX_ORDER_NOTIONAL,
    Limit.MAX_OPEN_ORDERS,
    Limit.MAX_LONG,
    Limit.MAX_SHORT,
)
WARNS_ACCOUNTS = (
    Limit.MAX_OPEN_ORDERS,
    Limit.MAX_LONG,
    Limit.MAX_SHORT,
    Limit.CREDIT,
    Limit.GROSS_NOTIONAL,
    Limit.MAX_LOSS,
)
WARNS_FIRMS = (Limit.CREDIT, Limit.GROSS_NOTIONAL)


def set_limit(state: RiskState, command: Command) -> int:
    """Carry out a LIMIT; return the value, or percent, before."""
    account, instrument, firm = command.account, command.instrument, command.aux0
    require((account != 0 or instrument != 0) != (firm != 0), Reason.INVALID_COMMAND)
    require(account == 0 or account in state.accounts, Reason.UNKNOWN_ACCOUNT)
    require(instrument == 0 or instrument in state.instruments, Reason.UNKNOWN_INSTRUMENT)
    require(firm == 0 or firm in state.firms, Reason.UNKNOWN_FIRM)
    if account and instrument:
        same = state.accounts[account].currency == state.instruments[instrument].currency
        require(same, Reason.CURRENCY_MISMATCH)
        allowed, warns = OF_ACCOUNTS_IN_INSTRUMENTS, ()
    elif account:
        allowed, warns = OF_ACCOUNTS, WARNS_ACCOUNTS
    elif instrument:
        allowed, warns = OF_INSTRUMENTS, ()
    else:
        allowed, warns = OF_FIRMS, WARNS_FIRMS
    limit = _check_value(command, allowed, warns)
    holder: Account | Instrument | Firm | Position
    if account and instrument:
        require(state.has_room_for_position(account, instrument), Reason.NO_ROOM)
        holder = state.make_position(account, instrument)
    elif account:
        holder = state.accounts[account]
    elif instrument:
        holder = state.instruments[instrument]
    else:
        holder = state.firms[firm]
    if command.flags & CommandFlag.CONFIGURED:
        holder.adjusted.discard(limit)
    else:
        holder.adjusted.add(limit)
    if command.tif == LimitPart.WARNING:
        assert isinstance(holder, Account | Firm)
        before, holder.percents[limit] = holder.percents[limit], command.qty_lots
    else:
        before, holder.limits[limit] = holder.limits[limit], command.qty_lots
    return before


def _check_value(command: Command, allowed: tuple[Limit, ...], warns: tuple[Limit, ...]) -> Limit:
    """Check which limit, which part of it, and the value; return which."""
    if command.tif == LimitPart.VALUE:
        require(command.ord_type in allowed, Reason.INVALID_COMMAND)
        within = 0 <= command.qty_lots <= MOST[Limit(command.ord_type)]
        require(within or command.qty_lots in (LIMIT_UNSET, LIMIT_UNLIMITED), Reason.INVALID_COMMAND)
    elif command.tif == LimitPart.WARNING:
        require(command.ord_type in warns, Reason.INVALID_COMMAND)
        require(0 <= command.qty_lots <= 100, Reason.INVALID_COMMAND)
    else:
        raise Rejection(Reason.INVALID_COMMAND)
    return Limit(command.ord_type)


def check_set(state: RiskState, account: Account) -> None:
    """Check that somebody decided all limits of an account and of its firm."""
    complete = all(account.limits[limit] != LIMIT_UNSET for limit in OF_ACCOUNTS)
    if account.firm:
        firm = state.firms[account.firm]
        complete = complete and all(firm.limits[limit] != LIMIT_UNSET for limit in OF_FIRMS)
    require(complete, Reason.LIMIT_NOT_SET)


def _within(value: int, limit: int) -> bool:
    """Tell whether a limit that need not be set allows a value."""
    return limit == LIMIT_UNSET or value <= limit


def check_size(state: RiskState, account: int, instrument: int, qty: int, price: int, money: int) -> None:
    """Check quantity and value of one order, and the money that it will reserve (19 and 20 of NEW)."""
    terms = state.instruments[instrument]
    row = state.position(account, instrument)
    holders = (state.accounts[account].limits, terms.limits, row.limits)
    value = price * terms.tick_value * qty
    for limits in holders:
        require(_within(qty, limits[Limit.MAX_ORDER_QTY]), Reason.MAX_ORDER_QTY)
    for limits in holders:
        require(_within(value, limits[Limit.MAX_ORDER_NOTIONAL]), Reason.MAX_ORDER_NOTIONAL)
    require(money <= MOST_MONEY, Reason.MAX_ORDER_NOTIONAL)


def check_open_orders(state: RiskState, account: int, instrument: int) -> None:
    """Check that one more order may be open (21 of NEW)."""
    holder, row = state.accounts[account], state.position(account, instrument)
    within = _within(holder.open_orders + 1, holder.limits[Limit.MAX_OPEN_ORDERS])
    within_row = _within(row.open_orders + 1, row.limits[Limit.MAX_OPEN_ORDERS])
    require(within and within_row, Reason.MAX_OPEN_ORDERS)


def check_position(state: RiskState, account: int, instrument: int, side: int, more: int) -> None:
    """Check the worst that a position may become (27 of NEW)."""
    row = state.position(account, instrument)
    if side == Side.BUY:
        worst, limit = row.position + row.open_buy + more, Limit.MAX_LONG
    else:
        worst, limit = -row.position + row.open_sell + more, Limit.MAX_SHORT
    for limits in (state.accounts[account].limits, row.limits):
        require(_within(worst, limits[limit]), Reason.POSITION_LIMIT)


def threshold(limits: Limits, percents: Limits, limit: Limit) -> int | None:
    """Return the use from which on risk warns of a limit, None for never."""
    if percents[limit] == 0 or limits[limit] in (LIMIT_UNSET, LIMIT_UNLIMITED):
        return None
    return round_up(limits[limit] * percents[limit], 100)
