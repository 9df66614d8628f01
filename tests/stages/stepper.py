"""The stages of a core, stepped one at a time, in any order and as far as one likes."""

from __future__ import annotations

from typing import Any

import numpy as np

from protocols.layouts import OUTCOME
from stages.core import Core, collect_outcomes, feed_core
from stages.matching import matching_step
from stages.merge import merge_step
from stages.risk import risk_step
from stages.state import Capacities

INGEST, RISK, MERGE, PUBLISH, MATCHING = range(5)  # steps; from MATCHING on one for each partition


class Stepper:
    """The stages of a core, stepped one at a time in any order."""

    def __init__(self, capacities: dict[str, int], slots: int, lane_slots: int) -> None:
        core = Core(Capacities(**capacities), input_slots=slots, output_slots=slots, lane_slots=lane_slots)
        self.core: Any = core
        self.out = np.zeros((1 << 14, 16), dtype=np.int64)
        self.position = 0
        self.fed = 0

    def step(self, which: int, commands: Any, budget: int) -> int:
        """Let one stage do a little; return how much that was."""
        core, p = self.core, self.core._partitions
        if which == INGEST:
            rows = commands.view(np.int64).reshape(-1, 16)
            stop = min(self.fed + budget, len(rows))
            fed = int(feed_core(rows, self.fed, stop, core._in_words, core._in_slot_words, 0))
            self.fed += fed
            return fed
        if which == PUBLISH:
            before = self.position
            self.position = int(collect_outcomes(core._out_words, core._out_slot_words, self.out, before))
            return self.position - before
        inputs = (core._in_words, core._in_slots, core._verdicts)
        if which == RISK:
            return int(risk_step(*inputs, core._out_words, core._out_slots, core.state.risk, budget))
        if which == MERGE:
            out = (core._out_words, core._out_slot_words)
            return int(merge_step(*inputs, *out, p, budget)) if p.total > 1 else 0
        partition = (which - MATCHING) % p.total
        lane = p.lane_words[partition]
        words = (lane, lane) if p.total > 1 else (core._out_words, core._in_words)
        return int(matching_step(*inputs, *words, p.books[partition], budget))

    def finish(self, commands: Any) -> Any:
        """Run all stages until nothing moves; return all outcomes."""
        while sum(self.step(which, commands, 256) for which in range(4 + self.core._partitions.total)):
            pass
        assert self.fed == len(commands)
        return self.out[: self.position].reshape(-1).view(OUTCOME)
