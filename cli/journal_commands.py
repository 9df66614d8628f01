"""``ringmatch journal``: look into a journal. Reads only, also beside a pipeline that writes it.

DIR is a data directory, or the directory of the journal itself. ``info`` and ``verify`` take any journal;
``dump`` one of commands. Beside a live writer the block that is just being written is not there yet.

Exit codes: 7 the journal is damaged (``verify``: a fatal finding), or of another layout, 8 there is none.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import typer

from cli.exit_codes import CommandError, ExitCode
from cli.render import Json, print_json, size_text, table
from protocols.command_fields import command_fields
from protocols.layouts import COMMAND, SLOT_WORDS, layout_hash

if TYPE_CHECKING:
    from journal.reader import JournalInfo, JournalReader

__all__ = ["VerifyReport", "app", "command_fields", "dump", "info", "verify"]

SUBDIRECTORY: Final = "journal"  # of a data directory
CHUNK: Final = 1 << 12

app = typer.Typer(
    help="Look into a journal: facts, records, verification.",
    add_completion=False,
    pretty_exceptions_enable=False,
)

Directory = Annotated[
    Path, typer.Argument(metavar="DIR", help="A data directory, or that of a journal.", show_default=False)
]


class VerifyReport(msgspec.Struct, frozen=True, kw_only=True):
    """All that ``journal verify --json`` prints."""

    directory: str
    ok: bool
    fatal: int
    findings: list[Any]


def open_reader(directory: Path, layout: int | None = None) -> JournalReader:
    """Open the journal in a directory, or in the data directory that it is."""
    from journal.reader import JournalReader

    return JournalReader(_place(directory), layout)


def _place(directory: Path) -> Path:
    inside = directory / SUBDIRECTORY
    return inside if inside.is_dir() else directory


@app.command()
def info(directory: Directory, json: Json = False) -> None:
    """Print what the files hold: segments, sequences, sizes, and what opening the journal would find."""
    with open_reader(directory) as reader:
        facts = reader.info()
    if json:
        print_json(facts)
    else:
        print("\n".join(_describe(facts)))


@app.command()
def dump(
    directory: Directory,
    first: Annotated[
        int | None, typer.Option("--from", min=1, metavar="SEQ", help="First sequence. Default: the oldest.")
    ] = None,
    last: Annotated[
        int | None, typer.Option("--to", min=1, metavar="SEQ", help="Last sequence. Default: the newest.")
    ] = None,
) -> None:
    """Print commands as JSON lines, each with the fields that its kind uses."""
    import numpy as np

    from journal.errors import JournalMissing

    encoder = msgspec.json.Encoder()
    names = COMMAND.names or ()
    with open_reader(directory, layout_hash(COMMAND)) as reader:
        if first is not None:
            try:
                reader.seek(first)
            except JournalMissing as error:
                raise CommandError(f"--from: {error}", ExitCode.USAGE) from error
        rows = np.zeros((CHUNK, SLOT_WORDS), dtype=np.int64)
        out = sys.stdout.buffer
        while last is None or reader.next_seq <= last:
            count = reader.read(rows, CHUNK if last is None else min(CHUNK, last + 1 - reader.next_seq))
            if not count:
                break
            commands = rows[:count].reshape(-1).view(COMMAND).tolist()
            out.write(
                encoder.encode_lines([command_fields(dict(zip(names, row, strict=True))) for row in commands])
            )
        out.flush()


@app.command()
def verify(directory: Directory, json: Json = False) -> int:
    """Check every block, its records, the chain and the gaps; exit code 7 if a writer would refuse the journal."""
    from journal.errors import JournalCorrupt
    from journal.reader import Finding

    place, facts = _place(directory), None
    try:
        with open_reader(directory) as reader:
            findings = reader.verify()
            facts = None if json else reader.info()
    except JournalCorrupt as error:  # the first segment says nothing of itself
        findings = [Finding(error.path, error.offset, error.seq, str(error), True)]
    fatal = sum(finding.fatal for finding in findings)
    if json:
        print_json(VerifyReport(directory=str(place), ok=not findings, fatal=fatal, findings=findings))
    else:
        for finding in findings:
            print(f"{'fatal' if finding.fatal else 'note'}: {finding.problem}")
        if facts is not None:
            print(
                f"{place}: {facts.record_count:,} commands in {facts.block_count:,} blocks of "
                f"{len(facts.segments):,} segments, {len(findings):,} findings, {fatal:,} fatal"
            )
    return int(ExitCode.JOURNAL if fatal else ExitCode.OK)


def _describe(facts: JournalInfo) -> list[str]:
    """Describe a journal: what holds for all of it, then a line for each segment."""
    whole = facts.used_bytes / facts.record_count if facts.record_count else 0.0
    closed = "closed in order" if facts.clean else f"not closed, writer pid {facts.writer_pid}"
    durable = (
        f"durable to {facts.durable_seq:,}, epoch {facts.epoch}, {closed}"
        if facts.epoch >= 0
        else "no meta file"
    )
    lines = [
        f"journal: {facts.directory}",
        f"state: {facts.state}",
        f"sequences: {facts.first_seq:,} to {facts.last_seq:,}, {durable}",
        f"size: {size_text(facts.used_bytes)} used of {size_text(facts.file_bytes)}, "
        f"{facts.payload_bytes_per_record:.2f} bytes a command ({whole:.2f} with headers), "
        f"{facts.block_count:,} blocks",
        f"records: {facts.record_words} words, {facts.journal_words} of them journaled, "
        f"layout {facts.layout_hash:#018x}",
    ]
    rows: list[tuple[object, ...]] = [("file", "first", "last", "blocks", "used", "size", "epoch", "state")]
    for segment in facts.segments:
        sizes = size_text(segment.used_bytes), size_text(segment.file_bytes)
        seqs = f"{segment.first_seq:,}", f"{segment.last_seq:,}"
        rows.append((segment.file, *seqs, f"{segment.block_count:,}", *sizes, segment.epoch, segment.state))
    lines += ["", *table(rows, right=" rrrrrr")]
    lines += [f"torn tail, kept for a look: {name}" for name in facts.torn_files]
    return lines
