"""The life of an order for people and scripts: what :mod:`stages.order_life` found, with names, prices and quantities.

A pure function of the trace. Prices are decimal strings, quantities as in outcome lines; both are null where a
command or an outcome has none.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import msgspec

from protocols.codes import (
    E8,
    OUT_ACCEPTED,
    OUT_CANCELLED,
    OUT_EXPIRED,
    OUT_FILLED,
    OUT_MASS_CANCELLED,
    OUT_REJECTED,
    OUT_REPLACED,
    OUT_TRIGGERED,
    OUTFLAG_ANSWER,
    OUTFLAG_AUCTION,
    OUTFLAG_MAKER,
    OUTFLAG_NEW,
    OUTFLAG_TAKER,
    OUTFLAG_UNSOLICITED,
    Kind,
    OutcomeType,
    Reason,
)
from protocols.command_fields import command_fields
from protocols.instants import time_text
from protocols.layouts import COMMAND
from protocols.text import unpack_text
from stages.history import price_of, qty_of
from stages.order_life import OrderTrace

__all__ = ["OrderCommand", "OrderOutcome", "OrderStory", "story_of"]

_LIQUIDITY: Final = {OUTFLAG_TAKER: "taker", OUTFLAG_MAKER: "maker", OUTFLAG_AUCTION: "auction"}
_ENDS: Final = {OUT_CANCELLED: "cancelled", OUT_EXPIRED: "expired"}
_MOVES: Final = (OUT_ACCEPTED, OUT_FILLED, OUT_REPLACED, OUT_TRIGGERED)


class OrderCommand(msgspec.Struct, frozen=True, kw_only=True, tag="command", tag_field="event"):
    """A command that concerns the order; ``fields`` are those of ``ringmatch journal dump``."""

    seq: int
    time: str
    time_ns: int
    is_cause: bool  # it does not name the order; an outcome of it is about the order
    kind: str
    session: str | None
    cl_ord_id: str
    orig_cl_ord_id: str | None
    price: str | None
    qty: int | str | None
    fields: dict[str, Any]


class OrderOutcome(msgspec.Struct, frozen=True, kw_only=True, tag="outcome", tag_field="event"):
    """An outcome about the order, or the answer to a command that names it."""

    seq: int
    index: int
    time: str
    time_ns: int
    type: str
    kind: str  # of the command
    cl_ord_id: str
    price: str | None
    qty: int | str
    leaves_qty: int | str
    cum_qty: int | str
    reason: str | None
    liquidity: str | None
    unsolicited: bool
    trade_id: str | None
    against_order_id: int | None  # the order on the other side of the trade


class OrderStory(msgspec.Struct, frozen=True, kw_only=True):
    """All that ``ringmatch order --json`` prints."""

    directory: str
    last_seq: int  # up to where was looked
    order_id: int
    session: str | None
    account: str | None
    instrument: str | None
    side: str | None
    ord_type: str | None
    tif: str | None
    cl_ord_ids: list[str]  # that the order has had, in order
    status: str  # open, filled, cancelled, expired, rejected
    reason: str | None  # why it ended, or was rejected
    price: str | None
    leaves_qty: int | str
    cum_qty: int | str
    average_price: str | None
    events: list[OrderCommand | OrderOutcome]


def story_of(trace: OrderTrace, directory: str) -> OrderStory:
    """Return the life of an order in names and decimals."""
    teller = _Teller(trace)
    new = trace.commands[trace.commands["seq"] == trace.order_id][0]
    fields = _fields(new)
    return OrderStory(
        directory=directory,
        last_seq=trace.last_seq,
        order_id=trace.order_id,
        session=trace.session_names.get(int(new["session"])),
        account=trace.directory.account_name(int(new["account"])) or None,
        instrument=trace.directory.symbol(int(new["instrument"])) or None,
        side=fields["side"] and str(fields["side"]),
        ord_type=fields["ord_type"] and str(fields["ord_type"]),
        tif=fields["tif"] and str(fields["tif"]),
        events=teller.events(),
        **teller.end(new),
    )


def _fields(command: Any) -> dict[str, Any]:
    return command_fields(dict(zip(COMMAND.names or (), command.tolist(), strict=True)))


def _name(row: Any, field: str) -> str:
    return unpack_text(int(row[f"{field}0"]), int(row[f"{field}1"]), int(row[f"{field}2"]))


class _Teller:
    """Knows the trace, and the instrument whose ticks and lots its numbers are."""

    def __init__(self, trace: OrderTrace) -> None:
        self._trace = trace

    def events(self) -> list[OrderCommand | OrderOutcome]:
        """Return commands, each followed by its outcomes."""
        trace = self._trace
        outcomes: dict[int, list[OrderOutcome]] = {}
        for row, against in zip(trace.outcomes, trace.against.tolist(), strict=True):
            outcomes.setdefault(int(row["input_seq"]), []).append(self._outcome(row, against))
        events: list[OrderCommand | OrderOutcome] = []
        for row, is_cause in zip(trace.commands, trace.causes.tolist(), strict=True):
            events += [self._command(row, is_cause), *outcomes.get(int(row["seq"]), [])]
        return events

    def _command(self, row: Any, is_cause: bool) -> OrderCommand:
        fields = _fields(row)
        instrument = int(row["instrument"]) or self._instrument
        has_price, has_qty = fields.get("price_ticks"), fields.get("qty_lots")
        return OrderCommand(
            seq=int(row["seq"]),
            time=time_text(int(row["time_ns"])),
            time_ns=int(row["time_ns"]),
            is_cause=is_cause,
            kind=str(fields["kind"]),
            session=self._trace.session_names.get(int(row["session"])),
            cl_ord_id=fields.get("cl_ord_id") or "",
            orig_cl_ord_id=fields.get("orig_cl_ord_id"),
            price=self._price(instrument, int(row["price_ticks"])) if has_price else None,
            qty=qty_of(self._trace.directory, instrument, int(row["qty_lots"])) if has_qty else None,
            fields=fields,
        )

    def _outcome(self, row: Any, against: int) -> OrderOutcome:
        instrument, kind = int(row["instrument"]) or self._instrument, int(row["type"])
        flags, seq = int(row["flags"]), int(row["input_seq"])
        roles = flags & (OUTFLAG_TAKER | OUTFLAG_MAKER | OUTFLAG_AUCTION)

        def qty(field: str) -> int | str:
            lots = int(row[field])
            return lots if kind == OUT_MASS_CANCELLED else qty_of(self._trace.directory, instrument, lots)

        return OrderOutcome(
            seq=seq,
            index=int(row["index"]),
            time=time_text(int(row["time_ns"])),
            time_ns=int(row["time_ns"]),
            type=OutcomeType(kind).name.lower(),
            kind=Kind(int(row["kind"])).name.lower(),
            cl_ord_id=_name(row, "cl"),
            price=self._price(instrument, int(row["price_ticks"])),
            qty=qty("qty_lots"),
            leaves_qty=qty("leaves_lots"),
            cum_qty=qty("cum_lots"),
            reason=Reason(int(row["reason"])).name.lower() if row["reason"] else None,
            liquidity=_LIQUIDITY.get(roles),
            unsolicited=bool(flags & OUTFLAG_UNSOLICITED),
            trade_id=f"{seq}-{int(row['trade_index'])}" if kind == OUT_FILLED else None,
            against_order_id=against or None,
        )

    @property
    def _instrument(self) -> int:
        trace = self._trace
        return int(trace.commands["instrument"][trace.commands["seq"] == trace.order_id][0])

    def _price(self, instrument: int, price_ticks: int) -> str | None:
        return price_of(self._trace.directory, instrument, price_ticks)

    def end(self, new: Any) -> dict[str, Any]:
        """Return what became of the order."""
        trace, instrument = self._trace, int(new["instrument"])
        rows = trace.outcomes  # a NEW that risk rejects is answered without an id
        answers = (rows["input_seq"] == trace.order_id) & (rows["flags"] & OUTFLAG_ANSWER != 0)
        own = rows[(rows["order_id"] == trace.order_id) | answers]
        status, reason, leaves, cum, price = "open", None, int(new["qty_lots"]), 0, int(new["price_ticks"])
        names, paid = [_name(new, "cl")], 0
        for row in own:
            kind = int(row["type"])
            if kind == OUT_REJECTED and int(row["flags"]) & OUTFLAG_NEW:
                status, reason, leaves = "rejected", Reason(int(row["reason"])).name.lower(), 0
            elif kind in _ENDS:
                status, leaves, cum = _ENDS[kind], 0, int(row["cum_lots"])
                reason = Reason(int(row["reason"])).name.lower() if row["reason"] else None
            elif kind in _MOVES:
                leaves, cum = int(row["leaves_lots"]), int(row["cum_lots"])
                if kind == OUT_FILLED:
                    paid += int(row["price_ticks"]) * int(row["qty_lots"])
                    status = "open" if leaves else "filled"
                else:
                    price = int(row["price_ticks"])
                if kind == OUT_REPLACED and _name(row, "cl") not in ("", names[-1]):
                    names.append(_name(row, "cl"))
        return {
            "status": status,
            "reason": reason,
            "price": self._price(instrument, price),
            "leaves_qty": qty_of(trace.directory, instrument, leaves),
            "cum_qty": qty_of(trace.directory, instrument, cum),
            "average_price": self._average(instrument, paid, cum) if paid else None,
            "cl_ord_ids": names,
        }

    def _average(self, instrument: int, paid: int, cum: int) -> str:
        entry = self._trace.directory.instruments.get(instrument)
        tick_e8 = entry.tick_e8 if entry else E8
        exact = (Decimal(paid * tick_e8) / Decimal(cum) / E8).quantize(Decimal(1).scaleb(-8))
        return f"{exact.normalize():f}"
