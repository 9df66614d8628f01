"""Steps of a command sequence, and how they become stamped commands.

A step is one command before it knows its sequence and what came before it: it refers to earlier orders relatively
("the second last order that rests"). :class:`Assembler` resolves that, numbers and stamps. Values are in ``values`` by
the names of ``layouts.COMMAND``.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from protocols.codes import Kind
from tests.stages.risk_uses import use_of
from tests.twin.core import CoreTwin
from tests.twin.records import Command, Text, make_command
from tests.twin.scenario import AMPLE, venue_command

LARGEST = 2**63 - 1
STEP_NS = 10
NO_COMMAND = Command(session=1)


@dataclass
class Step:
    """One command before it knows its sequence and what came before it."""

    kind: int
    values: dict[str, int]
    lag: int = 0  # inputs whose outcomes risk has not seen
    cl: str = "fresh"  # fresh, long, used, empty, or a name
    back: int = 0  # which earlier order is meant: 0 the last
    resting: bool = False  # of those that rest, as far as there are any
    named: str = "nothing"  # how a target is named: id, orig, latest, both, unknown id, unknown orig
    own: set[str] = field(default_factory=set)  # the fields that are copied from the order that is meant
    opposite: bool = False  # take the other side than the order that is meant
    gap_ns: int = 0  # that passes before it, beside the usual step
    beside_use: int | None = (
        None  # of LIMIT and TRANSFER: the amount is what is used, or free, and so much more
    )
    lives_ns: int = 0  # until the expiry of an order with GTD, or until a schedule row is due


class Sequence:
    """Commands with the capacities of the core that they are for."""

    def __init__(self, capacities: dict[str, int], commands: list[Command]) -> None:
        self.capacities = capacities
        self.commands = commands

    def __repr__(self) -> str:
        """Show one command a line, of those in a row that are the same but for their stamps the first."""
        lines = ["", str(self.capacities)]
        previous = NO_COMMAND
        for command in self.commands:
            same = replace(command, seq=previous.seq, time_ns=previous.time_ns, seen_seq=previous.seen_seq)
            if same != previous:
                lines.append(str(command))
            previous = command
        return "\n".join(lines)


class Assembler:
    """Turns steps into commands: knows the orders so far and resolves what steps refer to.

    A twin runs along, so that most changes can be aimed at orders that rest.
    """

    def __init__(self, capacities: dict[str, int]) -> None:
        self.commands: list[Command] = []
        self.news: dict[int, Command] = {}  # by sequence
        self.latest: dict[int, Text] = {}  # the newest ClOrdID of an order, by its sequence
        self.twin = CoreTwin(**capacities)
        self.time_ns = 1_000_000
        self._append(venue_command(capacities), lag=0)

    def _append(self, command: Command, lag: int, gap_ns: int = 0, lives_ns: int = 0) -> None:
        command.seq = len(self.commands) + 1
        self.time_ns += STEP_NS + gap_ns
        command.time_ns = self.time_ns
        if lives_ns:
            command.aux1 = self.time_ns + lives_ns
        seen_before = self.commands[-1].seen_seq if self.commands else 0
        command.seen_seq = max(seen_before, command.seq - 1 - lag)
        self.commands.append(command)
        self.twin.process(command)

    def _meant(self, step: Step) -> Command:
        """Return the NEW that a step refers to."""
        resting = self.twin.matching.open_ids() if step.resting else []
        ids = resting or list(self.news)
        return self.news[ids[-1 - step.back % len(ids)]] if ids else NO_COMMAND

    def add(self, step: Step) -> None:
        """Append the command of a step."""
        seq = len(self.commands) + 1
        meant = self._meant(step)
        values = {**step.values, **{name: getattr(meant, name) for name in step.own}}
        if step.opposite:
            values["side"] = 3 - meant.side if meant.side in (1, 2) else 1
        orig: str | Text = ""
        match step.named:
            case "id":
                values["order_id"] = meant.seq
            case "orig":
                orig = meant.cl
            case "latest":
                orig = self.latest.get(meant.seq, meant.cl)
            case "both":
                orig, values["order_id"] = meant.cl, meant.seq
            case "unknown id":
                orig, values["order_id"] = meant.cl, (seq, 1, -1, LARGEST)[step.back % 4]
            case "unknown orig":
                orig = "NEVER"
        command = make_command(step.kind, cl=self._cl(step, seq, meant), orig=orig, **values)
        if step.beside_use is not None:
            command.qty_lots = min(max(use_of(self.twin.risk.state, command) + step.beside_use, 0), AMPLE)
        lives_ns = step.lives_ns if "aux1" not in values else 0
        self._append(command, step.lag, step.gap_ns, lives_ns)
        if command.kind == Kind.NEW:
            self.news[seq] = command
        elif command.kind == Kind.REPLACE:
            self.latest[meant.seq] = command.cl

    @staticmethod
    def _cl(step: Step, seq: int, meant: Command) -> str | Text:
        match step.cl:
            case "fresh":
                return f"C{seq}"
            case "long":
                return f"LONG-CL-ORD-ID-{seq:05d}"
            case "used":
                return meant.cl
            case "empty":
                return ""
        return step.cl
