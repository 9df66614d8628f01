"""``ringmatch export``: the commands and outcomes of a journal as tables: Parquet, CSV or JSON lines.

Replays the journal, also beside a pipeline that writes it; writes the files of ``--commands`` and ``--outcomes``
only, and gives them their names when they are whole.

Exit codes: 1 a journaled digest differs (the files are written all the same), 2 neither file, an ending that is no
format, no such moment, or Parquet without its extra, 7 the journal is corrupt or of another layout, 8 there is
none, 9 a file cannot be written.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer

from cli.exit_codes import CommandError, ExitCode
from cli.history import WHEN_HELP, DataDirectory, data_directory, load_kernels, moment_of
from cli.render import Json, ProgressBar, print_json, rate_text, size_text

__all__ = ["ExportReport", "export"]

EXAMPLE: Final = """
A day for DuckDB or pandas, an hour for a spreadsheet:

\b
    ringmatch export ringmatch-data --commands c.parquet --outcomes o.parquet
    ringmatch export ringmatch-data --outcomes o.csv \\\n        --from 14:00:00 --to 15:00:00
"""

FORMATS = "The ending says the format: .parquet (pip install 'ringmatch\\[parquet]'), .csv, .jsonl."


class ExportReport(msgspec.Struct, frozen=True, kw_only=True):
    """All that ``export --json`` prints."""

    directory: str
    first_seq: int
    last_seq: int
    commands: int
    outcomes: int
    commands_bytes: int
    outcomes_bytes: int
    verified: bool
    seconds: float
    commands_per_second: float  # replayed


def export(
    directory: DataDirectory,
    commands: Annotated[
        Path | None, typer.Option(metavar="FILE", help=f"Where to write commands. {FORMATS}")
    ] = None,
    outcomes: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to write outcomes; as for --commands.")
    ] = None,
    first: Annotated[
        str | None,
        typer.Option("--from", metavar="SEQ|TIME", help="Where to begin: a sequence; after a time."),
    ] = None,
    last: Annotated[
        str | None, typer.Option("--to", metavar="SEQ|TIME", help=f"Where to end: {WHEN_HELP}.")
    ] = None,
    json: Json = False,
) -> int:
    """Write the commands of a journal and their outcomes as tables, for DuckDB, pandas, a spreadsheet."""
    from stages.export import export_journal
    from stages.moments import end_of
    from stages.replay import journal_directory
    from stages.table_files import MissingExtra, UnknownFormat

    if commands is None and outcomes is None:
        raise CommandError("expected --commands FILE, --outcomes FILE or both", ExitCode.USAGE)
    if commands is not None and outcomes is not None and commands.absolute() == outcomes.absolute():
        raise CommandError(
            f"--outcomes: expected another file than --commands, was {outcomes}", ExitCode.USAGE
        )
    directory = data_directory(directory)
    place = journal_directory(directory)
    end = moment_of(directory, "--to", last) if last is not None else end_of(place)
    from_seq = _first_seq(directory, first) if first is not None else 1
    if from_seq > end.seq > 0:
        raise CommandError(
            f"--from: expected a place up to {end.seq}, where the export ends, was {from_seq}", ExitCode.USAGE
        )
    load_kernels()
    started_ns = time.perf_counter_ns()
    try:
        with ProgressBar("exporting", end.seq) as bar:
            result = export_journal(directory, commands, outcomes, from_seq, end.seq, bar.update)
    except (MissingExtra, UnknownFormat) as error:
        raise CommandError(str(error), ExitCode.USAGE) from error
    seconds = (time.perf_counter_ns() - started_ns) / 1e9
    report = ExportReport(
        directory=str(place),
        first_seq=from_seq,
        last_seq=result.replay.last_seq,
        commands=result.commands,
        outcomes=result.outcomes,
        commands_bytes=commands.stat().st_size if commands is not None else 0,
        outcomes_bytes=outcomes.stat().st_size if outcomes is not None else 0,
        verified=result.replay.verified,
        seconds=round(seconds, 6),
        commands_per_second=round(result.replay.commands / seconds, 1) if seconds else 0.0,
    )
    if json:
        print_json(report)
    else:
        print("\n".join(_describe(report, commands, outcomes)))
    if not report.verified:
        raise CommandError(
            f"{place}: the digest of {result.replay.diverged_what} at sequence {result.replay.diverged_seq:,} is not "
            "the journaled one: outcomes after that are those of this build, not of the live run",
            ExitCode.FAILED,
        )
    return int(ExitCode.OK)


def _first_seq(directory: Path, text: str) -> int:
    """Return the first sequence to be written: the one that is named, or the first after a time."""
    moment = moment_of(directory, "--from", text)
    is_seq = text.replace(",", "").replace("_", "").isdigit()
    return moment.seq if is_seq else moment.seq + 1


def _describe(report: ExportReport, commands: Path | None, outcomes: Path | None) -> list[str]:
    lines = [f"journal: {report.directory}, sequences {report.first_seq:,} to {report.last_seq:,}"]
    for path, rows, size in (
        (commands, f"{report.commands:,} commands", report.commands_bytes),
        (outcomes, f"{report.outcomes:,} outcomes", report.outcomes_bytes),
    ):
        if path is not None:
            lines.append(f"{path}: {rows}, {size_text(size)}")
    lines.append(f"in {report.seconds:.3f} s, {rate_text(report.commands_per_second)}")
    return lines
