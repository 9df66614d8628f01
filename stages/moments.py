"""Moments of a journal: a sequence, or a time resolved against the journaled stamps. Reads only.

A moment is a place between two commands: what was sequenced up to and including it has happened. A time means the
last command whose stamp is not after it. Stamps never go back (ADR 0010), so the place is found by bisection over
the segments and a walk through one of them; a time after the last stamp means the end of the journal, one before
the first is an error. A time of day without a date is the last such time that the journal has reached.
"""

from __future__ import annotations

from bisect import bisect_left
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from journal.errors import JournalMissing
from journal.reader import JournalReader
from journal.segment import list_segments
from protocols.instants import DAY_NS, Clock, parse_instant, time_text
from protocols.layouts import COMMAND, SLOT_WORDS, layout_hash

__all__ = ["Moment", "NoSuchMoment", "end_of", "find_moment"]

CHUNK: Final = 1 << 13
TIME_WORD: Final = 1
assert COMMAND.fields is not None and COMMAND.fields["time_ns"][1] == TIME_WORD * 8


class NoSuchMoment(Exception):
    """The journal has no such sequence or time, or the text names neither."""


class Moment(NamedTuple):
    """A command of a journal: its sequence and its stamp; sequence 0 of a journal without commands."""

    seq: int
    time_ns: int


def find_moment(directory: str | Path, text: str) -> Moment:
    """Return the moment that a text names in the journal in ``directory``; raise NoSuchMoment if there is none."""
    plain = text.replace(",", "").replace("_", "")  # as the commands print them
    with JournalReader(directory, layout_hash(COMMAND)) as reader:
        if plain.isascii() and plain.isdigit():
            return _at_seq(reader, int(plain))
        try:
            when = parse_instant(text)
        except ValueError as error:
            raise NoSuchMoment(f"expected a sequence or a time: {error}") from error
        return _at_time(reader, when)


def end_of(directory: str | Path) -> Moment:
    """Return the last command of the journal in ``directory``."""
    with JournalReader(directory, layout_hash(COMMAND)) as reader:
        return _end(reader)


def _at_seq(reader: JournalReader, seq: int) -> Moment:
    if seq < 1:
        raise NoSuchMoment(f"expected a sequence from 1 on, was {seq}")
    if seq < reader.first_seq:
        raise NoSuchMoment(f"expected at least {reader.first_seq}, where the journal begins, was {seq}")
    try:
        reader.seek(min(seq + 1, 1 << 62))
    except JournalMissing as error:
        end = reader.next_seq - 1
        raise NoSuchMoment(f"expected at most {end}, where the journal ends, was {seq}") from error
    found = _record(reader, seq)
    assert found is not None
    return found


def _at_time(reader: JournalReader, when: int | Clock) -> Moment:
    first = _record(reader, reader.first_seq)
    if first is None:
        raise NoSuchMoment("expected a journal with commands, was an empty one")
    if isinstance(when, Clock):
        when = _latest(when, first.time_ns, _end(reader).time_ns)
    if when < first.time_ns:
        raise NoSuchMoment(
            f"expected a time from {time_text(first.time_ns)} on, where the journal begins, was {time_text(when)}"
        )
    starts = [first_seq for first_seq, _ in list_segments(reader.directory)]

    def is_later(start: int) -> bool:
        found = _record(reader, start)
        return found is None or found.time_ns > when

    # the last segment that begins by then; one without a record yet holds nothing
    at = bisect_left(starts, True, key=is_later) - 1
    return _last_by(reader, starts[max(at, 0)], when)


def _latest(clock: Clock, first_ns: int, last_ns: int) -> int:
    """Return the last time that it was so late by the end of the journal, else that of its last day."""
    of_last_day = last_ns // DAY_NS * DAY_NS + clock.of_day_ns
    before = of_last_day - DAY_NS
    return before if of_last_day > last_ns and before >= first_ns else of_last_day


def _end(reader: JournalReader) -> Moment:
    """Return the last record."""
    for start, _ in reversed(list_segments(reader.directory)):
        if _record(reader, start) is not None:
            return _last_by(reader, start, (1 << 63) - 1)
    return Moment(0, 0)


def _last_by(reader: JournalReader, start: int, time_ns: int) -> Moment:
    """Return the last record from ``start`` on, which is not later itself, whose stamp is not after a time."""
    rows = _rows(CHUNK)
    reader.seek(start)
    found = Moment(0, 0)
    while count := reader.read(rows):
        within = int(np.searchsorted(rows[:count, TIME_WORD], time_ns, side="right"))
        if within:
            found = Moment(int(rows[within - 1, 0]), int(rows[within - 1, TIME_WORD]))
        if within < count:
            break
    return found


def _record(reader: JournalReader, seq: int) -> Moment | None:
    """Return the record of a sequence that is in the journal, or the next one; None if it is not there yet."""
    rows = _rows(1)
    reader.seek(seq)
    return Moment(int(rows[0, 0]), int(rows[0, TIME_WORD])) if reader.read(rows) else None


def _rows(count: int) -> Any:
    return np.zeros((count, SLOT_WORDS), dtype=np.int64)
