"""A process that takes a snapshot: replays what the journal has beyond the last one, writes the state, and ends.

The supervisor starts one, with low priority, when enough has been journaled (``[snapshots]`` of the configuration), and
looks how it ended; ``ringmatch snapshot take`` does the same by hand. Beside the pipeline, never in it: it shares no
memory with it, only the journal's files. So each command is replayed once more, on whatever core is idle.

Run as ``python -m stages.snapshot_process DIR SEQ KEEP``: the journal is durable up to SEQ. The exit code is 0, or 1
with one line on stderr that says why there is no new snapshot.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from journal.disk import Disk
from journal.errors import JournalCorrupt
from stages.replay import Replayer
from stages.snapshot_file import SnapshotHeader
from stages.snapshots import KEEP, list_snapshots, take_snapshot

__all__ = ["command_line", "make_snapshot"]

NICE = 19


def make_snapshot(
    data_dir: Path,
    to_seq: int = 0,
    *,
    keep: int = KEEP,
    on_progress: Callable[[int], None] | None = None,
    disk: Disk | None = None,
) -> tuple[Path, SnapshotHeader, Replayer]:
    """Take a snapshot of the state after ``to_seq`` (0: the last command); return file, header and what was replayed.

    JournalCorrupt if a digest of the journal is not that of the replay: such a state is not written down.
    """
    replayer = Replayer(data_dir, to_seq=to_seq, snapshots=True)
    try:
        result = replayer.run(on_progress=on_progress)
    finally:
        replayer.reader.close()
    if not result.verified:
        raise JournalCorrupt(
            replayer.directory, f"the replay is not what the live run was: {result.diverged_what} differ",
            seq=result.diverged_seq,
        )  # fmt: skip
    assert replayer.core is not None
    path, header = take_snapshot(
        replayer.core,
        data_dir,
        time_ns=replayer.last_time_ns,
        crc=replayer.last_command_crc,
        disk=disk,
        keep=keep,
    )
    return path, header, replayer


def command_line(data_dir: Path, to_seq: int, keep: int) -> list[str]:
    """Return the command line of a process that takes a snapshot."""
    return [sys.executable, "-m", "stages.snapshot_process", str(data_dir), str(to_seq), str(keep)]


def main() -> int:
    """Take one snapshot, quietly."""
    data_dir, to_seq, keep = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    with suppress(OSError):
        os.nice(NICE)
    if any(seq == to_seq for seq, _ in list_snapshots(data_dir)):
        return 0
    try:
        make_snapshot(data_dir, to_seq, keep=keep)
    except Exception as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
