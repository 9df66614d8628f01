"""The supervisor: recovers, creates the shared memory, forks the workers, watches them, and stops in order.

Life of a pipeline::

    lock ─► open journal (recover) ─► replay ─► segments ─► fork workers ─► configuration commands ─► READY
    READY ─► SIGINT, SIGTERM or stop ─► DRAIN: nothing more from gateways ─► all matched, durable, released
          ─► final checkpoint with the state digest ─► workers stop ─► segments unlinked ─► lock released

Fail stop: a worker that dies, or reports an error, ends the pipeline at once; what was acknowledged is in
the journal, and the next start recovers it. Nothing is released after a failure.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from journal.disk import Disk
from journal.errors import JournalCorrupt, JournalError
from journal.writer import JournalWriter
from protocols.codes import (
    FLAG_FINAL,
    KIND_CHECKPOINT,
    KIND_DAY_BEGIN,
    KIND_SESSION_CLOSE,
    OUT_REJECTED,
    Reason,
)
from protocols.layouts import COMMAND, OUTCOME
from protocols.risk_commands import day_begin
from protocols.risk_terms import CONFIGURED_BY
from protocols.text import pack_text
from protocols.trading_day import next_time_ns
from ringbuffer.liveness import own_identity
from ringbuffer.ring_words import store_word
from ringbuffer.shm import Segment
from stages import control as ctl
from stages.config import PARTITION_NAMES, ConfigError, VenueConfig
from stages.configured import read_references, write_references
from stages.context import new_context
from stages.control import (
    AccountRow,
    Description,
    InstrumentRow,
    State,
    Stop,
    WorkerPlan,
    write_description,
)
from stages.core import Core, CoreState
from stages.definitions import capacities_of, directory_of, market_mark, markets_of, schedules_of
from stages.desk import Desk
from stages.digest import combine_digests, combine_partitions
from stages.fencing import processes_of
from stages.ingest import IW_TIME_BASE
from stages.instance import InstanceLock
from stages.journaling import BlockBuffers, open_writer
from stages.last_run import LastRun, write_last_run
from stages.memory import SEGMENTS, PipelineMemory, Sizes, pipeline_id, segment_name
from stages.observe import counters_of
from stages.plan import lay_partitions
from stages.port_care import PortCare
from stages.replay import IN_FLIGHT, Replayer, hex_digest, journal_directory
from stages.snapshotting import Snapshotter
from stages.state_words import (
    MW_DIGEST,
    RW_SESSIONS,
)
from stages.topology import (
    CUR_INPUT_JOURNAL,
    CUR_INPUT_MATCHING,
    CUR_INPUT_RISK,
    CUR_OUTPUT_PUBLISH,
    CUR_OUTPUT_RISK,
    CUR_PORT_READER,
    CUR_WRITER,
)
from stages.venue import adjusted_limits, config_commands, new_command, venue_command
from stages.worker import EXIT_DISK, run_worker

__all__ = ["Supervisor", "WorkerDied"]

READY_TIMEOUT_S = 30.0
ORPHAN_TIMEOUT_S = 5.0
DRAIN_TIMEOUT_S = 60.0
WATCH_INTERVAL_S = 0.02
PORT_CHECK_INTERVAL_S = 0.2
NEVER_NS = 1 << 62
MAX_ADJUSTED = 8  # limits that a warning names


class WorkerDied(Exception):
    """A worker ended that should not have; names it and says why."""

    def __init__(self, message: str, disk: bool = False) -> None:
        super().__init__(message)
        self.disk = disk


def _has_reached(words: Any, seq: int) -> bool:
    """Tell whether ingest has taken a port's commands up to ``seq``."""
    return int(words[CUR_PORT_READER]) >= seq


def _has_told(block: Any, seq: int) -> bool:
    """Tell whether a worker has given the digests for a sequence."""
    return int(block[ctl.WW_DIGEST_SEQ]) == seq


