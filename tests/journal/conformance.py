"""What every implementation of :class:`journal.log.Log` has to pass.

Derive a class whose name begins with Test, and say in ``make_log`` how a new, empty log is made; ``learn`` is called
where a reader is to know all that is durable, for logs whose readers learn it with a delay. Logs are of the records of
:mod:`tests.journal.cases`, and begin with sequence 1.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from journal.errors import JournalError, JournalLocked, JournalMissing
from journal.log import Log, LogAppender, LogReader
from tests.journal import cases


def drain(reader: LogReader, batch: int = 64) -> Any:
    """Read all that a reader knows to be durable."""
    out = np.full((batch, cases.WORDS), -1, dtype=np.int64)
    parts = [out[:0].copy()]
    while count := reader.read(out):
        parts.append(out[:count].copy())
    return np.concatenate(parts)


def expected(first_seq: int, count: int) -> Any:
    """Return the rows that a reader has to find."""
    return cases.journaled(cases.rows(first_seq, count))


class LogConformance(ABC):
    """The claims; see the docstring of the module."""

    @abstractmethod
    def make_log(self, tmp_path: Path) -> Log:
        """Return a log that was never written to."""

    def learn(self, appender: LogAppender) -> None:
        """Do what makes readers know what is durable; by default what any owner does when idle."""
        appender.maintain()

    def test_a_log_that_was_never_written_is_missing(self, tmp_path: Path) -> None:
        """Before the first appender there is nothing to read."""
        log = self.make_log(tmp_path)
        for use in (log.open_reader, log.position):
            with pytest.raises(JournalMissing):
                use()

    def test_a_new_log_is_empty(self, tmp_path: Path) -> None:
        """An appender that has written nothing leaves nothing to read, and epoch 1."""
        log = self.make_log(tmp_path)
        appender = log.open_appender()
        assert (appender.next_seq, appender.durable_seq, appender.epoch) == (1, 0, 1)
        reader = log.open_reader()
        assert reader.read(np.zeros((4, cases.WORDS), dtype=np.int64)) == 0
        assert tuple(reader.position()) == (1, 0, 1, False)
        reader.close()
        appender.close()
        assert tuple(log.position()) == (1, 0, 1, True)

    def test_what_was_acknowledged_is_read(self, tmp_path: Path) -> None:
        """Append returns the last sequence; readers beside the appender read all of it, in order, as it was."""
        log = self.make_log(tmp_path)
        appender = log.open_appender()
        reader = log.open_reader()
        seq = 1
        for count in (1, 5, 200, 300, 2):
            assert appender.append(cases.rows(seq, count)) == appender.durable_seq == seq + count - 1
            seq += count
            assert appender.next_seq == seq
            self.learn(appender)
            assert reader.position().durable_seq == seq - 1
            assert np.array_equal(drain(reader), expected(seq - count, count))
            assert reader.next_seq == seq
        reader.close()
        appender.close()
        for first in (1, 7, seq - 1, seq):
            reader = log.open_reader(first)
            assert np.array_equal(drain(reader), expected(first, seq - first))
            reader.close()

    def test_blocks_are_durable_with_sync_only(self, tmp_path: Path) -> None:
        """Blocks that are written but not synced are not read; one sync covers all of them."""
        log = self.make_log(tmp_path)
        appender = log.open_appender()
        reader = log.open_reader()
        appender.append(cases.rows(1, 3))
        for seq in (4, 14, 24):
            appender.write_block(*cases.sealed_block(cases.rows(seq, 10)))
            self.learn(appender)
            assert (appender.next_seq, appender.durable_seq) == (seq + 10, 3)
        assert np.array_equal(drain(reader), expected(1, 3))
        assert appender.sync() == 33
        self.learn(appender)
        assert np.array_equal(drain(reader), expected(4, 30))
        reader.close()
        appender.close()

    @pytest.mark.parametrize("seq", [-1, 0, 12, 1 << 40])
    def test_a_sequence_that_is_not_there_is_missing(self, tmp_path: Path, seq: int) -> None:
        """Before the first and beyond the one after the last there is nowhere to stand."""
        log = self.make_log(tmp_path)
        appender = log.open_appender()
        appender.append(cases.rows(1, 10))
        appender.close()
        reader = log.open_reader()
        with pytest.raises(JournalMissing):
            reader.seek(seq)
        reader.close()
        with pytest.raises(JournalMissing):
            log.open_reader(seq)

    def test_rows_are_read_in_any_pieces(self, tmp_path: Path) -> None:
        """Whatever the room and the limit, the next record is the next sequence; a seek goes back."""
        log = self.make_log(tmp_path)
        appender = log.open_appender()
        for start in range(1, 400, 19):
            appender.append(cases.rows(start, 19))
        appender.close()
        chosen = random.Random(5)
        reader = log.open_reader()
        for _ in range(60):
            if reader.next_seq > 350 or chosen.random() < 0.1:
                reader.seek(chosen.randrange(1, 300))
            seq, room, limit = reader.next_seq, chosen.randrange(1, 50), chosen.choice([None, 0, 1, 30, 60])
            out = np.full((room, cases.WORDS), -1, dtype=np.int64)
            count = reader.read(out, limit)
            assert count == (room if limit is None else min(room, limit))
            assert np.array_equal(out[:count], expected(seq, count)) and (out[count:] == -1).all()
        reader.close()

    def test_a_log_is_continued_after_a_clean_end(self, tmp_path: Path) -> None:
        """The next appender stands at the end, one epoch higher, and readers just go on."""
        log = self.make_log(tmp_path)
        reader = None
        for epoch in range(1, 5):
            appender = log.open_appender()
            assert (appender.epoch, appender.next_seq) == (epoch, 1 + 10 * (epoch - 1))
            reader = reader or log.open_reader()
            appender.append(cases.rows(appender.next_seq, 10))
            appender.close()
            assert np.array_equal(drain(reader), expected(1 + 10 * (epoch - 1), 10))
            assert tuple(reader.position()) == (1, 10 * epoch, epoch, True)
        assert reader is not None
        reader.close()

    def test_a_crash_loses_nothing_that_was_acknowledged(self, tmp_path: Path) -> None:
        """After an abort the next appender finds at least what was synced, and readers see one history."""
        log = self.make_log(tmp_path)
        appender = log.open_appender()
        reader = log.open_reader()
        seen = []
        for _ in range(4):
            told = appender.append(cases.rows(appender.next_seq, 7))
            appender.write_block(*cases.sealed_block(cases.rows(appender.next_seq, 5)))
            seen.append(drain(reader))
            appender.abort()
            appender = log.open_appender()
            assert appender.next_seq > told
            assert appender.durable_seq == appender.next_seq - 1
        last = appender.durable_seq
        appender.close()
        seen.append(drain(reader))
        assert np.array_equal(np.concatenate(seen), expected(1, last))
        reader.close()

    def test_two_appenders_do_not_both_write(self, tmp_path: Path) -> None:
        """While one may append, another is refused, or it is the first that is from then on."""
        log = self.make_log(tmp_path)
        first = log.open_appender()
        first.append(cases.rows(1, 3))
        try:
            second = log.open_appender()
        except JournalLocked:
            first.append(cases.rows(4, 3))
            first.close()
            second = log.open_appender()
        assert second.epoch == 2
        block = cases.sealed_block(cases.rows(second.next_seq, 2))
        for use in (
            lambda: first.write_block(*block),
            first.sync,
            lambda: first.append(cases.rows(first.next_seq, 1)),
        ):
            with pytest.raises(JournalError):
                use()
        seq = second.next_seq
        second.append(cases.rows(seq, 2))
        second.close()
        reader = log.open_reader()
        assert np.array_equal(drain(reader), expected(1, seq + 1))
        reader.close()

    @pytest.mark.parametrize("wrong", ["sequence", "length", "no block"])
    def test_a_refused_block_ends_the_appender(self, tmp_path: Path, wrong: str) -> None:
        """A block that does not continue the log is refused, and so is everything after it."""
        log = self.make_log(tmp_path)
        appender = log.open_appender()
        appender.append(cases.rows(1, 3))
        data, length = cases.sealed_block(cases.rows(5 if wrong == "sequence" else 4, 2))
        if wrong == "no block":
            data[:8] = 0
        with pytest.raises(JournalError):
            appender.write_block(data, length + 8 if wrong == "length" else length)
        good = cases.sealed_block(cases.rows(4, 2))
        for use in (lambda: appender.write_block(*good), appender.sync, appender.maintain):
            with pytest.raises(JournalError):
                use()
        appender.close()
        log.open_appender().close()
        assert log.position().durable_seq == 3

    @pytest.mark.parametrize("seed", range(4))
    def test_any_history_is_one_history(self, tmp_path: Path, seed: int) -> None:
        """Appenders that sync, crash and end at random: readers that joined at any time read the same records."""
        chosen = random.Random(seed)
        log = self.make_log(tmp_path)
        appender, told = log.open_appender(), 0
        readers: list[LogReader] = [log.open_reader()]
        starts, seen = [1], [[np.zeros((0, cases.WORDS), dtype=np.int64)]]
        for _ in range(40):
            draw = chosen.random()
            if draw < 0.5:
                appender.write_block(
                    *cases.sealed_block(cases.rows(appender.next_seq, chosen.randrange(1, 30)))
                )
            elif draw < 0.75:
                told = appender.sync()
                self.learn(appender)
            elif draw < 0.85:
                chosen.choice([appender.close, appender.abort])()
                appender = log.open_appender()
                assert appender.durable_seq >= told
                told = appender.durable_seq
            elif len(readers) < 4:
                start = chosen.randrange(1, log.position().durable_seq + 2)
                readers.append(log.open_reader(start))
                starts.append(start)
                seen.append([])
            for reader, parts in zip(readers, seen, strict=True):
                if chosen.random() < 0.5:
                    parts.append(drain(reader, chosen.randrange(1, 40)))
                    assert reader.next_seq - 1 <= told
        told = appender.sync()
        appender.close()
        for reader, start, parts in zip(readers, starts, seen, strict=True):
            parts.append(drain(reader))
            assert np.array_equal(np.concatenate(parts), expected(start, told + 1 - start))
            reader.close()
