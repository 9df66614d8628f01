"""Constructors of the commands that set risk controls: each fills the fields that the layout names."""

from __future__ import annotations

from typing import Any

import pytest

from protocols.codes import Access, CollarUnit, CommandFlag, KillLevel, Kind, Limit, LimitPart, Permit, Switch
from protocols.risk_commands import (
    collar,
    day_begin,
    define_account,
    define_firm,
    deposit,
    fees,
    kill,
    permit,
    permit_session,
    release,
    set_limits,
    set_warnings,
    withdraw,
)
from protocols.text import pack_text, unpack_text

pytestmark = pytest.mark.jitoff
USD = pack_text("USD")[0]


def fields(commands: Any) -> dict[str, Any]:
    """Return the fields of one command that are not 0, texts as texts."""
    [row] = commands
    told = {name: int(row[name]) for name in commands.dtype.names if row[name]}
    for text in ("cl", "orig"):
        words = [told.pop(f"{text}{word}", 0) for word in range(2)]
        if any(words):
            told[text] = unpack_text(*words)
    return told


@pytest.mark.parametrize(
    ("commands", "wanted"),
    [
        (define_firm(3, "ALPHA"), {"kind": Kind.FIRM, "aux0": 3, "cl": "ALPHA", "orig2": USD}),
        (
            define_account(2, "ACC", firm=3, prefunded=True),
            {
                "kind": Kind.ACCOUNT,
                "account": 2,
                "cl": "ACC",
                "orig2": USD,
                "instrument": 3,
                "flags": CommandFlag.PREFUNDED,
            },
        ),
        (
            set_limits(Limit.CREDIT, 5, firm=3, by="me"),
            {"kind": Kind.LIMIT, "ord_type": Limit.CREDIT, "qty_lots": 5, "aux0": 3, "cl": "me"},
        ),
        (
            set_warnings(Limit.MAX_LONG, 80, account=1, configured=True),
            {
                "kind": Kind.LIMIT,
                "tif": LimitPart.WARNING,
                "ord_type": Limit.MAX_LONG,
                "qty_lots": 80,
                "account": 1,
                "flags": CommandFlag.CONFIGURED,
            },
        ),
        (
            kill(KillLevel.SESSION, session="DESK", by="me"),
            {
                "kind": Kind.KILL,
                "side": 1,
                "tif": KillLevel.SESSION,
                "ord_type": Switch.KILLED,
                "orig": "DESK",
                "cl": "me",
            },
        ),
        (
            release(KillLevel.FIRM, switch=Switch.REDUCING, firm=4),
            {"kind": Kind.KILL, "side": 2, "tif": KillLevel.FIRM, "ord_type": Switch.REDUCING, "aux0": 4},
        ),
        (
            permit(Permit.INSTRUMENT, Access.DENIED, account=1, instrument=2),
            {
                "kind": Kind.PERMIT,
                "ord_type": Permit.INSTRUMENT,
                "qty_lots": Access.DENIED,
                "account": 1,
                "instrument": 2,
            },
        ),
        (
            permit_session("DESK", 1, account=2),
            {"kind": Kind.PERMIT, "ord_type": Permit.SESSION, "qty_lots": 1, "account": 2, "orig": "DESK"},
        ),
        (
            collar(1, static=5, dynamic=6, unit=CollarUnit.MILLIONTHS, reference=7, age_ns=8),
            {
                "kind": Kind.COLLAR,
                "instrument": 1,
                "ord_type": 2,
                "order_id": 5,
                "orig": unpack_text(6, 0),
                "price_ticks": 7,
                "aux0": 8,
            },
        ),
        (
            fees(1, maker=-1, taker=2, auction=3, account=4),
            {
                "kind": Kind.FEES,
                "instrument": 1,
                "price_ticks": -1,
                "qty_lots": 2,
                "order_id": 3,
                "account": 4,
            },
        ),
        (
            deposit(1, 50, "D1", by="me"),
            {"kind": Kind.TRANSFER, "side": 1, "account": 1, "qty_lots": 50, "cl": "D1", "orig": "me"},
        ),
        (
            withdraw(1, 5, "W1", instrument=2),
            {"kind": Kind.TRANSFER, "side": 2, "account": 1, "instrument": 2, "qty_lots": 5, "cl": "W1"},
        ),
        (day_begin("me"), {"kind": Kind.DAY_BEGIN, "cl": "me"}),
    ],
)
def test_fields_are_those_of_the_layout(commands: Any, wanted: dict[str, Any]) -> None:
    """Nothing but what the table of protocols/layouts.py names is set."""
    assert fields(commands) == wanted


def test_columns_are_broadcast() -> None:
    """One limit of many accounts, many limits of one."""
    assert set_limits(Limit.CREDIT, [1, 2, 3], account=[4, 5, 6])["account"].tolist() == [4, 5, 6]
    assert set_limits(list(Limit), 7, account=1)["ord_type"].tolist() == list(Limit)
    with pytest.raises(TypeError, match="expected fields of a command, was 'acount'"):
        kill(KillLevel.ACCOUNT, acount=1)
