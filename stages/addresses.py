"""Which partition of matching a command concerns: risk says so in the verdict (docs/partitions.md).

An order is where its instrument is, and every order that matching has open is known to risk: what risk does not
know (it has ended) any partition may refuse, and the first one does. Commands that name no single instrument concern
all partitions. With one partition all is its own.
"""

from __future__ import annotations

import numpy as np

from protocols.codes import (
    KIND_ACCOUNT,
    KIND_BANDS,
    KIND_BOOK_REQUEST,
    KIND_CANCEL,
    KIND_INSTRUMENT,
    KIND_KILL,
    KIND_MASS_CANCEL,
    KIND_NEW,
    KIND_REDUCE,
    KIND_REPLACE,
    KIND_SCHEDULE,
    KIND_SESSION_CLOSE,
    KIND_STATE,
    KIND_STATUS,
    KIND_TICK_TABLE,
    LEVEL_INSTRUMENT,
    REASON_NONE,
)
from ringbuffer.kernel import inlined, kernel
from stages.hashing import map_find
from stages.state import EVERY_PARTITION
from stages.state_words import RW_PARTITIONS

__all__ = ["address", "home_partition"]

FIRST = 0


@inlined
def home_partition(s, command):  # type: ignore[no-untyped-def]
    """Return the partition of a new instrument: the one that its command names, or by its group, or by its id."""
    if command.tif != 0:
        return np.int64(command.tif) - 1
    group = np.int64(command.account)
    number = group if group != 0 else np.int64(command.instrument)
    return (number - 1) % s.words[RW_PARTITIONS]


@inlined
def partition_of_instrument(s, instrument):  # type: ignore[no-untyped-def]
    """Return the partition of a known instrument, and all for none."""
    return np.int64(EVERY_PARTITION) if instrument == 0 else np.int64(s.instruments[instrument].partition)


@inlined
def partition_of_order(s, order_id):  # type: ignore[no-untyped-def]
    """Return the partition of an order; the first of those that has ended."""
    order = map_find(s.order_map, s.order_keys, order_id)
    if order < 0:
        return np.int64(FIRST)
    position = s.positions[np.int64(s.orders[order].position)]
    return np.int64(s.instruments[np.int64(position.instrument)].partition)


@kernel
def find_partition(s, command, order_id):  # type: ignore[no-untyped-def]
    """Return the partition of a command that was let pass, or EVERY_PARTITION."""
    kind = np.int64(command.kind)
    if kind == KIND_CANCEL or kind == KIND_REPLACE or kind == KIND_REDUCE or kind == KIND_STATUS:
        return partition_of_order(s, order_id)
    if kind == KIND_NEW or kind == KIND_INSTRUMENT or kind == KIND_BANDS or kind == KIND_BOOK_REQUEST:
        return partition_of_instrument(s, np.int64(command.instrument))
    if kind == KIND_MASS_CANCEL or kind == KIND_STATE:
        return partition_of_instrument(s, np.int64(command.instrument))
    if kind == KIND_KILL and command.tif == LEVEL_INSTRUMENT:
        return partition_of_instrument(s, np.int64(command.instrument))
    if kind == KIND_KILL:
        return np.int64(EVERY_PARTITION)
    if kind == KIND_SESSION_CLOSE or kind == KIND_ACCOUNT or kind == KIND_SCHEDULE or kind == KIND_TICK_TABLE:
        return np.int64(EVERY_PARTITION)
    return np.int64(FIRST)


@inlined
def address(s, command, verdict):  # type: ignore[no-untyped-def]
    """Write into a verdict which partition the command concerns."""
    partition = np.int64(FIRST)
    if s.words[RW_PARTITIONS] > 1 and verdict.reason == REASON_NONE:
        partition = np.int64(find_partition(s, command, np.int64(verdict.order_id)))
    verdict.partition = partition
