"""Partitions of matching: books that know nothing of each other, each with rooms and an order of time of its own.

How many there are is part of the journal (command VENUE), and so is which of them has an instrument: outcomes are
the same however many workers share the partitions. With one, matching writes into the output ring. With several, each
writes into a *lane*, a ring of its own, and :mod:`stages.merge` brings the lanes together in the order of the inputs::

    input ring ──► matching 1 ──► lane 1 ─┐
               ├─► matching 2 ──► lane 2 ─┼─► merge ──► output ring
               └─► …                     ─┘

A partition looks at every command (time passes for all of them) and carries out those that concern it: risk says in the
verdict which one a command belongs to, or that it belongs to all.

Lanes lie in anonymous memory that workers share over fork. Nothing here is compiled.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

from protocols.layouts import SLOT_WORDS
from ringbuffer.bundle import bundle, make_bundle
from stages.control import MAX_PARTITIONS
from stages.state import (
    DIGEST_SLOTS,
    Capacities,
    MatchingState,
    allocate_matching,
    shared_array,
    with_ring,
)
from stages.state_words import (
    GW_HEAD,
    GW_MATCHED,
    GW_TAIL,
    MERGED_WORDS,
    MW_CURSOR,
    MW_OUT_GATE,
    MW_OUT_NEXT,
)
from stages.topology import CUR_INPUT_MATCHING, cursor_word

__all__ = ["LANE_SLOTS", "Merged", "Partitions", "allocate_partitions", "connect"]

LANE_SLOTS: Final = 1 << 12
LANE_WORDS: Final = cursor_word(4)


@bundle
class Merged(NamedTuple):
    """What is known of all partitions together: see GW_* and MW_* of :mod:`stages.state_words`."""

    words: Any
    digests: Any  # after each input, by sequence
    table: Any


class Partitions(NamedTuple):
    """All partitions as kernels take them."""

    total: int
    books: tuple[
        MatchingState, ...
    ]  # always MAX_PARTITIONS, for one type; those beyond ``total`` are the first
    lane_words: Any  # [partition, word]: cursors of its lane, and how far it has matched
    lane_slots: Any  # [partition, word]
    merged: Merged


def allocate_partitions(capacities: Capacities) -> tuple[tuple[MatchingState, ...], Merged]:
    """Allocate empty books for each partition, and what is known of them together.

    Each partition has the whole room of the venue: memory is touched only as far as it is used.
    """
    books = tuple(allocate_matching(capacities, index) for index in range(capacities.partitions))
    if len(books) == 1:
        return books, make_bundle(Merged, words=books[0].words, digests=books[0].digests)
    words, digests = shared_array(MERGED_WORDS, np.int64), shared_array(DIGEST_SLOTS, np.int64)
    return books, make_bundle(Merged, words=words, digests=digests)


def connect(
    books: tuple[MatchingState, ...], merged: Merged, out_slot_words: Any, lane_slots: int = LANE_SLOTS
) -> Partitions:
    """Return quiescent partitions with rings to write into: the output ring (int64 rows), or lanes; all are empty."""
    count = len(books)
    lanes = count if count > 1 else 0
    words = shared_array((max(lanes, 1), LANE_WORDS), np.int64)
    slots = shared_array((max(lanes, 1), lane_slots * SLOT_WORDS if lanes else SLOT_WORDS), np.int64)
    merged.words[MW_OUT_NEXT] = merged.words[MW_OUT_GATE] = 0
    for index in range(lanes):
        seq = books[index].words[MW_CURSOR]
        words[index, CUR_INPUT_MATCHING] = seq
        books[index].words[MW_OUT_NEXT] = books[index].words[MW_OUT_GATE] = 0
        merged.words[GW_HEAD + index] = merged.words[GW_TAIL + index] = 0
        merged.words[GW_MATCHED + index] = seq
    rings = slots if lanes else (out_slot_words,)
    connected = tuple(with_ring(part, ring) for part, ring in zip(books, rings, strict=True))
    padded = connected + (connected[0],) * (MAX_PARTITIONS - count)
    return Partitions(count, padded, words, slots, merged)
