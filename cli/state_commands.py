"""``ringmatch state``: in which trading states the instruments of a running pipeline are, and bring them into others.

Exit codes: 0 done, 1 the core rejected it, 2 no such instrument, group or state, 4 nothing runs.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from cli.exit_codes import CommandError, ExitCode
from cli.operate import (
    GroupName,
    InstrumentName,
    about_pipeline,
    ask,
    group_named,
    group_text,
    instrument_named,
    market_of,
    state_named,
)
from cli.render import DEFAULT_DATA, Data, Json, print_json, table
from protocols.trading_day import state_word
from stages.control import Description

__all__ = ["StateRow", "app", "set_state", "show"]

app = typer.Typer(
    help="Show trading states, or bring instruments into others.",
    add_completion=False,
    pretty_exceptions_enable=False,
)


class StateRow(msgspec.Struct, frozen=True, kw_only=True):
    """One line of ``state show``."""

    instrument: str
    state: str
    group: str | None


class StateReport(msgspec.Struct, frozen=True, kw_only=True):
    """All that ``state set --json`` prints."""

    state: str
    instruments: list[str]


@app.command()
def show(data: Data = DEFAULT_DATA, json: Json = False) -> None:
    """Show the trading state of each instrument."""
    rows = state_rows(about_pipeline(data))
    if json:
        print_json(rows)
    else:
        lines = [("instrument", "state", "group")]
        lines += [(row.instrument, row.state, row.group or "-") for row in rows]
        print("\n".join(table(lines)))


def state_rows(about: Description) -> list[StateRow]:
    """Return the states of all instruments, by their ids."""
    rows = []
    for entry in about.instruments:
        market = market_of(about, entry.id)
        group = group_text(about, market.group) if market.group else None
        rows.append(StateRow(instrument=entry.symbol, state=state_word(market.state), group=group))
    return rows


@app.command("set")
def set_state(
    state: Annotated[
        str,
        typer.Argument(
            metavar="STATE",
            help="continuous, pre-open, opening-auction, volatility-auction, closing-auction, halt or closed.",
            show_default=False,
        ),
    ],
    instrument: InstrumentName = None,
    group: GroupName = None,
    all_: Annotated[bool, typer.Option("--all", help="All instruments.")] = False,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """Bring instruments into a trading state."""
    if (instrument is not None) + (group is not None) + all_ != 1:
        raise CommandError("expected one of --instrument, --group, --all", ExitCode.USAGE)
    from protocols import market_commands

    code, about = state_named(state), about_pipeline(data)
    if instrument is not None:
        row = instrument_named(about, instrument)
        ask(data, market_commands.set_state(row.id, code))
        reached = [row.symbol]
    else:
        numbers = {entry.id: market_of(about, entry.id).group for entry in about.instruments}
        groups = sorted(set(numbers.values())) if group is None else [group_named(about, group)]
        for number in groups:
            ask(data, market_commands.set_group_state(number, code))
        reached = [entry.symbol for entry in about.instruments if numbers[entry.id] in groups]
    if json:
        print_json(StateReport(state=state_word(code), instruments=reached))
    else:
        print(f"{state_word(code)}: {', '.join(reached) or 'no instrument'}")
