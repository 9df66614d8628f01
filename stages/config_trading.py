"""Configuration of trading days: tick tables, schedules, price bands, as the file says them and as commands carry them.

Written by nobody once decoded; part of :mod:`stages.config_model`, checked by :mod:`stages.config_checks` and
:mod:`stages.config_days`, turned into commands by :mod:`stages.venue_days`. The rules are in docs/trading-states.md.

Groups and tick tables have names in the file and numbers in the journal. A table's number is its place in the file,
from 1; a group's that of its first mention among instruments. A file that is reordered gives other numbers: the next
start then sequences all that mentions them anew, so that states stay right, but a journal has two numberings.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from msgspec import Struct

from protocols.directory import parse_e8
from protocols.trading_day import parse_time_of_day_ns

__all__ = [
    "MAX_SCHEDULES",
    "MAX_TABLES",
    "MAX_TABLE_ROWS",
    "BandWord",
    "Bands",
    "Schedule",
    "StateWord",
    "TickTable",
]

StateWord = Literal[
    "continuous",
    "pre-open",
    "opening-auction",
    "volatility-auction",
    "closing-auction",
    "halt",
    "closed",
]
BandWord = Literal["reject", "halt"]

MAX_TABLES: Final = 63
MAX_TABLE_ROWS: Final = 16
MAX_SCHEDULES: Final = 256


class Bands(NamedTuple):
    """What a BANDS command sets, but for the static reference; all 0 is what a new instrument has."""

    mode: int = 0
    static_ticks: int = 0
    dynamic_ticks: int = 0
    volatility_ns: int = 0
    indication_ns: int = 0


class TickTable(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One ``[[tick_table]]``: from each price on, prices are multiples of a tick size."""

    name: str
    rows: tuple[tuple[int | str, int | str], ...]

    def rows_in_ticks(self, tick_e8: int) -> tuple[tuple[int, int], ...]:
        """Return (from, step) in ticks of an instrument, rounded down where they are no whole ticks."""
        return tuple(
            (parse_e8(str(price)) // tick_e8, parse_e8(str(step)) // tick_e8) for price, step in self.rows
        )


class Schedule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One ``[[schedule]]``: every day at a time (UTC) the instruments of a group enter a state."""

    group: str
    state: StateWord
    at: str

    @property
    def at_ns(self) -> int:
        """Return the time of day in nanoseconds since midnight."""
        return parse_time_of_day_ns(self.at)
