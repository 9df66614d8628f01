"""Scenario statements about trading days: states, schedules, price bands, tick tables. See docs/scenarios.md.

Mixed into :class:`stages.scenario_commands.Translator`, which knows instruments. Groups and tick tables get numbers by
their first mention, from 1; ``-`` is no group.
"""

from __future__ import annotations

from typing import Any, Final

from protocols.codes import E8, BandMode
from protocols.market_commands import bands, clear_schedule, schedule, set_group_state, set_state, tick_table
from protocols.trading_day import STATES, parse_span_ns
from stages.scenario_text import ScenarioError, Words
from stages.scenario_units import Instrument, one_of

__all__ = ["DayStatements", "span_ns_of"]

NONE: Final = "-"
MODES: Final = {"none": BandMode.NONE, "reject": BandMode.REJECT, "halt": BandMode.HALT}
WIDTHS: Final = {"static": "static", "dynamic": "dynamic", "reference": "reference"}
SPANS: Final = {"for": "volatility_ns", "indications": "indication_ns"}
HUNDREDTH: Final = E8 // 100


def span_ns_of(name: str, text: str) -> int:
    """Return a span such as 5s, 1.5ms or 2min in nanoseconds."""
    try:
        return parse_span_ns(text)
    except ValueError as error:
        raise ScenarioError(f"{name}: {error}, was {text!r}") from error


class DayStatements:
    """What a scenario has named of groups and tick tables, and the statements about them."""

    instruments: dict[str, Instrument]

    def __init__(self) -> None:
        self.groups: dict[str, int] = {NONE: 0}
        self.tables: dict[str, int] = {NONE: 0}
        self.now_ns = 0

    def group(self, name: str) -> int:
        """Return the number of a group."""
        return self.groups.setdefault(name, len(self.groups))

    def table(self, name: str) -> int:
        """Return the number of a tick table."""
        return self.tables.setdefault(name, len(self.tables))

    def read_state(self, words: Words) -> list[Any]:
        """Read: state SYMBOL STATE, state group NAME STATE."""
        if words.skip("group"):
            number = self.group(words.take("group"))
            return [set_group_state(number, one_of("state", words.take("state"), STATES))]
        instrument = one_of("instrument", words.take("instrument"), self.instruments)
        return [set_state(instrument.identity, one_of("state", words.take("state"), STATES))]

    def read_schedule(self, words: Words) -> list[Any]:
        """Read: schedule GROUP STATE +SPAN [every SPAN], schedule GROUP clear."""
        group = self.group(words.take("group"))
        if words.skip("clear"):
            return [clear_schedule(group)]
        state = one_of("state", words.take("state"), STATES)
        text = words.take("schedule")
        if not text.startswith("+"):
            raise ScenarioError(f"schedule: expected a span such as +5s, was {text!r}")
        when_ns = self.now_ns + span_ns_of("schedule", text[1:])
        period_ns = span_ns_of("every", words.take("every")) if words.skip("every") else 0
        return [schedule(state, when_ns, group=group, period_ns=period_ns)]

    def read_bands(self, words: Words) -> list[Any]:
        """Read: bands SYMBOL [static D] [dynamic D] [reference P] [none|reject|halt] [for SPAN] [indications SPAN]."""
        instrument = one_of("instrument", words.take("instrument"), self.instruments)
        fields: dict[str, Any] = {}
        for word in words:
            if word in WIDTHS:
                fields[WIDTHS[word]] = instrument.whole_ticks(word, words.take(word))
            elif word in SPANS:
                fields[SPANS[word]] = span_ns_of(word, words.take(word))
            elif word in MODES:
                fields["mode"] = MODES[word]
            else:
                raise ScenarioError(f"expected one of {', '.join([*WIDTHS, *MODES, *SPANS])}, was {word!r}")
        return [bands(instrument.identity, **fields)]

    def read_tick_table(self, words: Words) -> list[Any]:
        """Read: tick-table NAME [tick P] from P step P [from P step P ...], tick-table NAME clear."""
        number = self.table(words.take("tick-table"))
        if words.skip("clear"):
            return [tick_table(number, [])]
        tick = words.take("tick") if words.skip("tick") else "0.01"
        unit = Instrument(0, "", {"price_ticks": HUNDREDTH, "qty_lots": E8})
        tick_e8 = unit.whole_ticks("tick", tick) * HUNDREDTH
        if tick_e8 <= 0:
            raise ScenarioError(f"tick: expected more than 0, was {tick!r}")
        unit = Instrument(0, "", {"price_ticks": tick_e8, "qty_lots": E8})
        rows = []
        while words.peek():
            words.expect("from")
            start = unit.whole_ticks("from", words.take("from"))
            words.expect("step")
            rows.append((start, unit.whole_ticks("step", words.take("step"))))
        if not rows:
            raise ScenarioError("tick-table: expected from PRICE step PRICE, or clear, was neither")
        return [tick_table(number, [row])[1:] for row in rows]
