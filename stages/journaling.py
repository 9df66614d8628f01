"""The journal stage: encodes every input sequence into blocks and hands them to the thread that makes them durable.

Group commit: while the disk is busy with one block, the next fills; a block is sealed when the disk is idle or
the block is full. So at a low rate a command waits for one sync, at a high rate one sync covers thousands::

    input ring ──journal_step──► blocks[filled % n] ──writer thread──► write, sync ──► durable_seq

The step runs in the worker's compiled loop; the thread is plain Python that sleeps in a futex, in write or in
fdatasync, all without the interpreter lock. Any error of the disk is terminal: nothing is released any more.

Writes: its cursor on the input ring (step), ``durable_seq`` in the control segment (thread).
"""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np

from journal.blocks import BLOCK_HEADER_BYTES, open_block, seal_block
from journal.compact import byte_spans, encode_ring, new_codec, next_seq
from journal.disk import Disk
from journal.writer import JournalWriter
from protocols.layouts import COMMAND, DETERMINED_WORDS, SLOT_WORDS, layout_hash
from ringbuffer.atomics import load_acquire, store_release
from ringbuffer.kernel import inlined, kernel
from ringbuffer.native import futex_wait, futex_wake
from ringbuffer.ring_words import store_word
from ringbuffer.scheduling import ask_for_short_slices
from stages.bells import announce_durable
from stages.control import (
    CW_JOURNAL,
    JO_BLOCKS,
    JO_BYTES,
    JO_SEGMENTS,
    JO_SYNC_MAX_NS,
    JO_SYNC_NS,
    JO_SYNCS,
)
from stages.topology import CUR_INPUT_JOURNAL, CUR_WRITER

BLOCKS = 8
BLOCK_BYTES = 1 << 18
COMMIT_WAIT_NS = 50_000_000
KEY_WORD = 7  # session, kind, side, type, tif, flags: records alike in kind resemble each other
KEY_MASK = 0xFF << 16 | 0xFFFF

# Words of the stage
JW_FILLED = 0  # blocks sealed (step)
JW_OPEN = 2  # 1 while a block is being filled
JW_POSITION = 3
JW_FIRST = 4
JW_ENCODED = 5
JW_WRITTEN = 16  # blocks done (thread)
JW_STOP = 17
JW_SIZES = 32  # per block: size, last sequence
JOURNAL_WORDS = 64


@kernel
def journal_step(in_words, in_slot_words, blocks, codec, spans, w):  # type: ignore[no-untyped-def]
    """Encode what ingest published; return how many commands, a negative code if the ring is corrupt."""
    # pairs with ingest's store_release of the input cursor
    available = load_acquire(in_words, CUR_WRITER)
    encoded = w[JW_ENCODED]
    first = encoded
    filled = w[JW_FILLED]
    # pairs with the thread's store_release when a block is done: its buffer is free again
    written = load_acquire(w, JW_WRITTEN)
    block = filled % BLOCKS
    full = False
    if encoded < available and filled - written < BLOCKS:
        if w[JW_OPEN] == 0:
            w[JW_OPEN] = 1
            w[JW_FIRST] = encoded + 1
            w[JW_POSITION] = open_block(codec, encoded + 1)
        position = encode_ring(
            in_slot_words, in_slot_words.shape[0] - 1, available, spans[block], w[JW_POSITION], codec
        )
        if position < 0:
            return np.int64(position)
        w[JW_POSITION] = position
        encoded = next_seq(codec) - 1
        full = encoded < available
        w[JW_ENCODED] = encoded
        # pairs with ingest's load_acquire: the block holds a copy, the slots may be reused
        store_release(in_words, CUR_INPUT_JOURNAL, encoded)
    if w[JW_OPEN] != 0 and (full or filled == written):
        size = seal_block(blocks[block], w[JW_POSITION], w[JW_FIRST], codec)
        w[JW_SIZES + 2 * block] = size
        w[JW_SIZES + 2 * block + 1] = encoded
        w[JW_OPEN] = 0
        # pairs with the thread's load_acquire: size and block are complete
        store_release(w, JW_FILLED, filled + 1)
        futex_wake(w, JW_FILLED)
    return encoded - first


