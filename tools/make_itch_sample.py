"""Make ``samples/sample.itch``: a short, made-up trading day of three test symbols in Nasdaq ITCH 5.0.

Run from the root of the repository: ``python -m tools.make_itch_sample [FILE]``. The output depends on the
constants below alone, byte for byte (a test compares it with the committed file). Every message type of ITCH
5.0 occurs; the book is crossed before the opening cross; executions hit orders anywhere in their level; some
are at other prices (C); orders are partly cancelled, deleted and replaced; the day ends with the end of
messages.
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path
from typing import Final, NamedTuple

__all__ = ["make"]

SYMBOLS: Final = {1: ("ZVZZT", 100_000), 2: ("ZWZZT", 253_500), 3: ("ZXZZT", 1_875_000)}  # price in 1e-4
DAY_MESSAGES: Final = 19_600
PRE_OPEN_MESSAGES: Final = 1_500
START_NS: Final = 3 * 3600 * 10**9
OPEN_NS: Final = (9 * 3600 + 30 * 60) * 10**9
CLOSE_NS: Final = 16 * 3600 * 10**9
MAX_LIVE: Final = 900


class Order(NamedTuple):
    """One displayed order."""

    locate: int
    side: bytes
    price: int
    shares: int


class Chance:
    """A 64-bit linear congruential generator (Knuth's MMIX constants)."""

    def __init__(self, seed: int) -> None:
        self.state = seed

    def below(self, limit: int) -> int:
        """Return an integer from 0 to ``limit`` - 1."""
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 33) * limit >> 31


