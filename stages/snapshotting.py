"""When the supervisor has a snapshot taken: by commands, by bytes of journal, by time, whichever comes first.

The work is done by a process of its own (:mod:`stages.snapshot_process`), one at a time. If it fails the pipeline goes
on: the journal is what counts. The next try comes when as much again has been journaled.

Writes: the words of the control segment about snapshots. Reads: what is durable.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stages.config_model import Snapshots
from stages.control import (
    CW_DURABLE,
    CW_JOURNAL,
    CW_SNAPSHOT_SEQ,
    CW_SNAPSHOTS,
    CW_SNAPSHOTS_FAILED,
    JO_BYTES,
)
from stages.snapshot_process import command_line

__all__ = ["Snapshotter"]

STOP_TIMEOUT_S = 5.0


class Snapshotter:
    """Starts a process that takes a snapshot when one is due, and looks how it ended."""

    def __init__(
        self,
        data_dir: Path,
        settings: Snapshots,
        control: Any,
        last_seq: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.last_error = ""
        self._data_dir, self._settings, self._control, self._clock = data_dir, settings, control, clock
        self._process: subprocess.Popen[bytes] | None = None
        self._asked_seq = last_seq
        self._asked_bytes = 0
        self._asked_s = clock()
        control[CW_SNAPSHOT_SEQ] = last_seq

    def look(self) -> None:
        """See whether the process has ended, and whether a snapshot is due."""
        if self._process is not None:
            if self._process.poll() is None:
                return
            self._ended(self._process)
        if self._is_due():
            self._begin()

    def _is_due(self) -> bool:
        settings, durable_seq = self._settings, int(self._control[CW_DURABLE])
        commands = durable_seq - self._asked_seq
        journaled = int(self._control[CW_JOURNAL + JO_BYTES]) - self._asked_bytes
        waited_s = self._clock() - self._asked_s
        return commands > 0 and (
            0 < settings.every_commands <= commands
            or 0 < settings.every_bytes <= journaled
            or 0 < settings.every_s <= waited_s
        )

    def _begin(self) -> None:
        self._asked_seq = int(self._control[CW_DURABLE])
        self._asked_bytes = int(self._control[CW_JOURNAL + JO_BYTES])
        self._asked_s = self._clock()
        root = str(Path(__file__).resolve().parents[1])
        paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
        self._process = subprocess.Popen(
            command_line(self._data_dir, self._asked_seq, self._settings.keep),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            start_new_session=True,  # Ctrl-C is the pipeline's
        )

    def _ended(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stderr is not None
        said = process.stderr.read().decode(errors="replace").strip()
        process.stderr.close()
        self._process = None
        if process.returncode == 0:
            self._control[CW_SNAPSHOT_SEQ] = self._asked_seq
            self._control[CW_SNAPSHOTS] += 1
        else:
            self._control[CW_SNAPSHOTS_FAILED] += 1
            self.last_error = said.splitlines()[-1] if said else f"ended with code {process.returncode}"

    def stop(self) -> None:
        """End a process that is still at work: what it had written is removed by the next one."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stderr is not None
        self._process.stderr.close()
        self._process = None
