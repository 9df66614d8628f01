"""Trading days of a venue as commands: what of tick tables, bands and schedules a state does not hold yet.

Pure functions of the configuration and of a :class:`stages.definitions.DayState`; called by :mod:`stages.venue`. What a
state holds already is not sequenced again, so that a restart with the same file adds nothing to the journal.

A static reference is given to an instrument that has none: later ones are prices of auctions, and stay. Rows of a
schedule without a period are an operator's; they outlive a change of the file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from protocols.codes import Kind
from protocols.layouts import COMMAND
from protocols.market_commands import bands, clear_schedule, schedule, tick_table
from protocols.trading_day import DAY_NS, STATES, next_time_ns
from stages.config_model import Instrument, VenueConfig
from stages.config_trading import Bands
from stages.control import ScheduleRow

__all__ = ["band_commands", "schedule_commands", "table_commands"]

SOON_NS = 1_000_000_000  # a command that is sequenced later than its row is due would be rejected
NONE = np.zeros(0, dtype=COMMAND)


def table_commands(config: VenueConfig, known: Mapping[int, Sequence[tuple[int, int]]]) -> Any:
    """Return the rows of tick tables that differ from the state's."""
    ticks_e8 = {entry.tick_table: entry.tick_e8 for entry in config.instruments}
    parts = [NONE]
    for table in config.tick_tables:
        number, rows = config.table_numbers[table.name], table.rows_in_ticks(ticks_e8[table.name])
        was = tuple(known.get(number, ()))
        if rows != was:
            commands = tick_table(number, rows)
            parts.append(commands if was else commands[1:])
    return np.concatenate(parts)


def band_commands(identity: int, entry: Instrument, known: Bands, reference_ticks: int) -> Any:
    """Return the bands of an instrument if the state's differ; it has ``known`` around ``reference_ticks``."""
    reference = 0 if reference_ticks else entry.reference_ticks
    if entry.bands == known and not reference:
        return NONE
    wanted = entry.bands
    return bands(
        identity,
        static=wanted.static_ticks,
        dynamic=wanted.dynamic_ticks,
        mode=wanted.mode,
        reference=reference,
        volatility_ns=wanted.volatility_ns,
        indication_ns=wanted.indication_ns,
    )


def schedule_commands(config: VenueConfig, known: Sequence[ScheduleRow], now_ns: int) -> Any:
    """Return what brings the schedules of all groups to those of the file: a group that differs is set anew."""
    wanted: dict[int, set[tuple[int, int]]] = {}
    for entry in config.schedules:
        wanted.setdefault(config.groups[entry.group], set()).add((entry.at_ns, int(STATES[entry.state])))
    parts = [NONE]
    for group in sorted({*wanted, *(row.group for row in known)}):
        rows = [row for row in known if row.group == group]
        daily = sorted((row.due_ns % DAY_NS, row.state) for row in rows if row.period_ns == DAY_NS)
        others = [row for row in rows if row.period_ns and row.period_ns != DAY_NS]
        if daily == sorted(wanted.get(group, ())) and not others:
            continue
        if rows:
            parts.append(clear_schedule(group))
        for row in rows:
            if not row.period_ns and row.due_ns > now_ns + SOON_NS:
                parts.append(schedule(row.state, row.due_ns, group=group))
        for at_ns, state in sorted(wanted.get(group, ())):
            when_ns = next_time_ns(at_ns, now_ns + SOON_NS)
            if next_time_ns(at_ns, now_ns) != when_ns:  # about to be due: today a little late, and once
                parts.append(schedule(state, now_ns + SOON_NS, group=group))
            parts.append(schedule(state, when_ns, group=group, period_ns=DAY_NS))
    assert all((part["kind"] == Kind.SCHEDULE).all() for part in parts)
    return np.concatenate(parts)
