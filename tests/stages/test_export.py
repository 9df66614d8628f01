"""Export: what is read back from Parquet, CSV and JSON lines is, row for row, what the journal and its replay hold."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.codes import OUTFLAG_ANSWER, CommandFlag, Kind, OrdType, SelfTradeMode, Side, Tif
from protocols.columns import DECIMAL, INT64, TEXT, Column, ColumnSpec
from protocols.command_columns import COMMAND_COLUMNS
from protocols.command_fields import command_fields
from protocols.instants import time_text
from protocols.layouts import COMMAND
from protocols.outcome_columns import OUTCOME_COLUMNS
from protocols.outcome_lines import OutcomeLines
from protocols.outcomes import tell_of_orders
from stages.definitions import directory_of
from stages.export import export_journal
from stages.history import session_names_of
from stages.table_files import MissingExtra, UnknownFormat, _times, open_table
from tests.stages.test_order_life import Desk

pytestmark = pytest.mark.jitoff

Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Desk]:
    """Return a day with orders of all kinds, requests, rejections, trades and administration."""
    desk = Desk()
    desk.define()
    desk.define(instrument=2, account=2)
    first, second = desk.open("FIRM1"), desk.open("FIRM2")
    desk.trade(first, 40)
    desk.new(second, "ICE", Side.SELL, 1010, 90, order_id=20, flags=int(SelfTradeMode.OLDEST) << 6, orig2=4)
    desk.new(second, "MIN", Side.BUY, 1010, 8, orig0=5, tif=int(Tif.IOC))
    desk.new(second, "GTD", Side.BUY, 900, 3, tif=int(Tif.GTD), aux1=(1 << 62))
    desk.new(second, "STOP", Side.BUY, 0, 3, ord_type=int(OrdType.STOP), aux0=2000)
    desk.new(second, "TRAIL", Side.SELL, 0, 3, ord_type=int(OrdType.TRAILING_STOP), aux0=15)
    desk.new(second, "POST", Side.SELL, 900, 3, flags=int(CommandFlag.POST_ONLY))
    desk.new(second, "FAR", Side.SELL, 5000, 3, account=2, instrument=2)
    desk.send(Kind.REPLACE, second, "ICE2", "ICE", price_ticks=1011, qty_lots=80)
    desk.send(Kind.REDUCE, second, "LESS", "ICE2", qty_lots=2)
    desk.send(Kind.STATUS, second, "HOW", "ICE2")
    desk.send(Kind.CANCEL, second, "END", "nobody")
    desk.send(Kind.BOOK_REQUEST, second, "BOOK", instrument=1)
    desk.new(second, "NO", Side.BUY, 900, 3, instrument=3)
    desk.checkpoint()
    desk.send(Kind.MASS_CANCEL, second, "ALL")
    desk.final()
    directory = tmp_path_factory.mktemp("day")
    desk.write(directory)
    return directory, desk


def exported(directory: Path, into: Path, ending: str, **bounds: int) -> tuple[Rows, Rows]:
    """Export and read back both tables."""
    paths = [into / f"{name}.{ending}" for name in ("commands", "outcomes")]
    export_journal(directory, paths[0], paths[1], **bounds)
    assert sorted(path.name for path in into.iterdir()) == sorted(path.name for path in paths)
    commands, outcomes = (_READERS[ending](path) for path in paths)
    return commands, outcomes


def read_parquet(path: Path) -> Rows:
    """Return the rows of a Parquet file, times as the ns that they are."""
    table = pyarrow.parquet.read_table(path)
    for place, field in enumerate(table.schema):
        if pyarrow.types.is_timestamp(field.type):
            assert (field.type.unit, field.type.tz) == ("ns", "UTC")
            table = table.set_column(place, field.name, table.column(place).cast(pyarrow.int64()))
    rows: Rows = table.to_pylist()
    for row in rows:
        for name in ("time", "expires"):
            if row.get(name) is not None:
                row[name] = time_text(row[name])
    return rows


def read_json_lines(path: Path) -> Rows:
    """Return the objects of a file of JSON lines."""
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def read_csv(path: Path) -> Rows:
    """Return the rows of a CSV file, by the documented types."""
    specs = COMMAND_COLUMNS if path.stem == "commands" else OUTCOME_COLUMNS
    make: dict[str, Callable[[str], Any]] = {"int64": int, "bool": {"true": True, "false": False}.__getitem__}
    with open(path, newline="", encoding="ascii") as file:
        rows = list(csv.reader(file))
    assert rows[0] == [spec.name for spec in specs]
    return [
        {
            spec.name: make.get(spec.type, str)(text) if text else None
            for spec, text in zip(specs, row, strict=True)
        }
        for row in rows[1:]
    ]


_READERS: dict[str, Callable[[Path], Rows]] = {
    "parquet": read_parquet, "csv": read_csv, "jsonl": read_json_lines,
}  # fmt: skip


def without_scale(rows: Rows, specs: tuple[ColumnSpec, ...]) -> Rows:
    """Return rows with decimals as numbers: texts have the decimals of the tick, Parquet eight."""
    names = [spec.name for spec in specs if spec.type == DECIMAL]
    return [
        row | {name: None if row[name] is None else Decimal(row[name]).normalize() for name in names}
        for row in rows
    ]


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_all_formats_hold_the_same(ending: str, day: tuple[Path, Desk], tmp_path: Path) -> None:
    """Parquet, CSV and JSON lines, read back, have the same rows."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    columnar = exported(day[0], tmp_path / "a", "parquet")
    lines = exported(day[0], tmp_path / "b", ending)
    for ours, theirs, specs in zip(columnar, lines, (COMMAND_COLUMNS, OUTCOME_COLUMNS), strict=True):
        assert without_scale(ours, specs) == without_scale(theirs, specs)


