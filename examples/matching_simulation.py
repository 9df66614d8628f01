"""A market of a million commands on matching alone: prices walk, orders come, some are cancelled."""

import sys
import time

import numpy as np

from protocols.codes import OutcomeType, Tif
from protocols.commands import cancels, limit_orders
from stages.matching_core import MatchingCore

COUNT = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
BATCH = 10_000

rng = np.random.default_rng(2026)
core = MatchingCore()
core.process(cancels([]))  # loads the compiled kernels
middle, trades, lots, spent = 10_000.0, 0, 0, 0.0
recent = np.zeros(0, np.int64)  # ids of orders that may be open

for _ in range(0, COUNT, BATCH):
    walk = middle + np.cumsum(rng.normal(0, 0.05, BATCH))
    middle = walk[-1]
    side = rng.integers(1, 3, BATCH)
    away = rng.integers(-2, 12, BATCH)  # ticks from the middle; below 0 it crosses
    commands = limit_orders(
        side,
        qty=rng.integers(1, 100, BATCH),
        price=np.where(side == 1, walk - away, walk + away).astype(np.int64),
        tif=np.where(rng.random(BATCH) < 0.1, Tif.IOC, Tif.GTC),
    )
    ids = core.next_seq + np.arange(BATCH)  # the id of an order is the sequence of its command
    cancelled = rng.random(BATCH) < 0.4
    if len(recent):
        commands[cancelled] = cancels(rng.choice(recent, cancelled.sum()))
    recent = np.concatenate([recent, ids[~cancelled]])[-4 * BATCH :]

    began = time.perf_counter()
    outcomes = core.process(commands)
    spent += time.perf_counter() - began
    fills = outcomes[outcomes["type"] == OutcomeType.FILLED]
    trades += len(fills) // 2  # each has a taker and a maker
    lots += int(fills["qty_lots"].sum()) // 2

print(f"{core.last_seq} commands, {trades} trades of {lots} lots, {core.open_orders} orders open")
print(f"bid {core.best_bid()}, ask {core.best_ask()}, last {core.last_price()}")
print(f"digest {core.digest:016x}")
print(f"{COUNT / spent / 1e6:.1f} million commands a second", file=sys.stderr)
