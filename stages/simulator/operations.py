"""Administrative commands of a simulated run: what an operator, or a gateway that may, asks of a small venue.

Whom a command concerns is drawn among few, and by what it can be named; values are such that they bind now and then,
and such that most of them let orders pass again.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Final

from protocols.codes import CollarUnit, KillLevel, Kind, Limit, LimitPart, Permit, Switch, TradingState
from protocols.text import pack_text
from stages.venue import new_command

__all__ = ["ACCOUNTS", "AMPLE", "INSTRUMENTS", "draw_administrative"]

INSTRUMENTS: Final = 3
ACCOUNTS: Final = 3
FIRMS: Final = 2
AMPLE: Final = 1 << 40
UNLIMITED: Final = 1 << 60
STATES: Final = (*(TradingState.CONTINUOUS,) * 6, *TradingState)
SIDES: Final = (1, 2, 2, 2)  # engages, or releases

Fields = dict[str, int]


def _limit(chance: random.Random, wall_ns: int) -> Fields:
    whose = chance.choice(("account", "account", "instrument", "aux0", "both"))
    fields = {"account": 0, "instrument": 0}
    if whose == "both":
        fields = {"account": chance.randint(1, ACCOUNTS), "instrument": chance.randint(1, INSTRUMENTS)}
    else:
        fields[whose] = chance.randint(1, 3)
    part = chance.choice((LimitPart.VALUE, LimitPart.VALUE, LimitPart.WARNING))
    values = (50, 80) if part == LimitPart.WARNING else (-1, 3, 20, 1000, AMPLE, UNLIMITED, UNLIMITED)
    return fields | {"ord_type": chance.choice(list(Limit)), "tif": part, "qty_lots": chance.choice(values)}


def _kill(chance: random.Random, wall_ns: int) -> Fields:
    return {
        "tif": chance.choice(
            [KillLevel.VENUE, *[level for level in KillLevel if level != KillLevel.VENUE] * 3]
        ),
        "ord_type": chance.choice(list(Switch)),
        "side": chance.choice(SIDES),
        "aux0": chance.randint(0, FIRMS),
    }


def _state(chance: random.Random, wall_ns: int) -> Fields:
    return {"ord_type": chance.choice(STATES)}


def _bands(chance: random.Random, wall_ns: int) -> Fields:
    widths = {"order_id": chance.choice((0, 3)), "orig0": chance.choice((0, 2))}
    return widths | {"ord_type": chance.randint(0, 2), "aux0": 10**9, "price_ticks": chance.choice((0, 10))}


def _tick_table(chance: random.Random, wall_ns: int) -> Fields:
    return {"instrument": 0, "account": 1, "side": 1, "price_ticks": chance.choice((0, 20)), "qty_lots": 1}


def _schedule(chance: random.Random, wall_ns: int) -> Fields:
    return {
        "instrument": 0,
        "account": chance.randint(0, 2),
        "side": chance.choice((1, 1, 2)),
        "ord_type": chance.choice(STATES),
        "aux1": wall_ns + chance.choice((0, 10_000_000, 10**10)),
        "aux0": chance.choice((0, 0, 10**12)),
    }


def _mass_cancel(chance: random.Random, wall_ns: int) -> Fields:
    return {"side": chance.randint(0, 2), "aux0": chance.choice((0, 0, 1))}


def _firm(chance: random.Random, wall_ns: int) -> Fields:
    return {"aux0": chance.randint(1, FIRMS), "orig2": pack_text("USD")[0]}


def _permit(chance: random.Random, wall_ns: int) -> Fields:
    return {"ord_type": chance.choice(list(Permit)), "qty_lots": chance.choice((0, 1, 2, 3, 127, 127, -1))}


def _collar(chance: random.Random, wall_ns: int) -> Fields:
    return {
        "ord_type": chance.choice(list(CollarUnit)),
        "order_id": chance.choice((0, 0, 3, 300_000)),
        "orig0": chance.choice((0, 0, 2, 200_000)),
        "price_ticks": chance.choice((0, 10)),
        "aux0": chance.choice((0, 10**9)),
    }


def _fees(chance: random.Random, wall_ns: int) -> Fields:
    rates = ("price_ticks", "qty_lots", "order_id")
    return {name: chance.choice((-200, 0, 100, 1000)) for name in rates}


def _transfer(chance: random.Random, wall_ns: int) -> Fields:
    return {"side": chance.randint(1, 2), "qty_lots": chance.choice((1, 100, 1_000_000))}


_FIELDS: Final[dict[int, Callable[[random.Random, int], Fields]]] = {
    Kind.LIMIT: _limit,
    Kind.KILL: _kill,
    Kind.STATE: _state,
    Kind.BANDS: _bands,
    Kind.TICK_TABLE: _tick_table,
    Kind.SCHEDULE: _schedule,
    Kind.MASS_CANCEL: _mass_cancel,
    Kind.FIRM: _firm,
    Kind.PERMIT: _permit,
    Kind.COLLAR: _collar,
    Kind.FEES: _fees,
    Kind.TRANSFER: _transfer,
}


def draw_administrative(chance: random.Random, kind: int, wall_ns: int) -> Any:
    """Return a command of an administrative kind, or a MASS_CANCEL; ``wall_ns`` is the time that ingest would stamp."""
    fields = {"instrument": chance.choice((0, 1, 2, 3)), "account": chance.randint(0, ACCOUNTS)}
    if kind in _FIELDS:
        fields |= _FIELDS[kind](chance, wall_ns)
    return new_command(kind, **fields)
