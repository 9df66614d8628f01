"""What the FIX scanner knows about tags and values, as tables that kernels read.

Written once at import, constant in the code that ringbuffer.kernel compiles. A tag of the body is one that a
command needs (it has a slot), one of the envelope that must not come again, the length of a data field, or
of no concern.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from protocols.codes import (
    KIND_CANCEL,
    KIND_MASS_CANCEL,
    KIND_NEW,
    KIND_REPLACE,
    KIND_STATUS,
    SIDE_BUY,
    SIDE_SELL,
    STP_BOTH,
    STP_DECREMENT,
    STP_NEWEST,
    STP_OLDEST,
    TIF_CLOSE,
    TIF_DAY,
    TIF_FOK,
    TIF_GTC,
    TIF_GTD,
    TIF_IOC,
    TIF_OPEN,
    TYPE_LIMIT,
    TYPE_MARKET,
    TYPE_STOP,
    TYPE_STOP_LIMIT,
    TYPE_TRAILING_STOP,
)
from protocols.source import MAX_SESSIONS

__all__ = ["KNOWN_TAGS", "SESSION_CELLS", "SLOT_COUNT"]

SESSION_CELLS: Final = 4 * MAX_SESSIONS
MAX_TAG: Final = 999_999_999

# The fields that a command needs, by ascending tag: slot numbers, and their bits in STATE_SEEN.
KNOWN_TAGS: Final = (
    1, 11, 18, 37, 38, 40, 41, 44, 49, 52, 54, 55, 59, 60, 99, 110, 111, 126, 211, 530, 790, 836, 1138, 2362, 2964,
    7928, 8000, 9479,
)  # fmt: skip
SLOT_COUNT: Final = len(KNOWN_TAGS)
(
    SLOT_ACCOUNT,
    SLOT_CL_ORD_ID,
    SLOT_EXEC_INST,
    SLOT_ORDER_ID,
    SLOT_ORDER_QTY,
    SLOT_ORD_TYPE,
    SLOT_ORIG_CL_ORD_ID,
    SLOT_PRICE,
    SLOT_SENDER,
    SLOT_SENDING_TIME,
    SLOT_SIDE,
    SLOT_SYMBOL,
    SLOT_TIF,
    SLOT_TRANSACT_TIME,
    SLOT_STOP_PRICE,
    SLOT_MIN_QTY,
    SLOT_MAX_FLOOR,
    SLOT_EXPIRE_TIME,
    SLOT_PEG_OFFSET,
    SLOT_MASS_CANCEL_TYPE,
    SLOT_STATUS_ID,
    SLOT_PEG_TYPE,
    SLOT_DISPLAY_QTY,
    SLOT_GROUP,
    SLOT_GROUP_MODE,
    SLOT_GROUP_CME,
    SLOT_GROUP_MODE_CME,
    SLOT_DISPLAY_INDICATOR,
) = np.arange(SLOT_COUNT, dtype=np.int64)  # np.int64, see protocols.fix_problems
SLOT_NONE: Final = -1
SLOT_ONCE: Final = -2  # belongs to the envelope: 8, 9, 10, 35 must not come again
SLOT_LENGTH: Final = -3  # the length of a data field
TAG_OF_SLOT: Final = np.array(KNOWN_TAGS, dtype=np.int64)
TABLE_TAGS: Final = KNOWN_TAGS[-1] + 1

# Fields that give the length in bytes of the data field right behind them, whose value may hold separators.
DATA_TAGS: Final = {90: 91, 93: 89, 95: 96, 212: 213, 445: 446, 618: 619, 621: 622} | {
    tag: tag + 1 for tag in range(348, 366, 2)
}
DATA_TABLE_TAGS: Final = max(DATA_TAGS) + 1
DATA_TAG_OF_LENGTH_TAG: Final = np.array(
    [DATA_TAGS.get(tag, 0) for tag in range(DATA_TABLE_TAGS)], dtype=np.int64
)
MAX_DATA_DIGITS: Final = 5


def _slot_table() -> np.ndarray[tuple[int], np.dtype[np.int8]]:
    table = np.full(TABLE_TAGS, SLOT_NONE, dtype=np.int8)
    table[list(KNOWN_TAGS)] = range(SLOT_COUNT)
    table[[8, 9, 10, 35]] = SLOT_ONCE
    table[list(DATA_TAGS)] = SLOT_LENGTH
    return table


SLOT_OF_TAG: Final = _slot_table()


def _mask(*slots: np.int64) -> np.int64:
    return np.int64(sum(1 << int(slot) for slot in slots))


REQUIRED_CANCEL: Final = _mask(SLOT_CL_ORD_ID, SLOT_SENDER, SLOT_SIDE, SLOT_SYMBOL)
REQUIRED_ORDER: Final = REQUIRED_CANCEL | _mask(SLOT_ORDER_QTY, SLOT_ORD_TYPE)
REQUIRED_STATUS: Final = _mask(SLOT_SENDER, SLOT_SIDE, SLOT_SYMBOL)
REQUIRED_MASS_CANCEL: Final = _mask(SLOT_CL_ORD_ID, SLOT_SENDER, SLOT_MASS_CANCEL_TYPE)
TARGETS: Final = _mask(SLOT_ORDER_ID, SLOT_ORIG_CL_ORD_ID)
STATUS_TARGETS: Final = _mask(SLOT_ORDER_ID, SLOT_CL_ORD_ID)
# Where none of these is there, an order has no terms beyond type, time in force, price and quantity.
TERMS: Final = _mask(
    SLOT_EXEC_INST, SLOT_STOP_PRICE, SLOT_MIN_QTY, SLOT_MAX_FLOOR, SLOT_EXPIRE_TIME, SLOT_PEG_OFFSET, SLOT_DISPLAY_QTY,
    SLOT_GROUP, SLOT_GROUP_MODE, SLOT_GROUP_CME, SLOT_GROUP_MODE_CME,
)  # fmt: skip

# What to do with a message, by its one-letter MsgType.
TYPE_UNSUPPORTED: Final = 0
TYPE_PASSED_OVER: Final = -1


def _type_table() -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    table = np.full(256, TYPE_UNSUPPORTED, dtype=np.int64)
    table[[ord(letter) for letter in "012345A89jr"]] = TYPE_PASSED_OVER
    table[ord("D")] = KIND_NEW
    table[ord("F")] = KIND_CANCEL
    table[ord("G")] = KIND_REPLACE
    table[ord("H")] = KIND_STATUS
    table[ord("q")] = KIND_MASS_CANCEL
    return table


KIND_OF_TYPE: Final = _type_table()


def _byte_table(codes: dict[str, int], other: int = 0) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    table = np.full(256, other, dtype=np.int64)
    for letter, code in codes.items():
        table[ord(letter)] = code
    return table


TIF_OF_BYTE: Final = _byte_table(
    {
        "0": TIF_DAY,
        "1": TIF_GTC,
        "2": TIF_OPEN,
        "3": TIF_IOC,
        "4": TIF_FOK,
        "6": TIF_GTD,
        "7": TIF_CLOSE,
    }
)
SIDE_OF_BYTE: Final = _byte_table({"1": SIDE_BUY, "2": SIDE_SELL})
ORD_TYPE_OF_BYTE: Final = _byte_table(
    {"1": TYPE_MARKET, "2": TYPE_LIMIT, "3": TYPE_STOP, "4": TYPE_STOP_LIMIT, "P": TYPE_TRAILING_STOP}
)
STP_UNKNOWN: Final = 7  # no mode: risk rejects it
# 2964 (4 is ours), and CME's 8000
STP_OF_BYTE: Final = _byte_table(
    {"1": STP_NEWEST, "2": STP_OLDEST, "3": STP_BOTH, "4": STP_DECREMENT, "N": STP_NEWEST, "O": STP_OLDEST},
    STP_UNKNOWN,
)
# Values of ExecInst that count, as bits; others are of no concern.
EXEC_POST_ONLY: Final = 1
EXEC_TRAILING: Final = 2
EXEC_ALL_OR_NONE: Final = 4
EXEC_BIT_OF_BYTE: Final = _byte_table({"6": EXEC_POST_ONLY, "a": EXEC_TRAILING, "G": EXEC_ALL_OR_NONE})
