"""Replay: how fast a journal in the page cache becomes books and accounts again.

A pipeline of real processes writes the journal, checkpoints and digests included. What is measured is
:meth:`stages.replay.Replayer.run` with a fresh state each time, as after a crash: allocation and page faults
count. Beside it its two halves: reading and decoding alone, and the core alone on commands that are decoded.
Each replay must come to the digests of the live run.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Final

import numpy as np
from msgspec import Struct

from benchmarks.live import LivePipeline, check_run, scratch
from benchmarks.machine import file_system, pinned
from benchmarks.measure import Goal, Measured, Runs, expect_equal, repeat
from benchmarks.pipeline import one_worker, ring_sizes
from benchmarks.workload import SESSION
from gateway.inject import Injector
from gateway.port import Port
from journal.reader import JournalReader
from protocols.flow import SyntheticSource
from protocols.layouts import COMMAND, SLOT_WORDS
from stages.core import Core
from stages.definitions import capacities_of
from stages.last_run import LastRun
from stages.replay import CHUNK, Replayer, journal_directory

__all__ = ["ReplayRow", "run", "write_journal"]

ORDERS: Final = {"full": 5_000_000, "quick": 500_000}
RUNS: Final = {"full": 5, "quick": 3}
GOAL_PER_S: Final = 2e6


class ReplayRow(Struct, frozen=True, kw_only=True):
    """Rates in commands a second."""

    commands: int
    journal_bytes: int
    checkpoints: int
    replay: Runs
    read_only: Runs
    core_only: Runs


def run(cores: tuple[int, int], mode: str = "full", where: Path | None = None) -> Measured:
    """Measure the replay of one journal."""
    with scratch(where) as directory:
        data_dir, last = write_journal(directory, cores, ORDERS[mode])
        row = measure(cores, data_dir, last, RUNS[mode])
        setup = {
            **ring_sizes(),
            "journal": "written by a pipeline with durability none, read from the page cache",
            "disk": file_system(data_dir),
            "flow": "normal profile of protocols.flow, one session",
        }
    goal = Goal(what="replay of a warm journal", goal=GOAL_PER_S, value=row.replay.median, unit="/s")
    return {"rows": [row]}, [goal], setup


def write_journal(directory: Path, cores: tuple[int, int], orders: int) -> tuple[Path, LastRun]:
    """Let a pipeline write a journal of ``orders`` commands below ``directory``; verify it."""
    setting = one_worker(cores, "none")
    with LivePipeline(directory, setting.durability, setting.layout) as pipeline:
        with pinned(setting.injector), Port(pipeline.data_dir) as port:
            summary = Injector(port, SyntheticSource(port.directory, orders, 1, session=SESSION)).run()
        last = pipeline.stop()
        check_run(pipeline, last, summary, orders)
    return pipeline.data_dir, last


def measure(cores: tuple[int, int], data_dir: Path, last: LastRun, runs: int) -> ReplayRow:
    """Measure the replay of a journal that is warm, because it was written and verified just now."""
    with pinned(cores[0]):
        result = Replayer(data_dir).run()
        commands, _ = read_all(data_dir, last.last_seq)
        return ReplayRow(
            commands=last.last_seq,
            journal_bytes=last.counters["journal.bytes"],
            checkpoints=result.checkpoints,
            replay=repeat(runs, lambda: _replay(data_dir, last)),
            read_only=repeat(runs, lambda: last.last_seq / read_all(data_dir, last.last_seq)[1]),
            core_only=repeat(runs, lambda: _core(commands, last)),
        )


def _replay(data_dir: Path, last: LastRun) -> float:
    started = time.monotonic()
    result = Replayer(data_dir).run()
    seconds = time.monotonic() - started
    expect_equal("journaled digests", True, result.verified)
    expect_equal("last sequence", last.last_seq, result.last_seq)
    expect_equal("outcome digest", last.outcome_digest, result.outcome_digest)
    expect_equal("state digest", last.state_digest, result.state_digest)
    return last.last_seq / seconds


def read_all(data_dir: Path, count: int) -> tuple[Any, float]:
    """Return all commands of a journal, and the seconds that reading and decoding took."""
    commands = np.zeros((count, SLOT_WORDS), np.int64)
    commands += 0  # have the pages
    reader = JournalReader(journal_directory(data_dir))
    started = time.monotonic()
    row = 0
    while row < count:
        read = reader.read(commands[row : row + CHUNK])
        if not read:
            break
        row += read
    seconds = time.monotonic() - started
    expect_equal("commands read", count, row)
    return commands.reshape(-1).view(COMMAND), seconds


def _core(commands: Any, last: LastRun) -> float:
    core = Core(capacities_of(commands[0]))
    started = time.monotonic()
    core.digest(commands)
    seconds = time.monotonic() - started
    expect_equal("last sequence", last.last_seq, core.last_seq)
    expect_equal("sequence at which a checkpoint differs", 0, core.diverged_seq)
    return last.last_seq / seconds
