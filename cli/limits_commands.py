"""``ringmatch limits``: the limits of accounts, firms, instruments, and accounts in instruments: look, set, import.

``show`` and ``import`` rebuild the state from the journal in their own process (:mod:`cli.journal_state`); ``set`` asks
the pipeline alone, whose answer tells what was before.

Exit codes: 0 done, 1 the core rejected one, 2 no such holder, key or value, 3 a file cannot be used, 4 nothing runs, 8
there is no journal.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from cli.exit_codes import CommandError, ExitCode
from cli.operate import By, about_pipeline, ask, operator_name
from cli.render import DEFAULT_DATA, Data, Json, print_json, table
from protocols.directory import AccountEntry, Directory, InstrumentEntry
from protocols.risk_terms import LIMIT_TERMS, key_of, keys_of, limit_text, parse_limit, warned_keys_of
from stages.control import Description

__all__ = ["ImportReport", "LimitChange", "LimitsReport", "app", "import_", "set_", "show"]

app = typer.Typer(
    help="Show, set or import limits of accounts, firms, instruments, and accounts in instruments.",
    add_completion=False,
    pretty_exceptions_enable=False,
)


class LimitsReport(msgspec.Struct, frozen=True, kw_only=True):
    """All that ``limits show --json`` prints: rows of stages.limits_view and stages.permissions_view."""

    seq: int
    limits: list[Any]
    permissions: list[Any]


class LimitChange(msgspec.Struct, frozen=True, kw_only=True):
    """A limit, or with ``warning`` the percent from which on risk warns, that was changed."""

    holder: str
    key: str
    warning: bool
    old: int
    new: int
    old_text: str
    new_text: str
    seq: int = 0
    time_ns: int = 0
    by: str = ""


class ImportReport(msgspec.Struct, frozen=True, kw_only=True):
    """All that ``limits import --json`` prints."""

    dry_run: bool
    changes: list[LimitChange]


@app.command()
def show(
    account: Annotated[
        str | None, typer.Argument(metavar="ACCOUNT", help="Of one account.", show_default=False)
    ] = None,
    firm: Annotated[int | None, typer.Option(min=1, metavar="N", help="Of a firm.")] = None,
    instrument: Annotated[
        str | None,
        typer.Option(metavar="SYMBOL", help="Of an instrument; with ACCOUNT, of the account in it."),
    ] = None,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """Show limits, how much of them is used, and permissions that differ from the first ones.

    The state is rebuilt from the journal, up to what is durable: that takes as long as a replay, and disturbs nobody.
    """
    from cli.journal_state import read_state
    from stages.definitions import directory_of
    from stages.limits_show import limits_shown
    from stages.permissions_view import permissions_of

    if firm is not None and (account or instrument):
        raise CommandError("expected --firm alone, or ACCOUNT, --instrument, or both", ExitCode.USAGE)
    replayer = read_state(data)
    assert replayer.core is not None
    risk = replayer.core.state.risk
    ids = directory_of(risk)
    try:
        limits = limits_shown(risk, ids, replayer.last_time_ns, account, firm, instrument)
    except ValueError as error:
        raise CommandError(str(error), ExitCode.USAGE) from error
    holders = {row.holder for row in limits}
    everything = not (account or firm or instrument)
    permissions = [row for row in permissions_of(risk, ids) if everything or row.holder in holders]
    if json:
        print_json(LimitsReport(seq=replayer.last_seq, limits=list(limits), permissions=list(permissions)))
        return
    lines = [("holder", "limit", "value", "use", "%", "warn", "")]
    for row in limits:
        percent = "" if row.percent is None else str(row.percent)
        warn = f"{row.warn_percent}%" if row.warn_percent else ""
        notes = [name for name, is_so in (("WARNS", row.above), ("adjusted", row.adjusted)) if is_so]
        lines.append((row.holder, row.key, row.text, row.use_text, percent, warn, " ".join(notes)))
    print("\n".join(table(lines, right="  rrrr")))
    for permission in permissions:
        print(f"{permission.holder}: {permission.what} {permission.value}")


@app.command("set")
def set_(
    holder: Annotated[
        str,
        typer.Argument(
            metavar="HOLDER",
            help="ACCOUNT, firm:N, instrument:SYMBOL or ACCOUNT@SYMBOL.",
            show_default=False,
        ),
    ],
    settings: Annotated[
        list[str],
        typer.Argument(
            metavar="KEY=VALUE",
            help="Limits as in venue.toml; unlimited, or unset. With --warn also KEY alone.",
            show_default=False,
        ),
    ],
    warn: Annotated[
        int | None,
        typer.Option(min=0, max=100, metavar="PERCENT", help="Warn from there on, 0 for never."),
    ] = None,
    by: By = None,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """Set limits, one command each; stops at the first that is refused."""
    from stages.limits_file import parse_holder
    from stages.venue_limits import holder_name

    about, who = about_pipeline(data), operator_name(by)
    ids = _directory(about)
    try:
        whose = parse_holder(holder, ids)
    except ValueError as error:
        raise CommandError(f"HOLDER: {error}, was {holder!r}", ExitCode.USAGE) from error
    wanted = [_setting(text, whose.kind, warn) for text in settings]
    changes = []
    for key, value in wanted:
        steps = [(False, value), (True, warn)]
        for is_warning, number in steps:
            if number is not None:
                change = _set_one(data, whose, holder_name(whose, ids), key, is_warning, number, who)
                changes.append(change)
                if not json:
                    print(_change_text(change))
    if json:
        print_json(changes)


def _directory(about: Description) -> Directory:
    """Return the names and ids of a pipeline that runs."""
    instruments = [
        InstrumentEntry(row.id, row.symbol, row.tick_e8, row.lot_e8, row.currency)
        for row in about.instruments
    ]
    return Directory(instruments, [AccountEntry(row.id, row.name) for row in about.accounts])


def _setting(text: str, kind: str, warn: int | None) -> tuple[str, int | None]:
    """Return the key and value of KEY=VALUE; KEY alone is only for its warning."""
    key, equals, value = text.partition("=")
    if key not in keys_of(kind):
        raise CommandError(
            f"{key}: expected one of {', '.join(keys_of(kind))} for this holder", ExitCode.USAGE
        )
    if warn is not None and key not in warned_keys_of(kind):
        known = ", ".join(warned_keys_of(kind)) or "no limit of this holder"
        raise CommandError(f"--warn: expected it with {known} only, was {key}", ExitCode.USAGE)
    if not equals:
        if warn is None:
            raise CommandError(f"{key}: expected KEY=VALUE, was no value", ExitCode.USAGE)
        return key, None
    try:
        return key, parse_limit(key, value, may_be_unset=True)
    except ValueError as error:
        raise CommandError(f"{key}: {error}, or unset, was {value!r}", ExitCode.USAGE) from error


def _set_one(
    data: Path, whose: Any, name: str, key: str, is_warning: bool, number: int, by: str
) -> LimitChange:
    from protocols.risk_commands import set_limits, set_warnings

    make = set_warnings if is_warning else set_limits
    fields = {"account": whose.account, "instrument": whose.instrument, "firm": whose.firm}
    answer = ask(data, make(int(LIMIT_TERMS[key].limit), number, **fields, by=by))
    return _change(name, key, is_warning, int(answer["leaves_lots"]), number, answer, by)


def _change(
    holder: str, key: str, is_warning: bool, old: int, new: int, answer: Any = None, by: str = ""
) -> LimitChange:
    limit = LIMIT_TERMS[key].limit
    texts = [f"{value}%" if is_warning else limit_text(limit, value) for value in (old, new)]
    seq, time_ns = (int(answer["input_seq"]), int(answer["time_ns"])) if answer is not None else (0, 0)
    return LimitChange(
        holder=holder, key=key, warning=is_warning, old=old, new=new, old_text=texts[0], new_text=texts[1], seq=seq,
        time_ns=time_ns, by=by,
    )  # fmt: skip


def _change_text(change: LimitChange) -> str:
    key = f"{change.key} warn" if change.warning else change.key
    text = f"{key}: {change.old_text} → {change.new_text}"
    if not change.seq:
        return text
    when = datetime.fromtimestamp(change.time_ns // 1_000_000_000, UTC)
    return f"{text}  (sequence {change.seq:,}, {when:%Y-%m-%d %H:%M:%S}Z, by {change.by})"


@app.command("import")
def import_(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="A venue.toml, or *.csv with the columns holder, key, value, warn.",
            show_default=False,
        ),
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Send nothing.")] = False,
    by: By = None,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """Set all limits that differ from a file, which takes adjustments back: the file's are the configuration's.

    All lines are checked before the first is sent. What there is now is rebuilt from the journal.
    """
    from cli.journal_state import read_state
    from stages.definitions import directory_of
    from stages.limit_rows import LimitRows
    from stages.limits_file import read_limits
    from stages.venue_limits import commands_of, differences_of, holder_name

    who = operator_name(by)
    about = None if dry_run else about_pipeline(data)
    if about is not None:
        read_limits(file, _directory(about))  # a mistake in it is told before the replay
    replayer = read_state(data)
    assert replayer.core is not None
    risk = replayer.core.state.risk
    ids, rows = directory_of(risk), LimitRows(risk)
    differences = [
        each for wanted in read_limits(file, ids) for each in differences_of(wanted, rows, take_back=True)
    ]
    changes = []
    for each in differences:
        answer = None if dry_run else ask(data, commands_of([each], who))
        old = each.old if answer is None else int(answer["leaves_lots"])
        name = holder_name(each.holder, ids)
        change = _change(name, key_of(each.limit), each.is_warning, old, each.new, answer, who)
        changes.append(change)
        if not json:
            print(f"{name} {_change_text(change)}")
    if json:
        print_json(ImportReport(dry_run=dry_run, changes=changes))
    elif not changes:
        print("nothing differs")
