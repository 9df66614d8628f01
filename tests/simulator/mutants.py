"""Pipelines that do something wrong, which the simulator must notice: each is one well-known mistake."""

from __future__ import annotations

import os
from typing import Any

from protocols.codes import FLAG_FINAL, KIND_CANCEL, KIND_CHECKPOINT, KIND_STATUS
from stages.bells import announce_durable
from stages.ingest import KIND_MASK, KIND_SHIFT, WORD_KIND
from stages.journaling import JW_ENCODED
from stages.simulator.disk import SimulatedDisk
from stages.simulator.steps import Steps
from stages.state_words import RW_CURSOR
from stages.topology import CUR_INPUT_MATCHING, CUR_WRITER

SEEN_WORD, AUX0_WORD, FLAGS_SHIFT = 2, 13, 48


def kind_of(row: Any) -> int:
    """Return the kind of a command."""
    return int(row[WORD_KIND] & KIND_MASK) >> KIND_SHIFT


class SyncSkipped(SimulatedDisk):
    """The journal's data are never synced."""

    def fdatasync(self, fd: int) -> None:
        """Do as if."""
        os.fstat(fd)


class NamesNotSynced(SimulatedDisk):
    """New names are not made durable."""

    def fsync_dir(self, directory: Any) -> None:
        """Do as if."""


class AckBeforeSync(Steps):
    """What is encoded counts as durable."""

    def journal(self) -> int:
        """Tell publish too early."""
        done = super().journal()
        announce_durable(self.context.control, int(self.context.journal_words[JW_ENCODED]))
        return done


class CancelIgnored(Steps):
    """Matching answers a CANCEL, and the order rests on."""

    def matching(self, partition: int, budget: int) -> int:
        """Let matching take each CANCEL for a STATUS."""
        with Changed(self, KIND_CANCEL, KIND_STATUS):
            return super().matching(partition, budget)


class CheckpointOffByOne(Steps):
    """A checkpoint says that its digest is that after the next command."""

    def ingest(self, now_ns: int, budget: int) -> int:
        """Shift the sequence of a checkpoint."""
        done = super().ingest(now_ns, budget)
        for row in _newest(self, done):
            if kind_of(row) == KIND_CHECKPOINT and row[WORD_KIND] >> FLAGS_SHIFT & FLAG_FINAL == 0:
                row[AUX0_WORD] += 1
        return done


class FeedbackAsItComes(Steps):
    """Risk applies all outcomes that are there before it judges, whatever the stamp says."""

    def risk(self, budget: int) -> int:
        """Let each command see what has been matched."""
        c = self.context
        mask = len(c.in_slot_words) - 1
        slots = [
            seq & mask for seq in range(int(c.risk.words[RW_CURSOR]) + 1, int(c.in_words[CUR_WRITER]) + 1)
        ]
        before = c.in_slot_words[slots, SEEN_WORD].copy()
        c.in_slot_words[slots, SEEN_WORD] = c.in_words[CUR_INPUT_MATCHING]
        try:
            return super().risk(budget)
        finally:
            c.in_slot_words[slots, SEEN_WORD] = before


class StampTooOld(Steps):
    """A stamp does not cover what was matched last."""

    def ingest(self, now_ns: int, budget: int) -> int:
        """Take the stamp from before."""
        c = self.context
        matched = int(c.in_words[CUR_INPUT_MATCHING])
        c.in_words[CUR_INPUT_MATCHING] = max(self._before, matched - 3)
        self._before = int(c.in_words[CUR_INPUT_MATCHING])
        try:
            return super().ingest(now_ns, budget)
        finally:
            c.in_words[CUR_INPUT_MATCHING] = matched

    _before = 0


class Wedged(Steps):
    """Publish does nothing while there is only one outcome to release."""

    def publish(self, budget: int) -> int:
        """Wait for a second one."""
        c = self.context
        waiting = int(c.out_words[CUR_WRITER]) - int(c.publish_words[0])
        return super().publish(budget) if waiting != 1 else 0


class Changed:
    """Within the block, commands of one kind in the input ring are of another."""

    def __init__(self, steps: Steps, kind: int, other: int) -> None:
        self._rows = [row for row in steps.context.in_slot_words if kind_of(row) == kind]
        self._change = (kind ^ other) << KIND_SHIFT

    def __enter__(self) -> None:
        """Change them."""
        for row in self._rows:
            row[WORD_KIND] ^= self._change

    def __exit__(self, *_: object) -> None:
        """Change them back."""
        for row in self._rows:
            row[WORD_KIND] ^= self._change


def _newest(steps: Steps, count: int) -> list[Any]:
    """Return the commands that ingest has just sequenced."""
    slots, last = steps.context.in_slot_words, int(steps.context.in_words[CUR_WRITER])
    return [slots[seq & (len(slots) - 1)] for seq in range(last - count + 1, last + 1)]
