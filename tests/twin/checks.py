"""What a command itself must be like, naively: those checks of ``docs/rules.md`` that look at no account.

Each check is one :func:`require` line in the order of the rules; the first that fails raises with its reason.
"""

from __future__ import annotations

from protocols.codes import (
    FLAG_STP_MASK,
    FLAG_STP_SHIFT,
    BandMode,
    CommandFlag,
    OrdType,
    Reason,
    SelfTradeMode,
    Tif,
    TradingState,
)
from tests.twin.markets import HIGHEST_LIMIT, MAX_TICK_ROWS, MAX_TICK_TABLES, TickTable
from tests.twin.records import Command
from tests.twin.risk_state import Instrument

MAX_STOP_PRICE = 2**60
MAX_DISPLAYS = 64
MAX_AMOUNT = 2**60  # of BANDS, and of a period
MIN_PERIOD_NS = 10**9
MAX_STEP = 2**40
MAX_FROM = 2**62

STOP_TYPES = (OrdType.STOP, OrdType.STOP_LIMIT, OrdType.TRAILING_STOP)
PRICED_TYPES = (OrdType.LIMIT, OrdType.STOP_LIMIT, OrdType.DIRECTED)
RESTING_TIFS = (Tif.GTC, Tif.DAY, Tif.GTD)
AUCTION_TIFS = (Tif.OPEN, Tif.CLOSE)
AUCTION_TYPES = (OrdType.MARKET, OrdType.LIMIT)
POSTING_FLAGS = (CommandFlag.BOOK_ONLY, CommandFlag.POST_ONLY, CommandFlag.POST_REPRICE)


