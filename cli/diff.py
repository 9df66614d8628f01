"""``ringmatch diff``: the first sequence at which two journals part, and both records there. Reads only.

DIR_A and DIR_B are data directories, or those of journals: of a primary and its copy, of two builds, of two runs.

Exit codes: 0 they agree as far as both go (one may end before the other), 1 they part, 2 an unknown field, or
``--replay`` without a data directory, 7 a journal is corrupt or of another layout, 8 there is none, or nothing in
common.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import typer

from cli.exit_codes import CommandError, ExitCode
from cli.history import data_directory, load_kernels
from cli.render import Json, ProgressBar, print_json, table

if TYPE_CHECKING:
    from stages.journal_diff import JournalDiff

__all__ = ["DiffReport", "diff"]

EXAMPLE: Final = """
A copy and its original; two builds; two runs of the same flow:

\b
    ringmatch diff ringmatch-data copy-of-it
    ringmatch diff ringmatch-data other-build --replay
    ringmatch diff ringmatch-data second-run --ignore time_ns,seen_seq
"""


class DiffReport(msgspec.Struct, frozen=True, kw_only=True):
    """All that ``diff --json`` prints; ``a`` and ``b`` are the two commands as ``journal dump`` shows them."""

    directory_a: str
    directory_b: str
    verdict: str
    parts: bool
    first_seq: int
    compared: int
    last_seq_a: int
    last_seq_b: int
    seq: int | None
    digest_what: str | None
    digest_seq: int | None
    agreed_seq: int | None
    differing: list[str]
    a: dict[str, Any] | None
    b: dict[str, Any] | None
    made_here: list[str] | None  # with --replay: whose digest this build makes


def diff(
    directory_a: Annotated[
        Path,
        typer.Argument(metavar="DIR_A", help="A data directory, or that of a journal.", show_default=False),
    ],
    directory_b: Annotated[Path, typer.Argument(metavar="DIR_B", help="Another.", show_default=False)],
    ignore: Annotated[
        str, typer.Option(metavar="FIELDS", help="Fields that may differ, with commas: time_ns,seen_seq.")
    ] = "",
    replay: Annotated[
        bool, typer.Option("--replay", help="Where digests part, replay DIR_A: whose does this build make?")
    ] = False,
    json: Json = False,
) -> int:
    """Find the first sequence at which two journals part, in commands or in digests; exit code 1 if they do."""
    from stages.journal_diff import compare_journals, digests_made_here
    from stages.moments import end_of

    ignored = _fields(ignore)
    places = [_place(directory) for directory in (directory_a, directory_b)]
    ends = [end_of(place).seq for place in places]
    with ProgressBar("comparing", min(ends)) as bar:
        found = compare_journals(places[0], places[1], ignored, bar.update)
    made_here = None
    if replay and found.verdict == "digests":
        data = data_directory(directory_a)
        if places[0] != data / "journal":
            raise CommandError(f"--replay: expected a data directory, was {directory_a}", ExitCode.USAGE)
        load_kernels()
        with ProgressBar("replaying", found.digest_seq) as bar:
            ours = digests_made_here(data, found, bar.update)
        made_here = [name for name, is_ours in zip(("a", "b"), ours, strict=True) if is_ours]
    report = _report(places, ends, found, made_here)
    if json:
        print_json(report)
    else:
        print("\n".join(_describe(report, found)))
    return int(ExitCode.FAILED if found.parts else ExitCode.OK)


def _fields(text: str) -> list[str]:
    from stages.journal_diff import COMPARED_FIELDS

    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in COMPARED_FIELDS:
            raise CommandError(
                f"--ignore: expected fields of {', '.join(COMPARED_FIELDS)}, was {name!r}", ExitCode.USAGE
            )
    return names


def _place(directory: Path) -> Path:
    inside = directory / "journal"
    return inside if inside.is_dir() else directory


def _report(
    places: list[Path], ends: list[int], found: JournalDiff, made_here: list[str] | None
) -> DiffReport:
    from protocols.command_fields import command_fields
    from protocols.layouts import COMMAND

    names = COMMAND.names or ()
    a, b = (
        (None, None)
        if found.records is None
        else (command_fields(dict(zip(names, row, strict=True))) for row in found.records.tolist())
    )
    has_digests = found.verdict == "digests"
    return DiffReport(
        directory_a=str(places[0]),
        directory_b=str(places[1]),
        verdict=found.verdict,
        parts=found.parts,
        first_seq=found.first_seq,
        compared=found.compared,
        last_seq_a=ends[0],
        last_seq_b=ends[1],
        seq=found.seq or None,
        digest_what=found.digest_what or None,
        digest_seq=found.digest_seq if has_digests else None,
        agreed_seq=found.agreed_seq if has_digests else None,
        differing=found.differing,
        a=a,
        b=b,
        made_here=made_here,
    )


def _describe(report: DiffReport, found: JournalDiff) -> list[str]:
    """Say where two journals part, with both records field by field."""
    lines = [f"A: {report.directory_a}", f"B: {report.directory_b}"]
    equal = f"{report.compared:,} commands from sequence {report.first_seq:,} on are equal"
    if report.verdict == "equal":
        return [*lines, f"no difference: {equal}"]
    if report.verdict == "prefix":
        longer, ends = (
            ("A", report.last_seq_b) if report.last_seq_a > report.last_seq_b else ("B", report.last_seq_a)
        )
        return [*lines, f"no difference: {equal}; {longer} goes on after {ends:,}, where the other ends"]
    if report.verdict == "digests":
        agreed = f"the last checkpoint that agrees is about {report.agreed_seq:,}" if report.agreed_seq else (
            "no checkpoint before it agrees"
        )  # fmt: skip
        lines.append(
            f"commands agree, {report.digest_what} do not: the checkpoint at sequence {report.seq:,}, about "
            f"{report.digest_seq:,}, has another digest; {agreed}"
        )
        lines.append(f"so they part after {report.agreed_seq:,} and not after {report.digest_seq:,}")
    else:
        lines.append(f"they part at sequence {report.seq:,}; before it {equal}")
    if report.made_here is not None:
        names = " and ".join(name.upper() for name in report.made_here)
        lines.append(f"this build makes the digest of {names or 'neither'}")
    return [*lines, "", *table(_rows(report, found))]


def _rows(report: DiffReport, found: JournalDiff) -> list[tuple[object, ...]]:
    """Return both records, one field a row, with a mark where they differ; and words that no kind of theirs shows."""
    a, b = report.a or {}, report.b or {}
    rows: list[tuple[object, ...]] = [("", "field", "A", "B")]
    for name in [*a, *(name for name in b if name not in a)]:
        values = tuple(_text(fields.get(name)) for fields in (a, b))
        rows.append(("≠" if values[0] != values[1] else "", name, *values))
    if not any(row[0] for row in rows):
        rows += [("≠", f"word {name}", *found.records[name].tolist()) for name in found.differing]
    return rows


def _text(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value))
    return "" if value is None else str(value)
