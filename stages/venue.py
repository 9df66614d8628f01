"""A venue's definition as commands: everything that changes state is journaled, the configuration included.

At the first start all of it is sequenced; later starts sequence only what the configuration changed. Ids
are part of the journal: an instrument or account keeps the id it had first, whatever the file's order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from protocols.codes import FLAG_MARKET_DATA, FLAG_PREFUNDED, KIND_ACCOUNT, KIND_INSTRUMENT, KIND_VENUE
from protocols.commands import make_commands
from protocols.directory import AccountEntry, Directory, InstrumentEntry
from protocols.layouts import COMMAND
from protocols.text import pack_text, unpack_text
from stages.config import Account, Capacity, ConfigError, Instrument, VenueConfig
from stages.config_trading import Bands
from stages.definitions import Books, DayState, Traits, day_state_of, directory_of, firm_of, traits_of
from stages.limit_rows import LimitRows
from stages.state import ACCOUNT_PREFUNDED, RiskState
from stages.state_words import RW_PARTITIONS
from stages.venue_days import band_commands, schedule_commands, table_commands
from stages.venue_limits import (
    Difference,
    commands_of,
    differences_of,
    holder_name,
    kept_adjustments,
    wanted_limits,
)
from stages.venue_risk import (
    access_commands,
    collar_commands,
    day_commands,
    fee_commands,
    firm_commands,
    permit_commands,
    session_commands,
    short_sale_commands,
)

__all__ = [
    "adjusted_limits",
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


def config_commands(
    config: VenueConfig,
    risk: RiskState,
    books: Books | None = None,
    now_ns: int = 0,
    references: Mapping[str, int] | None = None,
) -> Any:
    """Return the commands that bring a state to the configuration; raise ConfigError for what cannot change.

    Without books nothing is known of bands and schedules. What is scheduled comes after ``now_ns``. ``references`` are
    those that the configuration gave collars before, in ticks by symbol (:mod:`stages.configured`).
    """
    days, ids = day_state_of(risk, books), assigned_ids(config, risk)
    limits = _limit_commands(config, ids, risk)
    parts = [
        table_commands(config, days.tables),
        firm_commands(config, risk),
        limits["firm"],
        _instrument_commands(config, ids, risk, days, references or {}),
        limits["instrument"],
        _account_commands(config, ids, risk),
        limits["account"],
        *(permit_commands(config, each, ids.account_ids[each.name], risk) for each in config.accounts),
        access_commands(config, ids, risk),
        limits["position"],
        fee_commands(config, ids, risk),
        session_commands(config, ids, risk),
        schedule_commands(config, days.schedules, now_ns),
        day_commands(config, risk, now_ns),
    ]
    return np.concatenate(parts)


def adjusted_limits(config: VenueConfig, risk: RiskState) -> list[str]:
    """Return the limits that an operator adjusted and that the configuration has otherwise, one a line."""
    ids, rows = assigned_ids(config, risk), LimitRows(risk)
    return [
        f"{holder_name(each.holder, ids)} {each.text().replace(' → ', ', the configuration has ')}"
        for wanted in wanted_limits(config, ids)
        for each in kept_adjustments(wanted, rows)
    ]


def assigned_ids(config: VenueConfig, risk: RiskState) -> Directory:
    """Return the ids that the state has given, and those that what is new in the file gets: the next ones."""
    known = directory_of(risk)
    instruments, accounts = dict(known.instruments), dict(known.accounts)
    next_id = max(instruments, default=0) + 1
    new_instruments = [entry for entry in config.instruments if entry.symbol not in known.instrument_ids]
    for identity, entry in enumerate(new_instruments, start=next_id):
        units = entry.tick_e8, entry.lot_e8, entry.currency
        instruments[identity] = InstrumentEntry(identity, entry.symbol, *units)
    next_id = max(accounts, default=0) + 1
    new_accounts = [account for account in config.accounts if account.name not in known.account_ids]
    for identity, account in enumerate(new_accounts, start=next_id):
        accounts[identity] = AccountEntry(identity, account.name)
    return Directory(instruments.values(), accounts.values())


def _limit_commands(config: VenueConfig, ids: Directory, risk: RiskState) -> dict[str, Any]:
    """Return the limits that differ, by the kind of their holders."""
    rows = LimitRows(risk)
    found: dict[str, list[Difference]] = {"firm": [], "instrument": [], "account": [], "position": []}
    for wanted in wanted_limits(config, ids):
        found[wanted.holder.kind] += differences_of(wanted, rows)
    return {kind: commands_of(differences) for kind, differences in found.items()}


def _instrument_commands(
    config: VenueConfig, ids: Directory, risk: RiskState, days: DayState, references: Mapping[str, int]
) -> Any:
    """Return definitions of instruments, each with its bands, its collars and its short sales behind it."""
    known = directory_of(risk)
    parts = [np.zeros(0, dtype=COMMAND)]
    for row, entry in enumerate(config.instruments):
        group, table = config.groups[entry.group], config.table_numbers[entry.tick_table]
        traits = Traits(*entry.band_ticks, entry.protection_ticks, group, table, int(entry.market_data))
        identity, state = ids.instrument_ids[entry.symbol], 0
        if entry.symbol in known.instrument_ids:
            _check_units(f"instrument[{row}]", entry, risk.instruments[identity])
            _check_partition(f"instrument[{row}].partition", entry, risk.instruments[identity])
        else:
            state = entry.initial_state_code
            _check_room(f"instrument[{row}]", "instruments", identity, len(risk.instruments) - 1)
        if state or traits != traits_of(risk, identity):
            units = entry.tick_e8, entry.lot_e8, entry.tick_value, entry.currency
            partition = entry.partition or 0
            _check_room(f"instrument[{row}]", "partitions", partition, int(risk.words[RW_PARTITIONS]))
            command = instrument_command(
                identity, entry.symbol, *units, *traits, state=state, partition=partition
            )
            parts.append(command.reshape(1))
        record = risk.instruments[identity]
        parts.append(band_commands(identity, entry, *days.bands.get(identity, (Bands(), 0))))
        parts.append(collar_commands(entry, identity, record, references))
        parts.append(short_sale_commands(entry, identity, record))
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


def _account_commands(config: VenueConfig, ids: Directory, risk: RiskState) -> Any:
    """Return definitions of accounts that are new, or belong to another firm."""
    known = directory_of(risk)
    rows: list[tuple[int, int, int, int]] = []
    names: list[str] = []
    for row, account in enumerate(config.accounts):
        identity = ids.account_ids[account.name]
        is_new = account.name not in known.account_ids
        if is_new:
            _check_room(f"account[{row}]", "accounts", identity, len(risk.accounts) - 1)
        else:
            _check_account(f"account[{row}]", account, risk.accounts[identity])
        if is_new or firm_of(risk, identity) != account.firm:
            rows.append((identity, currency_code(account.currency), account.firm, account.prefunded))
            names.append(account.name)
    if not rows:
        return np.zeros(0, dtype=COMMAND)
    identities, currencies, firms, prefunded = np.array(rows, dtype=np.int64).T
    traits = {"orig2": currencies, "instrument": firms, "flags": prefunded * FLAG_PREFUNDED}
    return make_commands(KIND_ACCOUNT, account=identities, cl=names, **traits)


def _check_account(key: str, account: Account, record: Any) -> None:
    if int(record["currency"]) != currency_code(account.currency):
        raise ConfigError(f"{key}.currency", "expected that of the journal", account.currency)
    if bool(int(record["marks"]) & ACCOUNT_PREFUNDED) != account.prefunded:
        raise ConfigError(
            f"{key}.prefunded", "expected that of the journal: it is decided once", account.prefunded
        )
    if account.firm != int(record["firm"]) and int(record["open_orders"]):
        problem = f"expected {record['firm']}, as in the journal, while {account.name} has open orders"
        raise ConfigError(f"{key}.firm", problem, account.firm)


def _check_room(key: str, what: str, identity: int, room: int) -> None:
    if identity > room:
        raise ConfigError(key, f"expected at most {room} {what}, for which the journal has room", identity)
