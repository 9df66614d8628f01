"""The books that market data tells of, in plain Python: order by order, by levels, the best; gaps; joining late.

:func:`events_of` takes the market data out of outcomes (docs/market-data.md), whoever hands them over: a port that
subscribes, a replay, a core in the same process. :class:`FeedBook` is one instrument's book as those events tell
it, :class:`MarketData` one for each instrument that they name::

    data = MarketData()
    for event in data.take(outcomes):        # in order; what changed nothing is left out
        book = data.books[event.instrument]
        book.best(Side.BUY), book.levels(Side.SELL), book.orders(Side.BUY)

A book that begins with its instrument follows the feed from number 1 on. One that joins later (``from_start``
false), or that missed something, holds back what comes until a snapshot came (the answer to a BOOK_REQUEST): then it
is ``is_joined`` again. Whoever owns it asks for the snapshot.

Invariants: while a book is joined, its numbers have no gap, and after each event its level holds what the event tells;
otherwise FeedBroken is raised, for then the feed and the book are not of one origin. Events that are older than
the book are ignored. No NumPy but for reading arrays, no kernels.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from protocols.codes import (
    BOOK_ADD,
    BOOK_EXECUTE,
    BOOK_REDUCE,
    BOOKFLAG_HIDDEN,
    BOOKFLAG_SNAPSHOT,
    KIND_BOOK_REQUEST,
    OUT_ACCEPTED,
    OUT_BOOK,
    OUT_INDICATION,
    OUT_STATE_CHANGED,
    SIDE_BUY,
    SIDE_SELL,
)

__all__ = ["Event", "FeedBook", "FeedBroken", "Indication", "Level", "MarketData", "ShownOrder", "events_of"]

MOST_HELD: Final = 1 << 20  # events held back for a snapshot; of more the oldest are lost, which is a gap
WRAP: Final = (1 << 64) - 1  # sums of lots are told as int64


class FeedBroken(ValueError):
    """An event does not fit the book that those before it made."""


class Event(NamedTuple):
    """One outcome of market data, or the answer to a BOOK_REQUEST, by the names of docs/market-data.md."""

    seq: int
    type: int
    action: int
    flags: int
    instrument: int
    side: int
    order_id: int
    price_ticks: int
    qty_lots: int
    leaves_lots: int
    level_lots: int
    level_orders: int
    best_ticks: int
    best_lots: int
    trade_ticks: int
    trade_index: int
    input_seq: int
    time_ns: int

    @property
    def is_snapshot(self) -> bool:
        """Tell whether it was told on request."""
        return self.type == OUT_ACCEPTED or (self.type == OUT_BOOK and self.flags & BOOKFLAG_SNAPSHOT != 0)


FIELDS: Final = (
    "orig0", "type", "reason", "flags", "instrument", "side", "order_id", "price_ticks", "qty_lots", "leaves_lots",
    "cum_lots", "account", "cl0", "cl1", "orig1", "trade_index", "input_seq", "time_ns",
)  # fmt: skip
assert len(FIELDS) == len(Event._fields)


def events_of(outcomes: Any) -> Iterator[Event]:
    """Return the market data among outcomes (an array of ``layouts.OUTCOME``), in their order."""
    is_answer = (outcomes["kind"] == KIND_BOOK_REQUEST) & (outcomes["type"] == OUT_ACCEPTED)
    rows = outcomes[(outcomes["type"] >= OUT_STATE_CHANGED) | is_answer]
    return map(Event._make, zip(*(rows[name].tolist() for name in FIELDS), strict=True))


class Level(NamedTuple):
    """A level of a side: its price, the lots that it shows, how many orders stand there."""

    price_ticks: int
    qty_lots: int
    order_count: int


class ShownOrder(NamedTuple):
    """An order of a side, with the lots that it shows."""

    order_id: int
    price_ticks: int
    qty_lots: int


class Indication(NamedTuple):
    """What an auction would give if it ended now: all 0 where there is no price."""

    price_ticks: int
    volume_lots: int
    surplus_lots: int
    surplus_side: int


class _Queue:
    """The orders of a level, first in the queue first."""

    __slots__ = ("lots", "orders")

    def __init__(self) -> None:
        self.lots = 0
        self.orders: dict[int, int] = {}


class FeedBook:
    """One instrument's book; see the module."""

    def __init__(self, instrument: int, *, from_start: bool = True) -> None:
        self.instrument = instrument
        self.is_joined = from_start
        self.seq = 0  # the number of the last event
        self.is_on = True  # whether its changes are told, as far as it knows
        self.gap_count = 0
        self.state = 0  # codes.TradingState as far as it was told, 0 where it was not
        self.last_ticks = 0  # the price of the last trade, 0 for none
        self.indication: Indication | None = None
        self._sides: dict[int, dict[int, _Queue]] = {SIDE_BUY: {}, SIDE_SELL: {}}
        self._held: deque[Event] = deque(maxlen=MOST_HELD)
        self._awaited = 0  # orders of a snapshot that are still to come

    def levels(self, side: int, most: int | None = None) -> list[Level]:
        """Return the levels of a side, best first (L2); ``most`` bounds them."""
        queues = self._sides[side]
        prices = sorted(queues, reverse=side == SIDE_BUY)[:most]
        return [Level(price, queues[price].lots, len(queues[price].orders)) for price in prices]

    def best(self, side: int) -> Level | None:
        """Return the best level of a side (L1), None if it is empty."""
        queues = self._sides[side]
        if not queues:
            return None
        price = max(queues) if side == SIDE_BUY else min(queues)
        return Level(price, queues[price].lots, len(queues[price].orders))

    def orders(self, side: int) -> list[ShownOrder]:
        """Return the orders of a side (L3), best level first, first in the queue first."""
        queues = self._sides[side]
        prices = sorted(queues, reverse=side == SIDE_BUY)
        return [
            ShownOrder(which, price, lots) for price in prices for which, lots in queues[price].orders.items()
        ]

    def take(self, event: Event) -> Iterator[Event]:
        """Take one event of this instrument; yield each that the book has followed: it, none, or held ones too.

        The book moves as this is iterated: at each event that it yields it stands as it was after that one.
        """
        if event.is_snapshot:
            if not self.is_joined:
                yield from self._join(event)
            return
        if event.seq <= self.seq and self.is_joined:
            return
        if self.is_joined and event.seq != self.seq + 1:
            self.is_joined = False
            self.gap_count += 1
            self._held.clear()
        if not self.is_joined:
            self._held.append(event)
            return
        self._follow(event)
        yield event

    def _join(self, event: Event) -> Iterator[Event]:
        if event.type == OUT_ACCEPTED:
            self._sides = {SIDE_BUY: {}, SIDE_SELL: {}}
            self._awaited = event.qty_lots
            self.seq, self.last_ticks, self.state = event.seq, event.price_ticks, event.leaves_lots
            self.indication, self.is_on = None, event.level_lots != 0
        elif self._awaited == 0:
            return  # of a snapshot whose beginning was not seen
        else:
            self._add(event)
            self._awaited -= 1
        if self._awaited:
            return
        self.is_joined = True
        yield event
        held, self._held = self._held, deque(maxlen=MOST_HELD)
        for later in held:
            yield from self.take(later)

    def _follow(self, event: Event) -> None:
        self.seq = event.seq
        if event.type == OUT_BOOK:
            self._change(event)
        elif event.type == OUT_STATE_CHANGED:
            self.state, self.indication = event.qty_lots, None
        elif event.type == OUT_INDICATION:
            self.indication = Indication(event.price_ticks, event.qty_lots, event.leaves_lots, event.side)

    def _change(self, event: Event) -> None:
        if event.action == BOOK_EXECUTE:
            self.last_ticks = event.trade_ticks
            if event.flags & BOOKFLAG_HIDDEN:
                return
        if event.action == BOOK_ADD:
            self._add(event)
        else:
            self._take(event)
        queue = self._sides[event.side].get(event.price_ticks)
        was = (queue.lots & WRAP, len(queue.orders)) if queue else (0, 0)
        if was != (event.level_lots & WRAP, event.level_orders):
            raise self._broken(
                event, f"{event.level_lots} lots of {event.level_orders} orders at its level", was
            )

    def _add(self, event: Event) -> None:
        queue = self._sides[event.side].setdefault(event.price_ticks, _Queue())
        if event.order_id in queue.orders:
            raise self._broken(event, "a new order", "one that stands there")
        queue.orders[event.order_id] = event.leaves_lots
        queue.lots += event.leaves_lots

    def _take(self, event: Event) -> None:
        queues = self._sides[event.side]
        queue = queues.get(event.price_ticks)
        lots = queue.orders.get(event.order_id, 0) if queue else 0
        left = lots - event.qty_lots
        stays = event.action in (BOOK_EXECUTE, BOOK_REDUCE)
        if queue is None or lots <= 0 or left != event.leaves_lots or (left and not stays):
            raise self._broken(event, f"an order that shows {event.qty_lots + event.leaves_lots} lots", lots)
        queue.lots -= event.qty_lots
        if left:
            queue.orders[event.order_id] = left
            return
        del queue.orders[event.order_id]
        if not queue.orders:
            del queues[event.price_ticks]

    def _broken(self, event: Event, expected: str, was: Any) -> FeedBroken:
        return FeedBroken(
            f"instrument {self.instrument}, number {event.seq}, order {event.order_id}: expected {expected}, was {was}"
        )


class MarketData:
    """The books of all instruments that events name."""

    def __init__(self, *, from_start: bool = True) -> None:
        self.books: dict[int, FeedBook] = {}
        self._from_start = from_start

    def book(self, instrument: int) -> FeedBook:
        """Return the book of an instrument; one that nothing was told of is empty."""
        if instrument not in self.books:
            self.books[instrument] = FeedBook(instrument, from_start=self._from_start)
        return self.books[instrument]

    def take(self, outcomes: Any) -> Iterator[Event]:
        """Yield each event among outcomes once its book has followed it."""
        for event in events_of(outcomes):
            if event.seq or event.is_snapshot:  # without market data there is no number
                yield from self.book(event.instrument).take(event)
