"""``ringmatch feed``: a book of a running pipeline, live: drawn in a terminal, or as JSON lines for scripts.

Joins through a port of its own: subscribes, asks for the book, follows it (:class:`gateway.feed.LiveFeed`). Draws
with Rich until q or Ctrl-C, or until the pipeline ends; prints the book once where stdout is no terminal and
with ``--once``.

Exit codes: 2 no such symbol, 4 no pipeline runs or it has ended, 12 cut off.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from cli.exit_codes import CommandError, ExitCode
from cli.render import DEFAULT_DATA, Data

if TYPE_CHECKING:
    from gateway.feed import LiveFeed
    from gateway.port import Port
    from protocols.directory import Directory
    from protocols.market_data import FeedBook

__all__ = ["feed", "frame"]

FRAME_S: Final = 0.1
SLICE_NS: Final = 20_000_000
BAR_CELLS: Final = 20


def feed(
    symbol: Annotated[str, typer.Argument(metavar="SYMBOL", help="An instrument.", show_default=False)],
    data: Data = DEFAULT_DATA,
    depth: Annotated[int, typer.Option(min=1, metavar="N", help="Levels of each side that are drawn.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print each change as a JSON line.")] = False,
    best: Annotated[
        bool, typer.Option("--best", help="With --json: changes of the best prices only.")
    ] = False,
    levels: Annotated[
        bool, typer.Option("--levels", help="With --json: changes of levels instead of orders.")
    ] = False,
    once: Annotated[bool, typer.Option("--once", help="Print the book as it is and leave.")] = False,
) -> int:
    """Show the book of an instrument of a running pipeline, live, or print its changes."""
    if (best or levels) and not as_json:
        raise CommandError("--best and --levels: expected with --json", ExitCode.USAGE)
    if best and levels:
        raise CommandError("expected --best or --levels, were both", ExitCode.USAGE)
    from protocols.feed_lines import Depth, FeedLines

    with suppress(KeyboardInterrupt), _joined(data, symbol) as live:
        (book,) = live.data.books.values()
        if as_json:
            lines = FeedLines(
                live.port.directory, Depth.BEST if best else Depth.LEVELS if levels else Depth.ORDERS
            )
            _print_lines(live, book, lines, once)
        elif once or not sys.stdout.isatty():
            _wait_for(live, book)
            _print_frame(live.port.directory, book, depth)
        else:
            _watch(live, book, depth)
    return int(ExitCode.OK)


@contextmanager
def _joined(data: Path, symbol: str) -> Iterator[LiveFeed]:
    """Attach a port, join the feed of an instrument; leave both in order."""
    from cli.warm import compile_with_bar
    from gateway.feed import LiveFeed
    from gateway.port import GatewayError, Port

    compile_with_bar(lambda line: print(line, file=sys.stderr))
    with Port(data) as port:
        live = LiveFeed(port, [_instrument(port, symbol)])
        try:
            yield live
        finally:
            with suppress(GatewayError):  # of a pipeline that has ended
                live.close()


def _instrument(port: Port, symbol: str) -> int:
    identity = port.directory.instrument_ids.get(symbol, 0)
    if not identity:
        raise CommandError(f"{port.data_dir}: expected an instrument, was {symbol!r}", ExitCode.USAGE)
    return identity


def _print_lines(live: LiveFeed, book: FeedBook, lines: Any, once: bool) -> None:
    while True:
        for event in live.receive(SLICE_NS):
            sys.stdout.buffer.write(lines.encode(event, book))
            if once:
                break
        sys.stdout.buffer.flush()
        if once and book.is_joined:
            return


def _wait_for(live: LiveFeed, book: FeedBook) -> None:
    while not book.is_joined:
        _follow(live)


def _follow(live: LiveFeed) -> None:
    for _ in live.receive(SLICE_NS):
        pass  # the book moves as events are taken


def _print_frame(directory: Directory, book: FeedBook, depth: int) -> None:
    from rich.console import Console

    Console(highlight=False, width=None if sys.stdout.isatty() else 120).print(frame(directory, book, depth))


def _watch(live: LiveFeed, book: FeedBook, depth: int) -> None:
    """Draw the book as it changes, until somebody leaves or the pipeline does."""
    import time

    from rich.console import Console
    from rich.live import Live

    from cli.keyboard import single_keys

    console = Console(highlight=False)
    with single_keys() as keys, Live(console=console, screen=True, auto_refresh=False) as screen:
        next_s = 0.0
        while True:
            _follow(live)
            if (now_s := time.monotonic()) >= next_s:
                next_s = now_s + FRAME_S
                screen.update(frame(live.port.directory, book, depth), refresh=True)
                if keys.has_quit():
                    return


def frame(directory: Directory, book: FeedBook, depth: int) -> Any:
    """Return a drawing of a book: its levels, best in the middle, what it knows of its state above."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from cli.render import share_bar
    from protocols.codes import SIDE_BUY, SIDE_SELL, TradingState
    from protocols.feed_lines import level_price_text

    state = TradingState(book.state).name.lower() if book.state else ""
    last = directory.price_text(book.instrument, book.last_ticks) if book.last_ticks else "none"
    title = Text.assemble(
        (directory.symbol(book.instrument), "bold"), f"  {state}  last {last}  change {book.seq:,}"
    )
    if not book.is_joined:
        title.append("  joining", "yellow")
    grid = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for column in ("orders", "buy", "price", "sell", "orders"):
        grid.add_column(column, justify="right", no_wrap=True)
    grid.add_column("", no_wrap=True)
    sides = {side: book.levels(side, depth) for side in (SIDE_BUY, SIDE_SELL)}
    most = max((level.qty_lots for rows in sides.values() for level in rows), default=1)
    for side, colour in ((SIDE_SELL, "red"), (SIDE_BUY, "green")):
        rows = sides[side] if side == SIDE_BUY else sides[side][::-1]
        for level in rows:
            price = Text(level_price_text(directory, book.instrument, side, level.price_ticks), colour)
            qty, count = directory.qty_text(book.instrument, level.qty_lots), f"{level.order_count:,}"
            cells = (count, qty, price, "", "") if side == SIDE_BUY else ("", "", price, qty, count)
            grid.add_row(*cells, Text(share_bar(level.qty_lots / most, BAR_CELLS), colour))
    parts: list[Any] = [title]
    if book.indication is not None:
        found = book.indication
        price_text = directory.price_text(book.instrument, found.price_ticks) if found.price_ticks else "none"
        parts.append(
            Text(
                f"indicative price {price_text}, volume {found.volume_lots:,}, surplus {found.surplus_lots:,}"
            )
        )
    return Group(*parts, Text(), grid)
