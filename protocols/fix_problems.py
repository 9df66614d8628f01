"""What can be wrong with a FIX message: codes for the scanner, words and session reject reasons for people.

The scanner writes a code and the place of the fault into its state array; the edge
(:mod:`protocols.fix`) turns it into a :class:`FixDecodeError`, the encoder turns that into a Reject (35=3).
Zero is "no problem". Both read the one table below.

The codes and tags are constants in what ringbuffer.kernel compiles. They are np.int64, because Numba compiles
a kernel anew for each literal int that it is called with, and once for all np.int64.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

from protocols.source import DecodeError

__all__ = ["PROBLEMS", "TAG_NAMES", "FixDecodeError", "Problem", "field_name"]

MAX_MESSAGE_BYTES: Final = 4096
MAX_TEXT_BYTES: Final = 20

PROBLEM_NONE: Final = np.int64(0)
PROBLEM_BAD_BEGIN: Final = np.int64(1)
PROBLEM_NO_BEGIN: Final = np.int64(2)
PROBLEM_BAD_HEADER: Final = np.int64(3)
PROBLEM_BAD_BODY_LENGTH: Final = np.int64(4)
PROBLEM_WRONG_BODY_LENGTH: Final = np.int64(5)
PROBLEM_TOO_LARGE: Final = np.int64(6)
PROBLEM_TRUNCATED: Final = np.int64(7)
PROBLEM_BAD_CHECKSUM: Final = np.int64(8)
PROBLEM_WRONG_CHECKSUM: Final = np.int64(9)
PROBLEM_BAD_TAG: Final = np.int64(10)
PROBLEM_EMPTY_VALUE: Final = np.int64(11)
PROBLEM_DUPLICATE_TAG: Final = np.int64(12)
PROBLEM_MISSING_TAG: Final = np.int64(13)
PROBLEM_UNSUPPORTED_TYPE: Final = np.int64(14)
PROBLEM_BAD_NUMBER: Final = np.int64(15)
PROBLEM_TOO_MANY_DECIMALS: Final = np.int64(16)
PROBLEM_OVERFLOW: Final = np.int64(17)
PROBLEM_TEXT_TOO_LONG: Final = np.int64(18)
PROBLEM_NOT_PRINTABLE: Final = np.int64(19)
PROBLEM_BAD_TIMESTAMP: Final = np.int64(20)
PROBLEM_BAD_ORDER_ID: Final = np.int64(21)
PROBLEM_BAD_DATA: Final = np.int64(22)
PROBLEM_TOO_MANY_SESSIONS: Final = np.int64(23)
PROBLEM_NO_MESSAGE: Final = np.int64(24)
PROBLEM_BAD_GROUP: Final = np.int64(25)
PROBLEM_BAD_MASS_CANCEL: Final = np.int64(26)

TAG_NONE: Final = np.int64(0)
TAG_BEGIN_STRING: Final = np.int64(8)
TAG_BODY_LENGTH: Final = np.int64(9)
TAG_CHECKSUM: Final = np.int64(10)
TAG_MSG_TYPE: Final = np.int64(35)


class Problem(NamedTuple):
    """How one problem reads, and its SessionRejectReason (373)."""

    text: str
    reject_reason: int


PROBLEMS: Final[dict[Any, Problem]] = {
    PROBLEM_BAD_BEGIN: Problem("expected BeginString FIX.4.2 or FIX.4.4", 99),
    PROBLEM_NO_BEGIN: Problem("expected 8=FIX at the start of a message", 14),
    PROBLEM_BAD_HEADER: Problem("expected 8, 9 and 35 as the first three fields", 14),
    PROBLEM_BAD_BODY_LENGTH: Problem("expected a number of bytes", 6),
    PROBLEM_WRONG_BODY_LENGTH: Problem("expected CheckSum (10) right after BodyLength bytes", 5),
    PROBLEM_TOO_LARGE: Problem(f"expected a message of at most {MAX_MESSAGE_BYTES} bytes", 5),
    PROBLEM_TRUNCATED: Problem("message is truncated", 99),
    PROBLEM_BAD_CHECKSUM: Problem("expected three digits", 6),
    PROBLEM_WRONG_CHECKSUM: Problem("checksum does not match", 5),
    PROBLEM_BAD_TAG: Problem("expected tag=value with a tag from 1 to 999999999", 0),
    PROBLEM_EMPTY_VALUE: Problem("expected a value, was empty", 4),
    PROBLEM_DUPLICATE_TAG: Problem("field appears more than once", 13),
    PROBLEM_MISSING_TAG: Problem("required field is missing", 1),
    PROBLEM_UNSUPPORTED_TYPE: Problem("unsupported message type", 11),
    PROBLEM_BAD_NUMBER: Problem("expected a decimal number", 6),
    PROBLEM_TOO_MANY_DECIMALS: Problem("expected at most 8 decimals", 6),
    PROBLEM_OVERFLOW: Problem("expected a number that fits 64 bits in units of 1e-8", 5),
    PROBLEM_TEXT_TOO_LONG: Problem(f"expected at most {MAX_TEXT_BYTES} bytes", 5),
    PROBLEM_NOT_PRINTABLE: Problem("expected printable ASCII", 6),
    PROBLEM_BAD_TIMESTAMP: Problem("expected a UTC time YYYYMMDD-HH:MM:SS[.fraction]", 6),
    PROBLEM_BAD_ORDER_ID: Problem("expected an order id in digits, from 1 to 2^63 - 1", 6),
    PROBLEM_BAD_DATA: Problem("expected a data field right behind the field that gives its length", 6),
    PROBLEM_TOO_MANY_SESSIONS: Problem("expected at most 1024 sessions in one file", 5),
    PROBLEM_NO_MESSAGE: Problem("expected FIX messages, found no 8=FIX", 99),
    PROBLEM_BAD_GROUP: Problem("expected a self-match prevention id in digits, from 1 to 2^31 - 1", 5),
    PROBLEM_BAD_MASS_CANCEL: Problem("expected 1 (orders of a security) or 7 (all orders)", 5),
}

TAG_NAMES: Final[dict[int, str]] = {
    1: "Account",
    8: "BeginString",
    9: "BodyLength",
    10: "CheckSum",
    11: "ClOrdID",
    18: "ExecInst",
    35: "MsgType",
    37: "OrderID",
    38: "OrderQty",
    40: "OrdType",
    41: "OrigClOrdID",
    44: "Price",
    49: "SenderCompID",
    52: "SendingTime",
    54: "Side",
    55: "Symbol",
    59: "TimeInForce",
    60: "TransactTime",
    99: "StopPx",
    110: "MinQty",
    111: "MaxFloor",
    126: "ExpireTime",
    211: "PegOffsetValue",
    530: "MassCancelRequestType",
    790: "OrdStatusReqID",
    836: "PegOffsetType",
    1138: "DisplayQty",
    2362: "SelfMatchPreventionID",
    2964: "SelfMatchPreventionInstruction",
    7928: "SelfMatchPreventionID",
    8000: "SelfMatchPreventionInstruction",
    9479: "DisplayIndicator",
}


def field_name(tag: int) -> str:
    """Return ``Price(44)`` for a tag that the scanner knows, the bare number for others, ``""`` for 0."""
    name = TAG_NAMES.get(tag)
    return f"{name}({tag})" if name else str(tag or "")


class FixDecodeError(DecodeError):
    """A malformed FIX message, with what a Reject (35=3) or BusinessMessageReject (35=j) must repeat.

    ``code`` is a PROBLEM constant, ``tag`` the field at fault (0 if there is none); ``msg_type``,
    ``ref_seq_num`` and ``session`` are MsgType (35), MsgSeqNum (34) and SenderCompID (49) of the message,
    empty or 0 where it holds none that can be read.
    """

    def __init__(
        self,
        path: str,
        offset: int,
        record: int,
        field: str,
        value: str,
        problem: str,
        line: int = 0,
        *,
        code: int = 0,
        tag: int = 0,
        msg_type: str = "",
        ref_seq_num: int = 0,
        session: str = "",
    ) -> None:
        super().__init__(path, offset, record, field, value, problem, line)
        self.code = code
        self.tag = tag
        self.msg_type = msg_type
        self.ref_seq_num = ref_seq_num
        self.session = session

    def __reduce__(self) -> Any:
        """Pickle by the facts."""
        facts = (self.path, self.offset, self.record, self.field, self.value, self.problem, self.line)
        return (FixDecodeError, facts, self.__dict__)
