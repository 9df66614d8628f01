"""Where the journal of a command line lies: DIR is a data directory, or the directory of the journal itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

__all__ = ["Directory", "journal_place"]

SUBDIRECTORY: Final = "journal"  # of a data directory

Directory = Annotated[
    Path, typer.Argument(metavar="DIR", help="A data directory, or that of a journal.", show_default=False)
]


def journal_place(directory: Path) -> Path:
    """Return the directory of the journal."""
    inside = directory / SUBDIRECTORY
    return inside if inside.is_dir() else directory
