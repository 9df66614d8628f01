"""Orders as risk decides them, naively: NEW and REPLACE, check by check, in the order of ``docs/rules.md``."""

from __future__ import annotations

from dataclasses import dataclass

from protocols.codes import CommandFlag, OrdType, Reason, Side
from tests.twin.checks import (
    MAX_STOP_PRICE,
    PRICED_TYPES,
    check_amounts,
    check_price,
    check_qty,
    check_stop_price,
    check_terms,
    require,
)
from tests.twin.collars import check_collars
from tests.twin.funds import check_funds, check_gross_notional, check_lots, fee_cap
from tests.twin.limits import check_open_orders, check_position, check_set, check_size
from tests.twin.markets import TickTable
from tests.twin.marks import check_loss
from tests.twin.permissions import check_instrument, check_kind_of_order, check_session, check_short_sale
from tests.twin.rates import check_duplicative, check_ratio, remember_order, take_order_token
from tests.twin.records import NO_TEXT, Command
from tests.twin.risk_state import Instrument, RiskOrder, RiskState
from tests.twin.switches import check_killed, must_reduce, reduces
from tests.twin.warning import warn


@dataclass
class Verdict:
    """What risk says of a command: a reason (NONE lets it pass), the order it targets, its session's id.

    For answers also what was ``before``, or is after a TRANSFER or DAY_BEGIN; which session a KILL concerns; which
    limit an order has nearly used up.
    """

    reason: Reason = Reason.NONE
    target: int = 0
    session: int = 0
    before: int = 0
    killed_session: int = 0
    warning: int = 0


def reference_price(ord_type: int, stop_price: int, instrument: Instrument) -> int:
    """Return the price at which an order without a limit is checked and reserved, 0 if there is none."""
    return instrument.high or max(instrument.last_price, stop_price if ord_type == OrdType.STOP else 0)


