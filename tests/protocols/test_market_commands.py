"""Commands about markets: which field holds what, and columns as everywhere."""

from __future__ import annotations

import pytest

from protocols.codes import BandMode, CommandFlag, Kind, TradingState
from protocols.market_commands import (
    bands,
    clear_schedule,
    define_instrument,
    schedule,
    set_group_state,
    set_state,
    tick_table,
)

pytestmark = pytest.mark.jitoff


def fields(commands):  # type: ignore[no-untyped-def]
    """Return what is not 0 of each command."""
    return [{name: int(row[name]) for name in row.dtype.names if row[name]} for row in commands]


def test_states() -> None:
    """A state is that of instruments, or of groups."""
    halt = TradingState.HALT
    assert fields(set_state([1, 2], halt)) == [
        {"kind": Kind.STATE, "instrument": number, "ord_type": halt} for number in (1, 2)
    ]
    assert fields(set_group_state(3, halt)) == [{"kind": Kind.STATE, "account": 3, "ord_type": halt}]


def test_schedules() -> None:
    """A row has a group, a state, a time and a period; a clear names the group."""
    [row] = fields(schedule(TradingState.CLOSED, 17, group=2, period_ns=86))
    wanted = {"kind": Kind.SCHEDULE, "side": 1, "account": 2, "ord_type": 7, "aux1": 17, "aux0": 86}
    assert row == wanted
    assert fields(clear_schedule(2)) == [{"kind": Kind.SCHEDULE, "side": 2, "account": 2}]


def test_bands() -> None:
    """Widths, mode, reference and spans stand where docs/trading-states.md says."""
    [row] = fields(
        bands(4, static=50, dynamic=10, mode=BandMode.HALT, reference=99, volatility_ns=7, indication_ns=8)
    )
    assert row == {
        "kind": Kind.BANDS, "instrument": 4, "ord_type": 2, "order_id": 50, "orig0": 10, "price_ticks": 99,
        "aux0": 7, "qty_lots": 8,
    }  # fmt: skip


def test_tick_tables() -> None:
    """A table is emptied, then filled."""
    assert fields(tick_table(5, [(100, 5), (500, 10)])) == [
        {"kind": Kind.TICK_TABLE, "account": 5, "side": 2},
        {"kind": Kind.TICK_TABLE, "account": 5, "side": 1, "price_ticks": 100, "qty_lots": 5},
        {"kind": Kind.TICK_TABLE, "account": 5, "side": 1, "price_ticks": 500, "qty_lots": 10},
    ]


def test_definitions() -> None:
    """An instrument may have protection points, a group, a tick table, and its book told."""
    [row] = fields(define_instrument(2, protection=5, group=3, table=4, market_data=True))
    assert row == {
        "kind": Kind.INSTRUMENT, "instrument": 2, "orig0": 5, "account": 3, "orig1": 4,
        "flags": CommandFlag.MARKET_DATA,
    }  # fmt: skip
