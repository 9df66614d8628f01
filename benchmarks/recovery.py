"""Recovery: how long a start takes until its state is there, by length of the journal, with and without a snapshot.

One journal of a pipeline of real processes, replayed up to several lengths: from the first command, and behind a
snapshot that was taken nine tenths of the way. Each must come to the digests of a replay of everything. Beside it what
a snapshot costs with a million open orders: to write, to load, and its size; the pipeline is not touched by either.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

import numpy as np
from msgspec import Struct

from benchmarks.live import scratch
from benchmarks.machine import file_system, pinned
from benchmarks.measure import Goal, Measured, Runs, expect_equal, repeat
from benchmarks.replay import write_journal
from protocols.codes import KIND_ACCOUNT, KIND_INSTRUMENT, KIND_LIMIT, KIND_NEW, KIND_SESSION_OPEN, KIND_VENUE
from protocols.layouts import COMMAND
from stages.core import Core, CoreState
from stages.digest import state_digest
from stages.replay import IN_FLIGHT, Replayer
from stages.snapshot_process import make_snapshot
from stages.snapshots import list_snapshots, load_snapshot, take_snapshot
from stages.state import Capacities

__all__ = ["RecoveryRow", "SnapshotRow", "run"]

LENGTHS: Final = {"full": (1_000_000, 5_000_000, 10_000_000), "quick": (100_000, 500_000)}
OPEN_ORDERS: Final = {"full": 1_000_000, "quick": 100_000}
RUNS: Final = {"full": 3, "quick": 2}
GOAL_S: Final = 5.0
LEVELS: Final = 500


class RecoveryRow(Struct, frozen=True, kw_only=True):
    """Seconds until the state after so many commands is there."""

    commands: int
    journal: Runs  # from the first command
    snapshot: Runs  # behind a snapshot at nine tenths


class SnapshotRow(Struct, frozen=True, kw_only=True):
    """Seconds, and the size of the file."""

    open_orders: int
    write: Runs
    load: Runs
    file_bytes: int


def run(cores: tuple[int, int], mode: str = "full", where: Path | None = None) -> Measured:
    """Measure recovery of one journal, and snapshots of one state."""
    lengths = LENGTHS[mode]
    with scratch(where) as directory:
        data_dir, _ = write_journal(directory, cores, lengths[-1])
        with pinned(cores[0]):
            rows = [_recover(data_dir, length, RUNS[mode]) for length in lengths]
            snapshot = _snapshot(directory / "orders", OPEN_ORDERS[mode], RUNS[mode])
        setup = {
            "journal": "written by a pipeline with durability none, read from the page cache",
            "disk": file_system(data_dir),
            "flow": "normal profile of protocols.flow, one session",
            "snapshot": f"{snapshot.open_orders:,} resting orders in {LEVELS} levels, no other state; synced",
        }
    last = rows[-1]
    goals = [
        Goal(
            what=f"commands recovered a second, {last.commands:,} in all, behind a snapshot",
            goal=last.commands / GOAL_S, value=last.commands / last.snapshot.median, unit="/s",
        ),
        Goal(
            what=f"commands recovered a second, {last.commands:,} in all, from the journal alone",
            goal=last.commands / GOAL_S, value=last.commands / last.journal.median, unit="/s",
        ),
    ]  # fmt: skip
    return {"rows": rows, "snapshots": [snapshot]}, goals, setup


def _recover(data_dir: Path, length: int, runs: int) -> RecoveryRow:
    """Measure both ways to the state after ``length`` commands."""
    for _, path in list_snapshots(data_dir):
        path.unlink()
    wanted = Replayer(data_dir, to_seq=length).run()
    make_snapshot(data_dir, length * 9 // 10)

    def once(*, snapshots: bool) -> float:
        started = time.monotonic()
        found = Replayer(data_dir, to_seq=length, snapshots=snapshots).run()
        seconds = time.monotonic() - started
        expect_equal("where it began", length * 9 // 10 if snapshots else 0, found.snapshot_seq)
        expect_equal("state digest", wanted.state_digest, found.state_digest)
        expect_equal("outcome digest", wanted.outcome_digest, found.outcome_digest)
        return seconds

    return RecoveryRow(
        commands=length,
        journal=repeat(runs, lambda: once(snapshots=False)),
        snapshot=repeat(runs, lambda: once(snapshots=True)),
    )


def _snapshot(directory: Path, orders: int, runs: int) -> SnapshotRow:
    """Measure a snapshot of a state that is mostly resting orders."""
    core = _resting(orders)
    wanted = state_digest(core.state.risk, core.state.books)
    path = directory

    def write() -> float:
        nonlocal path
        started = time.monotonic()
        path, _ = take_snapshot(core, directory, time_ns=1, crc=0)
        return time.monotonic() - started

    def load() -> float:
        started = time.monotonic()
        state, _ = load_snapshot(path, IN_FLIGHT)
        seconds = time.monotonic() - started
        expect_equal("state digest", wanted, state_digest(state.risk, state.books))
        return seconds

    writes = repeat(runs, write)
    return SnapshotRow(
        open_orders=orders, write=writes, load=repeat(runs, load), file_bytes=path.stat().st_size
    )


def _resting(orders: int) -> Core:
    """Return a core in which so many orders rest."""
    room = Capacities(max_orders=orders + 16, max_cl_ord_ids=orders + 16)
    core = Core(state=CoreState(room, IN_FLIGHT))
    setup = np.zeros(4 + 18, dtype=COMMAND)
    setup["kind"] = [KIND_VENUE, KIND_INSTRUMENT, KIND_ACCOUNT, KIND_SESSION_OPEN] + [KIND_LIMIT] * 18
    setup["cl0"] = 1
    setup["instrument"][1] = setup["price_ticks"][1] = setup["qty_lots"][1] = setup["aux0"][1] = 1
    setup["account"][2] = 1
    setup["account"][4:] = 1
    setup["ord_type"][4:] = np.arange(1, 19)
    setup["qty_lots"][4:] = 1 << 60
    core.digest(core.stamp(setup))
    flow = np.zeros(orders, dtype=COMMAND)
    flow["kind"], flow["instrument"], flow["account"], flow["session"] = KIND_NEW, 1, 1, 1
    flow["side"], flow["ord_type"], flow["tif"], flow["qty_lots"] = 1, 2, 1, 1
    flow["price_ticks"] = 1 + np.arange(orders) % LEVELS
    flow["cl0"] = np.arange(1, orders + 1)
    core.digest(core.stamp(flow))
    expect_equal("resting orders", orders, len(core.dump_books()[1, 1]) * (orders // LEVELS))
    return core
