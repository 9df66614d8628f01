"""Start a pipeline in the foreground as ``ringmatch start`` does, note the time at each point, and stop it.

Run by :mod:`benchmarks.start` in a process of its own: ``python -m benchmarks.start_probe CONFIG NOTES``. The
first statement is the first note, so nothing is imported before it. Times are CLOCK_MONOTONIC, which all
processes of a host share.
"""

import time

FIRST_LINE = time.monotonic()

import json  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402


def probe(config: str) -> dict[str, float]:
    """Start, stop, and return when each point was reached."""
    notes = {"interpreter": FIRST_LINE}
    import cli.start  # noqa: F401 - the command and what it needs
    from cli.warm import load_pipeline
    from stages.config import load_config
    from stages.host import available_cores
    from stages.plan import make_plan
    from stages.supervisor import Supervisor

    notes["imports"] = time.monotonic()
    load_pipeline()
    notes["kernels"] = time.monotonic()

    class Noting(Supervisor):
        """Notes when it begins to fork, and when all workers are ready."""

        def _fork_workers(self, *arguments: Any) -> None:
            notes["before fork"] = time.monotonic()
            super()._fork_workers(*arguments)
            notes["forked"] = time.monotonic()

    venue = load_config(config)
    supervisor = Noting(venue, make_plan(venue, available_cores(), None))
    supervisor.start()
    notes["ready"] = time.monotonic()
    supervisor.ask_to_stop()
    supervisor.serve()
    return notes


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(json.dumps(probe(sys.argv[1])), encoding="utf-8")
    sys.stdout.flush()
    os._exit(0)
