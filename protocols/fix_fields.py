"""Kernels that turn the bytes of one FIX field into integers; no allocation, no exceptions.

Each takes ``data`` (uint8) and the half-open range of the value and reads nothing outside it. Each returns
the value and a PROBLEM code of :mod:`protocols.fix_problems` (0 if the value is good). All arithmetic is
int64 on values that were range-checked before they are multiplied, so nothing can wrap.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from protocols.codes import E8
from protocols.fix_problems import (
    MAX_TEXT_BYTES,
    PROBLEM_BAD_NUMBER,
    PROBLEM_BAD_ORDER_ID,
    PROBLEM_BAD_TIMESTAMP,
    PROBLEM_NONE,
    PROBLEM_NOT_PRINTABLE,
    PROBLEM_OVERFLOW,
    PROBLEM_TEXT_TOO_LONG,
    PROBLEM_TOO_MANY_DECIMALS,
)
from ringbuffer.kernel import inlined, kernel

__all__ = ["pack_field", "parse_decimal_e8", "parse_digits", "parse_order_id", "parse_utc_ns"]

MAX_INT64: Final = (1 << 63) - 1
MAX_WHOLE: Final = MAX_INT64 // E8  # the largest whole part in units of 1e-8
MAX_FRACTION: Final = MAX_INT64 % E8
MAX_TENTH: Final = MAX_INT64 // 10
FIRST_YEAR: Final = 1970
LAST_YEAR: Final = 2261  # 2262-04-11 is where int64 nanoseconds end
NS_PER_SECOND: Final = 1_000_000_000
ZERO, NINE, MINUS, POINT, COLON = 48, 57, 45, 46, 58
SECONDS_PER_DAY: Final = 86_400
MONTH_DAYS: Final = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], dtype=np.int64)


@inlined
def parse_digits(data, start, stop):  # type: ignore[no-untyped-def]
    """Return the number that ``data[start:stop]`` (at most 18 bytes) writes in digits; -1 if it does not."""
    value = np.int64(0)
    for index in range(start, stop):
        byte = np.int64(data[index])
        if byte < ZERO or byte > NINE:
            return np.int64(-1)
        value = value * 10 + (byte - ZERO)
    return value


@kernel
def parse_decimal_e8(data, start, stop):  # type: ignore[no-untyped-def]
    """Return a decimal number (``-12.5``, ``.5``, ``5.``, no exponent) in units of 1e-8, and a code."""
    index = start
    negative = index < stop and data[index] == MINUS
    if negative:
        index += 1
    whole = np.int64(0)
    digit_count = 0
    while index < stop:
        digit = np.int64(data[index]) - ZERO
        if digit < 0 or digit > 9:
            break
        whole = whole * 10 + digit
        if whole > MAX_WHOLE:
            return np.int64(0), _overflow_or_bad(data, index, stop)
        digit_count += 1
        index += 1
    fraction = np.int64(0)
    unit = np.int64(E8)
    if index < stop and data[index] == POINT:
        index += 1
        while index < stop:
            digit = np.int64(data[index]) - ZERO
            if digit < 0 or digit > 9:
                break
            unit //= 10
            if unit == 0 and digit != 0:
                return np.int64(0), PROBLEM_TOO_MANY_DECIMALS
            fraction += digit * unit
            digit_count += 1
            index += 1
    if index < stop or digit_count == 0:
        return np.int64(0), PROBLEM_BAD_NUMBER
    if whole == MAX_WHOLE and fraction > MAX_FRACTION:
        return np.int64(0), PROBLEM_OVERFLOW
    value = whole * E8 + fraction
    return -value if negative else value, PROBLEM_NONE


@kernel
def _overflow_or_bad(data, start, stop):  # type: ignore[no-untyped-def]
    """Tell a number that is too large from one that is none: both have too many digits."""
    point_count = 0
    for index in range(start, stop):
        byte = np.int64(data[index])
        if byte == POINT:
            point_count += 1
        elif byte < ZERO or byte > NINE:
            return PROBLEM_BAD_NUMBER
    return PROBLEM_OVERFLOW if point_count <= 1 else PROBLEM_BAD_NUMBER


@kernel
def parse_order_id(data, start, stop):  # type: ignore[no-untyped-def]
    """Return an order id, digits for a number from 1 to 2**63 - 1, and a code."""
    value = np.int64(0)
    for index in range(start, stop):
        digit = np.int64(data[index]) - ZERO
        if digit < 0 or digit > 9:
            return np.int64(0), PROBLEM_BAD_ORDER_ID
        if value > MAX_TENTH or (value == MAX_TENTH and digit > MAX_INT64 % 10):
            return np.int64(0), PROBLEM_BAD_ORDER_ID
        value = value * 10 + digit
    return value, PROBLEM_NONE if value > 0 else PROBLEM_BAD_ORDER_ID


@kernel
def pack_field(data, start, stop):  # type: ignore[no-untyped-def]
    """Pack a printable text of up to 20 bytes as ``pack_text`` does; return three integers and a code."""
    first = np.int64(0)
    second = np.int64(0)
    third = np.int64(0)
    if stop - start > MAX_TEXT_BYTES:
        return first, second, third, PROBLEM_TEXT_TOO_LONG
    for index in range(stop - 1, start - 1, -1):  # from the last byte: byte 0 ends least significant
        byte = np.int64(data[index])
        if byte < 32 or byte > 126:
            return first, second, third, PROBLEM_NOT_PRINTABLE
        place = index - start
        if place < 8:
            first = (first << 8) | byte
        elif place < 16:
            second = (second << 8) | byte
        else:
            third = (third << 8) | byte
    return first, second, third, PROBLEM_NONE


@kernel
def parse_utc_ns(data, start, stop):  # type: ignore[no-untyped-def]
    """Return a UTCTimestamp (``20260105-09:30:00``, up to nine decimals) in ns since the epoch, and a code.

    A leap second (:60) counts as the second after :59, as POSIX time does.
    """
    length = stop - start
    if length != 17 and not (19 <= length <= 27):
        return np.int64(0), PROBLEM_BAD_TIMESTAMP
    date = parse_digits(data, start, start + 8)
    hour = parse_digits(data, start + 9, start + 11)
    minute = parse_digits(data, start + 12, start + 14)
    second = parse_digits(data, start + 15, start + 17)
    if date < 0 or hour < 0 or hour > 23 or minute < 0 or minute > 59 or second < 0 or second > 60:
        return np.int64(0), PROBLEM_BAD_TIMESTAMP
    if data[start + 8] != MINUS or data[start + 11] != COLON or data[start + 14] != COLON:
        return np.int64(0), PROBLEM_BAD_TIMESTAMP
    days = _days_since_epoch(date // 10_000, date // 100 % 100, date % 100)
    if days < 0:
        return np.int64(0), PROBLEM_BAD_TIMESTAMP
    fraction_ns = np.int64(0)
    if length > 17:
        fraction_ns = parse_digits(data, start + 18, stop)
        if data[start + 17] != POINT or fraction_ns < 0:
            return np.int64(0), PROBLEM_BAD_TIMESTAMP
        for _ in range(27 - length):
            fraction_ns *= 10
    seconds = days * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second
    return seconds * NS_PER_SECOND + fraction_ns, PROBLEM_NONE


@inlined
def _days_since_epoch(year, month, day):  # type: ignore[no-untyped-def]
    """Return the days from 1970-01-01 to a date of the Gregorian calendar; -1 if there is no such date."""
    if year < FIRST_YEAR or year > LAST_YEAR or month < 1 or month > 12 or day < 1:
        return np.int64(-1)
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    last = MONTH_DAYS[month]
    if leap and month == 2:
        last += 1
    if day > last:
        return np.int64(-1)
    shifted = year - 1 if month <= 2 else year  # years that begin in March: the leap day comes last
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return shifted * 365 + shifted // 4 - shifted // 100 + shifted // 400 + day_of_year - 719_468
