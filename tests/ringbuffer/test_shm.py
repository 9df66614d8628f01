"""Shared memory segments: what is refused, what is left behind, and what views survive."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import posix_ipc
import pytest

from ringbuffer.errors import LayoutMismatch, SegmentExists, SegmentMissing, SharedMemoryFull
from ringbuffer.huge_pages import free_huge_bytes, heeds_advice, huge_page_bytes, is_huge, map_huge
from ringbuffer.liveness import own_identity
from ringbuffer.shm import (
    PREFIX,
    SHM_DIRECTORY,
    SYSV_TABLE,
    Segment,
    SysvSegment,
    clean_stale,
    list_segments,
)

pytestmark = pytest.mark.jitoff

KINDS = [Segment, SysvSegment]
DIE_HOLDING = """
import os, signal, sys
from ringbuffer import shm
kind = getattr(shm, sys.argv[1])
kind.create(sys.argv[2], 8192, "left behind by a test")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def name() -> Iterator[str]:
    """A name that nobody else uses; nothing of it is left afterwards."""
    name = f"{PREFIX}test-{uuid.uuid4().hex[:12]}"
    yield name
    for kind in KINDS:
        try:
            segment = kind.attach(name)
        except (SegmentMissing, LayoutMismatch):
            continue
        segment.unlink()
        segment.close()


@pytest.mark.parametrize("kind", KINDS)
def test_what_one_object_writes_another_reads(name: str, kind: type[Segment]) -> None:
    """A segment created under a name is the same memory for whoever attaches it, zeroed at first."""
    with kind.create(name, 10_000, "purpose") as created:
        assert created.size == 12_288
        assert bytes(created.buffer[Segment.CONTENT :]) == bytes(8192)
        attached = kind.attach(name)
        created.buffer[Segment.CONTENT] = 77
        assert attached.buffer[Segment.CONTENT] == 77
        assert attached.info == created.info
        assert (created.created, attached.created) == (True, False)
        attached.close()
    with pytest.raises(SegmentMissing, match=name):
        kind.attach(name)


@pytest.mark.parametrize("kind", KINDS)
def test_the_header_says_whose_it_is(name: str, kind: type[Segment]) -> None:
    """The list of segments holds ours with its size, owner, purpose and that the owner lives."""
    with kind.create(name, 8192, "a ring of a test"):
        (info,) = list_segments(name)
    assert (info.owner_pid, info.owner_start) == own_identity()
    assert (info.name, info.size, info.alive, info.purpose) == (name, 8192, True, "a ring of a test")
    assert info.created_ns > 0
    assert list_segments(name) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_taken_name_is_refused(name: str, kind: type[Segment]) -> None:
    """Creating a second segment of a name is refused, and the first is untouched."""
    with kind.create(name, 8192) as first:
        first.buffer[Segment.CONTENT] = 5
        with pytest.raises(SegmentExists, match=f"{name}: expected a free"):
            kind.create(name, 8192)
        assert kind.attach(name).buffer[Segment.CONTENT] == 5


@pytest.mark.parametrize("kind", KINDS)
def test_arrays_outlive_the_segment(name: str, kind: type[Segment]) -> None:
    """An array on a segment that was closed and unlinked can still be read and written."""
    with kind.create(name, 8192) as segment:
        array = np.frombuffer(segment.buffer, np.int64)
    array[-1] = 42
    assert int(array[-1]) == 42


def test_a_system_v_segment_goes_with_its_last_array(name: str) -> None:
    """After unlink, close and the end of the last array the kernel has freed the segment."""
    segment = SysvSegment.create(name, 8192)
    key = str(SysvSegment.key_of(name))
    array = np.frombuffer(segment.buffer, np.int64)
    segment.unlink()
    segment.close()
    assert int(array[1]) == 1
    del array, segment
    assert key not in SYSV_TABLE.read_text()


def permissions(name: str, kind: type[Segment]) -> int:
    """Return the mode of a segment, as the system lists it."""
    if kind is Segment:
        return stat.S_IMODE((SHM_DIRECTORY / name).stat().st_mode)
    rows = [line.split() for line in SYSV_TABLE.read_text().splitlines()[1:]]
    (mode,) = [row[2] for row in rows if int(row[0]) & 0xFFFFFFFF == SysvSegment.key_of(name)]
    return int(mode, 8) & 0o777  # beyond that: SHM_DEST and SHM_LOCKED


