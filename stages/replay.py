"""Replay: rebuild the state from a journal alone, with the kernels that ran live, and hold it against its proofs.

A replay begins with the first command, or behind a snapshot (:mod:`stages.snapshots`) that belongs to the journal, and
then needs only what comes after it.

The journal carries two kinds of proof. A CHECKPOINT holds the outcome digest at a sequence; matching compares
it as it comes by. The FINAL checkpoint of a clean stop also holds the digest of the whole state before it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from journal.ahead import ReadAhead
from journal.errors import JournalCorrupt, JournalError
from journal.reader import JournalReader
from protocols.codes import FLAG_FINAL, KIND_CHECKPOINT, KIND_VENUE
from protocols.layouts import COMMAND, layout_hash
from stages.core import Core, CoreState
from stages.definitions import capacities_of
from stages.digest import state_digest
from stages.snapshot_file import SnapshotHeader
from stages.snapshots import command_crc, list_snapshots, load_snapshot
from stages.state_words import (
    MW_CHECKPOINT_SEQ,
    MW_COMMANDS,
)

__all__ = ["ReplayResult", "Replayer", "journal_directory"]

CHUNK = 1 << 14
IN_FLIGHT = (
    1 << 14
)  # commands that a live pipeline may have between ingest and matching: what the state has room for
# Rings of a replay: small, so that they stay in a core's cache. Neither decides anything.
REPLAY_INPUT_SLOTS = 1 << 9
REPLAY_OUTPUT_SLOTS = 1 << 11


def journal_directory(data_dir: str | Path) -> Path:
    """Return where the journal of a data directory lies."""
    return Path(data_dir) / "journal"


class ReplayResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a replay found; the state digest is that before the checkpoint of a clean stop, where it ends with one."""

    first_seq: int
    last_seq: int
    commands: int
    outcome_digest: str
    state_digest: str
    checkpoints: int
    last_checkpoint_seq: int
    state_checks: int
    diverged_after_seq: int = 0
    diverged_seq: int = 0
    diverged_what: str = ""
    snapshot_seq: int = 0  # where it began; 0 for the beginning

    @property
    def verified(self) -> bool:
        """Tell whether all journaled digests were ours."""
        return self.diverged_seq == 0