class Day:
    """The feed as it is written: the bytes, the live orders, and the time."""

    def __init__(self, seed: int) -> None:
        self.chance = Chance(seed)
        self.parts: list[bytes] = []
        self.orders: dict[int, Order] = {}
        self.mids = {locate: price for locate, (_, price) in SYMBOLS.items()}
        self.now_ns = START_NS
        self.last_ref = 0
        self.last_match = 0

    def send(self, kind: str, locate: int, body: bytes) -> None:
        """Append one message."""
        header = struct.pack(">cHHHI", kind.encode(), locate, 0, self.now_ns >> 32, self.now_ns & 0xFFFFFFFF)
        self.parts.append(struct.pack(">H", len(header) + len(body)) + header + body)

    def stock(self, locate: int) -> bytes:
        """Return a symbol as a message holds it."""
        return SYMBOLS[locate][0].ljust(8).encode()

    def next_ref(self) -> int:
        """Return a new reference number."""
        self.last_ref += 1 + self.chance.below(3)
        return self.last_ref

    def next_match(self) -> int:
        """Return a new match number."""
        self.last_match += 1 + self.chance.below(2)
        return self.last_match

    def event(self, code: str) -> None:
        """Send a system event."""
        self.send("S", 0, code.encode())

    def price(self, locate: int, side: bytes, crossed: bool) -> int:
        """Choose a price near the middle; on the own side of it unless ``crossed``."""
        distance = 100 * (1 + self.chance.below(12)) + (self.chance.below(4) == 0) * self.chance.below(100)
        if crossed and self.chance.below(3) == 0:
            distance = -distance
        return self.mids[locate] - distance if side == b"B" else self.mids[locate] + distance

    def add(self, crossed: bool = False) -> None:
        """Send A or F."""
        locate = 1 + self.chance.below(len(SYMBOLS))
        side = b"B" if self.chance.below(2) else b"S"
        shares = 100 * (1 + self.chance.below(9)) if self.chance.below(4) else 1 + self.chance.below(250)
        order = Order(locate, side, self.price(locate, side, crossed), shares)
        ref = self.next_ref()
        self.orders[ref] = order
        body = struct.pack(">QcI8sI", ref, side, shares, self.stock(locate), order.price)
        if self.chance.below(5) == 0:
            self.send("F", locate, body + b"RMTH")
        else:
            self.send("A", locate, body)

    def pick(self) -> int:
        """Choose a live order."""
        return list(self.orders)[self.chance.below(len(self.orders))]

    def take(self, ref: int, shares: int) -> None:
        """Take shares out of an order."""
        order = self.orders[ref]
        if shares == order.shares:
            del self.orders[ref]
        else:
            self.orders[ref] = order._replace(shares=order.shares - shares)

    def best(self) -> int:
        """Choose an order at the best price of a random book side, not always the first there."""
        chosen = self.orders[self.pick()]
        same = [ref for ref, o in self.orders.items() if (o.locate, o.side) == (chosen.locate, chosen.side)]
        prices = [self.orders[ref].price for ref in same]
        best = max(prices) if chosen.side == b"B" else min(prices)
        level = [ref for ref in same if self.orders[ref].price == best]
        return level[self.chance.below(min(3, len(level)))]

    def execute(self) -> None:
        """Send E, or now and then C at another price."""
        ref = self.best() if self.chance.below(10) else self.pick()
        order = self.orders[ref]
        shares = order.shares if self.chance.below(2) else 1 + self.chance.below(order.shares)
        body = struct.pack(">QIQ", ref, shares, self.next_match())
        if self.chance.below(6) == 0:
            price = order.price + 100 * (self.chance.below(5) - 2)
            self.send("C", order.locate, body + struct.pack(">cI", b"YN"[self.chance.below(2) :][:1], price))
        else:
            self.send("E", order.locate, body)
        self.take(ref, shares)

    def cancel(self) -> None:
        """Send X."""
        ref = self.pick()
        order = self.orders[ref]
        if order.shares == 1:
            self.delete(ref)
            return
        shares = 1 + self.chance.below(order.shares - 1)
        self.send("X", order.locate, struct.pack(">QI", ref, shares))
        self.take(ref, shares)

    def delete(self, ref: int) -> None:
        """Send D."""
        self.send("D", self.orders[ref].locate, struct.pack(">Q", ref))
        del self.orders[ref]

    def replace(self) -> None:
        """Send U."""
        old = self.pick()
        order = self.orders.pop(old)
        new = self.next_ref()
        price = order.price if self.chance.below(3) == 0 else self.price(order.locate, order.side, False)
        shares = 100 * (1 + self.chance.below(9))
        self.orders[new] = order._replace(price=price, shares=shares)
        self.send("U", order.locate, struct.pack(">QQII", old, new, shares, price))

    def directory(self) -> None:
        """Send what describes the stocks before the day begins."""
        for locate in SYMBOLS:
            stock = self.stock(locate)
            self.send("R", locate, stock + b"QN" + struct.pack(">I", 100) + b"NCZ TNN1N" + bytes(4) + b"N")
        for locate in SYMBOLS:
            stock = self.stock(locate)
            self.send("H", locate, stock + b"T" + b" " * 5)
            self.send("Y", locate, stock + b"0")
            self.send("L", locate, b"RMTH" + stock + b"YNA")
            self.send("h", locate, stock + b"QT")
        self.send("V", 0, struct.pack(">QQQ", 372_000_000_000, 348_000_000_000, 320_000_000_000))
        self.send("K", 3, self.stock(3) + struct.pack(">IcI", 34_200, b"A", 1_875_000))
        self.send("J", 1, self.stock(1) + struct.pack(">IIII", 100_000, 110_000, 90_000, 1))
        prices = struct.pack(">IIIQII", 1, 2_000_000, 253_500, OPEN_NS, 1, 2_000_000)
        self.send("O", 2, self.stock(2) + b"Y" + prices)

    def noise(self) -> None:
        """Send a message that changes no displayed order."""
        locate = 1 + self.chance.below(len(SYMBOLS))
        stock, mid = self.stock(locate), self.mids[locate]
        choice = self.chance.below(8)
        if choice < 4:  # a trade against an order that was not displayed
            self.send("P", locate, struct.pack(">QcI8sIQ", 0, b"B", 100, stock, mid, self.next_match()))
        elif choice < 6:
            prices = struct.pack(">IIIcc", mid, mid, mid, b"O", b" ")
            self.send("I", locate, struct.pack(">QQc8s", 500, 200, b"B", stock) + prices)
        elif choice < 7:
            self.send("N", locate, stock + b"A")
        else:
            self.send("B", locate, struct.pack(">Q", self.last_match))

    def cross(self, kind: bytes) -> None:
        """Execute what is crossed, in price-time order, and send the cross trade of each stock."""
        for locate in SYMBOLS:
            while True:
                bids = [(-o.price, ref) for ref, o in self.orders.items() if o[:2] == (locate, b"B")]
                asks = [(o.price, ref) for ref, o in self.orders.items() if o[:2] == (locate, b"S")]
                if not bids or not asks or -min(bids)[0] < min(asks)[0]:
                    break
                bid, ask = min(bids)[1], min(asks)[1]
                shares = min(self.orders[bid].shares, self.orders[ask].shares)
                for ref in (bid, ask):
                    body = struct.pack(">QIQcI", ref, shares, self.next_match(), b"N", self.mids[locate])
                    self.send("C", locate, body)
                    self.take(ref, shares)
            body = struct.pack(">Q8sI", 1000, self.stock(locate), self.mids[locate])
            self.send("Q", locate, body + struct.pack(">Qc", self.next_match(), kind))

    def step(self) -> None:
        """Send one message of continuous trading."""
        locate = 1 + self.chance.below(len(SYMBOLS))
        self.mids[locate] += 100 * (self.chance.below(3) - 1)
        choice = self.chance.below(1000)
        if not self.orders or (choice < 440 and len(self.orders) < MAX_LIVE):
            self.add()
        elif choice < 540:
            self.execute()
        elif choice < 600:
            self.cancel()
        elif choice < 700:
            self.replace()
        elif choice < 980:
            self.delete(self.pick())
        else:
            self.noise()


def make(seed: int = 20261122) -> bytes:
    """Return the sample file."""
    day = Day(seed)
    day.event("O")
    day.directory()
    day.event("S")
    for index in range(PRE_OPEN_MESSAGES):
        day.now_ns = START_NS + (OPEN_NS - START_NS) * (index + 1) // (PRE_OPEN_MESSAGES + 1)
        if day.chance.below(5) or not day.orders:
            day.add(crossed=True)
        else:
            day.delete(day.pick())
    day.now_ns = OPEN_NS
    day.event("Q")
    day.cross(b"O")
    for index in range(DAY_MESSAGES - len(day.parts)):
        day.now_ns = OPEN_NS + (CLOSE_NS - OPEN_NS) * index // DAY_MESSAGES + day.chance.below(1000)
        if index == DAY_MESSAGES // 2:
            day.send("W", 0, b"1")
        day.step()
    day.now_ns = CLOSE_NS
    day.event("M")
    day.cross(b"C")
    day.event("E")
    day.event("C")
    return b"".join(day.parts) + b"\0\0"


if __name__ == "__main__":
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "samples/sample.itch")
    target.write_bytes(make())
    print(f"{target}: {target.stat().st_size} bytes")
