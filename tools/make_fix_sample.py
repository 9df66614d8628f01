"""Write ``samples/orders.fix``: a short trading morning of four firms as a FIX 4.4 log.

Run from the root of the repository: ``python -m tools.make_fix_sample [FILE]``. The output depends on the
constants below alone, byte for byte (a test compares it with the committed file). Prices walk around a
reference per symbol, closely enough that orders trade; about one message in forty is a business error that a
venue must reject: unknown symbol, price off the tick, ClOrdID used before, order that does not exist.
"""

from __future__ import annotations

import sys
from pathlib import Path
from random import Random
from typing import Final

from protocols.fix_text import VENUE_COMP_ID, Field, build_message, to_log, utc_text

SEED: Final = 20260105
MESSAGE_COUNT: Final = 2000
VERSION: Final = "FIX.4.4"
START_NS: Final = 1_767_605_400_000_000_000  # 2026-01-05 09:30:00 UTC
MEAN_GAP_US: Final = 4000
QUIET_MESSAGES: Final = 200  # market orders need a reference price, so none come before these
SESSIONS: Final = ("FIRM1", "FIRM2", "FIRM3", "FIRM4")
REFERENCE_CENTS: Final = {"AAPL": 19000, "MSFT": 42000, "NVDA": 88000, "TSLA": 18000, "AMZN": 18500}

OpenOrder = tuple[str, str, int, str, int, int]  # ClOrdID, symbol, side, account, quantity, price in cents


class Firm:
    """One session: its message numbers, its ClOrdIDs and what it believes to be open."""

    def __init__(self, name: str, accounts: tuple[str, str]) -> None:
        self.name = name
        self.accounts = accounts
        self.msg_seq_num = 0
        self.order_count = 0
        self.open: list[OpenOrder] = []
        self.last_order = ""

    def message(self, msg_type: str, time_ns: int, body: list[Field]) -> bytes:
        """Return the session's next message."""
        self.msg_seq_num += 1
        time_text = utc_text(time_ns)
        header: list[Field] = [
            (35, msg_type),
            (34, self.msg_seq_num),
            (49, self.name),
            (52, time_text),
            (56, VENUE_COMP_ID),
        ]
        if msg_type in "DFG":
            body = [*body, (60, time_text)]
        return build_message(VERSION, header + body)

    def new_id(self) -> str:
        """Return a ClOrdID that the firm has not used before."""
        self.order_count += 1
        return f"{self.name}-{self.order_count:05d}"


def cents(price: int) -> str:
    """Return a price in cents as a decimal."""
    return f"{price // 100}.{price % 100:02d}"


