"""Outcomes as FIX replies: ExecutionReport (8), OrderCancelReject (9), OrderMassCancelReport (r), Reject (3), j.

AvgPx (6) depends on all fills of an order, so :class:`ReplyEncoder` sees the outcomes in order and keeps one
small sum per open order; :func:`encode` is the stateless part. Of FIX 4.2 and 4.4 it knows the differences:
ExecTransType (20) and the types of fills, LastLiquidityInd (851), and fewer reject reasons in 4.2.

Market data (STATE_CHANGED and what follows it in codes.OutcomeType) has no session and no reply: docs/market-data.md.

A report tells what the outcome does: neither stop price nor display quantity, which are the client's own.

Plain Python, run by gateways behind publish. Invariants: OrderQty = CumQty + LeavesQty while an order works;
ExecID is ``input_seq-index``, unique and the same in a replay; OrderID is ``NONE`` where there is no order.
Failure modes: an outcome that is no answer to a client's order message is a ValueError.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from protocols.codes import (
    KIND_CANCEL,
    KIND_MASS_CANCEL,
    KIND_NEW,
    KIND_STATUS,
    OUT_ACCEPTED,
    OUT_CANCELLED,
    OUT_EXPIRED,
    OUT_FILLED,
    OUT_MASS_CANCELLED,
    OUT_REJECTED,
    OUT_REPLACED,
    OUT_STATUS,
    OUT_TRIGGERED,
    OUTFLAG_ANSWER,
    OUTFLAG_AUCTION,
    OUTFLAG_MAKER,
    OUTFLAG_TAKER,
    OUTFLAG_UNSOLICITED,
    Reason,
)
from protocols.directory import Directory, decimal_text
from protocols.fix_problems import PROBLEMS, FixDecodeError
from protocols.fix_text import VENUE_COMP_ID, Field, build_message, utc_text
from protocols.text import unpack_text

__all__ = ["ReplyEncoder", "business_reject", "encode", "reject"]

NO_ORDER: Final = "NONE"
UNKNOWN_SYMBOL: Final = "[N/A]"
UNDISCLOSED_SIDE: Final = 7
LAST_REJECT_REASON_42: Final = 11

EXEC_TYPES: Final = {
    OUT_ACCEPTED: "0",
    OUT_CANCELLED: "4",
    OUT_REPLACED: "5",
    OUT_REJECTED: "8",
    OUT_EXPIRED: "C",
    OUT_TRIGGERED: "L",
    OUT_STATUS: "I",
}
RESTATED: Final = "D"
PARTIAL_DECLINE: Final = 5  # ExecRestatementReason: the venue took some of the quantity away
BROKER_OPTION: Final = 4  # the same for a stop order that FIX 4.2 cannot say was triggered
LIQUIDITY: Final = {OUTFLAG_MAKER: 1, OUTFLAG_TAKER: 2, OUTFLAG_AUCTION: 4}  # LastLiquidityInd


class RejectCodes(NamedTuple):
    """OrdRejReason (103) and CxlRejReason (102) of a reason, in FIX 4.4 and 4.2."""

    order_44: int
    order_42: int
    cancel_44: int
    cancel_42: int


OTHER: Final = RejectCodes(99, 0, 99, 2)
REJECT_CODES: Final[dict[Reason, RejectCodes]] = {
    Reason.DUPLICATE_CL_ORD_ID: RejectCodes(6, 6, 6, 2),
    Reason.UNKNOWN_INSTRUMENT: RejectCodes(1, 1, 99, 2),
    Reason.UNKNOWN_ACCOUNT: RejectCodes(15, 0, 99, 2),
    Reason.UNSUPPORTED_ORDER_TYPE: RejectCodes(11, 0, 99, 2),
    Reason.UNSUPPORTED_TIF: RejectCodes(11, 0, 99, 2),
    Reason.INVALID_DISPLAY_QTY: RejectCodes(13, 0, 99, 2),
    Reason.INVALID_MIN_QTY: RejectCodes(13, 0, 99, 2),
    Reason.INVALID_QTY: RejectCodes(13, 0, 99, 2),
    Reason.QTY_NOT_ON_LOT: RejectCodes(13, 0, 99, 2),
    Reason.MAX_ORDER_QTY: RejectCodes(3, 3, 99, 2),
    Reason.MAX_ORDER_NOTIONAL: RejectCodes(3, 3, 99, 2),
    Reason.MAX_OPEN_ORDERS: RejectCodes(3, 3, 99, 2),
    Reason.POSITION_LIMIT: RejectCodes(3, 3, 99, 2),
    Reason.CREDIT_LIMIT: RejectCodes(3, 3, 99, 2),
    Reason.FIRM_CREDIT_LIMIT: RejectCodes(3, 3, 99, 2),
    Reason.GROSS_NOTIONAL: RejectCodes(3, 3, 99, 2),
    Reason.FIRM_GROSS_NOTIONAL: RejectCodes(3, 3, 99, 2),
    Reason.MAX_LOSS: RejectCodes(3, 3, 99, 2),
    Reason.INSUFFICIENT_FUNDS: RejectCodes(3, 3, 99, 2),
    Reason.INSUFFICIENT_POSITION: RejectCodes(3, 3, 99, 2),
    Reason.ORDER_RATE: RejectCodes(3, 3, 99, 2),
    Reason.FIRM_ORDER_RATE: RejectCodes(3, 3, 99, 2),
    Reason.ORDER_TO_TRADE: RejectCodes(3, 3, 99, 2),
    Reason.ORDER_TYPE_NOT_PERMITTED: RejectCodes(11, 0, 99, 2),
    Reason.TIF_NOT_PERMITTED: RejectCodes(11, 0, 99, 2),
    Reason.SESSION_NOT_PERMITTED: RejectCodes(15, 0, 99, 2),
    Reason.INSTRUMENT_NOT_PERMITTED: RejectCodes(1, 1, 99, 2),
    Reason.TRADING_HALTED: RejectCodes(2, 2, 2, 2),
    Reason.MARKET_CLOSED: RejectCodes(2, 2, 2, 2),
    Reason.WRONG_TRADING_STATE: RejectCodes(11, 0, 2, 2),
    Reason.UNKNOWN_ORDER: RejectCodes(5, 5, 1, 1),
    Reason.MISSING_CL_ORD_ID: RejectCodes(99, 0, 1, 1),
    Reason.TOO_LATE: RejectCodes(4, 4, 0, 0),
}
MASS_CANCEL_REJECTED: Final = "0"
MASS_CANCEL_UNKNOWN_SECURITY: Final = 1  # MassCancelRejectReason
MASS_CANCEL_OTHER: Final = 99


def encode(
    outcome: Any,
    directory: Directory,
    session_name: str,
    version: str = "FIX.4.4",
    msg_seq_num: int = 1,
    *,
    sender: str = VENUE_COMP_ID,
    average_price_e8: int = 0,
    epoch_offset_ns: int = 0,
    sending_time_ns: int | None = None,
) -> bytes:
    """Return the reply to one outcome record.

    ``epoch_offset_ns`` turns the outcome's time into nanoseconds since the epoch; SendingTime is the same
    time unless given. ``average_price_e8`` is AvgPx in units of 1e-8 (see :class:`ReplyEncoder`).
    """
    kind, what = int(outcome["kind"]), int(outcome["type"])
    # what else an administrative command causes is about orders: it may end, elect and uncross them
    if not KIND_NEW <= kind <= KIND_STATUS and int(outcome["flags"]) & OUTFLAG_ANSWER:
        raise ValueError(f"expected the outcome of a client's order message, was kind {kind}")
    time_ns = int(outcome["time_ns"]) + epoch_offset_ns
    if what == OUT_MASS_CANCELLED or (what == OUT_REJECTED and kind == KIND_MASS_CANCEL):
        msg_type, body = "r", _mass_cancel_report(outcome, directory)
    elif what == OUT_REJECTED and kind not in (KIND_NEW, KIND_STATUS):
        msg_type, body = "9", _cancel_reject(outcome, directory, version)
    elif what in EXEC_TYPES or what == OUT_FILLED:
        msg_type, body = "8", _execution_report(outcome, directory, version, average_price_e8)
    else:
        raise ValueError(f"expected an outcome type from 1 to 9, was {what}")
    body.append((60, utc_text(time_ns)))
    sent_ns = time_ns if sending_time_ns is None else sending_time_ns
    return _reply(version, msg_type, msg_seq_num, sender, session_name, sent_ns, body)


def _reply(
    version: str, msg_type: str, msg_seq_num: int, sender: str, target: str, sent_ns: int, body: list[Field]
) -> bytes:
    """Put the standard header before the body's fields, which go out by ascending tag."""
    header: list[Field] = [
        (35, msg_type),
        (34, msg_seq_num),
        (49, sender),
        (52, utc_text(sent_ns)),
        (56, target),
    ]
    return build_message(version, header + sorted(body, key=lambda field: field[0]))


