"""Snapshots: the whole state of the core after a sequence, so that a start replays the tail of the journal alone.

A snapshot is never taken of a running pipeline: whoever follows its journal with a core of his own (the process of
:mod:`stages.snapshot_process`, a standby) writes down that core. The pipeline does not notice.

Kept in ``DIR/snapshots``, the newest two. Loading checks every byte, and that the state digest of what was loaded is
the one that was written down; whether it belongs to the journal is told by the command at its sequence. What does not
hold is passed over for the one before, and in the end for the journal from its beginning.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from journal.disk import Disk
from journal.errors import JournalCorrupt, JournalLayout
from protocols.layouts import COMMAND, DETERMINED_WORDS, SLOT_WORDS, layout_hash
from ringbuffer.native import crc32c
from stages.core import Core, CoreState
from stages.digest import state_digest
from stages.snapshot_file import SnapshotHeader, read_arrays, read_header, write_snapshot
from stages.state import Capacities
from stages.state_words import (
    MW_CURSOR,
    MW_DIGEST,
    MW_OUT_GATE,
    MW_OUT_NEXT,
    RW_FEED_HEAD,
    RW_FEED_TAIL,
    RW_OUT_CURSOR,
)

__all__ = [
    "KEEP",
    "command_crc",
    "list_snapshots",
    "load_snapshot",
    "snapshot_directory",
    "take_snapshot",
]

KEEP: Final = 2
NAME: Final = re.compile(r"snapshot-(\d{20})\.rms")
# Arrays that are columns of others, scratch of one command, or rings that are empty when all rests
PASSED_OVER: Final = frozenset(
    {"order_keys", "position_keys", "flat_limits", "flat_keys", "flat_rows", "pending", "ring", "level_sums", "uncross",
     "whose", "taker", "table", "feed"}
)  # fmt: skip


def snapshot_directory(data_dir: str | Path) -> Path:
    """Return where the snapshots of a data directory lie."""
    return Path(data_dir) / "snapshots"


def list_snapshots(data_dir: str | Path) -> list[tuple[int, Path]]:
    """Return (sequence, file) of all snapshots of a data directory, the newest first; none is looked into."""
    directory = snapshot_directory(data_dir)
    found = [(path, NAME.fullmatch(path.name)) for path in sorted(directory.glob("snapshot-*.rms"))]
    return sorted(((int(match[1]), path) for path, match in found if match), reverse=True)


def command_crc(command: Any) -> int:
    """Return the CRC32C of the journaled words of a command (a row of int64 words)."""
    words = np.ascontiguousarray(np.asarray(command).reshape(SLOT_WORDS)[:DETERMINED_WORDS])
    return int(crc32c(words.view(np.uint8), 0, words.nbytes, 0))


def _feed_of(risk: Any) -> Any:
    """Return the outcomes that risk has not been shown yet, in their order."""
    head, tail = int(risk.words[RW_FEED_HEAD]), int(risk.words[RW_FEED_TAIL])
    return np.asarray(risk.feed)[np.arange(head, tail) & (len(risk.feed) - 1)]


def _arrays_of(state: CoreState, feed: Any) -> dict[str, Any]:
    """Return all arrays that make a state, by name; ``feed`` stands for the queue of outcomes."""
    bundles: list[tuple[str, Any]] = [("risk", state.risk)] + [
        (f"books{index}", books) for index, books in enumerate(state.books)
    ]
    if len(state.books) > 1:
        bundles.append(("merged", state.merged))
    arrays = {
        f"{owner}.{name}": array
        for owner, bundle in bundles
        for name, array in bundle._asdict().items()
        if name not in PASSED_OVER
    }
    return arrays | {"risk.feed": feed}


def _layout(arrays: dict[str, Any]) -> int:
    """Return a hash of the layouts of commands and of all arrays."""
    total = layout_hash(COMMAND)
    for name, array in arrays.items():
        text = f"{total}:{name}:{np.asarray(array).dtype.descr}".encode()
        total = int(crc32c(np.frombuffer(bytearray(text), np.uint8), 0, len(text), total & 0xFFFFFFFF))
    return total


# Arrays in which an empty state holds something else than zeros
NOT_ZERO_AT_FIRST: Final = frozenset({"words", "sides", "limits", "firm_limits", "position_limits"})


@contextlib.contextmanager
def _at_rest(state: CoreState) -> Iterator[None]:
    """Let the words of a state say, for a while, that its rings and queues begin anew."""
    changed = [(state.risk.words, word) for word in (RW_FEED_HEAD, RW_OUT_CURSOR)]
    for words in (state.merged.words, *(books.words for books in state.books)):
        changed += [(words, word) for word in (MW_OUT_NEXT, MW_OUT_GATE)]
    before = [int(words[word]) for words, word in changed]
    tail = int(state.risk.words[RW_FEED_TAIL])
    state.risk.words[RW_FEED_TAIL] = tail - int(state.risk.words[RW_FEED_HEAD])
    for words, word in changed:
        words[word] = 0
    try:
        yield
    finally:
        for (words, word), value in zip(changed, before, strict=True):
            words[word] = value
        state.risk.words[RW_FEED_TAIL] = tail


def take_snapshot(
    core: Core, data_dir: str | Path, *, time_ns: int, crc: int, disk: Disk | None = None, keep: int = KEEP
) -> tuple[Path, SnapshotHeader]:
    """Write the state of a core that rests, then remove all snapshots but the newest ``keep``; return file and header.

    ``time_ns`` and ``crc`` (:func:`command_crc`) are of the last command. OSError: there is no new snapshot, or an
    old one too many; those that were there hold.
    """
    disk = disk or Disk()
    directory = snapshot_directory(data_dir)
    directory.mkdir(parents=True, exist_ok=True)
    state = core.state
    path = directory / f"snapshot-{core.last_seq:020d}.rms"
    feed = _feed_of(state.risk)
    arrays = _arrays_of(state, feed)
    header = SnapshotHeader(
        seq=core.last_seq,
        time_ns=time_ns,
        command_crc=crc,
        capacities=state.capacities._asdict(),
        outcome_digest=core.outcome_digest,
        state_digest=state_digest(state.risk, state.books),
        layout_hash=_layout(arrays),
        created_ns=time.time_ns(),
    )
    with _at_rest(state):
        header = write_snapshot(path, header, arrays, disk)
    for _, old in list_snapshots(data_dir)[keep:]:
        disk.unlink(old)
    for stale in directory.glob("*.tmp"):
        disk.unlink(stale)
    return path, header


def load_snapshot(path: Path, in_flight: int) -> tuple[CoreState, SnapshotHeader]:
    """Return the state of a snapshot; JournalCorrupt, JournalLayout or OSError if it cannot be had.

    ``in_flight`` bounds how many commands a pipeline will have in flight (:func:`stages.state.allocate_risk`).
    """
    header = read_header(path)
    named = NAME.fullmatch(path.name)
    if named is None or int(named[1]) != header.seq:
        raise JournalCorrupt(path, "is not of the sequence that its name says", was=header.seq)
    if set(header.capacities) != set(Capacities._fields):
        raise JournalLayout(f"{path}: expected capacities {', '.join(Capacities._fields)}")
    state = CoreState(Capacities(**header.capacities), in_flight)
    waiting = next((section.shape[0] for section in header.sections if section.name == "risk.feed"), 0)
    if waiting > len(state.risk.feed):
        raise JournalCorrupt(path, "has more outcomes under way than there is room for", was=waiting)
    arrays = _arrays_of(state, np.asarray(state.risk.feed)[:waiting])
    if _layout(arrays) != header.layout_hash:
        raise JournalLayout(f"{path}: expected the state's layout of this version, was that of another")
    for name, array in arrays.items():
        if name.split(".")[1] in NOT_ZERO_AT_FIRST:  # pages of zeros are not in the file
            np.asarray(array).reshape(-1).view(np.uint8)[:] = 0
    read_arrays(path, header, arrays)
    words = state.merged.words
    was = (int(words[MW_CURSOR]), int(words[MW_DIGEST]), state_digest(state.risk, state.books))
    expected = (header.seq, header.outcome_digest, header.state_digest)
    if was != expected:
        raise JournalCorrupt(path, "is not the state it says", expected=expected, was=was)
    return state, header
