"""The stages of one simulated pipeline, a turn at a time: the kernels that run live, over memory of this process.

Each method is one stage's turn and returns how much it did. ``commit`` stands for the thread that makes blocks durable:
it does what that thread does, at a moment that the scheduler chooses.

A subclass may do something wrong; whether the simulator notices is tested with such mutants.
"""

from __future__ import annotations

from journal.writer import JournalWriter
from stages.ingest import ingest_at
from stages.journaling import JW_FILLED, JW_WRITTEN, BlockBuffers, commit_blocks, journal_step
from stages.loop import Context
from stages.matching import matching_step
from stages.merge import merge_step, run_partition
from stages.publish import publish_step
from stages.risk import risk_step

__all__ = ["StageFailed", "Steps"]


class StageFailed(Exception):
    """A stage reported that its input is corrupt, or that an internal bound is broken."""


class Steps:
    """Turns of the stages over ``context``."""

    def __init__(self, context: Context, buffers: BlockBuffers, writer: JournalWriter) -> None:
        self.context, self.buffers, self.writer = context, buffers, writer
        self.partitions = int(context.partitions.total)

    @staticmethod
    def _checked(done: int, what: str) -> int:
        if done < 0:
            raise StageFailed(f"{what}: expected progress, was code {done}")
        return done

    def ingest(self, now_ns: int, budget: int) -> int:
        """Sequence commands at ``now_ns``."""
        c = self.context
        return int(
            ingest_at(
                c.in_words,
                c.in_slot_words,
                *c.ingress,
                c.partitions,
                c.control,
                c.ingest_words,
                now_ns,
                budget,
            )
        )

    def journal(self) -> int:
        """Encode what was sequenced."""
        c = self.context
        done = journal_step(c.in_words, c.in_slot_words, c.blocks, c.codec, c.spans, c.journal_words)
        return self._checked(int(done), "journal")

    def commit(self) -> int:
        """Make filled blocks durable, or maintain what is due; return how many blocks that were."""
        words = self.context.journal_words
        filled, written = int(words[JW_FILLED]), int(words[JW_WRITTEN])
        if filled != written:
            commit_blocks(self.buffers, self.writer, self.context.control, filled)
        self.writer.maintain()
        return filled - written

    def risk(self, budget: int) -> int:
        """Judge commands."""
        c = self.context
        done = risk_step(c.in_words, c.in_slots, c.verdicts, c.out_words, c.out_slots, c.risk, budget)
        return self._checked(int(done), "risk: feedback queue overflowed")

    def matching(self, partition: int, budget: int) -> int:
        """Match commands in one partition."""
        c = self.context
        if self.partitions > 1:
            return int(run_partition(c.in_words, c.in_slots, c.verdicts, c.partitions, partition, budget))
        books = c.partitions.books[0]
        return int(matching_step(c.in_words, c.in_slots, c.verdicts, c.out_words, c.in_words, books, budget))

    def merge(self, budget: int) -> int:
        """Bring the outcomes of several partitions into one order."""
        c = self.context
        if self.partitions == 1:
            return 0
        return int(
            merge_step(
                c.in_words, c.in_slots, c.verdicts, c.out_words, c.out_slot_words, c.partitions, budget
            )
        )

    def publish(self, budget: int) -> int:
        """Release outcomes."""
        c = self.context
        return int(
            publish_step(
                c.in_words, c.out_words, c.out_slots, c.out_slot_words, *c.egress, c.routes, c.control,
                c.publish_words, budget,
            )
        )  # fmt: skip
