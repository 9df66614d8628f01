"""Matching alone, without processes, risk or accounts: commands in, outcomes out, books to look at.

For those who simulate, test or compare engines; ``docs/python-api.md`` shows how::

    core = MatchingCore()
    core.process(limit_orders(BUY, 10, [99, 98]))
    told = core.process(market_orders(SELL, 12))      # an array of protocols.layouts.OUTCOME
    core.best_bid()                                   # Best(price_ticks=98, qty_lots=8)

The kernels are those of the pipeline (:mod:`stages.matching`, docs/matching-rules.md). In the place of risk stands a
check of each command by itself, with risk's reasons: what makes no order is REJECTED, so that no input can
damage the books. There are no accounts, limits, sessions or ClOrdIDs to be known first: all instruments from 1 to
``max_instruments`` exist, every session is open, orders are named by their ids. The id of an order is the
sequence of its command; :attr:`MatchingCore.next_seq` is that of the next one, so ids are known beforehand.

Time is that of the commands and never goes back: a command with an earlier time (0, say) comes at the time of the one
before. Who needs risk, accounts and ClOrdIDs takes :class:`stages.core.Core`.

Invariants: commands come in the order of the array, their sequences have no gap; the same commands give the same
outcomes and the same digest. Failure modes: room that runs out is a REJECTED with NO_ROOM; a query about
an instrument that does not exist is a ValueError. Importing this module loads Numba.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from protocols.codes import (
    FLAG_OFF_TICK,
    KIND_BANDS,
    KIND_BOOK_REQUEST,
    KIND_CANCEL,
    KIND_INSTRUMENT,
    KIND_KILL,
    KIND_MASS_CANCEL,
    KIND_NEW,
    KIND_REDUCE,
    KIND_REPLACE,
    KIND_SCHEDULE,
    KIND_SESSION_CLOSE,
    KIND_SESSION_OPEN,
    KIND_STATE,
    KIND_STATUS,
    KIND_TICK,
    KIND_TICK_TABLE,
    LEVEL_SESSION,
    REASON_INVALID_COMMAND,
    REASON_INVALID_PRICE,
    REASON_INVALID_SIDE,
    REASON_INVALID_STOP_PRICE,
    REASON_MAX_ORDER_QTY,
    REASON_NONE,
    REASON_PRICE_NOT_ON_TICK,
    REASON_UNKNOWN_INSTRUMENT,
    REASON_UNKNOWN_ORDER,
    SIDE_SELL,
    STATE_CONTINUOUS,
    STATE_COUNT,
    TYPE_DIRECTED,
    TYPE_LIMIT,
    TYPE_STOP,
    TYPE_STOP_LIMIT,
)
from protocols.layouts import COMMAND, OUTCOME
from ringbuffer.atomics import load_acquire, store_release
from ringbuffer.kernel import inlined, kernel
from stages.administration import MAX_PROTECTION_TICKS, check_bands, check_schedule
from stages.book_view import Best, Book, BookView, Indicative, OpenOrder
from stages.checks import MAX_STOP_TICKS, check_amounts, check_qty, check_terms
from stages.core import collect_outcomes
from stages.hashing import id_find
from stages.matching import SESSION_SHIFT, matching_step
from stages.orders import special_row
from stages.state import (
    MARK_MARKET,
    MARK_STOP,
    MARKET_FEED,
    MAX_LIMIT_TICKS,
    TICK_TABLES,
    VERDICT,
    Capacities,
    MatchingState,
    allocate_matching,
    records,
    with_ring,
)
from stages.state_words import MW_CURSOR, MW_DIGEST, MW_FEEDS
from stages.tick_tables import is_on_table, table_problem
from stages.topology import (
    CUR_INPUT_MATCHING,
    CUR_INPUT_RISK,
    CUR_OUTPUT_PUBLISH,
    CUR_OUTPUT_RISK,
    CUR_WRITER,
    cursor_word,
)

__all__ = ["Best", "Book", "Indicative", "MatchingCore", "OpenOrder"]

MAX_QTY = 1 << 60
STEP_BUDGET = 256
INPUT_SLOTS = 1 << 10
WORDS = 16  # of a slot
SESSIONS = 1 << 16


@inlined
def admit_new(books, command, max_instruments):  # type: ignore[no-untyped-def]
    """Judge a NEW by itself; return the reason."""
    ord_type = np.int64(command.ord_type)
    if not (0 < command.instrument <= max_instruments):
        return REASON_UNKNOWN_INSTRUMENT
    reason = check_terms(command)
    if reason != REASON_NONE:
        return reason
    reason = check_qty(command)
    if reason != REASON_NONE:
        return reason
    reason = check_amounts(command)
    if reason != REASON_NONE:
        return reason
    if np.int64(command.flags) & FLAG_OFF_TICK != 0:
        return REASON_PRICE_NOT_ON_TICK
    is_priced = ord_type == TYPE_LIMIT or ord_type == TYPE_STOP_LIMIT or ord_type == TYPE_DIRECTED
    if is_priced and not (0 < command.price_ticks <= MAX_LIMIT_TICKS):
        return REASON_INVALID_PRICE
    table = np.int64(books.markets[np.int64(command.instrument)].tick_table)
    if is_priced and not is_on_table(books.tick_rows, table, np.int64(command.price_ticks)):
        return REASON_PRICE_NOT_ON_TICK
    has_stop_price = ord_type == TYPE_STOP or ord_type == TYPE_STOP_LIMIT
    if has_stop_price and not is_on_table(books.tick_rows, table, np.int64(command.aux0)):
        return REASON_PRICE_NOT_ON_TICK
    if command.qty_lots > MAX_QTY:
        return REASON_MAX_ORDER_QTY
    if ord_type == TYPE_DIRECTED and command.order_id == 0:
        return REASON_UNKNOWN_ORDER
    return REASON_NONE


@inlined
def has_a_limit(books, order_id):  # type: ignore[no-untyped-def]
    """Tell whether an id is that of an open order with a limit price: any but STOP, TRAILING_STOP and MARKET."""
    order = id_find(books.order_map, books.order_keys, order_id)
    if order < 0:
        return False
    if books.orders[order].marks & MARK_STOP == 0:
        return books.orders[order].marks & MARK_MARKET == 0
    return books.specials[special_row(books, order)].ord_type == TYPE_STOP_LIMIT


@inlined
def admit_request(books, command):  # type: ignore[no-untyped-def]
    """Judge a request on an order by itself; return the reason."""
    kind = np.int64(command.kind)
    if command.order_id == 0:
        return REASON_UNKNOWN_ORDER
    if kind == KIND_REDUCE or kind == KIND_REPLACE:
        reason = check_qty(command)
        if reason != REASON_NONE:
            return reason
    if kind == KIND_REPLACE:
        if np.int64(command.flags) & FLAG_OFF_TICK != 0:
            return REASON_PRICE_NOT_ON_TICK
        if command.aux0 < 0 or command.aux0 > MAX_STOP_TICKS:
            return REASON_INVALID_STOP_PRICE
        price = np.int64(command.price_ticks)
        if (
            price < 0
            or price > MAX_LIMIT_TICKS
            or (price == 0 and has_a_limit(books, np.int64(command.order_id)))
        ):
            return REASON_INVALID_PRICE
        if command.qty_lots > MAX_QTY:
            return REASON_MAX_ORDER_QTY
    return REASON_NONE


@inlined
def is_definition(kind):  # type: ignore[no-untyped-def]
    """Tell whether the commands behind one of this kind can be judged only when it was carried out."""
    return kind == KIND_INSTRUMENT or kind == KIND_TICK_TABLE


@kernel
def admit_market(books, command, max_instruments):  # type: ignore[no-untyped-def]
    """Judge INSTRUMENT and what concerns trading states; return the reason."""
    kind = np.int64(command.kind)
    has_instrument = 0 < command.instrument <= max_instruments
    if kind == KIND_STATE:
        if command.instrument != 0 and not has_instrument:
            return REASON_UNKNOWN_INSTRUMENT
        return REASON_NONE if 0 < command.ord_type < STATE_COUNT else REASON_INVALID_COMMAND
    if kind == KIND_SCHEDULE:
        return check_schedule(command)
    if kind == KIND_TICK_TABLE:
        return table_problem(books.tick_rows, command)
    if not has_instrument:
        return REASON_UNKNOWN_INSTRUMENT
    if kind == KIND_BANDS:
        return check_bands(command)
    if command.orig0 < 0 or command.orig0 > MAX_PROTECTION_TICKS or command.account < 0:
        return REASON_INVALID_COMMAND
    if command.ord_type >= STATE_COUNT or not (0 <= command.orig1 < TICK_TABLES):
        return REASON_INVALID_COMMAND
    return REASON_NONE


@kernel
def admit(books, command, verdict, max_instruments):  # type: ignore[no-untyped-def]
    """Write the verdict on a command, as risk would if nothing but the command mattered.

    Books are looked at for a REPLACE without a price alone: is it for an order that has none?
    """
    kind = np.int64(command.kind)
    verdict.order_id = 0
    verdict.session = command.session
    reason = REASON_NONE
    if kind == KIND_NEW:
        reason = admit_new(books, command, max_instruments)
        if reason == REASON_NONE and command.ord_type == TYPE_DIRECTED:
            verdict.order_id = command.order_id
    elif kind == KIND_CANCEL or kind == KIND_REDUCE or kind == KIND_REPLACE or kind == KIND_STATUS:
        reason = admit_request(books, command)
        verdict.order_id = command.order_id
    elif kind == KIND_MASS_CANCEL:
        if not (0 <= command.instrument <= max_instruments):
            reason = REASON_UNKNOWN_INSTRUMENT
        elif command.side > SIDE_SELL:
            reason = REASON_INVALID_SIDE
    elif kind == KIND_BOOK_REQUEST:
        if not (0 < command.instrument <= max_instruments):
            reason = REASON_UNKNOWN_INSTRUMENT
    elif is_definition(kind) or kind == KIND_STATE or kind == KIND_SCHEDULE or kind == KIND_BANDS:
        reason = admit_market(books, command, max_instruments)
    elif kind == KIND_SESSION_CLOSE:
        verdict.order_id = 1  # tells matching to cancel its orders
    elif kind == KIND_KILL:
        if command.tif == LEVEL_SESSION and 0 < command.aux0 < SESSIONS:
            verdict.order_id = command.aux0 << SESSION_SHIFT
    elif kind != KIND_SESSION_OPEN and kind != KIND_TICK:
        reason = REASON_INVALID_COMMAND
    verdict.reason = reason
    return 0


@kernel
def admit_commands(  # type: ignore[no-untyped-def]
    source, start, stop, in_words, in_slots, in_slot_words, verdicts, books, max_instruments, time_ns
):
    """Number, stamp and judge commands [start, stop) as far as the input ring has room; return (count, time).

    A REPLACE without a price and what defines instruments or tick tables wait until all before them has been matched,
    and what comes behind a definition until that is.
    """
    capacity = np.int64(in_slot_words.shape[0])
    last = load_acquire(in_words, CUR_WRITER)
    matched = load_acquire(in_words, CUR_INPUT_MATCHING)
    count = min(np.int64(stop - start), matched + capacity - last)
    if matched < last and is_definition(np.int64(in_slots[last & (capacity - 1)].kind)):
        count = np.int64(0)
    for offset in range(count):
        slot = (last + 1 + offset) & (capacity - 1)
        for word in range(WORDS):
            in_slot_words[slot, word] = source[start + offset, word]
        command = in_slots[slot]
        defines = is_definition(np.int64(command.kind))
        depends = defines or (command.kind == KIND_REPLACE and command.price_ticks == 0)
        if depends and matched < last + offset:
            count = np.int64(offset)
            break
        time_ns = max(time_ns, np.int64(command.time_ns))
        command.seq = last + 1 + offset
        command.time_ns = time_ns
        admit(books, command, verdicts[slot], max_instruments)
        if defines:
            count = np.int64(offset + 1)
            break
    # pairs with the load_acquire of matching: slots and verdicts are complete up to here
    store_release(in_words, CUR_WRITER, last + count)
    store_release(in_words, CUR_INPUT_RISK, last + count)
    return count, time_ns


@kernel
def run_matching(  # type: ignore[no-untyped-def]
    source,
    start,
    in_words,
    in_slots,
    in_slot_words,
    verdicts,
    out_words,
    out_slot_words,
    books,
    max_instruments,
    time_ns,
    out,
    collect,
):
    """Match commands from ``start`` to the end, or until ``out`` is full; return (taken, outcomes, time)."""
    taken = np.int64(0)
    position = np.int64(0)
    while True:
        fed, time_ns = admit_commands(
            source,
            start + taken,
            np.int64(source.shape[0]),
            in_words,
            in_slots,
            in_slot_words,
            verdicts,
            books,
            max_instruments,
            time_ns,
        )
        taken += fed
        matched = matching_step(in_words, in_slots, verdicts, out_words, in_words, books, STEP_BUDGET)
        before = position
        if collect != 0:
            position = collect_outcomes(out_words, out_slot_words, out, position)
        else:
            store_release(out_words, CUR_OUTPUT_PUBLISH, load_acquire(out_words, CUR_WRITER))
        # nobody but the reader stands between matching and its ring; pairs with its load_acquire
        store_release(out_words, CUR_OUTPUT_RISK, load_acquire(out_words, CUR_OUTPUT_PUBLISH))
        if fed + matched == 0 and before == position:
            return taken, position, time_ns


class MatchingCore(BookView):
    """Order books that take commands and give outcomes; see the module.

    ``output_slots`` outcomes are handed over at a time; it bounds no command. With ``market_data`` all instruments
    tell the changes of their books (docs/market-data.md) from the first command on.
    """

    def __init__(
        self,
        *,
        max_instruments: int = 16,
        max_orders: int = 1 << 20,
        max_levels: int = 1 << 17,
        max_specials: int = 1 << 16,
        output_slots: int = 1 << 16,
        market_data: bool = False,
    ) -> None:
        for name, value, most in (
            ("max_instruments", max_instruments, (1 << 20) - 1),
            ("max_orders", max_orders, (1 << 31) - 1),
            ("max_levels", max_levels, (1 << 30) - 1),
            ("max_specials", max_specials, (1 << 24) - 1),
        ):
            if not 0 < value <= most:
                raise ValueError(f"{name}: expected 1 to {most}, was {value}")
        if output_slots < 16 or output_slots & (output_slots - 1):
            raise ValueError(f"output_slots: expected a power of two from 16, was {output_slots}")
        capacities = Capacities(
            max_orders=max_orders,
            max_levels=max_levels,
            max_instruments=max_instruments,
            max_specials=max_specials,
        )
        self._out_slot_words = np.zeros((output_slots, WORDS), dtype=np.int64)
        books: MatchingState = with_ring(allocate_matching(capacities), self._out_slot_words)
        books.markets["state"][1:] = STATE_CONTINUOUS
        super().__init__(books, max_instruments)
        if market_data:
            books.markets["marks"][1:] = MARKET_FEED
            books.words[MW_FEEDS] = max_instruments
        self._in_words = np.zeros(cursor_word(4), dtype=np.int64)
        self._out_words = np.zeros(cursor_word(3), dtype=np.int64)
        self._in_slots = records(np.zeros(INPUT_SLOTS, dtype=COMMAND))
        self._in_slot_words = np.asarray(self._in_slots).view(np.int64).reshape(-1, WORDS)
        self._verdicts = records(np.zeros(INPUT_SLOTS, dtype=VERDICT))
        self._buffer = np.zeros((output_slots, WORDS), dtype=np.int64)
        self._time_ns = 0

    @property
    def last_seq(self) -> int:
        """The sequence of the last command, 0 before the first."""
        return int(self._books.words[MW_CURSOR])

    @property
    def next_seq(self) -> int:
        """The sequence that the next command gets: the id of the order, if it is a new one."""
        return self.last_seq + 1

    @property
    def time_ns(self) -> int:
        """The time of the last command."""
        return self._time_ns

    @property
    def digest(self) -> int:
        """A running digest over all outcomes: equal for equal outcomes."""
        return int(self._books.words[MW_DIGEST]) & 0xFFFFFFFFFFFFFFFF

    def process(self, commands: Any) -> Any:
        """Carry out commands (an array of ``layouts.COMMAND``) and return all their outcomes."""
        source = _words(commands)
        parts: list[Any] = []
        start = 0
        while True:
            taken, count = self._run(source, start, self._buffer, 1)
            start += taken
            if count:
                parts.append(self._buffer[:count].copy())
            if count < len(self._buffer) and start >= len(source):
                told = np.concatenate(parts) if parts else np.zeros((0, WORDS), dtype=np.int64)
                return told.reshape(-1).view(OUTCOME)

    def run(self, commands: Any) -> int:
        """Carry out commands whose outcomes nobody wants to see; return the digest."""
        self._run(_words(commands), 0, self._buffer[:0], 0)
        return self.digest

    def _run(self, source: Any, start: int, out: Any, collect: int) -> tuple[int, int]:
        taken, count, time_ns = run_matching(
            source,
            np.int64(start),
            self._in_words,
            self._in_slots,
            self._in_slot_words,
            self._verdicts,
            self._out_words,
            self._out_slot_words,
            self._books,
            np.int64(self.max_instruments),
            np.int64(self._time_ns),
            out,
            np.int64(collect),
        )
        self._time_ns = int(time_ns)
        return int(taken), int(count)


def _words(commands: Any) -> Any:
    """Return commands as rows of words, without a copy where they lie in one piece."""
    given = np.atleast_1d(np.asarray(commands))
    if given.dtype != COMMAND:
        raise TypeError(f"expected commands of protocols.layouts.COMMAND, was {given.dtype}")
    return np.ascontiguousarray(given).view(np.int64).reshape(-1, WORDS)
