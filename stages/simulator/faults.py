"""What goes wrong in the unsafe phase of a simulated run, seldom, and drawn by the rates of its settings."""

from __future__ import annotations

from typing import Final

from stages.simulator.settings import PER_MILLE
from stages.simulator.turns import Turns
from stages.simulator.world import World

__all__ = ["Faults"]

LEAPS_NS: Final = (1, 10**6, 10**9, 3600 * 10**9, 30 * 3600 * 10**9)
STALL_STEPS: Final = 200
DISK_CALLS: Final = 12  # within which a crash in the midst of one comes
HALF: Final = 0.5


class Faults:
    """Disturbs ``world`` and its ``turns``."""

    def __init__(self, world: World, turns: Turns) -> None:
        self.world, self.turns = world, turns
        settings = world.settings
        self._kinds = (
            (settings.crash_rate, self._crash),
            (settings.disk_fault_rate, self._fail_a_call),
            (settings.full_rate, self._fill_the_disk),
            (settings.clock_rate, self._change_the_clock),
            (settings.stall_rate, self._stall_somebody),
            (settings.snapshot_rate, self._take_snapshot),
            (settings.roll_rate, self._roll),
        )

    def disturb(self, step: int) -> None:
        """Let something go wrong, or nothing; wake who has stood still for long enough."""
        stalled = self.turns.stalled
        for name in [name for name, until in stalled.items() if until <= step]:
            del stalled[name]
        drawn = self.world.chance.randrange(PER_MILLE)
        for rate, kind in self._kinds:
            if drawn < rate:
                kind(step)
                return
            drawn -= rate

    def _crash(self, step: int) -> None:
        """Kill everything, between two turns or in the midst of a call of the disk."""
        if self.world.chance.random() < HALF:
            self.world.crash("killed")
        else:
            self.world.disk.crash_after = self.world.chance.randrange(DISK_CALLS)

    def _fail_a_call(self, step: int) -> None:
        self.world.disk.arm()

    def _fill_the_disk(self, step: int) -> None:
        disk = self.world.disk
        disk.is_full = not disk.is_full
        self.world.trace("full", disk.is_full)

    def _change_the_clock(self, step: int) -> None:
        clock, chance = self.world.clock, self.world.chance
        clock.stands_still = chance.random() < HALF / 2
        leap_ns = chance.choice(LEAPS_NS)
        clock.leap(leap_ns)
        self.world.trace("clock", f"leaps {leap_ns} ns{', then stands still' if clock.stands_still else ''}")

    def _stall_somebody(self, step: int) -> None:
        chance = self.world.chance
        names = [*self.turns.acts, *(f"client {client.number}" for client in self.world.clients)]
        name = chance.choice(names)
        self.turns.stalled[name] = step + chance.randrange(STALL_STEPS)
        self.world.trace("stall", name)

    def _roll(self, step: int) -> None:
        """Go on in a new segment, long before this one is full: what happens seldom is to happen often."""
        self.turns.roll()

    def _take_snapshot(self, step: int) -> None:
        self.turns.take_snapshot()
