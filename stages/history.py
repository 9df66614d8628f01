"""What a journal tells of a moment: the state as it was, rebuilt by a replay up to there. Reads only.

What is returned is made for people and scripts: names instead of ids, prices as decimal strings with the decimals
of the tick, quantities as in outcome lines (:mod:`protocols.outcome_lines`). Names are those defined by the moment.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from protocols.codes import (
    E8,
    SIDE_BUY,
    SIDE_SELL,
    STATE_CLOSING_AUCTION,
    STATE_PRE_OPEN,
    Side,
    TradingState,
)
from protocols.directory import Directory, decimal_text
from protocols.feed_lines import level_price_text
from protocols.instants import time_text
from protocols.text import unpack_text
from ringbuffer.kernel import kernel
from stages.book_view import BookView
from stages.core import Core
from stages.definitions import directory_of
from stages.hashing import id_find
from stages.replay import Replayer
from stages.state import Capacities
from stages.state_words import RW_SESSIONS

__all__ = [
    "BookThen",
    "IndicativeThen",
    "LevelThen",
    "OrderThen",
    "book_then",
    "price_of",
    "qty_of",
    "replay_to",
    "session_names_of",
    "skip_to",
    "warm_kernels",
]

NO_ORDER: Final = -1


class LevelThen(msgspec.Struct, frozen=True, kw_only=True):
    """A level of a book: what it shows, and how many orders stand in it."""

    price: str
    qty: int | str
    orders: int


class OrderThen(msgspec.Struct, frozen=True, kw_only=True):
    """An open order; ``limit_price`` is that of a stop limit order, whose ``price`` is its stop price."""

    order_id: int
    cl_ord_id: str
    session: str
    account: str
    side: str
    price: str
    limit_price: str | None
    leaves_qty: int | str
    shown_qty: int | str
    cum_qty: int | str


class IndicativeThen(msgspec.Struct, frozen=True, kw_only=True):
    """What an uncross would have given."""

    price: str
    qty: int | str
    surplus_qty: int | str
    surplus_side: str | None


class BookThen(msgspec.Struct, frozen=True, kw_only=True):
    """A book as it was after a command; best levels first, orders first in the queue first, buys before sells."""

    directory: str
    seq: int
    time: str
    time_ns: int
    instrument: str
    state: str
    last_price: str | None
    indicative: IndicativeThen | None  # in a call state, if something would trade
    bids: list[LevelThen]
    asks: list[LevelThen]
    open_orders: int  # of the instrument, stop orders and those that wait for the closing auction included
    orders: list[OrderThen] | None = None
    stops: list[OrderThen] | None = None
    waiting: list[OrderThen] | None = None


def replay_to(
    data_dir: str | Path, to_seq: int = 0, on_progress: Callable[[int], None] | None = None
) -> Replayer:
    """Replay a journal up to a sequence, or to its end for 0; return the replayer, whose core is as it was then.

    It begins behind the newest snapshot that is not later and holds.
    """
    replayer = Replayer(data_dir, to_seq=to_seq, snapshots=True)
    replayer.run(on_progress=on_progress)
    return replayer


def skip_to(replayer: Replayer, seq: int, on_progress: Callable[[int], None] | None = None) -> None:
    """Replay up to the command before ``seq`` without its outcomes, which is faster; then the replayer can go on."""
    if seq > 1:
        last_seq, replayer.to_seq = replayer.to_seq, seq - 1
        replayer.run(on_progress=on_progress)
        replayer.to_seq = last_seq


def session_names_of(core: Core) -> dict[int, str]:
    """Return the names of all sessions that a core has ever opened, by id."""
    risk = core.state.risk
    rows = risk.sessions[1 : int(risk.words[RW_SESSIONS]) + 1]
    return {
        index: unpack_text(int(row["name0"]), int(row["name1"]), int(row["name2"]))
        for index, row in enumerate(rows, start=1)
    }


def price_of(directory: Directory, instrument: int, price_ticks: int) -> str | None:
    """Return a price as a decimal string, None for none (0)."""
    return directory.price_text(instrument, price_ticks) if price_ticks else None


def qty_of(directory: Directory, instrument: int, lots: int) -> int | str:
    """Return a quantity: an integer where the lot is a whole number of units, else a decimal string."""
    entry = directory.instruments.get(instrument)
    lot_e8 = entry.lot_e8 if entry else E8
    return decimal_text(lots, lot_e8) if lot_e8 % E8 else lots * (lot_e8 // E8)


def book_then(
    replayer: Replayer, instrument: int, depth: int | None = None, *, with_orders: bool = False
) -> BookThen:
    """Return the book of an instrument as a replay has left it; ``depth`` bounds the levels of each side."""
    core = replayer.core
    assert core is not None, "the journal is empty"
    names = _Names(core, instrument)
    view = names.view
    state = view.trading_state(instrument)
    orders, stops, waiting = view.orders(instrument), view.stops(instrument), view.waiting(instrument)
    levels = {side: view.levels(side, instrument, depth) for side in (SIDE_BUY, SIDE_SELL)}
    last = view.last_price(instrument)
    found = {
        name: [names.order(row) for row in rows] if with_orders else None
        for name, rows in (("orders", orders), ("stops", stops), ("waiting", waiting))
    }
    return BookThen(
        directory=str(replayer.directory),
        seq=replayer.last_seq,
        time=time_text(replayer.last_time_ns),
        time_ns=replayer.last_time_ns,
        instrument=names.directory.symbol(instrument),
        state=state.name.lower(),
        last_price=names.price(last) if last is not None else None,
        indicative=names.indicative(state),
        bids=[names.level(SIDE_BUY, row) for row in levels[SIDE_BUY]],
        asks=[names.level(SIDE_SELL, row) for row in levels[SIDE_SELL]],
        open_orders=len(orders) + len(stops) + len(waiting),
        **found,
    )


@kernel
def copy_name(s, order_id, out):  # type: ignore[no-untyped-def]
    """Copy the ClOrdID of an open order, three words; return its row, or a negative one if there is none."""
    order = id_find(s.order_map, s.order_keys, order_id)
    if order >= 0:
        for word in range(3):
            out[word] = s.texts[order, word]
    return np.int64(order)


def warm_kernels() -> None:
    """Compile or load the kernels that look at books."""
    view = BookView(Core(Capacities(64, 64, 64, 64, 8, 8, 8, 16)).state.books[0], 8)
    view.book()
    view.orders()
    view.indicative()
    copy_name(view._books, np.int64(0), np.zeros(3, dtype=np.int64))


class _Names:
    """Turns what stands in the book of an instrument into names and decimals."""

    def __init__(self, core: Core, instrument: int) -> None:
        self.directory = directory_of(core.state.risk)
        self._books = core.state.books[int(core.state.risk.instruments[instrument]["partition"])]
        self.view = BookView(self._books, core.state.capacities.max_instruments)
        self._sessions = session_names_of(core)
        self._instrument = instrument

    def price(self, price_ticks: int) -> str:
        return self.directory.price_text(self._instrument, price_ticks)

    def qty(self, lots: int) -> int | str:
        return qty_of(self.directory, self._instrument, int(lots))

    def level(self, side: int, row: Any) -> LevelThen:
        return LevelThen(
            price=level_price_text(self.directory, self._instrument, side, int(row["price_ticks"])),
            qty=self.qty(row["qty_lots"]),
            orders=int(row["order_count"]),
        )

    def order(self, row: Any) -> OrderThen:
        name = np.zeros(3, dtype=np.int64)
        found = copy_name(self._books, np.int64(row["order_id"]), name)
        assert found > NO_ORDER, "an open order is in the index of orders"
        side, limit = int(row["side"]), int(row["limit_ticks"])
        return OrderThen(
            order_id=int(row["order_id"]),
            cl_ord_id=unpack_text(*name.tolist()),
            session=self._sessions.get(int(row["session"]), ""),
            account=self.directory.account_name(int(row["account"])),
            side=Side(side).name.lower(),
            price=level_price_text(self.directory, self._instrument, side, int(row["price_ticks"])),
            limit_price=self.price(limit) if limit else None,
            leaves_qty=self.qty(row["leaves_lots"]),
            shown_qty=self.qty(row["shown_lots"]),
            cum_qty=self.qty(row["cum_lots"]),
        )

    def indicative(self, state: TradingState) -> IndicativeThen | None:
        if not STATE_PRE_OPEN <= state <= STATE_CLOSING_AUCTION:
            return None
        found = self.view.indicative(self._instrument)
        if found is None:
            return None
        return IndicativeThen(
            price=self.price(found.price_ticks),
            qty=self.qty(found.qty_lots),
            surplus_qty=self.qty(found.surplus_lots),
            surplus_side=Side(found.side).name.lower() if found.side else None,
        )
