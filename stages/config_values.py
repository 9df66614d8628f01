"""Checks of single values of a configuration: names, words, amounts. Used by the checks of its tables.

Each raises a ConfigError with the key that it was given, what was expected and what was there; none changes anything.
"""

from __future__ import annotations

import re
from typing import Final

from protocols.codes import E8
from protocols.directory import parse_e8
from stages.config_model import Amount, ConfigError

__all__ = ["check_text", "check_word", "e8_of", "positive_e8", "whole_ticks"]

MAX_E8: Final = 1 << 60


def check_word(key: str, value: str, allowed: tuple[str, ...]) -> None:
    """Refuse a word that is none of those allowed."""
    if value not in allowed:
        raise ConfigError(key, f"expected one of {', '.join(allowed)}", value)


def check_text(key: str, value: str, longest: int) -> None:
    """Refuse a name that is empty, too long, or not visible ASCII."""
    graphic = value.isascii() and value.isprintable() and not re.search(r"[\s|]", value)
    if not (graphic and 1 <= len(value) <= longest):
        raise ConfigError(key, f"expected 1 to {longest} visible ASCII characters other than |", value)


def e8_of(key: str, value: Amount) -> int:
    """Return an amount in units of 1e-8."""
    try:
        number = parse_e8(str(value))
    except ValueError as error:
        problem = "expected a decimal number with at most 8 decimals"
        raise ConfigError(key, problem, value) from error
    if abs(number) > MAX_E8:
        raise ConfigError(key, f"expected at most {MAX_E8 // E8}", value)
    return number


def positive_e8(key: str, value: Amount) -> int:
    """Return an amount above 0 in units of 1e-8."""
    number = e8_of(key, value)
    if number <= 0:
        raise ConfigError(key, "expected a number above 0", value)
    return number


def whole_ticks(key: str, value: Amount, tick_size: Amount, tick_e8: int) -> int:
    """Return an amount above 0 in ticks, of which it must be a whole number."""
    ticks, rest = divmod(positive_e8(key, value), tick_e8)
    if rest:
        raise ConfigError(key, f"expected a whole number of ticks of {tick_size}", value)
    return ticks
