"""Compiled parts of :mod:`benchmarks.matching_scale`: commands on a stationary book, and the clock around matching.

The commands name orders by id and come with their verdicts, as risk would have left them, so that the books
can be of any size without ingest, risk or a journal. The generator keeps the ids of what rests; all orders
are so large that no trade ends one.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from protocols.codes import (
    KIND_CANCEL,
    KIND_NEW,
    KIND_REPLACE,
    SIDE_BUY,
    SIDE_SELL,
    TIF_GTC,
    TIF_IOC,
    TYPE_LIMIT,
)
from ringbuffer.atomics import store_release
from ringbuffer.kernel import inlined, kernel
from ringbuffer.native import clock_ns
from stages.matching import matching_step
from stages.topology import CUR_INPUT_RISK, CUR_WRITER

__all__ = ["BUDGET", "LARGE_LOTS", "MIDDLE_TICKS", "fill_ring", "lay_sweep", "match_ring"]

BUDGET: Final = 256  # commands a step, as the worker's loop has it
LARGE_LOTS: Final = 1 << 40
MIDDLE_TICKS: Final = 1 << 40

# Of the generator's state.
G_CHANCE: Final = 0
G_OPEN: Final = 1
GENERATOR_WORDS: Final = 8


@inlined
def _below(state, limit):  # type: ignore[no-untyped-def]
    """Step xorshift64 and return a number below a limit of up to 2^31."""
    bits = state[G_CHANCE]
    bits = bits ^ (bits << 13)
    bits = bits ^ ((bits >> 7) & 0x01FFFFFFFFFFFFFF)
    bits = bits ^ (bits << 17)
    state[G_CHANCE] = bits
    return (((bits >> 20) & 0x7FFFFFFF) * limit) >> 31


@inlined
def _write(slots, verdicts, seq, kind, tif, instrument, side, price, qty, target):  # type: ignore[no-untyped-def]
    """Write a command and the verdict that accepts it."""
    slot = seq & np.int64(slots.shape[0] - 1)
    command = slots[slot]
    command.seq = seq
    command.time_ns = seq
    command.price_ticks = price
    command.qty_lots = qty
    command.order_id = target
    command.instrument = instrument
    command.account = 1
    command.session = 1
    command.kind = kind
    command.side = side
    command.ord_type = TYPE_LIMIT
    command.tif = tif
    command.cl0 = seq
    verdict = verdicts[slot]
    verdict.order_id = target
    verdict.reason = 0
    verdict.session = 1


@kernel
def fill_ring(slots, verdicts, state, window, first, count, instruments, width, filling):  # type: ignore[no-untyped-def]
    """Write ``count`` commands from sequence ``first``; return how many of them are new, resting orders.

    ``filling``: only those. Otherwise of ten commands four are new, four cancels and one a replace of any
    resting order, and one an IOC order of one lot, for which there is always somebody. ``window`` holds (id,
    instrument, side) of what rests. New orders and replaces stand at any of ``width`` prices of their side.
    """
    rested = np.int64(0)
    for seq in range(first, first + count):
        turn = np.int64(0) if filling else seq % 10
        resting = state[G_OPEN]
        chosen = _below(state, max(resting, 1))
        distance = 1 + _below(state, width)
        if turn == 9 or turn in (0, 2, 4, 6):
            instrument = 1 + _below(state, instruments)
            side = np.int64(SIDE_BUY) + _below(state, np.int64(2))
            if turn == 9:
                instrument = window[chosen, 1]
                side = np.int64(SIDE_BUY + SIDE_SELL) - window[chosen, 2]
                price = MIDDLE_TICKS + (width if side == SIDE_BUY else -width)
                _write(slots, verdicts, seq, KIND_NEW, TIF_IOC, instrument, side, price, 1, 0)
                continue
            price = MIDDLE_TICKS + (-distance if side == SIDE_BUY else distance)
            _write(slots, verdicts, seq, KIND_NEW, TIF_GTC, instrument, side, price, LARGE_LOTS, 0)
            window[resting, 0] = seq
            window[resting, 1] = instrument
            window[resting, 2] = side
            state[G_OPEN] = resting + 1
            rested += 1
        elif turn == 8:
            side = window[chosen, 2]
            price = MIDDLE_TICKS + (-distance if side == SIDE_BUY else distance)
            target = window[chosen, 0]
            qty = 2 * LARGE_LOTS + seq
            _write(slots, verdicts, seq, KIND_REPLACE, TIF_GTC, window[chosen, 1], side, price, qty, target)
        else:
            _write(
                slots,
                verdicts,
                seq,
                KIND_CANCEL,
                0,
                window[chosen, 1],
                window[chosen, 2],
                0,
                0,
                window[chosen, 0],
            )
            for column in range(3):
                window[chosen, column] = window[resting - 1, column]
            state[G_OPEN] = resting - 1
    return rested


@kernel
def lay_sweep(slots, verdicts, first, orders, levels):  # type: ignore[no-untyped-def]
    """Write ``orders`` sells of one lot over ``levels`` prices, and the IOC buy that takes them all."""
    for offset in range(orders):
        price = MIDDLE_TICKS + offset % levels
        _write(slots, verdicts, first + offset, KIND_NEW, TIF_GTC, 1, SIDE_SELL, price, 1, 0)
    price = MIDDLE_TICKS + levels
    _write(slots, verdicts, first + orders, KIND_NEW, TIF_IOC, 1, SIDE_BUY, price, orders, 0)
    return 0


@kernel
def match_ring(in_words, slots, verdicts, out_words, out_slot_words, books, last_seq):  # type: ignore[no-untyped-def]
    """Match up to ``last_seq`` with nobody to read; return the nanoseconds."""
    store_release(in_words, CUR_WRITER, last_seq)
    store_release(in_words, CUR_INPUT_RISK, last_seq)
    start_ns = clock_ns()
    while matching_step(in_words, slots, verdicts, out_words, in_words, books, BUDGET) != 0:
        pass
    return clock_ns() - start_ns
