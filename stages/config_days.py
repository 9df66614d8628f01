"""What a configuration of trading days must satisfy: bands and spans of instruments, tick tables, schedules.

Called by :mod:`stages.config_checks`; it changes nothing. Names must lead somewhere, both ways: a schedule of a group
that no instrument belongs to is a mistake.

Failure modes: the first thing that is wrong is raised as a ConfigError.
"""

from __future__ import annotations

from typing import Final

from protocols.codes import BandMode
from protocols.trading_day import BAND_MODES, STATES, parse_span_ns, parse_time_of_day_ns
from stages.config_model import ConfigError, Instrument, Schedule, TickTable, VenueConfig
from stages.config_trading import MAX_SCHEDULES, MAX_TABLE_ROWS, MAX_TABLES
from stages.config_values import check_text, check_word, whole_ticks

__all__ = ["check_days"]

MAX_NAME_CHARACTERS: Final = 16
MAX_STEP_TICKS: Final = 1 << 40  # of TICK_TABLE commands, see docs/trading-states.md
MAX_FROM_TICKS: Final = 1 << 62
DISTANCES: Final = ("static_band", "dynamic_band", "reference_price")
SPANS: Final = ("volatility_auction", "indication_interval")


def check_days(config: VenueConfig) -> None:
    """Raise :class:`ConfigError` for the first thing about states, bands, tables, schedules that is wrong."""
    for index, instrument in enumerate(config.instruments):
        _check_instrument(f"instrument[{index}]", instrument, config)
    _check_tables(config)
    _check_schedules(config)


def _check_instrument(key: str, entry: Instrument, config: VenueConfig) -> None:
    if entry.group:
        check_text(f"{key}.group", entry.group, MAX_NAME_CHARACTERS)
    if entry.tick_table and entry.tick_table not in config.table_numbers:
        known = ", ".join(table.name for table in config.tick_tables) or "none"
        raise ConfigError(f"{key}.tick_table", f"expected a [[tick_table]] ({known})", entry.tick_table)
    check_word(f"{key}.initial_state", entry.initial_state, tuple(STATES))
    check_word(f"{key}.band_mode", entry.band_mode, tuple(BAND_MODES))
    for name in DISTANCES:
        value = getattr(entry, name)
        if value is not None:
            whole_ticks(f"{key}.{name}", value, entry.tick_size, entry.tick_e8)
    for name in SPANS:
        _check_span(f"{key}.{name}", getattr(entry, name))
    if entry.reference_price is not None and entry.static_band is None:
        raise ConfigError(f"{key}.static_band", "expected one around reference_price, was missing")
    if BAND_MODES[entry.band_mode] == BandMode.HALT and not entry.bands.mode:
        raise ConfigError(f"{key}.band_mode", "expected static_band or dynamic_band with it", entry.band_mode)


def _check_span(key: str, span: str | None) -> None:
    try:
        parse_span_ns(span or "0s")
    except ValueError as error:
        raise ConfigError(key, str(error), span) from error


def _check_tables(config: VenueConfig) -> None:
    if len(config.tick_tables) > MAX_TABLES:
        raise ConfigError("tick_table", f"expected at most {MAX_TABLES}", len(config.tick_tables))
    first: dict[str, int] = {}
    for index, table in enumerate(config.tick_tables):
        key = f"tick_table[{index}]"
        check_text(f"{key}.name", table.name, MAX_NAME_CHARACTERS)
        if table.name in first:
            problem = f"expected a name of its own, but tick_table[{first[table.name]}] has it too"
            raise ConfigError(f"{key}.name", problem, table.name)
        first[table.name] = index
        _check_rows(key, table, _tick_size_of(key, table, config))


def _tick_size_of(key: str, table: TickTable, config: VenueConfig) -> Instrument:
    """Return an instrument with the table; all of them must have one tick size, in which the journal has the rows."""
    users = [entry for entry in config.instruments if entry.tick_table == table.name]
    if not users:
        raise ConfigError(f"{key}.name", "expected an instrument with this tick_table", table.name)
    for other in users[1:]:
        if other.tick_e8 != users[0].tick_e8:
            problem = (
                f"expected one tick_size of all its instruments ({users[0].symbol}: {users[0].tick_size})"
            )
            raise ConfigError(f"{key}.name", problem, f"{other.symbol}: {other.tick_size}")
    return users[0]


def _check_rows(key: str, table: TickTable, user: Instrument) -> None:
    if not 1 <= len(table.rows) <= MAX_TABLE_ROWS:
        raise ConfigError(f"{key}.rows", f"expected 1 to {MAX_TABLE_ROWS} rows", len(table.rows))
    last_from, last_step = 0, 1
    for index, (price, size) in enumerate(table.rows):
        row = f"{key}.rows[{index}]"
        start = whole_ticks(f"{row}[0]", price, user.tick_size, user.tick_e8)
        step = whole_ticks(f"{row}[1]", size, user.tick_size, user.tick_e8)
        if start > MAX_FROM_TICKS or step > MAX_STEP_TICKS:
            problem = f"expected at most {MAX_FROM_TICKS} and {MAX_STEP_TICKS} ticks"
            raise ConfigError(row, problem, [price, size])
        if start <= last_from:
            raise ConfigError(f"{row}[0]", "expected a price above that of the row before", price)
        if start % step or start % last_step:
            problem = "expected a multiple of its tick size and of that of the row before"
            raise ConfigError(f"{row}[0]", problem, price)
        last_from, last_step = start, step


def _check_schedules(config: VenueConfig) -> None:
    if len(config.schedules) > MAX_SCHEDULES:
        raise ConfigError("schedule", f"expected at most {MAX_SCHEDULES}", len(config.schedules))
    groups = sorted({entry.group for entry in config.instruments if entry.group})
    taken: dict[tuple[str, int], int] = {}
    for index, row in enumerate(config.schedules):
        key = f"schedule[{index}]"
        if row.group not in groups:
            known = ", ".join(groups) or "none"
            raise ConfigError(f"{key}.group", f"expected the group of an instrument ({known})", row.group)
        check_word(f"{key}.state", row.state, tuple(STATES))
        _check_time(f"{key}.at", row, index, taken)


def _check_time(key: str, row: Schedule, index: int, taken: dict[tuple[str, int], int]) -> None:
    try:
        place = row.group, parse_time_of_day_ns(row.at)
    except ValueError as error:
        raise ConfigError(key, str(error), row.at) from error
    if place in taken:
        problem = f"expected a time of its own in the group, but schedule[{taken[place]}] has it too"
        raise ConfigError(key, problem, row.at)
    taken[place] = index
