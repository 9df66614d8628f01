"""The state of the deterministic core: preallocated flat arrays, one named tuple for risk, one for matching.

Written by the risk and the matching stage alone, one writer each. What grows with orders is private to the worker
that owns it, on huge pages, and inherited over fork from the supervisor that rebuilt it; only its owner can take its
digest. What others look at (definitions, markets, counters, the digests that ingest journals, what is due) lies in
anonymous shared memory.

Memory is only touched as far as it is used: generous capacities cost address space.

Invariants: row 0 of instruments, accounts and sessions is "none"; ids are row numbers. Free rows of slabs
are chained through ``next`` (matching) or a stack (risk), last freed first used, so that hot rows are reused
and the layout is a function of the commands alone.
"""

from __future__ import annotations

import mmap
from typing import Any, NamedTuple

import numpy as np

from protocols.codes import LIMIT_COUNT, LIMIT_UNSET
from protocols.layouts import SLOT_WORDS
from ringbuffer.bundle import bundle, make_bundle
from ringbuffer.kernel import JIT_DISABLED
from stages.state_words import MATCHING_WORDS, MW_PARTITION, MW_PARTITIONS, RISK_WORDS, RW_PARTITIONS

__all__ = [
    "Capacities",
    "MatchingState",
    "RiskState",
    "allocate_matching",
    "allocate_risk",
    "private_array",
    "shared_array",
    "with_ring",
]

ORDER = np.dtype(
    [
        ("order_id", "<i8"),
        ("price_ticks", "<i8"),
        ("shown_lots", "<i8"),  # leaves, or of an iceberg what stands in the queue
        ("cum_lots", "<i8"),
        ("next", "<i4"),
        ("prev", "<i4"),
        ("level", "<i4"),
        ("account", "<i4"),
        ("instrument", "<i4"),
        ("session", "<u2"),
        ("side", "u1"),
        ("tif", "u1"),
        ("group", "<i4"),
        ("marks", "<i4"),
    ],
    align=True,
)
SPECIAL = np.dtype(
    [
        ("display_lots", "<i8"),  # 0: no iceberg
        ("hidden_lots", "<i8"),
        ("limit_ticks", "<i8"),  # of a stop order; 0 once it is elected, and for a market order
        ("trail_ticks", "<i8"),
        ("reference_ticks", "<i8"),
        ("order", "<i4"),  # its row
        ("next", "<i4"),  # trailing stops of a side, in the order of their ids; free rows
        ("prev", "<i4"),
        ("ord_type", "u1"),
        ("spare0", "u1"),
        ("spare1", "<u2"),
    ],
    align=True,
)
MARKET = np.dtype(
    [
        ("last_ticks", "<i8"),
        ("trailed_ticks", "<i8"),  # the last trade price that trailing stops know
        ("protection_ticks", "<i8"),
        ("trail_head_buy", "<i4"),
        ("trail_tail_buy", "<i4"),
        ("trail_head_sell", "<i4"),
        ("trail_tail_sell", "<i4"),
        ("stops", "<i4"),
        ("icebergs", "<i4"),
        ("state", "u1"),  # codes.TradingState; 0: no such instrument
        ("band_mode", "u1"),
        ("tick_table", "u1"),
        ("marks", "u1"),
        ("touched_next", "<i4"),
        ("band_seq", "<i8"),  # the command for which ``dynamic_reference`` was taken
        # the second and third line: bands and auctions
        ("static_ticks", "<i8"),
        ("dynamic_ticks", "<i8"),
        ("static_reference", "<i8"),
        ("dynamic_reference", "<i8"),
        ("volatility_ns", "<i8"),  # how long a volatility auction lasts
        ("volatility_end_ns", "<i8"),  # of the one that runs; 0: a command ends it
        ("volatility_key", "<i8"),  # of its timer
        ("indication_ns", "<i8"),  # least time between two indications
        ("indicated_ns", "<i8"),  # when the last one was
        ("indication_due_ns", "<i8"),  # when the next one is, if it was put off
        ("indication_key", "<i8"),  # of its timer
        ("told_ticks", "<i8"),  # price, volume, and lots to buy less lots to sell, as told last
        ("told_lots", "<i8"),
        ("told_surplus", "<i8"),
        ("group", "<i4"),
        ("fleeting", "<i4"),  # orders with MARK_FLEETING
        ("feed_seq", "<i8"),  # of the last thing that its market data told
    ],
    align=True,
)
SCHEDULE = np.dtype(
    [
        ("due_ns", "<i8"),  # 0: a free row
        ("period_ns", "<i8"),
        ("key", "<i8"),  # of its timer
        ("group", "<i4"),
        ("state", "<i4"),
    ],
    align=True,
)
WHOSE = np.dtype([("account", "<i4"), ("instrument", "<i4"), ("side", "<i8")], align=True)
UNCROSS = np.dtype(
    [
        ("price_ticks", "<i8"),  # 0: no price
        ("volume_lots", "<i8"),
        ("surplus_lots", "<i8"),  # to buy less to sell
    ],
    align=True,
)
TAKER = np.dtype(
    [
        ("order_id", "<i8"),
        ("price_ticks", "<i8"),  # as outcomes tell it: 0 for a market order
        ("limit_key", "<i8"),  # up to which it trades: its own limit, or a band's edge
        ("own_key", "<i8"),  # its own limit, where the instrument has bands
        ("leaves_lots", "<i8"),
        ("cum_lots", "<i8"),
        ("cl0", "<i8"),
        ("cl1", "<i8"),
        ("cl2", "<i8"),
        ("display_lots", "<i8"),
        # account and instrument apart: an outcome has both in one word, and loading two fresh stores as one waits
        ("account", "<i4"),
        ("group", "<i4"),
        ("instrument", "<i4"),
        ("marks", "<i4"),
        ("session", "<u2"),
        ("side", "u1"),
        ("tif", "u1"),
        ("spare", "<i4"),
    ],
    align=True,
)
# Bits of a market's ``marks``.
MARKET_TOUCHED = 1  # it is in the chain of those whose indication may have changed
MARKET_FEED = 2  # it has market data
# Bits of an order's ``marks``.
MARK_SPECIAL = 1  # it has a row of specials
MARK_TIMED = 2  # GTD
MARK_STOP = 4  # it stands in a stop side
MARK_POST_ONLY = 8
MARK_POST_REPRICE = 16
MARK_STP_SHIFT = 5  # three bits: the self-trade mode
MARK_MARKET = 256  # a market order that rests or waits
MARK_WAITING = 512  # it stands in a waiting side
MARK_FLEETING = 1024  # a market order, or one at the open or the close: it ends with an auction
MARK_RARE = MARK_SPECIAL | MARK_TIMED | MARK_FLEETING

