"""Make ``samples/orders.rmb``: some five thousand binary records of three sessions, a few of them wrong.

Run from the root of the repository: ``python -m tools.make_binary_sample [FILE]``. The output depends on the
constants below alone, byte for byte (a test compares it with the committed file). Half of the records are new
orders (limit, some IOC and FOK, a few market), then cancels, replaces and a few reduces of a session's own
orders; now and then a business error that the venue must reject: a price off the tick, an unknown symbol, a
ClOrdID used before.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final, NamedTuple

from protocols.binary import BinaryWriter
from protocols.codes import Kind, OrdType, Side, Tif

__all__ = ["make"]

RECORDS: Final = 5_000
SESSIONS: Final = ("BIN1", "BIN2", "BIN3")
ACCOUNTS: Final = tuple(f"ACC{number}" for number in range(1, 9))
SYMBOLS: Final = {"AAPL": 19_000, "MSFT": 42_000, "NVDA": 88_000, "TSLA": 18_000, "AMZN": 18_500}  # cents
START_NS: Final = 1_795_444_200_000_000_000  # 2026-11-23 14:30:00 UTC
WARM_UP_ORDERS: Final = 100  # believed open before anything is cancelled
MAX_WORKING: Final = 400


class Working(NamedTuple):
    """An order that a session believes to be open."""

    session: str
    cl_ord_id: str
    symbol: str
    account: str
    side: Side
    qty: int


class Chance:
    """A 64-bit linear congruential generator (Knuth's MMIX constants)."""

    def __init__(self, seed: int) -> None:
        self.state = seed

    def below(self, limit: int) -> int:
        """Return an integer from 0 to ``limit`` - 1."""
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 33) * limit >> 31


class Desk:
    """Three sessions' order entry, written record by record."""

    def __init__(self, writer: BinaryWriter, seed: int) -> None:
        self.writer = writer
        self.chance = Chance(seed)
        self.working: list[Working] = []
        self.counts = dict.fromkeys(SESSIONS, 0)
        self.middle = dict(SYMBOLS)
        self.now_ns = START_NS

    def next_id(self, session: str) -> str:
        """Return a new ClOrdID of a session."""
        self.counts[session] += 1
        return f"{session[-1]}-{self.counts[session]:06d}"

    def price(self, symbol: str, side: Side, reach: int) -> str:
        """Return a price up to 12 cents off the middle, or ``reach`` cents beyond it."""
        distance = self.chance.below(12 + reach) + 1 - reach
        cents = self.middle[symbol] + (-distance if side is Side.BUY else distance)
        return f"{cents // 100}.{cents % 100:02d}"

    def new(self) -> None:
        """Write a new order."""
        session = SESSIONS[self.chance.below(3)]
        symbol = list(SYMBOLS)[self.chance.below(5)]
        side = Side.BUY if self.chance.below(2) else Side.SELL
        order = Working(
            session,
            self.next_id(session),
            symbol,
            ACCOUNTS[self.chance.below(8)],
            side,
            1 + self.chance.below(200),
        )
        style = self.chance.below(100)
        if style < 3:
            ord_type, tif, price = OrdType.MARKET, Tif.IOC, "0"
        elif style < 15:
            ord_type, tif, price = OrdType.LIMIT, Tif.IOC, self.price(symbol, side, 4)
        elif style < 18:
            ord_type, tif, price = OrdType.LIMIT, Tif.FOK, self.price(symbol, side, 4)
        else:
            ord_type, tif = OrdType.LIMIT, Tif.DAY if style < 40 else Tif.GTC
            price = self.price(symbol, side, 1)
            self.working.append(order)
        self.write(Kind.NEW, order, order.cl_ord_id, ord_type, tif, price, order.qty)

    def wrong(self) -> None:
        """Write a new order that the venue must reject."""
        session = SESSIONS[self.chance.below(3)]
        order = Working(session, self.next_id(session), "AAPL", ACCOUNTS[self.chance.below(8)], Side.BUY, 10)
        price = "189.985"
        mistake = self.chance.below(3)
        if mistake == 1:
            order, price = order._replace(symbol="NOPE"), "10.00"
        elif mistake == 2:
            order, price = order._replace(cl_ord_id=f"{session[-1]}-000001"), "189.90"
        self.write(Kind.NEW, order, order.cl_ord_id, OrdType.LIMIT, Tif.GTC, price, order.qty)

    def change(self, kind: Kind) -> None:
        """Write a cancel, replace or reduce of an order that is believed open."""
        index = self.chance.below(len(self.working))
        order = self.working[index]
        new_id = self.next_id(order.session)
        if kind is Kind.CANCEL:
            self.write(kind, order, new_id, 0, 0, "0", 0, order.cl_ord_id)
            self.working[index] = self.working[-1]
            self.working.pop()
        elif kind is Kind.REDUCE:
            self.write(kind, order, new_id, 0, 0, "0", 1 + self.chance.below(10), order.cl_ord_id)
        else:
            qty = 1 + self.chance.below(200)
            price = self.price(order.symbol, order.side, 1)
            self.write(kind, order, new_id, OrdType.LIMIT, Tif.GTC, price, qty, order.cl_ord_id)
            self.working[index] = order._replace(cl_ord_id=new_id, qty=qty)

    def write(
        self,
        kind: Kind,
        order: Working,
        cl_ord_id: str,
        ord_type: int,
        tif: int,
        price: str,
        qty: int,
        orig_cl_ord_id: str = "",
    ) -> None:
        """Write one record about an order."""
        self.writer.write(
            kind=kind,
            session=order.session,
            cl_ord_id=cl_ord_id,
            orig_cl_ord_id=orig_cl_ord_id,
            symbol=order.symbol,
            account=order.account,
            side=order.side,
            ord_type=ord_type,
            tif=tif,
            price=price,
            qty=str(qty),
            time_ns=self.now_ns,
        )

    def step(self) -> None:
        """Write one record: 50 new, 40 cancel, 8 replace, 2 reduce in a hundred."""
        self.now_ns += 20_000 + self.chance.below(400_000)
        symbol = list(SYMBOLS)[self.chance.below(5)]
        move = self.chance.below(8)
        self.middle[symbol] += (move == 0) - (move == 1)
        choice = self.chance.below(1000)
        if choice < 8:
            self.wrong()
        elif len(self.working) < WARM_UP_ORDERS or (choice < 485 and len(self.working) < MAX_WORKING):
            self.new()
        elif choice < 900:
            self.change(Kind.CANCEL)
        elif choice < 980:
            self.change(Kind.REPLACE)
        else:
            self.change(Kind.REDUCE)


def make(path: str, seed: int = 20261122) -> None:
    """Write the sample file."""
    with BinaryWriter(path, created_ns=START_NS) as writer:
        desk = Desk(writer, seed)
        for _ in range(RECORDS):
            desk.step()


if __name__ == "__main__":
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "samples/orders.rmb")
    make(str(target))
    print(f"{target}: {target.stat().st_size} bytes")
