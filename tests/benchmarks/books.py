"""A plain book that carries out the rows of a flow file: what the answers of peers are held against in tests."""

from __future__ import annotations

from typing import Any

from benchmarks.flow_file import CANCEL, DIGEST_FACTOR, NEW, REDUCE, Answer

WORD = 1 << 64


class PlainBooks:
    """Price-time priority, one order after the other, slow and plain."""

    def __init__(self) -> None:
        self.levels: dict[tuple[int, int], dict[int, list[int]]] = {}  # instrument, side: price: orders
        self.open: dict[int, list[int]] = {}  # order: instrument, side, price, lots
        self.reports = self.trades = self.lots = self.rejects = self.digest = 0

    def place(self, row: int, order: int, where: list[int], rests: bool) -> None:
        """Trade an order, and rest what is left."""
        instrument, side, price, lots = where
        makers = self.levels.setdefault((instrument, 3 - side), {})
        while lots and makers:
            best = min(makers) if side == 1 else max(makers)
            if best > price if side == 1 else best < price:
                break
            maker = makers[best][0]
            traded = min(lots, self.open[maker][3])
            lots -= traded
            self.open[maker][3] -= traded
            if self.open[maker][3] == 0:
                self.take(maker)
            self.reports += 1
            self.trades += 1
            self.lots += traded
            for word in (row, maker, best, traded):
                self.digest = (self.digest * DIGEST_FACTOR + word) % WORD
        if lots and rests:
            self.open[order] = [instrument, side, price, lots]
            self.levels.setdefault((instrument, side), {}).setdefault(price, []).append(order)
        elif lots:
            self.reports += 1

    def take(self, order: int) -> None:
        """Take an order out."""
        instrument, side, price, _ = self.open.pop(order)
        level = self.levels[(instrument, side)][price]
        level.remove(order)
        if not level:
            del self.levels[(instrument, side)][price]

    def run(self, rows: Any) -> Answer:
        """Carry out all rows and return what came of them."""
        for number, (head, order, price, lots, less, _) in enumerate(rows.tolist(), 1):
            kind, where = head & 0xFF, [head >> 32, head >> 8 & 0xFF, price, lots]
            self.reports += 1
            if kind == NEW:
                self.place(number, order, where, head >> 16 & 0xFF == 1)
            elif order not in self.open:
                self.rejects += 1
            elif kind == REDUCE:
                assert self.open[order][2:] == [price, lots + less]
                self.open[order][3] = lots
            else:
                self.take(order)
                if kind != CANCEL:
                    self.place(number, order, where, True)
        digest = self.digest - WORD if self.digest >> 63 else self.digest
        return Answer(
            ns=0, reports=self.reports, trades=self.trades, lots=self.lots, rejects=self.rejects, digest=digest,
            resting_orders=len(self.open), resting_lots=sum(each[3] for each in self.open.values()),
        )  # fmt: skip
