"""The venue's directory: which symbol and account name has which id, tick and lot.

Gateways and file injectors translate names and decimals with it; the core knows ids, ticks and lots only.
The tables are flat arrays, so that a compiled scanner can look up a symbol without leaving the kernel.
Ids start at 1; 0 is "not in the directory", which risk rejects with a reason.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np

from protocols.codes import E8
from protocols.text import pack_text, unpack_text

__all__ = ["AccountEntry", "Directory", "DirectoryArrays", "InstrumentEntry", "name_hash"]


class InstrumentEntry(NamedTuple):
    """One listed instrument; tick and lot in units of 1e-8."""

    id: int
    symbol: str
    tick_e8: int
    lot_e8: int
    currency: str = "USD"


class AccountEntry(NamedTuple):
    """One account."""

    id: int
    name: str


class DirectoryArrays(NamedTuple):
    """The directory as kernels see it; tables hold ids, 0 where empty, and are a power of two long."""

    symbol_table: Any  # int32
    symbol_keys: Any  # int64 (n + 1, 2), row = id
    account_table: Any  # int32
    account_keys: Any  # int64 (n + 1, 2), row = id
    tick_e8: Any  # int64 (n + 1,), by instrument id
    lot_e8: Any  # int64 (n + 1,), by instrument id


def name_hash(first: int, second: int) -> int:
    """Hash a packed 16-byte name; the compiled twin in :mod:`protocols.lookup` must agree."""
    mixed = ((first * 0x9E3779B97F4A7C15) ^ (second * 0xC2B2AE3D27D4EB4F)) & 0xFFFFFFFFFFFFFFFF
    return mixed >> 32


def _hash_table(names: dict[int, str]) -> tuple[Any, Any]:
    size = 16
    while size < 2 * (len(names) + 1):
        size *= 2
    table = np.zeros(size, dtype=np.int32)
    keys = np.zeros((max(names, default=0) + 1, 2), dtype=np.int64)
    for identity, name in sorted(names.items()):
        first, second, third = pack_text(name)
        if third:
            raise ValueError(f"expected a name of at most 16 characters, was {name!r}")
        keys[identity] = (first, second)
        cell = name_hash(first, second) & (size - 1)
        while table[cell]:
            cell = (cell + 1) & (size - 1)
        table[cell] = identity
    return table, keys


class Directory:
    """Names, ids and units of a venue's instruments and accounts."""

    def __init__(self, instruments: Iterable[InstrumentEntry], accounts: Iterable[AccountEntry]) -> None:
        self.instruments = {entry.id: entry for entry in instruments}
        self.accounts = {entry.id: entry for entry in accounts}
        self.instrument_ids = {entry.symbol: entry.id for entry in sorted(self.instruments.values())}
        self.account_ids = {entry.name: entry.id for entry in sorted(self.accounts.values())}

    def arrays(self) -> DirectoryArrays:
        """Return the tables for kernels."""
        instruments = sorted(self.instruments.values())
        symbol_table, symbol_keys = _hash_table({entry.id: entry.symbol for entry in instruments})
        account_names = {entry.id: entry.name for entry in sorted(self.accounts.values())}
        account_table, account_keys = _hash_table(account_names)
        tick_e8 = np.ones(len(symbol_keys), dtype=np.int64)
        lot_e8 = np.ones(len(symbol_keys), dtype=np.int64)
        for entry in instruments:
            tick_e8[entry.id] = entry.tick_e8
            lot_e8[entry.id] = entry.lot_e8
        return DirectoryArrays(symbol_table, symbol_keys, account_table, account_keys, tick_e8, lot_e8)

    def symbol(self, instrument: int) -> str:
        """Return the symbol of an id, ``""`` for an unknown one."""
        entry = self.instruments.get(instrument)
        return entry.symbol if entry else ""

    def account_name(self, account: int) -> str:
        """Return the name of an account id, ``""`` for an unknown one."""
        entry = self.accounts.get(account)
        return entry.name if entry else ""

    def price_text(self, instrument: int, price_ticks: int) -> str:
        """Return a price as a decimal string with the decimals of the instrument's tick."""
        entry = self.instruments.get(instrument)
        return decimal_text(price_ticks, entry.tick_e8 if entry else E8)

    def qty_text(self, instrument: int, qty_lots: int) -> str:
        """Return a quantity as a decimal string with the decimals of the instrument's lot."""
        entry = self.instruments.get(instrument)
        return decimal_text(qty_lots, entry.lot_e8 if entry else E8)


def decimal_text(count: int, unit_e8: int) -> str:
    """Return ``count`` units of ``unit_e8`` × 1e-8 as a plain decimal string: (12345, 1000000) is 123.45."""
    decimals = 8
    while decimals and unit_e8 % 10 ** (8 - decimals + 1) == 0:
        decimals -= 1
    total = int(count) * int(unit_e8)
    sign = "-" if total < 0 else ""
    whole, fraction = divmod(abs(total), E8)
    return f"{sign}{whole}.{fraction:08d}"[: len(sign) + len(str(whole)) + (1 + decimals if decimals else 0)]


def parse_e8(text: str) -> int:
    """Return a decimal string in units of 1e-8; raise ValueError if it is not one or has more digits."""
    try:
        scaled = Decimal(text).scaleb(8)
        exact = int(scaled)
    except (ArithmeticError, ValueError) as error:
        raise ValueError(f"expected a decimal number, was {text!r}") from error
    if scaled != exact:
        raise ValueError(f"expected at most 8 decimals, was {text!r}")
    return exact


def name_of(first: int, second: int) -> str:
    """Return a packed name as text."""
    return unpack_text(first, second)
