"""Quantities at the top of their range, where sums over a level leave int64."""

from __future__ import annotations

import numpy as np
import pytest

from protocols.codes import (
    KIND_ACCOUNT,
    KIND_INSTRUMENT,
    KIND_LIMIT,
    KIND_NEW,
    KIND_SESSION_OPEN,
    KIND_VENUE,
    LIMIT_COUNT,
    OUT_FILLED,
    SIDE_BUY,
    SIDE_SELL,
    TIF_FOK,
    TIF_GTC,
    TYPE_LIMIT,
)
from protocols.layouts import COMMAND, OUTCOME
from stages.core import Core
from stages.state import Capacities
from stages.venue import new_command, set_name

pytestmark = pytest.mark.jitoff

MOST = 1 << 60
BUYERS = 16


def test_fill_or_kill_counts_a_level_whose_sum_exceeds_int64() -> None:
    """Sixteen buys of 2**60 lots on one level are enough for a fill-or-kill sell of one lot."""
    core = Core(Capacities(64, 64, 64, 64, 32, 4, 4), input_slots=64, output_slots=64)
    commands = [
        new_command(KIND_VENUE),
        set_name(new_command(KIND_INSTRUMENT, instrument=1, price_ticks=1, qty_lots=1, aux0=1, orig2=7), "X"),
        set_name(new_command(KIND_SESSION_OPEN), "S"),
    ]
    for account in range(1, BUYERS + 2):
        commands.append(set_name(new_command(KIND_ACCOUNT, account=account, orig2=7), f"A{account}"))
        commands += [
            new_command(KIND_LIMIT, account=account, ord_type=which, qty_lots=MOST)
            for which in range(1, LIMIT_COUNT)
        ]
    common = {"instrument": 1, "session": 1, "ord_type": TYPE_LIMIT, "price_ticks": 1}
    for account in range(1, BUYERS + 1):
        buy = new_command(KIND_NEW, account=account, side=SIDE_BUY, qty_lots=MOST, tif=TIF_GTC, **common)
        commands.append(set_name(buy, f"B{account}"))
    sell = new_command(KIND_NEW, account=BUYERS + 1, side=SIDE_SELL, qty_lots=1, tif=TIF_FOK, **common)
    commands.append(set_name(sell, "FOK"))
    outcomes = core.process(core.stamp(np.array(commands, dtype=COMMAND)))
    assert outcomes.dtype == OUTCOME
    assert [int(outcome["qty_lots"]) for outcome in outcomes if outcome["type"] == OUT_FILLED] == [1, 1]
