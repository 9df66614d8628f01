"""Columns of commands and outcomes: what JSON lines and journal dumps say of the same records, value by value."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest

from protocols.codes import FLAG_STP_SHIFT, CommandFlag, Kind, OrdType, Side, Tif
from protocols.columns import Column, ColumnSpec, Names
from protocols.command_columns import COMMAND_COLUMNS, command_columns
from protocols.command_fields import command_fields
from protocols.directory import AccountEntry, Directory, InstrumentEntry
from protocols.layouts import COMMAND, OUTCOME
from protocols.outcome_columns import OUTCOME_COLUMNS, outcome_columns
from protocols.text import pack_text
from stages.table_files import _values
from tests.structure.tree import ROOT

pytestmark = pytest.mark.jitoff

DIRECTORY = Directory(
    [InstrumentEntry(1, "ACME", 10**6, 10**8), InstrumentEntry(3, "COIN", 5 * 10**5, 10**4)],
    [AccountEntry(2, "BOB")],
)
NAMES = Names.of(DIRECTORY, {1: "FIRM1"})


def rows_of(columns: list[Column]) -> list[dict[str, Any]]:
    """Return columns as rows of plain values."""
    lists = {column.name: _values(column) for column in columns}
    return [dict(zip(lists, values, strict=True)) for values in zip(*lists.values(), strict=True)]


def command(kind: int, **fields: Any) -> Any:
    """Return an array of one command."""
    row = np.zeros(1, dtype=COMMAND)
    row["kind"], row["seq"], row["time_ns"], row["seen_seq"] = kind, 7, 1_800_000_000_000_000_001, 5
    for name, value in fields.items():
        if name in ("cl", "orig"):
            for word, part in enumerate(pack_text(value)):
                row[f"{name}{word}"] = part
        else:
            row[name] = value
    return row


def one(row: Any) -> dict[str, Any]:
    """Return the only row of a command's columns, without what is null."""
    (found,) = rows_of(command_columns(row, NAMES))
    return {name: value for name, value in found.items() if value is not None}


COMMON = {
    "seq": 7,
    "time": "2027-01-15T08:00:00.000000001Z",
    "time_ns": 1_800_000_000_000_000_001,
    "seen_seq": 5,
}
OF_ACME = {"account_id": 2, "account": "BOB", "instrument_id": 1, "instrument": "ACME"}


def test_a_new_order_has_its_terms() -> None:
    """Ids and names, ticks and decimals, codes by name, and the terms of special orders where their fields are."""
    row = command(
        Kind.NEW, session=1, account=2, instrument=1, side=int(Side.BUY), ord_type=int(OrdType.STOP_LIMIT),
        tif=int(Tif.GTD), price_ticks=1234, qty_lots=50, order_id=10, orig0=5, orig2=9, aux0=1200,
        aux1=1_800_000_000_000_000_001,
        flags=int(CommandFlag.POST_ONLY) | 2 << FLAG_STP_SHIFT, cl="C1",
    )  # fmt: skip
    assert one(row) == COMMON | OF_ACME | {
        "kind": "new", "session_id": 1, "session": "FIRM1", "cl_ord_id": "C1", "side": "buy", "ord_type": "stop_limit",
        "tif": "gtd", "price": "12.34", "price_ticks": 1234, "qty": "50", "qty_lots": 50, "flags": "post_only",
        "stop_price": "12.00", "stop_ticks": 1200, "display_lots": 10, "min_lots": 5,
        "expires": "2027-01-15T08:00:00.000000001Z", "self_trade_group": 9, "self_trade_mode": "oldest",
    }  # fmt: skip


def test_requests_name_their_orders() -> None:
    """A replace has the order that it names, by id or by ClOrdID, and a new price; a cancel no quantity."""
    row = command(
        Kind.REPLACE,
        session=9,
        account=2,
        instrument=1,
        order_id=44,
        price_ticks=10,
        qty_lots=3,
        aux0=8,
        cl="N",
        orig="O",
    )
    assert one(row) == COMMON | OF_ACME | {
        "kind": "replace", "session_id": 9, "cl_ord_id": "N", "orig_cl_ord_id": "O", "order_id": 44, "price": "0.10",
        "price_ticks": 10, "qty": "3", "qty_lots": 3, "stop_ticks": 8,
    }  # fmt: skip
    assert one(command(Kind.CANCEL, session=1, cl="N", orig="O")) == COMMON | {
        "kind": "cancel", "session_id": 1, "session": "FIRM1", "cl_ord_id": "N", "orig_cl_ord_id": "O",
    }  # fmt: skip


