"""What the ring benchmark runs, as data: topologies, batches, ring sizes, strategies, and what is wanted of each.

::

    unicast, batch16, batch64   P ─► C                     multicast   P ─► C, C, C
    pipeline                    P ─► C ─► C ─► C           diamond     P ─► C, C ─► C
    producers                   P, P, P ─► C               pingpong    P ─► C ─► P, one record under way

Two cores are all there is: with two participants each has one, with more they share. Who waits how decides then,
so each side is measured with several wait strategies and compared with its best at each core distance. Ours were
chosen by trying all: where each has a core, backoff lets batches grow and busy does not, which is better if the cores
are near; a ring that fits into a cache is better then too. Where cores are shared, those win that give theirs away
soon, and a ring with room for what comes until they have it again; sleeping and blocking are slower by half or more.
Several producers are the exception: if those that find no room sleep, one claims at a time, and a ring that fits into
a cache is better.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from msgspec import Struct

from ringbuffer.topology import Topology, diamond, handle, pipeline

__all__ = ["PINGPONG", "THROUGHPUT", "Workload", "new_source", "sum_of_sent", "sum_of_source"]

WORD_BYTES: Final = 8
SOURCE_RECORDS: Final = 61  # divides no capacity: what an earlier lap left in a slot is another record
SOURCE_SEED: Final = 3
SMALL: Final = 1 << 14  # slots: 1 MiB of 64 bytes each, in the cache of one core
LARGE: Final = 1 << 16  # as many as the Disruptor's rings have


class Workload(Struct, frozen=True, kw_only=True):
    """One row of the benchmark: what runs, with what, and how fast it has to be."""

    key: str
    title: str
    readers: Topology
    producers: int = 1
    batch: int = 1
    slot_bytes: tuple[int, ...] = (64,)
    ours: tuple[tuple[str, int], ...]  # wait strategies, of ringbuffer.wait, and slots of the ring
    peers: dict[str, tuple[str, ...]]  # wait strategies of each peer
    goal: float  # times the Disruptor's best
    goal_slot_bytes: tuple[int, ...] = (64,)

    @property
    def participants(self) -> int:
        """Return how many processes, or threads, take part."""
        return self.producers + len(self.readers)

    @property
    def shares_cores(self) -> bool:
        """Tell whether there are more participants than cores."""
        return self.participants > 2

    def whole(self, messages: int) -> int:
        """Return a number of messages that producers and batches divide, at most ``messages``, at least one each."""
        unit = self.producers * self.batch
        return max(1, messages // unit) * unit


OURS_ONE_TO_ONE: Final = (("busy", SMALL), ("backoff", SMALL), ("backoff", LARGE))
OURS_SHARED: Final = (("yield", LARGE), ("phased", LARGE), ("backoff", LARGE))
OURS_PRODUCERS: Final = (("backoff", SMALL), ("sleep", SMALL), ("backoff", LARGE))
ONE_TO_ONE: Final = ("busy", "yielding", "sleeping")
SHARED: Final = ("busy", "yielding", "sleeping", "blocking")
CRATE: Final = ("busy", "hint")

THROUGHPUT: Final = (
    Workload(
        key="unicast",
        title="1P1C one by one",
        readers=handle("reader"),
        slot_bytes=(64, 8, 128),
        ours=OURS_ONE_TO_ONE,
        peers={
            "disruptor": ONE_TO_ONE,
            "aeron": ("busy",),
            "disruptor_crate": CRATE,
            "mp_queue": ("blocking",),
            "shm_lock": ("yielding",),
            "stream": ("busy",),
        },
        goal=1.2,
    ),
    Workload(
        key="batch16",
        title="1P1C batches of 16",
        readers=handle("reader"),
        batch=16,
        slot_bytes=(64, 8),
        goal_slot_bytes=(8,),  # as many as an event of the Disruptor has
        ours=OURS_ONE_TO_ONE,
        peers={"disruptor": ONE_TO_ONE, "disruptor_crate": CRATE, "stream": ("busy",)},
        goal=2.0,
    ),
    Workload(
        key="batch64",
        title="1P1C batches of 64",
        readers=handle("reader"),
        batch=64,
        slot_bytes=(64, 8),
        goal_slot_bytes=(8,),  # as many as an event of the Disruptor has
        ours=OURS_ONE_TO_ONE,
        peers={"disruptor": ONE_TO_ONE, "disruptor_crate": CRATE, "stream": ("busy",)},
        goal=2.0,
    ),
    Workload(
        key="multicast",
        title="1P3C",
        readers=handle("first", "second", "third"),
        slot_bytes=(64, 8),
        ours=OURS_SHARED,
        peers={"disruptor": SHARED, "disruptor_crate": CRATE},
        goal=1.0,
    ),
    Workload(
        key="pipeline",
        title="pipeline of 3",
        readers=pipeline("first", "second", "third"),
        slot_bytes=(64, 8),
        ours=OURS_SHARED,
        peers={"disruptor": SHARED, "disruptor_crate": CRATE},
        goal=1.0,
    ),
    Workload(
        key="diamond",
        title="diamond",
        readers=diamond("left", "right", "join"),
        slot_bytes=(64, 8),
        ours=OURS_SHARED,
        peers={"disruptor": SHARED, "disruptor_crate": CRATE},
        goal=1.0,
    ),
    Workload(
        key="producers",
        title="3P1C",
        readers=handle("reader"),
        producers=3,
        ours=OURS_PRODUCERS,
        peers={"disruptor": SHARED, "disruptor_crate": CRATE},
        goal=1.5,
    ),
)

PINGPONG: Final = Workload(
    key="pingpong",
    title="ping-pong, 64 bytes each way",
    readers=handle("reader"),
    ours=(("busy", SMALL),),
    peers={"disruptor": ("busy", "yielding"), "aeron": ("busy",)},
    goal=2.0,
)


def new_source(words: int) -> Any:
    """Return the records that each of our producers sends over and over, as rows of that many words."""
    return np.random.default_rng(SOURCE_SEED).integers(-(2**62), 2**62, (SOURCE_RECORDS, words))


def sum_of_source(workload: Workload, messages: int, source: Any) -> int:
    """Return the sum of all words that each reader of ours gets, as int64 arithmetic has it."""
    share = messages // workload.producers
    whole, rest = divmod(share, len(source))
    sums = [int(row.astype(object).sum()) for row in source]
    return _wrapped((whole * sum(sums) + sum(sums[:rest])) * workload.producers)


def sum_of_sent(workload: Workload, messages: int, slot_bytes: int) -> int:
    """Return what the readers of a peer add up: each producer sends 0, 1, 2..., or records ``i, i + 1 ... i + 7``."""
    share = messages // workload.producers
    words = slot_bytes // WORD_BYTES
    total = share * (share - 1) // 2 * words + share * (words * (words - 1) // 2)
    return _wrapped(total * workload.producers * len(workload.readers))


def _wrapped(total: int) -> int:
    return (total + 2**63) % 2**64 - 2**63
