"""``ringmatch risk report``: positions, money, use of limits, switches, and whether all of it adds up.

The report is made of the journal: of all of it, up to a sequence, or beside a pipeline that runs up to what is durable
(:mod:`cli.journal_state`). It is the same report for the same sequence wherever it is made.

Exit codes: 0 all adds up, 1 a reconciliation differs, 2 ``--at`` lies beyond the journal, 7 the journal is corrupt, 8
there is none.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from cli.exit_codes import ExitCode
from cli.history import WHEN_HELP
from cli.render import DEFAULT_DATA, Data, Json, print_json, table

if TYPE_CHECKING:
    from stages.risk_report_model import AccountReport, Engaged, FirmReport, RiskReport

__all__ = ["app", "report"]

app = typer.Typer(
    help="Report positions, money, use of limits, switches; and reconcile.",
    add_completion=False,
    pretty_exceptions_enable=False,
)
MIN_PERCENT = 1  # of a limit that a line for people names


@app.callback()
def main() -> None:
    """Report positions, money, use of limits, switches; and reconcile."""


@app.command()
def report(
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="SEQ|TIME", help=f"As it was at {WHEN_HELP}. Default: what is durable."),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Begin behind a snapshot, and reconcile what came after it.")
    ] = False,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> int:
    """Report what accounts, firms and the venue have and use, and whether money and orders add up.

    The state is rebuilt from the journal in this process, with a progress bar: that takes as long as a replay. A
    pipeline that runs is not disturbed; of it the report shows what is durable.
    """
    from cli.journal_state import read_state
    from stages.risk_report import make_report
    from stages.tally import Tally

    tally = Tally()
    replayer = read_state(data, at, tally, snapshots=quick)
    assert replayer.core is not None
    made = make_report(replayer.core, tally, replayer.last_time_ns)
    if json:
        print_json(made)
    else:
        print("\n".join(_describe(made)))
    return int(ExitCode.OK if made.reconciliation.ok else ExitCode.FAILED)


def _describe(made: RiskReport) -> list[str]:
    venue = made.venue
    lines = [
        f"risk at sequence {made.seq:,}, {_time(made.time_ns)}, day {venue.day:,}, began {_time(venue.day_began_ns)}"
    ]
    if made.since_seq:
        lines.append(f"begun behind a snapshot at sequence {made.since_seq:,}: what follows is reconciled")
    lines += ["", *_accounts(made.accounts)]
    lines += _positions(made.accounts)
    if made.firms:
        lines += ["", *_firms(made.firms)]
    lines += ["", *_uses(made), *_engaged(made)]
    rejects = ", ".join(f"{name} {count:,}" for name, count in venue.rejects.items())
    lines.append(f"rejects: {rejects or 'none'}")
    return [*lines, *_reconciliation(made)]


def _time(time_ns: int) -> str:
    if not time_ns:
        return "never"
    return f"{datetime.fromtimestamp(time_ns // 1_000_000_000, UTC):%Y-%m-%d %H:%M:%S}Z"


def _accounts(accounts: list[AccountReport]) -> list[str]:
    rows: list[tuple[object, ...]] = [
        ("account", "firm", "mode", "switches", "orders", "cash", "reserved buy", "reserved sell", "free", "traded",
         "messages", "fills", "loss", "warnings")
    ]  # fmt: skip
    for each in accounts:
        rows.append(
            (each.name, each.firm or "-", each.mode, " ".join(each.switches) or "-", each.open_orders,
             f"{each.cash_text} {each.currency}", each.reserved_buy_text, each.reserved_sell_text, each.free_text,
             each.traded_text, each.messages, each.fills, each.loss_text, each.warnings)
        )  # fmt: skip
    return table(rows, right="    rrrrrrrrrr")


def _positions(accounts: list[AccountReport]) -> list[str]:
    rows: list[tuple[object, ...]] = [
        ("account", "instrument", "position", "open buy", "open sell", "orders", "mark")
    ]
    for account in accounts:
        for each in account.positions:
            amounts = each.position, each.open_buy, each.open_sell, each.open_orders
            rows.append((account.name, each.instrument, *amounts, each.mark_text))
    return ["", *table(rows, right="  rrrrr")] if len(rows) > 1 else []


def _firms(firms: list[FirmReport]) -> list[str]:
    rows: list[tuple[object, ...]] = [
        ("firm", "name", "switches", "cash", "credit reserved", "reserved", "traded", "warnings", "accounts")
    ]
    for each in firms:
        rows.append(
            (each.id, each.name, " ".join(each.switches) or "-", f"{each.cash_text} {each.currency}",
             each.credit_reserved_text, each.reserved_text, each.traded_text, each.warnings, " ".join(each.accounts))
        )  # fmt: skip
    return table(rows, right="   rrrrr")


def _uses(made: RiskReport) -> list[str]:
    """Name the limits of which something is in use, the most used first."""
    uses = [use for account in made.accounts for use in account.limits]
    uses += [use for firm in made.firms for use in firm.limits]
    used = [use for use in uses if use.percent is not None and (use.percent >= MIN_PERCENT or use.above)]
    rows: list[tuple[object, ...]] = [("limit of", "limit", "value", "use", "%", "")]
    for use in sorted(used, key=lambda use: -(use.percent or 0)):
        note = "WARNS" if use.above else ""
        rows.append((use.holder, use.key, use.text, use.use_text, use.percent, note))
    return [*table(rows, right="  rrr"), ""] if len(rows) > 1 else ["limits: nothing is used of them", ""]


def _engaged(made: RiskReport) -> list[str]:
    if not made.venue.engaged:
        return ["switches: none is engaged"]
    return [
        f"switch: {each.level}{f' {each.name}' if each.name else ''} {each.switch}, {_by(each, made.since_seq)}"
        for each in made.venue.engaged
    ]


def _by(switch: Engaged, since_seq: int) -> str:
    """Say who engaged a switch and when."""
    if switch.seq:
        return f"by {switch.by or 'nobody named'}, {_time(switch.time_ns)}, sequence {switch.seq:,}"
    return f"by {switch.by}" if switch.by else f"at sequence {since_seq:,} or before"


def _reconciliation(made: RiskReport) -> list[str]:
    found = made.reconciliation
    lines = [
        f"money {row.what}: {row.opening_text} at first, {row.transferred_text} transferred, {row.held_text} held: "
        f"{_verdict(row.ok)}"
        for row in found.money
        if not row.ok or row.opening or row.held or row.transferred
    ]
    if not lines:
        lines = ["money: all sums are 0, and nothing was transferred: equal"]
    orders, lots = found.orders, found.lots
    lines.append(
        f"orders: {orders.new:,} sequenced = {orders.rejected_by_risk:,} rejected by risk + "
        f"{orders.rejected_by_matching:,} rejected by matching + {orders.accepted:,} accepted: {_verdict(orders.ok)}"
    )
    lines.append(
        f"lots: {lots.opening} at first + {lots.accepted} accepted + {lots.added} added by replaces = "
        f"{lots.filled} filled + {lots.ended} cancelled or expired + {lots.reduced} reduced + {lots.resting} resting: "
        f"{_verdict(lots.ok)}"
    )
    return lines


def _verdict(ok: bool) -> str:
    return "equal" if ok else "DIFFERENT"
