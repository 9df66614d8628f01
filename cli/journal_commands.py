"""``ringmatch journal``: look into a journal. Reads only, also beside a pipeline that writes it.

DIR is a data directory, or the directory of the journal itself. ``info`` and ``verify`` take any journal, and
archives; ``dump`` one of commands. Beside a live writer the block that is just being written is not there yet.
Commands that change something are in :mod:`cli.journal_keeping`.

Exit codes: 7 the journal is damaged (``verify``: a fatal finding), or of another layout, 8 there is none.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import typer

from cli.exit_codes import CommandError, ExitCode
from cli.journal_keeping import archive, compress, prune, restore, seal
from cli.journal_place import Directory, journal_place
from cli.render import Json, ProgressBar, print_json, size_text, table
from protocols.command_fields import command_fields
from protocols.layouts import COMMAND, SLOT_WORDS, layout_hash

if TYPE_CHECKING:
    from journal.reader import JournalInfo, JournalReader

__all__ = ["VerifyReport", "app", "command_fields", "dump", "info", "verify"]

CHUNK: Final = 1 << 12

app = typer.Typer(
    help="Look into a journal: facts, records, verification; seal, archive, restore, compress, prune it.",
    add_completion=False,
    pretty_exceptions_enable=False,
)


class VerifyReport(msgspec.Struct, frozen=True, kw_only=True):
    """All that ``journal verify --json`` prints."""

    directory: str
    ok: bool
    fatal: int
    findings: list[Any]
    segments: int
    blocks: int
    records: int
    sealed: int
    chain: str


def open_reader(directory: Path, layout: int | None = None) -> JournalReader:
    """Open the journal in a directory, or in the data directory that it is."""
    from journal.reader import JournalReader

    return JournalReader(journal_place(directory), layout)


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
def verify(
    directory: Directory,
    chain: Annotated[
        str,
        typer.Option(
            metavar="HASH", help="A value of the chain that was kept elsewhere.", show_default=False
        ),
    ] = "",
    jobs: Annotated[
        int, typer.Option(min=0, max=64, metavar="N", help="Processes; 0: as many as are worth it.")
    ] = 0,
    json: Json = False,
) -> int:
    """Check every block, its records, the chain, the gaps and the manifest; exit code 7 for what is fatal."""
    from journal.errors import JournalMissing
    from journal.segment import list_segments
    from journal.verify import verify_journal

    place = journal_place(directory)
    if not place.is_dir() or not list_segments(place):
        raise JournalMissing(f"{place}: expected a journal, was no segment file")
    with ProgressBar("verifying segments") as bar:
        found = verify_journal(place, chain=chain, jobs=jobs, on_progress=bar.update)
    findings = found.findings
    fatal = sum(finding.fatal for finding in findings)
    if json:
        print_json(
            VerifyReport(
                directory=str(place), ok=not findings, fatal=fatal, findings=findings, segments=found.segments,
                blocks=found.blocks, records=found.records, sealed=found.sealed, chain=found.chain,
            )
        )  # fmt: skip
    else:
        for finding in findings:
            print(f"{'fatal' if finding.fatal else 'note'}: {finding.problem}")
        print(
            f"{place}: {found.records:,} commands in {found.blocks:,} blocks of "
            f"{found.segments:,} segments, {found.sealed:,} of them sealed, "
            f"{len(findings):,} findings, {fatal:,} fatal"
        )
        if found.chain:
            print(f"chain: {found.chain}")
    return int(ExitCode.JOURNAL if fatal else ExitCode.OK)


for keep in (seal, archive, restore, compress, prune):
    app.command()(keep)


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
