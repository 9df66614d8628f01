"""The state digest: a hash over a canonical walk of books and accounts, independent of where rows happen to lie.

Order of the walk: instruments by id, for each its definition and last price, its bids and asks from the best
level, each level's orders first in the queue first, stop orders and those that wait after them; what each market has
and says of itself; schedules; expiries as a sum; accounts and firms by id with all that they hold, limits included;
sessions by id; tick tables; positions and used ClOrdIDs as sums of per-entry hashes. What is derived from limits,
widths and rates is left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from typing import Any

import numpy as np

from protocols.codes import LIMIT_COUNT, LIMIT_MAX_SHORT
from ringbuffer.kernel import inlined, kernel
from stages.book import level_at
from stages.hashing import blend, fold
from stages.ladder import best_place, worse_place
from stages.orders import special_row
from stages.state import (
    ACCOUNT_PREFUNDED,
    ACCOUNT_SHORT_EXEMPT,
    INSTRUMENT_NO_SHORT_SALES,
    MARK_SPECIAL,
    MARKET_FEED,
)
from stages.state_words import (
    MW_TIMERS,
    RW_CL_IDS,
    RW_CL_SUM,
    RW_DAY,
    RW_DAY_NS,
    RW_POSITIONS,
    RW_SESSIONS,
    RW_SWITCHES,
)
from stages.switches import SWITCHES
from stages.tick_tables import FROM, STEP
from stages.timers import KEY, WHAT_ORDER, WHEN, is_alive, key_what

__all__ = ["books_digest", "combine_digests", "combine_partitions", "risk_digest", "state_digest"]

# What ``marks`` hold beside what is derived from limits, permissions, collars and fees.
ACCOUNT_SET = SWITCHES | ACCOUNT_PREFUNDED | ACCOUNT_SHORT_EXEMPT
INSTRUMENT_SET = SWITCHES | INSTRUMENT_NO_SHORT_SALES


@inlined
def _digest_special(special, digest):  # type: ignore[no-untyped-def]
    digest = fold(digest, blend(np.int64(special.display_lots), np.int64(special.hidden_lots)))
    digest = fold(digest, blend(np.int64(special.trail_ticks), np.int64(special.reference_ticks)))
    return fold(digest, blend(np.int64(special.limit_ticks), np.int64(special.ord_type)))


@inlined
def _digest_market(market, digest):  # type: ignore[no-untyped-def]
    digest = fold(digest, blend(np.int64(market.last_ticks), np.int64(market.protection_ticks)))
    digest = fold(digest, blend(np.int64(market.state), np.int64(market.group)) + np.int64(market.tick_table))
    digest = fold(
        digest, blend(np.int64(market.static_ticks), np.int64(market.dynamic_ticks)) + market.band_mode
    )
    digest = fold(digest, blend(np.int64(market.static_reference), np.int64(market.volatility_ns)))
    digest = fold(digest, blend(np.int64(market.volatility_end_ns), np.int64(market.indication_due_ns)))
    digest = fold(digest, blend(np.int64(market.indication_ns), np.int64(market.indicated_ns)))
    digest = fold(digest, blend(np.int64(market.feed_seq), np.int64(market.marks) & MARKET_FEED))
    return fold(digest, blend(np.int64(market.told_ticks), np.int64(market.told_lots)) + market.told_surplus)


@kernel
def _digest_books(books, digest):  # type: ignore[no-untyped-def]
    for row in range(books.sides.shape[0]):
        place = best_place(books, row)
        if place >= 0:
            digest = fold(digest, np.int64(row))
        while place >= 0:
            level = books.levels[level_at(books, place)]
            place = worse_place(books, place)
            digest = fold(digest, np.int64(level.price_ticks))
            order = np.int64(level.head)
            while order >= 0:
                record = books.orders[order]
                digest = fold(digest, np.int64(record.order_id))
                digest = fold(digest, np.int64(record.shown_lots))
                digest = fold(digest, np.int64(record.cum_lots))
                digest = fold(digest, blend(np.int64(record.account), np.int64(record.session)))
                digest = fold(
                    digest, blend(books.texts[order, 0], books.texts[order, 1]) + books.texts[order, 2]
                )
                digest = fold(digest, blend(np.int64(record.group), np.int64(record.marks)) + record.tif)
                if record.marks & MARK_SPECIAL != 0:
                    digest = _digest_special(books.specials[special_row(books, order)], digest)
                order = np.int64(record.next)
    for instrument in range(books.markets.shape[0]):
        market = books.markets[instrument]
        if market.state != 0:
            digest = fold(digest, np.int64(instrument))
            digest = _digest_market(market, digest)
    for row in range(books.schedules.shape[0]):
        schedule = books.schedules[row]
        if schedule.due_ns != 0:
            digest = fold(digest, blend(np.int64(row), np.int64(schedule.due_ns)))
            digest = fold(digest, blend(np.int64(schedule.period_ns), np.int64(schedule.group)))
            digest = fold(digest, np.int64(schedule.state))
    total = np.int64(0)
    for entry in range(books.words[MW_TIMERS]):
        when_ns = books.timers[entry, WHEN]
        key = books.timers[entry, KEY]
        if key_what(key) == WHAT_ORDER and is_alive(books, when_ns, key):
            total += blend(when_ns, key)
    return fold(digest, total)


@kernel
def _fold_two(first, second):  # type: ignore[no-untyped-def]
    return fold(fold(np.int64(0), first), second)


@inlined
def _digest_instrument(record, digest):  # type: ignore[no-untyped-def]
    digest = fold(digest, blend(record.symbol0, record.symbol1))
    digest = fold(digest, blend(record.tick_e8, record.lot_e8))
    digest = fold(digest, blend(record.low_ticks, record.high_ticks))
    digest = fold(digest, blend(record.tick_value, record.last_ticks))
    digest = fold(digest, blend(np.int64(record.tick_table), np.int64(record.group)))
    controls = np.int64(record.marks) & INSTRUMENT_SET
    digest = fold(digest, blend(controls, np.int64(record.adjusted)) + np.int64(record.collar_unit))
    digest = fold(digest, blend(np.int64(record.max_order_qty), np.int64(record.max_order_notional)))
    digest = fold(digest, blend(np.int64(record.static_width), np.int64(record.dynamic_width)))
    digest = fold(digest, blend(np.int64(record.static_reference), np.int64(record.dynamic_reference)))
    digest = fold(digest, blend(np.int64(record.reference_ns), np.int64(record.stale_ns)))
    digest = fold(digest, blend(np.int64(record.maker_rate), np.int64(record.taker_rate)))
    return fold(digest, blend(np.int64(record.auction_rate), np.int64(record.fee_account)))


@inlined
def _digest_account(account, digest):  # type: ignore[no-untyped-def]
    digest = fold(digest, blend(account.name0, account.name1))
    digest = fold(digest, blend(np.int64(account.marks) & ACCOUNT_SET, np.int64(account.firm)))
    digest = fold(digest, blend(np.int64(account.cash), np.int64(account.cash_carry)))
    digest = fold(digest, blend(np.int64(account.reserved_buy), np.int64(account.reserved_sell)))
    digest = fold(digest, blend(np.int64(account.order_tat), np.int64(account.cancel_tat)))
    digest = fold(digest, blend(np.int64(account.open_orders), np.int64(account.traded)))
    digest = fold(digest, blend(np.int64(account.messages), np.int64(account.fills)))
    digest = fold(digest, blend(np.int64(account.value), np.int64(account.day_equity)))
    digest = fold(digest, blend(np.int64(account.execution_start_ns), np.int64(account.execution_count)))
    digest = fold(digest, blend(np.int64(account.types), np.int64(account.tifs)))
    return fold(digest, blend(np.int64(account.groups), np.int64(account.warnings)))


@inlined
def _digest_firm(firm, digest):  # type: ignore[no-untyped-def]
    digest = fold(digest, blend(firm.name0, firm.name1))
    digest = fold(digest, blend(np.int64(firm.marks) & SWITCHES, np.int64(firm.order_tat)))
    digest = fold(digest, blend(np.int64(firm.cash), np.int64(firm.cash_carry)))
    digest = fold(digest, blend(np.int64(firm.credit_reserved), np.int64(firm.reserved)))
    return fold(digest, blend(np.int64(firm.traded), np.int64(firm.warnings)))


@inlined
def _digest_limits(limits, percents, holder, digest):  # type: ignore[no-untyped-def]
    """Fold the limits and percents of a holder, and not what is derived from them."""
    for which in range(LIMIT_COUNT):
        digest = fold(digest, limits[holder, which])
    for which in range(percents.shape[1]):
        digest = fold(digest, np.int64(percents[holder, which]))
    return digest


@kernel
def _digest_members(risk, digest):  # type: ignore[no-untyped-def]
    for row in range(risk.accounts.shape[0]):
        if risk.accounts[row].known != 0:
            digest = fold(digest, np.int64(row))
            digest = _digest_account(risk.accounts[row], digest)
            digest = _digest_limits(risk.limits, risk.warning_percents, row, digest)
            for place in range(risk.recent.shape[1]):
                entry = risk.recent[row, place]
                digest = fold(digest, blend(np.int64(entry.price_ticks), np.int64(entry.qty_lots)))
                digest = fold(
                    digest, blend(np.int64(entry.start_ns), np.int64(entry.count)) + np.int64(entry.what)
                )
    for row in range(risk.firms.shape[0]):
        if risk.firms[row].known != 0:
            digest = fold(digest, np.int64(row))
            digest = _digest_firm(risk.firms[row], digest)
            digest = _digest_limits(risk.firm_limits, risk.firm_warning_percents, row, digest)
    return digest


@inlined
def _digest_position(risk, row):  # type: ignore[no-untyped-def]
    """Return the hash of a position row, which goes into a sum: which row it is counts for the sweep."""
    position = risk.positions[row]
    total = blend(
        blend(position.key, position.position_lots),
        blend(position.open_buy_lots, position.open_sell_lots),
    )
    total = blend(total, blend(np.int64(position.mark), np.int64(position.open_orders)))
    total = blend(total, blend(np.int64(row), np.int64(position.access)))
    if position.has_limits != 0:
        for which in range(LIMIT_MAX_SHORT + 1):
            total = blend(total, risk.position_limits[row, which])
    return total


@kernel
def _digest_risk(risk, digest):  # type: ignore[no-untyped-def]
    digest = fold(digest, blend(risk.words[RW_SWITCHES], risk.words[RW_DAY]))
    digest = fold(digest, risk.words[RW_DAY_NS])
    for row in range(risk.instruments.shape[0]):
        if risk.instruments[row].known != 0:
            digest = fold(digest, np.int64(row))
            digest = _digest_instrument(risk.instruments[row], digest)
    digest = np.int64(_digest_members(risk, digest))
    for row in range(1, risk.words[RW_SESSIONS] + 1):
        session = risk.sessions[row]
        digest = fold(digest, blend(session.name0, session.name1) + np.int64(session.name2))
        state = np.int64(session.is_open) * 2 + np.int64(session.cancels_on_close)
        digest = fold(digest, blend(state, np.int64(session.switches) * 2 + np.int64(session.is_restricted)))
        for word in range(risk.session_accounts.shape[1]):
            digest = fold(digest, risk.session_accounts[row, word])
    for table in range(risk.tick_rows.shape[0]):
        for row in range(risk.tick_rows.shape[1]):
            if risk.tick_rows[table, row, STEP] != 0:
                digest = fold(
                    digest, blend(risk.tick_rows[table, row, FROM], risk.tick_rows[table, row, STEP])
                )
                digest = fold(digest, np.int64(table))
    total = np.int64(0)
    for row in range(risk.words[RW_POSITIONS]):
        total += _digest_position(risk, row)
    digest = fold(digest, total)
    digest = fold(digest, risk.words[RW_CL_IDS])
    return fold(digest, risk.words[RW_CL_SUM])


def books_digest(books: Any) -> int:
    """Return the digest of quiescent books; for who owns them."""
    return int(_digest_books(books, np.int64(0)))


def risk_digest(risk: Any) -> int:
    """Return the digest of a quiescent risk state; for who owns it. All outcomes must have been fed back to it."""
    return int(_digest_risk(risk, np.int64(0)))


def combine_digests(first: int, second: int) -> int:
    """Return the digest of two parts of a state of their digests; of the whole state: books, then risk."""
    return int(_fold_two(np.int64(first), np.int64(second)))


def combine_partitions(digests: Iterable[int]) -> int:
    """Return the digest of all books of the digests of their partitions, in their order."""
    first, *others = digests
    return reduce(combine_digests, others, first)


def state_digest(risk: Any, books: Iterable[Any]) -> int:
    """Return the digest of a quiescent state, ``books`` by partition; all outcomes must have been fed back to risk."""
    return combine_digests(combine_partitions(map(books_digest, books)), risk_digest(risk))
