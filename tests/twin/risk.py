"""Risk, naively: ``docs/rules.md`` with dicts and Python's unbounded ints.

Each check is one :func:`require` line, or a function of them, in the order of the rules; the first that fails raises,
and the verdict carries its reason. State changes only after the last check, but for the tokens of rates. Orders are
:mod:`tests.twin.risk_orders`, the controls have modules of their own; what outcomes of matching do to risk is
:mod:`tests.twin.feedback`.
"""

from __future__ import annotations

from protocols.codes import CommandFlag, Kind, Reason, TradingState
from tests.twin.checks import Rejection, check_bands, check_qty, check_schedule, require
from tests.twin.collars import set_collar
from tests.twin.definitions import define
from tests.twin.feedback import apply
from tests.twin.funds import set_fees, transfer
from tests.twin.limits import set_limit
from tests.twin.marks import begin_day, sweep
from tests.twin.permissions import permit
from tests.twin.rates import take_cancel_token
from tests.twin.records import Command, Outcome
from tests.twin.risk_orders import RiskOrders, Verdict
from tests.twin.risk_state import RiskState
from tests.twin.switches import change_switch

__all__ = ["RiskTwin", "Verdict"]


class RiskTwin:
    """Risk: :meth:`judge` decides a command, :meth:`apply` takes in an outcome."""

    def __init__(
        self,
        max_orders: int,
        max_accounts: int,
        max_instruments: int,
        max_positions: int,
        max_cl_ord_ids: int,
        max_sessions: int,
        partitions: int = 1,
    ) -> None:
        self.state = RiskState(
            max_orders, max_accounts, max_instruments, max_positions, max_cl_ord_ids, max_sessions, partitions
        )
        self._orders = RiskOrders(self.state)

    def apply(self, outcome: Outcome) -> None:
        """Take in one outcome of matching."""
        apply(self.state, outcome)

    def judge(self, command: Command) -> Verdict | None:
        """Decide a command and reserve for it; None for the kinds that have no outcome."""
        sweep(self.state, command.seq)
        verdict = Verdict(session=command.session)
        try:
            if command.kind in (Kind.NEW, Kind.REPLACE):
                require(not command.flags & CommandFlag.NO_SPACE, Reason.JOURNAL_FULL)
            match command.kind:
                case Kind.NEW:
                    self._orders.new(command, verdict)
                case Kind.CANCEL | Kind.REDUCE | Kind.STATUS:
                    self._cancel_reduce_or_status(command, verdict)
                case Kind.MASS_CANCEL:
                    self._mass_cancel(command)
                case Kind.REPLACE:
                    self._orders.replace(command, verdict)
                case Kind.CHECKPOINT | Kind.TICK:
                    return None
                case Kind.VENUE if command.seq == 1:
                    return None
                case _:
                    self._administer(command, verdict)
        except Rejection as rejection:
            verdict.reason = rejection.reason
        return verdict

    def _administer(self, command: Command, verdict: Verdict) -> None:
        state = self.state
        match command.kind:
            case (
                Kind.SESSION_OPEN
                | Kind.SESSION_CLOSE
                | Kind.INSTRUMENT
                | Kind.ACCOUNT
                | Kind.FIRM
                | Kind.TICK_TABLE
            ):
                verdict.session = define(state, command)
            case Kind.LIMIT:
                verdict.before = set_limit(state, command)
            case Kind.KILL:
                switches, verdict.killed_session = change_switch(state, command)
                verdict.before = int(switches)
            case Kind.PERMIT:
                verdict.before = permit(state, command)
            case Kind.COLLAR:
                set_collar(state, command)
            case Kind.FEES:
                set_fees(state, command)
            case Kind.TRANSFER:
                verdict.before = transfer(state, command)
            case Kind.DAY_BEGIN:
                verdict.before = begin_day(state, command.time_ns)
            case Kind.STATE:
                known = command.instrument == 0 or command.instrument in state.instruments
                require(known, Reason.UNKNOWN_INSTRUMENT)
                require(command.ord_type in set(TradingState), Reason.INVALID_COMMAND)
            case Kind.SCHEDULE:
                check_schedule(command)
            case Kind.BANDS:
                require(command.instrument in state.instruments, Reason.UNKNOWN_INSTRUMENT)
                check_bands(command)
            case _:
                raise Rejection(Reason.INVALID_COMMAND)

    # Requests

    def _mass_cancel(self, command: Command) -> None:
        state = self.state
        require(command.session == 0 or state.is_open(command.session), Reason.UNKNOWN_SESSION)
        require(command.instrument == 0 or command.instrument in state.instruments, Reason.UNKNOWN_INSTRUMENT)
        require(command.account == 0 or command.account in state.accounts, Reason.UNKNOWN_ACCOUNT)
        require(command.side in (0, 1, 2), Reason.INVALID_SIDE)
        if command.session != 0 and command.account != 0:
            take_cancel_token(state.accounts[command.account], command.time_ns)

    def _cancel_reduce_or_status(self, command: Command, verdict: Verdict) -> None:
        state = self.state
        require(state.is_open(command.session), Reason.UNKNOWN_SESSION)
        verdict.target = self._orders.target(command)
        if command.kind == Kind.REDUCE:
            check_qty(command)
        order = state.orders.get(verdict.target)
        if command.kind != Kind.STATUS and order is not None and order.session == command.session:
            account = state.accounts[order.account]
            take_cancel_token(account, command.time_ns)
            account.messages += 1
