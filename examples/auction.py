"""An opening auction: orders gather, what would trade is told meanwhile, then all of it trades at one price."""

import numpy as np

from protocols.codes import BandMode, OutcomeType, Tif, TradingState
from protocols.commands import BUY, SELL, limit_orders, market_orders
from protocols.market_commands import bands, set_state
from stages.matching_core import MatchingCore

rng = np.random.default_rng(2026)
core = MatchingCore()
core.process(set_state(1, TradingState.OPENING_AUCTION))

for batch in range(1, 6):
    count = 1000
    side = rng.integers(1, 3, count)
    views = rng.normal(10_000, 20, count).astype(np.int64)  # what each thinks that it is worth
    core.process(limit_orders(side, qty=rng.integers(1, 100, count), price=views))
    core.process(market_orders([BUY, SELL], rng.integers(1, 500, 2), tif=Tif.OPEN))
    found = core.indicative()
    assert found is not None
    print(
        f"{count * batch} orders: {found.qty_lots} lots at {found.price_ticks}, {found.surplus_lots} left over"
    )

told = core.process(set_state(1, TradingState.CONTINUOUS))
fills = told[told["type"] == OutcomeType.FILLED]
bought = int(fills["qty_lots"][fills["side"] == BUY].sum())
assert bought == found.qty_lots == int(fills["qty_lots"][fills["side"] == SELL].sum())
assert set(fills["price_ticks"].tolist()) == {found.price_ticks}
print(f"uncrossed: {len(fills) // 2} trades, {bought} lots at {core.last_price()}")
best_bid, best_ask = core.best_bid(), core.best_ask()
assert best_bid is not None and best_ask is not None and best_bid.price_ticks < best_ask.price_ticks

# A band of 20 ticks around the last trade: who wants to go further starts a volatility auction.
core.process(bands(1, dynamic=20, mode=BandMode.HALT, volatility_ns=30_000_000_000))
told = core.process(limit_orders(BUY, 100_000, 10_100))
print(f"then: {core.trading_state().name}, last {core.last_price()}")
told = core.process(limit_orders(SELL, 50_000, 10_000, time_ns=29_000_000_000))
print(f"after 29 s: {core.trading_state().name}")
told = core.process(limit_orders(SELL, 1, 20_000, time_ns=30_000_000_000))
print(f"after 30 s: {core.trading_state().name}, last {core.last_price()}")