@pytest.mark.parametrize("ending", sorted(_READERS))
def test_outcomes_are_those_of_the_live_run(ending: str, day: tuple[Path, Desk], tmp_path: Path) -> None:
    """Row for row and value for value the outcomes of orders are the lines that gateways write of them."""
    directory, desk = day
    _, rows = exported(directory, tmp_path, ending)
    live = desk.all_outcomes()
    encoder = OutcomeLines(directory_of(desk.core.state.risk), session_names_of(desk.core))
    lines = [json.loads(line) for line in encoder.encode(live).splitlines()]
    exported_ones = live[live["type"] < 10]
    assert len(rows) == len(exported_ones)
    of_orders = [row for row, is_order in zip(rows, tell_of_orders(exported_ones), strict=True) if is_order]
    assert len(of_orders) == len(lines) > 80
    for row, line in zip(of_orders, lines, strict=True):
        same = ("seq", "index", "type", "kind", "instrument", "account", "session", "side", "liquidity", "reason",
                "unsolicited", "trade_id", "orig_cl_ord_id")  # fmt: skip
        assert {name: row[name] for name in same} == {name: line[name] for name in same}
        assert (row["cl_ord_id"] or "", row["order_id"] or 0) == (line["cl_ord_id"], line["order_id"])
        known = row["instrument"] is not None or row["type"] == "mass_cancelled"
        for name in ("qty", "leaves_qty", "cum_qty"):
            assert row[name] is None if not known else Decimal(row[name]) == Decimal(str(line[name]))
        wanted = None if line["price"] is None or not known else Decimal(line["price"])
        assert (None if row["price"] is None else Decimal(row["price"])) == wanted
    for row, raw in zip(rows, exported_ones, strict=True):
        assert row["answer"] == bool(raw["flags"] & OUTFLAG_ANSWER) and row["time_ns"] == raw["time_ns"]
        if row["type"] == "filled":
            assert (row["price_ticks"], row["qty_lots"]) == (raw["price_ticks"], raw["qty_lots"])
            assert (row["leaves_lots"], row["cum_lots"]) == (raw["leaves_lots"], raw["cum_lots"])


@pytest.mark.parametrize("ending", sorted(_READERS))
def test_commands_are_those_of_the_journal(ending: str, day: tuple[Path, Desk], tmp_path: Path) -> None:
    """Row for row the commands have the fields that a dump of the journal shows."""
    directory, desk = day
    rows, _ = exported(directory, tmp_path, ending)
    assert len(rows) == desk.last_seq
    for row, command in zip(rows, desk.commands, strict=True):
        fields = command_fields(dict(zip(COMMAND.names or (), command.tolist(), strict=True)))
        told = json.loads(row["details"] or "{}")
        told |= {name: row[name] for name in fields if name in row and name not in told}
        told |= {"session": row["session_id"] or 0}
        if command["kind"] < 16:
            told |= {"account": row["account_id"] or 0, "instrument": row["instrument_id"] or 0}
        told |= {
            "flags": (row["flags"] or "").split(),
            "expiry_ns": int(command["aux1"]) if row["expires"] else None,
        }
        for name, value in fields.items():
            assert (told[name] or None) == (value or None), (name, fields)


