"""The deterministic core without processes: risk and matching over private rings, driven a batch at a time.

The same kernels as in the pipeline run here, so replay, tests, benchmarks and anyone who simulates or compares
engines share one implementation::

    core = Core(Capacities(max_orders=1000))
    outcomes = core.process(commands)      # structured arrays of protocols.layouts

Commands carry their sequence, time and ``seen_seq`` as ingest would have stamped them; :meth:`Core.stamp`
fills them for callers that do not care (each command then sees all outcomes before it).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from protocols.codes import SWITCH_KILLED
from protocols.layouts import COMMAND, OUTCOME
from ringbuffer.atomics import load_acquire, store_release
from ringbuffer.kernel import kernel
from stages.book import level_at
from stages.ladder import best_place, side_row, worse_place
from stages.merge import run_partitions
from stages.orders import TEXT_SPECIAL
from stages.partitions import LANE_SLOTS, Merged, allocate_partitions, connect
from stages.risk import risk_step
from stages.state import (
    MARK_SPECIAL,
    MARK_STOP,
    SIDES_PER_INSTRUMENT,
    VERDICT,
    Capacities,
    MatchingState,
    RiskState,
    allocate_risk,
    records,
)
from stages.state_words import (
    MW_CURSOR,
    MW_DIGEST,
    MW_DIVERGED_SEQ,
    RW_OUT_CURSOR,
    RW_POSITIONS,
)
from stages.topology import CUR_INPUT_MATCHING, CUR_INPUT_RISK, CUR_OUTPUT_PUBLISH, CUR_WRITER, cursor_word

__all__ = ["Core", "CoreState"]

STEP_BUDGET = 256


@kernel
def feed_core(source, start, stop, in_words, in_slot_words, journal_free):  # type: ignore[no-untyped-def]
    """Copy commands [start, stop) of ``source`` (int64 rows) into the input ring as far as it has room."""
    capacity = np.int64(in_slot_words.shape[0])
    last = load_acquire(in_words, CUR_WRITER)
    matched = load_acquire(in_words, CUR_INPUT_MATCHING)
    count = min(np.int64(stop - start), matched + capacity - last)
    for offset in range(count):
        slot = (last + 1 + offset) & (capacity - 1)
        for word in range(16):
            in_slot_words[slot, word] = source[start + offset, word]
    store_release(in_words, CUR_WRITER, last + count)
    return count


@kernel
def collect_outcomes(out_words, out_slot_words, out, position):  # type: ignore[no-untyped-def]
    """Append published outcomes to ``out`` (int64 rows) from ``position``; return the new position."""
    published = load_acquire(out_words, CUR_WRITER)
    cursor = load_acquire(out_words, CUR_OUTPUT_PUBLISH)
    capacity = np.int64(out_slot_words.shape[0])
    room = np.int64(out.shape[0]) - position
    stop = min(published, cursor + room)
    while cursor < stop:
        cursor += 1
        for word in range(16):
            out[position, word] = out_slot_words[cursor & (capacity - 1), word]
        position += 1
    store_release(out_words, CUR_OUTPUT_PUBLISH, cursor)
    return position


@kernel
def run_core(  # type: ignore[no-untyped-def]
    source,
    start,
    stop,
    in_words,
    in_slots,
    in_slot_words,
    verdicts,
    out_words,
    out_slots,
    out_slot_words,
    risk,
    partitions,
    out,
    position,
    collect,
):
    """Process commands [start, stop) to the end, or until ``out`` is full; return (commands taken, position).

    With ``collect`` 0 outcomes are only digested. A negative count says that the feedback queue overflowed.
    """
    taken = np.int64(0)
    while True:
        fed = np.int64(0)
        if start + taken < stop:
            fed = feed_core(source, start + taken, stop, in_words, in_slot_words, 0)
            taken += fed
        judged = risk_step(in_words, in_slots, verdicts, out_words, out_slots, risk, STEP_BUDGET)
        if judged < 0:
            return np.int64(-1), position
        matched = run_partitions(
            in_words, in_slots, verdicts, out_words, out_slot_words, partitions, STEP_BUDGET
        )
        before = position
        if collect != 0:
            position = collect_outcomes(out_words, out_slot_words, out, position)
        else:
            store_release(out_words, CUR_OUTPUT_PUBLISH, load_acquire(out_words, CUR_WRITER))
        if fed + judged + matched == 0 and before == position:
            return taken, position


class CoreState:
    """The states that risk and matching work on, wherever the stages run: ``books`` has one for each partition."""

    def __init__(self, capacities: Capacities, input_slots: int) -> None:
        self.capacities = capacities
        self.risk: RiskState = allocate_risk(capacities, input_slots)
        self.books: tuple[MatchingState, ...]
        self.merged: Merged
        self.books, self.merged = allocate_partitions(capacities)


class Core:
    """Risk and matching in one process: commands in, outcomes out."""

    def __init__(
        self,
        capacities: Capacities | None = None,
        *,
        input_slots: int = 1 << 14,
        output_slots: int = 1 << 16,
        lane_slots: int = LANE_SLOTS,
        state: CoreState | None = None,
    ) -> None:
        """Make a core; ``state`` is one that rests (of a snapshot, say), a new one unless given."""
        self.state = state or CoreState(capacities or Capacities(), input_slots)
        self._in_words = np.zeros(cursor_word(4), dtype=np.int64)
        self._out_words = np.zeros(cursor_word(3), dtype=np.int64)
        self._in_slots = records(np.zeros(input_slots, dtype=COMMAND))
        self._out_slots = records(np.zeros(output_slots, dtype=OUTCOME))
        self._in_slot_words = np.asarray(self._in_slots).view(np.int64).reshape(-1, 16)
        self._out_slot_words = np.asarray(self._out_slots).view(np.int64).reshape(-1, 16)
        self._partitions = connect(self.state.books, self.state.merged, self._out_slot_words, lane_slots)
        self._verdicts = records(np.zeros(input_slots, dtype=VERDICT))
        self._buffer = np.zeros(output_slots, dtype=OUTCOME)
        self.state.risk.words[RW_OUT_CURSOR] = 0  # as of the output ring, which is new
        for word in (CUR_WRITER, CUR_INPUT_RISK, CUR_INPUT_MATCHING):
            self._in_words[word] = self.state.merged.words[MW_CURSOR]
        self._empty = np.zeros((0, 16), dtype=np.int64)

    @property
    def last_seq(self) -> int:
        """The last input sequence that was processed."""
        return int(self._in_words[CUR_INPUT_MATCHING])

    @property
    def outcome_digest(self) -> int:
        """The running digest over all outcomes so far."""
        return int(self.state.merged.words[MW_DIGEST])

    @property
    def diverged_seq(self) -> int:
        """The sequence of the first journaled checkpoint whose digest differs from ours, 0 for none."""
        return int(self.state.merged.words[MW_DIVERGED_SEQ])

    def stamp(self, commands: Any, time_ns: int = 0) -> Any:
        """Fill seq, time and ``seen_seq`` of commands that follow the last one; return them."""
        count = len(commands)
        commands["seq"] = np.arange(self.last_seq + 1, self.last_seq + 1 + count)
        commands["time_ns"] = time_ns
        commands["seen_seq"] = commands["seq"] - 1
        return commands

    def process(self, commands: Any) -> Any:
        """Process stamped commands and return all their outcomes."""
        parts = []
        start = 0
        while True:
            taken, count = self._run(commands, start, self._buffer, 1)
            start += taken
            if count:
                parts.append(self._buffer[:count].copy())
            if count < len(self._buffer) and start >= len(commands):
                return np.concatenate(parts) if parts else np.zeros(0, dtype=OUTCOME)

    def digest(self, commands: Any) -> int:
        """Process stamped commands without keeping their outcomes; return the outcome digest."""
        self._run(commands, 0, self._buffer[:0], 0)
        return self.outcome_digest

    def _run(self, commands: Any, start: int, out: Any, collect: int) -> tuple[int, int]:
        source = np.ascontiguousarray(commands, dtype=COMMAND).view(np.int64).reshape(-1, 16)
        taken, count = run_core(
            source,
            start,
            len(source),
            self._in_words,
            self._in_slots,
            self._in_slot_words,
            self._verdicts,
            self._out_words,
            self._out_slots,
            self._out_slot_words,
            self.state.risk,
            self._partitions,
            out.view(np.int64).reshape(-1, 16) if len(out) else self._empty,
            0,
            collect,
        )
        if taken < 0:
            raise AssertionError(
                "feedback queue overflowed: its bound in stages.state.allocate_risk is wrong"
            )
        return int(taken), int(count)

    def dump_books(self) -> dict[tuple[int, int], list[tuple[int, list[tuple[int, ...]]]]]:
        """Return {(instrument, side): [(price, [order, …]), …]}, see :func:`dump_books`."""
        dumped: dict[tuple[int, int], list[tuple[int, list[tuple[int, ...]]]]] = {}
        for books in self.state.books:
            dumped |= dump_books(books)
        return dict(sorted(dumped.items()))

    def dump_last_prices(self) -> dict[int, int]:
        """Return the last trade price of each instrument that has one, in ticks."""
        last = sum(books.markets["last_ticks"] for books in self.state.books)  # each has its own instruments
        return {int(instrument): int(last[instrument]) for instrument in np.nonzero(last)[0]}

    def dump_markets(self) -> dict[int, tuple[int, int, int, int]]:
        """Return {instrument: (state, group, static reference, end of its volatility auction)} of the known ones."""
        names = ("state", "group", "static_reference", "volatility_end_ns")
        markets = {
            int(i): tuple(int(books.markets[i][name]) for name in names)
            for books in self.state.books
            for i in np.nonzero(books.markets["state"])[0]
        }
        return dict(sorted(markets.items()))  # type: ignore[arg-type]

    def dump_schedules(self) -> list[tuple[int, int, int, int, int]]:
        """Return (row, group, state, when, period) of the rows of the schedule in use."""
        rows = self.state.books[0].schedules  # all partitions have the same
        names = ("group", "state", "due_ns", "period_ns")
        return [(int(i), *(int(rows[i][name]) for name in names)) for i in np.nonzero(rows["due_ns"])[0]]  # type: ignore[misc]

    def dump_positions(self) -> dict[tuple[int, int], tuple[int, int, int]]:
        """Return {(account, instrument): (position, open buy, open sell)} in lots."""
        risk = self.state.risk
        rows = risk.positions[: int(risk.words[RW_POSITIONS])]
        return {
            (int(r["account"]), int(r["instrument"])): (
                int(r["position_lots"]),
                int(r["open_buy_lots"]),
                int(r["open_sell_lots"]),
            )
            for r in rows
        }

    def dump_accounts(self) -> dict[int, tuple[int, int, int, bool]]:
        """Return {account: (open orders, exact cash, reserved for buys, killed)} of the known accounts."""
        rows = self.state.risk.accounts
        return {
            int(i): (
                int(rows[i]["open_orders"]),
                int(rows[i]["cash"]) + (int(rows[i]["cash_carry"]) << 61),
                int(rows[i]["reserved_buy"]),
                bool(int(rows[i]["marks"]) & SWITCH_KILLED),
            )
            for i in np.nonzero(rows["known"])[0]
        }


def _dump_order(books: MatchingState, order: int) -> tuple[int, ...]:
    record = books.orders[order]
    shown, limit = int(record["shown_lots"]), 0
    leaves = shown
    if record["marks"] & MARK_SPECIAL:
        special = books.specials[int(books.texts[order, TEXT_SPECIAL]) - 1]
        leaves += int(special["hidden_lots"])
        limit = int(special["limit_ticks"]) if record["marks"] & MARK_STOP else 0
    names = ("order_id", "cum_lots", "account", "session")
    order_id, cum, account, session = (int(record[name]) for name in names)
    return order_id, leaves, cum, account, session, shown, limit


def dump_books(
    books: MatchingState,
) -> dict[tuple[int, int], list[tuple[int, list[tuple[int, ...]]]]]:
    """Return all non-empty sides as plain Python, best level first, first in the queue first.

    Sides are 1 buys, 2 sells, 3 stop buys, 4 stop sells, 5 waiting buys, 6 waiting sells. An order is (order id,
    leaves, cum, account, session, shown lots, limit of a stop order).
    """
    result: dict[tuple[int, int], list[tuple[int, list[tuple[int, ...]]]]] = {}
    for row in np.nonzero(books.sides["best"] >= 0)[0]:
        instrument, side = int(row) // SIDES_PER_INSTRUMENT, int(row) % SIDES_PER_INSTRUMENT + 1
        assert side_row(instrument, side) == row
        place = best_place(books, np.int64(row))
        levels = []
        while place >= 0:
            level = int(level_at(books, place))
            place = worse_place(books, place)
            orders = []
            order = int(books.levels[level]["head"])
            while order >= 0:
                orders.append(_dump_order(books, order))
                record = books.orders[order]
                order = int(record["next"])
            levels.append((int(books.levels[level]["price_ticks"]), orders))
        result[instrument, side] = levels
    return result
