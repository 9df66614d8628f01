"""Commands about markets, by the array: states, schedules, price bands, tick tables. See docs/trading-states.md.

Like those of :mod:`protocols.commands`, whose rules for columns and errors hold here too::

    core.process(set_state(1, TradingState.OPENING_AUCTION))
    core.process(np.concatenate([limit_orders(BUY, 10, 101), limit_orders(SELL, 4, 99)]))
    core.process(set_state(1, TradingState.CONTINUOUS))      # uncrosses

Prices and widths are ticks, times and spans nanoseconds, groups and tick tables numbers, 0 for none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from protocols.codes import BandMode, CommandFlag, Kind
from protocols.commands import make_commands

__all__ = [
    "bands",
    "clear_schedule",
    "define_instrument",
    "schedule",
    "set_group_state",
    "set_state",
    "tick_table",
]

ADDS = 1
CLEARS = 2


def set_state(instrument: Any, state: Any, **columns: Any) -> Any:
    """Return commands that bring instruments into states (codes.TradingState)."""
    return make_commands(Kind.STATE, instrument=instrument, ord_type=state, **columns)


def set_group_state(group: Any, state: Any, **columns: Any) -> Any:
    """Return commands that bring all instruments of groups into states; group 0 has those that belong to none."""
    return make_commands(Kind.STATE, account=group, ord_type=state, **columns)


def schedule(state: Any, when_ns: Any, *, group: Any = 0, period_ns: Any = 0, **columns: Any) -> Any:
    """Return commands by which the instruments of a group enter a state at a time, once or with a period."""
    return make_commands(
        Kind.SCHEDULE, side=ADDS, account=group, ord_type=state, aux1=when_ns, aux0=period_ns, **columns
    )


def clear_schedule(group: Any = 0, **columns: Any) -> Any:
    """Return commands that remove all that is scheduled for groups."""
    return make_commands(Kind.SCHEDULE, side=CLEARS, account=group, **columns)


def bands(
    instrument: Any,
    *,
    static: Any = 0,
    dynamic: Any = 0,
    mode: Any = BandMode.REJECT,
    reference: Any = 0,
    volatility_ns: Any = 0,
    indication_ns: Any = 0,
    **columns: Any,
) -> Any:
    """Return price bands of instruments: widths, what happens beyond them, how long a volatility auction lasts.

    ``reference`` is what the static band stands around, 0 to keep it; ``indication_ns`` is the least time between two
    indications.
    """
    return make_commands(
        Kind.BANDS, instrument=instrument, ord_type=mode, order_id=static, orig0=dynamic, price_ticks=reference,
        aux0=volatility_ns, qty_lots=indication_ns, **columns,
    )  # fmt: skip


def tick_table(table: int, rows: Sequence[tuple[int, int]], **columns: Any) -> Any:
    """Return the commands that give a table these rows (from, step), and no others."""
    starts, steps = [start for start, _ in rows], [step for _, step in rows]
    sides = [CLEARS] + [ADDS] * len(rows)
    return make_commands(
        Kind.TICK_TABLE, account=table, side=sides, price_ticks=[0, *starts], qty_lots=[0, *steps], **columns
    )


def define_instrument(
    instrument: Any,
    *,
    protection: Any = 0,
    group: Any = 0,
    table: Any = 0,
    market_data: Any = False,
    **columns: Any,
) -> Any:
    """Return definitions for a core without risk: protection points, group, tick table, whether its book is told."""
    flags = np.asarray(market_data, dtype=bool) * int(CommandFlag.MARKET_DATA)
    return make_commands(
        Kind.INSTRUMENT,
        instrument=instrument,
        orig0=protection,
        account=group,
        orig1=table,
        flags=flags,
        **columns,
    )
