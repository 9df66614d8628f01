"""A hot standby: follows the journal of a running pipeline with a core of its own, and can take its place.

::

    pipeline ──journal──► standby     reads what is durable, as it grows; applies it with the same kernels;
                                      compares every journaled digest; takes snapshots
    pipeline gone ──────► supervisor  that begins with this core: only what was not read yet is replayed

It is on the same host and reads the same files, so it protects from the death of processes, not from that of the disk.
Reads the journal and the control segment; writes snapshots, and once it is promoted what a supervisor writes.

Promotion is safe by two locks and a number: the data directory's (System V semaphore), the journal's (on its meta
file), and the epoch, which rises with each writer. A pipeline that hangs holds the locks; :mod:`stages.fencing` ends
its processes, by pid and start time, before anybody takes them.

Failure modes: JournalCorrupt if a digest differs (this core or that one is wrong: neither is promoted), or if the
journal is damaged.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np

from journal.errors import JournalCorrupt
from journal.tail import JournalTail
from protocols.layouts import COMMAND, SLOT_WORDS, layout_hash
from ringbuffer.errors import RingbufferError
from ringbuffer.liveness import is_alive
from ringbuffer.shm import Segment
from stages import control as ctl
from stages.instance import holder_of
from stages.memory import attach_control, pipeline_id
from stages.replay import CHUNK, IN_FLIGHT, Replayer, journal_directory
from stages.snapshots import KEEP, take_snapshot

__all__ = ["Primary", "Standby"]


class Primary(Enum):
    """How the pipeline is that a standby follows."""

    RUNNING = "running"
    STOPPED = "stopped"  # in order: nobody has to take its place
    GONE = "gone"


class Standby:
    """A core that follows the journal of a data directory."""

    def __init__(
        self, data_dir: str | Path, *, in_flight: int = IN_FLIGHT, snapshot_every: int = 0, keep: int = KEEP
    ) -> None:
        """Begin behind the newest snapshot; ``snapshot_every`` is in commands, 0 for never."""
        self.data_dir = Path(data_dir)
        self.replayer = Replayer(data_dir, snapshots=True, in_flight=in_flight)
        self.snapshots_taken = 0
        self._identity = pipeline_id(data_dir)
        self._snapshot_every, self._keep = snapshot_every, keep
        self._snapshot_seq = 0
        self._rows = np.zeros((CHUNK, SLOT_WORDS), dtype=np.int64)
        self._control: tuple[Segment, Any] | None = None
        self._tail = JournalTail(
            journal_directory(data_dir), layout_hash(COMMAND), vouched=self._durable_in_memory
        )

    @property
    def last_seq(self) -> int:
        """The last sequence that was applied."""
        return self.replayer.last_seq

    @property
    def durable_seq(self) -> int:
        """The last sequence that is known to be durable."""
        return self._tail.position().durable_seq

    def catch_up(self, on_progress: Callable[[int, int], None] | None = None) -> None:
        """Apply all that is durable now, from a snapshot on if there is one."""
        durable_seq = self.durable_seq
        if durable_seq:
            self.replayer.to_seq = durable_seq
            self.replayer.run(
                on_progress=None if on_progress is None else lambda seq: on_progress(seq, durable_seq)
            )
            self._check()
            self._snapshot_seq = self.replayer.snapshot_seq
        self._tail.seek(self.last_seq + 1)

    def step(self) -> int:
        """Apply what has become durable since, a batch at most; return how many commands."""
        count = self._tail.read(self._rows)
        if count:
            self.replayer.feed(self._rows[:count])
            self._check()
            if 0 < self._snapshot_every <= self.last_seq - self._snapshot_seq:
                self._take_snapshot()
        return count

    def _check(self) -> None:
        result = self.replayer.diverged()
        if result:
            seq, what = result
            raise JournalCorrupt(
                self.replayer.directory, f"the standby is not what the live run was: {what} differ", seq=seq
            )

    def _take_snapshot(self) -> None:
        assert self.replayer.core is not None
        take_snapshot(
            self.replayer.core, self.data_dir, time_ns=self.replayer.last_time_ns,
            crc=self.replayer.last_command_crc, keep=self._keep,
        )  # fmt: skip
        self._snapshot_seq = self.last_seq
        self.snapshots_taken += 1

    def primary(self) -> Primary:
        """Tell how the pipeline is: by its lock, and if that is free by whether its journal was closed."""
        if holder_of(self._identity):
            return Primary.RUNNING
        return Primary.STOPPED if self._tail.position().closed else Primary.GONE

    def _durable_in_memory(self) -> int:
        """Return what a living pipeline's control segment says is durable; 0 if there is none."""
        if self._control is None:
            try:
                self._control = attach_control(self.data_dir)
            except RingbufferError:
                return 0
        words = self._control[1]
        alive = is_alive(int(words[ctl.CW_SUPERVISOR_PID]), int(words[ctl.CW_SUPERVISOR_START]))
        if not alive or words[ctl.CW_STATE] not in (ctl.State.READY, ctl.State.DRAINING):
            self._control = None
            return 0
        return int(words[ctl.CW_DURABLE])

    def release(self) -> Replayer:
        """Let go of the journal and return what was replayed, ready to go on where it stands."""
        self._tail.close()
        self._control = None
        replayer = self.replayer
        replayer.to_seq = 0
        replayer.reader.seek(replayer.last_seq + 1)
        return replayer