class Morning:
    """The state of the generator: firms, reference prices, the clock."""

    def __init__(self) -> None:
        self.random = Random(SEED)
        self.firms = [Firm(name, (f"ACC{2 * i + 1}", f"ACC{2 * i + 2}")) for i, name in enumerate(SESSIONS)]
        self.reference = dict(REFERENCE_CENTS)
        self.time_ns = START_NS
        self.written = 0

    def lines(self) -> list[bytes]:
        """Return all messages: logons, orders, logouts."""
        out = [firm.message("A", self.time_ns, [(98, 0), (108, 30)]) for firm in self.firms]
        for self.written in range(MESSAGE_COUNT):
            self.time_ns += 1000 * self.random.randrange(1, 2 * MEAN_GAP_US)
            out.append(self.step(self.random.choice(self.firms)))
        out += [firm.message("5", self.time_ns, []) for firm in self.firms]
        return out

    def step(self, firm: Firm) -> bytes:
        """Return the next message of a firm."""
        dice = self.random.random()
        if dice < 0.025:
            return self.mistake(firm)
        if dice < 0.30 and firm.open:
            return self.cancel(firm)
        if dice < 0.42 and firm.open:
            return self.replace(firm)
        return self.new(firm)

    def pick_price(self, symbol: str, side: int) -> int:
        """Return a price in cents, a few cents to either side of a reference that walks."""
        self.reference[symbol] += self.random.randrange(-1, 2)
        passive = -1 if side == 1 else 1
        return self.reference[symbol] + passive * self.random.randrange(-2, 9)

    def new(self, firm: Firm) -> bytes:
        """Return a NewOrderSingle: mostly limit orders for the day, some GTC, IOC, FOK and market."""
        symbol = self.random.choice(sorted(self.reference))
        side = self.random.randrange(1, 3)
        account = self.random.choice(firm.accounts)
        qty = 10 * self.random.randrange(1, 51)
        price = self.pick_price(symbol, side)
        cl_ord_id = firm.last_order = firm.new_id()
        dice = self.random.random()
        if dice < 0.06 and self.written >= QUIET_MESSAGES:
            order: list[Field] = [(40, 1), (59, 3)]
        else:
            tif = 3 if dice < 0.16 else 4 if dice < 0.20 else 1 if dice < 0.35 else 0
            order = [(40, 2), (44, cents(price)), (59, tif)]
            if tif in (0, 1):
                firm.open.append((cl_ord_id, symbol, side, account, qty, price))
        return self.order(firm, cl_ord_id, account, symbol, side, qty, order)

    def order(
        self, firm: Firm, cl_ord_id: str, account: str, symbol: str, side: int, qty: int, rest: list[Field]
    ) -> bytes:
        """Return a NewOrderSingle of these fields."""
        body: list[Field] = [(1, account), (11, cl_ord_id), (55, symbol), (54, side), (38, qty), *rest]
        return firm.message("D", self.time_ns, body)

    def cancel(self, firm: Firm) -> bytes:
        """Return the cancel of an order that the firm believes to be open."""
        orig, symbol, side, account, qty, _ = firm.open.pop(self.random.randrange(len(firm.open)))
        body: list[Field] = [(1, account), (11, firm.new_id()), (41, orig)]
        return firm.message("F", self.time_ns, [*body, (55, symbol), (54, side), (38, qty)])

    def replace(self, firm: Firm) -> bytes:
        """Return a replace: half of them with less quantity at the same price, which keeps the priority."""
        place = self.random.randrange(len(firm.open))
        orig, symbol, side, account, qty, price = firm.open[place]
        if self.random.random() < 0.5 and qty > 10:
            qty -= 10
        else:
            price = self.pick_price(symbol, side)
        cl_ord_id = firm.new_id()
        firm.open[place] = (cl_ord_id, symbol, side, account, qty, price)
        body: list[Field] = [(1, account), (11, cl_ord_id), (41, orig), (55, symbol), (54, side), (38, qty)]
        return firm.message("G", self.time_ns, [*body, (40, 2), (44, cents(price)), (59, 0)])

    def mistake(self, firm: Firm) -> bytes:
        """Return one of the messages that a venue must reject."""
        account, dice = firm.accounts[0], self.random.randrange(4)
        if dice == 0:
            return self.order(firm, firm.new_id(), account, "ZZZZ", 1, 100, [(40, 2), (44, "10.00"), (59, 0)])
        if dice == 1:
            price = cents(self.reference["AAPL"]) + "5"  # half a tick
            return self.order(firm, firm.new_id(), account, "AAPL", 1, 100, [(40, 2), (44, price), (59, 0)])
        if dice == 2 and firm.last_order:
            price = cents(self.reference["MSFT"])
            rest: list[Field] = [(40, 2), (44, price), (59, 0)]
            return self.order(firm, firm.last_order, account, "MSFT", 2, 100, rest)
        body: list[Field] = [(1, account), (11, firm.new_id()), (41, "NOSUCHORDER")]
        return firm.message("F", self.time_ns, [*body, (55, "NVDA"), (54, 1), (38, 100)])


def render() -> bytes:
    """Return the whole file."""
    return b"".join(to_log(message) + b"\n" for message in Morning().lines())


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1] / "samples" / "orders.fix"
    target.write_bytes(render())
