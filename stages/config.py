"""The venue's configuration: ``venue.toml`` is read, decoded and checked here, once.

This is the face of several modules: the shapes are in :mod:`stages.config_model`, :mod:`stages.config_trading` and
:mod:`stages.config_risk`, what they must satisfy in :mod:`stages.config_checks`, :mod:`stages.config_days` and
:mod:`stages.config_risk_checks`, the venue that serves without a file in :mod:`stages.config_defaults`, and here are
reading and explaining. None of them imports Numba.

Failure modes: everything that is wrong with a file, its syntax included, is a :class:`ConfigError`, which
names file, key, value and what was expected; unknown keys are refused. Only the first is reported.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, Final, NoReturn

import msgspec
from msgspec import UNSET

from protocols.trading_day import BAND_MODES, STATES
from stages.config_checks import check_config, check_workers
from stages.config_defaults import default_config, example_toml
from stages.config_model import (
    AUTO_PLANS,
    DURABILITIES,
    PARTITION_NAMES,
    STAGES,
    WAITS,
    Account,
    AccountInstrument,
    AutoPlan,
    Capacity,
    ConfigError,
    Firm,
    Instrument,
    Journal,
    Plan,
    Rings,
    Risk,
    Schedule,
    Session,
    Snapshots,
    TickTable,
    Venue,
    VenueConfig,
    Worker,
)
from stages.config_risk import ACCESS, ORDER_TYPES, SHORT_SALES, TIFS

__all__ = [
    "DURABILITIES",
    "PARTITION_NAMES",
    "STAGES",
    "WAITS",
    "Account",
    "AccountInstrument",
    "AutoPlan",
    "Capacity",
    "ConfigError",
    "Firm",
    "Instrument",
    "Journal",
    "Plan",
    "Rings",
    "Risk",
    "Schedule",
    "Session",
    "Snapshots",
    "TickTable",
    "Venue",
    "VenueConfig",
    "Worker",
    "check_workers",
    "decode_config",
    "default_config",
    "example_toml",
    "load_config",
    "overridden",
]

MAX_FILE_BYTES: Final = 16 << 20

# Keys that take one of a few words.
CHOICES: Final[dict[str, tuple[str, ...]]] = {
    "durability": DURABILITIES,
    "wait": WAITS,
    "workers": AUTO_PLANS,
    "stages": (*STAGES, *PARTITION_NAMES),
    "initial_state": tuple(STATES),
    "state": tuple(STATES),
    "band_mode": tuple(BAND_MODES),
    "access": ACCESS,
    "order_types": ORDER_TYPES,
    "tifs": TIFS,
    "short_sales": SHORT_SALES,
}

_TABLES: Final[dict[str, type[msgspec.Struct]]] = {
    "venue": Venue,
    "rings": Rings,
    "capacity": Capacity,
    "plan": Plan,
    "plan.workers": Worker,
    "journal": Journal,
    "snapshots": Snapshots,
    "instrument": Instrument,
    "account": Account,
    "account.instrument": AccountInstrument,
    "firm": Firm,
    "session": Session,
    "risk": Risk,
    "tick_table": TickTable,
    "schedule": Schedule,
}


def load_config(path: str | Path, cores: Collection[int] | None = None) -> VenueConfig:
    """Read and check ``path``; workers may be pinned to ``cores`` (default: those of this process)."""
    try:
        with open(path, "rb") as source:
            text = source.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError("", f"cannot be read: {error.strerror}", file=str(path)) from error
    if len(text) > MAX_FILE_BYTES:
        raise ConfigError("", f"expected at most {MAX_FILE_BYTES} bytes", file=str(path))
    return decode_config(text, str(path), cores)


def decode_config(text: str | bytes, file: str = "", cores: Collection[int] | None = None) -> VenueConfig:
    """Decode and check TOML text; ``file`` is what errors call it."""
    try:
        raw = tomllib.loads(text.decode("utf-8") if isinstance(text, bytes) else text)
    except UnicodeDecodeError as error:
        problem = f"expected UTF-8, was another byte at offset {error.start}"
        raise ConfigError("", problem, file=file) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError("", f"expected TOML: {error}", file=file) from error
    try:
        try:
            config = msgspec.convert(raw, VenueConfig)
        except msgspec.ValidationError as error:
            _refuse(raw, str(error))
        check_config(config, cores)
    except ConfigError as error:
        error.file = file
        raise
    return config


def overridden(
    config: VenueConfig,
    *,
    data_dir: str | None = None,
    durability: str | None = None,
    workers: AutoPlan | tuple[Worker, ...] | None = None,
    wait: str | None = None,
    cores: Collection[int] | None = None,
) -> VenueConfig:
    """Return the configuration with what a command line said instead (None: nothing), checked anew."""
    venue = {"data_dir": data_dir, "durability": durability}
    plan = {"workers": workers, "wait": wait}
    changed = msgspec.structs.replace(
        config,
        venue=msgspec.structs.replace(config.venue, **_given(venue)),
        plan=msgspec.structs.replace(config.plan, **_given(plan)),
    )
    check_config(changed, cores)
    return changed


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _refuse(raw: dict[str, Any], message: str) -> NoReturn:
    """Raise what msgspec said (``Expected `int`, got `str` - at `$.rings.ports```) in our words."""
    head, _, tail = message.partition(" - at `$")
    path = tail.rstrip("`").lstrip(".")
    named = re.search(r"field `([^`]*)`", head)
    key = ".".join(part for part in (path, named[1] if named else "") if part)
    value = _at(raw, key)
    for pattern, explain in _EXPLANATIONS:
        match = re.match(pattern, head)
        if match:
            raise ConfigError(key, explain(key, match), value)
    raise ConfigError(key, head, value)


def _at(raw: Any, key: str) -> Any:
    """Return the value at a key path of the decoded TOML; UNSET where there is none."""
    for part in re.findall(r"[^.\[\]]+", key):
        try:
            raw = raw[int(part)] if isinstance(raw, list) else raw[part]
        except (LookupError, TypeError, ValueError):
            return UNSET
    return raw


def _unknown(key: str, match: re.Match[str]) -> str:
    table = re.sub(r"\[\d+\]", "", key.rpartition(".")[0])
    known = [item.encode_name for item in msgspec.structs.fields(_TABLES.get(table, VenueConfig))]
    near = difflib.get_close_matches(match[1], known, n=1)
    return f"expected a known key, did you mean {near[0]}?" if near else f"expected one of {', '.join(known)}"


def _typed(key: str, match: re.Match[str]) -> str:
    expected, got = match[1], match[2]
    if got == "float" and "str" in expected:
        return "expected a decimal in quotes (a float is not exact)"
    parts = [_WORDS.get(part.strip(), part.strip()) for part in expected.split("|") if part.strip() != "null"]
    return f"expected {' or '.join(parts)}"


def _paired(key: str, match: re.Match[str]) -> str:
    is_row = key.startswith("tick_table")
    return "expected a row [from, tick size]" if is_row else "expected two prices, [lowest, highest]"


def _chosen(key: str, match: re.Match[str]) -> str:
    name = re.sub(r"\[\d+\]$", "", key).rpartition(".")[2]
    return f"expected one of {', '.join(CHOICES[name])}" if name in CHOICES else match[0].lower()


_WORDS: Final = {
    "array": "a list",
    "bool": "true or false",
    "int": "a whole number",
    "object": "a table",
    "str": "a text",
}

_EXPLANATIONS: Final[tuple[tuple[str, Callable[[str, re.Match[str]], str]], ...]] = (
    (r"Object contains unknown field `([^`]*)`", _unknown),
    (r"Object missing required field `([^`]*)`", lambda key, match: "expected a value, was missing"),
    (r"Expected `array` of length 2", _paired),
    (r"Expected `([^`]*)`, got `([^`]*)`", _typed),
    (r"Invalid enum value.*", _chosen),
)
