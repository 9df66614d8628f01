"""Numbers and words of scenarios: decimals as ticks and lots, whole numbers, names.

What cannot be read is a ScenarioError that names the field.
"""

from __future__ import annotations

import re
from typing import Any, Final

from protocols.codes import CommandFlag
from protocols.directory import parse_e8
from protocols.text import TEXT_BYTES
from stages.scenario_text import ScenarioError

__all__ = ["LARGEST", "WHOLE", "Instrument", "fits", "name_of", "one_of", "parse_number", "whole"]

LARGEST: Final = (1 << 63) - 1
DECIMAL: Final = re.compile(r"-?[0-9]{1,19}(\.[0-9]{1,18})?")
WHOLE: Final = re.compile(r"-?[0-9]{1,19}")


class Instrument:
    """An instrument as a scenario declared it: its id and units, and how numbers of it are read."""

    def __init__(self, identity: int, symbol: str, fields: dict[str, Any]) -> None:
        self.identity, self.symbol, self.fields = identity, symbol, fields
        self.tick_e8, self.lot_e8 = int(fields["price_ticks"]), int(fields["qty_lots"])

    def ticks(self, name: str, text: str) -> tuple[int, int]:
        """Return a price in ticks, and the flag for one that is off the tick."""
        ticks, rest = divmod(parse_number(name, text), self.tick_e8)
        return fits(name, text, ticks), CommandFlag.OFF_TICK if rest else 0

    def lots(self, name: str, text: str) -> tuple[int, int]:
        """Return a quantity in lots, and the flag for one that is off the lot."""
        lots, rest = divmod(parse_number(name, text), self.lot_e8)
        return fits(name, text, lots), CommandFlag.OFF_LOT if rest else 0

    def whole_ticks(self, name: str, text: str) -> int:
        """Return a distance or bound that must be whole ticks."""
        ticks, flag = self.ticks(name, text)
        if flag:
            raise ScenarioError(f"{name}: expected a whole number of ticks, was {text!r}")
        return ticks

    def whole_lots(self, name: str, text: str) -> int:
        """Return a quantity that must be whole lots."""
        lots, flag = self.lots(name, text)
        if flag:
            raise ScenarioError(f"{name}: expected a whole number of lots, was {text!r}")
        return lots


def parse_number(name: str, text: str) -> int:
    """Return a decimal in units of 1e-8."""
    if not DECIMAL.fullmatch(text):
        raise ScenarioError(f"{name}: expected a decimal number, was {text!r}")
    try:
        return parse_e8(text)
    except ValueError as error:
        raise ScenarioError(f"{name}: {error}") from error


def whole(name: str, text: str, most: int = LARGEST) -> int:
    """Return a whole number."""
    if not WHOLE.fullmatch(text) or abs(int(text)) > most:
        raise ScenarioError(f"{name}: expected a whole number up to {most}, was {text!r}")
    return int(text)


def fits(name: str, text: str, count: int) -> int:
    """Return a number of ticks or lots that is one of the core's numbers."""
    if abs(count) > LARGEST:
        raise ScenarioError(f"{name}: expected at most {LARGEST} ticks or lots, was {text!r}")
    return count


def one_of(name: str, text: str, known: dict[str, Any]) -> Any:
    """Return what a word stands for."""
    if text not in known:
        raise ScenarioError(f"{name}: expected one of {', '.join(known) or 'none'}, was {text!r}")
    return known[text]


def name_of(name: str, text: str, most: int = TEXT_BYTES) -> str:
    """Return a text that fits into its field."""
    if len(text) > most or not text.isascii() or not text.isprintable():
        raise ScenarioError(f"{name}: expected at most {most} printable ASCII characters, was {text!r}")
    return text
