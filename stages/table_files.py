"""Tables in files: Parquet, CSV and JSON lines, written chunk by chunk from columns (:mod:`protocols.columns`).

The format follows the ending of the name. Parquet needs pyarrow (the extra ``parquet``), the others nothing. A file
appears under its name when it is whole: until then it is ``NAME.partial``, and is removed if the writing fails.

How types are written:

========= ============================== ==================================== =========================
type      Parquet                        CSV                                  JSON lines
========= ============================== ==================================== =========================
int64     int64                          decimal digits                       number
timestamp timestamp in ns, UTC           ISO text with nine decimals          the same text
text      string                         text                                 text
decimal   decimal128 of 38 digits, 8     text with the decimals of the tick   the same text
          decimals                       or lot
bool      boolean                        ``true``, ``false``                  boolean
null      null                           empty                                ``null``
========= ============================== ==================================== =========================
"""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec
import numpy as np

from protocols.columns import BOOL, CODE, DECIMAL, INT64, TEXT, TIME, Column, ColumnSpec
from protocols.directory import decimal_text
from protocols.instants import time_text

__all__ = ["ENDINGS", "EXTRA", "MissingExtra", "TableFile", "UnknownFormat", "open_table"]

EXTRA: Final = "parquet"
ROW_GROUP: Final = 1 << 18
DECIMAL_DIGITS: Final = 38
DECIMAL_PLACES: Final = 8
LOW32: Final = (1 << 32) - 1


class UnknownFormat(Exception):
    """The ending of a file's name says nothing of a format."""


class MissingExtra(Exception):
    """A format needs a package that is not installed."""


class TableFile(Protocol):
    """A table that is being written."""

    def write(self, columns: Sequence[Column]) -> None:
        """Append the rows of a chunk."""

    def close(self) -> None:
        """Finish the file, and give it its name."""

    def discard(self) -> None:
        """Remove what was written."""


def open_table(path: Path, specs: Sequence[ColumnSpec]) -> TableFile:
    """Begin a file of these columns; raise UnknownFormat or MissingExtra."""
    kind = _KINDS.get(path.suffix.lower())
    if kind is None:
        raise UnknownFormat(f"{path}: expected a name that ends in {', '.join(ENDINGS)}, was {path.name!r}")
    table: TableFile = kind(path, specs)
    return table