@inlined
def is_committing(w):  # type: ignore[no-untyped-def]
    """Tell whether the thread has blocks that are not durable yet."""
    return load_acquire(w, JW_FILLED) != load_acquire(w, JW_WRITTEN)


@kernel
def wait_for_block(w, written, timeout_ns):  # type: ignore[no-untyped-def]
    """Sleep until a block is filled; return how many are."""
    # pairs with journal_step's store_release
    filled = load_acquire(w, JW_FILLED)
    if filled == written:
        futex_wait(w, JW_FILLED, filled, timeout_ns)
        filled = load_acquire(w, JW_FILLED)
    return filled


class BlockBuffers:
    """The blocks that the stage fills and the thread writes."""

    def __init__(self, last_seq: int) -> None:
        self.blocks = np.zeros((BLOCKS, BLOCK_BYTES), dtype=np.uint8)
        self.spans = np.ndarray(
            (BLOCKS, BLOCK_BYTES - 7), dtype="<i8", buffer=self.blocks, strides=(BLOCK_BYTES, 1)
        )
        assert byte_spans(self.blocks[0]).shape == self.spans[0].shape
        self.codec = new_codec(DETERMINED_WORDS, KEY_WORD, KEY_MASK)
        self.words = np.zeros(JOURNAL_WORDS, dtype=np.int64)
        self.words[JW_ENCODED] = last_seq


def open_writer(
    directory: Any, durability: str, segment_bytes: int, disk: Disk | None = None, *, scan_all: bool = True
) -> JournalWriter:
    """Open the journal of a pipeline for writing, recovering what a crash left; ``scan_all`` as the writer has it."""
    return JournalWriter(
        directory,
        SLOT_WORDS,
        DETERMINED_WORDS,
        layout_hash(COMMAND),
        durability,  # type: ignore[arg-type]
        segment_bytes,
        disk,
        key_word=KEY_WORD,
        key_mask=KEY_MASK,
        scan_all=scan_all,
    )


class CommitThread(threading.Thread):
    """Writes filled blocks, syncs, and lets publish release what is durable."""

    def __init__(self, buffers: BlockBuffers, writer: JournalWriter, control: Any) -> None:
        super().__init__(name="journal-commit", daemon=True)
        self.buffers = buffers
        self.writer = writer
        self.control = control
        self.failure: BaseException | None = None

    def run(self) -> None:
        """Commit until told to stop, or until the disk fails."""
        ask_for_short_slices()  # else each wakeup may wait for milliseconds behind the loop on the same core
        try:
            self._commit_all()
        except BaseException as error:
            self.failure = error

    def _commit_all(self) -> None:
        w = self.buffers.words
        written = int(w[JW_WRITTEN])
        while True:
            filled = int(wait_for_block(w, written, COMMIT_WAIT_NS))
            if filled == written:
                if w[JW_STOP]:
                    return
                self.writer.maintain()  # the meta file: tails learn from it that the last block is durable
                continue
            last_seq = 0
            started = time.monotonic_ns()
            while written < filled:
                block = written % BLOCKS
                size = int(w[JW_SIZES + 2 * block])
                assert size > BLOCK_HEADER_BYTES
                self.writer.write_block(self.buffers.blocks[block], size)
                last_seq = int(w[JW_SIZES + 2 * block + 1])
                written += 1
            self.writer.sync()
            assert self.writer.durable_seq == last_seq, (self.writer.durable_seq, last_seq)
            announce_durable(self.control, last_seq)
            store_word(w, JW_WRITTEN, written)
            self._count(time.monotonic_ns() - started)
            self.writer.maintain()

    def _count(self, took_ns: int) -> None:
        counters = self.control[CW_JOURNAL : CW_JOURNAL + 16]
        counters[JO_BYTES] = self.writer.bytes_written
        counters[JO_BLOCKS] = self.writer.blocks_written
        counters[JO_SYNCS] = self.writer.syncs
        counters[JO_SEGMENTS] = self.writer.segments_made
        counters[JO_SYNC_NS] += took_ns
        counters[JO_SYNC_MAX_NS] = max(int(counters[JO_SYNC_MAX_NS]), took_ns)

    def stop(self) -> None:
        """Let the thread end when all filled blocks are written."""
        self.buffers.words[JW_STOP] = 1
        self.join()
