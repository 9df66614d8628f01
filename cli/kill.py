"""``ringmatch kill``: engage or release a kill switch of a running pipeline, at one level.

Exit codes: 0 done, 1 the core rejected it, or nobody confirmed it, 2 no such name, or options that do not go together,
4 nothing runs.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import typer

from cli.exit_codes import CommandError, ExitCode
from cli.operate import By, about_pipeline, account_named, ask, confirm, instrument_named, operator_name
from cli.render import DEFAULT_DATA, Data, Json, print_json
from protocols.codes import KillLevel, Switch
from protocols.risk_terms import KILL_LEVELS, SWITCH_WORDS
from protocols.text import TEXT_BYTES
from stages.control import Description

__all__ = ["KillReport", "kill"]


class KillReport(msgspec.Struct, frozen=True, kw_only=True):
    """All that ``kill --json`` prints; ``switches`` are those engaged afterwards at that level."""

    level: str
    name: str
    switch: str
    engaged: bool
    cancelled: int
    switches: list[str]
    seq: int
    time_ns: int
    by: str


def kill(
    level: Annotated[
        str,
        typer.Argument(
            metavar="LEVEL", help="venue, firm, account, session or instrument.", show_default=False
        ),
    ],
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="Which one; of a firm its number.", show_default=False),
    ] = None,
    reducing: Annotated[
        bool, typer.Option("--reducing", help="Let it make positions smaller, and cancel nothing.")
    ] = False,
    throttled: Annotated[
        bool, typer.Option("--throttled", help="With --release: the latch of the execution throttle.")
    ] = False,
    release: Annotated[bool, typer.Option("--release", help="Release the switch.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    by: By = None,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """Engage a switch: nothing new passes and what rests is cancelled; or release it. It stays until then.

    The venue as a whole, and each release, is asked for first.
    """
    code, switch = _level(level), _switch(reducing, throttled)
    if (name is None) != (code is KillLevel.VENUE):
        raise CommandError(
            f"kill {level}: expected {'no name' if name is not None else 'a name'}", ExitCode.USAGE
        )
    if throttled and not (release and code is KillLevel.ACCOUNT):
        raise CommandError("--throttled: expected it with account and --release", ExitCode.USAGE)
    from protocols import risk_commands

    about, who = about_pipeline(data), operator_name(by)
    make = risk_commands.release if release else risk_commands.kill
    command = make(int(code), switch=int(switch), **_whom(code, name or "", about), by=who)
    what = f"{level}{f' {name}' if name else ''}"
    if (release or code is KillLevel.VENUE) and not yes:
        confirm(f"{'Release' if release else 'Engage'} {_word(switch)} of {what} ({data})?")
    report = _report(ask(data, command), level, name or "", switch, not release, who)
    if json:
        print_json(report)
    else:
        now = " ".join(report.switches) or "none"
        orders = "order" if report.cancelled == 1 else "orders"
        print(f"{what}: {report.cancelled:,} {orders} cancelled, switches engaged now: {now}")


def _level(word: str) -> KillLevel:
    if word not in KILL_LEVELS:
        raise CommandError(f"level: expected one of {', '.join(KILL_LEVELS)}, was {word!r}", ExitCode.USAGE)
    return KILL_LEVELS[word]


def _switch(reducing: bool, throttled: bool) -> Switch:
    if reducing and throttled:
        raise CommandError("expected one of --reducing, --throttled", ExitCode.USAGE)
    return Switch.REDUCING if reducing else Switch.THROTTLED if throttled else Switch.KILLED


def _word(switch: Switch) -> str:
    return next(word for word, each in SWITCH_WORDS.items() if each == switch)


def _whom(level: KillLevel, name: str, about: Description) -> dict[str, Any]:
    """Return the fields that say whom a switch concerns."""
    if level is KillLevel.FIRM:
        if not name.isdecimal() or not 0 < int(name) < 1 << 31:
            raise CommandError(f"firm: expected its number, was {name!r}", ExitCode.USAGE)
        return {"firm": int(name)}
    if level is KillLevel.ACCOUNT:
        return {"account": account_named(about, name, "account")}
    if level is KillLevel.INSTRUMENT:
        return {"instrument": instrument_named(about, name).id}
    if level is KillLevel.SESSION and not (len(name) <= TEXT_BYTES and name.isascii() and name.isprintable()):
        raise CommandError(f"session: expected at most {TEXT_BYTES} characters, was {name!r}", ExitCode.USAGE)
    return {"session": name} if level is KillLevel.SESSION else {}


def _report(answer: Any, level: str, name: str, switch: Switch, engaged: bool, by: str) -> KillReport:
    before = int(answer["leaves_lots"])
    now = before | switch if engaged else before & ~switch
    return KillReport(
        level=level,
        name=name,
        switch=_word(switch),
        engaged=engaged,
        cancelled=int(answer["qty_lots"]),
        switches=[word for word, each in SWITCH_WORDS.items() if now & each],
        seq=int(answer["input_seq"]),
        time_ns=int(answer["time_ns"]),
        by=by,
    )
