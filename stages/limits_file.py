"""Files of limits for ``ringmatch limits import``: a ``venue.toml``, or CSV, as the limits that holders are to have.

A CSV has the columns ``holder,key,value,warn``, in any order and with a line of titles. HOLDER is an account's name,
``firm:N``, ``instrument:SYMBOL`` or ``ACCOUNT@SYMBOL``; ``key`` and ``value`` are those of ``venue.toml``, a value may
be ``unset``; ``warn`` is a percentage. What is empty stays as it is. All of a file is checked before anything is done.

Failure modes: what is wrong with a file is a :class:`stages.config_model.ConfigError` that names file, line and column.
A venue's file may only name what the venue knows: to define is the business of a start.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from protocols.directory import Directory
from protocols.risk_terms import LIMIT_TERMS, keys_of, parse_limit, warned_keys_of
from stages.config import ConfigError, VenueConfig, load_config
from stages.limit_rows import Holder
from stages.venue_limits import WantedLimits, wanted_limits

__all__ = ["parse_holder", "read_limits"]

COLUMNS: Final = ("holder", "key", "value", "warn")
REQUIRED: Final = COLUMNS[:2]
MAX_FIRM: Final = (1 << 31) - 1
FIRM: Final = "firm:"
INSTRUMENT: Final = "instrument:"


def parse_holder(text: str, ids: Directory) -> Holder:
    """Return whose limits a text means; a ValueError says what was expected."""
    if text in ids.account_ids:
        return Holder(account=ids.account_ids[text])
    if text.startswith(FIRM):
        number = text.removeprefix(FIRM)
        if not number.isdecimal() or not 0 < int(number) <= MAX_FIRM:
            raise ValueError("expected firm:N with the number of a firm")
        return Holder(firm=int(number))
    if text.startswith(INSTRUMENT):
        return Holder(instrument=_instrument(text.removeprefix(INSTRUMENT), ids))
    account, at, symbol = text.rpartition("@")
    if at and account in ids.account_ids:
        return Holder(account=ids.account_ids[account], instrument=_instrument(symbol, ids))
    raise ValueError("expected the name of an account, firm:N, instrument:SYMBOL or ACCOUNT@SYMBOL")


def _instrument(symbol: str, ids: Directory) -> int:
    if symbol not in ids.instrument_ids:
        raise ValueError("expected the symbol of an instrument")
    return ids.instrument_ids[symbol]


def read_limits(path: Path, ids: Directory) -> list[WantedLimits]:
    """Return the limits of a file: CSV by its suffix, else a venue's configuration."""
    if path.suffix.lower() == ".csv":
        return _read_csv(path, ids)
    config = load_config(path, range(1 << 10))  # on which cores it would run does not matter here
    _check_known(config, ids, str(path))
    return list(wanted_limits(config, ids))


def _check_known(config: VenueConfig, ids: Directory, file: str) -> None:
    for index, entry in enumerate(config.instruments):
        if entry.symbol not in ids.instrument_ids:
            problem = "expected an instrument of the venue; a start with this file defines it"
            raise ConfigError(f"instrument[{index}].symbol", problem, entry.symbol, file)
    for index, account in enumerate(config.accounts):
        if account.name not in ids.account_ids:
            problem = "expected an account of the venue; a start with this file defines it"
            raise ConfigError(f"account[{index}].name", problem, account.name, file)


def _read_csv(path: Path, ids: Directory) -> list[WantedLimits]:
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise ConfigError("", f"cannot be read: {error.strerror}", file=str(path)) from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            "", f"expected UTF-8, was another byte at offset {error.start}", file=str(path)
        ) from error
    wanted: dict[Holder, WantedLimits] = {}
    first: dict[tuple[Holder, str], int] = {}
    rows = csv.DictReader(text.splitlines())
    _check_titles(rows.fieldnames or (), str(path))
    for row in rows:
        _read_row(row, rows.line_num, str(path), ids, wanted, first)
    return list(wanted.values())


def _check_titles(titles: Iterable[str], file: str) -> None:
    names = list(titles)
    missing = [name for name in REQUIRED if name not in names]
    unknown = [name for name in names if name not in COLUMNS]
    if missing or unknown or len(set(names)) != len(names):
        raise ConfigError("line 1", f"expected the titles {','.join(COLUMNS)}", ",".join(names), file)


def _read_row(
    row: dict[str, str | None],
    line: int,
    file: str,
    ids: Directory,
    wanted: dict[Holder, WantedLimits],
    first: dict[tuple[Holder, str], int],
) -> None:
    """Put one line into what is wanted."""
    if None in row:
        raise ConfigError(f"line {line}", f"expected at most {len(COLUMNS)} columns", file=file)
    cells = {name: (row.get(name) or "").strip() for name in COLUMNS}
    try:
        holder = parse_holder(cells["holder"], ids)
    except ValueError as error:
        raise ConfigError(f"line {line}: holder", str(error), cells["holder"], file) from error
    key = cells["key"]
    if key not in keys_of(holder.kind):
        problem = f"expected one of {', '.join(keys_of(holder.kind))}"
        raise ConfigError(f"line {line}: key", problem, key, file)
    if (holder, key) in first:
        problem = f"expected it once, but line {first[holder, key]} has it too"
        raise ConfigError(f"line {line}: key", problem, f"{cells['holder']} {key}", file)
    first[holder, key] = line
    place = wanted.setdefault(holder, WantedLimits(holder, {}, {}))
    if cells["value"]:
        try:
            place.values[LIMIT_TERMS[key].limit] = parse_limit(key, cells["value"], may_be_unset=True)
        except ValueError as error:
            raise ConfigError(f"line {line}: value", str(error), cells["value"], file) from error
    if cells["warn"]:
        if key not in warned_keys_of(holder.kind):
            known = ", ".join(warned_keys_of(holder.kind)) or "no limit of this holder"
            raise ConfigError(f"line {line}: warn", f"expected it with {known} only", cells["warn"], file)
        if not cells["warn"].isdecimal() or int(cells["warn"]) > 100:
            raise ConfigError(f"line {line}: warn", "expected 0 to 100 percent", cells["warn"], file)
        place.percents[LIMIT_TERMS[key].limit] = int(cells["warn"])
