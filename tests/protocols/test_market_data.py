"""Books from market data in plain Python: what they follow, what they wait for, what they refuse; and their lines."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from protocols.codes import BookAction, BookFlag, Kind, OutcomeType, Side, TradingState
from protocols.directory import Directory, InstrumentEntry
from protocols.feed_lines import Depth, FeedLines
from protocols.layouts import OUTCOME
from protocols.market_data import (
    Event,
    FeedBook,
    FeedBroken,
    Indication,
    Level,
    MarketData,
    ShownOrder,
    events_of,
)

BUY, SELL = Side.BUY, Side.SELL
DIRECTORY = Directory(
    [InstrumentEntry(1, "ACME", 1_000_000, 100_000_000), InstrumentEntry(2, "COIN", 1_000_000, 10_000_000)],
    [],
)


def outcomes(*rows: dict[str, int]) -> Any:
    """Return outcomes with these fields."""
    made = np.zeros(len(rows), dtype=OUTCOME)
    for row, fields in zip(made, rows, strict=True):
        for name, value in fields.items():
            row[name] = value
    return made


def change(
    seq: int, action: int, order: int, qty: int, leaves: int, level: tuple[int, int], **fields: int
) -> dict[str, int]:
    """Return a change of a buy at 10 of instrument 1, which shows ``level`` (lots, orders) then."""
    values = {"type": OutcomeType.BOOK, "orig0": seq, "reason": action, "order_id": order, "qty_lots": qty}
    values |= {"leaves_lots": leaves, "cum_lots": level[0], "account": level[1], "instrument": 1, "side": BUY}
    return {**values, "price_ticks": 10, "cl0": 10, "cl1": level[0], **fields}


def add(seq: int, order: int, lots: int, level: tuple[int, int], **fields: int) -> dict[str, int]:
    """Return an ADD."""
    return change(seq, BookAction.ADD, order, lots, lots, level, **fields)


def snapshot(seq: int, *orders: tuple[int, int, int], **fields: int) -> list[dict[str, int]]:
    """Return the answer to a BOOK_REQUEST and its orders (id, side, lots)."""
    answer = {"type": OutcomeType.ACCEPTED, "kind": Kind.BOOK_REQUEST, "instrument": 1, "orig0": seq}
    answer |= {"qty_lots": len(orders), "cum_lots": 1, "leaves_lots": TradingState.CONTINUOUS, **fields}
    flags = {"flags": BookFlag.SNAPSHOT, "kind": Kind.BOOK_REQUEST, "session": 1}
    return [answer, *(add(seq, which, lots, (0, 0), side=side, **flags) for which, side, lots in orders)]


def take(book: FeedBook, *rows: dict[str, int]) -> list[int]:
    """Let a book take outcomes; return the numbers of those that it followed."""
    return [done.seq for event in events_of(outcomes(*rows)) for done in book.take(event)]


def test_a_book_from_the_start() -> None:
    """It holds orders in their queues, levels and the best; each kind of change does what it says."""
    book = FeedBook(1)
    assert (book.best(BUY), book.levels(BUY), book.orders(SELL)) == (None, [], [])
    take(book, add(1, 7, 5, (5, 1)), add(2, 8, 4, (9, 2)), add(3, 9, 2, (2, 1), price_ticks=9))
    assert book.levels(BUY) == [Level(10, 9, 2), Level(9, 2, 1)]
    take(book, change(4, BookAction.EXECUTE, 7, 2, 3, (7, 2), orig1=11, trade_index=1))
    assert (book.orders(BUY)[0], book.last_ticks) == (ShownOrder(7, 10, 3), 11)
    take(book, change(5, BookAction.EXECUTE, 7, 9, 3, (7, 2), flags=BookFlag.HIDDEN, orig1=12, trade_index=1))
    take(
        book,
        change(6, BookAction.REDUCE, 8, 1, 3, (6, 2)),
        change(7, BookAction.EXECUTE, 7, 3, 0, (3, 1), orig1=10),
    )
    assert book.orders(BUY) == [ShownOrder(8, 10, 3), ShownOrder(9, 9, 2)]
    take(
        book,
        change(8, BookAction.DELETE, 8, 3, 0, (0, 0)),
        change(9, BookAction.REPLACE, 9, 2, 0, (0, 0), price_ticks=9),
    )
    assert (book.levels(BUY), book.seq, book.is_joined) == ([], 9, True)
    take(book, add(10, 1, 5, (5, 1), side=SELL), add(11, 2, 5, (5, 1), side=SELL, price_ticks=9))
    assert book.best(SELL) == Level(9, 5, 1) and [level.price_ticks for level in book.levels(SELL)] == [9, 10]
    assert book.levels(SELL, 1) == [Level(9, 5, 1)]


def test_states_and_indications() -> None:
    """What the instrument tells of itself is kept, an indication until the state changes."""
    book = FeedBook(1)
    told = {"instrument": 1, "orig0": 1, "qty_lots": TradingState.OPENING_AUCTION, "leaves_lots": 1}
    take(book, {**told, "type": OutcomeType.STATE_CHANGED})
    indicated = {"price_ticks": 10, "qty_lots": 4, "leaves_lots": 2, "side": SELL}
    take(book, {**told, "orig0": 2, "type": OutcomeType.INDICATION, **indicated})
    assert (book.state, book.indication) == (TradingState.OPENING_AUCTION, Indication(10, 4, 2, SELL))
    take(book, {**told, "orig0": 3, "type": OutcomeType.UNCROSSED, **indicated})
    take(book, {**told, "orig0": 4, "type": OutcomeType.STATE_CHANGED, "qty_lots": TradingState.CONTINUOUS})
    assert (book.state, book.indication, book.seq) == (TradingState.CONTINUOUS, None, 4)


def test_a_gap_is_waited_out() -> None:
    """After a gap everything is held back; a snapshot makes the book, and what it does not cover yet follows."""
    book = FeedBook(1)
    assert take(book, add(1, 7, 5, (5, 1)), add(3, 9, 1, (7, 3)), add(4, 10, 1, (8, 4))) == [1]
    assert (book.is_joined, book.gap_count, book.seq) == (False, 1, 1)
    assert take(book, *snapshot(3, (7, BUY, 5), (8, BUY, 1), (9, BUY, 1), price_ticks=12)) == [3, 4]
    assert book.is_joined and book.orders(BUY)[-1] == ShownOrder(10, 10, 1) and book.last_ticks == 12
    assert take(book, *snapshot(9), add(2, 1, 1, (1, 1))) == [], (
        "one that is joined ignores what is told again"
    )
    assert take(book, add(5, 11, 1, (9, 5))) == [5]


def test_joining_late() -> None:
    """The book of who joins is empty until its snapshot is whole; one of no orders is whole at once."""
    book = FeedBook(1, from_start=False)
    assert take(book, add(5, 7, 5, (5, 1)), *snapshot(4, (1, SELL, 1))[1:]) == [], (
        "without its beginning it is none"
    )
    told = snapshot(4, (1, SELL, 3), (2, SELL, 2))
    assert take(book, *told[:2]) == [] and not book.is_joined
    assert take(book, told[2]) == [4, 5] and book.is_joined
    assert book.best(SELL) == Level(10, 5, 2) and book.state == TradingState.CONTINUOUS
    empty = FeedBook(1, from_start=False)
    assert take(empty, *snapshot(0, cum_lots=0)) == [0] and empty.is_joined and not empty.is_on


def test_a_gap_within_what_was_held_back() -> None:
    """If numbers are missing behind the snapshot too, the book waits for the next one."""
    book = FeedBook(1, from_start=False)
    take(book, add(6, 7, 5, (5, 1)))
    assert take(book, *snapshot(4)) == [4] and not book.is_joined
    assert take(book, *snapshot(5, (9, SELL, 1))) == [5, 6] and book.is_joined


@pytest.mark.parametrize(
    "wrong",
    [
        add(2, 7, 1, (6, 2)),
        add(2, 8, 1, (7, 2)),
        add(2, 8, 1, (6, 1)),
        change(2, BookAction.EXECUTE, 8, 1, 0, (4, 1)),
        change(2, BookAction.EXECUTE, 7, 1, 3, (4, 1)),
        change(2, BookAction.DELETE, 7, 4, 1, (1, 1)),
        change(2, BookAction.REDUCE, 7, 1, 4, (4, 1), price_ticks=11),
    ],
)
def test_what_does_not_fit_is_refused(wrong: dict[str, int]) -> None:
    """An order twice or unknown, lots or a level that are not those of the book: the feed is of another book."""
    book = FeedBook(1)
    take(book, add(1, 7, 5, (5, 1)))
    with pytest.raises(FeedBroken, match=r"instrument 1, number 2, order [78]: expected"):
        take(book, wrong)


def test_sums_wrap_as_they_are_told() -> None:
    """Levels of more than 2^63 lots are compared as int64."""
    book, large = FeedBook(1), 2**62
    take(book, *(add(n, n, large, ((n * large + 2**63) % 2**64 - 2**63, n)) for n in range(1, 4)))
    assert book.best(BUY) == Level(10, 3 * large, 3)


def test_books_of_several_instruments() -> None:
    """Each has its own numbers; what is told without a number (no market data) makes no book."""
    data = MarketData()
    told = outcomes(
        add(1, 7, 5, (5, 1)), add(1, 8, 1, (1, 1), instrument=2), {"type": OutcomeType.STATE_CHANGED, "instrument": 3},
        {"type": OutcomeType.FILLED, "instrument": 1}, add(2, 9, 1, (2, 2), instrument=2),
    )  # fmt: skip
    assert [(event.instrument, event.seq) for event in data.take(told)] == [(1, 1), (2, 1), (2, 2)]
    assert sorted(data.books) == [1, 2] and data.book(5).orders(BUY) == []


def line(row: dict[str, int], depth: Depth = Depth.ORDERS, book: FeedBook | None = None) -> dict[str, Any]:
    """Return the line of an outcome as an object, empty for none."""
    (event,) = events_of(outcomes(row))
    text = FeedLines(DIRECTORY, depth).encode(event, book)
    decoded: dict[str, Any] = json.loads(text) if text else {}
    return decoded


def test_lines_of_orders() -> None:
    """Prices and quantities in the units of the instrument; trades have more."""
    row = change(
        4, BookAction.EXECUTE, 7, 2, 3, (7, 2), orig1=11, trade_index=1, flags=BookFlag.TOP, input_seq=9
    )
    assert line({**row, "time_ns": 5}) == {
        "seq": 4, "input_seq": 9, "time_ns": 5, "instrument": "ACME", "type": "execute", "order_id": 7, "side": "buy",
        "price": "0.10", "qty": 2, "leaves_qty": 3, "level_qty": 7, "level_orders": 2, "best_price": "0.10",
        "best_qty": 7, "top": True, "hidden": False, "trade_price": "0.11", "trade_id": "9-1",
    }  # fmt: skip
    fraction = line(add(1, 7, 15, (15, 1), instrument=2, price_ticks=2**63 - 1, cl0=0, cl1=0))
    assert (fraction["qty"], fraction["price"], fraction["best_price"]) == ("1.5", "market", None)
    assert line(add(1, 7, 15, (15, 1), side=SELL, price_ticks=0))["price"] == "market"


def test_lines_of_levels_and_the_best() -> None:
    """A level as it is after the change; the best of both sides where it changed; hidden lots change neither."""
    book = FeedBook(1)
    top = add(1, 7, 5, (5, 1), flags=BookFlag.TOP)
    take(book, top)
    level = line(top, Depth.LEVELS)
    assert {name: level[name] for name in ("type", "side", "price", "qty", "orders")} == {
        "type": "level", "side": "buy", "price": "0.10", "qty": 5, "orders": 1,
    }  # fmt: skip
    best = line(top, Depth.BEST, book)
    assert (best["bid"], best["bid_qty"], best["bid_orders"], best["ask"], best["ask_qty"]) == (
        "0.10",
        5,
        1,
        None,
        0,
    )
    assert line(add(1, 7, 5, (5, 1)), Depth.BEST, book) == {}
    hidden = change(2, BookAction.EXECUTE, 7, 9, 5, (5, 1), flags=BookFlag.HIDDEN, trade_index=1)
    assert line(hidden, Depth.LEVELS) == line(hidden, Depth.BEST, book) == {} and line(hidden)["hidden"]


def test_lines_of_states_and_snapshots() -> None:
    """States by name, results of auctions with their surplus, a whole book at each depth."""
    told = {
        "instrument": 1,
        "orig0": 3,
        "qty_lots": TradingState.HALT,
        "leaves_lots": TradingState.CONTINUOUS,
    }
    changed = line({**told, "type": OutcomeType.STATE_CHANGED}, Depth.BEST)
    assert (changed["type"], changed["state"], changed["before"]) == ("state_changed", "halt", "continuous")
    found = line(
        {
            **told,
            "type": OutcomeType.UNCROSSED,
            "price_ticks": 10,
            "qty_lots": 4,
            "leaves_lots": 2,
            "side": SELL,
        }
    )
    assert [found[name] for name in ("type", "price", "volume", "surplus", "surplus_side")] == [
        "uncrossed", "0.10", 4, 2, "sell",
    ]  # fmt: skip
    nothing = line({**told, "type": OutcomeType.INDICATION, "qty_lots": 0, "leaves_lots": 0})
    assert (nothing["type"], nothing["price"], nothing["surplus_side"]) == ("indication", None, None)
    book = FeedBook(1, from_start=False)
    rows = snapshot(4, (7, BUY, 5), (8, SELL, 2))
    take(book, *rows)
    whole = line(rows[-1], book=book)
    assert (whole["type"], whole["state"]) == ("snapshot", "continuous")
    assert (whole["bids"], whole["asks"]) == ([[7, "0.10", 5]], [[8, "0.10", 2]])
    assert line(rows[-1], Depth.LEVELS, book)["bids"] == [["0.10", 5, 1]]
    assert line(rows[-1], Depth.BEST, book)["ask"] == "0.10"


def test_an_event_knows_whether_it_was_asked_for() -> None:
    """Snapshots, and the answers that begin them."""
    kinds = [
        event.is_snapshot for event in events_of(outcomes(*snapshot(4, (7, BUY, 5)), add(5, 9, 1, (6, 2))))
    ]
    assert kinds == [True, True, False] and len(Event._fields) == 18


def test_books_need_no_numba() -> None:
    """Following market data loads NumPy, but not Numba."""
    code = "import sys, protocols.market_data, protocols.feed_lines; print('numba' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