SPARE_TIMERS = 1024
SPARE_LEVELS = 1
SAFE_ORDERS = 7  # of at most 2**60 lots each: the sum of a level of more orders may have wrapped
MAX_LIMIT_TICKS = 2**63 - 2  # of a limit price: the next one is that of market orders in auctions
MAX_REFILLS = 64  # an iceberg has at most that many times its display quantity
LEVEL = np.dtype(
    [
        ("price_ticks", "<i8"),
        ("qty_lots", "<i8"),
        ("head", "<i4"),
        ("tail", "<i4"),
        ("block", "<i4"),
        ("order_count", "<i4"),
    ],
    align=True,
)
BOOK_SIDE = np.dtype([("best", "<i4"), ("top", "<i4"), ("root", "<i4"), ("count", "<i4")], align=True)
BLOCK = np.dtype(
    [
        ("count", "<i4"),
        ("height", "<i4"),
        ("parent", "<i4"),
        ("worse", "<i4"),
        ("better", "<i4"),
        ("side_row", "<i4"),
        ("spare0", "<i4"),
        ("spare1", "<i4"),
    ],
    align=True,
)
RISK_ORDER = np.dtype(
    [
        ("order_id", "<i8"),
        ("leaves_lots", "<i8"),
        ("cum_lots", "<i8"),
        ("price_ticks", "<i8"),
        ("res_lots", "<i8"),
        ("res_price", "<i8"),
        ("position", "<i4"),
        ("pending", "<i4"),
        ("session", "<u2"),
        ("side", "u1"),
        ("ord_type", "u1"),
        ("fee_cap", "<i4"),  # millionths: the highest fee rate that its reservation covers
    ],
    align=True,
)
POSITION = np.dtype(
    [
        ("key", "<i8"),
        ("position_lots", "<i8"),
        ("open_buy_lots", "<i8"),
        ("open_sell_lots", "<i8"),
        ("account", "<i4"),
        ("instrument", "<i4"),
        ("mark", "<i8"),  # money: what it was worth when it was marked last
        ("open_orders", "<i4"),
        ("access", "u1"),  # codes.Access
        ("has_limits", "u1"),  # it has a row of position_limits
        ("spare0", "<u2"),
        ("spare1", "<i8"),
    ],
    align=True,
)
ACCOUNT = np.dtype(
    [
        # the first line: what every order looks at
        ("marks", "<i8"),  # bits ACCOUNT_…: switches, and which controls are on
        ("order_tat", "<i8"),  # theoretical arrival times (ns) of the buckets
        ("cancel_tat", "<i8"),
        ("open_orders", "<i8"),
        ("cash", "<i8"),  # all of it is cash + 2^61 x cash_carry
        ("reserved_buy", "<i8"),
        ("reserved_sell", "<i8"),
        ("firm", "<i4"),
        ("currency", "<i4"),
        # the second line: what is counted
        ("traded", "<i8"),  # money of fills since the day began
        ("messages", "<i8"),
        ("fills", "<i8"),
        ("value", "<i8"),  # sum of the marks of its positions
        ("day_equity", "<i8"),
        ("execution_start_ns", "<i8"),
        ("execution_count", "<i8"),
        ("types", "<i4"),  # bit n: order type n is permitted
        ("tifs", "u1"),  # bit n: time in force n is permitted
        ("known", "u1"),
        ("spare0", "<u2"),
        # the third: what is rare
        ("name0", "<i8"),
        ("name1", "<i8"),
        ("groups", "<i8"),  # bit n: instruments of group n are permitted, bit 63: those of all groups above
        ("cash_carry", "<i8"),
        ("warnings", "<i8"),  # how many acceptances were marked
        ("spare1", "<i8"),
        ("spare2", "<i8"),
        ("spare3", "<i8"),
    ],
    align=True,
)
FIRM = np.dtype(
    [
        ("marks", "<i8"),
        ("order_tat", "<i8"),
        ("cash", "<i8"),  # of its accounts with credit
        ("cash_carry", "<i8"),
        ("credit_reserved", "<i8"),  # reserved_buy of its accounts with credit
        ("reserved", "<i8"),  # reserved_buy and reserved_sell of all its accounts
        ("traded", "<i8"),
        ("warnings", "<i8"),
        ("name0", "<i8"),
        ("name1", "<i8"),
        ("currency", "<i4"),
        ("known", "u1"),
        ("spare0", "u1"),
        ("spare1", "<u2"),
        ("spare2", "<i8"),
        ("spare3", "<i8"),
        ("spare4", "<i8"),
        ("spare5", "<i8"),
        ("spare6", "<i8"),
    ],
    align=True,
)
RECENT = np.dtype(
    [
        ("price_ticks", "<i8"),
        ("qty_lots", "<i8"),
        ("start_ns", "<i8"),  # when its window began
        ("what", "<i4"),  # 2 x instrument + (1 for a sell)
        ("count", "<i4"),  # 0: nothing stands here
    ],
    align=True,
)
INSTRUMENT = np.dtype(
    [
        # the first line: what every order looks at
        ("tick_value", "<i8"),
        ("low_ticks", "<i8"),
        ("high_ticks", "<i8"),
        ("last_ticks", "<i8"),
        ("max_order_qty", "<i8"),
        ("max_order_notional", "<i8"),
        ("currency", "<i4"),
        ("known", "u1"),
        ("tick_table", "u1"),
        ("flags", "<u2"),  # of the command that defined it
        ("group", "<i4"),
        ("marks", "<i4"),  # bits INSTRUMENT_…: switches, and which controls are on
        # the second: collars and fees
        ("static_low", "<i8"),
        ("static_high", "<i8"),
        ("dynamic_low", "<i8"),
        ("dynamic_high", "<i8"),
        ("reference_ns", "<i8"),  # when the dynamic reference was set
        ("stale_ns", "<i8"),  # how old it may be, 0 any
        ("maker_rate", "<i4"),
        ("taker_rate", "<i4"),
        ("auction_rate", "<i4"),
        ("fee_account", "<i4"),
        # the third: what is rare
        ("symbol0", "<i8"),
        ("symbol1", "<i8"),
        ("tick_e8", "<i8"),
        ("lot_e8", "<i8"),
        ("protection_ticks", "<i8"),  # matching has its own: this one tells what was defined
        ("static_width", "<i8"),
        ("dynamic_width", "<i8"),
        ("static_reference", "<i8"),
        ("dynamic_reference", "<i8"),
        ("initial_state", "<u2"),
        ("partition", "<u2"),  # of matching that has its book, from 0
        ("collar_unit", "<i4"),
        ("adjusted", "<i8"),
        ("spare1", "<i8"),
        ("spare2", "<i8"),
        ("spare3", "<i8"),
        ("spare4", "<i8"),
        ("spare5", "<i8"),
    ],
    align=True,
)
SESSION = np.dtype(
    [
        ("name0", "<i8"),
        ("name1", "<i8"),
        ("name2", "<i4"),
        ("is_open", "u1"),
        ("cancels_on_close", "u1"),
        ("switches", "u1"),  # codes.Switch
        ("is_restricted", "u1"),  # acts for the accounts in session_accounts only
    ],
    align=True,
)
CL_ENTRY = np.dtype(
    [("cl0", "<i8"), ("cl1", "<i8"), ("order_id", "<i8"), ("cl2", "<i4"), ("session", "<i4")], align=True
)
FEEDBACK = np.dtype(
    [
        ("input_seq", "<i8"),
        ("order_id", "<i8"),
        ("price_ticks", "<i8"),
        ("qty_lots", "<i8"),
        ("leaves_lots", "<i8"),
        ("instrument", "<i4"),
        ("type", "u1"),
        ("kind", "u1"),
        ("flags", "u1"),
        ("spare", "u1"),
        ("time_ns", "<i8"),
        ("spare1", "<i8"),
    ],
    align=True,
)
VERDICT = np.dtype(
    [
        ("order_id", "<i8"),  # the order that is named, or what the answer tells of before
        ("reason", "<u2"),
        ("warning", "<u2"),  # the limit that is nearly used up (codes.Limit, of a firm 32 more), 0 for none
        ("session", "<u2"),
        ("partition", "<u2"),  # of matching that it concerns, or EVERY_PARTITION
    ],
    align=True,
)
# Bits of an account's ``marks``; the first three are codes.Switch.
ACCOUNT_INCOMPLETE = 8  # a limit is not set
ACCOUNT_PREFUNDED = 16
ACCOUNT_SHORT_EXEMPT = 32
ACCOUNT_HAS_PERMITS = 64  # not every type, tif and group is permitted
ACCOUNT_ORDER_RATE = 128
ACCOUNT_CANCEL_RATE = 256
ACCOUNT_ORDER_TO_TRADE = 512
ACCOUNT_DUPLICATES = 1024
ACCOUNT_EXECUTIONS = 2048
ACCOUNT_MAX_LOSS = 4096
ACCOUNT_WARNS = 8192  # a limit has a warning threshold
ACCOUNT_CARRIES = 16384  # cash_carry is not 0
# Bits of a firm's ``marks`` are those of the same meaning.
# Bits of an instrument's ``marks``; the first three are codes.Switch.
INSTRUMENT_NO_SHORT_SALES = 8
INSTRUMENT_STATIC_COLLAR = 16
INSTRUMENT_DYNAMIC_COLLAR = 32
INSTRUMENT_HAS_FEES = 64
INSTRUMENT_HAS_LIMITS = 128
# What a new account may use.
ALL_TYPES = 0b1_0000_0000_0011_1110
ALL_TIFS = 0b1111_1110
ALL_GROUPS = -1

