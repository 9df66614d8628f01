"""What the FIX tests share: a small venue, messages field by field, and files decoded to the end."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from typing import Any

import numpy as np

from protocols.directory import AccountEntry, Directory, InstrumentEntry
from protocols.fix import FixDecodeError, FixSource
from protocols.fix_text import build_message, to_log
from protocols.layouts import COMMAND
from protocols.source import DecodeError, OnError

VENUE = Directory(
    [
        InstrumentEntry(1, "AAPL", 1_000_000, 100_000_000),
        InstrumentEntry(2, "MSFT", 1_000_000, 100_000_000),
        InstrumentEntry(5, "BTC/USD", 50_000_000, 1_000),
    ],
    [AccountEntry(1, "ACC1"), AccountEntry(7, "ACC7")],
)
TIME_TEXT = "20260105-09:30:00.123"
TIME_NS = 1_767_605_400_123_000_000
NEW = {
    35: "D", 34: "2", 49: "FIRM1", 52: "20260105-09:29:59", 56: "RINGMATCH", 1: "ACC7", 11: "A-1", 21: "1",
    55: "AAPL", 54: "1", 60: TIME_TEXT, 38: "100", 40: "2", 44: "190.25", 59: "0",
}  # fmt: skip
CANCEL = {
    35: "F", 34: "3", 49: "FIRM1", 52: TIME_TEXT, 56: "RINGMATCH", 11: "A-2", 41: "A-1", 55: "AAPL", 54: "1",
    60: TIME_TEXT, 38: "100",
}  # fmt: skip
REPLACE = {
    35: "G", 34: "4", 49: "FIRM1", 52: TIME_TEXT, 56: "RINGMATCH", 11: "A-3", 41: "A-1", 55: "AAPL", 54: "1",
    60: TIME_TEXT, 38: "80", 40: "2", 44: "190.20",
}  # fmt: skip


def message(
    fields: dict[int, str], *, version: str = "FIX.4.4", log: bool = False, **changes: str | None
) -> bytes:
    """Return a message of ``fields`` with changes: ``t44="1"`` sets field 44, ``t44=None`` leaves it out."""
    wanted: dict[int, str | None] = {**fields, **{int(name[1:]): value for name, value in changes.items()}}
    built = build_message(version, wanted.items())
    return to_log(built) if log else built


def seal(body: bytes, *, version: bytes = b"FIX.4.4", separator: bytes = b"\x01") -> bytes:
    """Return a message with a right length and checksum around a body that need not be well-formed."""
    start = b"8=" + version + separator + b"9=%d" % len(body) + separator + body
    total = sum(1 if bytes([byte]) == separator else byte for byte in start)
    return start + b"10=%03d" % (total % 256) + separator


def open_source(content: bytes, on_error: OnError = "stop", chunk_bytes: int = 1 << 16) -> FixSource:
    """Return a source of a file that holds ``content``; the file is gone already."""
    with tempfile.NamedTemporaryFile(suffix=".fix") as file:
        file.write(content)
        file.flush()
        return FixSource(file.name, VENUE, on_error, chunk_bytes)


def read_all(source: FixSource, batch: int = 64) -> Any:
    """Return all commands of a source as one array; let errors through."""
    parts = [np.zeros(0, COMMAND)]
    out = np.full(batch * COMMAND.itemsize, 0xA5, dtype=np.uint8).view(COMMAND)  # a slot is written whole
    while count := source.read(out):
        parts.append(out[:count].copy())
    return np.concatenate(parts)


def decode(content: bytes, chunk_bytes: int = 1 << 16) -> tuple[Any, list[DecodeError], FixSource]:
    """Return the commands and the errors of a file, read with ``on_error="skip"``, and the closed source."""
    with open_source(content, "skip", chunk_bytes) as source:
        return read_all(source), source.errors, source


def only(content: bytes) -> Any:
    """Return the one command of a file that holds nothing else."""
    commands, errors, _ = decode(content)
    assert errors == [] and len(commands) == 1, (errors, commands)
    return commands[0]


def only_error(content: bytes) -> FixDecodeError:
    """Return the one error of a file that holds no command."""
    commands, errors, _ = decode(content)
    assert len(commands) == 0 and len(errors) == 1, (errors, commands)
    assert isinstance(errors[0], FixDecodeError)
    return errors[0]


def facts(error: DecodeError) -> tuple[Any, ...]:
    """Return all that an error says but its path."""
    return (error.offset, error.record, error.line, error.field, error.value, error.problem)


def texts(commands: Sequence[Any]) -> list[bytes]:
    """Return commands as bytes, for comparison."""
    return [command.tobytes() for command in commands]
