"""What a configuration must satisfy beyond its types, as tables and small checks.

Read by :mod:`stages.config`, on whatever was decoded or overridden; it changes nothing.

Invariants of a configuration that passed: every ring is a power of two within its bounds; symbols and account
names are unique and fit the capacity; price bands and protection points are whole numbers of ticks; the money
of one tick of one lot is a whole number of millionths; an explicit plan holds each stage exactly once, and each pinned
worker has a core of its own that this process may use.

Failure modes: the first thing that is wrong is raised as a ConfigError. An index in its key counts from 0:
``instrument[2].tick_size`` belongs to the third instrument.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from typing import Final

from protocols.trading_day import parse_span_ns
from stages.config_days import check_days
from stages.config_model import (
    AUTO_PLANS,
    DURABILITIES,
    PARTITION_NAMES,
    STAGES,
    WAITS,
    Account,
    ConfigError,
    Instrument,
    VenueConfig,
    Worker,
    money_per_tick_and_lot,
)
from stages.config_risk_checks import check_risk
from stages.config_values import check_text, check_word, e8_of, positive_e8, whole_ticks
from stages.control import MAX_PARTITIONS, MAX_PORTS

__all__ = ["BOUNDS", "check_config", "check_workers"]

MAX_NAME_CHARACTERS: Final = 16
assert len(PARTITION_NAMES) == MAX_PARTITIONS
MAX_VENUE_CHARACTERS: Final = 20
MAX_TICK_VALUE: Final = 1 << 40  # of INSTRUMENT commands, see docs/rules.md

# Whole numbers: key, lowest, highest, whether it must be a power of two.
BOUNDS: Final[tuple[tuple[str, int, int, bool], ...]] = (
    ("rings.input_slots", 64, 1 << 20, True),
    ("rings.output_slots", 64, 1 << 24, True),
    ("rings.ingress_slots", 64, 1 << 22, True),
    ("rings.egress_slots", 64, 1 << 24, True),
    ("rings.ports", 1, MAX_PORTS, True),
    ("capacity.max_orders", 16, 1 << 26, False),
    ("capacity.max_levels", 16, 1 << 24, False),
    ("capacity.max_cl_ord_ids", 16, 1 << 28, False),
    ("capacity.max_positions", 16, 1 << 24, False),
    ("capacity.max_accounts", 1, 1 << 20, False),
    ("capacity.max_instruments", 1, 1 << 16, False),
    ("capacity.max_sessions", 1, (1 << 16) - 2, False),
    ("capacity.max_specials", 16, 1 << 20, False),
    ("capacity.partitions", 1, MAX_PARTITIONS, False),
    ("journal.segment_bytes", 1 << 19, 1 << 30, True),  # a block of stages.journaling is at most half of that
    ("journal.checkpoint_every", 16, 1 << 30, False),  # 1 would be due again because of itself
    ("journal.tick_ms", 0, 3_600_000, False),
    ("snapshots.every_commands", 0, 1 << 40, False),
    ("snapshots.every_bytes", 0, 1 << 50, False),
    ("snapshots.keep", 1, 100, False),
)


def check_config(config: VenueConfig, cores: Collection[int] | None = None) -> None:
    """Raise :class:`ConfigError` for the first thing that types alone do not tell."""
    check_text("venue.name", config.venue.name, MAX_VENUE_CHARACTERS)
    if not config.venue.data_dir or "\0" in config.venue.data_dir:
        raise ConfigError("venue.data_dir", "expected a directory", config.venue.data_dir)
    check_word("venue.durability", config.venue.durability, DURABILITIES)
    check_word("plan.wait", config.plan.wait, WAITS)
    _check_bounds(config)
    try:
        parse_span_ns(config.snapshots.every)
    except ValueError as error:
        raise ConfigError("snapshots.every", str(error), config.snapshots.every) from error
    _check_list("instrument", [entry.symbol for entry in config.instruments], config.capacity.max_instruments)
    for index, instrument in enumerate(config.instruments):
        _check_instrument(f"instrument[{index}]", instrument)
        _check_partition(f"instrument[{index}].partition", instrument.partition, config.capacity.partitions)
    _check_list("account", [entry.name for entry in config.accounts], config.capacity.max_accounts)
    for index, account in enumerate(config.accounts):
        _check_account(f"account[{index}]", account)
    check_days(config)
    check_risk(config)
    if isinstance(config.plan.workers, str):
        check_word("plan.workers", config.plan.workers, AUTO_PLANS)
    else:
        check_workers(config.plan.workers, os.sched_getaffinity(0) if cores is None else cores)
        _check_named_partitions(config.plan.workers, config.capacity.partitions)


def check_workers(workers: tuple[Worker, ...], cores: Collection[int]) -> None:
    """Refuse a plan that lacks a stage, has one twice, or pins workers where they cannot run."""
    owner: dict[str, int] = {}
    for index, worker in enumerate(workers):
        if not worker.stages:
            raise ConfigError(f"plan.workers[{index}].stages", "expected at least one stage", [])
        for stage in worker.stages:
            if stage in owner:
                problem = f"expected each stage once, but worker {owner[stage]} has it too"
                raise ConfigError(f"plan.workers[{index}].stages", problem, stage)
            owner[stage] = index
    missing = [stage for stage in STAGES if stage not in owner]
    if missing:
        problem = f"expected all of {', '.join(STAGES)}; missing: {', '.join(missing)}"
        raise ConfigError("plan.workers", problem)
    available = ",".join(str(core) for core in sorted(cores))
    pinned = [worker.core for worker in workers if worker.core is not None]
    if len(pinned) > len(cores):
        problem = f"expected at most {len(cores)} pinned workers, one for each available core ({available})"
        raise ConfigError("plan.workers", problem, len(pinned))
    taken: dict[int, int] = {}
    for index, worker in enumerate(workers):
        if worker.core is None:
            continue
        key = f"plan.workers[{index}].core"
        if worker.core not in cores:
            raise ConfigError(key, f"expected an available core ({available})", worker.core)
        if worker.core in taken:
            problem = f"expected a core of its own, but worker {taken[worker.core]} is pinned there too"
            raise ConfigError(key, problem, worker.core)
        taken[worker.core] = index


def _check_named_partitions(workers: tuple[Worker, ...], partitions: int) -> None:
    there = PARTITION_NAMES[: partitions if partitions > 1 else 0]
    for index, worker in enumerate(workers):
        for stage in worker.stages:
            if stage in PARTITION_NAMES and stage not in there:
                problem = f"expected one of capacity.partitions = {partitions}"
                raise ConfigError(f"plan.workers[{index}].stages", problem, stage)


def _check_bounds(config: VenueConfig) -> None:
    for key, low, high, power_of_two in BOUNDS:
        table, name = key.split(".")
        value = getattr(getattr(config, table), name)
        kind = "a power of two" if power_of_two else "a number"
        if not low <= value <= high or (power_of_two and value & (value - 1)):
            raise ConfigError(key, f"expected {kind} from {low} to {high}", value)


def _check_currency(key: str, value: str) -> None:
    if not re.fullmatch(r"[A-Z]{3}", value):
        raise ConfigError(key, "expected three capital letters", value)


def _check_list(table: str, names: list[str], room: int) -> None:
    """Check what holds for a whole array of tables: it is not empty, it fits, its names are unique."""
    name_key = "symbol" if table == "instrument" else "name"
    if not names:
        raise ConfigError(table, f"expected at least one [[{table}]]", [])
    if len(names) > room:
        raise ConfigError(table, f"expected at most capacity.max_{table}s = {room}", len(names))
    first: dict[str, int] = {}
    for index, name in enumerate(names):
        key = f"{table}[{index}].{name_key}"
        check_text(key, name, MAX_NAME_CHARACTERS)
        if name in first:
            raise ConfigError(key, f"expected a name of its own, but {table}[{first[name]}] has it too", name)
        first[name] = index


def _check_instrument(key: str, entry: Instrument) -> None:
    _check_currency(f"{key}.currency", entry.currency)
    tick_e8 = positive_e8(f"{key}.tick_size", entry.tick_size)
    lot_e8 = positive_e8(f"{key}.lot_size", entry.lot_size)
    tick_value, remainder = money_per_tick_and_lot(tick_e8, lot_e8)
    if remainder or not 1 <= tick_value <= MAX_TICK_VALUE:
        problem = f"expected tick_size * lot_size to be 1 to {MAX_TICK_VALUE} whole millionths"
        raise ConfigError(f"{key}.tick_size", problem, f"{entry.tick_size} * {entry.lot_size}")
    if entry.protection_points is not None:
        whole_ticks(f"{key}.protection_points", entry.protection_points, entry.tick_size, tick_e8)
    if entry.price_band is None:
        return
    for place, bound in enumerate(entry.price_band):
        if e8_of(f"{key}.price_band[{place}]", bound) % tick_e8:
            problem = f"expected a whole number of ticks of {entry.tick_size}"
            raise ConfigError(f"{key}.price_band[{place}]", problem, bound)
    low_ticks, high_ticks = entry.band_ticks
    if not (0 <= low_ticks <= high_ticks and high_ticks):
        problem = "expected [lowest, highest] with 0 <= lowest <= highest and highest above 0"
        raise ConfigError(f"{key}.price_band", problem, list(entry.price_band))


def _check_partition(key: str, partition: int | None, partitions: int) -> None:
    if partition is not None and not 1 <= partition <= partitions:
        problem = f"expected 1 to capacity.partitions = {partitions}"
        raise ConfigError(key, problem, partition)


def _check_account(key: str, entry: Account) -> None:
    _check_currency(f"{key}.currency", entry.currency)
