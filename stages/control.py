"""The control segment: what the processes of a pipeline tell each other outside the rings. No Numba here.

Layout of the segment's content, as int64 words; each group has one writer::

      0  header        magic, version, epoch, ports, workers, offset and size of the description (supervisor)
     16  state         the pipeline's State (supervisor)
     32  stop          the Stop word that all loops poll, and for which sequence digests are wanted (supervisor)
     48  durable_seq   last input sequence that may be acknowledged (journal)
     64  failure       which worker failed, and why (the worker that failed)
     72  feed_epoch    rises with each subscription to market data (compare-exchanged by gateways)
     80  bells         per worker 16 words: signal, waiting (see Wait.BLOCKING)
    352  desk          48 words: an operator's command and its answer (stages.desk)
    512  workers       per worker 64 words (that worker)
   1536  ports         per port 32 words: state (compare-exchanged), owner, market data (gateway), counters (publish)
   2560  counters      copies of the state's counters, refreshed about every millisecond (publish's worker)
   2816  journal       bytes, blocks, syncs, segments, sync time (journal)
   3072  latency       histogram of time from scheduled send to release (publish), nanoseconds
   5120  description   JSON: plan, directory, limits of the rings (supervisor), in one of two halves

Readers that only look (status, top) read plain words: an aligned 8-byte load is one instruction.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, Final

import msgspec
import numpy as np

__all__ = [
    "CONTROL_WORDS",
    "DESCRIPTION_BYTES",
    "Description",
    "PortState",
    "State",
    "Stop",
    "WorkerPlan",
    "bucket_floor_ns",
    "percentiles_ns",
    "read_description",
    "write_description",
]

MAGIC: Final = 0x7265676E69726D  # "mringer"
VERSION: Final = 1

CW_MAGIC: Final = 0
CW_VERSION: Final = 1
CW_EPOCH: Final = 2
CW_PORTS: Final = 3
CW_WORKERS: Final = 4
CW_DESCRIPTION_BYTES: Final = 5  # bytes, and from bit 32 on how often it was written; 0: not described yet
CW_SUPERVISOR_PID: Final = 6
CW_SUPERVISOR_START: Final = 7
CW_STARTED_NS: Final = 8
CW_STATE: Final = 16
CW_SNAPSHOT_SEQ: Final = 17  # of the newest snapshot that the supervisor knows of
CW_SNAPSHOTS: Final = 18  # how many were taken, and how many could not be
CW_SNAPSHOTS_FAILED: Final = 19
CW_STOP: Final = 32
CW_DIGEST_SEQ: Final = (
    33  # the owners of risk and books are asked for their digests at this sequence; 0: not asked
)
CW_DURABLE: Final = 48
CW_FAILED_WORKER: Final = 64  # 1-based
CW_FAILURE: Final = 65
CW_FEED_EPOCH: Final = 72
CW_BELLS: Final = 80
BELL_WORDS: Final = 16
BELL_SIGNAL: Final = 0
BELL_WAITING: Final = 8
BELL_HEARD: Final = 9  # the signal when the worker last announced or awoke: its own
CW_DESK: Final = 352
DESK_WORDS: Final = 48
DESK_ASKED: Final = 0
DESK_ANSWERED: Final = 1
DESK_COMMAND: Final = 16
DESK_ANSWER: Final = 32
CW_WORKER_BLOCKS: Final = 512
WORKER_WORDS: Final = 64
WW_PID: Final = 0
WW_START: Final = 1
WW_CORE: Final = 2
WW_HEARTBEAT: Final = 3
WW_STAGES: Final = 4
WW_LOOPS: Final = 5
WW_BUSY: Final = 6
WW_READY: Final = 7
WW_RISK_DIGEST: Final = 9
WW_DIGEST_SEQ: Final = 10  # the sequence for which the digests of what this worker owns are given
WW_BOOKS_DIGESTS: Final = 16  # of each partition of matching that this worker has
CW_PORT_BLOCKS: Final = 1536
PORT_WORDS: Final = 32
PW_STATE: Final = 0
PW_OWNER: Final = 1  # owner token: pid and start time
PW_FEED: Final = 2  # market data: 0 none, FEED_ALL, or of how many instruments
PW_FEED_IDS: Final = 4  # to 15: their ids
PW_SENT: Final = 16  # outcomes put into the port's egress ring
PW_DROPPED: Final = 17
FEED_ALL: Final = -1
MOST_FEED_IDS: Final = PW_SENT - PW_FEED_IDS
CW_COUNTERS: Final = 2560
CO_RISK: Final = 176  # risk's words follow matching's
CO_PUBLISH: Final = 192
CO_RELEASED: Final = 192
CO_UNROUTED: Final = 193
CO_CUT_OFF: Final = 194
CO_ACKED: Final = 195
CO_INGEST: Final = 224
CO_INVALID: Final = 224
CO_CHECKPOINTS: Final = 225
CO_TICKS: Final = 226
CW_JOURNAL: Final = 2816
JO_BYTES: Final = 0
JO_BLOCKS: Final = 1
JO_SYNCS: Final = 2
JO_SEGMENTS: Final = 3
JO_SYNC_NS: Final = 4
JO_SYNC_MAX_NS: Final = 5
JO_ERRNO: Final = 6
CW_LATENCY: Final = 3072
LATENCY_BUCKETS: Final = 2048
CONTROL_WORDS: Final = 5120
DESCRIPTION_BYTES: Final = 16 << 20  # two halves, each for all instruments and accounts that can be

MAX_WORKERS: Final = 16
MAX_PARTITIONS: Final = 8
MAX_PORTS: Final = 32
assert CW_BELLS + BELL_WORDS * MAX_WORKERS <= CW_DESK and CW_DESK + DESK_WORDS <= CW_WORKER_BLOCKS
assert CW_WORKER_BLOCKS + WORKER_WORDS * MAX_WORKERS <= CW_PORT_BLOCKS
assert CW_PORT_BLOCKS + PORT_WORDS * MAX_PORTS <= CW_COUNTERS
assert CW_LATENCY + LATENCY_BUCKETS == CONTROL_WORDS


class State(IntEnum):
    """What a pipeline is doing."""

    STARTING = 1
    READY = 2
    DRAINING = 3
    STOPPED = 4
    FAILED = 5


class Stop(IntEnum):
    """What loops are asked to do: DRAIN takes no more from gateways, NOW leaves the loop."""

    RUN = 0
    DRAIN = 1
    NOW = 2


class PortState(IntEnum):
    """A port is FREE, or OPEN for the gateway that owns it, or CUT off because it did not read."""

    FREE = 0
    OPEN = 1
    CUT = 2


class WorkerPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One worker: which stages it polls, on which core (-1: not pinned)."""

    stages: tuple[str, ...]
    core: int = -1


