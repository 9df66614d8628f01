"""Two books, one flow: matching beside a price-time book in plain Python; trades and depth must be the same."""

from collections import deque

import numpy as np

from protocols.codes import OutcomeFlag
from protocols.commands import BUY, SELL, cancels, limit_orders
from stages.matching_core import MatchingCore


class PlainBook:
    """Price levels in dicts, orders in queues."""

    def __init__(self):
        self.sides = {BUY: {}, SELL: {}}
        self.places = {}  # order id: side, price
        self.trades = []  # (taker, maker, price, lots)

    def order(self, order_id, side, price, lots):
        """Trade with the best opposite orders, then rest."""
        ours, theirs = self.sides[side], self.sides[3 - side]
        best, sign = (min, 1) if side == BUY else (max, -1)
        while lots and theirs and sign * (level := best(theirs)) <= sign * price:
            maker = theirs[level][0]
            traded = min(lots, maker[1])
            self.trades.append((order_id, maker[0], level, traded))
            maker[1] -= traded
            lots -= traded
            if not maker[1]:
                self.remove(maker[0])
        if lots:
            ours.setdefault(price, deque()).append([order_id, lots])
            self.places[order_id] = side, price

    def remove(self, order_id):
        """Take an order out, if it is there."""
        if order_id in self.places:
            side, price = self.places.pop(order_id)
            left = deque(each for each in self.sides[side][price] if each[0] != order_id)
            self.sides[side][price] = left
            if not left:
                del self.sides[side][price]


rng = np.random.default_rng(7)
count = 20_000
orders = limit_orders(rng.integers(1, 3, count), rng.integers(1, 50, count), rng.integers(90, 111, count))
ids = 1 + np.arange(count)
wants_cancel = rng.random(count) < 0.4
commands = orders.copy()
commands[wants_cancel] = cancels(np.maximum(1, ids - rng.integers(1, 200, count))[wants_cancel])

core, plain = MatchingCore(), PlainBook()
outcomes = core.process(commands)
for order_id, is_cancel, row in zip(ids.tolist(), wants_cancel, commands, strict=True):
    if is_cancel:
        plain.remove(int(row["order_id"]))
    else:
        plain.order(order_id, int(row["side"]), int(row["price_ticks"]), int(row["qty_lots"]))

makers = outcomes[outcomes["flags"] & OutcomeFlag.MAKER != 0]
trades = makers[["input_seq", "order_id", "price_ticks", "qty_lots"]].tolist()
print(f"{len(trades)} trades, the same: {trades == plain.trades}")
for name, side in (("bids", BUY), ("asks", SELL)):
    depth = {price: sum(lots for _, lots in queue) for price, queue in plain.sides[side].items()}
    levels = core.levels(side)
    print(f"{len(levels)} {name}, the same: {dict(levels[['price_ticks', 'qty_lots']].tolist()) == depth}")
