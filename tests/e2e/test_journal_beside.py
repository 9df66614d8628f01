"""The journal of a running pipeline, kept and followed by others at the same time."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from cli.exit_codes import ExitCode
from journal.reader import JournalReader
from journal.tail import JournalTail
from protocols.layouts import COMMAND, SLOT_WORDS, layout_hash
from stages.replay import journal_directory
from tests.e2e.harness import Lab, until

ORDERS = 60_000
SEGMENT_BYTES = 1 << 19


def done(lab: Lab, *arguments: object) -> Any:
    """Run a command on the journal to its end; return what it printed."""
    process = lab.run("journal", arguments[0], lab.data, *arguments[1:], "--json")
    assert process.wait() == ExitCode.OK, process.text
    return process.json


def follow(tail: JournalTail, read: list[Any]) -> int:
    """Read what is durable by now; return up to where that was."""
    rows = np.zeros((1 << 14, SLOT_WORDS), dtype=np.int64)
    while count := tail.read(rows):
        read.append(rows[:count].copy())
    return tail.next_seq - 1


@pytest.mark.chaos
def test_a_journal_is_kept_and_followed_beside_its_pipeline(lab: Lab) -> None:
    """Sealed, archived and compressed while orders flow, it replays as ever; a tail has read all of it, and no more."""
    pipeline = lab.pipeline(segment_bytes=SEGMENT_BYTES)
    read: list[Any] = []
    target = lab.directory / "archive"
    place = journal_directory(lab.data)

    def durable() -> int:
        return int(pipeline.snapshot().cursors["durable"])

    with JournalTail(place, layout_hash(COMMAND)) as tail:
        injector = lab.inject("synthetic", "--orders", ORDERS, "--rate", 30_000)
        archived = 0
        while injector.running or archived == 0:
            archived += done(lab, "archive", "--to", target, "--compress")["segments"]
            assert follow(tail, read) <= durable()
        assert injector.wait() == ExitCode.OK and archived >= 1
        until(lambda: follow(tail, read) == durable() > ORDERS, "the tail to have read all")
        chain = done(lab, "seal")["chain"]
        assert done(lab, "compress", "--keep", 0)["segments"] >= archived
        assert done(lab, "verify", "--chain", chain)["fatal"] == 0
        last = pipeline.stop()
        assert follow(tail, read) == last.last_seq
        where = tail.position()
        assert (where.durable_seq, where.closed) == (last.last_seq, True)
    everything = np.concatenate(read)
    assert np.array_equal(everything[:, 0], np.arange(1, last.last_seq + 1))
    with JournalReader(place) as reader:
        rows = np.zeros((last.last_seq + 1, SLOT_WORDS), dtype=np.int64)
        assert reader.read(rows) == last.last_seq
    assert np.array_equal(everything, rows[:-1])
    report = lab.replay()
    assert report["verified"] and report["last_seq"] == last.last_seq
    lab.start().ready().stop()
    done(lab, "archive", "--to", target)
    verified = lab.run("journal", "verify", target, "--chain", chain, "--json")
    assert verified.wait() == ExitCode.OK, verified.text
    assert json.loads(verified.stdout)["ok"]
    elsewhere = lab.directory / "elsewhere"
    restored = lab.run("journal", "restore", target, "--to", journal_directory(elsewhere))
    assert restored.wait() == ExitCode.OK, restored.text
    assert lab.start("--data", elsewhere, data=elsewhere).ready().snapshot().recovered_seq > ORDERS // 2
