"""Which process runs which test, where ``make test`` runs several (pytest-xdist).

Tests that start pipelines, race processes or measure are one unit: one process runs them one after the other, as
without pytest-xdist, so that no two pipelines compete for the cores that they are pinned to. The tests of any other
file are a unit too, so that its fixtures are made once; files with a few long tests are split, so that no unit is
long at the end.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from xdist.scheduler import LoadScopeScheduling

__all__ = ["PROCESSES", "SPLIT", "WITH_PROCESSES", "LongestFirst", "Units", "unit_of"]

PROCESSES = "processes"
WITH_PROCESSES = (
    "tests/benchmarks/",
    "tests/cli/",
    "tests/e2e/",
    "tests/gateway/",
    "tests/ringbuffer/test_examples.py",
    "tests/ringbuffer/test_extremes.py",
    "tests/ringbuffer/test_litmus.py",
    "tests/ringbuffer/test_memory_order.py",
    "tests/ringbuffer/test_processes.py",
    "tests/ringbuffer/test_wait.py",
    "tests/stages/test_supervisor.py",
)
SPLIT = (
    "tests/journal/test_canaries.py",
    "tests/ringbuffer/test_kill_steps.py",
    "tests/ringbuffer/test_protocol_model.py",
    "tests/stages/test_against_twin.py",
)


def unit_of(node_id: str) -> str:
    """Return the name of the unit that a test belongs to."""
    if node_id.startswith(WITH_PROCESSES):
        return PROCESSES
    path = node_id.partition("::")[0]
    return node_id if path in SPLIT else path


class LongestFirst(OrderedDict[str, dict[str, bool]]):
    """Units that wait: what takes long is taken first, the rest in the order in which it was collected."""

    def popitem(self, last: bool = True) -> tuple[str, dict[str, bool]]:
        """Take the unit that is begun next."""
        unit = min(self, key=lambda each: (each != PROCESSES, not each.startswith(SPLIT)))
        return unit, self.pop(unit)


class Units(LoadScopeScheduling):
    """Gives each process the next unit as soon as it is about to be done with the last."""

    def __init__(self, config: Any, log: Any) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False  # by number of tests; the order is ours
        self.workqueue = LongestFirst()

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)
