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
    KIND_NEW,
    KIND_REPLACE,
    SIDE_BUY,
    SIDE_SELL,
    TIF_DAY,
    TIF_FOK,
    TIF_GTC,
    TIF_IOC,
    TYPE_LIMIT,
    TYPE_MARKET,
)
from protocols.source import MAX_SESSIONS

__all__ = ["KNOWN_TAGS", "SESSION_CELLS", "SLOT_COUNT"]

SESSION_CELLS: Final = 4 * MAX_SESSIONS
MAX_TAG: Final = 999_999_999

# The fields that a command needs, by ascending tag: slot numbers, and their bits in STATE_SEEN.
KNOWN_TAGS: Final = (1, 11, 37, 38, 40, 41, 44, 49, 52, 54, 55, 59, 60)
SLOT_COUNT: Final = len(KNOWN_TAGS)
(
    SLOT_ACCOUNT,
    SLOT_CL_ORD_ID,
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
) = np.arange(SLOT_COUNT, dtype=np.int64)  # np.int64, see protocols.fix_problems
SLOT_NONE: Final = -1
SLOT_ONCE: Final = -2  # belongs to the envelope: 8, 9, 10, 35 must not come again
TAG_OF_SLOT: Final = np.array(KNOWN_TAGS, dtype=np.int64)
TABLE_TAGS: Final = 64


def _slot_table() -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    table = np.full(TABLE_TAGS, SLOT_NONE, dtype=np.int64)
    table[list(KNOWN_TAGS)] = range(SLOT_COUNT)
    table[[8, 9, 10, 35]] = SLOT_ONCE
    return table


SLOT_OF_TAG: Final = _slot_table()

# Fields that give the length in bytes of the data field right behind them, whose value may hold separators.
DATA_TAGS: Final = {90: 91, 93: 89, 95: 96, 212: 213, 445: 446, 618: 619, 621: 622} | {
    tag: tag + 1 for tag in range(348, 366, 2)
}
DATA_TABLE_TAGS: Final = max(DATA_TAGS) + 1
DATA_TAG_OF_LENGTH_TAG: Final = np.array(
    [DATA_TAGS.get(tag, 0) for tag in range(DATA_TABLE_TAGS)], dtype=np.int64
)
MAX_DATA_DIGITS: Final = 5


def _mask(*slots: np.int64) -> np.int64:
    return np.int64(sum(1 << int(slot) for slot in slots))


REQUIRED_CANCEL: Final = _mask(SLOT_CL_ORD_ID, SLOT_SENDER, SLOT_SIDE, SLOT_SYMBOL)
REQUIRED_ORDER: Final = REQUIRED_CANCEL | _mask(SLOT_ORDER_QTY, SLOT_ORD_TYPE)
TARGETS: Final = _mask(SLOT_ORDER_ID, SLOT_ORIG_CL_ORD_ID)

# What to do with a message, by its one-letter MsgType.
TYPE_UNSUPPORTED: Final = 0
TYPE_PASSED_OVER: Final = -1


def _type_table() -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    table = np.full(256, TYPE_UNSUPPORTED, dtype=np.int64)
    table[[ord(letter) for letter in "012345A89j"]] = TYPE_PASSED_OVER
    table[ord("D")] = KIND_NEW
    table[ord("F")] = KIND_CANCEL
    table[ord("G")] = KIND_REPLACE
    return table


KIND_OF_TYPE: Final = _type_table()
TIF_OF_BYTE: Final = np.zeros(256, dtype=np.int64)
TIF_OF_BYTE[[ord("0"), ord("1"), ord("3"), ord("4")]] = [TIF_DAY, TIF_GTC, TIF_IOC, TIF_FOK]
SIDE_OF_BYTE: Final = np.zeros(256, dtype=np.int64)
SIDE_OF_BYTE[[ord("1"), ord("2")]] = [SIDE_BUY, SIDE_SELL]
ORD_TYPE_OF_BYTE: Final = np.zeros(256, dtype=np.int64)
ORD_TYPE_OF_BYTE[[ord("1"), ord("2")]] = [TYPE_MARKET, TYPE_LIMIT]
