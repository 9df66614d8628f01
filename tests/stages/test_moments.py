"""Moments: sequences and times found in a journal of several segments, by bisection, as a plain search finds them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from journal.meta import META_NAME
from journal.segment import SEGMENT_HEADER_BYTES, list_segments
from protocols.instants import DAY_NS, time_text
from protocols.layouts import COMMAND
from stages.journaling import open_writer
from stages.moments import Moment, NoSuchMoment, end_of, find_moment

pytestmark = pytest.mark.jitoff

MIDNIGHT_NS = int(datetime(2026, 11, 23, tzinfo=UTC).timestamp()) * 10**9
HOUR_NS = DAY_NS // 24
COUNT = 12_000


def written(directory: Path, times_ns: Any) -> Path:
    """Write a journal of commands with these stamps, in small segments; return its directory."""
    rows = np.zeros(len(times_ns), dtype=COMMAND)
    rows["seq"] = np.arange(1, len(rows) + 1)
    rows["time_ns"] = times_ns
    rows["cl0"] = rows["seq"] * 0x5DEECE66D  # so that records take some room
    with open_writer(directory / "journal", "none", 64 << 10) as writer:
        for start in range(0, len(rows), 500):
            writer.append(rows[start : start + 500])
    return directory / "journal"


@pytest.fixture(scope="module")
def times() -> Any:
    """Return stamps from 20:00 on over two midnights, some of them equal."""
    return MIDNIGHT_NS - 4 * HOUR_NS + (np.arange(COUNT) // 3) * (40 * HOUR_NS // (COUNT // 3))


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory, times: Any) -> Path:
    """Return a journal of several segments with these stamps."""
    directory = written(tmp_path_factory.mktemp("moments"), times)
    assert len(list_segments(directory)) >= 3
    return directory


def test_a_time_is_the_last_command_by_then(journal: Path, times: Any) -> None:
    """For stamps, the ns before them and the ns after them, the place is that of a search over all stamps."""
    places = [0, 1, 2, 3, COUNT // 2, COUNT - 1]
    places += [first - 1 + off for first, _ in list_segments(journal)[1:] for off in (-1, 0, 1)]
    for place in places:
        for off in (-1, 0, 1):
            when = int(times[place]) + off
            seq = int(np.searchsorted(times, when, side="right"))
            if seq:
                assert find_moment(journal, time_text(when)) == Moment(seq, int(times[seq - 1]))


def test_a_sequence_is_itself(journal: Path, times: Any) -> None:
    """Sequences are taken as commands print them, with their stamps; 0 and one past the end are refused."""
    for text, seq in (("1", 1), ("7,001", 7001), ("7_001", 7001), (str(COUNT), COUNT)):
        assert find_moment(journal, text) == Moment(seq, int(times[seq - 1]))
    for text, said in (
        ("0", "expected a sequence from 1 on, was 0"),
        (str(COUNT + 1), f"expected at most {COUNT}, where the journal ends, was {COUNT + 1}"),
        (str(1 << 70), "where the journal ends"),
    ):
        with pytest.raises(NoSuchMoment, match=said):
            find_moment(journal, text)


def test_times_beyond_the_ends(journal: Path, times: Any) -> None:
    """After the last stamp is the end, before the first is an error that says where the journal begins."""
    assert find_moment(journal, "2030-01-01") == end_of(journal) == Moment(COUNT, int(times[-1]))
    with pytest.raises(NoSuchMoment, match=f"from {time_text(int(times[0]))} on"):
        find_moment(journal, "2026-11-22")


@pytest.mark.parametrize(
    ("clock", "date"),
    [
        ("11:00:00", "2026-11-24"),
        ("13:00:00", "2026-11-23"),
        ("21:00:00", "2026-11-23"),
        ("00:00", "2026-11-24"),
    ],
)
def test_a_time_of_day_is_the_last_such_time(clock: str, date: str, journal: Path) -> None:
    """Without a date the last day is meant on which the journal got that far: it ends at noon of the 24th."""
    assert find_moment(journal, clock) == find_moment(journal, f"{date}T{clock}")


def test_a_time_of_day_in_a_journal_of_one_day(tmp_path: Path) -> None:
    """Later than the last stamp of the only day is the end; earlier than the first is no moment."""
    directory = written(tmp_path, MIDNIGHT_NS + HOUR_NS * np.array([9, 10, 11]))
    assert find_moment(directory, "23:00:00").seq == 3
    assert find_moment(directory, "10:30:00").seq == 2
    with pytest.raises(NoSuchMoment, match="where the journal begins"):
        find_moment(directory, "08:59:59")


def test_a_segment_without_records_yet_is_no_end(tmp_path: Path, times: Any) -> None:
    """A segment that was just begun holds nothing: the end lies in the one before."""
    directory = written(tmp_path, times)
    last_seq, path = list_segments(directory)[-1]
    data = path.read_bytes()
    path.write_bytes(data[:SEGMENT_HEADER_BYTES] + bytes(len(data) - SEGMENT_HEADER_BYTES))
    (directory / META_NAME).unlink()  # it knows that more was durable
    assert end_of(directory).seq == last_seq - 1
    for when in (int(times[last_seq - 1]), int(times[-1])):
        assert find_moment(directory, time_text(when)).seq == last_seq - 1


def test_an_empty_journal_has_no_moments(tmp_path: Path) -> None:
    """A journal without commands has an end, and no times."""
    open_writer(tmp_path / "journal", "none", 64 << 10).close()
    assert end_of(tmp_path / "journal") == Moment(0, 0)
    for text in ("1", "12:00:00"):
        with pytest.raises(NoSuchMoment):
            find_moment(tmp_path / "journal", text)


@pytest.mark.parametrize("text", ["noon", "-1", "1.5", "", "12:00:00x"])
def test_neither_sequence_nor_time(text: str, journal: Path) -> None:
    """What is neither is refused, and the error says what would be one."""
    with pytest.raises(NoSuchMoment, match="expected a sequence or a time"):
        find_moment(journal, text)
