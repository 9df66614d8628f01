"""``ringmatch schedule``: when the groups of a running pipeline enter which trading states.

What the configuration schedules comes back with the next start; daily rows of others are gone then, rows for once stay.

Exit codes: 0 done, 1 the core rejected it, 2 no such group, state or time, 4 nothing runs.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Annotated

import msgspec
import typer

from cli.exit_codes import CommandError, ExitCode
from cli.operate import about_pipeline, ask, group_named, group_text, span_of, state_named
from cli.render import DEFAULT_DATA, Data, Json, print_json, table
from protocols.trading_day import DAY_NS, next_time_ns, parse_time_of_day_ns, span_text, state_word
from stages.control import Description, ScheduleRow

__all__ = ["ScheduleLine", "add", "app", "clear", "list_"]

NS_PER_S = 1_000_000_000

app = typer.Typer(
    help="List, add or clear what is scheduled for groups.",
    add_completion=False,
    pretty_exceptions_enable=False,
)
Group = Annotated[
    str,
    typer.Argument(metavar="GROUP", help="A group, by name or number; - for no group.", show_default=False),
]


class ScheduleLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of ``schedule list``; times are UTC."""

    group: str
    state: str
    due: str
    due_ns: int
    every_ns: int  # 0: once


@app.command("list")
def list_(data: Data = DEFAULT_DATA, json: Json = False) -> None:
    """List what is scheduled, what is due first foremost."""
    lines = schedule_lines(about_pipeline(data))
    if json:
        print_json(lines)
        return
    rows = [("group", "state", "due (UTC)", "every")]
    for line in lines:
        every = "day" if line.every_ns == DAY_NS else span_text(line.every_ns) if line.every_ns else "once"
        rows.append((line.group, line.state, line.due, every))
    print("\n".join(table(rows)) if lines else "nothing is scheduled")


def schedule_lines(about: Description) -> list[ScheduleLine]:
    """Return the rows of all schedules by the time when they are due."""
    return [
        ScheduleLine(
            group=group_text(about, row.group),
            state=state_word(row.state),
            due=_time_text(row),
            due_ns=row.due_ns,
            every_ns=row.period_ns,
        )
        for row in sorted(about.schedules, key=lambda row: row.due_ns)
    ]


def _time_text(row: ScheduleRow) -> str:
    return f"{datetime.fromtimestamp(row.due_ns // NS_PER_S, UTC):%Y-%m-%d %H:%M:%S}"


@app.command()
def add(
    group: Group,
    state: Annotated[str, typer.Argument(metavar="STATE", help="A trading state.", show_default=False)],
    at: Annotated[
        str | None, typer.Option(metavar="HH:MM:SS", help="The next time it is that time of day, UTC.")
    ] = None,
    in_: Annotated[
        str | None, typer.Option("--in", metavar="SPAN", help="After a span, such as 30s.")
    ] = None,
    daily: Annotated[bool, typer.Option("--daily", help="Every day from then on, not once.")] = False,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """Schedule a trading state for the instruments of a group."""
    if (at is None) == (in_ is None):
        raise CommandError("expected one of --at, --in", ExitCode.USAGE)
    from protocols.market_commands import schedule

    code, now_ns = state_named(state), time.time_ns()
    if at is not None:
        try:
            when_ns = next_time_ns(parse_time_of_day_ns(at), now_ns)
        except ValueError as error:
            raise CommandError(f"--at: {error}, was {at!r}", ExitCode.USAGE) from error
    else:
        when_ns = now_ns + span_of("--in", in_ or "")
    about = about_pipeline(data)
    row = ScheduleRow(group_named(about, group), int(code), when_ns, DAY_NS if daily else 0)
    ask(data, schedule(row.state, row.due_ns, group=row.group, period_ns=row.period_ns))
    [line] = schedule_lines(msgspec.structs.replace(about, schedules=(row,)))
    if json:
        print_json(line)
    else:
        print(f"{line.group}: {line.state} at {line.due} UTC, {'daily' if daily else 'once'}")


@app.command()
def clear(group: Group, data: Data = DEFAULT_DATA, json: Json = False) -> None:
    """Remove all that is scheduled for a group."""
    from protocols.market_commands import clear_schedule

    about = about_pipeline(data)
    number = group_named(about, group)
    count = sum(row.group == number for row in about.schedules)
    ask(data, clear_schedule(number))
    if json:
        print_json({"group": group_text(about, number), "removed": count})
    else:
        print(f"{group_text(about, number)}: {count} {'row' if count == 1 else 'rows'} removed")
