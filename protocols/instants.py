"""Instants as text: the time stamps of commands, in UTC, to the nanosecond.

What is printed can be read back. Read are ISO dates and times (``2026-11-23``, ``2026-11-23T14:30``,
``2026-11-23 14:30:00.25Z``, with an offset such as ``+02:00``; UTC where none is given), of which a date alone is its
first instant, and times of a day (``14:30:00``), which say nothing of the day.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple

__all__ = ["DAY_NS", "Clock", "parse_instant", "time_text"]

SECOND_NS: Final = 1_000_000_000
DAY_NS: Final = 86_400 * SECOND_NS
EXPECTED: Final = (
    "expected a date or a time in UTC (2026-11-23, 2026-11-23T14:30:00.25, "
    "with an offset if it is not UTC, or 14:30:00)"
)

_TIME: Final = r"(\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?"
_CLOCK: Final = re.compile(rf"{_TIME}Z?", re.ASCII)
_MOMENT: Final = re.compile(rf"(\d{{4}}-\d{{2}}-\d{{2}})(?:[T ]{_TIME}(Z|[+-]\d{{2}}:\d{{2}})?)?", re.ASCII)


class Clock(NamedTuple):
    """A time of some day, in ns since its midnight."""

    of_day_ns: int


@lru_cache(maxsize=16)
def _second_text(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"


def time_text(time_ns: int) -> str:
    """Return a stamp as ISO text in UTC with nine decimals."""
    seconds, rest_ns = divmod(time_ns, SECOND_NS)
    return f"{_second_text(seconds)}.{rest_ns:09d}Z"


def parse_instant(text: str) -> int | Clock:
    """Return the instant that a text names in ns since 1970, or a :class:`Clock`; raise ValueError for neither."""
    if match := _CLOCK.fullmatch(text):
        return Clock(_of_day_ns(text, *match.groups()))
    match = _MOMENT.fullmatch(text)
    if match is None:
        raise ValueError(f"{EXPECTED}, was {text!r}")
    date, *parts, zone = match.groups()
    try:
        midnight = datetime.fromisoformat(date).replace(tzinfo=UTC)
    except ValueError as error:
        raise ValueError(f"{EXPECTED}, was {text!r}: {error}") from error
    seconds = (midnight - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)
    of_day_ns = _of_day_ns(text, *parts) if parts[0] else 0
    return seconds * SECOND_NS + of_day_ns - _offset_ns(text, zone)


def _of_day_ns(text: str, hours: str, minutes: str, seconds: str | None, fraction: str | None) -> int:
    if int(hours) > 23 or int(minutes) > 59 or int(seconds or 0) > 59:
        raise ValueError(f"{EXPECTED}, was {text!r}: no such time of a day")
    whole = (int(hours) * 60 + int(minutes)) * 60 + int(seconds or 0)
    return whole * SECOND_NS + int((fraction or "").ljust(9, "0"))


def _offset_ns(text: str, zone: str | None) -> int:
    if zone in (None, "", "Z"):
        return 0
    assert zone is not None
    hours, minutes = int(zone[1:3]), int(zone[4:6])
    if hours > 23 or minutes > 59:
        raise ValueError(f"{EXPECTED}, was {text!r}: no such offset")
    span = (hours * 60 + minutes) * 60 * SECOND_NS
    return span if zone[0] == "+" else -span
