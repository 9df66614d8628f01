"""Load the kernels of pipeline, injectors and replay into the test's process; compile them if that was never done."""

from __future__ import annotations

import sys
from functools import cache

__all__ = ["load_all_kernels"]


@cache
def load_all_kernels() -> None:
    """Make everything that a forked process runs callable."""
    from cli.warm import ensure_compiled, load_pipeline
    from gateway.warm import STEPS
    from stages.warm import OTHER_STEPS

    ensure_compiled(lambda line: print(line, file=sys.stderr), lambda done, total: None)
    load_pipeline()
    for load in (*OTHER_STEPS.values(), *STEPS.values()):
        load()
