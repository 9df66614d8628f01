"""What a configuration of risk controls must satisfy: firms, limits, warnings, permissions, collars, fees, sessions.

Called by :mod:`stages.config_checks`; it changes nothing. Names must lead somewhere: accounts of a session, symbols of
an account's instruments, groups, the account that gets the fees. A firm and its accounts have one currency.

Failure modes: the first thing that is wrong is raised as a ConfigError.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from protocols.risk_terms import keys_of, parse_limit, parse_share, warned_keys_of
from protocols.trading_day import parse_span_ns, parse_time_of_day_ns
from stages.config_model import Account, ConfigError, Instrument, VenueConfig
from stages.config_risk import ACCESS, NO_GROUP, ORDER_TYPES, SHORT_SALES, TIFS, Firm
from stages.config_values import check_text, check_word, whole_ticks

__all__ = ["check_risk"]

MAX_NAME_CHARACTERS: Final = 16
MAX_SESSION_CHARACTERS: Final = 20
MILLION: Final = 1_000_000  # of rates and widths: all of it
MAX_WIDTH_TICKS: Final = 1 << 60  # of COLLAR commands, see docs/rules.md
FEE_KEYS: Final = ("maker_fee", "taker_fee", "auction_fee")
WIDTH_KEYS: Final = ("static_collar", "dynamic_collar")


def check_risk(config: VenueConfig) -> None:
    """Raise :class:`ConfigError` for the first thing about risk controls that is wrong."""
    if config.risk.day_begin is not None:
        _parsed("risk.day_begin", config.risk.day_begin, parse_time_of_day_ns)
    _check_firms(config)
    for index, instrument in enumerate(config.instruments):
        _check_instrument(f"instrument[{index}]", instrument, config)
    for index, account in enumerate(config.accounts):
        _check_account(f"account[{index}]", account, config)
    _check_sessions(config)


def _parsed(key: str, value: Any, parse: Callable[[Any], int]) -> int:
    try:
        return parse(value)
    except ValueError as error:
        raise ConfigError(key, str(error), value) from error


def _unique(place: str, table: str, name: Any, first: dict[Any, int], index: int) -> None:
    """Refuse what an earlier row of a list of tables has already; ``place`` is its key."""
    if name in first:
        raise ConfigError(place, f"expected one of its own, but {table}[{first[name]}] has it too", name)
    first[name] = index


def _check_limits(key: str, table: Any, holder: str) -> None:
    for name in keys_of(holder):
        value = getattr(table, name)
        if value is not None:
            _parsed(f"{key}.{name}", value, lambda given, name=name: parse_limit(name, given))  # type: ignore[misc]


def _check_warnings(key: str, warn: dict[str, int], holder: str) -> None:
    known = warned_keys_of(holder)
    for name, percent in warn.items():
        if name not in known:
            raise ConfigError(f"{key}.warn.{name}", f"expected one of {', '.join(known)}", percent)
        if not 0 <= percent <= 100:
            raise ConfigError(f"{key}.warn.{name}", "expected 0 to 100 percent", percent)


def _check_firms(config: VenueConfig) -> None:
    most, ids, names = config.capacity.max_accounts, dict[int, int](), dict[str, int]()
    for index, firm in enumerate(config.firms):
        key = f"firm[{index}]"
        if not 1 <= firm.id <= most:
            raise ConfigError(f"{key}.id", f"expected 1 to capacity.max_accounts = {most}", firm.id)
        _unique(f"{key}.id", "firm", firm.id, ids, index)
        check_text(f"{key}.name", firm.name, MAX_NAME_CHARACTERS)
        _unique(f"{key}.name", "firm", firm.name, names, index)
        if not (len(firm.currency) == 3 and firm.currency.isascii() and firm.currency.isupper()):
            raise ConfigError(f"{key}.currency", "expected three capital letters", firm.currency)
        _check_limits(key, firm, "firm")
        _check_warnings(key, firm.warn, "firm")
    for index, account in enumerate(config.accounts):
        if not 0 <= account.firm <= most:
            key = f"account[{index}].firm"
            raise ConfigError(key, f"expected 0 to capacity.max_accounts = {most}", account.firm)
    by_id: dict[int, Firm] = {firm.id: firm for firm in config.all_firms}
    for index, account in enumerate(config.accounts):
        if account.firm and by_id[account.firm].currency != account.currency:
            firm = by_id[account.firm]
            problem = f"expected {firm.currency}, the currency of its firm {firm.name}"
            raise ConfigError(f"account[{index}].currency", problem, account.currency)


def _check_instrument(key: str, entry: Instrument, config: VenueConfig) -> None:
    _check_limits(key, entry, "instrument")
    check_word(f"{key}.short_sales", entry.short_sales, SHORT_SALES)
    _check_collars(key, entry)
    rates = [_parsed(f"{key}.{name}", getattr(entry, name) or "0%", parse_share) for name in FEE_KEYS]
    for name, rate in zip(FEE_KEYS, rates, strict=True):
        if abs(rate) > MILLION:
            raise ConfigError(f"{key}.{name}", "expected -100% to 100%", getattr(entry, name))
    accounts = {account.name: account for account in config.accounts}
    if entry.fee_account and entry.fee_account not in accounts:
        raise ConfigError(f"{key}.fee_account", "expected the name of an [[account]]", entry.fee_account)
    if not any(rates):
        return
    if not entry.fee_account:
        raise ConfigError(f"{key}.fee_account", "expected an account that gets the fees, was missing")
    payee = accounts[entry.fee_account]
    if payee.prefunded:
        raise ConfigError(f"{key}.fee_account", "expected an account that is not pre-funded", payee.name)
    if payee.currency != entry.currency:
        problem = f"expected an account in {entry.currency}, the currency of {entry.symbol}"
        raise ConfigError(f"{key}.fee_account", problem, f"{payee.name} in {payee.currency}")


def _check_collars(key: str, entry: Instrument) -> None:
    widths = {name: getattr(entry, name) for name in WIDTH_KEYS if getattr(entry, name) is not None}
    shares = [name for name, width in widths.items() if str(width).endswith("%")]
    if shares and len(shares) != len(widths):
        problem = "expected both collars in percent, or both as prices"
        raise ConfigError(f"{key}.dynamic_collar", problem, list(widths.values()))
    for name, width in widths.items():
        if shares:
            if not 1 <= _parsed(f"{key}.{name}", width, parse_share) <= MILLION:
                raise ConfigError(f"{key}.{name}", "expected more than 0% and at most 100%", width)
        elif whole_ticks(f"{key}.{name}", width, entry.tick_size, entry.tick_e8) > MAX_WIDTH_TICKS:
            raise ConfigError(f"{key}.{name}", f"expected at most {MAX_WIDTH_TICKS} ticks", width)
    for name in ("collar_reference", "collar_age"):
        if getattr(entry, name) is not None and not widths:
            raise ConfigError(f"{key}.static_collar", f"expected a collar with {name}, was missing")
    if entry.collar_reference is not None:
        whole_ticks(f"{key}.collar_reference", entry.collar_reference, entry.tick_size, entry.tick_e8)
    if entry.collar_age is not None:
        _parsed(f"{key}.collar_age", entry.collar_age, parse_span_ns)
        if "dynamic_collar" not in widths:
            raise ConfigError(f"{key}.dynamic_collar", "expected one with collar_age, was missing")


def _check_account(key: str, entry: Account, config: VenueConfig) -> None:
    _check_limits(key, entry, "account")
    _check_warnings(key, entry.warn, "account")
    for name, known in (("order_types", ORDER_TYPES), ("tifs", TIFS)):
        for place, word in enumerate(getattr(entry, name) or ()):
            check_word(f"{key}.{name}[{place}]", word, known)
    groups = [*(name for name in config.groups if name), NO_GROUP]
    for place, group in enumerate(entry.groups or ()):
        if group not in groups:
            problem = f"expected the group of an instrument ({', '.join(groups)})"
            raise ConfigError(f"{key}.groups[{place}]", problem, group)
    symbols = {instrument.symbol: instrument for instrument in config.instruments}
    first: dict[str, int] = {}
    for index, row in enumerate(entry.instruments):
        place_key = f"{key}.instrument[{index}]"
        if row.symbol not in symbols:
            raise ConfigError(f"{place_key}.symbol", "expected the symbol of an [[instrument]]", row.symbol)
        _unique(f"{place_key}.symbol", f"{key}.instrument", row.symbol, first, index)
        if symbols[row.symbol].currency != entry.currency:
            problem = f"expected an instrument in {entry.currency}, the currency of {entry.name}"
            raise ConfigError(f"{place_key}.symbol", problem, row.symbol)
        if row.access is not None:
            check_word(f"{place_key}.access", row.access, ACCESS)
        _check_limits(place_key, row, "position")


def _check_sessions(config: VenueConfig) -> None:
    names = {account.name for account in config.accounts}
    first: dict[str, int] = {}
    if len(config.sessions) > config.capacity.max_sessions:
        problem = f"expected at most capacity.max_sessions = {config.capacity.max_sessions}"
        raise ConfigError("session", problem, len(config.sessions))
    for index, row in enumerate(config.sessions):
        key = f"session[{index}]"
        check_text(f"{key}.name", row.name, MAX_SESSION_CHARACTERS)
        _unique(f"{key}.name", "session", row.name, first, index)
        for place, name in enumerate(row.accounts or ()):
            if name not in names:
                raise ConfigError(f"{key}.accounts[{place}]", "expected the name of an [[account]]", name)
