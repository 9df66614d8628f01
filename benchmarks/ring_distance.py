"""How far two cores are from each other, as the round trip of one cache line tells: near, middle or far.

On a shared virtual machine the distance of two cores changes from one moment to the next, and with it whatever they
do together, up to ten times. So everything that crosses cores is measured in short slices between two readings,
and counts for a distance only if both agree on it. The cells are those of the probe in
:mod:`benchmarks.ring_trips`, each alone on its lines.
"""

from __future__ import annotations

from typing import Final

__all__ = ["DISTANCES", "IN_CELL", "OUT_CELL", "distance_of"]

DISTANCES: Final = {"near": 75, "middle": 130, "far": 10_000}  # ns of a cache line's round trip, at most
OUT_CELL: Final = 0
IN_CELL: Final = 64


def distance_of(before_ns: int, after_ns: int) -> str:
    """Return the distance that two readings agree on, else ``changed``."""
    names = [
        next(name for name, most in DISTANCES.items() if reading <= most or name == "far")
        for reading in (before_ns, after_ns)
    ]
    return names[0] if names[0] == names[1] else "changed"
