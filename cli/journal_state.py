"""The state of a journal for commands that look at risk: a replay in the command's own process, with a progress bar.

The risk state of a running pipeline belongs to its workers; looking at it there would need their time, or memory that
others could read half written. So these commands rebuild it: docs/adr/0021-risk-reports.md. Of a pipeline that runs
they see what is durable; the pipeline is not disturbed.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cli.exit_codes import CommandError, ExitCode
from cli.render import ProgressBar
from cli.status import attach

if TYPE_CHECKING:
    from stages.replay import Replayer
    from stages.tally import Tally

__all__ = ["read_state"]


def read_state(
    data: Path, at: str | None = None, tally: Tally | None = None, *, snapshots: bool = True
) -> Replayer:
    """Return a replay of a data directory's journal up to a moment; of a running pipeline to what is durable.

    It begins behind a snapshot if it may, or must because the first commands were pruned.
    """
    from cli.history import load_kernels, moment_of
    from stages.control import CW_DURABLE
    from stages.risk_report import read_risk

    to_seq = end = moment_of(data, "--at", at).seq if at is not None else 0
    pipeline = attach(data)
    if not to_seq and pipeline is not None and pipeline.observer is not None and pipeline.alive:
        # pairs with the journal's store of it: what it names is in the files
        to_seq = end = int(pipeline.observer.control[CW_DURABLE])
    load_kernels()
    with ProgressBar("replaying", end or None) as bar:
        replayer = read_risk(data, to_seq, tally, bar.update, snapshots=snapshots)
    if replayer.core is None:
        raise CommandError(f"{data}: the journal holds no command yet", ExitCode.NO_JOURNAL)
    return replayer