class InstrumentRow(msgspec.Struct, frozen=True, array_like=True):
    """An instrument as gateways need it."""

    id: int
    symbol: str
    tick_e8: int
    lot_e8: int
    currency: str


class AccountRow(msgspec.Struct, frozen=True, array_like=True):
    """An account as gateways need it."""

    id: int
    name: str


class MarketRow(msgspec.Struct, frozen=True, array_like=True):
    """What an instrument has of trading states; those that have nothing but CONTINUOUS have no row."""

    id: int
    state: int
    group: int
    table: int
    band_mode: int
    static_ticks: int
    dynamic_ticks: int
    static_reference: int
    volatility_ns: int
    indication_ns: int


class ScheduleRow(msgspec.Struct, frozen=True, array_like=True):
    """A row of a schedule."""

    group: int
    state: int
    due_ns: int
    period_ns: int


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """What a running pipeline is: written before it is ready, and anew when instruments or their states changed."""

    venue: str
    data_dir: str
    durability: str
    wait: str
    plan: tuple[WorkerPlan, ...]
    ports: int
    input_slots: int
    output_slots: int
    ingress_slots: int
    egress_slots: int
    instruments: tuple[InstrumentRow, ...]
    accounts: tuple[AccountRow, ...]
    max_instruments: int
    max_accounts: int
    recovered_seq: int = 0
    groups: dict[str, int] = {}  # names that the configuration gives to numbers
    tables: dict[str, int] = {}
    markets: tuple[MarketRow, ...] = ()
    schedules: tuple[ScheduleRow, ...] = ()


def write_description(buffer: Any, content: int, words: Any, description: Description) -> None:
    """Store the description behind the words of the control segment, beside the one that is being read."""
    text = msgspec.json.encode(description)
    room = DESCRIPTION_BYTES // 2
    if len(text) > room:
        raise ValueError(f"description: expected at most {room} bytes, was {len(text)}")
    version = (int(words[CW_DESCRIPTION_BYTES]) >> 32) + 1
    start = content + CONTROL_WORDS * 8 + version % 2 * room
    memoryview(buffer)[start : start + len(text)] = text
    words[CW_DESCRIPTION_BYTES] = version << 32 | len(text)


def read_description(buffer: Any, content: int, words: Any) -> Description:
    """Return the description of a running pipeline."""
    while True:
        word = int(words[CW_DESCRIPTION_BYTES])
        version, size = divmod(word, 1 << 32)
        start = content + CONTROL_WORDS * 8 + version % 2 * (DESCRIPTION_BYTES // 2)
        text = bytes(memoryview(buffer)[start : start + size])
        if int(words[CW_DESCRIPTION_BYTES]) == word:  # else this half may have been written anew meanwhile
            return msgspec.json.decode(text, type=Description)


SUB_BUCKETS: Final = 32


def bucket_floor_ns(bucket: int) -> int:
    """Return the smallest latency of a bucket: exact to 32 ns, then 32 buckets an octave (3% wide)."""
    if bucket < SUB_BUCKETS:
        return bucket
    octave, part = divmod(bucket, SUB_BUCKETS)
    return (SUB_BUCKETS + part) << (octave - 1)


def percentiles_ns(counts: Any, ranks: tuple[float, ...] = (50, 90, 99, 99.9)) -> dict[str, int]:
    """Return percentiles and the maximum of a latency histogram: {"p50": …, "max": …, "count": …}."""
    counts = np.array(counts)  # a copy: publish goes on counting
    total = int(np.sum(counts))
    result = {"count": total}
    cumulated = np.cumsum(counts)
    for rank in ranks:
        name = f"p{rank:g}"
        wanted = max(1, int(np.ceil(total * rank / 100)))
        result[name] = bucket_floor_ns(int(np.searchsorted(cumulated, wanted))) if total else 0
    filled = np.nonzero(counts)[0]
    result["max"] = bucket_floor_ns(int(filled[-1]) + 1) if total else 0
    return result