def _execution_report(outcome: Any, directory: Directory, version: str, average_e8: int) -> list[Field]:
    """Return the fields of an ExecutionReport but TransactTime."""
    what, instrument = int(outcome["type"]), int(outcome["instrument"])
    cum, leaves, qty = (int(outcome[name]) for name in ("cum_lots", "leaves_lots", "qty_lots"))
    total = cum + leaves if what in (OUT_FILLED, OUT_REPLACED, OUT_STATUS) else cum + qty
    price = directory.price_text(instrument, int(outcome["price_ticks"]))
    is_fill = what == OUT_FILLED
    is_42 = version == "FIX.4.2"
    is_restated = what == OUT_REPLACED and int(outcome["flags"]) & OUTFLAG_UNSOLICITED != 0
    status = _order_status(what, cum, leaves, is_42 and not is_restated)
    reason = Reason(int(outcome["reason"]))
    codes = REJECT_CODES.get(reason, OTHER)
    fields: list[Field] = [
        *_identity(outcome, directory),
        (6, decimal_text(average_e8, 1).rstrip("0").rstrip(".") if average_e8 else "0"),
        (14, directory.qty_text(instrument, cum)),
        (17, f"{int(outcome['input_seq'])}-{int(outcome['index'])}"),
        (38, directory.qty_text(instrument, total)),
        (39, status),
        (54, int(outcome["side"]) or UNDISCLOSED_SIDE),
        (55, directory.symbol(instrument) or UNKNOWN_SYMBOL),
        (150, _exec_type(what, status, is_restated, int(outcome["kind"]) == KIND_STATUS, is_42)),
        (151, directory.qty_text(instrument, leaves)),
    ]
    if is_42:
        fields.append((20, "3" if int(outcome["kind"]) == KIND_STATUS else "0"))
    if is_restated:
        fields.append((378, PARTIAL_DECLINE))
    elif what == OUT_TRIGGERED and is_42:
        fields.append((378, BROKER_OPTION))
    if is_fill:
        fields += [(31, price), (32, directory.qty_text(instrument, qty))]
        if not is_42:
            role = int(outcome["flags"]) & (OUTFLAG_MAKER | OUTFLAG_TAKER | OUTFLAG_AUCTION)
            fields.append((851, LIQUIDITY.get(role)))
    elif int(outcome["price_ticks"]):
        fields.append((44, price))
    if what == OUT_REJECTED:
        fields.append((103, codes.order_42 if is_42 else codes.order_44))
    if reason:
        fields.append((58, reason.name.lower()))
    return fields


