"""What a promise is that was broken, and how commands and outcomes are looked at when one is checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np

from journal.reader import JournalReader
from protocols.layouts import COMMAND, OUTCOME, SLOT_WORDS, layout_hash
from stages.ingest import KIND_MASK, KIND_SHIFT, WORD_KIND
from stages.replay import journal_directory

__all__ = ["PromiseBroken", "expect", "key_of", "kind_of", "read_journal", "show"]

CHUNK: Final = 4096
INDEX_WORD: Final = 13


class PromiseBroken(AssertionError):
    """Something that must hold did not."""


def expect(holds: Any, what: str, was: Any = None) -> None:
    """Raise PromiseBroken unless ``holds``."""
    if not holds:
        raise PromiseBroken(what if was is None else f"{what}, was {was}")


def key_of(row: Any) -> tuple[int, int]:
    """Return input sequence and index of an outcome (a row of words)."""
    return int(row[0]), int(row[INDEX_WORD]) & 0xFFFFFFFF


def kind_of(row: Any) -> int:
    """Return the kind of a command (a row of words)."""
    return int(row[WORD_KIND] & KIND_MASK) >> KIND_SHIFT


def read_journal(data_dir: Path, first_seq: int) -> Any:
    """Return all commands of a journal from ``first_seq`` on, as rows of words."""
    out = np.zeros((CHUNK, SLOT_WORDS), dtype=np.int64)
    parts = [out[:0].copy()]
    with JournalReader(journal_directory(data_dir), layout_hash(COMMAND)) as reader:
        if first_seq > 1:
            reader.seek(first_seq)
        while count := reader.read(out):
            parts.append(out[:count].copy())
    return np.concatenate(parts)


def show(said: bytes) -> str:
    """Return the fields of an outcome that are not 0."""
    row = np.frombuffer(said + bytes(8), dtype=OUTCOME)[0]
    return ", ".join(f"{name} {row[name]}" for name in OUTCOME.names or () if row[name])
