"""Replay: rebuild the state from a journal alone, with the kernels that ran live, and hold it against its proofs.

The journal carries two kinds of proof. A CHECKPOINT holds the outcome digest at a sequence; matching compares
it as it comes by. The FINAL checkpoint of a clean stop also holds the digest of the whole state before it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from journal.errors import JournalCorrupt
from journal.reader import JournalReader
from protocols.codes import FLAG_FINAL, KIND_CHECKPOINT, KIND_VENUE
from protocols.layouts import COMMAND, SLOT_WORDS, layout_hash
from stages.core import Core
from stages.definitions import capacities_of
from stages.digest import state_digest
from stages.state_words import (
    MW_CHECKPOINT_SEQ,
    MW_COMMANDS,
)

__all__ = ["ReplayResult", "Replayer", "journal_directory"]

CHUNK = 1 << 16


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

    @property
    def verified(self) -> bool:
        """Tell whether all journaled digests were ours."""
        return self.diverged_seq == 0


class Replayer:
    """Feeds a journal to a core, a chunk at a time."""

    def __init__(self, data_dir: str | Path, *, to_seq: int = 0) -> None:
        self.directory = journal_directory(data_dir)
        self.reader = JournalReader(self.directory, layout_hash(COMMAND))
        self.to_seq = to_seq
        self.core: Core | None = None
        self.last_time_ns = 0
        self._first_seq = self.reader.next_seq
        self._chunk = np.zeros((CHUNK, SLOT_WORDS), dtype=np.int64)
        self._checkpoints = 0
        self._state_checks = 0
        self._state_diverged_seq = 0
        self._state_good_seq = 0
        self._clean_stop = (0, 0)  # sequence of the last checkpoint of a clean stop, and our digest before it

    def run(
        self,
        on_outcomes: Callable[[Any], None] | None = None,
        on_progress: Callable[[int], None] | None = None,
        on_commands: Callable[[Any], None] | None = None,
    ) -> ReplayResult:
        """Replay to the end, or to ``to_seq``; outcomes go to ``on_outcomes`` as they come.

        ``on_commands`` gets the commands before they are carried out, some at a time.
        """
        while True:
            limit = CHUNK
            if self.to_seq:
                limit = min(limit, self.to_seq - self.last_seq)
            count = self.reader.read(self._chunk, limit) if limit > 0 else 0
            if count == 0:
                break
            commands = self._chunk[:count].reshape(-1).view(COMMAND)
            if on_commands is not None:
                on_commands(commands)
            self._replay(commands, on_outcomes)
            if on_progress is not None:
                on_progress(self.last_seq)
        return self.result()

    @property
    def last_seq(self) -> int:
        """The last sequence that was replayed."""
        return self.core.last_seq if self.core is not None else 0

    def _replay(self, commands: Any, on_outcomes: Callable[[Any], None] | None) -> None:
        if self.core is None:
            first = commands[0]
            if first["kind"] != KIND_VENUE or first["seq"] != 1:
                raise JournalCorrupt(
                    self.directory, "does not begin with a venue", seq=int(first["seq"]), offset=0,
                    expected="command VENUE with sequence 1", was=f"kind {first['kind']}",
                )  # fmt: skip
            self.core = Core(capacities_of(first))
        self.last_time_ns = int(commands["time_ns"][-1])
        is_checkpoint = commands["kind"] == KIND_CHECKPOINT
        self._checkpoints += int(np.count_nonzero(is_checkpoint))
        start = 0
        for row in np.nonzero(is_checkpoint & (commands["flags"] & FLAG_FINAL != 0))[0]:
            self._feed(commands[start:row], on_outcomes)
            self._check_state(commands[row])
            start = int(row)
        self._feed(commands[start:], on_outcomes)

    def _feed(self, commands: Any, on_outcomes: Callable[[Any], None] | None) -> None:
        assert self.core is not None
        if not len(commands):
            return
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
        outcome_seq, state_seq = self.core.diverged_seq, self._state_diverged_seq
        diverged = min(seq for seq in (outcome_seq, state_seq) if seq) if outcome_seq or state_seq else 0
        return ReplayResult(
            first_seq=self._first_seq,
            last_seq=self.last_seq,
            commands=int(words[MW_COMMANDS]),
            outcome_digest=hex_digest(self.core.outcome_digest),
            state_digest=hex_digest(digest),
            checkpoints=self._checkpoints,
            last_checkpoint_seq=int(words[MW_CHECKPOINT_SEQ]),
            state_checks=self._state_checks,
            diverged_after_seq=max(int(words[MW_CHECKPOINT_SEQ]), self._state_good_seq) if diverged else 0,
            diverged_seq=diverged,
            diverged_what="" if not diverged else "outcomes" if diverged == outcome_seq else "state",
        )


def hex_digest(digest: int) -> str:
    """Return a digest as 16 hexadecimal digits."""
    return f"{digest & 0xFFFFFFFFFFFFFFFF:016x}"