def test_administration_stands_in_details() -> None:
    """The fields of an administrative command are those of a journal dump; columns of orders stay null."""
    for row in (
        command(Kind.INSTRUMENT, instrument=1, account=4, price_ticks=10**6, qty_lots=10**8, cl="ACME"),
        command(Kind.CHECKPOINT, aux0=6, aux1=-1),
        command(Kind.SESSION_OPEN, cl="FIRM1", orig0=3),
        command(Kind.TICK),
    ):
        found = one(row)
        dumped = command_fields(dict(zip(COMMAND.names or (), row.tolist()[0], strict=True)))
        details = json.loads(found.pop("details"))
        assert details == {name: dumped[name] for name in dumped if name not in (*COMMON, "kind", "session")}
        assert found == COMMON | {"kind": dumped["kind"]}
    swept = one(command(Kind.MASS_CANCEL, session=1, account=2, side=2, aux0=6))
    assert (swept["details"], swept["account"], swept["side"]) == ('{"firm":6}', "BOB", "sell")
    assert "details" not in one(command(Kind.MASS_CANCEL, session=1))


def test_what_is_unknown_has_numbers_and_no_names() -> None:
    """Ids and codes that nothing defines show as numbers; decimals need an instrument."""
    row = command(
        Kind.NEW, session=5, account=77, instrument=2, side=9, ord_type=99, price_ticks=4, qty_lots=-1, cl="X"
    )
    found = one(row)
    assert (found["account_id"], found["instrument_id"], found["session_id"]) == (77, 2, 5)
    assert (found["side"], found["ord_type"], found["price_ticks"], found["qty_lots"]) == ("9", "99", 4, -1)
    assert not found.keys() & {"account", "instrument", "session", "price", "qty"}


def test_texts_that_are_not_ascii_are_questioned() -> None:
    """Bytes beyond ASCII show as ``?``, as everywhere, and so do zeros within a text."""
    row = command(Kind.NEW)
    row["cl0"] = int.from_bytes(b"A\xe9\xffB", "little")
    assert one(row)["cl_ord_id"] == "A??B"
    row["cl0"], row["cl2"] = int.from_bytes(b"\0A\0", "little"), int.from_bytes(b"Z", "little")
    assert one(row)["cl_ord_id"] == f"?A{'?' * 14}Z"


def test_decimals_follow_tick_and_lot() -> None:
    """Prices have the decimals of the tick, quantities those of the lot."""
    row = command(Kind.NEW, instrument=3, price_ticks=3, qty_lots=12345)
    assert (one(row)["price"], one(row)["qty"]) == ("0.015", "1.2345")


def test_no_rows_are_no_rows() -> None:
    """An empty array has all columns."""
    for columns, specs in (
        (command_columns(np.zeros(0, COMMAND), NAMES), COMMAND_COLUMNS),
        (outcome_columns(np.zeros(0, OUTCOME), NAMES), OUTCOME_COLUMNS),
    ):
        assert [column.name for column in columns] == [spec.name for spec in specs]
        assert all(len(column.values) == 0 for column in columns)


@pytest.mark.parametrize("specs", [COMMAND_COLUMNS, OUTCOME_COLUMNS], ids=["commands", "outcomes"])
def test_columns_are_documented(specs: tuple[ColumnSpec, ...]) -> None:
    """docs/export.md has a row for each column, in order, with its type and its meaning."""
    text = (ROOT / "docs" / "export.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| ([^|]*?) ?\|$", text, re.MULTILINE)
    wanted = [(spec.name, spec.type, spec.meaning) for spec in specs]
    start = rows.index(wanted[0])
    assert rows[start : start + len(wanted)] == wanted
