"""Snapshots: what is loaded is what was, it goes on as if nothing had been, and no damage passes for a state."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from journal.disk import OPERATIONS, SHORT, TORN, Disk, FaultyDisk
from journal.errors import JournalCorrupt, JournalError, JournalLayout
from protocols.codes import Kind
from stages.core import Core, CoreState
from stages.digest import state_digest
from stages.snapshot_file import SECTIONS_AT, read_header, verify_sections
from stages.snapshots import (
    NOT_ZERO_AT_FIRST,
    _arrays_of,
    _feed_of,
    command_crc,
    list_snapshots,
    load_snapshot,
    snapshot_directory,
    take_snapshot,
)
from stages.state import Capacities
from tests.stages.steps import Sequence
from tests.stages.strategies import SPECIAL, STATES, TIGHT, sequences
from tests.twin.records import make_command, to_array

pytestmark = pytest.mark.jitoff

IN_FLIGHT = 64
TINY = Capacities(16, 16, 16, 16, 2, 2, 2, 16)


def fresh(capacities: dict[str, int]) -> Core:
    """Return an empty core with small rings."""
    return Core(Capacities(**capacities), input_slots=IN_FLIGHT, output_slots=256)


def taken(core: Core, directory: Path, commands: Any, disk: Disk | None = None) -> Path:
    """Take a snapshot behind the last of some commands; return its file."""
    last = commands[-1]
    crc = command_crc(np.asarray(last).reshape(1).view(np.int64))
    path, header = take_snapshot(core, directory, time_ns=int(last["time_ns"]), crc=crc, disk=disk)
    assert header == read_header(path)
    return path


@given(
    sequence=st.sampled_from([TIGHT, SPECIAL, STATES]).flatmap(sequences),
    cut=st.integers(1, 100),
    partitions=st.integers(1, 3),
)
def test_what_is_loaded_goes_on_as_if_nothing_had_been(
    sequence: Sequence, cut: int, partitions: int, tmp_path_factory: Any
) -> None:
    """At any cut, all arrays of a loaded state equal those that were saved, and the rest has the same outcomes."""
    directory = tmp_path_factory.mktemp("snapshots")
    commands = to_array(sequence.commands)
    core = fresh({**sequence.capacities, "partitions": partitions})
    head, tail = commands[:cut], commands[cut:]
    core.process(head)
    state, header = load_snapshot(taken(core, directory, head), IN_FLIGHT)
    loaded = Core(state=state, input_slots=IN_FLIGHT, output_slots=256)
    assert (header.seq, header.time_ns) == (len(head), int(head["time_ns"][-1]))
    assert (loaded.last_seq, loaded.outcome_digest) == (core.last_seq, core.outcome_digest)
    for state in (core.state, loaded.state):
        arrays = _arrays_of(state, _feed_of(state.risk))
        if state is core.state:
            expected = {
                name: np.array(array) for name, array in arrays.items() if not name.endswith(".words")
            }
        else:
            assert all(np.array_equal(np.asarray(arrays[name]), array) for name, array in expected.items())
    assert loaded.process(tail).tobytes() == core.process(tail).tobytes()
    assert loaded.outcome_digest == core.outcome_digest
    assert state_digest(loaded.state.risk, loaded.state.books) == state_digest(
        core.state.risk, core.state.books
    )


def a_venue() -> tuple[Core, Any]:
    """Return a core with a resting order, and the commands that made it."""
    commands = to_array(
        [
            make_command(Kind.VENUE, seq=1),
            make_command(Kind.INSTRUMENT, cl="I", instrument=1, price_ticks=1, qty_lots=1, aux0=1),
            make_command(Kind.SESSION_OPEN, cl="S"),
        ]
    )
    core = Core(TINY, input_slots=16, output_slots=16)
    core.process(core.stamp(commands, 5))
    return core, commands


def test_every_flipped_bit_is_found(tmp_path: Path) -> None:
    """A snapshot with any one bit changed, in the preamble, the header, runs or pages, is refused or is the same."""
    core, commands = a_venue()
    path = taken(core, tmp_path, commands)
    good = path.read_bytes()
    header = read_header(path)
    text_end = 64 + len(good[64:SECTIONS_AT].rstrip(b"\0"))
    places = [*range(text_end), *range(SECTIONS_AT, len(good), 97)]
    for place in places:
        damaged = bytearray(good)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        with pytest.raises((JournalCorrupt, JournalLayout)):
            verify_sections(path, read_header(path))
    path.write_bytes(good)
    verify_sections(path, header)


def test_no_array_that_begins_with_more_than_zeros_is_forgotten() -> None:
    """An empty state holds something else than zeros only where loading clears it first."""
    state = CoreState(TINY._replace(partitions=2), IN_FLIGHT)
    begins = {
        name.split(".")[1]
        for name, array in _arrays_of(state, _feed_of(state.risk)).items()
        if np.asarray(array).reshape(-1).view(np.uint8).any()
    }
    assert begins <= NOT_ZERO_AT_FIRST


def test_every_cut_is_found(tmp_path: Path) -> None:
    """A file that is shorter than it says is refused, wherever it ends."""
    core, commands = a_venue()
    path = taken(core, tmp_path, commands)
    good = path.read_bytes()
    for size in (0, 10, 63, 64, 200, SECTIONS_AT, SECTIONS_AT + 5, len(good) - 1):
        path.write_bytes(good[:size])
        with pytest.raises(JournalCorrupt):
            read_header(path)


def test_two_are_kept(tmp_path: Path) -> None:
    """A third snapshot takes the place of the oldest, and what a crash left half written is removed."""
    core, commands = a_venue()
    half = snapshot_directory(tmp_path) / "snapshot-00000000000000000001.rms.tmp"
    half.parent.mkdir()
    half.write_bytes(b"half")
    for _ in range(3):
        taken(core, tmp_path, commands)
        core.process(core.stamp(commands[2:], 6))
    assert [seq for seq, _ in list_snapshots(tmp_path)] == [5, 4]
    assert not half.exists()


def test_a_snapshot_of_another_layout_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """State that this version lays out otherwise is not loaded: the journal tells it anew."""
    core, commands = a_venue()
    path = taken(core, tmp_path, commands)
    monkeypatch.setattr("stages.snapshots._layout", lambda arrays: 1)
    with pytest.raises(JournalLayout, match="expected the state's layout of this version"):
        load_snapshot(path, IN_FLIGHT)


def test_a_wrong_state_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Arrays whose state digest is not the one that was written down are no state, whatever their checksums say."""
    core, commands = a_venue()
    monkeypatch.setattr("stages.snapshots.state_digest", lambda risk, books: 12345)
    path = taken(core, tmp_path, commands)
    monkeypatch.undo()
    with pytest.raises(JournalCorrupt, match="is not the state it says"):
        load_snapshot(path, IN_FLIGHT)


@pytest.mark.parametrize("fault", [errno.EIO, errno.ENOSPC, SHORT, TORN])
@pytest.mark.parametrize("operation", [name for name in OPERATIONS if name not in ("fallocate", "ftruncate")])
def test_every_failing_call_leaves_the_snapshots_of_before(
    operation: str, fault: int, tmp_path: Path
) -> None:
    """Whichever call fails, a valid snapshot is there afterwards, and the next one succeeds."""
    if fault in (SHORT, TORN) and operation != "pwrite":
        fault = errno.EIO
    core, commands = a_venue()
    taken(core, tmp_path, commands)
    nth = 1
    while True:
        core.process(core.stamp(commands[2:], 6))
        disk = FaultyDisk(operation, nth, fault)
        try:
            taken(core, tmp_path, commands, disk)
        except (OSError, JournalError):
            assert disk.fired
        _, header = load_snapshot(list_snapshots(tmp_path)[0][1], IN_FLIGHT)
        if not disk.fired:
            assert header.seq == core.last_seq
            break
        nth += 1
    assert len(list_snapshots(tmp_path)) == 2
    assert sorted(os.listdir(snapshot_directory(tmp_path))) == sorted(
        p.name for _, p in list_snapshots(tmp_path)
    )
