"""Look at a pipeline from outside: counters, cursors, lags, workers, percentiles. Read-only, no Numba."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import msgspec

from protocols.codes import OutcomeType, Reason, TradingState
from protocols.trading_day import state_word
from ringbuffer.errors import SegmentMissing
from ringbuffer.layout import views
from ringbuffer.liveness import is_alive
from ringbuffer.shm import Segment
from stages import control as ctl
from stages.control import Description, PortState, State, WorkerPlan, percentiles_ns, read_description
from stages.memory import attach_control, pipeline_id, segment_name
from stages.state_words import MW_COMMANDS, MW_OPEN, MW_REASON_COUNTS, MW_TRADES, MW_TYPE_COUNTS
from stages.topology import (
    CUR_INPUT_JOURNAL,
    CUR_INPUT_MATCHING,
    CUR_INPUT_RISK,
    CUR_OUTPUT_PUBLISH,
    CUR_OUTPUT_RISK,
    CUR_WRITER,
)

__all__ = ["Snapshot", "WorkerStatus", "counters_of", "look", "states_of"]

STALE_HEARTBEAT_NS = 1_000_000_000


def counters_of(control: Any) -> dict[str, int]:
    """Return the counters of a control segment by name."""
    co = control[ctl.CW_COUNTERS : ctl.CW_COUNTERS + 256]
    result = {
        "commands": int(co[MW_COMMANDS]),
        "trades": int(co[MW_TRADES]),
        "open_orders": int(co[MW_OPEN]),
        "released": int(co[ctl.CO_RELEASED]),
        "acked": int(co[ctl.CO_ACKED]),
        "unrouted": int(co[ctl.CO_UNROUTED]),
        "cut_off": int(co[ctl.CO_CUT_OFF]),
        "invalid": int(co[ctl.CO_INVALID]),
        "checkpoints": int(co[ctl.CO_CHECKPOINTS]),
        "ticks": int(co[ctl.CO_TICKS]),
    }
    for kind in OutcomeType:
        result[kind.name.lower()] = int(co[MW_TYPE_COUNTS + kind])
    for reason in Reason:
        if count := int(co[MW_REASON_COUNTS + reason]):
            result[f"reason.{reason.name.lower()}"] = count
    journal = control[ctl.CW_JOURNAL : ctl.CW_JOURNAL + 16]
    names = {
        "bytes": ctl.JO_BYTES,
        "blocks": ctl.JO_BLOCKS,
        "syncs": ctl.JO_SYNCS,
        "segments": ctl.JO_SEGMENTS,
    }
    for name, word in names.items():
        result[f"journal.{name}"] = int(journal[word])
    result["journal.sync_max_ns"] = int(journal[ctl.JO_SYNC_MAX_NS])
    result["snapshot.seq"] = int(control[ctl.CW_SNAPSHOT_SEQ])
    result["snapshot.taken"] = int(control[ctl.CW_SNAPSHOTS])
    result["snapshot.failed"] = int(control[ctl.CW_SNAPSHOTS_FAILED])
    return result


class WorkerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One worker as seen from outside."""

    stages: tuple[str, ...]
    core: int
    pid: int
    alive: bool
    heartbeat_age_ns: int
    busy_percent: float

    @property
    def stalled(self) -> bool:
        """Tell whether it lives but has not said so for a second (stopped, or starved of its core)."""
        return self.alive and self.heartbeat_age_ns > STALE_HEARTBEAT_NS


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A running pipeline at one moment."""

    state: str
    supervisor_pid: int
    supervisor_alive: bool
    epoch: int
    uptime_ns: int
    venue: str
    durability: str
    wait: str
    plan: tuple[WorkerPlan, ...]
    cursors: dict[str, int]
    lag: dict[str, int]
    fill: dict[str, float]
    workers: tuple[WorkerStatus, ...]
    ports_open: int
    ports_cut: int
    counters: dict[str, int]
    latency_ns: dict[str, int]
    recovered_seq: int
    states: dict[str, str] = {}  # of instruments that are not in continuous trading


class Observer:
    """Attached to the control segment and the core rings of one pipeline, for reading only."""

    def __init__(self, data_dir: str | Path) -> None:
        self._segment, self.control = attach_control(data_dir)
        if not self.control[ctl.CW_DESCRIPTION_BYTES]:
            raise SegmentMissing(f"{data_dir}: expected a running pipeline, was one that is still starting")
        self.description = self.describe()
        self._core = Segment.attach(segment_name(pipeline_id(data_dir), "core"))
        self._in_words, slots = views(self._core.buffer, Segment.CONTENT)
        header_bytes = self._in_words.nbytes
        page = 4096
        at = Segment.CONTENT + -(-header_bytes // page) * page + slots.nbytes
        self._out_words, _ = views(self._core.buffer, at)

    def describe(self) -> Description:
        """Return what the pipeline says of itself now; instruments may have been added."""
        return read_description(self._segment.buffer, Segment.CONTENT, self.control)

    @property
    def state(self) -> State:
        """What the pipeline says that it is doing; FAILED if its supervisor is gone without a word."""
        state = State(int(self.control[ctl.CW_STATE]))
        if state in (State.STOPPED, State.FAILED) or self.supervisor_alive:
            return state
        return State.FAILED

    @property
    def supervisor_alive(self) -> bool:
        """Tell whether the supervisor's process runs."""
        return is_alive(int(self.control[ctl.CW_SUPERVISOR_PID]), int(self.control[ctl.CW_SUPERVISOR_START]))

    def snapshot(self) -> Snapshot:
        """Return everything that can be seen now."""
        control, about = self.control, self.description
        in_words, out_words = self._in_words, self._out_words
        input_seq = int(in_words[CUR_WRITER])
        output_seq = int(out_words[CUR_WRITER])
        cursors = {
            "input": input_seq,
            "journal": int(in_words[CUR_INPUT_JOURNAL]),
            "durable": int(control[ctl.CW_DURABLE]),
            "risk": int(in_words[CUR_INPUT_RISK]),
            "matching": int(in_words[CUR_INPUT_MATCHING]),
            "output": output_seq,
            "feedback": int(out_words[CUR_OUTPUT_RISK]),
            "publish": int(out_words[CUR_OUTPUT_PUBLISH]),
        }
        lag = {name: max(0, input_seq - cursors[name]) for name in ("journal", "durable", "risk", "matching")}
        lag["publish"] = max(0, output_seq - cursors["publish"])
        slowest = min(cursors["journal"], cursors["matching"])
        fill = {
            "input": max(0, input_seq - slowest) / about.input_slots,
            "output": max(0, output_seq - min(cursors["publish"], cursors["feedback"])) / about.output_slots,
        }
        now_ns = time.monotonic_ns()
        workers = tuple(self._worker(index, plan, now_ns) for index, plan in enumerate(about.plan))
        ports = [
            int(control[ctl.CW_PORT_BLOCKS + p * ctl.PORT_WORDS + ctl.PW_STATE])
            for p in range(1, about.ports)
        ]
        return Snapshot(
            state=self.state.name.lower(),
            supervisor_pid=int(control[ctl.CW_SUPERVISOR_PID]),
            supervisor_alive=self.supervisor_alive,
            epoch=int(control[ctl.CW_EPOCH]),
            uptime_ns=time.time_ns() - int(control[ctl.CW_STARTED_NS]),
            venue=about.venue,
            durability=about.durability,
            wait=about.wait,
            plan=about.plan,
            cursors=cursors,
            lag=lag,
            fill=fill,
            workers=workers,
            ports_open=ports.count(PortState.OPEN),
            ports_cut=ports.count(PortState.CUT),
            counters=counters_of(control),
            latency_ns=percentiles_ns(control[ctl.CW_LATENCY : ctl.CW_LATENCY + ctl.LATENCY_BUCKETS]),
            recovered_seq=about.recovered_seq,
            states=states_of(self.describe()),
        )

    def _worker(self, index: int, plan: WorkerPlan, now_ns: int) -> WorkerStatus:
        block = self.control[ctl.CW_WORKER_BLOCKS + index * ctl.WORKER_WORDS :]
        loops = int(block[ctl.WW_LOOPS])
        return WorkerStatus(
            stages=plan.stages,
            core=plan.core,
            pid=int(block[ctl.WW_PID]),
            alive=is_alive(int(block[ctl.WW_PID]), int(block[ctl.WW_START])),
            heartbeat_age_ns=max(0, now_ns - int(block[ctl.WW_HEARTBEAT])),
            busy_percent=round(100 * int(block[ctl.WW_BUSY]) / loops, 2) if loops else 0.0,
        )


def states_of(about: Description) -> dict[str, str]:
    """Return the trading states of those instruments that are not in continuous trading, by symbol."""
    states = {row.id: row.state for row in about.markets if row.state != TradingState.CONTINUOUS}
    if not states:
        return {}
    return {row.symbol: state_word(states[row.id]) for row in about.instruments if row.id in states}


def look(data_dir: str | Path) -> Snapshot:
    """Return a snapshot of the pipeline of a data directory; SegmentMissing if none runs."""
    return Observer(data_dir).snapshot()
