"""What tests see of a core: canonical rows of its state, books as text tables, outcomes as lines.

The rows are the same for the twin and for the compiled core, so that two states are equal when their dumps
are. Book rows stand in the order of the books: instruments ascending; buys, sells, stop buys, stop sells, waiting buys,
waiting sells; best level first; first in the queue first. A drawn book has one line a price, highest first; the first
in the queue stands leftmost, an iceberg as name:shown+hidden. Stop orders are drawn apart, by their stop prices, and so
are orders that wait.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from protocols.codes import OutcomeFlag, OutcomeType, Reason, Side, TradingState
from tests.twin.records import Outcome, show


class BookRow(NamedTuple):
    """One open order: on side 1 or 2 at its limit, on side 3 (stop buy) or 4 (stop sell) at its stop price.

    On side 5 or 6 it waits for the closing auction. The level of a MARKET order is at 2^63 - 1 if it buys, else at 0.

    ``shown`` is what stands in the queue: the leaves, of all but icebergs on sides 1 and 2. ``limit`` is the limit of
    a STOP_LIMIT on side 3 or 4, else 0.
    """

    instrument: int
    side: int
    price: int
    order_id: int
    leaves: int
    cum: int
    account: int
    session: int
    shown: int
    limit: int = 0


class PositionRow(NamedTuple):
    """The position of one account in one instrument."""

    account: int
    instrument: int
    position: int
    open_buy: int
    open_sell: int


class AccountRow(NamedTuple):
    """What the open orders and fills of one account have come to; cash is exact."""

    account: int
    open_orders: int
    cash: int
    reserved_buy: int
    killed: bool = False


def draw_book(
    rows: Iterable[BookRow],
    instrument: int,
    names: Mapping[int, str] | None = None,
    sides: tuple[int, int] = (Side.BUY, Side.SELL),
) -> str:
    """Draw one book as a table; an order shows as name:lots, without a name as its id, a stop's limit as @limit."""
    buys, sells = sides
    levels: dict[int, dict[int, list[str]]] = {}
    for row in rows:
        if row.instrument == instrument and row.side in sides:
            name = (names or {}).get(row.order_id, str(row.order_id))
            hidden = f"+{row.leaves - row.shown}" if row.shown != row.leaves else ""
            limit = f"@{row.limit}" if row.limit else ""
            level = levels.setdefault(row.price, {buys: [], sells: []})
            level[row.side].append(f"{name}:{row.shown}{hidden}{limit}")
    if not levels:
        return "empty"
    lines = [("buy", "price", "sell")]
    for price in sorted(levels, reverse=True):
        lines.append((" ".join(levels[price][buys]), str(price), " ".join(levels[price][sells])))
    widths = [max(len(line[column]) for line in lines) for column in range(3)]
    shown = [
        f"{left:>{widths[0]}} | {price:>{widths[1]}} | {right:<{widths[2]}}".rstrip()
        for left, price, right in lines
    ]
    return "\n".join(shown)


def line(outcome: Outcome) -> str:
    """Show what a client would be told of an outcome: type, ClOrdID, qty@price, leaves and cum, why.

    Of an instrument: its state and the one before; price, volume, surplus and its side of an auction.
    """
    if outcome.type == OutcomeType.STATE_CHANGED:
        return f"{TradingState(outcome.qty_lots).name} after {TradingState(outcome.leaves_lots).name}"
    if outcome.type in (OutcomeType.UNCROSSED, OutcomeType.INDICATION):
        side = {0: "", Side.BUY: " to buy", Side.SELL: " to sell"}[outcome.side]
        told = f"{outcome.qty_lots}@{outcome.price_ticks} surplus {outcome.leaves_lots}{side}"
        return f"{OutcomeType(outcome.type).name.lower()} {told}"
    words = [OutcomeType(outcome.type).name.lower(), show(outcome.cl)]
    words.append(
        f"{outcome.qty_lots}@{outcome.price_ticks} leaves {outcome.leaves_lots} cum {outcome.cum_lots}"
    )
    if outcome.trade_index:
        if outcome.flags & OutcomeFlag.AUCTION:
            words.append(f"in auction trade {outcome.trade_index}")
        else:
            role = "taker" if outcome.flags & OutcomeFlag.TAKER else "maker"
            words.append(f"{role} of trade {outcome.trade_index}")
    if any(outcome.orig):
        words.append(f"was {show(outcome.orig)}")
    if outcome.reason:
        words.append(Reason(outcome.reason).name)
    return " ".join(word for word in words if word)


def table(text: str) -> str:
    """Strip the margin that a table in a test's source has."""
    rows = [row.rstrip() for row in text.strip("\n").splitlines() if row.strip()]
    margin = min(len(row) - len(row.lstrip()) for row in rows)
    return "\n".join(row[margin:] for row in rows)
