"""One simulated run: a seeded scheduler gives turns to stages, supervisor, clients and faults, then everything must drain.

First the *unsafe phase*: for so many steps whoever is drawn has its turn, with a budget that is drawn too, and now and then
something fails: the pipeline is killed (at any point, also within a write or a recovery), the power is cut, a call of the
disk fails, the disk is full, a stage or a client stands still, the clock leaps or stops. After a crash the next start
recovers, and :mod:`stages.simulator.referee` looks. Then the *healed phase*: nothing fails any more, everybody has its
turn, and within a bounded number of rounds every command must have its answer, and the pipeline must stop in order.

All of it is a function of the seed and the number of steps.
"""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from journal.errors import JournalError, JournalIOError
from ringbuffer.ring_words import store_word
from protocols.layouts import SLOT_WORDS
from protocols.text import unpack_text
from stages import control as ctl
from stages.definitions import capacities_of
from stages.journaling import JW_POSITION
from stages.simulator.clients import Client
from stages.simulator.disk import SimulatedCrash, SimulatedDisk
from stages.simulator.pipeline import Pipeline, RecoveryFailed
from stages.simulator.referee import OnReplayed, PromiseBroken, Referee, expect
from stages.simulator.settings import Settings, draw_settings
from stages.simulator.steps import Steps
from stages.simulator.supervision import StartedTooLate, Supervision
from stages.simulator.trace import Trace
from stages.simulator.workload import Workload, venue_of
from stages.snapshot_process import make_snapshot
from stages.venue import venue_command

import numpy as np

__all__ = ["Outcome", "Simulation"]

