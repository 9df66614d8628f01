"""Books as they were: after any command of a journal, the book that the live core had then."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

from protocols.codes import Kind, OrdType, Side, Tif, TradingState
from stages.config import Capacity
from stages.history import BookThen, book_then, replay_to
from stages.snapshot_process import make_snapshot
from stages.snapshots import list_snapshots
from stages.venue import new_command, set_name
from tests.cli.recorded import CAPACITY, START_NS, Recorder

pytestmark = pytest.mark.jitoff

MAX_TICKS = 2**63 - 1


class Filmed(Recorder):
    """A recorder that keeps the books as they are after each command."""

    def __init__(self, capacity: Capacity = CAPACITY) -> None:
        self.books: list[Any] = [None]
        self.lasts: list[Any] = [None]
        super().__init__(capacity)

    def add(self, command: Any) -> Any:
        """Sequence one command and take a picture."""
        outcomes = super().add(command)
        self.books.append(self.core.dump_books())
        self.lasts.append(self.core.dump_last_prices())
        return outcomes

    def new(self, session: int, name: str, side: Side, **fields: Any) -> int:
        """Add an order of any type; return its id."""
        terms = {"ord_type": int(OrdType.LIMIT), "tif": int(Tif.GTC), "account": 1, "instrument": 1} | fields
        self.add(set_name(new_command(Kind.NEW, session=session, side=int(side), **terms), name))
        return self.last_seq

    def state(self, state: TradingState) -> None:
        """Bring the instrument into a state."""
        self.add(new_command(Kind.STATE, instrument=1, ord_type=int(state)))


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Filmed]:
    """Return a day with plain orders, an iceberg, a stop limit order and an order that waits for the close."""
    recorder = Filmed()
    recorder.define()
    session = recorder.open("FIRM1")
    recorder.trade(session, 30)
    recorder.new(session, "ICE", Side.SELL, price_ticks=1010, qty_lots=9, order_id=2)
    recorder.new(
        session, "STOP", Side.BUY, ord_type=int(OrdType.STOP_LIMIT), price_ticks=1025, aux0=1020, qty_lots=4
    )
    recorder.new(session, "CLOSE", Side.BUY, tif=int(Tif.CLOSE), price_ticks=999, qty_lots=7)
    directory = tmp_path_factory.mktemp("film")
    recorder.write(directory)
    return directory, recorder


def pictured(book: BookThen) -> dict[int, list[tuple[str, list[int]]]]:
    """Return (price, order ids) of all sides of a book, by the numbers that the core gives them."""
    sides: dict[int, list[tuple[str, list[int]]]] = {}
    for first, orders in ((1, book.orders), (3, book.stops), (5, book.waiting)):
        assert orders is not None
        for order in orders:
            levels = sides.setdefault(first + (order.side == "sell"), [])
            if not levels or levels[-1][0] != order.price:
                levels.append((order.price, []))
            levels[-1][1].append(order.order_id)
    return sides


def test_a_book_after_any_command_is_that_of_the_live_core(film: tuple[Path, Filmed]) -> None:
    """Levels, queues, quantities and the last price at each sequence are those of the picture taken then."""
    directory, recorder = film
    first = next(seq for seq, picture in enumerate(recorder.books) if picture)
    for seq in range(first, recorder.last_seq + 1):
        book = book_then(replay_to(directory, seq), 1, with_orders=True)
        expected = {
            side: [(f"{price / 100:.2f}", [order[0] for order in orders]) for price, orders in levels]
            for (_, side), levels in recorder.books[seq].items()
        }
        assert pictured(book) == expected
        last = recorder.lasts[seq].get(1)
        assert book.last_price == (f"{last / 100:.2f}" if last else None)
        assert (book.seq, book.time_ns, book.state) == (seq, START_NS + seq - 1, "continuous")
        leaves = {
            order[0]: order[1]
            for levels in recorder.books[seq].values()
            for _, orders in levels
            for order in orders
        }
        for order in [*(book.orders or []), *(book.stops or []), *(book.waiting or [])]:
            assert order.leaves_qty == leaves[order.order_id]
        assert book.open_orders == len(leaves)


def test_levels_show_what_icebergs_show(film: tuple[Path, Filmed]) -> None:
    """A level counts what all could see, an order what it has left; depth bounds the levels."""
    directory, _ = film
    replayer = replay_to(directory)
    book = book_then(replayer, 1, with_orders=True)
    (iceberg,) = [order for order in book.orders or [] if order.cl_ord_id == "ICE"]
    assert (iceberg.leaves_qty, iceberg.shown_qty, iceberg.price) == (9, 2, "10.10")
    assert book.asks[-1].qty == 2 and book.asks[-1].price == "10.10"
    shallow = book_then(replayer, 1, 1)
    assert (len(shallow.bids), len(shallow.asks), shallow.orders) == (1, 1, None)
    assert (shallow.bids[0], shallow.open_orders) == (book.bids[0], book.open_orders)


def test_orders_that_stand_elsewhere_are_named(film: tuple[Path, Filmed]) -> None:
    """Stop orders have both of their prices; orders at the close wait apart; all have names."""
    book = book_then(replay_to(film[0]), 1, with_orders=True)
    assert book.stops is not None and book.waiting is not None
    (stop,), (waiting,) = book.stops, book.waiting
    assert (stop.cl_ord_id, stop.price, stop.limit_price, stop.side) == ("STOP", "10.20", "10.25", "buy")
    assert (waiting.cl_ord_id, waiting.session, waiting.account) == ("CLOSE", "FIRM1", "ACC1")


def test_an_auction_shows_its_state_and_its_indication(tmp_path: Path) -> None:
    """In a call state the indicative price is told; market orders stand at "market"; afterwards neither."""
    recorder = Filmed()
    recorder.define()
    session = recorder.open("FIRM1")
    recorder.state(TradingState.OPENING_AUCTION)
    before = recorder.last_seq
    recorder.new(session, "M", Side.BUY, ord_type=int(OrdType.MARKET), qty_lots=5)
    recorder.new(session, "L", Side.SELL, price_ticks=1000, qty_lots=3)
    called = recorder.last_seq
    recorder.state(TradingState.CONTINUOUS)
    recorder.write(tmp_path)
    book = book_then(replay_to(tmp_path, before), 1)
    assert (book.state, book.indicative, book.last_price) == ("opening_auction", None, None)
    book = book_then(replay_to(tmp_path, called), 1, with_orders=True)
    assert book.bids[0].price == "market" and book.orders is not None and book.orders[0].price == "market"
    assert book.indicative is not None
    assert (book.indicative.price, book.indicative.qty) == ("10.00", 3)
    assert (book.indicative.surplus_qty, book.indicative.surplus_side) == (2, "buy")
    book = book_then(replay_to(tmp_path), 1)
    assert (book.state, book.indicative, book.last_price) == ("continuous", None, "10.00")


def test_books_of_all_partitions(tmp_path: Path) -> None:
    """Where matching is divided, each instrument's book is found in its partition."""
    recorder = Filmed(msgspec.structs.replace(CAPACITY, partitions=3))
    for instrument in (1, 2, 3):
        recorder.define(instrument)
    session = recorder.open("FIRM1")
    for instrument in (1, 2, 3):
        recorder.trade(session, 10 + instrument, instrument)
    recorder.write(tmp_path)
    replayer = replay_to(tmp_path)
    for instrument in (1, 2, 3):
        book = book_then(replayer, instrument, with_orders=True)
        expected = {
            side: [(f"{price / 100:.2f}", [order[0] for order in orders]) for price, orders in levels]
            for (of, side), levels in recorder.books[-1].items()
            if of == instrument
        }
        assert expected and pictured(book) == expected
        assert book.last_price == f"{recorder.lasts[-1][instrument] / 100:.2f}"


def test_a_past_that_begins_behind_a_snapshot_is_the_same(film: tuple[Path, Filmed], tmp_path: Path) -> None:
    """Books and lives of orders do not depend on whether the replay begins with the first command or later."""
    directory, recorder = film
    copied = tmp_path / "copied"
    shutil.copytree(directory, copied)
    for seq in (recorder.last_seq // 2, recorder.last_seq - 3):
        make_snapshot(copied, seq)
    for seq in range(recorder.last_seq // 2 - 2, recorder.last_seq + 1):
        replayer = replay_to(copied, seq)
        assert replayer.snapshot_seq == max((s for s, _ in list_snapshots(copied) if s <= seq), default=0)
        books = [book_then(past, 1, with_orders=True) for past in (replayer, replay_to(directory, seq))]
        assert msgspec.structs.replace(books[0], directory="") == msgspec.structs.replace(
            books[1], directory=""
        )
