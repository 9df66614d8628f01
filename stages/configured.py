"""``configured.json``: which references the configuration gave collars when a pipeline started last. No Numba.

Written by the supervisor once the core has accepted what the configuration says; read at the next start, which gives a
reference again only if the file has another by then: what an operator gave since, after a crash above all, must not be
undone by that of a morning. It is no part of the state: what it leads to is journaled.

Failure modes: lost, unreadable, or of a data directory that was copied without it: then nothing is known of what the
file said, and an instrument that has a reference keeps it.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

__all__ = ["CONFIGURED", "read_references", "write_references"]

CONFIGURED: Final = "configured.json"


class Configured(msgspec.Struct, frozen=True, kw_only=True):
    """What the file holds: references in ticks by symbol, 0 for none."""

    collar_references: dict[str, int]


def read_references(data_dir: str | Path) -> dict[str, int]:
    """Return the references of the last start, by symbol; nothing if that is not known."""
    try:
        raw = (Path(data_dir) / CONFIGURED).read_bytes()
        return msgspec.json.decode(raw, type=Configured).collar_references
    except (OSError, msgspec.MsgspecError):
        return {}


def write_references(data_dir: str | Path, references: dict[str, int]) -> None:
    """Replace the file as a whole; a disk that refuses is not worth an error: see above."""
    path = Path(data_dir) / CONFIGURED
    temporary = path.with_suffix(".tmp")
    with suppress(OSError):
        with open(temporary, "wb") as file:
            file.write(msgspec.json.encode(Configured(collar_references=references)))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