EPOCH_NS: Final = 1_800_000_000_000_000_000
STEP_NS: Final = 1_000
LEAPS_NS: Final = (1, 10**6, 10**9, 3600 * 10**9, 30 * 3600 * 10**9)
MOST_BLOCK_BYTES: Final = 32 << 10  # a block that large is committed, so that it fits into the small segments
STALL_STEPS: Final = 200
MOST_RECOVERIES: Final = 5  # that fail one after the other before the disk is healed
HEALED_ROUNDS: Final = 2_000
RATE: Final = 1000


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a run that held its promises went through."""

    seed: int
    steps: int
    commands: int
    outcomes: int
    answered: int
    retries: int
    crashes: int
    power_cuts: int
    disk_faults: int
    recoveries: int
    snapshots: int
    cut_off: int
    healed_rounds: int
    trace: str  # digest of the trace


class Simulation:
    """One run; everything random about it comes from ``seed``."""

    def __init__(
        self,
        seed: int,
        steps: int,
        *,
        settings: Settings | None = None,
        trace: Trace | None = None,
        on_replayed: OnReplayed | None = None,
        make_steps: type[Steps] = Steps,
        make_disk: type[SimulatedDisk] = SimulatedDisk,
    ) -> None:
        self.seed, self.steps = seed, steps
        self.settings = settings or draw_settings(seed)
        self.trace = trace or Trace()
        self.chance = random.Random(f"run {seed}")
        self._on_replayed, self._make_steps, self._make_disk = on_replayed, make_steps, make_disk
        self.counts = dict.fromkeys(("crashes", "power_cuts", "disk_faults", "recoveries", "snapshots", "cut_off"), 0)
        self._now_ns = 10**9
        self._wall_ns = EPOCH_NS
        self._stands_still = False
        self._stalled: dict[str, int] = {}  # actor: until which step
        self._tokens = 0
        self._alive: set[int] = set()
        self._is_healed = False

    def run(self) -> Outcome:
        """Run both phases; PromiseBroken if something did not hold."""
        root = Path(tempfile.mkdtemp(prefix="ringmatch-simulate-"))
        try:
            (root / "backup").mkdir()
            self.data_dir = root / "data"
            self.data_dir.mkdir()
            self.disk = self._make_disk(random.Random(f"disk {self.seed}"), root / "backup")
            self._set_up()
            try:
                self._unsafe_phase()
                rounds = self._healed_phase()
            finally:
                self.pipeline.crash()
        finally:
            shutil.rmtree(root)
        return Outcome(
            seed=self.seed,
            steps=self.steps,
            commands=self.referee.recovered_seq,
            outcomes=self.referee.outcomes,
            answered=sum(client.answered for client in self.clients),
            retries=sum(client.retries for client in self.clients),
            healed_rounds=rounds,
            trace=self.trace.digest,
            **self.counts,
        )

    def _set_up(self) -> None:
        settings = self.settings
        self.config = venue_of(settings, str(self.data_dir), random.Random(f"venue {self.seed}"))
        self.workload = Workload(random.Random(f"workload {self.seed}"))
        self.referee = Referee(self.data_dir, capacities_of(venue_command(self.config.capacity)), self._on_replayed)
        self.clients = [
            Client(number, self.workload, self.chance, self._note_sent, self._note_told, settings.window)
            for number in range(1, settings.clients + 1)
        ]
        for client in self.clients:
            client.disconnect_rate, client.close_rate = settings.disconnect_rate, settings.close_rate
        self._actors = [
            ("ingest", self._ingest), ("journal", self._journal), ("commit", self._commit), ("risk", self._risk),
            ("matching", self._matching), ("merge", self._merge), ("publish", self._publish),
            ("supervisor", self._supervise), ("clients", self._client),
        ]  # fmt: skip
        self._disturbances = (
            (settings.crash_rate, self._disturb_life),
            (settings.disk_fault_rate, self._disturb_disk),
            (settings.full_rate, self._disturb_room),
            (settings.clock_rate, self._disturb_clock),
            (settings.stall_rate, self._disturb_actor),
            (settings.snapshot_rate, self._take_snapshot),
        )
        self._weights = [settings.weights[name] for name, _ in self._actors]
        self._weights[4] *= settings.partitions
        self._start()

    def _note_sent(self, port: int, row: Any, heard_seq: int = 0) -> None:
        self.referee.note_sent(port, row, heard_seq)

    def _note_told(self, port: int, row: Any) -> bool:
        return self.referee.note_told(port, row)

    def _clock(self) -> int:
        return self._now_ns

    # Lives of the pipeline

    def _start(self) -> None:
        """Recover, as often as it takes."""
        for attempt in range(MOST_RECOVERIES + 2):
            if attempt >= MOST_RECOVERIES:
                self.disk.heal()
            base_ns = self._wall_ns - self._now_ns
            try:
                self.pipeline = Pipeline(
                    self.data_dir, self.config, self.settings, self.disk, self._clock, base_ns, self._make_steps
                )
            except SimulatedCrash as crash:
                self.trace("crash", f"in {crash} of a recovery{self._perhaps_lose_power()}")
                self.counts["crashes"] += 1
            except (JournalIOError, OSError) as error:
                self._check_fault(error)
            except (JournalError, RecoveryFailed) as error:
                raise PromiseBroken(f"expected the next start to recover, was {error}") from error
            else:
                break
        pipeline = self.pipeline
        self.counts["recoveries"] += 1
        self.trace("start", f"at {pipeline.recovered_seq}, snapshot {pipeline.snapshot_seq}, epoch {pipeline.writer.epoch}")
        self.referee.begin(pipeline)
        self.referee.look(recovered=True)
        self._alive.clear()
        for client in self.clients:
            client.leave()
            client.heard_seq = 0
        self.supervision = Supervision(
            pipeline, self._alive.__contains__, self._note_sent, self._note_told, lambda: self._wall_ns
        )
        self._operator_asked = 0

    def _check_fault(self, error: Exception) -> None:
        """See that the disk was told to fail; note it."""
        expect(self.disk.fired or self.disk.is_full, "expected no error of the disk but those that were asked for", error)
        self.trace("disk", f"{self.disk.fired or 'full'}: {type(error).__name__}")
        self.counts["disk_faults"] += 1
        self.disk.fired = ""

    def _perhaps_lose_power(self) -> str:
        if self.chance.randrange(RATE) >= self.settings.power_share or self.settings.durability != "fsync":
            return ""
        self.counts["power_cuts"] += 1
        return f", power: {self.disk.lose_power()}"

    def _crash(self, why: str) -> None:
        """End this life of the pipeline, and begin the next."""
        self.counts["crashes"] += 1
        self.pipeline.crash()
        self.disk.crash_after = -1
        self.trace("crash", f"{why} at {self.referee.told_seq} told, {self.pipeline.durable_seq} durable{self._perhaps_lose_power()}")
        if not self._is_healed and self.chance.random() < 0.2:
            self.disk.crash_after = self.chance.randrange(30)  # in the midst of the recovery
        self._wall_ns += self.chance.choice((0, 10**6, 10**9, -(10**9), 24 * 3600 * 10**9))
        self._start()

    # Turns

    def _ingest(self, budget: int) -> int:
        self.referee.before_ingest()
        done = self.pipeline.steps.ingest(self._now_ns, budget)
        self.referee.after_ingest(done)
        return done

    def _journal(self, budget: int) -> int:
        return self.pipeline.steps.journal()

    def _commit(self, budget: int) -> int:
        return self.pipeline.steps.commit()

    def _risk(self, budget: int) -> int:
        return self.pipeline.steps.risk(budget)

    def _matching(self, budget: int) -> int:
        steps = self.pipeline.steps
        done = steps.matching(self.chance.randrange(steps.partitions), budget)
        self.referee.after_matching()
        return done

    def _merge(self, budget: int) -> int:
        done = self.pipeline.steps.merge(budget)
        self.referee.after_matching()
        return done

    def _publish(self, budget: int) -> int:
        return self.pipeline.steps.publish(budget)

    def _supervise(self, budget: int) -> int:
        self._operate()
        return 0 if self.supervision.turn() else -1

    def _operate(self) -> None:
        """Put a command onto the operator's desk, if it is empty."""
        control = self.pipeline.control
        asked = int(control[ctl.CW_DESK + ctl.DESK_ASKED])
        is_empty = asked == int(control[ctl.CW_DESK + ctl.DESK_ANSWERED])
        if self._is_healed or not is_empty or self.chance.randrange(RATE) >= self.settings.operator_rate:
            return
        start = ctl.CW_DESK + ctl.DESK_COMMAND
        control[start : start + SLOT_WORDS] = self.workload.operator_command().reshape(1).view(np.int64)
        store_word(control, ctl.CW_DESK + ctl.DESK_ASKED, asked + 1)  # pairs with the look of the desk

    def _client(self, budget: int) -> int:
        client = self.chance.choice(self.clients)
        if f"client {client.number}" in self._stalled:
            return 0
        return self._attend(client, budget)

    def _attend(self, client: Client, budget: int) -> int:
        """Let a client take a port, read and send."""
        if not client.port:
            self._tokens += 1
            if not client.attach(self.pipeline, self._tokens):
                return 0
            self._alive.add(client.token)
            self.trace("attach", f"client {client.number} to port {client.port}")
            return 1
        token, done = client.token, 0
        if self._is_healed or self.chance.randrange(RATE) < self.settings.read_rate:
            done += client.read(1 << 20 if self._is_healed else budget)
        if client.is_cut:
            self.counts["cut_off"] += 1
            client.leave()
        elif self.pipeline.control[ctl.CW_STATE] == ctl.State.READY:
            done += client.send(budget)
        if not client.port:
            self._alive.discard(token)
            self.trace("leave", f"client {client.number}")
        return done

    def _turn(self, name: str, act: Callable[[int], int], budget: int) -> int:
        """Give somebody a turn; what ends the pipeline there is a crash."""
        try:
            done = act(budget)
        except SimulatedCrash as crash:
            self._crash(f"in {crash}")
            return 1
        except StartedTooLate:
            self._crash("started too late")
            return 1
        except (JournalIOError, OSError) as error:
            self._check_fault(error)
            self._crash("fail stop")
            return 1
        if done > 0:
            self.trace(name, done)
        return done

    # Phases

    def _unsafe_phase(self) -> None:
        chance, settings = self.chance, self.settings
        if chance.random() < 0.8:  # else what goes wrong may go wrong in the first start
            for _ in range(HEALED_ROUNDS):
                if self.pipeline.control[ctl.CW_STATE] == ctl.State.READY:
                    break
                self._round()
        for step in range(1, self.steps + 1):
            self.trace.step = step
            if not self._stands_still:
                self._now_ns += STEP_NS
                self._wall_ns += STEP_NS
            self.workload.wall_ns = self._wall_ns
            self._disturb(step)
            name, act = chance.choices(self._actors, self._weights)[0]
            if self.pipeline.context.journal_words[JW_POSITION] > MOST_BLOCK_BYTES:
                name, act = self._actors[2]
            if name not in self._stalled:
                self._turn(name, act, chance.randint(1, settings.batch))

    def _disturb(self, step: int) -> None:
        """Let something go wrong, seldom."""
        chance = self.chance
        for actor in [actor for actor, until in self._stalled.items() if until <= step]:
            del self._stalled[actor]
        drawn = chance.randrange(RATE)
        for rate, disturb in self._disturbances:
            if drawn < rate:
                disturb(step)
                return
            drawn -= rate

    def _disturb_life(self, step: int) -> None:
        """Kill everything, between two turns or in the midst of what the journal does."""
        if self.chance.random() < 0.5:
            self._crash("killed")
        else:
            self.disk.crash_after = self.chance.randrange(12)

    def _disturb_disk(self, step: int) -> None:
        self.disk.arm()

    def _disturb_room(self, step: int) -> None:
        self.disk.is_full = not self.disk.is_full
        self.trace("full", self.disk.is_full)

    def _disturb_actor(self, step: int) -> None:
        names = [name for name, _ in self._actors] + [f"client {client.number}" for client in self.clients]
        name = self.chance.choice(names)
        self._stalled[name] = step + self.chance.randrange(STALL_STEPS)
        self.trace("stall", name)

    def _take_snapshot(self, step: int) -> None:
        self._turn("snapshot", self._snapshot, 0)

    def _disturb_clock(self, step: int) -> None:
        self._stands_still = self.chance.random() < 0.3
        leap_ns = self.chance.choice(LEAPS_NS)
        self._now_ns += leap_ns
        self._wall_ns += leap_ns
        self.trace("clock", "stands still" if self._stands_still else f"leaps {leap_ns} ns")

    def _snapshot(self, _: int) -> int:
        """Take a snapshot of what is durable, as the process beside the pipeline does; if it cannot be made, so be it."""
        seq = self.pipeline.durable_seq
        if seq == 0:
            return 0
        try:
            make_snapshot(self.data_dir, seq, keep=self.settings.keep_snapshots, disk=self.disk)
        except (JournalIOError, OSError) as error:
            self._check_fault(error)
            return 0
        self.counts["snapshots"] += 1
        return seq

    def _healed_phase(self) -> int:
        """Let nothing fail any more; everybody has its turn until all is answered, then stop; return how many rounds."""
        self.disk.heal()
        self._is_healed, self._stands_still = True, False
        self._stalled.clear()
        for client in self.clients:
            client.asks, client.disconnect_rate, client.close_rate = False, 0, 0
        self.trace("healed")
        for number in range(HEALED_ROUNDS):
            self._now_ns += STEP_NS
            self._wall_ns += STEP_NS
            is_there = self._round()
            if not is_there:
                self._end()
                return number + 1
            self.supervision.stop_asked = self._is_done()
        raise PromiseBroken(f"expected all to be answered within {HEALED_ROUNDS} rounds without faults{self._waiting()}")

    def _round(self) -> bool:
        """Let everybody have a turn; tell whether the pipeline is still there."""
        is_there, batch = True, self.settings.batch
        for name, act in self._actors:
            if name == "matching":
                for partition in range(self.pipeline.steps.partitions):
                    self.pipeline.steps.matching(partition, batch)
                self.referee.after_matching()
            elif name == "clients":
                for client in self.clients:
                    self._attend(client, batch)
            else:
                is_there = self._turn(name, act, batch) >= 0
        return is_there

    def _is_done(self) -> bool:
        desk = self.pipeline.control[ctl.CW_DESK : ctl.CW_DESK + 2]
        if desk[0] != desk[1] or not all(client.session and not client.pending for client in self.clients):
            return False
        return self._free_ports() == self.settings.ports - 1 - len(self.clients)

    def _free_ports(self) -> int:
        blocks = (ctl.CW_PORT_BLOCKS + port * ctl.PORT_WORDS for port in range(1, self.settings.ports))
        return sum(int(self.pipeline.control[block + ctl.PW_STATE]) == ctl.PortState.FREE for block in blocks)

    def _waiting(self) -> str:
        """Say who waits for what."""
        words = [f"client {client.number} on port {client.port}, session {client.session}, waits for {[unpack_text(*text) + ' ' + str(int(command['kind'])) for text, command in client.pending[:3]]}" for client in self.clients]
        words.append(f"{self._free_ports()} ports of {self.settings.ports - 1} free")
        memory = self.pipeline.memory
        return f"; {'; '.join(words)}; settled {self.pipeline.is_settled}; durable {self.pipeline.durable_seq}, state {self.pipeline.control[ctl.CW_STATE]}, input {memory.in_words[64]}"

    def _end(self) -> None:
        """Look at a pipeline that has stopped in order, and at its journal."""
        self.referee.look(recovered=False)
        self.trace("stopped", f"at {self.referee.recovered_seq}")
        pipeline = Pipeline(self.data_dir, self.config, self.settings, self.disk, self._clock, 0)
        try:
            expect(pipeline.recovered_seq == self.referee.recovered_seq, "expected a clean stop to keep everything")
        finally:
            pipeline.crash()

