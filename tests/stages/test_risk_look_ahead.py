"""What risk fetches ahead decides nothing, in a state that is large enough for all of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from protocols.codes import (
    KIND_ACCOUNT,
    KIND_CANCEL,
    KIND_INSTRUMENT,
    KIND_LIMIT,
    KIND_NEW,
    KIND_REPLACE,
    KIND_SESSION_OPEN,
    KIND_VENUE,
    LIMIT_UNLIMITED,
    TIF_GTC,
    TYPE_LIMIT,
    Limit,
)
from protocols.layouts import COMMAND
from stages.core import Core
from stages.digest import state_digest
from stages.risk_look_ahead import MANY_IDS, MANY_ORDERS
from stages.state import MANY_POSITIONS, Capacities
from stages.state_words import RW_CL_IDS, RW_ORDERS_USED, RW_POSITIONS

ACCOUNTS = MANY_POSITIONS + 100
RESTING = 2 * MANY_ORDERS
LATER = 2_000


def definitions() -> Any:
    """Return a venue, two instruments, many accounts without limits, and a session."""
    venue, instruments, session = (np.zeros(n, dtype=COMMAND) for n in (1, 2, 1))
    accounts, limits = (np.zeros(n, dtype=COMMAND) for n in (ACCOUNTS, ACCOUNTS * len(Limit)))
    venue["kind"] = KIND_VENUE
    instruments["kind"], instruments["instrument"] = KIND_INSTRUMENT, [1, 2]
    for name in ("cl0", "price_ticks", "qty_lots", "aux0"):
        instruments[name] = 1
    numbers = np.arange(1, ACCOUNTS + 1)
    accounts["kind"], accounts["account"], accounts["cl0"] = KIND_ACCOUNT, numbers, numbers
    limits["kind"], limits["account"] = KIND_LIMIT, np.repeat(numbers, len(Limit))
    limits["ord_type"], limits["qty_lots"] = np.tile(list(Limit), ACCOUNTS), LIMIT_UNLIMITED
    session["kind"], session["cl0"] = KIND_SESSION_OPEN, 1
    return np.concatenate([venue, instruments, accounts, limits, session])


def orders(rng: np.random.Generator, count: int, first_name: int) -> Any:
    """Return orders of all accounts around a price."""
    made = np.zeros(count, dtype=COMMAND)
    made["kind"], made["ord_type"], made["tif"], made["session"] = KIND_NEW, TYPE_LIMIT, TIF_GTC, 1
    made["cl0"] = np.arange(first_name, first_name + count)
    made["qty_lots"] = rng.integers(1, 10, count)
    made["instrument"] = rng.integers(1, 3, count)
    made["account"] = np.arange(count) % ACCOUNTS + 1
    made["side"] = rng.integers(1, 3, count)
    away = rng.integers(1, 100, count)
    made["price_ticks"] = 1_000 + np.where(made["side"] == 1, -away, away)
    return made


def later_commands(rng: np.random.Generator) -> Any:
    """Return takers, cancels and replaces, by ClOrdID and by id, of accounts and orders that there are or are not."""
    commands = orders(rng, LATER, 10 * RESTING)
    commands["account"] = rng.integers(-1, ACCOUNTS + 3, LATER)
    commands["price_ticks"] = rng.integers(990, 1_010, LATER)
    what = rng.integers(0, 10, LATER)
    requests = what > 4
    commands["kind"][requests] = np.where(what[requests] > 6, KIND_CANCEL, KIND_REPLACE)
    commands["orig0"][requests] = rng.integers(1, 2 * RESTING, LATER)[requests]
    by_id = what == 9
    commands["order_id"][by_id] = rng.integers(-5, 1 << 20, LATER)[by_id]
    for name in ("instrument", "side", "account"):
        commands[name][requests] = 0
    return commands


@pytest.mark.bounds
def test_fetching_ahead_decides_nothing() -> None:
    """A batch, whose commands are looked at ahead, has the outcomes of the same commands one at a time."""
    rng = np.random.default_rng(1)
    capacities = Capacities(
        max_orders=2 * RESTING, max_accounts=ACCOUNTS, max_cl_ord_ids=1 << 16, max_positions=1 << 14
    )
    together, apart = Core(capacities), Core(capacities)
    resting, later = orders(rng, RESTING, 1), later_commands(rng)
    for core in (together, apart):
        core.process(core.stamp(definitions()))
        core.process(core.stamp(resting.copy()))
    words = together.state.risk.words
    assert words[RW_CL_IDS] >= MANY_IDS
    assert words[RW_ORDERS_USED] >= MANY_ORDERS
    assert words[RW_POSITIONS] >= MANY_POSITIONS
    stamped = together.stamp(later)
    told = together.process(stamped.copy())
    assert told.tobytes() == b"".join(apart.process(stamped[row : row + 1]).tobytes() for row in range(LATER))
    digests = [state_digest(core.state.risk, core.state.books) for core in (together, apart)]
    assert digests[0] == digests[1]
