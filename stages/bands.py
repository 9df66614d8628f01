"""Price bands: how far from a reference an order may trade ("Price bands" of docs/trading-states.md).

An instrument without bands pays one comparison. With bands the limit up to which an order trades is the nearer of
its own and the edges; whether a band was breached is seen from what is left of it.
"""

from __future__ import annotations

import numpy as np

from protocols.codes import (
    BANDS_HALT,
    OUT_STATE_CHANGED,
    SIDE_BUY,
    STATE_VOLATILITY_AUCTION,
)
from ringbuffer.kernel import inlined, kernel
from stages.auction import indicate, is_auction
from stages.book import best_level
from stages.emit import emit_instrument
from stages.ladder import ladder_key, side_row
from stages.state_words import MW_AUCTIONS
from stages.timers import WHAT_VOLATILITY, add_timer, venue_key

__all__ = [
    "breached",
    "halt_by_band",
    "halts",
    "limit_to_bands",
    "note_reference",
    "set_state",
    "start_volatility_auction",
]

MAX_PRICE = 2**63 - 1


@inlined
def note_reference(s, command, instrument):  # type: ignore[no-untyped-def]
    """Take the last trade price as it is before a command trades for the reference of the dynamic band."""
    market = s.markets[instrument]
    if market.band_mode != 0 and market.band_seq != command.seq:
        market.band_seq = command.seq
        market.dynamic_reference = market.last_ticks


@inlined
def edge_key(side, reference, width):  # type: ignore[no-untyped-def]
    """Return the key, on the side that an order trades with, of the last price within a band."""
    if side == SIDE_BUY:
        return ladder_key(np.int64(1), min(np.int64(reference), np.int64(MAX_PRICE) - width) + width)
    return ladder_key(np.int64(0), np.int64(reference) - width)


@kernel
def limit_to_bands(s, command):  # type: ignore[no-untyped-def]
    """Draw the taker's limit in to the edges of the bands; its own stays in ``own_key``."""
    t = s.taker[0]
    market = s.markets[np.int64(t.instrument)]
    note_reference(s, command, np.int64(t.instrument))
    side = np.int64(t.side)
    key = np.int64(t.limit_key)
    t.own_key = key
    if market.static_ticks != 0 and market.static_reference != 0:
        key = max(key, edge_key(side, market.static_reference, np.int64(market.static_ticks)))
    if market.dynamic_ticks != 0 and market.dynamic_reference != 0:
        key = max(key, edge_key(side, market.dynamic_reference, np.int64(market.dynamic_ticks)))
    t.limit_key = key
    return 0


@kernel
def breached(s):  # type: ignore[no-untyped-def]
    """Tell whether a band alone keeps the taker, which has lots left, from the best opposite price."""
    t = s.taker[0]
    level = best_level(s, side_row(np.int64(t.instrument), 3 - np.int64(t.side)))
    if level < 0 or s.markets[np.int64(t.instrument)].band_mode == 0:
        return False
    return ladder_key(2 - np.int64(t.side), s.levels[level].price_ticks) >= t.own_key


@inlined
def halts(s, instrument):  # type: ignore[no-untyped-def]
    """Tell whether a breach halts trading, or rejects what is left of the order."""
    return s.markets[instrument].band_mode == BANDS_HALT


@kernel
def set_state(s, command, instrument, state):  # type: ignore[no-untyped-def]
    """Give an instrument another state, and tell it."""
    market = s.markets[instrument]
    before = np.int64(market.state)
    s.words[MW_AUCTIONS] += np.int64(is_auction(state)) - np.int64(is_auction(before))
    market.state = state
    market.indication_due_ns = 0
    market.volatility_end_ns = 0
    emit_instrument(
        s,
        command,
        instrument,
        np.int64(OUT_STATE_CHANGED),
        np.int64(0),
        np.int64(0),
        np.int64(state),
        before,
    )
    return 0


@kernel
def start_volatility_auction(s, command, instrument):  # type: ignore[no-untyped-def]
    """Set the end of a volatility auction that was entered."""
    market = s.markets[instrument]
    if market.volatility_ns != 0:
        market.volatility_end_ns = command.time_ns + market.volatility_ns
        market.volatility_key = venue_key(np.int64(WHAT_VOLATILITY), instrument, command.seq)
        add_timer(s, np.int64(market.volatility_end_ns), np.int64(market.volatility_key))
    return 0


@kernel
def halt_by_band(s, command, instrument):  # type: ignore[no-untyped-def]
    """Let an instrument whose band was breached in continuous trading enter a volatility auction."""
    set_state(s, command, instrument, np.int64(STATE_VOLATILITY_AUCTION))
    start_volatility_auction(s, command, instrument)
    indicate(s, command, instrument, np.int64(1))
    return 0
