"""The book of the package ``akhil4n-orderbook``, pure Python, as a peer of benchmarks/matching.py.

``python peer.py FLOW COUNT CORE`` loads a flow file (benchmarks/flow_file.py), answers ``ready``, and then each
line ``run`` by ``ok {...}``. A run makes the books anew, sends the rows before the clock starts, and times COUNT
more. Reports of four words are kept in a list: there is no second thread that could read them beside this one, so
nothing is handed over, which is less than the others do; they are added up when the clock has stopped.

Prices are ints, which the book takes as they are. An IOC order is an order whose rest is cancelled; a replace is a
cancel and a new order; fewer lots at the same price, which the book does not know, are taken from the order and its
level directly.
"""

import array
import gc
import json
import os
import sys
import time

sys.path.insert(0, "lib")
from orderbook import Order, OrderBook, OrderSide

MAGIC = 0x574F4C46474E4952
ROW_WORDS = 6
NEW, CANCEL, REPLACE = 1, 2, 3
ACCEPTED, TRADED, REST, CANCELLED, REPLACED, REJECTED = 1, 2, 3, 4, 5, 6
DIGEST_FACTOR = 1_000_003
WORD = 1 << 64


def load(path, count):
    """Return prefill, instruments and the rows of a flow as tuples."""
    words = array.array("q")
    with open(path, "rb") as file:
        words.frombytes(file.read())
    magic, rows, prefill, instruments = words[:4]
    if magic != MAGIC:
        raise SystemExit("expected a flow file")
    flow = []
    for at in range(ROW_WORDS, (min(rows, prefill + count) + 1) * ROW_WORDS, ROW_WORDS):
        head, order, price, qty, less, _ = words[at : at + ROW_WORDS]
        side = OrderSide.BID if head >> 8 & 0xFF == 1 else OrderSide.ASK
        flow.append((head & 0xFF, side, head >> 16 & 0xFF == 1, (head >> 32) - 1, order, price, qty, less))
    return prefill, instruments, flow


class Books:
    """The books of all instruments, and which of our numbers is which of their orders."""

    def __init__(self, instruments):
        self.books = [OrderBook() for _ in range(instruments)]
        self.orders = {}
        self.numbers = {}
        self.reports = []

    def place(self, book, row, side, rests, number, price, qty):
        """Send an order and report its trades, and its rest if it may not rest."""
        order = Order(side, price, qty)
        self.orders[number] = order
        self.numbers[order.order_id] = number
        book.add_limit_order(order)
        if book.trade_log:
            for trade in book.trade_log:
                maker = self.numbers[trade.filler_id]
                self.reports.append((TRADED | row << 8, maker, trade.price, trade.quantity_filled))
            book.trade_log.clear()
        if not rests and order.remaining_quantity:
            book.cancel_order(order.order_id)
            self.reports.append((REST | row << 8, number, 0, order.remaining_quantity))

    def send(self, rows, first):
        """Carry out commands."""
        for row, (kind, side, rests, instrument, number, price, qty, less) in enumerate(rows, first):
            book = self.books[instrument]
            if kind == NEW:
                self.reports.append((ACCEPTED | row << 8, number, price, qty))
                self.place(book, row, side, rests, number, price, qty)
                continue
            order = self.orders.get(number)
            if kind == CANCEL:
                done = order is not None and book.cancel_order(order.order_id)
                self.reports.append(((CANCELLED if done else REJECTED) | row << 8, number, 0, 0))
            elif kind == REPLACE:
                if order is not None and book.cancel_order(order.order_id):
                    self.reports.append((REPLACED | row << 8, number, price, qty))
                    self.place(book, row, side, rests, number, price, qty)
                else:
                    self.reports.append((REJECTED | row << 8, number, 0, 0))
            elif order is not None and order.order_id in book.orders:
                order.remaining_quantity -= less
                book.orders[order.order_id][0].total_quantity -= less
                self.reports.append((REPLACED | row << 8, number, price, qty))
            else:
                self.reports.append((REJECTED | row << 8, number, 0, 0))


def run(prefill, instruments, flow):
    """Carry out a flow and return what came of it."""
    books = Books(instruments)
    gc.collect()
    books.send(flow[:prefill], 1)
    start_ns = time.perf_counter_ns()
    books.send(flow[prefill:], prefill + 1)
    spent_ns = time.perf_counter_ns() - start_ns
    trades = lots = rejects = digest = 0
    for head, order, price, qty in books.reports:
        if head & 0xFF == TRADED:
            trades += 1
            lots += qty
            for word in (head >> 8, order, price, qty):
                digest = (digest * DIGEST_FACTOR + word) % WORD
        elif head & 0xFF == REJECTED:
            rejects += 1
    left = [order.remaining_quantity for book in books.books for _, order in book.orders.values()]
    return {
        "ns": spent_ns,
        "reports": len(books.reports),
        "trades": trades,
        "lots": lots,
        "rejects": rejects,
        "digest": digest - WORD if digest >> 63 else digest,
        "resting_orders": len(left),
        "resting_lots": sum(left),
    }


def main():
    """Serve runs until stdin ends."""
    os.sched_setaffinity(0, {int(sys.argv[3])})
    prefill, instruments, flow = load(sys.argv[1], int(sys.argv[2]))
    print("ready", flush=True)
    for line in sys.stdin:
        if line.strip() == "run":
            print("ok", json.dumps(run(prefill, instruments, flow)), flush=True)
        else:
            print(f"error expected run, was {line.strip()}", flush=True)


main()
