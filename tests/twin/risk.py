"""Risk, naively: ``docs/rules.md`` with dicts and Python's unbounded ints.

Each check is one :func:`require` line in the order of the rules; the first that fails raises, and the verdict
carries its reason. State changes only after the last check. Outcomes of matching come in through
:meth:`RiskTwin.apply`, called by :mod:`tests.twin.core` for exactly the inputs that the feedback stamp covers.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from protocols.codes import (
    CommandFlag,
    Kind,
    Limit,
    OrdType,
    OutcomeFlag,
    OutcomeType,
    Reason,
    Side,
    TradingState,
)
from tests.twin.checks import (
    MAX_STOP_PRICE,
    PRICED_TYPES,
    Instrument,
    Rejection,
    check_amounts,
    check_bands,
    check_price,
    check_qty,
    check_schedule,
    check_stop_price,
    check_terms,
    check_tick_row,
    check_tick_table,
    require,
)
from tests.twin.markets import MAX_TICK_TABLES, TickTable
from tests.twin.records import NO_TEXT, Command, Outcome, Text

MAX_LIMIT = 2**60
MAX_TICK_VALUE = 2**40
MAX_CASH = 2**61
MAX_PROTECTION = 2**60


@dataclass
class Account:
    """One account: limits, and what its open orders and fills have done to it."""

    name: Text
    currency: int
    killed: bool = False
    limits: dict[Limit, int] = field(default_factory=lambda: dict.fromkeys(Limit, 0))
    open_orders: int = 0
    cash: int = 0
    reserved_buy: int = 0


@dataclass
class Position:
    """The position of an account in an instrument, and the lots that its open orders could add."""

    position: int = 0
    open_buy: int = 0
    open_sell: int = 0


@dataclass
class RiskOrder:
    """An open order as risk knows it: what outcomes have confirmed, and what is reserved."""

    account: int
    instrument: int
    side: int
    session: int
    leaves: int
    price: int
    ord_type: int
    cum: int = 0
    res_lots: int = 0
    res_price: int = 0
    pending: int = 0


@dataclass
class Verdict:
    """What risk says of a command: a reason (NONE lets it pass), the order it targets, its session's id."""

    reason: Reason = Reason.NONE
    target: int = 0
    session: int = 0


def reference_price(ord_type: int, stop_price: int, instrument: Instrument) -> int:
    """Return the price at which an order without a limit is checked and reserved, 0 if there is none."""
    return instrument.high or max(instrument.last_price, stop_price if ord_type == OrdType.STOP else 0)


