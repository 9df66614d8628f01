"""Pipelines that are stepped by hand, of kernels and of twins: they stamp as ingest does, and keep what they decided.

A pipeline takes commands in, stamps each with what matching has done when it comes (as ``stages/ingest.py`` does), lets
risk judge and matching carry out, each as far as it is told, and in the end holds a :class:`Record`. Given a record's
commands it keeps their stamps: that is a replay. :class:`EagerPipeline` is the mistake that the stamp is there to
prevent: its risk takes in whatever matching has told by the time it judges.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from protocols.codes import Kind
from protocols.layouts import COMMAND
from stages.digest import state_digest
from stages.topology import CUR_INPUT_MATCHING, CUR_INPUT_RISK
from tests.stages.stepper import INGEST, PUBLISH, RISK, Stepper
from tests.twin.controls import controls_of_twin
from tests.twin.partitions import PartitionsTwin
from tests.twin.records import Command, Outcome, make_command, to_array
from tests.twin.risk import RiskTwin

SLOTS = 16  # of the input ring
Schedule = list[tuple[int, int]]  # which stage, how far


@dataclass
class Record:
    """What a pipeline was given and what it decided: of kernels bytes, of twins dataclasses."""

    commands: Any
    verdicts: Any
    outcomes: Any
    state: Any


class Pipeline(Protocol):
    """A pipeline over its commands; with ``keep`` these have their stamps already."""

    def __init__(self, capacities: dict[str, int], commands: Any, *, keep: bool = False) -> None:
        """Begin with nothing taken in."""

    def step(self, which: int, budget: int) -> int:
        """Let one stage go on, at most so far; return how far it did."""

    def finish(self) -> Record:
        """Let all stages go on to the end."""


def ticked(commands: Iterable[Command]) -> list[Command]:
    """Return commands with a TICK behind them, by which risk sees everything."""
    listed = [replace(command) for command in commands]
    return [*listed, make_command(Kind.TICK, seq=len(listed) + 1, time_ns=listed[-1].time_ns)]


class KernelPipeline(Stepper):
    """The compiled stages."""

    def __init__(self, capacities: dict[str, int], commands: Any, *, keep: bool = False) -> None:
        super().__init__(capacities, SLOTS, SLOTS)
        self.commands = commands.copy() if keep else to_array(ticked(commands))
        self.keep = keep
        self.verdicts: list[bytes] = []

    def step(self, which: int, budget: int) -> int:  # type: ignore[override]
        """Let one stage go on; ingest stamps with matching's cursor, the TICK at the end waits for everything."""
        matched = int(self.core._in_words[CUR_INPUT_MATCHING])
        if which == INGEST:
            rest = self.commands[self.fed : self.fed + budget]
            if not self.keep:
                rest["seen_seq"] = matched
            if self.fed + len(rest) == len(self.commands) and matched < len(self.commands) - 1:
                budget = len(rest) - 1
        done = super().step(which, self.commands, budget) if budget > 0 else 0
        if which == RISK:
            seqs = range(len(self.verdicts) + 1, int(self.core._in_words[CUR_INPUT_RISK]) + 1)
            self.verdicts += [self.core._verdicts[seq % SLOTS].tobytes() for seq in seqs]
        return done

    def finish(self) -> Record:  # type: ignore[override]
        """Let all stages go on to the end."""
        stages = range(4 + self.core._partitions.total)
        while sum(self.step(which, 1 << 8) for which in stages):
            pass
        assert self.fed == len(self.commands)
        state = (self.core.outcome_digest, state_digest(self.core.state.risk, self.core.state.books))
        return Record(self.commands, self.verdicts, self.out[: self.position].tobytes(), state)


class TwinPipeline:
    """The naive twins, with lists for rings; publish has nothing to do."""

    def __init__(self, capacities: dict[str, int], commands: Any, *, keep: bool = False) -> None:
        rooms = dict(capacities)
        levels, specials = rooms.pop("max_levels"), rooms.pop("max_specials")
        self.risk = RiskTwin(**rooms)
        self.matching = PartitionsTwin(rooms.get("partitions", 1), rooms["max_orders"], levels, specials)
        self.commands = [replace(command) for command in commands] if keep else ticked(commands)
        self.keep = keep
        self.fed = self.matched = self.applied = 0
        self.verdicts: list[Any] = []
        self.outcomes: list[Outcome] = []

    def step(self, which: int, budget: int) -> int:
        """Let one stage go on."""
        if which == PUBLISH:
            return 0
        act = {INGEST: self._ingest, RISK: self._judge}.get(which, self._match)
        done = 0
        while done < budget and act():
            done += 1
        return done

    def _ingest(self) -> bool:
        if self.fed == len(self.commands) or self.fed - self.matched == SLOTS:
            return False
        if self.fed == len(self.commands) - 1 and self.matched < self.fed:
            return False
        if not self.keep:
            self.commands[self.fed].seen_seq = self.matched
        self.fed += 1
        return True

    def _judge(self) -> bool:
        if len(self.verdicts) == self.fed:
            return False
        command = self.commands[len(self.verdicts)]
        last = self._last_applied(command)
        while self.applied < len(self.outcomes) and self.outcomes[self.applied].input_seq <= last:
            self.risk.apply(self.outcomes[self.applied])
            self.applied += 1
        self.verdicts.append(self.risk.judge(command))
        return True

    def _last_applied(self, command: Command) -> int:
        """Return the last input whose outcomes risk takes in before it judges a command."""
        return command.seen_seq

    def _match(self) -> bool:
        if self.matched == len(self.verdicts):
            return False
        command, verdict = self.commands[self.matched], self.verdicts[self.matched]
        self.outcomes += self.matching.process(command, verdict, self.risk.state.instruments)
        self.matched += 1
        return True

    def finish(self) -> Record:
        """Let all stages go on to the end."""
        while sum(self.step(which, 1 << 8) for which in range(3)):
            pass
        assert self.fed == len(self.commands)
        return Record(self.commands, self.verdicts, self.outcomes, controls_of_twin(self.risk.state))


class EagerPipeline(TwinPipeline):
    """The same with a risk that looks at no stamp, and takes in fills as they come."""

    def _last_applied(self, command: Command) -> int:
        return command.seq


def run_live(
    maker: type[Pipeline], capacities: dict[str, int], commands: list[Command], schedule: Schedule
) -> Record:
    """Run commands through a pipeline as a schedule says, and to the end."""
    pipeline = maker(capacities, commands)
    for which, budget in schedule:
        pipeline.step(which, budget)
    return pipeline.finish()


def replay(maker: type[Pipeline], capacities: dict[str, int], commands: Any, stages: int = 8) -> Record:
    """Run recorded commands through a pipeline one by one, each to its end."""
    pipeline = maker(capacities, commands, keep=True)
    for _ in range(len(commands)):
        for which in range(stages):
            pipeline.step(which, 1)
    return pipeline.finish()


def assert_repeated(live: Record, again: Record) -> None:
    """Fail where a replay decided otherwise than the run that was recorded."""
    assert np.array_equal(as_rows(live.commands), as_rows(again.commands))
    assert again.verdicts == live.verdicts, "verdicts differ"
    assert again.outcomes == live.outcomes, "outcomes differ"
    assert again.state == live.state, "state differs"


def as_rows(commands: Any) -> Any:
    """Return commands as an array of ``layouts.COMMAND``."""
    return commands if isinstance(commands, np.ndarray) else to_array(commands).astype(COMMAND)