def test_each_command_is_answered_once(day: tuple[Path, Desk], tmp_path: Path) -> None:
    """All commands but the venue's, checkpoints and ticks have exactly one row that answers them."""
    commands, outcomes = exported(day[0], tmp_path, "parquet")
    silent = {"venue", "checkpoint", "tick"}
    asked = [row["seq"] for row in commands if row["kind"] not in silent]
    assert [row["seq"] for row in outcomes if row["answer"]] == asked


def test_bounds_cut_both_tables(day: tuple[Path, Desk], tmp_path: Path) -> None:
    """From and to are sequences, both included; the rows are those of the whole, and names are known."""
    for name in ("all", "some"):
        (tmp_path / name).mkdir()
    whole = exported(day[0], tmp_path / "all", "jsonl")
    first = next(row["seq"] for row in whole[0] if row["kind"] == "new") + 3  # of those that FIRM1 sends
    some = exported(day[0], tmp_path / "some", "jsonl", from_seq=first, to_seq=first + 30)
    for all_rows, rows in zip(whole, some, strict=True):
        assert rows == [row for row in all_rows if first <= row["seq"] <= first + 30]
    assert {row["session"] for row in some[1]} == {"FIRM1"}


def test_one_table_alone(day: tuple[Path, Desk], tmp_path: Path) -> None:
    """Commands without outcomes, and outcomes without commands."""
    result = export_journal(day[0], tmp_path / "c.csv", None)
    assert (result.commands, result.outcomes, result.replay.verified) == (day[1].last_seq, 0, True)
    result = export_journal(day[0], None, tmp_path / "o.csv")
    assert result.commands == 0 < result.outcomes
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.csv", "o.csv"]


def test_a_file_that_fails_leaves_nothing(day: tuple[Path, Desk], tmp_path: Path) -> None:
    """Where the second file cannot be begun, the first is taken away again; an older one of its name stays."""
    (tmp_path / "c.parquet").write_text("of before")
    with pytest.raises(UnknownFormat, match=r"expected a name that ends in \.parquet, \.csv, "):
        export_journal(day[0], tmp_path / "c.parquet", tmp_path / "o.xlsx")
    with pytest.raises(OSError):
        export_journal(day[0], tmp_path / "c.csv", tmp_path / "nowhere" / "o.jsonl")
    assert [path.name for path in tmp_path.iterdir()] == ["c.parquet"]
    assert (tmp_path / "c.parquet").read_text() == "of before"


def test_parquet_without_its_extra_says_so(
    day: tuple[Path, Desk], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without pyarrow the error names the extra and the other formats, which need nothing."""
    for name in ("pyarrow", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtra, match=r"pip install 'ringmatch\[parquet\]', or write \.csv or \.jsonl"):
        export_journal(day[0], tmp_path / "c.parquet", None)
    export_journal(day[0], tmp_path / "c.csv", tmp_path / "o.jsonl")


@given(st.lists(st.tuples(st.integers(-(1 << 63), (1 << 63) - 1), st.integers(1, (1 << 62) - 1)), min_size=1))
def test_products_are_exact(pairs: list[tuple[int, int]]) -> None:
    """Ticks times tick size never overflow: 128 bits hold what Python's integers say."""
    counts, units = (np.array(numbers, dtype=np.int64) for numbers in zip(*pairs, strict=True))
    raw = np.ascontiguousarray(_times(counts, units)).tobytes()
    found = [int.from_bytes(raw[at : at + 16], "little", signed=True) for at in range(0, len(raw), 16)]
    assert found == [count * unit for count, unit in pairs]


def test_row_groups_and_chunks_keep_order(tmp_path: Path) -> None:
    """Many chunks become few row groups, whose rows are those written, nulls included."""
    table = open_table(tmp_path / "t.parquet", [ColumnSpec("n", INT64, ""), ColumnSpec("t", TEXT, "")])
    for start in range(0, 600_000, 50_000):
        numbers = np.arange(start, start + 50_000)
        table.write([Column("n", INT64, numbers, numbers % 3 != 0), Column("t", TEXT, np.full(50_000, b"x"))])
    table.close()
    file = pyarrow.parquet.ParquetFile(tmp_path / "t.parquet")
    assert file.num_row_groups <= 4
    found = file.read().column("n").to_pylist()
    assert found == [None if number % 3 == 0 else number for number in range(600_000)]
