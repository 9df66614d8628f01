"""Call auctions: the price at which most trades, the trades at it, and what would come of it now.

Implements "Uncross" and "Indications" of docs/trading-states.md.

The price is found among the limits in [ps, pb]: trading the best buys against the best sells until none will, the last
buy that traded is at *pb*, the last sell at *ps*. A price of the largest volume is one at which both sides have at
least that many lots: at or below pb the buys have, at or above ps the sells. Between the two the surplus
falls as the price rises, so one walk upwards finds where it is smallest.
"""

from __future__ import annotations

import numpy as np

from protocols.codes import OUT_INDICATION, SIDE_BUY, SIDE_SELL, STATE_CLOSING_AUCTION, STATE_OPENING_AUCTION
from ringbuffer.kernel import inlined, kernel
from stages.book import best_level, dequeue, level_at
from stages.book_feed import tell_uncrossed
from stages.emit import emit_auction_fill, emit_instrument
from stages.ladder import best_place, better_place, side_row, worse_place
from stages.orders import forget_order, leaves_of, special_row, take_lots
from stages.state import MARK_SPECIAL, MARKET_TOUCHED, SAFE_ORDERS
from stages.state_words import MW_TOUCHED_HEAD, MW_TOUCHED_TAIL, MW_TRADE_INDEX, MW_TRADES
from stages.timers import WHAT_INDICATION, add_timer, venue_key

MAX_LOTS = 1 << 62  # sums count up to there
MARKET_BUY_TICKS = 2**63 - 1  # the price of the level of market orders: before all limits
MARKET_SELL_TICKS = 0
NO_PRICE = 0
UNTOLD = -1  # a price that no indication has: nothing was told yet


@inlined
def is_auction(state):  # type: ignore[no-untyped-def]
    """Tell whether a state ends with an uncross, and indications are published in it."""
    return STATE_OPENING_AUCTION <= state <= STATE_CLOSING_AUCTION


@inlined
def capped_sum(first, second):  # type: ignore[no-untyped-def]
    """Return the sum of two numbers of lots, as far as they are counted."""
    return min(np.int64(first) + min(np.int64(second), np.int64(MAX_LOTS) - first), np.int64(MAX_LOTS))


@kernel
def _lots_of_level(s, level):  # type: ignore[no-untyped-def]
    """Return all lots of the orders of a level, hidden ones included."""
    queue = s.levels[level]
    order = np.int64(queue.head)
    if queue.order_count <= SAFE_ORDERS and s.markets[np.int64(s.orders[order].instrument)].icebergs == 0:
        return min(np.int64(queue.qty_lots), np.int64(MAX_LOTS))
    lots = np.int64(0)
    while order >= 0 and lots < MAX_LOTS:
        lots = capped_sum(lots, leaves_of(s, order))
        order = np.int64(s.orders[order].next)
    return lots


@inlined
def price_at(s, place):  # type: ignore[no-untyped-def]
    """Return the price of the level at a place."""
    return np.int64(s.levels[level_at(s, place)].price_ticks)


@kernel
def _find_range(s, buys, sells):  # type: ignore[no-untyped-def]
    """Trade the sides against each other in mind; return (volume, ps, pb)."""
    volume = np.int64(0)
    low = np.int64(0)
    high = np.int64(0)
    buy = best_place(s, buys)
    sell = best_place(s, sells)
    to_buy = np.int64(0)
    to_sell = np.int64(0)
    while buy >= 0 and sell >= 0 and volume < MAX_LOTS and price_at(s, buy) >= price_at(s, sell):
        if to_buy == 0:
            to_buy = _lots_of_level(s, level_at(s, buy))
        if to_sell == 0:
            to_sell = _lots_of_level(s, level_at(s, sell))
        lots = min(to_buy, to_sell)
        volume = capped_sum(volume, lots)
        high = price_at(s, buy)
        low = price_at(s, sell)
        to_buy -= lots
        to_sell -= lots
        if to_buy == 0:
            buy = worse_place(s, buy)
        if to_sell == 0:
            sell = worse_place(s, sell)
    return volume, low, high


