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
KIND_SESSION_OPEN: Final = 16
KIND_SESSION_CLOSE: Final = 17
KIND_INSTRUMENT: Final = 18
KIND_ACCOUNT: Final = 19
KIND_LIMIT: Final = 20
KIND_KILL: Final = 21
KIND_VENUE: Final = 22
KIND_CHECKPOINT: Final = 23
KIND_TICK: Final = 24
KIND_INVALID: Final = 31


class Kind(IntEnum):
    """What a command asks for."""

    NEW = KIND_NEW
    CANCEL = KIND_CANCEL
    REPLACE = KIND_REPLACE
    REDUCE = KIND_REDUCE
    SESSION_OPEN = KIND_SESSION_OPEN
    SESSION_CLOSE = KIND_SESSION_CLOSE
    INSTRUMENT = KIND_INSTRUMENT
    ACCOUNT = KIND_ACCOUNT
    LIMIT = KIND_LIMIT
    KILL = KIND_KILL
    VENUE = KIND_VENUE
    CHECKPOINT = KIND_CHECKPOINT
    TICK = KIND_TICK
    INVALID = KIND_INVALID


SIDE_BUY: Final = 1
SIDE_SELL: Final = 2


class Side(IntEnum):
    """FIX tag 54."""

    BUY = SIDE_BUY
    SELL = SIDE_SELL


TYPE_MARKET: Final = 1
TYPE_LIMIT: Final = 2
TYPE_DIRECTED: Final = 16


class OrdType(IntEnum):
    """FIX tag 40; DIRECTED trades with one named resting order and nothing else (feed replay)."""

    MARKET = TYPE_MARKET
    LIMIT = TYPE_LIMIT
    DIRECTED = TYPE_DIRECTED


TIF_GTC: Final = 1
TIF_DAY: Final = 2
TIF_IOC: Final = 3
TIF_FOK: Final = 4


class Tif(IntEnum):
    """Time in force, FIX tag 59 (where day is 0)."""

    GTC = TIF_GTC
    DAY = TIF_DAY
    IOC = TIF_IOC
    FOK = TIF_FOK


FLAG_OFF_TICK: Final = 1
FLAG_OFF_LOT: Final = 2
FLAG_BOOK_ONLY: Final = 4
FLAG_FINAL: Final = 8


class CommandFlag(IntFlag):
    """Bits of a command's ``flags``.

    OFF_TICK and OFF_LOT say that the client's price or quantity is no whole number of ticks or lots (the
    slot then holds it truncated); BOOK_ONLY rests an order without matching it (feed replay); FINAL marks
    the checkpoint of a clean stop.
    """

    OFF_TICK = FLAG_OFF_TICK
    OFF_LOT = FLAG_OFF_LOT
    BOOK_ONLY = FLAG_BOOK_ONLY
    FINAL = FLAG_FINAL


OUT_ACCEPTED: Final = 1
OUT_REJECTED: Final = 2
OUT_FILLED: Final = 3
OUT_CANCELLED: Final = 4
OUT_REPLACED: Final = 5
OUT_EXPIRED: Final = 6


class OutcomeType(IntEnum):
    """What happened to an order."""

    ACCEPTED = OUT_ACCEPTED
    REJECTED = OUT_REJECTED
    FILLED = OUT_FILLED
    CANCELLED = OUT_CANCELLED
    REPLACED = OUT_REPLACED
    EXPIRED = OUT_EXPIRED


OUTFLAG_TAKER: Final = 1
OUTFLAG_MAKER: Final = 2
OUTFLAG_NEW: Final = 4
OUTFLAG_RISK: Final = 8


class OutcomeFlag(IntFlag):
    """Bits of an outcome's ``flags``.

    TAKER and MAKER tell the liquidity of a fill; NEW marks the rejection of a new order; RISK a rejection
    that risk decided (nothing was reserved for it).
    """

    TAKER = OUTFLAG_TAKER
    MAKER = OUTFLAG_MAKER
    NEW = OUTFLAG_NEW
    RISK = OUTFLAG_RISK


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
REASON_COUNT: Final = 32


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


MONEY_UNIT_PER_CURRENCY_UNIT: Final = 1_000_000
E8: Final = 100_000_000
