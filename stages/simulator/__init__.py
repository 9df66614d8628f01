"""The deterministic simulator: a whole pipeline in one thread under a seeded scheduler, and all that can go wrong.

``Simulation(seed, steps).run()`` is one run (:mod:`stages.simulator.run`); see docs/simulator.md. The stages are the
kernels that run live, recovery and snapshots the code of a start; simulated are disk, clock, clients and scheduler.
"""

from __future__ import annotations

from stages.simulator.campaign import Failure, failure_of, run_seeds
from stages.simulator.promises import PromiseBroken
from stages.simulator.run import Simulation, Survived
from stages.simulator.settings import Settings, draw_settings
from stages.simulator.trace import Trace

__all__ = [
    "Failure",
    "PromiseBroken",
    "Settings",
    "Simulation",
    "Survived",
    "Trace",
    "draw_settings",
    "failure_of",
    "run_seeds",
]
