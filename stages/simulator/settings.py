"""What a simulated run is like: sizes, rates and modes, all drawn from its seed.

Each run draws its whole configuration anew, faults included, and many rates are drawn as zero (swarm testing): what
goes wrong only where nothing else does is met too. Rings are smaller than a configuration may make them, so that
everything is full most of the time.

Invariant: the same seed gives the same settings. Rates are in thousandths of a step.
"""

from __future__ import annotations

import random
from typing import Any, Final

import msgspec

__all__ = ["Settings", "draw_settings"]

RING_SLOTS: Final = (2, 4, 8, 16, 32, 64)
LANE_SLOTS: Final = (16, 32, 64)
PER_MILLE: Final = 1000


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """One configuration; ``weights`` says how often each actor has its turn."""

    durability: str
    input_slots: int
    output_slots: int
    ingress_slots: int
    egress_slots: int
    ports: int
    lane_slots: int
    partitions: int
    batch: int  # most that a stage does in a turn
    segment_bytes: int
    checkpoint_every: int
    tick_ms: int
    keep_snapshots: int
    market_data: bool
    clients: int
    window: int  # most commands of a client that have no answer
    max_orders: int
    max_levels: int
    max_cl_ord_ids: int
    max_sessions: int
    max_specials: int
    crash_rate: int
    power_share: int  # how many of 1000 crashes are power cuts
    disk_fault_rate: int
    full_rate: int
    snapshot_rate: int
    roll_rate: int
    clock_rate: int
    stall_rate: int
    disconnect_rate: int
    close_rate: int
    read_rate: int
    operator_rate: int
    weights: dict[str, int]


def _rate(chance: random.Random, *rates: int) -> int:
    """Draw a rate; half of all are zero."""
    return 0 if chance.random() < 0.5 else chance.choice(rates)


def draw_settings(seed: int) -> Settings:
    """Return the settings of a seed."""
    chance = random.Random(f"settings {seed}")
    durability = chance.choice(("fsync", "fsync", "fsync", "os", "none"))
    clients = chance.randint(1, 4)
    weights: dict[str, Any] = {
        name: chance.choice((2, 4, 8, 8, 16))
        for name in (
            "ingest",
            "journal",
            "commit",
            "risk",
            "matching",
            "merge",
            "publish",
            "supervisor",
            "clients",
        )
    }
    weights["clients"] *= 2
    return Settings(
        durability=durability,
        input_slots=chance.choice(RING_SLOTS),
        output_slots=chance.choice(RING_SLOTS),
        ingress_slots=chance.choice(RING_SLOTS),
        egress_slots=chance.choice(RING_SLOTS),
        ports=clients + chance.randint(1, 3),
        lane_slots=chance.choice(LANE_SLOTS),
        partitions=chance.choice((1, 1, 2, 3)),
        batch=chance.choice((1, 2, 4, 8, 8)),
        segment_bytes=64 << 10,
        checkpoint_every=chance.choice((2, 7, 20, 100)),
        tick_ms=chance.choice((0, 1, 50)),
        keep_snapshots=chance.randint(1, 3),
        market_data=chance.random() < 0.5,
        clients=clients,
        window=chance.choice((1, 8, 16, 32)),
        max_orders=chance.choice((8, 40, 200)),
        max_levels=chance.choice((4, 40)),
        max_cl_ord_ids=chance.choice((300, 4000, 4000)),
        max_sessions=chance.choice((clients, clients + 4)),
        max_specials=chance.choice((4, 64)),
        crash_rate=_rate(chance, 1, 3, 10),
        power_share=chance.choice((0, 500, 1000)) if durability == "fsync" else 0,
        disk_fault_rate=_rate(chance, 1, 4),
        full_rate=_rate(chance, 1, 3),
        snapshot_rate=_rate(chance, 1),
        roll_rate=_rate(chance, 2, 10),
        clock_rate=_rate(chance, 5, 50),
        stall_rate=_rate(chance, 2, 10),
        disconnect_rate=_rate(chance, 2, 10, 100),
        close_rate=_rate(chance, 10, 50),
        read_rate=chance.choice((200, 800, 1000)),
        operator_rate=_rate(chance, 20, 100),
        weights=weights,
    )
