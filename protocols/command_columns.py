"""Commands as columns, with names, decimals and texts; the columns of ``ringmatch export --commands``.

Columns of orders are null for administrative commands, whose fields stand in ``details`` as JSON, named as
``ringmatch journal dump`` names them (:mod:`protocols.command_fields`).
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
import numpy as np

from protocols.codes import (
    FLAG_STP_MASK,
    FLAG_STP_SHIFT,
    KIND_BOOK_REQUEST,
    KIND_CANCEL,
    KIND_INVALID,
    KIND_MASS_CANCEL,
    KIND_NEW,
    KIND_REPLACE,
    KIND_STATUS,
    TYPE_DIRECTED,
    TYPE_TRAILING_STOP,
    CommandFlag,
    Kind,
    OrdType,
    SelfTradeMode,
    Side,
    Tif,
)
from protocols.columns import (
    CODE,
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
from protocols.command_fields import command_fields
from protocols.layouts import COMMAND

__all__ = ["COMMAND_COLUMNS", "command_columns"]

COMMAND_COLUMNS: Final = (
    ColumnSpec("seq", INT64, "input sequence"),
    ColumnSpec("time", TIME, "stamp of ingest"),
    ColumnSpec("time_ns", INT64, "the same in ns since 1970"),
    ColumnSpec("seen_seq", INT64, "the feedback stamp"),
    ColumnSpec("kind", TEXT, "what is asked for: new, cancel, …"),
    ColumnSpec("session_id", INT64, ""),
    ColumnSpec("session", TEXT, "its name"),
    ColumnSpec("account_id", INT64, ""),
    ColumnSpec("account", TEXT, "its name"),
    ColumnSpec("instrument_id", INT64, ""),
    ColumnSpec("instrument", TEXT, "its symbol"),
    ColumnSpec("cl_ord_id", TEXT, ""),
    ColumnSpec("orig_cl_ord_id", TEXT, "of a request: the ClOrdID that it names"),
    ColumnSpec("order_id", INT64, "of a request: the order that it names by id"),
    ColumnSpec("side", TEXT, "buy, sell"),
    ColumnSpec("ord_type", TEXT, ""),
    ColumnSpec("tif", TEXT, "time in force"),
    ColumnSpec("price", DECIMAL, "limit"),
    ColumnSpec("price_ticks", INT64, "the same in ticks"),
    ColumnSpec("qty", DECIMAL, "quantity"),
    ColumnSpec("qty_lots", INT64, "the same in lots"),
    ColumnSpec("flags", TEXT, "names with blanks between, post_only for instance"),
    ColumnSpec("stop_price", DECIMAL, ""),
    ColumnSpec("stop_ticks", INT64, "the same in ticks"),
    ColumnSpec(
        "trail_ticks",
        INT64,
        "distance of a trailing stop order; that of a replace is in stop_ticks",
    ),
    ColumnSpec("display_lots", INT64, "of an iceberg"),
    ColumnSpec("min_lots", INT64, "minimum quantity"),
    ColumnSpec("expires", TIME, "of a GTD order"),
    ColumnSpec("self_trade_group", INT64, ""),
    ColumnSpec("self_trade_mode", TEXT, ""),
    ColumnSpec(
        "details", TEXT, "JSON: the fields of an administrative command, and the firm of a mass cancel"
    ),
)
COMMON: Final = ("seq", "time", "time_ns", "seen_seq", "kind", "session")

_KINDS: Final = code_names(Kind)
_SIDES: Final = code_names(Side)
_ORD_TYPES: Final = code_names(OrdType)
_TIFS: Final = code_names(Tif)
_MODES: Final = code_names(SelfTradeMode)
_ENCODE: Final = msgspec.json.Encoder()


def command_columns(commands: Any, names: Names) -> list[Column]:
    """Return an array of COMMAND as the columns of :data:`COMMAND_COLUMNS`."""
    kinds, everywhere = commands["kind"], np.ones(len(commands), dtype=np.bool_)
    by_client = (kinds <= KIND_BOOK_REQUEST) | (kinds == KIND_INVALID)
    of_orders = by_client & (kinds != KIND_MASS_CANCEL) & (kinds != KIND_BOOK_REQUEST)
    is_new = (kinds == KIND_NEW) & (commands["ord_type"] != TYPE_DIRECTED)
    names_one = of_orders & ~is_new
    has_qty = of_orders & (kinds != KIND_CANCEL) & (kinds != KIND_STATUS)
    is_trailing = is_new & (commands["ord_type"] == TYPE_TRAILING_STOP)
    has_stop = (is_new & ~is_trailing) | (kinds == KIND_REPLACE)

    def number(name: str, field: str, valid: Any) -> Column:
        values = commands[field].astype(np.int64)
        return Column(name, INT64, values, valid & (values != 0))

    def decimal(name: str, field: str, units: Any, valid: Any) -> Column:
        unit_e8, known = names.units(units, commands["instrument"])
        return Column(name, DECIMAL, commands[field].astype(np.int64), valid & known, unit_e8=unit_e8)

    price, stop = (of_orders & (commands["price_ticks"] != 0)), (has_stop & (commands["aux0"] != 0))
    modes = commands["flags"].astype(np.int64) >> FLAG_STP_SHIFT & FLAG_STP_MASK
    with_side = of_orders | (kinds == KIND_MASS_CANCEL)
    return [
        Column("seq", INT64, commands["seq"]),
        Column("time", TIME, commands["time_ns"]),
        Column("time_ns", INT64, commands["time_ns"]),
        Column("seen_seq", INT64, commands["seen_seq"]),
        code_column("kind", kinds, everywhere, _KINDS),
        number("session_id", "session", everywhere),
        names.column("session", commands["session"], everywhere),
        number("account_id", "account", by_client),
        names.column("account", commands["account"], by_client),
        number("instrument_id", "instrument", by_client),
        names.column("instrument", commands["instrument"], by_client),
        text_column("cl_ord_id", commands, "cl", by_client),
        text_column("orig_cl_ord_id", commands, "orig", names_one),
        number("order_id", "order_id", names_one),
        code_column("side", commands["side"], with_side, _SIDES),
        code_column("ord_type", commands["ord_type"], of_orders, _ORD_TYPES),
        code_column("tif", commands["tif"], of_orders, _TIFS),
        decimal("price", "price_ticks", names.tick_e8, price),
        number("price_ticks", "price_ticks", of_orders),
        decimal("qty", "qty_lots", names.lot_e8, has_qty),
        Column("qty_lots", INT64, commands["qty_lots"], has_qty),
        _flags(commands, of_orders),
        decimal("stop_price", "aux0", names.tick_e8, stop & (kinds == KIND_NEW)),
        number("stop_ticks", "aux0", has_stop),
        number("trail_ticks", "aux0", is_trailing),
        number("display_lots", "order_id", is_new),
        number("min_lots", "orig0", is_new),
        Column("expires", TIME, commands["aux1"], is_new & (commands["aux1"] != 0)),
        number("self_trade_group", "orig2", is_new),
        Column("self_trade_mode", CODE, modes, is_new & (modes != 0), _MODES),
        _details(commands, ~by_client | ((kinds == KIND_MASS_CANCEL) & (commands["aux0"] != 0))),
    ]


def _flags(commands: Any, valid: Any) -> Column:
    flags = commands["flags"].astype(np.int64) & sum(CommandFlag)
    return made_column("flags", flags, valid & (flags != 0), _flag_names)


def _flag_names(flags: int) -> str:
    return " ".join(str(flag.name).lower() for flag in CommandFlag if flags & flag)


def _details(commands: Any, valid: Any) -> Column:
    """Return the fields of the commands that are not about orders; few are."""
    texts, places = [""], np.zeros(len(commands), dtype=np.int64)
    fields = COMMAND.names or ()
    for row in np.nonzero(valid)[0]:
        found = command_fields(dict(zip(fields, commands[row].tolist(), strict=True)))
        if found["kind"] == "mass_cancel":
            found = {"firm": found["firm"]}
        places[row] = len(texts)
        texts.append(_ENCODE.encode({name: found[name] for name in found if name not in COMMON}).decode())
    return Column("details", CODE, places, valid, texts)
