"""A replayable log: durable order of opaque fixed-size records, usable on its own.

A record is a row of W int64 words; word 0 is its sequence, which rises by exactly 1. The journal knows
nothing else about it. Records are stored compactly (:mod:`journal.compact`) in checksummed, chained blocks
(:mod:`journal.blocks`) in preallocated segments (:mod:`journal.segment`); :mod:`journal.writer` appends,
:mod:`journal.recovery` decides what a crash has left, :mod:`journal.reader` reads, beside a live writer too, and
:mod:`journal.tail` follows, never beyond what is durable. What recovery, replay and a standby need of a log is a
small interface, :mod:`journal.log`, of which the files are the first implementation (:mod:`journal.file_log`).
The format is described byte by byte in ``docs/journal-format.md``.

Alone (``examples/journal_alone.py``)::

    with JournalWriter(directory, 16, 16, layout_hash=1) as writer:
        writer.append(records)                  # encode, write, sync; returns the durable sequence
    reader = JournalReader(directory)
    reader.seek(1)
    count = reader.read(out)                    # out: int64 (n, 16)

In a pipeline the thread that encodes and the thread that waits for the disk are two. Once::

    writer = JournalWriter(directory, W, J, layout_hash, durability, segment_bytes)   # recovers; may raise
    codec = compact.new_codec(J, key_word, key_mask)       # orders: word 7, 0xFFFFFF (session and kind)
    buffers = [np.zeros(BLOCK_BYTES, np.uint8) for _ in range(N)]   # % 8 == 0, ≤ writer.max_block_bytes
    spans = [compact.byte_spans(buffer) for buffer in buffers]
    seq = writer.next_seq

Encoding (compiled; ``words`` is the int64 (capacity, ≥ J) view of the ring's slots, record ``seq`` in row
``seq & mask``), into a buffer that is not being written::

    position = blocks.open_block(codec, seq)
    position = compact.encode_ring(words, mask, last_seq, spans[i], position, codec)    # < 0: fail stop
    ...                                                    # may be repeated as more arrives
    length = blocks.seal_block(buffers[i], position, seq, codec)                        # 0: no records
    seq = compact.next_seq(codec)                          # ≤ last_seq: the buffer was full, seal and go on

Writing (Python, one thread; the other may encode meanwhile), in order of sequence::

    writer.write_block(buffers[i], length)                 # one pwrite; now and then a new segment
    durable_seq = writer.sync()                            # fdatasync unless os or none
    store_release(cursors, DURABLE, durable_seq)           # publish may release outcomes
    writer.maintain()                                      # meta file each 200 ms, next segment
    ...  writer.space_state                                # a full disk: take in no more, see journal.spare
    ...                                                    # call maintain() now and then when idle, too
    writer.close()                                         # at a clean stop

Any JournalError from these is final: publish nothing more, stop with a documented exit code.

Importing this package imports no Numba; the names below are loaded when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from journal.errors import (
        JournalCorrupt,
        JournalError,
        JournalFull,
        JournalIOError,
        JournalLayout,
        JournalLocked,
        JournalMissing,
    )
    from journal.file_log import FileLog
    from journal.reader import JournalReader
    from journal.tail import JournalTail
    from journal.writer import JournalWriter

__all__ = [
    "FileLog",
    "JournalCorrupt",
    "JournalError",
    "JournalFull",
    "JournalIOError",
    "JournalLayout",
    "JournalLocked",
    "JournalMissing",
    "JournalReader",
    "JournalTail",
    "JournalWriter",
]

_HOMES = {
    "FileLog": "journal.file_log",
    "JournalReader": "journal.reader",
    "JournalTail": "journal.tail",
    "JournalWriter": "journal.writer",
}


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES.get(name, "journal.errors")), name)
