"""Switches, naively: KILL at five levels, who is killed, and who may only reduce.

The pages are *Switches* and *Reducing only* in ``docs/risk-controls.md``.
"""

from __future__ import annotations

from protocols.codes import Access, KillLevel, Reason, Side, Switch
from tests.twin.checks import require
from tests.twin.records import Command
from tests.twin.risk_state import Account, Firm, Instrument, RiskState, Session

ENGAGE, RELEASE = 1, 2
Holder = RiskState | Firm | Account | Session | Instrument


def change_switch(state: RiskState, command: Command) -> tuple[Switch, int]:
    """Carry out a KILL; return the switches before, and for level SESSION the session's id, else 0."""
    require(command.side in (ENGAGE, RELEASE), Reason.INVALID_SIDE)
    require(command.tif in set(KillLevel), Reason.INVALID_COMMAND)
    releases_throttle = command.side == RELEASE and command.tif == KillLevel.ACCOUNT
    allowed = [Switch.KILLED, Switch.REDUCING] + [Switch.THROTTLED] * releases_throttle
    require(command.ord_type in allowed, Reason.INVALID_COMMAND)
    holder, session = _whom(state, command)
    before = holder.switches
    if command.side == ENGAGE:
        holder.switches |= Switch(command.ord_type)
    else:
        holder.switches &= ~Switch(command.ord_type)
    if isinstance(holder, Account) and command.ord_type == Switch.THROTTLED:
        holder.execution_count = 0
    return before, session


def _whom(state: RiskState, command: Command) -> tuple[Holder, int]:
    """Return who is named, and the id of a session."""
    match command.tif:
        case KillLevel.FIRM:
            require(command.aux0 in state.firms, Reason.UNKNOWN_FIRM)
            return state.firms[command.aux0], 0
        case KillLevel.ACCOUNT:
            require(command.account in state.accounts, Reason.UNKNOWN_ACCOUNT)
            return state.accounts[command.account], 0
        case KillLevel.SESSION:
            require(command.orig in state.session_ids, Reason.UNKNOWN_SESSION)
            session = state.session_ids[command.orig]
            return state.sessions[session], session
        case KillLevel.INSTRUMENT:
            require(command.instrument in state.instruments, Reason.UNKNOWN_INSTRUMENT)
            return state.instruments[command.instrument], 0
    return state, 0


def check_killed(state: RiskState, account: Account, session: int, instrument: int) -> None:
    """Check that nobody whom an order concerns is killed (7 of NEW)."""
    require(Switch.KILLED not in state.switches, Reason.VENUE_KILLED)
    if account.firm:
        require(Switch.KILLED not in state.firms[account.firm].switches, Reason.FIRM_KILLED)
    require(Switch.KILLED not in account.switches, Reason.ACCOUNT_KILLED)
    require(Switch.THROTTLED not in account.switches, Reason.EXECUTION_THROTTLE)
    require(Switch.KILLED not in state.sessions[session].switches, Reason.SESSION_KILLED)
    require(Switch.KILLED not in state.instruments[instrument].switches, Reason.INSTRUMENT_KILLED)


def reduces(state: RiskState, account: int, instrument: int, side: int, more: int) -> bool:
    """Tell whether an order of so many lots can only make a position smaller, with all open ones of its side."""
    row = state.position(account, instrument)
    if side == Side.BUY:
        return row.open_buy + more <= max(-row.position, 0)
    return row.open_sell + more <= max(row.position, 0)


def must_reduce(state: RiskState, account: int, session: int, instrument: int) -> bool:
    """Tell whether one of those whom an order concerns may only reduce."""
    firm = state.accounts[account].firm
    concerned: list[Holder] = [
        state,
        state.accounts[account],
        state.sessions[session],
        state.instruments[instrument],
    ]
    if firm:
        concerned.append(state.firms[firm])
    if state.position(account, instrument).access == Access.REDUCING:
        return True
    return any(Switch.REDUCING in holder.switches for holder in concerned)
