"""``ringmatch mass-cancel``: cancel orders of a running pipeline as its operator, whatever session they came from.

Exit codes: 0 done, 1 the core rejected it, 2 no such instrument, account or side, or nothing to go by, 4 nothing runs.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from cli.exit_codes import CommandError, ExitCode
from cli.operate import InstrumentName, about_pipeline, account_named, ask, instrument_named
from cli.render import DEFAULT_DATA, Data, Json, print_json
from protocols.codes import Side

__all__ = ["MassCancelReport", "mass_cancel"]

SIDES = {side.name.lower(): side for side in Side}


class MassCancelReport(msgspec.Struct, frozen=True, kw_only=True):
    """All that ``mass-cancel --json`` prints."""

    cancelled: int


def mass_cancel(
    account: Annotated[str | None, typer.Option(metavar="NAME", help="Of one account.")] = None,
    firm: Annotated[int | None, typer.Option(min=1, metavar="N", help="Of the accounts of a firm.")] = None,
    instrument: InstrumentName = None,
    side: Annotated[str | None, typer.Option(metavar="SIDE", help="buy or sell.")] = None,
    all_: Annotated[
        bool, typer.Option("--all", help="All orders that the other options let through.")
    ] = False,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """Cancel the orders of all sessions that fit; their owners are told."""
    if not (all_ or account or firm or instrument):
        raise CommandError("expected --account, --firm or --instrument, or --all", ExitCode.USAGE)
    if side is not None and side not in SIDES:
        raise CommandError(f"--side: expected one of {', '.join(SIDES)}, was {side!r}", ExitCode.USAGE)
    from protocols import commands

    about = about_pipeline(data)
    command = commands.mass_cancel(
        account=account_named(about, account) if account else 0,
        instrument=instrument_named(about, instrument).id if instrument else 0,
        side=int(SIDES[side]) if side else 0,
        firm=firm or 0,
    )
    report = MassCancelReport(cancelled=int(ask(data, command)["qty_lots"]))
    if json:
        print_json(report)
    else:
        print(f"{report.cancelled:,} {'order' if report.cancelled == 1 else 'orders'} cancelled")