class RiskOrders:
    """What risk checks of orders, and what it remembers of those that pass."""

    def __init__(self, state: RiskState) -> None:
        self.state = state

    def new(self, command: Command, verdict: Verdict) -> None:
        """Decide a NEW."""
        state = self.state
        require(state.is_open(command.session), Reason.UNKNOWN_SESSION)
        require(command.cl != NO_TEXT, Reason.MISSING_CL_ORD_ID)
        require((command.session, command.cl) not in state.cl_ord_ids, Reason.DUPLICATE_CL_ORD_ID)
        require(command.instrument in state.instruments, Reason.UNKNOWN_INSTRUMENT)
        require(command.account in state.accounts, Reason.UNKNOWN_ACCOUNT)
        instrument, account = state.instruments[command.instrument], state.accounts[command.account]
        self._check_who(command, command.account, command.instrument)
        require(command.side in set(Side), Reason.INVALID_SIDE)
        check_terms(command)
        check_kind_of_order(account, command)
        check_qty(command)
        if command.ord_type != OrdType.DIRECTED:
            check_amounts(command)
        price = self._check_price_of_new(command, instrument)
        check_collars(instrument, command.time_ns, command.ord_type, command.side, price)
        require(account.currency == instrument.currency, Reason.CURRENCY_MISMATCH)
        check_instrument(state, command.account, command.instrument)
        cap = fee_cap(instrument)
        money = command.qty_lots * state.unit(command.instrument, command.side, price, cap)
        check_size(state, command.account, command.instrument, command.qty_lots, price, money)
        check_open_orders(state, command.account, command.instrument)
        check_ratio(account)
        check_duplicative(account, command)
        order = RiskOrder(
            account=command.account,
            instrument=command.instrument,
            side=command.side,
            session=command.session,
            leaves=command.qty_lots,
            price=price,
            ord_type=command.ord_type,
        )
        self._check_lots(order, command.qty_lots)
        self._check_money(order, money)
        if command.ord_type == OrdType.DIRECTED:
            named_by_orig = state.cl_ord_ids.get((command.session, command.orig), 0)
            verdict.target = command.order_id or named_by_orig
            require(verdict.target != 0, Reason.UNKNOWN_ORDER)
        require(len(state.orders) < state.max_orders, Reason.NO_ROOM)
        require(state.has_room_for_position(command.account, command.instrument), Reason.NO_ROOM)
        require(len(state.cl_ord_ids) < state.max_cl_ord_ids, Reason.NO_ROOM)

        state.cl_ord_ids[command.session, command.cl] = command.seq
        row = state.make_position(command.account, command.instrument)
        state.orders[command.seq] = order
        state.reserve(order, command.qty_lots, price, cap)
        account.open_orders += 1
        row.open_orders += 1
        account.messages += 1
        remember_order(account, command)
        verdict.warning = warn(state, order.account, order.instrument, order.side)

    def _check_who(self, command: Command, account: int, instrument: int) -> None:
        """Check all that does not depend on the order itself, and take its token (6 to 9 of NEW)."""
        state = self.state
        check_session(state, command.session, account)
        check_killed(state, state.accounts[account], command.session, instrument)
        check_set(state, state.accounts[account])
        take_order_token(state, state.accounts[account], command.time_ns)

    def _check_price_of_new(self, command: Command, instrument: Instrument) -> int:
        """Check the price where the type has one; return the price at which the order is checked and reserved."""
        table = self._table_of(instrument)
        if command.ord_type in PRICED_TYPES:
            check_price(command, instrument, table)
            check_stop_price(command, command.ord_type, table)
            return command.price_ticks
        if command.ord_type != OrdType.MARKET:
            require(not command.flags & CommandFlag.OFF_TICK, Reason.PRICE_NOT_ON_TICK)
            check_stop_price(command, command.ord_type, table)
        checked_at = reference_price(command.ord_type, command.aux0, instrument)
        require(checked_at != 0, Reason.NO_REFERENCE_PRICE)
        return checked_at

    def _check_lots(self, order: RiskOrder, more: int) -> None:
        """Check what an order adds in lots (24 to 27 of NEW)."""
        state, where = self.state, (order.account, order.instrument)
        if not reduces(state, *where, order.side, more):
            require(
                not must_reduce(state, order.account, order.session, order.instrument), Reason.REDUCE_ONLY
            )
            check_loss(state, order.account)
        check_short_sale(state, *where, order.side, more)
        check_lots(state, *where, order.side, more)
        check_position(state, *where, order.side, more)

    def _check_money(self, order: RiskOrder, more: int) -> None:
        """Check what an order adds in money (28 and 29 of NEW)."""
        account = self.state.accounts[order.account]
        check_gross_notional(self.state, account, more)
        if order.side == Side.BUY:
            check_funds(self.state, account, more)

    def replace(self, command: Command, verdict: Verdict) -> None:
        """Decide a REPLACE."""
        state = self.state
        require(state.is_open(command.session), Reason.UNKNOWN_SESSION)
        require(command.cl != NO_TEXT, Reason.MISSING_CL_ORD_ID)
        require((command.session, command.cl) not in state.cl_ord_ids, Reason.DUPLICATE_CL_ORD_ID)
        verdict.target = self.target(command)
        gone = Reason.TOO_LATE if command.order_id == 0 else Reason.UNKNOWN_ORDER
        require(verdict.target in state.orders, gone)
        order = state.orders[verdict.target]
        require(order.session == command.session, gone)
        require(command.instrument in (0, order.instrument), Reason.ORDER_MISMATCH)
        require(command.side in (0, order.side), Reason.ORDER_MISMATCH)
        require(command.account in (0, order.account), Reason.ORDER_MISMATCH)
        self._check_who(command, order.account, order.instrument)
        check_qty(command)
        instrument, account = state.instruments[order.instrument], state.accounts[order.account]
        price = self._check_price_of_replace(command, order, instrument)
        check_collars(instrument, command.time_ns, order.ord_type, order.side, price)
        check_instrument(state, order.account, order.instrument)
        require(command.qty_lots > order.cum, Reason.QTY_BELOW_EXECUTED)
        lots = max(order.res_lots, command.qty_lots - order.cum)
        res_price, cap = max(order.res_price, price), max(order.fee_cap, fee_cap(instrument))
        money = lots * state.unit(order.instrument, order.side, res_price, cap)
        more_lots, more_money = lots - order.res_lots, money - state.money_of(order)
        check_size(state, order.account, order.instrument, command.qty_lots, price, money)
        check_ratio(account)
        if more_lots > 0:
            self._check_lots(order, more_lots)
        if more_money > 0:
            self._check_money(order, more_money)
        require(len(state.cl_ord_ids) < state.max_cl_ord_ids, Reason.NO_ROOM)

        state.cl_ord_ids[command.session, command.cl] = verdict.target
        state.reserve(order, lots, res_price, cap)
        if order.ord_type not in PRICED_TYPES:
            order.price = price
        order.pending += 1
        account.messages += 1
        verdict.warning = warn(state, order.account, order.instrument, order.side)

    def _check_price_of_replace(self, command: Command, order: RiskOrder, instrument: Instrument) -> int:
        """Check new price and stop price; return the price at which the replaced order is checked."""
        if order.ord_type in PRICED_TYPES:
            check_price(command, instrument, self._table_of(instrument))
            price = command.price_ticks
        else:
            require(not command.flags & CommandFlag.OFF_TICK, Reason.PRICE_NOT_ON_TICK)
            price = max(order.price, reference_price(order.ord_type, command.aux0, instrument))
        require(0 <= command.aux0 <= MAX_STOP_PRICE, Reason.INVALID_STOP_PRICE)
        check_stop_price(command, order.ord_type, self._table_of(instrument))
        return price

    def target(self, command: Command) -> int:
        """Return the order that a command names, by id or else by the OrigClOrdID of its session."""
        if command.order_id != 0:
            return command.order_id
        require(command.orig != NO_TEXT, Reason.MISSING_CL_ORD_ID)
        require((command.session, command.orig) in self.state.cl_ord_ids, Reason.UNKNOWN_ORDER)
        return self.state.cl_ord_ids[command.session, command.orig]

    def _table_of(self, instrument: Instrument) -> TickTable:
        """Return the tick table of an instrument: without rows where it has none."""
        return self.state.tick_tables.get(instrument.tick_table, TickTable())
