"""Trading days as commands: all of them at a first start, what differs later, and what an operator added stays."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from protocols.codes import BandMode, Kind, TradingState
from protocols.trading_day import DAY_NS
from stages.config import VenueConfig, decode_config, example_toml
from stages.config_trading import Bands
from stages.control import ScheduleRow
from stages.venue_days import band_commands, schedule_commands, table_commands

pytestmark = pytest.mark.jitoff

HOUR_NS = 3_600_000_000_000
OPENS_NS, TRADES_NS = 7 * HOUR_NS + 50 * 60_000_000_000, 8 * HOUR_NS
NOW_NS = 20_000 * DAY_NS + 7 * HOUR_NS + 55 * 60_000_000_000  # between the two rows of the example
AUCTION, CONTINUOUS = TradingState.OPENING_AUCTION, TradingState.CONTINUOUS


def example(**changes: Any) -> VenueConfig:
    """Return the example."""
    return msgspec.structs.replace(decode_config(example_toml(), cores={0, 1}), **changes)


def rows_of(commands: Any, *names: str) -> list[tuple[int, ...]]:
    """Return some fields of commands."""
    return [tuple(int(command[name]) for name in names) for command in commands]


def held(commands: Any) -> list[ScheduleRow]:
    """Return what a state holds after schedule commands."""
    rows: list[ScheduleRow] = []
    for side, *row in rows_of(commands, "side", "account", "ord_type", "aux1", "aux0"):
        rows = [*rows, ScheduleRow(*row)] if side == 1 else [each for each in rows if each.group != row[0]]
    return rows


def test_daily_rows_begin_after_now() -> None:
    """Each row is due at its next time of day, and daily from then on."""
    commands = schedule_commands(example(), [], NOW_NS)
    day_ns = NOW_NS - NOW_NS % DAY_NS
    assert rows_of(commands, "kind", "side", "account", "ord_type", "aux1", "aux0") == [
        (Kind.SCHEDULE, 1, 1, AUCTION, day_ns + DAY_NS + OPENS_NS, DAY_NS),
        (Kind.SCHEDULE, 1, 1, CONTINUOUS, day_ns + TRADES_NS, DAY_NS),
    ]


def test_what_is_due_within_a_second_is_late_once() -> None:
    """A row is never due before its command can be sequenced: today it comes a second after now, then daily."""
    today_ns = NOW_NS - NOW_NS % DAY_NS + TRADES_NS
    second_ns = 1_000_000_000
    for now_ns, rows in (
        (today_ns - second_ns - 1, [(today_ns, DAY_NS)]),
        (today_ns - second_ns, [(today_ns, 0), (today_ns + DAY_NS, DAY_NS)]),
        (today_ns - 1, [(today_ns - 1 + second_ns, 0), (today_ns + DAY_NS, DAY_NS)]),
        (today_ns, [(today_ns + DAY_NS, DAY_NS)]),
    ):
        told = held(schedule_commands(example(), [], now_ns))
        assert [(row.due_ns, row.period_ns) for row in told if row.state == CONTINUOUS] == rows
        assert all(row.due_ns > now_ns for row in told)
        assert len(schedule_commands(example(), told, now_ns)) == 0


def test_a_schedule_that_the_state_holds_is_not_sequenced() -> None:
    """A restart on another day adds nothing, whenever the rows are due by then."""
    rows = held(schedule_commands(example(), [], NOW_NS))
    later = [msgspec.structs.replace(row, due_ns=row.due_ns + 3 * DAY_NS) for row in reversed(rows)]
    assert len(schedule_commands(example(), later, NOW_NS + 3 * DAY_NS)) == 0


def test_a_group_that_differs_is_set_anew() -> None:
    """One row less clears the group and adds the rest; rows that an operator scheduled once stay."""
    known = held(schedule_commands(example(), [], NOW_NS))
    once = ScheduleRow(1, TradingState.HALT, NOW_NS + HOUR_NS, 0)
    past = ScheduleRow(1, TradingState.HALT, NOW_NS, 0)
    other = ScheduleRow(2, TradingState.HALT, NOW_NS + HOUR_NS, 0)
    changed = example(schedules=example().schedules[1:])
    commands = schedule_commands(changed, [*known, once, past, other], NOW_NS)
    assert rows_of(commands, "side", "account") == [(2, 1), (1, 1), (1, 1)]
    assert held(commands)[0] == once and held(commands)[1].state == CONTINUOUS
    assert len(schedule_commands(changed, [*held(commands), other], NOW_NS)) == 0


def test_a_group_without_a_schedule_loses_its_daily_rows() -> None:
    """What the file no longer schedules is cleared."""
    known = held(schedule_commands(example(), [], NOW_NS))
    commands = schedule_commands(example(schedules=()), known, NOW_NS)
    assert rows_of(commands, "side", "account") == [(2, 1)]


def test_bands_are_sequenced_when_they_differ() -> None:
    """Widths, mode and spans travel in one command; the same ones need none."""
    apple, euro = example().instruments
    [command] = band_commands(1, apple, Bands(), 0)
    names = ("kind", "instrument", "ord_type", "order_id", "orig0", "price_ticks", "aux0", "qty_lots")
    wanted = (Kind.BANDS, 1, BandMode.HALT, 1000, 200, 15_000, 120_000_000_000, 500_000_000)
    assert rows_of([command], *names) == [wanted]
    assert len(band_commands(1, apple, apple.bands, 15_000)) == 0
    assert len(band_commands(2, euro, Bands(), 0)) == 0
    assert rows_of(band_commands(2, euro, apple.bands, 7), "ord_type", "order_id") == [(0, 0)]


def test_an_auction_price_outlives_a_restart() -> None:
    """The reference of the file is for an instrument without one: it does not move what an auction set."""
    apple = example().instruments[0]
    assert len(band_commands(1, apple, apple.bands, 14_999)) == 0
    assert rows_of(band_commands(1, apple, apple.bands, 0), "price_ticks") == [(15_000,)]
    assert rows_of(band_commands(1, apple, Bands(), 14_999), "price_ticks") == [(0,)]


def test_tick_tables_are_sequenced_when_they_differ() -> None:
    """A new table is added row by row, one that differs is emptied before, one that is the same stays."""
    rows = ((10_000, 5), (50_000, 10))
    names = ("kind", "account", "side", "price_ticks", "qty_lots")
    added = [(Kind.TICK_TABLE, 1, 1, *row) for row in rows]
    assert rows_of(table_commands(example(), {}), *names) == added
    emptied = [(Kind.TICK_TABLE, 1, 2, 0, 0), *added]
    assert rows_of(table_commands(example(), {1: rows[:1]}), *names) == emptied
    assert len(table_commands(example(), {1: rows, 2: rows})) == 0