def _identity(outcome: Any, directory: Directory) -> list[Field]:
    """Return the fields that name the order: Account, ClOrdID, OrderID, OrigClOrdID.

    A status report has the order's ClOrdID, and that of the request as OrdStatusReqID.
    """
    own = unpack_text(outcome["cl0"], outcome["cl1"], outcome["cl2"]) or None
    original = unpack_text(outcome["orig0"], outcome["orig1"], outcome["orig2"]) or None
    is_status = int(outcome["kind"]) == KIND_STATUS and int(outcome["type"]) in (OUT_STATUS, OUT_REJECTED)
    names: list[Field] = [(11, original), (790, own)] if is_status else [(11, own), (41, original)]
    return [
        (1, directory.account_name(int(outcome["account"])) or None),
        (37, int(outcome["order_id"]) or NO_ORDER),
        *names,
    ]


def _order_status(what: int, cum: int, leaves: int, is_42: bool) -> str:
    """Return OrdStatus (39) after an outcome of an order."""
    if what == OUT_FILLED:
        return "1" if leaves else "2"
    if what == OUT_REPLACED:
        return "1" if cum else ("5" if is_42 else "0")
    if what in (OUT_TRIGGERED, OUT_STATUS):
        return "1" if cum else "0"
    return EXEC_TYPES[what]


def _exec_type(what: int, status: str, is_restated: bool, is_status: bool, is_42: bool) -> str:
    """Return ExecType (150); FIX 4.2 has no trade, no trigger and no status there."""
    if is_restated or (what == OUT_TRIGGERED and is_42):
        return RESTATED
    if what == OUT_FILLED:
        return status if is_42 else "F"
    if is_status and what in (OUT_STATUS, OUT_REJECTED):
        return status if is_42 else "I"
    return EXEC_TYPES[what]


def _mass_cancel_report(outcome: Any, directory: Directory) -> list[Field]:
    """Return the fields of an OrderMassCancelReport but TransactTime; each order had its own ExecutionReport."""
    instrument = int(outcome["instrument"])
    asked = "1" if instrument else "7"
    fields: list[Field] = [
        (1, directory.account_name(int(outcome["account"])) or None),
        (11, unpack_text(outcome["cl0"], outcome["cl1"], outcome["cl2"]) or None),
        (37, int(outcome["input_seq"])),
        (54, int(outcome["side"]) if int(outcome["side"]) in (1, 2) else None),
        (55, (directory.symbol(instrument) or UNKNOWN_SYMBOL) if instrument else None),
        (530, asked),
    ]
    if int(outcome["type"]) == OUT_MASS_CANCELLED:
        return [*fields, (531, asked), (533, int(outcome["qty_lots"]))]
    reason = Reason(int(outcome["reason"]))
    is_unknown = reason is Reason.UNKNOWN_INSTRUMENT
    return [
        *fields,
        (58, reason.name.lower()),
        (531, MASS_CANCEL_REJECTED),
        (532, MASS_CANCEL_UNKNOWN_SECURITY if is_unknown else MASS_CANCEL_OTHER),
    ]


