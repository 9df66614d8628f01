"""``ringmatch book``: a book as it was at a moment, rebuilt from the journal alone. Reads only.

Works beside a running pipeline; ``ringmatch feed`` shows the book of one as it is.

Exit codes: 2 no such moment or symbol, 7 the journal is corrupt or of another layout, 8 there is none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from cli.exit_codes import CommandError, ExitCode
from cli.history import WHEN_HELP, DataDirectory, data_directory, instrument_of, load_kernels, moment_of
from cli.render import Json, ProgressBar, print_json, table

if TYPE_CHECKING:
    from stages.history import BookThen, OrderThen

__all__ = ["book"]

EXAMPLE: Final = """
The book as it was after a command, at a time (UTC), and now:

\b
    ringmatch book ringmatch-data -i AAPL --at 1250000
    ringmatch book ringmatch-data -i AAPL --at 14:30:00 --depth 5
    ringmatch book ringmatch-data -i AAPL --orders --json
"""


def book(
    directory: DataDirectory,
    symbol: Annotated[
        str, typer.Option("--instrument", "-i", metavar="SYMBOL", help="Whose book.", show_default=False)
    ],
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="SEQ|TIME", help=f"When: {WHEN_HELP}. Default: the end of the journal."),
    ] = None,
    depth: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Levels of each side; all unless given.")
    ] = None,
    orders: Annotated[
        bool, typer.Option("--orders", help="Each order too: in the book, stop orders, those that wait.")
    ] = False,
    json: Json = False,
) -> int:
    """Show the book of an instrument as it was after a command, or at a time: levels, orders, state, last price."""
    from stages.definitions import directory_of
    from stages.history import book_then, replay_to, warm_kernels
    from stages.moments import end_of
    from stages.replay import journal_directory

    directory = data_directory(directory)
    moment = moment_of(directory, "--at", at) if at is not None else end_of(journal_directory(directory))
    if not moment.seq:
        raise CommandError(f"{directory}: expected a journal with commands, was an empty one", ExitCode.USAGE)
    load_kernels(warm_kernels)
    with ProgressBar("replaying", moment.seq) as bar:
        replayer = replay_to(directory, moment.seq, bar.update)
    assert replayer.core is not None
    instrument = instrument_of(directory_of(replayer.core.state.risk), symbol, "--instrument")
    found = book_then(replayer, instrument, depth, with_orders=orders)
    if json:
        print_json(found)
    else:
        print("\n".join(_describe(found)))
    return int(ExitCode.OK)


def _describe(book: BookThen) -> list[str]:
    """Describe a book: what holds for it, its levels with the best ones in the middle, its orders."""
    last = book.last_price or "none"
    lines = [
        f"{book.instrument} after sequence {book.seq:,}, {book.time}",
        f"state {book.state}, last price {last}, {book.open_orders:,} open orders",
    ]
    if book.indicative is not None:
        found = book.indicative
        surplus = f", surplus {found.surplus_qty} {found.surplus_side}" if found.surplus_side else ""
        lines.append(f"indicative price {found.price}, volume {found.qty}{surplus}")
    rows: list[tuple[object, ...]] = [("orders", "buy", "price", "sell", "orders")]
    rows += [("", "", level.price, level.qty, f"{level.orders:,}") for level in reversed(book.asks)]
    rows += [(f"{level.orders:,}", level.qty, level.price) for level in book.bids]
    lines += ["", *table(rows, right="rrrrr")] if len(rows) > 1 else ["", "the book is empty"]
    for what, orders in (("orders", book.orders), ("stop orders", book.stops), ("waiting", book.waiting)):
        if orders:
            lines += ["", f"{what}:", *_order_lines(orders)]
    return lines


def _order_lines(orders: list[OrderThen]) -> list[str]:
    has_limits = any(order.limit_price for order in orders)
    names = ("side", "price", *(["limit"] if has_limits else []), "order", "ClOrdID", "session", "account")
    rows: list[tuple[object, ...]] = [(*names, "leaves", "shown", "done")]
    for order in orders:
        limits = [order.limit_price or ""] if has_limits else []
        whose = (order.order_id, order.cl_ord_id, order.session, order.account)
        rows.append(
            (order.side, order.price, *limits, *whose, order.leaves_qty, order.shown_qty, order.cum_qty)
        )
    return table(rows, right=f" r{'r' * has_limits}r   rrr")
