"""``ringmatch top``: the pipeline, live. Rates are differences of two snapshots; nothing is asked of the pipeline.

Full screen in a terminal, until q or Ctrl-C, or until the pipeline stops; one frame where there is no terminal,
and with ``--once``. Never imports Numba.

Exit codes: as of ``status``.
"""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from typing import Annotated, Any, Final, NamedTuple

import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from cli.exit_codes import ExitCode
from cli.keyboard import single_keys
from cli.render import DEFAULT_DATA, Data, latency_text, rate_text, share_bar, size_text, span_text
from cli.status import Pipeline, attach, describe_states, find_problems, look, not_running, rejects_of
from stages.last_run import read_last_run
from stages.observe import Snapshot

__all__ = ["Sample", "frame", "take", "top"]

MIN_INTERVAL_S: Final = 0.05
BAR_CELLS: Final = 24
PIPED_COLUMNS: Final = 120
MOST_REJECTS: Final = 8
LEAVING: Final = ("stopped", "failed")
STAGES: Final = (  # name, cursor, lag, ring whose size is the scale of the bar
    ("ingest", "input", "", ""),
    ("journal", "journal", "journal", "input"),
    ("durable", "durable", "durable", "input"),
    ("risk", "risk", "risk", "input"),
    ("matching", "matching", "matching", "input"),
    ("publish", "publish", "publish", "output"),
)


class Sample(NamedTuple):
    """A snapshot, and when it was taken."""

    taken_s: float
    snapshot: Snapshot
    ring_slots: dict[str, int]


def top(
    data: Data = DEFAULT_DATA,
    interval: Annotated[
        float, typer.Option(min=MIN_INTERVAL_S, metavar="S", help="Seconds between frames.")
    ] = 1.0,
    once: Annotated[bool, typer.Option("--once", help="Print one frame and leave.")] = False,
) -> int:
    """Watch the pipeline live: rates, lag, latency, workers, rejects. Leave with q."""
    pipeline = attach(data)
    if pipeline is None or pipeline.observer is None or not pipeline.alive:
        report, code = look(data)
        for problem in report.problems:
            print(f"ringmatch: {problem}", file=sys.stderr)
        if code is ExitCode.NOT_RUNNING:
            raise not_running(data)
        if not report.problems:
            print(f"{data}: the pipeline is {report.state}")
        return int(code)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else PIPED_COLUMNS)
    if once or not console.is_terminal:
        first = take(pipeline)
        time.sleep(interval)
        console.print(frame(pipeline, first, take(pipeline)))
        return int(ExitCode.OK)
    _watch(console, pipeline, interval)
    if pipeline.observer.state.name.lower() not in LEAVING:
        return int(ExitCode.OK)
    return _farewell(pipeline, data)


def take(pipeline: Pipeline) -> Sample:
    """Look at a pipeline now."""
    observer = pipeline.observer
    assert observer is not None
    about = observer.description
    slots = {"input": about.input_slots, "output": about.output_slots}
    return Sample(time.monotonic(), observer.snapshot(), slots)


def _watch(console: Console, pipeline: Pipeline, interval_s: float) -> None:
    """Draw a frame each interval, until somebody leaves or the pipeline does."""
    before = take(pipeline)
    now = before
    with (
        suppress(KeyboardInterrupt),  # the other way to leave
        single_keys() as keys,
        Live(console=console, screen=True, auto_refresh=False) as live,
    ):
        while True:
            live.update(frame(pipeline, before, now), refresh=True)
            if now.snapshot.state in LEAVING or keys.quit_within(interval_s):
                return
            before, now = now, take(pipeline)


def _farewell(pipeline: Pipeline, data: Any) -> int:
    """Say how the pipeline that was watched has ended."""
    deadline_s = time.monotonic() + 1.0
    while pipeline.alive and time.monotonic() < deadline_s:
        time.sleep(0.01)
    last_run = read_last_run(data)
    if last_run is None or last_run.pid != pipeline.pid:
        print(f"{data}: the supervisor (pid {pipeline.pid}) is gone without a word")
        return int(ExitCode.WORKER_DIED)
    print(f"{data}: the pipeline has {last_run.state}{f': {last_run.error}' if last_run.error else ''}")
    return int(ExitCode.WORKER_DIED if last_run.state == "failed" else ExitCode.OK)


# What is drawn