assert (ORDER.itemsize, LEVEL.itemsize, RISK_ORDER.itemsize, CL_ENTRY.itemsize) == (64, 32, 64, 32)
assert (SPECIAL.itemsize, MARKET.itemsize, SCHEDULE.itemsize) == (56, 192, 32)
assert (FEEDBACK.itemsize, VERDICT.itemsize, BOOK_SIDE.itemsize, BLOCK.itemsize) == (64, 16, 16, 32)
assert (POSITION.itemsize, ACCOUNT.itemsize, FIRM.itemsize, RECENT.itemsize) == (64, 192, 128, 32)
assert (INSTRUMENT.itemsize, SESSION.itemsize) == (256, 24)

# A checkpoint names a sequence at most one input ring behind it: the history is larger than any input ring, and
# the same for the pipeline and for a replay of its journal.
DIGEST_SLOTS = 1 << 21
HUGE_PAGE_BYTES = 2 << 20
MAP_NORESERVE = 0x4000  # Linux; mmap names it from Python 3.13 on

SIDES_PER_INSTRUMENT = 8  # a power of two; see stages.ladder.side_row
SIDES_IN_USE = 6
MAX_SCHEDULES = 256
TICK_TABLES = 64  # table 0 is "none"
TICK_ROWS = 16  # of a table
LIMIT_COLUMNS = 24  # three lines: limits by code, then what is derived from those of rates
COLUMN_ADJUSTED = 0  # bit n: an operator, and not the configuration, was the last to set limit n
COLUMN_ORDER_INTERVAL = 20  # ns between two orders in the long run
COLUMN_ORDER_TOLERANCE = 21  # ns by which orders may come before that
COLUMN_CANCEL_INTERVAL = 22
COLUMN_CANCEL_TOLERANCE = 23
WARNING_COLUMNS = 16
NO_WARNING = 1 << 62  # a threshold that nothing reaches
MANY_POSITIONS = 1 << 12  # with fewer, a second-level cache has them, and their accounts, anyway
RECENT_ORDERS = 8  # of an account; a power of two
BLOCK_KEYS = 32  # of a block of a ladder; a power of two
EVERY_PARTITION = 0xFFFF  # of a verdict: the command concerns them all