class Replayer:
    """Feeds a journal to a core, a chunk at a time."""

    def __init__(
        self, data_dir: str | Path, *, to_seq: int = 0, snapshots: bool = False, in_flight: int = IN_FLIGHT
    ) -> None:
        """Open the journal of ``data_dir``; with ``snapshots`` begin behind the newest one that holds.

        ``in_flight`` is how many commands a pipeline that goes on with the state may have under way.
        """
        self.data_dir = Path(data_dir)
        self.snapshot_seq = 0
        self.passed_over: list[str] = []  # why newer snapshots were not taken
        self._in_flight = in_flight
        self._snapshots = snapshots
        self.directory = journal_directory(data_dir)
        self.reader = JournalReader(self.directory, layout_hash(COMMAND))
        self.to_seq = to_seq
        self.core: Core | None = None
        self.last_time_ns = 0
        self.last_command_crc = 0
        self.fed: Any = None  # the commands whose outcomes on_outcomes is given
        self._first_seq = self.reader.next_seq
        self._checkpoints = 0
        self._state_checks = 0
        self._state_diverged_seq = 0
        self._state_good_seq = 0
        self._clean_stop = (0, 0)  # sequence of the last checkpoint of a clean stop, and our digest before it

    def run(
        self,
        on_outcomes: Callable[[Any], None] | None = None,
        on_progress: Callable[[int], None] | None = None,
    ) -> ReplayResult:
        """Replay to the end, or to ``to_seq``; outcomes go to ``on_outcomes`` as they come, see ``fed``."""
        self.begin(keeps_outcomes=on_outcomes is not None)
        with ReadAhead(self.reader, CHUNK, self.to_seq) as chunks:
            for rows in chunks:
                self._replay(rows.reshape(-1).view(COMMAND), on_outcomes)
                if on_progress is not None:
                    on_progress(self.last_seq)
        return self.result()

    def begin(self, *, keeps_outcomes: bool) -> None:
        """Stand behind the snapshot, if it is to begin there: for who looks at the state before it runs."""
        if self._snapshots and self.core is None:
            self._begin_behind_snapshot(keeps_outcomes=keeps_outcomes)

    @property
    def last_seq(self) -> int:
        """The last sequence that was replayed."""
        return self.core.last_seq if self.core is not None else 0

    def feed(self, rows: Any) -> None:
        """Replay commands that somebody else has read (int64 rows), behind the last one."""
        self._replay(rows.reshape(-1).view(COMMAND), None)

    def diverged(self) -> tuple[int, str] | None:
        """Return at which sequence a journaled digest was not ours, and of what; None if all were."""
        if self.core is None:
            return None
        outcome_seq, state_seq = self.core.diverged_seq, self._state_diverged_seq
        if not outcome_seq and not state_seq:
            return None
        first = min(seq for seq in (outcome_seq, state_seq) if seq)
        return first, "outcomes" if first == outcome_seq else "state"

    def _begin_behind_snapshot(self, *, keeps_outcomes: bool) -> None:
        """Take the newest snapshot that holds and belongs to this journal, and stand behind it."""
        for seq, path in list_snapshots(self.data_dir):
            if self.to_seq and seq > self.to_seq:
                continue
            try:
                state, header = load_snapshot(path, self._in_flight)
                self._check_belongs(path, header)
            except (JournalError, OSError) as error:
                self.passed_over.append(str(error))
                continue
            self.snapshot_seq = seq
            self.last_time_ns, self.last_command_crc = header.time_ns, header.command_crc
            self.core = _new_core(state, keeps_outcomes=keeps_outcomes)
            return
        self.reader.seek(self._first_seq)

    def check_snapshot(self, path: Path) -> SnapshotHeader:
        """Load a snapshot for nothing but to see that it holds and belongs to this journal; JournalError if not."""
        _, header = load_snapshot(path, self._in_flight)
        self._check_belongs(path, header)
        return header

    def _check_belongs(self, path: Path, header: SnapshotHeader) -> None:
        """Stand behind a snapshot, if its last command is the one that is in the journal, or was just pruned there."""
        if header.seq >= self._first_seq:
            self.reader.seek(header.seq)
            row = np.zeros((1, self.reader.layout.record_words), dtype=np.int64)
            if not self.reader.read(row, 1):
                raise JournalCorrupt(path, "is ahead of the journal", seq=header.seq)
            if command_crc(row[0]) != header.command_crc:
                raise JournalCorrupt(path, "is of another journal", seq=header.seq)
        self.reader.seek(header.seq + 1)

    def _replay(self, commands: Any, on_outcomes: Callable[[Any], None] | None) -> None:
        if self.core is None:
            first = commands[0]
            if first["kind"] != KIND_VENUE or first["seq"] != 1:
                raise JournalCorrupt(
                    self.directory, "does not begin with a venue, and no snapshot covers what came before",
                    seq=int(first["seq"]), offset=0, expected="command VENUE with sequence 1",
                    was=f"kind {first['kind']}{''.join(f'; {why}' for why in self.passed_over)}",
                )  # fmt: skip
            state = CoreState(capacities_of(first), self._in_flight)
            self.core = _new_core(state, keeps_outcomes=on_outcomes is not None)
        self.last_time_ns = int(commands["time_ns"][-1])
        self.last_command_crc = command_crc(commands[-1:].view(np.int64))
        checkpoints = np.nonzero(commands["kind"] == KIND_CHECKPOINT)[0]
        self._checkpoints += len(checkpoints)
        start = 0
        for row in checkpoints:
            if not commands["flags"][row] & FLAG_FINAL:
                continue
            self._feed(commands[start:row], on_outcomes)
            self._check_state(commands[row])
            start = int(row)
        self._feed(commands[start:], on_outcomes)

    def _feed(self, commands: Any, on_outcomes: Callable[[Any], None] | None) -> None:
        assert self.core is not None
        if not len(commands):
            return
        self.fed = commands
        if on_outcomes is None:
            self.core.digest(commands)
        else:
            on_outcomes(self.core.process(commands))

    def _check_state(self, checkpoint: Any) -> None:
        assert self.core is not None
        self._state_checks += 1
        seq = self.core.last_seq
        digest = state_digest(self.core.state.risk, self.core.state.books)
        # the checkpoint is a command too: its stamp lets risk see the last outcomes, which changes the state
        self._clean_stop = (int(checkpoint["seq"]), digest)
        if digest == int(checkpoint["order_id"]):
            self._state_good_seq = seq
        elif not self._state_diverged_seq:
            self._state_diverged_seq = seq

    def result(self) -> ReplayResult:
        """Return what was found so far."""
        if self.core is None:
            return ReplayResult(
                first_seq=self._first_seq, last_seq=0, commands=0, outcome_digest="", state_digest="", checkpoints=0,
                last_checkpoint_seq=0, state_checks=0,
            )  # fmt: skip
        words = self.core.state.merged.words
        stopped_seq, digest = self._clean_stop
        if stopped_seq != self.last_seq:
            digest = state_digest(self.core.state.risk, self.core.state.books)
        diverged, what = self.diverged() or (0, "")
        return ReplayResult(
            first_seq=self.snapshot_seq + 1 if self.snapshot_seq else self._first_seq,
            last_seq=self.last_seq,
            commands=int(words[MW_COMMANDS]),
            outcome_digest=hex_digest(self.core.outcome_digest),
            state_digest=hex_digest(digest),
            checkpoints=self._checkpoints,
            last_checkpoint_seq=int(words[MW_CHECKPOINT_SEQ]),
            state_checks=self._state_checks,
            diverged_after_seq=max(int(words[MW_CHECKPOINT_SEQ]), self._state_good_seq) if diverged else 0,
            diverged_seq=diverged,
            diverged_what=what,
            snapshot_seq=self.snapshot_seq,
        )


def _new_core(state: CoreState, *, keeps_outcomes: bool) -> Core:
    """Return a core for a replay; outcomes that are kept come in batches as large as its output ring."""
    if keeps_outcomes:
        return Core(state=state, input_slots=REPLAY_INPUT_SLOTS)
    return Core(state=state, input_slots=REPLAY_INPUT_SLOTS, output_slots=REPLAY_OUTPUT_SLOTS)


def hex_digest(digest: int) -> str:
    """Return a digest as 16 hexadecimal digits."""
    return f"{digest & 0xFFFFFFFFFFFFFFFF:016x}"
