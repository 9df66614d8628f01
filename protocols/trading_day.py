"""A trading day as text: names of trading states and band modes, spans of time, times of day.

Read by the configuration, by scenarios and by the command line, so that all three speak of ``opening-auction``,
``30s`` and ``09:00:00`` alike. Times of day are UTC. What cannot be read is a ValueError that says what was expected.
"""

from __future__ import annotations

import re
from typing import Final

from protocols.codes import E8, BandMode, TradingState
from protocols.directory import parse_e8

__all__ = [
    "BAND_MODES",
    "DAY_NS",
    "STATES",
    "UNITS_NS",
    "last_time_ns",
    "next_time_ns",
    "parse_span_ns",
    "parse_time_of_day_ns",
    "span_text",
    "state_word",
    "time_of_day_text",
]

STATES: Final = {state.name.lower().replace("_", "-"): state for state in TradingState}
BAND_MODES: Final = {mode.name.lower(): mode for mode in BandMode if mode}
SECOND_NS: Final = 1_000_000_000
DAY_NS: Final = 86_400 * SECOND_NS
MAX_SPAN_NS: Final = 10 * 366 * DAY_NS  # ten years
UNITS_NS: Final = {
    "ns": 1,
    "us": 1_000,
    "ms": 1_000_000,
    "s": SECOND_NS,
    "min": 60 * SECOND_NS,
    "h": 3_600 * SECOND_NS,
}
SPAN: Final = re.compile(r"([0-9]{1,19}(?:\.[0-9]{1,8})?)([a-z]+)")
TIME_OF_DAY: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9]))?")


def state_word(state: int) -> str:
    """Return the name of a trading state, ``opening-auction``; of none that there is, its number."""
    if not TradingState.CONTINUOUS <= state <= TradingState.CLOSED:
        return str(int(state))
    return TradingState(int(state)).name.lower().replace("_", "-")


def parse_span_ns(text: str) -> int:
    """Return a span such as 5s, 1.5ms or 2min in nanoseconds."""
    match = SPAN.fullmatch(text)
    if not match or match[2] not in UNITS_NS:
        raise ValueError(f"expected a number with one of {', '.join(UNITS_NS)}")
    span_ns = parse_e8(match[1]) * UNITS_NS[match[2]] // E8
    if span_ns > MAX_SPAN_NS:
        raise ValueError("expected at most ten years")
    return span_ns


def span_text(span_ns: int) -> str:
    """Return a span in the largest unit of which it is a whole number."""
    unit = next((unit for unit in reversed(UNITS_NS) if span_ns and span_ns % UNITS_NS[unit] == 0), "s")
    return f"{span_ns // UNITS_NS[unit]}{unit}"


def parse_time_of_day_ns(text: str) -> int:
    """Return a time of day, 09:00 or 09:00:30, in nanoseconds since midnight."""
    match = TIME_OF_DAY.fullmatch(text)
    if not match:
        raise ValueError("expected a time of day such as 09:00:00")
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return (hours * 3600 + minutes * 60 + seconds) * SECOND_NS


def time_of_day_text(time_ns: int) -> str:
    """Return the time of day of a time, HH:MM:SS with as many decimals as there are."""
    seconds, rest_ns = divmod(time_ns % DAY_NS, SECOND_NS)
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{text}.{rest_ns:09}".rstrip("0") if rest_ns else text


def next_time_ns(time_of_day_ns: int, now_ns: int) -> int:
    """Return the first time after ``now_ns`` at which it is this time of day."""
    today_ns = now_ns - now_ns % DAY_NS + time_of_day_ns
    return today_ns if today_ns > now_ns else today_ns + DAY_NS


def last_time_ns(time_of_day_ns: int, now_ns: int) -> int:
    """Return the last time, ``now_ns`` or before, at which it was this time of day."""
    return next_time_ns(time_of_day_ns, now_ns) - DAY_NS