def frame(pipeline: Pipeline, before: Sample, now: Sample) -> RenderableType:
    """Return one frame."""
    parts: list[RenderableType] = [_header(now.snapshot), _rates(before, now), Text()]
    parts += [_stages(before, now), Text(), _workers(now.snapshot), Text(), _latency(now.snapshot)]
    parts.append(_rejects(now.snapshot))
    if now.snapshot.states:
        parts.append(Text.assemble("states   ", (describe_states(now.snapshot.states), "yellow")))
    parts += [Text(problem, style="bold red") for problem in find_problems(pipeline, now.snapshot)]
    return Group(*parts)


def _header(snapshot: Snapshot) -> Text:
    colour = "green" if snapshot.state == "ready" else "yellow" if snapshot.state == "draining" else "red"
    return Text.assemble(
        (snapshot.venue, "bold"), "  ", (snapshot.state, f"bold {colour}"),
        f"  up {span_text(snapshot.uptime_ns)}, epoch {snapshot.epoch}, durability {snapshot.durability}, "
        f"wait {snapshot.wait}, pid {snapshot.supervisor_pid}, {snapshot.ports_open} ports open",
        *([(f", {snapshot.ports_cut} cut off", "red")] if snapshot.ports_cut else []),
    )  # fmt: skip


def _rates(before: Sample, now: Sample) -> Text:
    """Return what happened a second since the last frame, and since the start."""
    counters, earlier = now.snapshot.counters, before.snapshot.counters
    seconds = max(now.taken_s - before.taken_s, 1e-9)
    sequenced = now.snapshot.cursors["input"] - before.snapshot.cursors["input"]

    def rate(name: str) -> float:
        return (counters[name] - earlier[name]) / seconds

    return Text.assemble(
        (f"{rate_text(sequenced / seconds)} commands", "bold"),
        f", {rate_text(rate('trades'))} trades, {rate_text(rate('released'))} outcomes, "
        f"journal {size_text(int(rate('journal.bytes')))}/s with {rate('journal.syncs'):.0f} syncs/s\n"
        f"{counters['commands']:,} commands, {counters['trades']:,} trades, {counters['open_orders']:,} open orders, "
        f"{size_text(counters['journal.bytes'])} journaled, slowest sync "
        f"{latency_text(counters['journal.sync_max_ns'])}",
    )


def _grid(*columns: str) -> Table:
    grid = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for column in columns:
        grid.add_column(
            column.lstrip(">"), justify="right" if column.startswith(">") else "left", no_wrap=True
        )
    return grid


def _stages(before: Sample, now: Sample) -> Table:
    grid = _grid("stage", ">sequence", ">rate", ">lag", "of the ring")
    seconds = max(now.taken_s - before.taken_s, 1e-9)
    for stage, cursor, lag_name, ring in STAGES:
        seq = now.snapshot.cursors[cursor]
        rate = rate_text((seq - before.snapshot.cursors[cursor]) / seconds)
        if not lag_name:
            grid.add_row(stage, f"{seq:,}", rate, "", "")
            continue
        lag = now.snapshot.lag[lag_name]
        share = lag / now.ring_slots[ring]
        colour = "green" if share < 0.5 else "yellow" if share < 0.9 else "red"
        grid.add_row(stage, f"{seq:,}", rate, f"{lag:,}", Text(share_bar(share, BAR_CELLS), colour))
    return grid


def _workers(snapshot: Snapshot) -> Table:
    grid = _grid(">worker", "stages", ">core", ">pid", ">heartbeat", ">busy")
    for index, worker in enumerate(snapshot.workers):
        colour = "red" if not worker.alive else "yellow" if worker.stalled else ""
        pulse = f"{latency_text(worker.heartbeat_age_ns)} ago" if worker.alive else "dead"
        core = str(worker.core) if worker.core >= 0 else "any"
        busy = f"{worker.busy_percent:.1f}%"
        grid.add_row(
            str(index + 1), "+".join(worker.stages), core, str(worker.pid), Text(pulse, colour), busy
        )
    return grid


def _latency(snapshot: Snapshot) -> Text:
    names = [name for name in snapshot.latency_ns if name != "count"]
    if not snapshot.latency_ns.get("count"):
        return Text("latency  nothing measured yet")
    parts: list[Any] = ["latency"]
    for name in names:
        parts += [f"  {name} ", (latency_text(snapshot.latency_ns[name]), "bold")]
    return Text.assemble(*parts, f"  of {snapshot.latency_ns['count']:,}")


def _rejects(snapshot: Snapshot) -> Text:
    rejects = list(rejects_of(snapshot.counters).items())
    shown = ", ".join(f"{name} {count:,}" for name, count in rejects[:MOST_REJECTS])
    more = f", {len(rejects) - MOST_REJECTS} more" if len(rejects) > MOST_REJECTS else ""
    return Text(f"rejects  {shown or 'none'}{more}")
