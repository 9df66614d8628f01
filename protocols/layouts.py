"""Command and outcome slots: the fixed 128-byte records that travel through the rings.

Each slot is two cache lines. The first holds what risk and matching need, the second identity and rarer
fields. The last eight bytes, ``sent_ns``, are a measuring stamp (CLOCK_MONOTONIC of the scheduled send
time): they are neither journaled nor part of a digest, so words 0 to 14 are what determines the state.

Command (written by gateways into ingress rings, by ingest into the input ring)::

      0 seq            8 time_ns       16 seen_seq      24 price_ticks
     32 qty_lots      40 order_id      48 account  52 instrument
     56 session 58 kind 59 side 60 ord_type 61 tif 62 flags
     64 cl0           72 cl1           80 cl2   84 orig2
     88 orig0         96 orig1        104 aux0         112 aux1        120 sent_ns

Outcome (written by matching into the output ring, by publish into egress rings)::

      0 input_seq      8 time_ns       16 order_id      24 price_ticks
     32 qty_lots      40 leaves_lots   48 cum_lots      56 account  60 instrument
     64 cl0           72 cl1           80 cl2   84 orig2
     88 orig0         96 orig1        104 index 108 reason 110 session
    112 type 113 side 114 flags 115 kind 116 trade_index       120 sent_ns

Texts of up to 20 ASCII bytes (ClOrdID, OrigClOrdID, names) are stored little-endian in two int64 and one
int32, zero padded: see :mod:`protocols.text`.

How a NEW, unless it is DIRECTED, uses the fields that name another order:

========== ===========================================================================================
order_id   display quantity (lots) of an iceberg, 0 for none
orig0      minimum quantity (lots), 0 for none
orig2      self-trade group, 0 for none; its mode (codes.SelfTradeMode) stands in bits 6 to 8 of flags
aux0       stop price (ticks) of STOP and STOP_LIMIT, distance (ticks) of TRAILING_STOP
aux1       expiry (ns, on the clock of time_ns) with GTD
========== ===========================================================================================

Outcomes of type BOOK, and the answer to a BOOK_REQUEST, use their fields in ways of their own: docs/market-data.md.

A REPLACE of a stop order has its new stop price or distance in aux0, 0 to keep it.

How administrative kinds use the fields of a command:

========== ===========================================================================================
VENUE      capacities: qty_lots max_orders, order_id max_cl_ord_ids, aux0 max_positions, aux1
           max_levels, account max_accounts, instrument max_instruments, price_ticks max_sessions;
           orig0 max_specials, orig1 partitions of matching (0 for 1); always sequence 1
INSTRUMENT instrument id, cl symbol (16), price_ticks tick_e8, qty_lots lot_e8, aux0 money per tick
           and lot (millionths), order_id and aux1 lowest and highest price allowed (ticks, 0 none),
           orig0 protection points (ticks, 0 none), orig2 currency (3), account group, ord_type the
           trading state in which it begins, orig1 tick table (0 none); FLAG_MARKET_DATA; tif partition
           (from 1; 0: by group, or by id)
ACCOUNT    account id, cl name (16), orig2 currency (3), instrument firm (0 none); FLAG_PREFUNDED
FIRM       aux0 firm id, cl name (16), orig2 currency (3)
LIMIT      whose: account, or account and instrument, or instrument, or aux0 firm; ord_type which
           (codes.Limit), tif part (codes.LimitPart), qty_lots value (-1 unset, 2^60 unlimited) or percent;
           FLAG_CONFIGURED: by the configuration
KILL       tif level (codes.KillLevel), ord_type switch (codes.Switch), side 1 engage, 2 release; whom:
           account, instrument, aux0 firm, orig session's name (20)
PERMIT     ord_type what (codes.Permit), qty_lots value; account, instrument, orig session's name (20)
COLLAR     instrument, ord_type unit (codes.CollarUnit), order_id static and orig0 dynamic width (0 off),
           price_ticks reference (ticks, 0 keep), aux0 how old a reference may be (ns, 0 any)
FEES       instrument, account of the venue that gets them, price_ticks maker, qty_lots taker, order_id
           auction rate (millionths of the money traded, negative: a rebate)
TRANSFER   account, instrument (0: cash), side 1 deposit, 2 withdraw, qty_lots amount (millionths or lots),
           cl reference (20), never used before
DAY_BEGIN  nothing: daily counters begin anew
SESSION_*  cl name (20), orig0 port (set by ingest); the outcome's ``session`` is the id that the core gave it;
           SESSION_OPEN with FLAG_CANCEL_ON_CLOSE: its orders end when it closes
MASS_CANCEL session (0: of all), account, instrument, side, aux0 firm: which orders, 0 for any
STATE      instrument (0: all of group ``account``), ord_type state (codes.TradingState)
SCHEDULE   side 1 adds, 2 clears; account group, ord_type state, aux1 when (ns), aux0 period (ns, 0 once)
BANDS      instrument, ord_type mode (codes.BandMode), order_id static and orig0 dynamic width (ticks),
           price_ticks static reference (0 keep), aux0 length of a volatility auction (ns), qty_lots
           least time between two indications (ns)
TICK_TABLE account table (1 to 63), side 1 adds a row, 2 empties; price_ticks from, qty_lots step (ticks)
CHECKPOINT aux0 sequence, aux1 outcome digest after it; with FLAG_FINAL order_id holds the state digest
========== ===========================================================================================
Where no other use of ``cl`` is told, it names who gave an administrative command (20 characters, empty if nobody is
known); a TRANSFER has that in ``orig``. The answers to LIMIT, KILL, PERMIT and TRANSFER tell old and new:
docs/rules.md. An ACCEPTED of a NEW or REPLACED of a REPLACE with the reason LIMIT_WARNING has the limit that it is
about (codes.Limit, of a firm 32 more) in trade_index.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

__all__ = ["COMMAND", "COMMAND_BYTES", "DETERMINED_WORDS", "OUTCOME", "SLOT_WORDS", "layout_hash"]

COMMAND_BYTES = 128
SLOT_WORDS = COMMAND_BYTES // 8
DETERMINED_WORDS = SLOT_WORDS - 1  # all but sent_ns

_COMMAND_FIELDS = [
    ("seq", "<i8", 0),
    ("time_ns", "<i8", 8),
    ("seen_seq", "<i8", 16),
    ("price_ticks", "<i8", 24),
    ("qty_lots", "<i8", 32),
    ("order_id", "<i8", 40),
    ("account", "<i4", 48),
    ("instrument", "<i4", 52),
    ("session", "<u2", 56),
    ("kind", "u1", 58),
    ("side", "u1", 59),
    ("ord_type", "u1", 60),
    ("tif", "u1", 61),
    ("flags", "<u2", 62),
    ("cl0", "<i8", 64),
    ("cl1", "<i8", 72),
    ("cl2", "<i4", 80),
    ("orig2", "<i4", 84),
    ("orig0", "<i8", 88),
    ("orig1", "<i8", 96),
    ("aux0", "<i8", 104),
    ("aux1", "<i8", 112),
    ("sent_ns", "<i8", 120),
]

_OUTCOME_FIELDS = [
    ("input_seq", "<i8", 0),
    ("time_ns", "<i8", 8),
    ("order_id", "<i8", 16),
    ("price_ticks", "<i8", 24),
    ("qty_lots", "<i8", 32),
    ("leaves_lots", "<i8", 40),
    ("cum_lots", "<i8", 48),
    ("account", "<i4", 56),
    ("instrument", "<i4", 60),
    ("cl0", "<i8", 64),
    ("cl1", "<i8", 72),
    ("cl2", "<i4", 80),
    ("orig2", "<i4", 84),
    ("orig0", "<i8", 88),
    ("orig1", "<i8", 96),
    ("index", "<i4", 104),
    ("reason", "<u2", 108),
    ("session", "<u2", 110),
    ("type", "u1", 112),
    ("side", "u1", 113),
    ("flags", "u1", 114),
    ("kind", "u1", 115),
    ("trade_index", "<i4", 116),
    ("sent_ns", "<i8", 120),
]


def _dtype(fields: list[tuple[str, str, int]]) -> np.dtype[Any]:
    """Build an aligned dtype with exactly these offsets; every byte is named, so nothing is uninitialised."""
    dtype = np.dtype([(name, kind) for name, kind, _ in fields], align=True)
    assert dtype.fields is not None
    for name, _, offset in fields:
        actual = dtype.fields[name][1]
        assert actual == offset, f"{name}: expected offset {offset}, was {actual}"
    assert dtype.itemsize == COMMAND_BYTES, f"expected {COMMAND_BYTES} bytes, was {dtype.itemsize}"
    return dtype


COMMAND = _dtype(_COMMAND_FIELDS)
OUTCOME = _dtype(_OUTCOME_FIELDS)


def layout_hash(dtype: np.dtype[Any]) -> int:
    """Return a stable 63-bit hash of a structured dtype: names, types and offsets of its fields."""
    assert dtype.fields is not None
    rows = [f"{name}:{dtype.fields[name][0].str}@{dtype.fields[name][1]}" for name in dtype.names or ()]
    rows.append(str(dtype.itemsize))
    digest = hashlib.blake2b(";".join(rows).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1
