"""The compiled core behind the twin's interface, so that one scenario drives both.

``stages.core`` is imported on first use only: while it does not exist, :func:`core_makers` offers the twin alone.
The rings are so small that a sequence wraps them many times and a sweep does not fit the output ring at once.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from protocols.codes import Switch
from tests.twin.controls import Controls
from tests.twin.core import CoreTwin
from tests.twin.kernel_controls import CARRY, controls_of_kernels
from tests.twin.records import Command, Outcome, from_row, to_array
from tests.twin.scenario import AnyCore
from tests.twin.view import AccountRow, BookRow, PositionRow

INPUT_SLOTS = 16
OUTPUT_SLOTS = 16


class CompiledCore:
    """Commands in, outcomes out, by the kernels of ``stages``."""

    def __init__(self, **capacities: int) -> None:
        maker = import_module("stages.core").Core
        chosen = import_module("stages.state").Capacities(**capacities)
        self._core: Any = maker(chosen, input_slots=INPUT_SLOTS, output_slots=OUTPUT_SLOTS)

    def process(self, command: Command) -> list[Outcome]:
        """Carry out one command; return its outcomes."""
        return self.process_all([command])

    def process_all(self, commands: list[Command]) -> list[Outcome]:
        """Carry out many commands in one call; return all outcomes."""
        return [from_row(row) for row in self._core.process(to_array(commands))]

    def dump_books(self) -> list[BookRow]:
        """Return all open orders; the core's rows hold what follows the price in a :class:`BookRow`."""
        return [
            BookRow(instrument, side, price, *order)
            for (instrument, side), levels in sorted(self._core.dump_books().items())
            for price, orders in levels
            for order in orders
        ]

    def dump_last_prices(self) -> dict[int, int]:
        """Return the last trade price of each instrument that has one."""
        return dict(sorted(self._core.dump_last_prices().items()))

    def dump_markets(self) -> dict[int, tuple[int, int, int, int]]:
        """Return (state, group, static reference, end of the volatility auction) of each known instrument."""
        return dict(sorted(self._core.dump_markets().items()))

    def dump_schedules(self) -> list[tuple[int, int, int, int, int]]:
        """Return (place, group, state, when it is due, period) of each schedule row, places counted from 0."""
        return list(self._core.dump_schedules())

    def dump_positions(self) -> list[PositionRow]:
        """Return all position rows by account and instrument."""
        return [PositionRow(*key, *row) for key, row in sorted(self._core.dump_positions().items())]

    def dump_accounts(self) -> list[AccountRow]:
        """Return all accounts by id."""
        rows = self._core.state.risk.accounts
        return [
            AccountRow(
                identity,
                int(rows[identity]["open_orders"]),
                int(rows[identity]["cash"]) + CARRY * int(rows[identity]["cash_carry"]),
                int(rows[identity]["reserved_buy"]),
                bool(int(rows[identity]["marks"]) & Switch.KILLED),
            )
            for identity in range(1, len(rows))
            if rows[identity]["known"]
        ]

    def dump_controls(self) -> Controls:
        """Return all that risk controls remember."""
        words, at = self._core.state.risk.words, import_module("stages.state_words")
        venue = (int(words[at.RW_SWITCHES]), int(words[at.RW_DAY]), int(words[at.RW_DAY_NS]))
        positions, sessions = int(words[at.RW_POSITIONS]), int(words[at.RW_SESSIONS])
        return controls_of_kernels(self._core.state.risk, venue, positions, sessions)


def compiled_exists() -> bool:
    """Tell whether the tree holds the compiled core."""
    return find_spec("stages") is not None and find_spec("stages.core") is not None


def core_makers() -> dict[str, Callable[..., AnyCore]]:
    """Return the cores that this tree holds, by name."""
    makers: dict[str, Callable[..., AnyCore]] = {"twin": CoreTwin}
    if compiled_exists():
        makers["compiled"] = CompiledCore
    return makers
