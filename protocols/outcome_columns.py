"""Outcomes as columns, with names, decimals and texts; the columns of ``ringmatch export --outcomes``.

Taken are the outcomes of orders, which :mod:`protocols.outcome_lines` writes too, and the answers to administrative
commands and to requests for a book, so that each command but VENUE, CHECKPOINT and TICK has one row that answers
it. Market data is left out: ``ringmatch replay --feed`` writes it.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from protocols.codes import (
    E8,
    OUT_FILLED,
    OUT_MASS_CANCELLED,
    OUT_STATE_CHANGED,
    OUTFLAG_ANSWER,
    OUTFLAG_AUCTION,
    OUTFLAG_MAKER,
    OUTFLAG_REPRICED,
    OUTFLAG_RISK,
    OUTFLAG_TAKER,
    OUTFLAG_UNSOLICITED,
    Kind,
    OutcomeType,
    Reason,
    Side,
)
from protocols.columns import (
    BOOL,
    DECIMAL,
    INT64,
    TEXT,
    TIME,
    Column,
    ColumnSpec,
    Names,
    code_column,
    code_names,
    made_column,
    text_column,
)
from protocols.outcomes import tell_of_orders

__all__ = ["OUTCOME_COLUMNS", "is_exported", "outcome_columns"]

OUTCOME_COLUMNS: Final = (
    ColumnSpec("seq", INT64, "sequence of the command"),
    ColumnSpec("index", INT64, "place among its outcomes"),
    ColumnSpec("time", TIME, "stamp of the command"),
    ColumnSpec("time_ns", INT64, "the same in ns since 1970"),
    ColumnSpec("type", TEXT, "accepted, rejected, filled, …"),
    ColumnSpec("kind", TEXT, "of the command"),
    ColumnSpec("order_id", INT64, ""),
    ColumnSpec("cl_ord_id", TEXT, ""),
    ColumnSpec("orig_cl_ord_id", TEXT, ""),
    ColumnSpec("session_id", INT64, ""),
    ColumnSpec("session", TEXT, "its name"),
    ColumnSpec("account_id", INT64, ""),
    ColumnSpec("account", TEXT, "its name"),
    ColumnSpec("instrument_id", INT64, ""),
    ColumnSpec("instrument", TEXT, "its symbol"),
    ColumnSpec("side", TEXT, "buy, sell"),
    ColumnSpec("price", DECIMAL, "of a fill: of the trade"),
    ColumnSpec("price_ticks", INT64, "the same in ticks"),
    ColumnSpec("qty", DECIMAL, "of a fill: of the trade; of mass_cancelled: how many orders"),
    ColumnSpec("qty_lots", INT64, "the same in lots"),
    ColumnSpec("leaves_qty", DECIMAL, "what the order has left"),
    ColumnSpec("leaves_lots", INT64, "the same in lots"),
    ColumnSpec("cum_qty", DECIMAL, "what was traded so far"),
    ColumnSpec("cum_lots", INT64, "the same in lots"),
    ColumnSpec("liquidity", TEXT, "maker, taker, auction"),
    ColumnSpec("trade_id", TEXT, "the same on both sides of a trade"),
    ColumnSpec("reason", TEXT, "why a command was rejected, or an order ended"),
    ColumnSpec("answer", BOOL, "the one outcome that answers the command"),
    ColumnSpec("unsolicited", BOOL, "not asked for by the order's owner with this command"),
    ColumnSpec("repriced", BOOL, "accepted at another price than asked for"),
    ColumnSpec("by_risk", BOOL, "rejected by risk, before matching"),
)

_TYPES: Final = code_names(OutcomeType)
_KINDS: Final = code_names(Kind)
_SIDES: Final = code_names(Side)
_REASONS: Final = code_names(Reason)
_ROLES: Final = OUTFLAG_TAKER | OUTFLAG_MAKER | OUTFLAG_AUCTION
_LIQUIDITY: Final = {OUTFLAG_TAKER: "taker", OUTFLAG_MAKER: "maker", OUTFLAG_AUCTION: "auction"}


def is_exported(outcomes: Any) -> Any:
    """Return a mask of the outcomes that have rows."""
    return outcomes["type"] < OUT_STATE_CHANGED


def outcome_columns(outcomes: Any, names: Names) -> list[Column]:
    """Return an array of OUTCOME as the columns of :data:`OUTCOME_COLUMNS`."""
    of_orders, everywhere = tell_of_orders(outcomes), np.ones(len(outcomes), dtype=np.bool_)
    flags, types = outcomes["flags"].astype(np.int64), outcomes["type"]
    is_count = types == OUT_MASS_CANCELLED

    def number(name: str, field: str, valid: Any, *, zero_is_none: bool = True) -> Column:
        values = outcomes[field].astype(np.int64)
        return Column(name, INT64, values, valid & (values != 0) if zero_is_none else valid)

    def flag(name: str, bit: int) -> Column:
        return Column(name, BOOL, flags & bit != 0)

    tick_e8, has_ticks = names.units(names.tick_e8, outcomes["instrument"])
    lot_e8, has_lots = names.units(names.lot_e8, outcomes["instrument"])
    lot_e8, has_lots = np.where(is_count, E8, lot_e8), has_lots | is_count

    def quantity(name: str, field: str) -> Column:
        values = outcomes[field].astype(np.int64)
        return Column(name, DECIMAL, values, of_orders & has_lots, unit_e8=lot_e8)

    has_price = of_orders & has_ticks & (outcomes["price_ticks"] != 0)
    return [
        Column("seq", INT64, outcomes["input_seq"]),
        Column("index", INT64, outcomes["index"].astype(np.int64)),
        Column("time", TIME, outcomes["time_ns"]),
        Column("time_ns", INT64, outcomes["time_ns"]),
        code_column("type", types, everywhere, _TYPES),
        code_column("kind", outcomes["kind"], everywhere, _KINDS),
        number("order_id", "order_id", of_orders),
        text_column("cl_ord_id", outcomes, "cl", of_orders),
        text_column("orig_cl_ord_id", outcomes, "orig", of_orders),
        number("session_id", "session", everywhere),
        names.column("session", outcomes["session"], everywhere),
        number("account_id", "account", of_orders),
        names.column("account", outcomes["account"], of_orders),
        number("instrument_id", "instrument", of_orders),
        names.column("instrument", outcomes["instrument"], of_orders),
        code_column("side", outcomes["side"], of_orders, _SIDES),
        Column("price", DECIMAL, outcomes["price_ticks"], has_price, unit_e8=tick_e8),
        number("price_ticks", "price_ticks", of_orders),
        quantity("qty", "qty_lots"),
        number("qty_lots", "qty_lots", of_orders, zero_is_none=False),
        quantity("leaves_qty", "leaves_lots"),
        number("leaves_lots", "leaves_lots", of_orders, zero_is_none=False),
        quantity("cum_qty", "cum_lots"),
        number("cum_lots", "cum_lots", of_orders, zero_is_none=False),
        made_column("liquidity", flags & _ROLES, flags & _ROLES != 0, lambda role: _LIQUIDITY.get(role, "")),
        _trade_ids(outcomes, types == OUT_FILLED),
        code_column("reason", outcomes["reason"], everywhere, _REASONS),
        flag("answer", OUTFLAG_ANSWER),
        flag("unsolicited", OUTFLAG_UNSOLICITED),
        flag("repriced", OUTFLAG_REPRICED),
        flag("by_risk", OUTFLAG_RISK),
    ]


def _trade_ids(outcomes: Any, is_fill: Any) -> Column:
    """Return ``seq-n`` of fills, as outcome lines have it."""
    texts = np.zeros(len(outcomes), dtype="S42")
    fills = outcomes[is_fill]
    pairs = zip(fills["input_seq"].tolist(), fills["trade_index"].tolist(), strict=True)
    texts[is_fill] = [f"{seq}-{trade}".encode() for seq, trade in pairs]
    return Column("trade_id", TEXT, texts, is_fill)
