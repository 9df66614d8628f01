"""What the venue consists of, naively: sessions, instruments, tick tables, firms, accounts.

The page is *Sessions and administration* in ``docs/rules.md``.
"""

from __future__ import annotations

from protocols.codes import CommandFlag, Kind, Reason, TradingState
from tests.twin.arithmetic import MOST_CASH, kept_within
from tests.twin.checks import check_tick_row, check_tick_table, require
from tests.twin.markets import MAX_TICK_TABLES, TickTable
from tests.twin.permissions import session_of
from tests.twin.records import NO_TEXT, Command
from tests.twin.risk_state import Account, Firm, Instrument, RiskState

MAX_TICK_VALUE = 2**40
MAX_PROTECTION = 2**60


def define(state: RiskState, command: Command) -> int:
    """Carry out a command that defines something, or opens or closes a session; return the session of its answer."""
    match command.kind:
        case Kind.SESSION_OPEN:
            require(command.cl != NO_TEXT, Reason.INVALID_COMMAND)
            session = session_of(state, command.cl)
            state.sessions[session].is_open = True
            return session
        case Kind.SESSION_CLOSE:
            require(state.is_open(command.session), Reason.UNKNOWN_SESSION)
            state.sessions[command.session].is_open = False
        case Kind.INSTRUMENT:
            _define_instrument(state, command)
        case Kind.TICK_TABLE:
            _change_tick_table(state, command)
        case Kind.FIRM:
            _define_firm(state, command)
        case Kind.ACCOUNT:
            _define_account(state, command)
    return command.session


def _define_instrument(state: RiskState, command: Command) -> None:
    defined = Instrument(
        symbol=(command.cl0, command.cl1, 0),  # 16 bytes
        tick_e8=command.price_ticks,
        lot_e8=command.qty_lots,
        tick_value=command.aux0,
        currency=command.orig2,
        low=command.order_id,
        high=command.aux1,
        tick_table=command.orig1,
        group=command.account,
        partition=(command.tif or command.account or command.instrument) - 1,
    )
    if command.tif == 0:
        defined.partition %= state.partitions
    begins = command.ord_type == 0 or command.ord_type in set(TradingState)
    valid = (
        1 <= command.instrument <= state.max_instruments
        and defined.symbol != NO_TEXT
        and defined.tick_e8 > 0
        and defined.lot_e8 > 0
        and 0 < defined.tick_value <= MAX_TICK_VALUE
        and defined.low >= 0
        and defined.high >= 0
        and (defined.high == 0 or defined.low <= defined.high)
        and 0 <= command.orig0 <= MAX_PROTECTION
        and 0 <= command.orig1 <= MAX_TICK_TABLES
        and command.account >= 0
        and command.tif <= state.partitions
        and (begins or command.instrument in state.instruments)
    )
    require(valid, Reason.INVALID_COMMAND)
    known = state.instruments.setdefault(command.instrument, defined)
    require(known.terms() == defined.terms(), Reason.INVALID_COMMAND)
    require(command.tif in (0, known.partition + 1), Reason.INVALID_COMMAND)
    known.low, known.high = defined.low, defined.high
    known.tick_table, known.group = defined.tick_table, defined.group


def _change_tick_table(state: RiskState, command: Command) -> None:
    check_tick_table(command)
    if command.side == 1:
        table = state.tick_tables.get(command.account, TickTable())
        check_tick_row(command, table)
        table.rows.append((command.price_ticks, command.qty_lots))
        state.tick_tables[command.account] = table
    else:
        state.tick_tables.pop(command.account, None)


def _define_firm(state: RiskState, command: Command) -> None:
    defined = Firm(name=(command.cl0, command.cl1, 0), currency=command.orig2)
    require(1 <= command.aux0 <= state.max_accounts, Reason.INVALID_COMMAND)
    require(defined.name != NO_TEXT, Reason.INVALID_COMMAND)
    known = state.firms.setdefault(command.aux0, defined)
    same = (known.name, known.currency) == (defined.name, defined.currency)
    require(same, Reason.INVALID_COMMAND)


def _define_account(state: RiskState, command: Command) -> None:
    defined = Account(
        name=(command.cl0, command.cl1, 0),
        currency=command.orig2,
        prefunded=bool(command.flags & CommandFlag.PREFUNDED),
    )
    firm = command.instrument
    require(1 <= command.account <= state.max_accounts, Reason.INVALID_COMMAND)
    require(defined.name != NO_TEXT and firm >= 0, Reason.INVALID_COMMAND)
    require(firm == 0 or firm in state.firms, Reason.UNKNOWN_FIRM)
    require(firm == 0 or state.firms[firm].currency == defined.currency, Reason.CURRENCY_MISMATCH)
    known = state.accounts.setdefault(command.account, defined)
    same = (known.name, known.currency, known.prefunded) == (
        defined.name,
        defined.currency,
        defined.prefunded,
    )
    require(same, Reason.INVALID_COMMAND)
    require(known.firm == firm or known.open_orders == 0, Reason.INVALID_COMMAND)
    _change_firm(state, known, firm)


def _change_firm(state: RiskState, account: Account, firm: int) -> None:
    """Let an account leave its firm for another: what it traded goes with it."""
    if account.firm == firm:
        return
    for identity, more in ((account.firm, -account.traded), (firm, account.traded)):
        if identity:
            traded = state.firms[identity].traded + more
            state.firms[identity].traded = max(kept_within(traded, MOST_CASH), 0)
    account.firm = firm
