"""The twin behind the interface that scenario files run on: arrays in, arrays out."""

from __future__ import annotations

from typing import Any

import numpy as np

from protocols.layouts import COMMAND, OUTCOME
from tests.twin.core import CoreTwin
from tests.twin.records import Command


class TwinEngine:
    """Commands and outcomes as arrays of ``protocols.layouts``, carried out by the twin."""

    def __init__(self, capacities: dict[str, int]) -> None:
        self._twin = CoreTwin(**capacities)

    def process(self, commands: Any) -> Any:
        """Carry out commands; return their outcomes."""
        told = []
        for row in commands:
            command = Command(**{name: int(row[name]) for name in COMMAND.names or ()})
            told += self._twin.process(command)
        names = OUTCOME.names or ()
        return np.array([tuple(getattr(each, name) for name in names) for each in told], dtype=OUTCOME)

    def dump_books(self) -> dict[tuple[int, int], list[tuple[int, list[tuple[int, ...]]]]]:
        """Return all open orders as :meth:`stages.core.Core.dump_books` does."""
        books: dict[tuple[int, int], list[tuple[int, list[tuple[int, ...]]]]] = {}
        for row in self._twin.dump_books():
            levels = books.setdefault((row.instrument, row.side), [])
            if not levels or levels[-1][0] != row.price:
                levels.append((row.price, []))
            levels[-1][1].append(tuple(row[3:]))
        return books
