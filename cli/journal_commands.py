"""``ringmatch journal``: look into a journal. Reads only, also beside a pipeline that writes it.

DIR is a data directory, or the directory of the journal itself. ``info`` and ``verify`` take any journal, and
archives; ``dump`` one of commands. Beside a live writer the block that is just being written is not there yet.
Commands that change something are in :mod:`cli.journal_keeping`.

Exit codes: 7 the journal is damaged (``verify``: a fatal finding), or of another layout, 8 there is none.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import IntEnum
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import typer

from cli.exit_codes import CommandError, ExitCode
from cli.journal_keeping import archive, compress, prune, restore, seal
from cli.journal_place import Directory, journal_place
from cli.render import Json, ProgressBar, print_json, size_text, table
from protocols.codes import (
    FLAG_STP_MASK,
    FLAG_STP_SHIFT,
    BandMode,
    CommandFlag,
    Kind,
    Limit,
    OrdType,
    SelfTradeMode,
    Side,
    Tif,
    TradingState,
)
from protocols.layouts import COMMAND, SLOT_WORDS, layout_hash
from protocols.text import unpack_text

if TYPE_CHECKING:
    from journal.reader import JournalInfo, JournalReader

__all__ = ["VerifyReport", "app", "command_fields", "dump", "info", "verify"]

CHUNK: Final = 1 << 12
MASK64: Final = (1 << 64) - 1

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


# Commands as JSON


def command_fields(command: Mapping[str, int]) -> dict[str, Any]:
    """Return one command (the fields of COMMAND) as its kind uses them; codes by name."""
    seconds, rest_ns = divmod(command["time_ns"], 1_000_000_000)
    fields = {
        "seq": command["seq"],
        "time": f"{_second_text(seconds)}.{rest_ns:09d}Z",
        "time_ns": command["time_ns"],
        "seen_seq": command["seen_seq"],
        "kind": _KINDS.get(command["kind"], command["kind"]),
        "session": command["session"],
    }
    return fields | _FIELDS.get(command["kind"], _order_fields)(command)


def _names(codes: type[IntEnum]) -> dict[int, Any]:
    """Return the names of codes in lower case; 0 is none."""
    return {int(code): code.name.lower() for code in codes} | {0: None}


_KINDS: Final = _names(Kind)
_SIDES: Final = _names(Side)
_ORD_TYPES: Final = _names(OrdType)
_TIFS: Final = _names(Tif)
_LIMITS: Final = _names(Limit)
_MODES: Final = _names(SelfTradeMode)
_SWITCHES: Final = {1: "engage", 2: "release"}
_ROWS: Final = {1: "add", 2: "clear"}
_STATES: Final = _names(TradingState)
_BAND_MODES: Final = _names(BandMode)
_FLAGS: Final = [(int(flag), str(flag.name).lower()) for flag in CommandFlag]


@lru_cache(maxsize=16)
def _second_text(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"


def _text(command: Mapping[str, int], field: str) -> str:
    return unpack_text(command[f"{field}0"], command[f"{field}1"], command[f"{field}2"])


def _order_fields(command: Mapping[str, int]) -> dict[str, Any]:
    # a new order uses the fields that name another one for its terms, unless it is directed at that other
    is_new = command["kind"] == Kind.NEW and command["ord_type"] != OrdType.DIRECTED
    return {
        "cl_ord_id": _text(command, "cl"),
        "orig_cl_ord_id": None if is_new else _text(command, "orig") or None,
        "order_id": 0 if is_new else command["order_id"],
        "account": command["account"],
        "instrument": command["instrument"],
        "side": _SIDES.get(command["side"], command["side"]),
        "ord_type": _ORD_TYPES.get(command["ord_type"], command["ord_type"]),
        "tif": _TIFS.get(command["tif"], command["tif"]),
        "price_ticks": command["price_ticks"],
        "qty_lots": command["qty_lots"],
        "flags": [name for flag, name in _FLAGS if command["flags"] & flag] if command["flags"] else [],
        **(_terms(command) if is_new else {}),
        **({"stop_ticks": command["aux0"]} if command["kind"] == Kind.REPLACE and command["aux0"] else {}),
    }


def _terms(command: Mapping[str, int]) -> dict[str, Any]:
    """Return what special orders have and plain ones do not; only what there is."""
    mode = command["flags"] >> FLAG_STP_SHIFT & FLAG_STP_MASK
    terms = {
        "trail_ticks" if command["ord_type"] == OrdType.TRAILING_STOP else "stop_ticks": command["aux0"],
        "display_lots": command["order_id"],
        "min_lots": command["orig0"],
        "expiry_ns": command["aux1"],
        "self_trade_group": command["orig2"],
        "self_trade_mode": _MODES.get(mode, mode),
    }
    return {name: value for name, value in terms.items() if value}


def _mass_cancel_fields(command: Mapping[str, int]) -> dict[str, Any]:
    return {
        "cl_ord_id": _text(command, "cl"),
        "account": command["account"],
        "instrument": command["instrument"],
        "side": _SIDES.get(command["side"], command["side"]),
        **({"firm": command["aux0"]} if command["aux0"] else {}),
    }


def _venue_fields(command: Mapping[str, int]) -> dict[str, Any]:
    return {
        "max_orders": command["qty_lots"],
        "max_levels": command["aux1"],
        "max_cl_ord_ids": command["order_id"],
        "max_positions": command["aux0"],
        "max_accounts": command["account"],
        "max_instruments": command["instrument"],
        "max_sessions": command["price_ticks"],
        "max_specials": command["orig0"],
    }


def _instrument_fields(command: Mapping[str, int]) -> dict[str, Any]:
    return {
        "instrument": command["instrument"],
        "symbol": _text(command, "cl"),
        "tick_e8": command["price_ticks"],
        "lot_e8": command["qty_lots"],
        "tick_value": command["aux0"],
        "low_ticks": command["order_id"],
        "high_ticks": command["aux1"],
        "protection_ticks": command["orig0"],
        "currency": unpack_text(command["orig2"], 0),
        "market_data": command["flags"] & CommandFlag.MARKET_DATA != 0,
        "group": command["account"],
        "tick_table": command["orig1"],
        "state": _state(command),
    }


def _account_fields(command: Mapping[str, int]) -> dict[str, Any]:
    currency = unpack_text(command["orig2"], 0)
    return {
        "account": command["account"],
        "name": _text(command, "cl"),
        "currency": currency,
        "firm": command["instrument"],
    }


def _limit_fields(command: Mapping[str, int]) -> dict[str, Any]:
    which = command["ord_type"]
    return {"account": command["account"], "limit": _LIMITS.get(which, which), "value": command["qty_lots"]}


def _kill_fields(command: Mapping[str, int]) -> dict[str, Any]:
    return {"account": command["account"], "switch": _SWITCHES.get(command["side"], command["side"])}


def _open_fields(command: Mapping[str, int]) -> dict[str, Any]:
    cancels = bool(command["flags"] & CommandFlag.CANCEL_ON_CLOSE)
    return {"name": _text(command, "cl"), "port": command["orig0"], "cancel_on_close": cancels}


def _close_fields(command: Mapping[str, int]) -> dict[str, Any]:
    return {"port": command["orig0"]}


def _state(command: Mapping[str, int]) -> Any:
    return _STATES.get(command["ord_type"], command["ord_type"])


def _state_fields(command: Mapping[str, int]) -> dict[str, Any]:
    group = {} if command["instrument"] else {"group": command["account"]}
    return {"instrument": command["instrument"], **group, "state": _state(command)}


def _schedule_fields(command: Mapping[str, int]) -> dict[str, Any]:
    action = _ROWS.get(command["side"], command["side"])
    row = {"state": _state(command), "due_ns": command["aux1"], "period_ns": command["aux0"]}
    return {"action": action, "group": command["account"], **(row if action == "add" else {})}


def _bands_fields(command: Mapping[str, int]) -> dict[str, Any]:
    return {
        "instrument": command["instrument"],
        "mode": _BAND_MODES.get(command["ord_type"], command["ord_type"]),
        "static_ticks": command["order_id"],
        "dynamic_ticks": command["orig0"],
        "reference_ticks": command["price_ticks"],
        "volatility_ns": command["aux0"],
        "indication_ns": command["qty_lots"],
    }


def _tick_table_fields(command: Mapping[str, int]) -> dict[str, Any]:
    action = _ROWS.get(command["side"], command["side"])
    row = {"from_ticks": command["price_ticks"], "step_ticks": command["qty_lots"]}
    return {"action": action, "table": command["account"], **(row if action == "add" else {})}


def _book_request_fields(command: Mapping[str, int]) -> dict[str, Any]:
    return {"cl_ord_id": _text(command, "cl") or None, "instrument": command["instrument"]}


def _checkpoint_fields(command: Mapping[str, int]) -> dict[str, Any]:
    final = bool(command["flags"] & CommandFlag.FINAL)
    return {
        "checkpoint_seq": command["aux0"],
        "outcome_digest": f"{command['aux1'] & MASK64:016x}",
        "final": final,
        "state_digest": f"{command['order_id'] & MASK64:016x}" if final else None,
    }


_FIELDS: Final[dict[int, Callable[[Mapping[str, int]], dict[str, Any]]]] = {
    Kind.MASS_CANCEL: _mass_cancel_fields,
    Kind.BOOK_REQUEST: _book_request_fields,
    Kind.VENUE: _venue_fields,
    Kind.INSTRUMENT: _instrument_fields,
    Kind.ACCOUNT: _account_fields,
    Kind.LIMIT: _limit_fields,
    Kind.KILL: _kill_fields,
    Kind.SESSION_OPEN: _open_fields,
    Kind.SESSION_CLOSE: _close_fields,
    Kind.CHECKPOINT: _checkpoint_fields,
    Kind.TICK: lambda command: {},
    Kind.STATE: _state_fields,
    Kind.SCHEDULE: _schedule_fields,
    Kind.BANDS: _bands_fields,
    Kind.TICK_TABLE: _tick_table_fields,
}