class Capacities(NamedTuple):
    """How much the core may hold; part of the journal (command VENUE), so that replay allocates the same."""

    max_orders: int = 1 << 20
    max_levels: int = 1 << 17
    max_cl_ord_ids: int = 1 << 24
    max_positions: int = 1 << 16
    max_accounts: int = 4096
    max_instruments: int = 1024
    max_sessions: int = 1024
    max_specials: int = 1 << 14
    partitions: int = 1


@bundle
class RiskState(NamedTuple):
    """All that decides verdicts."""

    words: Any
    orders: Any
    order_keys: Any
    order_map: Any
    order_stack: Any
    positions: Any
    position_keys: Any
    position_map: Any
    position_limits: Any  # [position, codes.Limit 1 to 5]
    accounts: Any
    limits: Any  # [account, codes.Limit], then columns COLUMN_…
    flat_limits: Any  # the same as one row, to be fetched by the line
    warnings: Any  # [account, codes.Limit]: the use from which on risk warns
    warning_percents: Any
    recent: Any  # [account, RECENT_ORDERS]: for the search for duplicative orders
    firms: Any
    firm_limits: Any  # as those of accounts
    firm_warnings: Any
    firm_warning_percents: Any
    instruments: Any
    sessions: Any
    session_accounts: Any  # [session, account / 64]: bit account % 64 permits it
    tick_rows: Any  # [table, row]: (from, step); step 0 behind the last row
    cl_entries: Any
    cl_map: Any
    feed: Any
    table: Any


