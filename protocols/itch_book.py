"""The displayed book that a Nasdaq ITCH 5.0 file describes, built in plain Python: the oracle of feed replay.

Written to be obviously right, not fast, and to share no code with :mod:`protocols.itch`: one dict of orders,
and a level is the list of its orders in the order in which they came. The file is taken to be well formed;
one that is not raises ``KeyError``, ``IndexError`` or ``struct.error`` somewhere.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["Book", "BookOrder", "build_book", "messages", "open_orders"]

Level = tuple[int, list[tuple[int, int]]]
Book = dict[str, dict[str, list[Level]]]


class BookOrder(NamedTuple):
    """One displayed order; ``side`` is ``"B"`` or ``"S"``."""

    symbol: str
    side: str
    price_e4: int
    shares: int


def messages(path: str | os.PathLike[str]) -> Iterator[bytes]:
    """Yield the messages of a file, without their length, up to the zero length or the end."""
    with open(path, "rb") as file:
        while prefix := file.read(2):
            (length,) = struct.unpack(">H", prefix)
            if length == 0:
                return
            yield file.read(length)


def open_orders(path: str | os.PathLike[str]) -> dict[int, BookOrder]:
    """Return the open orders at the end of a file by reference number, oldest priority first."""
    orders: dict[int, BookOrder] = {}  # a dict keeps the order of insertion, which is time priority
    for message in messages(path):
        kind = message[0:1]
        if kind in (b"A", b"F"):
            ref, side, shares, stock, price = struct.unpack_from(">QcI8sI", message, 11)
            orders[ref] = BookOrder(stock.decode().strip(), side.decode(), price, shares)
        elif kind in (b"E", b"C", b"X"):
            ref, shares = struct.unpack_from(">QI", message, 11)
            left = orders[ref].shares - shares
            if left > 0:
                orders[ref] = orders[ref]._replace(shares=left)  # keeps its place
            else:
                del orders[ref]
        elif kind == b"D":
            (ref,) = struct.unpack_from(">Q", message, 11)
            del orders[ref]
        elif kind == b"U":
            old, new, shares, price = struct.unpack_from(">QQII", message, 11)
            orders[new] = orders.pop(old)._replace(price_e4=price, shares=shares)  # goes to the end
    return orders


def build_book(path: str | os.PathLike[str]) -> Book:
    """Return ``{symbol: {"B": levels, "S": levels}}`` at the end of a file.

    A level is (price in 1e-4, [(reference, shares), ... oldest first]); the best level stands first. Symbols
    without orders are left out.
    """
    book: dict[str, dict[str, dict[int, list[tuple[int, int]]]]] = {}
    for ref, order in open_orders(path).items():
        sides = book.setdefault(order.symbol, {"B": {}, "S": {}})
        sides[order.side].setdefault(order.price_e4, []).append((ref, order.shares))
    return {
        symbol: {
            "B": sorted(sides["B"].items(), reverse=True),
            "S": sorted(sides["S"].items()),
        }
        for symbol, sides in sorted(book.items())
    }
