"""A desk that drives any core through a scenario: short calls in, outcomes, books and rows out.

Anything with ``process(command) -> list[Outcome]`` and the dumps is a core: the twin, and the compiled
core behind :mod:`tests.twin.compiled`. The desk numbers the commands, stamps time and feedback (by default
risk has seen everything before; ``seen=`` lags), and remembers which ClOrdID opened which order, so that books
can be drawn with names instead of sequences.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from protocols.codes import (
    FLAG_STP_SHIFT,
    BandMode,
    CommandFlag,
    KillLevel,
    Kind,
    Limit,
    OrdType,
    OutcomeFlag,
    OutcomeType,
    Reason,
    SelfTradeMode,
    Side,
    Switch,
    Tif,
    TradingState,
)
from protocols.text import pack_text
from tests.twin.book import STOP_BUY, STOP_SELL, WAITING_BUY, WAITING_SELL
from tests.twin.controls import Controls
from tests.twin.records import Command, Outcome, Text, make_command
from tests.twin.view import AccountRow, BookRow, PositionRow, draw_book, line

USD = pack_text("USD")[0]
EUR = pack_text("EUR")[0]
AMPLE = 2**60
BUY, SELL = Side.BUY, Side.SELL
ANSWER = OutcomeFlag.ANSWER
BY_RISK = ANSWER | OutcomeFlag.RISK
NOT_TAKEN = ANSWER | OutcomeFlag.NEW  # a new order that matching rejected

CAPACITIES = {
    "max_orders": 8,
    "max_levels": 6,
    "max_accounts": 4,
    "max_instruments": 4,
    "max_positions": 6,
    "max_cl_ord_ids": 32,
    "max_sessions": 3,
    "max_specials": 6,
}


class AnyCore(Protocol):
    """What a scenario needs of a core."""

    def process(self, command: Command) -> list[Outcome]:
        """Carry out one command; return its outcomes."""

    def dump_books(self) -> list[BookRow]:
        """Return all open orders."""

    def dump_last_prices(self) -> dict[int, int]:
        """Return the last trade price of each instrument that has one."""

    def dump_markets(self) -> dict[int, tuple[int, int, int, int]]:
        """Return (state, group, static reference, end of the volatility auction) of each known instrument."""

    def dump_schedules(self) -> list[tuple[int, int, int, int, int]]:
        """Return (place, group, state, when it is due, period) of each schedule row."""

    def dump_positions(self) -> list[PositionRow]:
        """Return all position rows."""

    def dump_accounts(self) -> list[AccountRow]:
        """Return all accounts."""

    def dump_controls(self) -> Controls:
        """Return all that risk controls remember."""


def venue_command(capacities: dict[str, int]) -> Command:
    """Return the command that opens a journal: the capacities of the core."""
    return make_command(
        Kind.VENUE,
        qty_lots=capacities["max_orders"],
        order_id=capacities["max_cl_ord_ids"],
        aux0=capacities["max_positions"],
        aux1=capacities["max_levels"],
        account=capacities["max_accounts"],
        instrument=capacities["max_instruments"],
        price_ticks=capacities["max_sessions"],
        orig0=capacities.get("max_specials", 1 << 16),
    )


def stp(group: int, mode: int = SelfTradeMode.NEWEST) -> dict[str, int]:
    """Return the fields of an order's self-trade group."""
    return {"orig2": group, "flags": mode << FLAG_STP_SHIFT}