@bundle
class MatchingState(NamedTuple):
    """All that decides outcomes, given verdicts."""

    words: Any
    orders: Any
    order_keys: Any
    order_map: Any
    texts: Any
    levels: Any
    sides: Any
    markets: Any
    specials: Any
    schedules: Any
    firms: Any  # of each account
    tick_rows: Any  # as risk has them
    timers: Any  # heap of (when, what); see stages.timers
    level_sums: Any  # scratch of an uncross: lots from the best level on, by level
    uncross: Any  # one row: what an uncross gives or would give
    whose: Any  # one row: whose an outcome of an instrument is
    taker: Any  # one row: the order that trades now
    blocks: Any
    block_keys: Any
    block_rows: Any
    flat_keys: Any  # the same as one row, to be fetched by the line
    flat_rows: Any
    pending: Any  # outcomes as words
    ring: Any  # the slots of the output ring as words
    digests: Any  # after each input, by sequence
    table: Any


def shared_array(shape: int | tuple[int, ...], dtype: Any) -> Any:
    """Return a zeroed array in anonymous shared memory: workers write it, the supervisor reads it when they stop."""
    return _mapped_array(shape, dtype, mmap.MAP_SHARED)


def private_array(shape: int | tuple[int, ...], dtype: Any) -> Any:
    """Return a zeroed array that one worker alone uses: private memory, with huge pages where the host grants them.

    What recovery wrote is inherited over fork, copied page by page as the worker writes.
    """
    return _mapped_array(shape, dtype, mmap.MAP_PRIVATE)


