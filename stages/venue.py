"""A venue's definition as commands: everything that changes state is journaled, the configuration included.

At the first start all of it is sequenced; later starts sequence only what the configuration changed. Ids
are part of the journal: an instrument or account keeps the id it had first, whatever the file's order.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from protocols.codes import FLAG_MARKET_DATA, KIND_ACCOUNT, KIND_INSTRUMENT, KIND_LIMIT, KIND_VENUE
from protocols.layouts import COMMAND
from protocols.text import pack_text, unpack_text
from stages.config import Capacity, ConfigError, Instrument, VenueConfig
from stages.config_trading import Bands
from stages.definitions import Books, DayState, Traits, day_state_of, directory_of, firm_of, traits_of
from stages.state import RiskState
from stages.state_words import RW_PARTITIONS
from stages.venue_days import band_commands, schedule_commands, table_commands

__all__ = [
    "config_commands",
    "currency_code",
    "instrument_command",
    "new_command",
    "set_name",
    "venue_command",
]


def currency_code(currency: str) -> int:
    """Pack a three-letter currency."""
    return pack_text(currency)[0]


def new_command(kind: int, **fields: Any) -> Any:
    """Return one command with the given fields."""
    command = np.zeros((), dtype=COMMAND)
    command["kind"] = kind
    for name, value in fields.items():
        command[name] = value
    return command


def set_name(command: Any, name: str) -> Any:
    """Put a name into a command's ClOrdID words."""
    command["cl0"], command["cl1"], command["cl2"] = pack_text(name)
    return command


def venue_command(capacity: Capacity) -> Any:
    """Return the VENUE command: capacities, always sequence 1."""
    return new_command(
        KIND_VENUE,
        qty_lots=capacity.max_orders,
        order_id=capacity.max_cl_ord_ids,
        aux0=capacity.max_positions,
        aux1=capacity.max_levels,
        account=capacity.max_accounts,
        instrument=capacity.max_instruments,
        price_ticks=capacity.max_sessions,
        orig0=capacity.max_specials,
        orig1=capacity.partitions,
    )


def instrument_command(
    identity: int,
    symbol: str,
    tick_e8: int,
    lot_e8: int,
    tick_value: int,
    currency: str,
    low: int = 0,
    high: int = 0,
    protection: int = 0,
    group: int = 0,
    table: int = 0,
    market_data: int = 0,
    *,
    state: int = 0,
    partition: int = 0,
) -> Any:
    """Return an INSTRUMENT command; a new one begins in ``state``, in ``partition`` (from 1; 0: by group or id)."""
    return set_name(
        new_command(
            KIND_INSTRUMENT,
            instrument=identity,
            price_ticks=tick_e8,
            qty_lots=lot_e8,
            aux0=tick_value,
            orig2=currency_code(currency),
            order_id=low,
            aux1=high,
            orig0=protection,
            account=group,
            orig1=table,
            flags=market_data * FLAG_MARKET_DATA,
            ord_type=state,
            tif=partition,
        ),
        symbol,
    )


def config_commands(config: VenueConfig, risk: RiskState, books: Books | None = None, now_ns: int = 0) -> Any:
    """Return the commands that bring a state to the configuration; raise ConfigError for what cannot change.

    Without books nothing is known of bands and schedules. What is scheduled comes after ``now_ns``.
    """
    days = day_state_of(risk, books)
    parts = [
        table_commands(config, days.tables),
        _instrument_commands(config, risk, days),
        _account_commands(config, risk),
        schedule_commands(config, days.schedules, now_ns),
    ]
    return np.concatenate(parts)


def _instrument_commands(config: VenueConfig, risk: RiskState, days: DayState) -> Any:
    """Return definitions of instruments, each with its bands behind it."""
    known = directory_of(risk)
    parts = [np.zeros(0, dtype=COMMAND)]
    next_id = max(known.instruments, default=0)
    for row, entry in enumerate(config.instruments):
        group, table = config.groups[entry.group], config.table_numbers[entry.tick_table]
        traits = Traits(*entry.band_ticks, entry.protection_ticks, group, table, int(entry.market_data))
        identity = known.instrument_ids.get(entry.symbol, 0)
        state = 0
        if identity:
            _check_units(f"instrument[{row}]", entry, risk.instruments[identity])
            _check_partition(f"instrument[{row}].partition", entry, risk.instruments[identity])
        else:
            next_id += 1
            identity, state = next_id, entry.initial_state_code
            _check_room(f"instrument[{row}]", "instruments", identity, len(risk.instruments) - 1)
        if state or traits != traits_of(risk, identity):
            units = entry.tick_e8, entry.lot_e8, entry.tick_value, entry.currency
            partition = entry.partition or 0
            _check_room(f"instrument[{row}]", "partitions", partition, int(risk.words[RW_PARTITIONS]))
            command = instrument_command(
                identity, entry.symbol, *units, *traits, state=state, partition=partition
            )
            parts.append(command.reshape(1))
        parts.append(band_commands(identity, entry, *days.bands.get(identity, (Bands(), 0))))
    return np.concatenate(parts)


def _check_units(key: str, entry: Instrument, record: Any) -> None:
    was = (int(record["tick_e8"]), int(record["lot_e8"]), unpack_text(int(record["currency"]), 0))
    if was != (entry.tick_e8, entry.lot_e8, entry.currency):
        problem = "expected tick, lot and currency as in the journal: an instrument's units cannot change"
        raise ConfigError(key, problem, entry.symbol)


def _check_partition(key: str, entry: Instrument, record: Any) -> None:
    was = int(record["partition"]) + 1
    if entry.partition not in (None, was):
        problem = f"expected {was}, as in the journal: {entry.symbol} cannot move to another partition"
        raise ConfigError(key, problem, entry.partition)


def _account_commands(config: VenueConfig, risk: RiskState) -> Any:
    """Return definitions of accounts, each with its limits behind it."""
    known = directory_of(risk)
    commands: list[Any] = []
    next_id = max(known.accounts, default=0)
    for row, account in enumerate(config.accounts):
        identity = known.account_ids.get(account.name, 0)
        is_new = not identity
        if is_new:
            next_id += 1
            identity = next_id
            _check_room(f"account[{row}]", "accounts", identity, len(risk.accounts) - 1)
        elif int(risk.accounts[identity]["currency"]) != currency_code(account.currency):
            raise ConfigError(f"account[{row}].currency", "expected that of the journal", account.currency)
        if is_new or firm_of(risk, identity) != account.firm:
            fields = {
                "account": identity,
                "orig2": currency_code(account.currency),
                "instrument": account.firm,
            }
            commands.append(set_name(new_command(KIND_ACCOUNT, **fields), account.name))
        for which, value in account.limits:
            if int(risk.limits[identity, int(which)]) != value:
                fields = {"account": identity, "ord_type": int(which), "qty_lots": value}
                commands.append(new_command(KIND_LIMIT, **fields))
    return np.array(commands, dtype=COMMAND)


def _check_room(key: str, what: str, identity: int, room: int) -> None:
    if identity > room:
        raise ConfigError(key, f"expected at most {room} {what}, for which the journal has room", identity)
