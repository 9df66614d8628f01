"""Records and journals that the tests of the journal share."""

from __future__ import annotations

import os
import random
import struct
from pathlib import Path
from typing import Any

import numpy as np

from journal import blocks, compact
from journal.disk import Disk
from journal.reader import JournalReader
from journal.writer import Durability, JournalWriter

JIT_DISABLED = os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0")
WORDS = 16
JOURNAL_WORDS = 15
LAYOUT_HASH = 0x1234_5678_9ABC_DEF
SEGMENT_BYTES = 64 << 10
KEY_WORD, KEY_MASK = 7, 0xFFFFFF
NEW, CANCEL, REPLACE = 1, 2, 3


def open_writer(
    directory: Path, durability: Durability = "fsync", disk: Disk | None = None, **options: Any
) -> JournalWriter:
    """Open a journal of 128-byte commands with the smallest segments."""
    keys = {"key_word": KEY_WORD, "key_mask": KEY_MASK}
    return JournalWriter(
        directory, WORDS, JOURNAL_WORDS, LAYOUT_HASH, durability, SEGMENT_BYTES, disk, **(keys | options)
    )


def rows(first_seq: int, count: int, seed: int = 1, words: int = WORDS, spread: int = 40) -> Any:
    """Return rows whose words differ in up to ``spread`` bits; the same sequence always looks the same."""
    made = np.zeros((count, words), dtype=np.int64)
    for index in range(count):
        chosen = random.Random(first_seq + index + seed * 1_000_003)
        made[index] = [chosen.getrandbits(spread) for _ in range(words)]
        made[index, 0] = first_seq + index
    return made


def journaled(records: Any, journal_words: int = JOURNAL_WORDS) -> Any:
    """Return what of the rows comes back."""
    expected = records.copy()
    expected[:, journal_words:] = 0
    return expected


def read_all(directory: Path, first_seq: int = 1, batch: int = 64) -> Any:
    """Read a journal from ``first_seq`` to its end."""
    with JournalReader(directory) as reader:
        reader.seek(first_seq)
        out = np.zeros((batch, reader.layout.record_words), dtype=np.int64)
        parts = []
        while count := reader.read(out):
            parts.append(out[:count].copy())
    return np.concatenate(parts) if parts else out[:0]


def sealed_block(records: Any, room: int = 1 << 16, journal_words: int = JOURNAL_WORDS) -> tuple[Any, int]:
    """Return a buffer with a sealed block of the rows, and its size."""
    data = np.zeros(room, dtype=np.uint8)
    codec = compact.new_codec(journal_words, min(KEY_WORD, journal_words - 1), KEY_MASK)
    first_seq = int(records[0, 0])
    position = blocks.open_block(codec, first_seq)
    position = compact.encode_records(records, 0, len(records), compact.byte_spans(data), position, codec)
    assert compact.next_seq(codec) == first_seq + len(records), "the buffer is too small for the test"
    return data, int(blocks.seal_block(data, position, first_seq, codec))


def flip_bit(path: Path, offset: int, bit: int) -> None:
    """Flip one bit of a file; a second time puts it back."""
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 1 << bit]))


def only_segment(directory: Path) -> Path:
    """Return the one segment file of a journal."""
    (path,) = directory.glob("*.rmj")
    return path


def _pack(text: str) -> tuple[int, int, int]:
    return struct.unpack("<qqi", text.encode("ascii").ljust(20, b"\0"))


def commands(
    count: int, seed: int, sessions: int = 4, instruments: int = 50, random_ids: bool = False
) -> Any:
    """Return a flow of order commands with ClOrdIDs of 12 characters; cancels and replaces name one of them.

    Half new, 41% cancels, 9% replaces, about 1 M a second, as the words of a 128-byte command slot: seq, time,
    seen, price, qty, order id, account and instrument, session kind side type tif flags, texts, aux, stamp.
    """
    chosen = random.Random(seed)
    made = np.zeros((count, WORDS), dtype=np.int64)
    resting: list[list[tuple[str, int, int, int]]] = [[] for _ in range(sessions)]
    mids = [chosen.randrange(2_000, 50_000) for _ in range(instruments + 1)]
    time_ns, seen, issued = 86_400_000_000_000 * 3 + 1, 0, [0] * sessions
    for seq in range(1, count + 1):
        time_ns += 20 + int(chosen.expovariate(1 / 1000))
        seen = max(seen, seq - chosen.randrange(1, 120)) if chosen.random() < 0.2 else seen
        session = chosen.randrange(sessions)
        issued[session] += 1
        name = f"{chr(65 + session % 26)}{session // 26}{issued[session]:010d}"
        if random_ids:
            name = "".join(chosen.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", k=12))
        draw, mine = chosen.random(), resting[session]
        kind = NEW if draw < 0.5 or not mine else CANCEL if draw < 0.91 else REPLACE
        orig, price, qty, order_type, tif = "", 0, 0, 0, 0
        if kind == NEW:
            instrument, side = chosen.randrange(1, instruments + 1), chosen.randrange(1, 3)
            old_price = mids[instrument] + chosen.randrange(-40, 40)
        else:
            orig, instrument, side, old_price = mine.pop(
                max(0, len(mine) - 1 - int(chosen.expovariate(1 / 50)))
            )
        if kind != CANCEL:
            price, qty, order_type = old_price + chosen.randrange(3), chosen.randrange(1, 11) * 100, 2
            tif = 3 if kind == NEW and chosen.random() < 0.15 else 1
            mine.append((name, instrument, side, price))
        cl, other = _pack(name), _pack(orig)
        made[seq - 1] = [
            seq, time_ns, seen, price, qty, 0, session + 1 | instrument << 32,
            session + 1 | kind << 16 | side << 24 | order_type << 32 | tif << 40,
            cl[0], cl[1], cl[2] | other[2] << 32, other[0], other[1], 0, 0, time_ns - 5_000,
        ]  # fmt: skip
    return made


def kinds_of(records: Any) -> Any:
    """Return the kind of each command."""
    return (records[:, 7] >> 16) & 0xFF
