"""Export: a journal's commands, and their outcomes from a replay, as tables in files.

Names are those known when a chunk is written; they are given once and never change. Outcomes need the replay, and
so do names, so the journal is replayed from its beginning also where only later rows are wanted.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from protocols.columns import Names
from protocols.command_columns import COMMAND_COLUMNS, command_columns
from protocols.outcome_columns import OUTCOME_COLUMNS, is_exported, outcome_columns
from stages.definitions import directory_of
from stages.history import session_names_of, skip_to
from stages.replay import Replayer, ReplayResult
from stages.state_words import RW_SESSIONS
from stages.table_files import TableFile, open_table

__all__ = ["ExportResult", "export_journal"]

PIECE: Final = 1 << 16  # rows made into columns at a time


class ExportResult(msgspec.Struct, frozen=True, kw_only=True):
    """How much was written, and what the replay found on the way."""

    commands: int
    outcomes: int
    replay: ReplayResult


def export_journal(
    data_dir: str | Path,
    commands_to: Path | None,
    outcomes_to: Path | None,
    from_seq: int = 1,
    to_seq: int = 0,
    on_progress: Callable[[int], None] | None = None,
) -> ExportResult:
    """Write commands and outcomes with sequences from ``from_seq`` to ``to_seq`` (0: to the end) into files."""
    replayer = Replayer(data_dir, to_seq=to_seq, snapshots=from_seq > 1)
    exporter = _Exporter(replayer, from_seq)
    with ExitStack() as undo:
        files: list[TableFile] = []
        if commands_to is not None:
            exporter.commands_file = open_table(commands_to, COMMAND_COLUMNS)
            files.append(exporter.commands_file)
            undo.callback(exporter.commands_file.discard)
        if outcomes_to is not None:
            exporter.outcomes_file = open_table(outcomes_to, OUTCOME_COLUMNS)
            files.append(exporter.outcomes_file)
            undo.callback(exporter.outcomes_file.discard)
        skip_to(replayer, from_seq, on_progress)
        result = replayer.run(exporter.take, on_progress)
        for file in files:
            file.close()
        undo.pop_all()
    return ExportResult(commands=exporter.commands, outcomes=exporter.outcomes, replay=result)


class _Exporter:
    """Writes what a replay is fed, and what it makes of it."""

    def __init__(self, replayer: Replayer, from_seq: int) -> None:
        self._replayer = replayer
        self._from_seq = from_seq
        self._known = (-1, -1, -1)
        self._names: Any = None
        self.commands_file: TableFile | None = None
        self.outcomes_file: TableFile | None = None
        self.commands = self.outcomes = 0

    def take(self, outcomes: Any) -> None:
        """Write a batch of commands and their outcomes."""
        commands = self._replayer.fed
        self._learn_names()
        if self.commands_file is not None:
            rows = commands[commands["seq"] >= self._from_seq]
            self.commands += self._write(self.commands_file, rows, command_columns)
        if self.outcomes_file is not None:
            rows = outcomes[is_exported(outcomes) & (outcomes["input_seq"] >= self._from_seq)]
            self.outcomes += self._write(self.outcomes_file, rows, outcome_columns)

    def _write(self, file: TableFile, rows: Any, columns_of: Callable[[Any, Names], Any]) -> int:
        for start in range(0, len(rows), PIECE):
            file.write(columns_of(rows[start : start + PIECE], self._names))
        return len(rows)

    def _learn_names(self) -> None:
        core = self._replayer.core
        assert core is not None
        risk = core.state.risk
        known = (
            int(risk.words[RW_SESSIONS]),
            int(np.count_nonzero(risk.instruments["known"])),
            int(np.count_nonzero(risk.accounts["known"])),
        )
        if known != self._known:
            self._names, self._known = Names.of(directory_of(risk), session_names_of(core)), known
