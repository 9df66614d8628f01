"""Instants: what is printed is read back, to the nanosecond; what is no time is refused."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.instants import DAY_NS, Clock, parse_instant, time_text

pytestmark = pytest.mark.jitoff

NOON_NS = int(datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp()) * 10**9


@given(st.integers(0, (1 << 63) - 1))
def test_what_is_printed_is_read_back(time_ns: int) -> None:
    """Any stamp survives being printed and read."""
    assert parse_instant(time_text(time_ns)) == time_ns


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-23T12:00:00Z", NOON_NS),
        ("2026-11-23 12:00", NOON_NS),
        ("2026-11-23T12:00:00.5", NOON_NS + 500_000_000),
        ("2026-11-23T12:00:00,000000001Z", NOON_NS + 1),
        ("2026-11-23T14:30:00+02:30", NOON_NS),
        ("2026-11-23T07:00-05:00", NOON_NS),
        ("2026-11-23", NOON_NS - DAY_NS // 2),
        ("12:00:00", Clock(DAY_NS // 2)),
        ("00:00:01.25", Clock(1_250_000_000)),
        ("23:59", Clock(DAY_NS - 60 * 10**9)),
    ],
)
def test_texts_and_their_instants(text: str, expected: int | Clock) -> None:
    """Dates, times with and without offset, and times of a day are read; UTC is meant where nothing is said."""
    assert parse_instant(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "noon", "12", "24:00:00", "12:60:00", "12:00:60", "2026-13-01", "2026-02-30", "2026-11-23T12",
     "12:00:00+02:00",     "2026-11-23T12:00:00+25:00", "2026-11-23T12:00:00.0000000001", "٢٠٢٦-١١-٢٣"],
)  # fmt: skip
def test_what_is_no_time_is_refused(text: str) -> None:
    """The error says what is expected, and what was there."""
    with pytest.raises(ValueError, match="expected a date or a time in UTC") as error:
        parse_instant(text)
    assert repr(text) in str(error.value)
