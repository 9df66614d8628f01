"""A replayable log of trades, without the pipeline: append, crash, reopen, read."""

import sys
import tempfile

import numpy as np

from journal import JournalReader, JournalWriter

TRADE = np.dtype([("seq", "<i8"), ("price", "<i8"), ("qty", "<i8")])
WORDS = TRADE.itemsize // 8
directory = sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp()

trades = np.zeros(1000, TRADE)
trades["seq"] = np.arange(1, 1001)
trades["qty"] = np.arange(1000)

writer = JournalWriter(directory, WORDS, WORDS, layout_hash=1)
print("durable up to", writer.append(trades))
writer.abort()  # as a crash would: no farewell

with JournalReader(directory) as reader:
    out = np.zeros((256, WORDS), np.int64)
    total = 0
    while count := reader.read(out):
        total += int(out[:count].view(TRADE)["qty"].sum())
    print("sum of quantities", total)

with JournalWriter(directory, WORDS, WORDS, layout_hash=1) as writer:
    print(f"continued at {writer.next_seq}, epoch {writer.epoch}")