def _mapped_array(shape: int | tuple[int, ...], dtype: Any, sharing: int) -> Any:
    kind = np.dtype(dtype)
    count = int(np.prod(shape))
    size = max(count * kind.itemsize, mmap.PAGESIZE)
    area = mmap.mmap(-1, size, flags=sharing | mmap.MAP_ANONYMOUS | MAP_NORESERVE)
    if size >= HUGE_PAGE_BYTES:
        try:
            area.madvise(mmap.MADV_HUGEPAGE)
        except OSError:
            pass  # not offered by this kernel: 4 KiB pages do
    array = np.frombuffer(area, dtype=kind, count=count).reshape(shape)
    return records(array) if kind.names else array


class FieldRecord(np.record):  # type: ignore[misc]  # NumPy marks a base of it final; subclasses work
    """A record whose fields come before NumPy's own attributes of the same name (``flags``)."""

    def __getattribute__(self, name: str) -> Any:
        """Return a field if there is one of that name."""
        fields = np.void.__getattribute__(self, "dtype").fields
        return self[name] if fields and name in fields else super().__getattribute__(name)


def records(array: Any) -> Any:
    """Give plain Python the attribute syntax that kernels have (JIT off); a no-op for compiled code."""
    return array.view(np.dtype((FieldRecord, array.dtype))) if JIT_DISABLED else array


def _power_of_two(least: int) -> int:
    size = 16
    while size < least:
        size *= 2
    return size


