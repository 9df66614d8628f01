"""What risk remembers, naively: dataclasses in dicts, as *State* of ``docs/rules.md`` and of ``docs/risk-controls.md``.

What can be summed is summed anew where it is asked for (a firm's cash and reservations), so that it cannot be wrong;
what is counted with an upper end (``traded``, ``fills``) is kept. Cash is exact.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from protocols.codes import (
    LIMIT_UNSET,
    Access,
    Limit,
    Side,
    Switch,
)
from tests.twin.arithmetic import MOST_CASH, kept_within, share_up
from tests.twin.markets import TickTable
from tests.twin.records import Text

ALL_TYPES = sum(1 << code for code in (1, 2, 3, 4, 5, 16))
ALL_TIFS = sum(1 << code for code in range(1, 8))
ALL_GROUPS = -1
RECENT_PLACES = 8
NO_SWITCH = Switch(0)
Limits = dict[Limit, int]


def no_limits() -> Limits:
    """Return limits of which none is set."""
    return dict.fromkeys(Limit, LIMIT_UNSET)


@dataclass
class Instrument:
    """One instrument; ``high``, ``last_price`` and references are 0 where there is none."""

    symbol: Text
    tick_e8: int
    lot_e8: int
    tick_value: int
    currency: int
    low: int
    high: int
    tick_table: int = 0
    group: int = 0
    partition: int = 0
    last_price: int = 0
    switches: Switch = NO_SWITCH
    restricted: bool = False  # short sales
    limits: Limits = field(default_factory=no_limits)
    adjusted: set[int] = field(default_factory=set)
    collar_unit: int = 0
    static_width: int = 0
    dynamic_width: int = 0
    static_reference: int = 0
    dynamic_reference: int = 0
    reference_ns: int = 0
    stale_ns: int = 0
    maker_rate: int = 0
    taker_rate: int = 0
    auction_rate: int = 0
    fee_account: int = 0

    def terms(self) -> tuple[object, ...]:
        """Return all that a second definition may not change."""
        return (self.symbol, self.tick_e8, self.lot_e8, self.tick_value, self.currency)


@dataclass
class Recent:
    """One of the orders that an account remembers, and how often it came since its window began."""

    terms: tuple[int, int, int, int]  # instrument, side, price, quantity
    start_ns: int
    count: int = 1


@dataclass
class Account:
    """One account: what it may do, and what its open orders and fills have done to it."""

    name: Text
    currency: int
    prefunded: bool = False
    firm: int = 0
    switches: Switch = NO_SWITCH
    limits: Limits = field(default_factory=no_limits)
    percents: Limits = field(default_factory=lambda: dict.fromkeys(Limit, 0))
    adjusted: set[int] = field(default_factory=set)
    warnings: int = 0
    types: int = ALL_TYPES
    tifs: int = ALL_TIFS
    groups: int = ALL_GROUPS
    short_exempt: bool = False
    open_orders: int = 0
    exact_cash: int = 0
    reserved_buy: int = 0
    reserved_sell: int = 0
    traded: int = 0
    messages: int = 0
    fills: int = 0
    day_equity: int = 0
    order_tat: int = 0
    cancel_tat: int = 0
    execution_start_ns: int = 0
    execution_count: int = 0
    recent: dict[int, Recent] = field(default_factory=dict)  # by place

    @property
    def cash(self) -> int:
        """Return cash as checks see it."""
        return kept_within(self.exact_cash, MOST_CASH)


@dataclass
class Firm:
    """One firm; cash and reservations are those of its accounts."""

    name: Text
    currency: int
    switches: Switch = NO_SWITCH
    limits: Limits = field(default_factory=no_limits)
    percents: Limits = field(default_factory=lambda: dict.fromkeys(Limit, 0))
    adjusted: set[int] = field(default_factory=set)
    warnings: int = 0
    traded: int = 0
    order_tat: int = 0


@dataclass
class Session:
    """One session by its id; it acts for all accounts, or for those that were granted."""

    name: Text
    is_open: bool = False
    switches: Switch = NO_SWITCH
    acts_for_all: bool = True
    granted: set[int] = field(default_factory=set)


@dataclass
class Position:
    """The position of an account in an instrument, and the lots that its open orders could add."""

    position: int = 0
    open_buy: int = 0
    open_sell: int = 0
    open_orders: int = 0
    mark: int = 0
    access: int = Access.BY_GROUP
    limits: Limits = field(default_factory=no_limits)
    adjusted: set[int] = field(default_factory=set)


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
    fee_cap: int = 0
    pending: int = 0


@dataclass
class RiskState:
    """All that decides verdicts."""

    max_orders: int
    max_accounts: int
    max_instruments: int
    max_positions: int
    max_cl_ord_ids: int
    max_sessions: int
    partitions: int = 1
    switches: Switch = NO_SWITCH
    day: int = 0
    day_ns: int = 0
    session_ids: dict[Text, int] = field(default_factory=dict)
    sessions: dict[int, Session] = field(default_factory=dict)
    instruments: dict[int, Instrument] = field(default_factory=dict)
    tick_tables: dict[int, TickTable] = field(default_factory=dict)
    accounts: dict[int, Account] = field(default_factory=dict)
    firms: dict[int, Firm] = field(default_factory=dict)
    positions: dict[tuple[int, int], Position] = field(
        default_factory=dict
    )  # in the order in which they were made
    cl_ord_ids: dict[tuple[int, Text], int] = field(default_factory=dict)
    orders: dict[int, RiskOrder] = field(default_factory=dict)

    def is_open(self, session: int) -> bool:
        """Tell whether a session is known and open."""
        return session in self.sessions and self.sessions[session].is_open

    def position(self, account: int, instrument: int) -> Position:
        """Return a position row, or what one is like that was not made."""
        return self.positions.get((account, instrument), Position())

    def has_room_for_position(self, account: int, instrument: int) -> bool:
        """Tell whether there is a position row, or room for one."""
        return (account, instrument) in self.positions or len(self.positions) < self.max_positions

    def make_position(self, account: int, instrument: int) -> Position:
        """Return a position row, made if there was none."""
        return self.positions.setdefault((account, instrument), Position())

    def accounts_of(self, firm: int) -> list[Account]:
        """Return the accounts of a firm."""
        return [account for account in self.accounts.values() if account.firm == firm]

    # Sums of a firm

    def firm_exact_cash(self, firm: int) -> int:
        """Return the cash of the accounts of a firm that have credit."""
        return sum(account.exact_cash for account in self.accounts_of(firm) if not account.prefunded)

    def firm_cash(self, firm: int) -> int:
        """Return the cash of a firm as checks see it."""
        return kept_within(self.firm_exact_cash(firm), MOST_CASH)

    def firm_credit_reserved(self, firm: int) -> int:
        """Return what the buys of the accounts of a firm that have credit reserve."""
        return sum(account.reserved_buy for account in self.accounts_of(firm) if not account.prefunded)

    def firm_reserved(self, firm: int) -> int:
        """Return what all orders of all accounts of a firm reserve."""
        return sum(account.reserved_buy + account.reserved_sell for account in self.accounts_of(firm))

    # Reservations

    def unit(self, instrument: int, side: int, price: int, fee_cap: int) -> int:
        """Return the money that an order reserves for each lot: of a buy with its fee."""
        money = price * self.instruments[instrument].tick_value
        return money + share_up(money, fee_cap) if side == Side.BUY else money

    def money_of(self, order: RiskOrder) -> int:
        """Return the money that an order reserves."""
        return order.res_lots * self.unit(order.instrument, order.side, order.res_price, order.fee_cap)

    def reserve(self, order: RiskOrder, lots: int, price: int, fee_cap: int) -> None:
        """Change what an order reserves; lots of its side and money of its account follow."""
        account = self.accounts[order.account]
        row = self.positions[order.account, order.instrument]
        lots_before, money_before = order.res_lots, self.money_of(order)
        order.res_lots, order.res_price, order.fee_cap = lots, price, fee_cap
        more_lots, more_money = lots - lots_before, self.money_of(order) - money_before
        if order.side == Side.BUY:
            row.open_buy += more_lots
            account.reserved_buy += more_money
        else:
            row.open_sell += more_lots
            account.reserved_sell += more_money
