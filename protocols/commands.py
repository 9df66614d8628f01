"""Commands by the array: for people who drive a core from Python, without a gateway.

Each function returns an array of ``layouts.COMMAND``, one row a command, from numbers or columns of numbers that
are broadcast against each other::

    limit_orders(BUY, 10, np.arange(95, 100))        # five bids
    cancels([1, 2, 3])

Prices are ticks, quantities lots, times nanoseconds. The rows have no sequence yet: the core that takes them gives it,
and the id of an order is the sequence of its command. Join arrays with ``np.concatenate``.

What a new order may have beside side, quantity and price (:data:`TERMS`), each a number or a column:

============== ==================================================================================
instrument     1 unless given
account        1 unless given; a core without risk only echoes it, and mass cancels filter by it
session        1 unless given; requests reach the orders of their own session
tif            codes.Tif: GTC unless given, GTD with expires_ns, IOC for market orders
cl             the ClOrdID, a text or a list of texts; empty unless given
display        shows that many lots of an iceberg
minimum        trades at least that many lots at once, or nothing
expires_ns     the order ends when time reaches this
group          self-trade group, with ``self_trade`` (codes.SelfTradeMode, NEWEST unless given)
post_only      rejected where it would trade
reprice        one tick away from where it would trade
book_only      rests without trading, even if the book is then crossed
time_ns        when the command comes; 0 for "now", the time of the command before
============== ==================================================================================

Failure modes: a column that does not exist, or does not fit, is a ValueError or TypeError that names it. Whether a
price or a quantity makes sense is decided by the core, with a reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from protocols.codes import FLAG_STP_SHIFT, CommandFlag, Kind, OrdType, SelfTradeMode, Side, Tif
from protocols.layouts import COMMAND
from protocols.text import TEXT_BYTES

__all__ = [
    "BUY",
    "SELL",
    "TERMS",
    "book_requests",
    "cancels",
    "limit_orders",
    "make_commands",
    "market_orders",
    "mass_cancel",
    "protect_market",
    "reduces",
    "replaces",
    "session_close",
    "status_requests",
    "stop_orders",
    "tick",
    "trailing_stops",
]

BUY: Final = Side.BUY
SELL: Final = Side.SELL

# Which field of a command a term fills (protocols.layouts: "How a NEW uses the fields ...").
TERMS: Final = {
    "instrument": "instrument",
    "account": "account",
    "session": "session",
    "tif": "tif",
    "time_ns": "time_ns",
    "display": "order_id",
    "minimum": "orig0",
    "expires_ns": "aux1",
    "group": "orig2",
}
SWITCHES: Final = {
    "post_only": CommandFlag.POST_ONLY,
    "reprice": CommandFlag.POST_REPRICE,
    "book_only": CommandFlag.BOOK_ONLY,
}
DEFAULTS: Final = {"instrument": 1, "account": 1, "session": 1, "tif": int(Tif.GTC)}
TEXT = np.dtype([("0", "<i8"), ("1", "<i8"), ("2", "<i4")])


def make_commands(
    kind: int, *, cl: str | Sequence[str] = "", orig: str | Sequence[str] = "", **columns: Any
) -> Any:
    """Return commands of a kind from columns named as the fields of ``layouts.COMMAND``; the rest is 0."""
    known = COMMAND.names or ()
    for name in columns:
        if name not in known:
            raise TypeError(f"expected fields of a command, was {name!r}")
    texts = {name: _pack_texts(name, given) for name, given in (("cl", cl), ("orig", orig)) if given}
    columns = {name: np.asarray(column) for name, column in columns.items()}
    try:
        shape = np.broadcast_shapes((1,), *(column.shape for column in [*columns.values(), *texts.values()]))
    except ValueError as error:
        sizes = {name: column.shape for name, column in [*columns.items(), *texts.items()]}
        raise ValueError(f"expected columns of one length, was {sizes}") from error
    if len(shape) != 1:
        raise ValueError(f"expected columns of one dimension, was {len(shape)}")
    commands = np.zeros(shape, dtype=COMMAND)
    commands["kind"] = kind
    for name, packed in texts.items():
        for word in ("0", "1", "2"):
            commands[f"{name}{word}"] = packed[word]
    for name, column in columns.items():
        commands[name] = _checked(name, column)
    return commands


def _pack_texts(name: str, given: str | Sequence[str]) -> Any:
    """Return texts as the three integers of :mod:`protocols.text`."""
    texts = [given] if isinstance(given, str) else list(given)
    for text in texts:
        if len(text) > TEXT_BYTES or not text.isascii() or not text.isprintable():
            raise ValueError(
                f"{name}: expected at most {TEXT_BYTES} printable ASCII characters, was {text!r}"
            )
    return np.array(texts, dtype=f"S{TEXT_BYTES}").view(TEXT)


def _checked(name: str, column: Any) -> Any:
    """Return a column that fits into its field: whole numbers within its range."""
    if not column.size:
        return column.astype(np.int64)
    if column.dtype.kind not in "iub":
        raise ValueError(f"{name}: expected whole numbers, was {column.dtype}")
    assert COMMAND.fields is not None
    room = np.iinfo(COMMAND.fields[name][0])
    if column.min() < room.min or column.max() > room.max:
        raise ValueError(f"{name}: expected {room.min} to {room.max}, was {column.min()} to {column.max()}")
    return column


def _new(ord_type: Any, side: Any, qty: Any, terms: Mapping[str, Any], **columns: Any) -> Any:
    """Return new orders: their terms become fields and flags."""
    columns.update(DEFAULTS, ord_type=ord_type, side=side, qty_lots=qty)
    columns["flags"] = np.asarray(0)
    if "expires_ns" in terms:
        columns["tif"] = Tif.GTD
    for term, value in terms.items():
        if term in TERMS:
            columns[TERMS[term]] = value
        elif term in SWITCHES:
            columns["flags"] = columns["flags"] | np.asarray(value, dtype=bool) * int(SWITCHES[term])
        elif term not in ("cl", "self_trade"):
            raise TypeError(
                f"expected one of {', '.join([*TERMS, *SWITCHES, 'cl', 'self_trade'])}, was {term!r}"
            )
    if "group" in terms:
        mode = np.asarray(terms.get("self_trade", SelfTradeMode.NEWEST))
        columns["flags"] = columns["flags"] | np.where(
            np.asarray(terms["group"]) != 0, mode << FLAG_STP_SHIFT, 0
        )
    return make_commands(Kind.NEW, cl=terms.get("cl", ""), **columns)


def limit_orders(side: Any, qty: Any, price: Any, **terms: Any) -> Any:
    """Return new limit orders."""
    return _new(OrdType.LIMIT, side, qty, terms, price_ticks=price)


def market_orders(side: Any, qty: Any, **terms: Any) -> Any:
    """Return new market orders."""
    return _new(OrdType.MARKET, side, qty, {"tif": Tif.IOC, **terms})


def stop_orders(side: Any, qty: Any, stop: Any, price: Any = None, **terms: Any) -> Any:
    """Return new stop orders, elected at ``stop``; with a price they are stop limit orders."""
    if price is None:
        return _new(OrdType.STOP, side, qty, terms, aux0=stop)
    return _new(OrdType.STOP_LIMIT, side, qty, terms, aux0=stop, price_ticks=price)


def trailing_stops(side: Any, qty: Any, distance: Any, **terms: Any) -> Any:
    """Return new stop orders that follow the last trade price at a distance."""
    return _new(OrdType.TRAILING_STOP, side, qty, terms, aux0=distance)


def _request(kind: Kind, order_id: Any, given: Mapping[str, Any], **columns: Any) -> Any:
    return make_commands(kind, order_id=order_id, **{"session": 1, **columns, **given})


def cancels(order_id: Any, **columns: Any) -> Any:
    """Return cancels of orders, by their ids."""
    return _request(Kind.CANCEL, order_id, columns)


def reduces(order_id: Any, qty: Any, **columns: Any) -> Any:
    """Return requests to take lots off orders, which keep their places."""
    return _request(Kind.REDUCE, order_id, columns, qty_lots=qty)


def replaces(order_id: Any, qty: Any, price: Any = 0, stop: Any = 0, **columns: Any) -> Any:
    """Return requests for another quantity (executed lots included) and price; ``stop`` is for stop orders."""
    return _request(Kind.REPLACE, order_id, columns, qty_lots=qty, price_ticks=price, aux0=stop)


def status_requests(order_id: Any, **columns: Any) -> Any:
    """Return requests that ask how orders stand."""
    return _request(Kind.STATUS, order_id, columns)


def mass_cancel(
    session: Any = 0, account: Any = 0, instrument: Any = 0, side: Any = 0, firm: Any = 0, **columns: Any
) -> Any:
    """Return the cancel of all orders that fit; 0 fits any."""
    return make_commands(
        Kind.MASS_CANCEL,
        session=session,
        account=account,
        instrument=instrument,
        side=side,
        aux0=firm,
        **columns,
    )


def session_close(session: Any = 1, **columns: Any) -> Any:
    """Return the end of a session: its orders are cancelled as DISCONNECTED (see the core for when)."""
    return make_commands(Kind.SESSION_CLOSE, session=session, **columns)


def protect_market(points: Any, instrument: Any = 1, *, market_data: bool = False) -> Any:
    """Return the protection points of an instrument: how many ticks a market order may go through; 0 for any.

    It says anew whether the instrument has market data.
    """
    flags = CommandFlag.MARKET_DATA if market_data else 0
    return make_commands(Kind.INSTRUMENT, instrument=instrument, orig0=points, flags=flags)


def book_requests(instrument: Any = 1, session: Any = 1, **columns: Any) -> Any:
    """Return requests for the orders of books, as market data tell them."""
    return make_commands(Kind.BOOK_REQUEST, instrument=instrument, session=session, **columns)


def tick(time_ns: Any) -> Any:
    """Return a command that lets time pass, and what has expired end."""
    return make_commands(Kind.TICK, time_ns=time_ns)
