"""A flow as a file that engines of other makers can read, and what must come of it.

A file is int64 words, little endian, six a row. Row 0 is the head: ``MAGIC``, rows that follow, rows before the
clock starts, instruments, 0, 0. Each row after it is a command::

    word 0   kind | side << 8 | time in force << 16 | instrument << 32     (instruments count from 1)
    word 1   order: of a NEW the number of its row, counted from 1; else the NEW that it is about, or 0
    word 2   price in ticks
    word 3   quantity in lots: of a NEW; of REPLACE and REDUCE what is open afterwards
    word 4   less: how many lots fewer are open than before (REPLACE, REDUCE)
    word 5   account

Kinds: NEW 1, CANCEL 2, REPLACE 3 (another price or more lots: the order goes to the end of its level, and may
trade), REDUCE 4 (fewer lots at the same price: the order keeps its place). Sides 1 buy, 2 sell; time in force
1 rests, 2 does not. Engines differ in what a replace means (total or open quantity, which changes keep the
place): so the file is made from our reference run, and says what each replace came to. A cancel or replace that
the reference rejected names an order that is gone, or 0: engines must reject it, too.

An engine answers each command with reports of four words, ``what | row << 8``, order, price, lots, where what is
1 accepted, 2 traded (order: the maker, row: the taker's command), 3 the rest of an order that may not rest, 4
cancelled, 5 replaced or reduced, 6 rejected. What comes of a flow is an :class:`Answer`. Its digest runs over
taker, maker, price and lots of all trades in their order, so two engines with one digest made the same trades.

Failure modes: a reference run that rejected a NEW cannot be made into a file (:class:`NotVerified`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from msgspec import Struct

from benchmarks.measure import NotVerified
from benchmarks.workload import Reference, Workload
from protocols.codes import (
    KIND_CANCEL,
    KIND_NEW,
    KIND_REPLACE,
    OUT_CANCELLED,
    OUT_EXPIRED,
    OUT_FILLED,
    OUT_REJECTED,
    OUT_REPLACED,
    OUTFLAG_MAKER,
    TIF_IOC,
)
from protocols.layouts import OUTCOME
from ringbuffer.kernel import kernel

__all__ = [
    "CANCEL",
    "MAGIC",
    "NEW",
    "REDUCE",
    "REPLACE",
    "ROW_WORDS",
    "Answer",
    "read_flow",
    "translate",
    "write_flow",
]

MAGIC: Final = 0x574F4C46474E4952  # "RINGFLOW"
ROW_WORDS: Final = 6
NEW: Final = 1
CANCEL: Final = 2
REPLACE: Final = 3
REDUCE: Final = 4
RESTS: Final = 1
RESTS_NOT: Final = 2
DIGEST_FACTOR: Final = 1_000_003

# Totals of a translation.
T_REPORTS, T_TRADES, T_LOTS, T_REJECTS, T_DIGEST, T_RESTING, T_RESTING_LOTS, _TOTALS = range(8)


class Answer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an engine says of a flow; the time runs from the first measured command to the reader's last report."""

    ns: int
    reports: int
    trades: int
    lots: int
    rejects: int
    digest: int
    resting_orders: int
    resting_lots: int

    def differs(self, other: Answer) -> str:
        """Return the first figure that differs, as an error says it; empty if none does."""
        for name in self.__struct_fields__[1:]:
            expected, was = getattr(self, name), getattr(other, name)
            if expected != was:
                return f"{name}: expected {expected}, was {was}"
        return ""


