"""One life of a simulated pipeline, from recovery to a crash or a clean stop, in ordinary memory.

The journal recovers, the state is replayed (behind a snapshot if one holds), rings and words are made anew: by the code
that a start runs. What it has in memory is gone with it.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from journal.disk import Disk
from journal.errors import JournalError
from journal.writer import JournalWriter
from stages.config import VenueConfig
from stages.context import new_context
from stages.control import CW_DURABLE
from stages.core import Core, CoreState
from stages.definitions import capacities_of
from stages.digest import state_digest
from stages.journaling import BlockBuffers, open_writer
from stages.memory import PipelineMemory, Sizes
from stages.replay import IN_FLIGHT, Replayer, journal_directory
from stages.simulator.settings import Settings
from stages.simulator.steps import Steps
from stages.state_words import MW_DIVERGED_SEQ
from stages.topology import (
    CUR_INPUT_JOURNAL,
    CUR_INPUT_MATCHING,
    CUR_INPUT_RISK,
    CUR_OUTPUT_PUBLISH,
    CUR_OUTPUT_RISK,
    CUR_WRITER,
)
from stages.venue import venue_command

__all__ = ["Pipeline", "RecoveryFailed"]


class RecoveryFailed(Exception):
    """A journal was recovered, and its replay is not what the live run was."""


class _Segment:
    """Memory of this process in the place of a shared segment."""

    def __init__(self, name: str, size: int, purpose: str) -> None:
        self.name, self.purpose = name, purpose
        self.buffer = mmap.mmap(-1, size)

    def unlink(self) -> None:
        """Nobody else has it."""


class Pipeline:
    """A pipeline that has recovered; ``steps`` are its stages."""

    def __init__(
        self,
        data_dir: Path,
        config: VenueConfig,
        settings: Settings,
        disk: Disk,
        clock: Callable[[], int],
        time_base_ns: int,
        make_steps: type[Steps] = Steps,
    ) -> None:
        journal = config.journal
        self.config, self.settings = config, settings
        self.writer: JournalWriter = open_writer(
            journal_directory(data_dir), config.venue.durability, journal.segment_bytes, disk, clock=clock
        )
        try:
            self._recover(data_dir)
            sizes = Sizes(
                settings.input_slots, settings.output_slots, settings.ingress_slots, settings.egress_slots,
                settings.ports,
            )  # fmt: skip
            self.memory = PipelineMemory("simulated", sizes, self.writer.epoch, self.recovered_seq, _Segment)
            self.buffers = BlockBuffers(self.recovered_seq)
            self.context = new_context(
                self.memory,
                self.state,
                self.buffers,
                last_seq=self.recovered_seq,
                last_time_ns=self.last_time_ns,
                time_base_ns=time_base_ns,
                checkpoint_every=journal.checkpoint_every,
                tick_ms=journal.tick_ms,
                lane_slots=settings.lane_slots,
            )
        except BaseException:
            self.writer.abort()
            raise
        self.steps = make_steps(self.context, self.buffers, self.writer)

    def _recover(self, data_dir: Path) -> None:
        self.recovered_seq = last_seq = self.writer.next_seq - 1
        self.last_time_ns = self.snapshot_seq = 0
        self.passed_over: list[str] = []
        in_flight = max(IN_FLIGHT, self.settings.input_slots)
        if last_seq == 0:
            self.state = CoreState(capacities_of(venue_command(self.config.capacity)), in_flight)
            return
        replayer = Replayer(data_dir, snapshots=True, in_flight=in_flight)
        try:
            result = replayer.run()
        finally:
            replayer.reader.close()
        if result.last_seq != last_seq or not result.verified:
            raise RecoveryFailed(
                f"expected the journaled digests, and sequence {last_seq} at the end, was "
                f"{result.diverged_what or 'no'} digest that differs (at {result.diverged_seq}), and {result.last_seq}"
            )
        assert replayer.core is not None
        core: Core = replayer.core
        self.state = core.state
        self.last_time_ns, self.snapshot_seq = replayer.last_time_ns, replayer.snapshot_seq
        self.passed_over = replayer.passed_over

    @property
    def control(self) -> Any:
        """The words of the control segment."""
        return self.memory.control

    @property
    def durable_seq(self) -> int:
        """The last sequence that publish may release."""
        return int(self.control[CW_DURABLE])

    @property
    def diverged_seq(self) -> int:
        """The first checkpoint whose digest is not that of the outcomes, 0 for none."""
        return int(self.state.merged.words[MW_DIVERGED_SEQ])

    @property
    def is_settled(self) -> bool:
        """Whether all that is sequenced is judged, matched, durable, released and fed back."""
        in_words, out_words = self.memory.in_words, self.memory.out_words
        seq, told = int(in_words[CUR_WRITER]), int(out_words[CUR_WRITER])
        reached = (in_words[CUR_INPUT_RISK], in_words[CUR_INPUT_MATCHING], in_words[CUR_INPUT_JOURNAL])
        read = (out_words[CUR_OUTPUT_PUBLISH], out_words[CUR_OUTPUT_RISK])
        return (
            all(cursor == seq for cursor in reached)
            and self.durable_seq >= seq
            and all(c == told for c in read)
        )

    def digest(self) -> int:
        """Return the digest of the state, which must rest."""
        return state_digest(self.state.risk, self.state.books)

    def crash(self) -> None:
        """Release files as the death of a process does; nothing is written."""
        with suppress(JournalError, OSError):
            self.writer.abort()