@kernel
def _sum_buys(s, buys, low):  # type: ignore[no-untyped-def]
    """Note for each level of the buys down to ``low`` the lots at it and above; return the place of the last."""
    lots = np.int64(0)
    last = np.int64(-1)
    place = best_place(s, buys)
    while place >= 0 and price_at(s, place) >= low:
        level = level_at(s, place)
        lots = capped_sum(lots, _lots_of_level(s, level))
        s.level_sums[level] = lots
        last = place
        place = worse_place(s, place)
    return last


@kernel
def _surplus_at(s, instrument, price):  # type: ignore[no-untyped-def]
    """Return the lots to buy less those to sell at a price; :func:`_sum_buys` went down to it."""
    to_buy = np.int64(0)
    place = best_place(s, side_row(instrument, np.int64(SIDE_BUY)))
    while place >= 0 and price_at(s, place) >= price:
        to_buy = s.level_sums[level_at(s, place)]
        place = worse_place(s, place)
    to_sell = np.int64(0)
    place = best_place(s, side_row(instrument, np.int64(SIDE_SELL)))
    while place >= 0 and price_at(s, place) <= price:
        to_sell = capped_sum(to_sell, _lots_of_level(s, level_at(s, place)))
        place = worse_place(s, place)
    return to_buy - to_sell


@kernel
def _choose_price(s, instrument, low, high):  # type: ignore[no-untyped-def]
    """Return the price of the smallest surplus within [low, high], by pressure and reference among equals."""
    buy = _sum_buys(s, side_row(instrument, np.int64(SIDE_BUY)), low)
    sell = best_place(s, side_row(instrument, np.int64(SIDE_SELL)))
    to_sell = np.int64(0)
    least = np.int64(MAX_LOTS)
    lowest = np.int64(NO_PRICE)
    highest = np.int64(NO_PRICE)
    upward = np.int64(0)  # whether any of the best has more to buy, more to sell, or as much
    downward = np.int64(0)
    balanced = np.int64(0)
    price = np.int64(-1)
    while True:
        # the next limit above the last one
        while sell >= 0 and (price_at(s, sell) < low or price_at(s, sell) <= price):
            to_sell = capped_sum(to_sell, _lots_of_level(s, level_at(s, sell)))
            sell = worse_place(s, sell)
        while buy >= 0 and price_at(s, buy) <= price:
            buy = better_place(s, buy)
        price = np.int64(MARKET_BUY_TICKS)
        if buy >= 0:
            price = price_at(s, buy)
        if sell >= 0:
            price = min(price, price_at(s, sell))
        if price > high or price == MARKET_BUY_TICKS:
            break
        if price != MARKET_SELL_TICKS:
            to_sell_here = to_sell
            if sell >= 0 and price_at(s, sell) == price:
                to_sell_here = capped_sum(to_sell, _lots_of_level(s, level_at(s, sell)))
            to_buy = s.level_sums[level_at(s, buy)] if buy >= 0 else np.int64(0)
            surplus = to_buy - to_sell_here
            if lowest == NO_PRICE or abs(surplus) < least:
                least = abs(surplus)
                lowest = price
                upward = np.int64(0)
                downward = np.int64(0)
                balanced = np.int64(0)
            if abs(surplus) == least:
                highest = price
                upward |= np.int64(surplus > 0)
                downward |= np.int64(surplus < 0)
                balanced |= np.int64(surplus == 0)
    reference = np.int64(s.markets[instrument].last_ticks)
    if lowest == NO_PRICE:
        return reference  # no limit at all
    if upward != 0 and downward + balanced == 0:
        return highest
    if reference == 0 or (downward != 0 and upward + balanced == 0):
        return lowest
    return max(min(reference, highest), lowest)


@kernel
def find_uncross(s, instrument):  # type: ignore[no-untyped-def]
    """Put what an uncross would give now into ``uncross``."""
    found = s.uncross[0]
    volume, low, high = _find_range(
        s, side_row(instrument, np.int64(SIDE_BUY)), side_row(instrument, np.int64(SIDE_SELL))
    )
    found.price_ticks = NO_PRICE
    found.volume_lots = 0
    found.surplus_lots = 0
    if volume != 0:
        price = np.int64(_choose_price(s, instrument, low, high))
        if price != NO_PRICE:
            found.price_ticks = price
            found.volume_lots = volume
            found.surplus_lots = _surplus_at(s, instrument, price)
    return 0


