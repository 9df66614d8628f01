"""One simulated run: a seeded scheduler gives turns to stages, supervisor, clients, faults; then all must drain.

First the *unsafe phase*: for so many steps whoever is drawn has his turn, with a budget that is drawn too, and now and
then something fails: the pipeline is killed (at any point, also within a write or a recovery), the power is cut, a call
of the disk fails, the disk is full, a stage or a client stands still, the clock leaps or stops. After a crash the next
start recovers, and :mod:`stages.simulator.referee` looks. Then the *healed phase*: nothing fails any more, everybody
has his turn, and within a bounded number of rounds every command must have its answer, and the pipeline must stop in
order.

All of it is a function of the seed and the number of steps.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Final

import msgspec

from stages.journaling import JW_POSITION
from stages.simulator.disk import SimulatedDisk
from stages.simulator.faults import Faults
from stages.simulator.promises import PromiseBroken, expect
from stages.simulator.referee import OnReplayed
from stages.simulator.settings import Settings, draw_settings
from stages.simulator.steps import Steps
from stages.simulator.trace import Trace
from stages.simulator.turns import Turns
from stages.simulator.world import World

__all__ = ["Simulation", "Survived"]

MOST_BLOCK_BYTES: Final = 32 << 10  # a block that large is committed, so that it fits into the small segments
QUIET_START: Final = 0.8  # of all starts are let come to their end before something goes wrong again
MOST_ROUNDS: Final = 2_000  # without faults, until everything is answered


class Survived(msgspec.Struct, frozen=True, kw_only=True):
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
    """One run; everything random about it comes from ``seed``. ``settings`` are those of the seed unless given."""

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
        self._on_replayed, self._make_steps, self._make_disk = on_replayed, make_steps, make_disk

    def run(self) -> Survived:
        """Run both phases; PromiseBroken if something did not hold, any other error is a defect as well."""
        root = Path(tempfile.mkdtemp(prefix="ringmatch-simulate-"))
        try:
            world = World(
                self.seed,
                self.settings,
                self.trace,
                root,
                self._on_replayed,
                self._make_steps,
                self._make_disk,
            )
            try:
                turns = Turns(world)
                self._unsafe_phase(world, turns)
                rounds = self._healed_phase(world, turns)
            finally:
                world.pipeline.crash()
        except PromiseBroken as broken:
            raise PromiseBroken(str(broken).replace(f"{root}/", "")) from broken
        finally:
            shutil.rmtree(root)
        return Survived(
            seed=self.seed,
            steps=self.steps,
            commands=world.referee.recovered_seq,
            outcomes=world.referee.outcomes,
            answered=sum(client.answered for client in world.clients),
            retries=sum(client.retries for client in world.clients),
            healed_rounds=rounds,
            trace=self.trace.digest,
            **world.counts,
        )

    def _unsafe_phase(self, world: World, turns: Turns) -> None:
        chance, settings = world.chance, self.settings
        life = 0
        faults = Faults(world, turns)
        names = list(turns.acts)
        weights = [
            settings.weights[name] * (settings.partitions if name == "matching" else 1) for name in names
        ]
        for step in range(1, self.steps + 1):
            self.trace.step = step
            if life != world.counts["recoveries"]:
                life = world.counts["recoveries"]
                if chance.random() < QUIET_START:
                    self._wait_until_ready(world, turns)
            world.clock.tick()
            world.workload.wall_ns = world.clock.wall_ns
            faults.disturb(step)
            name = chance.choices(names, weights)[0]
            if world.pipeline.context.journal_words[JW_POSITION] > MOST_BLOCK_BYTES:
                name = "commit"
            if name not in turns.stalled:
                turns.take(name, chance.randint(1, settings.batch))

    def _wait_until_ready(self, world: World, turns: Turns) -> None:
        """Let a start come to its end, in turns that are no steps."""
        for _ in range(MOST_ROUNDS):
            if world.is_ready:
                return
            turns.take_all()

    def _healed_phase(self, world: World, turns: Turns) -> int:
        """Let nothing fail any more; everybody has turns until all is answered, then stop; return how many rounds."""
        world.disk.heal()
        world.is_healed, world.clock.stands_still = True, False
        turns.stalled.clear()
        for client in world.clients:
            client.calm_down()
        self.trace("healed")
        for number in range(1, MOST_ROUNDS + 1):
            world.clock.tick()
            if not turns.take_all():
                self._check_end(world)
                return number
            world.supervision.stop_asked = world.is_answered
        raise PromiseBroken(
            f"expected all to be answered in {MOST_ROUNDS} rounds without faults: {world.describe()}"
        )

    def _check_end(self, world: World) -> None:
        """Look at a pipeline that has stopped in order, and at what the next start makes of its journal."""
        world.referee.look(recovered=False)
        last_seq = world.referee.recovered_seq
        self.trace("stopped", f"at {last_seq}")
        pipeline = world.new_pipeline()
        pipeline.crash()
        expect(
            pipeline.recovered_seq == last_seq,
            f"expected a clean stop to keep {last_seq}",
            pipeline.recovered_seq,
        )
