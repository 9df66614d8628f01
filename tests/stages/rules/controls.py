"""Commands that set risk controls, sent through a desk, for the rules by example."""

from __future__ import annotations

from typing import Any, NamedTuple

from protocols.codes import (
    CollarUnit,
    KillLevel,
    Kind,
    Limit,
    OutcomeType,
    Permit,
    Reason,
    Switch,
)
from tests.twin.records import Outcome, make_command
from tests.twin.scenario import USD, Desk

UNLIMITED = 2**60
UNSET = -1
ENGAGE, RELEASE = 1, 2
DEPOSIT, WITHDRAW = 1, 2


class Told(NamedTuple):
    """What an answer tells: the reason of a rejection, or NONE; quantity and leaves."""

    reason: Reason
    qty: int
    leaves: int


def told(outcomes: list[Outcome]) -> Told:
    """Return what the answer to an administrative command tells."""
    last = outcomes[-1]
    rejected = last.type == OutcomeType.REJECTED
    return Told(Reason(last.reason) if rejected else Reason.NONE, last.qty_lots, last.leaves_lots)


def set_limit(desk: Desk, which: int, value: int, *, part: int = 0, **whose: int) -> Told:
    """Set a limit of account 1, or of whom ``account``, ``instrument`` and ``aux0`` (firm) name."""
    fields = whose or {"account": 1}
    return told(desk.send(make_command(Kind.LIMIT, ord_type=which, tif=part, qty_lots=value, **fields)))


def define_firm(
    desk: Desk, firm: int = 1, name: str = "FIRM", *, value: int = UNLIMITED, currency: int = USD
) -> Told:
    """Define a firm, all of whose limits are ``value``."""
    answer = told(desk.send(make_command(Kind.FIRM, aux0=firm, cl=name, orig2=currency)))
    for which in (Limit.CREDIT, Limit.GROSS_NOTIONAL, Limit.ORDER_RATE, Limit.ORDER_BURST):
        set_limit(desk, which, value, aux0=firm)
    return answer


def join(desk: Desk, firm: int, account: int = 1, name: str = "ALICE", **fields: int) -> Told:
    """Let an account join a firm."""
    values = {"account": account, "instrument": firm, "orig2": USD, **fields}
    return told(desk.send(make_command(Kind.ACCOUNT, cl=name, **values)))


def fund(desk: Desk, account: int = 3, name: str = "CAROL", *, cash: int = 0, lots: int = 0) -> None:
    """Define a pre-funded account with unlimited limits, cash and lots of instrument 1."""
    join(desk, 0, account, name, flags=2048)
    desk.limits(UNLIMITED, account)
    if cash:
        assert transfer(desk, cash, account=account).reason is Reason.NONE
    if lots:
        assert transfer(desk, lots, account=account, instrument=1).reason is Reason.NONE


def switch(
    desk: Desk, level: int, which: int = Switch.KILLED, side: int = ENGAGE, name: str = "", **whose: int
) -> Told:
    """Engage a switch, or release it."""
    return told(desk.send(make_command(Kind.KILL, tif=level, ord_type=which, side=side, orig=name, **whose)))


def switch_account(desk: Desk, which: int = Switch.KILLED, side: int = ENGAGE, account: int = 1) -> Told:
    """Engage or release a switch of an account."""
    return switch(desk, KillLevel.ACCOUNT, which, side, account=account)


def permit(desk: Desk, what: Permit, value: int, name: str = "", **whose: int) -> Told:
    """Permit something, or revoke it."""
    return told(desk.send(make_command(Kind.PERMIT, ord_type=what, qty_lots=value, orig=name, **whose)))


def collar(
    desk: Desk,
    *,
    static: int = 0,
    dynamic: int = 0,
    reference: int = 0,
    age_ns: int = 0,
    unit: int = CollarUnit.TICKS,
    instrument: int = 1,
) -> Told:
    """Set the collars of an instrument."""
    fields: dict[str, Any] = {"order_id": static, "orig0": dynamic, "price_ticks": reference, "aux0": age_ns}
    return told(desk.send(make_command(Kind.COLLAR, instrument=instrument, ord_type=unit, **fields)))


def fees(
    desk: Desk, maker: int, taker: int, auction: int = 0, *, account: int = 4, instrument: int = 1
) -> Told:
    """Set the fee rates of an instrument, in millionths, and who gets the fees."""
    fields = {"price_ticks": maker, "qty_lots": taker, "order_id": auction}
    return told(desk.send(make_command(Kind.FEES, instrument=instrument, account=account, **fields)))


def transfer(
    desk: Desk,
    amount: int,
    side: int = DEPOSIT,
    *,
    account: int = 1,
    instrument: int = 0,
    cl: str | None = None,
) -> Told:
    """Deposit or withdraw cash, or lots of an instrument."""
    reference = f"T{desk.seq}" if cl is None else cl
    fields = {"account": account, "instrument": instrument, "side": side, "qty_lots": amount}
    return told(desk.send(make_command(Kind.TRANSFER, cl=reference, **fields)))


def resting(desk: Desk) -> list[tuple[int, int, int]]:
    """Return (order id, price, leaves) of all orders in the books, stop orders too, in the order of the books."""
    return [(row.order_id, row.price, row.leaves) for row in desk.core.dump_books()]


def begin_day(desk: Desk) -> Told:
    """Begin a day."""
    return told(desk.send(make_command(Kind.DAY_BEGIN)))