class Supervisor:
    """Owns one pipeline from start to stop."""

    def __init__(
        self,
        config: VenueConfig,
        plan: tuple[WorkerPlan, ...],
        disk: Disk | None = None,
        standby: Replayer | None = None,
    ) -> None:
        """Prepare; ``standby`` has replayed the journal up to where it stands, and recovery goes on from there."""
        self._standby = standby
        self.config = config
        self.plan = plan
        self.disk = disk
        self.data_dir = Path(config.venue.data_dir)
        self.last_run: LastRun | None = None
        self.recovered_seq = 0
        self.recovered_snapshot_seq = 0
        self.recovered_torn: Path | None = None
        self.pids: dict[int, int] = {}
        self.warnings: list[str] = []
        self._reports: dict[int, int] = {}
        self._report_texts: dict[int, bytes] = {}
        self._stop_asked = False
        self._memory: PipelineMemory | None = None
        self._snapshotter: Snapshotter | None = None
        self._writer: JournalWriter | None = None
        self._defined = self._defined_before = 0  # instruments, as described, and at the look before
        self._described_markets = b""
        self._next_day_ns = NEVER_NS  # when a day begins, on the clock of ingest
        self._days_begun = 0  # how many of these commands are not answered yet

    # Starting

    def start(self, on_replay: Callable[[int, int], None] | None = None) -> None:
        """Bring the pipeline up to READY, or raise and leave nothing behind."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        identity = pipeline_id(self.data_dir)
        self._lock = InstanceLock(identity, str(self.data_dir))
        try:
            self._started_ns = time.time_ns()
            config = self.config
            self._wait_for_orphans()
            self._writer = open_writer(
                journal_directory(self.data_dir),
                config.venue.durability,
                config.journal.segment_bytes,
                self.disk,
                scan_all=self._standby is None,
            )
            self.recovered_torn = self._writer.torn_copy
            self._recover(on_replay)
            self.plan = lay_partitions(self.plan, self.core.state.capacities.partitions)
            rings = config.rings
            sizes = Sizes(
                rings.input_slots, rings.output_slots, rings.ingress_slots, rings.egress_slots, rings.ports
            )
            self._remove_leftovers(identity)
            self._memory = PipelineMemory(identity, sizes, self._writer.epoch, self.recovered_seq)
            self._prepare()
            self._fork_workers()
            self._configure()
            store_word(self.control, ctl.CW_STATE, State.READY)
        except BaseException as error:
            self._fail(str(error))
            raise

    def _wait_for_orphans(self) -> None:
        """Let the workers of a supervisor that was killed end: they see it within a slice of their loop."""
        deadline = time.monotonic() + ORPHAN_TIMEOUT_S
        while processes_of(self.data_dir) and time.monotonic() < deadline:
            time.sleep(0.002)  # those that do not end hold the journal's lock, which then says so

    def _remove_leftovers(self, identity: str) -> None:
        """Take away segments that a crashed pipeline of this directory left: the lock says that it is gone."""
        for part in SEGMENTS:
            Segment(segment_name(identity, part), None, created=False).unlink()

    def _recover(self, on_replay: Callable[[int, int], None] | None) -> None:
        assert self._writer is not None
        last_seq = self._writer.next_seq - 1
        self._last_time_ns = 0
        in_flight = max(IN_FLIGHT, self.config.rings.input_slots)
        if last_seq == 0:
            self.core = Core(state=CoreState(capacities_of(venue_command(self.config.capacity)), in_flight))
            return
        replayer = self._standby or Replayer(self.data_dir, snapshots=True, in_flight=in_flight)
        progress = None if on_replay is None else lambda seq: on_replay(seq, last_seq)
        result = replayer.run(on_progress=progress)
        if result.last_seq != last_seq or not result.verified:
            raise JournalCorrupt(
                journal_directory(self.data_dir),
                "the replay is not what the live run was",
                seq=result.diverged_seq or result.last_seq,
                expected=f"the journaled digests, and sequence {last_seq} at the end",
                was=f"{result.diverged_what or 'no'} digest that differs, and {result.last_seq} at the end",
            )
        assert replayer.core is not None
        self.core = replayer.core
        self._last_time_ns = replayer.last_time_ns
        self.recovered_seq = last_seq
        self.recovered_snapshot_seq = replayer.snapshot_seq
        self.warnings += [f"a snapshot was passed over: {why}" for why in replayer.passed_over]

    def _prepare(self) -> None:
        memory, last_seq = self._memory, self.recovered_seq
        assert memory is not None
        self.control = memory.control
        self._buffers = BlockBuffers(last_seq)
        journal = self.config.journal
        self._context = new_context(
            memory,
            self.core.state,
            self._buffers,
            last_seq=last_seq,
            last_time_ns=self._last_time_ns,
            time_base_ns=time.time_ns() - time.monotonic_ns(),
            checkpoint_every=journal.checkpoint_every,
            tick_ms=journal.tick_ms,
        )
        self._port_care = PortCare(memory, self._context.routes, self._close_sessions)
        control = self.control
        pid, start = own_identity()
        control[ctl.CW_WORKERS] = len(self.plan)
        control[ctl.CW_SUPERVISOR_PID] = pid
        control[ctl.CW_SUPERVISOR_START] = start
        control[ctl.CW_STARTED_NS] = self._started_ns
        control[ctl.CW_STATE] = State.STARTING
        self._desk = Desk(control)
        self._snapshotter = Snapshotter(
            self.data_dir, self.config.snapshots, control, self.recovered_snapshot_seq
        )

    def _fork_workers(self) -> None:
        gc.collect()
        gc.freeze()
        for index, plan in enumerate(self.plan):
            read_fd, write_fd = os.pipe()
            os.set_blocking(read_fd, False)
            pid = os.fork()
            if pid == 0:
                code = 1
                try:
                    os.close(read_fd)
                    code = run_worker(
                        index, plan, self._context, self._buffers, self._writer, self.config.plan.wait, write_fd,
                        self.config.plan.sched_fifo, self.config.plan.mlock,
                    )  # fmt: skip
                finally:
                    os._exit(code)
            os.close(write_fd)
            self.pids[index] = pid
            self._reports[index] = read_fd
        gc.unfreeze()
        deadline = time.monotonic() + READY_TIMEOUT_S
        blocks = [ctl.CW_WORKER_BLOCKS + index * ctl.WORKER_WORDS for index in self.pids]
        while not all(self.control[block + ctl.WW_READY] for block in blocks):
            self._check_workers()
            if time.monotonic() > deadline:
                raise WorkerDied(f"expected all workers to be ready within {READY_TIMEOUT_S:g} s")
            time.sleep(0.001)

    def _configure(self) -> None:
        """Sequence what the configuration defines, and close sessions that a crash left open."""
        risk = self.core.state.risk
        if self.recovered_seq == 0:
            self._send(venue_command(self.config.capacity))
        elif capacities_of(venue_command(self.config.capacity)) != self.core.state.capacities:
            self.warnings.append("capacities are those of the journal, not of the configuration")
        self._settle_control_port()
        still_open = [s for s in range(1, int(risk.words[RW_SESSIONS]) + 1) if risk.sessions[s]["is_open"]]
        closes = [new_command(KIND_SESSION_CLOSE, session=session) for session in still_open]
        now_ns = max(self._now_ns(), self._last_time_ns)
        self._warn_of_adjusted()
        books, references = self.core.state.books, read_references(self.data_dir)
        commands = [*config_commands(self.config, risk, books, now_ns, references), *closes]
        self._expect_day(now_ns)
        memory = self._memory
        assert memory is not None
        room = memory.sizes.egress_slots  # for as many outcomes: one a command
        for start in range(0, len(commands), room):
            self._send(np.array(commands[start : start + room], dtype=COMMAND))
            self._settle_control_port()
            for outcome in self._control_outcomes():
                if outcome["type"] == OUT_REJECTED:
                    reason = Reason(int(outcome["reason"])).name.lower()
                    raise ConfigError("venue", f"the core rejected a command of the configuration: {reason}")
        write_references(
            self.data_dir, {entry.symbol: entry.collar_reference_ticks for entry in self.config.instruments}
        )
        self._describe()

    def _warn_of_adjusted(self) -> None:
        """Say which limits stay as an operator has set them, though the configuration has others."""
        if adjusted := adjusted_limits(self.config, self.core.state.risk):
            more = f"; and {len(adjusted) - MAX_ADJUSTED} more" if len(adjusted) > MAX_ADJUSTED else ""
            self.warnings.append(
                f"limits stay as an operator has set them: {'; '.join(adjusted[:MAX_ADJUSTED])}{more} "
                "(ringmatch limits import brings back those of the configuration)"
            )

    def _now_ns(self) -> int:
        """Return the time that ingest would stamp now."""
        return int(self._context.ingest_words[IW_TIME_BASE]) + time.monotonic_ns()

    def _expect_day(self, now_ns: int) -> None:
        """Remember when the next day begins; one that has begun by ``now_ns`` is sequenced already."""
        at_ns = self.config.risk.day_begin_ns
        self._next_day_ns = NEVER_NS if at_ns is None else next_time_ns(at_ns, now_ns)

    def _begin_day(self) -> None:
        """Begin a day when it is time."""
        now_ns = self._now_ns()
        if now_ns >= self._next_day_ns:
            self._send(day_begin(CONFIGURED_BY))
            self._days_begun += 1
            self._expect_day(now_ns)

    def _drop_own_days(self, outcomes: Any) -> Any:
        """Take out the answers to what :meth:`_begin_day` sent: they must not be taken for those of an operator's."""
        if not self._days_begun:
            return outcomes
        by = tuple(pack_text(CONFIGURED_BY))
        own = [
            row
            for row, outcome in enumerate(outcomes)
            if outcome["kind"] == KIND_DAY_BEGIN and tuple(outcome[["cl0", "cl1", "cl2"]].tolist()) == by
        ][: self._days_begun]
        self._days_begun -= len(own)
        return np.delete(outcomes, own)

    def _describe(self) -> None:
        """Tell gateways what there is; its size is known by then."""
        capacities, memory = self.core.state.capacities, self._memory
        assert memory is not None
        self._defined = self._defined_before = self._count_defined()
        books = self.core.state.books
        self._described_markets = market_mark(books)
        directory = directory_of(self.core.state.risk)
        description = Description(
            venue=self.config.venue.name,
            data_dir=str(self.data_dir.resolve()),
            durability=self.config.venue.durability,
            wait=self.config.plan.wait,
            plan=self.plan,
            ports=memory.sizes.ports,
            input_slots=memory.sizes.input_slots,
            output_slots=memory.sizes.output_slots,
            ingress_slots=memory.sizes.ingress_slots,
            egress_slots=memory.sizes.egress_slots,
            instruments=tuple(InstrumentRow(*entry) for entry in directory.instruments.values()),
            accounts=tuple(AccountRow(*entry) for entry in directory.accounts.values()),
            max_instruments=capacities.max_instruments,
            max_accounts=capacities.max_accounts,
            recovered_seq=self.recovered_seq,
            groups=self.config.groups,
            tables=self.config.table_numbers,
            markets=markets_of(books),
            schedules=schedules_of(books),
        )
        control_segment = memory.segments["control"]
        write_description(control_segment.buffer, control_segment.CONTENT, self.control, description)

    def _count_defined(self) -> int:
        return int(np.count_nonzero(self.core.state.risk.instruments["known"]))

    def _check_directory(self) -> None:
        """Describe what has changed; added instruments once they are older than a look: then they are whole."""
        defined = self._count_defined()
        changed = self._defined != defined or market_mark(self.core.state.books) != self._described_markets
        if changed and defined == self._defined_before:
            with suppress(ValueError):  # more than there is room for: what was described before stays
                self._describe()
        self._defined_before = defined

    def _take_snapshots(self) -> None:
        if self._snapshotter is not None:
            self._snapshotter.look()

    def _serve_desk(self) -> None:
        """Take an operator's command to the core, and its answer back."""
        # also what nobody waits for: the ring must not fill up
        outcomes = self._drop_own_days(self._control_outcomes())
        if self._desk.is_waiting:
            answer = self._desk.find_answer(outcomes)
            if answer is not None:
                self._check_directory()  # who asked may look at once
                self._desk.reply(answer)
        elif (command := self._desk.take()) is not None:
            self._send(command)

    # Port 0: the supervisor's own commands

    def _send(self, commands: Any) -> None:
        """Put commands into ingress ring 0, waiting for room."""
        assert self._memory is not None
        ingress = self._memory.ingress
        words, slots = ingress.ring_words(0), ingress.slot_words(0)
        for row in np.atleast_1d(commands).view(np.int64).reshape(-1, 16):
            seq = int(words[CUR_WRITER]) + 1
            oldest = seq - ingress.port_slots
            self._wait(partial(_has_reached, words, oldest), "room for a command")
            slots[seq & (ingress.port_slots - 1)] = row
            store_word(words, CUR_WRITER, seq)

    def _settle_control_port(self) -> None:
        """Wait until all of port 0's commands are matched and durable."""
        assert self._memory is not None
        words = self._memory.ingress.ring_words(0)
        self._wait(lambda: words[CUR_PORT_READER] == words[CUR_WRITER], "ingest")
        self._settle()

    def _settle(self) -> None:
        """Wait until all that is sequenced is judged, matched, durable and released."""
        memory = self._memory
        assert memory is not None
        in_words, out_words = memory.in_words, memory.out_words

        def settled() -> bool:
            seq = in_words[CUR_WRITER]
            return bool(
                in_words[CUR_INPUT_RISK] == seq
                and in_words[CUR_INPUT_MATCHING] == seq
                and in_words[CUR_INPUT_JOURNAL] == seq
                and self.control[ctl.CW_DURABLE] >= seq
                and out_words[CUR_OUTPUT_PUBLISH] == out_words[CUR_WRITER]
                and out_words[CUR_OUTPUT_RISK] == out_words[CUR_WRITER]
                and in_words[CUR_WRITER] == seq
            )

        self._wait(settled, "the pipeline to settle")

    def _control_outcomes(self) -> Any:
        """Take what publish sent to port 0."""
        assert self._memory is not None
        egress = self._memory.egress
        words, slots = egress.ring_words(0), egress.slot_words(0)
        published, cursor = int(words[CUR_WRITER]), int(words[CUR_PORT_READER])
        rows = [slots[seq & (egress.port_slots - 1)].copy() for seq in range(cursor + 1, published + 1)]
        store_word(words, CUR_PORT_READER, published)
        return (
            np.array(rows, dtype=np.int64).reshape(-1).view(OUTCOME) if rows else np.zeros(0, dtype=OUTCOME)
        )

    def _close_sessions(self, sessions: list[int]) -> None:
        for session in sessions:
            self._send(new_command(KIND_SESSION_CLOSE, session=session))

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + DRAIN_TIMEOUT_S
        while not condition():
            self._check_workers()
            if time.monotonic() > deadline:
                raise WorkerDied(f"expected {what} within {DRAIN_TIMEOUT_S:g} s, cursors do not move")
            time.sleep(0.0005)

    # Running

    def ask_to_stop(self, *_: Any) -> None:
        """Remember that someone wants the pipeline to stop (signal handler)."""
        self._stop_asked = True

    def serve(self) -> None:
        """Watch workers and gateways until asked to stop; then drain and stop, or fail."""
        next_port_check = 0.0
        try:
            while not self._stop_asked:
                self._check_workers()
                if time.monotonic() >= next_port_check:
                    next_port_check = time.monotonic() + PORT_CHECK_INTERVAL_S
                    self._port_care.look()
                    self._check_directory()
                    self._take_snapshots()
                self._begin_day()
                self._serve_desk()
                select.select([], [], [], WATCH_INTERVAL_S)
            self._drain()
        except BaseException as error:
            self._fail(str(error))
            raise

    def _check_workers(self) -> None:
        """Raise WorkerDied if a worker has ended."""
        for index, pid in self.pids.items():
            ended, status = os.waitpid(pid, os.WNOHANG)
            self._read_report(index)
            if ended:
                del self.pids[index]
                raise self._death(index, pid, status)

    def _read_report(self, index: int) -> None:
        with suppress(BlockingIOError):
            self._report_texts[index] = self._report_texts.get(index, b"") + os.read(
                self._reports[index], 8192
            )

    def _death(self, index: int, pid: int, status: int) -> WorkerDied:
        code = os.waitstatus_to_exitcode(status)
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        lines = [
            line for line in self._report_texts.get(index, b"").decode(errors="replace").splitlines()
            if not line.startswith("warning: ")
        ]  # fmt: skip
        stages = "+".join(self.plan[index].stages)
        why = f": {lines[-1]}" if lines else ""
        return WorkerDied(f"worker {index + 1} ({stages}, pid {pid}) {how}{why}", disk=code == EXIT_DISK)

    # Stopping

    def _drain(self) -> None:
        control, memory = self.control, self._memory
        assert memory is not None
        store_word(control, ctl.CW_STATE, State.DRAINING)
        store_word(control, ctl.CW_STOP, Stop.DRAIN)
        self._wait_for_ingest()
        self._settle_control_port()
        seq = int(memory.in_words[CUR_WRITER])
        digest = self._take_digest(seq)
        outcome_digest = int(self.core.state.merged.words[MW_DIGEST])
        self._send(
            new_command(KIND_CHECKPOINT, flags=FLAG_FINAL, aux0=seq, aux1=outcome_digest, order_id=digest)
        )
        self._settle_control_port()
        store_word(control, ctl.CW_STOP, Stop.NOW)
        for index, pid in list(self.pids.items()):
            _, status = os.waitpid(pid, 0)
            self._read_report(index)
            del self.pids[index]
            if status:
                raise self._death(index, pid, status)
        store_word(control, ctl.CW_STATE, State.STOPPED)
        self._leave(State.STOPPED, "", hex_digest(digest))

    def _take_digest(self, seq: int) -> int:
        """Return the state digest after ``seq``, all rests: of what the owners of books and risk tell."""
        partitions = self.core.state.capacities.partitions
        owners = PARTITION_NAMES[:partitions] if partitions > 1 else ("matching",)
        stages = {stage: index for index, worker in enumerate(self.plan) for stage in worker.stages}
        blocks = {
            stage: self.control[ctl.CW_WORKER_BLOCKS + stages[stage] * ctl.WORKER_WORDS :]
            for stage in (*owners, "risk")
        }
        store_word(self.control, ctl.CW_DIGEST_SEQ, seq)
        for stage, block in blocks.items():
            self._wait(partial(_has_told, block, seq), f"the digest of {stage}")
        books = [int(blocks[stage][ctl.WW_BOOKS_DIGESTS + index]) for index, stage in enumerate(owners)]
        return combine_digests(combine_partitions(books), int(blocks["risk"][ctl.WW_RISK_DIGEST]))

    def _wait_for_ingest(self) -> None:
        """Wait until ingest has begun a pass after the stop word: no step that took from gateways is under way."""
        index = next(index for index, worker in enumerate(self.plan) if "ingest" in worker.stages)
        heartbeat = ctl.CW_WORKER_BLOCKS + index * ctl.WORKER_WORDS + ctl.WW_HEARTBEAT
        asked_ns = time.monotonic_ns()
        self._wait(lambda: bool(self.control[heartbeat] > asked_ns), "ingest to see the stop word")

    def _fail(self, error: str) -> None:
        """End all processes at once, say why, leave no segment behind."""
        for pid in self.pids.values():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for pid in self.pids.values():
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)
        self.pids.clear()
        if self._memory is not None:
            store_word(self._memory.control, ctl.CW_STATE, State.FAILED)
        self._leave(State.FAILED, error, "")

    def _leave(self, state: State, error: str, digest: str) -> None:
        if self._snapshotter is not None:
            self._snapshotter.stop()
        if self._memory is not None:
            self._write_last_run(state, error, digest)
            self._memory.unlink()
        if self._writer is not None:
            with suppress(JournalError, OSError):
                self._writer.abort()
        self._lock.release()

    def _write_last_run(self, state: State, error: str, digest: str) -> None:
        control, memory = self.control, self._memory
        assert memory is not None
        self.last_run = LastRun(
            state=state.name.lower(),
            pid=os.getpid(),
            started_ns=self._started_ns,
            stopped_ns=time.time_ns(),
            last_seq=int(memory.in_words[CUR_WRITER]),
            durable_seq=int(control[ctl.CW_DURABLE]),
            outcome_digest=hex_digest(int(self.core.state.merged.words[MW_DIGEST])),
            state_digest=digest,
            error=error,
            counters=counters_of(control),
            latency_ns=ctl.percentiles_ns(control[ctl.CW_LATENCY : ctl.CW_LATENCY + ctl.LATENCY_BUCKETS]),
        )
        write_last_run(self.data_dir, self.last_run)
