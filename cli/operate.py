"""What the operator's commands have in common: what a pipeline says of itself, names as ids, a command and its answer.

Used by ``state``, ``schedule``, ``bands``, ``mass-cancel``, ``limits``, ``kill``. Looking never imports Numba; asking
does (:mod:`gateway.desk`). Names that a pipeline does not know are errors of usage that name those it knows.
"""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from cli.exit_codes import CommandError, ExitCode
from cli.status import attach, not_running
from protocols.codes import OutcomeType, Reason, TradingState
from protocols.directory import decimal_text, parse_e8
from protocols.risk_terms import CONFIGURED_BY
from protocols.text import TEXT_BYTES
from protocols.trading_day import STATES, parse_span_ns
from stages.control import Description, InstrumentRow, MarketRow

__all__ = [
    "By",
    "GroupName",
    "InstrumentName",
    "about_pipeline",
    "account_named",
    "ask",
    "confirm",
    "group_named",
    "group_text",
    "instrument_named",
    "market_of",
    "operator_name",
    "price_text",
    "span_of",
    "state_named",
    "ticks_of",
]

NO_GROUP: Final = "-"
MAX_NAMES: Final = 12

InstrumentName = Annotated[
    str | None, typer.Option("--instrument", metavar="SYMBOL", help="Of one instrument.")
]
By = Annotated[
    str | None,
    typer.Option("--by", metavar="NAME", help="Who gives it, for the journal. Default: the login name."),
]
GroupName = Annotated[
    str | None, typer.Option("--group", metavar="NAME", help="A group, by name or number; - for no group.")
]


def about_pipeline(data: Path) -> Description:
    """Return what the pipeline of a data directory says of itself now."""
    pipeline = attach(data)
    if pipeline is None:
        raise not_running(data)
    if pipeline.observer is None or not pipeline.alive:
        what = "is starting" if pipeline.alive else "is dead, start again to recover"
        raise CommandError(f"{data}: the pipeline {what} (pid {pipeline.pid})", ExitCode.NOT_RUNNING)
    return pipeline.observer.describe()


def ask(data: Path, command: Any) -> Any:
    """Hand one command to the pipeline and return its answer; a rejection is an error that says why."""
    from gateway.desk import ask as ask_desk

    answer = ask_desk(data, command)
    if int(answer["type"]) == OutcomeType.REJECTED:
        reason = Reason(int(answer["reason"])).name.lower()
        raise CommandError(f"{data}: rejected: {reason}", ExitCode.FAILED)
    return answer


def _unknown(option: str, name: str, known: Iterable[str]) -> CommandError:
    names = list(known)
    more = f", and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    listed = ", ".join(names[:MAX_NAMES]) or "none"
    return CommandError(f"{option}: expected one of {listed}{more}, was {name!r}", ExitCode.USAGE)


def instrument_named(about: Description, symbol: str) -> InstrumentRow:
    """Return the instrument of a symbol."""
    for row in about.instruments:
        if row.symbol == symbol:
            return row
    raise _unknown("instrument", symbol, (row.symbol for row in about.instruments))


def account_named(about: Description, name: str, option: str = "--account") -> int:
    """Return the id of an account."""
    for row in about.accounts:
        if row.name == name:
            return row.id
    raise _unknown(option, name, (row.name for row in about.accounts))


def operator_name(given: str | None) -> str:
    """Return who gives a command: the name that was given, else the login name, as the journal has it."""
    if given is None:
        try:
            name = getpass.getuser()
        except (KeyError, OSError):  # no such user: some containers
            name = str(os.getuid())
        return "".join(letter for letter in name if letter.isascii() and letter.isprintable())[:TEXT_BYTES]
    if not (given.isascii() and given.isprintable() and 1 <= len(given) <= TEXT_BYTES):
        raise CommandError(
            f"--by: expected 1 to {TEXT_BYTES} printable ASCII characters, was {given!r}", ExitCode.USAGE
        )
    if given == CONFIGURED_BY:
        raise CommandError(
            f"--by: expected a name other than that of the configuration ({given})", ExitCode.USAGE
        )
    return given


def confirm(question: str) -> None:
    """Ask on the terminal; where there is none, or the answer is not yes, nothing is done."""
    if not sys.stdin.isatty():
        raise CommandError(f"{question} expected --yes, since nobody can be asked here", ExitCode.USAGE)
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise CommandError("not confirmed, nothing was done", ExitCode.FAILED)


def group_named(about: Description, name: str) -> int:
    """Return the number of a group that has a name, or is given as a number."""
    if name == NO_GROUP:
        return 0
    if name.isdecimal() and len(name) < 10:
        return int(name)
    if name not in about.groups or not name:
        raise _unknown("--group", name, filter(None, about.groups))
    return about.groups[name]


def group_text(about: Description, number: int) -> str:
    """Return the name of a group, its number if it has none, - for no group."""
    names = {code: name for name, code in about.groups.items() if name}
    return names.get(number, str(number)) if number else NO_GROUP


def state_named(word: str) -> TradingState:
    """Return a trading state by its name."""
    state = STATES.get(word.lower().replace("_", "-"))
    if state is None:
        raise _unknown("state", word, STATES)
    return state


def market_of(about: Description, instrument: int) -> MarketRow:
    """Return what an instrument has of trading states and bands."""
    plain = MarketRow(instrument, int(TradingState.CONTINUOUS), 0, 0, 0, 0, 0, 0, 0, 0)
    return next((row for row in about.markets if row.id == instrument), plain)


def ticks_of(option: str, text: str, row: InstrumentRow) -> int:
    """Return a price or distance of an instrument in ticks."""
    try:
        ticks, rest = divmod(parse_e8(text), row.tick_e8)
    except ValueError as error:
        raise CommandError(f"{option}: expected a decimal number, was {text!r}", ExitCode.USAGE) from error
    if rest or ticks < 0:
        tick = decimal_text(1, row.tick_e8)
        raise CommandError(
            f"{option}: expected a whole number of ticks of {tick}, was {text!r}", ExitCode.USAGE
        )
    return ticks


def price_text(ticks: int, row: InstrumentRow) -> str | None:
    """Return a price or distance as a decimal, None for none."""
    return decimal_text(ticks, row.tick_e8) if ticks else None


def span_of(option: str, text: str) -> int:
    """Return a span in nanoseconds."""
    try:
        return parse_span_ns(text)
    except ValueError as error:
        raise CommandError(f"{option}: {error}, was {text!r}", ExitCode.USAGE) from error
