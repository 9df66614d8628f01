"""Plans: which stages share a worker and a core, and what cannot be laid out."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.config import STAGES, Capacity, ConfigError, VenueConfig, Worker, default_config, overridden
from stages.control import WorkerPlan
from stages.plan import LATENCY, THROUGHPUT, lay_partitions, make_plan

CORES = (0, 1, 2, 3, 4, 5, 6, 7)


def venue(workers: str | tuple[Worker, ...]) -> VenueConfig:
    """Return a venue with a plan; eight cores are there to be named."""
    return overridden(default_config(), workers=workers, cores=CORES)  # type: ignore[arg-type]


def worker(*stages: str, core: int | None = None) -> Worker:
    """Return a worker of an explicit plan."""
    return Worker(stages=stages, core=core)  # type: ignore[arg-type]


def shown(plan: tuple[WorkerPlan, ...]) -> str:
    """Show a plan: initials of the stages, and the core of each worker."""
    return " | ".join(f"{''.join(stage[0] for stage in worker.stages)}@{worker.core}" for worker in plan)


@pytest.mark.parametrize("table", [THROUGHPUT, LATENCY])
def test_each_layout_has_each_stage_once(table: dict[int, tuple[tuple[str, ...], ...]]) -> None:
    """Whatever the number of cores, all five stages run, none twice, on no more workers than cores."""
    for cores, layout in table.items():
        assert sorted(stage for stages in layout for stage in stages) == sorted(STAGES)
        assert len(layout) <= cores
    assert sorted(table) == list(range(1, max(table) + 1))


@pytest.mark.parametrize(
    ("workers", "cores", "pinned", "expected"),
    [
        ("auto", (0,), None, "ijrmp@0"),
        ("auto", (0, 1), None, "ijrmp@0"),
        ("auto", (0, 1, 2), None, "ij@0 | rmp@1"),
        ("auto", (3, 5, 6, 7), None, "ij@3 | r@5 | mp@6"),
        ("auto", CORES, None, "i@0 | j@1 | r@2 | m@3 | p@4"),
        ("auto-latency", (0, 1), None, "ij@0 | rmp@1"),
        ("auto-latency", (0, 1, 2, 3, 4), None, "i@0 | j@1 | r@2 | m@3 | p@4"),
        ("auto", (0, 1), (1,), "ijrmp@1"),
        ("auto", (0, 1), (1, 0), "ij@1 | rmp@0"),
        ("auto", CORES, (2, 4, 6), "ij@2 | r@4 | mp@6"),
        ("auto-latency", CORES, (7,), "ijrmp@7"),
    ],
)
def test_automatic_plans(
    workers: str, cores: tuple[int, ...], pinned: tuple[int, ...] | None, expected: str
) -> None:
    """`auto` leaves cores to gateways, `auto-latency` and cores that were named use all of them."""
    assert shown(make_plan(venue(workers), cores, pinned)) == expected


def test_an_explicit_plan_is_taken_as_it_is() -> None:
    """Workers of the configuration keep their order and cores; without a core they are not pinned."""
    plan = (worker("ingest", "publish", core=1), worker("journal"), worker("matching", "risk", core=0))
    assert shown(make_plan(venue(plan), (0, 1))) == "ip@1 | j@-1 | mr@0"


def test_named_cores_replace_those_of_an_explicit_plan() -> None:
    """`--cores` keeps the workers of the configuration and lays them on the cores in order."""
    plan = (worker("ingest", "journal", core=0), worker("risk", "matching", "publish"))
    assert shown(make_plan(venue(plan), CORES, (6, 4, 2))) == "ij@6 | rmp@4"


@pytest.mark.parametrize(
    ("workers", "cores", "pinned", "problem"),
    [
        ("auto", (0, 1), (2,), "cores: expected some of 0, 1, was 2"),
        ("auto", (0, 1), (1, 1), "cores: expected each core once, was '1,1'"),
        (
            (worker("ingest", "journal"), worker("risk", "matching", "publish")), (0, 1), (1,),
            "cores: expected 2 cores for 2 workers, was 1",
        ),
        (
            (worker("ingest", "journal", core=0), worker("risk", "matching", "publish", core=5)), (0, 1), None,
            "plan.workers[1].core: expected an available core (0,1), was 5",
        ),
        (
            tuple(worker(stage, core=core) for core, stage in enumerate(STAGES)), (0, 1), None,
            "plan.workers: expected at most 2 pinned workers, one for each available core (0,1), was 5",
        ),
    ],
)  # fmt: skip
def test_impossible_plans(
    workers: str | tuple[Worker, ...], cores: tuple[int, ...], pinned: tuple[int, ...] | None, problem: str
) -> None:
    """What cannot be laid out is a configuration error that says what there is and what was asked for."""
    with pytest.raises(ConfigError) as caught:
        make_plan(venue(workers), cores, pinned)
    assert str(caught.value) == problem


@given(
    st.sampled_from(["auto", "auto-latency"]),
    st.lists(st.integers(0, 200), min_size=1, max_size=12, unique=True),
    st.data(),
)
def test_no_core_is_used_twice(workers: str, cores: list[int], data: st.DataObject) -> None:
    """Whatever cores there are and whichever are named: a plan pins each worker on one of those, alone."""
    pinned = data.draw(st.none() | st.lists(st.sampled_from(cores), min_size=1, unique=True))
    plan = make_plan(venue(workers), cores, pinned)
    used = [worker.core for worker in plan]
    assert len(set(used)) == len(used) and set(used) <= set(pinned or cores)
    assert sorted(stage for worker in plan for stage in worker.stages) == sorted(STAGES)


def partitioned(workers: str | tuple[Worker, ...], partitions: int) -> VenueConfig:
    """Return a venue with a plan and so many partitions of matching."""
    default = msgspec.structs.replace(default_config(), capacity=Capacity(partitions=partitions))
    return overridden(default, workers=workers, cores=CORES)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("cores", "partitions", "expected"),
    [
        (6, 4, "ingest | journal | risk | matching | publish"),
        (7, 4, "ingest | journal | risk | matching-1+matching-3 | matching-2+matching-4 | matching+publish"),
        (8, 2, "ingest | journal | risk | matching-1 | matching-2 | matching+publish"),
    ],
)
def test_automatic_plans_spread_partitions(cores: int, partitions: int, expected: str) -> None:
    """Partitions get workers of their own where cores are left; the merge then goes with publish."""
    plan = make_plan(partitioned("auto", partitions), CORES[:cores])
    assert " | ".join("+".join(worker.stages) for worker in plan) == expected


def test_partitions_are_laid_by_name() -> None:
    """`matching` becomes the partitions that no worker names, with the merge behind them; of one partition it stays."""
    plan = make_plan(
        partitioned((worker("ingest", "journal", "risk", "matching", "publish"), worker("matching-2")), 3),
        CORES,
    )
    laid = lay_partitions(plan, 3)
    assert laid[0].stages == ("ingest", "journal", "risk", "matching-1", "matching-3", "merge", "publish")
    assert laid[1].stages == ("matching-2",)
    alone = make_plan(venue("auto"), CORES)
    assert lay_partitions(alone, 1) == alone
    with pytest.raises(
        ConfigError, match="expected partitions as in the journal, which has 1, was 'matching-2'"
    ):
        lay_partitions(plan, 1)
