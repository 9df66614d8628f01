"""Texts of a trading day: spans, times of day and names are read back as they were written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.codes import BandMode, TradingState
from protocols.trading_day import (
    BAND_MODES,
    DAY_NS,
    STATES,
    last_time_ns,
    next_time_ns,
    parse_span_ns,
    parse_time_of_day_ns,
    span_text,
    state_word,
    time_of_day_text,
)

pytestmark = pytest.mark.jitoff


@given(st.integers(0, DAY_NS))
def test_spans_are_read_back(span_ns: int) -> None:
    """What is shown of a span is that span."""
    assert parse_span_ns(span_text(span_ns)) == span_ns


@given(st.integers(0, DAY_NS // 10**9 - 1))
def test_times_of_day_are_read_back(second: int) -> None:
    """What is shown of a whole second is that second."""
    assert parse_time_of_day_ns(time_of_day_text(second * 10**9)) == second * 10**9


@pytest.mark.parametrize("text", ["", "5", "s", "-5s", "5 s", "5d", "1e3s", "0.000000001s", "99999999999h"])
def test_other_spans_are_errors(text: str) -> None:
    """A span needs a number, a unit, and must fit into ten years."""
    with pytest.raises(ValueError, match="expected"):
        parse_span_ns(text)


@pytest.mark.parametrize("text", ["", "9:00", "24:00", "09:60", "09:00:60", "09", "09:00:00Z"])
def test_other_times_are_errors(text: str) -> None:
    """A time of day has two digits in each part."""
    with pytest.raises(ValueError, match="09:00:00"):
        parse_time_of_day_ns(text)


@given(st.integers(0, DAY_NS - 1), st.integers(0, 1 << 60))
def test_the_next_time_is_within_a_day(time_of_day_ns: int, now_ns: int) -> None:
    """The next time of day comes after now, within a day, at that time."""
    when_ns = next_time_ns(time_of_day_ns, now_ns)
    assert now_ns < when_ns <= now_ns + DAY_NS and when_ns % DAY_NS == time_of_day_ns


def test_all_states_and_modes_have_words() -> None:
    """Each code has a word; a number that is no state is shown as it is."""
    assert [STATES[state_word(state)] for state in TradingState] == list(TradingState)
    assert BAND_MODES == {"reject": BandMode.REJECT, "halt": BandMode.HALT}
    assert state_word(77) == "77"


def test_the_last_time_is_now_or_before() -> None:
    """At the time itself it is now; a nanosecond before it is that of yesterday."""
    at_ns = 9 * 3_600_000_000_000
    assert last_time_ns(at_ns, DAY_NS + at_ns) == DAY_NS + at_ns
    assert last_time_ns(at_ns, DAY_NS + at_ns - 1) == at_ns
    assert last_time_ns(0, DAY_NS) == DAY_NS
