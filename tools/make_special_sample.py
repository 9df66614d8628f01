"""Write ``samples/special.fix``: every special order and request that FIX can say here, one after the other.

A log as a person would write it to try things: lines without a message say what comes next, and are passed over.
Played into a venue that has just started with its defaults, it gives the outcomes that tests/e2e/test_special_orders.py
holds it to. Times are fixed and no chance is involved: the same file every time.
"""

from __future__ import annotations

import sys
from pathlib import Path

from protocols.fix_text import VENUE_COMP_ID, Field, build_message, to_log, utc_text

__all__ = ["make"]

START_NS = 1_767_605_400_000_000_000  # 2026-01-05 09:30:00 UTC
STEP_NS = 1_000_000
NEVER = "21000101-00:00:00"
BUY, SELL = 1, 2


class Log:
    """Collects lines; each message is a millisecond after the one before."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self._count = 0

    def say(self, text: str) -> None:
        """Add a line that is no message."""
        self.lines.append(f"# {text}".encode())

    def send(self, session: str, msg_type: str, *fields: Field) -> None:
        """Add a message."""
        self._count += 1
        time_text = utc_text(START_NS + self._count * STEP_NS)
        header: list[Field] = [
            (35, msg_type),
            (34, self._count),
            (49, session),
            (52, time_text),
            (56, VENUE_COMP_ID),
        ]
        body = sorted([*fields, (60, time_text)], key=lambda field: field[0])
        self.lines.append(to_log(build_message("FIX.4.4", [*header, *body])))

    def new(
        self, session: str, cl_ord_id: str, side: int, qty: int, price: str | None, *fields: Field
    ) -> None:
        """Add a NewOrderSingle: a limit order in AAPL with GTC unless ``fields`` say otherwise."""
        tags = {tag for tag, _ in fields}
        account = "ACC1" if session == "FIRM1" else "ACC2"
        defaults: list[Field] = [(40, 2), (55, "AAPL"), (59, 1), (1, account)]
        own: list[Field] = [(11, cl_ord_id), (38, qty), (44, price), (54, side), *fields]
        self.send(session, "D", *own, *(field for field in defaults if field[0] not in tags))


def make(path: str) -> None:
    """Write the sample file."""
    log = Log()
    log.say("A trade at 190.00, so that stops have a last trade price to look at")
    log.new("FIRM1", "S-1", SELL, 10, "190.00")
    log.new("FIRM2", "B-1", BUY, 10, "190.00")
    log.say(
        "An iceberg: 100 to sell, 20 of them shown; a buy of 30 meets what is shown and what comes after it"
    )
    log.new("FIRM1", "ICE", SELL, 100, "190.10", (111, 20))
    log.new("FIRM2", "B-2", BUY, 30, "190.10", (59, 3))
    log.say(
        "A stop to buy at 190.20, a stop limit and a trailing stop to sell; OrderStatusRequest of the stop"
    )
    log.new("FIRM2", "STOP", BUY, 5, None, (40, 3), (99, "190.20"))
    log.new("FIRM2", "STOPLIM", SELL, 5, "189.00", (40, 4), (99, "189.50"))
    log.new("FIRM2", "TRAIL", SELL, 5, None, (40, "P"), (18, "a"), (211, "-0.50"))
    log.send("FIRM2", "H", (11, "STOP"), (54, BUY), (55, "AAPL"), (790, "ASK-1"))
    log.say("The stop comes down to 190.15, and a trade there elects it")
    replace: list[Field] = [(11, "STOP-2"), (41, "STOP"), (38, 5), (40, 3), (54, BUY), (55, "AAPL"), (59, 1)]
    log.send("FIRM2", "G", *replace, (99, "190.15"))
    log.new("FIRM1", "S-2", SELL, 20, "190.15")
    log.new("FIRM2", "B-3", BUY, 75, "190.15", (59, 3))
    log.say("Post-only: the first is rejected, the second takes the price one tick short")
    log.new("FIRM2", "POST-1", BUY, 5, "190.15", (18, 6))
    log.new("FIRM2", "POST-2", BUY, 5, "190.15", (18, 6), (9479, "P"))
    log.say("Minimum quantity that is not there")
    log.new("FIRM2", "MIN", BUY, 100, "190.15", (59, 3), (110, 50))
    log.say(
        "Self-trade prevention: of two orders of group 7 the resting one is cancelled, then both are decremented"
    )
    log.new("FIRM1", "OWN-1", SELL, 5, "420.00", (55, "MSFT"), (2362, 7), (2964, 2))
    log.new("FIRM1", "OWN-2", BUY, 8, "420.00", (55, "MSFT"), (2362, 7), (2964, 2))
    log.new("FIRM1", "OWN-3", SELL, 3, "420.00", (55, "MSFT"), (7928, 7), (2964, 4))
    log.say("Good till date: far away, and gone by")
    log.new("FIRM1", "GTD-1", BUY, 1, "180.00", (59, 6), (126, NEVER))
    log.new("FIRM1", "GTD-2", BUY, 1, "180.00", (59, 6), (126, "20260105-00:00:00"))
    log.say("Mass cancel: of a symbol that nobody knows, of one's sells, of everything")
    log.send("FIRM1", "q", (11, "M-1"), (530, 1), (55, "NOPE"))
    log.send("FIRM1", "q", (11, "M-2"), (530, 1), (55, "AAPL"), (54, SELL))
    log.send("FIRM1", "q", (11, "M-3"), (530, 7))
    log.send("FIRM2", "q", (11, "M-1"), (530, 7))
    Path(path).write_bytes(b"\n".join(log.lines) + b"\n")


if __name__ == "__main__":
    target = sys.argv[1] if len(sys.argv) > 1 else "samples/special.fix"
    make(target)
    print(f"{target}: {Path(target).stat().st_size} bytes")
