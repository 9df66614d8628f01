"""``ringmatch order``: the whole life of an order, from the journal alone. Reads only, also beside a running pipeline.

Exit codes: 2 no such order, session or moment, 7 the journal is corrupt or of another layout, 8 there is none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from cli.exit_codes import CommandError, ExitCode
from cli.history import WHEN_HELP, DataDirectory, data_directory, load_kernels, moment_of
from cli.render import Json, ProgressBar, print_json, table

if TYPE_CHECKING:
    from stages.order_story import OrderCommand, OrderOutcome, OrderStory

__all__ = ["order"]

EXAMPLE: Final = """
By the venue's id, or by what the client called it:

\b
    ringmatch order ringmatch-data 1250000
    ringmatch order ringmatch-data --session FIRM1 --cl-ord-id A-17
    ringmatch order ringmatch-data 1250000 --to 14:30:00 --json
"""


def order(
    directory: DataDirectory,
    order_id: Annotated[
        str | None,
        typer.Argument(metavar="[ORDER_ID]", help="The venue's id of the order.", show_default=False),
    ] = None,
    session: Annotated[
        str | None, typer.Option(metavar="NAME", help="Instead of an id: the session, with --cl-ord-id.")
    ] = None,
    cl_ord_id: Annotated[
        str | None,
        typer.Option("--cl-ord-id", metavar="TEXT", help="Instead of an id: any ClOrdID it has had."),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="SEQ|TIME", help=f"Look up to there only: {WHEN_HELP}."),
    ] = None,
    json: Json = False,
) -> int:
    """Show every command and outcome that concerns an order, in sequence, and what became of it."""
    from stages.moments import end_of
    from stages.order_life import NoSuchOrder, trace_name, trace_order
    from stages.order_story import story_of
    from stages.replay import journal_directory

    by_name = session is not None and cl_ord_id is not None
    if (order_id is None) != by_name or (session is None) != (cl_ord_id is None):
        raise CommandError("expected ORDER_ID, or --session and --cl-ord-id", ExitCode.USAGE)
    directory = data_directory(directory)
    place = journal_directory(directory)
    moment = moment_of(directory, "--to", to) if to is not None else end_of(place)
    load_kernels()
    try:
        with ProgressBar("replaying", moment.seq) as bar:
            if order_id is not None:
                trace = trace_order(directory, _number(order_id), moment.seq, bar.update)
            else:
                assert session is not None and cl_ord_id is not None
                trace = trace_name(directory, session, cl_ord_id, moment.seq, bar.update)
    except NoSuchOrder as error:
        raise CommandError(f"{place}: {error}", ExitCode.USAGE) from error
    story = story_of(trace, str(place))
    if json:
        print_json(story)
    else:
        print("\n".join(_describe(story)))
    return int(ExitCode.OK)


def _number(text: str) -> int:
    plain = text.replace(",", "").replace("_", "")
    if not (plain.isascii() and plain.isdigit()):
        raise CommandError(f"ORDER_ID: expected a number, was {text!r}", ExitCode.USAGE)
    return int(plain)


def _describe(story: OrderStory) -> list[str]:
    """Describe an order: its terms, its end, then a line for each command and outcome."""
    terms = [story.side, story.instrument, story.ord_type, story.tif]
    why = f", {story.reason}" if story.reason else ""
    paid = f" at {story.average_price} on average" if story.average_price else ""
    lines = [
        f"order {story.order_id}: {' '.join(term for term in terms if term)}",
        f"of session {story.session or 'none'}, account {story.account or 'none'}, "
        f"ClOrdID {' → '.join(story.cl_ord_ids)}",
        f"{story.status}{why}: {story.cum_qty} done{paid}, {story.leaves_qty} left, "
        f"as of sequence {story.last_seq:,}",
    ]
    rows: list[tuple[object, ...]] = [
        ("sequence", "time", "", "ClOrdID", "price", "qty", "leaves", "done", "remarks")
    ]
    for event in story.events:
        rows.append(_command_row(event) if hasattr(event, "fields") else _outcome_row(event))  # type: ignore[arg-type]
    return [*lines, "", *table(rows, right="r   rrrr")]


def _command_row(event: OrderCommand) -> tuple[object, ...]:
    remarks = [f"of session {event.session}"] if event.is_cause and event.session else []
    remarks += [f"for {event.orig_cl_ord_id}"] if event.orig_cl_ord_id else []
    remarks += [f"{name} {event.fields[name]}" for name in _TERMS if event.fields.get(name)]
    price, qty = event.price or "", "" if event.qty is None else event.qty
    return (event.seq, event.time[:-1], event.kind, event.cl_ord_id, price, qty, "", "", ", ".join(remarks))


_TERMS = (
    "order_id", "flags", "stop_ticks", "trail_ticks", "display_lots", "min_lots", "expiry_ns", "self_trade_group",
    "state", "firm", "name",
)  # fmt: skip


def _outcome_row(event: OrderOutcome) -> tuple[object, ...]:
    remarks = [event.reason] if event.reason else []
    remarks += [event.liquidity] if event.liquidity else []
    remarks += [f"trade {event.trade_id}"] if event.trade_id else []
    remarks += [f"with order {event.against_order_id}"] if event.against_order_id else []
    remarks += ["unsolicited"] if event.unsolicited else []
    numbers = (event.price or "", event.qty, event.leaves_qty, event.cum_qty)
    return ("", "", f"> {event.type}", event.cl_ord_id, *numbers, ", ".join(remarks))