@pytest.mark.parametrize("huge_pages", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_only_the_owner_may_read_it(name: str, kind: type[Segment], huge_pages: bool) -> None:
    """A segment has mode 0600 whatever the umask."""
    before = os.umask(0)
    try:
        with kind.create(name, 8192, huge_pages=huge_pages):
            assert permissions(name, kind) == 0o600
    finally:
        os.umask(before)


@pytest.mark.parametrize("kind", KINDS)
def test_huge_pages_are_had_or_not_and_the_header_says_which(name: str, kind: type[Segment]) -> None:
    """A segment that asks for huge pages works with those the host gives, and everybody can see which it has."""
    page = huge_page_bytes()
    offered = heeds_advice() if kind is Segment else free_huge_bytes() >= page > 0
    with kind.create(name, 10_000, huge_pages=True) as segment:
        assert segment.size == (page if segment.info.huge_pages or (offered and kind is Segment) else 12_288)
        assert not segment.info.huge_pages or offered
        assert bytes(segment.buffer[Segment.CONTENT : 10_000]) == bytes(10_000 - Segment.CONTENT)
        segment.buffer[9_999] = 7
        attached = kind.attach(name)
        assert attached.buffer[9_999] == 7
        assert attached.info == segment.info == list_segments(name)[0]
        attached.close()


def test_ordinary_pages_are_the_default(name: str) -> None:
    """Who does not ask gets no huge pages."""
    for kind in KINDS:
        with kind.create(name, 10_000) as segment:
            assert (segment.size, segment.info.huge_pages) == (12_288, False)


def test_the_host_says_whether_it_heeds_the_advice() -> None:
    """Huge pages are asked for where shmem_enabled allows them, and not where it is never, deny or unreadable."""
    words = ("always", "within_size", "advise", "never", "deny", "force")
    texts = {word: " ".join(f"[{each}]" if each == word else each for each in words) for word in words}
    heeding = {word for word, text in texts.items() if heeds_advice(text)}
    assert heeding == {"always", "within_size", "advise", "force"}
    assert not heeds_advice("nothing of the kind")


def test_a_mapping_that_asks_for_huge_pages_is_touched(name: str) -> None:
    """Mapping with the wish for huge pages gives zeroed memory of which every page is there, whatever they are."""
    shm = posix_ipc.SharedMemory("/" + name, posix_ipc.O_CREX)
    try:
        buffer = map_huge(shm.fd, 1 << 20)
        assert len(buffer) == 1 << 20
        assert not any(buffer[:: 1 << 12])
        assert is_huge(buffer) in (False, heeds_advice())
        del buffer
    finally:
        shm.close_fd()
        shm.unlink()


def test_a_full_dev_shm_is_a_clean_error(name: str) -> None:
    """A segment larger than what is free is refused with both figures, and leaves no name behind."""
    space = os.statvfs(SHM_DIRECTORY)
    needed = (space.f_blocks + 1) * space.f_frsize
    message = rf"{name}: expected {needed} bytes free in /dev/shm, was \d+"
    with pytest.raises(SharedMemoryFull, match=message) as error:
        Segment.create(name, needed)
    assert error.value.needed_bytes == needed
    assert 0 < error.value.free_bytes < needed
    assert not (SHM_DIRECTORY / name).exists()


def test_a_full_memory_is_a_clean_error_for_system_v(name: str) -> None:
    """A System V segment larger than the memory is refused with both figures, and leaves nothing behind."""
    with pytest.raises(SharedMemoryFull, match="bytes free in memory") as error:
        SysvSegment.create(name, 2**50)
    assert error.value.needed_bytes == 2**50
    assert str(SysvSegment.key_of(name)) not in SYSV_TABLE.read_text()


def test_all_pages_are_reserved_at_creation(name: str) -> None:
    """The file system has given blocks for every page before anybody touches one."""
    with Segment.create(name, 1 << 20):
        assert (SHM_DIRECTORY / name).stat().st_blocks * 512 >= 1 << 20


@pytest.mark.parametrize("kind", KINDS)
def test_segments_of_dead_processes_are_cleaned(name: str, kind: type[Segment]) -> None:
    """A segment whose creator was killed is listed as dead and cleaned; that of a live one stays."""
    dead, alive = f"{name}-dead", f"{name}-alive"
    command = [sys.executable, "-c", DIE_HOLDING, kind.__name__, dead]
    root = str(Path(__file__).parents[2])
    ended = subprocess.run(command, check=False, env={**os.environ, "PYTHONPATH": root})
    assert ended.returncode == -9
    with kind.create(alive, 8192):
        assert [(info.name, info.alive) for info in list_segments(name)] == [(alive, True), (dead, False)]
        with pytest.raises(SegmentExists):
            kind.create(dead, 8192)
        cleaned = clean_stale(name)
        assert [(info.name, info.purpose) for info in cleaned] == [(dead, "left behind by a test")]
        assert [info.name for info in list_segments(name)] == [alive]
    assert clean_stale(name) == []


def test_a_taken_name_tells_whether_its_owner_is_dead(name: str) -> None:
    """The refusal of a taken name says the owner's pid and what removes a dead one's segment."""
    command = [sys.executable, "-c", DIE_HOLDING, "Segment", name]
    root = str(Path(__file__).parents[2])
    subprocess.run(command, check=False, env={**os.environ, "PYTHONPATH": root})
    with pytest.raises(SegmentExists, match=r"pid \d+, dead: clean_stale\(\) removes it"):
        Segment.create(name, 8192)


def test_a_foreign_or_truncated_segment_is_refused(name: str) -> None:
    """Memory of that name without our header, or of another size than its header says, is refused."""
    path = SHM_DIRECTORY / name
    foreign = posix_ipc.SharedMemory("/" + name, posix_ipc.O_CREX, size=8192)
    foreign.close_fd()
    try:
        with pytest.raises(LayoutMismatch, match="header: expected magic and version 1, was none"):
            Segment.attach(name)
        assert [info.alive for info in list_segments(name)] == [True]  # young: it may be in creation
        os.utime(path, (1.0, 1.0))
        assert [(info.owner_pid, info.alive) for info in list_segments(name)] == [(0, False)]
    finally:
        foreign.unlink()
    with Segment.create(name, 8192):
        os.truncate(path, 4096)
        with pytest.raises(LayoutMismatch, match="size: expected 8192 bytes, was 4096"):
            Segment.attach(name)


@pytest.mark.parametrize("bad", ["a/b", "", "../x", "white space", "x" * 121])
def test_impossible_names_are_refused(bad: str) -> None:
    """A name that is no plain word of at most 120 characters is refused before the system sees it."""
    with pytest.raises(ValueError, match=r"segment name: expected|expected more than"):
        Segment.create(bad, 8192 if bad else 0)


def test_a_segment_without_content_is_refused(name: str) -> None:
    """A segment must be larger than its header."""
    for kind in KINDS:
        with pytest.raises(ValueError, match="expected more than 4096 bytes, was 4096"):
            kind.create(name, 4096)
