"""Who has turns in a simulated run: a stage does a little, a client reads and sends, the supervisor looks.

What ends the pipeline in somebody's turn (a call of the disk that fails, a crash in the midst of one) ends all of it,
as the supervisor's fail stop does, and the next life begins.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from journal.errors import JournalIOError
from protocols.layouts import SLOT_WORDS
from ringbuffer.ring_words import store_word
from stages import control as ctl
from stages.simulator.clients import Client
from stages.simulator.disk import SimulatedCrash
from stages.simulator.settings import PER_MILLE
from stages.simulator.supervision import StartedTooLate
from stages.simulator.world import World
from stages.snapshot_process import make_snapshot

__all__ = ["ENDED", "Turns"]

ENDED: Final = -1  # the pipeline has stopped in order
EVERYTHING: Final = 1 << 20
Act = Callable[[int], int]


class Turns:
    """The actors of ``world`` by name; an act takes a budget and returns how much it did."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.acts: dict[str, Act] = {
            "ingest": self._ingest,
            "journal": lambda budget: self.world.pipeline.steps.journal(),
            "commit": lambda budget: self.world.pipeline.steps.commit(),
            "risk": lambda budget: self.world.pipeline.steps.risk(budget),
            "matching": self._matching,
            "merge": self._merge,
            "publish": lambda budget: self.world.pipeline.steps.publish(budget),
            "supervisor": self._supervisor,
            "clients": self._clients,
        }
        self.stalled: dict[str, int] = {}  # who stands still, until which step
        self._tokens = 0

    def take(self, name: str, budget: int) -> int:
        """Give somebody a turn; return how much he did, ENDED when the pipeline has stopped in order."""
        return self._take(name, self.acts[name], budget)

    def _take(self, name: str, act: Act, budget: int) -> int:
        world = self.world
        try:
            done = act(budget)
        except SimulatedCrash as crash:
            world.crash(f"in {crash}")
            return 1
        except StartedTooLate:
            world.crash("started too late")
            return 1
        except (JournalIOError, OSError) as error:
            world.check_fault(error)
            world.crash("fail stop")
            return 1
        if done > 0:
            world.trace(name, done)
        return done

    def take_all(self) -> bool:
        """Let everybody have a turn, partitions and clients one by one; tell whether the pipeline is still there."""
        world, batch, is_there = self.world, self.world.settings.batch, True
        for name in self.acts:
            if name == "matching":
                for partition in range(world.pipeline.steps.partitions):
                    world.pipeline.steps.matching(partition, batch)
                world.referee.after_matching()
            elif name == "clients":
                for client in world.clients:
                    self._attend(client, batch)
            else:
                is_there = self.take(name, batch) != ENDED
        return is_there

    # Stages

    def _ingest(self, budget: int) -> int:
        world = self.world
        world.referee.before_ingest()
        done = world.pipeline.steps.ingest(world.clock(), budget)
        world.referee.after_ingest(done)
        return done

    def _matching(self, budget: int) -> int:
        steps = self.world.pipeline.steps
        done = steps.matching(self.world.chance.randrange(steps.partitions), budget)
        self.world.referee.after_matching()
        return done

    def _merge(self, budget: int) -> int:
        done = self.world.pipeline.steps.merge(budget)
        self.world.referee.after_matching()
        return done

    # Supervisor, operator, snapshots

    def _supervisor(self, budget: int) -> int:
        self._operate()
        return 0 if self.world.supervision.turn() else ENDED

    def _operate(self) -> None:
        """Put a command onto the operator's desk, if it is empty."""
        world, control = self.world, self.world.pipeline.control
        asked = int(control[ctl.CW_DESK + ctl.DESK_ASKED])
        if world.is_healed or asked != int(control[ctl.CW_DESK + ctl.DESK_ANSWERED]):
            return
        if world.chance.randrange(PER_MILLE) < world.settings.operator_rate:
            start = ctl.CW_DESK + ctl.DESK_COMMAND
            control[start : start + SLOT_WORDS] = world.workload.operator_command().reshape(1).view(np.int64)
            store_word(control, ctl.CW_DESK + ctl.DESK_ASKED, asked + 1)  # pairs with the look of the desk

    def take_snapshot(self) -> None:
        """Take a snapshot of what is durable, as the process beside the pipeline does."""
        self._take("snapshot", self._snapshot, 0)

    def roll(self) -> None:
        """Let the journal go on in a new segment, whatever room is left in this one."""
        self._take("roll", self._roll, 0)

    def _roll(self, budget: int) -> int:
        writer = self.world.pipeline.writer
        before = writer.segments_made
        writer.roll()
        return writer.segments_made - before

    def _snapshot(self, budget: int) -> int:
        world, seq = self.world, self.world.pipeline.durable_seq
        if seq == 0:
            return 0
        try:
            make_snapshot(world.data_dir, seq, keep=world.settings.keep_snapshots, disk=world.disk)
        except (JournalIOError, OSError) as error:
            world.check_fault(error)  # there is none; the pipeline goes on
            return 0
        world.counts["snapshots"] += 1
        return seq

    # Clients

    def _clients(self, budget: int) -> int:
        client = self.world.chance.choice(self.world.clients)
        return 0 if f"client {client.number}" in self.stalled else self._attend(client, budget)

    def _attend(self, client: Client, budget: int) -> int:
        """Let a client take a port, read and send."""
        world, done = self.world, 0
        if not client.port:
            return self._attach(client)
        token = client.token
        if world.is_healed or world.chance.randrange(PER_MILLE) < world.settings.read_rate:
            done += client.read(EVERYTHING if world.is_healed else budget)
        if client.is_cut:
            world.counts["cut_off"] += 1
            client.leave()
        elif world.is_ready:
            done += client.send(budget)
        if not client.port:
            world.alive.discard(token)
            world.trace("leave", f"client {client.number}")
        return done

    def _attach(self, client: Client) -> int:
        self._tokens += 1
        if not client.attach(self.world.pipeline, self._tokens):
            return 0
        self.world.alive.add(client.token)
        self.world.trace("attach", f"client {client.number} to port {client.port}")
        return 1
