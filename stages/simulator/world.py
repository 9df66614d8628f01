"""Everything there is in a simulated run: a disk, a clock, clients that live on, and one pipeline after the other.

A life of the pipeline ends by a crash: what it had in memory is gone, its files are as the disk says, and the next
start recovers, as often as it takes, for the recovery may be killed as well. :mod:`stages.simulator.referee` looks at
each.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any, Final

from journal.errors import JournalError, JournalIOError
from stages import control as ctl
from stages.definitions import capacities_of
from stages.simulator.clients import Client
from stages.simulator.disk import SimulatedCrash, SimulatedDisk
from stages.simulator.pipeline import Pipeline, RecoveryFailed
from stages.simulator.promises import PromiseBroken, expect
from stages.simulator.referee import OnReplayed, Referee
from stages.simulator.settings import PER_MILLE, Settings
from stages.simulator.steps import Steps
from stages.simulator.supervision import Supervision
from stages.simulator.trace import Trace
from stages.simulator.workload import Workload, venue_of
from stages.venue import venue_command

__all__ = ["Clock", "World"]

EPOCH_NS: Final = 1_800_000_000_000_000_000  # of the wall clock
STEP_NS: Final = 1_000
MOST_RECOVERIES: Final = 5  # that fail one after the other before the disk is healed
DISK_CALLS_OF_A_RECOVERY: Final = 30
WALL_LEAPS_NS: Final = (0, 10**6, 10**9, -(10**9), 24 * 3600 * 10**9)  # while nothing runs
COUNTED: Final = ("crashes", "power_cuts", "disk_faults", "recoveries", "snapshots", "cut_off")


class Clock:
    """A monotonic clock and a wall clock; only the latter is set, and only while nothing runs."""

    def __init__(self) -> None:
        self.now_ns = 10**9
        self.wall_ns = EPOCH_NS
        self.stands_still = False

    def __call__(self) -> int:
        """Return the time of the monotonic clock."""
        return self.now_ns

    def leap(self, leap_ns: int) -> None:
        """Let time pass."""
        self.now_ns += leap_ns
        self.wall_ns += leap_ns

    def tick(self) -> None:
        """Let the time of a step pass, unless the clock stands still."""
        if not self.stands_still:
            self.leap(STEP_NS)


class World:
    """What runs share; ``root`` is an empty directory."""

    def __init__(
        self,
        seed: int,
        settings: Settings,
        trace: Trace,
        root: Path,
        on_replayed: OnReplayed | None,
        make_steps: type[Steps],
        make_disk: type[SimulatedDisk],
    ) -> None:
        self.settings, self.trace = settings, trace
        self.chance = random.Random(f"run {seed}")
        self.clock = Clock()
        self.counts = dict.fromkeys(COUNTED, 0)
        self.is_healed = False
        self.data_dir = root / "data"
        self._make_steps = make_steps
        for directory in (self.data_dir, root / "backup"):
            directory.mkdir()
        self.disk = make_disk(random.Random(f"disk {seed}"), root / "backup")
        self.config = venue_of(settings, str(self.data_dir), random.Random(f"venue {seed}"))
        self.workload = Workload(random.Random(f"workload {seed}"), settings.market_data)
        capacities = capacities_of(venue_command(self.config.capacity))
        self.referee = Referee(self.data_dir, capacities, on_replayed)
        self.clients = [
            Client(
                number,
                self.workload,
                self.chance,
                self.referee.note_sent,
                self.referee.note_told,
                settings.window,
            )
            for number in range(1, settings.clients + 1)
        ]
        for client in self.clients:
            client.disconnect_rate, client.close_rate = settings.disconnect_rate, settings.close_rate
        self.alive: set[int] = set()  # tokens of clients' processes
        self.start()

    # Lives of the pipeline

    def start(self) -> None:
        """Recover, and begin a life of the pipeline; nobody is attached to it yet."""
        failures = 0
        while not self._recovers():
            failures += 1
            if failures == MOST_RECOVERIES:
                self.disk.heal()
            expect(failures <= MOST_RECOVERIES, "expected the next start to recover on a disk without faults")
        pipeline = self.pipeline
        self.counts["recoveries"] += 1
        self.trace(
            "start",
            f"at {pipeline.recovered_seq}, snapshot {pipeline.snapshot_seq}, epoch {pipeline.writer.epoch}",
        )
        self.referee.begin(pipeline)
        self.referee.look(recovered=True)
        self.alive.clear()
        for client in self.clients:
            client.leave()
            client.heard_seq = 0
        referee, clock = self.referee, self.clock
        self.supervision = Supervision(
            pipeline, self.alive.__contains__, referee.note_sent, referee.note_told, lambda: clock.wall_ns
        )

    def _recovers(self) -> bool:
        """Try to start; tell whether a pipeline is there."""
        try:
            self.pipeline = self.new_pipeline()
        except SimulatedCrash as crash:
            self.counts["crashes"] += 1
            self.trace("crash", f"in {crash} of a recovery{self._perhaps_lose_power()}")
            return False
        except (JournalIOError, OSError) as error:
            self.check_fault(error)
            return False
        except (JournalError, RecoveryFailed) as error:
            raise PromiseBroken(f"expected the next start to recover, was {error}") from error
        return True

    def new_pipeline(self) -> Pipeline:
        """Recover what the disk has, and return a pipeline that goes on with it."""
        base_ns = self.clock.wall_ns - self.clock.now_ns
        return Pipeline(
            self.data_dir, self.config, self.settings, self.disk, self.clock, base_ns, self._make_steps
        )

    def crash(self, why: str) -> None:
        """End this life of the pipeline, and begin the next."""
        told, durable = self.referee.told_seq, self.pipeline.durable_seq
        self.counts["crashes"] += 1
        self.pipeline.crash()
        self.disk.crash_after = -1
        self.trace("crash", f"{why}, {told} told, {durable} durable{self._perhaps_lose_power()}")
        if not self.is_healed and self.chance.random() < 0.2:
            self.disk.crash_after = self.chance.randrange(DISK_CALLS_OF_A_RECOVERY)
        self.clock.wall_ns += self.chance.choice(WALL_LEAPS_NS)
        self.start()

    def check_fault(self, error: Exception) -> None:
        """See that the disk was told to fail; note it."""
        disk = self.disk
        expect(
            disk.fired or disk.is_full, "expected no error of the disk but those that were asked for", error
        )
        self.trace("disk", f"{disk.fired or 'full'}: {type(error).__name__}")
        self.counts["disk_faults"] += 1
        disk.fired = ""

    def _perhaps_lose_power(self) -> str:
        if (
            self.settings.durability != "fsync"
            or self.chance.randrange(PER_MILLE) >= self.settings.power_share
        ):
            return ""
        self.counts["power_cuts"] += 1
        return f", power: {self.disk.lose_power()}"

    # What is waited for

    @property
    def is_ready(self) -> bool:
        """Whether the pipeline serves gateways."""
        return bool(self.pipeline.control[ctl.CW_STATE] == ctl.State.READY)

    @property
    def free_ports(self) -> int:
        """How many ports have no owner."""
        blocks = (ctl.CW_PORT_BLOCKS + port * ctl.PORT_WORDS for port in range(1, self.settings.ports))
        return sum(int(self.pipeline.control[block + ctl.PW_STATE]) == ctl.PortState.FREE for block in blocks)

    @property
    def is_answered(self) -> bool:
        """Whether all clients have their answers and sessions, the desk is empty, and ports of the dead are free."""
        desk = self.pipeline.control[ctl.CW_DESK : ctl.CW_DESK + 2]
        if desk[0] != desk[1] or not all(client.session and not client.pending for client in self.clients):
            return False
        return self.free_ports == self.settings.ports - 1 - len(self.clients)

    def describe(self) -> str:
        """Say who waits for what."""
        told: list[Any] = [client.describe() for client in self.clients]
        told.append(f"{self.free_ports} of {self.settings.ports - 1} ports free")
        told.append(f"{'all' if self.pipeline.is_settled else 'not all'} settled")
        return "; ".join(told)
