"""Load kernels and modules into the test's process once, so that what it forks begins at once."""

from __future__ import annotations

import contextlib
import io
import sys
from functools import cache
from importlib import import_module

__all__ = ["load_all_kernels"]

MODULES = (
    "cli.bands_commands", "cli.inject", "cli.mass_cancel", "cli.replay", "cli.schedule_commands", "cli.start",
    "cli.state_commands", "cli.status", "cli.stop", "gateway.desk", "gateway.inject", "gateway.sinks",
    "protocols.outcome_lines", "stages.supervisor",
)  # fmt: skip


@cache
def load_all_kernels() -> None:
    """Make everything that a forked process runs callable; compile the kernels if that was never done."""
    from cli.app import main
    from cli.warm import ensure_compiled, load_pipeline
    from gateway.warm import STEPS
    from stages.warm import OTHER_STEPS

    ensure_compiled(lambda line: print(line, file=sys.stderr), lambda done, total: None)
    load_pipeline()
    for load in (*OTHER_STEPS.values(), *STEPS.values()):
        load()
    for name in MODULES:
        import_module(name)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        main(["replay", "no-such-directory"])  # the command line's own machinery
