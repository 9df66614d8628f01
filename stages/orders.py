"""Order rows: taken, found by id, told about, freed; and the rows of *specials* that stop orders and icebergs have.

An order that rests has a row of ``orders`` with its texts (ClOrdID in three words, then its row of ``specials`` + 1).
Most orders have no special row and pay for none: ``marks`` says so in the line that is read anyway. Of an iceberg
``shown_lots`` stand in the queue and ``hidden_lots`` of its special row do not; of all others ``shown_lots`` are their
leaves. Trailing stops of one instrument and side are chained in the order of their ids.

Only the matching stage calls these functions. They assume that the caller checked for room.
"""

from __future__ import annotations

import numpy as np

from protocols.codes import SIDE_BUY, TYPE_TRAILING_STOP
from ringbuffer.kernel import inlined, kernel
from stages.book import dequeue, enqueue, touch
from stages.hashing import id_insert, id_remove
from stages.ladder import side_row
from stages.state import MARK_FLEETING, MARK_MARKET, MARK_RARE, MARK_SPECIAL, MARK_STOP, MARK_TIMED
from stages.state_words import (
    MW_OPEN,
    MW_ORDER_FREE,
    MW_ORDERS_USED,
    MW_SPECIAL_FREE,
    MW_SPECIALS,
    MW_SPECIALS_USED,
    MW_TIMED,
)

TEXT_SPECIAL = 3  # the word of an order's texts that names its row of specials


@inlined
def special_row(s, order):  # type: ignore[no-untyped-def]
    """Return the row of specials of an order that has one."""
    return s.texts[order, TEXT_SPECIAL] - 1


@inlined
def leaves_of(s, order):  # type: ignore[no-untyped-def]
    """Return the lots of an order that may still trade, hidden ones included."""
    record = s.orders[order]
    leaves = np.int64(record.shown_lots)
    if record.marks & MARK_SPECIAL != 0:
        leaves += s.specials[special_row(s, order)].hidden_lots
    return leaves


@inlined
def price_of(s, order):  # type: ignore[no-untyped-def]
    """Return the limit of an order, 0 if it has none; of stop and market orders it is not the price of the level."""
    record = s.orders[order]
    if record.marks & (MARK_STOP | MARK_MARKET) != 0:
        if record.marks & MARK_MARKET != 0:
            return np.int64(0)
        return np.int64(s.specials[special_row(s, order)].limit_ticks)
    return np.int64(record.price_ticks)


@inlined
def take_lots(s, order, qty_lots):  # type: ignore[no-untyped-def]
    """Take lots off an order that keeps its place: hidden ones first. It must keep some."""
    record = s.orders[order]
    shown_less = np.int64(qty_lots)
    if record.marks & MARK_SPECIAL != 0:
        special = s.specials[special_row(s, order)]
        hidden_less = min(np.int64(special.hidden_lots), shown_less)
        special.hidden_lots -= hidden_less
        shown_less -= hidden_less
    record.shown_lots -= shown_less
    s.levels[np.int64(record.level)].qty_lots -= shown_less
    touch(s, order)


@inlined
def name_order(s, order, named):  # type: ignore[no-untyped-def]
    """Give an order the ClOrdID of a command or of the taker."""
    s.texts[order, 0] = named.cl0
    s.texts[order, 1] = named.cl1
    s.texts[order, 2] = named.cl2


@inlined
def take_order_row(s):  # type: ignore[no-untyped-def]
    """Return a free order row; the caller checked that there is one."""
    free = s.words[MW_ORDER_FREE]
    if free != 0:
        s.words[MW_ORDER_FREE] = s.orders[free - 1].next
        row = free - 1
    else:
        row = s.words[MW_ORDERS_USED]
        s.words[MW_ORDERS_USED] = row + 1
    s.words[MW_OPEN] += 1
    return row


@inlined
def register_order(s, order):  # type: ignore[no-untyped-def]
    """Make an order row findable by its id."""
    id_insert(s.order_map, np.int64(s.orders[order].order_id), order)


@kernel
def give_special(s, order, display_lots):  # type: ignore[no-untyped-def]
    """Give an order a row of specials; return it."""
    free = s.words[MW_SPECIAL_FREE]
    if free != 0:
        row = free - 1
        s.words[MW_SPECIAL_FREE] = s.specials[row].next
    else:
        row = s.words[MW_SPECIALS_USED]
        s.words[MW_SPECIALS_USED] = row + 1
    special = s.specials[row]
    special.display_lots = display_lots
    special.hidden_lots = 0
    special.limit_ticks = 0
    special.trail_ticks = 0
    special.reference_ticks = 0
    special.order = order
    special.next = -1
    special.prev = -1
    special.ord_type = 0
    s.texts[order, TEXT_SPECIAL] = row + 1
    record = s.orders[order]
    record.marks |= MARK_SPECIAL
    if display_lots != 0:
        s.markets[np.int64(record.instrument)].icebergs += 1
    s.words[MW_SPECIALS] += 1
    return np.int64(row)