@kernel
def _take_fill(s, order, qty):  # type: ignore[no-untyped-def]
    """Take traded lots off an order that keeps its place, or all it has left."""
    record = s.orders[order]
    record.cum_lots += qty
    if qty == leaves_of(s, order):
        s.levels[np.int64(record.level)].qty_lots -= record.shown_lots
        record.shown_lots = 0
        if record.marks & MARK_SPECIAL != 0:
            s.specials[special_row(s, order)].hidden_lots = 0
    else:
        take_lots(s, order, qty)
    return 0


@kernel
def trade_uncross(s, command, instrument):  # type: ignore[no-untyped-def]
    """Trade the first buys with the first sells at the price and up to the volume in ``uncross``."""
    price = np.int64(s.uncross[0].price_ticks)
    left = np.int64(s.uncross[0].volume_lots)
    buys = side_row(instrument, np.int64(SIDE_BUY))
    sells = side_row(instrument, np.int64(SIDE_SELL))
    while left > 0:
        buy = np.int64(s.levels[best_level(s, buys)].head)
        sell = np.int64(s.levels[best_level(s, sells)].head)
        qty = min(min(leaves_of(s, buy), leaves_of(s, sell)), left)
        left -= qty
        s.words[MW_TRADE_INDEX] += 1
        s.words[MW_TRADES] += 1
        for turn in range(2):
            order = buy if turn == 0 else sell
            shown = np.int64(s.orders[order].shown_lots)
            _take_fill(s, order, qty)
            emit_auction_fill(s, command, order, price, qty)
            tell_uncrossed(s, command, order, price, qty, shown)
            if s.orders[order].shown_lots == 0:
                dequeue(s, order)
                forget_order(s, order)
    market = s.markets[instrument]
    market.last_ticks = price
    market.static_reference = price
    market.dynamic_reference = price
    market.band_seq = command.seq
    return 0


@inlined
def surplus_side(surplus):  # type: ignore[no-untyped-def]
    """Return the side that has more lots, 0 for none."""
    if surplus > 0:
        return np.int64(SIDE_BUY)
    return np.int64(SIDE_SELL) if surplus < 0 else np.int64(0)


@kernel
def indicate(s, command, instrument, is_first):  # type: ignore[no-untyped-def]
    """Tell what an uncross would give now, unless that was told last; the first one is told anyway."""
    find_uncross(s, instrument)
    found = s.uncross[0]
    market = s.markets[instrument]
    if (
        is_first == 0
        and market.told_ticks == found.price_ticks
        and market.told_lots == found.volume_lots
        and market.told_surplus == found.surplus_lots
    ):
        return 0
    market.told_ticks = found.price_ticks
    market.told_lots = found.volume_lots
    market.told_surplus = found.surplus_lots
    market.indicated_ns = command.time_ns
    surplus = np.int64(found.surplus_lots)
    emit_instrument(
        s,
        command,
        instrument,
        np.int64(OUT_INDICATION),
        surplus_side(surplus),
        np.int64(found.price_ticks),
        np.int64(found.volume_lots),
        abs(surplus),
    )
    return 0


@kernel
def tell_indications(s, command):  # type: ignore[no-untyped-def]
    """Tell, or put off, the indications of the instruments whose books changed in an auction."""
    instrument = s.words[MW_TOUCHED_HEAD]
    s.words[MW_TOUCHED_HEAD] = 0
    s.words[MW_TOUCHED_TAIL] = 0
    while instrument != 0:
        market = s.markets[instrument]
        market.marks = np.int64(market.marks) & ~MARKET_TOUCHED
        if is_auction(market.state) and market.indication_due_ns == 0:
            due_ns = np.int64(market.indicated_ns) + market.indication_ns
            if command.time_ns >= due_ns or market.told_ticks == UNTOLD:
                indicate(s, command, np.int64(instrument), np.int64(0))
            else:
                market.indication_due_ns = due_ns
                market.indication_key = venue_key(np.int64(WHAT_INDICATION), instrument, command.seq)
                add_timer(s, due_ns, np.int64(market.indication_key))
        instrument = np.int64(market.touched_next)
    return 0