def allocate_risk(capacities: Capacities, input_slots: int) -> RiskState:
    """Allocate an empty risk state; ``input_slots`` bounds how many commands can be in flight."""
    orders = private_array(capacities.max_orders, RISK_ORDER)
    accounts = capacities.max_accounts + 1  # and as many firms
    positions = private_array(capacities.max_positions, POSITION)
    specials = capacities.max_specials * capacities.partitions
    refills = MAX_REFILLS * (specials + input_slots)  # fills that end no order
    feed_size = _power_of_two(2 * capacities.max_orders + refills + 8 * input_slots)
    words = shared_array(RISK_WORDS, np.int64)
    words[RW_PARTITIONS] = capacities.partitions
    limits = shared_array((accounts, LIMIT_COLUMNS), np.int64)
    firm_limits = shared_array((accounts, LIMIT_COLUMNS), np.int64)
    for values in (limits, firm_limits):
        values[:, 1:LIMIT_COUNT] = LIMIT_UNSET
    return make_bundle(
        RiskState,
        words=words,
        orders=orders,
        order_keys=orders["order_id"],
        order_map=private_array(_power_of_two(2 * capacities.max_orders), np.int32),
        order_stack=private_array(capacities.max_orders, np.int32),
        positions=positions,
        position_keys=positions["key"],
        position_map=private_array(_power_of_two(2 * capacities.max_positions), np.int32),
        position_limits=private_array((capacities.max_positions, 8), np.int64),
        accounts=shared_array(accounts, ACCOUNT),
        limits=limits,
        flat_limits=limits.reshape(-1),
        warnings=shared_array((accounts, WARNING_COLUMNS), np.int64),
        warning_percents=shared_array((accounts, WARNING_COLUMNS), np.uint8),
        recent=private_array((accounts, RECENT_ORDERS), RECENT),
        firms=shared_array(accounts, FIRM),
        firm_limits=firm_limits,
        firm_warnings=shared_array((accounts, WARNING_COLUMNS), np.int64),
        firm_warning_percents=shared_array((accounts, WARNING_COLUMNS), np.uint8),
        instruments=shared_array(capacities.max_instruments + 1, INSTRUMENT),
        sessions=shared_array(capacities.max_sessions + 1, SESSION),
        session_accounts=shared_array((capacities.max_sessions + 1, accounts // 64 + 1), np.int64),
        tick_rows=shared_array((TICK_TABLES, TICK_ROWS, 2), np.int64),
        cl_entries=private_array(capacities.max_cl_ord_ids, CL_ENTRY),
        cl_map=private_array(_power_of_two(2 * capacities.max_cl_ord_ids), np.int32),
        feed=private_array(feed_size, FEEDBACK),
    )


def room_for_blocks(max_levels: int, max_instruments: int) -> int:
    """Return how many blocks the ladders of all sides can need.

    A side of n levels has at most 1 + 2 (n - 1) / (BLOCK_KEYS / 4 - 1) blocks (:mod:`stages.ladder`), one
    without levels has none.
    """
    sides = SIDES_PER_INSTRUMENT * (max_instruments + 1)
    return min(sides, max_levels) + 2 * max_levels // (BLOCK_KEYS // 4 - 1)


def allocate_matching(capacities: Capacities, partition: int = 0) -> MatchingState:
    """Allocate the empty books of one partition (from 0) of ``capacities.partitions``."""
    orders = private_array(capacities.max_orders, ORDER)
    max_specials = capacities.max_specials
    # beside those for trailing stops, which move when all levels are in use, one for orders that are released
    max_levels = capacities.max_levels + max_specials + SPARE_LEVELS
    blocks = room_for_blocks(max_levels, capacities.max_instruments)
    # what a command can do to each order, with what market data tell of it: release it (2) or elect it and let it
    # rest (2), one more trade of it as a taker (3), its end as maker or taker (in an uncross 6: two fills, each with
    # shown and hidden lots), its end by the state (2); refills of icebergs come on top, with 4 each, and for each
    # state that is entered what the instrument tells of itself (ADR 0006)
    pending_rows = 16 * capacities.max_orders + 4 * MAX_REFILLS * max_specials + 64
    pending_rows += 4 * (MAX_SCHEDULES + 4) * (capacities.max_instruments + 1)
    # entries that are alive: orders with GTD, schedules, two of each instrument; at most as many are not
    timers = 2 * (max_specials + MAX_SCHEDULES + 2 * (capacities.max_instruments + 1)) + SPARE_TIMERS
    pending = private_array(pending_rows * SLOT_WORDS, np.int64)
    block_keys = private_array((blocks, BLOCK_KEYS), np.int64)
    block_rows = private_array((blocks, BLOCK_KEYS), np.int32)
    sides = shared_array(SIDES_PER_INSTRUMENT * (capacities.max_instruments + 1), BOOK_SIDE)
    for name in ("best", "top", "root"):
        sides[name] = -1
    words = shared_array(MATCHING_WORDS, np.int64)
    words[MW_PARTITION] = partition
    words[MW_PARTITIONS] = capacities.partitions
    digest_slots = (
        DIGEST_SLOTS if capacities.partitions == 1 else 1
    )  # those of several are taken behind the merge
    return make_bundle(
        MatchingState,
        words=words,
        orders=orders,
        order_keys=orders["order_id"],
        order_map=private_array(_power_of_two(2 * capacities.max_orders), np.int64),
        texts=private_array((capacities.max_orders, 4), np.int64),
        levels=private_array(max_levels, LEVEL),
        sides=sides,
        markets=shared_array(capacities.max_instruments + 1, MARKET),
        specials=private_array(max_specials, SPECIAL),
        schedules=shared_array(MAX_SCHEDULES, SCHEDULE),
        firms=shared_array(capacities.max_accounts + 1, np.int32),
        tick_rows=shared_array((TICK_TABLES, TICK_ROWS, 2), np.int64),
        timers=shared_array((timers, 2), np.int64),
        level_sums=private_array(max_levels, np.int64),
        uncross=private_array(1, UNCROSS),
        whose=private_array(1, WHOSE),
        taker=private_array(1, TAKER),
        blocks=private_array(blocks, BLOCK),
        block_keys=block_keys,
        block_rows=block_rows,
        flat_keys=block_keys.reshape(-1),
        flat_rows=block_rows.reshape(-1),
        pending=pending,
        ring=np.zeros(SLOT_WORDS, np.int64),
        digests=shared_array(digest_slots, np.int64),
    )


def with_ring(books: MatchingState, out_slot_words: Any) -> MatchingState:
    """Return the same books with an output ring (its slots as int64 rows); before that they have none."""
    arrays = dict(zip(books._fields, books, strict=True))
    del arrays["table"]
    return make_bundle(MatchingState, **{**arrays, "ring": out_slot_words.reshape(-1)})