class _File:
    """A file that has another name until it is whole."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._partial = path.with_name(f"{path.name}.partial")

    def _finish(self) -> None:
        os.replace(self._partial, self._path)

    def _remove(self) -> None:
        with suppress(FileNotFoundError):
            os.unlink(self._partial)


class _Parquet(_File):
    """Parquet, in row groups of some hundred thousand rows, compressed with Zstandard."""

    def __init__(self, path: Path, specs: Sequence[ColumnSpec]) -> None:
        super().__init__(path)
        try:
            import pyarrow
            import pyarrow.parquet
        except ImportError as error:
            raise MissingExtra(
                f"{path}: expected pyarrow, which Parquet needs, was not installed: "
                f"pip install 'ringmatch[{EXTRA}]', or write .csv or .jsonl"
            ) from error
        self._arrow = pyarrow
        types = {
            INT64: pyarrow.int64(),
            TIME: pyarrow.timestamp("ns", tz="UTC"),
            TEXT: pyarrow.string(),
            DECIMAL: pyarrow.decimal128(DECIMAL_DIGITS, DECIMAL_PLACES),
            BOOL: pyarrow.bool_(),
        }
        fields = [pyarrow.field(spec.name, types[spec.type]) for spec in specs]
        self._schema = pyarrow.schema(fields)
        self._writer = pyarrow.parquet.ParquetWriter(self._partial, self._schema, compression="zstd")
        self._waiting: list[Any] = []
        self._rows = 0

    def write(self, columns: Sequence[Column]) -> None:
        arrays = [self._array(column) for column in columns]
        self._waiting.append(self._arrow.Table.from_arrays(arrays, schema=self._schema))
        self._rows += len(columns[0].values)
        if self._rows >= ROW_GROUP:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._writer.close()
        self._finish()

    def discard(self) -> None:
        with suppress(OSError):
            self._writer.close()
        self._remove()

    def _flush(self) -> None:
        if self._waiting:
            self._writer.write_table(self._arrow.concat_tables(self._waiting), row_group_size=ROW_GROUP)
        self._waiting, self._rows = [], 0

    def _array(self, column: Column) -> Any:
        arrow = self._arrow
        missing = None if column.valid is None else ~column.valid
        values = np.ascontiguousarray(column.values)
        if column.type == CODE:
            places = arrow.array(values, mask=missing, type=arrow.int64())
            return arrow.DictionaryArray.from_arrays(
                places, arrow.array(column.texts, arrow.string())
            ).dictionary_decode()
        if column.type == TEXT:
            return arrow.array(values, mask=missing, type=arrow.binary()).cast(arrow.string())
        if column.type == DECIMAL:
            wide = arrow.py_buffer(_times(values, column.unit_e8))
            type_ = arrow.decimal128(DECIMAL_DIGITS, DECIMAL_PLACES)
            bits = (
                None
                if column.valid is None
                else arrow.py_buffer(np.packbits(column.valid, bitorder="little"))
            )
            return arrow.Array.from_buffers(type_, len(values), [bits, wide])
        if column.type == TIME:
            return arrow.array(values, mask=missing, type=arrow.int64()).cast(arrow.timestamp("ns", tz="UTC"))
        return arrow.array(values, mask=missing)


def _times(counts: Any, units: Any) -> Any:
    """Return products of int64 with positive ones below 2^62 as little-endian 128-bit integers, rows of two words."""
    low = counts.astype(np.int64) & LOW32
    high = counts.astype(np.int64) >> 32
    unit_low, unit_high = units & LOW32, units >> 32
    wide = np.empty((len(counts), 2), dtype=np.uint64)
    with np.errstate(over="ignore"):
        first = low.astype(np.uint64) * unit_low.astype(np.uint64)
        middle = (high * unit_low).astype(np.int64)
        other = (low * unit_high).astype(np.int64)
        carry = (first >> np.uint64(32)).astype(np.int64) + (middle & LOW32) + (other & LOW32)
        wide[:, 0] = (first & np.uint64(LOW32)) | (carry.astype(np.uint64) << np.uint64(32))
        top = high * unit_high + (middle >> 32) + (other >> 32) + (carry >> 32)
        wide[:, 1] = top.astype(np.uint64)
    return wide


class _Lines(_File):
    """Rows as Python values, for formats of text."""

    def __init__(self, path: Path, specs: Sequence[ColumnSpec]) -> None:
        super().__init__(path)
        self._names = [spec.name for spec in specs]
        self._file = self._open()

    def write(self, columns: Sequence[Column]) -> None:
        self._write(zip(*(_values(column) for column in columns), strict=True))

    def _open(self) -> Any:
        return open(self._partial, "w", encoding="ascii", newline="")

    def _write(self, rows: Any) -> None:
        raise AssertionError("a format implements this")

    def close(self) -> None:
        self._file.close()
        self._finish()

    def discard(self) -> None:
        with suppress(OSError):
            self._file.close()
        self._remove()


class _JsonLines(_Lines):
    """An object a line."""

    def __init__(self, path: Path, specs: Sequence[ColumnSpec]) -> None:
        super().__init__(path, specs)
        self._encoder = msgspec.json.Encoder()

    def _open(self) -> Any:
        return open(self._partial, "wb")

    def _write(self, rows: Any) -> None:
        self._file.write(
            self._encoder.encode_lines([dict(zip(self._names, row, strict=True)) for row in rows])
        )


class _Csv(_Lines):
    """Values with commas between, one line of names first."""

    def __init__(self, path: Path, specs: Sequence[ColumnSpec]) -> None:
        super().__init__(path, specs)
        self._csv = csv.writer(self._file, lineterminator="\n")
        self._csv.writerow(self._names)

    def _write(self, rows: Any) -> None:
        shown = {None: "", True: "true", False: "false"}
        for row in rows:
            self._csv.writerow(
                [shown[value] if value is None or isinstance(value, bool) else value for value in row]
            )


def _values(column: Column) -> list[Any]:
    """Return the values of a column as Python's, None where there is none."""
    values = _plain(column)
    if column.valid is None:
        return values
    return [value if valid else None for value, valid in zip(values, column.valid.tolist(), strict=True)]


def _plain(column: Column) -> list[Any]:
    if column.type == CODE:
        texts = column.texts or []
        return [texts[place] for place in column.values.tolist()]
    if column.type == TEXT:
        return [text.decode("ascii") for text in column.values.tolist()]
    if column.type == TIME:
        known: dict[int, str] = {}
        stamps = column.values.tolist()
        return [known.get(stamp) or known.setdefault(stamp, time_text(stamp)) for stamp in stamps]
    if column.type == DECIMAL:
        made: dict[tuple[int, int], str] = {}
        pairs = zip(column.values.tolist(), column.unit_e8.tolist(), strict=True)
        return [made.get(pair) or made.setdefault(pair, decimal_text(*pair)) for pair in pairs]
    plain: list[Any] = column.values.tolist()
    return plain


_KINDS: Final[dict[str, Any]] = {
    ".parquet": _Parquet,
    ".csv": _Csv,
    ".jsonl": _JsonLines,
    ".ndjson": _JsonLines,
}
ENDINGS: Final = tuple(_KINDS)
