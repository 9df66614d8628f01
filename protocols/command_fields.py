"""Commands as people and scripts read them: the fields that each kind uses, codes by name.

Ids, ticks and lots are those of the core. What a kind makes of fields that others use for something else is the table
in :mod:`protocols.layouts`. ``ringmatch journal dump``, ``order``, ``diff`` and ``export`` show commands this way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Any, Final

from protocols.codes import (
    FLAG_STP_MASK,
    FLAG_STP_SHIFT,
    BandMode,
    CommandFlag,
    Kind,
    OrdType,
    SelfTradeMode,
    Side,
    Tif,
    TradingState,
)
from protocols.instants import time_text
from protocols.risk_fields import RISK_FIELDS
from protocols.text import unpack_text

__all__ = ["command_fields"]

MASK64: Final = (1 << 64) - 1


def command_fields(command: Mapping[str, int]) -> dict[str, Any]:
    """Return one command (the fields of COMMAND) as its kind uses them; codes by name."""
    fields = {
        "seq": command["seq"],
        "time": time_text(command["time_ns"]),
        "time_ns": command["time_ns"],
        "seen_seq": command["seen_seq"],
        "kind": _KINDS.get(command["kind"], command["kind"]),
        "session": command["session"],
    }
    return fields | _FIELDS.get(command["kind"], _order_fields)(command)


def _names(codes: type[IntEnum]) -> dict[int, Any]:
    """Return the names of codes in lower case; 0 is none."""
    return {int(code): code.name.lower() for code in codes} | {0: None}


_KINDS: Final = _names(Kind)
_SIDES: Final = _names(Side)
_ORD_TYPES: Final = _names(OrdType)
_TIFS: Final = _names(Tif)
_MODES: Final = _names(SelfTradeMode)
_ROWS: Final = {1: "add", 2: "clear"}
_STATES: Final = _names(TradingState)
_BAND_MODES: Final = _names(BandMode)
_FLAGS: Final = [(int(flag), str(flag.name).lower()) for flag in CommandFlag]


def _text(command: Mapping[str, int], field: str) -> str:
    return unpack_text(command[f"{field}0"], command[f"{field}1"], command[f"{field}2"])


def _order_fields(command: Mapping[str, int]) -> dict[str, Any]:
    # a new order uses the fields that name another one for its terms, unless it is directed at that other
    is_new = command["kind"] == Kind.NEW and command["ord_type"] != OrdType.DIRECTED
    return {
        "cl_ord_id": _text(command, "cl"),
        "orig_cl_ord_id": None if is_new else _text(command, "orig") or None,
        "order_id": 0 if is_new else command["order_id"],
        "account": command["account"],
        "instrument": command["instrument"],
        "side": _SIDES.get(command["side"], command["side"]),
        "ord_type": _ORD_TYPES.get(command["ord_type"], command["ord_type"]),
        "tif": _TIFS.get(command["tif"], command["tif"]),
        "price_ticks": command["price_ticks"],
        "qty_lots": command["qty_lots"],
        "flags": [name for flag, name in _FLAGS if command["flags"] & flag] if command["flags"] else [],
        **(_terms(command) if is_new else {}),
        **({"stop_ticks": command["aux0"]} if command["kind"] == Kind.REPLACE and command["aux0"] else {}),
    }


def _terms(command: Mapping[str, int]) -> dict[str, Any]:
    """Return what special orders have and plain ones do not; only what there is."""
    mode = command["flags"] >> FLAG_STP_SHIFT & FLAG_STP_MASK
    terms = {
        "trail_ticks" if command["ord_type"] == OrdType.TRAILING_STOP else "stop_ticks": command["aux0"],
        "display_lots": command["order_id"],
        "min_lots": command["orig0"],
        "expiry_ns": command["aux1"],
        "self_trade_group": command["orig2"],
        "self_trade_mode": _MODES.get(mode, mode),
    }
    return {name: value for name, value in terms.items() if value}


def _mass_cancel_fields(command: Mapping[str, int]) -> dict[str, Any]:
    return {
        "cl_ord_id": _text(command, "cl"),
        "account": command["account"],
        "instrument": command["instrument"],
        "side": _SIDES.get(command["side"], command["side"]),
        **({"firm": command["aux0"]} if command["aux0"] else {}),
    }


def _venue_fields(command: Mapping[str, int]) -> dict[str, Any]:
    return {
        "max_orders": command["qty_lots"],
        "max_levels": command["aux1"],
        "max_cl_ord_ids": command["order_id"],
        "max_positions": command["aux0"],
        "max_accounts": command["account"],
        "max_instruments": command["instrument"],
        "max_sessions": command["price_ticks"],
        "max_specials": command["orig0"],
        "partitions": max(command["orig1"], 1),
    }


def _instrument_fields(command: Mapping[str, int]) -> dict[str, Any]:
    return {
        "instrument": command["instrument"],
        "symbol": _text(command, "cl"),
        "tick_e8": command["price_ticks"],
        "lot_e8": command["qty_lots"],
        "tick_value": command["aux0"],
        "low_ticks": command["order_id"],
        "high_ticks": command["aux1"],
        "protection_ticks": command["orig0"],
        "currency": unpack_text(command["orig2"], 0),
        "market_data": command["flags"] & CommandFlag.MARKET_DATA != 0,
        "group": command["account"],
        "tick_table": command["orig1"],
        "state": _state(command),
        "partition": command["tif"] or None,
    }


def _account_fields(command: Mapping[str, int]) -> dict[str, Any]:
    currency = unpack_text(command["orig2"], 0)
    return {
        "account": command["account"],
        "name": _text(command, "cl"),
        "currency": currency,
        "firm": command["instrument"],
        "prefunded": bool(command["flags"] & CommandFlag.PREFUNDED),
    }


def _open_fields(command: Mapping[str, int]) -> dict[str, Any]:
    cancels = bool(command["flags"] & CommandFlag.CANCEL_ON_CLOSE)
    return {"name": _text(command, "cl"), "port": command["orig0"], "cancel_on_close": cancels}


def _close_fields(command: Mapping[str, int]) -> dict[str, Any]:
    return {"port": command["orig0"]}


def _state(command: Mapping[str, int]) -> Any:
    return _STATES.get(command["ord_type"], command["ord_type"])


def _state_fields(command: Mapping[str, int]) -> dict[str, Any]:
    group = {} if command["instrument"] else {"group": command["account"]}
    return {"instrument": command["instrument"], **group, "state": _state(command)}


def _schedule_fields(command: Mapping[str, int]) -> dict[str, Any]:
    action = _ROWS.get(command["side"], command["side"])
    row = {"state": _state(command), "due_ns": command["aux1"], "period_ns": command["aux0"]}
    return {"action": action, "group": command["account"], **(row if action == "add" else {})}


def _bands_fields(command: Mapping[str, int]) -> dict[str, Any]:
    return {
        "instrument": command["instrument"],
        "mode": _BAND_MODES.get(command["ord_type"], command["ord_type"]),
        "static_ticks": command["order_id"],
        "dynamic_ticks": command["orig0"],
        "reference_ticks": command["price_ticks"],
        "volatility_ns": command["aux0"],
        "indication_ns": command["qty_lots"],
    }


def _tick_table_fields(command: Mapping[str, int]) -> dict[str, Any]:
    action = _ROWS.get(command["side"], command["side"])
    row = {"from_ticks": command["price_ticks"], "step_ticks": command["qty_lots"]}
    return {"action": action, "table": command["account"], **(row if action == "add" else {})}


def _book_request_fields(command: Mapping[str, int]) -> dict[str, Any]:
    return {"cl_ord_id": _text(command, "cl") or None, "instrument": command["instrument"]}


def _checkpoint_fields(command: Mapping[str, int]) -> dict[str, Any]:
    final = bool(command["flags"] & CommandFlag.FINAL)
    return {
        "checkpoint_seq": command["aux0"],
        "outcome_digest": f"{command['aux1'] & MASK64:016x}",
        "final": final,
        "state_digest": f"{command['order_id'] & MASK64:016x}" if final else None,
    }


_FIELDS: Final[dict[int, Callable[[Mapping[str, int]], dict[str, Any]]]] = {
    Kind.MASS_CANCEL: _mass_cancel_fields,
    Kind.BOOK_REQUEST: _book_request_fields,
    Kind.VENUE: _venue_fields,
    Kind.INSTRUMENT: _instrument_fields,
    Kind.ACCOUNT: _account_fields,
    Kind.SESSION_OPEN: _open_fields,
    Kind.SESSION_CLOSE: _close_fields,
    Kind.CHECKPOINT: _checkpoint_fields,
    Kind.TICK: lambda command: {},
    Kind.STATE: _state_fields,
    Kind.SCHEDULE: _schedule_fields,
    Kind.BANDS: _bands_fields,
    Kind.TICK_TABLE: _tick_table_fields,
    **RISK_FIELDS,
}
