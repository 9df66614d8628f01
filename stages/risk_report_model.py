"""What the risk report consists of: plain structs, printed by ``ringmatch risk report`` and written as JSON.

Made by :mod:`stages.risk_report`, and by :mod:`stages.reconcile` where two sources are held against each other. Numbers
are those of the core: lots, ticks, millionths of money, nanoseconds. Money has its decimals beside it in fields
``…_text``. Sums over all accounts that do not fit into int64 are decimal texts.
"""

from __future__ import annotations

import msgspec

from stages.limits_view import LimitUse

__all__ = [
    "AccountReport",
    "Engaged",
    "FirmReport",
    "InstrumentReport",
    "LotsRow",
    "MoneyRow",
    "OrdersRow",
    "PositionReport",
    "Reconciliation",
    "RiskReport",
    "VenueReport",
    "Whole",
    "whole",
]


Whole = int | str  # a sum, as a decimal text where it does not fit into int64


def whole(number: int) -> Whole:
    """Return a sum as JSON can bear it."""
    return number if -(1 << 63) <= number < 1 << 63 else str(number)


class PositionReport(msgspec.Struct, frozen=True, kw_only=True):
    """What an account has in one instrument; ``mark`` is its worth when it was marked last."""

    instrument: str
    position: int
    open_buy: int
    open_sell: int
    open_orders: int
    mark: int
    mark_text: str


class AccountReport(msgspec.Struct, frozen=True, kw_only=True):
    """One account; ``free`` is what it may still reserve, None for without end."""

    id: int
    name: str
    firm: int
    currency: str
    mode: str  # credit or prefunded
    switches: list[str]
    positions: list[PositionReport]
    open_orders: int
    cash: int
    cash_text: str
    reserved_buy: int
    reserved_buy_text: str
    reserved_sell: int
    reserved_sell_text: str
    free: int | None
    free_text: str
    traded: int
    traded_text: str
    messages: int
    fills: int
    loss: int
    loss_text: str
    limits: list[LimitUse]
    warnings: int


class FirmReport(msgspec.Struct, frozen=True, kw_only=True):
    """One firm: sums over its accounts; cash and what is reserved for credit leave out those that are pre-funded."""

    id: int
    name: str
    currency: str
    switches: list[str]
    accounts: list[str]
    cash: int
    cash_text: str
    credit_reserved: int
    credit_reserved_text: str
    reserved: int
    reserved_text: str
    traded: int
    traded_text: str
    limits: list[LimitUse]
    warnings: int


class InstrumentReport(msgspec.Struct, frozen=True, kw_only=True):
    """One instrument: its switches, its last trade, and who holds how much of it together."""

    id: int
    symbol: str
    currency: str
    switches: list[str]
    last_ticks: int
    last_text: str
    limits: list[LimitUse]


class Engaged(msgspec.Struct, frozen=True, kw_only=True):
    """A switch that is engaged: where, by whom, when.

    Of the throttle, which risk engages, the time is not known (0); nor is it, nor by whom, of a switch that was engaged
    before a report that begins behind a snapshot.
    """

    level: str
    name: str
    switch: str
    by: str
    time_ns: int
    seq: int


class VenueReport(msgspec.Struct, frozen=True, kw_only=True):
    """The venue: its day, all switches that are engaged anywhere, rejections by reason."""

    day: int
    day_began_ns: int
    open_orders: int
    engaged: list[Engaged]
    rejects: dict[str, int]


class MoneyRow(msgspec.Struct, frozen=True, kw_only=True):
    """One currency, or one instrument in lots: what all accounts hold, and what was deposited less withdrawn."""

    what: str
    opening: Whole  # what they held where the report began
    opening_text: str
    held: Whole
    held_text: str
    transferred: Whole
    transferred_text: str
    ok: bool


class OrdersRow(msgspec.Struct, frozen=True, kw_only=True):
    """Orders sequenced, and what became of them."""

    new: int
    rejected_by_risk: int
    rejected_by_matching: int
    accepted: int
    ok: bool


class LotsRow(msgspec.Struct, frozen=True, kw_only=True):
    """Lots accepted, and what became of them."""

    opening: Whole  # what rested where the report began
    accepted: Whole
    added: Whole  # by replaces
    filled: Whole
    ended: Whole  # cancelled and expired
    reduced: Whole
    resting: Whole  # by the books
    ok: bool


class Reconciliation(msgspec.Struct, frozen=True, kw_only=True):
    """Both reconciliations."""

    ok: bool
    money: list[MoneyRow]
    orders: OrdersRow
    lots: LotsRow


class RiskReport(msgspec.Struct, frozen=True, kw_only=True):
    """All that ``risk report --json`` prints."""

    seq: int
    since_seq: int  # what is reconciled came after this one, and who engaged switches is known from there on
    time_ns: int
    accounts: list[AccountReport]
    firms: list[FirmReport]
    instruments: list[InstrumentReport]
    venue: VenueReport
    reconciliation: Reconciliation
