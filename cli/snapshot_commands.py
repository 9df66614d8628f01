"""``ringmatch snapshot``: take, list and check snapshots of a data directory.

A snapshot is the whole state after a sequence. A start takes the newest one that holds and replays the rest of the
journal; it decides that itself. While a pipeline runs its supervisor has snapshots taken (``[snapshots]`` of the
configuration); ``take`` does the same by hand, beside a running pipeline or without one.

Exit codes: 1 a snapshot does not hold (verify), 2 there is no such sequence, 7 the journal is corrupt, 8 there is none,
9 the disk is full or refused.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.exit_codes import CommandError, ExitCode
from cli.render import Json, ProgressBar, print_json, size_text, table

__all__ = ["app"]

app = typer.Typer(
    help="Take, list and check snapshots: states from which a start replays only the rest of the journal.",
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
)

Directory = Annotated[Path, typer.Argument(metavar="DIR", help="A data directory.", show_default=False)]


@app.command()
def take(
    directory: Directory,
    to: Annotated[
        int | None, typer.Option("--to", min=1, metavar="SEQ", help="Of the state after this sequence.")
    ] = None,
    keep: Annotated[int, typer.Option(min=1, help="How many of the newest snapshots to keep.")] = 2,
    json: Json = False,
) -> int:
    """Replay the journal behind the newest snapshot, and write a new one; also while a pipeline runs."""
    from cli.history import load_kernels
    from stages.snapshot_process import make_snapshot

    last_seq = _durable_seq(directory, to)
    load_kernels()
    started_s = time.monotonic()
    with ProgressBar("replaying", last_seq) as bar:
        path, header, replayer = make_snapshot(directory, last_seq, keep=keep, on_progress=bar.update)
    seconds = time.monotonic() - started_s
    if json:
        print_json(
            {**_facts(path, header), "replayed_from": replayer.snapshot_seq, "seconds": round(seconds, 3)}
        )
    else:
        begun = f"a snapshot at {replayer.snapshot_seq:,}" if replayer.snapshot_seq else "the beginning"
        size = size_text(path.stat().st_size)
        print(f"{path}: sequence {header.seq:,}, {size}, replayed from {begun} in {seconds:.1f} s")
    return int(ExitCode.OK)


@app.command("list")
def list_(directory: Directory, as_json: Json = False) -> int:
    """List snapshots, the newest first: sequence, time, size, digests."""
    from journal.errors import JournalError
    from stages.snapshot_file import read_header
    from stages.snapshots import list_snapshots

    rows: list[dict[str, Any]] = []
    for seq, path in list_snapshots(directory):
        try:
            rows.append(_facts(path, read_header(path)))
        except JournalError as error:
            rows.append({"file": str(path), "seq": seq, "bytes": path.stat().st_size, "problem": str(error)})
    if as_json:
        print_json(rows)
    elif not rows:
        print("there are no snapshots")
    else:
        lines = [("sequence", "last command", "size", "state", "file")]
        lines += [
            (f"{row['seq']:,}", str(row.get("time", "")), size_text(row["bytes"]),
             str(row.get("state_digest") or row["problem"]), row["file"])
            for row in rows
        ]  # fmt: skip
        print("\n".join(table(lines, right="r r")))
    return int(ExitCode.OK)


@app.command()
def verify(directory: Directory, as_json: Json = False) -> int:
    """Load each snapshot: all bytes against their checksums, the state against its digest, the journal against both."""
    from cli.history import load_kernels
    from journal.errors import JournalError
    from stages.replay import Replayer
    from stages.snapshots import list_snapshots

    load_kernels()
    rows: list[dict[str, Any]] = []
    for seq, path in list_snapshots(directory):
        problem = ""
        try:
            replayer = Replayer(directory)
            with replayer.reader:
                replayer.check_snapshot(path)
        except (JournalError, OSError) as error:
            problem = str(error)
        rows.append({"file": str(path), "seq": seq, "ok": not problem, "problem": problem})
    if as_json:
        print_json(rows)
    else:
        for row in rows:
            print(f"{row['file']}: {'ok' if row['ok'] else row['problem']}")
    failed = sum(not row["ok"] for row in rows)
    if failed:
        raise CommandError(f"{directory}: {failed} of {len(rows)} snapshots do not hold", ExitCode.FAILED)
    return int(ExitCode.OK)


def _facts(path: Path, header: Any) -> dict[str, Any]:
    moment = datetime.fromtimestamp(header.time_ns / 1e9, UTC)
    return {
        "file": str(path),
        "seq": header.seq,
        "time": f"{moment:%Y-%m-%dT%H:%M:%S}",
        "bytes": path.stat().st_size,
        "state_digest": f"{header.state_digest & (1 << 64) - 1:016x}",
        "outcome_digest": f"{header.outcome_digest & (1 << 64) - 1:016x}",
    }


def _durable_seq(directory: Path, to: int | None) -> int:
    """Return the last durable sequence, or ``to`` if that is not beyond it."""
    from journal.tail import JournalTail
    from protocols.layouts import COMMAND, layout_hash
    from stages.replay import journal_directory

    with JournalTail(journal_directory(directory), layout_hash(COMMAND)) as tail:
        durable_seq = tail.position().durable_seq
    if to is not None and to > durable_seq:
        raise CommandError(
            f"--to: expected at most {durable_seq}, the last durable sequence, was {to}", ExitCode.USAGE
        )
    return to or durable_seq
