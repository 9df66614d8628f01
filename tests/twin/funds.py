"""Money, naively: fees, credit, gross notional, pre-funded accounts and transfers.

The pages are *Reservations, credit* to *Pre-funded accounts* in ``docs/risk-controls.md``.
"""

from __future__ import annotations

from protocols.codes import LIMIT_UNLIMITED, Limit, OutcomeFlag, Reason, Side
from tests.twin.arithmetic import MILLION, MOST_CASH, MOST_MONEY, share_up
from tests.twin.checks import require
from tests.twin.marks import mark, shift_day_equity
from tests.twin.records import NO_TEXT, Command, Outcome
from tests.twin.risk_state import Account, Instrument, RiskOrder, RiskState

MOST_LOTS = 2**60
DEPOSIT, WITHDRAWAL = 1, 2
TRANSFERS = 0  # the session whose ClOrdIDs are the references of transfers

# Fees


def set_fees(state: RiskState, command: Command) -> None:
    """Carry out a FEES."""
    require(command.instrument in state.instruments, Reason.UNKNOWN_INSTRUMENT)
    rates = (command.price_ticks, command.qty_lots, command.order_id)
    require(all(-MILLION <= rate <= MILLION for rate in rates), Reason.INVALID_COMMAND)
    instrument = state.instruments[command.instrument]
    if any(rates):
        require(command.account in state.accounts, Reason.UNKNOWN_ACCOUNT)
        account = state.accounts[command.account]
        require(not account.prefunded, Reason.INVALID_COMMAND)
        require(account.currency == instrument.currency, Reason.CURRENCY_MISMATCH)
    instrument.maker_rate, instrument.taker_rate, instrument.auction_rate = rates
    instrument.fee_account = command.account if any(rates) else 0


def fee_cap(instrument: Instrument) -> int:
    """Return the highest rate that a new order can be charged."""
    return max(instrument.maker_rate, instrument.taker_rate, instrument.auction_rate, 0)


def fee_rate(instrument: Instrument, flags: int) -> int:
    """Return the rate of a fill."""
    if flags & OutcomeFlag.TAKER:
        return instrument.taker_rate
    if flags & OutcomeFlag.MAKER:
        return instrument.maker_rate
    return instrument.auction_rate


def pay(state: RiskState, order: RiskOrder, outcome: Outcome) -> None:
    """Let the money of a fill and its fee change hands, and count it as traded."""
    instrument, account = state.instruments[order.instrument], state.accounts[order.account]
    money = min(outcome.price_ticks * instrument.tick_value * outcome.qty_lots, MOST_MONEY)
    account.exact_cash += -money if order.side == Side.BUY else money
    fee = share_up(money, min(fee_rate(instrument, outcome.flags), order.fee_cap))
    if fee:
        account.exact_cash -= fee
        state.accounts[instrument.fee_account].exact_cash += fee
    account.traded = min(account.traded + money, MOST_CASH)
    if account.firm:
        firm = state.firms[account.firm]
        firm.traded = min(firm.traded + money, MOST_CASH)


# Checks


def check_gross_notional(state: RiskState, account: Account, money: int) -> None:
    """Check what an account, and its firm, traded and may trade today (28 of NEW)."""
    reserved = account.reserved_buy + account.reserved_sell + money
    within = _is_within_gross(account.limits[Limit.GROSS_NOTIONAL], account.traded, reserved)
    require(within, Reason.GROSS_NOTIONAL)
    if account.firm:
        firm = state.firms[account.firm]
        reserved = state.firm_reserved(account.firm) + money
        within = _is_within_gross(firm.limits[Limit.GROSS_NOTIONAL], firm.traded, reserved)
        require(within, Reason.FIRM_GROSS_NOTIONAL)


def _is_within_gross(limit: int, traded: int, reserved: int) -> bool:
    return reserved <= limit if limit == LIMIT_UNLIMITED else traded + reserved <= limit


def check_funds(state: RiskState, account: Account, money: int) -> None:
    """Check that a buy can be paid: out of cash, or with the credit of its account and firm (29 of NEW)."""
    if account.prefunded:
        require(account.reserved_buy + money <= account.cash, Reason.INSUFFICIENT_FUNDS)
        return
    require(account.reserved_buy + money - account.cash <= account.limits[Limit.CREDIT], Reason.CREDIT_LIMIT)
    if account.firm:
        used = state.firm_credit_reserved(account.firm) + money - state.firm_cash(account.firm)
        require(used <= state.firms[account.firm].limits[Limit.CREDIT], Reason.FIRM_CREDIT_LIMIT)


def check_lots(state: RiskState, account: int, instrument: int, side: int, more: int) -> None:
    """Check that a pre-funded account has what it sells (26 of NEW)."""
    if side == Side.SELL and state.accounts[account].prefunded:
        row = state.position(account, instrument)
        require(row.open_sell + more <= row.position, Reason.INSUFFICIENT_POSITION)


# Transfers


def transfer(state: RiskState, command: Command) -> int:
    """Carry out a TRANSFER; return cash or position afterwards."""
    reference = (TRANSFERS, command.cl)
    require(command.cl != NO_TEXT, Reason.MISSING_CL_ORD_ID)
    require(reference not in state.cl_ord_ids, Reason.DUPLICATE_CL_ORD_ID)
    require(command.account in state.accounts, Reason.UNKNOWN_ACCOUNT)
    account = state.accounts[command.account]
    if command.instrument:
        require(command.instrument in state.instruments, Reason.UNKNOWN_INSTRUMENT)
        same = state.instruments[command.instrument].currency == account.currency
        require(same, Reason.CURRENCY_MISMATCH)
    require(command.side in (DEPOSIT, WITHDRAWAL), Reason.INVALID_SIDE)
    require(1 <= command.qty_lots <= MOST_LOTS, Reason.INVALID_QTY)
    amount = command.qty_lots
    change = amount if command.side == DEPOSIT else -amount
    if command.instrument == 0:
        if command.side == DEPOSIT:
            require(account.cash + amount <= MOST_CASH, Reason.INVALID_QTY)
        else:
            require(account.reserved_buy + amount <= account.cash, Reason.INSUFFICIENT_FUNDS)
    else:
        row = state.position(command.account, command.instrument)
        if command.side == DEPOSIT:
            require(row.position + row.open_buy + amount <= MOST_LOTS, Reason.POSITION_LIMIT)
        else:
            require(row.open_sell + amount <= row.position, Reason.INSUFFICIENT_POSITION)
        room = state.has_room_for_position(command.account, command.instrument)
        require(room, Reason.NO_ROOM)
    require(len(state.cl_ord_ids) < state.max_cl_ord_ids, Reason.NO_ROOM)

    state.cl_ord_ids[reference] = command.seq
    if command.instrument == 0:
        account.exact_cash += change
        shift_day_equity(state, command.account, change)
        return account.cash
    row = state.make_position(command.account, command.instrument)
    row.position += change
    shift_day_equity(state, command.account, mark(state, command.account, command.instrument))
    return row.position
