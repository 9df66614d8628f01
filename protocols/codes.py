"""The codes of commands and outcomes: integer constants for kernels, enums with the same values for Python.

Zero is always "none". The numbers are part of the journal format: never renumber, only append.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import Final

# Command kinds. 1 to 9 come from clients, 16 and above administer the venue.
KIND_NEW: Final = 1
KIND_CANCEL: Final = 2
KIND_REPLACE: Final = 3
KIND_REDUCE: Final = 4
KIND_MASS_CANCEL: Final = 5
KIND_STATUS: Final = 6
KIND_BOOK_REQUEST: Final = 7
KIND_SESSION_OPEN: Final = 16
KIND_SESSION_CLOSE: Final = 17
KIND_INSTRUMENT: Final = 18
KIND_ACCOUNT: Final = 19
KIND_LIMIT: Final = 20
KIND_KILL: Final = 21
KIND_VENUE: Final = 22
KIND_CHECKPOINT: Final = 23
KIND_TICK: Final = 24
KIND_STATE: Final = 25
KIND_SCHEDULE: Final = 26
KIND_BANDS: Final = 27
KIND_TICK_TABLE: Final = 28
KIND_INVALID: Final = 31


class Kind(IntEnum):
    """What a command asks for."""

    NEW = KIND_NEW
    CANCEL = KIND_CANCEL
    REPLACE = KIND_REPLACE
    REDUCE = KIND_REDUCE
    MASS_CANCEL = KIND_MASS_CANCEL
    STATUS = KIND_STATUS
    BOOK_REQUEST = KIND_BOOK_REQUEST
    SESSION_OPEN = KIND_SESSION_OPEN
    SESSION_CLOSE = KIND_SESSION_CLOSE
    INSTRUMENT = KIND_INSTRUMENT
    ACCOUNT = KIND_ACCOUNT
    LIMIT = KIND_LIMIT
    KILL = KIND_KILL
    VENUE = KIND_VENUE
    CHECKPOINT = KIND_CHECKPOINT
    TICK = KIND_TICK
    STATE = KIND_STATE
    SCHEDULE = KIND_SCHEDULE
    BANDS = KIND_BANDS
    TICK_TABLE = KIND_TICK_TABLE
    INVALID = KIND_INVALID


SIDE_BUY: Final = 1
SIDE_SELL: Final = 2


class Side(IntEnum):
    """FIX tag 54."""

    BUY = SIDE_BUY
    SELL = SIDE_SELL


TYPE_MARKET: Final = 1
TYPE_LIMIT: Final = 2
TYPE_STOP: Final = 3
TYPE_STOP_LIMIT: Final = 4
TYPE_TRAILING_STOP: Final = 5
TYPE_DIRECTED: Final = 16


class OrdType(IntEnum):
    """FIX tag 40, where TRAILING_STOP is P with a peg; DIRECTED trades with one named order only (feed replay)."""

    MARKET = TYPE_MARKET
    LIMIT = TYPE_LIMIT
    STOP = TYPE_STOP
    STOP_LIMIT = TYPE_STOP_LIMIT
    TRAILING_STOP = TYPE_TRAILING_STOP
    DIRECTED = TYPE_DIRECTED


TIF_GTC: Final = 1
TIF_DAY: Final = 2
TIF_IOC: Final = 3
TIF_FOK: Final = 4
TIF_GTD: Final = 5
TIF_OPEN: Final = 6
TIF_CLOSE: Final = 7


class Tif(IntEnum):
    """Time in force, FIX tag 59 (where day is 0, at the opening 2, GTD 6).

    OPEN and CLOSE take part in the opening and in the closing auction only.
    """

    GTC = TIF_GTC
    DAY = TIF_DAY
    IOC = TIF_IOC
    FOK = TIF_FOK
    GTD = TIF_GTD
    OPEN = TIF_OPEN
    CLOSE = TIF_CLOSE


STATE_CONTINUOUS: Final = 1
STATE_PRE_OPEN: Final = 2
STATE_OPENING_AUCTION: Final = 3
STATE_VOLATILITY_AUCTION: Final = 4
STATE_CLOSING_AUCTION: Final = 5
STATE_HALT: Final = 6
STATE_CLOSED: Final = 7
STATE_COUNT: Final = 8


class TradingState(IntEnum):
    """What an instrument lets its orders do; 2 to 5 are the call states, 3 to 5 the auctions."""

    CONTINUOUS = STATE_CONTINUOUS
    PRE_OPEN = STATE_PRE_OPEN
    OPENING_AUCTION = STATE_OPENING_AUCTION
    VOLATILITY_AUCTION = STATE_VOLATILITY_AUCTION
    CLOSING_AUCTION = STATE_CLOSING_AUCTION
    HALT = STATE_HALT
    CLOSED = STATE_CLOSED


BANDS_REJECT: Final = 1
BANDS_HALT: Final = 2


class BandMode(IntEnum):
    """What happens to an order that would trade beyond a price band."""

    NONE = 0
    REJECT = BANDS_REJECT
    HALT = BANDS_HALT


FLAG_OFF_TICK: Final = 1
FLAG_OFF_LOT: Final = 2
FLAG_BOOK_ONLY: Final = 4
FLAG_FINAL: Final = 8
FLAG_POST_ONLY: Final = 16
FLAG_POST_REPRICE: Final = 32
FLAG_STP_SHIFT: Final = 6  # bits 6 to 8: the self-trade mode
FLAG_STP_MASK: Final = 7
FLAG_CANCEL_ON_CLOSE: Final = 512
FLAG_MARKET_DATA: Final = 1024


class CommandFlag(IntFlag):
    """Bits of a command's ``flags``.

    OFF_TICK and OFF_LOT say that the client's price or quantity is no whole number of ticks or lots (the
    slot then holds it truncated); BOOK_ONLY rests an order without matching it (feed replay); FINAL marks
    the checkpoint of a clean stop. POST_ONLY and POST_REPRICE: the order adds liquidity or is rejected, or
    repriced. CANCEL_ON_CLOSE, of a SESSION_OPEN: the session's orders end with it. MARKET_DATA, of an INSTRUMENT: its
    book is told change by change. Bits 6 to 8 of a NEW hold
    the :class:`SelfTradeMode`.
    """

    OFF_TICK = FLAG_OFF_TICK
    OFF_LOT = FLAG_OFF_LOT
    BOOK_ONLY = FLAG_BOOK_ONLY
    FINAL = FLAG_FINAL
    POST_ONLY = FLAG_POST_ONLY
    POST_REPRICE = FLAG_POST_REPRICE
    CANCEL_ON_CLOSE = FLAG_CANCEL_ON_CLOSE
    MARKET_DATA = FLAG_MARKET_DATA


STP_NONE: Final = 0
STP_NEWEST: Final = 1
STP_OLDEST: Final = 2
STP_BOTH: Final = 3
STP_DECREMENT: Final = 4


class SelfTradeMode(IntEnum):
    """Which of two orders of one self-trade group ends when they would trade."""

    NONE = STP_NONE
    NEWEST = STP_NEWEST
    OLDEST = STP_OLDEST
    BOTH = STP_BOTH
    DECREMENT = STP_DECREMENT


OUT_ACCEPTED: Final = 1
OUT_REJECTED: Final = 2
OUT_FILLED: Final = 3
OUT_CANCELLED: Final = 4
OUT_REPLACED: Final = 5
OUT_EXPIRED: Final = 6
OUT_TRIGGERED: Final = 7
OUT_STATUS: Final = 8
OUT_MASS_CANCELLED: Final = 9
OUT_STATE_CHANGED: Final = 10
OUT_UNCROSSED: Final = 11
OUT_INDICATION: Final = 12
OUT_BOOK: Final = 13
OUT_COUNT: Final = 14


class OutcomeType(IntEnum):
    """What happened to an order, or from STATE_CHANGED on to an instrument, for everybody to know."""

    ACCEPTED = OUT_ACCEPTED
    REJECTED = OUT_REJECTED
    FILLED = OUT_FILLED
    CANCELLED = OUT_CANCELLED
    REPLACED = OUT_REPLACED
    EXPIRED = OUT_EXPIRED
    TRIGGERED = OUT_TRIGGERED
    STATUS = OUT_STATUS
    MASS_CANCELLED = OUT_MASS_CANCELLED
    STATE_CHANGED = OUT_STATE_CHANGED
    UNCROSSED = OUT_UNCROSSED
    INDICATION = OUT_INDICATION
    BOOK = OUT_BOOK


BOOK_ADD: Final = 1
BOOK_EXECUTE: Final = 2
BOOK_REDUCE: Final = 3
BOOK_DELETE: Final = 4
BOOK_REPLACE: Final = 5


class BookAction(IntEnum):
    """What a BOOK outcome tells of an order in the book; stands in ``reason``."""

    ADD = BOOK_ADD
    EXECUTE = BOOK_EXECUTE
    REDUCE = BOOK_REDUCE
    DELETE = BOOK_DELETE
    REPLACE = BOOK_REPLACE


BOOKFLAG_TOP: Final = 1
BOOKFLAG_SNAPSHOT: Final = 2
BOOKFLAG_HIDDEN: Final = 4


class BookFlag(IntFlag):
    """Bits of the ``flags`` of a BOOK outcome: the best level is concerned; told on request; no shown lots."""

    TOP = BOOKFLAG_TOP
    SNAPSHOT = BOOKFLAG_SNAPSHOT
    HIDDEN = BOOKFLAG_HIDDEN


OUTFLAG_TAKER: Final = 1
OUTFLAG_MAKER: Final = 2
OUTFLAG_NEW: Final = 4
OUTFLAG_RISK: Final = 8
OUTFLAG_UNSOLICITED: Final = 16
OUTFLAG_REPRICED: Final = 32
OUTFLAG_ANSWER: Final = 64
OUTFLAG_AUCTION: Final = 128


class OutcomeFlag(IntFlag):
    """Bits of an outcome's ``flags``.

    TAKER and MAKER tell the liquidity of a fill; NEW marks the rejection of a new order; RISK a rejection
    that risk decided (nothing was reserved for it); UNSOLICITED what happened to an order that its owner did
    not ask for with this command; REPRICED an acceptance at another price than asked for; ANSWER marks the one
    outcome of a command that answers it; AUCTION a fill of an uncross, which has neither taker nor maker.
    """

    TAKER = OUTFLAG_TAKER
    MAKER = OUTFLAG_MAKER
    NEW = OUTFLAG_NEW
    RISK = OUTFLAG_RISK
    UNSOLICITED = OUTFLAG_UNSOLICITED
    REPRICED = OUTFLAG_REPRICED
    ANSWER = OUTFLAG_ANSWER
    AUCTION = OUTFLAG_AUCTION


LIMIT_MAX_ORDER_QTY: Final = 1
LIMIT_MAX_ORDER_NOTIONAL: Final = 2
LIMIT_MAX_OPEN_ORDERS: Final = 3
LIMIT_MAX_LONG: Final = 4
LIMIT_MAX_SHORT: Final = 5
LIMIT_CREDIT: Final = 6
LIMIT_COUNT: Final = 7


class Limit(IntEnum):
    """Limits of an account; carried by a LIMIT command in ``ord_type``, its value in ``qty_lots``.

    Quantities and positions in lots, money in millionths of the currency unit.
    """

    MAX_ORDER_QTY = LIMIT_MAX_ORDER_QTY
    MAX_ORDER_NOTIONAL = LIMIT_MAX_ORDER_NOTIONAL
    MAX_OPEN_ORDERS = LIMIT_MAX_OPEN_ORDERS
    MAX_LONG = LIMIT_MAX_LONG
    MAX_SHORT = LIMIT_MAX_SHORT
    CREDIT = LIMIT_CREDIT


# Reasons of rejections, cancellations and expiries.
REASON_NONE: Final = 0
REASON_INVALID_COMMAND: Final = 1
REASON_UNKNOWN_SESSION: Final = 2
REASON_DUPLICATE_CL_ORD_ID: Final = 3
REASON_UNKNOWN_INSTRUMENT: Final = 4
REASON_UNKNOWN_ACCOUNT: Final = 5
REASON_ACCOUNT_KILLED: Final = 6
REASON_INVALID_SIDE: Final = 7
REASON_UNSUPPORTED_ORDER_TYPE: Final = 8
REASON_UNSUPPORTED_TIF: Final = 9
REASON_INVALID_QTY: Final = 10
REASON_QTY_NOT_ON_LOT: Final = 11
REASON_INVALID_PRICE: Final = 12
REASON_PRICE_NOT_ON_TICK: Final = 13
REASON_PRICE_OUT_OF_BAND: Final = 14
REASON_NO_REFERENCE_PRICE: Final = 15
REASON_CURRENCY_MISMATCH: Final = 16
REASON_MAX_ORDER_QTY: Final = 17
REASON_MAX_ORDER_NOTIONAL: Final = 18
REASON_MAX_OPEN_ORDERS: Final = 19
REASON_POSITION_LIMIT: Final = 20
REASON_CREDIT_LIMIT: Final = 21
REASON_UNKNOWN_ORDER: Final = 22
REASON_TOO_LATE: Final = 23
REASON_QTY_BELOW_EXECUTED: Final = 24
REASON_ORDER_MISMATCH: Final = 25
REASON_NO_ROOM: Final = 26
REASON_IOC_REMAINDER: Final = 27
REASON_FOK_NOT_FILLABLE: Final = 28
REASON_NO_LIQUIDITY: Final = 29
REASON_CLIENT_REQUEST: Final = 30
REASON_MISSING_CL_ORD_ID: Final = 31
REASON_POST_ONLY_WOULD_TRADE: Final = 32
REASON_MIN_QTY_NOT_MET: Final = 33
REASON_SELF_TRADE: Final = 34
REASON_PRICE_PROTECTION: Final = 35
REASON_GTD_EXPIRED: Final = 36
REASON_MASS_CANCEL: Final = 37
REASON_DISCONNECTED: Final = 38
REASON_INVALID_STOP_PRICE: Final = 39
REASON_INVALID_DISPLAY_QTY: Final = 40
REASON_INVALID_MIN_QTY: Final = 41
REASON_INVALID_EXPIRE_TIME: Final = 42
REASON_INVALID_SELF_TRADE_GROUP: Final = 43
REASON_TRADING_HALTED: Final = 44
REASON_MARKET_CLOSED: Final = 45
REASON_WRONG_TRADING_STATE: Final = 46
REASON_AUCTION_REMAINDER: Final = 47
REASON_DAY_ENDED: Final = 48
REASON_COUNT: Final = 49


class Reason(IntEnum):
    """Why a command was rejected or an order ended."""

    NONE = REASON_NONE
    INVALID_COMMAND = REASON_INVALID_COMMAND
    UNKNOWN_SESSION = REASON_UNKNOWN_SESSION
    DUPLICATE_CL_ORD_ID = REASON_DUPLICATE_CL_ORD_ID
    UNKNOWN_INSTRUMENT = REASON_UNKNOWN_INSTRUMENT
    UNKNOWN_ACCOUNT = REASON_UNKNOWN_ACCOUNT
    ACCOUNT_KILLED = REASON_ACCOUNT_KILLED
    INVALID_SIDE = REASON_INVALID_SIDE
    UNSUPPORTED_ORDER_TYPE = REASON_UNSUPPORTED_ORDER_TYPE
    UNSUPPORTED_TIF = REASON_UNSUPPORTED_TIF
    INVALID_QTY = REASON_INVALID_QTY
    QTY_NOT_ON_LOT = REASON_QTY_NOT_ON_LOT
    INVALID_PRICE = REASON_INVALID_PRICE
    PRICE_NOT_ON_TICK = REASON_PRICE_NOT_ON_TICK
    PRICE_OUT_OF_BAND = REASON_PRICE_OUT_OF_BAND
    NO_REFERENCE_PRICE = REASON_NO_REFERENCE_PRICE
    CURRENCY_MISMATCH = REASON_CURRENCY_MISMATCH
    MAX_ORDER_QTY = REASON_MAX_ORDER_QTY
    MAX_ORDER_NOTIONAL = REASON_MAX_ORDER_NOTIONAL
    MAX_OPEN_ORDERS = REASON_MAX_OPEN_ORDERS
    POSITION_LIMIT = REASON_POSITION_LIMIT
    CREDIT_LIMIT = REASON_CREDIT_LIMIT
    UNKNOWN_ORDER = REASON_UNKNOWN_ORDER
    TOO_LATE = REASON_TOO_LATE
    QTY_BELOW_EXECUTED = REASON_QTY_BELOW_EXECUTED
    ORDER_MISMATCH = REASON_ORDER_MISMATCH
    NO_ROOM = REASON_NO_ROOM
    IOC_REMAINDER = REASON_IOC_REMAINDER
    FOK_NOT_FILLABLE = REASON_FOK_NOT_FILLABLE
    NO_LIQUIDITY = REASON_NO_LIQUIDITY
    CLIENT_REQUEST = REASON_CLIENT_REQUEST
    MISSING_CL_ORD_ID = REASON_MISSING_CL_ORD_ID
    POST_ONLY_WOULD_TRADE = REASON_POST_ONLY_WOULD_TRADE
    MIN_QTY_NOT_MET = REASON_MIN_QTY_NOT_MET
    SELF_TRADE = REASON_SELF_TRADE
    PRICE_PROTECTION = REASON_PRICE_PROTECTION
    GTD_EXPIRED = REASON_GTD_EXPIRED
    MASS_CANCEL = REASON_MASS_CANCEL
    DISCONNECTED = REASON_DISCONNECTED
    INVALID_STOP_PRICE = REASON_INVALID_STOP_PRICE
    INVALID_DISPLAY_QTY = REASON_INVALID_DISPLAY_QTY
    INVALID_MIN_QTY = REASON_INVALID_MIN_QTY
    INVALID_EXPIRE_TIME = REASON_INVALID_EXPIRE_TIME
    INVALID_SELF_TRADE_GROUP = REASON_INVALID_SELF_TRADE_GROUP
    TRADING_HALTED = REASON_TRADING_HALTED
    MARKET_CLOSED = REASON_MARKET_CLOSED
    WRONG_TRADING_STATE = REASON_WRONG_TRADING_STATE
    AUCTION_REMAINDER = REASON_AUCTION_REMAINDER
    DAY_ENDED = REASON_DAY_ENDED


ENDING_REASONS: Final = frozenset(
    {
        Reason.IOC_REMAINDER,
        Reason.FOK_NOT_FILLABLE,
        Reason.NO_LIQUIDITY,
        Reason.CLIENT_REQUEST,
        Reason.MIN_QTY_NOT_MET,
        Reason.SELF_TRADE,
        Reason.PRICE_PROTECTION,
        Reason.GTD_EXPIRED,
        Reason.MASS_CANCEL,
        Reason.DISCONNECTED,
        Reason.AUCTION_REMAINDER,
        Reason.DAY_ENDED,
    }
)
"""Why an order ended that was accepted: counted among the reasons, but no rejections."""

MONEY_UNIT_PER_CURRENCY_UNIT: Final = 1_000_000
E8: Final = 100_000_000
