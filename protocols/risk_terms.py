"""Limits and switches as text: their keys, who has them, in which unit a value is written, and what a word stands for.

Read by the configuration, by scenarios, by the command line and by reports, so that all speak of ``max_long``,
``unlimited`` and ``killed`` alike. The table is that of docs/risk-controls.md ("Limits"). What cannot be read is a
ValueError that says what was expected.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from protocols.codes import (
    E8,
    LIMIT_UNLIMITED,
    LIMIT_UNSET,
    MONEY_UNIT_PER_CURRENCY_UNIT,
    Access,
    KillLevel,
    Limit,
    OrdType,
    Switch,
    Tif,
)
from protocols.directory import parse_e8
from protocols.trading_day import parse_span_ns, span_text

__all__ = [
    "ACCESS_WORDS",
    "ALL_GROUPS",
    "ALL_TIFS",
    "ALL_TYPES",
    "CONFIGURED_BY",
    "KILL_LEVELS",
    "LIMIT_TERMS",
    "ORDER_TYPE_WORDS",
    "SWITCH_WORDS",
    "TIF_WORDS",
    "UNLIMITED",
    "UNSET",
    "LimitTerm",
    "bits_of",
    "key_of",
    "keys_of",
    "limit_text",
    "money_text",
    "parse_limit",
    "parse_share",
    "share_text",
    "switch_text",
    "term_of",
    "warned_keys_of",
]

UNLIMITED: Final = "unlimited"
UNSET: Final = "unset"
NOT_SET: Final = "not set"
CONFIGURED_BY: Final = "venue.toml"  # who gives the commands that come from the configuration

LARGEST: Final = LIMIT_UNLIMITED
COUNTABLE: Final = 1 << 20
MILLION: Final = 1_000_000
LAST_GROUP_BIT: Final = 63  # stands for all groups from there on


class LimitTerm(NamedTuple):
    """One limit: what a value counts, the largest, and which holders have it and can be warned of it."""

    limit: Limit
    unit: str  # lots, money, orders, ns, messages, fills, cancels, a second, messages for each fill
    most: int
    holders: tuple[str, ...]
    warned: tuple[str, ...] = ()


_ACCOUNT: Final = ("account",)
_FIRM: Final = ("account", "firm")
_ALL: Final = ("account", "instrument", "position")
_POSITION: Final = ("account", "position")

LIMIT_TERMS: Final[dict[str, LimitTerm]] = {
    "max_order_qty": LimitTerm(Limit.MAX_ORDER_QTY, "lots", LARGEST, _ALL),
    "max_order_notional": LimitTerm(Limit.MAX_ORDER_NOTIONAL, "money", LARGEST, _ALL),
    "max_open_orders": LimitTerm(Limit.MAX_OPEN_ORDERS, "orders", LARGEST, _POSITION, _ACCOUNT),
    "max_long": LimitTerm(Limit.MAX_LONG, "lots", LARGEST, _POSITION, _ACCOUNT),
    "max_short": LimitTerm(Limit.MAX_SHORT, "lots", LARGEST, _POSITION, _ACCOUNT),
    "credit": LimitTerm(Limit.CREDIT, "money", LARGEST, _FIRM, _FIRM),
    "gross_notional": LimitTerm(Limit.GROSS_NOTIONAL, "money", LARGEST, _FIRM, _FIRM),
    "max_loss": LimitTerm(Limit.MAX_LOSS, "money", LARGEST, _ACCOUNT, _ACCOUNT),
    "order_to_trade": LimitTerm(Limit.ORDER_TO_TRADE, "messages for each fill", COUNTABLE, _ACCOUNT),
    "free_messages": LimitTerm(Limit.FREE_MESSAGES, "messages", LARGEST, _ACCOUNT),
    "duplicate_count": LimitTerm(Limit.DUPLICATE_COUNT, "orders", COUNTABLE, _ACCOUNT),
    "duplicate_window": LimitTerm(Limit.DUPLICATE_WINDOW, "ns", LARGEST, _ACCOUNT),
    "execution_count": LimitTerm(Limit.EXECUTION_COUNT, "fills", COUNTABLE, _ACCOUNT),
    "execution_window": LimitTerm(Limit.EXECUTION_WINDOW, "ns", LARGEST, _ACCOUNT),
    "order_rate": LimitTerm(Limit.ORDER_RATE, "a second", 10**9, _FIRM),
    "order_burst": LimitTerm(Limit.ORDER_BURST, "orders", COUNTABLE, _FIRM),
    "cancel_rate": LimitTerm(Limit.CANCEL_RATE, "a second", 10**9, _ACCOUNT),
    "cancel_burst": LimitTerm(Limit.CANCEL_BURST, "cancels", COUNTABLE, _ACCOUNT),
}  # by key, in the order of their codes
_KEYS: Final = {term.limit: key for key, term in LIMIT_TERMS.items()}
assert list(_KEYS) == list(Limit)

KILL_LEVELS: Final = {level.name.lower(): level for level in KillLevel}
SWITCH_WORDS: Final = {str(switch.name).lower(): switch for switch in Switch}
ACCESS_WORDS: Final = {access.name.lower().replace("_", "-"): access for access in Access}
ORDER_TYPE_WORDS: Final = {kind.name.lower().replace("_", "-"): kind for kind in OrdType}
TIF_WORDS: Final = {
    {Tif.OPEN: "at-open", Tif.CLOSE: "at-close"}.get(tif, tif.name.lower()): tif for tif in Tif
}
ALL_TYPES: Final = sum(1 << kind for kind in OrdType)
ALL_TIFS: Final = sum(1 << tif for tif in Tif)
ALL_GROUPS: Final = -1


def term_of(limit: int) -> LimitTerm:
    """Return what is known of a limit by its code."""
    return LIMIT_TERMS[_KEYS[Limit(limit)]]


def key_of(limit: int) -> str:
    """Return the key of a limit by its code, ``max_long``."""
    return _KEYS[Limit(limit)]


def keys_of(holder: str) -> tuple[str, ...]:
    """Return the keys of the limits that a kind of holder has: account, firm, instrument or position."""
    return tuple(key for key, term in LIMIT_TERMS.items() if holder in term.holders)


def warned_keys_of(holder: str) -> tuple[str, ...]:
    """Return the keys of the limits of which a kind of holder can be warned."""
    return tuple(key for key, term in LIMIT_TERMS.items() if holder in term.warned)


def parse_limit(key: str, value: int | str, *, may_be_unset: bool = False) -> int:
    """Return a limit as a LIMIT command carries it: lots, millionths of money, nanoseconds, counts."""
    term = LIMIT_TERMS[key]
    if value == UNLIMITED:
        return LIMIT_UNLIMITED
    if value in (UNSET, NOT_SET) and may_be_unset:
        return LIMIT_UNSET
    return _parse_span(str(value)) if term.unit == "ns" else _parse_amount(term, str(value))


def _parse_amount(term: LimitTerm, text: str) -> int:
    unit = MONEY_UNIT_PER_CURRENCY_UNIT if term.unit == "money" else 1
    what = "an amount of at most 6 decimals" if term.unit == "money" else "a whole number"
    try:
        units, rest = divmod(parse_e8(text) * unit, E8)
    except ValueError:
        units, rest = 0, 1
    if rest or not 0 <= units <= term.most:
        raise ValueError(f"expected {what} from 0 to {term.most // unit}, or {UNLIMITED}")
    return units


def _parse_span(text: str) -> int:
    try:
        return parse_span_ns(text)
    except ValueError as error:
        raise ValueError(f"{error}, or {UNLIMITED}") from error


def limit_text(limit: int, value: int) -> str:
    """Return a limit as it is written in the configuration; ``not set`` for none."""
    if value == LIMIT_UNSET:
        return NOT_SET
    if value == LIMIT_UNLIMITED:
        return UNLIMITED
    unit = term_of(limit).unit
    return money_text(value) if unit == "money" else span_text(value) if unit == "ns" else str(value)


def money_text(millionths: int) -> str:
    """Return money in units of the currency, with two decimals, or as many as it has."""
    sign = "-" if millionths < 0 else ""
    whole, fraction = divmod(abs(int(millionths)), MONEY_UNIT_PER_CURRENCY_UNIT)
    text = f"{fraction:06d}"
    return f"{sign}{whole}.{text[:2]}{text[2:].rstrip('0')}"


def parse_share(text: str) -> int:
    """Return a percentage such as 10% or -0.01% in millionths."""
    number, sign, rest = str(text).strip().partition("%")
    try:
        millionths, remainder = divmod(parse_e8(number) * 10_000, E8)
    except ValueError:
        remainder, millionths = 1, 0
    if remainder or not sign or rest:
        raise ValueError("expected a percentage of at most 4 decimals, such as 0.05%")
    return millionths


def share_text(millionths: int) -> str:
    """Return millionths as a percentage, 0.05%."""
    sign = "-" if millionths < 0 else ""
    whole, fraction = divmod(abs(int(millionths)), 10_000)
    return f"{sign}{whole}.{fraction:04d}".rstrip("0").rstrip(".") + "%"


def switch_text(switches: int) -> str:
    """Return the names of the switches that are engaged, ``killed reducing``; ``-`` for none."""
    names = [name for name, switch in SWITCH_WORDS.items() if switches & switch]
    return " ".join(names) or "-"


def bits_of(numbers: list[int]) -> int:
    """Return numbers as the bits of an int64; those from 63 on are bit 63."""
    bits = 0
    for number in numbers:
        bits |= 1 << min(number, LAST_GROUP_BIT)
    return bits - (1 << 64) if bits >> LAST_GROUP_BIT else bits
