"""``ringmatch journal seal``, ``archive``, ``restore``, ``compress``, ``prune``: what becomes of complete segments.

All may run beside the pipeline that writes the journal, one at a time; each can be interrupted, and goes on where it
was when it is called again. The segment that is being written is left alone.

Exit codes: 5 another of them runs on this journal, 7 a segment or the manifest is not what it was, 8 there is no
journal, 9 the disk is full or failed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.journal_place import Directory, journal_place
from cli.render import Json, ProgressBar, print_json, size_text

__all__ = ["archive", "compress", "prune", "restore", "seal"]


def seal(directory: Directory, json: Json = False) -> None:
    """Digest complete segments into the manifest, and print the chain's last value, to be kept elsewhere."""
    from journal.sealing import seal as seal_all

    place = journal_place(directory)
    with ProgressBar("sealing segments") as bar:
        manifest = seal_all(place, on_progress=bar.update)
    if json:
        entries = [entry._asdict() for entry in manifest.entries]
        print_json({
            "directory": str(place), "kept_seq": manifest.kept_seq, "chain": manifest.chain, "sealed": entries,
        })  # fmt: skip
    else:
        print(f"{place}: {len(manifest.entries):,} segments sealed")
        print(f"chain: {manifest.chain}")


def archive(
    directory: Directory,
    to: Annotated[Path, typer.Option(metavar="DIR2", help="The archive; made if it is not there.")],
    compressed: Annotated[bool, typer.Option("--compress", help="Compress the copies.")] = False,
    json: Json = False,
) -> None:
    """Copy complete segments to another directory, each verified; goes on where it was interrupted."""
    from journal.copies import archive as copy_all

    place = journal_place(directory)
    with ProgressBar("archiving segments") as bar:
        done = copy_all(place, to, packed=compressed, on_progress=bar.update)
    if json:
        print_json(done)
    else:
        print(
            f"{to}: {done.segments:,} segments copied ({size_text(done.content_bytes)} in "
            f"{size_text(done.file_bytes)}), {done.found:,} were there"
        )
        print(f"chain: {done.chain}")


def restore(
    directory: Annotated[Path, typer.Argument(metavar="DIR2", help="An archive.", show_default=False)],
    to: Annotated[
        Path,
        typer.Option(metavar="DIR", help="Where the journal is made: DATA/journal, for a data directory."),
    ],
    json: Json = False,
) -> None:
    """Make a journal of all that an archive holds; goes on where it was interrupted."""
    from journal.restoring import restore as restore_all

    with ProgressBar("restoring segments") as bar:
        done = restore_all(directory, to, on_progress=bar.update)
    if json:
        print_json(done)
    else:
        print(
            f"{to}: {done.segments:,} segments restored ({size_text(done.file_bytes)}), {done.found:,} were there"
        )


def compress(
    directory: Directory,
    keep: Annotated[
        int, typer.Option(min=0, metavar="N", help="Leave the newest N complete segments as they are.")
    ] = 1,
    json: Json = False,
) -> None:
    """Replace complete segments by compressed files of the same content, which are read like them."""
    from journal.copies import compress as compress_all

    place = journal_place(directory)
    with ProgressBar("compressing segments") as bar:
        done = compress_all(place, keep=keep, on_progress=bar.update)
    if json:
        print_json(done)
    else:
        print(
            f"{place}: {done.segments:,} segments compressed ({size_text(done.content_bytes)} in "
            f"{size_text(done.file_bytes)}), {done.found:,} were before"
        )


def prune(
    directory: Directory,
    covered_by: Annotated[
        int,
        typer.Option(
            min=0, metavar="SEQ", help="Remove only what ends at or before SEQ: a snapshot stands for it."
        ),
    ],
    keep_segments: Annotated[
        int, typer.Option(min=0, metavar="N", help="Keep at least the newest N complete segments.")
    ] = 0,
    keep_mib: Annotated[
        int, typer.Option(min=0, metavar="MIB", help="Keep as many of the newest as fit into MIB mebibytes.")
    ] = 0,
    archived_in: Annotated[
        Path | None, typer.Option(metavar="DIR2", help="Remove only what has its copy in this archive.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be removed.")] = False,
    json: Json = False,
) -> None:
    """Remove the oldest complete segments; a journal that was pruned is replayed only on top of a snapshot."""
    from journal.retention import prune as prune_segments

    place = journal_place(directory)
    done = prune_segments(
        place, covered_by, keep_segments=keep_segments, keep_bytes=keep_mib << 20, archive=archived_in,
        dry_run=dry_run,
    )  # fmt: skip
    if json:
        print_json(done)
        return
    for name in done.files:
        print(name)
    verb = "would be removed" if dry_run else "removed"
    kept = f"; kept from sequence {done.kept_seq:,} on" if done.kept_seq else ""
    print(f"{place}: {len(done.files):,} files, {size_text(done.file_bytes)} {verb}{kept}")
