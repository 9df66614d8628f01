"""The naive twin as a witness of a simulated run: it decides every journaled command anew, in plain Python."""

from __future__ import annotations

from typing import Any

from protocols.layouts import COMMAND
from stages.state import Capacities
from tests.twin.core import CoreTwin
from tests.twin.records import Command, from_row


class TwinWitness:
    """Called with what the journal has behind the last call; compares each outcome."""

    def __init__(self) -> None:
        self.twin: CoreTwin | None = None
        self.commands = 0

    def __call__(self, capacities: Capacities, commands: Any, outcomes: Any) -> None:
        """Let the twin decide the commands, and hold the outcomes against its own."""
        if self.twin is None:
            self.twin = CoreTwin(**capacities._asdict())
        expected = []
        for row in commands:
            expected += self.twin.process(Command(**{name: int(row[name]) for name in COMMAND.names or ()}))
        self.commands += len(commands)
        was = [from_row(row) for row in outcomes]
        for one, other in zip(was, expected, strict=False):
            assert one == other, f"expected {other}, was {one}"
        assert len(was) == len(expected)
