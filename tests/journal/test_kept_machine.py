"""A journal that is written, rolled, sealed, compressed, archived, pruned, and stopped amid it, stays one history."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from journal.copies import archive, compress
from journal.manifest import read_manifest
from journal.reader import JournalReader
from journal.retention import prune
from journal.sealing import seal
from journal.tail import JournalTail
from journal.verify import verify_journal
from tests.journal import cases, kept
from tests.journal.conformance import drain

pytestmark = pytest.mark.jitoff

NEVER = 1 << 30


class Kept(RuleBasedStateMachine):
    """A writer, those who keep its journal, and a tail that must not be left behind: it says what is covered."""

    def __init__(self) -> None:
        super().__init__()
        self.place = Path(tempfile.mkdtemp(prefix="kept-"))
        self.journal, self.target = self.place / "journal", self.place / "archive"
        self.writer: Any = None
        self.tail: Any = None
        self.chains: list[str] = []

    @initialize()
    def begin(self) -> None:
        self.writer = cases.open_writer(self.journal, "os")
        self.tail = JournalTail(self.journal)

    @rule(count=st.integers(1, 5), rolls=st.booleans())
    def write(self, count: int, rolls: bool) -> None:
        self.writer.append(cases.rows(self.writer.next_seq, count))
        if rolls:
            self.writer.roll()

    @rule(clean=st.booleans())
    def reopen(self, clean: bool) -> None:
        last = self.writer.next_seq - 1
        (self.writer.close if clean else self.writer.abort)()
        self.writer = cases.open_writer(self.journal, "os")
        assert self.writer.next_seq == last + 1

    @rule()
    def follow(self) -> None:
        first = self.tail.next_seq
        rows = drain(self.tail)
        assert np.array_equal(rows, cases.journaled(cases.rows(first, len(rows))))

    @rule(
        what=st.sampled_from(["seal", "compress", "archive", "packed"]),
        stop=st.integers(1, 60) | st.just(NEVER),
    )
    def keep(self, what: str, stop: int) -> None:
        """Do it, or stop before some operation."""
        disk = kept.StopDisk(stop)
        try:
            if what == "seal":
                seal(self.journal, disk=disk)
            elif what == "compress":
                compress(self.journal, keep=1, disk=disk)
            else:
                archive(self.journal, self.target, packed=what == "packed", disk=disk)
        except kept.Stop:
            pass

    @rule(stop=st.integers(1, 30) | st.just(NEVER), keep_segments=st.integers(0, 2))
    def prune(self, stop: int, keep_segments: int) -> None:
        """Remove what is archived, and what the tail has read."""
        archive(self.journal, self.target, disk=kept.QuickDisk())
        disk = kept.StopDisk(stop)
        try:
            prune(
                self.journal,
                self.tail.next_seq - 1,
                keep_segments=keep_segments,
                archive=self.target,
                disk=disk,
            )
        except kept.Stop:
            pass

    @invariant()
    def it_is_one_history(self) -> None:
        """From what is kept to the end all is there; the archive has a beginning; the chain only grows."""
        if self.writer is None:
            return
        last = self.writer.next_seq - 1
        with JournalReader(self.journal) as reader:
            first = reader.first_seq
        assert first <= self.tail.next_seq
        rows = cases.read_all(self.journal, first)
        assert np.array_equal(rows, cases.journaled(cases.rows(first, last + 1 - first)))
        for directory in (self.journal, self.target):
            manifest = read_manifest(directory) if directory.exists() else None
            chains = [entry.chain for entry in manifest.entries] if manifest else []
            common = min(len(chains), len(self.chains))
            assert chains[:common] == self.chains[:common]
            self.chains = max(self.chains, chains, key=len)

    def teardown(self) -> None:
        if self.writer is not None and not self.writer.failed:
            self.writer.append(cases.rows(self.writer.next_seq, 1))
            self.writer.roll()
            last = self.writer.next_seq - 1
            self.writer.close()
            self.follow()
            assert self.tail.next_seq == last + 1
            done = archive(self.journal, self.target, disk=kept.QuickDisk())
            assert verify_journal(self.target, chain=done.chain).findings == []
            assert verify_journal(self.journal, chain=done.chain).findings == []
            assert np.array_equal(cases.read_all(self.target), cases.journaled(cases.rows(1, last)))
            self.tail.close()
        shutil.rmtree(self.place, ignore_errors=True)


TestKept = Kept.TestCase
TestKept.settings = settings(
    max_examples=10 if cases.JIT_DISABLED else 40, stateful_step_count=30, deadline=None
)