def _cancel_reject(outcome: Any, directory: Directory, version: str) -> list[Field]:
    """Return the fields of an OrderCancelReject but TransactTime.

    OrdStatus is that of the order while it works, and 8 when it does not: the venue no longer knows what
    became of it.
    """
    working = int(outcome["leaves_lots"]) > 0
    reason = Reason(int(outcome["reason"]))
    codes = REJECT_CODES.get(reason, OTHER)
    identity = _identity(outcome, directory)
    return [
        *((tag, value or NO_ORDER) for tag, value in identity if value or tag != 1),
        (39, ("1" if int(outcome["cum_lots"]) else "0") if working else "8"),
        (58, reason.name.lower()),
        (102, codes.cancel_42 if version == "FIX.4.2" else codes.cancel_44),
        (434, 1 if int(outcome["kind"]) == KIND_CANCEL else 2),
    ]


class ReplyEncoder:
    """Replies with AvgPx: sees all outcomes of its sessions in order, remembers the fills of open orders."""

    def __init__(
        self,
        directory: Directory,
        version: str = "FIX.4.4",
        *,
        sender: str = VENUE_COMP_ID,
        epoch_offset_ns: int = 0,
    ) -> None:
        self._directory = directory
        self._version = version
        self._sender = sender
        self._epoch_offset_ns = epoch_offset_ns
        self._fills: dict[int, tuple[int, int]] = {}  # order id: lots, sum of lots times ticks

    @property
    def open_count(self) -> int:
        """Return how many orders with fills are remembered."""
        return len(self._fills)

    def encode(
        self, outcome: Any, session_name: str, msg_seq_num: int, sending_time_ns: int | None = None
    ) -> bytes:
        """Return the reply to the next outcome."""
        return encode(
            outcome,
            self._directory,
            session_name,
            self._version,
            msg_seq_num,
            sender=self._sender,
            average_price_e8=self._average_e8(outcome),
            epoch_offset_ns=self._epoch_offset_ns,
            sending_time_ns=sending_time_ns,
        )

    def _average_e8(self, outcome: Any) -> int:
        """Take the outcome into account and return its order's average price, rounded to 1e-8."""
        order_id, what = int(outcome["order_id"]), int(outcome["type"])
        lots, notional = self._fills.get(order_id, (0, 0))
        if what == OUT_FILLED:
            lots += int(outcome["qty_lots"])
            notional += int(outcome["qty_lots"]) * int(outcome["price_ticks"])
            self._fills[order_id] = (lots, notional)
        filled = what == OUT_FILLED and int(outcome["leaves_lots"]) == 0
        if filled or what in (OUT_CANCELLED, OUT_EXPIRED):
            self._fills.pop(order_id, None)
        if not lots:
            return 0
        entry = self._directory.instruments.get(int(outcome["instrument"]))
        tick_e8 = entry.tick_e8 if entry else 0
        return (2 * notional * tick_e8 + lots) // (2 * lots)


def reject(
    error: FixDecodeError,
    sending_time_ns: int,
    version: str = "FIX.4.4",
    msg_seq_num: int = 1,
    *,
    session_name: str = "",
    sender: str = VENUE_COMP_ID,
) -> bytes:
    """Return the Reject (35=3) of a malformed message, for ``session_name``, else the message's sender."""
    reason = PROBLEMS[error.code].reject_reason
    body: list[Field] = [
        (45, error.ref_seq_num),
        (58, error.problem),
        (371, error.tag or None),
        (372, error.msg_type or None),
        (373, reason if version != "FIX.4.2" or reason <= LAST_REJECT_REASON_42 else None),
    ]
    target = session_name or error.session or NO_ORDER
    return _reply(version, "3", msg_seq_num, sender, target, sending_time_ns, body)


def business_reject(
    error: FixDecodeError,
    sending_time_ns: int,
    version: str = "FIX.4.4",
    msg_seq_num: int = 1,
    *,
    session_name: str = "",
    sender: str = VENUE_COMP_ID,
) -> bytes:
    """Return the BusinessMessageReject (35=j, 380=3) of a message of an unsupported type."""
    body: list[Field] = [
        (45, error.ref_seq_num),
        (58, error.problem),
        (372, error.msg_type or NO_ORDER),
        (380, 3),
    ]
    target = session_name or error.session or NO_ORDER
    return _reply(version, "j", msg_seq_num, sender, target, sending_time_ns, body)
