"""What matching fetches ahead decides nothing, in books that are large enough for all of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from protocols.codes import KIND_CANCEL, KIND_NEW, TIF_GTC, TIF_IOC, TYPE_LIMIT
from protocols.layouts import COMMAND
from stages.look_ahead import LARGE_ORDERS, MANY_LEVELS
from stages.matching_core import MatchingCore
from stages.state_words import MW_LEVELS, MW_OPEN

INSTRUMENTS = 3
RESTING = 2 * MANY_LEVELS
LATER = 3_000


def resting_orders(rng: np.random.Generator) -> Any:
    """Return orders at prices of their own: buys below 10 million ticks, sells above."""
    orders = np.zeros(RESTING, dtype=COMMAND)
    orders["kind"], orders["ord_type"], orders["tif"] = KIND_NEW, TYPE_LIMIT, TIF_GTC
    orders["qty_lots"] = rng.integers(1, 10, RESTING)
    orders["instrument"] = rng.integers(1, INSTRUMENTS, RESTING)  # the last one has none
    orders["side"] = rng.integers(1, 3, RESTING)
    away = rng.permutation(RESTING) + 1
    orders["price_ticks"] = 10_000_000 + np.where(orders["side"] == 1, -away, away)
    return orders


def later_commands(rng: np.random.Generator) -> Any:
    """Return new orders, takers and cancels over all instruments, also where there is no order yet."""
    commands = resting_orders(rng)[:LATER]
    commands["instrument"] = rng.integers(1, INSTRUMENTS + 1, LATER)
    what = rng.integers(0, 10, LATER)
    commands["tif"][what == 0] = TIF_IOC
    commands["price_ticks"][what == 0] = np.where(commands["side"][what == 0] == 1, 10_000_100, 9_999_900)
    cancels = what > 5
    commands["kind"][cancels] = KIND_CANCEL
    commands["order_id"][cancels] = rng.integers(1, RESTING, LATER)[cancels]
    for name in ("instrument", "side"):
        commands[name][cancels] = 0
    return commands


@pytest.mark.bounds
def test_fetching_ahead_decides_nothing() -> None:
    """A batch, whose commands are looked at ahead, has the outcomes of the same commands one at a time."""
    rng = np.random.default_rng(1)
    resting, later = resting_orders(rng), later_commands(rng)
    together, apart = MatchingCore(max_instruments=INSTRUMENTS), MatchingCore(max_instruments=INSTRUMENTS)
    for core in (together, apart):
        core.run(resting)
    words = together._books.words
    assert words[MW_OPEN] >= LARGE_ORDERS and words[MW_LEVELS] >= MANY_LEVELS
    told = together.process(later)
    assert told.tobytes() == b"".join(apart.process(later[row : row + 1]).tobytes() for row in range(LATER))
    assert together.digest == apart.digest