@kernel
def _translate(commands, outcomes, ends, setup, leaves, prices, rows, totals):  # type: ignore[no-untyped-def]
    """Write a row for each command of a flow, and add up what came of them; return how many were written."""
    for index in range(rows.shape[0]):
        command = commands[setup + index]
        seq = setup + index + 1
        first = outcomes[ends[seq - 1]]
        target = first["order_id"] - setup
        if target < 0 or target > index + 1:
            target = np.int64(0)
        kind = np.int64(command["kind"])
        qty = np.int64(command["qty_lots"])
        price = np.int64(command["price_ticks"])
        less = np.int64(0)
        done = np.int64(first["type"])
        totals[T_REPORTS] += 1
        if kind == KIND_NEW:
            if done == OUT_REJECTED:
                return index
            kind = np.int64(NEW)
            target = np.int64(index + 1)
            leaves[target] = qty
            prices[target] = price
            totals[T_RESTING] += 1
            totals[T_RESTING_LOTS] += qty
        elif done == OUT_REJECTED:
            totals[T_REJECTS] += 1
            if leaves[target] > 0:
                target = np.int64(0)  # named by a text that was never used: the order itself is there
            kind = np.int64(CANCEL if kind == KIND_CANCEL else REPLACE)
        elif done == OUT_CANCELLED and kind == KIND_CANCEL:
            kind = np.int64(CANCEL)
            totals[T_RESTING] -= 1
            totals[T_RESTING_LOTS] -= leaves[target]
            leaves[target] = 0
        elif done == OUT_REPLACED and kind == KIND_REPLACE:
            qty = np.int64(first["leaves_lots"])
            less = leaves[target] - qty
            kind = np.int64(REDUCE if price == prices[target] and less > 0 else REPLACE)
            totals[T_RESTING_LOTS] -= less
            leaves[target] = qty
            prices[target] = price
        else:
            return index
        for row in range(ends[seq - 1] + 1, ends[seq]):
            outcome = outcomes[row]
            done = np.int64(outcome["type"])
            order = outcome["order_id"] - setup
            if done == OUT_FILLED:
                lots = outcome["qty_lots"]
                leaves[order] -= lots
                totals[T_RESTING_LOTS] -= lots
                if leaves[order] == 0:
                    totals[T_RESTING] -= 1
                if outcome["flags"] & OUTFLAG_MAKER:
                    totals[T_REPORTS] += 1
                    totals[T_TRADES] += 1
                    totals[T_LOTS] += lots
                    digest = totals[T_DIGEST]
                    digest = digest * DIGEST_FACTOR + index + 1
                    digest = digest * DIGEST_FACTOR + order
                    digest = digest * DIGEST_FACTOR + outcome["price_ticks"]
                    totals[T_DIGEST] = digest * DIGEST_FACTOR + lots
            elif done == OUT_EXPIRED:
                totals[T_REPORTS] += 1
                totals[T_RESTING] -= 1
                totals[T_RESTING_LOTS] -= leaves[order]
                leaves[order] = 0
        tif = RESTS_NOT if command["tif"] == TIF_IOC else RESTS
        rows[index, 0] = kind | command["side"] << 8 | tif << 16 | np.int64(command["instrument"]) << 32
        rows[index, 1] = target
        rows[index, 2] = price
        rows[index, 3] = qty
        rows[index, 4] = less
        rows[index, 5] = command["account"]
    return np.int64(rows.shape[0])


def translate(workload: Workload, wanted: Reference, measured: int | None = None) -> tuple[Any, Answer]:
    """Return the rows of a flow and what must come of it; ``measured``: only so many behind the prefill."""
    count = workload.flow_count if measured is None else min(workload.flow_count, workload.prefill + measured)
    rows = np.zeros((count, ROW_WORDS), np.int64)
    totals = np.zeros(_TOTALS, np.int64)
    outcomes = np.ascontiguousarray(wanted.outcomes).view(OUTCOME).reshape(-1)
    leaves, prices = np.zeros(count + 1, np.int64), np.zeros(count + 1, np.int64)
    written = int(
        _translate(
            workload.commands, outcomes, wanted.ends, np.int64(workload.setup), leaves, prices, rows, totals
        )
    )
    if written != count:
        raise NotVerified(f"flow: expected {count} commands that rest, trade or name an order, was {written}")
    return rows, Answer(
        ns=0, reports=int(totals[T_REPORTS]), trades=int(totals[T_TRADES]), lots=int(totals[T_LOTS]),
        rejects=int(totals[T_REJECTS]), digest=int(totals[T_DIGEST]), resting_orders=int(totals[T_RESTING]),
        resting_lots=int(totals[T_RESTING_LOTS]),
    )  # fmt: skip


def write_flow(path: Path, rows: Any, prefill: int, instruments: int) -> None:
    """Write a flow to a file."""
    head = np.array([MAGIC, len(rows), prefill, instruments, 0, 0], np.int64)
    with open(path, "wb") as file:
        file.write(head.astype("<i8").tobytes())
        np.ascontiguousarray(rows, "<i8").tofile(file)


def read_flow(path: Path) -> tuple[Any, int, int]:
    """Return rows, prefill and instruments of a file."""
    words = np.fromfile(path, "<i8").reshape(-1, ROW_WORDS)
    if len(words) == 0 or words[0, 0] != MAGIC or words[0, 1] != len(words) - 1:
        raise ValueError(f"{path.name}: expected a flow file of {ROW_WORDS} words a row")
    return words[1:], int(words[0, 2]), int(words[0, 3])
