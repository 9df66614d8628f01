"""``ringmatch doctor``: every fact is judged, and what dead runs left is listed and removed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path

import msgspec
import pytest

from cli.app import main
from cli.doctor_checks import CHECKS, findings
from cli.exit_codes import ExitCode
from ringbuffer.shm import Segment, list_segments
from stages.host import UNLIMITED, CacheFacts, CoreFacts, HostFacts, MemoryFacts

GOOD = HostFacts(
    cores=CoreFacts(
        available=tuple(range(8)),
        online=tuple(range(8)),
        isolated=tuple(range(1, 7)),
        siblings=(),
        governors=("performance",),
        model="A Processor",
        is_virtual=False,
        quota_cores=0.0,
        numa_nodes=1,
        fifo_permitted=True,
        timer_slack_ns=50_000,
        clocksource="tsc",
    ),
    memory=MemoryFacts(
        shm_bytes=16 << 30,
        shm_free_bytes=16 << 30,
        memlock_bytes=UNLIMITED,
        huge_pages=0,
        huge_pages_free=0,
        huge_page_bytes=2 << 20,
        thp="madvise",
        total_bytes=32 << 30,
        free_bytes=30 << 30,
    ),
    cache=CacheFacts(path="cache", is_warm=True, bytes=1 << 20, stale=(), stale_bytes=0),
)

WORSE = [
    ("cores", {"available": (0,)}, "cores", "poor"),
    ("cores", {"available": (0, 1)}, "cores", "fair"),
    ("cores", {"isolated": ()}, "isolated cores", "fair"),
    ("cores", {"siblings": ((0, 4), (1, 5))}, "hyper-threads", "fair"),
    ("cores", {"governors": ("performance", "powersave")}, "frequency governor", "fair"),
    ("cores", {"is_virtual": True}, "machine", "fair"),
    ("cores", {"quota_cores": 1.5}, "processor quota", "poor"),
    ("cores", {"fifo_permitted": False}, "SCHED_FIFO", "fair"),
    ("cores", {"timer_slack_ns": 4_000_000}, "timer slack", "fair"),
    ("cores", {"clocksource": "hpet"}, "clock source", "poor"),
    ("cores", {"numa_nodes": 2}, "NUMA nodes", "fair"),
    ("memory", {"shm_free_bytes": 64 << 20}, "/dev/shm", "poor"),
    ("memory", {"free_bytes": 1 << 30}, "memory", "fair"),
    ("memory", {"memlock_bytes": 64 << 10}, "locked memory", "fair"),
    ("memory", {"thp": "never"}, "huge pages", "fair"),
    ("cache", {"is_warm": False}, "kernel cache", "fair"),
    ("cache", {"stale": ("0" * 16,), "stale_bytes": 1 << 30}, "kernel cache", "fair"),
]

CREATE = """
import sys
from ringbuffer.shm import Segment
Segment.create(sys.argv[1], 1 << 16, "left by a test")
"""


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give each test a cache of its own, so that --clean touches no other."""
    monkeypatch.setenv("RINGMATCH_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def left_behind(prefix: str) -> str:
    """Create a segment in a process that ends without unlinking it; return its name."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    subprocess.run([sys.executable, "-c", CREATE, f"{prefix}-dead"], check=True, env=environment, timeout=60)
    return f"{prefix}-dead"


@pytest.fixture
def prefix() -> str:
    """Return a prefix of segments that no one else has, so that --clean touches no other."""
    return f"ringmatch-test-doctor-{uuid.uuid4().hex}"


def test_a_tuned_host_is_good_throughout() -> None:
    """A host without flaws gets no advice, and every finding says what it means."""
    for finding in findings(GOOD):
        assert (finding.state, finding.advice) == ("good", ""), finding
        assert finding.what and finding.value and finding.meaning


@pytest.mark.parametrize(
    ("part", "change", "what", "state"), WORSE, ids=[f"{row[2]}-{row[3]}" for row in WORSE]
)
def test_each_flaw_is_found_with_advice(part: str, change: dict[str, object], what: str, state: str) -> None:
    """One flaw changes one finding, which then says how to improve it."""
    facts = msgspec.structs.replace(getattr(GOOD, part), **change)
    found = findings(msgspec.structs.replace(GOOD, **{part: facts}))
    worse = [finding for finding in found if finding.state != "good"]
    expected = {what} | ({"isolated cores"} if change.get("available") == (0,) else set())
    assert {finding.what for finding in worse} == expected
    assert next(finding.state for finding in worse if finding.what == what) == state
    assert all(finding.advice for finding in worse)


def test_findings_have_names_of_their_own() -> None:
    """No two checks speak of the same thing."""
    assert len({finding.what for finding in findings(GOOD)}) == len(CHECKS)


def test_doctor_prints_all_findings(capsys: pytest.CaptureFixture[str]) -> None:
    """Each finding of this host is printed with its meaning, and nothing on stderr."""
    assert main(["doctor"]) == ExitCode.OK
    out, err = capsys.readouterr()
    assert err == ""
    for what in ("cores", "isolated cores", "frequency governor", "/dev/shm", "huge pages", "kernel cache"):
        assert what in out
    assert "shared memory:" in out


def test_stale_segments_are_listed_then_cleaned(prefix: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A segment of a dead owner is named with size and purpose; --clean removes it; live ones stay."""
    stale = left_behind(prefix)
    with Segment.create(f"{prefix}-live", 1 << 16, "in use") as live:
        assert main(["doctor", "--prefix", prefix]) == ExitCode.OK
        out = capsys.readouterr().out
        assert f"stale: {stale}, 64 KiB, left by a test: pid " in out
        assert f"stale: {live.name}" not in out
        assert main(["doctor", "--prefix", prefix, "--clean"]) == ExitCode.OK
        assert f"removed segment {stale}" in capsys.readouterr().out
        names = {info.name for info in list_segments()}
        assert live.name in names
        assert stale not in names


def test_json_holds_everything(own_cache: Path, prefix: str, capsys: pytest.CaptureFixture[str]) -> None:
    """--json prints findings, stale segments and what was cleaned, as one document on stdout."""
    old = own_cache / f"stages.risk-{0:016x}"
    old.mkdir(parents=True)
    os.utime(old, (0, 0))
    stale = left_behind(prefix)
    assert main(["doctor", "--prefix", prefix, "--json"]) == ExitCode.OK
    report = json.loads(capsys.readouterr().out)
    assert len(report["findings"]) == len(CHECKS)
    assert [entry["name"] for entry in report["stale_segments"]] == [stale]
    assert set(report["stale_segments"][0]) == {"name", "bytes", "owner_pid", "purpose"}
    assert main(["doctor", "--prefix", prefix, "--json", "--clean"]) == ExitCode.OK
    report = json.loads(capsys.readouterr().out)
    assert report["cleaned_segments"] == [stale]
    assert report["stale_segments"] == []
    assert report["cleaned_caches"] == [old.name]
    assert not old.exists()
