"""The kernels that read single values: compared with Decimal, datetime and pack_text."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from protocols.directory import parse_e8
from protocols.fix_fields import pack_field, parse_decimal_e8, parse_order_id, parse_utc_ns
from protocols.fix_problems import (
    PROBLEM_BAD_NUMBER,
    PROBLEM_BAD_ORDER_ID,
    PROBLEM_BAD_TIMESTAMP,
    PROBLEM_NONE,
    PROBLEM_NOT_PRINTABLE,
    PROBLEM_OVERFLOW,
    PROBLEM_TEXT_TOO_LONG,
    PROBLEM_TOO_MANY_DECIMALS,
)
from protocols.text import pack_text

pytestmark = pytest.mark.jitoff

MAX_E8 = (1 << 63) - 1
DECIMAL = re.compile(r"-?(\d+\.?\d*|\.\d+)")


def run(parse: Callable[..., Any], value: str | bytes) -> tuple[int, ...]:
    """Parse a value that stands between bytes which would change it, were they read."""
    raw = value.encode() if isinstance(value, str) else value
    data = np.frombuffer(b"7" + raw + b"7", dtype=np.uint8)
    return tuple(int(part) for part in parse(data, 1, 1 + len(raw)))


@given(st.decimals(-(10**11), 10**11, places=8), st.integers(0, 3), st.booleans())
def test_decimals_are_those_of_the_plain_parser(number: Decimal, zeros: int, short: bool) -> None:
    """A decimal with leading and trailing zeros is its value in units of 1e-8, or does not fit."""
    sign = "-" if number < 0 else ""
    digits = f"{abs(number):f}"
    text = sign + "0" * zeros + (digits.rstrip("0") if short else digits + "0" * zeros)
    value, code = run(parse_decimal_e8, text)
    expected = parse_e8(text)
    assert (value, code) == ((expected, 0) if abs(expected) <= MAX_E8 else (0, PROBLEM_OVERFLOW))


@pytest.mark.parametrize(
    ("text", "value", "code"),
    [
        ("0", 0, PROBLEM_NONE),
        (".5", 50_000_000, PROBLEM_NONE),
        ("5.", 500_000_000, PROBLEM_NONE),
        ("-0", 0, PROBLEM_NONE),
        ("92233720368.54775807", MAX_E8, PROBLEM_NONE),
        ("-92233720368.54775807", -MAX_E8, PROBLEM_NONE),
        ("92233720368.54775808", 0, PROBLEM_OVERFLOW),
        ("92233720369", 0, PROBLEM_OVERFLOW),
        ("9" * 400, 0, PROBLEM_OVERFLOW),
        ("9" * 400 + "x", 0, PROBLEM_BAD_NUMBER),
        ("99999999999.1.1", 0, PROBLEM_BAD_NUMBER),
        ("1.000000001", 0, PROBLEM_TOO_MANY_DECIMALS),
        ("1.000000000", 100_000_000, PROBLEM_NONE),
        ("", 0, PROBLEM_BAD_NUMBER),
        ("-", 0, PROBLEM_BAD_NUMBER),
        (".", 0, PROBLEM_BAD_NUMBER),
        ("+1", 0, PROBLEM_BAD_NUMBER),
        ("--1", 0, PROBLEM_BAD_NUMBER),
        ("1e5", 0, PROBLEM_BAD_NUMBER),
        ("1,000", 0, PROBLEM_BAD_NUMBER),
        (" 1", 0, PROBLEM_BAD_NUMBER),
        ("1.2.3", 0, PROBLEM_BAD_NUMBER),
    ],
)
def test_the_edges_of_decimals(text: str, value: int, code: int) -> None:
    """The largest numbers, and what is nearly a number."""
    assert run(parse_decimal_e8, text) == (value, code)


@given(st.text("0123456789.-x", max_size=24))
def test_exactly_decimals_are_accepted(text: str) -> None:
    """A value is good if and only if it is a decimal of at most 8 places that fits; then it is its value."""
    value, code = run(parse_decimal_e8, text)
    if not DECIMAL.fullmatch(text):
        assert code != PROBLEM_NONE
    elif Decimal(text).scaleb(8) % 1:
        assert code in (PROBLEM_TOO_MANY_DECIMALS, PROBLEM_OVERFLOW)
    elif abs(parse_e8(text)) > MAX_E8:
        assert code == PROBLEM_OVERFLOW
    else:
        assert (value, code) == (parse_e8(text), PROBLEM_NONE)


@given(st.integers(0, 1 << 64))
@example(MAX_E8)
@example(MAX_E8 + 1)
@example(0)
def test_order_ids_are_positive_and_fit_64_bits(number: int) -> None:
    """An order id is from 1 to 2**63 - 1; anything else is a problem, never another order."""
    expected = (number, 0) if 1 <= number <= MAX_E8 else None
    value, code = run(parse_order_id, str(number))
    assert (value, code) == expected if expected else code == PROBLEM_BAD_ORDER_ID


@given(st.datetimes(datetime(1970, 1, 1), datetime(2261, 12, 31, 23, 59, 59)), st.integers(0, 9), st.data())
def test_times_are_those_of_the_calendar(moment: datetime, decimals: int, data: st.DataObject) -> None:
    """Any UTC time from 1970 to 2261, with up to nine decimals, is its nanoseconds since the epoch."""
    moment = moment.replace(microsecond=0)
    fraction = data.draw(st.integers(0, 10**decimals - 1)) if decimals else 0
    text = f"{moment:%Y%m%d-%H:%M:%S}" + (f".{fraction:0{decimals}d}" if decimals else "")
    seconds = (moment.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)
    assert run(parse_utc_ns, text) == (seconds * 10**9 + fraction * 10 ** (9 - decimals), 0)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "20260105",
        "20260105-09:30",
        "20260105-09:30:00.",
        "20260105-09:30:00.1234567890",
        "20260105-09:30:00.12x",
        "20260105-09:30:00,123",
        "20260105 09:30:00",
        "20260105-09-30-00",
        "20260105-24:00:00",
        "20260105-09:60:00",
        "20260105-09:30:61",
        "20261305-09:30:00",
        "20260005-09:30:00",
        "20260100-09:30:00",
        "20260132-09:30:00",
        "20260229-09:30:00",
        "21000229-09:30:00",
        "19691231-23:59:59",
        "22620101-00:00:00",
        "2026x105-09:30:00",
        "20260105-0x:30:00",
    ],
)
def test_what_is_no_time_is_a_problem(text: str) -> None:
    """Wrong forms, and dates that no calendar has."""
    assert run(parse_utc_ns, text)[1] == PROBLEM_BAD_TIMESTAMP


def test_a_leap_second_is_the_next_second() -> None:
    """Second 60 counts as POSIX time counts it."""
    leap, after = run(parse_utc_ns, "20161231-23:59:60"), run(parse_utc_ns, "20170101-00:00:00")
    assert leap == after and leap[1] == PROBLEM_NONE


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20))
def test_texts_are_packed_as_pack_text_packs_them(text: str) -> None:
    """The scanner's ClOrdID is the one that everybody else compares it with."""
    assert run(pack_field, text) == (*pack_text(text), 0)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (b"x" * 21, PROBLEM_TEXT_TOO_LONG),
        (b"a\tb", PROBLEM_NOT_PRINTABLE),
        (b"a\x00", PROBLEM_NOT_PRINTABLE),
        (b"\x7f", PROBLEM_NOT_PRINTABLE),
        ("é".encode(), PROBLEM_NOT_PRINTABLE),
    ],
)
def test_texts_that_do_not_fit_are_problems(value: bytes, code: int) -> None:
    """21 bytes, and bytes that are not printable ASCII."""
    assert run(pack_field, value)[-1] == code
