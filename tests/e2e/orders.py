"""Order files made for a test: FIX logs of a few lines or a few hundred."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from protocols.fix_text import build_message, to_log

OPENING = datetime(2026, 1, 5, 9, 30, tzinfo=UTC)
BUY, SELL = "1", "2"
GTC, IOC = "1", "3"


@dataclass(frozen=True)
class Order:
    """A limit order, sent ``at_s`` seconds after the opening."""

    cl_ord_id: str
    side: str = SELL
    qty: int = 10
    price: str = "190.00"
    symbol: str = "AAPL"
    account: str = "ACC1"
    session: str = "MAKER"
    tif: str = GTC
    at_s: float = 0.0

    def message(self, number: int) -> bytes:
        """Return the order as a FIX message of a log."""
        time = (OPENING + timedelta(seconds=self.at_s)).strftime("%Y%m%d-%H:%M:%S.%f")[:-3]
        fields = {
            35: "D", 34: str(number), 49: self.session, 52: time, 56: "RINGMATCH", 1: self.account,
            11: self.cl_ord_id, 55: self.symbol, 54: self.side, 60: time, 38: str(self.qty), 40: "2",
            44: self.price, 59: self.tif,
        }  # fmt: skip
        return to_log(build_message("FIX.4.4", fields.items()))


def write_log(path: Path, orders: Iterable[Order]) -> Path:
    """Write orders as a FIX log and return its path."""
    path.write_bytes(
        b"\n".join(order.message(number) for number, order in enumerate(orders, start=1)) + b"\n"
    )
    return path