@kernel
def drop_special(s, order):  # type: ignore[no-untyped-def]
    """Take an order's row of specials back."""
    row = special_row(s, order)
    special = s.specials[row]
    record = s.orders[order]
    if special.display_lots != 0:
        s.markets[np.int64(record.instrument)].icebergs -= 1
    record.marks &= ~MARK_SPECIAL
    special.next = s.words[MW_SPECIAL_FREE]
    s.words[MW_SPECIAL_FREE] = row + 1
    s.words[MW_SPECIALS] -= 1
    return 0


@kernel
def chain_trailing(s, order):  # type: ignore[no-untyped-def]
    """Put a trailing stop, whose id is the largest, at the end of the chain of its side."""
    row = special_row(s, order)
    record = s.orders[order]
    market = s.markets[np.int64(record.instrument)]
    is_buy = record.side == SIDE_BUY
    tail = np.int64(market.trail_tail_buy) if is_buy else np.int64(market.trail_tail_sell)
    s.specials[row].prev = tail - 1
    s.specials[row].next = -1
    if tail != 0:
        s.specials[tail - 1].next = row
    elif is_buy:
        market.trail_head_buy = row + 1
    else:
        market.trail_head_sell = row + 1
    if is_buy:
        market.trail_tail_buy = row + 1
    else:
        market.trail_tail_sell = row + 1
    return 0


@kernel
def unchain_trailing(s, order):  # type: ignore[no-untyped-def]
    """Take a trailing stop out of the chain of its side."""
    special = s.specials[special_row(s, order)]
    record = s.orders[order]
    market = s.markets[np.int64(record.instrument)]
    before = np.int64(special.prev)
    after = np.int64(special.next)
    if before >= 0:
        s.specials[before].next = after
    elif record.side == SIDE_BUY:
        market.trail_head_buy = after + 1
    else:
        market.trail_head_sell = after + 1
    if after >= 0:
        s.specials[after].prev = before
    elif record.side == SIDE_BUY:
        market.trail_tail_buy = before + 1
    else:
        market.trail_tail_sell = before + 1
    return 0


@kernel
def leave_stop_side(s, order):  # type: ignore[no-untyped-def]
    """Take a stop order out of its queue; it is an ordinary order then, with its limit as its price."""
    dequeue(s, order)
    record = s.orders[order]
    special = s.specials[special_row(s, order)]
    if special.ord_type == TYPE_TRAILING_STOP:
        unchain_trailing(s, order)
    record.marks &= ~MARK_STOP
    record.price_ticks = special.limit_ticks
    s.markets[np.int64(record.instrument)].stops -= 1
    return 0


@kernel
def _forget_rare(s, order):  # type: ignore[no-untyped-def]
    marks = np.int64(s.orders[order].marks)
    if marks & MARK_SPECIAL != 0:
        drop_special(s, order)
    if marks & MARK_TIMED != 0:
        s.words[MW_TIMED] -= 1
    if marks & MARK_FLEETING != 0:
        s.markets[np.int64(s.orders[order].instrument)].fleeting -= 1
    return 0


@inlined
def forget_order(s, order):  # type: ignore[no-untyped-def]
    """Free the row of an order that is in no queue any more, and what it has beside."""
    record = s.orders[order]
    if record.marks & MARK_RARE != 0:
        _forget_rare(s, order)
    id_remove(s.order_map, np.int64(record.order_id), order)
    record.next = s.words[MW_ORDER_FREE]
    s.words[MW_ORDER_FREE] = order + 1
    s.words[MW_OPEN] -= 1


@kernel
def remove_order(s, order):  # type: ignore[no-untyped-def]
    """Take an order out of the book, wherever it stands, and free its rows."""
    if s.orders[order].marks & MARK_STOP != 0:
        leave_stop_side(s, order)
    else:
        dequeue(s, order)
    forget_order(s, order)
    return 0


@kernel
def refill(s, order):  # type: ignore[no-untyped-def]
    """Show more of an iceberg whose shown lots are used up, at the end of its queue; tell whether it hid any."""
    special = s.specials[special_row(s, order)]
    hidden = np.int64(special.hidden_lots)
    if hidden == 0:
        return False
    shown = min(hidden, np.int64(special.display_lots))
    record = s.orders[order]
    if s.levels[np.int64(record.level)].order_count > 1:
        dequeue(s, order)
        record.shown_lots = shown
        enqueue(s, order, side_row(record.instrument, record.side))
    else:
        record.shown_lots = shown
        s.levels[np.int64(record.level)].qty_lots += shown
    special.hidden_lots = hidden - shown
    return True