class RiskTwin:
    """The state of risk; :meth:`judge` decides a command, :meth:`apply` takes in an outcome."""

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
        self.max_orders = max_orders
        self.max_accounts = max_accounts
        self.max_instruments = max_instruments
        self.max_positions = max_positions
        self.max_cl_ord_ids = max_cl_ord_ids
        self.max_sessions = max_sessions
        self.partitions = partitions
        self.session_ids: dict[Text, int] = {}
        self.open_sessions: set[int] = set()
        self.instruments: dict[int, Instrument] = {}
        self.tick_tables: dict[int, TickTable] = {}
        self.accounts: dict[int, Account] = {}
        self.positions: dict[tuple[int, int], Position] = {}
        self.cl_ord_ids: dict[tuple[int, Text], int] = {}
        self.orders: dict[int, RiskOrder] = {}

    def judge(self, command: Command) -> Verdict | None:
        """Decide a command and reserve for it; None for the kinds that have no outcome."""
        verdict = Verdict(session=command.session)
        try:
            match command.kind:
                case Kind.NEW:
                    self._new(command, verdict)
                case Kind.CANCEL | Kind.REDUCE | Kind.STATUS:
                    self._cancel_reduce_or_status(command, verdict)
                case Kind.MASS_CANCEL:
                    self._mass_cancel(command)
                case Kind.REPLACE:
                    self._replace(command, verdict)
                case Kind.CHECKPOINT | Kind.TICK:
                    return None
                case Kind.VENUE if command.seq == 1:
                    return None
                case _:
                    self._administer(command, verdict)
        except Rejection as rejection:
            verdict.reason = rejection.reason
        return verdict

    # Sessions and administration

    def _administer(self, command: Command, verdict: Verdict) -> None:
        match command.kind:
            case Kind.SESSION_OPEN:
                require(command.cl != NO_TEXT, Reason.INVALID_COMMAND)
                if command.cl not in self.session_ids:
                    require(len(self.session_ids) < self.max_sessions, Reason.NO_ROOM)
                    self.session_ids[command.cl] = len(self.session_ids) + 1
                verdict.session = self.session_ids[command.cl]
                self.open_sessions.add(verdict.session)
            case Kind.SESSION_CLOSE:
                require(command.session in self.open_sessions, Reason.UNKNOWN_SESSION)
                self.open_sessions.remove(command.session)
            case Kind.INSTRUMENT:
                self._define_instrument(command)
            case Kind.ACCOUNT:
                self._define_account(command)
            case Kind.LIMIT:
                require(command.account in self.accounts, Reason.UNKNOWN_ACCOUNT)
                require(command.ord_type in set(Limit), Reason.INVALID_COMMAND)
                require(0 <= command.qty_lots <= MAX_LIMIT, Reason.INVALID_COMMAND)
                self.accounts[command.account].limits[Limit(command.ord_type)] = command.qty_lots
            case Kind.KILL:
                require(command.account in self.accounts, Reason.UNKNOWN_ACCOUNT)
                require(command.side in (1, 2), Reason.INVALID_SIDE)
                self.accounts[command.account].killed = command.side == 1
            case Kind.STATE:
                known = command.instrument == 0 or command.instrument in self.instruments
                require(known, Reason.UNKNOWN_INSTRUMENT)
                require(command.ord_type in set(TradingState), Reason.INVALID_COMMAND)
            case Kind.SCHEDULE:
                check_schedule(command)
            case Kind.BANDS:
                require(command.instrument in self.instruments, Reason.UNKNOWN_INSTRUMENT)
                check_bands(command)
            case Kind.TICK_TABLE:
                self._change_tick_table(command)
            case _:
                raise Rejection(Reason.INVALID_COMMAND)

    def _define_instrument(self, command: Command) -> None:
        defined = Instrument(
            symbol=(command.cl0, command.cl1, 0),  # 16 bytes
            tick_e8=command.price_ticks,
            lot_e8=command.qty_lots,
            tick_value=command.aux0,
            currency=command.orig2,
            low=command.order_id,
            high=command.aux1,
            tick_table=command.orig1,
            partition=(command.tif or command.account or command.instrument) - 1,
        )
        if command.tif == 0:
            defined.partition %= self.partitions
        begins = command.ord_type == 0 or command.ord_type in set(TradingState)
        valid = (
            1 <= command.instrument <= self.max_instruments
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
            and command.tif <= self.partitions
            and (begins or command.instrument in self.instruments)
        )
        require(valid, Reason.INVALID_COMMAND)
        known = self.instruments.setdefault(command.instrument, defined)
        require(known.terms() == defined.terms(), Reason.INVALID_COMMAND)
        require(command.tif in (0, known.partition + 1), Reason.INVALID_COMMAND)
        known.low, known.high, known.tick_table = defined.low, defined.high, defined.tick_table

    def _change_tick_table(self, command: Command) -> None:
        check_tick_table(command)
        if command.side == 1:
            table = self.tick_tables.get(command.account, TickTable())
            check_tick_row(command, table)
            table.rows.append((command.price_ticks, command.qty_lots))
            self.tick_tables[command.account] = table
        else:
            self.tick_tables.pop(command.account, None)

    def _table_of(self, instrument: Instrument) -> TickTable:
        """Return the tick table of an instrument: without rows where it has none."""
        return self.tick_tables.get(instrument.tick_table, TickTable())

    def _define_account(self, command: Command) -> None:
        defined = Account(name=(command.cl0, command.cl1, 0), currency=command.orig2)
        require(1 <= command.account <= self.max_accounts, Reason.INVALID_COMMAND)
        require(defined.name != NO_TEXT and command.instrument >= 0, Reason.INVALID_COMMAND)
        known = self.accounts.setdefault(command.account, defined)
        same = (known.name, known.currency) == (defined.name, defined.currency)
        require(same, Reason.INVALID_COMMAND)

    # Orders

    def _new(self, command: Command, verdict: Verdict) -> None:
        require(command.session in self.open_sessions, Reason.UNKNOWN_SESSION)
        require(command.cl != NO_TEXT, Reason.MISSING_CL_ORD_ID)
        require((command.session, command.cl) not in self.cl_ord_ids, Reason.DUPLICATE_CL_ORD_ID)
        require(command.instrument in self.instruments, Reason.UNKNOWN_INSTRUMENT)
        require(command.account in self.accounts, Reason.UNKNOWN_ACCOUNT)
        instrument = self.instruments[command.instrument]
        account = self.accounts[command.account]
        require(not account.killed, Reason.ACCOUNT_KILLED)
        require(command.side in set(Side), Reason.INVALID_SIDE)
        check_terms(command)
        check_qty(command)
        if command.ord_type != OrdType.DIRECTED:
            check_amounts(command)
        checked_at = self._check_price_of_new(command, instrument)
        require(account.currency == instrument.currency, Reason.CURRENCY_MISMATCH)
        notional = self._check_size(command.qty_lots, checked_at, instrument, account)
        require(account.open_orders + 1 <= account.limits[Limit.MAX_OPEN_ORDERS], Reason.MAX_OPEN_ORDERS)
        key = (command.account, command.instrument)
        self._check_position(key, command.side, command.qty_lots)
        if command.side == Side.BUY:
            self._check_credit(account, notional)
        if command.ord_type == OrdType.DIRECTED:
            named_by_orig = self.cl_ord_ids.get((command.session, command.orig), 0)
            verdict.target = command.order_id or named_by_orig
            require(verdict.target != 0, Reason.UNKNOWN_ORDER)
        require(len(self.orders) < self.max_orders, Reason.NO_ROOM)
        require(key in self.positions or len(self.positions) < self.max_positions, Reason.NO_ROOM)
        require(len(self.cl_ord_ids) < self.max_cl_ord_ids, Reason.NO_ROOM)

        self.cl_ord_ids[command.session, command.cl] = command.seq
        self.positions.setdefault(key, Position())
        self.orders[command.seq] = RiskOrder(
            account=command.account,
            instrument=command.instrument,
            side=command.side,
            session=command.session,
            leaves=command.qty_lots,
            price=checked_at,
            ord_type=command.ord_type,
        )
        self._reserve(command.seq, command.qty_lots, checked_at)
        account.open_orders += 1

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

    def _mass_cancel(self, command: Command) -> None:
        require(command.session == 0 or command.session in self.open_sessions, Reason.UNKNOWN_SESSION)
        require(command.instrument == 0 or command.instrument in self.instruments, Reason.UNKNOWN_INSTRUMENT)
        require(command.account == 0 or command.account in self.accounts, Reason.UNKNOWN_ACCOUNT)
        require(command.side in (0, 1, 2), Reason.INVALID_SIDE)

    def _cancel_reduce_or_status(self, command: Command, verdict: Verdict) -> None:
        require(command.session in self.open_sessions, Reason.UNKNOWN_SESSION)
        verdict.target = self._target(command)
        if command.kind == Kind.REDUCE:
            check_qty(command)

    def _replace(self, command: Command, verdict: Verdict) -> None:
        require(command.session in self.open_sessions, Reason.UNKNOWN_SESSION)
        require(command.cl != NO_TEXT, Reason.MISSING_CL_ORD_ID)
        require((command.session, command.cl) not in self.cl_ord_ids, Reason.DUPLICATE_CL_ORD_ID)
        verdict.target = self._target(command)
        gone = Reason.TOO_LATE if command.order_id == 0 else Reason.UNKNOWN_ORDER
        require(verdict.target in self.orders, gone)
        order = self.orders[verdict.target]
        require(order.session == command.session, gone)
        require(command.instrument in (0, order.instrument), Reason.ORDER_MISMATCH)
        require(command.side in (0, order.side), Reason.ORDER_MISMATCH)
        require(command.account in (0, order.account), Reason.ORDER_MISMATCH)
        account = self.accounts[order.account]
        instrument = self.instruments[order.instrument]
        require(not account.killed, Reason.ACCOUNT_KILLED)
        check_qty(command)
        if order.ord_type in PRICED_TYPES:
            check_price(command, instrument, self._table_of(instrument))
            price = command.price_ticks
        else:
            require(not command.flags & CommandFlag.OFF_TICK, Reason.PRICE_NOT_ON_TICK)
            price = max(order.price, reference_price(order.ord_type, command.aux0, instrument))
        require(0 <= command.aux0 <= MAX_STOP_PRICE, Reason.INVALID_STOP_PRICE)
        check_stop_price(command, order.ord_type, self._table_of(instrument))
        require(command.qty_lots > order.cum, Reason.QTY_BELOW_EXECUTED)
        self._check_size(command.qty_lots, price, instrument, account)
        new_res = max(order.res_lots, command.qty_lots - order.cum)
        new_price = max(order.res_price, price)
        if new_res > order.res_lots:
            self._check_position((order.account, order.instrument), order.side, new_res - order.res_lots)
        new_money = new_res * new_price * instrument.tick_value
        old_money = order.res_lots * order.res_price * instrument.tick_value
        if order.side == Side.BUY and new_money > old_money:
            require(new_money <= MAX_LIMIT, Reason.CREDIT_LIMIT)
            self._check_credit(account, new_money - old_money)
        require(len(self.cl_ord_ids) < self.max_cl_ord_ids, Reason.NO_ROOM)

        self.cl_ord_ids[command.session, command.cl] = verdict.target
        self._reserve(verdict.target, new_res, new_price)
        if order.ord_type not in PRICED_TYPES:
            order.price = price
        order.pending += 1

    def _target(self, command: Command) -> int:
        """Return the order that a command names, by id or else by the OrigClOrdID of its session."""
        if command.order_id != 0:
            return command.order_id
        require(command.orig != NO_TEXT, Reason.MISSING_CL_ORD_ID)
        require((command.session, command.orig) in self.cl_ord_ids, Reason.UNKNOWN_ORDER)
        return self.cl_ord_ids[command.session, command.orig]

    @staticmethod
    def _check_size(qty: int, price: int, instrument: Instrument, account: Account) -> int:
        """Check quantity and notional of one order; return the notional."""
        require(qty <= account.limits[Limit.MAX_ORDER_QTY], Reason.MAX_ORDER_QTY)
        notional = price * instrument.tick_value * qty
        require(notional <= account.limits[Limit.MAX_ORDER_NOTIONAL], Reason.MAX_ORDER_NOTIONAL)
        return notional

    def _check_position(self, key: tuple[int, int], side: int, more: int) -> None:
        limits = self.accounts[key[0]].limits
        row = self.positions.get(key, Position())
        if side == Side.BUY:
            within = row.position + row.open_buy + more <= limits[Limit.MAX_LONG]
        else:
            within = -row.position + row.open_sell + more <= limits[Limit.MAX_SHORT]
        require(within, Reason.POSITION_LIMIT)

    @staticmethod
    def _check_credit(account: Account, more: int) -> None:
        require(
            account.reserved_buy + more - account.cash <= account.limits[Limit.CREDIT], Reason.CREDIT_LIMIT
        )

    # Reservations and feedback

    def _reserve(self, order_id: int, res_lots: int, res_price: int) -> None:
        """Change what an order reserves; the lots of its side and the money of a buy follow."""
        order = self.orders[order_id]
        row = self.positions[order.account, order.instrument]
        if order.side == Side.BUY:
            tick_value = self.instruments[order.instrument].tick_value
            row.open_buy += res_lots - order.res_lots
            more_ticks = res_lots * res_price - order.res_lots * order.res_price
            self.accounts[order.account].reserved_buy += more_ticks * tick_value
        else:
            row.open_sell += res_lots - order.res_lots
        order.res_lots, order.res_price = res_lots, res_price

    def _release(self, order_id: int) -> None:
        order = self.orders[order_id]
        self._reserve(order_id, 0, 0)
        self.accounts[order.account].open_orders -= 1
        del self.orders[order_id]

    def _settle(self, order_id: int) -> None:
        """With no replace in flight, reserve exactly what is left at the confirmed price."""
        order = self.orders[order_id]
        if order.pending == 0:
            self._reserve(order_id, order.leaves, order.price)

    def apply(self, outcome: Outcome) -> None:
        """Take in one outcome of matching; those that are not named here do nothing."""
        if outcome.flags & OutcomeFlag.RISK:
            return
        if outcome.type == OutcomeType.FILLED:
            self.instruments[outcome.instrument].last_price = outcome.price_ticks
        order = self.orders.get(outcome.order_id)
        if order is None:
            return
        match outcome.type:
            case OutcomeType.FILLED:
                self._fill(outcome, order)
            case OutcomeType.CANCELLED | OutcomeType.EXPIRED:
                self._release(outcome.order_id)
            case OutcomeType.REJECTED if outcome.flags & OutcomeFlag.NEW:
                self._release(outcome.order_id)
            case OutcomeType.ACCEPTED if outcome.flags & OutcomeFlag.REPRICED:
                order.price = outcome.price_ticks
                self._settle(outcome.order_id)
            case OutcomeType.REPLACED:
                order.leaves, order.price = outcome.leaves_lots, outcome.price_ticks or order.price
                if outcome.kind == Kind.REPLACE and not outcome.flags & OutcomeFlag.UNSOLICITED:
                    order.pending -= 1
                self._settle(outcome.order_id)
            case OutcomeType.REJECTED if outcome.kind == Kind.REPLACE:
                order.pending -= 1
                self._settle(outcome.order_id)

    def _fill(self, outcome: Outcome, order: RiskOrder) -> None:
        qty = outcome.qty_lots
        account = self.accounts[order.account]
        row = self.positions[order.account, order.instrument]
        money = outcome.price_ticks * self.instruments[order.instrument].tick_value * qty
        order.leaves -= qty
        order.cum += qty
        self._reserve(outcome.order_id, order.res_lots - qty, order.res_price)
        if order.side == Side.BUY:
            row.position += qty
            cash = account.cash - money
        else:
            row.position -= qty
            cash = account.cash + money
        account.cash = max(-MAX_CASH, min(MAX_CASH, cash))
        if outcome.leaves_lots == 0:
            self._release(outcome.order_id)
