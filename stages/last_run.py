"""``last-run.json``: what the last pipeline of a data directory left behind, for when nothing runs. No Numba.

Written by the supervisor when it leaves, in order or not (a supervisor that was killed writes nothing: the
file then tells of an earlier run); read by ``status`` and ``stop``.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import msgspec

__all__ = ["LAST_RUN", "LastRun", "read_last_run", "write_last_run"]

LAST_RUN = "last-run.json"


class LastRun(msgspec.Struct, frozen=True, kw_only=True):
    """How a run ended, and what it had done."""

    state: str
    pid: int
    started_ns: int
    stopped_ns: int
    last_seq: int
    durable_seq: int
    outcome_digest: str
    state_digest: str
    error: str = ""
    counters: dict[str, int] = {}
    latency_ns: dict[str, int] = {}


def read_last_run(data_dir: str | Path) -> LastRun | None:
    """Return how the last run of a data directory ended; None if that is not known."""
    try:
        return msgspec.json.decode((Path(data_dir) / LAST_RUN).read_bytes(), type=LastRun)
    except (OSError, msgspec.MsgspecError):
        return None


def write_last_run(data_dir: str | Path, last_run: LastRun) -> None:
    """Replace the file as a whole; a disk that refuses is not worth an error at this point."""
    path = Path(data_dir) / LAST_RUN
    temporary = path.with_suffix(".tmp")
    with suppress(OSError):
        temporary.write_bytes(msgspec.json.encode(last_run))
        temporary.replace(path)
