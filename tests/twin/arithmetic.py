"""The arithmetic of risk controls, naively: Python's integers have no ends, so each formula is what it says.

The page is *Arithmetic* in ``docs/risk-controls.md``. Money is in millionths of the currency unit, rates are
millionths.
"""

from __future__ import annotations

MILLION = 10**6
MOST_MONEY = 2**60  # of one order, of one fill, of each limit
MOST_CASH = 2**61  # what checks see of cash, and how far sums of money count


def kept_within(value: int, bound: int) -> int:
    """Return a value, or the end of -bound..bound that it passes."""
    return max(-bound, min(bound, value))


def round_up(number: int, divisor: int) -> int:
    """Return the least whole number at or above number / divisor."""
    return -(-number // divisor)


def share_up(money: int, rate: int) -> int:
    """Return ``rate`` millionths of money, rounded up."""
    return round_up(money * rate, MILLION)


def share_down(amount: int, rate: int) -> int:
    """Return ``rate`` millionths of an amount, rounded down."""
    return amount * rate // MILLION
