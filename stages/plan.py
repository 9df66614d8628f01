"""Plans: which stages share a worker, and on which core each worker is pinned. Plain data, no Numba.

``auto`` is for throughput, ``auto-latency`` gives as many stages as possible a core of their own. Gateways and
injectors need a core too: with two cores all stages in one worker beside them beat two workers that they would
keep preempting (docs/adr/0005-plans.md has the measurement).

A venue whose matching has several partitions (docs/partitions.md) may lay them on workers of their own: stage
``matching-1`` is the first of them, ``matching`` is the merge behind them and those that no worker names.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from stages.config import PARTITION_NAMES, ConfigError, VenueConfig, check_workers
from stages.control import WorkerPlan

__all__ = ["lay_partitions", "make_plan"]

ALL = ("ingest", "journal", "risk", "matching", "publish")

# How the stages are laid on n cores; the last entry serves more cores, which then stay free for gateways.
THROUGHPUT: dict[int, tuple[tuple[str, ...], ...]] = {
    1: (ALL,),
    2: (ALL,),
    3: (("ingest", "journal"), ("risk", "matching", "publish")),
    4: (("ingest", "journal"), ("risk",), ("matching", "publish")),
    5: (("ingest", "journal"), ("risk",), ("matching",), ("publish",)),
    6: (("ingest",), ("journal",), ("risk",), ("matching",), ("publish",)),
}
LATENCY: dict[int, tuple[tuple[str, ...], ...]] = {
    1: (ALL,),
    2: (("ingest", "journal"), ("risk", "matching", "publish")),
    3: (("ingest", "journal"), ("risk",), ("matching", "publish")),
    4: (("ingest", "journal"), ("risk",), ("matching",), ("publish",)),
    5: (("ingest",), ("journal",), ("risk",), ("matching",), ("publish",)),
}


def make_plan(
    config: VenueConfig, cores: Sequence[int], pinned: Sequence[int] | None = None
) -> tuple[WorkerPlan, ...]:
    """Return the workers for ``cores``; ``pinned`` are the cores that the command line asks for, if it does.

    An explicit plan of the configuration is taken as it is. Raise ConfigError if more workers than cores
    would be pinned.
    """
    workers = config.plan.workers
    usable = list(pinned) if pinned else list(cores)
    unknown = [core for core in usable if core not in cores]
    if unknown:
        raise ConfigError("cores", f"expected some of {', '.join(map(str, cores))}", unknown[0])
    if len(set(usable)) != len(usable):
        raise ConfigError("cores", "expected each core once", ",".join(map(str, usable)))
    if isinstance(workers, str):
        table = THROUGHPUT if workers == "auto" else LATENCY
        if pinned and workers == "auto" and len(usable) > 1:
            table = LATENCY  # the cores named are all for stages: nobody asked to leave one free
        layout = table[min(len(usable), max(table))]
        left = len(usable) - len(layout) - (table is THROUGHPUT)  # one stays free for gateways
        layout = _spread_matching(layout, left, config.capacity.partitions)
        return tuple(
            WorkerPlan(stages=stages, core=core) for stages, core in zip(layout, usable, strict=False)
        )
    if pinned:
        layout = tuple(worker.stages for worker in workers)
        if len(layout) > len(usable):
            raise ConfigError("cores", f"expected {len(layout)} cores for {len(layout)} workers", len(usable))
        return tuple(
            WorkerPlan(stages=stages, core=core) for stages, core in zip(layout, usable, strict=False)
        )
    check_workers(workers, cores)
    return tuple(
        WorkerPlan(stages=tuple(worker.stages), core=-1 if worker.core is None else worker.core)
        for worker in workers
    )


def _spread_matching(
    layout: tuple[tuple[str, ...], ...], cores_left: int, partitions: int
) -> tuple[tuple[str, ...], ...]:
    """Give partitions of matching workers of their own, as far as cores are left; the merge goes to publish."""
    if partitions == 1 or ("matching",) not in layout or cores_left <= 0:
        return layout
    shards = min(partitions, 1 + cores_left)
    names = PARTITION_NAMES[:partitions]
    at = layout.index(("matching",))
    laid = tuple(names[shard::shards] for shard in range(shards))
    return (*layout[:at], *laid, ("matching", *layout[at + 1]))


def lay_partitions(plan: tuple[WorkerPlan, ...], partitions: int) -> tuple[WorkerPlan, ...]:
    """Return a plan with the stages that run: several partitions by name, and their ``merge`` for ``matching``."""
    named = [stage for worker in plan for stage in worker.stages if stage in PARTITION_NAMES]
    there = PARTITION_NAMES[: partitions if partitions > 1 else 0]
    unknown = [stage for stage in named if stage not in there]
    if unknown:
        problem = f"expected partitions as in the journal, which has {partitions}"
        raise ConfigError("plan.workers", problem, unknown[0])
    if partitions == 1:
        return plan
    rest = tuple(stage for stage in there if stage not in named)
    return tuple(
        msgspec.structs.replace(
            worker, stages=tuple(part for stage in worker.stages for part in _parts(stage, rest))
        )
        for worker in plan
    )


def _parts(stage: str, rest: tuple[str, ...]) -> tuple[str, ...]:
    return (*rest, "merge") if stage == "matching" else (stage,)
