"""Commands that set risk controls as people and scripts read them; part of :mod:`protocols.command_fields`.

Whose a command is stands in the fields that it uses: a firm, an account, an instrument, a session by name. ``by`` is
who gave it, null where nobody is named.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Any, Final

from protocols.codes import (
    LIMIT_PART_WARNING,
    Access,
    CollarUnit,
    CommandFlag,
    KillLevel,
    Kind,
    Limit,
    OrdType,
    Permit,
    Switch,
    Tif,
)
from protocols.text import unpack_text

__all__ = ["RISK_FIELDS"]

Command = Mapping[str, int]


def _names(codes: type[IntEnum]) -> dict[int, str]:
    return {int(code): code.name.lower() for code in codes}


_LIMITS: Final = _names(Limit)
_LEVELS: Final = _names(KillLevel)
_PERMITS: Final = _names(Permit)
_ACCESS: Final = _names(Access)
_UNITS: Final = _names(CollarUnit)
_SWITCHES: Final = {int(switch): str(switch.name).lower() for switch in Switch}
_ACTIONS: Final = {1: "engage", 2: "release"}
_TRANSFERS: Final = {1: "deposit", 2: "withdraw"}
_BITS: Final[dict[int, type[IntEnum]]] = {Permit.ORDER_TYPES: OrdType, Permit.TIFS: Tif}
_GROUP_BITS: Final = 64


def _named(names: Mapping[int, str], code: int) -> Any:
    return names.get(code, code or None)


def _text(command: Command, field: str) -> str:
    return unpack_text(command[f"{field}0"], command[f"{field}1"], command[f"{field}2"])


def _by(command: Command, field: str = "cl") -> dict[str, Any]:
    return {"by": _text(command, field) or None}


def _whose(command: Command) -> dict[str, Any]:
    """Return the ids of a firm, an account and an instrument that are there."""
    fields = {"firm": "aux0", "account": "account", "instrument": "instrument"}
    return {name: command[field] for name, field in fields.items() if command[field]}


def _firm(command: Command) -> dict[str, Any]:
    currency = unpack_text(command["orig2"], 0)
    return {"firm": command["aux0"], "name": _text(command, "cl"), "currency": currency}


def _limit(command: Command) -> dict[str, Any]:
    what = "warn_percent" if command["tif"] == LIMIT_PART_WARNING else "value"
    return {
        **_whose(command),
        "limit": _named(_LIMITS, command["ord_type"]),
        what: command["qty_lots"],
        "configured": bool(command["flags"] & CommandFlag.CONFIGURED),
        **_by(command),
    }


def _kill(command: Command) -> dict[str, Any]:
    level = command["tif"]
    whom: dict[int, dict[str, Any]] = {
        KillLevel.FIRM: {"firm": command["aux0"]},
        KillLevel.ACCOUNT: {"account": command["account"]},
        KillLevel.SESSION: {"name": _text(command, "orig")},
        KillLevel.INSTRUMENT: {"instrument": command["instrument"]},
    }
    return {
        "action": _named(_ACTIONS, command["side"]),
        "level": _named(_LEVELS, level),
        **whom.get(level, {}),
        "switch": _named(_SWITCHES, command["ord_type"]),
        **_by(command),
    }


def _permit(command: Command) -> dict[str, Any]:
    what, value = command["ord_type"], command["qty_lots"]
    name = {"name": _text(command, "orig")} if what == Permit.SESSION else {}
    shown: Any = value
    if what in _BITS:
        shown = [code.name.lower() for code in _BITS[what] if value >> code & 1]
    elif what == Permit.GROUPS:
        shown = "all" if value == -1 else [bit for bit in range(_GROUP_BITS) if value >> bit & 1]
    elif what == Permit.INSTRUMENT:
        shown = _ACCESS.get(value, value)
    whose = {field: command[field] for field in ("account", "instrument") if command[field]}
    return {"permit": _named(_PERMITS, what), **name, **whose, "value": shown, **_by(command)}


def _collar(command: Command) -> dict[str, Any]:
    return {
        "instrument": command["instrument"],
        "unit": _named(_UNITS, command["ord_type"]),
        "static_width": command["order_id"],
        "dynamic_width": command["orig0"],
        "reference_ticks": command["price_ticks"],
        "age_ns": command["aux0"],
        **_by(command),
    }


def _fees(command: Command) -> dict[str, Any]:
    return {
        "instrument": command["instrument"],
        "account": command["account"],
        "maker_millionths": command["price_ticks"],
        "taker_millionths": command["qty_lots"],
        "auction_millionths": command["order_id"],
        **_by(command),
    }


def _transfer(command: Command) -> dict[str, Any]:
    what = "lots" if command["instrument"] else "millionths"
    return {
        "action": _named(_TRANSFERS, command["side"]),
        "account": command["account"],
        "instrument": command["instrument"],
        what: command["qty_lots"],
        "reference": _text(command, "cl"),
        **_by(command, "orig"),
    }


RISK_FIELDS: Final[dict[int, Callable[[Command], dict[str, Any]]]] = {
    Kind.FIRM: _firm,
    Kind.LIMIT: _limit,
    Kind.KILL: _kill,
    Kind.PERMIT: _permit,
    Kind.COLLAR: _collar,
    Kind.FEES: _fees,
    Kind.TRANSFER: _transfer,
    Kind.DAY_BEGIN: _by,
}
