"""What the commands that look back share: the directory they take, moments, names, the kernels they need."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cli.exit_codes import CommandError, ExitCode
from cli.render import ProgressBar

if TYPE_CHECKING:
    from protocols.directory import Directory
    from stages.moments import Moment

__all__ = ["WHEN_HELP", "DataDirectory", "data_directory", "instrument_of", "load_kernels", "moment_of"]

DataDirectory = Annotated[Path, typer.Argument(metavar="DIR", help="A data directory.", show_default=False)]
WHEN_HELP: Final = "a sequence, or a time in UTC (ISO, or HH:MM:SS): the last command by then"


def data_directory(directory: Path) -> Path:
    """Return the data directory that was meant: its journal may have been named instead."""
    from stages.replay import journal_directory

    if directory.name == "journal" and not journal_directory(directory).is_dir():
        return directory.parent
    return directory


def moment_of(directory: Path, option: str, text: str) -> Moment:
    """Return the moment that an option names in the journal of a data directory; a CommandError if there is none."""
    from stages.moments import NoSuchMoment, find_moment
    from stages.replay import journal_directory

    try:
        return find_moment(journal_directory(directory), text)
    except NoSuchMoment as error:
        raise CommandError(f"{option}: {error}", ExitCode.USAGE) from error


def instrument_of(directory: Directory, symbol: str, option: str) -> int:
    """Return the id of an instrument by its symbol; a CommandError that names the closest ones if there is none."""
    if identity := directory.instrument_ids.get(symbol, 0):
        return identity
    known = list(directory.instrument_ids)
    by_folded = {name.casefold(): name for name in known}
    close = [by_folded[name] for name in difflib.get_close_matches(symbol.casefold(), by_folded, n=3)]
    hint = f"; close to it: {', '.join(close)}" if close else ""
    if not close:
        shown = ", ".join(known[:8]) + (", …" if len(known) > 8 else "")
        hint = f"; there are {shown}" if known else "; the journal defines none by then"
    raise CommandError(
        f"{option}: expected the symbol of an instrument, was {symbol!r}{hint}", ExitCode.USAGE
    )


def load_kernels(*more: Callable[[], None]) -> None:
    """Load the kernels before the clock runs, compiled first where that was never done; ``more`` load others."""
    from cli.warm import compile_with_bar
    from ringbuffer.kernel import JIT_DISABLED
    from stages.warm import LOOP_STEPS, OTHER_STEPS

    if JIT_DISABLED:
        return
    compile_with_bar(lambda line: print(line, file=sys.stderr))
    steps = (*OTHER_STEPS.values(), LOOP_STEPS["core"], *more)
    with ProgressBar("loading kernels") as bar:
        for done, load in enumerate(steps):
            load()
            bar.update(done + 1, len(steps))
