"""Books from market data: three views that follow the feed of a core, and one that joins in the middle."""

import sys

import numpy as np

from protocols.codes import OutcomeType
from protocols.commands import BUY, SELL, book_requests, cancels, limit_orders
from protocols.market_data import MarketData
from stages.matching_core import MatchingCore


def make_flow(count, seed):
    """Return orders around a price, icebergs among them, and cancels."""
    rng = np.random.default_rng(seed)
    orders = limit_orders(
        rng.integers(1, 3, count), qty=rng.integers(5, 50, count), price=rng.integers(95, 106, count),
        display=np.where(rng.random(count) < 0.1, 5, 0),
    )  # fmt: skip
    ends = cancels(rng.integers(1, count, count // 2))
    flow = np.concatenate([orders, ends])
    rng.shuffle(flow)
    return flow


def follow(data, outcomes):
    """Let books follow outcomes; return how many changes there were, and how many of the best prices."""
    changes = best_changes = 0
    best = None
    for event in data.take(outcomes):
        book = data.books[event.instrument]
        changes += event.type == OutcomeType.BOOK and not event.is_snapshot
        now = book.best(BUY), book.best(SELL)
        best_changes += now != best
        best = now
    return changes, best_changes


count = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
core = MatchingCore(market_data=True)
early, late = MarketData(), MarketData(from_start=False)
told = core.process(make_flow(count, 1))
changes, best_changes = follow(early, told)
print(f"{changes} changes of the book, {best_changes} of the best prices")

told = core.process(make_flow(count, 2))  # whoever comes now holds back what it hears …
follow(early, told)
follow(late, told)
print(f"joined: {late.book(1).is_joined}")
told = core.process(book_requests(1))  # … until it has asked for the book
follow(late, told)
told = core.process(make_flow(count, 3))
follow(early, told)
follow(late, told)

book = early.book(1)
print(f"joined: {late.book(1).is_joined}, the same: {book.orders(BUY) == late.book(1).orders(BUY)}")
for level in book.levels(SELL, 3)[::-1] + book.levels(BUY, 3):
    print(f"{level.price_ticks:5} {level.qty_lots:8} lots of {level.order_count} orders")
asks = [tuple(level) for level in core.levels(SELL).tolist()]
print(f"as in the core: {asks == [tuple(level) for level in book.levels(SELL)]}")
