"""The books, naively: dicts of prices and lists of orders, as the rules describe their state.

The pages are ``docs/matching-rules.md`` and ``docs/trading-states.md``. A side is a dict from price to the list of its
orders, first in the queue first; the best price is the ``max`` or ``min`` of its keys. Sides 1 and 2 trade, sides 3
and 4 hold the stop orders that buy and sell, at their stop prices, sides 5 and 6 what waits for the closing auction.
An order is in exactly one such list and in ``orders`` while it is open. What is counted against a room is counted
each time anew.
"""

from __future__ import annotations

from dataclasses import dataclass

from protocols.codes import OrdType, Side, Tif
from tests.twin.markets import Market, TickTable
from tests.twin.records import Text

STOP_BUY = 3
STOP_SELL = 4
WAITING_BUY = 5
WAITING_SELL = 6
BEST_IS_HIGHEST = (Side.BUY, STOP_SELL, WAITING_BUY)
STOP_TYPES = (OrdType.STOP, OrdType.STOP_LIMIT, OrdType.TRAILING_STOP)
LARGEST = 2**63 - 1
SMALLEST = -(2**63)


@dataclass(eq=False)
class Order:
    """An order: open while it stands on a side, a taker before; ``price`` is its limit, 0 where it has none."""

    order_id: int
    instrument: int
    side: int
    ord_type: int
    tif: int
    price: int
    leaves: int
    cl: Text
    account: int
    session: int
    cum: int = 0
    display: int = 0
    shown: int = 0  # of an iceberg on a side that trades: the lots that stand in the queue
    minimum: int = 0
    group: int = 0
    mode: int = 0
    flags: int = 0
    expiry: int = 0
    stop_price: int = 0
    distance: int = 0
    reference: int = 0
    waits: bool = False  # for the closing auction

    @property
    def is_stop(self) -> bool:
        """Tell whether it waits for its election."""
        return self.ord_type in STOP_TYPES

    @property
    def is_special(self) -> bool:
        """Tell whether it counts against ``max_specials``: a stop order, an iceberg, or both."""
        return self.is_stop or self.display != 0

    @property
    def expires(self) -> bool:
        """Tell whether it ends by time: a MARKET order's GTD means nothing."""
        return self.tif == Tif.GTD and self.ord_type != OrdType.MARKET

    @property
    def book_side(self) -> int:
        """Return the side on which it stands: 1 to 6."""
        if self.waits:
            return self.side + 4
        return self.side + 2 if self.is_stop else self.side

    @property
    def level_price(self) -> int:
        """Return the price of its level; a MARKET order stands before all limits."""
        if self.ord_type == OrdType.MARKET:
            return LARGEST if self.side == Side.BUY else 0
        return self.stop_price if self.is_stop else self.price

    @property
    def queued(self) -> int:
        """Return the lots that stand in the queue: all but what an iceberg hides."""
        return self.shown if self.display and not self.is_stop else self.leaves

    def show(self) -> None:
        """Show as many lots as it displays."""
        self.shown = min(self.display, self.leaves)

    def lose(self, qty: int) -> None:
        """Take lots off, hidden ones first."""
        self.leaves -= qty
        self.shown = min(self.shown, self.leaves)


def opposite(side: int) -> Side:
    """Return the other side."""
    return Side.SELL if side == Side.BUY else Side.BUY


def allows(side: int, limit: int | None, price: int) -> bool:
    """Tell whether an order of this side and limit (None for any price) trades at a price."""
    if limit is None:
        return True
    return price <= limit if side == Side.BUY else price >= limit


class Books:
    """All sides of all instruments, the open orders by id, the last trade prices, and what else an instrument has.

    ``changed`` names the instruments of whose two sides an order was added, removed or changed in an auction.
    """

    def __init__(self, max_orders: int, max_levels: int, max_specials: int) -> None:
        self.max_orders = max_orders
        self.max_levels = max_levels
        self.max_specials = max_specials
        self.orders: dict[int, Order] = {}
        self.sides: dict[tuple[int, int], dict[int, list[Order]]] = {}
        self.last_prices: dict[int, int] = {}  # only those that have traded
        self.protections: dict[int, int] = {}
        self.markets: dict[int, Market] = {}  # of all known instruments
        self.tick_tables: dict[int, TickTable] = {}
        self.firms: dict[int, int] = {}  # by account
        self.changed: set[int] = set()

    def market(self, instrument: int) -> Market:
        """Return what an instrument is beside its orders; of one that nobody defined: what all begin as."""
        return self.markets.get(instrument, Market())

    def levels(self, instrument: int, side: int) -> list[tuple[int, list[Order]]]:
        """Return the levels of a side, best first."""
        levels = self.sides.get((instrument, side), {})
        return sorted(levels.items(), reverse=side in BEST_IS_HIGHEST)

    def best(self, instrument: int, side: int) -> int | None:
        """Return the best price of a side, None if it is empty."""
        levels = self.levels(instrument, side)
        return levels[0][0] if levels else None

    def all_in_order(self) -> list[Order]:
        """Return all orders: instruments ascending, sides 1 to 6, best level first, first in the queue first."""
        return [
            order
            for instrument, side in sorted(self.sides)
            for _, queue in self.levels(instrument, side)
            for order in queue
        ]

    def append(self, order: Order) -> None:
        """Put an order at the end of its level."""
        levels = self.sides.setdefault((order.instrument, order.book_side), {})
        levels.setdefault(order.level_price, []).append(order)
        self.orders[order.order_id] = order
        self._mark(order)

    def remove(self, order: Order) -> None:
        """Take an order out of its level; an empty level goes with it."""
        levels = self.sides[order.instrument, order.book_side]
        levels[order.level_price].remove(order)
        if not levels[order.level_price]:
            del levels[order.level_price]
        del self.orders[order.order_id]
        self._mark(order)

    def lose(self, order: Order, qty: int) -> None:
        """Take lots off an order where it stands, hidden ones first."""
        order.lose(qty)
        self._mark(order)

    def _mark(self, order: Order) -> None:
        if order.book_side in set(Side) and self.market(order.instrument).in_auction:
            self.changed.add(order.instrument)

    def refill(self, order: Order) -> None:
        """Show more of an iceberg whose shown lots are used up, at the end of its level."""
        self.remove(order)
        order.show()
        self.append(order)

    # Room

    def levels_are_full(self) -> bool:
        """Tell whether there are ``max_levels`` levels (or more: see trailing stops)."""
        return sum(len(levels) for levels in self.sides.values()) >= self.max_levels

    def has_no_room(self, order: Order) -> bool:
        """Tell whether a new order that may rest finds one of the rooms full."""
        specials = sum(other.is_special for other in self.orders.values())
        dated = sum(other.expires for other in self.orders.values())
        return (
            len(self.orders) >= self.max_orders
            or self.levels_are_full()
            or (order.is_special and specials >= self.max_specials)
            or (order.expires and dated >= self.max_specials)
        )
