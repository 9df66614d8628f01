"""Permissions, naively: PERMIT, and what sessions and accounts may do.

The page is *Permissions* in ``docs/risk-controls.md``.
"""

from __future__ import annotations

from protocols.codes import Access, OrdType, Permit, Reason, Side
from tests.twin.checks import PRICED_TYPES, Rejection, require
from tests.twin.records import NO_TEXT, Command, Text
from tests.twin.risk_state import ALL_TIFS, ALL_TYPES, Account, RiskState, Session

GROUP_OF_THE_REST = 63


def session_of(state: RiskState, name: Text) -> int:
    """Return the id of a session; a new name gets the next one."""
    if name not in state.session_ids:
        require(len(state.session_ids) < state.max_sessions, Reason.NO_ROOM)
        state.session_ids[name] = len(state.session_ids) + 1
        state.sessions[state.session_ids[name]] = Session(name)
    return state.session_ids[name]


def permit(state: RiskState, command: Command) -> int:
    """Carry out a PERMIT; return the value before."""
    match command.ord_type:
        case Permit.SESSION:
            return _permit_session(state, command)
        case Permit.ORDER_TYPES | Permit.TIFS | Permit.GROUPS:
            return _permit_bits(state, command)
        case Permit.INSTRUMENT:
            return _permit_instrument(state, command)
        case Permit.SHORT_SALES:
            return _permit_short_sales(state, command)
    raise Rejection(Reason.INVALID_COMMAND)


def _permit_session(state: RiskState, command: Command) -> int:
    require(command.orig != NO_TEXT, Reason.INVALID_COMMAND)
    require(command.account == 0 or command.account in state.accounts, Reason.UNKNOWN_ACCOUNT)
    require(command.qty_lots in (0, 1), Reason.INVALID_COMMAND)
    session = state.sessions[session_of(state, command.orig)]
    if command.account == 0:
        before, session.acts_for_all = session.acts_for_all, command.qty_lots == 1
        return int(before)
    before = command.account in session.granted
    if command.qty_lots == 1:
        session.granted.add(command.account)
    else:
        session.granted.discard(command.account)
    return int(before)


def _permit_bits(state: RiskState, command: Command) -> int:
    require(command.account in state.accounts, Reason.UNKNOWN_ACCOUNT)
    account, value = state.accounts[command.account], command.qty_lots
    if command.ord_type == Permit.ORDER_TYPES:
        require(value & ~ALL_TYPES == 0, Reason.INVALID_COMMAND)
        before, account.types = account.types, value
    elif command.ord_type == Permit.TIFS:
        require(value & ~ALL_TIFS == 0, Reason.INVALID_COMMAND)
        before, account.tifs = account.tifs, value
    else:
        before, account.groups = account.groups, value
    return before


def _permit_instrument(state: RiskState, command: Command) -> int:
    require(command.account in state.accounts, Reason.UNKNOWN_ACCOUNT)
    require(command.instrument in state.instruments, Reason.UNKNOWN_INSTRUMENT)
    same = state.accounts[command.account].currency == state.instruments[command.instrument].currency
    require(same, Reason.CURRENCY_MISMATCH)
    require(command.qty_lots in set(Access), Reason.INVALID_COMMAND)
    require(state.has_room_for_position(command.account, command.instrument), Reason.NO_ROOM)
    row = state.make_position(command.account, command.instrument)
    before, row.access = row.access, command.qty_lots
    return before


def _permit_short_sales(state: RiskState, command: Command) -> int:
    require((command.account == 0) != (command.instrument == 0), Reason.INVALID_COMMAND)
    require(command.instrument == 0 or command.instrument in state.instruments, Reason.UNKNOWN_INSTRUMENT)
    require(command.account == 0 or command.account in state.accounts, Reason.UNKNOWN_ACCOUNT)
    require(command.qty_lots in (0, 1), Reason.INVALID_COMMAND)
    if command.instrument:
        instrument = state.instruments[command.instrument]
        before, instrument.restricted = not instrument.restricted, command.qty_lots == 0
        return int(before)
    account = state.accounts[command.account]
    before, account.short_exempt = account.short_exempt, command.qty_lots == 1
    return int(before)


def check_session(state: RiskState, session: int, account: int) -> None:
    """Check that a session acts for an account (6 of NEW)."""
    acting = state.sessions[session]
    require(acting.acts_for_all or account in acting.granted, Reason.SESSION_NOT_PERMITTED)


def check_kind_of_order(account: Account, command: Command) -> None:
    """Check that an account may send orders of this type and time in force (12 of NEW)."""
    require(account.types >> command.ord_type & 1 == 1, Reason.ORDER_TYPE_NOT_PERMITTED)
    if account.prefunded and command.side == Side.BUY:
        require(OrdType(command.ord_type) in PRICED_TYPES, Reason.ORDER_TYPE_NOT_PERMITTED)
    require(account.tifs >> command.tif & 1 == 1, Reason.TIF_NOT_PERMITTED)


def check_instrument(state: RiskState, account: int, instrument: int) -> None:
    """Check that an account may trade an instrument (18 of NEW)."""
    access = state.position(account, instrument).access
    if access == Access.BY_GROUP:
        bit = min(state.instruments[instrument].group, GROUP_OF_THE_REST)
        permitted = state.accounts[account].groups >> bit & 1 == 1
    else:
        permitted = access in (Access.PERMITTED, Access.REDUCING)
    require(permitted, Reason.INSTRUMENT_NOT_PERMITTED)


def check_short_sale(state: RiskState, account: int, instrument: int, side: int, more: int) -> None:
    """Check that a sell is no short sale where these are restricted (26 of NEW)."""
    row = state.position(account, instrument)
    matters = side == Side.SELL and state.instruments[instrument].restricted
    if matters and not state.accounts[account].short_exempt:
        require(row.open_sell + more <= max(row.position, 0), Reason.SHORT_SALE)
