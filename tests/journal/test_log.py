"""Implementations of a log, each held against the conformance suite: the journal's files, and a list in memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from journal.file_log import FileLog
from journal.log import Log, LogAppender
from journal.segment import RecordLayout
from journal.writer import META_INTERVAL_NS
from tests.journal import cases
from tests.journal.conformance import LogConformance
from tests.journal.memory_log import MemoryLog

pytestmark = pytest.mark.jitoff

LAYOUT = RecordLayout(cases.WORDS, cases.JOURNAL_WORDS, cases.LAYOUT_HASH)


class TestFileLog(LogConformance):
    """Segments in a directory; readers learn of the last record by the meta file, so time has to pass."""

    now_ns = 1

    def make_log(self, tmp_path: Path) -> Log:
        """Use the smallest segments, so that they roll, and a clock that stands still."""
        return FileLog(
            tmp_path / "log", LAYOUT, "fsync", cases.SEGMENT_BYTES, clock=lambda: self.now_ns,
            key_word=cases.KEY_WORD, key_mask=cases.KEY_MASK,
        )  # fmt: skip

    def learn(self, appender: LogAppender) -> None:
        """Let the meta file become due, and be idle."""
        self.now_ns += META_INTERVAL_NS
        appender.maintain()


class TestMemoryLog(LogConformance):
    """A list: nothing of the suite is about files."""

    def make_log(self, tmp_path: Path) -> Log:
        """Begin with nothing."""
        return MemoryLog(LAYOUT)
