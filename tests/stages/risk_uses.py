"""What is used of a limit, and what of it may be withdrawn: so that steps can be drawn exactly beside it."""

from __future__ import annotations

from protocols.codes import Kind, Limit
from tests.twin.marks import loss
from tests.twin.records import Command
from tests.twin.risk_state import RiskState


def use_of(state: RiskState, command: Command) -> int:
    """Return the use of the limit that a LIMIT sets, or what a TRANSFER may withdraw; 0 where there is none."""
    if command.kind == Kind.TRANSFER:
        return _free(state, command)
    if command.account in state.accounts:
        return _use_of_account(state, command)
    if command.aux0 in state.firms:
        return _use_of_firm(state, command)
    return 0


def _free(state: RiskState, command: Command) -> int:
    if command.account not in state.accounts:
        return 0
    if command.instrument:
        row = state.position(command.account, command.instrument)
        return row.position - row.open_sell
    account = state.accounts[command.account]
    return account.cash - account.reserved_buy


def _use_of_account(state: RiskState, command: Command) -> int:
    account = state.accounts[command.account]
    row = state.position(command.account, command.instrument or 1)
    uses = {
        Limit.MAX_OPEN_ORDERS: row.open_orders if command.instrument else account.open_orders,
        Limit.MAX_LONG: row.position + row.open_buy,
        Limit.MAX_SHORT: -row.position + row.open_sell,
        Limit.CREDIT: account.reserved_buy - account.cash,
        Limit.GROSS_NOTIONAL: account.traded + account.reserved_buy + account.reserved_sell,
        Limit.MAX_LOSS: loss(state, command.account),
        Limit.FREE_MESSAGES: account.messages,
    }
    return uses.get(Limit(command.ord_type), 0) if command.ord_type in set(Limit) else 0


def _use_of_firm(state: RiskState, command: Command) -> int:
    firm = command.aux0
    if command.ord_type == Limit.CREDIT:
        return state.firm_credit_reserved(firm) - state.firm_cash(firm)
    if command.ord_type == Limit.GROSS_NOTIONAL:
        return state.firms[firm].traded + state.firm_reserved(firm)
    return 0
