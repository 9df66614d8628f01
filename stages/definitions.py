"""What a journal and a state define: capacities, names, ids and units, read back as plain Python."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

from protocols.codes import FLAG_MARKET_DATA, STATE_CONTINUOUS
from protocols.directory import AccountEntry, Directory, InstrumentEntry
from protocols.text import unpack_text
from stages.config_trading import Bands
from stages.control import MarketRow, ScheduleRow
from stages.state import Capacities, MatchingState, RiskState

__all__ = [
    "Books",
    "DayState",
    "Traits",
    "bands_of",
    "capacities_of",
    "day_state_of",
    "directory_of",
    "firm_of",
    "market_mark",
    "markets_of",
    "schedules_of",
    "tables_of",
    "traits_of",
]


Books = tuple[MatchingState, ...]  # by partition


class Traits(NamedTuple):
    """What may change about an instrument, beside its bands: as INSTRUMENT commands carry it."""

    low_ticks: int = 0
    high_ticks: int = 0
    protection_ticks: int = 0
    group: int = 0
    table: int = 0
    market_data: int = 0  # 1: its book is told


class DayState(NamedTuple):
    """What a state holds of trading days: bands by instrument, schedules, rows of tick tables by number."""

    bands: dict[int, tuple[Bands, int]]  # and the static reference
    schedules: tuple[ScheduleRow, ...]
    tables: dict[int, tuple[tuple[int, int], ...]]


def capacities_of(command: Any) -> Capacities:
    """Return the capacities that a VENUE command carries."""
    return Capacities(
        max_orders=int(command["qty_lots"]),
        max_levels=int(command["aux1"]),
        max_cl_ord_ids=int(command["order_id"]),
        max_positions=int(command["aux0"]),
        max_accounts=int(command["account"]),
        max_instruments=int(command["instrument"]),
        max_sessions=int(command["price_ticks"]),
        max_specials=int(command["orig0"]),
        partitions=max(1, int(command["orig1"])),
    )


def directory_of(risk: RiskState) -> Directory:
    """Return names, ids and units of all that a state has defined."""
    instruments = [
        InstrumentEntry(
            int(identity),
            unpack_text(int(row["symbol0"]), int(row["symbol1"])),
            int(row["tick_e8"]),
            int(row["lot_e8"]),
            unpack_text(int(row["currency"]), 0),
        )
        for identity in np.nonzero(risk.instruments["known"] != 0)[0]  # of a copy: risk may be defining more
        for row in [risk.instruments[identity]]
    ]
    accounts = [
        AccountEntry(int(identity), unpack_text(int(row["name0"]), int(row["name1"])))
        for identity in np.nonzero(risk.accounts["known"] != 0)[0]
        for row in [risk.accounts[identity]]
    ]
    return Directory(instruments, accounts)


def traits_of(risk: RiskState, identity: int) -> Traits:
    """Return what a state knows of an instrument that a definition may change."""
    row = risk.instruments[identity]
    names = ("low_ticks", "high_ticks", "protection_ticks", "group", "tick_table")
    low, high, protection, group, table = (int(row[name]) for name in names)
    return Traits(low, high, protection, group, table, int(int(row["flags"]) & FLAG_MARKET_DATA != 0))


def firm_of(risk: RiskState, account: int) -> int:
    """Return the firm that an account belongs to, 0 for none."""
    return int(risk.accounts[account]["firm"])


def bands_of(risk: RiskState, books: Books, identity: int) -> tuple[Bands, int]:
    """Return the bands of an instrument, and what the static one stands around."""
    market = books[int(risk.instruments[identity]["partition"])].markets[identity]
    names = ("band_mode", "static_ticks", "dynamic_ticks", "volatility_ns", "indication_ns")
    return Bands(*(int(market[name]) for name in names)), int(market["static_reference"])


def schedules_of(books: Books) -> tuple[ScheduleRow, ...]:
    """Return the rows of all schedules, in the order in which they are carried out: all partitions have the same."""
    rows = [row for row in books[0].schedules if row["due_ns"]]
    return tuple(
        ScheduleRow(int(row["group"]), int(row["state"]), int(row["due_ns"]), int(row["period_ns"]))
        for row in rows
    )


def tables_of(risk: RiskState) -> dict[int, tuple[tuple[int, int], ...]]:
    """Return the rows of tick tables that have any, by the number of the table."""
    filled = np.nonzero(risk.tick_rows[:, 0, 1])[0]
    return {
        int(number): tuple((int(start), int(step)) for start, step in risk.tick_rows[number] if step)
        for number in filled
    }


MARKET_FIELDS: Final = (
    "state", "group", "tick_table", "band_mode", "static_ticks", "dynamic_ticks", "static_reference", "volatility_ns",
    "indication_ns",
)  # fmt: skip


def market_mark(books: Books) -> bytes:
    """Return bytes that differ when :func:`markets_of` or :func:`schedules_of` would say something else."""
    parts = [part.markets[name].tobytes() for part in books for name in MARKET_FIELDS]
    return b"".join([*parts, books[0].schedules["due_ns"].tobytes()])


def markets_of(books: Books) -> tuple[MarketRow, ...]:
    """Return what instruments have of trading states, if it is more than CONTINUOUS."""
    rows = [row for part in books for row in _markets_of_partition(part)]
    return tuple(sorted(rows, key=lambda row: row.id))


def _markets_of_partition(books: MatchingState) -> tuple[MarketRow, ...]:
    columns = {name: books.markets[name].copy() for name in MARKET_FIELDS}
    told = columns["state"] > STATE_CONTINUOUS
    for name in MARKET_FIELDS[1:]:
        if name != "static_reference":  # each auction leaves one
            told |= columns[name] != 0
    return tuple(
        MarketRow(int(identity), *(int(columns[name][identity]) for name in MARKET_FIELDS))
        for identity in np.nonzero(told & (columns["state"] != 0))[0]
    )


def day_state_of(risk: RiskState, books: Books | None) -> DayState:
    """Return what a state holds of trading days; without books nothing of bands and schedules."""
    if books is None:
        return DayState({}, (), tables_of(risk))
    known = np.nonzero(risk.instruments["known"] != 0)[0]
    bands = {int(identity): bands_of(risk, books, int(identity)) for identity in known}
    return DayState(bands, schedules_of(books), tables_of(risk))
