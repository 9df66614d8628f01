"""Configuration of risk controls: firms, limits, permissions, collars, fees, sessions, as ``venue.toml`` says them.

Written by nobody once decoded; part of :mod:`stages.config_model`, checked by :mod:`stages.config_risk_checks`, turned
into commands by :mod:`stages.venue_limits` and :mod:`stages.venue_risk`. What the controls mean is told by
docs/risk-controls.md ("Configuration"). The properties may be asked only of a configuration that passed.

Limits that accounts and firms do not name are unlimited; those of instruments, and of accounts in one instrument, only
narrow, and are not set where they are not named.
"""

from __future__ import annotations

from typing import Any, Final, Literal, NamedTuple

from msgspec import Struct

from protocols.codes import LIMIT_UNSET, Access, CollarUnit, Limit
from protocols.directory import parse_e8
from protocols.risk_terms import (
    ACCESS_WORDS,
    ALL_GROUPS,
    ALL_TIFS,
    ALL_TYPES,
    LIMIT_TERMS,
    ORDER_TYPE_WORDS,
    TIF_WORDS,
    UNLIMITED,
    bits_of,
    keys_of,
    parse_limit,
    parse_share,
    warned_keys_of,
)
from protocols.trading_day import parse_time_of_day_ns

__all__ = [
    "ACCESS",
    "NO_GROUP",
    "ORDER_TYPES",
    "SHORT_SALES",
    "TIFS",
    "AccessWord",
    "AccountInstrument",
    "Amount",
    "Collar",
    "Fees",
    "Firm",
    "OrderTypeWord",
    "Risk",
    "Session",
    "ShortSalesWord",
    "TifWord",
    "collar_widths",
    "limits_of",
    "percents_of",
    "permitted_groups",
    "permitted_tifs",
    "permitted_types",
]

Amount = int | str
AccessWord = Literal["by-group", "permitted", "denied", "reducing"]
OrderTypeWord = Literal["market", "limit", "stop", "stop-limit", "trailing-stop", "directed"]
TifWord = Literal["gtc", "day", "ioc", "fok", "gtd", "at-open", "at-close"]
ShortSalesWord = Literal["allowed", "restricted"]

ACCESS: Final = tuple(ACCESS_WORDS)
ORDER_TYPES: Final = tuple(ORDER_TYPE_WORDS)
TIFS: Final = tuple(TIF_WORDS)
SHORT_SALES: Final = ("allowed", "restricted")
NO_GROUP: Final = "-"  # stands for the instruments that belong to no group


class Collar(NamedTuple):
    """What a COLLAR command sets, but for the reference: unit (codes.CollarUnit), widths, age of the reference."""

    unit: int = int(CollarUnit.TICKS)
    static: int = 0
    dynamic: int = 0
    age_ns: int = 0

    @property
    def is_on(self) -> bool:
        """Whether it keeps anything out."""
        return bool(self.static or self.dynamic)


class Fees(NamedTuple):
    """What a FEES command sets: rates in millionths, and the name of the account that gets them."""

    maker: int = 0
    taker: int = 0
    auction: int = 0
    account: str = ""

    @property
    def rates(self) -> tuple[int, int, int]:
        """The three rates."""
        return self.maker, self.taker, self.auction


class Risk(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[risk]``: when a day begins (UTC); without it DAY_BEGIN is the operator's."""

    day_begin: str | None = None

    @property
    def day_begin_ns(self) -> int | None:
        """Return the time of day in nanoseconds since midnight."""
        return None if self.day_begin is None else parse_time_of_day_ns(self.day_begin)


class Firm(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One ``[[firm]]``: limits of all its accounts together."""

    id: int
    name: str
    currency: str
    credit: Amount = UNLIMITED
    gross_notional: Amount = UNLIMITED
    order_rate: Amount = UNLIMITED
    order_burst: Amount = UNLIMITED
    warn: dict[str, int] = {}

    @property
    def limits(self) -> tuple[tuple[Limit, int], ...]:
        """Return each limit with its value as a LIMIT command carries it."""
        return limits_of(self, "firm")


class AccountInstrument(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One ``[[account.instrument]]``: what an account may do in one instrument; it narrows what the account has."""

    symbol: str
    access: AccessWord | None = None
    max_order_qty: Amount | None = None
    max_order_notional: Amount | None = None
    max_open_orders: Amount | None = None
    max_long: Amount | None = None
    max_short: Amount | None = None

    @property
    def limits(self) -> tuple[tuple[Limit, int], ...]:
        """Return each limit with its value as a LIMIT command carries it."""
        return limits_of(self, "position")

    @property
    def access_code(self) -> Access | None:
        """Return the access, None where the file leaves it as it is."""
        return None if self.access is None else ACCESS_WORDS[self.access]


class Session(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One ``[[session]]``: for which accounts it acts, all unless given."""

    name: str
    accounts: tuple[str, ...] | None = None


def limits_of(table: Any, holder: str) -> tuple[tuple[Limit, int], ...]:
    """Return the limits of a table of the file, by their codes; what it does not name is not set."""
    found = []
    for key in keys_of(holder):
        given = getattr(table, key)
        value = LIMIT_UNSET if given is None else parse_limit(key, given)
        found.append((LIMIT_TERMS[key].limit, value))
    return tuple(found)


def percents_of(table: Any, holder: str) -> tuple[tuple[Limit, int], ...]:
    """Return from how many percent of its limits on a holder is warned, 0 for never."""
    return tuple((LIMIT_TERMS[key].limit, table.warn.get(key, 0)) for key in warned_keys_of(holder))


def permitted_types(words: tuple[str, ...] | None) -> int:
    """Return order types as bits."""
    return ALL_TYPES if words is None else bits_of([ORDER_TYPE_WORDS[word] for word in words])


def permitted_tifs(words: tuple[str, ...] | None) -> int:
    """Return times in force as bits."""
    return ALL_TIFS if words is None else bits_of([TIF_WORDS[word] for word in words])


def permitted_groups(names: tuple[str, ...] | None, groups: dict[str, int]) -> int:
    """Return groups as bits."""
    if names is None:
        return ALL_GROUPS
    return bits_of([0 if name == NO_GROUP else groups[name] for name in names])


def collar_widths(static: Amount | None, dynamic: Amount | None, tick_e8: int) -> tuple[int, int, int]:
    """Return the unit of two widths (codes.CollarUnit), and both in it; one that is not given is 0."""
    widths = [static, dynamic]
    if any(str(width).endswith("%") for width in widths):
        shares = [0 if width is None else parse_share(str(width)) for width in widths]
        return int(CollarUnit.MILLIONTHS), shares[0], shares[1]
    ticks = [0 if width is None else parse_e8(str(width)) // tick_e8 for width in widths]
    return int(CollarUnit.TICKS), ticks[0], ticks[1]
