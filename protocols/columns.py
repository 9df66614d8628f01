"""Columns of a table: arrays with a name, a type and a mask of what is there; writers of files take them.

Types: ``int64``; ``time`` (ns since 1970, UTC); ``text``; ``code`` (numbers that stand for texts of a list);
``decimal`` (counts of a unit of 1e-8, so that nothing is rounded); ``bool``. A value that is not there is null in
all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Any, Final, NamedTuple

import numpy as np

from protocols.codes import E8
from protocols.directory import Directory
from protocols.text import TEXT_BYTES

__all__ = [
    "BOOL",
    "CODE",
    "DECIMAL",
    "INT64",
    "TEXT",
    "TIME",
    "Column",
    "ColumnSpec",
    "Names",
    "code_column",
    "code_names",
    "made_column",
    "text_column",
]

INT64: Final = "int64"
TIME: Final = "timestamp"
TEXT: Final = "text"
CODE: Final = "code"
DECIMAL: Final = "decimal"
BOOL: Final = "bool"


class ColumnSpec(NamedTuple):
    """A column as it is documented: files hold codes as texts."""

    name: str
    type: str
    meaning: str


class Column(NamedTuple):
    """The values of a column, ``valid`` where there is one (None: everywhere)."""

    name: str
    type: str
    values: Any  # of TEXT: fixed-size bytes, ASCII; of CODE: places in ``texts``
    valid: Any = None
    texts: list[str] | None = None
    unit_e8: Any = None  # of DECIMAL: the size of one, for each row


class Names(NamedTuple):
    """Names and units by id, as arrays and lists that a column of ids can be looked up in; id 0 is none."""

    instruments: list[str]
    accounts: list[str]
    sessions: list[str]
    tick_e8: Any
    lot_e8: Any

    @classmethod
    def of(cls, directory: Directory, session_names: Mapping[int, str]) -> Names:
        """Take the names of a directory and of sessions as they are now."""
        symbols = {identity: entry.symbol for identity, entry in directory.instruments.items()}
        accounts = {identity: entry.name for identity, entry in directory.accounts.items()}
        size = max(symbols, default=0) + 1
        tick_e8, lot_e8 = (np.full(size, E8, dtype=np.int64) for _ in range(2))
        for identity, entry in directory.instruments.items():
            tick_e8[identity], lot_e8[identity] = entry.tick_e8, entry.lot_e8
        return cls(_by_id(symbols), _by_id(accounts), _by_id(session_names), tick_e8, lot_e8)

    def column(self, name: str, ids: Any, valid: Any) -> Column:
        """Return the names of ids, null where there is none; ``name`` says of what."""
        texts = {"instrument": self.instruments, "account": self.accounts, "session": self.sessions}[name]
        known = (ids > 0) & (ids < len(texts))
        places = np.where(known, ids, 0).astype(np.int64)
        has_name = np.array([bool(text) for text in texts], dtype=np.bool_)
        return Column(name, CODE, places, valid & has_name[places], texts)

    def units(self, units: Any, instruments: Any) -> tuple[Any, Any]:
        """Return the units of instruments, and where they are known."""
        known = (instruments > 0) & (instruments < len(units))
        known &= np.array([bool(text) for text in self.instruments], np.bool_)[
            np.where(known, instruments, 0)
        ]
        return units[np.where(known, instruments, 0)], known


def _by_id(names: Mapping[int, str]) -> list[str]:
    texts = [""] * (max(names, default=0) + 1)
    for identity in sorted(names):
        texts[identity] = names[identity]
    return texts


def code_names(codes: type[IntEnum], size: int = 256) -> list[str]:
    """Return the lower-case names of codes by number; numbers without a name stand for themselves."""
    texts = [str(number) for number in range(size)]
    for code in codes:
        texts[int(code)] = code.name.lower()
    return texts


def code_column(name: str, values: Any, valid: Any, texts: list[str]) -> Column:
    """Return a column of codes, null where they are 0."""
    return Column(name, CODE, values.astype(np.int64), valid & (values != 0), texts)


def made_column(name: str, values: Any, valid: Any, make: Callable[[int], str]) -> Column:
    """Return a column of texts that are made of numbers, each different one once."""
    different, places = np.unique(values, return_inverse=True)
    return Column(name, CODE, places.astype(np.int64), valid, [make(int(value)) for value in different])


def texts_of(rows: Any, field: str) -> Any:
    """Return packed texts of records as fixed-size bytes; bytes that are not ASCII, and zeros within, are ``?``."""
    raw = np.zeros((len(rows), 3), dtype=np.int64)
    for word in range(3):
        raw[:, word] = rows[f"{field}{word}"]
    octets = raw.view(np.uint8).reshape(len(rows), 24)[:, :TEXT_BYTES].copy()
    octets[octets >= 0x80] = ord("?")
    goes_on = np.maximum.accumulate(octets[:, ::-1], axis=1)[:, ::-1] != 0
    octets[(octets == 0) & goes_on] = ord("?")
    return octets.view(f"S{TEXT_BYTES}").reshape(-1)


def text_column(name: str, rows: Any, field: str, valid: Any) -> Column:
    """Return a column of packed texts, null where they are empty."""
    texts = texts_of(rows, field)
    return Column(name, TEXT, texts, valid & (texts != b""))