class Desk:
    """Sends commands to a core and keeps what came back."""

    def __init__(self, core: AnyCore, capacities: dict[str, int] | None = None) -> None:
        self.core = core
        self.seq = 0
        self.seen = 0
        self.session = 1
        self.late_ns = 0
        self.ids: dict[str, int] = {}
        self.history: list[Outcome] = []
        self.send(venue_command(capacities or CAPACITIES))

    def send(self, command: Command, seen: int | None = None) -> list[Outcome]:
        """Send a command as the next input; risk has seen all before it unless ``seen`` says otherwise."""
        self.seq += 1
        self.seen = max(self.seen, self.seq - 1 if seen is None else seen)
        command.seq, command.time_ns, command.seen_seq = self.seq, self.time_of(self.seq), self.seen
        outcomes = self.core.process(command)
        self.history += outcomes
        return outcomes

    def time_of(self, seq: int) -> int:
        """Return the time at which an input is stamped."""
        return 1000 + 7 * seq + self.late_ns

    def wait(self, ns: int) -> None:
        """Let time pass before the next command."""
        self.late_ns += ns

    # Administration

    def open_session(
        self, name: str | Text = "GW1", *, cancel_on_close: bool = False, **fields: Any
    ) -> list[Outcome]:
        """Open a session by name."""
        flags = CommandFlag.CANCEL_ON_CLOSE if cancel_on_close else 0
        return self.send(make_command(Kind.SESSION_OPEN, cl=name, orig0=7, flags=flags, **fields))

    def close_session(self, session: int) -> list[Outcome]:
        """Close a session by id."""
        return self.send(make_command(Kind.SESSION_CLOSE, session=session))

    def instrument(
        self,
        instrument: int = 1,
        symbol: str = "ACME",
        *,
        tick_e8: int = 1,
        lot_e8: int = 1,
        tick_value: int = 1,
        low: int = 0,
        high: int = 0,
        protection: int = 0,
        currency: int = USD,
        **fields: int,
    ) -> list[Outcome]:
        """Define an instrument, or its band and protection anew: group ``account``, ``ord_type``, table ``orig1``."""
        return self.send(
            make_command(
                Kind.INSTRUMENT,
                cl=symbol,
                instrument=instrument,
                price_ticks=tick_e8,
                qty_lots=lot_e8,
                aux0=tick_value,
                order_id=low,
                aux1=high,
                orig0=protection,
                orig2=currency,
                **fields,
            )
        )

    def account(
        self, account: int = 1, name: str = "ALICE", *, currency: int = USD, firm: int = 0
    ) -> list[Outcome]:
        """Define an account, of which no limit is set."""
        return self.send(
            make_command(Kind.ACCOUNT, account=account, cl=name, orig2=currency, instrument=firm)
        )

    def limit(self, which: int, value: int, account: int = 1) -> list[Outcome]:
        """Set one limit of an account."""
        return self.send(make_command(Kind.LIMIT, account=account, ord_type=which, qty_lots=value))

    def limits(self, value: int = AMPLE, account: int = 1) -> None:
        """Set all limits of an account to one value."""
        for which in Limit:
            self.limit(which, value, account)

    def kill(self, account: int = 1, side: int = 1) -> list[Outcome]:
        """Engage (side 1) or release (2) KILLED of an account."""
        whom = {"tif": KillLevel.ACCOUNT, "account": account}
        return self.send(make_command(Kind.KILL, side=side, ord_type=Switch.KILLED, **whom))

    def tick(self) -> list[Outcome]:
        """Let risk see everything; nothing else happens."""
        return self.send(make_command(Kind.TICK))

    def state(self, to: int, instrument: int = 1, **fields: int) -> list[Outcome]:
        """Let an instrument enter a state, or with instrument 0 those of the group ``account``."""
        return self.send(make_command(Kind.STATE, instrument=instrument, ord_type=to, **fields))

    def schedule(
        self, to: int, at_ns: int, *, period_ns: int = 0, group: int = 0, **fields: int
    ) -> list[Outcome]:
        """Add a schedule row."""
        values = {"side": 1, **fields}
        return self.send(
            make_command(Kind.SCHEDULE, ord_type=to, aux1=at_ns, aux0=period_ns, account=group, **values)
        )

    def clear_schedule(self, group: int = 0, **fields: int) -> list[Outcome]:
        """Remove the schedule rows of a group."""
        return self.send(make_command(Kind.SCHEDULE, side=2, account=group, **fields))

    def bands(
        self,
        mode: int = BandMode.REJECT,
        *,
        static: int = 0,
        dynamic: int = 0,
        reference: int = 0,
        lasts_ns: int = 0,
        interval_ns: int = 0,
        instrument: int = 1,
    ) -> list[Outcome]:
        """Set the bands of an instrument, how long a volatility auction lasts, how near indications come."""
        return self.send(
            make_command(
                Kind.BANDS,
                instrument=instrument,
                ord_type=mode,
                order_id=static,
                orig0=dynamic,
                price_ticks=reference,
                aux0=lasts_ns,
                qty_lots=interval_ns,
            )
        )

    def tick_row(self, start: int, step: int, table: int = 1) -> list[Outcome]:
        """Add a row to a tick table."""
        return self.send(
            make_command(Kind.TICK_TABLE, side=1, account=table, price_ticks=start, qty_lots=step)
        )

    def empty_tick_table(self, table: int = 1) -> list[Outcome]:
        """Empty a tick table."""
        return self.send(make_command(Kind.TICK_TABLE, side=2, account=table))

    # Orders

    def new(
        self,
        side: int,
        qty: int,
        at: int,
        cl: str = "",
        *,
        seen: int | None = None,
        orig: str = "",
        **fields: int,
    ) -> list[Outcome]:
        """Send a NEW: a GTC limit order of account 1 in instrument 1 unless fields say otherwise."""
        values: dict[str, Any] = {
            "session": self.session,
            "account": 1,
            "instrument": 1,
            "ord_type": OrdType.LIMIT,
            "tif": Tif.GTC,
        }
        values.update(fields)
        self.ids.setdefault(cl, self.seq + 1)
        command = make_command(Kind.NEW, side=side, qty_lots=qty, price_ticks=at, cl=cl, orig=orig, **values)
        return self.send(command, seen)

    def buy(self, qty: int, at: int, cl: str = "A", **fields: Any) -> list[Outcome]:
        """Send a buying NEW."""
        return self.new(Side.BUY, qty, at, cl, **fields)

    def sell(self, qty: int, at: int, cl: str = "B", **fields: Any) -> list[Outcome]:
        """Send a selling NEW."""
        return self.new(Side.SELL, qty, at, cl, **fields)

    def market(self, side: int, qty: int, cl: str, *, tif: int = Tif.IOC, **fields: Any) -> list[Outcome]:
        """Send a market order."""
        return self.new(side, qty, fields.pop("at", 0), cl, ord_type=OrdType.MARKET, tif=tif, **fields)

    def stop(
        self, side: int, qty: int, stop: int, cl: str, *, limit: int = 0, trail: int = 0, **fields: Any
    ) -> list[Outcome]:
        """Send a STOP, with a limit a STOP_LIMIT, with a distance to trail at a TRAILING_STOP."""
        ord_type = OrdType.STOP_LIMIT if limit else OrdType.TRAILING_STOP if trail else OrdType.STOP
        return self.new(side, qty, limit, cl, ord_type=ord_type, aux0=trail or stop, **fields)

    def at_open(self, side: int, qty: int, at: int, cl: str, **fields: Any) -> list[Outcome]:
        """Send an order for the opening auction: a MARKET order if the price is 0."""
        ord_type = OrdType.LIMIT if at else OrdType.MARKET
        return self.new(side, qty, at, cl, ord_type=ord_type, tif=Tif.OPEN, **fields)

    def at_close(self, side: int, qty: int, at: int, cl: str, **fields: Any) -> list[Outcome]:
        """Send an order for the closing auction: a MARKET order if the price is 0."""
        ord_type = OrdType.LIMIT if at else OrdType.MARKET
        return self.new(side, qty, at, cl, ord_type=ord_type, tif=Tif.CLOSE, **fields)

    def until(self, side: int, qty: int, at: int, cl: str, *, expiry: int, **fields: Any) -> list[Outcome]:
        """Send a GTD order that expires at a time."""
        return self.new(side, qty, at, cl, tif=Tif.GTD, aux1=expiry, **fields)

    def iceberg(self, side: int, qty: int, at: int, cl: str, *, display: int, **fields: Any) -> list[Outcome]:
        """Send an order that shows a part of its lots."""
        return self.new(side, qty, at, cl, order_id=display, **fields)

    def trade(self, at: int, qty: int = 1) -> None:
        """Set the last trade price: account 2 buys from itself between the best prices, or better ones rest."""
        self.sell(qty, at=at, cl=f"TS{self.seq}", account=2)
        self.buy(qty, at=at, cl=f"TB{self.seq}", account=2)

    def directed(self, side: int, qty: int, at: int, cl: str, **fields: Any) -> list[Outcome]:
        """Send a directed order; its target is ``order_id`` or ``orig``."""
        return self.new(
            side, qty, at, cl, ord_type=OrdType.DIRECTED, tif=fields.pop("tif", Tif.IOC), **fields
        )

    def cancel(
        self, orig: str = "", cl: str = "X", *, seen: int | None = None, **fields: int
    ) -> list[Outcome]:
        """Cancel an order by OrigClOrdID, or by ``order_id``."""
        values = {"session": self.session, **fields}
        return self.send(make_command(Kind.CANCEL, orig=orig, cl=cl, **values), seen)

    def reduce(
        self, orig: str, qty: int, cl: str = "X", *, seen: int | None = None, **fields: int
    ) -> list[Outcome]:
        """Take lots off an order."""
        values = {"session": self.session, **fields}
        return self.send(make_command(Kind.REDUCE, orig=orig, qty_lots=qty, cl=cl, **values), seen)

    def replace(
        self, orig: str, cl: str, qty: int, at: int, *, seen: int | None = None, **fields: int
    ) -> list[Outcome]:
        """Replace an order: ``qty`` is its new total, executed lots included."""
        values = {"session": self.session, **fields}
        command = make_command(Kind.REPLACE, orig=orig, cl=cl, qty_lots=qty, price_ticks=at, **values)
        return self.send(command, seen)

    def status(self, orig: str = "", cl: str = "X", **fields: Any) -> list[Outcome]:
        """Ask how an order stands."""
        return self.send(make_command(Kind.STATUS, orig=orig, cl=cl, **{"session": self.session, **fields}))

    def mass_cancel(self, cl: str = "M", **fields: Any) -> list[Outcome]:
        """Cancel all orders of the session that the fields name."""
        return self.send(make_command(Kind.MASS_CANCEL, cl=cl, **{"session": self.session, **fields}))

    # What came of it

    def book(self, instrument: int = 1) -> str:
        """Draw the sides of a book that trade, orders named by their first ClOrdID."""
        names = {order_id: name for name, order_id in self.ids.items()}
        return draw_book(self.core.dump_books(), instrument, names)

    def stops(self, instrument: int = 1) -> str:
        """Draw the stop orders of a book by their stop prices."""
        names = {order_id: name for name, order_id in self.ids.items()}
        return draw_book(self.core.dump_books(), instrument, names, (STOP_BUY, STOP_SELL))

    def waiting(self, instrument: int = 1) -> str:
        """Draw the orders that wait for the closing auction."""
        names = {order_id: name for name, order_id in self.ids.items()}
        return draw_book(self.core.dump_books(), instrument, names, (WAITING_BUY, WAITING_SELL))

    def market_state(self, instrument: int = 1) -> TradingState:
        """Return the trading state of an instrument."""
        return TradingState(self.core.dump_markets()[instrument][0])

    def position(self, account: int = 1, instrument: int = 1) -> PositionRow:
        """Return one position row as risk has it; zeros where there is none."""
        rows = {row[:2]: row for row in self.core.dump_positions()}
        return rows.get((account, instrument), PositionRow(account, instrument, 0, 0, 0))

    def money(self, account: int = 1) -> AccountRow:
        """Return one account row as risk has it."""
        return next(row for row in self.core.dump_accounts() if row.account == account)


MakeDesk = Callable[..., Desk]


def open_desk(core: AnyCore, capacities: dict[str, int] | None = None) -> Desk:
    """Return a desk with one instrument, ample accounts 1 and 2, and session 1 open."""
    desk = Desk(core, capacities)
    desk.instrument()
    for account, name in ((1, "ALICE"), (2, "BOB")):
        desk.account(account, name)
        desk.limits(AMPLE, account)
    desk.open_session()
    return desk


def reason(outcomes: list[Outcome]) -> Reason:
    """Return the reason of the one rejection, or NONE where the command was accepted."""
    rejected = [outcome for outcome in outcomes if outcome.type == OutcomeType.REJECTED]
    assert len(rejected) <= 1, f"expected at most one rejection, was {len(rejected)}"
    assert not rejected or len(outcomes) == 1, f"expected nothing beside a rejection, was {outcomes}"
    return Reason(rejected[0].reason) if rejected else Reason.NONE


def lines(outcomes: list[Outcome]) -> list[str]:
    """Show outcomes as lines."""
    return [line(outcome) for outcome in outcomes]