class Rejection(Exception):
    """The first check that failed."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.name)
        self.reason = reason


def require(condition: bool, reason: Reason) -> None:
    """Go on if the condition holds, else reject for this reason."""
    if not condition:
        raise Rejection(reason)


def check_terms(command: Command) -> None:
    """Check type, time in force, posting flags and self-trade group."""
    require(command.ord_type in set(OrdType), Reason.UNSUPPORTED_ORDER_TYPE)
    require(command.tif in set(Tif), Reason.UNSUPPORTED_TIF)
    require(command.ord_type not in STOP_TYPES or command.tif in RESTING_TIFS, Reason.UNSUPPORTED_TIF)
    require(command.tif not in AUCTION_TIFS or command.ord_type in AUCTION_TYPES, Reason.UNSUPPORTED_TIF)
    posting = [flag for flag in POSTING_FLAGS if command.flags & flag]
    require(len(posting) <= 1, Reason.UNSUPPORTED_ORDER_TYPE)
    if posting:
        require(command.ord_type == OrdType.LIMIT, Reason.UNSUPPORTED_ORDER_TYPE)
        require(command.tif in RESTING_TIFS, Reason.UNSUPPORTED_ORDER_TYPE)
    if command.ord_type != OrdType.DIRECTED:
        mode, group = command.flags >> FLAG_STP_SHIFT & FLAG_STP_MASK, command.orig2
        require(mode in set(SelfTradeMode), Reason.INVALID_SELF_TRADE_GROUP)
        require(group >= 0, Reason.INVALID_SELF_TRADE_GROUP)
        require((mode == 0) == (group == 0), Reason.INVALID_SELF_TRADE_GROUP)


def check_amounts(command: Command) -> None:
    """Check the amounts of special orders: display, minimum, expiry, stop price or distance."""
    ord_type, qty = command.ord_type, command.qty_lots
    display, minimum = command.order_id, command.orig0
    if display != 0:
        require(ord_type in (OrdType.LIMIT, OrdType.STOP_LIMIT), Reason.INVALID_DISPLAY_QTY)
        require(command.tif in RESTING_TIFS, Reason.INVALID_DISPLAY_QTY)
        require(0 < display <= qty <= MAX_DISPLAYS * display, Reason.INVALID_DISPLAY_QTY)
    if minimum != 0:
        posting = any(command.flags & flag for flag in POSTING_FLAGS)
        require(ord_type in (OrdType.MARKET, OrdType.LIMIT) and not posting, Reason.INVALID_MIN_QTY)
        require(command.tif not in AUCTION_TIFS, Reason.INVALID_MIN_QTY)
        require(0 < minimum <= qty, Reason.INVALID_MIN_QTY)
    if command.tif == Tif.GTD:
        require(command.aux1 > command.time_ns, Reason.INVALID_EXPIRE_TIME)
    if ord_type in STOP_TYPES:
        require(1 <= command.aux0 <= MAX_STOP_PRICE, Reason.INVALID_STOP_PRICE)


def check_qty(command: Command) -> None:
    """Check that a quantity is positive and on lot."""
    require(not command.flags & CommandFlag.OFF_LOT, Reason.QTY_NOT_ON_LOT)
    require(command.qty_lots > 0, Reason.INVALID_QTY)


def check_price(command: Command, instrument: Instrument, table: TickTable) -> None:
    """Check that a limit price is one that a limit may have, on tick and within the band."""
    require(not command.flags & CommandFlag.OFF_TICK, Reason.PRICE_NOT_ON_TICK)
    require(1 <= command.price_ticks <= HIGHEST_LIMIT, Reason.INVALID_PRICE)
    require(table.holds(command.price_ticks), Reason.PRICE_NOT_ON_TICK)
    require(instrument.low <= command.price_ticks, Reason.PRICE_OUT_OF_BAND)
    require(instrument.high == 0 or command.price_ticks <= instrument.high, Reason.PRICE_OUT_OF_BAND)


def check_stop_price(command: Command, ord_type: int, table: TickTable) -> None:
    """Check that a stop price, where there is one, is on the tick table; distances are free."""
    if ord_type in (OrdType.STOP, OrdType.STOP_LIMIT) and command.aux0 != 0:
        require(table.holds(command.aux0), Reason.PRICE_NOT_ON_TICK)


def check_schedule(command: Command) -> None:
    """Check a SCHEDULE: one that clears needs only its group."""
    require(command.side in (1, 2), Reason.INVALID_SIDE)
    require(command.account >= 0, Reason.INVALID_COMMAND)
    if command.side == 1:
        require(command.ord_type in set(TradingState), Reason.INVALID_COMMAND)
        period = command.aux0
        require(period == 0 or MIN_PERIOD_NS <= period <= MAX_AMOUNT, Reason.INVALID_COMMAND)
        require(command.aux1 > command.time_ns, Reason.INVALID_EXPIRE_TIME)


def check_bands(command: Command) -> None:
    """Check mode and amounts of BANDS."""
    require(command.ord_type in set(BandMode), Reason.INVALID_COMMAND)
    amounts = (command.order_id, command.orig0, command.price_ticks, command.aux0, command.qty_lots)
    require(all(0 <= amount <= MAX_AMOUNT for amount in amounts), Reason.INVALID_COMMAND)


def check_tick_row(command: Command, table: TickTable) -> None:
    """Check a row that is to follow the last one of a tick table; below the first row the step is 1."""
    start, step = command.price_ticks, command.qty_lots
    require(1 <= step <= MAX_STEP and 1 <= start <= MAX_FROM, Reason.INVALID_COMMAND)
    last_start, last_step = table.rows[-1] if table.rows else (0, 1)
    require(start > last_start, Reason.INVALID_COMMAND)
    require(start % step == 0 and start % last_step == 0, Reason.INVALID_COMMAND)
    require(len(table.rows) < MAX_TICK_ROWS, Reason.NO_ROOM)


def check_tick_table(command: Command) -> None:
    """Check side and number of a TICK_TABLE."""
    require(command.side in (1, 2), Reason.INVALID_SIDE)
    require(1 <= command.account <= MAX_TICK_TABLES, Reason.INVALID_COMMAND)
